/*
 * bench_text - what columns of texts cost: bytes and CPU time per row to write them, to read them
 * back whole, to read one row, and to search, for the columns that col_text encodes.
 *
 *	bench_text [FILE [LEVEL [ROUNDS [COLUMN]]]]
 *
 * FILE holds concatenated msgpack maps (gen_events -f msgpack); without it, seeded events of
 * tests/support are used. Blocks are as large as a segment's. LEVEL above 0 encodes as astrocompact;
 * ROUNDS encode every block so often, for profiles.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "storage/col_map.h"
#include "storage/col_text.h"
#include "tests/support/event_file.h"

enum { ARENA_BYTES = 256 << 20, PAGE_BYTES = 64 << 20 };

static const enum event_text columns[] = { EVENT_TEXT_ENTITY_ID, EVENT_TEXT_USER_ID,
	EVENT_TEXT_IP_ADDRESS, EVENT_TEXT_USER_AGENT, EVENT_TEXT_HOST, EVENT_TEXT_DESCRIPTION };
static const char *const names[] = { "entity_id", "user_id", "ip_address", "user_agent", "host",
	"description" };
static const enum event_text source_of[COL_TEXT_SOURCES] = { EVENT_TEXT_ENTITY_ID,
	EVENT_TEXT_ENTITY_TYPE, EVENT_TEXT_USER_ID, EVENT_TEXT_IP_ADDRESS, EVENT_TEXT_SERVICE,
	EVENT_TEXT_HOST };

enum { COLUMNS = ARRAY_COUNT(columns) };

static const char *only; /* the column asked for; NULL: all */

struct totals {
	uint64_t rows;
	uint64_t bytes;
	uint64_t raw;
	double put_s, all_s, one_s, equal_s, contains_s;
};

struct block {
	uint32_t count;
	struct span *values[EVENT_TEXT_COUNT];
	struct span *maps;
	uint32_t *keys[COL_TEXT_KEYS];
	uint32_t keys_count[COL_TEXT_KEYS];
	struct col_map_maker *map; /* has the leaves of the maps put last */
};

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* As the segment's dictionaries give them: by order of arrival; a column of many values has none. */
static void code(const struct span *values, uint32_t count, uint32_t *out, uint32_t *out_count)
{
	struct span seen[256];
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t k = 0;

		while (k < n && !span_eq(seen[k], values[i]))
			k++;
		if (k == ARRAY_COUNT(seen)) {
			*out_count = 0;
			return;
		}
		if (k == n)
			seen[n++] = values[i];
		out[i] = k;
	}
	*out_count = n;
}

static void load(struct block *b, const struct event *ev, uint32_t count)
{
	b->count = count;
	for (uint32_t i = 0; i < count; i++) {
		for (int c = 0; c < EVENT_TEXT_COUNT; c++)
			b->values[c][i] = ev[i].text[c];
		b->maps[i] = ev[i].metadata;
	}
	code(b->values[EVENT_TEXT_EVENT_TYPE], count, b->keys[COL_TEXT_KEY_EVENT_TYPE],
		&b->keys_count[COL_TEXT_KEY_EVENT_TYPE]);
	code(b->values[EVENT_TEXT_ENTITY_TYPE], count, b->keys[COL_TEXT_KEY_ENTITY_TYPE],
		&b->keys_count[COL_TEXT_KEY_ENTITY_TYPE]);
}

static int source(
	void *ctx, enum col_text_source s, const uint32_t *rows, size_t count, struct span *out)
{
	const struct block *b = ctx;

	for (size_t i = 0; i < count; i++)
		out[i] = b->values[source_of[s]][rows ? rows[i] : i];
	return 0;
}

static int key(void *ctx, enum col_text_key k, const uint32_t *rows, size_t count, uint32_t *out)
{
	const struct block *b = ctx;

	for (size_t i = 0; i < count; i++)
		out[i] = b->keys[k][rows ? rows[i] : i];
	return 0;
}

static int leaf(
	void *ctx, uint32_t l, const uint32_t *rows, size_t count, struct col_text_leaf *out)
{
	const struct block *b = ctx;

	return col_map_maker_leaf(b->map, l, rows, count, out);
}

