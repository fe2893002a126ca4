/*
 * Goal: every column of texts comes back to the byte, whole and by rows, and answers equality and
 *       search as a naive reading of its values does; what a page claims bounds what reading it gives.
 * Method: columns of many kinds, seeded, also real ones; a naive twin beside each question.
 */
#include "tests/support/check_cmocka.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/col_text.h"
#include "storage/col_text_int.h"
#include "storage/col_text_place.h"
#include "tests/support/event_gen.h"

enum { ARENA_BYTES = 256 << 20, PAGE_BYTES = 64 << 20, ROWS_MAX = COL_TEXT_ROWS_MAX, LEAVES = 3 };

/* A column, the other columns it may refer to, and what they are kept in. */
struct column {
	uint32_t count;
	struct span values[ROWS_MAX];
	struct span sources[COL_TEXT_SOURCES][ROWS_MAX];
	struct col_text_leaf leaves[LEAVES][ROWS_MAX];
	uint32_t keys[COL_TEXT_KEYS][ROWS_MAX];
	struct arena mem;
};

static struct column col;
static struct col_text_maker maker;
static struct event_gen gen;

static unsigned below(unsigned n)
{
	return event_gen_below(&gen, n);
}

static struct span keep(const void *p, size_t n)
{
	uint8_t *copy = arena_alloc(&col.mem, n + 1);

	ASSERT(copy);
	if (n > 0)
		memcpy(copy, p, n);
	return span_of(copy, n);
}

__attribute__((format(printf, 1, 2))) static struct span text(const char *fmt, ...)
{
	char out[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, sizeof out, fmt, ap);
	va_end(ap);
	ASSERT(n >= 0 && (size_t)n < sizeof out);
	return keep(out, (size_t)n);
}

static void column_begin(uint32_t count, uint64_t seed)
{
	arena_fini(&col.mem);
	arena_init(&col.mem, ARENA_BYTES);
	memset(col.sources, 0, sizeof col.sources);
	memset(col.leaves, 0, sizeof col.leaves);
	memset(col.keys, 0, sizeof col.keys);
	col.count = count;
	gen.state = seed;
}

/* ---- the other columns ---- */

static int source(
	void *ctx, enum col_text_source s, const uint32_t *rows, size_t count, struct span *out)
{
	const struct column *c = ctx;

	for (size_t i = 0; i < count; i++)
		out[i] = c->sources[s][rows ? rows[i] : i];
	return 0;
}

static int key(void *ctx, enum col_text_key k, const uint32_t *rows, size_t count, uint32_t *out)
{
	const struct column *c = ctx;

	for (size_t i = 0; i < count; i++)
		out[i] = c->keys[k][rows ? rows[i] : i];
	return 0;
}

static int leaf(
	void *ctx, uint32_t l, const uint32_t *rows, size_t count, struct col_text_leaf *out)
{
	const struct column *c = ctx;

	if (l >= LEAVES)
		return ERR_CORRUPT;
	for (size_t i = 0; i < count; i++)
		out[i] = c->leaves[l][rows ? rows[i] : i];
	return 0;
}

static int source_contains(
	void *ctx, enum col_text_source s, const struct needle *x, uint8_t *found)
{
	const struct column *c = ctx;

	for (uint32_t i = 0; i < c->count; i++)
		found[i] = found[i] && c->sources[s][i].p &&
			   needle_find(x, c->sources[s][i], 0) != SIZE_MAX;
	return 0;
}

static int leaves_contain(void *ctx, const struct needle *x, uint8_t *leaves, uint32_t count)
{
	const struct column *c = ctx;

	for (uint32_t l = 0; l < count; l++) {
		bool any = false;

		if (leaves[l] && l >= LEAVES)
			return ERR_CORRUPT;
		for (uint32_t i = 0; leaves[l] && i < c->count && !any; i++)
			any = c->leaves[l][i].kind == COL_TEXT_LEAF_WORD &&
			      needle_find(x, c->leaves[l][i].word, 0) != SIZE_MAX;
		leaves[l] = any;
	}
	return 0;
}

static const struct col_text_env env = { .ctx = &col,
	.source = source,
	.key = key,
	.leaf = leaf,
	.source_contains = source_contains,
	.leaves_contain = leaves_contain };
/* The same, but values are all it says. */
static const struct col_text_env plain_env = {
	.ctx = &col, .source = source, .key = key, .leaf = leaf
};

/* Answers with nothing: pages that refer to other columns meet ones that do not fit. */
static int no_leaf(
	void *ctx, uint32_t l, const uint32_t *rows, size_t count, struct col_text_leaf *out)
{
	(void)ctx;
	(void)l;
	(void)rows;
	memset(out, 0, count * sizeof *out);
	return 0;
}

static struct col_text_in input(int level)
{
	struct col_text_in in = { .rows_count = col.count,
		.values = col.values,
		.leaves_count = LEAVES,
		.leaf_ctx = &col,
		.leaf = leaf,
		.level = level,
		.want_codes = level == 0 };

