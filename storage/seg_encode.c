/*
 * A bytes column becomes codes if its values recur, else plain bytes. Codes are tried first: each
 * value is looked up in the segment's dictionary and added when new. If nearly every value of the
 * first rows is new, or the whole costs more than the bytes would, the block's additions are taken
 * back. A column can change its mind from block to block; every page says what it is.
 */
#include "storage/seg_encode.h"

#include <errno.h>
#include <stdlib.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "storage/col.h"
#include "storage/col_pack.h"
#include "storage/page.h"

enum {
	/* After so many rows, a column where more than 97 of 100 values were new is no dictionary's. */
	SAMPLE_ROWS = 1024,
	SAMPLE_NEW_PERCENT = 97,
	/* What a block may pay for codes: filters and counts live on them. */
	PREFER_CODES_BYTES = 1024,
	/* Compressed to guess what a column comes to. */
	GUESS_BYTES = 32 << 10,
	/* Every page of a block at its worst: stored bytes, nine bytes an integer, and some. */
	PAGES_BYTES_MAX = 4 * BLOCK_BYTES_MAX,
	CODES_COUNT = LIMIT_DICT_ENTRIES + 1,
};

int seg_encode_init(struct seg_encode *e, uint64_t pages_off, int compress_level)
{
	*e = (struct seg_encode){
		.pages_off = pages_off, .compress_level = compress_level, .types_complete = true
	};
	for (int i = 0; i < SEG_COL_BYTES; i++)
		col_dict_maker_init(&e->dicts[i]);
	buf_init(&e->raw, PAGES_BYTES_MAX);
	buf_init(&e->pages, PAGES_BYTES_MAX);
	buf_init(&e->inline_pages, (size_t)LIMIT_SEGMENT_BLOCKS * SEG_COL_COUNT * 32);
	e->codes = malloc(LIMIT_BLOCK_ROWS * sizeof *e->codes);
	e->used = malloc(CODES_COUNT);
	e->type_rows = calloc(CODES_COUNT, sizeof *e->type_rows);
	return e->codes && e->used && e->type_rows ? 0 : -ENOMEM;
}

void seg_encode_fini(struct seg_encode *e)
{
	for (int i = 0; i < SEG_COL_BYTES; i++)
		col_dict_maker_fini(&e->dicts[i]);
	buf_fini(&e->raw);
	buf_fini(&e->pages);
	buf_fini(&e->inline_pages);
	free(e->codes);
	free(e->used);
	free(e->type_rows);
	*e = (struct seg_encode){ 0 };
}

void seg_encode_written(struct seg_encode *e)
{
	e->pages_off += e->pages.len;
	buf_reset(&e->pages);
}

/* Describes what stands at the end of e->pages from start on; a short page moves to the footer. */
static int file_page(
	struct seg_encode *e, uint8_t encoding, uint8_t codec, size_t start, struct seg_page *out)
{
	struct seg_page p = { .encoding = encoding, .codec = codec };

	if (e->raw.err || e->pages.err)
		return -ENOMEM;
	ASSERT(start <= e->pages.len);
	ASSERT(col_codec(encoding) || encoding == COL_DICT);
	p.bytes = e->pages.len - start;
	p.is_inline = p.bytes <= SEG_LAYOUT_INLINE_BYTES;
	if (p.is_inline) {
		p.off = e->inline_pages.len;
		buf_put(&e->inline_pages, e->pages.p + start, p.bytes);
		e->pages.len = start;
	} else {
		p.off = e->pages_off + start;
		p.sum = XXH3_64bits(e->pages.p + start, p.bytes);
	}
	*out = p;
	return e->inline_pages.err ? -ENOMEM : 0;
}

/* Wraps e->raw where that pays. */
static int wrap_page(struct seg_encode *e, uint8_t encoding, struct seg_page *out)
{
	size_t start = e->pages.len;
	uint8_t codec = page_wrap(buf_span(&e->raw), e->compress_level, &e->pages);

	return file_page(e, encoding, codec, start, out);
}

static int encode_ints(struct seg_encode *e, const struct block *b, int col, struct seg_page *out)
{
	struct col_input in = { .rows_count = b->rows_count, .ints = b->ints[col] };
	enum col_encoding encoding;

	if (col == SEG_COL_RECEIVED)
		in.times = b->ints[SEG_COL_TIME];
	buf_reset(&e->raw);
	encoding = col_encode(COL_KIND_INTS, &in, &e->raw);
	return wrap_page(e, (uint8_t)encoding, out);
}

