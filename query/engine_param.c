/*
 * One table names every parameter with the function that reads its value. Filters append to a list of
 * any-of values; the others set one bit of `given` and are refused when it is set.
 */
#include "query/engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"
#include "proto/svc/conf.h"
#include "query/engine_param_int.h"
#include "query/page.h"

enum {
	PARAM_QUOTE_BYTES = 48, /* of a refused value, quoted in the error */
	PARAM_NAME_BYTES = 32,
	PARAM_Q = EVENT_TEXT_COUNT, /* beside the text fields */
};

#define PARAM_OFFSET_MAX UINT64_C(1000000000000)

static const char time_hint[] =
	"write 2026-11-20, 2026-11-20 14:30:00 or 2026-11-20T14:30:00.5Z; no zone means UTC";

struct param {
	const char *name;
	unsigned given; /* 0: may be repeated */
	int (*read)(struct engine_request *req, int arg, struct span value, struct engine_err *err);
	int arg;
};

int engine_param_refuse(struct engine_err *err, int code, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->error, sizeof err->error, fmt, ap);
	va_end(ap);
	snprintf(err->hint, sizeof err->hint, "%s", hint);
	err->code = code;
	return code;
}

int engine_param_quoted(struct span value)
{
	return value.n < PARAM_QUOTE_BYTES ? (int)value.n : PARAM_QUOTE_BYTES;
}

/* ---------------------------------------------------------------- lists of values */

static int too_many(struct engine_err *err)
{
	return engine_param_refuse(err, ERR_LIMIT, "ask for fewer at once",
		"more than %d values of one field", LIMIT_QUERY_VALUES);
}

static int too_long(struct engine_err *err)
{
	return engine_param_refuse(err, ERR_LIMIT, "ask for fewer or shorter values",
		"the values are longer than %d bytes together", LIMIT_QUERY_VALUES_BYTES);
}

static int copy_value(
	struct engine_request *req, struct span value, struct span *out, struct engine_err *err)
{
	uint8_t *p;

	if (value.n > LIMIT_QUERY_VALUES_BYTES - req->values_bytes)
		return too_long(err);
	p = arena_dup(&req->arena, value.p, value.n);
	if (!p)
		return too_long(err);
	req->values_bytes += value.n;
	*out = span_of(p, value.n);
	return 0;
}

static int read_text(
	struct engine_request *req, int field, struct span value, struct engine_err *err)
{
	struct engine_texts **list = field == PARAM_Q ? &req->q : &req->text[field], *t = *list;

	if (!t)
		t = *list = arena_calloc(&req->arena, 1, sizeof *t);
	if (!t)
		return too_long(err);
	if (t->count == LIMIT_QUERY_VALUES)
		return too_many(err);
	return copy_value(req, value, &t->values[t->count++], err);
}

static int add_number(struct engine_request *req, struct engine_numbers **list, int64_t value,
	struct engine_err *err)
{
	struct engine_numbers *t = *list;

	if (!t)
		t = *list = arena_calloc(&req->arena, 1, sizeof *t);
	if (!t)
		return too_long(err);
	if (t->count == LIMIT_QUERY_VALUES)
		return too_many(err);
	t->values[t->count++] = value;
	return 0;
}

static int read_severity(
	struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	int severity = event_severity_find(value);

	(void)arg;
	if (severity < 0)
		return engine_param_refuse(err, ERR_SYNTAX,
			"one of emergency, alert, critical, error, warning, notice, info, debug, or 0 to 7",
			"no severity: \"%.*s\"", engine_param_quoted(value), value.p);
	req->severity_mask |= (uint8_t)(1u << severity);
	return 0;
}

/* ---------------------------------------------------------------- numbers */

/* Digits alone, at most `max`. */
static int parse_number(struct span value, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return ERR_SYNTAX;
		if (__builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, value.p[i] - '0', &v))
			return ERR_RANGE;
	}
	if (value.n == 0)
		return ERR_SYNTAX;
	if (v > max)
		return ERR_RANGE;
	*out = v;
	return 0;
}

static int read_number(
	struct span value, uint64_t min, uint64_t max, uint64_t *out, struct engine_err *err)
{
	uint64_t v = 0;
	int rc = parse_number(value, max, &v);

	if (rc == 0 && v < min)
		rc = ERR_RANGE;
	if (rc < 0)
		return engine_param_refuse(err, rc, "digits alone, nothing before or behind them",
			"not a number from %llu to %llu: \"%.*s\"", (unsigned long long)min,
			(unsigned long long)max, engine_param_quoted(value), value.p);
	*out = v;
	return 0;
}

