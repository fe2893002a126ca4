/*
 * The end of the journal is the end of the last whole group. Behind it, in this order: later files,
 * which hold nothing but the rest of an unfinished group, are removed, newest first; then the tail of
 * the file is set to zero. Killed in between, the next run finds the same end.
 *
 * Records that nothing proves to be durable were perhaps never synced, or their sync failed and the
 * kernel forgot about it: they are written once more before they count.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/recover_int.h"
#include "storage/vfs_file.h"

enum { PATCH_BYTES = 64 << 10 };

/* What the walk has seen up to the last whole group. */
struct progress {
	struct journal_walk walk;
	struct journal_pos end;
	uint64_t chunks_end;
	uint64_t
		proven_off; /* durable by the word of a later record, or of ctl; in the file of `end` */
	bool damaged;       /* a gap in the file of `end`: no more is written to it */
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

/* Of files that are wholly sealed, and before those that the walk goes over. */
static int sealed_chunks(struct recover *r, const struct journal_walk *w, struct diag *d)
{
	if (w->file_idx == journal_dir_next(&w->files, SIZE_MAX))
		return 0;
	return chunk_log_journal(
		&r->chunk_log, w->files.files[w->file_idx].seq, recover_add_chunk, r, d);
}

static void settle(struct recover *r, struct progress *p)
{
	if (p->end.seq != p->walk.pos.seq) {
		p->damaged = false;
		p->proven_off = 0;
	}
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
		if (p->end.seq == w->pos.seq && rec.synced_off > p->proven_off)
			p->proven_off = rec.synced_off;
	}
	return rc;
}

/* Files that are not the journal: void ones and those behind its end go, unreadable ones to bad/. */
static int clear_files(struct recover *r, const struct progress *p, struct diag *d)
{
	const struct journal_dir *files = &p->walk.files;
	char name[JOURNAL_READER_NAME_BYTES];
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
		}
	}
	if (rc < 0)
		return rc;
	/* In any case: the process that named the newest file may have died before it did this. */
	rc = vfs_file_sync_dir(r->vfs, r->dir, "journal");
	return rc < 0 ? diag_set(d, rc, "journal", -1, "sync the folder") : 0;
}

/* A file opened for writing at a start. */
struct patch {
	const struct vfs *vfs;
	int fd;
	uint8_t *buf; /* PATCH_BYTES */
};

/* The same bytes again. */
static int write_again(const struct patch *f, uint64_t off, uint64_t end)
{
	int rc = 0;

	while (rc == 0 && off < end) {
		size_t n = end - off < PATCH_BYTES ? (size_t)(end - off) : PATCH_BYTES;
		ssize_t got = f->vfs->pread(f->vfs->ctx, f->fd, f->buf, n, off);

		if (got < (ssize_t)n)
			return got < 0 ? (int)got : -EIO;
		rc = f->vfs->pwrite_all(f->vfs->ctx, f->fd, f->buf, n, off);
		off += n;
	}
	return rc;
}

static int write_zeroes(const struct patch *f, uint64_t off, uint64_t end)
{
	int rc = 0;

	memset(f->buf, 0, PATCH_BYTES);
	while (rc == 0 && off < end) {
		size_t n = end - off < PATCH_BYTES ? (size_t)(end - off) : PATCH_BYTES;

		rc = f->vfs->pwrite_all(f->vfs->ctx, f->fd, f->buf, n, off);
		off += n;
	}
	return rc;
}

/* proven .. end is written again, end .. last becomes zero. */
static int patch_file(
	const struct recover *r, const struct progress *p, uint64_t last, struct diag *d)
{
	const struct vfs *v = r->vfs;
	char name[JOURNAL_READER_NAME_BYTES];
	struct patch f = { .vfs = v, .buf = malloc(PATCH_BYTES) };
	uint64_t proven =
		p->proven_off > LAYOUT_JOURNAL_RECORDS ? p->proven_off : LAYOUT_JOURNAL_RECORDS;
	int rc;

	journal_reader_name(p->end.seq, name);
	if (!f.buf)
		return diag_set(d, -ENOMEM, name, -1, "recover the journal");
	f.fd = v->open(v->ctx, r->dir, name, O_RDWR, 0);
	rc = f.fd < 0 ? f.fd : write_again(&f, proven, p->end.off);
	if (rc == 0)
		rc = write_zeroes(&f, p->end.off, last);
	if (rc == 0)
		rc = v->fdatasync(v->ctx, f.fd);
	if (f.fd >= 0)
		v->close(v->ctx, f.fd);
	free(f.buf);
	return rc < 0 ? diag_set(d, rc, name, (int64_t)p->end.off, "settle the journal's end") : 0;
}

/* What stands behind the end becomes zero. The file is then ready to go on in. */
static int cut_tail(struct recover *r, const struct progress *p, struct diag *d)
{
	struct journal_reader *reader = NULL;
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
	if (rc < 0)
		return rc;
	r->report.torn_bytes = last - p->end.off;
	return patch_file(r, p, last, d);
}

/*
 * The journal goes on in another file: what was read of this one, and is given out as committed from
 * now on, may never have been synced by the process that wrote it.
 */
static int sync_end(const struct recover *r, const struct progress *p, struct diag *d)
{
	const struct vfs *v = r->vfs;
	char name[JOURNAL_READER_NAME_BYTES];
	int fd = v->open(v->ctx, r->dir, journal_reader_name(p->end.seq, name), O_RDWR, 0);
	int rc = fd < 0 ? fd : v->fdatasync(v->ctx, fd);

	if (fd >= 0)
		v->close(v->ctx, fd);
	return rc < 0 ? diag_set(d, rc, name, -1, "sync the last journal file") : 0;
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
	rc = sealed_chunks(r, &p.walk, d);
	p.chunks_end = r->chunks.end;
	if (rc == 0)
		rc = scan(r, &p, d);
	if (rc < 0)
		goto done;
	if (p.walk.known_id && known.file_seq == p.end.seq && known.off > p.proven_off)
		p.proven_off = known.off;
	chunkset_undo(&r->chunks, p.chunks_end);
	r->seq_max = p.walk.files.seq_max;
	/* The ids of a file that has the number of one in the log would not be taken over. */
	if (r->chunk_log.through_seq > r->seq_max)
		r->seq_max = r->chunk_log.through_seq;
	rc = clear_files(r, &p, d);
	if (rc == 0 && p.end.seq != 0 && !p.damaged)
		rc = cut_tail(r, &p, d);
	r->begin |= p.damaged || p.end.seq == 0;
	/* Sealed ids whose journal is gone are still given. */
	if (p.end.next_id < from) {
		p.end.next_id = from;
		r->begin = true;
	}
	if (rc == 0 && r->begin && p.end.seq != 0)
		rc = sync_end(r, &p, d);
	r->end = p.end;
	r->report.committed = p.end.next_id - 1;
done:
	journal_walk_fini(&p.walk);
	return rc;
}
