/*
 * Goal:   a text of the query language means what its grammar says, whichever way it is written: parsed,
 *         normalised, printed, parsed again, it holds for the same events.
 * Method: random questions are made as trees of the test's own, written with random noise (case, blanks,
 *         quotes, escapes, needless parentheses), and asked of random events. The judge is an evaluator
 *         that shares nothing with the product: it walks its own metadata, compares numbers as 80-bit
 *         floats, which hold every 64-bit integer and every double, and knows its patterns by hand.
 */
#include "tests/support/check_cmocka.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/expr/expr_parse.h"
#include "tests/support/event_gen.h"

enum {
	ROUNDS = 4000,
	EVENTS = 12,
	KIDS_MAX = 4,
	VALUES_MAX = 4,
	ENTRIES_MAX = 5,
	LEVELS = 3,
	NODES_MAX = 4096,
};

static struct event_gen dice;

static unsigned below(unsigned n)
{
	return event_gen_below(&dice, n);
}

/* ---------------------------------------------------------------- events */

static const char *const texts[] = { "", "A", "a", "ab", "AB", "xaby", "1", "1.0", "01", "10", "-0",
	"true", "null", "and", "x y", "q\"\\z", "J\xc3\xb6rg", "bad\xff", "9007199254740993",
	"9007199254740992", "18446744073709551615", "1e3", "0.1" };
static const char *const keys[] = { "k", "m", "a.b", "x y" };

enum kind { NOTHING, NIL, BOOL, NUMBER, TEXT, MAP, LIST };

struct item {
	enum kind kind;
	bool truth;
	long double number;
	const char *text;
	unsigned count; /* MAP: pairs, a key perhaps twice */
	const char *key[ENTRIES_MAX];
	struct item *value[ENTRIES_MAX];
};

struct row {
	struct event ev;
	const char *text[EVENT_TEXT_COUNT]; /* NULL: absent */
	struct item *metadata;
	struct buf bytes;
};

static struct item items[NODES_MAX];
static unsigned items_count;

static void put_be(struct buf *out, uint8_t head, uint64_t v, int bytes)
{
	buf_put_u8(out, head);
	while (bytes-- > 0)
		buf_put_u8(out, (uint8_t)(v >> (8 * bytes)));
}

static void put_str(const char *s, struct buf *out)
{
	put_be(out, 0xd9, strlen(s), 1);
	buf_put_str(out, s);
}

static void put_double(double v, struct buf *out)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	put_be(out, 0xcb, bits, 8);
}

static void random_number(struct item *x, struct buf *out)
{
	static const uint64_t large[] = { UINT64_MAX, (UINT64_C(1) << 63), (UINT64_C(1) << 63) - 1,
		UINT64_C(9007199254740993), UINT64_C(9007199254740992) };
	static const double floats[] = { 0.1, -0.0, 1.0, 10.5, 1e3, 9007199254740992.0,
		9223372036854775808.0, 18446744073709551616.0, -1e300, INFINITY, NAN };
	uint64_t u = large[below(ARRAY_COUNT(large))];
	double f = floats[below(ARRAY_COUNT(floats))];

	switch (below(4)) {
	case 0:
		x->number = below(12);
		buf_put_u8(out, (uint8_t)x->number);
		break;
	case 1:
		x->number = (long double)u;
		put_be(out, 0xcf, u, 8);
		break;
	case 2:
		x->number = -(long double)(1 + below(3));
		put_be(out, 0xd3, (uint64_t)(int64_t)x->number, 8);
		break;
	default:
		x->number = f;
		put_double(f, out);
		break;
	}
}

static struct item *random_item(unsigned levels, struct buf *out)
{
	struct item *x = &items[items_count++];

