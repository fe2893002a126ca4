/*
 * Goal:   a cube counts exactly the rows of its segment, whatever the events are like, and one that
 *         would be too large has wider buckets and fewer dimensions, in that order.
 * Method: segments of made events; every table against a loop over the events, each cell once. Each
 *         allocation fails once.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/err.h"
#include "storage/sidx_cube.h"
#include "storage/sidx_set.h"
#include "tests/support/alloc_fault.h"
#include "tests/support/event_gen.h"
#include "tests/support/mem_vfs.h"
#include "tests/support/seg_fixture.h"

#define MINUTE_NS INT64_C(60000000000)
#define HOUR_NS   (60 * MINUTE_NS)
#define START_NS  INT64_C(1768176000000000000)

enum {
	ALL = (1 << SIDX_CUBE_DIMS) - 1,
	SMALL = 1 << SIDX_CUBE_EVENT_TYPE | 1 << SIDX_CUBE_SEVERITY,
};

/* ---- the world ---- */

struct world {
	struct seg_fixture fixture;
	struct event_gen gen;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	if (!w)
		return -1;
	seg_fixture_init(&w->fixture);
	event_gen_init(&w->gen, 5);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	event_gen_fini(&w->gen);
	seg_fixture_fini(&w->fixture);
	free(w);
	return 0;
}

/* ---- the stupid model ---- */

/* A cell as one number: its bucket and values, hashed. */
struct count {
	uint64_t key;
	uint64_t rows;
};

struct counts {
	struct count *v;
	size_t n;
};

static int count_cmp(const void *pa, const void *pb)
{
	const struct count *a = pa, *b = pb;

	return (a->key > b->key) - (a->key < b->key);
}

static void add_key(struct counts *c, int64_t bucket, const struct span *texts, unsigned severity,
	unsigned dims, uint64_t rows)
{
	uint64_t key = XXH3_64bits_withSeed(&bucket, sizeof bucket, severity);

	for (int d = 0; d < SIDX_CUBE_DIMS; d++) {
		if (d != SIDX_CUBE_SEVERITY && dims >> d & 1)
			key = XXH3_64bits_withSeed(texts[d].p ? (const void *)texts[d].p : "",
				texts[d].n, key + (texts[d].p != NULL));
	}
	c->v[c->n++] = (struct count){ key, rows };
}

/* Sorted, each key once. */
static void join(struct counts *c)
{
	size_t n = 0;

	qsort(c->v, c->n, sizeof *c->v, count_cmp);
	for (size_t i = 0; i < c->n; i++) {
		if (n > 0 && c->v[n - 1].key == c->v[i].key)
			c->v[n - 1].rows += c->v[i].rows;
		else
			c->v[n++] = c->v[i];
	}
	c->n = n;
}

static int64_t bucket_of(int64_t time_ns, int64_t bucket_ns)
{
	int64_t number = time_ns / bucket_ns - (time_ns % bucket_ns < 0), from;

	return __builtin_mul_overflow(number, bucket_ns, &from) ? INT64_MIN : from;
}

static struct counts model(const struct event *ev, size_t count, const struct sidx_cube_table *t)
{
	struct counts c = { .v = malloc(count * sizeof *c.v) };

	assert_non_null(c.v);
	for (size_t i = 0; i < count; i++) {
		const struct span texts[SIDX_CUBE_DIMS] = {
			[SIDX_CUBE_EVENT_TYPE] = ev[i].text[EVENT_TEXT_EVENT_TYPE],
			[SIDX_CUBE_ENTITY_TYPE] = ev[i].text[EVENT_TEXT_ENTITY_TYPE],
			[SIDX_CUBE_SERVICE] = ev[i].text[EVENT_TEXT_SERVICE],
		};

		add_key(&c, bucket_of(ev[i].time_ns, t->bucket_ns), texts, ev[i].severity, t->dims,
			1);
	}
	join(&c);
	return c;
}

