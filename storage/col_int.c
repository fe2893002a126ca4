/*
 * Integers: a sequence, frames of reference, or frames of differences.
 *
 * SEQ    varint zigzag of the first value, varint zigzag of the step
 * INT    frames (col_pack.h)
 * DELTA  varint zigzag of the first value, then the frames of the rows_count - 1 differences
 *
 * Dense ids are SEQ with step 1, a constant is SEQ with step 0: a few bytes for a block.
 */
#include "storage/col.h"

#include "proto/base/check.h"
#include "storage/col_pack.h"

static int64_t step_of(const struct col_input *in)
{
	if (in->rows_count < 2)
		return 0;
	return (int64_t)((uint64_t)in->ints[1] - (uint64_t)in->ints[0]);
}

static int finish(const struct rcur *c)
{
	return c->err || rcur_left(c) != 0 ? ERR_CORRUPT : 0;
}

static struct col_series series(const struct col_input *in, bool delta)
{
	return (struct col_series){
		.v = in->ints, .unit = 1, .count = in->rows_count, .delta = delta
	};
}

size_t col_int_seq_cost(const struct col_input *in)
{
	uint64_t step = (uint64_t)step_of(in);

	for (uint32_t i = 2; i < in->rows_count; i++) {
		if ((uint64_t)in->ints[i] - (uint64_t)in->ints[i - 1] != step)
			return SIZE_MAX;
	}
	return 2;
}

void col_int_seq_encode(const struct col_input *in, struct buf *out)
{
	col_pack_varint(out, cursor_zigzag(in->ints[0]));
	col_pack_varint(out, cursor_zigzag(step_of(in)));
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

size_t col_int_cost(const struct col_input *in)
{
	struct col_series s = series(in, false);

	return col_pack_frames_cost(&s);
}

void col_int_encode(const struct col_input *in, struct buf *out)
{
	struct col_series s = series(in, false);

	col_pack_frames_put(&s, out);
}

int col_int_decode(struct span page, struct col_output *out)
{
	struct rcur c = rcur_of(page.p, page.n);

	col_pack_frames_get(&c, out->rows_count, out->ints);
	return finish(&c);
}

size_t col_int_delta_cost(const struct col_input *in)
{
	struct col_series s = series(in, true);

	return CURSOR_VARINT_BYTES_MAX + col_pack_frames_cost(&s);
}

void col_int_delta_encode(const struct col_input *in, struct buf *out)
{
	struct col_series s = series(in, true);

	col_pack_varint(out, cursor_zigzag(in->ints[0]));
	col_pack_frames_put(&s, out);
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
