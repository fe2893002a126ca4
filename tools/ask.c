#include "tools/ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "tools/zonetime.h"

void ask_init(struct ask *q, const struct cmd_args *a)
{
	q->count = 0;
	q->utc = a->utc;
	for (size_t i = 0; i < a->params_count; i++)
		ask_add(q, a->params[i].name, a->params[i].value);
}

void ask_add(struct ask *q, const char *name, const char *value)
{
	ASSERT(q->count < ASK_PARAMS_MAX);
	q->params[q->count++] = (struct source_param){ name, value };
}

void ask_add_top(struct ask *q, int64_t top)
{
	snprintf(q->top, sizeof q->top, "%" PRId64, top);
	ask_add(q, "top", q->top);
}

void ask_add_buckets(struct ask *q, const char *width, size_t bars)
{
	int64_t minutes = zonetime_offset(clock_wall_ns(), q->utc) / (60 * CLOCK_NS_PER_SEC);
	int size = (int)(minutes < 0 ? -minutes : minutes);

	ask_add(q, "bucket", width);
	if (bars && strcmp(width, "auto") == 0) {
		snprintf(q->buckets, sizeof q->buckets, "%zu", bars);
		ask_add(q, "buckets", q->buckets);
	}
	if (bars)
		ask_add(q, "fill", "1");
	if (minutes == 0)
		return;
	snprintf(q->zone, sizeof q->zone, "%c%02d:%02d", minutes < 0 ? '-' : '+', size / 60,
		size % 60);
	ask_add(q, "tz", q->zone);
}

int ask_run(struct ask *q, struct source *s, struct span *out_document, struct diag *d)
{
	struct source_question question = {
		.what = SOURCE_QUERY,
		.params = q->params,
		.params_count = q->count,
	};

	return source_ask(s, &question, out_document, d);
}
