/*
 * cmd_search - shows the events that match: a walk through the source's pages, which streams
 * whatever the number is, and turns the order round where the wanted one is not the source's; or goes
 * on in the order of arrival from a place, which it notes in the --cursor-file.
 */
#ifndef TOOLS_CMD_SEARCH_H
#define TOOLS_CMD_SEARCH_H

#include "tools/cmd_run.h"

/* Also finds out what a follower has to go on from (covered). Negative with a diag. */
int cmd_search_run(struct cmd_run *r, struct diag *d);

#endif
