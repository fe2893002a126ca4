/*
 * Goal: what a scan reads is what it promises: blocks without the entity are not touched, counts
 *       that sidecars know cost no page, rows that an index names are those that a walk over all
 *       finds, as are those of a list, a damaged page costs its own block, and two threads may work on
 *       one scan.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/scan_fetch.h"
#include "storage/scan_int.h"
#include "storage/scan_values.h"
#include "tests/support/event_gen.h"
#include "tests/support/scan_ask.h"
#include "tests/support/seg_fixture.h"

enum { BLOCKS = 7, EVENTS = (BLOCKS - 1) * LIMIT_BLOCK_ROWS + 2000, NEEDLES = 10 };

struct world {
	struct seg_fixture fixture;
	struct event_gen gen;
	struct event *events;
	struct seg_reader *reader;
	struct scan_scratch *scratch;
	uint32_t blocks_with_needle;
};

/* One entity in ten rows, in the first block and in two others. */
static void plant(struct world *w)
{
	enum { MIDDLE = 2 * LIMIT_BLOCK_ROWS, LATE = 5 * LIMIT_BLOCK_ROWS };
	static const size_t rows[NEEDLES] = { 3, 4, 5, MIDDLE, MIDDLE + 1, MIDDLE + 5000,
		LATE + 8000, LATE + 8001, LATE + 8002, LATE + 15000 };

	for (int i = 0; i < NEEDLES; i++) {
		w->events[rows[i]].text[EVENT_TEXT_ENTITY_TYPE] = SPAN_LIT("order");
		w->events[rows[i]].text[EVENT_TEXT_ENTITY_ID] = SPAN_LIT("ORD-000123");
		w->events[rows[i]].text[EVENT_TEXT_EVENT_TYPE] = SPAN_LIT("RECONCILE");
	}
	w->events[MIDDLE + 77].text[EVENT_TEXT_DESCRIPTION] =
		SPAN_LIT("Refund issued, reference 0badcafe99, by a.nobody@web.de");
	w->blocks_with_needle = 3;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	if (!w)
		return -1;
	seg_fixture_init(&w->fixture);
	event_gen_init(&w->gen, 11);
	w->gen.entities = 20000;
	w->events = event_gen_many(&w->gen, EVENTS);
	plant(w);
	seg_fixture_write(&w->fixture, "s", w->events, EVENTS);
	w->reader = seg_fixture_open(&w->fixture, "s");
	w->scratch = scan_scratch_new();
	*state = w;
	return w->scratch ? 0 : -1;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	seg_reader_close(&w->reader);
	scan_scratch_free(&w->scratch);
	event_gen_fini(&w->gen);
	free(w->events);
	seg_fixture_fini(&w->fixture);
	free(w);
	return 0;
}

static struct scan *open_spec(
	struct world *w, const struct scan_spec *spec, struct scan_stats *stats)
{
	const struct seg_reader *r = w->reader;
	struct scan *s = NULL;
	struct diag d;

	*stats = (struct scan_stats){ 0 };
	assert_int_equal(scan_open_readers(&r, 1, spec, &s, stats, &d), 0);
	return s;
}

static struct scan *open_scan(struct world *w, struct scan_ask *a, struct scan_stats *stats)
{
	return open_spec(w, scan_ask_spec(a), stats);
}

static uint64_t select_all(struct world *w, struct scan *s, struct scan_stats *stats)
{
	uint64_t n = 0;
	struct diag d;

	for (size_t i = 0; i < scan_unit_count(s); i++) {
		const struct scan_hit *hits;
		size_t count;

		assert_int_equal(scan_select(s, i, w->scratch, &hits, &count, stats, &d), 0);
		n += count;
	}
	return n;
}

static uint64_t count_all(struct world *w, struct scan *s, struct scan_stats *stats)
{
	uint64_t n = 0, count;
	struct diag d;

	for (size_t i = 0; i < scan_unit_count(s); i++) {
		assert_int_equal(scan_count(s, i, w->scratch, &count, stats, &d), 0);
		n += count;
	}
	return n;
}

