/*
 * Columns of numbers: integers and codes, whole or at some rows. Whatever was decoded whole is kept
 * for the block and asked first; streams and packed codes give single rows without that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/block_reader_int.h"
#include "storage/col_pack.h"
#include "storage/seg_decode.h"

/* Rows side by side cost about as much as one in so many of single ones. */
enum { BESIDE = 4 };

static bool is_stream(const struct block_column *c)
{
	return c->encoding == COL_STREAM || c->encoding == COL_STREAM_REL ||
	       c->encoding == COL_CODE_STREAM;
}

static int open_stream(struct block_reader *b, struct block_column *c)
{
	struct rcur r = rcur_of(c->page.p, c->page.n);
	int rc;

	if (c->stream_open)
		return 0;
	rc = col_stream_open(&r, b->rows_count, &b->tables, &c->stream);
	if (rc == 0 && rcur_left(&r) != 0)
		rc = ERR_CORRUPT;
	c->stream_open = rc == 0;
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

static bool is_relative(const struct block_column *c)
{
	return c->encoding == COL_STREAM_REL || c->encoding == COL_TIME_REL;
}

/* An array of the block's rows: the one at hand if it is long enough. */
static void *room(const struct block_reader *b, void *have, uint32_t *cap, size_t size)
{
	if (*cap >= b->rows_count)
		return have;
	free(have);
	have = malloc(b->rows_count * size);
	*cap = have ? b->rows_count : 0;
	return have;
}

/* ---- integers ---- */

static void add_times(int64_t *v, const int64_t *times, size_t count)
{
	for (size_t i = 0; i < count; i++)
		v[i] = (int64_t)((uint64_t)v[i] + (uint64_t)times[i]);
}

static int decode_ints(
	struct block_reader *b, struct block_column *c, const int64_t *times, int64_t *out)
{
	struct col_output o = { .rows_count = b->rows_count, .ints = out, .times = times };
	int rc;

	if (!is_stream(c))
		return col_decode(c->encoding, COL_KIND_INTS, c->page, &o);
	rc = open_stream(b, c);
	if (rc == 0)
		rc = col_stream_get(&c->stream, 0, b->rows_count, out);
	if (rc == 0 && is_relative(c))
		add_times(out, times, b->rows_count);
	return rc;
}

int block_reader_ints_into(
	struct block_reader *b, int col, const int64_t *times, int64_t *out, struct diag *d)
{
	struct block_column *c;
	int rc = block_reader_open(b, col, &c, d);

	ASSERT(col >= 0 && col < SEG_COL_INTS);
	if (rc < 0)
		return rc;
	/* Only the time of arrival is ever told by the time of the event. */
	if (is_relative(c) && col != SEG_COL_RECEIVED)
		return block_reader_fail(b, col, ERR_CORRUPT, d);
	if (is_relative(c) && !times)
		rc = block_reader_ints(b, SEG_COL_TIME, &times, d);
	if (rc < 0)
		return rc;
	rc = decode_ints(b, c, times, out);
	if (rc == 0 && !seg_decode_in_range(b->seg, b->block, col, out))
		rc = ERR_CORRUPT;
	return rc < 0 ? block_reader_fail(b, col, rc, d) : 0;
}

int block_reader_ints(struct block_reader *b, int col, const int64_t **out, struct diag *d)
{
	struct block_arrays *a = &b->arrays[col];
	int rc;

	a->ints = room(b, a->ints, &a->ints_cap, sizeof *a->ints);
	if (!a->ints)
		return block_reader_fail(b, col, -ENOMEM, d);
	*out = a->ints;
	if (b->cols[col].ints_ready)
		return 0;
	rc = block_reader_ints_into(b, col, NULL, a->ints, d);
	b->cols[col].ints_ready = rc == 0;
	return rc;
}

static bool are_within(const int64_t *v, size_t count, uint64_t least, uint64_t most)
{
	bool beyond = false;

	for (size_t i = 0; i < count; i++)
		beyond |= (uint64_t)v[i] - least > most - least;
	return !beyond;
}

/* As seg_decode_in_range, of some rows. */
static bool some_in_range(const struct block_reader *b, int col, const int64_t *v, size_t count)
{
	const struct seg_block *k = seg_reader_block(b->seg, b->block);

	switch (col) {
	case SEG_COL_ID:
		return are_within(v, count, k->id_min, k->id_max);
	case SEG_COL_SEVERITY:
		return are_within(v, count, 0, EVENT_SEVERITY_COUNT - 1);
	case SEG_COL_FLAGS:
		return are_within(v, count, 0, UINT8_MAX);
	default:
		return true;
	}
}

/* From a stream, a few rows at a time: the times are added where the column is relative to them. */
static int pick_ints(struct block_reader *b, int col, struct block_column *c, const uint32_t *rows,
	size_t count, int64_t *out, struct diag *d)
{
	int64_t times[BLOCK_READER_SOME];
	int rc = open_stream(b, c);

	for (size_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < BLOCK_READER_SOME ? count - at : BLOCK_READER_SOME;
		rc = col_stream_pick(&c->stream, rows + at, (uint32_t)n, out + at);
		if (rc < 0 || !is_relative(c))
			continue;
		rc = block_reader_ints_at(b, SEG_COL_TIME, rows + at, n, times, d);
		if (rc < 0)
			return rc;
		add_times(out + at, times, n);
	}
	if (rc == 0 && !some_in_range(b, col, out, count))
		rc = ERR_CORRUPT;
	return rc < 0 ? block_reader_fail(b, col, rc, d) : 0;
}

int block_reader_ints_at(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	int64_t *out, struct diag *d)
{
	const int64_t *all;
	struct block_column *c;
	int rc = block_reader_open(b, col, &c, d);

	if (rc < 0)
		return rc;
	if (is_relative(c) && col != SEG_COL_RECEIVED)
		return block_reader_fail(b, col, ERR_CORRUPT, d);
	if (!c->ints_ready && is_stream(c) && !block_reader_prefers_whole(b, c, count))
		return pick_ints(b, col, c, rows, count, out, d);
	rc = block_reader_ints(b, col, &all, d);
	for (size_t i = 0; i < count && rc == 0; i++)
		out[i] = all[rows[i]];
	return rc;
}

/* ---- codes ---- */

static int check_codes(const struct block_reader *b, int col, const uint16_t *v, size_t count)
{
	uint16_t max = 0;

	for (size_t i = 0; i < count; i++)
		max = v[i] > max ? v[i] : max;
	return max > seg_decode_dict_count(b->seg, col) ? ERR_CORRUPT : 0;
}

/* Numbers of a stream as codes. */
static int narrow(const int64_t *v, size_t count, uint16_t *out)
{
	uint64_t all = 0;

	for (size_t i = 0; i < count; i++) {
		all |= (uint64_t)v[i];
		out[i] = (uint16_t)v[i];
	}
	return all > UINT16_MAX ? ERR_CORRUPT : 0;
}

static int stream_codes(struct block_column *c, uint32_t first, uint32_t count, uint16_t *out)
{
	int64_t v[BLOCK_READER_SOME];
	int rc = 0;

	for (uint32_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < BLOCK_READER_SOME ? count - at : BLOCK_READER_SOME;
		rc = col_stream_get(&c->stream, first + at, n, v);
		if (rc == 0)
			rc = narrow(v, n, out + at);
	}
	return rc;
}

/* One part of a stream. */
static int load_part(struct block_reader *b, int col, struct block_column *c, uint32_t part)
{
	uint32_t first = part * BLOCK_READER_PART_ROWS, left = b->rows_count - first;
	uint32_t n = left < BLOCK_READER_PART_ROWS ? left : BLOCK_READER_PART_ROWS;
	uint16_t *codes;
	int rc = open_stream(b, c);

	if (!c->parts)
		c->parts = arena_calloc(&b->tables, BLOCK_READER_PARTS, sizeof *c->parts);
	if (rc < 0 || !c->parts)
		return rc < 0 ? rc : -ENOMEM;
	if (c->parts[part])
		return 0;
	codes = arena_alloc(&b->tables, n * sizeof *codes);
	if (!codes)
		return -ENOMEM;
	rc = stream_codes(c, first, n, codes);
	if (rc == 0)
		rc = check_codes(b, col, codes, n);
	if (rc == 0)
		c->parts[part] = codes;
	return rc;
}

static int whole_codes(struct block_reader *b, struct block_column *c, uint16_t *codes)
{
	struct col_output o = { .rows_count = b->rows_count, .codes = codes };
	int rc;

	if (!is_stream(c))
		return col_decode(c->encoding, COL_KIND_CODES, c->page, &o);
	rc = open_stream(b, c);
	return rc < 0 ? rc : stream_codes(c, 0, b->rows_count, codes);
}

int block_reader_codes(struct block_reader *b, int col, const uint16_t **out, struct diag *d)
{
	struct block_arrays *a = &b->arrays[col];
	struct block_column *c;
	int rc = block_reader_open(b, col, &c, d);

	if (rc < 0)
		return rc;
	a->codes = room(b, a->codes, &a->codes_cap, sizeof *a->codes);
	if (!a->codes)
		return block_reader_fail(b, col, -ENOMEM, d);
	*out = a->codes;
	if (c->codes_ready)
		return 0;
	rc = whole_codes(b, c, a->codes);
	if (rc == 0)
		rc = check_codes(b, col, a->codes, b->rows_count);
	if (rc < 0)
		return block_reader_fail(b, col, rc, d);
	c->codes_ready = true;
	return 0;
}

int block_reader_codes_to(struct block_reader *b, int col, uint32_t first, uint32_t count,
	uint16_t *out, struct diag *d)
{
	const uint16_t *all;
	struct block_column *c;
	int rc = block_reader_open(b, col, &c, d);

	ASSERT(first + count <= b->rows_count);
	if (rc < 0)
		return rc;
	if (c->codes_ready || !is_stream(c)) {
		rc = block_reader_codes(b, col, &all, d);
		if (rc == 0)
			memcpy(out, all + first, count * sizeof *out);
		return rc;
	}
	rc = open_stream(b, c);
	if (rc == 0)
		rc = stream_codes(c, first, count, out);
	if (rc == 0)
		rc = check_codes(b, col, out, count);
	return rc < 0 ? block_reader_fail(b, col, rc, d) : 0;
}

int block_reader_codes_part(
	struct block_reader *b, int col, uint32_t first, const uint16_t **out, struct diag *d)
{
	uint32_t part = first / BLOCK_READER_PART_ROWS;
	struct block_column *c;
	int rc = block_reader_open(b, col, &c, d);

	ASSERT(first < b->rows_count);
	if (rc < 0)
		return rc;
	if (c->codes_ready || !is_stream(c)) {
		rc = block_reader_codes(b, col, out, d);
		*out += rc == 0 ? first : 0;
		return rc;
	}
	rc = load_part(b, col, c, part);
	if (rc < 0)
		return block_reader_fail(b, col, rc, d);
	*out = c->parts[part] + first % BLOCK_READER_PART_ROWS;
	return 0;
}

/* A row may come twice, so that the ends alone do not tell. */
static bool side_by_side(const uint32_t *rows, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (rows[i] != rows[0] + i)
			return false;
	}
	return count > 1;
}

