/*
 * cmd_explain - how a question is understood, and what of the store has to be read for it.
 *
 * Errors: negative with a diag.
 */
#ifndef TOOLS_CMD_EXPLAIN_H
#define TOOLS_CMD_EXPLAIN_H

#include "tools/cmd_run.h"

int cmd_explain_run(struct cmd_run *r, struct diag *d);

#endif
