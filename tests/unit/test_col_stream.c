/*
 * Goal:   a stream gives back its values, whole and in any part, whatever they are and whichever
 *         loops the processor has; it costs what was said, and no more than it should; damaged
 *         bytes end in an error or in values.
 * Method: seeded shapes of every length to 300 and of large ones; bytes in blocks of exactly their
 *         size, so that a sanitizer sees a read behind them.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "storage/col_pack_int.h"
#include "storage/col_stream_uncode_int.h"
#include "tests/support/event_gen.h"

enum { LARGE = 65536, STREAM_MAX = 64 << 20, PICKS = 50 };

struct lists {
	int64_t v[LARGE];
	int64_t got[LARGE];
	uint32_t rows[PICKS];
	struct col_stream_maker maker[2];
	struct arena arena;
	struct buf out;
	struct event_gen gen;
	unsigned forms; /* bit per form that was written */
};

static int set_up(void **state)
{
	struct lists *l = calloc(1, sizeof *l);

	if (!l)
		return -1;
	col_stream_maker_init(&l->maker[0], 0);
	col_stream_maker_init(&l->maker[1], 9);
	arena_init(&l->arena, COL_STREAM_MEMORY_MAX);
	buf_init(&l->out, STREAM_MAX);
	l->gen.state = 7;
	*state = l;
	return 0;
}

static int tear_down(void **state)
{
	struct lists *l = *state;

	col_stream_maker_fini(&l->maker[0]);
	col_stream_maker_fini(&l->maker[1]);
	arena_fini(&l->arena);
	buf_fini(&l->out);
	free(l);
	return 0;
}

static uint64_t next(struct lists *l)
{
	return event_gen_random(&l->gen);
}

/* Rare things: r is 0 once in n. */
static bool rarely(struct lists *l, unsigned n)
{
	return event_gen_below(&l->gen, n) == 0;
}

typedef int64_t (*shape_fn)(struct lists *l, uint32_t i);

static int64_t before(const struct lists *l, uint32_t i)
{
	return i ? l->v[i - 1] : INT64_C(1763640000123456789);
}

static int64_t same(struct lists *l, uint32_t i)
{
	(void)l;
	(void)i;
	return -5;
}

static int64_t steps(struct lists *l, uint32_t i)
{
	(void)l;
	return (int64_t)i * -1000 + 77;
}

static int64_t any(struct lists *l, uint32_t i)
{
	(void)i;
	return (int64_t)next(l);
}

static int64_t any_width(struct lists *l, uint32_t i)
{
	(void)i;
	return (int64_t)next(l) >> event_gen_below(&l->gen, 64);
}

static int64_t ends(struct lists *l, uint32_t i)
{
	(void)i;
	return next(l) & 1 ? INT64_MIN : INT64_MAX;
}

static int64_t ends_in_turn(struct lists *l, uint32_t i)
{
	(void)l;
	return i & 1 ? INT64_MIN : INT64_MAX;
}

static int64_t digits(struct lists *l, uint32_t i)
{
	(void)i;
	return (int64_t)(next(l) % 10);
}

static int64_t bits23(struct lists *l, uint32_t i)
{
	(void)i;
	return (int64_t)(next(l) >> 41);
}

static int64_t times(struct lists *l, uint32_t i)
{
	int64_t t = before(l, i) + (int64_t)(next(l) % 259200000);

	return rarely(l, 50) ? t - (int64_t)(next(l) % 2000000000) : t;
}

static int64_t times_ms(struct lists *l, uint32_t i)
{
	(void)i;
	return INT64_C(1763640000123000000) + (int64_t)(next(l) % 100000) * 1000000;
}

static int64_t falling_by_multiples(struct lists *l, uint32_t i)
{
	return (i ? l->v[i - 1] : INT64_MAX) - (int64_t)(next(l) % 50) * 37;
}

static int64_t far_multiples(struct lists *l, uint32_t i)
{
	(void)i;
	return INT64_MIN + 1 + (int64_t)(next(l) % 3) * (INT64_MAX / 96 * 48);
}

static int64_t jumps(struct lists *l, uint32_t i)
{
	return i && i % 1000 ? l->v[i - 1] : before(l, i) + (int64_t)(next(l) >> 29);
}

static int64_t runs(struct lists *l, uint32_t i)
{
	return i && !rarely(l, 20) ? l->v[i - 1] : (int64_t)next(l);
}

static int64_t few_large(struct lists *l, uint32_t i)
{
	struct event_gen g = { .state = event_gen_below(&l->gen, 40) };

	(void)i;
	return (int64_t)event_gen_random(&g);
}