	for (int s = 0; s < COL_TEXT_SOURCES; s++)
		in.sources[s] = col.sources[s];
	for (int k = 0; k < COL_TEXT_KEYS; k++) {
		in.keys[k] = col.keys[k];
		in.keys_count[k] = k == COL_TEXT_KEY_USER_ID ? 4096 : 64;
	}
	return in;
}

/* ---- questions and their naive twins ---- */

static struct buf bytes;
static uint32_t lengths[ROWS_MAX];
static uint8_t match[ROWS_MAX], before[ROWS_MAX];

static bool is_same(struct span a, const uint8_t *p, uint32_t length)
{
	if (!a.p || length == 0)
		return !a.p && length == 0;
	return a.n == length - 1 && (a.n == 0 || memcmp(a.p, p, a.n) == 0);
}

static void check_all(struct span page)
{
	struct col_text t;
	struct arena mem;
	size_t at = 0;

	arena_init(&mem, ARENA_BYTES);
	buf_reset(&bytes);
	assert_int_equal(col_text_open(&t, page, col.count, &env, &mem), 0);
	assert_int_equal(col_text_all(&t, lengths, &bytes), 0);
	assert_int_equal(bytes.len, t.raw_bytes);
	for (uint32_t i = 0; i < col.count; i++) {
		if (!is_same(col.values[i], bytes.p + at, lengths[i]))
			fail_msg("row %u differs", i);
		at += col_bytes_length(lengths[i]);
	}
	assert_int_equal(at, bytes.len);
	arena_fini(&mem);
}

/* From all rows to one or none, of a page that was just opened; few_first: the other way round. */
static void check_get(struct span page, bool few_first)
{
	static uint32_t rows[ROWS_MAX];
	static struct col_text_value out[ROWS_MAX];
	static const unsigned steps[] = { 1, 3, 97, 8191, 70000 };
	struct col_text t;
	struct arena mem;

	arena_init(&mem, ARENA_BYTES);
	assert_int_equal(col_text_open(&t, page, col.count, &env, &mem), 0);
	for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
		size_t s = few_first ? ARRAY_COUNT(steps) - 1 - i : i;
		uint32_t n = 0;

		for (uint32_t row = below(steps[s]); row < col.count;
			row += 1 + below(2 * steps[s]))
			rows[n++] = row;
		buf_reset(&bytes);
		assert_int_equal(col_text_get(&t, rows, n, &bytes, out), 0);
		for (uint32_t k = 0; k < n; k++) {
			if (!is_same(col.values[rows[k]], bytes.p + out[k].off, out[k].length))
				fail_msg("row %u differs", rows[k]);
		}
	}
	arena_fini(&mem);
}

/* Rows that are looked at: all, or one of three. */
static void set_before(bool all)
{
	for (uint32_t i = 0; i < col.count; i++)
		before[i] = match[i] = all || below(3) == 0;
}

static void check_equal(struct col_text *t, const struct span *values, size_t count)
{
	struct textset set;

	assert_int_equal(textset_init(&set, values, count), 0);
	assert_int_equal(col_text_equal(t, &set, match), 0);
	for (uint32_t i = 0; i < col.count; i++) {
		bool want = before[i] && textset_has(&set, col.values[i]);

		if (match[i] != want)
			fail_msg("row %u: equal is %d, not %d", i, match[i], want);
	}
	textset_fini(&set);
}

static void check_contains(struct col_text *t, struct span needle)
{
	struct needle x;

	assert_int_equal(needle_init(&x, needle), 0);
	assert_int_equal(col_text_contains(t, &x, match), 0);
	for (uint32_t i = 0; i < col.count; i++) {
		bool want = before[i] && col.values[i].p &&
			    needle_find(&x, col.values[i], 0) != SIZE_MAX;

		if (match[i] != want)
			fail_msg("row %u: contains \"%.*s\" is %d, not %d", i, (int)needle.n,
				(const char *)needle.p, match[i], want);
	}
	needle_fini(&x);
}

static void check_questions(struct span page)
{
	struct col_text t;
	struct arena mem;

	arena_init(&mem, ARENA_BYTES);
	assert_int_equal(col_text_open(&t, page, col.count, &env, &mem), 0);
	for (int i = 0; i < 12; i++) {
		struct span v[3] = { col.values[below(col.count)], col.values[below(col.count)],
			SPAN_LIT("nowhere 12") };
		struct span s = v[0];

		set_before(i % 2 == 0);
		check_equal(&t, v, 1 + (unsigned)i % 3);
		set_before(i % 2 == 0);
		/* A part of a value, mostly short; letters only at times. */
		if (s.n > 0) {
			size_t off = below((unsigned)s.n), n = 1 + below(i % 4 ? 6 : 30);

			s = span_of(s.p + off, n < s.n - off ? n : s.n - off);
			check_contains(&t, s);
		}
	}
	set_before(true);
	check_contains(&t, SPAN_LIT("x"));
	set_before(true);
	check_contains(&t, SPAN_LIT("nowhere"));
	set_before(true);
	check_equal(&t, &SPAN_NONE, 1);
	arena_fini(&mem);
}

