/*
 * Goal: what a writer was given, a reader gives back field by field; bounds, counts and limits of
 *       blocks and segments; nothing is left behind by a writer that does not finish.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/err.h"
#include "storage/col.h"
#include "storage/seg_decode.h"
#include "storage/seg_writer.h"
#include "tests/support/event_gen.h"
#include "tests/support/seg_fixture.h"

static int set_up(void **state)
{
	struct seg_fixture *f = calloc(1, sizeof *f);

	if (!f)
		return -1;
	seg_fixture_init(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	seg_fixture_fini(*state);
	free(*state);
	return 0;
}

static void assert_rows(const struct seg_reader *r, const struct event *ev, size_t count)
{
	struct block *b = block_new();
	size_t at = 0;
	struct diag d;

	assert_non_null(b);
	for (uint32_t i = 0; i < seg_reader_info(r)->blocks_count; i++) {
		assert_int_equal(seg_reader_rows(r, i, b, &d), 0);
		assert_int_equal(b->rows_count, seg_reader_block(r, i)->rows_count);
		for (uint32_t row = 0; row < b->rows_count; row++, at++) {
			struct event got;

			block_get(b, row, &got);
			assert_true(at < count);
			assert_true(event_gen_same(&got, &ev[at]));
		}
	}
	assert_int_equal(at, count);
	block_free(&b);
}

static void assert_info(const struct seg_info *info, const struct event *ev, size_t count)
{
	int64_t time_min = INT64_MAX, time_max = INT64_MIN;
	uint8_t mask = 0;

	for (size_t i = 0; i < count; i++) {
		time_min = ev[i].time_ns < time_min ? ev[i].time_ns : time_min;
		time_max = ev[i].time_ns > time_max ? ev[i].time_ns : time_max;
		mask |= (uint8_t)(1 << ev[i].severity);
	}
	assert_int_equal(info->rows_count, count);
	assert_int_equal(info->id_min, ev[0].id);
	assert_int_equal(info->id_max, ev[count - 1].id);
	assert_int_equal(info->time_min_ns, time_min);
	assert_int_equal(info->time_max_ns, time_max);
	assert_int_equal(info->severity_mask, mask);
}

static void round_trips(void **state)
{
	static const size_t counts[] = { 1, 2, 128, 129, 5000, LIMIT_BLOCK_ROWS,
		LIMIT_BLOCK_ROWS + 1, 3 * LIMIT_BLOCK_ROWS - 5 };
	struct seg_fixture *f = *state;

	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		struct event_gen g;
		struct event *ev;
		struct seg_info info;
		struct seg_reader *r;

		event_gen_init(&g, 100 + i);
		g.wild = i % 2 ? 200 : 0;
		ev = event_gen_many(&g, counts[i]);
		info = seg_fixture_write(f, "a", ev, counts[i]);
		r = seg_fixture_open(f, "a");
		assert_memory_equal(&info, seg_reader_info(r), sizeof info);
		assert_info(&info, ev, counts[i]);
		assert_rows(r, ev, counts[i]);
		for (int col = 0; col < SEG_COL_COUNT; col++)
			assert_int_equal(seg_reader_check_dict(r, col, NULL), 0);
		seg_reader_close(&r);
		free(ev);
		event_gen_fini(&g);
	}
}

/* Every field absent, every field empty, everything the same. */
static void bare_events(void **state)
{
	enum { COUNT = 1000 };
	struct event *ev = calloc(COUNT, sizeof *ev);
	struct seg_fixture *f = *state;
	struct seg_reader *r;
	struct seg_info info;

	assert_non_null(ev);
	for (int empty = 0; empty < 2; empty++) {
		for (uint64_t i = 0; i < COUNT; i++) {
			ev[i].id = UINT64_MAX - COUNT + i;
			for (int t = 0; t < EVENT_TEXT_COUNT; t++)
				ev[i].text[t] = empty ? SPAN_LIT("") : SPAN_NONE;
			ev[i].metadata = ev[i].text[0];
		}
		info = seg_fixture_write(f, "b", ev, COUNT);
		r = seg_fixture_open(f, "b");
		assert_rows(r, ev, COUNT);
		/* A block of nothing costs a few bytes a column. */
		assert_true(info.file_bytes < 800);
		assert_int_equal(seg_reader_block(r, 0)->text[0].present_count, empty ? COUNT : 0);
		seg_reader_close(&r);
	}
	free(ev);
}

