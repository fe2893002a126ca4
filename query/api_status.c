#include "query/api_status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/timefmt.h"
#include "proto/wire/json_out.h"
#include "query/api_job.h"
#include "query/api_status_parts.h"
#include "query/ingest.h"
#include "query/live.h"
#include "storage/store_days.h"
#include "storage/store_summary.h"

#define CHECK_HINT "check=1 looks into the sidecars, too"

struct ask {
	struct api_job base;
	bool check; /* sidecars are opened, too */
	struct ingest_figures figures;
	struct live_counts tails;
};

/* ---------------------------------------------------------------- the answer */

/* Where there is no row: null. */
static void put_range(int64_t min_ns, int64_t max_ns, struct buf *out)
{
	if (min_ns > max_ns) {
		buf_put_str(out, ",\"time_min\":null,\"time_max\":null");
		return;
	}
	buf_put_str(out, ",\"time_min\":");
	json_out_time(min_ns, out);
	buf_put_str(out, ",\"time_max\":");
	json_out_time(max_ns, out);
}

static void put_time(int64_t ns, struct buf *out)
{
	if (ns)
		json_out_time(ns, out);
	else
		buf_put_str(out, "null");
}

static void put_store(const struct store_summary *s, struct buf *out)
{
	uint64_t events = s->rows_sealed + s->rows_unsealed, bytes = store_summary_bytes(s);

	buf_printf(out,
		"\"store\":{\"events\":%" PRIu64 ",\"sealed_events\":%" PRIu64
		",\"journal_events\":%" PRIu64 ",\"bytes\":%" PRIu64,
		events, s->rows_sealed, s->rows_unsealed, bytes);
	if (s->rows_sealed)
		buf_printf(out, ",\"bytes_per_sealed_event\":%.2f",
			(double)(bytes - s->files[STORE_SUMMARY_JOURNAL].bytes) /
				(double)s->rows_sealed);
	buf_printf(out, ",\"segments\":%" PRIu64 ",\"blocks\":%" PRIu64, s->segments, s->blocks);
	put_range(s->time_min_ns, s->time_max_ns, out);
	buf_put_str(out, ",\"committed\":");
	json_out_id(s->committed, out);
	buf_put_str(out, ",\"sealed\":");
	json_out_id(s->sealed, out);
	buf_printf(out, ",\"lost_ids\":%" PRIu64 ",\"deletes_pending\":%s}", s->lost_ids,
		s->deletes ? "true" : "false");
}

/* "seg", "evt" ...: as the files are named. */
static const char *kind_name(int kind)
{
	if (kind == STORE_SUMMARY_SEGMENT)
		return "seg";
	if (kind == STORE_SUMMARY_JOURNAL)
		return "journal";
	return sidx_common_suffix((enum sidx_kind)kind) + 1;
}

static void put_files(const struct store_summary *s, bool check, struct buf *out)
{
	buf_put_str(out, ",\"files\":{");
	for (int kind = 0; kind < STORE_SUMMARY_KINDS; kind++) {
		const struct store_summary_files *f = &s->files[kind];

		buf_printf(out, "%s\"%s\":{\"count\":%" PRIu64 ",\"bytes\":%" PRIu64,
			kind ? "," : "", kind_name(kind), f->count, f->bytes);
		if (kind != STORE_SUMMARY_JOURNAL)
			buf_printf(out, ",\"missing\":%" PRIu64, f->missing);
		if (kind != STORE_SUMMARY_JOURNAL && check)
			buf_printf(out, ",\"stale\":%" PRIu64 ",\"damaged\":%" PRIu64, f->stale,
				f->damaged);
		buf_put_u8(out, '}');
	}
	buf_put_u8(out, '}');
}

static void put_collector(
	const struct store_summary *s, const struct ingest_figures *f, struct buf *out)
{
	static const char *const names[] = {
		[STORE_SUMMARY_NO_COLLECTOR] = "none",
		[STORE_SUMMARY_STARTING] = "starting",
		[STORE_SUMMARY_RUNNING] = "running",
	};

	buf_printf(out, ",\"collector\":{\"state\":\"%s\",\"beat\":", names[s->collector]);
	put_time(s->beat_ns, out);
	buf_put_str(out, ",\"figures\":");
	put_time(f->at_ns, out);
	buf_put_u8(out, '}');
}

