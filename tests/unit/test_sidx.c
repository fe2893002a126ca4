/*
 * Goal: sidecars say exactly where types, entities and users are: no block too few, hardly one too
 *       many, counts and rows exact; a sidecar of another segment or content is refused.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/err.h"
#include "storage/sidx_entity_maker.h"
#include "storage/sidx_maker.h"
#include "storage/sidx_set.h"
#include "tests/support/event_gen.h"
#include "tests/support/mem_vfs.h"
#include "tests/support/seg_fixture.h"

enum { EVENTS = 3 * LIMIT_BLOCK_ROWS + 5000 };

struct world {
	struct seg_fixture fixture;
	struct event_gen gen;
	struct event *events;
	struct seg_reader *reader;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	if (!w)
		return -1;
	seg_fixture_init(&w->fixture);
	event_gen_init(&w->gen, 4);
	w->gen.entities = 30000;
	w->events = event_gen_many(&w->gen, EVENTS);
	for (size_t i = 20000; i < 20040; i += 3)
		w->events[i].text[EVENT_TEXT_EVENT_TYPE] = SPAN_LIT("RARE");
	seg_fixture_write(&w->fixture, "s", w->events, EVENTS);
	w->reader = seg_fixture_open(&w->fixture, "s");
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	seg_reader_close(&w->reader);
	event_gen_fini(&w->gen);
	free(w->events);
	seg_fixture_fini(&w->fixture);
	free(w);
	return 0;
}

static bool same(struct span a, struct span b)
{
	return (a.p == NULL) == (b.p == NULL) && span_eq(a, b);
}

/* The block a row of w->events went to: blocks are full of rows, but the last. */
static uint32_t block_of(size_t i)
{
	return (uint32_t)(i / LIMIT_BLOCK_ROWS);
}

static void compare_type(const struct world *w, const struct sidx_type *x, size_t type)
{
	uint32_t rows[SIDX_TYPE_RARE_ROWS], counts[8] = { 0 };
	struct sidx_type_block blocks[8];
	struct sidx_type_entry e;
	uint64_t n = 0, first = 0, last = 0;

	sidx_type_entry(x, type, &e);
	for (size_t i = 0; i < EVENTS; i++) {
		if (!same(w->events[i].text[EVENT_TEXT_EVENT_TYPE], e.name))
			continue;
		first = n++ == 0 ? w->events[i].id : first;
		last = w->events[i].id;
		counts[block_of(i)]++;
	}
	assert_int_equal(e.rows_count, n);
	assert_int_equal(e.id_min, first);
	assert_int_equal(e.id_max, last);
	assert_int_equal(e.rare, n <= SIDX_TYPE_RARE_ROWS);
	sidx_type_blocks(x, type, blocks);
	for (uint32_t b = 0, k = 0; b < seg_reader_info(w->reader)->blocks_count; b++) {
		assert_int_equal(sidx_type_rows_in(x, type, b), counts[b]);
		if (counts[b] > 0) {
			assert_int_equal(blocks[k].block, b);
			assert_int_equal(blocks[k++].rows_count, counts[b]);
		}
		if (!e.rare)
			continue;
		assert_int_equal(sidx_type_rows(x, type, b, rows), counts[b]);
		for (uint32_t i = 0; i < counts[b]; i++)
			assert_true(same(w->events[(size_t)b * LIMIT_BLOCK_ROWS + rows[i]]
						 .text[EVENT_TEXT_EVENT_TYPE],
				e.name));
	}
}

static void types_are_exact(void **state)
{
	const struct world *w = *state;
	const struct sidx_type *x = sidx_set_type(w->reader);

	assert_non_null(x);
	assert_true(sidx_type_complete(x));
	assert_int_equal(sidx_type_count(x), 14);
	for (size_t i = 0; i < sidx_type_count(x); i++) {
		struct sidx_type_entry e;

		compare_type(w, x, i);
		sidx_type_entry(x, i, &e);
		assert_int_equal(sidx_type_find(x, e.name), i);
	}
	assert_int_equal(sidx_type_find(x, SPAN_NONE), 0);
	assert_int_equal(sidx_type_find(x, SPAN_LIT("nobody")), -1);
	assert_int_equal(sidx_type_find(x, SPAN_LIT("")), -1);
	assert_true(sidx_type_find(x, SPAN_LIT("RARE")) > 0);
}

