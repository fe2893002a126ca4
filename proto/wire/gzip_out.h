/*
 * gzip_out - bytes into one gzip stream (RFC 1952), as they come.
 *
 * Life:    new, put..., the last one with GZIP_OUT_END, free at any time.
 * Thread:  one at a time.
 * Memory:  GZIP_OUT_BYTES for each, and what it appends to the caller's buffer.
 * Errors:  -ENOMEM, ERR_LIMIT of the buffer, also as its sticky error. Nothing but free may follow.
 *
 * The level is the one at which answers of ours are packed fastest; with it the bytes of events become a
 * fifth, at about 150 MB/s of a core (levels 1 and 3: 130, 6: 75).
 */
#ifndef PROTO_WIRE_GZIP_OUT_H
#define PROTO_WIRE_GZIP_OUT_H

#include <stddef.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"

enum {
	GZIP_OUT_LEVEL = 2,
	GZIP_OUT_BYTES = 280 << 10,
};

enum gzip_out_then {
	GZIP_OUT_MORE, /* keep back what packs better with what comes */
	GZIP_OUT_PART, /* all of this can be read now */
	GZIP_OUT_END,  /* this was the last */
};

struct gzip_out;

/* NULL: out of memory. */
struct gzip_out *gzip_out_new(void);
void gzip_out_free(struct gzip_out **g);

int gzip_out_put(struct gzip_out *g, struct span in, enum gzip_out_then then, struct buf *out);

/* The whole of it as a stream of its own. */
int gzip_out_whole(struct span in, struct buf *out);

#endif
