/*
 * Goal:   libastrolabe loses nothing that it took, sends again what has no ack with the same chunk id,
 *         keeps its queue's bound in each of the ways of being full, and never waits unless asked.
 * Method: the test is the collector: it accepts, reads frames, and acks late, out of order, wrongly or
 *         never, or hangs up in the middle. Every wait is for an event with a deadline.
 */
#include "tests/support/check_cmocka.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/client.h"
#include "proto/wire/forward_put.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"

enum { PATIENCE_MS = 30000 };

/* ---- a collector ---- */

struct server {
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

static void on_error(void *arg, int code, const char *text)
{
	struct server *s = arg;

	assert_non_null(text);
	atomic_store(&s->error, code);
	atomic_fetch_add(&s->errors, 1);
}

static void on_acked(void *arg, const char *chunk, uint32_t events)
{
	struct server *s = arg;

	assert_non_null(chunk);
	atomic_fetch_add(&s->acked, events);
}

static void listen_at(struct server *s, int type)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof sa;

	memset(s, 0, sizeof *s);
	s->fd = -1;
	buf_init(&s->in, 64 << 20);
	s->listener = socket(AF_INET, type, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&sa, &n), 0);
	snprintf(s->to, sizeof s->to, "%s://127.0.0.1:%u", type == SOCK_STREAM ? "tcp" : "udp",
		ntohs(sa.sin_port));
	if (type == SOCK_STREAM)
		assert_int_equal(listen(s->listener, 8), 0);
}

static void serve(struct server *s)
{
	listen_at(s, SOCK_STREAM);
}

