#include "collector/http_record.h"

#include <string.h>

#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/wire/walk.h"

/* The next pair of a map whose head was read: 0, or negative. */
static int read_pair(struct rcur *c, struct span *out_key, struct span *out_value)
{
	struct walk_value key;
	int rc = walk_next(c, &key);

	if (rc < 0)
		return rc;
	if (key.type == WALK_ARRAY || key.type == WALK_MAP)
		return ERR_TYPE;
	*out_key = walk_is_text(&key) ? key.data : SPAN_NONE;
	return walk_take(c, out_value);
}

static int read_head(struct rcur *c, uint32_t *out_count)
{
	struct walk_value head;
	int rc = walk_read(c, &head);

	if (rc < 0)
		return rc;
	if (head.type != WALK_MAP)
		return ERR_TYPE;
	*out_count = head.count;
	return head.count > LIMIT_MAP_PAIRS ? ERR_LIMIT : 0;
}

int http_record_read(struct http_record *rec, struct span map)
{
	struct rcur c = rcur_of(map.p, map.n);
	uint32_t count = 0;
	int rc = read_head(&c, &count);

	rec->count = 0;
	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		struct http_record_pair *pair = &rec->pairs[rec->count];

		rc = read_pair(&c, &pair->key, &pair->value);
		rec->count += rc == 0 && pair->key.p;
	}
	return rc;
}

const struct http_record_pair *http_record_find(const struct http_record *rec, struct span name)
{
	for (uint32_t i = rec->count; i > 0; i--) {
		if (span_eq(rec->pairs[i - 1].key, name))
			return &rec->pairs[i - 1];
	}
	return NULL;
}

/* The value of the first pair of that very name. */
static struct span find_in(struct span map, struct span name)
{
	struct rcur c = rcur_of(map.p, map.n);
	uint32_t count = 0;
	int rc = read_head(&c, &count);

	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		struct span key, value;

		rc = read_pair(&c, &key, &value);
		if (rc == 0 && key.p && span_eq(key, name))
			return value;
	}
	return SPAN_NONE;
}

/* Takes the first part of a path off it. */
static struct span first_part(struct span *path)
{
	const uint8_t *dot = path->n ? memchr(path->p, '.', path->n) : NULL;
	struct span part = *path;

	if (!dot) {
		*path = SPAN_NONE;
		return part;
	}
	part.n = (size_t)(dot - path->p);
	*path = span_of(dot + 1, path->n - part.n - 1);
	return part;
}

struct span http_record_in(struct span map, struct span path)
{
	struct span value = find_in(map, path);

	if (value.p)
		return value;
	value = map;
	for (unsigned depth = 0; path.p && value.p && depth < LIMIT_DEPTH; depth++)
		value = find_in(value, first_part(&path));
	return path.p ? SPAN_NONE : value;
}

struct span http_record_value(const struct http_record *rec, struct span path)
{
	const struct http_record_pair *pair = http_record_find(rec, path);

	if (pair)
		return pair->value;
	pair = http_record_find(rec, first_part(&path));
	return pair && path.p ? http_record_in(pair->value, path) : SPAN_NONE;
}

bool http_record_is_map(struct span value)
{
	return value.n > 0 &&
	       ((value.p[0] & 0xf0) == 0x80 || value.p[0] == 0xde || value.p[0] == 0xdf);
}

struct span http_record_text(struct span value)
{
	struct rcur c = rcur_of(value.p, value.n);
	struct walk_value v;

	if (!value.p || walk_read(&c, &v) < 0 || !walk_is_text(&v) || v.data.n == 0)
		return SPAN_NONE;
	return v.data;
}
