/*
 * progress - a line on standard error that says how far long work has come, for a person who waits:
 * shown only where standard error is a terminal and standard output is not, and not with --quiet.
 *
 * Thread: one. Memory: none. Errors: none.
 */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on;
	bool drawn;
	int64_t begun_ns;
	int64_t next_ns; /* when the line is drawn again */
};

void progress_init(struct progress *p, bool wanted);
/* total 0: not known. Cheap between two draws. */
void progress_tell(struct progress *p, uint64_t events, uint64_t total, uint64_t bytes);
/* Takes the line away, before anything else is said. */
void progress_end(struct progress *p);

#endif
