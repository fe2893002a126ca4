/*
 * One unit of a scan into tables. Its rows are counted by code, and told apart on codes (agg_local); each code
 * that occurs is looked up in the table's dictionaries once, each group that occurs in its table once; then
 * every row adds to the states of its group, or every code where all rows are one group.
 */
#include "query/agg_int.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "proto/base/check.h"
#include "storage/scan_values.h"

enum {
	NO_ROOM = AGG_UNIT_NO_ROOM,
	LEFT_OUT = AGG_UNIT_LEFT_OUT,
	BATCH = 32,
};

struct agg_unit {
	struct agg_local local;
	uint32_t *codes;  /* by row */
	int64_t *numbers; /* the same */
	int64_t *values;  /* by code, of numbers */
	int64_t *buckets; /* the same, of the buckets */
	struct expr_number *exact;
	uint32_t *ids[1 +
		      AGG_BY_MAX]; /* by dimension and code: the value's number in the dictionary */
	uint32_t *counts;          /* rows by code of a dimension, in the end by local group */
	uint32_t *found;           /* codes with rows, or local groups, ascending */
	uint32_t found_count;
	uint32_t *groups;       /* by local group: the table's group */
	struct agg_cell *cells; /* by code, of a statistic's field */
	uint64_t *hashes;
	size_t codes_cap, numbers_cap, values_cap, buckets_cap, exact_cap, ids_cap[1 + AGG_BY_MAX],
		counts_cap, found_cap, groups_cap, cells_cap, hashes_cap;
};

struct take {
	struct agg_unit *u;
	const struct scan *scan;
	size_t unit;
	struct scan_scratch *scratch;
	const uint32_t *rows;
	size_t count;
	struct agg_table *table;
	struct scan_stats *stats;
	struct diag *d;
};

struct agg_unit *agg_unit_new(void)
{
	struct agg_unit *u = calloc(1, sizeof *u);

	if (u)
		agg_local_init(&u->local);
	return u;
}

void agg_unit_free(struct agg_unit **up)
{
	struct agg_unit *u = *up;

	if (!u)
		return;
	agg_local_fini(&u->local);
	agg_local_drop(u->codes, sizeof u->codes[0], u->codes_cap);
	agg_local_drop(u->numbers, sizeof u->numbers[0], u->numbers_cap);
	agg_local_drop(u->values, sizeof u->values[0], u->values_cap);
	agg_local_drop(u->buckets, sizeof u->buckets[0], u->buckets_cap);
	agg_local_drop(u->exact, sizeof u->exact[0], u->exact_cap);
	for (int i = 0; i < 1 + AGG_BY_MAX; i++)
		agg_local_drop(u->ids[i], sizeof u->ids[i][0], u->ids_cap[i]);
	agg_local_drop(u->counts, sizeof u->counts[0], u->counts_cap);
	agg_local_drop(u->found, sizeof u->found[0], u->found_cap);
	agg_local_drop(u->groups, sizeof u->groups[0], u->groups_cap);
	agg_local_drop(u->cells, sizeof u->cells[0], u->cells_cap);
	agg_local_drop(u->hashes, sizeof u->hashes[0], u->hashes_cap);
	free(u);
	*up = NULL;
}

/* ---------------------------------------------------------------- columns */

static int load_ints(struct take *t, enum expr_field_kind kind)
{
	struct agg_unit *u = t->u;

	if (agg_local_need(&u->numbers, sizeof u->numbers[0], &u->numbers_cap, t->count) < 0)
		return -ENOMEM;
	return scan_rows_ints(
		t->scan, t->unit, t->scratch, t->rows, t->count, kind, u->numbers, t->stats, t->d);
}

static int load_values(struct take *t, const struct expr_field *f, struct scan_values *out)
{
	return scan_rows_values(
		t->scan, t->unit, t->scratch, t->rows, t->count, f, out, t->stats, t->d);
}

/* SCAN_VALUES_NOT: load_values it is. */
static int load_ids(struct take *t, const struct expr_field *f, struct scan_ids *out)
{
	return scan_rows_ids(
		t->scan, t->unit, t->scratch, t->rows, t->count, f, out, t->stats, t->d);
}

