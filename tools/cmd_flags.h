/*
 * cmd_flags - astroquery's flags: one table for all commands, and what each flag means.
 *
 * A letter or name that two commands know takes a value in both or in neither, so that the command can
 * be found wherever it stands.
 *
 * Thread: one, at start. Memory: values point into argv. Errors: as proto/svc/opt.h.
 */
#ifndef TOOLS_CMD_FLAGS_H
#define TOOLS_CMD_FLAGS_H

#include "proto/svc/opt.h"
#include "tools/cmd_args.h"

enum { CMD_FLAGS_MAX = 64 };

/* The command named by the first operand, which is taken out of argv; CMD_SEARCH if it names none. */
enum cmd cmd_flags_take_command(int *argc, char **argv);
/* Reads argv into a, as opt_start. */
int cmd_flags_start(struct cmd_args *a, int argc, char **argv, int *out_first);

/* TYPE/ID, TYPE/ or ID: for the operand entity=... too. */
int cmd_flags_entity(struct cmd_args *a, const char *value, struct diag *d);

#endif
