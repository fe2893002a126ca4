/*
 * Goal:   whatever operation of a deletion or of its purge fails, and whenever the power goes within
 *         one, all of an order's events are hidden or none, what was hidden stays so, no other event
 *         is touched, and the next attempt carries it out to the end.
 * Method: a small store on a simulated disk, rows of the order in segments and in the journal, with the
 *         1st, 2nd, 3rd ... operation failing until the step passes untouched; after each the model,
 *         verify, and the step once more. FAULT_STRIDE=n tries every nth operation only.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/compact_redact.h"
#include "tests/fault/sim_store.h"

enum { EVENTS_MAX = 64, EVERY = 3 };

struct world {
	struct simfs *fs;
	struct store_kit kit;
};

static int with_compact(struct world *w, int (*act)(struct world *, struct compact *))
{
	const struct compact_conf conf = {
		.vfs = w->kit.conf.vfs,
		.dir = SIMFS_DIR,
		.now_ns = w->kit.now_ns,
	};
	struct compact *c = NULL;
	int rc = compact_open(&conf, &c, &w->kit.d);

	if (rc == 0)
		rc = act(w, c);
	compact_close(&c);
	return rc;
}

static int order(struct world *w, struct compact *c)
{
	struct redact_info info;
	struct idset ids;
	uint64_t held = 1;
	int rc = 0;

	idset_init(&ids, 1 << 20);
	for (uint64_t id = 1; id <= w->kit.events_count && rc >= 0; id += EVERY)
		rc = idset_add(&ids, id);
	if (rc == 0)
		rc = compact_redact_order(c, &ids, NULL, span_str("test"), &info, &held, &w->kit.d);
	if (rc == 0)
		assert_int_equal(held, 0);
	idset_fini(&ids);
	return rc;
}

static int purge(struct world *w, struct compact *c)
{
	int rc = compact_redact_purge(c, &w->kit.d);

	return rc == 0 && compact_total(c)->failures > 0 ? w->kit.d.code : rc;
}

/* Whether the order holds; never half of it. */
static bool hidden(struct world *w, uint64_t nth)
{
	bool seen[EVENTS_MAX] = { 0 };
	unsigned wanted = 0, there = 0;

	assert_true(w->kit.events_count <= EVENTS_MAX);
	sim_store_ok(&w->kit, store_kit_see(&w->kit, seen), "read", nth);
	for (uint64_t id = 1; id <= w->kit.events_count; id += EVERY) {
		wanted++;
		there += seen[id - 1];
	}
	assert_true(there == 0 || there == wanted);
	return there == 0;
}

static void mark_gone(struct world *w)
{
	for (uint64_t id = 1; id <= w->kit.events_count; id += EVERY)
		w->kit.events[id - 1].gone = true;
}

static void assert_sound(struct world *w, uint64_t nth)
{
	sim_store_ok(&w->kit, store_kit_check(&w->kit), "check", nth);
	sim_store_ok(&w->kit, store_kit_verify(&w->kit), "verify", nth);
}

static int see_done(void *arg, const struct redact_info *info, const struct idset *ids)
{
	unsigned *done = arg;

	(void)ids;
	*done += info->done;
	return 0;
}

/* After the last rows were sealed the order can be carried out, and nothing of it is left. */
static void to_the_end(struct world *w, uint64_t nth)
{
	const struct vfs *v = w->kit.conf.vfs;
	struct verify_report report;
	const struct verify_conf conf = { .vfs = v, .dir = SIMFS_DIR };
	unsigned done = 0;
	int dir;

	sim_store_ok(&w->kit, store_kit_seal(&w->kit), "seal the rest", nth);
	sim_store_ok(&w->kit, with_compact(w, purge), "purge the rest", nth);
	assert_sound(w, nth);
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	assert_int_equal(redact_each(v, dir, NULL, see_done, NULL, &done, NULL), 0);
	v->close(v->ctx, dir);
	assert_true(done >= 1);
	assert_int_equal(verify_run(&conf, &report, &w->kit.d), 0);
	assert_int_equal(report.ids_missing, 0);
	assert_int_equal(report.ids_deleted, (w->kit.events_count + EVERY - 1) / EVERY);
	assert_int_equal(report.rows + report.ids_deleted, w->kit.events_count);
}

