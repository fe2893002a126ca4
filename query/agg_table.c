#include "query/agg_int.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "query/agg_spare.h"

enum {
	GROUPS_MIN = 16,
	SLOTS_MIN = 64,
	/* Values of a sketch kept one by one whatever else there is. */
	EXACT_MIN = 1024,
	/* The part of the memory for such values is 1 / so much; and their bytes, spare room included. */
	EXACT_PART = 4,
	EXACT_BYTES = 24,
	/* Arrays are made for so many values at once, if there were as many the last time. */
	HINT_MAX = 1 << 16,
};

static_assert(LIMIT_QUERY_DISTINCT_EXACT == LIMIT_QUERY_QUANTILE_EXACT, "one bound for both");

/* ---------------------------------------------------------------- shape */

static enum agg_stat_kind stat_kind(enum agg_function f)
{
	switch (f) {
	case AGG_COUNT:
		break;
	case AGG_DISTINCT:
		return AGG_STAT_DISTINCT;
	case AGG_SUM:
	case AGG_AVG:
		return AGG_STAT_SUM;
	case AGG_MIN:
		return AGG_STAT_LEAST;
	case AGG_MAX:
		return AGG_STAT_MOST;
	case AGG_QUANTILE:
		return AGG_STAT_QUANTILE;
	}
	return AGG_STAT_PRESENT;
}

/* The statistic that the call needs, which another one may need, too. */
static uint32_t stat_of(struct agg_shape *s, const struct agg_call *c)
{
	struct agg_stat want = { stat_kind(c->function), c->field };

	if (!c->has_field)
		return AGG_NONE;
	for (uint32_t i = 0; i < s->stats_count; i++) {
		if (s->stats[i].kind == want.kind &&
			agg_shape_same_field(&s->stats[i].field, &want.field))
			return i;
	}
	s->stats[s->stats_count] = want;
	s->sketches += want.kind == AGG_STAT_DISTINCT || want.kind == AGG_STAT_QUANTILE;
	return s->stats_count++;
}

void agg_shape_make(const struct agg_spec *spec, int64_t bucket_ns, struct agg_shape *out)
{
	ASSERT(spec->calls_count > 0);
	*out = (struct agg_shape){ .spec = spec };
	if (spec->bucket)
		out->bucket = agg_bucket_of(bucket_ns, spec->zone_ns);
	for (uint32_t i = 0; i < spec->calls_count; i++)
		out->stat_of[i] = stat_of(out, &spec->calls[i]);
	out->direct = spec->by_count == 1 && !spec->bucket;
}

/* ---------------------------------------------------------------- keys */

/* The parts of a key that the shape has; a byte where it has none. */
static size_t key_bytes(const struct agg_shape *s)
{
	size_t bytes = s->spec->by_count * sizeof(uint32_t);

	bytes += s->spec->bucket ? sizeof(int64_t) : 0;
	return bytes ? bytes : 1;
}

static struct agg_key key_at(const struct agg_table *t, uint32_t group)
{
	const struct agg_spec *spec = t->shape->spec;
	const uint8_t *p = t->keys + group * key_bytes(t->shape);
	struct agg_key key = { .bucket = 0 };

	memcpy(key.ids, p, spec->by_count * sizeof key.ids[0]);
	if (spec->bucket)
		memcpy(&key.bucket, p + spec->by_count * sizeof key.ids[0], sizeof key.bucket);
	return key;
}

static void key_put(struct agg_table *t, uint32_t group, const struct agg_key *key)
{
	const struct agg_spec *spec = t->shape->spec;
	uint8_t *p = t->keys + group * key_bytes(t->shape);

	memcpy(p, key->ids, spec->by_count * sizeof key->ids[0]);
	if (spec->bucket)
		memcpy(p + spec->by_count * sizeof key->ids[0], &key->bucket, sizeof key->bucket);
}

/* ---------------------------------------------------------------- life */

