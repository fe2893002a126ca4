/*
 * Whole columns as streams: integers, integers that follow the row's time, codes.
 *
 * STREAM       the stream of the values
 * STREAM_REL   the stream of value - time of the same row
 * CODE_STREAM  the stream of the codes
 */
#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/col.h"
#include "storage/col_stream.h"

/* ---- writing ---- */

/* The caller's maker, or one for this call alone. */
static struct col_stream_maker *maker_of(const struct col_input *in, struct col_stream_maker *own)
{
	col_stream_maker_init(own, in->compress_level);
	return in->maker ? in->maker : own;
}

static size_t cost_of(const struct col_input *in, const int64_t *v)
{
	struct col_stream_maker own, *m = maker_of(in, &own);
	size_t cost = v ? col_stream_cost(m, v, in->rows_count) : SIZE_MAX;

	col_stream_maker_fini(&own);
	return cost;
}

static void put(const struct col_input *in, const int64_t *v, struct buf *out)
{
	struct col_stream_maker own, *m = maker_of(in, &own);

	if (v)
		col_stream_put(m, v, in->rows_count, out);
	else if (!out->err)
		out->err = -ENOMEM;
	col_stream_maker_fini(&own);
}

static int64_t *relative(const struct col_input *in)
{
	int64_t *v = malloc(in->rows_count * sizeof *v);

	for (uint32_t i = 0; v && i < in->rows_count; i++)
		v[i] = (int64_t)((uint64_t)in->ints[i] - (uint64_t)in->times[i]);
	return v;
}

static int64_t *widened(const struct col_input *in)
{
	int64_t *v = malloc(in->rows_count * sizeof *v);

	for (uint32_t i = 0; v && i < in->rows_count; i++)
		v[i] = in->codes[i];
	return v;
}

size_t col_stream_page_cost(const struct col_input *in)
{
	return cost_of(in, in->ints);
}

void col_stream_page_encode(const struct col_input *in, struct buf *out)
{
	put(in, in->ints, out);
}

size_t col_stream_page_rel_cost(const struct col_input *in)
{
	int64_t *v = in->times ? relative(in) : NULL;
	size_t cost = cost_of(in, v);

	free(v);
	return cost;
}

void col_stream_page_rel_encode(const struct col_input *in, struct buf *out)
{
	int64_t *v = relative(in);

	put(in, v, out);
	free(v);
}

void col_stream_page_codes_encode(const struct col_input *in, struct buf *out)
{
	int64_t *v = widened(in);

	put(in, v, out);
	free(v);
}

/* ---- reading ---- */

static int read_all(struct span page, const struct col_output *out, int64_t *v)
{
	struct rcur c = rcur_of(page.p, page.n);
	struct col_stream s;
	struct arena mem;
	int rc;

	arena_init(&mem, COL_STREAM_MEMORY_MAX);
	rc = col_stream_open(&c, out->rows_count, &mem, &s);
	if (rc == 0 && rcur_left(&c) != 0)
		rc = ERR_CORRUPT;
	if (rc == 0)
		rc = col_stream_get(&s, 0, out->rows_count, v);
	arena_fini(&mem);
	return rc == -ENOMEM || rc == 0 ? rc : ERR_CORRUPT;
}

int col_stream_page_decode(struct span page, struct col_output *out)
{
	return read_all(page, out, out->ints);
}

int col_stream_page_rel_decode(struct span page, struct col_output *out)
{
	int rc = out->times ? read_all(page, out, out->ints) : ERR_CORRUPT;

	for (uint32_t i = 0; rc == 0 && i < out->rows_count; i++)
		out->ints[i] = (int64_t)((uint64_t)out->ints[i] + (uint64_t)out->times[i]);
	return rc;
}

int col_stream_page_codes_decode(struct span page, struct col_output *out)
{
	int64_t *v = malloc(out->rows_count * sizeof *v);
	int rc = v ? read_all(page, out, v) : -ENOMEM;
	uint64_t all = 0;

	for (uint32_t i = 0; rc == 0 && i < out->rows_count; i++) {
		all |= (uint64_t)v[i];
		out->codes[i] = (uint16_t)v[i];
	}
	free(v);
	return rc == 0 && all > UINT16_MAX ? ERR_CORRUPT : rc;
}

int col_stream_page_memory(struct span page, uint32_t rows_count, size_t *out_bytes)
{
	(void)page;
	(void)rows_count;
	*out_bytes = COL_STREAM_MEMORY_MAX;
	return 0;
}
