/*
 * cmd_doctor - is everything well, and what to do if not: looks at the daemons, or at a directory.
 */
#ifndef TOOLS_CMD_DOCTOR_H
#define TOOLS_CMD_DOCTOR_H

#include <stdbool.h>

#include "tools/cmd_run.h"

/* The worst that was found goes to *out_failed and *out_warned. Negative with a diag. */
int cmd_doctor_run(struct cmd_run *r, bool *out_failed, bool *out_warned, struct diag *d);

#endif
