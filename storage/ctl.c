/*
 * A line is read without a lock: its writer makes `turn` odd, stores the values, and makes it even. A
 * reader that finds it even and unchanged around its loads has one writer's values. All are atomic; a
 * store with release keeps the odd turn before the values, a load with acquire keeps the second look
 * at the turn behind them. The sum behind the values is for the disk: a page that rotted while nobody
 * ran must not pass as evidence.
 */
#include "storage/ctl.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/cursor.h"
#include "storage/layout.h"

enum { TRIES = 1000, LINE_WORDS_MAX = 4 };

struct ctl {
	const struct vfs *vfs;
	int fd;
	bool writable;
	uint8_t *page;
};

static _Atomic uint64_t *word_at(const struct ctl *ctl, int off)
{
	return (_Atomic uint64_t *)(void *)(ctl->page + off);
}

static _Atomic uint32_t *futex_at(const struct ctl *ctl)
{
	return (_Atomic uint32_t *)(void *)(ctl->page + LAYOUT_CTL_WORD);
}

static void store(const struct ctl *ctl, int off, uint64_t v)
{
	atomic_store_explicit(word_at(ctl, off), htole64(v), memory_order_release);
}

static uint64_t load(const struct ctl *ctl, int off)
{
	return le64toh(atomic_load_explicit(word_at(ctl, off), memory_order_acquire));
}

static void put_page(uint8_t *page, const uint8_t *uuid)
{
	struct wcur w = wcur_of(page, LAYOUT_CTL_BYTES);

	memset(page, 0, LAYOUT_CTL_BYTES);
	wcur_bytes(&w, LAYOUT_CTL_MAGIC, LAYOUT_MAGIC_BYTES);
	wcur_le16(&w, LAYOUT_CTL_VERSION);
	wcur_le16(&w, 0);
	wcur_le32(&w, 0);
	wcur_bytes(&w, uuid, LAYOUT_UUID_BYTES);
	ASSERT(w.p == page + LAYOUT_CTL_SUM);
	wcur_le64(&w, XXH3_64bits(page, LAYOUT_CTL_SUM));
}

static int check_page(const struct ctl *ctl, const uint8_t *uuid, struct diag *d)
{
	struct rcur c = rcur_of(ctl->page, LAYOUT_CTL_BYTES);
	struct span magic = rcur_bytes(&c, LAYOUT_MAGIC_BYTES);
	uint16_t version = rcur_le16(&c);
	uint32_t incompat;
	struct span id;
	uint64_t sum;

	rcur_le16(&c);
	incompat = rcur_le32(&c);
	id = rcur_bytes(&c, LAYOUT_UUID_BYTES);
	sum = rcur_le64(&c);
	if (!span_eq(magic, SPAN_LIT(LAYOUT_CTL_MAGIC)))
		return diag_set(d, ERR_CORRUPT, "ctl", 0, "read the magic number");
	if (sum != XXH3_64bits(ctl->page, LAYOUT_CTL_SUM))
		return diag_set(d, ERR_CORRUPT, "ctl", LAYOUT_CTL_SUM, "check the header's sum");
	if (version > LAYOUT_CTL_VERSION || incompat != 0)
		return diag_set(d, ERR_TOO_NEW, "ctl", LAYOUT_HEAD_VERSION, "version %u", version);
	if (memcmp(id.p, uuid, LAYOUT_UUID_BYTES) != 0)
		return diag_set(d, ERR_CORRUPT, "ctl", LAYOUT_CTL_UUID,
			"the file belongs to another store");
	return 0;
}

/* A page of the right length and head, made or repaired. */
static int make_page(struct ctl *ctl, int dir, const uint8_t *uuid, struct diag *d)
{
	const struct vfs *v = ctl->vfs;
	uint8_t page[LAYOUT_CTL_BYTES];
	int rc;

	put_page(page, uuid);
	rc = v->pwrite_all(v->ctx, ctl->fd, page, sizeof page, 0);
	if (rc == 0)
		rc = v->fsync(v->ctx, ctl->fd);
	if (rc == 0)
		rc = v->fsync(v->ctx, dir);
	return rc < 0 ? diag_set(d, rc, "ctl", -1, "make the control page") : 0;
}

static int map_page(struct ctl *ctl, const uint8_t *uuid, struct diag *d)
{
	const struct vfs *v = ctl->vfs;
	struct vfs_stat st;
	int rc = v->fstat(v->ctx, ctl->fd, &st);

	if (rc < 0)
		return diag_set(d, rc, "ctl", -1, "read the length of the control page");
	if (st.bytes < LAYOUT_CTL_BYTES)
		return diag_set(
			d, ERR_CORRUPT, "ctl", (int64_t)st.bytes, "the control page is too short");
	rc = v->map_shared(v->ctx, ctl->fd, LAYOUT_CTL_BYTES, ctl->writable, &ctl->page);
	if (rc < 0)
		return diag_set(d, rc, "ctl", -1, "map the control page");
	rc = check_page(ctl, uuid, d);
	if (rc < 0) {
		v->unmap(v->ctx, ctl->page, LAYOUT_CTL_BYTES);
		ctl->page = NULL;
	}
	return rc;
}

