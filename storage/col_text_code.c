/*
 * The codes of a SHAPED page, and how many rows of each template there are before a row. Where the
 * page says how many each step of rows has, only the steps that hold the rows asked for are read.
 */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_shape_int.h"

enum {
	CODES_BATCH = 512,
	/* Rows so near are gone through one by one. */
	NEAR_ROWS = 128,
};

static uint32_t width_of(const struct col_text_shaped *p)
{
	return COL_TEXT_TEMPLATE + p->templates_count;
}

static uint32_t steps_of(const struct col_text_shaped *p)
{
	return (p->base.rows_count + COL_TEXT_STEP_ROWS - 1) / COL_TEXT_STEP_ROWS;
}

/* Counts before the step; behind them the e-mail addresses. */
static uint32_t *counts_at(const struct col_text_shaped *p, uint32_t step)
{
	return p->step_counts + (size_t)step * (width_of(p) + 1);
}

static uint32_t emails_of(const struct col_text_shaped *p, uint32_t code)
{
	return code < COL_TEXT_TEMPLATE ? 0 : p->templates[code - COL_TEXT_TEMPLATE].emails_count;
}

static void count_rows(const uint16_t *codes, uint32_t n, uint32_t *counts)
{
	for (uint32_t i = 0; i < n; i++)
		counts[codes[i]]++;
}

/* The keys of rows first .. first + count - 1, of CODES_BATCH at most. */
static int take_keys(struct col_text_shaped *p, uint32_t first, uint32_t count, uint32_t *keys)
{
	uint32_t rows[CODES_BATCH];

	if (!p->base.env->key)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < count; i++)
		rows[i] = first + i;
	return p->base.env->key(p->base.env->ctx, p->key - 1u, rows, count, keys);
}

/* Places in the keys' lists become codes; the lists were checked. */
static int apply_key(const struct col_text_shaped *p, const uint32_t *keys, const int64_t *places,
	uint32_t count, uint16_t *codes)
{
	const uint32_t *offs = p->key_offs;
	const uint16_t *lists = p->key_codes;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t place = (uint64_t)places[i];
		uint32_t start;

		if (keys[i] >= p->keys_count)
			return ERR_CORRUPT;
		start = offs[keys[i]];
		if (place >= offs[keys[i] + 1] - start)
			return ERR_CORRUPT;
		codes[i] = lists[start + place];
	}
	return 0;
}

static int narrow(const int64_t *v, uint32_t n, uint32_t width, uint16_t *codes)
{
	uint64_t bad = 0;

	for (uint32_t i = 0; i < n; i++) {
		bad |= (uint64_t)v[i] >= width;
		codes[i] = (uint16_t)v[i];
	}
	return bad ? ERR_CORRUPT : 0;
}

/* Codes of rows first .. first + count - 1, counted. */
static int load_codes(struct col_text_shaped *p, uint32_t first, uint32_t count, uint32_t *counts)
{
	uint32_t keys[CODES_BATCH];
	int64_t v[CODES_BATCH];

	for (uint32_t end = first + count, n; first < end; first += n) {
		int rc;

		n = end - first < CODES_BATCH ? end - first : CODES_BATCH;
		rc = col_stream_get(&p->codes_stream, first, n, v);
		if (rc == 0 && p->key)
			rc = take_keys(p, first, n, keys);
		if (rc == 0 && p->key)
			rc = apply_key(p, keys, v, n, p->codes + first);
		else if (rc == 0)
			rc = narrow(v, n, width_of(p), p->codes + first);
		if (rc < 0)
			return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
		count_rows(p->codes + first, n, counts);
	}
	return 0;
}

