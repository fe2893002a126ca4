#include "tools/doctor_dir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "query/engine.h"
#include "storage/ctl.h"
#include "storage/manifest.h"
#include "storage/sidx_common.h"
#include "storage/store_format.h"

enum {
	FREE_WARN_PERCENT = 10,
	FREE_FAIL_PERCENT = 2,
};

/* The collector beats about once a second. */
#define BEAT_WARN_NS   (5 * CLOCK_NS_PER_SEC)
#define BEAT_FAIL_NS   (60 * CLOCK_NS_PER_SEC)
#define FUTURE_WARN_NS (60 * CLOCK_NS_PER_SEC)
#define UNSEALED_WARN  (UINT64_C(4) * LIMIT_SEAL_ROWS)

struct look {
	struct doctor *d;
	const struct vfs *vfs;
	const char *path;
	int dir;
	int format_fd;
	struct store_format format;
	struct ctl *ctl; /* NULL: none */
	struct manifest *manifest;
	uint64_t committed;
	bool live; /* a collector holds the store */
};

/* ---- directory ---- */

static void check_rights(struct look *l)
{
	struct stat st;

	if (fstat(l->dir, &st) < 0)
		return;
	if (st.st_mode & S_IWOTH)
		doctor_say(l->d, DOCTOR_FAIL, "rights",
			"chmod o-rwx it: whoever may write there can "
			"destroy the store",
			"%s may be written by everybody (mode %04o)", l->path, st.st_mode & 07777);
	else if (st.st_mode & S_IROTH)
		doctor_say(l->d, DOCTOR_WARN, "rights",
			"chmod o-rx it, unless all users of this machine may read every event",
			"%s may be read by everybody (mode %04o)", l->path, st.st_mode & 07777);
	else
		doctor_say(l->d, DOCTOR_OK, "rights", "", "%s has mode %04o, owner %u, group %u",
			l->path, st.st_mode & 07777, st.st_uid, st.st_gid);
}

static const char *open_advice(int rc)
{
	switch (rc) {
	case -ENOENT:
	case -ENOTDIR:
	case ERR_NOT_A_STORE:
		return "give the directory of astrocollectd --data ([store] data in astrolabe.conf)";
	case -EACCES:
	case -EPERM:
		return "become a member of its group, or ask astroqueryd with --addr";
	case ERR_TOO_NEW:
		return "a newer version wrote it: install that one";
	default:
		return "astrodump verify says more; restore the file from a snapshot";
	}
}

static bool open_store(struct look *l)
{
	struct diag why = { .text = "" };
	char text[DIAG_FILE_BYTES + 2 * DIAG_TEXT_BYTES];
	int rc;

	l->dir = l->vfs->open_dir(l->vfs->ctx, l->path);
	if (l->dir < 0) {
		doctor_say(l->d, DOCTOR_FAIL, "directory", open_advice(l->dir),
			"%s cannot be opened: %s", l->path, err_text(l->dir));
		return false;
	}
	check_rights(l);
	rc = store_format_read(l->vfs, l->dir, &l->format, &l->format_fd, &why);
	if (rc < 0) {
		doctor_say(l->d, DOCTOR_FAIL, "format", open_advice(rc),
			"%s is no store that this "
			"version can read: %s",
			l->path, diag_format(&why, text, sizeof text));
		return false;
	}
	doctor_say(l->d, DOCTOR_OK, "format", "", "a store that this version reads and writes");
	return true;
}

/* ---- collector ---- */

static void check_collector(struct look *l)
{
	int64_t beat = l->ctl ? ctl_beat_ns(l->ctl) : 0, age = clock_wall_ns() - beat;
	char text[32];

	l->live = l->vfs->locked(l->vfs->ctx, l->format_fd) == 1;
	if (!l->live)
		doctor_say(l->d, DOCTOR_WARN, "collector",
			"start it (systemctl start astrocollectd), or leave it off if nothing is to "
			"be stored",
			"no collector runs on this directory%s%s",
			beat ? "; the last was seen before " : "",
			beat ? doctor_age(age, text) : "");
	else if (l->ctl && ctl_starts(l->ctl) % 2)
		doctor_say(l->d, DOCTOR_WARN, "collector",
			"wait; its log says how far the recovery has come",
			"a collector is starting");
	else if (!beat || age > BEAT_FAIL_NS)
		doctor_say(l->d, DOCTOR_FAIL, "collector",
			"it hangs: look at its log and at the disk, then restart it",
			"a collector holds the store but gave no sign of life for %s",
			beat ? doctor_age(age, text) : "ever");
	else if (age > BEAT_WARN_NS)
		doctor_say(l->d, DOCTOR_WARN, "collector",
			"look again; the machine may be overloaded",
			"a collector runs, its last sign of life is %s old", doctor_age(age, text));
	else
		doctor_say(l->d, DOCTOR_OK, "collector", "", "alive");
}

