#include "tools/pick.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"
#include "proto/svc/conf.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"

void pick_init(struct picks *p)
{
	*p = (struct picks){ .count = 0 };
	expr_builder_init(&p->names);
}

void pick_fini(struct picks *p)
{
	expr_builder_fini(&p->names);
	p->count = 0;
}

static int unknown(const char *name, struct diag *d)
{
	const char *known[EVENT_TEXT_COUNT + 6] = { "severity", "id", "timestamp", "received",
		"metadata", "flags" };
	const char *near;

	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		known[6 + i] = event_text_name((enum event_text)i);
	near = conf_closest(name, known, ARRAY_COUNT(known));
	return diag_set(d, ERR_UNKNOWN, "", -1, "'%.64s' is no field of an event%s%s%s", name,
		near ? "; did you mean " : "; fields of the metadata are written metadata.NAME",
		near ? near : "", near ? "?" : "");
}

static int add(struct picks *p, const char *name, size_t n, struct diag *d)
{
	struct pick *pick = &p->list[p->count];

	if (p->count == PICK_MAX)
		return diag_set(d, ERR_LIMIT, "", -1, "more than %d fields", PICK_MAX);
	pick->name = arena_alloc(&p->names.arena, n + 1);
	if (!pick->name)
		return diag_set(d, -ENOMEM, "", -1, "no memory for the names");
	memcpy(pick->name, name, n);
	pick->name[n] = 0;
	pick->kind = PICK_FIELD;
	if (strcmp(pick->name, "metadata") == 0)
		pick->kind = PICK_METADATA;
	else if (strcmp(pick->name, "flags") == 0)
		pick->kind = PICK_FLAGS;
	else if (expr_field_find(&p->names, span_of(pick->name, n), &pick->field) < 0)
		return unknown(pick->name, d);
	p->count++;
	return 0;
}

int pick_read(struct picks *p, const char *text, struct diag *d)
{
	int rc = 0;

	for (;;) {
		size_t n = 0, end;
		bool quoted = false;

		text += strspn(text, " ");
		while (text[n] && (quoted || text[n] != ',')) {
			quoted ^= text[n] == '"';
			n++;
		}
		end = n;
		while (end && text[end - 1] == ' ')
			end--;
		rc = add(p, text, end, d);
		if (rc < 0 || !text[n])
			return rc;
		text += n + 1;
	}
}

/* The value at the end of the path, or absent. The last of equal keys counts, as in the store. */
static struct span at_path(struct span map, const struct span *keys, uint32_t count)
{
	struct rcur c = rcur_of(map.p, map.n);
	struct span found = SPAN_NONE;
	struct walk_value head, name;

	if (count == 0)
		return map;
	if (!map.p || walk_read(&c, &head) < 0 || head.type != WALK_MAP)
		return SPAN_NONE;
	for (uint32_t i = 0; i < head.count; i++) {
		struct span key, value;
		struct rcur k;

		if (walk_take(&c, &key) < 0 || walk_take(&c, &value) < 0)
			return SPAN_NONE;
		k = rcur_of(key.p, key.n);
		if (walk_read(&k, &name) == 0 && name.type == WALK_STR &&
			span_eq(name.data, keys[0]))
			found = value;
	}
	return found.p ? at_path(found, keys + 1, count - 1) : SPAN_NONE;
}

static struct pick_value of_text(struct span text)
{
	return (struct pick_value){
		.kind = text.p ? PICK_VALUE_TEXT : PICK_VALUE_ABSENT,
		.text = text,
	};
}

/* A text stands for itself, all else as msgpack. */
static struct pick_value of_data(struct span msgpack)
{
	struct rcur c = rcur_of(msgpack.p, msgpack.n);
	struct walk_value v;

	if (!msgpack.p)
		return of_text(SPAN_NONE);
	if (walk_read(&c, &v) == 0 && v.type == WALK_STR)
		return of_text(v.data);
	return (struct pick_value){ .kind = PICK_VALUE_DATA, .text = msgpack };
}

