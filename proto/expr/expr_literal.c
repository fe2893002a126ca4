/*
 * What every match of a pattern must hold, read off its text. A group counts unless it has alternatives
 * or may be left out; a character that may be left out ends a run before it. Whatever is not certain
 * gives none: groups with a question mark but (?: are passed over, and patterns with verbs, quoted
 * stretches, free spacing or rare escapes have no literal at all.
 *
 * Where case is ignored anywhere, characters beyond ASCII end a run, and k and s, for which Unicode
 * knows others of the same case (the Kelvin sign, the long s).
 */
#include "proto/expr/expr_int.h"
#include "proto/expr/expr_regex_int.h"

#include "proto/base/check.h"
#include "proto/base/utf8.h"

enum {
	GROUPS_MAX = 32,
};

struct run {
	uint8_t *p;
	size_t n;
};

struct reader {
	const uint8_t *p;
	const uint8_t *end;
	bool caseless;
	bool lost; /* something that is not followed here */
	unsigned depth;
	uint8_t *dst; /* free room */
};

static bool at(const struct reader *r, char c)
{
	return r->p < r->end && *r->p == (uint8_t)c;
}

static bool is_letter(uint8_t c)
{
	return (uint8_t)((c | 0x20) - 'a') < 26;
}

/* ---- what may be met before the first character is read ---- */

/* Options in parentheses, anywhere: sooner too many than too few. */
static void find_options(struct reader *r)
{
	for (const uint8_t *p = r->p; p + 2 < r->end; p++) {
		if (p[0] == '(' && p[1] == '*')
			r->lost = true;
		if (p[0] != '(' || p[1] != '?')
			continue;
		for (const uint8_t *o = p + 2;
			o < r->end && (is_letter(*o) || *o == '-' || *o == '^'); o++) {
			r->caseless |= *o == 'i';
			r->lost |= *o == 'x';
		}
	}
}

/* ---- repetitions ---- */

/* Past a repetition, if one is here; *out_least: of times that what it repeats must stand. */
static bool take_repeat(struct reader *r, bool *out_least)
{
	const uint8_t *p = r->p + 1;

	if (at(r, '*') || at(r, '?')) {
		*out_least = false;
	} else if (at(r, '+')) {
		*out_least = true;
	} else if (at(r, '{')) {
		while (p < r->end && ((unsigned)(*p - '0') < 10 || *p == ',' || *p == ' '))
			p++;
		if (p == r->end || *p != '}')
			return false;
		p++;
		*out_least = false;
	} else {
		return false;
	}
	r->p = p;
	if (at(r, '+') || at(r, '?'))
		r->p++;
	return true;
}

/* ---- what is passed over ---- */

/* "[:name:]" within a class; whatever else begins so is not followed. */
static void skip_name(struct reader *r)
{
	const uint8_t *p = r->p + 2;

	while (p < r->end && (is_letter(*p) || *p == '^'))
		p++;
	r->lost |= r->end - p < 2 || p[0] != ':' || p[1] != ']';
	r->p = r->lost ? r->p + 1 : p + 2;
}

static void skip_class(struct reader *r)
{
	ASSERT(at(r, '['));
	r->p++;
	if (at(r, '^'))
		r->p++;
	if (at(r, ']'))
		r->p++;
	while (r->p < r->end && *r->p != ']') {
		bool pair = r->p + 1 < r->end;

		if (pair && *r->p == '[' && r->p[1] == ':') {
			skip_name(r);
			continue;
		}
		if (pair && *r->p == '\\') {
			r->lost |= r->p[1] == 'Q' || r->p[1] == 'E';
			r->p++;
		}
		r->p++;
	}
	if (r->p < r->end)
		r->p++;
}

/* From behind "(" to behind its ")". */
static void skip_group(struct reader *r)
{
	unsigned open = 1;

	/* What repeats a comment repeats what stands before it. */
	r->lost |= r->end - r->p >= 2 && r->p[1] == '#';
	while (r->p < r->end && open > 0) {
		uint8_t c = *r->p;

		if (c == '[') {
			skip_class(r);
			continue;
		}
		if (c == '\\' && r->p + 1 < r->end) {
			r->lost |= r->p[1] == 'Q';
			r->p++;
		}
		open += c == '(';
		open -= c == ')';
		r->p++;
	}
}

