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
	/* Values are read one by one where at most one in so many rows is wanted. */
	APART_RATIO = 4,
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
	if (b->flags & COL_STREAM_DELTA) {
		b->add = (uint64_t)cursor_unzigzag(rcur_varint(c));
		col_stream_side_open(c, col_stream_groups(b->count), &b->restarts);
	}
	/* Without a unit the base goes where it costs nothing. */
	if (b->unit == 1 && b->flags & COL_STREAM_DELTA)
		b->restarts.min += b->base;
	else if (b->unit == 1)
		b->add = b->base;
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
	b->next = NONE;
	if (b->form >= ARRAY_COUNT(flags_of_form) || b->flags & ~flags_of_form[b->form])
		rc = ERR_CORRUPT;
	if (rc == 0)
		rc = read_form(c, b, nested);
	if (rc < 0 && !c->err)
		c->err = rc;
	return c->err ? NULL : b;
}

static void add_to(uint64_t *x, uint32_t n, uint64_t add)
{
	for (uint32_t i = 0; add && i < n; i++)
		x[i] += add;
}

/* The packed numbers of one frame, b->add in each. */
static int numbers(struct col_stream_body *b, uint32_t frame, uint64_t *x)
{
	int rc;

	if (b->form == COL_STREAM_FRAMES)
		return col_stream_frame_get(b, frame, x);
	rc = col_stream_uncode_get(b, frame, x);
	if (rc == 0)
		add_to(x, col_stream_frame_count(b->count, frame), b->add);
	return rc;
}

/* What the differences of a frame are added to. */
static uint64_t start_of(const struct col_stream_body *b, uint32_t frame, const uint64_t *x)
{
	if (frame % COL_STREAM_GROUP == 0)
		return col_stream_side_at(&b->restarts, frame / COL_STREAM_GROUP) - x[0];
	return b->q;
}

/* The sum behind a frame, without its values; all but the last frame are whole. */
static void skip(struct col_stream_body *b, uint32_t frame, const uint64_t *x)
{
	uint64_t q = start_of(b, frame, x);

	for (uint32_t i = 0; i < COL_STREAM_FRAME; i++)
		q += x[i];
	b->q = q;
	b->next = frame + 1;
}

static void add_up(struct col_stream_body *b, uint32_t frame, uint64_t *x)
{
	uint32_t n = col_stream_frame_count(b->count, frame);
	uint64_t q = start_of(b, frame, x);

#pragma GCC unroll 8
	for (uint32_t i = 0; i < n; i++) {
		q += x[i];
		x[i] = q;
	}
	b->q = q;
	b->next = frame + 1;
}

/* The last step to values of FRAMES and CODED. */
static void scale(const struct col_stream_body *b, uint32_t n, int64_t *v)
{
	uint64_t base = b->base, unit = b->unit;

	for (uint32_t i = 0; unit != 1 && i < n; i++)
		v[i] = (int64_t)((uint64_t)v[i] * unit + base);
}

/* One frame, but for the scale; out has room for all of it. */
static int frame_values(struct col_stream_body *b, uint32_t frame, int64_t *out)
{
	bool delta = b->flags & COL_STREAM_DELTA;
	uint64_t before[COL_STREAM_FRAME], *x = (uint64_t *)out;
	uint32_t i = delta && frame != b->next ? frame - frame % COL_STREAM_GROUP : frame;
	int rc = 0;

	for (; i < frame && rc == 0; i++) {
		rc = numbers(b, i, before);
		if (rc == 0)
			skip(b, i, before);
	}
	if (rc == 0)
		rc = numbers(b, frame, x);
	if (rc == 0 && delta)
		add_up(b, frame, x);
	return rc;
}

/* The same of a whole group. */
static int group_values(struct col_stream_body *b, uint32_t frame, int64_t *out)
{
	uint64_t *x = (uint64_t *)out;
	int rc = col_stream_uncode_group(b, frame, x);

	if (rc == 0)
		add_to(x, COL_STREAM_GROUP * COL_STREAM_FRAME, b->add);
	for (uint32_t i = 0; b->flags & COL_STREAM_DELTA && rc == 0 && i < COL_STREAM_GROUP; i++)
		add_up(b, frame + i, x + i * COL_STREAM_FRAME);
	return rc;
}

/* Room for a group where groups are read at once, else for a frame. */
static int take_cache(struct col_stream_body *b)
{
	uint32_t frames = b->form == COL_STREAM_CODED ? COL_STREAM_GROUP : 1;

	if (!b->cache)
		b->cache = arena_alloc(b->mem, frames * COL_STREAM_FRAME * sizeof *b->cache);
	return b->cache ? 0 : -ENOMEM;
}

static bool is_cached(const struct col_stream_body *b, uint32_t frame)
{
	return frame >= b->cached && frame - b->cached < b->cached_frames;
}

