#include "tools/cmd_args.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"
#include "proto/base/when.h"
#include "proto/svc/opt.h"

enum { TEXT_BYTES_MAX = 4 << 20 };

/* What flags leave behind until all of them are read. */
struct reading {
	struct cmd_args *a;
	const char *since;
	const char *until;
	const char *priority;
	const char *entity_type; /* of the first --entity; "" when it had none */
	const char *search;
};

static int no_memory(struct diag *d)
{
	return diag_set(d, -ENOMEM, "", -1, "the words are too many or too long");
}

static int add(struct cmd_args *a, const char *name, const char *value, struct diag *d)
{
	if (a->params_count == CMD_ARGS_PARAMS_MAX)
		return no_memory(d);
	a->params[a->params_count++] = (struct source_param){ name, value };
	return 0;
}

static bool has(const struct cmd_args *a, const char *name)
{
	for (size_t i = 0; i < a->params_count; i++) {
		if (strcmp(a->params[i].name, name) == 0)
			return true;
	}
	return false;
}

/* ---- single flags ---- */

static int flag_type(void *to, const char *value, struct diag *d)
{
	return add(((struct reading *)to)->a, "event_type", value, d);
}

static int flag_user(void *to, const char *value, struct diag *d)
{
	return add(((struct reading *)to)->a, "user_id", value, d);
}

/* TYPE/ID, TYPE/ or ID. Pairs of different types would be mixed up: they are refused. */
static int flag_entity(void *to, const char *value, struct diag *d)
{
	struct reading *r = to;
	const char *slash = strchr(value, '/'), *id = slash ? slash + 1 : value;
	char *type = arena_dup(&r->a->text, value, slash ? (size_t)(slash - value) + 1 : 1);
	int rc = 0;

	if (!type)
		return no_memory(d);
	type[slash ? slash - value : 0] = 0;
	if (!*value || strcmp(value, "/") == 0)
		return diag_set(d, ERR_SYNTAX, "", -1, "write TYPE/ID, TYPE/ or ID");
	if (r->entity_type && strcmp(r->entity_type, type) != 0)
		return diag_set(d, ERR_SYNTAX, "", -1,
			"entities of two types cannot be asked for at once: "
			"run it once for %.64s and once for %.64s",
			*r->entity_type ? r->entity_type : "the first", *type ? type : value);
	if (!r->entity_type && *type)
		rc = add(r->a, "entity_type", type, d);
	r->entity_type = type;
	return rc == 0 && *id ? add(r->a, "entity_id", id, d) : rc;
}

static int flag_search(void *to, const char *value, struct diag *d)
{
	struct reading *r = to;

	if (r->search)
		return diag_set(d, ERR_SYNTAX, "", -1, "one text at a time can be searched for");
	if (!*value)
		return diag_set(d, ERR_SYNTAX, "", -1, "a text to search for is wanted");
	r->search = value;
	return 0;
}

static int flag_lines(void *to, const char *value, struct diag *d)
{
	struct cmd_args *a = ((struct reading *)to)->a;
	int64_t n = 0;

	a->lines_given = true;
	a->oldest = *value == '+';
	if (strcmp(value, "all") == 0) {
		a->lines = CMD_ARGS_ALL;
		return 0;
	}
	if (!isdigit((unsigned char)value[a->oldest]) || conf_value_int(value + a->oldest, &n) < 0)
		return diag_set(d, ERR_SYNTAX, "", -1,
			"'%.64s' is not allowed: write a number, +NUMBER for the oldest, or all",
			value);
	a->lines = (uint64_t)n;
	return 0;
}

static int flag_format(void *to, const char *value, struct diag *d)
{
	int format = show_format_find(value);

	if (format < 0)
		return diag_set(d, ERR_UNKNOWN, "", -1, "'%.64s' is not one of %s", value,
			show_format_names());
	((struct reading *)to)->a->format = (enum show_format)format;
	return 0;
}

