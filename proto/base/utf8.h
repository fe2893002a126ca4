/*
 * utf8 - is it UTF-8, and if not, where and what stands for the bad bytes.
 *
 * Valid is what Unicode calls well-formed (table 3-7): no overlong forms, no surrogates, nothing
 * above U+10FFFF. Each maximal subpart of an ill-formed sequence is replaced by one U+FFFD, as W3C
 * and browsers do: bytes that begin a valid sequence count together, any other byte alone.
 *
 * Thread: none of its own. Memory: none. Errors: none; every input has an answer.
 */
#ifndef PROTO_BASE_UTF8_H
#define PROTO_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/span.h"

#define UTF8_REPLACEMENT       UINT32_C(0xFFFD)
#define UTF8_REPLACEMENT_BYTES "\xEF\xBF\xBD"

enum { UTF8_BYTES_MAX = 4 };

/* Bytes from the start that are valid; s.n when all are. Fast on ASCII. */
size_t utf8_valid_prefix(struct span s);

static inline bool utf8_valid(struct span s)
{
	return utf8_valid_prefix(s) == s.n;
}

/*
 * The code point at p (n >= 1 bytes are there) into *out_cp, and the bytes it took (1..4). Where
 * the bytes are bad, *out_cp is UTF8_REPLACEMENT and the return the bytes it stands for (1..3);
 * tell it from a real U+FFFD by utf8_valid_prefix.
 */
size_t utf8_next(const uint8_t *p, size_t n, uint32_t *out_cp);

/* Bytes of the maximal subpart at p, where utf8_valid_prefix stopped with n >= 1 bytes left: 1..3. */
size_t utf8_bad_bytes(const uint8_t *p, size_t n);

/* Writes cp (a valid scalar value) and returns its bytes, 1..4. */
size_t utf8_put(uint8_t dst[UTF8_BYTES_MAX], uint32_t cp);

/* Text that comes in pieces: what the next byte must be. All zero at its beginning. */
struct utf8_steps {
	uint8_t follow; /* bytes missing of the sequence begun; 0: the text may end here */
	uint8_t lo, hi; /* range of the next of them */
};

/* False as soon as no further piece could make it well-formed. */
bool utf8_step(struct utf8_steps *s, const uint8_t *p, size_t n);

/* The largest n <= max at which s may be cut without splitting a code point; s.n if that is smaller. */
size_t utf8_cut(struct span s, size_t max);

#endif
