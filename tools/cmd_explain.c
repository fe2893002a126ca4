#include "tools/cmd_explain.h"

int cmd_explain_run(struct cmd_run *r, struct diag *d)
{
	struct source_question q = {
		.what = SOURCE_EXPLAIN,
		.params = r->args->params,
		.params_count = r->args->params_count,
	};
	struct span document;

	return source_ask(r->source, &q, &document, d);
}
