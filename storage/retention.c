#include "storage/retention.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/timefmt.h"

enum { SPAN_TEXT_BYTES = 32 };

/* ---- in which order ---- */

static int by_age(const struct retention_item *x, const struct retention_item *y)
{
	if (x->newest_ns != y->newest_ns)
		return x->newest_ns < y->newest_ns ? -1 : 1;
	return (x->no > y->no) - (x->no < y->no);
}

/* What is kept in any case comes last. */
static int by_class(const void *a, const void *b)
{
	const struct retention_item *x = *(struct retention_item *const *)a;
	const struct retention_item *y = *(struct retention_item *const *)b;
	int c;

	if (!x->rule || !y->rule)
		return (x->rule == NULL) - (y->rule == NULL);
	c = strcmp(x->rule->name, y->rule->name);
	return c ? c : by_age(x, y);
}

static int by_priority(const void *a, const void *b)
{
	const struct retention_item *x = *(struct retention_item *const *)a;
	const struct retention_item *y = *(struct retention_item *const *)b;

	if (!x->rule || !y->rule)
		return (x->rule == NULL) - (y->rule == NULL);
	if (x->rule->priority != y->rule->priority)
		return x->rule->priority < y->rule->priority ? -1 : 1;
	return by_age(x, y);
}

/* ---- what goes ---- */

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
	const struct retain_class_rule *rule = item->rule;

	item->over_bytes = 0;
	item->verdict = RETENTION_KEEP;
	if (!rule)
		item->verdict = RETENTION_UNKNOWN;
	else if (retain_class_held(rule, rules->now_ns))
		item->verdict = RETENTION_HELD;
	else if (rule->keep_ns > 0 && age_of(rules, item->newest_ns) > rule->keep_ns)
		item->verdict = RETENTION_AGE;
}

/* Of the n items in this order, until what is left of them fits; the bytes above that remain. */
static uint64_t judge_size(
	struct retention_item **order, size_t n, uint64_t bytes_max, enum retention_verdict verdict)
{
	uint64_t left = 0;

	for (size_t i = 0; i < n; i++) {
		if (retention_is_kept(order[i]->verdict))
			left = add_capped(left, order[i]->bytes);
	}
	for (size_t i = 0; i < n && left > bytes_max; i++) {
		if (order[i]->verdict != RETENTION_KEEP)
			continue;
		order[i]->verdict = verdict;
		order[i]->over_bytes = left - bytes_max;
		ASSERT(left >= order[i]->bytes);
		left -= order[i]->bytes;
	}
	return left > bytes_max ? left - bytes_max : 0;
}

/* Each class by its own bound. */
static void judge_classes(struct retention_item **order, size_t n)
{
	qsort(order, n, sizeof *order, by_class);
	for (size_t at = 0, next; at < n && order[at]->rule; at = next) {
		const struct retain_class_rule *rule = order[at]->rule;

		for (next = at; next < n && order[next]->rule == rule;)
			next++;
		if (rule->bytes_max > 0)
			judge_size(order + at, next - at, rule->bytes_max, RETENTION_CLASS_SIZE);
	}
}

/* The bound of the whole that does justice to bytes_max and need; UINT64_MAX: none. */
static uint64_t bound_of(
	const struct retention_rules *rules, const struct retention_item *items, size_t n)
{
	uint64_t bound = rules->bytes_max > 0 ? rules->bytes_max : UINT64_MAX, all = 0;

	for (size_t i = 0; i < n; i++)
		all = add_capped(all, items[i].bytes);
	if (rules->need > 0 && all - (rules->need < all ? rules->need : all) < bound)
		bound = all - (rules->need < all ? rules->need : all);
	return bound;
}

int retention_choose(const struct retention_rules *rules, struct retention_item *items,
	size_t items_count, struct retention_total *out_total)
{
	struct retention_item **order = calloc(items_count + 1, sizeof *order);
	struct retention_total total = { .over_bytes = 0 };

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < items_count; i++) {
		judge_age(rules, &items[i]);
		order[i] = &items[i];
	}
	judge_classes(order, items_count);
	qsort(order, items_count, sizeof *order, by_priority);
	total.over_bytes =
		judge_size(order, items_count, bound_of(rules, items, items_count), RETENTION_SIZE);
	for (size_t i = 0; i < items_count; i++) {
		enum retention_verdict v = items[i].verdict;

		total.count[v]++;
		total.bytes[v] = add_capped(total.bytes[v], items[i].bytes);
	}
	free(order);
	*out_total = total;
	return 0;
}

/* ---- why ---- */

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

static void explain_hold(const struct retain_class_rule *rule, struct buf *out)
{
	char when[TIMEFMT_BYTES_MAX];

	buf_printf(out, "class %s is on hold", rule->name);
	if (rule->hold_until_ns == INT64_MAX)
		return;
	buf_put_str(out, " until ");
	buf_put(out, when, timefmt_put(when, rule->hold_until_ns));
}

static void explain_size(
	const struct retention_rules *rules, const struct retention_item *item, struct buf *out)
{
	if (item->verdict == RETENTION_CLASS_SIZE)
		buf_printf(out, "; oldest while class %s is %" PRIu64 " bytes above its %" PRIu64,
			item->rule->name, item->over_bytes, item->rule->bytes_max);
	else if (item->verdict == RETENTION_SIZE && rules->need > 0)
		buf_printf(out, "; next by priority and age while %" PRIu64 " bytes are needed",
			item->over_bytes);
	else if (item->verdict == RETENTION_SIZE)
		buf_printf(out,
			"; oldest of priority %d while %" PRIu64
			" bytes above the size of %" PRIu64,
			item->rule->priority, item->over_bytes, rules->bytes_max);
	else if (rules->bytes_max > 0 && item->verdict == RETENTION_KEEP)
		buf_printf(out, "; within the size of %" PRIu64, rules->bytes_max);
}

void retention_explain(
	const struct retention_rules *rules, const struct retention_item *item, struct buf *out)
{
	char when[TIMEFMT_BYTES_MAX], age[SPAN_TEXT_BYTES], keep[SPAN_TEXT_BYTES];
	const struct retain_class_rule *rule = item->rule;

	if (item->verdict == RETENTION_HELD) {
		explain_hold(rule, out);
		return;
	}
	if (item->verdict == RETENTION_UNKNOWN) {
		buf_put_str(out, "its class is not in the configuration");
		return;
	}
	buf_put_str(out, "newest event ");
	buf_put(out, when, timefmt_put(when, item->newest_ns));
	buf_printf(out, " is %s old", span_text(age_of(rules, item->newest_ns), age));
	if (rule->keep_ns > 0)
		buf_printf(out, ", keep is %s", span_text(rule->keep_ns, keep));
	explain_size(rules, item, out);
}
