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
	/* Groups of an hour each; the rest are for days and the mixed ones. */
	HOURS_MAX = LIMIT_SEAL_SEGMENTS / 4,
};

#define HOUR_NS (INT64_C(3600) * CLOCK_NS_PER_SEC)

static_assert((int)LIMIT_SEAL_SEGMENTS <= (int)UINT8_MAX, "a group number fits a byte");
static_assert((int)LIMIT_SEAL_SEGMENTS >= (int)LIMIT_CLASSES + (int)HOURS_MAX + 8,
	"there is room for hours, days and a mixed group of each class");
static_assert((int)LIMIT_CLASSES <= (int)UINT8_MAX, "a class fits a byte");

/* An hour or a day, by what the partition counts, of one class. */
struct partition_key {
	int32_t number;
	uint8_t class_idx;
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
	return p->conf.hour_rows_min > 0 ? partition_hour(time_ns) : partition_day(time_ns);
}

int partition_init(struct partition *p, const struct partition_conf *conf)
{
	memset(p, 0, sizeof *p);
	p->conf = *conf;
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
	memset(p->other_rows, 0, sizeof p->other_rows);
	memset(p->other_bytes, 0, sizeof p->other_bytes);
	p->single = false;
	p->planned = false;
	p->groups_count = 0;
}

static bool is_key(const struct partition_key *key, unsigned class_idx, int32_t number)
{
	return key->number == number && key->class_idx == class_idx;
}

/* The key's slot, or the free one where it belongs. The seed keeps a sender from choosing collisions. */
static struct partition_key *slot_of(struct partition_key *slots, uint32_t mask, uint64_t seed,
	unsigned class_idx, int32_t number)
{
	uint64_t key = (uint64_t)class_idx << 32 | (uint32_t)number;
	uint64_t h = (key ^ seed) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t i = (uint32_t)((h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93) >> 32) & mask;

	while (slots[i].used && !is_key(&slots[i], class_idx, number))
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
			*slot_of(slots, mask, p->seed, p->slots[i].class_idx, p->slots[i].number) =
				p->slots[i];
	}
	free(p->slots);
	p->slots = slots;
	p->slots_mask = mask;
	p->last = NULL;
	return 0;
}

/* The key's slot, made if it is new; *out is NULL when no more keys are counted. */
static int find_key(
	struct partition *p, unsigned class_idx, int32_t number, struct partition_key **out)
{
	struct partition_key *key = slot_of(p->slots, p->slots_mask, p->seed, class_idx, number);

	*out = NULL;
	if (!key->used && p->keys_count == PARTITION_KEYS_MAX)
		return 0;
	if (!key->used && p->keys_count >= p->slots_mask / 2) {
		int rc = grow(p);

		if (rc < 0)
			return rc;
		key = slot_of(p->slots, p->slots_mask, p->seed, class_idx, number);
	}
	p->keys_count += !key->used;
	key->used = true;
	key->class_idx = (uint8_t)class_idx;
	key->number = number;
	*out = key;
	return 0;
}

int partition_count(struct partition *p, unsigned class_idx, int64_t time_ns, uint64_t bytes)
{
	int32_t number = key_number(p, time_ns);
	struct partition_key *key = p->last;

	ASSERT(!p->planned);
	ASSERT(class_idx < LIMIT_CLASSES);
	if (!key || !is_key(key, class_idx, number)) {
		int rc = find_key(p, class_idx, number, &key);

		if (rc < 0)
			return rc;
	}
	if (!key) {
		p->other_rows[class_idx]++;
		p->other_bytes[class_idx] += bytes;
		return 0;
	}
	p->last = key;
	key->rows_count++;
	key->bytes += bytes;
	return 0;
}

/* Most rows first; equal ones in an order that depends on the rows alone, later hours and days first. */
static int by_rows(const void *a, const void *b)
{
	const struct partition_key *x = a, *y = b;

	if (x->rows_count != y->rows_count)
		return x->rows_count < y->rows_count ? 1 : -1;
	if (x->number != y->number)
		return x->number < y->number ? 1 : -1;
	return (x->class_idx > y->class_idx) - (x->class_idx < y->class_idx);
}

