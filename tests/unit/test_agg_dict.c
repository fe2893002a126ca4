/*
 * Goal:   a value has one id however it comes: as a text, or as a number of a form; forms that are known, that
 *         come later, and that find no room make no difference. What comes back is the value, in order.
 * Method: values of mixed shapes in random order and clothes, beside a list that is searched from its beginning.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "query/agg_int.h"
#include "query/agg_spare.h"

enum { VALUES = 3000, TEXT_BYTES = 48, STEPS = 60000, MANY = 4 << 20 };

static char texts[VALUES][TEXT_BYTES];
static uint32_t ids[VALUES]; /* + 1; 0: not met so far */
static uint64_t seed = 7;

static uint32_t rnd(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

/* All different. */
static void make_values(void)
{
	for (uint32_t i = 0; i < VALUES; i++) {
		switch (i % 8) {
		case 0:
			snprintf(texts[i], TEXT_BYTES, "usr-%06u", i);
			break;
		case 1:
			snprintf(texts[i], TEXT_BYTES, "usr-%u", i);
			break;
		case 2:
			snprintf(texts[i], TEXT_BYTES, "h%u.rack", i);
			break;
		case 3:
			snprintf(texts[i], TEXT_BYTES, "18446744073709%06u", 551615 + i);
			break;
		case 4:
			snprintf(texts[i], TEXT_BYTES, "a text of some length, %u of many", i);
			break;
		case 5:
			snprintf(texts[i], TEXT_BYTES, "f%u-%u", i, i % 50);
			break;
		case 6:
			snprintf(texts[i], TEXT_BYTES, "%u", i);
			break;
		default:
			snprintf(texts[i], TEXT_BYTES, "%c%c", 'a' + i % 26, 'a' + i / 26 % 26);
			snprintf(texts[i] + 2, TEXT_BYTES - 2, "%c", 'a' + i / 676);
			break;
		}
	}
	texts[7][0] = 0;
}

/* As a number, if it has a form and the dictionary room for it. */
static int id_of(
	struct agg_dict *d, const char *text, bool number, size_t max, size_t *held, uint32_t *out)
{
	struct agg_cell c = agg_cell_of_text(span_str(text));
	struct col_text_form f;
	uint32_t n, form = AGG_NONE;

	if (number && agg_form_of(c.text, &f, &n))
		assert_int_equal(agg_dict_form(d, &f, held, &form), 0);
	if (form != AGG_NONE)
		return agg_dict_number(d, form, n, max, held, out);
	return agg_dict_id(d, &c, agg_dict_hash(d, &c), max, held, out);
}

static void one_value_has_one_id(void **state)
{
	struct agg_dict d;
	size_t held = 0;
	uint32_t count = 0, id;

	(void)state;
	make_values();
	memset(ids, 0, sizeof ids);
	agg_dict_init(&d, (struct agg_dict_hint){ 0 });
	for (int i = 0; i < STEPS; i++) {
		uint32_t v = rnd(i < STEPS / 2 ? VALUES / 2 : VALUES);

		assert_int_equal(id_of(&d, texts[v], rnd(3) == 0, SIZE_MAX, &held, &id), 0);
		if (ids[v] == 0)
			ids[v] = ++count;
		assert_int_equal(id + 1, ids[v]);
	}
	assert_int_equal(d.count, count);
	/* There were more forms than find room. */
	assert_int_equal(d.forms_count, AGG_DICT_FORMS);
	for (uint32_t v = 0; v < VALUES; v++) {
		uint8_t text[AGG_FORM_BYTES];
		struct agg_cell c = { .kind = AGG_CELL_NULL };

		if (ids[v])
			c = agg_dict_cell(&d, ids[v] - 1, text);
		if (ids[v])
			assert_true(span_eq(c.text, span_str(texts[v])));
	}
	agg_dict_fini(&d);
}

static void values_are_in_order(void **state)
{
	struct agg_dict d;
	size_t held = 0;
	uint32_t id;

	(void)state;
	make_values();
	agg_dict_init(&d, (struct agg_dict_hint){ .values = VALUES, .numbers = 100 });
	for (uint32_t v = 0; v < VALUES; v++) {
		assert_int_equal(id_of(&d, texts[v], v % 5 > 0, SIZE_MAX, &held, &id), 0);
		assert_int_equal(id, v);
	}
	for (int i = 0; i < STEPS; i++) {
		uint32_t a = rnd(VALUES), b = rnd(VALUES);
		int want = span_cmp(span_str(texts[a]), span_str(texts[b]));
		int got = agg_dict_cmp(&d, a, b);

		assert_int_equal((got > 0) - (got < 0), (want > 0) - (want < 0));
	}
	agg_dict_fini(&d);
}

/* Also numbers, which are no texts, and absent ones. */
static void other_cells_stay_apart(void **state)
{
	struct agg_cell cells[] = { { .kind = AGG_CELL_NULL }, { .kind = AGG_CELL_INT, .i = 7 },
		{ .kind = AGG_CELL_TEXT, .text = SPAN_LIT("7") },
		{ .kind = AGG_CELL_MSGPACK, .text = SPAN_LIT("7") } };
	struct agg_dict d;
	size_t held = 0;
	uint32_t id;

	(void)state;
	agg_dict_init(&d, (struct agg_dict_hint){ 0 });
	assert_int_equal(id_of(&d, "8", true, SIZE_MAX, &held, &id), 0);
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < ARRAY_COUNT(cells); i++) {
			uint64_t hash = agg_dict_hash(&d, &cells[i]);

			assert_int_equal(agg_dict_id(&d, &cells[i], hash, SIZE_MAX, &held, &id), 0);
			assert_int_equal(id, i + 1);
		}
	}
	assert_int_equal(id_of(&d, "7", true, SIZE_MAX, &held, &id), 0);
	assert_int_equal(id, 3);
	agg_dict_fini(&d);
}

