/*
 * Parameters of aggregations. Lists (by, agg) are read by a small cursor that knows where in the value it
 * stands, so that an error can say so; all else that it does not know selects events: engine_param.
 */
#include "query/agg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/when.h"
#include "proto/svc/conf.h"
#include "query/agg_bucket.h"
#include "query/engine_param_int.h"

enum {
	NUMBER_BYTES = 32,
	ZONE_MINUTES_MAX = 18 * 60,
};

enum given {
	GIVEN_BY = 1 << 0,
	GIVEN_AGG = 1 << 1,
	GIVEN_BUCKET = 1 << 2,
	GIVEN_BUCKETS = 1 << 3,
	GIVEN_TZ = 1 << 4,
	GIVEN_FILL = 1 << 5,
	GIVEN_TOP = 1 << 6,
	GIVEN_LIMIT = 1 << 7,
	GIVEN_ORDER = 1 << 8,
	GIVEN_MIN = 1 << 9,
	GIVEN_MAX = 1 << 10,
};

static const char fields_hint[] =
	"a field of an event, severity, id, timestamp, received, or metadata.path";
static const char calls_hint[] =
	"count, distinct(f), sum(f), min(f), max(f), avg(f), p95(f) or quantile(f,0.95), with commas between";

/* ---------------------------------------------------------------- errors */

static int refuse_field(
	struct engine_err *err, const char *field, const char *error, const char *hint)
{
	snprintf(err->field, sizeof err->field, "%s", field);
	return engine_param_refuse(err, ERR_RANGE, hint, "%s", error);
}

/* ---------------------------------------------------------------- the cursor */

struct text {
	struct span all;
	size_t at;
	struct engine_err *err;
};

static struct span rest(const struct text *t)
{
	return span_of(t->all.p + t->at, t->all.n - t->at);
}

static void skip_blanks(struct text *t)
{
	while (t->at < t->all.n && t->all.p[t->at] == ' ')
		t->at++;
}

/* After blanks; consumed if it is there. */
static bool take(struct text *t, char c)
{
	skip_blanks(t);
	if (t->at == t->all.n || t->all.p[t->at] != (uint8_t)c)
		return false;
	t->at++;
	return true;
}

static int wrong(struct text *t, int code, const char *hint, const char *expected)
{
	struct span found = rest(t);

	if (found.n == 0)
		return engine_param_refuse(
			t->err, code, hint, "at %zu: expected %s, found the end", t->at, expected);
	return engine_param_refuse(t->err, code, hint, "at %zu: expected %s, found \"%.*s\"", t->at,
		expected, engine_param_quoted(found), found.p);
}

/* Up to a comma, parenthesis or blank that does not stand in quotes; may be empty. */
static struct span take_word(struct text *t)
{
	size_t from;
	bool inside = false;

	skip_blanks(t);
	from = t->at;
	for (; t->at < t->all.n; t->at++) {
		uint8_t c = t->all.p[t->at];

		if (c == '"')
			inside = !inside;
		else if (inside && c == '\\' && t->at + 1 < t->all.n)
			t->at++;
		else if (!inside && (c == ',' || c == '(' || c == ')' || c == ' '))
			break;
	}
	return span_of(t->all.p + from, t->at - from);
}

/* ---------------------------------------------------------------- fields */

static int no_memory(struct engine_err *err)
{
	return engine_param_refuse(
		err, ERR_LIMIT, "ask for fewer at once", "the parameters are too long");
}

static int keep(struct agg_request *req, struct span s, struct span *out, struct engine_err *err)
{
	uint8_t *p = arena_dup(&req->names.arena, s.p, s.n);

	if (!p)
		return no_memory(err);
	*out = span_of(p, s.n);
	return 0;
}

static int take_field(
	struct agg_request *req, struct text *t, struct expr_field *out, struct span *out_name)
{
	size_t from;
	struct span name, kept = SPAN_NONE;
	int rc;

	skip_blanks(t);
	from = t->at;
	name = take_word(t);
	if (name.n == 0)
		return wrong(t, ERR_SYNTAX, fields_hint, "a field");
	rc = keep(req, name, &kept, t->err);
	if (rc < 0)
		return rc;
	rc = expr_field_find(&req->names, kept, out);
	if (rc < 0) {
		t->at = from;
		return wrong(t, rc, fields_hint, "a field");
	}
	if (out_name)
		*out_name = kept;
	return 0;
}

