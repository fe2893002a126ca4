/*
 * cmd_args - astroquery's command line: what is asked for, in the API's words, and how it is shown.
 *
 * Everything is checked here, by the engine's own parser, so that a slip is told before anything is
 * connected, in the same words whatever the source is.
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
#include "tools/show.h"
#include "tools/source.h"

enum {
	CMD_ARGS_PARAMS_MAX = 256,
	CMD_ARGS_LINES_DEFAULT = 100,
	CMD_ARGS_LINES_FOLLOW = 10,
};

#define CMD_ARGS_ADDR_DEFAULT "http://127.0.0.1:9000"
/* Of `lines`: all of them. */
#define CMD_ARGS_ALL UINT64_MAX

struct cmd_args {
	struct source_param params[CMD_ARGS_PARAMS_MAX];
	size_t params_count;
	uint64_t lines; /* events to show at most */
	bool lines_given;
	bool oldest;  /* count lines from the oldest (-n +N) */
	bool reverse; /* newest first */
	bool follow;
	bool utc;
	bool quiet;
	bool no_pager;
	enum show_format format;
	const char *colour; /* auto, always, never */
	const char *addr;
	const char *dir;   /* NULL: over HTTP */
	struct arena text; /* of values that are made here */
};

/*
 * Reads flags, operands and ASTRO_ADDR. -1: go on; otherwise the exit status of a program that has
 * said all there is to say (--help, a usage error).
 */
int cmd_args_read(struct cmd_args *a, int argc, char **argv);
void cmd_args_fini(struct cmd_args *a);

#endif
