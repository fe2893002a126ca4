#include "tools/show_pick.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/wire/csv_out.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"
#include "tools/logfmt.h"
#include "tools/zonetime.h"

void show_pick_json(const struct picks *p, const struct event *ev, struct buf *out)
{
	char before = '{';

	for (size_t i = 0; i < p->count; i++) {
		struct pick_value v = pick_get(&p->list[i], ev);

		if (v.kind == PICK_VALUE_ABSENT)
			continue;
		buf_put_u8(out, (uint8_t)before);
		before = ',';
		json_out_string(span_str(p->list[i].name), out);
		buf_put_u8(out, ':');
		pick_put_json(&v, out);
	}
	buf_put_str(out, before == '{' ? "{}" : "}");
}

/* ---- CSV ---- */

void show_pick_csv_header(const struct picks *p, struct buf *out)
{
	for (size_t i = 0; i < p->count; i++) {
		if (i)
			buf_put_u8(out, ',');
		csv_out_cell(span_str(p->list[i].name), out);
	}
	buf_put_str(out, "\r\n");
}

static bool is_number(struct span msgpack)
{
	struct rcur c = rcur_of(msgpack.p, msgpack.n);
	struct walk_value v;

	return walk_read(&c, &v) == 0 &&
	       (v.type == WALK_UINT || v.type == WALK_INT || v.type == WALK_FLOAT);
}

/* No formula is in a number or in what we write ourselves. */
static void put_csv_cell(const struct pick_value *v, struct buf *out)
{
	struct buf text;

	if (v->kind == PICK_VALUE_TEXT) {
		csv_out_cell(v->text, out);
	} else if (v->kind == PICK_VALUE_DATA && !is_number(v->text)) {
		buf_init(&text, SIZE_MAX);
		pick_put_text(v, &text);
		csv_out_cell(buf_span(&text), out);
		buf_fini(&text);
	} else {
		pick_put_text(v, out);
	}
}

void show_pick_csv(const struct picks *p, const struct event *ev, struct buf *out)
{
	for (size_t i = 0; i < p->count; i++) {
		struct pick_value v = pick_get(&p->list[i], ev);

		if (i)
			buf_put_u8(out, ',');
		put_csv_cell(&v, out);
	}
	buf_put_str(out, "\r\n");
}

/* ---- logfmt ---- */

void show_pick_logfmt(
	const struct picks *p, const struct event *ev, struct buf *raw, struct buf *out)
{
	for (size_t i = 0; i < p->count; i++) {
		struct pick_value v = pick_get(&p->list[i], ev);
		struct span name = span_str(p->list[i].name);

		if (v.kind == PICK_VALUE_ABSENT)
			continue;
		if (v.kind == PICK_VALUE_DATA) {
			logfmt_put_data(name, v.text, raw, out);
			continue;
		}
		buf_reset(raw);
		pick_put_text(&v, raw);
		/* An empty text is there all the same. */
		logfmt_put_pair(name, raw->len ? buf_span(raw) : SPAN_LIT(""), out);
	}
}

/* ---- tables ---- */

void show_pick_columns(const struct picks *p, struct table *t)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct pick *pick = &p->list[i];
		bool is_field = pick->kind == PICK_FIELD;
		bool rigid = is_field && pick->field.kind != EXPR_FIELD_TEXT &&
			     pick->field.kind != EXPR_FIELD_META;

		table_column(t, pick->name,
			is_field && pick->field.kind == EXPR_FIELD_ID ? TABLE_RIGHT : TABLE_LEFT,
			rigid);
	}
}

/* Each cell: its severity plus one, or 0; its length; its text. */
static void put_cell(uint8_t tint, struct span text, struct buf *record)
{
	uint32_t n = (uint32_t)text.n;

	buf_put_u8(record, tint);
	buf_put(record, &n, sizeof n);
	buf_put_span(record, text);
}

void show_pick_cells(struct show *s, const struct event *ev, struct buf *record)
{
	for (size_t i = 0; i < s->picks->count; i++) {
		const struct pick *pick = &s->picks->list[i];
		struct pick_value v = pick_get(pick, ev);
		uint8_t tint = v.kind == PICK_VALUE_WORD ? (uint8_t)(ev->severity + 1) : 0;

		buf_reset(&s->raw);
		if (v.kind == PICK_VALUE_TIME)
			zonetime_put(v.ns, s->utc, 3, &s->raw);
		else
			pick_put_text(&v, &s->raw);
		put_cell(tint, buf_span(&s->raw), record);
	}
}

void show_pick_lay(struct span record, struct table *t)
{
	while (record.n) {
		uint8_t tint = record.p[0];
		uint32_t n;

		ASSERT(record.n >= 1 + sizeof n);
		memcpy(&n, record.p + 1, sizeof n);
		record = span_of(record.p + 1 + sizeof n, record.n - 1 - sizeof n);
		ASSERT(n <= record.n);
		table_cell(t, span_of(record.p, n), tint ? term_severity_style(tint - 1u) : NULL);
		record = span_of(record.p + n, record.n - n);
	}
}
