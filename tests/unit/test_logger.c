/* Goal: one message is one line, whatever its values hold; a noisy call site is silenced and counted. */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/svc/logger.h"
#include "proto/svc/metrics.h"

#define HEAD "2026-11-20T19:06:00.123Z "

static int fds[2];

static int setup(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	clock_fake(INT64_C(1795201560123456789), CLOCK_NS_PER_SEC);
	if (pipe2(fds, O_NONBLOCK) < 0)
		return -1;
	logger_init(fds[1], LOGGER_INFO);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	clock_real();
	close(fds[0]);
	close(fds[1]);
	return 0;
}

/* What was written since the last call. */
static const char *said(void)
{
	static char text[65536];
	ssize_t n = read(fds[0], text, sizeof text - 1);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static void a_line(void **state)
{
	struct diag d;

	(void)state;
	diag_set(&d, -EIO, "seg/1.seg", 512, "read a page");
	LOGGER(LOGGER_INFO, "main", "ready");
	assert_string_equal(said(), HEAD "info main: ready\n");
	LOGGER(LOGGER_WARNING, "forward", "connection closed", LOGGER_STR("peer", "10.0.0.7:4411"),
		LOGGER_INT("left", -3), LOGGER_UINT("frames", UINT64_MAX),
		LOGGER_NS("took", 125000000), LOGGER_ERR(ERR_LIMIT), LOGGER_STR("none", NULL));
	assert_string_equal(said(),
		HEAD "warning forward: connection closed peer=10.0.0.7:4411 left=-3 "
		     "frames=18446744073709551615 took=0.125000 error=\"a limit was reached "
		     "(ERR_LIMIT)\" none=\"\"\n");
	LOGGER(LOGGER_ERROR, "store", "segment damaged", LOGGER_DIAG(&d));
	assert_string_equal(said(),
		HEAD "error store: segment damaged error=\"seg/1.seg at byte 512: read a page: "
		     "Input/output error (EIO)\"\n");
}

static void values_cannot_forge(void **state)
{
	static const struct {
		struct span in;
		const char *out;
	} cases[] = {
		{ SPAN_LIT("a\n<0>fake: line"), "\"a\\n<0>fake: line\"" },
		{ SPAN_LIT("x y=\"1\""), "\"x y=\\\"1\\\"\"" },
		{ SPAN_LIT("back\\slash"), "\"back\\\\slash\"" },
		{ SPAN_LIT("a=b"), "\"a=b\"" },
		{ SPAN_LIT("\0\x1b[2J\x7f"), "\"\\x00\\x1b[2J\\x7f\"" },
		{ SPAN_LIT("caf\xC3\xA9"), "\"caf\xC3\xA9\"" },
		{ SPAN_LIT("\xC2\x9B"
			   "31m"),
			"\"\\u009b31m\"" },
		{ SPAN_LIT("\xE2\x80\xAE"
			   "gpj"),
			"\"\\u202egpj\"" },
		{ SPAN_LIT("\xE2\x80\xA8"), "\"\\u2028\"" },
		{ SPAN_LIT("a\xFF\xE2\x80z"), "\"a\\xff\\xe2\\x80z\"" },
		{ SPAN_LIT(""), "\"\"" },
		{ SPAN_LIT("plain-text_1.0/[::1]:80"), "plain-text_1.0/[::1]:80" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct logger_field f = LOGGER_SPAN("v", cases[i].in);
		char line[256], want[256];

		logger_format(line, sizeof line, LOGGER_INFO, "t", "m", &f, 1);
		snprintf(want, sizeof want, HEAD "info t: m v=%s", cases[i].out);
		assert_string_equal(line, want);
	}
}

static void long_values_and_lines_are_cut(void **state)
{
	static char big[100000];
	struct logger_field f[8];
	char line[LOGGER_LINE_BYTES];
	size_t n;

	(void)state;
	memset(big, 'x', sizeof big);
	f[0] = LOGGER_SPAN("v", span_of(big, sizeof big));
	n = logger_format(line, sizeof line, LOGGER_INFO, "t", "m", f, 1);
	assert_in_range(n, LOGGER_VALUE_BYTES_MAX, LOGGER_VALUE_BYTES_MAX + 64);
	assert_string_equal(line + n - 4, "x...");
	memset(big, '\n', sizeof big);
	for (size_t i = 0; i < ARRAY_COUNT(f); i++)
		f[i] = LOGGER_SPAN("v", span_of(big, sizeof big));
	for (size_t cap = 64; cap <= sizeof line; cap += 61) {
		n = logger_format(line, cap, LOGGER_INFO, "t", "m", f, ARRAY_COUNT(f));
		assert_true(n < cap);
		assert_int_equal(strlen(line), n);
		assert_string_equal(line + n - 3, "...");
		assert_null(strchr(line, '\n'));
	}
	logger_write(NULL, LOGGER_INFO, "t", "m", f, ARRAY_COUNT(f));
	assert_true(strlen(said()) <= LOGGER_LINE_BYTES);
}

static void speak(void)
{
	LOGGER(LOGGER_INFO, "t", "again");
}

static void a_noisy_site_is_silenced(void **state)
{
	int64_t lines = metrics_get(METRICS_LOG_LINES);
	int64_t silent = metrics_get(METRICS_LOG_SUPPRESSED);

	(void)state;
	for (int i = 0; i < LOGGER_BURST + 7; i++)
		speak();
	assert_int_equal(metrics_get(METRICS_LOG_LINES) - lines, LOGGER_BURST);
	assert_int_equal(metrics_get(METRICS_LOG_SUPPRESSED) - silent, 7);
	said();
	LOGGER(LOGGER_INFO, "t", "another site speaks");
	assert_string_equal(said(), HEAD "info t: another site speaks\n");
	clock_fake(INT64_C(1795201560123456789), (1 + LOGGER_WINDOW_S) * CLOCK_NS_PER_SEC);
	speak();
	assert_string_equal(said(), HEAD "info t: again suppressed=7\n");
	speak();
	assert_string_equal(said(), HEAD "info t: again\n");
}

static void levels(void **state)
{
	(void)state;
	LOGGER(LOGGER_DEBUG, "t", "unwanted");
	assert_string_equal(said(), "");
	logger_set_level(LOGGER_DEBUG);
	LOGGER(LOGGER_DEBUG, "t", "wanted");
	assert_string_equal(said(), HEAD "debug t: wanted\n");
	logger_set_level(LOGGER_ERROR);
	LOGGER(LOGGER_WARNING, "t", "unwanted");
	assert_string_equal(said(), "");
	assert_int_equal(logger_level_find("notice"), LOGGER_NOTICE);
	assert_int_equal(logger_level_find("loud"), -1);
	assert_string_equal(logger_level_name(LOGGER_NOTICE), "notice");
}

static void under_journald(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fds[1], &st), 0);
	snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	logger_init(fds[1], LOGGER_INFO);
	LOGGER(LOGGER_NOTICE, "t", "m", LOGGER_STR("k", "v"));
	assert_string_equal(said(), "<5>t: m k=v\n");
	setenv("JOURNAL_STREAM", "1:1", 1);
	logger_init(fds[1], LOGGER_INFO);
	LOGGER(LOGGER_NOTICE, "t", "m");
	assert_string_equal(said(), HEAD "notice t: m\n");
	unsetenv("JOURNAL_STREAM");
}

