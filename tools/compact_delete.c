#include "tools/compact_delete.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/check.h"
#include "proto/base/err.h"
#include "query/engine.h"
#include "tools/source_dir.h"

enum { WORDS_MAX = 256, TEXT_BYTES_MAX = 64 << 10 };

/* The query cut into names and values, NUL-terminated in text. */
struct words {
	struct source_param params[WORDS_MAX];
	size_t count;
	char text[TEXT_BYTES_MAX];
	size_t used;
};

static int put_char(struct words *w, char c)
{
	if (w->used == sizeof w->text)
		return ERR_LIMIT;
	w->text[w->used++] = c;
	return 0;
}

/* The value at *p: a word, or text in quotes. Moves *p behind it. */
static int cut_value(struct words *w, const char **p)
{
	bool quoted = **p == '"';
	int rc = 0;

	*p += quoted;
	while (rc == 0 && **p && (quoted ? **p != '"' : !isspace((unsigned char)**p))) {
		if (quoted && **p == '\\' && (*p)[1])
			++*p;
		rc = put_char(w, *(*p)++);
	}
	if (rc == 0 && quoted && **p != '"')
		return ERR_SYNTAX;
	*p += quoted;
	return rc < 0 ? rc : put_char(w, '\0');
}

static int cut_name(struct words *w, const char **p)
{
	int rc = 0;

	while (rc == 0 && (isalnum((unsigned char)**p) || **p == '_'))
		rc = put_char(w, *(*p)++);
	return rc < 0 ? rc : put_char(w, '\0');
}

static bool is_and(const char *p)
{
	return strncasecmp(p, "and", 3) == 0 && isspace((unsigned char)p[3]);
}

static int fail(const char *query, const char *at, int rc, struct diag *d)
{
	return diag_set(d, rc, "--query", at - query,
		"name=value is expected here, as in user_id=anna or description=\"signed in\"");
}

static int cut(const char *query, struct words *w, struct diag *d)
{
	const char *p = query;

	for (;;) {
		struct source_param *param = &w->params[w->count];
		const char *at;
		int rc;

		while (isspace((unsigned char)*p))
			p++;
		if (*p == '\0')
			return 0;
		if (w->count > 0 && is_and(p)) {
			p += 3;
			continue;
		}
		if (w->count == WORDS_MAX)
			return diag_set(d, ERR_LIMIT, "--query", p - query, "too many words");
		at = p;
		param->name = w->text + w->used;
		rc = cut_name(w, &p);
		if (rc < 0 || p == at || *p != '=')
			return fail(query, p, rc < 0 ? rc : ERR_SYNTAX, d);
		p++;
		param->value = w->text + w->used;
		rc = cut_value(w, &p);
		if (rc < 0)
			return fail(query, at, rc, d);
		w->count++;
	}
}

/* Names that say how to answer, not which events. */
static bool narrows(const char *name)
{
	static const char *const others[] = { "order", "limit", "offset", "cursor", "after", "wait",
		"total" };

	for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
		if (strcmp(name, others[i]) == 0)
			return false;
	}
	return true;
}

static int check(const struct words *w, struct diag *d)
{
	if (w->count == 0)
		return diag_set(d, -EINVAL, "--query", -1,
			"is empty: that would delete every event; say which, as in user_id=anna");
	for (size_t i = 0; i < w->count; i++) {
		/* Every text has the empty one in it; a script's variable may not have been set. */
		if (strcmp(w->params[i].name, "search") == 0 && w->params[i].value[0] == '\0')
			return diag_set(d, -EINVAL, "--query", -1,
				"search is empty: that would delete every event; say which");
		if (!narrows(w->params[i].name))
			return diag_set(d, -EINVAL, "--query", -1,
				"%s does not say which events; leave it out", w->params[i].name);
	}
	return 0;
}

static int take_page(const struct source_page *page, struct idset *ids,
	struct compact_delete_found *out, struct diag *d)
{
	if (page->lack[0])
		return diag_set(d, ERR_CORRUPT, "", -1, "%s; nothing was deleted", page->lack);
	for (size_t i = 0; i < page->count; i++) {
		const struct event *ev = &page->events[i];
		int rc = idset_add(ids, ev->id);

		if (rc < 0)
			return diag_set(d, rc, "--query", -1, "holds too many events; narrow it");
		if (out->count++ == 0)
			out->time_min_ns = out->time_max_ns = ev->time_ns;
		out->time_min_ns = ev->time_ns < out->time_min_ns ? ev->time_ns : out->time_min_ns;
		out->time_max_ns = ev->time_ns > out->time_max_ns ? ev->time_ns : out->time_max_ns;
	}
	return 0;
}

static int find(struct source *src, const struct words *w, const volatile sig_atomic_t *stop,
	struct idset *ids, struct compact_delete_found *out, struct diag *d)
{
	struct source_ask ask = {
		.params = w->params,
		.params_count = w->count,
		.order = ENGINE_ORDER_ARRIVAL,
		.limit = ENGINE_LIMIT_MAX,
		.cursor = "",
	};

	for (;;) {
		struct source_page page = { 0 };
		int rc = source_page(src, &ask, &page, d);

		if (rc == 0 && stop && *stop)
			rc = diag_set(d, ERR_CANCELED, "", -1, "stopped; nothing was deleted");
		if (rc == 0)
			rc = take_page(&page, ids, out, d);
		if (rc < 0 || page.count == 0)
			return rc;
		ask.after = page.covered;
	}
}

int compact_delete_find(const char *dir, const char *query, const volatile sig_atomic_t *stop,
	struct idset *ids, struct compact_delete_found *out, struct diag *d)
{
	static struct words w;
	struct source *src = NULL;
	int rc;

	w.count = w.used = 0;
	*out = (struct compact_delete_found){ 0 };
	rc = cut(query, &w, d);
	if (rc == 0)
		rc = check(&w, d);
	if (rc == 0)
		rc = source_dir_open(dir, &src, d);
	if (rc == 0)
		rc = find(src, &w, stop, ids, out, d);
	source_close(&src);
	ASSERT(rc < 0 || out->count == ids->count);
	/* Refused by the engine: what was asked is at fault, no file is. */
	if (rc == -EINVAL && d)
		snprintf(d->file, sizeof d->file, "--query");
	return rc;
}