static struct col_text_in input(const struct block *b, int c, struct col_map_maker *maps, int level)
{
	struct col_text_in in = {
		.rows_count = b->count, .values = b->values[columns[c]], .level = level
	};

	in.want_codes = columns[c] == EVENT_TEXT_USER_ID;
	for (int k = 0; k < (c > 1 ? COL_TEXT_KEYS : COL_TEXT_KEY_USER_ID); k++) {
		in.keys[k] = b->keys_count[k] ? b->keys[k] : NULL;
		in.keys_count[k] = b->keys_count[k];
	}
	if (columns[c] != EVENT_TEXT_DESCRIPTION)
		return in;
	for (int s = 0; s < COL_TEXT_SOURCES; s++)
		in.sources[s] = b->values[source_of[s]];
	in.leaves_count = col_map_maker_leaves(maps);
	in.leaf = col_map_maker_leaf;
	in.leaf_ctx = maps;
	return in;
}

static void check(const struct block *b, int c, const uint32_t *lengths, const struct buf *bytes)
{
	size_t at = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		struct span v = b->values[columns[c]][i];

		ASSERT(lengths[i] == (v.p ? v.n + 1 : 0));
		ASSERT(v.n == 0 || memcmp(bytes->p + at, v.p, v.n) == 0);
		at += v.n;
	}
	ASSERT(at == bytes->len);
}

static void read_back(struct block *b, int c, struct span page, struct totals *t)
{
	static uint32_t lengths[COL_TEXT_ROWS_MAX];
	static uint8_t match[COL_TEXT_ROWS_MAX];
	struct col_text_env env = { .ctx = b, .source = source, .key = key, .leaf = leaf };
	struct needle x;
	struct textset set;
	struct col_text_value value;
	struct col_text text;
	struct arena mem;
	struct buf bytes;
	double from;

	arena_init(&mem, ARENA_BYTES);
	buf_init(&bytes, PAGE_BYTES);
	buf_reserve(&bytes, COL_TEXT_RAW_MAX);
	from = cpu_s();
	ASSERT(col_text_open(&text, page, b->count, &env, &mem) == 0);
	ASSERT(col_text_all(&text, lengths, &bytes) == 0);
	t->all_s += cpu_s() - from;
	check(b, c, lengths, &bytes);
	for (uint32_t i = 0; i < 16; i++) {
		uint32_t row = (uint32_t)((uint64_t)b->count * i / 16);

		arena_reset(&mem);
		buf_reset(&bytes);
		from = cpu_s();
		ASSERT(col_text_open(&text, page, b->count, &env, &mem) == 0);
		ASSERT(col_text_get(&text, &row, 1, &bytes, &value) == 0);
		t->one_s += (cpu_s() - from) / 16;
	}
	arena_reset(&mem);
	needle_init(&x, SPAN_LIT("zephyrine"));
	memset(match, 1, b->count);
	from = cpu_s();
	ASSERT(col_text_open(&text, page, b->count, &env, &mem) == 0);
	ASSERT(col_text_contains(&text, &x, match) == 0);
	t->contains_s += cpu_s() - from;
	needle_fini(&x);
	arena_reset(&mem);
	textset_init(&set, &b->values[columns[c]][b->count / 2], 1);
	memset(match, 1, b->count);
	from = cpu_s();
	ASSERT(col_text_open(&text, page, b->count, &env, &mem) == 0);
	ASSERT(col_text_equal(&text, &set, match) == 0);
	t->equal_s += cpu_s() - from;
	ASSERT(match[b->count / 2]);
	textset_fini(&set);
	buf_fini(&bytes);
	arena_fini(&mem);
}

static void take_codes(struct block *b, const struct col_text_maker *m)
{
	uint32_t entries;
	const uint32_t *codes = col_text_maker_codes(m, &entries);

	free(b->keys[COL_TEXT_KEY_USER_ID]);
	b->keys[COL_TEXT_KEY_USER_ID] = NULL;
	b->keys_count[COL_TEXT_KEY_USER_ID] = 0;
	if (!codes)
		return;
	b->keys[COL_TEXT_KEY_USER_ID] = malloc(b->count * sizeof(uint32_t));
	memcpy(b->keys[COL_TEXT_KEY_USER_ID], codes, b->count * sizeof *codes);
	b->keys_count[COL_TEXT_KEY_USER_ID] = entries + 1;
}

