/*
 * bench_journal - what durability costs: CPU time per event of append and commit (checksums, LZ4,
 * write), the share of LZ4 and of the checksums alone, bytes per event in the journal, the time of a
 * commit, and of the recovery and the first snapshot after it.
 *
 *	bench_journal [FILE [BATCH_BYTES]]
 *
 * FILE holds concatenated msgpack maps (gen_events -f msgpack); without it, seeded events of
 * tests/support are used. BATCH_BYTES of rows go into one append and commit, 65536 by default.
 */
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "storage/row.h"
#include "storage/snapshot_int.h"
#include "storage/store.h"
#include "tests/support/event_file.h"

enum { COMMITS_MAX = 1 << 20 };

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

struct batches {
	struct buf rows;
	struct store_batch *list;
	size_t *offs; /* of each batch in rows */
	size_t count;
	uint64_t events_count;
};

/* All rows encoded ahead, so that only the store is measured. */
static void encode(struct batches *b, const struct event *ev, size_t count, size_t bytes)
{
	buf_init(&b->rows, (size_t)4 << 30);
	b->list = calloc(count + 1, sizeof *b->list);
	b->offs = calloc(count + 1, sizeof *b->offs);
	ASSERT(b->list && b->offs);
	for (size_t i = 0; i < count; i++) {
		struct store_batch *last = &b->list[b->count];

		if (last->rows_count == 0)
			b->offs[b->count] = b->rows.len;
		ASSERT(row_put(&b->rows, &ev[i]) == 0);
		last->rows_count++;
		last->rows_bytes = b->rows.len - b->offs[b->count];
		last->time_min_ns = INT64_MIN;
		last->time_max_ns = INT64_MAX;
		if (last->rows_bytes >= bytes || i + 1 == count)
			b->count++;
	}
	for (size_t i = 0; i < b->count; i++)
		b->list[i].rows = b->rows.p + b->offs[i];
	b->events_count = count;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure_parts(const struct batches *b)
{
	int cap = LZ4_compressBound((int)(LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES));
	char *dst = malloc((size_t)cap);
	uint64_t sum = 0, out = 0;
	double start;

	ASSERT(dst);
	for (int acceleration = 1; acceleration <= 64; acceleration *= 2) {
		start = cpu_s();
		out = 0;
		for (size_t i = 0; i < b->count; i++)
			out += (uint64_t)LZ4_compress_fast((const char *)b->list[i].rows, dst,
				(int)b->list[i].rows_bytes, cap, acceleration);
		printf("LZ4 acceleration %d: %.3f us/event, %.1f B/event of %.1f\n", acceleration,
			(cpu_s() - start) * 1e6 / (double)b->events_count,
			(double)out / (double)b->events_count,
			(double)b->rows.len / (double)b->events_count);
	}
	start = cpu_s();
	for (size_t i = 0; i < b->count; i++)
		sum += XXH3_64bits(b->list[i].rows, b->list[i].rows_bytes / 3);
	printf("checksum of a third as much: %.3f us/event (%" PRIx64 ")\n",
		(cpu_s() - start) * 1e6 / (double)b->events_count, sum & 1);
	free(dst);
}

static void measure_append(const struct batches *b, struct store_writer *w)
{
	static double commit_s[COMMITS_MAX];
	double append_s = 0, start = cpu_s(), wall = (double)clock_mono_ns();
	struct diag d;

	ASSERT(b->count <= COMMITS_MAX);
	for (size_t i = 0; i < b->count; i++) {
		double t0 = cpu_s(), t1;
		uint64_t committed;

		if (store_writer_append(w, &b->list[i], &d) < 0)
			die(&d);
		append_s += cpu_s() - t0;
		t1 = (double)clock_mono_ns();
		if (store_writer_commit(w, &committed, &d) < 0)
			die(&d);
		commit_s[i] = ((double)clock_mono_ns() - t1) / 1e6;
	}
	wall = ((double)clock_mono_ns() - wall) / 1e9;
	qsort(commit_s, b->count, sizeof *commit_s, by_value);
	printf("append %.3f us/event CPU; append and commit %.3f us/event CPU\n",
		append_s * 1e6 / (double)b->events_count,
		(cpu_s() - start) * 1e6 / (double)b->events_count);
	printf("%zu commits of %.0f KiB: p50 %.3f p99 %.3f max %.3f ms; %.0f events/s durable\n",
		b->count, (double)b->rows.len / 1024 / (double)b->count, commit_s[b->count / 2],
		commit_s[b->count * 99 / 100], commit_s[b->count - 1],
		(double)b->events_count / wall);
}

static double wall_ms(int64_t since)
{
	return (double)(clock_mono_ns() - since) / 1e6;
}

static void measure_reading(const struct store_conf *conf, uint64_t expect)
{
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;
	struct store_snapshot *s = NULL;
	int64_t start = clock_mono_ns();
	struct diag d;

	if (store_writer_open(conf, &w, &d) < 0)
		die(&d);
	printf("recovery of all of it: %.1f ms\n", wall_ms(start));
	ASSERT(store_writer_committed(w) == expect);
	start = clock_mono_ns();
	if (store_reader_open(conf, &r, &d) < 0 || store_reader_snapshot(r, &s, &d) < 0)
		die(&d);
	printf("first snapshot: %.1f ms, %zu batches\n", wall_ms(start), snapshot_batch_count(s));
	ASSERT(store_snapshot_committed(s) == expect);
	store_snapshot_free(&s);
	start = clock_mono_ns();
	for (int i = 0; i < 1000; i++) {
		if (store_reader_snapshot(r, &s, &d) < 0)
			die(&d);
		store_snapshot_free(&s);
	}
	printf("snapshot when nothing changed: %.2f us\n", wall_ms(start));
	store_reader_close(&r);
	store_writer_close(&w);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

int main(int argc, char **argv)
{
	size_t count, bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 65536;
	char dir[] = "/tmp/bench_journal.XXXXXX";
	struct store_conf conf = { .dir = dir };
	struct store_writer *w = NULL;
	struct batches b = { 0 };
	struct event *ev;
	struct diag d;

	ASSERT(bytes > 0 && bytes <= LIMIT_BATCH_BYTES);
	ASSERT(mkdtemp(dir));
	ev = event_file_load(argc > 1 ? argv[1] : NULL, &count);
	encode(&b, ev, count, bytes);
	printf("%zu events, %.1f B/event as rows, %zu batches\n", count,
		(double)b.rows.len / (double)count, b.count);
	measure_parts(&b);
	if (store_writer_open(&conf, &w, &d) < 0 || store_writer_prepare(w, &d) < 0)
		die(&d);
	measure_append(&b, w);
	store_writer_close(&w);
	measure_reading(&conf, count);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(b.list);
	free(b.offs);
	buf_fini(&b.rows);
	return 0;
}
