#include "storage/partition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "storage/manifest.h"

enum {
	SLOTS_FIRST = 128,
	HOURS_PER_DAY = 24,
	GROUP_NONE = 255,
	/* With too many hours: groups for the fullest of them; the rest are for days and the mixed one. */
	HOURS_KEPT = LIMIT_SEAL_SEGMENTS / 2,
};

#define HOUR_NS (INT64_C(3600) * CLOCK_NS_PER_SEC)

static_assert(
	(int)LIMIT_SEAL_SEGMENTS < (int)GROUP_NONE, "a group number fits a byte beside the mark");
static_assert(LIMIT_SEAL_SEGMENTS >= 4, "there is room for hours, days and the mixed group");

/* An hour or a day, by what the partition counts. */
struct partition_key {
	int32_t number;
	bool used;
	uint8_t group;
	uint64_t rows_count;
	uint64_t bytes;
};

int32_t partition_hour(int64_t time_ns)
{
	int64_t hour = time_ns / HOUR_NS;

	return (int32_t)(hour - (time_ns % HOUR_NS < 0));
}

static int32_t hour_to_day(int32_t hour)
{
	return hour / HOURS_PER_DAY - (hour % HOURS_PER_DAY < 0);
}

int32_t partition_day(int64_t time_ns)
{
	return hour_to_day(partition_hour(time_ns));
}

static int32_t key_number(const struct partition *p, int64_t time_ns)
{
	return p->by_day ? partition_day(time_ns) : partition_hour(time_ns);
}

int partition_init(struct partition *p, bool by_day, uint64_t rows_min)
{
	memset(p, 0, sizeof *p);
	p->by_day = by_day;
	p->rows_min = rows_min;
	if (getentropy(&p->seed, sizeof p->seed) < 0)
		return -errno;
	p->slots = calloc(SLOTS_FIRST, sizeof *p->slots);
	if (!p->slots)
		return -ENOMEM;
	p->slots_mask = SLOTS_FIRST - 1;
	return 0;
}

void partition_fini(struct partition *p)
{
	free(p->slots);
	memset(p, 0, sizeof *p);
}

void partition_reset(struct partition *p)
{
	memset(p->slots, 0, (p->slots_mask + (size_t)1) * sizeof *p->slots);
	p->keys_count = 0;
	p->last = NULL;
	p->other_rows = 0;
	p->other_bytes = 0;
	p->planned = false;
	p->groups_count = 0;
}

/* The key's slot, or the free one where it belongs. The seed keeps a sender from choosing collisions. */
static struct partition_key *slot_of(
	struct partition_key *slots, uint32_t mask, uint64_t seed, int32_t number)
{
	uint64_t h = ((uint64_t)(uint32_t)number ^ seed) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t i = (uint32_t)((h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93) >> 32) & mask;

	while (slots[i].used && slots[i].number != number)
		i = (i + 1) & mask;
	return &slots[i];
}

static int grow(struct partition *p)
{
	uint32_t mask = p->slots_mask * 2 + 1;
	struct partition_key *slots = calloc((size_t)mask + 1, sizeof *slots);

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i <= p->slots_mask; i++) {
		if (p->slots[i].used)
			*slot_of(slots, mask, p->seed, p->slots[i].number) = p->slots[i];
	}
	free(p->slots);
	p->slots = slots;
	p->slots_mask = mask;
	p->last = NULL;
	return 0;
}

int partition_count(struct partition *p, int64_t time_ns, uint64_t bytes)
{
	int32_t number = key_number(p, time_ns);
	struct partition_key *key = p->last;

	ASSERT(!p->planned);
	if (!key || key->number != number) {
		key = slot_of(p->slots, p->slots_mask, p->seed, number);
		if (!key->used && p->keys_count == PARTITION_KEYS_MAX) {
			p->other_rows++;
			p->other_bytes += bytes;
			return 0;
		}
		if (!key->used && p->keys_count >= p->slots_mask / 2) {
			int rc = grow(p);

			if (rc < 0)
				return rc;
			key = slot_of(p->slots, p->slots_mask, p->seed, number);
		}
		p->keys_count += !key->used;
		key->used = true;
		key->number = number;
		p->last = key;
	}
	key->rows_count++;
	key->bytes += bytes;
	return 0;
}

/* Most rows first; of equal ones the later hour or day, so that the outcome depends on the rows alone. */
static int by_rows(const void *a, const void *b)
{
	const struct partition_key *x = a, *y = b;

	if (x->rows_count != y->rows_count)
		return x->rows_count < y->rows_count ? 1 : -1;
	return (x->number < y->number) - (x->number > y->number);
}