/* Where the collector has not told its limits they are absent. */
static void put_disk(const struct store_summary *s, const struct ingest_figures *f, struct buf *out)
{
	if (s->disk_total == 0)
		return;
	buf_printf(out, ",\"disk\":{\"free\":%" PRIu64 ",\"total\":%" PRIu64, s->disk_free,
		s->disk_total);
	if (f->disk_soft >= 0)
		buf_printf(out, ",\"wanted\":%" PRId64, f->disk_soft);
	if (f->disk_hard >= 0)
		buf_printf(out, ",\"reserved\":%" PRId64, f->disk_hard);
	buf_put_u8(out, '}');
}

static void put_tails(const struct live_counts *n, struct buf *out)
{
	buf_printf(out,
		",\"tails\":{\"open\":%u,\"questions\":%u,\"messages\":%" PRIu64
		",\"events\":%" PRIu64 ",\"dropped\":%" PRIu64 "}",
		n->tails, n->questions, n->messages, n->events, n->dropped);
}

static int put_days(const struct store_snapshot *snap, struct buf *out)
{
	struct store_days days;
	int rc = store_days_make(snap, &days);

	if (rc < 0)
		return rc;
	buf_put_str(out, ",\"days\":[");
	for (size_t i = 0; i < days.count; i++) {
		const struct store_days_one *d = &days.list[i];
		int64_t year;
		unsigned month, day;

		timefmt_date(d->day, &year, &month, &day);
		buf_printf(out,
			"%s{\"day\":\"%04" PRId64 "-%02u-%02u\",\"events\":%" PRIu64
			",\"bytes\":%" PRIu64 ",\"segments\":%" PRIu64 "}",
			i ? "," : "", year, month, day, d->rows, d->bytes, d->segments);
	}
	buf_put_u8(out, ']');
	store_days_fini(&days);
	return 0;
}

static int run(struct api_job *j, struct engine *engine, struct store_snapshot *snap)
{
	struct ask *a = (struct ask *)j;
	struct store_summary *s = malloc(sizeof *s);
	int rc = s ? store_summary_make(snap, a->check, s, &j->why) : -ENOMEM;

	(void)engine;
	if (rc == 0) {
		buf_put_str(&j->body, "{\"status\":\"success\",");
		put_store(s, &j->body);
		put_files(s, a->check, &j->body);
		api_status_parts_classes(s, &j->q->conf, &j->body);
		put_collector(s, &a->figures, &j->body);
		api_status_parts_ingest(&a->figures, &j->body);
		put_disk(s, &a->figures, &j->body);
		put_tails(&a->tails, &j->body);
		rc = put_days(snap, &j->body);
		buf_put_str(&j->body, "}\n");
		rc = rc < 0 ? rc : j->body.err;
	}
	free(s);
	return rc;
}

/* ---------------------------------------------------------------- the route */

static int take(struct api_job *j, struct span name, struct span value, struct engine_err *err)
{
	bool on = span_eq(value, SPAN_LIT("1"));

	if (!span_eq(name, SPAN_LIT("check"))) {
		*err = (struct engine_err){ .code = ERR_UNKNOWN,
			.error = "no such parameter of the status",
			.hint = CHECK_HINT };
		snprintf(err->field, sizeof err->field, "%.*s", (int)name.n, (const char *)name.p);
		return err->code;
	}
	if (!on && !span_eq(value, SPAN_LIT("0"))) {
		*err = (struct engine_err){ .code = ERR_SYNTAX,
			.field = "check",
			.error = "expected 0 or 1",
			.hint = CHECK_HINT };
		return err->code;
	}
	((struct ask *)j)->check = on;
	return 0;
}

void api_status_get(void *arg, struct http_call *call)
{
	static const struct api_job_kind kind = { .bytes = sizeof(struct ask), .run = run };
	struct ask *a = api_job_new(arg, call, &kind);

	if (!a || api_job_params(&a->base, take) < 0)
		return;
	a->figures = *ingest_now(arg);
	a->tails = *live_counts(arg);
	api_job_start(&a->base);
}
