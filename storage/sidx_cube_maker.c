/*
 * All rows are counted by all dimensions at once. The small table is taken of these counts, unless
 * they had to be joined meanwhile: then the segment is read again, for it alone.
 */
#include "storage/sidx_cube_maker.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "storage/col_pack.h"
#include "storage/seg_decode.h"
#include "storage/sidx_cube_cells.h"

enum {
	SEVERITY_BITS = 3,
	WIDTH_BITS = 5,
	SMALL_DIMS = 1 << SIDX_CUBE_EVENT_TYPE | 1 << SIDX_CUBE_SEVERITY,
	/* The small table has to have at most one of so many cells. */
	SMALL_SHARE = 2,
};

#define MINUTE_NS INT64_C(60000000000)

static const int columns[SIDX_CUBE_DIMS] = {
	[SIDX_CUBE_EVENT_TYPE] = SEG_COL_TEXT + EVENT_TEXT_EVENT_TYPE,
	[SIDX_CUBE_ENTITY_TYPE] = SEG_COL_TEXT + EVENT_TEXT_ENTITY_TYPE,
	[SIDX_CUBE_SEVERITY] = SEG_COL_SEVERITY,
	[SIDX_CUBE_SERVICE] = SEG_COL_TEXT + EVENT_TEXT_SERVICE,
};

static const enum sidx_cube_dim texts[] = { SIDX_CUBE_EVENT_TYPE, SIDX_CUBE_ENTITY_TYPE,
	SIDX_CUBE_SERVICE };

enum { TEXTS = sizeof texts / sizeof texts[0] };

struct maker {
	const struct seg_reader *seg;
	unsigned dims; /* that the segment has as codes */
	struct buf page;
	struct col_dict dicts[SIDX_CUBE_DIMS];
	struct sidx_cube_cells full;
	struct sidx_cube_cells small;
	/* Of each dimension: a value's code in the cube, by its code in the segment. */
	uint16_t ranks[SIDX_CUBE_DIMS][LIMIT_CUBE_VALUES];
	uint16_t order[SIDX_CUBE_DIMS][LIMIT_CUBE_VALUES]; /* the other way */
	uint32_t values_count[SIDX_CUBE_DIMS];
	unsigned widths[SIDX_CUBE_DIMS];
	int64_t times[LIMIT_BLOCK_ROWS];
	int64_t severities[LIMIT_BLOCK_ROWS];
	uint16_t codes[SIDX_CUBE_DIMS][LIMIT_BLOCK_ROWS];
};

/* ---- counting ---- */

/* Every block has codes for it, and they are few. */
static bool is_coded(const struct seg_reader *seg, int col)
{
	if (seg_decode_dict_count(seg, col) >= LIMIT_CUBE_VALUES)
		return false;
	for (uint32_t i = 0; i < seg_reader_info(seg)->blocks_count; i++) {
		enum col_kind kind;

		if (seg_decode_kind(seg, i, col, &kind, NULL) < 0 || kind != COL_KIND_CODES)
			return false;
	}
	return true;
}

static int read_block(
	struct maker *m, uint32_t block, unsigned dims, struct sidx_cube_rows *out, struct diag *d)
{
	int rc = seg_decode_ints(m->seg, block, SEG_COL_TIME, NULL, &m->page, m->times, d);

	if (rc == 0)
		rc = seg_decode_ints(
			m->seg, block, SEG_COL_SEVERITY, NULL, &m->page, m->severities, d);
	if (rc == 0 && !seg_decode_in_range(m->seg, block, SEG_COL_SEVERITY, m->severities))
		rc = seg_decode_fail(m->seg, block, SEG_COL_SEVERITY, ERR_CORRUPT, d);
	*out = (struct sidx_cube_rows){ .count = seg_reader_block(m->seg, block)->rows_count,
		.times = m->times,
		.severities = m->severities };
	for (int i = 0; i < TEXTS && rc == 0; i++) {
		enum sidx_cube_dim dim = texts[i];

		if (!(dims >> dim & 1))
			continue;
		rc = seg_decode_codes(m->seg, block, columns[dim], &m->page, m->codes[dim], d);
		out->codes[dim] = m->codes[dim];
	}
	return rc;
}

