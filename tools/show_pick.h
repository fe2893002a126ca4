/*
 * show_pick - chosen fields of events as JSON, CSV, logfmt and rows of a table.
 *
 * Thread: one. Memory: the caller's buffers. Errors: stick in the buffer.
 */
#ifndef TOOLS_SHOW_PICK_H
#define TOOLS_SHOW_PICK_H

#include "tools/pick.h"
#include "tools/show.h"
#include "tools/table.h"

/* {"a":1,"metadata.b":true}: what the event has of them, by the names that they were chosen by. */
void show_pick_json(const struct picks *p, const struct event *ev, struct buf *out);
void show_pick_csv_header(const struct picks *p, struct buf *out);
void show_pick_csv(const struct picks *p, const struct event *ev, struct buf *out);
/* Absent fields are left out. */
void show_pick_logfmt(
	const struct picks *p, const struct event *ev, struct buf *raw, struct buf *out);

void show_pick_columns(const struct picks *p, struct table *t);
/* The event's cells as a record, and a record's cells into the table. */
void show_pick_cells(struct show *s, const struct event *ev, struct buf *record);
void show_pick_lay(struct span record, struct table *t);

#endif
