/*
 * Goal:   whatever operation of a snapshot of the store fails, and whenever the process dies or the power
 *         goes within one, the store is as it was, and the copy is either no store for anybody or whole.
 * Method: the same small store on a simulated disk, with the 1st, 2nd, 3rd ... operation of the copying
 *         failing until it passes untouched; after each the model against the store, and against the
 *         copy where there is one. FAULT_STRIDE=n tries every nth operation only.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/backup.h"
#include "tests/fault/sim_store.h"

#define COPY "copy"

struct world {
	struct simfs *fs;
	struct store_kit kit;
	struct backup_report report;
};

static int act(struct world *w, bool copy)
{
	const struct backup_conf conf = {
		.vfs = w->kit.conf.vfs,
		.dir = SIMFS_DIR,
		.to = COPY,
		.copy = copy,
	};

	return backup_run(&conf, &w->report, &w->kit.d);
}

static int check_at(struct world *w, const char *dir)
{
	int rc;

	w->kit.conf.dir = dir;
	rc = store_kit_check(&w->kit);
	if (rc == 0)
		rc = store_kit_verify(&w->kit);
	w->kit.conf.dir = SIMFS_DIR;
	return rc;
}

/* A collector goes on in the copy, and the store knows nothing of it. */
static void go_on_in_copy(struct world *w, uint64_t nth)
{
	size_t before = w->kit.events_count;

	store_kit_close(&w->kit);
	w->kit.conf.dir = COPY;
	sim_store_ok(&w->kit, store_kit_open(&w->kit), "open the copy", nth);
	assert_int_equal(w->kit.events_count, before);
	sim_store_ok(&w->kit, store_kit_append(&w->kit, 5, 5), "append to the copy", nth);
	sim_store_ok(&w->kit, store_kit_commit(&w->kit), "commit in the copy", nth);
	sim_store_ok(&w->kit, store_kit_seal(&w->kit), "seal in the copy", nth);
	sim_store_ok(&w->kit, store_kit_compact(&w->kit, true, 0, 0), "merge in the copy", nth);
	sim_store_ok(&w->kit, check_at(w, COPY), "check the copy after more", nth);
	store_kit_close(&w->kit);
	for (size_t i = before; i < w->kit.events_count; i++)
		w->kit.events[i].gone = true;
	w->kit.committed_count = before;
	w->kit.conf.dir = SIMFS_DIR;
	sim_store_ok(&w->kit, store_kit_open(&w->kit), "open the store again", nth);
	assert_int_equal(w->kit.events_count, before);
	sim_store_ok(&w->kit, check_at(w, SIMFS_DIR), "check the store at the end", nth);
}

/* The copy is refused by readers and writers alike, and by another run. */
static void assert_no_store(struct world *w)
{
	struct store_conf conf = w->kit.conf;
	struct store_writer *writer = NULL;
	struct store_reader *reader = NULL;
	struct vfs_stat st;
	int dir = conf.vfs->open_dir(conf.vfs->ctx, COPY);

	if (dir == -ENOENT)
		return;
	assert_true(dir >= 0);
	conf.dir = COPY;
	assert_int_equal(store_reader_open(&conf, &reader, &w->kit.d), ERR_NOT_A_STORE);
	/* Killed before it began, the directory may be empty: any new store may be made there. */
	if (conf.vfs->stat(conf.vfs->ctx, dir, "format.partial", &st) == 0) {
		assert_int_equal(store_writer_open(&conf, &writer, &w->kit.d), ERR_NOT_A_STORE);
		assert_non_null(strstr(w->kit.d.text, "not finished"));
		assert_int_equal(act(w, false), -EEXIST);
	}
	conf.vfs->close(conf.vfs->ctx, dir);
}

static bool is_store(struct world *w)
{
	const struct vfs *v = w->kit.conf.vfs;
	struct vfs_stat st;
	int dir = v->open_dir(v->ctx, COPY), rc = dir;

	if (dir >= 0) {
		rc = v->stat(v->ctx, dir, "format", &st);
		v->close(v->ctx, dir);
	}
	return rc == 0;
}

