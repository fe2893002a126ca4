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
	/* Of so many codes there are marks, at the beginning of each batch of a step. */
	MARKS_WIDTH = 64,
	MARKS = COL_TEXT_STEP_ROWS / CODES_BATCH,
	/* So few rows of a step are counted from the marks before them, each for itself. */
	MARKED_ROWS = 32,
	/* Codes of all keys by place, in a table. */
	TABLE_MAX = 1024,
	/* So few codes are counted one after another, each at once. */
	WIDTH_FEW = 8,
	/* Rows so near are gone through one by one. */
	NEAR_ROWS = 512,
	LANES = 8,
	/* So many rows, of LANES numbers at most which are below the width, are counted in lanes. */
	LANES_ROWS = 64,
	LANES_WIDTH = 256,
	/* Of so many rows in turn it is noted what stands before each: no loop ends at a row asked for. */
	LANES_PART = 256,
};

static_assert(
	(int)COL_TEXT_STEP_ROWS == (int)COL_TEXT_KEY_ROWS, "a step's keys are asked for at once");

static uint32_t width_of(const struct col_text_shaped *p)
{
	return COL_TEXT_TEMPLATE + p->templates_count;
}

static uint32_t steps_of(const struct col_text_shaped *p)
{
	return (p->base.rows_count + COL_TEXT_STEP_ROWS - 1) / COL_TEXT_STEP_ROWS;
}

static uint32_t rows_of_step(const struct col_text_shaped *p, uint32_t step)
{
	uint32_t left = p->base.rows_count - step * COL_TEXT_STEP_ROWS;

	return left < COL_TEXT_STEP_ROWS ? left : COL_TEXT_STEP_ROWS;
}

/* Counts before the step; behind them the e-mail addresses. */
static uint32_t *counts_at(const struct col_text_shaped *p, uint32_t step)
{
	return p->step_counts + (size_t)step * (width_of(p) + 1);
}

/* ---- counting ---- */

/* Eight codes; a comparison gives -1 where it is true. */
typedef int16_t lanes __attribute__((vector_size(LANES * sizeof(int16_t))));

static inline lanes equal_lanes(const uint16_t *codes, lanes want)
{
	lanes v;

	memcpy(&v, codes, sizeof v);
	return v == want;
}

static inline lanes every_lane(uint16_t code)
{
	int16_t v = (int16_t)code;

	return (lanes){ v, v, v, v, v, v, v, v };
}

/* Each lane is -4096 or more, and all together are. */
static inline uint32_t count_lanes(lanes sum)
{
	uint64_t v[2];

	static_assert(COL_TEXT_STEP_ROWS <= INT16_MAX, "rows of a step can be counted");
	sum = -sum;
	memcpy(v, &sum, sizeof v);
	return (uint32_t)(((v[0] + v[1]) * UINT64_C(0x0001000100010001)) >> 48);
}

/* Rows of a code among n, COL_TEXT_STEP_ROWS at most. */
static uint32_t count_code(const uint16_t *codes, uint32_t n, uint16_t code)
{
	lanes want = every_lane(code), sum = { 0 };
	uint32_t i = 0, rest = 0;

#pragma GCC unroll 4
	for (; i + LANES <= n; i += LANES)
		sum += equal_lanes(codes + i, want);
	for (; i < n; i++)
		rest += codes[i] == code;
	return count_lanes(sum) + rest;
}

static inline void count_each(const uint16_t *codes, uint32_t n, uint32_t *counts)
{
	const uint16_t *end = codes + n;

	for (; end - codes >= 4; codes += 4) {
		counts[codes[0]]++;
		counts[codes[1]]++;
		counts[codes[2]]++;
		counts[codes[3]]++;
	}
	for (; codes < end; codes++)
		counts[*codes]++;
}

/* Each code up to the width. */
static void count_rows(const uint16_t *codes, uint32_t n, uint32_t width, uint32_t *counts)
{
	if (width > WIDTH_FEW) {
		count_each(codes, n, counts);
		return;
	}
	for (uint32_t code = 0; code <= width; code++)
		counts[code] += count_code(codes, n, (uint16_t)code);
}

/* ---- keys ---- */

/* The codes of every key's list, each as long as the longest; none: p's width. */
struct table {
	unsigned shift;
	uint16_t codes[TABLE_MAX];
};