/* How many values a text field had the last time. */
static struct {
	atomic_uint values, numbers;
} last[EVENT_TEXT_COUNT];

static struct agg_dict_hint hint_of(const struct expr_field *f)
{
	struct agg_dict_hint hint = { 0 };

	if (f->kind == EXPR_FIELD_TEXT) {
		hint.values = atomic_load(&last[f->text].values);
		hint.numbers = atomic_load(&last[f->text].numbers);
	}
	return hint;
}

static void remember(const struct expr_field *f, const struct agg_dict *d)
{
	uint32_t numbers = d->forms_count == 1 ? d->forms[0].count : 0;

	if (f->kind != EXPR_FIELD_TEXT || d->count == 0)
		return;
	atomic_store(&last[f->text].values, d->count < HINT_MAX ? d->count : HINT_MAX);
	atomic_store(&last[f->text].numbers, numbers < HINT_MAX ? numbers : HINT_MAX);
}

/* Counts and states of a group. */
static size_t group_bytes(const struct agg_shape *s)
{
	size_t bytes = sizeof(uint64_t);

	for (uint32_t i = 0; i < s->stats_count; i++)
		bytes += agg_state_bytes(s->stats[i].kind);
	return bytes;
}

void agg_table_init(struct agg_table *t, const struct agg_shape *shape, size_t most)
{
	*t = (struct agg_table){ .shape = shape, .max = agg_room_groups(most), .most = most };
	for (uint32_t i = 0; i < shape->spec->by_count; i++)
		agg_dict_init(&t->dicts[i], hint_of(&shape->spec->by[i]));
	if (shape->direct)
		t->dicts[0].beside = group_bytes(shape);
}

void agg_table_fini(struct agg_table *t)
{
	if (!t->shape)
		return;
	for (uint32_t s = 0; s < t->shape->stats_count; s++) {
		size_t bytes = agg_state_bytes(t->shape->stats[s].kind);

		for (uint32_t g = 0; g < t->count; g++)
			agg_state_fini(t->shape->stats[s].kind, agg_table_state(t, s, g), &t->held);
		agg_spare_give(t->states[s], t->cap * bytes);
	}
	for (uint32_t i = 0; i < t->shape->spec->by_count; i++) {
		remember(&t->shape->spec->by[i], &t->dicts[i]);
		agg_dict_fini(&t->dicts[i]);
	}
	agg_spare_give(t->keys, t->cap * key_bytes(t->shape));
	agg_spare_give(t->slots, t->slots_count * sizeof t->slots[0]);
	agg_spare_give(t->counts, t->cap * sizeof t->counts[0]);
	*t = (struct agg_table){ .shape = NULL };
}

uint32_t agg_table_exact_max(const struct agg_table *t)
{
	size_t sketches = t->shape->sketches ? t->shape->sketches : 1;
	size_t n = t->max / EXACT_PART / EXACT_BYTES / sketches / (t->count ? t->count : 1);

	if (n < EXACT_MIN)
		return EXACT_MIN;
	return n < LIMIT_QUERY_DISTINCT_EXACT ? (uint32_t)n : LIMIT_QUERY_DISTINCT_EXACT;
}

/* ---------------------------------------------------------------- room for groups */

/* An array of count elements to one of cap, the new ones zero. */
static int grow_array(void *array, size_t bytes, uint32_t count, uint32_t cap, size_t *held)
{
	uint8_t *p;

	memcpy(&p, array, sizeof p);
	p = agg_spare_grow(p, count * bytes, cap * bytes);
	if (!p)
		return -ENOMEM;
	memset(p + count * bytes, 0, (cap - count) * bytes);
	*held += (cap - count) * bytes;
	memcpy(array, &p, sizeof p);
	return 0;
}

