#include "tools/cmd_flags.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/svc/conf_value.h"
#include "tools/cmd_help.h"
#include "tools/cursor_file.h"

/* ---- single flags ---- */

static int flag_type(void *to, const char *value, struct diag *d)
{
	return cmd_args_add(to, "event_type", value, d);
}

static int flag_user(void *to, const char *value, struct diag *d)
{
	return cmd_args_add(to, "user_id", value, d);
}

static int flag_id(void *to, const char *value, struct diag *d)
{
	return cmd_args_add(to, "id", value, d);
}

/* Pairs of different types would be mixed up: they are refused. */
int cmd_flags_entity(struct cmd_args *a, const char *value, struct diag *d)
{
	const char *slash = strchr(value, '/'), *id = slash ? slash + 1 : value;
	char *type = arena_dup(&a->text, value, slash ? (size_t)(slash - value) + 1 : 1);
	const char *before = a->given.entity_type;
	int rc = 0;

	if (!type)
		return cmd_args_no_memory(d);
	type[slash ? slash - value : 0] = 0;
	if (!*value || strcmp(value, "/") == 0)
		return diag_set(d, ERR_SYNTAX, "", -1, "write TYPE/ID, TYPE/ or ID");
	if (before && strcmp(before, type) != 0)
		return diag_set(d, ERR_SYNTAX, "", -1,
			"entities of two types cannot be asked for at once: "
			"run it once for %.64s and once for %.64s",
			*before ? before : "the first", *type ? type : value);
	if (!before && *type)
		rc = cmd_args_add(a, "entity_type", type, d);
	a->given.entity_type = type;
	return rc == 0 && *id ? cmd_args_add(a, "entity_id", id, d) : rc;
}

static int flag_entity(void *to, const char *value, struct diag *d)
{
	return cmd_flags_entity(to, value, d);
}

static int add_text(struct cmd_args *a, const char *value, bool regex, struct diag *d)
{
	struct cmd_args_given *g = &a->given;

	if (!*value)
		return diag_set(d, ERR_SYNTAX, "", -1, "a text to search for is wanted");
	if (g->texts_count == CMD_ARGS_TEXTS_MAX)
		return diag_set(d, ERR_LIMIT, "", -1, "more than %d texts", CMD_ARGS_TEXTS_MAX);
	g->texts[g->texts_count++] = (struct cmd_args_text){ value, regex };
	return 0;
}

static int flag_grep(void *to, const char *value, struct diag *d)
{
	return add_text(to, value, false, d);
}

static int flag_regex(void *to, const char *value, struct diag *d)
{
	return add_text(to, value, true, d);
}

