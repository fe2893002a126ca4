/*
 * Goal: bars are as long as their numbers, in block characters and in plain ones; a histogram keeps to
 *       its width, and nothing above zero is drawn as nothing.
 * Method: golden pictures in ASCII and UTF-8; sums over widths.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/clock.h"
#include "tools/chart.h"

static const struct term ascii = { .columns = 40 };
static const struct term utf8 = { .columns = 40, .utf8 = true };
static const struct term coloured = { .columns = 40, .utf8 = true, .colour = true };
static struct buf out;

static const char *text(void)
{
	buf_put_u8(&out, 0);
	assert_int_equal(out.err, 0);
	return (const char *)out.p;
}

static const char *bar(const struct term *t, double value, double max, unsigned columns)
{
	buf_reset(&out);
	chart_bar(t, value, max, columns, &out);
	return text();
}

static void bars_are_as_long_as_their_numbers(void **state)
{
	(void)state;
	assert_string_equal(bar(&ascii, 10, 10, 8), "########");
	assert_string_equal(bar(&ascii, 5, 10, 8), "####");
	assert_string_equal(bar(&ascii, 0.001, 10, 8), "#");
	assert_string_equal(bar(&ascii, 0, 10, 8), "");
	assert_string_equal(bar(&ascii, -3, 10, 8), "");
	assert_string_equal(bar(&ascii, 3, 0, 8), "");
	assert_string_equal(bar(&utf8, 10, 10, 2), "██");
	assert_string_equal(bar(&utf8, 9, 16, 2), "█▏");
	assert_string_equal(bar(&utf8, 1, 1000, 2), "▏");
}

static void numbers_are_short(void **state)
{
	static const struct {
		double v;
		const char *want;
	} rows[] = { { 0, "0" }, { 950, "950" }, { 9999, "9999" }, { 12345, "12.3k" },
		{ 123456, "123k" }, { 4000000, "4.0M" }, { 0.5, "0.5" }, { 2.5e9, "2.5G" },
		{ -12345, "-12.3k" } };
	char got[CHART_LABEL_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		chart_short_number(rows[i].v, got);
		assert_string_equal(got, rows[i].want);
	}
}

enum { BARS = 5 };
static const double values[BARS] = { 8, 4, 0, 1, 2 };
static const double more[BARS] = { 0, 4, 0, 0, 2 };
static int64_t starts[600];

static struct chart chart_of(struct chart_layer *layers, size_t layers_count, size_t bars)
{
	for (size_t i = 0; i < bars; i++)
		starts[i] = INT64_C(1786000000) / 3600 * 3600 * CLOCK_NS_PER_SEC +
			    (int64_t)i * 3600 * CLOCK_NS_PER_SEC;
	return (struct chart){
		.layers = layers,
		.layers_count = layers_count,
		.bars_count = bars,
		.starts_ns = starts,
		.bucket_ns = 3600 * CLOCK_NS_PER_SEC,
		.utc = true,
	};
}

static const char *drawn(const struct term *t, const struct chart *c)
{
	buf_reset(&out);
	chart_histogram(t, c, &out);
	return text();
}

static void a_histogram_in_plain_characters(void **state)
{
	struct chart_layer layer = { "", "", values };
	struct chart c = chart_of(&layer, 1, BARS);

	(void)state;
	assert_string_equal(drawn(&ascii, &c), "    8 |#####\n"
					       "      |#####\n"
					       "      |#####\n"
					       "      |#####\n"
					       "    4 |##### #####\n"
					       "      |##### #####\n"
					       "      |##### #####             #####\n"
					       "      |##### #####       ##### #####\n"
					       "    0 +------------------------------\n"
					       "       2026-08-06 07:00  10:00\n");
}

static void colours_are_stacked(void **state)
{
	struct chart_layer layers[] = { { "<a>", "<A>", values }, { "<b>", "<B>", more } };
	struct chart c = chart_of(layers, 2, BARS);
	const char *picture = drawn(&coloured, &c);

	(void)state;
	/* The second bar is 8 high: its upper half is of the second colour. */
	assert_non_null(strstr(picture, "    8 ┤<a>█████ \x1b[0m<b>█████ \x1b[0m\n"));
	assert_non_null(strstr(picture, "      │<a>█████ \x1b[0m<a>█████ \x1b[0m"));
	assert_null(strstr(drawn(&utf8, &c), "<"));
}

static void many_bars_are_added_up(void **state)
{
	static double ones[600];
	struct chart_layer layer = { "", "", ones };
	struct chart c = chart_of(&layer, 1, 600);
	const char *picture;

	(void)state;
	for (size_t i = 0; i < 600; i++)
		ones[i] = 1;
	picture = drawn(&ascii, &c);
	assert_true(chart_bars_max(&ascii) == 33);
	/* 19 hours a bar. */
	assert_non_null(strstr(picture, "   19 |"));
	for (const char *line = picture; *line; line = strchr(line, '\n') + 1)
		assert_true(strcspn(line, "\n") <= 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bars_are_as_long_as_their_numbers),
		cmocka_unit_test(numbers_are_short),
		cmocka_unit_test(a_histogram_in_plain_characters),
		cmocka_unit_test(colours_are_stacked),
		cmocka_unit_test(many_bars_are_added_up),
	};
	int rc;

	buf_init(&out, 1 << 20);
	rc = cmocka_run_group_tests_name("chart", tests, NULL, NULL);
	buf_fini(&out);
	return rc;
}
