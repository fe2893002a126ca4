/*
 * SHAPED pages: cut every text, write template by template.
 *
 * SHAPED PAGE                                       after the kind byte
 *   varint   raw bytes of all rows
 *   varint   templates, varint words of the pool
 *   varint   bytes, a page of BYTES: the pool: the templates' patterns (col_token.h), then the words
 *   u8       0, or 1 + the key on which the codes depend; then for each key below the varint count:
 *            varint codes it has, their varints
 *   varint   bytes of the stream of codes: 0 absent, 1 residue, 2 + template; with a key: the place
 *            in the key's list
 *   varint   bytes of a stream of counts: for each 4,096 rows how many have each code; 0: none
 *   for each template: for each token of its pattern (but EMAIL and COPY, of which nothing is
 *            written): u8 method, its arguments, a varint of bytes for each of its streams
 *   varint   bytes, a page of text: all e-mail addresses, in order of rows; 0: none
 *   varint   bytes, a page of BYTES: the residue; 0: none
 *   the streams, in the order of their varints: codes, counts, then slots
 * How many rows a template has follows from the codes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_pack.h"
#include "storage/col_text_put_int.h"

/* Texts lie all over the memory: those of rows soon to come are asked for ahead. */
enum { PREFETCH_ROWS = 6 };

/* One column on its way. */
struct shaping {
	struct col_text_work *w;
	const struct col_text_in *in;
	unsigned sources;                     /* bit 1 << s: looked for */
	struct col_token_sources row_sources; /* of the row under way */
	const uint32_t *hints;                /* a key, or NULL */
	uint32_t *codes; /* one a row: while gathering 2 + index of the shape */
	uint32_t kept_count;
	uint16_t kept[LIMIT_TEXT_TEMPLATES]; /* shapes that become templates */
	uint64_t raw_bytes;
};

static uint32_t cut_row(struct shaping *s, uint32_t row)
{
	struct span text = s->in->values[row];
	uint32_t idx;

	if (!text.p)
		return COL_TEXT_ABSENT;
	for (unsigned left = s->sources; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		s->row_sources.values[i] = s->in->sources[i][row];
	}
	idx = col_shape_set_add(&s->w->shapes, text, s->sources ? &s->row_sources : NULL,
		s->hints ? s->hints[row] : 0);
	return idx == COL_SHAPE_NONE ? COL_TEXT_RESIDUE : COL_TEXT_TEMPLATE + idx;
}

/* ---- the sample ---- */

/* Sources that too few of the sampled rows show only make templates more. */
static void drop_rare_sources(struct shaping *s, uint32_t rows)
{
	uint32_t hits[8] = { 0 };

	for (uint32_t i = 0; i < s->w->shapes.shapes_count; i++) {
		const struct col_shape *h = &s->w->shapes.shapes[i];

		for (unsigned k = 0; k < h->slots_count; k++) {
			if (h->slots[k].class == COL_TOKEN_COPY)
				hits[h->slots[k].param & 7] += h->rows_count;
		}
	}
	for (unsigned i = 0; i < COL_TEXT_SOURCES; i++) {
		if (hits[i] * 128 >= rows)
			continue;
		s->sources &= ~(1u << i);
		s->row_sources.values[i] = SPAN_NONE;
	}
}

/* Whether a quarter of the sampled rows have a form that others have too. */
static bool sample_suits(struct shaping *s)
{
	uint32_t rows = s->in->rows_count, run = COL_TEXT_SAMPLE_ROWS / COL_TEXT_SAMPLE_RUNS;
	uint32_t step = rows / COL_TEXT_SAMPLE_RUNS, seen = 0, common = 0;

	if (rows <= COL_TEXT_SAMPLE_ROWS)
		step = run;
	col_shape_set_reset(&s->w->shapes);
	for (uint32_t i = 0; i < COL_TEXT_SAMPLE_RUNS; i++) {
		for (uint32_t row = i * step; row < i * step + run && row < rows; row++)
			seen += cut_row(s, row) != COL_TEXT_ABSENT;
	}
	for (uint32_t i = 0; i < s->w->shapes.shapes_count; i++) {
		uint32_t n = s->w->shapes.shapes[i].rows_count;

		common += n >= 4 ? n : 0;
	}
	drop_rare_sources(s, seen);
	return common * 4 >= seen && seen > 0;
}

/* ---- gathering ---- */

static bool cut_rows(struct shaping *s)
{
	uint32_t rows = s->in->rows_count;

	s->codes = col_text_work_array(&s->w->codes, rows, sizeof *s->codes);
	if (!s->codes)
		return false;
	col_shape_set_reset(&s->w->shapes);
	for (uint32_t row = 0; row < rows; row++) {
		if (row + PREFETCH_ROWS < rows) {
			const uint8_t *ahead = s->in->values[row + PREFETCH_ROWS].p;

			__builtin_prefetch(ahead);
			__builtin_prefetch(ahead + 64);
		}
		s->codes[row] = cut_row(s, row);
		s->raw_bytes += s->in->values[row].n;
	}
	return true;
}

