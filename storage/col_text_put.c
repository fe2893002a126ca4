/* Which encoding a column of texts gets. */
#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/col_text_int.h"

struct col_text_work {
	struct buf scratch[3];
};

void col_text_maker_init(struct col_text_maker *m)
{
	*m = (struct col_text_maker){ 0 };
}

void col_text_maker_fini(struct col_text_maker *m)
{
	struct col_text_work *w = m->work;

	if (!w)
		return;
	for (int i = 0; i < 3; i++)
		buf_fini(&w->scratch[i]);
	free(w);
	m->work = NULL;
}

static struct col_text_work *work_of(struct col_text_maker *m)
{
	if (m->work)
		return m->work;
	m->work = calloc(1, sizeof *m->work);
	for (int i = 0; m->work && i < 3; i++)
		buf_init(&m->work->scratch[i], 2 * (size_t)COL_TEXT_RAW_MAX);
	return m->work;
}

int col_text_put(struct col_text_maker *m, const struct col_text_in *in, struct buf *out)
{
	struct col_text_work *w = work_of(m);

	ASSERT(in->rows_count > 0);
	ASSERT(in->rows_count <= COL_TEXT_ROWS_MAX);
	if (!w)
		return -ENOMEM;
	col_text_bytes_put(in->values, in->rows_count, in->level, w->scratch, out);
	return out->err;
}

const uint32_t *col_text_maker_codes(const struct col_text_maker *m, uint32_t *out_count)
{
	(void)m;
	*out_count = 0;
	return NULL;
}
