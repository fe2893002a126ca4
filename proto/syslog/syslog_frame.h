/*
 * syslog_frame - finds the messages in a stream of syslog, RFC 6587: counted by octets, or ended by a
 * line feed or NUL, told apart at each message's first byte.
 *
 *	52 <13>1 ...     a count, a space, so many bytes. The first of a connection must have its `<`, so
 *	                 that a line of text which begins with a number is none; behind a counted message
 *	                 any text may be counted
 *	<13>...\n        up to LF or NUL, and so is all other text
 *
 * A message keeps LIMIT_SYSLOG_BYTES, cut at a character's border; the rest is passed over up to the
 * message's end. A count above LIMIT_SYSLOG_COUNT is none.
 *
 * Life:    init, next... for the bytes of each read, end once at the stream's end, fini.
 * Thread:  none of its own.
 * Memory:  only the message that straddles two reads: at most LIMIT_SYSLOG_BYTES.
 * Errors:  -ENOMEM.
 */
#ifndef PROTO_SYSLOG_SYSLOG_FRAME_H
#define PROTO_SYSLOG_SYSLOG_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/cursor.h"
#include "proto/base/span.h"

enum {
	SYSLOG_FRAME_MORE,    /* all is taken, no message is complete */
	SYSLOG_FRAME_MESSAGE, /* one is in *out */
	SYSLOG_FRAME_BROKEN,  /* of end: the stream ended inside a counted message, which is lost */
};

struct syslog_frame {
	uint8_t state;
	bool counted;   /* the last message was, or the one under way is */
	bool handed;    /* what is in `part` was handed out */
	uint32_t count; /* bytes to come of a counted message */
	struct buf part;
};

struct syslog_frame_message {
	struct span text; /* never empty; gone with the next call */
	bool cut;
	bool counted;
};

void syslog_frame_init(struct syslog_frame *f);
void syslog_frame_fini(struct syslog_frame *f);

int syslog_frame_next(struct syslog_frame *f, struct rcur *in, struct syslog_frame_message *out);
/* A line without its end is a message. */
int syslog_frame_end(struct syslog_frame *f, struct syslog_frame_message *out);

/* Part of a message waits for its rest. */
static inline bool syslog_frame_is_inside(const struct syslog_frame *f)
{
	return f->state != 0;
}

/* Memory held. */
static inline size_t syslog_frame_bytes(const struct syslog_frame *f)
{
	return f->part.cap;
}

#endif
