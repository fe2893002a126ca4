/*
 * Goal: the command line becomes the API's parameters, and a slip is told with what to do instead.
 * Method: tables of command lines, with the clock standing still in UTC; stderr read back.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "tools/cmd_args.h"

enum { WORDS_MAX = 40 };

static struct cmd_args args;
static char said[4096];
static char line_copy[4096];

/* Splits at spaces ('_' stands for a space within a word) and reads; the exit status or -1. */
static int read_line(const char *line)
{
	char *argv[WORDS_MAX] = { line_copy };
	int argc = 1, status, fd = memfd_create("stderr", 0), before = dup(2);
	ssize_t n;

	snprintf(line_copy, sizeof line_copy, "astroquery %s", line);
	strtok(line_copy, " ");
	while ((argv[argc] = strtok(NULL, " ")) != NULL) {
		for (char *p = argv[argc]; *p; p++)
			*p = *p == '~' ? ' ' : *p;
		assert_true(++argc < WORDS_MAX);
	}
	cmd_args_fini(&args);
	fflush(stderr);
	dup2(fd, 2);
	status = cmd_args_read(&args, argc, argv);
	fflush(stderr);
	dup2(before, 2);
	n = pread(fd, said, sizeof said - 1, 0);
	said[n < 0 ? 0 : n] = 0;
	close(fd);
	close(before);
	return status;
}

/* All parameters as "name=value&name=value". */
static void assert_params(const char *line, const char *want)
{
	char got[4096] = "";
	size_t n = 0;

	if (read_line(line) != -1)
		fail_msg("%s: %s", line, said);
	for (size_t i = 0; i < args.params_count; i++)
		n += (size_t)snprintf(got + n, sizeof got - n, "%s%s=%s", i ? "&" : "",
			args.params[i].name, args.params[i].value);
	assert_string_equal(got, want);
	assert_string_equal(said, "");
}

static void assert_usage(const char *line, const char *part)
{
	assert_int_equal(read_line(line), 2);
	if (!strstr(said, part))
		fail_msg("%s: \"%s\" lacks \"%s\"", line, said, part);
}

