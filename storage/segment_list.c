#include "storage/segment_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

/* One segment, shared by all lists that name it. All but `info` is under the cache's lock. */
struct segment_list_entry {
	struct manifest_segment info;
	uint32_t lists; /* that hold it */
	uint32_t users; /* of the reader */
	struct seg_reader *reader;
	struct segment_list_entry *idle_prev;
	struct segment_list_entry *idle_next;
};

struct segment_list {
	struct segment_list_cache *cache;
	uint32_t refs;
	size_t count;
	struct segment_list_entry *entries[];
};

static _Atomic uint64_t closed_count; /* for the limit, of all caches */

void segment_list_cache_init(struct segment_list_cache *c, const struct vfs *vfs, int dir)
{
	memset(c, 0, sizeof *c);
	c->vfs = vfs;
	c->dir = dir;
	pthread_mutex_init(&c->lock, NULL);
}

void segment_list_cache_fini(struct segment_list_cache *c)
{
	ASSERT(c->idle_count == 0);
	pthread_mutex_destroy(&c->lock);
}

/* ---- open and unused, with the lock held ---- */

static void idle_add(struct segment_list_cache *c, struct segment_list_entry *e)
{
	e->idle_next = NULL;
	e->idle_prev = c->idle_last;
	if (c->idle_last)
		c->idle_last->idle_next = e;
	else
		c->idle_first = e;
	c->idle_last = e;
	c->idle_count++;
}

static void idle_remove(struct segment_list_cache *c, struct segment_list_entry *e)
{
	if (e->idle_prev)
		e->idle_prev->idle_next = e->idle_next;
	else
		c->idle_first = e->idle_next;
	if (e->idle_next)
		e->idle_next->idle_prev = e->idle_prev;
	else
		c->idle_last = e->idle_prev;
	ASSERT(c->idle_count > 0);
	c->idle_count--;
}

/* ---- lists ---- */

static size_t find(const struct segment_list *l, uint64_t no)
{
	size_t lo = 0, hi = l ? l->count : 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->entries[mid]->info.no < no)
			lo = mid + 1;
		else
			hi = mid;
	}
	return l && lo < l->count && l->entries[lo]->info.no == no ? lo : SIZE_MAX;
}

int segment_list_new(struct segment_list_cache *c, const struct manifest_segment *segs,
	size_t count, const struct segment_list *old, struct segment_list **out)
{
	struct segment_list *l = calloc(1, sizeof *l + count * sizeof(struct segment_list_entry *));

	if (!l)
		return -ENOMEM;
	l->cache = c;
	l->refs = 1;
	for (size_t i = 0; i < count; i++) {
		size_t at = find(old, segs[i].no);
		struct segment_list_entry *e;

		if (at != SIZE_MAX) {
			e = old->entries[at];
		} else {
			e = calloc(1, sizeof *e);
			if (!e) {
				segment_list_unref(&l);
				return -ENOMEM;
			}
			e->info = segs[i];
		}
		pthread_mutex_lock(&c->lock);
		e->lists++;
		pthread_mutex_unlock(&c->lock);
		l->entries[l->count++] = e;
	}
	*out = l;
	return 0;
}

struct segment_list *segment_list_ref(struct segment_list *l)
{
	pthread_mutex_lock(&l->cache->lock);
	l->refs++;
	pthread_mutex_unlock(&l->cache->lock);
	return l;
}

void segment_list_unref(struct segment_list **lp)
{
	struct segment_list *l = *lp;
	struct segment_list_cache *c;
	bool last;

	*lp = NULL;
	if (!l)
		return;
	c = l->cache;
	pthread_mutex_lock(&c->lock);
	last = --l->refs == 0;
	for (size_t i = 0; last && i < l->count; i++) {
		struct segment_list_entry *e = l->entries[i];

		if (--e->lists > 0) {
			l->entries[i] = NULL;
			continue;
		}
		/* Whoever uses it holds a snapshot, and so a list. */
		ASSERT(e->users == 0);
		if (e->reader)
			idle_remove(c, e);
	}
	pthread_mutex_unlock(&c->lock);
	if (!last)
		return;
	for (size_t i = 0; i < l->count; i++) {
		if (l->entries[i])
			seg_reader_close(&l->entries[i]->reader);
		free(l->entries[i]);
	}
	free(l);
}

