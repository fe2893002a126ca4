/*
 * Which encoding: what each would cost is added up from the widths of the numbers, on a sample of
 * frames; the winner is then measured whole. Nothing is written to find out.
 */
#include "storage/col_stream_int.h"

#include <stdlib.h>

#include "proto/base/check.h"

enum {
	/* Frames of a sample. */
	SAMPLE_FRAMES = 4,
	/* Differences looked at for the bias, and the part of them that may lie below it. */
	BIAS_SAMPLE = 128,
	BIAS_BELOW = 50,
	BIAS_LEAST = BIAS_SAMPLE / BIAS_BELOW + 1,
	VARIANTS = 4, /* delta or not, bases or not */
	/* A table of more takes a reader longer to make than all else: it must save as much as in a seal. */
	MANY_SYMBOLS = 4096,
};

/* Codes are tried for no less than this, and taken when they save so many parts of a hundred. */
struct coding {
	uint32_t count_min;
	uint32_t bytes_min;
	uint32_t saves;
};

/* Of a seal, which must be quick; and above level 0. */
static const struct coding quick = { 512, 256, 20 }, thorough = { 64, 48, 3 };

void col_stream_plan_room_fini(struct col_stream_room *room)
{
	free(room->heads);
	free(room->side);
	col_stream_code_room_fini(&room->code);
	*room = (struct col_stream_room){ 0 };
}

static bool room_for(struct col_stream_room *room, uint32_t count)
{
	uint32_t frames = col_stream_frames(count);

	if (frames <= room->frames_cap)
		return true;
	col_stream_plan_room_fini(room);
	room->heads = malloc(frames * sizeof *room->heads);
	room->side = malloc(frames * sizeof *room->side);
	if (!room->heads || !room->side) {
		col_stream_plan_room_fini(room);
		return false;
	}
	room->frames_cap = frames;
	return true;
}

struct shape {
	int64_t min;
	int64_t max;
	uint32_t runs;
	uint64_t step;
	bool is_step;
};

static struct shape shape_of(const int64_t *v, uint32_t count)
{
	struct shape s = { .min = v[0], .max = v[0], .runs = 1 };
	uint64_t odd = 0;

	s.step = count > 1 ? (uint64_t)v[1] - (uint64_t)v[0] : 0;
	for (uint32_t i = 1; i < count; i++) {
		s.min = v[i] < s.min ? v[i] : s.min;
		s.max = v[i] > s.max ? v[i] : s.max;
		s.runs += v[i] != v[i - 1];
		odd |= ((uint64_t)v[i] - (uint64_t)v[i - 1]) ^ s.step;
	}
	s.is_step = odd == 0;
	return s;
}

/* So low that few differences lie below it, and no lower: a few jumps back must not widen all. */
static uint64_t bias_of(const struct col_stream_source *s)
{
	uint32_t step = s->count / BIAS_SAMPLE + 1, n = 0;
	int64_t least[BIAS_LEAST];

	for (uint32_t i = 0; i < BIAS_LEAST; i++)
		least[i] = INT64_MAX;
	for (uint32_t i = 1; i < s->count && n < BIAS_SAMPLE; i += step, n++) {
		uint64_t here = (uint64_t)s->v[i] - s->base;
		uint64_t before = (uint64_t)s->v[i - 1] - s->base;
		int64_t d;

		here = (here >> s->shift) * s->inverse;
		before = (before >> s->shift) * s->inverse;
		d = (int64_t)(here - before);
		for (uint32_t k = 0; k < BIAS_LEAST; k++) {
			int64_t more = d > least[k] ? d : least[k];

			least[k] = d < least[k] ? d : least[k];
			d = more;
		}
	}
	ASSERT(n > 0);
	return (uint64_t)least[n / BIAS_BELOW];
}

static size_t sample_cost(
	struct col_stream_frames *f, const struct col_stream_room *room, uint32_t step)
{
	uint64_t bits = col_stream_frame_measure(f, step / 2, step);

	return (bits / 8 + col_stream_frame_side_cost(f, room->side)) * step +
	       col_stream_source_cost(f->source);
}

static void variant(
	struct col_stream_plan *p, struct col_stream_room *room, uint64_t bias, unsigned which)
{
	p->source.delta = which & 1;
	p->source.bias = p->source.delta ? bias : 0;
	p->frames = (struct col_stream_frames){
		.source = &p->source, .bases = which & 2, .heads = room->heads
	};
}

