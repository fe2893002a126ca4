#include "collector/metadata.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"

static_assert((int)LIMIT_METADATA_PAIRS <= (int)CANON_UNIQUE_MAX, "all pairs can be compared");

static const struct span displaced_name = { (const uint8_t *)"_displaced", 10 };

struct list {
	uint32_t count;
	struct canon_pair pairs[LIMIT_METADATA_PAIRS];
};

struct metadata {
	struct canon *canon;
	struct metadata_counts counts;
	struct list live;      /* while they are added, all; then those that keep their key */
	struct list displaced; /* those that do not */
	uint8_t bytes[LIMIT_EVENT_BYTES];
};

int metadata_new(struct metadata **out)
{
	struct metadata *m = calloc(1, sizeof *m);
	int rc;

	if (!m)
		return -ENOMEM;
	rc = canon_new(&m->canon);
	if (rc < 0) {
		free(m);
		return rc;
	}
	*out = m;
	return 0;
}

void metadata_free(struct metadata **m)
{
	if (!*m)
		return;
	canon_free(&(*m)->canon);
	free(*m);
	*m = NULL;
}

void metadata_counts(const struct metadata *m, struct metadata_counts *out)
{
	*out = m->counts;
	out->keys_dropped += canon_keys_dropped(m->canon);
	out->keys_repeated += canon_keys_repeated(m->canon);
}

/* ---- reading a map's pairs ---- */

int metadata_read_head(struct rcur *c, uint32_t *out_count)
{
	struct walk_value v;
	int rc = walk_read(c, &v);

	if (rc < 0)
		return rc;
	if (v.type != WALK_MAP)
		return ERR_TYPE;
	if (v.count > LIMIT_MAP_PAIRS)
		return ERR_LIMIT;
	*out_count = v.count;
	return 0;
}

/* A whole value with `depth` maps around it, checked; its head in *v. */
static int read_value(struct metadata *m, struct rcur *c, unsigned depth, struct walk_value *v,
	struct canon_pair *pair)
{
	const uint8_t *start = c->p;
	int rc = walk_next(c, v);

	pair->rewrite = false;
	if (rc == 0 && (v->type == WALK_ARRAY || v->type == WALK_MAP)) {
		c->p = start;
		rc = canon_check(m->canon, c, depth);
		pair->rewrite = rc == CANON_REWRITE;
	}
	pair->value = span_of(start, (size_t)(c->p - start));
	return rc < 0 ? rc : 0;
}

static int pass_over(struct metadata *m, struct rcur *c)
{
	int rc = walk_skip(c);

	m->counts.keys_dropped++;
	if (rc == 0)
		rc = walk_skip(c);
	return rc < 0 ? rc : METADATA_NO_KEY;
}

int metadata_read_key(struct metadata *m, struct rcur *c, struct span *out)
{
	const uint8_t *start = c->p;
	struct walk_value key;
	int rc = walk_read(c, &key);

	if (rc < 0)
		return rc;
	if (!walk_is_text(&key)) {
		c->p = start;
		return pass_over(m, c);
	}
	*out = key.data;
	return 0;
}

int metadata_read_value(
	struct metadata *m, struct rcur *c, struct walk_value *v, struct canon_pair *pair)
{
	pair->source = METADATA_RECORD;
	return read_value(m, c, 1, v, pair);
}

int metadata_read_pair(
	struct metadata *m, struct rcur *c, struct walk_value *v, struct canon_pair *pair)
{
	int rc = metadata_read_key(m, c, &pair->key);

	return rc != 0 ? rc : metadata_read_value(m, c, v, pair);
}

/* ---- the list ---- */

void metadata_reset(struct metadata *m)
{
	m->live.count = 0;
	m->displaced.count = 0;
}

static void append(struct list *list, const struct canon_pair *pair)
{
	ASSERT(list->count < LIMIT_METADATA_PAIRS);
	list->pairs[list->count++] = *pair;
}

void metadata_add(struct metadata *m, const struct canon_pair *pair)
{
	ASSERT(m->live.count == 0 || m->live.pairs[m->live.count - 1].source <= pair->source);
	append(&m->live, pair);
}

int metadata_add_value(struct metadata *m, struct span name, struct span value)
{
	struct canon_pair pair = { .key = name, .source = METADATA_RECORD };
	struct rcur c = rcur_of(value.p, value.n);
	struct walk_value v;
	int rc = read_value(m, &c, 1, &v, &pair);

	if (rc == 0)
		metadata_add(m, &pair);
	return rc;
}