static struct pick_value of_field(const struct expr_field *f, const struct event *ev)
{
	switch (f->kind) {
	case EXPR_FIELD_TEXT:
		return of_text(ev->text[f->text]);
	case EXPR_FIELD_SEVERITY:
		return (struct pick_value){
			.kind = PICK_VALUE_WORD,
			.text = span_str(event_severity_name((enum event_severity)ev->severity)),
		};
	case EXPR_FIELD_ID:
		return (struct pick_value){ .kind = PICK_VALUE_ID, .id = ev->id };
	case EXPR_FIELD_TIME:
		return (struct pick_value){ .kind = PICK_VALUE_TIME, .ns = ev->time_ns };
	case EXPR_FIELD_RECEIVED:
		return (struct pick_value){ .kind = PICK_VALUE_TIME, .ns = ev->received_ns };
	case EXPR_FIELD_META:
		return of_data(at_path(ev->metadata, f->keys, f->keys_count));
	}
	UNREACHABLE();
}

struct pick_value pick_get(const struct pick *p, const struct event *ev)
{
	if (p->kind == PICK_METADATA)
		return of_data(ev->metadata);
	if (p->kind == PICK_FLAGS)
		return (struct pick_value){
			.kind = ev->flags & EVENT_FLAGS_SHOWN ? PICK_VALUE_FLAGS
							      : PICK_VALUE_ABSENT,
			.flags = ev->flags & EVENT_FLAGS_SHOWN,
		};
	return of_field(&p->field, ev);
}

/* ---- values as text ---- */

static void put_flags(unsigned flags, bool json, struct buf *out)
{
	const char *before = json ? "[" : "";

	for (unsigned bit = EVENT_FLAG_TIME_ODD; bit <= EVENT_FLAG_PARTIAL; bit <<= 1) {
		const char *quote = json ? "\"" : "";

		if (!(flags & EVENT_FLAGS_SHOWN & bit))
			continue;
		buf_printf(out, "%s%s%s%s", before, quote, json_out_flag_name((enum event_flag)bit),
			quote);
		before = json ? "," : " ";
	}
	if (json)
		buf_put_u8(out, ']');
}

static void put_time(int64_t ns, struct buf *out)
{
	char text[TIMEFMT_BYTES_MAX];

	buf_put(out, text, timefmt_put(text, ns));
}

/* What cannot be read is null, as in a whole event. */
static void put_data(struct span msgpack, struct buf *out)
{
	int rc = json_out_value(msgpack, out);

	if (rc == ERR_LIMIT || rc == -ENOMEM)
		out->err = rc;
	else if (rc < 0)
		buf_put_str(out, "null");
}

void pick_put_json(const struct pick_value *v, struct buf *out)
{
	switch (v->kind) {
	case PICK_VALUE_ABSENT:
		buf_put_str(out, "null");
		break;
	case PICK_VALUE_TEXT:
	case PICK_VALUE_WORD:
		json_out_string(v->text, out);
		break;
	case PICK_VALUE_TIME:
		buf_put_u8(out, '"');
		put_time(v->ns, out);
		buf_put_u8(out, '"');
		break;
	case PICK_VALUE_ID:
		json_out_id(v->id, out);
		break;
	case PICK_VALUE_DATA:
		put_data(v->text, out);
		break;
	case PICK_VALUE_FLAGS:
		put_flags(v->flags, true, out);
		break;
	}
}

void pick_put_text(const struct pick_value *v, struct buf *out)
{
	switch (v->kind) {
	case PICK_VALUE_ABSENT:
		break;
	case PICK_VALUE_TEXT:
	case PICK_VALUE_WORD:
		buf_put_span(out, v->text);
		break;
	case PICK_VALUE_TIME:
		put_time(v->ns, out);
		break;
	case PICK_VALUE_ID:
		buf_printf(out, "%" PRIu64, v->id);
		break;
	case PICK_VALUE_DATA:
		put_data(v->text, out);
		break;
	case PICK_VALUE_FLAGS:
		put_flags(v->flags, false, out);
		break;
	}
}