/* What n bytes come to when compressed, by the look of the first ones; e->raw is at hand for it. */
static size_t compressed_guess(struct seg_encode *e, const uint8_t *p, size_t n)
{
	size_t sample = n < GUESS_BYTES ? n : GUESS_BYTES, got;

	ASSERT(p || n == 0);
	if (sample == 0)
		return 0;
	buf_reset(&e->raw);
	got = page_lz4(span_of(p, sample), 0, &e->raw);
	return got > 0 ? n / sample * got + n % sample * got / sample : n;
}

/* Whether codes for these rows cost more than the bytes would. Lengths cost about a byte each. */
static bool codes_cost_more(struct seg_encode *e, const struct block *b, const struct block_text *t,
	const struct col_dict_maker *m, uint32_t entries_before, size_t bytes_before)
{
	size_t added = m->entries_count - entries_before;
	size_t added_bytes = col_dict_maker_bytes(m) - bytes_before;
	size_t codes = col_pack_bytes(b->rows_count, col_pack_width(m->entries_count));

	/* Few new values: nothing to weigh. */
	if (added <= b->rows_count / 16)
		return false;
	codes += compressed_guess(e, m->bytes.p + bytes_before, added_bytes) + added;
	/* A large dictionary is read whole for one row: it has to pay where no filter gains from it. */
	if (t == &b->texts[EVENT_TEXT_DESCRIPTION] || t == &b->texts[EVENT_TEXT_COUNT])
		codes += codes / 2;
	return codes >
	       compressed_guess(e, t->bytes.p, t->bytes.len) + b->rows_count + PREFER_CODES_BYTES;
}

/* The code of each row in e->codes: 0; 1: codes do not suit this column. */
static int code_rows(
	struct seg_encode *e, const struct block_text *t, uint32_t rows, struct col_dict_maker *m)
{
	uint32_t entries_before = m->entries_count, present = 0;
	struct span last = SPAN_NONE;
	uint16_t last_code = 0;

	for (uint32_t i = 0; i < rows; i++) {
		struct span s = block_text_at(t, i);

		e->codes[i] = 0;
		if (!s.p)
			continue;
		present++;
		if (!last.p || !span_eq(s, last)) {
			int rc = col_dict_maker_code(m, s, &last_code);

			if (rc != 0)
				return rc;
			last = s;
		}
		e->codes[i] = last_code;
		if (present == SAMPLE_ROWS && (m->entries_count - entries_before) * 100 >
						      SAMPLE_ROWS * SAMPLE_NEW_PERCENT)
			return 1;
	}
	return 0;
}

/* As code_rows, with the dictionary as it was when codes do not suit. */
static int try_codes(struct seg_encode *e, const struct block *b, const struct block_text *t,
	struct col_dict_maker *m)
{
	uint32_t entries_before = m->entries_count;
	size_t bytes_before = col_dict_maker_bytes(m);
	int rc = code_rows(e, t, b->rows_count, m);

	if (rc == 0 && codes_cost_more(e, b, t, m, entries_before, bytes_before))
		rc = 1;
	if (rc != 0)
		col_dict_maker_undo(m, entries_before);
	ASSERT(rc == 0 || m->entries_count == entries_before);
	ASSERT(rc == 0 || col_dict_maker_bytes(m) == bytes_before);
	return rc;
}

/* Up to 16 bytes as a number of the same order; ties are broken by length. */
struct prefix {
	uint64_t hi, lo;
	uint8_t n;
};

static struct prefix prefix_of(struct span s)
{
	uint8_t bytes[SEG_LAYOUT_PREFIX_BYTES] = { 0 };
	struct prefix p = { .n = s.n < sizeof bytes ? (uint8_t)s.n : (uint8_t)sizeof bytes };

	if (p.n)
		memcpy(bytes, s.p, p.n);
	memcpy(&p.hi, bytes, 8);
	memcpy(&p.lo, bytes + 8, 8);
	p.hi = be64toh(p.hi);
	p.lo = be64toh(p.lo);
	return p;
}

