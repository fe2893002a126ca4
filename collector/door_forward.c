#include "collector/door_forward.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "collector/door_forward_int.h"
#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/net/conn.h"
#include "proto/svc/logger.h"
#include "proto/wire/forward_put.h"
#include "proto/wire/handshake.h"

/* ---------------------------------------------------------------- ending one */

static void end_client(struct client *k, int why, const char *reason)
{
	if (k->conn->closing)
		return;
	LOGGER(LOGGER_WARNING, "forward", "connection closed", LOGGER_STR("peer", k->peer),
		LOGGER_STR("reason", reason), LOGGER_UINT("frames", k->frames));
	conn_close(k->conn, why);
}

static void refuse_frame(struct client *k, int why, const struct diag *d)
{
	if (k->conn->closing)
		return;
	k->door->counts.refused++;
	LOGGER(LOGGER_ERROR, "forward", "connection closed: its frame could not be kept",
		LOGGER_STR("peer", k->peer), LOGGER_DIAG(d));
	conn_close(k->conn, why);
}

static void fault(struct client *k, int why)
{
	k->door->c->intake.counts.faults[k->forward.fault]++;
	end_client(k, why, forward_fault_text(k->forward.fault));
}

/* ---------------------------------------------------------------- deadlines */

/* Whoever sets idle_timeout below one of our own times means that one, too. */
static unsigned at_most_idle(const struct door_forward *f, unsigned ms)
{
	return ms < f->c->settings.idle_ms ? ms : f->c->settings.idle_ms;
}

/* One frame has its own time, however many reads it comes in: a dribble cannot stretch it. */
static void set_deadline(struct client *k)
{
	const struct collector_settings *set = &k->door->c->settings;
	bool in_frame = forward_mid_frame(&k->forward);

	if (!in_frame) {
		conn_deadline(k->conn, set->idle_ms);
	} else if (!k->in_frame || k->frames_watched != k->frames) {
		k->frames_watched = k->frames;
		k->frame_ms = set->frame_ms;
		conn_deadline(k->conn, set->frame_ms);
	}
	k->in_frame = in_frame;
}

/* A frame that keeps coming at a fair rate is large, not stuck: true if it was given more time. */
static bool extend_frame(struct client *k)
{
	uint64_t fair =
		k->door->c->settings.frame_ms + k->forward.frame.bytes * 1000 / LIMIT_FRAME_RATE;

	if (fair < k->frame_ms + LIMIT_SWEEP_MS)
		return false;
	conn_deadline(k->conn, (unsigned)(fair - k->frame_ms));
	k->frame_ms = fair;
	return true;
}

static void expire_silent(struct client *k)
{
	struct door_forward *f = k->door;

	if (k->forward.bytes == 0 && !k->noted_silent) {
		k->noted_silent = true;
		LOGGER(LOGGER_INFO, "forward",
			"silent since it connected; a client with a shared key waits for a "
			"greeting that is only sent where a key is configured",
			LOGGER_STR("peer", k->peer));
		conn_deadline(k->conn, f->c->settings.idle_ms);
		return;
	}
	if (k->acks.count > 0) { /* it is we who keep it waiting */
		conn_deadline(k->conn, f->c->settings.idle_ms);
		return;
	}
	f->counts.idle++;
	LOGGER(LOGGER_INFO, "forward", "closed after idle_timeout", LOGGER_STR("peer", k->peer),
		LOGGER_UINT("frames", k->frames));
	conn_close(k->conn, -ETIMEDOUT);
}

static void on_expired(struct conn *conn)
{
	struct client *k = conn->owner;
	struct door_forward *f = k->door;

	CHECK_TAG(k, CLIENT_TAG);
	if (f->finishing) {
		conn_close(conn, 0);
	} else if (k->greeting) {
		f->c->intake.counts.faults[FORWARD_FAULT_PING]++;
		end_client(k, -ETIMEDOUT, "no PING within 10 s of the greeting");
	} else if (conn_queued(conn) > 0) {
		f->counts.deaf++;
		end_client(k, -ETIMEDOUT, "the client does not read its acks");
	} else if (!k->in_frame) {
		expire_silent(k);
	} else if (!extend_frame(k)) {
		f->counts.frames_slow++;
		end_client(k, -ETIMEDOUT, "a frame took longer than frame_timeout");
	}
}

