/*
 * A ring of ids in order of arrival; beside it a hash table of places with open addressing, linear
 * probing and removal by shifting back, so that it never fills with tombstones. The place in the table
 * is mixed with a seed of the process: ids come from peers.
 */
#include "storage/chunkset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/base/check.h"

static uint32_t home(const struct chunkset *s, struct store_chunk c)
{
	uint64_t h = (c.lo ^ s->seed) * UINT64_C(0x9e3779b97f4a7c15);

	h ^= c.hi;
	h *= UINT64_C(0xd6e8feb86659fd93);
	return (uint32_t)(h >> 32) & s->slots_mask;
}

int chunkset_init(struct chunkset *s, uint32_t cap)
{
	uint32_t slots = 8;

	ASSERT(cap > 0);
	ASSERT(cap < 1u << 30);
	while (slots < cap * 2)
		slots *= 2;
	memset(s, 0, sizeof *s);
	s->ring = calloc(cap, sizeof *s->ring);
	s->tags = calloc(cap, sizeof *s->tags);
	s->slots = calloc(slots, sizeof *s->slots);
	if (!s->ring || !s->tags || !s->slots) {
		chunkset_fini(s);
		return -ENOMEM;
	}
	s->cap = cap;
	s->slots_mask = slots - 1;
	if (getrandom(&s->seed, sizeof s->seed, GRND_NONBLOCK) < 0)
		s->seed = (uintptr_t)s;
	return 0;
}

void chunkset_fini(struct chunkset *s)
{
	free(s->ring);
	free(s->tags);
	free(s->slots);
	memset(s, 0, sizeof *s);
}

void chunkset_clear(struct chunkset *s)
{
	memset(s->slots, 0, ((size_t)s->slots_mask + 1) * sizeof *s->slots);
	s->begin = 0;
	s->end = 0;
}

/* The slot that holds c, or the free one where it would go. */
static uint32_t find(const struct chunkset *s, struct store_chunk c)
{
	uint32_t i = home(s, c);

	while (s->slots[i]) {
		struct store_chunk have = s->ring[s->slots[i] - 1];

		if (have.lo == c.lo && have.hi == c.hi)
			break;
		i = (i + 1) & s->slots_mask;
	}
	return i;
}

static void drop(struct chunkset *s, uint64_t number)
{
	uint32_t hole = find(s, s->ring[number % s->cap]);
	uint32_t i = hole;

	ASSERT(s->slots[hole] == number % s->cap + 1);
	for (;;) {
		uint32_t want;

		i = (i + 1) & s->slots_mask;
		if (!s->slots[i])
			break;
		want = home(s, s->ring[s->slots[i] - 1]);
		/* It may move into the hole unless its home lies behind the hole. */
		if (((i - want) & s->slots_mask) >= ((i - hole) & s->slots_mask)) {
			s->slots[hole] = s->slots[i];
			hole = i;
		}
	}
	s->slots[hole] = 0;
}

bool chunkset_add(struct chunkset *s, struct store_chunk c, uint64_t tag)
{
	uint32_t place = (uint32_t)(s->end % s->cap);

	if (s->slots[find(s, c)])
		return false;
	if (s->end - s->begin == s->cap)
		drop(s, s->begin++);
	s->ring[place] = c;
	s->tags[place] = tag;
	s->slots[find(s, c)] = place + 1;
	s->end++;
	ASSERT(s->end - s->begin <= s->cap);
	return true;
}

bool chunkset_has(const struct chunkset *s, struct store_chunk c, uint64_t *out_tag)
{
	uint32_t slot = s->slots[find(s, c)];

	if (slot && out_tag)
		*out_tag = s->tags[slot - 1];
	return slot != 0;
}

void chunkset_undo(struct chunkset *s, uint64_t end)
{
	ASSERT(end <= s->end);
	while (s->end > end && s->end > s->begin)
		drop(s, --s->end);
	s->end = end;
	if (s->begin > end)
		s->begin = end;
}
