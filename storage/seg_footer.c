/*
 * The footer is a list of sections, each: varint id, varint bytes, body. A reader needs the ones it
 * knows and passes over others.
 *
 * COLUMNS  varint columns; each: varint column id, u8 kind (0 ints, 1 text, 2 msgpack), varbytes
 *          name. Pages of a block stand in this order. A reader needs the columns it knows.
 * BLOCKS   varint blocks; each: varint rows, varint raw bytes, varint gap (first id less the last
 *          id of the block before), varint last id less first id, zigzag of the earliest time,
 *          varint span of the times, the same two for received, eight varints: rows by severity,
 *          then for each text field: varint rows that have it and, unless 0, the smallest and the
 *          largest value cut to 16 bytes, each u8 bytes and those bytes.
 * PAGES    for each block and column one PAGE
 * DICTS    varint dictionaries; each: varint column id, varint entries, one PAGE
 * TYPES    u8 complete, varint types; each: varint name bytes + 1 (0: absent), name, varint rows
 *
 * PAGE     u8 encoding, u8 codec, varint bytes; up to 24 bytes: the page itself; more: varint
 *          offset in the file, u64 XXH3-64 of the page
 */
#include "storage/seg_footer.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/col.h"
#include "storage/col_pack.h"

enum {
	/* No block can take fewer bytes than this in its section: what a count is held against. */
	BLOCK_BYTES_MIN = 16,
	PAGE_BYTES_MIN = 3,
	TYPE_BYTES_MIN = 2,
	BLOCKS_CAP_MIN = 4,
	COLUMNS_MAX = 1024,
};

enum { KIND_INTS, KIND_TEXT, KIND_MSGPACK };

void seg_footer_init(struct seg_footer *f)
{
	*f = (struct seg_footer){ 0 };
}

void seg_footer_fini(struct seg_footer *f)
{
	free(f->blocks);
	free(f->pages);
	free(f->types);
	seg_footer_init(f);
}

static int grow(struct seg_footer *f, uint32_t cap)
{
	struct seg_block *blocks = realloc(f->blocks, cap * sizeof *blocks);
	struct seg_page *pages;

	if (!blocks)
		return -ENOMEM;
	f->blocks = blocks;
	pages = realloc(f->pages, (size_t)cap * SEG_COL_COUNT * sizeof *pages);
	if (!pages)
		return -ENOMEM;
	f->pages = pages;
	f->blocks_cap = cap;
	return 0;
}

struct seg_block *seg_footer_add(struct seg_footer *f, struct seg_page **out_pages)
{
	struct seg_block *b;

	ASSERT(f->blocks_count < LIMIT_SEGMENT_BLOCKS);
	if (f->blocks_count == f->blocks_cap &&
		grow(f, f->blocks_cap ? f->blocks_cap * 2 : BLOCKS_CAP_MIN) < 0)
		return NULL;
	b = &f->blocks[f->blocks_count];
	*out_pages = &f->pages[(size_t)f->blocks_count * SEG_COL_COUNT];
	*b = (struct seg_block){ 0 };
	memset(*out_pages, 0, SEG_COL_COUNT * sizeof **out_pages);
	f->blocks_count++;
	return b;
}

int seg_footer_types(struct seg_footer *f, uint32_t count)
{
	ASSERT(!f->types);
	ASSERT(count <= LIMIT_SEGMENT_TYPES);
	f->types = calloc((size_t)count + 1, sizeof *f->types);
	f->types_count = f->types ? count : 0;
	return f->types ? 0 : -ENOMEM;
}

/* ---- to bytes ---- */

static void put_section(struct buf *out, unsigned id, const struct buf *body)
{
	col_pack_varint(out, id);
	col_pack_varint(out, body->len);
	buf_put(out, body->p, body->len);
	if (body->err && !out->err)
		out->err = body->err;
}

static void put_columns(struct buf *b)
{
	col_pack_varint(b, SEG_COL_COUNT);
	for (int i = 0; i < SEG_COL_COUNT; i++) {
		const char *name = seg_reader_col_name(i);

		col_pack_varint(b, (uint64_t)i);
		buf_put_u8(b, i < SEG_COL_INTS       ? KIND_INTS
			      : i < SEG_COL_METADATA ? KIND_TEXT
						     : KIND_MSGPACK);
		col_pack_varint(b, strlen(name));
		buf_put_str(b, name);
	}
}

