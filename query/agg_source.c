#include "query/agg_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

/* ---------------------------------------------------------------- scans */

static int list_units(struct agg_source *s, const struct scan *scan)
{
	size_t n = scan_unit_count(scan);
	struct agg_place *units = realloc(s->units, (s->units_count + n + 1) * sizeof units[0]);

	if (!units)
		return -ENOMEM;
	s->units = units;
	for (size_t i = 0; i < n; i++)
		units[s->units_count++] =
			(struct agg_place){ (uint32_t)s->scans_count, (uint32_t)i };
	return 0;
}

int agg_source_add(struct agg_source *s, struct store_snapshot *snap,
	const struct engine_request *filter, int64_t from_ns, int64_t to_ns,
	const struct scan_part *part, struct diag *d)
{
	struct scan *scan;
	struct scan_spec spec;
	int rc;

	ASSERT(s->scans_count < SCAN_CUBE_RESTS_MAX);
	scan_spec_init(&spec);
	spec.from_ns = from_ns;
	spec.to_ns = to_ns;
	spec.id_max = store_snapshot_committed(snap);
	spec.where = filter->where;
	spec.part = part;
	rc = scan_open(snap, &spec, &scan, &s->stats, d);
	if (rc < 0)
		return rc;
	rc = list_units(s, scan);
	s->scans[s->scans_count++] = scan;
	return rc < 0 ? diag_set(d, rc, "", -1, "no memory for the units of an aggregation") : 0;
}

void agg_source_fini(struct agg_source *s)
{
	for (size_t i = 0; i < s->scans_count; i++)
		scan_close(&s->scans[i]);
	free(s->units);
	*s = (struct agg_source){ .scans_count = 0 };
}

bool agg_source_range(const struct agg_source *s, const struct engine_request *filter,
	int64_t *out_from, int64_t *out_to)
{
	int64_t from = INT64_MAX, to = INT64_MIN;

	for (size_t i = 0; i < s->units_count; i++) {
		const struct scan_unit *u = scan_unit(s->scans[s->units[i].scan], s->units[i].unit);

		from = u->time_min_ns < from ? u->time_min_ns : from;
		to = u->time_max_ns > to ? u->time_max_ns : to;
	}
	*out_from = from > filter->from_ns ? from : filter->from_ns;
	*out_to = to < filter->to_ns ? to : filter->to_ns;
	return *out_from <= *out_to;
}

/* ---------------------------------------------------------------- cubes */

/* False: the groups or the functions are of more than cubes know. */
static bool make_ask(const struct agg_shape *shape, const struct engine_request *filter,
	struct store_snapshot *snap, struct scan_cube_ask *out)
{
	const struct agg_spec *spec = shape->spec;

	if (shape->stats_count > 0)
		return false;
	scan_cube_ask_init(out);
	out->from_ns = filter->from_ns;
	out->to_ns = filter->to_ns;
	out->id_max = store_snapshot_committed(snap);
	out->where = filter->where;
	for (uint32_t i = 0; i < spec->by_count; i++) {
		int dim = scan_cube_dim(&spec->by[i]);

		if (dim < 0)
			return false;
		out->by |= 1u << dim;
	}
	if (spec->bucket) {
		out->bucket_ns = shape->bucket.width_ns;
		out->bucket_from_ns = shape->bucket.origin_ns;
	}
	return true;
}

/* A value that the cell before had, too, is not looked up again. */
struct counting {
	struct agg_table *table;
	struct agg_cell last[AGG_BY_MAX];
	uint32_t last_id[AGG_BY_MAX];
	bool any;
};

static struct agg_cell cell_at(const struct scan_cube_cell *c, int dim)
{
	if (dim == SIDX_CUBE_SEVERITY)
		return agg_cell_of_int(EXPR_FIELD_SEVERITY, c->severity);
	return agg_cell_of_text(c->text[dim]);
}

static int id_at(struct counting *k, uint32_t by, const struct agg_cell *c, uint32_t *out)
{
	int rc;

	if (!k->any || !agg_cell_same(c, &k->last[by])) {
		rc = agg_unit_id(
			k->table, by, c, agg_dict_hash(&k->table->dicts[by], c), &k->last_id[by]);
		if (rc < 0)
			return rc;
		k->last[by] = *c;
	}
	*out = k->last_id[by];
	return 0;
}

static int count_cell(void *arg, const struct scan_cube_cell *c)
{
	struct counting *k = arg;
	struct agg_table *t = k->table;
	const struct agg_spec *spec = t->shape->spec;
	struct agg_key key = { .bucket = 0 };
	uint32_t group = 0;
	bool left_out = false, no_room = false;
	int rc = 0;

	if (spec->bucket)
		key.bucket = agg_bucket_index(&t->shape->bucket, c->time_ns);
	for (uint32_t i = 0; i < spec->by_count && rc == 0; i++) {
		struct agg_cell value = cell_at(c, scan_cube_dim(&spec->by[i]));

		rc = id_at(k, i, &value, &key.ids[i]);
		left_out |= key.ids[i] == AGG_UNIT_LEFT_OUT;
		no_room |= key.ids[i] == AGG_UNIT_NO_ROOM;
	}
	k->any = true;
	t->total += c->rows;
	if (rc < 0 || left_out)
		return rc;
	if (!no_room)
		rc = agg_table_group(t, &key, &group);
	if (no_room || rc == AGG_FULL) {
		t->ungrouped += c->rows;
		return 0;
	}
	if (rc == 0)
		t->counts[group] += c->rows;
	return rc;
}

static int open_rests(struct agg_source *s, const struct scan_cube *cube,
	struct store_snapshot *snap, const struct engine_request *filter, struct diag *d)
{
	struct scan_cube_rest rests[SCAN_CUBE_RESTS_MAX];
	size_t n = scan_cube_rests(cube, rests);
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = agg_source_add(
			s, snap, filter, rests[i].from_ns, rests[i].to_ns, &rests[i].part, d);
	return rc;
}

int agg_source_cubes(struct agg_source *s, struct store_snapshot *snap,
	const struct engine_request *filter, struct agg_table *t, bool (*stop)(void *arg),
	void *arg, uint64_t *out_rows, struct diag *d)
{
	struct scan_cube_ask ask;
	struct scan_cube *cube;
	int rc;

	if (!make_ask(t->shape, filter, snap, &ask))
		return SCAN_CUBE_NOT;
	rc = scan_cube_open(snap, &ask, &cube, d);
	if (rc != 0)
		return rc;
	do {
		struct counting k = { .table = t };

		rc = scan_cube_next(cube, count_cell, &k, d);
	} while (rc == 1 && !stop(arg));
	*out_rows = scan_cube_rows(cube);
	s->stats.regex_given_up += scan_cube_given_up(cube);
	if (rc == 0)
		rc = open_rests(s, cube, snap, filter, d);
	scan_cube_close(&cube);
	return rc < 0 ? rc : 0;
}
