/*
 * .ENT FILE: header, directory, pages.
 *
 * DIRECTORY: for entities, then for users:
 *   varint   keys
 *   varint   pages
 *   for each page: u40 its first key, varint bytes, u64 XXH3-64
 * Pages follow the directory in that order, without gaps; a page is closed by the key that brings it
 * to 4 KiB or more.
 * PAGE: its keys by rising fingerprint, no key twice in the file. A key:
 *   varint   fingerprint less that of the key before, or of the page's first key
 *   varint   first block * 2 + (1 if more blocks follow)
 *   if so:   varint number of these, and for each the blocks skipped: varint
 *
 * A key costs four to six bytes for a segment of an hour: three and a half for the fingerprint, one
 * or two for its block.
 */
#include "storage/sidx_entity.h"

#include <errno.h>
#include <stdlib.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/col_pack.h"
#include "storage/seg_decode.h"
#include "storage/sidx_hash.h"

enum {
	PAGE_BYTES = 4096,
	KEY_BITS = 40,
	TYPE_BITS = 12,
	BLOCK_BITS = 12,
	PAGE_HEAD_BYTES = 5 + 1 + 8, /* in the directory, at least */
	TABLES = 2,
};

static_assert(LIMIT_SEGMENT_BLOCKS <= 1 << BLOCK_BITS, "a block number fits beside its key");

/* A hash of sidx_hash, or 0 for an absent value. */
static uint64_t entity_key(uint64_t type_hash, uint64_t id_hash)
{
	return id_hash >> (64 - KEY_BITS + TYPE_BITS) << TYPE_BITS | type_hash >> (64 - TYPE_BITS);
}

static uint64_t user_key(uint64_t hash)
{
	return hash >> (64 - KEY_BITS);
}

/* ---- building ---- */

struct builder {
	const struct seg_reader *seg;
	struct sidx_hash type, id, user;
	uint64_t keys[LIMIT_BLOCK_ROWS];
	uint64_t spare[LIMIT_BLOCK_ROWS];
	struct buf postings; /* uint64_t: key << BLOCK_BITS | block */
	struct buf pages;
	struct buf dir;
};

/* The keys of one block, each once, to the postings. */
static int add_keys(struct builder *b, size_t count, uint32_t block)
{
	uint64_t last = UINT64_MAX;

	ASSERT(count <= LIMIT_BLOCK_ROWS);
	ASSERT(block < LIMIT_SEGMENT_BLOCKS);
	sidx_hash_sort(b->keys, b->spare, count, KEY_BITS);
	if (buf_reserve(&b->postings, count * sizeof last) < 0)
		return b->postings.err;
	for (size_t i = 0; i < count; i++) {
		uint64_t posting = b->keys[i] << BLOCK_BITS | block;

		if (b->keys[i] == last)
			continue;
		last = b->keys[i];
		buf_put(&b->postings, &posting, sizeof posting);
	}
	return 0;
}

static int entities_of(struct builder *b, uint32_t block, struct diag *d)
{
	uint32_t rows = seg_reader_block(b->seg, block)->rows_count;
	size_t n = 0;
	int rc = sidx_hash_rows(&b->type, b->seg, block, d);

	if (rc == 0)
		rc = sidx_hash_rows(&b->id, b->seg, block, d);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < rows; i++) {
		if (b->id.rows[i])
			b->keys[n++] = entity_key(b->type.rows[i], b->id.rows[i]);
	}
	return add_keys(b, n, block);
}

static int users_of(struct builder *b, uint32_t block, struct diag *d)
{
	uint32_t rows = seg_reader_block(b->seg, block)->rows_count;
	size_t n = 0;
	int rc = sidx_hash_rows(&b->user, b->seg, block, d);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < rows; i++) {
		if (b->user.rows[i])
			b->keys[n++] = user_key(b->user.rows[i]);
	}
	return add_keys(b, n, block);
}

