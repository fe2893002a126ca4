/*
 * col_map_bytes - hash and equality of short byte strings, inline: keys and words are mostly up to 16
 * bytes long, of which two loads that may overlap see all. The hash is of this process alone.
 */
#ifndef STORAGE_COL_MAP_BYTES_H
#define STORAGE_COL_MAP_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/span.h"

enum { COL_MAP_BYTES_SHORT = 16 };

struct col_map_bytes_words {
	uint64_t a, b;
};

/* All bytes of s, at most COL_MAP_BYTES_SHORT; strings of one length have the same words if equal. */
static inline struct col_map_bytes_words col_map_bytes_words(struct span s)
{
	struct col_map_bytes_words w = { 0, 0 };

	if (s.n >= 8) {
		memcpy(&w.a, s.p, 8);
		memcpy(&w.b, s.p + s.n - 8, 8);
	} else if (s.n >= 4) {
		memcpy(&w.a, s.p, 4);
		memcpy(&w.b, s.p + s.n - 4, 4);
	} else if (s.n > 0) {
		w.a = s.p[0] | (uint64_t)s.p[s.n / 2] << 8 | (uint64_t)s.p[s.n - 1] << 16;
	}
	return w;
}

static inline uint64_t col_map_bytes_hash(struct span s, uint64_t seed)
{
	struct col_map_bytes_words w;
	uint64_t h;

	if (s.n > COL_MAP_BYTES_SHORT)
		return XXH3_64bits_withSeed(s.p, s.n, seed);
	w = col_map_bytes_words(s);
	h = (w.a ^ (seed + s.n) * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;
	h ^= h >> 32;
	h = (h ^ w.b) * 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 29;
}

static inline bool col_map_bytes_same(struct span a, struct span b)
{
	struct col_map_bytes_words v, w;

	if (a.n != b.n)
		return false;
	if (a.n > COL_MAP_BYTES_SHORT)
		return memcmp(a.p, b.p, a.n) == 0;
	v = col_map_bytes_words(a);
	w = col_map_bytes_words(b);
	return ((v.a ^ w.a) | (v.b ^ w.b)) == 0;
}

#endif