static int read_id(struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	uint64_t id = 0;
	int rc = read_number(value, 0, UINT64_MAX, &id, err);

	(void)arg;
	return rc < 0 ? rc : add_number(req, &req->ids, (int64_t)id, err);
}

static int read_limit(
	struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	uint64_t v = 0;
	int rc = read_number(value, 1, ENGINE_LIMIT_MAX, &v, err);

	(void)arg;
	if (rc == 0)
		req->limit = (uint32_t)v;
	return rc;
}

static int read_offset(
	struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	(void)arg;
	return read_number(value, 0, PARAM_OFFSET_MAX, &req->offset, err);
}

static int read_after(
	struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	int rc = read_number(value, 0, UINT64_MAX, &req->after, err);

	(void)arg;
	if (rc == 0)
		req->order = ENGINE_ORDER_ARRIVAL;
	return rc;
}

static int read_wait(struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	uint64_t v = 0;
	int rc = read_number(value, 0, LIMIT_QUERY_WAIT_S, &v, err);

	(void)arg;
	if (rc == 0)
		req->wait_ms = (uint32_t)v * 1000;
	return rc;
}

/* ---------------------------------------------------------------- times */

/*
 * A '+' of a zone that came through a query string unencoded is a space there: 14:00:00 02:00. No time
 * that is taken as it stands has that form.
 */
static bool mend_zone(struct span value, char *dst, size_t cap, struct span *out)
{
	const uint8_t *sp = value.n ? memrchr(value.p, ' ', value.n) : NULL;

	if (!sp || value.n > cap)
		return false;
	memcpy(dst, value.p, value.n);
	dst[sp - value.p] = '+';
	*out = span_of(dst, value.n);
	return true;
}

static int parse_time(struct span value, struct timefmt *out, struct engine_err *err)
{
	char dst[64];
	struct span mended;
	int rc = timefmt_parse(value, out);

	if (rc == ERR_SYNTAX && mend_zone(value, dst, sizeof dst, &mended) &&
		timefmt_parse(mended, out) == 0)
		return 0;
	if (rc == ERR_RANGE)
		return engine_param_refuse(err, rc, time_hint, "no such date or time: \"%.*s\"",
			engine_param_quoted(value), value.p);
	if (rc < 0)
		return engine_param_refuse(err, rc, time_hint, "not a date or time: \"%.*s\"",
			engine_param_quoted(value), value.p);
	return 0;
}

static int read_timestamp(
	struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	struct timefmt t;
	int rc = parse_time(value, &t, err);

	if (rc < 0)
		return rc;
	return add_number(req, arg ? &req->received : &req->times, t.ns, err);
}

/* arg: spelled start_time, which makes the API's list `data`. */
static int read_start(
	struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	struct timefmt t;
	int rc = parse_time(value, &t, err);

	if (rc < 0)
		return rc;
	req->from_ns = t.ns;
	req->spelled_as_time |= arg != 0;
	return 0;
}

/* Exclusive to the nanosecond, for programs. */
static int read_end_time(
	struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	struct timefmt t;
	int rc = parse_time(value, &t, err);

	(void)arg;
	if (rc < 0)
		return rc;
	if (t.ns == INT64_MIN)
		return engine_param_refuse(
			err, ERR_RANGE, time_hint, "nothing is before that time");
	req->to_ns = t.ns - 1;
	req->spelled_as_time = true;
	return 0;
}

/* Covers the unit that the text names, for people: a date its day, 23:59:59 its second. */
static int read_end_date(
	struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	struct timefmt t;
	int rc = parse_time(value, &t, err);

	(void)arg;
	if (rc < 0)
		return rc;
	ASSERT(t.unit_ns > 0);
	if (__builtin_add_overflow(t.ns, t.unit_ns - 1, &req->to_ns))
		req->to_ns = INT64_MAX;
	return 0;
}

/* ---------------------------------------------------------------- words */

static int read_order(
	struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	(void)arg;
	if (span_eq(value, SPAN_LIT("asc")))
		req->order = ENGINE_ORDER_ASC;
	else if (span_eq(value, SPAN_LIT("desc")))
		req->order = ENGINE_ORDER_DESC;
	else
		return engine_param_refuse(err, ERR_SYNTAX,
			"asc is oldest first, desc newest first", "neither asc nor desc: \"%.*s\"",
			engine_param_quoted(value), value.p);
	return 0;
}

