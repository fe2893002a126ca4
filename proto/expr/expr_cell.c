#include "proto/expr/expr.h"

#include "proto/base/check.h"
#include "proto/wire/walk.h"

static struct expr_number number_uint(uint64_t u)
{
	if (u > INT64_MAX)
		return (struct expr_number){ .kind = EXPR_NUMBER_UINT, .u = u };
	return (struct expr_number){ .kind = EXPR_NUMBER_INT, .i = (int64_t)u };
}

static void cell_number(struct expr_cell *out, struct expr_number n)
{
	*out = (struct expr_cell){ .kind = EXPR_CELL_NUMBER, .number = n };
}

static void cell_int(struct expr_cell *out, int64_t i)
{
	cell_number(out, (struct expr_number){ .kind = EXPR_NUMBER_INT, .i = i });
}

void expr_cell_of_msgpack(struct span value, struct expr_cell *out)
{
	struct rcur c = rcur_of(value.p, value.n);
	struct walk_value v;

	*out = (struct expr_cell){ .kind = EXPR_CELL_ABSENT };
	if (walk_read(&c, &v) < 0)
		return;
	switch (v.type) {
	case WALK_NIL:
		out->kind = EXPR_CELL_NULL;
		break;
	case WALK_BOOL:
		*out = (struct expr_cell){ .kind = EXPR_CELL_BOOL, .truth = v.b };
		break;
	case WALK_UINT:
		cell_number(out, number_uint(v.u));
		break;
	case WALK_INT:
		cell_int(out, v.i);
		break;
	case WALK_FLOAT:
		cell_number(out, (struct expr_number){ .kind = EXPR_NUMBER_DOUBLE, .f = v.f });
		break;
	case WALK_STR:
		*out = (struct expr_cell){ .kind = EXPR_CELL_TEXT, .text = v.data };
		break;
	case WALK_BIN:
	case WALK_EXT:
	case WALK_ARRAY:
	case WALK_MAP:
		*out = (struct expr_cell){ .kind = EXPR_CELL_OTHER, .text = value };
		break;
	}
}

/* The last value at the path in the map at the cursor; no deeper than paths are long. */
static void find(struct rcur *c, const struct span *keys, uint32_t count, struct span *found)
{
	struct walk_value map, key;

	ASSERT(count > 0);
	if (walk_read(c, &map) < 0 || map.type != WALK_MAP)
		return;
	for (uint32_t i = 0; i < map.count; i++) {
		struct span value;

		if (walk_read(c, &key) < 0)
			return;
		/* A key that is no text is passed over with all that is in it. */
		if (key.type == WALK_ARRAY || key.type == WALK_MAP)
			return;
		if (walk_take(c, &value) < 0)
			return;
		if (!walk_is_text(&key) || !span_eq(key.data, keys[0]))
			continue;
		if (count == 1) {
			*found = value;
		} else {
			struct rcur inner = rcur_of(value.p, value.n);

			find(&inner, keys + 1, count - 1, found);
		}
	}
}

void expr_cell_of(const struct expr_field *f, const struct event *ev, struct expr_cell *out)
{
	struct rcur c = rcur_of(ev->metadata.p, ev->metadata.n);
	struct span found = SPAN_NONE;

	switch (f->kind) {
	case EXPR_FIELD_TEXT:
		*out = (struct expr_cell){ .kind = ev->text[f->text].p ? EXPR_CELL_TEXT
								       : EXPR_CELL_ABSENT,
			.text = ev->text[f->text] };
		return;
	case EXPR_FIELD_SEVERITY:
		cell_int(out, ev->severity);
		return;
	case EXPR_FIELD_ID:
		cell_number(out, number_uint(ev->id));
		return;
	case EXPR_FIELD_TIME:
		cell_int(out, ev->time_ns);
		return;
	case EXPR_FIELD_RECEIVED:
		cell_int(out, ev->received_ns);
		return;
	case EXPR_FIELD_META:
		break;
	}
	find(&c, f->keys, f->keys_count, &found);
	expr_cell_of_msgpack(found, out);
}
