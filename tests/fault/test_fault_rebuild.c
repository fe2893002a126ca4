/*
 * Goal:   a store that lost both copies of its manifest is whole again after a rebuild: whatever seal
 *         or merge was cut short before, and whatever fails within the rebuild.
 * Method: a small store on a simulated disk; its step dies at the 1st, 2nd, 3rd ... operation, then
 *         all manifests are damaged, rebuilt, and the store is compared with the model. Then the same
 *         with the rebuild failing or dying. FAULT_STRIDE=n tries every nth operation only.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/manifest_rebuild.h"
#include "tests/fault/sim_store.h"

#define DAY_NS (INT64_C(86400) * CLOCK_NS_PER_SEC)

enum step { STEP_NONE, STEP_SEAL, STEP_MERGE, STEP_TIDY };

struct world {
	struct simfs *fs;
	struct store_kit kit;
	struct manifest_rebuild_report report;
	bool lossy;
};

static void seal_some(struct world *w, unsigned seals, unsigned hours)
{
	for (unsigned i = 0; i < seals; i++) {
		sim_store_ok(&w->kit, store_kit_append(&w->kit, 9, hours), "append", 0);
		sim_store_ok(&w->kit, store_kit_commit(&w->kit), "commit", 0);
		sim_store_ok(&w->kit, store_kit_seal(&w->kit), "seal", 0);
	}
}

/* Merged and not, of several days and mixed ones, deleted rows, and rows that are not sealed. */
static void make_store(struct world *w)
{
	struct store_conf conf = {
		.dir = SIMFS_DIR,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN,
	};
	bool which[1000] = { false };

	memset(w, 0, sizeof *w);
	w->fs = simfs_new(3);
	conf.vfs = simfs_vfs(w->fs);
	store_kit_init(&w->kit, &conf, 3);
	w->kit.gen.wild = 0;
	clock_fake(w->kit.now_ns, 1000);
	sim_store_ok(&w->kit, store_kit_open(&w->kit), "open", 0);
	seal_some(w, 3, 24 * 4);
	sim_store_ok(&w->kit, store_kit_compact(&w->kit, true, 0, 0), "compact", 0);
	for (size_t i = 0; i < w->kit.committed_count; i += 3)
		which[i] = true;
	sim_store_ok(&w->kit, store_kit_delete(&w->kit, which), "delete", 0);
	sim_store_ok(&w->kit, store_kit_purge(&w->kit), "purge", 0);
	seal_some(w, 2, 24 * 100);
	w->kit.now_ns -= w->kit.now_ns % DAY_NS - DAY_NS / 2;
	seal_some(w, SEALER_MERGE_FANOUT, 1);
	sim_store_ok(&w->kit, store_kit_append(&w->kit, 12, 24 * 3), "append", 0);
	sim_store_ok(&w->kit, store_kit_commit(&w->kit), "commit", 0);
}

static int act(struct world *w, enum step step)
{
	struct sealer_merge_report report;
	int rc = 0;

	switch (step) {
	case STEP_NONE:
		break;
	case STEP_SEAL:
		return store_kit_seal(&w->kit);
	case STEP_MERGE:
		return store_kit_compact(&w->kit, true, 0, 0);
	case STEP_TIDY:
		do
			rc = sealer_tidy(w->kit.sealer, &report, &w->kit.d);
		while (rc > 0);
		break;
	}
	return rc;
}

static int damage(void *arg, const char *name)
{
	struct world *w = arg;

	if (strncmp(name, "manifest-", 9) == 0)
		simfs_flip(w->fs, name, 20, 4);
	return 0;
}

static void lose_manifest(struct world *w)
{
	const struct vfs *v = w->kit.conf.vfs;
	int dir = v->open_dir(v->ctx, SIMFS_DIR);

	assert_int_equal(v->list(v->ctx, dir, ".", damage, w), 0);
	v->close(v->ctx, dir);
	assert_int_equal(store_kit_open(&w->kit), ERR_CORRUPT);
	store_kit_close(&w->kit);
}

