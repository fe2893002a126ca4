/*
 * Goal:   a table of keys gives back exactly the blocks that were put, for any number of blocks; one
 *         gathered in ranges answers as one gathered at once; what is cut or flipped is an error.
 * Method: seeded random keys against an array.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "storage/sidx_keys.h"
#include "storage/sidx_postings.h"
#include "tests/support/event_gen.h"

enum { KEYS = 3000, MANY = 500, WORDS = LIMIT_SEGMENT_BLOCKS / 64 };

struct key {
	uint64_t hash;
	uint64_t blocks[WORDS];
};

struct table {
	struct buf dir;
	struct buf pages;
	struct sidx_keys keys;
};

static const uint32_t block_counts[] = { 1, 2, 3, 4, 11, 64, 70, LIMIT_SEGMENT_BLOCKS };

static void open_table(struct table *t, const struct sidx_keys_put *put, uint32_t blocks_count)
{
	struct rcur c;
	uint64_t off = 0;

	buf_init(&t->dir, SIZE_MAX / 2);
	buf_init(&t->pages, SIZE_MAX / 2);
	sidx_keys_put_dir(put, &t->dir);
	buf_put_span(&t->pages, buf_span(&put->pages));
	c = rcur_of(t->dir.p, t->dir.len);
	assert_int_equal(sidx_keys_open(&t->keys, &c, buf_span(&t->pages), &off, blocks_count), 0);
	assert_int_equal(c.err, 0);
	assert_int_equal(rcur_left(&c), 0);
	assert_int_equal(off, t->pages.len);
	assert_int_equal(sidx_keys_check(&t->keys), 0);
}

static void close_table(struct table *t)
{
	sidx_keys_close(&t->keys);
	buf_fini(&t->dir);
	buf_fini(&t->pages);
}

static bool has(const uint64_t *set, uint32_t block)
{
	return set[block / 64] >> block % 64 & 1;
}

/* Most keys are in one block, some in several, some in all of few or many of many. */
static void choose_blocks(struct event_gen *g, struct key *k, uint32_t blocks_count)
{
	unsigned shape = event_gen_below(g, 10);
	unsigned n = shape < 6 ? 1 : shape < 9 ? 2 + event_gen_below(g, 6) : MANY;

	for (unsigned i = 0; i < n; i++) {
		uint32_t b = n == MANY ? i % blocks_count : event_gen_below(g, blocks_count);

		k->blocks[b / 64] |= UINT64_C(1) << b % 64;
	}
}

/* Half of the keys share their hash's upper half with another: full buckets and shared keys. */
static struct key *random_keys(struct event_gen *g, uint32_t blocks_count)
{
	struct key *keys = calloc(KEYS, sizeof *keys);

	assert_non_null(keys);
	for (size_t i = 0; i < KEYS; i++) {
		keys[i].hash = event_gen_random(g) >> (64 - SIDX_KEYS_HASH_BITS);
		if (i > 0 && i % 2 == 0)
			keys[i].hash =
				(keys[i - 1].hash & ~UINT64_C(0xffff)) | (keys[i].hash & 0xffff);
		choose_blocks(g, &keys[i], blocks_count);
	}
	return keys;
}

static void gather(const struct key *keys, uint32_t blocks_count, struct sidx_postings *p)
{
	for (uint32_t b = 0; b < blocks_count; b++) {
		for (size_t i = 0; i < KEYS; i++) {
			if (!has(keys[i].blocks, b))
				continue;
			sidx_postings_add(p, keys[i].hash << (64 - SIDX_KEYS_HASH_BITS), 5, b);
			/* Again: counts once. */
			sidx_postings_add(p, keys[i].hash << (64 - SIDX_KEYS_HASH_BITS), 5, b);
		}
	}
}

static void make(const struct key *keys, uint32_t blocks_count, unsigned low_bits, unsigned ranges,
	struct sidx_keys_put *put)
{
	static struct sidx_postings p;
	static uint32_t blocks[LIMIT_SEGMENT_BLOCKS];

	sidx_postings_init(&p);
	for (unsigned r = 0; r < ranges; r++) {
		struct sidx_postings_group g = { 0 };

		sidx_postings_reset(&p, r, ranges);
		gather(keys, blocks_count, &p);
		assert_int_equal(sidx_postings_sort(&p), 0);
		if (r == 0)
			sidx_keys_put_init(put, (uint32_t)sidx_postings_keys(&p) * ranges, low_bits,
				true, blocks_count);
		while (sidx_postings_next(&p, put->buckets, low_bits, &g)) {
			uint32_t n = sidx_postings_blocks(&g, blocks);

			sidx_keys_put(put, g.at, g.at.low & 1, blocks, n);
		}
	}
	assert_int_equal(sidx_keys_put_end(put), 0);
	sidx_postings_fini(&p);
}

/* All keys with the same place share their blocks. */
static void want(
	const struct key *keys, const struct sidx_keys *k, struct sidx_keys_at at, uint64_t *blocks)
{
	memset(blocks, 0, WORDS * sizeof *blocks);
	for (size_t i = 0; i < KEYS; i++) {
		struct sidx_keys_at other = sidx_keys_at(keys[i].hash, k->buckets, k->low_bits);

		for (int w = 0; w < WORDS && other.bucket == at.bucket && other.low == at.low; w++)
			blocks[w] |= keys[i].blocks[w];
	}
}

