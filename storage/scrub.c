#include "storage/scrub.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/manifest.h"
#include "storage/publish.h"
#include "storage/scrub_state.h"
#include "storage/seg_reader.h"
#include "storage/sidx_common.h"
#include "storage/store_format.h"

#define LOCK_NAME "scrub.lock"

/* A live segment, and when it was looked at. */
struct item {
	struct manifest_segment seg;
	int64_t checked_ns;
	bool cut; /* the last run ended in it */
};

struct scrub {
	const struct scrub_conf *conf;
	const struct vfs *vfs;
	int dir;
	int lock_fd;
	struct store_format format;
	struct manifest *manifest;
	struct item *items; /* by rising number, as the manifest has them */
	struct item **order;
	size_t count;
	uint64_t cut_no;
	uint64_t cut_block;
	uint64_t saved_bytes; /* report.bytes when the state was kept last */
	uint8_t *bytes;       /* SCRUB_BYTES */
	struct scrub_report report;

	/* The segment at hand. */
	const struct manifest_segment *seg;
	char path[MANIFEST_PATH_BYTES];
	int fd;
};

/* ---- findings and budgets ---- */

static void found(struct scrub *s, int64_t block, const char *column, const struct diag *why)
{
	const struct verify_finding f = {
		.grade = VERIFY_DAMAGE, .block = block, .column = column, .diag = *why
	};

	s->report.damages++;
	if (s->conf->found)
		s->conf->found(s->conf->arg, &f);
}

static void say(struct scrub *s, int code, const char *file, int64_t off, const char *what)
{
	struct diag why;

	diag_set(&why, code, file, off, "%s", what);
	found(s, -1, NULL, &why);
}

static bool over(const struct scrub *s)
{
	const struct scrub_conf *c = s->conf;

	return (c->stop && *c->stop) ||
	       (c->budget_bytes > 0 && s->report.bytes >= c->budget_bytes) ||
	       (c->deadline_ns > 0 && clock_mono_ns() >= c->deadline_ns);
}

/* ---- bytes of a file ---- */

/* Their sum. Negative: they could not be read. */
static int sum_of(struct scrub *s, int fd, uint64_t off, uint64_t n, uint64_t *out)
{
	XXH3_state_t *state = XXH3_createState();
	int rc = state ? 0 : -ENOMEM;

	if (state)
		XXH3_64bits_reset(state);
	for (uint64_t at = 0; at < n && rc == 0;) {
		size_t part = n - at < SCRUB_BYTES ? (size_t)(n - at) : SCRUB_BYTES;
		ssize_t got = s->vfs->pread(s->vfs->ctx, fd, s->bytes, part, off + at);

		if (got < (ssize_t)part)
			rc = got < 0 ? (int)got : ERR_TRUNCATED;
		else
			XXH3_64bits_update(state, s->bytes, part);
		at += part;
	}
	if (rc == 0)
		*out = XXH3_64bits_digest(state);
	XXH3_freeState(state);
	s->report.bytes += n;
	return rc;
}

/* A finding if the page cannot be read or is not what the footer says. -ENOMEM ends the run. */
static int check_page(struct scrub *s, const struct seg_page *p, int64_t block, int col)
{
	uint64_t sum = 0;
	struct diag why;
	int rc;

	if (p->is_inline)
		return 0;
	s->report.pages++;
	rc = sum_of(s, s->fd, p->off, p->bytes, &sum);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0)
		diag_set(&why, rc, s->path, (int64_t)p->off, "read a page");
	else if (sum != p->sum)
		diag_set(&why, ERR_CORRUPT, s->path, (int64_t)p->off, "check a page");
	else
		return 0;
	found(s, block, seg_reader_col_name(col), &why);
	return 0;
}

/* ---- one segment ---- */

/* Retired or merged since the list was read: nothing to complain of. */
static bool is_live(struct scrub *s)
{
	const struct manifest_segment *live;
	size_t n;

	if (manifest_refresh(s->manifest, NULL) < 0)
		return true;
	live = manifest_segments(s->manifest, &n);
	for (size_t i = 0; i < n; i++) {
		if (live[i].no == s->seg->no)
			return true;
	}
	return false;
}

/* What lies behind the pages, before anything maps it. */
static int read_footer(struct scrub *s, uint64_t file_bytes)
{
	uint64_t n = file_bytes < SCRUB_BYTES ? file_bytes : SCRUB_BYTES, sum;

	return sum_of(s, s->fd, file_bytes - n, n, &sum);
}

