#include "tests/support/text_kit.h"

#include "tests/support/check_cmocka.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

struct text_kit text_kit;

unsigned text_kit_below(unsigned n)
{
	return event_gen_below(&text_kit.gen, n);
}

struct span text_kit_keep(const void *p, size_t n)
{
	uint8_t *copy = arena_alloc(&text_kit.mem, n + 1);

	ASSERT(copy);
	if (n > 0)
		memcpy(copy, p, n);
	return span_of(copy, n);
}

struct span text_kit_text(const char *fmt, ...)
{
	char out[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, sizeof out, fmt, ap);
	va_end(ap);
	ASSERT(n >= 0 && (size_t)n < sizeof out);
	return text_kit_keep(out, (size_t)n);
}

struct span text_kit_mixed_id(unsigned many)
{
	unsigned n = text_kit_below(many ? 1u << 30 : 600);

	switch (text_kit_below(10)) {
	case 0:
		return text_kit_text("sess-%u", n % 100000);
	case 1:
		return text_kit_text("h%02u.rack", n % 100);
	case 2:
		return text_kit_text("%06u", n % 1000000);
	case 3:
		return text_kit_below(20) ? text_kit_text("node-%u", n) : text_kit_text("user");
	case 4:
		return text_kit_below(50) ? text_kit_text("cron")
					  : text_kit_text("odd one %u of %u", n % 10, n % 7);
	default:
		return text_kit_below(30) ? text_kit_text("usr-%06u", n % 1000000) : SPAN_NONE;
	}
}

void text_kit_begin(uint32_t count, uint64_t seed)
{
	arena_fini(&text_kit.mem);
	arena_init(&text_kit.mem, TEXT_KIT_ARENA_BYTES);
	memset(text_kit.sources, 0, sizeof text_kit.sources);
	memset(text_kit.leaves, 0, sizeof text_kit.leaves);
	memset(text_kit.keys, 0, sizeof text_kit.keys);
	text_kit.count = count;
	text_kit.gen.state = seed;
}

/* ---- the other columns ---- */

static int source(
	void *ctx, enum col_text_source s, const uint32_t *rows, size_t count, struct span *out)
{
	const struct text_kit *c = ctx;

	for (size_t i = 0; i < count; i++)
		out[i] = c->sources[s][rows ? rows[i] : i];
	return 0;
}

static int key(void *ctx, enum col_text_key k, const uint32_t *rows, size_t count, uint32_t *out)
{
	const struct text_kit *c = ctx;

	for (size_t i = 0; i < count; i++)
		out[i] = c->keys[k][rows ? rows[i] : i];
	return 0;
}

static int key_column(void *ctx, enum col_text_key k, uint32_t first, const uint16_t **out)
{
	struct text_kit *c = ctx;

	uint32_t end = (first / COL_TEXT_KEY_ROWS + 1) * COL_TEXT_KEY_ROWS;

	memset(c->key_columns[k], 0xff, sizeof c->key_columns[k]);
	for (uint32_t i = first; i < end && i < c->count; i++)
		c->key_columns[k][i] = (uint16_t)c->keys[k][i];
	*out = c->key_columns[k] + first;
	/* As of a column that does not stand as codes. */
	return k == COL_TEXT_KEY_USER_ID;
}

static int leaf(
	void *ctx, uint32_t l, const uint32_t *rows, size_t count, struct col_text_leaf *out)
{
	const struct text_kit *c = ctx;

	if (l >= TEXT_KIT_LEAVES)
		return ERR_CORRUPT;
	for (size_t i = 0; i < count; i++)
		out[i] = c->leaves[l][rows ? rows[i] : i];
	return 0;
}

static int source_contains(
	void *ctx, enum col_text_source s, const struct needle *x, uint8_t *found)
{
	const struct text_kit *c = ctx;

	for (uint32_t i = 0; i < c->count; i++)
		found[i] = found[i] && c->sources[s][i].p &&
			   needle_find(x, c->sources[s][i], 0) != SIZE_MAX;
	return 0;
}

static int leaves_contain(void *ctx, const struct needle *x, uint8_t *leaves, uint32_t count)
{
	const struct text_kit *c = ctx;

	for (uint32_t l = 0; l < count; l++) {
		bool any = false;

		if (leaves[l] && l >= TEXT_KIT_LEAVES)
			return ERR_CORRUPT;
		for (uint32_t i = 0; leaves[l] && i < c->count && !any; i++)
			any = c->leaves[l][i].kind == COL_TEXT_LEAF_WORD &&
			      needle_find(x, c->leaves[l][i].word, 0) != SIZE_MAX;
		leaves[l] = any;
	}
	return 0;
}

