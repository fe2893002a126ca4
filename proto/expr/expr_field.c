#include "proto/expr/expr_int.h"

#include <errno.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/expr/expr_quote_int.h"

enum { NAME_BYTES_MAX = 16 };

#define TEXT_FIELD(name, text)                           \
	{                                                \
		name, EXPR_FIELD_TEXT, EVENT_TEXT_##text \
	}
#define FIELD(name, kind)                                      \
	{                                                      \
		name, EXPR_FIELD_##kind, EVENT_TEXT_EVENT_TYPE \
	}

/* Of several names for one field the first is the name, the others are aliases. */
static const struct name {
	const char *name;
	enum expr_field_kind kind;
	enum event_text text;
} names[] = {
	TEXT_FIELD("event_type", EVENT_TYPE),
	TEXT_FIELD("type", EVENT_TYPE),
	TEXT_FIELD("action", EVENT_TYPE),
	TEXT_FIELD("entity_type", ENTITY_TYPE),
	TEXT_FIELD("entity_id", ENTITY_ID),
	TEXT_FIELD("user_id", USER_ID),
	TEXT_FIELD("user", USER_ID),
	TEXT_FIELD("description", DESCRIPTION),
	TEXT_FIELD("message", DESCRIPTION),
	TEXT_FIELD("msg", DESCRIPTION),
	TEXT_FIELD("log", DESCRIPTION),
	TEXT_FIELD("ip_address", IP_ADDRESS),
	TEXT_FIELD("ip", IP_ADDRESS),
	TEXT_FIELD("user_agent", USER_AGENT),
	TEXT_FIELD("service", SERVICE),
	TEXT_FIELD("host", HOST),
	FIELD("severity", SEVERITY),
	FIELD("level", SEVERITY),
	FIELD("id", ID),
	FIELD("timestamp", TIME),
	FIELD("time", TIME),
	FIELD("received", RECEIVED),
};

/* What a path begins with. */
static const struct span metas[] = {
	{ (const uint8_t *)"metadata.", 9 },
	{ (const uint8_t *)"meta.", 5 },
	{ (const uint8_t *)"details.", 8 },
};

struct expr_field expr_field_text(enum event_text text)
{
	return (struct expr_field){ .kind = EXPR_FIELD_TEXT, .text = text };
}

struct expr_field expr_field_of(enum expr_field_kind kind)
{
	ASSERT(kind != EXPR_FIELD_TEXT);
	ASSERT(kind != EXPR_FIELD_META);
	return (struct expr_field){ .kind = kind };
}

const char *expr_field_name(const struct expr_field *f)
{
	if (f->kind == EXPR_FIELD_TEXT)
		return event_text_name(f->text);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		if (names[i].kind == f->kind)
			return names[i].name;
	}
	UNREACHABLE();
}

const char *expr_field_name_nth(size_t n)
{
	return n < ARRAY_COUNT(names) ? names[n].name : NULL;
}

/* ---------------------------------------------------------------- misspelt names */

/* Letters that have to be changed, left out or put in. Longer words than names are no misspelt ones. */
static unsigned distance(struct span a, struct span b)
{
	unsigned row[NAME_BYTES_MAX + 1];

	ASSERT(b.n <= NAME_BYTES_MAX);
	for (unsigned k = 0; k <= b.n; k++)
		row[k] = k;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned k = 1; k <= b.n; k++) {
			unsigned best = diagonal + ((a.p[i - 1] | 0x20) != b.p[k - 1]);

			diagonal = row[k];
			if (row[k] + 1 < best)
				best = row[k] + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			row[k] = best;
		}
	}
	return row[b.n];
}

const char *expr_field_closest(struct span name)
{
	const char *best = NULL;
	/* A third of the letters may differ: beyond that a suggestion only confuses. */
	unsigned least = (unsigned)(name.n / 3 + 1);

	if (name.n > NAME_BYTES_MAX)
		return NULL;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		unsigned n = distance(name, span_str(names[i].name));

		if (n < least) {
			least = n;
			best = names[i].name;
		}
	}
	return best;
}

/* ---------------------------------------------------------------- paths */

/* One part of a path; *p moves past it. */
static int read_key(struct expr_builder *b, const uint8_t **p, const uint8_t *end, struct span *out)
{
	size_t n = 0;
	uint8_t *dst;
	int rc;

	if (*p < end && **p == '"') {
		dst = expr_alloc(b, (size_t)(end - *p), 1);
		if (!dst)
			return b->err;
		rc = expr_quote_read(p, end, false, dst, &n);
		*out = span_of(dst, n);
		return rc < 0 ? ERR_SYNTAX : 0;
	}
	while (*p + n < end && expr_quote_is_key((*p)[n]))
		n++;
	if (n == 0)
		return ERR_SYNTAX;
	rc = expr_copy_text(b, span_of(*p, n), out);
	*p += n;
	return rc;
}

static int read_path(
	struct expr_builder *b, const uint8_t *p, const uint8_t *end, struct expr_field *out)
{
	struct span keys[LIMIT_EXPR_KEYS], *copy;
	uint32_t n = 0;
	int rc;

	for (;; p++) {
		if (n == LIMIT_EXPR_KEYS)
			return ERR_LIMIT;
		rc = read_key(b, &p, end, &keys[n++]);
		if (rc < 0)
			return rc;
		if (p == end)
			break;
		if (*p != '.')
			return ERR_SYNTAX;
	}
	copy = expr_alloc(b, n, sizeof *copy);
	if (!copy)
		return b->err;
	memcpy(copy, keys, n * sizeof *copy);
	*out = (struct expr_field){ .kind = EXPR_FIELD_META, .keys = copy, .keys_count = n };
	return 0;
}

int expr_field_find(struct expr_builder *b, struct span name, struct expr_field *out)
{
	if (b->err)
		return b->err;
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		if (span_eq(name, span_str(names[i].name))) {
			*out = (struct expr_field){ .kind = names[i].kind, .text = names[i].text };
			return 0;
		}
	}
	for (size_t i = 0; i < ARRAY_COUNT(metas); i++) {
		if (name.n >= metas[i].n && memcmp(name.p, metas[i].p, metas[i].n) == 0)
			return read_path(b, name.p + metas[i].n, span_end(name), out);
	}
	return ERR_UNKNOWN;
}

/* ---------------------------------------------------------------- order */

int expr_field_cmp(const struct expr_field *a, const struct expr_field *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind == EXPR_FIELD_TEXT)
		return (a->text > b->text) - (a->text < b->text);
	if (a->kind != EXPR_FIELD_META)
		return 0;
	for (uint32_t i = 0; i < a->keys_count && i < b->keys_count; i++) {
		int c = span_cmp(a->keys[i], b->keys[i]);

		if (c)
			return c;
	}
	return (a->keys_count > b->keys_count) - (a->keys_count < b->keys_count);
}

bool expr_field_same(const struct expr_field *a, const struct expr_field *b)
{
	return expr_field_cmp(a, b) == 0;
}
