#include "storage/sidx_common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/sidx_cube.h"
#include "storage/sidx_entity.h"
#include "storage/sidx_maker.h"
#include "storage/sidx_type.h"
#include "storage/sidx_word.h"

enum { FILE_MODE = 0640 };

static const struct {
	const char *suffix;
	char magic[9];
	uint16_t version;
} kinds[SIDX_COUNT] = {
	[SIDX_TYPE] = { ".evt", "ASTROEVT", 1 },
	/* 1 had fingerprints of 40 bits in plain pages. */
	[SIDX_ENTITY] = { ".ent", "ASTROENT", 2 },
	[SIDX_WORD] = { ".tok", "ASTROTOK", 1 },
	[SIDX_CUBE] = { ".cub", "ASTROCUB", 1 },
};

unsigned sidx_common_version(enum sidx_kind kind)
{
	ASSERT(kind < SIDX_COUNT);
	return kinds[kind].version;
}

const char *sidx_common_suffix(enum sidx_kind kind)
{
	ASSERT(kind < SIDX_COUNT);
	return kinds[kind].suffix;
}

void sidx_common_seal(
	struct buf *b, enum sidx_kind kind, const struct seg_info *seg, size_t dir_bytes)
{
	uint8_t head[SIDX_COMMON_HEAD_BYTES];
	struct wcur c = wcur_of(head, sizeof head);
	uint64_t dir_sum;

	if (b->err)
		return;
	ASSERT(b->len >= SIDX_COMMON_HEAD_BYTES + dir_bytes);
	dir_sum = XXH3_64bits(b->p + SIDX_COMMON_HEAD_BYTES, dir_bytes);
	wcur_bytes(&c, kinds[kind].magic, 8);
	wcur_le16(&c, kinds[kind].version);
	wcur_le16(&c, 0);
	wcur_le32(&c, 0);
	wcur_bytes(&c, seg->store_uuid, sizeof seg->store_uuid);
	wcur_le64(&c, seg->segment_id);
	wcur_le64(&c, seg->sum);
	wcur_le64(&c, dir_bytes);
	wcur_le64(&c, dir_sum);
	wcur_le64(&c, 0);
	ASSERT(c.p == head + SIDX_COMMON_HEAD_SUM_OFF);
	wcur_le64(&c, XXH3_64bits(head, SIDX_COMMON_HEAD_SUM_OFF));
	ASSERT(c.err == 0);
	ASSERT(c.p == c.end);
	memcpy(b->p, head, sizeof head);
}

int sidx_common_write_bytes(
	const struct vfs *vfs, int dir, const char *name, const struct buf *b, struct diag *d)
{
	int rc, fd = vfs->open(vfs->ctx, dir, name, O_WRONLY | O_CREAT | O_EXCL, FILE_MODE);

	if (fd < 0)
		return diag_set(d, fd, name, -1, "creating a sidecar");
	rc = vfs->pwrite_all(vfs->ctx, fd, b->p, b->len, 0);
	if (rc == 0)
		rc = vfs->fsync(vfs->ctx, fd);
	vfs->close(vfs->ctx, fd);
	if (rc == 0)
		return 0;
	vfs->unlink(vfs->ctx, dir, name);
	return diag_set(d, rc, name, -1, "writing a sidecar");
}

int sidx_common_build(
	enum sidx_kind kind, const struct seg_reader *seg, struct buf *out, struct diag *d)
{
	ASSERT(kind < SIDX_COUNT);
	if (kind == SIDX_TYPE)
		return sidx_type_build(seg, out, d);
	return kind == SIDX_CUBE ? sidx_cube_build(seg, out, d)
				 : sidx_maker_build(kind, seg, out, d);
}

int sidx_common_write(const struct vfs *vfs, int dir, const char *name, enum sidx_kind kind,
	const struct seg_reader *seg, struct diag *d)
{
	struct buf b;
	int rc;

	buf_init(&b, SIDX_COMMON_FILE_BYTES_MAX);
	rc = sidx_common_build(kind, seg, &b, d);
	if (rc == 0 && b.err)
		rc = diag_set(d, b.err, name, -1, "building a sidecar");
	if (rc == 0)
		rc = sidx_common_write_bytes(vfs, dir, name, &b, d);
	buf_fini(&b);
	return rc;
}

static int map_file(struct sidx_file *f, int dir, struct diag *d)
{
	struct vfs_stat st;
	int rc, fd = f->vfs->open(f->vfs->ctx, dir, f->name, O_RDONLY, 0);

	if (fd < 0)
		return diag_set(d, fd, f->name, -1, "opening a sidecar");
	rc = f->vfs->fstat(f->vfs->ctx, fd, &st);
	if (rc == 0 && st.bytes < SIDX_COMMON_HEAD_BYTES)
		rc = ERR_CORRUPT;
	if (rc == 0)
		rc = f->vfs->map(f->vfs->ctx, fd, st.bytes, &f->map);
	f->vfs->close(f->vfs->ctx, fd);
	if (rc < 0)
		return diag_set(d, rc, f->name, -1, "mapping a sidecar");
	f->map_bytes = st.bytes;
	return 0;
}