static int source_letters(void *ctx, enum col_text_source s, struct col_letters *out)
{
	const struct text_kit *c = ctx;

	for (uint32_t i = 0; i < c->count; i++)
		col_letters_add(out, c->sources[s][i]);
	return 0;
}

static int leaves_letters(void *ctx, const uint8_t *leaves, uint32_t count, struct col_letters *out)
{
	const struct text_kit *c = ctx;

	for (uint32_t l = 0; l < count; l++) {
		if (leaves[l] && l >= TEXT_KIT_LEAVES)
			return ERR_CORRUPT;
		for (uint32_t i = 0; leaves[l] && i < c->count; i++) {
			if (c->leaves[l][i].kind == COL_TEXT_LEAF_WORD)
				col_letters_add(out, c->leaves[l][i].word);
		}
	}
	return 0;
}

const struct col_text_env text_kit_env = { .ctx = &text_kit,
	.source = source,
	.key = key,
	.leaf = leaf,
	.source_contains = source_contains,
	.leaves_contain = leaves_contain,
	.source_letters = source_letters,
	.leaves_letters = leaves_letters };
/* The same, but values are all it says. */
const struct col_text_env text_kit_plain_env = {
	.ctx = &text_kit, .source = source, .key = key, .leaf = leaf
};
const struct col_text_env text_kit_column_env = {
	.ctx = &text_kit, .source = source, .key = key, .key_column = key_column, .leaf = leaf
};

struct col_text_in text_kit_input(int level)
{
	struct col_text_in in = { .rows_count = text_kit.count,
		.values = text_kit.values,
		.leaves_count = TEXT_KIT_LEAVES,
		.leaf_ctx = &text_kit,
		.leaf = leaf,
		.level = level,
		.want_codes = level == 0 };

	for (int s = 0; s < COL_TEXT_SOURCES; s++)
		in.sources[s] = text_kit.sources[s];
	for (int k = 0; k < COL_TEXT_KEYS; k++) {
		in.keys[k] = text_kit.keys[k];
		in.keys_count[k] = k == COL_TEXT_KEY_USER_ID ? 4096 : 64;
	}
	return in;
}

/* ---- questions and their naive twins ---- */

static bool is_same(struct span a, const uint8_t *p, uint32_t length)
{
	if (!a.p || length == 0)
		return !a.p && length == 0;
	return a.n == length - 1 && (a.n == 0 || memcmp(a.p, p, a.n) == 0);
}

static void check_all(struct span page, const struct col_text_env *env)
{
	struct col_text t;
	struct arena mem;
	size_t at = 0;

	arena_init(&mem, TEXT_KIT_ARENA_BYTES);
	buf_reset(&text_kit.bytes);
	assert_int_equal(col_text_open(&t, page, text_kit.count, env, &mem), 0);
	assert_int_equal(col_text_all(&t, text_kit.lengths, &text_kit.bytes), 0);
	assert_int_equal(text_kit.bytes.len, t.raw_bytes);
	for (uint32_t i = 0; i < text_kit.count; i++) {
		if (!is_same(text_kit.values[i], text_kit.bytes.p + at, text_kit.lengths[i]))
			fail_msg("row %u differs", i);
		at += col_bytes_length(text_kit.lengths[i]);
	}
	assert_int_equal(at, text_kit.bytes.len);
	arena_fini(&mem);
}

/* From all rows to one or none, of a page that was just opened; few_first: the other way round. */
static void check_get(struct span page, const struct col_text_env *env, bool few_first)
{
	static uint32_t rows[COL_TEXT_ROWS_MAX];
	static struct col_text_value out[COL_TEXT_ROWS_MAX];
	static const unsigned steps[] = { 1, 3, 97, 8191, 70000 };
	struct col_text t;
	struct arena mem;

	arena_init(&mem, TEXT_KIT_ARENA_BYTES);
	assert_int_equal(col_text_open(&t, page, text_kit.count, env, &mem), 0);
	for (size_t i = 0; i < ARRAY_COUNT(steps); i++) {
		size_t s = few_first ? ARRAY_COUNT(steps) - 1 - i : i;
		uint32_t n = 0;

		for (uint32_t row = text_kit_below(steps[s]); row < text_kit.count;
			row += 1 + text_kit_below(2 * steps[s]))
			rows[n++] = row;
		buf_reset(&text_kit.bytes);
		assert_int_equal(col_text_get(&t, rows, n, &text_kit.bytes, out), 0);
		for (uint32_t k = 0; k < n; k++) {
			if (!is_same(text_kit.values[rows[k]], text_kit.bytes.p + out[k].off,
				    out[k].length))
				fail_msg("row %u differs", rows[k]);
		}
	}
	arena_fini(&mem);
}

