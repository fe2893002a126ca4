/* Goal: a row gives back its event to the byte, and no damaged row reads past its end. */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/limits.h"
#include "storage/row.h"

static struct event sample(void)
{
	struct event ev = { .time_ns = -5, .received_ns = INT64_MAX, .severity = 3, .flags = 5 };

	ev.text[EVENT_TEXT_EVENT_TYPE] = SPAN_LIT("AUTH");
	ev.text[EVENT_TEXT_USER_ID] = SPAN_LIT("");
	ev.text[EVENT_TEXT_DESCRIPTION] = SPAN_LIT("a\0b\xff");
	ev.metadata = SPAN_LIT("\x81\xa1k\x01");
	return ev;
}

static void assert_same(const struct event *a, const struct event *b)
{
	assert_int_equal(a->time_ns, b->time_ns);
	assert_int_equal(a->received_ns, b->received_ns);
	assert_int_equal(a->severity, b->severity);
	assert_int_equal(a->flags, b->flags);
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		assert_int_equal(a->text[i].p == NULL, b->text[i].p == NULL);
		assert_true(span_eq(a->text[i], b->text[i]));
	}
	assert_int_equal(a->metadata.p == NULL, b->metadata.p == NULL);
	assert_true(span_eq(a->metadata, b->metadata));
}

static void round_trip(void **state)
{
	struct event none = { .severity = 7 }, ev = sample(), got;
	struct buf b;
	struct rcur c;

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(row_put(&b, &ev), 0);
	assert_int_equal(row_put(&b, &none), 0);
	c = rcur_of(b.p, b.len);
	assert_int_equal(row_get(&c, &got), 0);
	assert_same(&ev, &got);
	assert_int_equal(row_get(&c, &got), 0);
	assert_same(&none, &got);
	assert_int_equal(rcur_left(&c), 0);
	assert_int_equal(row_get(&c, &got), ERR_TRUNCATED);
	buf_fini(&b);
}

static void too_large_leaves_nothing(void **state)
{
	static uint8_t big[LIMIT_EVENT_BYTES];
	struct event ev = sample();
	struct buf b;

	(void)state;
	buf_init(&b, 4 * LIMIT_EVENT_BYTES);
	ev.metadata = span_of(big, sizeof big);
	assert_int_equal(row_put(&b, &ev), ERR_LIMIT);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
	buf_init(&b, 16);
	ev = sample();
	assert_int_equal(row_put(&b, &ev), ERR_LIMIT);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.err, 0);
	buf_fini(&b);
}

/* Method: every byte set to every value, every length cut; a reader must stop inside the buffer. */
static void damage_is_refused_or_harmless(void **state)
{
	struct event ev = sample(), got;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(row_put(&b, &ev), 0);
	for (size_t n = 0; n < b.len; n++) {
		struct rcur c = rcur_of(b.p, n);

		assert_int_equal(row_get(&c, &got), ERR_TRUNCATED);
	}
	for (size_t i = 0; i < b.len; i++) {
		uint8_t was = b.p[i];

		for (unsigned v = 0; v < 256; v++) {
			struct rcur c = rcur_of(b.p, b.len);

			b.p[i] = (uint8_t)v;
			if (row_get(&c, &got) < 0)
				assert_int_not_equal(c.err, 0);
			else
				assert_true(got.severity < EVENT_SEVERITY_COUNT);
		}
		b.p[i] = was;
	}
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(too_large_leaves_nothing),
		cmocka_unit_test(damage_is_refused_or_harmless),
	};

	return cmocka_run_group_tests_name("row", tests, NULL, NULL);
}