/* Codes are there for all rows or none, one for one value. */
static void check_codes(struct span page)
{
	static uint32_t rows[ROWS_MAX], codes[ROWS_MAX];
	struct col_text t;
	struct arena mem;

	arena_init(&mem, ARENA_BYTES);
	assert_int_equal(col_text_open(&t, page, col.count, &env, &mem), 0);
	for (uint32_t i = 0; i < col.count; i++)
		rows[i] = i;
	if (page.p[0] != COL_TEXT_DICT && page.p[0] != COL_TEXT_CONST) {
		assert_int_equal(col_text_entries(&t), 0);
		assert_int_equal(col_text_codes(&t, rows, 1, codes), ERR_UNKNOWN);
	} else {
		assert_int_equal(col_text_codes(&t, rows, col.count, codes), 0);
		for (uint32_t i = 0; i < col.count; i += 1 + col.count / 50) {
			struct span entry;

			assert_true(codes[i] <= col_text_entries(&t));
			assert_int_equal(codes[i] == 0, col.values[i].p == NULL);
			if (codes[i] == 0)
				continue;
			buf_reset(&bytes);
			assert_int_equal(col_text_entry(&t, codes[i], &bytes, &entry), 0);
			assert_true(span_eq(entry, col.values[i]));
		}
	}
	arena_fini(&mem);
}

/* What the number says is the value, and there is but one way to say it. */
static void check_number(const struct col_text_numbers *n, uint32_t at, struct span value)
{
	const struct col_text_form *f;
	char told[COL_TEXT_FORM_BYTES_MAX + 16];
	int length;

	if (n->form_of[at] == COL_TEXT_FORM_ABSENT || n->form_of[at] == COL_TEXT_FORM_NONE) {
		struct span s =
			n->form_of[at] == COL_TEXT_FORM_NONE ? n->texts[n->numbers[at]] : SPAN_NONE;

		assert_int_equal(s.p == NULL, value.p == NULL);
		assert_true(span_eq(s, value));
		return;
	}
	assert_true(n->form_of[at] < n->forms_count);
	f = &n->forms[n->form_of[at]];
	assert_in_range(f->digits, 1, COL_TEXT_FORM_DIGITS_MAX);
	length = snprintf(told, sizeof told, "%.*s%0*u%.*s", (int)f->front.n,
		(const char *)f->front.p, (int)f->digits, n->numbers[at], (int)f->back.n,
		(const char *)f->back.p);
	assert_int_equal(length, f->front.n + f->digits + f->back.n);
	assert_true(length <= COL_TEXT_FORM_BYTES_MAX);
	assert_true(span_eq(span_of(told, (size_t)length), value));
	assert_true(f->front.n == 0 || !isdigit(f->front.p[f->front.n - 1]));
	for (size_t i = 0; i < f->back.n; i++)
		assert_false(isdigit(f->back.p[i]));
}

/* Values as numbers, before and after codes; whether the page has them. */
static bool check_numbers(struct span page)
{
	static uint32_t rows[ROWS_MAX], codes[ROWS_MAX], numbers[ROWS_MAX];
	static uint8_t forms[ROWS_MAX];
	struct col_text_numbers n = { .form_of = forms, .numbers = numbers };
	struct col_text t;
	struct arena mem;
	int rc = 0;

	arena_init(&mem, ARENA_BYTES);
	assert_int_equal(col_text_open(&t, page, col.count, &env, &mem), 0);
	for (uint32_t i = 0; i < col.count; i++)
		rows[i] = i;
	for (int round = 0; round < 2; round++) {
		rc = col_text_numbers(&t, &n);
		assert_true(rc == 0 || rc == COL_TEXT_NUMBERS_NOT);
		if (col_text_entries(&t) > 0)
			assert_int_equal(col_text_codes(&t, rows, col.count, codes), 0);
		for (uint32_t i = 0; i < col.count && rc == 0; i++) {
			if (col_text_entries(&t) == 0)
				check_number(&n, i, col.values[i]);
			else if (codes[i] == 0)
				assert_null(col.values[i].p);
			else
				check_number(&n, codes[i] - 1, col.values[i]);
		}
	}
	arena_fini(&mem);
	return rc == 0;
}

static bool has_numbers;

