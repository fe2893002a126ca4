#include "tests/support/fake_collector.h"

#include "tests/support/check_cmocka.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/wire/forward_put.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"

static void on_error(void *arg, int code, const char *text)
{
	struct fake_collector *s = arg;

	assert_non_null(text);
	atomic_store(&s->error, code);
	atomic_fetch_add(&s->errors, 1);
}

static void on_acked(void *arg, const char *chunk, uint32_t events)
{
	struct fake_collector *s = arg;

	assert_non_null(chunk);
	atomic_fetch_add(&s->acked, events);
}

void fake_collector_listen(struct fake_collector *s, int type)
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

void fake_collector_serve(struct fake_collector *s)
{
	fake_collector_listen(s, SOCK_STREAM);
}

void fake_collector_await(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, FAKE_COLLECTOR_PATIENCE_MS), 1);
}

void fake_collector_hang_up(struct fake_collector *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

void fake_collector_accept(struct fake_collector *s)
{
	fake_collector_hang_up(s);
	fake_collector_await(s->listener);
	s->fd = accept(s->listener, NULL, NULL);
	assert_true(s->fd >= 0);
	buf_reset(&s->in);
	s->taken = 0;
}

void fake_collector_end(struct fake_collector *s)
{
	fake_collector_hang_up(s);
	close(s->listener);
	buf_fini(&s->in);
}

bool fake_collector_read_more(struct fake_collector *s)
{
	ssize_t n;

	fake_collector_await(s->fd);
	assert_int_equal(buf_reserve(&s->in, 65536), 0);
	n = recv(s->fd, s->in.p + s->in.len, 65536, 0);
	if (n > 0)
		s->in.len += (size_t)n;
	return n > 0;
}

static void keep_records(struct fake_collector *s, struct span payload)
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
void fake_collector_keep_frame(struct fake_collector *s, struct span frame)
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
bool fake_collector_read_frame(struct fake_collector *s)
{
	struct span frame;
	struct rcur c;
	int rc;

	for (;;) {
		c = rcur_of(s->in.p + s->taken, s->in.len - s->taken);
		rc = s->in.len > s->taken ? walk_take(&c, &frame) : -1;
		if (rc == 0)
			break;
		if (!fake_collector_read_more(s))
			return false;
	}
	s->taken += frame.n;
	fake_collector_keep_frame(s, frame);
	return true;
}

void fake_collector_ack(struct fake_collector *s, const char *chunk)
{
	uint8_t bytes[FORWARD_PUT_ACK_BYTES];
	size_t n = forward_put_ack(bytes, span_str(chunk));

	assert_int_equal(send(s->fd, bytes, n, MSG_NOSIGNAL), n);
}

void fake_collector_take_and_ack(struct fake_collector *s)
{
	assert_true(fake_collector_read_frame(s));
	s->events_all += s->events;
	fake_collector_ack(s, s->chunk);
}

/* ---- a client ---- */

struct astro_client_conf fake_collector_conf(struct fake_collector *s)
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

struct astro_client *fake_collector_open_client(const struct astro_client_conf *conf)
{
	struct astro_client *c = NULL;

	assert_int_equal(astro_client_open(conf, &c), 0);
	return c;
}

struct astro_client_counts fake_collector_counts(struct astro_client *c)
{
	struct astro_client_counts counts = ASTRO_CLIENT_COUNTS_INIT;

	assert_int_equal(astro_client_get_counts(c, &counts), 0);
	assert_int_equal(counts.logged, counts.acked + counts.dropped + counts.queued);
	return counts;
}

int fake_collector_log_number(struct astro_client *c, int64_t number)
{
	struct astro_client_event *ev = astro_client_event_new();
	int rc;

	astro_client_event_int(ev, "n", number);
	rc = astro_client_log(c, ev);
	astro_client_event_free(&ev);
	return rc;
}

void fake_collector_expect_number(const struct fake_collector *s, int64_t number)
{
	char want[64];

	snprintf(want, sizeof want, "{\"n\":%lld}\n", (long long)number);
	assert_string_equal(s->records, want);
}
