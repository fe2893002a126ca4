#include "storage/col_stream.h"

#include <errno.h>

#include "proto/base/check.h"
#include "storage/col_pack.h"

struct col_stream_body {
	struct span frames;
};

void col_stream_maker_init(struct col_stream_maker *m, int level)
{
	*m = (struct col_stream_maker){ .level = level };
}

void col_stream_maker_fini(struct col_stream_maker *m)
{
	m->work = NULL;
}

static struct col_series series(const int64_t *v, uint32_t count)
{
	return (struct col_series){ .v = v, .unit = 1, .count = count };
}

void col_stream_put(struct col_stream_maker *m, const int64_t *v, uint32_t count, struct buf *out)
{
	struct col_series s = series(v, count);

	(void)m;
	ASSERT(count <= COL_STREAM_COUNT_MAX);
	if (count > 0)
		col_pack_frames_put(&s, out);
}

size_t col_stream_cost(struct col_stream_maker *m, const int64_t *v, uint32_t count)
{
	struct col_series s = series(v, count);

	(void)m;
	return count ? col_pack_frames_cost(&s) : 0;
}

int col_stream_open(struct rcur *c, uint32_t count, struct arena *mem, struct col_stream *out)
{
	const uint8_t *p = c->p;
	int64_t frame[COL_PACK_FRAME];

	*out = (struct col_stream){ .count = count };
	if (count > COL_STREAM_COUNT_MAX && !c->err)
		c->err = ERR_CORRUPT;
	for (uint32_t i = 0; i < count && !c->err; i += COL_PACK_FRAME) {
		uint32_t left = count - i;

		col_pack_frames_get(c, left < COL_PACK_FRAME ? left : COL_PACK_FRAME, frame);
	}
	if (c->err || count == 0)
		return c->err;
	out->body = arena_alloc(mem, sizeof *out->body);
	if (!out->body)
		return c->err = -ENOMEM;
	out->body->frames = span_of(p, (size_t)(c->p - p));
	return 0;
}

static int pick_one(struct rcur *c, uint32_t *at, uint32_t count, uint32_t row, int64_t frame[])
{
	while (*at <= row) {
		uint32_t left = count - *at, n = left < COL_PACK_FRAME ? left : COL_PACK_FRAME;

		col_pack_frames_get(c, n, frame);
		*at += n;
	}
	return c->err;
}

int col_stream_get(struct col_stream *s, uint32_t first, uint32_t count, int64_t *out)
{
	int64_t frame[COL_PACK_FRAME];
	struct rcur c = s->body ? rcur_of(s->body->frames.p, s->body->frames.n) : rcur_of(NULL, 0);
	uint32_t at = 0;

	ASSERT(first <= s->count);
	ASSERT(count <= s->count - first);
	for (uint32_t i = 0; i < count; i++) {
		if (pick_one(&c, &at, s->count, first + i, frame) < 0)
			return ERR_CORRUPT;
		out[i] = frame[(first + i) % COL_PACK_FRAME];
	}
	return 0;
}

int col_stream_pick(struct col_stream *s, const uint32_t *rows, uint32_t count, int64_t *out)
{
	int64_t frame[COL_PACK_FRAME];
	struct rcur c = s->body ? rcur_of(s->body->frames.p, s->body->frames.n) : rcur_of(NULL, 0);
	uint32_t at = 0;

	for (uint32_t i = 0; i < count; i++) {
		ASSERT(rows[i] < s->count);
		if (pick_one(&c, &at, s->count, rows[i], frame) < 0)
			return ERR_CORRUPT;
		out[i] = frame[rows[i] % COL_PACK_FRAME];
	}
	return 0;
}
