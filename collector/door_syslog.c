#include "collector/door_syslog.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/net/conn.h"
#include "proto/svc/logger.h"
#include "proto/syslog/syslog_frame.h"

enum {
	PEER_TAG = 0x53594c47,
	/* Rows after which they are handed over though the read holds more. */
	TAKE_BYTES = LIMIT_BATCH_BYTES / 2,
	/* Parts of messages up to this length are not refused for want of memory. */
	PART_FREE_BYTES = 4096,
};

struct door_syslog {
	struct door door;
	struct collector *c;
	struct syslog_intake *syslog;
	struct listener listener;
	struct conn_set set;
	struct stage stage; /* of the read under way */
	struct door_syslog_counts counts;
	unsigned ended; /* peers whose end waits for the journal */
	bool reading;
};

struct peer {
	unsigned tag;
	struct door_syslog *door;
	struct conn *conn;
	struct intake_origin origin;
	struct syslog_frame frame;
	size_t charged;    /* of the frame's memory, to the stage pool */
	uint64_t messages; /* taken */
	uint64_t watched;  /* `messages` when the deadline of the one under way was set */
	bool inside;       /* a message, as of the last look */
	bool ended;        /* it sends no more, and its last message waits for the journal */
	char text[ADDR_TEXT_BYTES];
	char host[ADDR_TEXT_BYTES];
};

/* ---------------------------------------------------------------- messages */

static bool has_room(const struct door_syslog *s)
{
	return !s->c->full && commit_room(s->c->intake.commit);
}

static void refuse(struct peer *k, int why, const struct diag *d)
{
	if (k->conn->closing)
		return;
	k->door->counts.refused++;
	LOGGER(LOGGER_ERROR, "syslog", "connection closed: there is no room for its messages",
		LOGGER_STR("peer", k->text), LOGGER_DIAG(d));
	conn_close(k->conn, why);
}

/* False: the message found no room, and its connection is closed. */
static bool put(struct peer *k, const struct syslog_frame_message *m)
{
	struct door_syslog *s = k->door;
	struct diag d;
	int rc = syslog_intake_put(s->syslog, &k->origin, m->text, m->cut, &s->stage, &d);

	if (rc < 0) {
		refuse(k, rc, &d);
		return false;
	}
	k->messages++;
	return true;
}

static void hand_over(struct peer *k)
{
	struct door_syslog *s = k->door;
	struct diag d;
	uint64_t seq;
	int rc = intake_commit(&s->c->intake, &k->origin, &s->stage, NULL, &seq, &d);

	if (rc == 0)
		return;
	stage_drop(&s->stage);
	refuse(k, rc, &d);
}

/* Messages up to the input's end, or as many as are handed over at once. */
static void take(struct peer *k, struct rcur *in)
{
	struct syslog_frame_message m;
	int rc = SYSLOG_FRAME_MESSAGE;

	while (k->door->stage.rows.len < TAKE_BYTES) {
		rc = syslog_frame_next(&k->frame, in, &m);
		if (rc != SYSLOG_FRAME_MESSAGE || !put(k, &m))
			break;
	}
	hand_over(k);
	if (rc < 0)
		conn_close(k->conn, rc);
}

/* Whether messages may be taken; if not, the journal will start reading again. */
static bool may_take(struct peer *k)
{
	struct door_syslog *s = k->door;

	if (k->conn->closing)
		return false;
	if (s->reading && has_room(s))
		return true;
	s->counts.stalls += s->reading;
	conn_set_stall(&s->set);
	return false;
}

/* What waits for the rest of a message is the pool's memory, too. */
static void charge(struct peer *k)
{
	struct stage_pool *pool = &k->door->c->intake.pool;
	size_t held = syslog_frame_bytes(&k->frame);
	struct diag d;

	stage_pool_hold(pool, &k->conn->peer, k->charged, held);
	k->charged = held;
	if (held <= PART_FREE_BYTES || !stage_pool_crowded_by(pool, &k->conn->peer))
		return;
	diag_set(&d, ERR_BUDGET, "", -1,
		"no memory for another long message in flight; raise memory_max of [collector]");
	pool->refused++;
	refuse(k, ERR_BUDGET, &d);
}

