#include "storage/publish.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/leftover.h"
#include "storage/partition.h"
#include "storage/seg_writer.h"
#include "storage/sidx_common.h"
#include "storage/sidx_maker.h"
#include "storage/vfs_file.h"

enum {
	TMP_BYTES = 64,
	DIR_MODE = 0750,
	SUFFIX_BYTES = 4, /* ".seg" and those of the sidecars */
};

/* A segment under way. */
struct group {
	int32_t day;
	uint8_t hour;
	uint16_t gen;
	char class_name[LIMIT_CLASS_BYTES];
	struct seg_writer *writer; /* NULL: no row yet, or finished */
	struct sidx_maker *maker;  /* with the writer */
	uint64_t tmp_no;
};

/* A segment that is complete. */
struct made {
	struct manifest_segment seg;
	char tmp[TMP_BYTES];
	uint64_t sidecar_bytes;
	unsigned files_named; /* of 1 + SIDX_COUNT, that stand below seg/ */
};

struct publish {
	struct publish_conf conf;
	struct publish_pool *own_pool;
	struct group *groups;
	size_t groups_count;
	struct made *made;
	size_t made_count;
	bool committed;
	bool in_doubt; /* the manifest may list the new files */
};

struct publish_pool {
	struct seg_writer_pool *writers;
	struct sidx_maker *maker; /* one that is not in use; NULL: none */
};

/* Names below tmp/ are never used twice by a process. */
static _Atomic uint64_t next_tmp_no;

const char *publish_path(const struct manifest_segment *s, int kind, char dst[MANIFEST_PATH_BYTES])
{
	manifest_segment_path(s, dst);
	if (kind < SIDX_COUNT) {
		size_t n = strlen(dst);

		ASSERT(n > SUFFIX_BYTES);
		memcpy(dst + n - SUFFIX_BYTES, sidx_common_suffix((enum sidx_kind)kind),
			SUFFIX_BYTES);
	}
	return dst;
}

static const char *tmp_path(const struct publish *p, uint64_t tmp_no, int kind, char dst[TMP_BYTES])
{
	snprintf(dst, TMP_BYTES, "tmp/%s%" PRIu64 "%s", p->conf.prefix, tmp_no,
		kind == SIDX_COUNT ? ".seg" : sidx_common_suffix((enum sidx_kind)kind));
	return dst;
}

/* The same for a finished one, whose name is kept. */
static const char *made_tmp_path(const struct made *m, int kind, char dst[TMP_BYTES])
{
	memcpy(dst, m->tmp, TMP_BYTES);
	if (kind < SIDX_COUNT)
		memcpy(dst + strlen(dst) - SUFFIX_BYTES, sidx_common_suffix((enum sidx_kind)kind),
			SUFFIX_BYTES);
	return dst;
}

struct publish_pool *publish_pool_new(void)
{
	struct publish_pool *pool = calloc(1, sizeof *pool);

	if (pool)
		pool->writers = seg_writer_pool_new();
	if (pool && !pool->writers)
		publish_pool_free(&pool);
	return pool;
}

void publish_pool_free(struct publish_pool **at)
{
	struct publish_pool *pool = *at;

	if (!pool)
		return;
	sidx_maker_free(&pool->maker);
	seg_writer_pool_free(&pool->writers);
	free(pool);
	*at = NULL;
}

static int take_maker(struct publish_pool *pool, struct sidx_maker **out)
{
	*out = pool->maker;
	pool->maker = NULL;
	return *out ? 0 : sidx_maker_new(out);
}

/* One is kept for the next segment. */
static void give_maker(struct publish_pool *pool, struct sidx_maker **m)
{
	if (!*m)
		return;
	if (pool->maker) {
		sidx_maker_free(m);
		return;
	}
	sidx_maker_reset(*m);
	pool->maker = *m;
	*m = NULL;
}

