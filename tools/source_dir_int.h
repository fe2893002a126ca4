/*
 * source_dir_int - what the parts of source_dir share.
 *
 * Thread: one. Memory: the results of the latest question of each kind.
 */
#ifndef TOOLS_SOURCE_DIR_INT_H
#define TOOLS_SOURCE_DIR_INT_H

#include "proto/base/buf.h"
#include "query/context.h"
#include "query/engine.h"
#include "tools/source.h"

struct source_dir {
	struct source base;
	const char *dir;
	struct store_reader *reader;
	struct engine *engine;
	struct engine_result result;
	bool has_result;
	struct context_result context;
	bool has_context;
	struct event *events; /* of the context, in one row */
	size_t events_cap;
	struct buf json;
	struct buf document; /* the same as msgpack */
};

/* As source_ask and source_export. */
int source_dir_ask(
	struct source *base, const struct source_question *q, struct span *out, struct diag *d);
int source_dir_export(struct source *base, const struct source_question *q, source_put_cb put,
	void *arg, struct diag *d);

#endif
