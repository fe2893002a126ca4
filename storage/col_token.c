#include "storage/col_token.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "proto/base/check.h"
#include "storage/col_token_int.h"

/* For short texts that are likely equal; n is 2 or more. */
static inline bool same(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint64_t x, y;
	uint16_t v, w;

	if (n > 16 || n < 8) {
		memcpy(&v, a, 2);
		memcpy(&w, b, 2);
		return v == w && memcmp(a, b, n) == 0;
	}
	memcpy(&x, a, 8);
	memcpy(&y, b, 8);
	if (x != y)
		return false;
	memcpy(&x, a + n - 8, 8);
	memcpy(&y, b + n - 8, 8);
	return x == y;
}

/* A zero byte in firsts matches no text but one that begins with NUL, and is then compared. */
static void find_firsts(struct col_token_cutter *k)
{
	k->firsts = 0;
	for (unsigned i = 0; k->sources && i < COL_TOKEN_SOURCES; i++) {
		if (k->sources->values[i].n >= COL_TOKEN_SOURCE_BYTES_MIN)
			k->firsts |= (uint64_t)k->sources->values[i].p[0] << 8 * i;
	}
}

static inline bool bit(const uint64_t *m, uint32_t at)
{
	return m[at / 64] >> (at % 64) & 1;
}

/* The first place from `at` on whose bit is 0. */
static inline uint32_t run_end(const uint64_t *m, uint32_t at)
{
	uint64_t w = ~m[at / 64] >> (at % 64);

	if (w)
		return at + (unsigned)__builtin_ctzll(w);
	for (at = at / 64 + 1; m[at] == UINT64_MAX;)
		at++;
	return at * 64 + (unsigned)__builtin_ctzll(~m[at]);
}

/* The first place from `at` on whose bit is 1; n: none. */
static inline uint32_t run_start(const uint64_t *m, uint32_t at, uint32_t n)
{
	uint64_t w = m[at / 64] >> (at % 64);

	if (w)
		return at + (unsigned)__builtin_ctzll(w);
	for (at = at / 64 + 1; at <= n / 64; at++) {
		if (m[at])
			return at * 64 + (unsigned)__builtin_ctzll(m[at]);
	}
	return n;
}

/* ---- tokens into out; true: there was room ---- */

static inline bool put_literal(struct col_token_cutter *k, uint8_t c)
{
	struct col_tokens *o = k->out;

	if (o->pattern_len == COL_TOKEN_PATTERN_MAX)
		return false;
	o->pattern[o->pattern_len++] = c;
	return true;
}

static inline bool put_token(
	struct col_token_cutter *k, unsigned class, unsigned param, uint32_t off, uint32_t end)
{
	struct col_tokens *o = k->out;

	if (o->count == LIMIT_TEXT_TOKENS || o->pattern_len + 2 > COL_TOKEN_PATTERN_MAX)
		return false;
	o->t[o->count++] = (struct col_token){ .class = (uint8_t) class,
		.param = (uint8_t)param,
		.off = (uint16_t)off,
		.len = (uint16_t)(end - off) };
	o->pattern[o->pattern_len++] = (uint8_t) class;
	if (col_token_has_param(class))
		o->pattern[o->pattern_len++] = (uint8_t)param;
	return true;
}

static inline bool put_word(struct col_token_cutter *k, uint32_t off, uint32_t end)
{
	if (k->out->word_idx < 0)
		k->out->word_idx = (int)k->out->count;
	return put_token(k, COL_TOKEN_WORD, 0, off, end);
}

/* A token with numbers, which the caller has written behind those of the others. */
static inline bool put_numbers(struct col_token_cutter *k, unsigned class, unsigned param,
	uint32_t off, uint32_t end, unsigned count)
{
	if (!put_token(k, class, param, off, end))
		return false;
	k->out->t[k->out->count - 1].numbers_count = (uint8_t)count;
	k->out->numbers_count += count;
	return true;
}

static inline uint64_t *room(struct col_token_cutter *k)
{
	return k->out->numbers + k->out->numbers_count;
}

/* ---- classes; each returns where its token ends, 0: it is none ---- */