static int pick_stream_codes(struct block_reader *b, struct block_column *c, const uint32_t *rows,
	size_t count, uint16_t *out)
{
	int64_t v[BLOCK_READER_SOME];
	int rc = open_stream(b, c);

	for (size_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < BLOCK_READER_SOME ? count - at : BLOCK_READER_SOME;
		if (side_by_side(rows + at, n))
			rc = col_stream_get(&c->stream, rows[at], (uint32_t)n, v);
		else
			rc = col_stream_pick(&c->stream, rows + at, (uint32_t)n, v);
		if (rc == 0)
			rc = narrow(v, n, out + at);
	}
	return rc;
}

/* Packed in one width (col_dict.c): each row's place is known. */
static int pick_packed_codes(const struct block_reader *b, const struct block_column *c,
	const uint32_t *rows, size_t count, uint16_t *out)
{
	unsigned width = c->page.n > 0 ? c->page.p[0] : 0;
	struct span packed;

	if (width < 1 || width > 16 || c->page.n != 1 + col_pack_bytes(b->rows_count, width))
		return ERR_CORRUPT;
	packed = span_of(c->page.p + 1, c->page.n - 1);
	for (size_t i = 0; i < count; i++)
		out[i] = (uint16_t)col_pack_at(packed, width, rows[i]);
	return 0;
}

