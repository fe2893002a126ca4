/*
 * retain_match - the rules of retention classes (grammar: retain_class.h), compiled: tests on fields
 * of an event with a place to go on at when one holds, and another when it does not.
 *
 * Short-circuit evaluation without a tree: while an expression is read, its open exits are chained
 * through the very places that will hold their targets, and patched once the target is known.
 *
 * Life:    a zeroed program is empty; compile and patch in turn; run; fini.
 * Thread:  run is free for all once the last patch is done.
 * Memory:  grows in compile, to LIMIT_CLASS_TESTS tests and as many values. run: none.
 */
#ifndef STORAGE_RETAIN_MATCH_H
#define STORAGE_RETAIN_MATCH_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/wire/event.h"

/* A test: a severity out of a set, or a text that equals one of some values. */
struct retain_match_test {
	uint8_t field;         /* enum event_text; EVENT_TEXT_COUNT: the severity */
	uint8_t severity_mask; /* bit: enum event_severity */
	uint32_t first;        /* of its values */
	uint32_t count;
	int32_t next[2]; /* where it goes on: [1] if the test holds, else [0] */
};

struct retain_match_value {
	uint8_t *p; /* of its own */
	size_t n;
};

struct retain_match_program {
	struct retain_match_test *tests;
	size_t tests_count;
	struct retain_match_value *values;
	size_t values_count;
};

/* One expression of a program: its first test, and its open exits when it holds and when not. */
struct retain_match_part {
	int32_t first;
	int32_t exits[2]; /* [1] if it holds, else [0] */
};

/*
 * Appends the expression. ERR_SYNTAX, ERR_UNKNOWN, ERR_LIMIT, ERR_DEPTH, -ENOMEM: the diag says
 * "column N: expected ...".
 */
int retain_match_compile(struct retain_match_program *p, const char *text,
	struct retain_match_part *out, struct diag *d);
/* All exits of a chain lead to `target`: a test, or anything negative. */
void retain_match_patch(struct retain_match_program *p, int32_t chain, int32_t target);
void retain_match_fini(struct retain_match_program *p);

/* The negative target that the event arrives at from test `at` on. */
int32_t retain_match_run(const struct retain_match_program *p, int32_t at, const struct event *ev);

#endif