static int rebuild(struct world *w)
{
	const struct manifest_rebuild_conf conf = {
		.vfs = w->kit.conf.vfs,
		.dir = SIMFS_DIR,
		.now_ns = w->kit.now_ns,
		.lossy = w->lossy,
	};

	return manifest_rebuild(&conf, &w->report, &w->kit.d);
}

static void assert_whole(struct world *w, uint64_t nth)
{
	sim_store_ok(&w->kit, store_kit_open(&w->kit), "open", nth);
	sim_store_ok(&w->kit, store_kit_check(&w->kit), "check", nth);
	sim_store_ok(&w->kit, store_kit_verify(&w->kit), "verify", nth);
	seal_some(w, 1, 24);
	sim_store_ok(&w->kit, store_kit_compact(&w->kit, true, 0, 0), "compact", nth);
	sim_store_ok(&w->kit, store_kit_check(&w->kit), "check at the end", nth);
}

static void end_store(struct world *w)
{
	store_kit_fini(&w->kit);
	assert_int_equal(simfs_fds(w->fs), 0);
	simfs_free(&w->fs);
	clock_real();
}

/* The step dies at its nth operation. False: it passed before. */
static bool try_step(enum step step, uint64_t nth)
{
	struct world w;
	bool fired;

	make_store(&w);
	simfs_fail(w.fs, nth, SIMFS_CRASH, -EIO);
	act(&w, step);
	fired = simfs_fired(w.fs);
	simfs_fail(w.fs, 0, SIMFS_CRASH, 0);
	store_kit_close(&w.kit);
	if (fired)
		simfs_reboot(w.fs, (enum simfs_policy)(nth % SIMFS_POLICIES));
	lose_manifest(&w);
	sim_store_ok(&w.kit, rebuild(&w), "rebuild", nth);
	assert_int_equal(w.report.left_out[MANIFEST_REBUILD_UNREADABLE], 0);
	assert_whole(&w, nth);
	end_store(&w);
	return fired;
}

/* The rebuild fails or dies at its nth operation, and is run again. */
static bool try_rebuild(enum simfs_failure kind, uint64_t nth)
{
	struct world w;
	bool fired;
	int rc;

	make_store(&w);
	store_kit_close(&w.kit);
	lose_manifest(&w);
	simfs_fail(w.fs, nth, kind, kind == SIMFS_SHORT ? -ENOSPC : -EIO);
	rc = rebuild(&w);
	fired = simfs_fired(w.fs);
	simfs_fail(w.fs, 0, kind, 0);
	if (kind == SIMFS_CRASH && fired)
		simfs_reboot(w.fs, (enum simfs_policy)(nth % SIMFS_POLICIES));
	if (rc < 0 || kind == SIMFS_CRASH)
		assert_in_range(rebuild(&w), 0, MANIFEST_REBUILD_SOUND);
	assert_whole(&w, nth);
	end_store(&w);
	return fired;
}

static uint64_t stride(void)
{
	const char *s = getenv("FAULT_STRIDE");

	return s ? strtoull(s, NULL, 10) : 1;
}

static void loop_step(enum step step)
{
	uint64_t nth = 1;

	while (try_step(step, nth))
		nth += stride();
	print_message("# %lu operations\n", (unsigned long)nth - 1);
}

static void loop_rebuild(enum simfs_failure kind)
{
	uint64_t nth = 1;

	while (try_rebuild(kind, nth))
		nth += stride();
	print_message("# %lu operations\n", (unsigned long)nth - 1);
	assert_in_range(nth, 20, 5000);
}

static void at_rest(void **state)
{
	struct world w;

	(void)state;
	make_store(&w);
	store_kit_close(&w.kit);
	assert_int_equal(rebuild(&w), MANIFEST_REBUILD_SOUND);
	lose_manifest(&w);
	sim_store_ok(&w.kit, rebuild(&w), "rebuild", 0);
	assert_int_equal(w.report.left_out[MANIFEST_REBUILD_UNREADABLE], 0);
	assert_int_equal(w.report.left_out[MANIFEST_REBUILD_MERGED], 0);
	assert_int_equal(w.report.left_out[MANIFEST_REBUILD_UNFINISHED], 0);
	assert_int_equal(rebuild(&w), MANIFEST_REBUILD_SOUND);
	sim_store_ok(&w.kit, store_kit_open(&w.kit), "open", 0);
	assert_int_equal(rebuild(&w), ERR_LOCKED);
	sim_store_ok(&w.kit, store_kit_check(&w.kit), "check", 0);
	end_store(&w);
}