/* Rows by code, and which codes occur. */
static int tally(struct take *t, const uint32_t *codes, uint32_t count)
{
	struct agg_unit *u = t->u;
	uint32_t n = 0;

	/* One more: a code that does not occur is put down, too, and the next one in its place. */
	if (agg_local_need(&u->counts, sizeof u->counts[0], &u->counts_cap, count) < 0 ||
		agg_local_need(&u->found, sizeof u->found[0], &u->found_cap, count + (size_t)1) < 0)
		return -ENOMEM;
	memset(u->counts, 0, count * sizeof u->counts[0]);
	for (size_t i = 0; i < t->count; i++)
		u->counts[codes[i]]++;
	for (uint32_t code = 0; code < count; code++) {
		u->found[n] = code;
		n += u->counts[code] > 0;
	}
	u->found_count = n;
	return 0;
}

static bool is_ints(const struct expr_field *f)
{
	return f->kind != EXPR_FIELD_TEXT && f->kind != EXPR_FIELD_META;
}

/* ---------------------------------------------------------------- dimensions */

/* The numbers that were loaded as codes of these values. */
static int number_codes(struct take *t, int64_t **values, size_t *values_cap, uint32_t *out_count)
{
	struct agg_unit *u = t->u;

	if (agg_local_need(&u->codes, sizeof u->codes[0], &u->codes_cap, t->count) < 0 ||
		agg_local_need(values, sizeof **values, values_cap, t->count) < 0)
		return -ENOMEM;
	return agg_local_number(
		&u->local, u->numbers, (uint32_t)t->count, u->codes, *values, out_count);
}

/* Times become numbers of buckets; mostly one has that of the row before. */
static void times_to_buckets(const struct agg_bucket *b, int64_t *v, size_t count)
{
	int64_t index = agg_bucket_index(b, v[0]);
	int64_t begin = agg_bucket_begin(b, index), end = agg_bucket_end(b, index);

	for (size_t i = 0; i < count; i++) {
		if (v[i] < begin || v[i] > end) {
			index = agg_bucket_index(b, v[i]);
			begin = agg_bucket_begin(b, index);
			end = agg_bucket_end(b, index);
		}
		v[i] = index;
	}
}

static int add_buckets(struct take *t)
{
	uint32_t count = 0;
	int rc = load_ints(t, EXPR_FIELD_TIME);

	if (rc < 0)
		return rc;
	times_to_buckets(&t->table->shape->bucket, t->u->numbers, t->count);
	rc = number_codes(t, &t->u->buckets, &t->u->buckets_cap, &count);
	if (rc == 0)
		rc = tally(t, t->u->codes, count);
	return rc < 0 ? rc : agg_local_add(&t->u->local, t->u->codes, count);
}

/* The rows by code, and room for the ids of the codes. */
static int new_dim(struct take *t, const uint32_t *codes, uint32_t count)
{
	struct agg_unit *u = t->u;
	uint32_t dim = u->local.dims;

	if (agg_local_need(&u->ids[dim], sizeof(uint32_t), &u->ids_cap[dim], count) < 0)
		return -ENOMEM;
	return tally(t, codes, count);
}

static bool has_prefix(const struct agg_cell *c, struct span prefix)
{
	return c->kind == AGG_CELL_TEXT && c->text.n >= prefix.n &&
	       strncasecmp((const char *)c->text.p, (const char *)prefix.p, prefix.n) == 0;
}

int agg_unit_id(
	struct agg_table *t, uint32_t by, const struct agg_cell *c, uint64_t hash, uint32_t *out)
{
	int rc;

	if (by == 0 && t->shape->spec->prefix.p && !has_prefix(c, t->shape->spec->prefix)) {
		*out = LEFT_OUT;
		return 0;
	}
	rc = agg_dict_id(&t->dicts[by], c, hash, t->max, &t->held, out);
	if (rc != AGG_FULL)
		return rc;
	*out = NO_ROOM;
	return 0;
}

/* Codes whose numbers are looked up together: while one is waited for, the next are on their way. */
struct batch {
	uint32_t codes[BATCH];
	struct agg_cell cells[BATCH];
	uint64_t hashes[BATCH];
	uint32_t count;
};

static void batch_add(
	struct batch *b, const struct agg_table *t, uint32_t by, uint32_t code, struct agg_cell c)
{
	b->codes[b->count] = code;
	b->cells[b->count] = c;
	b->hashes[b->count++] = agg_dict_hash(&t->dicts[by], &c);
}

