/* The slots of one template: constant, a leaf of the row's metadata, or a stream. */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_pack.h"
#include "storage/col_text_put_int.h"

enum { LEAF_BATCH = 256, IP6_GROUPS = 8, KEYED_ROWS_MIN = 1024 };

static const uint64_t NUMBER_MASK = (UINT64_C(1) << COL_TOKEN_ZEROES_SHIFT) - 1;

void col_text_stream_put(struct col_text_work *w, const int64_t *v, uint32_t count)
{
	size_t before = w->body.len;

	col_stream_put(&w->streams, v, count, &w->body);
	if (w->body.err)
		w->head.err = w->body.err;
	else
		col_pack_varint(&w->head, w->body.len - before);
}

static void put_method(struct col_text_work *w, enum col_text_method method)
{
	buf_put_u8(&w->head, (uint8_t)method);
}

static void pool_add(struct col_text_work *w, struct span s)
{
	buf_put(&w->pool, &s, sizeof s);
	if (w->pool.err)
		w->head.err = w->pool.err;
}

/* ---- leaves ---- */

static const uint64_t *column_of(struct col_text_slots *s, unsigned at)
{
	uint64_t *v = col_text_work_array(&s->w->column, s->shape->rows_count, sizeof *v);

	if (!v)
		s->w->head.err = -ENOMEM;
	else
		col_shape_column(s->shape, at, v);
	return v;
}

static bool leaf_is(const struct col_text_slots *s, const struct col_shape_slot *slot,
	const struct col_text_leaf *leaf, uint64_t value)
{
	uint64_t got;

	switch (slot->class) {
	case COL_TOKEN_WORD:
		return leaf->kind == COL_TEXT_LEAF_WORD &&
		       span_eq(leaf->word, s->w->shapes.words[value].text);
	case COL_TOKEN_INT:
	case COL_TOKEN_DEC:
		return col_text_leaf_number(leaf, slot->class, slot->param, &got) && got == value;
	default:
		return false;
	}
}

/* The first of so many rows, spread over all. */
static uint32_t probe(uint32_t rows_count, uint32_t i)
{
	return (uint32_t)((uint64_t)rows_count * i / COL_TEXT_LEAF_PROBES);
}

/* The leaves of the rows on which slots are tried, all leaves of one row count after another. */
static const struct col_text_leaf *probe_leaves(struct col_text_slots *s, uint32_t leaves)
{
	uint32_t rows[COL_TEXT_LEAF_PROBES];
	struct col_text_leaf *out = col_text_work_array(
		&s->w->leaves, (size_t)leaves * COL_TEXT_LEAF_PROBES, sizeof *out);

	if (!out)
		return NULL;
	for (uint32_t i = 0; i < COL_TEXT_LEAF_PROBES; i++)
		rows[i] = s->rows[probe(s->shape->rows_count, i)];
	for (uint32_t l = 0; l < leaves; l++) {
		if (s->in->leaf(s->in->leaf_ctx, l, rows, COL_TEXT_LEAF_PROBES,
			    out + (size_t)l * COL_TEXT_LEAF_PROBES) < 0)
			return NULL;
	}
	return out;
}

static bool leaf_is_all(const struct col_text_slots *s, const struct col_shape_slot *slot,
	uint32_t leaf, const uint64_t *column)
{
	struct col_text_leaf got[LEAF_BATCH];
	uint32_t count = s->shape->rows_count;

	for (uint32_t i = 0; i < count; i += LEAF_BATCH) {
		uint32_t n = count - i < LEAF_BATCH ? count - i : LEAF_BATCH;

		if (s->in->leaf(s->in->leaf_ctx, leaf, s->rows + i, n, got) < 0)
			return false;
		for (uint32_t k = 0; k < n; k++) {
			if (!leaf_is(s, slot, &got[k], column[i + k]))
				return false;
		}
	}
	return true;
}

