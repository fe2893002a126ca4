/*
 * The journal: every record from the first file to the last commit, sealed ones too, as long as their
 * file is there; and that its ids go on where the segments' end.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "storage/journal_walk.h"
#include "storage/row.h"
#include "storage/verify_int.h"

enum { TRIES = 10, NODE_SHIFT = 48 };

struct journal_check {
	struct verify *v;
	struct journal_walk walk;
	struct ctl_commit commit; /* id 0: unknown */
	uint64_t first_id;        /* of the first file */
	bool twice_told;
	bool last_try;
};

/* All rows of a record decode, and their ids are new. */
static int check_rows(struct journal_check *c, const struct journal_record *rec, struct diag *d)
{
	struct verify *v = c->v;
	struct rcur rows;
	struct diag why;
	int rc;

	buf_reset(&v->scratch);
	rc = journal_reader_rows(c->walk.reader, rec, &v->payload, &v->scratch, &why);
	if (rc == -ENOMEM) {
		if (d)
			*d = why;
		return rc;
	}
	if (rc < 0) {
		verify_found(v, VERIFY_DAMAGE, -1, NULL, &why);
		return 0;
	}
	rows = rcur_of(v->scratch.p, v->scratch.len);
	for (uint32_t i = 0; i < rec->rows_count; i++) {
		struct event ev;
		bool twice = false;

		if (row_get(&rows, &ev) < 0) {
			char name[JOURNAL_READER_NAME_BYTES];

			verify_say(v, VERIFY_DAMAGE, ERR_CORRUPT,
				journal_reader_name(c->walk.pos.seq, name), (int64_t)rec->off,
				"row %u of the record is none", i);
			return 0;
		}
		if (rec->first_id + i <= v->sealed_id)
			continue;
		rc = verify_add_id(v, rec->first_id + i, &twice);
		if (rc < 0)
			return diag_set(d, rc, "journal", -1, "remember the ids");
		v->report.journal_rows++;
		if (twice && !c->twice_told) {
			verify_say(v, VERIFY_DAMAGE, ERR_CORRUPT, "journal", -1,
				"event %" PRIu64 " is in a segment, too", rec->first_id + i);
			c->twice_told = true;
		}
	}
	return 0;
}

static int check_record(struct journal_check *c, const struct journal_record *rec, struct diag *d)
{
	c->v->report.journal_records++;
	if (verify_step(c->v, journal_record_end(rec) - rec->off) < 0)
		return diag_set(d, ERR_CANCELED, "journal", -1, "verify");
	if (rec->kind != LAYOUT_RECORD_KIND_ROWS)
		return 0;
	return check_rows(c, rec, d);
}

static void tell_gap(struct journal_check *c, const struct journal_gap *gap)
{
	uint64_t last = gap->first_id + gap->count - 1;
	struct diag why = gap->why;

	if (gap->count > 0 && last > c->v->sealed_id)
		verify_say(c->v, VERIFY_DAMAGE, why.code, why.file, why.off,
			"%.150s: events %" PRIu64 " to %" PRIu64 " are lost", why.text,
			gap->first_id > c->v->sealed_id ? gap->first_id : c->v->sealed_id + 1,
			last);
	else
		verify_found(c->v, VERIFY_DAMAGE, -1, NULL, &why);
}

/* Where the segments end the journal must go on. ERR_STALE: it may be that more is sealed by now. */
static int check_join(struct journal_check *c)
{
	struct verify *v = c->v;
	uint64_t next = v->sealed_id + 1;

	/* The first id of another node's is no gap. */
	if (c->first_id <= next || c->first_id >> NODE_SHIFT != next >> NODE_SHIFT)
		return 0;
	if (v->live && !c->last_try)
		return ERR_STALE;
	verify_say(v, VERIFY_DAMAGE, ERR_CORRUPT, "journal", -1,
		"events %" PRIu64 " to %" PRIu64 " are neither in segments nor in the journal",
		next, c->first_id - 1);
	return 0;
}

static int walk_records(struct journal_check *c, struct diag *d)
{
	const struct ctl_commit *end = c->v->live && c->commit.id ? &c->commit : NULL;
	struct journal_record rec;
	struct journal_gap gap;
	int rc;

	for (;;) {
		rc = journal_walk_next(&c->walk, end, &rec, &gap, d);
		if (rc == JOURNAL_WALK_GAP) {
			tell_gap(c, &gap);
			continue;
		}
		if (rc != JOURNAL_WALK_RECORD)
			return rc;
		rc = check_record(c, &rec, d);
		if (rc < 0)
			return rc;
	}
}