/* ERR_LIMIT, without a diag: there are too many cells. */
static int count_all(struct maker *m, struct sidx_cube_cells *cells, struct diag *d)
{
	uint32_t blocks = seg_reader_info(m->seg)->blocks_count;
	int rc = 0;

	for (uint32_t i = 0; i < blocks && rc == 0; i++) {
		struct sidx_cube_rows rows;

		rc = read_block(m, i, cells->dims, &rows, d);
		if (rc == 0)
			rc = sidx_cube_cells_add(cells, &rows);
	}
	return rc;
}

static uint32_t cells_max(const struct maker *m)
{
	uint64_t n = seg_reader_info(m->seg)->rows_count / SIDX_CUBE_CELL_ROWS;

	if (n < SIDX_CUBE_CELLS_FREE)
		return SIDX_CUBE_CELLS_FREE;
	return n < LIMIT_CUBE_CELLS ? (uint32_t)n : LIMIT_CUBE_CELLS;
}

/* After rc of counting: joins what is too much; a table that cannot be has no cells. */
static int shrink(const struct maker *m, struct sidx_cube_cells *cells, int rc)
{
	while (rc == 0 && cells->cells_count > cells_max(m))
		rc = sidx_cube_cells_fold(cells);
	if (rc != ERR_LIMIT)
		return rc;
	cells->cells_count = 0;
	return 0;
}

/* Of the full table where that was never joined. */
static int count_small(struct maker *m, int full_rc, struct diag *d)
{
	bool whole =
		full_rc == 0 && m->full.dims == m->dims && m->full.bucket_ns == m->small.bucket_ns;

	return whole ? sidx_cube_cells_take(&m->small, &m->full) : count_all(m, &m->small, d);
}

/* Both tables; one that is not to be written has no cells. */
static int count_tables(struct maker *m, struct diag *d)
{
	int full_rc = count_all(m, &m->full, d), rc;

	if (full_rc < 0 && full_rc != ERR_LIMIT)
		return full_rc;
	rc = shrink(m, &m->small, count_small(m, full_rc, d));
	if (rc == 0)
		rc = shrink(m, &m->full, full_rc);
	if (rc < 0)
		return rc;
	if (m->full.cells_count > 0 && m->small.bucket_ns == m->full.bucket_ns &&
		(m->small.dims & ~m->full.dims) == 0 &&
		m->small.cells_count > m->full.cells_count / SMALL_SHARE)
		m->small.cells_count = 0;
	return 0;
}

/* ---- values ---- */

static void mark_used(const struct sidx_cube_cells *cells, enum sidx_cube_dim dim, uint16_t *used)
{
	if (cells->cells_count == 0 || !(cells->dims >> dim & 1))
		return;
	for (uint32_t i = 0; i < cells->slots_count; i++) {
		if (cells->rows[i] > 0)
			used[sidx_cube_cells_code(cells->keys[i], dim)] = 1;
	}
}

static struct span value_of(const struct col_dict *dict, uint16_t code)
{
	return code ? col_dict_at(dict, code) : SPAN_NONE;
}

static int value_cmp(const void *pa, const void *pb, void *arg)
{
	uint16_t a = *(const uint16_t *)pa, b = *(const uint16_t *)pb;

	if (a == 0 || b == 0)
		return (a != 0) - (b != 0);
	return span_cmp(value_of(arg, a), value_of(arg, b));
}

/* What the tables tell apart of a dimension, sorted. */
static int rank_values(struct maker *m, enum sidx_cube_dim dim, struct diag *d)
{
	struct col_dict *dict = &m->dicts[dim];
	uint16_t *order = m->order[dim], *ranks = m->ranks[dim];
	uint32_t count = 0;
	int rc;

	mark_used(&m->full, dim, ranks);
	mark_used(&m->small, dim, ranks);
	for (uint32_t code = 0; code < LIMIT_CUBE_VALUES; code++) {
		if (ranks[code])
			order[count++] = (uint16_t)code;
	}
	m->values_count[dim] = count;
	if (count == 0)
		return 0;
	rc = seg_decode_dict(m->seg, columns[dim], dict, d);
	if (rc < 0)
		return rc;
	ASSERT(order[count - 1] <= dict->count);
	qsort_r(order, count, sizeof *order, value_cmp, dict);
	for (uint32_t i = 0; i < count; i++)
		ranks[order[i]] = (uint16_t)i;
	m->widths[dim] = col_pack_width(count - 1);
	return 0;
}

