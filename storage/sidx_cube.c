/*
 * .CUB FILE: header, then the directory, which is all there is.
 *
 * DIRECTORY
 *   u8       tables       0: nothing follows
 *   for each of event type, entity type, service:
 *     varint   values     0: no table tells it apart
 *     for each, the absent one first, then by bytes: varint value bytes + 1 (0: absent), value
 *   for each table:
 *     u8       dimensions, a bit for each
 *     varint   minutes of a bucket
 *     varint   buckets; varint zigzag number of the first; for each other: varint numbers skipped
 *     varint   lines
 *     u8       width of totals
 *     varint   bytes of counts
 *     codes    for each line its codes, as many bits each as the values less 1 need, severities 3
 *     totals   for each line its rows less 1
 *     counts   only if there are several buckets: for each line (B buckets, T rows, k buckets that
 *              hold some)
 *                T = 1: the bucket, in the bits that B - 1 needs
 *                else:  1 bit: 0: B bits, 1 where it holds rows
 *                              1: k - 1 in the bits that min(T, B) - 1 needs; then the buckets
 *                       if 1 < k < T: 5 bits width; of all buckets but the last, its rows less 1
 * Bits are packed, the lowest first; codes, totals and counts each end with a whole byte.
 * Valid:  lines rise, and the totals of a table add up to the rows of the segment.
 */
#include "storage/sidx_cube.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/col_pack.h"
#include "storage/sidx_cube_maker.h"

/* What is known of a table's counts. */
enum counted { COUNTED_OPEN, COUNTED_HOLDS, COUNTED_FAILS };

enum { SEVERITY_BITS = 3, WIDTH_BITS = 5, BUCKET_MINUTES_MAX = 1440 };

#define MINUTE_NS INT64_C(60000000000)

static_assert(LIMIT_CUBE_VALUES <= 1 << 12, "codes of a line and a byte's rest are in one word");

struct sidx_cube {
	struct sidx_file file;
	uint64_t rows_count; /* of the segment */
	size_t tables_count;
	struct sidx_cube_table tables[SIDX_CUBE_TABLES];
	uint32_t values_count[SIDX_CUBE_DIMS];
	struct span *values[SIDX_CUBE_DIMS];
	int64_t *buckets[SIDX_CUBE_TABLES];
	_Atomic uint8_t *counted; /* by table: enum counted */
};

int sidx_cube_build(const struct seg_reader *seg, struct buf *out, struct diag *d)
{
	return sidx_cube_maker_build(seg, out, d);
}

/* ---- lines ---- */

static uint32_t bucket_bits(const struct sidx_cube_table *t)
{
	return col_pack_width(t->buckets_count - 1);
}

/* Value i of an array of one width, which is there. */
static uint64_t value_at(struct span s, uint64_t i, unsigned width)
{
	uint64_t at = i * width;

	return sidx_bits_word(s, at / 8) >> at % 8 & ((UINT64_C(1) << width) - 1);
}

static uint64_t combo_at(const struct sidx_cube_table *t, uint32_t line)
{
	return value_at(t->combos, line, t->combo_width);
}

static void split(const struct sidx_cube_table *t, uint64_t combo, uint32_t out[SIDX_CUBE_DIMS])
{
	for (int d = SIDX_CUBE_DIMS - 1; d >= 0; d--) {
		out[d] = (uint32_t)(combo & ((UINT64_C(1) << t->widths[d]) - 1));
		combo >>= t->widths[d];
	}
}

void sidx_cube_combo(const struct sidx_cube_table *t, uint32_t line, uint32_t out[SIDX_CUBE_DIMS])
{
	ASSERT(line < t->combos_count);
	split(t, combo_at(t, line), out);
}

uint32_t sidx_cube_total(const struct sidx_cube_table *t, uint32_t line)
{
	ASSERT(line < t->combos_count);
	return (uint32_t)value_at(t->totals, line, t->total_width) + 1;
}

struct sidx_cube_walk sidx_cube_begin(const struct sidx_cube_table *t)
{
	return (struct sidx_cube_walk){ .table = t, .bits = sidx_bits_of(t->counts, 0) };
}

/* The value at a bit that is there. */
static uint32_t get_at(const struct sidx_bits *b, uint64_t at, uint64_t mask)
{
	return (uint32_t)(sidx_bits_word(span_of(b->p, b->count / 8), at / 8) >> at % 8 & mask);
}