/* Writes and asks everything; the bytes of the page, and its kind. */
static size_t check_column(int level, unsigned *out_kind)
{
	struct col_text_in in = input(level);
	uint32_t entries;
	struct buf page;
	size_t n;

	buf_init(&page, PAGE_BYTES);
	assert_int_equal(col_text_put(&maker, &in, &page), 0);
	*out_kind = page.p[0];
	/* In memory of its size, so that a sanitizer sees what is read beyond it. */
	n = page.len;
	page.p = realloc(page.p, n);
	if (in.want_codes)
		assert_int_equal(col_text_maker_codes(&maker, &entries) != NULL,
			*out_kind == COL_TEXT_DICT || *out_kind == COL_TEXT_CONST);
	check_all(buf_span(&page));
	check_get(buf_span(&page), true);
	check_get(buf_span(&page), false);
	check_questions(buf_span(&page));
	check_codes(buf_span(&page));
	has_numbers = check_numbers(buf_span(&page));
	buf_fini(&page);
	return n;
}

/* ---- kinds of columns ---- */

static const char *const words[] = { "alpha", "beta", "gamma", "delta", "epsilon", "zeta" };

static struct span sentence(uint32_t i)
{
	struct span *s = col.sources[COL_TEXT_ENTITY_ID];

	switch (below(12)) {
	case 0:
		return text("User a.%s%u@mail.org signed in via %s in %u ms", words[below(6)],
			10 + below(90), words[below(6)], below(1000));
	case 1:
		col.leaves[0][i] =
			(struct col_text_leaf){ COL_TEXT_LEAF_INT, 0, below(5000), SPAN_NONE };
		return text(
			"Waited %u ms for %s", (unsigned)col.leaves[0][i].number, words[below(6)]);
	case 2:
		s[i] = text("ord-%07u", below(20000));
		return text("Created order %.*s, total %u.%02u EUR", (int)s[i].n,
			(const char *)s[i].p, below(300), below(100));
	case 3:
		return text("Peer %u.%u.%u.%u:%u gone", below(256), below(256), below(256),
			below(256), below(65536));
	case 4:
		return text("id %08x%08x of %s", below(1u << 31), below(1u << 31), words[below(6)]);
	case 5:
		return text("request 123e4567-e89b-12d3-a456-%04x%08x done", below(65536),
			below(1u << 31));
	case 6:
		return text("job %03u step %02u", below(1000), below(100));
	case 7:
		return text("code %0*u", 1 + (int)below(6), below(50));
	case 8:
		return text("net 2001:db8:%x::%x up", 1 + below(65535), 1 + below(65535));
	case 9:
		col.leaves[1][i] = (struct col_text_leaf){ COL_TEXT_LEAF_WORD, 0, 0,
			span_str(words[below(6)]) };
		col.leaves[2][i] =
			(struct col_text_leaf){ COL_TEXT_LEAF_DECIMAL, 1, below(500), SPAN_NONE };
		return text("moved to %.*s at %u.%u0 percent", (int)col.leaves[1][i].word.n,
			(const char *)col.leaves[1][i].word.p,
			(unsigned)col.leaves[2][i].number / 10,
			(unsigned)col.leaves[2][i].number % 10);
	case 10:
		return text("handle 0x%x of a@b.c and d%u@e.f", 1 + below(1u << 30), below(100));
	default:
		return below(4) ? text("odd %u%.*s", below(9), (int)below(20),
					  ".,:;-+*/ .,:;-+*/ ..")
				: SPAN_NONE;
	}
}

static void fill_sentences(uint32_t count, uint64_t seed)
{
	column_begin(count, seed);
	for (uint32_t i = 0; i < count; i++) {
		col.values[i] = sentence(i);
		col.keys[COL_TEXT_KEY_EVENT_TYPE][i] = below(12);
	}
}

static void sentences(void **state)
{
	unsigned kind;

	(void)state;
	for (uint64_t seed = 1; seed < 12; seed++) {
		fill_sentences(seed == 11 ? ROWS_MAX : 1 + below(9000), seed);
		check_column(0, &kind);
		if (col.count > 1000)
			assert_int_equal(kind, COL_TEXT_SHAPED);
	}
}

/* Of a page whose rows are all looked at, and then one of three. */
static void ask_needles(
	struct span page, const struct col_text_env *e, const struct span *needles, size_t count)
{
	struct col_text t;
	struct arena mem;

	for (size_t i = 0; i < count; i++) {
		/* Opened anew: nothing of another question is at hand. */
		arena_init(&mem, ARENA_BYTES);
		assert_int_equal(col_text_open(&t, page, col.count, e, &mem), 0);
		set_before(true);
		check_contains(&t, needles[i]);
		set_before(false);
		check_contains(&t, needles[i]);
		arena_fini(&mem);
	}
}

