/*
 * CONST and DICT pages read: a verdict or a value is found once per entry, rows only look it up.
 *
 * CONST PAGE  u8: 0 all rows are absent, 1 the rest of the page is the value of all rows
 * DICT PAGE
 *   varint   raw bytes of all rows
 *   varint   entries, 1 or more
 *   varint   bytes, a page of text: the entries, distinct, none of them absent
 *   u8       0, or 1 + the key on which the codes depend, then a varint: keys are below it
 *   the rest: a stream of codes, 0 absent, else 1 + entry; with a key: these as col_depend.h says
 */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_depend.h"
#include "storage/col_text_shape_int.h"

struct dict_page {
	struct col_text_page base;
	struct span codes_bytes;
	uint8_t key; /* 1 + the key; 0: none */
	uint32_t keys_count;
	struct col_stream codes;
	struct col_depend depends; /* instead, with a key */
	bool codes_open;
	struct col_text_page *entries; /* NULL: a CONST page */
	uint32_t *offs;                /* of the entries' bytes; NULL: not read so far */
	uint8_t *bytes;
	struct col_text_numbers *numbers; /* of the entries; NULL: not read so far */
	bool no_numbers;                  /* they are not kept so */
	bool no_labels;                   /* nor as labels */
	struct col_text_labels *labels;   /* of the entries; NULL: not asked for so far */
	uint16_t *all_codes;              /* of all rows; NULL: not read so far */
	uint32_t window_rows;             /* that there is room for in these */
	int64_t *window;                  /* codes of some rows */
	uint32_t *keys;                   /* and their keys */
	uint32_t *rows;                   /* and, with a key, their numbers */
	struct span value;                /* CONST; p NULL: absent */
};

enum {
	WINDOW_ROWS = 1024,
	WINDOW_FEW = 64,
	WINDOW_MANY = 16,
	ENTRIES_ALONE = 8,
	/* Asked for the codes of one row in so many, they are kept for all. */
	CODES_MANY = 16,
	KEPT_ROWS = 512, /* read at a time for it */
};

static int open_codes(struct dict_page *p)
{
	struct rcur c = rcur_of(p->codes_bytes.p, p->codes_bytes.n);
	uint32_t rows = p->base.rows_count;
	int rc;

	if (p->key)
		rc = col_depend_open(&c, rows, p->keys_count, p->base.mem, &p->depends);
	else
		rc = col_stream_open(&c, rows, p->base.mem, &p->codes);
	return rc == 0 && rcur_left(&c) != 0 ? ERR_CORRUPT : rc;
}