/* Either copy of the header will do for readers, but both should be there. */
static void check_copies(struct verify *v, uint64_t seq)
{
	uint8_t page[LAYOUT_JOURNAL_RECORDS];
	char name[JOURNAL_READER_NAME_BYTES];
	struct journal_head head;
	ssize_t n = -1;
	int fd;

	journal_reader_name(seq, name);
	fd = v->vfs->open(v->vfs->ctx, v->dir, name, O_RDONLY, 0);
	if (fd < 0)
		return; /* retired since */
	n = v->vfs->pread(v->vfs->ctx, fd, page, sizeof page, 0);
	v->vfs->close(v->vfs->ctx, fd);
	if (n != (ssize_t)sizeof page || journal_record_get_head(page, sizeof page, &head) < 0)
		return; /* told by who loads the list */
	if (memcmp(page, page + LAYOUT_JOURNAL_COPY, LAYOUT_JOURNAL_HEAD_BYTES) != 0)
		verify_say(v, VERIFY_DAMAGE, ERR_CORRUPT, name, 0,
			"one of the two headers is damaged; the other one stands in");
}

/* Headers of all files; those that are void hold nothing that was ever acknowledged. */
static int begin(struct journal_check *c, struct diag *d)
{
	struct journal_dir files;
	struct diag bad = { 0 };
	size_t first;
	int rc = journal_dir_load(c->v->vfs, c->v->dir, c->v->uuid, &files, &bad, d);

	if (rc < 0)
		return rc;
	if (bad.code < 0)
		verify_found(c->v, VERIFY_DAMAGE, -1, NULL, &bad);
	c->v->report.journal_files = files.files_count;
	for (size_t i = 0; i < files.files_count && !c->twice_told; i++)
		check_copies(c->v, files.files[i].seq);
	first = journal_dir_next(&files, SIZE_MAX);
	c->first_id = first == SIZE_MAX ? 0 : files.files[first].head.first_id;
	journal_dir_free(&files);
	return 0;
}

static int check_once(struct journal_check *c, struct diag *d)
{
	int rc = begin(c, d);

	if (rc < 0)
		return rc;
	if (c->v->ctl && ctl_commit(c->v->ctl, &c->commit) < 0)
		c->commit.id = 0;
	if (c->first_id == 0) {
		if (c->commit.id > c->v->sealed_id)
			verify_say(c->v, VERIFY_DAMAGE, -ENOENT, "journal", -1,
				"events %" PRIu64 " to %" PRIu64 " were in the journal",
				c->v->sealed_id + 1, c->commit.id);
		return 0;
	}
	rc = check_join(c);
	if (rc < 0)
		return rc;
	rc = journal_walk_init(&c->walk, c->v->vfs, c->v->dir, c->v->uuid, c->first_id, NULL, d);
	if (rc < 0)
		return rc;
	c->walk.check = true;
	c->walk.known_id = c->commit.id;
	rc = walk_records(c, d);
	journal_walk_fini(&c->walk);
	return rc;
}

/*
 * The sealer may retire files while they are read. Then what is new in the manifest is looked at, and
 * the journal read again from its new beginning. Ids of the first attempt are known by then, so that
 * only it can tell what is there twice.
 */
int verify_journal(struct verify *v, struct diag *d)
{
	struct diag why = { 0 };
	int rc = ERR_STALE;

	for (int i = 0; i < TRIES && rc == ERR_STALE; i++) {
		struct journal_check c = {
			.v = v,
			.twice_told = i > 0,
			.last_try = i == TRIES - 1,
		};

		rc = i > 0 ? verify_follow(v, &why) : 0;
		v->report.journal_rows = 0;
		v->report.journal_records = 0;
		if (rc == 0)
			rc = check_once(&c, &why);
	}
	if (rc == ERR_STALE || rc == ERR_CORRUPT || rc == ERR_TOO_NEW) {
		verify_found(v, VERIFY_DAMAGE, -1, NULL, &why);
		return 0;
	}
	if (rc < 0 && d)
		*d = why;
	return rc;
}
