#include "query/fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/expr/expr_parse.h"
#include "proto/wire/json_out.h"
#include "query/agg_int.h"
#include "query/engine_int.h"
#include "storage/scan_fields.h"

enum {
	NAME_BYTES = LIMIT_EVENT_BYTES,
	RESULT_BYTES = 16 << 20,
	NAMES_BYTES = 8 << 20,
};

struct listing {
	struct agg_dict names; /* of what was found; events and kinds by number */
	uint64_t events[LIMIT_QUERY_FIELDS];
	unsigned kinds[LIMIT_QUERY_FIELDS];
	size_t held;
	bool more;
	struct buf name;
};

static int add(struct listing *l, unsigned kinds, uint64_t events)
{
	struct agg_cell c = agg_cell_of_text(buf_span(&l->name));
	uint64_t hash = agg_dict_hash(&l->names, &c);
	uint32_t id = 0;
	size_t room = l->names.count < LIMIT_QUERY_FIELDS ? NAMES_BYTES : 0;
	int rc = agg_dict_id(&l->names, &c, hash, room, &l->held, &id);

	l->more |= rc == AGG_FULL;
	if (rc != 0)
		return rc < 0 ? rc : 0;
	l->kinds[id] |= kinds;
	l->events[id] += events;
	return 0;
}

static int on_field(void *arg, const struct scan_fields_one *one)
{
	struct listing *l = arg;

	buf_reset(&l->name);
	expr_print_field(&one->field, &l->name);
	return l->name.err ? l->name.err : add(l, one->kinds, one->rows);
}

/* What every event has, and then what it may have at its top. */
static int add_given(struct listing *l)
{
	static const enum expr_field_kind given[] = { EXPR_FIELD_ID, EXPR_FIELD_TIME,
		EXPR_FIELD_RECEIVED, EXPR_FIELD_SEVERITY };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_COUNT(given) && rc == 0; i++) {
		struct expr_field f = expr_field_of(given[i]);

		buf_reset(&l->name);
		expr_print_field(&f, &l->name);
		rc = add(l,
			1u << (given[i] == EXPR_FIELD_SEVERITY ? EXPR_CELL_TEXT : EXPR_CELL_NUMBER),
			0);
	}
	for (int i = 0; i < EVENT_TEXT_COUNT && rc == 0; i++) {
		struct expr_field f = expr_field_text((enum event_text)i);

		buf_reset(&l->name);
		expr_print_field(&f, &l->name);
		rc = add(l, 1u << EXPR_CELL_TEXT, 0);
	}
	return rc;
}

/* ---------------------------------------------------------------- units */

static const struct scan_unit *unit_of(const struct agg_source *s, size_t i)
{
	return scan_unit(s->scans[s->units[i].scan], s->units[i].unit);
}

static int compare_newest(const void *x, const void *y, void *arg)
{
	const struct agg_source *s = arg;
	const struct agg_place *a = x, *b = y;
	int64_t t = scan_unit(s->scans[a->scan], a->unit)->time_max_ns;
	int64_t u = scan_unit(s->scans[b->scan], b->unit)->time_max_ns;

	return (t < u) - (t > u);
}

static int look(struct engine *e, struct agg_source *s, const struct engine_request *filter,
	struct listing *l, struct fields_result *out)
{
	int64_t end_ns =
		clock_mono_ns() + (filter->budget_ns > 0 ? filter->budget_ns : INT64_MAX / 2);
	int rc = 0;

	qsort_r(s->units, s->units_count, sizeof s->units[0], compare_newest, s);
	for (size_t i = 0; i < s->units_count; i++)
		out->total += unit_of(s, i)->rows_count;
	for (size_t i = 0; i < s->units_count && i < LIMIT_QUERY_FIELD_UNITS; i++) {
		struct diag own = { .code = 0 };

		if (atomic_load(engine_cancel_flag(e)))
			out->partial = ENGINE_PARTIAL_CANCELED;
		else if (clock_mono_ns() > end_ns)
			out->partial = ENGINE_PARTIAL_TIME;
		if (out->partial != ENGINE_WHOLE)
			break;
		rc = scan_fields(s->scans[s->units[i].scan], s->units[i].unit, engine_scratch(e, 0),
			on_field, l, &out->stats, &own);
		if (rc == -ENOMEM)
			break;
		/* A unit that cannot be read has no fields, and the others answer. */
		if (rc < 0 && out->stats.damaged_units++ == 0)
			out->stats.damage = own;
		else if (rc == 0)
			out->events += unit_of(s, i)->rows_count;
		rc = 0;
	}
	scan_scratch_rest(engine_scratch(e, 0));
	if (out->partial == ENGINE_WHOLE && out->stats.damaged_units)
		out->partial = ENGINE_PARTIAL_DAMAGE;
	return rc;
}

