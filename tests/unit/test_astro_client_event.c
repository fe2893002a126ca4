/*
 * Goal:   an event arrives as it was made, with mistakes told; what is too large, and a configuration
 *         that makes no sense, is refused; programs made with an older header go on.
 * Method: the test is the collector (tests/support/fake_collector.h).
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/client.h"
#include "tests/support/fake_collector.h"

/* ---- events ---- */

static void test_an_event_of_every_type(void **state)
{
	struct astro_client_event *ev = astro_client_event_new();
	struct astro_client_conf conf;
	struct astro_client *c;
	struct fake_collector s;

	(void)state;
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	c = fake_collector_open_client(&conf);
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
	fake_collector_accept(&s);
	fake_collector_take_and_ack(&s);
	assert_string_equal(s.records,
		"{\"event_type\":\"PAYMENT\",\"cut\":\"anna\",\"none\":null,\"nil\":null,"
		"\"low\":-9223372036854775808,\"high\":18446744073709551615,\"amount\":48.5,"
		"\"yes\":true,\"raw\":\"AAEC\",\"metadata\":{\"list\":[1,{},[]],\"no\":false}}\n");
	assert_int_equal(astro_client_close(&c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	assert_int_equal(atomic_load(&s.acked), 1);
	fake_collector_end(&s);
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
	struct fake_collector s;

	(void)state;
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	conf.batch_events = 3;
	conf.batch_ms = 100000;
	c = fake_collector_open_client(&conf);
	for (int i = 0; i < 4; i++) {
		ev[i] = astro_client_event_new();
		all[i] = ev[i];
		astro_client_event_time(ev[i], 1796040000000000000);
		astro_client_event_int(ev[i], "n", i);
	}
	assert_int_equal(fake_collector_log_number(c, 9), 0);
	assert_int_equal(astro_client_log_all(c, all, 0), 0);
	assert_int_equal(astro_client_log_all(c, all, 4), -EMSGSIZE);
	assert_int_equal(astro_client_log_all(c, all, 3), 0); /* does not fit beside the first */
	fake_collector_accept(&s);
	fake_collector_take_and_ack(&s);
	fake_collector_expect_number(&s, 9);
	fake_collector_take_and_ack(&s);
	assert_string_equal(s.records, "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n");
	astro_client_event_end(ev[1]);
	assert_int_equal(astro_client_log_all(c, all, 3), -EINVAL);
	assert_int_equal(astro_client_flush(c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	assert_int_equal(fake_collector_counts(c).logged, 4);
	assert_int_equal(fake_collector_counts(c).refused, 7);
	assert_int_equal(fake_collector_counts(c).frames, 2);
	assert_int_equal(astro_client_close(&c, 0), 0);
	for (int i = 0; i < 4; i++)
		astro_client_event_free(&ev[i]);
	fake_collector_end(&s);
}

static void test_events_that_are_too_large(void **state)
{
	struct astro_client_event *ev = astro_client_event_new();
	char *large = calloc(1, 70001);
	struct astro_client_conf conf;
	struct astro_client *c;
	struct fake_collector s;

	(void)state;
	memset(large, 'z', 70000);
	astro_client_event_str(ev, "large", large);
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	conf.queue_bytes = 65536;
	c = fake_collector_open_client(&conf);
	assert_int_equal(astro_client_log(c, ev), -EMSGSIZE);
	assert_int_equal(fake_collector_counts(c).refused, 1);
	assert_int_equal(astro_client_close(&c, 0), 0);
	conf.to = "udp://127.0.0.1:9";
	c = fake_collector_open_client(&conf);
	assert_int_equal(astro_client_log(c, ev), -EMSGSIZE);
	assert_int_equal(astro_client_close(&c, 0), 0);
	astro_client_event_free(&ev);
	free(large);
	fake_collector_end(&s);
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
	struct fake_collector s = { .fd = -1, .to = "tcp://127.0.0.1:9" };
	const struct astro_client_conf good = fake_collector_conf(&s);
	struct astro_client_conf bad;
	char tag[LIMIT_TAG_BYTES + 2] = "";

	(void)state;
	memset(tag, 't', LIMIT_TAG_BYTES + 1);
	bad = good, bad.size = 0, refuse(bad);
	bad = good, bad.size = 1 << 20, refuse(bad);
	assert_int_equal(atomic_load(&s.errors), 0);
	bad = good, bad.to = "http://127.0.0.1", refuse(bad);
	bad = good, bad.tag = tag, refuse(bad);
	bad = good, bad.window = LIMIT_ACKS_PENDING + 1, refuse(bad);
	bad = good, bad.tag = "t", bad.batch_bytes = LIMIT_SENDER_BATCH_BYTES_MIN, refuse(bad);
	bad = good, bad.batch_bytes = LIMIT_SENDER_BATCH_BYTES + 1, refuse(bad);
	bad = good, bad.queue_bytes = 1000, refuse(bad);
	bad = good, bad.queue_bytes = LIMIT_SENDER_QUEUE_BYTES + UINT64_C(1), refuse(bad);
	bad = good, bad.full = (enum astro_client_full)7, refuse(bad);
	assert_int_equal(atomic_load(&s.errors), 8);
	assert_int_equal(atomic_load(&s.error), -EINVAL);
}

static void test_configurations_at_their_limits(void **state)
{
	struct fake_collector s = { .fd = -1, .to = "tcp://127.0.0.1:9" };
	const struct astro_client_conf good = fake_collector_conf(&s);
	struct astro_client_conf rows[] = { good, good, good, good };
	struct astro_client *c;
	char tag[LIMIT_TAG_BYTES + 1] = "";

	(void)state;
	memset(tag, 't', LIMIT_TAG_BYTES);
	rows[0].queue_bytes = LIMIT_SENDER_QUEUE_BYTES;
	rows[1].batch_bytes = LIMIT_SENDER_BATCH_BYTES;
	rows[2].batch_bytes = LIMIT_SENDER_BATCH_BYTES_MIN + 1;
	rows[2].tag = "t";
	rows[3].tag = tag;
	rows[3].window = LIMIT_ACKS_PENDING;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		c = fake_collector_open_client(&rows[i]);
		assert_int_equal(astro_client_close(&c, 0), 0);
	}
}

/* A program made with an older header, whose structures end earlier. */
static void test_an_older_header(void **state)
{
	struct astro_client_counts counts = ASTRO_CLIENT_COUNTS_INIT;
	struct astro_client_conf conf;
	struct astro_client *c;
	struct fake_collector s;

	(void)state;
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	conf.size = offsetof(struct astro_client_conf, queue_bytes);
	conf.queue_bytes = 1; /* nothing of this is looked at */
	conf.error = NULL;
	c = fake_collector_open_client(&conf);
	assert_int_equal(fake_collector_log_number(c, 7), 0);
	counts.size = offsetof(struct astro_client_counts, acked);
	counts.acked = 77;
	assert_int_equal(astro_client_get_counts(c, &counts), 0);
	assert_int_equal(counts.logged, 1);
	assert_int_equal(counts.acked, 77);
	counts.size = 1;
	assert_int_equal(astro_client_get_counts(c, &counts), -EINVAL);
	fake_collector_accept(&s);
	fake_collector_take_and_ack(&s);
	assert_int_equal(astro_client_close(&c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	assert_int_equal(strncmp(astro_client_version(), "1.", 2), 0);
	assert_non_null(strstr(astro_client_strerror(-EAGAIN), "queue"));
	assert_non_null(strstr(astro_client_strerror(-ECHILD), "fork"));
	assert_non_null(astro_client_strerror(-EPROTO));
	assert_non_null(astro_client_strerror(-EMSGSIZE));
	assert_non_null(astro_client_strerror(-ECONNREFUSED));
	fake_collector_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_event_of_every_type),
		cmocka_unit_test(test_mistakes_stick),
		cmocka_unit_test(test_events_that_go_together),
		cmocka_unit_test(test_events_that_are_too_large),
		cmocka_unit_test(test_configurations_that_make_no_sense),
		cmocka_unit_test(test_configurations_at_their_limits),
		cmocka_unit_test(test_an_older_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