static int setup(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	unsetenv("ASTRO_ADDR");
	/* 2026-11-20T12:00:00Z */
	clock_fake(INT64_C(1795176000000000000), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	clock_real();
	cmd_args_fini(&args);
	return 0;
}

static void filters(void **state)
{
	(void)state;
	assert_params("", "");
	assert_params("event_type=ERROR", "event_type=ERROR");
	assert_params(
		"-t AUTH --type=PAYMENT -tX", "event_type=AUTH&event_type=PAYMENT&event_type=X");
	assert_params("-u anna user=bo user_id=", "user_id=anna&user_id=bo&user_id=");
	assert_params("severity=error level=3 service=a host=b id=7",
		"severity=error&severity=3&service=a&host=b&id=7");
	assert_params("description=a=b", "description=a=b");
	assert_params("-i 7 -i 8", "id=7&id=8");
}

/* What is in the language is one parameter, in its normal form. */
static void the_language(void **state)
{
	(void)state;
	assert_params("severity>=error", "q=severity>=error");
	assert_params("card declined", "q=description:card and description:declined");
	assert_params("service=a~or~host=b", "q=service=a or host=b");
	assert_params("service=a metadata.n>5", "service=a&q=metadata.n>5");
	assert_params("metadata.n=5 metadata.n=6 metadata.t=two~words",
		"q=metadata.n in (5, 6) and metadata.t=\"two words\"");
	assert_params("service=a or host=b", "q=service=a or host=b");
	assert_params("not service=a and ( host=b or host=two~words )",
		"q=service!=a and host in (b, \"two words\")");
	assert_params("(service=a or host=b) type=X", "q=event_type=X and (service=a or host=b)");
	/* By the letter, blanks and all. */
	assert_params("description=a=b", "description=a=b");
	assert_params("description=two~words", "description=two words");
	assert_params("description=this,~that", "description=this, that");
	assert_params("description=\"this~and~that\"", "q=description=\"this and that\"");
	assert_params("user_id=*", "q=user_id=*");
	assert_params("timestamp=@0~or~id=7", "q=id=7 or (timestamp>=1970-01-01T00:00:00Z and "
					      "timestamp<1970-01-01T00:00:01Z)");
}

static void slips_in_the_language_have_a_place(void **state)
{
	(void)state;
	assert_usage("severity>=~and~service=a", "\n  severity>= and service=a\n             ^\n");
	assert_usage("servise=a~or~host=b", "\n  servise=a or host=b\n  ^\n");
	assert_usage("servise=a", "service");
}

static void entities(void **state)
{
	(void)state;
	assert_params("--entity order/ORD-1", "entity_type=order&entity_id=ORD-1");
	assert_params("-e order/A -e order/B", "entity_type=order&entity_id=A&entity_id=B");
	assert_params("-e file//etc/passwd", "entity_type=file&entity_id=/etc/passwd");
	assert_params("-e ORD-1", "entity_id=ORD-1");
	assert_params("-e order/", "entity_type=order");
	assert_params("entity=order/A", "entity_type=order&entity_id=A");
	assert_usage("-e order/A -e user/B", "entities of two types");
	assert_usage("-e order/A -e B", "entities of two types");
	assert_usage("-e /", "write TYPE/ID");
}

static void priorities(void **state)
{
	(void)state;
	assert_params("-p err", "severity=0&severity=1&severity=2&severity=3");
	assert_params("-p 1", "severity=0&severity=1");
	assert_params("-p warning..error", "severity=3&severity=4");
	assert_params("-p 3..4", "severity=3&severity=4");
	assert_params("-p debug", "");
	assert_usage("-p awful", "'awful' is no severity");
	assert_usage("-p ..err", "is no severity");
	assert_usage("-p err severity=info", "not both");
}

static void words_are_searched_for(void **state)
{
	(void)state;
	assert_params("-g card~declined", "q=description:\"card declined\"");
	assert_params("-g a -t X -g b", "event_type=X&q=description:a and description:b");
	assert_params("-g event_type=X", "q=description:\"event_type=x\"");
	assert_params("-g a\"b\\c", "q=description:\"a\\\"b\\\\c\"");
	assert_params("-E a.*b", "q=description=~\"(?i)a.*b\"");
	assert_params("--regex ^A\\d+", "q=description=~\"^A\\\\d+\"");
	assert_usage("-g ", "wants a value");
	assert_usage("-E (", "regular expression");
}

static void times(void **state)
{
	(void)state;
	assert_params("-S -1h", "start_date=2026-11-20T11:00:00.000000000Z");
	assert_params("--since yesterday --until today",
		"start_date=2026-11-19T00:00:00.000000000Z&end_date=2026-11-20T00:00:00.000000000Z");
	assert_params("-U 2026-11-20", "end_date=2026-11-20T23:59:59.999999999Z");
	assert_params("-U 2026-11-20~14:00:05", "end_date=2026-11-20T14:00:05.999999999Z");
	assert_params("-S @1700000000", "start_date=2023-11-14T22:13:20.000000000Z");
	setenv("TZ", "XST-02", 1);
	tzset();
	assert_params("-S 2026-11-20", "start_date=2026-11-19T22:00:00.000000000Z");
	assert_params("-S 2026-11-20 --utc", "start_date=2026-11-20T00:00:00.000000000Z");
	setup(NULL);
	assert_usage("-S teatime", "--since: ");
	assert_usage("-U teatime", "--until: ");
	assert_usage("-S today -U yesterday", "later than --until");
}

static void numbers_of_lines(void **state)
{
	(void)state;
	assert_params("", "");
	assert_true(args.lines == CMD_ARGS_LINES_DEFAULT && !args.lines_given);
	assert_params("-n 20", "");
	assert_true(args.lines == 20 && args.lines_given && !args.oldest);
	assert_params("-n +20", "");
	assert_true(args.lines == 20 && args.oldest);
	assert_params("-n all", "");
	assert_true(args.lines == CMD_ARGS_ALL);
	assert_params("-n0", "");
	assert_true(args.lines == 0);
	assert_params("-f", "");
	assert_true(args.lines == CMD_ARGS_LINES_FOLLOW);
	assert_params("-f -n 3", "");
	assert_true(args.lines == 3);
	assert_params("-f -S @0", "start_date=1970-01-01T00:00:00.000000000Z");
	assert_true(args.lines == CMD_ARGS_ALL);
	assert_usage("-n -1", "'-1' is not allowed");
	assert_usage("-n +", "'+' is not allowed");
	assert_usage("-n 1x", "'1x' is not allowed");
	assert_usage("-n 99999999999999999999", "is not allowed");
}

static void where_from_and_how(void **state)
{
	(void)state;
	assert_params("-o csv --utc -q --no-pager --color never -r", "");
	assert_int_equal(args.format, SHOW_CSV);
	assert_true(args.utc && args.quiet && args.no_pager && args.reverse);
	assert_string_equal(args.colour, "never");
	assert_string_equal(args.addr, "http://127.0.0.1:9000");
	assert_null(args.dir);
	setenv("ASTRO_ADDR", "http://log:1", 1);
	assert_params("-D /data", "");
	assert_string_equal(args.dir, "/data");
	assert_params("", "");
	assert_string_equal(args.addr, "http://log:1");
	assert_params("-a other:2", "");
	assert_string_equal(args.addr, "other:2");
	unsetenv("ASTRO_ADDR");
	assert_usage("-o xml", "not one of short, short-iso");
	assert_usage("--color maybe", "not one of auto");
	assert_usage("-D /data -a x", "not both");
}

static void follow_has_no_end(void **state)
{
	(void)state;
	assert_usage("-f -r", "--reverse");
	assert_usage("-f -n +5", "+N");
	assert_usage("-f -U today", "--until");
}

static void slips_are_told(void **state)
{
	(void)state;
	assert_usage("event_typ=X", "did you mean event_type?");
	assert_usage("severity=awful", "severity");
	assert_usage("id=x", "id");
	assert_usage("timestamp=teatime", "timestamp");
	assert_usage("--sinse=today", "--since");
	assert_usage("-n", "wants a value");
}

static void commands(void **state)
{
	(void)state;
	assert_params("", "");
	assert_int_equal(args.cmd, CMD_SEARCH);
	assert_params("search stats", "q=description:stats");
	assert_int_equal(args.cmd, CMD_SEARCH);
	assert_params("stats service=a", "service=a");
	assert_int_equal(args.cmd, CMD_STATS);
	assert_params("-D /data -q tail", "");
	assert_int_equal(args.cmd, CMD_TAIL);
	assert_true(args.follow);
	assert_params("-D/data --tz UTC export", "");
	assert_int_equal(args.cmd, CMD_EXPORT);
	assert_true(args.by_arrival && args.lines == CMD_ARGS_ALL && args.format == SHOW_JSON);
	assert_params("top user_id,service -p 0", "severity=0");
	assert_string_equal(args.by, "user_id,service");
	assert_params("fields", "");
	assert_null(args.field);
	assert_params("fields metadata.code service=a", "service=a");
	assert_string_equal(args.field, "metadata.code");
	assert_params("--by service --top 5", "");
	assert_int_equal(args.cmd, CMD_STATS);
	assert_usage("top", "a field is wanted first");
	assert_usage("doctor here", "unexpected argument");
	assert_usage("stats -f", "unknown flag -f");
}

static void contradictions(void **state)
{
	(void)state;
	assert_usage("--by service -f", "are for showing them");
	assert_usage("--histogram -n 5", "are for showing them");
	assert_usage("-A 3 -f", "no context yet");
	assert_usage("--same-entity", "give -A, -B or -C");
	assert_usage("-C 3 --after-cursor i=3", "no context");
	assert_usage("-r --cursor-file f", "--reverse cannot");
	assert_usage("--after-cursor i=3 --cursor-file f", "not both");
	assert_usage("--after-cursor 3", "is no cursor");
	assert_usage("-o short --fields id", "--fields is for");
	assert_usage("stats -o verbose", "numbers are shown as");
	assert_usage("--utc --tz UTC", "not both");
	assert_usage("--tz Mars/Base", "no time zone");
	assert_usage("--fields id,nam", "is no field");
}

static void places(void **state)
{
	(void)state;
	assert_params("--after-cursor i=7", "");
	assert_true(args.by_arrival && args.after_id == 7 && args.lines == CMD_ARGS_ALL);
	assert_params("--cursor-file f -n 5", "");
	assert_true(args.by_arrival && args.lines == 5);
	assert_params("-C 3", "");
	assert_true(args.before == 3 && args.after == 3);
	assert_params("--fields id,metadata.a", "");
	assert_int_equal(args.format, SHOW_TABLE);
	assert_params("--fields id -o json", "");
	assert_int_equal(args.format, SHOW_JSON);
}

static void zones(void **state)
{
	(void)state;
	assert_params("--tz XST-02 -S 2026-11-20", "start_date=2026-11-19T22:00:00.000000000Z");
	setup(NULL);
	assert_params(
		"--tz Europe/Berlin -S 2026-11-20", "start_date=2026-11-19T23:00:00.000000000Z");
	assert_params("timestamp>=\"2026-11-20~00:00\"", "q=timestamp>=2026-11-19T23:00:00Z");
	setup(NULL);
}

static void too_many_words_are_refused(void **state)
{
	char *argv[CMD_ARGS_PARAMS_MAX + 3];
	int argc = 0, before = dup(2);

	(void)state;
	argv[argc++] = line_copy;
	while (argc < CMD_ARGS_PARAMS_MAX + 2)
		argv[argc++] = strcpy(said, "host=x");
	argv[argc] = NULL;
	cmd_args_fini(&args);
	assert_non_null(freopen("/dev/null", "w", stderr));
	assert_int_equal(cmd_args_read(&args, argc, argv), 2);
	dup2(before, 2);
	close(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters),
		cmocka_unit_test(the_language),
		cmocka_unit_test(slips_in_the_language_have_a_place),
		cmocka_unit_test(entities),
		cmocka_unit_test(priorities),
		cmocka_unit_test(words_are_searched_for),
		cmocka_unit_test(times),
		cmocka_unit_test(numbers_of_lines),
		cmocka_unit_test(where_from_and_how),
		cmocka_unit_test(follow_has_no_end),
		cmocka_unit_test(slips_are_told),
		cmocka_unit_test(commands),
		cmocka_unit_test(contradictions),
		cmocka_unit_test(places),
		cmocka_unit_test(zones),
		cmocka_unit_test(too_many_words_are_refused),
	};

	return cmocka_run_group_tests_name("cmd_args", tests, setup, teardown);
}
