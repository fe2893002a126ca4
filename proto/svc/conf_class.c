#include "proto/svc/conf_class.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"
#include "proto/base/when.h"
#include "proto/svc/conf.h"
#include "proto/svc/conf_section.h"
#include "proto/svc/conf_value.h"

#define SEC_NS INT64_C(1000000000)
#define DAY_NS (86400 * SEC_NS)

enum key { KEY_MATCH, KEY_KEEP, KEY_MAX_BYTES, KEY_HOLD, KEY_PRIORITY, KEY_COUNT };

static_assert((int)KEY_COUNT == (int)(sizeof((struct conf_class *)0)->set_on / sizeof(unsigned)),
	"a line for each key");

static const char *const key_names[] = { "match", "keep", "max_bytes", "hold", "priority" };

/* The types and ranges of the plain keys. */
static const struct conf_entry entries[KEY_COUNT] = {
	[KEY_KEEP] = { .type = CONF_DURATION, .min = 0, .max = 36500 * DAY_NS },
	[KEY_MAX_BYTES] = { .type = CONF_BYTES, .min = 0, .max = INT64_MAX },
	[KEY_PRIORITY] = { .type = CONF_INT, .min = 0, .max = CONF_CLASS_PRIORITY_MAX },
};

bool conf_class_is(const char *section)
{
	return conf_section_is(section, "class");
}

/* ---- the class ---- */

const struct conf_class *conf_class_find(const struct conf_classes *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++) {
		if (strcmp(c->list[i].name, name) == 0)
			return &c->list[i];
	}
	return NULL;
}

static int add_class(struct conf_classes *c, const char *file, const char *name, struct diag *d)
{
	struct conf_class *list;

	if (c->count == LIMIT_CLASSES)
		return diag_set(
			d, ERR_LIMIT, "", -1, "there are more than %d classes", LIMIT_CLASSES);
	if (!c->file)
		c->file = strdup(file);
	list = realloc(c->list, (c->count + 1) * sizeof *list);
	if (list)
		c->list = list;
	if (!list || !c->file)
		return diag_set(d, -ENOMEM, "", -1, "keep a class");
	list[c->count] = (struct conf_class){
		.keep_ns = -1,
		.hold_until_ns = INT64_MIN,
		.priority = CONF_CLASS_PRIORITY,
	};
	snprintf(list[c->count].name, sizeof list[0].name, "%s", name);
	c->count++;
	return 0;
}

/* ---- the keys ---- */

static int put_match(struct conf_class *c, const char *value, unsigned line, struct diag *d)
{
	char *copy;

	if (strcmp(c->name, "default") == 0)
		return diag_set(d, ERR_SYNTAX, "", -1,
			"the default class takes what no other takes, and has no match");
	if (c->matches_count == LIMIT_CLASS_MATCHES)
		return diag_set(d, ERR_LIMIT, "", -1, "a class has at most %d lines of it",
			LIMIT_CLASS_MATCHES);
	copy = strdup(value);
	if (!copy)
		return diag_set(d, -ENOMEM, "", -1, "keep a match");
	c->matches[c->matches_count++] = (struct conf_class_match){ copy, line };
	return 0;
}

/* yes, no, until DATE: a hold lasts to the end of what the date names. */
static int put_hold(struct conf_class *c, const char *value, struct diag *d)
{
	const char *date = value + strlen("until ");
	struct when when;

	if (strcmp(value, "yes") == 0 || strcmp(value, "no") == 0) {
		c->hold_until_ns = *value == 'y' ? INT64_MAX : INT64_MIN;
		return 0;
	}
	/* A word like `tomorrow` would be another day with each reading. */
	if (strncmp(value, "until ", strlen("until ")) != 0 || !isdigit((unsigned char)*date) ||
		strlen(date) < strlen("2026-01-01"))
		return diag_set(d, ERR_SYNTAX, "", -1,
			"'%.64s' is not allowed: write yes, no, or until and a date as in "
			"2027-12-31",
			value);
	if (when_parse(span_str(date), WHEN_UTC, 0, &when, d) < 0)
		return d ? d->code : ERR_SYNTAX;
	if (__builtin_add_overflow(when.ns, when.unit_ns, &c->hold_until_ns))
		c->hold_until_ns = INT64_MAX;
	return 0;
}

