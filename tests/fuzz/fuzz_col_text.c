/*
 * Goal: no page of text makes a reader read outside the page, give more than the page declares, or
 *       take more than its arena; what whole reading gives, single rows give too, and an equal page
 *       comes of what was read.
 * Input: u8 rows, the page. The columns that it may refer to have fixed values.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "storage/col_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { ROWS_MAX = 256, ARENA_BYTES = 128 << 20 };

static const char *const values[] = { "ord-1", "order", "usr-7", "10.0.0.1", "auth", "app-01" };

static int source(
	void *ctx, enum col_text_source s, const uint32_t *rows, size_t count, struct span *out)
{
	(void)ctx;
	for (size_t i = 0; i < count; i++)
		out[i] = (rows ? rows[i] : i) % 16 ? span_str(values[s]) : SPAN_NONE;
	return 0;
}

static int key(void *ctx, enum col_text_key k, const uint32_t *rows, size_t count, uint32_t *out)
{
	(void)ctx;
	for (size_t i = 0; i < count; i++)
		out[i] = (rows[i] + k) % 3;
	return 0;
}

static int leaf(
	void *ctx, uint32_t l, const uint32_t *rows, size_t count, struct col_text_leaf *out)
{
	(void)ctx;
	for (size_t i = 0; i < count; i++)
		out[i] = (struct col_text_leaf){ .kind = (uint8_t)((l + rows[i] / 100) % 4),
			.scale = 1,
			.number = rows[i],
			.word = SPAN_LIT("leaf") };
	return 0;
}

static int source_letters(void *ctx, enum col_text_source s, struct col_letters *out)
{
	(void)ctx;
	col_letters_add(out, span_str(values[s]));
	return 0;
}

static int leaves_letters(void *ctx, const uint8_t *leaves, uint32_t count, struct col_letters *out)
{
	(void)ctx;
	if (memchr(leaves, 1, count))
		col_letters_add(out, SPAN_LIT("leaf"));
	return 0;
}

static const struct col_text_env env = { .source = source,
	.key = key,
	.leaf = leaf,
	.source_letters = source_letters,
	.leaves_letters = leaves_letters };

static struct span value_at(const struct buf *b, size_t off, uint32_t length)
{
	return length ? span_of(b->p + off, length - 1) : SPAN_NONE;
}

/* One row, and questions whose answers are known. */
static void ask(struct col_text *t, uint32_t row, struct span want)
{
	struct buf one;
	struct col_text_value v;
	struct textset set;
	struct needle x;
	uint8_t match[ROWS_MAX];
	struct col_letters letters = { 0 };

	buf_init(&one, COL_TEXT_RAW_MAX);
	ASSERT(buf_reserve(&one, 1) == 0);
	ASSERT(col_text_get(t, &row, 1, &one, &v) == 0);
	ASSERT(v.length == (want.p ? want.n + 1 : 0));
	ASSERT(span_eq(want, value_at(&one, v.off, v.length)));
	buf_fini(&one);
	memset(match, 1, sizeof match);
	ASSERT(textset_init(&set, &want, 1) == 0);
	(void)col_text_equal(t, &set, match);
	textset_fini(&set);
	memset(match, 1, sizeof match);
	ASSERT(needle_init(&x, want.n ? span_of(want.p, 1 + want.n / 2) : SPAN_LIT("a")) == 0);
	(void)col_text_contains(t, &x, match);
	(void)col_text_letters(t, &letters);
	needle_fini(&x);
}

/* A value told by its number, or not told so. */
static void ask_number(const struct col_text_numbers *n, uint32_t at, struct span want)
{
	char told[COL_TEXT_FORM_BYTES_MAX + 1];
	const struct col_text_form *f;
	size_t length;

	if (n->form_of[at] == COL_TEXT_FORM_ABSENT || n->form_of[at] == COL_TEXT_FORM_NONE) {
		bool has = n->form_of[at] == COL_TEXT_FORM_NONE;

		ASSERT(has == (want.p != NULL));
		ASSERT(!has || span_eq(n->texts[n->numbers[at]], want));
		return;
	}
	ASSERT(n->form_of[at] < n->forms_count);
	f = &n->forms[n->form_of[at]];
	length = f->front.n + f->digits + f->back.n;
	ASSERT(length <= COL_TEXT_FORM_BYTES_MAX);
	memcpy(told, f->front.p, f->front.n);
	ASSERT(sprintf(told + f->front.n, "%0*u", (int)f->digits, n->numbers[at]) ==
		(int)f->digits);
	memcpy(told + f->front.n + f->digits, f->back.p, f->back.n);
	ASSERT(span_eq(span_of(told, length), want));
}

