/*
 * Goal:   an event gets the first class whose match holds, whatever the expression; mistakes in one are
 *         named with line, class and column; limits hold.
 * Method: tables, and random expressions against an evaluation of their own trees.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/retain_class.h"

static struct conf_classes conf;

static int setup(void **state)
{
	(void)state;
	conf = (struct conf_classes){ 0 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	conf_class_fini(&conf);
	return 0;
}

static void put(const char *class_name, const char *key, const char *value)
{
	char section[64];
	struct diag d = { .text = "" };

	snprintf(section, sizeof section, "class %s", class_name);
	if (conf_class_put(&conf, "a.conf", section, key, value, (unsigned)conf.count + 7, &d) < 0)
		fail_msg("%s", d.text);
}

static struct retain_class_set *compile(void)
{
	struct retain_class_set *set = NULL;
	struct diag d = { .text = "" };

	if (retain_class_new(&conf, 9, &set, &d) < 0)
		fail_msg("%s", d.text);
	return set;
}

static struct event event(const char *type, const char *user, const char *service, int severity)
{
	struct event ev = { .severity = (uint8_t)severity };

	ev.text[EVENT_TEXT_EVENT_TYPE] = span_str(type);
	ev.text[EVENT_TEXT_USER_ID] = span_str(user);
	ev.text[EVENT_TEXT_SERVICE] = span_str(service);
	return ev;
}

static bool holds(const char *match, const struct event *ev)
{
	struct retain_class_set *set;
	bool is;

	conf_class_fini(&conf);
	put("x", "match", match);
	set = compile();
	is = retain_class_of(set, ev) == 1;
	retain_class_free(&set);
	return is;
}

static void tests_hold(void **state)
{
	struct event ev = event("AUTH", NULL, "shop \"a\\b\"", EVENT_SEVERITY_ERROR);

	(void)state;
	assert_true(holds("event_type = AUTH", &ev));
	assert_true(holds("event_type=AUTH", &ev));
	assert_false(holds("event_type = auth", &ev));
	assert_true(holds("event_type in (PAYMENT, AUTH)", &ev));
	assert_false(holds("event_type not in (PAYMENT, AUTH)", &ev));
	assert_true(holds("event_type NOT IN (PAYMENT)", &ev));
	assert_true(holds("service = \"shop \\\"a\\\\b\\\"\"", &ev));
	assert_true(holds("user_id != anna", &ev));
	assert_false(holds("user_id = \"\"", &ev));
	assert_false(holds("user_id in (\"\", anna)", &ev));
	assert_true(holds("not user_id = anna", &ev));
	assert_true(holds("not not event_type = AUTH", &ev));
	assert_true(holds("event_type = AUTH severity = error", &ev));
	assert_false(holds("event_type = AUTH severity = info", &ev));
	assert_true(holds("event_type = X or event_type = Y or severity = err", &ev));
	assert_true(holds("event_type = X and severity = info or severity = error", &ev));
	assert_false(holds("event_type = X and (severity = info or severity = error)", &ev));
}

/* What a rule chose counts, and only then: any sender may write the key. */
static void a_rule_chooses(void **state)
{
	static const uint8_t people[] = "\x82\xa1x\x01\xa6_class\xa6people";
	static const uint8_t gone[] = "\x81\xa6_class\xa4gone";
	static const uint8_t standard[] = "\x81\xa6_class\xa7"
					  "default";
	struct event ev = event("AUTH", NULL, NULL, EVENT_SEVERITY_INFO);
	struct retain_class_set *set;

	(void)state;
	put("audit", "match", "event_type = AUTH");
	put("people", "keep", "1d");
	set = compile();
	ev.metadata = span_of(people, sizeof people - 1);
	assert_string_equal(retain_class_name(set, retain_class_of(set, &ev)), "audit");
	ev.flags = EVENT_FLAG_CLASS;
	assert_string_equal(retain_class_name(set, retain_class_of(set, &ev)), "people");
	ev.metadata = span_of(standard, sizeof standard - 1);
	assert_int_equal(retain_class_of(set, &ev), 0);
	/* One that is not there any more is no choice. */
	ev.metadata = span_of(gone, sizeof gone - 1);
	assert_string_equal(retain_class_name(set, retain_class_of(set, &ev)), "audit");
	ev.metadata = SPAN_NONE;
	assert_string_equal(retain_class_name(set, retain_class_of(set, &ev)), "audit");
	assert_int_equal(retain_class_of(NULL, &ev), 0);
	retain_class_free(&set);
}

