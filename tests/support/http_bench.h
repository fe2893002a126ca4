/*
 * http_bench - a server under test and its clients, on one loop and one thread. While a client listens,
 * the loop turns.
 *
 * Life: open and close are the set-up and tear-down of one test; the struct is *state.
 */
#ifndef TESTS_SUPPORT_HTTP_BENCH_H
#define TESTS_SUPPORT_HTTP_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "proto/base/span.h"
#include "proto/http/http_server.h"
#include "tests/support/socket_kit.h"

struct http_bench {
	uv_loop_t loop;
	struct listener_gate gate;
	struct http_server *server;
	struct http_call *held;   /* by /later */
	struct http_call *giving; /* by /give, /silent */
	unsigned gone, streamed, given, taken_back;
	struct http_call *taking; /* by /take, whose body comes in pieces */
	unsigned pieces;
	size_t taken;
	uint8_t last;
	struct http_call *raw; /* by /raw */
	size_t to_send, raw_read;
	unsigned raw_drains;
	bool closed, broken;
};

#define HTTP_BENCH_GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

/* Turns the loop until the condition holds. */
#define HTTP_BENCH_UNTIL(b, condition)                             \
	do {                                                       \
		int64_t until_end_ns = socket_kit_end_ns();        \
		while (!(condition))                               \
			socket_kit_step(&(b)->loop, until_end_ns); \
	} while (0)

/* routes are static; their arg is the bench. ms: each time limit, 0: those of limits.h. */
int http_bench_open(void **state, const struct http_server_conf *conf, unsigned ms);
int http_bench_close(void **state);

int http_bench_client(struct http_bench *b);
/* Until the client has `want` (NULL: never), or the server has ended it. Returns the bytes in dst. */
size_t http_bench_hear(struct http_bench *b, int fd, char *dst, size_t cap, const char *want);
unsigned http_bench_count(const char *text, const char *what);
/* Until so many time limits were passed. */
void http_bench_run_until_timeouts(struct http_bench *b, uint64_t count);

/* A handler: 200 with the query and the body. */
void http_bench_echo(void *arg, struct http_call *call);

#endif
