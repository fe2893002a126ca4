#include "storage/retain_match.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

enum {
	FIELD_SEVERITY = EVENT_TEXT_COUNT,
	/* Ends a chain of exits. An exit is test * 2 + side. */
	CHAIN_END = INT32_MIN,
	FOUND_BYTES = 48,
};

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_TEXT, /* in quotes */
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_COMMA,
	TOKEN_EQ,
	TOKEN_NE,
	TOKEN_LT,
	TOKEN_LE,
	TOKEN_GT,
	TOKEN_GE,
	TOKEN_BAD, /* no token begins so, or quotes that do not end */
};

struct token {
	enum token_kind kind;
	const char *p; /* with its quotes */
	size_t n;
};

struct parser {
	struct retain_match_program *program;
	const char *text;
	struct token token; /* the one to be read next */
	unsigned depth;
	struct diag *diag;
};

/* ---- tokens ---- */

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("_-.:/@*+%#", c)) || (c & 0x80);
}

/* Bytes of the text in quotes at p, both quotes counted; 0: it does not end. */
static size_t quoted_bytes(const char *p)
{
	for (size_t n = 1; p[n]; n++) {
		if (p[n] == '"')
			return n + 1;
		if (p[n] == '\\' && (p[n + 1] == '"' || p[n + 1] == '\\'))
			n++;
		else if (p[n] == '\\')
			return 0;
	}
	return 0;
}

static struct token token_at(const char *p)
{
	static const struct {
		char text[3];
		enum token_kind kind;
	} signs[] = {
		{ "!=", TOKEN_NE },
		{ "<=", TOKEN_LE },
		{ ">=", TOKEN_GE },
		{ "=", TOKEN_EQ },
		{ "<", TOKEN_LT },
		{ ">", TOKEN_GT },
		{ "(", TOKEN_OPEN },
		{ ")", TOKEN_CLOSE },
		{ ",", TOKEN_COMMA },
	};
	size_t n = 0;

	if (*p == 0)
		return (struct token){ TOKEN_END, p, 0 };
	if (*p == '"') {
		n = quoted_bytes(p);
		return (struct token){ n ? TOKEN_TEXT : TOKEN_BAD, p, n ? n : strlen(p) };
	}
	while (is_word(p[n]))
		n++;
	if (n > 0)
		return (struct token){ TOKEN_WORD, p, n };
	for (size_t i = 0; i < ARRAY_COUNT(signs); i++) {
		n = strlen(signs[i].text);
		if (strncmp(p, signs[i].text, n) == 0)
			return (struct token){ signs[i].kind, p, n };
	}
	return (struct token){ TOKEN_BAD, p, 1 };
}

static void advance(struct parser *s)
{
	const char *p = s->token.p + s->token.n;

	while (*p == ' ' || *p == '\t')
		p++;
	s->token = token_at(p);
}

static bool is_keyword(const struct token *t, const char *word)
{
	return t->kind == TOKEN_WORD && t->n == strlen(word) && strncasecmp(t->p, word, t->n) == 0;
}

static bool is_any_keyword(const struct token *t)
{
	return is_keyword(t, "and") || is_keyword(t, "or") || is_keyword(t, "not") ||
	       is_keyword(t, "in");
}

static bool take(struct parser *s, enum token_kind kind)
{
	if (s->token.kind != kind)
		return false;
	advance(s);
	return true;
}

static bool take_keyword(struct parser *s, const char *word)
{
	if (!is_keyword(&s->token, word))
		return false;
	advance(s);
	return true;
}

static int wrong(const struct parser *s, int code, const char *expected)
{
	const struct token *t = &s->token;
	char found[FOUND_BYTES] = "the end";

	if (t->kind != TOKEN_END)
		snprintf(found, sizeof found, "'%.*s'", t->n < 32 ? (int)t->n : 32, t->p);
	return diag_set(s->diag, code, "", -1, "column %zu: expected %s, found %s",
		(size_t)(t->p - s->text) + 1, expected, found);
}

