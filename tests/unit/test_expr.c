/*
 * Goal:   trees made by the builders mean what their tests say of events, texts and cells, and their
 *         normal forms are small, stable and the same for the same question.
 * Method: one event with metadata of every kind; trees against it; limits reached one by one.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/expr/expr.h"
#include "proto/expr/expr_regex_int.h"
#include "proto/wire/json_in.h"

static const char metadata_json[] =
	"{\"amount\":12.5,\"big\":9007199254740993,\"max\":18446744073709551615,\"neg\":-3,"
	"\"ok\":true,\"none\":null,\"code\":\"404\",\"word\":\"Alpha Beta\",\"list\":[1,2],"
	"\"a\":{\"b\":{\"c\":7},\"x.y\":\"dot\"},\"zero\":-0.0,\"truth\":\"true\"}";

struct fixture {
	struct buf metadata;
	struct event ev;
	struct expr_builder b;
	struct expr_scratch *scratch;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct json_in_error e;

	assert_non_null(f);
	buf_init(&f->metadata, 1 << 20);
	assert_int_equal(json_in_text(SPAN_LIT(metadata_json), 0, &f->metadata, &e), 0);
	f->ev = (struct event){ .id = 77,
		.time_ns = 1000,
		.received_ns = -5,
		.severity = EVENT_SEVERITY_ERROR,
		.metadata = buf_span(&f->metadata) };
	f->ev.text[EVENT_TEXT_EVENT_TYPE] = SPAN_LIT("AUTH");
	f->ev.text[EVENT_TEXT_ENTITY_ID] = SPAN_LIT("42");
	f->ev.text[EVENT_TEXT_DESCRIPTION] = SPAN_LIT("Login of J\xc3\xb6rg failed \xff twice");
	f->ev.text[EVENT_TEXT_HOST] = SPAN_LIT("");
	expr_builder_init(&f->b);
	f->scratch = expr_scratch_new();
	assert_non_null(f->scratch);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	expr_scratch_free(&f->scratch);
	expr_builder_fini(&f->b);
	buf_fini(&f->metadata);
	free(f);
	return 0;
}

/* Of the tree, its normal form, and the negations of both. */
static bool holds(struct fixture *f, const struct expr *x)
{
	const struct expr *n = expr_normalise(&f->b, x), *no = expr_not(&f->b, x), *n_no;
	bool yes;

	assert_int_equal(f->b.err, 0);
	yes = expr_match(x, &f->ev, f->scratch);
	n_no = expr_normalise(&f->b, no);
	assert_int_equal(f->b.err, 0);
	assert_int_equal(expr_match(n, &f->ev, f->scratch), yes);
	assert_int_equal(expr_match(no, &f->ev, f->scratch), !yes);
	assert_int_equal(expr_match(n_no, &f->ev, f->scratch), !yes);
	return yes;
}

static struct expr_field field(struct fixture *f, const char *name)
{
	struct expr_field out;

	assert_int_equal(expr_field_find(&f->b, span_str(name), &out), 0);
	return out;
}

static bool is(struct fixture *f, const char *name, const char *value)
{
	struct expr_field at = field(f, name);
	struct expr_value v = expr_value_bare(span_str(value));

	return holds(f, expr_in(&f->b, &at, &v, 1));
}

static bool is_quoted(struct fixture *f, const char *name, const char *value)
{
	struct expr_field at = field(f, name);
	struct expr_value v = expr_value_quoted(span_str(value));

	return holds(f, expr_in(&f->b, &at, &v, 1));
}

static bool has(struct fixture *f, const char *name, const char *needle)
{
	struct expr_field at = field(f, name);

	return holds(f, expr_contains(&f->b, &at, span_str(needle)));
}

static bool matches(struct fixture *f, const char *name, const char *pattern)
{
	struct expr_field at = field(f, name);
	char text[100];
	size_t off;

	return holds(f, expr_matches(&f->b, &at, span_str(pattern), &off, text, sizeof text));
}

static bool order(struct fixture *f, const char *name, enum expr_order order, const char *value)
{
	struct expr_field at = field(f, name);
	struct expr_value v = expr_value_bare(span_str(value));

	return holds(f, expr_order(&f->b, &at, order, &v));
}

