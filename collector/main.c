/*
 * astrocollectd - takes events from the network, makes them durable, acknowledges them, and seals
 * them into segments. This file is the order of the start; the end is in stop.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/collector.h"
#include "collector/door_dgram.h"
#include "collector/door_forward.h"
#include "collector/door_http.h"
#include "collector/room.h"
#include "collector/rules.h"
#include "collector/seal.h"
#include "collector/settings.h"
#include "collector/stop.h"
#include "collector/syslog_doors.h"
#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/svc/conf_use.h"
#include "proto/svc/logger.h"
#include "proto/svc/opt.h"
#include "storage/retain_class.h"

enum {
	/* And some to tell a connection too many that it is one. */
	HTTP_CONNECTIONS = LIMIT_POST_CONNS + 8,
	TICK_MS = 1000,
};

static struct collector collector;
static const char *conf_file;
static bool check_only;

static const struct opt opts[] = {
	{ "data", 'D', "DIR", "directory of the event store", OPT_CONF, .key = CONF_STORE_DATA },
	{ "forward", 'f', "HOST:PORT", "Forward by TCP and UDP; empty: not at all", OPT_CONF,
		.key = CONF_FORWARD_LISTEN },
	{ "unix", 'u', "PATH", "Forward by a unix socket too", OPT_CONF, .key = CONF_FORWARD_UNIX },
	{ "syslog", 's', "HOST:PORT", "syslog by TCP and UDP; empty: not at all", OPT_CONF,
		.key = CONF_SYSLOG_LISTEN },
	{ "syslog-unix", 0, "PATH", "syslog by a unix datagram socket too", OPT_CONF,
		.key = CONF_SYSLOG_UNIX },
	{ "http", 0, "HOST:PORT", "events by HTTP, metrics and health; empty: not at all", OPT_CONF,
		.key = CONF_COLLECTOR_HTTP },
	{ "log-level", 0, "LEVEL", "error, warning, notice, info or debug", OPT_CONF,
		.key = CONF_LOG_LEVEL },
	{ "config", 'c', "FILE", "configuration file instead of " CONF_FILE_DEFAULT, OPT_TEXT,
		.to = &conf_file },
	{ "check-config", 0, NULL, "read the configuration, say what is wrong with it, and exit",
		OPT_FLAG, .to = &check_only },
};

static const struct opt_program program = {
	.name = "astrocollectd",
	.operands = "",
	.about =
		"Takes events by the Fluent Forward protocol, makes them durable, acknowledges them.",
	.more = "Every setting may be given as a flag above, as ASTRO_<SECTION>_<KEY> in the "
		"environment,\nor in the file; see astrolabe.conf(5). SIGHUP rereads, SIGTERM drains "
		"and seals.\n",
	.opts = opts,
	.opts_count = ARRAY_COUNT(opts),
	.conf = &collector.conf,
};

/* ---------------------------------------------------------------- store */

/* What to do about a store that cannot be opened. */
static const char *advice(int rc)
{
	switch (rc) {
	case ERR_LOCKED:
		return "another astrocollectd writes to it: stop that one, or choose another "
		       "directory with --data";
	case ERR_TOO_NEW:
		return "nothing was touched: install the newer version, or choose another "
		       "directory with --data";
	case ERR_NOT_A_STORE:
		return "nothing was touched: choose an empty or a new directory with --data";
	case -EACCES:
	case -EPERM:
		return "run as the user who owns the directory, or change its owner";
	case -ENOENT:
	case -ENOTDIR:
	case -EROFS:
		return "the data directory is made, but the one above it must exist and be writable: "
		       "choose another with --data";
	case -ENOSPC:
		return "the disk is full: make room, or run astrocompact with a smaller size";
	default:
		return "astrodump verify tells more; where the manifest is damaged, astrocompact "
		       "rebuild-manifest makes it anew";
	}
}

static int fail(const struct diag *d)
{
	LOGGER(LOGGER_ERROR, "start", "cannot start", LOGGER_DIAG(d),
		LOGGER_STR("hint", "see astrocollectd(8)"));
	return d->code;
}