static int flag_colour(void *to, const char *value, struct diag *d)
{
	if (strcmp(value, "auto") != 0 && strcmp(value, "always") != 0 &&
		strcmp(value, "never") != 0)
		return diag_set(
			d, ERR_UNKNOWN, "", -1, "'%.64s' is not one of auto, always, never", value);
	((struct reading *)to)->a->colour = value;
	return 0;
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
static int add_priority(struct reading *r, struct diag *d)
{
	static const char *const digits[] = { "0", "1", "2", "3", "4", "5", "6", "7" };
	const char *dots;
	int from = 0, to, rc = 0;

	if (!r->priority)
		return 0;
	if (has(r->a, "severity"))
		return diag_set(d, ERR_SYNTAX, "", -1, "give --priority or severity=, not both");
	dots = strstr(r->priority, "..");
	if (dots) {
		from = severity_of(span_of(r->priority, (size_t)(dots - r->priority)), d);
		if (from < 0)
			return from;
	}
	to = severity_of(span_str(dots ? dots + 2 : r->priority), d);
	if (to < 0)
		return to;
	if (from > to) {
		int swap = from;

		from = to;
		to = swap;
	}
	for (int i = from; i <= to && rc == 0 && to - from < EVENT_SEVERITY_COUNT - 1; i++)
		rc = add(r->a, "severity", digits[i], d);
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
	return kept ? add(a, name, kept, d) : no_memory(d);
}

static int parse_when(const struct reading *r, const char *flag, const char *text, struct when *out,
	struct diag *d)
{
	struct diag why;
	int rc = when_parse(
		span_str(text), r->a->utc ? WHEN_UTC : WHEN_LOCAL, clock_wall_ns(), out, &why);

	return rc < 0 ? diag_set(d, rc, "", -1, "%s: %s", flag, why.text) : 0;
}

/* The end covers what its text names: `-U 2026-11-20` takes in that day. */
static int add_times(struct reading *r, struct diag *d)
{
	struct when since = { .ns = INT64_MIN }, until = { .ns = INT64_MAX, .unit_ns = 1 };
	int64_t last;
	int rc = 0;

	if (r->since)
		rc = parse_when(r, "--since", r->since, &since, d);
	if (rc == 0 && r->until)
		rc = parse_when(r, "--until", r->until, &until, d);
	if (rc < 0)
		return rc;
	if (__builtin_add_overflow(until.ns, until.unit_ns - 1, &last))
		last = INT64_MAX;
	if (since.ns > last)
		return diag_set(d, ERR_RANGE, "", -1, "--since is later than --until");
	if (r->since)
		rc = add_time(r->a, "start_date", since.ns, d);
	return rc == 0 && r->until ? add_time(r->a, "end_date", last, d) : rc;
}

/* ---- operands ---- */

static const struct {
	const char *word;
	const char *name;
} aliases[] = {
	{ "type", "event_type" },
	{ "user", "user_id" },
	{ "level", "severity" },
};

/* The API's name for a filter, or NULL. */
static const char *filter_name(struct span word)
{
	static const char *const others[] = { "severity", "id", "timestamp", "received" };
	int field = event_text_find(word);

	if (field >= 0)
		return event_text_name((enum event_text)field);
	for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
		if (span_eq(word, span_str(others[i])))
			return others[i];
	}
	for (size_t i = 0; i < ARRAY_COUNT(aliases); i++) {
		if (span_eq(word, span_str(aliases[i].word)))
			return aliases[i].name;
	}
	return NULL;
}

static int unknown_field(const char *word, size_t n, struct diag *d)
{
	const char *known[EVENT_TEXT_COUNT + 4] = { "severity", "id", "timestamp", "received" };
	const char *near;
	char name[64];

	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		known[4 + i] = event_text_name((enum event_text)i);
	snprintf(name, sizeof name, "%.*s", (int)n, word);
	near = conf_closest(name, known, ARRAY_COUNT(known));
	return diag_set(d, ERR_UNKNOWN, "", -1,
		"'%s' is no field that can be asked for%s%s%s; to search for the text: -g '%.64s'",
		name, near ? ", did you mean " : "", near ? near : "", near ? "?" : "", word);
}

