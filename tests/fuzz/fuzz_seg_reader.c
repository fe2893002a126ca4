/*
 * Goal: no segment file, however damaged, makes the reader read outside it, and what it accepts can
 *       be read to the end or fails page by page.
 * Method: the sums of header, footer and trailer are put right first, or nothing would get past
 *         them; pages that carry a sum of their own are fuzz_col's.
 */
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/seg_decode.h"
#include "storage/seg_layout.h"
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
		if (seg_reader_rows(r, i, b, &d) < 0)
			continue;
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
	if (seg_reader_open(&m.table, 0, "fuzz.seg", &r, &d) == 0)
		read_all(r);
	else
		ASSERT(d.code < 0);
	seg_reader_close(&r);
	return 0;
}