int publish_open(const struct publish_conf *conf, struct publish **out, struct diag *d)
{
	struct publish *p = calloc(1, sizeof *p);

	if (!p)
		return diag_set(d, -ENOMEM, "", -1, "begin a change of segments");
	p->conf = *conf;
	if (!p->conf.pool) {
		p->own_pool = publish_pool_new();
		p->conf.pool = p->own_pool;
	}
	if (!p->conf.pool) {
		free(p);
		return diag_set(d, -ENOMEM, "", -1, "begin a change of segments");
	}
	*out = p;
	return 0;
}

/* Removes the files of a segment that will not be listed, wherever they stand. */
static void drop_made(const struct publish *p, const struct made *m)
{
	char path[MANIFEST_PATH_BYTES], tmp[TMP_BYTES];

	for (int kind = 0; kind <= SIDX_COUNT; kind++) {
		const char *name = (unsigned)kind < m->files_named
					   ? publish_path(&m->seg, kind, path)
					   : made_tmp_path(m, kind, tmp);

		p->conf.vfs->unlink(p->conf.vfs->ctx, p->conf.dir, name);
	}
}

void publish_close(struct publish **at)
{
	struct publish *p = *at;

	if (!p)
		return;
	for (size_t i = 0; i < p->groups_count; i++) {
		seg_writer_close(&p->groups[i].writer);
		give_maker(p->conf.pool, &p->groups[i].maker);
	}
	for (size_t i = 0; i < p->made_count && !p->committed && !p->in_doubt; i++)
		drop_made(p, &p->made[i]);
	publish_pool_free(&p->own_pool);
	free(p->groups);
	free(p->made);
	free(p);
	*at = NULL;
}

int publish_begin(
	struct publish *p, const struct publish_place *place, unsigned *out_group, struct diag *d)
{
	struct group *g, *groups = realloc(p->groups, (p->groups_count + 1) * sizeof *groups);

	ASSERT(place->hour <= MANIFEST_HOUR_MIXED);
	ASSERT(strlen(place->class_name) < LIMIT_CLASS_BYTES);
	if (!groups)
		return diag_set(d, -ENOMEM, "", -1, "begin a segment");
	p->groups = groups;
	g = &groups[p->groups_count];
	*g = (struct group){
		.day = place->day,
		.hour = (uint8_t)place->hour,
		.gen = (uint16_t)(place->gen < UINT16_MAX ? place->gen : UINT16_MAX),
	};
	snprintf(g->class_name, sizeof g->class_name, "%s", place->class_name);
	*out_group = (unsigned)p->groups_count++;
	return 0;
}

static int open_writer(struct publish *p, struct group *g, struct diag *d)
{
	char tmp[TMP_BYTES];
	struct seg_writer_conf conf = {
		.vfs = p->conf.vfs,
		.dir = p->conf.dir,
		.created_ns = p->conf.created_ns,
		.compress_level = p->conf.compress_level,
		.pool = p->conf.pool->writers,
		.block_rows = p->conf.block_rows,
	};

	g->tmp_no = atomic_fetch_add(&next_tmp_no, 1);
	conf.name = tmp_path(p, g->tmp_no, SIDX_COUNT, tmp);
	memcpy(conf.store_uuid, p->conf.uuid, sizeof conf.store_uuid);
	if (getentropy(&conf.segment_id, sizeof conf.segment_id) < 0)
		return diag_set(d, -errno, tmp, -1, "choose a segment's number");
	if (take_maker(p->conf.pool, &g->maker) < 0)
		return diag_set(d, -ENOMEM, tmp, -1, "begin a segment's sidecars");
	return seg_writer_open(&conf, &g->writer, d);
}

int publish_append(struct publish *p, unsigned group, const struct event *ev, struct diag *d)
{
	struct group *g = &p->groups[group];
	int rc;

	ASSERT(group < p->groups_count);
	for (;;) {
		if (!g->writer) {
			rc = open_writer(p, g, d);
			if (rc < 0)
				return rc;
		}
		rc = seg_writer_append(g->writer, ev, d);
		if (rc == 0)
			sidx_maker_row(g->maker, seg_writer_blocks(g->writer), ev);
		if (rc != SEG_WRITER_FULL)
			return rc;
		rc = publish_finish(p, group, d);
		if (rc < 0)
			return rc;
	}
}

