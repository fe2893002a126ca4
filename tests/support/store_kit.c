#include "tests/support/store_kit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/arena.h"
#include "proto/base/check.h"
#include "storage/compact_redact.h"
#include "storage/row.h"
#include "tests/support/values_check.h"

enum {
	ARENA_BYTES = 64 << 20,
	SLICE = 512,
};

#define HOUR_NS (INT64_C(3600) * 1000000000)

void store_kit_init(struct store_kit *k, const struct store_conf *conf, uint64_t seed)
{
	memset(k, 0, sizeof *k);
	k->conf = *conf;
	event_gen_init(&k->gen, seed);
	k->gen.wild = 400;
	k->now_ns = INT64_C(1763640000) * 1000000000;
	buf_init(&k->rows, LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES);
}

static void drop_events(struct store_kit *k, size_t from)
{
	for (size_t i = from; i < k->events_count; i++)
		free(k->events[i].ev);
	k->events_count = from;
}

void store_kit_fini(struct store_kit *k)
{
	store_kit_close(k);
	drop_events(k, 0);
	free(k->events);
	buf_fini(&k->rows);
	event_gen_fini(&k->gen);
}

__attribute__((format(printf, 2, 3))) static int wrong(struct store_kit *k, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(k->wrong, sizeof k->wrong, fmt, ap);
	va_end(ap);
	return STORE_KIT_WRONG;
}

/* ---- appending ---- */

int store_kit_open(struct store_kit *k)
{
	struct sealer_conf conf = { .store = &k->conf };
	uint64_t committed;
	int rc = store_writer_open(&k->conf, &k->writer, &k->d);

	if (rc < 0)
		return rc;
	committed = store_writer_committed(k->writer);
	if (committed < k->committed_count || committed > k->events_count)
		return wrong(k, "%" PRIu64 " events are committed, of %zu to %zu", committed,
			k->committed_count, k->events_count);
	drop_events(k, (size_t)committed);
	k->committed_count = (size_t)committed;
	conf.writer = k->writer;
	return sealer_open(&conf, &k->sealer, &k->d);
}

void store_kit_close(struct store_kit *k)
{
	sealer_close(&k->sealer);
	store_writer_close(&k->writer);
}

static struct event *next_event(struct store_kit *k, unsigned hours)
{
	struct event ev = event_gen_next(&k->gen);

	ev.id = k->events_count + 1;
	if (ev.time_ns > 0 && ev.time_ns < INT64_MAX)
		ev.time_ns = k->now_ns -
			     (int64_t)(event_gen_random(&k->gen) % ((uint64_t)hours * HOUR_NS));
	if (k->odd_times) {
		ev.time_ns = (int64_t)ev.id;
		ev.received_ns = k->now_ns;
	}
	return event_gen_copy(&ev, 1);
}

static void remember(struct store_kit *k, struct event *ev)
{
	if (k->events_count == k->events_cap) {
		k->events_cap = k->events_cap ? k->events_cap * 2 : 1024;
		k->events = realloc(k->events, k->events_cap * sizeof *k->events);
		ASSERT(k->events);
	}
	k->events[k->events_count++] = (struct store_kit_event){ .ev = ev };
}

int store_kit_append(struct store_kit *k, unsigned count, unsigned hours)
{
	struct store_batch b = { .time_min_ns = INT64_MAX, .time_max_ns = INT64_MIN };
	size_t before = k->events_count;
	int rc;

	buf_reset(&k->rows);
	for (unsigned i = 0; i < count && k->rows.len < LIMIT_BATCH_BYTES; i++) {
		struct event *ev = next_event(k, hours);

		rc = row_put(&k->rows, ev);
		ASSERT(rc == 0);
		if (ev->time_ns < b.time_min_ns)
			b.time_min_ns = ev->time_ns;
		if (ev->time_ns > b.time_max_ns)
			b.time_max_ns = ev->time_ns;
		remember(k, ev);
		b.rows_count++;
	}
	b.rows = k->rows.p;
	b.rows_bytes = k->rows.len;
	rc = store_writer_append(k->writer, &b, &k->d);
	if (rc < 0)
		drop_events(k, before);
	return rc;
}

