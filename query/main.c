/*
 * astroqueryd - answers queries over a store that astrocollectd writes, by HTTP. It opens the store
 * read-only and starts whether or not there is one yet. This file is the order of the start; the end is
 * in stop.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/net/addr.h"
#include "proto/svc/conf_use.h"
#include "proto/svc/logger.h"
#include "proto/svc/opt.h"
#include "query/api.h"
#include "query/api_job.h"
#include "query/api_relay.h"
#include "query/api_views.h"
#include "query/ingest.h"
#include "query/live.h"
#include "query/query.h"
#include "query/stop.h"
#include "storage/footprint.h"
#include "storage/retain_class.h"

enum {
	/* Allocations of this size are mapped, so that freed ones leave no hole in the heap. */
	BIG_BYTES = 2 << 20,
	/* Free memory that is kept at the end of the heap. */
	SPARE_BYTES = 2 << 20,
	TICK_MS = 1000,
	/* Beyond connections_max: room to accept one and tell it that there is none. */
	CONNECTIONS_SPARE = 8,
};

static struct query query;
static const char *conf_file;
static bool check_only;

static const struct opt opts[] = {
	{ "data", 'D', "DIR", "directory of the event store", OPT_CONF, .key = CONF_STORE_DATA },
	{ "http", 0, "HOST:PORT", "where the API is", OPT_CONF, .key = CONF_QUERY_HTTP },
	{ "log-level", 0, "LEVEL", "error, warning, notice, info or debug", OPT_CONF,
		.key = CONF_LOG_LEVEL },
	{ "config", 'c', "FILE", "configuration file instead of " CONF_FILE_DEFAULT, OPT_TEXT,
		.to = &conf_file },
	{ "check-config", 0, NULL, "read the configuration, say what is wrong with it, and exit",
		OPT_FLAG, .to = &check_only },
};

static const struct opt_program program = {
	.name = "astroqueryd",
	.operands = "",
	.about = "Answers queries over an event store by HTTP. Never writes events.",
	.more = "Every setting may be given as a flag above, as ASTRO_<SECTION>_<KEY> in the "
		"environment,\nor in the file; see astrolabe.conf(5). SIGHUP rereads, SIGTERM "
		"finishes what is asked and ends.\n",
	.opts = opts,
	.opts_count = ARRAY_COUNT(opts),
	.conf = &query.conf,
};

/* ---------------------------------------------------------------- callbacks */

static void apply_settings(void *arg)
{
	struct query *q = arg;

	logger_set_level((enum logger_level)conf_num(&q->conf, CONF_LOG_LEVEL));
	api_settings(q);
}

static void on_signal(void *arg, enum daemon_event event)
{
	struct query *q = arg;

	switch (event) {
	case DAEMON_STOP:
		stop_begin(q);
		break;
	case DAEMON_STOP_NOW:
		LOGGER(LOGGER_WARNING, "stop", "told twice: ending at once");
		_exit(1);
	case DAEMON_REREAD:
		if (!q->stopping)
			conf_use_reread(&q->conf, apply_settings, q);
		break;
	}
}

/* What to do about it. Whatever it is, it is looked at again by itself. */
static const char *advice(int rc)
{
	switch (rc) {
	case -ENOENT:
		return "is it the directory of astrocollectd, and was that one started once?";
	case -EACCES:
	case -EPERM:
		return "run as a member of the directory's group";
	case ERR_TOO_NEW:
		return "install the newer version";
	default:
		return "is it the directory of astrocollectd? astrodump verify tells more";
	}
}

/* Whether the store can be read is told when it changes; between, /readyz knows. */
static void log_store(struct query *q)
{
	struct diag why;
	bool readable = view_state(q->view, &why) == 0;

	if (readable && !q->readable)
		LOGGER(LOGGER_INFO, "store", "open",
			LOGGER_UINT("committed", view_committed(q->view)));
	else if (!readable && (q->readable || !q->told))
		LOGGER(LOGGER_WARNING, "store", "cannot be read; queries are answered 503",
			LOGGER_STR("data", conf_text(&q->conf, CONF_STORE_DATA)), LOGGER_DIAG(&why),
			LOGGER_STR("hint", advice(why.code)));
	q->readable = readable;
	q->told = true;
}

static void on_tick(uv_timer_t *t)
{
	struct query *q = t->data;

	log_store(q);
	api_job_make_room(q);
	if (daemon_watchdog_us() > 0)
		daemon_notify("WATCHDOG=1");
}

/* ---------------------------------------------------------------- start */

static int http_addr(const struct conf *conf, struct addr *out, struct diag *d)
{
	struct conf_addr at;
	char text[CONF_ADDR_HOST_BYTES + 16];

	if (!conf_addr(conf, CONF_QUERY_HTTP, &at))
		return diag_set(
			d, ERR_SYNTAX, "", -1, "no address for the API; give --http HOST:PORT");
	snprintf(text, sizeof text, strchr(at.host, ':') ? "[%s]:%u" : "%s:%u", at.host, at.port);
	return addr_parse(text, out, d);
}