static int need_stream(struct dict_page *p)
{
	int rc;

	if (p->codes_open || !p->entries)
		return 0;
	rc = open_codes(p);
	p->codes_open = rc == 0;
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

/* Room for the codes of so many rows at a time, a few or WINDOW_ROWS. */
static int need_window(struct dict_page *p, size_t count)
{
	uint32_t rows = count <= WINDOW_FEW ? WINDOW_FEW : WINDOW_ROWS;
	struct arena *mem = p->base.mem;

	if (p->window_rows >= rows)
		return 0;
	p->window_rows = 0;
	if (p->key) {
		p->keys = arena_alloc(mem, rows * sizeof *p->keys);
		p->rows = arena_alloc(mem, rows * sizeof *p->rows);
	}
	p->window = arena_alloc(mem, rows * sizeof *p->window);
	if (!p->window || (p->key && (!p->keys || !p->rows)))
		return -ENOMEM;
	p->window_rows = rows;
	return 0;
}

/* The stream, and the window. */
static int need_codes(struct dict_page *p, size_t count)
{
	int rc = p->entries ? need_window(p, count) : 0;

	return rc < 0 ? rc : need_stream(p);
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

/* Numbers of the entries in mem. COL_TEXT_NUMBERS_NOT: they are kept otherwise. */
static int read_numbers(struct dict_page *p, struct arena *mem, struct col_text_numbers **out)
{
	uint32_t count = p->base.entries_count;
	struct col_text_numbers *n;
	int rc;

	if (p->entries->kind != COL_TEXT_SHAPED)
		return COL_TEXT_NUMBERS_NOT;
	n = arena_alloc(mem, sizeof *n);
	if (!n)
		return -ENOMEM;
	n->form_of = arena_alloc(mem, count * sizeof *n->form_of);
	n->numbers = arena_alloc(mem, count * sizeof *n->numbers);
	if (!n->form_of || !n->numbers)
		return -ENOMEM;
	rc = col_text_number_split((struct col_text_shaped *)p->entries, mem, n);
	/* None of them is absent. */
	if (rc == 0 && memchr(n->form_of, COL_TEXT_FORM_ABSENT, count))
		rc = ERR_CORRUPT;
	*out = n;
	return rc;
}

/* They are kept, once. */
static int need_numbers(struct dict_page *p)
{
	struct col_text_numbers *n;
	int rc;

	if (p->numbers || p->no_numbers)
		return 0;
	rc = read_numbers(p, p->base.mem, &n);
	p->no_numbers = rc == COL_TEXT_NUMBERS_NOT;
	if (rc == 0)
		p->numbers = n;
	return rc < 0 ? rc : 0;
}

static inline struct span entry_at(const struct dict_page *p, uint32_t code)
{
	return span_of(p->bytes + p->offs[code - 1], p->offs[code] - p->offs[code - 1]);
}

static int check_codes(const struct dict_page *p, const int64_t *codes, uint32_t count)
{
	uint64_t most = p->base.entries_count, bad = 0;

	/* The highest bit: of a code that has it, or of a difference below zero. */
	for (uint32_t i = 0; i < count; i++)
		bad |= (most - (uint64_t)codes[i]) | (uint64_t)codes[i];
	return bad >> 63 ? ERR_CORRUPT : 0;
}

/* Codes of so many rows, WINDOW_ROWS at most. */
static int pick_codes(struct dict_page *p, const uint32_t *rows, uint32_t count, int64_t *out)
{
	const struct col_text_env *env = p->base.env;
	int rc = 0;

	ASSERT(count <= WINDOW_ROWS);
	if (p->key) {
		rc = env->key ? env->key(env->ctx, p->key - 1u, rows, count, p->keys) : ERR_CORRUPT;
		if (rc == 0)
			rc = col_depend_pick(&p->depends, rows, count, p->keys, out);
	} else {
		rc = col_stream_pick(&p->codes, rows, count, out);
	}
	if (rc == 0)
		rc = check_codes(p, out, count);
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

/* Codes of rows first ..; rows and keys: memory for as many, with a key. */
static int load_to(struct dict_page *p, uint32_t first, uint32_t count, uint32_t *rows,
	uint32_t *keys, int64_t *out)
{
	const struct col_text_env *env = p->base.env;
	int rc = 0;

	if (p->key) {
		for (uint32_t i = 0; i < count; i++)
			rows[i] = first + i;
		rc = env->key ? env->key(env->ctx, p->key - 1u, rows, count, keys) : ERR_CORRUPT;
		if (rc == 0)
			rc = col_depend_get(&p->depends, first, count, keys, out);
	} else {
		rc = col_stream_get(&p->codes, first, count, out);
	}
	if (rc == 0)
		rc = check_codes(p, out, count);
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

/* The same in the window. */
static int load_codes(struct dict_page *p, uint32_t first, uint32_t count)
{
	ASSERT(count <= WINDOW_ROWS);
	return load_to(p, first, count, p->rows, p->keys, p->window);
}

/* ---- whole columns ---- */

static int dict_all(struct col_text_page *base, uint32_t *lengths, struct buf *bytes)
{
	struct dict_page *p = (struct dict_page *)base;
	size_t left = base->raw_bytes;
	int rc = need_codes(p, WINDOW_ROWS);

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

/* An entry that is told by its number; one that has none is a text. */
static int put_told(const struct col_text_numbers *n, uint32_t entry, struct buf *bytes,
	struct col_text_value *out)
{
	uint8_t own[COL_TEXT_FORM_BYTES_MAX + COL_TEXT_PAD];
	bool fits = bytes->cap - bytes->len >= sizeof own;
	uint8_t *start = fits ? bytes->p + bytes->len : own, *at = start;
	const struct col_text_form *f;

	if (n->form_of[entry] == COL_TEXT_FORM_NONE) {
		struct span s = n->texts[n->numbers[entry]];

		out->length = col_text_length(s);
		buf_put_span(bytes, s);
		return bytes->err;
	}
	f = &n->forms[n->form_of[entry]];
	at = col_text_copy_padded(at, f->front);
	at += col_token_print_decimal(n->numbers[entry], f->digits, at);
	at = col_text_copy_padded(at, f->back);
	out->length = (uint32_t)(at - start) + 1;
	if (fits)
		bytes->len += (size_t)(at - start);
	else
		buf_put(bytes, start, (size_t)(at - start));
	return bytes->err;
}

/* The entry of a row's code, from memory if all entries or their numbers are there, else it alone. */
static int put_entry(
	struct dict_page *p, int64_t code, struct buf *bytes, struct col_text_value *out)
{
	uint32_t entry = (uint32_t)code - 1;
	int rc;

	*out = (struct col_text_value){ (uint32_t)bytes->len, 0 };
	if (code == 0)
		return 0;
	if (p->offs) {
		struct span s = entry_at(p, entry + 1);

		out->length = col_text_length(s);
		buf_put_span(bytes, s);
		return bytes->err;
	}
	if (p->numbers)
		return put_told(p->numbers, entry, bytes, out);
	rc = p->entries->ops->get(p->entries, &entry, 1, bytes, out);
	return rc == 0 && out->length == 0 ? ERR_CORRUPT : rc;
}

/* A few rows are worth the reading of their entries, many that of all, as numbers if they are such. */
static int dict_get(struct col_text_page *base, const uint32_t *rows, size_t count,
	struct buf *bytes, struct col_text_value *out)
{
	struct dict_page *p = (struct dict_page *)base;
	size_t start = bytes->len;
	int rc = need_codes(p, count);

	if (rc == 0 && count > ENTRIES_ALONE && !p->offs)
		rc = need_numbers(p);
	if (rc == 0 && count > ENTRIES_ALONE && !p->numbers)
		rc = need_entries(p);
	for (size_t i = 0; i < count && rc == 0; i += WINDOW_ROWS) {
		size_t n = count - i < WINDOW_ROWS ? count - i : WINDOW_ROWS;

		rc = pick_codes(p, rows + i, (uint32_t)n, p->window);
		for (size_t k = 0; k < n && rc == 0; k++) {
			rc = put_entry(p, p->window[k], bytes, &out[i + k]);
			if (bytes->len - start > base->raw_bytes)
				rc = ERR_CORRUPT;
		}
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

/* Rows in the window; only: the one code that is wanted, 0: several are. */
static void keep_wanted(const struct dict_page *p, const uint8_t *verdict, uint32_t only,
	uint32_t count, uint8_t *match)
{
	if (only) {
		for (uint32_t i = 0; i < count; i++)
			match[i] &= p->window[i] == only;
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		match[i] &= verdict[p->window[i]];
}

/* verdict has a byte for each code. */
static int apply(struct dict_page *p, const uint8_t *verdict, uint8_t *match)
{
	uint32_t rows = p->base.rows_count, codes = p->base.entries_count + 1, only;
	const uint8_t *wanted = memchr(verdict, 1, codes);
	int rc;

	if (!wanted) {
		memset(match, 0, rows);
		return 0;
	}
	only = (uint32_t)(wanted - verdict);
	if (memchr(wanted + 1, 1, codes - only - 1))
		only = 0;
	rc = need_codes(p, WINDOW_ROWS);
	for (uint32_t first = 0; first < rows && rc == 0; first += WINDOW_ROWS) {
		uint32_t n = rows - first < WINDOW_ROWS ? rows - first : WINDOW_ROWS;

		if (!memchr(match + first, 1, n))
			continue;
		rc = load_codes(p, first, n);
		if (rc == 0)
			keep_wanted(p, verdict, only, n, match + first);
	}
	return rc;
}

/* NULL: no memory, or no row is asked for. */
static uint8_t *verdicts(struct dict_page *p)
{
	uint8_t *v = arena_alloc(p->base.work, (size_t)p->base.entries_count + 1);

	if (v)
		memset(v, 1, (size_t)p->base.entries_count + 1);
	return v;
}

static int dict_equal(struct col_text_page *base, const struct textset *set, uint8_t *match)
{
	struct dict_page *p = (struct dict_page *)base;
	uint8_t *v = verdicts(p);
	int rc = v ? p->entries->ops->equal(p->entries, set, v + 1) : -ENOMEM;

	if (rc < 0)
		return rc;
	v[0] = textset_has(set, SPAN_NONE);
	return apply(p, v, match);
}

static int dict_contains(struct col_text_page *base, const struct needle *x, uint8_t *match)
{
	struct dict_page *p = (struct dict_page *)base;
	uint8_t *v = verdicts(p);
	int rc = v ? p->entries->ops->contains(p->entries, x, v + 1) : -ENOMEM;

	if (rc < 0)
		return rc;
	v[0] = 0;
	return apply(p, v, match);
}

static int dict_letters(struct col_text_page *base, struct col_letters *out)
{
	struct col_text_page *entries = ((struct dict_page *)base)->entries;

	return entries->ops->letters(entries, out);
}

static void all_rows(const struct col_text_page *base, bool verdict, uint8_t *match)
{
	if (!verdict)
		memset(match, 0, base->rows_count);
}

static int const_equal(struct col_text_page *base, const struct textset *set, uint8_t *match)
{
	all_rows(base, textset_has(set, ((struct dict_page *)base)->value), match);
	return 0;
}

static int const_contains(struct col_text_page *base, const struct needle *x, uint8_t *match)
{
	struct span v = ((struct dict_page *)base)->value;

	all_rows(base, v.p && needle_find(x, v, 0) != SIZE_MAX, match);
	return 0;
}

static int const_letters(struct col_text_page *base, struct col_letters *out)
{
	col_letters_add(out, ((struct dict_page *)base)->value);
	return 0;
}

/* ---- codes ---- */

/* Most rows of a window: it is read whole. */
static int window_codes(struct dict_page *p, const uint32_t *rows, size_t count, uint32_t *out)
{
	uint32_t first = rows[0], n = rows[count - 1] - first + 1;
	int rc = load_codes(p, first, n);

	for (size_t i = 0; i < count && rc == 0; i++)
		out[i] = (uint32_t)p->window[rows[i] - first];
	return rc;
}

static int some_codes(struct dict_page *p, const uint32_t *rows, size_t count, uint32_t *out)
{
	int rc = pick_codes(p, rows, (uint32_t)count, p->window);

	for (size_t i = 0; i < count && rc == 0; i++)
		out[i] = (uint32_t)p->window[i];
	return rc;
}

/* A code of 16 bits for each row, kept with the page, which then needs no window. */
static int keep_codes(struct dict_page *p)
{
	uint32_t rows = p->base.rows_count, some[KEPT_ROWS], keys[KEPT_ROWS];
	int64_t v[KEPT_ROWS];
	uint16_t *codes;
	int rc = p->all_codes ? 0 : need_stream(p);

	if (rc < 0 || p->all_codes)
		return rc;
	codes = arena_alloc(p->base.mem, rows * sizeof *codes);
	if (!codes)
		return -ENOMEM;
	for (uint32_t first = 0, n; first < rows && rc == 0; first += n) {
		n = rows - first < KEPT_ROWS ? rows - first : KEPT_ROWS;
		rc = load_to(p, first, n, some, keys, v);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			codes[first + i] = (uint16_t)v[i];
	}
	if (rc == 0)
		p->all_codes = codes;
	return rc;
}

static int many_codes(struct dict_page *p, const uint32_t *rows, size_t count, uint32_t *out)
{
	int rc = keep_codes(p);

	for (size_t i = 0; i < count && rc == 0; i++)
		out[i] = p->all_codes[rows[i]];
	return rc;
}

static int dict_codes(struct col_text_page *base, const uint32_t *rows, size_t count, uint32_t *out)
{
	struct dict_page *p = (struct dict_page *)base;
	int rc;

	if (base->entries_count <= UINT16_MAX &&
		(p->all_codes || count > base->rows_count / CODES_MANY))
		return many_codes(p, rows, count, out);
	rc = need_codes(p, WINDOW_ROWS);
	for (size_t i = 0, n; i < count && rc == 0; i += n) {
		n = count - i < WINDOW_ROWS ? count - i : WINDOW_ROWS;
		while (rows[i + n - 1] - rows[i] >= WINDOW_ROWS)
			n = (n + 1) / 2;
		if (n > (rows[i + n - 1] - rows[i]) / WINDOW_MANY)
			rc = window_codes(p, rows + i, n, out + i);
		else
			rc = some_codes(p, rows + i, n, out + i);
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

static int dict_entries(struct col_text_page *base, struct span *out)
{
	struct dict_page *p = (struct dict_page *)base;
	int rc = need_entries(p);

	if (!p->entries && base->entries_count > 0)
		out[0] = p->value;
	for (uint32_t i = 0; p->entries && i < base->entries_count && rc == 0; i++)
		out[i] = entry_at(p, i + 1);
	return rc;
}

static int dict_numbers(struct col_text_page *base, struct col_text_numbers *out)
{
	struct dict_page *p = (struct dict_page *)base;
	int rc = need_numbers(p);

	if (rc < 0)
		return rc;
	if (!p->numbers)
		return COL_TEXT_NUMBERS_NOT;
	*out = *p->numbers;
	return 0;
}

/* ---- labels ---- */

/* By code. The numbers serve for this alone, if they are not there for others. */
static int label_codes(struct dict_page *p, uint32_t *label_of)
{
	struct arena *work = p->base.work;
	struct col_text_numbers *n = p->numbers;
	struct col_text_labels l;
	int rc = n ? 0 : read_numbers(p, work, &n);

	if (rc == COL_TEXT_NUMBERS_NOT) {
		p->no_numbers = true;
		return COL_TEXT_LABELS_NOT;
	}
	if (rc == 0)
		rc = col_text_label_texts(n, p->base.entries_count, work, &l, label_of + 1);
	p->no_labels = rc == COL_TEXT_LABELS_NOT;
	if (rc != 0)
		return rc;
	if (!p->labels)
		p->labels = col_text_label_keep(&l, p->base.mem);
	label_of[0] = l.absent;
	return p->labels ? 0 : -ENOMEM;
}

static int dict_labels(struct col_text_page *base, const uint16_t *rows, size_t count,
	uint32_t *out, const struct col_text_labels **labels)
{
	struct dict_page *p = (struct dict_page *)base;
	uint32_t some[KEPT_ROWS], keys[KEPT_ROWS];
	int64_t v[KEPT_ROWS];
	uint32_t *label_of;
	int rc = need_stream(p);

	if (rc < 0 || p->no_labels || p->no_numbers)
		return rc < 0 ? rc : COL_TEXT_LABELS_NOT;
	label_of = arena_alloc(base->work, ((size_t)base->entries_count + 1) * sizeof *label_of);
	rc = label_of ? label_codes(p, label_of) : -ENOMEM;
	for (size_t i = 0, n; i < count && rc == 0; i += n) {
		uint32_t first = rows ? rows[i] : (uint32_t)i, left = base->rows_count - first;
		uint32_t window = left < KEPT_ROWS ? left : KEPT_ROWS;

		rc = load_to(p, first, window, some, keys, v);
		for (n = 0; rc == 0 && i + n < count; n++) {
			uint32_t at = (rows ? rows[i + n] : (uint32_t)(i + n)) - first;

			if (at >= window)
				break;
			out[i + n] = label_of[v[at]];
		}
	}
	*labels = p->labels;
	return rc;
}

/* ---- opening ---- */

static const struct col_text_ops const_ops = {
	.get = const_get,
	.all = const_all,
	.equal = const_equal,
	.contains = const_contains,
	.letters = const_letters,
	.codes = const_codes,
	.entry = dict_entry,
	.entries = dict_entries,
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
	.letters = dict_letters,
	.codes = dict_codes,
	.entry = dict_entry,
	.entries = dict_entries,
	.numbers = dict_numbers,
	.labels = dict_labels,
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
	p->key = rcur_u8(c);
	if (p->key) {
		uint64_t keys = rcur_varint(c);

		if (p->key > COL_TEXT_KEYS || keys == 0 || keys > COL_STREAM_COUNT_MAX)
			return ERR_CORRUPT;
		p->keys_count = (uint32_t)keys;
		p->base.uses_keys |= 1u << (p->key - 1);
	}
	p->codes_bytes = rcur_bytes(c, rcur_left(c));
	if (c->err)
		return ERR_CORRUPT;
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
