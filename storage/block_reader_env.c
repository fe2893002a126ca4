/*
 * What a page of text asks of the other columns of its block. A column asked for many of its rows is
 * decoded whole and kept for the block, for it will be asked again; values of few rows are copied to
 * where they stand still until the question is answered.
 *
 * A page may only ask columns of a lower rank than its own, so no question comes back to where it began.
 */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/block_reader_int.h"

static const uint8_t source_cols[COL_TEXT_SOURCES] = {
	[COL_TEXT_ENTITY_ID] = SEG_COL_TEXT + EVENT_TEXT_ENTITY_ID,
	[COL_TEXT_ENTITY_TYPE] = SEG_COL_TEXT + EVENT_TEXT_ENTITY_TYPE,
	[COL_TEXT_USER_ID] = SEG_COL_TEXT + EVENT_TEXT_USER_ID,
	[COL_TEXT_IP_ADDRESS] = SEG_COL_TEXT + EVENT_TEXT_IP_ADDRESS,
	[COL_TEXT_SERVICE] = SEG_COL_TEXT + EVENT_TEXT_SERVICE,
	[COL_TEXT_HOST] = SEG_COL_TEXT + EVENT_TEXT_HOST,
};

static const uint8_t key_cols[COL_TEXT_KEYS] = {
	[COL_TEXT_KEY_EVENT_TYPE] = SEG_COL_TEXT + EVENT_TEXT_EVENT_TYPE,
	[COL_TEXT_KEY_ENTITY_TYPE] = SEG_COL_TEXT + EVENT_TEXT_ENTITY_TYPE,
	[COL_TEXT_KEY_USER_ID] = SEG_COL_TEXT + EVENT_TEXT_USER_ID,
};

bool block_reader_env_allows(int text, unsigned sources, unsigned keys, bool leaves)
{
	unsigned rank = block_rank(text);

	for (unsigned i = 0; i < COL_TEXT_SOURCES; i++) {
		if (sources >> i & 1 && block_rank(source_cols[i] - SEG_COL_INTS) >= rank)
			return false;
	}
	for (unsigned i = 0; i < COL_TEXT_KEYS; i++) {
		if (keys >> i & 1 && block_rank(key_cols[i] - SEG_COL_INTS) >= rank)
			return false;
	}
	return !leaves || rank > block_rank(BLOCK_METADATA);
}

/* ---- sources ---- */

/* Lengths (0 absent, else bytes + 1) become places. */
static int set_places(struct block_reader *b, struct block_column *c, const uint32_t *lengths,
	struct col_text_value *places, const struct buf *bytes)
{
	size_t off = 0;

	for (uint32_t i = 0; i < b->rows_count; i++) {
		size_t n = col_bytes_length(lengths[i]);

		if (n > bytes->len - off)
			return ERR_CORRUPT;
		places[i] = (struct col_text_value){ (uint32_t)off, lengths[i] };
		off += n;
	}
	c->all = places;
	c->all_bytes = bytes->p;
	return 0;
}

/* The whole column, kept for the block. */
static int load_all(struct block_reader *b, struct block_column *c)
{
	size_t room = (size_t)c->text.raw_bytes + 1;
	struct col_text_value *places;
	struct buf bytes = { .cap = room, .max = room };
	uint32_t *lengths;
	int rc;

	if (c->all)
		return 0;
	lengths = arena_alloc(&b->work.lent, b->rows_count * sizeof *lengths);
	places = arena_alloc(&b->tables, b->rows_count * sizeof *places);
	bytes.p = arena_alloc(&b->tables, room);
	if (!lengths || !places || !bytes.p)
		return -ENOMEM;
	rc = col_text_all(&c->text, lengths, &bytes);
	/* A page gives no more than it declares. */
	if (rc == ERR_LIMIT)
		rc = ERR_CORRUPT;
	return rc == 0 ? set_places(b, c, lengths, places, &bytes) : rc;
}

