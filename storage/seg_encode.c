/*
 * The columns one after another, those that others refer to first (block_rank): codes as they came,
 * then texts, the metadata, and last the description, which may repeat words of all of them.
 */
#include "storage/seg_encode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "storage/col.h"

enum {
	/* Every page of a block at its worst: stored bytes, nine bytes an integer, and some. */
	PAGES_BYTES_MAX = 4 * BLOCK_BYTES_MAX,
	VALUES_MIN = 256,
	CODES_COUNT = LIMIT_DICT_ENTRIES + 1,
};

/* ---- memory ---- */

int seg_encode_work_init(struct seg_encode_work *w)
{
	*w = (struct seg_encode_work){ 0 };
	buf_init(&w->pages, PAGES_BYTES_MAX);
	col_stream_maker_init(&w->stream, 0);
	col_text_maker_init(&w->text);
	col_map_maker_init(&w->map, 0);
	w->used = malloc(CODES_COUNT);
	return w->used ? 0 : -ENOMEM;
}

void seg_encode_work_fini(struct seg_encode_work *w)
{
	buf_fini(&w->pages);
	col_stream_maker_fini(&w->stream);
	col_text_maker_fini(&w->text);
	col_map_maker_fini(&w->map);
	for (int i = 0; i < SEG_COL_BYTES; i++)
		free(w->values[i]);
	for (int i = 0; i < COL_TEXT_KEYS; i++)
		free(w->keys[i]);
	free(w->used);
	*w = (struct seg_encode_work){ 0 };
}

/* Room for the values of so many rows; what is there is of no use any more. */
static void begin_values(struct seg_encode_work *w, uint32_t rows)
{
	uint32_t cap = VALUES_MIN;

	memset(w->values_ready, 0, sizeof w->values_ready);
	memset(w->keys_count, 0, sizeof w->keys_count);
	if (rows <= w->values_cap)
		return;
	for (int i = 0; i < SEG_COL_BYTES; i++) {
		free(w->values[i]);
		w->values[i] = NULL;
	}
	for (int i = 0; i < COL_TEXT_KEYS; i++) {
		free(w->keys[i]);
		w->keys[i] = NULL;
	}
	while (cap < rows)
		cap *= 2;
	w->values_cap = cap;
}

/* The column's values as spans, made once for a block. NULL: out of memory. */
static const struct span *values_of(struct seg_encode_work *w, const struct block *b, int text)
{
	const struct block_text *t = &b->texts[text];
	struct span *v = w->values[text];

	if (w->values_ready[text])
		return v;
	if (!v)
		v = w->values[text] = malloc(w->values_cap * sizeof *v);
	if (!v)
		return NULL;
	for (uint32_t i = 0; i < b->rows_count; i++)
		v[i] = block_text_at(t, i);
	w->values_ready[text] = true;
	return v;
}

int seg_encode_init(
	struct seg_encode *e, struct seg_encode_work *work, uint64_t pages_off, int compress_level)
{
	*e = (struct seg_encode){ .work = work,
		.pages_off = pages_off,
		.compress_level = compress_level,
		.types_complete = true };
	buf_reset(&work->pages);
	work->map.level = compress_level;
	work->stream.level = compress_level;
	buf_init(&e->inline_pages, (size_t)LIMIT_SEGMENT_BLOCKS * SEG_COL_COUNT * 32);
	return 0;
}

void seg_encode_fini(struct seg_encode *e)
{
	buf_fini(&e->inline_pages);
	free(e->type_rows);
	*e = (struct seg_encode){ 0 };
}

void seg_encode_written(struct seg_encode *e)
{
	e->pages_off += e->work->pages.len;
	buf_reset(&e->work->pages);
}

/* ---- pages ---- */

