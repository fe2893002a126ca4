#include "storage/sidx_entity_maker.h"

#include <errno.h>
#include <stdlib.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "storage/sidx_common.h"
#include "storage/sidx_entity.h"

enum { IDS, PAIRS, USERS };

static_assert(USERS + 1 == SIDX_ENTITY_MAKER_TABLES, "tables");

void sidx_entity_maker_init(struct sidx_entity_maker *m)
{
	memset(m, 0, sizeof *m);
	m->ranges = 1;
	sidx_postings_init(&m->ids);
	sidx_postings_init(&m->users);
	buf_init(&m->pairs, UINT32_MAX);
	for (int i = 0; i < SIDX_ENTITY_MAKER_TABLES; i++)
		sidx_keys_put_init(&m->tables[i], 0, 0, false, 1);
}

void sidx_entity_maker_fini(struct sidx_entity_maker *m)
{
	sidx_postings_fini(&m->ids);
	sidx_postings_fini(&m->users);
	buf_fini(&m->pairs);
	for (int i = 0; i < SIDX_ENTITY_MAKER_TABLES; i++)
		sidx_keys_put_fini(&m->tables[i]);
}

void sidx_entity_maker_begin(struct sidx_entity_maker *m, unsigned range, unsigned ranges)
{
	m->ranges = ranges;
	sidx_postings_reset(&m->ids, range, ranges);
	sidx_postings_reset(&m->users, range, ranges);
}

void sidx_entity_maker_row(struct sidx_entity_maker *m, uint32_t block, const struct event *ev)
{
	struct span id = ev->text[EVENT_TEXT_ENTITY_ID], user = ev->text[EVENT_TEXT_USER_ID];

	ASSERT(block < LIMIT_SEGMENT_BLOCKS);
	if (id.p)
		sidx_postings_add(&m->ids, sidx_entity_hash(id),
			sidx_entity_tag(ev->text[EVENT_TEXT_ENTITY_TYPE]), block);
	if (user.p)
		sidx_postings_add(&m->users, sidx_entity_hash(user), 0, block);
}

bool sidx_entity_maker_full(const struct sidx_entity_maker *m)
{
	return m->ids.full || m->users.full;
}

/* ---- tables ---- */

/* Whether rows of the key are of more than one type. */
static bool is_mixed(const struct sidx_postings_group *g)
{
	for (size_t i = 1; i < g->count; i++) {
		if (sidx_postings_tag(g->v[i]) != sidx_postings_tag(g->v[0]))
			return true;
	}
	return false;
}

static int number_cmp(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return (a > b) - (a < b);
}

/* Adds a posting of a mixed key to m->pairs. */
static void gather_pair(struct sidx_entity_maker *m, uint64_t posting)
{
	uint32_t low =
		sidx_entity_pair_low(sidx_postings_hash(posting), sidx_postings_tag(posting));
	uint32_t pair = low << SIDX_POSTINGS_BLOCK_BITS | sidx_postings_block(posting);

	buf_put(&m->pairs, &pair, sizeof pair);
}

/* Sorts the gathered pairs and drops those that stand twice; their number. */
static size_t tidy_pairs(struct sidx_entity_maker *m)
{
	uint32_t *v = (uint32_t *)(void *)m->pairs.p;
	size_t count = m->pairs.len / sizeof *v, n = 0;

	if (count == 0)
		return 0;
	qsort(v, count, sizeof *v, number_cmp);
	for (size_t i = 0; i < count; i++) {
		if (n == 0 || v[i] != v[n - 1])
			v[n++] = v[i];
	}
	return n;
}

/* Puts the pairs of the bucket under way. */
static void put_pairs(struct sidx_entity_maker *m)
{
	size_t count = tidy_pairs(m), at = 0;
	const uint32_t *v = (const uint32_t *)(const void *)m->pairs.p;

	while (at < count) {
		uint32_t low = v[at] >> SIDX_POSTINGS_BLOCK_BITS, n = 0;

		for (; at < count && v[at] >> SIDX_POSTINGS_BLOCK_BITS == low; at++)
			m->blocks[n++] = v[at] & ((1u << SIDX_POSTINGS_BLOCK_BITS) - 1);
		sidx_keys_put(&m->tables[PAIRS], (struct sidx_keys_at){ m->pairs_bucket, low },
			false, m->blocks, n);
	}
	buf_reset(&m->pairs);
}

/* Buckets for that many keys of one range. */
static uint32_t buckets_for(const struct sidx_entity_maker *m, size_t keys)
{
	/* Other ranges may have what this one has not; and a bucket must not be in two of them. */
	if (keys == 0 && m->ranges > 1)
		keys = 1;
	return (uint32_t)keys * m->ranges;
}