/* ---- runs ---- */

static void end_run(struct reader *r, struct run *now, struct run *best)
{
	if (now->n > best->n)
		*best = *now;
	/* What stays in the best run is not written over. */
	now->p = r->dst;
	now->n = 0;
}

static bool is_sure(const struct reader *r, const uint8_t *c, size_t n)
{
	uint8_t lower = *c | 0x20;

	return !r->caseless || (n == 1 && *c < 0x80 && lower != 'k' && lower != 's');
}

/* A character that stands for itself, and whatever repeats it. */
static void take_plain(struct reader *r, struct run *now, struct run *best)
{
	const uint8_t *c = r->p;
	uint32_t cp;
	size_t n = utf8_next(r->p, (size_t)(r->end - r->p), &cp);
	bool must = true, repeated;

	r->p += n;
	repeated = take_repeat(r, &must);
	if (must && is_sure(r, c, n)) {
		memcpy(r->dst, c, n);
		r->dst += n;
		now->n += n;
	} else {
		end_run(r, now, best);
	}
	if (repeated)
		end_run(r, now, best);
}

/* Behind a backslash: signs stand for themselves; of letters, those that need nothing behind them. */
static void take_escape(struct reader *r, struct run *now, struct run *best)
{
	bool must;

	r->p++;
	if (r->p == r->end) {
		r->lost = true;
	} else if (!is_letter(*r->p) && (unsigned)(*r->p - '0') >= 10) {
		take_plain(r, now, best);
	} else if (strchr("dDwWsSbBAzZGhHvVRnrtfae", *r->p)) {
		r->p++;
		end_run(r, now, best);
		take_repeat(r, &must);
	} else {
		r->lost = true;
	}
}

static struct run read_group(struct reader *r);

/* From "(". */
static void take_group(struct reader *r, struct run *now, struct run *best)
{
	struct run inner = { r->dst, 0 };
	bool must = true;

	end_run(r, now, best);
	r->p++;
	if (at(r, '?') && !(r->end - r->p >= 2 && r->p[1] == ':')) {
		skip_group(r);
	} else if (r->depth == GROUPS_MAX) {
		r->lost = true;
	} else {
		if (at(r, '?'))
			r->p += 2;
		r->depth++;
		inner = read_group(r);
		r->depth--;
		if (at(r, ')'))
			r->p++;
	}
	take_repeat(r, &must);
	if (must && inner.n > best->n)
		*best = inner;
	now->p = r->dst;
}

/* To the end, or before the ")" that ends the group. */
static struct run read_group(struct reader *r)
{
	struct run best = { r->dst, 0 }, now = best;
	bool alternatives = false, must;

	while (r->p < r->end && *r->p != ')' && !r->lost) {
		switch (*r->p) {
		case '(':
			take_group(r, &now, &best);
			break;
		case '|':
			alternatives = true;
			end_run(r, &now, &best);
			r->p++;
			break;
		case '[':
			end_run(r, &now, &best);
			skip_class(r);
			take_repeat(r, &must);
			break;
		case '.':
		case '^':
		case '$':
			end_run(r, &now, &best);
			r->p++;
			take_repeat(r, &must);
			break;
		case '\\':
			take_escape(r, &now, &best);
			break;
		default:
			take_plain(r, &now, &best);
			break;
		}
	}
	end_run(r, &now, &best);
	return alternatives ? (struct run){ r->dst, 0 } : best;
}

/* ---- face ---- */

struct span expr_literal_of(struct span pattern, uint8_t *dst)
{
	struct reader r = { .p = pattern.p, .end = span_end(pattern), .dst = dst };
	struct run best = { dst, 0 };

	find_options(&r);
	if (!r.lost)
		best = read_group(&r);
	ASSERT((size_t)(r.dst - dst) <= pattern.n);
	return r.lost || best.n == 0 ? SPAN_NONE : span_of(best.p, best.n);
}

bool expr_literal(const struct expr *test, struct needle *out)
{
	const struct needle *x = NULL;

	ASSERT(test->kind == EXPR_TEST);
	if (test->test == EXPR_TEST_CONTAINS)
		x = &test->needle;
	else if (test->test == EXPR_TEST_REGEX)
		x = expr_regex_literal(test->regex);
	if (!x || x->n == 0)
		return false;
	*out = *x;
	return true;
}