static int by_number(const void *a, const void *b)
{
	const struct partition_key *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static void add_group(struct partition *p, int32_t day, unsigned hour)
{
	struct partition_group *g = &p->groups[p->groups_count];

	ASSERT(p->groups_count < LIMIT_SEAL_SEGMENTS);
	*g = (struct partition_group){ .day = day, .hour = (uint8_t)hour };
	p->groups_count++;
}

/* A group for a key of the list: an hour, or with `day` a day. */
static void add_key_group(struct partition *p, int32_t number, bool day)
{
	int32_t of_day = day ? number : hour_to_day(number);

	add_group(p, of_day,
		day ? (unsigned)MANIFEST_HOUR_DAY : (unsigned)(number - of_day * HOURS_PER_DAY));
}

/* The keys as a list of `*out_count`, most rows first. */
static struct partition_key *list_keys(const struct partition *p, uint32_t *out_count)
{
	struct partition_key *list = malloc((p->keys_count + (size_t)1) * sizeof *list);
	uint32_t n = 0;

	for (uint32_t i = 0; list && i <= p->slots_mask; i++) {
		if (!p->slots[i].used)
			continue;
		list[n] = p->slots[i];
		list[n++].group = GROUP_NONE;
	}
	if (list)
		qsort(list, n, sizeof *list, by_rows);
	*out_count = n;
	return list;
}

/* Joins hours to days in place; returns the number of days, most rows first. */
static uint32_t join_days(struct partition_key *list, uint32_t n)
{
	uint32_t days = 0;

	for (uint32_t i = 0; i < n; i++)
		list[i].number = hour_to_day(list[i].number);
	qsort(list, n, sizeof *list, by_number);
	for (uint32_t i = 0; i < n; i++) {
		if (days > 0 && list[days - 1].number == list[i].number) {
			list[days - 1].rows_count += list[i].rows_count;
			list[days - 1].bytes += list[i].bytes;
		} else {
			list[days++] = list[i];
		}
	}
	qsort(list, days, sizeof *list, by_rows);
	return days;
}

/* Groups for the first keys of the list, at most `max` and none below rows_min; how many got one. */
static uint32_t group_first(
	struct partition *p, const struct partition_key *list, uint32_t n, uint32_t max, bool days)
{
	uint32_t i = 0;

	for (; i < n && i < max && list[i].rows_count >= p->rows_min; i++)
		add_key_group(p, list[i].number, days);
	return i;
}

static int find_group(const struct partition *p, int32_t day, unsigned hour)
{
	for (unsigned i = 0; i < p->groups_count; i++) {
		if (p->groups[i].hour == hour && p->groups[i].day == day)
			return (int)i;
	}
	return -1;
}

static unsigned mixed_group(const struct partition *p)
{
	int i = find_group(p, 0, MANIFEST_HOUR_MIXED);

	ASSERT(i >= 0);
	return (unsigned)i;
}

/* The group of a key: its own, its day's, or the mixed one. */
static unsigned group_for(const struct partition *p, int32_t number)
{
	int32_t day = p->by_day ? number : hour_to_day(number);
	int i = -1;

	if (!p->by_day)
		i = find_group(p, day, (unsigned)(number - day * HOURS_PER_DAY));
	if (i < 0)
		i = find_group(p, day, MANIFEST_HOUR_DAY);
	return i < 0 ? mixed_group(p) : (unsigned)i;
}

static void assign(struct partition *p)
{
	for (uint32_t i = 0; i <= p->slots_mask; i++) {
		struct partition_key *key = &p->slots[i];

		if (!key->used)
			continue;
		key->group = (uint8_t)group_for(p, key->number);
		p->groups[key->group].rows_count += key->rows_count;
		p->groups[key->group].bytes += key->bytes;
	}
	if (p->other_rows > 0) {
		struct partition_group *mixed = &p->groups[mixed_group(p)];

		mixed->rows_count += p->other_rows;
		mixed->bytes += p->other_bytes;
	}
}

/* Days of their own for the keys that got no hour, as many as there is room for; false: not for all. */
static bool group_days(struct partition *p, struct partition_key *list, uint32_t n)
{
	uint32_t days = join_days(list, n);

	return group_first(p, list, days, LIMIT_SEAL_SEGMENTS - 1 - p->groups_count, true) == days;
}

int partition_plan(struct partition *p)
{
	uint32_t n, first, max = LIMIT_SEAL_SEGMENTS;
	struct partition_key *list = list_keys(p, &n);
	bool mixed;

	ASSERT(!p->planned);
	if (!list)
		return -ENOMEM;
	if (n > LIMIT_SEAL_SEGMENTS || p->other_rows > 0 || p->rows_min > 1)
		max = p->by_day ? LIMIT_SEAL_SEGMENTS - 1 : HOURS_KEPT;
	first = group_first(p, list, n, max, p->by_day);
	mixed = first < n;
	if (mixed && !p->by_day)
		mixed = !group_days(p, list + first, n - first);
	if (mixed || p->other_rows > 0)
		add_group(p, 0, MANIFEST_HOUR_MIXED);
	free(list);
	assign(p);
	p->planned = true;
	return 0;
}

unsigned partition_of(struct partition *p, int64_t time_ns)
{
	int32_t number = key_number(p, time_ns);

	ASSERT(p->planned);
	if (!p->last || p->last->number != number) {
		struct partition_key *key = slot_of(p->slots, p->slots_mask, p->seed, number);

		if (!key->used)
			return mixed_group(p);
		p->last = key;
	}
	return p->last->group;
}

/* Bytes that the writer of such a group holds: about two blocks, or all of it if that is less. */
static uint64_t writer_bytes(const struct partition_group *g)
{
	uint64_t row = g->bytes / g->rows_count + 1, block = 2 * LIMIT_BLOCK_ROWS * row;

	if (block > LIMIT_BLOCK_BYTES + LIMIT_EVENT_BYTES)
		block = LIMIT_BLOCK_BYTES + LIMIT_EVENT_BYTES;
	return g->bytes < block ? g->bytes : block;
}

unsigned partition_pass(
	const struct partition *p, unsigned first, unsigned segments_max, uint64_t bytes_max)
{
	uint64_t bytes = 0;
	unsigned i = first;

	ASSERT(p->planned);
	for (; i < p->groups_count && i - first < segments_max; i++) {
		bytes += writer_bytes(&p->groups[i]);
		if (i > first && bytes > bytes_max)
			break;
	}
	return i;
}
