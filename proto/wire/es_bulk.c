#include "proto/wire/es_bulk.h"

#include <inttypes.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"

static const char *const verbs[] = { "index", "create", "update", "delete" };

const char *es_bulk_verb_name(enum es_bulk_verb verb)
{
	ASSERT((size_t)verb < ARRAY_COUNT(verbs));
	return verbs[verb];
}

/* ---- actions ---- */

static int read_verb(struct span name, enum es_bulk_verb *out)
{
	for (size_t i = 0; i < ARRAY_COUNT(verbs); i++) {
		if (span_eq(name, span_str(verbs[i]))) {
			*out = (enum es_bulk_verb)i;
			return 0;
		}
	}
	return ERR_SYNTAX;
}

/* Members other than the two say where and how Elasticsearch stores, which is not asked here. */
static int read_meta(struct rcur *c, struct es_bulk_action *out)
{
	struct walk_value head, name, v;
	int rc = walk_read(c, &head);

	if (rc == 0 && head.type != WALK_MAP)
		return ERR_SYNTAX;
	for (uint32_t i = head.count; rc == 0 && i > 0; i--) {
		struct span value;
		struct rcur at;

		rc = walk_read(c, &name);
		if (rc == 0)
			rc = walk_take(c, &value);
		if (rc < 0)
			break;
		at = rcur_of(value.p, value.n);
		walk_read(&at, &v);
		if (v.type != WALK_STR)
			continue;
		if (span_eq(name.data, SPAN_LIT("_index")))
			out->index = v.data;
		else if (span_eq(name.data, SPAN_LIT("_id")))
			out->id = v.data;
	}
	return rc;
}

int es_bulk_action_read(struct span value, struct es_bulk_action *out)
{
	struct rcur c = rcur_of(value.p, value.n);
	struct es_bulk_action action = { .index = SPAN_NONE };
	struct walk_value head, name;
	int rc = walk_read(&c, &head);

	if (rc < 0 || head.type != WALK_MAP || head.count != 1)
		return ERR_SYNTAX;
	rc = walk_read(&c, &name);
	if (rc < 0 || name.type != WALK_STR || read_verb(name.data, &action.verb) < 0)
		return ERR_SYNTAX;
	if (read_meta(&c, &action) < 0)
		return ERR_SYNTAX;
	*out = action;
	if (action.index.n > LIMIT_ES_NAME_BYTES || action.id.n > LIMIT_ES_NAME_BYTES)
		return ERR_LIMIT;
	return 0;
}

/* ---- the answer ---- */

static bool ends_with(struct span s, const char *end)
{
	size_t n = strlen(end);

	return s.n >= n && memcmp(s.p + s.n - n, end, n) == 0;
}

/* One path of filter_path; a verb may stand for the asterisk. */
static unsigned member_of(struct span path)
{
	if (span_eq(path, SPAN_LIT("took")))
		return ES_BULK_TOOK;
	if (span_eq(path, SPAN_LIT("errors")))
		return ES_BULK_ERRORS;
	if (path.n < 5 || memcmp(path.p, "items", 5) != 0)
		return 0;
	if (ends_with(path, ".status"))
		return ES_BULK_STATUS;
	if (ends_with(path, ".error") || memmem(path.p, path.n, ".error.", 7))
		return ES_BULK_ERROR;
	return ES_BULK_STATUS | ES_BULK_ERROR | ES_BULK_REST;
}

unsigned es_bulk_members(struct span filter_path)
{
	unsigned members = 0;

	while (filter_path.n > 0) {
		const uint8_t *comma = memchr(filter_path.p, ',', filter_path.n);
		size_t n = comma ? (size_t)(comma - filter_path.p) : filter_path.n;

		members |= member_of(span_of(filter_path.p, n));
		n += comma != NULL;
		filter_path = span_of(filter_path.p + n, filter_path.n - n);
	}
	return members ? members : ES_BULK_ALL;
}

static void separate(struct buf *out)
{
	if (out->len > 0 && out->p[out->len - 1] != '{' && out->p[out->len - 1] != '[')
		buf_put_u8(out, ',');
}

static const unsigned of_items = ES_BULK_STATUS | ES_BULK_ERROR | ES_BULK_REST;

void es_bulk_begin(struct buf *out, unsigned members, int64_t took_ms, bool errors)
{
	buf_put_u8(out, '{');
	if (members & ES_BULK_TOOK)
		buf_printf(out, "\"took\":%" PRId64, took_ms);
	if (members & ES_BULK_ERRORS) {
		separate(out);
		buf_printf(out, "\"errors\":%s", errors ? "true" : "false");
	}
	if (members & of_items) {
		separate(out);
		buf_put_str(out, "\"items\":[");
	}
}

static void put_error(struct buf *out, const struct es_bulk_item *item)
{
	separate(out);
	buf_printf(out, "\"error\":{\"type\":\"%s\",\"reason\":", item->type);
	json_out_string(item->reason, out);
	buf_put_u8(out, '}');
}

static void put_rest(struct buf *out, const struct es_bulk_item *item)
{
	buf_put_str(out, "\"_index\":");
	json_out_string(item->index, out);
	if (item->type && !item->id.p)
		return;
	buf_put_str(out, ",\"_id\":");
	if (item->id.p)
		json_out_string(item->id, out);
	else
		buf_printf(out, "\"%" PRIu64 "\"", item->event_id);
	if (!item->type)
		buf_printf(out,
			",\"_version\":1,\"result\":\"created\",\"_shards\":{\"total\":1,"
			"\"successful\":1,\"failed\":0},\"_seq_no\":%" PRIu64
			",\"_primary_term\":1",
			item->event_id);
}

void es_bulk_item_put(struct buf *out, unsigned members, const struct es_bulk_item *item)
{
	if (!(members & (ES_BULK_STATUS | ES_BULK_REST)) &&
		!(members & ES_BULK_ERROR && item->type))
		return;
	separate(out);
	buf_printf(out, "{\"%s\":{", es_bulk_verb_name(item->verb));
	if (members & ES_BULK_REST)
		put_rest(out, item);
	if (members & ES_BULK_STATUS) {
		separate(out);
		buf_printf(out, "\"status\":%d", item->status);
	}
	if (members & ES_BULK_ERROR && item->type)
		put_error(out, item);
	buf_put_str(out, "}}");
}

void es_bulk_end(struct buf *out, unsigned members)
{
	buf_put_str(out, members & of_items ? "]}" : "}");
}

void es_bulk_problem(struct buf *out, int status, const char *type, struct span reason)
{
	buf_printf(out, "{\"error\":{\"root_cause\":[{\"type\":\"%s\",\"reason\":", type);
	json_out_string(reason, out);
	buf_printf(out, "}],\"type\":\"%s\",\"reason\":", type);
	json_out_string(reason, out);
	buf_printf(out, "},\"status\":%d}", status);
}
