/*
 * send_source - the events that astrosend sends out of files or standard input: NDJSON, plain
 * lines, or msgpack maps one after another.
 *
 * Life:    open, next... until it returns 0, close.
 * Thread:  one.
 * Memory:  a buffer of SEND_SOURCE_LINE_BYTES at most.
 * Errors:  negative, with a diag: a file cannot be read, or an event is bad and `strict` is set. A bad
 *          event otherwise is told to the conf's callback, counted and skipped.
 */
#ifndef TOOLS_SEND_SOURCE_H
#define TOOLS_SEND_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"

enum send_source_kind {
	SEND_SOURCE_NDJSON,
	SEND_SOURCE_LINES,
	SEND_SOURCE_MSGPACK,
};

enum {
	/* The longest line or map; a longer one is bad. */
	SEND_SOURCE_LINE_BYTES = 4 << 20,
};

/* Where an event stands: its file as named ("-": standard input), and its line or number from 1. */
struct send_pos {
	const char *file;
	uint64_t line;
};

struct send_source_conf {
	enum send_source_kind kind;
	char *const *files; /* none: standard input */
	int files_count;
	bool strict;        /* the first bad event is an error; JSON is not repaired */
	struct span fields; /* SEND_SOURCE_LINES: pairs that every record begins with */
	uint32_t fields_count;
	void (*bad)(void *arg, const struct send_pos *at, const char *why);
	void *arg;
};

struct send_source;

int send_source_open(const struct send_source_conf *conf, struct send_source **out);
void send_source_close(struct send_source **s);

/*
 * Appends the next event as one Forward entry of that time; its place to *out_at. 1, or 0 when there
 * are no more. A failure leaves `entries` as it was.
 */
int send_source_next(struct send_source *s, int64_t time_ns, struct buf *entries,
	struct send_pos *out_at, struct diag *d);

/* False: the next call would wait for input that has not arrived (a pipe, a terminal). */
bool send_source_ready(const struct send_source *s);

uint64_t send_source_bad(const struct send_source *s);

#endif
