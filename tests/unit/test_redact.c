/*
 * Goal: an order to delete is there as a whole or not at all, its ids come back exactly, one damaged
 * copy costs nothing, and with both damaged a reader is told rather than shown what was deleted.
 * Method: a disk in memory (simfs) whose n-th operation fails, for every n and every power-cut policy.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/redact.h"
#include "storage/vfs_file.h"
#include "tests/support/simfs.h"

static const uint8_t uuid[16] = "0123456789abcdef";

struct place {
	struct simfs *fs;
	const struct vfs *v;
	int dir;
};

static int sync_folder(const struct place *p, int dir)
{
	int fd = p->v->open(p->v->ctx, dir, ".", O_RDONLY | O_DIRECTORY, 0);
	int rc = fd < 0 ? fd : p->v->fsync(p->v->ctx, fd);

	if (fd >= 0)
		p->v->close(p->v->ctx, fd);
	return rc;
}

static int setup(void **state)
{
	static struct place p;

	p.fs = simfs_new(7);
	p.v = simfs_vfs(p.fs);
	if (p.v->mkdir(p.v->ctx, AT_FDCWD, SIMFS_DIR, 0750) < 0)
		return -1;
	p.dir = p.v->open_dir(p.v->ctx, SIMFS_DIR);
	if (p.v->mkdir(p.v->ctx, p.dir, "tmp", 0750) < 0)
		return -1;
	*state = &p;
	return sync_folder(&p, AT_FDCWD) < 0 || sync_folder(&p, p.dir) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	if (p->dir >= 0)
		p->v->close(p->v->ctx, p->dir);
	simfs_free(&p->fs);
	return 0;
}

static int order(
	struct place *p, const uint64_t *ids, size_t n, const char *reason, struct redact_info *out)
{
	struct idset s;
	int rc = 0;

	idset_init(&s, 1 << 24);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = idset_add(&s, ids[i]);
	assert_int_equal(rc, 0);
	rc = redact_write(p->v, p->dir, uuid, &s, span_str(reason), 77, out, NULL);
	idset_fini(&s);
	return rc;
}

static void ids_come_back(void **state)
{
	const uint64_t ids[] = { 1, 2, 3, 9, 65535, 65536, 65537, UINT64_C(1) << 50, UINT64_MAX };
	struct place *p = *state;
	struct redact_info info;
	struct redact_set *set = NULL;

	assert_int_equal(redact_set_load(p->v, p->dir, uuid, &set, NULL), 0);
	assert_null(set);
	assert_int_equal(order(p, ids, ARRAY_COUNT(ids), "user asked", &info), 0);
	assert_int_equal(info.number, 1);
	assert_int_equal(info.ids_count, ARRAY_COUNT(ids));
	assert_int_equal(info.id_min, 1);
	assert_true(info.id_max == UINT64_MAX);
	assert_int_equal(redact_set_load(p->v, p->dir, uuid, &set, NULL), 0);
	for (size_t i = 0; i < ARRAY_COUNT(ids); i++) {
		assert_true(redact_set_has(set, ids[i]));
		assert_true(redact_set_any(set, ids[i], ids[i]));
	}
	assert_false(redact_set_has(set, 4));
	assert_false(redact_set_any(set, 4, 8));
	assert_true(redact_set_any(set, 4, 9));
	redact_set_unref(&set);
	assert_null(set);
}

struct seen {
	struct redact_info infos[4];
	unsigned count;
	unsigned damaged;
};

static int see(void *arg, const struct redact_info *info, const struct idset *ids)
{
	struct seen *s = arg;

	assert_int_equal(ids->count, info->ids_count);
	s->infos[s->count++] = *info;
	return 0;
}

static void see_damage(void *arg, const struct diag *why)
{
	assert_int_equal(why->code, ERR_CORRUPT);
	((struct seen *)arg)->damaged++;
}

static void done_orders_stay_on_record(void **state)
{
	struct place *p = *state;
	struct redact_info one, two;
	struct redact_set *set = NULL;
	struct seen seen = { 0 };

	assert_int_equal(order(p, (uint64_t[]){ 5 }, 1, "one", &one), 0);
	assert_int_equal(order(p, (uint64_t[]){ 6 }, 1, "two", &two), 0);
	assert_int_equal(redact_finish(p->v, p->dir, &two, NULL), 0);
	assert_true(two.done);
	assert_int_equal(redact_set_load(p->v, p->dir, uuid, &set, NULL), 0);
	assert_true(redact_set_has(set, 5));
	assert_false(redact_set_has(set, 6));
	redact_set_unref(&set);
	assert_int_equal(redact_each(p->v, p->dir, uuid, see, NULL, &seen, NULL), 0);
	assert_int_equal(seen.count, 2);
	assert_string_equal(seen.infos[0].reason, "one");
	assert_false(seen.infos[0].done);
	assert_string_equal(seen.infos[1].reason, "two");
	assert_true(seen.infos[1].done);
	assert_int_equal(seen.infos[1].created_ns, 77);
	/* A done one keeps its number. */
	assert_int_equal(order(p, (uint64_t[]){ 7 }, 1, "three", &one), 0);
	assert_int_equal(one.number, 3);
}

