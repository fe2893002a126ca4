#include "storage/sidx_cube_cells.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/col_pack.h"

enum {
	SLOTS_MIN = 1 << 12,
	SLOTS_MAX = 2 * LIMIT_CUBE_CELLS,
	BUCKET_SLOTS = 2 * LIMIT_CUBE_BUCKETS,
	CODE_BITS = 12,
	SEVERITY_BITS = 3,
	/* Rows that are counted together: so many cells may be new. */
	CHUNK_ROWS = 1024,
	DIGIT_BITS = 11,
	DIGITS = 1 << DIGIT_BITS,
};

static_assert(LIMIT_CUBE_VALUES <= 1 << CODE_BITS, "a code fits");
static_assert(LIMIT_CUBE_BUCKETS <= 1 << CODE_BITS, "the place of a bucket fits");
static_assert((SLOTS_MAX & (SLOTS_MAX - 1)) == 0, "slots are a power of two");

/* Where the codes stand in a key, and above them the bucket. */
static const unsigned shifts[SIDX_CUBE_DIMS + 1] = {
	[SIDX_CUBE_SERVICE] = 0,
	[SIDX_CUBE_SEVERITY] = CODE_BITS,
	[SIDX_CUBE_ENTITY_TYPE] = CODE_BITS + SEVERITY_BITS,
	[SIDX_CUBE_EVENT_TYPE] = 2 * CODE_BITS + SEVERITY_BITS,
	[SIDX_CUBE_DIMS] = 3 * CODE_BITS + SEVERITY_BITS,
};

#define MINUTE_NS INT64_C(60000000000)
static const int64_t sizes[] = { 15 * MINUTE_NS, 60 * MINUTE_NS, 360 * MINUTE_NS,
	1440 * MINUTE_NS };

enum { SIZES = sizeof sizes / sizeof sizes[0], SIZE_HOUR = 1 };

static uint64_t mask_of(enum sidx_cube_dim dim)
{
	unsigned bits = dim == SIDX_CUBE_SEVERITY ? SEVERITY_BITS : CODE_BITS;

	return ((UINT64_C(1) << bits) - 1) << shifts[dim];
}

uint32_t sidx_cube_cells_code(uint64_t key, enum sidx_cube_dim dim)
{
	return (uint32_t)((key & mask_of(dim)) >> shifts[dim]);
}

/* ---- the table ---- */

static uint32_t slot_of(const struct sidx_cube_cells *c, uint64_t key)
{
	return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (c->slots_count - 1);
}

static void count(struct sidx_cube_cells *c, uint64_t key, uint32_t rows)
{
	uint32_t at = slot_of(c, key);

	while (c->rows[at] > 0 && c->keys[at] != key)
		at = (at + 1) & (c->slots_count - 1);
	c->cells_count += c->rows[at] == 0;
	c->keys[at] = key;
	c->rows[at] += rows;
}

/* Another table of so many slots gets the cells; their keys by way of `change`. */
static int rebuild(struct sidx_cube_cells *c, uint32_t slots,
	uint64_t (*change)(const struct sidx_cube_cells *c, uint64_t key, const void *arg),
	const void *arg)
{
	struct sidx_cube_cells old = *c;

	c->keys = malloc(slots * sizeof *c->keys);
	c->rows = calloc(slots, sizeof *c->rows);
	if (!c->keys || !c->rows) {
		free(c->keys);
		free(c->rows);
		c->keys = old.keys;
		c->rows = old.rows;
		return -ENOMEM;
	}
	c->slots_count = slots;
	c->cells_count = 0;
	for (uint32_t i = 0; i < old.slots_count; i++) {
		if (old.rows[i] > 0)
			count(c, change ? change(c, old.keys[i], arg) : old.keys[i], old.rows[i]);
	}
	free(old.keys);
	free(old.rows);
	return 0;
}

