/*
 * Goal:   texts of the query language become the trees they should, printed in their normal form; wrong
 *         ones are refused at the right byte, with what was expected there and what to do.
 * Method: tables of texts, those of the manuals among them. What is printed is parsed again and must be
 *         the same normal tree. Each allocation fails once.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/expr/expr_parse.h"
#include "tests/support/alloc_fault.h"

/* ---- texts ---- */

/* 2026-11-20T12:00:00Z */
static const struct expr_parse_conf conf = { INT64_C(1795176000) * 1000000000, WHEN_UTC };

static const char *text_of(const struct expr *x, struct buf *out)
{
	buf_reset(out);
	expr_print(x, out);
	buf_put_u8(out, 0);
	assert_int_equal(out->err, 0);
	return (const char *)out->p;
}

static const struct expr *normal_of(struct expr_builder *b, const char *text)
{
	const struct expr *x = NULL;
	struct expr_err err;

	if (expr_parse(b, span_str(text), &conf, &x, &err) < 0)
		fail_msg("%s: at %zu: %s; %s", text, err.at, err.error, err.hint);
	x = expr_normalise(b, x);
	assert_int_equal(b->err, 0);
	return x;
}

/* text, its normal form printed */
static const char *const good[][2] = {
	{ "", "" },
	{ "  \t\n", "" },
	{ "()", "" },
	{ "not ()", "not ()" },
	{ "event_type=AUTH", "event_type=AUTH" },
	{ "action = AUTH", "event_type=AUTH" },
	{ "type=\"AUTH\"", "event_type=AUTH" },
	{ "event_type != AUTH", "event_type!=AUTH" },
	{ "type in (B, A,B)", "event_type in (A, B)" },
	{ "type not in (B, A)", "event_type not in (A, B)" },
	{ "type NOT IN(B, A)", "event_type not in (A, B)" },
	{ "not type in (B, A)", "event_type not in (A, B)" },
	{ "type=A or type=B", "event_type in (A, B)" },
	{ "user=42", "user_id=42" },
	{ "user=\"and\"", "user_id=\"and\"" },
	{ "user=\"\"", "user_id=\"\"" },
	{ "user=*", "user_id=*" },
	{ "user!=*", "not user_id=*" },
	{ "not not user=*", "user_id=*" },
	{ "!user=*", "not user_id=*" },
	{ "severity=*", "" },
	{ "message:Disk", "description:disk" },
	{ "msg:\"Disk full\"", "description:\"disk full\"" },
	{ "disk", "description:disk" },
	{ "disk full", "description:disk and description:full" },
	{ "\"disk full\"", "description:\"disk full\"" },
	{ "not disk", "not description:disk" },
	{ "disk not full", "description:disk and not description:full" },
	{ "log:\"\"", "description=*" },
	{ "a and (b or c)", "description:a and (description:b or description:c)" },
	{ "a and b or c", "description:c or (description:a and description:b)" },
	{ "a b or c d", "(description:a and description:b) or (description:c and description:d)" },
	{ "not (a or b)", "not description:a and not description:b" },
	{ "a a A", "description:a" },
	{ "a !a", "not ()" },
	{ "a or not a", "" },
	{ "severity>=error", "severity>=error" },
	{ "level > error", "severity>=critical" },
	{ "level < error", "severity<=warning" },
	{ "severity<=debug", "severity=debug" },
	{ "severity>=debug", "" },
	{ "severity=err", "severity=error" },
	{ "severity=3", "severity=error" },
	{ "severity!=info",
		"severity in (emergency, alert, critical, error, warning, notice, debug)" },
	{ "severity in (error, info)", "severity in (error, info)" },
	{ "severity>=error severity<=critical", "severity in (critical, error)" },
	{ "severity>emergency", "not ()" },
	{ "id=7", "id=7" },
	{ "id in (9, 7)", "id in (7, 9)" },
	{ "id in (9, 8)", "id>=8 and id<=9" },
	{ "id>7", "id>=8" },
	{ "id<7", "id<=6" },
	{ "id<0", "not ()" },
	{ "id>=0", "" },
	{ "id!=7", "id<=6 or id>=8" },
	{ "id!=7 a", "(id<=6 or id>=8) and description:a" },
	{ "id>18446744073709551615", "not ()" },
	{ "id<=18446744073709551615", "" },
	{ "timestamp=2026-11-20",
		"timestamp>=2026-11-20T00:00:00Z and timestamp<2026-11-21T00:00:00Z" },
	{ "time>2026-11-20", "timestamp>=2026-11-21T00:00:00Z" },
	{ "time<=\"2026-11-20 14:30\"", "timestamp<2026-11-20T14:31:00Z" },
	{ "time<2026-11-20T14:30:00Z", "timestamp<2026-11-20T14:30:00Z" },
	{ "received>=-1h", "received>=2026-11-20T11:00:00Z" },
	{ "received>=\"1h ago\"", "received>=2026-11-20T11:00:00Z" },
	{ "received=2026-11-20T14:30:00.000000000Z", "received=2026-11-20T14:30:00.000000000Z" },
	{ "received!=2026-11-20T14:30:00.000000000Z a",
		"(received<2026-11-20T14:30:00Z or received>=2026-11-20T14:30:00.000000001Z) and "
		"description:a" },
	{ "metadata.amount=12.50", "metadata.amount=12.50" },
	{ "meta.amount>12.5", "metadata.amount>12.5" },
	{ "details.a.b=x", "metadata.a.b=x" },
	{ "metadata.a.\"b c\".d=true", "metadata.a.\"b c\".d=true" },
	{ "metadata.a=\"true\"", "metadata.a=\"true\"" },
	{ "metadata.\"plain\"=\"word\"", "metadata.plain=word" },
	{ "metadata.a in (1, \"1\", x)", "metadata.a in (1, x)" },
	{ "metadata.a=1 or metadata.a=2", "metadata.a in (1, 2)" },
	{ "metadata.a=1 metadata.a=1.0", "metadata.a=1 and metadata.a=1.0" },
	{ "not metadata.a<5", "not metadata.a<5" },
	{ "metadata.a<\"5\"", "metadata.a<\"5\"" },
	{ "entity_id>=100", "entity_id>=100" },
	{ "user_agent=~\"^curl/\\d+\"", "user_agent=~\"^curl/\\d+\"" },
	{ "user_agent!~\"a\\\"b\\\\\"", "user_agent!~\"a\\\"b\\\\\"" },
	{ "not user_agent=~curl", "user_agent!~\"curl\"" },
	{ "host:\"a\\x00\\xff\\n\\u{e9}\\\\\\\"\"", "host:\"a\\x00\\xff\\n\xc3\xa9\\\\\\\"\"" },
	{ "entity=order/ORD-1", "entity_type=order and entity_id=ORD-1" },
	{ "entity=ORD-1", "entity_id=ORD-1" },
	{ "entity=order/", "entity_type=order" },
	{ "entity=order/a/b", "entity_type=order and entity_id=a/b" },
	{ "entity!=order/1", "entity_type!=order or entity_id!=1" },
	{ "entity=*", "entity_type=* or entity_id=*" },
	{ "entity in (order/1, order/2)",
		"(entity_type=order and entity_id=1) or (entity_type=order and entity_id=2)" },
	{ "ip=10.0.0.1 host=a:b", "ip_address=10.0.0.1 and host=a:b" },
	{ "J\xc3\xb6rg", "description:j\xc3\xb6rg" },
};

