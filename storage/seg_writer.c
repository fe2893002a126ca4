#include "storage/seg_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/seg_encode.h"

enum {
	FILE_MODE = 0640,
	FOOTER_BYTES_MAX = 256 << 20,
	/* Blocks kept for the writers to come; more than that are seldom open at once. */
	SPARES = 2,
};

struct seg_writer_pool {
	struct seg_encode_work work;
	struct block *spares[SPARES];
};

struct seg_writer {
	struct seg_writer_conf conf;
	char name[DIAG_FILE_BYTES];
	int fd;
	bool finished;
	uint64_t off; /* bytes written */
	uint64_t head_sum;
	uint64_t last_id;
	struct seg_writer_pool *pool;
	bool own_pool;
	struct block *block;
	struct seg_encode encode;
	struct seg_footer footer;
};

/* ---- memory ---- */

struct seg_writer_pool *seg_writer_pool_new(void)
{
	struct seg_writer_pool *p = calloc(1, sizeof *p);

	if (p && seg_encode_work_init(&p->work) < 0)
		seg_writer_pool_free(&p);
	return p;
}

void seg_writer_pool_free(struct seg_writer_pool **pp)
{
	struct seg_writer_pool *p = *pp;

	if (!p)
		return;
	for (int i = 0; i < SPARES; i++)
		block_free(&p->spares[i]);
	seg_encode_work_fini(&p->work);
	free(p);
	*pp = NULL;
}

static struct block *take_block(struct seg_writer_pool *p)
{
	for (int i = 0; i < SPARES; i++) {
		struct block *b = p->spares[i];

		if (b) {
			p->spares[i] = NULL;
			return b;
		}
	}
	return block_new();
}

static void give_block(struct seg_writer_pool *p, struct block **b)
{
	for (int i = 0; i < SPARES && *b; i++) {
		if (p->spares[i])
			continue;
		p->spares[i] = *b;
		*b = NULL;
	}
	block_free(b);
}

static int take_memory(struct seg_writer *w)
{
	w->pool = w->conf.pool;
	w->own_pool = !w->pool;
	if (w->own_pool)
		w->pool = seg_writer_pool_new();
	if (!w->pool)
		return -ENOMEM;
	w->block = take_block(w->pool);
	if (!w->block)
		return -ENOMEM;
	block_begin_segment(w->block, w->conf.block_rows);
	return 0;
}

static void give_memory(struct seg_writer *w)
{
	if (w->block)
		give_block(w->pool, &w->block);
	if (w->own_pool)
		seg_writer_pool_free(&w->pool);
}

/* ---- the file ---- */

static int fail(struct seg_writer *w, int rc, struct diag *d, const char *what)
{
	return diag_set(d, rc, w->name, (int64_t)w->off, "%s", what);
}

static int write_out(struct seg_writer *w, const void *p, size_t n, struct diag *d)
{
	int rc = w->conf.vfs->pwrite_all(w->conf.vfs->ctx, w->fd, p, n, w->off);

	if (rc < 0)
		return fail(w, rc, d, "writing a segment");
	w->off += n;
	return 0;
}

static int write_head(struct seg_writer *w, struct diag *d)
{
	uint8_t head[SEG_LAYOUT_HEAD_BYTES];
	struct wcur c = wcur_of(head, sizeof head);

	wcur_bytes(&c, SEG_LAYOUT_HEAD_MAGIC, 8);
	wcur_le16(&c, SEG_LAYOUT_VERSION);
	wcur_le16(&c, 0);
	wcur_le32(&c, 0);
	wcur_bytes(&c, w->conf.store_uuid, sizeof w->conf.store_uuid);
	wcur_le64(&c, w->conf.segment_id);
	wcur_le64(&c, (uint64_t)w->conf.created_ns);
	wcur_le64(&c, 0);
	ASSERT(c.p == head + SEG_LAYOUT_HEAD_SUM_OFF);
	w->head_sum = XXH3_64bits(head, SEG_LAYOUT_HEAD_SUM_OFF);
	wcur_le64(&c, w->head_sum);
	ASSERT(c.err == 0);
	ASSERT(c.p == c.end);
	return write_out(w, head, sizeof head, d);
}

int seg_writer_open(const struct seg_writer_conf *conf, struct seg_writer **out, struct diag *d)
{
	struct seg_writer *w = calloc(1, sizeof *w);
	int rc;

	if (!w)
		return diag_set(d, -ENOMEM, conf->name, -1, "opening a segment writer");
	w->conf = *conf;
	if (w->conf.blocks_max == 0 || w->conf.blocks_max > LIMIT_SEGMENT_BLOCKS)
		w->conf.blocks_max = LIMIT_SEGMENT_BLOCKS;
	w->fd = -1;
	snprintf(w->name, sizeof w->name, "%s", conf->name);
	w->conf.name = w->name;
	seg_footer_init(&w->footer);
	rc = take_memory(w);
	if (rc == 0)
		rc = seg_encode_init(
			&w->encode, &w->pool->work, SEG_LAYOUT_HEAD_BYTES, conf->compress_level);
	if (rc < 0) {
		fail(w, rc, d, "opening a segment writer");
		goto failed;
	}
	w->fd = conf->vfs->open(
		conf->vfs->ctx, conf->dir, w->name, O_RDWR | O_CREAT | O_EXCL, FILE_MODE);
	if (w->fd < 0) {
		rc = fail(w, w->fd, d, "creating a segment");
		goto failed;
	}
	rc = write_head(w, d);
	if (rc < 0)
		goto failed;
	*out = w;
	return 0;
failed:
	seg_writer_close(&w);
	return rc;
}

