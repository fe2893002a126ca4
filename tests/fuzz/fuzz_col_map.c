/*
 * Goal: no page makes a reader write outside its memory or read outside the page, and what a page
 *       that is accepted gives can be written and read again; any maps come back as they were.
 * Input: u8 kind. 0: u16 rows, a page. 1: rows, each a u8 length and the bytes (255: absent).
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "storage/col_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { ROWS_MAX = 9000, ABSENT = 255, GET = 16 };

static struct span maps[ROWS_MAX];
static uint32_t lengths[2][ROWS_MAX];
static struct col_text_value values[GET];

static int give_types(
	void *ctx, enum col_text_key key, const uint32_t *rows, size_t count, uint32_t *out)
{
	(void)ctx;
	ASSERT(key == COL_TEXT_KEY_EVENT_TYPE);
	for (size_t i = 0; i < count; i++)
		out[i] = (rows ? rows[i] : (uint32_t)i) % 3;
	return 0;
}

static int give_source(void *ctx, enum col_text_source source, const uint32_t *rows, size_t count,
	struct span *out)
{
	(void)ctx;
	for (size_t i = 0; i < count; i++)
		out[i] = (rows ? rows[i] : i) % 5 ? SPAN_LIT("order") : SPAN_NONE;
	ASSERT(source < COL_TEXT_SOURCES);
	return 0;
}

static const struct col_text_env env = { .key = give_types, .source = give_source };

/* Rows that are said to have the path have it; so many have an entry, if its values are entries. */
static void ask_path(struct col_map *m, uint32_t path, uint32_t count)
{
	static struct col_map_cell entries[LIMIT_BLOCK_ROWS];
	static uint8_t match[ROWS_MAX], has[ROWS_MAX];
	struct span keys[LIMIT_MAP_NESTING + 1];
	uint32_t depth = 0;
	struct buf b;

	for (int32_t p = (int32_t)path; p > 0 && depth < ARRAY_COUNT(keys); depth++) {
		memmove(keys + 1, keys, depth * sizeof *keys);
		keys[0] = col_map_key(m, (uint32_t)p, &p);
	}
	memset(match, 1, count);
	if (col_map_has(m, keys, depth, match, has) < 0 ||
		col_map_find(m, keys, depth) != (int32_t)path)
		return;
	buf_init(&b, COL_MAP_RAW_MAX);
	for (uint32_t row = 0; row < count; row++) {
		struct col_map_cell cell;

		buf_reset(&b);
		if (row % 97 == 0 && col_map_cells(m, path, &row, 1, &b, &cell) == 0)
			ASSERT((cell.present == COL_MAP_HAS) == (has[row] == COL_MAP_HAS));
	}
	for (uint32_t g = 0; col_map_entries(m, path) > 0 && g * COL_MAP_ENTRY_ROWS < count; g++) {
		const uint16_t *of_rows;
		uint32_t n = 0;

		for (uint32_t i = g * COL_MAP_ENTRY_ROWS;
			i < count && i < (g + 1) * COL_MAP_ENTRY_ROWS; i++)
			n += has[i] == COL_MAP_HAS;
		buf_reset(&b);
		if (col_map_entry_cells(m, path, &b, entries) == 0 &&
			col_map_entry_rows(m, path, g, n, &of_rows) == 0) {
			for (uint32_t i = 0; i < n; i++)
				ASSERT(of_rows[i] < col_map_entries(m, path));
		}
	}
	buf_fini(&b);
}

