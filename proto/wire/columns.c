#include "proto/wire/columns.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/wire/csv_out.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"

static const struct {
	const char *name;
	enum columns_kind kind;
} kinds[] = {
	{ "id", COLUMNS_ID },
	{ "timestamp", COLUMNS_TIME },
	{ "received", COLUMNS_RECEIVED },
	{ "severity", COLUMNS_SEVERITY },
	{ "metadata", COLUMNS_METADATA },
	{ "flags", COLUMNS_FLAGS },
};
static const char path_prefix[] = "metadata.";
enum { PREFIX_BYTES = sizeof path_prefix - 1 };

void columns_init(struct columns *c)
{
	arena_init(&c->arena, LIMIT_COLUMNS_BYTES);
	c->count = 0;
}

void columns_fini(struct columns *c)
{
	arena_fini(&c->arena);
	c->count = 0;
}

/* ---------------------------------------------------------------- names */

/* The part before the next `at`; *rest is what follows it, absent when there was none. */
static struct span cut(struct span *rest, char at)
{
	const uint8_t *end = rest->n ? memchr(rest->p, at, rest->n) : NULL;
	struct span part = *rest;

	if (!end) {
		*rest = SPAN_NONE;
		return part;
	}
	part.n = (size_t)(end - part.p);
	*rest = span_of(end + 1, rest->n - part.n - 1);
	return part;
}

static int read_path(struct columns *c, struct columns_one *one, struct span path)
{
	struct span rest = path, *keys;
	size_t n = 1;

	for (size_t i = 0; i < path.n; i++)
		n += path.p[i] == '.';
	if (n > LIMIT_DEPTH)
		return ERR_DEPTH;
	keys = arena_calloc(&c->arena, n, sizeof *keys);
	if (!keys)
		return ERR_LIMIT;
	for (size_t i = 0; i < n; i++) {
		keys[i] = cut(&rest, '.');
		if (keys[i].n == 0)
			return ERR_SYNTAX;
	}
	one->kind = COLUMNS_PATH;
	one->keys = keys;
	one->keys_count = n;
	return 0;
}

static int read_name(struct columns *c, struct columns_one *one)
{
	struct span name = one->name;
	int text = event_text_find(name);

	if (name.n == 0)
		return ERR_SYNTAX;
	if (text >= 0) {
		one->kind = COLUMNS_TEXT;
		one->text = (enum event_text)text;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		if (span_eq(name, span_str(kinds[i].name))) {
			one->kind = kinds[i].kind;
			return 0;
		}
	}
	if (name.n < PREFIX_BYTES || memcmp(name.p, path_prefix, PREFIX_BYTES) != 0)
		return ERR_UNKNOWN;
	return read_path(c, one, span_of(name.p + PREFIX_BYTES, name.n - PREFIX_BYTES));
}

int columns_add(struct columns *c, struct span names, struct span *out_bad)
{
	struct span rest = names;

	*out_bad = names;
	do {
		struct span name = cut(&rest, ',');
		struct columns_one *one = &c->list[c->count];
		int rc;

		*out_bad = name;
		if (c->count == LIMIT_COLUMNS)
			return ERR_LIMIT;
		*one = (struct columns_one){ .kind = COLUMNS_ID };
		one->name = span_of(
			arena_dup(&c->arena, name.n ? name.p : (const void *)"", name.n), name.n);
		rc = one->name.p ? read_name(c, one) : ERR_LIMIT;
		if (rc < 0)
			return rc;
		c->count++;
	} while (rest.p);
	return 0;
}

/* ---------------------------------------------------------------- values */

/* The value of one key of a map; absent when there is none or the map cannot be read. */
static struct span member(struct span map, struct span key)
{
	struct rcur c = rcur_of(map.p, map.n);
	struct walk_value head, name;
	struct span value, found = SPAN_NONE;

	if (walk_read(&c, &head) < 0 || head.type != WALK_MAP)
		return SPAN_NONE;
	for (uint32_t i = head.count; i > 0; i--) {
		struct rcur at = c;
		bool same;

		same = walk_read(&at, &name) == 0 && name.type == WALK_STR &&
		       span_eq(name.data, key);
		if (walk_skip(&c) < 0 || walk_take(&c, &value) < 0)
			return SPAN_NONE;
		/* Of two of the same name the last one counts, as in JSON's readers. */
		if (same)
			found = value;
	}
	return found;
}

static struct span path_value(const struct columns_one *one, const struct event *ev)
{
	struct span at = ev->metadata;

	for (size_t i = 0; i < one->keys_count && at.p; i++)
		at = member(at, one->keys[i]);
	return at;
}

static const char *severity(const struct event *ev)
{
	ASSERT(ev->severity < EVENT_SEVERITY_COUNT);
	return event_severity_name((enum event_severity)ev->severity);
}

