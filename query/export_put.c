/* The text of an export: what stands before the events, each event, and what is said at the end. */
#include "query/export_int.h"

#include <inttypes.h>

#include "proto/wire/csv_out.h"
#include "proto/wire/json_out.h"
#include "query/answer.h"

static int put_csv(const struct columns *columns, const struct event *ev, struct buf *out)
{
	size_t len = out->len;
	int rc;

	if (columns->count)
		columns_csv(columns, ev, out);
	else
		csv_out_event(ev, out);
	rc = out->err;
	if (rc < 0) {
		out->len = len;
		out->err = 0;
	}
	return rc;
}

int export_put_event(const struct export_run *x, const struct event *ev, struct json_out_memo *memo,
	struct buf *out)
{
	const struct columns *columns = &x->req->columns;
	int rc;

	if (x->req->format == EXPORT_CSV)
		return put_csv(columns, ev, out);
	if (x->req->format == EXPORT_JSON)
		buf_put_u8(out, ',');
	rc = columns->count ? columns_json(columns, ev, out) : json_out_event_ready(ev, memo, out);
	if (x->req->format == EXPORT_NDJSON)
		buf_put_u8(out, '\n');
	return rc < 0 ? rc : out->err;
}

void export_put_head(const struct export_run *x, struct buf *out)
{
	const struct columns *columns = &x->req->columns;

	if (x->req->format == EXPORT_CSV && columns->count)
		columns_csv_header(columns, out);
	else if (x->req->format == EXPORT_CSV)
		csv_out_header(out);
	else if (x->req->format == EXPORT_JSON)
		buf_printf(out, "{\"status\":\"success\",\"%s\":[",
			x->req->base.spelled_as_time ? "data" : "logs");
}

static void put_partial(const struct engine_result *r, struct buf *out)
{
	if (r->partial != ENGINE_WHOLE)
		buf_printf(out, ",\"partial\":\"%s\"", engine_partial_name(r->partial));
	answer_put_damage(r, out);
}

void export_put_tail(const struct export_run *x, struct buf *out)
{
	const struct engine_result *r = &x->result;

	if (x->req->format == EXPORT_JSON) {
		buf_printf(out, "],\"count\":%" PRIu64, (uint64_t)r->count);
		put_partial(r, out);
		answer_put_stats(&r->stats, r->count, out);
		buf_put_str(out, "}\n");
	} else if (x->req->format == EXPORT_NDJSON && r->partial != ENGINE_WHOLE) {
		buf_printf(out, "{\"status\":\"partial\",\"count\":%" PRIu64, (uint64_t)r->count);
		put_partial(r, out);
		buf_put_str(out, "}\n");
	}
}
