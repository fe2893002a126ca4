/*
 * bench_scan - CPU times of the questions that a query engine puts to segments: counts, one entity, a
 * rare and a common word, the newest hundred of them as whole events. One thread, warm.
 *
 *	bench_scan [FILE [ROWS]]
 *
 * FILE and ROWS as for bench_segment.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "storage/scan_int.h"
#include "tests/support/event_file.h"
#include "tests/support/scan_ask.h"
#include "tests/support/seg_fixture.h"

enum { SEGMENTS_MAX = 1024, ROUNDS = 9, PAGE = 100 };

struct bench {
	struct seg_fixture fixture;
	const struct seg_reader *readers[SEGMENTS_MAX];
	size_t segments;
	struct scan_scratch *scratch;
};

struct result {
	uint64_t rows;
	struct scan_stats stats;
};

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void count(struct bench *b, struct scan *s, struct result *r)
{
	for (size_t i = 0; i < scan_unit_count(s); i++) {
		uint64_t n;
		struct diag d;

		ASSERT(scan_count(s, i, b->scratch, &n, &r->stats, &d) == 0);
		r->rows += n;
	}
}

/* The last rows of the last units, until a page is full. */
static void fetch(struct bench *b, struct scan *s, struct result *r)
{
	struct event out[PAGE];
	struct arena arena;

	arena_init(&arena, 16 << 20);
	for (size_t i = scan_unit_count(s); i > 0 && r->rows < PAGE; i--) {
		const struct scan_hit *hits;
		uint32_t rows[PAGE];
		size_t n, take;
		struct diag d;

		ASSERT(scan_select(s, i - 1, b->scratch, &hits, &n, &r->stats, &d) == 0);
		take = n < PAGE - r->rows ? n : PAGE - r->rows;
		for (size_t k = 0; k < take; k++)
			rows[k] = hits[n - take + k].row;
		ASSERT(scan_fetch(s, i - 1, rows, take, b->scratch, &arena, out, &r->stats, &d) ==
			0);
		r->rows += take;
	}
	arena_fini(&arena);
}

/* One event of each unit: nothing of its block is at hand. */
static void fetch_one(struct bench *b, struct scan *s, struct result *r)
{
	struct arena arena;

	arena_init(&arena, 16 << 20);
	for (size_t i = 0; i < scan_unit_count(s); i++) {
		uint32_t row = scan_unit(s, i)->rows_count / 3;
		struct event out;
		struct diag d;

		ASSERT(scan_fetch(s, i, &row, 1, b->scratch, &arena, &out, &r->stats, &d) == 0);
		r->rows++;
	}
	arena_fini(&arena);
}

static void fetch_all(struct bench *b, struct scan *s, struct result *r)
{
	struct event *out = malloc(LIMIT_BLOCK_ROWS * sizeof *out);
	uint32_t *rows = malloc(LIMIT_BLOCK_ROWS * sizeof *rows);
	struct arena arena;

	ASSERT(out);
	ASSERT(rows);
	arena_init(&arena, 64 << 20);
	for (uint32_t i = 0; i < LIMIT_BLOCK_ROWS; i++)
		rows[i] = i;
	for (size_t i = 0; i < scan_unit_count(s); i++) {
		uint32_t n = scan_unit(s, i)->rows_count;
		struct diag d;

		arena_reset(&arena);
		ASSERT(scan_fetch(s, i, rows, n, b->scratch, &arena, out, &r->stats, &d) == 0);
		r->rows += n;
	}
	arena_fini(&arena);
	free(out);
	free(rows);
}

static int double_cmp(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;

	return (a > b) - (a < b);
}