static void values_equal_by_kind(void **state)
{
	struct fixture *f = *state;

	assert_true(is(f, "event_type", "AUTH"));
	assert_true(is(f, "action", "AUTH"));
	assert_false(is(f, "event_type", "auth"));
	assert_true(is(f, "entity_id", "42"));
	assert_false(is(f, "entity_id", "42.0"));
	assert_true(is(f, "host", ""));
	assert_false(is(f, "service", ""));
	assert_true(is(f, "metadata.amount", "12.50"));
	assert_false(is_quoted(f, "metadata.amount", "12.5"));
	assert_true(is(f, "metadata.big", "9007199254740993"));
	assert_false(is(f, "metadata.big", "9007199254740992"));
	assert_false(is(f, "metadata.big", "9007199254740992.0"));
	assert_true(is(f, "metadata.max", "18446744073709551615"));
	assert_false(is(f, "metadata.max", "18446744073709551616"));
	assert_true(is(f, "metadata.neg", "-3.0"));
	assert_true(is(f, "metadata.zero", "0"));
	assert_true(is(f, "metadata.ok", "true"));
	assert_false(is_quoted(f, "metadata.ok", "true"));
	assert_true(is(f, "metadata.truth", "true"));
	assert_true(is_quoted(f, "metadata.truth", "true"));
	assert_true(is(f, "metadata.none", "null"));
	assert_true(is(f, "metadata.code", "404"));
	assert_true(is_quoted(f, "metadata.code", "404"));
	assert_false(is(f, "metadata.code", "404.0"));
	assert_false(is(f, "metadata.list", "1"));
	assert_true(is(f, "metadata.a.b.c", "7"));
	assert_true(is(f, "meta.a.\"x.y\"", "dot"));
	assert_false(is(f, "metadata.a.x.y", "dot"));
}

static void orders_compare_by_kind(void **state)
{
	struct fixture *f = *state;

	assert_true(order(f, "metadata.amount", EXPR_GT, "12.4"));
	assert_false(order(f, "metadata.amount", EXPR_GT, "12.5"));
	assert_true(order(f, "metadata.amount", EXPR_GE, "12.5"));
	assert_true(order(f, "metadata.big", EXPR_GT, "9007199254740992.0"));
	assert_true(order(f, "metadata.max", EXPR_LT, "1e30"));
	assert_true(order(f, "metadata.code", EXPR_LE, "404.0"));
	assert_true(order(f, "entity_id", EXPR_LT, "100"));
	assert_false(order(f, "event_type", EXPR_LT, "100"));
	assert_true(order(f, "event_type", EXPR_LT, "B"));
	assert_false(order(f, "metadata.amount", EXPR_LT, "B"));
	assert_false(order(f, "metadata.ok", EXPR_LE, "true"));
	assert_false(order(f, "metadata.none", EXPR_GE, "null"));
	assert_false(order(f, "metadata.nowhere", EXPR_GE, "0"));
}

static void texts_are_searched(void **state)
{
	struct fixture *f = *state;

	assert_true(has(f, "description", "LOGIN of"));
	assert_false(has(f, "description", "J\xc3\x96rg"));
	assert_true(has(f, "host", ""));
	assert_false(has(f, "service", ""));
	assert_true(has(f, "metadata.word", "beta"));
	assert_false(has(f, "metadata.amount", "12"));
	assert_true(matches(f, "description", "^Login of J.rg f(ai)+led"));
	assert_true(matches(f, "description", "failed .*$") == false);
	assert_true(matches(f, "description", "twice$"));
	assert_true(matches(f, "metadata.word", "(?i)alpha"));
	assert_false(matches(f, "metadata.word", "alpha"));
	assert_false(matches(f, "metadata.neg", "3"));
	assert_true(matches(f, "host", "^$"));
	assert_int_equal(expr_scratch_given_up(f->scratch), 0);
}

static void presence(void **state)
{
	struct fixture *f = *state;
	static const char *const there[] = { "event_type", "host", "severity", "id", "received",
		"metadata.none", "metadata.list", "metadata.a", "metadata.a.b" };
	static const char *const absent[] = { "service", "metadata.b", "metadata.a.b.c.d",
		"metadata.list.a" };
	struct expr_field at;

	for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
		at = field(f, there[i]);
		assert_true(holds(f, expr_exists(&f->b, &at)));
	}
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
		at = field(f, absent[i]);
		assert_false(holds(f, expr_exists(&f->b, &at)));
	}
}