/* false: they are too many. */
static bool make_table(const struct col_text_shaped *p, struct table *t)
{
	uint32_t longest = 1;

	for (uint32_t k = 0; k < p->keys_count; k++) {
		uint32_t n = p->key_offs[k + 1] - p->key_offs[k];

		longest = n > longest ? n : longest;
	}
	if (longest > TABLE_MAX || p->keys_count > TABLE_MAX)
		return false;
	for (t->shift = 0; 1u << t->shift < longest;)
		t->shift++;
	if (p->keys_count << t->shift > TABLE_MAX)
		return false;
	for (uint32_t k = 0; k < p->keys_count; k++) {
		const uint16_t *list = p->key_codes + p->key_offs[k];
		uint32_t n = p->key_offs[k + 1] - p->key_offs[k];

		for (uint32_t i = 0; i < 1u << t->shift; i++)
			t->codes[(k << t->shift) + i] = i < n ? list[i] : (uint16_t)width_of(p);
	}
	return true;
}

/* Places in the keys' lists become codes, or the width where a list is shorter. */
static int apply_table(const struct col_text_shaped *p, const struct table *t, const uint16_t *keys,
	const int64_t *places, uint32_t count, uint16_t *codes)
{
	uint64_t all = 0;
	unsigned bad = 0;

	for (uint32_t i = 0; i < count; i++) {
		all |= (uint64_t)places[i];
		bad |= keys[i] >= p->keys_count;
	}
	if (bad || all >> t->shift)
		return ERR_CORRUPT;
#pragma GCC unroll 4
	for (uint32_t i = 0; i < count; i++)
		codes[i] = t->codes[(size_t)keys[i] << t->shift | (size_t)places[i]];
	return 0;
}

/* The key's column from a step's first row on, where there is one, else NULL. */
static int take_column(const struct col_text_shaped *p, uint32_t step, const uint16_t **out)
{
	const struct col_text_env *env = p->base.env;
	int rc;

	*out = NULL;
	if (!p->key || !env->key_column)
		return 0;
	rc = env->key_column(env->ctx, p->key - 1u, step * COL_TEXT_STEP_ROWS, out);
	if (rc != 0)
		*out = NULL;
	return rc < 0 ? rc : 0;
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
	uint16_t last = (uint16_t)(width - 1), bad = 0;
	uint64_t all = 0;

	for (uint32_t i = 0; i < n; i++) {
		all |= (uint64_t)v[i];
		codes[i] = (uint16_t)v[i];
	}
	for (uint32_t i = 0; i < n; i++)
		bad |= codes[i] > last;
	return bad || all > UINT16_MAX ? ERR_CORRUPT : 0;
}

/* ---- steps ---- */

/* Rows of each code between the step's first and the batch; marks NULL: nobody wants to know. */
static void set_mark(const struct col_text_shaped *p, uint32_t step, uint32_t batch,
	const uint32_t *counts, uint16_t *marks)
{
	uint32_t width = width_of(p);

	for (uint32_t i = 0; marks && i < width; i++)
		marks[batch * width + i] = (uint16_t)(counts[i] - counts_at(p, step)[i]);
}