static void worse_is_greater(void **state)
{
	struct event error = event("A", NULL, NULL, EVENT_SEVERITY_ERROR);

	(void)state;
	assert_true(holds("severity >= warning", &error));
	assert_true(holds("severity >= error", &error));
	assert_false(holds("severity > error", &error));
	assert_false(holds("severity >= critical", &error));
	assert_true(holds("severity < alert", &error));
	assert_true(holds("severity <= error", &error));
	assert_false(holds("severity < error", &error));
	assert_true(holds("severity != info", &error));
	assert_true(holds("severity in (3, debug)", &error));
	assert_false(holds("severity not in (err)", &error));
}

static void first_match_wins(void **state)
{
	struct event ev = event("AUTH", "anna", "shop", EVENT_SEVERITY_INFO);
	struct retain_class_set *set;

	(void)state;
	put("money", "match", "event_type = PAYMENT");
	put("empty", "keep", "1d");
	put("default", "keep", "2d");
	put("audit", "match", "event_type = AUTH");
	put("audit", "match", "user_id = root");
	put("people", "match", "user_id in (anna, root)");
	set = compile();
	assert_int_equal(retain_class_count(set), 5);
	assert_string_equal(retain_class_name(set, retain_class_of(set, &ev)), "audit");
	ev = event("LOG", "anna", NULL, 0);
	assert_string_equal(retain_class_name(set, retain_class_of(set, &ev)), "people");
	ev = event("LOG", "root", NULL, 0);
	assert_string_equal(retain_class_name(set, retain_class_of(set, &ev)), "audit");
	ev = event("PAYMENT", "root", NULL, 0);
	assert_string_equal(retain_class_name(set, retain_class_of(set, &ev)), "money");
	ev = event("LOG", "otto", NULL, 0);
	assert_int_equal(retain_class_of(set, &ev), 0);
	retain_class_free(&set);
	assert_null(set);
}

static void rules_are_kept(void **state)
{
	const struct retain_class_rule *r;
	struct retain_class_set *set;

	(void)state;
	put("a", "keep", "365d");
	put("a", "max_bytes", "20G");
	put("a", "hold", "until 2027-12-31");
	put("a", "priority", "80");
	put("b", "hold", "yes");
	set = compile();
	r = retain_class_rule(set, "a");
	assert_int_equal(r->keep_ns, INT64_C(365) * 86400 * CLOCK_NS_PER_SEC);
	assert_int_equal(r->bytes_max, INT64_C(20) << 30);
	assert_int_equal(r->priority, 80);
	/* To the end of that day. */
	assert_true(retain_class_held(r, INT64_C(1830297599) * CLOCK_NS_PER_SEC));
	assert_false(retain_class_held(r, INT64_C(1830297600) * CLOCK_NS_PER_SEC));
	r = retain_class_rule(set, "b");
	assert_int_equal(r->keep_ns, 9);
	assert_int_equal(r->priority, CONF_CLASS_PRIORITY);
	assert_true(retain_class_held(r, INT64_MAX - 1));
	r = retain_class_rule(set, "default");
	assert_int_equal(r->keep_ns, 9);
	assert_false(retain_class_held(r, INT64_MIN + 1));
	assert_null(retain_class_rule(set, "c"));
	retain_class_free(&set);
}

static void no_set_is_the_default_class(void **state)
{
	struct event ev = event("AUTH", NULL, NULL, 0);
	struct retain_class_set *set;

	(void)state;
	assert_int_equal(retain_class_of(NULL, &ev), 0);
	assert_int_equal(retain_class_count(NULL), 1);
	assert_string_equal(retain_class_name(NULL, 0), "default");
	assert_int_equal(retain_class_rule(NULL, "default")->keep_ns, 0);
	assert_null(retain_class_rule(NULL, "audit"));
	set = compile();
	assert_int_equal(retain_class_of(set, &ev), 0);
	retain_class_free(&set);
}

