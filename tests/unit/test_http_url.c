/* Goal: parameters come apart and decode exactly; bad escapes are refused and nothing is guessed. */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/http/http_url.h"

static void decodes(void **state)
{
	static const struct {
		const char *in, *want;
		bool plus;
		int rc;
	} cases[] = {
		{ "", "", true, 0 },
		{ "abc", "abc", true, 0 },
		{ "a+b", "a b", true, 0 },
		{ "a+b", "a+b", false, 0 },
		{ "a%20b%2B", "a b+", true, 0 },
		{ "%c3%A4", "\xc3\xa4", true, 0 },
		{ "%252e", "%2e", true, 0 },
		{ "%00", NULL, true, ERR_SYNTAX },
		{ "%", NULL, true, ERR_SYNTAX },
		{ "%4", NULL, true, ERR_SYNTAX },
		{ "%4g", NULL, true, ERR_SYNTAX },
		{ "%u0041", NULL, true, ERR_SYNTAX },
	};
	struct arena a;

	(void)state;
	arena_init(&a, 4096);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct span out = SPAN_NONE;
		int rc = http_url_decode(span_str(cases[i].in), cases[i].plus, &a, &out);

		assert_int_equal(rc, cases[i].rc);
		if (rc == 0) {
			assert_non_null(out.p);
			assert_true(span_eq(out, span_str(cases[i].want)));
		}
	}
	arena_fini(&a);
	arena_init(&a, 1);
	assert_int_equal(
		http_url_decode(SPAN_LIT("%41%41"), true, &a, &(struct span){ 0 }), -ENOMEM);
	arena_fini(&a);
}

static void parameters(void **state)
{
	struct span rest = span_str("&a=1&&b=x%26y=z&c&=v&d="), name, value;
	static const char *const want[][2] = {
		{ "a", "1" },
		{ "b", "x&y=z" },
		{ "c", "" },
		{ "", "v" },
		{ "d", "" },
	};
	struct arena a;

	(void)state;
	arena_init(&a, 4096);
	for (size_t i = 0; i < ARRAY_COUNT(want); i++) {
		assert_int_equal(http_url_param(&rest, &a, &name, &value), 0);
		assert_true(span_eq(name, span_str(want[i][0])));
		assert_true(span_eq(value, span_str(want[i][1])));
		assert_non_null(value.p);
	}
	assert_int_equal(http_url_param(&rest, &a, &name, &value), HTTP_URL_END);
	rest = SPAN_NONE;
	assert_int_equal(http_url_param(&rest, &a, &name, &value), HTTP_URL_END);
	rest = span_str("a=%zz");
	assert_int_equal(http_url_param(&rest, &a, &name, &value), ERR_SYNTAX);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes),
		cmocka_unit_test(parameters),
	};

	return cmocka_run_group_tests_name("http_url", tests, NULL, NULL);
}