static void log_recovery(const struct store_recovery *r)
{
	if (r->created)
		LOGGER(LOGGER_INFO, "store", "made a new store");
	if (r->damage.code)
		LOGGER(LOGGER_ERROR, "store", "damage was found and stepped over",
			LOGGER_UINT("lost_events", r->lost_ids),
			LOGGER_UINT("lost_chunk_ids", r->lost_chunks),
			LOGGER_UINT("quarantined_files", r->quarantined_files),
			LOGGER_UINT("missing_files", r->missing_files), LOGGER_DIAG(&r->damage));
	else if (r->quarantined_files)
		LOGGER(LOGGER_WARNING, "store",
			"segment files of a change that came to nothing were moved to bad/; their "
			"events are elsewhere",
			LOGGER_UINT("files", r->quarantined_files));
	if (r->bad_removed)
		LOGGER(LOGGER_WARNING, "store", "the oldest files of bad/ were removed",
			LOGGER_UINT("files", r->bad_removed));
	LOGGER(LOGGER_INFO, "store", "open", LOGGER_UINT("committed", r->committed),
		LOGGER_UINT("sealed", r->sealed), LOGGER_UINT("torn_bytes", r->torn_bytes),
		LOGGER_UINT("swept_files", r->swept_files));
}

static void store_conf(const struct conf *conf, struct store_conf *out)
{
	*out = (struct store_conf){ .dir = conf_text(conf, CONF_STORE_DATA),
		.node = (uint16_t)conf_num(conf, CONF_STORE_NODE),
		.journal_file_bytes = (uint64_t)conf_num(conf, CONF_STORE_JOURNAL_FILE_BYTES),
		.seal_rows = (uint64_t)conf_num(conf, CONF_STORE_SEAL_ROWS),
		.seal_bytes = (uint64_t)conf_num(conf, CONF_STORE_SEAL_BYTES),
		.seal_age_ns = conf_num(conf, CONF_STORE_SEAL_AGE),
		/* A damaged record of what was deleted must not end in a full journal. */
		.past_redact = true };
}

static int fail_store(const struct store_conf *sc, const struct diag *d)
{
	LOGGER(LOGGER_ERROR, "start", "cannot open the store", LOGGER_STR("data", sc->dir),
		LOGGER_DIAG(d), LOGGER_STR("hint", advice(d->code)));
	return d->code;
}

static int open_store(struct collector *c, const struct store_conf *sc)
{
	const struct vfs *vfs = vfs_real();
	struct diag d = { 0 };
	int rc = store_writer_open(sc, &c->writer, &d);

	if (rc < 0)
		return fail_store(sc, &d);
	log_recovery(store_writer_recovery(c->writer));
	rc = vfs->open_dir(vfs->ctx, sc->dir);
	if (rc < 0) {
		diag_set(&d, rc, sc->dir, -1, "cannot open the data directory");
		return fail_store(sc, &d);
	}
	c->dir = rc;
	return 0;
}

/* ---------------------------------------------------------------- callbacks */

static void on_durable(void *arg)
{
	door_durable_all(((struct collector *)arg)->doors);
}

static void on_fatal(void *arg)
{
	struct collector *c = arg;

	c->broken = true;
	LOGGER(LOGGER_ERROR, "journal",
		"the temporary file of a frame in flight cannot be read back: ending, so that its "
		"sender sends it again");
	stop_begin(c, 1);
}

static void on_sealed(void *arg, bool all)
{
	stop_sealed(arg, all);
}

/* The disk has become full, or has room again. */
static void on_room(void *arg)
{
	struct collector *c = arg;
	bool full = room_state(c->room) == ROOM_WATCH_HARD;

	if (full == c->full)
		return;
	c->full = full;
	if (full)
		door_stall_all(c->doors);
	else
		door_durable_all(c->doors);
}

static int on_short(void *arg, uint64_t need, struct room_watch_pass *out, struct diag *d)
{
	return retire_pass(arg, need, out, d);
}

static void on_signal(void *arg, enum daemon_event event)
{
	struct collector *c = arg;

	switch (event) {
	case DAEMON_STOP:
		stop_begin(c, 0);
		break;
	case DAEMON_STOP_NOW:
		LOGGER(LOGGER_WARNING, "stop", "told twice: ending at once");
		_exit(1);
	case DAEMON_REREAD:
		if (!c->stop)
			settings_reread(c);
		break;
	}
}

