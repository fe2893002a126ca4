#include "storage/sidx_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/seg_reader_int.h"

struct attached_set {
	struct seg_attached base; /* first: the slot points to it */
	struct sidx_set set;
	struct sidx_type *type;
	struct sidx_entity *entity;
	struct sidx_word *word;
};

struct attached_cube {
	struct seg_attached base; /* first, likewise */
	struct sidx_set_cube set;
	struct sidx_cube *cube;
};

static const struct sidx_set no_memory = { .rc = { -ENOMEM, -ENOMEM, -ENOMEM } };
static const struct sidx_set_cube no_memory_cube = { .rc = -ENOMEM };

const char *sidx_set_name(const char *seg_name, enum sidx_kind kind, char *dst)
{
	size_t n = strlen(seg_name);

	if (n >= 4 && strcmp(seg_name + n - 4, ".seg") == 0)
		n -= 4;
	snprintf(dst, DIAG_FILE_BYTES, "%.*s%s", (int)n, seg_name, sidx_common_suffix(kind));
	return dst;
}

static void close_set(struct seg_attached *base)
{
	struct attached_set *a = (struct attached_set *)base;

	sidx_type_close(&a->type);
	sidx_entity_close(&a->entity);
	sidx_word_close(&a->word);
	free(a);
}

static struct attached_set *open_set(const struct seg_reader *r)
{
	struct attached_set *a = calloc(1, sizeof *a);
	char name[DIAG_FILE_BYTES];

	if (!a)
		return NULL;
	a->base.close = close_set;
	sidx_set_name(r->name, SIDX_TYPE, name);
	a->set.rc[SIDX_TYPE] = sidx_type_open(r->vfs, r->dir, name, &r->info, &a->type, NULL);
	sidx_set_name(r->name, SIDX_ENTITY, name);
	a->set.rc[SIDX_ENTITY] = sidx_entity_open(r->vfs, r->dir, name, &r->info, &a->entity, NULL);
	sidx_set_name(r->name, SIDX_WORD, name);
	a->set.rc[SIDX_WORD] = sidx_word_open(r->vfs, r->dir, name, &r->info, &a->word, NULL);
	a->set.type = a->type;
	a->set.entity = a->entity;
	a->set.word = a->word;
	return a;
}

/* What hangs there from now on: `made`, or what another thread was quicker to make. */
static struct seg_attached *attach(_Atomic(struct seg_attached *) *slot, struct seg_attached *made)
{
	struct seg_attached *have = NULL;

	if (atomic_compare_exchange_strong(slot, &have, made))
		return made;
	made->close(made);
	ASSERT(have);
	return have;
}

const struct sidx_set *sidx_set_get(const struct seg_reader *r)
{
	_Atomic(struct seg_attached *) *slot = &r->slot->attached[SEG_ATTACHED_SIDECARS];
	struct seg_attached *have = atomic_load(slot);
	struct attached_set *a;

	if (!have) {
		a = open_set(r);
		if (!a)
			return &no_memory;
		have = attach(slot, &a->base);
	}
	return &((struct attached_set *)have)->set;
}

/* ---- the cube ---- */

static void close_cube(struct seg_attached *base)
{
	struct attached_cube *a = (struct attached_cube *)base;

	sidx_cube_close(&a->cube);
	free(a);
}

static struct attached_cube *open_cube(const struct seg_reader *r)
{
	struct attached_cube *a = calloc(1, sizeof *a);
	char name[DIAG_FILE_BYTES];

	if (!a)
		return NULL;
	a->base.close = close_cube;
	sidx_set_name(r->name, SIDX_CUBE, name);
	a->set.rc = sidx_cube_open(r->vfs, r->dir, name, &r->info, &a->cube, NULL);
	a->set.cube = a->cube;
	return a;
}

const struct sidx_set_cube *sidx_set_get_cube(const struct seg_reader *r)
{
	_Atomic(struct seg_attached *) *slot = &r->slot->attached[SEG_ATTACHED_CUBE];
	struct seg_attached *have = atomic_load(slot);
	struct attached_cube *a;

	if (!have) {
		a = open_cube(r);
		if (!a)
			return &no_memory_cube;
		have = attach(slot, &a->base);
	}
	return &((struct attached_cube *)have)->set;
}
