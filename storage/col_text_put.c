/* Which encoding a column of texts gets, and the memory of the encoders. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_put_int.h"

enum { BUFS = 15 };

/* All that a work holds in buffers. */
static void list_bufs(struct col_text_work *w, struct buf *out[BUFS])
{
	struct buf *all[BUFS] = { &w->scratch[0], &w->scratch[1], &w->scratch[2], &w->head,
		&w->body, &w->pool, &w->spans, &w->rows, &w->codes, &w->column, &w->ints,
		&w->locals, &w->table, &w->inside, &w->keys };

	for (int i = 0; i < BUFS; i++)
		out[i] = all[i];
}

static struct col_text_work *work_new(unsigned depth)
{
	struct col_text_work *w = calloc(1, sizeof *w);
	struct buf *bufs[BUFS];

	if (!w)
		return NULL;
	list_bufs(w, bufs);
	for (int i = 0; i < BUFS; i++)
		buf_init(bufs[i], 2 * (size_t)COL_TEXT_RAW_MAX);
	buf_init(&w->leaves, 1 << 20);
	col_stream_maker_init(&w->streams, 0);
	col_depend_maker_init(&w->depends, 1);
	w->depth = depth;
	return w;
}

static void work_free(struct col_text_work *w)
{
	struct buf *bufs[BUFS];

	if (!w)
		return;
	list_bufs(w, bufs);
	for (int i = 0; i < BUFS; i++)
		buf_fini(bufs[i]);
	buf_fini(&w->leaves);
	if (w->shapes_ready)
		col_shape_set_fini(&w->shapes);
	col_stream_maker_fini(&w->streams);
	col_depend_maker_fini(&w->depends);
	free(w);
}

void col_text_maker_init(struct col_text_maker *m)
{
	*m = (struct col_text_maker){ 0 };
}

void col_text_maker_fini(struct col_text_maker *m)
{
	struct col_text_work *w = m->work;

	while (w) {
		struct col_text_work *inner = w->inner;

		work_free(w);
		w = inner;
	}
	m->work = NULL;
}

struct col_text_work *col_text_work_inner(struct col_text_work *w)
{
	if (!w->inner)
		w->inner = work_new(w->depth + 1);
	return w->inner;
}

void *col_text_work_array(struct buf *b, size_t count, size_t size)
{
	buf_reset(b);
	return buf_reserve(b, count * size + 1) < 0 ? NULL : b->p;
}

unsigned col_text_depend_key(struct col_text_work *w, const struct col_text_in *in,
	const int64_t *values, uint32_t count, const uint32_t *const keys[COL_TEXT_KEYS])
{
	unsigned best_key = COL_TEXT_KEYS;
	size_t best;

	if (in->level == 0)
		return COL_TEXT_KEYS;
	best = col_stream_cost(&w->streams, values, count);
	best -= best / 8;
	for (unsigned k = 0; k < COL_TEXT_KEYS; k++) {
		struct col_depend_in d = { count, in->keys_count[k], keys[k], values };
		size_t cost =
			keys[k] && d.keys_count > 0 ? col_depend_cost(&w->depends, &d) : SIZE_MAX;

		if (cost < best) {
			best = cost;
			best_key = k;
		}
	}
	return best_key;
}

void col_text_depend_put(struct col_text_work *w, const int64_t *values, uint32_t count,
	const uint32_t *keys, uint32_t keys_count, struct buf *out)
{
	struct col_depend_in d = { count, keys_count, keys, values };

	col_depend_put(&w->depends, &d, out);
}

/* Bytes that BYTES would need, from a run of rows in the middle. */
static size_t estimate(struct col_text_work *w, const struct col_text_in *in)
{
	uint32_t run =
		in->rows_count < COL_TEXT_SAMPLE_ROWS ? in->rows_count : COL_TEXT_SAMPLE_ROWS;
	uint32_t first = (in->rows_count - run) / 2;
	struct buf *page = &w->table;

	buf_reset(page);
	col_text_bytes_put(in->values + first, run, 0, w->scratch, page);
	return (size_t)((uint64_t)page->len * in->rows_count / run);
}

/* The page from mark on is replaced by BYTES if they are smaller. */
static void keep_smaller(
	struct col_text_work *w, const struct col_text_in *in, size_t mark, struct buf *out)
{
	struct buf *page = &w->table;

	if (out->err || (out->len - mark) / 8 * 10 < estimate(w, in))
		return;
	buf_reset(page);
	col_text_bytes_put(in->values, in->rows_count, in->level, w->scratch, page);
	if (page->err || page->len > out->len - mark)
		return;
	out->len = mark;
	buf_put_span(out, buf_span(page));
	/* Nobody may depend on codes that are not in the page. */
	w->has_codes = false;
}

/* A constant is a dictionary of one. */
static void const_codes(struct col_text_work *w, const struct col_text_in *in)
{
	uint32_t *codes = col_text_work_array(&w->codes, in->rows_count, sizeof *codes);

	for (uint32_t i = 0; codes && i < in->rows_count; i++)
		codes[i] = in->values[0].p != NULL;
	w->has_codes = codes != NULL;
	w->codes_entries = in->values[0].p != NULL;
}

/* A dictionary, if there are few values; else templates. Above level 0 the smaller. 1: neither. */
static int put_shaped_or_dict(
	struct col_text_work *w, const struct col_text_in *in, struct buf *out)
{
	size_t mark = out->len, dict;

	if (in->level == 0 && !in->want_codes && col_text_shape_copies(w, in) &&
		col_text_shape_put(w, in, out) == 0)
		return 0;
	if (col_text_dict_put(w, in, out) != 0)
		return col_text_shape_put(w, in, out);
	if (in->level == 0 || in->want_codes || out->err)
		return 0;
	dict = out->len - mark;
	/* Its codes are written over. */
	w->has_codes = false;
	if (col_text_shape_put(w, in, out) != 0 || out->err)
		return 0;
	if (out->len - mark - dict < dict) {
		memmove(out->p + mark, out->p + mark + dict, out->len - mark - dict);
		dict = out->len - mark - dict;
	}
	out->len = mark + dict;
	return 0;
}

void col_text_put_page(struct col_text_work *w, const struct col_text_in *in, struct buf *out)
{
	size_t mark = out->len;

	w->has_codes = false;
	w->codes_entries = 0;
	if (col_text_const_put(in, out) == 0) {
		const_codes(w, in);
		return;
	}
	if (w->depth + 1 < COL_TEXT_DEPTH && put_shaped_or_dict(w, in, out) == 0) {
		keep_smaller(w, in, mark, out);
		return;
	}
	col_text_bytes_put(in->values, in->rows_count, in->level, w->scratch, out);
}

int col_text_put(struct col_text_maker *m, const struct col_text_in *in, struct buf *out)
{
	ASSERT(in->rows_count > 0);
	ASSERT(in->rows_count <= COL_TEXT_ROWS_MAX);
	if (!m->work)
		m->work = work_new(0);
	if (!m->work)
		return -ENOMEM;
	col_text_put_page(m->work, in, out);
	return out->err;
}

const uint32_t *col_text_maker_codes(const struct col_text_maker *m, uint32_t *out_count)
{
	const struct col_text_work *w = m->work;

	*out_count = w ? w->codes_entries : 0;
	return w && w->has_codes ? (const uint32_t *)(const void *)w->codes.p : NULL;
}
