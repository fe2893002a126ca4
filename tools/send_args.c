#include "tools/send_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/base/timefmt.h"
#include "proto/base/when.h"
#include "proto/client/client_dgram.h"
#include "proto/client/client_frame.h"
#include "proto/svc/opt.h"
#include "proto/wire/event.h"
#include "proto/wire/json_in.h"
#include "proto/wire/pack.h"

enum {
	BATCH_DEFAULT = 1000,
	WINDOW_DEFAULT = 8,
	TIMEOUT_DEFAULT_S = 60,
	DATAGRAM_DEFAULT_BYTES = 1400,
};

static const char more[] =
	"One event:\n"
	"  astrosend -t AUTH -u anna --entity session/SES-1 -m \"signed in\" method=password tries:=2\n"
	"Files:\n"
	"  astrosend --ndjson events.ndjson\n"
	"  xz -dc events.ndjson.xz | astrosend --to udp://127.0.0.1:24224 --rate 50000 --ndjson\n"
	"  tail -F app.log | astrosend --lines --service app --batch 1\n"
	"\n"
	"Exit status: 0 all sent (over TCP: and acked), 1 some input was bad and skipped, 2 usage,\n"
	"3 the collector could not be reached or did not ack in time, 4 input could not be read.\n";

/* ---- flags ---- */

static int usage(const char *what, const char *value)
{
	fprintf(stderr, "astrosend: %s%s\n", what, value);
	fprintf(stderr, "astrosend: --help tells how to use it\n");
	return OPT_EXIT_USAGE;
}

/* What the flags say together. -1 if it makes sense, else the exit status. */
static int check(const struct send_args *a)
{
	int modes = a->ndjson + a->lines + a->msgpack;
	bool fields = a->type || a->severity || a->entity || a->user || a->message || a->service ||
		      a->host_field || a->ip || a->user_agent || a->time;

	if (modes > 1)
		return usage("--ndjson, --lines and --msgpack exclude one another", "");
	if ((a->ndjson || a->msgpack) && fields)
		return usage("events of a file bring their own fields; flags name those of one "
			     "event or of --lines",
			"");
	if (a->lines && a->message)
		return usage("with --lines every line is a message; leave out -m", "");
	if (modes == 0 && !fields && a->operands_count == 0)
		return usage("nothing to send: name fields, or --ndjson or --lines with files", "");
	if (strlen(a->tag) > LIMIT_TAG_BYTES)
		return usage("the tag is longer than 1024 bytes", "");
	if (a->run_id && (!*a->run_id || strlen(a->run_id) >= CLIENT_RUN_BYTES))
		return usage("--run-id takes 1 to 63 bytes, not ", a->run_id);
	return -1;
}

static void defaults(struct send_args *a)
{
	const char *to = getenv("ASTRO_TO");

	*a = (struct send_args){
		.to = to && *to ? to : CLIENT_TO_DEFAULT,
		.tag = "astrosend",
		.batch = BATCH_DEFAULT,
		.window = WINDOW_DEFAULT,
		.timeout_s = TIMEOUT_DEFAULT_S,
		.datagram_bytes = DATAGRAM_DEFAULT_BYTES,
	};
}

int send_args_read(struct send_args *a, int argc, char **argv)
{
	const struct opt opts[] = {
		{ "to", 0, "DEST", "tcp://HOST:PORT, udp://HOST:PORT or unix:PATH (ASTRO_TO)",
			OPT_TEXT, .to = &a->to },
		{ "ndjson", 0, NULL, "send files of JSON objects, one a line", OPT_FLAG,
			.to = &a->ndjson },
		{ "lines", 0, NULL, "send files of text, each line a message", OPT_FLAG,
			.to = &a->lines },
		{ "msgpack", 0, NULL, "send files of msgpack maps, one after another", OPT_FLAG,
			.to = &a->msgpack },
		{ "type", 't', "TYPE", "event type", OPT_TEXT, .to = &a->type },
		{ "severity", 's', "WORD", "emergency ... debug, or 0 to 7", OPT_TEXT,
			.to = &a->severity },
		{ "entity", 'e', "TYPE/ID", "what it is about", OPT_TEXT, .to = &a->entity },
		{ "user", 'u', "ID", "who did it", OPT_TEXT, .to = &a->user },
		{ "message", 'm', "TEXT", "description", OPT_TEXT, .to = &a->message },
		{ "service", 0, "NAME", "service", OPT_TEXT, .to = &a->service },
		{ "host", 0, "NAME", "host; this machine's name by default", OPT_TEXT,
			.to = &a->host_field },
		{ "ip", 0, "ADDRESS", "ip_address", OPT_TEXT, .to = &a->ip },
		{ "user-agent", 0, "TEXT", "user_agent", OPT_TEXT, .to = &a->user_agent },
		{ "time", 0, "WHEN", "when it happened, as in astroquery; now by default", OPT_TEXT,
			.to = &a->time },
		{ "tag", 0, "TAG", "tag of the frames; its first part is the default of service",
			OPT_TEXT, .to = &a->tag },
		{ "batch", 0, "N", "events in a frame", OPT_INT, .to = &a->batch, .min = 1,
			.max = 100000 },
		{ "window", 0, "N", "frames on their way without an ack", OPT_INT, .to = &a->window,
			.min = 1, .max = LIMIT_ACKS_PENDING },
		{ "rate", 0, "N", "events a second; 0, the default: as fast as it goes", OPT_INT,
			.to = &a->rate, .min = 0, .max = 100000000 },
		{ "timeout", 0, "SECONDS", "give up when no ack came for so long", OPT_INT,
			.to = &a->timeout_s, .min = 1, .max = 86400 },
		{ "datagram", 0, "BYTES", "size of a datagram; one event more may exceed it",
			OPT_INT, .to = &a->datagram_bytes, .min = 64, .max = LIMIT_DATAGRAM_BYTES },
		{ "train", 0, "N",
			"datagrams of one size that go through the kernel as one; 0, the default: by the "
			"rate",
			OPT_INT, .to = &a->train, .min = 0, .max = CLIENT_DGRAM_TRAIN_MAX },
		{ "run-id", 0, "ID", "beginning of the chunk ids: a run repeated is stored once",
			OPT_TEXT, .to = &a->run_id },
		{ "acked-log", 0, "FILE", "append a line for each acked frame", OPT_TEXT,
			.to = &a->acked_log },
		{ "strict", 0, NULL, "end at the first bad line instead of skipping it", OPT_FLAG,
			.to = &a->strict },
		{ "quiet", 'q', NULL, "no progress and no summary", OPT_FLAG, .to = &a->quiet },
	};
	const struct opt_program program = {
		.name = "astrosend",
		.operands = "[FIELD=TEXT | FIELD:=JSON | FILE]...",
		.about =
			"Sends one event, or files of events, to a collector and waits for its acks.",
		.more = more,
		.opts = opts,
		.opts_count = ARRAY_COUNT(opts),
	};
	int first, rc;

	defaults(a);
	rc = opt_start(&program, argc, argv, &first);
	if (rc >= 0)
		return rc;
	a->operands = argv + first;
	a->operands_count = argc - first;
	if (client_to_read(a->to, &a->where) < 0)
		return usage("a destination is tcp://HOST:PORT, udp://HOST:PORT or unix:PATH, not ",
			a->to);
	return check(a);
}