/* Rows that are looked at: all, or one of three. */
void text_kit_set_before(bool all)
{
	for (uint32_t i = 0; i < text_kit.count; i++)
		text_kit.before[i] = text_kit.match[i] = all || text_kit_below(3) == 0;
}

static void check_equal(struct col_text *t, const struct span *values, size_t count)
{
	struct textset set;

	assert_int_equal(textset_init(&set, values, count), 0);
	assert_int_equal(col_text_equal(t, &set, text_kit.match), 0);
	for (uint32_t i = 0; i < text_kit.count; i++) {
		bool want = text_kit.before[i] && textset_has(&set, text_kit.values[i]);

		if (text_kit.match[i] != want)
			fail_msg("row %u: equal is %d, not %d", i, text_kit.match[i], want);
	}
	textset_fini(&set);
}

void text_kit_check_contains(struct col_text *t, struct span needle)
{
	struct needle x;

	assert_int_equal(needle_init(&x, needle), 0);
	assert_int_equal(col_text_contains(t, &x, text_kit.match), 0);
	for (uint32_t i = 0; i < text_kit.count; i++) {
		bool want = text_kit.before[i] && text_kit.values[i].p &&
			    needle_find(&x, text_kit.values[i], 0) != SIZE_MAX;

		if (text_kit.match[i] != want)
			fail_msg("row %u: contains \"%.*s\" is %d, not %d", i, (int)needle.n,
				(const char *)needle.p, text_kit.match[i], want);
	}
	needle_fini(&x);
}

/* Of any part of any value: it may be there. */
static void check_letters(struct col_text *t)
{
	struct col_letters letters = { 0 };
	struct needle x;
	int rc = col_text_letters(t, &letters);

	text_kit.has_letters = rc == 0;
	assert_true(rc == 0 || rc == COL_TEXT_LETTERS_NOT);
	for (int i = 0; i < 100 && rc == 0; i++) {
		struct span s = text_kit.values[text_kit_below(text_kit.count)];
		size_t off = s.n ? text_kit_below((unsigned)s.n) : 0, n = 1 + text_kit_below(20);

		if (s.n == 0)
			continue;
		s = span_of(s.p + off, n < s.n - off ? n : s.n - off);
		assert_int_equal(needle_init(&x, s), 0);
		if (!col_letters_may_have(&letters, &x))
			fail_msg("no letters of \"%.*s\"", (int)s.n, (const char *)s.p);
		needle_fini(&x);
	}
}

static void check_questions(struct span page)
{
	struct col_text t;
	struct arena mem;

	arena_init(&mem, TEXT_KIT_ARENA_BYTES);
	assert_int_equal(col_text_open(&t, page, text_kit.count, &text_kit_env, &mem), 0);
	for (int i = 0; i < 12; i++) {
		struct span v[3] = { text_kit.values[text_kit_below(text_kit.count)],
			text_kit.values[text_kit_below(text_kit.count)], SPAN_LIT("nowhere 12") };
		struct span s = v[0];

		text_kit_set_before(i % 2 == 0);
		check_equal(&t, v, 1 + (unsigned)i % 3);
		text_kit_set_before(i % 2 == 0);
		/* A part of a value, mostly short; letters only at times. */
		if (s.n > 0) {
			size_t off = text_kit_below((unsigned)s.n),
			       n = 1 + text_kit_below(i % 4 ? 6 : 30);

			s = span_of(s.p + off, n < s.n - off ? n : s.n - off);
			text_kit_check_contains(&t, s);
		}
	}
	text_kit_set_before(true);
	text_kit_check_contains(&t, SPAN_LIT("x"));
	text_kit_set_before(true);
	text_kit_check_contains(&t, SPAN_LIT("nowhere"));
	text_kit_set_before(true);
	check_equal(&t, &SPAN_NONE, 1);
	check_letters(&t);
	arena_fini(&mem);
}

