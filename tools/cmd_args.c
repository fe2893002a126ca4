#include "tools/cmd_args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"
#include "proto/base/when.h"
#include "proto/svc/opt.h"
#include "tools/cmd_flags.h"
#include "tools/cmd_words.h"
#include "tools/zonetime.h"

static const char *const names[CMD_COUNT] = { "search", "tail", "stats", "top", "fields", "export",
	"explain", "doctor" };

const char *cmd_args_name(enum cmd cmd)
{
	ASSERT(cmd < CMD_COUNT);
	return names[cmd];
}

int cmd_args_no_memory(struct diag *d)
{
	return diag_set(d, -ENOMEM, "", -1, "the words are too many or too long");
}

int cmd_args_add(struct cmd_args *a, const char *name, const char *value, struct diag *d)
{
	if (a->params_count == CMD_ARGS_PARAMS_MAX)
		return cmd_args_no_memory(d);
	a->params[a->params_count++] = (struct source_param){ name, value };
	return 0;
}

bool cmd_args_has(const struct cmd_args *a, const char *name)
{
	for (size_t i = 0; i < a->params_count; i++) {
		if (strcmp(a->params[i].name, name) == 0)
			return true;
	}
	return false;
}

/* ---- severity ---- */

static int severity_of(struct span word, struct diag *d)
{
	int severity = event_severity_find(word);

	if (severity < 0)
		return diag_set(d, ERR_UNKNOWN, "", -1,
			"--priority: '%.*s' is no severity: write emergency, alert, critical, error, "
			"warning, notice, info, debug or 0 to 7",
			(int)(word.n < 64 ? word.n : 64), (const char *)word.p);
	return severity;
}

/* As in journalctl: one word means it and all that is worse; FROM..TO is a range. */
static int add_priority(struct cmd_args *a, struct diag *d)
{
	static const char *const digits[] = { "0", "1", "2", "3", "4", "5", "6", "7" };
	const char *said = a->given.priority, *dots;
	int from = 0, to, rc = 0;

	if (!said)
		return 0;
	if (cmd_args_has(a, "severity"))
		return diag_set(d, ERR_SYNTAX, "", -1, "give --priority or severity=, not both");
	dots = strstr(said, "..");
	if (dots) {
		from = severity_of(span_of(said, (size_t)(dots - said)), d);
		if (from < 0)
			return from;
	}
	to = severity_of(span_str(dots ? dots + 2 : said), d);
	if (to < 0)
		return to;
	if (from > to) {
		int swap = from;

		from = to;
		to = swap;
	}
	for (int i = from; i <= to && rc == 0 && to - from < EVENT_SEVERITY_COUNT - 1; i++)
		rc = cmd_args_add(a, "severity", digits[i], d);
	return rc;
}

/* ---- times ---- */

static int add_time(struct cmd_args *a, const char *name, int64_t ns, struct diag *d)
{
	char text[TIMEFMT_BYTES_MAX + 1];
	const char *kept;

	/* All nine digits: what the text names is then one nanosecond, for start and end alike. */
	text[timefmt_put_digits(text, ns, 9)] = 0;
	kept = arena_dup(&a->text, text, sizeof text);
	return kept ? cmd_args_add(a, name, kept, d) : cmd_args_no_memory(d);
}

static int parse_when(const struct cmd_args *a, const char *flag, const char *text,
	struct when *out, struct diag *d)
{
	struct diag why;
	int rc = when_parse(
		span_str(text), a->utc ? WHEN_UTC : WHEN_LOCAL, clock_wall_ns(), out, &why);

	return rc < 0 ? diag_set(d, rc, "", -1, "%s: %s", flag, why.text) : 0;
}

/* The end covers what its text names: `-U 2026-11-20` takes in that day. */
static int add_times(struct cmd_args *a, struct diag *d)
{
	struct when since = { .ns = INT64_MIN }, until = { .ns = INT64_MAX, .unit_ns = 1 };
	const char *from = a->given.since, *to = a->given.until;
	int64_t last;
	int rc = 0;

	if (from)
		rc = parse_when(a, "--since", from, &since, d);
	if (rc == 0 && to)
		rc = parse_when(a, "--until", to, &until, d);
	if (rc < 0)
		return rc;
	if (__builtin_add_overflow(until.ns, until.unit_ns - 1, &last))
		last = INT64_MAX;
	if (since.ns > last)
		return diag_set(d, ERR_RANGE, "", -1, "--since is later than --until");
	if (from)
		rc = add_time(a, "start_date", since.ns, d);
	return rc == 0 && to ? add_time(a, "end_date", last, d) : rc;
}

