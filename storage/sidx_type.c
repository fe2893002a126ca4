/*
 * .EVT FILE: header, then the directory, which is all there is.
 *
 * DIRECTORY
 *   u8       complete     0: too many types; nothing follows but a 0 count
 *   varint   types
 *   for each type, absent first, then by name:
 *     varint   name bytes + 1 (0: absent), name
 *     varint   rows, varint first id, varint last id less first id
 *     varint   blocks that hold it; for each: varint blocks skipped, varint rows less 1
 *     only if rows <= 64: for each block, its rows: varint rows skipped
 * Valid:  rows of the blocks add up to the type's, blocks are below the segment's count.
 */
#include "storage/sidx_type.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/col_pack.h"
#include "storage/seg_decode.h"

/* ---- building ---- */

struct tally {
	uint32_t code;
	uint32_t block;
	uint32_t rows_count;
};

struct builder {
	const struct seg_reader *seg;
	struct buf page;
	struct col_dict dict;
	uint16_t codes[LIMIT_BLOCK_ROWS];
	uint64_t ids[LIMIT_BLOCK_ROWS];
	uint32_t counts[LIMIT_SEGMENT_TYPES + 1]; /* of the block at hand */
	uint64_t rows[LIMIT_SEGMENT_TYPES + 1];
	uint64_t id_min[LIMIT_SEGMENT_TYPES + 1];
	uint64_t id_max[LIMIT_SEGMENT_TYPES + 1];
	uint32_t order[LIMIT_SEGMENT_TYPES + 1];
	struct buf tallies; /* struct tally, by block */
	struct buf rare;    /* struct tally with a row for rows_count, by block and row */
};

/* False: some block's types are no codes, or there are too many. */
static bool countable(const struct builder *b)
{
	if (seg_decode_dict_count(b->seg, SEG_COL_TEXT + EVENT_TEXT_EVENT_TYPE) >=
		LIMIT_SEGMENT_TYPES)
		return false;
	for (uint32_t i = 0; i < seg_reader_info(b->seg)->blocks_count; i++) {
		enum col_kind kind;

		if (seg_decode_kind(b->seg, i, SEG_COL_TEXT + EVENT_TEXT_EVENT_TYPE, &kind, NULL) <
			0)
			return false;
		if (kind != COL_KIND_CODES)
			return false;
	}
	return true;
}

static int read_block(struct builder *b, uint32_t block, struct diag *d)
{
	int rc = seg_decode_codes(
		b->seg, block, SEG_COL_TEXT + EVENT_TEXT_EVENT_TYPE, &b->page, b->codes, d);

	if (rc < 0)
		return rc;
	return seg_decode_ints(b->seg, block, SEG_COL_ID, NULL, &b->page, (int64_t *)b->ids, d);
}

static int count_block(struct builder *b, uint32_t block, struct diag *d)
{
	uint32_t rows = seg_reader_block(b->seg, block)->rows_count;
	int rc = read_block(b, block, d);

	if (rc < 0)
		return rc;
	ASSERT(b->dict.count < LIMIT_SEGMENT_TYPES);
	memset(b->counts, 0, sizeof b->counts);
	for (uint32_t i = 0; i < rows; i++) {
		uint32_t code = b->codes[i];

		if (b->rows[code] + b->counts[code] == 0)
			b->id_min[code] = b->ids[i];
		b->id_max[code] = b->ids[i];
		b->counts[code]++;
	}
	for (uint32_t code = 0; code <= b->dict.count; code++) {
		struct tally t = { code, block, b->counts[code] };

		if (t.rows_count == 0)
			continue;
		b->rows[code] += t.rows_count;
		buf_put(&b->tallies, &t, sizeof t);
	}
	return 0;
}

static int list_rare(struct builder *b, uint32_t block, struct diag *d)
{
	uint32_t rows = seg_reader_block(b->seg, block)->rows_count;
	int rc = read_block(b, block, d);

	for (uint32_t i = 0; rc == 0 && i < rows; i++) {
		struct tally t = { b->codes[i], block, i };

		if (b->rows[t.code] <= SIDX_TYPE_RARE_ROWS)
			buf_put(&b->rare, &t, sizeof t);
	}
	return rc;
}

/* By code, then as they came: blocks, and rows within, rise. */
static int tally_cmp(const void *pa, const void *pb)
{
	const struct tally *a = pa, *b = pb;

	if (a->code != b->code)
		return a->code < b->code ? -1 : 1;
	if (a->block != b->block)
		return a->block < b->block ? -1 : 1;
	return (a->rows_count > b->rows_count) - (a->rows_count < b->rows_count);
}