static int put_plain(struct conf_class *c, enum key key, const char *value, struct diag *d)
{
	int64_t num;
	int rc = conf_value_parse(&entries[key], value, &num, d);

	if (rc < 0)
		return rc;
	if (key == KEY_KEEP)
		c->keep_ns = num;
	else if (key == KEY_MAX_BYTES)
		c->bytes_max = (uint64_t)num;
	else
		c->priority = (int)num;
	return 0;
}

static int find_key(const char *name, struct diag *d)
{
	const char *near;

	for (int k = 0; k < KEY_COUNT; k++) {
		if (strcmp(name, key_names[k]) == 0)
			return k;
	}
	near = conf_closest(name, key_names, KEY_COUNT);
	return diag_set(d, ERR_UNKNOWN, "", -1, "no such key of a class%s%s%s",
		near ? "; did you mean '" : ": match, keep, max_bytes, hold, priority",
		near ? near : "", near ? "'?" : "");
}

int conf_class_put(struct conf_classes *classes, const char *file, const char *section,
	const char *key_name, const char *value, unsigned line, struct diag *d)
{
	char name[LIMIT_CLASS_BYTES];
	struct conf_class *c;
	int rc = conf_section_name(section, "class", name, sizeof name, d), key;

	if (rc < 0)
		return rc;
	key = find_key(key_name, d);
	if (key < 0)
		return key;
	if (!conf_class_find(classes, name)) {
		rc = add_class(classes, file, name, d);
		if (rc < 0)
			return rc;
	}
	c = (struct conf_class *)(uintptr_t)conf_class_find(classes, name);
	if (key == KEY_MATCH)
		return put_match(c, value, line, d);
	if (c->set_on[key])
		return diag_set(
			d, ERR_SYNTAX, "", -1, "given twice, first in line %u", c->set_on[key]);
	c->set_on[key] = line;
	return key == KEY_HOLD ? put_hold(c, value, d) : put_plain(c, (enum key)key, value, d);
}

void conf_class_fini(struct conf_classes *c)
{
	for (size_t i = 0; i < c->count; i++) {
		for (size_t m = 0; m < c->list[i].matches_count; m++)
			free(c->list[i].matches[m].text);
	}
	free(c->list);
	free(c->file);
	*c = (struct conf_classes){ 0 };
}

/* ---- asking ---- */

static bool equal_one(const struct conf_class *a, const struct conf_class *b)
{
	if (strcmp(a->name, b->name) != 0 || a->matches_count != b->matches_count ||
		a->keep_ns != b->keep_ns || a->bytes_max != b->bytes_max ||
		a->hold_until_ns != b->hold_until_ns || a->priority != b->priority)
		return false;
	for (size_t i = 0; i < a->matches_count; i++) {
		if (strcmp(a->matches[i].text, b->matches[i].text) != 0)
			return false;
	}
	return true;
}

bool conf_class_equal(const struct conf_classes *a, const struct conf_classes *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (!equal_one(&a->list[i], &b->list[i]))
			return false;
	}
	return true;
}

static void print_hold(const struct conf_class *c, struct buf *out)
{
	char when[TIMEFMT_BYTES_MAX];

	if (c->hold_until_ns == INT64_MIN || c->hold_until_ns == INT64_MAX) {
		buf_printf(out, "hold = %s\n", c->hold_until_ns == INT64_MAX ? "yes" : "no");
		return;
	}
	/* The last instant of the hold: reading it again gives the same one. */
	buf_put_str(out, "hold = until ");
	buf_put(out, when, timefmt_put(when, c->hold_until_ns - 1));
	buf_put_str(out, "\n");
}

void conf_class_print(const struct conf_classes *classes, struct buf *out)
{
	for (size_t i = 0; i < classes->count; i++) {
		const struct conf_class *c = &classes->list[i];

		buf_printf(out, "\n[class %s]\n", c->name);
		for (size_t m = 0; m < c->matches_count; m++)
			buf_printf(out, "match = %s\n", c->matches[m].text);
		if (c->keep_ns >= 0)
			buf_printf(out, "keep = %" PRId64 "%s\n",
				c->keep_ns % SEC_NS ? c->keep_ns : c->keep_ns / SEC_NS,
				c->keep_ns % SEC_NS ? "ns" : "s");
		buf_printf(out, "max_bytes = %" PRIu64 "\n", c->bytes_max);
		print_hold(c, out);
		buf_printf(out, "priority = %d\n", c->priority);
	}
}