int metadata_add_map(struct metadata *m, struct span map, enum metadata_source source)
{
	struct rcur c = rcur_of(map.p, map.n);
	uint32_t count = 0;
	int rc = metadata_read_head(&c, &count);

	for (uint32_t i = 0; rc >= 0 && i < count; i++) {
		struct canon_pair pair;
		struct walk_value v;

		rc = metadata_read_pair(m, &c, &v, &pair);
		pair.source = (uint8_t)source;
		if (rc == 0)
			metadata_add(m, &pair);
	}
	return rc < 0 ? rc : 0;
}

bool metadata_is_empty(const struct metadata *m)
{
	return m->live.count == 0;
}

/* ---- keys with two claims ---- */

/* The value will stand one map deeper than it came. */
static int displace(struct metadata *m, const struct canon_pair *pair)
{
	struct rcur c = rcur_of(pair->value.p, pair->value.n);
	int rc = canon_check(m->canon, &c, 2);

	if (rc < 0)
		return rc;
	append(&m->displaced, pair);
	m->counts.values_displaced++;
	return 0;
}

/* A pair that lost its key: another of its source replaced it, or another source did. */
static int lose(struct metadata *m, const struct canon_pair *pair)
{
	const struct canon_pair *winner = &m->live.pairs[pair->winner];

	if (pair->source == winner->source) {
		m->counts.keys_repeated++;
		return 0;
	}
	return span_eq(pair->value, winner->value) ? 0 : displace(m, pair);
}

/* Only winners stay live. */
static int settle(struct metadata *m)
{
	uint32_t kept = 0;
	int rc = 0;

	for (uint32_t i = 0; i < m->live.count && rc == 0; i++) {
		if (m->live.pairs[i].winner != i)
			rc = lose(m, &m->live.pairs[i]);
	}
	for (uint32_t i = 0; i < m->live.count; i++) {
		if (m->live.pairs[i].winner == i)
			m->live.pairs[kept++] = m->live.pairs[i];
	}
	m->live.count = kept;
	return rc;
}

/* Our own "_displaced" is about to be written: one that came with the event is displaced by it. */
static int free_the_name(struct metadata *m)
{
	for (uint32_t i = 0; i < m->live.count; i++) {
		struct canon_pair pair = m->live.pairs[i];

		if (!span_eq(pair.key, displaced_name))
			continue;
		m->live.pairs[i] = m->live.pairs[--m->live.count];
		return displace(m, &pair);
	}
	return 0;
}

/* ---- writing ---- */

static void write_pair(struct metadata *m, const struct canon_pair *pair, struct wcur *w)
{
	canon_put_str(w, pair->key);
	if (pair->rewrite)
		canon_write(m->canon, pair->value, w);
	else
		wcur_bytes(w, pair->value.p, pair->value.n);
}

static int finish(struct metadata *m, const struct wcur *w, struct span *out)
{
	if (w->err)
		return w->err;
	*out = span_of(m->bytes, (size_t)(w->p - m->bytes));
	return 0;
}

static int write_displaced(struct metadata *m, struct wcur *w, bool *out_lost)
{
	uint32_t losers = canon_unique(m->canon, m->displaced.pairs, m->displaced.count);

	if (m->displaced.count - losers > LIMIT_MAP_PAIRS)
		return ERR_LIMIT;
	canon_put_str(w, displaced_name);
	canon_put_map(w, m->displaced.count - losers);
	for (uint32_t i = 0; i < m->displaced.count; i++) {
		if (m->displaced.pairs[i].winner == i)
			write_pair(m, &m->displaced.pairs[i], w);
	}
	*out_lost = losers > 0;
	return 0;
}

int metadata_write(struct metadata *m, struct span *out, bool *out_lost)
{
	struct wcur w = wcur_of(m->bytes, sizeof m->bytes);
	uint32_t count;
	int rc = 0;

	*out_lost = false;
	if (canon_unique(m->canon, m->live.pairs, m->live.count) > 0)
		rc = settle(m);
	if (rc == 0 && m->displaced.count > 0)
		rc = free_the_name(m);
	if (rc < 0)
		return rc;
	count = m->live.count + (m->displaced.count > 0);
	if (count > LIMIT_MAP_PAIRS)
		return ERR_LIMIT;
	canon_put_map(&w, count);
	for (uint32_t i = 0; i < m->live.count; i++)
		write_pair(m, &m->live.pairs[i], &w);
	if (m->displaced.count > 0)
		rc = write_displaced(m, &w, out_lost);
	return rc < 0 ? rc : finish(m, &w, out);
}

int metadata_whole(struct metadata *m, const struct canon_pair *map, struct span *out)
{
	struct wcur w = wcur_of(m->bytes, sizeof m->bytes);

	if (!map->rewrite) {
		*out = map->value;
		return 0;
	}
	canon_write(m->canon, map->value, &w);
	return finish(m, &w, out);
}
