/*
 * Opening: a page is checked and unwrapped when its column is first asked for; what it takes comes from
 * an arena that is reset when another block is entered. Whole columns of integers and codes stand in
 * arrays that are kept, for every block fills them anew.
 */
#include "storage/block_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/block_reader_int.h"
#include "storage/page.h"
#include "storage/seg_decode.h"
#include "storage/seg_reader_int.h"

static_assert(
	BLOCK_READER_TABLES_MAX + BLOCK_READER_LENT_MAX + BLOCK_READER_HAND_MAX + BLOCK_BYTES_MAX <
		BLOCK_READER_BYTES_MAX,
	"the promise of block_reader.h");

void block_reader_work_init(struct block_reader_work *w)
{
	*w = (struct block_reader_work){ .places = NULL };
	arena_init(&w->lent, BLOCK_READER_LENT_MAX);
	arena_init(&w->hand, BLOCK_READER_HAND_MAX);
	w->lent.recycle = w->hand.recycle = true;
	buf_init(&w->bytes, BLOCK_BYTES_MAX);
}

void block_reader_work_fini(struct block_reader_work *w)
{
	arena_fini(&w->lent);
	arena_fini(&w->hand);
	buf_fini(&w->bytes);
	free(w->places);
	w->places = NULL;
	w->places_cap = 0;
}

void block_reader_swap(struct block_reader *b, struct block_reader_work *w)
{
	struct block_reader_work own;

	b->hand.rows = NULL;
	block_reader_let_go(b);
	arena_reset(&b->work.lent);
	own = b->work;
	b->work = *w;
	*w = own;
}

struct block_reader *block_reader_new(void)
{
	struct block_reader *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	arena_init(&b->tables, BLOCK_READER_TABLES_MAX);
	b->tables.tight = true;
	block_reader_work_init(&b->work);
	block_reader_env_init(b);
	return b;
}

void block_reader_free(struct block_reader **bp)
{
	struct block_reader *b = *bp;

	if (!b)
		return;
	for (int i = 0; i < SEG_COL_BYTES; i++) {
		if (b->dicts[i].dict)
			col_dict_fini(b->dicts[i].dict);
		free(b->dicts[i].dict);
	}
	for (int i = 0; i < SEG_COL_COUNT; i++) {
		free(b->arrays[i].ints);
		free(b->arrays[i].codes);
	}
	arena_fini(&b->tables);
	block_reader_work_fini(&b->work);
	free(b);
	*bp = NULL;
}

void block_reader_watch(
	struct block_reader *b, void (*page_cb)(void *ctx, const struct seg_page *page), void *ctx)
{
	b->page_cb = page_cb;
	b->page_ctx = ctx;
}

void block_reader_recount(struct block_reader *b)
{
	for (int i = 0; i < SEG_COL_COUNT; i++) {
		b->cols[i].counted = false;
		b->cols[i].asked = 0;
	}
	for (int i = 0; i < SEG_COL_BYTES; i++)
		b->dicts[i].counted = false;
}

size_t block_reader_held(const struct block_reader *b)
{
	size_t n = sizeof *b + arena_held(&b->tables) + arena_held(&b->work.lent) +
		   arena_held(&b->work.hand) + b->work.bytes.cap +
		   b->work.places_cap * sizeof *b->work.places;

	for (int i = 0; i < SEG_COL_BYTES; i++)
		n += b->dicts[i].dict ? sizeof *b->dicts[i].dict + col_dict_held(b->dicts[i].dict)
				      : 0;
	for (int i = 0; i < SEG_COL_COUNT; i++) {
		n += b->arrays[i].ints_cap * sizeof *b->arrays[i].ints;
		n += b->arrays[i].codes_cap * sizeof *b->arrays[i].codes;
	}
	return n;
}

size_t block_reader_spare(const struct block_reader *b)
{
	size_t n = arena_spare(&b->tables);

	for (int i = 0; i < SEG_COL_COUNT; i++) {
		const struct block_arrays *a = &b->arrays[i];

		n += b->cols[i].ints_ready ? 0 : a->ints_cap * sizeof *a->ints;
		n += b->cols[i].codes_ready ? 0 : a->codes_cap * sizeof *a->codes;
	}
	return n;
}

void block_reader_trim(struct block_reader *b)
{
	arena_trim(&b->tables);
	for (int i = 0; i < SEG_COL_COUNT; i++) {
		struct block_arrays *a = &b->arrays[i];

		if (!b->cols[i].ints_ready) {
			free(a->ints);
			a->ints = NULL;
			a->ints_cap = 0;
		}
		if (!b->cols[i].codes_ready) {
			free(a->codes);
			a->codes = NULL;
			a->codes_cap = 0;
		}
	}
}

void block_reader_leave(struct block_reader *b)
{
	arena_reset(&b->tables);
	arena_reset(&b->work.lent);
	arena_reset(&b->work.hand);
	memset(b->cols, 0, sizeof b->cols);
	b->hand.rows = NULL;
	b->entered = false;
}

void block_reader_enter(struct block_reader *b, const struct seg_reader *seg, uint32_t block)
{
	bool same = b->seg_serial == seg->serial;

	ASSERT(block < seg->info.blocks_count);
	if (same && b->entered && b->block == block)
		return;
	block_reader_leave(b);
	for (int i = 0; i < SEG_COL_BYTES && !same; i++)
		b->dicts[i].loaded = b->dicts[i].counted = false;
	b->seg = seg;
	b->seg_serial = seg->serial;
	b->block = block;
	b->rows_count = seg_reader_block(seg, block)->rows_count;
	b->entered = true;
}

