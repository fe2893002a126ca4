/*
 * retire - one pass of retention that makes room, run by the collector itself where the disk is
 * nearly full and nobody can wait for cron.
 *
 * Thread:  room's. Memory: as storage/compact.h, for the time of the pass.
 * Errors:  those of compact; ERR_LOCKED: astrocompact has the store.
 */
#ifndef COLLECTOR_RETIRE_H
#define COLLECTOR_RETIRE_H

#include "collector/room_watch.h"
#include "storage/retain_class.h"

struct retire {
	const char *dir; /* DATA */
	const struct retain_class_set *classes;
};

/* Drops whole segments, lowest class and oldest first, until `need` bytes are freed; never what is held. */
int retire_pass(const struct retire *r, uint64_t need, struct room_watch_pass *out, struct diag *d);

#endif