static int read_total(
	struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	(void)arg;
	if (!span_eq(value, SPAN_LIT("exact")) && !span_eq(value, SPAN_LIT("none")))
		return engine_param_refuse(err, ERR_SYNTAX,
			"none does not count, which may be faster",
			"neither exact nor none: \"%.*s\"", engine_param_quoted(value), value.p);
	req->want_total = value.p[0] == 'e';
	return 0;
}

static int read_search(
	struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	(void)arg;
	return copy_value(req, value, &req->search, err);
}

static int read_explain(
	struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	(void)arg;
	if (value.n != 1 || (value.p[0] != '0' && value.p[0] != '1'))
		return engine_param_refuse(err, ERR_SYNTAX,
			"1 adds to `stats` what was asked and planned", "neither 0 nor 1: \"%.*s\"",
			engine_param_quoted(value), value.p);
	req->explain = value.p[0] == '1';
	return 0;
}

static int read_cursor(
	struct engine_request *req, int arg, struct span value, struct engine_err *err)
{
	(void)arg;
	if (page_cursor_get(value, &req->place) < 0)
		return engine_param_refuse(err, ERR_SYNTAX,
			"give `next` of an answer unchanged, or leave it out", "not a cursor");
	return 0;
}

/* ---------------------------------------------------------------- the table */

static const struct param params[] = {
	{ "event_type", 0, read_text, EVENT_TEXT_EVENT_TYPE },
	{ "entity_type", 0, read_text, EVENT_TEXT_ENTITY_TYPE },
	{ "entity_id", 0, read_text, EVENT_TEXT_ENTITY_ID },
	{ "user_id", 0, read_text, EVENT_TEXT_USER_ID },
	{ "description", 0, read_text, EVENT_TEXT_DESCRIPTION },
	{ "ip_address", 0, read_text, EVENT_TEXT_IP_ADDRESS },
	{ "user_agent", 0, read_text, EVENT_TEXT_USER_AGENT },
	{ "service", 0, read_text, EVENT_TEXT_SERVICE },
	{ "host", 0, read_text, EVENT_TEXT_HOST },
	{ "severity", 0, read_severity, 0 },
	{ "id", 0, read_id, 0 },
	{ "timestamp", 0, read_timestamp, 0 },
	{ "received", 0, read_timestamp, 1 },
	{ "q", 0, read_text, PARAM_Q },
	{ "search", ENGINE_PARAM_SEARCH, read_search, 0 },
	{ "start_date", ENGINE_PARAM_START, read_start, 0 },
	{ "start_time", ENGINE_PARAM_START, read_start, 1 },
	{ "end_date", ENGINE_PARAM_END, read_end_date, 0 },
	{ "end_time", ENGINE_PARAM_END, read_end_time, 0 },
	{ "order", ENGINE_PARAM_ORDER, read_order, 0 },
	{ "limit", ENGINE_PARAM_LIMIT, read_limit, 0 },
	{ "offset", ENGINE_PARAM_OFFSET, read_offset, 0 },
	{ "cursor", ENGINE_PARAM_CURSOR, read_cursor, 0 },
	{ "after", ENGINE_PARAM_AFTER, read_after, 0 },
	{ "wait", ENGINE_PARAM_WAIT, read_wait, 0 },
	{ "total", ENGINE_PARAM_TOTAL, read_total, 0 },
	{ "count", ENGINE_PARAM_TOTAL, read_total, 0 },
	{ "explain", ENGINE_PARAM_EXPLAIN, read_explain, 0 },
};

static int unknown(struct engine_err *err)
{
	const char *names[ARRAY_COUNT(params)], *near;
	char hint[64] = "see query/API.md for the list";

	for (size_t i = 0; i < ARRAY_COUNT(params); i++)
		names[i] = params[i].name;
	near = conf_closest(err->field, names, ARRAY_COUNT(params));
	if (near)
		snprintf(hint, sizeof hint, "did you mean %s?", near);
	return engine_param_refuse(err, ERR_UNKNOWN, hint, "no such parameter");
}

int engine_param(
	struct engine_request *req, struct span name, struct span value, struct engine_err *err)
{
	const struct param *p = NULL;

	*err = (struct engine_err){ .code = 0 };
	snprintf(err->field, sizeof err->field, "%.*s",
		name.n < PARAM_NAME_BYTES ? (int)name.n : PARAM_NAME_BYTES - 1, name.p);
	for (size_t i = 0; i < ARRAY_COUNT(params) && !p; i++) {
		if (span_eq(name, span_str(params[i].name)))
			p = &params[i];
	}
	if (!p)
		return unknown(err);
	if (p->given & req->given)
		return engine_param_refuse(err, ERR_SYNTAX, "give it once", "given twice");
	req->given |= p->given;
	return p->read(req, p->arg, value, err);
}