/* Room for so many more cells, at least half of the slots free. */
static int reserve(struct sidx_cube_cells *c, uint32_t more)
{
	uint32_t slots = c->slots_count;

	while (slots < SLOTS_MAX && c->cells_count + more > slots / 2)
		slots *= 2;
	return slots == c->slots_count ? 0 : rebuild(c, slots, NULL, NULL);
}

int sidx_cube_cells_init(struct sidx_cube_cells *c, unsigned dims)
{
	*c = (struct sidx_cube_cells){ .dims = dims, .bucket_ns = sizes[0] };
	c->buckets = malloc(LIMIT_CUBE_BUCKETS * sizeof *c->buckets);
	c->bucket_slots = calloc(BUCKET_SLOTS, sizeof *c->bucket_slots);
	if (c->buckets && c->bucket_slots && rebuild(c, SLOTS_MIN, NULL, NULL) == 0)
		return 0;
	sidx_cube_cells_fini(c);
	return -ENOMEM;
}

void sidx_cube_cells_fini(struct sidx_cube_cells *c)
{
	free(c->keys);
	free(c->rows);
	free(c->buckets);
	free(c->bucket_slots);
	*c = (struct sidx_cube_cells){ 0 };
}

/* ---- buckets ---- */

static int64_t number_of(int64_t time_ns, int64_t bucket_ns)
{
	return time_ns / bucket_ns - (time_ns % bucket_ns < 0);
}

/* False: there are too many buckets. */
static bool intern(struct sidx_cube_cells *c, int64_t number, uint64_t *out_place)
{
	uint32_t at =
		(uint32_t)((uint64_t)number * UINT64_C(0x9e3779b97f4a7c15) >> 48) % BUCKET_SLOTS;

	for (; c->bucket_slots[at] > 0; at = (at + 1) % BUCKET_SLOTS) {
		*out_place = c->bucket_slots[at] - 1u;
		if (c->buckets[*out_place] == number)
			return true;
	}
	if (c->buckets_count == LIMIT_CUBE_BUCKETS)
		return false;
	*out_place = c->buckets_count;
	c->buckets[c->buckets_count++] = number;
	c->bucket_slots[at] = (uint16_t)c->buckets_count;
	return true;
}

static bool enter(struct sidx_cube_cells *c, int64_t time_ns)
{
	int64_t number = number_of(time_ns, c->bucket_ns);

	if (!intern(c, number, &c->last_place))
		return false;
	if (__builtin_mul_overflow(number, c->bucket_ns, &c->last_from_ns))
		c->last_from_ns = INT64_MIN;
	if (__builtin_mul_overflow(number + 1, c->bucket_ns, &c->last_to_ns))
		c->last_to_ns = INT64_MAX;
	else
		c->last_to_ns--;
	c->last_known = true;
	return true;
}

static bool fill_buckets(struct sidx_cube_cells *c, const int64_t *times, uint32_t n, uint64_t *out)
{
	for (uint32_t i = 0; i < n; i++) {
		bool same =
			c->last_known && times[i] >= c->last_from_ns && times[i] <= c->last_to_ns;

		if (!same && !enter(c, times[i]))
			return false;
		out[i] = c->last_place << shifts[SIDX_CUBE_DIMS];
	}
	return true;
}

/* ---- joining ---- */

static uint64_t move_bucket(const struct sidx_cube_cells *c, uint64_t key, const void *arg)
{
	const uint16_t *places = arg;
	unsigned shift = shifts[SIDX_CUBE_DIMS];

	(void)c;
	return (key & ((UINT64_C(1) << shift) - 1)) | (uint64_t)places[key >> shift] << shift;
}

static int widen(struct sidx_cube_cells *c)
{
	uint16_t places[LIMIT_CUBE_BUCKETS];
	uint32_t count = c->buckets_count;
	unsigned size = 0;
	int64_t ratio;

	while (sizes[size] != c->bucket_ns)
		size++;
	if (size + 1 == SIZES)
		return ERR_LIMIT;
	ratio = sizes[size + 1] / c->bucket_ns;
	memset(c->bucket_slots, 0, BUCKET_SLOTS * sizeof *c->bucket_slots);
	c->buckets_count = 0;
	c->bucket_ns = sizes[size + 1];
	c->last_known = false;
	/* In place: a bucket never moves behind where it stood. */
	for (uint32_t i = 0; i < count; i++) {
		uint64_t place = 0;
		bool room = intern(c, number_of(c->buckets[i], ratio), &place);

		ASSERT(room);
		ASSERT(place <= i);
		places[i] = (uint16_t)place;
	}
	return rebuild(c, c->slots_count, move_bucket, places);
}

