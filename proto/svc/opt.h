/*
 * opt - command line flags from one table, which --help is made from too.
 *
 *	static const struct opt opts[] = {
 *		{ "data", 'D', "DIR", "directory of the store", OPT_CONF, .key = CONF_STORE_DATA },
 *		{ "follow", 'f', NULL, "wait for more", OPT_FLAG, .to = &follow },
 *	};
 *
 * Forms: --name, --name VALUE, --name=VALUE, -x, -xVALUE, -x VALUE, -xyz for flags without values;
 * operands may stand anywhere; `--` ends the flags; `-` alone is an operand. -h, --help and
 * --version need no row.
 *
 * Thread: one, at start. Memory: values point into argv. Errors: ERR_SYNTAX and ERR_RANGE with a
 * diag that names the flag as it was written and what to do.
 */
#ifndef PROTO_SVC_OPT_H
#define PROTO_SVC_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/base/diag.h"
#include "proto/svc/conf.h"

enum opt_kind {
	OPT_FLAG, /* to: bool *, set to true */
	OPT_TEXT, /* to: const char ** */
	OPT_INT,  /* to: int64_t *, min..max */
	OPT_CONF, /* the configuration key `key` */
	OPT_CALL, /* call(to, value, diag): for what is given more than once, or has a grammar */
};

struct opt {
	const char *name; /* without dashes; NULL: only the letter */
	char letter;      /* 0: only the name */
	const char *arg;  /* what the value is called in --help; NULL: takes none */
	const char *help;
	enum opt_kind kind;
	void *to;
	enum conf_key key;
	/* value is "" where arg is NULL. Fills the diag with what is wanted, without the flag's name. */
	int (*call)(void *to, const char *value, struct diag *d);
	int64_t min;
	int64_t max;
};

struct opt_program {
	const char *name;
	const char *operands; /* "[FIELD=VALUE]..."; "" for none: any operand is refused then */
	const char *about;    /* one or two sentences */
	const char *more;     /* after the flags: examples; may be NULL */
	const struct opt *opts;
	size_t opts_count;
	struct conf *conf; /* for OPT_CONF */
};

enum {
	OPT_HELP = 1,
	OPT_VERSION = 2,

	/* Exit status of a usage error, of every program. */
	OPT_EXIT_USAGE = 2,
};

/*
 * Sets what the table says. Operands are moved to the end: argv[*out_first] to argv[argc - 1].
 * OPT_HELP, OPT_VERSION: asked for; nothing else is to be done.
 */
int opt_parse(const struct opt_program *p, int argc, char **argv, int *out_first, struct diag *d);

void opt_print_help(const struct opt_program *p, FILE *to);
void opt_print_version(const struct opt_program *p, FILE *to);

/*
 * For main(): parses; prints help or version to stdout, or the usage error to stderr. Returns -1
 * to go on, else the exit status (0 or OPT_EXIT_USAGE).
 */
int opt_start(const struct opt_program *p, int argc, char **argv, int *out_first);

#endif