/* Codes are there for all rows or none, one for one value. */
static void check_codes(struct span page)
{
	static uint32_t rows[COL_TEXT_ROWS_MAX], codes[COL_TEXT_ROWS_MAX];
	struct col_text t;
	struct arena mem;

	arena_init(&mem, TEXT_KIT_ARENA_BYTES);
	assert_int_equal(col_text_open(&t, page, text_kit.count, &text_kit_env, &mem), 0);
	for (uint32_t i = 0; i < text_kit.count; i++)
		rows[i] = i;
	if (page.p[0] != COL_TEXT_DICT && page.p[0] != COL_TEXT_CONST) {
		assert_int_equal(col_text_entries(&t), 0);
		assert_int_equal(col_text_codes(&t, rows, 1, codes), ERR_UNKNOWN);
	} else {
		assert_int_equal(col_text_codes(&t, rows, text_kit.count, codes), 0);
		for (uint32_t i = 0; i < text_kit.count; i += 1 + text_kit.count / 50) {
			struct span entry;

			assert_true(codes[i] <= col_text_entries(&t));
			assert_int_equal(codes[i] == 0, text_kit.values[i].p == NULL);
			if (codes[i] == 0)
				continue;
			buf_reset(&text_kit.bytes);
			assert_int_equal(col_text_entry(&t, codes[i], &text_kit.bytes, &entry), 0);
			assert_true(span_eq(entry, text_kit.values[i]));
		}
	}
	arena_fini(&mem);
}

/* The number with what stands around it is the value. */
static void check_form(const struct col_text_form *f, uint32_t number, struct span value)
{
	char told[COL_TEXT_FORM_BYTES_MAX + 16];
	int length = snprintf(told, sizeof told, "%.*s%0*u%.*s", (int)f->front.n,
		(const char *)f->front.p, (int)f->digits, number, (int)f->back.n,
		(const char *)f->back.p);

	assert_in_range(f->digits, 1, COL_TEXT_FORM_DIGITS_MAX);
	assert_int_equal(length, f->front.n + f->digits + f->back.n);
	assert_true(length <= COL_TEXT_FORM_BYTES_MAX);
	assert_true(span_eq(span_of(told, (size_t)length), value));
}

/* What the number says is the value, and there is but one way to say it. */
static void check_number(const struct col_text_numbers *n, uint32_t at, struct span value)
{
	const struct col_text_form *f;

	if (n->form_of[at] == COL_TEXT_FORM_ABSENT || n->form_of[at] == COL_TEXT_FORM_NONE) {
		struct span s =
			n->form_of[at] == COL_TEXT_FORM_NONE ? n->texts[n->numbers[at]] : SPAN_NONE;

		assert_int_equal(s.p == NULL, value.p == NULL);
		assert_true(span_eq(s, value));
		return;
	}
	assert_true(n->form_of[at] < n->forms_count);
	f = &n->forms[n->form_of[at]];
	check_form(f, n->numbers[at], value);
	assert_true(f->front.n == 0 || !isdigit(f->front.p[f->front.n - 1]));
	for (size_t i = 0; i < f->back.n; i++)
		assert_false(isdigit(f->back.p[i]));
}

/* Values as numbers, before and after codes; whether the page has them. */
static bool check_numbers(struct span page)
{
	static uint32_t rows[COL_TEXT_ROWS_MAX], codes[COL_TEXT_ROWS_MAX],
		numbers[COL_TEXT_ROWS_MAX];
	static uint8_t forms[COL_TEXT_ROWS_MAX];
	struct col_text_numbers n = { .form_of = forms, .numbers = numbers };
	struct col_text t;
	struct arena mem;
	int rc = 0;

	arena_init(&mem, TEXT_KIT_ARENA_BYTES);
	assert_int_equal(col_text_open(&t, page, text_kit.count, &text_kit_env, &mem), 0);
	for (uint32_t i = 0; i < text_kit.count; i++)
		rows[i] = i;
	for (int round = 0; round < 2; round++) {
		rc = col_text_numbers(&t, &n);
		assert_true(rc == 0 || rc == COL_TEXT_NUMBERS_NOT);
		if (col_text_entries(&t) > 0)
			assert_int_equal(col_text_codes(&t, rows, text_kit.count, codes), 0);
		for (uint32_t i = 0; i < text_kit.count && rc == 0; i++) {
			if (col_text_entries(&t) == 0)
				check_number(&n, i, text_kit.values[i]);
			else if (codes[i] == 0)
				assert_null(text_kit.values[i].p);
			else
				check_number(&n, codes[i] - 1, text_kit.values[i]);
		}
	}
	arena_fini(&mem);
	return rc == 0;
}

