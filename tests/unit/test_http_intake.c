/*
 * Goal: a request that brings events is answered when they are durable, and within its time whatever the
 * journal does; who is answered 503 learns whether anything was stored; what a body becomes unpacked has a
 * bound. Method: a server with the door's route; the store's writer is played by this file, its commits
 * held up at will; the loop is turned by hand until a condition holds.
 */
#include "tests/support/check_cmocka.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "collector/collector.h"
#include "collector/http_intake.h"
#include "collector/http_jsonline.h"
#include "collector/http_logs.h"
#include "proto/base/check.h"
#include "proto/http/http_server.h"
#include "storage/chunkset.h"
#include "tests/support/socket_kit.h"

enum {
	UNPACKED_MAX = 256 << 10,
	MEMORY_BYTES = 1 << 30,
	CLIENTS = LIMIT_COMMIT_SLOTS + 1,
};

/* ---------------------------------------------------------------- the store, played */

struct store_writer {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct chunkset chunks;
	bool hold; /* commit waits until it is false */
	uint64_t appended, durable;
};

int store_writer_append(struct store_writer *w, const struct store_batch *b, struct diag *d)
{
	(void)d;
	pthread_mutex_lock(&w->lock);
	w->appended += b->rows_count;
	pthread_mutex_unlock(&w->lock);
	return 0;
}

int store_writer_commit(struct store_writer *w, uint64_t *out_committed, struct diag *d)
{
	(void)d;
	pthread_mutex_lock(&w->lock);
	while (w->hold)
		pthread_cond_wait(&w->changed, &w->lock);
	w->durable = w->appended;
	*out_committed = w->durable;
	pthread_mutex_unlock(&w->lock);
	return 0;
}

int store_writer_restart(struct store_writer *w, struct diag *d)
{
	(void)w, (void)d;
	return 0;
}

struct chunkset *store_writer_chunks(struct store_writer *w)
{
	return &w->chunks;
}

uint64_t store_writer_committed(const struct store_writer *w)
{
	return w->durable;
}

/* By the thread alone. */
uint64_t store_writer_next(const struct store_writer *w)
{
	return w->appended + 1;
}

static void hold(struct store_writer *w, bool on)
{
	pthread_mutex_lock(&w->lock);
	w->hold = on;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* ---------------------------------------------------------------- the door */

struct bench {
	struct collector c;
	struct store_writer w;
	struct http_server *server;
	struct http_intake *in;
	bool closed;
	char heard[1 << 14];
};

static void on_logs(void *arg, struct http_call *call)
{
	http_intake_post(((struct bench *)arg)->in, call, &http_logs_shape);
}

static void on_jsonline(void *arg, struct http_call *call)
{
	http_intake_post(((struct bench *)arg)->in, call, &http_jsonline_shape);
}

static const struct http_server_route routes[] = {
	{ "/insert/jsonline", HTTP_PARSE_POST, on_jsonline, .body_max = LIMIT_POST_BYTES,
		.streams = true },
	{ "/api/logs", HTTP_PARSE_POST, on_logs, .body_max = LIMIT_POST_BYTES, .streams = true },
};

static void on_durable(void *arg)
{
	struct bench *b = arg;

	if (b->in)
		http_intake_durable(b->in);
}

static void on_fatal(void *arg)
{
	(void)arg;
	fail_msg("no frame was on disk");
}

static void open_server(struct bench *b)
{
	const struct http_server_conf conf = {
		.routes = routes, .routes_count = ARRAY_COUNT(routes), .arg = b
	};
	struct addr at;
	struct diag d;

	assert_int_equal(listener_gate_init(&b->c.gate, 64, &d), 0);
	assert_int_equal(addr_parse("127.0.0.1:0", &at, &d), 0);
	assert_int_equal(http_server_open(&b->c.loop, &b->c.gate, &at, &conf, &b->server, &d), 0);
	assert_int_equal(http_intake_new(&b->c, &b->in), 0);
}

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	const struct commit_conf commit = { .loop = &b->c.loop,
		.writer = &b->w,
		.durable = on_durable,
		.fatal = on_fatal,
		.arg = b };
	struct diag d;

	assert_non_null(b);
	assert_int_equal(uv_loop_init(&b->c.loop), 0);
	pthread_mutex_init(&b->w.lock, NULL);
	pthread_cond_init(&b->w.changed, NULL);
	assert_int_equal(
		chunkset_init(&b->w.chunks, LIMIT_CHUNKS_REMEMBERED, LIMIT_CHUNKS_IN_FLIGHT), 0);
	stage_pool_init(&b->c.intake.pool, -1, MEMORY_BYTES, 0);
	assert_int_equal(normalise_new(&b->c.intake.normalise), 0);
	assert_int_equal(commit_open(&commit, &b->c.intake.commit, &d), 0);
	open_server(b);
	*state = b;
	return 0;
}

static void on_closed(void *arg)
{
	((struct bench *)arg)->closed = true;
}