static int read_by(struct agg_request *req, struct span value, struct engine_err *err)
{
	struct agg_spec *s = &req->spec;
	struct text t = { value, 0, err };
	int rc;

	do {
		if (s->by_count == AGG_BY_MAX)
			return engine_param_refuse(err, ERR_LIMIT, "leave one out",
				"at %zu: more than %d fields", t.at, AGG_BY_MAX);
		rc = take_field(req, &t, &s->by[s->by_count], &s->by_names[s->by_count]);
		if (rc < 0)
			return rc;
		s->by_count++;
	} while (take(&t, ','));
	return t.at < value.n ? wrong(&t, ERR_SYNTAX, fields_hint, "a comma or the end") : 0;
}

/* ---------------------------------------------------------------- functions */

static const struct function {
	const char *name;
	enum agg_function function;
	double quantile; /* 0: given behind the field */
} functions[] = {
	{ "count", AGG_COUNT, 0 },
	{ "distinct", AGG_DISTINCT, 0 },
	{ "sum", AGG_SUM, 0 },
	{ "min", AGG_MIN, 0 },
	{ "max", AGG_MAX, 0 },
	{ "avg", AGG_AVG, 0 },
	{ "median", AGG_QUANTILE, 0.5 },
	{ "quantile", AGG_QUANTILE, 0 },
};

static bool number_of(struct span text, double least, double most, double *out)
{
	struct expr_number n = expr_number_of(text);
	double v;

	if (n.kind == EXPR_NUMBER_NONE)
		return false;
	v = n.kind == EXPR_NUMBER_INT    ? (double)n.i
	    : n.kind == EXPR_NUMBER_UINT ? (double)n.u
					 : n.f;
	if (!(v >= least && v <= most))
		return false;
	*out = v;
	return true;
}

/* p95, p99.9 */
static bool percentile_of(struct span name, double *out)
{
	if (name.n < 2 || name.p[0] != 'p' ||
		!number_of(span_of(name.p + 1, name.n - 1), 0, 100, out))
		return false;
	*out /= 100;
	return true;
}

static int take_function(struct text *t, struct agg_call *c)
{
	size_t from;
	struct span name;

	skip_blanks(t);
	from = t->at;
	name = take_word(t);
	if (percentile_of(name, &c->quantile)) {
		c->function = AGG_QUANTILE;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_COUNT(functions); i++) {
		if (!span_eq(name, span_str(functions[i].name)))
			continue;
		c->function = functions[i].function;
		c->quantile = functions[i].quantile;
		return functions[i].function == AGG_QUANTILE && c->quantile == 0;
	}
	t->at = from;
	return wrong(t, ERR_UNKNOWN, calls_hint, "a function");
}

static bool of_numbers(enum agg_function f)
{
	return f == AGG_SUM || f == AGG_AVG || f == AGG_QUANTILE;
}

/* Behind "(": the field, and the quantile if it is asked for. */
static int take_arguments(
	struct agg_request *req, struct text *t, struct agg_call *c, bool want_quantile)
{
	size_t from;
	int rc;

	skip_blanks(t);
	from = t->at;
	rc = take_field(req, t, &c->field, NULL);
	if (rc < 0)
		return rc;
	c->has_field = true;
	if (of_numbers(c->function) && c->field.kind != EXPR_FIELD_META) {
		t->at = from;
		return wrong(t, ERR_TYPE, "sum, avg and quantiles are of numbers: of metadata.path",
			"a field that may hold numbers");
	}
	if (want_quantile) {
		if (!take(t, ','))
			return wrong(t, ERR_SYNTAX, "as in quantile(metadata.ms,0.99)", "a comma");
		skip_blanks(t);
		from = t->at;
		if (!number_of(take_word(t), 0, 1, &c->quantile)) {
			t->at = from;
			return wrong(t, ERR_RANGE, "as in quantile(metadata.ms,0.99)",
				"a number from 0 to 1");
		}
	}
	return take(t, ')') ? 0 : wrong(t, ERR_SYNTAX, calls_hint, "\")\"");
}

