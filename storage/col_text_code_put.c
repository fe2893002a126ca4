/*
 * The templates of a page's rows as codes. Which templates a row may have mostly follows from another
 * column (an event's type); then a row needs to say only which of those few it is, the most frequent
 * one by 0, and the codes cost the little that is left to know.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_pack.h"
#include "storage/col_text_put_int.h"
#include "storage/col_text_shape_int.h"

enum {
	/* A key of more values is not tried. */
	KEYS_MAX = 256,
	/* Bits that an entry of a key's list costs. */
	ENTRY_BITS = 10,
	STEP_ROWS = COL_TEXT_STEP_ROWS,
	FRACTION = 8, /* bits of a logarithm behind the point */
};

/* log2 of v > 0, with FRACTION bits: exact at powers of two, straight between them. */
static uint64_t log2_of(uint64_t v)
{
	unsigned whole = 63u - (unsigned)__builtin_clzll(v);
	uint64_t rest = v - (UINT64_C(1) << whole);

	return ((uint64_t)whole << FRACTION) + (rest << FRACTION >> whole);
}

/* Bits that count things cost together if the i-th of them is there so often. */
static uint64_t entropy(const uint32_t *counts, size_t n)
{
	uint64_t all = 0, bits = 0;

	for (size_t i = 0; i < n; i++)
		all += counts[i];
	for (size_t i = 0; i < n; i++) {
		if (counts[i] > 0)
			bits += counts[i] * (log2_of(all) - log2_of(counts[i]));
	}
	return bits >> FRACTION;
}

/* A code and how often a key has it. */
struct use {
	uint32_t count;
	uint32_t code;
};

static int by_use(const void *pa, const void *pb)
{
	const struct use *a = pa, *b = pb;

	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	return (a->code > b->code) - (a->code < b->code);
}

/* uses: codes_count for each key, sorted by use. */
static struct use *count_uses(struct buf *mem, const uint32_t *keys, uint32_t keys_count,
	const uint32_t *codes, uint32_t codes_count, uint32_t rows)
{
	struct use *uses = col_text_work_array(mem, (size_t)keys_count * codes_count, sizeof *uses);

	if (!uses)
		return NULL;
	for (uint32_t i = 0; i < keys_count * codes_count; i++)
		uses[i] = (struct use){ 0, i % codes_count };
	for (uint32_t row = 0; row < rows; row++)
		uses[(size_t)keys[row] * codes_count + codes[row]].count++;
	for (uint32_t k = 0; k < keys_count; k++)
		qsort(uses + (size_t)k * codes_count, codes_count, sizeof *uses, by_use);
	return uses;
}

static uint32_t list_length(const struct use *uses, uint32_t codes_count)
{
	uint32_t n = 0;

	while (n < codes_count && uses[n].count > 0)
		n++;
	return n;
}

/* Bits of places in lists and of the lists. */
static uint64_t keyed_bits(const struct use *uses, uint32_t keys_count, uint32_t codes_count)
{
	uint32_t places[COL_TEXT_TEMPLATE + LIMIT_TEXT_TEMPLATES] = { 0 };
	uint64_t bits = 0;

	for (uint32_t k = 0; k < keys_count; k++) {
		const struct use *list = uses + (size_t)k * codes_count;
		uint32_t n = list_length(list, codes_count);

		for (uint32_t i = 0; i < n; i++)
			places[i] += list[i].count;
		bits += (uint64_t)n * ENTRY_BITS;
	}
	return bits + entropy(places, codes_count);
}

static uint64_t plain_bits(const uint32_t *codes, uint32_t rows, uint32_t codes_count)
{
	uint32_t counts[COL_TEXT_TEMPLATE + LIMIT_TEXT_TEMPLATES] = { 0 };

	for (uint32_t row = 0; row < rows; row++)
		counts[codes[row]]++;
	return entropy(counts, codes_count);
}

/* The key by which codes cost least; COL_TEXT_KEYS: none is better than no key. */
static unsigned best_key(
	struct col_text_work *w, const struct col_text_in *in, uint32_t codes_count)
{
	const uint32_t *codes = (const uint32_t *)(const void *)w->codes.p;
	uint64_t best = plain_bits(codes, in->rows_count, codes_count);
	unsigned best_key = COL_TEXT_KEYS;

