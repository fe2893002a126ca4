#include "storage/seg_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/seg_decode.h"
#include "storage/seg_reader_int.h"

static int corrupt(const struct seg_reader *r, uint64_t off, struct diag *d, const char *what)
{
	return diag_set(d, ERR_CORRUPT, r->name, (int64_t)off, "%s", what);
}

static int map_file(struct seg_reader *r, struct diag *d)
{
	struct vfs_stat st;
	int rc, fd = r->vfs->open(r->vfs->ctx, r->dir, r->name, O_RDONLY, 0);

	if (fd < 0)
		return diag_set(d, fd, r->name, -1, "opening a segment");
	rc = r->vfs->fstat(r->vfs->ctx, fd, &st);
	if (rc < 0) {
		diag_set(d, rc, r->name, -1, "stat of a segment");
		goto done;
	}
	if (st.bytes < SEG_LAYOUT_HEAD_BYTES + SEG_LAYOUT_TAIL_BYTES) {
		rc = diag_set(d, ERR_CORRUPT, r->name, (int64_t)st.bytes,
			"the file is too short to be a segment");
		goto done;
	}
	rc = r->vfs->map(r->vfs->ctx, fd, st.bytes, &r->map);
	if (rc < 0)
		diag_set(d, rc, r->name, -1, "mapping a segment");
	else
		r->map_bytes = st.bytes;
done:
	r->vfs->close(r->vfs->ctx, fd);
	return rc;
}

static int read_head(struct seg_reader *r, uint64_t *out_sum, struct diag *d)
{
	struct rcur c = rcur_of(r->map, SEG_LAYOUT_HEAD_BYTES);
	struct span magic = rcur_bytes(&c, 8), uuid;
	uint16_t version = rcur_le16(&c);
	uint32_t incompat;

	if (memcmp(magic.p, SEG_LAYOUT_HEAD_MAGIC, 8) != 0)
		return corrupt(r, 0, d, "the file does not begin as a segment");
	*out_sum = XXH3_64bits(r->map, SEG_LAYOUT_HEAD_SUM_OFF);
	rcur_le16(&c);
	incompat = rcur_le32(&c);
	uuid = rcur_bytes(&c, sizeof r->info.store_uuid);
	memcpy(r->info.store_uuid, uuid.p, uuid.n);
	r->info.segment_id = rcur_le64(&c);
	r->info.created_ns = (int64_t)rcur_le64(&c);
	rcur_le64(&c);
	if (rcur_le64(&c) != *out_sum)
		return corrupt(r, 0, d, "the header's checksum does not hold");
	ASSERT(c.err == 0);
	if (version > SEG_LAYOUT_VERSION)
		return diag_set(d, ERR_TOO_NEW, r->name, 8,
			"segment version %u, this program reads %u", version, SEG_LAYOUT_VERSION);
	if (version == 0)
		return corrupt(r, 8, d, "segment version 0");
	if (incompat != 0)
		return diag_set(d, ERR_TOO_NEW, r->name, 12,
			"segment with unknown features %" PRIx32, incompat);
	return 0;
}

struct tail {
	uint64_t footer_off;
	uint64_t footer_bytes;
	uint64_t footer_sum;
	uint64_t head_sum;
};

static int read_tail(struct seg_reader *r, struct tail *t, struct diag *d)
{
	uint64_t off = r->map_bytes - SEG_LAYOUT_TAIL_BYTES;
	struct rcur c = rcur_of(r->map + off, SEG_LAYOUT_TAIL_BYTES);

	t->footer_off = rcur_le64(&c);
	t->footer_bytes = rcur_le64(&c);
	t->footer_sum = rcur_le64(&c);
	t->head_sum = rcur_le64(&c);
	r->info.sum = rcur_le64(&c);
	ASSERT(rcur_left(&c) == 8);
	if (memcmp(c.p, SEG_LAYOUT_TAIL_MAGIC, 8) != 0)
		return corrupt(r, off + 40, d, "the file does not end as a segment: cut short?");
	if (XXH3_64bits(r->map + off, SEG_LAYOUT_TAIL_SUM_OFF) != r->info.sum)
		return corrupt(r, off, d, "the trailer's checksum does not hold");
	if (t->footer_off < SEG_LAYOUT_HEAD_BYTES || t->footer_off > off ||
		t->footer_bytes != off - t->footer_off)
		return corrupt(r, off, d, "the trailer points outside the file");
	return 0;
}

