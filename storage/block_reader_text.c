/*
 * Columns of values: codes and their dictionary, pages of text, of maps, and of bytes in older
 * segments; and their values whatever the kind.
 */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/block_reader_int.h"
#include "storage/seg_decode.h"

/* ---- opening ---- */

int block_reader_open_text(
	struct block_reader *b, int col, struct block_column **out, struct diag *d)
{
	struct block_column *c;
	unsigned sources, keys;
	bool leaves;
	int rc = block_reader_open(b, col, &c, d);

	if (rc < 0)
		return rc;
	*out = c;
	if (c->text_open)
		return 0;
	if (c->kind != COL_KIND_TEXT)
		return block_reader_fail(b, col, ERR_CORRUPT, d);
	rc = col_text_open(&c->text, c->page, b->rows_count, &b->env, &b->tables);
	if (rc == 0) {
		sources = col_text_uses(&c->text, &keys, &leaves);
		if (!block_reader_env_allows(col - SEG_COL_INTS, sources, keys, leaves))
			rc = ERR_CORRUPT;
	}
	if (rc < 0)
		return block_reader_fail(b, col, rc, d);
	c->text_open = true;
	return 0;
}

int block_reader_text(struct block_reader *b, int col, struct col_text **out, struct diag *d)
{
	struct block_column *c;
	int rc;

	block_reader_begin(b);
	rc = block_reader_open_text(b, col, &c, d);
	if (rc == 0)
		*out = &c->text;
	return rc;
}

int block_reader_open_map(struct block_reader *b, struct col_map **out, struct diag *d)
{
	struct block_column *c;
	unsigned sources, keys;
	struct col_map *map;
	int rc = block_reader_open(b, SEG_COL_METADATA, &c, d);

	if (rc < 0)
		return rc;
	*out = c->map;
	if (c->map)
		return 0;
	if (c->kind != COL_KIND_MAP)
		return block_reader_fail(b, SEG_COL_METADATA, ERR_CORRUPT, d);
	rc = col_map_open(c->page, b->rows_count, &b->env, &b->tables, &map);
	if (rc == 0) {
		sources = col_map_uses(map, &keys);
		if (!block_reader_env_allows(BLOCK_METADATA, sources, keys, false))
			rc = ERR_CORRUPT;
	}
	if (rc < 0)
		return block_reader_fail(b, SEG_COL_METADATA, rc, d);
	*out = c->map = map;
	return 0;
}

int block_reader_map(struct block_reader *b, struct col_map **out, struct diag *d)
{
	block_reader_begin(b);
	return block_reader_open_map(b, out, d);
}

static int open_bytes(struct block_reader *b, struct block_column *c)
{
	struct col_bytes_chunk *room;
	int rc;

	if (c->bytes)
		return 0;
	c->lengths = arena_alloc(&b->tables, b->rows_count * sizeof *c->lengths);
	c->bytes = arena_alloc(&b->tables, sizeof *c->bytes);
	room = arena_alloc(&b->tables, COL_BYTES_CHUNKS_MAX * sizeof *room);
	if (!c->lengths || !c->bytes || !room)
		rc = -ENOMEM;
	else
		rc = col_bytes_open(c->page, b->rows_count, c->lengths, room, c->bytes);
	if (rc < 0)
		c->bytes = NULL;
	return rc;
}

int block_reader_bytes(struct block_reader *b, int col, const struct col_bytes **out,
	const uint32_t **out_lengths, struct diag *d)
{
	struct block_column *c;
	int rc = block_reader_open(b, col, &c, d);

	if (rc < 0)
		return rc;
	rc = c->kind == COL_KIND_BYTES ? open_bytes(b, c) : ERR_CORRUPT;
	if (rc < 0)
		return block_reader_fail(b, col, rc, d);
	*out = c->bytes;
	*out_lengths = c->lengths;
	return 0;
}

/* ---- values of some rows ---- */

static int look_up(struct block_reader *b, int col, struct col_dict *dict, const uint16_t *codes,
	size_t count, struct span *out, struct diag *d)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++) {
		out[i] = SPAN_NONE;
		if (codes[i] == 0)
			continue;
		if (!col_dict_is_whole(dict))
			rc = block_reader_dict_need(b, col, codes[i], d);
		if (rc == 0)
			out[i] = col_dict_at(dict, codes[i]);
	}
	return rc;
}