static struct span name_of(const struct builder *b, uint32_t code)
{
	return code ? col_dict_at(&b->dict, code) : SPAN_NONE;
}

static int name_cmp(const void *pa, const void *pb, void *arg)
{
	const struct builder *b = arg;
	uint32_t x = *(const uint32_t *)pa, y = *(const uint32_t *)pb;

	if (x == 0 || y == 0)
		return (x != 0) - (y != 0);
	return span_cmp(name_of(b, x), name_of(b, y));
}

/* The first of the sorted tallies of a code. */
static const struct tally *tallies_of(const struct buf *all, uint32_t code)
{
	const struct tally *t = (const struct tally *)(const void *)all->p;
	size_t lo = 0, hi = all->len / sizeof *t;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (t[mid].code < code)
			lo = mid + 1;
		else
			hi = mid;
	}
	return t + lo;
}

static void put_type(const struct builder *b, uint32_t code, struct buf *out)
{
	struct span name = name_of(b, code);
	const struct tally *t = tallies_of(&b->tallies, code), *row;
	const struct tally *end =
		(const struct tally *)(const void *)(b->tallies.p + b->tallies.len);
	uint32_t blocks = 0;

	while (t + blocks < end && t[blocks].code == code)
		blocks++;
	ASSERT(blocks > 0);
	ASSERT(b->id_max[code] >= b->id_min[code]);
	col_pack_varint(out, name.p ? name.n + 1 : 0);
	buf_put_span(out, name);
	col_pack_varint(out, b->rows[code]);
	col_pack_varint(out, b->id_min[code]);
	col_pack_varint(out, b->id_max[code] - b->id_min[code]);
	col_pack_varint(out, blocks);
	for (uint32_t i = 0; i < blocks; i++) {
		col_pack_varint(out, i ? t[i].block - t[i - 1].block - 1 : t[i].block);
		col_pack_varint(out, t[i].rows_count - 1);
	}
	if (b->rows[code] > SIDX_TYPE_RARE_ROWS)
		return;
	row = tallies_of(&b->rare, code);
	for (uint64_t i = 0; i < b->rows[code]; i++) {
		bool follows = i > 0 && row[i].block == row[i - 1].block;

		col_pack_varint(out, follows ? row[i].rows_count - row[i - 1].rows_count - 1
					     : row[i].rows_count);
	}
}

static int fill(struct builder *b, struct buf *out, struct diag *d)
{
	uint32_t blocks = seg_reader_info(b->seg)->blocks_count, types = 0;
	int rc = seg_decode_dict(b->seg, SEG_COL_TEXT + EVENT_TEXT_EVENT_TYPE, &b->dict, d);

	for (uint32_t i = 0; rc == 0 && i < blocks; i++)
		rc = count_block(b, i, d);
	for (uint32_t i = 0; rc == 0 && i < blocks; i++)
		rc = list_rare(b, i, d);
	if (rc == 0 && (b->tallies.err || b->rare.err))
		rc = diag_set(d, -ENOMEM, seg_reader_name(b->seg), -1, "building a type index");
	if (rc < 0)
		return rc;
	qsort(b->tallies.p, b->tallies.len / sizeof(struct tally), sizeof(struct tally), tally_cmp);
	if (b->rare.len > 0)
		qsort(b->rare.p, b->rare.len / sizeof(struct tally), sizeof(struct tally),
			tally_cmp);
	for (uint32_t code = 0; code <= b->dict.count; code++) {
		if (b->rows[code] > 0)
			b->order[types++] = code;
	}
	qsort_r(b->order, types, sizeof b->order[0], name_cmp, b);
	buf_put_u8(out, 1);
	col_pack_varint(out, types);
	for (uint32_t i = 0; i < types; i++)
		put_type(b, b->order[i], out);
	return 0;
}