	/* Little to gain is not worth another column to be read. */
	best -= best / 8;
	for (unsigned k = 0; k < COL_TEXT_KEYS; k++) {
		const struct use *uses;
		uint64_t bits;

		if (!in->keys[k] || in->keys_count[k] == 0 || in->keys_count[k] > KEYS_MAX)
			continue;
		uses = count_uses(&w->column, in->keys[k], in->keys_count[k], codes, codes_count,
			in->rows_count);
		if (!uses)
			continue;
		bits = keyed_bits(uses, in->keys_count[k], codes_count);
		if (bits < best) {
			best = bits;
			best_key = k;
		}
	}
	return best_key;
}

static void put_lists(
	struct buf *head, const struct use *uses, uint32_t keys_count, uint32_t codes_count)
{
	col_pack_varint(head, keys_count);
	for (uint32_t k = 0; k < keys_count; k++) {
		const struct use *list = uses + (size_t)k * codes_count;
		uint32_t n = list_length(list, codes_count);

		col_pack_varint(head, n);
		for (uint32_t i = 0; i < n; i++)
			col_pack_varint(head, list[i].code);
	}
}

/* Codes become places in the lists of their keys. */
static void to_places(
	const struct use *uses, uint32_t codes_count, uint32_t keys_count, uint16_t *places)
{
	for (uint32_t k = 0; k < keys_count; k++) {
		for (uint32_t i = 0; i < codes_count; i++) {
			size_t at = (size_t)k * codes_count;

			places[at + uses[at + i].code] = (uint16_t)i;
		}
	}
}

/*
 * How many rows of each step have each code, so that a reader of some rows need not read all codes.
 * None where the steps are few, or the counts many.
 */
static void put_counts(
	struct col_text_work *w, const uint32_t *codes, uint32_t rows, uint32_t codes_count)
{
	uint32_t steps = (rows + STEP_ROWS - 1) / STEP_ROWS;
	uint64_t cells = (uint64_t)steps * codes_count;
	int64_t *counts;

	if (steps < 2 || cells > rows / 8) {
		col_pack_varint(&w->head, 0);
		return;
	}
	counts = col_text_work_array(&w->ints, (size_t)cells, sizeof *counts);
	if (!counts) {
		w->head.err = -ENOMEM;
		return;
	}
	memset(counts, 0, (size_t)cells * sizeof *counts);
	for (uint32_t row = 0; row < rows; row++)
		counts[(size_t)(row / STEP_ROWS) * codes_count + codes[row]]++;
	col_text_stream_put(w, counts, (uint32_t)cells);
}

void col_text_codes_put(struct col_text_work *w, const struct col_text_in *in, uint32_t codes_count)
{
	const uint32_t *codes = (const uint32_t *)(const void *)w->codes.p;
	unsigned key = best_key(w, in, codes_count);
	uint32_t keys_count = key < COL_TEXT_KEYS ? in->keys_count[key] : 0;
	int64_t *ints = col_text_work_array(&w->ints, in->rows_count, sizeof *ints);
	uint16_t *places =
		col_text_work_array(&w->rows, (size_t)keys_count * codes_count, sizeof *places);
	const struct use *uses = NULL;

	if (keys_count > 0)
		uses = count_uses(
			&w->column, in->keys[key], keys_count, codes, codes_count, in->rows_count);
	if (!ints || !places || (keys_count > 0 && !uses)) {
		w->head.err = -ENOMEM;
		return;
	}
	buf_put_u8(&w->head, keys_count > 0 ? (uint8_t)(1 + key) : 0);
	for (uint32_t row = 0; row < in->rows_count; row++)
		ints[row] = codes[row];
	if (keys_count > 0) {
		put_lists(&w->head, uses, keys_count, codes_count);
		to_places(uses, codes_count, keys_count, places);
		for (uint32_t row = 0; row < in->rows_count; row++)
			ints[row] = places[(size_t)in->keys[key][row] * codes_count + codes[row]];
	}
	col_text_stream_put(w, ints, in->rows_count);
	put_counts(w, codes, in->rows_count, codes_count);
}