/* ---- fields of one event ---- */

static void put_text(struct buf *out, uint32_t *count, const char *name, const char *value)
{
	if (!value)
		return;
	pack_str(out, span_str(name));
	pack_str(out, span_str(value));
	++*count;
}

static int put_entity(struct buf *out, uint32_t *count, const char *entity, struct diag *d)
{
	const char *slash = entity ? strchr(entity, '/') : NULL;

	if (!entity)
		return 0;
	if (!slash || slash == entity || !slash[1])
		return diag_set(d, ERR_SYNTAX, "", -1, "--entity takes TYPE/ID, not '%s'", entity);
	pack_str(out, SPAN_LIT("entity_type"));
	pack_str(out, span_of(entity, (size_t)(slash - entity)));
	++*count;
	put_text(out, count, "entity_id", slash + 1);
	return 0;
}

static int put_time(struct buf *out, uint32_t *count, const char *text, struct diag *d)
{
	char rfc3339[TIMEFMT_BYTES_MAX];
	struct when when;
	struct diag why;

	if (!text)
		return 0;
	if (when_parse(span_str(text), WHEN_LOCAL, clock_wall_ns(), &when, &why) < 0)
		return diag_set(d, ERR_SYNTAX, "", -1, "--time: %.200s", why.text);
	pack_str(out, SPAN_LIT("timestamp"));
	pack_str(out, span_of(rfc3339, timefmt_put(rfc3339, when.ns)));
	++*count;
	return 0;
}

static int put_word(struct buf *out, uint32_t *count, const char *word, struct diag *d)
{
	const char *eq = strchr(word, '=');
	bool json = eq && eq > word && eq[-1] == ':';
	size_t n = eq ? (size_t)(eq - word) - json : 0;
	struct json_in_error e;
	char why[160];

	if (n == 0)
		return diag_set(d, ERR_SYNTAX, "", -1,
			"a field is NAME=TEXT or NAME:=JSON, not '%.100s'", word);
	pack_str(out, span_of(word, n));
	++*count;
	if (!json) {
		pack_str(out, span_str(eq + 1));
		return 0;
	}
	if (json_in_text(span_str(eq + 1), 0, out, &e) < 0)
		return diag_set(d, ERR_SYNTAX, "", -1, "%.*s is no JSON: %s", (int)n, word,
			json_in_explain(&e, why, sizeof why));
	return 0;
}

int send_args_fields(
	const struct send_args *a, struct buf *out, uint32_t *out_count, struct diag *d)
{
	char host[256] = "";
	int rc;

	*out_count = 0;
	if (a->severity && event_severity_find(span_str(a->severity)) < 0)
		return diag_set(d, ERR_SYNTAX, "", -1,
			"--severity takes emergency ... debug or 0 to 7, not '%.100s'",
			a->severity);
	if (gethostname(host, sizeof host - 1) < 0)
		host[0] = 0;
	put_text(out, out_count, "event_type", a->type);
	put_text(out, out_count, "severity", a->severity);
	put_text(out, out_count, "user_id", a->user);
	put_text(out, out_count, "description", a->message);
	put_text(out, out_count, "ip_address", a->ip);
	put_text(out, out_count, "user_agent", a->user_agent);
	put_text(out, out_count, "service", a->service);
	put_text(out, out_count, "host", a->host_field ? a->host_field : *host ? host : NULL);
	rc = put_entity(out, out_count, a->entity, d);
	if (rc == 0)
		rc = put_time(out, out_count, a->time, d);
	for (int i = 0; rc == 0 && !a->lines && i < a->operands_count; i++)
		rc = put_word(out, out_count, a->operands[i], d);
	if (rc == 0 && out->err)
		rc = diag_set(d, out->err, "", -1, "the event is too large");
	return rc;
}
