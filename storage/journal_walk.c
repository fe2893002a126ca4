#include "storage/journal_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

static const struct journal_dir_file *file_of(const struct journal_walk *w)
{
	return &w->files.files[w->file_idx];
}

static int open_file(struct journal_walk *w, size_t idx, struct diag *d)
{
	const struct journal_dir_file *f = &w->files.files[idx];
	struct diag why;
	int rc;

	journal_reader_close(&w->reader);
	rc = journal_reader_open(w->vfs, w->dir, f->seq, w->uuid, &w->reader, &why);
	if (rc < 0) {
		if (d)
			*d = why;
		return rc == -ENOENT ? ERR_STALE : rc;
	}
	w->file_idx = idx;
	w->pos.seq = f->seq;
	w->pos.off = LAYOUT_JOURNAL_RECORDS;
	w->pos.sum = f->head.prev_sum;
	return 0;
}

int journal_walk_init(struct journal_walk *w, const struct vfs *vfs, int dir, const uint8_t *uuid,
	uint64_t from_id, struct diag *bad, struct diag *d)
{
	size_t idx;
	int rc;

	memset(w, 0, sizeof *w);
	w->vfs = vfs;
	w->dir = dir;
	w->uuid = uuid;
	w->from_id = from_id;
	w->file_idx = SIZE_MAX;
	rc = journal_dir_load(vfs, dir, uuid, &w->files, bad, d);
	if (rc < 0)
		return rc;
	idx = journal_dir_of_id(&w->files, from_id);
	w->pos.next_id = from_id;
	if (idx == SIZE_MAX)
		return 0;
	if (w->files.files[idx].head.first_id < from_id)
		w->pos.next_id = w->files.files[idx].head.first_id;
	rc = open_file(w, idx, d);
	if (rc < 0)
		journal_walk_fini(w);
	return rc;
}

void journal_walk_fini(struct journal_walk *w)
{
	journal_reader_close(&w->reader);
	journal_dir_free(&w->files);
}

/* After a rotation the list is old: read it again and find our place in it. */
static int reload(struct journal_walk *w, uint64_t want_seq, struct diag *d)
{
	struct journal_dir files;
	size_t idx;
	int rc = journal_dir_load(w->vfs, w->dir, w->uuid, &files, NULL, d);

	if (rc < 0)
		return rc;
	journal_dir_free(&w->files);
	w->files = files;
	idx = journal_dir_find(&files, w->pos.seq);
	w->file_idx = idx;
	if (idx == SIZE_MAX || journal_dir_find(&files, want_seq) == SIZE_MAX)
		return diag_set(d, ERR_STALE, "journal", -1, "follow the journal");
	return 0;
}

/* Ids before `to` will never come: tells of those that matter. */
static int give_gap(struct journal_walk *w, uint64_t to, struct journal_gap *gap)
{
	uint64_t first = w->pos.next_id > w->from_id ? w->pos.next_id : w->from_id;

	gap->first_id = first;
	gap->count = to > first ? to - first : 0;
	if (to > w->pos.next_id)
		w->pos.next_id = to;
	w->pos.sum = 0;
	return JOURNAL_WALK_GAP;
}

static void say(struct journal_walk *w, struct journal_gap *gap, const char *what)
{
	char name[JOURNAL_READER_NAME_BYTES] = "journal";

	if (w->pos.seq != 0)
		journal_reader_name(w->pos.seq, name);
	diag_set(&gap->why, ERR_CORRUPT, name, (int64_t)w->pos.off, "%s (next id %" PRIu64 ")",
		what, w->pos.next_id);
}

/* The id that ought to come next, where the records cannot tell; next_id where nobody knows. */
static uint64_t id_due(const struct journal_walk *w)
{
	/* No file is left of ids that were committed. */
	if (w->file_idx == SIZE_MAX)
		return w->known_id + 1;
	/* The files before this one are gone. */
	if (w->pos.off == LAYOUT_JOURNAL_RECORDS)
		return file_of(w)->head.first_id;
	return w->pos.next_id;
}

struct bounds {
	uint64_t limit; /* records end at or before it */
	bool known;     /* and really do, up to it */
	bool last;      /* no later file counts */
};

static struct bounds bounds_of(const struct journal_walk *w, const struct ctl_commit *end)
{
	const struct journal_dir_file *f = file_of(w);
	size_t next = journal_dir_next(&w->files, w->file_idx);
	struct bounds b = { .limit = journal_reader_bytes(w->reader), .last = next == SIZE_MAX };

	if (end && f->seq >= end->file_seq) {
		b.limit = f->seq == end->file_seq ? end->off : 0;
		b.known = true;
		b.last = true;
	} else if (f->end != UINT64_MAX) {
		b.limit = f->end;
		b.known = true;
	} else if (next != SIZE_MAX) {
		b.known = true;
	}
	return b;
}

static bool follows(const struct journal_walk *w, const struct journal_record *rec)
{
	if (w->pos.sum != 0 && rec->prev_sum != w->pos.sum)
		return false;
	return rec->first_id == w->pos.next_id;
}