	ASSERT(items_count < NODES_MAX);
	*x = (struct item){ .kind = levels ? (enum kind)(NIL + below(6)) : NIL + below(4) };
	switch (x->kind) {
	case NIL:
		buf_put_u8(out, 0xc0);
		break;
	case BOOL:
		x->truth = below(2);
		buf_put_u8(out, x->truth ? 0xc3 : 0xc2);
		break;
	case NUMBER:
		random_number(x, out);
		break;
	case TEXT:
		x->text = texts[below(ARRAY_COUNT(texts))];
		put_str(x->text, out);
		break;
	case MAP:
		x->count = below(ENTRIES_MAX);
		buf_put_u8(out, (uint8_t)(0x80 | x->count));
		for (unsigned i = 0; i < x->count; i++) {
			x->key[i] = keys[below(ARRAY_COUNT(keys))];
			put_str(x->key[i], out);
			x->value[i] = random_item(levels - 1, out);
		}
		break;
	default:
		put_be(out, 0x92, 0x01c0, 2); /* a list of 1 and nil */
		break;
	}
	return x;
}

/* A whole second, or near one. */
static int64_t random_time(void)
{
	return INT64_C(1795176000) * 1000000000 + (int64_t)below(4) * 500000000 - (int64_t)below(2);
}

static void random_row(struct row *r)
{
	r->ev = (struct event){ .id = below(4) ? below(6) : UINT64_MAX - below(2),
		.time_ns = below(8) ? random_time() : INT64_MIN,
		.received_ns = below(8) ? random_time() : INT64_MAX,
		.severity = (uint8_t)below(EVENT_SEVERITY_COUNT) };
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		r->text[i] = below(3) ? texts[below(ARRAY_COUNT(texts))] : NULL;
		r->ev.text[i] = r->text[i] ? span_str(r->text[i]) : SPAN_NONE;
	}
	buf_init(&r->bytes, 1 << 20);
	r->metadata = NULL;
	if (below(5) == 0)
		return;
	do {
		buf_reset(&r->bytes);
		r->metadata = random_item(LEVELS, &r->bytes);
	} while (r->metadata->kind != MAP);
	r->ev.metadata = buf_span(&r->bytes);
}

/* ---------------------------------------------------------------- questions */

enum what { ALL, ANY, NO, EXISTS, EQUALS, LESS, HAS, MATCHES, SEVERITY, ID, WHEN };

struct ask {
	enum what what;
	struct ask *kids[KIDS_MAX];
	unsigned count;
	bool is_text; /* a text field; else metadata */
	enum event_text field;
	const char *path[3]; /* of metadata */
	const char *values[VALUES_MAX];
	bool quoted[VALUES_MAX];
	const char *op;
	unsigned arg;
};

static struct ask asks[NODES_MAX];
static unsigned asks_count;

static bool is_word(const char *s)
{
	static const char *const keywords[] = { "and", "or", "not", "in" };

	for (size_t i = 0; i < ARRAY_COUNT(keywords); i++) {
		if (strcasecmp(s, keywords[i]) == 0)
			return false;
	}
	return *s && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789."
				 "-+\xc3\xb6\xff")] == 0;
}

static const struct {
	const char *text;
	int64_t from_ns, to_ns;
} times[] = {
	{ "2026-11-20T12:00:00Z", 0, 999999999 },
	{ "\"2026-11-20 12:00\"", 0, INT64_C(59999999999) },
	{ "2026-11-20T12:00:00.5Z", 500000000, 599999999 },
	{ "@1795176001.000000000", 1000000000, 1000000000 },
	{ "now", 0, 0 },
	{ "-1s", -1000000000, -1000000000 },
	{ "1677-09-21T00:12:43.145224192Z", INT64_MIN, INT64_MIN },
};

static const char *const orders[] = { "<", "<=", ">", ">=" };
static const char *const all_ops[] = { "=", "!=", "<", "<=", ">", ">=" };
/* What match_by_hand knows. */
static const char *const patterns[] = { "^a", "a.*b", "\\d", "(?i)^AB$", "q\"", "\\\\z|x y", "x{2}",
	"\xc3\xb6" };

/* As many as an expression may have. */
static unsigned regexes_left;

