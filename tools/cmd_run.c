#include "tools/cmd_run.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "tools/doc.h"

void cmd_run_init(struct cmd_run *r, const struct cmd_args *args, struct source *source)
{
	*r = (struct cmd_run){
		.args = args,
		.source = source,
		.place = { .fd = -1 },
		/* What is no event has a header of its own. */
		.bare = args->cmd != CMD_SEARCH && args->cmd != CMD_TAIL && args->cmd != CMD_EXPORT,
	};
	term_ask(&r->term, STDOUT_FILENO, args->colour);
	show_init(&r->show, args->format, args->utc, &r->term, &args->picks);
	progress_init(&r->progress, !args->quiet && !args->follow);
	buf_init(&r->record, (size_t)LIMIT_EVENT_BYTES * 16);
}

int cmd_run_fini(struct cmd_run *r)
{
	int err = 0;

	progress_end(&r->progress);
	if (r->begun) {
		show_end(&r->show, &r->sink.buf);
		err = sink_close(&r->sink);
	}
	cursor_file_close(&r->place);
	show_fini(&r->show);
	buf_fini(&r->record);
	return err;
}

int cmd_run_record(struct cmd_run *r, const struct event *ev, struct span *out)
{
	buf_reset(&r->record);
	show_event(&r->show, ev, &r->record);
	*out = buf_span(&r->record);
	return r->record.err;
}

void cmd_run_begin(struct cmd_run *r)
{
	if (r->begun)
		return;
	r->begun = true;
	sink_open(&r->sink, r->term.tty && !r->args->follow && !r->args->no_pager);
	if (!r->bare)
		show_header(&r->show, &r->sink.buf);
}

void cmd_run_emit(struct cmd_run *r, struct span record)
{
	cmd_run_begin(r);
	show_lay(&r->show, record, &r->sink.buf);
	sink_drain(&r->sink);
}

void cmd_run_text(struct cmd_run *r, struct span text)
{
	cmd_run_begin(r);
	show_end(&r->show, &r->sink.buf);
	sink_put(&r->sink, text);
}

void cmd_run_flush(struct cmd_run *r)
{
	cmd_run_begin(r);
	show_end(&r->show, &r->sink.buf);
	sink_flush(&r->sink);
}

bool cmd_run_is_gone(const struct cmd_run *r)
{
	return r->begun && (r->sink.gone || r->sink.err);
}

void cmd_run_note(struct cmd_run *r, const char *lack)
{
	if (!*r->lack)
		strncpy(r->lack, lack, sizeof r->lack - 1);
}

void cmd_run_note_answer(struct cmd_run *r, struct span document)
{
	static const struct {
		const char *partial;
		const char *lack;
	} lacks[] = {
		{ "time",
			"the time for one query was over: the numbers are of a part of the events" },
		{ "memory", "the memory for one query was used up: something is left out" },
		{ "groups", "there are more groups than fit into memory: some are left out" },
		{ "fields",
			"there are more fields than can be listed: the rare ones are left out" },
		{ "regex", "the regular expression took too many steps on some texts: they were "
			   "taken for not matching" },
		{ "damage",
			"some events could not be read, the store is damaged: see astrodump verify" },
	};
	struct span partial = doc_text(doc_member(document, "partial"));

	for (size_t i = 0; i < ARRAY_COUNT(lacks); i++) {
		if (span_eq(partial, span_str(lacks[i].partial)))
			cmd_run_note(r, lacks[i].lack);
	}
	if (partial.n)
		cmd_run_note(r, "the answer is not complete");
}

/* A file must have on disk what the place says it has; a pipe's reader answers for itself. */
static int make_safe(struct cmd_run *r, struct diag *d)
{
	struct stat st;

	if (fstat(r->sink.fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (fdatasync(r->sink.fd) < 0)
		return diag_set(d, -errno, "", -1, "the output cannot be written to disk");
	return 0;
}

int cmd_run_reached(struct cmd_run *r, uint64_t id, struct diag *d)
{
	int rc;

	cmd_run_flush(r);
	r->covered = id > r->covered ? id : r->covered;
	if (!r->place.path || cmd_run_is_gone(r))
		return 0;
	rc = make_safe(r, d);
	return rc < 0 ? rc : cursor_file_write(&r->place, id, d);
}
