/*
 * col_token - cuts a text into its pattern and its tokens: what other texts of the same form share,
 * and what is its own.
 *
 * PATTERN: the text with each token replaced by a class byte (0x80 and up), for some classes followed
 * by a parameter. All other bytes of a pattern are below 0x80 and stand for themselves: only letters
 * make words, and every byte from 0x80 on counts as a letter, so a pattern is never ambiguous.
 * Pattern and tokens give back the text to the byte; a part that its class would print otherwise
 * (leading zeroes of an address, mixed case of hex digits) is cut differently.
 *
 * Thread:  none of its own.
 * Memory:  the caller's; nothing is allocated.
 */
#ifndef STORAGE_COL_TOKEN_H
#define STORAGE_COL_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "proto/base/span.h"

/* On disk: bytes of a pattern. */
enum col_token_class {
	COL_TOKEN_WORD =
		0x80, /* letters, '_', bytes above 0x7f; or a mixture that is nothing else */
	COL_TOKEN_INT = 0x81,   /* up to 18 digits, and how many zeroes lead */
	COL_TOKEN_HEX = 0x82,   /* +u8: 8 to 64 hex digits of one case, letters and digits */
	COL_TOKEN_HEXV = 0x83,  /* +u8: behind "0x", up to 15 without leading zeroes */
	COL_TOKEN_DEC = 0x84,   /* +u8 digits behind the point */
	COL_TOKEN_IP4 = 0x85,   /* four octets */
	COL_TOKEN_IP6 = 0x86,   /* eight groups, written the usual short way */
	COL_TOKEN_UUID = 0x87,  /* +u8: case */
	COL_TOKEN_EMAIL = 0x88, /* something@something; a text of its own */
	COL_TOKEN_COPY = 0x89,  /* +u8: the value of a column in the same row */
	COL_TOKEN_CLASS_END,
};

enum {
	COL_TOKEN_UPPER = 0x80, /* in the parameter of HEX, HEXV, UUID; the rest of HEX's: digits */
	COL_TOKEN_ZEROES_SHIFT = 60, /* in the number of an INT: leading zeroes stand above */
	COL_TOKEN_ZEROES_MAX = 15,
	COL_TOKEN_DIGITS_MAX = 18,
	COL_TOKEN_HEX_MIN = 8,
	COL_TOKEN_HEX_MAX = 64,
	COL_TOKEN_SOURCE_BYTES_MIN = 2, /* a shorter value is found by chance */
	COL_TOKEN_PATTERN_MAX = LIMIT_TEXT_PATTERN_BYTES,
	COL_TOKEN_NUMBERS = 4, /* of one token */
	COL_TOKEN_SOURCES = 8, /* bytes of a word */
};

struct col_token {
	uint8_t class;
	uint8_t param;
	uint8_t numbers_count; /* 0: WORD, EMAIL, COPY */
	uint16_t off;          /* in the text */
	uint16_t len;
};

struct col_tokens {
	uint32_t count;
	uint32_t numbers_count; /* of all tokens */
	uint32_t pattern_len;
	int word_idx; /* the first WORD; -1: none */
	struct col_token t[LIMIT_TEXT_TOKENS];
	uint64_t numbers[(LIMIT_TEXT_TOKENS + 1) * COL_TOKEN_NUMBERS];
	uint8_t pattern[COL_TOKEN_PATTERN_MAX];
};

/* Columns whose values are looked for; p NULL or shorter than two bytes: not. */
struct col_token_sources {
	struct span values[COL_TOKEN_SOURCES];
};

/*
 * One bit for each of n bytes, up to LIMIT_TEXT_SHAPED_BYTES: letters (and '_', bytes above 0x7f),
 * digits, '@'. Each mask has a word of zeroes behind its last. The two give the same.
 */
struct col_token_masks {
	uint64_t letters[LIMIT_TEXT_SHAPED_BYTES / 64 + 2];
	uint64_t digits[LIMIT_TEXT_SHAPED_BYTES / 64 + 2];
	uint64_t alnum[LIMIT_TEXT_SHAPED_BYTES / 64 + 2];
	bool at;
};

void col_token_masks_wide(struct span text, struct col_token_masks *m);
void col_token_masks_plain(struct span text, struct col_token_masks *m);

/* Where an e-mail address stands. */
struct col_token_range {
	uint32_t start;
	uint32_t end;
};

enum { COL_TOKEN_EMAILS_MAX = 4 }; /* of one text; more are cut like other text */

/* One text on its way. */
struct col_token_cutter {
	const uint8_t *p;
	uint32_t n;
	const struct col_token_sources *sources;
	uint64_t firsts; /* first byte of each source; 0: none, or one that is not looked for */
	const struct col_token_range *email; /* the next one; the last starts nowhere */
	struct col_tokens *out;
	struct col_token_range emails[COL_TOKEN_EMAILS_MAX + 1];
	struct col_token_masks m;
};

/*
 * sources and out must live as long as the cutter. emails: addresses are tokens, else they are cut
 * like other text. 1: the text is too long.
 */
int col_token_begin(struct col_token_cutter *k, struct span text,
	const struct col_token_sources *sources, bool emails, struct col_tokens *out);
/* The whole text into out. 1: it has more tokens or pattern than the limits allow; out is undefined. */
int col_token_cut(struct col_token_cutter *k);
/*
 * The token at s alone, which should be of this class and parameter: its end, and its numbers
 * appended to those of out. 0: there is another one, or none. Positions must rise.
 */
uint32_t col_token_at(struct col_token_cutter *k, uint32_t s, unsigned class, unsigned param);

/*
 * The same by a look at the bytes alone, which finds the common ones: the end, and the numbers, of
 * which there is room for COL_TOKEN_NUMBERS. 0: it takes a cutter to know.
 */
uint32_t col_token_light(struct span text, const struct col_token_sources *sources, uint32_t s,
	unsigned class, unsigned param, uint64_t *numbers);

/* Numbers that a token of the class takes, 0 where it takes none; -1: no such class or parameter. */
int col_token_numbers(unsigned class, unsigned param);
/* Whether a parameter follows the class byte. */
bool col_token_has_param(unsigned class);

/* The longest text of numbers that col_token_print gives. */
enum { COL_TOKEN_PRINT_MAX = 64 };
/*
 * Writes the token that the numbers stand for; its length. dst has COL_TOKEN_PRINT_MAX bytes.
 * 0: numbers that no token has.
 */
size_t col_token_print(unsigned class, unsigned param, const uint64_t *numbers, uint8_t *dst);
/* A number in decimal, of at least so many digits, twenty at most; its length. */
size_t col_token_print_decimal(uint64_t v, unsigned digits, uint8_t *dst);

#endif