static uint64_t true_blocks(const struct world *w, struct span type, bool any_type, struct span id,
	enum event_text id_field)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < EVENTS; i++) {
		const struct event *ev = &w->events[i];

		if (same(ev->text[id_field], id) &&
			(any_type || same(ev->text[EVENT_TEXT_ENTITY_TYPE], type)))
			blocks |= UINT64_C(1) << block_of(i);
	}
	return blocks;
}

static void entities_are_found(void **state)
{
	const struct world *w = *state;
	const struct sidx_entity *x = sidx_set_entity(w->reader);
	uint64_t entities, users, got, surplus = 0;
	struct diag d;

	assert_non_null(x);
	assert_int_equal(sidx_entity_check(x, &d), 0);
	sidx_entity_counts(x, &entities, &users);
	assert_true(entities > 20000);
	assert_int_equal(users, 500);
	for (size_t i = 0; i < EVENTS; i += 1997) {
		const struct span *t = w->events[i].text;
		uint64_t want;

		if (t[EVENT_TEXT_ENTITY_ID].p) {
			want = true_blocks(w, t[EVENT_TEXT_ENTITY_TYPE], false,
				t[EVENT_TEXT_ENTITY_ID], EVENT_TEXT_ENTITY_ID);
			got = 0;
			assert_int_equal(sidx_entity_find(x, t[EVENT_TEXT_ENTITY_TYPE],
						 t[EVENT_TEXT_ENTITY_ID], &got, &d),
				0);
			assert_int_equal(got & want, want);
			surplus += got != want;
			want = true_blocks(
				w, SPAN_NONE, true, t[EVENT_TEXT_ENTITY_ID], EVENT_TEXT_ENTITY_ID);
			got = 0;
			assert_int_equal(
				sidx_entity_find_id(x, t[EVENT_TEXT_ENTITY_ID], &got, &d), 0);
			assert_int_equal(got & want, want);
			surplus += got != want;
		}
		if (t[EVENT_TEXT_USER_ID].p) {
			want = true_blocks(
				w, SPAN_NONE, true, t[EVENT_TEXT_USER_ID], EVENT_TEXT_USER_ID);
			got = 0;
			assert_int_equal(
				sidx_entity_find_user(x, t[EVENT_TEXT_USER_ID], &got, &d), 0);
			assert_int_equal(got, want);
		}
	}
	/* Keys that share what is kept of their hashes. */
	assert_true(surplus <= 3);
	got = 0;
	assert_int_equal(sidx_entity_find_user(x, SPAN_LIT("nobody"), &got, &d), 0);
	assert_int_equal(got, 0);
}

static void another_segment_is_stale(void **state)
{
	struct world *w = *state;
	struct seg_info other = *seg_reader_info(w->reader);
	struct sidx_type *t = NULL;
	struct sidx_entity *e = NULL;
	struct diag d;

	other.sum++;
	assert_int_equal(
		sidx_type_open(vfs_real(), w->fixture.dir, "s.evt", &other, &t, &d), ERR_STALE);
	assert_null(t);
	other = *seg_reader_info(w->reader);
	other.segment_id++;
	assert_int_equal(
		sidx_entity_open(vfs_real(), w->fixture.dir, "s.ent", &other, &e, &d), ERR_STALE);
	/* One kind is not the other. */
	assert_int_equal(sidx_entity_open(vfs_real(), w->fixture.dir, "s.evt",
				 seg_reader_info(w->reader), &e, &d),
		ERR_CORRUPT);
	assert_int_equal(sidx_common_check(vfs_real(), w->fixture.dir, "none.evt", SIDX_TYPE,
				 seg_reader_info(w->reader), &d),
		-ENOENT);
}

