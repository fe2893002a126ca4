/*
 * context - one event by its id, and what happened around it.
 *
 * Before and after are meant in the order of time, (timestamp, id), both lists oldest first. Of the
 * events around, only those are taken that share certain texts with the event in the middle, if it is
 * so asked; a text that the event itself does not have is not asked of the others.
 *
 * Thread:  as engine_run.
 * Memory:  three results of the engine, each within budget_bytes.
 * Errors:  as engine_run.
 */
#ifndef QUERY_CONTEXT_H
#define QUERY_CONTEXT_H

#include "query/engine.h"

enum {
	CONTEXT_SIDE_DEFAULT = 10,
	CONTEXT_SIDE_MAX = ENGINE_LIMIT_MAX,
	CONTEXT_NO_EVENT = 1, /* the snapshot has no event of that id */
	CONTEXT_NO_TEXT = 2,  /* the event has none of the texts that are to be shared */
	/* The texts to be shared are longer than LIMIT_QUERY_VALUES_BYTES together: no filter. */
	CONTEXT_LONG_TEXT = 3,
};

struct context_request {
	uint64_t id;
	uint32_t before, after; /* events at most */
	uint32_t same;          /* bits 1 << enum event_text; 0: any event */
	int64_t budget_ns;      /* of time, together; 0: none */
	size_t budget_bytes;    /* of events in each list */
	unsigned given;         /* private: which parameters were given */
};

struct context_result {
	struct engine_result event; /* one event, or none */
	struct engine_result before, after;
	enum engine_partial partial; /* what ended a list early */
	struct engine_stats stats;   /* of all */
};

/* The event alone. */
void context_request_init(struct context_request *req, uint64_t id);

/*
 * before, after (0 to CONTEXT_SIDE_MAX), same: `entity` (entity_type and entity_id), or names of text
 * fields, joined by commas. Codes of engine_param.
 */
int context_param(
	struct context_request *req, struct span name, struct span value, struct engine_err *err);

/* 0, also for a partial answer, or a CONTEXT_; then *out must be given to context_result_fini. */
int context_run(struct engine *e, struct store_snapshot *snap, const struct context_request *req,
	struct context_result *out, struct diag *d);
void context_result_fini(struct context_result *out);

#endif