static int take_call(struct agg_request *req, struct text *t)
{
	struct agg_call *c = &req->spec.calls[req->spec.calls_count];
	size_t from;
	int rc;

	*c = (struct agg_call){ .function = AGG_COUNT };
	skip_blanks(t);
	from = t->at;
	rc = take_function(t, c);
	if (rc < 0)
		return rc;
	if (take(t, '('))
		rc = take_arguments(req, t, c, rc == 1);
	else if (c->function != AGG_COUNT)
		rc = wrong(t, ERR_SYNTAX, calls_hint, "\"(\"");
	else
		t->at = from + sizeof "count" - 1;
	if (rc < 0)
		return rc;
	req->spec.calls_count++;
	return keep(req, span_of(t->all.p + from, t->at - from), &c->name, t->err);
}

static int read_agg(struct agg_request *req, struct span value, struct engine_err *err)
{
	struct text t = { value, 0, err };
	int rc;

	do {
		if (req->spec.calls_count == AGG_CALLS_MAX)
			return engine_param_refuse(err, ERR_LIMIT, "leave one out",
				"at %zu: more than %d functions", t.at, AGG_CALLS_MAX);
		rc = take_call(req, &t);
		if (rc < 0)
			return rc;
	} while (take(&t, ','));
	return t.at < value.n ? wrong(&t, ERR_SYNTAX, calls_hint, "a comma or the end") : 0;
}

/* ---------------------------------------------------------------- buckets */

static const char bucket_hint[] = "auto, or a fixed width: 1s, 15m, 1h, 1d, 1w";

/* Months and years are not of one length. */
static bool is_calendar(struct span value)
{
	while (value.n > 0 && value.p[value.n - 1] == 's' && value.n > 1)
		value.n--;
	if (value.n == 0)
		return false;
	if (value.p[value.n - 1] == 'M' || value.p[value.n - 1] == 'y')
		return true;
	return (value.n >= 5 && memcmp(value.p + value.n - 5, "month", 5) == 0) ||
	       (value.n >= 4 && memcmp(value.p + value.n - 4, "year", 4) == 0);
}

static int read_bucket(struct agg_request *req, struct span value, struct engine_err *err)
{
	struct diag d;
	int64_t ns = 0;
	int rc = 0;

	req->spec.bucket = true;
	if (span_eq(value, SPAN_LIT("auto")))
		return 0;
	if (is_calendar(value))
		return engine_param_refuse(err, ERR_SYNTAX, bucket_hint,
			"months and years are not of one length: \"%.*s\"",
			engine_param_quoted(value), value.p);
	rc = when_duration(value, &ns, &d);
	if (rc < 0)
		return engine_param_refuse(err, rc, bucket_hint, "not a width of time: \"%.*s\"",
			engine_param_quoted(value), value.p);
	if (ns < 1 || ns > AGG_BUCKET_NS_MAX)
		return engine_param_refuse(err, ERR_RANGE, bucket_hint,
			"not a width from 1ns to 146 years: \"%.*s\"", engine_param_quoted(value),
			value.p);
	req->spec.bucket_ns = ns;
	return 0;
}

/* +02:00, -0530, +2, Z; the '+' of an unencoded query string is a blank. */
static int read_tz(struct agg_request *req, struct span value, struct engine_err *err)
{
	unsigned digits = 0, number = 0, hours, minutes;
	bool negative = value.n > 0 && value.p[0] == '-';

	if (span_eq(value, SPAN_LIT("Z")) || span_eq(value, SPAN_LIT("UTC")))
		return 0;
	for (size_t i = 1; i < value.n && digits < 5; i++) {
		if (value.p[i] == ':' && i == 3)
			continue;
		if (value.p[i] < '0' || value.p[i] > '9')
			digits = 5;
		else
			number = number * 10 + (value.p[i] - '0'), digits++;
	}
	hours = digits > 2 ? number / 100 : number;
	minutes = digits > 2 ? number % 100 : 0;
	if (value.n == 0 || !strchr("+- ", value.p[0]) || digits < 1 || digits == 3 || digits > 4 ||
		minutes > 59 || hours * 60 + minutes > ZONE_MINUTES_MAX)
		return engine_param_refuse(err, ERR_SYNTAX, "as in +02:00 or -0530; Z is UTC",
			"not an offset from UTC: \"%.*s\"", engine_param_quoted(value), value.p);
	req->spec.zone_ns = (int64_t)(hours * 60 + minutes) * 60 * CLOCK_NS_PER_SEC;
	if (negative)
		req->spec.zone_ns = -req->spec.zone_ns;
	return 0;
}