static void compare(const struct key *keys, const struct sidx_keys *k)
{
	uint64_t wanted[WORDS];

	for (size_t i = 0; i < KEYS; i += 7) {
		struct sidx_keys_at at = sidx_keys_at(keys[i].hash, k->buckets, k->low_bits);
		uint64_t got[WORDS] = { 0 };
		bool mark = false;

		want(keys, k, at, wanted);
		assert_int_equal(sidx_keys_find(k, at, got, &mark), SIDX_KEYS_FOUND);
		assert_memory_equal(got, wanted, sizeof got);
		assert_int_equal(mark, at.low & 1);
	}
}

static void gives_back_what_was_put(void **state)
{
	struct event_gen g = { .state = 3 };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(block_counts); i++) {
		struct key *keys = random_keys(&g, block_counts[i]);

		for (unsigned ranges = 1; ranges <= 8; ranges *= 8) {
			struct sidx_keys_put put;
			struct table t;

			make(keys, block_counts[i], i % (SIDX_KEYS_LOW_BITS_MAX + 1), ranges, &put);
			open_table(&t, &put, block_counts[i]);
			compare(keys, &t.keys);
			close_table(&t);
			sidx_keys_put_fini(&put);
		}
		free(keys);
	}
}

/* With eight low bits a key that is not there is found once in 256. */
static void strangers_are_rare(void **state)
{
	struct event_gen g = { .state = 4 };
	struct key *keys = random_keys(&g, 3);
	struct sidx_keys_put put;
	unsigned found = 0;
	struct table t;

	(void)state;
	make(keys, 3, 8, 1, &put);
	open_table(&t, &put, 3);
	for (int i = 0; i < 20000; i++) {
		uint64_t blocks[1] = { 0 };
		bool mark;

		found += (unsigned)sidx_keys_find(&t.keys,
			sidx_keys_at(event_gen_random(&g) >> (64 - SIDX_KEYS_HASH_BITS),
				t.keys.buckets, 8),
			blocks, &mark);
	}
	assert_in_range(found, 20, 200);
	close_table(&t);
	sidx_keys_put_fini(&put);
	free(keys);
}

static void none_at_all(void **state)
{
	struct sidx_keys_put put;
	uint64_t blocks[1] = { 0 };
	struct table t;
	bool mark;

	(void)state;
	sidx_keys_put_init(&put, 0, 8, false, 3);
	assert_int_equal(sidx_keys_put_end(&put), 0);
	open_table(&t, &put, 3);
	assert_int_equal(sidx_keys_find(&t.keys, (struct sidx_keys_at){ 0, 0 }, blocks, &mark), 0);
	close_table(&t);
	sidx_keys_put_fini(&put);
}

/* Each byte of the pages changed: the page is refused, by its sum. */
static void damage_is_noticed(void **state)
{
	struct event_gen g = { .state = 5 };
	struct key *keys = random_keys(&g, 11);
	struct sidx_keys_put put;
	struct table t;

	(void)state;
	make(keys, 11, 8, 1, &put);
	open_table(&t, &put, 11);
	for (size_t i = 0; i < t.pages.len; i += 131) {
		t.pages.p[i] ^= 0x10;
		for (uint32_t p = 0; p < t.keys.pages_count; p++)
			t.keys.pages[p].checked = false;
		assert_int_equal(sidx_keys_check(&t.keys), ERR_CORRUPT);
		t.pages.p[i] ^= 0x10;
	}
	close_table(&t);
	sidx_keys_put_fini(&put);
	free(keys);
}

/* A directory that is cut anywhere is refused. */
static void cut_directory(void **state)
{
	struct event_gen g = { .state = 6 };
	struct key *keys = random_keys(&g, 2);
	struct sidx_keys_put put;
	struct table t;

	(void)state;
	make(keys, 2, 4, 1, &put);
	open_table(&t, &put, 2);
	for (size_t n = 0; n < t.dir.len; n++) {
		struct rcur c = rcur_of(t.dir.p, n);
		struct sidx_keys k;
		uint64_t off = 0;

		assert_int_equal(sidx_keys_open(&k, &c, buf_span(&t.pages), &off, 2), ERR_CORRUPT);
		sidx_keys_close(&k);
	}
	close_table(&t);
	sidx_keys_put_fini(&put);
	free(keys);
}

/* At the limit what stands twice goes; if there is no such thing, the gathering is given up. */
static void a_full_gathering(void **state)
{
	static struct sidx_postings p;
	uint64_t hash = 0;

	(void)state;
	sidx_postings_init(&p);
	for (int turn = 0; turn < 3; turn++) {
		for (uint32_t i = 0; i < LIMIT_SIDX_POSTINGS / 2; i++)
			sidx_postings_add(&p, i * UINT64_C(0x9e3779b97f4a7c15), 1, 7);
	}
	assert_false(p.full);
	assert_int_equal(sidx_postings_sort(&p), 0);
	assert_int_equal(p.count, LIMIT_SIDX_POSTINGS / 2);
	sidx_postings_reset(&p, 0, 1);
	for (uint32_t i = 0; i < LIMIT_SIDX_POSTINGS + 1; i++)
		sidx_postings_add(&p, hash += UINT64_C(0x9e3779b97f4a7c15), 1, 7);
	assert_true(p.full);
	assert_int_equal(sidx_postings_sort(&p), ERR_LIMIT);
	sidx_postings_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_back_what_was_put),
		cmocka_unit_test(strangers_are_rare),
		cmocka_unit_test(none_at_all),
		cmocka_unit_test(damage_is_noticed),
		cmocka_unit_test(cut_directory),
		cmocka_unit_test(a_full_gathering),
	};

	return cmocka_run_group_tests_name("sidx_keys", tests, NULL, NULL);
}