/* Whether so many values of a width are there; else `bad` is set. */
static bool have(struct sidx_bits *b, uint32_t n, unsigned width)
{
	if (b->bad || width > SIDX_BITS_WIDTH_MAX || (uint64_t)n * width > b->count - b->at)
		b->bad = true;
	return !b->bad;
}

/* A bit for each bucket. */
static uint32_t dense(struct sidx_bits *b, uint32_t count, uint16_t *out)
{
	uint32_t k = 0;

	for (uint32_t from = 0; from < count; from += SIDX_BITS_WIDTH_MAX) {
		uint32_t n =
			count - from < SIDX_BITS_WIDTH_MAX ? count - from : SIDX_BITS_WIDTH_MAX;

		for (uint32_t v = sidx_bits_get(b, n); v; v &= v - 1)
			out[k++] = (uint16_t)(from + (uint32_t)__builtin_ctz(v));
	}
	return k;
}

static uint32_t listed(struct sidx_bits *b, uint32_t most, unsigned width, uint16_t *out)
{
	uint32_t k = sidx_bits_get(b, col_pack_width(most - 1)) + 1;
	uint64_t mask = (UINT64_C(1) << width) - 1;

	if (k > most || !have(b, k, width)) {
		b->bad = true;
		return 0;
	}
	for (uint32_t i = 0; i < k; i++, b->at += width)
		out[i] = (uint16_t)get_at(b, b->at, mask);
	return k;
}

/* The rows of all buckets but the last, which has the rest. */
static void shares(struct sidx_bits *b, uint32_t total, uint32_t k, uint32_t *rows)
{
	unsigned width = sidx_bits_get(b, WIDTH_BITS);
	uint64_t mask = (UINT64_C(1) << width) - 1, sum = 0;

	if (!have(b, k - 1, width))
		return;
	for (uint32_t i = 0; i + 1 < k; i++, b->at += width) {
		rows[i] = get_at(b, b->at, mask) + 1;
		sum += rows[i];
	}
	if (sum >= total)
		b->bad = true;
	rows[k - 1] = total - (uint32_t)sum;
}

uint32_t sidx_cube_next(struct sidx_cube_walk *w, uint16_t *buckets, uint32_t *rows)
{
	const struct sidx_cube_table *t = w->table;
	uint32_t total = sidx_cube_total(t, w->line++), k = 1;
	uint32_t most = total < t->buckets_count ? total : t->buckets_count;

	buckets[0] = 0;
	if (t->buckets_count > 1 && total == 1)
		buckets[0] = (uint16_t)sidx_bits_get(&w->bits, bucket_bits(t));
	else if (t->buckets_count > 1)
		k = sidx_bits_get(&w->bits, 1) ? listed(&w->bits, most, bucket_bits(t), buckets)
					       : dense(&w->bits, t->buckets_count, buckets);
	if (k == 0 || k > most || w->bits.bad) {
		w->bits.bad = true;
		return 0;
	}
	if (k > 1 && k < total) {
		shares(&w->bits, total, k, rows);
		return k;
	}
	for (uint32_t i = 0; i < k; i++)
		rows[i] = k == 1 ? total : 1;
	return k;
}

/* ---- opening ---- */

static void fail(struct rcur *c)
{
	if (!c->err)
		c->err = ERR_CORRUPT;
}

static uint64_t get_at_most(struct rcur *c, uint64_t max)
{
	uint64_t v = rcur_varint(c);

	if (v > max)
		fail(c);
	return c->err ? 0 : v;
}

static int read_values(struct sidx_cube *x, struct rcur *c, enum sidx_cube_dim dim)
{
	uint32_t count = (uint32_t)get_at_most(c, LIMIT_CUBE_VALUES);
	struct span *v;

	if (c->err || count > rcur_left(c))
		return ERR_CORRUPT;
	v = calloc(count + 1u, sizeof *v);
	if (!v)
		return -ENOMEM;
	x->values[dim] = v;
	x->values_count[dim] = count;
	for (uint32_t i = 0; i < count && !c->err; i++) {
		uint64_t n = get_at_most(c, rcur_left(c));

		v[i] = n > 0 ? rcur_bytes(c, (size_t)n - 1) : SPAN_NONE;
		if (i > 0 && !c->err && (!v[i].p || (v[i - 1].p && span_cmp(v[i - 1], v[i]) >= 0)))
			fail(c);
	}
	return c->err;
}

static bool is_size(uint64_t minutes)
{
	return minutes == 15 || minutes == 60 || minutes == 360 || minutes == 1440;
}

