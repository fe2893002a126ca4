/*
 * Goal:   cells of cubes and the rows of what they leave to a scan are together exactly the rows asked
 *         for, each once, while events are sealed, merged and deleted by order.
 * Method: seeded appends into a store; questions whose times, ids and values are taken from the events;
 *         groups and their counts against a loop over the model. ASTRO_SEED repeats a run.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "storage/scan_cube.h"
#include "tests/support/simfs.h"
#include "tests/support/store_kit.h"

#define MINUTE_NS INT64_C(60000000000)

enum { TURNS = 24, ASKS = 12, KEY_BYTES = 160 };

/* ---- groups and their counts ---- */

struct group {
	char key[KEY_BYTES];
	uint64_t rows;
};

struct groups {
	struct group *v;
	size_t n;
	size_t cap;
};

static int group_cmp(const void *a, const void *b)
{
	return strcmp(((const struct group *)a)->key, ((const struct group *)b)->key);
}

static void add(struct groups *g, const struct scan_cube_cell *cell)
{
	size_t at;

	if (g->n == g->cap) {
		g->cap = g->cap ? g->cap * 2 : 64;
		g->v = realloc(g->v, g->cap * sizeof *g->v);
		assert_non_null(g->v);
	}
	at = (size_t)snprintf(
		g->v[g->n].key, KEY_BYTES, "%lld|%u", (long long)cell->time_ns, cell->severity);
	for (int d = 0; d < SIDX_CUBE_DIMS; d++) {
		/* Wild texts are any bytes: their ends tell them apart well enough. */
		size_t n = cell->text[d].n < 12 ? cell->text[d].n : 12;

		at += (size_t)snprintf(g->v[g->n].key + at, KEY_BYTES - at, "|%c%zu",
			cell->text[d].p ? '+' : '-', cell->text[d].n);
		for (size_t i = 0; i < n; i++)
			at += (size_t)snprintf(
				g->v[g->n].key + at, KEY_BYTES - at, "%02x", cell->text[d].p[i]);
	}
	assert_true(at < KEY_BYTES);
	g->v[g->n++].rows = cell->rows;
}

static void join(struct groups *g)
{
	size_t n = 0;

	if (g->n == 0)
		return;
	qsort(g->v, g->n, sizeof *g->v, group_cmp);
	for (size_t i = 1; i < g->n; i++) {
		if (group_cmp(&g->v[n], &g->v[i]) == 0)
			g->v[n].rows += g->v[i].rows;
		else
			g->v[++n] = g->v[i];
	}
	g->n = n + 1;
}

/* The event as a cell of the ask. */
static void add_event(struct groups *g, const struct scan_cube_ask *ask, const struct event *ev)
{
	static const int texts[SIDX_CUBE_DIMS] = {
		[SIDX_CUBE_EVENT_TYPE] = EVENT_TEXT_EVENT_TYPE,
		[SIDX_CUBE_ENTITY_TYPE] = EVENT_TEXT_ENTITY_TYPE,
		[SIDX_CUBE_SEVERITY] = -1,
		[SIDX_CUBE_SERVICE] = EVENT_TEXT_SERVICE,
	};
	struct scan_cube_cell cell = { .rows = 1 };

	if (ask->bucket_ns > 0) {
		__int128 off = (__int128)ev->time_ns - ask->bucket_from_ns;
		__int128 n = off / ask->bucket_ns - (off % ask->bucket_ns < 0);
		__int128 from = n * ask->bucket_ns + ask->bucket_from_ns;

		cell.time_ns = from < INT64_MIN ? INT64_MIN : (int64_t)from;
	}
	for (int d = 0; d < SIDX_CUBE_DIMS; d++) {
		if (!(ask->by >> d & 1))
			continue;
		if (texts[d] < 0)
			cell.severity = ev->severity;
		else
			cell.text[d] = ev->text[texts[d]];
	}
	add(g, &cell);
}

