/* Goal: every source of configuration is read with its rank, and every mistake names its place. */
#include "tests/support/check_cmocka.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/svc/conf.h"
#include "proto/svc/logger.h"

static char path[] = "/tmp/test_conf.XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	unsetenv("ASTRO_CONFIG");
	return fd < 0 ? -1 : close(fd);
}

static int drop_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_file(const char *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* Loads a file of that text into c; the problems as one string, valid until the next call. */
static const char *load(struct conf *c, const char *text, int want_rc)
{
	static char told[8192];
	struct buf b;
	int rc;

	buf_init(&b, sizeof told - 1);
	write_file(text, strlen(text));
	rc = conf_load(c, path, &b);
	snprintf(told, sizeof told, "%.*s", (int)b.len, b.p ? (char *)b.p : "");
	buf_fini(&b);
	if (rc != want_rc)
		fail_msg("returned %d, told: %s", rc, told);
	return told;
}

static void defaults_need_no_file(void **state)
{
	struct conf_addr a;
	struct conf c;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(conf_load(&c, "", &b), 0);
	assert_int_equal(b.len, 0);
	assert_string_equal(conf_text(&c, CONF_STORE_DATA), "/var/lib/astrolabe");
	assert_int_equal(conf_num(&c, CONF_STORE_SEAL_BYTES), 64 << 20);
	assert_int_equal(conf_num(&c, CONF_STORE_SEAL_AGE), 600 * CLOCK_NS_PER_SEC);
	assert_int_equal(conf_num(&c, CONF_FORWARD_UNIX_MODE), 0660);
	assert_int_equal(conf_num(&c, CONF_LOG_LEVEL), LOGGER_INFO);
	assert_true(conf_bool(&c, CONF_FORWARD_ENABLED));
	assert_true(conf_addr(&c, CONF_FORWARD_LISTEN, &a));
	assert_string_equal(a.host, "127.0.0.1");
	assert_int_equal(a.port, 24224);
	conf_fini(&c);
	buf_fini(&b);
}

static void a_file_is_read(void **state)
{
	struct conf c;

	(void)state;
	assert_int_equal(conf_init(&c), 0);
	load(&c,
		"# a comment\n; another\n\n[store]\r\ndata = /srv/a b\n  node=7\t; why\n"
		"[log]\nlevel = debug\n[forward]\nlisten =\nenabled = Off\n[retention]\nkeep = 90d\n"
		"size_max = 20GiB",
		0);
	assert_string_equal(conf_text(&c, CONF_STORE_DATA), "/srv/a b");
	assert_int_equal(conf_num(&c, CONF_STORE_NODE), 7);
	assert_int_equal(conf_num(&c, CONF_LOG_LEVEL), LOGGER_DEBUG);
	assert_false(conf_bool(&c, CONF_FORWARD_ENABLED));
	assert_false(conf_addr(&c, CONF_FORWARD_LISTEN, &(struct conf_addr){ .port = 0 }));
	assert_int_equal(conf_num(&c, CONF_RETENTION_KEEP), 90 * 86400 * CLOCK_NS_PER_SEC);
	assert_int_equal(conf_num(&c, CONF_RETENTION_SIZE_MAX), INT64_C(20) << 30);
	conf_fini(&c);
}

static void flag_beats_env_beats_file(void **state)
{
	struct conf c;

	(void)state;
	setenv("ASTRO_STORE_NODE", "2", 1);
	setenv("ASTRO_LOG_LEVEL", "error", 1);
	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(conf_set(&c, CONF_STORE_NODE, "3", CONF_FROM_FLAG, NULL), 0);
	load(&c, "[store]\nnode = 1\nseal_rows = 9\n[log]\nlevel = debug\n", 0);
	assert_int_equal(conf_num(&c, CONF_STORE_NODE), 3);
	assert_int_equal(conf_num(&c, CONF_LOG_LEVEL), LOGGER_ERROR);
	assert_int_equal(conf_num(&c, CONF_STORE_SEAL_ROWS), 9);
	conf_fini(&c);
	unsetenv("ASTRO_STORE_NODE");
	unsetenv("ASTRO_LOG_LEVEL");
}

static void mistakes_of_a_file_name_line_and_remedy(void **state)
{
	static const struct {
		const char *text, *told;
		int rc;
	} cases[] = {
		{ "[store]\n\ndaat = /x\n",
			":3: unknown key 'daat' in [store]; did you mean 'data'?", ERR_UNKNOWN },
		{ "[stoer]\ndata = /x\n", ":2: unknown section [stoer]; did you mean 'store'?",
			ERR_UNKNOWN },
		{ "[store]\nlevel = info\n",
			":2: unknown key 'level' in [store]; it belongs to [log]", ERR_UNKNOWN },
		{ "[store]\nzzzzzzz = info\n", ":2: unknown key 'zzzzzzz' in [store]\n",
			ERR_UNKNOWN },
		{ "data = /x\n", ":1: a key before any [section]", ERR_UNKNOWN },
		{ "[store]\nnode = 1\nnode = 2\n",
			":3: [store] node is given twice, first in line 2", ERR_SYNTAX },
		{ "[store]\nnode\n", ":2: write [section], key = value, or a comment", ERR_SYNTAX },
		{ "[store]\nnode = 65536\n",
			":2: [store] node: '65536' is not allowed: write a whole number, from 0 to "
			"65535",
			ERR_RANGE },
		{ "[store]\nseal_bytes = 1x\n",
			"write bytes, like 65536, 64k, 512M or 2G, from 64k to 4G", ERR_SYNTAX },
		{ "[store]\nseal_age = 10\n",
			"write a time, like 90s, 15min, 12h or 7d, from 1s to 7d", ERR_SYNTAX },
		{ "[store]\ndata =\n", "write a path of 1 to 4000 bytes", ERR_RANGE },
		{ "[forward]\nunix_mode = 888\n",
			"an octal file mode, like 0660, from 0000 to 0777", ERR_SYNTAX },
		{ "[forward]\nenabled = maybe\n", "write yes or no", ERR_SYNTAX },
		{ "[log]\nlevel = loud\n", "write error, warning, notice, info or debug",
			ERR_SYNTAX },
		{ "[query]\nhttp = 9000\n", "write HOST:PORT", ERR_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct conf c;
		const char *told;

		assert_int_equal(conf_init(&c), 0);
		told = load(&c, cases[i].text, cases[i].rc);
		if (strncmp(told, path, strlen(path)) != 0 || !strstr(told, cases[i].told))
			fail_msg("told: %s", told);
		conf_fini(&c);
	}
}

static void every_mistake_is_told_and_the_rest_applied(void **state)
{
	struct conf c;
	const char *told;

	(void)state;
	assert_int_equal(conf_init(&c), 0);
	told = load(&c, "[store]\nnode = x\nseal_rows = y\nseal_age = 5s\n", ERR_SYNTAX);
	assert_non_null(strstr(told, ":2: "));
	assert_non_null(strstr(told, ":3: "));
	assert_int_equal(conf_num(&c, CONF_STORE_SEAL_AGE), 5 * CLOCK_NS_PER_SEC);
	assert_int_equal(conf_num(&c, CONF_STORE_NODE), 0);
	conf_fini(&c);
}

/* A line that inih would cut, a NUL that would hide the rest, a file without an end. */
static void what_inih_would_misread_is_refused(void **state)
{
	static const char nul[] = "[store]\nnode = 1\0 2\n";
	char *big = test_calloc(1, (1 << 20) + 100);
	char line[400] = "[store]\ndata = /";
	struct conf c;
	struct buf b;

	(void)state;
	assert_int_equal(conf_init(&c), 0);
	memset(line + strlen(line), 'x', 300);
	strcat(line, "\nnode = 4\n");
	assert_non_null(strstr(load(&c, line, ERR_SYNTAX), ":2: longer than 190 bytes"));
	assert_int_equal(conf_num(&c, CONF_STORE_NODE), 4);
	assert_string_equal(conf_text(&c, CONF_STORE_DATA), "/var/lib/astrolabe");

	buf_init(&b, 4096);
	write_file(nul, sizeof nul - 1);
	assert_int_equal(conf_load(&c, path, &b), ERR_SYNTAX);
	assert_non_null(memmem(b.p, b.len, ":2: a NUL byte", 14));
	buf_fini(&b);

	memset(big, '\n', (1 << 20) + 50);
	assert_non_null(strstr(load(&c, big, ERR_SYNTAX), "larger than 1 MiB"));
	test_free(big);
	conf_fini(&c);
}

static void files_that_cannot_be_read(void **state)
{
	struct conf c;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(conf_load(&c, "/nonexistent/astrolabe.conf", &b), -2 /* ENOENT */);
	assert_non_null(memmem(b.p, b.len, "/nonexistent/astrolabe.conf: cannot be opened", 45));
	buf_reset(&b);
	assert_true(conf_load(&c, "/tmp", &b) < 0);
	assert_non_null(memmem(b.p, b.len, "cannot be read", 14));
	buf_reset(&b);
	setenv("ASTRO_CONFIG", "/nonexistent/astrolabe.conf", 1);
	assert_true(conf_load(&c, NULL, &b) < 0);
	assert_int_equal(conf_load(&c, "", &b), 0);
	unsetenv("ASTRO_CONFIG");
	conf_fini(&c);
	buf_fini(&b);
}

static void mistakes_of_the_environment(void **state)
{
	struct conf c;
	const char *told;

	(void)state;
	assert_int_equal(conf_init(&c), 0);
	setenv("ASTRO_STORE_DAAT", "/x", 1);
	setenv("ASTRO_ADDR", "not a section of ours", 1);
	told = load(&c, "", ERR_UNKNOWN);
	assert_non_null(strstr(told, "environment: ASTRO_STORE_DAAT: no such configuration key; "
				     "did you mean 'ASTRO_STORE_DATA'?"));
	assert_null(strstr(told, "ASTRO_ADDR"));
	unsetenv("ASTRO_STORE_DAAT");
	setenv("ASTRO_STORE_NODE", "many", 1);
	told = load(&c, "", ERR_SYNTAX);
	assert_non_null(strstr(told, "environment: ASTRO_STORE_NODE: 'many' is not allowed"));
	unsetenv("ASTRO_STORE_NODE");
	unsetenv("ASTRO_ADDR");
	conf_fini(&c);
}

static int seen[CONF_CHANGED_RULES + 1];

static void on_changed(void *arg, int key, bool applied)
{
	(void)arg;
	seen[key] = applied ? 1 : -1;
}

static void reload_takes_what_may_be_taken(void **state)
{
	struct conf c;
	struct buf b;
	static const char later[] =
		"[log]\nlevel = debug\n[store]\nnode = 5\n[query]\ntime_max=1s\n";

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(conf_set(&c, CONF_QUERY_TIME_MAX, "2s", CONF_FROM_FLAG, NULL), 0);
	load(&c, "[log]\nlevel = error\n", 0);
	write_file(later, sizeof later - 1);
	memset(seen, 0, sizeof seen);
	assert_int_equal(conf_reload(&c, on_changed, NULL, &b), 0);
	assert_int_equal(conf_num(&c, CONF_LOG_LEVEL), LOGGER_DEBUG);
	assert_int_equal(conf_num(&c, CONF_STORE_NODE), 0);
	assert_int_equal(conf_num(&c, CONF_QUERY_TIME_MAX), 2 * CLOCK_NS_PER_SEC);
	assert_int_equal(seen[CONF_LOG_LEVEL], 1);
	assert_int_equal(seen[CONF_STORE_NODE], -1);
	assert_int_equal(seen[CONF_QUERY_TIME_MAX], 0);

	write_file("[log]\nlevel = loud\n", 19);
	assert_int_equal(conf_reload(&c, on_changed, NULL, &b), ERR_SYNTAX);
	assert_int_equal(conf_num(&c, CONF_LOG_LEVEL), LOGGER_DEBUG);
	conf_fini(&c);
	buf_fini(&b);
}

static void what_is_printed_can_be_read_again(void **state)
{
	struct conf c, again;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 16);
	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(conf_set(&c, CONF_STORE_NODE, "12", CONF_FROM_FLAG, NULL), 0);
	conf_print(&c, &b);
	assert_int_equal(b.err, 0);
	buf_put_u8(&b, 0);
	assert_non_null(strstr((char *)b.p, "node = 12\t; flag\n"));
	assert_int_equal(conf_init(&again), 0);
	load(&again, (char *)b.p, 0);
	for (int k = 0; k < CONF_KEY_COUNT; k++)
		assert_string_equal(conf_text(&c, k), conf_text(&again, k));
	conf_fini(&c);
	conf_fini(&again);
	buf_fini(&b);
}

/* ---- rules ---- */

static const char privacy[] = "[rule a-1]\nmatch = service = shop\nmatch = user_id = root\n"
			      "mask = email, card\nmask_pattern = \\d+\n[store]\nnode = 3\n"
			      "[rule b_2]\ndrop = yes\n[rule a-1]\nmask_with =\n";

static void rules_are_read(void **state)
{
	const struct conf_rule *a;
	struct conf c, again;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 16);
	conf_init(&c);
	conf_init(&again);
	load(&c, privacy, 0);
	assert_int_equal(c.rules.count, 2);
	assert_string_equal(c.rules.file, path);
	a = &c.rules.list[0];
	assert_string_equal(a->name, "a-1");
	assert_int_equal(a->lines_count, 5);
	assert_int_equal(a->lines[1].key, CONF_RULE_MATCH);
	assert_string_equal(a->lines[1].text, "user_id = root");
	assert_int_equal(a->lines[1].line, 3);
	assert_string_equal(a->lines[3].text, "\\d+");
	assert_string_equal(a->lines[4].text, "");
	assert_string_equal(c.rules.list[1].name, "b_2");
	conf_rule_print(&c.rules, &b);
	buf_put_u8(&b, 0);
	load(&again, (const char *)b.p, 0);
	assert_true(conf_rule_equal(&c.rules, &again.rules));
	buf_fini(&b);
	conf_fini(&again);
	conf_fini(&c);
}