static void put_values(const struct maker *m, enum sidx_cube_dim dim, struct buf *out)
{
	col_pack_varint(out, m->values_count[dim]);
	for (uint32_t i = 0; i < m->values_count[dim]; i++) {
		struct span v = value_of(&m->dicts[dim], m->order[dim][i]);

		col_pack_varint(out, v.p ? v.n + 1 : 0);
		buf_put_span(out, v);
	}
}

/* ---- tables ---- */

/* One of the sorted cells' lines: cells of one combination. */
struct line {
	const struct sidx_cube_cell *cells;
	uint32_t count;
	uint32_t total;
};

static struct line line_at(const struct sidx_cube_cell *v, uint32_t at, uint32_t count)
{
	struct line l = { .cells = v + at };

	while (at + l.count < count && v[at + l.count].combo == v[at].combo)
		l.total += v[at + l.count++].rows;
	return l;
}

static void put_buckets(const struct line *l, uint32_t buckets, struct sidx_bits_put *b)
{
	uint32_t most = l->total < buckets ? l->total : buckets, next = 0;
	unsigned count_bits = col_pack_width(most - 1), bits = col_pack_width(buckets - 1);
	bool list = count_bits + (uint64_t)l->count * bits < buckets;

	sidx_bits_put(b, list, 1);
	if (list)
		sidx_bits_put(b, l->count - 1, count_bits);
	for (uint32_t i = 0; i < l->count; i++) {
		if (list) {
			sidx_bits_put(b, l->cells[i].bucket, bits);
			continue;
		}
		for (; next < l->cells[i].bucket; next++)
			sidx_bits_put(b, 0, 1);
		sidx_bits_put(b, 1, 1);
		next++;
	}
	for (; !list && next < buckets; next++)
		sidx_bits_put(b, 0, 1);
}

static void put_counts(const struct line *l, uint32_t buckets, struct sidx_bits_put *b)
{
	uint32_t most = 0;
	unsigned width;

	if (buckets == 1)
		return;
	if (l->total == 1) {
		sidx_bits_put(b, l->cells[0].bucket, col_pack_width(buckets - 1));
		return;
	}
	put_buckets(l, buckets, b);
	if (l->count == 1 || l->count == l->total)
		return;
	for (uint32_t i = 0; i + 1 < l->count; i++)
		most = l->cells[i].rows > most ? l->cells[i].rows : most;
	width = col_pack_width(most - 1);
	sidx_bits_put(b, width, WIDTH_BITS);
	for (uint32_t i = 0; i + 1 < l->count; i++)
		sidx_bits_put(b, l->cells[i].rows - 1, width);
}

static void put_bits(struct sidx_bits_put *b, uint64_t v, unsigned width)
{
	unsigned low = width < SIDX_BITS_WIDTH_MAX ? width : SIDX_BITS_WIDTH_MAX;

	sidx_bits_put(b, v & ((UINT64_C(1) << low) - 1), low);
	sidx_bits_put(b, v >> low, width - low);
}

/* The parts that are bits, of all lines. */
static void put_lines(const struct sidx_cube_cell *v, uint32_t count, unsigned combo_width,
	unsigned total_width, struct buf *counts, struct buf *out)
{
	struct sidx_bits_put b;

	sidx_bits_begin(&b, out);
	for (uint32_t i = 0; i < count; i += line_at(v, i, count).count)
		put_bits(&b, v[i].combo, combo_width);
	sidx_bits_end(&b);
	sidx_bits_begin(&b, out);
	for (uint32_t i = 0; i < count;) {
		struct line l = line_at(v, i, count);

		sidx_bits_put(&b, l.total - 1, total_width);
		i += l.count;
	}
	sidx_bits_end(&b);
	buf_put(out, counts->p, counts->len);
}