static void run(struct block *b, struct col_text_maker *m, int level, int rounds, struct totals *t)
{
	struct col_map_maker maps;
	struct buf map_page, page;

	col_map_maker_init(&maps, level);
	buf_init(&map_page, PAGE_BYTES);
	buf_init(&page, PAGE_BYTES);
	buf_reserve(&page, 1 << 20);
	struct col_map_in map_in = { .rows_count = b->count, .maps = b->maps };
	ASSERT(col_map_put(&maps, &map_in, &map_page) == 0);
	b->map = &maps;
	for (int c = 0; c < COLUMNS; c++) {
		if (only && strcmp(only, names[c]) != 0)
			continue;
		struct col_text_in in = input(b, c, &maps, level);
		double from = cpu_s();

		for (int i = 0; i < rounds; i++) {
			buf_reset(&page);
			ASSERT(col_text_put(m, &in, &page) == 0);
		}
		t[c].put_s += (cpu_s() - from) / rounds;
		if (columns[c] == EVENT_TEXT_USER_ID)
			take_codes(b, m);
		t[c].bytes += page.len;
		t[c].rows += b->count;
		for (uint32_t i = 0; i < b->count; i++)
			t[c].raw += in.values[i].n;
		read_back(b, c, buf_span(&page), &t[c]);
	}
	buf_fini(&map_page);
	buf_fini(&page);
	col_map_maker_fini(&maps);
}

/* As many rows as a block takes. */
static size_t block_rows(const struct event *ev, size_t count)
{
	size_t n = 0, bytes = 0;

	while (n < count && n < COL_TEXT_ROWS_MAX && bytes < LIMIT_BLOCK_BYTES) {
		for (int c = 0; c < EVENT_TEXT_COUNT; c++)
			bytes += ev[n].text[c].n;
		bytes += ev[n++].metadata.n;
	}
	return n;
}

int main(int argc, char **argv)
{
	struct totals t[COLUMNS] = { 0 };
	struct col_text_maker maker;
	struct block b = { 0 };
	int level = argc > 2 ? atoi(argv[2]) : 0;
	size_t count, blocks = 0;

	only = argc > 4 ? argv[4] : NULL;
	struct event *ev = event_file_load(argc > 1 ? argv[1] : NULL, &count);

	for (int c = 0; c < EVENT_TEXT_COUNT; c++)
		b.values[c] = calloc(COL_TEXT_ROWS_MAX, sizeof(struct span));
	b.maps = calloc(COL_TEXT_ROWS_MAX, sizeof(struct span));
	b.keys[0] = calloc(COL_TEXT_ROWS_MAX, sizeof(uint32_t));
	b.keys[1] = calloc(COL_TEXT_ROWS_MAX, sizeof(uint32_t));
	col_text_maker_init(&maker);
	for (size_t at = 0, n; at < count; at += n) {
		n = block_rows(ev + at, count - at);
		blocks++;

		load(&b, ev + at, (uint32_t)n);
		run(&b, &maker, level, argc > 3 ? atoi(argv[3]) : 1, t);
	}
	printf("%zu events, level %d\n%-12s %8s %8s %8s %8s %8s %8s %8s\n", count, level, "column",
		"raw B", "B/row", "put ns", "all ns", "one us", "equal ns", "find ns");
	for (int c = 0; c < COLUMNS; c++) {
		double rows = (double)t[c].rows;

		printf("%-12s %8.2f %8.3f %8.1f %8.1f %8.1f %8.1f %8.1f\n", names[c],
			(double)t[c].raw / rows, (double)t[c].bytes / rows, t[c].put_s * 1e9 / rows,
			t[c].all_s * 1e9 / rows, t[c].one_s * 1e6 / (double)blocks,
			t[c].equal_s * 1e9 / rows, t[c].contains_s * 1e9 / rows);
	}
	col_text_maker_fini(&maker);
	return 0;
}
