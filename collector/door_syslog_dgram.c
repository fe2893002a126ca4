#include "collector/door_syslog_dgram.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/net/dgram.h"
#include "proto/svc/logger.h"

/* Rows after which they are handed over though the receive holds more. */
enum { TAKE_BYTES = LIMIT_BATCH_BYTES / 2 };

struct door_syslog_dgram {
	struct door door;
	struct collector *c;
	struct syslog_intake *syslog;
	struct dgram socket;
	struct stage stage;
	struct intake_origin origin;
	struct door_syslog_dgram_counts counts;
	bool reading;
	struct addr peer; /* of the last datagram: most come from one sender */
	char host[ADDR_TEXT_BYTES];
};

static void set_origin(struct door_syslog_dgram *g, const struct addr *peer)
{
	if (g->origin.door == INTAKE_SYSLOG_UNIX)
		return;
	if (g->peer.sa_bytes == peer->sa_bytes &&
		memcmp(&g->peer.sa, &peer->sa, peer->sa_bytes) == 0)
		return;
	g->peer = *peer;
	g->origin.host = span_str(addr_host(peer, g->host));
}

static void drop(struct door_syslog_dgram *g, const struct diag *d)
{
	g->counts.dropped_full++;
	LOGGER(LOGGER_ERROR, "syslog", "datagram dropped: no room", LOGGER_DIAG(d));
}

static bool has_room(const struct door_syslog_dgram *g)
{
	bool waits = g->origin.door == INTAKE_SYSLOG_UNIX && g->c->full;

	return !waits && commit_room(g->c->intake.commit);
}

/* The rows go to the journal; without room for more the socket rests. */
static void hand_over(struct door_syslog_dgram *g)
{
	struct diag d;
	uint64_t seq;

	if (g->stage.total > 0 &&
		intake_commit(&g->c->intake, &g->origin, &g->stage, NULL, &seq, &d) < 0) {
		drop(g, &d);
		stage_drop(&g->stage);
	}
	if (!has_room(g))
		dgram_pause(&g->socket);
}

/*
 * One time for the datagrams of a batch: they have come within microseconds of each other. Another door
 * may have taken the last room; then they wait.
 */
static void on_begin(void *arg)
{
	struct door_syslog_dgram *g = arg;

	if (!has_room(g))
		dgram_pause(&g->socket);
	g->origin.received_ns = clock_wall_ns();
}

static void on_recv(void *arg, const uint8_t *p, size_t n, bool cut, const struct addr *peer)
{
	struct door_syslog_dgram *g = arg;
	struct diag d;

	set_origin(g, peer);
	g->counts.bytes += n;
	if (n == 0)
		return;
	if (g->c->full && g->origin.door == INTAKE_SYSLOG_UDP) {
		g->counts.dropped_disk++;
		return;
	}
	if (syslog_intake_put(g->syslog, &g->origin, span_of(p, n), cut, &g->stage, &d) < 0)
		drop(g, &d);
	if (g->stage.rows.len >= TAKE_BYTES)
		hand_over(g);
}

static void on_end(void *arg)
{
	hand_over(arg);
}

/* ---------------------------------------------------------------- as a door */

static struct door_syslog_dgram *of(struct door *d)
{
	return (struct door_syslog_dgram *)((char *)d - offsetof(struct door_syslog_dgram, door));
}

static void on_durable(struct door *d)
{
	struct door_syslog_dgram *g = of(d);

	if (g->reading && has_room(g))
		dgram_resume(&g->socket);
}

static void on_stall(struct door *d)
{
	struct door_syslog_dgram *g = of(d);

	if (!has_room(g))
		dgram_pause(&g->socket);
}

static uint64_t bytes_in(struct door *d)
{
	return of(d)->counts.bytes;
}

static bool is_behind(struct door *d)
{
	return of(d)->reading && of(d)->socket.paused;
}

static void stop_reading(struct door *d)
{
	struct door_syslog_dgram *g = of(d);

	g->reading = false;
	dgram_pause(&g->socket);
	g->counts.dropped_full += dgram_discard(&g->socket);
}

static void close_door(struct door *d)
{
	dgram_close(&of(d)->socket, NULL);
}

static void free_door(struct door *d)
{
	stage_fini(&of(d)->stage);
	free(of(d));
}

static const struct door_ops door_ops = {
	.durable = on_durable,
	.stall = on_stall,
	.bytes_in = bytes_in,
	.behind = is_behind,
	.stop_reading = stop_reading,
	.close = close_door,
	.free = free_door,
};

/* ---------------------------------------------------------------- life of the door */

static int open_door(struct collector *c, struct syslog_intake *syslog, enum intake_door door,
	struct dgram_conf *conf, struct door_syslog_dgram **out, struct diag *d)
{
	struct door_syslog_dgram *g = calloc(1, sizeof *g);
	int rc;

	if (!g)
		return diag_set(d, -ENOMEM, "", -1, "no memory for a syslog door");
	g->door.ops = &door_ops;
	g->c = c;
	g->syslog = syslog;
	g->reading = true;
	g->origin.door = door;
	g->origin.host = span_str(c->host);
	conf->recv = on_recv;
	conf->begin = on_begin;
	conf->end = on_end;
	conf->arg = g;
	conf->admit = &c->admit[door];
	stage_init(&g->stage, &c->intake.pool);
	rc = dgram_open(&g->socket, &c->loop, conf, d);
	if (rc < 0) {
		free_door(&g->door);
		return rc;
	}
	if (!has_room(g))
		dgram_pause(&g->socket);
	door_put(&c->doors, &g->door);
	*out = g;
	return 0;
}

int door_syslog_dgram_open_udp(struct collector *c, struct syslog_intake *syslog,
	const struct addr *at, unsigned buffer_bytes, struct door_syslog_dgram **out,
	struct diag *d)
{
	struct dgram_conf conf = { .at = *at, .rcvbuf_bytes = buffer_bytes };

	return open_door(c, syslog, INTAKE_SYSLOG_UDP, &conf, out, d);
}

int door_syslog_dgram_open_unix(struct collector *c, struct syslog_intake *syslog, const char *path,
	unsigned mode, struct door_syslog_dgram **out, struct diag *d)
{
	struct dgram_conf conf = { .path = path, .mode = mode };

	return open_door(c, syslog, INTAKE_SYSLOG_UNIX, &conf, out, d);
}

const struct addr *door_syslog_dgram_addr(const struct door_syslog_dgram *g)
{
	return &g->socket.addr;
}

void door_syslog_dgram_counts(struct door_syslog_dgram *g, struct door_syslog_dgram_counts *out)
{
	*out = g->counts;
	out->received = g->socket.received;
	out->errors = g->socket.errors;
	out->dropped_kernel = dgram_dropped(&g->socket);
}
