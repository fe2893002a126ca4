/*
 * scan_text - the two questions asked of text: is it one of these values, does it contain these
 * bytes, ASCII case ignored.
 *
 * Life:    init copies what it needs; fini.
 * Thread:  nothing changes after init.
 */
#ifndef STORAGE_SCAN_TEXT_H
#define STORAGE_SCAN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/span.h"

/* Values sorted, absent first; the spans' bytes stay with the caller. */
struct scan_text_set {
	struct span *values;
	size_t count;
};

int scan_text_set_init(struct scan_text_set *s, const struct span *values, size_t count);
void scan_text_set_fini(struct scan_text_set *s);
/* An absent value is in the set only if the set was given an absent one. */
bool scan_text_set_has(const struct scan_text_set *s, struct span value);

/*
 * Bytes to look for. Two of them, rare ones by their nature, are compared at sixteen places at once;
 * only where both are found are the others looked at.
 */
struct scan_text_needle {
	uint8_t *lower; /* letters A-Z in lower case */
	size_t n;       /* 0: nothing is looked for */
	size_t at[2];   /* offsets of the two rare bytes */
	uint8_t byte[2];
	uint8_t fold[2]; /* 0x20 where the byte is a letter: or-ed to the text before comparing */
};

int scan_text_needle_init(struct scan_text_needle *x, struct span needle);
void scan_text_needle_fini(struct scan_text_needle *x);
/* Offset of the first occurrence in text at or after `from`, SIZE_MAX: none. */
size_t scan_text_find(const struct scan_text_needle *x, struct span text, size_t from);

#endif