static struct ask *random_ask(unsigned levels);

static void random_values(struct ask *x)
{
	x->count = 1 + (below(3) == 0) * below(VALUES_MAX);
	for (unsigned i = 0; i < x->count; i++) {
		x->values[i] = texts[below(ARRAY_COUNT(texts))];
		x->quoted[i] = below(2) || !is_word(x->values[i]);
	}
}

static struct ask *random_test(struct ask *x)
{
	x->what = (enum what)(EXISTS + below(WHEN - EXISTS + 1));
	if (x->what == MATCHES && regexes_left == 0)
		x->what = HAS;
	regexes_left -= x->what == MATCHES;
	x->is_text = below(2);
	x->field = (enum event_text)below(EVENT_TEXT_COUNT);
	for (unsigned i = 0; i < 3; i++)
		x->path[i] = i == 0 || below(2) ? keys[below(ARRAY_COUNT(keys))] : NULL;
	if (!x->path[1])
		x->path[2] = NULL;
	random_values(x);
	switch (x->what) {
	case LESS:
		x->op = orders[below(ARRAY_COUNT(orders))];
		break;
	case MATCHES:
		x->arg = below(ARRAY_COUNT(patterns));
		break;
	case SEVERITY:
		x->op = all_ops[below(ARRAY_COUNT(all_ops))];
		x->arg = below(EVENT_SEVERITY_COUNT);
		break;
	case ID:
		x->op = all_ops[below(ARRAY_COUNT(all_ops))];
		x->arg = below(7);
		break;
	case WHEN:
		x->op = all_ops[below(ARRAY_COUNT(all_ops))];
		x->arg = below(ARRAY_COUNT(times));
		break;
	default:
		break;
	}
	return x;
}

static struct ask *random_ask(unsigned levels)
{
	struct ask *x = &asks[asks_count++];

	ASSERT(asks_count < NODES_MAX);
	*x = (struct ask){ .what = (enum what)below(3) };
	if (levels == 0 || below(4) == 0)
		return random_test(x);
	x->count = x->what == NO ? 1 : 1 + below(KIDS_MAX);
	for (unsigned i = 0; i < x->count; i++)
		x->kids[i] = random_ask(levels - 1);
	return x;
}

/* ---------------------------------------------------------------- writing them */

static void blank(struct buf *out)
{
	static const char *const blanks[] = { "", "", " ", "  ", "\t", "\n" };

	buf_put_str(out, blanks[below(ARRAY_COUNT(blanks))]);
}

static void keyword(const char *word, struct buf *out)
{
	buf_put_u8(out, ' ');
	for (; *word; word++)
		buf_put_u8(out, (uint8_t)(below(2) ? toupper(*word) : *word));
	buf_put_u8(out, ' ');
}

static void quote(const char *s, struct buf *out)
{
	buf_put_u8(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_printf(out, "\\%c", *s);
		else if (below(6) == 0 && (uint8_t)*s < 0x80)
			buf_printf(out, "\\u{%x}", (uint8_t)*s);
		else if (below(6) == 0)
			buf_printf(out, "\\x%02x", (uint8_t)*s);
		else
			buf_put_u8(out, (uint8_t)*s);
	}
	buf_put_u8(out, '"');
}

static void write_value(const struct ask *x, unsigned i, struct buf *out)
{
	if (x->quoted[i])
		quote(x->values[i], out);
	else
		buf_put_str(out, x->values[i]);
}

static void write_field(const struct ask *x, struct buf *out)
{
	static const char *const aliases[EVENT_TEXT_COUNT] = { "action", NULL, NULL, "user", "msg",
		"ip" };
	static const char *const metas[] = { "metadata", "meta", "details" };

	if (x->is_text) {
		const char *alias = below(2) ? aliases[x->field] : NULL;

		buf_put_str(out, alias ? alias : event_text_name(x->field));
		return;
	}
	buf_put_str(out, metas[below(ARRAY_COUNT(metas))]);
	for (unsigned i = 0; i < 3 && x->path[i]; i++) {
		buf_put_u8(out, '.');
		if (strlen(x->path[i]) == 1 && below(3))
			buf_put_str(out, x->path[i]);
		else
			quote(x->path[i], out);
	}
}

