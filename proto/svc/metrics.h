/*
 * metrics - the counters and gauges of metrics.def, and their text for Prometheus.
 *
 * Counting is one relaxed atomic addition; each value has a cache line of its own, so threads do
 * not disturb each other.
 *
 * Thread:  any. Memory: static. Errors: none; metrics_print's are those of the buf.
 */
#ifndef PROTO_SVC_METRICS_H
#define PROTO_SVC_METRICS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include "proto/base/buf.h"

/* Which program shows a metric; or-ed for metrics_print. */
enum metrics_group {
	METRICS_GROUP_COLLECTOR = 1 << 0,
	METRICS_GROUP_STORE = 1 << 1,
	METRICS_GROUP_QUERY = 1 << 2,
	METRICS_GROUP_HTTP = 1 << 3,
	METRICS_GROUP_PROCESS = 1 << 4, /* log lines; and process_* as every Prometheus client */
};

enum metrics_kind {
	METRICS_COUNTER, /* name ends in _total */
	METRICS_GAUGE,
	/* Nanoseconds inside, seconds in the text. */
	METRICS_COUNTER_NS, /* name ends in _seconds_total */
	METRICS_GAUGE_NS,   /* name ends in _seconds */
};

enum metrics_id {
#define METRIC(id, group, kind, name, label, help) METRICS_##id,
#include "proto/svc/metrics.def"
#undef METRIC
	METRICS_ID_COUNT,
};

struct metrics_cell {
	alignas(64) _Atomic int64_t v;
};
extern struct metrics_cell metrics_cells[METRICS_ID_COUNT];

static inline void metrics_add(enum metrics_id id, int64_t n)
{
	atomic_fetch_add_explicit(&metrics_cells[id].v, n, memory_order_relaxed);
}

static inline void metrics_inc(enum metrics_id id)
{
	metrics_add(id, 1);
}

/* Gauges only. */
static inline void metrics_set(enum metrics_id id, int64_t v)
{
	atomic_store_explicit(&metrics_cells[id].v, v, memory_order_relaxed);
}

static inline int64_t metrics_get(enum metrics_id id)
{
	return atomic_load_explicit(&metrics_cells[id].v, memory_order_relaxed);
}

/* Content-Type of what metrics_print writes. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* All metrics of the groups in the text format 0.0.4. */
void metrics_print(struct buf *out, unsigned groups);

#endif