static void on_tick(uv_timer_t *t)
{
	struct collector *c = t->data;

	store_writer_beat(c->writer);
	if (daemon_watchdog_us() > 0)
		daemon_notify("WATCHDOG=1");
}

/* Twice in each interval of the watchdog, if there is one. */
static uint64_t tick_ms(void)
{
	uint64_t ms = daemon_watchdog_us() / 2000;

	return ms > 0 && ms < TICK_MS ? ms : TICK_MS;
}

/* ---------------------------------------------------------------- doors */

/* False when the key names no address. */
static int door_addr(const struct conf *conf, enum conf_key key, struct addr *out, struct diag *d)
{
	struct conf_addr at;
	char text[CONF_ADDR_HOST_BYTES + 16];

	if (!conf_addr(conf, key, &at))
		return 0;
	snprintf(text, sizeof text, strchr(at.host, ':') ? "[%s]:%u" : "%s:%u", at.host, at.port);
	return addr_parse(text, out, d) < 0 ? d->code : 1;
}

static void warn_if_open(const char *door, const struct addr *at)
{
	char text[ADDR_TEXT_BYTES];

	if (!addr_is_loopback(at))
		LOGGER(LOGGER_WARNING, "start",
			"listens beyond this machine without authentication: whoever reaches it "
			"may write events",
			LOGGER_STR("door", door), LOGGER_STR("address", addr_text(at, text)));
}

static int open_dgram(struct collector *c, struct addr *at, struct diag *d)
{
	unsigned buffer = (unsigned)conf_num(&c->conf, CONF_FORWARD_UDP_BUFFER);
	bool any = addr_port(at) == 0;
	int rc;

	/* The same port for both, as clients expect it; where the kernel chose it, it may be taken. */
	addr_set_port(at, addr_port(door_forward_tcp(c->forward)));
	rc = door_dgram_open(c, at, buffer, &c->dgram, d);
	if (rc != -EADDRINUSE || !any)
		return rc;
	addr_set_port(at, 0);
	return door_dgram_open(c, at, buffer, &c->dgram, d);
}

static int open_forward(struct collector *c, struct diag *d)
{
	const char *path = conf_text(&c->conf, CONF_FORWARD_UNIX);
	bool enabled = conf_bool(&c->conf, CONF_FORWARD_ENABLED);
	struct addr at;
	int rc = door_forward_open(c, &c->forward, d);
	int has;

	if (rc < 0 || !enabled)
		return rc;
	has = door_addr(&c->conf, CONF_FORWARD_LISTEN, &at, d);
	if (has < 0)
		return has;
	rc = door_forward_listen(c->forward, has ? &at : NULL, path[0] ? path : NULL,
		(unsigned)conf_num(&c->conf, CONF_FORWARD_UNIX_MODE), d);
	if (rc < 0 || !has)
		return rc;
	if (c->keys.server.key.n == 0)
		warn_if_open("forward", door_forward_tcp(c->forward));
	return open_dgram(c, &at, d);
}

static int open_syslog(struct collector *c, struct diag *d)
{
	struct addr at;
	int has;

	if (!conf_bool(&c->conf, CONF_SYSLOG_ENABLED))
		return 0;
	has = door_addr(&c->conf, CONF_SYSLOG_LISTEN, &at, d);
	if (has < 0)
		return has;
	if (has)
		warn_if_open("syslog", &at);
	return syslog_doors_open(c, has ? &at : NULL, &c->syslog, d);
}

static int open_http(struct collector *c, struct diag *d)
{
	struct addr at;
	int rc = door_addr(&c->conf, CONF_COLLECTOR_HTTP, &at, d);

	if (rc <= 0)
		return rc;
	warn_if_open("http", &at);
	return door_http_open(c, &at, &c->http, d);
}

