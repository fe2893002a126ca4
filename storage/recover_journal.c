/*
 * The end of the journal is the end of the last whole group. Behind it, in this order: later files,
 * which hold nothing but the rest of an unfinished group, are removed, newest first; then the tail of
 * the file is set to zero. Killed in between, the next run finds the same end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/recover_int.h"

enum { ZERO_BYTES = 64 << 10 };

/* What the walk has seen up to the last whole group. */
struct progress {
	struct journal_walk walk;
	struct journal_pos end;
	uint64_t chunks_end;
	bool damaged; /* a gap in the file of `end`: no more is written to it */
};

static int take_chunks(
	struct recover *r, struct journal_walk *w, const struct journal_record *rec, struct diag *d)
{
	struct span chunks;
	int rc;

	if (rec->chunks_count == 0)
		return 0;
	rc = journal_reader_chunks(w->reader, rec, &chunks, d);
	/* Of sealed records nothing but the chunk ids matters: forgetting some is no loss of events. */
	if (rc == ERR_CORRUPT || rc == ERR_TRUNCATED)
		return 0;
	for (uint32_t i = 0; rc == 0 && i < rec->chunks_count; i++)
		chunkset_add(&r->chunks, journal_reader_chunk(chunks, i), 0);
	return rc;
}

static void settle(struct recover *r, struct progress *p)
{
	if (p->end.seq != p->walk.pos.seq)
		p->damaged = false;
	p->end = p->walk.pos;
	p->chunks_end = r->chunks.end;
}

static int take_gap(struct recover *r, struct progress *p, const struct journal_gap *gap)
{
	char name[JOURNAL_READER_NAME_BYTES];
	int rc;

	r->report.lost_ids += gap->count;
	recover_note(r, &gap->why);
	/* Whatever the damaged place held was durable: a frame begun before it counts as ended. */
	settle(r, p);
	p->damaged = true;
	rc = recover_quarantine(
		r->vfs, r->dir, journal_reader_name(p->walk.pos.seq, name), true, NULL);
	r->report.quarantined_files += rc == 0;
	return 0;
}

static int scan(struct recover *r, struct progress *p, struct diag *d)
{
	struct journal_walk *w = &p->walk;
	struct journal_record rec;
	struct journal_gap gap;
	bool open = false;
	int rc;

	while ((rc = journal_walk_next(w, NULL, &rec, &gap, d)) > 0) {
		if (rc == JOURNAL_WALK_GAP) {
			open = false;
			take_gap(r, p, &gap);
			continue;
		}
		rc = take_chunks(r, w, &rec, d);
		if (rc < 0)
			return rc;
		if (rec.kind == LAYOUT_RECORD_KIND_ROWS)
			open = rec.more;
		if (!open)
			settle(r, p);
	}
	return rc;
}

/* Files that are not the journal: void ones and those behind its end go, unreadable ones to bad/. */
static int clear_files(struct recover *r, const struct progress *p, struct diag *d)
{
	const struct journal_dir *files = &p->walk.files;
	char name[JOURNAL_READER_NAME_BYTES];
	bool changed = false;
	int rc = 0;

	for (size_t i = files->files_count; i-- > 0 && rc == 0;) {
		const struct journal_dir_file *f = &files->files[i];

		journal_reader_name(f->seq, name);
		if (f->state == JOURNAL_DIR_BAD) {
			rc = recover_quarantine(r->vfs, r->dir, name, false, d);
			r->report.quarantined_files += rc == 0;
		} else if (f->state == JOURNAL_DIR_VOID || f->seq > p->end.seq) {
			rc = r->vfs->unlink(r->vfs->ctx, r->dir, name);
			if (rc < 0)
				diag_set(d, rc, name, -1, "remove a void journal file");
		} else {
			r->files_count++;
			continue;
		}
		changed = true;
	}
	if (rc == 0 && changed) {
		int fd = r->vfs->open(r->vfs->ctx, r->dir, "journal", O_RDONLY | O_DIRECTORY, 0);

		rc = fd < 0 ? fd : r->vfs->fsync(r->vfs->ctx, fd);
		if (fd >= 0)
			r->vfs->close(r->vfs->ctx, fd);
		if (rc < 0)
			diag_set(d, rc, "journal", -1, "sync the folder");
	}
	return rc;
}

