/*
 * Maps put together. What the maps of a set have in common, heads and keys, is made once as text: the
 * piece in front of each value, and for JSON the one behind the last. A map is these and its values in
 * turn.
 */
#include "storage/col_map.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/wire/json_number.h"
#include "proto/wire/json_out.h"
#include "proto/wire/pack.h"
#include "storage/col_map_read.h"

enum {
	/* A key in JSON: each byte may become six; comma or brace, quotes, colon. */
	JSON_KEY_FACTOR = 6,
	JSON_KEY_BYTES = 4,
	/* Fronts are copied in pieces of so many bytes; as many may be read behind them. */
	PAD = 16,
};

/* ---- the maps around the leaves of a set ---- */

/* Outermost first, as the leaves are walked through. */
struct nest {
	uint16_t maps[LIMIT_MAP_NESTING];
	uint32_t pairs_at[LIMIT_MAP_NESTING + 1]; /* [0] the map of the row */
	uint32_t depth;
	uint32_t opened, closed; /* of them, since the leaf before */
	uint32_t made;
};

static void enter(const struct col_map *m, struct nest *n, uint16_t leaf)
{
	uint16_t chain[LIMIT_MAP_NESTING];
	uint32_t depth = m->paths[leaf].depth, same = 0;

	ASSERT(depth < LIMIT_MAP_NESTING);
	for (uint32_t d = depth, p = m->paths[leaf].outer; d > 0; d--, p = m->paths[p].outer)
		chain[d - 1] = (uint16_t)p;
	while (same < depth && same < n->depth && chain[same] == n->maps[same])
		same++;
	for (uint32_t d = same; d < depth; d++) {
		n->maps[d] = chain[d];
		n->pairs_at[d + 1] = ++n->made;
	}
	n->closed = n->depth - same;
	n->opened = depth - same;
	n->depth = depth;
}

static struct span key_at(const struct col_map *m, uint32_t path)
{
	return m->paths[path].key;
}

/* A buffer of so many bytes that never grows. */
static int fixed(struct arena *mem, size_t bytes, struct buf *out)
{
	*out = (struct buf){ .p = arena_alloc(mem, bytes), .cap = bytes, .max = bytes };
	return out->p ? 0 : -ENOMEM;
}

/* What was written becomes the front, PAD bytes behind it. */
static int keep(struct col_map *m, const struct buf *b, struct col_map_front *f)
{
	uint8_t *text = arena_alloc(m->mem, b->len + PAD);

	ASSERT(b->err == 0);
	if (!text) {
		f->ends = NULL;
		return -ENOMEM;
	}
	if (b->len > 0)
		memcpy(text, b->p, b->len);
	memset(text + b->len, 0, PAD);
	f->text = text;
	f->bytes = (uint32_t)b->len;
	return 0;
}

static inline uint8_t *put_front(
	uint8_t *o, const struct col_map_front *f, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i += PAD)
		memcpy(o + (i - from), f->text + i, PAD);
	return o + (to - from);
}

static inline int room(struct buf *b, size_t n)
{
	return __builtin_expect(!b->err && n <= b->cap - b->len, 1) ? 0 : buf_reserve(b, n);
}

/* ---- msgpack ---- */

/* Pairs of each map that the set's leaves open; the bytes of all heads and keys at most. */
static size_t count_pairs(const struct col_map *m, const struct col_map_set *set, uint32_t *pairs)
{
	struct nest n = { 0 };
	size_t bytes = PACK_HEAD_BYTES_MAX;

	pairs[0] = 0;
	for (uint32_t k = 0; k < set->count; k++) {
		uint16_t leaf = m->members[set->first + k];

		enter(m, &n, leaf);
		for (uint32_t d = n.depth - n.opened; d < n.depth; d++) {
			pairs[n.pairs_at[d]]++;
			pairs[n.pairs_at[d + 1]] = 0;
			bytes += 2 * PACK_HEAD_BYTES_MAX + key_at(m, n.maps[d]).n;
		}
		pairs[n.pairs_at[n.depth]]++;
		bytes += PACK_HEAD_BYTES_MAX + key_at(m, leaf).n;
	}
	return bytes;
}

