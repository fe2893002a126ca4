/*
 * show - one event as text for people or programs.
 *
 * Nothing from an event reaches a terminal raw: short and verbose always show hidden characters as
 * escapes; json, csv and cat are exact, and made safe only when they go to a terminal.
 *
 * Life:    a struct of the caller's; init, event..., fini.
 * Thread:  one. Local times ask libc for the zone (TZ).
 * Memory:  one buffer for a text on its way to a terminal.
 */
#ifndef TOOLS_SHOW_H
#define TOOLS_SHOW_H

#include <stdbool.h>

#include "proto/base/buf.h"
#include "proto/wire/event.h"

enum show_format {
	SHOW_SHORT,   /* one line: time, severity, who and what */
	SHOW_JSON,    /* one object a line */
	SHOW_CSV,     /* RFC 4180 with a header */
	SHOW_VERBOSE, /* every field on a line of its own */
	SHOW_CAT,     /* the description alone */
	SHOW_ID,      /* the id alone */
};

struct show {
	enum show_format format;
	bool utc;      /* times in UTC instead of the local zone */
	bool colour;   /* escape sequences of ours are welcome */
	bool terminal; /* a person's terminal is at the other end */
	struct buf raw;
};

/* The format of that name, or -1. */
int show_format_find(const char *name);
/* All of them: "short, json ...". Static text. */
const char *show_format_names(void);

void show_init(struct show *s, enum show_format format, bool utc, bool colour, bool terminal);
void show_fini(struct show *s);

/* What stands before the first event. */
void show_header(struct show *s, struct buf *out);
/* The event, with the end of its line. Nothing for `cat` without a description. */
void show_event(struct show *s, const struct event *ev, struct buf *out);

#endif