static int flag_lines(void *to, const char *value, struct diag *d)
{
	struct cmd_args *a = to;
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

static int flag_context(void *to, const char *value, struct diag *d)
{
	struct cmd_args *a = to;
	int64_t n = 0;

	if (!isdigit((unsigned char)*value) || conf_value_int(value, &n) < 0 ||
		n > CMD_ARGS_CONTEXT_MAX)
		return diag_set(d, ERR_SYNTAX, "", -1,
			"'%.64s' is not allowed: write a number up to %d", value,
			CMD_ARGS_CONTEXT_MAX);
	a->before = a->after = n;
	return 0;
}

static int flag_same_entity(void *to, const char *value, struct diag *d)
{
	(void)value;
	(void)d;
	((struct cmd_args *)to)->same = "entity";
	return 0;
}

static int flag_format(void *to, const char *value, struct diag *d)
{
	struct cmd_args *a = to;
	int format = show_format_find(value);

	if (format < 0)
		return diag_set(d, ERR_UNKNOWN, "", -1, "'%.64s' is not one of %s", value,
			show_format_names());
	a->format = (enum show_format)format;
	a->format_given = true;
	return 0;
}

static int flag_fields(void *to, const char *value, struct diag *d)
{
	return pick_read(&((struct cmd_args *)to)->picks, value, d);
}

static int flag_order(void *to, const char *value, struct diag *d)
{
	if (strcmp(value, "arrival") != 0 && strcmp(value, "asc") != 0 &&
		strcmp(value, "desc") != 0)
		return diag_set(
			d, ERR_UNKNOWN, "", -1, "'%.64s' is not one of arrival, asc, desc", value);
	((struct cmd_args *)to)->order = value;
	return 0;
}

static int flag_colour(void *to, const char *value, struct diag *d)
{
	if (strcmp(value, "auto") != 0 && strcmp(value, "always") != 0 &&
		strcmp(value, "never") != 0)
		return diag_set(
			d, ERR_UNKNOWN, "", -1, "'%.64s' is not one of auto, always, never", value);
	((struct cmd_args *)to)->colour = value;
	return 0;
}

static int flag_after_cursor(void *to, const char *value, struct diag *d)
{
	struct cmd_args *a = to;

	a->by_arrival = true;
	a->given.after_cursor = value;
	return cursor_file_parse(span_str(value), &a->after_id, d);
}

/* ---- the table ---- */

enum {
	SEARCH = 1 << CMD_SEARCH,
	TAIL = 1 << CMD_TAIL,
	STATS = 1 << CMD_STATS,
	TOP = 1 << CMD_TOP,
	FIELDS = 1 << CMD_FIELDS,
	EXPORT = 1 << CMD_EXPORT,
	EXPLAIN = 1 << CMD_EXPLAIN,
	DOCTOR = 1 << CMD_DOCTOR,
	ALL = (1 << CMD_COUNT) - 1,
	FILTER = ALL & ~DOCTOR,
	EVENTS = SEARCH | TAIL | EXPORT,
};

struct row {
	const char *name;
	char letter;
	const char *arg;
	const char *help;
	enum opt_kind kind;
	size_t to; /* in struct cmd_args */
	int (*call)(void *to, const char *value, struct diag *d);
	int64_t max; /* OPT_INT, from 0 */
	unsigned cmds;
};

#define TO(member) offsetof(struct cmd_args, member)

static const struct row rows[] = {
	{ "type", 't', "TYPE", "events of this type; again: any of them", OPT_CALL, 0, flag_type, 0,
		FILTER },
	{ "user", 'u', "USER", "events of this user", OPT_CALL, 0, flag_user, 0, FILTER },
	{ "entity", 'e', "TYPE/ID", "events about this entity; TYPE/ or ID alone will do", OPT_CALL,
		0, flag_entity, 0, FILTER },
	{ "id", 'i', "ID", "the event of this id", OPT_CALL, 0, flag_id, 0, FILTER },
	{ "priority", 'p', "SEVERITY", "of this severity or worse; FROM..TO is a range", OPT_TEXT,
		TO(given.priority), NULL, 0, FILTER },
	{ "grep", 'g', "TEXT", "with this text in the description, in any case", OPT_CALL, 0,
		flag_grep, 0, FILTER },
	{ "regex", 'E', "PATTERN",
		"with a description that this regular expression matches somewhere; in any case if "
		"it has no capital letter",
		OPT_CALL, 0, flag_regex, 0, FILTER },
	{ "since", 'S', "WHEN",
		"from this time on: -1h, today, yesterday, '2026-11-20 14:00', @SECONDS", OPT_TEXT,
		TO(given.since), NULL, 0, FILTER },
	{ "until", 'U', "WHEN", "up to this time; a date means to its end", OPT_TEXT,
		TO(given.until), NULL, 0, FILTER },

	{ "lines", 'n', "N", "the newest N events (100); +N: the oldest; all: every one", OPT_CALL,
		0, flag_lines, 0, SEARCH | TAIL },
	{ "reverse", 'r', NULL, "newest first", OPT_FLAG, TO(reverse), NULL, 0, SEARCH },
	{ "follow", 'f', NULL, "show the newest 10, then new events as they come", OPT_FLAG,
		TO(follow), NULL, 0, SEARCH },
	{ "before", 'B', "N", "N events before each, in the order of time", OPT_INT, TO(before),
		NULL, CMD_ARGS_CONTEXT_MAX, SEARCH },
	{ "after", 'A', "N", "N events after each", OPT_INT, TO(after), NULL, CMD_ARGS_CONTEXT_MAX,
		SEARCH },
	{ "context", 'C', "N", "N events before and after each", OPT_CALL, 0, flag_context, 0,
		SEARCH },
	{ "same-entity", 0, NULL, "as context only events about the same entity", OPT_CALL, 0,
		flag_same_entity, 0, SEARCH },
	{ "same", 0, "FIELDS",
		"as context only events that share these fields, with commas: user_id,host",
		OPT_TEXT, TO(same), NULL, 0, SEARCH },
	{ "by", 'b', "FIELDS", "count by these fields (up to three), with commas", OPT_TEXT, TO(by),
		NULL, 0, SEARCH | STATS },
	{ "bucket", 0, "WIDTH", "count by time: auto, 5m, 1h, 1d ...", OPT_TEXT, TO(bucket), NULL,
		0, SEARCH | STATS },
	{ "agg", 0, "CALLS",
		"what is calculated, with commas: count, distinct(F), sum(F), min(F), max(F), avg(F), "
		"p95(F), quantile(F,0.99)",
		OPT_TEXT, TO(agg), NULL, 0, SEARCH | STATS | TOP },
	{ "top", 0, "N", "so many groups or values", OPT_INT, TO(top), NULL, LIMIT_QUERY_GROUPS,
		SEARCH | STATS | TOP | FIELDS },
	{ "histogram", 0, NULL, "events over time as bars", OPT_FLAG, TO(histogram), NULL, 0,
		SEARCH | STATS },
	{ "order", 0, "ORDER", "arrival (default), asc or desc by time", OPT_CALL, 0, flag_order, 0,
		EXPORT },
	{ "complete", 0, NULL, "names alone, for the completion of a shell", OPT_FLAG, TO(complete),
		NULL, 0, FIELDS },

	{ "output", 'o', "FORMAT",
		"short, short-iso, verbose, cat (description), json, json-pretty, csv, logfmt, "
		"table or id",
		OPT_CALL, 0, flag_format, 0, ALL },
	{ "fields", 0, "LIST",
		"these fields alone, with commas: id,severity,metadata.code; for table, csv, json, "
		"logfmt and verbose",
		OPT_CALL, 0, flag_fields, 0, EVENTS },
	{ "after-cursor", 0, "CURSOR", "what arrived after this place, in the order of arrival",
		OPT_CALL, 0, flag_after_cursor, 0, EVENTS },
	{ "show-cursor", 0, NULL, "print at the end where --after-cursor goes on", OPT_FLAG,
		TO(show_cursor), NULL, 0, EVENTS },
	{ "cursor-file", 0, "FILE",
		"go on where the run before ended, which FILE says; nothing is missed", OPT_TEXT,
		TO(cursor_file), NULL, 0, EVENTS },
	{ "utc", 0, NULL, "times in UTC, given and shown", OPT_FLAG, TO(utc), NULL, 0, ALL },
	{ "tz", 0, "ZONE", "times of this zone, given and shown: Europe/Berlin", OPT_TEXT,
		TO(given.tz), NULL, 0, ALL },
	{ "addr", 'a', "URL", "astroqueryd's address (ASTRO_ADDR, else " CMD_ARGS_ADDR_DEFAULT ")",
		OPT_TEXT, TO(addr), NULL, 0, ALL },
	{ "directory", 'D', "DIR", "read this data directory; no daemon is needed", OPT_TEXT,
		TO(dir), NULL, 0, ALL },
	{ "collector", 0, "URL",
		"astrocollectd's HTTP door ([collector] http, by default 127.0.0.1:24280)",
		OPT_TEXT, TO(collector), NULL, 0, DOCTOR },
	{ "color", 0, "WHEN", "auto (on a terminal without NO_COLOR), always or never", OPT_CALL, 0,
		flag_colour, 0, ALL },
	{ "no-pager", 0, NULL, "no pager on a terminal", OPT_FLAG, TO(no_pager), NULL, 0, ALL },
	{ "quiet", 'q', NULL, "no remarks on stderr, errors only", OPT_FLAG, TO(quiet), NULL, 0,
		ALL },
};

static_assert(ARRAY_COUNT(rows) <= CMD_FLAGS_MAX, "the flags fit their table");

/* ---- which command ---- */

static bool long_takes_value(const char *arg)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		/* With an equals sign the value is in the argument itself. */
		if (strcmp(rows[i].name, arg + 2) == 0)
			return rows[i].arg != NULL;
	}
	return false;
}

