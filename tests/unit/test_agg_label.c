/*
 * Goal:   rows counted by labels are those counted by their texts, whatever forms the dictionary knows and
 *         has room for; where the table is full, what finds no group is counted as such, and nothing is lost.
 * Method: random texts of many forms, of none, and absent ones, labelled unit by unit, beside plain counts.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/arena.h"
#include "proto/base/check.h"
#include "query/agg_int.h"
#include "storage/col_text_int.h"

enum {
	VALUES = 4000,
	ROWS = 3000,
	UNITS = 12,
	TEXT_BYTES = 32,
	FRONTS = 100,
	ARENA_BYTES = 64 << 20
};

static char texts[VALUES][TEXT_BYTES];
static uint64_t want[VALUES + 1]; /* the last one: absent */
static uint64_t seed = 11;

static uint32_t rnd(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

/* All different; more forms than the dictionary has room for, but few of them in one unit. */
static void make_values(void)
{
	for (uint32_t i = 0; i < VALUES; i++) {
		if (i % 7 == 0)
			snprintf(texts[i], TEXT_BYTES, "word%c%c%c", 'a' + i % 26,
				'a' + i / 26 % 26, 'a' + i / 676);
		else if (i % 7 < 4)
			snprintf(texts[i], TEXT_BYTES, "usr-%06u", i * 37);
		else
			snprintf(texts[i], TEXT_BYTES, "f%c%c-%u.x", 'a' + i % FRONTS / 10,
				'a' + i % 10, i);
	}
	texts[0][0] = 0;
}

/* The numbers of a unit: rows of values that it picks, told as storage tells them. */
struct unit {
	uint8_t form_of[ROWS];
	uint32_t numbers[ROWS];
	uint32_t values[ROWS]; /* VALUES: absent */
	struct span texts[ROWS];
	struct col_text_numbers told;
};

static void tell_row(struct unit *u, uint32_t row, uint32_t *texts_count)
{
	struct span text = span_str(texts[u->values[row]]);
	struct col_text_numbers *n = &u->told;
	struct col_text_form f;
	uint32_t i = 0;

	if (agg_form_of(text, &f, &u->numbers[row])) {
		while (i < n->forms_count && !agg_form_same(&n->forms[i], &f))
			i++;
		if (i < COL_TEXT_FORMS_MAX) {
			n->forms[i] = f;
			n->forms_count += i == n->forms_count;
			u->form_of[row] = (uint8_t)i;
			return;
		}
	}
	u->form_of[row] = COL_TEXT_FORM_NONE;
	u->numbers[row] = *texts_count;
	u->texts[(*texts_count)++] = text;
}

static void make_unit(struct unit *u, uint32_t first_front)
{
	uint32_t texts_count = 0;

	u->told = (struct col_text_numbers){
		.form_of = u->form_of, .numbers = u->numbers, .texts = u->texts
	};
	for (uint32_t row = 0; row < ROWS; row++) {
		uint32_t v = rnd(VALUES + 200);

		/* Of the forms of many fronts, some in this unit and others in the next. */
		while (v < VALUES && v % 7 >= 4 &&
			(v % FRONTS < first_front || v % FRONTS >= first_front + 30))
			v = rnd(VALUES);
		u->values[row] = v < VALUES ? v : VALUES;
		u->form_of[row] = COL_TEXT_FORM_ABSENT;
		if (v < VALUES)
			tell_row(u, row, &texts_count);
	}
}

static void count_unit(struct agg_table *t, struct unit *u, uint32_t **room, size_t *cap)
{
	static uint32_t of[ROWS];
	struct col_text_labels labels;
	struct arena mem;

	arena_init(&mem, ARENA_BYTES);
	assert_int_equal(col_text_label_texts(&u->told, ROWS, &mem, &labels, of), 0);
	assert_int_equal(agg_label_count(t, &labels, of, ROWS, room, cap), 0);
	arena_fini(&mem);
	for (uint32_t row = 0; row < ROWS; row++)
		want[u->values[row]]++;
}

static uint64_t wanted(const struct agg_cell *c)
{
	if (c->kind == AGG_CELL_NULL)
		return want[VALUES];
	for (uint32_t i = 0; i < VALUES; i++) {
		if (span_eq(c->text, span_str(texts[i])))
			return want[i];
	}
	return 0;
}

/* Groups' rows in all; each has those of its value, or, where others were full, some of them. */
static uint64_t check_groups(const struct agg_table *t, bool full)
{
	uint64_t sum = 0;

	assert_int_equal(t->count, t->dicts[0].count);
	for (uint32_t g = 0; g < t->count; g++) {
		uint8_t text[AGG_FORM_BYTES];
		struct agg_cell c = agg_dict_cell(&t->dicts[0], g, text);

		if (full)
			assert_true(t->counts[g] <= wanted(&c));
		else
			assert_true(t->counts[g] == wanted(&c));
		sum += t->counts[g];
	}
	return sum;
}

static void count_all(size_t max, bool full)
{
	static struct unit u;
	struct agg_spec spec = { .by = { expr_field_text(EVENT_TEXT_USER_ID) },
		.by_count = 1,
		.calls = { { .function = AGG_COUNT } },
		.calls_count = 1 };
	struct agg_shape shape;
	struct agg_table t;
	uint32_t *room = NULL;
	size_t cap = 0;

	make_values();
	memset(want, 0, sizeof want);
	agg_shape_make(&spec, 0, &shape);
	assert_true(agg_label_serves(&shape));
	agg_table_init(&t, &shape, max);
	for (uint32_t i = 0; i < UNITS; i++) {
		make_unit(&u, i * 6);
		count_unit(&t, &u, &room, &cap);
	}
	assert_int_equal(t.total, UNITS * ROWS);
	assert_int_equal(check_groups(&t, full) + t.ungrouped, UNITS * ROWS);
	assert_int_equal(t.ungrouped > 0, full);
	if (!full)
		assert_int_equal(t.dicts[0].forms_count, AGG_DICT_FORMS);
	agg_table_fini(&t);
	agg_local_drop(room, sizeof *room, cap);
}

static void counts_are_those_of_the_texts(void **state)
{
	(void)state;
	count_all(AGG_BYTES_MAX, false);
}

static void what_has_no_room_is_told(void **state)
{
	(void)state;
	count_all(40000, true);
}

/* A prefix, a bucket, two fields or a statistic need more than labels. */
static void who_is_served(void **state)
{
	struct agg_spec spec = { .by = { expr_field_text(EVENT_TEXT_USER_ID) },
		.by_count = 1,
		.calls = { { .function = AGG_COUNT } },
		.calls_count = 1 };
	struct agg_shape shape;

	(void)state;
	spec.prefix = SPAN_LIT("u");
	agg_shape_make(&spec, 0, &shape);
	assert_false(agg_label_serves(&shape));
	spec.prefix = SPAN_NONE;
	spec.by[1] = expr_field_text(EVENT_TEXT_HOST);
	spec.by_count = 2;
	agg_shape_make(&spec, 0, &shape);
	assert_false(agg_label_serves(&shape));
	spec.by_count = 1;
	spec.by[0] = expr_field_of(EXPR_FIELD_SEVERITY);
	agg_shape_make(&spec, 0, &shape);
	assert_false(agg_label_serves(&shape));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_those_of_the_texts),
		cmocka_unit_test(what_has_no_room_is_told),
		cmocka_unit_test(who_is_served),
	};

	return cmocka_run_group_tests_name("agg_label", tests, NULL, NULL);
}
