/*
 * cmd_args - astroquery's command line: what is asked for, in the API's words, and how it is shown.
 *
 * Everything is checked here, by the engine's own parsers, so that a slip is told before anything is
 * connected, in the same words whatever the source is. cmd_flags has the flags, cmd_words the operands.
 *
 * Life:    cmd_args_read once; cmd_args_fini at the end.
 * Memory:  values point into argv and into `text`.
 */
#ifndef TOOLS_CMD_ARGS_H
#define TOOLS_CMD_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/arena.h"
#include "proto/base/diag.h"
#include "tools/pick.h"
#include "tools/show.h"
#include "tools/source.h"

enum {
	CMD_ARGS_PARAMS_MAX = 256,
	CMD_ARGS_TEXTS_MAX = 16, /* of -g and --regex */
	CMD_ARGS_LINES_DEFAULT = 100,
	CMD_ARGS_LINES_FOLLOW = 10,
	CMD_ARGS_TOP_DEFAULT = 20,
	CMD_ARGS_CONTEXT_MAX = 999, /* one more is asked for */
	CMD_ARGS_TEXT_BYTES_MAX = 4 << 20,
};

#define CMD_ARGS_ADDR_DEFAULT "http://127.0.0.1:9000"
/* Of `lines`: all of them. */
#define CMD_ARGS_ALL UINT64_MAX

enum cmd {
	CMD_SEARCH,
	CMD_TAIL,
	CMD_STATS,
	CMD_TOP,
	CMD_FIELDS,
	CMD_EXPORT,
	CMD_EXPLAIN,
	CMD_DOCTOR,
	CMD_COUNT,
};

/* A text of -g, or a pattern of --regex. */
struct cmd_args_text {
	const char *value;
	bool regex;
};

/* What flags leave behind until all of them are read. */
struct cmd_args_given {
	const char *since;
	const char *until;
	const char *priority;
	const char *entity_type; /* of the first --entity; "" when it had none */
	const char *tz;
	const char *after_cursor;
	struct cmd_args_text texts[CMD_ARGS_TEXTS_MAX];
	size_t texts_count;
	bool format;
};

struct cmd_args {
	enum cmd cmd;
	/* Filters and ranges; `q` is among them. */
	struct source_param params[CMD_ARGS_PARAMS_MAX];
	size_t params_count;
	const char *words; /* what was said in the query language, as it was typed; "" */
	uint64_t lines;    /* events to show at most */
	bool lines_given;
	bool oldest;  /* count lines from the oldest (-n +N) */
	bool reverse; /* newest first */
	bool follow;
	/* Context around each event. */
	int64_t before;
	int64_t after;
	const char *same; /* fields that context shares with its event; NULL: any event */
	/* Arrival order from a place on. */
	bool by_arrival;
	uint64_t after_id;
	bool show_cursor;
	const char *cursor_file;
	/* Aggregations; NULL where nothing was said. */
	const char *by;
	const char *bucket;
	const char *agg;
	int64_t top; /* 0: nothing was said */
	bool histogram;
	const char *field; /* of fields: whose values are asked for; NULL: the list of fields */
	bool complete;     /* for a shell's completion: names alone, no complaints */
	const char *order; /* of export */
	struct picks picks;
	enum show_format format;
	bool format_given;
	bool utc;
	bool quiet;
	bool no_pager;
	const char *colour; /* auto, always, never */
	const char *addr;
	const char *dir;       /* NULL: over HTTP */
	const char *collector; /* of doctor: the address of its HTTP door */
	struct arena text;     /* of values that are made here */
	struct cmd_args_given given;
};

/*
 * Reads the command, flags, operands and ASTRO_ADDR. -1: go on; otherwise the exit status of a program
 * that has said all there is to say (--help, a usage error).
 */
int cmd_args_read(struct cmd_args *a, int argc, char **argv);
void cmd_args_fini(struct cmd_args *a);

/* "search", "tail" ... Static text. */
const char *cmd_args_name(enum cmd cmd);

/* One more parameter; both live as long as a. -ENOMEM with a diag: there are too many. */
int cmd_args_add(struct cmd_args *a, const char *name, const char *value, struct diag *d);
bool cmd_args_has(const struct cmd_args *a, const char *name);
int cmd_args_no_memory(struct diag *d);

#endif