int sidx_type_build(const struct seg_reader *seg, struct buf *out, struct diag *d)
{
	static const uint8_t head[SIDX_COMMON_HEAD_BYTES];
	struct builder *b = calloc(1, sizeof *b);
	size_t start;
	int rc = 0;

	if (!b)
		return diag_set(d, -ENOMEM, seg_reader_name(seg), -1, "building a type index");
	b->seg = seg;
	seg_decode_buf_init(&b->page);
	col_dict_init(&b->dict);
	buf_init(&b->tallies, SIZE_MAX / 2);
	buf_init(&b->rare, SIZE_MAX / 2);
	buf_put(out, head, sizeof head);
	start = out->len;
	if (countable(b)) {
		rc = fill(b, out, d);
	} else {
		buf_put_u8(out, 0);
		col_pack_varint(out, 0);
	}
	if (rc == 0)
		sidx_common_seal(out, SIDX_TYPE, seg_reader_info(seg), out->len - start);
	buf_fini(&b->page);
	col_dict_fini(&b->dict);
	buf_fini(&b->tallies);
	buf_fini(&b->rare);
	free(b);
	return rc;
}

/* ---- looking up ---- */

struct type {
	struct sidx_type_entry entry;
	const uint8_t *blocks; /* varints, checked in open */
	const uint8_t *rows;   /* the same; only of rare types */
};

struct sidx_type {
	struct sidx_file file;
	uint32_t blocks_count; /* of the segment */
	bool complete;
	uint32_t types_count;
	struct type *types;
};

static void fail(struct rcur *c)
{
	if (!c->err)
		c->err = ERR_CORRUPT;
}

/* Moves past the blocks of a type; true where they hold together. */
static bool check_blocks(struct rcur *c, const struct sidx_type_entry *e, uint32_t blocks_count)
{
	uint64_t next = 0, rows = 0;

	for (uint32_t i = 0; i < e->blocks_count && !c->err; i++) {
		uint64_t skipped = rcur_varint(c), n = rcur_varint(c);

		if (skipped >= blocks_count - next || n >= LIMIT_BLOCK_ROWS)
			return false;
		next += skipped + 1;
		rows += n + 1;
	}
	return rows == e->rows_count;
}

/* The same for the rows of a rare type, whose blocks begin at `blocks`. */
static bool check_rows(struct rcur *c, const struct sidx_type_entry *e, struct rcur blocks)
{
	for (uint32_t i = 0; i < e->blocks_count && !c->err; i++) {
		uint64_t n, next = 0;

		rcur_varint(&blocks);
		n = rcur_varint(&blocks) + 1;
		for (uint64_t k = 0; k < n && !c->err; k++) {
			uint64_t skipped = rcur_varint(c);

			if (skipped >= LIMIT_BLOCK_ROWS - next)
				return false;
			next += skipped + 1;
		}
	}
	return true;
}

static void read_type(struct rcur *c, struct type *t, uint32_t blocks_count)
{
	struct sidx_type_entry *e = &t->entry;
	uint64_t name_n = rcur_varint(c), width, blocks;
	struct rcur at;

	e->name = SPAN_NONE;
	if (name_n > 0)
		e->name = rcur_bytes(c, name_n - 1 > SIZE_MAX ? SIZE_MAX : (size_t)(name_n - 1));
	e->rows_count = rcur_varint(c);
	e->id_min = rcur_varint(c);
	width = rcur_varint(c);
	if (__builtin_add_overflow(e->id_min, width, &e->id_max))
		fail(c);
	blocks = rcur_varint(c);
	if (blocks == 0 || blocks > blocks_count)
		fail(c);
	e->blocks_count = (uint32_t)blocks;
	e->rare = e->rows_count <= SIDX_TYPE_RARE_ROWS;
	if (c->err)
		return;
	at = *c;
	t->blocks = c->p;
	if (!check_blocks(c, e, blocks_count))
		fail(c);
	t->rows = c->p;
	if (!c->err && e->rare && !check_rows(c, e, at))
		fail(c);
}

static int read_dir(struct sidx_type *x)
{
	struct rcur c = rcur_of(x->file.dir.p, x->file.dir.n);
	uint64_t count;

	x->complete = rcur_u8(&c) == 1;
	count = rcur_varint(&c);
	if (c.err || count > LIMIT_SEGMENT_TYPES || count > rcur_left(&c))
		return ERR_CORRUPT;
	x->types = calloc(count + 1, sizeof *x->types);
	if (!x->types)
		return -ENOMEM;
	x->types_count = (uint32_t)count;
	for (uint32_t i = 0; i < count && !c.err; i++) {
		read_type(&c, &x->types[i], x->blocks_count);
		if (i > 0 && !c.err &&
			(!x->types[i].entry.name.p ||
				(x->types[i - 1].entry.name.p &&
					span_cmp(x->types[i - 1].entry.name,
						x->types[i].entry.name) >= 0)))
			fail(&c);
	}
	return c.err || rcur_left(&c) != 0 ? ERR_CORRUPT : 0;
}

