/*
 * store_kit - a store under test beside the stupidest model of it: an array of all events that were
 * committed, and for each whether it must still be there.
 *
 * Life:   init, open, any calls, close, ..., fini. close and open again is a restart.
 * Errors: calls that touch the store return its code, with `d`; what the model finds wrong is
 *         STORE_KIT_WRONG with a text in `wrong`.
 */
#ifndef TESTS_SUPPORT_STORE_KIT_H
#define TESTS_SUPPORT_STORE_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "storage/compact.h"
#include "storage/scan.h"
#include "storage/sealer.h"
#include "storage/store.h"
#include "storage/verify.h"
#include "tests/support/event_gen.h"

enum { STORE_KIT_WRONG = -9999 };

struct store_kit_event {
	struct event *ev; /* with its bytes */
	bool gone;        /* retired */
};

struct store_kit {
	struct store_conf conf;
	struct store_writer *writer;
	struct sealer *sealer;
	struct event_gen gen;
	int64_t now_ns; /* what compact is told the time is */
	bool odd_times; /* events are of 1970, but come now */

	struct store_kit_event *events; /* event of id i + 1 at i */
	size_t events_count;
	size_t events_cap;
	size_t committed_count; /* of them */
	struct buf rows;
	struct diag d; /* of the last failure */
	char wrong[512];
};

void store_kit_init(struct store_kit *k, const struct store_conf *conf, uint64_t seed);
void store_kit_fini(struct store_kit *k);

/* Events that were appended but not committed are there whole batches long, or not at all. */
int store_kit_open(struct store_kit *k);
void store_kit_close(struct store_kit *k);

/* Appends one batch of `count` random events within `hours` hours before now. Not yet committed. */
int store_kit_append(struct store_kit *k, unsigned count, unsigned hours);
int store_kit_commit(struct store_kit *k);
/* All that is pending. */
int store_kit_seal(struct store_kit *k);
/* Opens a compact, calls the passes asked for and closes it. keep_ns, bytes_max: 0 for none. */
int store_kit_compact(struct store_kit *k, bool merge, int64_t keep_ns, uint64_t bytes_max);
/* Orders the deletion of committed events, those with which[id - 1]; then what upkeep does with it. */
int store_kit_delete(struct store_kit *k, const bool *which);
int store_kit_purge(struct store_kit *k);

/* Reads all by a reader of its own; events that the model does not know, or knows otherwise, are wrong. */
int store_kit_check(struct store_kit *k);
/* The same for what a spec selects, against a loop over the model. */
int store_kit_check_spec(struct store_kit *k, const struct scan_spec *spec);
/*
 * For a damaged store: sets seen[id - 1] for each event that can be read; units that cannot are passed
 * over. Wrong is only what is not true.
 */
int store_kit_see(struct store_kit *k, bool *seen);
/* verify_run; any damage is wrong. */
int store_kit_verify(struct store_kit *k);

/* After a retention pass: events older than this may be gone, and are from now on if they are. */
void store_kit_expect_retired(struct store_kit *k, int64_t older_than_ns);

#endif