static void await(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

static void hang_up(struct server *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void accept_one(struct server *s)
{
	hang_up(s);
	await(s->listener);
	s->fd = accept(s->listener, NULL, NULL);
	assert_true(s->fd >= 0);
	buf_reset(&s->in);
	s->taken = 0;
}

static void end(struct server *s)
{
	hang_up(s);
	close(s->listener);
	buf_fini(&s->in);
}

static bool read_more(struct server *s)
{
	ssize_t n;

	await(s->fd);
	assert_int_equal(buf_reserve(&s->in, 65536), 0);
	n = recv(s->fd, s->in.p + s->in.len, 65536, 0);
	if (n > 0)
		s->in.len += (size_t)n;
	return n > 0;
}

static void keep_records(struct server *s, struct span payload)
{
	struct rcur c = rcur_of(payload.p, payload.n);
	struct walk_value v;
	struct span record;
	struct buf text;

	buf_init(&text, 1 << 22);
	for (uint32_t i = 0; i < s->events; i++) {
		assert_int_equal(walk_read(&c, &v), 0);
		assert_int_equal(v.type, WALK_ARRAY);
		assert_int_equal(walk_read(&c, &v), 0);
		assert_int_equal(walk_take(&c, &record), 0);
		assert_int_equal(json_out_value(record, &text), 0);
		buf_put_u8(&text, '\n');
	}
	assert_int_equal(rcur_left(&c), 0);
	snprintf(s->records, sizeof s->records, "%.*s", (int)text.len, (const char *)text.p);
	buf_fini(&text);
}

/* Takes [tag, payload, {"size": n, "chunk": id}] apart. */
static void keep_frame(struct server *s, struct span frame)
{
	struct rcur c = rcur_of(frame.p, frame.n);
	struct walk_value array, tag, payload, options, key, value;

	assert_int_equal(walk_read(&c, &array), 0);
	assert_int_equal(walk_read(&c, &tag), 0);
	assert_int_equal(walk_read(&c, &payload), 0);
	assert_int_equal(walk_read(&c, &options), 0);
	assert_int_equal(array.count, 3);
	assert_true(span_eq(tag.data, SPAN_LIT("test")));
	assert_int_equal(payload.type, WALK_BIN);
	s->chunk[0] = 0;
	for (uint32_t i = 0; i < options.count; i++) {
		assert_int_equal(walk_read(&c, &key), 0);
		assert_int_equal(walk_read(&c, &value), 0);
		if (span_eq(key.data, SPAN_LIT("size")))
			s->events = (uint32_t)value.u;
		else
			snprintf(s->chunk, sizeof s->chunk, "%.*s", (int)value.data.n,
				(const char *)value.data.p);
	}
	s->payload_bytes = payload.data.n;
	keep_records(s, payload.data);
}

/* False: the client hung up. */
static bool read_frame(struct server *s)
{
	struct span frame;
	struct rcur c;
	int rc;

	for (;;) {
		c = rcur_of(s->in.p + s->taken, s->in.len - s->taken);
		rc = s->in.len > s->taken ? walk_take(&c, &frame) : -1;
		if (rc == 0)
			break;
		if (!read_more(s))
			return false;
	}
	s->taken += frame.n;
	keep_frame(s, frame);
	return true;
}

static void ack(struct server *s, const char *chunk)
{
	uint8_t bytes[FORWARD_PUT_ACK_BYTES];
	size_t n = forward_put_ack(bytes, span_str(chunk));

	assert_int_equal(send(s->fd, bytes, n, MSG_NOSIGNAL), n);
}

static void take_and_ack(struct server *s)
{
	assert_true(read_frame(s));
	s->events_all += s->events;
	ack(s, s->chunk);
}

/* ---- a client ---- */

static struct astro_client_conf conf_for(struct server *s)
{
	struct astro_client_conf conf = ASTRO_CLIENT_CONF_INIT;

	conf.to = s->to;
	conf.tag = "test";
	conf.batch_ms = 1;
	conf.error = on_error;
	conf.acked = on_acked;
	conf.arg = s;
	return conf;
}

static struct astro_client *open_with(const struct astro_client_conf *conf)
{
	struct astro_client *c = NULL;

	assert_int_equal(astro_client_open(conf, &c), 0);
	return c;
}

static struct astro_client_counts counts_of(struct astro_client *c)
{
	struct astro_client_counts counts = ASTRO_CLIENT_COUNTS_INIT;

	assert_int_equal(astro_client_get_counts(c, &counts), 0);
	assert_int_equal(counts.logged, counts.acked + counts.dropped + counts.queued);
	return counts;
}

static int log_number(struct astro_client *c, int64_t number)
{
	struct astro_client_event *ev = astro_client_event_new();
	int rc;

	astro_client_event_int(ev, "n", number);
	rc = astro_client_log(c, ev);
	astro_client_event_free(&ev);
	return rc;
}

static void expect_number(const struct server *s, int64_t number)
{
	char want[64];

	snprintf(want, sizeof want, "{\"n\":%lld}\n", (long long)number);
	assert_string_equal(s->records, want);
}

/* ---- events ---- */

static void test_an_event_of_every_type(void **state)
{
	struct astro_client_event *ev = astro_client_event_new();
	struct astro_client_conf conf;
	struct astro_client *c;
	struct server s;

	(void)state;
	serve(&s);
	conf = conf_for(&s);
	c = open_with(&conf);
	astro_client_event_str(ev, "event_type", "PAYMENT");
	astro_client_event_text(ev, "cut", "anna-marie", 4);
	astro_client_event_str(ev, "none", NULL);
	astro_client_event_nil(ev, "nil");
	astro_client_event_int(ev, "low", INT64_MIN);
	astro_client_event_uint(ev, "high", UINT64_MAX);
	astro_client_event_float(ev, "amount", 48.5);
	astro_client_event_bool(ev, "yes", 7);
	astro_client_event_bytes(ev, "raw", "\0\1\2", 3);
	astro_client_event_map(ev, "metadata");
	astro_client_event_list(ev, "list");
	astro_client_event_int(ev, NULL, 1);
	astro_client_event_map(ev, NULL);
	astro_client_event_end(ev);
	astro_client_event_list(ev, NULL);
	astro_client_event_end(ev);
	astro_client_event_end(ev);
	astro_client_event_bool(ev, "no", 0);
	astro_client_event_end(ev);
	assert_int_equal(astro_client_event_error(ev), 0);
	assert_int_equal(astro_client_log(c, ev), 0);
	astro_client_event_free(&ev);
	accept_one(&s);
	take_and_ack(&s);
	assert_string_equal(s.records,
		"{\"event_type\":\"PAYMENT\",\"cut\":\"anna\",\"none\":null,\"nil\":null,"
		"\"low\":-9223372036854775808,\"high\":18446744073709551615,\"amount\":48.5,"
		"\"yes\":true,\"raw\":\"AAEC\",\"metadata\":{\"list\":[1,{},[]],\"no\":false}}\n");
	assert_int_equal(astro_client_close(&c, PATIENCE_MS), 0);
	assert_int_equal(atomic_load(&s.acked), 1);
	end(&s);
}

static void test_mistakes_stick(void **state)
{
	struct astro_client_event *ev = astro_client_event_new();
	char *large = calloc(1, 2 << 20);

	(void)state;
	astro_client_event_int(ev, NULL, 1);
	astro_client_event_int(ev, "a", 1);
	assert_int_equal(astro_client_event_error(ev), -EINVAL);
	astro_client_event_reset(ev);
	assert_int_equal(astro_client_event_error(ev), 0);
	astro_client_event_list(ev, "l");
	assert_int_equal(astro_client_event_error(ev), -EINVAL); /* not ended */
	astro_client_event_int(ev, "key in a list", 1);
	astro_client_event_end(ev);
	assert_int_equal(astro_client_event_error(ev), -EINVAL);
	astro_client_event_reset(ev);
	astro_client_event_end(ev);
	assert_int_equal(astro_client_event_error(ev), -EINVAL);
	astro_client_event_reset(ev);
	for (int i = 0; i < 64; i++)
		astro_client_event_map(ev, "deeper");
	assert_int_equal(astro_client_event_error(ev), -EINVAL);
	astro_client_event_reset(ev);
	astro_client_event_list(ev, "long");
	for (int i = 0; i < 65536; i++)
		astro_client_event_nil(ev, NULL);
	astro_client_event_end(ev);
	assert_int_equal(astro_client_event_error(ev), -EMSGSIZE);
	astro_client_event_reset(ev);
	memset(large, 'x', (2 << 20) - 1);
	astro_client_event_str(ev, "large", large);
	astro_client_event_int(ev, "a", 1);
	assert_int_equal(astro_client_event_error(ev), -EMSGSIZE);
	astro_client_event_reset(ev);
	astro_client_event_text(ev, "half", large, 900 << 10);
	assert_int_equal(astro_client_event_error(ev), 0);
	astro_client_event_text(ev, "and half", large, 900 << 10);
	assert_int_equal(astro_client_event_error(ev), -EMSGSIZE);
	astro_client_event_free(&ev);
	astro_client_event_free(&ev);
	free(large);
}

static void test_events_that_go_together(void **state)
{
	const struct astro_client_event *all[4];
	struct astro_client_event *ev[4];
	struct astro_client_conf conf;
	struct astro_client *c;
	struct server s;

	(void)state;
	serve(&s);
	conf = conf_for(&s);
	conf.batch_events = 3;
	conf.batch_ms = 100000;
	c = open_with(&conf);
	for (int i = 0; i < 4; i++) {
		ev[i] = astro_client_event_new();
		all[i] = ev[i];
		astro_client_event_time(ev[i], 1796040000000000000);
		astro_client_event_int(ev[i], "n", i);
	}
	assert_int_equal(log_number(c, 9), 0);
	assert_int_equal(astro_client_log_all(c, all, 0), 0);
	assert_int_equal(astro_client_log_all(c, all, 4), -EMSGSIZE);
	assert_int_equal(astro_client_log_all(c, all, 3), 0); /* does not fit beside the first */
	accept_one(&s);
	take_and_ack(&s);
	expect_number(&s, 9);
	take_and_ack(&s);
	assert_string_equal(s.records, "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n");
	astro_client_event_end(ev[1]);
	assert_int_equal(astro_client_log_all(c, all, 3), -EINVAL);
	assert_int_equal(astro_client_flush(c, PATIENCE_MS), 0);
	assert_int_equal(counts_of(c).logged, 4);
	assert_int_equal(counts_of(c).refused, 7);
	assert_int_equal(counts_of(c).frames, 2);
	assert_int_equal(astro_client_close(&c, 0), 0);
	for (int i = 0; i < 4; i++)
		astro_client_event_free(&ev[i]);
	end(&s);
}

/* ---- acks ---- */

static void test_acks_come_late(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	struct server s;

	(void)state;
	serve(&s);
	conf = conf_for(&s);
	conf.window = 2;
	conf.batch_events = 1;
	conf.connect_ms = PATIENCE_MS;
	c = open_with(&conf);
	accept_one(&s);
	for (int i = 0; i < 5; i++)
		assert_int_equal(log_number(c, i), 0);
	assert_true(read_frame(&s));
	assert_true(read_frame(&s));
	expect_number(&s, 1);
	assert_int_equal(counts_of(c).queued, 5);
	assert_int_equal(astro_client_flush(c, 0), -ETIMEDOUT);
	assert_int_equal(astro_client_flush(c, 1), -ETIMEDOUT);
	assert_int_equal(counts_of(c).frames, 2); /* the window's */
	hang_up(&s);
	accept_one(&s);
	for (int i = 0; i < 5; i++) {
		take_and_ack(&s);
		expect_number(&s, i);
	}
	assert_int_equal(astro_client_flush(c, PATIENCE_MS), 0);
	assert_int_equal(counts_of(c).acked, 5);
	assert_int_equal(counts_of(c).frames_resent, 2);
	assert_int_equal(counts_of(c).connections, 2);
	assert_int_equal(astro_client_close(&c, 0), 0);
	end(&s);
}

static void test_acks_in_another_order(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	char chunks[3][128];
	struct server s;

	(void)state;
	serve(&s);
	conf = conf_for(&s);
	conf.batch_events = 1;
	c = open_with(&conf);
	for (int i = 0; i < 3; i++)
		assert_int_equal(log_number(c, i), 0);
	accept_one(&s);
	for (int i = 0; i < 3; i++) {
		assert_true(read_frame(&s));
		strcpy(chunks[i], s.chunk);
	}
	ack(&s, chunks[2]);
	ack(&s, chunks[0]);
	hang_up(&s);
	accept_one(&s);
	take_and_ack(&s); /* the one in the middle, and no other */
	assert_string_equal(s.chunk, chunks[1]);
	assert_int_equal(astro_client_close(&c, PATIENCE_MS), 0);
	assert_int_equal(atomic_load(&s.acked), 3);
	end(&s);
}

static void test_an_ack_that_never_comes(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	char chunk[128];
	struct server s;

	(void)state;
	serve(&s);
	conf = conf_for(&s);
	conf.ack_ms = 20;
	c = open_with(&conf);
	assert_int_equal(log_number(c, 7), 0);
	accept_one(&s);
	assert_true(read_frame(&s));
	strcpy(chunk, s.chunk);
	assert_false(read_more(&s)); /* it hangs up by itself */
	do {
		accept_one(&s);
	} while (!read_frame(&s)); /* a slow machine may let one more time pass */
	expect_number(&s, 7);
	assert_string_equal(s.chunk, chunk);
	ack(&s, s.chunk);
	assert_true(atomic_load(&s.errors) > 0);
	assert_int_equal(atomic_load(&s.error), -ETIMEDOUT);
	astro_client_close(&c, PATIENCE_MS);
	end(&s);
}

static void test_a_connection_cut_in_a_frame(void **state)
{
	struct astro_client_event *ev = astro_client_event_new();
	char *large = calloc(1, (900 << 10) + 1);
	struct astro_client_conf conf;
	struct astro_client *c;
	struct server s;

	(void)state;
	serve(&s);
	conf = conf_for(&s);
	c = open_with(&conf);
	memset(large, 'y', 900 << 10);
	astro_client_event_str(ev, "large", large);
	assert_int_equal(astro_client_log(c, ev), 0);
	for (int i = 0; i < 3; i++) { /* each time a little is read */
		accept_one(&s);
		assert_true(read_more(&s));
	}
	accept_one(&s);
	take_and_ack(&s);
	assert_true(s.payload_bytes > 900 << 10);
	assert_int_equal(astro_client_flush(c, PATIENCE_MS), 0);
	assert_int_equal(counts_of(c).connections, 4);
	assert_int_equal(counts_of(c).frames_resent, 3);
	assert_int_equal(counts_of(c).failures, 3);
	assert_int_equal(astro_client_close(&c, 0), 0);
	astro_client_event_free(&ev);
	free(large);
	end(&s);
}

static void test_answers_that_are_no_acks(void **state)
{
	static const struct span wrong[] = { SPAN_LIT("\x81\xa3"
						      "ack\xa4nope"),
		SPAN_LIT("HTTP/1.1 400 Bad Request\r\n"), SPAN_LIT("\xc1"), SPAN_LIT("\x80") };
	struct astro_client_conf conf;
	struct astro_client *c;
	char chunk[128] = "";
	struct server s;

	(void)state;
	serve(&s);
	conf = conf_for(&s);
	c = open_with(&conf);
	assert_int_equal(log_number(c, 7), 0);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		accept_one(&s);
		assert_true(read_frame(&s));
		assert_true(i == 0 || strcmp(chunk, s.chunk) == 0);
		strcpy(chunk, s.chunk);
		assert_int_equal(send(s.fd, wrong[i].p, wrong[i].n, MSG_NOSIGNAL), wrong[i].n);
		assert_false(read_more(&s));
	}
	accept_one(&s);
	take_and_ack(&s);
	assert_int_equal(astro_client_close(&c, PATIENCE_MS), 0);
	assert_int_equal(atomic_load(&s.errors), 4);
	assert_int_equal(atomic_load(&s.error), -EPROTO);
	end(&s);
}

/* ---- the queue ---- */

/* Logs until it is refused; how many were taken. */
static int fill(struct astro_client *c)
{
	int n = 0, rc;

	while ((rc = log_number(c, n)) == 0)
		n++;
	assert_int_equal(rc, -EAGAIN);
	return n;
}

static void test_a_full_queue_refuses(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	struct server s;
	int taken;

	(void)state;
	serve(&s);
	conf = conf_for(&s);
	conf.queue_bytes = 4096;
	conf.batch_bytes = 1024;
	c = open_with(&conf);
	taken = fill(c);
	assert_true(taken > 100);
	assert_int_equal(counts_of(c).queued, taken);
	assert_int_equal(counts_of(c).refused, 1);
	assert_true(counts_of(c).queued_bytes <= 4096);
	accept_one(&s);
	while (s.events_all < (uint64_t)taken)
		take_and_ack(&s);
	assert_int_equal(astro_client_flush(c, PATIENCE_MS), 0);
	assert_int_equal(counts_of(c).queued_bytes, 0);
	assert_int_equal(log_number(c, 1), 0); /* there is room again */
	take_and_ack(&s);
	assert_int_equal(astro_client_close(&c, PATIENCE_MS), 0);
	end(&s);
}

static void test_a_full_queue_drops_the_oldest(void **state)
{
	struct astro_client_conf conf;
	struct astro_client_counts counts;
	struct astro_client *c;
	struct server s;

	(void)state;
	serve(&s);
	conf = conf_for(&s);
	conf.full = ASTRO_CLIENT_FULL_DROP_OLDEST;
	conf.queue_bytes = 4096;
	conf.batch_bytes = 512;
	conf.window = 1;
	c = open_with(&conf);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(log_number(c, i), 0);
	counts = counts_of(c);
	assert_int_equal(counts.logged, 10000);
	assert_true(counts.dropped > 9000);
	assert_int_equal(counts.refused, 0);
	accept_one(&s);
	while (s.events_all < counts.queued)
		take_and_ack(&s);
	assert_non_null(strstr(s.records, "{\"n\":9999}\n")); /* the newest is there */
	assert_int_equal(astro_client_close(&c, PATIENCE_MS), 0);
	end(&s);
}

static void *log_many(void *arg)
{
	for (int i = 0; i < 2000; i++)
		assert_int_equal(log_number(arg, i), 0);
	return NULL;
}

static void test_a_full_queue_is_waited_for(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	pthread_t thread;
	struct server s;

	(void)state;
	serve(&s);
	conf = conf_for(&s);
	conf.full = ASTRO_CLIENT_FULL_WAIT;
	conf.queue_bytes = 2048;
	conf.batch_bytes = 512;
	c = open_with(&conf);
	assert_int_equal(pthread_create(&thread, NULL, log_many, c), 0);
	accept_one(&s);
	while (s.events_all < 2000)
		take_and_ack(&s);
	pthread_join(thread, NULL);
	assert_int_equal(astro_client_close(&c, PATIENCE_MS), 0);
	conf.full_wait_ms = 1;
	c = open_with(&conf);
	fill(c);
	assert_int_equal(astro_client_close(&c, 0), -ETIMEDOUT);
	assert_null(c);
	assert_int_equal(astro_client_close(&c, 0), 0);
	end(&s);
}

static void test_events_that_are_too_large(void **state)
{
	struct astro_client_event *ev = astro_client_event_new();
	char *large = calloc(1, 70001);
	struct astro_client_conf conf;
	struct astro_client *c;
	struct server s;

	(void)state;
	memset(large, 'z', 70000);
	astro_client_event_str(ev, "large", large);
	serve(&s);
	conf = conf_for(&s);
	conf.queue_bytes = 65536;
	c = open_with(&conf);
	assert_int_equal(astro_client_log(c, ev), -EMSGSIZE);
	assert_int_equal(counts_of(c).refused, 1);
	assert_int_equal(astro_client_close(&c, 0), 0);
	conf.to = "udp://127.0.0.1:9";
	c = open_with(&conf);
	assert_int_equal(astro_client_log(c, ev), -EMSGSIZE);
	assert_int_equal(astro_client_close(&c, 0), 0);
	astro_client_event_free(&ev);
	free(large);
	end(&s);
}

/* ---- threads, processes, other doors ---- */

enum { THREADS = 4 };

static void test_many_threads(void **state)
{
	struct astro_client_conf conf;
	pthread_t threads[THREADS];
	struct astro_client *c;
	struct server s;

	(void)state;
	serve(&s);
	conf = conf_for(&s);
	c = open_with(&conf);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_many, c), 0);
	accept_one(&s);
	while (s.events_all < 2000 * THREADS)
		take_and_ack(&s);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(astro_client_flush(c, PATIENCE_MS), 0);
	assert_int_equal(counts_of(c).acked, 2000 * THREADS);
	assert_int_equal(astro_client_close(&c, 0), 0);
	end(&s);
}

