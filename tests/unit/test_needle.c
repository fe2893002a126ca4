/*
 * Goal:   the search finds what a plain loop finds, at every place and length, in any case.
 * Method: seeded random texts over few letters, so that occurrences, near misses and overlaps abound.
 */
#include "tests/support/check_cmocka.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "proto/base/needle.h"
#include "tests/support/event_gen.h"

static size_t naive(struct span needle, struct span text, size_t from)
{
	for (; from + needle.n <= text.n; from++) {
		size_t k = 0;

		while (k < needle.n && tolower(needle.p[k]) == tolower(text.p[from + k]))
			k++;
		if (k == needle.n)
			return from;
	}
	return SIZE_MAX;
}

static void fill(struct event_gen *g, uint8_t *p, size_t n)
{
	static const char alphabet[] = "aAbBzZ@`[{ 0\xc4\xe4";

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)alphabet[event_gen_below(g, sizeof alphabet - 1)];
}

static void as_a_plain_loop(void **state)
{
	struct event_gen g = { .state = 3 };

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = event_gen_below(&g, 200), m = 1 + event_gen_below(&g, round % 9 + 1);
		uint8_t *text = malloc(n + 1), *needle = malloc(m);
		struct needle x;
		size_t from = event_gen_below(&g, 10);

		assert_non_null(text);
		assert_non_null(needle);
		fill(&g, text, n);
		fill(&g, needle, m);
		if (round % 3 == 0 && n >= m)
			memcpy(text + event_gen_below(&g, (unsigned)(n - m + 1)), needle, m);
		/* To the end of its memory exactly: a sanitizer looks on. */
		text = realloc(text, n ? n : 1);
		assert_int_equal(needle_init(&x, span_of(needle, m)), 0);
		assert_int_equal(needle_find(&x, span_of(text, n), from),
			naive(span_of(needle, m), span_of(text, n), from));
		needle_fini(&x);
		free(text);
		free(needle);
	}
}

/* Only ASCII letters fold: '@' is not '`', and a byte above 127 is itself alone. */
static void only_letters_fold(void **state)
{
	struct needle x;

	(void)state;
	assert_int_equal(needle_init(&x, SPAN_LIT("@[")), 0);
	assert_int_equal(needle_find(&x, SPAN_LIT("`{ and @["), 0), 7);
	needle_fini(&x);
	assert_int_equal(needle_init(&x, SPAN_LIT("M\xc3\x84")), 0);
	assert_int_equal(needle_find(&x, SPAN_LIT("m\xc3\xa4 m\xc3\x84"), 0), 4);
	needle_fini(&x);
	assert_int_equal(needle_init(&x, SPAN_LIT("")), 0);
	assert_int_equal(x.n, 0);
	needle_fini(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_a_plain_loop),
		cmocka_unit_test(only_letters_fold),
	};

	return cmocka_run_group_tests_name("needle", tests, NULL, NULL);
}
