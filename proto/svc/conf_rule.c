#include "proto/svc/conf_rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/svc/conf.h"
#include "proto/svc/conf_section.h"

static const char *const key_names[] = { "match", "drop", "sample", "map", "copy", "event_type",
	"entity_type", "entity_id", "user_id", "description", "ip_address", "user_agent", "service",
	"host", "severity", "class", "mask", "mask_pattern", "mask_in", "mask_with" };

static_assert(ARRAY_COUNT(key_names) == CONF_RULE_KEY_COUNT, "a name for each key");

/* Those that may stand in one rule several times. */
static bool may_repeat(enum conf_rule_key key)
{
	return key == CONF_RULE_MATCH || key == CONF_RULE_MAP || key == CONF_RULE_COPY ||
	       key == CONF_RULE_MASK_PATTERN;
}

bool conf_rule_is(const char *section)
{
	return conf_section_is(section, "rule");
}

const char *conf_rule_key_name(enum conf_rule_key key)
{
	ASSERT((unsigned)key < CONF_RULE_KEY_COUNT);
	return key_names[key];
}

static int find_key(const char *name, struct diag *d)
{
	const char *near;

	for (int k = 0; k < CONF_RULE_KEY_COUNT; k++) {
		if (strcmp(name, key_names[k]) == 0)
			return k;
	}
	near = conf_closest(name, key_names, CONF_RULE_KEY_COUNT);
	if (near)
		return diag_set(
			d, ERR_UNKNOWN, "", -1, "no such key of a rule; did you mean '%s'?", near);
	return diag_set(d, ERR_UNKNOWN, "", -1,
		"no such key of a rule: match, drop, sample, map, copy, class, severity, a text "
		"field, mask, mask_pattern, mask_in, mask_with");
}

static struct conf_rule *find_rule(const struct conf_rules *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++) {
		if (strcmp(r->list[i].name, name) == 0)
			return &r->list[i];
	}
	return NULL;
}

static int add_rule(struct conf_rules *r, const char *file, const char *name,
	struct conf_rule **out, struct diag *d)
{
	struct conf_rule *list;

	if (r->count == LIMIT_RULES)
		return diag_set(d, ERR_LIMIT, "", -1, "there are more than %d rules", LIMIT_RULES);
	if (!r->file)
		r->file = strdup(file);
	list = realloc(r->list, (r->count + 1) * sizeof *list);
	if (list)
		r->list = list;
	if (!list || !r->file)
		return diag_set(d, -ENOMEM, "", -1, "keep a rule");
	*out = &list[r->count++];
	**out = (struct conf_rule){ 0 };
	snprintf((*out)->name, sizeof(*out)->name, "%s", name);
	return 0;
}

static int add_line(struct conf_rule *rule, enum conf_rule_key key, const char *value,
	unsigned line, struct diag *d)
{
	struct conf_rule_line *lines;
	char *text;

	if (rule->lines_count == LIMIT_RULE_LINES)
		return diag_set(
			d, ERR_LIMIT, "", -1, "a rule has at most %d lines", LIMIT_RULE_LINES);
	for (size_t i = 0; i < rule->lines_count && !may_repeat(key); i++) {
		if (rule->lines[i].key == key)
			return diag_set(d, ERR_SYNTAX, "", -1, "given twice, first in line %u",
				rule->lines[i].line);
	}
	lines = realloc(rule->lines, (rule->lines_count + 1) * sizeof *lines);
	if (lines)
		rule->lines = lines;
	text = lines ? strdup(value) : NULL;
	if (!text)
		return diag_set(d, -ENOMEM, "", -1, "keep a line of a rule");
	lines[rule->lines_count++] = (struct conf_rule_line){ text, key, line };
	return 0;
}

int conf_rule_put(struct conf_rules *r, const char *file, const char *section, const char *key_name,
	const char *value, unsigned line, struct diag *d)
{
	char name[LIMIT_RULE_NAME_BYTES];
	struct conf_rule *rule;
	int rc = conf_section_name(section, "rule", name, sizeof name, d), key;

	if (rc < 0)
		return rc;
	key = find_key(key_name, d);
	if (key < 0)
		return key;
	rule = find_rule(r, name);
	if (!rule)
		rc = add_rule(r, file, name, &rule, d);
	return rc < 0 ? rc : add_line(rule, (enum conf_rule_key)key, value, line, d);
}

void conf_rule_fini(struct conf_rules *r)
{
	for (size_t i = 0; i < r->count; i++) {
		for (size_t l = 0; l < r->list[i].lines_count; l++)
			free(r->list[i].lines[l].text);
		free(r->list[i].lines);
	}
	free(r->list);
	free(r->file);
	*r = (struct conf_rules){ 0 };
}

/* ---- asking ---- */

static bool equal_one(const struct conf_rule *a, const struct conf_rule *b)
{
	if (strcmp(a->name, b->name) != 0 || a->lines_count != b->lines_count)
		return false;
	for (size_t i = 0; i < a->lines_count; i++) {
		if (a->lines[i].key != b->lines[i].key ||
			strcmp(a->lines[i].text, b->lines[i].text) != 0)
			return false;
	}
	return true;
}

bool conf_rule_equal(const struct conf_rules *a, const struct conf_rules *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (!equal_one(&a->list[i], &b->list[i]))
			return false;
	}
	return true;
}

void conf_rule_print(const struct conf_rules *r, struct buf *out)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct conf_rule *rule = &r->list[i];

		buf_printf(out, "\n[rule %s]\n", rule->name);
		for (size_t l = 0; l < rule->lines_count; l++)
			buf_printf(out, "%s = %s\n", key_names[rule->lines[l].key],
				rule->lines[l].text);
	}
}