/* The codes of a step, counted; none of them has the width, which is counted too. */
static int load_codes(struct col_text_shaped *p, uint32_t step, uint16_t *codes, uint16_t *marks,
	uint32_t *counts)
{
	uint32_t keys[CODES_BATCH], width = width_of(p), first = step * COL_TEXT_STEP_ROWS;
	int64_t v[CODES_BATCH];
	const uint16_t *column;
	struct table table;
	int rc = take_column(p, step, &column);

	table.shift = 0;
	if (column && !make_table(p, &table))
		column = NULL;
	for (uint32_t at = 0, count = rows_of_step(p, step), n; at < count && rc == 0; at += n) {
		n = count - at < CODES_BATCH ? count - at : CODES_BATCH;
		set_mark(p, step, at / CODES_BATCH, counts, marks);
		rc = col_stream_get(&p->codes_stream, first + at, n, v);
		if (rc == 0 && p->key && !column)
			rc = take_keys(p, first + at, n, keys);
		if (rc < 0)
			break;
		if (column)
			rc = apply_table(p, &table, column + at, v, n, codes + at);
		else if (p->key)
			rc = apply_key(p, keys, v, n, codes + at);
		else
			rc = narrow(v, n, width, codes + at);
		if (rc == 0)
			count_rows(codes + at, n, width, counts);
	}
	if (rc == 0 && counts[width] > 0)
		rc = ERR_CORRUPT;
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

/* Where a step's codes go: to those of all rows, or alone. NULL: no memory. */
static uint16_t *room_of_step(struct col_text_shaped *p, uint32_t step)
{
	if (p->codes)
		return p->codes + (size_t)step * COL_TEXT_STEP_ROWS;
	if (!p->step_room)
		p->step_room = arena_alloc(p->base.mem, COL_TEXT_STEP_ROWS * sizeof *p->step_room);
	return p->step_room;
}

/* The same of its marks; *out NULL: there are none. */
static int marks_of_step(struct col_text_shaped *p, uint16_t **out)
{
	uint32_t width = width_of(p);

	*out = NULL;
	if (width > MARKS_WIDTH)
		return 0;
	if (!p->marks_room)
		p->marks_room = arena_alloc(p->base.mem, MARKS * width * sizeof *p->marks_room);
	*out = p->marks_room;
	return *out ? 0 : -ENOMEM;
}

/* The codes of a step, and its counts to those of the next one; or, if these are known, compared. */
static int read_step(
	struct col_text_shaped *p, uint32_t step, bool known, uint16_t *codes, uint16_t *marks)
{
	uint32_t counts[COL_TEXT_TEMPLATE + LIMIT_TEXT_TEMPLATES + 1], width = width_of(p);
	int rc;

	memcpy(counts, counts_at(p, step), width * sizeof *counts);
	counts[width] = 0;
	rc = load_codes(p, step, codes, marks, counts);
	if (rc < 0)
		return rc;
	counts[width] = counts_at(p, step)[width];
	for (uint32_t i = 0; i < width; i++)
		counts[width] += (counts[i] - counts_at(p, step)[i]) * p->mails[i];
	if (!known)
		memcpy(counts_at(p, step + 1), counts, (width + 1) * sizeof *counts);
	else if (memcmp(counts_at(p, step + 1), counts, (width + 1) * sizeof *counts) != 0)
		return ERR_CORRUPT;
	return 0;
}

/* The same, kept. */
static int load_step(struct col_text_shaped *p, uint32_t step, bool known)
{
	uint16_t *codes, *marks;
	int rc;

	if (p->step_codes[step])
		return 0;
	codes = room_of_step(p, step);
	if (!codes || marks_of_step(p, &marks) < 0)
		return -ENOMEM;
	rc = read_step(p, step, known, codes, marks);
	if (rc < 0)
		return rc;
	p->step_codes[step] = codes;
	p->step_marks[step] = marks;
	p->marks_room = NULL;
	if (codes == p->step_room)
		p->step_room = NULL;
	return 0;
}

/* Room for the codes of all rows; those of steps that are ready go there. */
static int need_room(struct col_text_shaped *p)
{
	if (p->codes)
		return 0;
	p->codes = arena_alloc(p->base.mem, p->base.rows_count * sizeof *p->codes);
	if (!p->codes)
		return -ENOMEM;
	for (uint32_t step = 0; step < steps_of(p); step++) {
		uint16_t *to = p->codes + (size_t)step * COL_TEXT_STEP_ROWS;

		if (!p->step_codes[step])
			continue;
		memcpy(to, p->step_codes[step], rows_of_step(p, step) * sizeof *to);
		p->step_codes[step] = to;
	}
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
			after[width] += (uint32_t)v[i] * p->mails[i];
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
	p->cursor.counts =
		arena_calloc(mem, p->key_tells ? p->keys_count : width, sizeof(uint32_t));
	p->step_counts = arena_calloc(mem, ((size_t)steps + 1) * (width + 1), sizeof(uint32_t));
	p->step_codes = arena_calloc(mem, steps, sizeof *p->step_codes);
	p->step_marks = arena_calloc(mem, steps, sizeof *p->step_marks);
	p->key_marks = arena_calloc(mem, steps, sizeof *p->key_marks);
	if (!p->cursor.counts || !p->step_counts || !p->step_codes || !p->step_marks ||
		!p->key_marks)
		return -ENOMEM;
	rc = p->counts_bytes.n > 0 ? read_counts(p) : need_room(p);
	for (uint32_t step = 0; step < steps && rc == 0 && p->counts_bytes.n == 0; step++)
		rc = load_step(p, step, false);
	if (rc == 0)
		rc = take_totals(p);
	p->counted = rc == 0;
	return rc;
}

int col_text_shape_codes(struct col_text_shaped *p)
{
	int rc = col_text_shape_counts(p);

	if (rc == 0)
		rc = need_room(p);
	for (uint32_t step = 0; step < steps_of(p) && rc == 0; step++)
		rc = load_step(p, step, true);
	return rc;
}

int col_text_shape_codes_of(struct col_text_shaped *p, uint32_t step, const uint16_t **out)
{
	int rc = col_text_shape_counts(p);

	ASSERT(step < steps_of(p));
	if (rc == 0)
		rc = load_step(p, step, true);
	if (rc == 0)
		*out = p->step_codes[step];
	return rc;
}

int col_text_shape_codes_once(
	struct col_text_shaped *p, uint32_t step, uint16_t *room, const uint16_t **out)
{
	int rc = col_text_shape_counts(p);

	ASSERT(step < steps_of(p));
	if (rc < 0)
		return rc;
	*out = p->step_codes[step] ? p->step_codes[step] : room;
	return p->step_codes[step] ? 0 : read_step(p, step, true, room, NULL);
}

uint32_t col_text_shape_before(const struct col_text_shaped *p, uint32_t step, uint32_t code)
{
	ASSERT(step <= steps_of(p));
	return counts_at(p, step)[code];
}

/* ---- ranks ---- */

/* The code that the key tells; the width: none. */
static uint32_t code_of_key(const struct col_text_shaped *p, uint32_t key)
{
	uint32_t at = p->key_offs[key];

	return at < p->key_offs[key + 1] ? p->key_codes[at] : width_of(p);
}

/*
 * To the beginning of the rows' step; with its column of keys, all up to the last row are ones that there
 * are.
 */
static int restart(struct col_text_shaped *p, const uint16_t *keys, uint32_t last_row)
{
	struct col_text_cursor *c = &p->cursor;
	uint32_t step = last_row / COL_TEXT_STEP_ROWS, first = step * COL_TEXT_STEP_ROWS;
	const uint32_t *before = counts_at(p, step);
	uint16_t last = (uint16_t)(p->keys_count <= UINT16_MAX ? p->keys_count - 1 : UINT16_MAX);
	uint16_t bad = 0;

	c->row = first;
	if (!keys) {
		memcpy(c->counts, before, width_of(p) * sizeof *c->counts);
		return 0;
	}
	for (uint32_t i = 0; i <= last_row - first; i++)
		bad |= keys[i] > last;
	for (uint32_t k = 0; k < p->keys_count; k++)
		c->counts[k] = before[code_of_key(p, k)];
	return bad ? ERR_CORRUPT : 0;
}

/* Rows of the code before one of a step with marks. */
static uint32_t rows_before(const struct col_text_shaped *p, uint32_t row, uint16_t code)
{
	uint32_t step = row / COL_TEXT_STEP_ROWS, at = row % COL_TEXT_STEP_ROWS;
	const uint16_t *batch = p->step_codes[step] + at / CODES_BATCH * CODES_BATCH;
	uint32_t marked = p->step_marks[step][at / CODES_BATCH * width_of(p) + code];

	return counts_at(p, step)[code] + marked + count_code(batch, at % CODES_BATCH, code);
}

/* To the mark before the row, if it is in a step that has marks and the cursor is not as near. */
static void emails_to_mark(struct col_text_shaped *p, uint32_t row)
{
	uint32_t step = row / COL_TEXT_STEP_ROWS, batch = row % COL_TEXT_STEP_ROWS / CODES_BATCH;
	uint32_t first = step * COL_TEXT_STEP_ROWS + batch * CODES_BATCH, width = width_of(p);
	const uint16_t *marks = p->step_marks[step];
	struct col_text_cursor *c = &p->cursor;

	if (!marks || (c->emails_row >= first && c->emails_row <= row))
		return;
	c->emails_row = first;
	c->emails = counts_at(p, step)[width];
	for (uint32_t i = 0; i < width; i++)
		c->emails += marks[batch * width + i] * p->mails[i];
}

/* E-mail addresses that rows before show. */
static uint32_t emails_before(struct col_text_shaped *p, uint32_t row)
{
	struct col_text_cursor *c = &p->cursor;
	uint32_t step = row / COL_TEXT_STEP_ROWS, first = step * COL_TEXT_STEP_ROWS, sum;
	const uint16_t *codes = p->step_codes[step], *mails = p->mails;

	emails_to_mark(p, row);
	if (c->emails_row < first || c->emails_row > row) {
		c->emails_row = first;
		c->emails = counts_at(p, step)[width_of(p)];
	}
	sum = c->emails;
	for (uint32_t i = c->emails_row; i < row; i++)
		sum += mails[codes[i - first]];
	c->emails_row = row;
	c->emails = sum;
	return sum;
}

/*
 * Rows of one step with the numbers that they and those before have in the column, which are the step's
 * codes or keys; the cursor is in the step, and not behind them.
 */
static void count_up(struct col_text_shaped *p, const uint16_t *column, const uint32_t *rows,
	size_t count, struct col_text_rank *out)
{
	struct col_text_cursor *c = &p->cursor;
	uint32_t *counts = c->counts, at = c->row % COL_TEXT_STEP_ROWS, first = c->row - at;

	for (size_t i = 0; i < count; i++) {
		uint32_t n = rows[i] - first - at;
		uint16_t number = column[at + n];

		out[i] = (struct col_text_rank){ .code = number };
		if (n > NEAR_ROWS) {
			out[i].rows = counts[number] + count_code(column + at, n, number);
			continue;
		}
		count_each(column + at, n, counts);
		out[i].rows = counts[number];
		at += n;
	}
	c->row = first + at;
}

/* A lane for each number that the rows have, of those below the width; false: they are too many. */
static bool give_lanes(const uint16_t *column, const uint32_t *rows, size_t count, uint32_t width,
	lanes *ones, uint8_t *lane_of)
{
	unsigned given = 0;

	memset(ones, 0, width * sizeof *ones);
	memset(lane_of, LANES, width);
	for (size_t i = 0; i < count; i++) {
		uint16_t number = column[rows[i] % COL_TEXT_STEP_ROWS];

		if (lane_of[number] < LANES)
			continue;
		if (given == LANES)
			return false;
		ones[number][given] = 1;
		lane_of[number] = (uint8_t)given++;
	}
	return true;
}

/*
 * As count_up, of rows that have few different numbers: these alone are counted, all at once, and the
 * cursor stays where it is. False: it is not done.
 */
static bool count_up_lanes(const struct col_text_shaped *p, const uint16_t *column, uint32_t width,
	const uint32_t *rows, size_t count, struct col_text_rank *out)
{
	const struct col_text_cursor *c = &p->cursor;
	lanes ones[LANES_WIDTH], before[LANES_PART], sum = { 0 };
	uint32_t at = c->row % COL_TEXT_STEP_ROWS, end = rows[count - 1] % COL_TEXT_STEP_ROWS + 1;
	uint8_t lane_of[LANES_WIDTH];
	size_t i = 0;

	if (count < LANES_ROWS || width > LANES_WIDTH ||
		!give_lanes(column, rows, count, width, ones, lane_of))
		return false;
	for (uint32_t n; at < end; at += n) {
		n = end - at < LANES_PART ? end - at : LANES_PART;
#pragma GCC unroll 4
		for (uint32_t k = 0; k < n; k++) {
			before[k] = sum;
			sum += ones[column[at + k]];
		}
		for (; i < count && rows[i] % COL_TEXT_STEP_ROWS < at + n; i++) {
			uint32_t row = rows[i] % COL_TEXT_STEP_ROWS;
			uint16_t number = column[row], sums[LANES];

			memcpy(sums, &before[row - at], sizeof sums);
			out[i] = (struct col_text_rank){
				.rows = c->counts[number] + sums[lane_of[number]], .code = number
			};
		}
	}
	ASSERT_SLOW(i == count);
	return true;
}

/* Codes that were read have been counted; keys may be more of a code than was said. */
static int keys_to_codes(const struct col_text_shaped *p, size_t count, struct col_text_rank *ranks)
{
	const uint32_t *all = counts_at(p, steps_of(p));

	for (size_t i = 0; i < count; i++) {
		uint32_t code = code_of_key(p, ranks[i].code);

		if (code == width_of(p) || ranks[i].rows >= all[code])
			return ERR_CORRUPT;
		ranks[i].code = code;
	}
	return 0;
}

/* Rows of each key between a step's first and each batch; all keys are ones that there are. */
static int mark_keys(struct col_text_shaped *p, const uint16_t *keys, uint32_t step)
{
	uint32_t width = p->keys_count, rows = rows_of_step(p, step), counts[MARKS_WIDTH] = { 0 };
	uint16_t *marks, bad = 0;

	if (p->key_marks[step])
		return 0;
	for (uint32_t i = 0; i < rows; i++)
		bad |= keys[i] >= width;
	if (bad)
		return ERR_CORRUPT;
	marks = arena_alloc(p->base.mem, MARKS * width * sizeof *marks);
	if (!marks)
		return -ENOMEM;
	for (uint32_t at = 0, n; at < rows; at += n) {
		n = rows - at < CODES_BATCH ? rows - at : CODES_BATCH;
		for (uint32_t k = 0; k < width; k++)
			marks[at / CODES_BATCH * width + k] = (uint16_t)counts[k];
		count_each(keys + at, n, counts);
	}
	p->key_marks[step] = marks;
	return 0;
}

static int rank_of_key(const struct col_text_shaped *p, const uint16_t *keys, uint32_t row,
	struct col_text_rank *out)
{
	uint32_t step = row / COL_TEXT_STEP_ROWS, at = row % COL_TEXT_STEP_ROWS, code;
	uint16_t key = keys[at];

	if (key >= p->keys_count)
		return ERR_CORRUPT;
	code = code_of_key(p, key);
	*out = (struct col_text_rank){ .code = key,
		.rows = counts_at(p, step)[code] +
			p->key_marks[step][at / CODES_BATCH * p->keys_count + key] +
			count_code(keys + at - at % CODES_BATCH, at % CODES_BATCH, key) };
	return 0;
}

/* Few rows of one step, each counted from the mark before it. 1: there are no marks. */
static int count_marked(struct col_text_shaped *p, const uint16_t *column, bool keys,
	const uint32_t *rows, size_t count, struct col_text_rank *out)
{
	uint32_t step = rows[0] / COL_TEXT_STEP_ROWS;
	int rc = 0;

	if (count > MARKED_ROWS || (keys ? p->keys_count > MARKS_WIDTH : !p->step_marks[step]))
		return 1;
	if (keys)
		rc = mark_keys(p, column, step);
	for (size_t i = 0; i < count && rc == 0; i++) {
		uint16_t code = column[rows[i] % COL_TEXT_STEP_ROWS];

		if (keys)
			rc = rank_of_key(p, column, rows[i], &out[i]);
		else
			out[i] = (struct col_text_rank){ .code = code,
				.rows = rows_before(p, rows[i], code) };
	}
	return rc;
}

/* Of rows of one step, whose codes or keys are the column. */
static int count_rows_of(struct col_text_shaped *p, const uint16_t *column, bool keys,
	const uint32_t *rows, size_t count, struct col_text_rank *out)
{
	uint32_t step = rows[0] / COL_TEXT_STEP_ROWS;
	bool on = rows[0] >= p->cursor.row && step == p->cursor.row / COL_TEXT_STEP_ROWS;
	int rc = count_marked(p, column, keys, rows, count, out);

	if (rc <= 0)
		return rc;
	rc = 0;
	/* The counts may be another question's, of codes or of keys. */
	if (!on || p->key_tells)
		rc = restart(p, keys ? column : NULL, rows[count - 1]);
	if (rc == 0 &&
		!count_up_lanes(p, column, keys ? p->keys_count : width_of(p), rows, count, out))
		count_up(p, column, rows, count, out);
	return rc;
}

/* Of rows of one step; keys NULL: by their codes. */
static int ranks_of_step(struct col_text_shaped *p, const uint16_t *keys, const uint32_t *rows,
	size_t count, struct col_text_rank *out)
{
	uint32_t step = rows[0] / COL_TEXT_STEP_ROWS;
	int rc = keys ? 0 : load_step(p, step, true);

	if (rc == 0)
		rc = count_rows_of(
			p, keys ? keys : p->step_codes[step], keys != NULL, rows, count, out);
	if (rc < 0)
		return rc;
	if (keys)
		return keys_to_codes(p, count, out);
	for (size_t i = 0; i < count && p->emails_count > 0; i++) {
		if (p->mails[out[i].code])
			out[i].emails = emails_before(p, rows[i]);
	}
	return 0;
}

int col_text_shape_ranks(
	struct col_text_shaped *p, const uint32_t *rows, size_t count, struct col_text_rank *out)
{
	const uint16_t *keys = NULL;
	int rc = col_text_shape_counts(p);

	ASSERT(count == 0 || rows[count - 1] < p->base.rows_count);
	for (size_t i = 0, n; i < count && rc == 0; i += n) {
		uint32_t step = rows[i] / COL_TEXT_STEP_ROWS, first = step * COL_TEXT_STEP_ROWS;
		uint32_t step_rows = rows_of_step(p, step);

		for (n = 1; i + n < count && rows[i + n] < first + step_rows;)
			n++;
		if (p->key_tells)
			rc = take_column(p, step, &keys);
		if (rc == 0)
			rc = ranks_of_step(p, keys, rows + i, n, out + i);
	}
	return rc;
}
