/*
 * verify - checks a whole store and names what is damaged: file, offset, block, column, and what
 * does not hold.
 *
 * Checked: format; ctl; the chain of manifest records; each listed segment: there, of its size and
 *          sum, every page's checksum and content, row counts, ids rising and unique over the store,
 *          bounds and counts of footer and manifest; all sidecars against their segment; every
 *          journal record, and that ids go on without a gap from segments to journal; the chunk log.
 * Live:    needs no lock and changes nothing. What a daemon replaces meanwhile is looked up again.
 * Thread:  one.
 * Memory:  one block; the ids seen, a bit each where they are not dense (storage/idset.h).
 * Errors:  what is damaged is a finding, not an error: the return is negative only when nothing could
 *          be checked (no such directory, not a store, no memory).
 */
#ifndef STORAGE_VERIFY_H
#define STORAGE_VERIFY_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/vfs.h"

enum verify_grade {
	VERIFY_NOTE,   /* worth knowing; nothing is lost */
	VERIFY_DAMAGE, /* something cannot be read, or is not what it should be */
	VERIFY_GRADE_COUNT,
};

struct verify_finding {
	enum verify_grade grade;
	int64_t block;      /* of a segment; -1: not about one block */
	const char *column; /* NULL: not about one column */
	struct diag diag;   /* file, offset (-1: none), code, text */
};

struct verify_conf {
	const struct vfs *vfs; /* NULL: the real one */
	const char *dir;       /* DATA */
	void (*found)(void *arg, const struct verify_finding *f);
	/* Now and then; bytes of segments and journal. May be NULL. */
	void (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
	void *arg;
	const volatile sig_atomic_t *stop; /* set: ends with ERR_CANCELED; NULL: never */
};

struct verify_report {
	uint64_t segments;
	uint64_t blocks;
	uint64_t pages;
	uint64_t rows;
	uint64_t sidecars;
	uint64_t journal_files;
	uint64_t journal_records;
	uint64_t journal_rows; /* not sealed */
	uint64_t chunk_ids;    /* of journal files that are gone */
	uint64_t bytes;
	uint64_t id_last;     /* newest id seen */
	uint64_t ids_missing; /* below it: retired, or lost */
	uint64_t ids_deleted; /* below it, on record as deleted and not here any more */
	uint64_t findings[VERIFY_GRADE_COUNT];
};

int verify_run(const struct verify_conf *conf, struct verify_report *out, struct diag *d);

/* "damage seg/.../13.default.1-9.0.seg block 3 column timestamp at byte 812: ...": one line. */
const char *verify_format(const struct verify_finding *f, char *dst, unsigned cap);

#endif
