/*
 * span - bytes somebody else owns: a pointer and a length, passed by value.
 *
 * A span with p == NULL is absent; one with p != NULL and n == 0 is present and empty. The bytes
 * are not terminated by NUL and may hold any value. A span lives as long as the memory it points
 * into; the function that hands one out says how long that is.
 */
#ifndef PROTO_BASE_SPAN_H
#define PROTO_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const uint8_t *p;
	size_t n;
};

#define SPAN_NONE ((struct span){ NULL, 0 })
/* A string literal as a span. */
#define SPAN_LIT(s) ((struct span){ (const uint8_t *)(s), sizeof(s) - 1 })

static inline struct span span_of(const void *p, size_t n)
{
	return (struct span){ p, n };
}

static inline struct span span_str(const char *s)
{
	return (struct span){ (const uint8_t *)s, s ? strlen(s) : 0 };
}

/* One past the last byte; of an absent span NULL, to which C adds not even 0. */
static inline const uint8_t *span_end(struct span s)
{
	return s.n ? s.p + s.n : s.p;
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* As memcmp; the shorter of two with a common prefix is the smaller. */
static inline int span_cmp(struct span a, struct span b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

#endif