static void put_zone(struct buf *b, const struct seg_zone *z)
{
	ASSERT(z->min_n <= SEG_LAYOUT_PREFIX_BYTES);
	ASSERT(z->max_n <= SEG_LAYOUT_PREFIX_BYTES);
	col_pack_varint(b, z->present_count);
	if (z->present_count == 0)
		return;
	buf_put_u8(b, z->min_n);
	buf_put(b, z->min, z->min_n);
	buf_put_u8(b, z->max_n);
	buf_put(b, z->max, z->max_n);
}

static void put_bounds(struct buf *b, int64_t min, int64_t max)
{
	ASSERT(min <= max);
	col_pack_varint(b, cursor_zigzag(min));
	col_pack_varint(b, (uint64_t)max - (uint64_t)min);
}

static void put_blocks(struct buf *b, const struct seg_footer *f)
{
	uint64_t id = 0;

	col_pack_varint(b, f->blocks_count);
	for (uint32_t i = 0; i < f->blocks_count; i++) {
		const struct seg_block *k = &f->blocks[i];

		ASSERT(k->rows_count > 0);
		ASSERT(k->id_min > id || i == 0);
		ASSERT(k->id_max >= k->id_min);
		col_pack_varint(b, k->rows_count);
		col_pack_varint(b, k->raw_bytes);
		col_pack_varint(b, k->id_min - id);
		col_pack_varint(b, k->id_max - k->id_min);
		put_bounds(b, k->time_min_ns, k->time_max_ns);
		put_bounds(b, k->received_min_ns, k->received_max_ns);
		for (int s = 0; s < EVENT_SEVERITY_COUNT; s++)
			col_pack_varint(b, k->severity_rows[s]);
		for (int t = 0; t < EVENT_TEXT_COUNT; t++)
			put_zone(b, &k->text[t]);
		id = k->id_max;
	}
}

static void put_page(struct buf *b, const struct seg_page *p, const struct buf *inline_bytes)
{
	uint64_t sum = htole64(p->sum);

	ASSERT(p->is_inline == (p->bytes <= SEG_LAYOUT_INLINE_BYTES));
	buf_put_u8(b, p->encoding);
	buf_put_u8(b, p->codec);
	col_pack_varint(b, p->bytes);
	if (p->is_inline) {
		ASSERT(p->off + p->bytes <= inline_bytes->len);
		buf_put(b, inline_bytes->p + p->off, p->bytes);
		return;
	}
	col_pack_varint(b, p->off);
	buf_put(b, &sum, sizeof sum);
}

static void put_dicts(struct buf *b, const struct seg_footer *f, const struct buf *inline_bytes)
{
	unsigned count = 0;

	for (int i = 0; i < SEG_COL_COUNT; i++)
		count += f->dicts[i].page.encoding != 0;
	col_pack_varint(b, count);
	for (int i = 0; i < SEG_COL_COUNT; i++) {
		if (f->dicts[i].page.encoding == 0)
			continue;
		col_pack_varint(b, (uint64_t)i);
		col_pack_varint(b, f->dicts[i].entries_count);
		put_page(b, &f->dicts[i].page, inline_bytes);
	}
}

static void put_types(struct buf *b, const struct seg_footer *f)
{
	buf_put_u8(b, f->types_complete);
	col_pack_varint(b, f->types_count);
	for (uint32_t i = 0; i < f->types_count; i++) {
		const struct seg_type *t = &f->types[i];

		col_pack_varint(b, t->name.p ? t->name.n + 1 : 0);
		buf_put_span(b, t->name);
		col_pack_varint(b, t->rows_count);
	}
}

