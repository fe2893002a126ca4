/*
 * Rows of a SHAPED page rebuilt, a batch at a time: first the numbers of each template's rows, slot
 * by slot, then the texts row by row. So a whole column is read in streams, and one row of many
 * touches the frames that hold it and no others.
 */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_shape_int.h"

enum {
	/* More than the steps of a template write of any text that was short enough to be cut. */
	ROW_BYTES_MAX = 256 << 10,
};

static const uint64_t NUMBER_MASK = (UINT64_C(1) << COL_TOKEN_ZEROES_SHIFT) - 1;

static_assert(LIMIT_TEXT_SHAPED_BYTES +
			      LIMIT_TEXT_TOKENS * (LIMIT_TEXT_SHAPED_BYTES + COL_TOKEN_PRINT_MAX) <
		      ROW_BYTES_MAX,
	"every page that was written can be read");

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
	struct part *parts; /* one a template; those not in `used` are empty */
	uint16_t *used;     /* templates that have rows in the batch */
	uint32_t used_count;
	struct col_text_rank *rows;
	uint32_t *ranks; /* of the rows in their templates, template by template */
	uint32_t *own;   /* these rows */
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

/*
 * Appends to a buffer, within what the page may give. A row is written where it will stand, if the buffer
 * may have room for as much as it could take, else in spare memory.
 */
struct writer {
	struct buf *out;
	size_t budget;
	struct buf spare;
	uint8_t *row; /* where the row at hand begins */
	uint8_t *end; /* of the room that there is */
	bool is_spare;
	int err;
};

static void writer_init(struct writer *w, struct buf *out, size_t budget)
{
	*w = (struct writer){ .out = out, .budget = budget };
	buf_init(&w->spare, COL_TEXT_RAW_MAX + ROW_BYTES_MAX + COL_TEXT_PAD);
}

static void put(struct writer *w, const void *p, size_t n)
{
	if (n > w->budget) {
		w->err = ERR_CORRUPT;
		return;
	}
	w->budget -= n;
	buf_put(w->out, p, n);
	w->err = w->out->err;
}

/* Room for n bytes and a pad behind what there is of the row; where to go on. NULL: w->err. */
static uint8_t *more(struct writer *w, const uint8_t *at, size_t n)
{
	size_t done = (size_t)(at - w->row), need = done + n + COL_TEXT_PAD;
	size_t room = w->out->cap - w->out->len;
	/* A buffer with room for all that is left is not made larger. */
	bool spare = w->is_spare || room >= w->budget || need > w->out->max - w->out->len;
	struct buf *b = spare ? &w->spare : w->out;
	uint8_t *to;

	w->err = buf_reserve(b, need);
	if (w->err == ERR_LIMIT)
		w->err = ERR_CORRUPT;
	if (w->err)
		return NULL;
	to = b->p + b->len;
	if (spare && !w->is_spare && done > 0)
		memcpy(to, w->row, done);
	w->row = to;
	w->end = b->p + b->cap;
	w->is_spare = spare;
	return to + done;
}

static uint8_t *begin_row(struct writer *w, size_t n)
{
	struct buf *b = w->out;

	w->row = b->p + b->len;
	w->end = b->p + b->cap;
	w->is_spare = false;
	return b->cap - b->len >= n + COL_TEXT_PAD ? w->row : more(w, w->row, n);
}

static void end_row(struct writer *w, const uint8_t *at)
{
	size_t n = (size_t)(at - w->row);

	if (w->is_spare) {
		put(w, w->row, n);
		return;
	}
	if (n > w->budget) {
		w->err = ERR_CORRUPT;
		return;
	}
	w->budget -= n;
	w->out->len += n;
}

