/*
 * ask - one question about groups: the command line's filters, and how to group.
 *
 * Life:    a struct of the caller's; init, add..., run. What was added must outlive it.
 * Thread:  one. Memory: the struct. Errors: of run, as source_ask.
 */
#ifndef TOOLS_ASK_H
#define TOOLS_ASK_H

#include "tools/cmd_args.h"
#include "tools/source.h"

enum { ASK_PARAMS_MAX = CMD_ARGS_PARAMS_MAX + 12 };

struct ask {
	struct source_param params[ASK_PARAMS_MAX];
	size_t count;
	bool utc;
	char buckets[16];
	char top[24];
	char zone[16];
};

void ask_init(struct ask *q, const struct cmd_args *a);
void ask_add(struct ask *q, const char *name, const char *value);
void ask_add_top(struct ask *q, int64_t top);
/*
 * By time: width as the API has it; bars > 0: so many at most where the width is auto, and those without
 * events too. Days begin at midnight of the zone in which times are shown.
 */
void ask_add_buckets(struct ask *q, const char *width, size_t bars);
/* As source_ask; `what` is SOURCE_QUERY. */
int ask_run(struct ask *q, struct source *s, struct span *out_document, struct diag *d);

#endif
