/*
 * bench_filter - CPU times of filters over all blocks of a store, and of the values of matching rows:
 * each with nothing of any block at hand, and with what the pool of blocks keeps. One thread.
 *
 *	bench_filter DIR [ROUNDS [NAME]]
 *
 * DIR is a data directory, which is only read. Medians of ROUNDS; NAME: that question alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "proto/expr/expr_parse.h"
#include "storage/block_pool.h"
#include "storage/scan.h"
#include "storage/scan_values.h"
#include "storage/store.h"

enum { ROUNDS_MAX = 1000 };

struct question {
	const char *name;
	const char *where;  /* of proto/expr/expr_parse.h */
	const char *values; /* a field; NULL: rows are counted */
};

static const struct question questions[] = {
	{ "all", "", NULL },
	{ "Q2 type", "event_type=ERROR", NULL },
	{ "Q4 substring", "ephyrin", NULL },
	{ "common word", "completed", NULL },
	{ "Q7 users of a type", "event_type=AUTH", "user_id" },
	{ "Q10 metadata", "metadata.error_code=E4102", NULL },
	{ "metadata number", "metadata.amount>100", NULL },
	{ "metadata there", "metadata.error_code=*", NULL },
	{ "type and service", "event_type=AUTH service=auth", NULL },
	{ "type or user", "event_type in (AUTH, PAYMENT) or user_id=usr-583307", NULL },
	{ "not", "not (event_type=AUTH or severity<=error) completed", NULL },
	{ "regex", "description=~\"order [a-z]+-\\d+ on \"", NULL },
	{ "regex of a user", "user_id=~\"77$\"", NULL },
	{ "address", "ip_address=~\"^10\\.\"", NULL },
	{ "user ids", "", "user_id" },
	{ "event types", "", "event_type" },
	{ "entity types", "", "entity_type" },
	{ "entity ids", "", "entity_id" },
	{ "amounts", "", "metadata.amount" },
	{ "error codes", "", "metadata.error_code" },
	{ "times", "", "timestamp" },
};

struct bench {
	struct store_snapshot *snap;
	struct scan_scratch *scratch;
	struct scan_stats stats;
	const struct question *q;
	struct scan_spec spec;
	struct expr_field field;
	uint64_t rows;
};

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void take_values(struct bench *b, const struct scan *s, size_t unit)
{
	static int64_t ints[LIMIT_BLOCK_ROWS];
	struct scan_values v;
	const uint32_t *rows;
	struct diag d;
	size_t n;

	ASSERT(scan_rows(s, unit, b->scratch, &rows, &n, &b->stats, &d) == 0);
	if (b->field.kind == EXPR_FIELD_TEXT || b->field.kind == EXPR_FIELD_META)
		ASSERT(scan_rows_values(
			       s, unit, b->scratch, rows, n, &b->field, &v, &b->stats, &d) == 0);
	else
		ASSERT(scan_rows_ints(s, unit, b->scratch, rows, n, b->field.kind, ints, &b->stats,
			       &d) == 0);
	b->rows += n;
}

static void ask(struct bench *b)
{
	struct scan *s = NULL;
	struct diag d;

	b->rows = 0;
	b->stats = (struct scan_stats){ 0 };
	ASSERT(scan_open(b->snap, &b->spec, &s, &b->stats, &d) == 0);
	for (size_t i = 0; i < scan_unit_count(s); i++) {
		uint64_t n;

		if (b->q->values) {
			take_values(b, s, i);
			continue;
		}
		ASSERT(scan_count(s, i, b->scratch, &n, &b->stats, &d) == 0);
		b->rows += n;
	}
	scan_close(&s);
}

static int double_cmp(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;

	return (a > b) - (a < b);
}

static double median(struct bench *b, int rounds)
{
	static double ms[ROUNDS_MAX];

	ask(b);
	for (int i = 0; i < rounds; i++) {
		double start = cpu_ms();

		ask(b);
		ms[i] = cpu_ms() - start;
	}
	qsort(ms, (size_t)rounds, sizeof ms[0], double_cmp);
	return ms[rounds / 2];
}

static void run(struct bench *b, int rounds)
{
	const struct expr_parse_conf conf = { .now_ns = 0 };
	struct expr_builder builder;
	struct expr_err err = { .code = 0 };
	const struct expr *where = NULL;
	double cold, warm;
	size_t budget;

	expr_builder_init(&builder);
	if (expr_parse(&builder, span_str(b->q->where), &conf, &where, &err) < 0)
		printf("%s: %s\n", b->q->where, err.error);
	scan_spec_init(&b->spec);
	b->spec.where = expr_normalise(&builder, where);
	ASSERT(b->spec.where);
	if (b->q->values)
		ASSERT(expr_field_find(&builder, span_str(b->q->values), &b->field) == 0);
	budget = block_pool_set(0);
	cold = median(b, rounds);
	block_pool_set(budget);
	warm = median(b, rounds);
	printf("%-20s %8.3f ms cold %8.3f ms warm %6.2f ns a row %8lu rows %4lu of %lu blocks, "
	       "%lu pages\n",
		b->q->name, cold, warm, warm * 1e6 / (double)(b->rows ? b->rows : 1),
		(unsigned long)b->rows, (unsigned long)b->stats.blocks_read,
		(unsigned long)b->stats.blocks_total, (unsigned long)b->stats.pages_read);
	expr_builder_fini(&builder);
}

int main(int argc, char **argv)
{
	struct store_conf conf = { .dir = argc > 1 ? argv[1] : NULL };
	int rounds = argc > 2 ? atoi(argv[2]) : 9;
	struct store_reader *reader = NULL;
	struct bench b = { .rows = 0 };
	struct diag d;

	if (!conf.dir) {
		puts("no data directory was given");
		return 0;
	}
	ASSERT(rounds > 0 && rounds <= ROUNDS_MAX);
	if (store_reader_open(&conf, &reader, &d) < 0 ||
		store_reader_snapshot(reader, &b.snap, &d) < 0) {
		fprintf(stderr, "%s: %s\n", d.file, d.text);
		return 1;
	}
	b.scratch = scan_scratch_new();
	ASSERT(b.scratch);
	for (size_t i = 0; i < ARRAY_COUNT(questions); i++) {
		b.q = &questions[i];
		if (argc < 4 || strcmp(argv[3], b.q->name) == 0)
			run(&b, rounds);
	}
	scan_scratch_free(&b.scratch);
	store_snapshot_free(&b.snap);
	store_reader_close(&reader);
	return 0;
}