static void numbers_of_the_event(void **state)
{
	struct fixture *f = *state;
	struct expr_field id = expr_field_of(EXPR_FIELD_ID), time = expr_field_of(EXPR_FIELD_TIME),
			  received = expr_field_of(EXPR_FIELD_RECEIVED);
	const struct expr_range ids[] = { { 90, 95 }, { 70, 77 }, { 5, 4 } };
	const struct expr_range times[] = { { expr_time_key(1001), expr_time_key(INT64_MAX) } };
	const struct expr_range before[] = { { expr_time_key(INT64_MIN), expr_time_key(-5) } };

	assert_true(holds(f, expr_ranges(&f->b, &id, ids, 3)));
	assert_false(holds(f, expr_ranges(&f->b, &id, ids, 1)));
	assert_false(holds(f, expr_ranges(&f->b, &time, times, 1)));
	assert_true(holds(f, expr_ranges(&f->b, &received, before, 1)));
	assert_false(holds(f, expr_ranges(&f->b, &received, before, 0)));
	assert_true(holds(f, expr_severity(&f->b, 1 << EVENT_SEVERITY_ERROR)));
	assert_false(holds(f, expr_severity(&f->b, 1 << EVENT_SEVERITY_INFO)));
}

static const struct expr *type_in(struct fixture *f, const char *a, const char *b)
{
	const struct span values[] = { span_str(a), span_str(b) };

	return expr_text_in(&f->b, EVENT_TEXT_EVENT_TYPE, values, b ? 2 : 1);
}

static void tests_of_one_field_become_one(void **state)
{
	struct fixture *f = *state;
	struct expr_builder *b = &f->b;
	const struct expr *ab = type_in(f, "B", "A"), *bc = type_in(f, "B", "C"), *x;

	x = expr_normalise(b, expr_and(b, ab, bc));
	assert_int_equal(x->kind, EXPR_TEST);
	assert_int_equal(x->values_count, 1);
	x = expr_normalise(b, expr_or(b, ab, bc));
	assert_int_equal(x->values_count, 3);
	x = expr_normalise(b, expr_and(b, ab, expr_not(b, bc)));
	assert_int_equal(x->values_count, 1);
	assert_memory_equal(x->values[0].text.p, "A", 1);
	assert_false(x->negate);
	x = expr_normalise(b, expr_or(b, ab, expr_not(b, bc)));
	assert_true(x->negate);
	assert_memory_equal(x->values[0].text.p, "C", 1);
	x = expr_normalise(b, expr_or(b, ab, expr_not(b, ab)));
	assert_int_equal(x->kind, EXPR_TRUE);
	x = expr_normalise(b, expr_and(b, type_in(f, "X", NULL), type_in(f, "Y", NULL)));
	assert_int_equal(x->kind, EXPR_FALSE);
	x = expr_normalise(b, expr_and(b, expr_severity(b, 3), expr_severity(b, 6)));
	assert_int_equal(x->severity_mask, 2);
	x = expr_normalise(b, expr_or(b, expr_severity(b, 0xf0), expr_severity(b, 0x0f)));
	assert_int_equal(x->kind, EXPR_TRUE);
	assert_int_equal(b->err, 0);
}

static void tests_are_numbered_in_order(void **state)
{
	struct fixture *f = *state;
	struct expr_builder *b = &f->b;
	struct expr_field d = expr_field_text(EVENT_TEXT_DESCRIPTION);
	const struct expr *word = expr_contains(b, &d, SPAN_LIT("x"));
	const struct expr *x = expr_and(b, expr_or(b, word, expr_severity(b, 1)),
		expr_and(b, expr_not(b, word), type_in(f, "A", NULL)));

	x = expr_normalise(b, x);
	assert_int_equal(x->kind, EXPR_AND);
	assert_int_equal(expr_tests_count(x), 4);
	assert_int_equal(x->args[0]->test, EXPR_TEST_IN);
	assert_int_equal(x->args[0]->index, 0);
	assert_int_equal(x->args[1]->test, EXPR_TEST_CONTAINS);
	assert_true(x->args[1]->negate);
	assert_int_equal(x->args[2]->kind, EXPR_OR);
	assert_int_equal(x->args[2]->args[0]->index, 2);
}

/*
 * Patterns that double their work with each character are given up, and the more of them the sooner:
 * as the number of texts grows the time does not, or this test would not end.
 */
