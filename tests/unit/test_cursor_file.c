/*
 * Goal: the place survives whole, one run at a time has it, and a file that is not ours is left alone.
 * Method: a temporary directory; two handles; files written by hand.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/err.h"
#include "tools/cursor_file.h"

static char dir[] = "/tmp/test_cursor_file_XXXXXX";
static char path[64], beside[80];

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/place", dir);
	snprintf(beside, sizeof beside, "%s.new", path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	rmdir(dir);
	return 0;
}

static void put_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *get_file(void)
{
	static char text[64];
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof text - 1, f);
	text[n] = 0;
	fclose(f);
	return text;
}

static void texts(void **state)
{
	char text[CURSOR_FILE_TEXT_BYTES];
	uint64_t id = 0;

	(void)state;
	cursor_file_print(UINT64_MAX, text);
	assert_string_equal(text, "i=18446744073709551615");
	assert_int_equal(cursor_file_parse(span_str(text), &id, NULL), 0);
	assert_true(id == UINT64_MAX);
	assert_int_equal(cursor_file_parse(SPAN_LIT("i=0"), &id, NULL), 0);
	assert_true(id == 0);
	assert_int_equal(cursor_file_parse(SPAN_LIT("i="), &id, NULL), ERR_SYNTAX);
	assert_int_equal(cursor_file_parse(SPAN_LIT("i=1x"), &id, NULL), ERR_SYNTAX);
	assert_int_equal(cursor_file_parse(SPAN_LIT("7"), &id, NULL), ERR_SYNTAX);
	assert_int_equal(
		cursor_file_parse(SPAN_LIT("i=18446744073709551616"), &id, NULL), ERR_SYNTAX);
}

static void a_place_is_kept(void **state)
{
	struct cursor_file c;
	struct stat st;

	(void)state;
	assert_int_equal(cursor_file_open(path, &c, NULL), 0);
	assert_false(c.found);
	assert_int_equal(cursor_file_write(&c, 7, NULL), 0);
	assert_string_equal(get_file(), "i=7\n");
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(cursor_file_write(&c, 4711, NULL), 0);
	cursor_file_close(&c);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(access(beside, F_OK), -1);
	assert_int_equal(cursor_file_open(path, &c, NULL), 0);
	assert_true(c.found && c.id == 4711);
	cursor_file_close(&c);
}

static void one_run_at_a_time(void **state)
{
	struct cursor_file a, b;

	(void)state;
	assert_int_equal(cursor_file_open(path, &a, NULL), 0);
	assert_int_equal(cursor_file_open(path, &b, NULL), ERR_LOCKED);
	/* The new file is locked too. */
	assert_int_equal(cursor_file_write(&a, 9, NULL), 0);
	assert_int_equal(cursor_file_open(path, &b, NULL), ERR_LOCKED);
	cursor_file_close(&a);
	assert_int_equal(cursor_file_open(path, &b, NULL), 0);
	assert_true(b.id == 9);
	cursor_file_close(&b);
}

static void other_files_are_left_alone(void **state)
{
	struct cursor_file c;

	(void)state;
	put_file("my notes\n");
	assert_int_equal(cursor_file_open(path, &c, NULL), ERR_SYNTAX);
	assert_string_equal(get_file(), "my notes\n");
	/* What a kill between its making and its first text leaves. */
	put_file("");
	assert_int_equal(cursor_file_open(path, &c, NULL), 0);
	assert_false(c.found);
	cursor_file_close(&c);
	assert_true(cursor_file_open("/nowhere/place", &c, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(a_place_is_kept),
		cmocka_unit_test(one_run_at_a_time),
		cmocka_unit_test(other_files_are_left_alone),
	};

	return cmocka_run_group_tests_name("cursor_file", tests, setup, teardown);
}
