/*
 * agg_int - the inside of an aggregation, for agg_*.c and their tests.
 *
 *	agg_shape    a spec made ready: which statistics the functions need, each once
 *	agg_cell     values as groups and results know them
 *	agg_form     texts as numbers in a text: ids, which are neither written out nor hashed
 *	agg_dict     different values of a `by` field, numbered
 *	agg_state    what is kept of a group for one statistic
 *	agg_table    groups: a bucket and a number of each dictionary -> counts and states
 *	agg_local    the groups of one unit's rows, on codes alone
 *	agg_unit     one unit into a table
 *	agg_label    the same of units whose texts are labels, and counts alone
 *	agg_source   units and cubes to be gone through
 *	agg_pick     the groups of the answer, in order
 *
 * Thread: a table, a local and all they hold belong to one thread; tables are joined at the end.
 */
#ifndef QUERY_AGG_INT_H
#define QUERY_AGG_INT_H

#include "query/agg.h"
#include "query/agg_bucket.h"
#include "query/exec.h"
#include "query/hll.h"
#include "query/quantile.h"
#include "storage/col_text.h"
#include "storage/scan_cube.h"

enum {
	/* Outcome: a limit of memory is reached, what was to be added is not in. */
	AGG_FULL = 1,
	/* Of what groups and functions may take, the part that is for functions alone is 1 / so much. */
	AGG_FUNCTIONS_PART = 4,
};

/* No group, no number. Nor are the numbers next to it ever reached: memory ends first. */
#define AGG_NONE          UINT32_MAX
#define AGG_UNIT_NO_ROOM  (UINT32_MAX - 1) /* there is no room for the value */
#define AGG_UNIT_LEFT_OUT (UINT32_MAX - 2) /* the prefix does not want it */

/* ---------------------------------------------------------------- shape */

enum agg_stat_kind {
	AGG_STAT_PRESENT,
	AGG_STAT_DISTINCT,
	AGG_STAT_SUM,
	AGG_STAT_LEAST,
	AGG_STAT_MOST,
	AGG_STAT_QUANTILE,
};

struct agg_stat {
	enum agg_stat_kind kind;
	struct expr_field field;
};

struct agg_shape {
	const struct agg_spec *spec;
	struct agg_bucket bucket; /* width 0: there is none */
	struct agg_stat stats[AGG_CALLS_MAX];
	uint32_t stats_count;
	uint32_t sketches;               /* of these, that keep values of their own */
	uint32_t stat_of[AGG_CALLS_MAX]; /* by call; AGG_NONE: the count */
	bool direct; /* one field and no bucket: a group's number is its value's */
};

/* bucket_ns: of the spec, or what stands for an automatic one. */
void agg_shape_make(const struct agg_spec *spec, int64_t bucket_ns, struct agg_shape *out);
bool agg_shape_same_field(const struct expr_field *a, const struct expr_field *b);

/* ---------------------------------------------------------------- cell */

/* Null for an absent one; whole numbers as integers, so that equal numbers are equal cells. */
struct agg_cell agg_cell_of(const struct expr_cell *c);
/* What an integer column holds. */
struct agg_cell agg_cell_of_int(enum expr_field_kind kind, int64_t v);
struct agg_cell agg_cell_of_text(struct span text);
/* Of a number that is one for the API: NaN and infinity are as they are. */
struct agg_cell agg_cell_of_double(double v);
uint64_t agg_cell_hash(const struct agg_cell *c);
bool agg_cell_same(const struct agg_cell *a, const struct agg_cell *b);
/* A total order: null, truths, numbers, times, severities, texts, others. */
int agg_cell_cmp(const struct agg_cell *a, const struct agg_cell *b);
bool agg_cell_is_number(const struct agg_cell *c);
double agg_cell_double(const struct agg_cell *c);

/* ---------------------------------------------------------------- room */

/*
 * Arrays grow to twice their size, or by less where max bytes leave room for less. What is asked for first
 * there always is.
 */

/* Bytes with which no more groups are told apart, where they and functions may take `most`. */
static inline size_t agg_room_groups(size_t most)
{
	return most - most / AGG_FUNCTIONS_PART;
}

/* To how many elements an array of `cap` grows; to cap: there is no room. */
static inline uint32_t agg_room_grown(
	uint32_t cap, uint32_t least, size_t bytes, size_t max, size_t held)
{
	uint32_t more = cap;

	if (cap == 0)
		return least;
	while (more > cap / 8 && held + more * bytes > max)
		more /= 2;
	return held + more * bytes > max ? cap : cap + more;
}