/* Each way in which a template says yes, no, or that it depends on the row. */
static void needles_of_all_kinds(void **state)
{
	static const struct span needles[] = {
		/* constant words, whole, in part, in another case */
		SPAN_LIT("moved"),
		SPAN_LIT("ove"),
		SPAN_LIT("WAITED"),
		SPAN_LIT("sIGNEd"),
		/* words of slots, of leaves and of addresses */
		SPAN_LIT("epsilon"),
		SPAN_LIT("EPSIL"),
		SPAN_LIT("amm"),
		SPAN_LIT("mail"),
		/* copies of a column */
		SPAN_LIT("ord"),
		SPAN_LIT("ord-00"),
		SPAN_LIT("rd-0001"),
		/* across the borders of slots */
		SPAN_LIT("to gamma"),
		SPAN_LIT("ms for z"),
		SPAN_LIT("a at "),
		SPAN_LIT("order ord-"),
		SPAN_LIT("beta at 1"),
		SPAN_LIT("User a.alpha"),
		SPAN_LIT("@mail.org s"),
		/* digits, hex digits, no letters */
		SPAN_LIT("12"),
		SPAN_LIT("0"),
		SPAN_LIT("c0"),
		SPAN_LIT("db8"),
		SPAN_LIT("fe"),
		SPAN_LIT("0x1"),
		SPAN_LIT(" "),
		SPAN_LIT("."),
		SPAN_LIT(", "),
		SPAN_LIT(":-"),
		/* nowhere, though their letters or parts of them are somewhere */
		SPAN_LIT("ephyrin"),
		SPAN_LIT("alpha-alpha"),
		SPAN_LIT("moved to moved"),
		SPAN_LIT("gamma7gamma"),
		SPAN_LIT("_"),
		SPAN_LIT("\xc3\xa4"),
	};
	struct col_text_in in;
	struct buf page;

	(void)state;
	for (uint64_t seed = 31; seed < 34; seed++) {
		fill_sentences(seed == 31 ? 9000 : 2000 + below(3000), seed);
		/* A word of the residue, in one row. */
		if (seed == 32)
			col.values[col.count / 2] = text("!! zephyrine ?? probe ((%u))", below(10));
		buf_init(&page, PAGE_BYTES);
		in = input(seed == 33);
		assert_int_equal(col_text_put(&maker, &in, &page), 0);
		assert_int_equal(page.p[0], COL_TEXT_SHAPED);
		ask_needles(buf_span(&page), &env, needles, ARRAY_COUNT(needles));
		ask_needles(buf_span(&page), &plain_env, needles, ARRAY_COUNT(needles));
		buf_fini(&page);
	}
}

/* Each row of a page whose codes are read step by step, by its place among those of its code. */
static void rows_are_found_by_their_place(void **state)
{
	static uint32_t next[COL_TEXT_TEMPLATE + LIMIT_TEXT_TEMPLATES];
	struct col_text_shaped *all, *p;
	struct arena mem[2];
	struct col_text t[2];
	struct buf page;
	struct col_text_in in;
	uint32_t email = 0, row;

	(void)state;
	fill_sentences(9000, 77);
	for (uint32_t i = 0; i < col.count; i += 13)
		col.values[i] = text("mail to m%u@b%u.org, cc a.b%u@c.net", below(9), below(9), i);
	buf_init(&page, PAGE_BYTES);
	in = input(0);
	assert_int_equal(col_text_put(&maker, &in, &page), 0);
	for (int i = 0; i < 2; i++) {
		arena_init(&mem[i], ARENA_BYTES);
		assert_int_equal(
			col_text_open(&t[i], buf_span(&page), col.count, &env, &mem[i]), 0);
		assert_int_equal(t[i].page->kind, COL_TEXT_SHAPED);
	}
	all = (struct col_text_shaped *)t[0].page;
	p = (struct col_text_shaped *)t[1].page;
	assert_int_equal(col_text_shape_codes(all), 0);
	assert_int_equal(col_text_shape_counts(p), 0);
	assert_true(p->emails_count > 1000);
	for (uint32_t i = 0; i < col.count; i++) {
		unsigned code = all->codes[i], emails = 0;

		assert_int_equal(col_text_place_row(p, code, next[code]++, &row), 0);
		assert_int_equal(row, i);
		if (code >= COL_TEXT_TEMPLATE)
			emails = p->templates[code - COL_TEXT_TEMPLATE].emails_count;
		for (; emails > 0; emails--) {
			assert_int_equal(col_text_place_email(p, email++, &row), 0);
			assert_int_equal(row, i);
		}
	}
	assert_int_equal(email, p->emails_count);
	arena_fini(&mem[0]);
	arena_fini(&mem[1]);
	buf_fini(&page);
}

static void ids_are_small(void **state)
{
	unsigned kind;

	(void)state;
	column_begin(ROWS_MAX, 3);
	for (uint32_t i = 0; i < col.count; i++)
		col.values[i] = text("ord-%07u", 1000000 + below(60000));
	assert_true(check_column(0, &kind) < (size_t)col.count * 9 / 4);
	column_begin(ROWS_MAX, 4);
	for (uint32_t i = 0; i < col.count; i++)
		col.values[i] = text("10.%u.%u.%u", below(4), below(256), below(256));
	assert_true(check_column(0, &kind) < (size_t)col.count * 5 / 2);
}

