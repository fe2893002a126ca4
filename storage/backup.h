/*
 * backup - a consistent copy of a store while its daemons run: segments, their sidecars and the records
 * of deleted events by hard links, the committed part of the journal copied, the manifest written
 * anew, `format` last.
 *
 * What stands in the copy is what a reader saw at one moment. No file that is ever changed in place is
 * linked (ctl, journal files), so that store and copy go their own ways from then on. The copy is a
 * store: a reader opens it, a collector goes on in it; and it is copied back the same way.
 *
 * Life:    run, once. Killed or failed half-way it leaves a directory with `format.partial` in place of
 *          `format`, which nobody takes for a store.
 * Durable: when run returned 0, all of it.
 * Thread:  one; stop may be set by a signal handler.
 * Locks:   none. What sealing, merging or retention take away meanwhile is met by beginning again with
 *          a newer view; what was linked already stays linked.
 * Memory:  a copy of the list of segments; BACKUP_COPY_BYTES.
 * Errors:  -EXDEV: another file system, where links are impossible: ask for `copy`. -EEXIST: the
 *          directory is not empty. ERR_CANCELED: stop was set. ERR_CORRUPT: the copy does not read as
 *          it should.
 */
#ifndef STORAGE_BACKUP_H
#define STORAGE_BACKUP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/vfs.h"

enum { BACKUP_COPY_BYTES = 256 << 10 };

struct backup_conf {
	const struct vfs *vfs;             /* NULL: the real one */
	const char *dir;                   /* DATA */
	const char *to;                    /* a directory that is empty, or not there yet */
	bool copy;                         /* bytes, no links */
	const volatile sig_atomic_t *stop; /* NULL: never */
};

struct backup_report {
	uint64_t segments;
	uint64_t rows;    /* in them */
	uint64_t missing; /* listed segments that are not there; they are not in the copy either */
	uint64_t linked_files; /* or copied, if asked */
	uint64_t linked_bytes;
	uint64_t journal_files;
	uint64_t copied_bytes; /* of the journal */
	uint64_t sealed;
	uint64_t committed; /* the last id in the copy */
	unsigned tries;     /* views of the store that were begun with */
};

int backup_run(const struct backup_conf *conf, struct backup_report *out, struct diag *d);

#endif
