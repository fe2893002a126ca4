/*
 * What a rule writes goes to a slot: two buffers for each text field and for the metadata. A slot is
 * written from what the event has now, which may lie in its other buffer; no field ever points into the
 * slot of another, so a buffer is free as soon as its twin is what the event has.
 */
#include "proto/rule/rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/base/utf8.h"
#include "proto/rule/rule_int.h"
#include "proto/rule/rule_meta.h"
#include "proto/wire/json_number.h"

enum {
	SLOT_METADATA = EVENT_TEXT_COUNT,
	SLOT_COUNT,
	/* What a row needs beside the event's bytes (storage/row.h), and more. */
	ROW_BYTES = 256,
};

struct slot {
	uint8_t *p[2];
	size_t cap;
	unsigned turn; /* the one that is free */
};

struct rule_run {
	struct rule_set *set; /* NULL: no rules */
	struct expr_scratch *scratch;
	struct slot slots[SLOT_COUNT];
	uint8_t *memory;
	unsigned events; /* since the scratch was reset */
};

static size_t slot_cap(unsigned slot)
{
	return slot == SLOT_METADATA || slot == EVENT_TEXT_DESCRIPTION
		       ? LIMIT_EVENT_BYTES + PACK_HEAD_BYTES_MAX
		       : LIMIT_FIELD_BYTES;
}

int rule_run_new(struct rule_run **out)
{
	struct rule_run *run = calloc(1, sizeof *run);

	if (!run)
		return -ENOMEM;
	*out = run;
	return 0;
}

void rule_run_free(struct rule_run **at)
{
	struct rule_run *run = *at;

	if (!run)
		return;
	rule_set_free(&run->set);
	expr_scratch_free(&run->scratch);
	free(run->memory);
	free(run);
	*at = NULL;
}

static int take_memory(struct rule_run *run)
{
	size_t n = 0, at = 0;

	for (unsigned i = 0; i < SLOT_COUNT; i++)
		n += 2 * slot_cap(i);
	if (!run->scratch)
		run->scratch = expr_scratch_new();
	if (!run->memory)
		run->memory = malloc(n);
	if (!run->scratch || !run->memory)
		return -ENOMEM;
	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		struct slot *s = &run->slots[i];

		s->cap = slot_cap(i);
		s->p[0] = run->memory + at;
		s->p[1] = s->p[0] + s->cap;
		at += 2 * s->cap;
	}
	ASSERT(at == n);
	return 0;
}

/* Rules of one name go on counting. */
static void carry_counts(struct rule_set *to, const struct rule_set *from)
{
	for (size_t i = 0; i < to->count; i++) {
		for (size_t k = 0; k < from->count; k++) {
			if (strcmp(to->list[i]->name, from->list[k]->name) == 0)
				to->list[i]->counts = from->list[k]->counts;
		}
	}
}

int rule_run_use(struct rule_run *run, struct rule_set **set)
{
	if ((*set)->count > 0 && take_memory(run) < 0)
		return -ENOMEM;
	if (run->set)
		carry_counts(*set, run->set);
	rule_set_free(&run->set);
	run->set = *set;
	*set = NULL;
	return 0;
}

size_t rule_run_rules(const struct rule_run *run)
{
	return run->set ? run->set->count : 0;
}

const char *rule_run_counts(const struct rule_run *run, size_t idx, struct rule_counts *out)
{
	ASSERT(idx < rule_run_rules(run));
	*out = run->set->list[idx]->counts;
	return run->set->list[idx]->name;
}

/* ---- slots ---- */

/* Bytes by which the event may still grow. */
static size_t growth(const struct event *ev)
{
	size_t n = event_bytes(ev);

	return n < LIMIT_EVENT_BYTES - ROW_BYTES ? LIMIT_EVENT_BYTES - ROW_BYTES - n : 0;
}

/* For n bytes at most. */
static struct wcur slot_begin(const struct slot *s, size_t n)
{
	return wcur_of(s->p[s->turn], n < s->cap ? n : s->cap);
}

