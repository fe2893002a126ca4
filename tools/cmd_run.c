#include "tools/cmd_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/limits.h"

/* no-color.org: any value but an empty one. */
static bool wants_colour(const char *when, bool terminal)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (strcmp(when, "auto") != 0)
		return strcmp(when, "always") == 0;
	return terminal && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

void cmd_run_init(struct cmd_run *r, const struct cmd_args *args, struct source *source)
{
	*r = (struct cmd_run){
		.args = args,
		.source = source,
		.terminal = isatty(STDOUT_FILENO) == 1,
	};
	show_init(&r->show, args->format, args->utc, wants_colour(args->colour, r->terminal),
		r->terminal);
	buf_init(&r->text, (size_t)LIMIT_EVENT_BYTES * 16);
}

int cmd_run_fini(struct cmd_run *r)
{
	int err = r->begun ? sink_close(&r->sink) : 0;

	show_fini(&r->show);
	buf_fini(&r->text);
	return err;
}

int cmd_run_text(struct cmd_run *r, const struct event *ev, struct span *out)
{
	buf_reset(&r->text);
	show_event(&r->show, ev, &r->text);
	*out = buf_span(&r->text);
	return r->text.err;
}

void cmd_run_begin(struct cmd_run *r)
{
	if (r->begun)
		return;
	r->begun = true;
	sink_open(&r->sink, r->terminal && !r->args->follow && !r->args->no_pager);
	show_header(&r->show, &r->sink.buf);
}

void cmd_run_emit(struct cmd_run *r, struct span text)
{
	cmd_run_begin(r);
	sink_put(&r->sink, text);
}

void cmd_run_note(struct cmd_run *r, const struct source_page *page)
{
	if (!*r->lack)
		memcpy(r->lack, page->lack, sizeof r->lack);
}