void seg_footer_encode(const struct seg_footer *f, const struct buf *inline_bytes, struct buf *out)
{
	struct buf body;

	ASSERT(f->blocks_count > 0);
	buf_init(&body, out->max);
	put_columns(&body);
	put_section(out, SEG_LAYOUT_SECTION_COLUMNS, &body);
	buf_reset(&body);
	put_blocks(&body, f);
	put_section(out, SEG_LAYOUT_SECTION_BLOCKS, &body);
	buf_reset(&body);
	for (size_t i = 0; i < (size_t)f->blocks_count * SEG_COL_COUNT; i++)
		put_page(&body, &f->pages[i], inline_bytes);
	put_section(out, SEG_LAYOUT_SECTION_PAGES, &body);
	buf_reset(&body);
	put_dicts(&body, f, inline_bytes);
	put_section(out, SEG_LAYOUT_SECTION_DICTS, &body);
	buf_reset(&body);
	put_types(&body, f);
	put_section(out, SEG_LAYOUT_SECTION_TYPES, &body);
	buf_fini(&body);
}

/* ---- from bytes ---- */

/* What the sections are read with. cols[i] is the column of position i, -1: not ours. */
struct decoder {
	struct seg_footer *f;
	const uint8_t *footer;
	uint64_t off;       /* of the footer in the file */
	uint64_t pages_off; /* pages lie within [pages_off, off) */
	int16_t cols[COLUMNS_MAX];
	uint32_t cols_count;
	unsigned seen; /* bit n: section n was read */
};

static void fail(struct rcur *c)
{
	if (!c->err)
		c->err = ERR_CORRUPT;
}

static uint32_t get_count(struct rcur *c, uint64_t max, size_t bytes_min)
{
	uint64_t n = rcur_varint(c);

	if (n > max || n > rcur_left(c) / bytes_min) {
		fail(c);
		return 0;
	}
	return (uint32_t)n;
}

static void get_columns(struct decoder *x, struct rcur *c)
{
	uint32_t known = 0;

	x->cols_count = get_count(c, COLUMNS_MAX, 3);
	for (uint32_t i = 0; i < x->cols_count; i++) {
		uint64_t id = rcur_varint(c);

		rcur_u8(c);
		rcur_varbytes(c);
		x->cols[i] = id < SEG_COL_COUNT ? (int16_t)id : -1;
		if (id >= SEG_COL_COUNT)
			continue;
		if (known >> id & 1)
			fail(c);
		known |= 1u << id;
	}
	if (known != (1u << SEG_COL_COUNT) - 1)
		fail(c);
}

static void get_bounds(struct rcur *c, int64_t *min, int64_t *max)
{
	int64_t lo = cursor_unzigzag(rcur_varint(c));
	uint64_t width = rcur_varint(c);

	*min = lo;
	*max = (int64_t)((uint64_t)lo + width);
	if (width > (uint64_t)INT64_MAX - (uint64_t)lo)
		fail(c);
}

static uint8_t get_prefix(struct rcur *c, uint8_t *dst)
{
	uint8_t n = rcur_u8(c);
	struct span s;

	if (n > SEG_LAYOUT_PREFIX_BYTES) {
		fail(c);
		return 0;
	}
	s = rcur_bytes(c, n);
	if (s.n)
		memcpy(dst, s.p, s.n);
	return n;
}

static void get_zone(struct rcur *c, uint32_t rows_count, struct seg_zone *z)
{
	uint64_t present = rcur_varint(c);

	if (present > rows_count)
		fail(c);
	if (c->err || present == 0)
		return;
	z->present_count = (uint32_t)present;
	z->min_n = get_prefix(c, z->min);
	z->max_n = get_prefix(c, z->max);
	if (span_cmp(span_of(z->min, z->min_n), span_of(z->max, z->max_n)) > 0)
		fail(c);
}

static void get_ids(struct rcur *c, struct seg_block *k, uint64_t id_before, bool first)
{
	uint64_t gap = rcur_varint(c), width = rcur_varint(c);

	if (__builtin_add_overflow(id_before, gap, &k->id_min) ||
		__builtin_add_overflow(k->id_min, width, &k->id_max))
		fail(c);
	if ((!first && gap == 0) || width < k->rows_count - 1)
		fail(c);
}