/* ---- the program ---- */

static int no_memory(const struct parser *s)
{
	return diag_set(s->diag, -ENOMEM, "", -1, "keep a rule of a retention class");
}

static int too_long(const struct parser *s)
{
	return diag_set(s->diag, ERR_LIMIT, "", -1,
		"column %zu: all rules together have more than %d tests and values",
		(size_t)(s->token.p - s->text) + 1, LIMIT_CLASS_TESTS);
}

/* A test whose exits are both open. */
static int add_test(struct parser *s, unsigned field, struct retain_match_part *out)
{
	struct retain_match_program *p = s->program;
	struct retain_match_test *tests;
	int32_t at = (int32_t)p->tests_count;

	if (p->tests_count == LIMIT_CLASS_TESTS)
		return too_long(s);
	tests = realloc(p->tests, (p->tests_count + 1) * sizeof *tests);
	if (!tests)
		return no_memory(s);
	p->tests = tests;
	tests[p->tests_count++] = (struct retain_match_test){
		.field = (uint8_t)field,
		.first = (uint32_t)p->values_count,
		.next = { CHAIN_END, CHAIN_END },
	};
	*out = (struct retain_match_part){ at, { at * 2, at * 2 + 1 } };
	return 0;
}

static int32_t *exit_at(struct retain_match_program *p, int32_t exit)
{
	ASSERT(exit >= 0);
	ASSERT((size_t)exit / 2 < p->tests_count);
	return &p->tests[exit / 2].next[exit % 2];
}

/* The chain of a, then that of b. */
static int32_t join(struct retain_match_program *p, int32_t a, int32_t b)
{
	int32_t *end = exit_at(p, a);

	while (*end != CHAIN_END)
		end = exit_at(p, *end);
	*end = b;
	return a;
}

void retain_match_patch(struct retain_match_program *p, int32_t chain, int32_t target)
{
	ASSERT(target != CHAIN_END);
	while (chain != CHAIN_END) {
		int32_t *at = exit_at(p, chain);

		chain = *at;
		*at = target;
	}
}

static void swap_exits(struct retain_match_part *part)
{
	int32_t yes = part->exits[1];

	part->exits[1] = part->exits[0];
	part->exits[0] = yes;
}

/* a and b (on = 1): b is asked when a holds; a or b (on = 0): when it does not. */
static void chain_parts(struct retain_match_program *p, struct retain_match_part *a,
	const struct retain_match_part *b, int on)
{
	retain_match_patch(p, a->exits[on], b->first);
	a->exits[on] = b->exits[on];
	a->exits[!on] = join(p, a->exits[!on], b->exits[!on]);
}

/* ---- values ---- */

static int add_value(struct parser *s)
{
	struct retain_match_program *p = s->program;
	struct retain_match_value *values;
	uint8_t *copy;
	size_t n = 0;

	if (p->values_count == LIMIT_CLASS_TESTS)
		return too_long(s);
	values = realloc(p->values, (p->values_count + 1) * sizeof *values);
	if (values)
		p->values = values;
	copy = malloc(s->token.n + 1);
	if (!values || !copy) {
		free(copy);
		return no_memory(s);
	}
	for (size_t i = 0; i < s->token.n; i++) {
		bool quoted = s->token.kind == TOKEN_TEXT;

		if (quoted && (i == 0 || i == s->token.n - 1))
			continue;
		if (quoted && s->token.p[i] == '\\')
			i++;
		copy[n++] = (uint8_t)s->token.p[i];
	}
	values[p->values_count++] = (struct retain_match_value){ copy, n };
	p->tests[p->tests_count - 1].count++;
	return 0;
}

