/* Which bytes of a text are letters and which are digits: sixteen at a time, or by a table. */
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
/* Signed compares: bytes from 0x80 on are negative, so they are letters by their sign alone. */
static inline void sixteen(__m128i v, uint64_t *letters, uint64_t *digits, uint64_t *ats)
{
	__m128i low = _mm_or_si128(v, _mm_set1_epi8(0x20));
	__m128i alpha = _mm_and_si128(_mm_cmpgt_epi8(low, _mm_set1_epi8('a' - 1)),
		_mm_cmpgt_epi8(_mm_set1_epi8('z' + 1), low));
	__m128i digit = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('0' - 1)),
		_mm_cmpgt_epi8(_mm_set1_epi8('9' + 1), v));

	alpha = _mm_or_si128(alpha, _mm_cmpeq_epi8(v, _mm_set1_epi8('_')));
	alpha = _mm_or_si128(alpha, v);
	/* The sign bit is what movemask takes; compares set it, and v has it from 0x80 on. */
	*letters = (unsigned)_mm_movemask_epi8(alpha);
	*digits = (unsigned)_mm_movemask_epi8(digit);
	*ats = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('@')));
}

void col_token_masks_wide(struct span text, struct col_token_masks *m)
{
	uint64_t letters, digits, ats, any_at = 0;
	size_t i = 0, words = text.n / 64 + 2;

	ASSERT(text.n <= LIMIT_TEXT_SHAPED_BYTES);
	masks_clear(m, words);
	for (; i + 16 <= text.n; i += 16) {
		sixteen(_mm_loadu_si128((const __m128i *)(const void *)(text.p + i)), &letters,
			&digits, &ats);
		m->letters[i / 64] |= letters << (i % 64);
		m->digits[i / 64] |= digits << (i % 64);
		any_at |= ats;
	}
	if (i < text.n) {
		uint8_t tail[16] = { 0 };

		memcpy(tail, text.p + i, text.n - i);
		sixteen(_mm_loadu_si128((const __m128i *)(const void *)tail), &letters, &digits,
			&ats);
		m->letters[i / 64] |= letters << (i % 64);
		m->digits[i / 64] |= digits << (i % 64);
		any_at |= ats;
	}
	for (i = 0; i + 1 < words; i++)
		m->alnum[i] = m->letters[i] | m->digits[i];
	m->at = any_at != 0;
}
#else
void col_token_masks_wide(struct span text, struct col_token_masks *m)
{
	col_token_masks_plain(text, m);
}
#endif