static void put_pack_fronts(
	const struct col_map *m, struct col_map_set *set, const uint32_t *pairs, struct buf *b)
{
	struct nest n = { 0 };

	pack_map_head(b, pairs[0]);
	for (uint32_t k = 0; k < set->count; k++) {
		uint16_t leaf = m->members[set->first + k];

		enter(m, &n, leaf);
		for (uint32_t d = n.depth - n.opened; d < n.depth; d++) {
			pack_str(b, key_at(m, n.maps[d]));
			pack_map_head(b, pairs[n.pairs_at[d + 1]]);
		}
		pack_str(b, key_at(m, leaf));
		set->pack.ends[k] = (uint32_t)b->len;
	}
}

static int make_pack(struct col_map *m, struct col_map_set *set)
{
	struct buf b = { 0 };
	uint32_t *pairs;
	int rc;

	set->pack.ends = arena_calloc(m->mem, set->count + 1, sizeof *set->pack.ends);
	if (!set->pack.ends)
		return -ENOMEM;
	/* A map that was not taken apart has its head in its value. */
	if (set == &m->sets[COL_MAP_SET_WHOLE])
		return keep(m, &b, &set->pack);
	pairs = arena_alloc(m->work, ((size_t)set->count * LIMIT_MAP_NESTING + 1) * sizeof *pairs);
	rc = pairs ? fixed(m->work, count_pairs(m, set, pairs), &b) : -ENOMEM;
	if (rc < 0) {
		set->pack.ends = NULL;
		return rc;
	}
	put_pack_fronts(m, set, pairs, &b);
	return keep(m, &b, &set->pack);
}

static void pack_value(struct buf *b, const struct col_map_item *x)
{
	double v;

	switch (x->type) {
	case COL_MAP_NULL:
		pack_nil(b);
		break;
	case COL_MAP_FALSE:
	case COL_MAP_TRUE:
		pack_bool(b, x->type == COL_MAP_TRUE);
		break;
	case COL_MAP_INT:
		pack_int(b, x->i);
		break;
	case COL_MAP_DECIMAL:
		pack_double(b, col_map_double(x->i, x->scale));
		break;
	case COL_MAP_DOUBLE:
		memcpy(&v, &x->i, sizeof v);
		pack_double(b, v);
		break;
	case COL_MAP_STR:
		pack_str(b, x->s);
		break;
	default:
		buf_put_span(b, x->s);
		break;
	}
}

int col_map_front_pack(struct col_map *m, uint32_t code, struct buf *b)
{
	struct col_map_set *set = &m->sets[code];
	const struct col_map_front *f = &set->pack;
	uint32_t at = 0;

	if (!f->ends && make_pack(m, set) < 0)
		return -ENOMEM;
	for (uint32_t k = 0; k < set->count; k++) {
		struct col_map_want *x = &m->wants[m->members[set->first + k]];

		buf_put(b, f->text + at, f->ends[k] - at);
		at = f->ends[k];
		pack_value(b, &m->r.items[x->next++]);
	}
	if (set->count == 0)
		buf_put(b, f->text, f->bytes);
	return b->err;
}

/* ---- JSON ---- */

static size_t json_key_bytes(const struct col_map *m, uint32_t path)
{
	return JSON_KEY_FACTOR * key_at(m, path).n + JSON_KEY_BYTES;
}

/* Of all keys and braces, at most. */
static size_t json_bytes(const struct col_map *m, const struct col_map_set *set)
{
	struct nest n = { 0 };
	size_t bytes = 2;

	for (uint32_t k = 0; k < set->count; k++) {
		uint16_t leaf = m->members[set->first + k];

		enter(m, &n, leaf);
		for (uint32_t d = n.depth - n.opened; d < n.depth; d++)
			bytes += json_key_bytes(m, n.maps[d]) + 1;
		bytes += json_key_bytes(m, leaf);
	}
	return bytes;
}

static void put_json_key(const struct col_map *m, uint32_t path, struct buf *b)
{
	json_out_string(key_at(m, path), b);
	buf_put_u8(b, ':');
}

