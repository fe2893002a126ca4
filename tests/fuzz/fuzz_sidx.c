/*
 * Goal: no sidecar makes a lookup read outside it or name a block that the segment does not have.
 * Method: the first byte chooses the kind; sums and the segment's name are put right, those of the
 *         pages too, so that the bytes behind them are reached.
 */
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/sidx_entity.h"
#include "storage/sidx_type.h"
#include "tests/support/mem_vfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { FILE_MAX = 1 << 16, BLOCKS = 70, WORDS = 2 };

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof v);
}

/* The sums in an entity index's directory. */
static void put_pages_right(uint8_t *dir, uint64_t dir_bytes, uint64_t left)
{
	struct rcur c = rcur_of(dir, dir_bytes);
	uint8_t *page = dir + dir_bytes;

	for (int table = 0; table < 2; table++) {
		uint64_t pages;

		rcur_varint(&c);
		pages = rcur_varint(&c);
		for (; pages > 0 && !c.err; pages--) {
			uint64_t bytes;
			size_t off;

			rcur_bytes(&c, 5);
			bytes = rcur_varint(&c);
			off = (size_t)(c.p - dir);
			rcur_le64(&c);
			if (c.err || bytes > left)
				return;
			put64(dir + off, XXH3_64bits(page, bytes));
			page += bytes;
			left -= bytes;
		}
	}
}

static void put_right(uint8_t *p, size_t n, const struct seg_info *seg, const char *magic)
{
	struct rcur c = rcur_of(p + 48, 8);
	uint64_t dir_bytes = rcur_le64(&c) % (n - SIDX_COMMON_HEAD_BYTES + 1);

	memcpy(p, magic, 8);
	put64(p + 8, SIDX_COMMON_VERSION);
	memcpy(p + 16, seg->store_uuid, 16);
	put64(p + 32, seg->segment_id);
	put64(p + 40, seg->sum);
	put64(p + 48, dir_bytes);
	put_pages_right(
		p + SIDX_COMMON_HEAD_BYTES, dir_bytes, n - SIDX_COMMON_HEAD_BYTES - dir_bytes);
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
	ASSERT(blocks[1] >> (BLOCKS - 64) == 0);
	sidx_entity_close(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint8_t file[FILE_MAX];
	struct seg_info seg = { .segment_id = 77, .sum = 1, .blocks_count = BLOCKS };
	bool types;
	struct mem_vfs m;

	if (n < 1 || n > sizeof file)
		return 0;
	types = p[0] % 2 == 0;
	memcpy(file, p + 1, --n);
	if (n >= SIDX_COMMON_HEAD_BYTES)
		put_right(file, n, &seg, types ? "ASTROEVT" : "ASTROENT");
	mem_vfs_init(&m, span_of(file, n));
	if (types)
		use_types(&m, &seg);
	else
		use_entities(&m, &seg);
	return 0;
}
