/*
 * Goal: no segment file, however damaged, makes the reader read outside it, and what it accepts can
 *       be read to the end or fails page by page.
 * Method: the sums of header, footer and trailer are put right first, and those of pages taken as
 *         proven, or nothing would get past them. Whole blocks and some rows of them are read; where
 *         both can be, they say the same.
 */
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/block_reader.h"
#include "storage/seg_layout.h"
#include "storage/seg_reader_int.h"
#include "tests/support/mem_vfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { FILE_MAX = 1 << 16 };

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof v);
}

static void put_right(uint8_t *p, size_t n)
{
	uint8_t *tail = p + n - SEG_LAYOUT_TAIL_BYTES;
	struct rcur c = rcur_of(tail, SEG_LAYOUT_TAIL_BYTES);
	uint64_t off = rcur_le64(&c), head_sum = XXH3_64bits(p, SEG_LAYOUT_HEAD_SUM_OFF);

	if (off > n - SEG_LAYOUT_TAIL_BYTES)
		off = n / 2;
	put64(p + SEG_LAYOUT_HEAD_SUM_OFF, head_sum);
	put64(tail, off);
	put64(tail + 8, n - SEG_LAYOUT_TAIL_BYTES - off);
	put64(tail + 16, XXH3_64bits(p + off, n - SEG_LAYOUT_TAIL_BYTES - off));
	put64(tail + 24, head_sum);
	put64(tail + 32, XXH3_64bits(tail, SEG_LAYOUT_TAIL_SUM_OFF));
}

static void trust_pages(struct seg_reader *r)
{
	size_t bits = ((size_t)r->info.blocks_count + 1) * SEG_COL_COUNT;

	for (size_t i = 0; i <= bits / 64; i++)
		r->slot->verified[i] = UINT64_MAX;
}

/* Few rows of each column: the same as in the whole block, if that could be read. */
static void read_some(const struct seg_reader *r, uint32_t block, const struct block *whole)
{
	uint32_t rows_count = seg_reader_block(r, block)->rows_count;
	uint32_t rows[2] = { rows_count / 3, rows_count - 1 };
	size_t count = rows[0] < rows[1] ? 2 : 1;
	struct block_reader *b = block_reader_new();
	struct span out[2];
	struct buf bytes;
	struct diag d;

	ASSERT(b);
	buf_init(&bytes, BLOCK_BYTES_MAX);
	block_reader_enter(b, r, block);
	for (int col = SEG_COL_INTS; col < SEG_COL_COUNT; col++) {
		buf_reset(&bytes);
		if (block_reader_get(b, col, rows, count, &bytes, out, &d) < 0 || !whole)
			continue;
		for (size_t i = 0; i < count; i++)
			ASSERT(span_eq(
				out[i], block_text_at(&whole->texts[col - SEG_COL_INTS], rows[i])));
	}
	buf_fini(&bytes);
	block_reader_free(&b);
}

static void read_all(const struct seg_reader *r)
{
	const struct seg_info *info = seg_reader_info(r);
	struct block *b = block_new();
	uint64_t rows = 0;
	struct diag d;

	ASSERT(b);
	ASSERT(info->blocks_count <= LIMIT_SEGMENT_BLOCKS);
	for (uint32_t i = 0; i < info->blocks_count && i < 8; i++) {
		rows += seg_reader_block(r, i)->rows_count;
		if (seg_reader_rows(r, i, b, &d) < 0) {
			read_some(r, i, NULL);
			continue;
		}
		read_some(r, i, b);
		for (uint32_t k = 0; k < b->rows_count; k++) {
			struct event ev;

			block_get(b, k, &ev);
			ASSERT(ev.severity < EVENT_SEVERITY_COUNT);
			ASSERT(ev.id >= info->id_min);
			ASSERT(ev.id <= info->id_max);
		}
	}
	ASSERT(rows <= info->rows_count);
	for (size_t i = 0; i < seg_reader_type_count(r); i++)
		seg_reader_type(r, i, &rows);
	block_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static uint8_t file[FILE_MAX];
	struct seg_reader *r = NULL;
	struct mem_vfs m;
	struct diag d;

	if (n > sizeof file)
		return 0;
	memcpy(file, p, n);
	if (n >= SEG_LAYOUT_HEAD_BYTES + SEG_LAYOUT_TAIL_BYTES)
		put_right(file, n);
	mem_vfs_init(&m, span_of(file, n));
	if (seg_reader_open(&m.table, 0, "fuzz.seg", &r, &d) == 0) {
		trust_pages(r);
		read_all(r);
	} else {
		ASSERT(d.code < 0);
	}
	seg_reader_close(&r);
	return 0;
}