void seg_writer_close(struct seg_writer **wp)
{
	struct seg_writer *w = *wp;

	if (!w)
		return;
	if (w->fd >= 0) {
		w->conf.vfs->close(w->conf.vfs->ctx, w->fd);
		if (!w->finished)
			w->conf.vfs->unlink(w->conf.vfs->ctx, w->conf.dir, w->name);
	}
	seg_encode_fini(&w->encode);
	give_memory(w);
	seg_footer_fini(&w->footer);
	free(w);
	*wp = NULL;
}

static int flush_block(struct seg_writer *w, struct diag *d)
{
	struct seg_page *pages;
	struct seg_block *b = seg_footer_add(&w->footer, &pages);
	int rc = b ? seg_encode_block(&w->encode, w->block, b, pages) : -ENOMEM;

	if (rc < 0)
		return fail(w, rc, d, "encoding a block");
	ASSERT(w->encode.pages_off == w->off);
	rc = write_out(w, w->pool->work.pages.p, w->pool->work.pages.len, d);
	if (rc < 0)
		return rc;
	seg_encode_written(&w->encode);
	block_reset(w->block);
	return 0;
}

int seg_writer_append(struct seg_writer *w, const struct event *ev, struct diag *d)
{
	int rc;

	ASSERT(!w->finished);
	if (ev->id <= w->last_id)
		return fail(w, ERR_RANGE, d, "appending an event whose id is not the greatest");
	rc = block_put(w->block, ev);
	if (rc == BLOCK_FULL) {
		/* The last block stays in memory: one more flush belongs to finish. */
		if (w->footer.blocks_count + 1 >= w->conf.blocks_max)
			return SEG_WRITER_FULL;
		rc = flush_block(w, d);
		if (rc < 0)
			return rc;
		rc = block_put(w->block, ev);
		ASSERT(rc != BLOCK_FULL);
	}
	if (rc < 0)
		return fail(w, rc, d, "appending an event");
	w->last_id = ev->id;
	return 0;
}

uint32_t seg_writer_blocks(const struct seg_writer *w)
{
	return w->footer.blocks_count;
}

static int write_tail(struct seg_writer *w, uint64_t footer_off, uint64_t footer_bytes,
	uint64_t footer_sum, struct diag *d)
{
	uint8_t tail[SEG_LAYOUT_TAIL_BYTES];
	struct wcur c = wcur_of(tail, sizeof tail);

	wcur_le64(&c, footer_off);
	wcur_le64(&c, footer_bytes);
	wcur_le64(&c, footer_sum);
	wcur_le64(&c, w->head_sum);
	wcur_le64(&c, XXH3_64bits(tail, SEG_LAYOUT_TAIL_SUM_OFF));
	wcur_bytes(&c, SEG_LAYOUT_TAIL_MAGIC, 8);
	ASSERT(c.err == 0);
	ASSERT(c.p == c.end);
	return write_out(w, tail, sizeof tail, d);
}

static int write_footer(struct seg_writer *w, struct diag *d)
{
	uint64_t off;
	struct buf b;
	int rc = seg_encode_finish(&w->encode, w->block, &w->footer);

	if (rc < 0)
		return fail(w, rc, d, "encoding the dictionaries");
	rc = write_out(w, w->pool->work.pages.p, w->pool->work.pages.len, d);
	if (rc < 0)
		return rc;
	off = w->off;
	buf_init(&b, FOOTER_BYTES_MAX);
	seg_footer_encode(&w->footer, &w->encode.inline_pages, &b);
	if (b.err)
		rc = fail(w, b.err, d, "encoding the footer");
	if (rc == 0)
		rc = write_out(w, b.p, b.len, d);
	if (rc == 0)
		rc = write_tail(w, off, b.len, XXH3_64bits(b.p, b.len), d);
	buf_fini(&b);
	return rc;
}

/* What was written is read back by the reader's own eyes before anybody relies on it. */
static int read_back(struct seg_writer *w, struct seg_info *out, struct diag *d)
{
	struct seg_reader *r = NULL;
	int rc = seg_reader_open(w->conf.vfs, w->conf.dir, w->name, &r, d);

	if (rc < 0)
		return rc;
	*out = *seg_reader_info(r);
	seg_reader_close(&r);
	return 0;
}

int seg_writer_finish(struct seg_writer *w, struct seg_info *out_info, struct diag *d)
{
	int rc = 0;

	ASSERT(!w->finished);
	ASSERT(w->last_id > 0);
	if (w->block->rows_count > 0)
		rc = flush_block(w, d);
	if (rc == 0)
		rc = write_footer(w, d);
	if (rc < 0)
		return rc;
	rc = w->conf.vfs->fsync(w->conf.vfs->ctx, w->fd);
	if (rc < 0)
		return fail(w, rc, d, "fsync of a segment");
	rc = read_back(w, out_info, d);
	if (rc < 0)
		return rc;
	if (out_info->file_bytes != w->off)
		return fail(w, ERR_CORRUPT, d, "a segment has another length than was written");
	w->finished = true;
	return 0;
}
