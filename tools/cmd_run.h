/*
 * cmd_run - one run of astroquery: a source above, a sink below, and what was learnt in between.
 *
 * Life:    init, cmd_search and cmd_tail emit through it, fini.
 * Thread:  one.
 * Memory:  one event's text, and the sink's.
 */
#ifndef TOOLS_CMD_RUN_H
#define TOOLS_CMD_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "tools/cmd_args.h"
#include "tools/show.h"
#include "tools/sink.h"
#include "tools/source.h"

struct cmd_run {
	const struct cmd_args *args;
	struct source *source; /* the caller's */
	struct show show;
	struct sink sink;
	struct buf text;
	bool terminal; /* standard output is one */
	bool begun;    /* the sink is open, the header is out */
	uint64_t shown;
	uint64_t total; /* of matching events, when known */
	bool total_known;
	uint64_t covered;           /* what follows comes after this id */
	char lack[DIAG_TEXT_BYTES]; /* the first thing that the answers lacked */
};

void cmd_run_init(struct cmd_run *r, const struct cmd_args *args, struct source *source);
/* Negative: what was shown could not be written. */
int cmd_run_fini(struct cmd_run *r);

/*
 * The text of an event, until the next call; -ENOMEM.
 */
int cmd_run_text(struct cmd_run *r, const struct event *ev, struct span *out);
/* Text of one event to the sink, which is opened, with its header, at the first. */
void cmd_run_emit(struct cmd_run *r, struct span text);
/* The header at least, when nothing was emitted. */
void cmd_run_begin(struct cmd_run *r);
/* Remembers what an answer lacks. */
void cmd_run_note(struct cmd_run *r, const struct source_page *page);

#endif
