/*
 * sidx_token - cuts text into the tokens that .tok knows, sixteen bytes at a time where the machine
 * can.
 *
 * A token is a longest run of letters, digits and bytes from 0x80 on; ASCII letters count as lower
 * case. Five runs that form a uuid are one token. A name is a longest run of token bytes, '-', '_'.
 *
 * Life:    init, set a text, next...; set another; fini.
 * Thread:  one at a time.
 * Memory:  the text folded, and three bits for each of its bytes.
 */
#ifndef STORAGE_SIDX_TOKEN_H
#define STORAGE_SIDX_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/span.h"

enum {
	SIDX_TOKEN_DIGITS,
	SIDX_TOKEN_HEX, /* with a letter at least */
	SIDX_TOKEN_OTHER,
	SIDX_TOKEN_UUID,
	SIDX_TOKEN_CLASSES,
	/* Longer tokens share a shape. */
	SIDX_TOKEN_LENGTHS = 32,
	SIDX_TOKEN_SHAPES = SIDX_TOKEN_CLASSES * SIDX_TOKEN_LENGTHS,
	SIDX_TOKEN_UUID_BYTES = 36,
	/* Digits and hex of fewer bytes are recorded inside an entity id too: there are not many. */
	SIDX_TOKEN_COVERED_MIN = 4,
	/* Bytes that are looked at together; as many may be read behind the folded text. */
	SIDX_TOKEN_STEP = 64,
};

struct sidx_token {
	size_t off;
	size_t n;
	bool uuid;
};

struct sidx_token_text {
	const uint8_t *raw;
	size_t n;
	size_t at; /* next looks from here on */
	uint8_t *folded;
	uint64_t *words, *digits, *hexes; /* a bit a byte */
	size_t cap;
};

void sidx_token_init(struct sidx_token_text *t);
void sidx_token_fini(struct sidx_token_text *t);
/* The text must stay where it is while tokens are asked for. 0 or -ENOMEM. */
int sidx_token_set(struct sidx_token_text *t, struct span text);
/* For sidx_token_next: a token that may be a uuid, or reaches into other steps. */
bool sidx_token_next_slow(struct sidx_token_text *t, struct sidx_token *out);

/* False: there are no more. */
static inline bool sidx_token_next(struct sidx_token_text *t, struct sidx_token *out)
{
	size_t skip = t->at % SIDX_TOKEN_STEP, n;
	uint64_t from, behind;

	if (t->at >= t->n)
		return false;
	from = t->words[t->at / SIDX_TOKEN_STEP] >> skip;
	if (from == 0)
		return sidx_token_next_slow(t, out);
	n = (unsigned)__builtin_ctzll(from);
	behind = ~(from >> n);
	out->off = t->at + n;
	/* A token of eight bytes may be the first run of a uuid. */
	if (behind == 0 || skip + n + (unsigned)__builtin_ctzll(behind) >= SIDX_TOKEN_STEP ||
		__builtin_ctzll(behind) == 8)
		return sidx_token_next_slow(t, out);
	out->n = (unsigned)__builtin_ctzll(behind);
	out->uuid = false;
	t->at = out->off + out->n;
	return true;
}

/* class * SIDX_TOKEN_LENGTHS + the length, 31 at most */
unsigned sidx_token_shape(const struct sidx_token_text *t, const struct sidx_token *token);
/* XXH3-64 of the folded bytes. */
uint64_t sidx_token_hash(const struct sidx_token_text *t, const struct sidx_token *token);

/* The name that the token is in. */
struct span sidx_token_name(const struct sidx_token_text *t, const struct sidx_token *token);
/*
 * The bytes of the entity's name if it begins at the token, exactly as it is; 0: none, or an id
 * that is no name or has letters of both cases, and so is not looked for in .ent.
 */
size_t sidx_token_entity_slow(
	const struct sidx_token_text *t, const struct sidx_token *token, struct span entity_id);

static inline size_t sidx_token_entity(
	const struct sidx_token_text *t, const struct sidx_token *token, struct span entity_id)
{
	if (entity_id.n == 0 || t->raw[token->off] != entity_id.p[0])
		return 0;
	return sidx_token_entity_slow(t, token, entity_id);
}

/* Whether a token of that shape is left to .ent when it stands inside the row's entity id. */
bool sidx_token_is_covered(unsigned shape);

static inline unsigned sidx_token_class(unsigned shape)
{
	return shape / SIDX_TOKEN_LENGTHS;
}

#endif
