#include "proto/rule/rule_meta.h"

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/wire/canon.h"

size_t rule_meta_head(uint8_t dst[PACK_HEAD_BYTES_MAX], enum walk_type type, size_t n)
{
	if (type != WALK_BIN)
		return pack_at_str(dst, (uint32_t)n);
	if (n > UINT8_MAX)
		return pack_at_width(dst, 0xc5, (uint32_t)n);
	dst[0] = 0xc4;
	dst[1] = (uint8_t)n;
	return 2;
}

struct rule_meta_value rule_meta_text(struct span text)
{
	struct rule_meta_value v = { .body = text };

	v.head_bytes = (uint8_t)rule_meta_head(v.head, WALK_STR, text.n);
	return v;
}

struct rule_meta_value rule_meta_raw(struct span msgpack)
{
	return (struct rule_meta_value){ .body = msgpack };
}

/* One map with the pair of a key, if it has one. */
struct found {
	uint32_t count;       /* pairs */
	const uint8_t *pairs; /* the first */
	const uint8_t *end;
	struct span pair; /* key and value; absent: there is no such pair */
	struct span value;
};

/* False: it is no map. */
static bool find(struct span map, struct span key, struct found *out)
{
	struct rcur c = rcur_of(map.p, map.n);
	struct walk_value v;

	if (map.n == 0 || walk_read(&c, &v) < 0 || v.type != WALK_MAP)
		return false;
	*out = (struct found){ .count = v.count, .pairs = c.p, .end = span_end(map) };
	for (uint32_t i = 0; i < out->count; i++) {
		const uint8_t *at = c.p;
		struct span name, value;
		struct rcur head;

		if (walk_take(&c, &name) < 0 || walk_take(&c, &value) < 0)
			return false;
		head = rcur_of(name.p, name.n);
		if (walk_read(&head, &v) < 0 || !walk_is_text(&v) || !span_eq(v.data, key))
			continue;
		out->pair = span_of(at, (size_t)(c.p - at));
		out->value = value;
		break;
	}
	return true;
}

struct span rule_meta_get(struct span map, struct rule_meta_path path)
{
	ASSERT(path.count > 0);
	for (uint32_t i = 0; i < path.count; i++) {
		struct found f;

		if (!find(map, path.keys[i], &f) || !f.pair.p)
			return SPAN_NONE;
		map = f.value;
	}
	return map;
}

bool rule_meta_is_empty(struct span map)
{
	struct rcur c = rcur_of(map.p, map.n);
	struct walk_value v;

	return walk_read(&c, &v) == 0 && v.type == WALK_MAP && v.count == 0;
}

static void put_span(struct wcur *w, const uint8_t *from, const uint8_t *to)
{
	wcur_bytes(w, from, (size_t)(to - from));
}

static void put_value(struct wcur *w, const struct rule_meta_value *v)
{
	wcur_bytes(w, v->head, v->head_bytes);
	wcur_bytes(w, v->body.p, v->body.n);
}

/* A pair more: the maps that its path still wants are inside it. */
static bool put_pair(const struct found *f, struct rule_meta_path path,
	const struct rule_meta_value *value, struct wcur *w)
{
	if (f->count >= LIMIT_MAP_PAIRS)
		return false;
	canon_put_map(w, f->count + 1);
	put_span(w, f->pairs, f->end);
	for (uint32_t i = 0; i < path.count; i++) {
		if (i > 0)
			canon_put_map(w, 1);
		canon_put_str(w, path.keys[i]);
	}
	put_value(w, value);
	return true;
}

/* Each map on the path is copied up to the value that is the next one, and after it. */
static bool put(struct span map, struct rule_meta_path path, const struct rule_meta_value *value,
	struct wcur *w)
{
	struct rule_meta_path inner = { path.keys + 1, path.count - 1 };
	struct found f;

	if (!find(map, path.keys[0], &f))
		return false;
	if (!f.pair.p)
		return put_pair(&f, path, value, w);
	put_span(w, map.p, f.value.p);
	if (inner.count == 0)
		put_value(w, value);
	else if (!put(f.value, inner, value, w))
		return false;
	put_span(w, span_end(f.value), f.end);
	return true;
}

bool rule_meta_put(struct span map, struct rule_meta_path path, const struct rule_meta_value *value,
	struct wcur *w)
{
	static const uint8_t none[] = { 0x80 };
	struct wcur was = *w;

	ASSERT(path.count > 0);
	if (put(map.p ? map : span_of(none, sizeof none), path, value, w) && w->err == 0)
		return true;
	*w = was;
	return false;
}

static bool take(struct span map, struct rule_meta_path path, struct wcur *w)
{
	struct rule_meta_path inner = { path.keys + 1, path.count - 1 };
	struct found f;

	if (!find(map, path.keys[0], &f) || !f.pair.p)
		return false;
	if (inner.count == 0) {
		canon_put_map(w, f.count - 1);
		put_span(w, f.pairs, f.pair.p);
		put_span(w, span_end(f.pair), f.end);
		return true;
	}
	put_span(w, map.p, f.value.p);
	if (!take(f.value, inner, w))
		return false;
	put_span(w, span_end(f.value), f.end);
	return true;
}

static bool has_one_pair(struct span map)
{
	struct rcur c = rcur_of(map.p, map.n);
	struct walk_value v;

	return walk_read(&c, &v) == 0 && v.type == WALK_MAP && v.count == 1;
}

bool rule_meta_take(struct span map, struct rule_meta_path path, struct wcur *w)
{
	struct wcur was = *w;

	ASSERT(path.count > 0);
	if (!rule_meta_get(map, path).p)
		return false;
	for (; path.count > 1; path.count--) {
		struct rule_meta_path above = { path.keys, path.count - 1 };

		if (!has_one_pair(rule_meta_get(map, above)))
			break;
	}
	if (take(map, path, w) && w->err == 0)
		return true;
	*w = was;
	return false;
}