/* Where bucket `number` begins; the first of all begins before INT64_MIN. */
static int64_t begin_of(int64_t number, int64_t bucket_ns)
{
	int64_t ns;

	return __builtin_mul_overflow(number, bucket_ns, &ns) ? INT64_MIN : ns;
}

static int read_buckets(struct sidx_cube *x, size_t table, struct rcur *c)
{
	struct sidx_cube_table *t = &x->tables[table];
	uint32_t count = (uint32_t)get_at_most(c, LIMIT_CUBE_BUCKETS);
	int64_t number = cursor_unzigzag(rcur_varint(c)), *v;

	if (c->err || count == 0 || count > rcur_left(c) + 1)
		return ERR_CORRUPT;
	v = malloc(count * sizeof *v);
	if (!v)
		return -ENOMEM;
	x->buckets[table] = v;
	t->buckets = v;
	t->buckets_count = count;
	for (uint32_t i = 0; i < count && !c->err; i++) {
		uint64_t skipped = i > 0 ? rcur_varint(c) : 0;

		if (skipped > INT64_MAX / 2 ||
			(i > 0 && __builtin_add_overflow(number, (int64_t)skipped + 1, &number)) ||
			number < INT64_MIN / t->bucket_ns - 1 || number > INT64_MAX / t->bucket_ns)
			fail(c);
		v[i] = c->err ? 0 : begin_of(number, t->bucket_ns);
	}
	return c->err;
}

static unsigned width_of(const struct sidx_cube *x, unsigned dims, int dim)
{
	if (!(dims >> dim & 1))
		return 0;
	return dim == SIDX_CUBE_SEVERITY ? SEVERITY_BITS : col_pack_width(x->values_count[dim] - 1);
}

static int read_table(struct sidx_cube *x, size_t table, struct rcur *c)
{
	struct sidx_cube_table *t = &x->tables[table];
	uint64_t minutes;
	size_t counts;
	int rc;

	t->dims = rcur_u8(c);
	minutes = get_at_most(c, BUCKET_MINUTES_MAX);
	if (c->err || t->dims >> SIDX_CUBE_DIMS != 0 || !is_size(minutes))
		return ERR_CORRUPT;
	t->bucket_ns = (int64_t)minutes * MINUTE_NS;
	rc = read_buckets(x, table, c);
	if (rc < 0)
		return rc;
	for (int d = 0; d < SIDX_CUBE_DIMS; d++) {
		if (t->dims >> d & 1 && d != SIDX_CUBE_SEVERITY && x->values_count[d] == 0)
			return ERR_CORRUPT;
		t->widths[d] = width_of(x, t->dims, d);
		t->combo_width += t->widths[d];
	}
	t->combos_count = (uint32_t)get_at_most(c, LIMIT_CUBE_CELLS);
	t->total_width = rcur_u8(c);
	counts = (size_t)get_at_most(c, rcur_left(c));
	if (c->err || t->total_width > SIDX_BITS_WIDTH_MAX - 1)
		return ERR_CORRUPT;
	t->combos = rcur_bytes(c, col_pack_bytes(t->combos_count, t->combo_width));
	t->totals = rcur_bytes(c, col_pack_bytes(t->combos_count, t->total_width));
	t->counts = rcur_bytes(c, counts);
	return c->err;
}

/* Codes are values, lines rise, and totals add up. */
static bool lines_hold(const struct sidx_cube *x, const struct sidx_cube_table *t)
{
	uint64_t sum = 0, before = 0;

	for (uint32_t i = 0; i < t->combos_count; i++) {
		uint64_t combo = combo_at(t, i);
		uint32_t codes[SIDX_CUBE_DIMS];

		split(t, combo, codes);
		for (int d = 0; d < SIDX_CUBE_DIMS; d++) {
			if (t->dims >> d & 1 && d != SIDX_CUBE_SEVERITY &&
				codes[d] >= x->values_count[d])
				return false;
		}
		if (i > 0 && combo <= before)
			return false;
		before = combo;
		sum += sidx_cube_total(t, i);
	}
	return sum == x->rows_count;
}

static bool counts_hold(const struct sidx_cube_table *t)
{
	struct sidx_cube_walk w = sidx_cube_begin(t);
	uint16_t buckets[LIMIT_CUBE_BUCKETS];
	uint32_t rows[LIMIT_CUBE_BUCKETS];

	for (uint32_t i = 0; i < t->combos_count; i++) {
		uint32_t k = sidx_cube_next(&w, buckets, rows);

		for (uint32_t b = 1; b < k; b++) {
			if (buckets[b] <= buckets[b - 1])
				return false;
		}
		if (w.bits.bad || buckets[k - 1] >= t->buckets_count)
			return false;
	}
	return (w.bits.at + 7) / 8 == t->counts.n;
}