/* Whether a table by hash with so many slots is to have twice as many before one more is put in; or AGG_FULL. */
static inline int agg_room_slots(
	uint32_t count, uint32_t slots, size_t bytes, size_t max, size_t held, bool *out_grow)
{
	*out_grow = count + count / 2 >= slots;
	if (!*out_grow || slots == 0 || held + slots * bytes <= max)
		return 0;
	/* It goes on in a table that is denser than is good for it. */
	*out_grow = false;
	return count < slots - slots / 8 ? 0 : AGG_FULL;
}

/* ---------------------------------------------------------------- form */

enum { AGG_FORM_BYTES = COL_TEXT_FORM_BYTES_MAX };

/* The form of a text and its number; false: it has none. The form points into the text. */
bool agg_form_of(struct span text, struct col_text_form *out, uint32_t *out_number);
/* The text, in dst, which has AGG_FORM_BYTES. */
struct span agg_form_put(const struct col_text_form *f, uint32_t number, uint8_t *dst);
bool agg_form_same(const struct col_text_form *a, const struct col_text_form *b);
/* A hash that a text has whether it comes as a text or as a number; seed: agg_form_seed of its form. */
uint64_t agg_form_seed(const struct col_text_form *f);
uint64_t agg_form_hash(uint64_t seed, uint32_t number);
/* That hash of any cell. */
uint64_t agg_form_hash_cell(const struct agg_cell *c);

/* A number that the form has. */
struct agg_form_slot {
	uint32_t number;
	uint32_t id; /* + 1; 0: the slot is free */
};

/* The numbers of one form that a dictionary has, and the ids of these values there: open, by hash. */
struct agg_form {
	struct col_text_form form;
	struct agg_form_slot *slots;
	uint32_t slots_count; /* 0 or a power of two, above `count` */
	uint32_t count;
};

void agg_form_fini(struct agg_form *f);

/* Where a search for a number begins among so many slots. Neighbours are spread evenly. */
static inline uint32_t agg_form_place(uint32_t number, uint32_t slots_count)
{
	uint32_t spread = number * UINT32_C(0x9e3779b1);

	return (uint32_t)((uint64_t)spread * slots_count >> 32);
}

/* The memory that a search for the number will look at is fetched meanwhile. */
static inline void agg_form_expect(const struct agg_form *f, uint32_t number)
{
	if (f->slots_count)
		__builtin_prefetch(&f->slots[agg_form_place(number, f->slots_count)]);
}

/* AGG_NONE: it is not there. */
static inline uint32_t agg_form_find(const struct agg_form *f, uint32_t number)
{
	uint32_t at;

	if (f->slots_count == 0)
		return AGG_NONE;
	at = agg_form_place(number, f->slots_count);
	while (f->slots[at].id && f->slots[at].number != number)
		at = (at + 1) & (f->slots_count - 1);
	return f->slots[at].id - 1;
}

/* Room for one more. hint: of how many there may be. AGG_FULL: not within max bytes; -ENOMEM. */
int agg_form_need(struct agg_form *f, uint32_t hint, size_t max, size_t *held);
/* A number that is not there; there is room. */
void agg_form_add(struct agg_form *f, uint32_t number, uint32_t id);

/* ---------------------------------------------------------------- dict */

enum { AGG_DICT_FORMS = 64 };

/* A value: a cell, or a number of a form. */
struct agg_dict_value {
	uint32_t form; /* its place + 1; 0: a cell */
	uint32_t at;   /* the cell's place; or the number */
};

/* How many values there may be, so that arrays need not grow; and of these how many in one form. */
struct agg_dict_hint {
	uint32_t values, numbers;
};

/* A text of a form that the dictionary knows is always found by its number, however it comes. */
struct agg_dict {
	struct agg_dict_value *values; /* by id */
	struct agg_cell *cells;
	uint64_t *slots; /* the hash's high half, id + 1 in the low one; 0: free */
	struct agg_dict_short *shorts;
	struct agg_form *forms;
	uint32_t count; /* of values */
	uint32_t cap;
	uint32_t cells_count;
	uint32_t cells_cap;
	uint32_t slots_count;
	uint32_t others_count; /* of the values in slots */
	uint32_t shorts_slots;
	uint32_t shorts_count; /* of the values in them */
	uint32_t forms_count;
	struct agg_dict_hint hint;
	size_t beside; /* bytes that the owner keeps for each value, by its id */
	struct arena texts;
};

