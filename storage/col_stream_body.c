/*
 * Reading a stream: a frame at a time, whichever is asked for. Differences are added up from the
 * restart before the frame, or from where the last frame ended when this one follows it.
 */
#include "storage/col_stream_int.h"

#include <errno.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum {
	FLAGS_SOURCE = COL_STREAM_DELTA | COL_STREAM_UNIT,
	NONE = UINT32_MAX,
};

static const uint8_t flags_of_form[] = {
	[COL_STREAM_CONST] = 0,
	[COL_STREAM_STEP] = 0,
	[COL_STREAM_FRAMES] = FLAGS_SOURCE | COL_STREAM_BASES | COL_STREAM_PATCHED,
	[COL_STREAM_CODED] = FLAGS_SOURCE,
	[COL_STREAM_RUNS] = 0,
	[COL_STREAM_DICT] = 0,
};

static void read_source(struct rcur *c, struct col_stream_body *b)
{
	b->base = (uint64_t)cursor_unzigzag(rcur_varint(c));
	b->unit = b->flags & COL_STREAM_UNIT ? rcur_varint(c) : 1;
	if (!(b->flags & COL_STREAM_DELTA))
		return;
	b->bias = (uint64_t)cursor_unzigzag(rcur_varint(c));
	col_stream_side_open(c, col_stream_groups(b->count), &b->restarts);
}

static int read_form(struct rcur *c, struct col_stream_body *b, bool nested)
{
	switch (b->form) {
	case COL_STREAM_CONST:
		b->base = (uint64_t)cursor_unzigzag(rcur_varint(c));
		return c->err;
	case COL_STREAM_STEP:
		b->base = (uint64_t)cursor_unzigzag(rcur_varint(c));
		b->unit = (uint64_t)cursor_unzigzag(rcur_varint(c));
		return c->err;
	case COL_STREAM_FRAMES:
		read_source(c, b);
		return c->err ? c->err : col_stream_frame_open(c, b);
	case COL_STREAM_CODED:
		read_source(c, b);
		return c->err ? c->err : col_stream_uncode_open(c, b);
	default:
		return nested ? ERR_CORRUPT : col_stream_nest_open(c, b);
	}
}

struct col_stream_body *col_stream_body_open(
	struct rcur *c, uint32_t count, bool nested, struct arena *mem)
{
	uint8_t head = rcur_u8(c);
	struct col_stream_body *b;
	int rc = 0;

	ASSERT(count > 0);
	if (c->err)
		return NULL;
	b = arena_calloc(mem, 1, sizeof *b);
	if (!b) {
		c->err = -ENOMEM;
		return NULL;
	}
	b->form = head & COL_STREAM_FORM;
	b->flags = head & ~COL_STREAM_FORM;
	b->count = count;
	b->mem = mem;
	b->cached = NONE;
	b->next = NONE;
	if (b->form >= ARRAY_COUNT(flags_of_form) || b->flags & ~flags_of_form[b->form])
		rc = ERR_CORRUPT;
	if (rc == 0)
		rc = read_form(c, b, nested);
	if (rc < 0 && !c->err)
		c->err = rc;
	return c->err ? NULL : b;
}

static int numbers(struct col_stream_body *b, uint32_t frame, uint64_t *x)
{
	return b->form == COL_STREAM_FRAMES ? col_stream_frame_get(b, frame, x)
					    : col_stream_uncode_get(b, frame, x);
}

static void add_up(struct col_stream_body *b, uint32_t frame, const uint64_t *x, int64_t *out)
{
	uint32_t n = col_stream_frame_count(b->count, frame);
	uint64_t q = b->q;

	if (frame % COL_STREAM_GROUP == 0)
		q = col_stream_side_at(&b->restarts, frame / COL_STREAM_GROUP) - x[0] - b->bias;
	for (uint32_t i = 0; i < n; i++) {
		q += x[i] + b->bias;
		out[i] = (int64_t)q;
	}
	b->q = q;
	b->next = frame + 1;
}

