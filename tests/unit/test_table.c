/*
 * Goal: columns stand below each other whatever the text is, fit the terminal, and drive none.
 * Method: golden tables; texts of wide, combining and hidden characters.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "tools/table.h"

static struct buf out;

static const char *text(void)
{
	buf_put_u8(&out, 0);
	assert_int_equal(out.err, 0);
	return (const char *)out.p;
}

static void row(struct table *t, const char *a, const char *b, const char *c)
{
	table_cell(t, span_str(a), NULL);
	table_cell(t, span_str(b), NULL);
	table_cell(t, span_str(c), NULL);
}

static void begin(struct table *t, const struct term *term)
{
	buf_reset(&out);
	table_init(t, term);
	table_column(t, "name", TABLE_LEFT, false);
	table_column(t, "n", TABLE_RIGHT, true);
	table_column(t, "text", TABLE_LEFT, false);
}

static void columns_are_as_wide_as_their_cells(void **state)
{
	static const struct term term = { .columns = 80 };
	struct table t;

	(void)state;
	begin(&t, &term);
	row(&t, "a", "7", "first");
	row(&t, "longer", "1234", "");
	table_put(&t, &out);
	assert_string_equal(text(), "name       n  text\n"
				    "a          7  first\n"
				    "longer  1234  \n");
	table_fini(&t);
}

static void a_stream_keeps_its_widths(void **state)
{
	static const struct term term = { .columns = 80 };
	struct table t;

	(void)state;
	begin(&t, &term);
	row(&t, "abc", "1", "x");
	assert_int_equal(table_rows(&t), 1);
	table_put(&t, &out);
	row(&t, "longer than before", "2", "y");
	table_put(&t, &out);
	/* Nothing is lost where no terminal needs it to fit. */
	assert_string_equal(text(), "name  n  text\n"
				    "abc   1  x\n"
				    "longer than before  2  y\n");
	table_fini(&t);
}

static void a_terminal_is_not_passed(void **state)
{
	static const struct term term = { .columns = 24, .tty = true, .utf8 = true };
	static const struct term plain = { .columns = 24, .tty = true };
	struct table t;

	(void)state;
	begin(&t, &term);
	row(&t, "a long name of a thing", "12345", "and a long text too");
	table_put(&t, &out);
	assert_string_equal(text(), "name         n  text\n"
				    "a long…  12345  and a l…\n");
	table_fini(&t);
	begin(&t, &plain);
	row(&t, "a long name of a thing", "12345", "and a long text too");
	table_put(&t, &out);
	assert_non_null(strstr(text(), "a long~  12345  and a l~\n"));
	table_fini(&t);
}

static void widths_are_of_characters(void **state)
{
	static const struct term term = { .columns = 80 };
	struct table t;

	(void)state;
	assert_int_equal(term_width(SPAN_LIT("caf\xc3\xa9")), 4);
	assert_int_equal(term_width(SPAN_LIT("e\xcc\x81")), 1);
	assert_int_equal(term_width(SPAN_LIT("\xe6\x97\xa5\xe6\x9c\xac")), 4);
	assert_int_equal(term_fit(SPAN_LIT("\xe6\x97\xa5\xe6\x9c\xac"), 3), 3);
	begin(&t, &term);
	row(&t, "日本", "1", "x");
	row(&t, "café", "1", "x");
	row(&t, "a\x1b[2J\xe2\x80\xae", "1", "y\nz");
	table_put(&t, &out);
	assert_string_equal(text(), "name            n  text\n"
				    "日本            1  x\n"
				    "café            1  x\n"
				    "a\\x1b[2J\\u202e  1  y\\nz\n");
	table_fini(&t);
}

static void titles_are_safe_too(void **state)
{
	static const struct term term = { .columns = 80 };
	struct table t;

	(void)state;
	buf_reset(&out);
	table_init(&t, &term);
	table_column(&t, "a\x1b[2J\x7f", TABLE_LEFT, true);
	table_column(&t, "", TABLE_LEFT, true);
	table_cell(&t, SPAN_LIT("x"), NULL);
	table_cell(&t, SPAN_LIT(""), NULL);
	table_put(&t, &out);
	assert_string_equal(text(), "a\\x1b[2J\\x7f  \nx             \n");
	table_fini(&t);
}

static void styles_are_for_colours(void **state)
{
	static const struct term term = { .columns = 80, .colour = true };
	struct table t;

	(void)state;
	buf_reset(&out);
	table_init(&t, &term);
	table_column(&t, "s", TABLE_LEFT, true);
	table_cell(&t, SPAN_LIT("error"), TERM_RED);
	table_put(&t, &out);
	assert_string_equal(text(), "\x1b[1ms\x1b[0m\n\x1b[1;31merror\x1b[0m\n");
	table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_cells),
		cmocka_unit_test(a_stream_keeps_its_widths),
		cmocka_unit_test(a_terminal_is_not_passed),
		cmocka_unit_test(widths_are_of_characters),
		cmocka_unit_test(titles_are_safe_too),
		cmocka_unit_test(styles_are_for_colours),
	};
	int rc;

	buf_init(&out, 1 << 20);
	rc = cmocka_run_group_tests_name("table", tests, NULL, NULL);
	buf_fini(&out);
	return rc;
}
