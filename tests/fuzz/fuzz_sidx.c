/*
 * Goal: no sidecar makes a lookup read outside it or name a block that the segment does not have.
 * Method: the first byte chooses the kind; sums and the segment's name are put right, those of the
 *         pages too, so that the bytes behind them are reached. The segment has as many rows as the
 *         reserved bytes of the header say, for cubes.
 */
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/sidx_cube.h"
#include "storage/sidx_entity.h"
#include "storage/sidx_keys.h"
#include "storage/sidx_type.h"
#include "storage/sidx_word.h"
#include "tests/support/mem_vfs.h"

static void use_table(const struct sidx_cube *x, const struct sidx_cube_table *t, uint64_t rows)
{
	struct sidx_cube_walk w = sidx_cube_begin(t);
	static uint32_t counts[LIMIT_CUBE_BUCKETS];
	static uint16_t buckets[LIMIT_CUBE_BUCKETS];
	uint64_t sum = 0;

	for (uint32_t i = 0; i < t->combos_count; i++) {
		uint32_t codes[SIDX_CUBE_DIMS], k = sidx_cube_next(&w, buckets, counts);
		uint64_t line = 0;

		sidx_cube_combo(t, i, codes);
		for (int d = 0; d < SIDX_CUBE_DIMS; d++) {
			if (t->dims >> d & 1)
				ASSERT(codes[d] < sidx_cube_values(x, (enum sidx_cube_dim)d));
		}
		ASSERT(k > 0);
		for (uint32_t b = 0; b < k; b++) {
			ASSERT(buckets[b] < t->buckets_count);
			ASSERT(b == 0 || buckets[b] > buckets[b - 1]);
			ASSERT(counts[b] > 0);
			line += counts[b];
		}
		ASSERT(line == sidx_cube_total(t, i));
		sum += line;
	}
	ASSERT(sum == rows);
}

static void use_cube(const struct mem_vfs *m, const struct seg_info *seg)
{
	struct sidx_cube *x = NULL;
	struct diag d;

	if (sidx_cube_open(&m->table, 0, "fuzz.cub", seg, &x, &d) < 0)
		return;
	for (size_t i = 0; i < sidx_cube_tables(x); i++) {
		const struct sidx_cube_table *t = sidx_cube_table(x, i);
		uint64_t sum = 0;

		for (uint32_t k = 0; k < t->combos_count; k++)
			sum += sidx_cube_total(t, k);
		ASSERT(sum == seg->rows_count);
		if (sidx_cube_counted(x, i))
			use_table(x, t, seg->rows_count);
	}
	sidx_cube_close(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { FILE_MAX = 1 << 16, BLOCKS = 70, WORDS = 2 };

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof v);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return le64toh(v);
}

/* The sums of one table's pages (sidx_keys.h), which begin `*off` bytes behind the directory. */
static void put_table_right(
	struct rcur *c, const uint8_t *dir, uint8_t *pages, uint64_t *off, uint64_t bytes_max)
{
	uint64_t count;

	rcur_varint(c);
	count = rcur_varint(c);
	if (count > 0)
		rcur_u8(c);
	count = (count + SIDX_KEYS_PAGE_BUCKETS - 1) / SIDX_KEYS_PAGE_BUCKETS;
	for (; count > 0 && !c->err; count--) {
		uint64_t bytes;
		size_t at;

		rcur_varint(c);
		bytes = rcur_varint(c);
		at = (size_t)(c->p - dir);
		rcur_le64(c);
		if (c->err || bytes > bytes_max - *off) {
			c->err = ERR_CORRUPT;
			return;
		}
		/* The directory is the input's own copy: it may be written. */
		put64((uint8_t *)(uintptr_t)(dir + at), XXH3_64bits(pages + *off, bytes));
		*off += bytes;
	}
}

static void put_pages_right(uint8_t *dir, uint64_t dir_bytes, uint64_t left, enum sidx_kind kind)
{
	struct rcur c = rcur_of(dir, dir_bytes);
	uint64_t off = 0;

	rcur_u8(&c);
	if (kind == SIDX_WORD)
		rcur_bytes(&c, 3 * SIDX_TOKEN_SHAPES / 8);
	for (int table = 0; table < (kind == SIDX_WORD ? 1 : 3) && !c.err; table++)
		put_table_right(&c, dir, dir + dir_bytes, &off, left);
}

