/*
 * The loops for x86: SSE2, which every 64-bit processor has, and AVX2. A byte a row makes masks of a bit a
 * row by way of movemask, a compare of 16-bit codes makes bytes by way of saturating packs.
 */
#include "storage/match_kernel_int.h"

#include <stddef.h>

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2,popcnt")))

enum { BYTES = 16, BYTES2 = 32 };

static inline __m128i load(const void *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}

static inline void store(void *p, __m128i v)
{
	_mm_storeu_si128((__m128i *)p, v);
}

AVX2 static inline __m256i load2(const void *p)
{
	return _mm256_loadu_si256((const __m256i *)p);
}

AVX2 static inline void store2(void *p, __m256i v)
{
	_mm256_storeu_si256((__m256i *)p, v);
}

/* ---- SSE2 ---- */

static uint32_t sse2_count(const uint8_t *match, uint32_t rows_count, uint32_t *out_sum)
{
	__m128i sum = _mm_setzero_si128();
	uint64_t halves[2];
	uint32_t i = 0;

	for (; i + BYTES <= rows_count; i += BYTES)
		sum = _mm_add_epi64(sum, _mm_sad_epu8(load(match + i), _mm_setzero_si128()));
	store(halves, sum);
	*out_sum += (uint32_t)(halves[0] + halves[1]);
	return i;
}

static uint32_t sse2_list(const uint8_t *match, uint32_t rows_count, uint32_t *out, uint32_t *n)
{
	uint32_t i = 0, count = *n;

	for (; i + BYTES <= rows_count; i += BYTES) {
		__m128i v = _mm_cmpgt_epi8(load(match + i), _mm_setzero_si128());
		unsigned mask = (unsigned)_mm_movemask_epi8(v);

		for (; mask; mask &= mask - 1)
			out[count++] = i + (uint32_t)__builtin_ctz(mask);
	}
	*n = count;
	return i;
}

static uint32_t sse2_equal(
	const uint16_t *codes, uint32_t rows_count, uint16_t code, uint8_t *match)
{
	const __m128i want = _mm_set1_epi16((short)code);
	uint32_t i = 0;

	for (; i + BYTES <= rows_count; i += BYTES) {
		__m128i a = _mm_cmpeq_epi16(load(codes + i), want);
		__m128i b = _mm_cmpeq_epi16(load(codes + i + 8), want);

		store(match + i, _mm_and_si128(load(match + i), _mm_packs_epi16(a, b)));
	}
	return i;
}

/* Without a shuffle of bytes a table is looked up as plain C does. */
static uint32_t sse2_map(
	const uint16_t *codes, uint32_t rows_count, const uint8_t *table, uint8_t *out)
{
	(void)codes;
	(void)rows_count;
	(void)table;
	(void)out;
	return 0;
}

/* Nor is there a compare of 64 bits. */
static uint32_t sse2_range(const int64_t *values, uint32_t rows_count, uint64_t least,
	uint64_t width, bool negate, uint8_t *match)
{
	(void)values;
	(void)rows_count;
	(void)least;
	(void)width;
	(void)negate;
	(void)match;
	return 0;
}

/* ---- AVX2 ---- */

AVX2 static uint32_t avx2_count(const uint8_t *match, uint32_t rows_count, uint32_t *out_sum)
{
	__m256i sum = _mm256_setzero_si256();
	uint64_t quarters[4];
	uint32_t i = 0;

	for (; i + BYTES2 <= rows_count; i += BYTES2)
		sum = _mm256_add_epi64(
			sum, _mm256_sad_epu8(load2(match + i), _mm256_setzero_si256()));
	store2(quarters, sum);
	*out_sum += (uint32_t)(quarters[0] + quarters[1] + quarters[2] + quarters[3]);
	return i;
}