/* ---- against the cube ---- */

static void value_of(const struct sidx_cube *x, const struct sidx_cube_table *t, uint32_t line,
	struct span *texts, unsigned *severity)
{
	uint32_t codes[SIDX_CUBE_DIMS];

	sidx_cube_combo(t, line, codes);
	for (int d = 0; d < SIDX_CUBE_DIMS; d++) {
		texts[d] = SPAN_NONE;
		if (d != SIDX_CUBE_SEVERITY && t->dims >> d & 1)
			texts[d] = sidx_cube_value(x, (enum sidx_cube_dim)d, codes[d]);
		else if (d != SIDX_CUBE_SEVERITY)
			assert_int_equal(codes[d], 0);
	}
	*severity = codes[SIDX_CUBE_SEVERITY];
}

static void compare(const struct sidx_cube *x, const struct sidx_cube_table *t,
	const struct event *ev, size_t count)
{
	struct counts want = model(ev, count, t), got = { .v = malloc(count * sizeof *got.v) };
	struct sidx_cube_walk walk = sidx_cube_begin(t);
	uint16_t buckets[LIMIT_CUBE_BUCKETS];
	uint32_t rows[LIMIT_CUBE_BUCKETS];

	assert_non_null(got.v);
	for (uint32_t i = 0; i < t->combos_count; i++) {
		struct span texts[SIDX_CUBE_DIMS];
		uint64_t sum = 0;
		unsigned severity;
		uint32_t k = sidx_cube_next(&walk, buckets, rows);

		value_of(x, t, i, texts, &severity);
		assert_in_range(k, 1, t->buckets_count);
		for (uint32_t b = 0; b < k; b++) {
			add_key(&got, t->buckets[buckets[b]], texts, severity, t->dims, rows[b]);
			sum += rows[b];
		}
		assert_int_equal(sidx_cube_total(t, i), sum);
	}
	join(&got);
	assert_int_equal(got.n, want.n);
	assert_memory_equal(got.v, want.v, want.n * sizeof *want.v);
	free(want.v);
	free(got.v);
}

/* Writes the events as a segment, and compares all its tables. */
static struct seg_reader *check(struct world *w, const struct event *ev, size_t count)
{
	const struct sidx_cube *x;
	struct seg_reader *r;

	seg_fixture_write(&w->fixture, "s", ev, count);
	r = seg_fixture_open(&w->fixture, "s");
	x = sidx_set_cube(r);
	assert_int_equal(sidx_set_rc(r, SIDX_CUBE), 0);
	assert_ptr_equal(x, sidx_set_cube(r));
	assert_int_equal(sidx_cube_check(x, NULL), 0);
	for (size_t i = 0; i < sidx_cube_tables(x); i++)
		compare(x, sidx_cube_table(x, i), ev, count);
	return r;
}

static const struct sidx_cube_table *table_of(const struct seg_reader *r, size_t i)
{
	const struct sidx_cube *x = sidx_set_cube(r);

	assert_true(i < sidx_cube_tables(x));
	return sidx_cube_table(x, i);
}

/* ---- tests ---- */