static int load_some(struct block_reader *b, struct block_column *c, const uint32_t *rows,
	size_t count, struct span *out)
{
	struct col_text_value *places = arena_alloc(&b->work.lent, count * sizeof *places);
	struct buf bytes;
	uint8_t *to;
	int rc;

	if (!places)
		return -ENOMEM;
	buf_init(&bytes, COL_TEXT_RAW_MAX + 1);
	rc = col_text_get(&c->text, rows, count, &bytes, places);
	to = rc == 0 ? arena_alloc(&b->work.lent, bytes.len + 1) : NULL;
	if (rc == 0 && !to)
		rc = -ENOMEM;
	if (rc == 0 && bytes.len > 0)
		memcpy(to, bytes.p, bytes.len);
	for (size_t i = 0; i < count && rc == 0; i++) {
		struct col_text_value v = places[i];

		out[i] = v.length ? span_of(to + v.off, v.length - 1) : SPAN_NONE;
	}
	buf_fini(&bytes);
	return rc;
}

static int source_text(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	struct span *out, struct diag *d)
{
	struct block_column *c;
	int rc = block_reader_open_text(b, col, &c, d);

	if (rc < 0)
		return rc;
	if (rows && !c->all && !block_reader_prefers_whole(b, c, count)) {
		rc = load_some(b, c, rows, count, out);
		return rc < 0 ? block_reader_fail(b, col, rc, d) : 0;
	}
	rc = load_all(b, c);
	if (rc < 0)
		return block_reader_fail(b, col, rc, d);
	for (size_t i = 0; i < count; i++)
		out[i] = block_reader_whole(c, rows ? rows[i] : (uint32_t)i);
	return 0;
}

static int source_codes(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	struct span *out, struct diag *d)
{
	const uint16_t *codes;
	struct col_dict *dict;
	int rc;

	if (rows)
		return block_reader_values(b, col, rows, count, NULL, out, d);
	rc = block_reader_dict(b, col, &dict, NULL, d);
	if (rc == 0 && dict->count > 0)
		rc = block_reader_dict_need(b, col, 0, d);
	if (rc == 0)
		rc = block_reader_codes(b, col, &codes, d);
	for (size_t i = 0; i < count && rc == 0; i++)
		out[i] = codes[i] ? col_dict_at(dict, codes[i]) : SPAN_NONE;
	return rc;
}

/* True: all these values are at hand, and in out. */
static bool take_from_hand(
	const struct block_hand *h, int col, const uint32_t *rows, size_t count, struct span *out)
{
	const char *values = (const char *)h->cols[col];
	size_t at = 0;

	if (!h->rows || !values || !rows || count > h->count)
		return false;
	for (size_t i = 0; i < count; i++, at++) {
		while (at < h->count && h->rows[at] < rows[i])
			at++;
		if (at == h->count || h->rows[at] != rows[i])
			return false;
		memcpy(&out[i], values + at * h->stride, sizeof out[i]);
	}
	return true;
}

void block_reader_hold(struct block_reader *b, const uint32_t *rows, size_t count, size_t stride)
{
	block_reader_let_go(b);
	b->hand = (struct block_hand){ .rows = rows, .count = count, .stride = stride };
}

void block_reader_hold_col(struct block_reader *b, int col, const struct span *first)
{
	ASSERT(b->hand.rows);
	b->hand.cols[col] = first;
}

static int source(void *ctx, enum col_text_source source, const uint32_t *rows, size_t count,
	struct span *out)
{
	struct block_reader *b = ctx;
	int col = source_cols[source], rc;
	enum col_kind kind;

	if (take_from_hand(&b->hand, col, rows, count, out))
		return 0;
	rc = block_reader_kind(b, col, &kind, &b->inner);
	if (rc == 0)
		rc = kind == COL_KIND_CODES ? source_codes(b, col, rows, count, out, &b->inner)
					    : source_text(b, col, rows, count, out, &b->inner);
	return rc;
}

