/*
 * col_stream_int - the encodings of col_stream, and what they share. Only col_stream*.c include it.
 *
 * STREAM        u8 head (form and flags), then by form:
 *   CONST       varint zigzag of the value
 *   STEP        varint zigzag of the first value, varint zigzag of the step
 *   FRAMES      source, patched frames
 *   CODED       source, Huffman codes and extra bits
 *   RUNS        varint count of runs, stream of their values, stream of their lengths less 1
 *   DICT        varint count of values, stream of the values, stream of each row's index
 * The streams inside a RUNS or a DICT are none such themselves.
 *
 * SOURCE        varint zigzag of the base; FLAG_UNIT: varint unit, at least 2;
 *               FLAG_DELTA: varint zigzag of the bias, side list of the restarts
 * A value is base + q * unit. Without DELTA the packed numbers x are the q. With it they are
 * q - previous q - bias, signed; each group of COL_STREAM_GROUP frames starts again from a q of its
 * own in the restarts, and the x there is 0.
 *
 * SIDE LIST     one number per frame or group: varint zigzag of the least; when there are several,
 *               u8 width, and the packed differences to it
 *
 * FRAMES        side list of the widths; FLAG_BASES: side list of the bases; FLAG_PATCHED: side
 *               lists of the counts of patches and of their widths; then the frames.
 * A frame of up to 128 numbers: x - base of the frame, their lowest `width` bits packed; then its
 * patches, packed with 7 + `patch width` bits: place, and above it the bits that did not fit,
 * zigzag when DELTA.
 */
#ifndef STORAGE_COL_STREAM_INT_H
#define STORAGE_COL_STREAM_INT_H

#include <stdbool.h>

#include "storage/col_huff.h"
#include "storage/col_pack.h"
#include "storage/col_stream.h"

enum {
	COL_STREAM_FRAME = COL_PACK_FRAME,
	/* Frames from one restart of the differences to the next. */
	COL_STREAM_GROUP = 4,
	COL_STREAM_FRAMES_MAX = COL_STREAM_COUNT_MAX / COL_STREAM_FRAME,
};

enum col_stream_form {
	COL_STREAM_CONST = 0,
	COL_STREAM_STEP = 1,
	COL_STREAM_FRAMES = 2,
	COL_STREAM_CODED = 3,
	COL_STREAM_RUNS = 4,
	COL_STREAM_DICT = 5,
};

enum {
	COL_STREAM_FORM = 0x0f,
	COL_STREAM_DELTA = 0x10,
	COL_STREAM_UNIT = 0x20,
	COL_STREAM_BASES = 0x40,   /* of FRAMES */
	COL_STREAM_PATCHED = 0x80, /* of FRAMES */
};

static inline uint32_t col_stream_frames(uint32_t count)
{
	return (count + COL_STREAM_FRAME - 1) / COL_STREAM_FRAME;
}

static inline uint32_t col_stream_groups(uint32_t count)
{
	return (col_stream_frames(count) + COL_STREAM_GROUP - 1) / COL_STREAM_GROUP;
}

/* Numbers in a frame of a stream of count. */
static inline uint32_t col_stream_frame_count(uint32_t count, uint32_t frame)
{
	uint32_t left = count - frame * COL_STREAM_FRAME;

	return left < COL_STREAM_FRAME ? left : COL_STREAM_FRAME;
}

static inline size_t col_stream_varint_bytes(uint64_t v)
{
	unsigned width = col_pack_width(v);

	return width ? (width + 6) / 7 : 1;
}

/* ---- side lists: col_stream_side.c ---- */

struct col_stream_side {
	uint64_t min;
	unsigned width;
	struct span packed;
};

void col_stream_side_put(const uint64_t *v, uint32_t count, struct buf *out);
size_t col_stream_side_cost(const uint64_t *v, uint32_t count);
void col_stream_side_open(struct rcur *c, uint32_t count, struct col_stream_side *out);

/* Numbers first .. first + count - 1 of it; first is a multiple of 8. Without a list: zeroes. */
void col_stream_side_get(
	const struct col_stream_side *s, uint32_t first, uint32_t count, uint64_t *out);

static inline uint64_t col_stream_side_at(const struct col_stream_side *s, uint32_t i)
{
	return s->min + col_pack_at(s->packed, s->width, i);
}

/* ---- the numbers that are packed: col_stream_source.c ---- */