static void what_is_full_knows_what_it_has(void **state)
{
	struct agg_dict d;
	size_t held = 0;
	uint32_t id;

	(void)state;
	agg_dict_init(&d, (struct agg_dict_hint){ 0 });
	assert_int_equal(id_of(&d, "usr-000001", true, SIZE_MAX, &held, &id), 0);
	assert_int_equal(id_of(&d, "usr-000002", true, held, &held, &id), AGG_FULL);
	assert_int_equal(id_of(&d, "usr-000002", false, held, &held, &id), AGG_FULL);
	assert_int_equal(id_of(&d, "usr-000001", false, held, &held, &id), 0);
	assert_int_equal(id, 0);
	assert_int_equal(d.count, 1);
	agg_dict_fini(&d);
}

/* Texts of that kind until there is no room: short ones, long ones, numbers. */
static uint32_t fill(struct agg_dict *d, int kind, size_t max, size_t *held)
{
	static const char *const fronts[] = { "x", "a text that is too long for a slot, ", "u-" };
	uint32_t id;

	for (uint32_t n = 0;; n++) {
		char text[64];
		int rc;

		snprintf(text, sizeof text, "%s%08u%s", fronts[kind], n, kind == 2 ? "" : ".x.");
		rc = id_of(d, text, kind == 2, max, held, &id);
		/* The text that is put in last may stand above it. */
		assert_true(*held < max + sizeof text);
		if (rc == AGG_FULL)
			return n;
		assert_int_equal(rc, 0);
		assert_int_equal(id, n);
	}
}

static void arrays_grow_within_the_bytes(void **state)
{
	enum { MAX = 1 << 20, BESIDE = 8 };

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct agg_dict d;
		size_t held = 0;
		uint32_t count;

		agg_dict_init(&d, (struct agg_dict_hint){ 0 });
		d.beside = BESIDE;
		count = fill(&d, kind, MAX, &held);
		assert_int_equal(d.count, count);
		/* The last steps were small ones: little is left. */
		assert_true(held + d.cap * BESIDE > MAX / 3 * 2);
		/* All are found, and nothing else. */
		assert_int_equal(fill(&d, kind, MAX, &held), count);
		agg_dict_close(&d, &held);
		assert_int_equal(held, d.cap * sizeof d.values[0] +
					       d.cells_cap * sizeof d.cells[0] + d.texts.used +
					       (d.forms ? AGG_DICT_FORMS * sizeof d.forms[0] : 0));
		agg_dict_fini(&d);
	}
}

/* The hash that tells different values apart is that of the text, too. */
static void a_hash_is_that_of_the_text(void **state)
{
	(void)state;
	make_values();
	for (uint32_t v = 0; v < VALUES; v++) {
		struct agg_cell c = agg_cell_of_text(span_str(texts[v]));
		uint8_t text[AGG_FORM_BYTES];
		struct col_text_form f;
		uint32_t number;

		if (!agg_form_of(c.text, &f, &number))
			continue;
		assert_true(span_eq(agg_form_put(&f, number, text), c.text));
		assert_true(agg_form_hash(agg_form_seed(&f), number) == agg_form_hash_cell(&c));
		assert_true(agg_form_hash(agg_form_seed(&f), number + 1) != agg_form_hash_cell(&c));
	}
}

static void idle_arrays_are_bounded(void **state)
{
	/* Each comes from a class of half a MiB. */
	enum { ARRAYS = 2 * LIMIT_QUERY_SPARE_BYTES / (512 << 10) };
	void *p[ARRAYS];

	(void)state;
	for (int i = 0; i < ARRAYS; i++) {
		p[i] = agg_spare_grow(NULL, 0, 1000);
		assert_non_null(p[i]);
		memset(p[i], i, 1000);
		p[i] = agg_spare_grow(p[i], 1000, 300000);
		assert_int_equal(((uint8_t *)p[i])[999], i);
	}
	for (int i = 0; i < ARRAYS; i++)
		agg_spare_give(p[i], 300000);
	assert_in_range(agg_spare_held(), LIMIT_QUERY_SPARE_BYTES / 2, LIMIT_QUERY_SPARE_BYTES);
	/* What is larger goes back to the system. */
	p[0] = agg_spare_grow(NULL, 0, 300000);
	p[0] = agg_spare_grow(p[0], 300000, MANY);
	assert_in_range(agg_spare_held(), 1, LIMIT_QUERY_SPARE_BYTES);
	agg_spare_give(p[0], MANY);
	assert_true(agg_spare_held() <= LIMIT_QUERY_SPARE_BYTES);
	agg_spare_give(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_value_has_one_id),
		cmocka_unit_test(values_are_in_order),
		cmocka_unit_test(other_cells_stay_apart),
		cmocka_unit_test(what_is_full_knows_what_it_has),
		cmocka_unit_test(arrays_grow_within_the_bytes),
		cmocka_unit_test(a_hash_is_that_of_the_text),
		cmocka_unit_test(idle_arrays_are_bounded),
	};

	return cmocka_run_group_tests_name("agg_dict", tests, NULL, NULL);
}