static void counts_are_exact(void **state)
{
	static const char *const services[] = { "checkout", "shop", "", NULL };
	enum { EVENTS = LIMIT_BLOCK_ROWS + 5000 };
	struct world *w = *state;
	struct event *ev = event_gen_many(&w->gen, EVENTS);
	const struct sidx_cube_table *small, *full;
	struct seg_reader *r;

	for (size_t i = 0; i < EVENTS; i++) {
		const char *s = services[event_gen_below(&w->gen, 4)];

		ev[i].text[EVENT_TEXT_SERVICE] = s ? span_str(s) : SPAN_NONE;
		ev[i].time_ns = START_NS + (int64_t)i * 100 * 1000000;
	}
	r = check(w, ev, EVENTS);
	assert_int_equal(sidx_cube_tables(sidx_set_cube(r)), 2);
	small = table_of(r, 0);
	full = table_of(r, 1);
	assert_int_equal(small->dims, SMALL);
	assert_int_equal(small->bucket_ns, 15 * MINUTE_NS);
	assert_int_equal(small->buckets_count, 8);
	assert_int_equal(small->buckets[0], START_NS);
	assert_int_equal(full->dims, ALL);
	assert_int_equal(full->bucket_ns, 15 * MINUTE_NS);
	assert_int_equal(full->buckets_count, 8);
	assert_int_equal(sidx_cube_values(sidx_set_cube(r), SIDX_CUBE_SERVICE), 4);
	assert_int_equal(
		sidx_cube_values(sidx_set_cube(r), SIDX_CUBE_SEVERITY), EVENT_SEVERITY_COUNT);
	seg_reader_close(&r);
	free(ev);
}

static void one_event(void **state)
{
	struct event ev = { .id = 1, .time_ns = -1, .severity = EVENT_SEVERITY_DEBUG };
	const struct sidx_cube_table *t;
	struct world *w = *state;
	struct seg_reader *r = check(w, &ev, 1);

	/* The small one would save nothing. */
	assert_int_equal(sidx_cube_tables(sidx_set_cube(r)), 1);
	t = table_of(r, 0);
	assert_int_equal(t->dims, ALL);
	assert_int_equal(t->combos_count, 1);
	assert_int_equal(t->buckets[0], -15 * MINUTE_NS);
	seg_reader_close(&r);
}

/* Wild events: any bytes as types, the ends of time. */
static void odd_events(void **state)
{
	struct world *w = *state;
	enum { EVENTS = 3000 };
	struct event *ev;
	struct seg_reader *r;

	w->gen.wild = 10;
	ev = event_gen_many(&w->gen, EVENTS);
	r = check(w, ev, EVENTS);
	assert_int_equal(table_of(r, 0)->buckets[0], INT64_MIN);
	seg_reader_close(&r);
	free(ev);
}

struct texts {
	char bytes[64];
};

/* i-th event of a store with so many types, kinds and services, all of them mixed, in so much time. */
static struct event mixed(struct texts *t, size_t i, size_t count, unsigned types, unsigned kinds,
	unsigned services, int64_t span_ns)
{
	struct event ev = { .id = i + 1, .severity = (uint8_t)(i / 4 % 3) };
	size_t mix = i * 2654435761u;
	char *type = t->bytes, *kind = type + 16, *service = kind + 16;

	snprintf(type, 16, "T%zu", mix % types);
	snprintf(kind, 16, "k%zu", mix / types % kinds);
	snprintf(service, 16, "s%zu", mix / types / kinds % services);
	ev.text[EVENT_TEXT_EVENT_TYPE] = span_str(type);
	ev.text[EVENT_TEXT_ENTITY_TYPE] = span_str(kind);
	ev.text[EVENT_TEXT_SERVICE] = span_str(service);
	ev.time_ns = START_NS + (int64_t)((double)i / (double)count * (double)span_ns);
	return ev;
}

/* The shape of the table by all dimensions, or of the only one. */
static void expect_shape(struct world *w, size_t count, unsigned types, unsigned kinds,
	unsigned services, int64_t span_ns, unsigned dims, int64_t bucket_ns)
{
	struct texts *texts = calloc(count, sizeof *texts);
	struct event *ev = calloc(count, sizeof *ev);
	const struct sidx_cube *x;
	struct seg_reader *r;

	assert_non_null(texts);
	assert_non_null(ev);
	for (size_t i = 0; i < count; i++)
		ev[i] = mixed(&texts[i], i, count, types, kinds, services, span_ns);
	r = check(w, ev, count);
	x = sidx_set_cube(r);
	if (dims == 0) {
		assert_int_equal(sidx_cube_tables(x), 0);
	} else {
		const struct sidx_cube_table *t = table_of(r, sidx_cube_tables(x) - 1);

		assert_int_equal(t->dims, dims);
		assert_int_equal(t->bucket_ns, bucket_ns);
	}
	seg_reader_close(&r);
	free(ev);
	free(texts);
}

