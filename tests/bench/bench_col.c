/*
 * bench_col - what a stream of integers costs: bits per value, CPU time per value to write and to
 * read all, and to read one value of a stream opened before. By distribution, as columns of real
 * events have them; both levels of the writer.
 *
 *	bench_col [COUNT]
 *
 * COUNT values per stream, a block of 65,536 by default.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "storage/col_stream.h"
#include "tests/support/event_gen.h"

enum { REPEATS = 20, GETS = 2000, ZIPF = 50000 };

static struct event_gen gen = { .state = 11 };
static double zipf_sums[ZIPF];
static uint32_t shuffled[ZIPF];

static double unit(void)
{
	return (double)(event_gen_random(&gen) >> 11) / 9007199254740992.0;
}

/* -ln of a uniform number, by the series of the area hyperbolic tangent: no libm for one line. */
static double exponential(void)
{
	double v = 1 - unit(), halvings = 0, y, sum = 0, power;

	for (; v < 0.5; v *= 2)
		halvings++;
	y = power = (v - 1) / (v + 1);
	for (int i = 1; i < 30; i += 2, power *= y * y)
		sum += power / i;
	return halvings * 0.69314718055994531 - 2 * sum;
}

static void make_zipf(void)
{
	double sum = 0;

	for (uint32_t i = 0; i < ZIPF; i++) {
		sum += 1.0 / (i + 1);
		zipf_sums[i] = sum;
		shuffled[i] = i;
	}
	for (uint32_t i = ZIPF; i > 1; i--) {
		uint32_t k = event_gen_below(&gen, i), t = shuffled[i - 1];

		shuffled[i - 1] = shuffled[k];
		shuffled[k] = t;
	}
}

static uint32_t zipf(void)
{
	double at = unit() * zipf_sums[ZIPF - 1];
	uint32_t low = 0, high = ZIPF - 1;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (zipf_sums[mid] < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

#define START INT64_C(1768176000000000000)

/* As gen_events: one event in each slot of 130 ms, 2 in 100 late by up to 2 s, 1 in 1000 by 5 min. */
static void slots(int64_t *v, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		double r = unit(), late = r < 0.001 ? 300e9 : r < 0.021 ? 2e9 : 0;

		v[i] = START + (int64_t)((i + unit()) * 129.6e6 - late * unit());
	}
}

static void poisson(int64_t *v, uint32_t count)
{
	int64_t t = START;

	for (uint32_t i = 0; i < count; i++) {
		t += (int64_t)(exponential() * 129.6e6);
		v[i] = unit() < 0.02 ? t - (int64_t)(unit() * 2e9) : t;
	}
}

static void milliseconds(int64_t *v, uint32_t count)
{
	int64_t t = START;

	for (uint32_t i = 0; i < count; i++) {
		t += (int64_t)(exponential() * 130) * 1000000;
		v[i] = t;
	}
}

static void received(int64_t *v, uint32_t count)
{
	int64_t t = START;

	for (uint32_t i = 0; i < count; i++) {
		if (i % 1000 == 0)
			t += (int64_t)(exponential() * 5e6);
		v[i] = t;
	}
}

static void uniform23(int64_t *v, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		v[i] = event_gen_below(&gen, 1 << 23);
}

static void ranked(int64_t *v, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		v[i] = zipf();
}

static void unranked(int64_t *v, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		v[i] = shuffled[zipf()];
}

static void zipf_numbers(int64_t *v, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		v[i] = 100000 + (int64_t)shuffled[zipf()] * 11;
}

static void types(int64_t *v, uint32_t count)
{
	static const uint8_t per_cent[] = { 26, 18, 13, 11, 8, 7, 6, 4, 3, 2, 1, 1 };

	for (uint32_t i = 0; i < count; i++) {
		unsigned r = event_gen_below(&gen, 100), k = 0;

		for (; r >= per_cent[k]; k++)
			r -= per_cent[k];
		v[i] = k;
	}
}

static void severities(int64_t *v, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		double r = unit();

		v[i] = r < 0.87 ? 6 : r < 0.93 ? 7 : r < 0.97 ? 4 : r < 0.996 ? 3 : 2;
	}
}

