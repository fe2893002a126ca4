/*
 * col_map_int - the bytes of a page of maps, and what those who write and read it share.
 *
 * PAGE       u8 form, and
 *   COL_MAP_WHOLE   a page of text (col_text.h): a value a row
 *   COL_MAP_APART   varint raw, varint encoded: bytes of the tables; the tables, stored if the two are
 *                   equal, else one LZ4 block; then the sections, one after another:
 *                   key sets of rows, counts, loose texts, columns in the order of their descriptors
 * TABLES     of varints
 *   paths, sets, loose texts    their numbers
 *   for path 1 ..: 2 * outer path (0: none) + 1 if it is a map, its key (length and bytes)
 *   for set 2 ..: members, the first as it is, each other as the zigzag difference to its
 *                   predecessor, less 1 (a path and the next one: 0)
 *   key sets of rows: contexts (1, or the number of event types, which are the contexts), bytes
 *   counts: bytes       loose texts: bytes
 *   for each path that has values: a descriptor
 * Path 0 stands for maps that are not taken apart. Set 0: no map. Set 1: such a map, of which path 0
 * is the one member. The members of any other set are its leaves, in the order of the map; which
 * inner maps begin and end between them follows from the outer paths.
 *
 * KEY SETS OF ROWS   symbols (col_sym.h), a group for each COL_MAP_GROUP rows
 * COUNTS             a stream (col_stream.h): of set 0 its rows in each group, of set 1 ...
 * The rows of a path are those whose set has it; a value's place in its column is its rank in them.
 *
 * DESCRIPTOR   varint types, a bit each of enum col_map_type, and bit COL_MAP_COPY + s: a text that is
 *              the value of source s (col_text.h) in the same row; if there are several: the context of the type
 *              symbols, varint bytes of them; then a part for each type that has values, in the
 *              order of their numbers: u8 encoding, u8 scale if it is decimals, details, varint bytes
 *   COL_MAP_STREAM   ints: a stream
 *   COL_MAP_SYMS     varint entries, varint context; the entries, then the symbols, grouped by the
 *                    rows' groups. Entries of ints are a stream, those of texts loose: varint place
 *   COL_MAP_SYMS_TEXT  the same of texts, which are a page: varint bytes of it
 *   COL_MAP_TEXT     a page of text
 *   COL_MAP_LOOSE    varint place of the first among the loose texts, which are one page; no bytes
 * With several types each part with values begins with a stream, its values in each group, and is
 * STREAM, TEXT or LOOSE. The type of a value is a symbol: its rank among the types of the path.
 * CONTEXT      0 none; 1 the row's set; 2 + p: 1 + the symbol of path p in the same row, 0 if the row
 *              has no p
 */
#ifndef STORAGE_COL_MAP_INT_H
#define STORAGE_COL_MAP_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "storage/col_map.h"

enum {
	COL_MAP_WHOLE = 0,
	COL_MAP_APART = 1,
	/* Rows of a group: symbols are read from its start. */
	COL_MAP_GROUP = 4096,
	COL_MAP_GROUPS = LIMIT_BLOCK_ROWS / COL_MAP_GROUP,
	/* Digits behind the point of a decimal; its integer is below 2^53. */
	COL_MAP_SCALE_MAX = 9,
	/* Contexts of contexts. */
	COL_MAP_CHAIN_MAX = 4,
	/* Sets that are no list of leaves. */
	COL_MAP_SET_ABSENT = 0,
	COL_MAP_SET_WHOLE = 1,
	COL_MAP_SETS_OWN = 2,
	COL_MAP_PATH_WHOLE = 0,
	COL_MAP_TABLES_MAX = 4 << 20,
	/* Types on disk beside enum col_map_type, one for each source. */
	COL_MAP_COPY = COL_MAP_TYPE_COUNT,
	COL_MAP_TYPES_ALL = COL_MAP_COPY + COL_TEXT_SOURCES,
};

enum col_map_encoding {
	COL_MAP_SYMS = 1,
	COL_MAP_SYMS_TEXT = 2,
	COL_MAP_STREAM = 3,
	COL_MAP_TEXT = 4,
	COL_MAP_LOOSE = 5,
};

enum {
	COL_MAP_CONTEXT_NONE = 0,
	COL_MAP_CONTEXT_SET = 1,
	COL_MAP_CONTEXT_PATH = 2,
};

static inline bool col_map_is_syms(unsigned encoding)
{
	return encoding == COL_MAP_SYMS || encoding == COL_MAP_SYMS_TEXT;
}

/* Types of which each value is more than its type. */
static inline bool col_map_has_values(unsigned type)
{
	return type >= COL_MAP_INT && type < COL_MAP_TYPE_COUNT;
}

static inline bool col_map_is_text(unsigned type)
{
	return type == COL_MAP_STR || type == COL_MAP_OTHER;
}

static inline uint32_t col_map_groups(uint32_t rows_count)
{
	return (rows_count + COL_MAP_GROUP - 1) / COL_MAP_GROUP;
}

static inline double col_map_ten(unsigned scale)
{
	static const double tens[COL_MAP_SCALE_MAX + 1] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7,
		1e8, 1e9 };

	return tens[scale];
}

static inline double col_map_double(int64_t v, unsigned scale)
{
	return (double)v / col_map_ten(scale);
}

#endif