/* The codes of a step, and its counts to those of the next one; or, if these are known, compared. */
static int load_step(struct col_text_shaped *p, uint32_t step, bool known)
{
	uint32_t first = step * COL_TEXT_STEP_ROWS, left = p->base.rows_count - first;
	uint32_t n = left < COL_TEXT_STEP_ROWS ? left : COL_TEXT_STEP_ROWS, width = width_of(p);
	uint32_t counts[COL_TEXT_TEMPLATE + LIMIT_TEXT_TEMPLATES + 1];
	int rc;

	if (p->step_ready[step])
		return 0;
	if (!p->codes)
		p->codes = arena_alloc(p->base.mem, p->base.rows_count * sizeof *p->codes);
	if (!p->codes)
		return -ENOMEM;
	memcpy(counts, counts_at(p, step), (width + 1) * sizeof *counts);
	rc = load_codes(p, first, n, counts);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < width; i++)
		counts[width] += (counts[i] - counts_at(p, step)[i]) * emails_of(p, i);
	if (!known)
		memcpy(counts_at(p, step + 1), counts, (width + 1) * sizeof *counts);
	else if (memcmp(counts_at(p, step + 1), counts, (width + 1) * sizeof *counts) != 0)
		return ERR_CORRUPT;
	p->step_ready[step] = true;
	return 0;
}

/* The page's own counts, step by step; they must add up to its rows. */
static int read_counts(struct col_text_shaped *p)
{
	struct rcur c = rcur_of(p->counts_bytes.p, p->counts_bytes.n);
	uint32_t width = width_of(p), steps = steps_of(p);
	struct col_stream stream;
	int64_t *v = arena_alloc(p->base.work, width * sizeof *v);
	int rc = v ? col_stream_open(&c, steps * width, p->base.mem, &stream) : -ENOMEM;

	for (uint32_t step = 0; step < steps && rc == 0; step++) {
		const uint32_t *before = counts_at(p, step);
		uint32_t *after = counts_at(p, step + 1);
		uint64_t rows = 0;

		rc = col_stream_get(&stream, step * width, width, v);
		after[width] = before[width];
		for (uint32_t i = 0; i < width && rc == 0; i++) {
			if ((uint64_t)v[i] > COL_TEXT_STEP_ROWS)
				return ERR_CORRUPT;
			after[i] = before[i] + (uint32_t)v[i];
			after[width] += (uint32_t)v[i] * emails_of(p, i);
			rows += (uint64_t)v[i];
		}
		if (rc == 0 && step + 1 < steps && rows != COL_TEXT_STEP_ROWS)
			rc = ERR_CORRUPT;
	}
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

/* What the counts of all rows say of templates and of the pages inside. */
static int take_totals(struct col_text_shaped *p)
{
	uint32_t width = width_of(p);
	const uint32_t *all = counts_at(p, steps_of(p));
	uint64_t rows = 0;

	for (uint32_t i = 0; i < width; i++)
		rows += all[i];
	for (uint32_t i = 0; i < p->templates_count; i++)
		p->templates[i].rows_count = all[COL_TEXT_TEMPLATE + i];
	p->residue_count = all[COL_TEXT_RESIDUE];
	p->emails_count = all[width];
	memset(p->cursor.counts, 0, width * sizeof *p->cursor.counts);
	if (rows != p->base.rows_count || p->emails_count > COL_STREAM_COUNT_MAX ||
		(p->emails_count > 0) != (p->emails_bytes.p != NULL) ||
		(p->residue_count > 0) != (p->residue_bytes.p != NULL))
		return ERR_CORRUPT;
	return 0;
}

/* Memory, the stream, and the counts of all steps, from the page or by reading all codes. */
int col_text_shape_counts(struct col_text_shaped *p)
{
	struct rcur c = rcur_of(p->codes_bytes.p, p->codes_bytes.n);
	uint32_t rows = p->base.rows_count, width = width_of(p), steps = steps_of(p);
	struct arena *mem = p->base.mem;
	int rc;

	if (p->counted)
		return 0;
	ASSERT(steps <= COL_TEXT_STEPS_MAX);
	rc = col_stream_open(&c, rows, mem, &p->codes_stream);
	if (rc < 0)
		return rc == -ENOMEM ? rc : ERR_CORRUPT;
	p->cursor.counts = arena_alloc(mem, width * sizeof(uint32_t));
	p->step_counts = arena_calloc(mem, ((size_t)steps + 1) * (width + 1), sizeof(uint32_t));
	if (!p->cursor.counts || !p->step_counts)
		return -ENOMEM;
	if (p->counts_bytes.n > 0)
		rc = read_counts(p);
	for (uint32_t step = 0; step < steps && rc == 0 && p->counts_bytes.n == 0; step++)
		rc = load_step(p, step, false);
	if (rc == 0)
		rc = take_totals(p);
	p->counted = rc == 0;
	if (rc < 0)
		memset(p->step_ready, 0, sizeof p->step_ready);
	return rc;
}

int col_text_shape_codes(struct col_text_shaped *p)
{
	int rc = col_text_shape_counts(p);

	for (uint32_t step = 0; step < steps_of(p) && rc == 0; step++)
		rc = load_step(p, step, true);
	return rc;
}

int col_text_shape_codes_of(struct col_text_shaped *p, const uint32_t *rows, size_t count)
{
	int rc = col_text_shape_counts(p);

	for (size_t i = 0; i < count && rc == 0; i++)
		rc = load_step(p, rows[i] / COL_TEXT_STEP_ROWS, true);
	return rc;
}

uint32_t col_text_shape_before(const struct col_text_shaped *p, uint32_t step, uint32_t code)
{
	ASSERT(step <= steps_of(p));
	return counts_at(p, step)[code];
}

/* Moves the cursor to the row. */
static void seek(struct col_text_shaped *p, uint32_t row)
{
	struct col_text_cursor *c = &p->cursor;
	uint32_t step = row / COL_TEXT_STEP_ROWS, width = width_of(p);

	if (row < c->row || c->row / COL_TEXT_STEP_ROWS != step) {
		memcpy(c->counts, counts_at(p, step), width * sizeof *c->counts);
		c->row = step * COL_TEXT_STEP_ROWS;
	}
	count_rows(p->codes + c->row, row - c->row, c->counts);
	c->row = row;
}

/* E-mail addresses in the rows before the cursor. */
static uint32_t emails_before(const struct col_text_shaped *p)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < p->mailed_count; i++)
		sum += p->cursor.counts[p->mailed[i]] * emails_of(p, p->mailed[i]);
	return sum;
}