static void normal_forms(void **state)
{
	struct expr_builder b;
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
		char *first;

		expr_builder_init(&b);
		first = strdup(text_of(normal_of(&b, good[i][0]), &out));
		if (strcmp(first, good[i][1]) != 0)
			fail_msg("%s: %s instead of %s", good[i][0], first, good[i][1]);
		assert_string_equal(text_of(normal_of(&b, first), &out), first);
		free(first);
		expr_builder_fini(&b);
	}
	buf_fini(&out);
}

static const struct {
	const char *text;
	size_t at;
	int code;
	const char *error; /* a part of it */
	const char *hint;  /* a part of it */
} bad[] = {
	{ "a and", 5, ERR_SYNTAX, "expected a test, a word, not or (, found the end", "" },
	{ "and a", 0, ERR_SYNTAX, "found and", "quotes" },
	{ "a or", 4, ERR_SYNTAX, "found the end", "" },
	{ "(a", 2, ERR_SYNTAX, "expected and, or or ), found the end", "" },
	{ "a)", 1, ERR_SYNTAX, "expected and, or or the end, found )", "" },
	{ "a ,b", 2, ERR_SYNTAX, "found ,", "" },
	{ "not", 3, ERR_SYNTAX, "found the end", "" },
	{ "=a", 0, ERR_SYNTAX, "found =", "" },
	{ "user=", 5, ERR_SYNTAX, "expected a value, found the end", "" },
	{ "user=(a)", 5, ERR_SYNTAX, "expected a value, found (", "" },
	{ "user=or", 5, ERR_SYNTAX, "expected a value, found or", "quotes" },
	{ "user=adm*", 8, ERR_SYNTAX, "found *", "=~" },
	{ "user=*adm", 5, ERR_SYNTAX, "found *", "=~" },
	{ "user=?", 5, ERR_SYNTAX, "found ?", "quotes" },
	{ "usr=1", 0, ERR_UNKNOWN, "there is no field usr", "did you mean user?" },
	{ "a Severty>=error", 2, ERR_UNKNOWN, "no field Severty", "severity" },
	{ "amount>5", 0, ERR_UNKNOWN, "no field amount", "metadata.amount" },
	{ "http://x", 0, ERR_UNKNOWN, "no field http", "quotes" },
	{ "metadata=5", 0, ERR_UNKNOWN, "no field metadata", "metadata.NAME" },
	{ "metadata.=5", 0, ERR_SYNTAX, "no path", "quotes" },
	{ "metadata.a..b=5", 0, ERR_SYNTAX, "no path", "quotes" },
	{ "metadata.\"a=5", 9, ERR_SYNTAX, "quotes do not end", "" },
	{ "user in a", 8, ERR_SYNTAX, "expected ( and the values, found a", "field in (a, b)" },
	{ "user in ()", 9, ERR_SYNTAX, "expected a value, found )", "" },
	{ "user in (a b)", 11, ERR_SYNTAX, "expected , or ), found b", "" },
	{ "user in (a,", 11, ERR_SYNTAX, "found the end", "" },
	{ "user=\"a", 5, ERR_SYNTAX, "quotes do not end", "close" },
	{ "user=\"a\\q\"", 7, ERR_SYNTAX, "after a backslash", "\\n" },
	{ "user=\"\\xg0\"", 6, ERR_SYNTAX, "after a backslash", "\\xHH" },
	{ "user=\"\\u{d800}\"", 6, ERR_SYNTAX, "after a backslash", "" },
	{ "severity=bad", 9, ERR_UNKNOWN, "this is no severity", "emergency" },
	{ "severity>=3", 10, ERR_SYNTAX, "wants a word", "severity >= error" },
	{ "severity:err", 9, ERR_SYNTAX, "severity takes", "" },
	{ "severity in (info, bad)", 19, ERR_UNKNOWN, "no severity", "" },
	{ "id=x", 3, ERR_SYNTAX, "this is no id", "id=1234" },
	{ "id=-1", 3, ERR_SYNTAX, "this is no id", "" },
	{ "id=18446744073709551616", 3, ERR_RANGE, "no id is so large", "18446744073709551615" },
	{ "id=~5", 4, ERR_SYNTAX, "id takes", "" },
	{ "timestamp>=soon", 11, ERR_SYNTAX, "this is no time", "2026-11-20" },
	{ "timestamp=2026-02-30", 10, ERR_RANGE, "no such time", "" },
	{ "host=~\"a(b\"", 10, ERR_SYNTAX, "in the regular expression: missing closing", "Perl" },
	{ "host=~\"\\\"\\\"[\"", 12, ERR_SYNTAX, "in the regular expression: missing terminating",
		"" },
	{ "host=~\"\xff\"", 7, ERR_SYNTAX, "in the regular expression: UTF-8", "" },
	{ "host=~\"(?:(?:ab){1,60}){1,60}\"", 7, ERR_LIMIT, "too large", "" },
	{ "entity:a", 7, ERR_SYNTAX, "entity takes", "entity_id" },
	{ "a \x01", 2, ERR_SYNTAX, "found the byte 01", "" },
	{ "a \xc3\x28", 4, ERR_SYNTAX, "", "" },
};