/* Describes what stands at the end of the pages from start on; a short page moves to the footer. */
static int file_page(struct seg_encode *e, uint8_t encoding, size_t start, struct seg_page *out)
{
	struct seg_page p = { .encoding = encoding, .codec = SEG_LAYOUT_CODEC_NONE };
	struct buf *pages = &e->work->pages;

	if (pages->err)
		return -ENOMEM;
	ASSERT(start <= pages->len);
	ASSERT(col_codec(encoding) || encoding == COL_DICT);
	p.bytes = pages->len - start;
	p.is_inline = p.bytes <= SEG_LAYOUT_INLINE_BYTES;
	if (p.is_inline) {
		p.off = e->inline_pages.len;
		buf_put(&e->inline_pages, pages->p + start, p.bytes);
		pages->len = start;
	} else {
		p.off = e->pages_off + start;
		p.sum = XXH3_64bits(pages->p + start, p.bytes);
	}
	*out = p;
	return e->inline_pages.err ? -ENOMEM : 0;
}

/* Integers and codes, in the encoding that is the cheapest. */
static int encode_numbers(
	struct seg_encode *e, enum col_kind kind, struct col_input *in, struct seg_page *out)
{
	struct seg_encode_work *w = e->work;
	size_t start = w->pages.len;
	enum col_encoding encoding;

	in->maker = &w->stream;
	in->compress_level = e->compress_level;
	encoding = col_encode(kind, in, &w->pages);
	return file_page(e, (uint8_t)encoding, start, out);
}

static int encode_ints(struct seg_encode *e, const struct block *b, int col, struct seg_page *out)
{
	struct col_input in = { .rows_count = b->rows_count, .ints = b->ints[col] };

	if (col == SEG_COL_RECEIVED)
		in.times = b->ints[SEG_COL_TIME];
	return encode_numbers(e, COL_KIND_INTS, &in, out);
}

/* ---- codes ---- */

static int count_types(struct seg_encode *e, const struct block *b)
{
	const struct block_text *t = &b->texts[EVENT_TEXT_EVENT_TYPE];
	uint32_t need = b->coders[EVENT_TEXT_EVENT_TYPE].dict.entries_count + 1;

	if (need > e->type_rows_cap) {
		uint64_t *rows = realloc(e->type_rows, need * sizeof *rows);

		if (!rows)
			return -ENOMEM;
		memset(rows + e->type_rows_cap, 0, (need - e->type_rows_cap) * sizeof *rows);
		e->type_rows = rows;
		e->type_rows_cap = need;
	}
	for (uint32_t i = 0; i < b->rows_count; i++)
		e->type_rows[t->codes[i]]++;
	return 0;
}

static int encode_codes(struct seg_encode *e, const struct block *b, int text,
	struct seg_zone *zone, struct seg_page *out)
{
	const struct block_text *t = &b->texts[text];
	struct col_input in = { .rows_count = b->rows_count, .codes = t->codes };
	int rc = 0;

	seg_encode_zone_coded(
		t, b->rows_count, b->coders[text].dict.entries_count, e->work->used, zone);
	if (text == EVENT_TEXT_EVENT_TYPE)
		rc = count_types(e, b);
	if (rc < 0)
		return rc;
	return encode_numbers(e, COL_KIND_CODES, &in, out);
}

/* ---- texts ---- */

static const int source_texts[COL_TEXT_SOURCES] = {
	[COL_TEXT_ENTITY_ID] = EVENT_TEXT_ENTITY_ID,
	[COL_TEXT_ENTITY_TYPE] = EVENT_TEXT_ENTITY_TYPE,
	[COL_TEXT_USER_ID] = EVENT_TEXT_USER_ID,
	[COL_TEXT_IP_ADDRESS] = EVENT_TEXT_IP_ADDRESS,
	[COL_TEXT_SERVICE] = EVENT_TEXT_SERVICE,
	[COL_TEXT_HOST] = EVENT_TEXT_HOST,
};

