/*
 * Packed bits for AVX2: four values at a time, of which each pair lies in sixteen bytes. A shuffle gives
 * every value eight bytes of its own, a shift by a number of each moves it to their lowest bits.
 */
#include "storage/col_pack_int.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "proto/base/check.h"

#define AVX2 __attribute__((target("avx2")))

enum { PAIRS = COL_PACK_GROUP / 2, WINDOW = 16 };

/* Where the values of a group stand. */
struct places {
	uint8_t pair[PAIRS];           /* first byte of each pair */
	uint8_t second[PAIRS];         /* from there to the first byte of the second */
	uint8_t shift[COL_PACK_GROUP]; /* bits of a value's first byte that are not its own */
};

#define BYTE(w, i) ((w) * (i) / 8)
#define PLACES(w)                                                                          \
	{                                                                                  \
		{ BYTE(w, 0), BYTE(w, 2), BYTE(w, 4), BYTE(w, 6) },                        \
			{ BYTE(w, 1) - BYTE(w, 0), BYTE(w, 3) - BYTE(w, 2),                \
				BYTE(w, 5) - BYTE(w, 4), BYTE(w, 7) - BYTE(w, 6) },        \
		{                                                                          \
			0, (w) % 8, (w)*2 % 8, (w)*3 % 8, (w)*4 % 8, (w)*5 % 8, (w)*6 % 8, \
				(w)*7 % 8                                                  \
		}                                                                          \
	}
#define PLACES_8(w)                                                                    \
	PLACES(w), PLACES((w) + 1), PLACES((w) + 2), PLACES((w) + 3), PLACES((w) + 4), \
		PLACES((w) + 5), PLACES((w) + 6), PLACES((w) + 7)

static const struct places places[] = { PLACES_8(0), PLACES_8(8), PLACES_8(16), PLACES_8(24),
	PLACES_8(32), PLACES_8(40), PLACES_8(48), PLACES(56), PLACES(57) };

static_assert(ARRAY_COUNT(places) == COL_PACK_LOAD_BITS + 1, "places of each width");

AVX2 static inline __m256i load_pairs(const uint8_t *a, const uint8_t *b)
{
	__m128i low = _mm_loadu_si128((const __m128i *)(const void *)a);
	__m128i high = _mm_loadu_si128((const __m128i *)(const void *)b);

	return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

/* Of four values from pair `first` on: which byte of its pair's window is each of its eight. */
AVX2 static inline __m256i bytes_of(const struct places *p, int first)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	const int64_t iota = INT64_C(0x0706050403020100);
	__m256i second = _mm256_set_epi64x(
		(int64_t)(p->second[first + 1] * each), 0, (int64_t)(p->second[first] * each), 0);

	return _mm256_add_epi8(second, _mm256_set1_epi64x(iota));
}

AVX2 static inline __m256i shifts_of(const uint8_t *shifts)
{
	uint32_t four;

	memcpy(&four, shifts, sizeof four);
	return _mm256_cvtepu8_epi64(_mm_cvtsi32_si128((int)four));
}

AVX2 static size_t get_groups(
	struct span packed, size_t groups, unsigned width, uint64_t add, uint64_t *out)
{
	const struct places *at = &places[width];
	size_t reach = (size_t)at->pair[PAIRS - 1] + WINDOW, n;
	__m256i bytes0 = bytes_of(at, 0), bytes1 = bytes_of(at, 2);
	__m256i shift0 = shifts_of(at->shift), shift1 = shifts_of(at->shift + PAIRS);
	__m256i mask = _mm256_set1_epi64x((INT64_C(1) << width) - 1);
	__m256i adds = _mm256_set1_epi64x((int64_t)add);
	const uint8_t *p0 = packed.p, *p1 = p0 + at->pair[1], *p2 = p0 + at->pair[2],
		      *p3 = p0 + at->pair[3];

	ASSERT(width > 0 && width <= COL_PACK_LOAD_BITS);
	if (packed.n < reach)
		return 0;
	n = (packed.n - reach) / width + 1;
	n = n < groups ? n : groups;
	for (size_t i = 0; i < n * width; i += width, out += COL_PACK_GROUP) {
		__m256i a = _mm256_shuffle_epi8(load_pairs(p0 + i, p1 + i), bytes0);
		__m256i b = _mm256_shuffle_epi8(load_pairs(p2 + i, p3 + i), bytes1);

		a = _mm256_and_si256(_mm256_srlv_epi64(a, shift0), mask);
		b = _mm256_and_si256(_mm256_srlv_epi64(b, shift1), mask);
		_mm256_storeu_si256((__m256i *)(void *)out, _mm256_add_epi64(a, adds));
		_mm256_storeu_si256((__m256i *)(void *)(out + PAIRS), _mm256_add_epi64(b, adds));
	}
	return n;
}

col_pack_groups_cb *col_pack_x86(void)
{
	return __builtin_cpu_supports("avx2") ? get_groups : NULL;
}

#else

col_pack_groups_cb *col_pack_x86(void)
{
	return NULL;
}

#endif