static int64_t skewed(struct lists *l, uint32_t i)
{
	(void)i;
	return (int64_t)__builtin_ctzll(next(l) | 1 << 20) * 3 + (int64_t)(next(l) & 1);
}

static int64_t ranked(struct lists *l, uint32_t i)
{
	(void)i;
	return (int64_t)((next(l) & 0xffff) >> event_gen_below(&l->gen, 17));
}

static int64_t one_odd(struct lists *l, uint32_t i)
{
	(void)l;
	return i == 100 ? INT64_MIN : -(int64_t)(i % 3);
}

static int64_t rising_then_far(struct lists *l, uint32_t i)
{
	return rarely(l, 3) ? (int64_t)next(l) : (int64_t)(UINT64_C(0x7ffffffffffffff0) + i);
}

static int64_t back_and_forth(struct lists *l, uint32_t i)
{
	int64_t d = (int64_t)(next(l) % 1000) - 500;

	return before(l, i) + (rarely(l, 30) ? d * 1000000000 : d);
}

static const shape_fn shapes[] = { same, steps, any, any_width, ends, ends_in_turn, digits, bits23,
	times, times_ms, falling_by_multiples, far_multiples, jumps, runs, few_large, skewed,
	ranked, one_odd, rising_then_far, back_and_forth };

enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static void make(struct lists *l, unsigned shape, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		l->v[i] = shapes[shape](l, i);
}

static int open_exact(struct lists *l, uint8_t **p, uint32_t count, struct col_stream *s)
{
	size_t n = l->out.len;
	struct rcur c;
	int rc;

	*p = malloc(n + (n == 0));
	assert_non_null(*p);
	if (n)
		memcpy(*p, l->out.p, n);
	arena_reset(&l->arena);
	c = rcur_of(*p, n);
	rc = col_stream_open(&c, count, &l->arena, s);
	if (rc == 0)
		assert_int_equal(rcur_left(&c), 0);
	return rc;
}

static void parts(struct lists *l, struct col_stream *s, uint32_t count)
{
	for (unsigned i = 0; i < PICKS; i++) {
		uint32_t first = event_gen_below(&l->gen, count);
		uint32_t n = event_gen_below(&l->gen, count - first + 1);

		n = i % 3 ? n % 200 : n;
		memset(l->got, 0xaa, n * sizeof l->got[0]);
		assert_int_equal(col_stream_get(s, first, n, l->got), 0);
		assert_memory_equal(l->got, l->v + first, n * sizeof l->got[0]);
	}
}

/* Some rows all over the stream, or close to one another. */
static void picks(struct lists *l, struct col_stream *s, uint32_t count, bool near)
{
	uint32_t n = 0, row = event_gen_below(&l->gen, count);

	while (n < PICKS && row < count) {
		l->rows[n++] = row;
		row += event_gen_below(&l->gen, near ? 3 : 2 * count / PICKS + 2);
	}
	assert_int_equal(col_stream_pick(s, l->rows, n, l->got), 0);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(l->got[i], l->v[l->rows[i]]);
}

static void round_trip(struct lists *l, struct col_stream_maker *m, uint32_t count)
{
	struct col_stream s;
	size_t cost;
	uint8_t *p;

	col_pack_plain(count % 3 == 0);
	col_stream_uncode_plain(count % 5 < 2);
	buf_reset(&l->out);
	col_stream_put(m, l->v, count, &l->out);
	assert_int_equal(l->out.err, 0);
	cost = col_stream_cost(m, l->v, count);
	assert_true(l->out.len <= cost + count / 64 + 8);
	assert_true(cost <= l->out.len + count / 64 + 8);
	/* Never worse than the plain bits by more than a header. */
	assert_true(l->out.len <= (size_t)count * 8 + count / 64 + 24);
	assert_int_equal(open_exact(l, &p, count, &s), 0);
	assert_int_equal(s.count, count);
	if (count)
		l->forms |= 1u << (l->out.p[0] & COL_STREAM_FORM);
	if (count % 2)
		picks(l, &s, count, count % 4 == 1);
	memset(l->got, 0xaa, count * sizeof l->got[0]);
	assert_int_equal(col_stream_get(&s, 0, count, l->got), 0);
	assert_memory_equal(l->got, l->v, count * sizeof l->got[0]);
	if (count) {
		parts(l, &s, count);
		picks(l, &s, count, true);
		picks(l, &s, count, false);
	}
	free(p);
}