/* What a child does with the client of its parent; its exit status is the first thing that was wrong. */
static int in_the_child(struct astro_client *c)
{
	struct astro_client_counts counts = ASTRO_CLIENT_COUNTS_INIT;

	if (log_number(c, 8) != -ECHILD)
		return 1;
	if (astro_client_flush(c, -1) != -ECHILD)
		return 2;
	if (astro_client_get_counts(c, &counts) != -ECHILD)
		return 3;
	return astro_client_close(&c, -1) != 0 || c != NULL ? 4 : 0;
}

static void test_fork(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	struct server s;
	int status;
	pid_t pid;

	(void)state;
	serve(&s);
	conf = conf_for(&s);
	c = open_with(&conf);
	assert_int_equal(log_number(c, 7), 0);
	accept_one(&s);
	take_and_ack(&s);
	pid = fork();
	if (pid == 0)
		_exit(in_the_child(c));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(log_number(c, 9), 0); /* the parent goes on */
	take_and_ack(&s);
	expect_number(&s, 9);
	assert_int_equal(astro_client_close(&c, PATIENCE_MS), 0);
	end(&s);
}

static void test_datagrams(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	uint8_t bytes[65536];
	struct server s;
	ssize_t n;

	(void)state;
	listen_at(&s, SOCK_DGRAM);
	conf = conf_for(&s);
	c = open_with(&conf);
	for (int i = 0; i < 100; i++)
		assert_int_equal(log_number(c, i), 0);
	assert_int_equal(astro_client_flush(c, PATIENCE_MS), 0);
	while (s.events_all < 100) {
		await(s.listener);
		n = recv(s.listener, bytes, sizeof bytes, 0);
		assert_true(n > 0);
		assert_true(n <= 1400);
		keep_frame(&s, span_of(bytes, (size_t)n));
		assert_string_equal(s.chunk, "");
		s.events_all += s.events;
	}
	assert_int_equal(counts_of(c).acked, 100);
	close(s.listener);
	while (counts_of(c).failures == 0) { /* the refusal of one is told to a later one */
		assert_int_equal(log_number(c, 1), 0);
		assert_int_equal(astro_client_flush(c, PATIENCE_MS), 0);
	}
	assert_int_equal(atomic_load(&s.error), -ECONNREFUSED);
	assert_int_equal(astro_client_close(&c, 0), 0);
	buf_fini(&s.in);
}