/* Built again from the segment: the same bytes. */
static void rebuilt_the_same(void **state)
{
	struct world *w = *state;
	struct diag d;

	for (int k = 0; k < SIDX_COUNT; k++) {
		char name[DIAG_FILE_BYTES];
		uint8_t *a, *b;
		size_t n, m;

		sidx_set_name("s.seg", (enum sidx_kind)k, name);
		assert_int_equal(sidx_common_write(vfs_real(), w->fixture.dir, "again",
					 (enum sidx_kind)k, w->reader, &d),
			0);
		a = seg_fixture_load(&w->fixture, name, &n);
		b = seg_fixture_load(&w->fixture, "again", &m);
		assert_int_equal(n, m);
		assert_memory_equal(a, b, n);
		/* A name that is taken is left alone. */
		assert_int_equal(sidx_common_write(vfs_real(), w->fixture.dir, "again",
					 (enum sidx_kind)k, w->reader, &d),
			-EEXIST);
		seg_fixture_remove(&w->fixture, "again");
		free(a);
		free(b);
	}
}

/* Made of the rows as they pass by: the same bytes, too; and a maker that missed some reads them. */
static void made_while_writing(void **state)
{
	struct world *w = *state;
	struct sidx_maker *m = NULL;
	struct diag d;

	assert_int_equal(sidx_maker_new(&m), 0);
	for (int turn = 0; turn < 3; turn++) {
		sidx_maker_reset(m);
		for (size_t i = 0; i < (turn < 2 ? EVENTS : 100); i++)
			sidx_maker_row(m, block_of(i), &w->events[i]);
		for (int k = 0; k < SIDX_COUNT; k++) {
			char name[DIAG_FILE_BYTES];
			uint8_t *a, *b;
			size_t n, n2;

			sidx_set_name("s.seg", (enum sidx_kind)k, name);
			assert_int_equal(sidx_maker_write(m, vfs_real(), w->fixture.dir, "passing",
						 (enum sidx_kind)k, w->reader, &d),
				0);
			a = seg_fixture_load(&w->fixture, name, &n);
			b = seg_fixture_load(&w->fixture, "passing", &n2);
			assert_int_equal(n, n2);
			assert_memory_equal(a, b, n);
			seg_fixture_remove(&w->fixture, "passing");
			free(a);
			free(b);
		}
	}
	sidx_maker_free(&m);
	assert_null(m);
}

/* ---- ids of several types ---- */

enum { MIXED_ROWS = 20000, MIXED_BLOCKS = 20, MIXED_IDS = 900 };

struct mixed {
	char id[16];
	unsigned type;
};

static struct mixed mixed_rows[MIXED_ROWS];
static const char *const mixed_types[] = { "order", "customer", "", "job", "pod" };

/* Every third id has one type, the others any. */
static void make_mixed(struct event_gen *g)
{
	for (unsigned i = 0; i < MIXED_ROWS; i++) {
		unsigned id = event_gen_below(g, MIXED_IDS);

		snprintf(mixed_rows[i].id, sizeof mixed_rows[i].id, "%u", id);
		mixed_rows[i].type = id % 3 ? event_gen_below(g, ARRAY_COUNT(mixed_types)) : 3;
	}
}

static void put_mixed(struct buf *out, const struct seg_info *seg, unsigned ranges)
{
	static struct sidx_entity_maker m;

	sidx_entity_maker_init(&m);
	for (unsigned r = 0; r < ranges; r++) {
		sidx_entity_maker_begin(&m, r, ranges);
		for (uint32_t i = 0; i < MIXED_ROWS; i++) {
			struct event ev = { 0 };

			ev.text[EVENT_TEXT_ENTITY_ID] = span_str(mixed_rows[i].id);
			ev.text[EVENT_TEXT_ENTITY_TYPE] = span_str(mixed_types[mixed_rows[i].type]);
			sidx_entity_maker_row(&m, i / (MIXED_ROWS / MIXED_BLOCKS), &ev);
		}
		assert_int_equal(sidx_entity_maker_range_end(&m, seg), 0);
	}
	assert_int_equal(sidx_entity_maker_put(&m, seg, out), 0);
	sidx_entity_maker_fini(&m);
}

