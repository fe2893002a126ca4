#include "storage/merge_plan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"

static bool is_mixed(const struct manifest_segment *s)
{
	return s->hour == MANIFEST_HOUR_MIXED;
}

/* By set: mixed ones, then the days, apart by class. */
static int by_set(const struct manifest_segment *x, const struct manifest_segment *y)
{
	int c = strncmp(x->class_name, y->class_name, sizeof x->class_name);

	if (c != 0)
		return c;
	if (is_mixed(x) != is_mixed(y))
		return is_mixed(x) ? -1 : 1;
	return is_mixed(x) ? 0 : (x->day > y->day) - (x->day < y->day);
}

static int by_size(const void *a, const void *b, void *arg)
{
	const struct manifest_segment *segs = arg;
	const struct manifest_segment *x = &segs[*(const size_t *)a],
				      *y = &segs[*(const size_t *)b];
	int c = by_set(x, y);

	if (c != 0)
		return c;
	if (x->file_bytes != y->file_bytes)
		return x->file_bytes < y->file_bytes ? -1 : 1;
	return (x->no > y->no) - (x->no < y->no);
}

static bool is_closed(const struct merge_plan_conf *conf, const struct manifest_segment *s)
{
	const int64_t day_ns = INT64_C(86400) * CLOCK_NS_PER_SEC;
	int64_t end_ns;

	if (is_mixed(s))
		return true;
	if (__builtin_mul_overflow((int64_t)s->day + 1, day_ns, &end_ns) ||
		__builtin_add_overflow(end_ns, conf->grace_ns, &end_ns))
		return s->day < 0;
	return conf->now_ns >= end_ns;
}

/* How many of the n smallest of a set join one merge. */
static size_t count_joining(const struct merge_plan_conf *conf, const struct manifest_segment *segs,
	const size_t *inputs, size_t n)
{
	uint64_t bytes = 0, blocks = 0;
	size_t i = 0;

	for (; i < n && i < conf->segments_max; i++) {
		const struct manifest_segment *s = &segs[inputs[i]];
		bool small = s->file_bytes <= conf->small_bytes || i == 0;

		if (!small && s->file_bytes / conf->ratio > bytes)
			break;
		if (s->file_bytes > conf->bytes_max || bytes > conf->bytes_max - s->file_bytes)
			break;
		blocks += s->blocks_count;
		if (blocks > conf->blocks_max)
			break;
		bytes += s->file_bytes;
	}
	return i;
}

static void plan_sets(const struct merge_plan_conf *conf, const struct manifest_segment *segs,
	size_t n, struct merge_plan *out)
{
	for (size_t at = 0, next; at < n; at = next) {
		const struct manifest_segment *s = &segs[out->inputs[at]];
		size_t count;

		next = at + 1;
		while (next < n && by_set(s, &segs[out->inputs[next]]) == 0)
			next++;
		count = count_joining(conf, segs, out->inputs + at, next - at);
		if (count < 2)
			continue;
		out->merges[out->merges_count++] = (struct merge_plan_merge){
			.first = at,
			.count = count,
			.mixed = is_mixed(s),
		};
	}
}

int merge_plan_make(const struct merge_plan_conf *conf, const struct manifest_segment *segs,
	size_t segs_count, const bool *skip, struct merge_plan *out)
{
	struct merge_plan plan = { 0 };
	size_t n = 0;

	ASSERT(conf->ratio > 0);
	plan.inputs = calloc(segs_count + 1, sizeof *plan.inputs);
	plan.merges = calloc(segs_count / 2 + 1, sizeof *plan.merges);
	if (!plan.inputs || !plan.merges) {
		merge_plan_fini(&plan);
		return -ENOMEM;
	}
	for (size_t i = 0; i < segs_count; i++) {
		if (!(skip && skip[i]) && is_closed(conf, &segs[i]))
			plan.inputs[n++] = i;
	}
	if (n > 1)
		qsort_r(plan.inputs, n, sizeof *plan.inputs, by_size, (void *)(uintptr_t)segs);
	plan_sets(conf, segs, n, &plan);
	*out = plan;
	return 0;
}

/* ---- tiers ---- */

static unsigned tier_of(const struct merge_plan_tiers *conf, const struct manifest_segment *s)
{
	uint64_t bytes = s->file_bytes / conf->small_bytes;
	unsigned tier = 0;

	for (; bytes > 0; bytes /= conf->fanout)
		tier++;
	return tier;
}

struct tiers {
	const struct merge_plan_tiers *conf;
	const struct manifest_segment *segs;
};

