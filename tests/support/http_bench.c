#include "tests/support/http_bench.h"

#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void http_bench_echo(void *arg, struct http_call *call)
{
	const struct http_parse_request *r = http_call_request(call);
	struct http_call_head head = { .status = 200, .type = "text/plain" };
	struct buf body;

	(void)arg;
	assert_string_equal(http_call_peer(call), "127.0.0.1");
	buf_init(&body, 1 << 20);
	buf_put_span(&body, r->query);
	buf_put_span(&body, r->body);
	http_call_reply(call, &head, &body);
}

int http_bench_open(void **state, const struct http_server_conf *given, unsigned ms)
{
	struct http_bench *b = calloc(1, sizeof *b);
	struct http_server_conf conf = *given;
	struct addr at;
	struct diag d;

	assert_non_null(b);
	conf.arg = b;
	conf.conns_max = 4;
	conf.body_max = 1000;
	conf.head_ms = conf.body_ms = conf.idle_ms = conf.write_ms = ms;
	conf.write_rate = ms ? UINT32_MAX : 0;
	assert_int_equal(uv_loop_init(&b->loop), 0);
	assert_int_equal(listener_gate_init(&b->gate, 16, &d), 0);
	assert_int_equal(addr_parse("127.0.0.1:0", &at, &d), 0);
	assert_int_equal(http_server_open(&b->loop, &b->gate, &at, &conf, &b->server, &d), 0);
	*state = b;
	return 0;
}

static void on_closed(void *arg)
{
	((struct http_bench *)arg)->closed = true;
}

int http_bench_close(void **state)
{
	struct http_bench *b = *state;

	http_server_close(b->server, on_closed, b);
	if (b->held && !b->gone) {
		uv_run(&b->loop, UV_RUN_ONCE);
		http_call_text(b->held, 200, NULL, "");
	}
	assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
	assert_true(b->closed);
	assert_int_equal(b->gate.open, 0);
	assert_int_equal(uv_loop_close(&b->loop), 0);
	free(b);
	return 0;
}

int http_bench_client(struct http_bench *b)
{
	return socket_kit_connect(http_server_addr(b->server));
}

size_t http_bench_hear(struct http_bench *b, int fd, char *dst, size_t cap, const char *want)
{
	int64_t end_ns = socket_kit_end_ns();
	size_t n = 0;

	for (;;) {
		ssize_t got;

		socket_kit_step(&b->loop, end_ns);
		got = recv(fd, dst + n, cap - 1 - n, MSG_DONTWAIT);
		if (got == 0)
			return n;
		if (got < 0)
			continue;
		n += (size_t)got;
		dst[n] = 0;
		if (want && strstr(dst, want))
			return n;
	}
}

unsigned http_bench_count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
		n++;
	return n;
}

void http_bench_run_until_timeouts(struct http_bench *b, uint64_t count)
{
	HTTP_BENCH_UNTIL(b, http_server_counters(b->server)->timeouts >= count);
	assert_int_equal(http_server_counters(b->server)->timeouts, count);
}
