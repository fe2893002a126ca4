#include "query/engine.h"

#include <errno.h>
#include <inttypes.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"
#include "proto/expr/expr_parse.h"
#include "proto/wire/json_out.h"
#include "query/plan.h"

enum {
	/* Tests of which it is found out what each alone would leave: every one asks all bounds again. */
	EXPLAIN_TESTS_MAX = 16,
};

/* ---------------------------------------------------------------- what is asked */

static void put_text(const struct expr *x, struct buf *out)
{
	struct buf text;

	buf_init(&text, LIMIT_EXPR_BYTES);
	expr_print(x, &text);
	json_out_string(buf_span(&text), out);
	if (text.err && out->err == 0)
		out->err = text.err;
	buf_fini(&text);
}

/* Tests by their numbers. */
static void put_tree(const struct expr *x, struct buf *out)
{
	switch (x->kind) {
	case EXPR_TRUE:
		buf_put_str(out, "true");
		break;
	case EXPR_FALSE:
		buf_put_str(out, "false");
		break;
	case EXPR_TEST:
		buf_printf(out, "%" PRIu32, x->index);
		break;
	case EXPR_NOT:
		UNREACHABLE();
	case EXPR_AND:
	case EXPR_OR:
		buf_put_str(out, x->kind == EXPR_AND ? "{\"and\":[" : "{\"or\":[");
		for (uint32_t i = 0; i < x->args_count; i++) {
			buf_put_str(out, i ? "," : "");
			put_tree(x->args[i], out);
		}
		buf_put_str(out, "]}");
		break;
	}
}

static void put_time(const char *name, int64_t ns, bool open, struct buf *out)
{
	char text[TIMEFMT_BYTES_MAX];

	buf_printf(out, ",\"%s\":", name);
	if (open)
		buf_put_str(out, "null");
	else
		buf_printf(out, "\"%.*s\"", (int)timefmt_put(text, ns), text);
}

static const char *order_name(enum engine_order order)
{
	static const char *const names[] = {
		[ENGINE_ORDER_DESC] = "desc",
		[ENGINE_ORDER_ASC] = "asc",
		[ENGINE_ORDER_ARRIVAL] = "arrival",
	};

	return names[order];
}

void engine_explain_where(const struct engine_request *req, struct buf *out)
{
	buf_put_str(out, "\"where\":");
	put_text(req->where, out);
	buf_put_str(out, ",\"tree\":");
	put_tree(req->where, out);
	put_time("from", req->from_ns, req->from_ns == INT64_MIN, out);
	put_time("to", req->to_ns, req->to_ns == INT64_MAX, out);
	buf_printf(out, ",\"order\":\"%s\"", order_name(req->order));
}

/* ---------------------------------------------------------------- what would be read */

struct left {
	struct scan_stats stats;
	uint64_t blocks; /* units that may hold something, journal batches among them */
	uint64_t whole;  /* of them, those in which every row matches */
	uint64_t rows;
};

static int look(
	struct store_snapshot *snap, const struct scan_spec *spec, struct left *out, struct diag *d)
{
	struct scan *s = NULL;
	int rc = scan_open(snap, spec, &s, &out->stats, d);

	if (rc < 0)
		return rc;
	out->blocks = scan_unit_count(s);
	for (size_t i = 0; i < out->blocks; i++) {
		const struct scan_unit *u = scan_unit(s, i);

		out->whole += u->all;
		out->rows += u->rows_count;
	}
	scan_close(&s);
	return 0;
}

static void put_left(const struct left *l, struct buf *out)
{
	buf_printf(out,
		"\"blocks_left\":%" PRIu64 ",\"blocks_whole\":%" PRIu64 ",\"rows_left\":%" PRIu64,
		l->blocks, l->whole, l->rows);
}

static int put_plan(struct store_snapshot *snap, const struct engine_request *req, struct buf *out,
	struct diag *d)
{
	struct left l = { .blocks = 0 };
	struct scan_spec spec;
	int rc = 0;

	if (plan_spec(req, snap, &spec))
		rc = look(snap, &spec, &l, d);
	if (rc < 0)
		return rc;
	buf_printf(out,
		",\"plan\":{\"segments\":%" PRIu64 ",\"segments_opened\":%" PRIu64
		",\"blocks\":%" PRIu64 ",\"blocks_pruned\":%" PRIu64 ",",
		l.stats.segments_total, l.stats.segments_opened, l.stats.blocks_total,
		l.stats.blocks_pruned);
	put_left(&l, out);
	buf_put_str(out, ",\"id_min\":");
	json_out_id(spec.id_min, out);
	buf_put_str(out, ",\"id_max\":");
	json_out_id(spec.id_max, out);
	put_time("from", spec.from_ns, spec.from_ns == INT64_MIN, out);
	put_time("to", spec.to_ns, spec.to_ns == INT64_MAX, out);
	buf_put_u8(out, '}');
	return 0;
}

/* ---------------------------------------------------------------- each test alone */

static void put_literal(const struct expr *test, struct buf *out)
{
	struct needle literal;

	if (test->test != EXPR_TEST_REGEX)
		return;
	buf_put_str(out, ",\"literal\":");
	if (expr_literal(test, &literal))
		json_out_string(span_of(literal.lower, literal.n), out);
	else
		buf_put_str(out, "null");
}

static int put_test(struct store_snapshot *snap, const struct engine_request *req,
	const struct expr *test, struct buf *out, struct diag *d)
{
	struct expr alone = *test;
	struct left l = { .blocks = 0 };
	struct scan_spec spec;
	int rc;

	buf_printf(out, "%s{\"test\":%" PRIu32 ",\"text\":", test->index ? "," : "", test->index);
	put_text(test, out);
	put_literal(test, out);
	if (test->index < EXPLAIN_TESTS_MAX) {
		/* Numbers begin at 0 in every tree. */
		alone.index = 0;
		scan_spec_init(&spec);
		spec.from_ns = req->from_ns;
		spec.to_ns = req->to_ns;
		spec.where = &alone;
		rc = look(snap, &spec, &l, d);
		if (rc < 0)
			return rc;
		buf_put_u8(out, ',');
		put_left(&l, out);
	}
	buf_put_u8(out, '}');
	return 0;
}

static int put_tests(struct store_snapshot *snap, const struct engine_request *req,
	const struct expr *x, struct buf *out, struct diag *d)
{
	int rc = 0;

	if (x->kind == EXPR_TEST)
		return put_test(snap, req, x, out, d);
	for (uint32_t i = 0; i < x->args_count && rc == 0; i++)
		rc = put_tests(snap, req, x->args[i], out, d);
	return rc;
}

static int put_all(struct store_snapshot *snap, const struct engine_request *req, struct buf *out,
	struct diag *d)
{
	int64_t began = clock_mono_ns();
	int rc;

	buf_put_str(out, "{\"status\":\"success\",");
	engine_explain_where(req, out);
	rc = put_plan(snap, req, out, d);
	if (rc < 0)
		return rc;
	buf_put_str(out, ",\"tests\":[");
	rc = put_tests(snap, req, req->where, out, d);
	if (rc < 0)
		return rc;
	buf_printf(out, "],\"stats\":{\"us\":%" PRId64 "}}\n",
		(clock_mono_ns() - began) / CLOCK_NS_PER_US);
	return out->err ? diag_set(d, out->err, "", -1, "cannot explain the query") : 0;
}

int engine_explain(struct store_snapshot *snap, const struct engine_request *req, struct buf *out,
	struct diag *d)
{
	size_t began = out->len;
	int rc = put_all(snap, req, out, d);

	if (rc < 0)
		out->len = began;
	return rc;
}