/* ---------------------------------------------------------------- acks */

static void list(struct client *k)
{
	struct door_forward *f = k->door;

	if (k->listed)
		return;
	k->listed = true;
	k->prev = NULL;
	k->next = f->waiting;
	if (f->waiting)
		f->waiting->prev = k;
	f->waiting = k;
}

static void unlist(struct client *k)
{
	if (!k->listed)
		return;
	k->listed = false;
	if (k->prev)
		k->prev->next = k->next;
	else
		k->door->waiting = k->next;
	if (k->next)
		k->next->prev = k->prev;
}

/* Each ack in a write of its own: there are clients that take one read for one ack. */
void door_forward_send_acks(struct client *k)
{
	uint64_t durable = commit_durable(k->door->c->intake.commit);
	uint8_t bytes[FORWARD_PUT_ACK_JSON_BYTES];
	struct span chunk;
	size_t n;

	if (k->conn->closing)
		return;
	while (ackq_pop(&k->acks, durable, &chunk)) {
		n = k->forward.is_json ? forward_put_ack_json(bytes, chunk)
				       : forward_put_ack(bytes, chunk);
		if (conn_write(k->conn, bytes, n) < 0)
			return;
		k->door->counts.acks++;
		k->acks_sent++;
	}
	if (conn_queued(k->conn) > 0)
		conn_deadline(k->conn, at_most_idle(k->door, LIMIT_ACK_UNREAD_MS));
	if (k->acks.count > 0) {
		list(k);
		return;
	}
	unlist(k);
	if (k->eof || k->door->finishing)
		conn_finish(k->conn);
}

static void on_drained(struct conn *conn)
{
	struct client *k = conn->owner;

	CHECK_TAG(k, CLIENT_TAG);
	k->in_frame = false; /* the clock of its frame starts anew */
	set_deadline(k);
}

/* ---------------------------------------------------------------- the greeting */

static void end_greeting(struct client *k)
{
	if (!k->greeting)
		return;
	handshake_fini(k->greeting);
	free(k->greeting);
	k->greeting = NULL;
}

/* Where a shared key is set the server speaks first. */
static int begin_greeting(struct client *k)
{
	const struct handshake_keys *keys = &k->door->c->keys.server;
	uint8_t helo[HANDSHAKE_OUT_BYTES];
	int rc;

	if (keys->key.n == 0)
		return 0;
	k->greeting = malloc(sizeof *k->greeting);
	if (!k->greeting)
		return -ENOMEM;
	rc = handshake_init(k->greeting, keys);
	if (rc < 0)
		return rc;
	conn_deadline(k->conn, at_most_idle(k->door, LIMIT_HANDSHAKE_MS));
	return conn_write(k->conn, helo, handshake_helo(k->greeting, helo));
}

static void refuse_client(struct client *k, enum forward_fault why)
{
	k->door->c->intake.counts.faults[why]++;
	LOGGER(LOGGER_WARNING, "forward", "connection refused", LOGGER_STR("peer", k->peer),
		LOGGER_STR("reason", forward_fault_text(why)));
	/* It is to read why. */
	conn_deadline(k->conn, LIMIT_DRAIN_WRITE_MS);
	conn_finish(k->conn);
}

/* True when the client has proved what it must know, and frames may follow. */
static bool greet(struct client *k, struct rcur *in)
{
	uint8_t pong[HANDSHAKE_OUT_BYTES];
	size_t n;
	int rc = handshake_next(k->greeting, &k->door->c->keys.server, in, pong, &n);

	if (rc == HANDSHAKE_MORE)
		return false;
	if (rc < 0 || conn_write(k->conn, pong, n) < 0) {
		conn_close(k->conn, rc);
		return false;
	}
	if (rc == HANDSHAKE_REFUSED) {
		refuse_client(k, k->greeting->fault);
		return false;
	}
	end_greeting(k);
	return true;
}

/* ---------------------------------------------------------------- frames */

