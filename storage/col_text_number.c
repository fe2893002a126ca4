/*
 * A SHAPED page whose rows are texts with one number in each, or none, as ids are: "order-1234". If it has
 * few such templates its rows are written one after another, without the tables that others need; or
 * they are not written at all, but told by their numbers.
 */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/col_text_shape_int.h"

enum {
	TEMPLATES_MAX = 16,
	WINDOW = 512,
	/* Of rows that are told by their numbers, one in so many may be a text all the same. */
	TEXTS_PART = 4,
	/* Of rows with labels, one in so many. */
	LABEL_TEXTS_PART = 32,
	/* With one row in so many of other codes, rows are told run by run. */
	RUNS_PART = 16,
	/* Text in front of the number, copied at once where there is room behind it. */
	FRONT_BYTES = 16,
};

/* Of a slot's number; above it stands how many zeroes lead it. */
#define NUMBER_MASK ((UINT64_C(1) << COL_TOKEN_ZEROES_SHIFT) - 1)

/* A template while its rows are written. */
struct ids {
	const struct col_text_slot *slot; /* NULL: no number */
	struct col_stream *stream;
	struct span front;
	struct span back;
	uint8_t front_bytes[FRONT_BYTES];
	uint32_t rows_count;
	uint32_t read; /* numbers, up to the end of the window */
	uint32_t next; /* in the window */
	uint32_t have;
	int64_t window[WINDOW];
};

/* The slots but for words that never vary, of which the steps make text: one number at most. */
static bool is_simple(const struct col_text_shaped *p, const struct col_text_template *t)
{
	unsigned numbers = 0;

	if (t->sources || t->emails_count)
		return false;
	for (unsigned i = 0; i < t->slots_count; i++) {
		unsigned method = p->slots[t->slot_idx + i].method;

		if (method == COL_TEXT_WORD)
			continue;
		if (method != COL_TEXT_INT && method != COL_TEXT_PADDED)
			return false;
		numbers++;
	}
	return numbers <= 1;
}

/* Of templates that have rows each is simple. */
static bool all_simple(const struct col_text_shaped *p)
{
	if (p->templates_count > TEMPLATES_MAX)
		return false;
	for (uint32_t i = 0; i < p->templates_count; i++) {
		const struct col_text_template *t = &p->templates[i];

		if (t->rows_count > 0 && !is_simple(p, t))
			return false;
	}
	return true;
}

/* Every row has a template or is of the residue. */
static bool none_absent(const struct col_text_shaped *p)
{
	uint32_t rows = p->residue_count;

	for (uint32_t i = 0; i < p->templates_count; i++)
		rows += p->templates[i].rows_count;
	return rows == p->base.rows_count;
}

static int open_ids(struct col_text_shaped *p, struct col_text_template *t, struct ids *x)
{
	int rc = col_text_shape_steps(p, t);

	if (rc < 0)
		return rc;
	*x = (struct ids){ .rows_count = t->rows_count, .front = t->steps[0].text };
	x->slot = t->steps[0].slot;
	if (x->slot) {
		x->back = t->steps[1].text;
		ASSERT(t->steps[1].slot == NULL);
		rc = col_text_shape_stream(p, t, x->slot, 0, &x->stream);
	}
	if (x->front.n > 0 && x->front.n <= FRONT_BYTES)
		memcpy(x->front_bytes, x->front.p, x->front.n);
	return rc;
}

/* Rows of no template, read beforehand. */
struct residue {
	uint32_t *lengths;
	struct buf bytes;
	uint32_t next;
	size_t at;
};

static int read_residue(struct col_text_shaped *p, struct residue *r)
{
	int rc = p->residue_count > 0 ? col_text_shape_residue(p) : 0;

	if (rc < 0 || p->residue_count == 0)
		return rc;
	r->lengths = arena_alloc(p->base.work, p->residue_count * sizeof *r->lengths);
	return r->lengths ? p->residue->ops->all(p->residue, r->lengths, &r->bytes) : -ENOMEM;
}

