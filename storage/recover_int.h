/* recover_int - the two large steps of recover, each in its own file. */
#ifndef STORAGE_RECOVER_INT_H
#define STORAGE_RECOVER_INT_H

#include "storage/manifest.h"
#include "storage/recover.h"

/* The first damage is the one that is reported. */
void recover_note(struct recover *r, const struct diag *why);

/* Adds an id to r->chunks; for chunk_log.h. Returns 0. */
int recover_add_chunk(void *arg, struct store_chunk c);

/* Fills end, head, begin, seq_max, files_count, chunks and the report. */
int recover_journal(struct recover *r, struct diag *d);
/* Under the manifest lock: files in seg/ that are not listed, and listed ones that are not there. */
int recover_segments(struct recover *r, const struct manifest *m, struct diag *d);

#endif