/* The promise: ten events of one entity among many read the blocks that hold them, no other. */
static void only_blocks_with_the_entity(void **state)
{
	const struct span type = SPAN_LIT("order"), id = SPAN_LIT("ORD-000123");
	struct world *w = *state;
	struct scan_ask a;
	struct scan_stats stats;
	struct scan *s;

	for (int with_type = 0; with_type < 2; with_type++) {
		scan_ask_init(&a);
		scan_ask_text(&a, EVENT_TEXT_ENTITY_ID, id);
		if (with_type)
			scan_ask_text(&a, EVENT_TEXT_ENTITY_TYPE, type);
		s = open_scan(w, &a, &stats);
		assert_int_equal(stats.blocks_total, BLOCKS);
		assert_int_equal(scan_unit_count(s), w->blocks_with_needle);
		assert_int_equal(stats.blocks_pruned, BLOCKS - w->blocks_with_needle);
		assert_int_equal(stats.blocks_read, 0);
		assert_int_equal(select_all(w, s, &stats), NEEDLES);
		assert_int_equal(stats.blocks_read, w->blocks_with_needle);
		assert_int_equal(stats.rows_matched, NEEDLES);
		scan_close(&s);
		scan_ask_fini(&a);
	}
}

/* What a segment does not have is known without a page of it. */
static void what_nobody_has(void **state)
{
	static const struct {
		enum event_text field;
		struct span value;
	} conds[] = {
		{ EVENT_TEXT_ENTITY_ID, SPAN_LIT("ORD-999999") },
		{ EVENT_TEXT_USER_ID, SPAN_LIT("user-nobody") },
		{ EVENT_TEXT_EVENT_TYPE, SPAN_LIT("NOTHING") },
	};
	struct world *w = *state;
	struct scan_ask a;
	struct scan_stats stats;
	struct scan *s;

	for (size_t i = 0; i < ARRAY_COUNT(conds); i++) {
		scan_ask_init(&a);
		scan_ask_text(&a, conds[i].field, conds[i].value);
		s = open_scan(w, &a, &stats);
		assert_int_equal(scan_unit_count(s), 0);
		assert_int_equal(stats.blocks_pruned, BLOCKS);
		assert_int_equal(stats.pages_read, 0);
		assert_int_equal(stats.sidecars_bypassed, 0);
		scan_close(&s);
		scan_ask_fini(&a);
	}
	scan_ask_init(&a);
	scan_ask_contains(&a, SPAN_LIT(" nowhere "));
	s = open_scan(w, &a, &stats);
	assert_int_equal(scan_unit_count(s), 0);
	assert_int_equal(stats.pages_read, 0);
	scan_close(&s);
	scan_ask_fini(&a);
}

/* A word with something beside it on either side reads the block that has it. */
static void only_blocks_with_the_words(void **state)
{
	struct world *w = *state;
	struct scan_ask a;
	struct scan_stats stats;
	struct scan *s;

	scan_ask_init(&a);
	scan_ask_contains(&a, SPAN_LIT("REFERENCE 0BADCAFE99,"));
	s = open_scan(w, &a, &stats);
	assert_int_equal(scan_unit_count(s), 1);
	assert_int_equal(select_all(w, s, &stats), 1);
	assert_int_equal(stats.blocks_read, 1);
	scan_close(&s);
	scan_ask_fini(&a);
	scan_ask_init(&a);
	/* Of its beginning and its end the sidecar knows nothing. */
	scan_ask_contains(&a, SPAN_LIT("0badcafe9"));
	s = open_scan(w, &a, &stats);
	assert_int_equal(scan_unit_count(s), BLOCKS);
	assert_int_equal(select_all(w, s, &stats), 1);
	scan_close(&s);
	scan_ask_fini(&a);
}

/* Blocks that were searched in vain are not opened again, whatever is searched for next. */
static void not_searched_twice(void **state)
{
	static const struct span needles[] = { SPAN_LIT("efund issue"), SPAN_LIT("nobod"),
		SPAN_LIT("xyzzy") };
	struct world *w = *state;
	struct scan_ask a;
	struct scan_stats stats;
	struct scan *s;

	for (size_t i = 0; i < ARRAY_COUNT(needles); i++) {
		uint64_t found[2];

		for (int again = 0; again < 2; again++) {
			scan_ask_init(&a);
			scan_ask_contains(&a, needles[i]);
			s = open_scan(w, &a, &stats);
			found[again] = select_all(w, s, &stats);
			/* A block that has it was never searched in vain. */
			assert_true(i + (unsigned)again == 0 || stats.blocks_read <= 1);
			scan_close(&s);
			scan_ask_fini(&a);
		}
		assert_int_equal(found[0], i < 2);
		assert_int_equal(found[1], found[0]);
	}
}

