/*
 * heap - the memory that the process has for itself, as the kernel counts it, held near a mark.
 *
 * Between pieces in use malloc keeps whole pages of what was freed, and much that an answer takes for a
 * moment stands in nobody's account. So whoever takes memory looks here: above the mark, what is free goes
 * back to the system, and what is above it even then those must give up who hold memory only to be quick.
 *
 * Life:    one for the process; heap_watch begins it. Until then nothing is looked at and nothing is over.
 * Thread:  any. Of several that look at a time, one does.
 * Memory:  none.
 * Errors:  heap_watch: -errno.
 * Cost:    a look some 2 us, one in HEAP_LOOK_MS at most; giving back at most a tenth of the time.
 */
#ifndef STORAGE_HEAP_H
#define STORAGE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HEAP_LOOK_MS = 1,
	/* After a trim, so many times the processor time that it took passes before the next one. */
	HEAP_TRIM_REST = 10,
};

/* From now on; without /proc it is an error, and all else does nothing. 0: no more. */
int heap_watch(size_t mark_bytes);

/*
 * Looks, if it is time to: false if it is not. Above the mark, free memory has gone back; *out_over is by how
 * much the process is above it all the same.
 */
bool heap_look(size_t *out_over);
/* What is free goes back now, because much was freed. */
void heap_trim(void);
/* Whether little is left below the mark, as of the last look. */
bool heap_is_tight(void);

struct heap_use {
	size_t own_bytes; /* private memory in use, as of the last look; files that are mapped apart */
	uint64_t trims; /* how often what is free went back */
	uint64_t overs; /* looks after which the process was above the mark all the same */
};

void heap_use(struct heap_use *out);

#endif