/* One key with all its blocks; returns the postings used. */
static size_t put_key(const uint64_t *v, size_t left, uint64_t before, struct buf *page)
{
	uint64_t key = v[0] >> BLOCK_BITS, mask = (1 << BLOCK_BITS) - 1;
	size_t n = 1;

	ASSERT(left > 0);
	ASSERT(key >= before);
	while (n < left && v[n] >> BLOCK_BITS == key)
		n++;
	col_pack_varint(page, key - before);
	col_pack_varint(page, (v[0] & mask) * 2 + (n > 1));
	if (n > 1)
		col_pack_varint(page, n - 1);
	for (size_t i = 1; i < n; i++)
		col_pack_varint(page, (v[i] & mask) - (v[i - 1] & mask) - 1);
	return n;
}

static void put_page_head(struct buf *dir, uint64_t key, const uint8_t *p, size_t n)
{
	uint64_t le = htole64(key), sum = htole64(XXH3_64bits(p, n));

	buf_put(dir, &le, 5);
	col_pack_varint(dir, n);
	buf_put(dir, &sum, sizeof sum);
}

/* The sorted postings of one table as pages, and its part of the directory. */
static int put_table(struct builder *b)
{
	const uint64_t *v = (const uint64_t *)(const void *)b->postings.p;
	size_t count = b->postings.len / sizeof *v, at = 0;
	uint64_t keys = 0, pages = 0;
	struct buf heads;

	buf_init(&heads, b->dir.max);
	while (at < count) {
		size_t start = b->pages.len;
		uint64_t first = v[at] >> BLOCK_BITS, before = first;

		while (at < count && b->pages.len - start < PAGE_BYTES) {
			uint64_t key = v[at] >> BLOCK_BITS;

			at += put_key(v + at, count - at, before, &b->pages);
			before = key;
			keys++;
			if (b->pages.err)
				break;
		}
		if (b->pages.err || heads.err)
			break;
		put_page_head(&heads, first, b->pages.p + start, b->pages.len - start);
		pages++;
	}
	col_pack_varint(&b->dir, keys);
	col_pack_varint(&b->dir, pages);
	buf_put(&b->dir, heads.p, heads.len);
	buf_fini(&heads);
	return b->pages.err || b->dir.err || heads.err ? -ENOMEM : 0;
}

static int add_table(struct builder *b, int (*keys_of)(struct builder *, uint32_t, struct diag *),
	struct diag *d)
{
	uint32_t blocks = seg_reader_info(b->seg)->blocks_count;
	uint64_t *spare;
	int rc = 0;

	buf_reset(&b->postings);
	for (uint32_t i = 0; rc == 0 && i < blocks; i++)
		rc = keys_of(b, i, d);
	spare = malloc(b->postings.len + 1);
	if (rc == 0 && !spare)
		rc = -ENOMEM;
	if (rc == 0 && b->postings.len > 0)
		sidx_hash_sort((uint64_t *)(void *)b->postings.p, spare,
			b->postings.len / sizeof *spare, KEY_BITS + BLOCK_BITS);
	free(spare);
	return rc == 0 ? put_table(b) : rc;
}

static int build(struct builder *b, struct buf *out, struct diag *d)
{
	static const uint8_t head[SIDX_COMMON_HEAD_BYTES];
	int rc = add_table(b, entities_of, d);

	if (rc == 0)
		rc = add_table(b, users_of, d);
	if (rc == -ENOMEM)
		diag_set(d, rc, seg_reader_name(b->seg), -1, "building an entity index");
	if (rc < 0)
		return rc;
	buf_put(out, head, sizeof head);
	buf_put(out, b->dir.p, b->dir.len);
	buf_put(out, b->pages.p, b->pages.len);
	sidx_common_seal(out, SIDX_ENTITY, seg_reader_info(b->seg), b->dir.len);
	return 0;
}

