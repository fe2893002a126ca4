#include "collector/door_dgram.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/net/dgram.h"
#include "proto/svc/logger.h"

struct door_dgram {
	struct door door;
	struct collector *c;
	struct dgram socket;
	struct forward forward;
	struct stage stage;
	struct intake_origin origin;
	struct door_dgram_counts counts;
	bool reading;
	bool unkeyed; /* frames are refused, for no datagram proves who sent it */
	struct addr
		peer; /* of the last datagram, whose text `host` is: most come from one sender */
	char host[ADDR_TEXT_BYTES];
};

static bool same_host(const struct addr *a, const struct addr *b)
{
	struct addr x = *a, y = *b;

	addr_set_port(&x, 0);
	addr_set_port(&y, 0);
	return x.sa_bytes == y.sa_bytes && memcmp(&x.sa, &y.sa, x.sa_bytes) == 0;
}

static void set_origin(struct door_dgram *g, const struct addr *peer)
{
	bool known = g->peer.sa_bytes > 0;

	if (g->peer.sa_bytes == peer->sa_bytes &&
		memcmp(&g->peer.sa, &peer->sa, peer->sa_bytes) == 0)
		return;
	known = known && same_host(&g->peer, peer);
	g->peer = *peer;
	if (known)
		return;
	addr_host(peer, g->host);
	g->origin.host = span_str(g->host);
}

static void drop_bad(struct door_dgram *g, const char *reason)
{
	g->counts.dropped_bad++;
	LOGGER(LOGGER_WARNING, "udp", "datagram dropped", LOGGER_STR("peer", g->host),
		LOGGER_STR("reason", reason));
}

static void drop_full(struct door_dgram *g, const struct diag *d)
{
	g->counts.dropped_full++;
	LOGGER(LOGGER_ERROR, "udp", "datagram dropped: no room", LOGGER_STR("peer", g->host),
		LOGGER_DIAG(d));
}

static void end_frame(struct door_dgram *g)
{
	struct intake *intake = &g->c->intake;
	struct diag d;
	uint64_t seq;

	ASSERT(commit_room(intake->commit));
	if (intake_end(intake, &g->origin, &g->forward, &g->stage, &seq, &d) < 0) {
		drop_full(g, &d);
	}
}

static void take_frame(struct door_dgram *g, struct rcur *in, const struct addr *peer)
{
	struct intake *intake = &g->c->intake;
	struct forward_entry entry;
	struct diag d;
	int rc;

	while ((rc = forward_next(&g->forward, in, &entry)) > 0) {
		if (rc == FORWARD_ENTRY &&
			intake_entry(intake, &g->origin, &g->forward, &entry, &g->stage, &d) < 0) {
			drop_full(g, &d);
			return;
		}
		if (rc == FORWARD_END) {
			end_frame(g);
			return;
		}
		if (rc == FORWARD_HEARTBEAT) {
			intake->counts.heartbeats[INTAKE_UDP]++;
			dgram_send(&g->socket, "", 1, peer);
			return;
		}
		if (rc == FORWARD_MORE)
			break;
	}
	intake->counts.faults[g->forward.fault]++;
	drop_bad(g, rc < 0 ? forward_fault_text(g->forward.fault) : "it is empty");
}

/*
 * One time for the datagrams of a batch: they have come within microseconds of each other. Another door
 * may have taken the last room; then they wait.
 */
static void on_begin(void *arg)
{
	struct door_dgram *g = arg;

	if (!commit_room(g->c->intake.commit))
		dgram_pause(&g->socket);
	g->origin.received_ns = clock_wall_ns();
}

static void on_recv(void *arg, const uint8_t *p, size_t n, bool cut, const struct addr *peer)
{
	struct door_dgram *g = arg;
	struct rcur in = rcur_of(p, n);

	set_origin(g, peer);
	g->counts.bytes += n;
	if (cut) {
		drop_bad(g, "it is longer than LIMIT_DATAGRAM_BYTES");
		return;
	}
	if (g->unkeyed && n > 1) {
		g->c->intake.counts.faults[FORWARD_FAULT_KEY]++;
		drop_bad(g, "a shared key is set, and udp_unkeyed of [forward] is not");
		return;
	}
	if (g->c->full) {
		g->counts.dropped_disk++;
		return;
	}
	forward_datagram(&g->forward);
	take_frame(g, &in, peer);
	stage_drop(&g->stage);
	if (!commit_room(g->c->intake.commit))
		dgram_pause(&g->socket);
}

/* ---------------------------------------------------------------- as a door */

static struct door_dgram *of(struct door *d)
{
	return (struct door_dgram *)((char *)d - offsetof(struct door_dgram, door));
}

static void on_durable(struct door *d)
{
	struct door_dgram *g = of(d);

	if (g->reading && commit_room(g->c->intake.commit))
		dgram_resume(&g->socket);
}

static uint64_t bytes_in(struct door *d)
{
	return of(d)->counts.bytes;
}

static void stop_reading(struct door *d)
{
	struct door_dgram *g = of(d);

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
	struct door_dgram *g = of(d);

	stage_fini(&g->stage);
	forward_fini(&g->forward);
	free(g);
}

static const struct door_ops door_ops = {
	.durable = on_durable,
	.bytes_in = bytes_in,
	.stop_reading = stop_reading,
	.close = close_door,
	.free = free_door,
};

/* ---------------------------------------------------------------- life of the door */

static void warn_of_buffer(unsigned granted, unsigned wanted)
{
	LOGGER(LOGGER_WARNING, "udp",
		"the kernel grants a smaller receive buffer than udp_buffer: more datagrams may be "
		"lost; set the sysctl net.core.rmem_max to what is wanted",
		LOGGER_UINT("granted", granted), LOGGER_UINT("wanted", wanted));
}

int door_dgram_open(struct collector *c, const struct addr *at, unsigned buffer_bytes,
	struct door_dgram **out, struct diag *d)
{
	struct door_dgram *g = calloc(1, sizeof *g);
	struct dgram_conf conf = {
		.at = *at, .rcvbuf_bytes = buffer_bytes, .recv = on_recv, .begin = on_begin
	};
	int rc;

	if (!g)
		return diag_set(d, -ENOMEM, "", -1, "no memory for the UDP door");
	g->door.ops = &door_ops;
	g->c = c;
	g->reading = true;
	g->unkeyed = c->keys.server.key.n > 0 && !conf_bool(&c->conf, CONF_FORWARD_UDP_UNKEYED);
	g->origin.door = INTAKE_UDP;
	conf.arg = g;
	conf.admit = &c->admit[INTAKE_UDP];
	forward_init(&g->forward, &c->intake.inflates);
	stage_init(&g->stage, &c->intake.pool);
	rc = dgram_open(&g->socket, &c->loop, &conf, d);
	if (rc < 0) {
		free_door(&g->door);
		return rc;
	}
	if (g->socket.rcvbuf_bytes < buffer_bytes)
		warn_of_buffer(g->socket.rcvbuf_bytes, buffer_bytes);
	door_put(&c->doors, &g->door);
	*out = g;
	return 0;
}

const struct addr *door_dgram_addr(const struct door_dgram *g)
{
	return &g->socket.addr;
}

void door_dgram_counts(struct door_dgram *g, struct door_dgram_counts *out)
{
	*out = g->counts;
	out->received = g->socket.received;
	out->errors = g->socket.errors;
	out->dropped_kernel = dgram_dropped(&g->socket);
	out->buffer_bytes = g->socket.rcvbuf_bytes;
}
