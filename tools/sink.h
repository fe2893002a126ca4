/*
 * sink - where text goes: standard output, or a pager in front of a terminal.
 *
 * Life:    open, put..., close (waits for the pager to be left).
 * Thread:  one.
 * Memory:  SINK_BYTES.
 * Errors:  a reader that went away (the pager was left, the pipe closed) is no error: `gone` is set
 *          and everything after is dropped, so that the program ends quietly. Others stick in `err`.
 */
#ifndef TOOLS_SINK_H
#define TOOLS_SINK_H

#include <stdbool.h>
#include <sys/types.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"

enum { SINK_BYTES = 64 << 10 };

struct sink {
	int fd;
	pid_t pager; /* 0: none */
	bool gone;
	int err;
	struct buf buf;
	uint64_t bytes; /* written so far */
};

/*
 * pager: ASTRO_PAGER, else PAGER, else less, if it can be run; an empty one or "cat" is none.
 * SIGPIPE is ignored from here on.
 */
void sink_open(struct sink *s, bool pager);
void sink_put(struct sink *s, struct span text);
/* After something was put into buf: writes it when there is enough of it. */
void sink_drain(struct sink *s);
/* Writes what was put; also to be called before waiting for more. */
void sink_flush(struct sink *s);
/* Finds out, without writing, whether anybody still reads. */
bool sink_is_gone(struct sink *s);
/* Negative: the text could not be written, for another reason than a reader that went away. */
int sink_close(struct sink *s);

#endif
