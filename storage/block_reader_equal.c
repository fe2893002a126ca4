/*
 * Rows of a column of text that have one of some values. Who asks a block again and again for single
 * values is answered by an index, made when the third question comes: rows by the hash of their value,
 * and 8 more bits of it beside each row; those that fit are read and compared. Rows that an index finds
 * are given as a list, too, to who can go on with few.
 */
#include <errno.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/block_reader_int.h"

enum {
	QUESTIONS_ALONE = 2,
	ROWS_MIN = 1024,
	/* Rows of a bucket, about. */
	BUCKET_ROWS = 8,
	PRINT_SHIFT = 56,
	/* Sets of more values, and more rows that fit, are left to the page. */
	VALUES_MAX = 16,
	FOUND_MAX = BLOCK_READER_EQUAL_ROWS,
};

struct block_index {
	uint32_t mask;    /* buckets, less one */
	uint32_t *starts; /* of each bucket in rows; mask + 2 */
	uint16_t *rows;
	uint8_t *prints; /* of the values of these rows */
};

/* ---- making one ---- */

static uint64_t hash_of(struct span v)
{
	return XXH3_64bits(v.p, v.n);
}

/* Hashes of all values, 0 where there is none; in the memory of the question. */
static int hash_values(struct block_reader *b, struct block_column *c, uint64_t **out)
{
	size_t room = (size_t)c->text.raw_bytes + 1, off = 0;
	uint32_t *lengths = arena_alloc(&b->work.lent, b->rows_count * sizeof *lengths);
	uint64_t *hashes = arena_alloc(&b->work.lent, b->rows_count * sizeof *hashes);
	struct buf bytes = { .p = arena_alloc(&b->work.lent, room), .cap = room, .max = room };
	int rc;

	if (!lengths || !hashes || !bytes.p)
		return -ENOMEM;
	rc = col_text_all(&c->text, lengths, &bytes);
	for (uint32_t i = 0; i < b->rows_count && rc == 0; i++) {
		size_t n = col_bytes_length(lengths[i]);

		if (n > bytes.len - off)
			return ERR_CORRUPT;
		hashes[i] = lengths[i] ? hash_of(span_of(bytes.p + off, n)) | 1 : 0;
		off += n;
	}
	*out = hashes;
	return rc == ERR_LIMIT ? ERR_CORRUPT : rc;
}

static struct block_index *new_index(struct block_reader *b)
{
	struct block_index *x = arena_calloc(&b->tables, 1, sizeof *x);
	uint32_t buckets = 1;

	if (!x)
		return NULL;
	while (buckets * 2 * BUCKET_ROWS <= b->rows_count)
		buckets *= 2;
	x->mask = buckets - 1;
	x->starts = arena_calloc(&b->tables, buckets + 1, sizeof *x->starts);
	x->rows = arena_alloc(&b->tables, b->rows_count * sizeof *x->rows);
	x->prints = arena_alloc(&b->tables, b->rows_count * sizeof *x->prints);
	return x->starts && x->rows && x->prints ? x : NULL;
}

static inline uint32_t bucket_of(const struct block_index *x, uint64_t hash)
{
	return (uint32_t)(hash >> 1) & x->mask;
}

/* Sorted by bucket, by counting; rows rise in each. */
static void sort_rows(struct block_index *x, const uint64_t *hashes, uint32_t rows)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < rows; i++)
		x->starts[bucket_of(x, hashes[i])] += hashes[i] != 0;
	for (uint32_t k = 0; k <= x->mask + 1; k++) {
		sum += x->starts[k];
		x->starts[k] = sum;
	}
	for (uint32_t i = rows; i-- > 0;) {
		uint32_t at;

		if (hashes[i] == 0)
			continue;
		at = --x->starts[bucket_of(x, hashes[i])];
		x->rows[at] = (uint16_t)i;
		x->prints[at] = (uint8_t)(hashes[i] >> PRINT_SHIFT);
	}
}

static int make_index(struct block_reader *b, struct block_column *c)
{
	struct block_index *x = new_index(b);
	uint64_t *hashes;
	int rc = x ? hash_values(b, c, &hashes) : -ENOMEM;

	static_assert(LIMIT_BLOCK_ROWS <= UINT16_MAX + 1, "a row is 16 bits");
	if (rc < 0)
		return rc;
	sort_rows(x, hashes, b->rows_count);
	c->index = x;
	return 0;
}

/* ---- asking it ---- */

static bool may_have(const struct block_index *x, uint32_t at, uint64_t hash)
{
	return x->prints[at] == (uint8_t)(hash >> PRINT_SHIFT);
}

