/* Goal: the set holds exactly the newest ids, whatever is added and undone. Method: a naive list beside it. */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>

#include "storage/chunkset.h"

enum { CAP = 50, STEPS = 20000, KEYS = 200 };

static struct store_chunk chunk_of(unsigned n)
{
	/* Few different low words: long runs of probing. */
	return (struct store_chunk){ n % 7, n };
}

static void as_a_list(void **state)
{
	static unsigned list[STEPS];
	size_t begin = 0, end = 0;
	struct chunkset s;

	(void)state;
	srand(7);
	assert_int_equal(chunkset_init(&s, CAP), 0);
	for (int step = 0; step < STEPS; step++) {
		unsigned key = (unsigned)rand() % KEYS;
		bool there = false;
		uint64_t tag = 0;

		for (size_t i = begin; i < end; i++)
			there |= list[i] == key;
		assert_int_equal(chunkset_has(&s, chunk_of(key), &tag), there);
		if (there)
			assert_int_equal(tag, key * 3u);
		if (rand() % 20 == 0 && end > begin) {
			size_t back = (size_t)rand() % (end - begin);

			chunkset_undo(&s, s.end - back);
			end -= back;
		}
		if (rand() % 3 == 0)
			continue;
		there = false;
		for (size_t i = begin; i < end; i++)
			there |= list[i] == key;
		assert_int_equal(chunkset_add(&s, chunk_of(key), key * 3u), !there);
		if (!there)
			list[end++] = key;
		if (end - begin > CAP)
			begin++;
		assert_int_equal(chunkset_count(&s), end - begin);
		for (size_t i = begin; i < end; i++)
			assert_int_equal(chunkset_at(&s, (uint32_t)(i - begin)).hi, list[i]);
	}
	chunkset_clear(&s);
	assert_int_equal(chunkset_count(&s), 0);
	assert_false(chunkset_has(&s, chunk_of(1), NULL));
	chunkset_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(as_a_list) };

	return cmocka_run_group_tests_name("chunkset", tests, NULL, NULL);
}
