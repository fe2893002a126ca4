/* Values of the metadata as cells of the query language. */
#include "storage/scan_int.h"

static struct expr_number double_number(double f)
{
	return (struct expr_number){ .kind = EXPR_NUMBER_DOUBLE, .f = f };
}

void scan_meta_cell(const struct col_map_cell *x, const struct buf *bytes, struct expr_cell *out)
{
	*out = (struct expr_cell){ .kind = EXPR_CELL_NUMBER };
	switch (x->type) {
	case COL_MAP_NULL:
		out->kind = EXPR_CELL_NULL;
		break;
	case COL_MAP_FALSE:
	case COL_MAP_TRUE:
		out->kind = EXPR_CELL_BOOL;
		out->truth = x->type == COL_MAP_TRUE;
		break;
	case COL_MAP_INT:
		out->number = (struct expr_number){ .kind = EXPR_NUMBER_INT, .i = x->i };
		break;
	case COL_MAP_DECIMAL:
		out->number = double_number(col_map_decimal(x));
		break;
	case COL_MAP_DOUBLE:
		out->number = double_number(x->f);
		break;
	case COL_MAP_STR:
		out->kind = EXPR_CELL_TEXT;
		out->text = span_of(bytes->p + x->off, x->bytes);
		break;
	default:
		expr_cell_of_msgpack(span_of(bytes->p + x->off, x->bytes), out);
		break;
	}
}