/* What was written, which the event is to have; its old bytes are free from then on. */
static struct span slot_end(struct slot *s, const struct wcur *w)
{
	struct span written = span_of(s->p[s->turn], (size_t)(w->p - s->p[s->turn]));

	ASSERT(w->err == 0);
	s->turn ^= 1;
	return written;
}

/* ---- values from one place to another ---- */

struct value {
	struct span text; /* as a text; absent: it cannot be one */
	struct span raw;  /* of the metadata: as it is */
	bool holds_values;
	bool cut; /* its place got a part of it, so it stays where it was */
	char number[JSON_NUMBER_BYTES_MAX];
};

static void number_text(struct value *out, const struct walk_value *v)
{
	size_t n;

	if (v->type == WALK_UINT)
		n = json_number_put_uint(out->number, v->u);
	else if (v->type == WALK_INT)
		n = json_number_put_int(out->number, v->i);
	else
		n = json_number_put_float(out->number, v->f);
	/* As fields have them: an id 12.0 is 12. */
	if (n > 2 && memcmp(out->number + n - 2, ".0", 2) == 0)
		n -= 2;
	out->text = span_of(out->number, n);
}

/* False: nothing is there. */
static bool value_of_metadata(struct span raw, struct value *out)
{
	struct rcur c = rcur_of(raw.p, raw.n);
	struct walk_value v;

	out->raw = raw;
	if (!raw.p || walk_read(&c, &v) < 0 || v.type == WALK_NIL)
		return false;
	out->holds_values = v.type == WALK_ARRAY || v.type == WALK_MAP;
	if (walk_is_text(&v))
		out->text = v.data;
	else if (v.type == WALK_UINT || v.type == WALK_INT || v.type == WALK_FLOAT)
		number_text(out, &v);
	else if (v.type == WALK_BOOL)
		out->text = span_str(v.b ? "true" : "false");
	return true;
}

static struct rule_meta_path path_of(const struct expr_field *f)
{
	return (struct rule_meta_path){ f->keys, f->keys_count };
}

static bool value_of(const struct expr_field *f, const struct event *ev, struct value *out)
{
	out->text = out->raw = SPAN_NONE;
	out->holds_values = out->cut = false;
	switch (f->kind) {
	case EXPR_FIELD_TEXT:
		out->text = ev->text[f->text];
		return out->text.p != NULL;
	case EXPR_FIELD_SEVERITY:
		out->text = span_str(event_severity_name((enum event_severity)ev->severity));
		return true;
	default:
		return value_of_metadata(rule_meta_get(ev->metadata, path_of(f)), out);
	}
}

/* `spare`: bytes that go elsewhere, and may be used here. */
static bool put_text(struct rule_run *run, enum event_text field, struct value *value, size_t spare,
	struct event *ev)
{
	struct slot *slot = &run->slots[field];
	struct span text = value->text;
	struct wcur w;

	if (!text.p)
		return false;
	if (field != EVENT_TEXT_DESCRIPTION && text.n > LIMIT_FIELD_BYTES) {
		text.n = utf8_cut(text, LIMIT_FIELD_BYTES);
		value->cut = true;
	}
	w = slot_begin(slot, ev->text[field].n + growth(ev) + (value->cut ? 0 : spare));
	wcur_bytes(&w, text.p, text.n);
	if (w.err)
		return false;
	ev->text[field] = slot_end(slot, &w);
	if (value->cut)
		ev->flags |= EVENT_FLAG_CUT;
	return true;
}

static bool put_severity(const struct value *value, struct event *ev)
{
	int severity = value->text.p ? event_severity_find(value->text) : -1;

	if (severity >= 0)
		ev->severity = (uint8_t)severity;
	return severity >= 0;
}

static bool put_metadata(struct rule_run *run, struct rule_meta_path path,
	const struct rule_meta_value *value, size_t spare, struct event *ev)
{
	struct slot *slot = &run->slots[SLOT_METADATA];
	struct wcur w = slot_begin(slot, ev->metadata.n + growth(ev) + spare);

	if (!rule_meta_put(ev->metadata, path, value, &w))
		return false;
	ev->metadata = slot_end(slot, &w);
	return true;
}

