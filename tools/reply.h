/*
 * reply - what astroqueryd answers, as events again.
 *
 * Life:    init, read... (each makes the events of the one before invalid), fini.
 * Thread:  one.
 * Memory:  the answer as msgpack, at most LIMIT_CLIENT_BODY_BYTES, and the events.
 * Errors:  ERR_SYNTAX and those of json_in with a diag: not an answer of astroqueryd.
 */
#ifndef TOOLS_REPLY_H
#define TOOLS_REPLY_H

#include "proto/base/buf.h"
#include "tools/source.h"

struct reply {
	struct buf msgpack;
	struct event *events;
	size_t events_cap;
};

void reply_init(struct reply *r);
void reply_fini(struct reply *r);

/* The body of a 200 of GET /api/logs. */
int reply_read(struct reply *r, struct span json, struct source_page *out, struct diag *d);

/* The body of a 200 of GET /api/logs/{id}/context: the event among those around it, oldest first. */
int reply_read_context(struct reply *r, struct span json, struct source_page *out, struct diag *d);

/* The body of a 200 of another route, as msgpack. */
int reply_read_document(struct reply *r, struct span json, struct span *out, struct diag *d);

/*
 * The body of another status: "ERROR (HINT)" as far as it says so, safe to print, into dst.
 */
void reply_error(struct reply *r, struct span json, int status, char *dst, size_t cap);

#endif
