/* expr_int - what the files of the folder share: new nodes, their memory, order of values and trees. */
#ifndef PROTO_EXPR_EXPR_INT_H
#define PROTO_EXPR_EXPR_INT_H

#include "proto/expr/expr.h"

/* Freed with the builder. */
struct expr_owned {
	struct expr_owned *next;
	struct needle needle;
	struct expr_regex *regex;
};

/* Keeps the first error; returns NULL, for functions that end so. */
void *expr_fail(struct expr_builder *b, int code);
/* count * size bytes of the builder's arena, cleared. NULL: builder->err. */
void *expr_alloc(struct expr_builder *b, size_t count, size_t size);
int expr_copy_text(struct expr_builder *b, struct span text, struct span *out);
/* Counted against LIMIT_EXPR_NODES unless it is a part of a normal form. NULL: builder->err. */
struct expr *expr_node(struct expr_builder *b, enum expr_kind kind);
struct expr *expr_node_normal(struct expr_builder *b, enum expr_kind kind);
/* AND or OR of two or more; the array becomes the node's. */
const struct expr *expr_join(
	struct expr_builder *b, struct expr *node, const struct expr *const *args, uint32_t count);

/* ---- expr_value ---- */

/* Total order of values: by text, a bare one first. */
int expr_value_cmp(const struct expr_value *a, const struct expr_value *b);
/* Sorts, keeps each text once (a bare one before a quoted one); the new count. */
uint32_t expr_value_tidy(struct expr_value *values, uint32_t count);
/* The value as compared with text fields, or as bare where that makes no difference. */
struct expr_value expr_value_plain(struct expr_value v, enum expr_field_kind kind);
/* Values and texts of an IN test; `values` are tidy and become the node's. */
bool expr_value_set(
	struct expr_builder *b, struct expr *test, struct expr_value *values, uint32_t count);

/* ---- expr_range ---- */

/* Sorts and joins those that touch; the new count. */
uint32_t expr_range_tidy(struct expr_range *r, uint32_t count);
/* What the ranges leave out, of tidy ones; room for count + 1. */
uint32_t expr_range_invert(const struct expr_range *r, uint32_t count, struct expr_range *out);
/* What is in both, of tidy ones; room for the sum of counts. */
uint32_t expr_range_intersect(const struct expr_range *a, uint32_t a_count,
	const struct expr_range *b, uint32_t b_count, struct expr_range *out);

/* ---- expr_field ---- */

int expr_field_cmp(const struct expr_field *a, const struct expr_field *b);

#endif
