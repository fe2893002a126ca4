/*
 * Goal:   what expr_literal takes from a regular expression stands in every text that it matches.
 * Method: a table; then random patterns over few signs, each asked of random texts with and without the
 *         literal's help: the second is the same test in front of a pattern that has none.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/expr/expr.h"
#include "tests/support/event_gen.h"

static const struct expr_field field = { .kind = EXPR_FIELD_TEXT, .text = EVENT_TEXT_HOST };

static void by_table(void **state)
{
	static const char *const cases[][2] = { { "abc", "abc" }, { "^abc$", "abc" },
		{ "a.b", "a" }, { "ab.cde", "cde" }, { "abc?d", "ab" }, { "ab*c", "a" },
		{ "abc+de", "abc" }, { "ab{2}", "a" }, { "ab{0,2}cd", "cd" }, { "ab|cd", "" },
		{ "(ab|cd)ef", "ef" }, { "x(abc)y", "abc" }, { "x(abc)?y", "x" },
		{ "x(abc)+y", "abc" }, { "(?:abc)d", "abc" }, { "(?=abc)d", "d" },
		{ "(?<n>abc)d", "d" }, { "(?!abc)de", "de" }, { "(?i)abc", "abc" },
		{ "(?i)task", "ta" }, { "(?i)kiss", "i" }, { "(?i)\xc3\xb6x", "x" },
		{ "\xc3\xb6x", "\xc3\xb6x" }, { "x\xc3\xb6?y", "x" }, { "a\\.b", "a.b" },
		{ "a\\db", "a" }, { "\\bword\\b", "word" }, { "[abc]de", "de" },
		{ "[]abc]de", "de" }, { "[^]abc]de", "de" }, { "[[:alpha:]]de", "de" },
		{ "\\Qa.b\\E", "" }, { "(?x)a b", "" }, { "a\\x41", "" }, { "(*ACCEPT)abc", "" },
		{ "(a)\\1bc", "" }, { "a{x", "a{x" }, { "(?#com)abc", "" }, { "[[:abc]|x", "" },
		{ "[a[:^digit:]]de", "de" }, { "((ab)c)def", "def" }, { "((abcd)e)f", "abcd" },
		{ "", "" }, { "AbC", "abc" } };
	struct needle literal;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		const struct expr *x;
		struct expr_builder b;
		size_t n = strlen(cases[i][1]);
		bool some;

		expr_builder_init(&b);
		x = expr_matches(&b, &field, span_str(cases[i][0]), NULL, NULL, 0);
		assert_non_null(x);
		some = expr_literal(x, &literal);
		if (some != (n > 0) ||
			(some && (literal.n != n || memcmp(literal.lower, cases[i][1], n) != 0)))
			fail_msg("%s: %.*s", cases[i][0], some ? (int)literal.n : 0,
				some ? (char *)literal.lower : "");
		expr_builder_fini(&b);
	}
}

static size_t random_text(
	struct event_gen *g, const char *const *parts, size_t count, size_t most, char *dst)
{
	size_t n = 1 + event_gen_below(g, (unsigned)most);

	*dst = 0;
	for (size_t i = 0; i < n; i++)
		strcat(dst, parts[event_gen_below(g, (unsigned)count)]);
	return strlen(dst);
}

static void in_every_match(void **state)
{
	static const char *const parts[] = { "a", "b", "k", "s", "ab", ".", "?", "*", "+", "|", "(",
		")", "(?:", "(?i)", "[ab]", "[^a]", "\\.", "\\d", "\\b", "{1,2}", "{0}", "^", "$",
		"\xc3\xb6", "(?=", "(?!", "(?#x)", "K", "]" };
	static const char *const signs[] = { "a", "b", "A", "k", "K", "s", "S", ".", "\xc3\xb6",
		"\xc3\x96", "\xe2\x84\xaa", "\xc5\xbf", "1", " " };
	struct expr_scratch *s = expr_scratch_new();
	struct event_gen g = { .state = 7 };
	char pattern[256], plain[300], text[256];
	unsigned matches = 0;

	(void)state;
	for (int round = 0; round < 60000; round++) {
		const struct expr *x, *y;
		struct expr_builder b;

		expr_builder_init(&b);
		random_text(&g, parts, ARRAY_COUNT(parts), 8, pattern);
		x = expr_matches(&b, &field, span_str(pattern), NULL, NULL, 0);
		/* The same without a literal: \x is none of the escapes that are followed. */
		snprintf(plain, sizeof plain, "(?:%s)(?:\\x{61}|)", pattern);
		y = x ? expr_matches(&b, &field, span_str(plain), NULL, NULL, 0) : NULL;
		for (int k = 0; y && k < 6; k++) {
			struct span t =
				span_of(text, random_text(&g, signs, ARRAY_COUNT(signs), 10, text));
			bool want = expr_test_text(y, t, s);

			matches += want;
			if (expr_test_text(x, t, s) != want)
				fail_msg("%s on %s: %d", pattern, text, want);
		}
		expr_builder_fini(&b);
	}
	assert_int_equal(expr_scratch_given_up(s), 0);
	assert_true(matches > 10000);
	expr_scratch_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_table),
		cmocka_unit_test(in_every_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