int sidx_entity_build(const struct seg_reader *seg, struct buf *out, struct diag *d)
{
	struct builder *b = calloc(1, sizeof *b);
	int rc;

	if (!b)
		return diag_set(d, -ENOMEM, seg_reader_name(seg), -1, "building an entity index");
	b->seg = seg;
	sidx_hash_init(&b->type, SEG_COL_TEXT + EVENT_TEXT_ENTITY_TYPE);
	sidx_hash_init(&b->id, SEG_COL_TEXT + EVENT_TEXT_ENTITY_ID);
	sidx_hash_init(&b->user, SEG_COL_TEXT + EVENT_TEXT_USER_ID);
	buf_init(&b->postings, SIZE_MAX / 2);
	buf_init(&b->pages, out->max);
	buf_init(&b->dir, out->max);
	rc = build(b, out, d);
	sidx_hash_fini(&b->type);
	sidx_hash_fini(&b->id);
	sidx_hash_fini(&b->user);
	buf_fini(&b->postings);
	buf_fini(&b->pages);
	buf_fini(&b->dir);
	free(b);
	return rc;
}

/* ---- looking up ---- */

struct page {
	uint64_t key; /* the first */
	uint64_t off;
	uint64_t bytes;
	uint64_t sum;
};

struct table {
	uint64_t keys_count;
	uint32_t pages_count;
	struct page *pages;
};

struct sidx_entity {
	struct sidx_file file;
	uint32_t blocks_count;
	struct table tables[TABLES]; /* entities, users */
};

static int read_table(struct rcur *c, struct table *t, uint64_t *off, uint64_t file_bytes)
{
	uint64_t keys = rcur_varint(c), pages = rcur_varint(c);

	if (c->err || pages > rcur_left(c) / PAGE_HEAD_BYTES)
		return ERR_CORRUPT;
	t->pages = calloc(pages + 1, sizeof *t->pages);
	if (!t->pages)
		return -ENOMEM;
	t->keys_count = keys;
	t->pages_count = (uint32_t)pages;
	for (uint32_t i = 0; i < t->pages_count; i++) {
		struct page *p = &t->pages[i];

		p->key = rcur_le32(c);
		p->key |= (uint64_t)rcur_u8(c) << 32;
		p->bytes = rcur_varint(c);
		p->sum = rcur_le64(c);
		p->off = *off;
		if (c->err || p->bytes > file_bytes - *off || (i > 0 && p->key <= p[-1].key))
			return ERR_CORRUPT;
		*off += p->bytes;
	}
	return 0;
}

int sidx_entity_open(const struct vfs *vfs, int dir, const char *name, const struct seg_info *seg,
	struct sidx_entity **out, struct diag *d)
{
	struct sidx_entity *x = calloc(1, sizeof *x);
	uint64_t off;
	struct rcur c;
	int rc;

	if (!x)
		return diag_set(d, -ENOMEM, name, -1, "opening a sidecar");
	x->blocks_count = seg->blocks_count;
	rc = sidx_common_open(vfs, dir, name, SIDX_ENTITY, seg, &x->file, d);
	if (rc < 0)
		goto done;
	c = rcur_of(x->file.dir.p, x->file.dir.n);
	off = x->file.pages_off;
	for (int i = 0; i < TABLES && rc == 0; i++)
		rc = read_table(&c, &x->tables[i], &off, x->file.map_bytes);
	if (rc == 0 && (rcur_left(&c) != 0 || off != x->file.map_bytes))
		rc = ERR_CORRUPT;
	if (rc < 0)
		diag_set(d, rc, name, SIDX_COMMON_HEAD_BYTES, "the directory of an entity index");
done:
	if (rc < 0)
		sidx_entity_close(&x);
	else
		*out = x;
	return rc;
}

void sidx_entity_close(struct sidx_entity **x)
{
	if (!*x)
		return;
	sidx_common_close(&(*x)->file);
	for (int i = 0; i < TABLES; i++)
		free((*x)->tables[i].pages);
	free(*x);
	*x = NULL;
}

/* A range of keys looked for, and where its blocks are marked; blocks NULL: only checking. */
struct search {
	uint64_t lo, hi;
	uint64_t *blocks;
	uint32_t blocks_count;
	uint64_t keys_seen;
};

static void mark(const struct search *s, uint64_t key, uint64_t block)
{
	if (s->blocks && key >= s->lo && key <= s->hi)
		s->blocks[block / 64] |= UINT64_C(1) << block % 64;
}