static struct seg_writer *open_writer(struct seg_fixture *f, const char *name, uint32_t blocks_max)
{
	struct seg_writer_conf conf = { .vfs = vfs_real(),
		.dir = f->dir,
		.name = name,
		.segment_id = 1,
		.blocks_max = blocks_max };
	struct seg_writer *w = NULL;
	struct diag d;

	assert_int_equal(seg_writer_open(&conf, &w, &d), 0);
	return w;
}

static bool exists(struct seg_fixture *f, const char *name)
{
	return faccessat(f->dir, name, F_OK, 0) == 0;
}

static void unfinished_leaves_nothing(void **state)
{
	struct seg_fixture *f = *state;
	struct seg_writer *w = open_writer(f, "c.seg", 0);
	struct seg_writer_conf conf = { .vfs = vfs_real(), .dir = f->dir, .name = "c.seg" };
	struct seg_writer *second = NULL;
	struct event ev = { .id = 1 };
	struct diag d;

	assert_int_equal(seg_writer_append(w, &ev, &d), 0);
	assert_true(exists(f, "c.seg"));
	/* The name is taken, and stays the first one's. */
	assert_int_equal(seg_writer_open(&conf, &second, &d), -EEXIST);
	assert_null(second);
	assert_true(exists(f, "c.seg"));
	seg_writer_close(&w);
	assert_null(w);
	assert_false(exists(f, "c.seg"));
}

static void ids_must_rise(void **state)
{
	struct seg_writer *w = open_writer(*state, "d.seg", 0);
	struct event ev = { .id = 5 };
	struct diag d;

	assert_int_equal(seg_writer_append(w, &ev, &d), 0);
	assert_int_equal(seg_writer_append(w, &ev, &d), ERR_RANGE);
	assert_string_equal(d.file, "d.seg");
	seg_writer_close(&w);
}

static void too_large_an_event(void **state)
{
	struct seg_writer *w = open_writer(*state, "e.seg", 0);
	uint8_t *big = calloc(1, LIMIT_EVENT_BYTES);
	struct event ev = { .id = 5, .metadata = { big, LIMIT_EVENT_BYTES } };
	struct diag d;

	assert_int_equal(seg_writer_append(w, &ev, &d), ERR_LIMIT);
	seg_writer_close(&w);
	free(big);
}

/* Rows of 900 KiB: a block ends when it is full of bytes, a segment when it is full of blocks. */
static void full_of_bytes(void **state)
{
	enum { BIG = 900 << 10 };
	struct seg_fixture *f = *state;
	struct seg_writer *w = open_writer(f, "f.seg", 2);
	uint8_t *big = malloc(BIG);
	struct event ev = { .metadata = { big, BIG } };
	struct seg_info info;
	struct seg_reader *r;
	uint64_t taken = 0;
	struct diag d;
	int rc;

	assert_non_null(big);
	for (size_t i = 0; i < BIG; i++)
		big[i] = (uint8_t)(i * i >> 7);
	do {
		ev.id = taken + 1;
		big[0] = (uint8_t)ev.id;
		rc = seg_writer_append(w, &ev, &d);
		assert_true(rc >= 0);
		taken += rc == 0;
	} while (rc == 0);
	assert_int_equal(rc, SEG_WRITER_FULL);
	assert_int_equal(seg_writer_finish(w, &info, &d), 0);
	seg_writer_close(&w);
	assert_int_equal(info.blocks_count, 2);
	assert_int_equal(info.rows_count, taken);
	assert_int_equal(taken, 2 * (LIMIT_BLOCK_BYTES / BIG + 1));
	r = seg_fixture_open(f, "f");
	for (uint32_t i = 0; i < 2; i++) {
		struct block *b = block_new();

		assert_int_equal(seg_reader_rows(r, i, b, &d), 0);
		block_get(b, b->rows_count - 1, &ev);
		assert_int_equal(ev.metadata.n, BIG);
		assert_int_equal(ev.metadata.p[0], (uint8_t)ev.id);
		assert_memory_equal(ev.metadata.p + 1, big + 1, BIG - 1);
		block_free(&b);
	}
	seg_reader_close(&r);
	free(big);
}

