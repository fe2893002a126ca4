#include "tools/doctor_http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/svc/version.h"
#include "tools/doc.h"
#include "tools/http_client.h"
#include "tools/reply.h"
#include "tools/source_http.h"

enum {
	COLLECTOR_PORT = 24280,
	ANSWER_MS = 10000,
	BODY_BYTES_MAX = 1 << 20,
};

#define AGE_NOTE_NS    (INT64_C(86400) * CLOCK_NS_PER_SEC)
#define FUTURE_WARN_NS (60 * CLOCK_NS_PER_SEC)
#define UNSEALED_WARN  (4.0 * LIMIT_SEAL_ROWS)

struct visit {
	struct doctor *d;
	const char *name; /* of the daemon */
	struct http_client *client;
	struct reply reply;
	struct buf body;
};

bool doctor_http_metric(struct span page, const char *name, double *out)
{
	size_t name_n = strlen(name);
	const char *at = (const char *)page.p, *end = at + page.n;
	bool found = false;

	*out = 0;
	while (at < end) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		const char *value;

		eol = eol ? eol : end;
		if ((size_t)(eol - at) > name_n && memcmp(at, name, name_n) == 0 &&
			(at[name_n] == ' ' || at[name_n] == '{')) {
			value = memrchr(at, ' ', (size_t)(eol - at));
			*out += value ? strtod(value, NULL) : 0;
			found = true;
		}
		at = eol + 1;
	}
	return found;
}

/* 0 and the status, or a finding. */
static int get(struct visit *v, const char *target, int *out_status, struct diag *why)
{
	return http_client_get(v->client, target, ANSWER_MS, &v->body, out_status, why);
}

/* The page must be a string for strtod: it ends in a line end, and one NUL behind it does no harm. */
static bool get_metrics(struct visit *v)
{
	struct diag why;
	int status;

	if (get(v, "/metrics", &status, &why) < 0 || status != 200)
		return false;
	buf_put_u8(&v->body, 0);
	return !v->body.err;
}

static double metric(const struct visit *v, const char *name)
{
	double n;

	doctor_http_metric(buf_span(&v->body), name, &n);
	return n;
}

static int open_visit(struct visit *v, const char *addr, uint16_t port)
{
	struct diag why;
	int rc;

	reply_init(&v->reply);
	buf_init(&v->body, BODY_BYTES_MAX);
	rc = http_client_open(addr, port, &v->client, &why);
	if (rc < 0)
		doctor_say(
			v->d, DOCTOR_FAIL, v->name, "write it as http://HOST:PORT", "%s", why.text);
	return rc;
}

static void close_visit(struct visit *v)
{
	http_client_close(&v->client);
	reply_fini(&v->reply);
	buf_fini(&v->body);
}

/* Whether it lives, and is of our version. */
static bool check_alive(struct visit *v, bool must, const char *advice)
{
	struct span document, version = SPAN_NONE;
	struct diag why;
	int status = 0, rc = get(v, "/healthz", &status, &why);

	if (rc < 0) {
		doctor_say(v->d, must ? DOCTOR_FAIL : DOCTOR_WARN, v->name, advice,
			"%s does not answer: %s: %s", http_client_name(v->client), why.text,
			err_text(rc));
		return false;
	}
	if (status == 200 &&
		reply_read_document(&v->reply, buf_span(&v->body), &document, &why) == 0)
		version = doc_text(doc_member(document, "version"));
	if (status != 200) {
		doctor_say(v->d, DOCTOR_FAIL, v->name,
			"another program listens there? --addr names "
			"another place",
			"%s answers /healthz with status %d", http_client_name(v->client), status);
		return false;
	}
	if (!span_eq(version, span_str(version_text)))
		doctor_say(v->d, DOCTOR_WARN, v->name,
			"install one version of all programs, and restart the daemons after it",
			"%s is of %s%.*s, this program of %s", http_client_name(v->client),
			version.p ? "version " : "an unknown version", (int)version.n,
			version.p ? (const char *)version.p : "", version_text);
	else
		doctor_say(v->d, DOCTOR_OK, v->name, "", "%s answers, version %s",
			http_client_name(v->client), version_text);
	return true;
}

static bool check_ready(struct visit *v, const char *check, const char *well)
{
	struct span document;
	struct diag why = { .text = "" };
	char text[200];
	int status = 0, rc = get(v, "/readyz", &status, &why);

	if (rc < 0 || status != 200) {
		if (rc == 0)
			reply_error(&v->reply, buf_span(&v->body), status, text, sizeof text);
		doctor_say(v->d, DOCTOR_FAIL, check, "its log says more", "%s is not ready: %s",
			v->name, rc < 0 ? why.text : text);
		return false;
	}
	if (reply_read_document(&v->reply, buf_span(&v->body), &document, &why) == 0 &&
		doc_member(document, "warning").p) {
		struct span warning = doc_text(doc_member(document, "warning"));

		doctor_say(v->d, DOCTOR_WARN, check, "make room on the disk, or end a hold", "%.*s",
			(int)warning.n, (const char *)warning.p);
		return true;
	}
	doctor_say(v->d, DOCTOR_OK, check, "", "%s", well);
	return true;
}

/* ---- astroqueryd ---- */