static uint64_t count_type(const struct world *w, struct span type)
{
	uint64_t n = 0;

	for (size_t i = 0; i < EVENTS; i++)
		n += w->events[i].text[EVENT_TEXT_EVENT_TYPE].p &&
		     span_eq(w->events[i].text[EVENT_TEXT_EVENT_TYPE], type);
	return n;
}

/* Counts by type, by severity and of everything come from sidecar and footer. */
static void counts_without_a_page(void **state)
{
	const struct span types[] = { SPAN_LIT("TYPE_3"), SPAN_LIT("TYPE_3"), SPAN_LIT("nobody") };
	const uint8_t mask = 1 << EVENT_SEVERITY_ERROR | 1 << EVENT_SEVERITY_ALERT;
	struct world *w = *state;
	struct scan_ask a;
	struct scan_stats stats;
	uint64_t want = 0;
	struct scan *s;

	scan_ask_init(&a);
	s = open_scan(w, &a, &stats);
	assert_int_equal(count_all(w, s, &stats), EVENTS);
	assert_true(scan_unit(s, 0)->all);
	assert_int_equal(stats.pages_read, 0);
	scan_close(&s);
	scan_ask_texts(&a, EVENT_TEXT_EVENT_TYPE, types, 3);
	s = open_scan(w, &a, &stats);
	assert_int_equal(count_all(w, s, &stats), count_type(w, types[0]));
	assert_int_equal(stats.pages_read, 0);
	scan_close(&s);

	/* A type in a time that holds whole blocks: from the second to the last but one. */
	a.spec.from_ns = seg_reader_block(w->reader, 1)->time_min_ns;
	a.spec.to_ns = seg_reader_block(w->reader, BLOCKS - 2)->time_max_ns;
	s = open_scan(w, &a, &stats);
	for (size_t i = 0; i < scan_unit_count(s); i++) {
		const struct scan_unit *u = scan_unit(s, i);
		uint64_t n;

		if (u->time_min_ns < a.spec.from_ns || u->time_max_ns > a.spec.to_ns)
			continue;
		want++;
		assert_int_equal(scan_count(s, i, w->scratch, &n, &stats, NULL), 0);
	}
	assert_true(want >= BLOCKS - 2);
	assert_int_equal(stats.pages_read, 0);
	scan_close(&s);

	scan_ask_fini(&a);
	want = 0;
	scan_ask_init(&a);
	scan_ask_severity(&a, mask);
	for (size_t i = 0; i < EVENTS; i++)
		want += mask >> w->events[i].severity & 1;
	s = open_scan(w, &a, &stats);
	assert_int_equal(count_all(w, s, &stats), want);
	assert_int_equal(stats.pages_read, 0);
	scan_close(&s);
	scan_ask_fini(&a);
}

