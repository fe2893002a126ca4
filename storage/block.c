#include "storage/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum { ROWS_MIN = 256 };

struct block *block_new(void)
{
	struct block *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	for (int i = 0; i < SEG_COL_BYTES; i++)
		buf_init(&b->texts[i].bytes, BLOCK_BYTES_MAX);
	return b;
}

void block_free(struct block **b)
{
	if (!*b)
		return;
	for (int i = 0; i < SEG_COL_INTS; i++)
		free((*b)->ints[i]);
	for (int i = 0; i < SEG_COL_BYTES; i++) {
		free((*b)->texts[i].lengths);
		free((*b)->texts[i].offs);
		buf_fini(&(*b)->texts[i].bytes);
	}
	free(*b);
	*b = NULL;
}

void block_reset(struct block *b)
{
	b->rows_count = 0;
	b->bytes_count = 0;
	for (int i = 0; i < SEG_COL_BYTES; i++)
		buf_reset(&b->texts[i].bytes);
}

static int grow(void **p, uint32_t cap, size_t size)
{
	void *q = realloc(*p, cap * size);

	if (!q)
		return -ENOMEM;
	*p = q;
	return 0;
}

static int reserve_rows(struct block *b, uint32_t rows_count)
{
	uint32_t cap = b->rows_cap ? b->rows_cap : ROWS_MIN;
	int rc = 0;

	ASSERT(rows_count <= LIMIT_BLOCK_ROWS);
	if (rows_count <= b->rows_cap)
		return 0;
	while (cap < rows_count)
		cap *= 2;
	for (int i = 0; i < SEG_COL_INTS && rc == 0; i++)
		rc = grow((void **)&b->ints[i], cap, sizeof *b->ints[i]);
	for (int i = 0; i < SEG_COL_BYTES && rc == 0; i++) {
		rc = grow((void **)&b->texts[i].lengths, cap, sizeof *b->texts[i].lengths);
		if (rc == 0)
			rc = grow((void **)&b->texts[i].offs, cap, sizeof *b->texts[i].offs);
	}
	if (rc == 0)
		b->rows_cap = cap;
	return rc;
}

int block_prepare(struct block *b, uint32_t rows_count)
{
	block_reset(b);
	if (reserve_rows(b, rows_count) < 0)
		return -ENOMEM;
	b->rows_count = rows_count;
	return 0;
}

static struct span bytes_of(const struct event *ev, int col)
{
	return col < EVENT_TEXT_COUNT ? ev->text[col] : ev->metadata;
}

static size_t event_bytes(const struct event *ev)
{
	size_t n = 0;

	for (int i = 0; i < SEG_COL_BYTES; i++) {
		struct span s = bytes_of(ev, i);

		if (s.n > LIMIT_EVENT_BYTES)
			return SIZE_MAX;
		n += s.n;
	}
	return n;
}

static int reserve_event(struct block *b, const struct event *ev)
{
	if (reserve_rows(b, b->rows_count + 1) < 0)
		return -ENOMEM;
	for (int i = 0; i < SEG_COL_BYTES; i++) {
		struct buf *bytes = &b->texts[i].bytes;

		/* A byte more than needed: an empty value has an address of its own too. */
		if (bytes_of(ev, i).n < bytes->cap - bytes->len)
			continue;
		if (buf_reserve(bytes, bytes_of(ev, i).n + 1) < 0) {
			bytes->err = 0;
			return -ENOMEM;
		}
	}
	return 0;
}

/* The value at the end of the column, where reserve_event made room. */
static void put_text(struct block_text *t, uint32_t row, struct span s)
{
	t->offs[row] = (uint32_t)t->bytes.len;
	t->lengths[row] = s.p ? (uint32_t)s.n + 1 : 0;
	if (s.n)
		memcpy(t->bytes.p + t->bytes.len, s.p, s.n);
	t->bytes.len += s.n;
}

int block_put(struct block *b, const struct event *ev)
{
	uint32_t row = b->rows_count;
	size_t bytes = event_bytes(ev);

	ASSERT(ev->severity < EVENT_SEVERITY_COUNT);
	if (bytes >= LIMIT_EVENT_BYTES)
		return ERR_LIMIT;
	if (row == LIMIT_BLOCK_ROWS || b->bytes_count >= LIMIT_BLOCK_BYTES)
		return BLOCK_FULL;
	if (reserve_event(b, ev) < 0)
		return -ENOMEM;
	b->ints[SEG_COL_ID][row] = (int64_t)ev->id;
	b->ints[SEG_COL_TIME][row] = ev->time_ns;
	b->ints[SEG_COL_RECEIVED][row] = ev->received_ns;
	b->ints[SEG_COL_SEVERITY][row] = ev->severity;
	b->ints[SEG_COL_FLAGS][row] = ev->flags;
	for (int i = 0; i < SEG_COL_BYTES; i++)
		put_text(&b->texts[i], row, bytes_of(ev, i));
	b->bytes_count += bytes;
	b->rows_count++;
	ASSERT(b->bytes_count < BLOCK_BYTES_MAX);
	return 0;
}

struct span block_text_at(const struct block_text *t, uint32_t row)
{
	if (t->lengths[row] == 0)
		return SPAN_NONE;
	return span_of(t->bytes.p + t->offs[row], t->lengths[row] - 1);
}

void block_get(const struct block *b, uint32_t row, struct event *out)
{
	ASSERT(row < b->rows_count);
	out->id = (uint64_t)b->ints[SEG_COL_ID][row];
	out->time_ns = b->ints[SEG_COL_TIME][row];
	out->received_ns = b->ints[SEG_COL_RECEIVED][row];
	out->severity = (uint8_t)b->ints[SEG_COL_SEVERITY][row];
	out->flags = (uint8_t)b->ints[SEG_COL_FLAGS][row];
	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		out->text[i] = block_text_at(&b->texts[i], row);
	out->metadata = block_text_at(&b->texts[EVENT_TEXT_COUNT], row);
}
