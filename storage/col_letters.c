#include "storage/col_letters.h"

#include "proto/base/check.h"

enum {
	FOLD = 0x20,
	/* Three bytes. */
	TRIO = 0xffffff,
	HASH_SHIFT = 19,
};

static_assert(UINT64_C(1) << (32 - HASH_SHIFT) == COL_LETTERS_BITS, "a hash is a bit");

static uint32_t bit_of(uint32_t trio)
{
	return (trio * 0x9e3779b1u) >> HASH_SHIFT;
}

void col_letters_add(struct col_letters *l, struct span text)
{
	uint32_t trio = 0;
	unsigned run = 0;

	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		uint32_t bit;

		if (!col_letters_is_letter(c)) {
			run = 0;
			continue;
		}
		trio = (trio << 8 | c | FOLD) & TRIO;
		if (++run < COL_LETTERS_RUN)
			continue;
		bit = bit_of(trio);
		l->bits[bit / 64] |= UINT64_C(1) << bit % 64;
	}
}

/* The run's trios are all there, or it may be a number's. */
static bool has_run(const struct col_letters *l, const uint8_t *p, size_t n)
{
	uint32_t trio = 0;
	bool hex = true, all = true;

	for (size_t i = 0; i < n; i++) {
		uint32_t bit;

		hex &= (uint8_t)((p[i] | FOLD) - 'a') < 6;
		trio = (trio << 8 | p[i] | FOLD) & TRIO;
		if (i + 1 < COL_LETTERS_RUN)
			continue;
		bit = bit_of(trio);
		all &= l->bits[bit / 64] >> bit % 64 & 1;
	}
	return hex || all;
}

bool col_letters_may_have(const struct col_letters *l, const struct needle *x)
{
	for (size_t i = 0, n; i < x->n; i += n + 1) {
		for (n = 0; i + n < x->n && col_letters_is_letter(x->lower[i + n]);)
			n++;
		if (!has_run(l, x->lower + i, n))
			return false;
	}
	return true;
}