static int set_zone(struct cmd_args *a, struct diag *d)
{
	struct diag why;

	if (!a->given.tz)
		return 0;
	if (a->utc)
		return diag_set(d, ERR_SYNTAX, "", -1, "give --utc or --tz, not both");
	if (zonetime_set(a->given.tz, &why) < 0)
		return diag_set(d, why.code, "", -1, "--tz: %s", why.text);
	return 0;
}

/* ---- all together ---- */

/* The engine's parser has the last word on every parameter. */
static int check_params(const struct cmd_args *a, struct diag *d)
{
	struct engine_request req;
	struct engine_err err;
	int rc = 0;

	engine_request_init(&req);
	for (size_t i = 0; i < a->params_count && rc == 0; i++)
		rc = engine_param(
			&req, span_str(a->params[i].name), span_str(a->params[i].value), &err);
	if (rc == 0)
		rc = engine_request_check(&req, &err);
	engine_request_fini(&req);
	if (rc == 0)
		return 0;
	return diag_set(
		d, rc, "", -1, "%s: %s%s%s", err.field, err.error, *err.hint ? "; " : "", err.hint);
}

static int wrong(struct diag *d, const char *text)
{
	return diag_set(d, ERR_SYNTAX, "", -1, "%s", text);
}

static int check_follow(const struct cmd_args *a, struct diag *d)
{
	if (a->reverse)
		return wrong(d, "--follow shows what comes, --reverse cannot");
	if (a->oldest)
		return wrong(d, "--follow goes on from the newest, not from +N");
	if (a->given.until)
		return wrong(d, "--follow has no end, --until sets one");
	return 0;
}

static bool is_grouping(const struct cmd_args *a)
{
	return a->by || a->bucket || a->agg || a->histogram || a->top;
}

/* Places are ids: what arrived after one comes in that order, from the oldest on. */
static int check_cursor(const struct cmd_args *a, struct diag *d)
{
	if (a->given.after_cursor && a->cursor_file)
		return wrong(d, "give --after-cursor or --cursor-file, not both");
	if (a->reverse)
		return wrong(d, "a cursor goes on in the order of arrival, --reverse cannot");
	if (a->order && strcmp(a->order, "arrival") != 0)
		return wrong(d, "a cursor goes on in the order of arrival, --order is another");
	if (a->before || a->after)
		return wrong(d, "a cursor goes on in the order of arrival, which has no context");
	return 0;
}

static int check_formats(const struct cmd_args *a, struct diag *d)
{
	if (a->picks.count && a->format_given && !show_format_picks(a->format))
		return wrong(d,
			"--fields is for table, csv, json, json-pretty, logfmt and verbose: choose "
			"one of these with -o");
	if ((is_grouping(a) || a->cmd == CMD_STATS || a->cmd == CMD_TOP || a->cmd == CMD_FIELDS ||
		    a->cmd == CMD_EXPLAIN || a->cmd == CMD_DOCTOR) &&
		a->format_given && a->format != SHOW_TABLE && a->format != SHOW_JSON &&
		a->format != SHOW_JSON_PRETTY && a->format != SHOW_CSV && a->format != SHOW_LOGFMT)
		return wrong(d,
			"numbers are shown as table, json, json-pretty, csv or logfmt: choose one "
			"of these with -o");
	return 0;
}