static uint64_t mixed_blocks(unsigned id, unsigned type)
{
	uint64_t blocks = 0;
	char text[16];

	snprintf(text, sizeof text, "%u", id);
	for (uint32_t i = 0; i < MIXED_ROWS; i++) {
		if (mixed_rows[i].type == type && strcmp(mixed_rows[i].id, text) == 0)
			blocks |= UINT64_C(1) << i / (MIXED_ROWS / MIXED_BLOCKS);
	}
	return blocks;
}

/* What was looked up is found again without reading a page; before that, alike or not at all. */
static unsigned look_up(
	const struct sidx_entity *x, struct span type, struct span id, uint64_t *out)
{
	uint64_t before = 0, again = 0;
	int rc = sidx_entity_find_read(x, type, id, &before);

	*out = 0;
	assert_int_equal(sidx_entity_find(x, type, id, out, NULL), 0);
	assert_true(rc == 0 || rc == SIDX_ENTITY_COLD);
	assert_int_equal(before, rc == 0 ? *out : 0);
	assert_int_equal(sidx_entity_find_read(x, type, id, &again), 0);
	assert_int_equal(again, *out);
	assert_true(sidx_entity_is_read_id(x, id));
	return rc == SIDX_ENTITY_COLD;
}

static void compare_mixed(const struct sidx_entity *x)
{
	unsigned surplus = 0, cold = 0;

	for (unsigned id = 1; id < MIXED_IDS; id += 13) {
		char text[16];

		snprintf(text, sizeof text, "%u", id);
		for (unsigned t = 0; t < ARRAY_COUNT(mixed_types); t++) {
			uint64_t want = mixed_blocks(id, t), got;

			cold += look_up(x, span_str(mixed_types[t]), span_str(text), &got);
			assert_int_equal(got & want, want);
			/* Of an id of one type that type is not looked at. */
			surplus += id % 3 && got != want;
		}
	}
	assert_true(surplus < 15);
	/* Pages of ids, and of pairs. */
	assert_true(cold >= 2);
}

static void one_id_of_several_types(void **state)
{
	struct seg_info seg = { .segment_id = 1, .sum = 2, .blocks_count = MIXED_BLOCKS };
	struct event_gen g = { .state = 9 };

	(void)state;
	make_mixed(&g);
	for (unsigned ranges = 1; ranges <= 4; ranges *= 4) {
		struct sidx_entity *x = NULL;
		struct mem_vfs m;
		struct buf b;

		buf_init(&b, SIDX_COMMON_FILE_BYTES_MAX);
		put_mixed(&b, &seg, ranges);
		mem_vfs_init(&m, buf_span(&b));
		assert_int_equal(sidx_entity_open(&m.table, 0, "m.ent", &seg, &x, NULL), 0);
		compare_mixed(x);
		assert_int_equal(sidx_entity_check(x, NULL), 0);
		sidx_entity_close(&x);
		buf_fini(&b);
	}
}

/* A sidecar of version 1 is passed over, one of a later version refused. */
static void other_versions(void **state)
{
	struct world *w = *state;
	static const struct {
		uint8_t version;
		int rc;
	} want[] = { { 1, ERR_STALE }, { 3, ERR_TOO_NEW } };
	uint8_t *p;
	size_t n;

	p = seg_fixture_load(&w->fixture, "s.ent", &n);
	for (size_t i = 0; i < ARRAY_COUNT(want); i++) {
		struct sidx_entity *x = NULL;
		uint64_t sum;

		p[8] = want[i].version;
		sum = htole64(XXH3_64bits(p, SIDX_COMMON_HEAD_SUM_OFF));
		memcpy(p + SIDX_COMMON_HEAD_SUM_OFF, &sum, sizeof sum);
		seg_fixture_store(&w->fixture, "other.ent", p, n);
		assert_int_equal(sidx_entity_open(vfs_real(), w->fixture.dir, "other.ent",
					 seg_reader_info(w->reader), &x, NULL),
			want[i].rc);
	}
	free(p);
}

