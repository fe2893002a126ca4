/*
 * Goal: gzip is sent to who likes it as well as the plain form, and to nobody else; a tag is known whole.
 * Method: fields and what is expected of them, in tables.
 */
#include "tests/support/check_cmocka.h"

#include "proto/base/check.h"
#include "proto/http/http_accept.h"

static void with(struct http_parse_request *req, const char *name, const char *value)
{
	req->fields[req->fields_count++] =
		(struct http_parse_field){ span_str(name), *value ? span_str(value) : SPAN_NONE };
}

static void encodings(void **state)
{
	static const struct {
		const char *value;
		bool gzip;
	} cases[] = {
		{ "gzip", true },
		{ "gzip, deflate, br, zstd", true },
		{ "GZIP", true },
		{ "x-gzip", true },
		{ "deflate", false },
		{ "*", true },
		{ "identity", false },
		{ "", false },
		{ "gzip;q=0", false },
		{ "gzip;q=0.000", false },
		{ "gzip;q=0.001", true },
		{ "gzip ; q=0.5 , identity;q=1", false },
		{ "gzip;q=0.5, identity;q=0.5", true },
		{ "gzip;q=1.0, identity; q=0.5, *;q=0", true },
		{ "*;q=0", false },
		{ "*;q=0, gzip", true },
		{ "gzip;q=0, *", false },
		{ "identity;q=1, *;q=0.5", false },
		{ "gzip;q=2", false },
		{ "gzip;q=", false },
		{ "gzip;q=0.1234", false },
		{ "gzip;q=.5", false },
		{ "gzip;q=1.5", false },
		{ "gzip;x=1", true },
		{ "gzipped", false },
		{ "not-gzip", false },
		{ ",,gzip,", true },
		{ ";;,;q=1", false },
		{ "br;q=1.0, gzip;q=0.8, *;q=0.1", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		static struct http_parse_request req;

		req.fields_count = 0;
		with(&req, "Host", "gzip");
		with(&req, "accept-Encoding", cases[i].value);
		if (http_accept_gzip(&req) != cases[i].gzip)
			fail_msg("%s", cases[i].value);
	}
}

static void several_fields(void **state)
{
	static struct http_parse_request req;

	(void)state;
	assert_false(http_accept_gzip(&req));
	with(&req, "Accept-Encoding", "deflate");
	assert_false(http_accept_gzip(&req));
	with(&req, "Accept-Encoding", "gzip;q=0.5");
	assert_true(http_accept_gzip(&req));
	with(&req, "Accept-Encoding", "identity");
	assert_false(http_accept_gzip(&req));
}

static void tags(void **state)
{
	static const struct {
		const char *value;
		bool has;
	} cases[] = {
		{ "\"abc\"", true },
		{ "W/\"abc\"", true },
		{ "\"x\", \"abc\"", true },
		{ "*", true },
		{ "\"abcd\"", false },
		{ "abc", false },
		{ "\"ab\"", false },
		{ "", false },
		{ "\"x-abc\",W/\"abc-y\"", false },
		{ "W/", false },
		{ ",", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		static struct http_parse_request req;

		req.fields_count = 0;
		with(&req, "If-None-Match", cases[i].value);
		if (http_accept_has(&req, SPAN_LIT("\"abc\"")) != cases[i].has)
			fail_msg("%s", cases[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encodings),
		cmocka_unit_test(several_fields),
		cmocka_unit_test(tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