static int make_sidecars(struct publish *p, const struct group *g, struct made *m, struct diag *d)
{
	const struct vfs *v = p->conf.vfs;
	struct seg_reader *reader = NULL;
	char tmp[TMP_BYTES];
	struct vfs_stat st;
	int rc = seg_reader_open(v, p->conf.dir, m->tmp, &reader, d);

	for (int kind = 0; kind < SIDX_COUNT && rc == 0; kind++) {
		tmp_path(p, g->tmp_no, kind, tmp);
		rc = sidx_maker_write(
			g->maker, v, p->conf.dir, tmp, (enum sidx_kind)kind, reader, d);
		if (rc < 0)
			break;
		rc = v->stat(v->ctx, p->conf.dir, tmp, &st);
		if (rc < 0)
			diag_set(d, rc, tmp, -1, "look at a new sidecar");
		else
			m->sidecar_bytes += st.bytes;
	}
	seg_reader_close(&reader);
	return rc;
}

static void fill(const struct group *g, const struct seg_info *info, struct manifest_segment *s)
{
	bool mixed = g->hour == MANIFEST_HOUR_MIXED;

	*s = (struct manifest_segment){
		.id_first = info->id_min,
		.id_last = info->id_max,
		.rows_count = info->rows_count,
		.time_min_ns = info->time_min_ns,
		.time_max_ns = info->time_max_ns,
		.file_bytes = info->file_bytes,
		.file_sum = info->sum,
		.blocks_count = info->blocks_count,
		.day = mixed ? partition_day(info->time_min_ns) : g->day,
		.gen = g->gen,
		.hour = g->hour,
	};
	snprintf(s->class_name, sizeof s->class_name, "%s", g->class_name);
}

int publish_finish(struct publish *p, unsigned group, struct diag *d)
{
	struct group *g = &p->groups[group];
	struct seg_info info;
	struct made *made, *m;
	int rc;

	ASSERT(group < p->groups_count);
	if (!g->writer)
		return 0;
	made = realloc(p->made, (p->made_count + 1) * sizeof *made);
	if (!made)
		return diag_set(d, -ENOMEM, "", -1, "finish a segment");
	p->made = made;
	rc = seg_writer_finish(g->writer, &info, d);
	if (rc < 0)
		return rc;
	seg_writer_close(&g->writer);
	m = &made[p->made_count++];
	*m = (struct made){ 0 };
	tmp_path(p, g->tmp_no, SIDX_COUNT, m->tmp);
	fill(g, &info, &m->seg);
	rc = make_sidecars(p, g, m, d);
	give_maker(p->conf.pool, &g->maker);
	return rc;
}

/* A generation whose name no file has: an earlier attempt may have left one that must not change. */
static int choose_name(const struct publish *p, struct made *m, struct diag *d)
{
	const struct vfs *v = p->conf.vfs;
	char path[MANIFEST_PATH_BYTES];
	struct vfs_stat st;

	for (; m->seg.gen < UINT16_MAX; m->seg.gen++) {
		int rc = v->stat(v->ctx, p->conf.dir, manifest_segment_path(&m->seg, path), &st);

		if (rc == -ENOENT)
			return 0;
		if (rc < 0)
			return diag_set(d, rc, path, -1, "choose a segment's name");
	}
	return diag_set(d, ERR_LIMIT, path, -1, "choose a segment's name");
}

static int sync_dir(const struct publish *p, const char *name, struct diag *d)
{
	int rc = vfs_file_sync_dir(p->conf.vfs, p->conf.dir, name);

	return rc < 0 ? diag_set(d, rc, name, -1, "fsync of a directory") : 0;
}

