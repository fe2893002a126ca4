/*
 * astrolabe/client.h - libastrolabe: logs events to an Astrolabe collector from a C or C++ program.
 *
 *	struct astro_client_conf conf = ASTRO_CLIENT_CONF_INIT;
 *	struct astro_client *c;
 *	struct astro_client_event *ev = astro_client_event_new();
 *
 *	conf.tag = "shop";
 *	if (astro_client_open(&conf, &c) == 0) {
 *		astro_client_event_str(ev, "event_type", "PAYMENT");
 *		astro_client_event_str(ev, "user_id", "anna");
 *		astro_client_event_map(ev, "metadata");
 *		astro_client_event_float(ev, "amount", 48.90);
 *		astro_client_event_end(ev);
 *		astro_client_log(c, ev);
 *		astro_client_close(&c, 5000);
 *	}
 *	astro_client_event_free(&ev);
 *
 * Life:    open, log..., flush where it has to be known that events are safe, close.
 * Durable: an event is on the collector's disk when it is counted as acked; flush waits for that. Events
 *          that are queued are lost with the process. What a lost connection left without an ack is sent
 *          again with the same chunk id, and the collector stores none twice. UDP has no acks: there
 *          "acked" means that the kernel took it.
 * Thread:  a client may be used by any thread at any time, but close; an event by one at a time. A thread
 *          of the library does all network work; callbacks run on it, with no lock held, and must not
 *          call close. It blocks all signals. log never waits for the network, unless `full` says so.
 * Fork:    the child has no such thread: every call there returns -ECHILD but close, which closes the
 *          child's descriptors and leaves the rest. The child opens a client of its own.
 * Memory:  at most queue_bytes of events, and buffers of twice that while they grow.
 * Errors:  0, or a negative errno, which astro_client_strerror explains. What goes wrong later is told by
 *          `error` and counted; the client itself goes on trying until it is closed.
 *
 * Every structure that the program passes begins with its size, so that a program made with this header
 * runs with later libraries of the same soname.
 */
#ifndef PROTO_CLIENT_H
#define PROTO_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#define ASTRO_CLIENT_VERSION_MAJOR 1
#define ASTRO_CLIENT_VERSION_MINOR 0