static int read_footer(struct seg_reader *r, struct diag *d)
{
	struct tail t = { 0 };
	uint64_t head_sum = 0;
	int rc = read_head(r, &head_sum, d);

	if (rc == 0)
		rc = read_tail(r, &t, d);
	if (rc < 0)
		return rc;
	if (t.head_sum != head_sum)
		return corrupt(r, 0, d, "header and trailer belong to different segments");
	if (XXH3_64bits(r->map + t.footer_off, t.footer_bytes) != t.footer_sum)
		return corrupt(r, t.footer_off, d, "the footer's checksum does not hold");
	rc = seg_footer_decode(&r->footer, span_of(r->map + t.footer_off, t.footer_bytes),
		t.footer_off, SEG_LAYOUT_HEAD_BYTES, r->name, d);
	if (rc < 0)
		return rc;
	r->info.file_bytes = r->map_bytes;
	seg_footer_info(&r->footer, &r->info);
	return 0;
}

int seg_reader_open(
	const struct vfs *vfs, int dir, const char *name, struct seg_reader **out, struct diag *d)
{
	struct seg_reader *r = calloc(1, sizeof *r);
	int rc;

	if (r)
		r->slot = calloc(1, sizeof *r->slot);
	if (!r || !r->slot) {
		free(r);
		return diag_set(d, -ENOMEM, name, -1, "opening a segment");
	}
	r->vfs = vfs;
	r->dir = dir;
	snprintf(r->name, sizeof r->name, "%s", name);
	seg_footer_init(&r->footer);
	rc = map_file(r, d);
	if (rc == 0)
		rc = read_footer(r, d);
	if (rc < 0) {
		seg_reader_close(&r);
		return rc;
	}
	*out = r;
	return 0;
}

void seg_reader_close(struct seg_reader **rp)
{
	struct seg_reader *r = *rp;
	struct seg_attached *a;

	if (!r)
		return;
	a = atomic_load(&r->slot->attached);
	if (a)
		a->close(a);
	free(r->slot);
	if (r->map)
		r->vfs->unmap(r->vfs->ctx, r->map, r->map_bytes);
	seg_footer_fini(&r->footer);
	free(r);
	*rp = NULL;
}

const struct seg_info *seg_reader_info(const struct seg_reader *r)
{
	return &r->info;
}

const char *seg_reader_name(const struct seg_reader *r)
{
	return r->name;
}

const struct seg_block *seg_reader_block(const struct seg_reader *r, uint32_t block)
{
	ASSERT(block < r->info.blocks_count);
	return &r->footer.blocks[block];
}

const struct seg_page *seg_reader_page(const struct seg_reader *r, uint32_t block, int col)
{
	ASSERT(block < r->info.blocks_count);
	ASSERT(col >= 0 && col < SEG_COL_COUNT);
	return &r->footer.pages[(size_t)block * SEG_COL_COUNT + (size_t)col];
}

const struct seg_page *seg_reader_dict_page(const struct seg_reader *r, int col)
{
	ASSERT(col >= 0 && col < SEG_COL_COUNT);
	return r->footer.dicts[col].page.encoding ? &r->footer.dicts[col].page : NULL;
}

const char *seg_reader_col_name(int col)
{
	static const char *const ints[SEG_COL_INTS] = {
		[SEG_COL_ID] = "id",
		[SEG_COL_TIME] = "timestamp",
		[SEG_COL_RECEIVED] = "received",
		[SEG_COL_SEVERITY] = "severity",
		[SEG_COL_FLAGS] = "flags",
	};

	ASSERT(col >= 0 && col < SEG_COL_COUNT);
	if (col < SEG_COL_INTS)
		return ints[col];
	if (col == SEG_COL_METADATA)
		return "metadata";
	return event_text_name((enum event_text)(col - SEG_COL_TEXT));
}

bool seg_reader_types_complete(const struct seg_reader *r)
{
	return r->footer.types_complete;
}

size_t seg_reader_type_count(const struct seg_reader *r)
{
	return r->footer.types_count;
}

struct span seg_reader_type(const struct seg_reader *r, size_t i, uint64_t *out_rows)
{
	ASSERT(i < r->footer.types_count);
	*out_rows = r->footer.types[i].rows_count;
	return r->footer.types[i].name;
}

static int check(const struct seg_reader *r, const struct seg_page *p, int col, struct diag *d)
{
	if (p->is_inline || XXH3_64bits(r->map + p->off, p->bytes) == p->sum)
		return 0;
	return diag_set(d, ERR_CORRUPT, r->name, (int64_t)p->off, "the checksum of a page of %s",
		seg_reader_col_name(col));
}

