/*
 * metadata - an event's metadata map, made of pairs from several sources: the record's own metadata
 * map, a details map, every key of the record that is no field.
 *
 * Of one source the last pair of a key stays. Between sources the larger enum metadata_source
 * keeps the key; a different value that lost stands in a map under "_displaced".
 *
 * Life:    new once per thread; per event reset, add..., write; free at exit.
 * Thread:  one at a time.
 * Memory:  all taken in new; the map is written into a buffer of LIMIT_EVENT_BYTES that lives till
 *          the next write. Pairs point into the record until then.
 * Errors:  those of canon_check, and ERR_LIMIT: more than LIMIT_MAP_PAIRS pairs, or too many bytes.
 */
#ifndef COLLECTOR_METADATA_H
#define COLLECTOR_METADATA_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/cursor.h"
#include "proto/base/limits.h"
#include "proto/base/span.h"
#include "proto/wire/canon.h"
#include "proto/wire/walk.h"

enum metadata_source {
	METADATA_RECORD,
	METADATA_DETAILS,
	METADATA_OWN,
};

/* All events together, rising. */
struct metadata_counts {
	uint64_t keys_dropped;     /* pairs whose key is neither str nor bin */
	uint64_t keys_repeated;    /* pairs that a later one of the same key replaced */
	uint64_t values_displaced; /* kept under "_displaced" */
};

struct metadata;

int metadata_new(struct metadata **out);
void metadata_free(struct metadata **m);
void metadata_counts(const struct metadata *m, struct metadata_counts *out);

/* ---- reading a map's pairs ---- */

enum metadata_outcome {
	METADATA_NO_KEY = 1, /* the pair's key is no text: passed over and counted */
};

/* The head of a map. ERR_TYPE: it is none. ERR_LIMIT: more than LIMIT_MAP_PAIRS. */
int metadata_read_head(struct rcur *c, uint32_t *out_count);
/*
 * The next pair of a map of the outermost level, checked: its key and whole value in *pair, with
 * METADATA_RECORD as source, the value's head in *v. Or METADATA_NO_KEY.
 */
int metadata_read_pair(
	struct metadata *m, struct rcur *c, struct walk_value *v, struct canon_pair *pair);
/* The same in two steps: the key, or METADATA_NO_KEY; then the value where the key is one. */
int metadata_read_key(struct metadata *m, struct rcur *c, struct span *out);
int metadata_read_value(
	struct metadata *m, struct rcur *c, struct walk_value *v, struct canon_pair *pair);

/* ---- making the map ---- */

void metadata_reset(struct metadata *m);
/* At most LIMIT_METADATA_PAIRS in all. Sources are added in their order, the smallest first. */
void metadata_add(struct metadata *m, const struct canon_pair *pair);
/* One pair: that name and that whole value. */
int metadata_add_value(struct metadata *m, struct span name, struct span value);
/* All pairs of a map. */
int metadata_add_map(struct metadata *m, struct span map, enum metadata_source source);
bool metadata_is_empty(const struct metadata *m);

/* The map of all pairs. *out_lost: a value had to go, for "_displaced" has two claims on its key. */
int metadata_write(struct metadata *m, struct span *out, bool *out_lost);
/* One map that metadata_read_pair has passed, and nothing besides: where it lies if it is clean. */
int metadata_whole(struct metadata *m, const struct canon_pair *map, struct span *out);

#endif
