#include "tests/support/scan_ask.h"

#include "proto/base/check.h"

void scan_ask_init(struct scan_ask *a)
{
	scan_spec_init(&a->spec);
	expr_builder_init(&a->builder);
	a->where = expr_true(&a->builder);
	a->scratch = expr_scratch_new();
	ASSERT(a->scratch);
}

void scan_ask_fini(struct scan_ask *a)
{
	expr_scratch_free(&a->scratch);
	expr_builder_fini(&a->builder);
}

void scan_ask_and(struct scan_ask *a, const struct expr *x)
{
	a->where = expr_and(&a->builder, a->where, x);
	ASSERT(a->where);
}

void scan_ask_texts(
	struct scan_ask *a, enum event_text field, const struct span *values, uint32_t count)
{
	scan_ask_and(a, expr_text_in(&a->builder, field, values, count));
}

void scan_ask_text(struct scan_ask *a, enum event_text field, struct span value)
{
	scan_ask_texts(a, field, &value, 1);
}

void scan_ask_contains(struct scan_ask *a, struct span needle)
{
	const struct expr_field f = expr_field_text(EVENT_TEXT_DESCRIPTION);

	scan_ask_and(a, expr_contains(&a->builder, &f, needle));
}

void scan_ask_severity(struct scan_ask *a, uint8_t mask)
{
	scan_ask_and(a, expr_severity(&a->builder, mask));
}

void scan_ask_range(struct scan_ask *a, enum expr_field_kind field, uint64_t lo, uint64_t hi)
{
	const struct expr_field f = expr_field_of(field);
	const struct expr_range r = { lo, hi };

	scan_ask_and(a, expr_ranges(&a->builder, &f, &r, 1));
}

const struct scan_spec *scan_ask_spec(struct scan_ask *a)
{
	a->spec.where = expr_normalise(&a->builder, a->where);
	ASSERT(a->spec.where);
	return &a->spec;
}

bool scan_ask_matches(const struct scan_ask *a, const struct event *ev)
{
	const struct scan_spec *s = &a->spec;

	return ev->time_ns >= s->from_ns && ev->time_ns <= s->to_ns && ev->id >= s->id_min &&
	       ev->id <= s->id_max && expr_match(s->where, ev, a->scratch);
}