static int batch_ids(struct batch *b, struct agg_table *t, uint32_t by, uint32_t *ids)
{
	int rc = 0;

	for (uint32_t i = 0; i < b->count && rc == 0; i++)
		rc = agg_unit_id(t, by, &b->cells[i], b->hashes[i], &ids[b->codes[i]]);
	b->count = 0;
	return rc;
}

static int ids_of_ints(struct take *t, uint32_t by, uint32_t *ids)
{
	struct agg_unit *u = t->u;
	enum expr_field_kind kind = t->table->shape->spec->by[by].kind;
	struct batch b = { .count = 0 };
	int rc = 0;

	for (uint32_t i = 0; i < u->found_count && rc == 0; i++) {
		uint32_t code = u->found[i];

		batch_add(&b, t->table, by, code, agg_cell_of_int(kind, u->values[code]));
		if (b.count == BATCH)
			rc = batch_ids(&b, t->table, by, ids);
	}
	return rc < 0 ? rc : batch_ids(&b, t->table, by, ids);
}

static int ids_of_values(struct take *t, uint32_t by, uint32_t *ids, const struct scan_values *v)
{
	struct batch b = { .count = 0 };
	int rc = 0;

	for (uint32_t i = 0; i < t->u->found_count && rc == 0; i++) {
		uint32_t code = t->u->found[i];
		struct agg_cell c = { .kind = AGG_CELL_NULL };

		if (code)
			c = agg_cell_of(&v->cells[code - 1]);
		batch_add(&b, t->table, by, code, c);
		if (b.count == BATCH)
			rc = batch_ids(&b, t->table, by, ids);
	}
	return rc < 0 ? rc : batch_ids(&b, t->table, by, ids);
}

/* Codes whose values are numbers, and where the dictionary has their forms. */
struct numbers {
	struct take *take;
	uint32_t by;
	const struct col_text_numbers *values;
	uint32_t forms[COL_TEXT_FORMS_MAX];
};

static int find_forms(struct numbers *n)
{
	struct agg_table *t = n->take->table;
	int rc = 0;

	for (uint32_t i = 0; i < n->values->forms_count && rc == 0; i++)
		rc = agg_dict_form(&t->dicts[n->by], &n->values->forms[i], &t->held, &n->forms[i]);
	return rc;
}

static void expect(const struct numbers *n, uint32_t code)
{
	const struct agg_dict *d = &n->take->table->dicts[n->by];
	uint32_t form = code ? n->values->form_of[code - 1] : COL_TEXT_FORM_ABSENT;

	if (form < COL_TEXT_FORMS_MAX && n->forms[form] != AGG_NONE)
		agg_form_expect(&d->forms[n->forms[form]], n->values->numbers[code - 1]);
}

/* The cell of a code that is looked up as one: of no form, or of one for which there is no room. */
static struct agg_cell cell_of_code(const struct numbers *n, uint32_t code, uint8_t *text)
{
	const struct col_text_numbers *v = n->values;
	uint32_t form, number;

	if (code == 0)
		return (struct agg_cell){ .kind = AGG_CELL_NULL };
	form = v->form_of[code - 1];
	number = v->numbers[code - 1];
	return agg_cell_of_text(form == COL_TEXT_FORM_NONE
					? v->texts[number]
					: agg_form_put(&v->forms[form], number, text));
}

static int id_of_code(const struct numbers *n, uint32_t code, uint32_t *out)
{
	struct agg_table *t = n->take->table;
	struct agg_dict *d = &t->dicts[n->by];
	uint32_t form = code ? n->values->form_of[code - 1] : COL_TEXT_FORM_ABSENT;
	uint8_t text[AGG_FORM_BYTES];
	struct agg_cell c;
	int rc;

	if (form >= COL_TEXT_FORMS_MAX || n->forms[form] == AGG_NONE) {
		c = cell_of_code(n, code, text);
		return agg_unit_id(t, n->by, &c, agg_dict_hash(d, &c), out);
	}
	rc = agg_dict_number(
		d, n->forms[form], n->values->numbers[code - 1], t->max, &t->held, out);
	if (rc != AGG_FULL)
		return rc;
	*out = NO_ROOM;
	return 0;
}

