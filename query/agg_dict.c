/*
 * Tables by hash, all open: one of short texts, whose slots hold the whole text, so that most lookups touch
 * one line of memory; one of all other values, whose slots name the cell; and one for each form of texts
 * that came as numbers. Texts of a form that were there before it are entered there, too; from then on they
 * are looked up as numbers alone.
 */
#include "query/agg_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "query/agg_spare.h"

enum {
	CELLS_MIN = 16,
	SLOTS_MIN = 64,
	SHORT_BYTES = 16,
	FORMS_BYTES = AGG_DICT_FORMS * sizeof(struct agg_form),
};

/* A text of up to SHORT_BYTES: its first bytes and its last ones, which overlap, and its length. */
struct agg_dict_short {
	uint64_t first, last;
	uint32_t length;
	uint32_t id; /* + 1; 0: free */
};

void agg_dict_init(struct agg_dict *d, struct agg_dict_hint hint)
{
	*d = (struct agg_dict){ .hint = hint };
	/* Twice: what a join adds is counted against the limit only when it is there. */
	arena_init(&d->texts, 2 * (size_t)AGG_BYTES_MAX);
}

void agg_dict_fini(struct agg_dict *d)
{
	agg_spare_give(d->values, d->cap * sizeof d->values[0]);
	agg_spare_give(d->cells, d->cells_cap * sizeof d->cells[0]);
	agg_spare_give(d->slots, d->slots_count * sizeof d->slots[0]);
	agg_spare_give(d->shorts, d->shorts_slots * sizeof d->shorts[0]);
	for (uint32_t i = 0; i < d->forms_count; i++)
		agg_form_fini(&d->forms[i]);
	free(d->forms);
	arena_fini(&d->texts);
	*d = (struct agg_dict){ .count = 0 };
}

void agg_dict_close(struct agg_dict *d, size_t *held)
{
	*held -= d->slots_count * sizeof d->slots[0] + d->shorts_slots * sizeof d->shorts[0];
	agg_spare_give(d->slots, d->slots_count * sizeof d->slots[0]);
	agg_spare_give(d->shorts, d->shorts_slots * sizeof d->shorts[0]);
	d->slots = NULL;
	d->shorts = NULL;
	d->slots_count = d->shorts_slots = 0;
	for (uint32_t i = 0; i < d->forms_count; i++) {
		*held -= d->forms[i].slots_count * sizeof d->forms[i].slots[0];
		agg_form_fini(&d->forms[i]);
		d->forms[i].slots = NULL;
		d->forms[i].slots_count = 0;
	}
}

/* ---------------------------------------------------------------- keys */

static bool is_short(const struct agg_cell *c)
{
	return c->kind == AGG_CELL_TEXT && c->text.n <= SHORT_BYTES;
}

