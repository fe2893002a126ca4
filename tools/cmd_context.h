/*
 * cmd_context - shows the events that match with those before and after each of them, as grep does: what
 * lies around several is shown once, and `--` stands where something was left out.
 */
#ifndef TOOLS_CMD_CONTEXT_H
#define TOOLS_CMD_CONTEXT_H

#include "tools/cmd_run.h"

/* Negative with a diag. */
int cmd_context_run(struct cmd_run *r, struct diag *d);

#endif
