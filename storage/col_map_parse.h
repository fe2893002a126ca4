/*
 * col_map_parse - takes the maps of a page apart: paths, key sets, and the leaves of all rows.
 *
 * A map is followed through a tree: an edge is a key in its place behind the keys before it, a node
 * all keys so far. Where a map of the same key set was seen before, each key costs one comparison.
 * What does not fit the limits, or is not a map in its smallest widths, is whole (col_map_int.h).
 *
 * Life:    zeroed; begin, row..., then the results until the next begin; fini.
 * Memory:  grows with paths, sets and leaves, to their limits; kept.
 */
#ifndef STORAGE_COL_MAP_PARSE_H
#define STORAGE_COL_MAP_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "proto/base/span.h"

/* A leaf of a row. Texts point into the map. */
struct col_map_leaf {
	uint64_t bits;  /* COL_MAP_INT, COL_MAP_DOUBLE: the value; texts: their address */
	uint32_t bytes; /* of a text */
	uint16_t path;
	uint8_t type; /* enum col_map_type, no decimals yet */
};

struct col_map_parse_path {
	struct span key;
	uint16_t outer; /* 0: none */
	bool is_map;
	uint32_t count; /* of its leaves in all rows */
};

struct col_map_parse_set {
	uint32_t first; /* of its members */
	uint32_t count;
};

struct col_map_parse_node;
struct col_map_parse_edge;

struct col_map_parse {
	struct col_map_parse_path *paths;
	uint32_t paths_count;
	struct col_map_parse_set *sets;
	uint32_t sets_count;
	uint16_t *members;
	uint32_t members_count;
	struct col_map_leaf *leaves;
	uint32_t leaves_count;
	uint32_t leaves_cap;
	uint16_t *row_sets; /* of each row */
	uint32_t rows_count;
	uint32_t key_bytes;
	uint32_t set_bytes;
	struct col_map_parse_node *nodes;
	uint32_t nodes_count;
	uint32_t nodes_cap;
	struct col_map_parse_edge *edges;
	uint32_t edges_count;
	uint32_t edges_cap;
	uint32_t *slots;      /* 1 + edge, by hash */
	uint16_t *path_slots; /* path, by hash; 0: free */
	uint8_t *stamps;      /* of paths, while a set is made */
};

void col_map_parse_fini(struct col_map_parse *p);
/* 0 or -ENOMEM. */
int col_map_parse_begin(struct col_map_parse *p);
/* The next row. 0 or -ENOMEM. */
int col_map_parse_row(struct col_map_parse *p, struct span map);

#endif