/* False: the copying passed before its nth operation. */
static bool try_one(uint64_t nth, enum simfs_failure kind, int error, bool copy)
{
	struct world w;
	bool fired;
	int rc;

	sim_store_begin(&w.fs, &w.kit, 3, 12, 2);
	simfs_fail(w.fs, nth, kind, error);
	rc = act(&w, copy);
	fired = simfs_fired(w.fs);
	simfs_fail(w.fs, 0, kind, 0);
	if (!fired)
		sim_store_ok(&w.kit, rc, "the copy itself", nth);
	if (kind == SIMFS_CRASH && fired) {
		store_kit_close(&w.kit);
		simfs_reboot(w.fs, (enum simfs_policy)(nth % (SIMFS_POLICIES + 1)));
		sim_store_ok(&w.kit, store_kit_open(&w.kit), "open after a crash", nth);
	}
	sim_store_ok(&w.kit, check_at(&w, SIMFS_DIR), "check the store", nth);
	if (rc == 0)
		assert_true(is_store(&w));
	if (is_store(&w)) {
		sim_store_ok(&w.kit, check_at(&w, COPY), "check the copy", nth);
		go_on_in_copy(&w, nth);
	} else {
		assert_no_store(&w);
	}
	sim_store_end(&w.fs, &w.kit);
	return fired;
}

static void loop(enum simfs_failure kind, int error, bool copy)
{
	const char *s = getenv("FAULT_STRIDE");
	uint64_t nth = 1, stride = s ? strtoull(s, NULL, 10) : 1;

	while (try_one(nth, kind, error, copy))
		nth += stride;
	print_message("# %lu operations\n", (unsigned long)nth - 1);
	assert_in_range(nth, 50, 5000);
}

static const struct vfs *sound;
static unsigned listings;

/* An order that comes after the copy has begun, and is done between its listing and its link. */
static int list_late(void *ctx, int dir, const char *name, vfs_list_cb cb, void *arg)
{
	const char *ids = "redact/0000000000000001.ids", *done = "redact/0000000000000001.done";

	if (strcmp(name, "redact") != 0)
		return sound->list(ctx, dir, name, cb, arg);
	switch (++listings) {
	case 1: /* to bring what there is */
		return 0;
	case 2: /* the reader's, for its view */
		return sound->list(ctx, dir, name, cb, arg);
	}
	if (listings == 3)
		assert_int_equal(sound->rename(ctx, dir, ids, done), 0);
	return cb(arg, strchr(ids, '/') + 1);
}

static void an_order_done_meanwhile(void **state)
{
	bool which[1000] = { false };
	struct vfs late;
	struct world w;

	(void)state;
	sim_store_begin(&w.fs, &w.kit, 3, 12, 2);
	which[3] = which[20] = true;
	sim_store_ok(&w.kit, store_kit_delete(&w.kit, which), "delete", 0);
	sound = w.kit.conf.vfs;
	late = *sound;
	late.list = list_late;
	w.kit.conf.vfs = &late;
	listings = 0;
	sim_store_ok(&w.kit, act(&w, false), "snapshot", 0);
	assert_int_equal(listings, 3);
	w.kit.conf.vfs = sound;
	sim_store_ok(&w.kit, check_at(&w, COPY), "check the copy", 0);
	sim_store_end(&w.fs, &w.kit);
}

#define T(name, kind, error, copy)       \
	static void name(void **state)   \
	{                                \
		(void)state;             \
		loop(kind, error, copy); \
	}

T(linking_fails, SIMFS_ERROR, -EIO, false)
T(linking_fills_the_disk, SIMFS_SHORT, -ENOSPC, false)
T(linking_dies, SIMFS_CRASH, -EIO, false)
T(copying_fails, SIMFS_ERROR, -EIO, true)
T(copying_fills_the_disk, SIMFS_SHORT, -ENOSPC, true)
T(copying_dies, SIMFS_CRASH, -EIO, true)
#undef T

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_done_meanwhile),
		cmocka_unit_test(linking_fails),
		cmocka_unit_test(linking_fills_the_disk),
		cmocka_unit_test(linking_dies),
		cmocka_unit_test(copying_fails),
		cmocka_unit_test(copying_fills_the_disk),
		cmocka_unit_test(copying_dies),
	};

	return cmocka_run_group_tests_name("fault_backup", tests, NULL, NULL);
}
