#include "storage/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/block.h"
#include "storage/journal_reader.h"
#include "storage/manifest_state.h"
#include "storage/store_format.h"
#include "storage/verify_int.h"

enum {
	IDS_BYTES_MAX = 128 << 20,
	/* Gaps in the ids that are told one by one. */
	GAPS_TOLD = 8,
	NODE_SHIFT = 48,
};

/* ---- findings ---- */

void verify_found(struct verify *v, enum verify_grade grade, int64_t block, const char *column,
	const struct diag *why)
{
	struct verify_finding f = {
		.grade = grade,
		.block = block,
		.column = column,
		.diag = *why,
	};

	ASSERT(why->code < 0);
	v->report.findings[grade]++;
	if (v->conf->found)
		v->conf->found(v->conf->arg, &f);
}

void verify_say(struct verify *v, enum verify_grade grade, int code, const char *file, int64_t off,
	const char *fmt, ...)
{
	char text[DIAG_TEXT_BYTES];
	struct diag why;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	diag_set(&why, code, file, off, "%s", text);
	verify_found(v, grade, -1, NULL, &why);
}

const char *verify_format(const struct verify_finding *f, char *dst, unsigned cap)
{
	char where[64] = "", column[48] = "", off[32] = "", why[160] = "";

	if (f->block >= 0)
		snprintf(where, sizeof where, " block %" PRId64, f->block);
	if (f->column)
		snprintf(column, sizeof column, " column %s", f->column);
	if (f->diag.off >= 0)
		snprintf(off, sizeof off, " at byte %" PRId64, f->diag.off);
	/* A note is of no failure: its code would only puzzle. */
	if (f->grade == VERIFY_DAMAGE)
		snprintf(why, sizeof why, ": %s (%s)", err_text(f->diag.code),
			err_name(f->diag.code));
	snprintf(dst, cap, "%s %s%s%s%s: %s%s", f->grade == VERIFY_DAMAGE ? "damage" : "note",
		f->diag.file[0] ? f->diag.file : "store", where, column, off, f->diag.text, why);
	return dst;
}

int verify_step(struct verify *v, uint64_t bytes)
{
	v->report.bytes += bytes;
	if (v->conf->progress)
		v->conf->progress(v->conf->arg, v->report.bytes, v->bytes_total);
	return v->conf->stop && *v->conf->stop ? ERR_CANCELED : 0;
}

int verify_add_id(struct verify *v, uint64_t id, bool *out_twice)
{
	int rc;

	*out_twice = false;
	if (id > v->report.id_last)
		v->report.id_last = id;
	if (v->ids_full)
		return 0;
	rc = idset_add(&v->ids, id);
	*out_twice = rc == IDSET_TWICE && !v->ids_quiet;
	if (rc == ERR_LIMIT) {
		v->ids_full = true;
		verify_say(v, VERIFY_NOTE, rc, "", -1,
			"the ids have too many gaps to be held in memory: whether each is unique is "
			"not checked");
		return 0;
	}
	return rc < 0 ? rc : 0;
}

/* ---- format and ctl ---- */

/* The store's uuid from a manifest's header, where format itself is damaged. */
static int borrow_uuid(void *arg, const char *name)
{
	struct verify *v = arg;
	uint8_t head[LAYOUT_MANIFEST_HEAD_BYTES];
	uint64_t number;
	ssize_t n = -1;
	int fd;

	if (manifest_state_number(name) == 0)
		return 0;
	fd = v->vfs->open(v->vfs->ctx, v->dir, name, O_RDONLY, 0);
	if (fd < 0)
		return 0;
	n = v->vfs->pread(v->vfs->ctx, fd, head, sizeof head, 0);
	v->vfs->close(v->vfs->ctx, fd);
	if (n < 0 || manifest_record_get_head(head, (size_t)n, v->uuid, &number) < 0)
		return 0;
	return 1;
}

