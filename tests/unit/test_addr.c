/* Goal: addresses of flags and files are read exactly or refused, and printed back. Method: tables. */
#include "tests/support/check_cmocka.h"

#include <string.h>
#include <sys/un.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/net/addr.h"

static void test_good(void **state)
{
	static const struct {
		const char *text, *shown;
		unsigned port;
		bool loopback;
	} rows[] = {
		{ "127.0.0.1:24224", "127.0.0.1:24224", 24224, true },
		{ "127.9.9.9:0", "127.9.9.9:0", 0, true },
		{ "[::1]:65535", "[::1]:65535", 65535, true },
		{ "10.1.2.3:1", "10.1.2.3:1", 1, false },
		{ ":80", "[::]:80", 80, false },
		{ "*:80", "[::]:80", 80, false },
		{ "[::ffff:127.0.0.1]:5", "127.0.0.1:5", 5, true },
	};
	char text[ADDR_TEXT_BYTES];
	struct diag d;
	struct addr a;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		assert_int_equal(addr_parse(rows[i].text, &a, &d), 0);
		assert_string_equal(addr_text(&a, text), rows[i].shown);
		assert_int_equal(addr_port(&a), rows[i].port);
		assert_int_equal(addr_is_loopback(&a), rows[i].loopback);
	}
	addr_set_port(&a, 4242);
	assert_int_equal(addr_port(&a), 4242);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text;
		int err;
	} rows[] = {
		{ "", ERR_SYNTAX },
		{ "24224", ERR_SYNTAX },
		{ "::1:80", ERR_SYNTAX },
		{ "127.0.0.1:", ERR_RANGE },
		{ "127.0.0.1:65536", ERR_RANGE },
		{ "127.0.0.1:-1", ERR_RANGE },
		{ "127.0.0.1:8x", ERR_RANGE },
		{ "300.0.0.1.invalid:80", ERR_UNKNOWN },
	};
	struct addr a;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct diag d = { 0 };

		assert_int_equal(addr_parse(rows[i].text, &a, &d), rows[i].err);
		assert_int_equal(d.code, rows[i].err);
		assert_true(d.text[0] != '\0');
	}
}

static void test_unix(void **state)
{
	struct addr a = { .sa_bytes = sizeof(sa_family_t) };
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&a.sa;
	char text[ADDR_TEXT_BYTES];

	(void)state;
	un->sun_family = AF_UNIX;
	assert_string_equal(addr_text(&a, text), "unix");
	strcpy(un->sun_path, "/run/x.sock");
	a.sa_bytes = sizeof *un;
	assert_string_equal(addr_host(&a, text), "/run/x.sock");
	memset(un->sun_path, 'p', sizeof un->sun_path); /* the kernel may give it without a NUL */
	assert_int_equal(strlen(addr_host(&a, text)), sizeof un->sun_path);
	assert_true(addr_is_loopback(&a));
}

static void test_from_host(void **state)
{
	char text[ADDR_TEXT_BYTES];
	struct addr a;

	(void)state;
	assert_true(addr_from_host("192.0.2.7", &a));
	assert_string_equal(addr_text(&a, text), "192.0.2.7:0");
	assert_true(addr_from_host("2001:db8::7", &a));
	assert_string_equal(addr_text(&a, text), "[2001:db8::7]:0");
	assert_false(addr_from_host("web-1", &a));
	assert_false(addr_from_host("192.0.2.7:80", &a));
	assert_false(addr_from_host("", &a));
	assert_string_equal(addr_host(&a, text), "2001:db8::7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_from_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
