/* backup_int - what the files of backup share: one copy under way. */
#ifndef STORAGE_BACKUP_INT_H
#define STORAGE_BACKUP_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/backup.h"
#include "storage/layout.h"
#include "storage/manifest.h"
#include "storage/store.h"

enum { BACKUP_NAME_BYTES = 160 };

struct backup {
	const struct backup_conf *conf;
	const struct vfs *vfs;
	int from; /* DATA */
	int to;
	uint8_t uuid[LAYOUT_UUID_BYTES];
	struct store_reader *reader;
	struct manifest *manifest;     /* of DATA */
	struct store_snapshot *snap;   /* of the same version as `manifest` */
	uint8_t *bytes;                /* BACKUP_COPY_BYTES */
	struct ctl *ctl;               /* of the copy */
	struct ctl_commit journal_end; /* in the copy */
	struct backup_report report;
};

/* The records of deleted events, as `.ids` where they are or were in force. Before and after the rest. */
int backup_files_redact(struct backup *b, struct diag *d);
/* All segments of the snapshot. ERR_STALE: the store went on; take a newer snapshot. */
int backup_files_segments(struct backup *b, struct diag *d);
/* The chunk log; after the journal, so that what is no longer there is here. */
int backup_files_chunks(struct backup *b, struct diag *d);
/* Bytes 0 .. end - 1 of a file of DATA, into a new one of the same name, synced. */
int backup_files_copy(struct backup *b, const char *name, uint64_t end, struct diag *d);
/* fsync of a folder of the copy; "." is the copy itself. */
int backup_files_sync(struct backup *b, const char *name, struct diag *d);

/* The journal files that are there, to the last committed one. ERR_STALE as above. */
int backup_journal_copy(struct backup *b, struct diag *d);

/* Reads the copy as a reader would. ERR_CORRUPT. */
int backup_check_all(struct backup *b, struct diag *d);

#endif