static void check_queries(struct visit *v)
{
	double damaged = metric(v, "astro_query_damaged_units_total");
	double full = metric(v, "astro_query_queue_full_total");

	if (damaged > 0)
		doctor_say(v->d, DOCTOR_WARN, "damage",
			"astrodump verify names the files; its log has each once",
			"queries met parts of the store that cannot be read, %.0f times", damaged);
	else
		doctor_say(v->d, DOCTOR_OK, "damage", "", "no query met any");
	if (full > 0)
		doctor_say(v->d, DOCTOR_WARN, "load",
			"ask less at once, or give [query] threads more",
			"%.0f queries were turned away because too many waited", full);
	else
		doctor_say(v->d, DOCTOR_OK, "load", "", "%.0f queries so far, %.0f wait",
			metric(v, "astro_query_runs_total"), metric(v, "astro_query_queued"));
}

static void check_newest(struct visit *v)
{
	struct source_page page;
	struct diag why;
	char text[32];
	int status;
	int64_t age;

	if (get(v, "/api/logs?limit=1&total=none", &status, &why) < 0 || status != 200 ||
		reply_read(&v->reply, buf_span(&v->body), &page, &why) < 0) {
		doctor_say(v->d, DOCTOR_FAIL, "query", "its log says more",
			"the newest event cannot be asked for");
		return;
	}
	if (page.count == 0) {
		doctor_say(v->d, DOCTOR_OK, "query", "", "answers; the store is empty");
		return;
	}
	age = clock_wall_ns() - page.events[0].received_ns;
	if (age < -FUTURE_WARN_NS)
		doctor_say(v->d, DOCTOR_WARN, "clock",
			"set the clocks, and keep them set (chrony, ntpd)",
			"the newest event was received %s in the future", doctor_age(-age, text));
	else
		doctor_say(v->d, DOCTOR_OK, "query",
			age > AGE_NOTE_NS ? "is anything shipped here?" : "",
			"answers; the newest event came %s ago",
			doctor_age(age < 0 ? 0 : age, text));
}

void doctor_http_query(struct doctor *d, const char *addr)
{
	struct visit v = { .d = d, .name = "astroqueryd" };

	if (open_visit(&v, addr, SOURCE_HTTP_PORT) == 0 &&
		check_alive(&v, true,
			"start it (systemctl start astroqueryd), or name its place with --addr; -D DIR "
			"looks at a data directory without it") &&
		check_ready(&v, "store", "astroqueryd can read the store")) {
		check_newest(&v);
		if (get_metrics(&v))
			check_queries(&v);
	}
	close_visit(&v);
}

/* ---- astrocollectd ---- */

static void check_store(struct visit *v)
{
	double unsealed = metric(v, "astro_store_unsealed_events");
	double lost = metric(v, "astro_store_lost_events_total");
	double room = metric(v, "astro_store_disk_free_bytes");
	char text[32];

	if (metric(v, "astro_store_journal_failing") > 0)
		doctor_say(v->d, DOCTOR_FAIL, "journal",
			"its log says why; look at the disk (dmesg)",
			"events cannot be made durable now, nothing is acknowledged");
	else
		doctor_say(v->d, DOCTOR_OK, "journal", "", "%.0f events committed so far",
			metric(v, "astro_store_committed_id"));
	if (unsealed > UNSEALED_WARN || metric(v, "astro_store_seal_failures_total") > 0)
		doctor_say(v->d, DOCTOR_WARN, "sealing", "its log says why it does not seal",
			"%.0f events wait in the journal, %.0f seals have failed", unsealed,
			metric(v, "astro_store_seal_failures_total"));
	else
		doctor_say(v->d, DOCTOR_OK, "sealing", "",
			"%.0f events wait in the journal to be sealed", unsealed);
	if (metric(v, "astro_store_disk_below") > 0)
		doctor_say(v->d, DOCTOR_WARN, "disk",
			"make room, or keep less: [retention] in astrolabe.conf",
			"%s are free, less than the configured limit",
			doctor_bytes((uint64_t)room, text));
	else
		doctor_say(v->d, DOCTOR_OK, "disk", "", "%s are free",
			doctor_bytes((uint64_t)room, text));
	if (lost > 0)
		doctor_say(v->d, DOCTOR_FAIL, "journal",
			"restore them from a snapshot; check the disk",
			"%.0f events were lost to damage in the journal", lost);
}

static void check_doors(struct visit *v)
{
	double dropped = metric(v, "astro_collector_events_dropped_total");
	double datagrams = metric(v, "astro_collector_datagrams_dropped_total");
	double refused = metric(v, "astro_collector_refused_total");

	if (dropped > 0)
		doctor_say(v->d, DOCTOR_WARN, "events",
			"/metrics has the reasons (astro_collector_events_dropped_total)",
			"%.0f events could not be stored", dropped);
	if (datagrams > 0)
		doctor_say(v->d, DOCTOR_WARN, "datagrams",
			"ship over TCP, which waits for an ack; or raise net.core.rmem_max",
			"%.0f datagrams were lost", datagrams);
	if (refused > 0)
		doctor_say(v->d, DOCTOR_WARN, "connections", "raise [collector] connections_max",
			"%.0f connections were refused", refused);
	if (dropped + datagrams + refused == 0)
		doctor_say(v->d, DOCTOR_OK, "doors", "", "%.0f events taken, none refused",
			metric(v, "astro_collector_events_total"));
}

void doctor_http_collector(struct doctor *d, const char *addr, bool must)
{
	struct visit v = { .d = d, .name = "astrocollectd" };

	if (open_visit(&v, addr, COLLECTOR_PORT) == 0 &&
		check_alive(&v, must,
			"start it (systemctl start astrocollectd), or name the place of its HTTP door "
			"with --collector") &&
		check_ready(&v, "collector", "astrocollectd takes events") && get_metrics(&v)) {
		check_store(&v);
		check_doors(&v);
	}
	close_visit(&v);
}
