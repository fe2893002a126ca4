/*
 * Goal:   what is gathered of a column stays within its limits: forms that differ in their first word, and
 *         bytes; what is beyond is not gathered, and a reset begins anew.
 * Method: texts of one form, more than fit.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>

#include "storage/col_shape.h"

static struct col_shape_set set;
static const struct col_token_sources none;

static int set_up(void **state)
{
	(void)state;
	return col_shape_set_init(&set);
}

static int tear_down(void **state)
{
	(void)state;
	col_shape_set_fini(&set);
	return 0;
}

static uint32_t add(const char *text)
{
	return col_shape_set_add(&set, span_str(text), &none, 0);
}

/* Those of so many words make a template each, and one in front of all that comes later. */
static void first_words(void **state)
{
	/* Words are pointers to the texts. */
	static char texts[LIMIT_TEXT_FORKS + 5][32];

	(void)state;
	for (unsigned i = 0; i < LIMIT_TEXT_FORKS + 5; i++) {
		snprintf(texts[i], sizeof texts[i], "%c%cy said %u", 'g' + i / 10, 'g' + i % 10, i);
		for (unsigned k = 0; k < 3; k++)
			assert_true(add(texts[i]) != COL_SHAPE_NONE);
	}
	assert_int_equal(set.shapes_count, LIMIT_TEXT_FORKS + 1);
	assert_int_equal(add(texts[LIMIT_TEXT_FORKS + 4]), add(texts[LIMIT_TEXT_FORKS + 3]));
}

static size_t bytes_held(void)
{
	size_t n = 0;

	for (unsigned i = 0; i < COL_SHAPE_SLABS; i++)
		n += set.slabs[i] ? COL_SHAPE_SLAB_BYTES : 0;
	return n;
}

static uint32_t fill(const char *text)
{
	uint32_t rows = 0;

	while (rows < LIMIT_BLOCK_ROWS && add(text) != COL_SHAPE_NONE)
		rows++;
	return rows;
}

static void gathered_bytes(void **state)
{
	enum { TOKENS = LIMIT_TEXT_TOKENS - 10 };
	char text[8 * TOKENS];
	uint32_t rows;
	size_t n = 0;

	(void)state;
	static_assert((uint64_t)LIMIT_BLOCK_ROWS * TOKENS * 8 > LIMIT_TEXT_GATHER_BYTES,
		"a number takes eight bytes");
	for (unsigned k = 0; k < TOKENS; k++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%u ", 100 + k);
	rows = fill(text);
	assert_in_range(rows, LIMIT_TEXT_GATHER_BYTES / (TOKENS * 8) / 2, LIMIT_BLOCK_ROWS - 1);
	assert_int_equal(bytes_held(), LIMIT_TEXT_GATHER_BYTES);
	assert_int_equal(set.shapes[0].rows_count, rows);
	/* It stays so, but the next column finds room. */
	assert_int_equal(add(text), COL_SHAPE_NONE);
	col_shape_set_reset(&set);
	assert_int_equal(fill(text), rows);
	assert_int_equal(bytes_held(), LIMIT_TEXT_GATHER_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(first_words, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gathered_bytes, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("col_shape", tests, NULL, NULL);
}
