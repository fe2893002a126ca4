/*
 * diag - what failed, on which file or peer, at which offset, and why: one fixed-size record that
 * a lower layer fills and the program that called it prints once.
 *
 * Memory: none but the record. A NULL diag is accepted everywhere and stays silent.
 */
#ifndef PROTO_BASE_DIAG_H
#define PROTO_BASE_DIAG_H

#include <stdint.h>

enum {
	DIAG_FILE_BYTES = 256,
	DIAG_TEXT_BYTES = 256,
};

struct diag {
	int code;                   /* as returned */
	int64_t off;                /* byte offset in the file, -1 when it has none */
	char file[DIAG_FILE_BYTES]; /* path or peer, may be "" */
	char text[DIAG_TEXT_BYTES]; /* what was attempted and what to do, for people */
};

/*
 * Fills d (unless NULL) and returns code, so that a failing function ends in one line:
 *	return diag_set(d, ERR_CORRUPT, path, off, "page %u of block %u", page, block);
 * A code of 0 is refused by an assertion: a diagnosis needs a failure.
 */
int diag_set(struct diag *d, int code, const char *file, int64_t off, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* "FILE at byte OFF: TEXT: reason (CODE)" into dst, always terminated; returns dst. */
const char *diag_format(const struct diag *d, char *dst, unsigned cap);

#endif