int ctl_open(const struct vfs *vfs, int dir, const uint8_t *uuid, enum ctl_mode mode,
	struct ctl **out, struct diag *d)
{
	struct ctl *ctl = calloc(1, sizeof *ctl);
	int flags = mode == CTL_READ ? O_RDONLY : O_RDWR;
	int rc;

	if (!ctl)
		return diag_set(d, -ENOMEM, "ctl", -1, "open the control page");
	ctl->vfs = vfs;
	ctl->writable = mode != CTL_READ;
	ctl->fd =
		vfs->open(vfs->ctx, dir, "ctl", mode == CTL_CREATE ? flags | O_CREAT : flags, 0640);
	if (ctl->fd < 0) {
		rc = diag_set(d, ctl->fd, "ctl", -1, "open the control page");
		goto done;
	}
	rc = map_page(ctl, uuid, d);
	if (rc == ERR_CORRUPT && mode == CTL_CREATE) {
		rc = make_page(ctl, dir, uuid, d);
		if (rc == 0)
			rc = map_page(ctl, uuid, d);
	}
done:
	if (rc < 0)
		ctl_close(&ctl);
	else
		*out = ctl;
	return rc;
}

void ctl_close(struct ctl **cp)
{
	struct ctl *ctl = *cp;

	if (!ctl)
		return;
	if (ctl->page)
		ctl->vfs->unmap(ctl->vfs->ctx, ctl->page, LAYOUT_CTL_BYTES);
	if (ctl->fd >= 0)
		ctl->vfs->close(ctl->vfs->ctx, ctl->fd);
	free(ctl);
	*cp = NULL;
}

static long futex(const struct ctl *ctl, int op, uint32_t val, const struct timespec *t)
{
	return syscall(SYS_futex, futex_at(ctl), op, val, t, NULL, 0);
}

void ctl_wake(struct ctl *ctl)
{
	ASSERT(ctl->writable);
	atomic_fetch_add_explicit(futex_at(ctl), 1, memory_order_release);
	futex(ctl, FUTEX_WAKE, INT_MAX, NULL);
}

static uint64_t sum_of(const uint64_t *values, int count)
{
	uint8_t bytes[LINE_WORDS_MAX * 8];
	struct wcur w = wcur_of(bytes, sizeof bytes);

	for (int i = 0; i < count; i++)
		wcur_le64(&w, values[i]);
	ASSERT(w.err == 0);
	return XXH3_64bits(bytes, (size_t)count * 8);
}

/* turn_off is the line's turn; its values follow in order, then their sum. */
static void publish(struct ctl *ctl, int turn_off, const uint64_t *values, int count)
{
	uint64_t turn = load(ctl, turn_off) | 1;

	ASSERT(ctl->writable);
	ASSERT(count <= LINE_WORDS_MAX);
	store(ctl, turn_off, turn);
	for (int i = 0; i < count; i++)
		store(ctl, turn_off + 8 * (i + 1), values[i]);
	store(ctl, turn_off + 8 * (count + 1), sum_of(values, count));
	store(ctl, turn_off, turn + 1);
	ctl_wake(ctl);
}

static int look(const struct ctl *ctl, int turn_off, uint64_t *values, int count)
{
	for (int try = 0; try < TRIES; try++) {
		uint64_t turn = load(ctl, turn_off);
		uint64_t sum;

		for (int i = 0; i < count; i++)
			values[i] = load(ctl, turn_off + 8 * (i + 1));
		sum = load(ctl, turn_off + 8 * (count + 1));
		if (turn % 2 == 0 && load(ctl, turn_off) == turn)
			return sum == sum_of(values, count) ? 0 : ERR_CORRUPT;
		if (try > TRIES / 2)
			sched_yield();
	}
	return ERR_STALE;
}

void ctl_publish_commit(struct ctl *ctl, const struct ctl_commit *c)
{
	uint64_t values[] = { c->file_seq, c->off, c->id };

	publish(ctl, LAYOUT_CTL_COMMIT_TURN, values, ARRAY_COUNT(values));
}