static int write_zeroes(
	const struct recover *r, const char *name, uint64_t off, uint64_t end, struct diag *d)
{
	static const uint8_t zero[ZERO_BYTES];
	const struct vfs *v = r->vfs;
	int fd = v->open(v->ctx, r->dir, name, O_RDWR, 0);
	int rc = fd < 0 ? fd : 0;

	while (rc == 0 && off < end) {
		size_t n = end - off < ZERO_BYTES ? (size_t)(end - off) : ZERO_BYTES;

		rc = v->pwrite_all(v->ctx, fd, zero, n, off);
		off += n;
	}
	if (rc == 0)
		rc = v->fdatasync(v->ctx, fd);
	if (fd >= 0)
		v->close(v->ctx, fd);
	return rc < 0 ? diag_set(d, rc, name, (int64_t)off, "cut a torn tail off the journal") : 0;
}

/* Sets what stands behind the end to zero. The file is then ready to go on in. */
static int cut_tail(struct recover *r, const struct progress *p, struct diag *d)
{
	struct journal_reader *reader = NULL;
	char name[JOURNAL_READER_NAME_BYTES];
	uint64_t last;
	int rc = journal_reader_open(r->vfs, r->dir, p->end.seq, r->format.uuid, &reader, d);

	if (rc < 0)
		return rc;
	r->head = *journal_reader_head(reader);
	rc = journal_reader_rest(reader, p->end.off, &last, d);
	/* A file cut short by somebody else is readable, but no place to write. */
	if (journal_reader_bytes(reader) < r->head.file_bytes)
		r->begin = true;
	journal_reader_close(&reader);
	if (rc < 0 || last == p->end.off)
		return rc;
	r->report.torn_bytes = last - p->end.off;
	return write_zeroes(r, journal_reader_name(p->end.seq, name), p->end.off, last, d);
}

static void remove_spare(const struct recover *r)
{
	r->vfs->unlink(r->vfs->ctx, r->dir, JOURNAL_DIR_SPARE);
}

int recover_journal(struct recover *r, struct diag *d)
{
	struct progress p = { 0 };
	struct ctl_commit known;
	struct diag bad = { 0 };
	uint64_t first = (uint64_t)r->format.node << 48 | 1;
	uint64_t from = r->sealed_id >= first ? r->sealed_id + 1 : first;
	int rc;

	remove_spare(r);
	rc = journal_walk_init(&p.walk, r->vfs, r->dir, r->format.uuid, from, &bad, d);
	if (rc < 0)
		return rc;
	if (bad.code)
		recover_note(r, &bad);
	p.walk.check = true;
	if (ctl_commit(r->ctl, &known) == 0)
		p.walk.known_id = known.id;
	p.end = p.walk.pos;
	rc = scan(r, &p, d);
	if (rc < 0)
		goto done;
	chunkset_undo(&r->chunks, p.chunks_end);
	r->seq_max = p.walk.files.seq_max;
	rc = clear_files(r, &p, d);
	if (rc == 0 && p.end.seq != 0 && !p.damaged)
		rc = cut_tail(r, &p, d);
	r->begin |= p.damaged || p.end.seq == 0;
	/* Sealed ids whose journal is gone are still given. */
	if (p.end.next_id < from) {
		p.end.next_id = from;
		r->begin = true;
	}
	r->end = p.end;
	r->report.committed = p.end.next_id - 1;
done:
	journal_walk_fini(&p.walk);
	return rc;
}