/* ---------------------------------------------------------------- numbers and words */

static int read_count(
	struct span value, uint32_t min, uint32_t max, uint32_t *out, struct engine_err *err)
{
	struct expr_number n = expr_number_of(value);

	if (n.kind != EXPR_NUMBER_INT || n.i < (int64_t)min || n.i > (int64_t)max)
		return engine_param_refuse(err, ERR_RANGE, "",
			"not a number from %u to %u: \"%.*s\"", min, max,
			engine_param_quoted(value), value.p);
	*out = (uint32_t)n.i;
	return 0;
}

static int read_buckets(struct agg_request *req, struct span value, struct engine_err *err)
{
	req->spec.bucket = true;
	return read_count(value, AGG_BUCKET_AUTO_MIN, AGG_BUCKET_AUTO_MAX, &req->spec.buckets, err);
}

static int read_limit(struct agg_request *req, struct span value, struct engine_err *err)
{
	return read_count(value, 1, AGG_LIMIT_MAX, &req->spec.limit, err);
}

static int read_fill(struct agg_request *req, struct span value, struct engine_err *err)
{
	uint32_t v = 0;
	int rc = read_count(value, 0, 1, &v, err);

	req->spec.fill = v == 1;
	return rc;
}

static int read_order(struct agg_request *req, struct span value, struct engine_err *err)
{
	if (span_eq(value, SPAN_LIT("desc")))
		req->spec.order = AGG_ORDER_DESC;
	else if (span_eq(value, SPAN_LIT("asc")))
		req->spec.order = AGG_ORDER_ASC;
	else if (span_eq(value, SPAN_LIT("group")))
		req->spec.order = AGG_ORDER_GROUP;
	else
		return engine_param_refuse(err, ERR_SYNTAX,
			"desc and asc are by the first function, group is by time and values",
			"neither desc, asc nor group: \"%.*s\"", engine_param_quoted(value),
			value.p);
	return 0;
}

static int read_bound(struct span value, bool *out_has, double *out, struct engine_err *err)
{
	if (!number_of(value, -1.7e308, 1.7e308, out))
		return engine_param_refuse(err, ERR_SYNTAX, "of the first function",
			"not a number: \"%.*s\"", engine_param_quoted(value), value.p);
	*out_has = true;
	return 0;
}

static int read_min(struct agg_request *req, struct span value, struct engine_err *err)
{
	return read_bound(value, &req->spec.has_min, &req->spec.min, err);
}

static int read_max(struct agg_request *req, struct span value, struct engine_err *err)
{
	return read_bound(value, &req->spec.has_max, &req->spec.max, err);
}

/* ---------------------------------------------------------------- the table */

static const struct param {
	const char *name;
	unsigned given;
	bool again; /* may be given again: adds to the list */
	int (*read)(struct agg_request *req, struct span value, struct engine_err *err);
} params[] = {
	{ "by", GIVEN_BY, true, read_by },
	{ "agg", GIVEN_AGG, true, read_agg },
	{ "bucket", GIVEN_BUCKET, false, read_bucket },
	{ "buckets", GIVEN_BUCKETS, false, read_buckets },
	{ "tz", GIVEN_TZ, false, read_tz },
	{ "fill", GIVEN_FILL, false, read_fill },
	{ "top", GIVEN_TOP, false, read_limit },
	{ "limit", GIVEN_LIMIT, false, read_limit },
	{ "order", GIVEN_ORDER, false, read_order },
	{ "min", GIVEN_MIN, false, read_min },
	{ "max", GIVEN_MAX, false, read_max },
};

/* Of engine_param, but of pages of events. */
static const char *const paging[] = { "offset", "cursor", "after", "wait", "total", "count",
	"explain" };

static bool is_paging(struct span name)
{
	for (size_t i = 0; i < ARRAY_COUNT(paging); i++) {
		if (span_eq(name, span_str(paging[i])))
			return true;
	}
	return false;
}