static void refuses(const char *match, int code, const char *told)
{
	struct retain_class_set *set = NULL;
	struct diag d = { .text = "" };
	char want[DIAG_TEXT_BYTES];
	int rc;

	conf_class_fini(&conf);
	put("x", "match", match);
	rc = retain_class_new(&conf, 0, &set, &d);
	assert_int_equal(rc, code);
	assert_null(set);
	snprintf(want, sizeof want, "a.conf:7: [class x] match: column %s", told);
	if (strncmp(d.text, want, strlen(want)) != 0)
		fail_msg("told: %s\nnot:  %s", d.text, want);
}

static void mistakes_are_named(void **state)
{
	(void)state;
	refuses("", ERR_SYNTAX, "1: expected a field, 'not' or '(', found the end");
	refuses("event_type", ERR_SYNTAX, "11: expected =, !=, 'in' or 'not in', found the end");
	refuses("event_type =", ERR_SYNTAX,
		"13: expected a value, a word or \"text\", found the end");
	refuses("event_type = )", ERR_SYNTAX,
		"14: expected a value, a word or \"text\", found ')'");
	refuses("event_type = and", ERR_SYNTAX,
		"14: expected a value (this word stands for itself");
	refuses("type = A", ERR_UNKNOWN, "1: expected a field: event_type, entity_type");
	refuses("\"event_type\" = A", ERR_SYNTAX, "1: expected a field");
	refuses("metadata.tenant = A", ERR_UNKNOWN, "1: expected a field");
	refuses("event_type < A", ERR_SYNTAX, "12: expected =, !=, 'in' or 'not in', found '<'");
	refuses("event_type == A", ERR_SYNTAX,
		"13: expected a value, a word or \"text\", found '='");
	refuses("event_type in A", ERR_SYNTAX, "15: expected '(' and the values, found 'A'");
	refuses("event_type in ()", ERR_SYNTAX, "16: expected a value");
	refuses("event_type in (A B)", ERR_SYNTAX, "18: expected ',' or ')', found 'B'");
	refuses("event_type in (A", ERR_SYNTAX, "17: expected ',' or ')', found the end");
	refuses("event_type not (A)", ERR_SYNTAX, "16: expected 'in', found '('");
	refuses("severity = loud", ERR_UNKNOWN, "12: expected a severity: emergency");
	refuses("severity >= 3", ERR_SYNTAX, "13: expected the word for a severity");
	refuses("severity ~ 3", ERR_SYNTAX, "10: expected =, !=, <, <=, >, >=, 'in'");
	refuses("(event_type = A", ERR_SYNTAX, "16: expected 'and', 'or' or ')', found the end");
	refuses("event_type = A)", ERR_SYNTAX, "15: expected 'and', 'or' or the end, found ')'");
	refuses("event_type = A or", ERR_SYNTAX, "18: expected a field");
	refuses("event_type = \"A", ERR_SYNTAX, "14: expected a value");
	refuses("event_type = \"A\\n\"", ERR_SYNTAX, "14: expected a value");
	refuses("event_type = A | user_id = b", ERR_SYNTAX,
		"16: expected a field, 'not' or '(', found '|'");
}

static void repeated(struct buf *b, const char *text, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		buf_put_str(b, text);
}

static void limits_hold(void **state)
{
	struct event ev = event("A", NULL, NULL, 0);
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	repeated(&b, "(", LIMIT_CLASS_DEPTH);
	buf_put_str(&b, "event_type = A");
	repeated(&b, ")", LIMIT_CLASS_DEPTH);
	buf_put_u8(&b, 0);
	assert_true(holds((const char *)b.p, &ev));
	buf_reset(&b);
	repeated(&b, "(", LIMIT_CLASS_DEPTH + 1);
	buf_put_u8(&b, 0);
	refuses((const char *)b.p, ERR_DEPTH, "34: expected fewer parentheses");
	buf_reset(&b);
	repeated(&b, "severity = error ", LIMIT_CLASS_TESTS);
	buf_put_u8(&b, 0);
	assert_false(holds((const char *)b.p, &ev));
	b.len--;
	buf_put_str(&b, "severity = error");
	buf_put_u8(&b, 0);
	refuses((const char *)b.p, ERR_LIMIT, "17418: all rules together have more");
	buf_reset(&b);
	buf_put_str(&b, "user_id in (a");
	repeated(&b, ",a", LIMIT_CLASS_TESTS);
	buf_put_str(&b, ")");
	buf_put_u8(&b, 0);
	refuses((const char *)b.p, ERR_LIMIT, "2061: all rules together have more");
	buf_fini(&b);
}

