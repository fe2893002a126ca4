/*
 * check - assertions that stay on in a release, and tags for objects behind a void pointer.
 *
 * An assertion states what our own code guarantees; bytes from disk or network are never asserted
 * on. A failed one prints the place and aborts: the data on disk is safe by design at any moment.
 */
#ifndef PROTO_BASE_CHECK_H
#define PROTO_BASE_CHECK_H

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define ASSERT(cond)                                             \
	do {                                                     \
		if (__builtin_expect(!(cond), 0))                \
			check_failed(#cond, __FILE__, __LINE__); \
	} while (0)

/* For checks that cost more than a few instructions; compiled in with -DASTRO_SLOW_CHECKS. */
#ifdef ASTRO_SLOW_CHECKS
#define ASSERT_SLOW(cond) ASSERT(cond)
#else
#define ASSERT_SLOW(cond) ((void)sizeof(cond))
#endif

#define UNREACHABLE() check_failed("unreachable", __FILE__, __LINE__)

/* First member of an object that travels through a void pointer: CHECK_TAG on arrival, 0 at free. */
#define CHECK_TAG(obj, want) ASSERT((obj)->tag == (want))

_Noreturn static inline void check_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
	abort();
}

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif
