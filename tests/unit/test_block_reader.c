/*
 * Goal:   whatever way a column of a block is asked, whole or by rows, first or after others, it says
 *         the same, and finds the rows of a value or of a code; a damaged page is told by its own name
 *         where another column refers to it; old segments read alike.
 * Method: seeded events whose descriptions repeat other fields; rows picked at random from readers
 *         that just entered the block and from those that have it open, against the events.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/block_reader_int.h"
#include "tests/support/event_gen.h"
#include "tests/support/seg_fixture.h"

enum { EVENTS = LIMIT_BLOCK_ROWS + 9000, TEXT_BYTES = 80, ROUNDS = 40, PICK = 700 };

struct world {
	struct seg_fixture fixture;
	struct event_gen gen;
	struct event *events;
	char (*texts)[TEXT_BYTES];
	struct seg_reader *reader;
	struct block_reader *block;
	struct buf bytes;
};

/* Half of the descriptions are built of the event's other fields. */
static void describe(struct world *w)
{
	for (size_t i = 0; i < EVENTS; i += 2) {
		struct event *ev = &w->events[i];
		struct span id = ev->text[EVENT_TEXT_ENTITY_ID],
			    user = ev->text[EVENT_TEXT_USER_ID];
		int n;

		if (id.n > 20 || user.n > 20)
			continue;
		n = snprintf(w->texts[i], TEXT_BYTES, "Updated %.*s by %.*s in %u ms", (int)id.n,
			id.n ? (const char *)id.p : "", (int)user.n,
			user.n ? (const char *)user.p : "", event_gen_below(&w->gen, 5000));
		ev->text[EVENT_TEXT_DESCRIPTION] = span_of(w->texts[i], (size_t)n);
	}
}

static const char *const states[] = { "alpha", "betas", "gamma", "delta", "omega" };

/* A quarter repeat a word of their metadata. */
static void describe_state(struct world *w)
{
	for (size_t i = 1; i < EVENTS; i += 4) {
		const char *word = states[event_gen_below(&w->gen, ARRAY_COUNT(states))];
		uint8_t *map = (uint8_t *)w->texts[i] + TEXT_BYTES / 2;
		int n = snprintf(w->texts[i], TEXT_BYTES / 2, "Unit went to %s again", word);

		w->events[i].text[EVENT_TEXT_DESCRIPTION] = span_of(w->texts[i], (size_t)n);
		n = snprintf((char *)map, TEXT_BYTES / 2, "\x81\xa5state\xa5%s", word);
		w->events[i].metadata = span_of(map, (size_t)n);
	}
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	if (!w)
		return -1;
	seg_fixture_init(&w->fixture);
	event_gen_init(&w->gen, 21);
	w->gen.entities = 5000;
	w->events = event_gen_many(&w->gen, EVENTS);
	w->texts = calloc(EVENTS, sizeof *w->texts);
	describe(w);
	describe_state(w);
	seg_fixture_write(&w->fixture, "s", w->events, EVENTS);
	w->reader = seg_fixture_open(&w->fixture, "s");
	w->block = block_reader_new();
	buf_init(&w->bytes, BLOCK_BYTES_MAX);
	*state = w;
	return w->block ? 0 : -1;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	block_reader_free(&w->block);
	seg_reader_close(&w->reader);
	buf_fini(&w->bytes);
	event_gen_fini(&w->gen);
	free(w->events);
	free(w->texts);
	seg_fixture_fini(&w->fixture);
	free(w);
	return 0;
}

static int64_t int_of(const struct event *ev, int col)
{
	switch (col) {
	case SEG_COL_ID:
		return (int64_t)ev->id;
	case SEG_COL_TIME:
		return ev->time_ns;
	case SEG_COL_RECEIVED:
		return ev->received_ns;
	case SEG_COL_SEVERITY:
		return ev->severity;
	default:
		return ev->flags;
	}
}

static struct span value_of(const struct event *ev, int col)
{
	return col == SEG_COL_METADATA ? ev->metadata : ev->text[col - SEG_COL_TEXT];
}

