/*
 * Goal:   the word sidecar never misses a block that has a text: pieces of texts and whole words, in
 *         any case, entity ids, uuids and numbers among them; and it does tell blocks apart.
 * Method: seeded random texts in blocks of few rows, asked for pieces of themselves; tokens of both
 *         ways to cut them are compared with each other.
 */
#include "tests/support/check_cmocka.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/needle.h"
#include "storage/sidx_entity_maker.h"
#include "storage/sidx_word_maker.h"
#include "tests/support/event_gen.h"
#include "tests/support/mem_vfs.h"

/* The way of machines without SSE2, under other names. */
#define ASTRO_PORTABLE
#define sidx_token_init        plain_init
#define sidx_token_fini        plain_fini
#define sidx_token_set         plain_set
#define sidx_token_next_slow   plain_next_slow
#define sidx_token_shape       plain_shape
#define sidx_token_hash        plain_hash
#define sidx_token_name        plain_name
#define sidx_token_entity_slow plain_entity_slow
#define sidx_token_is_covered  plain_is_covered
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include "storage/sidx_token.c"
#pragma GCC diagnostic pop
#undef sidx_token_init
#undef sidx_token_fini
#undef sidx_token_set
#undef sidx_token_next_slow
#undef sidx_token_shape
#undef sidx_token_hash
#undef sidx_token_name
#undef sidx_token_entity_slow
#undef sidx_token_is_covered

enum { ROWS = 4000, BLOCK_ROWS = 40, BLOCKS = ROWS / BLOCK_ROWS, TEXT_BYTES = 240, WORDS = 2 };

struct row {
	char text[TEXT_BYTES];
	char id[64];
	uint8_t map[96];
	size_t map_bytes;
};

struct world {
	struct event_gen gen;
	struct row *rows;
	struct sidx_word_maker words;
	struct sidx_entity_maker entities;
	struct buf word_bytes, entity_bytes;
	struct mem_vfs word_file, entity_file;
	struct sidx_word *word;
	struct sidx_entity *entity;
};

static struct world world;

