#include "proto/expr/expr.h"

#include "proto/base/check.h"

static bool test_holds(const struct expr *t, const struct event *ev, struct expr_scratch *s)
{
	struct expr_cell cell;

	if (t->field.kind == EXPR_FIELD_TEXT)
		return expr_test_text(t, ev->text[t->field.text], s);
	expr_cell_of(&t->field, ev, &cell);
	return expr_test_cell(t, &cell, s);
}

bool expr_match(const struct expr *x, const struct event *ev, struct expr_scratch *s)
{
	switch (x->kind) {
	case EXPR_TRUE:
		return true;
	case EXPR_FALSE:
		return false;
	case EXPR_TEST:
		return test_holds(x, ev, s) != x->negate;
	case EXPR_NOT:
		return !expr_match(x->args[0], ev, s);
	case EXPR_AND:
	case EXPR_OR:
		for (uint32_t i = 0; i < x->args_count; i++) {
			if (expr_match(x->args[i], ev, s) == (x->kind == EXPR_OR))
				return x->kind == EXPR_OR;
		}
		return x->kind == EXPR_AND;
	}
	UNREACHABLE();
}
