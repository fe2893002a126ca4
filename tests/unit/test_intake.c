/*
 * Goal: in steady state the way of an event from a frame's bytes to the journal allocates nothing:
 * parser, normaliser, stage, batch, journal record and ack queue.
 * Method: malloc, calloc and realloc of the whole program are counted (--wrap); a real store, a real
 * journal thread, frames as a client sends them, cut in pieces as a socket gives them.
 */
#include "tests/support/check_cmocka.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "collector/ackq.h"
#include "collector/intake.h"
#include "proto/base/clock.h"
#include "proto/wire/forward_put.h"
#include "proto/wire/json_in.h"
#include "tests/support/tmpdir.h"

enum {
	EVENTS = 500,
	WARM_FRAMES = 40,
	FRAMES = 200,
	PIECE_BYTES = 60000,
	MEMORY_BYTES = 64 << 20,
};

static _Atomic uint64_t allocations;

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
	allocations++;
	return __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
	allocations++;
	return __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
	allocations++;
	return __real_realloc(p, n);
}

struct fixture {
	void *dir; /* its path */
	int fd;
	uv_loop_t loop;
	struct store_writer *writer;
	struct intake intake;
	struct stage stage;
	struct forward forward;
	struct ackq acks;
	struct buf entries, frame;
	uint64_t frames;
};

static void on_durable(void *arg)
{
	(void)arg;
}

static void on_fatal(void *arg)
{
	(void)arg;
	fail_msg("commit gave up");
}

static void put_entries(struct buf *out)
{
	char json[512];
	struct buf record;

	buf_init(&record, 4096);
	for (unsigned i = 0; i < EVENTS; i++) {
		buf_reset(&record);
		snprintf(json, sizeof json,
			"{\"event_type\":\"UPDATE\",\"severity\":\"info\",\"entity_type\":\"order\","
			"\"entity_id\":\"ord-%06u\",\"user_id\":%u,\"message\":\"order %u was updated\","
			"\"ip_address\":\"10.0.%u.%u\",\"extra\":%u,%s"
			"\"metadata\":{\"a\":%u,\"b\":[1,{\"c\":\"d\"}]}}",
			i, i * 7, i, i % 256, i * 3 % 256, i,
			i % 3 ? "" : "\"details\":{\"x\":true},", i);
		assert_int_equal(json_in_text(span_str(json), 0, &record, NULL), 0);
		forward_put_entry(
			out, INT64_C(1700000000) * CLOCK_NS_PER_SEC + i, buf_span(&record));
	}
	buf_fini(&record);
}

static int setup(void **state)
{
	static struct fixture f;
	struct store_conf store = { .dir = NULL };
	struct commit_conf commit = { .loop = &f.loop, .durable = on_durable, .fatal = on_fatal };
	struct diag d;

	if (tmpdir_setup(&f.dir) < 0)
		return -1;
	store.dir = f.dir;
	uv_loop_init(&f.loop);
	if (store_writer_open(&store, &f.writer, &d) < 0)
		return -1;
	commit.writer = f.writer;
	f.fd = open(f.dir, O_RDONLY | O_DIRECTORY);
	stage_pool_init(&f.intake.pool, f.fd, MEMORY_BYTES, MEMORY_BYTES);
	stage_init(&f.stage, &f.intake.pool);
	forward_init(&f.forward, &f.intake.inflates);
	ackq_init(&f.acks);
	buf_init(&f.entries, 4 << 20);
	buf_init(&f.frame, 4 << 20);
	put_entries(&f.entries);
	*state = &f;
	return normalise_new(&f.intake.normalise) < 0 ? -1
						      : commit_open(&commit, &f.intake.commit, &d);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_true(commit_close(&f->intake.commit));
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	stage_fini(&f->stage);
	stage_pool_fini(&f->intake.pool);
	normalise_free(&f->intake.normalise);
	forward_fini(&f->forward);
	inflate_pool_fini(&f->intake.inflates);
	ackq_fini(&f->acks);
	buf_fini(&f->entries);
	buf_fini(&f->frame);
	store_writer_close(&f->writer);
	close(f->fd);
	return tmpdir_teardown(&f->dir);
}

/* The client's side, whose memory is not what is counted. */
static void make_frame(struct fixture *f)
{
	struct forward_put_frame head = { .tag = SPAN_LIT("app.shop") };
	char chunk[32];

	snprintf(chunk, sizeof chunk, "chunk-%llu", (unsigned long long)f->frames++);
	head.chunk = span_str(chunk);
	buf_reset(&f->frame);
	forward_put_packed(&f->frame, &head, buf_span(&f->entries), EVENTS);
	assert_int_equal(f->frame.err, 0);
}

/* True when the frame has ended in this piece. */
static bool feed(struct fixture *f, struct rcur *in)
{
	const struct intake_origin from = { .host = SPAN_LIT("10.0.0.7"),
		.received_ns = INT64_C(1700000001) * CLOCK_NS_PER_SEC };
	struct forward_entry entry;
	struct diag d;
	uint64_t seq;
	int kind;

	while ((kind = forward_next(&f->forward, in, &entry)) != FORWARD_MORE) {
		assert_true(kind > 0);
		if (kind == FORWARD_ENTRY)
			assert_int_equal(
				intake_entry(&f->intake, &from, &f->forward, &entry, &f->stage, &d),
				0);
		if (kind != FORWARD_END)
			continue;
		assert_int_equal(
			intake_end(&f->intake, &from, &f->forward, &f->stage, &seq, &d), 0);
		assert_int_equal(ackq_push(&f->acks, seq, f->forward.frame.chunk), 0);
		return true;
	}
	return false;
}

static void await_acks(struct fixture *f)
{
	int64_t until = clock_mono_ns() + 30 * CLOCK_NS_PER_SEC;
	struct span chunk;

	while (f->acks.count > 0) {
		assert_true(clock_mono_ns() < until);
		uv_run(&f->loop, UV_RUN_NOWAIT);
		while (ackq_pop(&f->acks, commit_durable(f->intake.commit), &chunk))
			continue;
	}
}

/* One frame to its ack; returns what was allocated meanwhile. */
static uint64_t run_frame(struct fixture *f)
{
	uint64_t before;
	bool ended = false;

	make_frame(f);
	before = allocations;
	for (size_t at = 0; at < f->frame.len; at += PIECE_BYTES) {
		size_t n = f->frame.len - at < PIECE_BYTES ? f->frame.len - at : PIECE_BYTES;
		struct rcur in = rcur_of(f->frame.p + at, n);

		ended = feed(f, &in);
	}
	assert_true(ended);
	await_acks(f);
	return allocations - before;
}

static void steady_state_allocates_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t count = 0;

	for (unsigned i = 0; i < WARM_FRAMES; i++)
		count += run_frame(f);
	assert_true(count > 0); /* the counter counts */
	count = 0;
	for (unsigned i = 0; i < FRAMES; i++)
		count += run_frame(f);
	assert_int_equal(f->intake.counts.events[INTAKE_TCP], (WARM_FRAMES + FRAMES) * EVENTS);
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(steady_state_allocates_nothing, setup, teardown),
	};

	return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