static bool is_asked(
	const struct scan_cube_ask *ask, const struct event *ev, struct expr_scratch *scratch)
{
	return ev->time_ns >= ask->from_ns && ev->time_ns <= ask->to_ns && ev->id >= ask->id_min &&
	       ev->id <= ask->id_max && (!ask->where || expr_match(ask->where, ev, scratch));
}

/* ---- the world ---- */

struct world {
	struct store_kit kit;
	struct simfs *fs;
	struct expr_builder exprs;
	struct expr_scratch *scratch;
	struct scan_scratch *scan_scratch;
	struct arena arena;
	uint64_t from_cubes; /* rows */
	uint64_t from_scans;
	uint64_t ends; /* rests that are less than a segment */
};

static const struct event *some(struct world *w)
{
	return w->kit.events[event_gen_below(&w->kit.gen, (unsigned)w->kit.committed_count)].ev;
}

/* ---- questions ---- */

static const struct expr *random_test(struct world *w)
{
	static const enum event_text texts[] = { EVENT_TEXT_EVENT_TYPE, EVENT_TEXT_ENTITY_TYPE,
		EVENT_TEXT_SERVICE };
	enum event_text text = texts[event_gen_below(&w->kit.gen, 3)];
	struct expr_field f = expr_field_text(text);
	struct span v = some(w)->text[text];

	if (event_gen_below(&w->kit.gen, 4) == 0)
		return expr_severity(&w->exprs, (uint8_t)event_gen_random(&w->kit.gen));
	if (!v.p || event_gen_below(&w->kit.gen, 4) == 0)
		return expr_exists(&w->exprs, &f);
	return expr_text_in(&w->exprs, text, &v, 1);
}

/* The event time in one range. */
static const struct expr *random_time(struct world *w)
{
	struct expr_field f = { .kind = EXPR_FIELD_TIME };
	uint64_t lo = expr_time_key(some(w)->time_ns), hi = expr_time_key(some(w)->time_ns);
	struct expr_range r = { lo < hi ? lo : hi, lo < hi ? hi : lo };

	return expr_ranges(&w->exprs, &f, &r, 1);
}

static const struct expr *random_where(struct world *w)
{
	const struct expr *x = random_test(w), *y = random_test(w);

	if (event_gen_below(&w->kit.gen, 6) == 0)
		return expr_normalise(&w->exprs, random_time(w));
	switch (event_gen_below(&w->kit.gen, 5)) {
	case 3:
		x = expr_and(&w->exprs, random_time(w), expr_and(&w->exprs, x, y));
		break;
	case 0:
		x = expr_and(&w->exprs, x, y);
		break;
	case 1:
		x = expr_or(&w->exprs, x, y);
		break;
	case 2:
		x = expr_not(&w->exprs, x);
		break;
	default:
		break;
	}
	x = expr_normalise(&w->exprs, x);
	assert_non_null(x);
	return x;
}

static void random_ask(struct world *w, struct scan_cube_ask *ask)
{
	static const int64_t buckets[] = { 0, 0, 15 * MINUTE_NS, 60 * MINUTE_NS, 1440 * MINUTE_NS,
		7 * MINUTE_NS };
	struct event_gen *g = &w->kit.gen;

	scan_cube_ask_init(ask);
	ask->by = event_gen_below(g, 1u << SIDX_CUBE_DIMS);
	ask->bucket_ns = buckets[event_gen_below(g, 6)];
	if (event_gen_below(g, 3) == 0)
		ask->bucket_from_ns = (int64_t)event_gen_below(g, 10) * 5 * MINUTE_NS;
	if (event_gen_below(g, 2))
		ask->from_ns = some(w)->time_ns;
	if (event_gen_below(g, 2))
		ask->to_ns = some(w)->time_ns;
	if (event_gen_below(g, 8) == 0)
		ask->id_min = some(w)->id;
	if (event_gen_below(g, 8) == 0)
		ask->id_max = some(w)->id;
	if (event_gen_below(g, 2))
		ask->where = random_where(w);
}

