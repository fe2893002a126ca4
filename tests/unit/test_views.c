/*
 * Goal: saved views come back as they were saved; names and addresses that cannot be any are known; a file
 * that is none of ours is refused and left alone; whatever operation of a save fails, and whenever the power
 * goes, the file is the old one or the new one.
 * Method: tables; a simulated disk, with each operation of a save failing in turn.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "query/views.h"
#include "tests/support/simfs.h"

#define FILE_NAME "views.json"

struct disk {
	struct simfs *fs;
	const struct vfs *vfs;
	int dir;
};

static void open_disk(struct disk *k, uint64_t seed)
{
	int root;

	k->fs = simfs_new(seed);
	k->vfs = simfs_vfs(k->fs);
	assert_int_equal(k->vfs->mkdir(k->vfs->ctx, AT_FDCWD, SIMFS_DIR, 0700), 0);
	root = k->vfs->open_dir(k->vfs->ctx, ".");
	assert_int_equal(k->vfs->fsync(k->vfs->ctx, root), 0);
	k->vfs->close(k->vfs->ctx, root);
	k->dir = k->vfs->open_dir(k->vfs->ctx, SIMFS_DIR);
	assert_true(k->dir >= 0);
}

static void close_disk(struct disk *k)
{
	k->vfs->close(k->vfs->ctx, k->dir);
	assert_int_equal(simfs_fds(k->fs), 0);
	simfs_free(&k->fs);
}

static struct views_one one(const char *name, const char *address)
{
	return (struct views_one){ span_str(name), span_str(address),
		INT64_C(1700000000000000000) };
}

static void put(struct views *v, const char *name, const char *address)
{
	const struct views_one x = one(name, address);

	assert_int_equal(views_put(v, &x), 0);
}

static struct views *load(struct disk *k)
{
	struct views *v = malloc(sizeof *v);
	struct diag d;

	assert_int_equal(views_load(k->vfs, k->dir, FILE_NAME, v, &d), 0);
	return v;
}

static void drop(struct views *v)
{
	views_fini(v);
	free(v);
}

static void write_text(struct disk *k, const char *text)
{
	int fd = k->vfs->open(k->vfs->ctx, k->dir, FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	if (*text)
		assert_int_equal(k->vfs->pwrite_all(k->vfs->ctx, fd, text, strlen(text), 0), 0);
	k->vfs->close(k->vfs->ctx, fd);
}

static void names(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} cases[] = {
		{ "Failed payments", true },
		{ "a/b?c=d&e", true },
		{ "\xd0\x9e\xd1\x88\xd0\xb8\xd0\xb1", true },
		{ "\"quoted\" \\ <b>", true },
		{ "...", true },
		{ "", false },
		{ ".", false },
		{ "..", false },
		{ " x", false },
		{ "x ", false },
		{ "a\nb", false },
		{ "a\x7f", false },
		{ "\xc2\x85", false },
		{ "\xff", false },
		{ "\xe2\x80\xa8", false },
	};
	char longest[LIMIT_VIEW_NAME_BYTES + 2];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		assert_int_equal(views_name_fault(span_str(cases[i].name)) == NULL, cases[i].good);
	memset(longest, 'x', sizeof longest);
	assert_null(views_name_fault(span_of(longest, LIMIT_VIEW_NAME_BYTES)));
	assert_non_null(views_name_fault(span_of(longest, LIMIT_VIEW_NAME_BYTES + 1)));
}

static void addresses(void **state)
{
	static const struct {
		const char *address;
		bool good;
	} cases[] = {
		{ "/", true },
		{ "/?q=a%20b&f=x", true },
		{ "?q=1", true },
		{ "/stats", true },
		{ "", false },
		{ "q=1", false },
		{ "//evil.example/", false },
		{ "/\\evil.example", false },
		{ "javascript:alert(1)", false },
		{ "https://evil.example/", false },
		{ "/?q=a b", false },
		{ "/?q=\xc3\xa4", false },
		{ "/\n", false },
		{ "?/", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		assert_int_equal(
			views_address_fault(span_str(cases[i].address)) == NULL, cases[i].good);
}

static void come_back(void **state)
{
	struct disk k;
	struct views *v;
	struct diag d;

	(void)state;
	open_disk(&k, 1);
	v = load(&k);
	assert_int_equal(v->count, 0);
	assert_int_equal(views_remove(v, SPAN_LIT("b")), VIEWS_NONE);
	put(v, "b \"two\"", "/?q=2");
	put(v, "a", "/?q=1");
	put(v, "c", "/?q=3");
	put(v, "a", "/stats?q=9");
	assert_int_equal(views_save(k.vfs, k.dir, FILE_NAME, v, &d), 0);
	drop(v);
	v = load(&k);
	assert_int_equal(v->count, 3);
	assert_true(span_eq(v->list[0].address, SPAN_LIT("/stats?q=9")));
	assert_true(span_eq(v->list[1].name, SPAN_LIT("b \"two\"")));
	assert_true(v->list[2].saved_ns == INT64_C(1700000000000000000));
	assert_int_equal(views_remove(v, SPAN_LIT("a")), 0);
	assert_int_equal(views_save(k.vfs, k.dir, FILE_NAME, v, &d), 0);
	drop(v);
	v = load(&k);
	assert_int_equal(v->count, 2);
	drop(v);
	close_disk(&k);
}

/* The most there may be, of the longest names and addresses, all of characters that are escaped. */
static void all_there_may_be(void **state)
{
	static char texts[LIMIT_VIEWS + 1][LIMIT_VIEW_NAME_BYTES];
	static char address[LIMIT_VIEW_ADDRESS_BYTES];
	struct disk k;
	struct views *v;
	struct diag d;

	(void)state;
	open_disk(&k, 2);
	v = load(&k);
	memset(address, '"', sizeof address);
	address[0] = '/';
	for (int i = 0; i <= LIMIT_VIEWS; i++) {
		struct views_one x = { .address = span_of(address, sizeof address) };

		memset(texts[i], '\\', sizeof texts[i]);
		texts[i][0] = (char)('A' + i % 26);
		texts[i][1] = (char)('A' + i / 26);
		x.name = span_of(texts[i], sizeof texts[i]);
		assert_int_equal(views_put(v, &x), i == LIMIT_VIEWS ? VIEWS_FULL : 0);
	}
	assert_int_equal(views_save(k.vfs, k.dir, FILE_NAME, v, &d), 0);
	drop(v);
	v = load(&k);
	assert_int_equal(v->count, LIMIT_VIEWS);
	drop(v);
	close_disk(&k);
}

