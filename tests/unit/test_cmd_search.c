/*
 * Goal: whatever the source's pages are, the events that were asked for are shown, in the order that
 *       was asked for; a follower goes on where the search ended, through failures too.
 * Method: a source of numbered events that answers in small pages and fails when told; standard
 *         output read back.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "tools/cmd_search.h"
#include "tools/cmd_tail.h"

enum { PAGE_MAX = 3 };

/* Events 1..count; the time of each is its id. */
struct fake {
	struct source base;
	uint64_t count;
	unsigned asked;
	unsigned fail_at; /* the request that fails with `fail`; 0: none */
	int fail;
	unsigned appear_at; /* the request before which one more event comes */
	unsigned stop_at;   /* the request at which the reader of our output goes away */
	int output[2];
	struct event events[PAGE_MAX];
	uint64_t after; /* of the last request */
	bool counted;   /* a request wanted the total */
};

static int fake_page(
	struct source *base, const struct source_ask *ask, struct source_page *out, struct diag *d)
{
	struct fake *f = (struct fake *)base;
	bool desc = ask->order == ENGINE_ORDER_DESC;
	uint64_t at = desc ? f->count : ask->order == ENGINE_ORDER_ARRIVAL ? ask->after + 1 : 1;

	f->asked++;
	if (f->asked == f->appear_at)
		f->count++;
	if (f->asked == f->stop_at) {
		close(f->output[0]);
		f->output[0] = -1;
	}
	if (f->asked == f->fail_at)
		return diag_set(d, f->fail, "fake", -1, "told to fail");
	f->after = ask->after;
	f->counted = f->counted || ask->total;
	*out = (struct source_page){
		.events = f->events, .total = f->count, .total_known = ask->total
	};
	out->covered = f->count;
	if (*ask->cursor)
		at = strtoull(ask->cursor, NULL, 10);
	while (out->count < ask->limit && out->count < PAGE_MAX && at >= 1 && at <= f->count) {
		f->events[out->count++] = (struct event){ .id = at, .time_ns = (int64_t)at };
		at = desc ? at - 1 : at + 1;
	}
	if (ask->order == ENGINE_ORDER_ARRIVAL)
		out->covered = at - 1;
	else if (at >= 1 && at <= f->count)
		snprintf(out->next, sizeof out->next, "%" PRIu64, at);
	return 0;
}

static void fake_close(struct source *base)
{
	(void)base;
}

static const struct source_ops fake_ops = { .page = fake_page, .close = fake_close };

/* Runs with -o id and returns what was printed, spaces for line ends. */
static const char *run(struct fake *f, struct cmd_args *args, int want_rc)
{
	static char text[4096];
	struct cmd_run r;
	struct diag d;
	int before = dup(1), rc, written;
	ssize_t n;

	f->base.ops = &fake_ops;
	args->format = SHOW_ID;
	args->colour = "never";
	assert_int_equal(pipe(f->output), 0);
	fflush(stdout);
	dup2(f->output[1], 1);
	close(f->output[1]);
	cmd_run_init(&r, args, &f->base);
	rc = cmd_search_run(&r, &d);
	if (rc == 0 && args->follow)
		rc = cmd_tail_run(&r, &d);
	written = cmd_run_fini(&r);
	dup2(before, 1);
	close(before);
	assert_int_equal(written, 0);
	assert_int_equal(rc, want_rc);
	if (f->output[0] < 0)
		return "";
	n = read(f->output[0], text, sizeof text - 1);
	close(f->output[0]);
	text[n < 0 ? 0 : n] = 0;
	for (char *p = text; *p; p++)
		*p = *p == '\n' ? ' ' : *p;
	return text;
}

static const char *search(uint64_t count, uint64_t lines, bool reverse, bool oldest)
{
	struct fake f = { .count = count };
	struct cmd_args args = { .lines = lines, .reverse = reverse, .oldest = oldest };

	return run(&f, &args, 0);
}