static void durations(int64_t *v, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		v[i] = (int64_t)(24 * (unit() + 0.5) * exponential() * exponential());
}

static void ids(int64_t *v, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		v[i] = 7000000 + (int64_t)i;
}

static void sorted(int64_t *v, uint32_t count)
{
	int64_t at = 1000000;

	for (uint32_t i = 0; i < count; i++) {
		at += 37 * (1 + (int64_t)(exponential() * 2));
		v[i] = at;
	}
}

static const struct {
	const char *name;
	void (*make)(int64_t *v, uint32_t count);
} columns[] = {
	{ "times, slots", slots },
	{ "times, poisson", poisson },
	{ "times in ms", milliseconds },
	{ "received", received },
	{ "ids", ids },
	{ "severities", severities },
	{ "12 types", types },
	{ "zipf codes, ranked", ranked },
	{ "zipf codes, unranked", unranked },
	{ "zipf numbers", zipf_numbers },
	{ "durations", durations },
	{ "sorted multiples", sorted },
	{ "23 bits", uniform23 },
};

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double write_ns(const int64_t *v, uint32_t count, int level, struct buf *out)
{
	struct col_stream_maker m;
	double start;

	col_stream_maker_init(&m, level);
	col_stream_put(&m, v, count, out);
	start = cpu_ns();
	for (int i = 0; i < REPEATS; i++) {
		buf_reset(out);
		col_stream_put(&m, v, count, out);
	}
	start = (cpu_ns() - start) / REPEATS / count;
	ASSERT(out->err == 0);
	col_stream_maker_fini(&m);
	return start;
}

/* Opening and its tables included. */
static double read_ns(const int64_t *v, uint32_t count, const struct buf *in, int64_t *got)
{
	struct arena mem;
	struct col_stream s;
	double start = cpu_ns();

	arena_init(&mem, COL_STREAM_MEMORY_MAX);
	for (int i = 0; i < REPEATS; i++) {
		struct rcur c = rcur_of(in->p, in->len);

		arena_reset(&mem);
		ASSERT(col_stream_open(&c, count, &mem, &s) == 0);
		ASSERT(col_stream_get(&s, 0, count, got) == 0);
	}
	start = (cpu_ns() - start) / REPEATS / count;
	ASSERT(memcmp(v, got, count * sizeof *v) == 0);
	arena_fini(&mem);
	return start;
}

static double get_ns(uint32_t count, const struct buf *in)
{
	struct rcur c = rcur_of(in->p, in->len);
	struct arena mem;
	struct col_stream s;
	double start;
	int64_t v;

	arena_init(&mem, COL_STREAM_MEMORY_MAX);
	ASSERT(col_stream_open(&c, count, &mem, &s) == 0);
	ASSERT(col_stream_get(&s, 0, 1, &v) == 0);
	start = cpu_ns();
	for (int i = 0; i < GETS; i++)
		ASSERT(col_stream_get(&s, event_gen_below(&gen, count), 1, &v) == 0);
	start = (cpu_ns() - start) / GETS;
	arena_fini(&mem);
	return start;
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 65536;
	int64_t *v = calloc(count, sizeof *v), *got = calloc(count, sizeof *got);
	struct buf out;

	ASSERT(v && got);
	ASSERT(count > 0 && count <= COL_STREAM_COUNT_MAX);
	buf_init(&out, 16 << 20);
	make_zipf();
	printf("%-22s %5s %4s %9s %8s %8s %8s\n", "column", "level", "form", "bits", "write ns",
		"read ns", "one ns");
	for (size_t i = 0; i < ARRAY_COUNT(columns); i++) {
		columns[i].make(v, count);
		for (int level = 0; level <= 9; level += 9) {
			double ns = write_ns(v, count, level, &out);

			printf("%-22s %5d %4u %9.3f %8.2f", columns[i].name, level, out.p[0] & 15,
				(double)out.len * 8 / count, ns);
			printf(" %8.2f", read_ns(v, count, &out, got));
			printf(" %8.0f\n", get_ns(count, &out));
		}
	}
	buf_fini(&out);
	free(v);
	free(got);
	return 0;
}
