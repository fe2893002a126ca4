/*
 * Goal:   no changed byte in a segment or a sidecar goes unnoticed or changes an answer, no file cut
 *         short is read past its end, and what is not damaged stays readable.
 * Method: every byte of a small segment and of its sidecars, changed in two ways; every length. For a
 *         segment, opening it or reading all its pages must fail, naming the file. For a sidecar,
 *         checking it must fail, and a scan that meets it answers as without.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/err.h"
#include "storage/scan_int.h"
#include "storage/seg_decode.h"
#include "tests/support/event_gen.h"
#include "tests/support/scan_ask.h"
#include "tests/support/seg_fixture.h"

enum { EVENTS = 150, EXTRA_LONG = 3 };

struct world {
	struct seg_fixture fixture;
	struct event_gen gen;
	struct event *events;
	struct seg_info info;
	struct scan_scratch *scratch;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	if (!w)
		return -1;
	seg_fixture_init(&w->fixture);
	event_gen_init(&w->gen, 12);
	w->gen.entities = 40;
	w->events = event_gen_many(&w->gen, EVENTS);
	w->info = seg_fixture_write(&w->fixture, "s", w->events, EVENTS);
	w->scratch = scan_scratch_new();
	*state = w;
	return w->scratch ? 0 : -1;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	scan_scratch_free(&w->scratch);
	event_gen_fini(&w->gen);
	free(w->events);
	seg_fixture_fini(&w->fixture);
	free(w);
	return 0;
}

/* All rows of the segment; 0 only if they are the events that were written. */
static int read_all(struct world *w, struct diag *d)
{
	struct seg_reader *r = NULL;
	struct block *b = block_new();
	size_t at = 0;
	int rc = seg_reader_open(vfs_real(), w->fixture.dir, "s.seg", &r, d);

	assert_non_null(b);
	for (uint32_t i = 0; rc == 0 && i < seg_reader_info(r)->blocks_count; i++) {
		rc = seg_reader_rows(r, i, b, d);
		for (uint32_t row = 0; rc == 0 && row < b->rows_count; row++, at++) {
			struct event got;

			block_get(b, row, &got);
			assert_true(at < EVENTS);
			assert_true(event_gen_same(&got, &w->events[at]));
		}
	}
	if (rc == 0)
		assert_int_equal(at, EVENTS);
	block_free(&b);
	seg_reader_close(&r);
	return rc;
}

static void every_byte_of_a_segment(void **state)
{
	struct world *w = *state;
	struct diag d;
	size_t n;
	uint8_t *p = seg_fixture_load(&w->fixture, "s.seg", &n);

	assert_int_equal(read_all(w, &d), 0);
	for (size_t i = 0; i < n; i++) {
		static const uint8_t flips[] = { 0x01, 0xff };

		for (size_t k = 0; k < sizeof flips; k++) {
			int rc;

			p[i] ^= flips[k];
			seg_fixture_store(&w->fixture, "s.seg", p, n);
			d = (struct diag){ 0 };
			rc = read_all(w, &d);
			assert_true(rc == ERR_CORRUPT || rc == ERR_TOO_NEW);
			assert_int_equal(d.code, rc);
			assert_string_equal(d.file, "s.seg");
			assert_true(d.off >= 0 && (size_t)d.off <= n);
			p[i] ^= flips[k];
		}
	}
	seg_fixture_store(&w->fixture, "s.seg", p, n);
	free(p);
}

static void every_length_of_a_segment(void **state)
{
	struct world *w = *state;
	struct diag d;
	size_t n;
	uint8_t *p = seg_fixture_load(&w->fixture, "s.seg", &n);
	uint8_t *longer = calloc(1, n + EXTRA_LONG);

	assert_non_null(longer);
	for (size_t i = 0; i < n; i++) {
		seg_fixture_store(&w->fixture, "s.seg", p, i);
		assert_int_equal(read_all(w, &d), ERR_CORRUPT);
	}
	memcpy(longer, p, n);
	seg_fixture_store(&w->fixture, "s.seg", longer, n + EXTRA_LONG);
	assert_int_equal(read_all(w, &d), ERR_CORRUPT);
	seg_fixture_store(&w->fixture, "s.seg", p, n);
	assert_int_equal(read_all(w, &d), 0);
	free(longer);
	free(p);
}