static void the_newest_are_shown_in_order_of_time(void **state)
{
	(void)state;
	assert_string_equal(search(10, 4, false, false), "7 8 9 10 ");
	assert_string_equal(search(10, 4, true, false), "10 9 8 7 ");
	assert_string_equal(search(2, 100, false, false), "1 2 ");
	assert_string_equal(search(0, 100, false, false), "");
	assert_string_equal(search(10, 0, false, false), "");
}

static void the_oldest_too(void **state)
{
	(void)state;
	assert_string_equal(search(10, 4, false, true), "1 2 3 4 ");
	assert_string_equal(search(10, 4, true, true), "4 3 2 1 ");
}

static void all_are_streamed(void **state)
{
	(void)state;
	assert_string_equal(search(8, CMD_ARGS_ALL, false, false), "1 2 3 4 5 6 7 8 ");
	assert_string_equal(search(8, CMD_ARGS_ALL, true, false), "8 7 6 5 4 3 2 1 ");
	assert_string_equal(search(6, CMD_ARGS_ALL, false, false), "1 2 3 4 5 6 ");
}

static void the_total_is_counted_for_the_remark_alone(void **state)
{
	struct fake f = { .count = 10 };
	struct cmd_args args = { .lines = 4 };

	(void)state;
	run(&f, &args, 0);
	assert_true(f.counted);
	f = (struct fake){ .count = 10 };
	args.lines_given = true;
	run(&f, &args, 0);
	assert_false(f.counted);
}

static void a_failure_is_passed_up(void **state)
{
	struct fake f = { .count = 10, .fail_at = 2, .fail = -ECONNRESET };
	struct cmd_args args = { .lines = 10 };

	(void)state;
	/* Nothing of a turned list can be shown before all of it is there. */
	assert_string_equal(run(&f, &args, -ECONNRESET), "");
}

static void a_reader_that_goes_away_ends_it_quietly(void **state)
{
	struct fake f = { .count = 1000000, .stop_at = 2 };
	struct cmd_args args = { .lines = CMD_ARGS_ALL };

	(void)state;
	run(&f, &args, 0);
	/* 64 KiB of ids in pages of three, and not all the million. */
	assert_true(f.asked < 10000);
}

static void follow_goes_on_after_the_search(void **state)
{
	struct fake f = { .count = 5, .appear_at = 2, .stop_at = 3 };
	struct cmd_args args = { .lines = 2, .follow = true, .quiet = true };

	(void)state;
	run(&f, &args, 0);
	assert_int_equal(f.asked, 3);
	assert_int_equal(f.after, 6);
}

static void follow_survives_failures(void **state)
{
	struct fake f = { .count = 5, .fail_at = 2, .fail = -ECONNREFUSED, .stop_at = 3 };
	struct cmd_args args = { .lines = 2, .follow = true, .quiet = true };

	(void)state;
	run(&f, &args, 0);
	assert_int_equal(f.asked, 3);
	assert_int_equal(f.after, 5);
}

static void follow_ends_when_the_question_is_refused(void **state)
{
	struct fake f = { .count = 5, .fail_at = 2, .fail = -EINVAL };
	struct cmd_args args = { .lines = 2, .follow = true, .quiet = true };

	(void)state;
	assert_string_equal(run(&f, &args, -EINVAL), "4 5 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_are_shown_in_order_of_time),
		cmocka_unit_test(the_oldest_too),
		cmocka_unit_test(all_are_streamed),
		cmocka_unit_test(the_total_is_counted_for_the_remark_alone),
		cmocka_unit_test(a_failure_is_passed_up),
		cmocka_unit_test(a_reader_that_goes_away_ends_it_quietly),
		cmocka_unit_test(follow_goes_on_after_the_search),
		cmocka_unit_test(follow_survives_failures),
		cmocka_unit_test(follow_ends_when_the_question_is_refused),
	};

	return cmocka_run_group_tests_name("cmd_search", tests, NULL, NULL);
}
