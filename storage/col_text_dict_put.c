/* CONST and DICT pages written. Entries are sorted, so that what they have in common stands together. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_pack.h"
#include "storage/col_text_put_int.h"

enum {
	PROBES_MAX = 64,
	/* After so many rows a column whose values are mostly new is no dictionary. */
	TRIAL_ROWS = 4096,
	RADIX = 256,
};

int col_text_const_put(const struct col_text_in *in, struct buf *out)
{
	struct span v = in->values[0];

	for (uint32_t i = 1; i < in->rows_count; i++) {
		struct span o = in->values[i];

		if ((o.p != NULL) != (v.p != NULL) || !span_eq(o, v))
			return 1;
	}
	buf_put_u8(out, COL_TEXT_CONST);
	buf_put_u8(out, v.p != NULL);
	buf_put_span(out, v);
	return 0;
}

/* A distinct value: its first bytes for sorting, its place in order of arrival. */
struct entry {
	struct span text;
	uint64_t hash;
};

struct order {
	uint64_t
		head; /* eight bytes behind what all have in common, first byte highest; or a key */
	uint32_t idx;
};

struct collecting {
	const struct col_text_in *in;
	struct entry *entries; /* rows_count at most */
	uint32_t *table;       /* 1 + index */
	uint32_t table_mask;
	uint32_t count;
	uint32_t *codes;
	uint64_t raw_bytes;
};

/* The value's code; 0: the table does not take it. */
static uint32_t code_of(struct collecting *c, struct span v)
{
	uint64_t hash = col_shape_hash(v.p, v.n);
	uint32_t at = (uint32_t)hash & c->table_mask;

	for (unsigned probes = 0; c->table[at]; probes++) {
		const struct entry *e = &c->entries[c->table[at] - 1];

		if (e->hash == hash && span_eq(e->text, v))
			return c->table[at];
		if (probes == PROBES_MAX)
			return 0;
		at = (at + 1) & c->table_mask;
	}
	c->entries[c->count] = (struct entry){ v, hash };
	c->table[at] = ++c->count;
	return c->count;
}

/*
 * Whether so many distinct values of so many rows are worth a dictionary: a code costs less than a
 * value, but what is rare is paid for twice.
 */
static bool pays(const struct col_text_in *in, uint32_t distinct, uint32_t rows)
{
	bool key = in->want_codes || (in->level > 0 && in->keys[COL_TEXT_KEY_USER_ID]);

	return distinct <= (uint64_t)rows * (key ? 5 : 3) / 10 + 8;
}

static bool collect(struct collecting *c)
{
	const struct col_text_in *in = c->in;

	for (uint32_t row = 0; row < in->rows_count; row++) {
		struct span v = in->values[row];

		c->codes[row] = 0;
		if (!v.p)
			continue;
		c->raw_bytes += v.n;
		c->codes[row] = code_of(c, v);
		if (c->codes[row] == 0)
			return false;
		if (row % TRIAL_ROWS == TRIAL_ROWS / 2 && row > 0 && !pays(in, c->count / 2, row))
			return false;
	}
	return c->count > 0 && pays(in, c->count, in->rows_count);
}

/* ---- sorting ---- */

/* Bytes that all entries begin with. */
static size_t common(const struct entry *e, uint32_t count)
{
	size_t n = e[0].text.n;

	for (uint32_t i = 1; i < count; i++) {
		size_t k = 0, max = e[i].text.n < n ? e[i].text.n : n;

		while (k < max && e[i].text.p[k] == e[0].text.p[k])
			k++;
		n = k;
	}
	return n;
}

static uint64_t head_of(struct span s, size_t from)
{
	uint64_t v = 0;
	size_t n = s.n - from;

	memcpy(&v, s.p + from, n < 8 ? n : 8);
	return be64toh(v);
}

/* Least byte first; bytes that are the same in all cost a count and no move. The result is in a or b. */
static struct order *radix(struct order *a, struct order *b, uint32_t count)
{
	for (unsigned shift = 0; shift < 64; shift += 8) {
		uint32_t starts[RADIX] = { 0 }, at = 0;
		struct order *t;

		for (uint32_t i = 0; i < count; i++)
			starts[a[i].head >> shift & 255]++;
		if (starts[a[0].head >> shift & 255] == count)
			continue;
		for (unsigned k = 0; k < RADIX; k++) {
			uint32_t n = starts[k];

			starts[k] = at;
			at += n;
		}
		for (uint32_t i = 0; i < count; i++)
			b[starts[a[i].head >> shift & 255]++] = a[i];
		t = a;
		a = b;
		b = t;
	}
	return a;
}

static int by_text(const void *pa, const void *pb, void *entries)
{
	const struct order *a = pa, *b = pb;
	const struct entry *e = entries;

	return span_cmp(e[a->idx].text, e[b->idx].text);
}