static bool prefix_less(const struct prefix *a, const struct prefix *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi;
	if (a->lo != b->lo)
		return a->lo < b->lo;
	return a->n < b->n;
}

static void widen(struct prefix *min, struct prefix *max, struct span s, bool first)
{
	struct prefix p = prefix_of(s);

	if (first || prefix_less(&p, min))
		*min = p;
	if (first || prefix_less(max, &p))
		*max = p;
}

static uint8_t put_prefix(const struct prefix *p, uint8_t dst[SEG_LAYOUT_PREFIX_BYTES])
{
	uint64_t hi = htobe64(p->hi), lo = htobe64(p->lo);

	memcpy(dst, &hi, 8);
	memcpy(dst + 8, &lo, 8);
	memset(dst + p->n, 0, SEG_LAYOUT_PREFIX_BYTES - p->n);
	return p->n;
}

static void put_zone(
	struct seg_zone *z, uint32_t present, const struct prefix *min, const struct prefix *max)
{
	ASSERT(present <= LIMIT_BLOCK_ROWS);
	z->present_count = present;
	if (present == 0)
		return;
	z->min_n = put_prefix(min, z->min);
	z->max_n = put_prefix(max, z->max);
}

static void zone_of_bytes(const struct block_text *t, uint32_t rows, struct seg_zone *z)
{
	struct prefix min = { 0 }, max = { 0 };
	uint32_t present = 0;

	for (uint32_t i = 0; i < rows; i++) {
		struct span s = block_text_at(t, i);

		if (!s.p)
			continue;
		widen(&min, &max, s, present == 0);
		present++;
	}
	put_zone(z, present, &min, &max);
}

/* Looks at each distinct value once. */
static void zone_of_codes(struct seg_encode *e, const struct block_text *t, uint32_t rows,
	uint32_t entries_count, struct seg_zone *z)
{
	struct prefix min = { 0 }, max = { 0 };
	uint32_t present = 0;

	ASSERT(entries_count <= LIMIT_DICT_ENTRIES);
	memset(e->used, 0, (size_t)entries_count + 1);
	for (uint32_t i = 0; i < rows; i++) {
		uint16_t code = e->codes[i];

		if (code == 0)
			continue;
		if (!e->used[code])
			widen(&min, &max, block_text_at(t, i), present == 0);
		e->used[code] = 1;
		present++;
	}
	put_zone(z, present, &min, &max);
}

static void count_types(struct seg_encode *e, uint32_t rows)
{
	for (uint32_t i = 0; i < rows; i++)
		e->type_rows[e->codes[i]]++;
}

static int encode_codes(struct seg_encode *e, uint32_t rows, struct seg_page *out)
{
	struct col_input in = { .rows_count = rows, .codes = e->codes };
	enum col_encoding encoding;

	buf_reset(&e->raw);
	encoding = col_encode(COL_KIND_CODES, &in, &e->raw);
	return wrap_page(e, (uint8_t)encoding, out);
}

/* Straight to their place: bytes are compressed inside, chunk by chunk. */
static int encode_bytes(
	struct seg_encode *e, const struct block_text *t, uint32_t rows, struct seg_page *out)
{
	struct col_input in = { .rows_count = rows,
		.lengths = t->lengths,
		.bytes = t->bytes.p,
		.compress_level = e->compress_level,
		.scratch = &e->raw };
	size_t start = e->pages.len;
	enum col_encoding encoding = col_encode(COL_KIND_BYTES, &in, &e->pages);

	return file_page(e, (uint8_t)encoding, SEG_LAYOUT_CODEC_NONE, start, out);
}

/* A text column, or the metadata, whose bounds nobody asks for: zone NULL. */
static int encode_text(struct seg_encode *e, const struct block *b, int text, struct seg_zone *zone,
	struct seg_page *out)
{
	const struct block_text *t = &b->texts[text];
	struct col_dict_maker *m = &e->dicts[text];
	int rc = try_codes(e, b, t, m);
	enum col_kind kind = rc == 0 ? COL_KIND_CODES : COL_KIND_BYTES;