static int check_format(struct verify *v, struct diag *d)
{
	struct store_format format;
	struct diag why;
	int fd = -1, rc = store_format_read(v->vfs, v->dir, &format, &fd, &why);

	if (rc == 0) {
		memcpy(v->uuid, format.uuid, sizeof v->uuid);
		v->live = v->vfs->locked(v->vfs->ctx, fd) == 1;
		v->vfs->close(v->vfs->ctx, fd);
		return 0;
	}
	if (v->vfs->list(v->vfs->ctx, v->dir, ".", borrow_uuid, v) != 1 || rc == ERR_TOO_NEW) {
		if (d)
			*d = why;
		return rc;
	}
	verify_found(v, VERIFY_DAMAGE, -1, NULL, &why);
	return 0;
}

static void check_ctl(struct verify *v)
{
	struct ctl_manifest manifest;
	struct ctl_commit commit;
	struct diag why;
	int rc = ctl_open(v->vfs, v->dir, v->uuid, CTL_READ, &v->ctl, &why);

	if (rc < 0) {
		verify_found(v, VERIFY_DAMAGE, -1, NULL, &why);
		return;
	}
	rc = ctl_commit(v->ctl, &commit);
	if (rc < 0)
		verify_say(v, rc == ERR_CORRUPT ? VERIFY_DAMAGE : VERIFY_NOTE, rc, "ctl",
			LAYOUT_CTL_COMMIT_TURN, "how far the journal is committed");
	rc = ctl_manifest(v->ctl, &manifest);
	if (rc < 0)
		verify_say(v, rc == ERR_CORRUPT ? VERIFY_DAMAGE : VERIFY_NOTE, rc, "ctl",
			LAYOUT_CTL_MANIFEST_TURN, "which manifest is current");
}

/* ---- what lies about ---- */

struct strangers {
	struct verify *v;
	char (*listed)[MANIFEST_PATH_BYTES]; /* paths of live segments, sorted */
	const char *dir;
	unsigned depth;
};