int seg_reader_check_page(const struct seg_reader *r, uint32_t block, int col, struct diag *d)
{
	int rc = check(r, seg_reader_page(r, block, col), col, NULL);

	return rc < 0 ? seg_decode_fail(r, block, col, rc, d) : 0;
}

int seg_reader_check_dict(const struct seg_reader *r, int col, struct diag *d)
{
	const struct seg_page *p = seg_reader_dict_page(r, col);

	return p ? check(r, p, col, d) : 0;
}

/* ---- whole blocks ---- */

/* What decoding a block takes beside the block. */
struct rows_scratch {
	struct buf page;
	struct col_dict dict;
	uint16_t codes[LIMIT_BLOCK_ROWS];
};

static int rows_from_codes(const struct seg_reader *r, uint32_t block, int col,
	struct rows_scratch *s, struct block_text *t, uint32_t rows, struct diag *d)
{
	int rc = seg_decode_dict(r, col, &s->dict, d);

	if (rc == 0)
		rc = seg_decode_codes(r, block, col, &s->page, s->codes, d);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < rows; i++) {
		struct span v = s->codes[i] ? col_dict_at(&s->dict, s->codes[i]) : SPAN_NONE;

		t->offs[i] = (uint32_t)t->bytes.len;
		t->lengths[i] = v.p ? (uint32_t)v.n + 1 : 0;
		buf_put_span(&t->bytes, v);
	}
	/* No block was ever written with more than the buffer takes. */
	if (t->bytes.err)
		return seg_decode_fail(
			r, block, col, t->bytes.err == ERR_LIMIT ? ERR_CORRUPT : t->bytes.err, d);
	return 0;
}

static int rows_from_bytes(const struct seg_reader *r, uint32_t block, int col,
	struct block_text *t, uint32_t rows, struct diag *d)
{
	const struct seg_page *p = seg_reader_page(r, block, col);
	struct col_output out = { .rows_count = rows, .lengths = t->lengths, .bytes = &t->bytes };
	uint32_t off = 0;
	int rc = seg_reader_check_page(r, block, col, d);

	if (rc < 0)
		return rc;
	/* Bytes are compressed inside; a wrapped page of them was never written. */
	if (p->codec != SEG_LAYOUT_CODEC_NONE)
		return seg_decode_fail(r, block, col, ERR_CORRUPT, d);
	rc = col_decode(p->encoding, COL_KIND_BYTES, span_of(r->map + p->off, p->bytes), &out);
	if (rc < 0)
		return seg_decode_fail(r, block, col, rc, d);
	for (uint32_t i = 0; i < rows; i++) {
		t->offs[i] = off;
		off += col_bytes_length(t->lengths[i]);
	}
	return 0;
}

static int rows_of_column(const struct seg_reader *r, uint32_t block, int col,
	struct rows_scratch *s, struct block *b, struct diag *d)
{
	struct block_text *t;
	enum col_kind kind;
	int rc = seg_decode_kind(r, block, col, &kind, d);

	if (rc < 0)
		return rc;
	if (col < SEG_COL_INTS)
		return seg_decode_ints(
			r, block, col, b->ints[SEG_COL_TIME], &s->page, b->ints[col], d);
	t = &b->texts[col - SEG_COL_INTS];
	/* So that an empty value has an address: empty is not absent. */
	if (buf_reserve(&t->bytes, 1) < 0)
		return seg_decode_fail(r, block, col, -ENOMEM, d);
	if (kind == COL_KIND_CODES)
		return rows_from_codes(r, block, col, s, t, b->rows_count, d);
	return rows_from_bytes(r, block, col, t, b->rows_count, d);
}

int seg_reader_rows(const struct seg_reader *r, uint32_t block, struct block *b, struct diag *d)
{
	struct rows_scratch *s = malloc(sizeof *s);
	int rc = 0;

	if (!s || block_prepare(b, seg_reader_block(r, block)->rows_count) < 0) {
		free(s);
		return diag_set(d, -ENOMEM, r->name, -1, "decoding block %u", block);
	}
	seg_decode_buf_init(&s->page);
	col_dict_init(&s->dict);
	for (int col = 0; col < SEG_COL_COUNT && rc == 0; col++)
		rc = rows_of_column(r, block, col, s, b, d);
	for (int i = 0; i < SEG_COL_BYTES; i++)
		b->bytes_count += b->texts[i].bytes.len;
	buf_fini(&s->page);
	col_dict_fini(&s->dict);
	free(s);
	if (rc < 0)
		block_reset(b);
	return rc;
}