int ctl_commit(const struct ctl *ctl, struct ctl_commit *out)
{
	uint64_t v[3];
	int rc = look(ctl, LAYOUT_CTL_COMMIT_TURN, v, ARRAY_COUNT(v));

	if (rc == 0)
		*out = (struct ctl_commit){ .file_seq = v[0], .off = v[1], .id = v[2] };
	return rc;
}

void ctl_publish_manifest(struct ctl *ctl, const struct ctl_manifest *m)
{
	uint64_t values[] = { m->number, m->bytes, m->changes, m->sealed_id };

	publish(ctl, LAYOUT_CTL_MANIFEST_TURN, values, ARRAY_COUNT(values));
}

int ctl_manifest(const struct ctl *ctl, struct ctl_manifest *out)
{
	uint64_t v[4];
	int rc = look(ctl, LAYOUT_CTL_MANIFEST_TURN, v, ARRAY_COUNT(v));

	if (rc == 0)
		*out = (struct ctl_manifest){
			.number = v[0], .bytes = v[1], .changes = v[2], .sealed_id = v[3]
		};
	return rc;
}

/* What `ended` holds after a clean end at this commit. */
static uint64_t end_of(uint64_t starts, const struct ctl_commit *c)
{
	uint64_t values[] = { starts, c->file_seq, c->off, c->id };

	return sum_of(values, ARRAY_COUNT(values));
}

void ctl_starting(struct ctl *ctl)
{
	bool ended = load(ctl, LAYOUT_CTL_ENDED) != 0;

	ASSERT(ctl->writable);
	store(ctl, LAYOUT_CTL_STARTS, load(ctl, LAYOUT_CTL_STARTS) | 1);
	store(ctl, LAYOUT_CTL_ENDED, 0);
	/* The page may be older than the journal after a crash: it must not tell of this end then. */
	if (ended)
		ctl_sync(ctl);
}

void ctl_started(struct ctl *ctl, int64_t wall_ns)
{
	ASSERT(ctl->writable);
	ASSERT(load(ctl, LAYOUT_CTL_STARTS) % 2 == 1);
	store(ctl, LAYOUT_CTL_STARTED, (uint64_t)wall_ns);
	store(ctl, LAYOUT_CTL_PID, (uint64_t)getpid());
	store(ctl, LAYOUT_CTL_STARTS, load(ctl, LAYOUT_CTL_STARTS) + 1);
	ctl_beat(ctl, wall_ns);
	ctl_wake(ctl);
}

void ctl_sync(struct ctl *ctl)
{
	ctl->vfs->fsync(ctl->vfs->ctx, ctl->fd);
}

void ctl_end(struct ctl *ctl)
{
	struct ctl_commit last;

	ASSERT(ctl->writable);
	if (ctl_commit(ctl, &last) == 0)
		store(ctl, LAYOUT_CTL_ENDED, end_of(ctl_starts(ctl), &last));
	ctl_sync(ctl);
}

bool ctl_ended(const struct ctl *ctl, const struct ctl_commit *last)
{
	uint64_t starts = ctl_starts(ctl);

	return starts % 2 == 0 && load(ctl, LAYOUT_CTL_ENDED) == end_of(starts, last);
}

void ctl_beat(struct ctl *ctl, int64_t wall_ns)
{
	ASSERT(ctl->writable);
	store(ctl, LAYOUT_CTL_BEAT, (uint64_t)wall_ns);
}

uint64_t ctl_starts(const struct ctl *ctl)
{
	return load(ctl, LAYOUT_CTL_STARTS);
}

int64_t ctl_beat_ns(const struct ctl *ctl)
{
	return (int64_t)load(ctl, LAYOUT_CTL_BEAT);
}

uint32_t ctl_word(const struct ctl *ctl)
{
	return atomic_load_explicit(futex_at(ctl), memory_order_acquire);
}

int ctl_wait(const struct ctl *ctl, uint32_t seen, int timeout_ms)
{
	struct timespec t = { .tv_sec = timeout_ms / 1000,
		.tv_nsec = timeout_ms % 1000 * CLOCK_NS_PER_MS };

	if (timeout_ms > 0 && ctl_word(ctl) == seen && futex(ctl, FUTEX_WAIT, seen, &t) < 0 &&
		errno == ETIMEDOUT)
		return ctl_word(ctl) != seen;
	return timeout_ms > 0 || ctl_word(ctl) != seen;
}

int ctl_lock(struct ctl *ctl, struct diag *d)
{
	int rc;

	ASSERT(ctl->writable);
	rc = ctl->vfs->lock(ctl->vfs->ctx, ctl->fd, true, true);
	return rc < 0 ? diag_set(d, rc, "ctl", -1, "take the manifest lock") : 0;
}

void ctl_unlock(struct ctl *ctl)
{
	ctl->vfs->unlock(ctl->vfs->ctx, ctl->fd);
}
