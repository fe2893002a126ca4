#include "storage/col_text_place.h"

#include "proto/base/check.h"

/* The last step that begins at or before the place; `kind` is a code, or behind all: addresses. */
static uint32_t step_of(const struct col_text_shaped *p, uint32_t kind, uint32_t place)
{
	uint32_t rows = p->base.rows_count;
	uint32_t from = 0, to = (rows + COL_TEXT_STEP_ROWS - 1) / COL_TEXT_STEP_ROWS;

	while (to - from > 1) {
		uint32_t mid = from + (to - from) / 2;

		if (col_text_shape_before(p, mid, kind) <= place)
			from = mid;
		else
			to = mid;
	}
	return from;
}

/* How much a row adds to the places of the kind. */
static uint32_t adds(const struct col_text_shaped *p, uint32_t kind, unsigned code)
{
	return kind < COL_TEXT_TEMPLATE + p->templates_count ? code == kind : p->mails[code];
}

static int find(struct col_text_shaped *p, uint32_t kind, uint32_t place, uint32_t *out)
{
	uint32_t step = step_of(p, kind, place), first = step * COL_TEXT_STEP_ROWS, row = first, at;
	const uint16_t *codes;
	int rc = col_text_shape_codes_of(p, step, &codes);

	if (rc < 0)
		return rc;
	at = col_text_shape_before(p, step, kind);
	for (; row < p->base.rows_count && row < first + COL_TEXT_STEP_ROWS; row++) {
		at += adds(p, kind, codes[row - first]);
		if (at > place)
			break;
	}
	/* Reading the codes has shown that they are as many as was said. */
	ASSERT(row < p->base.rows_count);
	ASSERT(at > place);
	*out = row;
	return 0;
}

int col_text_place_row(struct col_text_shaped *p, unsigned code, uint32_t place, uint32_t *out)
{
	return find(p, code, place, out);
}

int col_text_place_email(struct col_text_shaped *p, uint32_t place, uint32_t *out)
{
	return find(p, COL_TEXT_TEMPLATE + p->templates_count, place, out);
}
