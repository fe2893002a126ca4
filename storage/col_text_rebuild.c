/*
 * Rows of a SHAPED page rebuilt, a batch at a time: first the numbers of each template's rows, slot
 * by slot, then the texts row by row. So a whole column is read in streams, and one row of many
 * touches the frames that hold it and no others.
 */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_shape_int.h"

/* The rows of one template in the batch. */
struct part {
	uint32_t first; /* in ranks */
	uint32_t count;
	uint32_t next; /* the row to be written next */
	int64_t *columns;
};

struct col_text_batch {
	uint32_t rows_max;
	uint32_t emails_max;
	struct part *parts; /* one a template */
	struct col_text_rank *rows;
	uint32_t *ranks; /* of the rows in their templates, template by template */
	int64_t *values; /* the templates' columns */
	struct span *sources[COL_TEXT_SOURCES];
	struct col_text_leaf *leaves;
	uint32_t *email_idx;
	struct col_text_value *emails;
	uint32_t emails_count;
	uint32_t *residue_idx;
	struct col_text_value *residue;
	uint32_t residue_count;
	struct buf inside; /* bytes of e-mail addresses and residue; reserved in the arena */
};

/* Appends to a buffer, within what the page may give. */
struct writer {
	struct buf *out;
	size_t budget;
	size_t start;
	int err;
};

static void put(struct writer *w, const void *p, size_t n)
{
	struct buf *b = w->out;

	if (n > w->budget) {
		w->err = ERR_CORRUPT;
		return;
	}
	w->budget -= n;
	if (n <= b->cap - b->len && !b->err) {
		if (n > 0)
			memcpy(b->p + b->len, p, n);
		b->len += n;
		return;
	}
	buf_put(b, p, n);
}

/* The same of text that has COL_TEXT_PAD bytes behind it: short ones need no call. */
static inline void put_padded(struct writer *w, const uint8_t *p, size_t n)
{
	struct buf *b = w->out;

	if (n > w->budget || b->err || b->cap - b->len < n + COL_TEXT_PAD) {
		put(w, p, n);
		return;
	}
	w->budget -= n;
	for (size_t i = 0; i < n; i += COL_TEXT_PAD)
		memcpy(b->p + b->len + i, p + i, COL_TEXT_PAD);
	b->len += n;
}

/* ---- memory ---- */

/* Rows of a batch where count are asked for: for few of them, not much more. */
static size_t batch_rows(const struct col_text_shaped *p, size_t count)
{
	size_t row_bytes = p->columns_max * sizeof(int64_t) + p->emails_max * 16 + 64;
	size_t most = COL_TEXT_BATCH_BYTES / row_bytes, rows = COL_TEXT_BATCH_ROWS_MIN;

	if (most > COL_TEXT_BATCH_ROWS)
		most = COL_TEXT_BATCH_ROWS;
	if (most > p->base.rows_count)
		most = p->base.rows_count;
	while (rows < count && rows < most)
		rows *= 2;
	return rows < most ? rows : most;
}

/*
 * A batch for count rows, or for a part of them. What a page takes for one question is not kept beyond
 * it: the batch lives until end_batch.
 */
static int need_batch(struct col_text_shaped *p, size_t count)
{
	struct arena *mem = p->base.work;
	struct col_text_batch *b = p->batch;
	size_t rows = batch_rows(p, count);

	ASSERT(rows > 0);
	if (b && b->rows_max >= rows)
		return 0;
	b = arena_calloc(mem, 1, sizeof *b);
	if (!b)
		return -ENOMEM;
	b->rows_max = (uint32_t)rows;
	b->parts = arena_calloc(mem, (size_t)p->templates_count + 1, sizeof *b->parts);
	b->rows = arena_alloc(mem, rows * sizeof *b->rows);
	b->ranks = arena_alloc(mem, rows * sizeof *b->ranks);
	b->values = arena_alloc(mem, rows * p->columns_max * sizeof *b->values + 1);
	b->residue_idx = arena_alloc(mem, rows * sizeof *b->residue_idx);
	b->residue = arena_alloc(mem, rows * sizeof *b->residue);
	b->email_idx = arena_alloc(mem, rows * p->emails_max * sizeof *b->email_idx + 1);
	b->emails = arena_alloc(mem, rows * p->emails_max * sizeof *b->emails + 1);
	if (p->base.uses_leaves)
		b->leaves = arena_alloc(mem, rows * sizeof *b->leaves);
	for (unsigned i = 0; i < COL_TEXT_SOURCES; i++) {
		if (!(p->base.uses_sources >> i & 1))
			continue;
		b->sources[i] = arena_alloc(mem, rows * sizeof(struct span));
		if (!b->sources[i])
			return -ENOMEM;
	}
	if (!b->parts || !b->rows || !b->ranks || !b->values || !b->residue_idx || !b->residue ||
		!b->email_idx || !b->emails || (p->base.uses_leaves && !b->leaves))
		return -ENOMEM;
	p->batch = b;
	return 0;
}

