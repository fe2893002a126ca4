/*
 * col_sym_int - reading symbols of several groups side by side, for col_sym*.c and their tests.
 */
#ifndef STORAGE_COL_SYM_INT_H
#define STORAGE_COL_SYM_INT_H

#include <stdbool.h>

#include "storage/col_sym.h"

/* Frequencies looked at together, all of them at once; so many may be read behind the last one. */
enum { COL_SYM_PAD = 16 };

/* By value: what is written meanwhile cannot be suspected of changing it. */
struct col_sym_tables {
	const uint32_t *first;
	const uint16_t *syms, *cums;
	uint32_t contexts_count;
	const uint8_t *last; /* word that may be read */
};

struct col_sym_lane {
	const uint32_t *contexts;
	uint16_t *out;
	const uint8_t *p, *end;
	uint32_t state;
	uint32_t count;
};

/*
 * Symbols from .. to - 1 of n lanes, COL_SYM_LANES at most, which have that many. False: a context
 * without symbols, and what the lanes are then is of no use.
 */
typedef bool col_sym_lanes_cb(struct col_sym_tables t, struct col_sym_lane *lanes, uint32_t n,
	uint32_t from, uint32_t to);

/* NULL: the processor lacks it. */
col_sym_lanes_cb *col_sym_x86(void);
/* For tests: from now on the plain loop, or the best one; in all threads. */
void col_sym_plain(bool is_plain);

#endif