static void run(struct bench *b, const char *name, const struct scan_spec *spec,
	void (*ask)(struct bench *, struct scan *, struct result *))
{
	double ms[ROUNDS];
	struct result r;

	for (int i = 0; i < ROUNDS; i++) {
		double start = cpu_ms();
		struct scan *s = NULL;
		struct diag d;

		r = (struct result){ 0 };
		ASSERT(scan_open_readers(b->readers, b->segments, spec, &s, &r.stats, &d) == 0);
		ask(b, s, &r);
		scan_close(&s);
		ms[i] = cpu_ms() - start;
	}
	qsort(ms, ROUNDS, sizeof ms[0], double_cmp);
	printf("%-28s %8.3f ms %8.1f us/block %8lu rows %5lu of %lu blocks, %lu pages, %.1f KiB\n",
		name, ms[ROUNDS / 2],
		ms[ROUNDS / 2] * 1e3 / (double)(r.stats.blocks_total - r.stats.blocks_pruned),
		(unsigned long)r.rows, (unsigned long)r.stats.blocks_read,
		(unsigned long)r.stats.blocks_total, (unsigned long)r.stats.pages_read,
		(double)r.stats.bytes_read / 1024);
}

static void run_text(struct bench *b, const char *name, enum event_text field, struct span value,
	void (*ask)(struct bench *, struct scan *, struct result *))
{
	struct scan_ask a;

	scan_ask_init(&a);
	scan_ask_text(&a, field, value);
	run(b, name, scan_ask_spec(&a), ask);
	scan_ask_fini(&a);
}

static void run_word(struct bench *b, const char *name, const char *word,
	void (*ask)(struct bench *, struct scan *, struct result *))
{
	struct scan_ask a;

	scan_ask_init(&a);
	scan_ask_contains(&a, span_str(word));
	run(b, name, scan_ask_spec(&a), ask);
	scan_ask_fini(&a);
}

static void ask_all(struct bench *b, const struct event *ev, size_t n)
{
	struct span type = ev[0].text[EVENT_TEXT_EVENT_TYPE];
	struct scan_spec spec;

	scan_spec_init(&spec);
	run(b, "count of all", &spec, count);
	run(b, "newest 100", &spec, fetch);
	run(b, "one event of each block", &spec, fetch_one);
	run(b, "all events", &spec, fetch_all);
	run_text(b, "count of a type", EVENT_TEXT_EVENT_TYPE, type, count);
	run_text(b, "newest 100 of a type", EVENT_TEXT_EVENT_TYPE, type, fetch);
	run_text(b, "an entity, up to 100", EVENT_TEXT_ENTITY_ID,
		ev[n / 2].text[EVENT_TEXT_ENTITY_ID], fetch);
	run_text(b, "count of a user", EVENT_TEXT_USER_ID, ev[n / 3].text[EVENT_TEXT_USER_ID],
		count);
	run_word(b, "count of a rare word", "ephyrin", count);
	run_word(b, "count of a common word", "completed", count);
	run_word(b, "newest 100 of a common word", "completed", fetch);
	spec.from_ns = ev[n / 2].time_ns;
	run(b, "count from a time on", &spec, count);
}

int main(int argc, char **argv)
{
	size_t n, rows = argc > 2 ? strtoul(argv[2], NULL, 10) : 27700;
	static struct bench b;
	struct event *ev = event_file_load(argc > 1 ? argv[1] : NULL, &n);
	char name[32];

	ASSERT(rows > 0);
	seg_fixture_init(&b.fixture);
	for (size_t i = 0; i < n && b.segments < SEGMENTS_MAX; i += rows, b.segments++) {
		snprintf(name, sizeof name, "s%zu", b.segments);
		seg_fixture_write(&b.fixture, name, ev + i, n - i < rows ? n - i : rows);
		b.readers[b.segments] = seg_fixture_open(&b.fixture, name);
	}
	b.scratch = scan_scratch_new();
	ASSERT(b.scratch);
	printf("%zu events in %zu segments\n", n, b.segments);
	ask_all(&b, ev, n);
	seg_fixture_fini(&b.fixture);
	return 0;
}