int store_kit_commit(struct store_kit *k)
{
	uint64_t committed = 0;
	int rc = store_writer_commit(k->writer, &committed, &k->d);

	if (rc < 0)
		return rc;
	if (committed != k->events_count)
		return wrong(
			k, "%" PRIu64 " is committed after %zu events", committed, k->events_count);
	k->committed_count = k->events_count;
	return 0;
}

int store_kit_seal(struct store_kit *k)
{
	int rc;

	do
		rc = sealer_step(k->sealer, true, NULL, &k->d);
	while (rc == SEALER_DONE);
	return rc;
}

int store_kit_compact(struct store_kit *k, bool merge, int64_t keep_ns, uint64_t bytes_max)
{
	const struct compact_conf conf = {
		.vfs = k->conf.vfs,
		.dir = k->conf.dir,
		.now_ns = k->now_ns,
	};
	const struct conf_classes none = { .count = 0 };
	struct compact_rules rules = { .bytes_max = bytes_max };
	struct retain_class_set *classes = NULL;
	struct compact *c = NULL;
	int rc = retain_class_new(&none, keep_ns, &classes, &k->d);

	rules.classes = classes;
	if (rc == 0)
		rc = compact_open(&conf, &c, &k->d);
	if (rc == 0)
		rc = compact_retain(c, &rules, &k->d);
	if (rc == 0 && merge)
		rc = compact_merge(c, &k->d);
	if (rc == 0)
		rc = compact_sidecars(c, &k->d);
	if (rc == 0 && compact_total(c)->failures > 0)
		rc = wrong(k, "%" PRIu64 " segments could not be compacted",
			compact_total(c)->failures);
	compact_close(&c);
	retain_class_free(&classes);
	return rc;
}

static int with_compact(
	struct store_kit *k, int (*act)(struct store_kit *, struct compact *, void *), void *arg)
{
	const struct compact_conf conf = {
		.vfs = k->conf.vfs,
		.dir = k->conf.dir,
		.now_ns = k->now_ns,
	};
	struct compact *c = NULL;
	int rc = compact_open(&conf, &c, &k->d);

	if (rc == 0)
		rc = act(k, c, arg);
	if (rc == 0 && compact_total(c)->failures > 0)
		rc = wrong(k, "%" PRIu64 " segments could not be worked on",
			compact_total(c)->failures);
	compact_close(&c);
	return rc;
}

static int order(struct store_kit *k, struct compact *c, void *arg)
{
	struct redact_info info;
	uint64_t held;
	int rc = compact_redact_order(c, arg, NULL, span_str("the kit"), &info, &held, &k->d);

	return rc == COMPACT_REDACT_NOTHING ? 0 : rc;
}

int store_kit_delete(struct store_kit *k, const bool *which)
{
	struct idset ids;
	int rc = 0;

	idset_init(&ids, 1 << 20);
	for (size_t i = 0; i < k->committed_count && rc == 0; i++)
		rc = which[i] ? idset_add(&ids, i + 1) : 0;
	if (rc == 0)
		rc = with_compact(k, order, &ids);
	idset_fini(&ids);
	for (size_t i = 0; i < k->committed_count && rc == 0; i++)
		k->events[i].gone |= which[i];
	return rc;
}

static int purge(struct store_kit *k, struct compact *c, void *arg)
{
	(void)arg;
	return compact_redact_purge(c, &k->d);
}

int store_kit_purge(struct store_kit *k)
{
	return with_compact(k, purge, NULL);
}

/* ---- reading ---- */

static bool matches(const struct scan_spec *s, const struct event *ev, struct expr_scratch *x)
{
	return ev->time_ns >= s->from_ns && ev->time_ns <= s->to_ns && ev->id >= s->id_min &&
	       ev->id <= s->id_max && (!s->where || expr_match(s->where, ev, x));
}

