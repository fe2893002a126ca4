/* Goal: networks are parsed strictly, and hold exactly their addresses, IPv4 within IPv6 included. */
#include "tests/support/check_cmocka.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/cidr.h"
#include "proto/base/err.h"

static bool has(const char *nets, const char *address)
{
	struct cidr_list list;
	uint8_t v6[CIDR_ADDR_BYTES], v4[4];
	struct diag d = { 0 };

	assert_int_equal(cidr_parse(nets, &list, &d), 0);
	if (inet_pton(AF_INET, address, v4) == 1)
		cidr_from_v4(v4, v6);
	else
		assert_int_equal(inet_pton(AF_INET6, address, v6), 1);
	return cidr_has(&list, v6);
}

static void addresses(void **state)
{
	(void)state;
	assert_true(has("10.0.0.0/8", "10.255.3.4"));
	assert_false(has("10.0.0.0/8", "11.0.0.0"));
	assert_true(has("192.0.2.128/25", "192.0.2.200"));
	assert_false(has("192.0.2.128/25", "192.0.2.127"));
	assert_true(has("192.0.2.7", "192.0.2.7"));
	assert_false(has("192.0.2.7", "192.0.2.6"));
	assert_true(has("0.0.0.0/0", "203.0.113.9"));
	assert_false(has("0.0.0.0/0", "2001:db8::1"));
	assert_true(has("2001:db8::/32", "2001:db8:ffff::1"));
	assert_false(has("2001:db8::/32", "2001:db9::1"));
	assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(has("::1", "::1"));
	/* Over an IPv6 socket an IPv4 peer comes so. */
	assert_true(has("10.0.0.0/8", "::ffff:10.1.2.3"));
	assert_true(has("::ffff:10.0.0.0/104", "10.1.2.3"));
	assert_true(has("::/0", "10.1.2.3"));
	assert_true(has(" 10.0.0.0/8,\t::1 ", "::1"));
	assert_false(has("", "10.0.0.1"));
}

static void check_bad(const char *text, int rc, const char *word)
{
	struct cidr_list list = { .count = 77 };
	struct diag d = { 0 };

	assert_int_equal(cidr_parse(text, &list, &d), rc);
	assert_int_equal(list.count, 77);
	if (!strstr(d.text, word))
		fail_msg("%s: '%s' does not name '%s'", text, d.text, word);
}

static void slips(void **state)
{
	static char many[20 * (LIMIT_NETWORKS + 1)];

	(void)state;
	check_bad("10.0.0.0/33", ERR_RANGE, "'10.0.0.0/33'");
	check_bad("2001:db8::/129", ERR_RANGE, "'2001:db8::/129'");
	check_bad("10.0.0.1/8", ERR_RANGE, "behind its prefix");
	check_bad("10.0.0.0/", ERR_SYNTAX, "'10.0.0.0/'");
	check_bad("10.0.0.0/-1", ERR_SYNTAX, "'10.0.0.0/-1'");
	check_bad("10.0.0.0/8x", ERR_SYNTAX, "'10.0.0.0/8x'");
	check_bad("10.0.0/8", ERR_SYNTAX, "'10.0.0/8'");
	check_bad("::1 localhost", ERR_SYNTAX, "'localhost'");
	check_bad("10.0.0.0/8;::1", ERR_SYNTAX, "is no network");
	check_bad("/8", ERR_SYNTAX, "'/8'");
	check_bad("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		ERR_SYNTAX, "aaa");
	for (int i = 0; i < LIMIT_NETWORKS; i++)
		snprintf(many + strlen(many), 20, "10.0.%d.0/24 ", i);
	assert_true(has(many, "10.0.3.7"));
	strcat(many, "::1");
	check_bad(many, ERR_LIMIT, "more than");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(slips),
	};

	return cmocka_run_group_tests_name("cidr", tests, NULL, NULL);
}
