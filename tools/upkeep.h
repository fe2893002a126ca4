/*
 * upkeep - what the commands of astrocompact share: its exit statuses, its configuration and flags.
 *
 * Life: made by main, read by the commands. Thread: one, and the signal handler that sets `stop`.
 */
#ifndef TOOLS_UPKEEP_H
#define TOOLS_UPKEEP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/svc/conf.h"
#include "storage/retain_class.h"
#include "tools/upkeep_say.h"

enum {
	UPKEEP_DONE = 0,
	UPKEEP_SOME_FAILED = 1, /* something was left as it is, or is damaged */
	/* 2: OPT_EXIT_USAGE */
	UPKEEP_CANNOT = 3, /* the store cannot be worked on */
	UPKEEP_BUSY = 4,   /* another astrocompact does */
	UPKEEP_MORE = 5,   /* a budget or a signal ended the run with work left */
};

/* One merge of the collector, of SEALER_MERGE_BYTES, is a minute at most; another astrocompact, hours. */
#define UPKEEP_LOCK_WAIT_NS (INT64_C(120) * 1000000000)

struct upkeep {
	struct conf conf;
	const char *conf_file;
	bool merge;
	bool dry_run;
	bool quiet;
	bool copy;
	bool verify;
	bool yes;
	const char *query;    /* of delete */
	const char *reason;   /* NULL: the query */
	int64_t budget_ns;    /* 0: none */
	int64_t budget_bytes; /* 0: none */
	struct retain_class_set *classes;
	struct upkeep_say say;
	volatile sig_atomic_t stop;
};

/* Monotonic; 0: none. */
int64_t upkeep_deadline(const struct upkeep *u);

/*
 * Started by root it takes the rights of the store's owner, so that the daemons can read what it makes.
 * `to` (may be NULL) is a directory that is made before that, for him. Complains, and then is negative.
 */
int upkeep_become_owner(const struct upkeep *u, const char *to);

/* ERR_LOCKED is UPKEEP_BUSY, all else UPKEEP_CANNOT. */
int upkeep_failed(const struct upkeep *u, int rc, const struct diag *d);

#endif