static int tear_down(void **state)
{
	struct bench *b = *state;
	int64_t end_ns = socket_kit_end_ns();

	hold(&b->w, false);
	while (!commit_idle(b->c.intake.commit))
		socket_kit_step(&b->c.loop, end_ns);
	http_server_close(b->server, on_closed, b);
	http_intake_close(b->in);
	assert_true(commit_close(&b->c.intake.commit));
	assert_int_equal(uv_run(&b->c.loop, UV_RUN_DEFAULT), 0);
	assert_true(b->closed);
	assert_int_equal(http_intake_counts(b->in)->open, 0);
	http_intake_free(&b->in);
	assert_int_equal(uv_loop_close(&b->c.loop), 0);
	stage_pool_fini(&b->c.intake.pool);
	assert_int_equal(b->c.intake.pool.bytes, 0);
	normalise_free(&b->c.intake.normalise);
	chunkset_fini(&b->w.chunks);
	pthread_cond_destroy(&b->w.changed);
	pthread_mutex_destroy(&b->w.lock);
	free(b);
	return 0;
}

/* ---------------------------------------------------------------- clients */

static int post_to(struct bench *b, const char *path, const char *fields, struct span body)
{
	int fd = socket_kit_connect(http_server_addr(b->server));
	char head[1024];

	snprintf(head, sizeof head,
		"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		"Content-Type: application/x-ndjson\r\n%sContent-Length: %zu\r\n\r\n",
		path, fields, body.n);
	socket_kit_say(fd, head);
	socket_kit_send(&b->c.loop, fd, body.p, body.n);
	return fd;
}

static int post(struct bench *b, const char *fields, struct span body)
{
	return post_to(b, "/api/logs", fields, body);
}

static int post_one(struct bench *b, const char *fields)
{
	return post(b, fields, SPAN_LIT("{\"msg\":\"one\"}\n"));
}

/* The whole answer, and the connection is over. */
static const char *answer(struct bench *b, int fd)
{
	assert_false(socket_kit_hear(&b->c.loop, fd, b->heard, sizeof b->heard, NULL));
	close(fd);
	return b->heard;
}

static void until_open(struct bench *b, uint64_t want)
{
	int64_t end_ns = socket_kit_end_ns();

	while (http_intake_counts(b->in)->open != want || http_intake_reading(b->in))
		socket_kit_step(&b->c.loop, end_ns);
}

#define assert_says(text, what) assert_non_null(strstr(text, what))

/* ---------------------------------------------------------------- tests */

static void answered_when_durable(void **state)
{
	struct bench *b = *state;
	const char *text;
	int fd;

	hold(&b->w, true);
	fd = post_one(b, "");
	until_open(b, 1);
	assert_int_equal(recv(fd, b->heard, 1, MSG_DONTWAIT), -1);
	hold(&b->w, false);
	text = answer(b, fd);
	assert_says(text, "HTTP/1.1 201 Created");
	assert_says(text, "\"stored\":1,\"id\":1");
	assert_int_equal(http_intake_counts(b->in)->refused, 0);
}

/* It is told that nobody knows; and the same key again finds it stored. */
static void not_durable_in_time(void **state)
{
	struct bench *b = *state;
	const char *text;

	http_intake_retune(b->in, &(struct http_intake_limits){ .answer_ms = 1 });
	hold(&b->w, true);
	text = answer(b, post_one(b, "Idempotency-Key: k\r\n"));
	assert_says(text, "HTTP/1.1 503 ");
	assert_says(text, "Retry-After: 1\r\n");
	assert_says(text, "not durable yet, and it may become so later");
	assert_says(text, "the same Idempotency-Key");
	assert_int_equal(http_intake_counts(b->in)->refused, 1);
	assert_int_equal(http_intake_counts(b->in)->full, 1);
	assert_int_equal(http_intake_counts(b->in)->open, 0);
	http_intake_retune(b->in, &(struct http_intake_limits){ .answer_ms = 0 });
	hold(&b->w, false);
	text = answer(b, post_one(b, "Idempotency-Key: k\r\n"));
	assert_says(text, "HTTP/1.1 200 OK");
	assert_says(text, "\"repeated\":true");
	assert_int_equal(b->w.durable, 1);
}

/* As many as the batches take wait for the journal, the others for room in them: nothing of theirs is kept. */
static void no_room_in_time(void **state)
{
	struct bench *b = *state;
	char *large = malloc(LIMIT_BATCH_BYTES);
	unsigned late = 0, stored = 0;
	int fds[CLIENTS];

	/* A line fills a batch. */
	assert_non_null(large);
	memset(large, 'x', LIMIT_BATCH_BYTES);
	memcpy(large, "{\"msg\":\"", 8);
	memcpy(large + LIMIT_BATCH_BYTES - 3, "\"}\n", 3);
	http_intake_retune(b->in, &(struct http_intake_limits){ .room_ms = 1 });
	hold(&b->w, true);
	for (unsigned i = 0; i < CLIENTS; i++) {
		fds[i] = post(b, "", span_of(large, LIMIT_BATCH_BYTES));
		if (commit_room(b->c.intake.commit)) {
			until_open(b, i + 1);
			continue;
		}
		assert_says(answer(b, fds[i]), "the journal is behind: nothing was stored");
		assert_says(b->heard, "Retry-After: 1\r\n");
		fds[i] = -1;
		late++;
	}
	assert_true(late >= 1);
	assert_int_equal(http_intake_counts(b->in)->full, late);
	hold(&b->w, false);
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (fds[i] < 0)
			continue;
		assert_says(answer(b, fds[i]), "HTTP/1.1 201 Created");
		stored++;
	}
	assert_int_equal(stored + late, CLIENTS);
	assert_int_equal(b->w.durable, stored);
	free(large);
}