/* The journal still holds rows that no segment has any more: deleted ones do not come back from it. */
static void the_last_rows_were_deleted(void **state)
{
	bool which[1000] = { false };

	(void)state;
	for (int with_ctl = 0; with_ctl < 2; with_ctl++) {
		struct world w;

		make_store(&w);
		sim_store_ok(&w.kit, store_kit_seal(&w.kit), "seal", 0);
		memset(which + w.kit.committed_count - 5, true, 5);
		sim_store_ok(&w.kit, store_kit_delete(&w.kit, which), "delete", 0);
		sim_store_ok(&w.kit, store_kit_purge(&w.kit), "purge", 0);
		store_kit_close(&w.kit);
		if (!with_ctl)
			simfs_truncate(w.fs, "ctl", 0);
		lose_manifest(&w);
		sim_store_ok(&w.kit, rebuild(&w), "rebuild", 0);
		assert_whole(&w, 0);
		end_store(&w);
	}
}

static int find_segment(void *arg, const char *name)
{
	snprintf(arg, 256, "%s", name);
	return strstr(name, ".seg") != NULL;
}

/* What cannot be read is not given up unless somebody says so. */
static void an_unreadable_segment(void **state)
{
	char day[256], name[256], path[600];
	const struct vfs *v;
	struct world w;
	int dir;

	(void)state;
	make_store(&w);
	store_kit_close(&w.kit);
	lose_manifest(&w);
	v = w.kit.conf.vfs;
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	v->list(v->ctx, dir, "seg", find_segment, day);
	snprintf(path, sizeof path, "seg/%s", day);
	assert_int_equal(v->list(v->ctx, dir, path, find_segment, name), 1);
	v->close(v->ctx, dir);
	snprintf(path, sizeof path, "seg/%s/%s", day, name);
	assert_int_equal(simfs_truncate(w.fs, path, 200), 0);
	assert_int_equal(rebuild(&w), ERR_CORRUPT);
	assert_int_equal(w.report.left_out[MANIFEST_REBUILD_UNREADABLE], 1);
	assert_int_equal(store_kit_open(&w.kit), ERR_CORRUPT);
	store_kit_close(&w.kit);
	w.lossy = true;
	sim_store_ok(&w.kit, rebuild(&w), "rebuild", 0);
	assert_int_equal(w.report.left_out[MANIFEST_REBUILD_UNREADABLE], 1);
	sim_store_ok(&w.kit, store_kit_open(&w.kit), "open", 0);
	end_store(&w);
}

#define T(name, call)                  \
	static void name(void **state) \
	{                              \
		(void)state;           \
		call;                  \
	}

T(after_a_seal_died, loop_step(STEP_SEAL))
T(after_a_merge_died, loop_step(STEP_MERGE))
T(after_a_merge_of_the_sealer_died, loop_step(STEP_TIDY))
T(rebuild_fails, loop_rebuild(SIMFS_ERROR))
T(rebuild_fills_the_disk, loop_rebuild(SIMFS_SHORT))
T(rebuild_dies, loop_rebuild(SIMFS_CRASH))
#undef T

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_rest),
		cmocka_unit_test(the_last_rows_were_deleted),
		cmocka_unit_test(an_unreadable_segment),
		cmocka_unit_test(after_a_seal_died),
		cmocka_unit_test(after_a_merge_died),
		cmocka_unit_test(after_a_merge_of_the_sealer_died),
		cmocka_unit_test(rebuild_fails),
		cmocka_unit_test(rebuild_fills_the_disk),
		cmocka_unit_test(rebuild_dies),
	};

	return cmocka_run_group_tests_name("fault_rebuild", tests, NULL, NULL);
}
