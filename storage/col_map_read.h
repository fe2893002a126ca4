/*
 * col_map_read - an open page of maps, taken apart: what its tables say and what was decoded last.
 *
 * A row's set is a symbol of a group of rows, and a value's place in its column the number of rows
 * before that have its path: the rows in the groups before (counts) and those in the same group, of
 * which marks count the first COL_MAP_MARK, twice as many and so on. Symbols once decoded are kept.
 */
#ifndef STORAGE_COL_MAP_READ_H
#define STORAGE_COL_MAP_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/arena.h"
#include "proto/base/cursor.h"
#include "storage/col_map_int.h"
#include "storage/col_stream.h"
#include "storage/col_sym.h"
#include "storage/col_text.h"

enum {
	COL_MAP_MARK = 256,
	COL_MAP_MARKS = COL_MAP_GROUP / COL_MAP_MARK,
	/* From so many rows of a group on, the others and further groups are likely to be asked for. */
	COL_MAP_MANY = 64,
	/* With more sets there are no marks. */
	COL_MAP_MARK_SETS = 256,
	/* Paths whose values are counted at once, 16 bits each. */
	COL_MAP_WORD_LANES = 8,
	COL_MAP_LANE_WORDS = 2,
	COL_MAP_LANES = COL_MAP_WORD_LANES * COL_MAP_LANE_WORDS,
};

/* Lanes that are counted together, where the processor has the means in one step. */
typedef uint16_t col_map_lanes __attribute__((vector_size(COL_MAP_WORD_LANES * sizeof(uint16_t))));

/* Values of one type of one path. */
struct col_map_part {
	uint8_t type;
	uint8_t encoding;
	uint8_t scale;
	bool is_open;
	uint32_t entries_count; /* COL_MAP_SYMS, COL_MAP_SYMS_TEXT */
	uint32_t place;         /* among the loose texts */
	uint32_t text_bytes;    /* COL_MAP_SYMS_TEXT: the page of entries */
	struct span section;
	int64_t *firsts; /* mixed: values in the groups before; groups_count + 1 */
	struct col_stream stream;
	struct col_text text;
	int64_t *ints; /* entries */
	struct span *texts;
};

/* The first symbols of a path in a group. */
struct col_map_symbols {
	uint16_t *syms; /* room for all of the group */
	uint32_t have;
};

struct col_map_path {
	struct span key;
	uint16_t outer;
	uint8_t depth; /* maps around it */
	bool is_map;
	bool mixed;
	uint16_t types;
	uint8_t parts_count;
	bool is_open;   /* its symbols */
	uint32_t count; /* of its values */
	uint32_t sets;  /* place of the sets that have it, in path_sets */
	uint32_t sets_count;
	uint32_t context;
	struct span symbols; /* mixed: the section */
	struct col_map_part *parts;
	struct col_sym sym;
	struct col_map_symbols *groups; /* of each group */
	const uint16_t *group_syms;     /* those of the group decoded last */
};

/* The sets of a group's rows, and how many rows of each set there are before each mark. */
struct col_map_loaded {
	uint16_t *codes; /* NULL: not decoded so far */
	uint16_t *marks; /* [mark][set]; NULL: too many sets */
};

/* What of a set's maps is the same in each: the text in front of each value, and behind the last. */
struct col_map_front {
	uint32_t *ends; /* of each member: where the text in front of it ends; NULL: not made yet */
	const uint8_t *text;
	uint32_t bytes;
};

struct col_map_set {
	uint32_t first; /* of its members */
	uint32_t count;
	struct col_map_front pack, json;
};

/* A decoded value; a text lives as long as the call, an entry of a dictionary as long as the map. */
struct col_map_item {
	uint8_t type;
	uint8_t scale;
	union {
		int64_t i;
		struct span s;
	};
};

/* What a call needs of a path: items first .. first + count - 1. */
struct col_map_want {
	uint32_t first;
	uint32_t count;
	uint32_t next;
	uint32_t rank;
	uint32_t lane;
};

/* Memory in which rows are read; it lives until it is let go. */
struct col_map_rows_mem {
	uint32_t *contexts[COL_MAP_CHAIN_MAX +
			   2]; /* a group's, at each depth; NULL: not needed so far */
	uint32_t *all;         /* a group's rows, when all are asked for */
	uint32_t *hits;        /* which of the rows asked for have a path */
	uint32_t *places;      /* of the values of one type, in these rows */
	uint32_t *idx;
	int64_t *ints;
	struct span *texts;
	struct buf scratch; /* texts of this call */
	struct col_text_value *values;
	uint32_t values_cap;
	struct col_map_item *items;
	uint32_t *ranks;
	uint32_t *item_rows; /* of each rank */
	uint32_t items_cap;
	uint32_t rows_cap;
};

/* Items of a group's rows that stay at hand. */
struct col_map_held {
	uint32_t group;
	uint32_t *firsts; /* of each path, and the end */
};