static void assert_same(struct span a, struct span b)
{
	assert_int_equal(a.p == NULL, b.p == NULL);
	assert_true(span_eq(a, b));
}

/* Rising rows of the block: a few, or many. */
static size_t pick(struct world *w, uint32_t rows_count, uint32_t *rows)
{
	uint32_t step = 1 + event_gen_below(&w->gen, 1 + 2 * rows_count / PICK);
	size_t n = 0;

	for (uint32_t row = event_gen_below(&w->gen, rows_count);
		row < rows_count && n < rows_count; row += 1 + event_gen_below(&w->gen, step))
		rows[n++] = row;
	return n;
}

static void check_column(
	struct world *w, const struct event *ev, int col, const uint32_t *rows, size_t count)
{
	static struct span spans[LIMIT_BLOCK_ROWS];
	static int64_t ints[LIMIT_BLOCK_ROWS];
	struct diag d;

	if (col < SEG_COL_INTS) {
		assert_int_equal(block_reader_ints_at(w->block, col, rows, count, ints, &d), 0);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(ints[i], int_of(&ev[rows[i]], col));
		return;
	}
	buf_reset(&w->bytes);
	assert_int_equal(block_reader_get(w->block, col, rows, count, &w->bytes, spans, &d), 0);
	for (size_t i = 0; i < count; i++)
		assert_same(spans[i], value_of(&ev[rows[i]], col));
}

static void any_rows_of_any_column(void **state)
{
	static uint32_t rows[LIMIT_BLOCK_ROWS];
	struct world *w = *state;

	for (int round = 0; round < ROUNDS; round++) {
		uint32_t block = event_gen_below(&w->gen, 2);
		uint32_t rows_count = seg_reader_block(w->reader, block)->rows_count;
		const struct event *ev = w->events + (size_t)block * LIMIT_BLOCK_ROWS;

		if (round % 3 == 0)
			block_reader_leave(w->block);
		block_reader_enter(w->block, w->reader, block);
		for (int k = 0; k < 6; k++) {
			size_t n = pick(w, rows_count, rows);

			check_column(w, ev, (int)event_gen_below(&w->gen, SEG_COL_COUNT), rows, n);
		}
	}
}

/* What the texts of the columns show of each row, from here on: the rows' own values, or a mark. */
static void hold(struct world *w, const struct event *ev, const uint32_t *rows, size_t count,
	const struct span *mark)
{
	static struct span hand[EVENT_TEXT_COUNT][LIMIT_BLOCK_ROWS];

	block_reader_hold(w->block, rows, count, sizeof(struct span));
	for (int t = 0; t < EVENT_TEXT_COUNT; t++) {
		for (size_t i = 0; i < count; i++)
			hand[t][i] = mark ? *mark : ev[rows[i]].text[t];
		block_reader_hold_col(w->block, SEG_COL_TEXT + t, hand[t]);
	}
}

/* Values at hand are shown by the columns that refer to them; of rows without, the page tells. */
static void values_at_hand(void **state)
{
	static uint32_t rows[LIMIT_BLOCK_ROWS], some[LIMIT_BLOCK_ROWS];
	static struct span spans[LIMIT_BLOCK_ROWS];
	const int col = SEG_COL_TEXT + EVENT_TEXT_DESCRIPTION;
	const struct span mark = SPAN_LIT("at hand");
	struct world *w = *state;
	size_t marked = 0;
	struct needle x;
	struct diag d;

	assert_int_equal(needle_init(&x, mark), 0);
	for (int round = 0; round < ROUNDS / 4; round++) {
		uint32_t block = event_gen_below(&w->gen, 2);
		uint32_t rows_count = seg_reader_block(w->reader, block)->rows_count;
		const struct event *ev = w->events + (size_t)block * LIMIT_BLOCK_ROWS;
		size_t n, half = 0;

		block_reader_enter(w->block, w->reader, block);
		n = pick(w, rows_count, rows);
		for (size_t i = 0; i < n; i += 2)
			some[half++] = rows[i];
		hold(w, ev, rows, n, NULL);
		check_column(w, ev, col, rows, n);
		check_column(w, ev, SEG_COL_METADATA, some, half);
		/* What maps of some rows were read from serves the texts of these, and no others. */
		check_column(w, ev, col, rows, n);
		check_column(w, ev, SEG_COL_METADATA, rows, n);
		check_column(w, ev, col, some, half);
		check_column(w, ev, col, rows, n);
		hold(w, ev, some, half, NULL);
		check_column(w, ev, col, rows, n);
		hold(w, ev, rows, n, &mark);
		buf_reset(&w->bytes);
		assert_int_equal(block_reader_get(w->block, col, rows, n, &w->bytes, spans, &d), 0);
		for (size_t i = 0; i < n; i++)
			marked += spans[i].p && needle_find(&x, spans[i], 0) != SIZE_MAX;
		block_reader_hold(w->block, NULL, 0, 0);
		check_column(w, ev, col, rows, n);
	}
	assert_true(marked > 0);
	needle_fini(&x);
}

