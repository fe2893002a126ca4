#include "query/agg_answer.h"

#include <inttypes.h>
#include <math.h>

#include "proto/base/check.h"
#include "proto/base/timefmt.h"
#include "proto/wire/json_number.h"
#include "proto/wire/json_out.h"
#include "query/answer.h"
#include "storage/block_pool.h"

enum {
	/* Rows after which a look is taken at what they hold. */
	LOOK_ROWS = 1024,
};

static void put_double(double v, struct buf *out)
{
	char text[JSON_NUMBER_BYTES_MAX];

	if (!isfinite(v)) {
		buf_put_str(out, "null");
		return;
	}
	buf_put(out, text, json_number_put_float(text, v));
}

static void put_time(int64_t ns, struct buf *out)
{
	char text[TIMEFMT_BYTES_MAX + 2] = "\"";
	size_t n = 1 + timefmt_put(text + 1, ns);

	text[n++] = '"';
	buf_put(out, text, n);
}

void agg_answer_put_cell(const struct agg_cell *c, struct buf *out)
{
	switch (c->kind) {
	case AGG_CELL_NULL:
		buf_put_str(out, "null");
		break;
	case AGG_CELL_BOOL:
		buf_put_str(out, c->truth ? "true" : "false");
		break;
	case AGG_CELL_INT:
		buf_printf(out, "%" PRId64, c->i);
		break;
	case AGG_CELL_UINT:
		buf_printf(out, "%" PRIu64, c->u);
		break;
	case AGG_CELL_ID:
		json_out_id(c->u, out);
		break;
	case AGG_CELL_DOUBLE:
		put_double(c->f, out);
		break;
	case AGG_CELL_TEXT:
		json_out_string(c->text, out);
		break;
	case AGG_CELL_TIME:
		put_time(c->i, out);
		break;
	case AGG_CELL_SEVERITY:
		buf_printf(out, "\"%s\"", event_severity_name((enum event_severity)c->i));
		break;
	case AGG_CELL_MSGPACK:
		/* Only what storage has checked comes here; what it let pass is no value. */
		if (json_out_value(c->text, out) < 0)
			buf_put_str(out, "null");
		break;
	}
}

static void put_columns(const struct agg_result *r, struct buf *out)
{
	for (uint32_t i = 0; i < r->columns_count; i++) {
		buf_put_str(out, i ? "," : ",\"columns\":[");
		json_out_string(r->columns[i].name, out);
	}
	buf_put_u8(out, ']');
}

static void put_rows(const struct agg_result *r, struct buf *out)
{
	buf_put_str(out, ",\"rows\":[");
	for (uint32_t i = 0; i < r->rows_count && !out->err; i++) {
		for (uint32_t k = 0; k < r->columns_count; k++) {
			buf_put_str(out, k ? "," : i ? ",[" : "[");
			agg_answer_put_cell(agg_cell(r, i, k), out);
		}
		buf_put_u8(out, ']');
		if ((i + 1) % LOOK_ROWS == 0)
			block_pool_look();
	}
	buf_put_u8(out, ']');
}

/* Names of the columns that come from sketches; "groups", if groups may be too small or missing. */
static void put_approximate(const struct agg_result *r, struct buf *out)
{
	bool first = true;

	buf_put_str(out, ",\"approximate\":[");
	for (uint32_t i = 0; i < r->columns_count; i++) {
		if (!r->columns[i].approximate)
			continue;
		if (!first)
			buf_put_u8(out, ',');
		json_out_string(r->columns[i].name, out);
		first = false;
	}
	if (r->approximate_groups)
		buf_put_str(out, first ? "\"groups\"" : ",\"groups\"");
	buf_put_u8(out, ']');
}

struct engine_result agg_answer_run(const struct agg_result *r)
{
	struct engine_result run = { .total = r->total,
		.partial = r->partial,
		.committed = r->committed,
		.stats = r->stats,
		.damage_count = r->damage_count };

	memcpy(run.damage, r->damage, sizeof run.damage);
	return run;
}

void agg_answer_put_end(const struct agg_result *r, struct buf *out)
{
	struct engine_result run = agg_answer_run(r);

	if (r->partial != ENGINE_WHOLE)
		buf_printf(out, ",\"partial\":\"%s\"", engine_partial_name(r->partial));
	if (r->ungrouped)
		buf_printf(out, ",\"ungrouped\":%" PRIu64, r->ungrouped);
	answer_put_damage(&run, out);
	buf_printf(out, ",\"cube_rows\":%" PRIu64, r->cube_rows);
	answer_put_stats(&r->stats, r->total, out);
}

int agg_answer_put(const struct agg_result *r, struct buf *out)
{
	buf_put_str(out, "{\"status\":\"success\"");
	put_columns(r, out);
	put_rows(r, out);
	buf_printf(out, ",\"groups\":%" PRIu64 ",\"total\":%" PRIu64, r->groups, r->total);
	if (r->bucket_ns)
		buf_printf(out, ",\"bucket_ns\":%" PRId64, r->bucket_ns);
	put_approximate(r, out);
	agg_answer_put_end(r, out);
	buf_put_str(out, "}\n");
	return out->err;
}