/* Any text; of short ones both halves, which may overlap. */
static inline uint8_t *copy(uint8_t *at, struct span s)
{
	if (s.n > 16) {
		memcpy(at, s.p, s.n);
	} else if (s.n >= 8) {
		memcpy(at, s.p, 8);
		memcpy(at + s.n - 8, s.p + s.n - 8, 8);
	} else if (s.n >= 4) {
		memcpy(at, s.p, 4);
		memcpy(at + s.n - 4, s.p + s.n - 4, 4);
	} else {
		for (size_t i = 0; i < s.n; i++)
			at[i] = s.p[i];
	}
	return at + s.n;
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

/* Arrays of the batch one after another, those of the widest members first. */
static void *cut(uint8_t **at, size_t count, size_t size)
{
	void *p = *at;

	*at += count * size;
	return p;
}

static size_t batch_bytes(const struct col_text_shaped *p, size_t rows)
{
	const struct col_text_batch *b = NULL;
	size_t row = p->columns_max * sizeof *b->values + sizeof *b->rows + sizeof *b->ranks +
		     sizeof *b->own + sizeof *b->residue_idx + sizeof *b->residue +
		     p->emails_max * (sizeof *b->emails + sizeof *b->email_idx);

	if (p->base.uses_leaves)
		row += sizeof *b->leaves;
	for (unsigned left = p->base.uses_sources; left; left &= left - 1)
		row += sizeof *b->sources[0];
	return sizeof *b + p->templates_count * (sizeof *b->parts + sizeof *b->used) + rows * row;
}

static struct col_text_batch *cut_batch(const struct col_text_shaped *p, size_t rows, uint8_t *at)
{
	struct col_text_batch *b = cut(&at, 1, sizeof *b);

	*b = (struct col_text_batch){ .rows_max = (uint32_t)rows };
	b->parts = cut(&at, p->templates_count, sizeof *b->parts);
	memset(b->parts, 0, p->templates_count * sizeof *b->parts);
	b->values = cut(&at, rows * p->columns_max, sizeof *b->values);
	for (unsigned i = 0; i < COL_TEXT_SOURCES; i++) {
		if (p->base.uses_sources >> i & 1)
			b->sources[i] = cut(&at, rows, sizeof *b->sources[i]);
	}
	if (p->base.uses_leaves)
		b->leaves = cut(&at, rows, sizeof *b->leaves);
	b->rows = cut(&at, rows, sizeof *b->rows);
	b->ranks = cut(&at, rows, sizeof *b->ranks);
	b->own = cut(&at, rows, sizeof *b->own);
	b->residue = cut(&at, rows, sizeof *b->residue);
	b->residue_idx = cut(&at, rows, sizeof *b->residue_idx);
	b->emails = cut(&at, rows * p->emails_max, sizeof *b->emails);
	b->email_idx = cut(&at, rows * p->emails_max, sizeof *b->email_idx);
	b->used = cut(&at, p->templates_count, sizeof *b->used);
	ASSERT(at == (uint8_t *)b + batch_bytes(p, rows));
	return b;
}

/*
 * A batch for count rows, or for a part of them. What a page takes for one question is not kept beyond
 * it: the batch lives until end_batch.
 */
static int need_batch(struct col_text_shaped *p, size_t count)
{
	size_t rows = batch_rows(p, count);
	uint8_t *room;

	ASSERT(rows > 0);
	if (p->batch && p->batch->rows_max >= rows)
		return 0;
	room = arena_alloc(p->base.work, batch_bytes(p, rows));
	if (!room)
		return -ENOMEM;
	p->batch = cut_batch(p, rows, room);
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

/* How many rows of each template the batch has, and where they go. */
static void count_parts(struct col_text_batch *b, uint32_t count)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < b->used_count; i++)
		b->parts[b->used[i]].count = 0;
	b->used_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t code = b->rows[i].code;

		if (code >= COL_TEXT_TEMPLATE && b->parts[code - COL_TEXT_TEMPLATE].count++ == 0)
			b->used[b->used_count++] = (uint16_t)(code - COL_TEXT_TEMPLATE);
	}
	for (uint32_t i = 0; i < b->used_count; i++) {
		struct part *part = &b->parts[b->used[i]];

		part->first = at;
		part->next = 0;
		at += part->count;
	}
}