static void warn_if_open(const struct addr *at)
{
	char text[ADDR_TEXT_BYTES];

	if (!addr_is_loopback(at))
		LOGGER(LOGGER_WARNING, "start",
			"listens beyond this machine without authentication: whoever reaches it "
			"may read every event",
			LOGGER_STR("address", addr_text(at, text)));
}

static int open_all(struct query *q, struct diag *d)
{
	unsigned conns = (unsigned)conf_num(&q->conf, CONF_QUERY_CONNECTIONS_MAX);
	struct addr at;
	int rc = http_addr(&q->conf, &at, d);

	if (rc == 0)
		rc = listener_gate_init(&q->gate, conns + CONNECTIONS_SPARE, d);
	q->view = view_new(conf_text(&q->conf, CONF_STORE_DATA));
	if (!q->view)
		return diag_set(d, ERR_LIMIT, "", -1, "no memory for the store");
	if (rc == 0)
		rc = pool_new(
			&q->loop, (unsigned)conf_num(&q->conf, CONF_QUERY_THREADS), &q->pool, d);
	if (rc == 0)
		rc = waiters_new(&q->loop, q->view, &q->waiters, d);
	if (rc == 0)
		rc = live_open(q, d);
	if (rc == 0)
		rc = api_relay_open(q, d);
	if (rc == 0)
		rc = ingest_open(q, d);
	if (rc == 0)
		rc = api_views_open(q, d);
	if (rc == 0)
		rc = api_open(q, &at, d);
	if (rc == 0)
		rc = daemon_signals_open(&q->signals, &q->loop, on_signal, q, d);
	if (rc == 0)
		rc = daemon_confine(d);
	if (rc == 0)
		warn_if_open(&at);
	return rc;
}

static void start_timers(struct query *q)
{
	uv_timer_init(&q->loop, &q->stop_timer);
	uv_timer_init(&q->loop, &q->tick);
	q->stop_timer.data = q->tick.data = q;
	uv_timer_start(&q->tick, on_tick, 0, TICK_MS);
}

/* Queries of the first second find it open, and the log says how it is before `ready`. */
static void look_at_store(struct query *q)
{
	struct store_snapshot *snap = NULL;

	if (view_snapshot(q->view, &snap, NULL) == 0)
		store_snapshot_free(&snap);
	log_store(q);
}

/* The one line that says where everything is; scripts and tests read it. */
static void log_ready(struct query *q)
{
	char text[ADDR_TEXT_BYTES];

	LOGGER(LOGGER_NOTICE, "query", "ready",
		LOGGER_STR("http", addr_text(http_server_addr(q->server), text)),
		LOGGER_STR("data", conf_text(&q->conf, CONF_STORE_DATA)));
	daemon_notify("READY=1");
}

static int run(struct query *q)
{
	uint64_t files = (uint64_t)conf_num(&q->conf, CONF_QUERY_CONNECTIONS_MAX) +
			 CONNECTIONS_SPARE + 4 * LIMIT_FDS_RESERVED;
	struct diag d = { 0 };

	uv_loop_init(&q->loop);
	/* What is open after a failure the process takes with it: nothing of it is on disk. */
	if (daemon_prepare(files, &files, &d) < 0 || open_all(q, &d) < 0) {
		LOGGER(LOGGER_ERROR, "start", "cannot start", LOGGER_DIAG(&d),
			LOGGER_STR("hint", "see astroqueryd(8)"));
		return 1;
	}
	start_timers(q);
	look_at_store(q);
	log_ready(q);
	uv_run(&q->loop, UV_RUN_DEFAULT);
	ASSERT(q->stopping);
	uv_loop_close(&q->loop);
	view_free(&q->view);
	conf_fini(&q->conf);
	return 0;
}

/* False: it cannot be used, which was said. The classes are checked for --check-config alone. */
static bool load_conf(struct query *q)
{
	struct retain_class_set *classes = NULL;
	struct diag d;
	int rc;

	if (!conf_use_load(&q->conf, conf_file, program.name))
		return false;
	rc = retain_class_new(&q->conf.classes, 0, &classes, &d);
	retain_class_free(&classes);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", program.name, d.text);
	return rc == 0;
}

int main(int argc, char **argv)
{
	struct query *q = &query;
	int first, status;

	/*
	 * Groups and large answers come and go: their memory is to go back when they do. A page of events is
	 * not one of them: faulting its memory in anew costs more than all else about it.
	 */
	mallopt(M_MMAP_THRESHOLD, BIG_BYTES);
	mallopt(M_TRIM_THRESHOLD, SPARE_BYTES);
	/* One heap: what one thread frees serves the next, too (storage/block_pool.h). */
	mallopt(M_ARENA_MAX, 1);
	if (conf_init(&q->conf) < 0)
		return 1;
	status = opt_start(&program, argc, argv, &first);
	if (status >= 0)
		return status;
	logger_init(STDERR_FILENO, LOGGER_INFO);
	if (!load_conf(q))
		return OPT_EXIT_USAGE;
	logger_set_level((enum logger_level)conf_num(&q->conf, CONF_LOG_LEVEL));
	/* Where there is no /proc, what is accounted for is bounded still. */
	footprint_watch(LIMIT_QUERY_OWN_BYTES);
	if (!check_only)
		return run(q);
	conf_use_print(&q->conf);
	return 0;
}