static void flip(struct place *p, const char *name, uint64_t off)
{
	int fd = p->v->open(p->v->ctx, p->dir, name, O_RDWR, 0);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(p->v->pread(p->v->ctx, fd, &byte, 1, off), 1);
	byte ^= 0x10;
	assert_int_equal(p->v->pwrite_all(p->v->ctx, fd, &byte, 1, off), 0);
	p->v->close(p->v->ctx, fd);
}

static uint64_t size_of(struct place *p, const char *name)
{
	struct vfs_stat st;

	assert_int_equal(p->v->stat(p->v->ctx, p->dir, name, &st), 0);
	return st.bytes;
}

static void every_byte_has_a_second(void **state)
{
	const char *name = "redact/0000000000000001.ids";
	struct place *p = *state;
	struct redact_info info;
	uint64_t half;

	assert_int_equal(order(p, (uint64_t[]){ 3, 4, 900 }, 3, "why", &info), 0);
	half = size_of(p, name) / 2;
	for (uint64_t off = 0; off < half; off++) {
		struct redact_set *set = NULL;
		struct diag d = { 0 };
		struct seen seen = { 0 };

		flip(p, name, off);
		assert_int_equal(redact_set_load(p->v, p->dir, uuid, &set, NULL), 0);
		assert_true(redact_set_has(set, 900));
		redact_set_unref(&set);
		flip(p, name, half + (off * 7 + 1) % half);
		assert_int_equal(redact_set_load(p->v, p->dir, uuid, &set, &d), ERR_CORRUPT);
		assert_string_equal(d.file, name);
		assert_int_equal(redact_each(p->v, p->dir, uuid, see, see_damage, &seen, NULL), 0);
		assert_int_equal(seen.damaged, 1);
		flip(p, name, off);
		flip(p, name, half + (off * 7 + 1) % half);
	}
}

