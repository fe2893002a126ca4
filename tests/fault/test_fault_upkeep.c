/*
 * Goal:   whatever operation of a seal, a merge, a retention pass, the making of a sidecar or a scrub
 *         fails, and whenever the power goes within one, the store is as before or as after, and the
 *         next attempt leaves nothing behind.
 * Method: the same small store on a simulated disk, with the 1st, 2nd, 3rd ... operation of the step
 *         failing until it passes untouched; after each the model, verify, the step once more, and a
 *         look for files that nobody lists. FAULT_STRIDE=n tries every nth operation only.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/publish.h"
#include "storage/scrub.h"
#include "storage/sidx_common.h"
#include "storage/snapshot_int.h"
#include "tests/fault/sim_store.h"

enum step { STEP_SEAL, STEP_MERGE, STEP_RETAIN, STEP_SIDECARS, STEP_SCRUB, STEP_TIDY };

#define DAY_NS  (INT64_C(86400) * CLOCK_NS_PER_SEC)
#define KEEP_NS (2 * DAY_NS)

struct world {
	struct simfs *fs;
	struct store_kit kit;
	int64_t mono_ns; /* STEP_TIDY */
};

/* One sidecar of the first segment is of no use. */
static void spoil_sidecar(struct world *w)
{
	struct store_reader *r = NULL;
	struct store_snapshot *snap = NULL;
	char path[MANIFEST_PATH_BYTES];

	assert_int_equal(store_reader_open(&w->kit.conf, &r, &w->kit.d), 0);
	assert_int_equal(store_reader_snapshot(r, &snap, &w->kit.d), 0);
	publish_path(snapshot_segment(snap, 0), SIDX_TYPE, path);
	store_snapshot_free(&snap);
	store_reader_close(&r);
	assert_int_equal(simfs_flip(w->fs, path, 30, 0x10), 0);
}

/* With a budget for one segment, so that the state is needed. */
static int scrub(struct world *w)
{
	const struct scrub_conf conf = {
		.vfs = w->kit.conf.vfs,
		.dir = SIMFS_DIR,
		.now_ns = w->kit.now_ns,
		.budget_bytes = 1,
	};
	struct scrub_report report;
	int rc = scrub_run(&conf, &report, &w->kit.d);

	/* One that cannot be opened is passed over, and told. */
	assert_true(rc < 0 || report.segments <= 1 || report.damages > 0);
	return rc;
}

/* So many small segments of one day that the sealer merges them, twice over. */
static void make_small_segments(struct world *w)
{
	w->kit.now_ns -= w->kit.now_ns % DAY_NS - DAY_NS / 2;
	for (int i = 0; i < 2 * SEALER_MERGE_FANOUT; i++) {
		sim_store_ok(&w->kit, store_kit_append(&w->kit, 2, 1), "append", 0);
		sim_store_ok(&w->kit, store_kit_commit(&w->kit), "commit", 0);
		sim_store_ok(&w->kit, store_kit_seal(&w->kit), "seal", 0);
	}
}

/* As the sealer's thread when it has nothing to seal; the clock goes on, so that pauses are over. */
static int tidy(struct world *w)
{
	struct sealer_merge_report report;
	int rc;

	clock_fake(w->kit.now_ns, w->mono_ns += 60 * CLOCK_NS_PER_SEC);
	do
		rc = sealer_tidy(w->kit.sealer, &report, &w->kit.d);
	while (rc > 0);
	return rc;
}

static size_t count_live(struct world *w)
{
	struct store_reader *r = NULL;
	struct store_snapshot *snap = NULL;
	size_t n;

	assert_int_equal(store_reader_open(&w->kit.conf, &r, &w->kit.d), 0);
	assert_int_equal(store_reader_snapshot(r, &snap, &w->kit.d), 0);
	n = snapshot_segment_count(snap);
	store_snapshot_free(&snap);
	store_reader_close(&r);
	return n;
}

static int act(struct world *w, enum step step)
{
	switch (step) {
	case STEP_SEAL:
		return store_kit_seal(&w->kit);
	case STEP_MERGE:
		return store_kit_compact(&w->kit, true, 0, 0);
	case STEP_RETAIN:
		return store_kit_compact(&w->kit, false, KEEP_NS, 0);
	case STEP_SIDECARS:
		return store_kit_compact(&w->kit, false, 0, 0);
	case STEP_SCRUB:
		return scrub(w);
	case STEP_TIDY:
		return tidy(w);
	}
	return -1;
}

static unsigned count_gone(const struct world *w)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->kit.events_count; i++)
		n += w->kit.events[i].gone;
	return n;
}

struct notes {
	unsigned count;
	char text[512];
};

static void on_note(void *arg, const struct verify_finding *f)
{
	struct notes *n = arg;

	if (strncmp(f->diag.file, "seg/", 4) != 0 && strncmp(f->diag.file, "bad/", 4) != 0)
		return;
	n->count++;
	verify_format(f, n->text, sizeof n->text);
}

/* At rest, nothing stands below seg/ that the manifest does not list, and nothing in quarantine. */
static void assert_tidy(struct world *w, uint64_t nth)
{
	struct notes notes = { 0 };
	const struct verify_conf conf = {
		.vfs = w->kit.conf.vfs,
		.dir = SIMFS_DIR,
		.found = on_note,
		.arg = &notes,
	};
	struct verify_report report;

	store_kit_close(&w->kit);
	assert_int_equal(verify_run(&conf, &report, &w->kit.d), 0);
	if (notes.count > 0)
		print_error("operation %lu left: %s\n", (unsigned long)nth, notes.text);
	assert_int_equal(notes.count, 0);
}