/* The severity that the token names, without adding it. */
static int severity_of(const struct parser *s, int *out)
{
	const struct token *t = &s->token;
	bool quoted = t->kind == TOKEN_TEXT;
	int found = event_severity_find(quoted ? span_of(t->p + 1, t->n - 2) : span_of(t->p, t->n));

	if (found < 0)
		return wrong(s, ERR_UNKNOWN,
			"a severity: emergency, alert, critical, error, warning, notice, info or "
			"debug");
	*out = found;
	return 0;
}

static int value(struct parser *s)
{
	struct retain_match_test *test = &s->program->tests[s->program->tests_count - 1];
	const struct token *t = &s->token;
	int rc, severity = 0;

	if (t->kind != TOKEN_TEXT && t->kind != TOKEN_WORD)
		return wrong(s, ERR_SYNTAX, "a value, a word or \"text\"");
	if (is_any_keyword(t))
		return wrong(s, ERR_SYNTAX, "a value (this word stands for itself in quotes)");
	if (test->field != FIELD_SEVERITY) {
		rc = add_value(s);
	} else {
		rc = severity_of(s, &severity);
		if (rc == 0)
			test->severity_mask |= (uint8_t)(1u << severity);
	}
	if (rc == 0)
		advance(s);
	return rc;
}

/* "(" value { "," value } ")" */
static int value_list(struct parser *s)
{
	int rc;

	if (!take(s, TOKEN_OPEN))
		return wrong(s, ERR_SYNTAX, "'(' and the values");
	do {
		rc = value(s);
		if (rc < 0)
			return rc;
	} while (take(s, TOKEN_COMMA));
	return take(s, TOKEN_CLOSE) ? 0 : wrong(s, ERR_SYNTAX, "',' or ')'");
}

/* ---- the grammar ---- */

static int find_field(const struct parser *s)
{
	struct span name = span_of(s->token.p, s->token.n);
	int field = event_text_find(name);

	if (field >= 0)
		return field;
	if (span_eq(name, SPAN_LIT("severity")))
		return FIELD_SEVERITY;
	return wrong(s, ERR_UNKNOWN,
		"a field: event_type, entity_type, entity_id, user_id, description, ip_address, "
		"user_agent, service, host or severity");
}

/* The severities beyond the word, the worse ones having the smaller numbers. */
static int compare_severity(struct parser *s, enum token_kind op)
{
	struct retain_match_test *test = &s->program->tests[s->program->tests_count - 1];
	int severity = 0, rc;

	if (s->token.kind != TOKEN_WORD || isdigit((unsigned char)*s->token.p))
		return wrong(
			s, ERR_SYNTAX, "the word for a severity, of which the worse is greater");
	rc = severity_of(s, &severity);
	if (rc < 0)
		return rc;
	for (int i = 0; i < EVENT_SEVERITY_COUNT; i++) {
		bool in = op == TOKEN_GT   ? i < severity
			  : op == TOKEN_GE ? i <= severity
			  : op == TOKEN_LT ? i > severity
					   : i >= severity;

		test->severity_mask |= (uint8_t)(in << i);
	}
	advance(s);
	return 0;
}

static int test(struct parser *s, struct retain_match_part *out)
{
	enum token_kind op;
	int field, rc;

	if (s->token.kind != TOKEN_WORD || is_any_keyword(&s->token))
		return wrong(s, ERR_SYNTAX, "a field, 'not' or '('");
	field = find_field(s);
	if (field < 0)
		return field;
	advance(s);
	rc = add_test(s, (unsigned)field, out);
	if (rc < 0)
		return rc;
	op = s->token.kind;
	if (is_keyword(&s->token, "in") || is_keyword(&s->token, "not")) {
		bool no = take_keyword(s, "not");

		if (!take_keyword(s, "in"))
			return wrong(s, ERR_SYNTAX, "'in'");
		rc = value_list(s);
		if (no)
			swap_exits(out);
	} else if (op == TOKEN_EQ || op == TOKEN_NE) {
		advance(s);
		rc = value(s);
		if (op == TOKEN_NE)
			swap_exits(out);
	} else if (op >= TOKEN_LT && op <= TOKEN_GE && field == FIELD_SEVERITY) {
		advance(s);
		rc = compare_severity(s, op);
	} else {
		rc = wrong(s, ERR_SYNTAX,
			field == FIELD_SEVERITY ? "=, !=, <, <=, >, >=, 'in' or 'not in'"
						: "=, !=, 'in' or 'not in'");
	}
	return rc;
}

