/*
 * The manifest: that it can be read at all, and that both copies of its file hold from the first
 * record to the last one that ctl knows.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "storage/manifest_state.h"
#include "storage/manifest_walk.h"
#include "storage/verify_int.h"

struct copy_check {
	bool any;
	uint64_t changes; /* of the last record that holds */
};

static int see_record(void *arg, const struct manifest_rec *rec, uint64_t off)
{
	struct copy_check *c = arg;

	(void)off;
	c->any = true;
	c->changes = rec->changes;
	return 0;
}

/*
 * A crash between the two copies leaves the second a record behind, whole or torn. ctl is told after
 * both: what it knows of must be in both.
 */
static enum verify_grade grade_of(const struct verify *v, int copy, uint64_t has, uint64_t changes)
{
	struct ctl_manifest said;
	bool told = !v->ctl || ctl_manifest(v->ctl, &said) < 0 || said.changes >= changes;

	return copy == 1 && has + 1 == changes && !told ? VERIFY_NOTE : VERIFY_DAMAGE;
}

/* What was appended after the manifest was opened may be half-written yet: it is not asked about. */
static void check_copy(struct verify *v, int copy, uint64_t number, uint64_t changes)
{
	char name[MANIFEST_STATE_NAME_BYTES];
	struct manifest_walk_head head;
	struct copy_check c = { 0 };
	struct diag why;
	int rc;

	manifest_state_name(number, copy, name);
	rc = manifest_walk(v->vfs, v->dir, name, &head, see_record, &c, &why);
	if (c.any && c.changes >= changes)
		return;
	manifest_refresh(v->manifest, NULL);
	if (manifest_number(v->manifest) != number)
		return;
	if (rc == 0)
		diag_set(&why, ERR_TRUNCATED, name, (int64_t)head.file_bytes,
			"the file ends at change %" PRIu64 " of %" PRIu64, c.changes, changes);
	verify_found(v, grade_of(v, copy, c.changes, changes), -1, NULL, &why);
}

int verify_list_new(struct verify *v, struct diag *d)
{
	uint64_t known = v->segs_count ? v->segs[v->segs_count - 1].no : 0;
	const struct manifest_segment *live;
	struct manifest_segment *segs;
	size_t n, first = 0;

	if (!v->manifest || manifest_refresh(v->manifest, NULL) < 0)
		return 0;
	live = manifest_segments(v->manifest, &n);
	v->sealed_id = manifest_sealed(v->manifest);
	/* Both lists rise by number. */
	while (first < n && live[first].no <= known)
		first++;
	segs = realloc(v->segs, (v->segs_count + n - first + 1) * sizeof *segs);
	if (!segs)
		return diag_set(d, -ENOMEM, "manifest", -1, "list the segments");
	v->segs = segs;
	if (n > first)
		memcpy(segs + v->segs_count, live + first, (n - first) * sizeof *segs);
	v->segs_count += n - first;
	return 0;
}

int verify_manifest(struct verify *v, struct diag *d)
{
	struct ctl_manifest said;
	struct diag why;
	uint64_t number, changes;
	int rc = manifest_open(v->vfs, v->dir, v->uuid, v->ctl, &v->manifest, &why);

	if (rc == -ENOMEM) {
		if (d)
			*d = why;
		return rc;
	}
	if (rc < 0) {
		verify_found(v, VERIFY_DAMAGE, -1, NULL, &why);
		return 0;
	}
	number = manifest_number(v->manifest);
	changes = manifest_changes(v->manifest);
	for (int copy = 0; copy < MANIFEST_STATE_COPIES; copy++)
		check_copy(v, copy, number, changes);
	if (v->ctl && ctl_manifest(v->ctl, &said) == 0 && said.number == number &&
		said.changes > changes)
		verify_say(v, VERIFY_DAMAGE, ERR_TRUNCATED, "manifest", -1,
			"%" PRIu64 " changes were made, but only %" PRIu64 " can be read",
			said.changes, changes);
	return verify_list_new(v, d);
}