static const int key_texts[COL_TEXT_KEYS] = {
	[COL_TEXT_KEY_EVENT_TYPE] = EVENT_TEXT_EVENT_TYPE,
	[COL_TEXT_KEY_ENTITY_TYPE] = EVENT_TEXT_ENTITY_TYPE,
	[COL_TEXT_KEY_USER_ID] = EVENT_TEXT_USER_ID,
};

/* Whether a column has any value at all in the block: nobody can refer to one that has none. */
static bool has_values(int text, const struct seg_block *zones)
{
	return zones->text[text].present_count > 0;
}

/* The columns before this one, for it to refer to. */
static int name_sources(struct seg_encode_work *w, const struct block *b, int text,
	const struct seg_block *zones, const struct span **out)
{
	unsigned rank = block_rank(text);

	for (int i = 0; i < COL_TEXT_SOURCES; i++) {
		if (block_rank(source_texts[i]) >= rank || !has_values(source_texts[i], zones))
			continue;
		out[i] = values_of(w, b, source_texts[i]);
		if (!out[i])
			return -ENOMEM;
	}
	return 0;
}

static void name_keys(struct seg_encode_work *w, int text, struct col_text_in *in)
{
	unsigned rank = block_rank(text);

	for (int i = 0; i < COL_TEXT_KEYS; i++) {
		if (block_rank(key_texts[i]) >= rank || w->keys_count[i] == 0)
			continue;
		in->keys[i] = w->keys[i];
		in->keys_count[i] = w->keys_count[i];
	}
	if (rank > block_rank(BLOCK_METADATA)) {
		in->leaves_count = col_map_maker_leaves(&w->map);
		in->leaf_ctx = &w->map;
		in->leaf = col_map_maker_leaf;
	}
}

static int key_of(int text)
{
	for (int i = 0; i < COL_TEXT_KEYS; i++) {
		if (key_texts[i] == text)
			return i;
	}
	return -1;
}

/* Keeps the codes of the column just encoded, if it has any and others may depend on it. */
static int keep_key(struct seg_encode_work *w, const struct block *b, int text)
{
	const struct block_text *t = &b->texts[text];
	int key = key_of(text);
	const uint32_t *codes = NULL;
	uint32_t entries = b->coders[text].dict.entries_count;

	if (key < 0)
		return 0;
	if (!t->coded)
		codes = col_text_maker_codes(&w->text, &entries);
	if ((!codes && !t->coded) || entries > COL_TEXT_ROWS_MAX)
		return 0;
	if (!w->keys[key])
		w->keys[key] = malloc(w->values_cap * sizeof *w->keys[key]);
	if (!w->keys[key])
		return -ENOMEM;
	for (uint32_t i = 0; i < b->rows_count; i++)
		w->keys[key][i] = codes ? codes[i] : t->codes[i];
	w->keys_count[key] = entries + 1;
	return 0;
}

/* Straight to their place: texts are compressed inside. */
static int encode_text(struct seg_encode *e, const struct block *b, int text,
	struct seg_block *zones, struct seg_page *out)
{
	struct seg_encode_work *w = e->work;
	struct col_text_in in = { .rows_count = b->rows_count,
		.values = values_of(w, b, text),
		.level = e->compress_level,
		.want_codes = key_of(text) >= 0 };
	size_t start = w->pages.len;
	int rc = in.values ? name_sources(w, b, text, zones, in.sources) : -ENOMEM;

	if (rc < 0)
		return rc;
	name_keys(w, text, &in);
	seg_encode_zone(in.values, b->rows_count, &zones->text[text]);
	if (text == EVENT_TEXT_EVENT_TYPE)
		e->types_complete = false;
	rc = col_text_put(&w->text, &in, &w->pages);
	if (rc < 0)
		return rc;
	return file_page(e, COL_TEXT, start, out);
}

