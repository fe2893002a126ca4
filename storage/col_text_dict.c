/*
 * CONST and DICT pages read: a verdict or a value is found once per entry, rows only look it up.
 *
 * CONST PAGE  u8: 0 all rows are absent, 1 the rest of the page is the value of all rows
 * DICT PAGE
 *   varint   raw bytes of all rows
 *   varint   entries, 1 or more
 *   varint   bytes, a page of text: the entries, distinct, none of them absent
 *   the rest: a stream of codes, 0 absent, else 1 + entry
 */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_int.h"

struct dict_page {
	struct col_text_page base;
	struct span codes_bytes;
	struct col_stream codes;
	bool codes_open;
	struct col_text_page *entries; /* NULL: a CONST page */
	uint32_t *offs;                /* of the entries' bytes; NULL: not read so far */
	uint8_t *bytes;
	int64_t *window;   /* codes of some rows */
	struct span value; /* CONST; p NULL: absent */
};

enum { WINDOW_ROWS = 4096 };

static int need_codes(struct dict_page *p)
{
	struct rcur c = rcur_of(p->codes_bytes.p, p->codes_bytes.n);
	int rc;

	if (p->codes_open || !p->entries)
		return 0;
	p->window = arena_alloc(p->base.mem, WINDOW_ROWS * sizeof *p->window);
	if (!p->window)
		return -ENOMEM;
	rc = col_stream_open(&c, p->base.rows_count, p->base.mem, &p->codes);
	if (rc == 0 && rcur_left(&c) != 0)
		rc = ERR_CORRUPT;
	p->codes_open = rc == 0;
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

/* All entries in memory: what whole columns and many rows want. */
static int need_entries(struct dict_page *p)
{
	uint32_t count = p->base.entries_count, sum = 0;
	struct buf raw;
	int rc;

	if (p->offs || !p->entries)
		return 0;
	p->offs = arena_alloc(p->base.mem, ((size_t)count + 1) * sizeof *p->offs);
	p->bytes = arena_alloc(p->base.mem, (size_t)p->entries->raw_bytes + 1);
	if (!p->offs || !p->bytes) {
		p->offs = NULL;
		return -ENOMEM;
	}
	raw = (struct buf){
		.p = p->bytes, .cap = (size_t)p->entries->raw_bytes + 1, .max = COL_TEXT_RAW_MAX
	};
	rc = p->entries->ops->all(p->entries, p->offs + 1, &raw);
	p->offs[0] = 0;
	for (uint32_t i = 1; i <= count && rc == 0; i++) {
		rc = p->offs[i] == 0 ? ERR_CORRUPT : 0;
		sum += p->offs[i] - 1;
		p->offs[i] = sum;
	}
	if (rc < 0)
		p->offs = NULL;
	return rc;
}

static inline struct span entry_at(const struct dict_page *p, uint32_t code)
{
	return span_of(p->bytes + p->offs[code - 1], p->offs[code] - p->offs[code - 1]);
}

/* Codes of rows first .. in the window. */
static int load_codes(struct dict_page *p, uint32_t first, uint32_t count)
{
	int rc = col_stream_get(&p->codes, first, count, p->window);

	for (uint32_t i = 0; i < count && rc == 0; i++) {
		if ((uint64_t)p->window[i] > p->base.entries_count)
			rc = ERR_CORRUPT;
	}
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

static int pick_codes(struct dict_page *p, const uint32_t *rows, uint32_t count, int64_t *out)
{
	int rc = col_stream_pick(&p->codes, rows, count, out);

	for (uint32_t i = 0; i < count && rc == 0; i++) {
		if ((uint64_t)out[i] > p->base.entries_count)
			rc = ERR_CORRUPT;
	}
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

/* ---- whole columns ---- */

static int dict_all(struct col_text_page *base, uint32_t *lengths, struct buf *bytes)
{
	struct dict_page *p = (struct dict_page *)base;
	size_t left = base->raw_bytes;
	int rc = need_codes(p);

	if (rc == 0)
		rc = need_entries(p);
	if (rc < 0)
		return rc;
	if (buf_reserve(bytes, left + 1) < 0)
		return bytes->err;
	for (uint32_t first = 0; first < base->rows_count; first += WINDOW_ROWS) {
		uint32_t n = base->rows_count - first;

		n = n < WINDOW_ROWS ? n : WINDOW_ROWS;
		rc = load_codes(p, first, n);
		for (uint32_t i = 0; i < n && rc == 0; i++) {
			struct span s =
				p->window[i] ? entry_at(p, (uint32_t)p->window[i]) : SPAN_NONE;

			if (s.n > left)
				return ERR_CORRUPT;
			left -= s.n;
			lengths[first + i] = col_text_length(s);
			if (s.n > 0)
				memcpy(bytes->p + bytes->len, s.p, s.n);
			bytes->len += s.n;
		}
		if (rc < 0)
			return rc;
	}
	return left == 0 ? 0 : ERR_CORRUPT;
}

static int const_all(struct col_text_page *base, uint32_t *lengths, struct buf *bytes)
{
	const struct dict_page *p = (const struct dict_page *)base;

	for (uint32_t i = 0; i < base->rows_count; i++) {
		lengths[i] = col_text_length(p->value);
		buf_put_span(bytes, p->value);
	}
	return bytes->err;
}

/* ---- some rows ---- */

/* One row of many is worth the reading of one entry, not of all. */
static int get_one(struct dict_page *p, uint32_t row, struct buf *bytes, struct col_text_value *out)
{
	uint32_t entry;
	int64_t code;
	int rc = pick_codes(p, &row, 1, &code);

	*out = (struct col_text_value){ (uint32_t)bytes->len, 0 };
	if (rc < 0 || code == 0)
		return rc;
	entry = (uint32_t)code - 1;
	if (p->offs) {
		struct span s = entry_at(p, entry + 1);

		out->length = col_text_length(s);
		buf_put_span(bytes, s);
		return bytes->err;
	}
	rc = p->entries->ops->get(p->entries, &entry, 1, bytes, out);
	return rc == 0 && out->length == 0 ? ERR_CORRUPT : rc;
}

static int dict_get(struct col_text_page *base, const uint32_t *rows, size_t count,
	struct buf *bytes, struct col_text_value *out)
{
	struct dict_page *p = (struct dict_page *)base;
	size_t budget = base->raw_bytes, start = bytes->len;
	int rc = need_codes(p);

	if (rc == 0 && count > 8)
		rc = need_entries(p);
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = get_one(p, rows[i], bytes, &out[i]);
		if (bytes->len - start > budget)
			rc = ERR_CORRUPT;
	}
	return rc;
}

static int const_get(struct col_text_page *base, const uint32_t *rows, size_t count,
	struct buf *bytes, struct col_text_value *out)
{
	const struct dict_page *p = (const struct dict_page *)base;

	(void)rows;
	for (size_t i = 0; i < count; i++) {
		out[i] = (struct col_text_value){ (uint32_t)bytes->len, col_text_length(p->value) };
		buf_put_span(bytes, p->value);
	}
	return bytes->err;
}

/* ---- questions ---- */

/* verdict has a byte for each code. */
static int apply(struct dict_page *p, const uint8_t *verdict, uint8_t *match)
{
	uint32_t rows = p->base.rows_count;
	int rc = need_codes(p);

	for (uint32_t first = 0; first < rows && rc == 0; first += WINDOW_ROWS) {
		uint32_t n = rows - first < WINDOW_ROWS ? rows - first : WINDOW_ROWS;

		rc = load_codes(p, first, n);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			match[first + i] &= verdict[p->window[i]];
	}
	return rc;
}

/* NULL: no memory, or no row is asked for. */
static uint8_t *verdicts(struct dict_page *p)
{
	uint8_t *v = arena_alloc(p->base.mem, (size_t)p->base.entries_count + 1);

	if (v)
		memset(v, 1, (size_t)p->base.entries_count + 1);
	return v;
}

static int dict_equal(struct col_text_page *base, const struct scan_text_set *set, uint8_t *match)
{
	struct dict_page *p = (struct dict_page *)base;
	uint8_t *v = verdicts(p);
	int rc = v ? p->entries->ops->equal(p->entries, set, v + 1) : -ENOMEM;

	if (rc < 0)
		return rc;
	v[0] = scan_text_set_has(set, SPAN_NONE);
	return apply(p, v, match);
}

static int dict_contains(
	struct col_text_page *base, const struct scan_text_needle *x, uint8_t *match)
{
	struct dict_page *p = (struct dict_page *)base;
	uint8_t *v = verdicts(p);
	int rc = v ? p->entries->ops->contains(p->entries, x, v + 1) : -ENOMEM;

	if (rc < 0)
		return rc;
	v[0] = 0;
	return apply(p, v, match);
}

static void all_rows(const struct col_text_page *base, bool verdict, uint8_t *match)
{
	if (!verdict)
		memset(match, 0, base->rows_count);
}

static int const_equal(struct col_text_page *base, const struct scan_text_set *set, uint8_t *match)
{
	all_rows(base, scan_text_set_has(set, ((struct dict_page *)base)->value), match);
	return 0;
}

static int const_contains(
	struct col_text_page *base, const struct scan_text_needle *x, uint8_t *match)
{
	struct span v = ((struct dict_page *)base)->value;

	all_rows(base, v.p && scan_text_find(x, v, 0) != SIZE_MAX, match);
	return 0;
}

/* ---- codes ---- */

static int dict_codes(struct col_text_page *base, const uint32_t *rows, size_t count, uint32_t *out)
{
	struct dict_page *p = (struct dict_page *)base;
	int rc = need_codes(p);

	for (size_t i = 0; i < count && rc == 0; i += WINDOW_ROWS) {
		size_t n = count - i < WINDOW_ROWS ? count - i : WINDOW_ROWS;

		rc = pick_codes(p, rows + i, (uint32_t)n, p->window);
		for (size_t k = 0; k < n && rc == 0; k++)
			out[i + k] = (uint32_t)p->window[k];
	}
	return rc;
}

static int const_codes(
	struct col_text_page *base, const uint32_t *rows, size_t count, uint32_t *out)
{
	(void)rows;
	for (size_t i = 0; i < count; i++)
		out[i] = base->entries_count;
	return 0;
}

static int dict_entry(
	struct col_text_page *base, uint32_t code, struct buf *bytes, struct span *out)
{
	struct dict_page *p = (struct dict_page *)base;
	struct col_text_value v;
	uint32_t entry = code - 1;
	int rc;

	if (!p->entries) {
		*out = p->value;
		return 0;
	}
	rc = p->entries->ops->get(p->entries, &entry, 1, bytes, &v);
	if (rc == 0 && v.length == 0)
		rc = ERR_CORRUPT;
	if (rc == 0)
		*out = span_of(bytes->p + v.off, v.length - 1);
	return rc;
}

/* ---- opening ---- */

static const struct col_text_ops const_ops = {
	.get = const_get,
	.all = const_all,
	.equal = const_equal,
	.contains = const_contains,
	.codes = const_codes,
	.entry = dict_entry,
};

int col_text_const_open(
	struct rcur *c, const struct col_text_page *base, struct col_text_page **out)
{
	struct dict_page *p = arena_calloc(base->mem, 1, sizeof *p);
	unsigned present = rcur_u8(c);
	uint64_t raw;

	if (!p)
		return -ENOMEM;
	p->base = *base;
	p->base.ops = &const_ops;
	p->base.entries_count = present;
	p->value = rcur_bytes(c, rcur_left(c));
	raw = (uint64_t)p->value.n * base->rows_count;
	if (c->err || present > 1 || (!present && p->value.n > 0) || raw > COL_TEXT_RAW_MAX)
		return ERR_CORRUPT;
	p->base.raw_bytes = (uint32_t)raw;
	if (!present)
		p->value = SPAN_NONE;
	*out = &p->base;
	return 0;
}

static const struct col_text_ops dict_ops = {
	.get = dict_get,
	.all = dict_all,
	.equal = dict_equal,
	.contains = dict_contains,
	.codes = dict_codes,
	.entry = dict_entry,
};

int col_text_dict_open(struct rcur *c, const struct col_text_page *base, struct col_text_page **out)
{
	struct dict_page *p = arena_calloc(base->mem, 1, sizeof *p);
	uint64_t raw = rcur_varint(c), count = rcur_varint(c);
	struct span entries = rcur_varbytes(c);
	int rc;

	if (!p)
		return -ENOMEM;
	if (c->err || raw > COL_TEXT_RAW_MAX || count == 0 || count > base->rows_count)
		return ERR_CORRUPT;
	p->base = *base;
	p->base.ops = &dict_ops;
	p->base.raw_bytes = (uint32_t)raw;
	p->base.entries_count = (uint32_t)count;
	p->codes_bytes = rcur_bytes(c, rcur_left(c));
	rc = col_text_page_open(entries, (uint32_t)count, &p->base, &p->entries);
	if (rc < 0)
		return rc;
	/* Entries stand for themselves; all of them occur. */
	if (p->entries->uses_sources || p->entries->uses_keys || p->entries->uses_leaves ||
		p->entries->raw_bytes > raw)
		return ERR_CORRUPT;
	*out = &p->base;
	return 0;
}
