#include "tools/huge_heap.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	HUGE_BYTES = 2 << 20,
	/* More than the heap has left at a start, less than malloc maps alone. */
	GROW_BYTES = 120 << 10,
	ROOM_BYTES = GROW_BYTES + (8 << 10),
	KEEP_BYTES = 64 << 20,
};

void huge_heap_begin(void)
{
	size_t gap = -((uintptr_t)sbrk(0) + ROOM_BYTES) % HUGE_BYTES;
	uint8_t *from, *end;
	void *volatile grown; /* or the compiler sees that nobody needs it */

	/*
	 * Malloc goes on behind what others took of the break. What it writes to now lies before the
	 * first huge page: one that has been touched stays small.
	 */
	from = sbrk((intptr_t)gap);
	if (from == (void *)-1)
		return;
	from += gap + ROOM_BYTES;
	mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
	mallopt(M_TOP_PAD, HUGE_HEAP_BYTES + ROOM_BYTES);
	grown = malloc(GROW_BYTES);
	free(grown);
	end = sbrk(0);
	if (end > from)
		madvise(from, (size_t)(end - from), MADV_HUGEPAGE);
}
