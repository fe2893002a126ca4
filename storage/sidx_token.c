#include "storage/sidx_token.h"

#include <errno.h>
#include <stdlib.h>

#if defined(__SSE2__) && !defined(ASTRO_PORTABLE)
#include <emmintrin.h>
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"

enum {
	FOLD = 0x20, /* makes lower case of letters; what it makes of other bytes is as good as they */
	STEP = SIDX_TOKEN_STEP,
	CAP_MIN = 1024,
};

void sidx_token_init(struct sidx_token_text *t)
{
	memset(t, 0, sizeof *t);
}

void sidx_token_fini(struct sidx_token_text *t)
{
	free(t->folded);
	free(t->words);
	memset(t, 0, sizeof *t);
}

/* Room for n bytes, and for whole steps of them. */
static int reserve(struct sidx_token_text *t, size_t n)
{
	size_t cap = t->cap ? t->cap : CAP_MIN;
	uint64_t *words;
	uint8_t *folded;

	if (n + STEP <= t->cap)
		return 0;
	while (cap < n + STEP)
		cap *= 2;
	folded = malloc(cap);
	words = malloc(3 * (cap / STEP) * sizeof *words);
	if (!folded || !words) {
		free(folded);
		free(words);
		return -ENOMEM;
	}
	free(t->folded);
	free(t->words);
	t->folded = folded;
	t->words = words;
	t->digits = words + cap / STEP;
	t->hexes = t->digits + cap / STEP;
	t->cap = cap;
	return 0;
}

#if defined(__SSE2__) && !defined(ASTRO_PORTABLE)
static inline __m128i in_range(__m128i v, char lo, char hi)
{
	__m128i d = _mm_sub_epi8(v, _mm_set1_epi8(lo));

	return _mm_cmpeq_epi8(_mm_min_epu8(d, _mm_set1_epi8((char)(hi - lo))), d);
}

static inline uint64_t bits_of(__m128i v)
{
	return (uint16_t)_mm_movemask_epi8(v);
}

/* Folds and classifies 64 bytes. */
static void step(struct sidx_token_text *t, size_t at, const uint8_t *src)
{
	uint64_t words = 0, digits = 0, hexes = 0;

	for (unsigned i = 0; i < STEP; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(src + i));
		__m128i f = _mm_or_si128(v, _mm_set1_epi8(FOLD));
		__m128i digit = in_range(v, '0', '9');
		__m128i word = _mm_or_si128(_mm_or_si128(in_range(f, 'a', 'z'), digit), v);

		_mm_storeu_si128((__m128i *)(void *)(t->folded + at + i), f);
		words |= bits_of(word) << i;
		digits |= bits_of(digit) << i;
		hexes |= bits_of(_mm_or_si128(in_range(f, 'a', 'f'), digit)) << i;
	}
	t->words[at / STEP] = words;
	t->digits[at / STEP] = digits;
	t->hexes[at / STEP] = hexes;
}
#else
static void step(struct sidx_token_text *t, size_t at, const uint8_t *src)
{
	uint64_t words = 0, digits = 0, hexes = 0;

	for (unsigned i = 0; i < STEP; i++) {
		uint8_t v = src[i], f = v | FOLD;
		uint64_t digit = v >= '0' && v <= '9';

		t->folded[at + i] = f;
		words |= (uint64_t)(digit || (f >= 'a' && f <= 'z') || v >= 0x80) << i;
		digits |= digit << i;
		hexes |= (uint64_t)(digit || (f >= 'a' && f <= 'f')) << i;
	}
	t->words[at / STEP] = words;
	t->digits[at / STEP] = digits;
	t->hexes[at / STEP] = hexes;
}
#endif

int sidx_token_set(struct sidx_token_text *t, struct span text)
{
	uint8_t last[STEP] = { 0 };
	size_t at = 0;
	int rc = reserve(t, text.n);

	if (rc < 0)
		return rc;
	t->raw = text.p;
	t->n = text.n;
	t->at = 0;
	for (; text.n - at >= STEP; at += STEP)
		step(t, at, text.p + at);
	/* Behind the end no byte is of a token: there is always a bit that ends the last one. */
	if (text.n > at)
		memcpy(last, text.p + at, text.n - at);
	step(t, at, last);
	return 0;
}

/* The first place from `at` on whose bit in words[] is, exclusive or flip, set; n: none. */
static inline size_t seek(const struct sidx_token_text *t, size_t at, uint64_t flip)
{
	size_t i = at / STEP;
	uint64_t w = (t->words[i] ^ flip) & ~UINT64_C(0) << at % STEP;

	while (w == 0) {
		if (++i * STEP >= t->n)
			return t->n;
		w = t->words[i] ^ flip;
	}
	at = i * STEP + (unsigned)__builtin_ctzll(w);
	return at < t->n ? at : t->n;
}

