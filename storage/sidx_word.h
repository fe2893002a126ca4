/*
 * sidx_word - the .tok sidecar: which blocks may hold a word, in the description or in a string of
 * the metadata.
 *
 * A token is a run of ASCII letters, digits and bytes from 0x80 on, ASCII case ignored; a uuid is one
 * token. Recorded are all tokens but
 * - numbers, hex and uuids inside the row's own entity_id, where it stands in the text as a whole:
 *   the .ent has that. Their shapes (class and length) are noted as `covered`: of a token of such a
 *   shape the set alone knows only where it is, not where it is not;
 * - those of shapes that would cost too much: `dropped`.
 * A lookup may name a block too many, never one too few.
 *
 * Life:    open, lookups, close.
 * Thread:  free for all threads.
 * Memory:  the mapping, 24 bytes for each 1024 tokens.
 * Errors:  a page is checked when a lookup first reads it: ERR_CORRUPT, and the caller does without.
 */
#ifndef STORAGE_SIDX_WORD_H
#define STORAGE_SIDX_WORD_H

#include "storage/sidx_common.h"
#include "storage/sidx_entity.h"

struct sidx_word;

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
/* Shapes that are covered by .ent or dropped: for people. */
void sidx_word_shapes(const struct sidx_word *x, unsigned *out_covered, unsigned *out_dropped);
/* Reads every page. */
int sidx_word_check(const struct sidx_word *x, struct diag *d);

#endif
