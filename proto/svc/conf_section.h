/*
 * conf_section - titles of sections that there may be many of: a kind and a name, as [class audit].
 *
 * Thread: any. Memory: none. Errors: a diag without file and line, which the caller knows.
 */
#ifndef PROTO_SVC_CONF_SECTION_H
#define PROTO_SVC_CONF_SECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/diag.h"

/* Whether the title begins with the word `kind`. */
bool conf_section_is(const char *section, const char *kind);

/*
 * The name behind the kind, which conf_section_is found: it becomes part of file names and labels.
 * ERR_SYNTAX: it is empty, longer than cap - 1 bytes, or not of a-z, digits, _ and -.
 */
int conf_section_name(const char *section, const char *kind, char *dst, size_t cap, struct diag *d);

#endif