static void write_list(const struct ask *x, struct buf *out)
{
	keyword("in", out);
	buf_put_u8(out, '(');
	for (unsigned i = 0; i < x->count; i++) {
		buf_put_str(out, i ? "," : "");
		blank(out);
		write_value(x, i, out);
		blank(out);
	}
	buf_put_u8(out, ')');
}

static void write_pattern(const char *p, struct buf *out)
{
	buf_put_u8(out, '"');
	for (; *p; p++) {
		if (*p == '"')
			buf_put_u8(out, '\\');
		buf_put_u8(out, (uint8_t)*p);
	}
	buf_put_u8(out, '"');
}

static void write_test(const struct ask *x, struct buf *out)
{
	if (x->what == SEVERITY) {
		buf_printf(out, "%s %s %s", below(2) ? "severity" : "level", x->op,
			event_severity_name((enum event_severity)x->arg));
		return;
	}
	if (x->what == ID || x->what == WHEN) {
		if (x->what == ID)
			buf_printf(out, "id%s%u", x->op, x->arg);
		else
			buf_printf(out, "timestamp%s%s", x->op, times[x->arg].text);
		return;
	}
	write_field(x, out);
	blank(out);
	switch (x->what) {
	case EXISTS:
		buf_put_str(out, "=*");
		break;
	case EQUALS:
		if (x->count == 1 && below(2))
			buf_put_u8(out, '=');
		else
			return write_list(x, out);
		blank(out);
		write_value(x, 0, out);
		break;
	case LESS:
		buf_put_str(out, x->op);
		write_value(x, 0, out);
		break;
	case HAS:
		buf_put_u8(out, ':');
		write_value(x, 0, out);
		break;
	default:
		buf_put_str(out, "=~");
		write_pattern(patterns[x->arg], out);
		break;
	}
}

static void write_ask(const struct ask *x, struct buf *out)
{
	bool wrap = x->what <= NO || below(8) == 0;

	if (wrap)
		buf_put_str(out, "(");
	blank(out);
	if (x->what == NO)
		buf_put_str(out, below(2) ? "not " : "!");
	if (x->what > NO)
		write_test(x, out);
	for (unsigned i = 0; x->what <= NO && i < x->count; i++) {
		if (i > 0)
			keyword(x->what == ANY ? "or" : below(2) ? "and" : "", out);
		write_ask(x->kids[i], out);
	}
	blank(out);
	if (wrap)
		buf_put_str(out, ")");
}

/* ---------------------------------------------------------------- the judge */

/* The last of all values at the path: of an item that is no map there is none. */
static const struct item *find(const struct item *x, const char *const *path, unsigned left)
{
	const struct item *last = NULL, *one;

	if (left == 0 || !*path)
		return x;
	for (unsigned i = 0; x->kind == MAP && i < x->count; i++) {
		if (strcmp(x->key[i], *path) != 0)
			continue;
		one = find(x->value[i], path + 1, left - 1);
		last = one ? one : last;
	}
	return last;
}

static struct item subject(const struct ask *x, const struct row *r)
{
	const struct item *at;

	if (x->is_text)
		return (struct item){ .kind = r->text[x->field] ? TEXT : NOTHING,
			.text = r->text[x->field] };
	at = r->metadata ? find(r->metadata, x->path, 3) : NULL;
	return at ? *at : (struct item){ .kind = NOTHING };
}

/* Of the texts there are, those that are JSON numbers. */
static bool as_number(const char *s, long double *out)
{
	const char *digits = s + (*s == '-');

	if (!isdigit((unsigned char)*digits) ||
		(digits[0] == '0' && isdigit((unsigned char)digits[1])))
		return false;
	if (strspn(digits, "0123456789.e") != strlen(digits))
		return false;
	*out = strpbrk(s, ".e") ? (long double)strtod(s, NULL) : strtold(s, NULL);
	return true;
}

