/*
 * walk - reads msgpack from bytes nobody vouches for: a whole value in memory at full speed, or one
 * that arrives in any pieces, resumed where the last piece ended and never scanned twice.
 *
 * A claimed length or count is believed only as far as bytes have arrived: it allocates nothing,
 * reserves nothing, and costs no time. Widths need not be the shortest. Arrays and maps may nest
 * LIMIT_WALK_DEPTH deep, the outermost counted.
 *
 * Thread:  none of its own.
 * Memory:  none; spans point into the input.
 * Errors:  ERR_TRUNCATED, the bytes end inside the value; ERR_SYNTAX, the byte 0xc1, which is no
 *          msgpack; ERR_DEPTH, nested deeper than LIMIT_WALK_DEPTH.
 */
#ifndef PROTO_WIRE_WALK_H
#define PROTO_WIRE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/cursor.h"
#include "proto/base/limits.h"

enum walk_type {
	WALK_NIL,
	WALK_BOOL,
	WALK_UINT, /* every integer that is not negative, whatever its encoding */
	WALK_INT,  /* a negative integer */
	WALK_FLOAT,
	WALK_STR,
	WALK_BIN,
	WALK_EXT,
	WALK_ARRAY,
	WALK_MAP,
};

/* One value; of an array or map the head alone. */
struct walk_value {
	enum walk_type type;
	int8_t ext;       /* type number of a WALK_EXT */
	bool single;      /* a WALK_FLOAT that came as 32 bits */
	struct span data; /* WALK_STR, WALK_BIN, WALK_EXT: the content, present even when empty */
	union {
		bool b;
		uint64_t u;
		int64_t i;
		double f;
		uint32_t count; /* elements of an array, pairs of a map */
	};
};

/* ---- a complete value in memory ---- */

/*
 * Reads one value, or the head of an array or map, and moves past it. On failure the cursor's
 * error is set as well, and *out is a nil.
 */
int walk_read(struct rcur *c, struct walk_value *out);

/*
 * As walk_read for whoever reads value after value: short strings, which most values and nearly all
 * keys are, without a call. *out has no more than type and data set then.
 */
static inline int walk_next(struct rcur *c, struct walk_value *out)
{
	const uint8_t *p = c->p;
	size_t left = rcur_left(c), n, head;

	if (left < 2)
		return walk_read(c, out);
	if ((p[0] & 0xe0) == 0xa0) {
		n = p[0] & 31u;
		head = 1;
	} else if (p[0] == 0xd9) {
		n = p[1];
		head = 2;
	} else {
		return walk_read(c, out);
	}
	if (n > left - head)
		return walk_read(c, out);
	out->type = WALK_STR;
	out->data = span_of(p + head, n);
	c->p = p + head + n;
	return 0;
}

/*
 * Moves past one whole value. On failure the cursor stays before it and its error stays clear, so
 * that the caller may go on with the resumable walker.
 */
int walk_skip(struct rcur *c);
/* As walk_skip; *out is the whole value, head included. */
int walk_take(struct rcur *c, struct span *out);

/* A str or bin, for whoever takes both. */
static inline bool walk_is_text(const struct walk_value *v)
{
	return v->type == WALK_STR || v->type == WALK_BIN;
}

/* ---- a value that arrives in pieces ---- */

enum walk_outcome {
	WALK_MORE = 1, /* every byte was taken and the value is not complete */
};

struct walk {
	uint64_t open[LIMIT_WALK_DEPTH +
		      1]; /* values missing at each level; [0] the values asked for */
	uint64_t loose;   /* values missing below LIMIT_WALK_DEPTH, all levels in one sum */
	uint64_t body;    /* content bytes of the current value still to come */
	uint8_t head[5];  /* first byte and length of a value, while incomplete */
	uint8_t head_have;
	uint8_t level;
	bool deep; /* LIMIT_WALK_DEPTH was exceeded; the value is walked to its end all the same */
	bool dead; /* ERR_SYNTAX or ERR_LIMIT was returned */
};

/* Ready to walk `values` values (at least 1), one after another, as if they were one. */
void walk_init(struct walk *w, uint32_t values);
/*
 * Takes the next piece. 0: complete, and the first *out_used bytes of the piece belong to it.
 * WALK_MORE: not complete. ERR_DEPTH: complete, *out_used is set, but it was nested too deeply.
 * ERR_SYNTAX (or ERR_LIMIT: counts that add up to more than 2^64 values): where the value ends
 * cannot be known, nothing but walk_init may follow.
 */
int walk_feed(struct walk *w, const void *p, size_t n, size_t *out_used);

#endif