/* Ids of several forms and lengths among others, few different ones or many; some rows have none. */
static struct span mixed_id(unsigned many)
{
	unsigned n = below(many ? 1u << 30 : 600);

	switch (below(10)) {
	case 0:
		return text("sess-%u", n % 100000);
	case 1:
		return text("h%02u.rack", n % 100);
	case 2:
		return text("%06u", n % 1000000);
	case 3:
		return below(20) ? text("node-%u", n) : text("user");
	case 4:
		return below(50) ? text("cron") : text("odd one %u of %u", n % 10, n % 7);
	default:
		return below(30) ? text("usr-%06u", n % 1000000) : SPAN_NONE;
	}
}

static void ids_are_numbers(void **state)
{
	unsigned kind;

	(void)state;
	for (unsigned many = 0; many < 2; many++) {
		for (int level = 0; level < 2; level++) {
			column_begin(5000, 7 + many);
			for (uint32_t i = 0; i < col.count; i++)
				col.values[i] = mixed_id(many);
			check_column(level, &kind);
			if (level == 0)
				assert_int_equal(kind, many ? COL_TEXT_SHAPED : COL_TEXT_DICT);
			assert_true(has_numbers);
		}
	}
	column_begin(9000, 11);
	for (uint32_t i = 0; i < col.count; i++)
		col.values[i] = below(9) ? text("ord-%09u", below(1000000000)) : SPAN_NONE;
	check_column(0, &kind);
	assert_int_equal(kind, COL_TEXT_SHAPED);
	assert_true(has_numbers);
}

/* Digits that are not the last ones, or stand next to a number, and texts that are too long. */
static struct span no_id(int kind)
{
	unsigned n = 1000 + below(8999), more = 10 + below(89);

	switch (kind) {
	case 0:
		return text("u%u-v2", n);
	case 1:
		return text("%u.%u", n, more);
	case 2:
		return text("0x%x", n);
	case 3:
		return text("n-1844674407370955%u", n);
	case 4:
		return text("n-%u", 1000000000 + n);
	default:
		return text("a text that is so long that it is no id, whatever its end is: %u", n);
	}
}

static void what_is_no_id(void **state)
{
	unsigned kind;

	(void)state;
	for (int i = 0; i < 6; i++) {
		column_begin(4000, 17);
		for (uint32_t row = 0; row < col.count; row++)
			col.values[row] = no_id(i);
		check_column(0, &kind);
		assert_false(has_numbers);
	}
}

static void constants(void **state)
{
	unsigned kind;

	(void)state;
	column_begin(5000, 1);
	for (uint32_t i = 0; i < col.count; i++)
		col.values[i] = SPAN_LIT("the same");
	assert_true(check_column(0, &kind) < 32);
	assert_int_equal(kind, COL_TEXT_CONST);
	for (uint32_t i = 0; i < col.count; i++)
		col.values[i] = SPAN_NONE;
	assert_true(check_column(0, &kind) < 32);
	assert_int_equal(kind, COL_TEXT_CONST);
	for (uint32_t i = 0; i < col.count; i++)
		col.values[i] = SPAN_LIT("");
	assert_true(check_column(0, &kind) < 32);
	col.count = 1;
	col.values[0] = SPAN_LIT("\0");
	check_column(0, &kind);
}

static void few_values_are_a_dictionary(void **state)
{
	unsigned kind;

	(void)state;
	column_begin(20000, 1);
	for (uint32_t i = 0; i < col.count; i++)
		col.values[i] =
			below(50) ? text("Agent/%u (%s)", below(40), words[below(6)]) : SPAN_NONE;
	assert_true(check_column(0, &kind) < 20000 * 12 / 8);
	assert_int_equal(kind, COL_TEXT_DICT);
	check_column(1, &kind);
	assert_int_equal(kind, COL_TEXT_DICT);
}

/* Each user has one address, a few of them, and one mail; above level 0 they cost little. */
static void what_depends_on_users(void **state)
{
	enum { USERS = 3000, ROWS = 30000 };
	size_t plain;
	unsigned kind;

	(void)state;
	for (int round = 0; round < 3; round++) {
		column_begin(ROWS, 61 + (uint64_t)round);
		for (uint32_t i = 0; i < col.count; i++) {
			unsigned user = below(USERS), n = user * 2654435761u;

			col.keys[COL_TEXT_KEY_USER_ID][i] = user;
			if (round == 0)
				col.values[i] = text("10.%u.%u.%u", n >> 8 & 255, n >> 16 & 255,
					(n >> 24) + below(2));
			else if (round == 1)
				col.values[i] = text("mail to u.%s%u@x%u.org sent", words[n % 6],
					n >> 20, n >> 12 & 7);
			else
				col.values[i] = text("agent %u/%u", n >> 24, n >> 16 & 255);
			if (below(40) == 0)
				col.values[i] = text("10.%u.%u.1", below(256), below(256));
		}
		plain = check_column(0, &kind);
		assert_true(check_column(1, &kind) < plain * 3 / 4);
	}
}

