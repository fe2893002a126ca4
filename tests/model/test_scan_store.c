/*
 * Goal:   a scan of a live store finds the same events in the journal as in segments, while events
 *         move from the one to the other.
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_live_store),
	};

	return cmocka_run_group_tests_name("scan_store", tests, NULL, NULL);
}