static int any_of(struct parser *s, struct retain_match_part *out);

/* Nots and an opening parenthesis; depth is bounded. */
static int negation(struct parser *s, struct retain_match_part *out)
{
	bool no = false;
	int rc;

	while (take_keyword(s, "not"))
		no = !no;
	if (!take(s, TOKEN_OPEN)) {
		rc = test(s, out);
	} else {
		if (s->depth == LIMIT_CLASS_DEPTH)
			return wrong(s, ERR_DEPTH, "fewer parentheses within each other");
		s->depth++;
		rc = any_of(s, out);
		s->depth--;
		if (rc == 0 && !take(s, TOKEN_CLOSE))
			rc = wrong(s, ERR_SYNTAX, "'and', 'or' or ')'");
	}
	if (rc == 0 && no)
		swap_exits(out);
	return rc;
}

static bool ends_and(const struct token *t)
{
	return t->kind == TOKEN_END || t->kind == TOKEN_CLOSE || is_keyword(t, "or");
}

/* Adjacent terms are joined by and. */
static int all_of(struct parser *s, struct retain_match_part *out)
{
	int rc = negation(s, out);

	while (rc == 0 && !ends_and(&s->token)) {
		struct retain_match_part next;

		take_keyword(s, "and");
		rc = negation(s, &next);
		if (rc == 0)
			chain_parts(s->program, out, &next, 1);
	}
	return rc;
}

static int any_of(struct parser *s, struct retain_match_part *out)
{
	int rc = all_of(s, out);

	while (rc == 0 && take_keyword(s, "or")) {
		struct retain_match_part next;

		rc = all_of(s, &next);
		if (rc == 0)
			chain_parts(s->program, out, &next, 0);
	}
	return rc;
}

int retain_match_compile(struct retain_match_program *p, const char *text,
	struct retain_match_part *out, struct diag *d)
{
	struct parser s = {
		.program = p, .text = text, .token = { TOKEN_END, text, 0 }, .diag = d
	};
	int rc;

	advance(&s);
	rc = any_of(&s, out);
	if (rc == 0 && s.token.kind != TOKEN_END)
		rc = wrong(&s, ERR_SYNTAX, "'and', 'or' or the end");
	return rc;
}

void retain_match_fini(struct retain_match_program *p)
{
	for (size_t i = 0; i < p->values_count; i++)
		free(p->values[i].p);
	free(p->values);
	free(p->tests);
	*p = (struct retain_match_program){ 0 };
}

/* ---- running ---- */

static bool equals_any(
	const struct retain_match_program *p, const struct retain_match_test *t, struct span text)
{
	const struct retain_match_value *v = &p->values[t->first];

	if (!text.p)
		return false;
	for (uint32_t i = 0; i < t->count; i++) {
		if (v[i].n == text.n && memcmp(v[i].p, text.p, text.n) == 0)
			return true;
	}
	return false;
}

int32_t retain_match_run(const struct retain_match_program *p, int32_t at, const struct event *ev)
{
	/* Every exit leads to a later test, so that this ends. */
	while (at >= 0) {
		const struct retain_match_test *t = &p->tests[at];
		bool holds = t->field == FIELD_SEVERITY
				     ? t->severity_mask >> (ev->severity % EVENT_SEVERITY_COUNT) & 1
				     : equals_any(p, t, ev->text[t->field]);

		ASSERT_SLOW(t->next[holds] > at || t->next[holds] < 0);
		at = t->next[holds];
	}
	return at;
}
