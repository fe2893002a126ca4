#include "collector/partial_record.h"

#include "proto/base/check.h"
#include "proto/wire/walk.h"

static bool is_true(const struct walk_value *v)
{
	return walk_is_text(v) ? span_eq(v->data, SPAN_LIT("true")) : v->type == WALK_BOOL && v->b;
}

static uint64_t number(const struct walk_value *v)
{
	uint64_t n = 0;

	if (v->type == WALK_UINT)
		return v->u;
	if (!walk_is_text(v) || v->data.n > 9)
		return 0;
	for (size_t i = 0; i < v->data.n; i++) {
		if (v->data.p[i] < '0' || v->data.p[i] > '9')
			return 0;
		n = n * 10 + (v->data.p[i] - '0');
	}
	return n;
}

static void read_pair(struct span key, const struct walk_value *v, struct partial_record_marks *m)
{
	static const char *const names[] = { "partial_id", "container_id", "source", "log" };
	struct span *const to[] = { &m->id, &m->container, &m->source, &m->log };

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		if (walk_is_text(v) && span_eq(key, span_str(names[i])))
			*to[i] = v->data;
	}
	if (span_eq(key, SPAN_LIT("partial_ordinal")))
		m->ordinal = number(v);
	else if (span_eq(key, SPAN_LIT("partial_message")))
		m->part = is_true(v);
	else if (span_eq(key, SPAN_LIT("partial_last")))
		m->last = is_true(v);
}

/* One pair of a map: its key, *v its value's head, *whole both. False at the map's end. */
static bool next_pair(
	struct rcur *c, struct walk_value *key, struct walk_value *v, struct span *whole)
{
	const uint8_t *begin = c->p;
	struct rcur head;

	if (walk_read(c, key) < 0)
		return false;
	head = *c;
	if (walk_read(&head, v) < 0 || walk_skip(c) < 0)
		return false;
	*whole = span_of(begin, (size_t)(c->p - begin));
	return true;
}

struct partial_record_marks partial_record_read(struct span record)
{
	struct rcur c = rcur_of(record.p, record.n);
	struct partial_record_marks m = { .ordinal = 0 };
	struct walk_value map, key, v;
	struct span whole;

	if (walk_read(&c, &map) < 0 || map.type != WALK_MAP)
		return m;
	for (uint32_t i = 0; i < map.count && next_pair(&c, &key, &v, &whole); i++) {
		if (walk_is_text(&key))
			read_pair(key.data, &v, &m);
	}
	return m;
}

static XXH128_hash_t add_name(XXH128_hash_t h, struct span s)
{
	return XXH3_128bits_withSeed(s.n ? (const void *)s.p : "", s.n, h.low64 ^ h.high64 ^ s.n);
}

XXH128_hash_t partial_record_name(struct span tag, const struct partial_record_marks *m)
{
	XXH128_hash_t h = { 0 };

	h = add_name(h, tag);
	h = add_name(h, m->container);
	h = add_name(h, m->source);
	return add_name(h, m->id);
}

static bool is_mark(struct span key)
{
	return span_eq(key, SPAN_LIT("log")) || span_eq(key, SPAN_LIT("partial_message")) ||
	       span_eq(key, SPAN_LIT("partial_id")) || span_eq(key, SPAN_LIT("partial_ordinal")) ||
	       span_eq(key, SPAN_LIT("partial_last"));
}

static void put_be32(struct buf *b, uint8_t first, uint32_t n)
{
	buf_put_u8(b, first);
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_put_u8(b, (uint8_t)(n >> shift));
}

/* The first part's record without what was of the part alone. */
static void put_pairs(struct buf *to, struct span record)
{
	struct rcur c = rcur_of(record.p, record.n);
	struct walk_value map, key, v;
	struct span whole;
	uint32_t pairs = 1;

	walk_read(&c, &map);
	for (uint32_t i = 0; i < map.count && next_pair(&c, &key, &v, &whole); i++)
		pairs += !walk_is_text(&key) || !is_mark(key.data);
	put_be32(to, 0xdf, pairs);
	c = rcur_of(record.p, record.n);
	walk_read(&c, &map);
	for (uint32_t i = 0; i < map.count && next_pair(&c, &key, &v, &whole); i++) {
		if (!walk_is_text(&key) || !is_mark(key.data))
			buf_put_span(to, whole);
	}
}

void partial_record_join(struct buf *to, struct span first, uint32_t text_bytes)
{
	put_pairs(to, first);
	buf_put_str(to, "\xa3log");
	put_be32(to, 0xdb, text_bytes);
}