static void files_of_others(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"views\":1}",
		"{\"views\":[],\"more\":1}",
		"{\"views\":[1]}",
		"{\"views\":[{}]}",
		"{\"views\":[{\"name\":\"a\"}]}",
		"{\"views\":[{\"name\":\"a\",\"address\":\"//b\"}]}",
		"{\"views\":[{\"name\":\"a\\n\",\"address\":\"/\"}]}",
		"{\"views\":[{\"name\":\"a\",\"address\":\"/\",\"saved\":\"never\"}]}",
		"{\"views\":[{\"name\":\"a\",\"address\":\"/\",\"color\":\"red\"}]}",
		"{\"views\":[{\"name\":\"a\",\"address\":1}]}",
		"{\"views\":[]} x",
	};
	struct disk k;
	struct views *v = malloc(sizeof *v);
	struct diag d;

	(void)state;
	open_disk(&k, 3);
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		write_text(&k, texts[i]);
		assert_int_equal(views_load(k.vfs, k.dir, FILE_NAME, v, &d), ERR_CORRUPT);
		assert_string_equal(d.file, FILE_NAME);
		assert_non_null(strstr(d.text, "is no file of saved views: "));
	}
	write_text(&k, " {\"views\":[{\"address\":\"/\",\"name\":\"a\"}]}\r\n");
	assert_int_equal(views_load(k.vfs, k.dir, FILE_NAME, v, &d), 0);
	assert_int_equal(v->count, 1);
	drop(v);
	close_disk(&k);
}

