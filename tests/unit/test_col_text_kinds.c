/*
 * Goal: of each kind of column - ids, few values, values that depend on others, prose, noise - the page is
 *       as small as it should be, of the kind it should be, and answers as a naive reading of it does.
 * Method: columns of each kind, seeded; tests/support/text_kit.h asks.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/col_text.h"
#include "storage/col_text_int.h"
#include "storage/col_text_shape_int.h"
#include "tests/support/text_kit.h"

static const char *const words[] = { "alpha", "beta", "gamma", "delta", "epsilon", "zeta" };

static void ids_are_small(void **state)
{
	unsigned kind;

	(void)state;
	text_kit_begin(COL_TEXT_ROWS_MAX, 3);
	for (uint32_t i = 0; i < text_kit.count; i++)
		text_kit.values[i] = text_kit_text("ord-%07u", 1000000 + text_kit_below(60000));
	assert_true(text_kit_check(0, &kind) < (size_t)text_kit.count * 9 / 4);
	text_kit_begin(COL_TEXT_ROWS_MAX, 4);
	for (uint32_t i = 0; i < text_kit.count; i++)
		text_kit.values[i] = text_kit_text(
			"10.%u.%u.%u", text_kit_below(4), text_kit_below(256), text_kit_below(256));
	assert_true(text_kit_check(0, &kind) < (size_t)text_kit.count * 5 / 2);
}

static void ids_are_numbers(void **state)
{
	unsigned kind;

	(void)state;
	for (unsigned many = 0; many < 2; many++) {
		for (int level = 0; level < 2; level++) {
			text_kit_begin(5000, 7 + many);
			for (uint32_t i = 0; i < text_kit.count; i++)
				text_kit.values[i] = text_kit_mixed_id(many);
			text_kit_check(level, &kind);
			if (level == 0)
				assert_int_equal(kind, many ? COL_TEXT_SHAPED : COL_TEXT_DICT);
			assert_true(text_kit.has_numbers);
			assert_true(text_kit.has_labels);
		}
	}
	text_kit_begin(9000, 11);
	for (uint32_t i = 0; i < text_kit.count; i++)
		text_kit.values[i] = text_kit_below(9)
					     ? text_kit_text("ord-%09u", text_kit_below(1000000000))
					     : SPAN_NONE;
	text_kit_check(0, &kind);
	assert_int_equal(kind, COL_TEXT_SHAPED);
	assert_true(text_kit.has_numbers);
	assert_true(text_kit.has_labels);
	/* Texts of no form have numbers all the same, but no labels where they are many. */
	for (uint32_t i = 0; i < text_kit.count; i += 10)
		text_kit.values[i] = text_kit_text("%c%c%c%c", 'a' + (int)text_kit_below(26),
			'a' + (int)text_kit_below(26), 'a' + (int)text_kit_below(26),
			'a' + (int)text_kit_below(26));
	text_kit_check(0, &kind);
	assert_int_equal(kind, COL_TEXT_SHAPED);
	assert_true(text_kit.has_numbers);
	assert_false(text_kit.has_labels);
}

/* Numbers of many forms, each from end to end: together they are more than labels. */
static void too_far_apart_for_labels(void **state)
{
	unsigned kind;

	(void)state;
	for (unsigned forms = 4; forms < 7; forms++) {
		text_kit_begin(3000, 13);
		for (uint32_t i = 0; i < text_kit.count; i++)
			text_kit.values[i] = text_kit_text("%c-%09u", 'a' + (int)(i % forms),
				i / forms % 2 ? 999999999u - i % 100 : i / forms % 100);
		text_kit_check(0, &kind);
		assert_int_equal(kind, COL_TEXT_DICT);
		assert_true(text_kit.has_numbers);
		assert_int_equal(text_kit.has_labels, forms == 4);
	}
}

/* Digits that are not the last ones, or stand next to a number, and texts that are too long. */
static struct span no_id(int kind)
{
	unsigned n = 1000 + text_kit_below(8999), more = 10 + text_kit_below(89);

	switch (kind) {
	case 0:
		return text_kit_text("u%u-v2", n);
	case 1:
		return text_kit_text("%u.%u", n, more);
	case 2:
		return text_kit_text("0x%x", n);
	case 3:
		return text_kit_text("n-1844674407370955%u", n);
	case 4:
		return text_kit_text("n-%u", 1000000000 + n);
	default:
		return text_kit_text(
			"a text that is so long that it is no id, whatever its end is: %u", n);
	}
}