struct col_map {
	uint32_t rows_count;
	uint8_t form;
	struct col_text whole; /* COL_MAP_WHOLE */
	const struct col_text_env *env;
	struct arena *mem;
	struct arena *work;            /* of one question */
	struct arena *hand;            /* until let go: what is told to be of rows */
	struct col_text_env texts_env; /* of the texts inside: nothing but that */
	uint32_t groups_count;
	struct col_map_path *paths;
	uint32_t paths_count;
	struct col_map_set *sets;
	uint32_t sets_count;
	uint16_t *members;
	uint16_t *path_sets; /* of each path: the sets that have it */
	uint32_t *counts;    /* rows of each set in the groups before: [group][set] */
	struct col_sym rows_sym;
	uint32_t rows_contexts; /* 1: none */
	uint32_t loose_count;
	struct span loose_page;
	bool loose_is_open;
	struct col_text loose;
	struct col_map_loaded *groups; /* of each group */
	/* The group at hand: */
	uint32_t group; /* UINT32_MAX: none */
	const uint16_t *codes;
	/* Working memory; see the functions that use it. */
	bool is_ready;
	uint32_t *seen;             /* of each set */
	uint8_t *stamps;            /* of each set */
	col_map_lanes *lanes;       /* [set][word]: 1 in the lane of each path that it has */
	struct col_map_want *wants; /* of each path */
	struct buf keep;            /* texts that live as long as the map */
	struct col_map_rows_mem r;
	/* What the maps read last were made of; texts among it only if they are entries. */
	uint32_t items_held;
	uint32_t held_count;
	struct col_map_held held[COL_MAP_GROUPS];
};

static inline uint32_t col_map_group_rows(const struct col_map *m, uint32_t group)
{
	uint32_t left = m->rows_count - group * COL_MAP_GROUP;

	return left < COL_MAP_GROUP ? left : COL_MAP_GROUP;
}

/* Rows of one group; they rise. */
struct col_map_rows {
	const uint32_t *rows; /* of the page */
	uint32_t count;
	uint32_t base; /* the group's first row */
};

/* The rows of rows[0 .. count - 1] that are of one group with the first. */
struct col_map_rows col_map_next_rows(const uint32_t *rows, size_t count);
/* Room for all rows of a group. */
int col_map_room_all(struct col_map *m);
/* Rows first .. end - 1, those of the group of the first; after col_map_room_all. */
struct col_map_rows col_map_all_rows(struct col_map *m, uint32_t first, size_t end);

/* Takes the working memory that does not depend on how many rows are asked for. */
int col_map_ready(struct col_map *m);
/* Room for the values of one path in so many rows of a group. */
int col_map_room_rows(struct col_map *m, uint32_t count);
/* Turns to a group: the sets of its rows are in codes. */
int col_map_load_group(struct col_map *m, uint32_t group);
/* Decodes the groups of these rows, rising, that are not decoded so far: several cost little more than one. */
int col_map_load_groups(struct col_map *m, const uint32_t *rows, size_t count);
bool col_map_is_loaded(const struct col_map *m, uint32_t group);
/* The event types of a group's rows, where they are contexts of the sets; until the next question. */
int col_map_types_of(struct col_map *m, uint32_t group, const uint16_t **out);
/* A value as a cell, its text or msgpack appended to bytes. */
void col_map_set_cell(const struct col_map_item *x, struct buf *bytes, struct col_map_cell *out);
/*
 * How many rows of the group's first `row` there are of each set, in seen, as far as a mark tells:
 * the rows from the one returned on are to be counted.
 */
uint32_t col_map_seen_at(struct col_map *m, uint32_t row);
/* Values of the path in the groups before. */
uint32_t col_map_rank_at(const struct col_map *m, const struct col_map_path *p, uint32_t group);
/*
 * The values at m->ranks and m->item_rows, count from first on, rising, which all belong to the group
 * loaded: to m->items. Texts are appended to scratch.
 */
int col_map_fetch(struct col_map *m, uint32_t path, uint32_t first, uint32_t count);
/* Memory for values of a group, at one depth of contexts; NULL: out of memory. */
uint32_t *col_map_contexts_at(struct col_map *m, unsigned depth);
/* The symbols of a path that has some, and the entries they stand for. */
int col_map_open_symbols(struct col_map *m, struct col_map_path *p);
/* The path's first count symbols in the group loaded: group_syms. */
int col_map_symbol_decode(struct col_map *m, uint32_t path, uint32_t count);
/* Decodes what many of these rows, rising, whose groups are loaded, want of symbols in no context. */
int col_map_symbol_load(struct col_map *m, const uint32_t *rows, size_t count);
/*
 * The map of a row at the end of b, from the set's front and the items wanted next of each of its paths:
 * as msgpack, or as JSON text.
 */
int col_map_front_pack(struct col_map *m, uint32_t code, struct buf *b);
int col_map_front_json(struct col_map *m, uint32_t code, struct buf *b);
/* The items wanted, which begin at items_held, stay at hand. -ENOMEM. */
int col_map_hold(struct col_map *m, uint32_t count);
void col_map_hold_none(struct col_map *m);
/* Items of these rows at the path, of each one, if they are at hand: the i-th is at m->places[i]. */
bool col_map_at_hand(struct col_map *m, uint32_t path, const struct col_map_rows *w);
/* The page of loose texts, of which there must be some. */
int col_map_open_loose(struct col_map *m);
/* Room for so many of them behind those held, which may be held no longer then. */
int col_map_room_items(struct col_map *m, uint32_t count);
/* A number without sign, with as few digits behind the point as it has; out is left alone else. */
void col_map_number_leaf(int64_t v, unsigned scale, struct col_text_leaf *out);

#endif