static void mistakes_in_rules(void **state)
{
	static const struct {
		const char *text, *told;
		int rc;
	} bad[] = {
		{ "[rule]\ndrop = yes\n", ":2: [rule] drop: the name of a rule is 1 to 31 of",
			ERR_SYNTAX },
		{ "[rule A]\ndrop = yes\n", ":2: [rule A] drop: the name of a rule", ERR_SYNTAX },
		{ "[rule a]\nmask_wiht = email\n",
			":2: [rule a] mask_wiht: no such key of a rule; did you mean 'mask_with'?",
			ERR_UNKNOWN },
		{ "[rule a]\nbeautify = 1\n", "no such key of a rule: match, drop", ERR_UNKNOWN },
		{ "[rule a]\ndrop = yes\ndrop = yes\n",
			":3: [rule a] drop: given twice, first in line 2", ERR_SYNTAX },
		{ "[ruler a]\ndrop = yes\n", "unknown section [ruler a]", ERR_UNKNOWN },
	};
	struct conf c;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		const char *told;

		conf_init(&c);
		told = load(&c, bad[i].text, bad[i].rc);
		if (!strstr(told, bad[i].told))
			fail_msg("told: %s\nnot:  %s", told, bad[i].told);
		conf_fini(&c);
	}
}

static void rules_have_limits(void **state)
{
	struct conf c;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 16);
	for (int i = 0; i <= LIMIT_RULES; i++)
		buf_printf(&b, "[rule r%d]\ndrop = yes\n", i);
	buf_put_u8(&b, 0);
	conf_init(&c);
	assert_non_null(strstr(load(&c, (char *)b.p, ERR_LIMIT), "there are more than 64 rules"));
	b.len = 0;
	buf_put_str(&b, "[rule a]\n");
	for (int i = 0; i <= LIMIT_RULE_LINES; i++)
		buf_put_str(&b, "match = user_id = a\n");
	buf_put_u8(&b, 0);
	assert_non_null(strstr(
		load(&c, (char *)b.p, ERR_LIMIT), ":66: [rule a] match: a rule has at most 64"));
	conf_fini(&c);
	buf_fini(&b);
}