static bool equals(const struct ask *x, unsigned i, const struct item *v)
{
	const char *want = x->values[i];
	long double n;

	switch (v->kind) {
	case TEXT:
		return strcmp(v->text, want) == 0;
	case NUMBER:
		return !x->quoted[i] && as_number(want, &n) && v->number == n;
	case BOOL:
		return !x->quoted[i] && strcmp(want, v->truth ? "true" : "false") == 0;
	case NIL:
		return !x->quoted[i] && strcmp(want, "null") == 0;
	default:
		return false;
	}
}

static bool by(const char *op, int c)
{
	return (strchr(op, '=') && op[0] != '!' && c == 0) || (op[0] == '<' && c < 0) ||
	       (op[0] == '>' && c > 0) || (op[0] == '!' && c != 0);
}

static bool less(const struct ask *x, const struct item *v)
{
	long double want, is = v->number;

	if (!x->quoted[0] && as_number(x->values[0], &want)) {
		if (v->kind == TEXT ? !as_number(v->text, &is) : v->kind != NUMBER)
			return false;
		return !isnan(is) && by(x->op, (is > want) - (is < want));
	}
	return v->kind == TEXT && by(x->op, strcmp(v->text, x->values[0]));
}

static bool has(const char *text, const char *part)
{
	size_t n = strlen(part);

	for (; strlen(text) >= n; text++) {
		if (strncasecmp(text, part, n) == 0)
			return true;
		if (!*text)
			break;
	}
	return false;
}

static bool match_by_hand(unsigned pattern, const char *s)
{
	const char *a = strchr(s, 'a');

	switch (pattern) {
	case 0:
		return *s == 'a';
	case 1:
		return a && strchr(a + 1, 'b');
	case 2:
		return strpbrk(s, "0123456789") != NULL;
	case 3:
		return strcasecmp(s, "ab") == 0;
	case 4:
		return strstr(s, "q\"") != NULL;
	case 5:
		return strstr(s, "\\z") || strstr(s, "x y");
	case 6:
		return strstr(s, "xx") != NULL;
	default:
		return strstr(s, "\xc3\xb6") != NULL;
	}
}

static bool test_holds(const struct ask *x, const struct row *r)
{
	struct item v = subject(x, r);
	bool any = false;

	switch (x->what) {
	case EXISTS:
		return v.kind != NOTHING;
	case EQUALS:
		for (unsigned i = 0; i < x->count; i++)
			any |= equals(x, i, &v);
		return any;
	case LESS:
		return less(x, &v);
	case HAS:
		/* Of nothing to look for, whether something is there. */
		return x->values[0][0] ? v.kind == TEXT && has(v.text, x->values[0])
				       : v.kind != NOTHING;
	case MATCHES:
		return v.kind == TEXT && match_by_hand(x->arg, v.text);
	case SEVERITY:
		return by(x->op, (int)x->arg - r->ev.severity);
	case ID:
		return by(x->op, (r->ev.id > x->arg) - (r->ev.id < x->arg));
	default:
		break;
	}
	{
		const int64_t base = INT64_C(1795176000) * 1000000000;
		bool least = times[x->arg].from_ns == INT64_MIN;
		int64_t from = times[x->arg].from_ns + (least ? 0 : base);
		int64_t to = times[x->arg].to_ns + (least ? 0 : base), t = r->ev.time_ns;

		return by(x->op, t < from ? -1 : t > to);
	}
}

static bool judge(const struct ask *x, const struct row *r)
{
	if (x->what > NO)
		return test_holds(x, r);
	if (x->what == NO)
		return !judge(x->kids[0], r);
	for (unsigned i = 0; i < x->count; i++) {
		if (judge(x->kids[i], r) == (x->what == ANY))
			return x->what == ANY;
	}
	return x->what == ALL;
}

