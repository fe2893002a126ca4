/*
 * Goal: whatever a text or a value holds, what masks find lies in it, in order, and what they write fits,
 *       is msgpack if it was, and has nothing left that they would find.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/rule/rule_find.h"
#include "proto/rule/rule_mask.h"
#include "proto/wire/pack.h"
#include "proto/wire/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct rule_mask mask;
static struct expr_scratch *scratch;

static void set_up(void)
{
	char told[100];
	size_t at;

	if (scratch)
		return;
	scratch = expr_scratch_new();
	ASSERT(scratch);
	ASSERT(rule_mask_init(&mask) == 0);
	mask.kinds = RULE_MASK_EMAIL | RULE_MASK_CARD | RULE_MASK_BEARER;
	ASSERT(rule_mask_pattern(&mask, SPAN_LIT("secret=\\K\\w+|[0-9a-f]{32}"), &at, told,
		       sizeof told) == 0);
}

typedef bool (*find_cb)(struct span text, size_t from, size_t *out_from, size_t *out_to);

static bool find_bearer(struct span text, size_t from, size_t *out_from, size_t *out_to)
{
	return rule_find_bearer(&mask.bearer, text, from, out_from, out_to);
}

/* Places rise, and each is found as well by whoever begins right before it. */
static void check_places(find_cb find, struct span text)
{
	size_t from, to, at = 0;

	while (find(text, at, &from, &to)) {
		ASSERT(from >= at);
		ASSERT(from < to);
		ASSERT(to <= text.n);
		at = to;
	}
}

/* Written into memory of exactly the room that is promised to be enough. */
static void check_text(struct span text, struct span with)
{
	struct rule_mask_counts counts = { 0 };
	size_t cap = with.n ? text.n * (with.n + 1) + with.n : text.n;
	uint8_t *dst = malloc(cap ? cap : 1);
	struct wcur w = wcur_of(dst, cap);
	bool done;

	ASSERT(dst);
	done = rule_mask_text(&mask, text, with, &w, scratch, &counts);
	ASSERT(w.err == 0);
	ASSERT(done == (counts.texts == 1));
	if (!done)
		ASSERT(w.p == dst);
	free(dst);
}

static bool is_msgpack(struct span value)
{
	struct rcur c = rcur_of(value.p, value.n);

	return walk_skip(&c) == 0 && rcur_left(&c) == 0;
}

static void check_value(struct span value)
{
	struct rule_mask_counts counts = { 0 };
	size_t cap = value.n + PACK_HEAD_BYTES_MAX;
	uint8_t *dst = malloc(cap);
	struct wcur w = wcur_of(dst, cap);

	ASSERT(dst);
	if (rule_mask_value(&mask, value, SPAN_NONE, &w, scratch, &counts)) {
		ASSERT(w.err == 0);
		ASSERT((size_t)(w.p - dst) <= value.n);
		ASSERT(!is_msgpack(value) || is_msgpack(span_of(dst, (size_t)(w.p - dst))));
	} else {
		ASSERT(w.p == dst);
	}
	free(dst);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span text = span_of(data, n);
	size_t from, to;

	set_up();
	expr_scratch_reset(scratch);
	check_places(rule_find_email, text);
	check_places(rule_find_card, text);
	check_places(find_bearer, text);
	ASSERT(rule_find_may_email(text) || !rule_find_email(text, 0, &from, &to));
	ASSERT(rule_find_may_card(text) || !rule_find_card(text, 0, &from, &to));
	check_text(text, SPAN_LIT("***"));
	check_text(text, SPAN_NONE);
	check_value(text);
	return 0;
}
