/*
 * rows - the answer to a question about groups: columns and rows, as a table for people or as lines for
 * programs.
 *
 * Life:    rows_open on a document of /api/query; it lives as long as the document.
 * Thread:  one.
 * Memory:  none but the caller's buffers.
 * Errors:  ERR_SYNTAX: the document is not such an answer.
 */
#ifndef TOOLS_ROWS_H
#define TOOLS_ROWS_H

#include <stdint.h>

#include "proto/base/diag.h"
#include "tools/doc.h"
#include "tools/show.h"
#include "tools/term.h"

enum { ROWS_COLUMNS_MAX = 16 };

struct rows {
	struct span names[ROWS_COLUMNS_MAX];
	bool is_text[ROWS_COLUMNS_MAX];  /* no cell is a number */
	bool is_rough[ROWS_COLUMNS_MAX]; /* estimated */
	size_t columns;
	size_t keys;      /* the first so many are what the groups are by */
	struct span list; /* of the rows */
	uint32_t count;
	uint64_t groups; /* there are, those that were left out too */
	uint64_t total;  /* of the events in them */
	int64_t bucket_ns;
	bool rough; /* any column is */
};

/* calls: columns at the end that are calculated. */
int rows_open(struct rows *r, struct span document, size_t calls, struct diag *d);

/* The cells of one row, absent ones too. False: there is none. */
bool rows_next(const struct rows *r, struct doc_list *at, struct span cells[ROWS_COLUMNS_MAX]);

/* A cell as people read it: times in their zone, whole numbers in groups of three. */
void rows_put_cell(
	const struct rows *r, size_t column, struct span cell, bool utc, struct buf *out);

/* The same, with nothing in it that a terminal obeys. */
void rows_put_safe(
	const struct rows *r, size_t column, struct span cell, bool utc, struct buf *out);
/* The style of a cell that is a severity, or NULL. Static text. */
const char *rows_tint(const struct rows *r, size_t column, struct span cell);

/* All of them in the format; a table has bars of the first number on a terminal. */
void rows_put(const struct rows *r, enum show_format format, bool utc, const struct term *term,
	struct buf *out);

/* 1234567 as 1,234,567. */
void rows_put_count(uint64_t n, struct buf *out);

#endif