static int grow_groups(struct agg_table *t, uint32_t cap)
{
	int rc = grow_array(&t->counts, sizeof t->counts[0], t->cap, cap, &t->held);

	if (rc == 0 && !t->shape->direct)
		rc = grow_array(&t->keys, key_bytes(t->shape), t->cap, cap, &t->held);
	for (uint32_t s = 0; s < t->shape->stats_count && rc == 0; s++)
		rc = grow_array(&t->states[s], agg_state_bytes(t->shape->stats[s].kind), t->cap,
			cap, &t->held);
	if (rc == 0)
		t->cap = cap;
	return rc;
}

static uint32_t hash_of(const struct agg_key *k)
{
	uint64_t h = (uint64_t)k->bucket * UINT64_C(0x9e3779b97f4a7c15);

	for (int i = 0; i < AGG_BY_MAX; i++)
		h = (h ^ h >> 32 ^ k->ids[i]) * UINT64_C(0xd6e8feb86659fd93);
	return (uint32_t)(h >> 32);
}

static bool same(const struct agg_key *a, const struct agg_key *b)
{
	bool equal = a->bucket == b->bucket;

	for (int i = 0; i < AGG_BY_MAX; i++)
		equal &= a->ids[i] == b->ids[i];
	return equal;
}

/* Where the key is, or the free slot for it. */
static uint32_t find_slot(const struct agg_table *t, const struct agg_key *key)
{
	uint32_t at = hash_of(key) & (t->slots_count - 1);

	while (t->slots[at]) {
		struct agg_key there = key_at(t, t->slots[at] - 1);

		if (same(&there, key))
			break;
		at = (at + 1) & (t->slots_count - 1);
	}
	return at;
}

static int grow_slots(struct agg_table *t)
{
	uint32_t n = t->slots_count ? t->slots_count * 2 : SLOTS_MIN;
	uint32_t *slots = agg_spare_grow(NULL, 0, n * sizeof slots[0]);

	if (!slots)
		return -ENOMEM;
	memset(slots, 0, n * sizeof slots[0]);
	t->held += (n - t->slots_count) * sizeof slots[0];
	agg_spare_give(t->slots, t->slots_count * sizeof slots[0]);
	t->slots = slots;
	t->slots_count = n;
	for (uint32_t g = 0; g < t->count; g++) {
		struct agg_key key = key_at(t, g);

		slots[find_slot(t, &key)] = g + 1;
	}
	return 0;
}

/* ---------------------------------------------------------------- groups */

/* A value's id is its group. The dictionary has counted the room for it (agg_dict.beside). */
int agg_table_values(struct agg_table *t)
{
	uint32_t count = t->dicts[0].count;

	ASSERT(t->shape->direct);
	if (count > t->cap && grow_groups(t, t->dicts[0].cap) < 0)
		return -ENOMEM;
	t->count = count;
	return 0;
}

/* Room for one more group. One there always is: that of a total. */
static int need_group(struct agg_table *t)
{
	uint32_t cap;
	bool more;
	int rc;

	if (t->held >= t->max && t->count > 0)
		return AGG_FULL;
	rc = agg_room_slots(t->count, t->slots_count, sizeof t->slots[0], t->max, t->held, &more);
	if (rc == 0 && more)
		rc = grow_slots(t);
	if (rc != 0 || t->count < t->cap)
		return rc;
	cap = agg_room_grown(
		t->cap, GROUPS_MIN, group_bytes(t->shape) + key_bytes(t->shape), t->max, t->held);
	return cap == t->cap ? AGG_FULL : grow_groups(t, cap);
}

int agg_table_group(struct agg_table *t, const struct agg_key *key, uint32_t *out)
{
	uint32_t at = 0;
	int rc;

	if (t->shape->direct) {
		*out = key->ids[0];
		return agg_table_values(t);
	}
	if (t->slots_count)
		at = find_slot(t, key);
	if (t->slots_count && t->slots[at]) {
		*out = t->slots[at] - 1;
		return 0;
	}
	rc = need_group(t);
	if (rc != 0)
		return rc;
	key_put(t, t->count, key);
	*out = t->count++;
	t->slots[find_slot(t, key)] = t->count;
	return 0;
}

