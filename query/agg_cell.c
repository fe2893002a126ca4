#include "query/agg_int.h"

#include <math.h>
#include <xxhash.h>

#include "proto/base/check.h"

static bool same_keys(const struct expr_field *a, const struct expr_field *b)
{
	if (a->keys_count != b->keys_count)
		return false;
	for (uint32_t i = 0; i < a->keys_count; i++) {
		if (!span_eq(a->keys[i], b->keys[i]))
			return false;
	}
	return true;
}

bool agg_shape_same_field(const struct expr_field *a, const struct expr_field *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == EXPR_FIELD_TEXT)
		return a->text == b->text;
	return a->kind != EXPR_FIELD_META || same_keys(a, b);
}

/* ---------------------------------------------------------------- making */

struct agg_cell agg_cell_of_double(double v)
{
	/* The limits are powers of two, and thus doubles. */
	if (v == floor(v) && v >= -0x1p63 && v < 0x1p63)
		return (struct agg_cell){ .kind = AGG_CELL_INT, .i = (int64_t)v };
	if (v == floor(v) && v >= 0x1p63 && v < 0x1p64)
		return (struct agg_cell){ .kind = AGG_CELL_UINT, .u = (uint64_t)v };
	return (struct agg_cell){ .kind = AGG_CELL_DOUBLE, .f = isnan(v) ? NAN : v };
}

static struct agg_cell of_number(struct expr_number n)
{
	switch (n.kind) {
	case EXPR_NUMBER_INT:
		return (struct agg_cell){ .kind = AGG_CELL_INT, .i = n.i };
	case EXPR_NUMBER_UINT:
		return (struct agg_cell){ .kind = AGG_CELL_UINT, .u = n.u };
	case EXPR_NUMBER_DOUBLE:
		return agg_cell_of_double(n.f);
	case EXPR_NUMBER_NONE:
		break;
	}
	return (struct agg_cell){ .kind = AGG_CELL_NULL };
}

struct agg_cell agg_cell_of_text(struct span text)
{
	if (!text.p)
		return (struct agg_cell){ .kind = AGG_CELL_NULL };
	return (struct agg_cell){ .kind = AGG_CELL_TEXT, .text = text };
}

struct agg_cell agg_cell_of(const struct expr_cell *c)
{
	switch (c->kind) {
	case EXPR_CELL_ABSENT:
	case EXPR_CELL_NULL:
		break;
	case EXPR_CELL_BOOL:
		return (struct agg_cell){ .kind = AGG_CELL_BOOL, .truth = c->truth };
	case EXPR_CELL_NUMBER:
		return of_number(c->number);
	case EXPR_CELL_TEXT:
		return (struct agg_cell){ .kind = AGG_CELL_TEXT, .text = c->text };
	case EXPR_CELL_OTHER:
		return (struct agg_cell){ .kind = AGG_CELL_MSGPACK, .text = c->text };
	}
	return (struct agg_cell){ .kind = AGG_CELL_NULL };
}

struct agg_cell agg_cell_of_int(enum expr_field_kind kind, int64_t v)
{
	if (kind == EXPR_FIELD_SEVERITY)
		return (struct agg_cell){ .kind = AGG_CELL_SEVERITY, .i = v };
	if (kind == EXPR_FIELD_ID)
		return (struct agg_cell){ .kind = AGG_CELL_ID, .u = (uint64_t)v };
	ASSERT(kind == EXPR_FIELD_TIME || kind == EXPR_FIELD_RECEIVED);
	return (struct agg_cell){ .kind = AGG_CELL_TIME, .i = v };
}

/* ---------------------------------------------------------------- comparing */

static bool has_text(const struct agg_cell *c)
{
	return c->kind == AGG_CELL_TEXT || c->kind == AGG_CELL_MSGPACK;
}

static uint64_t bits(const struct agg_cell *c)
{
	return c->kind == AGG_CELL_NULL ? 0 : c->kind == AGG_CELL_BOOL ? c->truth : c->u;
}

/* Multiply, fold, multiply: all bits of the result depend on all of v. */
static uint64_t mix(uint64_t v)
{
	v ^= v >> 32;
	v *= UINT64_C(0xd6e8feb86659fd93);
	v ^= v >> 32;
	v *= UINT64_C(0xd6e8feb86659fd93);
	return v ^ v >> 32;
}

uint64_t agg_cell_hash(const struct agg_cell *c)
{
	if (has_text(c))
		return XXH3_64bits_withSeed(c->text.p, c->text.n, c->kind);
	return mix(bits(c) + c->kind * UINT64_C(0x9e3779b97f4a7c15));
}

bool agg_cell_same(const struct agg_cell *a, const struct agg_cell *b)
{
	if (a->kind != b->kind)
		return false;
	return has_text(a) ? span_eq(a->text, b->text) : bits(a) == bits(b);
}

static bool is_unsigned(const struct agg_cell *c)
{
	return c->kind == AGG_CELL_UINT || c->kind == AGG_CELL_ID;
}

bool agg_cell_is_number(const struct agg_cell *c)
{
	return c->kind == AGG_CELL_INT || c->kind == AGG_CELL_DOUBLE || is_unsigned(c);
}

double agg_cell_double(const struct agg_cell *c)
{
	if (is_unsigned(c))
		return (double)c->u;
	return c->kind == AGG_CELL_DOUBLE ? c->f : (double)c->i;
}

static int rank(const struct agg_cell *c)
{
	return agg_cell_is_number(c) ? AGG_CELL_INT : (int)c->kind;
}

static struct expr_number number_of(const struct agg_cell *c)
{
	if (c->kind == AGG_CELL_INT)
		return (struct expr_number){ .kind = EXPR_NUMBER_INT, .i = c->i };
	if (is_unsigned(c) && c->u > INT64_MAX)
		return (struct expr_number){ .kind = EXPR_NUMBER_UINT, .u = c->u };
	if (is_unsigned(c))
		return (struct expr_number){ .kind = EXPR_NUMBER_INT, .i = (int64_t)c->u };
	return (struct expr_number){ .kind = EXPR_NUMBER_DOUBLE, .f = c->f };
}

/* What is no number stands last. */
static int compare_numbers(const struct agg_cell *a, const struct agg_cell *b)
{
	bool no_a = a->kind == AGG_CELL_DOUBLE && isnan(a->f);
	bool no_b = b->kind == AGG_CELL_DOUBLE && isnan(b->f);

	if (no_a || no_b)
		return no_a - no_b;
	return expr_number_cmp(number_of(a), number_of(b));
}

int agg_cell_cmp(const struct agg_cell *a, const struct agg_cell *b)
{
	if (rank(a) != rank(b))
		return rank(a) < rank(b) ? -1 : 1;
	if (agg_cell_is_number(a))
		return compare_numbers(a, b);
	if (has_text(a))
		return span_cmp(a->text, b->text);
	if (a->kind == AGG_CELL_BOOL)
		return a->truth - b->truth;
	return a->kind == AGG_CELL_NULL ? 0 : (a->i > b->i) - (a->i < b->i);
}
