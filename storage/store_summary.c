#include "storage/store_summary.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/ctl.h"
#include "storage/publish.h"
#include "storage/sidx_set.h"
#include "storage/snapshot_int.h"
#include "storage/store_format.h"

enum { NAME_BYTES = 300 };

struct summing {
	struct store_snapshot *snap;
	const struct vfs *vfs;
	int dir;
	struct store_summary *out;
};

static void widen(int64_t *min_ns, int64_t *max_ns, int64_t from_ns, int64_t to_ns)
{
	*min_ns = from_ns < *min_ns ? from_ns : *min_ns;
	*max_ns = to_ns > *max_ns ? to_ns : *max_ns;
}

/* ---- segments ---- */

/* Classes stand by name; NULL: there is no room for another. */
static struct store_summary_class *class_of(struct store_summary *s, const char *name)
{
	uint32_t at = 0;

	while (at < s->classes_count && strcmp(s->classes[at].name, name) < 0)
		at++;
	if (at < s->classes_count && strcmp(s->classes[at].name, name) == 0)
		return &s->classes[at];
	if (s->classes_count == LIMIT_CLASSES)
		return NULL;
	memmove(&s->classes[at + 1], &s->classes[at],
		(s->classes_count - at) * sizeof s->classes[0]);
	s->classes_count++;
	s->classes[at] =
		(struct store_summary_class){ .time_min_ns = INT64_MAX, .time_max_ns = INT64_MIN };
	snprintf(s->classes[at].name, sizeof s->classes[at].name, "%s", name);
	return &s->classes[at];
}

static void add_class(struct store_summary *s, const struct manifest_segment *m)
{
	struct store_summary_class *c = class_of(s, m->class_name);

	if (!c) {
		s->classes_more++;
		return;
	}
	c->segments++;
	c->rows += m->rows_count;
	c->bytes += m->file_bytes;
	widen(&c->time_min_ns, &c->time_max_ns, m->time_min_ns, m->time_max_ns);
}

static void add_files(struct summing *s, const struct manifest_segment *m)
{
	for (int kind = 0; kind <= STORE_SUMMARY_SEGMENT; kind++) {
		struct store_summary_files *f = &s->out->files[kind];
		char path[MANIFEST_PATH_BYTES];
		struct vfs_stat st;

		if (s->vfs->stat(s->vfs->ctx, s->dir, publish_path(m, kind, path), &st) < 0) {
			f->missing++;
			continue;
		}
		f->count++;
		f->bytes += st.bytes;
	}
}

static void judge(struct store_summary_files *f, int rc)
{
	if (rc == ERR_STALE)
		f->stale++;
	else if (rc < 0 && rc != -ENOENT)
		f->damaged++;
}

static int look_into(struct summing *s, size_t i, struct diag *d)
{
	const struct seg_reader *r;
	struct diag why;
	int rc = snapshot_segment_get(s->snap, i, &r, &why);

	if (rc == -ENOMEM || rc == ERR_STALE) {
		if (d)
			*d = why;
		return rc;
	}
	if (rc < 0) {
		s->out->files[STORE_SUMMARY_SEGMENT].damaged += rc != -ENOENT;
		return 0;
	}
	for (int kind = 0; kind < SIDX_COUNT; kind++)
		judge(&s->out->files[kind], sidx_set_rc(r, (enum sidx_kind)kind));
	snapshot_segment_put(s->snap, i);
	return 0;
}

static int add_segments(struct summing *s, bool look_inside, struct diag *d)
{
	struct store_summary *out = s->out;
	int rc = 0;

	out->segments = snapshot_segment_count(s->snap);
	for (size_t i = 0; i < out->segments && rc == 0; i++) {
		const struct manifest_segment *m = snapshot_segment(s->snap, i);

		out->blocks += m->blocks_count;
		out->rows_sealed += m->rows_count;
		widen(&out->time_min_ns, &out->time_max_ns, m->time_min_ns, m->time_max_ns);
		add_class(out, m);
		add_files(s, m);
		rc = look_inside ? look_into(s, i, d) : 0;
	}
	return rc;
}

/* ---- journal ---- */

static int add_journal_file(void *arg, const char *name)
{
	struct summing *s = arg;
	struct store_summary_files *f = &s->out->files[STORE_SUMMARY_JOURNAL];
	char path[NAME_BYTES];
	struct vfs_stat st;

	if ((size_t)snprintf(path, sizeof path, "journal/%s", name) < sizeof path &&
		s->vfs->stat(s->vfs->ctx, s->dir, path, &st) == 0) {
		f->count++;
		f->bytes += st.bytes;
	}
	return 0;
}

static void add_journal(struct summing *s)
{
	struct store_summary *out = s->out;

	for (size_t i = 0; i < snapshot_batch_count(s->snap); i++) {
		const struct snapshot_batch *b = snapshot_batch(s->snap, i);

		out->rows_unsealed += b->rows_count;
		out->rows_unsealed_bytes += b->rows_bytes;
		widen(&out->time_min_ns, &out->time_max_ns, b->time_min_ns, b->time_max_ns);
	}
	out->lost_ids = snapshot_damage(s->snap)->lost_ids;
	/* Files come and go meanwhile; a snapshot of a store may have no journal. */
	s->vfs->list(s->vfs->ctx, s->dir, "journal", add_journal_file, s);
}

/* ---- the collector ---- */

static void ask_collector(struct summing *s)
{
	struct store_format format;
	struct ctl *ctl = NULL;
	int fd = -1;

	if (store_format_read(s->vfs, s->dir, &format, &fd, NULL) < 0)
		return;
	if (ctl_open(s->vfs, s->dir, format.uuid, CTL_READ, &ctl, NULL) == 0)
		s->out->beat_ns = ctl_beat_ns(ctl);
	if (s->vfs->locked(s->vfs->ctx, fd) == 1)
		s->out->collector =
			ctl && ctl_starts(ctl) % 2 ? STORE_SUMMARY_STARTING : STORE_SUMMARY_RUNNING;
	ctl_close(&ctl);
	s->vfs->close(s->vfs->ctx, fd);
}

int store_summary_make(
	struct store_snapshot *snap, bool look_inside, struct store_summary *out, struct diag *d)
{
	struct summing s = { snap, snapshot_vfs(snap), snapshot_dir(snap), out };

	*out = (struct store_summary){ .committed = snapshot_committed(snap),
		.sealed = snapshot_sealed(snap),
		.time_min_ns = INT64_MAX,
		.time_max_ns = INT64_MIN,
		.deletes = snapshot_redact(snap) != NULL };
	if (s.vfs->space(s.vfs->ctx, s.dir, &out->disk_free, &out->disk_total) < 0)
		out->disk_free = out->disk_total = 0;
	add_journal(&s);
	ask_collector(&s);
	return add_segments(&s, look_inside, d);
}

uint64_t store_summary_bytes(const struct store_summary *s)
{
	uint64_t sum = 0;

	for (int i = 0; i < STORE_SUMMARY_KINDS; i++)
		sum += s->files[i].bytes;
	return sum;
}
