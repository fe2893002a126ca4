#include "storage/retention.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/timefmt.h"

enum { SPAN_TEXT_BYTES = 32 };

static int by_age(const void *a, const void *b)
{
	const struct retention_item *x = *(struct retention_item *const *)a;
	const struct retention_item *y = *(struct retention_item *const *)b;

	if (x->newest_ns != y->newest_ns)
		return x->newest_ns < y->newest_ns ? -1 : 1;
	return (x->no > y->no) - (x->no < y->no);
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* now - newest, 0 for what is to come. */
static int64_t age_of(const struct retention_rules *rules, int64_t newest_ns)
{
	int64_t age;

	if (newest_ns >= rules->now_ns)
		return 0;
	return __builtin_sub_overflow(rules->now_ns, newest_ns, &age) ? INT64_MAX : age;
}

static void judge_age(const struct retention_rules *rules, struct retention_item *item)
{
	bool old = rules->keep_ns > 0 && age_of(rules, item->newest_ns) > rules->keep_ns;

	item->verdict = old ? RETENTION_AGE : RETENTION_KEEP;
	item->over_bytes = 0;
}

/* Oldest first, until what is left fits. */
static void judge_size(const struct retention_rules *rules, struct retention_item **order, size_t n)
{
	uint64_t left = 0;

	for (size_t i = 0; i < n; i++) {
		if (order[i]->verdict == RETENTION_KEEP)
			left = add_capped(left, order[i]->bytes);
	}
	for (size_t i = 0; i < n && left > rules->bytes_max; i++) {
		if (order[i]->verdict != RETENTION_KEEP)
			continue;
		order[i]->verdict = RETENTION_SIZE;
		order[i]->over_bytes = left - rules->bytes_max;
		ASSERT(left >= order[i]->bytes);
		left -= order[i]->bytes;
	}
}

static void add_up(const struct retention_item *item, struct retention_total *t)
{
	switch (item->verdict) {
	case RETENTION_KEEP:
		t->kept_count++;
		t->kept_bytes = add_capped(t->kept_bytes, item->bytes);
		break;
	case RETENTION_AGE:
		t->age_count++;
		t->age_bytes = add_capped(t->age_bytes, item->bytes);
		break;
	case RETENTION_SIZE:
		t->size_count++;
		t->size_bytes = add_capped(t->size_bytes, item->bytes);
		break;
	}
}

int retention_choose(const struct retention_rules *rules, struct retention_item *items,
	size_t items_count, struct retention_total *out_total)
{
	struct retention_item **order = calloc(items_count + 1, sizeof *order);
	struct retention_total total = { 0 };

	ASSERT(rules->keep_ns >= 0);
	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < items_count; i++) {
		judge_age(rules, &items[i]);
		order[i] = &items[i];
	}
	if (rules->bytes_max > 0) {
		qsort(order, items_count, sizeof *order, by_age);
		judge_size(rules, order, items_count);
	}
	for (size_t i = 0; i < items_count; i++)
		add_up(&items[i], &total);
	free(order);
	*out_total = total;
	return 0;
}

/* A span of time as its largest whole unit: "90 d", "3 h", "12 s". */
static const char *span_text(int64_t ns, char dst[SPAN_TEXT_BYTES])
{
	const int64_t s = INT64_C(1000000000);

	if (ns >= 86400 * s)
		snprintf(dst, SPAN_TEXT_BYTES, "%" PRId64 " d", ns / (86400 * s));
	else if (ns >= 3600 * s)
		snprintf(dst, SPAN_TEXT_BYTES, "%" PRId64 " h", ns / (3600 * s));
	else
		snprintf(dst, SPAN_TEXT_BYTES, "%" PRId64 " s", ns / s);
	return dst;
}

void retention_explain(
	const struct retention_rules *rules, const struct retention_item *item, struct buf *out)
{
	char when[TIMEFMT_BYTES_MAX], age[SPAN_TEXT_BYTES], keep[SPAN_TEXT_BYTES];

	buf_put_str(out, "newest event ");
	buf_put(out, when, timefmt_put(when, item->newest_ns));
	buf_printf(out, " is %s old", span_text(age_of(rules, item->newest_ns), age));
	if (rules->keep_ns > 0)
		buf_printf(out, ", keep is %s", span_text(rules->keep_ns, keep));
	if (item->verdict == RETENTION_SIZE)
		buf_printf(out, "; oldest while %" PRIu64 " bytes above the size of %" PRIu64,
			item->over_bytes, rules->bytes_max);
	else if (rules->bytes_max > 0 && item->verdict == RETENTION_KEEP)
		buf_printf(out, "; within the size of %" PRIu64, rules->bytes_max);
}