struct reading {
	struct store_kit *k;
	const struct scan_spec *spec;
	struct scan *scan;
	struct scan_scratch *scratch;
	struct expr_scratch *expr;
	struct scan_stats stats;
	struct arena arena;
	bool *seen;
	bool lenient; /* what is damaged is passed over, what is missing is not asked for */
};

static int note_event(struct reading *r, const struct event *ev)
{
	struct store_kit *k = r->k;

	if (ev->id == 0 || ev->id > k->committed_count)
		return wrong(k, "event %" PRIu64 " was never committed", ev->id);
	if (r->seen[ev->id - 1])
		return wrong(k, "event %" PRIu64 " is there twice", ev->id);
	if (!event_gen_same(ev, k->events[ev->id - 1].ev))
		return wrong(k, "event %" PRIu64 " is not what it was", ev->id);
	if (!matches(r->spec, ev, r->expr))
		return wrong(k, "event %" PRIu64 " was not asked for", ev->id);
	r->seen[ev->id - 1] = true;
	return 0;
}

static int check_values(
	struct reading *r, size_t unit, const uint32_t *rows, size_t n, const struct event *events)
{
	static const struct span key = SPAN_LIT("n");
	struct values_check v = { r->scan, unit, r->scratch, rows, n, events };
	struct expr_field f = expr_field_text((enum event_text)(rows[0] % EVENT_TEXT_COUNT));
	int rc;

	if (rows[0] % 3 == 0)
		f = expr_field_of((enum expr_field_kind)(EXPR_FIELD_SEVERITY + rows[0] % 4));
	else if (rows[0] % 3 == 1)
		f = (struct expr_field){ .kind = EXPR_FIELD_META, .keys = &key, .keys_count = 1 };
	rc = values_check_field(&v, &f, &r->k->d);
	return rc == VALUES_CHECK_WRONG ? wrong(r->k, "values are not those of the events") : rc;
}

static int read_slice(struct reading *r, size_t unit, const uint32_t *rows, size_t n)
{
	struct event events[SLICE];
	int rc;

	arena_reset(&r->arena);
	rc = scan_fetch(r->scan, unit, rows, n, r->scratch, &r->arena, events, &r->stats, &r->k->d);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = note_event(r, &events[i]);
	return rc == 0 && n > 0 ? check_values(r, unit, rows, n, events) : rc;
}

static int read_unit(struct reading *r, size_t unit)
{
	const struct scan_hit *hits;
	uint64_t count;
	uint32_t *rows;
	size_t n;
	int rc = scan_count(r->scan, unit, r->scratch, &count, &r->stats, &r->k->d);

	if (rc == 0)
		rc = scan_select(r->scan, unit, r->scratch, &hits, &n, &r->stats, &r->k->d);
	if (rc < 0)
		return rc;
	if (count != n)
		return wrong(r->k, "a unit counts %" PRIu64 " rows and gives %zu", count, n);
	rows = calloc(n + 1, sizeof *rows);
	ASSERT(rows);
	for (size_t i = 0; i < n; i++)
		rows[i] = hits[i].row;
	for (size_t i = 0; i < n && rc == 0; i += SLICE)
		rc = read_slice(r, unit, rows + i, n - i < SLICE ? n - i : SLICE);
	free(rows);
	return rc;
}

static int compare(struct reading *r)
{
	struct store_kit *k = r->k;

	for (size_t i = 0; i < k->committed_count; i++) {
		const struct store_kit_event *e = &k->events[i];

		if (e->gone && r->seen[i])
			return wrong(k, "event %zu came back", i + 1);
		if (!e->gone && !r->seen[i] && matches(r->spec, e->ev, r->expr))
			return wrong(k, "event %zu is missing", i + 1);
	}
	return 0;
}

/* One snapshot, read unit by unit. */
static int read_units(struct reading *r, struct store_reader *reader)
{
	struct store_snapshot *snap = NULL;
	int rc = store_reader_snapshot(reader, &snap, &r->k->d);

	if (rc == 0)
		rc = scan_open(snap, r->spec, &r->scan, &r->stats, &r->k->d);
	for (size_t i = 0; rc == 0 && i < scan_unit_count(r->scan); i++) {
		rc = read_unit(r, i);
		if (r->lenient && rc != STORE_KIT_WRONG)
			rc = 0;
	}
	if (r->scan)
		scan_close(&r->scan);
	store_snapshot_free(&snap);
	return rc;
}