static void what_is_no_id(void **state)
{
	unsigned kind;

	(void)state;
	for (int i = 0; i < 6; i++) {
		text_kit_begin(4000, 17);
		for (uint32_t row = 0; row < text_kit.count; row++)
			text_kit.values[row] = no_id(i);
		text_kit_check(0, &kind);
		assert_false(text_kit.has_numbers);
	}
}

static void constants(void **state)
{
	unsigned kind;

	(void)state;
	text_kit_begin(5000, 1);
	for (uint32_t i = 0; i < text_kit.count; i++)
		text_kit.values[i] = SPAN_LIT("the same");
	assert_true(text_kit_check(0, &kind) < 32);
	assert_int_equal(kind, COL_TEXT_CONST);
	assert_true(text_kit.has_letters);
	for (uint32_t i = 0; i < text_kit.count; i++)
		text_kit.values[i] = SPAN_NONE;
	assert_true(text_kit_check(0, &kind) < 32);
	assert_int_equal(kind, COL_TEXT_CONST);
	for (uint32_t i = 0; i < text_kit.count; i++)
		text_kit.values[i] = SPAN_LIT("");
	assert_true(text_kit_check(0, &kind) < 32);
	text_kit.count = 1;
	text_kit.values[0] = SPAN_LIT("\0");
	text_kit_check(0, &kind);
}

static void few_values_are_a_dictionary(void **state)
{
	unsigned kind;

	(void)state;
	text_kit_begin(20000, 1);
	for (uint32_t i = 0; i < text_kit.count; i++)
		text_kit.values[i] = text_kit_below(50)
					     ? text_kit_text("Agent/%u (%s)", text_kit_below(40),
						       words[text_kit_below(6)])
					     : SPAN_NONE;
	assert_true(text_kit_check(0, &kind) < 20000 * 12 / 8);
	assert_int_equal(kind, COL_TEXT_DICT);
	text_kit_check(1, &kind);
	assert_int_equal(kind, COL_TEXT_DICT);
}

/* Keys that nobody vouches for: no value is longer than the page allows. */
static void ask_with_other_keys(struct span page)
{
	static uint32_t rows[COL_TEXT_ROWS_MAX], before[COL_TEXT_ROWS_MAX];
	static struct col_text_value out[COL_TEXT_ROWS_MAX];
	uint32_t *keys = text_kit.keys[COL_TEXT_KEY_EVENT_TYPE], n = 0;
	struct col_text t;
	struct arena mem;

	for (uint32_t i = 0; i < text_kit.count; i += 1 + text_kit_below(9))
		rows[n++] = i;
	memcpy(before, keys, sizeof before);
	for (unsigned round = 0; round < 3; round++) {
		memcpy(keys, before, sizeof before);
		/* A key that has no template, one beyond all keys, all of one key. */
		keys[rows[n / 2]] = round == 0 ? 9 : 5000;
		for (uint32_t i = 0; i < text_kit.count && round == 2; i++)
			keys[i] = 1;
		arena_init(&mem, TEXT_KIT_ARENA_BYTES);
		buf_reset(&text_kit.bytes);
		assert_int_equal(
			col_text_open(&t, page, text_kit.count, &text_kit_column_env, &mem), 0);
		assert_int_equal(col_text_get(&t, rows, n, &text_kit.bytes, out), ERR_CORRUPT);
		assert_true(text_kit.bytes.len <= t.raw_bytes);
		arena_fini(&mem);
	}
}

