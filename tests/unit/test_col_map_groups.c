/*
 * Goal:   many rows of some groups decode others with them, and yet every map is what was written,
 *         whatever was decoded before, wherever the rows are, and whoever tells the event types.
 * Method: seeded maps of few values; rows asked for in several turns.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/wire/pack.h"
#include "storage/col_map.h"
#include "storage/col_map_int.h"
#include "tests/support/event_gen.h"

enum { PAGE_MAX = 16 << 20, TEXT_MAX = 16 << 20, TYPES = 5, KEYS = 4, KEY_VALUES = 9 };

struct fixture {
	struct col_map_maker maker;
	struct span maps[LIMIT_BLOCK_ROWS];
	size_t offs[LIMIT_BLOCK_ROWS];
	uint32_t types[LIMIT_BLOCK_ROWS];
	uint16_t type_codes[LIMIT_BLOCK_ROWS]; /* the same */
	uint32_t rows[LIMIT_BLOCK_ROWS];
	struct col_text_value got[LIMIT_BLOCK_ROWS];
	uint32_t count;
	struct buf text; /* all maps */
	struct buf page;
	struct buf bytes;
	struct arena mem;
	struct event_gen gen;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	buf_init(&f->text, TEXT_MAX);
	buf_init(&f->page, PAGE_MAX);
	buf_init(&f->bytes, TEXT_MAX);
	arena_init(&f->mem, COL_MAP_MEMORY_MAX);
	col_map_maker_init(&f->maker, 0);
	f->gen.state = 3;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	col_map_maker_fini(&f->maker);
	buf_fini(&f->text);
	buf_fini(&f->page);
	buf_fini(&f->bytes);
	arena_fini(&f->mem);
	free(f);
	return 0;
}

static uint32_t below(struct fixture *f, uint32_t n)
{
	return event_gen_below(&f->gen, n);
}

static void put_text(struct fixture *f, const char *what, uint32_t n)
{
	char s[32];

	snprintf(s, sizeof s, "%s %u", what, n);
	pack_str(&f->text, span_str(s));
}

/* One in five rows has no map; others have up to KEYS values, each one of few. */
static void put_maps(struct fixture *f, uint32_t count)
{
	buf_reset(&f->text);
	f->count = count;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t n = below(f, KEYS + 1);

		f->types[i] = below(f, TYPES);
		f->type_codes[i] = (uint16_t)f->types[i];
		f->offs[i] = f->text.len;
		if (n > 0)
			pack_map_head(&f->text, n);
		for (uint32_t k = 0; k < n; k++) {
			put_text(f, "key", k);
			put_text(f, "value", below(f, 2 + k * KEY_VALUES));
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		size_t end = i + 1 < count ? f->offs[i + 1] : f->text.len;

		f->maps[i] = end > f->offs[i] ? span_of(f->text.p + f->offs[i], end - f->offs[i])
					      : SPAN_NONE;
	}
}

static void put_page(struct fixture *f, bool typed)
{
	struct col_map_in in = { .rows_count = f->count, .maps = f->maps };

	if (typed) {
		in.types = f->types;
		in.types_count = TYPES;
	}
	buf_reset(&f->page);
	assert_int_equal(col_map_put(&f->maker, &in, &f->page), 0);
}

static int give_types(
	void *ctx, enum col_text_key key, const uint32_t *rows, size_t count, uint32_t *out)
{
	const struct fixture *f = ctx;

	assert_int_equal(key, COL_TEXT_KEY_EVENT_TYPE);
	for (size_t i = 0; i < count; i++)
		out[i] = f->types[rows ? rows[i] : i];
	return 0;
}

static int give_column(void *ctx, enum col_text_key key, uint32_t first, const uint16_t **out)
{
	const struct fixture *f = ctx;

	assert_int_equal(key, COL_TEXT_KEY_EVENT_TYPE);
	assert_true(first < f->count);
	*out = f->type_codes + first;
	return 0;
}

/* Some of the rows from .. end - 1. */
static void check_some(
	struct fixture *f, struct col_map *m, uint32_t step, uint32_t from, uint32_t end)
{
	uint32_t n = 0;

	for (uint32_t i = from + below(f, step); i < end; i += 1 + below(f, step))
		f->rows[n++] = i;
	buf_reset(&f->bytes);
	assert_int_equal(col_map_get(m, f->rows, n, &f->bytes, f->got), 0);
	for (uint32_t i = 0; i < n; i++) {
		struct span want = f->maps[f->rows[i]];

		assert_int_equal(f->got[i].length, want.p ? want.n + 1 : 0);
		assert_true(span_eq(want, span_of(f->bytes.p + f->got[i].off, want.n)));
	}
}

/* The page opened anew; first a few rows, then many of two groups from this one on. */
static void check_from(struct fixture *f, uint32_t first, bool column)
{
	struct col_text_env env = { .ctx = f, .key = give_types };
	uint32_t end = first + 2 * COL_MAP_GROUP;
	struct col_map *m = NULL;

	end = end < f->count ? end : f->count;
	env.key_column = column ? give_column : NULL;
	arena_reset(&f->mem);
	assert_int_equal(col_map_open(buf_span(&f->page), f->count, &env, &f->mem, &m), 0);
	check_some(f, m, 3000, end / 2, end);
	check_some(f, m, 40, first, end);
	check_some(f, m, 3000, 0, f->count);
	check_some(f, m, 60, 0, end);
	check_some(f, m, 8, 0, f->count);
}

static void groups_ahead(void **state)
{
	static const uint32_t rows[] = { 3000, 9000, 24000, LIMIT_BLOCK_ROWS };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		put_maps(f, rows[i]);
		for (int typed = 0; typed < 2; typed++) {
			put_page(f, typed);
			for (uint32_t at = 0; at < f->count; at += 5 * COL_MAP_GROUP)
				check_from(f, at, at / COL_MAP_GROUP % 2 == 1);
			check_from(f, 0, true);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(groups_ahead, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("col_map_groups", tests, NULL, NULL);
}
