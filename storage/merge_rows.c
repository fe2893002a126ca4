#include "storage/merge_rows.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "storage/block.h"
#include "storage/row.h"

enum {
	/* What a row takes in a decoded block beside its texts: five numbers, ten lengths and offsets. */
	ROW_BYTES = SEG_COL_INTS * 8 + SEG_COL_BYTES * 8,
};

/* One segment: what is left of it begins at `id`. */
struct input {
	const struct seg_reader *reader;
	uint64_t id;         /* of the next row, or the least that the next block may hold */
	uint32_t next_block; /* to decode */
	struct block *block; /* NULL: the next one is not decoded yet */
	uint32_t row;
};

struct merge_rows {
	struct input *inputs;
	size_t *heap; /* places of inputs, least id first */
	size_t heap_count;
	struct block *spare;
	size_t failed;
	uint64_t blocks;
};

/* ---- memory ---- */

struct edge {
	uint64_t id;
	bool end;
	uint64_t bytes;
};

/* At the same id what begins comes before what ends: both are held then. */
static int by_id(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->end - y->end;
}

uint64_t merge_rows_peak(const struct seg_reader *const *readers, size_t readers_count)
{
	uint64_t now = 0, peak = 0;
	size_t n = 0, blocks = 0;
	struct edge *edges;

	for (size_t i = 0; i < readers_count; i++)
		blocks += seg_reader_info(readers[i])->blocks_count;
	edges = calloc(2 * blocks + 1, sizeof *edges);
	if (!edges)
		return UINT64_MAX;
	for (size_t i = 0; i < readers_count; i++) {
		for (uint32_t j = 0; j < seg_reader_info(readers[i])->blocks_count; j++) {
			const struct seg_block *b = seg_reader_block(readers[i], j);
			uint64_t bytes = b->raw_bytes + (uint64_t)b->rows_count * ROW_BYTES;

			edges[n++] = (struct edge){ .id = b->id_min, .bytes = bytes };
			edges[n++] = (struct edge){ .id = b->id_max, .end = true, .bytes = bytes };
		}
	}
	qsort(edges, n, sizeof *edges, by_id);
	for (size_t i = 0; i < n; i++) {
		now = edges[i].end ? now - edges[i].bytes : now + edges[i].bytes;
		peak = now > peak ? now : peak;
	}
	free(edges);
	return peak;
}

/* ---- heap ---- */

static bool before(const struct merge_rows *m, size_t a, size_t b)
{
	return m->inputs[m->heap[a]].id < m->inputs[m->heap[b]].id;
}

static void sift_down(struct merge_rows *m, size_t at)
{
	for (;;) {
		size_t least = at, left = 2 * at + 1, swap;

		if (left < m->heap_count && before(m, left, least))
			least = left;
		if (left + 1 < m->heap_count && before(m, left + 1, least))
			least = left + 1;
		if (least == at)
			return;
		swap = m->heap[at];
		m->heap[at] = m->heap[least];
		m->heap[least] = swap;
		at = least;
	}
}

static void pop(struct merge_rows *m)
{
	ASSERT(m->heap_count > 0);
	m->heap[0] = m->heap[--m->heap_count];
	sift_down(m, 0);
}

/* ---- life ---- */

int merge_rows_open(const struct seg_reader *const *readers, size_t readers_count,
	struct merge_rows **out, struct diag *d)
{
	struct merge_rows *m = calloc(1, sizeof *m);

	if (m) {
		m->inputs = calloc(readers_count + 1, sizeof *m->inputs);
		m->heap = calloc(readers_count + 1, sizeof *m->heap);
	}
	if (!m || !m->inputs || !m->heap) {
		merge_rows_close(&m);
		return diag_set(d, -ENOMEM, "", -1, "merge segments");
	}
	for (size_t i = 0; i < readers_count; i++) {
		m->inputs[i].reader = readers[i];
		if (seg_reader_info(readers[i])->blocks_count == 0)
			continue;
		m->inputs[i].id = seg_reader_block(readers[i], 0)->id_min;
		m->heap[m->heap_count++] = i;
	}
	for (size_t i = m->heap_count; i > 0; i--)
		sift_down(m, i - 1);
	*out = m;
	return 0;
}

void merge_rows_close(struct merge_rows **at)
{
	struct merge_rows *m = *at;

	if (!m)
		return;
	for (size_t i = 0; m->heap && i < m->heap_count; i++)
		block_free(&m->inputs[m->heap[i]].block);
	block_free(&m->spare);
	free(m->inputs);
	free(m->heap);
	free(m);
	*at = NULL;
}

/* ---- rows ---- */

static uint64_t row_id(const struct input *in)
{
	ASSERT(in->row < in->block->rows_count);
	return (uint64_t)in->block->ints[SEG_COL_ID][in->row];
}

static int load(struct merge_rows *m, struct input *in, struct diag *d)
{
	struct block *b = m->spare ? m->spare : block_new();
	int rc;

	m->spare = NULL;
	if (!b)
		return diag_set(d, -ENOMEM, seg_reader_name(in->reader), -1, "merge segments");
	rc = seg_reader_rows(in->reader, in->next_block, b, d);
	if (rc < 0) {
		m->failed = (size_t)(in - m->inputs);
		m->spare = b;
		return rc;
	}
	m->blocks++;
	in->next_block++;
	in->block = b;
	in->row = 0;
	in->id = row_id(in);
	return 0;
}

/* Moves to the row after the one that was given out; the block of the last one is still needed. */
static void advance(struct merge_rows *m, struct input *in)
{
	if (in->row + 1 < in->block->rows_count) {
		in->row++;
		in->id = row_id(in);
		sift_down(m, 0);
		return;
	}
	block_free(&m->spare);
	m->spare = in->block;
	in->block = NULL;
	if (in->next_block == seg_reader_info(in->reader)->blocks_count) {
		pop(m);
		return;
	}
	in->id = seg_reader_block(in->reader, in->next_block)->id_min;
	sift_down(m, 0);
}

int merge_rows_next(struct merge_rows *m, struct event *out_ev, struct diag *d)
{
	while (m->heap_count > 0) {
		struct input *in = &m->inputs[m->heap[0]];
		int rc;

		if (in->block) {
			block_get(in->block, in->row, out_ev);
			advance(m, in);
			return 1;
		}
		rc = load(m, in, d);
		if (rc < 0)
			return rc;
		sift_down(m, 0);
	}
	return 0;
}

size_t merge_rows_failed(const struct merge_rows *m)
{
	return m->failed;
}

uint64_t merge_rows_blocks(const struct merge_rows *m)
{
	return m->blocks;
}

int merge_rows_digest(struct merge_digest *g, const struct event *ev, struct buf *scratch)
{
	int rc;

	buf_reset(scratch);
	rc = row_put(scratch, ev);
	if (rc < 0)
		return rc;
	g->rows_count++;
	g->ids_sum += ev->id;
	g->content_sum += XXH3_64bits_withSeed(scratch->p, scratch->len, ev->id);
	return 0;
}