/* Of a set by tier, and of a tier the oldest rows first. */
static int by_tier(const void *a, const void *b, void *arg)
{
	const struct tiers *t = arg;
	const struct manifest_segment *x = &t->segs[*(const size_t *)a],
				      *y = &t->segs[*(const size_t *)b];
	unsigned xt = tier_of(t->conf, x), yt = tier_of(t->conf, y);
	int c = by_set(x, y);

	if (c != 0)
		return c;
	if (xt != yt)
		return xt < yt ? -1 : 1;
	if (x->id_first != y->id_first)
		return x->id_first < y->id_first ? -1 : 1;
	return (x->no > y->no) - (x->no < y->no);
}

static bool fits(const struct tiers *t, const size_t *inputs, size_t n)
{
	uint64_t bytes = 0, blocks = 0;

	for (size_t i = 0; i < n; i++) {
		bytes += t->segs[inputs[i]].file_bytes;
		blocks += t->segs[inputs[i]].blocks_count;
	}
	return bytes <= t->conf->bytes_max && blocks <= t->conf->blocks_max;
}

static bool same_tier(const struct tiers *t, size_t a, size_t b)
{
	const struct manifest_segment *x = &t->segs[a], *y = &t->segs[b];

	return by_set(x, y) == 0 && tier_of(t->conf, x) == tier_of(t->conf, y);
}

/* The full tier that is cheapest to merge becomes the plan's merge. */
static void choose_tier(const struct tiers *t, size_t n, struct merge_plan *out)
{
	size_t fanout = t->conf->fanout;
	unsigned best = UINT_MAX;

	for (size_t at = 0, next; at < n; at = next) {
		const struct manifest_segment *s = &t->segs[out->inputs[at]];
		unsigned tier = tier_of(t->conf, s);

		next = at + 1;
		while (next < n && same_tier(t, out->inputs[at], out->inputs[next]))
			next++;
		if (next - at < fanout || tier >= best || !fits(t, out->inputs + at, fanout))
			continue;
		best = tier;
		out->merges_count = 1;
		out->merges[0] = (struct merge_plan_merge){
			.first = at,
			.count = fanout,
			.mixed = is_mixed(s),
		};
	}
}

/* Marks all of a set that got a segment lately; mixed sets are left to their tiers. */
static void mark_busy(const struct merge_plan_tiers *conf, const struct manifest_segment *segs,
	const size_t *inputs, size_t n, bool *skip)
{
	for (size_t at = 0, next; at < n; at = next) {
		bool busy = is_mixed(&segs[inputs[at]]);

		for (next = at; next < n; next++) {
			if (by_set(&segs[inputs[at]], &segs[inputs[next]]) != 0)
				break;
			busy |= segs[inputs[next]].no > conf->quiet_no;
		}
		for (size_t i = at; i < next && busy; i++)
			skip[inputs[i]] = true;
	}
}

static int plan_quiet(const struct merge_plan_tiers *conf, const struct manifest_segment *segs,
	size_t segs_count, const bool *skip, const size_t *inputs, size_t n, struct merge_plan *out)
{
	bool *busy = calloc(segs_count + 1, sizeof *busy);
	int rc = -ENOMEM;

	if (busy) {
		if (skip)
			memcpy(busy, skip, segs_count * sizeof *busy);
		mark_busy(conf, segs, inputs, n, busy);
		rc = merge_plan_make(&conf->tidy, segs, segs_count, busy, out);
	}
	free(busy);
	if (rc == 0 && out->merges_count > 1)
		out->merges_count = 1;
	return rc;
}

int merge_plan_tier(const struct merge_plan_tiers *conf, const struct manifest_segment *segs,
	size_t segs_count, const bool *skip, struct merge_plan *out)
{
	struct tiers t = { .conf = conf, .segs = segs };
	struct merge_plan plan = { 0 };
	size_t n = 0;
	int rc = 0;

	ASSERT(conf->small_bytes > 0);
	ASSERT(conf->fanout > 1);
	plan.inputs = calloc(segs_count + 1, sizeof *plan.inputs);
	plan.merges = calloc(1, sizeof *plan.merges);
	if (!plan.inputs || !plan.merges) {
		merge_plan_fini(&plan);
		return -ENOMEM;
	}
	for (size_t i = 0; i < segs_count; i++) {
		if (!(skip && skip[i]))
			plan.inputs[n++] = i;
	}
	if (n > 1)
		qsort_r(plan.inputs, n, sizeof *plan.inputs, by_tier, &t);
	choose_tier(&t, n, &plan);
	if (plan.merges_count > 0) {
		*out = plan;
		return 0;
	}
	rc = plan_quiet(conf, segs, segs_count, skip, plan.inputs, n, out);
	merge_plan_fini(&plan);
	return rc;
}

void merge_plan_fini(struct merge_plan *p)
{
	free(p->inputs);
	free(p->merges);
	memset(p, 0, sizeof *p);
}
