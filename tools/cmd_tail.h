/*
 * cmd_tail - follows new events in the order of their arrival, until the reader goes away.
 *
 * The place is an id, and ids are durable: a daemon that is restarted, or a connection that breaks,
 * costs time but no event and shows none twice.
 */
#ifndef TOOLS_CMD_TAIL_H
#define TOOLS_CMD_TAIL_H

#include "tools/cmd_run.h"

/* After cmd_search_run, from where that ended. 0: nobody reads any more. Negative with a diag. */
int cmd_tail_run(struct cmd_run *r, struct diag *d);

#endif