/* The header in order of its bytes; dir_bytes and dir_sum are for the caller to check. */
static int read_head(const struct sidx_file *f, enum sidx_kind kind, const struct seg_info *seg,
	uint64_t *out_dir_bytes, uint64_t *out_dir_sum, struct diag *d)
{
	struct rcur c = rcur_of(f->map, SIDX_COMMON_HEAD_BYTES);
	struct span magic = rcur_bytes(&c, 8), uuid;
	uint16_t version = rcur_le16(&c), compat = rcur_le16(&c);
	uint32_t incompat = rcur_le32(&c);
	uint64_t id, sum;

	(void)compat;
	uuid = rcur_bytes(&c, sizeof seg->store_uuid);
	id = rcur_le64(&c);
	sum = rcur_le64(&c);
	*out_dir_bytes = rcur_le64(&c);
	*out_dir_sum = rcur_le64(&c);
	rcur_le64(&c);
	if (memcmp(magic.p, kinds[kind].magic, 8) != 0)
		return diag_set(d, ERR_CORRUPT, f->name, 0, "the magic of a sidecar");
	if (rcur_le64(&c) != XXH3_64bits(f->map, SIDX_COMMON_HEAD_SUM_OFF))
		return diag_set(d, ERR_CORRUPT, f->name, 0, "the checksum of a sidecar's header");
	ASSERT(c.err == 0);
	if (version > kinds[kind].version || incompat != 0)
		return diag_set(d, ERR_TOO_NEW, f->name, 8, "sidecar version %u", version);
	if (version < kinds[kind].version)
		return diag_set(d, ERR_STALE, f->name, 8, "sidecar version %u", version);
	if (memcmp(uuid.p, seg->store_uuid, uuid.n) != 0 || id != seg->segment_id ||
		sum != seg->sum)
		return diag_set(
			d, ERR_STALE, f->name, 16, "the sidecar was made of another segment");
	return 0;
}

int sidx_common_open(const struct vfs *vfs, int dir, const char *name, enum sidx_kind kind,
	const struct seg_info *seg, struct sidx_file *out, struct diag *d)
{
	struct sidx_file f = { .vfs = vfs };
	uint64_t dir_bytes = 0, dir_sum = 0;
	int rc;

	ASSERT(kind < SIDX_COUNT);
	snprintf(f.name, sizeof f.name, "%s", name);
	rc = map_file(&f, dir, d);
	if (rc < 0)
		return rc;
	rc = read_head(&f, kind, seg, &dir_bytes, &dir_sum, d);
	if (rc == 0 && (dir_bytes > f.map_bytes - SIDX_COMMON_HEAD_BYTES ||
			       XXH3_64bits(f.map + SIDX_COMMON_HEAD_BYTES, dir_bytes) != dir_sum))
		rc = diag_set(d, ERR_CORRUPT, name, SIDX_COMMON_HEAD_BYTES,
			"the checksum of a sidecar's directory");
	if (rc < 0) {
		sidx_common_close(&f);
		return rc;
	}
	f.dir = span_of(f.map + SIDX_COMMON_HEAD_BYTES, dir_bytes);
	f.pages_off = SIDX_COMMON_HEAD_BYTES + dir_bytes;
	*out = f;
	return 0;
}

void sidx_common_close(struct sidx_file *f)
{
	if (f->map)
		f->vfs->unmap(f->vfs->ctx, f->map, f->map_bytes);
	f->map = NULL;
}

int sidx_common_check(const struct vfs *vfs, int dir, const char *name, enum sidx_kind kind,
	const struct seg_info *seg, struct diag *d)
{
	struct sidx_entity *entity = NULL;
	struct sidx_type *type = NULL;
	struct sidx_word *word = NULL;
	struct sidx_cube *cube = NULL;
	int rc;

	if (kind == SIDX_CUBE) {
		rc = sidx_cube_open(vfs, dir, name, seg, &cube, d);
		if (rc == 0)
			rc = sidx_cube_check(cube, d);
	} else if (kind == SIDX_TYPE) {
		rc = sidx_type_open(vfs, dir, name, seg, &type, d);
	} else if (kind == SIDX_ENTITY) {
		rc = sidx_entity_open(vfs, dir, name, seg, &entity, d);
		if (rc == 0)
			rc = sidx_entity_check(entity, d);
	} else {
		rc = sidx_word_open(vfs, dir, name, seg, &word, d);
		if (rc == 0)
			rc = sidx_word_check(word, d);
	}
	sidx_type_close(&type);
	sidx_entity_close(&entity);
	sidx_word_close(&word);
	sidx_cube_close(&cube);
	return rc;
}