/* The longest source that stands here and does not end inside a word. */
static uint32_t source_at(const struct col_token_cutter *k, uint32_t s, unsigned *out_source)
{
	uint64_t x = k->firsts ^ k->p[s] * UINT64_C(0x0101010101010101);
	uint32_t best = 0;

	if (!((x - UINT64_C(0x0101010101010101)) & ~x & UINT64_C(0x8080808080808080)))
		return 0;
	for (unsigned i = 0; i < COL_TOKEN_SOURCES; i++) {
		struct span v = k->sources->values[i];
		uint32_t end = s + (uint32_t)v.n;

		if (v.n < COL_TOKEN_SOURCE_BYTES_MIN || v.n > k->n - s || end <= best ||
			!same(k->p + s, v.p, v.n))
			continue;
		if (end < k->n && bit(k->m.alnum, end) && bit(k->m.alnum, end - 1))
			continue;
		best = end;
		*out_source = i;
	}
	return best;
}

static uint32_t ip4_at(const struct col_token_cutter *k, uint32_t s, uint32_t e, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 4; i++) {
		unsigned octet = 0;

		if (i > 0) {
			if (e >= k->n || k->p[e] != '.' || !bit(k->m.digits, e + 1))
				return 0;
			s = e + 1;
			e = run_end(k->m.digits, s);
		}
		if (e - s > 3 || (e - s > 1 && k->p[s] == '0'))
			return 0;
		for (; s < e; s++)
			octet = octet * 10 + (k->p[s] - '0');
		if (octet > 255)
			return 0;
		v = v << 8 | octet;
	}
	if (e < k->n && (bit(k->m.alnum, e) || (k->p[e] == '.' && bit(k->m.digits, e + 1))))
		return 0;
	*out = v;
	return e;
}

/* Digits s .. e, a point, digits, and then neither a letter nor another such part. */
static uint32_t dec_at(const struct col_token_cutter *k, uint32_t s, uint32_t e, uint64_t *out)
{
	uint32_t end;

	if (e >= k->n || k->p[e] != '.' || !bit(k->m.digits, e + 1))
		return 0;
	end = run_end(k->m.digits, e + 1);
	if (end - s > COL_TOKEN_DIGITS_MAX + 1 || (e - s > 1 && k->p[s] == '0'))
		return 0;
	if (end < k->n && (bit(k->m.alnum, end) || (k->p[end] == '.' && bit(k->m.digits, end + 1))))
		return 0;
	if (s > 0 && k->p[s - 1] == '.')
		return 0;
	*out = col_token_decimal(k->p + s, e - s);
	for (uint32_t i = e + 1; i < end; i++)
		*out = *out * 10 + (k->p[i] - '0');
	return end;
}

static uint32_t uuid_at(
	const struct col_token_cutter *k, uint32_t s, uint64_t *out, unsigned *out_case)
{
	enum { LEN = 36 };

	if (k->n - s < LEN || (s + LEN < k->n && bit(k->m.alnum, s + LEN)))
		return 0;
	if (!col_token_uuid(k->p + s, out, out_case))
		return 0;
	return s + LEN;
}

/* Digits s .. e with no letter before or behind that belongs to them. */
static uint32_t cut_digits(struct col_token_cutter *k, uint32_t s, uint32_t e)
{
	uint64_t *v = room(k);
	uint32_t end = 0;

	if (e + 1 < k->n && k->p[e] == '.') {
		end = ip4_at(k, s, e, v);
		if (end)
			return put_numbers(k, COL_TOKEN_IP4, 0, s, end, 1) ? end : 0;
		end = dec_at(k, s, e, v);
		if (end)
			return put_numbers(k, COL_TOKEN_DEC, end - e - 1, s, end, 1) ? end : 0;
	}
	if (col_token_int(k->p + s, e - s, v))
		return put_numbers(k, COL_TOKEN_INT, 0, s, e, 1) ? e : 0;
	return put_word(k, s, e) ? e : 0;
}