/* All bits [at, at + n) are set. */
static bool all_set(const uint64_t *bits, size_t at, size_t n)
{
	while (n > 0) {
		size_t skip = at % STEP, here = STEP - skip < n ? STEP - skip : n;
		uint64_t mask = here == STEP ? ~UINT64_C(0) : ((UINT64_C(1) << here) - 1) << skip;

		if ((bits[at / STEP] & mask) != mask)
			return false;
		at += here;
		n -= here;
	}
	return true;
}

static bool in_name(uint8_t c)
{
	uint8_t f = c | FOLD;

	return (f >= 'a' && f <= 'z') || (c >= '0' && c <= '9') || c >= 0x80 || c == '-' ||
	       c == '_';
}

static bool bounded(const struct sidx_token_text *t, size_t off, size_t n)
{
	return (off == 0 || !in_name(t->raw[off - 1])) &&
	       (off + n == t->n || !in_name(t->raw[off + n]));
}

/* 8-4-4-4-12 hex digits that no token byte follows; none stands before. */
static bool is_uuid(const struct sidx_token_text *t, size_t off)
{
	static const uint8_t runs[] = { 8, 4, 4, 4, 12 };
	size_t at = off;

	if (t->n - off < SIDX_TOKEN_UUID_BYTES)
		return false;
	for (unsigned i = 0; i < sizeof runs; i++) {
		if (i > 0 && t->raw[at++] != '-')
			return false;
		if (!all_set(t->hexes, at, runs[i]))
			return false;
		at += runs[i];
	}
	return at == t->n || !(t->words[at / STEP] >> at % STEP & 1);
}

bool sidx_token_next_slow(struct sidx_token_text *t, struct sidx_token *out)
{
	size_t off, end;

	if (t->at >= t->n)
		return false;
	off = seek(t, t->at, 0);
	if (off == t->n)
		return false;
	end = seek(t, off, ~UINT64_C(0));
	ASSERT(end > off);
	out->uuid = end - off == 8 && end < t->n && t->raw[end] == '-' && is_uuid(t, off);
	if (out->uuid)
		end = off + SIDX_TOKEN_UUID_BYTES;
	out->off = off;
	out->n = end - off;
	t->at = end;
	return true;
}

unsigned sidx_token_shape(const struct sidx_token_text *t, const struct sidx_token *token)
{
	unsigned class = SIDX_TOKEN_OTHER;
	size_t n = token->n < SIDX_TOKEN_LENGTHS ? token->n : SIDX_TOKEN_LENGTHS - 1;

	if (token->uuid)
		class = SIDX_TOKEN_UUID;
	else if (all_set(t->digits, token->off, token->n))
		class = SIDX_TOKEN_DIGITS;
	else if (all_set(t->hexes, token->off, token->n))
		class = SIDX_TOKEN_HEX;
	return class * SIDX_TOKEN_LENGTHS + (unsigned)n;
}

uint64_t sidx_token_hash(const struct sidx_token_text *t, const struct sidx_token *token)
{
	return XXH3_64bits(t->folded + token->off, token->n);
}

struct span sidx_token_name(const struct sidx_token_text *t, const struct sidx_token *token)
{
	size_t from = token->off, to = token->off + token->n;

	while (from > 0 && in_name(t->raw[from - 1]))
		from--;
	while (to < t->n && in_name(t->raw[to]))
		to++;
	return span_of(t->raw + from, to - from);
}

/* Of name bytes alone, its letters all lower or all upper case. */
static bool is_plain(struct span id)
{
	bool lower = false, upper = false;

	for (size_t i = 0; i < id.n; i++) {
		if (!in_name(id.p[i]))
			return false;
		lower = lower || (id.p[i] >= 'a' && id.p[i] <= 'z');
		upper = upper || (id.p[i] >= 'A' && id.p[i] <= 'Z');
	}
	return !(lower && upper);
}

size_t sidx_token_entity_slow(
	const struct sidx_token_text *t, const struct sidx_token *token, struct span entity_id)
{
	size_t n = entity_id.n;

	if (t->n - token->off < n)
		return 0;
	if (memcmp(t->raw + token->off, entity_id.p, n) != 0 || !bounded(t, token->off, n))
		return 0;
	return is_plain(entity_id) ? n : 0;
}

bool sidx_token_is_covered(unsigned shape)
{
	unsigned class = sidx_token_class(shape), n = shape % SIDX_TOKEN_LENGTHS;

	return class == SIDX_TOKEN_UUID ||
	       (class != SIDX_TOKEN_OTHER && n >= SIDX_TOKEN_COVERED_MIN);
}