void agg_dict_init(struct agg_dict *d, struct agg_dict_hint hint);
void agg_dict_fini(struct agg_dict *d);
/* From now on values are only read: what served to find them is given up. */
void agg_dict_close(struct agg_dict *d, size_t *held);
/* What agg_dict_id wants to know of a value; the memory that it will look at is fetched meanwhile. */
uint64_t agg_dict_hash(const struct agg_dict *d, const struct agg_cell *c);
/* The value's id, a new one if need be. AGG_FULL: it is new, and there is no room for it within `max`. */
int agg_dict_id(struct agg_dict *d, const struct agg_cell *c, uint64_t hash, size_t max,
	size_t *held, uint32_t *out);
/* The form's place, known from now on. AGG_NONE: there are too many, its texts are to be written out. */
int agg_dict_form(struct agg_dict *d, const struct col_text_form *f, size_t *held, uint32_t *out);
/* As agg_dict_id, of a number of the form of that place. */
int agg_dict_number(struct agg_dict *d, uint32_t form, uint32_t number, size_t max, size_t *held,
	uint32_t *out);
/* The value; its text may be in `text`, which has AGG_FORM_BYTES. */
struct agg_cell agg_dict_cell(const struct agg_dict *d, uint32_t id, uint8_t *text);
/* As agg_cell_cmp. */
int agg_dict_cmp(const struct agg_dict *d, uint32_t a, uint32_t b);

/* ---------------------------------------------------------------- state */

/* A sum, exact while all are integers. */
struct agg_sum {
	__int128 ints;
	double floats, lost; /* Neumaier: what was rounded away */
	uint64_t count;
	bool has_floats;
};

/* The least or the greatest value. */
struct agg_best {
	struct agg_cell cell;
	uint8_t *text; /* of a text, copied */
	uint32_t cap;
};

size_t agg_state_bytes(enum agg_stat_kind kind);
void agg_state_fini(enum agg_stat_kind kind, void *state, size_t *held);
/*
 * A value of the field, so many times; of AGG_STAT_SUM and _QUANTILE, numbers. hash: agg_form_hash_cell of
 * it, for _DISTINCT.
 */
int agg_state_add(enum agg_stat_kind kind, void *state, const struct agg_cell *c, uint64_t hash,
	uint32_t times, uint32_t exact_max, size_t *held);
int agg_state_add_number(enum agg_stat_kind kind, void *state, struct expr_number n,
	uint32_t exact_max, size_t *held);
int agg_state_join(
	enum agg_stat_kind kind, void *to, const void *from, uint32_t exact_max, size_t *held);
/* The function's value; texts live as long as the state. */
struct agg_cell agg_state_value(const struct agg_call *call, void *state, bool *out_approximate);

/* ---------------------------------------------------------------- table */

struct agg_key {
	int64_t bucket;
	uint32_t ids[AGG_BY_MAX];
};

struct agg_table {
	const struct agg_shape *shape;
	struct agg_dict dicts[AGG_BY_MAX];
	uint8_t *keys;   /* by group, the parts that the shape has; NULL if it is direct */
	uint32_t *slots; /* group + 1; 0: free */
	uint32_t slots_count;
	uint64_t *counts;               /* by group */
	uint8_t *states[AGG_CALLS_MAX]; /* by statistic: an array by group */
	uint32_t count;
	uint32_t cap;
	uint64_t ungrouped; /* events whose group found no room */
	uint64_t total;     /* events in all */
	size_t held;        /* bytes */
	size_t max;         /* of these, with which no more groups are told apart */
	size_t most;        /* and with which functions take no more either */
};

/* Of one table alone: max and most may be set anew at any time. */
void agg_table_init(struct agg_table *t, const struct agg_shape *shape, size_t most);
void agg_table_fini(struct agg_table *t);
/* The group of that key, made if need be. AGG_FULL; -ENOMEM. */
int agg_table_group(struct agg_table *t, const struct agg_key *key, uint32_t *out);
/* Of a direct shape: a group for each value there is. -ENOMEM. */
int agg_table_values(struct agg_table *t);
struct agg_key agg_table_key(const struct agg_table *t, uint32_t group);
static inline void *agg_table_state(const struct agg_table *t, uint32_t stat, uint32_t group)
{
	return t->states[stat] + group * agg_state_bytes(t->shape->stats[stat].kind);
}
/* Values that a sketch keeps one by one, as many as the memory allows for all groups. */
uint32_t agg_table_exact_max(const struct agg_table *t);
/* From now on groups are only read: what served to find them is given up. */
void agg_table_close(struct agg_table *t);
/* Adds all of `from`, which is closed and loses its states meanwhile; what finds no room is ungrouped. */
int agg_table_join(struct agg_table *t, struct agg_table *from);

/* ---------------------------------------------------------------- local */

