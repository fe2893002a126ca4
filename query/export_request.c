#include "query/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

/* Parameters that may be given once. */
enum {
	GIVEN_FORMAT = 1 << 0,
	GIVEN_ORDER = 1 << 1,
	GIVEN_LIMIT = 1 << 2,
};

void export_request_init(struct export_request *req)
{
	engine_request_init(&req->base);
	req->order = ENGINE_ORDER_ARRIVAL;
	req->base.want_total = false;
	req->format = EXPORT_NDJSON;
	req->limit = 0;
	req->given = 0;
	columns_init(&req->columns);
}

void export_request_fini(struct export_request *req)
{
	engine_request_fini(&req->base);
	columns_fini(&req->columns);
}

const char *export_format_name(enum export_format format)
{
	static const char *const names[] = { "ndjson", "json", "csv" };

	return names[format];
}

const char *export_content_type(enum export_format format)
{
	static const char *const types[] = { "application/x-ndjson", "application/json",
		"text/csv; charset=utf-8; header=present" };

	return types[format];
}

/* ---------------------------------------------------------------- parameters */

static int refuse(
	struct engine_err *err, int code, const char *error, struct span value, const char *hint)
{
	err->code = code;
	if (value.p)
		snprintf(err->error, sizeof err->error, "%s: \"%.*s\"", error,
			value.n < 64 ? (int)value.n : 64, value.p);
	else
		snprintf(err->error, sizeof err->error, "%s", error);
	snprintf(err->hint, sizeof err->hint, "%s", hint);
	return code;
}

static int refuse_more(
	struct engine_err *err, int code, int most, const char *what, const char *hint)
{
	char error[sizeof err->error];

	snprintf(error, sizeof error, "more than %d %s", most, what);
	return refuse(err, code, error, SPAN_NONE, hint);
}

static int read_format(struct export_request *req, struct span value, struct engine_err *err)
{
	for (int f = EXPORT_NDJSON; f <= EXPORT_CSV; f++) {
		if (span_eq(value, span_str(export_format_name((enum export_format)f)))) {
			req->format = (enum export_format)f;
			return 0;
		}
	}
	return refuse(err, ERR_SYNTAX, "neither ndjson, json nor csv", value,
		"ndjson is one event a line");
}

static int read_order(struct export_request *req, struct span value, struct engine_err *err)
{
	if (span_eq(value, SPAN_LIT("arrival")))
		req->order = ENGINE_ORDER_ARRIVAL;
	else if (span_eq(value, SPAN_LIT("asc")))
		req->order = ENGINE_ORDER_ASC;
	else if (span_eq(value, SPAN_LIT("desc")))
		req->order = ENGINE_ORDER_DESC;
	else
		return refuse(err, ERR_SYNTAX, "neither arrival, asc nor desc", value,
			"arrival is by id, asc oldest first, desc newest first");
	return 0;
}

static int read_limit(struct export_request *req, struct span value, struct engine_err *err)
{
	uint64_t v = 0;

	for (size_t i = 0; i < value.n; i++) {
		unsigned digit = (unsigned)value.p[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(v, UINT64_C(10), &v) ||
			__builtin_add_overflow(v, (uint64_t)digit, &v))
			return refuse(err, ERR_RANGE, "not a number from 1 to 2^64 - 1", value,
				"leave it out for all");
	}
	if (v == 0)
		return refuse(err, ERR_RANGE, "not a number from 1 to 2^64 - 1", value,
			"leave it out for all");
	req->limit = v;
	return 0;
}

static void name_field(struct engine_err *err, const char *name)
{
	*err = (struct engine_err){ .code = 0 };
	snprintf(err->field, sizeof err->field, "%s", name);
}

int export_param_columns(
	struct columns *columns, const char *name, struct span value, struct engine_err *err)
{
	static const char hint[] = "names of fields and metadata.a.b, a comma between";
	struct span bad;
	int rc = columns_add(columns, value, &bad);

	if (rc == 0)
		return 0;
	name_field(err, name);
	if (rc == ERR_UNKNOWN)
		return refuse(err, rc, "no such field", bad, hint);
	if (rc == ERR_SYNTAX)
		return refuse(err, rc, "an empty name", bad, hint);
	if (rc == ERR_DEPTH)
		return refuse_more(err, rc, LIMIT_DEPTH, "keys in one path",
			"ask for the object that they are in");
	if (columns->count == LIMIT_COLUMNS)
		return refuse_more(err, rc, LIMIT_COLUMNS, "fields", "ask for fewer");
	return refuse_more(
		err, rc, LIMIT_COLUMNS_BYTES, "bytes of names and keys", "ask for fewer fields");
}

static int read_columns(struct export_request *req, struct span value, struct engine_err *err)
{
	char name[sizeof err->field];

	memcpy(name, err->field, sizeof name);
	return export_param_columns(&req->columns, name, value, err);
}

static const struct {
	const char *name;
	unsigned once; /* GIVEN_*; 0: any number of times */
	int (*read)(struct export_request *req, struct span value, struct engine_err *err);
} params[] = {
	{ "format", GIVEN_FORMAT, read_format },
	{ "order", GIVEN_ORDER, read_order },
	{ "limit", GIVEN_LIMIT, read_limit },
	{ "columns", 0, read_columns },
	{ "fields", 0, read_columns },
};

/* Of a page, which an export is not. */
static const char *const refused[] = { "offset", "cursor", "wait", "total", "count", "explain" };

int export_param(
	struct export_request *req, struct span name, struct span value, struct engine_err *err)
{
	for (size_t i = 0; i < ARRAY_COUNT(params); i++) {
		if (!span_eq(name, span_str(params[i].name)))
			continue;
		name_field(err, params[i].name);
		if (req->given & params[i].once)
			return refuse(err, ERR_SYNTAX, "given twice", SPAN_NONE, "give it once");
		req->given |= params[i].once;
		return params[i].read(req, value, err);
	}
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		if (!span_eq(name, span_str(refused[i])))
			continue;
		name_field(err, refused[i]);
		return refuse(err, ERR_UNKNOWN, "an export has no pages", SPAN_NONE,
			"it takes filters, order, limit, format and columns");
	}
	return engine_param(&req->base, name, value, err);
}

int export_request_check(struct export_request *req, struct engine_err *err)
{
	*err = (struct engine_err){ .code = 0 };
	if (req->base.after > 0 && req->order != ENGINE_ORDER_ARRIVAL) {
		name_field(err, "order");
		return refuse(err, ERR_RANGE, "`after` answers in the order of arrival", SPAN_NONE,
			"leave out order");
	}
	req->base.order = req->order;
	return engine_request_check(&req->base, err);
}