bool block_reader_is_at(const struct block_reader *b, const struct seg_reader *seg, uint32_t block)
{
	return b->entered && b->seg_serial == seg->serial && b->block == block;
}

int block_reader_fail(struct block_reader *b, int col, int rc, struct diag *d)
{
	ASSERT(rc < 0);
	/* The column that this one asked has told it, and is the one to blame. */
	if (b->inner.code == rc) {
		if (d && d != &b->inner)
			*d = b->inner;
		if (d != &b->inner)
			b->inner.code = 0;
		return rc;
	}
	return seg_decode_fail(b->seg, b->block, col, rc, d);
}

/* The page's bytes without their wrapping, where there was any in the arena. */
static int unwrap(struct block_reader *b, const struct seg_page *p, struct span *out)
{
	struct span page = seg_reader_bytes(b->seg, p);
	size_t raw;
	uint8_t *to;

	*out = page;
	if (p->codec == SEG_LAYOUT_CODEC_NONE)
		return 0;
	raw = page_raw_bytes(page, p->codec);
	if (raw == 0 || raw > SEG_DECODE_PAGE_MAX)
		return ERR_CORRUPT;
	to = arena_alloc(&b->tables, raw);
	if (!to)
		return -ENOMEM;
	*out = span_of(to, raw);
	return page_unwrap_to(page, to, raw);
}

/* Wrapped pages hold integers or codes; others are compressed inside. */
static int open_page(struct block_reader *b, int col, struct block_column *c)
{
	const struct seg_page *p = seg_reader_page(b->seg, b->block, col);
	const struct col_codec *codec = col_codec(p->encoding);

	if (!codec || (codec->kind == COL_KIND_INTS) != (col < SEG_COL_INTS))
		return ERR_CORRUPT;
	if ((codec->kind == COL_KIND_MAP) && col != SEG_COL_METADATA)
		return ERR_CORRUPT;
	if (p->codec != SEG_LAYOUT_CODEC_NONE && codec->kind != COL_KIND_INTS &&
		codec->kind != COL_KIND_CODES)
		return ERR_CORRUPT;
	c->encoding = p->encoding;
	c->kind = codec->kind;
	return 0;
}

int block_reader_kind(struct block_reader *b, int col, enum col_kind *out, struct diag *d)
{
	struct block_column *c = &b->cols[col];
	int rc = c->open ? 0 : open_page(b, col, c);

	ASSERT(b->entered);
	if (rc < 0)
		return block_reader_fail(b, col, rc, d);
	*out = c->kind;
	return 0;
}

int block_reader_open(struct block_reader *b, int col, struct block_column **out, struct diag *d)
{
	const struct seg_page *p = seg_reader_page(b->seg, b->block, col);
	struct block_column *c = &b->cols[col];
	int rc;

	ASSERT(b->entered);
	*out = c;
	if (c->open && c->counted)
		return 0;
	if (b->page_cb && !c->counted)
		b->page_cb(b->page_ctx, p);
	c->counted = true;
	if (c->open)
		return 0;
	rc = open_page(b, col, c);
	if (rc == 0)
		rc = seg_reader_verify(b->seg, b->block, col);
	if (rc == 0)
		rc = unwrap(b, p, &c->page);
	if (rc < 0)
		return block_reader_fail(b, col, rc, d);
	c->open = true;
	return 0;
}

int block_reader_places(struct block_reader *b, size_t count)
{
	size_t cap = b->work.places_cap ? b->work.places_cap : BLOCK_READER_SOME;
	struct col_text_value *places;

	if (count <= b->work.places_cap)
		return 0;
	while (cap < count)
		cap *= 2;
	places = realloc(b->work.places, cap * sizeof *places);
	if (!places)
		return -ENOMEM;
	b->work.places = places;
	b->work.places_cap = cap;
	return 0;
}

/* ---- dictionaries ---- */

int block_reader_dict(struct block_reader *b, int col, struct col_dict **out, uint64_t *out_serial,
	struct diag *d)
{
	struct block_dict *dict = &b->dicts[col - SEG_COL_INTS];
	const struct seg_page *p = seg_reader_dict_page(b->seg, col);
	int rc;

	ASSERT(b->entered);
	ASSERT(col >= SEG_COL_INTS && col < SEG_COL_COUNT);
	if (p && b->page_cb && !dict->counted)
		b->page_cb(b->page_ctx, p);
	dict->counted = true;
	if (!dict->dict) {
		dict->dict = malloc(sizeof *dict->dict);
		if (!dict->dict)
			return block_reader_fail(b, col, -ENOMEM, d);
		col_dict_init(dict->dict);
	}
	if (!dict->loaded) {
		rc = seg_decode_dict_open(b->seg, col, dict->dict, d);
		if (rc < 0)
			return rc;
		dict->loaded = true;
	}
	*out = dict->dict;
	if (out_serial)
		*out_serial = b->seg_serial;
	return 0;
}

int block_reader_dict_need(struct block_reader *b, int col, unsigned code, struct diag *d)
{
	struct block_dict *dict = &b->dicts[col - SEG_COL_INTS];

	ASSERT(dict->loaded);
	return seg_decode_dict_need(b->seg, col, dict->dict, code, d);
}