static void assert_sound(struct world *w, enum step step, uint64_t nth)
{
	if (step == STEP_RETAIN)
		store_kit_expect_retired(&w->kit, w->kit.now_ns - KEEP_NS);
	sim_store_ok(&w->kit, store_kit_check(&w->kit), "check", nth);
	if (step != STEP_SIDECARS)
		sim_store_ok(&w->kit, store_kit_verify(&w->kit), "verify", nth);
}

/* False: the step passed before its nth operation. */
static bool try_one(enum step step, uint64_t nth, enum simfs_failure kind, int error)
{
	struct world w = { 0 };
	unsigned gone, gone_after;
	bool fired;
	int rc;

	sim_store_begin(&w.fs, &w.kit, 3, 12, 4);
	if (step == STEP_SIDECARS)
		spoil_sidecar(&w);
	if (step == STEP_TIDY)
		make_small_segments(&w);
	simfs_fail(w.fs, nth, kind, error);
	rc = act(&w, step);
	fired = simfs_fired(w.fs);
	simfs_fail(w.fs, 0, kind, 0);
	if (!fired)
		sim_store_ok(&w.kit, rc, "the step itself", nth);
	if (kind == SIMFS_CRASH && fired) {
		store_kit_close(&w.kit);
		simfs_reboot(w.fs, (enum simfs_policy)(nth % SIMFS_POLICIES));
		sim_store_ok(&w.kit, store_kit_open(&w.kit), "open after a crash", nth);
	}
	assert_sound(&w, step, nth);
	gone = count_gone(&w);
	sim_store_ok(&w.kit, act(&w, step), "the step once more", nth);
	assert_sound(&w, step == STEP_SIDECARS ? STEP_MERGE : step, nth);
	gone_after = count_gone(&w);
	assert_true(gone == 0 || gone == gone_after);
	if (step == STEP_RETAIN)
		assert_true(gone_after > 0);
	if (step == STEP_TIDY)
		assert_in_range(count_live(&w), 1, 2 * SEALER_MERGE_FANOUT);
	store_kit_close(&w.kit);
	sim_store_ok(&w.kit, store_kit_open(&w.kit), "open at the end", nth);
	sim_store_ok(&w.kit, store_kit_check(&w.kit), "check at the end", nth);
	assert_tidy(&w, nth);
	sim_store_end(&w.fs, &w.kit);
	clock_real();
	return fired;
}

static void loop(enum step step, enum simfs_failure kind, int error)
{
	const char *s = getenv("FAULT_STRIDE");
	uint64_t nth = 1, stride = s ? strtoull(s, NULL, 10) : 1;

	while (try_one(step, nth, kind, error))
		nth += stride;
	print_message("# %lu operations\n", (unsigned long)nth - 1);
	assert_in_range(nth, step == STEP_SIDECARS || step == STEP_SCRUB ? 10 : 50, 5000);
}

#define T(name, step, kind, error)       \
	static void name(void **state)   \
	{                                \
		(void)state;             \
		loop(step, kind, error); \
	}

T(seal_fails, STEP_SEAL, SIMFS_ERROR, -EIO)
T(seal_fills_the_disk, STEP_SEAL, SIMFS_SHORT, -ENOSPC)
T(seal_dies, STEP_SEAL, SIMFS_CRASH, -EIO)
T(merge_fails, STEP_MERGE, SIMFS_ERROR, -EIO)
T(merge_fills_the_disk, STEP_MERGE, SIMFS_SHORT, -ENOSPC)
T(merge_dies, STEP_MERGE, SIMFS_CRASH, -EIO)
T(retention_fails, STEP_RETAIN, SIMFS_ERROR, -EIO)
T(retention_dies, STEP_RETAIN, SIMFS_CRASH, -EIO)
T(sidecar_fails, STEP_SIDECARS, SIMFS_ERROR, -EIO)
T(sidecar_dies, STEP_SIDECARS, SIMFS_CRASH, -EIO)
T(scrub_fails, STEP_SCRUB, SIMFS_ERROR, -EIO)
T(scrub_fills_the_disk, STEP_SCRUB, SIMFS_SHORT, -ENOSPC)
T(scrub_dies, STEP_SCRUB, SIMFS_CRASH, -EIO)
T(tidy_fails, STEP_TIDY, SIMFS_ERROR, -EIO)
T(tidy_fills_the_disk, STEP_TIDY, SIMFS_SHORT, -ENOSPC)
T(tidy_dies, STEP_TIDY, SIMFS_CRASH, -EIO)
#undef T

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seal_fails),
		cmocka_unit_test(seal_fills_the_disk),
		cmocka_unit_test(seal_dies),
		cmocka_unit_test(merge_fails),
		cmocka_unit_test(merge_fills_the_disk),
		cmocka_unit_test(merge_dies),
		cmocka_unit_test(retention_fails),
		cmocka_unit_test(retention_dies),
		cmocka_unit_test(sidecar_fails),
		cmocka_unit_test(sidecar_dies),
		cmocka_unit_test(scrub_fails),
		cmocka_unit_test(scrub_fills_the_disk),
		cmocka_unit_test(scrub_dies),
		cmocka_unit_test(tidy_fails),
		cmocka_unit_test(tidy_fills_the_disk),
		cmocka_unit_test(tidy_dies),
	};

	return cmocka_run_group_tests_name("fault_upkeep", tests, NULL, NULL);
}