/* How many pairs the mixed keys of this range have. */
static size_t count_pairs(struct sidx_entity_maker *m, uint32_t buckets)
{
	struct sidx_postings_group g = { 0 };
	size_t pairs = 0;

	while (buckets > 0 && sidx_postings_next(&m->ids, buckets, SIDX_ENTITY_LOW_BITS, &g)) {
		const uint32_t *v;
		size_t n;

		if (!is_mixed(&g))
			continue;
		for (size_t i = 0; i < g.count; i++)
			gather_pair(m, g.v[i]);
		n = tidy_pairs(m);
		v = (const uint32_t *)(const void *)m->pairs.p;
		for (size_t i = 0; i < n; i++)
			pairs += i == 0 || v[i] >> SIDX_POSTINGS_BLOCK_BITS !=
						   v[i - 1] >> SIDX_POSTINGS_BLOCK_BITS;
		buf_reset(&m->pairs);
	}
	return pairs;
}

/* The first range tells how large the tables will be. */
static void begin_tables(struct sidx_entity_maker *m, uint32_t blocks_count)
{
	uint32_t ids = buckets_for(m, sidx_postings_keys(&m->ids));
	uint32_t users = buckets_for(m, sidx_postings_keys(&m->users));
	uint32_t pairs = buckets_for(m, count_pairs(m, ids));

	for (int i = 0; i < SIDX_ENTITY_MAKER_TABLES; i++)
		sidx_keys_put_fini(&m->tables[i]);
	sidx_keys_put_init(&m->tables[IDS], ids, SIDX_ENTITY_LOW_BITS, pairs > 0, blocks_count);
	sidx_keys_put_init(&m->tables[PAIRS], pairs, SIDX_ENTITY_LOW_BITS, false, blocks_count);
	sidx_keys_put_init(&m->tables[USERS], users, SIDX_ENTITY_LOW_BITS, false, blocks_count);
}

/* Hashes that share a key of the ids need not share a bucket of the pairs. */
static void put_mixed(struct sidx_entity_maker *m, const struct sidx_postings_group *g)
{
	uint32_t buckets = m->tables[PAIRS].buckets;

	for (size_t i = 0; i < g->count; i++) {
		uint32_t bucket = sidx_keys_at(sidx_postings_hash(g->v[i]), buckets, 0).bucket;

		if (bucket != m->pairs_bucket)
			put_pairs(m);
		m->pairs_bucket = bucket;
		gather_pair(m, g->v[i]);
	}
}

static void put_ids(struct sidx_entity_maker *m)
{
	struct sidx_keys_put *ids = &m->tables[IDS];
	struct sidx_postings_group g = { 0 };

	buf_reset(&m->pairs);
	while (sidx_postings_next(&m->ids, ids->buckets, SIDX_ENTITY_LOW_BITS, &g)) {
		uint32_t n = sidx_postings_blocks(&g, m->blocks);
		bool mixed = ids->marked && is_mixed(&g);

		sidx_keys_put(ids, g.at, mixed, m->blocks, n);
		if (mixed)
			put_mixed(m, &g);
	}
	put_pairs(m);
}

static void put_users(struct sidx_entity_maker *m)
{
	struct sidx_keys_put *users = &m->tables[USERS];
	struct sidx_postings_group g = { 0 };

	while (sidx_postings_next(&m->users, users->buckets, SIDX_ENTITY_LOW_BITS, &g))
		sidx_keys_put(users, g.at, false, m->blocks, sidx_postings_blocks(&g, m->blocks));
}

int sidx_entity_maker_range_end(struct sidx_entity_maker *m, const struct seg_info *seg)
{
	int rc = sidx_postings_sort(&m->ids);

	if (rc == 0)
		rc = sidx_postings_sort(&m->users);
	if (rc < 0)
		return rc;
	if (m->ids.lo == 0)
		begin_tables(m, seg->blocks_count);
	put_ids(m);
	put_users(m);
	return m->pairs.err;
}

int sidx_entity_maker_put(struct sidx_entity_maker *m, const struct seg_info *seg, struct buf *out)
{
	static const uint8_t head[SIDX_COMMON_HEAD_BYTES];
	size_t start = out->len, dir_bytes;
	int rc = 0;

	for (int i = 0; i < SIDX_ENTITY_MAKER_TABLES && rc == 0; i++)
		rc = sidx_keys_put_end(&m->tables[i]);
	if (rc < 0)
		return rc;
	ASSERT(start == 0);
	buf_put(out, head, sizeof head);
	buf_put_u8(out, 1);
	for (int i = 0; i < SIDX_ENTITY_MAKER_TABLES; i++)
		sidx_keys_put_dir(&m->tables[i], out);
	dir_bytes = out->len - sizeof head;
	for (int i = 0; i < SIDX_ENTITY_MAKER_TABLES; i++)
		buf_put_span(out, buf_span(&m->tables[i].pages));
	sidx_common_seal(out, SIDX_ENTITY, seg, dir_bytes);
	return out->err;
}