static int ids_of_numbers(struct take *t, uint32_t by, uint32_t *ids, const struct scan_ids *v)
{
	struct numbers n = { .take = t, .by = by, .values = &v->values };
	const struct agg_unit *u = t->u;
	int rc = find_forms(&n);

	for (uint32_t i = 0; i < u->found_count && rc == 0; i++) {
		if (i + BATCH < u->found_count)
			expect(&n, u->found[i + BATCH]);
		rc = id_of_code(&n, u->found[i], &ids[u->found[i]]);
	}
	return rc;
}

static int add_ints(struct take *t, uint32_t by)
{
	uint32_t dim = t->u->local.dims, count = 0;
	int rc = load_ints(t, t->table->shape->spec->by[by].kind);

	if (rc == 0)
		rc = number_codes(t, &t->u->values, &t->u->values_cap, &count);
	if (rc == 0)
		rc = new_dim(t, t->u->codes, count);
	if (rc == 0)
		rc = ids_of_ints(t, by, t->u->ids[dim]);
	return rc < 0 ? rc : agg_local_add(&t->u->local, t->u->codes, count);
}

/* SCAN_VALUES_NOT: the column has none, or texts are needed. */
static int add_ids(struct take *t, uint32_t by)
{
	const struct agg_spec *spec = t->table->shape->spec;
	uint32_t dim = t->u->local.dims;
	struct scan_ids v;
	int rc;

	if (by == 0 && spec->prefix.p)
		return SCAN_VALUES_NOT;
	rc = load_ids(t, &spec->by[by], &v);
	if (rc == 0)
		rc = new_dim(t, v.codes, v.count + 1);
	if (rc == 0)
		rc = ids_of_numbers(t, by, t->u->ids[dim], &v);
	return rc != 0 ? rc : agg_local_add(&t->u->local, v.codes, v.count + 1);
}

static int add_values(struct take *t, uint32_t by)
{
	uint32_t dim = t->u->local.dims;
	struct scan_values v;
	int rc = add_ids(t, by);

	if (rc != SCAN_VALUES_NOT)
		return rc;
	rc = load_values(t, &t->table->shape->spec->by[by], &v);
	if (rc == 0)
		rc = new_dim(t, v.codes, v.cells_count + 1);
	if (rc == 0)
		rc = ids_of_values(t, by, t->u->ids[dim], &v);
	return rc < 0 ? rc : agg_local_add(&t->u->local, v.codes, v.cells_count + 1);
}

static int add_dimensions(struct take *t)
{
	const struct agg_spec *spec = t->table->shape->spec;
	int rc = agg_local_begin(&t->u->local, (uint32_t)t->count);

	if (rc == 0 && spec->bucket)
		rc = add_buckets(t);
	for (uint32_t i = 0; i < spec->by_count && rc == 0; i++)
		rc = is_ints(&spec->by[i]) ? add_ints(t, i) : add_values(t, i);
	return rc;
}

/* ---------------------------------------------------------------- groups */

static int count_total(struct take *t)
{
	struct agg_unit *u = t->u;

	if (agg_local_need(&u->counts, sizeof u->counts[0], &u->counts_cap, 1) < 0 ||
		agg_local_need(&u->found, sizeof u->found[0], &u->found_cap, 1) < 0)
		return -ENOMEM;
	u->counts[0] = (uint32_t)t->count;
	u->found[0] = 0;
	u->found_count = 1;
	return 0;
}

/* The first dimension's codes, counted before, are groups as long as it is alone. */
static int count_rows(struct take *t)
{
	struct agg_unit *u = t->u;
	uint32_t groups = u->local.count;

	if (agg_local_need(&u->groups, sizeof u->groups[0], &u->groups_cap, groups) < 0)
		return -ENOMEM;
	if (u->local.dims == 0)
		return count_total(t);
	return u->local.dims == 1 ? 0 : tally(t, u->local.group, groups);
}

/* The key of a local group; false: it has none, and *out says why. */
static bool key_of(const struct take *t, uint32_t group, struct agg_key *key, uint32_t *out)
{
	const struct agg_spec *spec = t->table->shape->spec;
	const struct agg_local *l = &t->u->local;

	*key = (struct agg_key){ .bucket = 0 };
	if (spec->bucket)
		key->bucket = t->u->buckets[agg_local_code(l, group, 0)];
	for (uint32_t i = 0; i < spec->by_count; i++) {
		uint32_t dim = i + spec->bucket;
		uint32_t id = t->u->ids[dim][agg_local_code(l, group, dim)];

		*out = id;
		if (id == NO_ROOM || id == LEFT_OUT)
			return false;
		key->ids[i] = id;
	}
	return true;
}

