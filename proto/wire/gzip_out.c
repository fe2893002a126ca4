#include "proto/wire/gzip_out.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "proto/base/check.h"

enum {
	WINDOW_BITS = 15,
	GZIP_FRAME = 16, /* added to the bits: gzip, not zlib */
	MEMORY_LEVEL = 8,
	/* Room for what comes out, at a time. */
	STEP_BYTES = 16 << 10,
};

struct gzip_out {
	z_stream z;
	bool ended;
};

struct gzip_out *gzip_out_new(void)
{
	struct gzip_out *g = calloc(1, sizeof *g);

	if (g && deflateInit2(&g->z, GZIP_OUT_LEVEL, Z_DEFLATED, WINDOW_BITS + GZIP_FRAME,
			 MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(g);
		return NULL;
	}
	return g;
}

void gzip_out_free(struct gzip_out **at)
{
	struct gzip_out *g = *at;

	if (!g)
		return;
	deflateEnd(&g->z);
	free(g);
	*at = NULL;
}

/* Until it has no more to say. */
static int run(struct gzip_out *g, int flush, struct buf *out)
{
	int rc;

	do {
		size_t room = out->cap - out->len;

		if (room == 0) {
			rc = buf_reserve(out, STEP_BYTES);
			if (rc < 0)
				return rc;
			room = out->cap - out->len;
		}
		room = room < INT_MAX ? room : INT_MAX;
		g->z.next_out = out->p + out->len;
		g->z.avail_out = (uInt)room;
		rc = deflate(&g->z, flush);
		/* Z_BUF_ERROR: there was nothing left to do. */
		ASSERT(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
		out->len += room - g->z.avail_out;
	} while (g->z.avail_out == 0);
	ASSERT(g->z.avail_in == 0);
	return 0;
}

int gzip_out_put(struct gzip_out *g, struct span in, enum gzip_out_then then, struct buf *out)
{
	static const int flushes[] = { Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH };

	ASSERT(!g->ended);
	ASSERT(in.n <= INT_MAX);
	if (out->err)
		return out->err;
	g->ended = then == GZIP_OUT_END;
	/* zlib only reads; its type has no const. */
	g->z.next_in = (z_const Bytef *)(uintptr_t)in.p;
	g->z.avail_in = (uInt)in.n;
	return run(g, flushes[then], out);
}

int gzip_out_whole(struct span in, struct buf *out)
{
	struct gzip_out *g = gzip_out_new();
	int rc = g ? gzip_out_put(g, in, GZIP_OUT_END, out) : -ENOMEM;

	gzip_out_free(&g);
	return rc;
}