/* What a segment with too many keys for LIMIT_SIDX_PASSES gets: it cannot tell, and is valid. */
static void an_index_that_knows_nothing(void **state)
{
	struct seg_info seg = { .segment_id = 1, .sum = 2, .blocks_count = 3 };
	static const uint8_t head[SIDX_COMMON_HEAD_BYTES];
	struct sidx_entity *e = NULL;
	struct sidx_word *w = NULL;
	uint64_t blocks = 0;

	(void)state;
	for (int k = SIDX_ENTITY; k <= SIDX_WORD; k++) {
		struct mem_vfs m;
		struct buf b;

		buf_init(&b, SIDX_COMMON_FILE_BYTES_MAX);
		buf_put(&b, head, sizeof head);
		buf_put_u8(&b, 0);
		sidx_common_seal(&b, (enum sidx_kind)k, &seg, 1);
		mem_vfs_init(&m, buf_span(&b));
		assert_int_equal(
			sidx_common_check(&m.table, 0, "n", (enum sidx_kind)k, &seg, NULL), 0);
		if (k == SIDX_ENTITY) {
			assert_int_equal(sidx_entity_open(&m.table, 0, "n", &seg, &e, NULL), 0);
			assert_int_equal(sidx_entity_find_id(e, SPAN_LIT("o1"), &blocks, NULL), 1);
			assert_int_equal(
				sidx_entity_find(e, SPAN_NONE, SPAN_LIT("o1"), &blocks, NULL), 1);
			assert_int_equal(
				sidx_entity_find_user(e, SPAN_LIT("u1"), &blocks, NULL), 1);
			sidx_entity_close(&e);
		} else {
			assert_int_equal(sidx_word_open(&m.table, 0, "n", &seg, &w, NULL), 0);
			assert_int_equal(sidx_word_find(w, NULL, SPAN_LIT("a"), &blocks, NULL), 1);
			assert_true(sidx_word_may_have(w, NULL, 2, SPAN_LIT("a")));
			sidx_word_close(&w);
		}
		assert_int_equal(blocks, 0);
		buf_fini(&b);
	}
}

/* One that is not there when the segment is opened, but when it is asked for. */
static void opened_when_asked_for(void **state)
{
	struct seg_fixture *f = &((struct world *)*state)->fixture;
	uint8_t *words;
	size_t n;
	struct seg_reader *r;

	words = seg_fixture_load(f, "s.tok", &n);
	seg_fixture_remove(f, "s.tok");
	r = seg_fixture_open(f, "s");
	assert_non_null(sidx_set_entity(r));
	assert_int_equal(sidx_set_rc(r, SIDX_TYPE), 0);
	seg_fixture_store(f, "s.tok", words, n);
	assert_non_null(sidx_set_word(r));
	assert_ptr_equal(sidx_set_word(r), sidx_set_word(r));
	seg_reader_close(&r);
	free(words);
}

/* More types than are counted: the sidecar knows none, and is valid. */
static void too_many_types(void **state)
{
	struct seg_fixture *f = &((struct world *)*state)->fixture;
	struct event_gen g;
	struct event *ev;
	struct seg_reader *r;

	event_gen_init(&g, 6);
	g.types = 3 * LIMIT_SEGMENT_TYPES;
	ev = event_gen_many(&g, 40000);
	seg_fixture_write(f, "many", ev, 40000);
	r = seg_fixture_open(f, "many");
	assert_non_null(sidx_set_type(r));
	assert_false(sidx_type_complete(sidx_set_type(r)));
	seg_reader_close(&r);
	free(ev);
	event_gen_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_are_exact),
		cmocka_unit_test(entities_are_found),
		cmocka_unit_test(another_segment_is_stale),
		cmocka_unit_test(rebuilt_the_same),
		cmocka_unit_test(made_while_writing),
		cmocka_unit_test(one_id_of_several_types),
		cmocka_unit_test(other_versions),
		cmocka_unit_test(an_index_that_knows_nothing),
		cmocka_unit_test(opened_when_asked_for),
		cmocka_unit_test(too_many_types),
	};

	return cmocka_run_group_tests_name("sidx", tests, set_up, tear_down);
}
