/*
 * footprint - the memory that the process has for itself, as the kernel counts it, held near a mark.
 *
 * Between pieces in use malloc keeps whole pages of what was freed, and much that an answer takes for a
 * moment stands in nobody's account. So whoever takes memory looks here: above the mark, what is free goes
 * back to the system, and what is above it even then those must give up who hold memory only to be quick.
 *
 * Life:    one for the process; footprint_watch begins it. Until then nothing is looked at and nothing is over.
 * Thread:  any. Of several that look at a time, one does.
 * Memory:  none.
 * Errors:  footprint_watch: -errno.
 * Cost:    a look some 2 us, one in FOOTPRINT_LOOK_MS at most; giving back at most a sixth of the time.
 */
#ifndef STORAGE_FOOTPRINT_H
#define STORAGE_FOOTPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FOOTPRINT_LOOK_MS = 1,
	/* After a trim, so many times the processor time that it took passes before the next one. */
	FOOTPRINT_TRIM_REST = 5,
};

/* From now on; without /proc it is an error, and all else does nothing. 0: no more. */
int footprint_watch(size_t mark_bytes);

/*
 * Looks, if it is time to: false if it is not. Above the mark, free memory goes back, unless it did a moment
 * ago; *out_over is by how much the process is above it all the same.
 */
bool footprint_look(size_t *out_over);
/* So much was freed because of that; until free memory goes back next, the kernel counts it still. */
void footprint_gave(size_t bytes);
/* Whether little is left below the mark, as of the last look. */
bool footprint_is_tight(void);

struct footprint_use {
	size_t own_bytes; /* private memory in use, as of the last look; files that are mapped apart */
	uint64_t trims; /* how often what is free went back */
	uint64_t overs; /* looks after which the process was above the mark all the same */
};

void footprint_use(struct footprint_use *out);

#endif
