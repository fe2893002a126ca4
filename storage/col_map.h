/*
 * col_map - one page of metadata maps: the key sets of its rows, and one typed column per key path.
 *
 * A map is one msgpack map as canon.h leaves it, or absent. Nested maps are taken apart: the leaf
 * of {"geo":{"city":"Paris"}} stands at path geo, city. A path holds only the rows that have it.
 * Every map comes back bit for bit; a value of no typed kind, or written wider than it need be,
 * stands as its msgpack bytes, and a map that cannot be taken apart as a whole. FORMAT.md has the
 * bytes, col_map_int.h the parts.
 *
 * Life:    col_map_maker: init, put..., fini. col_map: open, then get, all, cells in any order, for
 *          as long as the page and the arena live; there is no close.
 * Thread:  one at a time; reading, too: what was decoded last is remembered.
 * Memory:  the maker keeps its working memory between calls, COL_MAP_MAKER_BYTES_MAX at most.
 *          Reading takes from the arena, COL_MAP_MEMORY_MAX at most, whatever the page claims.
 * Errors:  Reading takes bytes nobody vouches for: ERR_CORRUPT; -ENOMEM when the arena is full.
 */
#ifndef STORAGE_COL_MAP_H
#define STORAGE_COL_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/base/limits.h"
#include "proto/base/span.h"
#include "storage/col_text.h"

enum {
	/* Bytes of all maps of a page. */
	COL_MAP_RAW_MAX = LIMIT_BLOCK_BYTES + LIMIT_EVENT_BYTES,
	/* What reading one page may take from its arena: the values of all columns at once. */
	COL_MAP_MEMORY_MAX = 96 << 20,
};

/* What a value is. On disk. */
enum col_map_type {
	COL_MAP_NULL = 0,
	COL_MAP_FALSE = 1,
	COL_MAP_TRUE = 2,
	COL_MAP_INT = 3,     /* a msgpack integer that an int64 holds */
	COL_MAP_DECIMAL = 4, /* a double that is i / 10^scale, bit for bit */
	COL_MAP_DOUBLE = 5,  /* any other */
	COL_MAP_STR = 6,
	COL_MAP_OTHER =
		7, /* float32, uint64 above INT64_MAX, bin, ext, array, empty map, wide ... */
	COL_MAP_TYPE_COUNT,
};

/* ---- writing ---- */

struct col_map_work;

struct col_map_maker {
	int level; /* 0: as fast as the collector seals; above: whatever is smallest */
	struct col_map_work *work;
};

void col_map_maker_init(struct col_map_maker *m, int level);
void col_map_maker_fini(struct col_map_maker *m);

struct col_map_in {
	uint32_t rows_count; /* 1 .. LIMIT_BLOCK_ROWS */
	const struct span
		*maps; /* SPAN_NONE: absent; any bytes; COL_MAP_RAW_MAX together at most */
	/* What the page may refer to: rows_count values each, or NULL. Reading it needs the same. */
	const struct span *sources[COL_TEXT_SOURCES];
	const uint32_t *types; /* codes of event_type (COL_TEXT_KEY_EVENT_TYPE), or NULL */
	uint32_t types_count;  /* they are below it */
};

/* Appends the page. 0; -ENOMEM, or out's sticky error. */
int col_map_put(struct col_map_maker *m, const struct col_map_in *in, struct buf *out);

/*
 * The paths of the page put last, whose values a text of the same row may repeat: leaves of
 * col_text_in, whose leaf is col_map_maker_leaf with the maker as ctx. Valid until the next put, as
 * long as the maps live. To read the text back, env's leaf is col_map_leaf, its ctx the col_map.
 */
uint32_t col_map_maker_leaves(const struct col_map_maker *m);
int col_map_maker_leaf(
	void *maker, uint32_t leaf, const uint32_t *rows, size_t count, struct col_text_leaf *out);

/* ---- reading ---- */

struct col_map;

/*
 * Reads the page's tables; the columns when they are asked for. env gives sources and keys (leaves
 * are not asked for) and must live as long as the map; NULL: there are none.
 */
int col_map_open(struct span page, uint32_t rows_count, const struct col_text_env *env,
	struct arena *mem, struct col_map **out);
/* Bit 1 << s: the page refers to source s; *out_keys the same for keys. */
unsigned col_map_uses(const struct col_map *m, unsigned *out_keys);

/* Appends the maps of count rows, rising, to bytes; touches only the paths that these rows have. */
int col_map_get(struct col_map *m, const uint32_t *rows, size_t count, struct buf *bytes,
	struct col_text_value *out);
/*
 * The same as JSON text (json_out.h); a map that holds what JSON cannot say is null. COL_MAP_JSON_NOT (1):
 * the page keeps its maps whole, nothing was appended, and col_map_get gives them as they are.
 */