uint32_t block_reader_equal_count(const struct block_reader *b, int col, const struct textset *set)
{
	const struct block_index *x = b->cols[col].index;
	uint32_t count = 0;

	if (!b->entered || !x || set->count > VALUES_MAX)
		return UINT32_MAX;
	for (size_t i = 0; i < set->count; i++) {
		uint64_t hash = set->values[i].p ? hash_of(set->values[i]) | 1 : 0;
		uint32_t bucket = bucket_of(x, hash);

		if (!hash)
			return UINT32_MAX;
		for (uint32_t k = x->starts[bucket]; k < x->starts[bucket + 1]; k++)
			count += may_have(x, k, hash);
	}
	return count;
}

/* Rows of match, or of all, that may have the value, at the end of the others. 1: there are too many. */
static int add_rows(const struct block_index *x, struct span value, const uint8_t *match,
	uint32_t *rows, uint32_t *count)
{
	uint64_t hash = hash_of(value) | 1;
	uint32_t bucket = bucket_of(x, hash);

	for (uint32_t i = x->starts[bucket]; i < x->starts[bucket + 1]; i++) {
		if (!may_have(x, i, hash) || (match && !match[x->rows[i]]))
			continue;
		if (*count == FOUND_MAX)
			return 1;
		rows[(*count)++] = x->rows[i];
	}
	return 0;
}

static void sort_found(uint32_t *rows, uint32_t *count)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < *count; i++) {
		uint32_t row = rows[i], at = i;

		for (; at > 0 && rows[at - 1] > row; at--)
			rows[at] = rows[at - 1];
		rows[at] = row;
	}
	/* Two values may have led to the same row. */
	for (uint32_t i = 0; i < *count; i++) {
		if (n == 0 || rows[n - 1] != rows[i])
			rows[n++] = rows[i];
	}
	*count = n;
}

/* Of match, or of all if that is NULL: rows with one of the values, rising. 1: the index is no help. */
static int find_rows(struct block_reader *b, int col, const struct textset *set,
	const uint8_t *match, uint32_t *rows, uint32_t *out_count, struct diag *d)
{
	struct span values[FOUND_MAX];
	uint32_t count = 0, n = 0;
	struct buf bytes;
	int rc = 0;

	for (size_t i = 0; i < set->count && rc == 0; i++)
		rc = set->values[i].p
			     ? add_rows(b->cols[col].index, set->values[i], match, rows, &count)
			     : 1;
	if (rc != 0)
		return rc;
	sort_found(rows, &count);
	buf_init(&bytes, BLOCK_BYTES_MAX);
	if (count > 0)
		rc = block_reader_values(b, col, rows, count, &bytes, values, d);
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		if (textset_has(set, values[i]))
			rows[n++] = rows[i];
	}
	buf_fini(&bytes);
	*out_count = n;
	return rc;
}

/* 1: the index is no help. */
static int ask_index(
	struct block_reader *b, int col, const struct textset *set, uint8_t *match, struct diag *d)
{
	uint32_t rows[FOUND_MAX], count;
	int rc = find_rows(b, col, set, match, rows, &count, d);

	if (rc != 0)
		return rc;
	memset(match, 0, b->rows_count);
	for (uint32_t i = 0; i < count; i++)
		match[rows[i]] = 1;
	return 0;
}

int block_reader_equal_rows(struct block_reader *b, int col, const struct textset *set,
	uint32_t *rows, uint32_t *out_count, struct diag *d)
{
	if (!b->cols[col].index || set->count > VALUES_MAX)
		return 1;
	block_reader_begin(b);
	return find_rows(b, col, set, NULL, rows, out_count, d);
}

int block_reader_equal(
	struct block_reader *b, int col, const struct textset *set, uint8_t *match, struct diag *d)
{
	struct block_column *c;
	int rc;

	block_reader_begin(b);
	rc = block_reader_open_text(b, col, &c, d);
	if (rc < 0)
		return rc;
	if (set->count <= VALUES_MAX && b->rows_count >= ROWS_MIN) {
		c->questions += c->questions <= QUESTIONS_ALONE;
		if (c->questions > QUESTIONS_ALONE && !c->index)
			rc = make_index(b, c);
		if (rc < 0)
			return block_reader_fail(b, col, rc, d);
		rc = c->index ? ask_index(b, col, set, match, d) : 1;
		if (rc <= 0)
			return rc;
	}
	rc = col_text_equal(&c->text, set, match);
	return rc < 0 ? block_reader_fail(b, col, rc, d) : 0;
}