static void hostile_patterns_end(void **state)
{
	static const char *const patterns[] = { "^(a+)+$", "^(a|aa)+$", "^(a|a?)+$", "^((a|b)*)*c$",
		"(.*.*)*=!", "(?:a?){40}a{40}b", "(x+x+)+y", "(?=(a+))a*b\\1c",
		"^(([a-z])+.)+[A-Z]([a-z])+$" };
	struct fixture *f = *state;
	struct expr_field d = expr_field_text(EVENT_TEXT_DESCRIPTION);
	char text[400];

	memset(text, 'a', sizeof text);
	text[sizeof text - 1] = '!';
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		const struct expr *x =
			expr_matches(&f->b, &d, span_str(patterns[i]), NULL, NULL, 0);

		assert_non_null(x);
		expr_scratch_reset(f->scratch);
		for (int k = 0; k < 2000; k++)
			assert_false(expr_test_text(x, span_of(text, sizeof text), f->scratch));
		/* Where a literal or a trick of PCRE2's decides first, nothing has to be given up. */
		if (i < 2)
			assert_int_equal(expr_scratch_given_up(f->scratch), 2000);
		expr_scratch_reset(f->scratch);
		assert_int_equal(expr_scratch_given_up(f->scratch), 0);
	}
}

/* An innocent pattern on the longest text that an event can have stays far below the limits. */
static void long_texts_are_searched_to_their_end(void **state)
{
	struct fixture *f = *state;
	struct expr_field d = expr_field_text(EVENT_TEXT_DESCRIPTION);
	const struct expr *x =
		expr_matches(&f->b, &d, SPAN_LIT("user [a-z]+ .*logged (in|out)$"), NULL, NULL, 0);
	char *text = malloc(LIMIT_EVENT_BYTES);

	assert_non_null(text);
	for (size_t i = 0; i < LIMIT_EVENT_BYTES; i++)
		text[i] = "some words and a few more "[i % 26];
	memcpy(text + LIMIT_EVENT_BYTES - 30, "user anna has been logged out!", 30);
	assert_false(expr_test_text(x, span_of(text, LIMIT_EVENT_BYTES), f->scratch));
	assert_true(expr_test_text(x, span_of(text, LIMIT_EVENT_BYTES - 1), f->scratch));
	assert_int_equal(expr_scratch_given_up(f->scratch), 0);
	free(text);
}

static const struct expr *pattern_of(struct fixture *f, const char *pattern)
{
	struct expr_field d = expr_field_text(EVENT_TEXT_DESCRIPTION);
	const struct expr *x = expr_matches(&f->b, &d, span_str(pattern), NULL, NULL, 0);

	assert_non_null(x);
	return x;
}

/* Repetitions are written out when a pattern is compiled. */
static void compiled_patterns_have_a_limit(void **state)
{
	struct fixture *f = *state;
	struct expr_field d = expr_field_text(EVENT_TEXT_DESCRIPTION);
	char text[64], why[120] = "";

	snprintf(text, sizeof text, "(?:abcdefgh){%d}", LIMIT_EXPR_REGEX_CODE_BYTES / 64);
	assert_non_null(expr_matches(&f->b, &d, span_str(text), NULL, why, sizeof why));
	snprintf(text, sizeof text, "(?:abcdefgh){%d}", LIMIT_EXPR_REGEX_CODE_BYTES / 8);
	assert_null(expr_matches(&f->b, &d, span_str(text), NULL, why, sizeof why));
	assert_int_equal(f->b.err, ERR_LIMIT);
	assert_non_null(strstr(why, "too large"));
}

/* Each text given up halves the steps of the next, down to what every innocent search needs. */
static void steps_end_at_the_least(void **state)
{
	struct fixture *f = *state;
	const struct expr *hostile = pattern_of(f, "^(a+)+$"),
			  *innocent = pattern_of(f, "an+a [0-9]");
	char text[LIMIT_EXPR_REGEX_STEPS_MIN / 4];
	uint32_t steps = LIMIT_EXPR_REGEX_STEPS;

	memset(text, 'a', sizeof text);
	text[sizeof text - 1] = '!';
	expr_scratch_reset(f->scratch);
	for (uint64_t n = 1; n < 40; n++) {
		assert_int_equal(expr_scratch_regex(f->scratch)->steps, steps);
		assert_false(expr_test_text(hostile, span_of(text, sizeof text), f->scratch));
		assert_int_equal(expr_scratch_given_up(f->scratch), n);
		steps = steps / 2 > LIMIT_EXPR_REGEX_STEPS_MIN ? steps / 2
							       : LIMIT_EXPR_REGEX_STEPS_MIN;
	}
	assert_int_equal(steps, LIMIT_EXPR_REGEX_STEPS_MIN);
	memcpy(text + sizeof text - 7, "anna 12", 7);
	assert_true(expr_test_text(innocent, span_of(text, sizeof text), f->scratch));
	assert_int_equal(expr_scratch_given_up(f->scratch), 39);
	expr_scratch_reset(f->scratch);
	assert_int_equal(expr_scratch_regex(f->scratch)->steps, LIMIT_EXPR_REGEX_STEPS);
}

