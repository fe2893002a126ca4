/*
 * buf - a byte buffer on the heap that grows up to a hard maximum.
 *
 * Life:    init, any number of puts and resets, fini. A zeroed struct with max set is initialised.
 * Thread:  one at a time.
 * Memory:  at most max bytes, doubled as needed; reset keeps the memory, fini gives it back.
 * Errors:  the first one sticks in `err` (ERR_LIMIT beyond max, -ENOMEM) and later puts do nothing,
 *          so that a writer checks once at its end. reset clears it.
 */
#ifndef PROTO_BASE_BUF_H
#define PROTO_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/span.h"

struct buf {
	uint8_t *p;
	size_t len;
	size_t cap;
	size_t max;
	int err;
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);

/* Room for n more bytes at b->p + b->len. 0, or the sticky error. */
int buf_reserve(struct buf *b, size_t n);

void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_str(struct buf *b, const char *s);
void buf_put_span(struct buf *b, struct span s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline void buf_reset(struct buf *b)
{
	b->len = 0;
	b->err = 0;
}

static inline struct span buf_span(const struct buf *b)
{
	return span_of(b->p, b->len);
}

#endif
