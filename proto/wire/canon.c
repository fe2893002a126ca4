/*
 * The check keeps, for each open map, the keys it has met on one stack shared by all levels, and a
 * set of 64 bits of their hashes. As long as no bit is met twice no key can be; only otherwise are
 * the map's keys compared when it ends.
 */
#include "proto/wire/canon.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/wire/pack.h"
#include "proto/wire/walk.h"

enum {
	/* Up to here every key is compared with every other. */
	PAIRWISE_MAX = 16,
	TABLE_SLOTS = 2 * CANON_UNIQUE_MAX,
	STACK_PAIRS = LIMIT_DEPTH * LIMIT_MAP_PAIRS,
};

static_assert((int)LIMIT_MAP_PAIRS <= (int)CANON_UNIQUE_MAX, "one map's keys can be compared");
static_assert((TABLE_SLOTS & (TABLE_SLOTS - 1)) == 0, "a slot is a masked hash");
static_assert(CANON_UNIQUE_MAX < UINT16_MAX, "a slot holds an index plus one");

struct canon {
	uint64_t seed;
	uint64_t keys_dropped;
	uint64_t keys_repeated;
	uint32_t used; /* of the stack */
	uint16_t slots[TABLE_SLOTS];
	struct canon_pair stack[STACK_PAIRS];
};

int canon_new(struct canon **out)
{
	struct canon *k = calloc(1, sizeof *k);

	if (!k)
		return -ENOMEM;
	k->seed = (uint64_t)clock_mono_ns() ^ (uintptr_t)k;
	*out = k;
	return 0;
}

void canon_free(struct canon **k)
{
	free(*k);
	*k = NULL;
}

uint64_t canon_keys_dropped(const struct canon *k)
{
	return k->keys_dropped;
}

uint64_t canon_keys_repeated(const struct canon *k)
{
	return k->keys_repeated;
}

/* ---- equal keys ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9fb21c651e98df25);
	return h ^ (h >> 32);
}

static uint64_t hash(uint64_t seed, struct span s)
{
	uint64_t h = seed ^ s.n, v;
	size_t at = 0;

	for (; s.n - at >= sizeof v; at += sizeof v) {
		memcpy(&v, s.p + at, sizeof v);
		h = mix(h, v);
	}
	v = 0;
	if (s.n > at)
		memcpy(&v, s.p + at, s.n - at);
	return mix(mix(h, v), seed);
}

static uint32_t unique_pairwise(struct canon_pair *pairs, uint32_t n)
{
	uint32_t losers = 0;

	for (uint32_t i = n; i-- > 0;) {
		pairs[i].winner = i;
		for (uint32_t j = n - 1; j > i; j--) {
			if (pairs[j].winner == j && span_eq(pairs[i].key, pairs[j].key)) {
				pairs[i].winner = j;
				losers++;
				break;
			}
		}
	}
	return losers;
}

/* From the last pair to the first, so that the one already in the table is the winner. */
static uint32_t unique_hashed(struct canon *k, struct canon_pair *pairs, uint32_t n)
{
	uint32_t slots = 2 * PAIRWISE_MAX, losers = 0;

	while (slots < 2 * n)
		slots *= 2;
	ASSERT(slots <= TABLE_SLOTS);
	memset(k->slots, 0, slots * sizeof k->slots[0]);
	for (uint32_t i = n; i-- > 0;) {
		uint32_t at = (uint32_t)hash(k->seed, pairs[i].key) & (slots - 1);

		while (k->slots[at] && !span_eq(pairs[k->slots[at] - 1u].key, pairs[i].key))
			at = (at + 1) & (slots - 1);
		if (!k->slots[at])
			k->slots[at] = (uint16_t)(i + 1);
		pairs[i].winner = k->slots[at] - 1u;
		losers += pairs[i].winner != i;
	}
	return losers;
}

uint32_t canon_unique(struct canon *k, struct canon_pair *pairs, uint32_t n)
{
	ASSERT(n <= CANON_UNIQUE_MAX);
	return n <= PAIRWISE_MAX ? unique_pairwise(pairs, n) : unique_hashed(k, pairs, n);
}

/* ---- the check ---- */

struct level {
	uint64_t missing; /* values; in a map an even number means that a key is next */
	uint64_t seen;    /* bits of the keys' hashes */
	uint32_t base;    /* of its keys on the stack */
	bool map;
	bool clash; /* a bit was met twice */
};

struct check {
	struct canon *k;
	struct rcur *c;
	struct level *top;
	struct level *limit;
	bool rewrite;
};

static uint64_t key_bit(struct span s)
{
	uint32_t h;

	if (s.n == 0)
		return 1;
	h = s.p[0] | (uint32_t)s.p[s.n / 2] << 8 | (uint32_t)s.p[s.n - 1] << 16 |
	    (uint32_t)s.n << 24;
	return UINT64_C(1) << (h * 0x9e3779b1u >> 26);
}

static void note_key(struct check *ck, struct span key)
{
	struct level *top = ck->top;
	uint64_t bit = key_bit(key);

	ASSERT(ck->k->used < STACK_PAIRS);
	ck->k->stack[ck->k->used++].key = key;
	top->clash |= (top->seen & bit) != 0;
	top->seen |= bit;
}

