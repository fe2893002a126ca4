#include "query/ingest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/http/http_upstream.h"
#include "query/api_relay.h"

enum {
	INGEST_TAG = 0x494e4753,
	/* The second answer comes soon, for the rate. */
	SOON_MS = 1000,
	ANSWER_MS = 4000,
	NUMBER_BYTES = 32,
};

struct ingest {
	unsigned tag;
	struct http_upstream *upstream;
	struct http_upstream_request *request; /* NULL: none is under way */
	uv_timer_t timer;
	int64_t read_ns; /* clock_mono_ns of the figures */
	struct ingest_figures figures;
};

/* ---------------------------------------------------------------- reading a page */

struct line {
	struct span name;
	struct span door; /* label `door`; absent: none */
	struct span limit;
	uint64_t value;
};

/* "name{a=\"b\"}": what stands behind a=" up to the quote; absent: no such label. */
static struct span label(struct span labels, const char *name)
{
	size_t n = strlen(name);

	while (labels.n > n + 2) {
		const uint8_t *end;
		bool here = memcmp(labels.p, name, n) == 0 && labels.p[n] == '=' &&
			    labels.p[n + 1] == '"';

		if (here) {
			labels = span_of(labels.p + n + 2, labels.n - n - 2);
			end = memchr(labels.p, '"', labels.n);
			return end ? span_of(labels.p, (size_t)(end - labels.p)) : SPAN_NONE;
		}
		end = memchr(labels.p, ',', labels.n);
		if (!end)
			break;
		labels = span_of(end + 1, labels.n - (size_t)(end + 1 - labels.p));
	}
	return SPAN_NONE;
}

/* Counters are whole numbers; what is none counts as 0. */
static uint64_t number(struct span s)
{
	char text[NUMBER_BYTES];
	char *end;
	unsigned long long v;

	if (s.n == 0 || s.n >= sizeof text || s.p[0] < '0' || s.p[0] > '9')
		return 0;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	v = strtoull(text, &end, 10);
	return *end ? 0 : v;
}

static bool read_line(struct span text, struct line *out)
{
	const uint8_t *blank = text.n ? memrchr(text.p, ' ', text.n) : NULL;
	const uint8_t *brace;
	struct span labels;

	if (!blank || text.p[0] == '#')
		return false;
	out->value = number(span_of(blank + 1, text.n - (size_t)(blank + 1 - text.p)));
	out->name = span_of(text.p, (size_t)(blank - text.p));
	brace = memchr(out->name.p, '{', out->name.n);
	labels = brace ? span_of(brace + 1, out->name.n - (size_t)(brace + 1 - out->name.p))
		       : SPAN_NONE;
	if (brace)
		out->name.n = (size_t)(brace - out->name.p);
	out->door = label(labels, "door");
	out->limit = label(labels, "limit");
	return true;
}

/* NULL: there are too many, or it has no name that one could show. */
static struct ingest_door *door_of(struct ingest_figures *f, const char *prefix, struct span name)
{
	struct ingest_door *d = f->doors;
	char full[sizeof d->name];

	if (!name.p || strlen(prefix) + name.n >= sizeof full)
		return NULL;
	snprintf(full, sizeof full, "%s%.*s", prefix, (int)name.n, (const char *)name.p);
	for (size_t i = 0; i < f->doors_count; i++, d++) {
		if (strcmp(d->name, full) == 0)
			return d;
	}
	if (f->doors_count == LIMIT_FIGURES_DOORS || !full[0])
		return NULL;
	f->doors_count++;
	*d = (struct ingest_door){ .rate = -1 };
	memcpy(d->name, full, sizeof full);
	return d;
}

enum to { TO_EVENTS, TO_REFUSED, TO_LOST };

/* What of the page goes into which number of which door. */
static const struct {
	const char *metric;
	enum to to;
	const char *prefix; /* of the label's door */
	const char *door;   /* where there is no such label */
} rows[] = {
	{ "astro_collector_events_total", TO_EVENTS, "", NULL },
	{ "astro_collector_turned_away_total", TO_REFUSED, "", NULL },
	{ "astro_collector_http_refused_total", TO_REFUSED, "", "http" },
	{ "astro_collector_http_connections_refused_total", TO_REFUSED, "", "http" },
	{ "astro_collector_datagrams_dropped_total", TO_LOST, "", "udp" },
	{ "astro_collector_syslog_datagrams_dropped_total", TO_LOST, "syslog_", NULL },
};

static void add_to_door(struct ingest_figures *f, const struct line *l)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct span name = rows[i].door ? span_str(rows[i].door) : l->door;
		struct ingest_door *d;

		if (!span_eq(l->name, span_str(rows[i].metric)))
			continue;
		d = door_of(f, rows[i].prefix, name);
		if (!d)
			return;
		if (rows[i].to == TO_EVENTS)
			d->events += l->value;
		else if (rows[i].to == TO_REFUSED)
			d->refused += l->value;
		else
			d->lost += l->value;
	}
}