static void put_right(uint8_t *p, size_t n, const struct seg_info *seg, enum sidx_kind kind)
{
	static const char *const magics[] = { "ASTROEVT", "ASTROENT", "ASTROTOK", "ASTROCUB" };
	struct rcur c = rcur_of(p + 48, 8);
	uint64_t dir_bytes = rcur_le64(&c) % (n - SIDX_COMMON_HEAD_BYTES + 1);

	memcpy(p, magics[kind], 8);
	put64(p + 8, sidx_common_version(kind));
	memcpy(p + 16, seg->store_uuid, 16);
	put64(p + 32, seg->segment_id);
	put64(p + 40, seg->sum);
	put64(p + 48, dir_bytes);
	if (kind == SIDX_ENTITY || kind == SIDX_WORD)
		put_pages_right(p + SIDX_COMMON_HEAD_BYTES, dir_bytes,
			n - SIDX_COMMON_HEAD_BYTES - dir_bytes, kind);
	put64(p + 56, XXH3_64bits(p + SIDX_COMMON_HEAD_BYTES, dir_bytes));
	put64(p + 72, XXH3_64bits(p, SIDX_COMMON_HEAD_SUM_OFF));
}

static void use_types(const struct mem_vfs *m, const struct seg_info *seg)
{
	struct sidx_type *x = NULL;
	struct diag d;

	if (sidx_type_open(&m->table, 0, "fuzz.evt", seg, &x, &d) < 0)
		return;
	for (size_t i = 0; i < sidx_type_count(x); i++) {
		struct sidx_type_block blocks[BLOCKS];
		uint32_t rows[SIDX_TYPE_RARE_ROWS];
		struct sidx_type_entry e;
		uint64_t sum = 0;

		sidx_type_entry(x, i, &e);
		ASSERT(sidx_type_find(x, e.name) == (int)i);
		ASSERT(e.blocks_count <= BLOCKS);
		sidx_type_blocks(x, i, blocks);
		for (uint32_t k = 0; k < e.blocks_count; k++) {
			ASSERT(blocks[k].block < BLOCKS);
			ASSERT(sidx_type_rows_in(x, i, blocks[k].block) == blocks[k].rows_count);
			sum += blocks[k].rows_count;
			if (e.rare)
				ASSERT(sidx_type_rows(x, i, blocks[k].block, rows) ==
					blocks[k].rows_count);
		}
		ASSERT(sum == e.rows_count);
	}
	sidx_type_close(&x);
}

static void use_entities(const struct mem_vfs *m, const struct seg_info *seg)
{
	uint64_t blocks[WORDS] = { 0 };
	struct sidx_entity *x = NULL;
	struct diag d;

	if (sidx_entity_open(&m->table, 0, "fuzz.ent", seg, &x, &d) < 0)
		return;
	sidx_entity_check(x, &d);
	sidx_entity_find(x, SPAN_LIT("order"), SPAN_LIT("ord-1"), blocks, &d);
	sidx_entity_find_id(x, SPAN_LIT("ent-000001"), blocks, &d);
	sidx_entity_find_user(x, SPAN_LIT("user-1"), blocks, &d);
	ASSERT(blocks[1] >> (seg->blocks_count - 64) == 0);
	sidx_entity_close(&x);
}

static void use_words(const struct mem_vfs *m, const struct seg_info *seg)
{
	static const char *const texts[] = { "via", "reference 0badf00d", "ord-1003404",
		" of ord-1003404 to ", " 12345678-1234-1234-1234-123456789abc, " };
	uint64_t blocks[WORDS] = { 0 };
	struct sidx_word *x = NULL;
	struct diag d;

	if (sidx_word_open(&m->table, 0, "fuzz.tok", seg, &x, &d) < 0)
		return;
	sidx_word_check(x, &d);
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		sidx_word_find(x, NULL, span_str(texts[i]), blocks, &d);
		sidx_word_find_part(x, NULL, span_str(texts[i]), blocks, &d);
		sidx_word_may_have(x, NULL, (uint32_t)i, span_str(texts[i]));
	}
	ASSERT(blocks[1] >> (seg->blocks_count - 64) == 0);
	sidx_word_close(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint8_t file[FILE_MAX];
	struct seg_info seg = { .segment_id = 77, .sum = 1, .blocks_count = BLOCKS };
	enum sidx_kind kind;
	struct mem_vfs m;

	if (n < 1 || n > sizeof file)
		return 0;
	kind = (enum sidx_kind)(p[0] % SIDX_COUNT);
	memcpy(file, p + 1, --n);
	if (n >= SIDX_COMMON_HEAD_BYTES) {
		seg.rows_count = get64(file + 64);
		put_right(file, n, &seg, kind);
	}
	mem_vfs_init(&m, span_of(file, n));
	if (kind == SIDX_TYPE)
		use_types(&m, &seg);
	else if (kind == SIDX_ENTITY)
		use_entities(&m, &seg);
	else if (kind == SIDX_WORD)
		use_words(&m, &seg);
	else
		use_cube(&m, &seg);
	return 0;
}
