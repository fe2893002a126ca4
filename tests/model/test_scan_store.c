/*
 * Goal:   a scan of a live store finds the same events in the journal as in segments, while events
 *         move from the one to the other; and who asks a block for keys again and again gets the same
 *         as who asks it once, also when events were deleted.
 * Method: seeded appends; after each commit and each seal a few specs whose values are taken from
 *         the events, against the model of store_kit. ASTRO_SEED repeats a run.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>

#include "proto/base/clock.h"
#include "tests/support/scan_ask.h"
#include "tests/support/simfs.h"
#include "tests/support/store_kit.h"

enum { TURNS = 30, SPECS = 6 };

/* Never absent: what that means is test_scan_model's. */
static struct span some(struct store_kit *k, int field)
{
	struct span v =
		k->events[event_gen_below(&k->gen, (unsigned)k->events_count)].ev->text[field];

	return v.p ? v : SPAN_LIT("nobody");
}

static void ask(struct store_kit *k, unsigned shape)
{
	const struct event *ev = k->events[event_gen_below(&k->gen, (unsigned)k->events_count)].ev;
	int field = (int)event_gen_below(&k->gen, EVENT_TEXT_COUNT);
	struct span values[2] = { some(k, field), some(k, field) };
	struct scan_ask a;
	int rc;

	scan_ask_init(&a);
	if (shape % 2)
		scan_ask_texts(&a, field, values, 2);
	if (shape == 2)
		scan_ask_contains(&a, SPAN_LIT("PAYMENT"));
	if (shape == 3)
		a.spec.from_ns = ev->time_ns;
	if (shape == 4)
		scan_ask_severity(&a, 1 << EVENT_SEVERITY_ALERT | 1 << EVENT_SEVERITY_DEBUG);
	if (shape == 5)
		a.spec.id_min = ev->id;
	rc = store_kit_check_spec(k, scan_ask_spec(&a));
	scan_ask_fini(&a);
	if (rc < 0)
		print_error("%s; %s: %s\n", k->wrong, k->d.file, k->d.text);
	assert_int_equal(rc, 0);
}

static void a_live_store(void **state)
{
	const char *env = getenv("ASTRO_SEED");
	uint64_t seed = env ? strtoull(env, NULL, 10) : 20261120;
	struct simfs *fs = simfs_new(seed);
	struct store_conf conf = {
		.vfs = simfs_vfs(fs),
		.dir = SIMFS_DIR,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN,
		.seal_rows = 2000,
	};
	struct store_kit k;

	(void)state;
	print_message("# seed %llu\n", (unsigned long long)seed);
	store_kit_init(&k, &conf, seed);
	k.gen.wild = 150;
	clock_fake(k.now_ns, 1000);
	assert_int_equal(store_kit_open(&k), 0);
	for (int turn = 0; turn < TURNS; turn++) {
		for (unsigned n = 1 + event_gen_below(&k.gen, 4); n > 0; n--)
			assert_int_equal(
				store_kit_append(&k, 1 + event_gen_below(&k.gen, 200), 30), 0);
		assert_int_equal(store_kit_commit(&k), 0);
		if (event_gen_below(&k.gen, 4) == 0)
			assert_int_equal(store_kit_seal(&k), 0);
		for (unsigned shape = 0; shape < SPECS; shape++)
			ask(&k, shape);
	}
	store_kit_fini(&k);
	simfs_free(&fs);
	clock_real();
}

/* ---- keys asked often ---- */

static size_t check_hits(
	struct store_kit *k, struct scan *scan, struct scan_scratch *s, const struct scan_ask *a)
{
	struct scan_stats stats = { 0 };
	size_t all = 0;

	for (size_t i = 0; i < scan_unit_count(scan); i++) {
		const struct scan_hit *hits;
		size_t n;

		assert_int_equal(scan_select(scan, i, s, &hits, &n, &stats, &k->d), 0);
		for (size_t h = 0; h < n; h++) {
			const struct store_kit_event *e = &k->events[hits[h].id - 1];

			assert_false(e->gone);
			assert_int_equal(hits[h].time_ns, e->ev->time_ns);
			assert_true(scan_ask_matches(a, e->ev));
		}
		all += n;
	}
	return all;
}

struct asker {
	struct store_kit *k;
	struct simfs *fs;
	struct store_reader *reader;
	struct scan_scratch *scratch;
	unsigned warm;
};

