/*
 * Integers as they were written before there were streams: a sequence, frames of reference, or
 * frames of differences. Only read.
 *
 * SEQ    varint zigzag of the first value, varint zigzag of the step
 * INT    frames (col_pack.h)
 * DELTA  varint zigzag of the first value, then the frames of the rows_count - 1 differences
 */
#include "storage/col.h"

#include "proto/base/check.h"
#include "storage/col_pack.h"

static int finish(const struct rcur *c)
{
	return c->err || rcur_left(c) != 0 ? ERR_CORRUPT : 0;
}

int col_int_seq_decode(struct span page, struct col_output *out)
{
	struct rcur c = rcur_of(page.p, page.n);
	uint64_t v = (uint64_t)cursor_unzigzag(rcur_varint(&c));
	uint64_t step = (uint64_t)cursor_unzigzag(rcur_varint(&c));

	for (uint32_t i = 0; i < out->rows_count; i++, v += step)
		out->ints[i] = (int64_t)v;
	return finish(&c);
}

int col_int_decode(struct span page, struct col_output *out)
{
	struct rcur c = rcur_of(page.p, page.n);

	col_pack_frames_get(&c, out->rows_count, out->ints);
	return finish(&c);
}

int col_int_delta_decode(struct span page, struct col_output *out)
{
	struct rcur c = rcur_of(page.p, page.n);
	uint64_t v = (uint64_t)cursor_unzigzag(rcur_varint(&c));

	ASSERT(out->rows_count > 0);
	/* The differences are decoded in the places of the values they lead to. */
	col_pack_frames_get(&c, out->rows_count - 1, out->ints + 1);
	if (finish(&c) < 0)
		return ERR_CORRUPT;
	out->ints[0] = (int64_t)v;
	for (uint32_t i = 1; i < out->rows_count; i++) {
		v += (uint64_t)out->ints[i];
		out->ints[i] = (int64_t)v;
	}
	return 0;
}