/* ---- events ---- */

/* Reads the newest event, and with it the whole way that every query goes. */
static void check_reading(struct look *l)
{
	struct store_conf conf = { .dir = l->path };
	struct diag why = { .text = "" };
	char text[DIAG_FILE_BYTES + 2 * DIAG_TEXT_BYTES];
	struct store_reader *reader = NULL;
	struct store_snapshot *snap = NULL;
	int rc = store_reader_open(&conf, &reader, &why);

	if (rc == 0)
		rc = store_reader_snapshot(reader, &snap, &why);
	if (rc < 0) {
		doctor_say(l->d, DOCTOR_FAIL, "reading", open_advice(rc),
			"the store cannot be read: %s", diag_format(&why, text, sizeof text));
	} else {
		l->committed = store_snapshot_committed(snap);
		doctor_say(l->d, DOCTOR_OK, "reading", "",
			"can be read; the newest event has id %" PRIu64, l->committed);
	}
	store_snapshot_free(&snap);
	store_reader_close(&reader);
}

static void check_lag(struct look *l)
{
	uint64_t sealed = manifest_sealed(l->manifest);
	uint64_t lag = l->committed > sealed ? l->committed - sealed : 0;

	if (lag > UNSEALED_WARN)
		doctor_say(l->d, DOCTOR_WARN, "sealing",
			"the log of astrocollectd says why it does not seal; queries are slower and "
			"a start takes longer meanwhile",
			"%" PRIu64 " events are in the journal only", lag);
	else
		doctor_say(l->d, DOCTOR_OK, "sealing", "",
			"%" PRIu64 " events wait in the journal to be sealed", lag);
}

/* ---- segments ---- */

/* Files that are not there, or of another length. */
struct lacks {
	uint32_t count;
	char first[MANIFEST_PATH_BYTES + 8];
};

static void note(struct lacks *n, const char *path)
{
	if (n->count++ == 0)
		snprintf(n->first, sizeof n->first, "%s", path);
}

static void look_at_segment(const struct look *l, const struct manifest_segment *seg,
	struct lacks *segments, struct lacks *sidecars)
{
	char path[MANIFEST_PATH_BYTES], sidecar[MANIFEST_PATH_BYTES + 8];
	struct vfs_stat st;
	size_t stem;

	manifest_segment_path(seg, path);
	if (l->vfs->stat(l->vfs->ctx, l->dir, path, &st) < 0 || st.bytes != seg->file_bytes) {
		note(segments, path);
		return;
	}
	stem = strlen(path) - strlen(".seg");
	for (int kind = 0; kind < SIDX_COUNT; kind++) {
		snprintf(sidecar, sizeof sidecar, "%.*s%s", (int)stem, path,
			sidx_common_suffix((enum sidx_kind)kind));
		if (l->vfs->stat(l->vfs->ctx, l->dir, sidecar, &st) < 0)
			note(sidecars, sidecar);
	}
}

static void check_segments(struct look *l)
{
	size_t count;
	const struct manifest_segment *segs = manifest_segments(l->manifest, &count);
	struct lacks lost = { .count = 0 }, sidecars = { .count = 0 };

	for (size_t i = 0; i < count; i++)
		look_at_segment(l, &segs[i], &lost, &sidecars);
	if (lost.count)
		doctor_say(l->d, DOCTOR_FAIL, "segments",
			"restore it from a snapshot; queries answer without it and say so",
			"%u of %zu segment files are gone or cut, first %s", lost.count, count,
			lost.first);
	else
		doctor_say(l->d, DOCTOR_OK, "segments", "", "all %zu are there, whole in length",
			count);
	if (sidecars.count)
		doctor_say(l->d, DOCTOR_WARN, "sidecars",
			"run astrocompact: it makes them anew; answers are the same, but slower",
			"%u index files are missing, first %s", sidecars.count, sidecars.first);
	else
		doctor_say(l->d, DOCTOR_OK, "sidecars", "", "none is missing");
}