static void every_short_length(void **state)
{
	struct lists *l = *state;

	for (unsigned shape = 0; shape < SHAPES; shape++) {
		for (uint32_t count = 0; count <= 300; count++) {
			make(l, shape, count);
			round_trip(l, &l->maker[count % 2], count);
		}
	}
}

static void long_ones(void **state)
{
	static const uint32_t counts[] = { 511, 512, 513, 2048, 2049, 5000, LARGE - 1, LARGE };
	struct lists *l = *state;

	for (unsigned shape = 0; shape < SHAPES; shape++) {
		for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
			make(l, shape, counts[i]);
			round_trip(l, &l->maker[i % 2], counts[i]);
		}
	}
	assert_int_equal(l->forms, 1 << COL_STREAM_CONST | 1 << COL_STREAM_STEP |
					   1 << COL_STREAM_FRAMES | 1 << COL_STREAM_CODED |
					   1 << COL_STREAM_RUNS | 1 << COL_STREAM_DICT);
}

/* Arithmetic as for int64: the other half of uint64 comes back too. */
static void unsigned_values(void **state)
{
	struct lists *l = *state;

	for (uint32_t i = 0; i < 1000; i++)
		l->v[i] = (int64_t)(UINT64_MAX - i * i);
	round_trip(l, &l->maker[0], 1000);
}

static size_t size_by(struct lists *l, int maker, shape_fn shape, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		l->v[i] = shape(l, i);
	buf_reset(&l->out);
	col_stream_put(&l->maker[maker], l->v, count, &l->out);
	assert_int_equal(l->out.err, 0);
	return l->out.len;
}

static size_t size_of(struct lists *l, shape_fn shape, uint32_t count)
{
	return size_by(l, 0, shape, count);
}

/* Some are likelier, though not by their size: codes save a bit of each. */
static int64_t likelier(struct lists *l, uint32_t below)
{
	uint32_t least = below - 1;

	for (int i = 0; i < 6; i++) {
		uint32_t v = event_gen_below(&l->gen, below);

		least = v < least ? v : least;
	}
	return (int64_t)(least * 5197u % below);
}

static int64_t of_few(struct lists *l, uint32_t i)
{
	(void)i;
	return likelier(l, 1024);
}

static int64_t of_many(struct lists *l, uint32_t i)
{
	(void)i;
	return likelier(l, 8192);
}

/* A table of many symbols takes longer to make than what a twentieth of the bytes is worth. */
static void a_bit_is_saved_where_it_is_quick(void **state)
{
	struct lists *l = *state;

	size_by(l, 1, of_few, LARGE);
	assert_int_equal(l->out.p[0] & COL_STREAM_FORM, COL_STREAM_CODED);
	size_by(l, 1, of_many, LARGE);
	assert_int_equal(l->out.p[0] & COL_STREAM_FORM, COL_STREAM_FRAMES);
}

static void sizes(void **state)
{
	struct lists *l = *state;

	/* The same lists, whatever was drawn before. */
	l->gen.state = 7;
	assert_true(size_of(l, same, LARGE) <= 2);
	assert_true(size_of(l, steps, LARGE) <= 8);
	assert_true(size_of(l, bits23, LARGE) <= LARGE / 8 * 23 + 16);
	assert_true(size_of(l, digits, 20) <= 14);
	/* 28 bits of gap and 1 in 50 late. */
	assert_true(size_of(l, times, LARGE) <= LARGE * 37 / 10);
	/* 40 values of 64 bits, 6 bits to point at them; codes save too little to be worth a seal's time. */
	assert_true(size_of(l, few_large, LARGE) <= LARGE / 8 * 6 + 1024);
	assert_true(size_by(l, 1, few_large, LARGE) < LARGE / 8 * 6);
	/* A jump in 1000 rows. */
	assert_true(size_of(l, jumps, LARGE) <= LARGE / 100);
	/* 100000 is 17 bits, whatever the unit. */
	assert_true(size_of(l, times_ms, LARGE) <= LARGE / 8 * 17 + 32);
	assert_true(size_of(l, falling_by_multiples, LARGE) <= LARGE / 8 * 6 + 1024);
}