/* The leaf that the slot shows in every row; UINT32_MAX: none. */
static uint32_t find_leaf(const struct col_text_slots *s, const struct col_shape_slot *slot,
	const uint64_t *column, const struct col_text_leaf *probes, uint32_t leaves)
{
	for (uint32_t l = 0; probes && l < leaves; l++) {
		const struct col_text_leaf *leaf = probes + (size_t)l * COL_TEXT_LEAF_PROBES;
		uint32_t i = 0;

		while (i < COL_TEXT_LEAF_PROBES &&
			leaf_is(s, slot, &leaf[i], column[probe(s->shape->rows_count, i)]))
			i++;
		if (i == COL_TEXT_LEAF_PROBES && leaf_is_all(s, slot, l, column))
			return l;
	}
	return UINT32_MAX;
}

/* ---- slots by class ---- */

static bool all_same(const uint64_t *v, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		if (v[i] != v[0])
			return false;
	}
	return true;
}

/* Numbers of words of the column to their order of arrival in it; how many there are. */
static uint32_t number_words(struct col_text_slots *s, const uint64_t *column, int64_t *out)
{
	struct col_text_work *w = s->w;
	uint64_t *locals = (uint64_t *)(void *)w->locals.p;
	uint64_t serial = ++w->serial << 32;
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->shape->rows_count; i++) {
		uint64_t *at = &locals[column[i]];

		if ((*at & ~(uint64_t)UINT32_MAX) != serial) {
			*at = serial | count++;
			pool_add(w, w->shapes.words[column[i]].text);
		}
		out[i] = (int64_t)(uint32_t)*at;
	}
	return count;
}

static void put_words(struct col_text_slots *s, const uint64_t *column)
{
	struct col_text_work *w = s->w;
	int64_t *ints = col_text_work_array(&w->ints, s->shape->rows_count, sizeof *ints);
	uint32_t count;

	if (!ints) {
		w->head.err = -ENOMEM;
		return;
	}
	count = number_words(s, column, ints);
	put_method(w, COL_TEXT_WORDS);
	col_pack_varint(&w->head, count);
	col_text_stream_put(w, ints, s->shape->rows_count);
}

static unsigned digits_of(uint64_t v)
{
	unsigned n = 1;

	while (v >= 10) {
		v /= 10;
		n++;
	}
	return n;
}

static unsigned width_of(uint64_t value)
{
	return digits_of(value & NUMBER_MASK) + (unsigned)(value >> COL_TOKEN_ZEROES_SHIFT);
}

static bool same_width(const uint64_t *v, uint32_t count)
{
	unsigned width = width_of(v[0]);

	for (uint32_t i = 1; i < count; i++) {
		if (width_of(v[i]) != width)
			return false;
	}
	return true;
}

