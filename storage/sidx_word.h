/*
 * sidx_word - the .tok sidecar: which blocks may hold a word, in the description or in a string of
 * the metadata.
 *
 * A token is a run of ASCII letters, digits and bytes from 0x80 on, ASCII case ignored; a uuid is one
 * token. Recorded are all tokens but
 * - numbers and hex of four bytes or more and uuids, where they are the row's own entity_id or a part
 *   of it that stands in the text as a whole name: the .ent knows these;
 * - those of shapes (class and length) that would cost too much.
 * Of which shapes tokens are missing, and why, is noted for the segment: a lookup of such a token
 * asks .ent too, or cannot tell. A lookup may name a block too many, never one too few.
 *
 * Life:    open, lookups, close.
 * Thread:  free for all threads.
 * Memory:  the mapping, 32 bytes for each 1024 tokens.
 * Errors:  a page is checked when a lookup first reads it: ERR_CORRUPT, and the caller does without.
 */
#ifndef STORAGE_SIDX_WORD_H
#define STORAGE_SIDX_WORD_H

#include "storage/sidx_common.h"
#include "storage/sidx_entity.h"
#include "storage/sidx_token.h"

struct sidx_word;

/* Sets of token shapes, a bit each. */
struct sidx_word_shapes {
	uint64_t exact[SIDX_TOKEN_SHAPES / 64];   /* not recorded as a whole entity id */
	uint64_t inside[SIDX_TOKEN_SHAPES / 64];  /* not recorded in a longer entity id or a uuid */
	uint64_t dropped[SIDX_TOKEN_SHAPES / 64]; /* not recorded at all */
};

int sidx_word_open(const struct vfs *vfs, int dir, const char *name, const struct seg_info *seg,
	struct sidx_word **out, struct diag *d);
void sidx_word_close(struct sidx_word **x);

/* The sidecar cannot tell: nothing was set. */
enum { SIDX_WORD_UNKNOWN = 1 };

/*
 * Sets bit b of blocks[] for each block that may hold a text with this word, or with all words of
 * the given text, as words: for a search by whole words. entity: the segment's .ent or NULL.
 */
int sidx_word_find(const struct sidx_word *x, const struct sidx_entity *entity, struct span words,
	uint64_t *blocks, struct diag *d);
/*
 * The same for a text that contains the needle anywhere: of the needle's first and last token only
 * an end is known if it begins or ends with one, and these tell nothing.
 */
int sidx_word_find_part(const struct sidx_word *x, const struct sidx_entity *entity,
	struct span needle, uint64_t *blocks, struct diag *d);
/* Whether that block may hold the word; true where the sidecar cannot tell. */
bool sidx_word_may_have(const struct sidx_word *x, const struct sidx_entity *entity, uint32_t block,
	struct span word);

uint64_t sidx_word_count(const struct sidx_word *x);
const struct sidx_word_shapes *sidx_word_shapes(const struct sidx_word *x);
/* Reads every page. */
int sidx_word_check(const struct sidx_word *x, struct diag *d);
/* Bits of a key's hash beyond its bucket: the more blocks share the false ones, the fewer. */
unsigned sidx_word_low_bits(uint32_t blocks_count);

static inline bool sidx_word_has_shape(const uint64_t *shapes, unsigned shape)
{
	return shapes[shape / 64] >> shape % 64 & 1;
}

#endif
