/*
 * bench_fetch - times of questions that end in few events: a page of an hour, one entity, the newest of
 * a common word; and of reading events by their rows: one of each block, one in twelve, all of them.
 *
 *	bench_fetch DIR [ROUNDS [NAME [THREADS]]]
 *
 * DIR is a data directory, which is only read. Each question is asked once and then ROUNDS times; the
 * medians of wall and of CPU time (of all threads) are printed, and the blocks
 * opened anew in a round. NAME: that question alone;
 * THREADS: in so many.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "query/engine.h"
#include "storage/block_pool.h"
#include "storage/store.h"

enum { ROUNDS_MAX = 1000, PARAMS_MAX = 6, EVERY = 12 };

struct question {
	const char *name;
	const char *params[PARAMS_MAX][2];
};

static const struct question questions[] = {
	{ "Q1 page",
		{ { "start_time", "2026-01-13T12:00:00Z" }, { "end_time", "2026-01-13T13:00:00Z" },
			{ "limit", "1000" }, { "total", "none" } } },
	{ "Q1 page and total",
		{ { "start_time", "2026-01-13T12:00:00Z" }, { "end_time", "2026-01-13T13:00:00Z" },
			{ "limit", "1000" } } },
	{ "Q2 count", { { "event_type", "ERROR" }, { "limit", "1" } } },
	{ "Q3 entity", { { "entity_type", "order" }, { "entity_id", "ord-1003404" } } },
	{ "Q4 substring", { { "search", "ephyrin" } } },
	{ "Q5 word", { { "search", "completed" }, { "limit", "100" }, { "total", "none" } } },
	{ "Q5 word and total", { { "search", "completed" }, { "limit", "100" } } },
	{ "Q10 page", { { "q", "metadata.error_code=E4102" }, { "limit", "1000" },
			      { "total", "none" } } },
	{ "Q8 page", { { "event_type", "PAYMENT" }, { "limit", "1000" }, { "total", "none" } } },
	{ "oldest", { { "order", "asc" }, { "limit", "100" } } },
	{ "newest", { { "limit", "100" } } },
};

struct bench {
	struct store_reader *reader;
	struct engine *engine;
	struct scan_scratch *scratch;
	int rounds;
	const char *only;
	unsigned threads; /* 0: as the engine likes */
};

struct figures {
	uint64_t rows;
	struct engine_stats stats;
};

static double ms_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static struct store_snapshot *snapshot(struct bench *b)
{
	struct store_snapshot *s;
	struct diag d;

	ASSERT(store_reader_snapshot(b->reader, &s, &d) == 0);
	return s;
}

/* ---------------------------------------------------------------- through the engine */

static void ask(struct bench *b, const void *arg, struct figures *f)
{
	const struct question *q = arg;
	struct store_snapshot *snap = snapshot(b);
	struct engine_request req;
	struct engine_result r;
	struct engine_err err;
	struct diag d;
	int rc;

	engine_request_init(&req);
	for (int i = 0; i < PARAMS_MAX && q->params[i][0]; i++) {
		if (engine_param(&req, span_str(q->params[i][0]), span_str(q->params[i][1]), &err) <
			0)
			fail(err.field, err.error);
	}
	if (engine_request_check(&req, &err) < 0)
		fail(err.field, err.error);
	if (b->threads)
		req.threads = b->threads;
	/* As the daemon asks: what is warm first, in its own thread. */
	req.warm = b->threads != 1;
	rc = engine_run(b->engine, snap, &req, &r, &d);
	req.warm = false;
	if (rc == ENGINE_COLD)
		rc = engine_run(b->engine, snap, &req, &r, &d);
	ASSERT(rc == 0);
	f->rows = r.count ? r.count : r.total;
	f->stats = r.stats;
	engine_result_fini(&r);
	engine_request_fini(&req);
	store_snapshot_free(&snap);
}

/* ---------------------------------------------------------------- rows of blocks */

