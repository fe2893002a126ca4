/*
 * bench_segment - what a segment costs: CPU time per event to write one and to read it back, bytes
 * per event in the file, by column and by encoding, and MB/s of raw texts.
 *
 *	bench_segment [FILE [ROWS [LEVEL]]]
 *
 * FILE holds concatenated msgpack maps (gen_events -f msgpack); without it, seeded events of
 * tests/support are used. ROWS per segment, 27 700 by default: an hour of the generator's two
 * million; 262 144 is a whole seal. LEVEL above 0 compresses as astrocompact does.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "storage/col.h"
#include "storage/seg_writer.h"
#include "storage/sidx_set.h"
#include "tests/support/event_file.h"

struct totals {
	uint64_t col_bytes[SEG_COL_COUNT];
	uint64_t dict_bytes[SEG_COL_COUNT];
	uint32_t col_encodings[SEG_COL_COUNT][COL_ENCODING_COUNT];
	uint64_t file_bytes;
	uint64_t raw_bytes;
	uint64_t rows;
	uint64_t segments;
	uint64_t sidecar_bytes[SIDX_COUNT];
	double write_s;
	double read_s;
	double sidecar_s[SIDX_COUNT];
};

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void die(const struct diag *d)
{
	char msg[DIAG_FILE_BYTES + DIAG_TEXT_BYTES];

	fprintf(stderr, "%s\n", diag_format(d, msg, sizeof msg));
	exit(1);
}

static void add_pages(struct totals *t, const struct seg_reader *r)
{
	for (int col = 0; col < SEG_COL_COUNT; col++) {
		const struct seg_page *dict = seg_reader_dict_page(r, col);

		t->dict_bytes[col] += dict ? dict->bytes : 0;
		for (uint32_t b = 0; b < seg_reader_info(r)->blocks_count; b++) {
			const struct seg_page *p = seg_reader_page(r, b, col);

			t->col_bytes[col] += p->bytes;
			t->col_encodings[col][p->encoding]++;
		}
	}
}

static void write_one(int dir, struct seg_writer_pool *pool, const struct event *ev, size_t count,
	int level, struct totals *t)
{
	struct seg_writer_conf conf = { .vfs = vfs_real(),
		.dir = dir,
		.pool = pool,
		.name = "bench.seg",
		.segment_id = 1,
		.compress_level = level };
	struct seg_writer *w = NULL;
	struct seg_info info;
	struct diag d;
	double start = cpu_s();

	unlinkat(dir, conf.name, 0);
	if (seg_writer_open(&conf, &w, &d) < 0)
		die(&d);
	for (size_t i = 0; i < count; i++) {
		if (seg_writer_append(w, &ev[i], &d) < 0)
			die(&d);
	}
	if (seg_writer_finish(w, &info, &d) < 0)
		die(&d);
	seg_writer_close(&w);
	t->write_s += cpu_s() - start;
	t->rows += info.rows_count;
	t->file_bytes += info.file_bytes;
	t->raw_bytes += info.raw_bytes;
	t->segments++;
}

static void read_one(int dir, struct totals *t)
{
	struct seg_reader *r = NULL;
	struct block *b = block_new();
	double start = cpu_s();
	struct diag d;

	ASSERT(b);
	if (seg_reader_open(vfs_real(), dir, "bench.seg", &r, &d) < 0)
		die(&d);
	for (uint32_t i = 0; i < seg_reader_info(r)->blocks_count; i++) {
		if (seg_reader_rows(r, i, b, &d) < 0)
			die(&d);
	}
	t->read_s += cpu_s() - start;
	add_pages(t, r);
	seg_reader_close(&r);
	block_free(&b);
}

static void index_one(int dir, struct totals *t)
{
	struct seg_reader *r = NULL;
	char name[DIAG_FILE_BYTES];
	struct diag d;

	if (seg_reader_open(vfs_real(), dir, "bench.seg", &r, &d) < 0)
		die(&d);
	for (int k = 0; k < SIDX_COUNT; k++) {
		double start = cpu_s();
		struct stat st;

		sidx_set_name("bench.seg", (enum sidx_kind)k, name);
		unlinkat(dir, name, 0);
		if (sidx_common_write(vfs_real(), dir, name, (enum sidx_kind)k, r, &d) < 0)
			die(&d);
		t->sidecar_s[k] += cpu_s() - start;
		ASSERT(fstatat(dir, name, &st, 0) == 0);
		unlinkat(dir, name, 0);
		t->sidecar_bytes[k] += (uint64_t)st.st_size;
	}
	seg_reader_close(&r);
}

static void print(const struct totals *t)
{
	double n = (double)t->rows, sidecars = 0, sidecars_s = 0;

	printf("%-12s %8s %8s  pages by encoding\n", "column", "B/event", "dict");
	for (int col = 0; col < SEG_COL_COUNT; col++) {
		printf("%-12s %8.2f %8.2f ", seg_reader_col_name(col),
			(double)t->col_bytes[col] / n, (double)t->dict_bytes[col] / n);
		for (unsigned e = 0; e < COL_ENCODING_COUNT; e++) {
			if (t->col_encodings[col][e])
				printf(" %s:%u", col_codec(e)->name, t->col_encodings[col][e]);
		}
		printf("\n");
	}
	printf("%.0f events, %lu segments, %.1f raw B/event, %.2f B/event in segments\n", n,
		(unsigned long)t->segments, (double)t->raw_bytes / n, (double)t->file_bytes / n);
	printf("write %.3f us/event (%.0f MB/s raw), read %.3f us/event (%.0f MB/s raw)\n",
		t->write_s * 1e6 / n, (double)t->raw_bytes / t->write_s / 1e6, t->read_s * 1e6 / n,
		(double)t->raw_bytes / t->read_s / 1e6);
	for (int k = 0; k < SIDX_COUNT; k++) {
		printf("%s %.3f us/event, %.2f B/event\n", sidx_common_suffix((enum sidx_kind)k),
			t->sidecar_s[k] * 1e6 / n, (double)t->sidecar_bytes[k] / n);
		sidecars += (double)t->sidecar_bytes[k];
		sidecars_s += t->sidecar_s[k];
	}
	printf("all %.3f us/event, %.2f B/event\n", (t->write_s + sidecars_s) * 1e6 / n,
		((double)t->file_bytes + sidecars) / n);
}

int main(int argc, char **argv)
{
	size_t count, rows = argc > 2 ? strtoul(argv[2], NULL, 10) : 27700;
	int level = argc > 3 ? atoi(argv[3]) : 0;
	char tmp[] = "/tmp/bench_segment.XXXXXX";
	struct seg_writer_pool *pool = seg_writer_pool_new();
	struct totals t = { 0 };
	struct event *ev;
	int dir;

	ASSERT(rows > 0);
	ASSERT(pool);
	ASSERT(mkdtemp(tmp));
	dir = open(tmp, O_RDONLY | O_DIRECTORY);
	ASSERT(dir >= 0);
	ev = event_file_load(argc > 1 ? argv[1] : NULL, &count);
	for (size_t i = 0; i < count; i += rows) {
		write_one(dir, pool, ev + i, count - i < rows ? count - i : rows, level, &t);
		read_one(dir, &t);
		index_one(dir, &t);
	}
	print(&t);
	seg_writer_pool_free(&pool);
	unlinkat(dir, "bench.seg", 0);
	close(dir);
	rmdir(tmp);
	return 0;
}
