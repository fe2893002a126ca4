#include "proto/rule/rule.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/expr/expr_parse.h"
#include "proto/rule/rule_int.h"

enum { TOLD_BYTES = 512 };

static_assert((int)CONF_RULE_HOST - (int)CONF_RULE_EVENT_TYPE ==
		      (int)EVENT_TEXT_HOST - (int)EVENT_TEXT_EVENT_TYPE,
	"keys and texts stand in one order");

struct compile {
	const struct conf_rules *conf;
	const struct conf_rule *from;
	struct rule *rule;
	struct buf *problems;
	int64_t now_ns;
	int rc;
};

/* Tells a mistake of that line. */
__attribute__((format(printf, 4, 5))) static void wrong(
	struct compile *c, const struct conf_rule_line *l, int code, const char *fmt, ...)
{
	char told[TOLD_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(told, sizeof told, fmt, args);
	va_end(args);
	buf_printf(c->problems, "%s:%u: [rule %s] %s: %s\n", c->conf->file, l->line, c->from->name,
		conf_rule_key_name(l->key), told);
	c->rc = code;
}

/* ---- words ---- */

static struct span trim(struct span s)
{
	while (s.n > 0 && isspace(s.p[0]))
		s = span_of(s.p + 1, s.n - 1);
	while (s.n > 0 && isspace(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* A value in quotes is what is between them. */
static struct span unquote(const char *text)
{
	struct span s = trim(span_str(text));

	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		return span_of(s.p + 1, s.n - 2);
	return s;
}

/* The next word of a list with commas; false: there is none left. */
static bool next_word(struct span *rest, struct span *out)
{
	const uint8_t *comma;

	if (!rest->p)
		return false;
	comma = rest->n ? memchr(rest->p, ',', rest->n) : NULL;
	if (comma) {
		*out = trim(span_of(rest->p, (size_t)(comma - rest->p)));
		*rest = span_of(comma + 1, (size_t)(span_end(*rest) - comma - 1));
	} else {
		*out = trim(*rest);
		*rest = SPAN_NONE;
	}
	return true;
}

/* ---- lines ---- */

static struct rule_action *add(struct compile *c, enum rule_action_kind kind)
{
	struct rule_action *a = &c->rule->actions[c->rule->actions_count++];

	ASSERT(c->rule->actions_count <= LIMIT_RULE_LINES);
	*a = (struct rule_action){ .kind = kind };
	return a;
}

static bool copy(
	struct compile *c, const struct conf_rule_line *l, struct span text, struct span *out)
{
	uint8_t *p = arena_dup(
		&c->rule->builder.arena, text.n ? (const void *)text.p : "", text.n ? text.n : 1);

	*out = span_of(p, text.n);
	if (!p)
		wrong(c, l, -ENOMEM, "no memory");
	return p != NULL;
}

static void add_match(struct compile *c, const struct conf_rule_line *l)
{
	const struct expr_parse_conf conf = { c->now_ns, WHEN_UTC };
	struct expr_builder *b = &c->rule->builder;
	const struct expr *x;
	struct expr_err err;

	if (expr_parse(b, span_str(l->text), &conf, &x, &err) < 0) {
		wrong(c, l, err.code, "column %zu: %s%s%s", err.at + 1, err.error,
			*err.hint ? "; " : "", err.hint);
		return;
	}
	c->rule->match = c->rule->match ? expr_or(b, c->rule->match, x) : x;
}

static void add_drop(struct compile *c, const struct conf_rule_line *l)
{
	if (strcmp(l->text, "yes") == 0)
		add(c, RULE_ACTION_DROP);
	else
		wrong(c, l, ERR_SYNTAX, "'%.64s' is not allowed: write yes", l->text);
}

/* N/M of the events: those whose hash is in the first N of M parts of all hashes. */
static void add_sample(struct compile *c, const struct conf_rule_line *l)
{
	unsigned long long n = 0, of = 0;
	char slash = 0;
	int used = 0;

	if (!isdigit((unsigned char)l->text[0]) ||
		sscanf(l->text, "%10llu %c %10llu%n", &n, &slash, &of, &used) != 3 ||
		l->text[used] != 0 || slash != '/')
		wrong(c, l, ERR_SYNTAX, "'%.64s' is not allowed: write a part as in 1/10", l->text);
	else if (n < 1 || n >= of || of > LIMIT_RULE_SAMPLE)
		wrong(c, l, ERR_RANGE, "%llu/%llu is not allowed: between 1/%d and 1", n, of,
			LIMIT_RULE_SAMPLE);
	else
		add(c, RULE_ACTION_SAMPLE)->below = (uint64_t)(((unsigned __int128)n << 64) / of);
}

static void add_text(struct compile *c, const struct conf_rule_line *l)
{
	struct rule_action *a = add(c, RULE_ACTION_TEXT);

	a->to = expr_field_text((enum event_text)(l->key - CONF_RULE_EVENT_TYPE));
	/* No value at all takes the field away; "" makes it empty. */
	if (*l->text)
		copy(c, l, unquote(l->text), &a->text);
}

static void add_severity(struct compile *c, const struct conf_rule_line *l)
{
	int severity = event_severity_find(span_str(l->text));

	if (severity < 0)
		wrong(c, l, ERR_SYNTAX,
			"'%.64s' is not allowed: write emergency, alert, critical, error, warning, "
			"notice, info or debug",
			l->text);
	else
		add(c, RULE_ACTION_SEVERITY)->severity = (uint8_t)severity;
}

static void add_class(struct compile *c, const struct conf_rule_line *l)
{
	size_t n = strlen(l->text);

	if (n == 0 || n >= LIMIT_CLASS_BYTES)
		wrong(c, l, ERR_SYNTAX, "write the name of a section [class NAME]");
	else
		copy(c, l, span_str(l->text), &add(c, RULE_ACTION_CLASS)->text);
}

/* ---- map and copy ---- */

static bool find_field(
	struct compile *c, const struct conf_rule_line *l, struct span name, struct expr_field *out)
{
	int rc = expr_field_find(&c->rule->builder, name, out);
	const char *near;

	if (rc == 0 &&
		(out->kind == EXPR_FIELD_TEXT || out->kind == EXPR_FIELD_SEVERITY ||
			(out->kind == EXPR_FIELD_META && out->keys_count <= LIMIT_RULE_KEYS)))
		return true;
	near = rc == ERR_UNKNOWN ? expr_field_closest(name) : NULL;
	wrong(c, l, rc < 0 ? rc : ERR_RANGE,
		"'%.*s' is not allowed: a text field of an event, severity, or metadata.KEY%s%s%s",
		(int)(name.n < 64 ? name.n : 64), (const char *)name.p,
		near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	return false;
}

/* Both are paths, and one of them is the other or leads through it. */
static bool nested(const struct expr_field *a, const struct expr_field *b)
{
	uint32_t n = a->keys_count < b->keys_count ? a->keys_count : b->keys_count;

	if (a->kind != EXPR_FIELD_META || b->kind != EXPR_FIELD_META)
		return expr_field_same(a, b);
	for (uint32_t i = 0; i < n; i++) {
		if (!span_eq(a->keys[i], b->keys[i]))
			return false;
	}
	return true;
}

static void add_map(struct compile *c, const struct conf_rule_line *l)
{
	const char *arrow = strstr(l->text, "->");
	struct expr_field from, to;
	struct rule_action *a;

	if (!arrow) {
		wrong(c, l, ERR_SYNTAX, "write FROM -> TO, as in metadata.uid -> user_id");
		return;
	}
	if (!find_field(c, l, trim(span_of(l->text, (size_t)(arrow - l->text))), &from) ||
		!find_field(c, l, trim(span_str(arrow + 2)), &to))
		return;
	if (nested(&from, &to)) {
		wrong(c, l, ERR_RANGE, "one of both is the other, or a part of it");
		return;
	}
	if (l->key == CONF_RULE_MAP && from.kind == EXPR_FIELD_SEVERITY) {
		wrong(c, l, ERR_RANGE, "every event has a severity, which cannot go: write copy");
		return;
	}
	a = add(c, l->key == CONF_RULE_MAP ? RULE_ACTION_MAP : RULE_ACTION_COPY);
	a->from = from;
	a->to = to;
}

/* ---- masks ---- */

static void add_mask(struct compile *c, const struct conf_rule_line *l)
{
	static const struct {
		const char *name;
		enum rule_mask_kind kind;
	} kinds[] = {
		{ "email", RULE_MASK_EMAIL },
		{ "card", RULE_MASK_CARD },
		{ "bearer", RULE_MASK_BEARER },
	};
	struct span rest = span_str(l->text), word;

	c->rule->masks = true;
	while (next_word(&rest, &word)) {
		size_t i = 0;

		while (i < ARRAY_COUNT(kinds) && !span_eq(span_str(kinds[i].name), word))
			i++;
		if (i == ARRAY_COUNT(kinds))
			wrong(c, l, ERR_UNKNOWN, "'%.*s' is not allowed: email, card or bearer",
				(int)(word.n < 64 ? word.n : 64), (const char *)word.p);
		else
			c->rule->mask.kinds |= kinds[i].kind;
	}
}

static void add_pattern(struct compile *c, const struct conf_rule_line *l)
{
	char told[160] = "out of memory";
	size_t at = 0;
	int rc;

	c->rule->masks = true;
	if (!*l->text) {
		wrong(c, l, ERR_SYNTAX, "write a regular expression");
		return;
	}
	if (c->rule->mask.patterns_count == LIMIT_RULE_PATTERNS) {
		wrong(c, l, ERR_LIMIT, "a rule has at most %d lines of it", LIMIT_RULE_PATTERNS);
		return;
	}
	rc = rule_mask_pattern(&c->rule->mask, span_str(l->text), &at, told, sizeof told);
	if (rc < 0)
		wrong(c, l, rc, "column %zu: %s", at + 1, told);
}

static void set_mask_in(struct compile *c, const struct conf_rule_line *l)
{
	struct span rest = span_str(l->text), word;

	c->rule->mask_in = 0;
	while (next_word(&rest, &word)) {
		int text = event_text_find(word);

		if (text >= 0)
			c->rule->mask_in |= 1u << text;
		else if (span_eq(word, SPAN_LIT("metadata")))
			c->rule->mask_in |= RULE_MASK_IN_METADATA;
		else
			wrong(c, l, ERR_UNKNOWN,
				"'%.*s' is not allowed: metadata, or a text field of an event",
				(int)(word.n < 64 ? word.n : 64), (const char *)word.p);
	}
}

static void set_mask_with(struct compile *c, const struct conf_rule_line *l)
{
	struct span with = unquote(l->text);

	if (with.n > LIMIT_RULE_WITH_BYTES)
		wrong(c, l, ERR_RANGE, "longer than %d bytes", LIMIT_RULE_WITH_BYTES);
	else
		copy(c, l, with, &c->rule->mask_with);
}

/* ---- rules ---- */

static void add_line(struct compile *c, const struct conf_rule_line *l)
{
	static void (*const adders[CONF_RULE_KEY_COUNT])(
		struct compile *, const struct conf_rule_line *) = {
		[CONF_RULE_MATCH] = add_match,
		[CONF_RULE_DROP] = add_drop,
		[CONF_RULE_SAMPLE] = add_sample,
		[CONF_RULE_MAP] = add_map,
		[CONF_RULE_COPY] = add_map,
		[CONF_RULE_EVENT_TYPE... CONF_RULE_HOST] = add_text,
		[CONF_RULE_SEVERITY] = add_severity,
		[CONF_RULE_CLASS] = add_class,
		[CONF_RULE_MASK] = add_mask,
		[CONF_RULE_MASK_PATTERN] = add_pattern,
		[CONF_RULE_MASK_IN] = set_mask_in,
		[CONF_RULE_MASK_WITH] = set_mask_with,
	};

	adders[l->key](c, l);
}

/* The first line of that key, or NULL. */
static const struct conf_rule_line *line_of(const struct conf_rule *from, enum conf_rule_key key)
{
	for (size_t i = 0; i < from->lines_count; i++) {
		if (from->lines[i].key == key)
			return &from->lines[i];
	}
	return NULL;
}

/* What only all lines together show. */
static void check_whole(struct compile *c)
{
	const struct conf_rule_line *drop = line_of(c->from, CONF_RULE_DROP);
	const struct conf_rule_line *in = line_of(c->from, CONF_RULE_MASK_IN);
	const struct conf_rule_line *with = line_of(c->from, CONF_RULE_MASK_WITH);

	if (!c->rule->masks && (in || with))
		wrong(c, in ? in : with, ERR_SYNTAX, "there is no mask that it could belong to");
	else if (c->rule->actions_count == 0 && !c->rule->masks)
		wrong(c, &c->from->lines[0], ERR_SYNTAX,
			"the rule does nothing: give it an action");
	if (drop && (c->rule->actions_count > 1 || c->rule->masks))
		wrong(c, drop, ERR_SYNTAX, "what is dropped needs no other action");
}

static void compile(struct compile *c)
{
	struct rule *r = c->rule;
	int rc = c->rc;

	c->rc = 0;
	for (size_t i = 0; i < c->from->lines_count; i++)
		add_line(c, &c->from->lines[i]);
	if (c->rc == 0)
		check_whole(c);
	if (c->rc == 0 && r->match) {
		r->match = expr_normalise(&r->builder, r->match);
		if (!r->match)
			wrong(c, line_of(c->from, CONF_RULE_MATCH), r->builder.err,
				"all its lines together are too large");
	}
	if (c->rc == 0)
		c->rc = rc;
}

static void free_rule(struct rule *r)
{
	if (!r)
		return;
	expr_builder_fini(&r->builder);
	rule_mask_fini(&r->mask);
	free(r);
}

static struct rule *new_rule(const char *name)
{
	struct rule *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	expr_builder_init(&r->builder);
	snprintf(r->name, sizeof r->name, "%s", name);
	r->seed = XXH3_64bits(name, strlen(name));
	r->mask_in = RULE_MASK_IN_STANDARD;
	r->mask_with = SPAN_LIT("***");
	if (rule_mask_init(&r->mask) == 0)
		return r;
	free_rule(r);
	return NULL;
}

int rule_set_new(
	const struct conf_rules *conf, int64_t now_ns, struct rule_set **out, struct buf *problems)
{
	struct compile c = { .conf = conf, .problems = problems, .now_ns = now_ns };
	struct rule_set *set = calloc(1, sizeof *set);

	if (set)
		set->list = calloc(conf->count ? conf->count : 1, sizeof(struct rule *));
	for (size_t i = 0; set && set->list && i < conf->count; i++) {
		c.from = &conf->list[i];
		c.rule = set->list[i] = new_rule(c.from->name);
		if (!c.rule)
			break;
		set->count++;
		compile(&c);
	}
	if (!set || !set->list || set->count < conf->count) {
		buf_put_str(problems, "no memory for the rules\n");
		c.rc = -ENOMEM;
	}
	if (c.rc < 0)
		rule_set_free(&set);
	else
		*out = set;
	return c.rc;
}

void rule_set_free(struct rule_set **at)
{
	struct rule_set *set = *at;

	if (!set)
		return;
	for (size_t i = 0; i < set->count; i++)
		free_rule(set->list[i]);
	free(set->list);
	free(set);
	*at = NULL;
}
