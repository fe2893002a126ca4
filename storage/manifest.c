/*
 * A handle is a state (manifest_state.h) and the rule when it changes: after a record is durable in
 * both copies, or after a new pair is that begins with the new state. The second way is taken when the
 * present pair is long, or when nobody knows what a crash or a failed write has left in it.
 */
#include "storage/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/manifest_record.h"
#include "storage/manifest_state.h"

enum {
	NAME_BYTES = MANIFEST_STATE_NAME_BYTES,
	TRIES = 10,
	REMOVALS = 64,
};

struct manifest {
	const struct vfs *vfs;
	int dir;
	uint8_t uuid[LAYOUT_UUID_BYTES];
	struct ctl *ctl;
	struct manifest_files files;
	struct manifest_state st;
	struct ctl_manifest seen; /* what ctl said when the files were last asked */
	bool failed;              /* a write to the pair failed: it takes no more */
	bool locked;
};

/* ---- which file ---- */

static int see_newest(void *arg, const char *name)
{
	uint64_t *newest = arg;
	uint64_t n = manifest_state_number(name);

	if (n > *newest)
		*newest = n;
	return 0;
}

/* *out: the greatest number there is, 0 for none. */
static int find_newest(const struct manifest *m, uint64_t *out, struct diag *d)
{
	uint64_t newest = 0;
	int rc = m->vfs->list(m->vfs->ctx, m->dir, ".", see_newest, &newest);

	if (rc < 0)
		return diag_set(d, rc, "manifest", -1, "list the manifests");
	*out = newest;
	return 0;
}

static int load_new(struct manifest *m, uint64_t number, struct diag *d)
{
	struct manifest_state st;
	int rc = manifest_state_load(&m->files, number, &st, d);

	if (rc == 0) {
		manifest_state_fini(&m->st);
		m->st = st;
	}
	return rc;
}

/* By the files alone. They may be followed by newer ones and removed while we look. */
static int refresh_files(struct manifest *m, struct diag *d)
{
	uint64_t before = m->st.changes;
	int rc = ERR_STALE;

	for (int try = 0; try < TRIES && (rc == ERR_STALE || rc == -ENOENT); try++) {
		uint64_t newest = 0;

		rc = find_newest(m, &newest, d);
		if (rc < 0)
			return rc;
		if (newest == 0)
			return diag_set(d, -ENOENT, "manifest", -1, "open the manifest");
		if (newest == m->st.number)
			rc = manifest_state_follow(&m->files, &m->st, d);
		else
			rc = load_new(m, newest, d);
	}
	if (rc < 0)
		return rc;
	return m->st.changes != before;
}

bool manifest_is_newest(const struct manifest *m)
{
	struct ctl_manifest now;

	return m->ctl && ctl_manifest(m->ctl, &now) == 0 && memcmp(&now, &m->seen, sizeof now) == 0;
}

int manifest_refresh(struct manifest *m, struct diag *d)
{
	struct ctl_manifest now;
	int known = m->ctl ? ctl_manifest(m->ctl, &now) : ERR_STALE;
	int rc;

	if (known == 0 && memcmp(&now, &m->seen, sizeof now) == 0)
		return 0;
	rc = refresh_files(m, d);
	if (rc >= 0 && known == 0)
		m->seen = now;
	return rc;
}

/* ---- opening ---- */

static int new_handle(const struct vfs *vfs, int dir, const uint8_t *uuid, struct ctl *ctl,
	struct manifest **out, struct diag *d)
{
	struct manifest *m = calloc(1, sizeof *m);

	if (!m)
		return diag_set(d, -ENOMEM, "manifest", -1, "open the manifest");
	m->vfs = vfs;
	m->dir = dir;
	m->ctl = ctl;
	memcpy(m->uuid, uuid, sizeof m->uuid);
	m->files = (struct manifest_files){ .vfs = vfs, .dir = dir, .uuid = m->uuid };
	*out = m;
	return 0;
}

int manifest_open(const struct vfs *vfs, int dir, const uint8_t *uuid, struct ctl *ctl,
	struct manifest **out, struct diag *d)
{
	struct manifest *m = NULL;
	int rc = new_handle(vfs, dir, uuid, ctl, &m, d);

	if (rc == 0)
		rc = manifest_refresh(m, d);
	if (rc < 0)
		manifest_close(&m);
	else
		*out = m;
	return rc < 0 ? rc : 0;
}

