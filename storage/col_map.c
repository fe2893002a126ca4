#include "storage/col_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

struct col_map_work {
	struct col_text_maker text;
};

struct col_map {
	uint32_t rows_count;
	struct col_text whole;
};

void col_map_maker_init(struct col_map_maker *m, int level)
{
	*m = (struct col_map_maker){ .level = level };
}

void col_map_maker_fini(struct col_map_maker *m)
{
	if (m->work)
		col_text_maker_fini(&m->work->text);
	free(m->work);
	m->work = NULL;
}

int col_map_put(struct col_map_maker *m, const struct col_map_in *in, struct buf *out)
{
	struct col_text_in text = {
		.rows_count = in->rows_count, .values = in->maps, .level = m->level
	};

	ASSERT(in->rows_count > 0);
	ASSERT(in->rows_count <= LIMIT_BLOCK_ROWS);
	if (!m->work)
		m->work = calloc(1, sizeof *m->work);
	if (!m->work)
		return -ENOMEM;
	return col_text_put(&m->work->text, &text, out);
}

uint32_t col_map_maker_leaves(const struct col_map_maker *m)
{
	(void)m;
	return 0;
}

int col_map_maker_leaf(
	void *maker, uint32_t leaf, const uint32_t *rows, size_t count, struct col_text_leaf *out)
{
	(void)maker;
	(void)leaf;
	(void)rows;
	memset(out, 0, count * sizeof *out);
	return 0;
}

int col_map_open(struct span page, uint32_t rows_count, const struct col_text_env *env,
	struct arena *mem, struct col_map **out)
{
	struct col_map *m = arena_calloc(mem, 1, sizeof *m);

	(void)env;
	if (!m)
		return -ENOMEM;
	m->rows_count = rows_count;
	*out = m;
	return col_text_open(&m->whole, page, rows_count, NULL, mem);
}

unsigned col_map_uses(const struct col_map *m, unsigned *out_keys)
{
	(void)m;
	*out_keys = 0;
	return 0;
}

int col_map_get(struct col_map *m, const uint32_t *rows, size_t count, struct buf *bytes,
	struct col_text_value *out)
{
	return col_text_get(&m->whole, rows, count, bytes, out);
}

int col_map_all(struct col_map *m, uint32_t *lengths, struct buf *bytes)
{
	return col_text_all(&m->whole, lengths, bytes);
}

uint32_t col_map_paths_count(const struct col_map *m)
{
	(void)m;
	return 0;
}

int32_t col_map_find(const struct col_map *m, const struct span *keys, uint32_t count)
{
	(void)m;
	(void)keys;
	(void)count;
	return -1;
}

struct span col_map_key(const struct col_map *m, uint32_t path, int32_t *out_parent)
{
	(void)m;
	(void)path;
	*out_parent = -1;
	return SPAN_NONE;
}

unsigned col_map_types(const struct col_map *m, uint32_t path)
{
	(void)m;
	(void)path;
	return 0;
}

bool col_map_has_whole(const struct col_map *m)
{
	(void)m;
	return true;
}

int col_map_leaf(
	void *map, uint32_t leaf, const uint32_t *rows, size_t count, struct col_text_leaf *out)
{
	(void)map;
	(void)leaf;
	(void)rows;
	memset(out, 0, count * sizeof *out);
	return ERR_CORRUPT;
}

int col_map_cells(struct col_map *m, uint32_t path, const uint32_t *rows, size_t count,
	struct buf *bytes, struct col_map_cell *out)
{
	(void)m;
	(void)path;
	(void)rows;
	(void)bytes;
	memset(out, 0, count * sizeof *out);
	for (size_t i = 0; i < count; i++)
		out[i].present = 2;
	return 0;
}
