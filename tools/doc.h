/*
 * doc - finds its way in a document: JSON that became msgpack (proto/wire/json_in.h).
 *
 * Nothing about its shape is believed: what is not there, or is something else, is absent or empty.
 *
 * Thread: any. Memory: none; spans point into the document.
 */
#ifndef TOOLS_DOC_H
#define TOOLS_DOC_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/span.h"
#include "proto/wire/walk.h"

/* The value of a member of a map, or absent. */
struct span doc_member(struct span map, const char *name);
/* The text of a value, or absent. */
struct span doc_text(struct span value);
/* A whole number; false: it is none. An id may be its digits as text. */
bool doc_uint(struct span value, uint64_t *out);
bool doc_number(struct span value, double *out);
bool doc_true(struct span value);
bool doc_is_null(struct span value);

/* The elements of an array, one after another; of a map keys and values in turn. */
struct doc_list {
	struct rcur c;
	uint32_t left;
};
struct doc_list doc_list(struct span array);
bool doc_next(struct doc_list *l, struct span *out);
uint32_t doc_count(struct span array);

#endif