/* All values by their numbers, where the page has them. */
static void ask_numbers(struct col_text *t, const struct buf *bytes, const uint32_t *lengths)
{
	uint32_t numbers[ROWS_MAX], codes[ROWS_MAX], rows[ROWS_MAX];
	uint8_t forms[ROWS_MAX];
	struct col_text_numbers n = { .form_of = forms, .numbers = numbers };
	size_t at = 0;

	if (col_text_numbers(t, &n) != 0)
		return;
	for (uint32_t i = 0; i < t->rows_count; i++)
		rows[i] = i;
	if (col_text_entries(t) > 0 && col_text_codes(t, rows, t->rows_count, codes) < 0)
		return;
	for (uint32_t i = 0; i < t->rows_count; i++) {
		struct span want = value_at(bytes, at, lengths[i]);

		if (col_text_entries(t) == 0)
			ask_number(&n, i, want);
		else if (codes[i] == 0)
			ASSERT(!want.p);
		else
			ask_number(&n, codes[i] - 1, want);
		at += want.n;
	}
}

/* Labels of all rows, and of every third one. */
static void ask_labels(struct col_text *t, const struct buf *bytes, const uint32_t *lengths)
{
	uint16_t rows[ROWS_MAX];
	uint32_t of[ROWS_MAX], some[ROWS_MAX], count = 0;
	const struct col_text_labels *l;
	size_t at = 0;

	if (col_text_labels(t, NULL, t->rows_count, of, &l) != 0)
		return;
	for (uint32_t i = 0; i < t->rows_count; i += 3)
		rows[count++] = (uint16_t)i;
	ASSERT(col_text_labels(t, rows, count, some, &l) == 0);
	for (uint32_t i = 0; i < t->rows_count; i++) {
		struct span want = value_at(bytes, at, lengths[i]);
		struct col_text_numbers n = { .forms_count = 1, .texts = l->texts };
		const struct col_text_range *r = l->ranges;
		uint8_t form = COL_TEXT_FORM_NONE;
		uint32_t number = of[i] - l->texts_first;

		ASSERT(of[i] <= l->absent);
		ASSERT(i % 3 || some[i / 3] == of[i]);
		while (of[i] < l->texts_first && of[i] >= r->end)
			r++;
		if (of[i] == l->absent)
			form = COL_TEXT_FORM_ABSENT;
		else if (of[i] < l->texts_first) {
			form = 0;
			n.forms[0] = r->form;
			number = r->least + (of[i] - r->first);
		}
		n.form_of = &form;
		n.numbers = &number;
		ask_number(&n, 0, want);
		at += want.n;
	}
}

static void again(
	const struct buf *bytes, const uint32_t *lengths, uint32_t rows, struct arena *mem)
{
	struct span column[ROWS_MAX];
	uint32_t got_lengths[ROWS_MAX];
	struct col_text_in in = { .rows_count = rows, .values = column };
	struct col_text_maker maker;
	struct buf page, got;
	struct col_text t;
	size_t at = 0;

	for (uint32_t i = 0; i < rows; i++) {
		column[i] = value_at(bytes, at, lengths[i]);
		at += column[i].n;
	}
	col_text_maker_init(&maker);
	buf_init(&page, 64 << 20);
	buf_init(&got, COL_TEXT_RAW_MAX + 1);
	ASSERT(buf_reserve(&got, 1) == 0);
	ASSERT(col_text_put(&maker, &in, &page) == 0);
	ASSERT(col_text_open(&t, buf_span(&page), rows, NULL, mem) == 0);
	ASSERT(col_text_all(&t, got_lengths, &got) == 0);
	ASSERT(memcmp(got_lengths, lengths, rows * sizeof *lengths) == 0);
	ASSERT(span_eq(buf_span(&got), buf_span(bytes)));
	buf_fini(&got);
	buf_fini(&page);
	col_text_maker_fini(&maker);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint32_t lengths[ROWS_MAX], rows;
	struct col_text t;
	struct arena mem;
	struct buf bytes;
	size_t at = 0;

	if (n < 2)
		return 0;
	rows = 1 + p[0] % ROWS_MAX;
	arena_init(&mem, ARENA_BYTES);
	buf_init(&bytes, COL_TEXT_RAW_MAX + 1);
	/* An empty value has an address too. */
	ASSERT(buf_reserve(&bytes, 1) == 0);
	if (col_text_open(&t, span_of(p + 1, n - 1), rows, &env, &mem) == 0) {
		ASSERT(t.raw_bytes <= COL_TEXT_RAW_MAX);
		if (col_text_all(&t, lengths, &bytes) == 0) {
			ASSERT(bytes.len == t.raw_bytes);
			for (uint32_t i = 0; i < rows; i++) {
				if (i % 64 == 0)
					ask(&t, i, value_at(&bytes, at, lengths[i]));
				at += col_bytes_length(lengths[i]);
			}
			ask_labels(&t, &bytes, lengths);
			ask_numbers(&t, &bytes, lengths);
			again(&bytes, lengths, rows, &mem);
		}
		ASSERT(bytes.len <= t.raw_bytes);
	}
	buf_fini(&bytes);
	arena_fini(&mem);
	return 0;
}