static int by_path(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* A sidecar is listed if its segment is. */
static bool is_listed(const struct strangers *at, const char *path)
{
	char seg[MANIFEST_PATH_BYTES] = "";
	size_t n = strlen(path);

	if (n < 4 || at->v->segs_count == 0)
		return false;
	memcpy(seg, path, n - 4);
	memcpy(seg + n - 4, ".seg", 5);
	return bsearch(seg, at->listed, at->v->segs_count, sizeof *at->listed, by_path) != NULL;
}

static int see_segment_file(void *arg, const char *name)
{
	struct strangers *at = arg;
	struct verify *v = at->v;
	char path[MANIFEST_PATH_BYTES];
	int n = snprintf(path, sizeof path, "%s/%s", at->dir, name);

	if (n < 0 || (size_t)n >= sizeof path)
		return 0;
	if (at->depth > 0) {
		struct strangers below = *at;

		below.dir = path;
		below.depth--;
		v->vfs->list(v->vfs->ctx, v->dir, path, see_segment_file, &below);
	} else if (!is_listed(at, path)) {
		verify_say(v, VERIFY_NOTE, ERR_UNKNOWN, path, -1,
			"the manifest does not list this file; the collector's next start moves it "
			"to bad/");
	}
	return 0;
}

static int see_bad(void *arg, const char *name)
{
	char path[MANIFEST_PATH_BYTES];

	snprintf(path, sizeof path, "bad/%.100s", name);
	verify_say(arg, VERIFY_NOTE, ERR_CORRUPT, path, -1,
		"a file in quarantine: remove it when it is of no more interest");
	return 0;
}

/* While daemons live, files come and go between two looks: only a store at rest is asked. */
static int check_strangers(struct verify *v, struct diag *d)
{
	struct strangers top = { .v = v, .dir = "seg", .depth = 1 };

	v->vfs->list(v->vfs->ctx, v->dir, "bad", see_bad, v);
	if (v->live || !v->manifest)
		return 0;
	top.listed = calloc(v->segs_count + 1, sizeof *top.listed);
	if (!top.listed)
		return diag_set(d, -ENOMEM, "seg", -1, "list the segments");
	for (size_t i = 0; i < v->segs_count; i++)
		manifest_segment_path(&v->segs[i], top.listed[i]);
	qsort(top.listed, v->segs_count, sizeof *top.listed, by_path);
	v->vfs->list(v->vfs->ctx, v->dir, "seg", see_segment_file, &top);
	free(top.listed);
	return 0;
}

/* ---- ids ---- */

/* Ids that are missing below the newest: retired, or lost; which of the two only people know. */
static void check_gaps(struct verify *v)
{
	uint64_t node = v->report.id_last >> NODE_SHIFT << NODE_SHIFT;
	uint64_t at = node + 1, first, last;
	unsigned told = 0;

	while (!v->ids_full && at <= v->report.id_last &&
		idset_gap(&v->ids, at, v->report.id_last, &first, &last)) {
		v->report.ids_missing += last - first + 1;
		if (told++ < GAPS_TOLD)
			verify_say(v, VERIFY_NOTE, ERR_RANGE, "", -1,
				"events %" PRIu64 " to %" PRIu64 " are not here: retired, or lost",
				first, last);
		at = last + 1;
	}
	if (told > GAPS_TOLD)
		verify_say(v, VERIFY_NOTE, ERR_RANGE, "", -1, "%u more gaps", told - GAPS_TOLD);
}

/* ---- the run ---- */

/* The segments from place `first` on. */
static int check_segments(struct verify *v, size_t first, struct diag *d)
{
	int rc = 0;

	for (size_t i = first; i < v->segs_count; i++)
		v->bytes_total += v->segs[i].file_bytes;
	for (size_t i = first; i < v->segs_count && rc == 0; i++)
		rc = verify_segment(v, &v->segs[i], d);
	return rc;
}

int verify_follow(struct verify *v, struct diag *d)
{
	size_t first = v->segs_count;
	int rc = verify_list_new(v, d);

	/* What is new was sealed or merged of rows that were perhaps seen where they stood before. */
	v->ids_quiet = true;
	if (rc == 0)
		rc = check_segments(v, first, d);
	v->ids_quiet = false;
	return rc;
}

static int run(struct verify *v, struct diag *d)
{
	int rc = check_format(v, d);

	if (rc < 0)
		return rc;
	check_ctl(v);
	rc = verify_manifest(v, d);
	if (rc == 0)
		rc = check_segments(v, 0, d);
	if (rc == 0)
		rc = verify_journal(v, d);
	if (rc == 0)
		verify_chunks(v);
	if (rc == 0)
		rc = check_strangers(v, d);
	if (rc == 0)
		rc = verify_redact(v, d);
	if (rc == 0)
		check_gaps(v);
	return rc;
}

int verify_run(const struct verify_conf *conf, struct verify_report *out, struct diag *d)
{
	struct verify v = { .conf = conf, .vfs = conf->vfs ? conf->vfs : vfs_real() };
	int rc;

	v.dir = v.vfs->open_dir(v.vfs->ctx, conf->dir);
	if (v.dir < 0)
		return diag_set(d, v.dir, conf->dir, -1, "open the data directory");
	idset_init(&v.ids, IDS_BYTES_MAX);
	buf_init(&v.scratch, BLOCK_BYTES_MAX);
	buf_init(&v.payload, JOURNAL_READER_PAYLOAD_BYTES);
	rc = run(&v, d);
	buf_fini(&v.payload);
	buf_fini(&v.scratch);
	idset_fini(&v.ids);
	free(v.segs);
	manifest_close(&v.manifest);
	ctl_close(&v.ctl);
	v.vfs->close(v.vfs->ctx, v.dir);
	*out = v.report;
	return rc;
}
