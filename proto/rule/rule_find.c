#include "proto/rule/rule_find.h"

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "proto/base/check.h"

static bool is_digit(uint8_t c)
{
	return (uint8_t)(c - '0') < 10;
}

static bool is_letter(uint8_t c)
{
	return (uint8_t)((c | 0x20) - 'a') < 26;
}

static bool is_one_of(uint8_t c, const char *set)
{
	return c && strchr(set, c);
}

/* ---- e-mail addresses ---- */

/* Bytes of the @ at `at`, 0: there is none. */
static size_t sign_bytes(struct span t, size_t at)
{
	if (t.p[at] == '@')
		return 1;
	return t.n - at >= 3 && memcmp(t.p + at, "%40", 3) == 0 ? 3 : 0;
}

/* The first @ at or after `at`, SIZE_MAX: none. */
static size_t find_sign(struct span t, size_t at)
{
#if defined(__SSE2__)
	const __m128i sign = _mm_set1_epi8('@'), percent = _mm_set1_epi8('%');

	for (; t.n - at >= 16; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(t.p + at));
		unsigned bits = (unsigned)_mm_movemask_epi8(
			_mm_or_si128(_mm_cmpeq_epi8(v, sign), _mm_cmpeq_epi8(v, percent)));

		for (; bits; bits &= bits - 1) {
			size_t i = at + (unsigned)__builtin_ctz(bits);

			if (sign_bytes(t, i))
				return i;
		}
	}
#endif
	for (; at < t.n; at++) {
		if (sign_bytes(t, at))
			return at;
	}
	return SIZE_MAX;
}

/* A character of two bytes from U+00C0 on: a letter with an accent, or of another alphabet. */
static bool is_wide_letter(const uint8_t *p)
{
	return p[0] >= 0xc3 && p[0] <= 0xdf && (p[1] & 0xc0) == 0x80;
}

/* Bytes of the character of a name that ends at `end`; 0: there is none. */
static size_t name_char_before(struct span t, size_t floor, size_t end)
{
	uint8_t c;

	if (end == floor)
		return 0;
	c = t.p[end - 1];
	if (is_letter(c) || is_digit(c) || is_one_of(c, "._%+-~"))
		return 1;
	if (c == '\'')
		return end - floor >= 2 && is_letter(t.p[end - 2]) && is_letter(t.p[end]);
	return end - floor >= 2 && is_wide_letter(t.p + end - 2) ? 2 : 0;
}

/* Where the name before the @ begins; `at`: there is none. */
static size_t name_start(struct span t, size_t floor, size_t at)
{
	size_t start = at, n;

	while ((n = name_char_before(t, floor, start)) > 0)
		start -= n;
	/* What introduces it: "-anna@x.org". */
	while (start < at && is_one_of(t.p[start], ".%+-~"))
		start++;
	return start;
}

static size_t domain_char(struct span t, size_t at)
{
	if (at == t.n)
		return 0;
	if (is_letter(t.p[at]) || is_digit(t.p[at]) || t.p[at] == '-')
		return 1;
	return t.n - at >= 2 && is_wide_letter(t.p + at) ? 2 : 0;
}

/* Where the domain ends that begins at `at`; 0: none does. */
static size_t domain_end(struct span t, size_t at)
{
	size_t end = 0;

	for (unsigned labels = 1;; labels++) {
		size_t label = at, n;

		while ((n = domain_char(t, at)) > 0)
			at += n;
		if (at == label || t.p[label] == '-')
			return end;
		if (labels > 1 && at - label >= 2 && !is_digit(t.p[label]))
			end = at;
		if (at == t.n || t.p[at] != '.')
			return end;
		at++;
	}
}

bool rule_find_email(struct span text, size_t from, size_t *out_from, size_t *out_to)
{
	size_t at;

	ASSERT(from <= text.n);
	while ((at = find_sign(text, from)) != SIZE_MAX) {
		size_t behind = at + sign_bytes(text, at);
		size_t start = name_start(text, from, at);
		size_t end = start < at ? domain_end(text, behind) : 0;

		if (end > 0) {
			*out_from = start;
			*out_to = end;
			return true;
		}
		from = behind;
	}
	return false;
}