static int encode_map(struct seg_encode *e, const struct block *b, const struct seg_block *zones,
	struct seg_page *out)
{
	struct seg_encode_work *w = e->work;
	struct col_map_in in = { .rows_count = b->rows_count,
		.maps = values_of(w, b, BLOCK_METADATA),
		.types = w->keys[COL_TEXT_KEY_EVENT_TYPE],
		.types_count = w->keys_count[COL_TEXT_KEY_EVENT_TYPE] };
	size_t start = w->pages.len;
	int rc = in.maps ? name_sources(w, b, BLOCK_METADATA, zones, in.sources) : -ENOMEM;

	if (in.types_count == 0)
		in.types = NULL;
	if (rc == 0)
		rc = col_map_put(&w->map, &in, &w->pages);
	if (rc < 0)
		return rc;
	return file_page(e, COL_MAP, start, out);
}

static int encode_column(struct seg_encode *e, const struct block *b, int text,
	struct seg_block *zones, struct seg_page *out)
{
	int rc;

	if (text == BLOCK_METADATA)
		return encode_map(e, b, zones, out);
	if (b->texts[text].coded)
		rc = encode_codes(e, b, text, &zones->text[text], out);
	else
		rc = encode_text(e, b, text, zones, out);
	return rc == 0 ? keep_key(e->work, b, text) : rc;
}

int seg_encode_block(struct seg_encode *e, const struct block *b, struct seg_block *out,
	struct seg_page *out_pages)
{
	int rc = 0;

	ASSERT(b->rows_count > 0);
	ASSERT(b->rows_count <= LIMIT_BLOCK_ROWS);
	ASSERT(b->coders);
	seg_encode_measure(b, out);
	begin_values(e->work, b->rows_count);
	for (int i = 0; i < SEG_COL_INTS && rc == 0; i++)
		rc = encode_ints(e, b, i, &out_pages[i]);
	for (unsigned rank = 0; rank < SEG_COL_BYTES && rc == 0; rank++) {
		int text = block_ranked(rank);

		rc = encode_column(e, b, text, out, &out_pages[SEG_COL_INTS + text]);
	}
	return rc;
}

/* ---- the segment's own ---- */

/* An entry of the dictionary under construction; code 0 is the absent value. */
static struct span entry_at(const struct col_dict_maker *m, uint32_t code)
{
	if (code == 0)
		return SPAN_NONE;
	return span_of(m->bytes.p + m->offs[code - 1], m->offs[code] - m->offs[code - 1]);
}

static int finish_types(struct seg_encode *e, const struct block *b, struct seg_footer *f)
{
	const struct col_dict_maker *m = &b->coders[EVENT_TEXT_EVENT_TYPE].dict;
	uint32_t n = 0;

	f->types_complete = e->types_complete && m->entries_count < LIMIT_SEGMENT_TYPES;
	if (!f->types_complete)
		return seg_footer_types(f, 0);
	if (seg_footer_types(f, m->entries_count + 1) < 0)
		return -ENOMEM;
	for (uint32_t code = 0; code <= m->entries_count && code < e->type_rows_cap; code++) {
		if (e->type_rows[code] == 0)
			continue;
		f->types[n].name = entry_at(m, code);
		f->types[n++].rows_count = e->type_rows[code];
	}
	ASSERT(n <= LIMIT_SEGMENT_TYPES);
	f->types_count = n;
	return 0;
}

int seg_encode_finish(struct seg_encode *e, const struct block *b, struct seg_footer *f)
{
	struct buf *pages = &e->work->pages;

	for (int i = 0; i < SEG_COL_BYTES; i++) {
		const struct col_dict_maker *m = &b->coders[i].dict;
		struct seg_dict *dict = &f->dicts[SEG_COL_INTS + i];
		size_t start;
		int rc;

		if (m->entries_count == 0)
			continue;
		start = pages->len;
		col_dict_maker_encode(m, e->compress_level, pages);
		rc = file_page(e, COL_DICT, start, &dict->page);
		if (rc < 0)
			return rc;
		dict->entries_count = m->entries_count;
	}
	return finish_types(e, b, f);
}