static bool put_value(
	struct rule_run *run, const struct rule_action *a, struct value *value, struct event *ev)
{
	size_t spare =
		a->kind == RULE_ACTION_MAP ? (value->raw.p ? value->raw.n : value->text.n) : 0;
	struct rule_meta_value meta;

	switch (a->to.kind) {
	case EXPR_FIELD_TEXT:
		return put_text(run, a->to.text, value, spare, ev);
	case EXPR_FIELD_SEVERITY:
		return put_severity(value, ev);
	default:
		/* What holds values would else come to lie deeper than LIMIT_DEPTH in the end. */
		if (value->holds_values && a->to.keys_count > a->from.keys_count)
			return false;
		meta = value->raw.p ? rule_meta_raw(value->raw) : rule_meta_text(value->text);
		return put_metadata(run, path_of(&a->to), &meta, spare, ev);
	}
}

static void take_away(struct rule_run *run, const struct expr_field *f, struct event *ev)
{
	struct slot *slot = &run->slots[SLOT_METADATA];
	struct wcur w;

	if (f->kind == EXPR_FIELD_TEXT) {
		ev->text[f->text] = SPAN_NONE;
		return;
	}
	w = slot_begin(slot, ev->metadata.n);
	if (!rule_meta_take(ev->metadata, path_of(f), &w))
		return;
	ev->metadata = slot_end(slot, &w);
	if (rule_meta_is_empty(ev->metadata))
		ev->metadata = SPAN_NONE;
}

static void map(
	struct rule_run *run, struct rule *rule, const struct rule_action *a, struct event *ev)
{
	struct value value;

	if (!value_of(&a->from, ev, &value))
		return;
	if (!put_value(run, a, &value, ev))
		rule->counts.unmapped++;
	else if (a->kind == RULE_ACTION_MAP && !value.cut)
		take_away(run, &a->from, ev);
}

static void set_class(
	struct rule_run *run, struct rule *rule, const struct rule_action *a, struct event *ev)
{
	static const struct span key = { (const uint8_t *)EVENT_CLASS_KEY,
		sizeof(EVENT_CLASS_KEY) - 1 };
	struct rule_meta_value value = rule_meta_text(a->text);

	if (put_metadata(run, (struct rule_meta_path){ &key, 1 }, &value, 0, ev))
		ev->flags |= EVENT_FLAG_CLASS;
	else
		rule->counts.unmapped++;
}

/* ---- sampling ---- */

static uint64_t hash_span(struct span s, uint64_t seed)
{
	/* Absent is not empty. */
	return XXH3_64bits_withSeed(s.n ? (const void *)s.p : "", s.n, seed + (s.p != NULL));
}

/* Of what the sender said, so that an event that is sent again fares alike. */
static uint64_t hash_event(const struct event *ev, uint64_t seed)
{
	uint64_t h = seed ^ ev->severity;

	if (!(ev->flags & EVENT_FLAG_TIME_ARRIVAL))
		h = XXH3_64bits_withSeed(&ev->time_ns, sizeof ev->time_ns, h);
	for (int t = 0; t < EVENT_TEXT_COUNT; t++)
		h = hash_span(ev->text[t], h);
	return hash_span(ev->metadata, h);
}

/* ---- masks ---- */

static void mask_text(
	struct rule_run *run, struct rule *rule, enum event_text field, struct event *ev)
{
	struct span text = ev->text[field];
	struct slot *slot = &run->slots[field];
	struct rule_mask_counts counts = { 0 }, again = { 0 };
	struct wcur w = slot_begin(slot, text.n + growth(ev));

	if (!rule_mask_text(&rule->mask, text, rule->mask_with, &w, run->scratch, &counts))
		return;
	if (w.err) {
		w = slot_begin(slot, text.n);
		if (!rule_mask_text(&rule->mask, text, SPAN_NONE, &w, run->scratch, &again))
			UNREACHABLE();
		ev->flags |= EVENT_FLAG_CUT;
	}
	ev->text[field] = slot_end(slot, &w);
	rule->counts.masked += counts.texts;
	rule->counts.given_up += counts.given_up;
}

