/*
 * sidx_word_maker - gathers the tokens of a segment's rows and makes the .tok of them; calls as of
 * sidx_entity_maker.
 *
 * A set that would cost more than a sixteenth of its segment gives up shapes of tokens until it does
 * not: numbers first, those of which there are most before others.
 *
 * Thread:  one at a time.
 * Memory:  sidx_postings, the table, 96 KiB of recent words, the longest text three eighths more than
 *          once.
 */
#ifndef STORAGE_SIDX_WORD_MAKER_H
#define STORAGE_SIDX_WORD_MAKER_H

#include "proto/wire/event.h"
#include "storage/seg_reader.h"
#include "storage/sidx_postings.h"
#include "storage/sidx_token.h"
#include "storage/sidx_word.h"

enum { SIDX_WORD_MAKER_RECENT = 4096 };

/* A short piece of text that a block is known to have, with all its tokens recorded. */
struct sidx_word_recent {
	uint64_t first, last; /* its bytes; both zero: none */
	uint32_t n;
	uint32_t block;
};

struct sidx_word_maker {
	unsigned ranges;
	struct sidx_postings words;
	struct sidx_word_shapes shapes;
	uint32_t keys[SIDX_TOKEN_SHAPES]; /* of the first range */
	struct sidx_token_text text;
	struct sidx_word_recent recent[SIDX_WORD_MAKER_RECENT];
	struct sidx_keys_put table;
	uint32_t blocks[LIMIT_SEGMENT_BLOCKS];
	int err;
};

void sidx_word_maker_init(struct sidx_word_maker *m);
void sidx_word_maker_fini(struct sidx_word_maker *m);
void sidx_word_maker_begin(struct sidx_word_maker *m, unsigned range, unsigned ranges);
void sidx_word_maker_row(struct sidx_word_maker *m, uint32_t block, const struct event *ev);
bool sidx_word_maker_full(const struct sidx_word_maker *m);
int sidx_word_maker_range_end(struct sidx_word_maker *m, const struct seg_info *seg);
int sidx_word_maker_put(struct sidx_word_maker *m, const struct seg_info *seg, struct buf *out);

#endif
