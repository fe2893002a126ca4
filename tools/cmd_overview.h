/*
 * cmd_overview - `stats` without a word more: how many events there are, from when to when, over time,
 * and of which types, severities, entities and services.
 *
 * Errors: negative with a diag.
 */
#ifndef TOOLS_CMD_OVERVIEW_H
#define TOOLS_CMD_OVERVIEW_H

#include "tools/cmd_run.h"

int cmd_overview_run(struct cmd_run *r, struct diag *d);

#endif