void manifest_close(struct manifest **mp)
{
	struct manifest *m = *mp;

	if (!m)
		return;
	if (m->locked)
		manifest_unlock(m);
	manifest_state_fini(&m->st);
	free(m);
	*mp = NULL;
}

int manifest_lock(struct manifest *m, struct diag *d)
{
	int rc;

	ASSERT(m->ctl);
	ASSERT(!m->locked);
	rc = ctl_lock(m->ctl, d);
	if (rc < 0)
		return rc;
	m->locked = true;
	rc = refresh_files(m, d);
	if (rc < 0)
		manifest_unlock(m);
	return rc < 0 ? rc : 0;
}

void manifest_unlock(struct manifest *m)
{
	ASSERT(m->locked);
	m->locked = false;
	ctl_unlock(m->ctl);
}

/* ---- writing ---- */

static int write_file(const struct manifest *m, const char *name, int flags, const struct buf *b,
	uint64_t off, struct diag *d)
{
	const struct vfs *v = m->vfs;
	int fd = v->open(v->ctx, m->dir, name, O_WRONLY | flags, 0640);
	int rc = fd;

	if (fd >= 0) {
		rc = v->pwrite_all(v->ctx, fd, b->p, b->len, off);
		if (rc == 0)
			rc = v->fdatasync(v->ctx, fd);
		v->close(v->ctx, fd);
	}
	return rc < 0 ? diag_set(d, rc, name, (int64_t)off, "write the manifest") : 0;
}

static void publish(struct manifest *m)
{
	struct ctl_manifest now = {
		.number = m->st.number,
		.bytes = m->st.bytes,
		.changes = m->st.changes,
		.sealed_id = m->st.sealed_id,
	};

	ctl_publish_manifest(m->ctl, &now);
	m->seen = now;
}

struct removal {
	const struct manifest *m;
	char names[REMOVALS][NAME_BYTES];
	size_t count;
};

static int see_old(void *arg, const char *name)
{
	struct removal *r = arg;
	uint64_t n = manifest_state_number(name);

	if (n == 0 || n >= r->m->st.number || r->count == ARRAY_COUNT(r->names))
		return 0;
	snprintf(r->names[r->count++], NAME_BYTES, "%s", name);
	return 0;
}

/* Whatever stays is removed by the next one: no failure matters. */
static void remove_older(const struct manifest *m)
{
	struct removal r = { .m = m };

	m->vfs->list(m->vfs->ctx, m->dir, ".", see_old, &r);
	for (size_t i = 0; i < r.count; i++)
		m->vfs->unlink(m->vfs->ctx, m->dir, r.names[i]);
}

/* Gives both files their names, the second copy's first: the first one's says that both are there. */
static int name_pair(const struct manifest *m, uint64_t number, struct diag *d)
{
	const struct vfs *v = m->vfs;
	char a[NAME_BYTES], b[NAME_BYTES];
	int rc;

	manifest_state_name(number, 0, a);
	manifest_state_name(number, 1, b);
	rc = v->rename(v->ctx, m->dir, "manifest.new.b", b);
	if (rc == 0)
		rc = v->rename(v->ctx, m->dir, "manifest.new", a);
	if (rc == 0)
		rc = v->fsync(v->ctx, m->dir);
	if (rc == 0)
		return 0;
	v->unlink(v->ctx, m->dir, a);
	v->unlink(v->ctx, m->dir, b);
	return diag_set(d, rc, a, -1, "give the new manifest its name");
}

/* A new pair whose base is `next`; on success next has its number and length. */
static int write_pair(const struct manifest *m, struct manifest_state *next, struct diag *d)
{
	struct manifest_rec rec = { .base = true,
		.changes = next->changes,
		.sealed_id = next->sealed_id,
		.next_no = next->next_no,
		.adds = next->segs,
		.adds_count = next->segs_count };
	uint8_t head[LAYOUT_MANIFEST_HEAD_BYTES];
	struct buf b;
	uint64_t newest = 0;
	int rc = find_newest(m, &newest, d);

	if (rc < 0)
		return rc;
	newest++;
	buf_init(&b, sizeof head + MANIFEST_RECORD_BYTES_MAX);
	manifest_record_put_head(m->uuid, newest, head);
	buf_put(&b, head, sizeof head);
	rc = b.err ? b.err : manifest_record_put(&b, &rec, newest, b.len);
	if (rc < 0)
		diag_set(d, rc, "manifest", -1, "build a manifest");
	if (rc == 0)
		rc = write_file(m, "manifest.new.b", O_CREAT | O_TRUNC, &b, 0, d);
	if (rc == 0)
		rc = write_file(m, "manifest.new", O_CREAT | O_TRUNC, &b, 0, d);
	if (rc == 0)
		rc = name_pair(m, newest, d);
	next->number = newest;
	next->bytes = b.len;
	next->sum = rec.head_sum;
	buf_fini(&b);
	return rc;
}

