/*
 * cursor_file - a place in the order of arrival, in a file: for exports from cron that neither miss an
 * event nor repeat one.
 *
 * The text is "i=ID": every event up to that id was put out. It is written after the output is on its
 * way to the reader (on disk, if it is a file), into a new file that takes the old one's name: a run that
 * is killed in between leaves the place of the run before, and the next run repeats what lay between.
 *
 * Life:    open (locks; another run with the same file is refused), write..., close.
 * Thread:  one.
 * Errors:  ERR_LOCKED, ERR_SYNTAX, negative errno; with a diag that names the file.
 */
#ifndef TOOLS_CURSOR_FILE_H
#define TOOLS_CURSOR_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/base/span.h"

enum { CURSOR_FILE_TEXT_BYTES = 32 };

struct cursor_file {
	const char *path; /* NULL: not open */
	int fd;           /* the lock */
	uint64_t id;      /* what the file says */
	bool found;       /* it says something */
};

/* "i=4711" and back. */
int cursor_file_parse(struct span text, uint64_t *out_id, struct diag *d);
void cursor_file_print(uint64_t id, char dst[CURSOR_FILE_TEXT_BYTES]);

/* path lives as long as c. A file that is not there, or empty, says nothing. */
int cursor_file_open(const char *path, struct cursor_file *c, struct diag *d);
/* Nothing is done where the file says so already. */
int cursor_file_write(struct cursor_file *c, uint64_t id, struct diag *d);
void cursor_file_close(struct cursor_file *c);

#endif