static int enter(struct check *ck, const struct walk_value *v)
{
	bool map = v->type == WALK_MAP;

	if (ck->top == ck->limit)
		return ERR_DEPTH;
	if (map && v->count > LIMIT_MAP_PAIRS)
		return ERR_LIMIT;
	ck->top++;
	*ck->top = (struct level){
		.missing = (uint64_t)v->count << map,
		.base = ck->k->used,
		.map = map,
	};
	return 0;
}

/* A key that is no text is dropped with its pair later on, but counts as any value until then. */
static int check_key(struct check *ck)
{
	struct walk_value v;
	int rc = walk_next(ck->c, &v);

	if (rc < 0)
		return rc;
	if (walk_is_text(&v))
		note_key(ck, v.data);
	ck->rewrite |= v.type != WALK_STR;
	return v.type == WALK_ARRAY || v.type == WALK_MAP ? enter(ck, &v) : 0;
}

static int check_value(struct check *ck)
{
	struct walk_value v;
	int rc = walk_next(ck->c, &v);

	if (rc == 0 && (v.type == WALK_ARRAY || v.type == WALK_MAP))
		rc = enter(ck, &v);
	return rc;
}

static void leave(struct check *ck)
{
	struct level *top = ck->top;

	if (top->clash &&
		canon_unique(ck->k, ck->k->stack + top->base, ck->k->used - top->base) > 0)
		ck->rewrite = true;
	ck->k->used = top->base;
	ck->top--;
}

int canon_check(struct canon *k, struct rcur *c, unsigned depth)
{
	struct level levels[LIMIT_DEPTH + 1];
	struct check ck = { .k = k, .c = c, .top = levels };
	int rc;

	ASSERT(depth <= LIMIT_DEPTH);
	ASSERT(k->used == 0);
	ck.limit = levels + (LIMIT_DEPTH - depth);
	levels[0] = (struct level){ .missing = 1 };
	for (;;) {
		struct level *at = ck.top;

		rc = at->map && (at->missing & 1) == 0 ? check_key(&ck) : check_value(&ck);
		if (rc < 0)
			break;
		at->missing--;
		while (ck.top->missing == 0) {
			if (ck.top == levels)
				return ck.rewrite ? CANON_REWRITE : 0;
			leave(&ck);
		}
	}
	k->used = 0;
	return rc;
}

/* ---- writing anew ---- */

void canon_put_map(struct wcur *w, uint32_t pairs)
{
	uint8_t head[PACK_HEAD_BYTES_MAX];

	wcur_bytes(w, head, pack_at_map(head, pairs));
}

void canon_put_str(struct wcur *w, struct span s)
{
	uint8_t head[PACK_HEAD_BYTES_MAX];

	ASSERT(s.n <= UINT32_MAX);
	wcur_bytes(w, head, pack_at_str(head, (uint32_t)s.n));
	wcur_bytes(w, s.p, s.n);
}

static void write_value(struct canon *k, struct rcur *c, struct wcur *w, unsigned level);

/* The pairs of a map whose keys are text, on the stack; the others are counted and passed over. */
static uint32_t push_pairs(struct canon *k, struct rcur *c, uint32_t count)
{
	struct canon_pair *pairs = k->stack + k->used;
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct rcur start = *c;
		struct walk_value key;
		struct span value = SPAN_NONE;

		walk_read(c, &key);
		if (!walk_is_text(&key)) {
			*c = start;
			walk_skip(c);
			walk_skip(c);
			k->keys_dropped++;
			continue;
		}
		walk_take(c, &value);
		ASSERT(value.p);
		ASSERT(k->used < STACK_PAIRS);
		k->used++;
		pairs[n++] = (struct canon_pair){ .key = key.data, .value = value };
	}
	return n;
}

static void write_map(
	struct canon *k, struct rcur *c, struct wcur *w, uint32_t count, unsigned level)
{
	uint32_t base = k->used;
	uint32_t n = push_pairs(k, c, count);
	uint32_t losers = canon_unique(k, k->stack + base, n);

	k->keys_repeated += losers;
	canon_put_map(w, n - losers);
	for (uint32_t i = 0; i < n; i++) {
		const struct canon_pair *pair = &k->stack[base + i];
		struct rcur value = rcur_of(pair->value.p, pair->value.n);

		if (pair->winner != i)
			continue;
		canon_put_str(w, pair->key);
		write_value(k, &value, w, level + 1);
	}
	k->used = base;
}

/* Recursion ends at LIMIT_DEPTH: canon_check has passed the value. */
static void write_value(struct canon *k, struct rcur *c, struct wcur *w, unsigned level)
{
	const uint8_t *start = c->p;
	struct walk_value v;

	ASSERT(level <= LIMIT_DEPTH);
	walk_read(c, &v);
	ASSERT(c->err == 0);
	if (v.type == WALK_MAP) {
		write_map(k, c, w, v.count, level);
		return;
	}
	wcur_bytes(w, start, (size_t)(c->p - start));
	if (v.type == WALK_ARRAY) {
		for (uint32_t i = 0; i < v.count; i++)
			write_value(k, c, w, level + 1);
	}
}

void canon_write(struct canon *k, struct span value, struct wcur *w)
{
	struct rcur c = rcur_of(value.p, value.n);

	ASSERT(k->used == 0);
	write_value(k, &c, w, 0);
	ASSERT(k->used == 0);
}
