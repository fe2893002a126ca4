/*
 * alloc_fault - an allocation of the program fails on demand: every malloc, calloc and realloc goes
 * through here (linker option --wrap).
 *
 * Thread: one.
 */
#ifndef TESTS_SUPPORT_ALLOC_FAULT_H
#define TESTS_SUPPORT_ALLOC_FAULT_H

#include <stdbool.h>

/* The nth allocation from now on fails, and no other; counted from 1. */
void alloc_fault_set(unsigned nth);
/* No more. True if it has failed: false says that there were fewer than nth. */
bool alloc_fault_end(void);

#endif