static int take(struct journal_walk *w, const struct journal_record *rec)
{
	w->pos.off = journal_record_end(rec);
	w->pos.sum = rec->head_sum;
	w->pos.next_id = journal_record_next_id(rec);
	return JOURNAL_WALK_RECORD;
}

/* The id that must come after everything up to the limit of this file; next_id if nobody knows. */
static uint64_t id_behind(
	const struct journal_walk *w, const struct bounds *b, const struct ctl_commit *end)
{
	size_t next = journal_dir_next(&w->files, w->file_idx);

	if (!b->last)
		return w->files.files[next].head.first_id;
	return end ? end->id + 1 : w->known_id + 1;
}

/* At the limit of a file: on to the next, or the end. Sets nothing in rec. */
static int at_limit(struct journal_walk *w, const struct bounds *b, const struct ctl_commit *end,
	struct journal_gap *gap, bool *out_again, struct diag *d)
{
	uint64_t behind = id_behind(w, b, end);
	int rc;

	*out_again = false;
	if (behind > w->pos.next_id) {
		say(w, gap, "journal records are missing");
		return give_gap(w, behind, gap);
	}
	if (b->last)
		return JOURNAL_WALK_END;
	rc = open_file(w, journal_dir_next(&w->files, w->file_idx), d);
	*out_again = rc == 0;
	return rc;
}

/* Whether records really stood at pos: see the header. 1 or 0. */
static int proven(struct journal_walk *w, const struct bounds *b, struct diag *d)
{
	struct journal_record rec;
	uint64_t off = w->pos.off;
	int rc;

	if (b->known || w->known_id >= w->pos.next_id)
		return 1;
	if (w->pos.seq == w->void_seq && w->pos.off == w->void_off)
		return 0;
	while ((rc = journal_reader_find(w->reader, off, b->limit, &rec, d)) == 1) {
		if (rec.synced_off > w->pos.off)
			return 1;
		off = rec.off + LAYOUT_RECORD_ALIGN;
	}
	return rc;
}

/* No valid record stands at pos: the end, or damage to step over. */
static int step_over(struct journal_walk *w, const struct bounds *b, const struct ctl_commit *end,
	struct journal_gap *gap, struct diag *d)
{
	struct journal_record rec;
	uint64_t off = w->pos.off;
	int rc = proven(w, b, d);

	if (rc <= 0)
		return rc;
	say(w, gap, "no valid journal record");
	while ((rc = journal_reader_find(w->reader, off, b->limit, &rec, d)) == 1) {
		if (rec.first_id >= w->pos.next_id && journal_record_end(&rec) <= b->limit)
			break;
		off = rec.off + LAYOUT_RECORD_ALIGN;
	}
	if (rc < 0)
		return rc;
	w->pos.off = rc == 1 ? rec.off : b->limit;
	return give_gap(w, rc == 1 ? rec.first_id : id_behind(w, b, end), gap);
}

/* The header holds but not the rows: its own numbers say what is lost. */
static int skip_rows(struct journal_walk *w, const struct bounds *b,
	const struct journal_record *rec, struct journal_gap *gap, struct diag *d)
{
	int rc = proven(w, b, d);
	uint64_t next_id = journal_record_next_id(rec);

	if (rc <= 0)
		return rc;
	rc = give_gap(w, next_id, gap);
	w->pos.off = journal_record_end(rec);
	w->pos.sum = rec->head_sum;
	return rc;
}

static bool must_check(const struct journal_walk *w, const struct journal_record *rec)
{
	if (!w->check)
		return false;
	return rec->kind == LAYOUT_RECORD_KIND_CARRY || journal_record_next_id(rec) > w->from_id;
}

int journal_walk_next(struct journal_walk *w, const struct ctl_commit *end,
	struct journal_record *rec, struct journal_gap *gap, struct diag *d)
{
	if (end && journal_dir_find(&w->files, end->file_seq) == SIZE_MAX) {
		int rc = reload(w, end->file_seq, d);

		if (rc < 0)
			return rc;
	}
	if (id_due(w) > w->pos.next_id) {
		say(w, gap, "journal records are missing");
		return give_gap(w, id_due(w), gap);
	}
	if (w->file_idx == SIZE_MAX)
		return JOURNAL_WALK_END;
	for (bool again = true; again;) {
		struct bounds b = bounds_of(w, end);
		int rc;

		if (w->pos.off >= b.limit) {
			rc = at_limit(w, &b, end, gap, &again, d);
			if (!again)
				return rc;
			continue;
		}
		rc = journal_reader_at(w->reader, w->pos.off, rec, d);
		if (rc < 0)
			return rc;
		if (rc == 0 || journal_record_end(rec) > b.limit || !follows(w, rec))
			return step_over(w, &b, end, gap, d);
		if (must_check(w, rec)) {
			rc = journal_reader_check(w->reader, rec, &gap->why);
			if (rc == ERR_CORRUPT || rc == ERR_TRUNCATED)
				return skip_rows(w, &b, rec, gap, d);
			if (rc < 0)
				return rc;
		}
		return take(w, rec);
	}
	UNREACHABLE();
}