/* Of a section of that kind and name. */
static int load_named(const char *kind, size_t name_bytes, const char *line)
{
	char text[200];
	struct conf c;
	struct buf told;
	int rc, n = snprintf(text, sizeof text, "[%s ", kind);

	memset(text + n, 'a', name_bytes);
	n += (int)name_bytes;
	snprintf(text + n, sizeof text - (size_t)n, "]\n%s\n", line);
	write_file(text, strlen(text));
	buf_init(&told, 4096);
	conf_init(&c);
	rc = conf_load(&c, path, &told);
	buf_fini(&told);
	conf_fini(&c);
	return rc;
}

static void names_have_a_limit(void **state)
{
	(void)state;
	assert_int_equal(load_named("rule", LIMIT_RULE_NAME_BYTES - 1, "drop = yes"), 0);
	assert_int_equal(load_named("rule", LIMIT_RULE_NAME_BYTES, "drop = yes"), ERR_SYNTAX);
	assert_int_equal(load_named("class", LIMIT_CLASS_BYTES - 1, "keep = 1d"), 0);
	assert_int_equal(load_named("class", LIMIT_CLASS_BYTES, "keep = 1d"), ERR_SYNTAX);
}

/* What programs do without a configuration, they do with one that says nothing. */
static void defaults_are_limits(void **state)
{
	static const struct {
		enum conf_key key;
		int64_t num;
	} rows[] = {
		{ CONF_STORE_SEAL_ROWS, LIMIT_SEAL_ROWS },
		{ CONF_STORE_SEAL_BYTES, LIMIT_SEAL_BYTES },
		{ CONF_STORE_JOURNAL_FILE_BYTES, LIMIT_JOURNAL_FILE_BYTES },
		{ CONF_QUERY_HEADER_TIMEOUT, LIMIT_HTTP_HEAD_MS * CLOCK_NS_PER_MS },
		{ CONF_QUERY_IDLE_TIMEOUT, LIMIT_HTTP_IDLE_MS * CLOCK_NS_PER_MS },
	};
	struct conf c;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(conf_init(&c), 0);
	assert_int_equal(conf_load(&c, "", &b), 0);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		assert_int_equal(conf_num(&c, rows[i].key), rows[i].num);
	conf_fini(&c);
	buf_fini(&b);
}