/* 1: it is open, and the one that is listed; 0: there is nothing to check, which was said. */
static int open_segment(struct scrub *s, struct seg_reader **out)
{
	struct vfs_stat st;
	struct diag why;
	int rc;

	s->fd = s->vfs->open(s->vfs->ctx, s->dir, s->path, O_RDONLY, 0);
	rc = s->fd < 0 ? s->fd : s->vfs->fstat(s->vfs->ctx, s->fd, &st);
	if (rc < 0) {
		if (is_live(s))
			say(s, rc, s->path, -1, "open a listed segment");
		return 0;
	}
	if (st.bytes != s->seg->file_bytes) {
		say(s, ERR_CORRUPT, s->path, (int64_t)st.bytes, "the file has another length");
		return 0;
	}
	rc = read_footer(s, st.bytes);
	if (rc < 0 && rc != -ENOMEM)
		say(s, rc, s->path, (int64_t)st.bytes, "read the footer");
	if (rc < 0)
		return rc == -ENOMEM ? rc : 0;
	rc = seg_reader_open(s->vfs, s->dir, s->path, out, &why);
	if (rc < 0 && is_live(s))
		found(s, -1, NULL, &why);
	if (rc < 0)
		return 0;
	if (seg_reader_info(*out)->sum != s->seg->file_sum) {
		say(s, ERR_CORRUPT, s->path, -1,
			"another segment stands in the place of the listed one");
		return 0;
	}
	return 1;
}