static int open_gates(struct collector *c, struct diag *d)
{
	unsigned wanted = (unsigned)conf_num(&c->conf, CONF_COLLECTOR_CONNECTIONS_MAX);
	int rc = listener_gate_init(&c->gate, wanted, d);

	if (rc < 0)
		return rc;
	listener_gate_split(&c->gate, HTTP_CONNECTIONS, &c->http_gate);
	if (peers_init(&c->peers) < 0 || peers_init(&c->http_peers) < 0)
		return diag_set(d, -ENOMEM, "", -1, "no memory for the shares of peers");
	c->gate.peers = &c->peers;
	c->http_gate.peers = &c->http_peers;
	for (int i = 0; i < INTAKE_DOOR_COUNT; i++)
		c->admit[i].peers = &c->peers;
	return 0;
}

/* ---------------------------------------------------------------- start */

static int open_threads(struct collector *c, const struct store_conf *sc, struct diag *d)
{
	const struct commit_conf commit = { .loop = &c->loop,
		.writer = c->writer,
		.durable = on_durable,
		.fatal = on_fatal,
		.arg = c };
	const struct seal_conf seal = { .store = sc,
		.writer = c->writer,
		.classes = c->classes,
		.loop = &c->loop,
		.finished = on_sealed,
		.arg = c };
	int rc = normalise_new(&c->intake.normalise);

	if (rc < 0)
		return diag_set(d, rc, "", -1, "no memory to normalise events in");
	rc = commit_open(&commit, &c->intake.commit, d);
	return rc < 0 ? rc : seal_open(&seal, &c->seal, d);
}

/* Before the doors, so that a disk that is full at the start keeps them from taking anything. */
static int open_room(struct collector *c, struct diag *d)
{
	const struct room_conf conf = {
		.watch = { .vfs = vfs_real(),
			.dir = c->dir,
			.soft = conf_num(&c->conf, CONF_STORE_DISK_SOFT),
			.hard = conf_num(&c->conf, CONF_STORE_DISK_HARD),
			.retain = on_short,
			.arg = &c->retire },
		.loop = &c->loop,
		.changed = on_room,
		.arg = c,
	};
	int rc;

	c->retire = (struct retire){ conf_text(&c->conf, CONF_STORE_DATA), c->classes };
	rc = room_open(&conf, &c->room, d);
	if (rc == 0)
		c->full = room_state(c->room) == ROOM_WATCH_HARD;
	return rc;
}

static int open_rest(struct collector *c, const struct store_conf *sc)
{
	struct diag d = { 0 };
	int rc = open_gates(c, &d);

	stage_pool_init(&c->intake.pool, c->dir, 0, 0);
	c->intake.pool.peers = &c->peers;
	settings_apply(c);
	if (rc == 0)
		rc = open_threads(c, sc, &d);
	if (rc == 0)
		rc = open_room(c, &d);
	if (rc == 0)
		rc = open_forward(c, &d);
	if (rc == 0)
		rc = open_syslog(c, &d);
	if (rc == 0)
		rc = open_http(c, &d);
	if (rc == 0)
		rc = daemon_signals_open(&c->signals, &c->loop, on_signal, c, &d);
	if (rc == 0)
		rc = daemon_confine(&d);
	if (rc < 0)
		return fail(&d);
	uv_timer_init(&c->loop, &c->tick);
	c->tick.data = c;
	uv_timer_start(&c->tick, on_tick, 0, tick_ms());
	return 0;
}

/* Where syslog is, into the ready line; text lives as long as the fields. */
static size_t syslog_fields(
	const struct syslog_doors *s, struct logger_field *fields, char text[2][ADDR_TEXT_BYTES])
{
	size_t n = 0;

	if (syslog_doors_tcp(s))
		fields[n++] = LOGGER_STR("syslog", addr_text(syslog_doors_tcp(s), text[0]));
	if (syslog_doors_udp(s))
		fields[n++] = LOGGER_STR("syslog_udp", addr_text(syslog_doors_udp(s), text[1]));
	if (syslog_doors_unix(s))
		fields[n++] = LOGGER_STR("syslog_unix", syslog_doors_unix(s));
	return n;
}