static void scale(const struct col_stream_body *b, uint32_t n, int64_t *v)
{
	uint64_t base = b->base, unit = b->unit;

	if (unit == 1) {
		for (uint32_t i = 0; i < n; i++)
			v[i] = (int64_t)((uint64_t)v[i] + base);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		v[i] = (int64_t)((uint64_t)v[i] * unit + base);
}

/* The values of one frame; out has room for all of them. */
static int frame_values(struct col_stream_body *b, uint32_t frame, int64_t *out)
{
	uint32_t n = col_stream_frame_count(b->count, frame);
	uint64_t x[COL_STREAM_FRAME];
	int rc = 0;

	if (!(b->flags & COL_STREAM_DELTA)) {
		rc = numbers(b, frame, (uint64_t *)out);
	} else {
		uint32_t i = frame == b->next ? frame : frame - frame % COL_STREAM_GROUP;

		for (; i <= frame && rc == 0; i++) {
			rc = numbers(b, i, x);
			if (rc == 0)
				add_up(b, i, x, out);
		}
	}
	if (rc == 0)
		scale(b, n, out);
	return rc;
}

/* The same of a whole group. */
static int group_values(struct col_stream_body *b, uint32_t frame, int64_t *out)
{
	uint64_t x[COL_STREAM_GROUP * COL_STREAM_FRAME];
	bool delta = b->flags & COL_STREAM_DELTA;
	int rc = col_stream_uncode_group(b, frame, delta ? x : (uint64_t *)out);

	for (uint32_t i = 0; delta && rc == 0 && i < COL_STREAM_GROUP; i++)
		add_up(b, frame + i, x + i * COL_STREAM_FRAME, out + i * COL_STREAM_FRAME);
	if (rc == 0)
		scale(b, COL_STREAM_GROUP * COL_STREAM_FRAME, out);
	return rc;
}

static int fill_cache(struct col_stream_body *b, uint32_t frame)
{
	int rc;

	if (b->cached == frame)
		return 0;
	if (!b->cache)
		b->cache = arena_alloc(b->mem, COL_STREAM_FRAME * sizeof *b->cache);
	if (!b->cache)
		return -ENOMEM;
	b->cached = NONE;
	rc = frame_values(b, frame, b->cache);
	if (rc == 0)
		b->cached = frame;
	return rc;
}

static int get_frames(struct col_stream_body *b, uint32_t first, uint32_t count, int64_t *out)
{
	uint32_t n;
	int rc = 0;

	for (; count > 0 && rc == 0; first += n, count -= n, out += n) {
		uint32_t frame = first / COL_STREAM_FRAME, at = first % COL_STREAM_FRAME;
		uint32_t all = col_stream_frame_count(b->count, frame);

		n = COL_STREAM_GROUP * COL_STREAM_FRAME;
		if (b->form == COL_STREAM_CODED && first % n == 0 && count >= n) {
			rc = group_values(b, frame, out);
			continue;
		}
		n = all - at < count ? all - at : count;
		if (n == all && frame != b->cached) {
			rc = frame_values(b, frame, out);
			continue;
		}
		rc = fill_cache(b, frame);
		if (rc == 0)
			memcpy(out, b->cache + at, n * sizeof *out);
	}
	return rc;
}

int col_stream_body_get(struct col_stream_body *b, uint32_t first, uint32_t count, int64_t *out)
{
	uint64_t v;

	ASSERT(first <= b->count);
	ASSERT(count <= b->count - first);
	switch (b->form) {
	case COL_STREAM_CONST:
	case COL_STREAM_STEP:
		v = b->base + first * b->unit;
		for (uint32_t i = 0; i < count; i++, v += b->unit)
			out[i] = (int64_t)v;
		return 0;
	case COL_STREAM_FRAMES:
	case COL_STREAM_CODED:
		return get_frames(b, first, count, out);
	default:
		return col_stream_nest_get(b, first, count, out);
	}
}

int col_stream_body_pick(
	struct col_stream_body *b, const uint32_t *rows, uint32_t count, int64_t *out)
{
	int rc = 0;

	if (b->form == COL_STREAM_RUNS || b->form == COL_STREAM_DICT)
		return col_stream_nest_pick(b, rows, count, out);
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		ASSERT(rows[i] < b->count);
		if (b->form == COL_STREAM_FRAMES || b->form == COL_STREAM_CODED) {
			rc = fill_cache(b, rows[i] / COL_STREAM_FRAME);
			if (rc == 0)
				out[i] = b->cache[rows[i] % COL_STREAM_FRAME];
		} else {
			out[i] = (int64_t)(b->base + rows[i] * b->unit);
		}
	}
	return rc;
}