static bool has_flags(const struct event *ev)
{
	return ev->flags & EVENT_FLAGS_SHOWN;
}

static bool is_absent(const struct columns_one *one, const struct event *ev, struct span value)
{
	switch (one->kind) {
	case COLUMNS_TEXT:
		return !ev->text[one->text].p;
	case COLUMNS_METADATA:
	case COLUMNS_PATH:
		return !value.p;
	case COLUMNS_FLAGS:
		return !has_flags(ev);
	default:
		return false;
	}
}

static struct span value_of(const struct columns_one *one, const struct event *ev)
{
	return one->kind == COLUMNS_PATH ? path_value(one, ev) : ev->metadata;
}

/* ---------------------------------------------------------------- JSON */

/* What cannot be read is null; negative: the buffer's own failure. */
static int json_metadata(struct span value, struct buf *out)
{
	int rc = out->err ? out->err : json_out_value(value, out);

	if (rc != ERR_CORRUPT && rc != ERR_SYNTAX && rc != ERR_TRUNCATED && rc != ERR_DEPTH)
		return rc;
	buf_put_str(out, "null");
	return 0;
}

static int json_member(
	const struct columns_one *one, const struct event *ev, struct span value, struct buf *out)
{
	switch (one->kind) {
	case COLUMNS_ID:
		json_out_id(ev->id, out);
		break;
	case COLUMNS_TIME:
		json_out_time(ev->time_ns, out);
		break;
	case COLUMNS_RECEIVED:
		json_out_time(ev->received_ns, out);
		break;
	case COLUMNS_SEVERITY:
		json_out_string(span_str(severity(ev)), out);
		break;
	case COLUMNS_TEXT:
		json_out_string(ev->text[one->text], out);
		break;
	case COLUMNS_METADATA:
	case COLUMNS_PATH:
		return json_metadata(value, out);
	case COLUMNS_FLAGS:
		json_out_flags(ev->flags, out);
		break;
	}
	return out->err;
}

int columns_json(const struct columns *c, const struct event *ev, struct buf *out)
{
	size_t len = out->len;
	char before = '{';
	int rc = out->err;

	for (size_t i = 0; i < c->count && rc == 0; i++) {
		const struct columns_one *one = &c->list[i];
		struct span value = value_of(one, ev);

		if (is_absent(one, ev, value))
			continue;
		buf_put_u8(out, (uint8_t)before);
		json_out_string(one->name, out);
		buf_put_u8(out, ':');
		rc = json_member(one, ev, value, out);
		before = ',';
	}
	if (rc == 0 && before == '{')
		buf_put_u8(out, '{');
	buf_put_u8(out, '}');
	rc = rc < 0 ? rc : out->err;
	if (rc < 0) {
		out->len = len;
		out->err = 0;
	}
	return rc;
}

/* ---------------------------------------------------------------- CSV */

void columns_csv_header(const struct columns *c, struct buf *out)
{
	for (size_t i = 0; i < c->count; i++) {
		if (i)
			buf_put_u8(out, ',');
		csv_out_cell(c->list[i].name, out);
	}
	buf_put_str(out, "\r\n");
}

/* Texts as they are, numbers and words as their JSON, the rest as JSON in quotes. */
static void csv_path(struct span value, struct buf *out)
{
	struct rcur c = rcur_of(value.p, value.n);
	struct walk_value v;

	if (walk_read(&c, &v) < 0)
		return;
	if (v.type == WALK_STR)
		csv_out_cell(v.data, out);
	else if (v.type < WALK_STR)
		json_out_value(value, out);
	else
		csv_out_value(value, out);
}

static void csv_cell(const struct columns_one *one, const struct event *ev, struct buf *out)
{
	struct span value = value_of(one, ev);

	switch (one->kind) {
	case COLUMNS_ID:
		buf_printf(out, "%" PRIu64, ev->id);
		break;
	case COLUMNS_TIME:
		csv_out_time(ev->time_ns, out);
		break;
	case COLUMNS_RECEIVED:
		csv_out_time(ev->received_ns, out);
		break;
	case COLUMNS_SEVERITY:
		buf_put_str(out, severity(ev));
		break;
	case COLUMNS_TEXT:
		csv_out_cell(ev->text[one->text], out);
		break;
	case COLUMNS_METADATA:
		if (value.p)
			csv_out_value(value, out);
		break;
	case COLUMNS_PATH:
		if (value.p)
			csv_path(value, out);
		break;
	case COLUMNS_FLAGS:
		csv_out_flags(ev->flags, out);
		break;
	}
}

void columns_csv(const struct columns *c, const struct event *ev, struct buf *out)
{
	for (size_t i = 0; i < c->count; i++) {
		if (i)
			buf_put_u8(out, ',');
		csv_cell(&c->list[i], ev, out);
	}
	buf_put_str(out, "\r\n");
}