/* Makes `next` the state by a new pair; takes its memory over on success. */
static int rotate(struct manifest *m, struct manifest_state *next, struct diag *d)
{
	int rc = write_pair(m, next, d);

	if (rc < 0) {
		m->failed = true;
		return rc;
	}
	manifest_state_fini(&m->st);
	m->st = *next;
	m->failed = false;
	m->files.unsound = false;
	publish(m);
	remove_older(m);
	return 0;
}

int manifest_create(const struct vfs *vfs, int dir, const uint8_t *uuid, struct ctl *ctl,
	struct manifest **out, struct diag *d)
{
	struct manifest *m = NULL;
	struct manifest_state first = { .next_no = 1 };
	int rc = new_handle(vfs, dir, uuid, ctl, &m, d);

	if (rc < 0)
		return rc;
	rc = rotate(m, &first, d);
	if (rc < 0)
		manifest_close(&m);
	else
		*out = m;
	return rc;
}

int manifest_repair(struct manifest *m, struct diag *d)
{
	struct manifest_state next;
	int rc;

	ASSERT(m->locked);
	m->vfs->unlink(m->vfs->ctx, m->dir, "manifest.new");
	m->vfs->unlink(m->vfs->ctx, m->dir, "manifest.new.b");
	rc = manifest_state_copy(&m->st, 1, &next);
	if (rc < 0)
		return diag_set(d, rc, "manifest", -1, "copy the manifest");
	rc = rotate(m, &next, d);
	if (rc < 0)
		manifest_state_fini(&next);
	return rc;
}

int manifest_copy(const struct manifest *m, int to_dir, struct ctl *to_ctl, struct diag *d)
{
	struct manifest other = { .vfs = m->vfs, .dir = to_dir, .ctl = to_ctl };
	int rc = manifest_state_copy(&m->st, 1, &other.st);

	if (rc < 0)
		return diag_set(d, rc, "manifest", -1, "copy the manifest");
	memcpy(other.uuid, m->uuid, sizeof other.uuid);
	rc = write_pair(&other, &other.st, d);
	if (rc == 0)
		publish(&other);
	manifest_state_fini(&other.st);
	return rc;
}

int manifest_write(const struct vfs *vfs, int dir, const uint8_t *uuid, struct ctl *ctl,
	const struct manifest_segment *segs, size_t segs_count, uint64_t sealed_id,
	uint64_t changes, struct diag *d)
{
	struct manifest m = { .vfs = vfs, .dir = dir, .ctl = ctl };
	const struct manifest_state from = {
		.segs = (struct manifest_segment *)(uintptr_t)segs,
		.segs_count = segs_count,
		.changes = changes,
		.sealed_id = sealed_id,
		.next_no = segs_count + 1,
	};
	int rc = manifest_state_copy(&from, 1, &m.st);

	if (rc < 0)
		return diag_set(d, rc, "manifest", -1, "build a manifest");
	memcpy(m.uuid, uuid, sizeof m.uuid);
	rc = write_pair(&m, &m.st, d);
	if (rc == 0)
		publish(&m);
	manifest_state_fini(&m.st);
	return rc;
}

/* One record at the end of both copies. */
static int append_record(struct manifest *m, struct manifest_rec *rec, struct diag *d)
{
	char name[NAME_BYTES];
	struct buf b;
	int rc;

	buf_init(&b, MANIFEST_RECORD_BYTES_MAX);
	rc = manifest_record_put(&b, rec, m->st.number, m->st.bytes);
	if (rc < 0)
		diag_set(d, rc, "manifest", -1, "build a manifest record");
	for (int i = 0; i < MANIFEST_STATE_COPIES && rc == 0; i++)
		rc = write_file(
			m, manifest_state_name(m->st.number, i, name), 0, &b, m->st.bytes, d);
	buf_fini(&b);
	return rc;
}

