/*
 * Goal:   the set holds exactly the newest ids, with the notes of the newest of them, whatever is added
 *         and undone; at its full size too.
 * Method: a naive list beside it.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>

#include "proto/base/limits.h"
#include "storage/chunkset.h"

enum { CAP = 50, NOTES = 20, STEPS = 20000, KEYS = 200 };

static struct store_chunk chunk_of(unsigned n)
{
	/* Few different low words: long runs of probing. */
	return (struct store_chunk){ n % 7, n };
}

/* A list of keys beside the set. */
struct model {
	unsigned list[STEPS];
	size_t begin;
	size_t end;
	size_t noted; /* from here on notes are kept */
};

static size_t place_of(const struct model *m, unsigned key)
{
	for (size_t i = m->begin; i < m->end; i++) {
		if (m->list[i] == key)
			return i;
	}
	return SIZE_MAX;
}

static void check_key(const struct model *m, const struct chunkset *s, unsigned key)
{
	size_t place = place_of(m, key);
	uint64_t note = 0;

	assert_int_equal(chunkset_has(s, chunk_of(key), &note), place != SIZE_MAX);
	assert_int_equal(chunkset_has(s, chunk_of(key), NULL), place != SIZE_MAX);
	if (place != SIZE_MAX)
		assert_int_equal(note, place >= m->noted ? key * 3u + 1 : 0);
}

static void undo(struct model *m, struct chunkset *s)
{
	size_t back = (size_t)rand() % (m->end - m->begin);

	chunkset_undo(s, s->end - back);
	m->end -= back;
	if (m->noted > m->end)
		m->noted = m->end;
}

static void add(struct model *m, struct chunkset *s, unsigned key)
{
	bool there = place_of(m, key) != SIZE_MAX;

	assert_int_equal(chunkset_add(s, chunk_of(key), key * 3u + 1), !there);
	if (!there)
		m->list[m->end++] = key;
	if (m->end - m->begin > CAP)
		m->begin++;
	if (m->end > m->noted + NOTES)
		m->noted = m->end - NOTES;
}

static void as_a_list(void **state)
{
	static struct model m;
	struct chunkset first, s;

	(void)state;
	srand(7);
	assert_int_equal(chunkset_init(&first, CAP, NOTES), 0);
	assert_true(chunkset_add(&first, chunk_of(1), 4));
	m.list[m.end++] = 1;
	chunkset_move(&first, &s);
	chunkset_fini(&first);
	for (int step = 0; step < STEPS; step++) {
		unsigned key = (unsigned)rand() % KEYS;

		check_key(&m, &s, key);
		if (rand() % 20 == 0 && m.end > m.begin)
			undo(&m, &s);
		if (rand() % 3 != 0)
			add(&m, &s, key);
		assert_int_equal(chunkset_count(&s), m.end - m.begin);
	}
	chunkset_fini(&s);
}

static struct store_chunk spread(uint64_t n)
{
	return (struct store_chunk){ n * UINT64_C(0x9e3779b97f4a7c15), n };
}

static void a_million(void **state)
{
	const uint64_t first = 1000, count = LIMIT_CHUNKS_REMEMBERED;
	struct chunkset s;
	uint64_t note;

	(void)state;
	assert_int_equal(chunkset_init(&s, LIMIT_CHUNKS_REMEMBERED, LIMIT_CHUNKS_IN_FLIGHT), 0);
	for (uint64_t n = 0; n < first + count; n++)
		assert_true(chunkset_add(&s, spread(n), n));
	assert_int_equal(chunkset_count(&s), count);
	for (uint64_t n = 0; n < first; n++)
		assert_false(chunkset_has(&s, spread(n), NULL));
	for (uint64_t n = first; n < first + count; n += 7) {
		bool noted = n >= first + count - LIMIT_CHUNKS_IN_FLIGHT;

		assert_true(chunkset_has(&s, spread(n), &note));
		assert_int_equal(note, noted ? n : 0);
		assert_false(chunkset_add(&s, spread(n), 5));
	}
	chunkset_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_a_list),
		cmocka_unit_test(a_million),
	};

	return cmocka_run_group_tests_name("chunkset", tests, NULL, NULL);
}