/* ---------------------------------------------------------------- the result */

static int compare_fields(const void *x, const void *y)
{
	const struct fields_one *a = x, *b = y;

	if (a->events != b->events)
		return a->events < b->events ? 1 : -1;
	return span_cmp(a->name, b->name);
}

static int put_result(const struct listing *l, size_t given, struct fields_result *out)
{
	out->count = l->names.count;
	out->more = l->more;
	out->fields = arena_calloc(&out->arena, out->count + 1, sizeof out->fields[0]);
	if (!out->fields)
		return -ENOMEM;
	for (size_t i = 0; i < out->count; i++) {
		struct span name = l->names.cells[i].text;

		out->fields[i] =
			(struct fields_one){ .kinds = l->kinds[i], .events = l->events[i] };
		out->fields[i].name = span_of(arena_dup(&out->arena, name.p, name.n), name.n);
		if (!out->fields[i].name.p)
			return -ENOMEM;
	}
	for (size_t i = 0; i < given - EVENT_TEXT_COUNT; i++)
		out->fields[i].events = out->events;
	qsort(out->fields + given, out->count - given, sizeof out->fields[0], compare_fields);
	return 0;
}

static int list(struct engine *e, struct agg_source *s, const struct engine_request *filter,
	struct listing *l, struct fields_result *out)
{
	size_t given;
	int rc = add_given(l);

	given = l->names.count;
	if (rc == 0)
		rc = look(e, s, filter, l, out);
	return rc < 0 ? rc : put_result(l, given, out);
}

int fields_run(struct engine *e, struct store_snapshot *snap, const struct engine_request *filter,
	struct fields_result *out, struct diag *d)
{
	struct agg_source s = { .scans_count = 0 };
	struct listing *l = calloc(1, sizeof *l);
	int rc;

	*out = (struct fields_result){ .count = 0 };
	if (!l)
		return diag_set(d, -ENOMEM, "", -1, "listing fields");
	arena_init(&out->arena, RESULT_BYTES);
	agg_dict_init(&l->names, (struct agg_dict_hint){ 0 });
	buf_init(&l->name, NAME_BYTES);
	rc = agg_source_add(&s, snap, filter, filter->from_ns, filter->to_ns, NULL, d);
	if (rc == 0) {
		out->stats = s.stats;
		rc = list(e, &s, filter, l, out);
		if (rc < 0)
			diag_set(d, rc, "", -1, "listing fields");
	}
	agg_source_fini(&s);
	agg_dict_fini(&l->names);
	buf_fini(&l->name);
	free(l);
	if (rc < 0)
		fields_result_fini(out);
	return rc;
}

void fields_result_fini(struct fields_result *out)
{
	arena_fini(&out->arena);
	out->fields = NULL;
	out->count = 0;
}

/* ---------------------------------------------------------------- as JSON */

static void put_kinds(unsigned kinds, struct buf *out)
{
	static const struct {
		enum expr_cell_kind kind;
		const char *name;
	} names[] = { { EXPR_CELL_TEXT, "text" }, { EXPR_CELL_NUMBER, "number" },
		{ EXPR_CELL_BOOL, "bool" }, { EXPR_CELL_NULL, "null" },
		{ EXPR_CELL_OTHER, "other" } };
	bool first = true;

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		if (!(kinds >> names[i].kind & 1))
			continue;
		buf_printf(out, first ? "\"%s\"" : ",\"%s\"", names[i].name);
		first = false;
	}
}

int fields_put(const struct fields_result *r, struct buf *out)
{
	const char *partial = engine_partial_name(r->partial);

	buf_put_str(out, "{\"status\":\"success\",\"fields\":[");
	for (size_t i = 0; i < r->count; i++) {
		buf_put_str(out, i ? ",{\"name\":" : "{\"name\":");
		json_out_string(r->fields[i].name, out);
		buf_put_str(out, ",\"kinds\":[");
		put_kinds(r->fields[i].kinds, out);
		buf_printf(out, "],\"events\":%" PRIu64 "}", r->fields[i].events);
	}
	buf_printf(out, "],\"events\":%" PRIu64 ",\"total\":%" PRIu64, r->events, r->total);
	if (partial || r->more)
		buf_printf(out, ",\"partial\":\"%s\"", partial ? partial : "fields");
	buf_put_str(out, "}\n");
	return out->err;
}