static void types_are_counted(void **state)
{
	struct event_gen g;
	struct event *ev;
	struct seg_reader *r;
	uint64_t sum = 0;

	event_gen_init(&g, 5);
	ev = event_gen_many(&g, 20000);
	seg_fixture_write(*state, "g", ev, 20000);
	r = seg_fixture_open(*state, "g");
	assert_true(seg_reader_types_complete(r));
	assert_int_equal(seg_reader_type_count(r), 13);
	for (size_t i = 0; i < seg_reader_type_count(r); i++) {
		uint64_t rows, want = 0;
		struct span name = seg_reader_type(r, i, &rows);

		for (size_t k = 0; k < 20000; k++) {
			struct span t = ev[k].text[EVENT_TEXT_EVENT_TYPE];

			want += (t.p == NULL) == (name.p == NULL) && span_eq(t, name);
		}
		assert_int_equal(rows, want);
		sum += rows;
	}
	assert_int_equal(sum, 20000);
	seg_reader_close(&r);
	free(ev);
	event_gen_fini(&g);
}

/* More types than are counted: the segment says so and is whole all the same. */
static void too_many_types(void **state)
{
	struct event_gen g;
	struct event *ev;
	struct seg_reader *r;

	event_gen_init(&g, 6);
	g.types = 3 * LIMIT_SEGMENT_TYPES;
	ev = event_gen_many(&g, 40000);
	seg_fixture_write(*state, "h", ev, 40000);
	r = seg_fixture_open(*state, "h");
	assert_false(seg_reader_types_complete(r));
	assert_int_equal(seg_reader_type_count(r), 0);
	assert_rows(r, ev, 40000);
	seg_reader_close(&r);
	free(ev);
	event_gen_fini(&g);
}

/* A hundred letters that nothing compresses; the same for the same n. */
static void put_letters(char *dst, size_t count, uint64_t n)
{
	for (size_t i = 0; i < count; i++) {
		n = n * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		dst[i] = (char)('a' + (n >> 33) % 26);
	}
}

/* Values that recur, until the dictionary is full: a block with codes, then blocks with bytes. */
static void a_dictionary_fills_up(void **state)
{
	enum { COUNT = 2 * LIMIT_BLOCK_ROWS, DISTINCT = LIMIT_BLOCK_ROWS / 16, VALUE = 100 };
	struct event *ev = calloc(COUNT, sizeof *ev);
	char(*values)[VALUE] = calloc(COUNT, sizeof *values);
	const int col = SEG_COL_TEXT + EVENT_TEXT_HOST;
	struct seg_reader *r;
	enum col_kind kind;
	struct diag d;

	assert_non_null(ev);
	assert_non_null(values);
	for (size_t i = 0; i < COUNT; i++) {
		put_letters(values[i], VALUE, i / LIMIT_BLOCK_ROWS * DISTINCT + i / 2 % DISTINCT);
		ev[i].id = i + 1;
		ev[i].text[EVENT_TEXT_HOST] = span_of(values[i], VALUE);
	}
	seg_fixture_write(*state, "k", ev, COUNT);
	r = seg_fixture_open(*state, "k");
	assert_int_equal(seg_decode_kind(r, 0, col, &kind, &d), 0);
	assert_int_equal(kind, COL_KIND_CODES);
	assert_int_equal(seg_decode_kind(r, 1, col, &kind, &d), 0);
	assert_int_not_equal(kind, COL_KIND_CODES);
	/* The block that did not fit left nothing of itself in the dictionary. */
	assert_int_equal(seg_decode_dict_count(r, col), DISTINCT);
	assert_rows(r, ev, COUNT);
	seg_reader_close(&r);
	free(values);
	free(ev);
}