bool rule_find_may_email(struct span bytes)
{
	return find_sign(bytes, 0) != SIZE_MAX;
}

/* ---- card numbers ---- */

enum { CARD_DIGITS_MIN = 13, CARD_DIGITS_MAX = 19, GROUP_FIRST = 4, GROUP_MIN = 2, GROUP_MAX = 7 };

/* What numbers begin with, its first four digits, and how long they are. */
static const struct {
	uint16_t lo, hi;
	uint8_t digits_min, digits_max;
} networks[] = {
	{ 2200, 2204, 16, 19 },                         /* Mir */
	{ 2221, 2720, 16, 16 },                         /* Mastercard */
	{ 3000, 3059, 14, 19 },                         /* Diners Club */
	{ 3095, 3095, 14, 19 }, { 3400, 3499, 15, 15 }, /* American Express */
	{ 3528, 3589, 16, 19 },                         /* JCB */
	{ 3600, 3699, 14, 19 },                         /* Diners Club */
	{ 3700, 3799, 15, 15 },                         /* American Express */
	{ 3800, 3999, 14, 19 }, { 4000, 4999, 13, 13 }, /* Visa */
	{ 4000, 4999, 16, 16 }, { 4000, 4999, 18, 19 },
	{ 5000, 5099, 13, 19 },                         /* Maestro and national ones */
	{ 5100, 5599, 16, 16 },                         /* Mastercard */
	{ 5600, 5999, 13, 19 }, { 6000, 6999, 13, 19 }, /* Discover, UnionPay, RuPay, Maestro */
	{ 8100, 8199, 16, 19 },                         /* UnionPay, RuPay */
	{ 8200, 8299, 16, 16 }, { 9792, 9792, 16, 16 }, /* Troy */
};

static bool is_of_network(const uint8_t *digits, size_t n)
{
	unsigned head = digits[0] * 1000u + digits[1] * 100u + digits[2] * 10u + digits[3];

	for (size_t i = 0; i < ARRAY_COUNT(networks); i++) {
		if (head >= networks[i].lo && head <= networks[i].hi &&
			n >= networks[i].digits_min && n <= networks[i].digits_max)
			return true;
	}
	return false;
}

/* From the right, each second digit counts twice, and of two-digit products the digits are added. */
static bool luhn_holds(const uint8_t *digits, size_t n)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned d = digits[n - 1 - i];

		if (i % 2 == 1)
			d = d > 4 ? 2 * d - 9 : 2 * d;
		sum += d;
	}
	return sum % 10 == 0;
}

static bool is_card(const uint8_t *digits, size_t n)
{
	return n >= CARD_DIGITS_MIN && is_of_network(digits, n) && luhn_holds(digits, n);
}

static bool is_card_byte(uint8_t c)
{
	return is_digit(c) || c == ' ' || c == '-';
}

/* The digits at `at` may begin a number: no word and no fraction reaches them. */
static bool may_begin(struct span t, size_t at)
{
	if (at == 0)
		return true;
	/* As in \n4111: an escape of a text inside the text. */
	if (is_letter(t.p[at - 1]))
		return at >= 2 && t.p[at - 2] == '\\';
	return t.p[at - 1] != '.' || at < 2 || !is_digit(t.p[at - 2]);
}

static size_t digits_end(struct span t, size_t at)
{
	while (at < t.n && is_digit(t.p[at]))
		at++;
	return at;
}