/* Letters and digits mixed: hex, 0x.., name and number, number and unit, or a word. */
static uint32_t cut_mixed(struct col_token_cutter *k, uint32_t s, uint32_t e)
{
	uint64_t *v = room(k);
	unsigned upper = 0;
	uint32_t end;

	if (e - s > 2 && k->p[s] == '0' && k->p[s + 1] == 'x' && k->p[s + 2] != '0' &&
		e - s <= 17 && col_token_hex(k->p + s + 2, e - s - 2, v, &upper)) {
		bool ok = put_literal(k, '0') && put_literal(k, 'x') &&
			  put_numbers(k, COL_TOKEN_HEXV, upper, s + 2, e, 1);

		return ok ? e : 0;
	}
	if (e - s >= COL_TOKEN_HEX_MIN && e - s <= COL_TOKEN_HEX_MAX &&
		col_token_hex(k->p + s, e - s, v, &upper))
		return put_numbers(k, COL_TOKEN_HEX, (e - s) | upper, s, e, (e - s + 15) / 16) ? e
											       : 0;
	if (bit(k->m.digits, s)) {
		end = run_end(k->m.digits, s);
		if (run_end(k->m.letters, end) != e || !col_token_int(k->p + s, end - s, v))
			return put_word(k, s, e) ? e : 0;
		return put_numbers(k, COL_TOKEN_INT, 0, s, end, 1) && put_word(k, end, e) ? e : 0;
	}
	end = run_end(k->m.letters, s);
	if (run_end(k->m.digits, end) != e)
		return put_word(k, s, e) ? e : 0;
	return put_word(k, s, end) ? cut_digits(k, end, e) : 0;
}

static bool may_be_ip6(const struct col_token_cutter *k, uint32_t s, uint32_t e)
{
	return e - s <= 4 && e + 1 < k->n && k->p[e] == ':' &&
	       (k->p[e + 1] == ':' || bit(k->m.alnum, e + 1));
}

/* The token that begins at s, where a letter or digit stands: its end, 0: no room. */
static uint32_t cut_chunk(struct col_token_cutter *k, uint32_t s)
{
	uint32_t e = run_end(k->m.alnum, s), end;
	uint64_t *v = room(k);
	unsigned param = 0;

	if (may_be_ip6(k, s, e)) {
		end = col_token_ip6(k->p, k->n, s, v);
		if (end && (end == k->n || !bit(k->m.alnum, end)))
			return put_numbers(k, COL_TOKEN_IP6, 0, s, end, 2) ? end : 0;
	}
	if (e - s == 8 && e < k->n && k->p[e] == '-') {
		end = uuid_at(k, s, v, &param);
		if (end)
			return put_numbers(k, COL_TOKEN_UUID, param, s, end, 2) ? end : 0;
	}
	if (bit(k->m.digits, s)) {
		if (run_end(k->m.digits, s) == e)
			return cut_digits(k, s, e);
	} else if (run_end(k->m.letters, s) == e) {
		return put_word(k, s, e) ? e : 0;
	}
	return cut_mixed(k, s, e);
}

/* ---- the whole ---- */

/* Letters, digits, and what may stand between them. */
static const uint8_t email_bytes[256] = {
	['+'] = 1,
	['-'] = 1,
	['.'] = 1,
	['_'] = 1,
	['0' ... '9'] = 1,
	['A' ... 'Z'] = 1,
	['a' ... 'z'] = 1,
	[0x80 ... 0xff] = 1,
};

static inline bool is_email_byte(const struct col_token_cutter *k, uint32_t i)
{
	return email_bytes[k->p[i]];
}

/* Around each '@': what belongs to it, from a letter or digit to a letter or digit. */
static void find_emails(struct col_token_cutter *k)
{
	uint32_t done = 0, count = 0;

	for (uint32_t at = 0; count < COL_TOKEN_EMAILS_MAX; at++) {
		const uint8_t *found = memchr(k->p + at, '@', k->n - at);
		struct col_token_range r;

		if (!found)
			break;
		at = (uint32_t)(found - k->p);
		r = (struct col_token_range){ at, at + 1 };
		while (r.start > done && is_email_byte(k, r.start - 1))
			r.start--;
		while (r.start < at && !bit(k->m.alnum, r.start))
			r.start++;
		while (r.end < k->n && is_email_byte(k, r.end))
			r.end++;
		while (r.end > at + 1 && !bit(k->m.alnum, r.end - 1))
			r.end--;
		if (r.start == at || r.end == at + 1)
			continue;
		k->emails[count++] = r;
		done = r.end;
		at = r.end - 1;
	}
	k->emails[count] = (struct col_token_range){ UINT32_MAX, UINT32_MAX };
}

