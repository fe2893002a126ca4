/*
 * source - where astroquery gets its events: a daemon over HTTP, or a data directory itself. What
 * stands above knows pages of events only.
 *
 * Life:    open by source_http or source_dir; page...; close.
 * Thread:  one.
 * Memory:  one page; its events live until the next page or close.
 * Errors:  negative with a diag that says what to do. -EINVAL: the question was refused as wrong;
 *          all others: there is no answer now, asking again later may help.
 */
#ifndef TOOLS_SOURCE_H
#define TOOLS_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/wire/event.h"
#include "query/engine.h"

/* A filter or range as the API spells it (query/API.md). */
struct source_param {
	const char *name;
	const char *value;
};

struct source_ask {
	const struct source_param *params; /* the same on every page of a walk */
	size_t params_count;
	enum engine_order order;
	uint32_t limit;     /* 1 .. ENGINE_LIMIT_MAX */
	const char *cursor; /* `next` of the page before; "" for the first */
	uint64_t after;     /* arrival order: ids greater than this ... */
	unsigned wait_s;    /* ... and how long to wait for the first of them */
	bool total;         /* count all that match */
};

struct source_page {
	const struct event *events;
	size_t count;
	uint64_t total; /* of all that match, when total_known */
	bool total_known;
	char next[ENGINE_CURSOR_BYTES]; /* "" after the last page */
	uint64_t covered;               /* arrival order goes on after this id */
	char lack[DIAG_TEXT_BYTES];     /* what the answer lacks and why, or "" */
};

struct source;

struct source_ops {
	int (*page)(struct source *s, const struct source_ask *ask, struct source_page *out,
		struct diag *d);
	void (*close)(struct source *s);
};

/* First member of each kind of source. */
struct source {
	const struct source_ops *ops;
};

static inline int source_page(
	struct source *s, const struct source_ask *ask, struct source_page *out, struct diag *d)
{
	return s->ops->page(s, ask, out, d);
}

static inline void source_close(struct source **s)
{
	if (*s)
		(*s)->ops->close(*s);
	*s = NULL;
}

#endif