/* Of rows of one step, at most; a plain loop that compilers turn into vectors. */
static uint32_t count_code(const uint16_t *codes, uint32_t n, uint16_t code)
{
	uint16_t sum = 0;

	static_assert(COL_TEXT_STEP_ROWS <= UINT16_MAX, "rows of a step can be counted");
	for (uint32_t i = 0; i < n; i++)
		sum = (uint16_t)(sum + (codes[i] == code));
	return sum;
}

/* From the beginning of the row's step, without the cursor. */
static struct col_text_rank count(const struct col_text_shaped *p, uint32_t row)
{
	uint32_t step = row / COL_TEXT_STEP_ROWS, first = step * COL_TEXT_STEP_ROWS;
	const uint32_t *before = counts_at(p, step);
	unsigned code = p->codes[row];
	struct col_text_rank rank = {
		.rows = before[code] + count_code(p->codes + first, row - first, (uint16_t)code),
		.emails = before[width_of(p)],
	};

	for (uint32_t i = first; i < row && emails_of(p, code) > 0; i++)
		rank.emails += emails_of(p, p->codes[i]);
	return rank;
}

static bool is_near(uint32_t row, uint32_t before)
{
	return row >= before && row - before <= NEAR_ROWS;
}

struct col_text_rank col_text_shape_rank(struct col_text_shaped *p, uint32_t row)
{
	struct col_text_cursor *c = &p->cursor;
	bool near = is_near(row, c->row) || is_near(row, c->asked);

	ASSERT(row < p->base.rows_count);
	ASSERT(p->step_ready[row / COL_TEXT_STEP_ROWS]);
	c->asked = row;
	if (!near)
		return count(p, row);
	seek(p, row);
	return (struct col_text_rank){ c->counts[p->codes[row]],
		emails_of(p, p->codes[row]) > 0 ? emails_before(p) : 0 };
}