/* ---- random expressions ---- */

enum { NODES_MAX = 64, WORDS = 3 };

static const char *const words[WORDS] = { "A", "B", "" };

struct node {
	enum { EQ, NE, IN, SEVERE, NOT, AND, OR } kind;
	int field; /* of three texts */
	int word;
	int left, right;
};

static struct node nodes[NODES_MAX];
static int nodes_count;
static unsigned seed;

static unsigned dice(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

static int grow(int depth)
{
	int at = nodes_count++;
	unsigned kind = depth > 0 && nodes_count < NODES_MAX - 2 ? dice(7) : dice(4);

	nodes[at] = (struct node){ .kind = kind, .field = (int)dice(3), .word = (int)dice(WORDS) };
	if (kind >= NOT)
		nodes[at].left = grow(depth - 1);
	if (kind >= AND && nodes_count < NODES_MAX)
		nodes[at].right = grow(depth - 1);
	else if (kind >= AND)
		nodes[at].kind = NOT;
	return at;
}

static const char *const fields[] = { "event_type", "user_id", "service" };

static void print(int at, struct buf *b)
{
	const struct node *n = &nodes[at];

	switch (n->kind) {
	case EQ:
	case NE:
		buf_printf(b, "%s %s \"%s\"", fields[n->field],
			n->kind == EQ ? "=" : "!=", words[n->word]);
		break;
	case IN:
		buf_printf(b, "%s in (B, \"%s\")", fields[n->field], words[n->word]);
		break;
	case SEVERE:
		buf_printf(b, "severity >= %s", event_severity_name(n->word + 2));
		break;
	case NOT:
		buf_put_str(b, "not (");
		print(n->left, b);
		buf_put_str(b, ")");
		break;
	case AND:
	case OR:
		buf_put_str(b, "(");
		print(n->left, b);
		buf_put_str(b, n->kind == OR ? " or " : dice(2) ? " and " : " ");
		print(n->right, b);
		buf_put_str(b, ")");
		break;
	}
}

static bool judge(int at, const struct event *ev)
{
	static const int texts[] = { EVENT_TEXT_EVENT_TYPE, EVENT_TEXT_USER_ID,
		EVENT_TEXT_SERVICE };
	const struct node *n = &nodes[at];
	struct span text = ev->text[texts[n->field]];
	bool is = text.p && span_eq(text, span_str(words[n->word]));

	switch (n->kind) {
	case EQ:
		return is;
	case NE:
		return !is;
	case IN:
		return is || (text.p && span_eq(text, SPAN_LIT("B")));
	case SEVERE:
		return ev->severity <= n->word + 2;
	case NOT:
		return !judge(n->left, ev);
	case AND:
		return judge(n->left, ev) && judge(n->right, ev);
	case OR:
		return judge(n->left, ev) || judge(n->right, ev);
	}
	return false;
}

static const char *any_word(void)
{
	unsigned i = dice(WORDS + 2);

	return i < WORDS ? words[i] : i == WORDS ? "C" : NULL;
}

static void like_its_tree(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 16);
	for (unsigned round = 0; round < 2000; round++) {
		struct retain_class_set *set;
		int top;

		seed = round;
		nodes_count = 0;
		top = grow(6);
		buf_reset(&b);
		print(top, &b);
		buf_put_u8(&b, 0);
		conf_class_fini(&conf);
		put("x", "match", (const char *)b.p);
		set = compile();
		for (int i = 0; i < 40; i++) {
			struct event ev = event(any_word(), any_word(), any_word(), (int)dice(8));

			if ((retain_class_of(set, &ev) == 1) != judge(top, &ev))
				fail_msg("round %u: %s", round, (const char *)b.p);
		}
		retain_class_free(&set);
	}
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(tests_hold),
		T(a_rule_chooses),
		T(worse_is_greater),
		T(first_match_wins),
		T(rules_are_kept),
		T(no_set_is_the_default_class),
		T(mistakes_are_named),
		T(limits_hold),
		T(like_its_tree),
#undef T
	};

	return cmocka_run_group_tests_name("retain_class", tests, NULL, NULL);
}