/* Shapes of enough rows become templates, in order of appearance; rows of the others residue. */
static void keep_shapes(struct shaping *s)
{
	const struct col_shape_set *set = &s->w->shapes;
	uint16_t code_of[COL_SHAPE_COUNT_MAX + COL_TEXT_TEMPLATE] = { COL_TEXT_ABSENT,
		COL_TEXT_RESIDUE };
	uint32_t slots = 0;

	s->kept_count = 0;
	for (uint32_t i = 0; i < set->shapes_count; i++) {
		const struct col_shape *h = &set->shapes[i];
		uint16_t *code = &code_of[COL_TEXT_TEMPLATE + i];

		*code = COL_TEXT_RESIDUE;
		if (h->rows_count < COL_TEXT_TEMPLATE_ROWS_MIN ||
			s->kept_count == LIMIT_TEXT_TEMPLATES ||
			slots + h->slots_count > LIMIT_TEXT_SLOTS)
			continue;
		slots += h->slots_count;
		*code = (uint16_t)(COL_TEXT_TEMPLATE + s->kept_count);
		s->kept[s->kept_count++] = (uint16_t)i;
	}
	for (uint32_t row = 0; row < s->in->rows_count; row++)
		s->codes[row] = code_of[s->codes[row]];
}

/* ---- pages inside ---- */

static void put_inside(struct col_text_work *w, const struct col_text_in *in, bool plain)
{
	struct col_text_work *inner = col_text_work_inner(w);
	struct buf *page;

	if (!inner) {
		w->head.err = -ENOMEM;
		return;
	}
	page = &w->inside;
	buf_reset(page);
	if (plain)
		col_text_bytes_put(in->values, in->rows_count, in->level, inner->scratch, page);
	else
		col_text_put_page(inner, in, page);
	if (page->err) {
		w->head.err = page->err;
		return;
	}
	col_pack_varint(&w->head, page->len);
	buf_put_span(&w->head, buf_span(page));
}

static void put_spans(
	struct shaping *s, const struct buf *spans, const struct buf *keys, bool plain)
{
	struct col_text_in in = { .rows_count = (uint32_t)(spans->len / sizeof(struct span)),
		.values = (const struct span *)(const void *)spans->p,
		.level = s->in->level };

	if (keys) {
		in.keys[COL_TEXT_KEY_USER_ID] = (const uint32_t *)(const void *)keys->p;
		in.keys_count[COL_TEXT_KEY_USER_ID] = s->in->keys_count[COL_TEXT_KEY_USER_ID];
	}
	if (keys && keys->err)
		s->w->head.err = keys->err;
	else if (spans->err)
		s->w->head.err = spans->err;
	else if (in.rows_count == 0)
		col_pack_varint(&s->w->head, 0);
	else
		put_inside(s->w, &in, plain);
}

static void put_residue(struct shaping *s)
{
	struct buf *spans = &s->w->spans;

	buf_reset(spans);
	for (uint32_t row = 0; row < s->in->rows_count; row++) {
		if (s->codes[row] == COL_TEXT_RESIDUE)
			buf_put(spans, &s->in->values[row], sizeof(struct span));
	}
	put_spans(s, spans, NULL, true);
}

/* Where the next row of each template with e-mail addresses is. */
struct email_cursor {
	const struct col_shape_block *block;
	uint32_t row;
};

static void add_emails(
	const struct col_shape *h, struct email_cursor *at, struct span text, struct buf *spans)
{
	const uint64_t *tuple;

	if (at->row == at->block->rows_count) {
		at->block = at->block->next;
		at->row = 0;
	}
	tuple = at->block->values + (size_t)at->row++ * h->width;
	for (unsigned i = 0; i < h->slots_count; i++) {
		struct span email;

		if (h->slots[i].class != COL_TOKEN_EMAIL)
			continue;
		email = col_shape_placed(text, tuple[h->slots[i].at]);
		buf_put(spans, &email, sizeof email);
	}
}

static void put_emails(struct shaping *s)
{
	const uint32_t *users = s->in->level > 0 ? s->in->keys[COL_TEXT_KEY_USER_ID] : NULL;
	struct buf *spans = &s->w->spans, *keys = &s->w->keys;
	struct email_cursor *at = calloc((size_t)s->kept_count + 1, sizeof *at);

	if (!at) {
		s->w->head.err = -ENOMEM;
		return;
	}
	buf_reset(spans);
	buf_reset(keys);
	for (uint32_t i = 0; i < s->kept_count; i++)
		at[i].block = s->w->shapes.shapes[s->kept[i]].first;
	for (uint32_t row = 0; row < s->in->rows_count; row++) {
		uint32_t i = s->codes[row] - COL_TEXT_TEMPLATE;
		const struct col_shape *h;

		if (s->codes[row] < COL_TEXT_TEMPLATE)
			continue;
		h = &s->w->shapes.shapes[s->kept[i]];
		if (h->emails_count == 0)
			continue;
		add_emails(h, &at[i], s->in->values[row], spans);
		for (unsigned k = 0; users && k < h->emails_count; k++)
			buf_put(keys, &users[row], sizeof users[row]);
	}
	free(at);
	put_spans(s, spans, users ? keys : NULL, false);
}

