/*
 * cmd_stats - counts and sums of events by fields and by time: `stats` with its flags, and `top`.
 *
 * Errors: negative with a diag.
 */
#ifndef TOOLS_CMD_STATS_H
#define TOOLS_CMD_STATS_H

#include "tools/cmd_run.h"

int cmd_stats_run(struct cmd_run *r, struct diag *d);

#endif
