#include "proto/wire/gather.h"

#include "proto/base/check.h"

void gather_reset(struct gather *g)
{
	g->midway = false;
	g->over = false;
}

static void keep(struct gather *g, struct buf *carry, const uint8_t *p, size_t n, size_t max)
{
	if (g->over)
		return;
	if (n > max - carry->len) {
		g->over = true;
		buf_reset(carry);
		return;
	}
	buf_put(carry, p, n);
}

static int next_piece(struct gather *g, struct rcur *in, size_t avail, struct buf *carry,
	size_t max, struct span *out)
{
	size_t used = avail;
	int rc = walk_feed(&g->walk, in->p, avail, &used);

	if (rc == ERR_SYNTAX || rc == ERR_LIMIT) {
		g->midway = false;
		return ERR_SYNTAX;
	}
	ASSERT(used <= avail);
	keep(g, carry, in->p, used, max);
	in->p += used;
	if (carry->err)
		return carry->err;
	if (rc == WALK_MORE)
		return GATHER_MORE;
	g->midway = false;
	if (rc < 0 || g->over)
		return rc < 0 ? rc : ERR_LIMIT;
	*out = buf_span(carry);
	return 0;
}

int gather_value(struct gather *g, struct rcur *in, size_t avail, struct buf *carry, size_t max,
	struct span *out)
{
	ASSERT(avail <= rcur_left(in));
	ASSERT(max <= carry->max);
	if (!g->midway) {
		struct rcur c = rcur_of(in->p, avail);
		struct span whole;
		int rc = walk_take(&c, &whole);

		if (rc == ERR_SYNTAX)
			return rc;
		if (rc == 0) {
			in->p = c.p;
			if (whole.n > max)
				return ERR_LIMIT;
			*out = whole;
			return 0;
		}
		walk_init(&g->walk, 1);
		buf_reset(carry);
		g->midway = true;
		g->over = false;
	}
	return next_piece(g, in, avail, carry, max, out);
}