static uint64_t drop_codes(const struct sidx_cube_cells *c, uint64_t key, const void *arg)
{
	(void)c;
	return key & ~*(const uint64_t *)arg;
}

static int drop(struct sidx_cube_cells *c, enum sidx_cube_dim dim)
{
	uint64_t mask = mask_of(dim);

	c->dims &= ~(1u << dim);
	return rebuild(c, c->slots_count, drop_codes, &mask);
}

int sidx_cube_cells_fold(struct sidx_cube_cells *c)
{
	if (c->bucket_ns < sizes[SIZE_HOUR])
		return widen(c);
	if (c->dims & 1u << SIDX_CUBE_SERVICE)
		return drop(c, SIDX_CUBE_SERVICE);
	if (c->dims & 1u << SIDX_CUBE_ENTITY_TYPE)
		return drop(c, SIDX_CUBE_ENTITY_TYPE);
	return widen(c);
}

int sidx_cube_cells_take(struct sidx_cube_cells *c, const struct sidx_cube_cells *from)
{
	uint64_t lost = 0;

	ASSERT(c->cells_count == 0);
	ASSERT((c->dims & ~from->dims) == 0);
	c->bucket_ns = from->bucket_ns;
	c->buckets_count = from->buckets_count;
	memcpy(c->buckets, from->buckets, from->buckets_count * sizeof *c->buckets);
	memcpy(c->bucket_slots, from->bucket_slots, BUCKET_SLOTS * sizeof *c->bucket_slots);
	for (int i = 0; i < SIDX_CUBE_DIMS; i++)
		lost |= c->dims >> i & 1 ? 0 : mask_of((enum sidx_cube_dim)i);
	for (uint32_t i = 0; i < from->slots_count; i++) {
		int rc = from->rows[i] > 0 ? reserve(c, 1) : 0;

		if (rc < 0)
			return rc;
		if (from->rows[i] > 0)
			count(c, from->keys[i] & ~lost, from->rows[i]);
	}
	return 0;
}

/* ---- counting ---- */

static void add_codes(const uint16_t *codes, uint32_t n, unsigned shift, uint64_t *keys)
{
	for (uint32_t i = 0; i < n; i++)
		keys[i] |= (uint64_t)codes[i] << shift;
}

static void add_severities(const int64_t *v, uint32_t n, unsigned shift, uint64_t *keys)
{
	for (uint32_t i = 0; i < n; i++)
		keys[i] |= (uint64_t)v[i] << shift;
}

static int add_chunk(
	struct sidx_cube_cells *c, const struct sidx_cube_rows *r, uint32_t first, uint32_t n)
{
	uint64_t keys[CHUNK_ROWS];
	int rc = 0;

	while (rc == 0 && c->cells_count + n > LIMIT_CUBE_CELLS)
		rc = sidx_cube_cells_fold(c);
	while (rc == 0 && !fill_buckets(c, r->times + first, n, keys))
		rc = widen(c);
	if (rc == 0)
		rc = reserve(c, n);
	if (rc < 0)
		return rc;
	for (int i = 0; i < SIDX_CUBE_DIMS; i++) {
		if (!(c->dims >> i & 1))
			continue;
		if (i == SIDX_CUBE_SEVERITY)
			add_severities(r->severities + first, n, shifts[i], keys);
		else
			add_codes(r->codes[i] + first, n, shifts[i], keys);
	}
	for (uint32_t i = 0; i < n; i++)
		count(c, keys[i], 1);
	return 0;
}