static int get_codes(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	struct span *out, struct diag *d)
{
	uint16_t codes[BLOCK_READER_SOME];
	struct col_dict *dict;
	int rc = block_reader_dict(b, col, &dict, NULL, d);

	for (size_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < BLOCK_READER_SOME ? count - at : BLOCK_READER_SOME;
		rc = block_reader_codes_at(b, col, rows + at, n, codes, d);
		if (rc == 0)
			rc = look_up(b, col, dict, codes, n, out + at, d);
	}
	return rc;
}

static int get_whole(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	struct span *out, struct diag *d)
{
	struct block_column *c;
	int rc = block_reader_open(b, col, &c, d);

	for (size_t i = 0; i < count && rc == 0; i++)
		out[i] = block_reader_whole(c, rows[i]);
	return rc;
}

static int get_text(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	struct buf *bytes, struct diag *d)
{
	struct block_column *c;
	int rc = block_reader_open_text(b, col, &c, d);

	if (rc < 0)
		return rc;
	rc = col_text_get(&c->text, rows, count, bytes, b->work.places);
	return rc < 0 ? block_reader_fail(b, col, rc, d) : 0;
}

static int get_map(struct block_reader *b, const uint32_t *rows, size_t count, struct buf *bytes,
	struct diag *d)
{
	struct col_map *map;
	int rc = block_reader_open_map(b, &map, d);

	if (rc < 0)
		return rc;
	rc = col_map_get(map, rows, count, bytes, b->work.places);
	return rc < 0 ? block_reader_fail(b, SEG_COL_METADATA, rc, d) : 0;
}

/* A chunk is decompressed once for all the rows in it that are asked for. */
static int get_bytes(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	struct buf *bytes, struct diag *d)
{
	uint32_t chunk = UINT32_MAX, row = 0;
	struct span raw = SPAN_NONE;
	const struct col_bytes *page;
	const uint32_t *lengths;
	size_t off = 0;
	int rc = block_reader_bytes(b, col, &page, &lengths, d);

	for (size_t i = 0; i < count && rc == 0; i++) {
		uint32_t want = rows[i], at = col_bytes_find(page, want), length = lengths[want];

		b->work.places[i] = (struct col_text_value){ (uint32_t)bytes->len, length };
		if (length == 0)
			continue;
		if (at != chunk) {
			rc = col_bytes_chunk(page, at, &b->work.bytes, &raw);
			if (rc < 0)
				return block_reader_fail(b, col, rc, d);
			chunk = at;
			row = page->chunks[at].row;
			off = 0;
		}
		for (; row < want; row++)
			off += col_bytes_length(lengths[row]);
		buf_put(bytes, raw.p + off, length - 1);
	}
	return rc == 0 && bytes->err ? block_reader_fail(b, col, bytes->err, d) : rc;
}

/* Where the values of rows just read stand. */
static void take_places(
	const struct block_reader *b, size_t count, const struct buf *bytes, struct span *out)
{
	for (size_t i = 0; i < count; i++) {
		struct col_text_value v = b->work.places[i];

		out[i] = v.length ? span_of(bytes->p + v.off, v.length - 1) : SPAN_NONE;
	}
}

int block_reader_values(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	struct buf *bytes, struct span *out, struct diag *d)
{
	enum col_kind kind;
	int rc = block_reader_kind(b, col, &kind, d);

	ASSERT(col >= SEG_COL_INTS && col < SEG_COL_COUNT);
	if (rc < 0)
		return rc;
	if (kind == COL_KIND_CODES)
		return get_codes(b, col, rows, count, out, d);
	if (b->cols[col].all)
		return get_whole(b, col, rows, count, out, d);
	/* A byte more than there is: an empty value has an address too. */
	if (buf_reserve(bytes, 1) < 0 || block_reader_places(b, count) < 0)
		return block_reader_fail(b, col, -ENOMEM, d);
	if (kind == COL_KIND_TEXT)
		rc = get_text(b, col, rows, count, bytes, d);
	else if (kind == COL_KIND_MAP)
		rc = get_map(b, rows, count, bytes, d);
	else
		rc = get_bytes(b, col, rows, count, bytes, d);
	if (rc == 0)
		take_places(b, count, bytes, out);
	return rc;
}

int block_reader_get(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	struct buf *bytes, struct span *out, struct diag *d)
{
	block_reader_begin(b);
	return block_reader_values(b, col, rows, count, bytes, out, d);
}