/* Rows first, first + step ... of each unit. */
static void fetch(struct bench *b, const void *arg, struct figures *f)
{
	static struct event out[SCAN_FETCH_ROWS];
	static uint32_t rows[LIMIT_BLOCK_ROWS];
	uint32_t step = *(const uint32_t *)arg;
	struct store_snapshot *snap = snapshot(b);
	struct scan_spec spec;
	struct scan *s;
	struct diag d;

	*f = (struct figures){ 0 };
	scan_spec_init(&spec);
	ASSERT(scan_open(snap, &spec, &s, &f->stats.scan, &d) == 0);
	for (size_t i = 0; i < scan_unit_count(s); i++) {
		uint32_t all = scan_unit(s, i)->rows_count, n = 0;

		for (uint32_t at = step < all ? step / 2 : all / 3; at < all; at += step)
			rows[n++] = at;
		for (uint32_t at = 0, part; at < n; at += part) {
			part = n - at < SCAN_FETCH_ROWS ? n - at : SCAN_FETCH_ROWS;
			ASSERT(scan_fetch_view(s, i, rows + at, part, b->scratch, out,
				       &f->stats.scan, &d) == 0);
		}
		f->rows += n;
	}
	scan_close(&s);
	store_snapshot_free(&snap);
}

/* ---------------------------------------------------------------- all of it */

static void run(struct bench *b, const char *name,
	void (*what)(struct bench *, const void *, struct figures *), const void *arg, int rounds)
{
	double wall[ROUNDS_MAX], cpu[ROUNDS_MAX], first;
	struct figures f = { 0 };
	struct block_pool_use before, pool;

	if (b->only && strcmp(b->only, name) != 0)
		return;
	first = ms_of(CLOCK_MONOTONIC);
	what(b, arg, &f);
	first = ms_of(CLOCK_MONOTONIC) - first;
	block_pool_use(&before);
	for (int i = 0; i < rounds; i++) {
		wall[i] = ms_of(CLOCK_MONOTONIC);
		cpu[i] = ms_of(CLOCK_PROCESS_CPUTIME_ID);
		what(b, arg, &f);
		cpu[i] = ms_of(CLOCK_PROCESS_CPUTIME_ID) - cpu[i];
		wall[i] = ms_of(CLOCK_MONOTONIC) - wall[i];
	}
	block_pool_use(&pool);
	qsort(wall, (size_t)rounds, sizeof wall[0], compare);
	qsort(cpu, (size_t)rounds, sizeof cpu[0], compare);
	printf("%-20s first %8.3f wall %8.3f cpu %8.3f ms, %7.3f us/row %8lu rows, blocks read "
	       "%lu of %lu, units searched %lu counted %lu, threads %u, warm %zu blocks %.1f "
	       "MiB, opened %.1f\n",
		name, first, wall[rounds / 2], cpu[rounds / 2],
		f.rows ? cpu[rounds / 2] * 1e3 / (double)f.rows : 0, (unsigned long)f.rows,
		(unsigned long)f.stats.scan.blocks_read, (unsigned long)f.stats.scan.blocks_total,
		(unsigned long)f.stats.units_visited, (unsigned long)f.stats.units_counted,
		f.stats.threads, pool.idle_count, (double)pool.bytes / (1 << 20),
		(double)(pool.misses - before.misses) / rounds);
}

int main(int argc, char **argv)
{
	static const uint32_t one = LIMIT_BLOCK_ROWS, some = EVERY, all = 1;
	struct bench b = { .rounds = argc > 2 ? atoi(argv[2]) : 15 };
	struct diag d;

	if (argc < 2) {
		puts("no data directory was given");
		return 0;
	}
	ASSERT(b.rounds > 0 && b.rounds <= ROUNDS_MAX);
	b.only = argc > 3 ? argv[3] : NULL;
	b.threads = argc > 4 ? (unsigned)atoi(argv[4]) : 0;
	b.engine = engine_new();
	b.scratch = scan_scratch_new();
	ASSERT(b.engine && b.scratch);
	if (store_reader_open(&(struct store_conf){ .dir = argv[1] }, &b.reader, &d) < 0)
		fail(d.file, d.text);
	for (size_t i = 0; i < ARRAY_COUNT(questions); i++)
		run(&b, questions[i].name, ask, &questions[i], b.rounds);
	run(&b, "one row of a block", fetch, &one, b.rounds);
	run(&b, "one row in twelve", fetch, &some, 3);
	run(&b, "all rows", fetch, &all, 3);
	scan_scratch_free(&b.scratch);
	engine_free(&b.engine);
	store_reader_close(&b.reader);
	return 0;
}
