/*
 * bench_agg - CPU and wall times of aggregations on a store: what is counted from cubes, what has to be
 * scanned, in one thread and in two. Warm.
 *
 *	bench_agg [DIR [QUERY [ROUNDS [THREADS]]]]
 *
 * DIR is a data directory, which is only read; without one nothing is measured. QUERY is as behind
 * /api/query?, undecoded; without one a list of usual ones is asked. Each is asked twice and then ROUNDS
 * times, in one thread, then in two; THREADS 1: in
 * one alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "query/agg.h"
#include "storage/block_pool.h"

enum { ROUNDS_MAX = 41, QUERY_BYTES = 1000 };

static const char *const usual[] = {
	"by=event_type&bucket=1h",
	"by=event_type,entity_type",
	"event_type=AUTH&by=user_id&top=10",
	"by=user_id&top=10",
	"by=event_type&bucket=1h&agg=count,count(user_id)",
	"by=metadata.region,event_type&agg=count,avg(metadata.duration_ms)",
	"by=event_type&agg=sum(metadata.amount),p95(metadata.duration_ms)",
	"agg=distinct(user_id)",
};

static double ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void parse(const char *query, struct agg_request *req)
{
	char text[QUERY_BYTES], *at = NULL;
	struct engine_err err;

	ASSERT(strlen(query) < sizeof text);
	strcpy(text, query);
	agg_request_init(req);
	for (char *p = strtok_r(text, "&", &at); p; p = strtok_r(NULL, "&", &at)) {
		char *value = strchr(p, '=');

		ASSERT(value);
		*value++ = 0;
		if (agg_param(req, span_str(p), span_str(value), &err) < 0)
			fprintf(stderr, "%s: %s\n", p, err.error);
	}
	ASSERT(agg_request_check(req, &err) == 0);
}

static int compare(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

static void ask(struct engine *e, struct store_snapshot *snap, const char *query, unsigned threads,
	int rounds)
{
	double cpu[ROUNDS_MAX], wall[ROUNDS_MAX];
	struct block_pool_use before, pool;
	struct agg_request req;
	struct agg_result r;
	struct diag d;

	parse(query, &req);
	req.filter.threads = threads;
	for (int i = -2; i < rounds; i++) {
		double c = ms(CLOCK_PROCESS_CPUTIME_ID), w = ms(CLOCK_MONOTONIC);

		if (i == 0)
			block_pool_use(&before);
		ASSERT(agg_run(e, snap, &req, &r, &d) == 0);
		if (i >= 0) {
			cpu[i] = ms(CLOCK_PROCESS_CPUTIME_ID) - c;
			wall[i] = ms(CLOCK_MONOTONIC) - w;
		}
		if (i < rounds - 1)
			agg_result_fini(&r);
	}
	block_pool_use(&pool);
	qsort(cpu, (size_t)rounds, sizeof cpu[0], compare);
	qsort(wall, (size_t)rounds, sizeof wall[0], compare);
	printf("%-60s %u threads: %8.2f ms CPU (least %.2f), %8.2f ms; %llu events, %llu groups, warm %zu blocks, opened %.1f\n",
		query, threads, cpu[rounds / 2], cpu[0], wall[rounds / 2],
		(unsigned long long)r.total, (unsigned long long)r.groups, pool.idle_count,
		(double)(pool.misses - before.misses) / rounds);
	agg_result_fini(&r);
	agg_request_fini(&req);
}

int main(int argc, char **argv)
{
	struct store_conf conf = { .dir = argc > 1 ? argv[1] : NULL };
	struct store_reader *reader;
	struct store_snapshot *snap;
	struct engine *e = engine_new();
	unsigned most = argc > 4 ? (unsigned)atoi(argv[4]) : 2;
	int rounds = argc > 3 ? atoi(argv[3]) : ROUNDS_MAX;
	struct diag d;

	if (argc < 2) {
		printf("bench_agg: no data directory was given\n");
		return 0;
	}
	ASSERT(e && rounds > 0 && rounds <= ROUNDS_MAX);
	if (store_reader_open(&conf, &reader, &d) < 0 ||
		store_reader_snapshot(reader, &snap, &d) < 0) {
		fprintf(stderr, "%s: %s\n", d.file, d.text);
		return 1;
	}
	for (unsigned threads = 1; threads <= most; threads++) {
		for (size_t i = 0; argc < 3 && i < ARRAY_COUNT(usual); i++)
			ask(e, snap, usual[i], threads, rounds);
		if (argc > 2)
			ask(e, snap, argv[2], threads, rounds);
	}
	store_snapshot_free(&snap);
	store_reader_close(&reader);
	engine_free(&e);
	return 0;
}