/* Groups of the rows of one unit: numbers 0..count - 1, by dimension after dimension. */
struct agg_local {
	uint32_t *group; /* by row */
	uint32_t rows;
	uint32_t count; /* groups, of which not all need occur */
	uint32_t dims;
	uint32_t *parent[1 + AGG_BY_MAX]; /* by group of a dimension: that of the one before */
	uint32_t *code[1 + AGG_BY_MAX];   /* and what was added */
	uint32_t *map;                    /* working memory of combining */
	uint64_t *pairs;
	size_t group_cap, map_cap, pairs_cap, dim_cap[1 + AGG_BY_MAX];
};

void agg_local_init(struct agg_local *l);
void agg_local_fini(struct agg_local *l);
/* No dimension: all rows are group 0. */
int agg_local_begin(struct agg_local *l, uint32_t rows);
/* Tells the rows apart by codes[row] < codes_count, too. */
int agg_local_add(struct agg_local *l, const uint32_t *codes, uint32_t codes_count);
/* The code that a group has in a dimension. */
uint32_t agg_local_code(const struct agg_local *l, uint32_t group, uint32_t dim);
/* Numbers as codes: codes[i] stands for values[codes[i]] == v[i]. values: as many as v. */
int agg_local_number(struct agg_local *l, const int64_t *v, uint32_t count, uint32_t *codes,
	int64_t *values, uint32_t *out_count);
/* Room for n elements in the array whose address is given; what is in it stays. */
int agg_local_need(void *array, size_t bytes, size_t *cap, size_t n);
/* Gives up an array that agg_local_need made. */
void agg_local_drop(void *p, size_t bytes, size_t cap);

/* ---------------------------------------------------------------- unit */

/* The number of a value of the n-th `by` in the dictionary, AGG_UNIT_NO_ROOM or _LEFT_OUT. -ENOMEM. */
int agg_unit_id(
	struct agg_table *t, uint32_t by, const struct agg_cell *c, uint64_t hash, uint32_t *out);

struct agg_unit;

/* What a thread needs to take units in: kept between units. */
struct agg_unit *agg_unit_new(void);
void agg_unit_free(struct agg_unit **u);

/*
 * The matching rows of a unit of the scan into each table. -ENOMEM ends the query, other failures concern
 * the unit alone; then no table has got anything of it. AGG_FULL: memory that must not be gone beyond.
 */
int agg_unit_take(struct agg_unit *u, const struct scan *s, size_t unit,
	struct scan_scratch *scratch, struct agg_table *const *tables, uint32_t tables_count,
	struct scan_stats *stats, struct diag *d);

/* ---------------------------------------------------------------- label */

/* Whether counting by labels is all that the table needs. */
bool agg_label_serves(const struct agg_shape *s);
/* Counts rows by the labels of the one field. *room: a working array, as of agg_local_need. -ENOMEM. */
int agg_label_count(struct agg_table *t, const struct col_text_labels *labels, const uint32_t *of,
	uint32_t count, uint32_t **room, size_t *room_cap);

/* ---------------------------------------------------------------- source */

/* Where an aggregation gets its events from, but for those that cubes have counted. */
struct agg_source {
	struct scan *scans[SCAN_CUBE_RESTS_MAX];
	size_t scans_count;
	struct agg_place {
		uint32_t scan, unit;
	} * units;
	size_t units_count;
	struct scan_stats stats; /* of opening */
};

/* Everything that the filter selects, of that time, and of that part (NULL: all). */
int agg_source_add(struct agg_source *s, struct store_snapshot *snap,
	const struct engine_request *filter, int64_t from_ns, int64_t to_ns,
	const struct scan_part *part, struct diag *d);
/* Also of a zeroed one. */
void agg_source_fini(struct agg_source *s);
/* What the filter's range and the units leave of time; false: nothing. */
bool agg_source_range(const struct agg_source *s, const struct engine_request *filter,
	int64_t *out_from, int64_t *out_to);

/*
 * Counts by cubes into the table as far as they go, and opens what is left. SCAN_CUBE_NOT: they cannot
 * answer this, nothing was done. stop: asked between segments, ends it early.
 */
int agg_source_cubes(struct agg_source *s, struct store_snapshot *snap,
	const struct engine_request *filter, struct agg_table *t, bool (*stop)(void *arg),
	void *arg, uint64_t *out_rows, struct diag *d);

/* ---------------------------------------------------------------- pick */

/* The groups of the answer into out: columns, cells, groups, approximate. The table is closed. -ENOMEM. */
int agg_pick(struct agg_table *t, const struct engine_request *filter, struct agg_result *out);

#endif
