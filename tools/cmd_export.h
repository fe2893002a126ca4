/*
 * cmd_export - all events that match, for other programs: the bytes of the source where it writes the
 * format itself, else page by page.
 *
 * Errors: negative with a diag.
 */
#ifndef TOOLS_CMD_EXPORT_H
#define TOOLS_CMD_EXPORT_H

#include "tools/cmd_run.h"

int cmd_export_run(struct cmd_run *r, struct diag *d);

#endif