/* Lines of letters without a form, and bytes without any sense. */
static void prose_and_noise_stay_plain(void **state)
{
	unsigned kind;
	size_t raw = 0;

	(void)state;
	column_begin(800, 9);
	for (uint32_t i = 0; i < col.count; i++) {
		char line[3000];
		size_t n = 0;

		for (unsigned k = 20 + below(200); k > 0; k--)
			n += (size_t)sprintf(line + n, "%s%s", words[below(6)] + below(3),
				below(9) ? " " : ". ");
		col.values[i] = keep(line, n);
	}
	check_column(0, &kind);
	assert_int_equal(kind, COL_TEXT_BYTES);
	column_begin(3000, 10);
	for (uint32_t i = 0; i < col.count; i++) {
		uint8_t noise[256];
		size_t n = below(sizeof noise);

		for (size_t k = 0; k < n; k++)
			noise[k] = (uint8_t)event_gen_random(&gen);
		col.values[i] = below(20) ? keep(noise, n) : SPAN_NONE;
		raw += n;
	}
	assert_true(check_column(0, &kind) < raw + raw / 10);
	assert_int_equal(kind, COL_TEXT_BYTES);
}

/* Values beyond every limit among ordinary ones. */
static void odd_ones_are_residue(void **state)
{
	static char big[70000];
	unsigned kind;

	(void)state;
	memset(big, 'q', sizeof big);
	fill_sentences(6000, 21);
	for (uint32_t i = 0; i < col.count; i += 100)
		col.values[i] = span_of(big, below(i % 1000 ? 4000 : 70000));
	for (uint32_t i = 7; i < col.count; i += 500) {
		char many[2 * LIMIT_TEXT_TOKENS + 10];

		for (size_t k = 0; k < sizeof many; k++)
			many[k] = k % 2 ? ' ' : 'a';
		col.values[i] = keep(many, sizeof many);
		memset(many, '-', sizeof many);
		col.values[i + 1] = keep(many, sizeof many);
	}
	check_column(0, &kind);
	assert_int_equal(kind, COL_TEXT_SHAPED);
}

/* More forms and more words than a page may have. */
static void limits_are_reached(void **state)
{
	unsigned kind;

	(void)state;
	column_begin(40000, 31);
	for (uint32_t i = 0; i < col.count; i++) {
		static const char marks[] = "-+*/:;,.";
		unsigned f = i % 5000;

		if (i % 2)
			f %= 4;
		col.values[i] = text("a%cb%cc%cd%ce%cf %u", marks[f % 8], marks[f / 8 % 8],
			marks[f / 64 % 8], marks[f / 512 % 8], marks[f / 4096 % 8], below(1000));
	}
	check_column(0, &kind);
	column_begin(ROWS_MAX, 32);
	for (uint32_t i = 0; i < col.count; i++) {
		char line[200];
		size_t n = 0;

		for (unsigned k = 0; k < 6; k++) {
			for (unsigned l = 0; l < 6; l++)
				line[n++] = (char)('a' + below(26));
			line[n++] = ' ';
		}
		col.values[i] = keep(line, n);
	}
	check_column(0, &kind);
	/* First words without end do not make templates without end. */
	column_begin(20000, 33);
	for (uint32_t i = 0; i < col.count; i++)
		col.values[i] = text("%c%c%c said %u", 'a' + (int)below(26), 'a' + (int)below(26),
			'a' + (int)below(26), below(100));
	check_column(0, &kind);
	assert_int_equal(kind, COL_TEXT_SHAPED);
}

/* A page is only as good as the other columns it is read with. */
static void other_columns_that_do_not_fit(void **state)
{
	struct col_text_env wrong = { .ctx = &col, .source = source, .key = key, .leaf = no_leaf };
	struct col_text_env none = { 0 };
	struct col_text_in in;
	struct buf page;
	struct col_text t;
	struct arena mem;
	unsigned keys;
	bool leaves;

	(void)state;
	fill_sentences(5000, 41);
	in = input(0);
	buf_init(&page, PAGE_BYTES);
	assert_int_equal(col_text_put(&maker, &in, &page), 0);
	arena_init(&mem, ARENA_BYTES);
	assert_int_equal(col_text_open(&t, buf_span(&page), col.count, &wrong, &mem), 0);
	assert_int_equal(col_text_uses(&t, &keys, &leaves), 1u << COL_TEXT_ENTITY_ID);
	assert_true(leaves);
	buf_reset(&bytes);
	assert_int_equal(col_text_all(&t, lengths, &bytes), ERR_CORRUPT);
	assert_int_equal(col_text_open(&t, buf_span(&page), col.count, &none, &mem), 0);
	assert_int_equal(col_text_all(&t, lengths, &bytes), ERR_CORRUPT);
	assert_int_equal(col_text_open(&t, buf_span(&page), col.count, NULL, &mem), 0);
	assert_int_equal(col_text_all(&t, lengths, &bytes), ERR_CORRUPT);
	arena_fini(&mem);
	buf_fini(&page);
}