/* A tree is joined of what is known of its tests. */
static void trees_without_a_page(void **state)
{
	static const struct span key = SPAN_LIT("known_to_nobody");
	const struct expr_field path = { .kind = EXPR_FIELD_META, .keys = &key, .keys_count = 1 };
	const struct span type = SPAN_LIT("TYPE_3"), nobody = SPAN_LIT("ORD-999999");
	struct world *w = *state;
	struct expr_builder *b;
	struct scan_stats stats;
	struct scan_ask a;
	struct scan *s;

	scan_ask_init(&a);
	b = &a.builder;
	scan_ask_and(&a, expr_not(b, expr_text_in(b, EVENT_TEXT_EVENT_TYPE, &type, 1)));
	s = open_scan(w, &a, &stats);
	assert_int_equal(count_all(w, s, &stats), EVENTS - count_type(w, type));
	assert_int_equal(stats.pages_read, 0);
	scan_close(&s);
	scan_ask_fini(&a);

	scan_ask_init(&a);
	scan_ask_and(&a, expr_or(b, expr_text_in(b, EVENT_TEXT_EVENT_TYPE, &type, 1),
				 expr_text_in(b, EVENT_TEXT_ENTITY_ID, &nobody, 1)));
	s = open_scan(w, &a, &stats);
	assert_int_equal(count_all(w, s, &stats), count_type(w, type));
	assert_int_equal(stats.pages_read, 0);
	scan_close(&s);
	scan_ask_fini(&a);

	/* A key that no map has is a word that no block has. */
	scan_ask_init(&a);
	scan_ask_and(&a, expr_exists(b, &path));
	s = open_scan(w, &a, &stats);
	assert_int_equal(scan_unit_count(s), 0);
	assert_int_equal(stats.pages_read, 0);
	scan_close(&s);
	scan_ask_fini(&a);
}

/* A rare type: its rows stand in the sidecar, the column of types is not read. */
static void rare_rows_from_the_sidecar(void **state)
{
	const struct span type = SPAN_LIT("RECONCILE");
	struct world *w = *state;
	struct scan_ask a;
	struct scan_stats stats;
	struct scan *s;

	scan_ask_init(&a);
	scan_ask_text(&a, EVENT_TEXT_EVENT_TYPE, type);
	s = open_scan(w, &a, &stats);
	assert_int_equal(scan_unit_count(s), w->blocks_with_needle);
	assert_int_equal(select_all(w, s, &stats), NEEDLES);
	/* Ids and times of the hits, that is all. */
	assert_int_equal(stats.pages_read, 2 * w->blocks_with_needle);
	scan_close(&s);
	scan_ask_fini(&a);
}

/* ---- rows by an index ---- */

static void and_more(struct world *w, struct scan_ask *a, unsigned shape)
{
	const struct event *ev = &w->events[event_gen_below(&w->gen, EVENTS)];
	struct expr_builder *b = &a->builder;
	struct span type = ev->text[EVENT_TEXT_EVENT_TYPE];

	if (shape & 1)
		scan_ask_severity(a, 1 << EVENT_SEVERITY_INFO | 1 << EVENT_SEVERITY_ERROR);
	if (shape & 2)
		scan_ask_and(a, expr_not(b, expr_text_in(b, EVENT_TEXT_EVENT_TYPE, &type, 1)));
	if (shape & 4)
		scan_ask_contains(a, SPAN_LIT("e"));
	if (shape & 8)
		scan_ask_range(a, EXPR_FIELD_RECEIVED, 0, expr_time_key(ev->received_ns));
	if (shape & 16)
		a->spec.from_ns = ev->time_ns;
	if (shape & 32)
		a->spec.id_max = ev->id;
}

/* Rows that the index gives, and what a walk over all rows leaves of them; how many had an index. */
static unsigned compare_rows(struct world *w, struct scan *s, const struct scan_ask *a)
{
	static uint32_t rows[LIMIT_BLOCK_ROWS];
	struct scan_stats stats = { 0 };
	unsigned by_index = 0;
	struct diag d;

	for (size_t i = 0; i < scan_unit_count(s); i++) {
		struct scan_work work = scan_select_work(s, i, w->scratch, &stats, &d);
		const struct event *ev = w->events + work.piece->block * LIMIT_BLOCK_ROWS;
		uint32_t n, n_some, want = 0;
		int rc = scan_some_block(&work, &n_some);

		assert_in_range(rc, 0, 1);
		memcpy(rows, w->scratch->rows, rc == 0 ? n_some * sizeof *rows : 0);
		assert_int_equal(scan_match_block(&work, &n), 0);
		for (uint32_t row = 0; row < work.rows_count; row++) {
			assert_int_equal(w->scratch->match[row], scan_ask_matches(a, &ev[row]));
			if (rc == 0 && w->scratch->match[row])
				assert_int_equal(rows[want++], row);
		}
		assert_int_equal(rc == 0 ? want : n, rc == 0 ? n_some : n);
		by_index += rc == 0;
	}
	return by_index;
}