static void plan_frames(struct col_stream_plan *p, struct col_stream_room *room, int level)
{
	uint32_t frames = col_stream_frames(p->source.count);
	uint32_t step = level > 0 ? 1 : (frames + SAMPLE_FRAMES - 1) / SAMPLE_FRAMES;
	uint64_t bias = bias_of(&p->source);
	size_t best_cost = SIZE_MAX;
	unsigned best = 0;

	for (unsigned i = 0; i < VARIANTS; i++) {
		size_t cost;

		/* A frame alone has its base in the source. */
		if ((i & 2) && frames == 1)
			break;
		variant(p, room, bias, i);
		cost = sample_cost(&p->frames, room, step);
		if (cost < best_cost) {
			best_cost = cost;
			best = i;
		}
	}
	variant(p, room, bias, best);
	col_stream_frame_measure(&p->frames, 0, 1);
	p->form = COL_STREAM_FRAMES;
	p->cost = 1 + col_stream_source_cost(&p->source) +
		  col_stream_frame_cost(&p->frames, room->side);
}

static bool saves(const struct coding *by, uint64_t cost, size_t than)
{
	return cost < than - (uint64_t)than * by->saves / 100;
}

/* Takes codes instead of frames where they are so much shorter that their slower reading pays. */
static bool plan_coded(struct col_stream_plan *p, struct col_stream_room *room, int level)
{
	const struct coding *by = level > 0 ? &thorough : &quick;
	size_t source_bytes = 1 + col_stream_source_cost(&p->source);

	if (p->source.count < by->count_min || p->cost < by->bytes_min)
		return true;
	p->coded = (struct col_stream_coded){ .source = &p->source };
	if (level == 0) {
		if (!col_stream_code_glance(&p->coded, &room->code))
			return false;
		if (!saves(by, p->coded.bits / 8 * p->source.count / p->coded.counted, p->cost))
			return true;
	}
	if (!col_stream_code_measure(&p->coded, &room->code, p->cost))
		return false;
	if (p->coded.counted < p->source.count)
		return true;
	if (!saves(by, source_bytes + p->coded.bits / 8 + col_stream_frames(p->source.count),
		    p->cost))
		return true;
	if (!col_stream_code_prepare(&p->coded, &room->code))
		return false;
	if (p->coded.symbols > MANY_SYMBOLS)
		by = &quick;
	if (saves(by, source_bytes + p->coded.cost, p->cost)) {
		p->form = COL_STREAM_CODED;
		p->cost = source_bytes + p->coded.cost;
	}
	return true;
}

bool col_stream_plan_make(struct col_stream_plan *p, struct col_stream_room *room, const int64_t *v,
	uint32_t count, int level)
{
	struct shape s = shape_of(v, count);

	ASSERT(count > 0);
	*p = (struct col_stream_plan){ .runs = s.runs,
		.width = col_pack_width((uint64_t)s.max - (uint64_t)s.min),
		.source = { .v = v, .count = count, .base = (uint64_t)s.min } };
	if (s.is_step) {
		p->form = s.step ? COL_STREAM_STEP : COL_STREAM_CONST;
		p->step = s.step;
		p->cost = 1 + col_stream_varint_bytes(cursor_zigzag(v[0])) +
			  (s.step ? col_stream_varint_bytes(cursor_zigzag((int64_t)s.step)) : 0);
		return true;
	}
	if (!room_for(room, count))
		return false;
	col_stream_source_unit(&p->source);
	plan_frames(p, room, level);
	return plan_coded(p, room, level);
}

void col_stream_plan_put(
	const struct col_stream_plan *p, struct col_stream_room *room, struct buf *out)
{
	size_t before = out->len;

	switch (p->form) {
	case COL_STREAM_FRAMES:
		buf_put_u8(out, (uint8_t)(p->form | col_stream_source_flags(&p->source) |
					  col_stream_frame_flags(&p->frames)));
		col_stream_source_put(&p->source, out);
		col_stream_frame_put(&p->frames, room->side, out);
		break;
	case COL_STREAM_CODED:
		buf_put_u8(out, (uint8_t)(p->form | col_stream_source_flags(&p->source)));
		col_stream_source_put(&p->source, out);
		col_stream_code_put(&p->coded, &room->code, room->side, out);
		break;
	default:
		buf_put_u8(out, p->form);
		col_pack_varint(out, cursor_zigzag(p->source.v[0]));
		if (p->form == COL_STREAM_STEP)
			col_pack_varint(out, cursor_zigzag((int64_t)p->step));
	}
	ASSERT(out->err || out->len - before == p->cost || p->form == COL_STREAM_CODED);
}
