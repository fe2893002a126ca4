#include "tools/cmd_export.h"

#include <errno.h>
#include <string.h>

#include "proto/base/err.h"
#include "tools/cmd_search.h"

/* How a last line begins that says that the export is not whole (query/API.md). */
static const char partial_head[] = "{\"status\":\"partial\"";

struct stream {
	struct cmd_run *run;
	uint64_t lines;
	uint64_t bytes;
	size_t same; /* bytes of the line so far that are those of partial_head */
	bool begins; /* the next byte begins a line */
	bool partial;
};

/* The bytes of a line come in any pieces. */
static void look_at_line(struct stream *s, const uint8_t *p, size_t n, bool begins)
{
	if (begins)
		s->same = 0;
	for (size_t i = 0; i < n && s->same < sizeof partial_head - 1; i++) {
		if (p[i] != (uint8_t)partial_head[s->same]) {
			s->same = 0;
			break;
		}
		s->same++;
	}
	s->partial = s->same == sizeof partial_head - 1;
}

static int put(void *arg, struct span bytes)
{
	struct stream *s = arg;
	const uint8_t *at = bytes.p, *end = bytes.p + bytes.n;

	while (at < end) {
		const uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));

		if (s->begins || s->same)
			look_at_line(s, at, (size_t)((line_end ? line_end : end) - at), s->begins);
		s->begins = line_end != NULL;
		s->lines += line_end != NULL;
		at = line_end ? line_end + 1 : end;
	}
	s->bytes += bytes.n;
	cmd_run_text(s->run, bytes);
	progress_tell(&s->run->progress, s->lines, 0, s->bytes);
	return cmd_run_is_gone(s->run) ? ERR_CANCELED : 0;
}

/* Whether the source's own bytes are what is wanted. */
static bool is_plain(const struct cmd_run *r)
{
	const struct cmd_args *a = r->args;

	return (a->format == SHOW_JSON || a->format == SHOW_CSV) && a->picks.count == 0 &&
	       !r->term.tty && !a->cursor_file && !a->show_cursor && !a->given.after_cursor;
}

static int stream(struct cmd_run *r, struct diag *d)
{
	const struct cmd_args *a = r->args;
	struct source_param params[CMD_ARGS_PARAMS_MAX + 2];
	struct source_question q = { .what = SOURCE_EXPORT, .params = params };
	struct stream s = { .run = r, .begins = true };
	int rc;

	memcpy(params, a->params, a->params_count * sizeof *params);
	q.params_count = a->params_count;
	params[q.params_count++] =
		(struct source_param){ "format", a->format == SHOW_CSV ? "csv" : "ndjson" };
	params[q.params_count++] =
		(struct source_param){ "order", a->order ? a->order : "arrival" };
	/* Its header is part of the bytes. */
	r->bare = true;
	rc = source_export(r->source, &q, put, &s, d);
	if (rc < 0 && cmd_run_is_gone(r))
		rc = 0;
	if (s.partial)
		cmd_run_note(
			r, "some events could not be read; the last line of the output says which");
	r->shown = s.lines - (a->format == SHOW_CSV && s.lines > 0);
	r->bare = s.bytes > 0;
	return rc;
}

int cmd_export_run(struct cmd_run *r, struct diag *d)
{
	if (is_plain(r)) {
		int rc = stream(r, d);

		/* A daemon without the route, or one that does not take all of it. */
		if (rc != -ENOENT || r->bare)
			return rc;
	}
	return cmd_search_run(r, d);
}