static void read_key(struct rcur *c, struct search *s, uint64_t key)
{
	uint64_t first = rcur_varint(c), block = first / 2, more = 0;

	if (first & 1)
		more = rcur_varint(c);
	if (block >= s->blocks_count || more >= s->blocks_count) {
		c->err = ERR_CORRUPT;
		return;
	}
	mark(s, key, block);
	for (; more > 0 && !c->err; more--) {
		uint64_t skipped = rcur_varint(c);

		if (skipped >= s->blocks_count - block - 1) {
			c->err = ERR_CORRUPT;
			return;
		}
		block += skipped + 1;
		mark(s, key, block);
	}
}

static int read_page(const struct sidx_entity *x, const struct page *p, struct search *s)
{
	struct rcur c = rcur_of(x->file.map + p->off, p->bytes);
	uint64_t key = p->key;

	if (XXH3_64bits(c.p, p->bytes) != p->sum)
		return ERR_CORRUPT;
	while (rcur_left(&c) > 0 && key <= s->hi) {
		uint64_t step = rcur_varint(&c);

		if (step > (UINT64_C(1) << KEY_BITS))
			return ERR_CORRUPT;
		key += step;
		read_key(&c, s, key);
		s->keys_seen++;
	}
	return c.err ? ERR_CORRUPT : 0;
}

static int search_table(
	const struct sidx_entity *x, const struct table *t, struct search *s, struct diag *d)
{
	uint32_t lo = 0, hi = t->pages_count;

	/* The last page that begins at or before the range; keys before the first page are nowhere. */
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (t->pages[mid].key <= s->lo)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (uint32_t i = lo ? lo - 1 : 0; i < t->pages_count && t->pages[i].key <= s->hi; i++) {
		if (read_page(x, &t->pages[i], s) < 0)
			return diag_set(d, ERR_CORRUPT, x->file.name, (int64_t)t->pages[i].off,
				"a page of an entity index");
	}
	return 0;
}

static int find(const struct sidx_entity *x, int table, uint64_t lo, uint64_t hi, uint64_t *blocks,
	struct diag *d)
{
	struct search s = { .lo = lo, .hi = hi, .blocks = blocks, .blocks_count = x->blocks_count };

	return search_table(x, &x->tables[table], &s, d);
}

int sidx_entity_find(const struct sidx_entity *x, struct span type, struct span id,
	uint64_t *blocks, struct diag *d)
{
	uint64_t key = entity_key(sidx_hash_value(type), sidx_hash_value(id));

	ASSERT(id.p);
	return find(x, 0, key, key, blocks, d);
}

int sidx_entity_find_id(
	const struct sidx_entity *x, struct span id, uint64_t *blocks, struct diag *d)
{
	uint64_t key = entity_key(0, sidx_hash_value(id));

	ASSERT(id.p);
	return find(x, 0, key, key | ((1 << TYPE_BITS) - 1), blocks, d);
}

int sidx_entity_find_user(
	const struct sidx_entity *x, struct span user, uint64_t *blocks, struct diag *d)
{
	uint64_t key = user_key(sidx_hash_value(user));

	ASSERT(user.p);
	return find(x, 1, key, key, blocks, d);
}

void sidx_entity_counts(const struct sidx_entity *x, uint64_t *out_entities, uint64_t *out_users)
{
	*out_entities = x->tables[0].keys_count;
	*out_users = x->tables[1].keys_count;
}

int sidx_entity_check(const struct sidx_entity *x, struct diag *d)
{
	for (int i = 0; i < TABLES; i++) {
		struct search s = { .hi = UINT64_MAX, .blocks_count = x->blocks_count };
		int rc = search_table(x, &x->tables[i], &s, d);

		if (rc < 0)
			return rc;
		if (s.keys_seen != x->tables[i].keys_count)
			return diag_set(d, ERR_CORRUPT, x->file.name, SIDX_COMMON_HEAD_BYTES,
				"the number of keys of an entity index");
	}
	return 0;
}