static void errors_say_where(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		const struct expr *x = NULL;
		struct expr_builder b;
		struct expr_err err;
		int rc;

		expr_builder_init(&b);
		rc = expr_parse(&b, span_str(bad[i].text), &conf, &x, &err);
		if (rc != bad[i].code || err.code != rc || err.at != bad[i].at ||
			!strstr(err.error, bad[i].error) || !strstr(err.hint, bad[i].hint))
			fail_msg("%s: %s at %zu: %s; %s", bad[i].text, err_name(rc), err.at,
				err.error, err.hint);
		assert_null(x);
		expr_builder_fini(&b);
	}
}

/* `head`, then `part` n times, then `tail`. */
static void refused(const char *head, const char *part, size_t n, const char *tail, int code,
	size_t at, const char *error)
{
	const struct expr *x;
	struct expr_builder b;
	struct expr_err err;
	struct buf text;

	buf_init(&text, 1 << 22);
	expr_builder_init(&b);
	buf_put_str(&text, head);
	for (size_t i = 0; i < n; i++)
		buf_put_str(&text, part);
	buf_put_str(&text, tail);
	assert_int_equal(expr_parse(&b, buf_span(&text), &conf, &x, &err), code);
	if (code < 0)
		assert_int_equal(err.at, at);
	if (code < 0 && !strstr(err.error, error))
		fail_msg("%s", err.error);
	expr_builder_fini(&b);
	buf_fini(&text);
}