static int no_drops(const struct conf *c, struct buf *problems)
{
	for (size_t i = 0; i < c->rules.count; i++) {
		if (c->rules.list[i].lines[0].key != CONF_RULE_DROP)
			continue;
		buf_printf(problems, "%s: nothing is dropped here\n", c->rules.list[i].name);
		return ERR_RANGE;
	}
	return 0;
}

/* What the program finds wrong is a mistake as any other: nothing of the file is taken. */
static void rules_are_reread(void **state)
{
	static const char bad[] = "[rule a]\ndrop = yes\n[log]\nlevel = debug\n";
	static const char good[] = "[rule b]\nservice = x\n";
	struct conf c;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	conf_init(&c);
	c.check = no_drops;
	load(&c, "[rule a]\nservice = x\n[log]\nlevel = error\n", 0);
	write_file(bad, sizeof bad - 1);
	memset(seen, 0, sizeof seen);
	assert_int_equal(conf_reload(&c, on_changed, NULL, &b), ERR_RANGE);
	buf_put_u8(&b, 0);
	assert_string_equal((char *)b.p, "a: nothing is dropped here\n");
	assert_int_equal(seen[CONF_CHANGED_RULES], 0);
	assert_int_equal(conf_num(&c, CONF_LOG_LEVEL), LOGGER_ERROR);
	assert_int_equal(c.rules.list[0].lines[0].key, CONF_RULE_SERVICE);
	write_file(good, sizeof good - 1);
	assert_int_equal(conf_reload(&c, on_changed, NULL, &b), 0);
	assert_int_equal(seen[CONF_CHANGED_RULES], 1);
	assert_string_equal(c.rules.list[0].name, "b");
	memset(seen, 0, sizeof seen);
	assert_int_equal(conf_reload(&c, on_changed, NULL, &b), 0);
	assert_int_equal(seen[CONF_CHANGED_RULES], 0);
	conf_fini(&c);
	buf_fini(&b);
}