/* The ids of values are those of groups. */
static int find_direct(struct take *t)
{
	struct agg_unit *u = t->u;
	struct agg_table *table = t->table;

	if (agg_table_values(table) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < u->found_count; i++) {
		uint32_t g = u->found[i], id = u->ids[0][g];

		u->groups[g] = id;
		if (id < LEFT_OUT)
			table->counts[id] += u->counts[g];
		else if (id == NO_ROOM)
			table->ungrouped += u->counts[g];
	}
	return 0;
}

static int find_groups(struct take *t)
{
	struct agg_unit *u = t->u;
	struct agg_table *table = t->table;

	if (table->shape->direct)
		return find_direct(t);
	for (uint32_t i = 0; i < u->found_count; i++) {
		uint32_t g = u->found[i];
		struct agg_key key;
		int rc = 0;

		if (key_of(t, g, &key, &u->groups[g]))
			rc = agg_table_group(table, &key, &u->groups[g]);
		if (rc < 0)
			return rc;
		if (rc == AGG_FULL)
			u->groups[g] = NO_ROOM;
		if (u->groups[g] < LEFT_OUT)
			table->counts[u->groups[g]] += u->counts[g];
		else if (u->groups[g] == NO_ROOM)
			table->ungrouped += u->counts[g];
	}
	return 0;
}

/* ---------------------------------------------------------------- statistics */

/* More than this is not taken whatever a statistic needs. */
static bool is_over(const struct agg_table *t)
{
	return t->held > t->most;
}

static uint32_t group_of(const struct agg_unit *u, size_t row)
{
	return u->groups[u->local.dims ? u->local.group[row] : 0];
}

static int feed_numbers(struct take *t, uint32_t stat)
{
	const struct agg_stat *s = &t->table->shape->stats[stat];
	struct agg_table *table = t->table;
	struct agg_unit *u = t->u;
	uint32_t exact_max = agg_table_exact_max(table);
	int rc;

	if (agg_local_need(&u->exact, sizeof u->exact[0], &u->exact_cap, t->count) < 0)
		return -ENOMEM;
	rc = scan_rows_numbers(t->scan, t->unit, t->scratch, t->rows, t->count, &s->field, u->exact,
		t->stats, t->d);
	for (size_t i = 0; i < t->count && rc == 0; i++) {
		uint32_t g = group_of(u, i);

		if (g >= LEFT_OUT)
			continue;
		rc = agg_state_add_number(s->kind, agg_table_state(table, stat, g), u->exact[i],
			exact_max, &table->held);
		if (rc == 0 && is_over(table))
			rc = AGG_FULL;
	}
	return rc;
}

static int feed_ints(struct take *t, uint32_t stat)
{
	const struct agg_stat *s = &t->table->shape->stats[stat];
	struct agg_table *table = t->table;
	uint32_t exact_max = agg_table_exact_max(table);
	int rc = load_ints(t, s->field.kind);

	for (size_t i = 0; i < t->count && rc == 0; i++) {
		uint32_t g = group_of(t->u, i);
		struct agg_cell c;

		if (g >= LEFT_OUT)
			continue;
		c = agg_cell_of_int(s->field.kind, t->u->numbers[i]);
		rc = agg_state_add(s->kind, agg_table_state(table, stat, g), &c, agg_cell_hash(&c),
			1, exact_max, &table->held);
		if (rc == 0 && is_over(table))
			rc = AGG_FULL;
	}
	return rc;
}

/* Hashes and, unless they were as good as none, cells of codes that occur. */
static int need_hashes(struct take *t, const uint32_t *codes, uint32_t count)
{
	struct agg_unit *u = t->u;

	if (agg_local_need(&u->cells, sizeof u->cells[0], &u->cells_cap, count) < 0 ||
		agg_local_need(&u->hashes, sizeof u->hashes[0], &u->hashes_cap, count) < 0)
		return -ENOMEM;
	return tally(t, codes, count);
}

static int make_cells(struct take *t, enum agg_stat_kind kind, const struct scan_values *v)
{
	struct agg_unit *u = t->u;
	int rc = need_hashes(t, v->codes, v->cells_count + 1);

	for (uint32_t i = 0; rc == 0 && i < u->found_count; i++) {
		uint32_t code = u->found[i];

		if (code == 0)
			continue;
		u->cells[code] = agg_cell_of(&v->cells[code - 1]);
		if (kind == AGG_STAT_DISTINCT)
			u->hashes[code] = agg_form_hash_cell(&u->cells[code]);
	}
	return rc;
}