static void get_block(struct rcur *c, struct seg_block *k, uint64_t id_before, bool first)
{
	uint64_t rows = rcur_varint(c), sum = 0;

	if (rows == 0 || rows > LIMIT_BLOCK_ROWS) {
		fail(c);
		return;
	}
	k->rows_count = (uint32_t)rows;
	k->raw_bytes = rcur_varint(c);
	/* Values of dictionaries count as often as they occur. */
	if (k->raw_bytes > rows * LIMIT_EVENT_BYTES)
		fail(c);
	get_ids(c, k, id_before, first);
	get_bounds(c, &k->time_min_ns, &k->time_max_ns);
	get_bounds(c, &k->received_min_ns, &k->received_max_ns);
	for (int s = 0; s < EVENT_SEVERITY_COUNT; s++) {
		uint64_t n = rcur_varint(c);

		sum += n;
		if (n > rows)
			fail(c);
		k->severity_rows[s] = (uint32_t)n;
	}
	if (sum != rows)
		fail(c);
	for (int t = 0; t < EVENT_TEXT_COUNT; t++)
		get_zone(c, k->rows_count, &k->text[t]);
}

static int get_blocks(struct decoder *x, struct rcur *c)
{
	uint32_t count = get_count(c, LIMIT_SEGMENT_BLOCKS, BLOCK_BYTES_MIN);
	uint64_t id = 0;

	if (count == 0)
		fail(c);
	if (!c->err && grow(x->f, count) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < count && !c->err; i++) {
		struct seg_page *pages;
		struct seg_block *k = seg_footer_add(x->f, &pages);

		get_block(c, k, id, i == 0);
		id = k->id_max;
	}
	return 0;
}

static struct seg_page get_page(const struct decoder *x, struct rcur *c)
{
	struct seg_page p = { .encoding = rcur_u8(c), .codec = rcur_u8(c) };

	p.bytes = rcur_varint(c);
	p.is_inline = p.bytes <= SEG_LAYOUT_INLINE_BYTES;
	if (p.is_inline) {
		struct span s = rcur_bytes(c, (size_t)p.bytes);

		p.off = s.p ? x->off + (uint64_t)(s.p - x->footer) : 0;
		return p;
	}
	p.off = rcur_varint(c);
	p.sum = rcur_le64(c);
	if (p.off < x->pages_off || p.off > x->off || p.bytes > x->off - p.off)
		fail(c);
	return p;
}

static void get_pages(struct decoder *x, struct rcur *c)
{
	uint64_t need = (uint64_t)x->f->blocks_count * x->cols_count * PAGE_BYTES_MIN;

	if (x->f->blocks_count == 0 || x->cols_count == 0 || need > rcur_left(c))
		fail(c);
	for (uint32_t b = 0; b < x->f->blocks_count && !c->err; b++) {
		for (uint32_t i = 0; i < x->cols_count; i++) {
			struct seg_page p = get_page(x, c);

			if (x->cols[i] >= 0)
				x->f->pages[(size_t)b * SEG_COL_COUNT + (size_t)x->cols[i]] = p;
		}
	}
}

static void get_dicts(struct decoder *x, struct rcur *c)
{
	uint32_t count = get_count(c, COLUMNS_MAX, 2 + PAGE_BYTES_MIN);

	for (uint32_t i = 0; i < count && !c->err; i++) {
		uint64_t id = rcur_varint(c), entries = rcur_varint(c);
		struct seg_page p = get_page(x, c);

		if (id >= SEG_COL_COUNT)
			continue;
		if (id < SEG_COL_INTS || entries == 0 || entries > LIMIT_DICT_ENTRIES ||
			p.encoding != COL_DICT || x->f->dicts[id].page.encoding != 0) {
			fail(c);
			return;
		}
		x->f->dicts[id] = (struct seg_dict){ p, (uint32_t)entries };
	}
}

static uint64_t rows_of(const struct seg_footer *f)
{
	uint64_t rows = 0;

	for (uint32_t i = 0; i < f->blocks_count; i++)
		rows += f->blocks[i].rows_count;
	return rows;
}

