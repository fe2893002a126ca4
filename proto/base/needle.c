#include "proto/base/needle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "proto/base/check.h"

static bool is_letter(uint8_t c)
{
	return (uint8_t)((c | 0x20) - 'a') < 26;
}

static uint8_t lower(uint8_t c)
{
	return (uint8_t)(c - 'A') < 26 ? c | 0x20 : c;
}

/* How often a byte is met in logs, roughly: the greater, the more often. */
static unsigned commonness(uint8_t c)
{
	static const char letters[] = "zjqxkvbywgpfmuhcdlnrsoaite";
	const char *at;

	if (c == ' ')
		return 60;
	at = is_letter(c) ? strchr(letters, c | 0x20) : NULL;
	if (at)
		return 10 + (unsigned)(at - letters);
	if ((uint8_t)(c - '0') < 10)
		return 34;
	return c < 0x80 ? 9 : 8;
}

static void choose(struct needle *x)
{
	size_t best[2] = { 0, 0 };

	for (size_t i = 1; i < x->n; i++) {
		if (commonness(x->lower[i]) < commonness(x->lower[best[0]]))
			best[0] = i;
	}
	best[1] = best[0] == 0 ? x->n - 1 : 0;
	for (size_t i = 0; i < x->n; i++) {
		if (i != best[0] && commonness(x->lower[i]) < commonness(x->lower[best[1]]))
			best[1] = i;
	}
	for (int i = 0; i < 2; i++) {
		x->at[i] = best[i];
		x->byte[i] = x->lower[best[i]];
		x->fold[i] = is_letter(x->byte[i]) ? 0x20 : 0;
	}
}

int needle_init(struct needle *x, struct span needle)
{
	*x = (struct needle){ 0 };
	if (needle.n == 0)
		return 0;
	x->lower = malloc(needle.n);
	if (!x->lower)
		return -ENOMEM;
	x->n = needle.n;
	for (size_t i = 0; i < needle.n; i++)
		x->lower[i] = lower(needle.p[i]);
	choose(x);
	ASSERT(x->at[0] < x->n);
	ASSERT(x->at[1] < x->n);
	return 0;
}

void needle_fini(struct needle *x)
{
	free(x->lower);
	*x = (struct needle){ 0 };
}

static bool matches(const struct needle *x, const uint8_t *p)
{
	for (size_t i = 0; i < x->n; i++) {
		if (lower(p[i]) != x->lower[i])
			return false;
	}
	return true;
}

static bool rare_bytes_match(const struct needle *x, const uint8_t *p)
{
	return (p[x->at[0]] | x->fold[0]) == x->byte[0] && (p[x->at[1]] | x->fold[1]) == x->byte[1];
}

#if defined(__SSE2__)
enum { WIDE = 16 };

/* Bit i: both rare bytes of an occurrence at p + i are there. */
static inline unsigned candidates(const struct needle *x, const uint8_t *p)
{
	__m128i a = _mm_loadu_si128((const __m128i *)(const void *)(p + x->at[0]));
	__m128i b = _mm_loadu_si128((const __m128i *)(const void *)(p + x->at[1]));

	a = _mm_cmpeq_epi8(
		_mm_or_si128(a, _mm_set1_epi8((char)x->fold[0])), _mm_set1_epi8((char)x->byte[0]));
	b = _mm_cmpeq_epi8(
		_mm_or_si128(b, _mm_set1_epi8((char)x->fold[1])), _mm_set1_epi8((char)x->byte[1]));
	return (unsigned)_mm_movemask_epi8(_mm_and_si128(a, b));
}

/* Looks at places from .. as long as sixteen at once are inside; *from is where it stopped. */
static size_t find_wide(const struct needle *x, struct span text, size_t *from)
{
	size_t places = text.n - x->n + 1;

	for (; places - *from >= WIDE; *from += WIDE) {
		unsigned bits = candidates(x, text.p + *from);

		for (; bits; bits &= bits - 1) {
			size_t at = *from + (unsigned)__builtin_ctz(bits);

			if (matches(x, text.p + at))
				return at;
		}
	}
	return SIZE_MAX;
}
#else
static size_t find_wide(const struct needle *x, struct span text, size_t *from)
{
	(void)x;
	(void)text;
	(void)from;
	return SIZE_MAX;
}
#endif

size_t needle_find(const struct needle *x, struct span text, size_t from)
{
	size_t at;

	ASSERT(x->n > 0);
	if (text.n < x->n || from > text.n - x->n)
		return SIZE_MAX;
	at = find_wide(x, text, &from);
	if (at != SIZE_MAX)
		return at;
	for (; from + x->n <= text.n; from++) {
		if (rare_bytes_match(x, text.p + from) && matches(x, text.p + from))
			return from;
	}
	return SIZE_MAX;
}
