/*
 * Goal: the messages of a stream are found whatever its framing, and however it is cut into reads.
 * Method: each stream is read whole, and in pieces of 1 to 17 bytes, each piece a copy of its exact
 *         size; its messages, one after another with a mark for each, are compared with the expected.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/syslog/syslog_frame.h"

/* (message) by its line end, [message] by its count, ~ for one that was cut, ! for one that broke off */
static void put_message(char *line, const struct syslog_frame_message *m)
{
	size_t at = strlen(line);

	line[at++] = m->counted ? '[' : '(';
	memcpy(line + at, m->text.p, m->text.n);
	at += m->text.n;
	if (m->cut)
		line[at++] = '~';
	line[at++] = m->counted ? ']' : ')';
	line[at] = 0;
}

static void feed(struct syslog_frame *f, const uint8_t *p, size_t n, char *line)
{
	uint8_t *copy = malloc(n);
	struct syslog_frame_message m;
	struct rcur in = rcur_of(copy, n);
	int rc;

	memcpy(copy, p, n);
	while ((rc = syslog_frame_next(f, &in, &m)) == SYSLOG_FRAME_MESSAGE)
		put_message(line, &m);
	assert_int_equal(rc, SYSLOG_FRAME_MORE);
	assert_int_equal(rcur_left(&in), 0);
	free(copy);
}

static const char *read_in_pieces(const char *in, size_t n, size_t piece)
{
	static char line[256];
	struct syslog_frame_message m;
	struct syslog_frame f;
	int rc;

	line[0] = 0;
	syslog_frame_init(&f);
	for (size_t at = 0; at < n; at += piece)
		feed(&f, (const uint8_t *)in + at, n - at < piece ? n - at : piece, line);
	rc = syslog_frame_end(&f, &m);
	if (rc == SYSLOG_FRAME_MESSAGE)
		put_message(line, &m);
	if (rc == SYSLOG_FRAME_BROKEN)
		strcat(line, "!");
	assert_false(syslog_frame_is_inside(&f));
	syslog_frame_fini(&f);
	return line;
}

static void check(const char *in, size_t n, const char *want)
{
	for (size_t piece = 1; piece <= 17; piece++)
		assert_string_equal(read_in_pieces(in, n, piece), want);
	assert_string_equal(read_in_pieces(in, n, n), want);
}

#define CHECK(in, want) check(in, sizeof(in) - 1, want)

static void test_lines(void **state)
{
	(void)state;
	CHECK("<1>a\n<2>b\n", "(<1>a)(<2>b)");
	CHECK("<1>a\r\n\r\n\n<2>b\r\n", "(<1>a\r)(<2>b\r)");
	CHECK("<1>a\0<2>b\0", "(<1>a)(<2>b)");
	CHECK("<1>a\0\n<2>b\n\0", "(<1>a)(<2>b)");
	CHECK("<1>a\n<2>b", "(<1>a)(<2>b)");
	CHECK("plain text\n\tindented\n  too\n", "(plain text)(\tindented)(  too)");
	CHECK("\n\0\r", "");
	CHECK("x", "(x)");
}

static void test_counted(void **state)
{
	(void)state;
	CHECK("4 <1>a4 <2>b", "[<1>a][<2>b]");
	CHECK("6 <1>a\nb4 <2>b", "[<1>a\nb][<2>b]");
	CHECK("4 <1>a\n4 <2>b \r\n4 <3>c\n", "[<1>a][<2>b][<3>c]");
	CHECK("8 <1>a\nb\nc4 <2>b", "[<1>a\nb\nc][<2>b]");
}

