/*
 * show_text - one event as text for people.
 *
 * Hidden characters are always shown as escapes. Thread: one. Memory: the caller's buffers. Errors:
 * stick in the buffer.
 */
#ifndef TOOLS_SHOW_TEXT_H
#define TOOLS_SHOW_TEXT_H

#include "tools/show.h"

/* TIME SEVERITY SERVICE TYPE ENTITY (USER): DESCRIPTION, without what is absent. */
void show_text_short(const struct show *s, const struct event *ev, struct buf *out);
/* Every field on a line of its own, or those that are picked. */
void show_text_verbose(struct show *s, const struct event *ev, struct buf *out);

#endif
