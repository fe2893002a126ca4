#include "storage/col_stream_int.h"

#include "proto/base/check.h"

static void measure(const uint64_t *v, uint32_t count, uint64_t *out_min, unsigned *out_width)
{
	int64_t min = (int64_t)v[0], max = min;

	for (uint32_t i = 1; i < count; i++) {
		int64_t x = (int64_t)v[i];

		min = x < min ? x : min;
		max = x > max ? x : max;
	}
	*out_min = (uint64_t)min;
	*out_width = col_pack_width((uint64_t)max - (uint64_t)min);
}

size_t col_stream_side_cost(const uint64_t *v, uint32_t count)
{
	uint64_t min;
	unsigned width;

	measure(v, count, &min, &width);
	return col_stream_varint_bytes(cursor_zigzag((int64_t)min)) +
	       (count > 1 ? 1 + col_pack_bytes(count, width) : 0);
}

void col_stream_side_put(const uint64_t *v, uint32_t count, struct buf *out)
{
	uint64_t part[COL_STREAM_FRAME], min;
	unsigned width;

	ASSERT(count > 0);
	measure(v, count, &min, &width);
	col_pack_varint(out, cursor_zigzag((int64_t)min));
	if (count == 1)
		return;
	buf_put_u8(out, (uint8_t)width);
	for (uint32_t i = 0; i < count; i += COL_STREAM_FRAME) {
		uint32_t n = count - i < COL_STREAM_FRAME ? count - i : COL_STREAM_FRAME;

		if (buf_reserve(out, col_pack_bytes(n, width)) < 0)
			return;
		for (uint32_t k = 0; k < n; k++)
			part[k] = v[i + k] - min;
		/* A whole part ends at a byte: 128 times any width. */
		col_pack_put(part, n, width, out->p + out->len);
		out->len += col_pack_bytes(n, width);
	}
}

void col_stream_side_open(struct rcur *c, uint32_t count, struct col_stream_side *out)
{
	*out = (struct col_stream_side){ .min = (uint64_t)cursor_unzigzag(rcur_varint(c)) };
	if (count == 1)
		return;
	out->width = rcur_u8(c);
	if (out->width > 64 && !c->err)
		c->err = ERR_CORRUPT;
	if (!c->err)
		out->packed = rcur_bytes(c, col_pack_bytes(count, out->width));
}

void col_stream_side_get(
	const struct col_stream_side *s, uint32_t first, uint32_t count, uint64_t *out)
{
	size_t at = (size_t)first / 8 * s->width;

	ASSERT(first % 8 == 0);
	ASSERT(at <= s->packed.n);
	col_pack_get_plus(
		span_of(s->packed.p + at, s->packed.n - at), count, s->width, s->min, out);
}