/* Entries with one head are sorted by what follows. */
static void sort_ties(struct collecting *c, struct order *o)
{
	for (uint32_t i = 0, n; i < c->count; i += n) {
		for (n = 1; i + n < c->count && o[i + n].head == o[i].head;)
			n++;
		if (n > 1)
			qsort_r(o + i, n, sizeof *o, by_text, c->entries);
	}
}

/*
 * The first key that each entry comes with, above level 0 if there are users: what belongs to one of
 * them stands together then, and its list of codes is a run. false: there are none.
 */
static bool keyed_heads(const struct collecting *c, struct order *o)
{
	const uint32_t *keys = c->in->keys[COL_TEXT_KEY_USER_ID];

	if (c->in->level == 0 || !keys)
		return false;
	for (uint32_t i = 0; i < c->count; i++)
		o[i] = (struct order){ UINT64_MAX, i };
	for (uint32_t row = 0; row < c->in->rows_count; row++) {
		struct order *at = c->codes[row] ? &o[c->codes[row] - 1] : NULL;

		if (at && keys[row] < at->head)
			at->head = keys[row];
	}
	return true;
}

/* The entries in order as spans in w->spans; codes follow. false: out of memory. */
static bool sort(struct col_text_work *w, struct collecting *c, bool by_key)
{
	struct order *a = col_text_work_array(&w->ints, 2 * (size_t)c->count, sizeof *a);
	uint32_t *place = col_text_work_array(&w->rows, (size_t)c->count + 1, sizeof *place);
	struct span *spans = col_text_work_array(&w->spans, c->count, sizeof *spans);
	size_t skip = common(c->entries, c->count);

	if (!a || !place || !spans)
		return false;
	if (!by_key || !keyed_heads(c, a)) {
		for (uint32_t i = 0; i < c->count; i++)
			a[i] = (struct order){ head_of(c->entries[i].text, skip), i };
	}
	a = radix(a, a + c->count, c->count);
	sort_ties(c, a);
	place[0] = 0;
	for (uint32_t i = 0; i < c->count; i++) {
		place[1 + a[i].idx] = 1 + i;
		spans[i] = c->entries[a[i].idx].text;
	}
	for (uint32_t row = 0; row < c->in->rows_count; row++)
		c->codes[row] = place[c->codes[row]];
	return true;
}

/* ---- the page ---- */

/* Whether most values belong to one user: then they stand by user. */
static bool belongs(const struct col_text_in *in, uint32_t distinct)
{
	return in->keys[COL_TEXT_KEY_USER_ID] &&
	       distinct * 2 > in->keys_count[COL_TEXT_KEY_USER_ID];
}

static bool put_codes(struct col_text_work *w, const struct collecting *c, struct buf *out)
{
	const struct col_text_in *in = c->in;
	int64_t *ints = col_text_work_array(&w->ints, in->rows_count, sizeof *ints);
	unsigned key;

	if (!ints)
		return false;
	for (uint32_t row = 0; row < in->rows_count; row++)
		ints[row] = c->codes[row];
	w->streams.level = in->level;
	key = col_text_depend_key(w, in, ints, in->rows_count, in->keys);
	if (key < COL_TEXT_KEYS) {
		buf_put_u8(out, (uint8_t)(1 + key));
		col_pack_varint(out, in->keys_count[key]);
		col_text_depend_put(
			w, ints, in->rows_count, in->keys[key], in->keys_count[key], out);
		return true;
	}
	buf_put_u8(out, 0);
	col_stream_put(&w->streams, ints, in->rows_count, out);
	return true;
}

static uint32_t table_size(uint32_t rows)
{
	uint32_t n = 1024;

	while (n < 2 * rows)
		n *= 2;
	return n;
}

int col_text_dict_put(struct col_text_work *w, const struct col_text_in *in, struct buf *out)
{
	uint32_t size = table_size(in->rows_count);
	struct collecting c = { .in = in,
		.entries = col_text_work_array(&w->column, in->rows_count, sizeof *c.entries),
		.table = col_text_work_array(&w->table, size, sizeof *c.table),
		.table_mask = size - 1,
		.codes = col_text_work_array(&w->codes, in->rows_count, sizeof *c.codes) };
	struct col_text_in entries = { .level = in->level };
	struct col_text_work *inner = col_text_work_inner(w);

	if (!c.entries || !c.table || !c.codes || !inner)
		return 1;
	memset(c.table, 0, size * sizeof *c.table);
	if (!collect(&c) || !sort(w, &c, belongs(in, c.count)))
		return 1;
	entries.rows_count = c.count;
	entries.values = (const struct span *)(const void *)w->spans.p;
	buf_reset(&w->inside);
	col_text_put_page(inner, &entries, &w->inside);
	if (w->inside.err)
		return 1;
	buf_put_u8(out, COL_TEXT_DICT);
	col_pack_varint(out, c.raw_bytes);
	col_pack_varint(out, c.count);
	col_pack_varint(out, w->inside.len);
	buf_put_span(out, buf_span(&w->inside));
	if (!put_codes(w, &c, out))
		out->err = -ENOMEM;
	w->has_codes = true;
	w->codes_entries = c.count;
	return 0;
}
