#include "storage/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/block_reader.h"

enum {
	ROWS_MIN = 256,
	/* A column is no dictionary's once it has more entries, or bytes of them, than this ... */
	CODED_ENTRIES_MAX = 8192,
	CODED_BYTES_MAX = 512 << 10,
	/* ... or once, in a block with so many values, more than half of them were new to it. */
	SAMPLE_ROWS = 1024,
};

static_assert((int)CODED_ENTRIES_MAX > (int)LIMIT_SEGMENT_TYPES, "types are counted by code");
static_assert((int)CODED_ENTRIES_MAX <= (int)LIMIT_DICT_ENTRIES, "what readers take");
static_assert((int)CODED_BYTES_MAX <= (int)LIMIT_DICT_BYTES, "what readers take");

/* Columns that begin coded: few values by their nature, filtered and counted by them. */
static bool begins_coded(int text)
{
	return text == EVENT_TEXT_EVENT_TYPE || text == EVENT_TEXT_ENTITY_TYPE ||
	       text == EVENT_TEXT_USER_AGENT || text == EVENT_TEXT_SERVICE ||
	       text == EVENT_TEXT_HOST;
}

static const uint8_t ranked[SEG_COL_BYTES] = {
	EVENT_TEXT_EVENT_TYPE,
	EVENT_TEXT_ENTITY_TYPE,
	EVENT_TEXT_USER_AGENT,
	EVENT_TEXT_SERVICE,
	EVENT_TEXT_HOST,
	EVENT_TEXT_USER_ID,
	EVENT_TEXT_ENTITY_ID,
	EVENT_TEXT_IP_ADDRESS,
	BLOCK_METADATA,
	EVENT_TEXT_DESCRIPTION,
};

int block_ranked(unsigned rank)
{
	ASSERT(rank < SEG_COL_BYTES);
	return ranked[rank];
}

unsigned block_rank(int text)
{
	unsigned rank = 0;

	ASSERT(text >= 0 && text < SEG_COL_BYTES);
	while (ranked[rank] != text)
		rank++;
	return rank;
}

struct block *block_new(void)
{
	struct block *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->rows_max = LIMIT_BLOCK_ROWS;
	for (int i = 0; i < SEG_COL_BYTES; i++)
		buf_init(&b->texts[i].bytes, BLOCK_BYTES_MAX);
	return b;
}

void block_free(struct block **bp)
{
	struct block *b = *bp;

	if (!b)
		return;
	for (int i = 0; i < SEG_COL_INTS; i++)
		free(b->ints[i]);
	for (int i = 0; i < SEG_COL_BYTES; i++) {
		free(b->texts[i].codes);
		free(b->texts[i].lengths);
		free(b->texts[i].offs);
		buf_fini(&b->texts[i].bytes);
		if (b->coders)
			col_dict_maker_fini(&b->coders[i].dict);
	}
	free(b->coders);
	block_reader_free(&b->reader);
	free(b);
	*bp = NULL;
}

void block_reset(struct block *b)
{
	b->rows_count = 0;
	b->bytes_count = 0;
	b->raw_bytes = 0;
	for (int i = 0; i < SEG_COL_BYTES; i++)
		buf_reset(&b->texts[i].bytes);
}

void block_begin_segment(struct block *b, uint32_t rows_max)
{
	b->rows_max = rows_max > 0 && rows_max < LIMIT_BLOCK_ROWS ? rows_max : LIMIT_BLOCK_ROWS;
	for (int i = 0; b->coders && i < SEG_COL_BYTES; i++) {
		col_dict_maker_undo(&b->coders[i].dict, 0);
		b->coders[i].given_up = false;
	}
	block_reset(b);
}

/* ---- memory ---- */

static int grow(void **p, uint32_t cap, size_t size)
{
	void *q = realloc(*p, cap * size);

	if (!q)
		return -ENOMEM;
	*p = q;
	return 0;
}