/* The directories of all new segments; a new one is itself synced into its parent. */
static int make_dirs(const struct publish *p, struct diag *d)
{
	const struct vfs *v = p->conf.vfs;
	char name[MANIFEST_PATH_BYTES];
	bool made_any = false;

	for (size_t i = 0; i < p->made_count; i++) {
		int rc;

		manifest_segment_dir(&p->made[i].seg, name);
		rc = v->mkdir(v->ctx, p->conf.dir, name, DIR_MODE);
		if (rc < 0 && rc != -EEXIST)
			return diag_set(d, rc, name, -1, "make a day's directory");
		made_any |= rc == 0;
	}
	return made_any ? sync_dir(p, "seg", d) : 0;
}

/* Sidecars first, so that a segment that is there has them. */
static int name_files(const struct publish *p, struct made *m, struct diag *d)
{
	const struct vfs *v = p->conf.vfs;
	char path[MANIFEST_PATH_BYTES], tmp[TMP_BYTES];

	for (int kind = 0; kind <= SIDX_COUNT; kind++) {
		int rc = v->rename(v->ctx, p->conf.dir, made_tmp_path(m, kind, tmp),
			publish_path(&m->seg, kind, path));

		if (rc < 0)
			return diag_set(d, rc, path, -1, "give a segment its name");
		m->files_named++;
	}
	return 0;
}

