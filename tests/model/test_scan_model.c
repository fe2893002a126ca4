/*
 * Goal:   a scan finds exactly the rows that a walk over all events finds, whatever the conditions
 *         and with or without sidecars, and fetches these events to the byte.
 * Method: seeded random events in several segments, seeded random trees whose values are taken from
 *         the events or made up, against expr_match over the array. The seed is printed on failure;
 *         ASTRO_SEED repeats it, ASTRO_ROUNDS sets the number of scans.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/wire/json_out.h"
#include "storage/scan_fetch.h"
#include "storage/scan_int.h"
#include "storage/scan_values.h"
#include "tests/support/event_gen.h"
#include "tests/support/expr_gen.h"
#include "tests/support/scan_ask.h"
#include "tests/support/seg_fixture.h"
#include "tests/support/values_check.h"

enum { SEGMENTS = 3, ROUNDS = 150 };

/* Two blocks, one row, one block. */
static const size_t sizes[SEGMENTS] = { LIMIT_BLOCK_ROWS + 4000, 1, 7000 };

struct world {
	struct seg_fixture fixture;
	struct event_gen gen;
	struct event *events;
	size_t count;
	struct seg_reader *readers[SEGMENTS];
	struct scan_scratch *scratch;
	struct buf metadata;
};

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : otherwise;
}

static void close_readers(struct world *w)
{
	for (int i = 0; i < SEGMENTS; i++)
		seg_reader_close(&w->readers[i]);
}

static void open_readers(struct world *w)
{
	char name[16];

	for (int i = 0; i < SEGMENTS; i++) {
		snprintf(name, sizeof name, "s%d", i);
		w->readers[i] = seg_fixture_open(&w->fixture, name);
	}
}

/* Of most events; others keep theirs, a few of which are no maps. */
static void add_metadata(struct world *w)
{
	size_t *offs = calloc(w->count, sizeof *offs);

	assert_non_null(offs);
	buf_init(&w->metadata, 64 << 20);
	for (size_t i = 0; i < w->count; i++) {
		offs[i] = w->metadata.len;
		if (w->events[i].metadata.n > 0 && event_gen_below(&w->gen, 20))
			expr_gen_metadata(&w->gen, &w->metadata);
	}
	for (size_t i = 0; i < w->count; i++) {
		size_t end = i + 1 < w->count ? offs[i + 1] : w->metadata.len;

		if (end > offs[i])
			w->events[i].metadata = span_of(w->metadata.p + offs[i], end - offs[i]);
	}
	assert_int_equal(w->metadata.err, 0);
	free(offs);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	uint64_t seed = env_number("ASTRO_SEED", 20261120);
	size_t at = 0;
	char name[16];

	if (!w)
		return -1;
	print_message("# seed %llu\n", (unsigned long long)seed);
	seg_fixture_init(&w->fixture);
	event_gen_init(&w->gen, seed);
	w->gen.wild = 700;
	for (int i = 0; i < SEGMENTS; i++)
		w->count += sizes[i];
	w->events = event_gen_many(&w->gen, w->count);
	add_metadata(w);
	for (int i = 0; i < SEGMENTS; i++) {
		snprintf(name, sizeof name, "s%d", i);
		seg_fixture_write(&w->fixture, name, w->events + at, sizes[i]);
		at += sizes[i];
	}
	open_readers(w);
	w->scratch = scan_scratch_new();
	*state = w;
	return w->scratch ? 0 : -1;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	close_readers(w);
	scan_scratch_free(&w->scratch);
	event_gen_fini(&w->gen);
	buf_fini(&w->metadata);
	free(w->events);
	seg_fixture_fini(&w->fixture);
	free(w);
	return 0;
}

/* ---- random questions ---- */

static const struct event *some_event(struct world *w)
{
	return &w->events[event_gen_below(&w->gen, (unsigned)w->count)];
}

static void order(int64_t *a, int64_t *b)
{
	int64_t x = *a;

	if (x <= *b)
		return;
	*a = *b;
	*b = x;
}

static void ask_bounds(struct world *w, struct scan_spec *s)
{
	const struct event *a = some_event(w), *b = some_event(w);

	switch (event_gen_below(&w->gen, 6)) {
	case 0:
		s->from_ns = a->time_ns;
		s->to_ns = b->time_ns;
		order(&s->from_ns, &s->to_ns);
		break;
	case 1:
		s->id_min = a->id < b->id ? a->id : b->id;
		s->id_max = a->id < b->id ? b->id : a->id;
		break;
	default:
		break;
	}
}