static void addresses(void **state)
{
	static const struct {
		const char *text, *host;
		int port, rc;
	} cases[] = {
		{ "127.0.0.1:9000", "127.0.0.1", 9000, 0 },
		{ "localhost:0", "localhost", 0, 0 },
		{ "[::1]:65535", "::1", 65535, 0 },
		{ "::1:9000", "", 0, ERR_SYNTAX },
		{ ":9000", "", 0, ERR_SYNTAX },
		{ "9000", "", 0, ERR_SYNTAX },
		{ "h:", "", 0, ERR_SYNTAX },
		{ "h:-1", "", 0, ERR_SYNTAX },
		{ "h:1x", "", 0, ERR_SYNTAX },
		{ "h:65536", "", 0, ERR_RANGE },
		{ "[]:1", "", 0, ERR_SYNTAX },
		{ "a b:1", "", 0, ERR_SYNTAX },
		{ "http://h:1", "", 0, ERR_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct conf_addr a = { .host = "" };

		assert_int_equal(conf_value_addr(cases[i].text, &a), cases[i].rc);
		assert_string_equal(a.host, cases[i].host);
		assert_int_equal(a.port, cases[i].port);
	}
}

static void numbers(void **state)
{
	int64_t v = 0;

	(void)state;
	assert_int_equal(conf_value_int("-12", &v), 0);
	assert_int_equal(v, -12);
	assert_int_equal(conf_value_int("9223372036854775807", &v), 0);
	assert_int_equal(conf_value_int("9223372036854775808", &v), ERR_RANGE);
	assert_int_equal(conf_value_int("", &v), ERR_SYNTAX);
	assert_int_equal(conf_value_int("-", &v), ERR_SYNTAX);
	assert_int_equal(conf_value_int("1 ", &v), ERR_SYNTAX);
	assert_int_equal(conf_value_bytes("64k", &v), 0);
	assert_int_equal(v, 65536);
	assert_int_equal(conf_value_bytes("1T", &v), 0);
	assert_int_equal(v, INT64_C(1) << 40);
	assert_int_equal(conf_value_bytes("9000000T", &v), ERR_RANGE);
	assert_int_equal(conf_value_bytes("1kb", &v), ERR_SYNTAX);
	assert_int_equal(conf_value_bytes("-1", &v), ERR_SYNTAX);
}

static void space(void **state)
{
	const struct conf_entry e = { .type = CONF_SPACE, .min = -90, .max = INT64_MAX };
	struct diag d;
	int64_t v = 0;

	(void)state;
	assert_int_equal(conf_value_parse(&e, "5%", &v, &d), 0);
	assert_int_equal(v, -5);
	assert_int_equal(conf_value_parse(&e, "512M", &v, &d), 0);
	assert_int_equal(v, 512 << 20);
	assert_int_equal(conf_value_parse(&e, "0%", &v, &d), 0);
	assert_int_equal(v, 0);
	assert_int_equal(conf_value_parse(&e, "91%", &v, &d), ERR_RANGE);
	assert_int_equal(conf_value_parse(&e, "-5%", &v, &d), ERR_SYNTAX);
	assert_int_equal(conf_value_parse(&e, "-5", &v, &d), ERR_SYNTAX);
	assert_int_equal(conf_value_parse(&e, "%", &v, &d), ERR_SYNTAX);
	assert_int_equal(conf_value_parse(&e, "5%%", &v, &d), ERR_SYNTAX);
	assert_string_equal(d.text,
		"'5%%' is not allowed: write bytes, like 512M or 2G, or up to 90% of the disk, like "
		"5%");
}

static void closest_word(void **state)
{
	static const char *const words[] = { "seal_rows", "seal_bytes", "data", "node" };

	(void)state;
	assert_string_equal(conf_closest("seal_row", words, 4), "seal_rows");
	assert_string_equal(conf_closest("sealbytes", words, 4), "seal_bytes");
	assert_string_equal(conf_closest("dta", words, 4), "data");
	assert_null(conf_closest("compression", words, 4));
	assert_null(conf_closest("x", words, 0));
}

/* ---- classes ---- */

static void classes_are_read(void **state)
{
	const struct conf_class *a;
	struct conf c;
	struct buf b;

	(void)state;
	conf_init(&c);
	load(&c,
		"[class audit]\nmatch = event_type in (AUTH, PAYMENT)\nkeep = 365d\n"
		"max_bytes = 20G\nhold = yes\npriority = 80\nmatch = user_id = root\n"
		"[store]\nnode = 3\n[class default]\nkeep = 0\n[class  b-1_x]\n"
		"hold = until 2027-12-31\n",
		0);
	assert_int_equal(c.classes.count, 3);
	a = conf_class_find(&c.classes, "audit");
	assert_ptr_equal(a, &c.classes.list[0]);
	assert_int_equal(a->matches_count, 2);
	assert_string_equal(a->matches[1].text, "user_id = root");
	assert_int_equal(a->matches[1].line, 7);
	assert_int_equal(a->keep_ns, INT64_C(365) * 86400 * CLOCK_NS_PER_SEC);
	assert_int_equal(a->bytes_max, INT64_C(20) << 30);
	assert_true(a->hold_until_ns == INT64_MAX);
	assert_int_equal(a->priority, 80);
	assert_int_equal(c.classes.list[1].keep_ns, 0);
	assert_int_equal(c.classes.list[1].priority, CONF_CLASS_PRIORITY);
	assert_string_equal(c.classes.list[2].name, "b-1_x");
	assert_int_equal(conf_num(&c, CONF_STORE_NODE), 3);
	buf_init(&b, 1 << 16);
	conf_class_print(&c.classes, &b);
	buf_put_u8(&b, 0);
	conf_fini(&c);
	conf_init(&c);
	/* What is printed reads the same. */
	load(&c, (const char *)b.p, 0);
	b.len = 0;
	conf_class_print(&c.classes, &b);
	buf_put_u8(&b, 0);
	assert_non_null(strstr((const char *)b.p, "hold = until 2027-12-31T23:59:59.999999999Z\n"));
	assert_non_null(strstr((const char *)b.p, "keep = 31536000s\n"));
	buf_fini(&b);
	conf_fini(&c);
}

static void mistakes_in_classes(void **state)
{
	static const struct {
		const char *text, *told;
		int rc;
	} bad[] = {
		{ "[class]\nkeep = 1d\n", ":2: [class] keep: the name of a class is 1 to 15 of",
			ERR_SYNTAX },
		{ "[class Audit]\nkeep = 1d\n", ":2: [class Audit] keep: the name of a class",
			ERR_SYNTAX },
		{ "[class a/../b]\nkeep = 1d\n", ": the name of a class is", ERR_SYNTAX },
		{ "[class a.b]\nkeep = 1d\n", ": the name of a class is", ERR_SYNTAX },
		{ "[class sixteen_letters_]\nkeep = 1d\n", ": the name of a class is", ERR_SYNTAX },
		{ "[class a]\nkep = 1d\n",
			":2: [class a] kep: no such key of a class; did you mean 'keep'?",
			ERR_UNKNOWN },
		{ "[class a]\nkeep = 1d\nkeep = 2d\n",
			":3: [class a] keep: given twice, first in line 2", ERR_SYNTAX },
		{ "[class a]\nkeep = soon\n", ":2: [class a] keep: ", ERR_SYNTAX },
		{ "[class a]\npriority = 101\n", ":2: [class a] priority: ", ERR_RANGE },
		{ "[class a]\nhold = maybe\n",
			":2: [class a] hold: 'maybe' is not allowed: write yes, no, or until",
			ERR_SYNTAX },
		{ "[class a]\nhold = until tomorrow\n",
			"[class a] hold: 'until tomorrow' is not allowed", ERR_SYNTAX },
		{ "[class a]\nhold = until 14:00\n", "is not allowed", ERR_SYNTAX },
		{ "[class a]\nhold = until 2027-13-01\n", ":2: [class a] hold: ", ERR_RANGE },
		{ "[class default]\nmatch = user_id = a\n",
			"the default class takes what no other takes", ERR_SYNTAX },
	};
	struct conf c;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		const char *told;

		conf_init(&c);
		told = load(&c, bad[i].text, bad[i].rc);
		if (!strstr(told, bad[i].told))
			fail_msg("told: %s\nnot:  %s", told, bad[i].told);
		conf_fini(&c);
	}
}

