#include "tests/support/expr_gen.h"

#include <stdio.h>

#include "proto/base/check.h"
#include "proto/wire/pack.h"

static unsigned below(const struct expr_gen *g, unsigned n)
{
	return event_gen_below(g->dice, n);
}

/* ---------------------------------------------------------------- metadata */

static void put_key(struct buf *b, const char *key)
{
	pack_str(b, span_str(key));
}

static void put_text(struct event_gen *d, struct buf *b)
{
	char text[64];

	switch (event_gen_below(d, 4)) {
	case 0:
		pack_str(b, SPAN_LIT("Paris"));
		break;
	case 1:
		pack_str(b, SPAN_LIT("12.50"));
		break;
	case 2:
		pack_str(b, SPAN_LIT(""));
		break;
	default:
		snprintf(text, sizeof text, "city %u of Zephyria", event_gen_below(d, 2000));
		pack_str(b, span_str(text));
		break;
	}
}

/* Written so that no column of numbers takes it, or no number at all. */
static void put_odd(struct event_gen *d, struct buf *b)
{
	static const struct span odd[] = {
		SPAN_LIT("\xca\x41\x48\x00\x00"), /* 12.5 in 32 bits */
		SPAN_LIT("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
		SPAN_LIT("\xcd\x00\x07"), /* 7, wider than need be */
		SPAN_LIT("\xc4\x02hi"),   /* bytes */
		SPAN_LIT("\x80"),         /* an empty map */
		SPAN_LIT("\x93\x01\xa5Paris\x03"),
		SPAN_LIT("\x81\xa4"
			 "city\xcd\x00\x09"),
		SPAN_LIT("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), /* not a number */
	};

	buf_put_span(b, odd[event_gen_below(d, ARRAY_COUNT(odd))]);
}

static void put_value(struct event_gen *d, struct buf *b)
{
	switch (event_gen_below(d, 8)) {
	case 0:
		pack_nil(b);
		break;
	case 1:
		pack_bool(b, event_gen_below(d, 2));
		break;
	case 2:
		pack_double(b, event_gen_below(d, 100) / 7.0);
		break;
	case 3:
		put_odd(d, b);
		break;
	case 4:
		put_text(d, b);
		break;
	case 5:
		pack_double(b, event_gen_below(d, 4000) / 100.0);
		break;
	default:
		pack_int(b, (int64_t)event_gen_below(d, 30) - 5);
		break;
	}
}

/* Of one row in many a value where others have a map, or one that is not taken apart. */
static void put_geo(struct event_gen *d, struct buf *b)
{
	if (event_gen_below(d, 40) == 0) {
		put_odd(d, b);
		return;
	}
	pack_map_head(b, 2);
	put_key(b, "city");
	put_text(d, b);
	put_key(b, "place");
	pack_map_head(b, 1);
	put_key(b, "lat");
	put_value(d, b);
}

void expr_gen_metadata(struct event_gen *d, struct buf *b)
{
	unsigned has = event_gen_below(d, 64);
	char code[16];

	pack_map_head(b, (uint32_t)__builtin_popcount(has));
	if (has & 1) {
		put_key(b, "error_code");
		snprintf(code, sizeof code, "E%u", 4100 + event_gen_below(d, 12));
		pack_str(b, span_str(code));
	}
	if (has & 2) {
		put_key(b, "amount");
		pack_double(b, event_gen_below(d, 4000) / 100.0);
	}
	if (has & 4) {
		put_key(b, "any");
		put_value(d, b);
	}
	if (has & 8) {
		put_key(b, "geo");
		put_geo(d, b);
	}
	if (has & 16) {
		put_key(b, "retries");
		pack_int(b, event_gen_below(d, 9));
	}
	if (has & 32) {
		put_key(b, "note");
		put_text(d, b);
	}
}

/* ---------------------------------------------------------------- values */

static const struct event *some_event(const struct expr_gen *g)
{
	return &g->events[below(g, (unsigned)g->events_count)];
}

static struct expr_field some_path(const struct expr_gen *g, struct expr_builder *b)
{
	static const char *const paths[] = { "metadata.error_code", "metadata.amount",
		"metadata.any", "metadata.geo", "metadata.geo.city", "metadata.geo.place",
		"metadata.geo.place.lat", "metadata.retries", "metadata.note", "metadata.nothing",
		"metadata.any.city", "metadata.n" };
	struct expr_field f;
	int rc = expr_field_find(b, span_str(paths[below(g, ARRAY_COUNT(paths))]), &f);

	ASSERT(rc == 0);
	return f;
}

struct expr_field expr_gen_field(const struct expr_gen *g, struct expr_builder *b)
{
	switch (below(g, 5)) {
	case 0:
		return expr_field_of((enum expr_field_kind)(EXPR_FIELD_SEVERITY + below(g, 4)));
	case 1:
	case 2:
		return some_path(g, b);
	default:
		return expr_field_text((enum event_text)below(g, EVENT_TEXT_COUNT));
	}
}

static struct expr_value some_value(const struct expr_gen *g, const struct expr_field *f)
{
	static const char *const words[] = { "E4102", "e4102", "Paris", "12.5", "12.50", "7", "-3",
		"0", "true", "null", "18446744073709551615", "1e1", "", "TYPE_3", "ent-000100" };
	struct span v = SPAN_NONE;

	if (f->kind == EXPR_FIELD_TEXT && below(g, 4))
		v = some_event(g)->text[f->text];
	if (!v.p)
		v = span_str(words[below(g, ARRAY_COUNT(words))]);
	return below(g, 2) ? expr_value_quoted(v) : expr_value_bare(v);
}

static struct span some_piece(const struct expr_gen *g, const struct expr_field *f)
{
	static const char *const words[] = { "zEPHYR", "not there", "a", "PAR", "4102", "-0001" };
	struct span v = SPAN_NONE;
	unsigned from, n;

	if (f->kind == EXPR_FIELD_TEXT && below(g, 4))
		v = some_event(g)->text[f->text];
	if (v.n == 0)
		return span_str(words[below(g, ARRAY_COUNT(words))]);
	from = below(g, (unsigned)v.n);
	n = 1 + below(g, (unsigned)(v.n - from));
	return span_of(v.p + from, n < 60 ? n : 60);
}

/* ---------------------------------------------------------------- tests */

static const struct expr *in(
	const struct expr_gen *g, struct expr_builder *b, const struct expr_field *f)
{
	struct expr_value values[4];
	unsigned n = 1 + below(g, ARRAY_COUNT(values));

	for (unsigned i = 0; i < n; i++)
		values[i] = some_value(g, f);
	return expr_in(b, f, values, n);
}

static const struct expr *regex(
	const struct expr_gen *g, struct expr_builder *b, const struct expr_field *f)
{
	static const char *const patterns[] = { "^TYPE_[13]$", "Pay.*FAIL", "(?i)zephyr",
		"E41\\d2$", "Payment|login", "^$", "user-(1|2)0", "city 1\\d+ of", "[0-9a-f]{8}" };

	return expr_matches(
		b, f, span_str(patterns[below(g, ARRAY_COUNT(patterns))]), NULL, NULL, 0);
}

static const struct expr *of_values(
	const struct expr_gen *g, struct expr_builder *b, const struct expr_field *f)
{
	struct expr_value v;

	switch (below(g, 7)) {
	case 0:
		return expr_exists(b, f);
	case 1:
		v = some_value(g, f);
		return expr_order(b, f, (enum expr_order)below(g, 4), &v);
	case 2:
		return expr_contains(b, f, some_piece(g, f));
	case 3:
		return regex(g, b, f);
	default:
		return in(g, b, f);
	}
}

static uint64_t number_of(const struct expr_field *f, const struct event *ev)
{
	if (f->kind == EXPR_FIELD_ID)
		return ev->id;
	return expr_time_key(f->kind == EXPR_FIELD_TIME ? ev->time_ns : ev->received_ns);
}

static const struct expr *ranges(const struct expr_gen *g, struct expr_builder *b)
{
	struct expr_field f = expr_field_of((enum expr_field_kind)(EXPR_FIELD_ID + below(g, 3)));
	struct expr_range r[3];
	unsigned n = 1 + below(g, ARRAY_COUNT(r));

	for (unsigned i = 0; i < n; i++) {
		uint64_t x = number_of(&f, some_event(g)), y = number_of(&f, some_event(g));

		if (below(g, 3) == 0)
			y = x;
		r[i] = (struct expr_range){ x < y ? x : y, x < y ? y : x };
	}
	return expr_ranges(b, &f, r, n);
}

static const struct expr *test(const struct expr_gen *g, struct expr_builder *b)
{
	struct expr_field f;

	switch (below(g, 8)) {
	case 0:
		return expr_severity(b, (uint8_t)event_gen_random(g->dice));
	case 1:
		return ranges(g, b);
	case 2:
	case 3:
	case 4:
		f = some_path(g, b);
		break;
	default:
		f = expr_field_text((enum event_text)below(g, EVENT_TEXT_COUNT));
		break;
	}
	return of_values(g, b, &f);
}

const struct expr *expr_gen_tree(const struct expr_gen *g, struct expr_builder *b, unsigned levels)
{
	const struct expr *args[3];
	unsigned n = 1 + below(g, ARRAY_COUNT(args));

	if (levels == 0 || below(g, 4) == 0)
		return below(g, 3) ? test(g, b) : expr_not(b, test(g, b));
	for (unsigned i = 0; i < n; i++)
		args[i] = expr_gen_tree(g, b, levels - 1);
	if (n == 1)
		return expr_not(b, args[0]);
	return expr_list(b, below(g, 2) ? EXPR_AND : EXPR_OR, args, n);
}
