/*
 * What a block's rows lie between. A value's first sixteen bytes are compared as two numbers; most
 * values stand strictly between the least and the greatest so far, which the first number tells.
 */
#include <endian.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/seg_encode.h"

/* Up to 16 bytes as a number of the same order; ties are broken by length. */
struct prefix {
	uint64_t hi, lo;
	uint8_t n;
};

struct zone {
	struct prefix min, max;
	uint32_t present_count;
};

static uint64_t load_hi(struct span s)
{
	uint64_t v = 0;

	memcpy(&v, s.p, s.n < sizeof v ? s.n : sizeof v);
	return be64toh(v);
}

static struct prefix prefix_of(struct span s, uint64_t hi)
{
	struct prefix p = { .hi = hi };

	p.n = s.n < SEG_LAYOUT_PREFIX_BYTES ? (uint8_t)s.n : (uint8_t)SEG_LAYOUT_PREFIX_BYTES;
	if (p.n > 8)
		p.lo = load_hi(span_of(s.p + 8, p.n - 8u));
	return p;
}

static bool less(const struct prefix *a, const struct prefix *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi;
	if (a->lo != b->lo)
		return a->lo < b->lo;
	return a->n < b->n;
}

static void widen(struct zone *z, struct span s)
{
	uint64_t hi = load_hi(s);
	struct prefix p;

	if (z->present_count++ > 0 && hi > z->min.hi && hi < z->max.hi)
		return;
	p = prefix_of(s, hi);
	if (z->present_count == 1 || less(&p, &z->min))
		z->min = p;
	if (z->present_count == 1 || less(&z->max, &p))
		z->max = p;
}

static uint8_t put_prefix(const struct prefix *p, uint8_t dst[SEG_LAYOUT_PREFIX_BYTES])
{
	uint64_t hi = htobe64(p->hi), lo = htobe64(p->lo);

	memcpy(dst, &hi, 8);
	memcpy(dst + 8, &lo, 8);
	memset(dst + p->n, 0, SEG_LAYOUT_PREFIX_BYTES - p->n);
	return p->n;
}

static void put_zone(const struct zone *z, struct seg_zone *out)
{
	ASSERT(z->present_count <= LIMIT_BLOCK_ROWS);
	out->present_count = z->present_count;
	if (z->present_count == 0)
		return;
	out->min_n = put_prefix(&z->min, out->min);
	out->max_n = put_prefix(&z->max, out->max);
}

void seg_encode_zone(const struct span *values, uint32_t rows, struct seg_zone *out)
{
	struct zone z = { .present_count = 0 };

	for (uint32_t i = 0; i < rows; i++) {
		if (values[i].p)
			widen(&z, values[i]);
	}
	put_zone(&z, out);
}

void seg_encode_zone_coded(const struct block_text *t, uint32_t rows, uint32_t entries_count,
	uint8_t *used, struct seg_zone *out)
{
	struct zone z = { .present_count = 0 };
	uint32_t present = 0;

	ASSERT(entries_count <= LIMIT_DICT_ENTRIES);
	memset(used, 0, (size_t)entries_count + 1);
	for (uint32_t i = 0; i < rows; i++) {
		uint16_t code = t->codes[i];

		present += code != 0;
		used[code] = 1;
	}
	for (uint32_t code = 1; code <= entries_count; code++) {
		uint32_t off = t->entry_offs[code - 1];

		if (used[code])
			widen(&z, span_of(t->entries + off, t->entry_offs[code] - off));
	}
	ASSERT((present == 0) == (z.present_count == 0));
	z.present_count = present;
	put_zone(&z, out);
}

static void bounds(const int64_t *v, uint32_t rows, int64_t *out_min, int64_t *out_max)
{
	int64_t min = v[0], max = v[0];

	for (uint32_t i = 1; i < rows; i++) {
		min = v[i] < min ? v[i] : min;
		max = v[i] > max ? v[i] : max;
	}
	*out_min = min;
	*out_max = max;
}

void seg_encode_measure(const struct block *b, struct seg_block *out)
{
	const int64_t *ids = b->ints[SEG_COL_ID], *severity = b->ints[SEG_COL_SEVERITY];

	ASSERT(ids[0] != 0);
	ASSERT((uint64_t)ids[b->rows_count - 1] - (uint64_t)ids[0] >= b->rows_count - 1);
	out->rows_count = b->rows_count;
	out->raw_bytes = b->raw_bytes;
	out->id_min = (uint64_t)ids[0];
	out->id_max = (uint64_t)ids[b->rows_count - 1];
	bounds(b->ints[SEG_COL_TIME], b->rows_count, &out->time_min_ns, &out->time_max_ns);
	bounds(b->ints[SEG_COL_RECEIVED], b->rows_count, &out->received_min_ns,
		&out->received_max_ns);
	for (uint32_t i = 0; i < b->rows_count; i++)
		out->severity_rows[severity[i]]++;
}
