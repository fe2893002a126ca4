/*
 * cmd_fields - the fields that events have, or the values of one; and both for the completion of shells.
 *
 * Errors: negative with a diag.
 */
#ifndef TOOLS_CMD_FIELDS_H
#define TOOLS_CMD_FIELDS_H

#include "tools/cmd_run.h"

int cmd_fields_run(struct cmd_run *r, struct diag *d);

#endif
