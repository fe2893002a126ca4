/*
 * The document's pairs are listed once. Then each of our fields is looked for under its names; what is
 * found is marked, in the list or, inside a nested object, as one of the few inner pairs taken. At last the
 * record is written: the fields, the pairs that are left, and the metadata if there has to be one.
 */
#include "proto/wire/ecs.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/wire/pack.h"
#include "proto/wire/walk.h"

enum { NAMES_MAX = 2, FIELDS = 8 };

/* A name in both forms: outer is what stands before the dot, of outer_n bytes; 0: it has none. */
struct name {
	struct span dotted;
	size_t outer_n;
};

#define NAME(s, n)               \
	{                        \
		SPAN_LIT(s), (n) \
	}

static const struct field {
	const char *ours;
	struct name theirs[NAMES_MAX];
} fields[FIELDS] = {
	{ "timestamp", { NAME("@timestamp", 0) } },
	{ "host", { NAME("host.name", 4), NAME("host.hostname", 4) } },
	{ "level", { NAME("log.level", 3) } },
	{ "service", { NAME("service.name", 7) } },
	{ "user_id", { NAME("user.id", 4), NAME("user.name", 4) } },
	{ "event_type", { NAME("event.action", 5), NAME("event.kind", 5) } },
	{ "ip_address", { NAME("source.ip", 6), NAME("client.ip", 6) } },
	{ "user_agent", { NAME("user_agent.original", 10) } },
};

/* Objects under these names would be taken for the field of that name. */
static const char *const ambiguous[] = { "host", "service", "user_agent", "log" };

enum place {
	PLACE_RECORD,
	PLACE_METADATA,
	PLACE_MERGED, /* its own pairs go to the metadata */
	PLACE_NONE,
};

struct pair {
	struct span key;
	struct span whole; /* key and value */
	struct span value;
	struct walk_value v; /* its head */
	enum place place;
	uint32_t taken; /* pairs of a nested object that became fields */
};

struct ecs {
	struct pair pairs[LIMIT_MAP_PAIRS];
	uint32_t count;
	struct span found[FIELDS];    /* whole values; absent: not found */
	const uint8_t *taken[FIELDS]; /* inner pairs, by where they begin */
	unsigned taken_count;
};

int ecs_new(struct ecs **out)
{
	*out = calloc(1, sizeof **out);
	return *out ? 0 : -ENOMEM;
}

void ecs_free(struct ecs **e)
{
	free(*e);
	*e = NULL;
}

/* The next pair of a map; keys other than texts have no name. */
static int read_pair(struct rcur *c, struct pair *out)
{
	const uint8_t *start = c->p;
	struct walk_value key;
	struct span whole;
	struct rcur at;
	int rc = walk_take(c, &whole);

	if (rc < 0)
		return rc;
	at = rcur_of(whole.p, whole.n);
	rc = walk_read(&at, &key);
	*out = (struct pair){ .key = rc == 0 && walk_is_text(&key) ? key.data : SPAN_LIT("") };
	rc = walk_take(c, &out->value);
	if (rc < 0)
		return rc;
	out->whole = span_of(start, (size_t)(c->p - start));
	at = rcur_of(out->value.p, out->value.n);
	return walk_read(&at, &out->v);
}

static int read_document(struct ecs *e, struct span document)
{
	struct rcur c = rcur_of(document.p, document.n);
	struct walk_value v;
	int rc = walk_read(&c, &v);

	e->count = 0;
	e->taken_count = 0;
	if (rc == 0 && v.type != WALK_MAP)
		return ERR_TYPE;
	if (rc == 0 && v.count > LIMIT_MAP_PAIRS)
		return ERR_LIMIT;
	for (uint32_t i = v.count; rc == 0 && i > 0; i--)
		rc = read_pair(&c, &e->pairs[e->count++]);
	return rc;
}

static struct pair *find(struct ecs *e, struct span key)
{
	for (uint32_t i = 0; i < e->count; i++) {
		if (span_eq(e->pairs[i].key, key))
			return &e->pairs[i];
	}
	return NULL;
}

/* Whether a value may be that of the field: the time may be anything, an id a number. */
static bool is_fit(const struct field *field, struct span name, const struct walk_value *v)
{
	if (field == &fields[0])
		return true;
	if (v->type == WALK_UINT)
		return span_eq(name, SPAN_LIT("user.id"));
	if (v->type != WALK_STR || v->data.n == 0)
		return false;
	return !span_eq(name, SPAN_LIT("event.kind")) || !span_eq(v->data, SPAN_LIT("event"));
}

static bool find_inner(struct ecs *e, unsigned i, struct pair *outer, const struct name *name)
{
	struct span inner =
		span_of(name->dotted.p + name->outer_n + 1, name->dotted.n - name->outer_n - 1);
	struct rcur c = rcur_of(outer->value.p, outer->value.n);
	struct walk_value v;
	struct pair pair;

	if (walk_read(&c, &v) < 0 || v.type != WALK_MAP)
		return false;
	for (uint32_t n = v.count; n > 0 && read_pair(&c, &pair) == 0; n--) {
		if (!span_eq(pair.key, inner) || !is_fit(&fields[i], name->dotted, &pair.v))
			continue;
		e->found[i] = pair.value;
		ASSERT(e->taken_count < FIELDS);
		e->taken[e->taken_count++] = pair.whole.p;
		outer->taken++;
		return true;
	}
	return false;
}