/* Whether the value of the last letter is the next argument. */
static bool letters_take_value(const char *arg)
{
	for (const char *p = arg + 1; *p; p++) {
		for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
			if (rows[i].letter == *p && rows[i].arg)
				return p[1] == 0;
		}
	}
	return false;
}

static int find_command(const char *word)
{
	for (int cmd = 0; cmd < CMD_COUNT; cmd++) {
		if (strcmp(word, cmd_args_name((enum cmd)cmd)) == 0)
			return cmd;
	}
	return -1;
}

enum cmd cmd_flags_take_command(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++) {
		const char *arg = argv[i];
		int cmd;

		if (strcmp(arg, "--") == 0)
			break;
		if (arg[0] == '-' && arg[1]) {
			i += arg[1] == '-' ? long_takes_value(arg) : letters_take_value(arg);
			continue;
		}
		cmd = find_command(arg);
		if (cmd < 0)
			break;
		memmove(argv + i, argv + i + 1, (size_t)(*argc - i - 1) * sizeof *argv);
		--*argc;
		return (enum cmd)cmd;
	}
	return CMD_SEARCH;
}

int cmd_flags_start(struct cmd_args *a, int argc, char **argv, int *out_first)
{
	const struct cmd_help *help = cmd_help(a->cmd);
	struct opt opts[CMD_FLAGS_MAX];
	struct opt_program program = {
		.name = help->name,
		.operands = help->operands,
		.about = help->about,
		.more = help->more,
		.opts = opts,
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		const struct row *r = &rows[i];

		if (!(r->cmds & (1u << a->cmd)))
			continue;
		opts[program.opts_count++] = (struct opt){
			.name = r->name,
			.letter = r->letter,
			.arg = r->arg,
			.help = r->help,
			.kind = r->kind,
			.to = (char *)a + r->to,
			.call = r->call,
			.max = r->max,
		};
	}
	return opt_start(&program, argc, argv, out_first);
}