/* ---- answers ---- */

struct sink {
	struct groups *groups;
	uint64_t rows;
};

static int on_cell(void *arg, const struct scan_cube_cell *cell)
{
	struct sink *s = arg;

	assert_true(cell->rows > 0);
	s->rows += cell->rows;
	add(s->groups, cell);
	return 0;
}

static void scan_rest(struct world *w, struct store_snapshot *snap, const struct scan_cube_ask *ask,
	const struct scan_cube_rest *rest, struct groups *out)
{
	struct scan_stats stats = { 0 };
	struct scan *scan = NULL;
	struct scan_spec spec;

	scan_spec_init(&spec);
	spec.from_ns = rest->from_ns;
	spec.to_ns = rest->to_ns;
	spec.id_min = ask->id_min;
	spec.id_max = ask->id_max;
	spec.part = &rest->part;
	assert_int_equal(scan_open(snap, &spec, &scan, &stats, NULL), 0);
	for (size_t u = 0; u < scan_unit_count(scan); u++) {
		const struct scan_hit *hits;
		size_t n;

		assert_int_equal(scan_select(scan, u, w->scan_scratch, &hits, &n, &stats, NULL), 0);
		for (size_t i = 0; i < n; i++) {
			const struct event *ev = w->kit.events[hits[i].id - 1].ev;

			if (ask->where && !expr_match(ask->where, ev, w->scratch))
				continue;
			add_event(out, ask, ev);
			w->from_scans++;
		}
	}
	scan_close(&scan);
}

static void answer(struct world *w, struct store_snapshot *snap, const struct scan_cube_ask *ask,
	struct groups *out)
{
	struct scan_cube_rest rests[SCAN_CUBE_RESTS_MAX];
	struct sink sink = { .groups = out };
	struct scan_cube *c = NULL;
	size_t n;
	int rc;

	assert_int_equal(scan_cube_open(snap, ask, &c, NULL), 0);
	do
		rc = scan_cube_next(c, on_cell, &sink, NULL);
	while (rc == 1);
	assert_int_equal(rc, 0);
	assert_int_equal(scan_cube_rows(c), sink.rows);
	w->from_cubes += sink.rows;
	n = scan_cube_rests(c, rests);
	for (size_t i = 0; i < n; i++) {
		scan_rest(w, snap, ask, &rests[i], out);
		w->ends += rests[i].from_ns != ask->from_ns || rests[i].to_ns != ask->to_ns;
	}
	scan_cube_close(&c);
	assert_null(c);
}

static void ask_one(struct world *w, struct store_snapshot *snap)
{
	struct groups want = { 0 }, got = { 0 };
	struct scan_cube_ask ask;

	random_ask(w, &ask);
	for (size_t i = 0; i < w->kit.committed_count; i++) {
		if (!w->kit.events[i].gone && is_asked(&ask, w->kit.events[i].ev, w->scratch))
			add_event(&want, &ask, w->kit.events[i].ev);
	}
	answer(w, snap, &ask, &got);
	join(&want);
	join(&got);
	assert_int_equal(got.n, want.n);
	for (size_t i = 0; i < got.n; i++) {
		assert_string_equal(got.v[i].key, want.v[i].key);
		assert_int_equal(got.v[i].rows, want.v[i].rows);
	}
	free(want.v);
	free(got.v);
}

static void ask_many(struct world *w)
{
	struct store_reader *reader = NULL;
	struct store_snapshot *snap = NULL;

	assert_int_equal(store_reader_open(&w->kit.conf, &reader, NULL), 0);
	assert_int_equal(store_reader_snapshot(reader, &snap, NULL), 0);
	for (int i = 0; i < ASKS; i++)
		ask_one(w, snap);
	store_snapshot_free(&snap);
	store_reader_close(&reader);
}