static void put_ints(struct col_text_slots *s, const uint64_t *column)
{
	struct col_text_work *w = s->w;
	uint32_t count = s->shape->rows_count;
	int64_t *ints = col_text_work_array(&w->ints, count, sizeof *ints);
	uint64_t all = 0;

	if (!ints) {
		w->head.err = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		all |= column[i];
	if (all <= NUMBER_MASK) {
		put_method(w, COL_TEXT_INT);
		/* Numbers below 2^60 are the same as int64_t. */
		col_text_stream_put(w, (const int64_t *)column, count);
		return;
	}
	if (same_width(column, count)) {
		put_method(w, COL_TEXT_PADDED);
		buf_put_u8(&w->head, (uint8_t)width_of(column[0]));
	} else {
		put_method(w, COL_TEXT_ZEROES);
		for (uint32_t i = 0; i < count; i++)
			ints[i] = (int64_t)(column[i] >> COL_TOKEN_ZEROES_SHIFT);
		col_text_stream_put(w, ints, count);
	}
	for (uint32_t i = 0; i < count; i++)
		ints[i] = (int64_t)(column[i] & NUMBER_MASK);
	col_text_stream_put(w, ints, count);
}

static void put_groups(struct col_text_slots *s, const struct col_shape_slot *slot)
{
	struct col_text_work *w = s->w;
	uint32_t count = s->shape->rows_count;

	put_method(w, COL_TEXT_GROUPS);
	for (unsigned g = 0; g < IP6_GROUPS; g++) {
		const uint64_t *column = column_of(s, slot->at + g / 4u);
		int64_t *ints = col_text_work_array(&w->ints, count, sizeof *ints);

		if (!column || !ints) {
			w->head.err = -ENOMEM;
			return;
		}
		for (uint32_t i = 0; i < count; i++)
			ints[i] = (int64_t)(column[i] >> (48 - 16 * (g % 4)) & 0xffff);
		col_text_stream_put(w, ints, count);
	}
}

/* Numbers that depend on a key of their rows; false: they do not. */
static bool put_keyed(struct col_text_slots *s, const uint64_t *column)
{
	const uint32_t *keys[COL_TEXT_KEYS] = { NULL };
	uint32_t count = s->shape->rows_count, *own;
	const uint32_t *users = s->in->keys[COL_TEXT_KEY_USER_ID];
	struct col_text_work *w = s->w;
	size_t before = w->body.len;

	if (s->in->level == 0 || !users || count < KEYED_ROWS_MIN)
		return false;
	own = col_text_work_array(&w->keys, count, sizeof *own);
	if (!own)
		return false;
	for (uint32_t i = 0; i < count; i++)
		own[i] = users[s->rows[i]];
	keys[COL_TEXT_KEY_USER_ID] = own;
	if (col_text_depend_key(w, s->in, (const int64_t *)column, count, keys) == COL_TEXT_KEYS)
		return false;
	put_method(w, COL_TEXT_KEYED);
	buf_put_u8(&w->head, COL_TEXT_KEY_USER_ID);
	col_pack_varint(&w->head, s->in->keys_count[COL_TEXT_KEY_USER_ID]);
	col_text_depend_put(w, (const int64_t *)column, count, own,
		s->in->keys_count[COL_TEXT_KEY_USER_ID], &w->body);
	col_pack_varint(&w->head, w->body.len - before);
	return true;
}

static void put_numbers(struct col_text_slots *s, const struct col_shape_slot *slot)
{
	if (slot->class == COL_TOKEN_IP4) {
		const uint64_t *column = column_of(s, slot->at);

		if (!column || put_keyed(s, column))
			return;
	}
	put_method(s->w, COL_TEXT_NUMBERS);
	for (unsigned i = 0; i < slot->values_count; i++) {
		const uint64_t *column = column_of(s, slot->at + i);

		if (!column)
			return;
		col_text_stream_put(s->w, (const int64_t *)column, s->shape->rows_count);
	}
}

static bool may_be_leaf(unsigned class)
{
	return class == COL_TOKEN_WORD || class == COL_TOKEN_INT || class == COL_TOKEN_DEC;
}

static void put_slot(struct col_text_slots *s, const struct col_shape_slot *slot,
	const struct col_text_leaf *probes, uint32_t leaves)
{
	uint32_t count = s->shape->rows_count, leaf = UINT32_MAX;
	const uint64_t *column;
	bool same;

	if (slot->class == COL_TOKEN_COPY || slot->class == COL_TOKEN_EMAIL)
		return;
	if (slot->class == COL_TOKEN_IP6) {
		put_groups(s, slot);
		return;
	}
	if (slot->class == COL_TOKEN_WORD && !slot->varied) {
		put_method(s->w, COL_TEXT_WORD);
		pool_add(s->w, s->w->shapes.words[slot->last].text);
		return;
	}
	column = column_of(s, slot->at);
	if (!column)
		return;
	same = slot->class != COL_TOKEN_WORD && all_same(column, count);
	if (!same && may_be_leaf(slot->class))
		leaf = find_leaf(s, slot, column, probes, leaves);
	if (leaf != UINT32_MAX) {
		put_method(s->w, COL_TEXT_LEAF);
		col_pack_varint(&s->w->head, leaf);
	} else if (slot->class == COL_TOKEN_WORD) {
		put_words(s, column);
	} else if (slot->class == COL_TOKEN_INT) {
		put_ints(s, column);
	} else {
		put_numbers(s, slot);
	}
}

void col_text_slots_put(struct col_text_slots *s)
{
	uint32_t leaves = s->in->leaf ? s->in->leaves_count : 0;
	const struct col_text_leaf *probes = NULL;

	if (leaves > COL_TEXT_LEAVES_MAX)
		leaves = COL_TEXT_LEAVES_MAX;
	if (leaves > 0)
		probes = probe_leaves(s, leaves);
	for (unsigned i = 0; i < s->shape->slots_count && !s->w->head.err; i++)
		put_slot(s, &s->shape->slots[i], probes, leaves);
}
