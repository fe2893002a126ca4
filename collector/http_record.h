/*
 * http_record - the pairs of one msgpack map, for shapes that rename some of them before the map becomes an
 * event.
 *
 * Thread:  none of its own.
 * Memory:  the pairs, of the caller; spans point into the map.
 */
#ifndef COLLECTOR_HTTP_RECORD_H
#define COLLECTOR_HTTP_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "proto/base/span.h"

struct http_record_pair {
	struct span key;
	struct span value; /* whole, its head included */
};

struct http_record {
	uint32_t count;
	struct http_record_pair pairs[LIMIT_MAP_PAIRS];
};

/* ERR_TYPE: no map. ERR_LIMIT: too many pairs. A pair whose key is no text is passed over. */
int http_record_read(struct http_record *rec, struct span map);
/* The last pair of that name; NULL: there is none. */
const struct http_record_pair *http_record_find(const struct http_record *rec, struct span name);
/* The value of that name; or where there is none and the name has dots, by its parts through maps. */
struct span http_record_value(const struct http_record *rec, struct span path);
/* The same in a map. */
struct span http_record_in(struct span map, struct span path);

bool http_record_is_map(struct span value);
/* The content of a text; absent: it is none, or empty. */
struct span http_record_text(struct span value);

#endif