/*
 * A group side by side costs little more than one of its frames: it is read where that frame needs
 * those before it, or where others of it will be wanted: `more`, or the one after the last.
 */
static bool wants_group(const struct col_stream_body *b, uint32_t frame, bool more)
{
	uint32_t group = frame - frame % COL_STREAM_GROUP;

	if (b->form != COL_STREAM_CODED)
		return false;
	if ((group + COL_STREAM_GROUP) * COL_STREAM_FRAME > b->count)
		return false;
	return more || b->flags & COL_STREAM_DELTA || frame - b->cached == b->cached_frames;
}

static int fill_cache(struct col_stream_body *b, uint32_t frame, bool more)
{
	uint32_t first = frame, frames = 1;
	int rc;

	if (is_cached(b, frame))
		return 0;
	if (take_cache(b) < 0)
		return -ENOMEM;
	if (wants_group(b, frame, more)) {
		first = frame - frame % COL_STREAM_GROUP;
		frames = COL_STREAM_GROUP;
	}
	b->cached_frames = 0;
	rc = frames > 1 ? group_values(b, first, b->cache) : frame_values(b, first, b->cache);
	if (rc < 0)
		return rc;
	b->cached = first;
	b->cached_frames = frames;
	return 0;
}

/* Values of one frame, which is whole when n is all. */
static int get_part(struct col_stream_body *b, uint32_t first, uint32_t n, bool more, int64_t *out)
{
	uint32_t frame = first / COL_STREAM_FRAME, at;
	int rc;

	if (!is_cached(b, frame) && !wants_group(b, frame, more) &&
		n == col_stream_frame_count(b->count, frame))
		return frame_values(b, frame, out);
	rc = fill_cache(b, frame, more);
	if (rc < 0)
		return rc;
	at = first - b->cached * COL_STREAM_FRAME;
	memcpy(out, b->cache + at, n * sizeof *out);
	return 0;
}

static int get_frames(struct col_stream_body *b, uint32_t first, uint32_t count, int64_t *out)
{
	int rc = 0;

	for (uint32_t i = 0, n; i < count && rc == 0; i += n) {
		uint32_t row = first + i, frame = row / COL_STREAM_FRAME, left;

		n = COL_STREAM_GROUP * COL_STREAM_FRAME;
		if (b->form == COL_STREAM_CODED && row % n == 0 && count - i >= n) {
			rc = group_values(b, frame, out + i);
			continue;
		}
		left = col_stream_frame_count(b->count, frame) - row % COL_STREAM_FRAME;
		n = left < count - i ? left : count - i;
		rc = get_part(b, row, n, n < count - i, out + i);
	}
	if (rc == 0)
		scale(b, count, out);
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

/* Rows so close that a group has several of them. */
static bool are_dense(const uint32_t *rows, uint32_t count)
{
	return count > 1 && (rows[count - 1] - rows[0]) / count < COL_STREAM_FRAME;
}

/* Values that need none before them, and so few that a frame is not worth reading for them. */
static bool are_apart(const struct col_stream_body *b, const uint32_t *rows, uint32_t count)
{
	if (b->form != COL_STREAM_FRAMES || b->flags & COL_STREAM_DELTA)
		return false;
	return (rows[count - 1] - rows[0] + COL_STREAM_FRAME) / count >= APART_RATIO;
}

/* By way of the cache. */
static int pick_near(struct col_stream_body *b, const uint32_t *rows, uint32_t count, int64_t *out)
{
	bool more = are_dense(rows, count);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t frame = rows[i] / COL_STREAM_FRAME;

		ASSERT(rows[i] < b->count);
		if (!is_cached(b, frame)) {
			int rc = fill_cache(b, frame, more);

			if (rc < 0)
				return rc;
		}
		out[i] = b->cache[rows[i] - b->cached * COL_STREAM_FRAME];
	}
	return 0;
}

static int pick_frames(
	struct col_stream_body *b, const uint32_t *rows, uint32_t count, int64_t *out)
{
	int rc = are_apart(b, rows, count) ? col_stream_frame_pick(b, rows, count, (uint64_t *)out)
					   : pick_near(b, rows, count, out);

	if (rc == 0)
		scale(b, count, out);
	return rc;
}

int col_stream_body_pick(
	struct col_stream_body *b, const uint32_t *rows, uint32_t count, int64_t *out)
{
	if (count == 0)
		return 0;
	if (b->form == COL_STREAM_RUNS || b->form == COL_STREAM_DICT)
		return col_stream_nest_pick(b, rows, count, out);
	if (b->form == COL_STREAM_FRAMES || b->form == COL_STREAM_CODED)
		return pick_frames(b, rows, count, out);
	for (uint32_t i = 0; i < count; i++) {
		ASSERT(rows[i] < b->count);
		out[i] = (int64_t)(b->base + rows[i] * b->unit);
	}
	return 0;
}