static void limits_are_reached(void **state)
{
	(void)state;
	refused("", "(", LIMIT_EXPR_DEPTH, "", ERR_SYNTAX, LIMIT_EXPR_DEPTH, "found the end");
	refused("", "(", LIMIT_EXPR_DEPTH + 1, "", ERR_DEPTH, LIMIT_EXPR_DEPTH, "parentheses");
	/* Each level is an and within an or. */
	refused("", "(a or b ", LIMIT_EXPR_DEPTH / 2, "", ERR_SYNTAX, 8 * LIMIT_EXPR_DEPTH / 2, "");
	refused("", "not ", 10000, "a", 0, 0, "");
	refused("a", " ", LIMIT_EXPR_TEXT_BYTES - 1, "", 0, 0, "");
	refused("a", " ", LIMIT_EXPR_TEXT_BYTES, "", ERR_LIMIT, LIMIT_EXPR_TEXT_BYTES, "longer");
	refused("a", " or a", LIMIT_EXPR_NODES - 2, "", 0, 0, "");
	refused("a", " or a", LIMIT_EXPR_NODES - 1, "", ERR_LIMIT, 5 * LIMIT_EXPR_NODES - 4,
		"large");
	refused("user in (a", ",a", LIMIT_EXPR_VALUES - 1, ")", 0, 0, "");
	refused("user in (a", ",a", LIMIT_EXPR_VALUES, ")", ERR_LIMIT,
		10 + 2 * LIMIT_EXPR_VALUES - 1, "values");
	refused("a=a", "", 0, "", ERR_UNKNOWN, 0, "");
	refused("", "host=~a ", LIMIT_EXPR_REGEXES, "", 0, 0, "");
	refused("", "host=~a ", LIMIT_EXPR_REGEXES + 1, "", ERR_LIMIT, 8 * LIMIT_EXPR_REGEXES + 6,
		"regular expressions");
	refused("host=~", "a", LIMIT_EXPR_REGEX_BYTES, "", 0, 0, "");
	refused("host=~", "a", LIMIT_EXPR_REGEX_BYTES + 1, "", ERR_LIMIT, 6, "longer");
	refused("metadata", ".a", LIMIT_EXPR_KEYS, "=1", 0, 0, "");
	refused("metadata", ".a", LIMIT_EXPR_KEYS + 1, "=1", ERR_LIMIT, 0, "parts");
}