/* Whether the next frame may be taken; if not, what holds it up will start reading again. */
static bool may_take(struct client *k)
{
	struct door_forward *f = k->door;

	if (k->conn->closing)
		return false;
	if (!f->reading || f->c->full || !commit_room(f->c->intake.commit)) {
		f->counts.stalls += f->reading;
		conn_set_stall(&f->set);
		return false;
	}
	if (ackq_full(&k->acks)) {
		conn_pause(k->conn);
		return false;
	}
	return true;
}

/* Once a connection: what is wrong with one payload is wrong with the next. */
static void note_unread(struct client *k)
{
	static const enum forward_drop why[] = { FORWARD_DROP_CORRUPT, FORWARD_DROP_WINDOW,
		FORWARD_DROP_BOMB };

	for (size_t i = 0; i < ARRAY_COUNT(why) && !k->noted_unread; i++) {
		if (k->forward.frame.dropped[why[i]] == 0)
			continue;
		k->noted_unread = true;
		LOGGER(LOGGER_WARNING, "forward", "a compressed payload was not read to its end",
			LOGGER_STR("peer", k->peer),
			LOGGER_STR("reason", forward_drop_text(why[i])),
			LOGGER_UINT("entries", k->forward.frame.entries));
	}
}

static int put_frame(struct client *k, uint64_t *seq, struct diag *d)
{
	if (k->parts && partial_brought(k->parts))
		return door_forward_parts_end(k, seq, d);
	return intake_end(&k->door->c->intake, &k->origin, &k->forward, &k->stage, seq, d);
}

static void end_frame(struct client *k)
{
	struct diag d;
	uint64_t seq;
	int rc;

	note_unread(k);
	rc = put_frame(k, &seq, &d);
	if (rc < 0) {
		refuse_frame(k, rc, &d);
		return;
	}
	k->frames++;
	if (!k->forward.frame.chunk.p)
		return;
	rc = ackq_push(&k->acks, rc == PARTS_HELD ? ACKQ_HELD : seq, k->forward.frame.chunk);
	if (rc < 0)
		conn_close(k->conn, rc);
}

/* Up to the end of a frame or of the input; true to go on with the next frame. */
static bool take_frame(struct client *k, struct rcur *in)
{
	struct intake *intake = &k->door->c->intake;
	struct forward_entry entry;
	struct diag d;
	int rc;

	for (;;) {
		rc = forward_next(&k->forward, in, &entry);
		switch (rc) {
		case FORWARD_ENTRY:
			rc = door_forward_parts_entry(k, &entry, &d);
			if (rc < 0) {
				refuse_frame(k, rc, &d);
				return false;
			}
			break;
		case FORWARD_BEGIN:
			break;
		case FORWARD_END:
			end_frame(k);
			return true;
		case FORWARD_HEARTBEAT:
			intake->counts.heartbeats[k->origin.door]++;
			return true;
		case FORWARD_MORE:
			return false;
		default:
			fault(k, rc);
			return false;
		}
	}
}

/* The memory that the parser holds for this connection is the pool's too, like what idles for all. */
static void charge(struct client *k)
{
	struct intake *intake = &k->door->c->intake;
	struct stage_pool *pool = &intake->pool;
	size_t held = forward_bytes(&k->forward);
	size_t idle = inflate_pool_bytes(&intake->inflates);
	struct diag d;

	if (held > CLIENT_KEEP_BYTES && !forward_mid_frame(&k->forward)) {
		forward_trim(&k->forward);
		held = forward_bytes(&k->forward);
	}
	stage_charge(pool, intake->inflates_charged, idle);
	intake->inflates_charged = idle;
	stage_hold(&k->stage, k->charged, held);
	k->charged = held;
	if (held <= CLIENT_KEEP_BYTES || !stage_pool_crowded_by(pool, &k->addr))
		return;
	diag_set(&d, ERR_BUDGET, "", -1,
		"no memory for another large entry or compressed frame in flight; raise memory_max of [collector]");
	pool->refused++;
	refuse_frame(k, ERR_BUDGET, &d);
}