static void put_table(const struct maker *m, const struct sidx_cube_cells *cells,
	const struct sidx_cube_cell *v, struct buf *counts, struct buf *out)
{
	uint32_t n = cells->cells_count, lines = 0, most = 1;
	unsigned combo_width = 0;
	struct sidx_bits_put b;

	sidx_bits_begin(&b, counts);
	for (uint32_t i = 0; i < n; lines++) {
		struct line l = line_at(v, i, n);

		most = l.total > most ? l.total : most;
		put_counts(&l, cells->buckets_count, &b);
		i += l.count;
	}
	sidx_bits_end(&b);
	for (int d = 0; d < SIDX_CUBE_DIMS; d++)
		combo_width += cells->dims >> d & 1 ? m->widths[d] : 0;
	buf_put_u8(out, (uint8_t)cells->dims);
	col_pack_varint(out, (uint64_t)(cells->bucket_ns / MINUTE_NS));
	col_pack_varint(out, cells->buckets_count);
	col_pack_varint(out, cursor_zigzag(cells->buckets[0]));
	for (uint32_t i = 1; i < cells->buckets_count; i++)
		col_pack_varint(out, (uint64_t)(cells->buckets[i] - cells->buckets[i - 1]) - 1);
	col_pack_varint(out, lines);
	buf_put_u8(out, (uint8_t)col_pack_width(most - 1));
	col_pack_varint(out, counts->len);
	put_lines(v, n, combo_width, col_pack_width(most - 1), counts, out);
}

static int put_cells(const struct maker *m, struct sidx_cube_cells *cells, struct buf *out)
{
	const uint16_t *ranks[SIDX_CUBE_DIMS] = { NULL };
	struct sidx_cube_cell *v = NULL;
	struct buf counts;
	int rc;

	if (cells->cells_count == 0)
		return 0;
	for (int i = 0; i < TEXTS; i++)
		ranks[texts[i]] = m->ranks[texts[i]];
	rc = sidx_cube_cells_sort(cells, ranks, m->widths, &v);
	if (rc < 0)
		return rc;
	buf_init(&counts, SIDX_COMMON_FILE_BYTES_MAX);
	put_table(m, cells, v, &counts, out);
	rc = counts.err;
	buf_fini(&counts);
	free(v);
	return rc;
}

static int put_all(struct maker *m, struct buf *out, struct diag *d)
{
	unsigned tables = (m->small.cells_count > 0) + (m->full.cells_count > 0);
	int rc = 0;

	buf_put_u8(out, (uint8_t)tables);
	if (tables == 0)
		return 0;
	m->widths[SIDX_CUBE_SEVERITY] = SEVERITY_BITS;
	for (int i = 0; i < TEXTS && rc == 0; i++) {
		rc = rank_values(m, texts[i], d);
		if (rc == 0)
			put_values(m, texts[i], out);
	}
	if (rc == 0)
		rc = put_cells(m, &m->small, out);
	return rc < 0 ? rc : put_cells(m, &m->full, out);
}

static int begin(struct maker *m, const struct seg_reader *seg)
{
	int rc;

	m->seg = seg;
	m->dims = 1u << SIDX_CUBE_SEVERITY;
	seg_decode_buf_init(&m->page);
	for (int i = 0; i < TEXTS; i++) {
		col_dict_init(&m->dicts[texts[i]]);
		if (is_coded(seg, columns[texts[i]]))
			m->dims |= 1u << texts[i];
	}
	rc = sidx_cube_cells_init(&m->full, m->dims);
	return rc < 0 ? rc : sidx_cube_cells_init(&m->small, m->dims & SMALL_DIMS);
}

static void end(struct maker *m)
{
	buf_fini(&m->page);
	for (int i = 0; i < TEXTS; i++)
		col_dict_fini(&m->dicts[texts[i]]);
	sidx_cube_cells_fini(&m->full);
	sidx_cube_cells_fini(&m->small);
	free(m);
}

int sidx_cube_maker_build(const struct seg_reader *seg, struct buf *out, struct diag *d)
{
	static const uint8_t head[SIDX_COMMON_HEAD_BYTES];
	struct maker *m = calloc(1, sizeof *m);
	size_t start;
	int rc;

	if (!m)
		return diag_set(d, -ENOMEM, seg_reader_name(seg), -1, "building a cube");
	buf_put(out, head, sizeof head);
	start = out->len;
	rc = begin(m, seg);
	if (rc == 0)
		rc = count_tables(m, d);
	if (rc == 0)
		rc = put_all(m, out, d);
	if (rc == 0)
		rc = out->err;
	if (rc == 0)
		sidx_common_seal(out, SIDX_CUBE, seg_reader_info(seg), out->len - start);
	else if (rc == -ENOMEM)
		diag_set(d, rc, seg_reader_name(seg), -1, "building a cube");
	end(m);
	return rc;
}