/* Method: a pipe that nobody reads; the line is lost, the program goes on. */
static void a_full_pipe_loses_the_line(void **state)
{
	char block[4096] = "";

	(void)state;
	while (write(fds[1], block, sizeof block) > 0)
		continue;
	LOGGER(LOGGER_INFO, "t", "m");
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	LOGGER(LOGGER_INFO, "t", "m");
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
}

/* A pipe that blocks and is full: the line is lost, the caller goes on, and the next line tells. */
static void a_stuck_pipe_does_not_stop_us(void **state)
{
	int64_t lost = metrics_get(METRICS_LOG_LOST);
	char block[4096] = { 0 };
	int flags = fcntl(fds[1], F_GETFL);

	(void)state;
	while (write(fds[1], block, sizeof block) > 0)
		continue;
	assert_int_equal(fcntl(fds[1], F_SETFL, flags & ~O_NONBLOCK), 0);
	alarm(20); /* a write that waits never returns */
	for (int i = 0; i < 3; i++)
		LOGGER(LOGGER_INFO, "t", "m");
	alarm(0);
	assert_int_equal(metrics_get(METRICS_LOG_LOST) - lost, 3);
	while (read(fds[0], block, sizeof block) > 0)
		continue;
	LOGGER(LOGGER_INFO, "t", "again");
	assert_string_equal(said(), HEAD "info t: again lost=3\n");
	LOGGER(LOGGER_INFO, "t", "again");
	assert_string_equal(said(), HEAD "info t: again\n");
}

static void a_stuck_socket_neither(void **state)
{
	char block[4096] = { 0 };
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	while (send(pair[1], block, sizeof block, MSG_DONTWAIT) > 0)
		continue;
	logger_init(pair[1], LOGGER_INFO);
	alarm(20);
	LOGGER(LOGGER_INFO, "t", "m");
	alarm(0);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line, setup, teardown),
		cmocka_unit_test_setup_teardown(values_cannot_forge, setup, teardown),
		cmocka_unit_test_setup_teardown(long_values_and_lines_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(a_noisy_site_is_silenced, setup, teardown),
		cmocka_unit_test_setup_teardown(levels, setup, teardown),
		cmocka_unit_test_setup_teardown(under_journald, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_pipe_loses_the_line, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stuck_pipe_does_not_stop_us, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stuck_socket_neither, setup, teardown),
	};

	return cmocka_run_group_tests_name("logger", tests, NULL, NULL);
}
