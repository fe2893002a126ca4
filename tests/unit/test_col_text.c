/*
 * Goal: every column of texts comes back to the byte, whole and by rows, and answers equality and
 *       search as a naive reading of its values does; what a page claims bounds what reading it gives.
 * Method: columns of many kinds, seeded, also real ones; a naive twin beside each question.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/col_text.h"
#include "storage/col_text_int.h"
#include "storage/col_text_place.h"
#include "tests/support/text_kit.h"

static const char *const words[] = { "alpha", "beta", "gamma", "delta", "epsilon", "zeta" };

static struct span sentence(uint32_t i)
{
	struct span *s = text_kit.sources[COL_TEXT_ENTITY_ID];

	switch (text_kit_below(12)) {
	case 0:
		return text_kit_text("User a.%s%u@mail.org signed in via %s in %u ms",
			words[text_kit_below(6)], 10 + text_kit_below(90), words[text_kit_below(6)],
			text_kit_below(1000));
	case 1:
		text_kit.leaves[0][i] = (struct col_text_leaf){ COL_TEXT_LEAF_INT, 0,
			text_kit_below(5000), SPAN_NONE };
		return text_kit_text("Waited %u ms for %s", (unsigned)text_kit.leaves[0][i].number,
			words[text_kit_below(6)]);
	case 2:
		s[i] = text_kit_text("ord-%07u", text_kit_below(20000));
		return text_kit_text("Created order %.*s, total %u.%02u EUR", (int)s[i].n,
			(const char *)s[i].p, text_kit_below(300), text_kit_below(100));
	case 3:
		return text_kit_text("Peer %u.%u.%u.%u:%u gone", text_kit_below(256),
			text_kit_below(256), text_kit_below(256), text_kit_below(256),
			text_kit_below(65536));
	case 4:
		return text_kit_text("id %08x%08x of %s", text_kit_below(1u << 31),
			text_kit_below(1u << 31), words[text_kit_below(6)]);
	case 5:
		return text_kit_text("request 123e4567-e89b-12d3-a456-%04x%08x done",
			text_kit_below(65536), text_kit_below(1u << 31));
	case 6:
		return text_kit_text(
			"job %03u step %02u", text_kit_below(1000), text_kit_below(100));
	case 7:
		return text_kit_text("code %0*u", 1 + (int)text_kit_below(6), text_kit_below(50));
	case 8:
		return text_kit_text("net 2001:db8:%x::%x up", 1 + text_kit_below(65535),
			1 + text_kit_below(65535));
	case 9:
		text_kit.leaves[1][i] = (struct col_text_leaf){ COL_TEXT_LEAF_WORD, 0, 0,
			span_str(words[text_kit_below(6)]) };
		text_kit.leaves[2][i] = (struct col_text_leaf){ COL_TEXT_LEAF_DECIMAL, 1,
			text_kit_below(500), SPAN_NONE };
		return text_kit_text("moved to %.*s at %u.%u0 percent",
			(int)text_kit.leaves[1][i].word.n,
			(const char *)text_kit.leaves[1][i].word.p,
			(unsigned)text_kit.leaves[2][i].number / 10,
			(unsigned)text_kit.leaves[2][i].number % 10);
	case 10:
		return text_kit_text("handle 0x%x of a@b.c and d%u@e.f",
			1 + text_kit_below(1u << 30), text_kit_below(100));
	default:
		return text_kit_below(4) ? text_kit_text("odd %u%.*s", text_kit_below(9),
						   (int)text_kit_below(20), ".,:;-+*/ .,:;-+*/ ..")
					 : SPAN_NONE;
	}
}

static void fill_sentences(uint32_t count, uint64_t seed)
{
	text_kit_begin(count, seed);
	for (uint32_t i = 0; i < count; i++) {
		text_kit.values[i] = sentence(i);
		text_kit.keys[COL_TEXT_KEY_EVENT_TYPE][i] = text_kit_below(12);
	}
}

static void sentences(void **state)
{
	unsigned kind;

	(void)state;
	for (uint64_t seed = 1; seed < 12; seed++) {
		fill_sentences(seed == 11 ? COL_TEXT_ROWS_MAX : 1 + text_kit_below(9000), seed);
		text_kit_check(0, &kind);
		if (text_kit.count > 1000)
			assert_int_equal(kind, COL_TEXT_SHAPED);
	}
}

