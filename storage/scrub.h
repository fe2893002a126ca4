/*
 * scrub - reads old pages before somebody needs them: every segment in turn, the one that was looked
 * at longest ago first, with a budget, going on the next time where this one ended.
 *
 * Each page, the footer and the sidecars are read from the file (no mapping: a sector that cannot be
 * read is a finding, no signal) and held against their checksums. Nothing is decoded: that
 * the content makes sense is for verify.h.
 *
 * DATA/scrub remembers when each segment was last looked at, and the block of a segment that a budget
 * cut short. It is replaced as a whole; lost or damaged, all begins anew.
 *
 * Life:    run, any number of times. Thread: one; stop may be set by a signal handler.
 * Locks:   DATA/scrub.lock, so that one of them runs. The daemons and astrocompact go on meanwhile.
 * Memory:  SCRUB_BYTES, one segment's footer, 16 bytes a segment.
 * Errors:  damage is told to `found` and counted. ERR_LOCKED: another one runs. Negative else: the
 *          store cannot be read, or the state not be kept.
 */
#ifndef STORAGE_SCRUB_H
#define STORAGE_SCRUB_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/verify.h"
#include "storage/vfs.h"

enum {
	SCRUB_BYTES = 256 << 10,
	/* The state is kept after so many bytes, and at the end. */
	SCRUB_SAVE_BYTES = 256 << 20,
};

struct scrub_conf {
	const struct vfs *vfs;             /* NULL: the real one */
	const char *dir;                   /* DATA */
	int64_t now_ns;                    /* wall clock */
	int64_t deadline_ns;               /* monotonic; 0: none */
	uint64_t budget_bytes;             /* no block is begun once they are read; 0: none */
	const volatile sig_atomic_t *stop; /* NULL: never */
	void (*found)(void *arg, const struct verify_finding *f); /* may be NULL */
	void *arg;
};

struct scrub_report {
	uint64_t segments; /* looked at to their end */
	uint64_t pages;
	uint64_t sidecars;
	uint64_t bytes;
	uint64_t damages;
	uint64_t live_segments;
	uint64_t left_segments; /* not looked at to their end by this run */
	int64_t oldest_ns; /* when the one left longest was looked at, 0: never; INT64_MAX: no segment */
	bool state_lost; /* there was a state, but it did not hold */
};

int scrub_run(const struct scrub_conf *conf, struct scrub_report *out, struct diag *d);

#endif
