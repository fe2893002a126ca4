#include "storage/seg_decode.h"

#include <errno.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/page.h"
#include "storage/seg_reader_int.h"

static_assert(LIMIT_BLOCK_ROWS * 10 + LIMIT_BLOCK_ROWS / 128 * 11 < SEG_DECODE_PAGE_MAX,
	"frames of integers fit");

void seg_decode_buf_init(struct buf *b)
{
	buf_init(b, SEG_DECODE_PAGE_MAX);
}

int seg_decode_fail(const struct seg_reader *r, uint32_t block, int col, int rc, struct diag *d)
{
	const struct seg_page *p = seg_reader_page(r, block, col);

	return diag_set(d, rc, r->name, (int64_t)p->off, "page of column %s in block %u",
		seg_reader_col_name(col), block);
}

int seg_decode_kind(
	const struct seg_reader *r, uint32_t block, int col, enum col_kind *out, struct diag *d)
{
	const struct col_codec *c = col_codec(seg_reader_page(r, block, col)->encoding);

	if (!c || (c->kind == COL_KIND_INTS) != (col < SEG_COL_INTS))
		return seg_decode_fail(r, block, col, ERR_CORRUPT, d);
	*out = c->kind;
	return 0;
}

/* The page checked and unwrapped. */
static int open_page(
	const struct seg_reader *r, const struct seg_page *p, struct buf *scratch, struct span *out)
{
	struct span page = span_of(r->map + p->off, p->bytes);

	ASSERT(p->off <= r->map_bytes);
	ASSERT(p->bytes <= r->map_bytes - p->off);
	return page_unwrap(page, p->codec, scratch, out);
}

bool seg_decode_in_range(const struct seg_reader *r, uint32_t block, int col, const int64_t *v)
{
	const struct seg_block *b = seg_reader_block(r, block);
	uint32_t rows = b->rows_count;

	if (col == SEG_COL_ID) {
		for (uint32_t i = 1; i < rows; i++) {
			if ((uint64_t)v[i] <= (uint64_t)v[i - 1])
				return false;
		}
		return (uint64_t)v[0] == b->id_min && (uint64_t)v[rows - 1] == b->id_max;
	}
	if (col == SEG_COL_SEVERITY || col == SEG_COL_FLAGS) {
		int64_t top = col == SEG_COL_SEVERITY ? EVENT_SEVERITY_COUNT - 1 : UINT8_MAX;

		for (uint32_t i = 0; i < rows; i++) {
			if (v[i] < 0 || v[i] > top)
				return false;
		}
	}
	return true;
}

int seg_decode_ints(const struct seg_reader *r, uint32_t block, int col, const int64_t *times,
	struct buf *page, int64_t *out, struct diag *d)
{
	const struct seg_block *b = seg_reader_block(r, block);
	const struct seg_page *p = seg_reader_page(r, block, col);
	struct col_output o = { .rows_count = b->rows_count, .ints = out };
	struct span raw;
	int rc;

	ASSERT(col >= 0);
	ASSERT(col < SEG_COL_INTS);
	if (col == SEG_COL_RECEIVED)
		o.times = times;
	rc = seg_reader_verify(r, block, col);
	if (rc == 0)
		rc = open_page(r, p, page, &raw);
	if (rc == 0)
		rc = col_decode(p->encoding, COL_KIND_INTS, raw, &o);
	if (rc == 0 && !seg_decode_in_range(r, block, col, out))
		rc = ERR_CORRUPT;
	return rc < 0 ? seg_decode_fail(r, block, col, rc, d) : 0;
}

int seg_decode_codes(const struct seg_reader *r, uint32_t block, int col, struct buf *page,
	uint16_t *out, struct diag *d)
{
	const struct seg_page *p = seg_reader_page(r, block, col);
	struct col_output o = { .rows_count = seg_reader_block(r, block)->rows_count,
		.codes = out };
	struct span raw;
	uint16_t max = 0;
	int rc = seg_reader_verify(r, block, col);

	ASSERT(col >= SEG_COL_INTS);
	if (rc == 0)
		rc = open_page(r, p, page, &raw);
	if (rc == 0)
		rc = col_decode(p->encoding, COL_KIND_CODES, raw, &o);
	for (uint32_t i = 0; rc == 0 && i < o.rows_count; i++)
		max = out[i] > max ? out[i] : max;
	if (rc == 0 && max > seg_decode_dict_count(r, col))
		rc = ERR_CORRUPT;
	return rc < 0 ? seg_decode_fail(r, block, col, rc, d) : 0;
}

uint32_t seg_decode_dict_count(const struct seg_reader *r, int col)
{
	return r->footer.dicts[col].entries_count;
}

static int dict_fail(const struct seg_reader *r, int col, int rc, struct diag *d)
{
	return diag_set(d, rc, r->name, (int64_t)r->footer.dicts[col].page.off,
		"dictionary of column %s", seg_reader_col_name(col));
}

int seg_decode_dict_open(const struct seg_reader *r, int col, struct col_dict *out, struct diag *d)
{
	const struct seg_dict *dict = &r->footer.dicts[col];
	struct span raw;
	struct buf none;
	int rc;

	ASSERT(col >= SEG_COL_INTS && col < SEG_COL_COUNT);
	out->count = 0;
	if (dict->page.encoding == 0)
		return 0;
	/* Compressed inside, as all bytes: a wrapped one was never written. */
	buf_init(&none, 0);
	rc = seg_reader_verify_dict(r, col);
	if (rc == 0)
		rc = open_page(r, &dict->page, &none, &raw);
	if (rc == 0)
		rc = col_dict_load(out, raw, dict->entries_count);
	return rc < 0 ? dict_fail(r, col, rc, d) : 0;
}

int seg_decode_dict_need(
	const struct seg_reader *r, int col, struct col_dict *dict, unsigned code, struct diag *d)
{
	int rc = code ? col_dict_need(dict, code) : col_dict_need_all(dict);

	return rc < 0 ? dict_fail(r, col, rc, d) : 0;
}

int seg_decode_dict(const struct seg_reader *r, int col, struct col_dict *out, struct diag *d)
{
	int rc = seg_decode_dict_open(r, col, out, d);

	return rc == 0 ? seg_decode_dict_need(r, col, out, 0, d) : rc;
}
