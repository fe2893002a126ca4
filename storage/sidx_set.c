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

static const struct sidx_set no_memory = { .rc = { -ENOMEM, -ENOMEM, -ENOMEM } };

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

const struct sidx_set *sidx_set_get(const struct seg_reader *r)
{
	struct seg_attached *have = atomic_load(&r->slot->attached);
	struct attached_set *a;

	if (have)
		return &((struct attached_set *)have)->set;
	a = open_set(r);
	if (!a)
		return &no_memory;
	if (atomic_compare_exchange_strong(&r->slot->attached, &have, &a->base))
		return &a->set;
	/* Another thread was quicker. */
	close_set(&a->base);
	ASSERT(have);
	return &((struct attached_set *)have)->set;
}