static void after_failure(struct world *w, uint64_t nth, enum simfs_failure kind, bool fired)
{
	simfs_fail(w->fs, 0, kind, 0);
	if (kind != SIMFS_CRASH || !fired)
		return;
	store_kit_close(&w->kit);
	simfs_reboot(w->fs, (enum simfs_policy)(nth % SIMFS_POLICIES));
	sim_store_ok(&w->kit, store_kit_open(&w->kit), "open after a crash", nth);
}

static bool try_order(uint64_t nth, enum simfs_failure kind, int error)
{
	struct world w;
	bool fired;
	int rc;

	sim_store_begin(&w.fs, &w.kit, 5, 8, 2);
	simfs_fail(w.fs, nth, kind, error);
	rc = with_compact(&w, order);
	fired = simfs_fired(w.fs);
	after_failure(&w, nth, kind, fired);
	if (!fired)
		sim_store_ok(&w.kit, rc, "the order", nth);
	/* Durable but not announced: a reader may still not know, so a failed one is given again. */
	if (rc == 0)
		assert_true(hidden(&w, nth));
	else if (!hidden(&w, nth))
		sim_store_ok(&w.kit, with_compact(&w, order), "the order again", nth);
	assert_true(hidden(&w, nth));
	mark_gone(&w);
	assert_sound(&w, nth);
	to_the_end(&w, nth);
	sim_store_end(&w.fs, &w.kit);
	return fired;
}

static bool try_purge(uint64_t nth, enum simfs_failure kind, int error)
{
	struct world w;
	bool fired;
	int rc;

	sim_store_begin(&w.fs, &w.kit, 5, 8, 2);
	sim_store_ok(&w.kit, with_compact(&w, order), "the order", nth);
	mark_gone(&w);
	simfs_fail(w.fs, nth, kind, error);
	rc = with_compact(&w, purge);
	fired = simfs_fired(w.fs);
	after_failure(&w, nth, kind, fired);
	if (!fired)
		sim_store_ok(&w.kit, rc, "the purge", nth);
	assert_true(hidden(&w, nth));
	assert_sound(&w, nth);
	to_the_end(&w, nth);
	sim_store_end(&w.fs, &w.kit);
	return fired;
}

static void loop(
	bool (*try_one)(uint64_t, enum simfs_failure, int), enum simfs_failure kind, int error)
{
	const char *s = getenv("FAULT_STRIDE");
	uint64_t nth = 1, stride = s ? strtoull(s, NULL, 10) : 1;

	while (try_one(nth, kind, error))
		nth += stride;
	print_message("# %lu operations\n", (unsigned long)nth - 1);
	assert_in_range(nth, 20, 5000);
}

#define T(name, step, kind, error)       \
	static void name(void **state)   \
	{                                \
		(void)state;             \
		loop(step, kind, error); \
	}

T(order_fails, try_order, SIMFS_ERROR, -EIO)
T(order_fills_the_disk, try_order, SIMFS_SHORT, -ENOSPC)
T(order_dies, try_order, SIMFS_CRASH, -EIO)
T(purge_fails, try_purge, SIMFS_ERROR, -EIO)
T(purge_fills_the_disk, try_purge, SIMFS_SHORT, -ENOSPC)
T(purge_dies, try_purge, SIMFS_CRASH, -EIO)
#undef T

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_fails),
		cmocka_unit_test(order_fills_the_disk),
		cmocka_unit_test(order_dies),
		cmocka_unit_test(purge_fails),
		cmocka_unit_test(purge_fills_the_disk),
		cmocka_unit_test(purge_dies),
	};

	return cmocka_run_group_tests_name("fault_redact", tests, NULL, NULL);
}
