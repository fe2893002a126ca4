#include "collector/http_es.h"

#include <stdio.h>

#include "collector/http_bulk.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/span.h"
#include "proto/svc/version.h"
#include "proto/wire/es_bulk.h"

enum { PAGE_BYTES = 4096 };

/* A version whose clients of before and after send what we take. */
#define ES_VERSION "8.17.0"

static void reply(struct http_call *call, int status, struct buf *page)
{
	const struct http_call_head head = {
		.status = status, .type = "application/json", .fields = HTTP_BULK_PRODUCT
	};

	http_call_reply(call, &head, page);
	buf_fini(page);
}

static void reply_text(struct http_call *call, int status, const char *text)
{
	struct buf page;

	buf_init(&page, PAGE_BYTES);
	buf_put_str(&page, text);
	reply(call, status, &page);
}

void http_es_info(void *arg, struct http_call *call)
{
	struct buf page;

	(void)arg;
	buf_init(&page, PAGE_BYTES);
	buf_printf(&page,
		"{\"name\":\"astrolabe\",\"cluster_name\":\"astrolabe\",\"cluster_uuid\":"
		"\"astrolabe-0000000000000\",\"version\":{\"number\":\"" ES_VERSION
		"\",\"build_flavor\":\"default\",\"build_type\":\"deb\",\"build_hash\":"
		"\"%s\",\"build_date\":\"2024-12-11T00:00:00.000Z\",\"build_snapshot\":false,"
		"\"lucene_version\":\"9.12.0\",\"minimum_wire_compatibility_version\":\"7.17.0\","
		"\"minimum_index_compatibility_version\":\"7.0.0\"},\"tagline\":"
		"\"You Know, for Search\"}\n",
		version_text);
	reply(call, 200, &page);
}

void http_es_license(void *arg, struct http_call *call)
{
	(void)arg;
	reply_text(call, 200,
		"{\"license\":{\"status\":\"active\",\"uid\":\"00000000-0000-0000-0000-000000000000\","
		"\"type\":\"basic\",\"issue_date\":\"2024-12-11T00:00:00.000Z\","
		"\"issue_date_in_millis\":1733875200000,\"max_nodes\":1000,\"issued_to\":\"astrolabe\","
		"\"issuer\":\"elasticsearch\",\"start_date_in_millis\":-1}}\n");
}

void http_es_xpack(void *arg, struct http_call *call)
{
	(void)arg;
	reply_text(call, 200,
		"{\"build\":{\"hash\":\"0\",\"date\":\"2024-12-11T00:00:00.000Z\"},\"license\":{\"uid\":"
		"\"00000000-0000-0000-0000-000000000000\",\"type\":\"basic\",\"mode\":\"basic\","
		"\"status\":\"active\"},\"features\":{\"ilm\":{\"available\":true,\"enabled\":true},"
		"\"data_streams\":{\"available\":true,\"enabled\":true},\"security\":{\"available\":true,"
		"\"enabled\":false}},\"tagline\":\"You know, for X\"}\n");
}

void http_es_health(void *arg, struct http_call *call)
{
	(void)arg;
	reply_text(call, 200,
		"{\"cluster_name\":\"astrolabe\",\"status\":\"green\",\"timed_out\":false,"
		"\"number_of_nodes\":1,\"number_of_data_nodes\":1,\"active_primary_shards\":1,"
		"\"active_shards\":1,\"relocating_shards\":0,\"initializing_shards\":0,"
		"\"unassigned_shards\":0,\"number_of_pending_tasks\":0}\n");
}

void http_es_cat_health(void *arg, struct http_call *call)
{
	static const struct http_call_head head = {
		.status = 200, .type = "text/plain; charset=UTF-8", .fields = HTTP_BULK_PRODUCT
	};
	int64_t now = clock_wall_ns() / CLOCK_NS_PER_SEC;
	struct buf page;

	(void)arg;
	buf_init(&page, PAGE_BYTES);
	buf_printf(&page, "%lld %02d:%02d:%02d astrolabe green 1 1 1 1 0 0 0 0 - 100.0%%\n",
		(long long)now, (int)(now / 3600 % 24), (int)(now / 60 % 60), (int)(now % 60));
	http_call_reply(call, &head, &page);
	buf_fini(&page);
}

static void answer_thing(struct http_call *call)
{
	struct buf page;

	if (http_call_request(call)->method != HTTP_PARSE_GET &&
		http_call_request(call)->method != HTTP_PARSE_HEAD) {
		reply_text(call, 200, "{\"acknowledged\":true,\"shards_acknowledged\":true}\n");
		return;
	}
	buf_init(&page, PAGE_BYTES);
	es_bulk_problem(&page, 404, "resource_not_found_exception",
		SPAN_LIT("there are no such things here, and none are needed"));
	reply(call, 404, &page);
}

static void on_body(void *arg, struct http_call *call, struct span piece, bool whole)
{
	(void)arg;
	(void)piece;
	if (whole)
		answer_thing(call);
}

static void on_gone(void *arg, struct http_call *call)
{
	(void)arg;
	http_call_text(call, 503, NULL, "");
}

void http_es_thing(void *arg, struct http_call *call)
{
	(void)arg;
	http_call_on_gone(call, on_gone, NULL);
	http_call_read(call, on_body, NULL);
}
