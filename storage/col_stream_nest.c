/*
 * Streams made of two others: runs of a value, and distinct values with an index for each row.
 */
#include "storage/col_stream_int.h"

#include <errno.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

/*
 * Fewer rows than one in so many of the values, in all calls together, are looked up one by one: each
 * costs a group of its own.
 */
enum {
	LOOK_UP_RATIO = 256,
	/* Runs behind the one at hand that are looked at before any other is searched. */
	RUNS_NEAR = 16,
	/* Lengths read at a time: whole groups. */
	PART = COL_STREAM_GROUP * COL_STREAM_FRAME,
};

int col_stream_nest_open(struct rcur *c, struct col_stream_body *b)
{
	uint64_t values = rcur_varint(c);
	uint32_t places = b->form == COL_STREAM_RUNS ? (uint32_t)values : b->count;

	if (!c->err && (values == 0 || values > b->count))
		c->err = ERR_CORRUPT;
	if (!c->err)
		b->values = col_stream_body_open(c, (uint32_t)values, true, b->mem);
	if (!c->err)
		b->places = col_stream_body_open(c, places, true, b->mem);
	return c->err;
}

static int load_values(struct col_stream_body *b)
{
	int64_t *v;
	int rc;

	if (b->distinct)
		return 0;
	v = arena_alloc(b->mem, b->values->count * sizeof *v);
	if (!v)
		return -ENOMEM;
	rc = col_stream_body_get(b->values, 0, b->values->count, v);
	if (rc == 0)
		b->distinct = v;
	return rc;
}

/* ---- runs ---- */

/* One start more than there are runs: the count of rows, which the lengths must come to. */
static int load_starts(struct col_stream_body *b)
{
	uint32_t runs = b->places->count;
	int64_t part[PART];
	uint64_t row = 0;
	uint32_t *starts;

	if (b->starts)
		return 0;
	starts = arena_alloc(b->mem, (runs + 1) * sizeof *starts);
	if (!starts)
		return -ENOMEM;
	for (uint32_t at = 0, n; at < runs; at += n) {
		int rc;

		n = runs - at < PART ? runs - at : PART;
		rc = col_stream_body_get(b->places, at, n, part);
		for (uint32_t i = 0; i < n && rc == 0; i++) {
			starts[at + i] = (uint32_t)row;
			if ((uint64_t)part[i] >= b->count - row)
				rc = ERR_CORRUPT;
			row += (uint64_t)part[i] + 1;
		}
		if (rc < 0)
			return rc;
	}
	starts[runs] = (uint32_t)row;
	if (row != b->count)
		return ERR_CORRUPT;
	b->starts = starts;
	return 0;
}

static int load_runs(struct col_stream_body *b)
{
	int rc = load_starts(b);

	return rc < 0 ? rc : load_values(b);
}

/* The run that row stands in: the last one whose start is not behind it. */
static uint32_t find_run(const struct col_stream_body *b, uint32_t row)
{
	uint32_t low = 0, high = b->places->count;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (b->starts[mid] <= row)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static void get_runs(const struct col_stream_body *b, uint32_t first, uint32_t count, int64_t *out)
{
	uint32_t run = find_run(b, first), row = first;

	for (; row < first + count; run++) {
		uint32_t end =
			b->starts[run + 1] < first + count ? b->starts[run + 1] : first + count;

		for (; row < end; row++)
			out[row - first] = b->distinct[run];
	}
}

/* Rows rise: the next one is in the same run or mostly in one of those just behind it. */
static uint32_t run_of(const struct col_stream_body *b, uint32_t run, uint32_t row)
{
	const uint32_t *starts = b->starts;
	uint32_t end = run + RUNS_NEAR;

	ASSERT(row < b->count);
	/* The count of rows stands behind the last start. */
	while (row >= starts[run + 1] && run < end)
		run++;
	return row >= starts[run + 1] || row < starts[run] ? find_run(b, row) : run;
}

/* Their values are not kept: what is picked is less than what is read whole. */
static int pick_runs(struct col_stream_body *b, const uint32_t *rows, uint32_t count, int64_t *out)
{
	uint32_t runs[COL_STREAM_FRAME], run = find_run(b, rows[0]);
	int rc = 0;

	for (uint32_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < COL_STREAM_FRAME ? count - at : COL_STREAM_FRAME;
		for (uint32_t i = 0; i < n; i++)
			runs[i] = run = run_of(b, run, rows[at + i]);
		rc = col_stream_body_pick(b->values, runs, n, out + at);
	}
	return rc;
}

/* ---- distinct values ---- */

/* Indices in out become the values they stand for. */
static int look_up(struct col_stream_body *b, uint32_t count, int64_t *out)
{
	uint32_t values = b->values->count;
	int rc = 0;

	b->asked += count;
	if (b->asked >= values / LOOK_UP_RATIO)
		rc = load_values(b);
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		if ((uint64_t)out[i] >= values)
			rc = ERR_CORRUPT;
		else if (b->distinct)
			out[i] = b->distinct[out[i]];
		else
			rc = col_stream_body_get(b->values, (uint32_t)out[i], 1, &out[i]);
	}
	return rc;
}

int col_stream_nest_get(struct col_stream_body *b, uint32_t first, uint32_t count, int64_t *out)
{
	int rc;

	if (count == 0)
		return 0;
	if (b->form == COL_STREAM_DICT) {
		rc = col_stream_body_get(b->places, first, count, out);
		return rc < 0 ? rc : look_up(b, count, out);
	}
	rc = load_runs(b);
	if (rc == 0)
		get_runs(b, first, count, out);
	return rc;
}

int col_stream_nest_pick(
	struct col_stream_body *b, const uint32_t *rows, uint32_t count, int64_t *out)
{
	int rc;

	if (b->form == COL_STREAM_DICT) {
		rc = col_stream_body_pick(b->places, rows, count, out);
		return rc < 0 ? rc : look_up(b, count, out);
	}
	rc = load_starts(b);
	return rc == 0 ? pick_runs(b, rows, count, out) : rc;
}