static bool is_long(const struct manifest_state *st)
{
	uint64_t live = LAYOUT_MANIFEST_HEAD_BYTES + LAYOUT_CHANGE_HEAD_BYTES +
			st->segs_count * (uint64_t)LAYOUT_CHANGE_ADD_BYTES;

	return st->bytes > LIMIT_MANIFEST_BYTES && st->bytes > 2 * live;
}

/*
 * A seal's rows are those behind the ids sealed so far, up to its own. Whoever chose them by an older
 * state of the manifest would seal them twice.
 */
static int check_seal(
	const struct manifest_state *st, const struct manifest_change *c, struct diag *d)
{
	if (c->sealed_id == 0 || c->drops_count > 0)
		return 0;
	for (size_t i = 0; i < c->adds_count; i++) {
		const struct manifest_segment *s = &c->adds[i];

		if (s->id_first <= st->sealed_id || s->id_last > c->sealed_id)
			return diag_set(d, ERR_RANGE, "manifest", -1,
				"seal events %" PRIu64 "-%" PRIu64 " through %" PRIu64
				" where %" PRIu64 " is sealed",
				s->id_first, s->id_last, c->sealed_id, st->sealed_id);
	}
	return 0;
}

static int check_change(const struct manifest *m, const struct manifest_change *c, struct diag *d)
{
	const struct manifest_state *st = &m->st;

	if (c->adds_count > LIMIT_CHANGE_SEGMENTS || c->drops_count > LIMIT_CHANGE_SEGMENTS ||
		st->segs_count + c->adds_count > LIMIT_SEGMENTS + c->drops_count)
		return diag_set(d, ERR_LIMIT, "manifest", -1,
			"change %zu segments of %zu (astrocompact merges small ones)",
			c->adds_count + c->drops_count, st->segs_count);
	for (size_t i = 0; i < c->drops_count; i++) {
		if (manifest_state_find(st, c->drops[i]) == SIZE_MAX)
			return diag_set(d, ERR_STALE, "manifest", -1,
				"drop segment number %" PRIu64, c->drops[i]);
	}
	return check_seal(st, c, d);
}

int manifest_append(struct manifest *m, const struct manifest_change *c, struct diag *d)
{
	struct manifest_rec rec = { .adds = c->adds,
		.adds_count = c->adds_count,
		.drops_count = c->drops_count,
		.changes = m->st.changes + 1,
		.prev_sum = m->st.sum };
	struct manifest_state next;
	int rc = check_change(m, c, d);

	ASSERT(m->locked);
	if (rc < 0)
		return rc;
	rc = manifest_state_copy(&m->st, c->adds_count + 1, &next);
	if (rc < 0)
		return diag_set(d, rc, "manifest", -1, "copy the manifest");
	for (size_t i = 0; i < c->adds_count; i++)
		c->adds[i].no = next.next_no + i;
	rec.drops = (uint64_t *)(uintptr_t)c->drops;
	rec.next_no = next.next_no + c->adds_count;
	rec.sealed_id = c->sealed_id > next.sealed_id ? c->sealed_id : next.sealed_id;
	rc = manifest_state_apply(&next, &rec);
	ASSERT(rc == 0);
	if (m->failed || m->files.unsound || is_long(&m->st))
		rc = ERR_STALE;
	else
		rc = append_record(m, &rec, NULL);
	if (rc == 0) {
		next.bytes += rec.bytes;
		next.sum = rec.head_sum;
		manifest_state_fini(&m->st);
		m->st = next;
		publish(m);
		return 0;
	}
	/* A failed append left who knows what in the pair: then too a new one decides. */
	rc = rotate(m, &next, d);
	if (rc < 0)
		manifest_state_fini(&next);
	return rc;
}

/* ---- asking ---- */

const struct manifest_segment *manifest_segments(const struct manifest *m, size_t *out_count)
{
	*out_count = m->st.segs_count;
	return m->st.segs;
}

uint64_t manifest_sealed(const struct manifest *m)
{
	return m->st.sealed_id;
}

uint64_t manifest_changes(const struct manifest *m)
{
	return m->st.changes;
}

uint64_t manifest_number(const struct manifest *m)
{
	return m->st.number;
}

const struct diag *manifest_damage(const struct manifest *m)
{
	return &m->files.damage;
}