static void too_many_cells(void **state)
{
	const unsigned no_service = ALL & ~(1u << SIDX_CUBE_SERVICE);
	struct world *w = *state;

	expect_shape(w, 20000, 2, 1, 1, 24 * HOUR_NS, ALL, 15 * MINUTE_NS);
	expect_shape(w, 20000, 10, 3, 5, 6 * HOUR_NS, ALL, HOUR_NS);
	expect_shape(w, 20000, 10, 3, 50, 24 * HOUR_NS, no_service, HOUR_NS);
	expect_shape(w, 20000, 50, 20, 50, 24 * HOUR_NS, SMALL, HOUR_NS);
	expect_shape(w, 20000, 300, 20, 50, 24 * HOUR_NS, SMALL, 6 * HOUR_NS);
	expect_shape(w, 20000, 400, 20, 50, 23 * HOUR_NS, SMALL, 24 * HOUR_NS);
	expect_shape(w, 20000, 400, 20, 50, 120 * HOUR_NS, 0, 0);
}

static void too_many_values(void **state)
{
	struct world *w = *state;

	expect_shape(w, 40000, 2, 1, LIMIT_CUBE_VALUES, HOUR_NS, ALL & ~(1u << SIDX_CUBE_SERVICE),
		15 * MINUTE_NS);
	expect_shape(w, 40000, LIMIT_CUBE_VALUES, 1, 1, HOUR_NS,
		ALL & ~(1u << SIDX_CUBE_EVENT_TYPE), 15 * MINUTE_NS);
}

/* More buckets than there may be, of a mixed segment: wider ones. */
static void too_many_buckets(void **state)
{
	struct world *w = *state;

	expect_shape(w, 2 * LIMIT_CUBE_BUCKETS, 1, 1, 1, 2 * LIMIT_CUBE_BUCKETS * 15 * MINUTE_NS,
		ALL, HOUR_NS);
}

/* More cells than there may be at any time: joined while they are counted. */
static void joined_while_counting(void **state)
{
	struct world *w = *state;

	expect_shape(w, LIMIT_CUBE_CELLS + 40000, 100, 40, 200, HOUR_NS,
		ALL & ~(1u << SIDX_CUBE_SERVICE), HOUR_NS);
}

/* A cube that has no tables is whole, and so says nothing. */
static void no_tables(void **state)
{
	struct seg_info seg = { .segment_id = 1, .sum = 2, .rows_count = 3, .blocks_count = 1 };
	static const uint8_t head[SIDX_COMMON_HEAD_BYTES];
	struct sidx_cube *x = NULL;
	struct mem_vfs m;
	struct buf b;

	(void)state;
	buf_init(&b, SIDX_COMMON_FILE_BYTES_MAX);
	buf_put(&b, head, sizeof head);
	buf_put_u8(&b, 0);
	sidx_common_seal(&b, SIDX_CUBE, &seg, 1);
	mem_vfs_init(&m, buf_span(&b));
	assert_int_equal(sidx_cube_open(&m.table, 0, "n.cub", &seg, &x, NULL), 0);
	assert_int_equal(sidx_cube_tables(x), 0);
	sidx_cube_close(&x);
	assert_null(x);
	/* Something behind its end. */
	buf_put_u8(&b, 0);
	sidx_common_seal(&b, SIDX_CUBE, &seg, 2);
	mem_vfs_init(&m, buf_span(&b));
	assert_int_equal(sidx_cube_open(&m.table, 0, "n.cub", &seg, &x, NULL), ERR_CORRUPT);
	buf_fini(&b);
}