/* One page damaged: the column is lost, the others of the block are not. */
static void the_neighbours_stay_readable(void **state)
{
	static int64_t values[LIMIT_BLOCK_ROWS];
	struct world *w = *state;
	struct seg_reader *r = seg_fixture_open(&w->fixture, "s");
	struct seg_page page = *seg_reader_page(r, 0, SEG_COL_METADATA);
	struct buf scratch;
	struct diag d;
	size_t n;
	uint8_t *p = seg_fixture_load(&w->fixture, "s.seg", &n);

	seg_reader_close(&r);
	assert_false(page.is_inline);
	p[page.off] ^= 0x10;
	seg_fixture_store(&w->fixture, "s.seg", p, n);
	r = seg_fixture_open(&w->fixture, "s");
	seg_decode_buf_init(&scratch);
	assert_int_equal(seg_reader_check_page(r, 0, SEG_COL_METADATA, &d), ERR_CORRUPT);
	assert_int_equal(d.off, page.off);
	for (int col = 0; col < SEG_COL_METADATA; col++)
		assert_int_equal(seg_reader_check_page(r, 0, col, &d), 0);
	assert_int_equal(seg_decode_ints(r, 0, SEG_COL_TIME, NULL, &scratch, values, &d), 0);
	assert_int_equal(values[EVENTS - 1], w->events[EVENTS - 1].time_ns);
	buf_fini(&scratch);
	seg_reader_close(&r);
	p[page.off] ^= 0x10;
	seg_fixture_store(&w->fixture, "s.seg", p, n);
	free(p);
}

/* How many events a scan for this type, or this entity, finds; sidecars are asked for both. */
static uint64_t found(struct world *w, const struct scan_spec *spec)
{
	struct seg_reader *r = seg_fixture_open(&w->fixture, "s");
	const struct seg_reader *readers[1] = { r };
	struct scan_stats stats = { 0 };
	struct scan *s = NULL;
	uint64_t n = 0;
	struct diag d;

	assert_int_equal(scan_open_readers(readers, 1, spec, &s, &stats, &d), 0);
	for (size_t i = 0; i < scan_unit_count(s); i++) {
		uint64_t counted;
		const struct scan_hit *hits;
		size_t selected;

		assert_int_equal(scan_count(s, i, w->scratch, &counted, &stats, &d), 0);
		assert_int_equal(scan_select(s, i, w->scratch, &hits, &selected, &stats, &d), 0);
		assert_int_equal(counted, selected);
		n += selected;
	}
	scan_close(&s);
	seg_reader_close(&r);
	return n;
}

static void damage_sidecar(
	struct world *w, const char *name, enum sidx_kind kind, const struct scan_spec *spec)
{
	uint64_t want = found(w, spec);
	size_t n;
	uint8_t *p = seg_fixture_load(&w->fixture, name, &n);
	struct diag d;

	assert_true(want > 0);
	for (size_t i = 0; i < n; i++) {
		p[i] ^= (uint8_t)(1u << i % 8);
		seg_fixture_store(&w->fixture, name, p, n);
		assert_true(sidx_common_check(
				    vfs_real(), w->fixture.dir, name, kind, &w->info, &d) < 0);
		assert_string_equal(d.file, name);
		assert_int_equal(found(w, spec), want);
		p[i] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t i = 0; i < n; i++) {
		seg_fixture_store(&w->fixture, name, p, i);
		assert_int_equal(
			sidx_common_check(vfs_real(), w->fixture.dir, name, kind, &w->info, &d),
			ERR_CORRUPT);
		assert_int_equal(found(w, spec), want);
	}
	seg_fixture_store(&w->fixture, name, p, n);
	assert_int_equal(
		sidx_common_check(vfs_real(), w->fixture.dir, name, kind, &w->info, &d), 0);
	free(p);
}