static void too_large(void **state)
{
	struct views *v = malloc(sizeof *v);
	struct disk k;
	struct diag d;
	int fd;

	(void)state;
	open_disk(&k, 4);
	fd = k.vfs->open(k.vfs->ctx, k.dir, FILE_NAME, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(k.vfs->pwrite_all(k.vfs->ctx, fd, "x", 1, LIMIT_VIEWS_FILE_BYTES), 0);
	k.vfs->close(k.vfs->ctx, fd);
	assert_int_equal(views_load(k.vfs, k.dir, FILE_NAME, v, &d), ERR_LIMIT);
	free(v);
	close_disk(&k);
}

/* One view is on the disk; a second one is saved and something goes wrong at the nth operation. */
static bool save_fails(uint64_t nth, enum simfs_failure kind, enum simfs_policy policy)
{
	struct disk k;
	struct views *v;
	struct diag d;
	bool fired;
	int rc;

	open_disk(&k, nth);
	v = load(&k);
	put(v, "old", "/?q=old");
	assert_int_equal(views_save(k.vfs, k.dir, FILE_NAME, v, &d), 0);
	put(v, "new", "/?q=new");
	simfs_fail(k.fs, nth, kind, kind == SIMFS_CRASH ? -EIO : -ENOSPC);
	rc = views_save(k.vfs, k.dir, FILE_NAME, v, &d);
	fired = simfs_fired(k.fs);
	drop(v);
	if (!fired)
		assert_int_equal(rc, 0);
	if (kind == SIMFS_CRASH) {
		k.vfs->close(k.vfs->ctx, k.dir);
		simfs_reboot(k.fs, policy);
		k.dir = k.vfs->open_dir(k.vfs->ctx, SIMFS_DIR);
	}
	simfs_fail(k.fs, 0, kind, 0);
	v = load(&k);
	assert_true(v->count == 1 || v->count == 2);
	if (rc == 0)
		assert_int_equal(v->count, 2);
	assert_true(span_eq(v->list[v->count - 1].name, SPAN_LIT("old")));
	/* And the next save goes through. */
	put(v, "new", "/?q=newer");
	assert_int_equal(views_save(k.vfs, k.dir, FILE_NAME, v, &d), 0);
	drop(v);
	close_disk(&k);
	return fired;
}

/* It is held until its descriptor is closed; what goes wrong names the file of the lock. */
static void a_lock(void **state)
{
	char longest[256];
	struct disk k;
	struct diag d;
	int fd, other;

	(void)state;
	open_disk(&k, 5);
	fd = views_lock(k.vfs, k.dir, FILE_NAME, &d);
	assert_true(fd >= 0);
	other = k.vfs->open(k.vfs->ctx, k.dir, FILE_NAME ".lock", O_RDWR, 0);
	assert_true(other >= 0);
	assert_int_equal(k.vfs->locked(k.vfs->ctx, other), 1);
	k.vfs->close(k.vfs->ctx, fd);
	assert_int_equal(k.vfs->locked(k.vfs->ctx, other), 0);
	k.vfs->close(k.vfs->ctx, other);
	simfs_fail(k.fs, 1, SIMFS_ERROR, -EACCES);
	assert_int_equal(views_lock(k.vfs, k.dir, FILE_NAME, &d), -EACCES);
	assert_string_equal(d.file, FILE_NAME ".lock");
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	assert_int_equal(views_lock(k.vfs, k.dir, longest, &d), -ENAMETOOLONG);
	close_disk(&k);
}

static void saves_that_fail(void **state)
{
	(void)state;
	for (uint64_t nth = 1; save_fails(nth, SIMFS_ERROR, SIMFS_KILLED); nth++)
		assert_true(nth < 20);
	for (uint64_t nth = 1; save_fails(nth, SIMFS_SHORT, SIMFS_KILLED); nth++)
		assert_true(nth < 20);
}

static void power_that_goes(void **state)
{
	(void)state;
	for (int policy = 0; policy < SIMFS_POLICIES; policy++) {
		for (uint64_t nth = 1; save_fails(nth, SIMFS_CRASH, (enum simfs_policy)policy);
			nth++)
			assert_true(nth < 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(addresses),
		cmocka_unit_test(come_back),
		cmocka_unit_test(all_there_may_be),
		cmocka_unit_test(files_of_others),
		cmocka_unit_test(too_large),
		cmocka_unit_test(a_lock),
		cmocka_unit_test(saves_that_fail),
		cmocka_unit_test(power_that_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