/* ---- keys and leaves ---- */

/* Whether rows, rising, are as many of one part as it takes to decode that. */
static bool fill_part(const uint32_t *rows, size_t count)
{
	return rows && count >= BLOCK_READER_PART_ROWS / BLOCK_READER_MANY &&
	       rows[0] / BLOCK_READER_PART_ROWS == rows[count - 1] / BLOCK_READER_PART_ROWS;
}

static int key_codes(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	uint32_t *out, struct diag *d)
{
	bool ready = b->cols[col].codes_ready, part = !ready && fill_part(rows, count);
	uint16_t some[BLOCK_READER_SOME];
	const uint16_t *codes = NULL;
	uint32_t first = part ? rows[0] : 0;
	int rc = 0;

	if (part)
		rc = block_reader_codes_part(b, col, first, &codes, d);
	else if (!rows || ready || count >= b->rows_count / BLOCK_READER_MANY)
		rc = block_reader_codes(b, col, &codes, d);
	for (size_t i = 0; codes && i < count && rc == 0; i++)
		out[i] = codes[rows ? rows[i] - first : i];
	for (size_t at = 0, n; !codes && at < count && rc == 0; at += n) {
		n = count - at < BLOCK_READER_SOME ? count - at : BLOCK_READER_SOME;
		rc = block_reader_codes_at(b, col, rows + at, n, some, d);
		for (size_t i = 0; i < n && rc == 0; i++)
			out[at + i] = some[i];
	}
	return rc;
}

static int key(void *ctx, enum col_text_key key, const uint32_t *rows, size_t count, uint32_t *out)
{
	struct block_reader *b = ctx;
	int col = key_cols[key], rc;
	struct block_column *c;
	enum col_kind kind;

	rc = block_reader_kind(b, col, &kind, &b->inner);
	if (rc < 0)
		return rc;
	if (kind == COL_KIND_CODES)
		return key_codes(b, col, rows, count, out, &b->inner);
	rc = block_reader_open_text(b, col, &c, &b->inner);
	if (rc < 0)
		return rc;
	rc = col_text_entries(&c->text) > 0 ? col_text_codes(&c->text, rows, count, out)
					    : ERR_CORRUPT;
	return rc < 0 ? block_reader_fail(b, col, rc, &b->inner) : 0;
}

static int key_column(void *ctx, enum col_text_key key, uint32_t first, const uint16_t **out)
{
	struct block_reader *b = ctx;
	enum col_kind kind;
	int rc = block_reader_kind(b, key_cols[key], &kind, &b->inner);

	if (rc < 0 || kind != COL_KIND_CODES)
		return rc < 0 ? rc : 1;
	return block_reader_codes_part(b, key_cols[key], first, out, &b->inner);
}

static int leaf(
	void *ctx, uint32_t leaf, const uint32_t *rows, size_t count, struct col_text_leaf *out)
{
	struct block_reader *b = ctx;
	struct col_map *map;
	int rc = block_reader_open_map(b, &map, &b->inner);

	if (rc < 0)
		return rc;
	rc = col_map_leaf(map, leaf, rows, count, out);
	return rc < 0 ? block_reader_fail(b, SEG_COL_METADATA, rc, &b->inner) : 0;
}

/* ---- searches ---- */

/* Entries of the dictionary first; codes only if one of them contains it. */
static int codes_contain(
	struct block_reader *b, int col, const struct needle *x, uint8_t *match, struct diag *d)
{
	const uint16_t *codes;
	struct col_dict *dict;
	uint8_t *found = NULL;
	int rc = block_reader_dict(b, col, &dict, NULL, d);