/* Whatever a damaged page says, it is no more than it declares. */
static void ask_damaged(struct span page)
{
	static uint32_t rows[ROWS_MAX], codes[ROWS_MAX], numbers[ROWS_MAX];
	static uint8_t forms[ROWS_MAX];
	struct col_text_numbers n = { .form_of = forms, .numbers = numbers };
	struct col_text t;
	struct arena mem;

	for (uint32_t i = 0; i < col.count; i++)
		rows[i] = i;
	arena_init(&mem, ARENA_BYTES);
	buf_reset(&bytes);
	if (col_text_open(&t, page, col.count, &env, &mem) == 0) {
		assert_true(t.raw_bytes <= COL_TEXT_RAW_MAX);
		if (col_text_numbers(&t, &n) == 0)
			assert_true(n.forms_count <= COL_TEXT_FORMS_MAX);
		if (col_text_all(&t, lengths, &bytes) == 0)
			assert_int_equal(bytes.len, t.raw_bytes);
		assert_true(bytes.len <= t.raw_bytes);
		(void)col_text_codes(&t, rows, col.count, codes);
	}
	arena_fini(&mem);
}

/* Every byte changed, every length cut: an error or values within the claimed size, never more. */
static void damage_is_bounded(void **state)
{
	struct col_text_in in;
	struct buf page;

	(void)state;
	for (int ids = 0; ids < 2; ids++) {
		fill_sentences(ids ? 500 : 1500, 51);
		for (uint32_t i = 0; i < col.count && ids; i++)
			col.values[i] = mixed_id(0);
		in = input(0);
		buf_init(&page, PAGE_BYTES);
		assert_int_equal(col_text_put(&maker, &in, &page), 0);
		for (size_t i = 0; i < 2 * page.len; i++) {
			size_t n = i < page.len ? page.len : i - page.len;
			uint8_t *copy = malloc(n + (n == 0));

			assert_non_null(copy);
			memcpy(copy, page.p, n);
			if (i < page.len)
				copy[i] ^= (uint8_t)(1u << below(8));
			ask_damaged(span_of(copy, n));
			free(copy);
		}
		buf_fini(&page);
	}
}

/* Lines of real logs, where they are at hand; at level 0 and above. */
static void real_lines(const char *command)
{
	static char line[1 << 20];
	FILE *f = popen(command, "r");
	unsigned kind;

	column_begin(0, 71);
	while (f && col.count < ROWS_MAX && fgets(line, sizeof line, f)) {
		size_t n = strcspn(line, "\n");

		if (n < 1 << 16)
			col.values[col.count++] = keep(line, n);
	}
	if (f)
		pclose(f);
	if (col.count == 0)
		return;
	check_column(0, &kind);
	check_column(1, &kind);
}

static void real_logs(void **state)
{
	static const char *const files[] = { "raw/loghub-android.log", "raw/loghub-hadoop.log",
		"raw/loghub-openssh.log", "raw/loghub-zookeeper.log",
		"raw/services-crowdsec.ndjson", "events/audit.ndjson" };
	const char *shared = getenv("ASTRO_SHARED"), *source = getenv("ASTRO_SOURCE");
	char command[512];

	(void)state;
	if (!source)
		source = ".";
	snprintf(command, sizeof command, "cat '%s/tools/sample.ndjson'", source);
	real_lines(command);
	for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
		if (shared)
			snprintf(command, sizeof command, "xz -dc '%s/data/%s.xz' 2>&-", shared,
				files[i]);
		else
			snprintf(command, sizeof command, "xz -dc '%s/../shared/data/%s.xz' 2>&-",
				source, files[i]);
		real_lines(command);
	}
}

static int set_up(void **state)
{
	(void)state;
	col_text_maker_init(&maker);
	buf_init(&bytes, PAGE_BYTES);
	arena_init(&col.mem, ARENA_BYTES);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	col_text_maker_fini(&maker);
	buf_fini(&bytes);
	arena_fini(&col.mem);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constants),
		cmocka_unit_test(sentences),
		cmocka_unit_test(needles_of_all_kinds),
		cmocka_unit_test(rows_are_found_by_their_place),
		cmocka_unit_test(ids_are_small),
		cmocka_unit_test(ids_are_numbers),
		cmocka_unit_test(what_is_no_id),
		cmocka_unit_test(few_values_are_a_dictionary),
		cmocka_unit_test(what_depends_on_users),
		cmocka_unit_test(prose_and_noise_stay_plain),
		cmocka_unit_test(odd_ones_are_residue),
		cmocka_unit_test(limits_are_reached),
		cmocka_unit_test(other_columns_that_do_not_fit),
		cmocka_unit_test(damage_is_bounded),
		cmocka_unit_test(real_logs),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