static void check_manifest(struct look *l)
{
	const struct diag *damage;
	struct diag why = { .text = "" };
	char text[DIAG_FILE_BYTES + 2 * DIAG_TEXT_BYTES];
	int rc = manifest_open(l->vfs, l->dir, l->format.uuid, l->ctl, &l->manifest, &why);

	if (rc < 0) {
		doctor_say(l->d, DOCTOR_FAIL, "manifest",
			"astrocompact rebuild-manifest makes it anew from the segments",
			"the list of segments cannot be read: %s",
			diag_format(&why, text, sizeof text));
		return;
	}
	damage = manifest_damage(l->manifest);
	if (damage->code)
		doctor_say(l->d, DOCTOR_WARN, "manifest",
			"nothing is lost, its copy stands in; check the disk (smartctl)",
			"a copy of the list of segments is damaged: %s",
			diag_format(damage, text, sizeof text));
	check_lag(l);
	check_segments(l);
	manifest_close(&l->manifest);
}

/* ---- the rest ---- */

static int count_file(void *arg, const char *name)
{
	(void)name;
	++*(uint32_t *)arg;
	return 0;
}

static void check_damage(struct look *l)
{
	uint32_t files = 0;

	l->vfs->list(l->vfs->ctx, l->dir, "bad", count_file, &files);
	if (files)
		doctor_say(l->d, DOCTOR_WARN, "damage",
			"astrodump verify says what is in them; remove them once they are of no use",
			"%u damaged or unlisted files were put aside in %s/bad", files, l->path);
	else
		doctor_say(l->d, DOCTOR_OK, "damage", "",
			"nothing was put aside; astrodump verify reads every page");
}

static void check_disk(struct look *l)
{
	uint64_t room = 0, total = 0;
	unsigned percent;
	char free_text[32], total_text[32];
	enum doctor_level level;

	if (l->vfs->space(l->vfs->ctx, l->dir, &room, &total) < 0 || total == 0)
		return;
	percent = (unsigned)(room / (total / 100 + 1));
	level = percent < FREE_FAIL_PERCENT   ? DOCTOR_FAIL
		: percent < FREE_WARN_PERCENT ? DOCTOR_WARN
					      : DOCTOR_OK;
	doctor_say(l->d, level, "disk",
		level == DOCTOR_OK ? ""
				   : "make room, or keep less: [retention] in astrolabe.conf, then "
				     "astrocompact",
		"%s of %s are free (%u %%)", doctor_bytes(room, free_text),
		doctor_bytes(total, total_text), percent);
}

static void check_clock(struct look *l)
{
	int64_t now = clock_wall_ns(), beat = l->ctl ? ctl_beat_ns(l->ctl) : 0;
	char text[32];

	if (now < l->format.created_ns)
		doctor_say(l->d, DOCTOR_FAIL, "clock",
			"set the clock, and keep it set (chrony, ntpd)",
			"this machine's clock stands before the day on which the store was made");
	else if (beat - now > FUTURE_WARN_NS)
		doctor_say(l->d, DOCTOR_WARN, "clock",
			"set the clock, and keep it set (chrony, ntpd)",
			"the collector's last sign of life is %s in the future",
			doctor_age(beat - now, text));
	else
		doctor_say(l->d, DOCTOR_OK, "clock", "", "later than all that the store knows");
}

void doctor_dir_check(struct doctor *d, const char *dir)
{
	struct look l = { .d = d, .vfs = vfs_real(), .path = dir, .dir = -1, .format_fd = -1 };

	if (open_store(&l)) {
		if (ctl_open(l.vfs, l.dir, l.format.uuid, CTL_READ, &l.ctl, NULL) < 0)
			l.ctl = NULL;
		check_collector(&l);
		check_reading(&l);
		check_manifest(&l);
		check_damage(&l);
		check_disk(&l);
		check_clock(&l);
	}
	ctl_close(&l.ctl);
	if (l.format_fd >= 0)
		l.vfs->close(l.vfs->ctx, l.format_fd);
	if (l.dir >= 0)
		l.vfs->close(l.vfs->ctx, l.dir);
}