/* Rows as many as one by one would cost the same: those side by side share the frames they are in. */
static size_t dearness(const uint32_t *rows, size_t count)
{
	return side_by_side(rows, count) ? (count + BESIDE - 1) / BESIDE : count;
}

/* False: not all are in parts that are there. */
static bool take_from_parts(
	const struct block_column *c, const uint32_t *rows, size_t count, uint16_t *out)
{
	for (size_t i = 0; i < count; i++) {
		const uint16_t *part = c->parts[rows[i] / BLOCK_READER_PART_ROWS];

		if (!part)
			return false;
		out[i] = part[rows[i] % BLOCK_READER_PART_ROWS];
	}
	return true;
}

int block_reader_codes_at(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	uint16_t *out, struct diag *d)
{
	const uint16_t *all;
	struct block_column *c;
	int rc = block_reader_open(b, col, &c, d);

	if (rc < 0)
		return rc;
	if (!c->codes_ready && c->parts && take_from_parts(c, rows, count, out))
		return 0;
	if (!c->codes_ready && (is_stream(c) || c->encoding == COL_CODES) &&
		!block_reader_prefers_whole(b, c, dearness(rows, count))) {
		rc = is_stream(c) ? pick_stream_codes(b, c, rows, count, out)
				  : pick_packed_codes(b, c, rows, count, out);
		if (rc == 0)
			rc = check_codes(b, col, out, count);
		return rc < 0 ? block_reader_fail(b, col, rc, d) : 0;
	}
	rc = block_reader_codes(b, col, &all, d);
	for (size_t i = 0; i < count && rc == 0; i++)
		out[i] = all[rows[i]];
	return rc;
}
