#include "storage/sidx_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/seg_reader_int.h"

/* One sidecar, or why there is none. */
struct attached {
	struct seg_attached base; /* first: the slot points to it */
	int rc;
	struct sidx_type *type; /* at most one of these */
	struct sidx_entity *entity;
	struct sidx_word *word;
	struct sidx_cube *cube;
};

static_assert((int)SEG_ATTACHED_SIDECARS == (int)SIDX_COUNT, "a slot for each kind");

static const struct attached no_memory = { .rc = -ENOMEM };

const char *sidx_set_name(const char *seg_name, enum sidx_kind kind, char *dst)
{
	size_t n = strlen(seg_name);

	if (n >= 4 && strcmp(seg_name + n - 4, ".seg") == 0)
		n -= 4;
	snprintf(dst, DIAG_FILE_BYTES, "%.*s%s", (int)n, seg_name, sidx_common_suffix(kind));
	return dst;
}

static void close_sidecar(struct seg_attached *base)
{
	struct attached *a = (struct attached *)base;

	sidx_type_close(&a->type);
	sidx_entity_close(&a->entity);
	sidx_word_close(&a->word);
	sidx_cube_close(&a->cube);
	free(a);
}

static struct attached *open_sidecar(const struct seg_reader *r, enum sidx_kind kind)
{
	struct attached *a = calloc(1, sizeof *a);
	char name[DIAG_FILE_BYTES];

	if (!a)
		return NULL;
	a->base.close = close_sidecar;
	sidx_set_name(r->name, kind, name);
	switch (kind) {
	case SIDX_TYPE:
		a->rc = sidx_type_open(r->vfs, r->dir, name, &r->info, &a->type, NULL);
		break;
	case SIDX_ENTITY:
		a->rc = sidx_entity_open(r->vfs, r->dir, name, &r->info, &a->entity, NULL);
		break;
	case SIDX_WORD:
		a->rc = sidx_word_open(r->vfs, r->dir, name, &r->info, &a->word, NULL);
		break;
	default:
		ASSERT(kind == SIDX_CUBE);
		a->rc = sidx_cube_open(r->vfs, r->dir, name, &r->info, &a->cube, NULL);
		break;
	}
	return a;
}

/* Opened at the first call; of two threads that come at the same time one closes what it opened. */
static const struct attached *get(const struct seg_reader *r, enum sidx_kind kind)
{
	_Atomic(struct seg_attached *) *slot = &r->slot->attached[kind];
	struct seg_attached *have = atomic_load(slot);
	struct attached *a;

	if (have)
		return (const struct attached *)have;
	a = open_sidecar(r, kind);
	if (!a)
		return &no_memory;
	if (atomic_compare_exchange_strong(slot, &have, &a->base))
		return a;
	close_sidecar(&a->base);
	ASSERT(have);
	return (const struct attached *)have;
}

const struct sidx_type *sidx_set_type(const struct seg_reader *r)
{
	return get(r, SIDX_TYPE)->type;
}

const struct sidx_entity *sidx_set_entity(const struct seg_reader *r)
{
	return get(r, SIDX_ENTITY)->entity;
}

const struct sidx_word *sidx_set_word(const struct seg_reader *r)
{
	return get(r, SIDX_WORD)->word;
}

const struct sidx_cube *sidx_set_cube(const struct seg_reader *r)
{
	return get(r, SIDX_CUBE)->cube;
}

int sidx_set_rc(const struct seg_reader *r, enum sidx_kind kind)
{
	ASSERT(kind < SIDX_COUNT);
	return get(r, kind)->rc;
}

bool sidx_set_is_open(const struct seg_reader *r, enum sidx_kind kind)
{
	ASSERT(kind < SIDX_COUNT);
	return atomic_load(&r->slot->attached[kind]) != NULL;
}
