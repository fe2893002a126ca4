/*
 * Goal: a list of origins is taken as it is written and refused where a page's address or a sign for all
 * stands in it; an origin is found whatever its case, and a part of one is not.
 * Method: lists and what is asked of them, in tables.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/origin.h"

static void lists(void **state)
{
	static const struct {
		const char *list;
		int rc;
	} cases[] = {
		{ "", 0 },
		{ " , \t", 0 },
		{ "https://console.example.org", 0 },
		{ "http://localhost:3000, http://[::1]:3000 app://host_1", 0 },
		{ "moz-extension://0f-a", 0 },
		{ "*", ERR_SYNTAX },
		{ "null", ERR_SYNTAX },
		{ "localhost:3000", ERR_SYNTAX },
		{ "http://", ERR_SYNTAX },
		{ "://host", ERR_SYNTAX },
		{ "1http://host", ERR_SYNTAX },
		{ "http://host/", ERR_SYNTAX },
		{ "http://a@b", ERR_SYNTAX },
		{ "http://*.example", ERR_SYNTAX },
		{ "http://good http://b\xc3\xa4"
		  "d",
			ERR_SYNTAX },
		{ "http://a\r\nX:1", ERR_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct diag d;

		assert_int_equal(origin_check(cases[i].list, &d), cases[i].rc);
		if (cases[i].rc < 0)
			assert_non_null(strstr(d.text, "is no origin"));
	}
}

static void finding(void **state)
{
	static const char list[] = "https://a.example, http://localhost:3000";
	static const struct {
		const char *origin;
		size_t at; /* SIZE_MAX: not found */
	} cases[] = {
		{ "https://a.example", 0 },
		{ "HTTPS://A.example", 0 },
		{ "http://localhost:3000", 19 },
		{ "http://localhost:300", SIZE_MAX },
		{ "http://localhost:30000", SIZE_MAX },
		{ "http://a.example", SIZE_MAX },
		{ "https://a.example,", SIZE_MAX },
		{ "null", SIZE_MAX },
		{ "", SIZE_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct span got = origin_find(list, span_str(cases[i].origin));

		if (cases[i].at == SIZE_MAX)
			assert_null(got.p);
		else
			assert_ptr_equal(got.p, list + cases[i].at);
	}
	assert_null(origin_find(list, SPAN_NONE).p);
	assert_null(origin_find("", SPAN_LIT("https://a.example")).p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(finding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