int sidx_cube_cells_add(struct sidx_cube_cells *c, const struct sidx_cube_rows *r)
{
	int rc = 0;

	for (uint32_t first = 0; first < r->count && rc == 0; first += CHUNK_ROWS) {
		uint32_t n = r->count - first < CHUNK_ROWS ? r->count - first : CHUNK_ROWS;

		rc = add_chunk(c, r, first, n);
	}
	return rc;
}

/* ---- in order ---- */

static int number_cmp(const void *pa, const void *pb)
{
	int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;

	return (a > b) - (a < b);
}

/* Sorts the buckets; ranks[place] tells where each has gone. */
static int sort_buckets(struct sidx_cube_cells *c, uint16_t *ranks)
{
	int64_t *sorted = malloc((c->buckets_count + 1) * sizeof *sorted);

	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, c->buckets, c->buckets_count * sizeof *sorted);
	qsort(sorted, c->buckets_count, sizeof *sorted, number_cmp);
	for (uint32_t i = 0; i < c->buckets_count; i++) {
		const int64_t *at = bsearch(
			&c->buckets[i], sorted, c->buckets_count, sizeof *sorted, number_cmp);

		ASSERT(at);
		ranks[i] = (uint16_t)(at - sorted);
	}
	memcpy(c->buckets, sorted, c->buckets_count * sizeof *sorted);
	free(sorted);
	return 0;
}

/* By its lowest digits first; cells move to and fro between the two halves of v. */
static struct sidx_cube_cell *radix_sort(
	struct sidx_cube_cell *v, uint32_t n, unsigned bucket_bits, unsigned bits)
{
	struct sidx_cube_cell *from = v, *to = v + n;

	for (unsigned shift = 0; shift < bits; shift += DIGIT_BITS) {
		uint32_t at[DIGITS] = { 0 }, sum = 0;
		struct sidx_cube_cell *old = from;

#define DIGIT(c) (((c).combo << bucket_bits | (c).bucket) >> shift & (DIGITS - 1))
		for (uint32_t i = 0; i < n; i++)
			at[DIGIT(from[i])]++;
		for (uint32_t i = 0; i < DIGITS; i++) {
			uint32_t here = at[i];

			at[i] = sum;
			sum += here;
		}
		for (uint32_t i = 0; i < n; i++)
			to[at[DIGIT(from[i])]++] = from[i];
#undef DIGIT
		from = to;
		to = old;
	}
	return from;
}

int sidx_cube_cells_sort(struct sidx_cube_cells *c, const uint16_t *const ranks[SIDX_CUBE_DIMS],
	const unsigned widths[SIDX_CUBE_DIMS], struct sidx_cube_cell **out)
{
	uint16_t places[LIMIT_CUBE_BUCKETS];
	struct sidx_cube_cell *v = malloc(((size_t)c->cells_count * 2 + 1) * sizeof *v), *sorted;
	unsigned bits = 0, bucket_bits = col_pack_width(c->buckets_count);
	uint32_t n = 0;

	if (!v || sort_buckets(c, places) < 0) {
		free(v);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < c->slots_count; i++) {
		uint64_t key = c->keys[i];

		if (c->rows[i] == 0)
			continue;
		v[n] = (struct sidx_cube_cell){ .bucket = places[key >> shifts[SIDX_CUBE_DIMS]],
			.rows = c->rows[i] };
		for (int d = 0; d < SIDX_CUBE_DIMS; d++) {
			uint32_t code = sidx_cube_cells_code(key, (enum sidx_cube_dim)d);

			if (c->dims >> d & 1)
				v[n].combo = v[n].combo << widths[d] |
					     (ranks[d] ? ranks[d][code] : code);
		}
		n++;
	}
	ASSERT(n == c->cells_count);
	for (int d = 0; d < SIDX_CUBE_DIMS; d++)
		bits += c->dims >> d & 1 ? widths[d] : 0;
	sorted = radix_sort(v, n, bucket_bits, bucket_bits + bits);
	if (sorted != v)
		memcpy(v, sorted, n * sizeof *v);
	*out = v;
	return 0;
}