static int check_together(const struct cmd_args *a, struct diag *d)
{
	int rc = check_formats(a, d);

	if (rc == 0 && a->follow)
		rc = check_follow(a, d);
	if (rc == 0 && a->by_arrival)
		rc = check_cursor(a, d);
	if (rc < 0)
		return rc;
	if (a->dir && a->addr && a->cmd != CMD_DOCTOR)
		return wrong(d,
			"give --addr or --directory, not both: one asks a daemon, one reads itself");
	if (a->cmd == CMD_SEARCH && is_grouping(a) &&
		(a->follow || a->by_arrival || a->show_cursor || a->before || a->after ||
			a->reverse || a->lines_given))
		return wrong(d,
			"--by, --bucket, --agg, --top and --histogram count events; -n, -r, -f, context "
			"and cursors are for showing them");
	if (a->follow && (a->before || a->after))
		return wrong(d, "--follow shows what comes; there is no context yet");
	if (a->same && !a->before && !a->after)
		return wrong(d, "--same and --same-entity are for context: give -A, -B or -C too");
	return 0;
}

/* What was not said. */
static void set_defaults(struct cmd_args *a)
{
	if (a->cmd == CMD_EXPORT) {
		a->by_arrival = a->by_arrival || !a->order || strcmp(a->order, "arrival") == 0;
		a->reverse = a->order && strcmp(a->order, "desc") == 0;
		if (!a->format_given)
			a->format = SHOW_JSON;
		a->format_given = true;
	}
	if (a->by_arrival || a->cmd == CMD_EXPORT)
		a->lines = a->lines_given ? a->lines : CMD_ARGS_ALL;
	else if (!a->lines_given && a->follow)
		a->lines = a->given.since ? CMD_ARGS_ALL : CMD_ARGS_LINES_FOLLOW;
	if (a->picks.count && !a->format_given)
		a->format = SHOW_TABLE;
	if (a->cmd == CMD_SEARCH && is_grouping(a))
		a->cmd = CMD_STATS;
	if (a->dir)
		return;
	if (!a->addr)
		a->addr = getenv("ASTRO_ADDR");
	if (!a->addr || !*a->addr)
		a->addr = CMD_ARGS_ADDR_DEFAULT;
}

/* top and fields have a field first. */
static int take_field(struct cmd_args *a, int *count, char ***words, struct diag *d)
{
	bool there = *count > 0 && !strpbrk((*words)[0], "=<>!~: ");

	if (a->cmd == CMD_TOP && !there)
		return wrong(d, "a field is wanted first: astroquery top event_type");
	if ((a->cmd != CMD_TOP && a->cmd != CMD_FIELDS) || !there)
		return 0;
	if (a->cmd == CMD_TOP)
		a->by = (*words)[0];
	else
		a->field = (*words)[0];
	--*count;
	++*words;
	return 0;
}

static int finish(struct cmd_args *a, int count, char **words, struct diag *d)
{
	int rc;

	a->follow = a->follow || a->cmd == CMD_TAIL;
	a->by_arrival = a->by_arrival || a->cursor_file;
	rc = check_together(a, d);
	if (rc == 0)
		rc = set_zone(a, d);
	if (rc == 0)
		rc = take_field(a, &count, &words, d);
	if (rc == 0)
		rc = cmd_words_read(a, count, words, d);
	if (rc == 0)
		rc = add_priority(a, d);
	if (rc == 0)
		rc = add_times(a, d);
	if (rc == 0)
		rc = check_params(a, d);
	if (rc == 0)
		set_defaults(a);
	return rc;
}

int cmd_args_read(struct cmd_args *a, int argc, char **argv)
{
	struct diag d = { .text = "" };
	int first = 0, status, rc;

	*a = (struct cmd_args){ .lines = CMD_ARGS_LINES_DEFAULT, .colour = "auto", .words = "" };
	arena_init(&a->text, CMD_ARGS_TEXT_BYTES_MAX);
	pick_init(&a->picks);
	a->cmd = cmd_flags_take_command(&argc, argv);
	status = cmd_flags_start(a, argc, argv, &first);
	if (status >= 0)
		return status;
	rc = finish(a, argc - first, argv + first, &d);
	if (rc == 0)
		return -1;
	if (rc != CMD_WORDS_TOLD)
		fprintf(stderr, "astroquery: %s\nSee 'astroquery --help'.\n", d.text);
	return OPT_EXIT_USAGE;
}

void cmd_args_fini(struct cmd_args *a)
{
	pick_fini(&a->picks);
	arena_fini(&a->text);
}