static int read_dir(struct sidx_cube *x)
{
	static const enum sidx_cube_dim texts[] = { SIDX_CUBE_EVENT_TYPE, SIDX_CUBE_ENTITY_TYPE,
		SIDX_CUBE_SERVICE };
	struct rcur c = rcur_of(x->file.dir.p, x->file.dir.n);
	int rc = 0;

	x->tables_count = rcur_u8(&c);
	if (c.err || x->tables_count > SIDX_CUBE_TABLES)
		return ERR_CORRUPT;
	for (size_t i = 0; x->tables_count > 0 && i < sizeof texts / sizeof texts[0]; i++) {
		rc = read_values(x, &c, texts[i]);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < x->tables_count; i++) {
		rc = read_table(x, i, &c);
		if (rc < 0)
			return rc;
		if (!lines_hold(x, &x->tables[i]))
			return ERR_CORRUPT;
	}
	return rcur_left(&c) == 0 ? 0 : ERR_CORRUPT;
}

int sidx_cube_open(const struct vfs *vfs, int dir, const char *name, const struct seg_info *seg,
	struct sidx_cube **out, struct diag *d)
{
	struct sidx_cube *x = calloc(1, sizeof *x);
	int rc;

	if (!x)
		return diag_set(d, -ENOMEM, name, -1, "opening a sidecar");
	x->rows_count = seg->rows_count;
	x->counted = calloc(SIDX_CUBE_TABLES, sizeof *x->counted);
	rc = x->counted ? sidx_common_open(vfs, dir, name, SIDX_CUBE, seg, &x->file, d)
			: diag_set(d, -ENOMEM, name, -1, "opening a sidecar");
	if (rc == 0) {
		rc = read_dir(x);
		if (rc == 0 && x->file.pages_off != x->file.map_bytes)
			rc = ERR_CORRUPT;
		if (rc < 0)
			diag_set(d, rc, name, SIDX_COMMON_HEAD_BYTES, "the directory of a cube");
	}
	if (rc < 0) {
		sidx_cube_close(&x);
		return rc;
	}
	*out = x;
	return 0;
}

void sidx_cube_close(struct sidx_cube **at)
{
	struct sidx_cube *x = *at;

	if (!x)
		return;
	sidx_common_close(&x->file);
	for (int i = 0; i < SIDX_CUBE_DIMS; i++)
		free(x->values[i]);
	for (int i = 0; i < SIDX_CUBE_TABLES; i++)
		free(x->buckets[i]);
	free(x->counted);
	free(x);
	*at = NULL;
}

size_t sidx_cube_tables(const struct sidx_cube *x)
{
	return x->tables_count;
}

const struct sidx_cube_table *sidx_cube_table(const struct sidx_cube *x, size_t i)
{
	ASSERT(i < x->tables_count);
	return &x->tables[i];
}

uint32_t sidx_cube_values(const struct sidx_cube *x, enum sidx_cube_dim dim)
{
	return dim == SIDX_CUBE_SEVERITY ? EVENT_SEVERITY_COUNT : x->values_count[dim];
}

struct span sidx_cube_value(const struct sidx_cube *x, enum sidx_cube_dim dim, uint32_t code)
{
	ASSERT(dim != SIDX_CUBE_SEVERITY);
	ASSERT(code < x->values_count[dim]);
	return x->values[dim][code];
}

bool sidx_cube_counted(const struct sidx_cube *x, size_t i)
{
	uint8_t known;

	ASSERT(i < x->tables_count);
	known = atomic_load_explicit(&x->counted[i], memory_order_relaxed);
	if (known == COUNTED_OPEN) {
		/* Threads that are here at once find the same. */
		known = counts_hold(&x->tables[i]) ? COUNTED_HOLDS : COUNTED_FAILS;
		atomic_store_explicit(&x->counted[i], known, memory_order_relaxed);
	}
	return known == COUNTED_HOLDS;
}

int sidx_cube_check(const struct sidx_cube *x, struct diag *d)
{
	for (size_t i = 0; i < x->tables_count; i++) {
		if (!sidx_cube_counted(x, i))
			return diag_set(d, ERR_CORRUPT, x->file.name, SIDX_COMMON_HEAD_BYTES,
				"the counts of a cube");
	}
	return 0;
}