#ifdef __cplusplus
extern "C" {
#endif

struct astro_client;
struct astro_client_event;

/* What log does when queue_bytes are used up. */
enum astro_client_full {
	/* Returns -EAGAIN; the event is not taken. */
	ASTRO_CLIENT_FULL_REFUSE = 0,
	/* Drops the oldest events that have not been sent; -EAGAIN where all have been. */
	ASTRO_CLIENT_FULL_DROP_OLDEST = 1,
	/* Waits for room, at most full_wait_ms; then -EAGAIN. */
	ASTRO_CLIENT_FULL_WAIT = 2
};

/* Zero in any field stands for its default. Texts are copied. */
struct astro_client_conf {
	size_t size;
	/* tcp://HOST[:PORT], unix:PATH or udp://HOST[:PORT]; tcp://127.0.0.1:24224 */
	const char *to;
	/* Of the frames; an event without a service gets its first segment. "app" */
	const char *tag;
	/* How much may wait: 8 MiB; at most 1 GiB */
	uint64_t queue_bytes;
	enum astro_client_full full;
	/* 0: as long as it takes */
	uint32_t full_wait_ms;
	/* A frame goes when it has so many events (1000) or bytes (64 KiB; UDP: 1400), or is so old (20). */
	uint32_t batch_events;
	uint32_t batch_bytes;
	uint32_t batch_ms;
	/* Frames on their way without an ack; 8, at most 1024 */
	uint32_t window;
	/* open fails unless it is connected within so long; 0: it does not wait, nor need a collector */
	uint32_t connect_ms;
	/* Without an ack for so long it connects anew and sends again: 60000 */
	uint32_t ack_ms;
	/* Something went wrong; code is a negative errno, text says what, for people. It is tried again. */
	void (*error)(void *arg, int code, const char *text);
	/* The events of a frame are safe. */
	void (*acked)(void *arg, const char *chunk, uint32_t events);
	void *arg;
};

#define ASTRO_CLIENT_CONF_INIT                                                                   \
	{                                                                                        \
		sizeof(struct astro_client_conf), NULL, NULL, 0, ASTRO_CLIENT_FULL_REFUSE, 0, 0, \
			0, 0, 0, 0, 0, NULL, NULL, NULL                                          \
	}

/* logged = acked + dropped + queued, at any moment. */
struct astro_client_counts {
	size_t size;
	uint64_t logged;  /* events taken */
	uint64_t acked;   /* and safe */
	uint64_t dropped; /* taken, and dropped as the oldest */
	uint64_t queued;  /* taken, and neither as yet */
	uint64_t queued_bytes;
	uint64_t refused; /* events not taken: no room, too large, or no event */
	uint64_t frames;
	uint64_t frames_resent;
	uint64_t connections;
	uint64_t failures; /* connections lost or refused; UDP: datagrams */
};

#define ASTRO_CLIENT_COUNTS_INIT                                                 \
	{                                                                        \
		sizeof(struct astro_client_counts), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 \
	}

/* "1.0" of the library, which may be newer than this header. */
const char *astro_client_version(void);
/* One clause; static text. */
const char *astro_client_strerror(int code);

/* ---- a client ---- */

/* -EINVAL: something in conf makes no sense; then open itself calls `error` with what it is. */
int astro_client_open(const struct astro_client_conf *conf, struct astro_client **out);
/*
 * Waits until everything is acked, at most wait_ms (-1: as long as it takes; 0: not at all), and ends the
 * client. 0, or -ETIMEDOUT: events were lost. NULL in *c is no error.
 */
int astro_client_close(struct astro_client **c, int wait_ms);

/* Takes a copy of the event, which may be changed and logged again. A -EAGAIN is the queue's. */
int astro_client_log(struct astro_client *c, const struct astro_client_event *ev);
/* All in one frame, of which the collector stores all or none. -EMSGSIZE: beyond batch_bytes, batch_events. */
int astro_client_log_all(
	struct astro_client *c, const struct astro_client_event *const *events, size_t count);
/* Sends what waits at once, and waits until all that was logged before is settled. 0 or -ETIMEDOUT. */
int astro_client_flush(struct astro_client *c, int wait_ms);

/* counts->size is set; so many of its bytes are filled. */
int astro_client_get_counts(struct astro_client *c, struct astro_client_counts *counts);

/* ---- an event ---- */

/*
 * A record is made pair by pair. Names that mean something to the store: timestamp, event_type, severity,
 * entity_type, entity_id, user_id, description, ip_address, user_agent, service, host; everything else is
 * kept in its metadata, types and nesting included. Mistakes stick and are returned by log.
 */
struct astro_client_event *astro_client_event_new(void); /* NULL: no memory */
void astro_client_event_free(struct astro_client_event **ev);
/* Empties it; it keeps its memory. */
void astro_client_event_reset(struct astro_client_event *ev);
/* 0; -EINVAL: a key where none belongs or the other way round, a map not ended; -EMSGSIZE; -ENOMEM. */
int astro_client_event_error(const struct astro_client_event *ev);

/* When it happened, in nanoseconds since 1970 UTC; without it, when it is logged. */
void astro_client_event_time(struct astro_client_event *ev, int64_t unix_ns);

/* Inside a list `key` is NULL. A value of NULL is nil. */
void astro_client_event_str(struct astro_client_event *ev, const char *key, const char *value);
void astro_client_event_text(
	struct astro_client_event *ev, const char *key, const char *value, size_t bytes);
void astro_client_event_bytes(
	struct astro_client_event *ev, const char *key, const void *value, size_t bytes);
void astro_client_event_int(struct astro_client_event *ev, const char *key, int64_t value);
void astro_client_event_uint(struct astro_client_event *ev, const char *key, uint64_t value);
void astro_client_event_float(struct astro_client_event *ev, const char *key, double value);
void astro_client_event_bool(struct astro_client_event *ev, const char *key, int value);
void astro_client_event_nil(struct astro_client_event *ev, const char *key);
/* What follows is inside it, until its end. */
void astro_client_event_map(struct astro_client_event *ev, const char *key);
void astro_client_event_list(struct astro_client_event *ev, const char *key);
void astro_client_event_end(struct astro_client_event *ev);

#ifdef __cplusplus
}
#endif

#endif