/* A copy or an e-mail address at s: its end, 0: there is none, UINT32_MAX: no room. */
static inline uint32_t cut_whole(struct col_token_cutter *k, uint32_t s)
{
	unsigned source = 0;
	uint32_t end = k->sources ? source_at(k, s, &source) : 0;

	while (k->email->start < s)
		k->email++;
	if (k->email->start == s && k->email->end > end) {
		end = k->email->end;
		return put_token(k, COL_TOKEN_EMAIL, 0, s, end) ? end : UINT32_MAX;
	}
	if (end)
		return put_token(k, COL_TOKEN_COPY, source, s, end) ? end : UINT32_MAX;
	return 0;
}

static bool cut_all(struct col_token_cutter *k)
{
	for (uint32_t at = 0; at < k->n;) {
		uint32_t s = run_start(k->m.alnum, at, k->n), end = 0;

		for (; at < s; at++) {
			end = k->sources ? cut_whole(k, at) : 0;
			if (end)
				break;
			if (!put_literal(k, k->p[at]))
				return false;
		}
		if (at == s && s < k->n)
			end = cut_whole(k, s);
		if (at == s && s < k->n && end == 0) {
			end = cut_chunk(k, s);
			end = end ? end : UINT32_MAX;
		}
		if (end == UINT32_MAX)
			return false;
		if (end)
			at = end;
	}
	return true;
}

int col_token_begin(struct col_token_cutter *k, struct span text,
	const struct col_token_sources *sources, bool emails, struct col_tokens *out)
{
	if (text.n > LIMIT_TEXT_SHAPED_BYTES)
		return 1;
	k->p = text.p;
	k->n = (uint32_t)text.n;
	k->sources = sources;
	k->out = out;
	k->email = k->emails;
	k->emails[0] = (struct col_token_range){ UINT32_MAX, UINT32_MAX };
	col_token_masks_wide(text, &k->m);
	if (k->m.at && emails)
		find_emails(k);
	out->count = out->numbers_count = out->pattern_len = 0;
	out->word_idx = -1;
	return 0;
}

int col_token_cut(struct col_token_cutter *k)
{
	struct col_tokens *out = k->out;

	out->count = out->numbers_count = out->pattern_len = 0;
	out->word_idx = -1;
	k->email = k->emails;
	find_firsts(k);
	if (!k->firsts)
		k->sources = NULL;
	return cut_all(k) ? 0 : 1;
}

/* A source's value, whole and not inside a word. */
static uint32_t copy_at(const struct col_token_cutter *k, uint32_t s, unsigned source)
{
	struct span v = k->sources ? k->sources->values[source] : SPAN_NONE;
	uint32_t end = s + (uint32_t)v.n;

	if (v.n < COL_TOKEN_SOURCE_BYTES_MIN || v.n > k->n - s || !same(k->p + s, v.p, v.n))
		return 0;
	if (end < k->n && bit(k->m.alnum, end) && bit(k->m.alnum, end - 1))
		return 0;
	return end;
}

/* Inside a chunk, and the whole chunk is one number in hex: then there is no token of its own. */
static bool inside_hex(const struct col_token_cutter *k, uint32_t s)
{
	uint64_t numbers[COL_TOKEN_NUMBERS];
	uint32_t start = s, end;
	unsigned upper;

	while (start > 0 && bit(k->m.alnum, start - 1))
		start--;
	if (start == s)
		return false;
	end = run_end(k->m.alnum, s);
	if (end - start < COL_TOKEN_HEX_MIN || end - start > COL_TOKEN_HEX_MAX)
		return false;
	return col_token_hex(k->p + start, end - start, numbers, &upper);
}

uint32_t col_token_at(struct col_token_cutter *k, uint32_t s, unsigned class, unsigned param)
{
	struct col_tokens *out = k->out;
	uint32_t numbers = out->numbers_count;

	if (s >= k->n)
		return 0;
	if (class == COL_TOKEN_COPY)
		return copy_at(k, s, param);
	if (class == COL_TOKEN_EMAIL) {
		while (k->email->start < s)
			k->email++;
		return k->email->start == s ? k->email->end : 0;
	}
	if (!bit(k->m.alnum, s) || inside_hex(k, s))
		return 0;
	/* Of two tokens that are cut together only the first counts. */
	out->count = out->pattern_len = 0;
	if (cut_chunk(k, s) == 0 || out->t[0].class != class || out->t[0].param != param)
		return 0;
	out->numbers_count = numbers + out->t[0].numbers_count;
	return (uint32_t)out->t[0].off + out->t[0].len;
}
