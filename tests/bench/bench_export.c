/*
 * bench_export - what an export costs without HTTP: CPU time an event, and a sum that says whether two
 * builds write the same.
 *
 *	bench_export DIR [ROUNDS [THREADS [NAME=VALUE...]]]
 *
 * DIR is a data directory, which is only read. The parameters are those of /api/logs/export; none:
 * event_type=PAYMENT. The export is made once, then ROUNDS times; medians are printed.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "proto/base/check.h"
#include "query/export.h"
#include "storage/store.h"

enum { ROUNDS_MAX = 1000, ARG_PARAMS = 4, HEAP_BYTES = 2 << 20 };

struct bench {
	struct store_reader *reader;
	struct engine *engine;
	struct export_request req;
};

struct figures {
	uint64_t events, bytes, sum;
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

static void add_param(struct bench *b, const char *text)
{
	const char *value = strchr(text, '=');
	struct engine_err err;

	ASSERT(value);
	if (export_param(&b->req, span_of((const uint8_t *)text, (size_t)(value - text)),
		    span_str(value + 1), &err) < 0) {
		fprintf(stderr, "%s: %s\n", text, err.error);
		exit(1);
	}
}

/* Each part is read once, if a sum is wanted, and given back as a connection would. */
static void export_once(struct bench *b, XXH3_state_t *sum, struct figures *f)
{
	struct store_snapshot *snap;
	struct export_run *run;
	struct buf part;
	struct diag d;

	*f = (struct figures){ 0 };
	ASSERT(store_reader_snapshot(b->reader, &snap, &d) == 0);
	ASSERT(export_open(snap, &b->req, &run, &d) == 0);
	while (!export_done(run)) {
		ASSERT(export_step(run, b->engine, EXPORT_PIECES_MAX, &d) == 0);
		while (export_take(run, &part)) {
			f->bytes += part.len;
			if (sum)
				XXH3_64bits_update(sum, part.p, part.len);
			export_give_back(run, &part);
		}
	}
	f->events = export_result(run)->count;
	export_close(&run);
	store_snapshot_free(&snap);
}

static void measure(struct bench *b, int rounds)
{
	double wall[ROUNDS_MAX], cpu[ROUNDS_MAX];
	XXH3_state_t *sum = XXH3_createState();
	struct figures f;

	ASSERT(sum);
	XXH3_64bits_reset(sum);
	export_once(b, sum, &f);
	f.sum = XXH3_64bits_digest(sum);
	XXH3_freeState(sum);
	for (int i = 0; i < rounds; i++) {
		struct figures again;

		wall[i] = ms_of(CLOCK_MONOTONIC);
		cpu[i] = ms_of(CLOCK_PROCESS_CPUTIME_ID);
		export_once(b, NULL, &again);
		cpu[i] = ms_of(CLOCK_PROCESS_CPUTIME_ID) - cpu[i];
		wall[i] = ms_of(CLOCK_MONOTONIC) - wall[i];
		ASSERT(again.bytes == f.bytes);
	}
	qsort(wall, (size_t)rounds, sizeof wall[0], compare);
	qsort(cpu, (size_t)rounds, sizeof cpu[0], compare);
	printf("wall %.1f cpu %.1f (least %.1f) ms, %.3f us an event, %lu events, %lu bytes, sum "
	       "%016lx\n",
		wall[rounds / 2], cpu[rounds / 2], cpu[0],
		f.events ? cpu[rounds / 2] * 1e3 / (double)f.events : 0, (unsigned long)f.events,
		(unsigned long)f.bytes, (unsigned long)f.sum);
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 5;
	struct bench b = { .engine = engine_new() };
	struct engine_err err;
	struct diag d;

	/* As astroqueryd. */
	mallopt(M_MMAP_THRESHOLD, HEAP_BYTES);
	mallopt(M_TRIM_THRESHOLD, HEAP_BYTES);
	if (argc < 2) {
		puts("no data directory was given");
		return 0;
	}
	ASSERT(rounds > 0 && rounds <= ROUNDS_MAX);
	ASSERT(b.engine);
	export_request_init(&b.req);
	b.req.base.threads = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
	for (int i = ARG_PARAMS; i < argc; i++)
		add_param(&b, argv[i]);
	if (argc <= ARG_PARAMS)
		add_param(&b, "event_type=PAYMENT");
	ASSERT(export_request_check(&b.req, &err) == 0);
	if (store_reader_open(&(struct store_conf){ .dir = argv[1] }, &b.reader, &d) < 0) {
		fprintf(stderr, "%s: %s\n", d.file, d.text);
		return 1;
	}
	measure(&b, rounds);
	store_reader_close(&b.reader);
	export_request_fini(&b.req);
	engine_free(&b.engine);
	return 0;
}
