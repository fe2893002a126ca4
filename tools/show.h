/*
 * show - events as text for people or programs, in the format of -o.
 *
 *	show_init; for each event show_event makes a record, which may be kept and put in another order;
 *	show_header, then show_lay for each record in the order of the output; show_end where it pauses
 *
 * Nothing from an event reaches a terminal raw: short, verbose, logfmt and table always show hidden
 * characters as escapes; json, csv and cat are exact, and made safe only when they go to a terminal.
 *
 * Life:    a struct of the caller's; init, event..., fini.
 * Thread:  one. Local times ask libc for the zone (TZ).
 * Memory:  one buffer for a text on its way to a terminal; the rows of a table until show_end, at
 *          most TABLE_ROWS_MAX of them.
 */
#ifndef TOOLS_SHOW_H
#define TOOLS_SHOW_H

#include <stdbool.h>

#include "proto/base/buf.h"
#include "proto/wire/event.h"
#include "tools/pick.h"
#include "tools/table.h"
#include "tools/term.h"

enum show_format {
	SHOW_SHORT,       /* one line: time, severity, who and what */
	SHOW_SHORT_ISO,   /* the same with the time of ISO 8601 */
	SHOW_VERBOSE,     /* every field on a line of its own */
	SHOW_CAT,         /* the description alone */
	SHOW_JSON,        /* one object a line */
	SHOW_JSON_PRETTY, /* one object on many lines */
	SHOW_CSV,         /* RFC 4180 with a header */
	SHOW_LOGFMT,      /* key=value pairs, one event a line */
	SHOW_TABLE,       /* columns */
	SHOW_ID,          /* the id alone */
};

struct show {
	enum show_format format;
	bool utc; /* times in UTC instead of the local zone */
	const struct term *term;
	const struct picks *picks; /* NULL: whole events */
	struct picks columns;      /* of a table, where none are picked */
	struct table table;
	struct buf raw;
};

/* The format of that name, or -1. */
int show_format_find(const char *name);
/* All of them: "short, short-iso ...". Static text. */
const char *show_format_names(void);
/* Whether a choice of fields means anything to it. */
bool show_format_picks(enum show_format format);

/* term and picks live as long as s; picks may be NULL or empty: whole events. */
void show_init(struct show *s, enum show_format format, bool utc, const struct term *term,
	const struct picks *picks);
void show_fini(struct show *s);

/* The record of an event: its text, but for a table. Nothing for `cat` without a description. */
void show_event(struct show *s, const struct event *ev, struct buf *record);
/* What stands before the first event. */
void show_header(struct show *s, struct buf *out);
void show_lay(struct show *s, struct span record, struct buf *out);
/* What waits for more rows. */
void show_end(struct show *s, struct buf *out);

#endif