/* Which rows of which template the batch's rows are. */
static void sort_rows(struct col_text_shaped *p, const uint32_t *rows, uint32_t count)
{
	struct col_text_batch *b = p->batch;

	count_parts(b, count);
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
		b->own[part->first + part->next] = rows[i];
		b->ranks[part->first + part->next++] = rank.rows;
		for (unsigned k = 0; k < p->mails[rank.code]; k++)
			b->email_idx[b->emails_count++] = rank.emails + k;
	}
	for (uint32_t i = 0; i < b->used_count; i++)
		b->parts[b->used[i]].next = 0;
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

/* All columns of one template. */
static int load_part(
	struct col_text_shaped *p, const struct col_text_template *t, const struct part *part)
{
	const uint32_t *ranks = p->batch->ranks + part->first;
	const uint32_t *rows = p->batch->own + part->first;
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

static int load_numbers(struct col_text_shaped *p)
{
	struct col_text_batch *b = p->batch;
	int64_t *at = b->values;
	int rc = 0;

	for (uint32_t i = 0; i < b->used_count && rc == 0; i++) {
		struct col_text_template *t = &p->templates[b->used[i]];
		struct part *part = &b->parts[b->used[i]];

		part->columns = at;
		at += (size_t)t->columns_count * part->count;
		rc = col_text_shape_steps(p, t);
		if (rc == 0)
			rc = load_part(p, t, part);
	}
	return rc;
}

static int load_sources(struct col_text_shaped *p, const uint32_t *rows, uint32_t count)
{
	const struct col_text_env *env = p->base.env;
	unsigned wanted = 0;
	int rc = 0;

	for (uint32_t i = 0; i < p->batch->used_count; i++)
		wanted |= p->templates[p->batch->used[i]].sources;
	for (; wanted && rc == 0; wanted &= wanted - 1) {
		unsigned i = (unsigned)__builtin_ctz(wanted);

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

static enum col_text_op op_of(const struct col_text_slot *slot)
{
	if (slot->class == COL_TOKEN_EMAIL)
		return COL_TEXT_OP_EMAIL;
	if (slot->class == COL_TOKEN_COPY)
		return COL_TEXT_OP_COPY;
	if (slot->method == COL_TEXT_WORDS)
		return COL_TEXT_OP_WORDS;
	if (slot->class == COL_TOKEN_WORD)
		return COL_TEXT_OP_SPAN;
	if (slot->method == COL_TEXT_ZEROES)
		return COL_TEXT_OP_ZEROES;
	return slot->class == COL_TOKEN_INT ? COL_TEXT_OP_NUMBER : COL_TEXT_OP_TOKEN;
}

/* The longest text that the operation writes without asking for room. */
static size_t longest_of(const struct col_text_shaped *p, const struct col_text_step *step)
{
	size_t longest = 0;

	if (step->op >= COL_TEXT_OP_NUMBER)
		return COL_TOKEN_PRINT_MAX;
	for (uint32_t i = 0; step->op == COL_TEXT_OP_WORDS && i < step->slot->words_count; i++) {
		size_t n = col_text_pool_at(p, step->slot->word_idx + i).n;

		longest = n > longest ? n : longest;
	}
	return longest;
}

/* Ends the step's text; the next one's begins there. */
static struct col_text_step *end_step(const struct col_text_shaped *p, struct col_text_template *t,
	struct col_text_step *step, const struct col_text_slot *slot, const uint8_t *end)
{
	step->text.n = (size_t)(end - step->text.p);
	step->slot = slot;
	if (slot) {
		step->op = (uint16_t)op_of(slot);
		step[1].text.p = end;
		step[1].column = (uint16_t)(step->column + slot->columns_count);
	}
	t->bytes_max += step->text.n + longest_of(p, step);
	return step + 1;
}

static void make_steps(const struct col_text_shaped *p, struct col_text_template *t, uint8_t *text)
{
	struct col_text_step *step = t->steps;
	const struct col_text_slot *slot = &p->slots[t->slot_idx];

	step->text.p = text;
	for (size_t at = 0; at < t->pattern.n;) {
		unsigned class = t->pattern.p[at++];

		if (class < COL_TOKEN_WORD) {
			*text++ = (uint8_t) class;
			continue;
		}
		at += col_token_has_param(class);
		if (slot->method == COL_TEXT_WORD)
			text = copy(text, col_text_pool_at(p, slot->word_idx));
		else
			step = end_step(p, t, step, slot, text);
		slot++;
	}
	end_step(p, t, step, NULL, text);
}

/* Constant words join the text before and behind them. */
int col_text_shape_steps(struct col_text_shaped *p, struct col_text_template *t)
{
	struct arena *mem = p->base.mem;
	size_t bytes = t->pattern.n;
	uint8_t *text;

	if (t->steps)
		return 0;
	for (unsigned i = 0; i < t->slots_count; i++) {
		const struct col_text_slot *slot = &p->slots[t->slot_idx + i];

		if (slot->method == COL_TEXT_WORD)
			bytes += col_text_pool_at(p, slot->word_idx).n;
	}
	text = arena_alloc(mem, bytes + COL_TEXT_PAD);
	t->steps = arena_calloc(mem, (size_t)t->slots_count + 1, sizeof *t->steps);
	if (!text || !t->steps) {
		t->steps = NULL;
		return -ENOMEM;
	}
	t->bytes_max = 0;
	make_steps(p, t, text);
	return t->bytes_max > ROW_BYTES_MAX ? ERR_CORRUPT : 0;
}

/* By its class, from the numbers that it takes. */
static size_t put_token(
	const struct col_text_slot *slot, const int64_t *v, size_t stride, uint8_t *dst)
{
	uint64_t numbers[COL_TOKEN_NUMBERS] = { (uint64_t)v[0] };

	if (slot->method == COL_TEXT_GROUPS) {
		numbers[0] = 0;
		for (unsigned i = 0; i < COL_TEXT_IP6_GROUPS; i++)
			numbers[i / 4] = numbers[i / 4] << 16 | ((uint64_t)v[i * stride] & 0xffff);
	} else {
		for (unsigned i = 1; i < slot->streams_count; i++)
			numbers[i] = (uint64_t)v[i * stride];
	}
	return col_token_print(slot->class, slot->param, numbers, dst);
}

/* Zeroes in front are counted by a number of their own. */
static size_t put_zeroes(struct writer *w, const int64_t *v, size_t stride, uint8_t *dst)
{
	uint64_t zeroes = (uint64_t)v[0], number = (uint64_t)v[stride];

	if (zeroes > COL_TOKEN_ZEROES_MAX || number >> COL_TOKEN_ZEROES_SHIFT) {
		w->err = ERR_CORRUPT;
		return 0;
	}
	number |= zeroes << COL_TOKEN_ZEROES_SHIFT;
	return col_token_print(COL_TOKEN_INT, 0, &number, dst);
}

/* What is not of this page. NULL: there is no room, or it is too long. */
static inline uint8_t *put_span(
	struct writer *w, uint8_t *at, struct span s, const struct col_text_template *t)
{
	if (s.n > w->budget) {
		w->err = ERR_CORRUPT;
		return NULL;
	}
	/* Behind it there is room again for all the rest. */
	if ((size_t)(w->end - at) < s.n + t->bytes_max + COL_TEXT_PAD)
		at = more(w, at, s.n + t->bytes_max);
	return at ? copy(at, s) : NULL;
}

static struct span email_at(struct writer *w, const struct buf *scratch, struct col_text_value v)
{
	if (v.length == 0) {
		w->err = ERR_CORRUPT;
		return SPAN_NONE;
	}
	return span_of(scratch->p + v.off, v.length - 1);
}

static struct span word_at(const struct col_text_shaped *p, struct writer *w,
	const struct col_text_slot *slot, int64_t v)
{
	if ((uint64_t)v >= slot->words_count) {
		w->err = ERR_CORRUPT;
		return SPAN_NONE;
	}
	return col_text_pool_at(p, slot->word_idx + (uint32_t)v);
}

/* The i-th row of the batch, by its template; *email counts the e-mail addresses of the batch. */
static void put_row(struct col_text_shaped *p, struct writer *w, uint32_t idx, uint32_t i,
	const struct buf *scratch, uint32_t *email)
{
	const struct col_text_template *t = &p->templates[idx];
	const struct col_text_batch *b = p->batch;
	struct part *part = &b->parts[idx];
	const int64_t *row = part->columns + part->next++, *v;
	size_t stride = part->count;
	uint8_t *at = begin_row(w, t->bytes_max);

	/* A row that is not right goes on to its end; without room it does not. */
	for (const struct col_text_step *step = t->steps; at; step++) {
		const struct col_text_slot *slot = step->slot;

		at = col_text_copy_padded(at, step->text);
		v = row + step->column * stride;
		switch ((enum col_text_op)step->op) {
		case COL_TEXT_OP_END:
			end_row(w, at);
			return;
		case COL_TEXT_OP_EMAIL:
			at = put_span(w, at, email_at(w, scratch, b->emails[(*email)++]), t);
			break;
		case COL_TEXT_OP_COPY:
			at = put_span(w, at, b->sources[slot->param][i], t);
			break;
		case COL_TEXT_OP_SPAN:
			at = put_span(
				w, at, span_of((const void *)(intptr_t)*v, (size_t)v[stride]), t);
			break;
		case COL_TEXT_OP_WORDS:
			at = col_text_copy_padded(at, word_at(p, w, slot, *v));
			break;
		case COL_TEXT_OP_NUMBER:
			at += col_token_print_decimal((uint64_t)*v & NUMBER_MASK, slot->digits, at);
			break;
		case COL_TEXT_OP_ZEROES:
			at += put_zeroes(w, v, stride, at);
			break;
		case COL_TEXT_OP_TOKEN:
			at += put_token(slot, v, stride, at);
			break;
		}
	}
}

static void put_residue(struct writer *w, const struct buf *scratch, struct col_text_value v)
{
	if (v.length == 0)
		w->err = ERR_CORRUPT;
	else
		put(w, scratch->p + v.off, v.length - 1);
}

static int put_rows(struct col_text_shaped *p, struct writer *w, uint32_t count,
	const struct buf *scratch, struct col_text_value *out)
{
	uint32_t email = 0, residue = 0;

	for (uint32_t i = 0; i < count; i++) {
		unsigned code = p->batch->rows[i].code;
		size_t before = w->out->len;

		out[i] = (struct col_text_value){ (uint32_t)before, 0 };
		if (code == COL_TEXT_ABSENT)
			continue;
		if (code == COL_TEXT_RESIDUE)
			put_residue(w, scratch, p->batch->residue[residue++]);
		else
			put_row(p, w, code - COL_TEXT_TEMPLATE, i, scratch, &email);
		if (w->err)
			return w->err;
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
	sort_rows(p, rows, count);
	rc = load_numbers(p);
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
	struct writer w;
	struct arena_mark mark = arena_mark(base->work);
	struct buf scratch;
	int rc = need_batch(p, count);

	writer_init(&w, bytes, base->raw_bytes);
	buf_init(&scratch, COL_TEXT_RAW_MAX);
	for (size_t i = 0; i < count && rc == 0; i += p->batch->rows_max) {
		size_t left = count - i, n = left < p->batch->rows_max ? left : p->batch->rows_max;

		rc = rebuild(p, &w, rows + i, (uint32_t)n, &scratch, out + i);
	}
	buf_fini(&scratch);
	buf_fini(&w.spare);
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
	struct writer w;
	struct arena_mark mark = arena_mark(base->work);
	int rc = col_text_number_all(p, lengths, bytes);

	if (rc != COL_TEXT_NUMBER_NOT)
		return rc;
	rc = col_text_shape_codes(p);
	if (rc == 0)
		rc = need_batch(p, base->rows_count);
	if (rc == 0)
		rc = buf_reserve(bytes, (size_t)base->raw_bytes + 1);
	writer_init(&w, bytes, base->raw_bytes);
	if (rc == 0)
		rc = rebuild_all(p, &w, lengths);
	buf_fini(&w.spare);
	end_batch(p, mark);
	return rc;
}