static int read_all(struct store_kit *k, const struct scan_spec *spec, bool *seen, bool lenient)
{
	struct reading r = { .k = k, .spec = spec, .seen = seen, .lenient = lenient };
	struct store_reader *reader = NULL;
	int rc = store_reader_open(&k->conf, &reader, &k->d);

	r.scratch = scan_scratch_new();
	r.expr = expr_scratch_new();
	ASSERT(r.scratch);
	ASSERT(r.expr);
	arena_init(&r.arena, ARENA_BYTES);
	if (rc == 0)
		rc = read_units(&r, reader);
	if (rc == 0 && !lenient && r.stats.damaged_units > 0)
		rc = wrong(k, "%" PRIu64 " units are damaged", r.stats.damaged_units);
	if (rc == 0 && !lenient)
		rc = compare(&r);
	arena_fini(&r.arena);
	scan_scratch_free(&r.scratch);
	expr_scratch_free(&r.expr);
	store_reader_close(&reader);
	return rc;
}

int store_kit_check_spec(struct store_kit *k, const struct scan_spec *spec)
{
	bool *seen = calloc(k->events_count + 1, sizeof *seen);
	int rc;

	ASSERT(seen);
	rc = read_all(k, spec, seen, false);
	free(seen);
	return rc;
}

int store_kit_check(struct store_kit *k)
{
	struct scan_spec spec;

	scan_spec_init(&spec);
	return store_kit_check_spec(k, &spec);
}

int store_kit_see(struct store_kit *k, bool *seen)
{
	struct scan_spec spec;

	scan_spec_init(&spec);
	memset(seen, 0, k->events_count * sizeof *seen);
	return read_all(k, &spec, seen, true);
}

/* Which of the events that may be gone are. */
static int see_retired(struct store_kit *k, int64_t older_than_ns, bool *seen)
{
	struct scan_spec spec;
	bool *may = calloc(k->events_count + 1, sizeof *may);
	int rc;

	ASSERT(may);
	scan_spec_init(&spec);
	for (size_t i = 0; i < k->committed_count; i++) {
		int64_t t = k->events[i].ev->time_ns;

		may[i] = !k->events[i].gone &&
			 (t < older_than_ns || retention_time_odd(t, k->now_ns));
		k->events[i].gone |= may[i];
	}
	rc = read_all(k, &spec, seen, false);
	/* Those that were seen came back in the eyes of the model: they were never gone. */
	for (size_t i = 0; i < k->committed_count; i++)
		k->events[i].gone &= !(may[i] && seen[i]);
	free(may);
	return rc;
}

void store_kit_expect_retired(struct store_kit *k, int64_t older_than_ns)
{
	bool *seen = calloc(k->events_count + 1, sizeof *seen);

	ASSERT(seen);
	see_retired(k, older_than_ns, seen);
	free(seen);
}

/* ---- verify ---- */

static void on_finding(void *arg, const struct verify_finding *f)
{
	struct store_kit *k = arg;
	size_t n = strlen(k->wrong);

	if (f->grade == VERIFY_DAMAGE)
		verify_format(f, k->wrong + n, (unsigned)(sizeof k->wrong - n));
}

int store_kit_verify(struct store_kit *k)
{
	const struct verify_conf conf = {
		.vfs = k->conf.vfs,
		.dir = k->conf.dir,
		.found = on_finding,
		.arg = k,
	};
	struct verify_report report;
	int rc;

	k->wrong[0] = 0;
	rc = verify_run(&conf, &report, &k->d);
	if (rc < 0)
		return rc;
	if (report.findings[VERIFY_DAMAGE] > 0)
		return STORE_KIT_WRONG;
	if (report.id_last != 0 && report.id_last > k->events_count)
		return wrong(
			k, "verify saw event %" PRIu64 " of %zu", report.id_last, k->events_count);
	return 0;
}
