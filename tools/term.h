/*
 * term - what stands at the other end of standard output, and how wide text is there.
 *
 * Thread: one; the first text that is not ASCII sets LC_CTYPE, for wcwidth(3).
 * Memory: none. Errors: none; what cannot be found out is a plain file of ASCII.
 */
#ifndef TOOLS_TERM_H
#define TOOLS_TERM_H

#include <stdbool.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"

#define TERM_RED    "\x1b[1;31m"
#define TERM_YELLOW "\x1b[1;33m"
#define TERM_GREEN  "\x1b[32m"
#define TERM_CYAN   "\x1b[36m"
#define TERM_BOLD   "\x1b[1m"
#define TERM_DIM    "\x1b[2m"
#define TERM_OFF    "\x1b[0m"

enum {
	/* Columns that pictures take where nobody says how wide it is. */
	TERM_COLUMNS_DEFAULT = 80,
	TERM_COLUMNS_MIN = 20,
	TERM_COLUMNS_MAX = 400,
};

struct term {
	bool tty;
	bool utf8;   /* block characters and an ellipsis may be used */
	bool colour; /* escape sequences of ours are welcome */
	unsigned columns;
};

/*
 * colour: auto (a terminal that is not dumb, without NO_COLOR), always or never. COLUMNS, then the
 * terminal, say how wide it is; LC_ALL, LC_CTYPE and LANG whether it takes UTF-8.
 */
void term_ask(struct term *t, int fd, const char *colour);

/* Columns that printable text (proto/base/printable.h) takes. */
unsigned term_width(struct span text);
/* Bytes of the longest beginning of it that fits so many columns. */
size_t term_fit(struct span text, unsigned columns);
/* The text in exactly so many columns: filled with blanks, or cut with a mark at its end. */
void term_put_cell(
	const struct term *t, struct span text, unsigned columns, bool right, struct buf *out);
/* The escape sequence if colours are welcome. */
void term_put_style(const struct term *t, const char *style, struct buf *out);
/* That of a severity; "" for those that need none. Static text. */
const char *term_severity_style(unsigned severity);

#endif