enum { COL_MAP_JSON_NOT = 1 };
int col_map_get_json(struct col_map *m, const uint32_t *rows, size_t count, struct buf *bytes,
	struct col_text_value *out);
/* All maps one after another; lengths: 0 absent, else bytes + 1. */
int col_map_all(struct col_map *m, uint32_t *lengths, struct buf *bytes);

/*
 * Values that maps were read from stay at hand for texts of the same rows, which may repeat them: until
 * other maps are read, or this is called. It must be before what was taken of env->hand is reset.
 */
void col_map_let_go(struct col_map *m);

/* ---- one path: for filters, and for columns that repeat a leaf ---- */

/* Paths are numbered 0 .. count - 1; of a path inside another the outer comes first. */
uint32_t col_map_paths_count(const struct col_map *m);
/* The path of these keys, outermost first; -1: no row of the page has it as a leaf of its own. */
int32_t col_map_find(const struct col_map *m, const struct span *keys, uint32_t count);
/* The path's own key, and the path around it (-1: none). */
struct span col_map_key(const struct col_map *m, uint32_t path, int32_t *out_parent);
/* Types that values of the path have: bit 1 << enum col_map_type. */
unsigned col_map_types(const struct col_map *m, uint32_t path);
/* Rows that have the path as a leaf; 0 of a path that others are in. */
uint32_t col_map_rows(const struct col_map *m, uint32_t path);
/*
 * Maps that were not taken apart, and maps inside COL_MAP_OTHER values, may hold any path: a filter
 * has to read the rows of which this says so from the map itself.
 */
bool col_map_has_whole(const struct col_map *m);

/* As col_text_env wants it; the words live as long as the map. */
int col_map_leaf(
	void *map, uint32_t leaf, const uint32_t *rows, size_t count, struct col_text_leaf *out);

/* The same: leaves whose words cannot contain the needle, as their dictionaries say. */
int col_map_leaves_contain(void *map, const struct needle *x, uint8_t *leaves, uint32_t count);
int col_map_leaves_letters(
	void *map, const uint8_t *leaves, uint32_t count, struct col_letters *out);

enum {
	COL_MAP_HAS_NOT = 0,
	COL_MAP_HAS = 1, /* as a leaf */
	/* The row's map was not taken apart: what it has at the path is found in the map alone. */
	COL_MAP_IN_WHOLE = 2,
	COL_MAP_HAS_MAP = 3, /* a map with leaves of its own */
};

/*
 * What each row has at the keys, outermost first, without a look at values. Only groups of rows of
 * which some row has a 1 in match are looked at; rows of others are said to have nothing.
 */
int col_map_has(struct col_map *m, const struct span *keys, uint32_t count, const uint8_t *match,
	uint8_t *has);

/* What stands at a path in a row. */
struct col_map_cell {
	uint8_t present; /* 1; 0: the row has no such leaf; COL_MAP_IN_WHOLE */
	uint8_t type;    /* enum col_map_type */
	uint8_t scale;   /* COL_MAP_DECIMAL */
	uint32_t off;    /* COL_MAP_STR: its bytes; COL_MAP_OTHER: its msgpack; in the buffer */
	uint32_t bytes;
	union {
		int64_t i; /* COL_MAP_INT, COL_MAP_DECIMAL */
		double f;  /* COL_MAP_DOUBLE */
	};
};

/* The double that a COL_MAP_DECIMAL is. */
double col_map_decimal(const struct col_map_cell *cell);

/*
 * Paths whose values are entries of a dictionary: how many it has, 0: the path is none of these. The
 * entries as cells; then by groups of COL_MAP_ENTRY_ROWS rows, of those that have the path as a leaf,
 * in order, the place of each one's entry. ERR_CORRUPT: they are not so many.
 */
enum { COL_MAP_ENTRY_ROWS = 4096 };
uint32_t col_map_entries(const struct col_map *m, uint32_t path);
int col_map_entry_cells(
	struct col_map *m, uint32_t path, struct buf *bytes, struct col_map_cell *out);
int col_map_entry_rows(
	struct col_map *m, uint32_t path, uint32_t group, uint32_t count, const uint16_t **out);

/*
 * Paths whose values are numbers of one type, which stand one after another: false, it is none of these.
 * The cell has type and scale of each. Then by groups, as entries are: the numbers (of a COL_MAP_DOUBLE
 * its bits).
 */
bool col_map_numbers(const struct col_map *m, uint32_t path, struct col_map_cell *out);
int col_map_number_rows(
	struct col_map *m, uint32_t path, uint32_t group, uint32_t count, int64_t *out);

/* The cells of count rows, rising, of a path that col_map_find found; strings are appended to bytes. */
int col_map_cells(struct col_map *m, uint32_t path, const uint32_t *rows, size_t count,
	struct buf *bytes, struct col_map_cell *out);

#endif