struct col_stream_source {
	const int64_t *v;
	uint32_t count;
	uint64_t base;
	uint64_t unit;    /* 1: none */
	uint64_t inverse; /* of the odd part of unit, modulo 2^64 */
	unsigned shift;   /* unit is its odd part << shift */
	bool delta;
	uint64_t bias;
};

/* The greatest unit that divides every difference to base, and how to divide by it. */
void col_stream_source_unit(struct col_stream_source *s);
/* The numbers of one frame; returns how many. */
uint32_t col_stream_source_frame(
	const struct col_stream_source *s, uint32_t frame, uint64_t x[COL_STREAM_FRAME]);
unsigned col_stream_source_flags(const struct col_stream_source *s);
void col_stream_source_put(const struct col_stream_source *s, struct buf *out);
size_t col_stream_source_cost(const struct col_stream_source *s);

/* ---- patched frames: col_stream_frame.c ---- */

struct col_stream_head {
	uint64_t base;
	uint32_t off; /* reading only */
	uint8_t width;
	uint8_t patches;
	uint8_t patch_width;
};

struct col_stream_frames {
	const struct col_stream_source *source;
	bool bases;
	struct col_stream_head *heads; /* room for every frame */
	uint32_t heads_count;
};

/* Chooses the heads of the frames from, from + step ...; returns their bits without the lists. */
uint64_t col_stream_frame_measure(struct col_stream_frames *f, uint32_t from, uint32_t step);
/* Bytes of the lists of the measured heads; side: room for a number of each. */
size_t col_stream_frame_side_cost(const struct col_stream_frames *f, uint64_t *side);
/* Bytes of lists and frames after a measure of every frame; put writes so many. */
size_t col_stream_frame_cost(const struct col_stream_frames *f, uint64_t *side);
unsigned col_stream_frame_flags(const struct col_stream_frames *f);
void col_stream_frame_put(const struct col_stream_frames *f, uint64_t *side, struct buf *out);

/* ---- Huffman codes: col_stream_code.c ---- */

enum {
	COL_STREAM_LOGS = 256,
	/* All numbers of so many bits may have symbols of their own. */
	COL_STREAM_DIRECT_BITS = 16,
};

struct col_stream_code_room {
	uint32_t *counts;
	uint32_t *merged;
	uint16_t *codes;
	uint8_t *lengths;
	struct col_huff_room huff;
	struct buf table;
	uint16_t logs[COL_STREAM_LOGS];
	uint32_t cap; /* symbols */
};

struct col_stream_coded {
	const struct col_stream_source *source;
	unsigned width;   /* of the widest number or complement */
	uint32_t counted; /* numbers whose symbols were counted */
	unsigned m;       /* bits after the leading one that are in a symbol */
	uint32_t symbols;
	uint64_t bits; /* of the counted, about, and of the table */
	size_t payload_bytes;
	size_t cost; /* what put writes, about, by prepare */
};

/* How many bits stand behind a symbol. */
static inline unsigned col_stream_code_extra(uint32_t symbol, unsigned m, bool is_signed)
{
	uint32_t s = is_signed ? symbol / 2 : symbol;

	return s >> (m + 1) ? (s >> m) - 1 : 0;
}

/*
 * A guess from a few frames, of symbols told apart coarsely: c->bits of the c->counted. The room is as
 * before a measure. false: out of memory.
 */
bool col_stream_code_glance(struct col_stream_coded *c, struct col_stream_code_room *r);
/*
 * Counts, and chooses the symbols. It stops early, with less than all counted, when codes will hardly
 * come to less than bytes_max. false: out of memory.
 */
bool col_stream_code_measure(
	struct col_stream_coded *c, struct col_stream_code_room *r, size_t bytes_max);
/* After a measure, nothing else in the room since: makes the codes. */
bool col_stream_code_prepare(struct col_stream_coded *c, struct col_stream_code_room *r);
/* side: room for a number of each frame. */
void col_stream_code_put(const struct col_stream_coded *c, const struct col_stream_code_room *r,
	uint64_t *side, struct buf *out);
void col_stream_code_room_fini(struct col_stream_code_room *r);

/* ---- distinct values: col_stream_distinct.c ---- */

struct col_stream_entry {
	int64_t value;
	uint32_t code; /* in order of first appearance */
};