/* Counts that hold together, of another number of rows than the segment has. */
static void of_other_rows(void **state)
{
	struct world *w = *state;
	struct sidx_cube *x = NULL;
	struct seg_info info;
	struct event ev = { .id = 1 };

	info = seg_fixture_write(&w->fixture, "s", &ev, 1);
	assert_int_equal(sidx_cube_open(vfs_real(), w->fixture.dir, "s.cub", &info, &x, NULL), 0);
	sidx_cube_close(&x);
	info.rows_count++;
	assert_int_equal(
		sidx_cube_open(vfs_real(), w->fixture.dir, "s.cub", &info, &x, NULL), ERR_CORRUPT);
	info.rows_count--;
	info.sum++;
	assert_int_equal(
		sidx_cube_open(vfs_real(), w->fixture.dir, "s.cub", &info, &x, NULL), ERR_STALE);
}

/* Of a sound sum, but not of sound counts: totals are good, counts by bucket are not asked for. */
static void counts_that_do_not_add_up(void **state)
{
	struct event ev[3] = { { .id = 1 }, { .id = 2 }, { .id = 3, .time_ns = HOUR_NS } };
	struct world *w = *state;
	struct sidx_cube *x = NULL;
	struct seg_info info = seg_fixture_write(&w->fixture, "s", ev, 3);
	struct mem_vfs m;
	struct buf b;
	size_t n;
	uint8_t *p = seg_fixture_load(&w->fixture, "s.cub", &n);

	buf_init(&b, SIDX_COMMON_FILE_BYTES_MAX);
	buf_put(&b, p, n);
	b.p[n - 2] ^= 2; /* a bucket that holds rows */
	sidx_common_seal(&b, SIDX_CUBE, &info, n - SIDX_COMMON_HEAD_BYTES);
	mem_vfs_init(&m, buf_span(&b));
	assert_int_equal(sidx_cube_open(&m.table, 0, "s.cub", &info, &x, NULL), 0);
	assert_int_equal(sidx_cube_total(sidx_cube_table(x, 0), 0), 3);
	assert_false(sidx_cube_counted(x, 0));
	assert_false(sidx_cube_counted(x, 0));
	assert_int_equal(sidx_cube_check(x, NULL), ERR_CORRUPT);
	sidx_cube_close(&x);
	buf_fini(&b);
	free(p);
}

/* Made and opened with each allocation failing in turn: told, and nothing is left. */
static void out_of_memory(void **state)
{
	enum { EVENTS = 20000 };
	struct world *w = *state;
	struct event *ev = event_gen_many(&w->gen, EVENTS);
	struct seg_reader *r = check(w, ev, EVENTS);
	struct sidx_cube *x = NULL;
	unsigned nth = 0;
	bool failed;
	struct buf b;
	int rc;

	do {
		buf_init(&b, SIDX_COMMON_FILE_BYTES_MAX);
		alloc_fault_set(++nth);
		rc = sidx_common_build(SIDX_CUBE, r, &b, NULL);
		failed = alloc_fault_end();
		assert_int_equal(rc, failed ? -ENOMEM : 0);
		buf_fini(&b);
	} while (failed);
	assert_true(nth > 20);
	nth = 0;
	do {
		alloc_fault_set(++nth);
		rc = sidx_cube_open(
			vfs_real(), w->fixture.dir, "s.cub", seg_reader_info(r), &x, NULL);
		failed = alloc_fault_end();
		assert_int_equal(rc, failed ? -ENOMEM : 0);
		sidx_cube_close(&x);
	} while (failed);
	assert_true(nth > 5);
	seg_reader_close(&r);
	free(ev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counts_are_exact, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_event, set_up, tear_down),
		cmocka_unit_test_setup_teardown(odd_events, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_cells, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_buckets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(joined_while_counting, set_up, tear_down),
		cmocka_unit_test(no_tables),
		cmocka_unit_test_setup_teardown(of_other_rows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(counts_that_do_not_add_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(out_of_memory, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("sidx_cube", tests, NULL, NULL);
}
