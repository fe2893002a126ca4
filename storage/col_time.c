/*
 * Times in nanoseconds as they were written before there were streams. Only read.
 *
 * TIME      u8 unit (index into units[] below), varint zigzag of the first value in that unit, then
 *           the frames of the rows_count - 1 differences in that unit
 * TIME_REL  the frames of value - time of the same row: when an event arrived soon after it happened
 *
 * Clocks that count milliseconds leave six decimal digits of zeroes in every value; taking the unit
 * out saves twenty bits a row. A unit of 1 ns is COL_DELTA.
 */
#include "storage/col.h"

#include "proto/base/check.h"
#include "storage/col_pack.h"

static const int64_t units[] = { 1, 1000, 1000000, 1000000000 };

enum { UNITS_COUNT = ARRAY_COUNT(units) };

/* Modulo 2^64 as all arithmetic here: a damaged page may claim anything. */
int col_time_decode(struct span page, struct col_output *out)
{
	struct rcur c = rcur_of(page.p, page.n);
	unsigned unit = rcur_u8(&c);
	uint64_t v = (uint64_t)cursor_unzigzag(rcur_varint(&c));
	uint64_t factor;

	ASSERT(out->rows_count > 0);
	if (unit >= UNITS_COUNT)
		return ERR_CORRUPT;
	factor = (uint64_t)units[unit];
	col_pack_frames_get(&c, out->rows_count - 1, out->ints + 1);
	if (c.err || rcur_left(&c) != 0)
		return ERR_CORRUPT;
	out->ints[0] = (int64_t)(v * factor);
	for (uint32_t i = 1; i < out->rows_count; i++) {
		v += (uint64_t)out->ints[i];
		out->ints[i] = (int64_t)(v * factor);
	}
	return 0;
}

int col_time_rel_decode(struct span page, struct col_output *out)
{
	struct rcur c = rcur_of(page.p, page.n);

	if (!out->times)
		return ERR_CORRUPT;
	col_pack_frames_get(&c, out->rows_count, out->ints);
	if (c.err || rcur_left(&c) != 0)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < out->rows_count; i++)
		out->ints[i] = (int64_t)((uint64_t)out->ints[i] + (uint64_t)out->times[i]);
	return 0;
}