static void few_rows_by_an_index(void **state)
{
	enum { SHAPES = 64 };
	struct world *w = *state;
	unsigned by_index = 0;

	for (unsigned shape = 0; shape < 2 * SHAPES; shape++) {
		const struct event *ev = &w->events[event_gen_below(&w->gen, EVENTS)];
		struct span id =
			shape % 2 ? SPAN_LIT("ORD-000123") : ev->text[EVENT_TEXT_ENTITY_ID];
		struct scan_stats stats;
		struct scan_ask a;
		struct scan *s;

		scan_ask_init(&a);
		scan_ask_text(&a, EVENT_TEXT_ENTITY_ID, id);
		and_more(w, &a, shape / 2);
		s = open_scan(w, &a, &stats);
		by_index += compare_rows(w, s, &a);
		scan_close(&s);
		scan_ask_fini(&a);
	}
	assert_true(by_index > SHAPES);
}

/* Of each unit a list, with the rows of scan_rows; or none, for whatever reason. The number of lists. */
static uint32_t lists(struct world *w, struct scan_ask *a)
{
	const struct expr_field user = expr_field_text(EVENT_TEXT_USER_ID);
	const struct expr_field service = expr_field_text(EVENT_TEXT_SERVICE);
	const struct expr_field *const fields[] = { &user, &service };
	struct scan_stats stats;
	struct scan *s = open_scan(w, a, &stats);
	uint32_t found = 0;
	struct diag d;

	for (size_t unit = 0; unit < scan_unit_count(s); unit++) {
		const struct col_text_labels *labels;
		const struct block_list *list;
		const uint32_t *rows, *of;
		size_t n;
		int rc = scan_list(s, unit, w->scratch, fields, 1, &list, &stats, &d);

		assert_int_equal(scan_list(s, unit, w->scratch, fields, 2, &list, &stats, &d),
			SCAN_VALUES_NOT);
		assert_int_equal(scan_rows(s, unit, w->scratch, &rows, &n, &stats, &d), 0);
		if (rc == SCAN_VALUES_NOT)
			continue;
		assert_int_equal(rc, 0);
		assert_int_equal(list->count, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(list->rows[i], rows[i]);
		assert_int_equal(scan_list_labels(s, unit, w->scratch, list, &user, &of, &labels,
					 &stats, &d),
			0);
		for (size_t i = 0; i < n; i++)
			assert_true(of[i] <= labels->absent);
		found++;
	}
	scan_close(&s);
	return found;
}

/* A unit has a list if one code of a column is all that is asked for. */
static void lists_of_one_code(void **state)
{
	const struct span types[] = { SPAN_LIT("TYPE_0"), SPAN_LIT("TYPE_1") }, one = types[0];
	struct world *w = *state;
	struct scan_ask a;

	scan_ask_init(&a);
	scan_ask_text(&a, EVENT_TEXT_EVENT_TYPE, one);
	assert_int_equal(lists(w, &a), BLOCKS);
	/* The first and the last block are cut. */
	a.spec.id_min = w->events[10].id;
	a.spec.id_max = w->events[EVENTS - 10].id;
	assert_int_equal(lists(w, &a), BLOCKS - 2);
	scan_ask_fini(&a);

	scan_ask_init(&a);
	scan_ask_text(&a, EVENT_TEXT_EVENT_TYPE, one);
	scan_ask_text(&a, EVENT_TEXT_USER_ID, w->events[7].text[EVENT_TEXT_USER_ID]);
	assert_int_equal(lists(w, &a), 0);
	scan_ask_fini(&a);

	scan_ask_init(&a);
	scan_ask_texts(&a, EVENT_TEXT_EVENT_TYPE, types, ARRAY_COUNT(types));
	assert_int_equal(lists(w, &a), 0);
	scan_ask_fini(&a);

	/* Few rows, and no condition at all. */
	scan_ask_init(&a);
	scan_ask_text(&a, EVENT_TEXT_EVENT_TYPE, SPAN_LIT("RECONCILE"));
	assert_int_equal(lists(w, &a), 0);
	scan_ask_fini(&a);
	scan_ask_init(&a);
	assert_int_equal(lists(w, &a), 0);
	scan_ask_fini(&a);
}

static void time_prunes(void **state)
{
	struct world *w = *state;
	const struct seg_block *b = seg_reader_block(w->reader, 2);
	struct scan_ask a;
	struct scan_stats stats;
	uint64_t want = 0;
	struct scan *s;

	scan_ask_init(&a);
	a.spec.from_ns = b->time_min_ns + (b->time_max_ns - b->time_min_ns) / 2;
	a.spec.to_ns = a.spec.from_ns + 1000000000;
	for (size_t i = 0; i < EVENTS; i++)
		want += w->events[i].time_ns >= a.spec.from_ns &&
			w->events[i].time_ns <= a.spec.to_ns;
	s = open_scan(w, &a, &stats);
	assert_true(scan_unit_count(s) <= 2);
	assert_int_equal(select_all(w, s, &stats), want);
	scan_close(&s);
	scan_ask_fini(&a);
}

/* ---- damage ---- */

static void a_damaged_page_costs_its_block(void **state)
{
	struct world *w = *state;
	struct seg_page p = *seg_reader_page(w->reader, 1, SEG_COL_TEXT + EVENT_TEXT_DESCRIPTION);
	struct scan_ask a;
	struct scan_stats stats;
	unsigned failed = 0;
	uint8_t *bytes;
	struct scan *s;
	size_t n;

	assert_false(p.is_inline);
	bytes = seg_fixture_load(&w->fixture, "s.seg", &n);
	bytes[p.off + p.bytes / 2] ^= 4;
	seg_fixture_store(&w->fixture, "s.seg", bytes, n);
	seg_reader_close(&w->reader);
	w->reader = seg_fixture_open(&w->fixture, "s");
	scan_ask_init(&a);
	scan_ask_contains(&a, SPAN_LIT("zephyrine"));
	s = open_scan(w, &a, &stats);
	for (size_t i = 0; i < scan_unit_count(s); i++) {
		const struct scan_hit *hits;
		size_t count;
		struct diag d;

		if (scan_select(s, i, w->scratch, &hits, &count, &stats, &d) == 0)
			continue;
		failed++;
		assert_int_equal(i, 1);
		assert_int_equal(d.code, ERR_CORRUPT);
		assert_string_equal(d.file, "s.seg");
		assert_string_equal(d.text, "page of column description in block 1");
	}
	assert_int_equal(failed, 1);
	scan_close(&s);
	scan_ask_fini(&a);
	bytes[p.off + p.bytes / 2] ^= 4;
	seg_fixture_store(&w->fixture, "s.seg", bytes, n);
	seg_reader_close(&w->reader);
	w->reader = seg_fixture_open(&w->fixture, "s");
	free(bytes);
}

/* ---- two threads ---- */

struct worker {
	const struct scan *scan;
	size_t first;
	uint64_t found;
	int rc;
};

static void *work(void *arg)
{
	struct scan_scratch *scratch = scan_scratch_new();
	struct scan_stats stats = { 0 };
	struct worker *w = arg;
	struct diag d;

	for (size_t i = w->first; i < scan_unit_count(w->scan) && w->rc == 0; i += 2) {
		const struct scan_hit *hits;
		size_t n = 0;

		w->rc = scan_select(w->scan, i, scratch, &hits, &n, &stats, &d);
		w->found += n;
	}
	scan_scratch_free(&scratch);
	return NULL;
}

static void two_threads(void **state)
{
	const struct span users[] = { SPAN_LIT("user-7"), SPAN_LIT("user-8"), SPAN_LIT("user-9") };
	struct world *w = *state;
	struct worker workers[2] = { 0 };
	pthread_t threads[2];
	struct scan_ask a;
	struct scan_stats stats;
	struct scan *s;

	scan_ask_init(&a);
	scan_ask_texts(&a, EVENT_TEXT_USER_ID, users, 3);
	scan_ask_contains(&a, SPAN_LIT("PAYMENT"));
	s = open_scan(w, &a, &stats);
	for (size_t i = 0; i < 2; i++) {
		workers[i] = (struct worker){ s, i, 0, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(workers[0].rc, 0);
	assert_int_equal(workers[1].rc, 0);
	assert_int_equal(workers[0].found + workers[1].found, select_all(w, s, &stats));
	assert_true(workers[0].found > 0);
	scan_close(&s);
	scan_ask_fini(&a);
}

/* The entity of a unit's matches, alone; the pages that this takes. */
static uint64_t fetch_entity(struct world *w, struct scan *s, size_t unit, struct scan_stats *stats)
{
	const uint32_t wanted =
		SCAN_FETCH_TEXT << EVENT_TEXT_ENTITY_ID | SCAN_FETCH_TEXT << EVENT_TEXT_ENTITY_TYPE;
	const struct scan_hit *hits;
	struct event out[NEEDLES];
	uint32_t rows[NEEDLES];
	uint64_t pages;
	struct diag d;
	size_t n;

	assert_int_equal(scan_select(s, unit, w->scratch, &hits, &n, stats, &d), 0);
	assert_in_range(n, 1, NEEDLES);
	for (size_t i = 0; i < n; i++)
		rows[i] = hits[i].row;
	scan_scratch_rest(w->scratch);
	pages = stats->pages_read;
	assert_int_equal(
		scan_fetch_some(s, unit, rows, n, wanted, w->scratch, NULL, out, stats, &d), 0);
	for (size_t i = 0; i < n; i++) {
		assert_true(span_eq(out[i].text[EVENT_TEXT_ENTITY_ID], SPAN_LIT("ORD-000123")));
		assert_true(span_eq(out[i].text[EVENT_TEXT_ENTITY_TYPE], SPAN_LIT("order")));
		assert_null(out[i].text[EVENT_TEXT_EVENT_TYPE].p);
	}
	return stats->pages_read - pages;
}

static void what_the_tree_tells_is_not_read(void **state)
{
	const struct span type = SPAN_LIT("order");
	const struct span ids[] = { SPAN_LIT("ORD-000123"), SPAN_LIT("ORD-no-such") };
	struct world *w = *state;
	struct scan_ask a;
	struct scan_stats stats;
	struct scan *s;

	for (uint32_t count = 1; count <= 2; count++) {
		scan_ask_init(&a);
		scan_ask_texts(&a, EVENT_TEXT_ENTITY_ID, ids, count);
		scan_ask_text(&a, EVENT_TEXT_ENTITY_TYPE, type);
		s = open_scan(w, &a, &stats);
		assert_int_equal(scan_unit_count(s), w->blocks_with_needle);
		for (size_t i = 0; i < scan_unit_count(s); i++) {
			/* Of two ids, which one it is must be looked up. */
			if (count == 1)
				assert_int_equal(fetch_entity(w, s, i, &stats), 0);
			else
				assert_true(fetch_entity(w, s, i, &stats) > 0);
		}
		scan_close(&s);
		scan_ask_fini(&a);
	}
}

static void a_full_arena(void **state)
{
	const uint32_t rows[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	struct world *w = *state;
	struct event out[8];
	struct scan_ask a;
	struct scan_stats stats;
	struct arena arena;
	struct scan *s;
	struct diag d;

	scan_ask_init(&a);
	s = open_scan(w, &a, &stats);
	arena_init(&arena, 500);
	assert_int_equal(scan_fetch(s, 0, rows, 8, w->scratch, &arena, out, &stats, &d), -ENOMEM);
	arena_fini(&arena);
	scan_close(&s);
	scan_ask_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_blocks_with_the_entity),
		cmocka_unit_test(what_nobody_has),
		cmocka_unit_test(only_blocks_with_the_words),
		cmocka_unit_test(not_searched_twice),
		cmocka_unit_test(counts_without_a_page),
		cmocka_unit_test(trees_without_a_page),
		cmocka_unit_test(rare_rows_from_the_sidecar),
		cmocka_unit_test(few_rows_by_an_index),
		cmocka_unit_test(lists_of_one_code),
		cmocka_unit_test(time_prunes),
		cmocka_unit_test(a_damaged_page_costs_its_block),
		cmocka_unit_test(two_threads),
		cmocka_unit_test(what_the_tree_tells_is_not_read),
		cmocka_unit_test(a_full_arena),
	};

	return cmocka_run_group_tests_name("scan", tests, set_up, tear_down);
}
