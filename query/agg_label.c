/*
 * Rows counted by the labels of one field: a label of a range is a number of a form, which the dictionary
 * knows or learns, and the value's id is its group. What stands behind the ranges is counted first and looked
 * up once.
 */
#include "query/agg_int.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"

/* So far in front of a row memory is fetched. */
enum { AHEAD = 16 };

/* A table while rows are counted into it. */
struct count {
	struct agg_table *table;
	const struct col_text_labels *labels;
	uint32_t
		forms[COL_TEXT_FORMS_MAX]; /* by range: the form's place; AGG_NONE: there is none */
	uint32_t *others;                  /* rows by label, from the first one behind the ranges */
};

bool agg_label_serves(const struct agg_shape *s)
{
	return s->direct && s->stats_count == 0 && !s->spec->prefix.p &&
	       s->spec->by[0].kind == EXPR_FIELD_TEXT;
}

static int find_forms(struct count *c)
{
	struct agg_table *t = c->table;
	int rc = 0;

	for (uint32_t i = 0; i < c->labels->ranges_count && rc == 0; i++)
		rc = agg_dict_form(
			&t->dicts[0], &c->labels->ranges[i].form, &t->held, &c->forms[i]);
	return rc;
}

/* So many rows of the group that the id is; or the dictionary had no room for one. */
static int add(struct agg_table *t, int outcome, uint32_t id, uint32_t rows)
{
	if (outcome == AGG_FULL || id == AGG_UNIT_NO_ROOM) {
		t->ungrouped += rows;
		return 0;
	}
	if (outcome < 0 || agg_table_values(t) < 0)
		return -ENOMEM;
	t->counts[id] += rows;
	return 0;
}

static int add_cell(struct agg_table *t, struct agg_cell cell, uint32_t rows)
{
	uint64_t hash = agg_dict_hash(&t->dicts[0], &cell);
	uint32_t id = 0;
	int rc = agg_unit_id(t, 0, &cell, hash, &id);

	return add(t, rc, id, rows);
}

/* A number that is new, or whose form has no place. */
static int add_number(struct count *c, uint32_t range, uint32_t number)
{
	const struct col_text_form *form = &c->labels->ranges[range].form;
	struct agg_table *t = c->table;
	uint8_t text[AGG_FORM_BYTES];
	uint32_t id = 0;
	int rc;

	if (c->forms[range] == AGG_NONE)
		return add_cell(t, agg_cell_of_text(agg_form_put(form, number, text)), 1);
	rc = agg_dict_number(&t->dicts[0], c->forms[range], number, t->max, &t->held, &id);
	return add(t, rc, id, 1);
}

/* Labels up to the first that is of another range; how many. */
static uint32_t count_known(
	const struct count *c, uint32_t range, const uint32_t *of, uint32_t count)
{
	const struct col_text_range *r = &c->labels->ranges[range];
	uint32_t shift = r->least - r->first, span = r->end - r->first, i;
	const struct agg_form *form;

	if (c->forms[range] == AGG_NONE)
		return 0;
	form = &c->table->dicts[0].forms[c->forms[range]];
	for (i = 0; i < count && of[i] - r->first < span; i++) {
		uint32_t id;

		if (i + AHEAD < count && of[i + AHEAD] - r->first < span)
			agg_form_expect(form, of[i + AHEAD] + shift);
		id = agg_form_find(form, of[i] + shift);

		if (id == AGG_NONE)
			break;
		c->table->counts[id]++;
	}
	return i;
}

static uint32_t range_of(const struct col_text_labels *l, uint32_t label)
{
	uint32_t range = 0;

	while (label >= l->ranges[range].end)
		range++;
	return range;
}

static int count_rows(struct count *c, const uint32_t *of, uint32_t count)
{
	const struct col_text_labels *l = c->labels;
	int rc = 0;

	for (uint32_t i = 0, known; i < count && rc == 0;) {
		uint32_t range;

		if (of[i] >= l->texts_first) {
			c->others[of[i++] - l->texts_first]++;
			continue;
		}
		range = range_of(l, of[i]);
		known = count_known(c, range, of + i, count - i);
		i += known;
		if (known == 0) {
			const struct col_text_range *r = &l->ranges[range];

			rc = add_number(c, range, r->least + (of[i++] - r->first));
		}
	}
	return rc;
}

static int add_others(struct count *c)
{
	const struct col_text_labels *l = c->labels;
	int rc = 0;

	for (uint32_t i = 0; i <= l->absent - l->texts_first && rc == 0; i++) {
		struct agg_cell cell = { .kind = AGG_CELL_NULL };

		if (c->others[i] == 0)
			continue;
		if (l->texts_first + i < l->absent)
			cell = agg_cell_of_text(l->texts[i]);
		rc = add_cell(c->table, cell, c->others[i]);
	}
	return rc;
}

int agg_label_count(struct agg_table *t, const struct col_text_labels *labels, const uint32_t *of,
	uint32_t count, uint32_t **room, size_t *room_cap)
{
	struct count c = { .table = t, .labels = labels };
	size_t others = (size_t)labels->absent - labels->texts_first + 1;
	int rc;

	ASSERT(agg_label_serves(t->shape));
	if (agg_local_need(room, sizeof **room, room_cap, others) < 0)
		return -ENOMEM;
	c.others = *room;
	memset(c.others, 0, others * sizeof *c.others);
	rc = find_forms(&c);
	if (rc == 0)
		rc = agg_table_values(t);
	if (rc == 0)
		rc = count_rows(&c, of, count);
	if (rc == 0)
		rc = add_others(&c);
	t->total += count;
	return rc;
}