static int get_types(struct decoder *x, struct rcur *c)
{
	uint8_t complete = rcur_u8(c);
	uint32_t count = get_count(c, LIMIT_SEGMENT_TYPES, TYPE_BYTES_MIN);
	uint64_t sum = 0;

	x->f->types_complete = complete != 0;
	if (c->err || x->f->types)
		fail(c);
	if (!c->err && seg_footer_types(x->f, count) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < count && !c->err; i++) {
		struct seg_type *t = &x->f->types[i];
		uint64_t n = rcur_varint(c);

		if (n > 0)
			t->name = rcur_bytes(c, n - 1 > SIZE_MAX ? SIZE_MAX : (size_t)(n - 1));
		t->rows_count = rcur_varint(c);
		if (__builtin_add_overflow(sum, t->rows_count, &sum))
			fail(c);
	}
	if (x->f->types_complete && sum != rows_of(x->f))
		fail(c);
	return 0;
}

static int get_section(struct decoder *x, uint64_t id, struct rcur *c)
{
	int rc = 0;

	if (id < SEG_LAYOUT_SECTION_COLUMNS || id > SEG_LAYOUT_SECTION_TYPES)
		return 0;
	/* In rising order: pages need the columns and blocks before them. */
	if (x->seen >> id != 0)
		return ERR_CORRUPT;
	x->seen |= 1u << id;
	switch (id) {
	case SEG_LAYOUT_SECTION_COLUMNS:
		get_columns(x, c);
		break;
	case SEG_LAYOUT_SECTION_BLOCKS:
		rc = get_blocks(x, c);
		break;
	case SEG_LAYOUT_SECTION_PAGES:
		get_pages(x, c);
		break;
	case SEG_LAYOUT_SECTION_DICTS:
		get_dicts(x, c);
		break;
	default:
		rc = get_types(x, c);
		break;
	}
	if (rc < 0)
		return rc;
	return c->err || rcur_left(c) != 0 ? ERR_CORRUPT : 0;
}

int seg_footer_decode(struct seg_footer *f, struct span footer, uint64_t off, uint64_t pages_off,
	const char *name, struct diag *d)
{
	const unsigned all = (1u << (SEG_LAYOUT_SECTION_TYPES + 1)) - 2;
	struct decoder x = { .f = f, .footer = footer.p, .off = off, .pages_off = pages_off };
	struct rcur c = rcur_of(footer.p, footer.n);

	while (rcur_left(&c) > 0) {
		int64_t at = (int64_t)(off + (uint64_t)(c.p - footer.p));
		uint64_t id = rcur_varint(&c);
		struct span body = rcur_varbytes(&c);
		struct rcur s = rcur_of(body.p, body.n);
		int rc = c.err ? ERR_CORRUPT : get_section(&x, id, &s);

		if (rc < 0)
			return diag_set(d, rc, name, at, "reading footer section %u of a segment",
				(unsigned)id);
	}
	if (x.seen != all)
		return diag_set(d, ERR_CORRUPT, name, (int64_t)off,
			"the footer of a segment lacks a section");
	return 0;
}

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void seg_footer_info(const struct seg_footer *f, struct seg_info *out)
{
	const struct seg_block *b = f->blocks;

	ASSERT(f->blocks_count > 0);
	out->blocks_count = f->blocks_count;
	out->id_min = b[0].id_min;
	out->id_max = b[f->blocks_count - 1].id_max;
	out->time_min_ns = b[0].time_min_ns;
	out->time_max_ns = b[0].time_max_ns;
	out->received_min_ns = b[0].received_min_ns;
	out->received_max_ns = b[0].received_max_ns;
	out->rows_count = 0;
	out->raw_bytes = 0;
	out->severity_mask = 0;
	for (uint32_t i = 0; i < f->blocks_count; i++) {
		out->rows_count += b[i].rows_count;
		out->raw_bytes += b[i].raw_bytes;
		out->time_min_ns = min64(out->time_min_ns, b[i].time_min_ns);
		out->time_max_ns = max64(out->time_max_ns, b[i].time_max_ns);
		out->received_min_ns = min64(out->received_min_ns, b[i].received_min_ns);
		out->received_max_ns = max64(out->received_max_ns, b[i].received_max_ns);
		for (int s = 0; s < EVENT_SEVERITY_COUNT; s++)
			out->severity_mask |= (uint8_t)((b[i].severity_rows[s] > 0) << s);
	}
}
