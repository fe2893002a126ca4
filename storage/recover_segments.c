/*
 * A crash between a segment's rename and its manifest record, or between a record and the unlink of
 * what it dropped, leaves files that nobody lists. Their rows are elsewhere (the journal, the segment
 * they were merged into), but a file with events in it is moved away, never removed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/recover_int.h"

struct names {
	char (*paths)[MANIFEST_PATH_BYTES];
	size_t count;
	size_t cap;
};

static int add(struct names *n, const char *path)
{
	if (n->count == n->cap) {
		size_t cap = n->cap ? n->cap * 2 : 64;
		void *more = realloc(n->paths, cap * sizeof *n->paths);

		if (!more)
			return -ENOMEM;
		n->paths = more;
		n->cap = cap;
	}
	snprintf(n->paths[n->count++], sizeof *n->paths, "%s", path);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void sort(struct names *n)
{
	if (n->count > 0)
		qsort(n->paths, n->count, sizeof *n->paths, by_name);
}

/* The name up to its last point and ".seg": which segment a file belongs to. */
static void segment_of(const char *path, char dst[MANIFEST_PATH_BYTES])
{
	const char *dot = strrchr(path, '.');
	int n = dot ? (int)(dot - path) : (int)strlen(path);

	snprintf(dst, MANIFEST_PATH_BYTES, "%.*s.seg", n < MANIFEST_PATH_BYTES - 5 ? n : 0, path);
}

struct listing {
	struct names *out;
	const char *prefix;
};

static int add_entry(void *arg, const char *name)
{
	struct listing *l = arg;
	char path[MANIFEST_PATH_BYTES];
	int n = snprintf(path, sizeof path, "%s/%s", l->prefix, name);

	/* No name of ours is so long: it is somebody else's file and stays. */
	return n > 0 && n < MANIFEST_PATH_BYTES ? add(l->out, path) : 0;
}

/* Every file two levels below seg/. */
static int list_files(const struct recover *r, struct names *out, struct diag *d)
{
	struct names days = { 0 };
	struct listing top = { .out = &days, .prefix = "seg" };
	int rc = r->vfs->list(r->vfs->ctx, r->dir, "seg", add_entry, &top);

	for (size_t i = 0; rc == 0 && i < days.count; i++) {
		struct listing l = { .out = out, .prefix = days.paths[i] };

		rc = r->vfs->list(r->vfs->ctx, r->dir, days.paths[i], add_entry, &l);
		/* Not a folder, or just removed by astrocompact. */
		if (rc == -ENOTDIR || rc == -ENOENT)
			rc = 0;
	}
	free(days.paths);
	return rc < 0 ? diag_set(d, rc, "seg", -1, "list the segments") : 0;
}

static int list_live(struct recover *r, const struct manifest *m, struct names *out, struct diag *d)
{
	size_t count;
	const struct manifest_segment *segs = manifest_segments(m, &count);

	for (size_t i = 0; i < count; i++) {
		char path[MANIFEST_PATH_BYTES];
		struct vfs_stat st;
		struct diag why;
		int rc;

		manifest_segment_path(&segs[i], path);
		if (add(out, path) < 0)
			return diag_set(d, -ENOMEM, "seg", -1, "list the segments");
		rc = r->vfs->stat(r->vfs->ctx, r->dir, path, &st);
		if (rc < 0 && rc != -ENOENT)
			return diag_set(d, rc, path, -1, "look at a segment");
		if (rc == 0 && st.bytes == segs[i].file_bytes)
			continue;
		r->report.missing_files++;
		diag_set(&why, rc < 0 ? rc : ERR_CORRUPT, path, -1,
			rc < 0 ? "a segment is missing" : "a segment has another length");
		recover_note(r, &why);
	}
	return 0;
}

static int judge(struct recover *r, const char *path, const struct names *live, struct diag *d)
{
	char seg[MANIFEST_PATH_BYTES];
	int rc;

	segment_of(path, seg);
	if (live->count > 0 && bsearch(seg, live->paths, live->count, sizeof *live->paths, by_name))
		return 0;
	if (strcmp(seg, path) != 0) {
		/* A sidecar of nothing: it held no more than its segment. */
		r->vfs->unlink(r->vfs->ctx, r->dir, path);
		return 0;
	}
	rc = recover_quarantine(r->vfs, r->dir, path, false, d);
	if (rc == -ENOENT)
		return 0;
	r->report.quarantined_files += rc == 0;
	return rc;
}

int recover_segments(struct recover *r, const struct manifest *m, struct diag *d)
{
	struct names live = { 0 }, files = { 0 };
	int rc = list_live(r, m, &live, d);

	if (rc == 0)
		rc = list_files(r, &files, d);
	sort(&live);
	sort(&files);
	for (size_t i = 0; rc == 0 && i < files.count; i++)
		rc = judge(r, files.paths[i], &live, d);
	free(live.paths);
	free(files.paths);
	return rc;
}