	if (rc < 0)
		return rc;
	if (kind == COL_KIND_CODES && zone)
		zone_of_codes(e, t, b->rows_count, m->entries_count, zone);
	else if (zone)
		zone_of_bytes(t, b->rows_count, zone);
	if (text == EVENT_TEXT_EVENT_TYPE && kind == COL_KIND_CODES)
		count_types(e, b->rows_count);
	else if (text == EVENT_TEXT_EVENT_TYPE)
		e->types_complete = false;
	return kind == COL_KIND_CODES ? encode_codes(e, b->rows_count, out)
				      : encode_bytes(e, t, b->rows_count, out);
}

static void bounds(const int64_t *v, uint32_t rows, int64_t *out_min, int64_t *out_max)
{
	int64_t min = v[0], max = v[0];

	for (uint32_t i = 1; i < rows; i++) {
		min = v[i] < min ? v[i] : min;
		max = v[i] > max ? v[i] : max;
	}
	*out_min = min;
	*out_max = max;
}

static void measure(const struct block *b, struct seg_block *out)
{
	const int64_t *ids = b->ints[SEG_COL_ID], *severity = b->ints[SEG_COL_SEVERITY];

	ASSERT(ids[0] != 0);
	ASSERT((uint64_t)ids[b->rows_count - 1] - (uint64_t)ids[0] >= b->rows_count - 1);
	out->rows_count = b->rows_count;
	out->raw_bytes = b->bytes_count;
	out->id_min = (uint64_t)ids[0];
	out->id_max = (uint64_t)ids[b->rows_count - 1];
	bounds(b->ints[SEG_COL_TIME], b->rows_count, &out->time_min_ns, &out->time_max_ns);
	bounds(b->ints[SEG_COL_RECEIVED], b->rows_count, &out->received_min_ns,
		&out->received_max_ns);
	for (uint32_t i = 0; i < b->rows_count; i++)
		out->severity_rows[severity[i]]++;
}

int seg_encode_block(struct seg_encode *e, const struct block *b, struct seg_block *out,
	struct seg_page *out_pages)
{
	int rc = 0;

	ASSERT(b->rows_count > 0);
	ASSERT(b->rows_count <= LIMIT_BLOCK_ROWS);
	measure(b, out);
	for (int i = 0; i < SEG_COL_INTS && rc == 0; i++)
		rc = encode_ints(e, b, i, &out_pages[i]);
	for (int i = 0; i < SEG_COL_BYTES && rc == 0; i++)
		rc = encode_text(e, b, i, i < EVENT_TEXT_COUNT ? &out->text[i] : NULL,
			&out_pages[SEG_COL_INTS + i]);
	return rc;
}

/* An entry of the dictionary under construction; code 0 is the absent value. */
static struct span entry_at(const struct col_dict_maker *m, uint32_t code)
{
	if (code == 0)
		return SPAN_NONE;
	return span_of(m->bytes.p + m->offs[code - 1], m->offs[code] - m->offs[code - 1]);
}

static int finish_types(struct seg_encode *e, struct seg_footer *f)
{
	const struct col_dict_maker *m = &e->dicts[EVENT_TEXT_EVENT_TYPE];
	uint32_t n = 0;

	f->types_complete = e->types_complete && m->entries_count < LIMIT_SEGMENT_TYPES;
	if (!f->types_complete)
		return seg_footer_types(f, 0);
	if (seg_footer_types(f, m->entries_count + 1) < 0)
		return -ENOMEM;
	for (uint32_t code = 0; code <= m->entries_count; code++) {
		if (e->type_rows[code] == 0)
			continue;
		f->types[n].name = entry_at(m, code);
		f->types[n++].rows_count = e->type_rows[code];
	}
	ASSERT(n <= LIMIT_SEGMENT_TYPES);
	f->types_count = n;
	return 0;
}

int seg_encode_finish(struct seg_encode *e, struct seg_footer *f)
{
	for (int i = 0; i < SEG_COL_BYTES; i++) {
		struct seg_dict *dict = &f->dicts[SEG_COL_INTS + i];
		size_t start;
		int rc;

		if (e->dicts[i].entries_count == 0)
			continue;
		start = e->pages.len;
		col_dict_maker_encode(&e->dicts[i], e->compress_level, &e->pages);
		rc = file_page(e, COL_DICT, SEG_LAYOUT_CODEC_NONE, start, &dict->page);
		if (rc < 0)
			return rc;
		dict->entries_count = e->dicts[i].entries_count;
	}
	return finish_types(e, f);
}
