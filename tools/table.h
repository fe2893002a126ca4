/*
 * table - rows of text in columns, for people.
 *
 * Columns are as wide as their widest cell; on a terminal that is narrower, the widest columns are cut
 * until the line fits. Nothing in a cell drives a terminal. What is put after the first time keeps the
 * widths of the first: a stream of rows stays one table.
 *
 * Life:    init, column..., then cell... row by row and put, any number of times; fini.
 * Thread:  one.
 * Memory:  the cells since the last put.
 * Errors:  stick in the caller's buffer.
 */
#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

#include "proto/base/buf.h"
#include "tools/term.h"

enum {
	TABLE_COLUMNS_MAX = 64,
	TABLE_ROWS_MAX = 1000, /* before a put, for whoever streams */
	TABLE_WIDTH_MIN = 6,   /* of a column that is cut */
};

enum table_align { TABLE_LEFT, TABLE_RIGHT };

struct table_column {
	char title[64];
	enum table_align align;
	unsigned width;
	bool rigid; /* numbers, times: never cut */
};

struct table {
	const struct term *term;
	struct table_column columns[TABLE_COLUMNS_MAX];
	size_t columns_count;
	struct buf text;  /* of all cells, printable */
	struct buf ends;  /* where each of them ends in it, as size_t */
	struct buf tints; /* the style of each, as const char *; NULL: none */
	size_t cells_count;
	bool headed; /* widths are fixed and the titles are out */
};

void table_init(struct table *t, const struct term *term);
void table_fini(struct table *t);

void table_column(struct table *t, const char *title, enum table_align align, bool rigid);
/* The next cell; style is a static TERM_ text or NULL. */
void table_cell(struct table *t, struct span text, const char *style);
/* Complete rows since the last put. */
size_t table_rows(const struct table *t);
/* Everything since the last put; the titles first, once. */
void table_put(struct table *t, struct buf *out);

#endif
