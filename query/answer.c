#include "query/answer.h"

#include <inttypes.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/wire/json_out.h"
#include "storage/scan_fetch.h"

enum {
	/* An event beside its texts, as is usual: names, quotes, id, times, severity. */
	EVENT_NAMES_BYTES = 384,
	/* An answer beside its events. */
	REST_BYTES = 2048,
};

/* Room for all of it at once, if it is as long as most are: growing copies, and leaves holes behind. */
static void reserve_events(const struct engine_result *r, struct buf *out)
{
	size_t bytes = REST_BYTES;

	for (size_t i = 0; i < r->count; i++)
		bytes += event_bytes(&r->events[i]) + EVENT_NAMES_BYTES;
	if (bytes < out->max)
		buf_reserve(out, bytes);
}

static uint32_t wanted_by(const struct columns_one *one)
{
	switch (one->kind) {
	case COLUMNS_ID:
		return SCAN_FETCH_ID;
	case COLUMNS_TIME:
		return SCAN_FETCH_TIME;
	case COLUMNS_RECEIVED:
		return SCAN_FETCH_RECEIVED;
	case COLUMNS_SEVERITY:
		return SCAN_FETCH_SEVERITY;
	case COLUMNS_TEXT:
		return (uint32_t)SCAN_FETCH_TEXT << one->text;
	case COLUMNS_METADATA:
	case COLUMNS_PATH:
		return SCAN_FETCH_METADATA;
	case COLUMNS_FLAGS:
		return SCAN_FETCH_FLAGS;
	}
	UNREACHABLE();
}

uint32_t answer_wanted(const struct columns *fields)
{
	uint32_t wanted = 0;

	if (!fields || !fields->count)
		return SCAN_FETCH_ALL | SCAN_FETCH_JSON;
	for (size_t i = 0; i < fields->count; i++)
		wanted |= wanted_by(&fields->list[i]);
	return wanted;
}

static int put_event(const struct engine_result *r, const struct columns *fields,
	const struct event *ev, struct json_out_memo *memo, struct buf *out)
{
	if (fields && fields->count)
		return columns_json(fields, ev, out);
	if (r->wanted & SCAN_FETCH_JSON)
		return json_out_event_ready(ev, memo, out);
	return json_out_event(ev, out);
}

int answer_put_events(const struct engine_result *r, const struct columns *fields, struct buf *out)
{
	struct json_out_memo memo = { .time = { .text = "" } };

	if (!fields || !fields->count)
		reserve_events(r, out);
	for (size_t i = 0; i < r->count; i++) {
		int rc;

		if (i)
			buf_put_u8(out, ',');
		rc = put_event(r, fields, &r->events[i], &memo, out);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void put_place(
	const struct engine_request *req, const struct engine_result *r, struct buf *out)
{
	if (r->total_known)
		buf_printf(out, ",\"total\":%" PRIu64, r->total);
	else
		buf_put_str(out, ",\"total\":null");
	buf_printf(out, ",\"limit\":%" PRIu32 ",\"offset\":%" PRIu64, req->limit, req->offset);
	if (r->next[0])
		buf_printf(out, ",\"next\":\"%s\"", r->next);
	else
		buf_put_str(out, ",\"next\":null");
	buf_put_str(out, ",\"covered\":");
	json_out_id(r->covered, out);
}

void answer_put_damage(const struct engine_result *r, struct buf *out)
{
	size_t n = r->damage_count < ENGINE_DAMAGE_MAX ? r->damage_count : ENGINE_DAMAGE_MAX;

	if (n == 0)
		return;
	buf_put_str(out, ",\"damage\":[");
	for (size_t i = 0; i < n; i++) {
		const struct diag *d = &r->damage[i];

		buf_put_str(out, i ? ",{\"file\":" : "{\"file\":");
		json_out_string(span_str(d->file), out);
		if (d->off >= 0)
			buf_printf(out, ",\"offset\":%" PRId64, d->off);
		buf_put_str(out, ",\"error\":");
		json_out_string(span_str(d->text), out);
		buf_printf(out, ",\"code\":\"%s\"}", err_name(d->code));
	}
	buf_put_str(out, "]");
}

static void put_number(const char *label, uint64_t v, struct buf *out)
{
	buf_put_str(out, label);
	json_out_id(v, out);
}

void answer_put_stats(const struct engine_stats *s, uint64_t counted, struct buf *out)
{
	put_number(",\"stats\":{\"us\":", s->us, out);
	put_number(",\"threads\":", s->threads, out);
	put_number(",\"segments\":", s->scan.segments_total, out);
	put_number(",\"segments_opened\":", s->scan.segments_opened, out);
	put_number(",\"blocks\":", s->scan.blocks_total, out);
	put_number(",\"blocks_pruned\":", s->scan.blocks_pruned, out);
	put_number(",\"blocks_read\":", s->scan.blocks_read, out);
	put_number(",\"pages_read\":", s->scan.pages_read, out);
	put_number(",\"bytes_read\":", s->scan.bytes_read, out);
	put_number(",\"journal_rows\":", s->scan.journal_rows, out);
	put_number(",\"units_searched\":", s->units_visited, out);
	put_number(",\"units_counted\":", s->units_counted, out);
	put_number(",\"counted\":", counted, out);
	put_number(",\"damaged\":", s->scan.damaged_units, out);
	put_number(",\"regex_given_up\":", s->scan.regex_given_up, out);
	buf_put_u8(out, '}');
}

int answer_put(const struct engine_request *req, const struct columns *fields,
	const struct engine_result *result, struct buf *out)
{
	const char *partial = engine_partial_name(result->partial);
	int rc;

	buf_printf(out, "{\"status\":\"success\",\"%s\":[", req->spelled_as_time ? "data" : "logs");
	rc = answer_put_events(result, fields, out);
	if (rc < 0)
		return rc;
	buf_put_u8(out, ']');
	put_place(req, result, out);
	if (partial)
		buf_printf(out, ",\"partial\":\"%s\"", partial);
	answer_put_damage(result, out);
	answer_put_stats(&result->stats, result->total, out);
	if (req->explain) {
		buf_put_str(out, ",\"explain\":{");
		engine_explain_where(req, out);
		buf_put_u8(out, '}');
	}
	buf_put_str(out, "}\n");
	return out->err;
}
