/*
 * A data directory may be restored from a copy, or swapped for another one, while we look at it. Its
 * file `format` is then another file than the one that was there when the reader was opened: a new
 * reader is opened, and the old one closed when nobody uses its snapshots or waits on it any more.
 */
#include "query/view.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "proto/base/check.h"
#include "proto/svc/logger.h"

enum { PATH_BYTES = 4096 + 16 };

struct opened {
	struct opened *next; /* older */
	struct store_reader *reader;
	dev_t dev; /* of its file `format` */
	ino_t ino;
	unsigned waits; /* calls of view_wait under way */
};

struct view {
	pthread_mutex_t lock;
	const char *dir;
	char format[PATH_BYTES];
	struct opened *now; /* under the lock, with all it points to */
	struct opened *old; /* not used for new snapshots */
	struct diag why;
	_Atomic uint64_t committed;
};

struct view *view_new(const char *dir)
{
	struct view *v = calloc(1, sizeof *v);

	if (!v)
		return NULL;
	v->dir = dir;
	snprintf(v->format, sizeof v->format, "%s/format", dir);
	pthread_mutex_init(&v->lock, NULL);
	atomic_init(&v->committed, 0);
	diag_set(&v->why, -EAGAIN, dir, -1, "not opened yet");
	return v;
}

static void close_opened(struct opened *o)
{
	ASSERT(o->waits == 0);
	store_reader_close(&o->reader);
	free(o);
}

void view_free(struct view **at)
{
	struct view *v = *at;

	if (!v)
		return;
	if (v->now)
		close_opened(v->now);
	for (struct opened *o = v->old, *next; o; o = next) {
		next = o->next;
		close_opened(o);
	}
	pthread_mutex_destroy(&v->lock);
	free(v);
	*at = NULL;
}

/* ---- with the lock held ---- */

static void close_unused(struct view *v)
{
	struct opened **at = &v->old;

	while (*at) {
		struct opened *o = *at;

		if (o->waits > 0 || !store_reader_unused(o->reader)) {
			at = &o->next;
			continue;
		}
		*at = o->next;
		close_opened(o);
	}
}

static bool is_of(const struct stat *st, const struct opened *o)
{
	return st->st_dev == o->dev && st->st_ino == o->ino;
}

/* Whoever restores a store begins with an empty directory: no `format` is another one too. */
static void retire_replaced(struct view *v)
{
	struct opened *o = v->now;
	struct stat st;
	int rc = stat(v->format, &st);

	if (!o || (rc == 0 && is_of(&st, o)))
		return;
	if (rc < 0 && errno != ENOENT && errno != ENOTDIR)
		return;
	LOGGER(LOGGER_NOTICE, "store", "was replaced; opening what is there now",
		LOGGER_STR("data", v->dir));
	o->next = v->old;
	v->old = o;
	v->now = NULL;
	atomic_store(&v->committed, 0);
}

static int open_reader(struct view *v, struct diag *d)
{
	const struct store_conf conf = { .dir = v->dir };
	struct opened *o;
	struct stat st;
	int rc;

	retire_replaced(v);
	close_unused(v);
	if (v->now)
		return 0;
	o = calloc(1, sizeof *o);
	if (!o)
		return diag_set(d, -ENOMEM, v->dir, -1, "open the store");
	/* Before the reader: if it is replaced in between, the next look sees the difference. */
	if (stat(v->format, &st) == 0) {
		o->dev = st.st_dev;
		o->ino = st.st_ino;
	}
	rc = store_reader_open(&conf, &o->reader, d);
	if (rc < 0)
		free(o);
	else
		v->now = o;
	return rc;
}

static void raise_committed(struct view *v, uint64_t id)
{
	if (id > atomic_load(&v->committed))
		atomic_store(&v->committed, id);
}

/* ---- asking ---- */

int view_snapshot(struct view *v, struct store_snapshot **out, struct diag *d)
{
	struct diag why = { .code = 0 };
	int rc;

	pthread_mutex_lock(&v->lock);
	rc = open_reader(v, &why);
	if (rc == 0)
		rc = store_reader_snapshot(v->now->reader, out, &why);
	if (rc == 0)
		raise_committed(v, store_snapshot_committed(*out));
	why.code = rc;
	v->why = why;
	pthread_mutex_unlock(&v->lock);
	if (rc < 0 && d)
		*d = why;
	return rc;
}

int view_same(struct view *v, struct store_snapshot **out)
{
	struct stat st;
	int rc = 1;

	if (pthread_mutex_trylock(&v->lock) != 0)
		return 1;
	if (v->now && !v->old && stat(v->format, &st) == 0 && is_of(&st, v->now))
		rc = store_reader_same(v->now->reader, out);
	pthread_mutex_unlock(&v->lock);
	return rc;
}

int view_wait(struct view *v, uint64_t committed, int timeout_ms)
{
	struct opened *o;
	int rc;

	pthread_mutex_lock(&v->lock);
	o = v->now;
	if (o)
		o->waits++;
	pthread_mutex_unlock(&v->lock);
	if (!o)
		return -EAGAIN;
	rc = store_reader_wait(o->reader, committed, timeout_ms);
	pthread_mutex_lock(&v->lock);
	o->waits--;
	pthread_mutex_unlock(&v->lock);
	return rc;
}

int view_state(struct view *v, struct diag *out_why)
{
	pthread_mutex_lock(&v->lock);
	*out_why = v->why;
	pthread_mutex_unlock(&v->lock);
	return out_why->code;
}

uint64_t view_committed(const struct view *v)
{
	return atomic_load(&v->committed);
}