/* A message has its own time, in however many reads it comes. */
static void set_deadline(struct peer *k)
{
	const struct collector_settings *set = &k->door->c->settings;
	bool inside = syslog_frame_is_inside(&k->frame);

	if (!inside) {
		conn_deadline(k->conn, set->idle_ms);
	} else if (!k->inside || k->watched != k->messages) {
		k->watched = k->messages;
		conn_deadline(k->conn, set->frame_ms);
	}
	k->inside = inside;
}

static size_t on_read(struct conn *conn, const uint8_t *p, size_t n)
{
	struct peer *k = conn->owner;
	struct rcur in = rcur_of(p, n);

	CHECK_TAG(k, PEER_TAG);
	k->origin.received_ns = clock_wall_ns();
	while (rcur_left(&in) > 0 && may_take(k))
		take(k, &in);
	if (conn->closing)
		return n;
	charge(k);
	set_deadline(k);
	return (size_t)(in.p - p);
}

/* ---------------------------------------------------------------- the end of a connection */

/* The peer sends no more: a line without its end is a message. */
static void end(struct peer *k)
{
	struct syslog_frame_message m;
	int rc = syslog_frame_end(&k->frame, &m);

	k->door->ended -= k->ended;
	k->ended = false;
	k->origin.received_ns = clock_wall_ns();
	if (rc == SYSLOG_FRAME_MESSAGE && put(k, &m))
		hand_over(k);
	if (rc == SYSLOG_FRAME_BROKEN) {
		k->door->counts.broken++;
		LOGGER(LOGGER_INFO, "syslog", "connection ended inside a message, which is lost",
			LOGGER_STR("peer", k->text), LOGGER_UINT("messages", k->messages));
	}
	conn_close(k->conn, 0);
}

static void on_eof(struct conn *conn)
{
	struct peer *k = conn->owner;

	CHECK_TAG(k, PEER_TAG);
	if (has_room(k->door)) {
		end(k);
		return;
	}
	conn_deadline(conn, 0);
	k->ended = true;
	k->door->ended++;
}

static void on_expired(struct conn *conn)
{
	struct peer *k = conn->owner;
	struct door_syslog *s = k->door;

	CHECK_TAG(k, PEER_TAG);
	if (k->inside) {
		s->counts.slow++;
		LOGGER(LOGGER_WARNING, "syslog", "a message took longer than frame_timeout",
			LOGGER_STR("peer", k->text), LOGGER_UINT("messages", k->messages));
	} else {
		s->counts.idle++;
		LOGGER(LOGGER_INFO, "syslog", "closed after idle_timeout",
			LOGGER_STR("peer", k->text), LOGGER_UINT("messages", k->messages));
	}
	on_eof(conn);
}

static void free_peer(struct peer *k)
{
	k->door->ended -= k->ended;
	if (k->charged > 0)
		stage_pool_hold(&k->door->c->intake.pool, &k->conn->peer, k->charged, 0);
	syslog_frame_fini(&k->frame);
	k->tag = 0;
	free(k);
}

static void on_closed(struct conn *conn, int why)
{
	struct peer *k = conn->owner;

	CHECK_TAG(k, PEER_TAG);
	if (syslog_frame_is_inside(&k->frame))
		k->door->counts.broken++;
	if (why < 0 && why != -ECONNRESET)
		LOGGER(LOGGER_INFO, "syslog", "connection ended", LOGGER_STR("peer", k->text),
			LOGGER_ERR(why), LOGGER_UINT("messages", k->messages));
	free_peer(k);
}

static const struct conn_ops peer_ops = {
	.read = on_read, .eof = on_eof, .expired = on_expired, .closed = on_closed
};

