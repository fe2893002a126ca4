/*
 * query - the one context of astroqueryd: what its parts share.
 *
 * Threads: L, the loop in main(): HTTP, deadlines, who waits for what, and what is answered from
 *          memory at once. Q, the workers of pool: snapshots,
 *          engine, JSON. W, the watcher of waiters: sleeps until something is committed. T, the one
 *          worker of live: events to messages for tails. They meet in view (the store, under its own lock),
 *          in pools' queues and in waiters.
 */
#ifndef QUERY_QUERY_H
#define QUERY_QUERY_H

#include <stdbool.h>
#include <uv.h>

#include "proto/http/http_server.h"
#include "proto/net/listener.h"
#include "proto/svc/conf.h"
#include "proto/svc/daemon.h"
#include "query/pool.h"
#include "query/view.h"
#include "query/waiters.h"

struct api_relay;
struct api_views;
struct ingest;
struct live;

struct query {
	struct conf conf;
	uv_loop_t loop;
	struct listener_gate gate;
	struct daemon_signals signals;
	struct view *view;
	struct pool *pool;
	struct waiters *waiters;
	struct http_server *server;
	struct live *live;       /* tails */
	struct api_relay *relay; /* NULL: no collector is configured */
	struct ingest *ingest;   /* likewise */
	struct api_views *views;
	uv_timer_t tick, stop_timer;
	int64_t stop_at_ms; /* on uv_now's clock: what is left then is cut */
	unsigned jobs_open; /* requests that workers answer, in flight */
	unsigned exports;   /* of these, exports */
	size_t lent;        /* by the pool of blocks, for answers on their way to clients */
	size_t exports_ready; /* bytes that exports have made and not yet given to their connections */
	bool readable, told; /* of the store, as the log last said; it has said anything */
	bool stopping;
};

#endif