size_t segment_list_count(const struct segment_list *l)
{
	return l->count;
}

const struct manifest_segment *segment_list_at(const struct segment_list *l, size_t i)
{
	ASSERT(i < l->count);
	return &l->entries[i]->info;
}

/* ---- readers ---- */

/* What the file says of itself against what the manifest says of it. */
static int compare(const struct manifest_segment *m, const struct seg_reader *r, const char *path,
	struct diag *d)
{
	const struct seg_info *is = seg_reader_info(r);

	if (is->sum == m->file_sum && is->file_bytes == m->file_bytes &&
		is->rows_count == m->rows_count && is->id_min == m->id_first &&
		is->id_max == m->id_last)
		return 0;
	return diag_set(d, ERR_CORRUPT, path, -1,
		"the file is a whole segment, but not the one that was listed (%" PRIu64
		" rows, not %" PRIu64 ")",
		is->rows_count, m->rows_count);
}

static int open_reader(const struct segment_list_cache *c, const struct manifest_segment *m,
	struct seg_reader **out, struct diag *d)
{
	char path[MANIFEST_PATH_BYTES];
	struct diag why;
	int rc = seg_reader_open(c->vfs, c->dir, manifest_segment_path(m, path), out, &why);

	if (rc == 0) {
		rc = compare(m, *out, path, &why);
		if (rc < 0)
			seg_reader_close(out);
	}
	if (rc == -ENOENT)
		rc = ERR_STALE;
	if (rc < 0 && d)
		*d = why;
	return rc;
}

/* True when it was open: one more user. */
static bool use_open(struct segment_list_cache *c, struct segment_list_entry *e)
{
	bool open;

	pthread_mutex_lock(&c->lock);
	open = e->reader != NULL;
	if (open && e->users++ == 0)
		idle_remove(c, e);
	pthread_mutex_unlock(&c->lock);
	return open;
}

int segment_list_get(
	struct segment_list *l, size_t i, const struct seg_reader **out, struct diag *d)
{
	struct segment_list_cache *c = l->cache;
	struct segment_list_entry *e;
	struct seg_reader *mine = NULL;
	int rc;

	ASSERT(i < l->count);
	e = l->entries[i];
	if (!use_open(c, e)) {
		rc = open_reader(c, &e->info, &mine, d);
		if (rc < 0)
			return rc;
		pthread_mutex_lock(&c->lock);
		if (!e->reader) {
			e->reader = mine;
			mine = NULL;
			e->users = 1;
		} else if (e->users++ == 0) {
			idle_remove(c, e);
		}
		pthread_mutex_unlock(&c->lock);
		/* Another thread was faster. */
		seg_reader_close(&mine);
	}
	*out = e->reader;
	return 0;
}

const struct seg_reader *segment_list_get_open(struct segment_list *l, size_t i)
{
	ASSERT(i < l->count);
	return use_open(l->cache, l->entries[i]) ? l->entries[i]->reader : NULL;
}

void segment_list_put(struct segment_list *l, size_t i)
{
	struct segment_list_cache *c = l->cache;
	struct segment_list_entry *e = l->entries[i];
	struct seg_reader *over = NULL;

	pthread_mutex_lock(&c->lock);
	ASSERT(e->users > 0);
	if (--e->users == 0) {
		idle_add(c, e);
		if (c->idle_count > LIMIT_SEGMENTS_OPEN) {
			struct segment_list_entry *oldest = c->idle_first;

			idle_remove(c, oldest);
			over = oldest->reader;
			oldest->reader = NULL;
			atomic_fetch_add(&closed_count, 1);
		}
	}
	pthread_mutex_unlock(&c->lock);
	seg_reader_close(&over);
}

uint64_t segment_list_closed(void)
{
	return atomic_load(&closed_count);
}