static void mask_metadata(struct rule_run *run, struct rule *rule, struct event *ev)
{
	struct span map = ev->metadata;
	struct slot *slot = &run->slots[SLOT_METADATA];
	struct rule_mask_counts counts = { 0 }, again = { 0 };
	size_t most = map.n + growth(ev);
	struct wcur w = slot_begin(slot, most + PACK_HEAD_BYTES_MAX);

	if (!rule_mask_value(&rule->mask, map, rule->mask_with, &w, run->scratch, &counts))
		return;
	if (w.err || (size_t)(w.p - slot->p[slot->turn]) > most) {
		w = slot_begin(slot, map.n + PACK_HEAD_BYTES_MAX);
		if (!rule_mask_value(&rule->mask, map, SPAN_NONE, &w, run->scratch, &again))
			UNREACHABLE();
		ev->flags |= EVENT_FLAG_CUT;
	}
	ev->metadata = slot_end(slot, &w);
	rule->counts.masked += counts.texts;
	rule->counts.given_up += counts.given_up;
}

static void mask(struct rule_run *run, struct rule *rule, struct event *ev)
{
	for (int t = 0; t < EVENT_TEXT_COUNT; t++) {
		if (rule->mask_in >> t & 1)
			mask_text(run, rule, (enum event_text)t, ev);
	}
	if (rule->mask_in & RULE_MASK_IN_METADATA)
		mask_metadata(run, rule, ev);
}

/* ---- rules ---- */

static enum rule_outcome act(
	struct rule_run *run, struct rule *rule, const struct rule_action *a, struct event *ev)
{
	switch (a->kind) {
	case RULE_ACTION_DROP:
		return RULE_DROP;
	case RULE_ACTION_SAMPLE:
		return hash_event(ev, rule->seed) < a->below ? RULE_STORE : RULE_DROP;
	case RULE_ACTION_MAP:
	case RULE_ACTION_COPY:
		map(run, rule, a, ev);
		break;
	case RULE_ACTION_TEXT:
		ev->text[a->to.text] = a->text;
		break;
	case RULE_ACTION_SEVERITY:
		ev->severity = a->severity;
		break;
	case RULE_ACTION_CLASS:
		set_class(run, rule, a, ev);
		break;
	}
	return RULE_STORE;
}

static enum rule_outcome apply(struct rule_run *run, struct rule *rule, struct event *ev)
{
	rule->counts.matched++;
	for (unsigned i = 0; i < rule->actions_count; i++) {
		if (act(run, rule, &rule->actions[i], ev) == RULE_DROP) {
			rule->counts.dropped++;
			return RULE_DROP;
		}
	}
	if (rule->masks)
		mask(run, rule, ev);
	return RULE_STORE;
}

static enum rule_outcome apply_if(struct rule_run *run, struct rule *rule, struct event *ev)
{
	uint64_t given_up = expr_scratch_given_up(run->scratch);
	bool matches = !rule->match || expr_match(rule->match, ev, run->scratch);

	given_up = expr_scratch_given_up(run->scratch) - given_up;
	if (!given_up)
		return matches ? apply(run, rule, ev) : RULE_STORE;
	/* Whether it matches is not known. */
	rule->counts.given_up += given_up;
	if (rule->masks)
		mask(run, rule, ev);
	return RULE_STORE;
}

enum rule_outcome rule_run_event(struct rule_run *run, struct event *ev)
{
	const struct rule_set *set = run->set;

	if (!set || set->count == 0)
		return RULE_STORE;
	if (++run->events == LIMIT_RULE_REGEX_EVENTS) {
		run->events = 0;
		expr_scratch_reset(run->scratch);
	}
	for (size_t i = 0; i < set->count; i++) {
		if (apply_if(run, set->list[i], ev) == RULE_DROP)
			return RULE_DROP;
	}
	return RULE_STORE;
}
