/* Which bytes of a text are letters and which are digits: sixteen at a time, or by a table. */
#include <endian.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "proto/base/check.h"
#include "storage/col_token.h"

static void masks_clear(struct col_token_masks *m, size_t words)
{
	m->at = false;
	for (size_t i = 0; i < words; i++)
		m->letters[i] = m->digits[i] = m->alnum[i] = 0;
}

static inline bool is_letter(uint8_t c)
{
	return (uint8_t)((c | 0x20) - 'a') < 26 || c == '_' || c >= 0x80;
}

void col_token_masks_plain(struct span text, struct col_token_masks *m)
{
	ASSERT(text.n <= LIMIT_TEXT_SHAPED_BYTES);
	masks_clear(m, text.n / 64 + 2);
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		m->letters[i / 64] |= (uint64_t)is_letter(c) << (i % 64);
		m->digits[i / 64] |= (uint64_t)((uint8_t)(c - '0') < 10) << (i % 64);
		m->at |= c == '@';
	}
	for (size_t i = 0; i < text.n / 64 + 1; i++)
		m->alnum[i] = m->letters[i] | m->digits[i];
}

#if defined(__SSE2__)
struct bits {
	uint64_t letters;
	uint64_t digits;
	uint64_t ats;
};

/* Signed compares: bytes from 0x80 on are negative, so they are letters by their sign alone. */
static inline struct bits sixteen(__m128i v)
{
	__m128i low = _mm_or_si128(v, _mm_set1_epi8(0x20));
	__m128i alpha = _mm_and_si128(_mm_cmpgt_epi8(low, _mm_set1_epi8('a' - 1)),
		_mm_cmpgt_epi8(_mm_set1_epi8('z' + 1), low));
	__m128i digit = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('0' - 1)),
		_mm_cmpgt_epi8(_mm_set1_epi8('9' + 1), v));

	alpha = _mm_or_si128(alpha, _mm_cmpeq_epi8(v, _mm_set1_epi8('_')));
	/* The sign bit is what movemask takes; compares set it, and v has it from 0x80 on. */
	alpha = _mm_or_si128(alpha, v);
	return (struct bits){ (unsigned)_mm_movemask_epi8(alpha),
		(unsigned)_mm_movemask_epi8(digit),
		(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('@'))) };
}

/* Fewer than eight bytes, the first lowest, without a byte more being read. */
static inline uint64_t few(const uint8_t *p, size_t n)
{
	uint32_t a, b;

	if (n >= 4) {
		memcpy(&a, p, 4);
		memcpy(&b, p + n - 4, 4);
		return le32toh(a) | (uint64_t)le32toh(b) << (8 * (n - 4));
	}
	if (n == 0)
		return 0;
	return p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) | (uint64_t)p[n - 1] << (8 * (n - 1));
}

/* The bits of the last n % 16 bytes: of the last sixteen, moved, or of what there is. */
static inline struct bits tail(const uint8_t *p, size_t n)
{
	unsigned left = n % 16;
	uint64_t low, high;
	struct bits b;

	if (n >= 16) {
		b = sixteen(_mm_loadu_si128((const __m128i *)(const void *)(p + n - 16)));
		return (struct bits){ b.letters >> (16 - left), b.digits >> (16 - left),
			b.ats >> (16 - left) };
	}
	if (n >= 8) {
		memcpy(&low, p, 8);
		high = few(p + 8, n - 8);
	} else {
		low = few(p, n);
		high = 0;
	}
	return sixteen(_mm_set_epi64x((long long)high, (long long)low));
}

void col_token_masks_wide(struct span text, struct col_token_masks *m)
{
	size_t n = text.n, whole = n & ~(size_t)15, words = n / 64 + 1;
	uint64_t any_at = 0;

	ASSERT(n <= LIMIT_TEXT_SHAPED_BYTES);
	for (size_t w = 0; w < words; w++) {
		uint64_t letters = 0, digits = 0;
		size_t end = whole < w * 64 + 64 ? whole : w * 64 + 64;
		struct bits b;

		for (size_t i = w * 64; i < end; i += 16) {
			b = sixteen(_mm_loadu_si128((const __m128i *)(const void *)(text.p + i)));
			letters |= b.letters << (i % 64);
			digits |= b.digits << (i % 64);
			any_at |= b.ats;
		}
		if (w + 1 == words && n % 16) {
			b = tail(text.p, n);
			letters |= b.letters << (whole % 64);
			digits |= b.digits << (whole % 64);
			any_at |= b.ats;
		}
		m->letters[w] = letters;
		m->digits[w] = digits;
		m->alnum[w] = letters | digits;
	}
	m->letters[words] = m->digits[words] = m->alnum[words] = 0;
	m->at = any_at != 0;
}
#else
void col_token_masks_wide(struct span text, struct col_token_masks *m)
{
	col_token_masks_plain(text, m);
}
#endif
