/*
 * reverse - records that come in one order and are wanted in the other: a stack that keeps to
 * REVERSE_BYTES of memory, with the rest in a temporary file without a name.
 *
 * Life:    init, push..., pop... until empty, fini. All pushes come before the first pop.
 * Thread:  one.
 * Memory:  REVERSE_BYTES and one record.
 * Errors:  -ENOMEM, or what the temporary file says (-ENOSPC: see TMPDIR).
 */
#ifndef TOOLS_REVERSE_H
#define TOOLS_REVERSE_H

#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"

enum { REVERSE_EMPTY = 1 };

struct reverse {
	struct buf mem;    /* records, each followed by its length */
	struct buf blocks; /* of the file: their lengths, as uint64_t */
	size_t bytes_max;  /* of mem before it goes to the file */
	uint64_t file_bytes;
	int fd; /* -1: no file was needed */
};

/* bytes_max 0: REVERSE_BYTES. */
enum { REVERSE_BYTES = 16 << 20 };
void reverse_init(struct reverse *r, size_t bytes_max);
void reverse_fini(struct reverse *r);

int reverse_push(struct reverse *r, struct span record);
/* The latest record; it lives until the next call. REVERSE_EMPTY: there is none. */
int reverse_pop(struct reverse *r, struct span *out);

#endif