/* Two streams in a row: open moves past exactly its own. */
static void one_after_another(void **state)
{
	struct lists *l = *state;
	struct col_stream a, b;
	struct rcur c;

	arena_reset(&l->arena);
	buf_reset(&l->out);
	for (uint32_t i = 0; i < 1000; i++)
		l->v[i] = times(l, i);
	col_stream_put(&l->maker[0], l->v, 1000, &l->out);
	col_stream_put(&l->maker[0], l->v + 500, 300, &l->out);
	c = rcur_of(l->out.p, l->out.len);
	assert_int_equal(col_stream_open(&c, 1000, &l->arena, &a), 0);
	assert_int_equal(col_stream_open(&c, 300, &l->arena, &b), 0);
	assert_int_equal(rcur_left(&c), 0);
	assert_int_equal(col_stream_get(&b, 0, 300, l->got), 0);
	assert_memory_equal(l->got, l->v + 500, 300 * sizeof l->got[0]);
	assert_int_equal(col_stream_get(&a, 999, 1, l->got), 0);
	assert_int_equal(l->got[0], l->v[999]);
}

/* ---- damage ---- */

static void read_all(struct lists *l, struct col_stream *s)
{
	uint32_t n = 0, row = event_gen_below(&l->gen, s->count);
	int rc;

	for (; n < PICKS && row < s->count; row += event_gen_below(&l->gen, s->count / 8 + 2))
		l->rows[n++] = row;
	rc = col_stream_pick(s, l->rows, n, l->got);
	assert_true(rc == 0 || rc == ERR_CORRUPT || rc == ERR_TRUNCATED);
	rc = col_stream_get(s, 0, s->count, l->got);
	assert_true(rc == 0 || rc == ERR_CORRUPT || rc == ERR_TRUNCATED);
}

/* Any outcome is right that stays inside the arrays. */
static void damage(void **state)
{
	struct lists *l = *state;

	for (unsigned round = 0; round < 6000; round++) {
		uint32_t count = 1 + event_gen_below(&l->gen, round % 50 ? 700 : LARGE);
		struct col_stream s;
		size_t changes = 1 + event_gen_below(&l->gen, 3);
		uint8_t *p;

		col_stream_uncode_plain(round % 3 == 0);
		make(l, round % SHAPES, count);
		buf_reset(&l->out);
		col_stream_put(&l->maker[round % 2], l->v, count, &l->out);
		for (size_t i = 0; i < changes; i++) {
			size_t most = round % 2 ? l->out.len : l->out.len < 12 ? l->out.len : 12;

			l->out.p[event_gen_below(&l->gen, (unsigned)most)] ^=
				(uint8_t)(1 << event_gen_below(&l->gen, 8));
		}
		if (round % 7 == 0)
			l->out.len = event_gen_below(&l->gen, (unsigned)l->out.len + 1);
		if (round % 11 == 0)
			count = 1 + event_gen_below(&l->gen, LARGE);
		p = malloc(l->out.len + 1);
		assert_non_null(p);
		memcpy(p, l->out.p, l->out.len);
		arena_reset(&l->arena);
		struct rcur c = rcur_of(p, l->out.len);
		if (col_stream_open(&c, count, &l->arena, &s) == 0)
			read_all(l, &s);
		else
			assert_true(c.err == ERR_CORRUPT || c.err == ERR_TRUNCATED);
		free(p);
	}
}

static int refused(struct lists *l, struct span bytes, uint32_t count)
{
	struct rcur c = rcur_of(bytes.p, bytes.n);
	struct col_stream s;
	int rc;

	arena_reset(&l->arena);
	rc = col_stream_open(&c, count, &l->arena, &s);
	assert_int_equal(rc, c.err);
	return rc < 0 ? rc : col_stream_get(&s, 0, count, l->got);
}

