/*
 * huge_heap - the heap of a program that runs for milliseconds, in huge pages.
 *
 * Such a program takes each page of memory for the first time, and in a virtual machine a first touch
 * costs 1 to 15 us: more than what is then done with 4 KiB. The next HUGE_HEAP_BYTES of the heap are
 * asked for in pages of 2 MiB, of which only those that are touched are taken. Where the kernel has
 * none to give, all is as before.
 *
 * Thread:  before there are others.
 * Errors:  none; it is a matter of speed.
 */
#ifndef TOOLS_HUGE_HEAP_H
#define TOOLS_HUGE_HEAP_H

enum { HUGE_HEAP_BYTES = 16 << 20 };

/* Memory that is taken from now on; large pieces that malloc maps alone stay as they are. */
void huge_heap_begin(void);

#endif