/* Everything that can be asked; what it answers is compared where all gave an answer. */
static void ask(struct col_map *m, uint32_t count, const struct buf *all, int rc)
{
	struct buf b;
	uint32_t rows[GET], n = 0;
	struct col_map_cell cells[GET];
	struct col_text_leaf leaves[GET];

	buf_init(&b, COL_MAP_RAW_MAX);
	for (uint32_t i = 0; i < count && n < GET; i += 1 + count / GET)
		rows[n++] = i;
	if (col_map_get(m, rows, n, &b, values) == 0 && rc == 0) {
		for (uint32_t i = 0; i < n; i++) {
			uint32_t bytes = values[i].length ? values[i].length - 1 : 0;

			ASSERT(values[i].length == lengths[0][rows[i]]);
			ASSERT(bytes <= all->len);
		}
	}
	buf_reset(&b);
	if (col_map_get_json(m, rows, n, &b, values) == 0 && rc == 0) {
		for (uint32_t i = 0; i < n; i++)
			ASSERT((values[i].length == 0) == (lengths[0][rows[i]] == 0));
	}
	for (uint32_t path = 1; path < col_map_paths_count(m) && path < 64; path++) {
		int32_t outer;

		col_map_key(m, path, &outer);
		col_map_leaf(m, path, rows, n, leaves);
		buf_reset(&b);
		if (col_map_paths_count(m) > 1)
			col_map_cells(m, path, rows, n, &b, cells);
		ask_path(m, path, count);
	}
	buf_fini(&b);
}

/* Writes the maps and reads them back. */
static void round_trip(uint32_t count)
{
	static uint32_t three[ROWS_MAX];
	struct col_map_in in = { .rows_count = count, .maps = maps };
	static struct col_map_maker maker; /* kept, as a sealer does */
	struct col_map *m;
	struct arena mem;
	struct buf page, all;
	const uint8_t *p;

	for (uint32_t i = 0; i < count; i++)
		three[i] = i % 3;
	in.types = three;
	in.types_count = 3;
	maker.level = (int)(count & 1);
	arena_init(&mem, COL_MAP_MEMORY_MAX);
	buf_init(&page, 4 * COL_MAP_RAW_MAX);
	buf_init(&all, COL_MAP_RAW_MAX);
	ASSERT(col_map_put(&maker, &in, &page) == 0);
	ASSERT(col_map_open(buf_span(&page), count, &env, &mem, &m) == 0);
	ASSERT(col_map_all(m, lengths[1], &all) == 0);
	p = all.p;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t bytes = lengths[1][i] ? lengths[1][i] - 1 : 0;

		ASSERT((maps[i].p != NULL) == (lengths[1][i] > 0));
		ASSERT(span_eq(maps[i], span_of(p, bytes)));
		p += bytes;
	}
	memcpy(lengths[0], lengths[1], count * sizeof lengths[0][0]);
	ask(m, count, &all, 0);
	arena_fini(&mem);
	buf_fini(&page);
	buf_fini(&all);
}

static void read_page(struct span page, uint32_t count)
{
	struct col_map *m;
	struct arena mem;
	struct buf all;
	int rc;

	arena_init(&mem, COL_MAP_MEMORY_MAX);
	buf_init(&all, COL_MAP_RAW_MAX);
	if (col_map_open(page, count, &env, &mem, &m) == 0) {
		size_t at = 0;

		rc = col_map_all(m, lengths[0], &all);
		ask(m, count, &all, rc);
		for (uint32_t i = 0; i < count && rc == 0; i++) {
			uint32_t bytes = lengths[0][i] ? lengths[0][i] - 1 : 0;

			ASSERT(bytes <= all.len - at);
			maps[i] = lengths[0][i] ? span_of(all.p + at, bytes) : SPAN_NONE;
			at += bytes;
		}
		if (rc == 0 && all.len < 1 << 16)
			round_trip(count);
	}
	arena_fini(&mem);
	buf_fini(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint32_t count = 0;

	if (n < 4)
		return 0;
	if (p[0] % 2 == 0) {
		count = 1 + (uint32_t)(p[1] | p[2] << 8) % ROWS_MAX;
		read_page(span_of(p + 3, n - 3), count);
		return 0;
	}
	for (size_t at = 1; at < n && count < ROWS_MAX;) {
		uint8_t bytes = p[at++];

		maps[count] = SPAN_NONE;
		if (bytes != ABSENT) {
			if (bytes > n - at)
				bytes = (uint8_t)(n - at);
			maps[count] = span_of(p + at, bytes);
			at += bytes;
		}
		count++;
	}
	if (count > 0)
		round_trip(count);
	return 0;
}
