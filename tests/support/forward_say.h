/*
 * forward_say - what proto/wire/forward hands out, as text that a test compares:
 *
 *	P 'tag'                                 a frame begins: M, F, P or I for its mode
 *	entry 5000000000 81a17801 meta .. group ..
 *	end 1 chunk 'c' size 1 large 1          entries, options, and what was dropped
 *	heartbeat
 *	fault json                              and nothing more
 *	...                                     the input ended inside a frame
 */
#ifndef TESTS_SUPPORT_FORWARD_SAY_H
#define TESTS_SUPPORT_FORWARD_SAY_H

#include "proto/base/buf.h"
#include "proto/wire/forward.h"

void forward_say_kind(
	struct buf *b, const struct forward *f, int kind, const struct forward_entry *e);
/*
 * The whole input in pieces: the first `first` bytes, then pieces of `piece`, each in memory of its own
 * that is gone when forward has taken it. out ends with a NUL.
 */
void forward_say_run(struct span s, size_t first, size_t piece, struct buf *out);
/* Whole, in single bytes, and in two pieces split at every position. */
void forward_say_expect(struct span s, const char *want);
void forward_say_expect_hex(const char *hex, const char *want);
/* Bytes from hex digits with blanks between. */
void forward_say_put_hex(struct buf *b, const char *hex);

#endif