/* Whole columns, then single rows of them: what was decoded whole is asked. */
static void whole_columns(void **state)
{
	static const uint32_t rows[] = { 0, 1, 255, 256, 8999 };
	struct world *w = *state;
	struct block *b = block_new();
	const int64_t *ints;
	struct diag d;

	assert_non_null(b);
	assert_int_equal(block_prepare(b, seg_reader_block(w->reader, 1)->rows_count), 0);
	block_reader_leave(w->block);
	block_reader_enter(w->block, w->reader, 1);
	for (int col = 0; col < SEG_COL_COUNT; col++) {
		const struct event *ev = w->events + LIMIT_BLOCK_ROWS;

		if (col < SEG_COL_INTS) {
			assert_int_equal(block_reader_ints(w->block, col, &ints, &d), 0);
			for (uint32_t i = 0; i < b->rows_count; i++)
				assert_int_equal(ints[i], int_of(&ev[i], col));
		} else {
			const struct block_text *t = &b->texts[col - SEG_COL_INTS];

			assert_int_equal(block_reader_all(w->block, col, b, &d), 0);
			for (uint32_t i = 0; i < b->rows_count; i++)
				assert_same(block_text_at(t, i), value_of(&ev[i], col));
		}
		check_column(w, ev, col, rows, sizeof rows / sizeof rows[0]);
	}
	block_free(&b);
}

/* A set of values that rows of the block have, sometimes an absent one, sometimes one that none has. */
static size_t some_values(
	struct world *w, const struct event *ev, uint32_t rows_count, int text, struct span *out)
{
	size_t n = 1 + event_gen_below(&w->gen, 3);

	for (size_t i = 0; i < n; i++)
		out[i] = ev[event_gen_below(&w->gen, rows_count)].text[text];
	if (event_gen_below(&w->gen, 5) == 0)
		out[0] = SPAN_LIT("no row has this one");
	return n;
}

/* Asked once, and so often that there is an index: the rows of match that have one of the values. */
static void equality(void **state)
{
	static uint8_t match[LIMIT_BLOCK_ROWS], before[LIMIT_BLOCK_ROWS];
	struct world *w = *state;
	uint32_t rows_count = seg_reader_block(w->reader, 1)->rows_count;
	const struct event *ev = w->events + LIMIT_BLOCK_ROWS;

	block_reader_leave(w->block);
	block_reader_enter(w->block, w->reader, 1);
	for (int round = 0; round < ROUNDS; round++) {
		int text = (int)event_gen_below(&w->gen, EVENT_TEXT_COUNT);
		struct textset set;
		struct span values[3];
		enum col_kind kind;
		struct diag d;

		assert_int_equal(block_reader_kind(w->block, SEG_COL_TEXT + text, &kind, &d), 0);
		if (kind != COL_KIND_TEXT)
			continue;
		assert_int_equal(
			textset_init(&set, values, some_values(w, ev, rows_count, text, values)),
			0);
		for (uint32_t i = 0; i < rows_count; i++)
			match[i] = before[i] = event_gen_below(&w->gen, 8) > 0;
		assert_int_equal(
			block_reader_equal(w->block, SEG_COL_TEXT + text, &set, match, &d), 0);
		for (uint32_t i = 0; i < rows_count; i++)
			assert_int_equal(
				match[i], before[i] && textset_has(&set, ev[i].text[text]));
		textset_fini(&set);
	}
	assert_non_null(w->block->cols[SEG_COL_TEXT + EVENT_TEXT_DESCRIPTION].index);
}