/* Each day's directory once; segments of a day need not stand together. */
static int sync_dirs(const struct publish *p, struct diag *d)
{
	char name[MANIFEST_PATH_BYTES];

	for (size_t i = 0; i < p->made_count; i++) {
		bool seen = false;
		int rc;

		for (size_t j = 0; j < i && !seen; j++)
			seen = p->made[j].seg.day == p->made[i].seg.day;
		if (seen)
			continue;
		rc = sync_dir(p, manifest_segment_dir(&p->made[i].seg, name), d);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int place_files(struct publish *p, struct diag *d)
{
	int rc = make_dirs(p, d);

	for (size_t i = 0; i < p->made_count && rc == 0; i++)
		rc = name_files(p, &p->made[i], d);
	return rc < 0 ? rc : sync_dirs(p, d);
}

static int append(struct publish *p, const struct manifest_segment *drops, size_t drops_count,
	uint64_t sealed_id, struct diag *d)
{
	struct manifest_change change = { .drops_count = drops_count, .sealed_id = sealed_id };
	struct manifest_segment *adds = calloc(p->made_count + 1, sizeof *adds);
	uint64_t *nos = calloc(drops_count + 1, sizeof *nos);
	int rc = -ENOMEM;

	if (!adds || !nos) {
		diag_set(d, rc, "manifest", -1, "append a change");
		goto done;
	}
	for (size_t i = 0; i < p->made_count; i++)
		adds[i] = p->made[i].seg;
	for (size_t i = 0; i < drops_count; i++)
		nos[i] = drops[i].no;
	change.adds = adds;
	change.adds_count = p->made_count;
	change.drops = nos;
	rc = manifest_append(p->conf.manifest, &change, d);
	/* Refused, these, before a byte was written. */
	p->in_doubt = rc < 0 && rc != ERR_STALE && rc != ERR_LIMIT && rc != ERR_RANGE;
	for (size_t i = 0; i < p->made_count && rc == 0; i++)
		p->made[i].seg.no = adds[i].no;
done:
	free(adds);
	free(nos);
	return rc;
}

/* So that no power cut brings back what was removed once the list of it is gone. */
static int sync_removed(
	const struct publish *p, const struct manifest_segment *drops, size_t drops_count)
{
	char name[MANIFEST_PATH_BYTES];
	bool dir_gone = false;
	int rc = 0;

	for (size_t i = 0; i < drops_count && rc == 0; i++) {
		bool seen = false;

		for (size_t j = 0; j < i && !seen; j++)
			seen = drops[j].day == drops[i].day;
		if (seen)
			continue;
		rc = sync_dir(p, manifest_segment_dir(&drops[i], name), NULL);
		dir_gone |= rc == -ENOENT;
		rc = rc == -ENOENT ? 0 : rc;
	}
	return rc == 0 && dir_gone ? sync_dir(p, "seg", NULL) : rc;
}

/* What cannot be removed now is in the list of leftovers, for the next change or start. */
static void remove_dropped(
	const struct publish *p, const struct manifest_segment *drops, size_t drops_count)
{
	int rc = 0;

	for (size_t i = 0; i < drops_count; i++) {
		if (publish_unlink(p->conf.vfs, p->conf.dir, &drops[i], NULL) < 0)
			rc = -1;
	}
	if (rc == 0)
		rc = sync_removed(p, drops, drops_count);
	if (rc == 0)
		leftover_forget(p->conf.vfs, p->conf.dir);
}

static int commit_locked(struct publish *p, const struct manifest_segment *drops,
	size_t drops_count, uint64_t sealed_id, struct diag *d)
{
	struct manifest_segment *adds = calloc(p->made_count + 1, sizeof *adds);
	int rc = adds ? 0 : diag_set(d, -ENOMEM, "", -1, "commit a change");

	for (size_t i = 0; i < p->made_count && rc == 0; i++) {
		rc = choose_name(p, &p->made[i], d);
		adds[i] = p->made[i].seg;
	}
	/* What an earlier change could not remove, before its list is replaced. */
	if (rc == 0)
		rc = leftover_clear(p->conf.vfs, p->conf.dir, p->conf.manifest, NULL, NULL, d);
	if (rc == 0)
		rc = leftover_write(
			p->conf.vfs, p->conf.dir, adds, p->made_count, drops, drops_count, d);
	free(adds);
	if (rc == 0)
		rc = place_files(p, d);
	if (rc == 0)
		rc = append(p, drops, drops_count, sealed_id, d);
	if (rc < 0)
		return rc;
	p->committed = true;
	remove_dropped(p, drops, drops_count);
	return 0;
}

int publish_commit(struct publish *p, const struct manifest_segment *drops, size_t drops_count,
	uint64_t sealed_id, struct diag *d)
{
	int rc;

	ASSERT(!p->committed);
	for (size_t i = 0; i < p->groups_count; i++)
		ASSERT(!p->groups[i].writer);
	rc = manifest_lock(p->conf.manifest, d);
	if (rc < 0)
		return rc;
	rc = commit_locked(p, drops, drops_count, sealed_id, d);
	if (rc < 0 && !p->in_doubt) {
		/*
		 * Under the lock still: nobody may take these for files of a live segment. The list
		 * stays, for what cannot be removed.
		 */
		for (size_t i = 0; i < p->made_count; i++)
			drop_made(p, &p->made[i]);
		p->made_count = 0;
	}
	manifest_unlock(p->conf.manifest);
	return rc;
}

size_t publish_count(const struct publish *p)
{
	return p->made_count;
}

const struct manifest_segment *publish_segment(const struct publish *p, size_t i)
{
	ASSERT(i < p->made_count);
	return &p->made[i].seg;
}

const char *publish_tmp_name(const struct publish *p, size_t i)
{
	ASSERT(i < p->made_count);
	return p->made[i].tmp;
}

uint64_t publish_sidecar_bytes(const struct publish *p, size_t i)
{
	ASSERT(i < p->made_count);
	return p->made[i].sidecar_bytes;
}

int publish_unlink(const struct vfs *vfs, int dir, const struct manifest_segment *s, struct diag *d)
{
	char path[MANIFEST_PATH_BYTES];
	int rc = 0;

	for (int kind = SIDX_COUNT; kind >= 0; kind--) {
		int one = vfs->unlink(vfs->ctx, dir, publish_path(s, kind, path));

		if (one < 0 && one != -ENOENT && rc == 0)
			rc = diag_set(d, one, path, -1, "remove a dropped segment");
	}
	vfs->rmdir(vfs->ctx, dir, manifest_segment_dir(s, path)); /* fails while it is in use */
	return rc;
}