static size_t on_read(struct conn *conn, const uint8_t *p, size_t n)
{
	struct client *k = conn->owner;
	struct rcur in = rcur_of(p, n);

	CHECK_TAG(k, CLIENT_TAG);
	if (k->greeting && !greet(k, &in))
		return n;
	k->origin.received_ns = clock_wall_ns();
	while (may_take(k)) {
		if (!take_frame(k, &in))
			break;
	}
	if (conn->closing)
		return n;
	charge(k);
	set_deadline(k);
	if (k->acks.count > 0)
		door_forward_send_acks(k);
	return (size_t)(in.p - p);
}

static void note_cut(struct client *k)
{
	if (!forward_mid_frame(&k->forward))
		return;
	k->door->counts.frames_cut++;
	LOGGER(LOGGER_INFO, "forward", "connection ended inside a frame, which is dropped whole",
		LOGGER_STR("peer", k->peer), LOGGER_UINT("bytes", k->forward.frame.bytes));
}

static void on_eof(struct conn *conn)
{
	struct client *k = conn->owner;

	CHECK_TAG(k, CLIENT_TAG);
	k->eof = true;
	/* It may have closed its writing side alone and be waiting for the acks. */
	if (k->acks.count == 0)
		conn_finish(conn);
	else
		conn_deadline(conn, 0);
}

/* ---------------------------------------------------------------- life of a connection */

static void free_client(struct client *k)
{
	unlist(k);
	door_forward_parts_orphan(k);
	end_greeting(k);
	stage_fini(&k->stage);
	stage_hold(&k->stage, k->charged, 0);
	forward_fini(&k->forward);
	ackq_fini(&k->acks);
	k->tag = 0;
	free(k);
}

static void on_closed(struct conn *conn, int why)
{
	struct client *k = conn->owner;

	CHECK_TAG(k, CLIENT_TAG);
	/* Other ends have been logged by whoever ended it. */
	if (why == 0 || why == -ECONNRESET || why == -EPIPE)
		note_cut(k);
	free_client(k);
}

static const struct conn_ops client_ops = { on_read, on_eof, on_drained, on_expired, on_closed };

static struct client *new_client(
	struct door_forward *f, const struct addr *peer, enum intake_door door)
{
	struct client *k = calloc(1, sizeof *k);

	if (!k)
		return NULL;
	k->tag = CLIENT_TAG;
	k->door = f;
	k->addr = *peer;
	addr_text(peer, k->peer);
	addr_host(peer, k->host);
	k->origin.door = door;
	k->origin.joins = true;
	k->origin.host = span_str(door == INTAKE_UNIX ? f->c->host : k->host);
	forward_init(&k->forward, &f->c->intake.inflates);
	stage_init(&k->stage, &f->c->intake.pool);
	k->stage.peer = &k->addr;
	ackq_init(&k->acks);
	return k;
}

static void accept_client(
	struct door_forward *f, int fd, const struct addr *peer, enum intake_door door)
{
	struct client *k = new_client(f, peer, door);
	int rc = -ENOMEM;

	if (!k) {
		listener_drop(&f->c->gate, fd, peer);
	} else {
		rc = conn_open(&f->set, fd, peer, CLIENT_OUT_BYTES, &client_ops, k, &k->conn);
	}
	if (rc < 0) {
		LOGGER(LOGGER_ERROR, "forward", "cannot take a connection", LOGGER_ERR(rc));
		if (k)
			free_client(k);
		return;
	}
	conn_read_stop(k->conn, 0);
	conn_deadline(k->conn, at_most_idle(f, LIMIT_SILENT_MS));
	rc = begin_greeting(k);
	if (rc < 0)
		conn_close(k->conn, rc);
}

static void on_accept_tcp(void *arg, int fd, const struct addr *peer)
{
	accept_client(arg, fd, peer, INTAKE_TCP);
}

static void on_accept_unix(void *arg, int fd, const struct addr *peer)
{
	accept_client(arg, fd, peer, INTAKE_UNIX);
}

/* ---------------------------------------------------------------- as a door */

static struct door_forward *of(struct door *d)
{
	return (struct door_forward *)((char *)d - offsetof(struct door_forward, door));
}