struct col_stream_distinct {
	uint32_t *slots;
	struct col_stream_entry *entries; /* half as many */
	uint32_t slots_count;
};

/*
 * The distinct values of v in rising order, and of each row which one it has; places has room for
 * count. How many; 0: more than `most`, or hopelessly many; -1: out of memory.
 */
int col_stream_distinct_find(struct col_stream_distinct *d, const int64_t *v, uint32_t count,
	uint32_t most, int64_t *values, int64_t *places);
void col_stream_distinct_fini(struct col_stream_distinct *d);

/* ---- choosing: col_stream_plan.c ---- */

/* Memory of one stream that is being written; the streams inside it have one of their own. */
struct col_stream_room {
	struct col_stream_head *heads;
	uint64_t *side;
	uint32_t frames_cap;
	struct col_stream_code_room code;
};

/* A stream that is not made of others, ready to be written. */
struct col_stream_plan {
	uint8_t form;
	struct col_stream_source source;
	struct col_stream_frames frames;
	struct col_stream_coded coded;
	uint64_t step;
	size_t cost; /* what put writes; of CODED, about */
	uint32_t runs;
	unsigned width; /* of the greatest difference to the least value */
};

/* false: out of memory. The plan uses v and the room until it is written. */
bool col_stream_plan_make(struct col_stream_plan *p, struct col_stream_room *room, const int64_t *v,
	uint32_t count, int level);
void col_stream_plan_put(
	const struct col_stream_plan *p, struct col_stream_room *room, struct buf *out);
void col_stream_plan_room_fini(struct col_stream_room *room);

/* ---- reading: col_stream_body.c ---- */

struct col_stream_code;

struct col_stream_body {
	uint8_t form;
	uint8_t flags;
	uint32_t count;
	uint64_t base;
	uint64_t unit; /* of a STEP: the step */
	uint64_t add;  /* FRAMES, CODED: to each number that is packed */
	struct col_stream_side restarts;
	struct span payload;
	struct col_stream_head *heads;  /* FRAMES: one per frame */
	struct col_stream_code *code;   /* CODED */
	struct col_stream_body *values; /* RUNS, DICT */
	struct col_stream_body *places; /* lengths of the runs; indices */
	uint32_t *starts;               /* RUNS: first row of each run; NULL until read */
	int64_t *distinct;              /* RUNS, DICT: all values; NULL until read */
	uint64_t asked;                 /* DICT: rows looked up so far */
	int64_t *cache;  /* values of some frames, but for the scale; NULL until needed */
	uint32_t cached; /* the first of them */
	uint32_t cached_frames;
	uint32_t next; /* DELTA: the frame that goes on from q */
	uint64_t q;
	struct arena *mem;
};

/* nested: a RUNS or a DICT is refused. Moves c; NULL and an error in c->err when it fails. */
struct col_stream_body *col_stream_body_open(
	struct rcur *c, uint32_t count, bool nested, struct arena *mem);
int col_stream_body_get(struct col_stream_body *b, uint32_t first, uint32_t count, int64_t *out);
int col_stream_body_pick(
	struct col_stream_body *b, const uint32_t *rows, uint32_t count, int64_t *out);

/* FRAMES: its headers, then the numbers of one frame, or of rising rows. ERR_CORRUPT, -ENOMEM. */
int col_stream_frame_open(struct rcur *c, struct col_stream_body *b);
int col_stream_frame_get(const struct col_stream_body *b, uint32_t frame, uint64_t *x);
int col_stream_frame_pick(
	const struct col_stream_body *b, const uint32_t *rows, uint32_t count, uint64_t *x);

/* CODED: the same, and the four frames of a whole group at once (col_stream_uncode.c). */
int col_stream_uncode_open(struct rcur *c, struct col_stream_body *b);
int col_stream_uncode_get(struct col_stream_body *b, uint32_t frame, uint64_t *x);
int col_stream_uncode_group(struct col_stream_body *b, uint32_t frame, uint64_t *x);

/* RUNS and DICT: col_stream_nest.c */
int col_stream_nest_open(struct rcur *c, struct col_stream_body *b);
int col_stream_nest_get(struct col_stream_body *b, uint32_t first, uint32_t count, int64_t *out);
int col_stream_nest_pick(
	struct col_stream_body *b, const uint32_t *rows, uint32_t count, int64_t *out);

#endif