static int by_place(const void *a, const void *b)
{
	const struct partition_key *x = a, *y = b;

	if (x->class_idx != y->class_idx)
		return x->class_idx < y->class_idx ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static void add_group(struct partition *p, unsigned class_idx, int32_t day, unsigned hour)
{
	struct partition_group *g = &p->groups[p->groups_count];

	ASSERT(p->groups_count < LIMIT_SEAL_SEGMENTS);
	*g = (struct partition_group){
		.class_idx = class_idx,
		.day = day,
		.hour = (uint8_t)hour,
	};
	p->groups_count++;
}

/* The keys as a list of `*out_count`, most rows first. */
static struct partition_key *list_keys(const struct partition *p, uint32_t *out_count)
{
	struct partition_key *list = malloc((p->keys_count + (size_t)1) * sizeof *list);
	uint32_t n = 0;

	for (uint32_t i = 0; list && i <= p->slots_mask; i++) {
		if (p->slots[i].used)
			list[n++] = p->slots[i];
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
	qsort(list, n, sizeof *list, by_place);
	for (uint32_t i = 0; i < n; i++) {
		if (days > 0 && by_place(&list[days - 1], &list[i]) == 0) {
			list[days - 1].rows_count += list[i].rows_count;
			list[days - 1].bytes += list[i].bytes;
		} else {
			list[days++] = list[i];
		}
	}
	qsort(list, days, sizeof *list, by_rows);
	return days;
}

/* Groups for hours that alone have enough rows, at most HOURS_MAX; how many got one. */
static uint32_t group_hours(struct partition *p, const struct partition_key *list, uint32_t n)
{
	uint32_t i = 0;

	if (p->conf.hour_rows_min == 0)
		return 0;
	for (; i < n && i < HOURS_MAX && list[i].rows_count >= p->conf.hour_rows_min; i++) {
		int32_t day = hour_to_day(list[i].number);

		add_group(p, list[i].class_idx, day,
			(unsigned)(list[i].number - day * HOURS_PER_DAY));
	}
	return i;
}

/* Groups for days, as far as there is room beside a mixed one for each class; how many got one. */
static uint32_t group_days(struct partition *p, const struct partition_key *days, uint32_t n)
{
	uint32_t i = 0;

	for (; i < n && p->groups_count < LIMIT_SEAL_SEGMENTS - LIMIT_CLASSES; i++) {
		if (i >= p->conf.days_free && days[i].rows_count < p->conf.day_rows_min)
			break;
		add_group(p, days[i].class_idx, days[i].number, MANIFEST_HOUR_DAY);
	}
	return i;
}

/* One for each class that has rows in none of the others. */
static void group_mixed(struct partition *p, const struct partition_key *rest, uint32_t n)
{
	bool needed[LIMIT_CLASSES];

	for (unsigned i = 0; i < LIMIT_CLASSES; i++)
		needed[i] = p->other_rows[i] > 0;
	for (uint32_t i = 0; i < n; i++)
		needed[rest[i].class_idx] = true;
	for (unsigned i = 0; i < LIMIT_CLASSES; i++) {
		if (needed[i])
			add_group(p, i, 0, MANIFEST_HOUR_MIXED);
	}
}

static int find_group(const struct partition *p, unsigned class_idx, int32_t day, unsigned hour)
{
	for (unsigned i = 0; i < p->groups_count; i++) {
		const struct partition_group *g = &p->groups[i];

		if (g->hour == hour && g->day == day && g->class_idx == class_idx)
			return (int)i;
	}
	return -1;
}

static unsigned mixed_group(const struct partition *p, unsigned class_idx)
{
	int i = find_group(p, class_idx, 0, MANIFEST_HOUR_MIXED);

	ASSERT(i >= 0);
	return (unsigned)i;
}

/* The group of a key: its own, its day's, or the mixed one. */
static unsigned group_for(const struct partition *p, const struct partition_key *key)
{
	bool hours = p->conf.hour_rows_min > 0;
	int32_t day = hours ? hour_to_day(key->number) : key->number;
	int i = -1;

	if (hours)
		i = find_group(
			p, key->class_idx, day, (unsigned)(key->number - day * HOURS_PER_DAY));
	if (i < 0)
		i = find_group(p, key->class_idx, day, MANIFEST_HOUR_DAY);
	return i < 0 ? mixed_group(p, key->class_idx) : (unsigned)i;
}

static void add_rows(struct partition_group *g, uint64_t rows, uint64_t bytes)
{
	g->rows_count += rows;
	g->bytes += bytes;
}

static void assign(struct partition *p)
{
	for (uint32_t i = 0; i <= p->slots_mask; i++) {
		struct partition_key *key = &p->slots[i];

		if (!key->used)
			continue;
		key->group = (uint8_t)group_for(p, key);
		add_rows(&p->groups[key->group], key->rows_count, key->bytes);
	}
	for (unsigned i = 0; i < LIMIT_CLASSES; i++) {
		if (p->other_rows[i] > 0)
			add_rows(
				&p->groups[mixed_group(p, i)], p->other_rows[i], p->other_bytes[i]);
	}
}

int partition_plan(struct partition *p)
{
	uint32_t n, hours, days;
	struct partition_key *list = list_keys(p, &n);

	ASSERT(!p->planned);
	if (!list)
		return -ENOMEM;
	hours = group_hours(p, list, n);
	n -= hours;
	if (p->conf.hour_rows_min > 0)
		n = join_days(list + hours, n);
	days = group_days(p, list + hours, n);
	group_mixed(p, list + hours + days, n - days);
	free(list);
	assign(p);
	p->planned = true;
	return 0;
}

void partition_single(
	struct partition *p, unsigned class_idx, int32_t day, uint64_t rows, uint64_t bytes)
{
	ASSERT(!p->planned);
	ASSERT(p->keys_count == 0);
	add_group(p, class_idx, day, MANIFEST_HOUR_DAY);
	add_rows(&p->groups[0], rows, bytes);
	p->single = true;
	p->planned = true;
}

unsigned partition_of(struct partition *p, unsigned class_idx, int64_t time_ns)
{
	int32_t number = key_number(p, time_ns);

	ASSERT(p->planned);
	if (p->single)
		return 0;
	if (!p->last || !is_key(p->last, class_idx, number)) {
		struct partition_key *key =
			slot_of(p->slots, p->slots_mask, p->seed, class_idx, number);

		if (!key->used)
			return mixed_group(p, class_idx);
		p->last = key;
	}
	return p->last->group;
}

/* Bytes that the writer of such a group holds: a block and a bit, or all of it if that is less. */
static uint64_t writer_bytes(const struct partition *p, const struct partition_group *g)
{
	uint64_t rows = p->conf.block_rows ? p->conf.block_rows : LIMIT_BLOCK_ROWS;
	uint64_t block = (rows + rows / 4) * (g->bytes / g->rows_count + 1);

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
		bytes += writer_bytes(p, &p->groups[i]);
		if (i > first && bytes > bytes_max)
			break;
	}
	return i;
}