static void ask(struct world *w, struct scan_ask *a)
{
	struct expr_gen g = { &w->gen, w->events, w->count };

	scan_ask_init(a);
	ask_bounds(w, &a->spec);
	scan_ask_and(a, expr_gen_tree(&g, &a->builder, event_gen_below(&w->gen, 4)));
	scan_ask_spec(a);
}

/* ---- comparing ---- */

/* The rows of scan_rows, whose events were copied, and what stands at two of their fields. */
static void compare_values(struct world *w, struct scan *scan, size_t unit,
	const struct event *events, size_t count, struct scan_stats *stats)
{
	struct expr_gen g = { &w->gen, w->events, w->count };
	struct expr_builder b;
	const uint32_t *rows;
	struct diag d;
	size_t n;

	assert_int_equal(scan_rows(scan, unit, w->scratch, &rows, &n, stats, &d), 0);
	assert_int_equal(n, count);
	expr_builder_init(&b);
	for (int i = 0; i < 2; i++) {
		struct expr_field f = expr_gen_field(&g, &b);
		struct values_check v = { scan, unit, w->scratch, rows, n, events };

		assert_int_equal(values_check_field(&v, &f, &d), 0);
	}
	expr_builder_fini(&b);
}

/* The same events, their metadata as text. */
static void compare_json(struct world *w, struct scan *scan, size_t unit, const uint32_t *rows,
	const struct event *events, size_t count, struct scan_stats *stats)
{
	const uint32_t wanted = (SCAN_FETCH_ALL & ~(uint32_t)SCAN_FETCH_TIME) | SCAN_FETCH_JSON;
	struct event *out = calloc(count + 1, sizeof *out);
	struct json_out_memo memo = { .time = { .text = "" } };
	struct buf text, want;
	struct diag d;

	assert_non_null(out);
	buf_init(&text, 16 << 20);
	buf_init(&want, 16 << 20);
	assert_int_equal(
		scan_fetch_some(scan, unit, rows, count, wanted, w->scratch, NULL, out, stats, &d),
		0);
	for (size_t i = 0; i < count; i++) {
		out[i].time_ns = events[i].time_ns;
		assert_true(json_out_event_ready(&out[i], &memo, &text) >= 0);
		assert_true(json_out_event(&events[i], &want) >= 0);
	}
	assert_int_equal(text.len, want.len);
	assert_memory_equal(text.p ? text.p : want.p, want.p, want.len);
	buf_fini(&text);
	buf_fini(&want);
	free(out);
}

static void compare_unit(struct world *w, struct scan *scan, size_t unit, size_t *at,
	const struct scan_ask *a, struct scan_stats *stats)
{
	const struct scan_unit *u = scan_unit(scan, unit);
	struct event out[64];
	uint32_t rows[64];
	struct arena arena;
	const struct scan_hit *hits;
	uint64_t counted;
	size_t n, picked = 0, first = 0;
	struct event *all;
	struct diag d;

	assert_int_equal(scan_count(scan, unit, w->scratch, &counted, stats, &d), 0);
	assert_int_equal(scan_select(scan, unit, w->scratch, &hits, &n, stats, &d), 0);
	assert_int_equal(counted, n);
	if (u->all)
		assert_int_equal(n, u->rows_count);
	all = calloc(n + 1, sizeof *all);
	assert_non_null(all);
	for (size_t i = 0; i < n; i++) {
		while (*at < w->count && !scan_ask_matches(a, &w->events[*at]))
			(*at)++;
		assert_true(*at < w->count);
		assert_int_equal(hits[i].id, w->events[*at].id);
		assert_int_equal(hits[i].time_ns, w->events[*at].time_ns);
		all[i] = w->events[*at];
		if (picked == 0)
			first = *at;
		if (picked < 64)
			rows[picked++] = hits[i].row;
		(*at)++;
	}
	arena_init(&arena, 64 << 20);
	assert_int_equal(
		scan_fetch(scan, unit, rows, picked, w->scratch, &arena, out, stats, &d), 0);
	for (size_t i = 0; i < picked; i++) {
		while (!scan_ask_matches(a, &w->events[first]))
			first++;
		assert_true(event_gen_same(&out[i], &w->events[first]));
		first++;
	}
	compare_json(w, scan, unit, rows, out, picked, stats);
	arena_fini(&arena);
	compare_values(w, scan, unit, all, n, stats);
	free(all);
}

static void compare(struct world *w, const struct scan_ask *a)
{
	struct scan_stats stats = { 0 };
	struct scan *scan = NULL;
	struct diag d;
	size_t at = 0;

	assert_int_equal(scan_open_readers((const struct seg_reader *const *)w->readers, SEGMENTS,
				 &a->spec, &scan, &stats, &d),
		0);
	for (size_t i = 0; i < scan_unit_count(scan); i++)
		compare_unit(w, scan, i, &at, a, &stats);
	while (at < w->count && !scan_ask_matches(a, &w->events[at]))
		at++;
	assert_int_equal(at, w->count);
	assert_int_equal(stats.damaged_units, 0);
	assert_true(stats.blocks_read + stats.blocks_pruned <= stats.blocks_total);
	scan_close(&scan);
}