/* False: no description has the needle, as the block's letters say. */
static bool may_have(struct col_text *t, const struct needle *x)
{
	struct col_letters letters = { 0 };
	int rc = col_text_letters(t, &letters);

	assert_true(rc == 0 || rc == COL_TEXT_LETTERS_NOT);
	return rc != 0 || col_letters_may_have(&letters, x);
}

/* In a block just entered, and again with its columns open: rows that are looked at, and no others. */
/* Of a list's row in the column; a label says the value, or that there is none. */
static void check_label(const struct col_text_labels *l, uint32_t label, struct span value)
{
	const struct col_text_range *r = l->ranges;
	char told[COL_TEXT_FORM_BYTES_MAX + 1];
	int n;

	assert_int_equal(label == l->absent, value.p == NULL);
	if (label >= l->texts_first) {
		assert_true(label == l->absent || span_eq(l->texts[label - l->texts_first], value));
		return;
	}
	while (label >= r->end)
		r++;
	n = snprintf(told, sizeof told, "%.*s%0*u%.*s", (int)r->form.front.n,
		(const char *)r->form.front.p, (int)r->form.digits, r->least + (label - r->first),
		(int)r->form.back.n, (const char *)r->form.back.p);
	assert_true(span_eq(span_of(told, (size_t)n), value));
}

/* Each code's rows; lists and labels are the same when they are asked for again. */
static void check_lists(struct world *w, const struct event *ev, uint32_t rows_count)
{
	const int types = SEG_COL_TEXT + EVENT_TEXT_EVENT_TYPE;
	const int users = SEG_COL_TEXT + EVENT_TEXT_USER_ID;
	const struct block_list *list, *again;
	const struct col_text_labels *labels;
	const uint32_t *of, *of_again;
	struct col_dict *dict;
	uint32_t rows = 0, labelled = 0;
	struct diag d;

	assert_int_equal(block_reader_dict(w->block, types, &dict, NULL, &d), 0);
	assert_int_equal(block_reader_dict_need(w->block, types, 0, &d), 0);
	for (uint16_t code = 0; code <= dict->count; code++) {
		struct span type = code ? col_dict_at(dict, code) : SPAN_NONE;
		uint32_t n = 0;
		int rc;

		assert_int_equal(block_reader_list(w->block, types, code, &list, &d), 0);
		assert_int_equal(list->code, code);
		for (uint32_t row = 0; row < rows_count; row++) {
			struct span s = ev[row].text[EVENT_TEXT_EVENT_TYPE];

			if ((s.p != NULL) != (type.p != NULL) || !span_eq(s, type))
				continue;
			assert_true(n < list->count);
			assert_int_equal(list->rows[n++], row);
		}
		assert_int_equal(n, list->count);
		rows += n;
		rc = block_reader_list_labels(w->block, list, users, &of, &labels, &d);
		assert_true(rc == 0 || rc == BLOCK_READER_LABELS_NOT);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			check_label(labels, of[i], ev[list->rows[i]].text[EVENT_TEXT_USER_ID]);
		labelled += rc == 0 ? n : 0;
		assert_int_equal(block_reader_list(w->block, types, code, &again, &d), 0);
		assert_ptr_equal(again, list);
		assert_int_equal(
			block_reader_list_labels(w->block, list, users, &of_again, &labels, &d),
			rc);
		assert_ptr_equal(of_again, of);
	}
	assert_int_equal(rows, rows_count);
	assert_int_equal(labelled, rows_count);
}

