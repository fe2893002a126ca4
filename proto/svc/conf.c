#include "proto/svc/conf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

static const struct conf_entry entries[CONF_KEY_COUNT] = {
#define CONF(key, section, name, type, standard, min, max, reload, text) \
	{ section, name, type, standard, min, max, reload, text },
#include "proto/svc/conf.def"
#undef CONF
};

const struct conf_entry *conf_entry(enum conf_key key)
{
	ASSERT((unsigned)key < CONF_KEY_COUNT);
	return &entries[key];
}

int conf_init(struct conf *c)
{
	*c = (struct conf){ 0 };
	for (int k = 0; k < CONF_KEY_COUNT; k++) {
		struct diag d = { .text = "" };
		int rc = conf_set(c, k, entries[k].standard, CONF_FROM_DEFAULT, &d);

		if (rc == -ENOMEM) {
			conf_fini(c);
			return rc;
		}
		ASSERT(rc == 0); /* the table's default fits the table's range */
	}
	return 0;
}

void conf_fini(struct conf *c)
{
	for (int k = 0; k < CONF_KEY_COUNT; k++)
		free(c->values[k].text);
	free(c->file);
	conf_class_fini(&c->classes);
	conf_rule_fini(&c->rules);
	*c = (struct conf){ 0 };
}

int conf_set(struct conf *c, enum conf_key key, const char *text, enum conf_source source,
	struct diag *d)
{
	struct conf_value *v = &c->values[key];
	char *copy;
	int64_t num = 0;
	int rc = conf_value_parse(conf_entry(key), text, &num, d);

	if (rc < 0 || source < v->source)
		return rc;
	copy = strdup(text);
	if (!copy)
		return diag_set(d, -ENOMEM, "", -1, "keep the value of %s", entries[key].name);
	free(v->text);
	*v = (struct conf_value){ copy, num, source };
	return 0;
}

const char *conf_text(const struct conf *c, enum conf_key key)
{
	ASSERT((unsigned)key < CONF_KEY_COUNT);
	ASSERT(c->values[key].text);
	return c->values[key].text;
}

int64_t conf_num(const struct conf *c, enum conf_key key)
{
	enum conf_type type = conf_entry(key)->type;

	ASSERT(type != CONF_STRING);
	ASSERT(type != CONF_SECRET);
	ASSERT(type != CONF_PATH);
	ASSERT(type != CONF_ADDR);
	return c->values[key].num;
}

const char *conf_shown(const struct conf *c, enum conf_key key)
{
	const char *text = conf_text(c, key);

	return conf_entry(key)->type == CONF_SECRET && *text ? "(secret)" : text;
}

bool conf_bool(const struct conf *c, enum conf_key key)
{
	ASSERT(conf_entry(key)->type == CONF_BOOL);
	return c->values[key].num != 0;
}

bool conf_addr(const struct conf *c, enum conf_key key, struct conf_addr *out)
{
	int rc;

	ASSERT(conf_entry(key)->type == CONF_ADDR);
	*out = (struct conf_addr){ .host = "" };
	if (!*conf_text(c, key))
		return false;
	rc = conf_value_addr(conf_text(c, key), out);
	ASSERT(rc == 0); /* conf_set took it */
	return true;
}

/* The flags of c alone, over the defaults. */
static int copy_flags(struct conf *to, const struct conf *c)
{
	int rc = conf_init(to);

	to->check = c->check;
	for (int k = 0; rc == 0 && k < CONF_KEY_COUNT; k++)
		if (c->values[k].source == CONF_FROM_FLAG)
			rc = conf_set(to, k, c->values[k].text, CONF_FROM_FLAG, NULL);
	return rc;
}

static void swap_values(struct conf_value *a, struct conf_value *b)
{
	struct conf_value v = *a;

	*a = *b;
	*b = v;
}

static void swap_rules(struct conf_rules *a, struct conf_rules *b)
{
	struct conf_rules r = *a;

	*a = *b;
	*b = r;
}

int conf_reload(struct conf *c, conf_changed_cb changed, void *arg, struct buf *problems)
{
	struct conf fresh;
	int rc = copy_flags(&fresh, c);

	if (rc == 0)
		rc = conf_load(&fresh, c->file, problems);
	if (rc < 0)
		goto done;
	for (int k = 0; k < CONF_KEY_COUNT; k++) {
		bool differs = strcmp(fresh.values[k].text, c->values[k].text) != 0;

		if (entries[k].reload)
			swap_values(&fresh.values[k], &c->values[k]);
		if (differs)
			changed(arg, k, entries[k].reload);
	}
	if (!conf_class_equal(&fresh.classes, &c->classes))
		changed(arg, CONF_CHANGED_CLASSES, false);
	if (!conf_rule_equal(&fresh.rules, &c->rules))
		changed(arg, CONF_CHANGED_RULES, true);
	/* Even if they are equal: they may stand in other lines. */
	swap_rules(&fresh.rules, &c->rules);
done:
	conf_fini(&fresh);
	return rc;
}

void conf_print(const struct conf *c, struct buf *out)
{
	static const char *const sources[] = { "default", "file", "environment", "flag" };
	const char *section = "";

	for (int k = 0; k < CONF_KEY_COUNT; k++) {
		const struct conf_entry *e = &entries[k];

		if (strcmp(e->section, section) != 0)
			buf_printf(out, "%s[%s]\n", *section ? "\n" : "", e->section);
		section = e->section;
		buf_printf(out, "%s = %s\t; %s\n", e->name, conf_shown(c, k),
			sources[c->values[k].source]);
	}
	conf_class_print(&c->classes, out);
	conf_rule_print(&c->rules, out);
}

/*
 * Edits that turn a into b (Levenshtein), with two rows of the table; words longer than the table
 * are never close.
 */
static unsigned distance(const char *a, const char *b)
{
	enum { WORD_MAX = 63 };
	unsigned row[WORD_MAX + 1];
	size_t an = strlen(a), bn = strlen(b);

	if (an > WORD_MAX || bn > WORD_MAX)
		return UINT32_MAX;
	for (size_t j = 0; j <= bn; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= an; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= bn; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[bn];
}

const char *conf_closest(const char *word, const char *const *words, size_t words_count)
{
	const char *best = NULL;
	/* A third of the letters may differ: beyond that a suggestion only confuses. */
	unsigned least = (unsigned)(strlen(word) / 3 + 2);

	for (size_t i = 0; i < words_count; i++) {
		unsigned n = distance(word, words[i]);

		if (n < least) {
			least = n;
			best = words[i];
		}
	}
	return best;
}
