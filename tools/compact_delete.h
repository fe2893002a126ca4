/*
 * compact_delete - which events `astrocompact delete --query` means.
 *
 * A query is words of the form name=value, all of which must hold: the filters of the API (query/API.md)
 * by their names, as in `user_id=anna event_type=AUTH end_date=2026-11-01`. A value with spaces is put
 * in double quotes, with \" and \\ in it; a name given twice means any of its values; the word "and"
 * between is allowed. What does not narrow anything down is refused: an order, a limit, no word at all.
 *
 * Memory: the ids, up to LIMIT_REDACT_BYTES; a page of events at a time.
 * Errors: ERR_SYNTAX, ERR_UNKNOWN, -EINVAL with what to do in the diag; a store that cannot be read
 *         whole is refused: nobody can say what of it the query means.
 */
#ifndef TOOLS_COMPACT_DELETE_H
#define TOOLS_COMPACT_DELETE_H

#include <signal.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/idset.h"

struct compact_delete_found {
	uint64_t count;
	int64_t time_min_ns;
	int64_t time_max_ns;
};

/* Adds the ids of all committed events that match. stop: set by a signal, ends with ERR_CANCELED. */
int compact_delete_find(const char *dir, const char *query, const volatile sig_atomic_t *stop,
	struct idset *ids, struct compact_delete_found *out, struct diag *d);

#endif