static void test_a_unix_socket(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/astro-client-XXXXXX";
	struct astro_client_conf conf;
	struct astro_client *c;
	struct server s;
	int rc;

	(void)state;
	assert_non_null(mkdtemp(dir));
	serve(&s);
	close(s.listener);
	s.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/s", dir);
	snprintf(s.to, sizeof s.to, "unix:%s", sa.sun_path);
	conf = conf_for(&s);
	conf.connect_ms = 1; /* too short for the first try on a busy machine */
	rc = astro_client_open(&conf, &c);
	assert_true(rc == -ENOENT || rc == -ETIMEDOUT);
	assert_int_equal(bind(s.listener, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(s.listener, 8), 0);
	conf.connect_ms = PATIENCE_MS;
	c = open_with(&conf);
	assert_int_equal(log_number(c, 7), 0);
	accept_one(&s);
	take_and_ack(&s);
	assert_int_equal(astro_client_close(&c, PATIENCE_MS), 0);
	unlink(sa.sun_path);
	rmdir(dir);
	end(&s);
}

/* ---- configuration ---- */

static void refuse(struct astro_client_conf conf)
{
	struct astro_client *c = NULL;

	assert_int_equal(astro_client_open(&conf, &c), -EINVAL);
	assert_null(c);
}

static void test_configurations_that_make_no_sense(void **state)
{
	struct server s = { .fd = -1, .to = "tcp://127.0.0.1:9" };
	const struct astro_client_conf good = conf_for(&s);
	struct astro_client_conf bad;
	char tag[2048] = "";

	(void)state;
	memset(tag, 't', sizeof tag - 1);
	bad = good, bad.size = 0, refuse(bad);
	bad = good, bad.size = 1 << 20, refuse(bad);
	assert_int_equal(atomic_load(&s.errors), 0);
	bad = good, bad.to = "http://127.0.0.1", refuse(bad);
	bad = good, bad.tag = tag, refuse(bad);
	bad = good, bad.window = 2000, refuse(bad);
	bad = good, bad.batch_bytes = 10, refuse(bad);
	bad = good, bad.batch_bytes = 1 << 30, refuse(bad);
	bad = good, bad.queue_bytes = 1000, refuse(bad);
	bad = good, bad.queue_bytes = UINT64_C(1) << 40, refuse(bad);
	bad = good, bad.full = (enum astro_client_full)7, refuse(bad);
	assert_int_equal(atomic_load(&s.errors), 8);
	assert_int_equal(atomic_load(&s.error), -EINVAL);
}

/* A program made with an older header, whose structures end earlier. */
static void test_an_older_header(void **state)
{
	struct astro_client_counts counts = ASTRO_CLIENT_COUNTS_INIT;
	struct astro_client_conf conf;
	struct astro_client *c;
	struct server s;

	(void)state;
	serve(&s);
	conf = conf_for(&s);
	conf.size = offsetof(struct astro_client_conf, queue_bytes);
	conf.queue_bytes = 1; /* nothing of this is looked at */
	conf.error = NULL;
	c = open_with(&conf);
	assert_int_equal(log_number(c, 7), 0);
	counts.size = offsetof(struct astro_client_counts, acked);
	counts.acked = 77;
	assert_int_equal(astro_client_get_counts(c, &counts), 0);
	assert_int_equal(counts.logged, 1);
	assert_int_equal(counts.acked, 77);
	counts.size = 1;
	assert_int_equal(astro_client_get_counts(c, &counts), -EINVAL);
	accept_one(&s);
	take_and_ack(&s);
	assert_int_equal(astro_client_close(&c, PATIENCE_MS), 0);
	assert_int_equal(strncmp(astro_client_version(), "1.", 2), 0);
	assert_non_null(strstr(astro_client_strerror(-EAGAIN), "queue"));
	assert_non_null(strstr(astro_client_strerror(-ECHILD), "fork"));
	assert_non_null(astro_client_strerror(-EPROTO));
	assert_non_null(astro_client_strerror(-EMSGSIZE));
	assert_non_null(astro_client_strerror(-ECONNREFUSED));
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_event_of_every_type),
		cmocka_unit_test(test_mistakes_stick),
		cmocka_unit_test(test_events_that_go_together),
		cmocka_unit_test(test_acks_come_late),
		cmocka_unit_test(test_acks_in_another_order),
		cmocka_unit_test(test_an_ack_that_never_comes),
		cmocka_unit_test(test_a_connection_cut_in_a_frame),
		cmocka_unit_test(test_answers_that_are_no_acks),
		cmocka_unit_test(test_a_full_queue_refuses),
		cmocka_unit_test(test_a_full_queue_drops_the_oldest),
		cmocka_unit_test(test_a_full_queue_is_waited_for),
		cmocka_unit_test(test_events_that_are_too_large),
		cmocka_unit_test(test_many_threads),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_a_unix_socket),
		cmocka_unit_test(test_configurations_that_make_no_sense),
		cmocka_unit_test(test_an_older_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