static void delete_some(struct world *w)
{
	bool *which = calloc(w->kit.committed_count + 1, sizeof *which);

	assert_non_null(which);
	for (int i = 0; i < 3; i++)
		which[some(w)->id - 1] = true;
	assert_int_equal(store_kit_delete(&w->kit, which), 0);
	free(which);
}

static int set_up(void **state)
{
	const char *env = getenv("ASTRO_SEED");
	uint64_t seed = env ? strtoull(env, NULL, 10) : 20261130;
	struct world *w = calloc(1, sizeof *w);
	struct store_conf conf = { .dir = SIMFS_DIR,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN,
		.seal_rows = 2000 };

	if (!w)
		return -1;
	print_message("# seed %llu\n", (unsigned long long)seed);
	w->fs = simfs_new(seed);
	conf.vfs = simfs_vfs(w->fs);
	store_kit_init(&w->kit, &conf, seed);
	expr_builder_init(&w->exprs);
	w->scratch = expr_scratch_new();
	w->scan_scratch = scan_scratch_new();
	clock_fake(w->kit.now_ns, 1000);
	*state = w;
	return w->scratch && w->scan_scratch ? 0 : -1;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	store_kit_fini(&w->kit);
	expr_builder_fini(&w->exprs);
	expr_scratch_free(&w->scratch);
	scan_scratch_free(&w->scan_scratch);
	simfs_free(&w->fs);
	free(w);
	clock_real();
	return 0;
}

static void a_live_store(void **state)
{
	struct world *w = *state;
	struct store_kit *k = &w->kit;

	k->gen.wild = 150;
	assert_int_equal(store_kit_open(k), 0);
	for (int turn = 0; turn < TURNS; turn++) {
		for (unsigned n = 1 + event_gen_below(&k->gen, 4); n > 0; n--)
			assert_int_equal(
				store_kit_append(k, 1 + event_gen_below(&k->gen, 200), 30), 0);
		assert_int_equal(store_kit_commit(k), 0);
		ask_many(w);
		if (event_gen_below(&k->gen, 2) == 0)
			assert_int_equal(store_kit_seal(k), 0);
		if (turn % 6 == 2)
			delete_some(w);
		ask_many(w);
		if (turn % 8 == 6) {
			assert_int_equal(store_kit_compact(k, true, 0, 0), 0);
			ask_many(w);
		}
		if (turn % 12 == 10)
			assert_int_equal(store_kit_purge(k), 0);
	}
	print_message("# %llu rows from cubes, %llu from scans, %llu ends\n",
		(unsigned long long)w->from_cubes, (unsigned long long)w->from_scans,
		(unsigned long long)w->ends);
	assert_true(w->from_cubes > 10000);
	assert_true(w->from_scans > 10000);
	assert_true(w->ends > 100);
}

/* What tests another field is refused before anything is opened. */
static void other_fields(void **state)
{
	struct world *w = *state;
	struct span v = SPAN_LIT("anna");
	struct store_reader *reader = NULL;
	struct store_snapshot *snap = NULL;
	struct scan_cube *c = NULL;
	struct scan_cube_ask ask;

	assert_int_equal(store_kit_open(&w->kit), 0);
	assert_int_equal(store_reader_open(&w->kit.conf, &reader, NULL), 0);
	assert_int_equal(store_reader_snapshot(reader, &snap, NULL), 0);
	scan_cube_ask_init(&ask);
	ask.where = expr_normalise(
		&w->exprs, expr_and(&w->exprs, expr_severity(&w->exprs, 1),
				   expr_text_in(&w->exprs, EVENT_TEXT_USER_ID, &v, 1)));
	assert_int_equal(scan_cube_open(snap, &ask, &c, NULL), SCAN_CUBE_NOT);
	assert_null(c);
	store_snapshot_free(&snap);
	store_reader_close(&reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_live_store, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_fields, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("cube_store", tests, NULL, NULL);
}
