/*
 * Goal:   whatever is done to a store in whatever order, a reader finds exactly the committed events
 *         that were not retired, each as it went in, by any conditions; and verify finds no fault.
 * Method: seeded random operations (append, commit, seal, restart, crash, merge, retention, deletion,
 *         purge, scans with random conditions) against a plain array, on a simulated disk. The seed is
 *         printed when it fails; ASTRO_SEED repeats it, ASTRO_ROUNDS sets the number of operations.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "tests/support/simfs.h"
#include "tests/support/scan_ask.h"
#include "tests/support/store_kit.h"

enum { OPS = 18, ROUNDS = 150, HOURS = 24 * 6, VALUES_MAX = 3 };

#define DAY_NS (INT64_C(86400) * CLOCK_NS_PER_SEC)

struct world {
	struct simfs *fs;
	struct store_kit kit;
	struct event_gen dice;
	uint64_t seed;
	unsigned round;
	bool dirty; /* events are appended and not committed */
};

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : otherwise;
}

static unsigned below(struct world *w, unsigned n)
{
	return event_gen_below(&w->dice, n);
}

static void expect(struct world *w, int rc, const char *what)
{
	if (rc != 0)
		print_error("ASTRO_SEED=%lu, operation %u, %s: %s; %s: %s (%s)\n",
			(unsigned long)w->seed, w->round, what, w->kit.wrong, w->kit.d.file,
			w->kit.d.text, err_name(w->kit.d.code));
	assert_int_equal(rc, 0);
}

/* ---- operations ---- */

static void append(struct world *w)
{
	unsigned batches = 1 + below(w, 4);

	for (unsigned i = 0; i < batches; i++) {
		unsigned hours = below(w, 4) == 0 ? HOURS : 1 + below(w, 3);

		expect(w, store_kit_append(&w->kit, 1 + below(w, 200), hours), "append");
	}
	w->dirty = true;
}

static void commit(struct world *w)
{
	if (w->dirty)
		expect(w, store_kit_commit(&w->kit), "commit");
	w->dirty = false;
}

static void seal(struct world *w)
{
	commit(w);
	expect(w, store_kit_seal(&w->kit), "seal");
}

static void seal_if_due(struct world *w)
{
	int rc;

	commit(w);
	do
		rc = sealer_step(w->kit.sealer, false, NULL, &w->kit.d);
	while (rc == SEALER_DONE);
	expect(w, rc, "sealer_step");
}

/* What was not committed is lost with the process. */
static void restart(struct world *w)
{
	store_kit_close(&w->kit);
	expect(w, store_kit_open(&w->kit), "open");
	w->dirty = false;
}

static void crash(struct world *w)
{
	store_kit_close(&w->kit);
	simfs_reboot(w->fs, (enum simfs_policy)below(w, SIMFS_POLICIES));
	expect(w, store_kit_open(&w->kit), "open after a crash");
	w->dirty = false;
}

static void merge(struct world *w)
{
	expect(w, store_kit_compact(&w->kit, true, 0, 0), "merge");
}

static void retain(struct world *w)
{
	int64_t keep_ns = (2 + below(w, 4)) * DAY_NS;

	expect(w, store_kit_compact(&w->kit, below(w, 2), keep_ns, 0), "retention");
	store_kit_expect_retired(&w->kit, w->kit.now_ns - keep_ns);
}

static void delete_some(struct world *w)
{
	bool *which = calloc(w->kit.committed_count + 1, sizeof *which);
	unsigned one_in = 1 + below(w, 60);

	for (size_t i = 0; i < w->kit.committed_count; i++)
		which[i] = below(w, one_in) == 0;
	/* Seldom nearly all. */
	if (one_in > 1 || below(w, 8) == 0)
		expect(w, store_kit_delete(&w->kit, which), "delete");
	free(which);
}

static void purge(struct world *w)
{
	expect(w, store_kit_purge(&w->kit), "purge");
}

static void pass_time(struct world *w)
{
	w->kit.now_ns += (int64_t)below(w, 12) * 3600 * CLOCK_NS_PER_SEC;
	clock_fake(w->kit.now_ns, w->kit.now_ns);
}

/* ---- conditions ---- */

static const struct event *any_event(struct world *w)
{
	const struct store_kit *k = &w->kit;

	return k->committed_count ? k->events[below(w, (unsigned)k->committed_count)].ev : NULL;
}