/* The end of the longest number whose first group is at .. end; 0: there is none. */
static size_t card_end(struct span t, size_t at, size_t end)
{
	uint8_t digits[CARD_DIGITS_MAX];
	size_t n = 0, found = 0, group = end - at;
	bool first = true;

	while (n + group <= CARD_DIGITS_MAX) {
		for (size_t i = 0; i < group; i++)
			digits[n++] = t.p[at + i] - '0';
		if ((end == t.n || !is_letter(t.p[end])) && is_card(digits, n))
			found = end;
		if (first && group != GROUP_FIRST)
			break;
		first = false;
		if (end == t.n || !is_card_byte(t.p[end]))
			break;
		at = end + 1;
		end = digits_end(t, at);
		group = end - at;
		if (group < GROUP_MIN || group > GROUP_MAX)
			break;
	}
	return found;
}

static bool find_in_run(struct span t, size_t at, size_t run_end, size_t *out_from, size_t *out_to)
{
	while (at < run_end) {
		size_t end = digits_end(t, at), found;

		if (end == at) {
			at++;
			continue;
		}
		found = may_begin(t, at) ? card_end(t, at, end) : 0;
		if (found) {
			*out_from = at;
			*out_to = found;
			return true;
		}
		at = end;
	}
	return false;
}

/*
 * The next run of digits, blanks and hyphens that has digits enough for a card. A number covers one of
 * any thirteen bytes that follow each other, so one byte in thirteen is looked at.
 */
static bool next_run(struct span t, size_t *at, size_t *out_from, size_t *out_to)
{
	size_t floor = *at;
	size_t i = floor + CARD_DIGITS_MIN - 1;

	while (i < t.n) {
		size_t lo = i, hi = i, digits = 0;

		if (!is_card_byte(t.p[i])) {
			i += CARD_DIGITS_MIN;
			continue;
		}
		while (lo > floor && is_card_byte(t.p[lo - 1]))
			digits += is_digit(t.p[--lo]);
		for (; hi < t.n && is_card_byte(t.p[hi]); hi++)
			digits += is_digit(t.p[hi]);
		*at = hi;
		if (digits >= CARD_DIGITS_MIN) {
			*out_from = lo;
			*out_to = hi;
			return true;
		}
		floor = hi;
		i = hi + CARD_DIGITS_MIN;
	}
	return false;
}

bool rule_find_card(struct span text, size_t from, size_t *out_from, size_t *out_to)
{
	size_t lo, hi;

	ASSERT(from <= text.n);
	while (next_run(text, &from, &lo, &hi)) {
		if (find_in_run(text, lo, hi, out_from, out_to))
			return true;
	}
	return false;
}

bool rule_find_may_card(struct span bytes)
{
	size_t from = 0, lo, hi;

	return next_run(bytes, &from, &lo, &hi);
}

/* ---- bearer tokens ---- */

enum { WORD_BYTES_MAX = 15 };

static size_t gap_bytes(struct span t, size_t at)
{
	size_t start = at;

	while (at < t.n) {
		if (is_one_of(t.p[at], " \t+:="))
			at++;
		else if (t.n - at >= 3 && memcmp(t.p + at, "%20", 3) == 0)
			at += 3;
		else
			break;
	}
	return at - start;
}

static bool is_token_byte(uint8_t c)
{
	return is_letter(c) || is_digit(c) || is_one_of(c, "-._~+/=%");
}

/* A word of a language: letters, none but the first a capital, and what ends a sentence. */
static bool is_word(const uint8_t *p, size_t n)
{
	while (n > 0 && is_one_of(p[n - 1], "-.="))
		n--;
	if (n > WORD_BYTES_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_letter(p[i]) || (i > 0 && !(p[i] & 0x20)))
			return false;
	}
	return true;
}

bool rule_find_bearer(
	const struct needle *word, struct span text, size_t from, size_t *out_from, size_t *out_to)
{
	size_t at = from;

	while ((at = needle_find(word, text, at)) != SIZE_MAX) {
		size_t start, end, gap;

		at += word->n;
		gap = gap_bytes(text, at);
		for (start = end = at + gap; end < text.n && is_token_byte(text.p[end]);)
			end++;
		if (gap > 0 && !is_word(text.p + start, end - start)) {
			*out_from = start;
			*out_to = end;
			return true;
		}
	}
	return false;
}