/* A text that needs memory of every kind. */
static int ask(struct span text, struct buf *out)
{
	const struct expr *x = NULL;
	struct expr_builder b;
	struct expr_err err;
	int rc;

	expr_builder_init(&b);
	rc = expr_parse(&b, text, &conf, &x, &err);
	assert_int_equal(rc, err.code);
	if (rc == 0 && !expr_normalise(&b, x))
		rc = b.err;
	if (rc == 0) {
		expr_print(x, out);
		rc = out->err;
	}
	expr_builder_fini(&b);
	return rc;
}

/* Each allocation fails in turn: told as such, and nothing is left. */
static void out_of_memory(void **state)
{
	static const char part[] =
		"(type in (A, B) or host=~\"ab+c\" or not msg:disk or entity in (a/b, c) or "
		"metadata.a.\"b c\" in (1, 2) or id in (7, 9, 12) or severity>=error) ";
	unsigned nth = 0;
	bool failed;
	struct buf text, out;
	int rc;

	(void)state;
	buf_init(&text, LIMIT_EXPR_TEXT_BYTES);
	for (int i = 0; i < LIMIT_EXPR_REGEXES; i++)
		buf_put_str(&text, part);
	do {
		buf_init(&out, LIMIT_EXPR_BYTES);
		alloc_fault_set(++nth);
		rc = ask(buf_span(&text), &out);
		failed = alloc_fault_end();
		assert_int_equal(rc, failed ? -ENOMEM : 0);
		buf_fini(&out);
	} while (failed);
	assert_true(nth > 50);
	buf_fini(&text);
}

static void values_are_printed_as_they_must_be_written(void **state)
{
	static const char *const cases[][2] = { { "plain", "plain" }, { "a b", "\"a b\"" },
		{ "12", "\"12\"" }, { "012", "012" }, { "true", "\"true\"" }, { "True", "True" },
		{ "OR", "\"OR\"" }, { "", "\"\"" }, { "a\"b", "\"a\\\"b\"" },
		{ "\xff", "\"\\xff\"" } };
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		buf_reset(&out);
		expr_print_value(span_str(cases[i][0]), &out);
		buf_put_u8(&out, 0);
		assert_string_equal((char *)out.p, cases[i][1]);
	}
	buf_fini(&out);
}

/* ---- every example of the texts for people ---- */

static FILE *open_text(const char *name)
{
	const char *source = getenv("ASTRO_SOURCE");
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", source ? source : ".", name);
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s: cannot be opened", path);
	return f;
}

static void is_taken(const char *file, const char *text)
{
	const struct expr *x;
	struct expr_builder b;
	struct expr_err err;

	expr_builder_init(&b);
	if (expr_parse(&b, span_str(text), &conf, &x, &err) < 0)
		fail_msg("%s: %s: at %zu: %s", file, text, err.at, err.error);
	expr_builder_fini(&b);
}

/* Lines of the code block, and the first column of the table, between two headings. */
static void examples_of_the_api(void **state)
{
	FILE *f = open_text("query/API.md");
	bool inside = false, code = false;
	unsigned n = 0;
	char line[1000], *end;

	(void)state;
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "## ", 3) == 0)
			inside = strcmp(line, "## The query language") == 0;
		if (!inside)
			continue;
		end = strncmp(line, "| `", 3) == 0 ? strstr(line, "` |") : NULL;
		if (strncmp(line, "```", 3) == 0) {
			code = !code && line[3] == 0;
		} else if (code || end) {
			if (end)
				*end = 0;
			is_taken("API.md", end ? line + 3 : line);
			n++;
		}
	}
	assert_true(n > 30);
	fclose(f);
}

static void examples_of_the_manual(void **state)
{
	FILE *f = open_text("proto/astrolabe-query.7");
	bool inside = false;
	unsigned n = 0;
	char line[1000];

	(void)state;
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (line[0] == '.') {
			inside = strncmp(line, ".Bd -literal", 12) == 0;
		} else if (inside) {
			is_taken("astrolabe-query.7", line);
			n++;
		}
	}
	assert_true(n > 5);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normal_forms),
		cmocka_unit_test(errors_say_where),
		cmocka_unit_test(limits_are_reached),
		cmocka_unit_test(out_of_memory),
		cmocka_unit_test(values_are_printed_as_they_must_be_written),
		cmocka_unit_test(examples_of_the_api),
		cmocka_unit_test(examples_of_the_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