/* 1: the budget ended it before `*block`; 0: all pages were looked at. */
static int check_pages(struct scrub *s, const struct seg_reader *r, uint64_t *block)
{
	uint32_t blocks = seg_reader_info(r)->blocks_count;
	uint64_t first = *block;

	for (int col = 0; col < SEG_COL_COUNT && *block == 0; col++) {
		const struct seg_page *p = seg_reader_dict_page(r, col);
		int rc = p ? check_page(s, p, -1, col) : 0;

		if (rc < 0)
			return rc;
	}
	for (; *block < blocks; ++*block) {
		/* One at least, so that the smallest budget comes round. */
		if (*block > first && over(s))
			return 1;
		for (int col = 0; col < SEG_COL_COUNT; col++) {
			int rc = check_page(
				s, seg_reader_page(r, (uint32_t)*block, col), (int64_t)*block, col);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* A missing one is no damage: the next upkeep makes it. */
static int check_sidecar(struct scrub *s, const struct seg_reader *r, enum sidx_kind kind)
{
	char path[MANIFEST_PATH_BYTES];
	struct vfs_stat st;
	struct diag why;
	uint64_t sum;
	int fd, rc;

	publish_path(s->seg, (int)kind, path);
	fd = s->vfs->open(s->vfs->ctx, s->dir, path, O_RDONLY, 0);
	if (fd == -ENOENT)
		return 0;
	s->report.sidecars++;
	rc = fd < 0 ? fd : s->vfs->fstat(s->vfs->ctx, fd, &st);
	if (rc == 0)
		rc = sum_of(s, fd, 0, st.bytes, &sum);
	if (fd >= 0)
		s->vfs->close(s->vfs->ctx, fd);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0) {
		say(s, rc, path, -1, "read a sidecar");
		return 0;
	}
	rc = sidx_common_check(s->vfs, s->dir, path, kind, seg_reader_info(r), &why);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0 && rc != -ENOENT)
		found(s, -1, NULL, &why);
	return 0;
}

/* As check_pages. */
static int check_segment(struct scrub *s, uint64_t *block)
{
	struct seg_reader *r = NULL;
	int rc = open_segment(s, &r);

	if (rc == 1)
		rc = check_pages(s, r, block);
	for (int kind = 0; kind < SIDX_COUNT && r && rc == 0; kind++)
		rc = check_sidecar(s, r, (enum sidx_kind)kind);
	seg_reader_close(&r);
	if (s->fd >= 0)
		s->vfs->close(s->vfs->ctx, s->fd);
	s->fd = -1;
	return rc;
}

/* ---- the state ---- */

static int save(struct scrub *s, struct diag *d)
{
	struct scrub_state state = { .cut_no = s->cut_no, .cut_block = s->cut_block };
	int rc;

	state.entries = calloc(s->count + 1, sizeof *state.entries);
	if (!state.entries)
		return diag_set(d, -ENOMEM, SCRUB_STATE_NAME, -1, "remember what was checked");
	for (size_t i = 0; i < s->count; i++) {
		if (s->items[i].checked_ns > 0)
			state.entries[state.count++] =
				(struct scrub_state_entry){ s->items[i].seg.no,
					s->items[i].checked_ns };
	}
	rc = scrub_state_save(s->vfs, s->dir, s->format.uuid, &state, d);
	s->saved_bytes = s->report.bytes;
	scrub_state_fini(&state);
	return rc;
}

static int by_turn(const void *a, const void *b)
{
	const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;

	if (x->cut != y->cut)
		return x->cut ? -1 : 1;
	if (x->checked_ns != y->checked_ns)
		return x->checked_ns < y->checked_ns ? -1 : 1;
	return (x->seg.no > y->seg.no) - (x->seg.no < y->seg.no);
}

/* All live segments in the order of their turn. */
static int list_items(struct scrub *s, const struct scrub_state *state, struct diag *d)
{
	const struct manifest_segment *live = manifest_segments(s->manifest, &s->count);

	s->items = calloc(s->count + 1, sizeof *s->items);
	s->order = calloc(s->count + 1, sizeof *s->order);
	if (!s->items || !s->order)
		return diag_set(d, -ENOMEM, "manifest", -1, "list the segments");
	for (size_t i = 0; i < s->count; i++) {
		s->items[i] = (struct item){
			.seg = live[i],
			.checked_ns = scrub_state_checked(state, live[i].no),
			.cut = live[i].no == state->cut_no,
		};
		s->order[i] = &s->items[i];
		if (s->items[i].cut) {
			s->cut_no = state->cut_no;
			s->cut_block = state->cut_block;
		}
	}
	qsort(s->order, s->count, sizeof *s->order, by_turn);
	return 0;
}

static int load(struct scrub *s, struct diag *d)
{
	struct scrub_state state;
	int rc = scrub_state_load(s->vfs, s->dir, s->format.uuid, &state, d);

	if (rc == -ENOMEM)
		return rc;
	s->report.state_lost = rc < 0 && rc != -ENOENT;
	rc = list_items(s, &state, d);
	scrub_state_fini(&state);
	return rc;
}

/* ---- a run ---- */

/* One segment. 1: the budget ended the run in it. */
static int take_turn(struct scrub *s, struct item *item, struct diag *d)
{
	uint64_t block = item->cut ? s->cut_block : 0;
	int rc;

	s->seg = &item->seg;
	manifest_segment_path(s->seg, s->path);
	rc = check_segment(s, &block);
	if (rc < 0)
		return diag_set(d, rc, s->path, -1, "scrub a segment");
	s->cut_no = rc == 1 ? s->seg->no : 0;
	s->cut_block = rc == 1 ? block : 0;
	if (rc == 1)
		return 1;
	item->checked_ns = s->conf->now_ns;
	s->report.segments++;
	if (s->report.bytes - s->saved_bytes < SCRUB_SAVE_BYTES)
		return 0;
	return save(s, d);
}

static int go_round(struct scrub *s, struct diag *d)
{
	size_t i = 0;
	int rc = 0;

	while (i < s->count && rc == 0 && !over(s)) {
		rc = take_turn(s, s->order[i], d);
		i += rc == 0;
	}
	s->report.live_segments = s->count;
	s->report.left_segments = s->count - i;
	s->report.oldest_ns = INT64_MAX;
	for (size_t k = 0; k < s->count; k++) {
		if (s->items[k].checked_ns < s->report.oldest_ns)
			s->report.oldest_ns = s->items[k].checked_ns;
	}
	return rc < 0 ? rc : save(s, d);
}

static int take_lock(struct scrub *s, struct diag *d)
{
	int rc;

	s->lock_fd = s->vfs->open(s->vfs->ctx, s->dir, LOCK_NAME, O_RDWR | O_CREAT, 0640);
	rc = s->lock_fd < 0 ? s->lock_fd : s->vfs->lock(s->vfs->ctx, s->lock_fd, true, false);
	if (rc == ERR_LOCKED)
		return diag_set(d, rc, LOCK_NAME, -1, "another scrub of this store runs");
	return rc < 0 ? diag_set(d, rc, LOCK_NAME, -1, "lock the scrub") : 0;
}

static int open_store(struct scrub *s, struct diag *d)
{
	int rc;

	s->dir = s->vfs->open_dir(s->vfs->ctx, s->conf->dir);
	if (s->dir < 0)
		return diag_set(d, s->dir, s->conf->dir, -1, "open the data directory");
	rc = store_format_read(s->vfs, s->dir, &s->format, NULL, d);
	if (rc == 0)
		rc = take_lock(s, d);
	if (rc == 0)
		rc = manifest_open(s->vfs, s->dir, s->format.uuid, NULL, &s->manifest, d);
	if (rc < 0)
		return rc;
	if (manifest_damage(s->manifest)->code != 0)
		found(s, -1, NULL, manifest_damage(s->manifest));
	s->bytes = malloc(SCRUB_BYTES);
	return s->bytes ? 0 : diag_set(d, -ENOMEM, "", -1, "scrub the store");
}

static void close_store(struct scrub *s)
{
	manifest_close(&s->manifest);
	if (s->lock_fd >= 0)
		s->vfs->close(s->vfs->ctx, s->lock_fd);
	if (s->dir >= 0)
		s->vfs->close(s->vfs->ctx, s->dir);
	free(s->items);
	free(s->order);
	free(s->bytes);
}

int scrub_run(const struct scrub_conf *conf, struct scrub_report *out, struct diag *d)
{
	struct scrub s = {
		.conf = conf,
		.vfs = conf->vfs ? conf->vfs : vfs_real(),
		.dir = -1,
		.lock_fd = -1,
		.fd = -1,
	};
	int rc = open_store(&s, d);

	ASSERT(conf->now_ns > 0);
	if (rc == 0)
		rc = load(&s, d);
	if (rc == 0)
		rc = go_round(&s, d);
	*out = s.report;
	close_store(&s);
	return rc;
}