	if (rc == 0 && dict->count > 0)
		rc = block_reader_dict_need(b, col, 0, d);
	if (rc == 0)
		found = arena_calloc(&b->work.lent, (size_t)dict->count + 1, 1);
	if (rc == 0 && !found)
		return block_reader_fail(b, col, -ENOMEM, d);
	for (uint32_t code = 1; rc == 0 && code <= dict->count; code++)
		found[code] = needle_find(x, col_dict_at(dict, code), 0) != SIZE_MAX;
	if (rc == 0 && !memchr(found, 1, (size_t)dict->count + 1)) {
		memset(match, 0, b->rows_count);
		return 0;
	}
	if (rc == 0)
		rc = block_reader_codes(b, col, &codes, d);
	for (uint32_t i = 0; rc == 0 && i < b->rows_count; i++)
		match[i] &= found[codes[i]];
	return rc;
}

static int source_contains(
	void *ctx, enum col_text_source source, const struct needle *x, uint8_t *match)
{
	struct block_reader *b = ctx;
	int col = source_cols[source], rc;
	struct block_column *c;
	enum col_kind kind;

	rc = block_reader_kind(b, col, &kind, &b->inner);
	if (rc == 0 && kind == COL_KIND_CODES)
		return codes_contain(b, col, x, match, &b->inner);
	if (rc == 0)
		rc = block_reader_open_text(b, col, &c, &b->inner);
	if (rc < 0)
		return rc;
	rc = col_text_contains(&c->text, x, match);
	return rc < 0 ? block_reader_fail(b, col, rc, &b->inner) : 0;
}

static int leaves_contain(void *ctx, const struct needle *x, uint8_t *leaves, uint32_t count)
{
	struct block_reader *b = ctx;
	struct col_map *map;
	int rc = block_reader_open_map(b, &map, &b->inner);

	if (rc < 0)
		return rc;
	rc = col_map_leaves_contain(map, x, leaves, count);
	return rc < 0 ? block_reader_fail(b, SEG_COL_METADATA, rc, &b->inner) : 0;
}

/* ---- letters ---- */

static int dict_letters(struct block_reader *b, int col, struct col_letters *out, struct diag *d)
{
	struct col_dict *dict;
	int rc = block_reader_dict(b, col, &dict, NULL, d);

	if (rc == 0 && dict->count > 0)
		rc = block_reader_dict_need(b, col, 0, d);
	for (uint32_t code = 1; rc == 0 && code <= dict->count; code++)
		col_letters_add(out, col_dict_at(dict, code));
	return rc;
}

static int source_letters(void *ctx, enum col_text_source source, struct col_letters *out)
{
	struct block_reader *b = ctx;
	int col = source_cols[source], rc;
	struct block_column *c;
	enum col_kind kind;

	rc = block_reader_kind(b, col, &kind, &b->inner);
	if (rc == 0 && kind == COL_KIND_CODES)
		return dict_letters(b, col, out, &b->inner);
	if (rc == 0)
		rc = block_reader_open_text(b, col, &c, &b->inner);
	if (rc < 0)
		return rc;
	rc = col_text_letters(&c->text, out);
	return rc < 0 ? block_reader_fail(b, col, rc, &b->inner) : rc;
}

static int leaves_letters(void *ctx, const uint8_t *leaves, uint32_t count, struct col_letters *out)
{
	struct block_reader *b = ctx;
	struct col_map *map;
	int rc = block_reader_open_map(b, &map, &b->inner);

	if (rc < 0)
		return rc;
	rc = col_map_leaves_letters(map, leaves, count, out);
	return rc < 0 ? block_reader_fail(b, SEG_COL_METADATA, rc, &b->inner) : rc;
}

void block_reader_env_init(struct block_reader *b)
{
	b->env = (struct col_text_env){ .ctx = b,
		.work = &b->work.lent,
		.hand = &b->work.hand,
		.source = source,
		.key = key,
		.key_column = key_column,
		.leaf = leaf,
		.source_contains = source_contains,
		.leaves_contain = leaves_contain,
		.source_letters = source_letters,
		.leaves_letters = leaves_letters };
}