static void random_questions(void **state)
{
	struct world *w = *state;
	struct scan_ask a;

	for (uint64_t n = env_number("ASTRO_ROUNDS", ROUNDS); n > 0; n--) {
		ask(w, &a);
		compare(w, &a);
		scan_ask_fini(&a);
	}
}

/* ---- sidecars that are not as they should be ---- */

struct file {
	uint8_t *p;
	size_t n;
};

static const char *sidecar_name(int segment, int kind, char *dst)
{
	char seg[16];

	snprintf(seg, sizeof seg, "s%d.seg", segment);
	return sidx_set_name(seg, (enum sidx_kind)kind, dst);
}

static void flip(struct world *w, struct file *f)
{
	for (unsigned i = 1 + event_gen_below(&w->gen, 3); i > 0; i--)
		f->p[event_gen_below(&w->gen, (unsigned)f->n)] ^=
			(uint8_t)(1 << event_gen_below(&w->gen, 8));
}

/* Whole, gone, flipped, cut, longer, zeroed in part, of another segment, or of another kind. */
static void spoil(struct world *w, struct file good[SEGMENTS][SIDX_COUNT], int segment, int kind)
{
	struct file f = good[segment][kind], other;
	char name[DIAG_FILE_BYTES];

	other = good[event_gen_below(&w->gen, SEGMENTS)][event_gen_below(&w->gen, SIDX_COUNT)];
	f.p = malloc(f.n + 8);
	assert_non_null(f.p);
	memcpy(f.p, good[segment][kind].p, f.n);
	memset(f.p + f.n, 0, 8);
	switch (event_gen_below(&w->gen, 8)) {
	case 0:
		f.n = 0;
		break;
	case 1:
	case 2:
		flip(w, &f);
		break;
	case 3:
		f.n = event_gen_below(&w->gen, (unsigned)f.n);
		break;
	case 4:
		f.n += 8;
		break;
	case 5:
		memset(f.p + f.n / 2, 0, f.n - f.n / 2);
		break;
	case 6:
		memcpy(f.p, other.p, f.n = f.n < other.n ? f.n : other.n);
		break;
	default:
		break;
	}
	seg_fixture_store(&w->fixture, sidecar_name(segment, kind, name), f.p, f.n);
	if (f.n == 0)
		seg_fixture_remove(&w->fixture, name);
	free(f.p);
}

/* Whatever has become of the sidecars: the same answers. */
static void spoilt_sidecars(void **state)
{
	struct file good[SEGMENTS][SIDX_COUNT];
	struct world *w = *state;
	char name[DIAG_FILE_BYTES];
	struct scan_ask a;

	for (int s = 0; s < SEGMENTS; s++) {
		for (int k = 0; k < SIDX_COUNT; k++)
			good[s][k].p = seg_fixture_load(
				&w->fixture, sidecar_name(s, k, name), &good[s][k].n);
	}
	for (uint64_t i = env_number("ASTRO_ROUNDS", ROUNDS) / 2; i > 0; i--) {
		close_readers(w);
		for (int s = 0; s < SEGMENTS; s++) {
			for (int k = 0; k < SIDX_COUNT; k++)
				spoil(w, good, s, k);
		}
		open_readers(w);
		ask(w, &a);
		compare(w, &a);
		scan_ask_fini(&a);
	}
	for (int s = 0; s < SEGMENTS; s++) {
		for (int k = 0; k < SIDX_COUNT; k++)
			free(good[s][k].p);
	}
}

static void no_sidecars(void **state)
{
	struct world *w = *state;
	char name[DIAG_FILE_BYTES];
	struct scan_ask a;

	close_readers(w);
	for (int s = 0; s < SEGMENTS; s++) {
		for (int k = 0; k < SIDX_COUNT; k++) {
			seg_fixture_store(&w->fixture, sidecar_name(s, k, name), "", 0);
			seg_fixture_remove(&w->fixture, name);
		}
	}
	open_readers(w);
	assert_int_equal(sidx_set_rc(w->readers[0], SIDX_WORD), -ENOENT);
	for (int i = 0; i < ROUNDS / 10; i++) {
		ask(w, &a);
		compare(w, &a);
		scan_ask_fini(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_questions),
		cmocka_unit_test(spoilt_sidecars),
		cmocka_unit_test(no_sidecars),
	};

	return cmocka_run_group_tests_name("scan_model", tests, set_up, tear_down);
}