/* The one line that says where everything is; scripts and tests read it. */
static void log_ready(struct collector *c)
{
	char tcp[ADDR_TEXT_BYTES], udp[ADDR_TEXT_BYTES], http[ADDR_TEXT_BYTES];
	const char *path = conf_text(&c->conf, CONF_FORWARD_UNIX);
	char syslog[2][ADDR_TEXT_BYTES];
	struct logger_field fields[9];
	size_t n = 0;

	if (door_forward_tcp(c->forward))
		fields[n++] = LOGGER_STR("forward", addr_text(door_forward_tcp(c->forward), tcp));
	if (c->dgram)
		fields[n++] = LOGGER_STR("udp", addr_text(door_dgram_addr(c->dgram), udp));
	if (path[0] && conf_bool(&c->conf, CONF_FORWARD_ENABLED))
		fields[n++] = LOGGER_STR("unix", path);
	if (c->syslog)
		n += syslog_fields(c->syslog, fields + n, syslog);
	if (n == 0)
		LOGGER(LOGGER_WARNING, "start",
			"no door is open: no event can come in; see [forward] and [syslog] in "
			"astrolabe.conf(5)");
	if (c->http)
		fields[n++] = LOGGER_STR("http", addr_text(door_http_addr(c->http), http));
	fields[n++] = LOGGER_STR("data", conf_text(&c->conf, CONF_STORE_DATA));
	logger_write(NULL, LOGGER_NOTICE, "collector", "ready", fields, n);
	daemon_notify("READY=1");
}

static void free_all(struct collector *c)
{
	door_free_all(&c->doors);
	syslog_doors_close(&c->syslog);
	stop_free(&c->stop);
	stage_pool_fini(&c->intake.pool);
	inflate_pool_fini(&c->intake.inflates);
	peers_fini(&c->peers);
	peers_fini(&c->http_peers);
	normalise_free(&c->intake.normalise);
	rule_run_free(&c->intake.rules);
	retain_class_free(&c->classes);
	forward_keys_fini(&c->keys);
	store_writer_close(&c->writer);
	close(c->dir);
	conf_fini(&c->conf);
}

static int run(struct collector *c)
{
	uint64_t files = (uint64_t)conf_num(&c->conf, CONF_COLLECTOR_CONNECTIONS_MAX) +
			 HTTP_CONNECTIONS + 4 * LIMIT_FDS_RESERVED;
	struct store_conf sc;
	struct diag d = { 0 };

	if (daemon_prepare(files, &files, &d) < 0) {
		fail(&d);
		return 1;
	}
	store_conf(&c->conf, &sc);
	vfs_reserve(LIMIT_VFS_RESERVE);
	if (open_store(c, &sc) < 0)
		return 1;
	uv_loop_init(&c->loop);
	/* What is open after a failure the process takes with it: nothing is half done on disk. */
	if (open_rest(c, &sc) < 0)
		return 1;
	log_ready(c);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	ASSERT(c->stop);
	uv_loop_close(&c->loop);
	free_all(c);
	return c->exit_status;
}

static int check_conf(const struct conf *conf, struct buf *problems)
{
	return rules_check(conf, collector.classes, problems);
}

/* False: it cannot be used, which was said. */
static bool load_conf(struct collector *c)
{
	struct diag d;

	c->conf.check = check_conf;
	if (!conf_use_load(&c->conf, conf_file, program.name))
		return false;
	if (gethostname(c->host, sizeof c->host - 1) < 0)
		strcpy(c->host, "localhost");
	if (retain_class_new(&c->conf.classes, conf_num(&c->conf, CONF_RETENTION_KEEP), &c->classes,
		    &d) < 0) {
		fprintf(stderr, "%s: %s\n", program.name, d.text);
		return false;
	}
	return forward_keys_load(&c->keys, &c->conf, c->host, &d) == 0 || fail(&d) == 0;
}

int main(int argc, char **argv)
{
	struct collector *c = &collector;
	int first, status;

	if (conf_init(&c->conf) < 0)
		return 1;
	status = opt_start(&program, argc, argv, &first);
	if (status >= 0)
		return status;
	logger_init(STDERR_FILENO, LOGGER_INFO);
	if (!load_conf(c))
		return OPT_EXIT_USAGE;
	logger_set_level((enum logger_level)conf_num(&c->conf, CONF_LOG_LEVEL));
	if (!check_only)
		return run(c);
	conf_use_print(&c->conf);
	return 0;
}