static int grow_text(struct block_text *t, uint32_t cap, bool coded)
{
	int rc;

	if (coded)
		return grow((void **)&t->codes, cap, sizeof *t->codes);
	rc = grow((void **)&t->lengths, cap, sizeof *t->lengths);
	return rc == 0 ? grow((void **)&t->offs, cap, sizeof *t->offs) : rc;
}

/* For rows_cap rows, those of the columns alone that are in use. */
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
		struct block_text *t = &b->texts[i];

		if (t->codes)
			rc = grow_text(t, cap, true);
		if (rc == 0 && t->lengths)
			rc = grow_text(t, cap, false);
	}
	if (rc == 0)
		b->rows_cap = cap;
	return rc;
}

static int need_text(struct block *b, int text, bool coded)
{
	struct block_text *t = &b->texts[text];
	int rc = 0;

	ASSERT(b->rows_cap > 0);
	if (coded ? !t->codes : !t->offs)
		rc = grow_text(t, b->rows_cap, coded);
	if (rc == 0)
		t->coded = coded;
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

int block_prepare_coded(struct block *b, int text)
{
	return need_text(b, text, true);
}

int block_prepare_plain(struct block *b, int text)
{
	return need_text(b, text, false);
}

static int new_coders(struct block *b)
{
	b->coders = calloc(SEG_COL_BYTES, sizeof *b->coders);
	if (!b->coders)
		return -ENOMEM;
	for (int i = 0; i < SEG_COL_BYTES; i++)
		col_dict_maker_init(&b->coders[i].dict);
	return 0;
}

/* Before the first row: how each column begins. */
static int begin(struct block *b)
{
	int rc = b->coders ? 0 : new_coders(b);

	if (rc == 0)
		rc = reserve_rows(b, ROWS_MIN);
	for (int i = 0; i < SEG_COL_BYTES && rc == 0; i++) {
		struct block_coder *c = &b->coders[i];

		rc = need_text(b, i, begins_coded(i) && !c->given_up);
		c->entries_before = c->dict.entries_count;
		c->present_count = 0;
		c->bytes_count = 0;
	}
	return rc;
}

/* ---- putting ---- */

static struct span bytes_of(const struct event *ev, int col)
{
	return col < EVENT_TEXT_COUNT ? ev->text[col] : ev->metadata;
}

static size_t bytes_to_put(const struct event *ev)
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

/* Room for n bytes, and one more: an empty value has an address of its own too. */
static int reserve_bytes(struct buf *bytes, size_t n)
{
	if (n < bytes->cap - bytes->len)
		return 0;
	if (buf_reserve(bytes, n + 1) == 0)
		return 0;
	bytes->err = 0;
	return -ENOMEM;
}

/* The value at the end of the column, where there is room. */
static void put_plain(struct block_text *t, uint32_t row, struct span s)
{
	t->offs[row] = (uint32_t)t->bytes.len;
	t->lengths[row] = s.p ? (uint32_t)s.n + 1 : 0;
	if (s.n)
		memcpy(t->bytes.p + t->bytes.len, s.p, s.n);
	t->bytes.len += s.n;
}

/* The rows so far as plain bytes; what they added to the dictionary is taken back. */
static int make_plain(struct block *b, int text)
{
	struct block_coder *c = &b->coders[text];
	struct block_text *t = &b->texts[text];

	ASSERT(b->bytes_count + c->bytes_count <= LIMIT_BLOCK_BYTES);
	if (need_text(b, text, false) < 0 || reserve_bytes(&t->bytes, c->bytes_count) < 0) {
		t->coded = true;
		return -ENOMEM;
	}
	for (uint32_t row = 0; row < b->rows_count; row++) {
		t->coded = true;
		put_plain(t, row, block_text_at(t, row));
	}
	t->coded = false;
	b->bytes_count += c->bytes_count;
	col_dict_maker_undo(&c->dict, c->entries_before);
	return 0;
}

/* The values are many: BLOCK_FULL where the rows so far are too many bytes to be copied. */
static int give_up(struct block *b, int text)
{
	struct block_coder *c = &b->coders[text];

	c->given_up = true;
	if (b->bytes_count + c->bytes_count > LIMIT_BLOCK_BYTES)
		return BLOCK_FULL;
	return make_plain(b, text);
}

static bool too_many(const struct block_coder *c, size_t more_bytes)
{
	uint32_t added = c->dict.entries_count - c->entries_before;

	return c->dict.entries_count == CODED_ENTRIES_MAX ||
	       col_dict_maker_bytes(&c->dict) + more_bytes > CODED_BYTES_MAX ||
	       (c->present_count >= SAMPLE_ROWS && added > c->present_count / 2);
}

/* 0: coded, or the column is plain from now on and lacks this row; BLOCK_FULL. */
static int put_coded(struct block *b, int text, uint32_t row, struct span s)
{
	struct block_coder *c = &b->coders[text];
	struct block_text *t = &b->texts[text];
	int rc;

	if (!s.p) {
		t->codes[row] = 0;
		return 0;
	}
	if (row > 0 && t->codes[row - 1] && span_eq(block_text_at(t, row - 1), s)) {
		t->codes[row] = t->codes[row - 1];
	} else {
		if (too_many(c, s.n))
			return give_up(b, text);
		rc = col_dict_maker_code(&c->dict, s, &t->codes[row]);
		ASSERT(rc <= 0);
		if (rc < 0)
			return rc;
		t->entries = c->dict.bytes.p;
		t->entry_offs = c->dict.offs;
	}
	c->present_count++;
	c->bytes_count += s.n;
	return 0;
}

static int put_all_coded(struct block *b, uint32_t row, const struct event *ev)
{
	int rc = 0;

	for (int i = 0; i < SEG_COL_BYTES && rc == 0; i++) {
		if (b->texts[i].coded)
			rc = put_coded(b, i, row, bytes_of(ev, i));
	}
	return rc;
}

static int put_all_plain(struct block *b, uint32_t row, const struct event *ev)
{
	for (int i = 0; i < SEG_COL_BYTES; i++) {
		struct block_text *t = &b->texts[i];

		if (!t->coded && reserve_bytes(&t->bytes, bytes_of(ev, i).n) < 0)
			return -ENOMEM;
	}
	for (int i = 0; i < SEG_COL_BYTES; i++) {
		struct span s = bytes_of(ev, i);

		if (b->texts[i].coded)
			continue;
		put_plain(&b->texts[i], row, s);
		b->bytes_count += s.n;
	}
	return 0;
}

int block_put(struct block *b, const struct event *ev)
{
	uint32_t row = b->rows_count;
	size_t bytes = bytes_to_put(ev);
	int rc = 0;

	ASSERT(ev->severity < EVENT_SEVERITY_COUNT);
	if (bytes >= LIMIT_EVENT_BYTES)
		return ERR_LIMIT;
	if (row == b->rows_max || b->bytes_count >= LIMIT_BLOCK_BYTES)
		return BLOCK_FULL;
	rc = row == 0 ? begin(b) : reserve_rows(b, row + 1);
	/* Coded ones first: one that is given up joins the plain ones, or ends the block before this row. */
	if (rc == 0)
		rc = put_all_coded(b, row, ev);
	if (rc == 0)
		rc = put_all_plain(b, row, ev);
	if (rc != 0)
		return rc;
	b->ints[SEG_COL_ID][row] = (int64_t)ev->id;
	b->ints[SEG_COL_TIME][row] = ev->time_ns;
	b->ints[SEG_COL_RECEIVED][row] = ev->received_ns;
	b->ints[SEG_COL_SEVERITY][row] = ev->severity;
	b->ints[SEG_COL_FLAGS][row] = ev->flags;
	b->raw_bytes += bytes;
	b->rows_count++;
	ASSERT(b->bytes_count < BLOCK_BYTES_MAX);
	return 0;
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
