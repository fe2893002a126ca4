/*
 * col_sym - a list of symbols (codes of a dictionary, types, key sets) near their entropy, each in
 * the context of another list: a symbol that its context determines costs nothing.
 *
 * The list is cut into groups by the caller, who knows the same cuts when reading; a group is read
 * from its start. Coding is rANS (Duda 2013) with one static table for each context.
 *
 * STREAM                     syms_count 1: no bytes at all
 *   varint   pairs           of context and symbol that occur together
 *   stream   context of each pair, rising    only if contexts_count > 1 (col_stream.h)
 *   stream   symbol of each pair             in a context the most frequent first
 *   stream   weight of each pair             how often, in four significant bits (see below)
 *   stream   bytes of each group             only if some context has two symbols or more
 *   the groups one after another
 * WEIGHT below 16: itself; else 16 + 8 * (e - 1) + m stands for (8 + m) << e.
 * FREQUENCIES of a context of n pairs: 1 + weight * (16384 - n) / sum of weights, rounded down; what
 * is missing to 16384 belongs to the first.
 * GROUP    le32 state, then le16 words in the order in which they are read.
 * Valid:  symbols and contexts are below their counts, no context has more than COL_SYM_ALPHABET
 *         pairs, every state that is read is 65536 or more, and no group ends before its symbols.
 *
 * Thread:  none of its own.
 * Memory:  reading: 32 bytes a pair and 6 a context from the arena.
 * Errors:  reading takes bytes nobody vouches for: ERR_CORRUPT; -ENOMEM.
 */
#ifndef STORAGE_COL_SYM_H
#define STORAGE_COL_SYM_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/base/cursor.h"
#include "storage/col_stream.h"

enum {
	COL_SYM_SCALE_BITS = 14,
	COL_SYM_SCALE = 1 << COL_SYM_SCALE_BITS,
	COL_SYM_STATE_MIN = 1 << 16,
	/* Symbols in one context. */
	COL_SYM_ALPHABET = 8192,
	/* Pairs of one list. */
	COL_SYM_PAIRS = 65536,
	/* Symbols and contexts are below it. */
	COL_SYM_MAX = 65536 + 8,
};

/* What weight w of the stream stands for; 0: no such weight. */
static inline uint32_t col_sym_weight(uint32_t w)
{
	if (w < 16)
		return w;
	w -= 16;
	return w < 8 * 16 ? (8 + w % 8) << (w / 8 + 1) : 0;
}

/* ---- writing ---- */

struct col_sym_in {
	const uint32_t *syms;
	uint32_t count; /* at most LIMIT_BLOCK_ROWS */
	uint32_t syms_count;
	const uint32_t *contexts; /* NULL: one for all */
	uint32_t contexts_count;  /* 1 if contexts is NULL */
	const uint32_t
		*groups; /* place of the first symbol of each group, rising; groups[0] is 0 */
	uint32_t groups_count;
};

struct col_sym_work;

/* Working memory, kept between calls. */
struct col_sym_maker {
	struct col_sym_work *work;
};

void col_sym_maker_init(struct col_sym_maker *m);
void col_sym_maker_fini(struct col_sym_maker *m);

/* About the bytes that put would append (groups are not needed); SIZE_MAX: it cannot. */
size_t col_sym_cost(struct col_sym_maker *m, const struct col_sym_in *in);
/* 0; 1: it cannot (too many pairs), nothing was appended; -ENOMEM or out's sticky error. */
int col_sym_put(struct col_sym_maker *m, const struct col_sym_in *in,
	struct col_stream_maker *streams, struct buf *out);

/* ---- reading ---- */

struct col_sym {
	uint32_t syms_count;
	uint32_t contexts_count;
	uint32_t groups_count;
	uint32_t *first; /* of each context: its first pair; contexts_count + 1 */
	uint16_t *syms;  /* of each pair */
	uint16_t *
		cums; /* of each pair: frequencies before it in its context; behind a context's: all */
	uint32_t *offs; /* of each group, in body; NULL: every context has one symbol */
	struct span body;
};

/* Moves c past the stream. */
int col_sym_open(struct rcur *c, uint32_t syms_count, uint32_t contexts_count,
	uint32_t groups_count, struct arena *mem, struct col_sym *out);
/* The first count symbols of a group; contexts (NULL: one) has as many. */
int col_sym_get(const struct col_sym *s, uint32_t group, const uint32_t *contexts, uint32_t count,
	uint16_t *out);

enum { COL_SYM_LANES = 8 };

struct col_sym_group {
	uint32_t group;
	uint32_t count;
	const uint32_t *contexts;
	uint16_t *out;
};

/*
 * The same of up to COL_SYM_LANES groups side by side: each symbol waits for the one before, so several
 * take hardly longer than one.
 */
int col_sym_get_groups(const struct col_sym *s, const struct col_sym_group *groups, uint32_t n);

#endif
