/*
 * A ring of ids in order of arrival; beside it a hash table of places with open addressing, linear
 * probing and removal by shifting back, so that it never fills with tombstones. A slot holds some bits
 * of the hash too: the ring is looked at for ids that are there, and hardly ever for others. The place
 * in the table is mixed with a seed of the process: ids come from peers.
 */
#include "storage/chunkset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/base/check.h"

enum {
	CHECK_SHIFT = 21,
	CAP_MAX = (1 << CHECK_SHIFT) - 1,
	PLACE_MASK = CAP_MAX,
};

/* What is kept of an id, and where it belongs. */
struct key {
	uint32_t id[CHUNKSET_ID_WORDS];
	uint32_t home;
	uint32_t check; /* the upper bits of its slot */
};

static struct key key_of(const struct chunkset *s, const uint32_t id[CHUNKSET_ID_WORDS])
{
	uint64_t low = (uint64_t)id[1] << 32 | id[0];
	uint64_t h = (low ^ s->seed) * UINT64_C(0x9e3779b97f4a7c15);
	struct key k = { .id = { id[0], id[1], id[2] } };

	h ^= (h >> 32) ^ id[2];
	h *= UINT64_C(0xd6e8feb86659fd93);
	k.home = (uint32_t)((h >> 32) * s->slots_count >> 32);
	k.check = (uint32_t)h & ~(uint32_t)PLACE_MASK;
	return k;
}

static struct key key_of_chunk(const struct chunkset *s, struct store_chunk c)
{
	const uint32_t id[CHUNKSET_ID_WORDS] = { (uint32_t)c.lo, (uint32_t)(c.lo >> 32),
		(uint32_t)c.hi };

	return key_of(s, id);
}

static struct key key_at(const struct chunkset *s, uint32_t slot)
{
	return key_of(s, s->ids[(slot & PLACE_MASK) - 1]);
}

int chunkset_init(struct chunkset *s, uint32_t cap, uint32_t notes_cap)
{
	ASSERT(cap > 0);
	ASSERT(cap <= CAP_MAX);
	ASSERT(notes_cap > 0);
	memset(s, 0, sizeof *s);
	s->slots_count = cap + cap / 2 + 8;
	s->ids = calloc(cap, sizeof *s->ids);
	s->notes = calloc(notes_cap, sizeof *s->notes);
	s->slots = calloc(s->slots_count, sizeof *s->slots);
	if (!s->ids || !s->notes || !s->slots) {
		chunkset_fini(s);
		return -ENOMEM;
	}
	s->cap = cap;
	s->notes_cap = notes_cap;
	if (getrandom(&s->seed, sizeof s->seed, GRND_NONBLOCK) < 0)
		s->seed = (uintptr_t)s;
	return 0;
}

void chunkset_fini(struct chunkset *s)
{
	free(s->ids);
	free(s->notes);
	free(s->slots);
	memset(s, 0, sizeof *s);
}

void chunkset_move(struct chunkset *from, struct chunkset *to)
{
	*to = *from;
	memset(from, 0, sizeof *from);
}

static uint32_t after(const struct chunkset *s, uint32_t slot)
{
	return slot + 1 < s->slots_count ? slot + 1 : 0;
}

/* Slots from `from` on to `to`, around the end of the table. */
static uint32_t distance(const struct chunkset *s, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + s->slots_count - from;
}

/* The slot that holds the key, or the free one where it would go. */
static uint32_t find(const struct chunkset *s, const struct key *k)
{
	uint32_t i = k->home;

	while (s->slots[i]) {
		uint32_t place = (s->slots[i] & PLACE_MASK) - 1;

		if ((s->slots[i] & ~(uint32_t)PLACE_MASK) == k->check &&
			memcmp(s->ids[place], k->id, sizeof k->id) == 0)
			break;
		i = after(s, i);
	}
	return i;
}

static void drop(struct chunkset *s, uint64_t number)
{
	struct key k = key_of(s, s->ids[number % s->cap]);
	uint32_t hole = find(s, &k);
	uint32_t i = hole;

	ASSERT((s->slots[hole] & PLACE_MASK) == number % s->cap + 1);
	for (;;) {
		i = after(s, i);
		if (!s->slots[i])
			break;
		k = key_at(s, s->slots[i]);
		/* It may move into the hole unless its home lies behind the hole. */
		if (distance(s, k.home, i) >= distance(s, hole, i)) {
			s->slots[hole] = s->slots[i];
			hole = i;
		}
	}
	s->slots[hole] = 0;
}

bool chunkset_add(struct chunkset *s, struct store_chunk c, uint64_t note)
{
	struct key k = key_of_chunk(s, c);
	uint32_t place = (uint32_t)(s->end % s->cap);

	if (s->slots[find(s, &k)])
		return false;
	if (s->end - s->begin == s->cap)
		drop(s, s->begin++);
	memcpy(s->ids[place], k.id, sizeof k.id);
	s->notes[s->end % s->notes_cap] = note;
	s->slots[find(s, &k)] = k.check | (place + 1);
	s->end++;
	ASSERT(s->end - s->begin <= s->cap);
	return true;
}

bool chunkset_has(const struct chunkset *s, struct store_chunk c, uint64_t *out_note)
{
	struct key k = key_of_chunk(s, c);
	uint32_t slot = s->slots[find(s, &k)];
	uint64_t newest = s->end - 1, age;

	if (!slot)
		return false;
	age = (newest % s->cap + s->cap - ((slot & PLACE_MASK) - 1)) % s->cap;
	ASSERT(age < s->end - s->begin);
	if (out_note)
		*out_note = age < s->notes_cap ? s->notes[(newest - age) % s->notes_cap] : 0;
	return true;
}

void chunkset_undo(struct chunkset *s, uint64_t end)
{
	ASSERT(end <= s->end);
	while (s->end > end && s->end > s->begin) {
		drop(s, --s->end);
		/* Of an older id that is still there, its note is no longer kept. */
		s->notes[s->end % s->notes_cap] = 0;
	}
	s->end = end;
	if (s->begin > end)
		s->begin = end;
}
