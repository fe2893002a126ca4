/*
 * bench_cube - what counting by cubes costs: CPU time of a question over a whole store, with its cubes
 * still to be opened and without, and the cells that it gives.
 *
 *	bench_cube [DATA]
 *
 * Without DATA, of a store of seeded events.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/base/check.h"
#include "storage/scan_cube.h"
#include "tests/support/store_kit.h"

#define HOUR_NS INT64_C(3600000000000)

enum { TURNS = 21, BATCHES = 40, BATCH_ROWS = 5000 };

static double cpu_us(void)
{
	struct timespec t;

	ASSERT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static _Noreturn void die(const struct diag *d)
{
	char msg[DIAG_FILE_BYTES + DIAG_TEXT_BYTES];

	fprintf(stderr, "%s\n", diag_format(d, msg, sizeof msg));
	exit(1);
}

static int on_cell(void *arg, const struct scan_cube_cell *cell)
{
	(void)cell;
	(*(uint64_t *)arg)++;
	return 0;
}

static double ask(struct store_snapshot *snap, const struct scan_cube_ask *a, uint64_t *out_cells,
	uint64_t *out_rows, size_t *out_segments)
{
	struct scan_cube *c = NULL;
	double start = cpu_us(), used;
	struct diag d;
	int rc;

	*out_cells = 0;
	if (scan_cube_open(snap, a, &c, &d) < 0)
		die(&d);
	do
		rc = scan_cube_next(c, on_cell, out_cells, &d);
	while (rc == 1);
	if (rc < 0)
		die(&d);
	used = cpu_us() - start;
	*out_rows = scan_cube_rows(c);
	*out_segments = scan_cube_segments(c);
	scan_cube_close(&c);
	return used;
}

static int double_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const struct store_conf *conf, const char *what, const struct scan_cube_ask *a)
{
	struct store_reader *reader = NULL;
	struct store_snapshot *snap = NULL;
	uint64_t cells, rows;
	double first, warm[TURNS];
	size_t segments;
	struct diag d;

	if (store_reader_open(conf, &reader, &d) < 0 ||
		store_reader_snapshot(reader, &snap, &d) < 0)
		die(&d);
	first = ask(snap, a, &cells, &rows, &segments);
	for (int i = 0; i < TURNS; i++)
		warm[i] = ask(snap, a, &cells, &rows, &segments);
	qsort(warm, TURNS, sizeof warm[0], double_cmp);
	printf("%-28s first %8.0f us, then %6.0f us; %zu segments, %lu rows, %lu cells\n", what,
		first, warm[TURNS / 2], segments, (unsigned long)rows, (unsigned long)cells);
	store_snapshot_free(&snap);
	store_reader_close(&reader);
}

static void measure_all(const struct store_conf *conf)
{
	struct scan_cube_ask a;

	scan_cube_ask_init(&a);
	measure(conf, "all rows", &a);
	a.by = 1 << SIDX_CUBE_EVENT_TYPE | 1 << SIDX_CUBE_ENTITY_TYPE;
	measure(conf, "type, entity type", &a);
	a.by = 1 << SIDX_CUBE_EVENT_TYPE;
	a.bucket_ns = HOUR_NS;
	measure(conf, "hour, type", &a);
	a.by = 1 << SIDX_CUBE_SERVICE;
	measure(conf, "hour, service", &a);
	a.by = (1 << SIDX_CUBE_DIMS) - 1;
	a.bucket_ns = HOUR_NS / 4;
	measure(conf, "quarter of an hour, all four", &a);
}

static void make_store(const struct store_conf *conf)
{
	struct store_kit k;

	store_kit_init(&k, conf, 1);
	ASSERT(store_kit_open(&k) == 0);
	for (int i = 0; i < BATCHES; i++)
		ASSERT(store_kit_append(&k, BATCH_ROWS, 24) == 0);
	ASSERT(store_kit_commit(&k) == 0);
	ASSERT(store_kit_seal(&k) == 0);
	store_kit_fini(&k);
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
	char dir[] = "/tmp/bench_cube.XXXXXX";
	struct store_conf conf = { .dir = argc > 1 ? argv[1] : dir };

	if (argc < 2) {
		ASSERT(mkdtemp(dir));
		make_store(&conf);
	}
	measure_all(&conf);
	if (argc < 2)
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