/* The mark was set before the batch was taken; a page without memory for questions keeps its batch. */
static void end_batch(struct col_text_shaped *p, struct arena_mark mark)
{
	if (p->base.work == p->base.mem)
		return;
	p->batch = NULL;
	arena_release(p->base.work, mark);
}

/* ---- numbers ---- */

/* Which rows of which template the batch's rows are. */
static void sort_rows(struct col_text_shaped *p, uint32_t count)
{
	struct col_text_batch *b = p->batch;
	uint32_t at = 0;

	for (uint32_t i = 0; i < p->templates_count; i++)
		b->parts[i].count = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (b->rows[i].code >= COL_TEXT_TEMPLATE)
			b->parts[b->rows[i].code - COL_TEXT_TEMPLATE].count++;
	}
	for (uint32_t i = 0; i < p->templates_count; i++) {
		b->parts[i].first = at;
		b->parts[i].next = 0;
		at += b->parts[i].count;
	}
	b->emails_count = b->residue_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct col_text_rank rank = b->rows[i];
		struct part *part;

		if (rank.code == COL_TEXT_ABSENT)
			continue;
		if (rank.code == COL_TEXT_RESIDUE) {
			b->residue_idx[b->residue_count++] = rank.rows;
			continue;
		}
		part = &b->parts[rank.code - COL_TEXT_TEMPLATE];
		b->ranks[part->first + part->next++] = rank.rows;
		for (unsigned k = 0; k < p->mails[rank.code]; k++)
			b->email_idx[b->emails_count++] = rank.emails + k;
	}
	for (uint32_t i = 0; i < p->templates_count; i++)
		b->parts[i].next = 0;
}

