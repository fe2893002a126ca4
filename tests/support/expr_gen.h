/*
 * expr_gen - random trees over the fields of given events, and random metadata that they ask for: values
 * that are there, near ones, and what nobody has; numbers in each form, nested maps, maps where another
 * row has none.
 */
#ifndef TESTS_SUPPORT_EXPR_GEN_H
#define TESTS_SUPPORT_EXPR_GEN_H

#include "proto/base/buf.h"
#include "proto/expr/expr.h"
#include "tests/support/event_gen.h"

struct expr_gen {
	struct event_gen *dice;
	const struct event *events; /* whose values are asked for */
	size_t events_count;
};

/* Appends a map of metadata. */
void expr_gen_metadata(struct event_gen *dice, struct buf *out);
/* Any field; a path belongs to the builder. */
struct expr_field expr_gen_field(const struct expr_gen *g, struct expr_builder *b);
/* A tree of at most so many levels, not normal; it belongs to the builder. */
const struct expr *expr_gen_tree(const struct expr_gen *g, struct expr_builder *b, unsigned levels);

#endif
