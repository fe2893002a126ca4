/*
 * exec - works through the units of a plan, in one thread or two: finds the first k hits and counts all.
 *
 * Units are taken in their order, one at a time, by whoever is free. A unit that can still hold one of
 * the first k is searched; another is only counted, if a total is wanted; else the work is done. The
 * second thread starts when the first has met enough units that cost something, and time.
 *
 * An offset is not searched through: as long as whole clusters of units (plan_cluster) stand before the
 * page, they are counted only.
 *
 * Thread:  exec_run blocks; cancel is read between units.
 * Memory:  k hits in each thread; the scratches of the caller.
 * Errors:  -ENOMEM, ERR_BUDGET (the offset needs too many hits). A unit that cannot be read is noted.
 */
#ifndef QUERY_EXEC_H
#define QUERY_EXEC_H

#include <stdatomic.h>

#include "query/engine.h"
#include "query/heap.h"
#include "query/helper.h"
#include "query/plan.h"

enum {
	EXEC_THREADS_MAX = 2,
	/* Units that cost something, done alone before help is called, and left for it to be worth it. */
	EXEC_ALONE_UNITS = 6,
	/* So long, too: warm units cost less than waking another thread. */
	EXEC_ALONE_NS = 300000,
};

struct exec_conf {
	struct scan_scratch *scratch[EXEC_THREADS_MAX];
	unsigned threads;
	struct helper *helper; /* for the second of them */
	const atomic_bool *cancel;
	int64_t deadline_ns; /* clock_mono_ns; INT64_MAX: none */
	int64_t overtime_ns; /* later: the end for what cannot be divided */
	uint64_t offset;
	size_t limit;
};

struct exec_damage {
	struct diag first[ENGINE_DAMAGE_MAX];
	size_t count;
};

struct exec_result {
	struct heap
		heap; /* sorted: `skip` hits of the offset, then the page, then one more if there is */
	size_t skip;
	uint64_t total; /* counted; of all units only if need_total and nothing was left out */
	bool stopped; /* by the deadline or a cancel: units from key `horizon` on were not looked at */
	bool canceled;
	uint64_t horizon;
	struct scan_stats stats;
	uint64_t visited, counted;
	unsigned threads;
	struct exec_damage damage;
};

int exec_run(const struct plan *p, const struct exec_conf *conf, struct exec_result *out);
void exec_result_fini(struct exec_result *out);

void exec_damage_add(struct exec_damage *to, const struct diag *d);
void exec_stats_add(struct scan_stats *to, const struct scan_stats *from);

#endif