static void uuid_of(struct event_gen *g, char *dst, size_t n)
{
	uint64_t a = event_gen_random(g), b = event_gen_random(g);

	snprintf(dst, n, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(a >> 32),
		(unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xffff, (unsigned)(b >> 48),
		(unsigned long long)(b & 0xffffffffffff));
}

/* Ids of all kinds: with a number, upper case, both cases, a number alone, a uuid, odd bytes. */
static void make_id(struct event_gen *g, char *dst, size_t n)
{
	unsigned v = event_gen_below(g, 3000);

	switch (event_gen_below(g, 7)) {
	case 0:
		snprintf(dst, n, "ord-%07u", v);
		break;
	case 1:
		snprintf(dst, n, "INV_%05u", v);
		break;
	case 2:
		snprintf(dst, n, "Pod-%05u-a", v);
		break;
	case 3:
		snprintf(dst, n, "%u", 100000 + v);
		break;
	case 4:
		uuid_of(g, dst, n);
		break;
	case 5:
		snprintf(dst, n, "x.y/%u", v);
		break;
	default:
		*dst = 0;
	}
}

static size_t put_word(struct event_gen *g, const char *id, char *dst, size_t n)
{
	static const char *const words[] = { "Updated", "for", "via", "caf\xc3\xa9", "total", "[x]",
		"a.b@web.de", "0badf00d", "\x10\x13", "_", "-" };
	int used = 0;
	char uuid[40];

	switch (event_gen_below(g, 8)) {
	case 0:
		used = snprintf(dst, n, "%u", event_gen_below(g, 100000));
		break;
	case 1:
		used = snprintf(dst, n, "%08x", (unsigned)event_gen_random(g));
		break;
	case 2:
		used = snprintf(dst, n, "%s", id);
		break;
	case 3:
		used = snprintf(dst, n, "%s%s", event_gen_below(g, 2) ? "re-" : "(", id);
		break;
	case 4:
		uuid_of(g, uuid, sizeof uuid);
		used = snprintf(dst, n, "%s%s", event_gen_below(g, 2) ? "req-" : "", uuid);
		break;
	default:
		used = snprintf(dst, n, "%s", words[event_gen_below(g, ARRAY_COUNT(words))]);
	}
	return used < 0 ? 0 : (size_t)used < n ? (size_t)used : n - 1;
}

static void make_row(struct event_gen *g, struct row *r)
{
	static const char seps[] = "  ,-_=:\n";
	size_t at = 0;
	int n = 1 + (int)event_gen_below(g, 9);

	make_id(g, r->id, sizeof r->id);
	for (int i = 0; i < n && at + 60 < sizeof r->text; i++) {
		if (i > 0)
			r->text[at++] = seps[event_gen_below(g, sizeof seps - 1)];
		at += put_word(g, r->id, r->text + at, sizeof r->text - at);
	}
	r->text[at] = 0;
	/* {"request_id": the id, "deep": [{"k": 1}]} */
	at = 0;
	r->map[at++] = 0x82;
	r->map[at++] = 0xa0 | 10;
	memcpy(r->map + at, "request_id", 10);
	at += 10;
	r->map[at++] = 0xd9;
	r->map[at++] = (uint8_t)strlen(r->id);
	memcpy(r->map + at, r->id, strlen(r->id));
	at += strlen(r->id);
	memcpy(r->map + at,
		"\xa4"
		"deep\x91\x81\xa1k\x01",
		9);
	r->map_bytes = at + 9;
}

static struct event event_of(const struct row *r)
{
	struct event ev = { 0 };

	ev.text[EVENT_TEXT_DESCRIPTION] = span_str(r->text);
	ev.text[EVENT_TEXT_ENTITY_ID] = *r->id ? span_str(r->id) : SPAN_NONE;
	ev.metadata = span_of(r->map, r->map_bytes);
	return ev;
}

static void make_files(struct world *w, const struct seg_info *seg)
{
	sidx_word_maker_init(&w->words);
	sidx_entity_maker_init(&w->entities);
	for (uint32_t i = 0; i < ROWS; i++) {
		struct event ev = event_of(&w->rows[i]);

		sidx_word_maker_row(&w->words, i / BLOCK_ROWS, &ev);
		sidx_entity_maker_row(&w->entities, i / BLOCK_ROWS, &ev);
	}
	buf_init(&w->word_bytes, SIDX_COMMON_FILE_BYTES_MAX);
	buf_init(&w->entity_bytes, SIDX_COMMON_FILE_BYTES_MAX);
	assert_int_equal(sidx_word_maker_range_end(&w->words, seg), 0);
	assert_int_equal(sidx_word_maker_put(&w->words, seg, &w->word_bytes), 0);
	assert_int_equal(sidx_entity_maker_range_end(&w->entities, seg), 0);
	assert_int_equal(sidx_entity_maker_put(&w->entities, seg, &w->entity_bytes), 0);
	sidx_word_maker_fini(&w->words);
	sidx_entity_maker_fini(&w->entities);
}

static int set_up(void **state)
{
	struct seg_info seg = { .segment_id = 7,
		.sum = 8,
		.blocks_count = BLOCKS,
		.rows_count = ROWS,
		.file_bytes = ROWS * 200 };
	struct world *w = &world;

	event_gen_init(&w->gen, 17);
	w->rows = calloc(ROWS, sizeof *w->rows);
	assert_non_null(w->rows);
	for (size_t i = 0; i < ROWS; i++)
		make_row(&w->gen, &w->rows[i]);
	make_files(w, &seg);
	mem_vfs_init(&w->word_file, buf_span(&w->word_bytes));
	mem_vfs_init(&w->entity_file, buf_span(&w->entity_bytes));
	assert_int_equal(sidx_word_open(&w->word_file.table, 0, "w.tok", &seg, &w->word, NULL), 0);
	assert_int_equal(
		sidx_entity_open(&w->entity_file.table, 0, "w.ent", &seg, &w->entity, NULL), 0);
	assert_int_equal(sidx_word_check(w->word, NULL), 0);
	assert_int_equal(sidx_entity_check(w->entity, NULL), 0);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	sidx_word_close(&w->word);
	sidx_entity_close(&w->entity);
	buf_fini(&w->word_bytes);
	buf_fini(&w->entity_bytes);
	event_gen_fini(&w->gen);
	free(w->rows);
	return 0;
}

/* A piece of some text in changed case, now and then with a letter more. */
static struct span some_piece(struct world *w, char *dst)
{
	const struct row *r = &w->rows[event_gen_below(&w->gen, ROWS)];
	size_t n = strlen(r->text), from, len;

	if (n == 0)
		return SPAN_LIT("x");
	from = event_gen_below(&w->gen, (unsigned)n);
	len = 1 + event_gen_below(&w->gen, (unsigned)(n - from));
	memcpy(dst, r->text + from, len);
	for (size_t i = 0; i < len; i++) {
		if (event_gen_below(&w->gen, 3) == 0)
			dst[i] = (char)(dst[i] & 0x80 ? dst[i] : toupper(dst[i]));
	}
	return span_of(dst, len);
}

static bool is_in(const uint64_t *blocks, uint32_t b)
{
	return blocks[b / 64] >> b % 64 & 1;
}

static void pieces_are_found(void **state)
{
	struct world *w = *state;
	unsigned told = 0, named = 0;

	for (int i = 0; i < 3000; i++) {
		char bytes[TEXT_BYTES];
		struct span piece = some_piece(w, bytes);
		uint64_t blocks[WORDS] = { 0 };
		struct needle x;

		if (sidx_word_find_part(w->word, w->entity, piece, blocks, NULL) != 0)
			continue;
		told++;
		assert_int_equal(needle_init(&x, piece), 0);
		for (uint32_t r = 0; r < ROWS; r++) {
			if (needle_find(&x, span_str(w->rows[r].text), 0) != SIZE_MAX)
				assert_true(is_in(blocks, r / BLOCK_ROWS));
		}
		for (uint32_t b = 0; b < BLOCKS; b++)
			named += is_in(blocks, b);
		needle_fini(&x);
	}
	/* It does tell, and what it tells is worth something. */
	assert_true(told > 300);
	assert_true(named < told * BLOCKS * 3 / 4);
}

static bool is_token_byte(uint8_t c)
{
	return isalnum(c) || c >= 0x80;
}

/* The needle in the text with no token byte at either side of it. */
static bool has_words(const struct needle *x, struct span text)
{
	for (size_t at = 0; (at = needle_find(x, text, at)) != SIZE_MAX; at++) {
		if ((at == 0 || !is_token_byte(text.p[at - 1])) &&
			(at + x->n == text.n || !is_token_byte(text.p[at + x->n])))
			return true;
	}
	return false;
}

static void words_are_found(void **state)
{
	struct world *w = *state;
	unsigned told = 0, named = 0;

	for (int i = 0; i < 3000; i++) {
		char bytes[TEXT_BYTES];
		struct span piece = some_piece(w, bytes);
		uint64_t blocks[WORDS] = { 0 };
		struct needle x;

		if (sidx_word_find(w->word, w->entity, piece, blocks, NULL) != 0)
			continue;
		told++;
		assert_int_equal(needle_init(&x, piece), 0);
		for (uint32_t r = 0; r < ROWS; r++) {
			if (!has_words(&x, span_str(w->rows[r].text)))
				continue;
			assert_true(is_in(blocks, r / BLOCK_ROWS));
			assert_true(sidx_word_may_have(w->word, w->entity, r / BLOCK_ROWS, piece));
		}
		for (uint32_t b = 0; b < BLOCKS; b++)
			named += is_in(blocks, b);
		needle_fini(&x);
	}
	assert_true(told > 300);
	assert_true(named < told * BLOCKS / 4);
}

static uint64_t count_named(struct world *w, const char *text, const struct sidx_entity *entity)
{
	uint64_t blocks[WORDS] = { 0 };

	if (sidx_word_find_part(w->word, entity, span_str(text), blocks, NULL) != 0)
		return UINT64_MAX;
	return (uint64_t)__builtin_popcountll(blocks[0]) +
	       (uint64_t)__builtin_popcountll(blocks[1]);
}

static void what_tells_nothing(void **state)
{
	struct world *w = *state;

	assert_int_equal(count_named(w, "", w->entity), UINT64_MAX);
	assert_int_equal(count_named(w, "updated", w->entity), UINT64_MAX);
	assert_int_equal(count_named(w, "updated for", w->entity), UINT64_MAX);
	assert_int_equal(count_named(w, " -", w->entity), UINT64_MAX);
	/* A number that may be part of an entity's id: only .ent knows, if it is there and asked. */
	assert_int_equal(count_named(w, " 9999999 ", NULL), UINT64_MAX);
	assert_in_range(count_named(w, " ord-9999999 ", w->entity), 0, BLOCKS / 4);
	assert_int_equal(count_named(w, "-9999999 ", w->entity), UINT64_MAX);
	assert_in_range(count_named(w, " zephyrine ", w->entity), 0, BLOCKS / 4);
}

/* ---- tokens ---- */

static void both_ways_cut_the_same(void **state)
{
	struct event_gen *g = &((struct world *)*state)->gen;
	struct sidx_token_text a, b;
	uint8_t text[700];

	sidx_token_init(&a);
	plain_init(&b);
	for (int round = 0; round < 3000; round++) {
		static const char bytes[] = "aZ09fF-_ .\xc3\xff@[`{/:\x10\x19";
		size_t n = event_gen_below(g, 3) ? event_gen_below(g, 150) : sizeof text;
		struct sidx_token x, y;
		bool more = true;

		for (size_t i = 0; i < n; i++)
			text[i] = event_gen_below(g, 4)
					  ? (uint8_t)bytes[event_gen_below(g, sizeof bytes - 1)]
					  : (uint8_t)event_gen_random(g);
		assert_int_equal(sidx_token_set(&a, span_of(text, n)), 0);
		assert_int_equal(plain_set(&b, span_of(text, n)), 0);
		while (more) {
			more = sidx_token_next(&a, &x);
			assert_int_equal(sidx_token_next(&b, &y), more);
			if (!more)
				break;
			assert_int_equal(x.off, y.off);
			assert_int_equal(x.n, y.n);
			assert_int_equal(sidx_token_shape(&a, &x), plain_shape(&b, &y));
			assert_int_equal(sidx_token_hash(&a, &x), plain_hash(&b, &y));
		}
	}
	sidx_token_fini(&a);
	plain_fini(&b);
}

static void shapes(void **state)
{
	static const struct {
		const char *text;
		unsigned class, n;
	} want[] = {
		{ "0042", SIDX_TOKEN_DIGITS, 4 },
		{ "C0FFEE", SIDX_TOKEN_HEX, 6 },
		{ "coffee", SIDX_TOKEN_OTHER, 6 },
		{ "\xc3\xa9", SIDX_TOKEN_OTHER, 2 },
		{ "0123456789abcdefABCDEF0123456789abcdef", SIDX_TOKEN_HEX, 31 },
		{ "01234567-89ab-CDEF-0123-456789abcdef", SIDX_TOKEN_UUID, 31 },
		{ "01234567-89ab-cdef-0123-456789abcdeg", SIDX_TOKEN_DIGITS, 8 },
		{ "01234567-89ab-cdef-0123-456789abcdef0", SIDX_TOKEN_DIGITS, 8 },
	};
	struct sidx_token_text t;

	(void)state;
	sidx_token_init(&t);
	for (size_t i = 0; i < ARRAY_COUNT(want); i++) {
		struct sidx_token token;

		assert_int_equal(sidx_token_set(&t, span_str(want[i].text)), 0);
		assert_true(sidx_token_next(&t, &token));
		assert_int_equal(sidx_token_shape(&t, &token),
			want[i].class * SIDX_TOKEN_LENGTHS + want[i].n);
	}
	sidx_token_fini(&t);
}

/* A segment that is mostly numbers gives numbers up, and says so. */
static void too_dear_is_dropped(void **state)
{
	struct seg_info seg = { .segment_id = 7,
		.sum = 8,
		.blocks_count = 1,
		.rows_count = 20000,
		.file_bytes = 100000 };
	static struct sidx_word_maker m;
	uint64_t blocks[1] = { 0 };
	struct sidx_word *x = NULL;
	struct mem_vfs file;
	struct buf b;

	(void)state;
	sidx_word_maker_init(&m);
	buf_init(&b, SIDX_COMMON_FILE_BYTES_MAX);
	for (unsigned i = 0; i < seg.rows_count; i++) {
		char text[64];
		struct event ev = { 0 };

		snprintf(text, sizeof text, "took %u us at %x", 100000 + i, i * 2654435761u);
		ev.text[EVENT_TEXT_DESCRIPTION] = span_str(text);
		sidx_word_maker_row(&m, 0, &ev);
	}
	assert_int_equal(sidx_word_maker_range_end(&m, &seg), 0);
	assert_int_equal(sidx_word_maker_put(&m, &seg, &b), 0);
	assert_true(b.len < 8192);
	mem_vfs_init(&file, buf_span(&b));
	assert_int_equal(sidx_word_open(&file.table, 0, "w.tok", &seg, &x, NULL), 0);
	assert_int_equal(sidx_word_find(x, NULL, SPAN_LIT("100000"), blocks, NULL), 1);
	assert_int_equal(sidx_word_find(x, NULL, SPAN_LIT("took"), blocks, NULL), 0);
	assert_int_equal(blocks[0], 1);
	sidx_word_close(&x);
	buf_fini(&b);
	sidx_word_maker_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_found),
		cmocka_unit_test(words_are_found),
		cmocka_unit_test(what_tells_nothing),
		cmocka_unit_test(both_ways_cut_the_same),
		cmocka_unit_test(shapes),
		cmocka_unit_test(too_dear_is_dropped),
	};

	return cmocka_run_group_tests_name("sidx_word", tests, set_up, tear_down);
}