static void test_mixed(void **state)
{
	(void)state;
	CHECK("4 <1>a<2>b\n4 <3>c<4>d\n", "[<1>a](<2>b)[<3>c](<4>d)");
	/* Behind a counted message a text without PRI may be counted; elsewhere a number is text. */
	CHECK("4 <1>a4 text4 <2>b", "[<1>a][text][<2>b]");
	CHECK("42 is the answer\n4 <1>a", "(42 is the answer)[<1>a]");
	CHECK("2024-01-01 x\n12:30 y\n007 z\n", "(2024-01-01 x)(12:30 y)(007 z)");
	CHECK("4", "(4)");
	CHECK("4 ", "(4 )");
	CHECK("4 <", "!");
	CHECK("4 <1>a3 ab", "[<1>a]!");
	CHECK("16 <1>1 - - - - - -xaaa", "[<1>1 - - - - - -](xaaa)");
	CHECK("16<1>1", "(16<1>1)");
}

static void test_count_limit(void **state)
{
	char in[64];

	(void)state;
	sprintf(in, "%d <1>a\n<2>b\n", LIMIT_SYSLOG_COUNT + 1);
	check(in, strlen(in),
		(sprintf(in + 32, "(%d <1>a)(<2>b)", LIMIT_SYSLOG_COUNT + 1), in + 32));
	CHECK("99999999999999999999 <1>a\n", "(99999999999999999999 <1>a)");
}

/* A message of n bytes in pieces of 1000, then a short one. */
static void long_one(bool counted, size_t n, size_t want_n, bool want_cut)
{
	struct syslog_frame_message m = { 0 };
	struct syslog_frame f;
	char *in = malloc(n + 64);
	size_t at = counted ? (size_t)sprintf(in, "%zu ", n) : 0, end = at + n, seen = 0;

	memcpy(in + at, "<13>x", 5);
	/* Characters of three bytes, so that the limit falls inside one. */
	for (size_t i = 5; i < n; i++)
		in[at + i] = "\xE2\x82\xAC"[(i - 5) % 3];
	strcpy(in + end, counted ? "4 <1>a" : "\n<1>a\n");
	end += strlen(in + end);
	syslog_frame_init(&f);
	for (size_t from = 0; from < end; from += 1000) {
		struct rcur c = rcur_of(in + from, end - from < 1000 ? end - from : 1000);

		while (syslog_frame_next(&f, &c, &m) == SYSLOG_FRAME_MESSAGE) {
			if (seen++ == 0) {
				assert_int_equal(m.text.n, want_n);
				assert_int_equal(m.cut, want_cut);
				assert_memory_equal(m.text.p, in + at, want_n);
			} else {
				assert_int_equal(m.text.n, 4);
				assert_false(m.cut);
			}
		}
		assert_true(syslog_frame_bytes(&f) <= LIMIT_SYSLOG_BYTES + 1);
	}
	assert_int_equal(seen, 2);
	syslog_frame_fini(&f);
	free(in);
}

static void test_long(void **state)
{
	(void)state;
	for (int counted = 0; counted <= 1; counted++) {
		long_one(counted, LIMIT_SYSLOG_BYTES, LIMIT_SYSLOG_BYTES, false);
		long_one(counted, LIMIT_SYSLOG_BYTES + 1, LIMIT_SYSLOG_BYTES - 2, true);
		long_one(counted, 5 * LIMIT_SYSLOG_BYTES, LIMIT_SYSLOG_BYTES - 2, true);
	}
}

static void test_memory(void **state)
{
	struct syslog_frame_message m;
	struct syslog_frame f;
	char text[10000];
	struct rcur c;

	(void)state;
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\n';
	syslog_frame_init(&f);
	assert_int_equal(syslog_frame_bytes(&f), 0);
	c = rcur_of(text, sizeof text - 1);
	assert_int_equal(syslog_frame_next(&f, &c, &m), SYSLOG_FRAME_MORE);
	assert_true(syslog_frame_is_inside(&f));
	assert_true(syslog_frame_bytes(&f) >= sizeof text - 1);
	c = rcur_of(text + sizeof text - 1, 1);
	assert_int_equal(syslog_frame_next(&f, &c, &m), SYSLOG_FRAME_MESSAGE);
	assert_int_equal(syslog_frame_next(&f, &c, &m), SYSLOG_FRAME_MORE);
	assert_int_equal(syslog_frame_bytes(&f), 0);
	syslog_frame_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_counted),
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_count_limit),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
