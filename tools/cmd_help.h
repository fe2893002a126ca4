/*
 * cmd_help - what --help says of each of astroquery's commands beside its flags.
 *
 * Static text.
 */
#ifndef TOOLS_CMD_HELP_H
#define TOOLS_CMD_HELP_H

#include "tools/cmd_args.h"

struct cmd_help {
	const char *name; /* "astroquery stats" */
	const char *operands;
	const char *about;
	const char *more;
};

const struct cmd_help *cmd_help(enum cmd cmd);

#endif
