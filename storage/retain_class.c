/*
 * All classes are one program: where a class does not match, the tests of the next one follow, and the
 * end of it is the default class. A result is a negative target, -1 - class.
 */
#include "storage/retain_class.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/expr/expr.h"
#include "storage/retain_match.h"

struct retain_class_set {
	struct retain_match_program program;
	int32_t first; /* test, or where no class has one, the result */
	unsigned count;
	char names[LIMIT_CLASSES][LIMIT_CLASS_BYTES];
	struct retain_class_rule rules[LIMIT_CLASSES];
};

static const struct retain_class_rule keep_all = { .name = RETAIN_CLASS_DEFAULT,
	.hold_until_ns = INT64_MIN };

static int32_t result(unsigned class_idx)
{
	return -1 - (int32_t)class_idx;
}

static int blame(const struct conf_classes *conf, const struct conf_class *c, size_t match,
	const struct diag *why, struct diag *d)
{
	return diag_set(d, why->code, "", -1, "%s:%u: [class %s] match: %s",
		conf->file ? conf->file : "configuration", c->matches[match].line, c->name,
		why->text);
}

/* The tests of one class; *open: the exits of the class before, led to its first test. */
static int add_matches(struct retain_class_set *s, const struct conf_classes *conf,
	const struct conf_class *c, int32_t *open, struct diag *d)
{
	struct retain_match_program *p = &s->program;

	for (size_t i = 0; i < c->matches_count; i++) {
		struct retain_match_part part;
		struct diag why = { 0 };

		if (retain_match_compile(p, c->matches[i].text, &part, &why) < 0)
			return blame(conf, c, i, &why, d);
		retain_match_patch(p, part.exits[1], result(s->count));
		if (s->first < 0)
			s->first = part.first;
		else
			retain_match_patch(p, *open, part.first);
		*open = part.exits[0];
	}
	return 0;
}

static void set_rule(
	struct retain_class_set *s, unsigned idx, const struct conf_class *c, int64_t keep_ns)
{
	struct retain_class_rule *rule = &s->rules[idx];

	snprintf(s->names[idx], sizeof s->names[idx], "%s", c ? c->name : RETAIN_CLASS_DEFAULT);
	*rule = (struct retain_class_rule){
		.name = s->names[idx],
		.keep_ns = c && c->keep_ns >= 0 ? c->keep_ns : keep_ns,
		.bytes_max = c ? c->bytes_max : 0,
		.hold_until_ns = c ? c->hold_until_ns : INT64_MIN,
		.priority = c ? c->priority : CONF_CLASS_PRIORITY,
	};
}

static int add_classes(struct retain_class_set *s, const struct conf_classes *conf, int64_t keep_ns,
	struct diag *d)
{
	const struct conf_class *standard = NULL;
	int32_t open = 0;
	int rc = 0;

	s->first = result(0);
	s->count = 1;
	for (size_t i = 0; i < conf->count && rc == 0; i++) {
		const struct conf_class *c = &conf->list[i];

		if (strcmp(c->name, RETAIN_CLASS_DEFAULT) == 0) {
			standard = c;
			continue;
		}
		if (s->count == LIMIT_CLASSES)
			return diag_set(d, ERR_LIMIT, "", -1, "more than %d retention classes",
				LIMIT_CLASSES);
		set_rule(s, s->count, c, keep_ns);
		rc = add_matches(s, conf, c, &open, d);
		s->count++;
	}
	if (rc == 0 && s->first >= 0)
		retain_match_patch(&s->program, open, result(0));
	set_rule(s, 0, standard, keep_ns);
	return rc;
}

int retain_class_new(const struct conf_classes *conf, int64_t keep_ns,
	struct retain_class_set **out, struct diag *d)
{
	struct retain_class_set *s = calloc(1, sizeof *s);
	int rc;

	if (!s)
		return diag_set(d, -ENOMEM, "", -1, "keep the retention classes");
	rc = add_classes(s, conf, keep_ns, d);
	if (rc < 0)
		retain_class_free(&s);
	else
		*out = s;
	return rc;
}

void retain_class_free(struct retain_class_set **at)
{
	struct retain_class_set *s = *at;

	if (!s)
		return;
	retain_match_fini(&s->program);
	free(s);
	*at = NULL;
}

/* The class that a rule of the configuration chose when the event came; -1: none that is known. */
static int chosen(const struct retain_class_set *set, const struct event *ev)
{
	static const struct span key = { (const uint8_t *)EVENT_CLASS_KEY,
		sizeof(EVENT_CLASS_KEY) - 1 };
	static const struct expr_field field = {
		.kind = EXPR_FIELD_META, .keys = &key, .keys_count = 1
	};
	struct expr_cell cell;

	if (!(ev->flags & EVENT_FLAG_CLASS))
		return -1;
	expr_cell_of(&field, ev, &cell);
	for (unsigned i = 0; cell.kind == EXPR_CELL_TEXT && i < set->count; i++) {
		if (span_eq(cell.text, span_str(set->names[i])))
			return (int)i;
	}
	return -1;
}

unsigned retain_class_of(const struct retain_class_set *set, const struct event *ev)
{
	int class_idx = set ? chosen(set, ev) : -1;

	if (class_idx >= 0)
		return (unsigned)class_idx;
	if (!set || set->first < 0)
		return 0;
	return (unsigned)(-1 - retain_match_run(&set->program, set->first, ev));
}

unsigned retain_class_count(const struct retain_class_set *set)
{
	return set ? set->count : 1;
}

const char *retain_class_name(const struct retain_class_set *set, unsigned idx)
{
	ASSERT(idx < retain_class_count(set));
	return set ? set->names[idx] : RETAIN_CLASS_DEFAULT;
}

const struct retain_class_rule *retain_class_rule(
	const struct retain_class_set *set, const char *name)
{
	if (!set)
		return strcmp(name, RETAIN_CLASS_DEFAULT) == 0 ? &keep_all : NULL;
	for (unsigned i = 0; i < set->count; i++) {
		if (strcmp(set->names[i], name) == 0)
			return &set->rules[i];
	}
	return NULL;
}
