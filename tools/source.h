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
	bool more;                      /* it ended early, for time or memory: go on */
	char next[ENGINE_CURSOR_BYTES]; /* "" after the last page */
	uint64_t covered;               /* arrival order goes on after this id */
	char lack[DIAG_TEXT_BYTES];     /* what the answer lacks and why, or "" */
};

/* One event and those around it, in the order of time. */
struct source_around {
	uint64_t id;
	uint32_t before;
	uint32_t after;
	const char *same; /* fields that they share with it, as the API has them; NULL: any event */
};

/* Questions whose answer is one document: the JSON of query/API.md as msgpack. */
enum source_what {
	SOURCE_QUERY,   /* groups: by, bucket, agg ... */
	SOURCE_FIELDS,  /* the fields there are */
	SOURCE_EXPLAIN, /* how a question is understood */
	SOURCE_EXPORT,  /* its answer is no document: source_export alone */
};

struct source_question {
	enum source_what what;
	const struct source_param *params;
	size_t params_count;
};

/* Takes the next bytes of an export. Negative: no more are wanted. */
typedef int (*source_put_cb)(void *arg, struct span bytes);

struct source;

struct source_ops {
	int (*page)(struct source *s, const struct source_ask *ask, struct source_page *out,
		struct diag *d);
	/* -EINVAL: the event has none of the fields to be shared; -ENOENT: there is no such event. */
	int (*around)(struct source *s, const struct source_around *ask, struct source_page *out,
		struct diag *d);
	/* The document lives until the next question, page or close. */
	int (*ask)(struct source *s, const struct source_question *q, struct span *out_msgpack,
		struct diag *d);
	/* GET /api/logs/export: the bytes as they are. */
	int (*export)(struct source *s, const struct source_question *q, source_put_cb put,
		void *arg, struct diag *d);
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

static inline int source_around(
	struct source *s, const struct source_around *ask, struct source_page *out, struct diag *d)
{
	return s->ops->around(s, ask, out, d);
}

static inline int source_ask(
	struct source *s, const struct source_question *q, struct span *out_msgpack, struct diag *d)
{
	return s->ops->ask(s, q, out_msgpack, d);
}

static inline int source_export(struct source *s, const struct source_question *q,
	source_put_cb put, void *arg, struct diag *d)
{
	return s->ops->export(s, q, put, arg, d);
}

static inline void source_close(struct source **s)
{
	if (*s)
		(*s)->ops->close(*s);
	*s = NULL;
}

#endif