static void check_label(const struct col_text_labels *l, uint32_t label, struct span value)
{
	const struct col_text_range *r = l->ranges;

	assert_true(label <= l->absent);
	assert_int_equal(label == l->absent, value.p == NULL);
	if (label >= l->texts_first) {
		assert_true(label == l->absent || span_eq(l->texts[label - l->texts_first], value));
		return;
	}
	while (r < l->ranges + l->ranges_count && label >= r->end)
		r++;
	assert_true(r < l->ranges + l->ranges_count && label >= r->first);
	check_form(&r->form, r->least + (label - r->first), value);
}

/* Of some rows, or NULL: of all; whether the page has labels. */
static bool check_labels_of(struct col_text *t, const uint16_t *rows, uint32_t count)
{
	static uint32_t of[COL_TEXT_ROWS_MAX];
	const struct col_text_labels *l;
	int rc = col_text_labels(t, rows, count, of, &l);

	assert_true(rc == 0 || rc == COL_TEXT_LABELS_NOT);
	for (uint32_t i = 0; i < count && rc == 0; i++)
		check_label(l, of[i], text_kit.values[rows ? rows[i] : i]);
	return rc == 0;
}

/* Labels of several lists of rows, alone and beside numbers; whether the page has them. */
static bool check_labels(struct span page, bool has_numbers)
{
	static uint32_t numbers[COL_TEXT_ROWS_MAX];
	static uint8_t forms[COL_TEXT_ROWS_MAX];
	static uint16_t rows[COL_TEXT_ROWS_MAX];
	struct col_text_numbers n = { .form_of = forms, .numbers = numbers };
	struct col_text t;
	struct arena mem;
	bool has = false;

	for (int beside = 0; beside < 2; beside++) {
		arena_init(&mem, TEXT_KIT_ARENA_BYTES);
		assert_int_equal(col_text_open(&t, page, text_kit.count, &text_kit_env, &mem), 0);
		if (beside)
			assert_int_equal(col_text_numbers(&t, &n) == 0, has_numbers);
		for (int round = 0; round < 4; round++) {
			uint32_t some = 0, step = 1 + text_kit_below(300);
			bool now;

			for (uint32_t i = text_kit_below(step); i < text_kit.count;
				i += 1 + text_kit_below(step))
				rows[some++] = (uint16_t)i;
			now = check_labels_of(&t, rows, some);
			assert_true(now == has || (round == 0 && beside == 0));
			has = now;
			assert_int_equal(check_labels_of(&t, NULL, text_kit.count), has);
		}
		arena_fini(&mem);
	}
	assert_true(!has || has_numbers);
	return has;
}

size_t text_kit_check(int level, unsigned *out_kind)
{
	struct col_text_in in = text_kit_input(level);
	uint32_t entries;
	struct buf page;
	size_t n;

	buf_init(&page, TEXT_KIT_PAGE_BYTES);
	assert_int_equal(col_text_put(&text_kit.maker, &in, &page), 0);
	*out_kind = page.p[0];
	/* In memory of its size, so that a sanitizer sees what is read beyond it. */
	n = page.len;
	page.p = realloc(page.p, n);
	if (in.want_codes)
		assert_int_equal(col_text_maker_codes(&text_kit.maker, &entries) != NULL,
			*out_kind == COL_TEXT_DICT || *out_kind == COL_TEXT_CONST);
	check_all(buf_span(&page), &text_kit_env);
	check_all(buf_span(&page), &text_kit_column_env);
	for (int few_first = 0; few_first < 2; few_first++) {
		check_get(buf_span(&page), &text_kit_env, few_first);
		check_get(buf_span(&page), &text_kit_column_env, few_first);
	}
	check_questions(buf_span(&page));
	check_codes(buf_span(&page));
	text_kit.has_numbers = check_numbers(buf_span(&page));
	text_kit.has_labels = check_labels(buf_span(&page), text_kit.has_numbers);
	buf_fini(&page);
	return n;
}

int text_kit_set_up(void **state)
{
	(void)state;
	col_text_maker_init(&text_kit.maker);
	buf_init(&text_kit.bytes, TEXT_KIT_PAGE_BYTES);
	arena_init(&text_kit.mem, TEXT_KIT_ARENA_BYTES);
	return 0;
}

int text_kit_tear_down(void **state)
{
	(void)state;
	col_text_maker_fini(&text_kit.maker);
	buf_fini(&text_kit.bytes);
	arena_fini(&text_kit.mem);
	return 0;
}