int block_reader_get_json(struct block_reader *b, const uint32_t *rows, size_t count,
	struct buf *bytes, struct span *out, struct diag *d)
{
	enum col_kind kind;
	struct col_map *map;
	int rc;

	block_reader_begin(b);
	rc = block_reader_kind(b, SEG_COL_METADATA, &kind, d);
	if (rc < 0)
		return rc;
	if (kind != COL_KIND_MAP || b->cols[SEG_COL_METADATA].all)
		return BLOCK_READER_JSON_NOT;
	if (buf_reserve(bytes, 1) < 0 || block_reader_places(b, count) < 0)
		return block_reader_fail(b, SEG_COL_METADATA, -ENOMEM, d);
	rc = block_reader_open_map(b, &map, d);
	if (rc < 0)
		return rc;
	rc = col_map_get_json(map, rows, count, bytes, b->work.places);
	if (rc == COL_MAP_JSON_NOT)
		return BLOCK_READER_JSON_NOT;
	/* JSON may be longer than the msgpack that a block was made for. */
	if (rc == ERR_LIMIT)
		rc = -ENOMEM;
	if (rc < 0)
		return block_reader_fail(b, SEG_COL_METADATA, rc, d);
	take_places(b, count, bytes, out);
	return 0;
}

/* ---- whole columns ---- */

static int all_codes(struct block_reader *b, int col, struct block *into, struct diag *d)
{
	struct block_text *t = &into->texts[col - SEG_COL_INTS];
	const uint16_t *codes;
	struct col_dict *dict;
	int rc = block_reader_dict(b, col, &dict, NULL, d);

	if (rc == 0 && dict->count > 0)
		rc = block_reader_dict_need(b, col, 0, d);
	if (rc == 0)
		rc = block_reader_codes(b, col, &codes, d);
	if (rc < 0)
		return rc;
	if (block_prepare_coded(into, col - SEG_COL_INTS) < 0)
		return block_reader_fail(b, col, -ENOMEM, d);
	memcpy(t->codes, codes, b->rows_count * sizeof *codes);
	t->entries = dict->bytes;
	t->entry_offs = dict->offs;
	return 0;
}

static int all_values(
	struct block_reader *b, int col, enum col_kind kind, struct block_text *t, struct diag *d)
{
	struct col_output o = {
		.rows_count = b->rows_count, .lengths = t->lengths, .bytes = &t->bytes
	};
	struct block_column *c;
	struct col_map *map;
	int rc;

	if (kind == COL_KIND_TEXT) {
		rc = block_reader_open_text(b, col, &c, d);
		if (rc < 0)
			return rc;
		rc = col_text_all(&c->text, t->lengths, &t->bytes);
	} else if (kind == COL_KIND_MAP) {
		rc = block_reader_open_map(b, &map, d);
		if (rc < 0)
			return rc;
		rc = col_map_all(map, t->lengths, &t->bytes);
	} else {
		rc = block_reader_open(b, col, &c, d);
		if (rc < 0)
			return rc;
		rc = col_decode(c->encoding, COL_KIND_BYTES, c->page, &o);
	}
	/* No block was ever written with more than the buffer takes. */
	if (rc == ERR_LIMIT)
		rc = ERR_CORRUPT;
	return rc < 0 ? block_reader_fail(b, col, rc, d) : 0;
}

int block_reader_all(struct block_reader *b, int col, struct block *into, struct diag *d)
{
	struct block_text *t = &into->texts[col - SEG_COL_INTS];
	enum col_kind kind;
	uint64_t off = 0;
	int rc = block_reader_kind(b, col, &kind, d);

	ASSERT(into->rows_count == b->rows_count);
	if (rc < 0)
		return rc;
	if (kind == COL_KIND_CODES)
		return all_codes(b, col, into, d);
	block_reader_begin(b);
	if (block_prepare_plain(into, col - SEG_COL_INTS) < 0 || buf_reserve(&t->bytes, 1) < 0)
		return block_reader_fail(b, col, -ENOMEM, d);
	rc = all_values(b, col, kind, t, d);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < b->rows_count; i++) {
		t->offs[i] = (uint32_t)off;
		off += col_bytes_length(t->lengths[i]);
	}
	if (off != t->bytes.len)
		return block_reader_fail(b, col, ERR_CORRUPT, d);
	into->bytes_count += t->bytes.len;
	return 0;
}