/* Warm first: if there is such a scan it needs no file, and gives the same. */
static void check_ask(struct asker *w, struct scan_ask *a, size_t want)
{
	struct store_snapshot *snap = NULL;
	struct scan_stats stats = { 0 };
	struct scan *scan = NULL;

	assert_int_equal(store_reader_snapshot(w->reader, &snap, &w->k->d), 0);
	for (int warm = 1; warm >= 0; warm--) {
		uint64_t ops = simfs_ops(w->fs);
		int rc;

		a->spec.warm = warm;
		rc = scan_open(snap, &a->spec, &scan, &stats, &w->k->d);
		assert_in_range(rc, 0, warm ? SCAN_COLD : 0);
		if (rc == 0)
			assert_int_equal(check_hits(w->k, scan, w->scratch, a), want);
		if (warm)
			assert_int_equal(simfs_ops(w->fs), ops);
		w->warm += warm && rc == 0;
		if (rc == 0)
			scan_close(&scan);
	}
	store_snapshot_free(&snap);
}

/* An entity's events, often within bounds that cut through the store. */
static void ask_key(struct asker *w)
{
	struct store_kit *k = w->k;
	struct span ids[2] = { some(k, EVENT_TEXT_ENTITY_ID), some(k, EVENT_TEXT_ENTITY_ID) };
	size_t want = 0;
	struct scan_ask a;

	scan_ask_init(&a);
	scan_ask_texts(&a, EVENT_TEXT_ENTITY_ID, ids, 1 + event_gen_below(&k->gen, 2));
	if (event_gen_below(&k->gen, 3) == 0)
		scan_ask_contains(&a, SPAN_LIT("PAYMENT"));
	if (event_gen_below(&k->gen, 2))
		a.spec.id_min = 1 + event_gen_below(&k->gen, (unsigned)k->events_count);
	if (event_gen_below(&k->gen, 2))
		a.spec.from_ns =
			k->events[event_gen_below(&k->gen, (unsigned)k->events_count)].ev->time_ns;
	scan_ask_spec(&a);
	for (size_t i = 0; i < k->events_count; i++)
		want += !k->events[i].gone && scan_ask_matches(&a, k->events[i].ev);
	check_ask(w, &a, want);
	scan_ask_fini(&a);
}

static void keys_asked_often(void **state)
{
	enum { EVENTS = 3000, ASKED = 60, LATER = 100 };
	struct simfs *fs = simfs_new(7);
	struct store_conf conf = {
		.vfs = simfs_vfs(fs),
		.dir = SIMFS_DIR,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN,
		.seal_rows = EVENTS,
	};
	struct asker w = { .fs = fs, .scratch = scan_scratch_new() };
	static bool which[EVENTS + LATER];
	struct store_kit k;
	unsigned warm;

	(void)state;
	assert_non_null(w.scratch);
	w.k = &k;
	store_kit_init(&k, &conf, 7);
	clock_fake(k.now_ns, 1000);
	assert_int_equal(store_kit_open(&k), 0);
	for (int i = 0; i < EVENTS / 200; i++)
		assert_int_equal(store_kit_append(&k, 200, 1), 0);
	assert_int_equal(store_kit_commit(&k), 0);
	assert_int_equal(store_kit_seal(&k), 0);
	assert_int_equal(store_reader_open(&conf, &w.reader, &k.d), 0);
	for (int i = 0; i < ASKED; i++)
		ask_key(&w);
	warm = w.warm;
	assert_true(warm > 0);
	for (int i = 0; i < EVENTS; i++)
		which[i] = event_gen_below(&k.gen, 3) == 0;
	assert_int_equal(store_kit_delete(&k, which), 0);
	assert_int_equal(store_kit_append(&k, LATER, 1), 0);
	assert_int_equal(store_kit_commit(&k), 0);
	for (int i = 0; i < ASKED; i++)
		ask_key(&w);
	assert_true(w.warm > warm);
	scan_scratch_free(&w.scratch);
	store_reader_close(&w.reader);
	store_kit_fini(&k);
	simfs_free(&fs);
	clock_real();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_live_store),
		cmocka_unit_test(keys_asked_often),
	};

	return cmocka_run_group_tests_name("scan_store", tests, NULL, NULL);
}