/* What a row has may be there, as far as the page tells letters. */
static void check_letters(struct col_text *t, struct span needle)
{
	struct col_letters letters = { 0 };
	struct needle x;
	bool has = false;
	int rc = col_text_letters(t, &letters);

	assert_true(rc == 0 || rc == COL_TEXT_LETTERS_NOT);
	assert_int_equal(needle_init(&x, needle), 0);
	for (uint32_t i = 0; i < text_kit.count; i++)
		has |= text_kit.values[i].p && needle_find(&x, text_kit.values[i], 0) != SIZE_MAX;
	if (rc == 0 && has)
		assert_true(col_letters_may_have(&letters, &x));
	needle_fini(&x);
}

/* Of a page whose rows are all looked at, and then one of three. */
static void ask_needles(
	struct span page, const struct col_text_env *e, const struct span *needles, size_t count)
{
	struct col_text t;
	struct arena mem;

	for (size_t i = 0; i < count; i++) {
		/* Opened anew: nothing of another question is at hand. */
		arena_init(&mem, TEXT_KIT_ARENA_BYTES);
		assert_int_equal(col_text_open(&t, page, text_kit.count, e, &mem), 0);
		check_letters(&t, needles[i]);
		text_kit_set_before(true);
		text_kit_check_contains(&t, needles[i]);
		text_kit_set_before(false);
		text_kit_check_contains(&t, needles[i]);
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
		fill_sentences(seed == 31 ? 9000 : 2000 + text_kit_below(3000), seed);
		/* A word of the residue, in one row. */
		if (seed == 32)
			text_kit.values[text_kit.count / 2] =
				text_kit_text("!! zephyrine ?? probe ((%u))", text_kit_below(10));
		buf_init(&page, TEXT_KIT_PAGE_BYTES);
		in = text_kit_input(seed == 33);
		assert_int_equal(col_text_put(&text_kit.maker, &in, &page), 0);
		assert_int_equal(page.p[0], COL_TEXT_SHAPED);
		ask_needles(buf_span(&page), &text_kit_env, needles, ARRAY_COUNT(needles));
		ask_needles(buf_span(&page), &text_kit_plain_env, needles, ARRAY_COUNT(needles));
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
	for (uint32_t i = 0; i < text_kit.count; i += 13)
		text_kit.values[i] = text_kit_text("mail to m%u@b%u.org, cc a.b%u@c.net",
			text_kit_below(9), text_kit_below(9), i);
	buf_init(&page, TEXT_KIT_PAGE_BYTES);
	in = text_kit_input(0);
	assert_int_equal(col_text_put(&text_kit.maker, &in, &page), 0);
	for (int i = 0; i < 2; i++) {
		arena_init(&mem[i], TEXT_KIT_ARENA_BYTES);
		assert_int_equal(col_text_open(&t[i], buf_span(&page), text_kit.count,
					 &text_kit_env, &mem[i]),
			0);
		assert_int_equal(t[i].page->kind, COL_TEXT_SHAPED);
	}
	all = (struct col_text_shaped *)t[0].page;
	p = (struct col_text_shaped *)t[1].page;
	assert_int_equal(col_text_shape_codes(all), 0);
	assert_int_equal(col_text_shape_counts(p), 0);
	assert_true(p->emails_count > 1000);
	for (uint32_t i = 0; i < text_kit.count; i++) {
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

/* Values beyond every limit among ordinary ones. */
static void odd_ones_are_residue(void **state)
{
	static char big[70000];
	unsigned kind;

	(void)state;
	memset(big, 'q', sizeof big);
	fill_sentences(6000, 21);
	for (uint32_t i = 0; i < text_kit.count; i += 100)
		text_kit.values[i] = span_of(big, text_kit_below(i % 1000 ? 4000 : 70000));
	for (uint32_t i = 7; i < text_kit.count; i += 500) {
		char many[2 * LIMIT_TEXT_TOKENS + 10];

		for (size_t k = 0; k < sizeof many; k++)
			many[k] = k % 2 ? ' ' : 'a';
		text_kit.values[i] = text_kit_keep(many, sizeof many);
		memset(many, '-', sizeof many);
		text_kit.values[i + 1] = text_kit_keep(many, sizeof many);
	}
	text_kit_check(0, &kind);
	assert_int_equal(kind, COL_TEXT_SHAPED);
}

/* More forms and more words than a page may have. */
static void limits_are_reached(void **state)
{
	unsigned kind;

	(void)state;
	text_kit_begin(40000, 31);
	for (uint32_t i = 0; i < text_kit.count; i++) {
		static const char marks[] = "-+*/:;,.";
		unsigned f = i % 5000;

		if (i % 2)
			f %= 4;
		text_kit.values[i] = text_kit_text("a%cb%cc%cd%ce%cf %u", marks[f % 8],
			marks[f / 8 % 8], marks[f / 64 % 8], marks[f / 512 % 8],
			marks[f / 4096 % 8], text_kit_below(1000));
	}
	text_kit_check(0, &kind);
	text_kit_begin(COL_TEXT_ROWS_MAX, 32);
	for (uint32_t i = 0; i < text_kit.count; i++) {
		char line[200];
		size_t n = 0;

		for (unsigned k = 0; k < 6; k++) {
			for (unsigned l = 0; l < 6; l++)
				line[n++] = (char)('a' + text_kit_below(26));
			line[n++] = ' ';
		}
		text_kit.values[i] = text_kit_keep(line, n);
	}
	text_kit_check(0, &kind);
	/* First words without end do not make templates without end. */
	text_kit_begin(20000, 33);
	for (uint32_t i = 0; i < text_kit.count; i++)
		text_kit.values[i] = text_kit_text("%c%c%c said %u", 'a' + (int)text_kit_below(26),
			'a' + (int)text_kit_below(26), 'a' + (int)text_kit_below(26),
			text_kit_below(100));
	text_kit_check(0, &kind);
	assert_int_equal(kind, COL_TEXT_SHAPED);
}

/* The shape of the column as a page has it; mem is the page's. */
static const struct col_text_shaped *shaped(struct buf *page, struct col_text *t, struct arena *mem)
{
	struct col_text_in in = text_kit_input(0);

	arena_init(mem, TEXT_KIT_ARENA_BYTES);
	buf_init(page, TEXT_KIT_PAGE_BYTES);
	assert_int_equal(col_text_put(&text_kit.maker, &in, page), 0);
	assert_int_equal(col_text_open(t, buf_span(page), text_kit.count, &text_kit_env, mem), 0);
	assert_int_equal(t->page->kind, COL_TEXT_SHAPED);
	return (const struct col_text_shaped *)t->page;
}

/* As many forms of so many tokens as do not fit. */
static void slots_have_a_limit(void **state)
{
	enum { TOKENS = LIMIT_TEXT_TOKENS / 3, FORMS = LIMIT_TEXT_SLOTS / TOKENS * 5 / 4 };
	const struct col_text_shaped *p;
	struct col_text t;
	struct buf page;
	struct arena mem;

	(void)state;
	static_assert((int)FORMS < (int)LIMIT_TEXT_TEMPLATES, "not these are the limit");
	text_kit_begin(FORMS * 8, 3);
	for (uint32_t i = 0; i < text_kit.count; i++) {
		char line[8 * TOKENS];
		size_t n = 0;

		for (unsigned k = 0; k < TOKENS; k++)
			n += (size_t)sprintf(line + n, "%u%c", text_kit_below(1000),
				(i % FORMS) >> k & 1 ? '+' : '*');
		text_kit.values[i] = text_kit_keep(line, n);
	}
	p = shaped(&page, &t, &mem);
	assert_in_range(p->slots_count, LIMIT_TEXT_SLOTS - TOKENS, LIMIT_TEXT_SLOTS);
	arena_fini(&mem);
	buf_fini(&page);
}

/* A page is only as good as the other columns it is read with. */
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

static void other_columns_that_do_not_fit(void **state)
{
	struct col_text_env wrong = { .ctx = &text_kit,
		.source = text_kit_env.source,
		.key = text_kit_env.key,
		.leaf = no_leaf };
	struct col_text_env none = { 0 };
	struct col_text_in in;
	struct buf page;
	struct col_text t;
	struct arena mem;
	unsigned keys;
	bool leaves;

	(void)state;
	fill_sentences(5000, 41);
	in = text_kit_input(0);
	buf_init(&page, TEXT_KIT_PAGE_BYTES);
	assert_int_equal(col_text_put(&text_kit.maker, &in, &page), 0);
	arena_init(&mem, TEXT_KIT_ARENA_BYTES);
	assert_int_equal(col_text_open(&t, buf_span(&page), text_kit.count, &wrong, &mem), 0);
	assert_int_equal(col_text_uses(&t, &keys, &leaves), 1u << COL_TEXT_ENTITY_ID);
	assert_true(leaves);
	buf_reset(&text_kit.bytes);
	assert_int_equal(col_text_all(&t, text_kit.lengths, &text_kit.bytes), ERR_CORRUPT);
	assert_int_equal(col_text_open(&t, buf_span(&page), text_kit.count, &none, &mem), 0);
	assert_int_equal(col_text_all(&t, text_kit.lengths, &text_kit.bytes), ERR_CORRUPT);
	assert_int_equal(col_text_open(&t, buf_span(&page), text_kit.count, NULL, &mem), 0);
	assert_int_equal(col_text_all(&t, text_kit.lengths, &text_kit.bytes), ERR_CORRUPT);
	arena_fini(&mem);
	buf_fini(&page);
}

/* Whatever a damaged page says, it is no more than it declares. */
static void ask_damaged(struct span page)
{
	static uint32_t rows[COL_TEXT_ROWS_MAX], codes[COL_TEXT_ROWS_MAX],
		numbers[COL_TEXT_ROWS_MAX];
	static uint8_t forms[COL_TEXT_ROWS_MAX];
	static struct col_text_value out[COL_TEXT_ROWS_MAX];
	struct col_text_numbers n = { .form_of = forms, .numbers = numbers };
	const struct col_text_labels *l;
	uint32_t some = 0;
	struct col_text t;
	struct arena mem;

	arena_init(&mem, TEXT_KIT_ARENA_BYTES);
	for (uint32_t i = text_kit_below(9); i < text_kit.count; i += 1 + text_kit_below(20))
		rows[some++] = i;
	buf_reset(&text_kit.bytes);
	if (col_text_open(&t, page, text_kit.count, &text_kit_column_env, &mem) == 0) {
		(void)col_text_get(&t, rows, some, &text_kit.bytes, out);
		assert_true(text_kit.bytes.len <= t.raw_bytes);
	}
	arena_reset(&mem);
	for (uint32_t i = 0; i < text_kit.count; i++)
		rows[i] = i;
	buf_reset(&text_kit.bytes);
	if (col_text_open(&t, page, text_kit.count, &text_kit_env, &mem) == 0) {
		assert_true(t.raw_bytes <= COL_TEXT_RAW_MAX);
		if (col_text_labels(&t, NULL, text_kit.count, codes, &l) == 0)
			assert_true(l->ranges_count <= COL_TEXT_FORMS_MAX);
		if (col_text_numbers(&t, &n) == 0)
			assert_true(n.forms_count <= COL_TEXT_FORMS_MAX);
		if (col_text_all(&t, text_kit.lengths, &text_kit.bytes) == 0)
			assert_int_equal(text_kit.bytes.len, t.raw_bytes);
		assert_true(text_kit.bytes.len <= t.raw_bytes);
		(void)col_text_codes(&t, rows, text_kit.count, codes);
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
		for (uint32_t i = 0; i < text_kit.count && ids; i++)
			text_kit.values[i] = text_kit_mixed_id(0);
		in = text_kit_input(0);
		buf_init(&page, TEXT_KIT_PAGE_BYTES);
		assert_int_equal(col_text_put(&text_kit.maker, &in, &page), 0);
		for (size_t i = 0; i < 2 * page.len; i++) {
			size_t n = i < page.len ? page.len : i - page.len;
			uint8_t *copy = malloc(n + (n == 0));

			assert_non_null(copy);
			memcpy(copy, page.p, n);
			if (i < page.len)
				copy[i] ^= (uint8_t)(1u << text_kit_below(8));
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

	text_kit_begin(0, 71);
	while (f && text_kit.count < COL_TEXT_ROWS_MAX && fgets(line, sizeof line, f)) {
		size_t n = strcspn(line, "\n");

		if (n < 1 << 16)
			text_kit.values[text_kit.count++] = text_kit_keep(line, n);
	}
	if (f)
		pclose(f);
	if (text_kit.count == 0)
		return;
	text_kit_check(0, &kind);
	text_kit_check(1, &kind);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sentences),
		cmocka_unit_test(needles_of_all_kinds),
		cmocka_unit_test(rows_are_found_by_their_place),
		cmocka_unit_test(odd_ones_are_residue),
		cmocka_unit_test(limits_are_reached),
		cmocka_unit_test(slots_have_a_limit),
		cmocka_unit_test(other_columns_that_do_not_fit),
		cmocka_unit_test(damage_is_bounded),
		cmocka_unit_test(real_logs),
	};

	return cmocka_run_group_tests(tests, text_kit_set_up, text_kit_tear_down);
}
