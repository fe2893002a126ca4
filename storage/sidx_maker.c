#include "storage/sidx_maker.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/block.h"
#include "storage/sidx_entity_maker.h"
#include "storage/sidx_word_maker.h"

struct sidx_maker {
	struct sidx_entity_maker entity;
	struct sidx_word_maker word;
	uint32_t blocks_count; /* seen */
	uint64_t rows_count;
};

int sidx_maker_new(struct sidx_maker **out)
{
	struct sidx_maker *m = malloc(sizeof *m);

	if (!m)
		return -ENOMEM;
	sidx_entity_maker_init(&m->entity);
	sidx_word_maker_init(&m->word);
	m->blocks_count = 0;
	m->rows_count = 0;
	*out = m;
	return 0;
}

void sidx_maker_free(struct sidx_maker **m)
{
	if (!*m)
		return;
	sidx_entity_maker_fini(&(*m)->entity);
	sidx_word_maker_fini(&(*m)->word);
	free(*m);
	*m = NULL;
}

void sidx_maker_reset(struct sidx_maker *m)
{
	sidx_entity_maker_begin(&m->entity, 0, 1);
	sidx_word_maker_begin(&m->word, 0, 1);
	m->blocks_count = 0;
	m->rows_count = 0;
}

void sidx_maker_row(struct sidx_maker *m, uint32_t block, const struct event *ev)
{
	ASSERT(block == m->blocks_count || block + 1 == m->blocks_count);
	sidx_entity_maker_row(&m->entity, block, ev);
	sidx_word_maker_row(&m->word, block, ev);
	m->blocks_count = block + 1;
	m->rows_count++;
}

/* ---- one kind of them ---- */

static void begin(struct sidx_maker *m, enum sidx_kind kind, unsigned range, unsigned ranges)
{
	if (kind == SIDX_ENTITY)
		sidx_entity_maker_begin(&m->entity, range, ranges);
	else
		sidx_word_maker_begin(&m->word, range, ranges);
}

static bool is_full(const struct sidx_maker *m, enum sidx_kind kind)
{
	return kind == SIDX_ENTITY ? sidx_entity_maker_full(&m->entity)
				   : sidx_word_maker_full(&m->word);
}

static int range_end(struct sidx_maker *m, enum sidx_kind kind, const struct seg_info *seg)
{
	return kind == SIDX_ENTITY ? sidx_entity_maker_range_end(&m->entity, seg)
				   : sidx_word_maker_range_end(&m->word, seg);
}

static int put(
	struct sidx_maker *m, enum sidx_kind kind, const struct seg_info *seg, struct buf *out)
{
	return kind == SIDX_ENTITY ? sidx_entity_maker_put(&m->entity, seg, out)
				   : sidx_word_maker_put(&m->word, seg, out);
}

/* An index that knows nothing. */
static int put_none(enum sidx_kind kind, const struct seg_info *seg, struct buf *out)
{
	static const uint8_t head[SIDX_COMMON_HEAD_BYTES];

	buf_put(out, head, sizeof head);
	buf_put_u8(out, 0);
	sidx_common_seal(out, kind, seg, 1);
	return out->err;
}

static void add_block(
	struct sidx_maker *m, enum sidx_kind kind, uint32_t block, const struct block *b)
{
	struct event ev;

	for (uint32_t i = 0; i < b->rows_count; i++) {
		block_get(b, i, &ev);
		if (kind == SIDX_ENTITY)
			sidx_entity_maker_row(&m->entity, block, &ev);
		else
			sidx_word_maker_row(&m->word, block, &ev);
	}
}

/* One range of the hashes; ERR_LIMIT: it has too many keys. */
static int read_range(struct sidx_maker *m, enum sidx_kind kind, const struct seg_reader *seg,
	struct block *b, struct diag *d)
{
	const struct seg_info *info = seg_reader_info(seg);
	int rc = 0;

	for (uint32_t i = 0; i < info->blocks_count && rc == 0; i++) {
		rc = seg_reader_rows(seg, i, b, d);
		if (rc < 0)
			return rc;
		add_block(m, kind, i, b);
		if (is_full(m, kind))
			return ERR_LIMIT;
	}
	rc = range_end(m, kind, info);
	return rc < 0 ? diag_set(d, rc, seg_reader_name(seg), -1, "building a sidecar") : 0;
}

/* Twice as many ranges each time one proves too large. */
static int read_all(
	struct sidx_maker *m, enum sidx_kind kind, const struct seg_reader *seg, struct diag *d)
{
	struct block *b = block_new();
	int rc = ERR_LIMIT;

	if (!b)
		return diag_set(d, -ENOMEM, seg_reader_name(seg), -1, "building a sidecar");
	for (unsigned ranges = 1; ranges <= LIMIT_SIDX_PASSES && rc == ERR_LIMIT; ranges *= 2) {
		rc = 0;
		for (unsigned i = 0; i < ranges && rc == 0; i++) {
			begin(m, kind, i, ranges);
			rc = read_range(m, kind, seg, b, d);
		}
	}
	block_free(&b);
	return rc;
}

static int finish(struct sidx_maker *m, enum sidx_kind kind, const struct seg_reader *seg, int rc,
	struct buf *out, struct diag *d)
{
	const struct seg_info *info = seg_reader_info(seg);

	if (rc == ERR_LIMIT)
		rc = put_none(kind, info, out);
	else if (rc == 0)
		rc = put(m, kind, info, out);
	else
		return rc;
	return rc < 0 ? diag_set(d, rc, seg_reader_name(seg), -1, "building a sidecar") : 0;
}

int sidx_maker_build(
	enum sidx_kind kind, const struct seg_reader *seg, struct buf *out, struct diag *d)
{
	struct sidx_maker *m = NULL;
	int rc = sidx_maker_new(&m);

	ASSERT(kind == SIDX_ENTITY || kind == SIDX_WORD);
	if (rc < 0)
		return diag_set(d, rc, seg_reader_name(seg), -1, "building a sidecar");
	rc = finish(m, kind, seg, read_all(m, kind, seg, d), out, d);
	sidx_maker_free(&m);
	return rc;
}

int sidx_maker_put(struct sidx_maker *m, enum sidx_kind kind, const struct seg_reader *seg,
	struct buf *out, struct diag *d)
{
	const struct seg_info *info = seg_reader_info(seg);
	int rc;

	ASSERT(kind == SIDX_ENTITY || kind == SIDX_WORD);
	if (m->blocks_count != info->blocks_count || m->rows_count != info->rows_count ||
		is_full(m, kind))
		rc = read_all(m, kind, seg, d);
	else
		rc = range_end(m, kind, info);
	return finish(m, kind, seg, rc, out, d);
}

int sidx_maker_write(struct sidx_maker *m, const struct vfs *vfs, int dir, const char *name,
	enum sidx_kind kind, const struct seg_reader *seg, struct diag *d)
{
	struct buf b;
	int rc;

	if (kind == SIDX_TYPE || kind == SIDX_CUBE)
		return sidx_common_write(vfs, dir, name, kind, seg, d);
	buf_init(&b, SIDX_COMMON_FILE_BYTES_MAX);
	rc = sidx_maker_put(m, kind, seg, &b, d);
	if (rc == 0)
		rc = sidx_common_write_bytes(vfs, dir, name, &b, d);
	buf_fini(&b);
	return rc;
}
