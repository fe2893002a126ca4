/*
 * printable - text that nobody vouches for, made safe to look at: nothing in it moves a cursor,
 * changes a colour, turns the writing direction or hides.
 *
 * Thread: any. Memory: the caller's buffer. Errors: stick in the buffer.
 */
#ifndef PROTO_BASE_PRINTABLE_H
#define PROTO_BASE_PRINTABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"

enum printable_style {
	PRINTABLE_LINE, /* hidden characters as \n, \t, \x1b, \u202e: always one line */
	PRINTABLE_TEXT, /* the same, but line feeds and tabs stay */
	/*
	 * For a text that is JSON already: hidden characters as \u009b, as JSON has them in strings.
	 * Line feeds stay; a control below the space cannot stand inside a string of JSON.
	 */
	PRINTABLE_JSON,
};

/*
 * Code points that print nothing, move the cursor or turn the writing direction: controls, line and
 * paragraph separators, marks of direction, spaces without width, the byte order mark, tags. The
 * two joiners are let through: scripts and emoji need them.
 */
bool printable_hidden(uint32_t cp);

/* Appends s; what is not UTF-8 becomes U+FFFD. */
void printable_put(struct span s, enum printable_style style, struct buf *out);

#endif