int sidx_type_open(const struct vfs *vfs, int dir, const char *name, const struct seg_info *seg,
	struct sidx_type **out, struct diag *d)
{
	struct sidx_type *x = calloc(1, sizeof *x);
	int rc;

	if (!x)
		return diag_set(d, -ENOMEM, name, -1, "opening a sidecar");
	x->blocks_count = seg->blocks_count;
	rc = sidx_common_open(vfs, dir, name, SIDX_TYPE, seg, &x->file, d);
	if (rc == 0) {
		rc = read_dir(x);
		if (rc == 0 && x->file.pages_off != x->file.map_bytes)
			rc = ERR_CORRUPT;
		if (rc < 0)
			diag_set(d, rc, name, SIDX_COMMON_HEAD_BYTES,
				"the directory of a type index");
	}
	if (rc < 0) {
		sidx_type_close(&x);
		return rc;
	}
	*out = x;
	return 0;
}

void sidx_type_close(struct sidx_type **x)
{
	if (!*x)
		return;
	sidx_common_close(&(*x)->file);
	free((*x)->types);
	free(*x);
	*x = NULL;
}

bool sidx_type_complete(const struct sidx_type *x)
{
	return x->complete;
}

size_t sidx_type_count(const struct sidx_type *x)
{
	return x->types_count;
}

void sidx_type_entry(const struct sidx_type *x, size_t i, struct sidx_type_entry *out)
{
	ASSERT(i < x->types_count);
	*out = x->types[i].entry;
}

int sidx_type_find(const struct sidx_type *x, struct span name)
{
	int lo = 0, hi = (int)x->types_count - 1;

	while (lo <= hi) {
		int mid = lo + (hi - lo) / 2, c;
		struct span s = x->types[mid].entry.name;

		if (!s.p || !name.p)
			c = (s.p != NULL) - (name.p != NULL);
		else
			c = span_cmp(s, name);
		if (c == 0)
			return mid;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid - 1;
	}
	return -1;
}

/* What open has checked needs no error: the end of the file bounds it all the same. */
static struct rcur cursor_at(const struct sidx_type *x, const uint8_t *p)
{
	return rcur_of(p, (size_t)(x->file.dir.p + x->file.dir.n - p));
}

void sidx_type_blocks(const struct sidx_type *x, size_t i, struct sidx_type_block *out)
{
	const struct type *t = &x->types[i];
	struct rcur c = cursor_at(x, t->blocks);
	uint32_t block = 0;

	ASSERT(i < x->types_count);
	for (uint32_t k = 0; k < t->entry.blocks_count; k++) {
		block += (uint32_t)rcur_varint(&c) + (k > 0);
		out[k].block = block;
		out[k].rows_count = (uint32_t)rcur_varint(&c) + 1;
	}
}

uint32_t sidx_type_rows_in(const struct sidx_type *x, size_t i, uint32_t block)
{
	const struct type *t = &x->types[i];
	struct rcur c = cursor_at(x, t->blocks);
	uint32_t at = 0;

	ASSERT(i < x->types_count);
	for (uint32_t k = 0; k < t->entry.blocks_count; k++) {
		uint32_t rows;

		at += (uint32_t)rcur_varint(&c) + (k > 0);
		rows = (uint32_t)rcur_varint(&c) + 1;
		if (at >= block)
			return at == block ? rows : 0;
	}
	return 0;
}

uint32_t sidx_type_rows(const struct sidx_type *x, size_t i, uint32_t block, uint32_t *out)
{
	const struct type *t = &x->types[i];
	struct rcur blocks = cursor_at(x, t->blocks), rows = cursor_at(x, t->rows);
	uint32_t at = 0;

	ASSERT(i < x->types_count);
	ASSERT(t->entry.rare);
	for (uint32_t k = 0; k < t->entry.blocks_count; k++) {
		uint32_t n, row = 0;

		at += (uint32_t)rcur_varint(&blocks) + (k > 0);
		n = (uint32_t)rcur_varint(&blocks) + 1;
		for (uint32_t r = 0; r < n; r++) {
			row += (uint32_t)rcur_varint(&rows) + (r > 0);
			out[r] = row;
		}
		if (at >= block)
			return at == block ? n : 0;
	}
	return 0;
}