/* Blocks as small as one likes; writers one after another share a pool and leave no trace in it. */
static void small_blocks_of_one_pool(void **state)
{
	enum { COUNT = 5000, ROWS = 700 };
	struct seg_fixture *f = *state;
	struct seg_writer_pool *pool = seg_writer_pool_new();
	struct seg_info first = { 0 }, info;
	struct event_gen g;
	struct event *ev;
	struct diag d;

	assert_non_null(pool);
	event_gen_init(&g, 31);
	ev = event_gen_many(&g, COUNT);
	for (int round = 0; round < 3; round++) {
		struct seg_writer_conf conf = { .vfs = vfs_real(),
			.dir = f->dir,
			.name = "q.seg",
			.segment_id = 1,
			.pool = pool,
			.block_rows = ROWS };
		struct seg_writer *w = NULL;
		struct seg_reader *r;

		assert_int_equal(seg_writer_open(&conf, &w, &d), 0);
		for (size_t i = 0; i < COUNT; i++) {
			assert_int_equal(seg_writer_append(w, &ev[i], &d), 0);
			assert_int_equal(seg_writer_blocks(w), i / ROWS);
		}
		assert_int_equal(seg_writer_finish(w, &info, &d), 0);
		seg_writer_close(&w);
		assert_int_equal(info.blocks_count, (COUNT + ROWS - 1) / ROWS);
		/* The same events, the same file. */
		if (round == 0)
			first = info;
		assert_int_equal(info.sum, first.sum);
		r = seg_fixture_open(f, "q");
		assert_rows(r, ev, COUNT);
		seg_reader_close(&r);
		unlinkat(f->dir, conf.name, 0);
	}
	seg_writer_pool_free(&pool);
	free(ev);
	event_gen_fini(&g);
}

/* The compactor's level: smaller, and the same events. */
static void compressed_harder(void **state)
{
	struct seg_fixture *f = *state;
	struct seg_writer_conf conf = { .vfs = vfs_real(),
		.dir = f->dir,
		.name = "i.seg",
		.segment_id = 1,
		.compress_level = 9 };
	struct seg_writer *w = NULL;
	struct event_gen g;
	struct seg_info fast, hard;
	struct event *ev;
	struct seg_reader *r;
	struct diag d;

	event_gen_init(&g, 9);
	ev = event_gen_many(&g, 20000);
	fast = seg_fixture_write(f, "j", ev, 20000);
	assert_int_equal(seg_writer_open(&conf, &w, &d), 0);
	for (size_t i = 0; i < 20000; i++)
		assert_int_equal(seg_writer_append(w, &ev[i], &d), 0);
	assert_int_equal(seg_writer_finish(w, &hard, &d), 0);
	seg_writer_close(&w);
	assert_true(hard.file_bytes < fast.file_bytes);
	r = seg_fixture_open(f, "i");
	assert_rows(r, ev, 20000);
	seg_reader_close(&r);
	free(ev);
	event_gen_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips),
		cmocka_unit_test(bare_events),
		cmocka_unit_test(unfinished_leaves_nothing),
		cmocka_unit_test(ids_must_rise),
		cmocka_unit_test(too_large_an_event),
		cmocka_unit_test(full_of_bytes),
		cmocka_unit_test(types_are_counted),
		cmocka_unit_test(too_many_types),
		cmocka_unit_test(a_dictionary_fills_up),
		cmocka_unit_test(small_blocks_of_one_pool),
		cmocka_unit_test(compressed_harder),
	};

	return cmocka_run_group_tests_name("seg_writer", tests, set_up, tear_down);
}