/* Of values that are only told apart, or only counted: their cells say no more than that they are there. */
static int make_hashes(struct take *t, const struct scan_ids *v)
{
	const struct col_text_numbers *n = &v->values;
	struct agg_unit *u = t->u;
	uint64_t seeds[COL_TEXT_FORMS_MAX];
	int rc = need_hashes(t, v->codes, v->count + 1);

	for (uint32_t i = 0; i < n->forms_count && rc == 0; i++)
		seeds[i] = agg_form_seed(&n->forms[i]);
	for (uint32_t i = 0; rc == 0 && i < u->found_count; i++) {
		uint32_t code = u->found[i], form, number;

		if (code == 0)
			continue;
		form = n->form_of[code - 1];
		number = n->numbers[code - 1];
		u->cells[code] = agg_cell_of_text(
			form == COL_TEXT_FORM_NONE ? n->texts[number] : SPAN_LIT(""));
		u->hashes[code] = form == COL_TEXT_FORM_NONE ? agg_form_hash_cell(&u->cells[code])
							     : agg_form_hash(seeds[form], number);
	}
	return rc;
}

/* A statistic that is fed by code. */
struct feed {
	struct take *take;
	uint32_t stat;
	uint32_t exact_max;
};

/* A code's value into a group's state, so many times. */
static int feed_code(const struct feed *f, uint32_t group, uint32_t code, uint32_t times)
{
	struct agg_table *table = f->take->table;
	const struct agg_unit *u = f->take->u;
	int rc = agg_state_add(table->shape->stats[f->stat].kind,
		agg_table_state(table, f->stat, group), &u->cells[code], u->hashes[code], times,
		f->exact_max, &table->held);

	return rc == 0 && is_over(table) ? AGG_FULL : rc;
}

/* All rows are one group: each code that occurs, once. */
static int feed_found(const struct feed *f)
{
	const struct agg_unit *u = f->take->u;
	int rc = 0;

	for (uint32_t i = 0; i < u->found_count && rc == 0; i++) {
		if (u->found[i])
			rc = feed_code(f, u->groups[0], u->found[i], u->counts[u->found[i]]);
	}
	return rc;
}

/* Codes and their cells and hashes are there. */
static int feed_codes(struct take *t, uint32_t stat, const uint32_t *codes)
{
	struct feed f = { t, stat, agg_table_exact_max(t->table) };
	const struct agg_unit *u = t->u;
	int rc = 0;

	if (u->local.dims == 0)
		return u->groups[0] < LEFT_OUT ? feed_found(&f) : 0;
	for (size_t i = 0; i < t->count && rc == 0; i++) {
		uint32_t g = group_of(u, i);

		if (g < LEFT_OUT && codes[i])
			rc = feed_code(&f, g, codes[i], 1);
	}
	return rc;
}

static int feed_values(struct take *t, uint32_t stat)
{
	const struct agg_stat *s = &t->table->shape->stats[stat];
	struct scan_values v;
	struct scan_ids x;
	int rc = SCAN_VALUES_NOT;

	if (s->kind == AGG_STAT_DISTINCT || s->kind == AGG_STAT_PRESENT)
		rc = load_ids(t, &s->field, &x);
	if (rc == 0)
		rc = make_hashes(t, &x);
	if (rc != SCAN_VALUES_NOT)
		return rc < 0 ? rc : feed_codes(t, stat, x.codes);
	rc = load_values(t, &s->field, &v);
	if (rc == 0)
		rc = make_cells(t, s->kind, &v);
	return rc < 0 ? rc : feed_codes(t, stat, v.codes);
}

static int feed(struct take *t, uint32_t stat)
{
	const struct agg_stat *s = &t->table->shape->stats[stat];

	if (s->kind == AGG_STAT_SUM || s->kind == AGG_STAT_QUANTILE)
		return feed_numbers(t, stat);
	return is_ints(&s->field) ? feed_ints(t, stat) : feed_values(t, stat);
}

/* ---------------------------------------------------------------- face */

