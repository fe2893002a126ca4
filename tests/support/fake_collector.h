/*
 * fake_collector - a collector that does what a test tells it to: it accepts one connection at a time,
 * reads frames, and acks late, in another order, wrongly or never.
 *
 * Thread: the test's; the client's callbacks count in atomics.
 * Errors: what is not there in FAKE_COLLECTOR_PATIENCE_MS fails the test.
 */
#ifndef TESTS_SUPPORT_FAKE_COLLECTOR_H
#define TESTS_SUPPORT_FAKE_COLLECTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/client.h"

enum { FAKE_COLLECTOR_PATIENCE_MS = 30000 };

struct fake_collector {
	int listener;
	int fd;
	char to[128];
	struct buf in; /* not yet taken */
	size_t taken;

	/* The last frame. */
	char chunk[128];
	uint32_t events;
	size_t payload_bytes;
	char records[4096]; /* as JSON, each followed by a newline, as many as fit */
	uint64_t events_all;
	atomic_uint errors; /* that the client told */
	atomic_int error;   /* the last one */
	atomic_uint acked;  /* events, by callback */
};

/* By TCP; or of that type of socket, TCP or UDP. Then end. */
void fake_collector_serve(struct fake_collector *s);
void fake_collector_listen(struct fake_collector *s, int type);
void fake_collector_end(struct fake_collector *s);

/* Hangs up before, if there is a connection. */
void fake_collector_accept(struct fake_collector *s);
void fake_collector_hang_up(struct fake_collector *s);
/* Until there is something to read. */
void fake_collector_await(int fd);
/* False: the client hung up. */
bool fake_collector_read_frame(struct fake_collector *s);
bool fake_collector_read_more(struct fake_collector *s);
/* One frame that came another way. */
void fake_collector_keep_frame(struct fake_collector *s, struct span frame);
void fake_collector_ack(struct fake_collector *s, const char *chunk);
void fake_collector_take_and_ack(struct fake_collector *s);
/* The last frame was that event of log_number. */
void fake_collector_expect_number(const struct fake_collector *s, int64_t number);

/* A client for it: what it is told it tells the collector. */
struct astro_client_conf fake_collector_conf(struct fake_collector *s);
struct astro_client *fake_collector_open_client(const struct astro_client_conf *conf);
struct astro_client_counts fake_collector_counts(struct astro_client *c);
int fake_collector_log_number(struct astro_client *c, int64_t number);

#endif
