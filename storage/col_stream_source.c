#include "storage/col_stream_int.h"

#include "proto/base/check.h"

static uint64_t gcd(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

/* Newton's steps double the correct low bits: 3, 6, 12, 24, 48, 96. */
static uint64_t inverse_of(uint64_t odd)
{
	uint64_t x = odd * 3 ^ 2;

	for (int i = 0; i < 4; i++)
		x *= 2 - odd * x;
	ASSERT(x * odd == 1);
	return x;
}

static void set_unit(struct col_stream_source *s, uint64_t unit)
{
	ASSERT(unit > 0);
	s->unit = unit;
	s->shift = (unsigned)__builtin_ctzll(unit);
	s->inverse = inverse_of(unit >> s->shift);
}

/* Whether unit divides v: the product with the inverse is small for multiples alone. */
static inline bool divides(const struct col_stream_source *s, uint64_t v, uint64_t limit)
{
	return (v & ((UINT64_C(1) << s->shift) - 1)) == 0 && (v >> s->shift) * s->inverse <= limit;
}

/* Most columns come down to 1 within a few values; where they do not, a value costs a product. */
void col_stream_source_unit(struct col_stream_source *s)
{
	uint64_t unit = 0, limit = 0;

	set_unit(s, 1);
	for (uint32_t i = 0; i < s->count && unit != 1; i++) {
		uint64_t v = (uint64_t)s->v[i] - s->base;

		if (v == 0 || (unit && divides(s, v, limit)))
			continue;
		unit = gcd(v, unit);
		set_unit(s, unit);
		limit = (UINT64_MAX >> s->shift) / (unit >> s->shift);
		ASSERT_SLOW(divides(s, v, limit));
	}
}

static inline uint64_t quotient(const struct col_stream_source *s, uint32_t i)
{
	uint64_t d = (uint64_t)s->v[i] - s->base;

	return (d >> s->shift) * s->inverse;
}

/* Differences of quotients, not quotients of differences, which may have left the 64 bits. */
static void differences(const struct col_stream_source *s, uint32_t from, uint32_t n, uint64_t *x)
{
	bool restart = from % (COL_STREAM_FRAME * COL_STREAM_GROUP) == 0;
	uint64_t before = restart ? 0 : quotient(s, from - 1);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t q = quotient(s, from + i);

		x[i] = q - before - s->bias;
		before = q;
	}
	if (restart)
		x[0] = 0;
}

/* The same with a unit of 1: nothing is carried from one to the next, so many are done at once. */
static void near_differences(
	const struct col_stream_source *s, uint32_t from, uint32_t n, uint64_t *x)
{
	bool restart = from % (COL_STREAM_FRAME * COL_STREAM_GROUP) == 0;
	const int64_t *v = s->v + from + restart, *before = v - 1;

	for (size_t i = 0; i < n - restart; i++)
		x[i + restart] = (uint64_t)v[i] - (uint64_t)before[i] - s->bias;
	if (restart)
		x[0] = 0;
}

uint32_t col_stream_source_frame(
	const struct col_stream_source *s, uint32_t frame, uint64_t x[COL_STREAM_FRAME])
{
	uint32_t from = frame * COL_STREAM_FRAME, n = col_stream_frame_count(s->count, frame);

	if (s->delta)
		s->unit == 1 ? near_differences(s, from, n, x) : differences(s, from, n, x);
	else if (s->unit == 1)
		for (uint32_t i = 0; i < n; i++)
			x[i] = (uint64_t)s->v[from + i] - s->base;
	else
		for (uint32_t i = 0; i < n; i++)
			x[i] = quotient(s, from + i);
	return n;
}

unsigned col_stream_source_flags(const struct col_stream_source *s)
{
	return (s->delta ? COL_STREAM_DELTA : 0) | (s->unit > 1 ? COL_STREAM_UNIT : 0);
}

static uint32_t restarts(const struct col_stream_source *s, uint64_t *out)
{
	uint32_t n = col_stream_groups(s->count);

	for (uint32_t i = 0; i < n; i++)
		out[i] = quotient(s, i * COL_STREAM_FRAME * COL_STREAM_GROUP);
	return n;
}

void col_stream_source_put(const struct col_stream_source *s, struct buf *out)
{
	uint64_t list[COL_STREAM_FRAMES_MAX / COL_STREAM_GROUP];

	col_pack_varint(out, cursor_zigzag((int64_t)s->base));
	if (s->unit > 1)
		col_pack_varint(out, s->unit);
	if (!s->delta)
		return;
	col_pack_varint(out, cursor_zigzag((int64_t)s->bias));
	col_stream_side_put(list, restarts(s, list), out);
}

size_t col_stream_source_cost(const struct col_stream_source *s)
{
	uint64_t list[COL_STREAM_FRAMES_MAX / COL_STREAM_GROUP];
	size_t n = col_stream_varint_bytes(cursor_zigzag((int64_t)s->base));

	if (s->unit > 1)
		n += col_stream_varint_bytes(s->unit);
	if (s->delta)
		n += col_stream_varint_bytes(cursor_zigzag((int64_t)s->bias)) +
		     col_stream_side_cost(list, restarts(s, list));
	return n;
}
