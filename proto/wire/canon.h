/*
 * canon - what a msgpack value must be before it is stored: maps whose keys are str and occur once,
 * at most LIMIT_MAP_PAIRS pairs each, nested at most LIMIT_DEPTH deep. Readers of the store rely on it.
 *
 * Nearly every value is so already: canon_check finds that out in one pass and it is stored as it
 * came. The others are written anew: pairs whose key is neither str nor bin are dropped, a bin key
 * becomes a str, of pairs with the same key the last one stays. Values are copied bit for bit.
 *
 * Life:    new once per thread, free at exit.
 * Thread:  one at a time.
 * Memory:  all taken in new (3 MiB of address space, a page or two of it used); never after.
 * Malice:  time grows with the bytes, times LIMIT_DEPTH where maps are written anew.
 */
#ifndef PROTO_WIRE_CANON_H
#define PROTO_WIRE_CANON_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/cursor.h"
#include "proto/base/span.h"

enum canon_outcome {
	CANON_REWRITE = 1, /* within the limits, but has to go through canon_write */
};

struct canon;

/* One pair of a map. The key is the text alone, the value a whole msgpack value. */
struct canon_pair {
	struct span key;
	struct span value;
	uint32_t
		winner; /* set by canon_unique: the pair that stands for this key, perhaps itself */
	uint8_t source; /* the caller's */
	bool rewrite;   /* canon_check of the value said so */
};

int canon_new(struct canon **out);
void canon_free(struct canon **k);

/*
 * Checks one value that `depth` arrays and maps surround, and moves past it. 0: may be stored as it
 * is. CANON_REWRITE. ERR_DEPTH, ERR_LIMIT, ERR_SYNTAX, ERR_TRUNCATED: never to be stored; the
 * cursor stays anywhere.
 */
int canon_check(struct canon *k, struct rcur *c, unsigned depth);

/* Writes a value that canon_check has passed, as it should be; room fails as wcur does. */
void canon_write(struct canon *k, struct span value, struct wcur *w);

/*
 * Finds equal keys: the last of each is the winner. Returns the number of the others. n is at most
 * CANON_UNIQUE_MAX.
 */
enum { CANON_UNIQUE_MAX = 4 * 1024 };
uint32_t canon_unique(struct canon *k, struct canon_pair *pairs, uint32_t n);

/* Head of a map, and a str, in their smallest widths. */
void canon_put_map(struct wcur *w, uint32_t pairs);
void canon_put_str(struct wcur *w, struct span s);

/* Since new: pairs that canon_write left out for their key's type, or for a later pair. */
uint64_t canon_keys_dropped(const struct canon *k);
uint64_t canon_keys_repeated(const struct canon *k);

#endif