/* Every character leaves a way not yet tried: few are remembered, as many as there are steps are not. */
static void ways_not_tried(struct fixture *f, const char *pattern, size_t few, size_t many)
{
	const struct expr *x = pattern_of(f, pattern);
	char *text = malloc(many);

	assert_non_null(text);
	memset(text, 'a', many);
	expr_scratch_reset(f->scratch);
	assert_true(expr_test_text(x, span_of(text, few), f->scratch));
	assert_int_equal(expr_scratch_given_up(f->scratch), 0);
	assert_false(expr_test_text(x, span_of(text, many), f->scratch));
	assert_int_equal(expr_scratch_given_up(f->scratch), 1);
	free(text);
}

static void memory_of_a_match_has_a_limit(void **state)
{
	enum { HEAP = LIMIT_EXPR_REGEX_HEAP_KIB << 10 };

	static_assert(HEAP / 16 < LIMIT_EXPR_REGEX_STEPS / 4, "it is not the steps that end it");
	static_assert(LIMIT_EXPR_REGEX_STACK_BYTES / 4 < LIMIT_EXPR_REGEX_STEPS / 4, "the same");
	ways_not_tried(*state, "^(?:a|b)*$", LIMIT_EXPR_REGEX_STACK_BYTES / 256,
		LIMIT_EXPR_REGEX_STACK_BYTES / 4);
	ways_not_tried(*state, "(*NO_JIT)^(?:a|b)*$", HEAP / 1024, HEAP / 16);
}

static void limits_are_reached(void **state)
{
	struct fixture *f = *state;
	struct expr_builder *b = &f->b;
	struct expr_field d = expr_field_text(EVENT_TEXT_DESCRIPTION);
	const struct expr *x = NULL;
	static uint8_t long_pattern[LIMIT_EXPR_REGEX_BYTES + 1];

	for (int i = 0; i < LIMIT_EXPR_REGEXES; i++)
		assert_non_null(expr_matches(b, &d, SPAN_LIT("a"), NULL, NULL, 0));
	assert_null(expr_matches(b, &d, SPAN_LIT("a"), NULL, NULL, 0));
	assert_int_equal(b->err, ERR_LIMIT);
	/* The first error sticks. */
	assert_null(expr_true(b));
	expr_builder_fini(b);

	expr_builder_init(b);
	memset(long_pattern, 'a', sizeof long_pattern);
	assert_non_null(
		expr_matches(b, &d, span_of(long_pattern, LIMIT_EXPR_REGEX_BYTES), NULL, NULL, 0));
	assert_null(expr_matches(b, &d, span_of(long_pattern, sizeof long_pattern), NULL, NULL, 0));
	assert_int_equal(b->err, ERR_LIMIT);
	expr_builder_fini(b);

	expr_builder_init(b);
	assert_null(expr_matches(b, &d, SPAN_LIT("(?:(?:ab){1,60}){1,60}"), NULL, NULL, 0));
	assert_int_equal(b->err, ERR_LIMIT);
	expr_builder_fini(b);

	expr_builder_init(b);
	x = expr_severity(b, 1);
	for (int i = 0; i < LIMIT_EXPR_DEPTH - 1; i++)
		x = i % 2 ? expr_and(b, x, expr_severity(b, 2))
			  : expr_or(b, x, expr_severity(b, 2));
	assert_non_null(x);
	assert_null(expr_not(b, x));
	assert_int_equal(b->err, ERR_DEPTH);
	expr_builder_fini(b);

	expr_builder_init(b);
	for (int i = 0; i < LIMIT_EXPR_NODES; i++)
		assert_non_null(expr_true(b));
	assert_null(expr_true(b));
	assert_int_equal(b->err, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_equal_by_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(orders_compare_by_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(texts_are_searched, setup, teardown),
		cmocka_unit_test_setup_teardown(presence, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_of_the_event, setup, teardown),
		cmocka_unit_test_setup_teardown(tests_of_one_field_become_one, setup, teardown),
		cmocka_unit_test_setup_teardown(tests_are_numbered_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_patterns_end, setup, teardown),
		cmocka_unit_test_setup_teardown(
			long_texts_are_searched_to_their_end, setup, teardown),
		cmocka_unit_test_setup_teardown(compiled_patterns_have_a_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(steps_end_at_the_least, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_of_a_match_has_a_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_are_reached, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