/* ---------------------------------------------------------------- the comparison */

static const struct expr_parse_conf conf = { INT64_C(1795176000) * 1000000000, WHEN_UTC };

static const struct expr *parse(struct expr_builder *b, struct span text)
{
	const struct expr *x = NULL;
	struct expr_err err;

	if (expr_parse(b, text, &conf, &x, &err) < 0)
		fail_msg("%.*s: at %zu: %s", (int)text.n, text.p, err.at, err.error);
	return x;
}

static void numbered(const struct expr *x, uint32_t *next)
{
	if (x->kind == EXPR_TEST)
		assert_int_equal(x->index, (*next)++);
	assert_int_not_equal(x->kind, EXPR_NOT);
	for (uint32_t i = 0; i < x->args_count; i++) {
		assert_int_not_equal(x->args[i]->kind, x->kind);
		assert_true(x->args[i]->kind != EXPR_TRUE && x->args[i]->kind != EXPR_FALSE);
		numbered(x->args[i], next);
	}
}

static const struct expr *reprinted(
	struct expr_builder *b, const struct expr *normal, struct buf *first, struct buf *again)
{
	const struct expr *x;

	buf_reset(first);
	buf_reset(again);
	expr_print(normal, first);
	x = expr_normalise(b, parse(b, buf_span(first)));
	assert_non_null(x);
	expr_print(x, again);
	if (!span_eq(buf_span(first), buf_span(again)))
		fail_msg("%.*s became %.*s", (int)first->len, first->p, (int)again->len, again->p);
	return x;
}

static void one_question(const struct row *rows, struct expr_scratch *s, struct buf bufs[3])
{
	const struct expr *x, *n, *nn, *p;
	struct expr_builder b, again;
	struct ask *ask;
	uint32_t next = 0;

	asks_count = 0;
	regexes_left = LIMIT_EXPR_REGEXES;
	ask = random_ask(below(5));
	buf_reset(&bufs[0]);
	write_ask(ask, &bufs[0]);
	expr_builder_init(&b);
	expr_builder_init(&again);
	x = parse(&b, buf_span(&bufs[0]));
	n = expr_normalise(&b, x);
	assert_non_null(n);
	numbered(n, &next);
	assert_int_equal(next, expr_tests_count(n));
	p = reprinted(&again, n, &bufs[1], &bufs[2]);
	nn = expr_normalise(&b, n);
	buf_reset(&bufs[2]);
	expr_print(nn, &bufs[2]);
	assert_true(span_eq(buf_span(&bufs[1]), buf_span(&bufs[2])));
	for (int i = 0; i < EVENTS; i++) {
		bool want = judge(ask, &rows[i]);

		if (expr_match(x, &rows[i].ev, s) != want ||
			expr_match(n, &rows[i].ev, s) != want ||
			expr_match(p, &rows[i].ev, s) != want)
			fail_msg("event %d of %.*s, or %.*s: %d", i, (int)bufs[0].len, bufs[0].p,
				(int)bufs[1].len, bufs[1].p, want);
	}
	expr_builder_fini(&again);
	expr_builder_fini(&b);
}

static void random_questions(void **state)
{
	struct expr_scratch *s = expr_scratch_new();
	struct row rows[EVENTS];
	struct buf bufs[3];

	(void)state;
	dice.state = 20261130;
	for (int i = 0; i < 3; i++)
		buf_init(&bufs[i], 1 << 20);
	for (int round = 0; round < ROUNDS; round++) {
		items_count = 0;
		for (int i = 0; i < EVENTS; i++)
			random_row(&rows[i]);
		for (int i = 0; i < 4; i++)
			one_question(rows, s, bufs);
		for (int i = 0; i < EVENTS; i++)
			buf_fini(&rows[i].bytes);
	}
	for (int i = 0; i < 3; i++)
		buf_fini(&bufs[i]);
	expr_scratch_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_questions),
	};

	return cmocka_run_group_tests_name("expr_model", tests, NULL, NULL);
}
