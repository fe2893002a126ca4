/*
 * journal_dir - the journal files of a store in the order in which they continue each other.
 *
 * A file names the one it continues and where that one ends (layout.h). After a failed write the
 * collector goes on in a new file that continues the last commit, so that files in between may be
 * void: nothing in them was acknowledged. Going back from the newest file sorts this out.
 *
 * Life:   load, use, free. A picture of the moment: files come and go meanwhile.
 * Thread: one at a time. Memory: about 150 bytes a file, at most LIMIT_JOURNAL_FILES.
 */
#ifndef STORAGE_JOURNAL_DIR_H
#define STORAGE_JOURNAL_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/journal_record.h"
#include "storage/vfs.h"

#define JOURNAL_DIR_SPARE "journal/spare"

enum journal_dir_state {
	JOURNAL_DIR_LIVE, /* its records count, up to `end` */
	JOURNAL_DIR_VOID, /* nothing in it was ever acknowledged */
	JOURNAL_DIR_BAD,  /* its header cannot be read */
};

struct journal_dir_file {
	uint64_t seq;
	enum journal_dir_state state;
	struct journal_head head; /* unless bad */
	uint64_t end;             /* of its records; UINT64_MAX: unknown, as for the newest */
};

struct journal_dir {
	struct journal_dir_file *files; /* by rising seq */
	size_t files_count;
	uint64_t seq_max; /* of all names, 0: none */
};

/*
 * A missing directory is an empty one. A bad header is no failure of load: *out tells, and the diag
 * of the first one, or of the first whose copy stands in, goes to `bad` (may be NULL). ERR_TOO_NEW:
 * some file is.
 */
int journal_dir_load(const struct vfs *vfs, int dir, const uint8_t *uuid, struct journal_dir *out,
	struct diag *bad, struct diag *d);
void journal_dir_free(struct journal_dir *j);

/* The next live file after place i, or with i == SIZE_MAX the first; SIZE_MAX: none. */
size_t journal_dir_next(const struct journal_dir *j, size_t i);
/* The live file with this number; SIZE_MAX: none. */
size_t journal_dir_find(const struct journal_dir *j, uint64_t seq);
/* The last live file whose first id is not above `id`, else the first live one; SIZE_MAX: none. */
size_t journal_dir_of_id(const struct journal_dir *j, uint64_t id);

#endif
