/*
 * Goal: memory taken before and after the heap was made huge is whole, at once and when freed out of
 *       order; asking twice does no harm.
 * Method: pieces of many sizes, filled with what follows from their number.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "tools/huge_heap.h"

enum { PIECES = 600, ROUNDS = 3 };

static uint8_t *pieces[ROUNDS][PIECES];

static size_t bytes_of(unsigned i)
{
	return 1 + i * 2654435761u % (48 << 10);
}

static void take(unsigned round, unsigned i)
{
	pieces[round][i] = malloc(bytes_of(i));
	assert_non_null(pieces[round][i]);
	memset(pieces[round][i], (int)((round + i) % 251), bytes_of(i));
}

static void give(unsigned round, unsigned i)
{
	const uint8_t *p = pieces[round][i];

	for (size_t k = 0; k < bytes_of(i); k++)
		assert_int_equal(p[k], (round + i) % 251);
	free(pieces[round][i]);
}

static void pieces_are_whole(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < PIECES; i++)
			take(round, i);
		huge_heap_begin();
	}
	for (unsigned i = 0; i < PIECES; i++) {
		for (unsigned round = 0; round < ROUNDS; round++)
			give((round + i) % ROUNDS, i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_whole),
	};

	return cmocka_run_group_tests_name("huge_heap", tests, NULL, NULL);
}
