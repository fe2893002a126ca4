#include "tools/cmd_help.h"

#include "proto/base/check.h"

#define LANGUAGE                                                                                         \
	"EXPRESSION: severity>=error and metadata.amount>100 or not service=shop. Comparisons are\n"     \
	"= != < <= > >= and : (contains), =~ (regular expression), in (a, b), =* (is there); and, or,\n" \
	"not, parentheses; other words: text of the description. FIELD=VALUE as an argument of its\n"    \
	"own takes the value as it stands; given again it means any of its values.\n"

#define FIELD_NAMES                                                                                 \
	"Fields: event_type, severity, entity_type, entity_id, user_id, description, ip_address,\n" \
	"user_agent, service, host, id, timestamp, received, metadata.NAME.\n"

#define STATUS \
	"Exit status: 0 events were found, 1 none, 2 wrong usage, 3 no answer, 4 not a whole one.\n"

static const struct cmd_help helps[CMD_COUNT] = {
	[CMD_SEARCH] = {
		"astroquery", "[COMMAND] [FIELD=VALUE]... [EXPRESSION]",
		"Shows events, the newest ones in the order of time, follows new ones, counts them.",
		"Commands, each with its own --help:\n"
		"  search    shows events (when no command is named)\n"
		"  tail      follows new events\n"
		"  stats     what is in the store; counts and sums by fields and by time\n"
		"  top       the most frequent values of a field\n"
		"  fields    the fields there are, the values of one\n"
		"  export    all that match, for other programs\n"
		"  explain   how a question is understood, and what it costs\n"
		"  doctor    is everything well, and what to do if not\n\n"
		LANGUAGE FIELD_NAMES "\n"
		"Examples:\n"
		"  astroquery -n 20\n"
		"  astroquery event_type=ERROR --since -1h\n"
		"  astroquery --entity order/ORD-1042 -o verbose\n"
		"  astroquery 'severity>=warning and (card or metadata.amount>100)' -S today\n"
		"  astroquery -g 'card declined' -C 3 --same-entity\n"
		"  astroquery -f event_type=PAYMENT event_type=AUTH\n"
		"  astroquery -p error --by service,event_type --top 10\n\n"
		STATUS,
	},
	[CMD_TAIL] = {
		"astroquery tail", "[FIELD=VALUE]... [EXPRESSION]",
		"Shows the newest events, then new ones as they come, until interrupted.",
		LANGUAGE "\n"
		"Examples:\n"
		"  astroquery tail\n"
		"  astroquery tail -p warning service=shop\n"
		"  astroquery tail -n 0 -o json 'metadata.amount>1000'\n",
	},
	[CMD_STATS] = {
		"astroquery stats", "[FIELD=VALUE]... [EXPRESSION]",
		"Shows what is in the store, or counts and sums events by fields and by time.",
		"Without --by, --bucket, --agg and --histogram: an overview.\n\n"
		LANGUAGE "\n"
		"Examples:\n"
		"  astroquery stats\n"
		"  astroquery stats --by service,severity --since today\n"
		"  astroquery stats --histogram -S -24h event_type=ERROR\n"
		"  astroquery stats --bucket 1h --agg 'count,sum(metadata.amount)' event_type=PAYMENT\n"
		"  astroquery stats --by service --agg 'p95(metadata.duration_ms)' -o csv\n\n"
		STATUS,
	},
	[CMD_TOP] = {
		"astroquery top", "FIELD[,FIELD]... [FIELD=VALUE]... [EXPRESSION]",
		"Shows the most frequent values of a field, or of several together.",
		"Examples:\n"
		"  astroquery top event_type\n"
		"  astroquery top user_id --top 5 event_type=AUTH metadata.result=failed\n"
		"  astroquery top service --agg 'sum(metadata.amount)' -S today\n\n"
		STATUS,
	},
	[CMD_FIELDS] = {
		"astroquery fields", "[FIELD] [FIELD=VALUE]... [EXPRESSION]",
		"Shows which fields events have, or which values one of them has.",
		"Examples:\n"
		"  astroquery fields\n"
		"  astroquery fields event_type\n"
		"  astroquery fields metadata.code event_type=ERROR\n\n"
		STATUS,
	},
	[CMD_EXPORT] = {
		"astroquery export", "[FIELD=VALUE]... [EXPRESSION]",
		"Writes all events that match, however many, in the order of arrival.",
		"Formats: json (one object a line, the default), csv, logfmt, and all others of search.\n"
		"With --cursor-file only what the run before has not written.\n\n"
		LANGUAGE "\n"
		"Examples:\n"
		"  astroquery export -S yesterday -U yesterday > day.ndjson\n"
		"  astroquery export -o csv --fields timestamp,user_id,metadata.amount event_type=PAYMENT\n"
		"  astroquery export --cursor-file /var/lib/ship/astrolabe >> events.ndjson\n\n"
		STATUS,
	},
	[CMD_EXPLAIN] = {
		"astroquery explain", "[FIELD=VALUE]... [EXPRESSION]",
		"Shows how a question is understood, and what of the store it reads.",
		LANGUAGE "\n"
		"Examples:\n"
		"  astroquery explain 'severity>=error and not service=shop'\n"
		"  astroquery explain --entity order/ORD-1042 -S today\n",
	},
	[CMD_DOCTOR] = {
		"astroquery doctor", "",
		"Checks the daemons and the store, and says what to do where something is wrong.",
		"Each line is ok, warn or fail. Without -D it asks the daemon; with it, it looks at the\n"
		"directory itself, and at the daemon if --addr is given too.\n\n"
		"Exit status: 0 all is well, 1 there are warnings, 4 something has failed.\n",
	},
};

const struct cmd_help *cmd_help(enum cmd cmd)
{
	ASSERT(cmd < CMD_COUNT);
	return &helps[cmd];
}
