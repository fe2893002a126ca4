/*
 * Goal: a page of another site sends nothing, under whatever name it met this server; programs and the
 * server's own pages do. Method: heads as browsers and programs write them.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/http/http_origin.h"

/* Host and further fields; NULL: none. */
static bool takes(const char *host, const char *fields)
{
	static const struct http_parse_limits limits = { 1024, 4096, 64 };
	static struct http_parse_request r;
	struct http_call_problem problem = { 0 };
	struct http_parse p;
	char text[2048];
	size_t took;
	bool ok;
	int n = snprintf(text, sizeof text, "POST /api/logs HTTP/1.%d\r\n%s%s%s%s\r\n",
		host ? 1 : 0, host ? "Host: " : "", host ? host : "", host ? "\r\n" : "",
		fields ? fields : "");

	http_parse_init(&p, &limits);
	assert_int_equal(http_parse_head(&p, (const uint8_t *)text, (size_t)n, &r, &took), 0);
	ok = http_origin_ok(&r, &problem);
	assert_int_equal(problem.status, ok ? 0 : 403);
	if (!ok) {
		assert_string_equal(problem.field, "Origin");
		assert_non_null(problem.hint);
	}
	return ok;
}

static void programs(void **state)
{
	(void)state;
	assert_true(takes("collector.example:24280", NULL));
	assert_true(takes(NULL, NULL));
	assert_true(takes("127.0.0.1:9000", "Sec-Fetch-Site: none\r\n"));
}

static void pages_of_this_server(void **state)
{
	static const char *const hosts[] = { "localhost:9000", "localhost", "LocalHost:9000",
		"127.0.0.1:9000", "10.1.2.3", "[::1]:9000", "[fe80::1]" };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) {
		char origin[128];

		snprintf(origin, sizeof origin, "Origin: http://%s\r\n", hosts[i]);
		assert_true(takes(hosts[i], origin));
		snprintf(origin, sizeof origin,
			"Origin: https://%s\r\nSec-Fetch-Site: same-origin\r\n", hosts[i]);
		assert_true(takes(hosts[i], origin));
	}
	assert_true(takes("localhost:9000", "origin: HTTP://LOCALHOST:9000\r\n"));
}

static void pages_of_other_sites(void **state)
{
	static const char *const origins[] = { "Origin: http://evil.example\r\n",
		"Origin: http://127.0.0.1\r\n",       /* another port is another site */
		"Origin: http://127.0.0.1:9001\r\n",  /* and so is this one */
		"Origin: http://127.0.0.1:90000\r\n", /* one byte more */
		"Origin: http://127.0.0.1:900\r\n",   /* one byte less */
		"Origin: ftp://127.0.0.1:9000\r\n", "Origin: 127.0.0.1:9000\r\n",
		"Origin: null\r\n", /* a sandboxed frame, a file */
		"Origin:\r\n", "Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: CROSS-SITE\r\n",
		"Origin: http://127.0.0.1:9000\r\nSec-Fetch-Site: cross-site\r\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(origins); i++)
		assert_false(takes("127.0.0.1:9000", origins[i]));
}

/* Its own name was pointed at this machine: it is what the browser takes this server for. */
static void a_page_whose_name_was_rebound(void **state)
{
	static const char *const hosts[] = { "evil.example", "evil.example:9000",
		"127.0.0.1.example", "localhost.example", "localhosts", "1e100.net", ":9000" };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) {
		char origin[128];

		snprintf(origin, sizeof origin, "Origin: http://%s\r\n", hosts[i]);
		assert_false(takes(hosts[i], origin));
	}
	assert_false(takes(NULL, "Origin: http://127.0.0.1:9000\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs),
		cmocka_unit_test(pages_of_this_server),
		cmocka_unit_test(pages_of_other_sites),
		cmocka_unit_test(a_page_whose_name_was_rebound),
	};

	return cmocka_run_group_tests_name("http_origin", tests, NULL, NULL);
}
