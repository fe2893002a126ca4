/*
 * rule_meta - one value of a metadata map read, put and taken away.
 *
 * Thread: any. Memory: none; spans point into the input, maps are written into the caller's buffer.
 * Malice:  time is proportional to the bytes of the map. What is no msgpack is left as it is.
 */
#ifndef PROTO_RULE_RULE_META_H
#define PROTO_RULE_RULE_META_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/cursor.h"
#include "proto/base/span.h"
#include "proto/wire/pack.h"
#include "proto/wire/walk.h"

/* The smallest head of a str (or WALK_BIN) of that length; its bytes. */
size_t rule_meta_head(uint8_t dst[PACK_HEAD_BYTES_MAX], enum walk_type type, size_t n);

/* A value to be put: msgpack in two parts, that of a text head and text. */
struct rule_meta_value {
	uint8_t head[PACK_HEAD_BYTES_MAX];
	uint8_t head_bytes;
	struct span body;
};

struct rule_meta_value rule_meta_text(struct span text);
struct rule_meta_value rule_meta_raw(struct span msgpack);

/* A place in a map: keys from the outermost on, at least one. */
struct rule_meta_path {
	const struct span *keys;
	uint32_t count;
};

/* The value at the path; absent: there is none. */
struct span rule_meta_get(struct span map, struct rule_meta_path path);
/*
 * Writes the map (absent: an empty one) with the value at the path, in place of what is there. False,
 * and w is as it was: a part of the path stands for something else than a map, a map would have more
 * than LIMIT_MAP_PAIRS, or w has no room for it.
 */
bool rule_meta_put(struct span map, struct rule_meta_path path, const struct rule_meta_value *value,
	struct wcur *w);
/* Writes the map without the value at the path, and without the maps that become empty by that. */
bool rule_meta_take(struct span map, struct rule_meta_path path, struct wcur *w);

/* True of a map without pairs. */
bool rule_meta_is_empty(struct span map);

#endif