static uint64_t load(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

static struct agg_dict_short short_of(struct span s)
{
	struct agg_dict_short k = { .length = (uint32_t)s.n };

	if (s.n >= 8) {
		k.first = load(s.p, 8);
		k.last = load(s.p + s.n - 8, 8);
	} else if (s.n >= 4) {
		k.first = load(s.p, 4);
		k.last = load(s.p + s.n - 4, 4);
	} else {
		for (size_t i = 0; i < s.n; i++)
			k.first = k.first << 8 | s.p[i];
	}
	return k;
}

static uint64_t hash_short(const struct agg_dict_short *k)
{
	uint64_t h = (k->first ^ k->length) * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ h >> 29 ^ k->last) * UINT64_C(0xd6e8feb86659fd93);
	h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

static bool same_short(const struct agg_dict_short *a, const struct agg_dict_short *b)
{
	return a->first == b->first && a->last == b->last && a->length == b->length;
}

uint64_t agg_dict_hash(const struct agg_dict *d, const struct agg_cell *c)
{
	struct agg_dict_short k;
	uint64_t hash;

	if (!is_short(c)) {
		hash = agg_cell_hash(c);
		if (d->slots_count)
			__builtin_prefetch(&d->slots[(hash >> 32) & (d->slots_count - 1)]);
		return hash;
	}
	k = short_of(c->text);
	hash = hash_short(&k);
	if (d->shorts_slots)
		__builtin_prefetch(&d->shorts[hash & (d->shorts_slots - 1)]);
	return hash;
}

/* ---------------------------------------------------------------- cells */

/* Room for one more id. */
static int need_value(struct agg_dict *d, size_t max, size_t *held)
{
	size_t bytes = sizeof d->values[0];
	struct agg_dict_value *values;
	uint32_t cap;

	if (d->count < d->cap)
		return 0;
	cap = agg_room_grown(d->cap, CELLS_MIN, bytes + d->beside, max, *held);
	if (cap == d->cap)
		return AGG_FULL;
	while (d->cap == 0 && cap < d->hint.values)
		cap *= 2;
	values = agg_spare_grow(d->values, d->cap * bytes, cap * bytes);
	if (!values)
		return -ENOMEM;
	*held += (cap - d->cap) * bytes;
	d->values = values;
	d->cap = cap;
	return 0;
}

static int need_cell(struct agg_dict *d, size_t max, size_t *held)
{
	size_t bytes = sizeof d->cells[0];
	struct agg_cell *cells;
	uint32_t cap;

	if (d->cells_count < d->cells_cap)
		return 0;
	cap = agg_room_grown(d->cells_cap, CELLS_MIN, bytes, max, *held);
	if (cap == d->cells_cap)
		return AGG_FULL;
	cells = agg_spare_grow(d->cells, d->cells_cap * bytes, cap * bytes);
	if (!cells)
		return -ENOMEM;
	*held += (cap - d->cells_cap) * bytes;
	d->cells = cells;
	d->cells_cap = cap;
	return 0;
}

static int copy(struct agg_dict *d, const struct agg_cell *c, size_t *held, struct agg_cell *out)
{
	size_t before = d->texts.used;

	*out = *c;
	if (c->kind != AGG_CELL_TEXT && c->kind != AGG_CELL_MSGPACK)
		return 0;
	/* A byte more: an empty text has an address too. */
	out->text.p = arena_alloc(&d->texts, c->text.n + 1);
	if (!out->text.p)
		return -ENOMEM;
	if (c->text.n)
		memcpy((uint8_t *)(uintptr_t)out->text.p, c->text.p, c->text.n);
	*held += d->texts.used - before;
	return 0;
}

/* The next id is the cell's. */
static int add(struct agg_dict *d, const struct agg_cell *c, size_t max, size_t *held)
{
	int rc = *held >= max ? AGG_FULL : need_cell(d, max, held);

	if (rc == 0)
		rc = need_value(d, max, held);
	if (rc == 0)
		rc = copy(d, c, held, &d->cells[d->cells_count]);
	if (rc == 0)
		d->values[d->count++] = (struct agg_dict_value){ .at = d->cells_count++ };
	return rc;
}

/* ---------------------------------------------------------------- short texts */

static struct agg_dict_short *find_short(struct agg_dict_short *shorts, uint32_t slots,
	const struct agg_dict_short *k, uint64_t hash)
{
	uint32_t at = (uint32_t)hash & (slots - 1);

	while (shorts[at].id && !same_short(&shorts[at], k))
		at = (at + 1) & (slots - 1);
	return &shorts[at];
}

static int grow_shorts(struct agg_dict *d, size_t *held)
{
	uint32_t n = d->shorts_slots ? d->shorts_slots * 2 : SLOTS_MIN;
	struct agg_dict_short *shorts = agg_spare_grow(NULL, 0, n * sizeof shorts[0]);

	if (!shorts)
		return -ENOMEM;
	memset(shorts, 0, n * sizeof shorts[0]);
	for (uint32_t i = 0; i < d->shorts_slots; i++) {
		const struct agg_dict_short *k = &d->shorts[i];

		if (k->id)
			*find_short(shorts, n, k, hash_short(k)) = *k;
	}
	*held += (n - d->shorts_slots) * sizeof shorts[0];
	agg_spare_give(d->shorts, d->shorts_slots * sizeof shorts[0]);
	d->shorts = shorts;
	d->shorts_slots = n;
	return 0;
}

/* Room for one more. */
static int need_short(struct agg_dict *d, size_t max, size_t *held)
{
	bool more;
	int rc = agg_room_slots(
		d->shorts_count, d->shorts_slots, sizeof d->shorts[0], max, *held, &more);

	return rc == 0 && more ? grow_shorts(d, held) : rc;
}

static int short_id(struct agg_dict *d, const struct agg_cell *c, uint64_t hash, size_t max,
	size_t *held, uint32_t *out)
{
	struct agg_dict_short k = short_of(c->text), *slot = NULL;
	int rc;

	if (d->shorts_slots)
		slot = find_short(d->shorts, d->shorts_slots, &k, hash);
	if (slot && slot->id) {
		*out = slot->id - 1;
		return 0;
	}
	rc = need_short(d, max, held);
	if (rc == 0)
		rc = add(d, c, max, held);
	if (rc != 0)
		return rc;
	k.id = d->count;
	*find_short(d->shorts, d->shorts_slots, &k, hash) = k;
	*out = d->count - 1;
	d->shorts_count++;
	return 0;
}

/* ---------------------------------------------------------------- all others */

static int grow_slots(struct agg_dict *d, size_t *held)
{
	uint32_t n = d->slots_count ? d->slots_count * 2 : SLOTS_MIN;
	uint64_t *slots = agg_spare_grow(NULL, 0, n * sizeof slots[0]);

	if (!slots)
		return -ENOMEM;
	memset(slots, 0, n * sizeof slots[0]);
	for (uint32_t i = 0; i < d->slots_count; i++) {
		uint32_t at = (uint32_t)(d->slots[i] >> 32) & (n - 1);

		if (!d->slots[i])
			continue;
		while (slots[at])
			at = (at + 1) & (n - 1);
		slots[at] = d->slots[i];
	}
	*held += (n - d->slots_count) * sizeof slots[0];
	agg_spare_give(d->slots, d->slots_count * sizeof slots[0]);
	d->slots = slots;
	d->slots_count = n;
	return 0;
}

/* Room for one more. */
static int need_slot(struct agg_dict *d, size_t max, size_t *held)
{
	bool more;
	int rc = agg_room_slots(
		d->others_count, d->slots_count, sizeof d->slots[0], max, *held, &more);

	return rc == 0 && more ? grow_slots(d, held) : rc;
}

/* AGG_NONE: it is not there. */
static uint32_t find_other(const struct agg_dict *d, const struct agg_cell *c, uint32_t half)
{
	uint32_t at = half & (d->slots_count - 1);

	for (; d->slots_count && d->slots[at]; at = (at + 1) & (d->slots_count - 1)) {
		uint32_t id = (uint32_t)d->slots[at] - 1;

		if ((uint32_t)(d->slots[at] >> 32) == half &&
			agg_cell_same(&d->cells[d->values[id].at], c))
			return id;
	}
	return AGG_NONE;
}

static int other_id(struct agg_dict *d, const struct agg_cell *c, uint64_t hash, size_t max,
	size_t *held, uint32_t *out)
{
	uint32_t half = (uint32_t)(hash >> 32), at;
	int rc;

	*out = find_other(d, c, half);
	if (*out != AGG_NONE)
		return 0;
	rc = need_slot(d, max, held);
	if (rc == 0)
		rc = add(d, c, max, held);
	if (rc != 0)
		return rc;
	at = half & (d->slots_count - 1);
	while (d->slots[at])
		at = (at + 1) & (d->slots_count - 1);
	d->slots[at] = (uint64_t)half << 32 | d->count;
	*out = d->count - 1;
	d->others_count++;
	return 0;
}

/* ---------------------------------------------------------------- numbers */

/* The place of a form that is known. */
static uint32_t find_form(const struct agg_dict *d, const struct col_text_form *f)
{
	for (uint32_t i = 0; i < d->forms_count; i++) {
		if (agg_form_same(&d->forms[i].form, f))
			return i;
	}
	return AGG_NONE;
}

/* Values that came as texts before the form was known. */
static int adopt(struct agg_dict *d, struct agg_form *form, size_t *held)
{
	int rc = 0;

	for (uint32_t id = 0; id < d->count && rc == 0; id++) {
		struct agg_dict_value v = d->values[id];
		struct col_text_form f;
		uint32_t number;

		if (v.form || d->cells[v.at].kind != AGG_CELL_TEXT)
			continue;
		if (!agg_form_of(d->cells[v.at].text, &f, &number) ||
			!agg_form_same(&f, &form->form))
			continue;
		rc = agg_form_need(form, 0, SIZE_MAX, held);
		if (rc == 0)
			agg_form_add(form, number, id);
	}
	return rc;
}

/* The form with its texts copied. */
static int copy_form(
	struct agg_dict *d, const struct col_text_form *f, size_t *held, struct agg_form *out)
{
	size_t before = d->texts.used;

	*out = (struct agg_form){ .form = *f };
	out->form.front.p = arena_dup(&d->texts, f->front.p, f->front.n);
	out->form.back.p = arena_dup(&d->texts, f->back.p, f->back.n);
	*held += d->texts.used - before;
	return out->form.front.p && out->form.back.p ? 0 : -ENOMEM;
}

int agg_dict_form(struct agg_dict *d, const struct col_text_form *f, size_t *held, uint32_t *out)
{
	struct agg_form *form;
	int rc;

	*out = find_form(d, f);
	if (*out != AGG_NONE || d->forms_count == AGG_DICT_FORMS)
		return 0;
	if (!d->forms) {
		d->forms = malloc(FORMS_BYTES);
		if (!d->forms)
			return -ENOMEM;
		*held += FORMS_BYTES;
	}
	form = &d->forms[d->forms_count];
	rc = copy_form(d, f, held, form);
	if (rc == 0)
		rc = adopt(d, form, held);
	if (rc < 0) {
		agg_form_fini(form);
		return rc;
	}
	*out = d->forms_count++;
	return 0;
}

int agg_dict_number(
	struct agg_dict *d, uint32_t form, uint32_t number, size_t max, size_t *held, uint32_t *out)
{
	struct agg_form *f = &d->forms[form];
	int rc;

	*out = agg_form_find(f, number);
	if (*out != AGG_NONE)
		return 0;
	rc = *held >= max ? AGG_FULL : agg_form_need(f, d->hint.numbers, max, held);
	if (rc == 0)
		rc = need_value(d, max, held);
	if (rc != 0)
		return rc;
	agg_form_add(f, number, d->count);
	*out = d->count;
	d->values[d->count++] = (struct agg_dict_value){ form + 1, number };
	return 0;
}

/* ---------------------------------------------------------------- face */

struct agg_cell agg_dict_cell(const struct agg_dict *d, uint32_t id, uint8_t *text)
{
	struct agg_dict_value v = d->values[id];

	ASSERT_SLOW(id < d->count);
	if (!v.form)
		return d->cells[v.at];
	return agg_cell_of_text(agg_form_put(&d->forms[v.form - 1].form, v.at, text));
}

int agg_dict_cmp(const struct agg_dict *d, uint32_t a, uint32_t b)
{
	struct agg_dict_value x = d->values[a], y = d->values[b];
	uint8_t texts[2][AGG_FORM_BYTES];
	struct agg_cell c[2];

	/* As many digits, and what stands around them is the same. */
	if (x.form && x.form == y.form)
		return (x.at > y.at) - (x.at < y.at);
	c[0] = agg_dict_cell(d, a, texts[0]);
	c[1] = agg_dict_cell(d, b, texts[1]);
	return agg_cell_cmp(&c[0], &c[1]);
}

int agg_dict_id(struct agg_dict *d, const struct agg_cell *c, uint64_t hash, size_t max,
	size_t *held, uint32_t *out)
{
	struct col_text_form f;
	uint32_t number, form;

	if (d->forms_count && c->kind == AGG_CELL_TEXT && agg_form_of(c->text, &f, &number)) {
		form = find_form(d, &f);
		if (form != AGG_NONE)
			return agg_dict_number(d, form, number, max, held, out);
	}
	return is_short(c) ? short_id(d, c, hash, max, held, out)
			   : other_id(d, c, hash, max, held, out);
}