static void bounds(void **state)
{
	struct lists *l = *state;

	/* Unknown forms, flags of another form. */
	assert_int_equal(refused(l, SPAN_LIT("\x0f\x00"), 5), ERR_CORRUPT);
	assert_int_equal(refused(l, SPAN_LIT("\x10\x00"), 5), ERR_CORRUPT);
	assert_int_equal(refused(l, SPAN_LIT("\x44\x01\x00\x00\x00\x00"), 5), ERR_CORRUPT);
	assert_int_equal(refused(l, SPAN_LIT(""), 5), ERR_TRUNCATED);
	assert_int_equal(refused(l, SPAN_LIT("\x02\x00\x10\xff"), 5), ERR_TRUNCATED);
	/* Frames of 65 bits; more patches than rows; 64 bits and patches. */
	assert_int_equal(refused(l, SPAN_LIT("\x02\x00\x82\x01"), 1), ERR_CORRUPT);
	assert_int_equal(
		refused(l, SPAN_LIT("\x82\x00\x02\x04\x02\xff\xff\xff\xff"), 1), ERR_CORRUPT);
	assert_int_equal(
		refused(l, SPAN_LIT("\x82\x00\x80\x01\x02\x02........................"), 1),
		ERR_CORRUPT);
	/* A patch of the second of one row. */
	assert_int_equal(refused(l, SPAN_LIT("\x82\x00\x00\x02\x02\x01"), 1), ERR_CORRUPT);
	/* Runs: none, more than rows, one of 6 in 5 rows, nested runs. */
	assert_int_equal(refused(l, SPAN_LIT("\x04\x00\x00\x00\x00\x00"), 5), ERR_CORRUPT);
	assert_int_equal(refused(l, SPAN_LIT("\x04\x06\x00\x00\x00\x00"), 5), ERR_CORRUPT);
	assert_int_equal(refused(l, SPAN_LIT("\x04\x01\x00\x00\x00\x0a"), 5), ERR_CORRUPT);
	assert_int_equal(refused(l, SPAN_LIT("\x04\x01\x00\x00\x00\x06"), 5), ERR_CORRUPT);
	assert_int_equal(refused(l, SPAN_LIT("\x04\x01\x00\x00\x00\x08"), 5), 0);
	assert_int_equal(refused(l, SPAN_LIT("\x04\x01\x04\x01\x00\x00\x00\x00"), 5), ERR_CORRUPT);
	/* An index beyond the values. */
	assert_int_equal(refused(l, SPAN_LIT("\x05\x01\x00\x00\x00\x02"), 5), ERR_CORRUPT);
	assert_int_equal(refused(l, SPAN_LIT("\x05\x01\x00\x00\x00\x00"), 5), 0);
	/* More values than any stream has. */
	assert_int_equal(refused(l, SPAN_LIT("\x00\x00"), COL_STREAM_COUNT_MAX + 1), ERR_CORRUPT);
}

/* A short last frame asked for first: differences before it are added up, but only its values go out. */
static void last_frame(void **state)
{
	struct lists *l = *state;
	enum { COUNT = 3 * COL_STREAM_FRAME + 9, LAST = 9 };
	struct col_stream s;
	struct rcur c;

	for (uint32_t i = 0; i < COUNT; i++)
		l->v[i] = (i ? l->v[i - 1] : 1000) + (int64_t)(next(l) % 5);
	buf_reset(&l->out);
	arena_reset(&l->arena);
	col_stream_put(&l->maker[0], l->v, COUNT, &l->out);
	c = rcur_of(l->out.p, l->out.len);
	assert_int_equal(col_stream_open(&c, COUNT, &l->arena, &s), 0);
	memset(l->got, 0x55, sizeof l->got);
	assert_int_equal(col_stream_get(&s, COUNT - LAST, LAST, l->got), 0);
	assert_memory_equal(l->got, l->v + COUNT - LAST, LAST * sizeof l->v[0]);
	for (uint32_t i = LAST; i < COUNT; i++)
		assert_int_equal(l->got[i], 0x5555555555555555);
}

/* A claim of a million values in a few bytes stays inside the bound; no room is no crash. */
static void memory(void **state)
{
	struct lists *l = *state;
	struct rcur c = rcur_of("\x02\x00\x02\x00", 4);
	struct arena small;
	struct col_stream s;
	int64_t v;

	arena_reset(&l->arena);
	assert_int_equal(col_stream_open(&c, COL_STREAM_COUNT_MAX, &l->arena, &s), ERR_TRUNCATED);
	assert_true(l->arena.high <= COL_STREAM_MEMORY_MAX);
	c = rcur_of("\x02\x00\x00\x00", 4);
	assert_int_equal(col_stream_open(&c, COL_STREAM_COUNT_MAX, &l->arena, &s), 0);
	assert_int_equal(col_stream_get(&s, COL_STREAM_COUNT_MAX - 1, 1, &v), 0);
	assert_int_equal(v, 0);
	arena_init(&small, 64);
	c = rcur_of("\x02\x00\x00\x00", 4);
	assert_true(col_stream_open(&c, 1000, &small, &s) < 0);
	arena_fini(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_short_length),
		cmocka_unit_test(long_ones),
		cmocka_unit_test(unsigned_values),
		cmocka_unit_test(sizes),
		cmocka_unit_test(a_bit_is_saved_where_it_is_quick),
		cmocka_unit_test(one_after_another),
		cmocka_unit_test(damage),
		cmocka_unit_test(bounds),
		cmocka_unit_test(last_frame),
		cmocka_unit_test(memory),
	};

	return cmocka_run_group_tests_name("col_stream", tests, set_up, tear_down);
}