/* FIELD=VALUE, or a word of the text to search for (1). */
static int read_operand(struct reading *r, const char *word, struct diag *d)
{
	size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");
	const char *name;

	if (n && strchr("!<>~", word[n]) && word[n] && word[n + 1] == '=')
		return diag_set(d, ERR_SYNTAX, "", -1,
			"'%.64s': only FIELD=VALUE is understood; to search for the text: -g",
			word);
	if (n == 0 || word[n] != '=')
		return 1;
	if (n == 6 && strncmp(word, "entity", 6) == 0)
		return flag_entity(r, word + n + 1, d);
	name = filter_name(span_of(word, n));
	return name ? add(r->a, name, word + n + 1, d) : unknown_field(word, n, d);
}

/* The bare words make one text, with a space between. */
static int read_operands(struct reading *r, int count, char **words, struct diag *d)
{
	struct buf text;
	int rc = 0;

	buf_init(&text, TEXT_BYTES_MAX);
	for (int i = 0; i < count && rc == 0; i++) {
		rc = read_operand(r, words[i], d);
		if (rc != 1)
			continue;
		if (text.len)
			buf_put_u8(&text, ' ');
		buf_put_str(&text, words[i]);
		rc = 0;
	}
	if (rc == 0 && text.len) {
		char *kept;

		buf_put_u8(&text, 0);
		kept = text.err ? NULL : arena_dup(&r->a->text, text.p, text.len);
		rc = kept ? flag_search(r, kept, d) : no_memory(d);
	}
	buf_fini(&text);
	return rc;
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

static int check_together(const struct reading *r, struct diag *d)
{
	const struct cmd_args *a = r->a;

	if (a->dir && a->addr)
		return diag_set(d, ERR_SYNTAX, "", -1,
			"give --addr or --directory, not both: one asks a daemon, one reads itself");
	if (!a->follow)
		return 0;
	if (a->reverse)
		return diag_set(
			d, ERR_SYNTAX, "", -1, "--follow shows what comes, --reverse cannot");
	if (a->oldest)
		return diag_set(
			d, ERR_SYNTAX, "", -1, "--follow goes on from the newest, not from +N");
	if (r->until)
		return diag_set(d, ERR_SYNTAX, "", -1, "--follow has no end, --until sets one");
	return 0;
}

static int finish(struct reading *r, int count, char **words, struct diag *d)
{
	struct cmd_args *a = r->a;
	int rc = check_together(r, d);

	if (rc == 0)
		rc = read_operands(r, count, words, d);
	if (rc == 0)
		rc = add_priority(r, d);
	if (rc == 0)
		rc = add_times(r, d);
	if (rc == 0 && r->search)
		rc = add(a, "search", r->search, d);
	if (rc == 0)
		rc = check_params(a, d);
	if (rc < 0)
		return rc;
	if (!a->lines_given && a->follow)
		a->lines = r->since ? CMD_ARGS_ALL : CMD_ARGS_LINES_FOLLOW;
	if (!a->addr)
		a->addr = getenv("ASTRO_ADDR");
	if (!a->addr || !*a->addr)
		a->addr = CMD_ARGS_ADDR_DEFAULT;
	return 0;
}

static const char more[] =
	"Fields: event_type, severity, entity_type, entity_id, user_id, description, ip_address,\n"
	"user_agent, service, host, id, timestamp, received. A field given again: any of its values.\n"
	"Other words are searched for in the description.\n\n"
	"Examples:\n"
	"  astroquery -n 20\n"
	"  astroquery event_type=ERROR --since -1h\n"
	"  astroquery --entity order/ORD-1042 -o verbose\n"
	"  astroquery -p warning -S today card declined\n"
	"  astroquery -f event_type=PAYMENT event_type=AUTH\n\n"
	"Exit status: 0 events were found, 1 none, 2 wrong usage, 3 no answer, 4 not a whole one.\n";

int cmd_args_read(struct cmd_args *a, int argc, char **argv)
{
	struct reading r = { .a = a };
	const struct opt opts[] = {
		{ "type", 't', "TYPE", "events of this type; again: any of them", OPT_CALL,
			.to = &r, .call = flag_type },
		{ "user", 'u', "USER", "events of this user", OPT_CALL, .to = &r,
			.call = flag_user },
		{ "entity", 'e', "TYPE/ID", "events about this entity; TYPE/ or ID alone will do",
			OPT_CALL, .to = &r, .call = flag_entity },
		{ "priority", 'p', "SEVERITY", "of this severity or worse; FROM..TO is a range",
			OPT_TEXT, .to = &r.priority },
		{ "grep", 'g', "TEXT", "with this text in the description, in any case", OPT_CALL,
			.to = &r, .call = flag_search },
		{ "since", 'S', "WHEN",
			"from this time on: -1h, today, yesterday, '2026-11-20 14:00', @SECONDS",
			OPT_TEXT, .to = &r.since },
		{ "until", 'U', "WHEN", "up to this time; a date means to its end", OPT_TEXT,
			.to = &r.until },
		{ "lines", 'n', "N", "the newest N events (100); +N: the oldest; all: every one",
			OPT_CALL, .to = &r, .call = flag_lines },
		{ "reverse", 'r', NULL, "newest first", OPT_FLAG, .to = &a->reverse },
		{ "follow", 'f', NULL, "show the newest 10, then new events as they come", OPT_FLAG,
			.to = &a->follow },
		{ "output", 'o', "FORMAT", "short, json, csv, verbose, cat (description) or id",
			OPT_CALL, .to = &r, .call = flag_format },
		{ "utc", 0, NULL, "times in UTC, given and shown", OPT_FLAG, .to = &a->utc },
		{ "addr", 'a', "URL",
			"astroqueryd's address (ASTRO_ADDR, else " CMD_ARGS_ADDR_DEFAULT ")",
			OPT_TEXT, .to = &a->addr },
		{ "directory", 'D', "DIR", "read this data directory; no daemon is needed",
			OPT_TEXT, .to = &a->dir },
		{ "color", 0, "WHEN", "auto (on a terminal without NO_COLOR), always or never",
			OPT_CALL, .to = &r, .call = flag_colour },
		{ "no-pager", 0, NULL, "no pager on a terminal", OPT_FLAG, .to = &a->no_pager },
		{ "quiet", 'q', NULL, "no remarks on stderr, errors only", OPT_FLAG,
			.to = &a->quiet },
	};
	const struct opt_program program = {
		.name = "astroquery",
		.operands = "[FIELD=VALUE]... [WORD]...",
		.about = "Shows events, the newest ones in the order of time, or follows new ones.",
		.more = more,
		.opts = opts,
		.opts_count = ARRAY_COUNT(opts),
	};
	struct diag d = { .text = "" };
	int first = 0, status;

	*a = (struct cmd_args){ .lines = CMD_ARGS_LINES_DEFAULT, .colour = "auto" };
	arena_init(&a->text, TEXT_BYTES_MAX);
	status = opt_start(&program, argc, argv, &first);
	if (status >= 0)
		return status;
	if (finish(&r, argc - first, argv + first, &d) == 0)
		return -1;
	fprintf(stderr, "astroquery: %s\nSee 'astroquery --help'.\n", d.text);
	return OPT_EXIT_USAGE;
}

void cmd_args_fini(struct cmd_args *a)
{
	arena_fini(&a->text);
}
