/*
 * Which paths have a word that contains a needle: each dictionary is asked once, those that share a
 * page all together, and no row is looked at.
 */
#include "storage/col_map.h"

#include <errno.h>
#include <string.h>

#include "storage/col_map_read.h"

/* Only entries of a dictionary are words of a leaf (col_map_leaf): of a path of one type, strings. */
static const struct col_map_part *words_of(const struct col_map *m, uint32_t path)
{
	const struct col_map_path *p = &m->paths[path];

	if (path >= m->paths_count || p->count == 0 || p->mixed || p->parts_count == 0 ||
		p->parts[0].type != COL_MAP_STR || !col_map_is_syms(p->parts[0].encoding))
		return NULL;
	return &p->parts[0];
}

/* A byte for each loose text: it contains the needle. */
static int search_loose(struct col_map *m, const struct needle *x, uint8_t **out)
{
	int rc = col_map_open_loose(m);

	if (rc < 0)
		return rc;
	*out = arena_alloc(m->work, m->loose_count);
	if (!*out)
		return -ENOMEM;
	memset(*out, 1, m->loose_count);
	return col_text_contains(&m->loose, x, *out);
}

/* Entries that are a page of their own. */
static int open_own(struct col_map *m, const struct col_map_part *part, struct col_text *out)
{
	struct rcur c = rcur_of(part->section.p, part->section.n);
	struct span page = rcur_bytes(&c, part->text_bytes);

	if (c.err)
		return ERR_CORRUPT;
	return col_text_open(out, page, part->entries_count, NULL, m->work);
}

static int search_own(
	struct col_map *m, const struct col_map_part *part, const struct needle *x, bool *out)
{
	uint8_t *found = arena_alloc(m->work, part->entries_count);
	struct col_text t;
	int rc = open_own(m, part, &t);

	if (!found)
		return -ENOMEM;
	memset(found, 1, part->entries_count);
	if (rc == 0)
		rc = col_text_contains(&t, x, found);
	*out = rc == 0 && memchr(found, 1, part->entries_count);
	return rc;
}

static int search_path(
	struct col_map *m, uint32_t path, const struct needle *x, uint8_t **loose, bool *out)
{
	const struct col_map_part *part = words_of(m, path);
	int rc = 0;

	*out = false;
	if (!part)
		return 0;
	if (part->encoding == COL_MAP_SYMS_TEXT)
		return search_own(m, part, x, out);
	if (!*loose)
		rc = search_loose(m, x, loose);
	if (rc < 0)
		return rc;
	if (part->place > m->loose_count || part->entries_count > m->loose_count - part->place)
		return ERR_CORRUPT;
	*out = memchr(*loose + part->place, 1, part->entries_count) != NULL;
	return 0;
}

int col_map_leaves_contain(void *map, const struct needle *x, uint8_t *leaves, uint32_t count)
{
	struct col_map *m = map;
	uint8_t *loose = NULL;
	int rc = 0;

	/* As col_map_leaf: the numbers come from another page. */
	if (m->form != COL_MAP_APART)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		bool found;

		if (!leaves[i])
			continue;
		if (i >= m->paths_count)
			return ERR_CORRUPT;
		rc = search_path(m, i, x, &loose, &found);
		leaves[i] = rc == 0 && found;
	}
	return rc;
}

int col_map_leaves_letters(
	void *map, const uint8_t *leaves, uint32_t count, struct col_letters *out)
{
	struct col_map *m = map;
	bool loose = false;
	int rc = m->form == COL_MAP_APART ? 0 : ERR_CORRUPT;

	for (uint32_t i = 0; i < count && rc == 0; i++) {
		const struct col_map_part *part = leaves[i] ? words_of(m, i) : NULL;
		struct col_text t;

		if (!part)
			continue;
		if (part->encoding != COL_MAP_SYMS_TEXT) {
			loose = true;
			continue;
		}
		rc = open_own(m, part, &t);
		if (rc == 0)
			rc = col_text_letters(&t, out);
	}
	if (rc == 0 && loose)
		rc = col_map_open_loose(m);
	if (rc == 0 && loose)
		rc = col_text_letters(&m->loose, out);
	return rc;
}
