/*
 * expr_quote_int - words and quoted texts of the language.
 *
 * In quotes \" \\ \n \t \xHH and \u{H...} stand for bytes; other bytes stand for themselves. In the
 * quotes of a regular expression only \" is taken so: all else after a backslash is PCRE2's affair.
 *
 * Thread: any. Memory: none.
 */
#ifndef PROTO_EXPR_EXPR_QUOTE_INT_H
#define PROTO_EXPR_EXPR_QUOTE_INT_H

#include <stdbool.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"

/* May stand in a bare word: letters, digits, _ - . : / @ + % #, and all that is beyond ASCII. */
bool expr_quote_is_word(uint8_t c);
/* The same in a part of a path: no dot and no colon. */
bool expr_quote_is_key(uint8_t c);

/*
 * The text in quotes at *p, which is the quote, into dst, which has room for all up to the end; *p
 * moves behind the closing quote. ERR_TRUNCATED: none closes it; ERR_SYNTAX: *p is the backslash of
 * what is no escape.
 */
int expr_quote_read(const uint8_t **p, const uint8_t *end, bool regex, uint8_t *dst, size_t *out_n);
/* Appends the text in quotes: what is UTF-8 and printable stays as it is. */
void expr_quote_put(struct span text, bool regex, struct buf *out);

#endif