static bool find_name(struct ecs *e, unsigned i, const struct name *name)
{
	struct pair *pair = find(e, name->dotted);

	if (pair && is_fit(&fields[i], name->dotted, &pair->v)) {
		e->found[i] = pair->value;
		pair->place = PLACE_NONE;
		return true;
	}
	if (name->outer_n == 0)
		return false;
	pair = find(e, span_of(name->dotted.p, name->outer_n));
	return pair && find_inner(e, i, pair, name);
}

static void find_fields(struct ecs *e)
{
	for (unsigned i = 0; i < FIELDS; i++) {
		struct pair *own = find(e, span_str(fields[i].ours));

		e->found[i] = SPAN_NONE;
		if (own && own->v.type == WALK_STR)
			continue;
		for (unsigned k = 0; k < NAMES_MAX && fields[i].theirs[k].dotted.p; k++) {
			if (find_name(e, i, &fields[i].theirs[k]))
				break;
		}
	}
}

static void place_pairs(struct ecs *e)
{
	for (uint32_t i = 0; i < e->count; i++) {
		struct pair *pair = &e->pairs[i];

		if (pair->v.type != WALK_MAP || pair->place == PLACE_NONE)
			continue;
		if (pair->taken > 0 && pair->taken == pair->v.count)
			pair->place = PLACE_NONE;
		else if (span_eq(pair->key, SPAN_LIT("metadata")))
			pair->place = PLACE_MERGED;
		for (size_t k = 0; k < ARRAY_COUNT(ambiguous) && pair->place == PLACE_RECORD; k++) {
			if (span_eq(pair->key, span_str(ambiguous[k])))
				pair->place = PLACE_METADATA;
		}
	}
}

/* ---- writing ---- */

static uint32_t count_at(const struct ecs *e, enum place place)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < e->count; i++)
		n += e->pairs[i].place == place;
	return n;
}

static bool is_taken(const struct ecs *e, const uint8_t *pair)
{
	for (unsigned i = 0; i < e->taken_count; i++) {
		if (e->taken[i] == pair)
			return true;
	}
	return false;
}

/* All pairs of a map but those that were taken. */
static void put_inner(const struct ecs *e, const struct pair *outer, struct buf *out)
{
	struct rcur c = rcur_of(outer->value.p, outer->value.n);
	struct walk_value v;
	struct pair pair;

	walk_read(&c, &v);
	for (uint32_t n = v.count; n > 0 && read_pair(&c, &pair) == 0; n--) {
		if (!is_taken(e, pair.whole.p))
			buf_put_span(out, pair.whole);
	}
}

static void put_pairs_at(const struct ecs *e, enum place place, struct buf *out)
{
	for (uint32_t i = 0; i < e->count; i++) {
		const struct pair *pair = &e->pairs[i];

		if (pair->place != place)
			continue;
		if (pair->taken == 0) {
			buf_put_span(out, pair->whole);
			continue;
		}
		buf_put(out, pair->whole.p, (size_t)(pair->value.p - pair->whole.p));
		pack_map_head(out, pair->v.count - pair->taken);
		put_inner(e, pair, out);
	}
}

/* What the document calls metadata comes last, and so has the last word. */
static void put_metadata(const struct ecs *e, struct buf *out)
{
	uint32_t count = count_at(e, PLACE_METADATA);

	for (uint32_t i = 0; i < e->count; i++) {
		if (e->pairs[i].place == PLACE_MERGED)
			count += e->pairs[i].v.count;
	}
	pack_str(out, SPAN_LIT("metadata"));
	pack_map_head(out, count);
	put_pairs_at(e, PLACE_METADATA, out);
	for (uint32_t i = 0; i < e->count; i++) {
		if (e->pairs[i].place == PLACE_MERGED)
			put_inner(e, &e->pairs[i], out);
	}
}

static void put_text(const char *name, struct span text, struct buf *out)
{
	if (!text.p)
		return;
	pack_str(out, span_str(name));
	pack_str(out, text);
}

static void put_record(const struct ecs *e, const struct ecs_more *more, struct buf *out)
{
	bool metadata = count_at(e, PLACE_METADATA) + count_at(e, PLACE_MERGED) > 0;
	uint32_t count = count_at(e, PLACE_RECORD) + metadata + (more->index.p != NULL) +
			 (more->id.p != NULL);

	for (unsigned i = 0; i < FIELDS; i++)
		count += e->found[i].p != NULL;
	pack_map_head(out, count);
	put_text("_index", more->index, out);
	put_text("_id", more->id, out);
	put_pairs_at(e, PLACE_RECORD, out);
	for (unsigned i = 0; i < FIELDS; i++) {
		if (!e->found[i].p)
			continue;
		pack_str(out, span_str(fields[i].ours));
		buf_put_span(out, e->found[i]);
	}
	if (metadata)
		put_metadata(e, out);
}

int ecs_record(struct ecs *e, struct span document, const struct ecs_more *more, struct buf *out)
{
	size_t len = out->len;
	int rc = read_document(e, document);

	if (rc < 0)
		return rc;
	find_fields(e);
	place_pairs(e);
	put_record(e, more, out);
	rc = out->err;
	if (rc < 0) {
		out->len = len;
		out->err = 0;
	}
	return rc;
}
