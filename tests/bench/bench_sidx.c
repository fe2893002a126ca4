/*
 * bench_sidx - what the sidecars .ent and .tok cost: CPU time per event to gather keys and to make
 * the table, bytes per key and per event, time per lookup.
 *
 *	bench_sidx [FILE [ROWS]]
 *
 * FILE holds concatenated msgpack maps (gen_events -f msgpack); without it, seeded events of
 * tests/support are used. ROWS per segment, 150 000 by default; blocks are full ones.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/base/check.h"
#include "storage/sidx_entity_maker.h"
#include "storage/sidx_word_maker.h"
#include "tests/support/event_file.h"
#include "tests/support/mem_vfs.h"

enum { LOOKUPS = 200000, BLOCK_WORDS = LIMIT_SEGMENT_BLOCKS / 64, EVENT_BYTES = 27, CHUNK = 256 };

struct totals {
	double gather_s, make_s;
	uint64_t bytes, keys;
};

static struct sidx_entity_maker entities;
static struct sidx_word_maker words;
static uint64_t found_blocks;
static volatile uint64_t touched;

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Rows reach a maker hot, just after they were appended to their segment. */
static void touch(const struct event *ev, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (int k = 0; k < EVENT_TEXT_COUNT; k++) {
			for (size_t at = 0; at < ev[i].text[k].n; at += 32)
				touched += ev[i].text[k].p[at];
		}
		for (size_t at = 0; at < ev[i].metadata.n; at += 32)
			touched += ev[i].metadata.p[at];
	}
}

typedef void row_cb(uint32_t block, const struct event *ev);

static void add_entity(uint32_t block, const struct event *ev)
{
	sidx_entity_maker_row(&entities, block, ev);
}

static void add_words(uint32_t block, const struct event *ev)
{
	sidx_word_maker_row(&words, block, ev);
}

/* CPU time of giving all rows to a maker. */
static double gather(row_cb *row, const struct event *ev, size_t rows)
{
	double sum = 0, start;

	for (size_t at = 0; at < rows; at += CHUNK) {
		size_t n = rows - at < CHUNK ? rows - at : CHUNK;

		touch(ev + at, n);
		start = cpu_s();
		for (size_t i = at; i < at + n; i++)
			row((uint32_t)(i / LIMIT_BLOCK_ROWS), &ev[i]);
		sum += cpu_s() - start;
	}
	return sum;
}

static void print(const char *name, const struct totals *t, size_t rows)
{
	printf("%s: %.3f us per event to gather, %.3f to make; %" PRIu64
	       " keys, %.2f bits a key, %.3f bytes per event\n",
		name, t->gather_s * 1e6 / (double)rows, t->make_s * 1e6 / (double)rows, t->keys,
		(double)t->bytes * 8 / (double)t->keys, (double)t->bytes / (double)rows);
}

static void look_up_entities(const struct seg_info *seg, const struct buf *b,
	const struct event *ev, size_t rows, struct totals *t)
{
	struct sidx_entity *x = NULL;
	struct mem_vfs m;
	uint64_t ids = 0, users = 0;
	double start;

	mem_vfs_init(&m, buf_span(b));
	ASSERT(sidx_entity_open(&m.table, 0, "x.ent", seg, &x, NULL) == 0);
	sidx_entity_counts(x, &ids, &users);
	t->keys += ids + users;
	start = cpu_s();
	for (size_t i = 0; i < LOOKUPS; i++) {
		uint64_t blocks[BLOCK_WORDS] = { 0 };
		struct span id = ev[i * 7919 % rows].text[EVENT_TEXT_ENTITY_ID];

		ASSERT(!id.p || sidx_entity_find_id(x, id, blocks, NULL) == 0);
		found_blocks += blocks[0];
	}
	printf("  one of %" PRIu64 " ids: %.3f us\n", ids, (cpu_s() - start) * 1e6 / LOOKUPS);
	sidx_entity_close(&x);
}

static void look_up_words(const struct seg_info *seg, const struct buf *b, struct totals *t)
{
	struct sidx_word *x = NULL;
	struct mem_vfs m;
	size_t named = 0;
	double start;

	mem_vfs_init(&m, buf_span(b));
	ASSERT(sidx_word_open(&m.table, 0, "x.tok", seg, &x, NULL) == 0);
	t->keys += sidx_word_count(x);
	start = cpu_s();
	for (unsigned i = 0; i < LOOKUPS / 10; i++) {
		uint64_t blocks[BLOCK_WORDS] = { 0 };
		char text[32];
		int n = snprintf(text, sizeof text, "z%uq", i);

		ASSERT(sidx_word_find(x, NULL, span_of(text, (size_t)n), blocks, NULL) >= 0);
		named += (size_t)__builtin_popcountll(blocks[0]);
	}
	printf("  a word that is nowhere: %.3f us, %.4f of %u blocks named\n",
		(cpu_s() - start) * 1e6 / (LOOKUPS / 10), (double)named / (LOOKUPS / 10),
		seg->blocks_count);
	sidx_word_close(&x);
}

static void bench_entities(
	const struct seg_info *seg, const struct event *ev, size_t rows, struct totals *t)
{
	struct buf b;
	double start;

	buf_init(&b, SIDX_COMMON_FILE_BYTES_MAX);
	sidx_entity_maker_begin(&entities, 0, 1);
	t->gather_s += gather(add_entity, ev, rows);
	start = cpu_s();
	ASSERT(sidx_entity_maker_range_end(&entities, seg) == 0);
	ASSERT(sidx_entity_maker_put(&entities, seg, &b) == 0);
	t->make_s += cpu_s() - start;
	t->bytes += b.len;
	look_up_entities(seg, &b, ev, rows, t);
	buf_fini(&b);
}

static void bench_words(
	const struct seg_info *seg, const struct event *ev, size_t rows, struct totals *t)
{
	struct buf b;
	double start;

	buf_init(&b, SIDX_COMMON_FILE_BYTES_MAX);
	sidx_word_maker_begin(&words, 0, 1);
	t->gather_s += gather(add_words, ev, rows);
	start = cpu_s();
	ASSERT(sidx_word_maker_range_end(&words, seg) == 0);
	ASSERT(sidx_word_maker_put(&words, seg, &b) == 0);
	t->make_s += cpu_s() - start;
	t->bytes += b.len;
	look_up_words(seg, &b, t);
	buf_fini(&b);
}

int main(int argc, char **argv)
{
	size_t count, rows_max = argc > 2 ? strtoul(argv[2], NULL, 10) : 150000;
	struct event *ev = event_file_load(argc > 1 ? argv[1] : NULL, &count);
	struct totals e = { 0 }, w = { 0 };

	ASSERT(rows_max > 0);
	sidx_entity_maker_init(&entities);
	sidx_word_maker_init(&words);
	for (size_t at = 0; at < count; at += rows_max) {
		size_t rows = count - at < rows_max ? count - at : rows_max;
		struct seg_info seg = {
			.segment_id = 1,
			.sum = 1,
			.rows_count = rows,
			.file_bytes = rows * EVENT_BYTES,
			.blocks_count = (uint32_t)((rows - 1) / LIMIT_BLOCK_ROWS + 1),
		};

		bench_entities(&seg, ev + at, rows, &e);
		bench_words(&seg, ev + at, rows, &w);
	}
	print(".ent", &e, count);
	print(".tok", &w, count);
	sidx_entity_maker_fini(&entities);
	sidx_word_maker_fini(&words);
	free(ev);
	return found_blocks == 1;
}
