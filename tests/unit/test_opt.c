/* Goal: flags are taken in every usual form, and a wrong one is told in the words it was written in. */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/svc/opt.h"
#include "proto/svc/version.h"

static bool follow, quiet;
static const char *text;
static int64_t count;
static char given[64];
static struct conf conf;

static int add_type(void *to, const char *value, struct diag *d)
{
	if (strcmp(value, "bad") == 0)
		return diag_set(d, ERR_SYNTAX, "", -1, "'%s' is not allowed: write a type", value);
	strncat(to, value, sizeof given - strlen(to) - 1);
	return 0;
}

static const struct opt opts[] = {
	{ "follow", 'f', NULL, "wait for more", OPT_FLAG, .to = &follow },
	{ "quiet", 'q', NULL, "say nothing", OPT_FLAG, .to = &quiet },
	{ "grep", 'g', "TEXT", "contained in the description", OPT_TEXT, .to = &text },
	{ "lines", 'n', "N", "how many", OPT_INT, .to = &count, .min = 0, .max = 1000 },
	{ "type", 't', "TYPE", "event type, may be given again", OPT_CALL, .to = given,
		.call = add_type },
	{ "data", 'D', "DIR",
		"directory of the event store, which may well be a long story "
		"that needs another line",
		OPT_CONF, .key = CONF_STORE_DATA },
};

static const struct opt_program program = {
	.name = "prog",
	.operands = "[FIELD=VALUE]...",
	.about = "Does what it does.",
	.more = "Examples:\n  prog -n 5\n",
	.opts = opts,
	.opts_count = ARRAY_COUNT(opts),
	.conf = &conf,
};

static int setup(void **state)
{
	(void)state;
	follow = quiet = false;
	text = NULL;
	count = -1;
	given[0] = 0;
	return conf_init(&conf);
}

static int teardown(void **state)
{
	(void)state;
	conf_fini(&conf);
	return 0;
}

/* Parses words between spaces; '_' stands for a space within one. */
static int parse(const char *line, int *first, struct diag *d)
{
	static char words[256]; /* texts of flags point into it */
	static char *argv[32];
	char *save = NULL;
	int argc = 0;

	snprintf(words, sizeof words, "prog %s", line);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		for (char *p = strchr(w, '_'); p; p = strchr(p, '_'))
			*p = ' ';
		argv[argc++] = w;
	}
	argv[argc] = NULL;
	return opt_parse(&program, argc, argv, first, d);
}

static void all_forms(void **state)
{
	struct diag d;
	int first = 0;

	(void)state;
	assert_int_equal(
		parse("-f --grep a_b --lines=7 -tA -t B --type=C --data /x", &first, &d), 0);
	assert_int_equal(first, 11);
	assert_true(follow);
	assert_false(quiet);
	assert_string_equal(text, "a b");
	assert_int_equal(count, 7);
	assert_string_equal(given, "ABC");
	assert_string_equal(conf_text(&conf, CONF_STORE_DATA), "/x");
	assert_int_equal(parse("-qfn3", &first, &d), 0);
	assert_true(quiet);
	assert_int_equal(count, 3);
	assert_int_equal(parse("--grep=", &first, &d), 0);
	assert_string_equal(text, "");
	assert_int_equal(parse("--grep --lines", &first, &d), 0);
	assert_string_equal(text, "--lines");
}

static void operands_stand_anywhere(void **state)
{
	char all[][5] = { "prog", "a=1", "-f", "b=2", "-n", "5", "-", "--", "-q", "--" };
	char *argv[11] = { NULL };
	struct diag d;
	int first = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(all); i++)
		argv[i] = all[i];
	assert_int_equal(opt_parse(&program, 10, argv, &first, &d), 0);
	assert_true(follow);
	assert_false(quiet);
	assert_int_equal(count, 5);
	assert_int_equal(first, 5);
	assert_string_equal(argv[5], "a=1");
	assert_string_equal(argv[6], "b=2");
	assert_string_equal(argv[7], "-");
	assert_string_equal(argv[8], "-q");
	assert_string_equal(argv[9], "--");
}

static void told(int rc, const struct diag *d, const char *want)
{
	assert_true(rc < 0);
	if (!strstr(d->text, want))
		fail_msg("told: %s", d->text);
}

static void mistakes(void **state)
{
	struct diag d;
	int first = 42;

	(void)state;
	told(parse("--flolow", &first, &d), &d, "unknown flag --flolow; did you mean --follow?");
	told(parse("--lins=5", &first, &d), &d, "unknown flag --lins; did you mean --lines?");
	told(parse("--vrsion", &first, &d), &d, "did you mean --version?");
	told(parse("--abcdefghij", &first, &d), &d, "unknown flag --abcdefghij");
	told(parse("-fz", &first, &d), &d, "unknown flag -z");
	told(parse("--follow=yes", &first, &d), &d, "--follow takes no value");
	told(parse("-n", &first, &d), &d, "-n wants a value: -n N");
	told(parse("--lines", &first, &d), &d, "--lines wants a value: --lines N");
	told(parse("-n1001", &first, &d), &d,
		"-n: '1001' is not allowed: write a whole number from 0 to 1000");
	told(parse("--lines=x", &first, &d), &d, "--lines: 'x' is not allowed");
	told(parse("--type=bad", &first, &d), &d, "--type: 'bad' is not allowed: write a type");
	told(parse("--data=", &first, &d), &d, "--data: '' is not allowed: write a path");
	assert_int_equal(first, 42);
	assert_int_equal(parse("--nope", &first, NULL), ERR_SYNTAX);
}

static void operands_may_be_unwanted(void **state)
{
	struct opt_program p = program;
	char name[] = "prog", operand[] = "x";
	char *argv[] = { name, operand, NULL };
	struct diag d;
	int first = 0;

	(void)state;
	p.operands = "";
	told(opt_parse(&p, 2, argv, &first, &d), &d, "unexpected argument 'x'");
}

static void help_and_version(void **state)
{
	char page[4096] = "";
	FILE *to = fmemopen(page, sizeof page, "w");
	struct diag d;
	int first;

	(void)state;
	assert_int_equal(parse("-h", &first, &d), OPT_HELP);
	assert_int_equal(parse("-fh", &first, &d), OPT_HELP);
	assert_int_equal(parse("--help", &first, &d), OPT_HELP);
	assert_int_equal(parse("--version", &first, &d), OPT_VERSION);
	assert_non_null(to);
	opt_print_help(&program, to);
	opt_print_version(&program, to);
	fclose(to);
	assert_ptr_equal(
		strstr(page, "usage: prog [FLAG]... [FIELD=VALUE]...\n\nDoes what it does.\n"),
		page);
	assert_non_null(strstr(page, "\n  -f, --follow                wait for more\n"));
	assert_non_null(strstr(page, "\n  -n, --lines N               how many\n"));
	assert_non_null(strstr(page, "\n  -h, --help                  this text\n"));
	assert_non_null(strstr(page, "\nExamples:\n  prog -n 5\n"));
	assert_non_null(strstr(page, "\nprog (Astrolabe) "));
	assert_non_null(strstr(page, version_text));
	for (const char *line = page; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(operands_stand_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(mistakes, setup, teardown),
		cmocka_unit_test_setup_teardown(operands_may_be_unwanted, setup, teardown),
		cmocka_unit_test_setup_teardown(help_and_version, setup, teardown),
	};

	return cmocka_run_group_tests_name("opt", tests, NULL, NULL);
}
