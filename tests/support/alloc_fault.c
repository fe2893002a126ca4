#include "tests/support/alloc_fault.h"

#include <stddef.h>

static unsigned fail_in; /* the so-many-th from now; 0: none */

static bool fails(void)
{
	return fail_in > 0 && --fail_in == 0;
}

void alloc_fault_set(unsigned nth)
{
	fail_in = nth;
}

bool alloc_fault_end(void)
{
	bool failed = fail_in == 0;

	fail_in = 0;
	return failed;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t m);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t m);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t m)
{
	return fails() ? NULL : __real_calloc(n, m);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}
