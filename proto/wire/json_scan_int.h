/*
 * json_scan - the inner loop of JSON in both directions: runs of bytes that stand for themselves.
 *
 * A run ends before a quote, a backslash or a control character below the space. Whether it may
 * hold bytes beyond ASCII is told, so that only those runs are checked for UTF-8.
 *
 * Thread: none. Memory: none; never reads outside [p, end).
 */
#ifndef PROTO_WIRE_JSON_SCAN_INT_H
#define PROTO_WIRE_JSON_SCAN_INT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool json_scan_plain(uint8_t c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

/* The high bit of a byte is set where x has c, and perhaps in bytes above such a one. */
static inline uint64_t json_scan_equal(uint64_t x, uint8_t c)
{
	uint64_t y = x ^ (UINT64_C(0x0101010101010101) * c);

	return (y - UINT64_C(0x0101010101010101)) & ~y;
}

enum { JSON_SCAN_WORD_STEP = 8 };

/* Bit i is set when p[i] ends the run; *high becomes nonzero when any byte is beyond ASCII. */
static inline unsigned json_scan_mask_word(const uint8_t *p, unsigned *high)
{
	const uint64_t top = UINT64_C(0x8080808080808080);
	uint64_t x, ends;
	unsigned mask = 0;

	memcpy(&x, p, sizeof x);
	*high |= (x & top) != 0;
	ends = ((x - UINT64_C(0x2020202020202020)) & ~x) | json_scan_equal(x, '"') |
	       json_scan_equal(x, '\\');
	if (!(ends & top))
		return 0;
	for (unsigned i = 0; i < JSON_SCAN_WORD_STEP; i++)
		mask |= (unsigned)!json_scan_plain(p[i]) << i;
	return mask;
}

/* The same of more bytes at once, where the processor has the means; a test proves them equal. */
#ifdef __SSE2__
enum { JSON_SCAN_STEP = 16 };

static inline __m128i json_scan_ends(__m128i x)
{
	__m128i ends = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x);

	ends = _mm_or_si128(ends, _mm_cmpeq_epi8(x, _mm_set1_epi8('"')));
	return _mm_or_si128(ends, _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
}

static inline unsigned json_scan_mask(const uint8_t *p, unsigned *high)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);

	*high |= (unsigned)_mm_movemask_epi8(x);
	return (unsigned)_mm_movemask_epi8(json_scan_ends(x));
}

/* Copies a step; the high bit of a byte of `seen` is set where one was that is not plain ASCII. */
static inline void json_scan_copy_step(uint8_t *dst, const uint8_t *p, __m128i *seen)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);

	_mm_storeu_si128((__m128i *)(void *)dst, x);
	*seen = _mm_or_si128(*seen, _mm_or_si128(x, json_scan_ends(x)));
}

/* n is JSON_SCAN_STEP at least. */
static inline bool json_scan_copy_steps(uint8_t *dst, const uint8_t *p, size_t n)
{
	__m128i seen = _mm_setzero_si128();

	for (size_t i = 0; i + JSON_SCAN_STEP < n; i += JSON_SCAN_STEP)
		json_scan_copy_step(dst + i, p + i, &seen);
	json_scan_copy_step(dst + n - JSON_SCAN_STEP, p + n - JSON_SCAN_STEP, &seen);
	return _mm_movemask_epi8(seen) == 0;
}
#else
enum { JSON_SCAN_STEP = JSON_SCAN_WORD_STEP };

static inline unsigned json_scan_mask(const uint8_t *p, unsigned *high)
{
	return json_scan_mask_word(p, high);
}

static inline bool json_scan_copy_steps(uint8_t *dst, const uint8_t *p, size_t n)
{
	unsigned ends = 0, high = 0;

	for (size_t i = 0; i + JSON_SCAN_STEP < n; i += JSON_SCAN_STEP) {
		ends |= json_scan_mask(p + i, &high);
		memcpy(dst + i, p + i, JSON_SCAN_STEP);
	}
	ends |= json_scan_mask(p + n - JSON_SCAN_STEP, &high);
	memcpy(dst + n - JSON_SCAN_STEP, p + n - JSON_SCAN_STEP, JSON_SCAN_STEP);
	return (ends | high) == 0;
}
#endif

/* True when none of the eight bytes ends a run or is beyond ASCII. */
static inline bool json_scan_word(uint64_t x)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t quote = x ^ ones * '"', slash = x ^ ones * '\\';

	/* A byte that is found sets its own high bit; a borrow can only add to a find. */
	x |= (x - ones * 0x20) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
	return (x & ones << 7) == 0;
}

/*
 * Copies n bytes if all of them are plain ASCII: false, with dst in any state, if not. Short texts
 * are covered by two words that overlap, long ones by steps of which the last overlaps.
 */
static inline bool json_scan_copy(uint8_t *dst, const uint8_t *p, size_t n)
{
	uint64_t first, last;
	uint32_t half[2];

	if (n >= JSON_SCAN_STEP)
		return json_scan_copy_steps(dst, p, n);
	if (n >= 8) {
		memcpy(&first, p, 8);
		memcpy(&last, p + n - 8, 8);
		memcpy(dst, &first, 8);
		memcpy(dst + n - 8, &last, 8);
		return json_scan_word(first) && json_scan_word(last);
	}
	if (n >= 4) {
		memcpy(&half[0], p, 4);
		memcpy(&half[1], p + n - 4, 4);
		memcpy(dst, &half[0], 4);
		memcpy(dst + n - 4, &half[1], 4);
		return json_scan_word(half[0] | (uint64_t)half[1] << 32);
	}
	for (size_t i = 0; i < n; i++) {
		if (!json_scan_plain(p[i]) || p[i] >= 0x80)
			return false;
		dst[i] = p[i];
	}
	return true;
}

/*
 * The end of the run that begins at p, or end. *high becomes nonzero when the run holds bytes
 * beyond ASCII (or, rarely, when only what follows it does).
 */
static inline const uint8_t *json_scan_run(const uint8_t *p, const uint8_t *end, unsigned *high)
{
	while (end - p >= JSON_SCAN_STEP) {
		unsigned mask = json_scan_mask(p, high);

		if (mask)
			return p + __builtin_ctz(mask);
		p += JSON_SCAN_STEP;
	}
	for (; p < end && json_scan_plain(*p); p++)
		*high |= *p & 0x80;
	return p;
}

#endif
