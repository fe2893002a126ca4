/*
 * cmd_run - one run of astroquery: a source above, a sink below, and what was learnt in between.
 *
 * Life:    init, the commands put through it, fini.
 * Thread:  one.
 * Memory:  one event's record, and the sink's.
 */
#ifndef TOOLS_CMD_RUN_H
#define TOOLS_CMD_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "tools/cmd_args.h"
#include "tools/cursor_file.h"
#include "tools/progress.h"
#include "tools/show.h"
#include "tools/sink.h"
#include "tools/source.h"
#include "tools/term.h"

struct cmd_run {
	const struct cmd_args *args;
	struct source *source; /* the caller's; NULL: of a command that needs none */
	struct term term;
	struct show show;
	struct sink sink;
	struct progress progress;
	struct buf record;
	bool begun; /* the sink is open, the header is out */
	bool bare;  /* no header of ours: the text has its own */
	uint64_t shown;
	uint64_t total; /* of matching events, when known */
	bool total_known;
	uint64_t covered;           /* what follows comes after this id */
	struct cursor_file place;   /* of --cursor-file */
	char lack[DIAG_TEXT_BYTES]; /* the first thing that the answers lacked */
};

void cmd_run_init(struct cmd_run *r, const struct cmd_args *args, struct source *source);
/* Negative: what was shown could not be written. */
int cmd_run_fini(struct cmd_run *r);

/* The record of an event, until the next call; -ENOMEM. */
int cmd_run_record(struct cmd_run *r, const struct event *ev, struct span *out);
/* One record to the sink, which is opened, with its header, at the first. */
void cmd_run_emit(struct cmd_run *r, struct span record);
/* Text that is no event: of a table, a chart; it must be fit for where it goes. */
void cmd_run_text(struct cmd_run *r, struct span text);
/* Everything that was emitted is on its way. */
void cmd_run_flush(struct cmd_run *r);
/* The header at least, when nothing was emitted. */
void cmd_run_begin(struct cmd_run *r);
/* Nobody reads any more, or nothing can be written. */
bool cmd_run_is_gone(const struct cmd_run *r);
/* Remembers what an answer lacks. */
void cmd_run_note(struct cmd_run *r, const char *lack);
/* The same of a document: its `partial`. */
void cmd_run_note_answer(struct cmd_run *r, struct span document);

/*
 * Everything up to `id` was shown: flushes, and where there is a --cursor-file makes what was written
 * safe and writes the place. Does nothing more once the reader is gone.
 */
int cmd_run_reached(struct cmd_run *r, uint64_t id, struct diag *d);

#endif