static int take_rows(struct take *t)
{
	const struct agg_shape *shape = t->table->shape;
	int rc = add_dimensions(t);

	if (rc == 0)
		rc = count_rows(t);
	if (rc == 0)
		rc = find_groups(t);
	if (rc < 0)
		return rc;
	t->table->total += t->count;
	for (uint32_t i = 0; i < shape->stats_count && rc == 0; i++)
		rc = feed(t, i);
	return rc;
}

static bool is_bare(const struct agg_shape *s)
{
	return s->spec->by_count == 0 && !s->spec->bucket && s->stats_count == 0;
}

static bool all_bare(struct agg_table *const *tables, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!is_bare(tables[i]->shape))
			return false;
	}
	return true;
}

static int add_total(struct agg_table *t, uint64_t count)
{
	static const struct agg_key none;
	uint32_t g = 0;
	int rc = count ? agg_table_group(t, &none, &g) : 0;

	if (rc == 0 && count) {
		t->counts[g] += count;
		t->total += count;
	}
	return rc;
}

static int take_count(struct take *t, struct agg_table *const *tables, uint32_t tables_count)
{
	uint64_t count = 0;
	int rc = scan_count(t->scan, t->unit, t->scratch, &count, t->stats, t->d);

	for (uint32_t i = 0; i < tables_count && rc == 0; i++)
		rc = add_total(tables[i], count);
	return rc;
}

/* The rows, and the labels of each table's field; NULL for those that are bare. */
struct by_label {
	const struct block_list *list;
	const struct expr_field *fields[LIMIT_QUERY_GROUPINGS];
	uint32_t fields_count;
	const struct col_text_labels *labels[LIMIT_QUERY_GROUPINGS];
	const uint32_t *of[LIMIT_QUERY_GROUPINGS];
};

/* The fields of all tables; false: one of these needs more than labels. */
static bool find_fields(struct agg_table *const *tables, uint32_t count, struct by_label *x)
{
	x->fields_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct agg_shape *s = tables[i]->shape;

		if (!is_bare(s) && !agg_label_serves(s))
			return false;
		if (!is_bare(s))
			x->fields[x->fields_count++] = &s->spec->by[0];
	}
	return true;
}

/* SCAN_VALUES_NOT: the unit is not to be counted so. */
static int find_labels(
	struct take *t, struct agg_table *const *tables, uint32_t count, struct by_label *x)
{
	int rc = SCAN_VALUES_NOT;

	ASSERT(count <= LIMIT_QUERY_GROUPINGS);
	if (find_fields(tables, count, x))
		rc = scan_list(t->scan, t->unit, t->scratch, x->fields, x->fields_count, &x->list,
			t->stats, t->d);
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		if (!is_bare(tables[i]->shape))
			rc = scan_list_labels(t->scan, t->unit, t->scratch, x->list,
				&tables[i]->shape->spec->by[0], &x->of[i], &x->labels[i], t->stats,
				t->d);
	}
	return rc;
}

static int take_labels(struct take *t, struct agg_table *const *tables, uint32_t count)
{
	struct by_label x;
	int rc = find_labels(t, tables, count, &x);

	if (rc != 0)
		return rc;
	t->stats->rows_matched += x.list->count;
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		if (is_bare(tables[i]->shape))
			rc = add_total(tables[i], x.list->count);
		else
			rc = agg_label_count(tables[i], x.labels[i], x.of[i], x.list->count,
				&t->u->counts, &t->u->counts_cap);
	}
	return rc;
}

int agg_unit_take(struct agg_unit *u, const struct scan *s, size_t unit,
	struct scan_scratch *scratch, struct agg_table *const *tables, uint32_t tables_count,
	struct scan_stats *stats, struct diag *d)
{
	struct take t = {
		.u = u, .scan = s, .unit = unit, .scratch = scratch, .stats = stats, .d = d
	};
	int rc;

	if (all_bare(tables, tables_count))
		return take_count(&t, tables, tables_count);
	rc = take_labels(&t, tables, tables_count);
	if (rc != SCAN_VALUES_NOT)
		return rc;
	rc = scan_rows(s, unit, scratch, &t.rows, &t.count, stats, d);
	for (uint32_t i = 0; i < tables_count && rc == 0 && t.count > 0; i++) {
		t.table = tables[i];
		rc = is_bare(t.table->shape) ? add_total(t.table, t.count) : take_rows(&t);
	}
	return rc;
}