static void on_accept(void *arg, int fd, const struct addr *at)
{
	struct door_syslog *s = arg;
	struct peer *k = calloc(1, sizeof *k);
	int rc = -ENOMEM;

	if (!k) {
		listener_drop(&s->c->gate, fd, at);
	} else {
		k->tag = PEER_TAG;
		k->door = s;
		k->origin.door = INTAKE_SYSLOG_TCP;
		addr_text(at, k->text);
		k->origin.host = span_str(addr_host(at, k->host));
		syslog_frame_init(&k->frame);
		rc = conn_open(&s->set, fd, at, 0, &peer_ops, k, &k->conn);
	}
	if (rc < 0) {
		LOGGER(LOGGER_ERROR, "syslog", "cannot take a connection", LOGGER_ERR(rc));
		if (k)
			free_peer(k);
		return;
	}
	conn_deadline(k->conn, s->c->settings.idle_ms);
}

/* ---------------------------------------------------------------- as a door */

static struct door_syslog *of(struct door *d)
{
	return (struct door_syslog *)((char *)d - offsetof(struct door_syslog, door));
}

static void end_waiting(struct door_syslog *s)
{
	for (struct conn *conn = s->set.head; conn && s->ended > 0; conn = conn->next) {
		struct peer *k = conn->owner;

		if (!has_room(s))
			return;
		if (k->ended && !conn->closing)
			end(k);
	}
}

static void on_durable(struct door *d)
{
	struct door_syslog *s = of(d);

	end_waiting(s);
	if (s->reading && has_room(s))
		conn_set_unstall(&s->set);
}

static void on_stall(struct door *d)
{
	conn_set_stall(&of(d)->set);
}

static uint64_t bytes_in(struct door *d)
{
	return of(d)->set.bytes_in;
}

static bool is_behind(struct door *d)
{
	const struct door_syslog *s = of(d);

	return s->ended > 0 || s->set.stalled_head;
}

static void stop_accepting(struct door *d)
{
	listener_drain(&of(d)->listener);
	listener_close(&of(d)->listener, NULL);
}

static void stop_reading(struct door *d)
{
	of(d)->reading = false;
	conn_set_stall(&of(d)->set);
}

static void end_all(struct door *d)
{
	conn_set_close(&of(d)->set, 0);
}

static bool is_empty(struct door *d)
{
	return of(d)->set.count == 0;
}

static void close_door(struct door *d)
{
	stop_accepting(d);
	conn_set_fini(&of(d)->set);
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
	.stop_accepting = stop_accepting,
	.stop_reading = stop_reading,
	.finish = end_all,
	.end_all = end_all,
	.empty = is_empty,
	.close = close_door,
	.free = free_door,
};

/* ---------------------------------------------------------------- life of the door */

int door_syslog_open(struct collector *c, struct syslog_intake *syslog, const struct addr *at,
	struct door_syslog **out, struct diag *d)
{
	struct door_syslog *s = calloc(1, sizeof *s);
	int rc = s ? conn_set_init(&s->set, &c->loop, &c->gate) : -ENOMEM;

	if (rc < 0) {
		free(s);
		return diag_set(d, rc, "", -1, "no memory for the syslog door");
	}
	s->door.ops = &door_ops;
	s->c = c;
	s->syslog = syslog;
	s->reading = true;
	stage_init(&s->stage, &c->intake.pool);
	door_put(&c->doors, &s->door);
	*out = s;
	rc = listener_open_tcp(&s->listener, &c->loop, &c->gate, at, on_accept, s, d);
	s->listener.admit = &c->admit[INTAKE_SYSLOG_TCP];
	return rc;
}

const struct addr *door_syslog_addr(const struct door_syslog *s)
{
	return &s->listener.addr;
}

void door_syslog_counts(const struct door_syslog *s, struct door_syslog_counts *out)
{
	*out = s->counts;
	out->bytes_in = s->set.bytes_in;
}
