/*
 * The unsealed rows stand in journal files from the one that holds the first of them on. Their bytes up
 * to the last commit never change any more; what is copied ends there, so that the copy's last file is
 * short: a collector that opens it goes on in a new one (recover_journal.c). Files before it that are
 * still there, and the newest even where all is sealed, are copied for their chunk ids.
 */
#include <errno.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/backup_int.h"
#include "storage/journal_walk.h"
#include "storage/snapshot_int.h"

/* Goes to the place behind the last committed record. */
static int find_end(struct journal_walk *w, uint64_t committed, struct diag *d)
{
	struct journal_record rec;
	struct journal_gap gap;
	int rc = 1;

	w->known_id = committed;
	/* The carry record stands first in a file and has no ids. */
	while (rc > 0 && (w->pos.next_id <= committed || w->pos.off == LAYOUT_JOURNAL_RECORDS))
		rc = journal_walk_next(w, NULL, &rec, &gap, d);
	return rc < 0 ? rc : 0;
}

static int copy_files(struct backup *b, const struct journal_walk *w, size_t first, struct diag *d)
{
	char name[JOURNAL_READER_NAME_BYTES];
	int rc = 0;

	for (size_t i = first; i <= w->file_idx && rc == 0; i++) {
		const struct journal_dir_file *f = &w->files.files[i];
		uint64_t end = i == w->file_idx ? w->pos.off : f->end;

		if (f->state != JOURNAL_DIR_LIVE)
			continue;
		rc = backup_files_copy(b, journal_reader_name(f->seq, name), end, d);
		b->report.journal_files++;
		b->report.copied_bytes += end;
	}
	return rc < 0 ? rc : backup_files_sync(b, "journal", d);
}

int backup_journal_copy(struct backup *b, struct diag *d)
{
	uint64_t from = snapshot_sealed(b->snap) + 1, committed = snapshot_committed(b->snap);
	struct journal_walk w;
	size_t first;
	int rc = journal_walk_init(&w, b->vfs, b->from, b->uuid, from, NULL, d);

	b->report.journal_files = b->report.copied_bytes = 0;
	if (rc < 0)
		/* A file of the list was retired before it was opened. */
		return rc == -ENOENT ? diag_set(d, ERR_STALE, "journal", -1, "copy") : rc;
	first = journal_dir_next(&w.files, SIZE_MAX);
	b->journal_end = (struct ctl_commit){ .id = committed };
	if (w.file_idx != SIZE_MAX) {
		rc = find_end(&w, committed, d);
		if (rc == -ENOENT)
			rc = diag_set(d, ERR_STALE, "journal", -1, "copy the journal");
		if (rc == 0)
			rc = copy_files(b, &w, first, d);
		b->journal_end.file_seq = w.pos.seq;
		b->journal_end.off = w.pos.off;
	}
	journal_walk_fini(&w);
	return rc;
}