static void on_durable(struct door *d)
{
	struct door_forward *f = of(d);
	struct client *next;

	for (struct client *k = f->waiting; k; k = next) {
		next = k->next;
		door_forward_send_acks(k);
		if (!ackq_full(&k->acks))
			conn_resume(k->conn);
	}
	if (f->reading && !f->c->full && commit_room(f->c->intake.commit))
		conn_set_unstall(&f->set);
	door_forward_parts_store(f);
}

static void on_stall(struct door *d)
{
	conn_set_stall(&of(d)->set);
}

static void stop_accepting(struct door *d)
{
	struct door_forward *f = of(d);

	listener_close(&f->tcp, NULL);
	listener_close(&f->local, NULL);
}

static void stop_reading(struct door *d)
{
	struct door_forward *f = of(d);

	f->reading = false;
	conn_set_stall(&f->set);
	door_forward_parts_flush(f);
}

static void finish(struct door *d)
{
	struct door_forward *f = of(d);

	f->finishing = true;
	for (struct conn *conn = f->set.head; conn; conn = conn->next) {
		struct client *k = conn->owner;

		conn_deadline(conn, LIMIT_DRAIN_WRITE_MS);
		/* Only where the last thing sent could be lost is the peer waited for. */
		if (k->acks.count == 0 && k->acks_sent == 0)
			conn_close(conn, 0);
		else if (k->acks.count == 0)
			conn_finish(conn);
	}
}

static bool is_empty(struct door *d)
{
	return of(d)->set.count == 0 && !of(d)->orphans;
}

static void close_door(struct door *d)
{
	stop_accepting(d);
	uv_close((uv_handle_t *)&of(d)->parts_tick, NULL);
	conn_set_fini(&of(d)->set);
}

static void end_all(struct door *d)
{
	door_forward_parts_free(of(d));
	conn_set_close(&of(d)->set, 0);
}

static void free_door(struct door *d)
{
	stage_fini(&of(d)->parts_stage);
	door_forward_parts_free(of(d));
	free(of(d));
}

static uint64_t bytes_in(struct door *d)
{
	return of(d)->set.bytes_in;
}

static const struct door_ops door_ops = {
	.durable = on_durable,
	.stall = on_stall,
	.bytes_in = bytes_in,
	.stop_accepting = stop_accepting,
	.stop_reading = stop_reading,
	.finish = finish,
	.end_all = end_all,
	.empty = is_empty,
	.close = close_door,
	.free = free_door,
};

/* ---------------------------------------------------------------- life of the door */

int door_forward_open(struct collector *c, struct door_forward **out, struct diag *d)
{
	struct door_forward *f = calloc(1, sizeof *f);
	int rc = f ? conn_set_init(&f->set, &c->loop, &c->gate) : -ENOMEM;

	if (rc < 0) {
		free(f);
		return diag_set(d, rc, "", -1, "no memory for the Forward door");
	}
	f->door.ops = &door_ops;
	f->c = c;
	f->reading = true;
	uv_timer_init(&c->loop, &f->parts_tick);
	f->parts_tick.data = f;
	stage_init(&f->parts_stage, &c->intake.pool);
	door_put(&c->doors, &f->door);
	*out = f;
	return 0;
}

int door_forward_listen(struct door_forward *f, const struct addr *tcp, const char *unix_path,
	unsigned unix_mode, struct diag *d)
{
	struct collector *c = f->c;
	int rc = 0;

	if (tcp)
		rc = listener_open_tcp(&f->tcp, &c->loop, &c->gate, tcp, on_accept_tcp, f, d);
	f->tcp.admit = &c->admit[INTAKE_TCP];
	if (rc == 0 && unix_path)
		rc = listener_open_unix(
			&f->local, &c->loop, &c->gate, unix_path, unix_mode, on_accept_unix, f, d);
	return rc;
}

const struct addr *door_forward_tcp(const struct door_forward *f)
{
	return f->tcp.addr.sa_bytes ? &f->tcp.addr : NULL;
}

void door_forward_counts(const struct door_forward *f, struct door_forward_counts *out)
{
	*out = f->counts;
	out->bytes_in = f->set.bytes_in;
	out->connections = f->set.count;
}