static int64_t bytes_of(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static void add(struct ingest_figures *f, const struct line *l)
{
	add_to_door(f, l);
	if (span_eq(l->name, SPAN_LIT("astro_collector_events_total")))
		f->events += l->value;
	else if (span_eq(l->name, SPAN_LIT("astro_collector_events_dropped_total")))
		f->dropped += l->value;
	if (!span_eq(l->name, SPAN_LIT("astro_store_disk_limit_bytes")))
		return;
	if (span_eq(l->limit, SPAN_LIT("soft")))
		f->disk_soft = bytes_of(l->value);
	else if (span_eq(l->limit, SPAN_LIT("hard")))
		f->disk_hard = bytes_of(l->value);
}

void ingest_read(struct span page, struct ingest_figures *out)
{
	*out = (struct ingest_figures){ .rate = -1, .disk_soft = -1, .disk_hard = -1 };
	while (page.n > 0) {
		const uint8_t *end = memchr(page.p, '\n', page.n);
		size_t n = end ? (size_t)(end - page.p) : page.n;
		struct line l;

		if (read_line(span_of(page.p, n), &l))
			add(out, &l);
		page = end ? span_of(end + 1, page.n - n - 1) : SPAN_NONE;
	}
	if (out->doors_count > 0)
		out->at_ns = clock_wall_ns();
}

static double rate(uint64_t now, uint64_t before, int64_t ns)
{
	return now < before ? -1 : (double)(now - before) * CLOCK_NS_PER_SEC / (double)ns;
}

void ingest_rates(struct ingest_figures *now, const struct ingest_figures *before, int64_t ns)
{
	if (!now->at_ns || !before->at_ns || ns <= 0)
		return;
	now->rate = rate(now->events, before->events, ns);
	for (size_t i = 0; i < now->doors_count && i < before->doors_count; i++) {
		if (strcmp(now->doors[i].name, before->doors[i].name) == 0)
			now->doors[i].rate =
				rate(now->doors[i].events, before->doors[i].events, ns);
	}
}

/* ---------------------------------------------------------------- asking */

static void on_answer(void *arg, const struct http_upstream_answer *answer)
{
	struct ingest *g = arg;
	struct ingest_figures last = g->figures;
	int64_t now_ns = clock_mono_ns();

	CHECK_TAG(g, INGEST_TAG);
	g->request = NULL;
	ingest_read(answer->error || answer->status != 200 ? SPAN_NONE : answer->body, &g->figures);
	ingest_rates(&g->figures, &last, now_ns - g->read_ns);
	g->read_ns = now_ns;
}

static void on_timer(uv_timer_t *t)
{
	struct ingest *g = t->data;

	CHECK_TAG(g, INGEST_TAG);
	/* Without memory or descriptors the last figures stay; the next turn tries again. */
	if (!g->request)
		g->request = http_upstream_get(g->upstream, SPAN_LIT("/metrics"), on_answer, g);
	uv_timer_start(t, on_timer, g->read_ns ? LIMIT_FIGURES_MS : SOON_MS, 0);
}

int ingest_open(struct query *q, struct diag *d)
{
	struct http_upstream_conf conf = { .connect_ms = LIMIT_RELAY_CONNECT_MS,
		.answer_ms = ANSWER_MS,
		.answer_max = LIMIT_RELAY_ANSWER_BYTES };
	struct ingest *g;
	int rc = api_relay_addr(q, &conf.to, d);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	g = calloc(1, sizeof *g);
	if (!g)
		return diag_set(d, -ENOMEM, "", -1, "no memory for the collector's figures");
	g->tag = INGEST_TAG;
	rc = http_upstream_new(&q->loop, &conf, &g->upstream, d);
	if (rc < 0) {
		free(g);
		return rc;
	}
	uv_timer_init(&q->loop, &g->timer);
	g->timer.data = g;
	uv_timer_start(&g->timer, on_timer, 0, 0);
	q->ingest = g;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct ingest *g = h->data;

	g->tag = 0;
	free(g);
}

void ingest_close(struct query *q)
{
	struct ingest *g = q->ingest;

	if (!g)
		return;
	CHECK_TAG(g, INGEST_TAG);
	http_upstream_close(&g->upstream);
	uv_close((uv_handle_t *)&g->timer, on_closed);
	q->ingest = NULL;
}

const struct ingest_figures *ingest_now(const struct query *q)
{
	static const struct ingest_figures none = { .rate = -1, .disk_soft = -1, .disk_hard = -1 };

	return q->ingest ? &q->ingest->figures : &none;
}