static void suggest(struct engine_err *err)
{
	const char *names[ARRAY_COUNT(params)], *near;

	for (size_t i = 0; i < ARRAY_COUNT(params); i++)
		names[i] = params[i].name;
	near = conf_closest(err->field, names, ARRAY_COUNT(params));
	if (near)
		snprintf(err->hint, sizeof err->hint, "did you mean %s?", near);
}

static int select_events(
	struct agg_request *req, struct span name, struct span value, struct engine_err *err)
{
	int rc;

	if (is_paging(name))
		return engine_param_refuse(err, ERR_UNKNOWN,
			"groups have no pages: limit and top bound them",
			"no such parameter of an aggregation");
	rc = engine_param(&req->filter, name, value, err);
	if (rc == ERR_UNKNOWN)
		suggest(err);
	return rc;
}

int agg_param(struct agg_request *req, struct span name, struct span value, struct engine_err *err)
{
	*err = (struct engine_err){ .code = 0 };
	snprintf(err->field, sizeof err->field, "%.*s",
		name.n < sizeof err->field ? (int)name.n : (int)sizeof err->field - 1, name.p);
	for (size_t i = 0; i < ARRAY_COUNT(params); i++) {
		const struct param *p = &params[i];

		if (!span_eq(name, span_str(p->name)))
			continue;
		if ((req->given & p->given) && !p->again)
			return engine_param_refuse(err, ERR_SYNTAX, "give it once", "given twice");
		req->given |= p->given;
		return p->read(req, value, err);
	}
	return select_events(req, name, value, err);
}

int agg_request_by(struct agg_request *req, struct span name, struct engine_err *err)
{
	struct text t = { name, 0, err };

	*err = (struct engine_err){ .field = "field" };
	ASSERT(req->spec.by_count == 0);
	if (take_field(req, &t, &req->spec.by[0], &req->spec.by_names[0]) < 0)
		return err->code;
	if (t.at < name.n)
		return wrong(&t, ERR_SYNTAX, fields_hint, "the end");
	req->given |= GIVEN_BY;
	req->spec.by_count = 1;
	return 0;
}

int agg_request_prefix(struct agg_request *req, struct span prefix, struct engine_err *err)
{
	*err = (struct engine_err){ .field = "prefix" };
	if (req->spec.prefix.p)
		return engine_param_refuse(err, ERR_SYNTAX, "give it once", "given twice");
	return keep(req, prefix, &req->spec.prefix, err);
}

/* ---------------------------------------------------------------- life */

void agg_request_init(struct agg_request *req)
{
	*req = (struct agg_request){ .spec = { .limit = AGG_LIMIT_DEFAULT,
					     .buckets = AGG_BUCKETS_DEFAULT } };
	engine_request_init(&req->filter);
	expr_builder_init(&req->names);
}

void agg_request_fini(struct agg_request *req)
{
	engine_request_fini(&req->filter);
	expr_builder_fini(&req->names);
	memset(req, 0, sizeof *req);
}

int agg_request_check(struct agg_request *req, struct engine_err *err)
{
	struct agg_spec *s = &req->spec;
	int rc = engine_request_check(&req->filter, err);

	if (rc < 0)
		return rc;
	if ((req->given & GIVEN_TOP) && (req->given & GIVEN_LIMIT))
		return refuse_field(
			err, "limit", "top is a limit already", "give top or limit, not both");
	if ((req->given & GIVEN_BUCKETS) && s->bucket_ns)
		return refuse_field(err, "buckets", "the width of a bucket is given already",
			"bucket=auto goes with buckets=N");
	if ((s->fill || s->zone_ns) && !s->bucket)
		return refuse_field(err, s->fill ? "fill" : "tz", "there are no buckets",
			"give bucket=auto, or a width as in bucket=1h");
	if (s->calls_count == 0)
		s->calls[s->calls_count++] =
			(struct agg_call){ .function = AGG_COUNT, .name = SPAN_LIT("count") };
	if (s->bucket && !(req->given & (GIVEN_TOP | GIVEN_ORDER)))
		s->order = AGG_ORDER_GROUP;
	if (s->fill && s->order != AGG_ORDER_GROUP)
		return refuse_field(err, "fill",
			"empty buckets have no place in the order of values",
			"fill goes with order=group, which is the order of buckets");
	return 0;
}