struct agg_key agg_table_key(const struct agg_table *t, uint32_t group)
{
	return t->shape->direct ? (struct agg_key){ .ids = { group } } : key_at(t, group);
}

/* ---------------------------------------------------------------- joining */

/* Where the forms of one table's dictionaries are in those of another one. */
struct joining {
	struct agg_table *to;
	struct agg_table *from;
	uint32_t forms[AGG_BY_MAX]
		      [AGG_DICT_FORMS]; /* UNKNOWN: not asked so far; AGG_NONE: written out */
};

enum { UNKNOWN = AGG_DICT_FORMS };

/* The value as the other table numbers it. */
static int translate_value(struct joining *j, uint32_t by, uint32_t id, uint32_t *out)
{
	const struct agg_dict *from = &j->from->dicts[by];
	struct agg_dict *to = &j->to->dicts[by];
	struct agg_dict_value v = from->values[id];
	uint32_t *form = v.form ? &j->forms[by][v.form - 1] : NULL;
	uint8_t text[AGG_FORM_BYTES];
	struct agg_cell c;

	if (form && *form == UNKNOWN &&
		agg_dict_form(to, &from->forms[v.form - 1].form, &j->to->held, form) < 0)
		return -ENOMEM;
	if (form && *form != AGG_NONE)
		return agg_dict_number(to, *form, v.at, j->to->max, &j->to->held, out);
	c = agg_dict_cell(from, id, text);
	return agg_dict_id(to, &c, agg_dict_hash(to, &c), j->to->max, &j->to->held, out);
}

static int translate(struct joining *j, struct agg_key *key)
{
	int rc = 0;

	for (uint32_t i = 0; i < j->to->shape->spec->by_count && rc == 0; i++)
		rc = translate_value(j, i, key->ids[i], &key->ids[i]);
	return rc;
}

static int join_group(struct joining *j, uint32_t g)
{
	struct agg_table *from = j->from;
	struct agg_table *t = j->to;
	struct agg_key key = agg_table_key(from, g);
	uint32_t to = 0;
	int rc = translate(j, &key);

	if (rc == 0)
		rc = agg_table_group(t, &key, &to);
	if (rc == AGG_FULL)
		t->ungrouped += from->counts[g];
	if (rc != 0)
		return rc < 0 ? rc : 0;
	t->counts[to] += from->counts[g];
	for (uint32_t s = 0; s < t->shape->stats_count && rc == 0; s++) {
		enum agg_stat_kind kind = t->shape->stats[s].kind;
		void *state = agg_table_state(from, s, g);

		rc = agg_state_join(
			kind, agg_table_state(t, s, to), state, agg_table_exact_max(t), &t->held);
		agg_state_fini(kind, state, &from->held);
	}
	return rc;
}

void agg_table_close(struct agg_table *t)
{
	for (uint32_t i = 0; i < t->shape->spec->by_count; i++)
		agg_dict_close(&t->dicts[i], &t->held);
	t->held -= t->slots_count * sizeof t->slots[0];
	agg_spare_give(t->slots, t->slots_count * sizeof t->slots[0]);
	t->slots = NULL;
	t->slots_count = 0;
}

int agg_table_join(struct agg_table *t, struct agg_table *from)
{
	struct joining j = { .to = t, .from = from };
	int rc = 0;

	ASSERT(t->shape == from->shape);
	agg_table_close(from);
	for (int i = 0; i < AGG_BY_MAX; i++) {
		for (int f = 0; f < AGG_DICT_FORMS; f++)
			j.forms[i][f] = UNKNOWN;
	}
	t->total += from->total;
	t->ungrouped += from->ungrouped;
	for (uint32_t g = 0; g < from->count && rc == 0; g++)
		rc = join_group(&j, g);
	return rc;
}
