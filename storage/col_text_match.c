/* What a SHAPED page answers without rebuilding rows. */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_shape_int.h"

enum { MATCH_BATCH = 1024 };

/* Whether a rebuilt value is what is looked for. */
struct question {
	const struct scan_text_set *set; /* or */
	const struct scan_text_needle *needle;
};

static bool is_answer(const struct question *q, struct span s)
{
	if (q->set)
		return scan_text_set_has(q->set, s);
	return s.p && scan_text_find(q->needle, s, 0) != SIZE_MAX;
}

/* Rebuilds the rows whose match is 1 and asks. */
static int ask_rows(struct col_text_shaped *p, const struct question *q, uint8_t *match)
{
	uint32_t rows[MATCH_BATCH], count = 0;
	struct col_text_value values[MATCH_BATCH];
	struct buf bytes;
	int rc = 0;

	buf_init(&bytes, COL_TEXT_RAW_MAX);
	for (uint32_t row = 0; row < p->base.rows_count && rc == 0; row++) {
		if (match[row])
			rows[count++] = row;
		if (count == 0 || (count < MATCH_BATCH && row + 1 < p->base.rows_count))
			continue;
		buf_reset(&bytes);
		rc = col_text_shape_get(&p->base, rows, count, &bytes, values);
		for (uint32_t i = 0; i < count && rc == 0; i++) {
			struct span s = values[i].length ? span_of(bytes.p + values[i].off,
								   values[i].length - 1)
							 : SPAN_NONE;

			match[rows[i]] = is_answer(q, s);
		}
		count = 0;
	}
	buf_fini(&bytes);
	return rc;
}

int col_text_shape_equal(
	struct col_text_page *base, const struct scan_text_set *set, uint8_t *match)
{
	struct question q = { .set = set };

	return ask_rows((struct col_text_shaped *)base, &q, match);
}

int col_text_shape_contains(
	struct col_text_page *base, const struct scan_text_needle *x, uint8_t *match)
{
	struct question q = { .needle = x };

	return ask_rows((struct col_text_shaped *)base, &q, match);
}