/* Each type of event has ids of its own, or none: no codes are written, nor read where keys stand as such. */
static void what_the_key_tells(void **state)
{
	struct col_text_in in;
	struct col_text t;
	struct buf page;
	struct arena mem;
	unsigned kind;

	(void)state;
	for (int level = 0; level < 2; level++) {
		text_kit_begin(30000 + 700 * (uint32_t)level, 71 + (uint64_t)level);
		for (uint32_t i = 0; i < text_kit.count; i++) {
			unsigned type = text_kit_below(2) ? 3 : text_kit_below(7);

			text_kit.keys[COL_TEXT_KEY_EVENT_TYPE][i] = type;
			text_kit.values[i] = SPAN_NONE;
			if (type > 0)
				text_kit.values[i] = text_kit_text(
					"%s-%u", words[type - 1], text_kit_below(1000000));
		}
		text_kit_check(level, &kind);
		assert_int_equal(kind, COL_TEXT_SHAPED);
		in = text_kit_input(level);
		buf_init(&page, TEXT_KIT_PAGE_BYTES);
		assert_int_equal(col_text_put(&text_kit.maker, &in, &page), 0);
		arena_init(&mem, TEXT_KIT_ARENA_BYTES);
		assert_int_equal(col_text_open(&t, buf_span(&page), text_kit.count,
					 &text_kit_column_env, &mem),
			0);
		assert_true(((struct col_text_shaped *)t.page)->key_tells);
		arena_fini(&mem);
		ask_with_other_keys(buf_span(&page));
		buf_fini(&page);
	}
}

/* Each user has one address, a few of them, and one mail; above level 0 they cost little. */
static void what_depends_on_users(void **state)
{
	enum { USERS = 3000, ROWS = 30000 };
	size_t plain;
	unsigned kind;

	(void)state;
	for (int round = 0; round < 3; round++) {
		text_kit_begin(ROWS, 61 + (uint64_t)round);
		for (uint32_t i = 0; i < text_kit.count; i++) {
			unsigned user = text_kit_below(USERS), n = user * 2654435761u;

			text_kit.keys[COL_TEXT_KEY_USER_ID][i] = user;
			if (round == 0)
				text_kit.values[i] = text_kit_text("10.%u.%u.%u", n >> 8 & 255,
					n >> 16 & 255, (n >> 24) + text_kit_below(2));
			else if (round == 1)
				text_kit.values[i] = text_kit_text("mail to u.%s%u@x%u.org sent",
					words[n % 6], n >> 20, n >> 12 & 7);
			else
				text_kit.values[i] =
					text_kit_text("agent %u/%u", n >> 24, n >> 16 & 255);
			if (text_kit_below(40) == 0)
				text_kit.values[i] = text_kit_text(
					"10.%u.%u.1", text_kit_below(256), text_kit_below(256));
		}
		plain = text_kit_check(0, &kind);
		assert_true(text_kit_check(1, &kind) < plain * 3 / 4);
	}
}

/* Lines of letters without a form, and bytes without any sense. */
static void prose_and_noise_stay_plain(void **state)
{
	unsigned kind;
	size_t raw = 0;

	(void)state;
	text_kit_begin(800, 9);
	for (uint32_t i = 0; i < text_kit.count; i++) {
		char line[3000];
		size_t n = 0;

		for (unsigned k = 20 + text_kit_below(200); k > 0; k--)
			n += (size_t)sprintf(line + n, "%s%s",
				words[text_kit_below(6)] + text_kit_below(3),
				text_kit_below(9) ? " " : ". ");
		text_kit.values[i] = text_kit_keep(line, n);
	}
	text_kit_check(0, &kind);
	assert_int_equal(kind, COL_TEXT_BYTES);
	text_kit_begin(3000, 10);
	for (uint32_t i = 0; i < text_kit.count; i++) {
		uint8_t noise[256];
		size_t n = text_kit_below(sizeof noise);

		for (size_t k = 0; k < n; k++)
			noise[k] = (uint8_t)event_gen_random(&text_kit.gen);
		text_kit.values[i] = text_kit_below(20) ? text_kit_keep(noise, n) : SPAN_NONE;
		raw += n;
	}
	assert_true(text_kit_check(0, &kind) < raw + raw / 10);
	assert_int_equal(kind, COL_TEXT_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constants),
		cmocka_unit_test(ids_are_small),
		cmocka_unit_test(ids_are_numbers),
		cmocka_unit_test(too_far_apart_for_labels),
		cmocka_unit_test(what_is_no_id),
		cmocka_unit_test(few_values_are_a_dictionary),
		cmocka_unit_test(what_the_key_tells),
		cmocka_unit_test(what_depends_on_users),
		cmocka_unit_test(prose_and_noise_stay_plain),
	};

	return cmocka_run_group_tests(tests, text_kit_set_up, text_kit_tear_down);
}