/* A cube does not help a scan: whoever counts by it finds none. */
static void damage_cube(struct world *w)
{
	struct scan_spec spec;
	struct seg_reader *r;
	size_t n;
	uint8_t *p = seg_fixture_load(&w->fixture, "s.cub", &n);

	scan_spec_init(&spec);
	damage_sidecar(w, "s.cub", SIDX_CUBE, &spec);
	p[n / 2] ^= 1;
	seg_fixture_store(&w->fixture, "s.cub", p, n);
	r = seg_fixture_open(&w->fixture, "s");
	assert_null(sidx_set_cube(r));
	assert_int_equal(sidx_set_rc(r, SIDX_CUBE), ERR_CORRUPT);
	seg_reader_close(&r);
	p[n / 2] ^= 1;
	seg_fixture_store(&w->fixture, "s.cub", p, n);
	free(p);
}

static void every_byte_of_the_sidecars(void **state)
{
	struct world *w = *state;
	struct span type = w->events[0].text[EVENT_TEXT_EVENT_TYPE];
	struct span id = w->events[0].text[EVENT_TEXT_ENTITY_ID];
	struct span text = w->events[0].text[EVENT_TEXT_DESCRIPTION];
	struct scan_ask a;

	scan_ask_init(&a);
	scan_ask_text(&a, EVENT_TEXT_EVENT_TYPE, type);
	damage_sidecar(w, "s.evt", SIDX_TYPE, scan_ask_spec(&a));
	scan_ask_fini(&a);
	scan_ask_init(&a);
	scan_ask_text(&a, EVENT_TEXT_ENTITY_ID, id);
	damage_sidecar(w, "s.ent", SIDX_ENTITY, scan_ask_spec(&a));
	scan_ask_fini(&a);
	scan_ask_init(&a);
	assert_true(text.n > 2);
	scan_ask_contains(&a, span_of(text.p + 1, text.n - 2));
	damage_sidecar(w, "s.tok", SIDX_WORD, scan_ask_spec(&a));
	scan_ask_fini(&a);
	damage_cube(w);
}

/* A segment written by a newer program is refused by version and by feature, with its name. */
static void newer_segments_are_refused(void **state)
{
	struct world *w = *state;
	struct diag d;
	size_t n;
	uint8_t *p = seg_fixture_load(&w->fixture, "s.seg", &n);
	uint64_t sum;

	for (size_t off = 8; off <= 12; off += 4) {
		uint8_t was = p[off];

		p[off] = 9;
		sum = htole64(XXH3_64bits(p, SEG_LAYOUT_HEAD_SUM_OFF));
		memcpy(p + SEG_LAYOUT_HEAD_SUM_OFF, &sum, sizeof sum);
		seg_fixture_store(&w->fixture, "s.seg", p, n);
		assert_int_equal(read_all(w, &d), ERR_TOO_NEW);
		assert_int_equal(d.off, off);
		p[off] = was;
	}
	sum = htole64(XXH3_64bits(p, SEG_LAYOUT_HEAD_SUM_OFF));
	memcpy(p + SEG_LAYOUT_HEAD_SUM_OFF, &sum, sizeof sum);
	seg_fixture_store(&w->fixture, "s.seg", p, n);
	assert_int_equal(read_all(w, &d), 0);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_of_a_segment),
		cmocka_unit_test(every_length_of_a_segment),
		cmocka_unit_test(the_neighbours_stay_readable),
		cmocka_unit_test(every_byte_of_the_sidecars),
		cmocka_unit_test(newer_segments_are_refused),
	};

	return cmocka_run_group_tests_name("segment_corrupt", tests, set_up, tear_down);
}