/* Equal lines shrink far; what they become again counts. */
static struct buf packed_lines(size_t bytes)
{
	static char line[] = "{\"msg\":\"the same again, and again, and once more\"}\n";
	z_stream z = { 0 };
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_int_equal(buf_reserve(&out, 1 << 20), 0);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = out.p;
	z.avail_out = 1 << 20;
	for (size_t n = 0; n < bytes; n += sizeof line - 1) {
		z.next_in = (Bytef *)line;
		z.avail_in = sizeof line - 1;
		assert_int_equal(deflate(&z, Z_NO_FLUSH), Z_OK);
	}
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.len = z.total_out;
	deflateEnd(&z);
	return out;
}

static void a_body_too_large_unpacked(void **state)
{
	struct bench *b = *state;
	struct buf fits = packed_lines(UNPACKED_MAX - 100);
	struct buf large = packed_lines(UNPACKED_MAX + 1);
	const char *text;
	uint64_t stored;

	http_intake_retune(b->in, &(struct http_intake_limits){ .unpacked_max = UNPACKED_MAX });
	text = answer(b, post(b, "Content-Encoding: gzip\r\n", buf_span(&fits)));
	assert_says(text, "HTTP/1.1 201 Created");
	stored = b->w.durable;
	text = answer(b, post(b, "Content-Encoding: gzip\r\n", buf_span(&large)));
	assert_says(text, "HTTP/1.1 413 ");
	assert_int_equal(http_intake_counts(b->in)->refused, 1);
	assert_int_equal(http_intake_counts(b->in)->full, 0);
	assert_int_equal(b->w.appended, stored);
	buf_fini(&fits);
	buf_fini(&large);
}

/* Without its packing a body is as large as it says. */
static void a_body_too_large(void **state)
{
	struct bench *b = *state;
	int fd = socket_kit_connect(http_server_addr(b->server));
	char head[256];

	snprintf(head, sizeof head,
		"POST /api/logs HTTP/1.1\r\nHost: x\r\nContent-Length: %u\r\n\r\n",
		LIMIT_POST_BYTES + 1);
	socket_kit_say(fd, head);
	assert_true(socket_kit_hear(&b->c.loop, fd, b->heard, sizeof b->heard, "\r\n\r\n"));
	assert_says(b->heard, "HTTP/1.1 413 ");
	close(fd);
}

/* Of so many bad lines the answer tells, the others it counts. */
static void many_bad_lines(void **state)
{
	struct bench *b = *state;
	struct buf body;
	const char *text;
	unsigned told = 0;
	char want[64];

	buf_init(&body, 1 << 16);
	for (int i = 0; i < LIMIT_POST_ERRORS + 5; i++)
		buf_put_str(&body, "no event\n");
	buf_put_str(&body, "{\"msg\":\"an event\"}\n");
	text = answer(b, post(b, "", buf_span(&body)));
	assert_says(text, "HTTP/1.1 200 OK");
	snprintf(want, sizeof want,
		"\"stored\":1,\"id\":1,\"first_id\":1,\"last_id\":1,\"rejected\":%d,",
		LIMIT_POST_ERRORS + 5);
	assert_says(text, want);
	for (const char *at = strstr(text, "{\"line\":"); at; at = strstr(at + 1, "{\"line\":"))
		told++;
	assert_int_equal(told, LIMIT_POST_ERRORS);
	buf_fini(&body);
}

static void many_names(void **state)
{
	struct bench *b = *state;
	char path[256] = "/insert/jsonline?ignore_fields=a";

	for (int i = 1; i < LIMIT_JSONLINE_NAMES; i++)
		strcat(path, ",a");
	assert_says(answer(b, post_to(b, path, "", SPAN_LIT("{\"_msg\":\"one\"}\n"))),
		"HTTP/1.1 201 Created");
	strcat(path, ",a");
	assert_says(answer(b, post_to(b, path, "", SPAN_LIT("{\"_msg\":\"one\"}\n"))),
		"HTTP/1.1 400 Bad Request");
	assert_says(b->heard, "\"field\":\"ignore_fields\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answered_when_durable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(not_durable_in_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_room_in_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_body_too_large_unpacked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_body_too_large, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_bad_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_names, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("http_intake", tests, NULL, NULL);
}