static void put_json_fronts(const struct col_map *m, struct col_map_set *set, struct buf *b)
{
	struct nest n = { 0 };

	buf_put_u8(b, '{');
	for (uint32_t k = 0; k < set->count; k++) {
		uint16_t leaf = m->members[set->first + k];

		enter(m, &n, leaf);
		for (uint32_t d = 0; d < n.closed; d++)
			buf_put_u8(b, '}');
		if (k > 0)
			buf_put_u8(b, ',');
		for (uint32_t d = n.depth - n.opened; d < n.depth; d++) {
			put_json_key(m, n.maps[d], b);
			buf_put_u8(b, '{');
		}
		put_json_key(m, leaf, b);
		set->json.ends[k] = (uint32_t)b->len;
	}
	for (uint32_t d = 0; d < n.depth + 1; d++)
		buf_put_u8(b, '}');
}

static int make_json(struct col_map *m, struct col_map_set *set)
{
	struct buf b = { 0 };

	set->json.ends = arena_calloc(m->mem, set->count + 1, sizeof *set->json.ends);
	if (!set->json.ends)
		return -ENOMEM;
	if (set == &m->sets[COL_MAP_SET_WHOLE])
		return keep(m, &b, &set->json);
	if (fixed(m->work, json_bytes(m, set), &b) < 0) {
		set->json.ends = NULL;
		return -ENOMEM;
	}
	put_json_fronts(m, set, &b);
	return keep(m, &b, &set->json);
}

static size_t put_constant(uint8_t *o, const char *text, size_t n)
{
	memcpy(o, text, n);
	return n;
}

/* A value that is no text, for which there is room. */
static size_t put_scalar(uint8_t *o, const struct col_map_item *x)
{
	double v;

	switch (x->type) {
	case COL_MAP_INT:
		return json_number_put_int((char *)o, x->i);
	case COL_MAP_DECIMAL:
		return json_number_put_decimal((char *)o, x->i, x->scale);
	case COL_MAP_DOUBLE:
		memcpy(&v, &x->i, sizeof v);
		return json_number_put_float((char *)o, v);
	case COL_MAP_FALSE:
		return put_constant(o, "false", 5);
	case COL_MAP_TRUE:
		return put_constant(o, "true", 4);
	default:
		return put_constant(o, "null", 4);
	}
}

/* Room for JSON_NUMBER_BYTES_MAX is there. Negative: as json_out_value. */
static inline int put_json_value(struct buf *b, const struct col_map_item *x)
{
	if (x->type == COL_MAP_OTHER)
		return json_out_value(x->s, b);
	if (x->type == COL_MAP_STR)
		json_out_string(x->s, b);
	else
		b->len += put_scalar(b->p + b->len, x);
	return b->err;
}

/* The values, each with what stands in front of it. Negative: as json_out_value. */
static int put_json_values(struct col_map *m, const struct col_map_set *set, struct buf *b)
{
	const struct col_map_front *f = &set->json;
	uint32_t at = 0;
	int rc = 0;

	for (uint32_t k = 0; k < set->count; k++) {
		struct col_map_want *want = &m->wants[m->members[set->first + k]];
		const struct col_map_item *x = &m->r.items[want->next++];

		/* What goes wrong does so for the whole map, but all its items must be taken. */
		if (rc == 0)
			rc = room(b, f->ends[k] - at + PAD + JSON_NUMBER_BYTES_MAX);
		if (rc < 0)
			continue;
		b->len = (size_t)(put_front(b->p + b->len, f, at, f->ends[k]) - b->p);
		at = f->ends[k];
		rc = put_json_value(b, x);
	}
	return rc;
}

int col_map_front_json(struct col_map *m, uint32_t code, struct buf *b)
{
	struct col_map_set *set = &m->sets[code];
	const struct col_map_front *f = &set->json;
	size_t len = b->len;
	uint32_t end;
	int rc;

	if (!f->ends && make_json(m, set) < 0)
		return -ENOMEM;
	rc = put_json_values(m, set, b);
	if (rc < 0 && json_out_is_damage(rc)) {
		b->len = len;
		buf_put_str(b, "null");
		return b->err;
	}
	end = set->count ? f->ends[set->count - 1] : 0;
	if (rc == 0)
		rc = room(b, f->bytes - end + PAD);
	if (rc == 0)
		b->len = (size_t)(put_front(b->p + b->len, f, end, f->bytes) - b->p);
	return rc;
}