static void lists_of_codes(void **state)
{
	static uint32_t rows[LIMIT_BLOCK_ROWS];
	struct world *w = *state;

	for (int round = 0; round < 6; round++) {
		uint32_t block = (uint32_t)round % 2;
		uint32_t rows_count = seg_reader_block(w->reader, block)->rows_count;
		const struct event *ev = w->events + (size_t)block * LIMIT_BLOCK_ROWS;

		block_reader_enter(w->block, w->reader, block);
		/* From the stream, or from codes that are there as a whole. */
		if (round >= 4)
			check_column(w, ev, SEG_COL_TEXT + EVENT_TEXT_EVENT_TYPE, rows,
				pick(w, rows_count, rows));
		check_lists(w, ev, rows_count);
	}
}

static void check_search(struct world *w, uint32_t block, size_t first, struct span needle)
{
	static uint8_t match[LIMIT_BLOCK_ROWS];
	uint32_t n = seg_reader_block(w->reader, block)->rows_count;
	bool may = true;
	struct needle x;
	struct col_text *t;

	assert_int_equal(needle_init(&x, needle), 0);
	block_reader_leave(w->block);
	for (unsigned step = 1; step < 8; step += 6) {
		block_reader_enter(w->block, w->reader, block);
		assert_int_equal(block_reader_text(
					 w->block, SEG_COL_TEXT + EVENT_TEXT_DESCRIPTION, &t, NULL),
			0);
		for (uint32_t i = 0; i < n; i++)
			match[i] = i % step == 0;
		assert_int_equal(col_text_contains(t, &x, match), 0);
		for (uint32_t i = 0; i < n; i++) {
			struct span s = w->events[first + i].text[EVENT_TEXT_DESCRIPTION];
			bool want = i % step == 0 && s.p && needle_find(&x, s, 0) != SIZE_MAX;

			if (match[i] != want || (want && !may))
				fail_msg("row %u contains \"%.*s\": %d %d", i, (int)needle.n,
					(const char *)needle.p, match[i], may);
		}
		may = may_have(t, &x);
	}
	needle_fini(&x);
}

/* What is searched for stands in the text, in a column it repeats, in a leaf of metadata, nowhere. */
static void searches(void **state)
{
	static const struct span needles[] = { SPAN_LIT("UPDATED"), SPAN_LIT("gam"),
		SPAN_LIT("OMEGA"), SPAN_LIT("to delta ag"), SPAN_LIT("ephyrin"), SPAN_LIT("us"),
		SPAN_LIT("by u"), SPAN_LIT("7"), SPAN_LIT(" ms") };
	struct world *w = *state;
	size_t first = 0;

	for (uint32_t b = 0; b < seg_reader_info(w->reader)->blocks_count; b++) {
		for (size_t i = 0; i < ARRAY_COUNT(needles); i++)
			check_search(w, b, first, needles[i]);
		for (size_t i = first; i < first + 40; i += 8) {
			struct span id = w->events[i].text[EVENT_TEXT_ENTITY_ID];

			if (id.n > 2)
				check_search(w, b, first, span_of(id.p + 1, id.n - 1));
		}
		first += seg_reader_block(w->reader, b)->rows_count;
	}
}

static void count(void *ctx, const struct seg_page *page)
{
	unsigned *n = ctx;

	assert_non_null(page);
	(*n)++;
}

/* A page is read once for a block, a dictionary once for a segment. */
static void pages_are_read_once(void **state)
{
	const int col = SEG_COL_TEXT + EVENT_TEXT_EVENT_TYPE;
	struct world *w = *state;
	const uint16_t *codes;
	uint64_t first, second;
	struct col_dict *dict;
	unsigned n = 0;
	struct diag d;

	block_reader_leave(w->block);
	block_reader_watch(w->block, count, &n);
	for (uint32_t block = 0; block < 2; block++) {
		block_reader_enter(w->block, w->reader, block);
		for (int i = 0; i < 3; i++)
			assert_int_equal(block_reader_codes(w->block, col, &codes, &d), 0);
		assert_int_equal(n, block + 1);
	}
	assert_int_equal(block_reader_dict(w->block, col, &dict, &first, &d), 0);
	block_reader_enter(w->block, w->reader, 0);
	assert_int_equal(block_reader_dict(w->block, col, &dict, &second, &d), 0);
	assert_int_equal(first, second);
	block_reader_watch(w->block, NULL, NULL);
}

