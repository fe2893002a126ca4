/*
 * dump - walks any file of a store section by section, damaged ones too: what is where, whether its
 * checksum holds, and what it says.
 *
 * A section that does not hold is told as such, and the walk goes on wherever it still knows how.
 *
 * Thread: one. Memory: a mapping of the file, or one record or block of it.
 * Errors: damage is told to the callback (code != 0), not returned; negative: the file could not be
 *         read at all, or is not one of ours (ERR_UNKNOWN), or the callback said so.
 */
#ifndef STORAGE_DUMP_H
#define STORAGE_DUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/wire/event.h"
#include "storage/vfs.h"

enum dump_kind {
	DUMP_FORMAT,
	DUMP_CTL,
	DUMP_JOURNAL,
	DUMP_MANIFEST,
	DUMP_SEGMENT,
	DUMP_SIDX_TYPE,
	DUMP_SIDX_ENTITY,
	DUMP_SIDX_WORD,
	DUMP_SIDX_CUBE,
	DUMP_REDACT,
	DUMP_SCRUB,
	DUMP_CHUNKS,
	DUMP_KIND_COUNT,
};

/* "format", "ctl", "journal" ...: static text. */
const char *dump_kind_name(enum dump_kind kind);

struct dump_section {
	const char *name; /* "header", "record", "page", "footer", "directory" ... */
	uint64_t off;
	uint64_t bytes;
	int64_t block;      /* segment pages and blocks: its number; else -1 */
	const char *column; /* segment pages: its name; else NULL */
	int code;           /* 0: it holds */
	const char *why;    /* with a code */
	const char *text;   /* its fields, "key=value key=value"; may be "" */
};

struct dump_walker {
	/* A negative return ends the walk. */
	int (*section)(void *arg, const struct dump_section *s);
	/* Each event of a segment or journal that can be read; NULL: rows are not asked for. */
	int (*row)(void *arg, const struct event *ev);
	void *arg;
	bool pages; /* one section per page of a segment, not only per block */
};

struct dump_result {
	enum dump_kind kind;
	uint64_t sections;
	uint64_t damaged;
	uint64_t rows;
};

/* dir and name as for vfs->open; the kind is found from the file's own bytes, else from its name. */
int dump_walk(const struct vfs *vfs, int dir, const char *name, const struct dump_walker *walker,
	struct dump_result *out, struct diag *d);

#endif
