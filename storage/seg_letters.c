#include "storage/seg_letters.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/block_pool.h"
#include "storage/seg_reader_int.h"

/* Of a segment. */
struct letters {
	struct seg_attached base; /* first: the slot points to it */
	uint32_t blocks_count;
	_Atomic(struct col_letters *) of[]; /* each block; NULL: not noted */
};

/* Of blocks whose letters cannot be told: it is told from others by its address. */
static struct col_letters unknown;

static _Atomic size_t bytes_used; /* of all segments */
static _Atomic uint64_t unnoted_count;

static _Atomic(struct seg_attached *) *slot_of(const struct seg_reader *r)
{
	return &r->slot->attached[SEG_ATTACHED_LETTERS];
}

/* False: there is no room. */
static bool take_bytes(size_t n)
{
	if (atomic_fetch_add(&bytes_used, n) + n > LIMIT_LETTERS_BYTES) {
		atomic_fetch_sub(&bytes_used, n);
		return false;
	}
	block_pool_lend(n);
	return true;
}

static void return_bytes(size_t n)
{
	atomic_fetch_sub(&bytes_used, n);
	block_pool_return(n);
}

static size_t size_of(uint32_t blocks_count)
{
	return sizeof(struct letters) + blocks_count * sizeof(_Atomic(struct col_letters *));
}

static void close_letters(struct seg_attached *base)
{
	struct letters *l = (struct letters *)base;

	for (uint32_t i = 0; i < l->blocks_count; i++) {
		struct col_letters *of = atomic_load(&l->of[i]);

		if (!of || of == &unknown)
			continue;
		free(of);
		return_bytes(sizeof *of);
	}
	return_bytes(size_of(l->blocks_count));
	free(l);
}

static struct letters *new_letters(uint32_t blocks_count)
{
	struct letters *l;

	if (!take_bytes(size_of(blocks_count)))
		return NULL;
	l = calloc(1, size_of(blocks_count));
	if (!l) {
		return_bytes(size_of(blocks_count));
		return NULL;
	}
	l->base.close = close_letters;
	l->blocks_count = blocks_count;
	return l;
}

/* Of two threads that come at the same time one drops what it made. NULL: no memory, or no room. */
static struct letters *need_letters(const struct seg_reader *r)
{
	struct seg_attached *have = atomic_load(slot_of(r));
	struct letters *l;

	if (have)
		return (struct letters *)have;
	l = new_letters(r->info.blocks_count);
	if (!l || atomic_compare_exchange_strong(slot_of(r), &have, &l->base))
		return l;
	close_letters(&l->base);
	return (struct letters *)have;
}

static const struct col_letters *letters_of(const struct seg_reader *r, uint32_t block)
{
	struct letters *l = (struct letters *)atomic_load(slot_of(r));

	ASSERT(block < r->info.blocks_count);
	return l ? atomic_load(&l->of[block]) : NULL;
}

bool seg_letters_known(const struct seg_reader *r, uint32_t block)
{
	return letters_of(r, block) != NULL;
}

bool seg_letters_may_have(const struct seg_reader *r, uint32_t block, const struct needle *x)
{
	const struct col_letters *of = letters_of(r, block);

	return !of || of == &unknown || col_letters_may_have(of, x);
}

/* A copy of the letters; NULL: no memory, or no room. */
static struct col_letters *copy_of(const struct col_letters *letters)
{
	struct col_letters *of;

	if (!take_bytes(sizeof *of))
		return NULL;
	of = malloc(sizeof *of);
	if (of)
		*of = *letters;
	else
		return_bytes(sizeof *of);
	return of;
}

void seg_letters_note(const struct seg_reader *r, uint32_t block, const struct col_letters *letters)
{
	struct letters *l = need_letters(r);
	struct col_letters *none = NULL, *of = &unknown;

	ASSERT(block < r->info.blocks_count);
	if (l && letters)
		of = copy_of(letters);
	if (!l || !of) {
		atomic_fetch_add(&unnoted_count, 1);
		return;
	}
	if (atomic_compare_exchange_strong(&l->of[block], &none, of) || of == &unknown)
		return;
	free(of);
	return_bytes(sizeof *of);
}

void seg_letters_use(struct seg_letters_use *out)
{
	out->bytes = atomic_load(&bytes_used);
	out->unnoted_count = atomic_load(&unnoted_count);
}