static void limits_are_kept(void **state)
{
	static char reason[LIMIT_REDACT_REASON + 50];
	struct place *p = *state;
	struct redact_info info, far_info;
	struct redact_set *set = NULL;
	struct idset s, far;

	memset(reason, 'x', sizeof reason - 1);
	assert_int_equal(order(p, (uint64_t[]){ 1 }, 1, reason, &info), 0);
	assert_int_equal(strlen(info.reason), LIMIT_REDACT_REASON);
	/* A page of bits for each id: each order fits into memory, both do not. */
	idset_init(&s, LIMIT_REDACT_BYTES);
	idset_init(&far, LIMIT_REDACT_BYTES);
	for (uint64_t i = 1; i < LIMIT_REDACT_BYTES / (IDSET_PAGE_IDS / 8) * 2 / 3; i++) {
		assert_int_equal(idset_add(&s, i * IDSET_PAGE_IDS), 0);
		assert_int_equal(idset_add(&far, (i << 32) + 5), 0);
	}
	assert_int_equal(redact_write(p->v, p->dir, uuid, &s, span_str("far"), 1, &info, NULL), 0);
	assert_int_equal(redact_write(p->v, p->dir, uuid, &far, span_str("2"), 1, &far_info, NULL),
		ERR_LIMIT);
	/* What is refused costs no reader its answer, and fits once the other is done. */
	assert_int_equal(redact_set_load(p->v, p->dir, uuid, &set, NULL), 0);
	assert_true(redact_set_has(set, IDSET_PAGE_IDS));
	redact_set_unref(&set);
	assert_int_equal(redact_finish(p->v, p->dir, &info, NULL), 0);
	assert_int_equal(
		redact_write(p->v, p->dir, uuid, &far, span_str("2"), 1, &far_info, NULL), 0);
	assert_int_equal(far_info.number, 3);
	idset_fini(&s);
	idset_fini(&far);
}

/* An order of one id whose head says that it is of so many, which its sums confirm. */
static int decode_claim(struct place *p, uint64_t ids_count)
{
	enum { IDS_COUNT_OFF = 48, HEAD_SUM_OFF = 112 };
	struct redact_info info;
	char path[64];
	struct buf b;
	uint64_t sum;
	int rc;

	assert_int_equal(order(p, (uint64_t[]){ 1 }, 1, "", &info), 0);
	buf_init(&b, 4096);
	snprintf(path, sizeof path, REDACT_DIR "/%016" PRIx64 ".ids", info.number);
	assert_int_equal(vfs_file_read(p->v, p->dir, path, &b), 0);
	assert_int_equal(redact_decode(buf_span(&b), uuid, "", &info, NULL, NULL), 0);
	for (size_t at = 0; at < b.len; at += b.len / 2) {
		memcpy(b.p + at + IDS_COUNT_OFF, &ids_count, sizeof ids_count);
		sum = XXH3_64bits(b.p + at, HEAD_SUM_OFF);
		memcpy(b.p + at + HEAD_SUM_OFF, &sum, sizeof sum);
	}
	rc = redact_decode(buf_span(&b), uuid, "", &info, NULL, NULL);
	buf_fini(&b);
	return rc;
}

static void ids_have_a_limit(void **state)
{
	assert_int_equal(decode_claim(*state, LIMIT_REDACT_IDS), ERR_CORRUPT);
	assert_int_equal(decode_claim(*state, LIMIT_REDACT_IDS + UINT64_C(1)), ERR_LIMIT);
}

static const struct vfs *below;
static uint64_t claimed_bytes;
static unsigned reads;

static int claim_bytes(void *ctx, int fd, struct vfs_stat *out)
{
	int rc = below->fstat(ctx, fd, out);

	out->bytes = claimed_bytes;
	return rc;
}

static ssize_t count_read(void *ctx, int fd, void *dst, size_t n, uint64_t off)
{
	reads++;
	return below->pread(ctx, fd, dst, n, off);
}

/* A file that is longer than one may be is not read, and no memory is taken for it. */
static void files_have_a_limit(void **state)
{
	struct place *p = *state;
	struct vfs v = *p->v;
	struct redact_info info;
	struct redact_set *set = NULL;

	below = p->v;
	v.fstat = claim_bytes;
	v.pread = count_read;
	assert_int_equal(order(p, (uint64_t[]){ 1 }, 1, "", &info), 0);
	for (unsigned more = 0; more <= 1; more++) {
		reads = 0;
		claimed_bytes = LIMIT_REDACT_FILE_BYTES + (uint64_t)more;
		assert_int_equal(
			redact_set_load(&v, p->dir, uuid, &set, NULL), more ? ERR_CORRUPT : 0);
		assert_int_equal(reads, 1 - more);
		redact_set_unref(&set);
	}
}

static size_t many;