static void classes_have_limits(void **state)
{
	struct conf c;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 16);
	for (int i = 0; i <= LIMIT_CLASSES; i++)
		buf_printf(&b, "[class c%d]\nkeep = 1d\n", i);
	buf_put_u8(&b, 0);
	conf_init(&c);
	assert_non_null(strstr(load(&c, (char *)b.p, ERR_LIMIT), "there are more than 32 classes"));
	b.len = 0;
	buf_put_str(&b, "[class a]\n");
	for (int i = 0; i <= LIMIT_CLASS_MATCHES; i++)
		buf_put_str(&b, "match = user_id = a\n");
	buf_put_u8(&b, 0);
	assert_non_null(strstr(
		load(&c, (char *)b.p, ERR_LIMIT), ":18: [class a] match: a class has at most 16"));
	conf_fini(&c);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_need_no_file),
		cmocka_unit_test(a_file_is_read),
		cmocka_unit_test(flag_beats_env_beats_file),
		cmocka_unit_test(mistakes_of_a_file_name_line_and_remedy),
		cmocka_unit_test(every_mistake_is_told_and_the_rest_applied),
		cmocka_unit_test(what_inih_would_misread_is_refused),
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(mistakes_of_the_environment),
		cmocka_unit_test(reload_takes_what_may_be_taken),
		cmocka_unit_test(what_is_printed_can_be_read_again),
		cmocka_unit_test(addresses),
		cmocka_unit_test(numbers),
		cmocka_unit_test(classes_are_read),
		cmocka_unit_test(mistakes_in_classes),
		cmocka_unit_test(classes_have_limits),
		cmocka_unit_test(rules_are_read),
		cmocka_unit_test(mistakes_in_rules),
		cmocka_unit_test(rules_have_limits),
		cmocka_unit_test(names_have_a_limit),
		cmocka_unit_test(defaults_are_limits),
		cmocka_unit_test(rules_are_reread),
		cmocka_unit_test(space),
		cmocka_unit_test(closest_word),
	};

	return cmocka_run_group_tests_name("conf", tests, make_file, drop_file);
}