/* ---- the page ---- */

/* Row numbers of each template, one after another in w->rows; starts has a place for each and one. */
static uint32_t *sort_rows(struct shaping *s, uint32_t *starts)
{
	uint32_t *rows = col_text_work_array(&s->w->rows, s->in->rows_count, sizeof *rows);
	uint32_t at = 0;

	if (!rows)
		return NULL;
	for (uint32_t i = 0; i < s->kept_count; i++) {
		starts[i] = at;
		at += s->w->shapes.shapes[s->kept[i]].rows_count;
	}
	for (uint32_t row = 0; row < s->in->rows_count; row++) {
		if (s->codes[row] >= COL_TEXT_TEMPLATE)
			rows[starts[s->codes[row] - COL_TEXT_TEMPLATE]++] = row;
	}
	for (uint32_t i = 0; i < s->kept_count; i++)
		starts[i] -= s->w->shapes.shapes[s->kept[i]].rows_count;
	return rows;
}

static void put_templates(struct shaping *s)
{
	uint32_t starts[LIMIT_TEXT_TEMPLATES];
	uint32_t *rows = sort_rows(s, starts);
	struct col_text_work *w = s->w;
	uint64_t *locals =
		col_text_work_array(&w->locals, (size_t)w->shapes.words_count + 1, sizeof *locals);

	if (!rows || !locals) {
		w->head.err = -ENOMEM;
		return;
	}
	memset(locals, 0, ((size_t)w->shapes.words_count + 1) * sizeof *locals);
	w->serial = 0;
	for (uint32_t i = 0; i < s->kept_count; i++) {
		struct col_text_slots slots = { .w = w,
			.in = s->in,
			.shape = &w->shapes.shapes[s->kept[i]],
			.rows = rows + starts[i] };

		col_text_slots_put(&slots);
	}
}

static void put_patterns(struct shaping *s)
{
	buf_reset(&s->w->pool);
	for (uint32_t i = 0; i < s->kept_count; i++)
		buf_put(&s->w->pool, &s->w->shapes.shapes[s->kept[i]].pattern, sizeof(struct span));
}

/* What stands before the head: it needs the words that writing the head has collected. */
static int put_front(struct shaping *s, struct buf *out)
{
	struct col_text_work *w = s->w;
	uint32_t entries = (uint32_t)(w->pool.len / sizeof(struct span));
	struct buf *page = &w->table;

	buf_reset(page);
	col_text_bytes_put((const struct span *)(const void *)w->pool.p, entries, s->in->level,
		w->scratch, page);
	/* A limit of ours: the values may fit BYTES all the same. */
	if (page->err || w->head.err || w->body.err)
		return 1;
	buf_put_u8(out, COL_TEXT_SHAPED);
	col_pack_varint(out, s->raw_bytes);
	col_pack_varint(out, s->kept_count);
	col_pack_varint(out, entries - s->kept_count);
	col_pack_varint(out, page->len);
	buf_put_span(out, buf_span(page));
	buf_put_span(out, buf_span(&w->head));
	buf_put_span(out, buf_span(&w->body));
	return 0;
}

/* false: out of memory. */
static bool begin(struct shaping *s, struct col_text_work *w, const struct col_text_in *in)
{
	*s = (struct shaping){ .w = w, .in = in };
	if (!w->shapes_ready && col_shape_set_init(&w->shapes) < 0)
		return false;
	w->shapes_ready = true;
	w->shapes.emails = w->depth == 0;
	for (unsigned i = 0; i < COL_TEXT_SOURCES; i++)
		s->sources |= in->sources[i] ? 1u << i : 0;
	s->hints = in->keys[COL_TEXT_KEY_EVENT_TYPE];
	return true;
}

bool col_text_shape_copies(struct col_text_work *w, const struct col_text_in *in)
{
	struct shaping s;
	uint32_t rows = 0, copies = 0;

	if (!begin(&s, w, in) || !s.sources || !sample_suits(&s))
		return false;
	for (uint32_t i = 0; i < w->shapes.shapes_count; i++) {
		const struct col_shape *h = &w->shapes.shapes[i];
		bool copy = false;

		for (unsigned k = 0; k < h->slots_count; k++)
			copy |= h->slots[k].class == COL_TOKEN_COPY;
		rows += h->rows_count;
		copies += copy ? h->rows_count : 0;
	}
	return copies * 2 >= rows;
}

int col_text_shape_put(struct col_text_work *w, const struct col_text_in *in, struct buf *out)
{
	struct shaping s;

	if (!begin(&s, w, in))
		return 1;
	if (!sample_suits(&s) || !cut_rows(&s))
		return 1;
	keep_shapes(&s);
	if (s.kept_count == 0)
		return 1;
	w->streams.level = in->level;
	buf_reset(&w->head);
	buf_reset(&w->body);
	put_patterns(&s);
	col_text_codes_put(w, in, COL_TEXT_TEMPLATE + s.kept_count);
	put_templates(&s);
	put_emails(&s);
	put_residue(&s);
	return put_front(&s, out);
}