/* ---- damage ---- */

static struct seg_reader *with_damage(struct world *w, int col, struct seg_page *out_page)
{
	struct seg_reader *r;
	uint8_t *p;
	size_t n;

	*out_page = *seg_reader_page(w->reader, 0, col);
	assert_false(out_page->is_inline);
	p = seg_fixture_load(&w->fixture, "s.seg", &n);
	p[out_page->off + out_page->bytes / 2] ^= 0x20;
	seg_fixture_store(&w->fixture, "t.seg", p, n);
	r = seg_fixture_open(&w->fixture, "t");
	free(p);
	return r;
}

/* The entity ids are gone: so is what refers to them, and the reason names them; the rest is there. */
static void the_page_to_blame_is_named(void **state)
{
	static const uint32_t rows[] = { 0, 2, 4, 4002 };
	const int ids = SEG_COL_TEXT + EVENT_TEXT_ENTITY_ID;
	struct world *w = *state;
	struct span spans[4];
	struct seg_page page;
	struct seg_reader *r = with_damage(w, ids, &page);
	struct diag d;

	block_reader_enter(w->block, r, 0);
	for (int col = SEG_COL_INTS; col < SEG_COL_COUNT; col++) {
		int rc;

		d = (struct diag){ 0 };
		buf_reset(&w->bytes);
		rc = block_reader_get(w->block, col, rows, 4, &w->bytes, spans, &d);
		if (col != ids && rc == 0) {
			for (int i = 0; i < 4; i++)
				assert_same(spans[i], value_of(&w->events[rows[i]], col));
			continue;
		}
		assert_true(col == ids || col == SEG_COL_TEXT + EVENT_TEXT_DESCRIPTION ||
			    col == SEG_COL_TEXT + EVENT_TEXT_IP_ADDRESS || col == SEG_COL_METADATA);
		assert_int_equal(rc, ERR_CORRUPT);
		assert_int_equal(d.code, ERR_CORRUPT);
		assert_int_equal(d.off, page.off);
		assert_string_equal(d.text, "page of column entity_id in block 0");
	}
	seg_reader_close(&r);
	block_reader_enter(w->block, w->reader, 0);
	check_column(w, w->events, ids, rows, 4);
}

/* Only columns before it in the order of encoding may be referred to. */
static void references_have_a_direction(void **state)
{
	const unsigned user = 1u << COL_TEXT_USER_ID, ip = 1u << COL_TEXT_IP_ADDRESS;

	(void)state;
	assert_true(block_reader_env_allows(EVENT_TEXT_DESCRIPTION, user | ip, 7, true));
	assert_true(block_reader_env_allows(EVENT_TEXT_IP_ADDRESS, user, 7, false));
	assert_false(block_reader_env_allows(EVENT_TEXT_IP_ADDRESS, ip, 0, false));
	assert_false(block_reader_env_allows(EVENT_TEXT_IP_ADDRESS, 0, 0, true));
	assert_false(block_reader_env_allows(EVENT_TEXT_USER_ID, user, 0, false));
	assert_false(
		block_reader_env_allows(EVENT_TEXT_USER_ID, 0, 1u << COL_TEXT_KEY_USER_ID, false));
	assert_true(block_reader_env_allows(BLOCK_METADATA, user | ip, 7, false));
	assert_false(block_reader_env_allows(BLOCK_METADATA, 0, 0, true));
	for (unsigned rank = 0; rank < SEG_COL_BYTES; rank++)
		assert_int_equal(block_rank(block_ranked(rank)), rank);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_rows_of_any_column),
		cmocka_unit_test(values_at_hand),
		cmocka_unit_test(whole_columns),
		cmocka_unit_test(equality),
		cmocka_unit_test(lists_of_codes),
		cmocka_unit_test(searches),
		cmocka_unit_test(pages_are_read_once),
		cmocka_unit_test(the_page_to_blame_is_named),
		cmocka_unit_test(references_have_a_direction),
	};

	return cmocka_run_group_tests_name("block_reader", tests, set_up, tear_down);
}
