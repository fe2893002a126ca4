/*
 * Goal: a file of users is read as it was meant, or refused with its file and line. Method: files as
 * people write them, and such as are beyond a limit.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "collector/forward_keys.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "tests/support/tmpdir.h"

static struct conf conf;
static struct forward_keys keys;
static char path[512];
static struct diag d;

static void write_users(const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static int load(const char *text, size_t n)
{
	int rc;

	write_users(text, n);
	d = (struct diag){ 0 };
	rc = forward_keys_load(&keys, &conf, "here", &d);
	if (rc < 0)
		assert_string_equal(d.file, path);
	return rc;
}

static int set_up(void **state)
{
	if (tmpdir_setup(state) < 0 || conf_init(&conf) < 0)
		return -1;
	snprintf(path, sizeof path, "%s/users", (const char *)*state);
	if (conf_set(&conf, CONF_FORWARD_SHARED_KEY, "k", CONF_FROM_FLAG, &d) < 0)
		return -1;
	return conf_set(&conf, CONF_FORWARD_USERS, path, CONF_FROM_FLAG, &d);
}

static int tear_down(void **state)
{
	conf_fini(&conf);
	return tmpdir_teardown(state);
}

static void users(void **state)
{
	static const char text[] = "# who\n\nbob  a long  pass word\r\nalice\tpw\n#x y\neve #";

	(void)state;
	assert_int_equal(load(text, sizeof text - 1), 0);
	assert_int_equal(keys.server.users_count, 3);
	assert_true(span_eq(keys.users[0].name, SPAN_LIT("bob")));
	assert_true(span_eq(keys.users[0].password, SPAN_LIT("a long  pass word")));
	assert_true(span_eq(keys.users[1].name, SPAN_LIT("alice")));
	assert_true(span_eq(keys.users[1].password, SPAN_LIT("pw")));
	assert_true(span_eq(keys.users[2].password, SPAN_LIT("#")));
	assert_true(span_eq(keys.server.host, SPAN_LIT("here:forward")));
	forward_keys_fini(&keys);
}

static void what_is_no_list_of_users(void **state)
{
	(void)state;
	assert_int_equal(load("bob pw\nalice\n", 13), ERR_SYNTAX);
	assert_non_null(strstr(d.text, "line 2: write a name"));
	forward_keys_fini(&keys);
	assert_int_equal(load("# nobody\n", 9), ERR_SYNTAX);
	assert_non_null(strstr(d.text, "names no user"));
	forward_keys_fini(&keys);
	assert_int_equal(load("", 0), ERR_SYNTAX);
	forward_keys_fini(&keys);
}

/* As many as may be, and one more. */
static void many_users(void **state)
{
	static char text[LIMIT_USERS * 16];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < LIMIT_USERS; i++)
		n += (size_t)sprintf(text + n, "u%d p%d\n", i, i);
	assert_int_equal(load(text, n), 0);
	assert_int_equal(keys.server.users_count, LIMIT_USERS);
	assert_true(span_eq(keys.users[LIMIT_USERS - 1].name, SPAN_LIT("u255")));
	forward_keys_fini(&keys);
	n += (size_t)sprintf(text + n, "u p\n");
	assert_int_equal(load(text, n), ERR_LIMIT);
	assert_non_null(strstr(d.text, "line 257: more than 256 users"));
	forward_keys_fini(&keys);
}

static void a_large_file(void **state)
{
	static char text[LIMIT_USERS_BYTES + 1];

	(void)state;
	memset(text, '#', sizeof text);
	memcpy(text, "bob pw\n", 7);
	assert_int_equal(load(text, LIMIT_USERS_BYTES), 0);
	assert_int_equal(keys.server.users_count, 1);
	forward_keys_fini(&keys);
	assert_int_equal(load(text, LIMIT_USERS_BYTES + 1), ERR_LIMIT);
	forward_keys_fini(&keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users),
		cmocka_unit_test(what_is_no_list_of_users),
		cmocka_unit_test(many_users),
		cmocka_unit_test(a_large_file),
	};

	return cmocka_run_group_tests_name("forward_keys", tests, set_up, tear_down);
}
