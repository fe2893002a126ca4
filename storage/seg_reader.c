#include "storage/seg_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/block_pool.h"
#include "storage/block_reader.h"
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

/* 0 is no reader's number. */
static uint64_t next_serial(void)
{
	static _Atomic uint64_t last;

	return atomic_fetch_add(&last, 1) + 1;
}

static int make_slot(struct seg_reader *r, struct diag *d)
{
	size_t bits = ((size_t)r->info.blocks_count + 1) * SEG_COL_COUNT;

	r->slot = calloc(1, sizeof *r->slot + (bits / 64 + 1) * sizeof r->slot->verified[0]);
	return r->slot ? 0 : diag_set(d, -ENOMEM, r->name, -1, "opening a segment");
}

int seg_reader_open(
	const struct vfs *vfs, int dir, const char *name, struct seg_reader **out, struct diag *d)
{
	struct seg_reader *r = calloc(1, sizeof *r);
	int rc;

	if (!r)
		return diag_set(d, -ENOMEM, name, -1, "opening a segment");
	r->vfs = vfs;
	r->dir = dir;
	snprintf(r->name, sizeof r->name, "%s", name);
	seg_footer_init(&r->footer);
	r->serial = next_serial();
	rc = map_file(r, d);
	if (rc == 0)
		rc = read_footer(r, d);
	if (rc == 0)
		rc = make_slot(r, d);
	if (rc < 0) {
		seg_reader_close(&r);
		return rc;
	}
	*out = r;
	return 0;
}

void seg_reader_idle(const struct seg_reader *r)
{
	if (r->vfs->map_idle)
		r->vfs->map_idle(r->vfs->ctx, r->map, r->map_bytes);
}

void seg_reader_close(struct seg_reader **rp)
{
	struct seg_reader *r = *rp;

	if (!r)
		return;
	block_pool_drop(r->serial);
	for (int i = 0; i < SEG_ATTACHED_COUNT && r->slot; i++) {
		struct seg_attached *a = atomic_load(&r->slot->attached[i]);

		if (a)
			a->close(a);
	}
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

/* Two threads that come at the same time both compute it. */
static int verify_once(const struct seg_reader *r, size_t bit, const struct seg_page *p)
{
	_Atomic uint64_t *word = &r->slot->verified[bit / 64];
	uint64_t mask = UINT64_C(1) << bit % 64;

	if (p->is_inline || atomic_load_explicit(word, memory_order_relaxed) & mask)
		return 0;
	if (XXH3_64bits(r->map + p->off, p->bytes) != p->sum)
		return ERR_CORRUPT;
	atomic_fetch_or_explicit(word, mask, memory_order_relaxed);
	return 0;
}

int seg_reader_verify(const struct seg_reader *r, uint32_t block, int col)
{
	return verify_once(
		r, (size_t)block * SEG_COL_COUNT + (size_t)col, seg_reader_page(r, block, col));
}

int seg_reader_verify_dict(const struct seg_reader *r, int col)
{
	return verify_once(r, (size_t)r->info.blocks_count * SEG_COL_COUNT + (size_t)col,
		&r->footer.dicts[col].page);
}

/* ---- whole blocks ---- */

static int read_columns(const struct seg_reader *r, uint32_t block, struct block *b, struct diag *d)
{
	const int64_t *times = b->ints[SEG_COL_TIME];
	int rc = block_reader_ints_into(b->reader, SEG_COL_TIME, NULL, b->ints[SEG_COL_TIME], d);

	for (int col = 0; col < SEG_COL_INTS && rc == 0; col++) {
		if (col != SEG_COL_TIME)
			rc = block_reader_ints_into(b->reader, col, times, b->ints[col], d);
	}
	for (unsigned rank = 0; rank < SEG_COL_BYTES && rc == 0; rank++)
		rc = block_reader_all(b->reader, SEG_COL_INTS + block_ranked(rank), b, d);
	b->raw_bytes = seg_reader_block(r, block)->raw_bytes;
	return rc;
}

int seg_reader_rows(const struct seg_reader *r, uint32_t block, struct block *b, struct diag *d)
{
	int rc;

	if (!b->reader)
		b->reader = block_reader_new();
	if (!b->reader || block_prepare(b, seg_reader_block(r, block)->rows_count) < 0)
		return diag_set(d, -ENOMEM, r->name, -1, "decoding block %u", block);
	block_reader_enter(b->reader, r, block);
	rc = read_columns(r, block, b, d);
	block_reader_leave(b->reader);
	if (rc < 0)
		block_reset(b);
	return rc;
}