static void choose_text(struct world *w, struct scan_ask *a)
{
	unsigned field = below(w, EVENT_TEXT_COUNT), n = 0;
	struct span values[VALUES_MAX];

	for (unsigned i = 0; i < VALUES_MAX; i++) {
		const struct event *ev = any_event(w);

		if (ev && ev->text[field].p)
			values[n++] = ev->text[field];
		if (below(w, 2))
			break;
	}
	if (n > 0)
		scan_ask_texts(a, field, values, n);
}

static void choose(struct world *w, struct scan_ask *ask)
{
	const struct event *a = any_event(w), *b = any_event(w);
	struct scan_spec *spec = &ask->spec;

	if (a && below(w, 2)) {
		spec->from_ns = a->time_ns < b->time_ns ? a->time_ns : b->time_ns;
		spec->to_ns = a->time_ns < b->time_ns ? b->time_ns : a->time_ns;
	}
	if (a && below(w, 4) == 0) {
		spec->id_min = a->id < b->id ? a->id : b->id;
		spec->id_max = a->id < b->id ? b->id : a->id;
	}
	if (below(w, 3) == 0)
		scan_ask_severity(ask, (uint8_t)event_gen_random(&w->dice));
	if (below(w, 2))
		choose_text(w, ask);
	if (a && a->text[EVENT_TEXT_DESCRIPTION].n > 4 && below(w, 4) == 0)
		scan_ask_contains(ask, span_of(a->text[EVENT_TEXT_DESCRIPTION].p + 1, 3));
}

/* ---- the walk ---- */

static void check(struct world *w)
{
	struct scan_ask ask;

	scan_ask_init(&ask);
	choose(w, &ask);
	expect(w, store_kit_check_spec(&w->kit, scan_ask_spec(&ask)), "scan");
	scan_ask_fini(&ask);
	if (w->round % 8 == 0)
		expect(w, store_kit_check(&w->kit), "read all");
	if (w->round % 16 == 0)
		expect(w, store_kit_verify(&w->kit), "verify");
}

static void step(struct world *w)
{
	static void (*const ops[OPS])(struct world *) = {
		append,
		append,
		append,
		append,
		append,
		commit,
		commit,
		seal,
		seal_if_due,
		seal_if_due,
		restart,
		crash,
		merge,
		merge,
		retain,
		pass_time,
		delete_some,
		purge,
	};
	unsigned op = below(w, OPS);

	ops[op](w);
	check(w);
}

static void set_up(struct world *w, uint64_t seed)
{
	struct store_conf conf = { .dir = SIMFS_DIR };

	memset(w, 0, sizeof *w);
	w->seed = seed;
	event_gen_init(&w->dice, seed ^ 0x5eed);
	conf.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN;
	conf.seal_rows = 100 + below(w, 2000);
	conf.seal_bytes = 20000 + below(w, 1 << 20);
	conf.tail_cache_bytes = below(w, 2) ? 1 : 1 << 20;
	w->fs = simfs_new(seed);
	conf.vfs = simfs_vfs(w->fs);
	store_kit_init(&w->kit, &conf, seed);
	pass_time(w);
	expect(w, store_kit_open(&w->kit), "make a store");
}

static void tear_down(struct world *w)
{
	store_kit_fini(&w->kit);
	assert_int_equal(simfs_fds(w->fs), 0);
	simfs_free(&w->fs);
	event_gen_fini(&w->dice);
	clock_real();
}

static void walk(uint64_t seed)
{
	unsigned rounds = (unsigned)env_number("ASTRO_ROUNDS", ROUNDS);
	struct world w;

	set_up(&w, seed);
	for (w.round = 1; w.round <= rounds; w.round++)
		step(&w);
	seal(&w);
	merge(&w);
	restart(&w);
	w.round = 16;
	check(&w);
	print_message("# seed %lu: %zu events\n", (unsigned long)seed, w.kit.committed_count);
	tear_down(&w);
}

static void one_seed(void **state)
{
	(void)state;
	walk(env_number("ASTRO_SEED", 20261120));
}

static void another_seed(void **state)
{
	(void)state;
	walk(env_number("ASTRO_SEED", 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_seed),
		cmocka_unit_test(another_seed),
	};

	return cmocka_run_group_tests_name("store_model", tests, NULL, NULL);
}
