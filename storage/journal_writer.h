/*
 * journal_writer - appends records to one preallocated journal file at a time (layout.h).
 *
 * Life:    new, then for each file begin or resume, put and sync..., end; free.
 * Durable: what was put is on disk when the sync that follows returned 0, not before.
 * Thread:  one. Writing twice to one file is excluded by the lock of the store.
 * Memory:  the largest record and the compressor's table (about 1.4 MiB), all taken in new.
 * Errors:  after a failed put, sync or rewind the file must not be written again: end, and go on in
 *          another one. The kernel may have dropped the pages and cleared the error, so that a second
 *          fdatasync would succeed without the data.
 */
#ifndef STORAGE_JOURNAL_WRITER_H
#define STORAGE_JOURNAL_WRITER_H

#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/journal_record.h"
#include "storage/journal_walk.h"
#include "storage/store.h"
#include "storage/vfs.h"

enum { JOURNAL_WRITER_FULL = 1 };

struct journal_writer;

int journal_writer_new(const struct vfs *vfs, struct journal_writer **out);
void journal_writer_free(struct journal_writer **w);

/*
 * Starts a file of zeroes: header, its copy, a first record without rows, fdatasync. Takes the
 * descriptor over, on failure too.
 */
int journal_writer_begin(
	struct journal_writer *w, int fd, const struct journal_head *h, struct diag *d);
/* Goes on behind `pos` in a file whose rest is zeroes. Takes the descriptor over, on failure too. */
int journal_writer_resume(struct journal_writer *w, int fd, const struct journal_head *h,
	const struct journal_pos *pos, struct diag *d);
/* Closes the file, synced or not. */
void journal_writer_end(struct journal_writer *w);

/*
 * The batch's rows get the ids from pos.next_id on. JOURNAL_WRITER_FULL (1): not taken, the file has
 * no room for it.
 */
int journal_writer_put(struct journal_writer *w, const struct store_batch *b, struct diag *d);
/* fdatasync, unless nothing was put since the last. The next record begins at a fresh page. */
int journal_writer_sync(struct journal_writer *w, struct diag *d);
/* Sets to zero, and syncs, what was put behind `pos`, which was a place of a sync. */
int journal_writer_rewind(struct journal_writer *w, const struct journal_pos *pos, struct diag *d);

/* Where the last record ends and what follows it. */
const struct journal_pos *journal_writer_pos(const struct journal_writer *w);

#endif