static int pick(struct col_stream *s, const uint32_t *ranks, uint32_t count, int64_t *out)
{
	int rc;

	if (ranks[count - 1] - ranks[0] == count - 1)
		rc = col_stream_get(s, ranks[0], count, out);
	else
		rc = col_stream_pick(s, ranks, count, out);
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

/* The leaf of each row: its number, or its word as address and length. */
static int load_leaf(struct col_text_shaped *p, const struct col_text_slot *slot,
	const uint32_t *rows, uint32_t count, int64_t *out)
{
	const struct col_text_env *env = p->base.env;
	struct col_text_leaf *leaves = p->batch->leaves;
	int rc = env->leaf ? env->leaf(env->ctx, slot->leaf, rows, count, leaves) : ERR_CORRUPT;

	for (uint32_t i = 0; i < count && rc == 0; i++) {
		uint64_t v = 0;

		if (slot->class == COL_TOKEN_WORD) {
			if (leaves[i].kind != COL_TEXT_LEAF_WORD)
				return ERR_CORRUPT;
			out[i] = (int64_t)(intptr_t)leaves[i].word.p;
			out[count + i] = (int64_t)leaves[i].word.n;
			continue;
		}
		if (!col_text_leaf_number(&leaves[i], slot->class, slot->param, &v))
			return ERR_CORRUPT;
		out[i] = (int64_t)v;
	}
	return rc;
}

/* Numbers that depend on the rows' keys. */
static int load_keyed(struct col_text_shaped *p, const struct col_text_template *t,
	const struct col_text_slot *slot, const uint32_t *ranks, const uint32_t *rows,
	uint32_t count, int64_t *out)
{
	const struct col_text_env *env = p->base.env;
	struct col_depend *d;
	uint32_t keys[COL_TEXT_BATCH_ROWS];
	int rc = env->key ? env->key(env->ctx, slot->key, rows, count, keys) : ERR_CORRUPT;

	if (rc == 0)
		rc = col_text_shape_depend(p, t, slot, &d);
	if (rc == 0)
		rc = col_depend_pick(d, ranks, count, keys, out);
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

/* All columns of one template; rows are the template's in the batch. */
static int load_part(struct col_text_shaped *p, const struct col_text_template *t,
	const struct part *part, const uint32_t *rows)
{
	const uint32_t *ranks = p->batch->ranks + part->first;
	int64_t *at = part->columns;
	int rc = 0;

	for (unsigned k = 0; k < t->slots_count && rc == 0; k++) {
		const struct col_text_slot *slot = &p->slots[t->slot_idx + k];

		if (slot->method == COL_TEXT_LEAF)
			rc = load_leaf(p, slot, rows, part->count, at);
		if (slot->method == COL_TEXT_KEYED)
			rc = load_keyed(p, t, slot, ranks, rows, part->count, at);
		for (unsigned i = 0;
			slot->method != COL_TEXT_KEYED && i < slot->streams_count && rc == 0; i++) {
			struct col_stream *s;

			rc = col_text_shape_stream(p, t, slot, i, &s);
			if (rc == 0)
				rc = pick(s, ranks, part->count, at + (size_t)i * part->count);
		}
		at += (size_t)slot->columns_count * part->count;
	}
	return rc;
}

/* The template's rows among those of the batch, into memory for all of them. */
static void rows_of(const struct col_text_shaped *p, unsigned code, const uint32_t *rows,
	uint32_t count, uint32_t *out)
{
	for (uint32_t i = 0; i < count; i++) {
		if (p->batch->rows[i].code == code)
			*out++ = rows[i];
	}
}

static int load_numbers(struct col_text_shaped *p, const uint32_t *rows, uint32_t count)
{
	uint32_t own[COL_TEXT_BATCH_ROWS];
	int64_t *at = p->batch->values;
	int rc = 0;

	for (uint32_t i = 0; i < p->templates_count && rc == 0; i++) {
		const struct col_text_template *t = &p->templates[i];
		struct part *part = &p->batch->parts[i];

		if (part->count == 0)
			continue;
		part->columns = at;
		at += (size_t)t->columns_count * part->count;
		if (t->leaves || t->keyed)
			rows_of(p, COL_TEXT_TEMPLATE + i, rows, count, own);
		rc = load_part(p, t, part, own);
	}
	return rc;
}

static int load_sources(struct col_text_shaped *p, const uint32_t *rows, uint32_t count)
{
	const struct col_text_env *env = p->base.env;
	unsigned wanted = 0;
	int rc = 0;

	for (uint32_t i = 0; i < p->templates_count; i++) {
		if (p->batch->parts[i].count > 0)
			wanted |= p->templates[i].sources;
	}
	for (unsigned i = 0; i < COL_TEXT_SOURCES && rc == 0; i++) {
		if (!(wanted >> i & 1))
			continue;
		if (!env->source)
			return ERR_CORRUPT;
		rc = env->source(env->ctx, i, rows, count, p->batch->sources[i]);
	}
	return rc;
}

static int load_inside(struct col_text_shaped *p, struct buf *scratch)
{
	struct col_text_batch *b = p->batch;
	int rc = 0;

	if (b->emails_count > 0) {
		rc = col_text_shape_emails(p);
		if (rc == 0)
			rc = p->emails->ops->get(
				p->emails, b->email_idx, b->emails_count, scratch, b->emails);
	}
	if (rc == 0 && b->residue_count > 0) {
		rc = col_text_shape_residue(p);
		if (rc == 0)
			rc = p->residue->ops->get(
				p->residue, b->residue_idx, b->residue_count, scratch, b->residue);
	}
	return rc;
}

/* ---- texts ---- */

/* Constant words join the text before and behind them. */
int col_text_shape_steps(struct col_text_shaped *p, struct col_text_template *t)
{
	struct arena *mem = p->base.mem;
	size_t bytes = t->pattern.n, at = 0;
	struct col_text_step *step;
	uint8_t *text;
	unsigned slot_idx = t->slot_idx;

	if (t->steps)
		return 0;
	for (unsigned i = 0; i < t->slots_count; i++) {
		const struct col_text_slot *slot = &p->slots[t->slot_idx + i];

		if (slot->method == COL_TEXT_WORD)
			bytes += col_text_pool_at(p, slot->word_idx).n;
	}
	text = arena_alloc(mem, bytes + COL_TEXT_PAD);
	step = arena_calloc(mem, (size_t)t->slots_count + 1, sizeof *step);
	if (!text || !step)
		return -ENOMEM;
	t->steps = step;
	step->text.p = text;
	while (at < t->pattern.n) {
		unsigned class = t->pattern.p[at++];
		const struct col_text_slot *slot;

		if (class < COL_TOKEN_WORD) {
			*text++ = (uint8_t) class;
			continue;
		}
		at += col_token_has_param(class);
		slot = &p->slots[slot_idx++];
		if (slot->method == COL_TEXT_WORD) {
			struct span word = col_text_pool_at(p, slot->word_idx);

			if (word.n > 0)
				memcpy(text, word.p, word.n);
			text += word.n;
			continue;
		}
		step->text.n = (size_t)(text - step->text.p);
		step->slot = slot;
		step++;
		step->text.p = text;
	}
	step->text.n = (size_t)(text - step->text.p);
	return 0;
}

static void put_number(
	struct writer *w, const struct col_text_slot *slot, const int64_t *v, size_t stride)
{
	uint64_t numbers[COL_TOKEN_NUMBERS] = { (uint64_t)v[0] };
	uint8_t text[COL_TOKEN_PRINT_MAX + COL_TEXT_PAD];
	unsigned param = slot->param;
	size_t n;

	switch (slot->method) {
	case COL_TEXT_ZEROES:
		numbers[0] = (uint64_t)v[stride];
		if ((uint64_t)v[0] > COL_TOKEN_ZEROES_MAX || numbers[0] >> COL_TOKEN_ZEROES_SHIFT)
			break;
		numbers[0] |= (uint64_t)v[0] << COL_TOKEN_ZEROES_SHIFT;
		break;
	case COL_TEXT_GROUPS:
		numbers[0] = 0;
		for (unsigned i = 0; i < COL_TEXT_IP6_GROUPS; i++)
			numbers[i / 4] = numbers[i / 4] << 16 | ((uint64_t)v[i * stride] & 0xffff);
		break;
	case COL_TEXT_KEYED:
	case COL_TEXT_NUMBERS:
		for (unsigned i = 1; i < slot->streams_count; i++)
			numbers[i] = (uint64_t)v[i * stride];
		break;
	default:
		numbers[0] &= (UINT64_C(1) << COL_TOKEN_ZEROES_SHIFT) - 1;
		break;
	}
	n = col_token_print(slot->class, param, numbers, text);
	if (slot->method == COL_TEXT_PADDED && n < slot->digits)
		put(w, "000000000000000000", slot->digits - n);
	put_padded(w, text, n);
}

static void put_slot(struct col_text_shaped *p, struct writer *w, const struct col_text_slot *slot,
	const int64_t *v, size_t stride)
{
	struct span s;

	if (slot->method == COL_TEXT_WORDS) {
		if ((uint64_t)v[0] >= slot->words_count) {
			w->err = ERR_CORRUPT;
			return;
		}
		s = col_text_pool_at(p, slot->word_idx + (uint32_t)v[0]);
		put(w, s.p, s.n);
	} else if (slot->method == COL_TEXT_LEAF && slot->class == COL_TOKEN_WORD) {
		put(w, (const void *)(intptr_t)v[0], (size_t)v[stride]);
	} else {
		put_number(w, slot, v, stride);
	}
}

static void put_place(struct writer *w, const struct buf *scratch, struct col_text_value v)
{
	if (v.length == 0)
		w->err = ERR_CORRUPT;
	else
		put(w, scratch->p + v.off, v.length - 1);
}

/* The i-th row of the batch, by its template; *email counts the e-mail addresses of the batch. */
static int put_row(struct col_text_shaped *p, struct writer *w, uint32_t idx, uint32_t i,
	const struct buf *scratch, uint32_t *email)
{
	struct col_text_template *t = &p->templates[idx];
	struct part *part = &p->batch->parts[idx];
	const int64_t *v = part->columns + part->next++;
	int rc = col_text_shape_steps(p, t);

	if (rc < 0)
		return rc;
	for (const struct col_text_step *step = t->steps; !w->err; step++) {
		const struct col_text_slot *slot = step->slot;

		put_padded(w, step->text.p, step->text.n);
		if (!slot)
			break;
		if (slot->class == COL_TOKEN_EMAIL) {
			put_place(w, scratch, p->batch->emails[(*email)++]);
		} else if (slot->class == COL_TOKEN_COPY) {
			struct span s = p->batch->sources[slot->param][i];

			put(w, s.p, s.n);
		} else {
			put_slot(p, w, slot, v, part->count);
			v += (size_t)slot->columns_count * part->count;
		}
	}
	return w->err;
}

static int put_rows(struct col_text_shaped *p, struct writer *w, uint32_t count,
	const struct buf *scratch, struct col_text_value *out)
{
	uint32_t email = 0, residue = 0;

	for (uint32_t i = 0; i < count; i++) {
		unsigned code = p->batch->rows[i].code;
		size_t before = w->out->len;
		int rc = 0;

		out[i] = (struct col_text_value){ (uint32_t)before, 0 };
		if (code == COL_TEXT_ABSENT)
			continue;
		if (code == COL_TEXT_RESIDUE)
			put_place(w, scratch, p->batch->residue[residue++]);
		else
			rc = put_row(p, w, code - COL_TEXT_TEMPLATE, i, scratch, &email);
		if (rc < 0 || w->err || w->out->err)
			return rc < 0 ? rc : w->err ? w->err : w->out->err;
		out[i].length = (uint32_t)(w->out->len - before) + 1;
	}
	return 0;
}

static int rebuild(struct col_text_shaped *p, struct writer *w, const uint32_t *rows,
	uint32_t count, struct buf *scratch, struct col_text_value *out)
{
	int rc = col_text_shape_ranks(p, rows, count, p->batch->rows);

	ASSERT(count <= p->batch->rows_max);
	if (rc < 0)
		return rc;
	buf_reset(scratch);
	sort_rows(p, count);
	rc = load_numbers(p, rows, count);
	if (rc == 0)
		rc = load_sources(p, rows, count);
	if (rc == 0)
		rc = load_inside(p, scratch);
	if (rc == 0)
		rc = put_rows(p, w, count, scratch, out);
	return rc;
}

int col_text_shape_get(struct col_text_page *base, const uint32_t *rows, size_t count,
	struct buf *bytes, struct col_text_value *out)
{
	struct col_text_shaped *p = (struct col_text_shaped *)base;
	struct writer w = { .out = bytes, .budget = base->raw_bytes };
	struct arena_mark mark = arena_mark(base->work);
	struct buf scratch;
	int rc = need_batch(p, count);

	buf_init(&scratch, COL_TEXT_RAW_MAX);
	for (size_t i = 0; i < count && rc == 0; i += p->batch->rows_max) {
		size_t left = count - i, n = left < p->batch->rows_max ? left : p->batch->rows_max;

		rc = rebuild(p, &w, rows + i, (uint32_t)n, &scratch, out + i);
	}
	buf_fini(&scratch);
	end_batch(p, mark);
	return rc;
}

/* The whole column in batches; lengths and bytes have room. */
static int rebuild_all(struct col_text_shaped *p, struct writer *w, uint32_t *lengths)
{
	uint32_t most = p->batch->rows_max, rows_count = p->base.rows_count;
	uint32_t *rows = arena_alloc(p->base.work, most * sizeof *rows);
	struct col_text_value *values = arena_alloc(p->base.work, most * sizeof *values);
	struct buf scratch;
	int rc = rows && values ? 0 : -ENOMEM;

	buf_init(&scratch, COL_TEXT_RAW_MAX);
	for (uint32_t first = 0; first < rows_count && rc == 0; first += most) {
		uint32_t left = rows_count - first, n = left < most ? left : most;

		for (uint32_t i = 0; i < n; i++)
			rows[i] = first + i;
		rc = rebuild(p, w, rows, n, &scratch, values);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			lengths[first + i] = values[i].length;
	}
	buf_fini(&scratch);
	return rc == 0 && w->budget != 0 ? ERR_CORRUPT : rc;
}

int col_text_shape_all(struct col_text_page *base, uint32_t *lengths, struct buf *bytes)
{
	struct col_text_shaped *p = (struct col_text_shaped *)base;
	struct writer w = { .out = bytes, .budget = base->raw_bytes };
	struct arena_mark mark = arena_mark(base->work);
	int rc = col_text_number_all(p, lengths, bytes);

	if (rc != COL_TEXT_NUMBER_NOT)
		return rc;
	rc = col_text_shape_codes(p);
	if (rc == 0)
		rc = need_batch(p, base->rows_count);
	if (rc == 0)
		rc = buf_reserve(bytes, (size_t)base->raw_bytes + 1);
	if (rc == 0)
		rc = rebuild_all(p, &w, lengths);
	end_batch(p, mark);
	return rc;
}
