/*
 * inflate - decompresses gzip (RFC 1952), zlib (RFC 1950, what HTTP calls deflate) and zstd (RFC 8878)
 * as the bytes come, into pieces of memory of the caller.
 *
 * Several gzip members, or zstd frames, one after another are one stream; of zlib there is one.
 * What a member says of its length is not believed. A stream ends where its bytes end: inflate_end
 * tells whether that was a place to end at. Checksums are verified; those of a member are checked
 * after its bytes were handed out.
 *
 * Life:    new, then for each stream: begin, next... over each piece of input, end; free.
 * Thread:  one at a time.
 * Memory:  nothing before the first begin of a kind; then about 40 KiB for gzip and zlib, and for
 *          zstd 160 KiB and the window of the largest frame so far, at most LIMIT_INFLATE_WINDOW_LOG.
 *          A later begin takes nothing anew. inflate_bytes tells.
 * Malice:  whatever the input, time is bounded by it and by what comes out, and what comes out of one
 *          stream by bytes_max and by LIMIT_INFLATE_RATIO bytes for each one that went in, beyond
 *          the first LIMIT_INFLATE_FREE_BYTES; each may be exceeded within one piece of output.
 * Errors:  negative, and inflate_fault says why. The stream is lost from there on; what was handed
 *          out before is as it was sent unless the fault is INFLATE_FAULT_CORRUPT.
 */
#ifndef PROTO_WIRE_INFLATE_H
#define PROTO_WIRE_INFLATE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/cursor.h"
#include "proto/base/limits.h"
#include "proto/base/span.h"

enum inflate_kind {
	INFLATE_NONE,
	INFLATE_GZIP,
	INFLATE_ZLIB,
	INFLATE_ZSTD,
};

enum {
	INFLATE_MAGIC_BYTES = 4,
	/* More than one ever holds. */
	INFLATE_BYTES_MAX = (1 << LIMIT_INFLATE_WINDOW_LOG) + (1 << 20),
};

enum inflate_outcome {
	INFLATE_MORE = 1, /* the input is used up and all of its bytes are out */
	INFLATE_FULL, /* the output is full: call again with more room, whatever input is left */
};

/* Why a stream was given up. X(name, error, label of a counter, text) */
#define INFLATE_FAULT_TABLE(X)                                                             \
	X(INFLATE_FAULT_NONE, 0, "none", "no fault")                                       \
	X(INFLATE_FAULT_CORRUPT, ERR_CORRUPT, "corrupt", "the compressed data is damaged") \
	X(INFLATE_FAULT_TRUNCATED, ERR_TRUNCATED, "truncated",                             \
		"the compressed data ends too early")                                      \
	X(INFLATE_FAULT_TRAILING, ERR_SYNTAX, "trailing",                                  \
		"the compressed data is followed by other bytes")                          \
	X(INFLATE_FAULT_WINDOW, ERR_LIMIT, "window",                                       \
		"the compressed data needs a window larger than LIMIT_INFLATE_WINDOW_LOG") \
	X(INFLATE_FAULT_RATIO, ERR_LIMIT, "ratio",                                         \
		"the compressed data grows by more than LIMIT_INFLATE_RATIO")              \
	X(INFLATE_FAULT_SIZE, ERR_LIMIT, "size",                                           \
		"the compressed data is too long when decompressed")                       \
	X(INFLATE_FAULT_MEMORY, -ENOMEM, "memory", "out of memory")

enum inflate_fault {
#define INFLATE_FAULT_ENUM(name, err, label, text) name,
	INFLATE_FAULT_TABLE(INFLATE_FAULT_ENUM)
#undef INFLATE_FAULT_ENUM
		INFLATE_FAULT_COUNT,
};

struct inflate;

int inflate_new(struct inflate **out);
void inflate_free(struct inflate **at);

/* A new stream, whatever became of the last one; bytes_max is what may come out of it. */
int inflate_begin(struct inflate *z, enum inflate_kind kind, uint64_t bytes_max);

/*
 * Decompresses from in to out, which must have room, until one of them is used up: an enum
 * inflate_outcome. ERR_CORRUPT, ERR_SYNTAX (trailing bytes), ERR_LIMIT (window, ratio, size), -ENOMEM.
 */
int inflate_next(struct inflate *z, struct rcur *in, struct wcur *out);

/* The input has ended. 0, or ERR_TRUNCATED: it ended inside a member, or there was none. */
int inflate_end(struct inflate *z);

/* Of the last call that failed since begin. */
enum inflate_fault inflate_fault(const struct inflate *z);
/* What has come out of the stream. */
uint64_t inflate_total(const struct inflate *z);
/* Memory held now. */
size_t inflate_bytes(const struct inflate *z);

/* The first bytes of what gzip or zstd make, at least INFLATE_MAGIC_BYTES of them; else INFLATE_NONE. */
enum inflate_kind inflate_detect(struct span first);

const char *inflate_fault_label(enum inflate_fault why);
const char *inflate_fault_text(enum inflate_fault why);

#endif