/* Few bits: one by one; many: eight rows at once, those wanted moved to the front by a table. */
AVX2 static uint32_t avx2_list(
	const uint8_t *match, uint32_t rows_count, uint32_t *out, uint32_t *n)
{
	uint32_t i = 0, count = *n;

	for (; i + BYTES2 <= rows_count; i += BYTES2) {
		__m256i v = _mm256_cmpgt_epi8(load2(match + i), _mm256_setzero_si256());
		unsigned mask = (unsigned)_mm256_movemask_epi8(v);

		if (mask == UINT32_MAX) {
			__m256i rows = _mm256_add_epi32(_mm256_set1_epi32((int)i),
				_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));

			for (int k = 0; k < 4; k++) {
				store2(out + count + 8 * k, rows);
				rows = _mm256_add_epi32(rows, _mm256_set1_epi32(8));
			}
			count += BYTES2;
			continue;
		}
		for (; mask; mask &= mask - 1)
			out[count++] = i + (uint32_t)__builtin_ctz(mask);
	}
	*n = count;
	return i;
}

AVX2 static uint32_t avx2_equal(
	const uint16_t *codes, uint32_t rows_count, uint16_t code, uint8_t *match)
{
	const __m256i want = _mm256_set1_epi16((short)code);
	uint32_t i = 0;

	for (; i + BYTES2 <= rows_count; i += BYTES2) {
		__m256i a = _mm256_cmpeq_epi16(load2(codes + i), want);
		__m256i b = _mm256_cmpeq_epi16(load2(codes + i + 16), want);
		/* Packs go by halves of a register: the quarters are put back in order. */
		__m256i v = _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xd8);

		store2(match + i, _mm256_and_si256(load2(match + i), v));
	}
	return i;
}

/* Codes below 32 as bytes; two tables of 16, chosen by the code's fifth bit. */
AVX2 static uint32_t avx2_map(
	const uint16_t *codes, uint32_t rows_count, const uint8_t *table, uint8_t *out)
{
	const __m256i low = _mm256_broadcastsi128_si256(load(table));
	const __m256i high = _mm256_broadcastsi128_si256(load(table + 16));
	uint32_t i = 0;

	for (; i + BYTES2 <= rows_count; i += BYTES2) {
		__m256i v = _mm256_packus_epi16(load2(codes + i), load2(codes + i + 16));
		__m256i fifth;

		v = _mm256_permute4x64_epi64(v, 0xd8);
		fifth = _mm256_slli_epi16(v, 3);
		v = _mm256_and_si256(v, _mm256_set1_epi8(15));
		store2(out + i, _mm256_blendv_epi8(_mm256_shuffle_epi8(low, v),
					_mm256_shuffle_epi8(high, v), fifth));
	}
	return i;
}

/* Unsigned 64-bit numbers are compared as signed ones with the sign turned over. */
AVX2 static uint32_t avx2_range(const int64_t *values, uint32_t rows_count, uint64_t least,
	uint64_t width, bool negate, uint8_t *match)
{
	static const uint32_t spread[16] = { 0, 1, 0x100, 0x101, 0x10000, 0x10001, 0x10100, 0x10101,
		0x1000000, 0x1000001, 0x1000100, 0x1000101, 0x1010000, 0x1010001, 0x1010100,
		0x1010101 };
	const __m256i sign = _mm256_set1_epi64x(INT64_MIN);
	const __m256i off = _mm256_set1_epi64x((long long)least);
	const __m256i most = _mm256_xor_si256(_mm256_set1_epi64x((long long)width), sign);
	const unsigned flip = negate ? 0 : 15;
	uint32_t i = 0;

	for (; i + 4 <= rows_count; i += 4) {
		__m256i v = _mm256_xor_si256(_mm256_sub_epi64(load2(values + i), off), sign);
		__m256i above = _mm256_cmpgt_epi64(v, most);
		unsigned mask = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(above)) ^ flip;
		uint32_t four;

		memcpy(&four, match + i, sizeof four);
		four &= spread[mask];
		memcpy(match + i, &four, sizeof four);
	}
	return i;
}

const struct match_kernel_ops *match_kernel_sse2(void)
{
	static const struct match_kernel_ops ops = { sse2_count, sse2_list, sse2_equal, sse2_map,
		sse2_range };

	return &ops;
}

const struct match_kernel_ops *match_kernel_avx2(void)
{
	static const struct match_kernel_ops ops = { avx2_count, avx2_list, avx2_equal, avx2_map,
		avx2_range };

	return __builtin_cpu_supports("avx2") ? &ops : NULL;
}

#else

const struct match_kernel_ops *match_kernel_sse2(void)
{
	return NULL;
}

const struct match_kernel_ops *match_kernel_avx2(void)
{
	return NULL;
}

#endif