static int put_residue(
	struct residue *r, uint32_t *length, uint8_t *dst, size_t left, size_t *out_bytes)
{
	size_t n;

	*length = r->lengths[r->next++];
	n = *length ? *length - 1 : 0;
	if (n > left || n > r->bytes.len - r->at)
		return ERR_CORRUPT;
	if (n > 0)
		memcpy(dst, r->bytes.p + r->at, n);
	r->at += n;
	*out_bytes = n;
	return 0;
}

static int fill_window(struct ids *x)
{
	uint32_t left = x->rows_count - x->read;

	if (left == 0)
		return ERR_CORRUPT;
	x->have = left < WINDOW ? left : WINDOW;
	x->next = 0;
	x->read += x->have;
	return col_stream_get(x->stream, x->read - x->have, x->have, x->window);
}

static unsigned digits_of(uint64_t v)
{
	unsigned n = 1;

	for (; v >= 10000; v /= 10000)
		n += 4;
	return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

static int next_number(struct ids *x, int64_t *out)
{
	int rc = x->next == x->have ? fill_window(x) : 0;

	if (rc == 0)
		*out = x->window[x->next++];
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

static int put_row(struct ids *x, uint32_t *length, uint8_t *dst, size_t left, size_t *out_bytes)
{
	int64_t number = 0;
	int rc = x->slot ? next_number(x, &number) : 0;
	uint64_t v = (uint64_t)number & NUMBER_MASK;
	unsigned digits = x->slot ? digits_of(v) : 0;

	if (x->slot && x->slot->method == COL_TEXT_PADDED && digits < x->slot->digits)
		digits = x->slot->digits;
	*out_bytes = x->front.n + digits + x->back.n;
	*length = (uint32_t)*out_bytes + 1;
	if (rc < 0 || *out_bytes > left)
		return rc < 0 ? rc : ERR_CORRUPT;
	if (x->front.n <= FRONT_BYTES && left >= FRONT_BYTES)
		memcpy(dst, x->front_bytes, FRONT_BYTES);
	else if (x->front.n > 0)
		memcpy(dst, x->front.p, x->front.n);
	if (digits > 0)
		col_token_print_decimal(v, digits, dst + x->front.n);
	if (x->back.n > 0)
		memcpy(dst + x->front.n + digits, x->back.p, x->back.n);
	return 0;
}

static int put_rows(const struct col_text_shaped *p, struct ids *all, struct residue *r,
	uint32_t *lengths, uint8_t *dst)
{
	size_t at = 0, bytes = p->base.raw_bytes, n;
	int rc = 0;

	for (uint32_t row = 0; row < p->base.rows_count && rc == 0; row++, at += n) {
		unsigned code = p->codes[row];

		if (code == COL_TEXT_RESIDUE)
			rc = put_residue(r, &lengths[row], dst + at, bytes - at, &n);
		else
			rc = put_row(&all[code - COL_TEXT_TEMPLATE], &lengths[row], dst + at,
				bytes - at, &n);
	}
	return rc == 0 && at != bytes ? ERR_CORRUPT : rc;
}

static int open_all(struct col_text_shaped *p, struct ids *all)
{
	int rc = col_text_shape_codes(p);

	for (uint32_t i = 0; i < p->templates_count && rc == 0; i++) {
		if (p->templates[i].rows_count > 0)
			rc = open_ids(p, &p->templates[i], &all[i]);
	}
	return rc;
}

int col_text_number_all(struct col_text_shaped *p, uint32_t *lengths, struct buf *bytes)
{
	struct residue residue = { .next = 0 };
	struct ids *all;
	int rc = col_text_shape_counts(p);

	if (rc < 0)
		return rc;
	if (!all_simple(p) || !none_absent(p))
		return COL_TEXT_NUMBER_NOT;
	buf_init(&residue.bytes, COL_TEXT_RAW_MAX);
	all = arena_alloc(p->base.work, (p->templates_count + 1) * sizeof *all);
	rc = all ? open_all(p, all) : -ENOMEM;
	if (rc == 0)
		rc = read_residue(p, &residue);
	if (rc == 0 && buf_reserve(bytes, (size_t)p->base.raw_bytes + 1) < 0)
		rc = bytes->err;
	if (rc == 0)
		rc = put_rows(p, all, &residue, lengths, bytes->p + bytes->len);
	if (rc == 0)
		bytes->len += p->base.raw_bytes;
	buf_fini(&residue.bytes);
	return rc;
}

/* ---- numbers that stay numbers ---- */

/* A template while its rows are told. */
struct teller {
	struct ids ids;
	enum { TELL_TEXT, TELL_CONSTANT, TELL_NUMBER } how;
	uint8_t forms[COL_TEXT_FORM_DIGITS_MAX + 1]; /* by digits; FORM_NONE: not so far */
	/* The form of the last number, which others between these have, too; NONE: they are texts. */
	uint64_t least, span;
	size_t bytes; /* of such a text */
	uint8_t form;
};

/* Texts are constants of templates, in whose places they stand, and behind them some rows'. */
struct split {
	struct col_text_shaped *page;
	struct col_text_numbers *out;
	struct teller *tellers; /* by template */
	struct span *texts;
	uint32_t *rows; /* that are told as texts */
	uint32_t rows_count;
	uint32_t rows_max;
	size_t bytes; /* of all rows so far */
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* What stands around the number lets it be the last one of the text. */
static bool is_form(const struct ids *x)
{
	if (x->front.n + x->back.n + COL_TEXT_FORM_DIGITS_MAX > COL_TEXT_FORM_BYTES_MAX)
		return false;
	if (x->front.n > 0 && is_digit(x->front.p[x->front.n - 1]))
		return false;
	for (size_t i = 0; i < x->back.n; i++) {
		if (is_digit(x->back.p[i]))
			return false;
	}
	return true;
}

static int open_teller(struct split *s, uint32_t template)
{
	struct col_text_template *t = &s->page->templates[template];
	struct teller *teller = &s->tellers[template];
	int rc;

	teller->how = TELL_TEXT;
	if (t->rows_count == 0 || !is_simple(s->page, t))
		return 0;
	rc = open_ids(s->page, t, &teller->ids);
	if (rc < 0)
		return rc;
	memset(teller->forms, COL_TEXT_FORM_NONE, sizeof teller->forms);
	teller->span = 0;
	s->texts[template] = teller->ids.front;
	if (!teller->ids.slot)
		teller->how = TELL_CONSTANT;
	else if (is_form(&teller->ids))
		teller->how = TELL_NUMBER;
	return 0;
}

static int open_tellers(struct split *s)
{
	int rc = 0;

	for (uint32_t i = 0; i < s->page->templates_count && rc == 0; i++)
		rc = open_teller(s, i);
	return rc;
}

/* A row whose text is fetched in the end, with all the others. */
static int tell_text(struct split *s, uint32_t row)
{
	if (s->rows_count == s->rows_max)
		return COL_TEXT_NUMBERS_NOT;
	s->out->form_of[row] = COL_TEXT_FORM_NONE;
	s->out->numbers[row] = s->page->templates_count + s->rows_count;
	s->rows[s->rows_count++] = row;
	return 0;
}

/* A form that the template has not had so far. */
static int add_form(struct split *s, struct teller *t, unsigned digits)
{
	struct col_text_numbers *out = s->out;

	if (out->forms_count == COL_TEXT_FORMS_MAX)
		return COL_TEXT_NUMBERS_NOT;
	out->forms[out->forms_count] = (struct col_text_form){ t->ids.front, t->ids.back, digits };
	t->forms[digits] = (uint8_t)out->forms_count++;
	return 0;
}

/* Turns to the form that the number has. */
static int find_form(struct split *s, struct teller *t, uint64_t v)
{
	const struct col_text_slot *slot = t->ids.slot;
	unsigned digits = digits_of(v);
	bool padded = slot->method == COL_TEXT_PADDED && digits <= slot->digits;
	int rc = 0;

	t->form = COL_TEXT_FORM_NONE;
	t->least = v;
	t->span = 1;
	digits = padded ? slot->digits : digits;
	if (digits > COL_TEXT_FORM_DIGITS_MAX)
		return 0;
	if (t->forms[digits] == COL_TEXT_FORM_NONE)
		rc = add_form(s, t, digits);
	t->form = t->forms[digits];
	for (unsigned i = 0; i < digits; i++)
		t->span *= 10;
	t->least = padded || digits == 1 ? 0 : t->span / 10;
	t->span -= t->least;
	t->bytes = t->ids.front.n + digits + t->ids.back.n;
	return rc;
}

/* A number that is not of the template's last form. */
static int tell_other(struct split *s, struct teller *t, uint32_t row, uint64_t v)
{
	int rc = find_form(s, t, v);

	if (rc != 0)
		return rc;
	if (t->form == COL_TEXT_FORM_NONE)
		return tell_text(s, row);
	s->out->form_of[row] = t->form;
	s->out->numbers[row] = (uint32_t)v;
	s->bytes += t->bytes;
	return 0;
}

static int tell_number(struct split *s, struct teller *t, uint32_t row)
{
	int64_t number = 0;
	int rc = next_number(&t->ids, &number);
	uint64_t v = (uint64_t)number & NUMBER_MASK;

	if (rc < 0)
		return rc;
	if (v - t->least >= t->span || t->form == COL_TEXT_FORM_NONE)
		return tell_other(s, t, row, v);
	s->out->form_of[row] = t->form;
	s->out->numbers[row] = (uint32_t)v;
	s->bytes += t->bytes;
	return 0;
}

/* So many rows of the template, one after another; the loop ends where a number has another form. */
static int tell_numbers(struct split *s, struct teller *t, uint32_t row, uint32_t count)
{
	struct ids *x = &t->ids;
	uint32_t i, n;

	for (uint32_t end = row + count; row < end; row += i) {
		int rc = x->next == x->have ? fill_window(x) : 0;
		const int64_t *window = x->window + x->next;

		if (rc < 0)
			return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
		n = end - row < x->have - x->next ? end - row : x->have - x->next;
		for (i = 0; i < n; i++) {
			uint64_t v = (uint64_t)window[i] & NUMBER_MASK;

			if (v - t->least >= t->span || t->form == COL_TEXT_FORM_NONE)
				break;
			s->out->form_of[row + i] = t->form;
			s->out->numbers[row + i] = (uint32_t)v;
		}
		s->bytes += i * t->bytes;
		if (i == 0)
			rc = tell_other(s, t, row, (uint64_t)window[i++] & NUMBER_MASK);
		if (rc != 0)
			return rc;
		x->next += i;
	}
	return 0;
}

static int tell_row(struct split *s, unsigned code, uint32_t row)
{
	uint32_t template = code - COL_TEXT_TEMPLATE;

	if (code == COL_TEXT_ABSENT) {
		s->out->form_of[row] = COL_TEXT_FORM_ABSENT;
		return 0;
	}
	if (code == COL_TEXT_RESIDUE || s->tellers[template].how == TELL_TEXT)
		return tell_text(s, row);
	if (s->tellers[template].how == TELL_NUMBER)
		return tell_number(s, &s->tellers[template], row);
	s->out->form_of[row] = COL_TEXT_FORM_NONE;
	s->out->numbers[row] = template;
	s->bytes += s->texts[template].n;
	return 0;
}

/* So many rows of one code, one after another. */
static int tell_rows(struct split *s, unsigned code, uint32_t row, uint32_t count)
{
	struct teller *t = code >= COL_TEXT_TEMPLATE ? &s->tellers[code - COL_TEXT_TEMPLATE] : NULL;
	int rc = 0;

	if (t && t->how == TELL_NUMBER)
		return tell_numbers(s, t, row, count);
	for (uint32_t i = row; i < row + count && rc == 0; i++)
		rc = tell_row(s, code, i);
	return rc;
}

/* All rows that are told as texts are of the residue: they are all of it, in its order. */
static int get_residue(struct split *s, struct buf *bytes, struct col_text_value *values)
{
	struct residue r = { .next = 0 };
	uint32_t off = 0;
	int rc;

	buf_init(&r.bytes, COL_TEXT_RAW_MAX);
	rc = read_residue(s->page, &r);
	for (uint32_t i = 0; i < s->rows_count && rc == 0; i++) {
		values[i] = (struct col_text_value){ off, r.lengths[i] };
		off += r.lengths[i] ? r.lengths[i] - 1 : 0;
	}
	if (rc == 0 && off != r.bytes.len)
		rc = ERR_CORRUPT;
	if (rc == 0)
		buf_put(bytes, r.bytes.p, r.bytes.len);
	buf_fini(&r.bytes);
	return rc < 0 ? rc : bytes->err;
}

/* The texts of rows that are told so, in mem. */
static int fetch_texts(struct split *s, struct arena *mem)
{
	struct col_text_shaped *p = s->page;
	struct span *texts = s->texts + p->templates_count;
	struct col_text_value *values =
		arena_alloc(p->base.work, (s->rows_count + 1) * sizeof *values);
	const uint8_t *copy;
	struct buf bytes;
	int rc;

	if (!values)
		return -ENOMEM;
	buf_init(&bytes, COL_TEXT_RAW_MAX);
	if (s->rows_count == p->residue_count)
		rc = get_residue(s, &bytes, values);
	else
		rc = col_text_shape_get(&p->base, s->rows, s->rows_count, &bytes, values);
	copy = rc == 0 ? arena_dup(mem, bytes.p, bytes.len) : NULL;
	if (rc == 0 && !copy)
		rc = -ENOMEM;
	for (uint32_t i = 0; i < s->rows_count && rc == 0; i++) {
		/* An absent row has a code of its own. */
		if (values[i].length == 0)
			rc = ERR_CORRUPT;
		texts[i] = span_of(copy + values[i].off, values[i].length - 1);
		s->bytes += texts[i].n;
	}
	buf_fini(&bytes);
	return rc;
}

/* Nearly all rows of the step have one code: it has long runs. */
static bool is_even(const struct split *s, uint32_t step, uint32_t rows)
{
	const struct col_text_shaped *p = s->page;

	for (uint32_t code = 0; code < COL_TEXT_TEMPLATE + p->templates_count; code++) {
		uint32_t n = col_text_shape_before(p, step + 1, code) -
			     col_text_shape_before(p, step, code);

		if (n > rows - rows / RUNS_PART)
			return true;
	}
	return false;
}

static int tell_step(struct split *s, uint32_t step)
{
	uint16_t room[COL_TEXT_STEP_ROWS];
	uint32_t first = step * COL_TEXT_STEP_ROWS, left = s->page->base.rows_count - first;
	uint32_t rows = left < COL_TEXT_STEP_ROWS ? left : COL_TEXT_STEP_ROWS;
	bool even = is_even(s, step, rows);
	const uint16_t *codes;
	int rc = col_text_shape_codes_once(s->page, step, room, &codes);

	for (uint32_t at = 0; at < rows && rc == 0 && !even; at++)
		rc = tell_row(s, codes[at], first + at);
	for (uint32_t at = 0, n; at < rows && rc == 0 && even; at += n) {
		for (n = 1; at + n < rows && codes[at + n] == codes[at];)
			n++;
		rc = tell_rows(s, codes[at], first + at, n);
	}
	return rc;
}

static int tell(struct split *s, struct arena *mem)
{
	const struct col_text_shaped *p = s->page;
	int rc = open_tellers(s);

	for (uint32_t step = 0; step * COL_TEXT_STEP_ROWS < p->base.rows_count && rc == 0; step++)
		rc = tell_step(s, step);
	if (rc == 0 && s->rows_count > 0)
		rc = fetch_texts(s, mem);
	return rc == 0 && s->bytes != p->base.raw_bytes ? ERR_CORRUPT : rc;
}

int col_text_number_split(
	struct col_text_shaped *p, struct arena *mem, struct col_text_numbers *out)
{
	struct split s = { .page = p, .out = out, .rows_max = p->base.rows_count / TEXTS_PART };
	int rc = col_text_shape_counts(p);

	if (rc < 0)
		return rc;
	if (p->templates_count > TEMPLATES_MAX || p->residue_count > s.rows_max)
		return COL_TEXT_NUMBERS_NOT;
	s.tellers = arena_alloc(p->base.work, p->templates_count * sizeof *s.tellers);
	s.rows = arena_alloc(p->base.work, (s.rows_max + 1) * sizeof *s.rows);
	s.texts = arena_calloc(
		p->base.work, (size_t)p->templates_count + s.rows_max, sizeof *s.texts);
	if (!s.tellers || !s.rows || !s.texts)
		return -ENOMEM;
	out->forms_count = 0;
	rc = tell(&s, mem);
	if (rc != 0)
		return rc;
	out->texts = arena_dup(
		mem, s.texts, ((size_t)p->templates_count + s.rows_count) * sizeof *s.texts);
	return out->texts ? 0 : -ENOMEM;
}

/* ---- numbers as labels ---- */

/* All rows', for this question. COL_TEXT_NUMBERS_NOT, or too many texts to be kept. */
static int label_rows(struct col_text_shaped *p, uint32_t *label_of, struct col_text_labels *out)
{
	struct arena *work = p->base.work;
	uint32_t rows = p->base.rows_count;
	struct col_text_numbers *n = arena_alloc(work, sizeof *n);
	int rc;

	if (!n)
		return -ENOMEM;
	n->form_of = arena_alloc(work, rows * sizeof *n->form_of);
	n->numbers = arena_alloc(work, rows * sizeof *n->numbers);
	if (!n->form_of || !n->numbers)
		return -ENOMEM;
	rc = col_text_number_split(p, work, n);
	if (rc == 0)
		rc = col_text_label_texts(n, rows, work, out, label_of);
	if (rc == 0 && out->absent - out->texts_first > TEMPLATES_MAX + rows / LABEL_TEXTS_PART)
		rc = COL_TEXT_LABELS_NOT;
	return rc;
}

int col_text_number_labels(struct col_text_page *base, const uint16_t *rows, size_t count,
	uint32_t *out, const struct col_text_labels **labels)
{
	struct col_text_shaped *p = (struct col_text_shaped *)base;
	struct col_text_labels l;
	uint32_t *label_of;
	int rc;

	if (p->no_labels)
		return COL_TEXT_LABELS_NOT;
	label_of = arena_alloc(base->work, base->rows_count * sizeof *label_of);
	rc = label_of ? label_rows(p, label_of, &l) : -ENOMEM;
	p->no_labels = rc > 0;
	if (rc != 0)
		return rc < 0 ? rc : COL_TEXT_LABELS_NOT;
	if (!p->labels)
		p->labels = col_text_label_keep(&l, base->mem);
	for (size_t i = 0; i < count; i++)
		out[i] = label_of[rows ? rows[i] : i];
	*labels = p->labels;
	return p->labels ? 0 : -ENOMEM;
}