static int list_many(void *ctx, int dir, const char *path, vfs_list_cb cb, void *arg)
{
	char name[32];
	int rc = 0;

	(void)ctx;
	(void)dir;
	assert_string_equal(path, REDACT_DIR);
	for (size_t i = 1; i <= many && rc == 0; i++) {
		snprintf(name, sizeof name, "%016zx.done", i);
		rc = cb(arg, name);
	}
	return rc;
}

static void orders_are_not_without_end(void **state)
{
	struct place *p = *state, full = *p;
	struct vfs v = *p->v;
	struct redact_info info;
	struct redact_set *set = NULL;

	v.list = list_many;
	full.v = &v;
	many = LIMIT_REDACT_FILES;
	assert_int_equal(order(&full, (uint64_t[]){ 1 }, 1, "", &info), ERR_LIMIT);
	assert_int_equal(redact_set_load(&v, p->dir, uuid, &set, NULL), 0);
	many--;
	assert_int_equal(order(&full, (uint64_t[]){ 1 }, 1, "", &info), 0);
	assert_int_equal(info.number, LIMIT_REDACT_FILES);
}

static void not_ours_is_not_read(void **state)
{
	static const uint8_t other[16] = "fedcba9876543210";
	struct place *p = *state;
	struct redact_info info;
	struct redact_set *set = NULL;
	int fd;

	assert_int_equal(order(p, (uint64_t[]){ 1 }, 1, "", &info), 0);
	fd = p->v->open(p->v->ctx, p->dir, "redact/notes.txt", O_RDWR | O_CREAT, 0640);
	p->v->close(p->v->ctx, fd);
	assert_int_equal(redact_set_load(p->v, p->dir, uuid, &set, NULL), 0);
	redact_set_unref(&set);
	assert_int_equal(redact_set_load(p->v, p->dir, other, &set, NULL), ERR_CORRUPT);
}

/* After the failure at operation nth: all or nothing, and all if the write said so. */
static bool one_failure(struct place *p, uint64_t nth, int kind, int policy)
{
	struct redact_set *set = NULL;
	struct redact_info info;
	bool fired, has;
	int rc;

	simfs_fail(p->fs, nth, kind, -EIO);
	rc = order(p, (uint64_t[]){ 11, 12 }, 2, "x", &info);
	fired = simfs_fired(p->fs);
	simfs_fail(p->fs, 0, SIMFS_ERROR, 0);
	p->v->close(p->v->ctx, p->dir);
	simfs_reboot(p->fs, policy);
	p->dir = p->v->open_dir(p->v->ctx, SIMFS_DIR);
	assert_true(p->dir >= 0);
	assert_int_equal(redact_set_load(p->v, p->dir, uuid, &set, NULL), 0);
	has = redact_set_has(set, 11);
	assert_int_equal(has, redact_set_has(set, 12));
	if (rc == 0)
		assert_true(has);
	redact_set_unref(&set);
	return fired;
}

static void whole_or_not_at_all(void **state)
{
	static const int kinds[] = { SIMFS_ERROR, SIMFS_SHORT, SIMFS_CRASH };

	for (unsigned k = 0; k < ARRAY_COUNT(kinds); k++) {
		for (int policy = 0; policy <= SIMFS_KILLED; policy++) {
			bool fired = true;

			for (uint64_t nth = 1; fired; nth++) {
				assert_true(nth < 100);
				assert_int_equal(teardown(state), 0);
				assert_int_equal(setup(state), 0);
				fired = one_failure(*state, nth, kinds[k], policy);
			}
		}
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ids_come_back),
		TEST(done_orders_stay_on_record),
		TEST(every_byte_has_a_second),
		TEST(limits_are_kept),
		TEST(ids_have_a_limit),
		TEST(files_have_a_limit),
		TEST(orders_are_not_without_end),
		TEST(not_ours_is_not_read),
		TEST(whole_or_not_at_all),
	};

	return cmocka_run_group_tests_name("redact", tests, NULL, NULL);
}
