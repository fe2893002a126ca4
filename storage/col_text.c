#include "storage/col_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_int.h"

typedef int open_fn(struct rcur *c, const struct col_text_page *base, struct col_text_page **out);

static open_fn *const openers[COL_TEXT_KIND_COUNT] = {
	[COL_TEXT_BYTES] = col_text_bytes_open,
	[COL_TEXT_CONST] = col_text_const_open,
	[COL_TEXT_DICT] = col_text_dict_open,
	[COL_TEXT_SHAPED] = col_text_shape_open,
};

int col_text_page_open(struct span page, uint32_t rows_count, const struct col_text_page *parent,
	struct col_text_page **out)
{
	struct rcur c = rcur_of(page.p, page.n);
	struct col_text_page base = { .env = parent->env,
		.mem = parent->mem,
		.work = parent->work,
		.rows_count = rows_count,
		.depth = parent->depth + 1,
		.kind = rcur_u8(&c) };
	int rc;

	ASSERT(rows_count > 0);
	if (c.err || base.kind >= COL_TEXT_KIND_COUNT || !openers[base.kind] ||
		base.depth > COL_TEXT_DEPTH)
		return ERR_CORRUPT;
	rc = openers[base.kind](&c, &base, out);
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

int col_text_open(struct col_text *t, struct span page, uint32_t rows_count,
	const struct col_text_env *env, struct arena *mem)
{
	static const struct col_text_env no_env;
	struct col_text_page root = {
		.env = env ? env : &no_env, .mem = mem, .work = env && env->work ? env->work : mem
	};
	int rc;

	ASSERT(rows_count <= COL_TEXT_ROWS_MAX);
	rc = col_text_page_open(page, rows_count, &root, &t->page);
	if (rc < 0)
		return rc;
	ASSERT(t->page->raw_bytes <= COL_TEXT_RAW_MAX);
	t->rows_count = rows_count;
	t->raw_bytes = t->page->raw_bytes;
	return 0;
}

unsigned col_text_uses(const struct col_text *t, unsigned *out_keys, bool *out_leaves)
{
	*out_keys = t->page->uses_keys;
	*out_leaves = t->page->uses_leaves;
	return t->page->uses_sources;
}

int col_text_get(struct col_text *t, const uint32_t *rows, size_t count, struct buf *bytes,
	struct col_text_value *out)
{
	ASSERT(count == 0 || rows[count - 1] < t->rows_count);
	return t->page->ops->get(t->page, rows, count, bytes, out);
}

int col_text_all(struct col_text *t, uint32_t *lengths, struct buf *bytes)
{
	return t->page->ops->all(t->page, lengths, bytes);
}

int col_text_equal(struct col_text *t, const struct textset *set, uint8_t *match)
{
	return t->page->ops->equal(t->page, set, match);
}

int col_text_contains(struct col_text *t, const struct needle *x, uint8_t *match)
{
	ASSERT(x->n > 0);
	return t->page->ops->contains(t->page, x, match);
}

int col_text_letters(struct col_text *t, struct col_letters *out)
{
	return t->page->ops->letters(t->page, out);
}

uint32_t col_text_entries(const struct col_text *t)
{
	return t->page->entries_count;
}

int col_text_codes(struct col_text *t, const uint32_t *rows, size_t count, uint32_t *out)
{
	if (!t->page->ops->codes)
		return ERR_UNKNOWN;
	return t->page->ops->codes(t->page, rows, count, out);
}

int col_text_entries_all(struct col_text *t, struct span *out)
{
	return t->page->ops->entries ? t->page->ops->entries(t->page, out) : ERR_UNKNOWN;
}

int col_text_entry(struct col_text *t, uint32_t code, struct buf *bytes, struct span *out)
{
	if (!t->page->ops->entry)
		return ERR_UNKNOWN;
	ASSERT(code > 0);
	ASSERT(code <= t->page->entries_count);
	return t->page->ops->entry(t->page, code, bytes, out);
}

int col_text_numbers(struct col_text *t, struct col_text_numbers *out)
{
	return t->page->ops->numbers ? t->page->ops->numbers(t->page, out) : COL_TEXT_NUMBERS_NOT;
}

int col_text_labels(struct col_text *t, const uint16_t *rows, size_t count, uint32_t *out,
	const struct col_text_labels **labels)
{
	ASSERT(count <= t->rows_count);
	ASSERT(count == 0 || !rows || rows[count - 1] < t->rows_count);
	if (!t->page->ops->labels)
		return COL_TEXT_LABELS_NOT;
	return t->page->ops->labels(t->page, rows, count, out, labels);
}
