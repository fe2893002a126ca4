#include "query/stop.h"

#include "proto/base/check.h"
#include "proto/svc/logger.h"
#include "query/api_relay.h"
#include "query/api_views.h"
#include "query/ingest.h"
#include "query/live.h"

enum {
	STOP_MS = 5000,
	STOP_STEP_MS = 10,
};

static void end_loop(struct query *q)
{
	live_close(q);
	api_relay_close(q);
	ingest_close(q);
	waiters_free(&q->waiters);
	pool_free(&q->pool);
	api_views_close(q);
	daemon_signals_close(&q->signals);
	uv_close((uv_handle_t *)&q->tick, NULL);
	uv_close((uv_handle_t *)&q->stop_timer, NULL);
}

static void on_server_closed(void *arg)
{
	struct query *q = arg;

	ASSERT(q->jobs_open == 0);
	q->server = NULL;
	LOGGER(LOGGER_NOTICE, "query", "stopped");
	end_loop(q);
}

static void on_step(uv_timer_t *t)
{
	struct query *q = t->data;
	uint64_t open = http_server_counters(q->server)->conns_open;

	if (open > 0 && (int64_t)uv_now(&q->loop) < q->stop_at_ms)
		return;
	if (live_is_busy(q))
		return;
	if (open > 0)
		LOGGER(LOGGER_WARNING, "stop", "connections were cut",
			LOGGER_UINT("connections", open));
	uv_timer_stop(t);
	http_server_close(q->server, on_server_closed, q);
}

void stop_begin(struct query *q)
{
	if (q->stopping)
		return;
	q->stopping = true;
	daemon_notify("STOPPING=1");
	LOGGER(LOGGER_NOTICE, "query", "stopping");
	http_server_drain(q->server);
	live_stop(q);
	waiters_dismiss(q->waiters);
	uv_update_time(&q->loop);
	q->stop_at_ms = (int64_t)uv_now(&q->loop) + STOP_MS;
	uv_timer_start(&q->stop_timer, on_step, STOP_STEP_MS, STOP_STEP_MS);
}
