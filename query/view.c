#include "query/view.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "proto/base/check.h"

struct view {
	pthread_mutex_t lock;
	const char *dir;
	struct store_reader *reader;              /* set once, under the lock */
	_Atomic(struct store_reader *) published; /* the same, for view_wait */
	struct diag why;
	_Atomic uint64_t committed;
};

struct view *view_new(const char *dir)
{
	struct view *v = calloc(1, sizeof *v);

	if (!v)
		return NULL;
	v->dir = dir;
	pthread_mutex_init(&v->lock, NULL);
	atomic_init(&v->published, NULL);
	atomic_init(&v->committed, 0);
	diag_set(&v->why, -EAGAIN, dir, -1, "not opened yet");
	return v;
}

void view_free(struct view **v)
{
	if (!*v)
		return;
	store_reader_close(&(*v)->reader);
	pthread_mutex_destroy(&(*v)->lock);
	free(*v);
	*v = NULL;
}

static int open_reader(struct view *v, struct diag *d)
{
	const struct store_conf conf = { .dir = v->dir };
	int rc;

	if (v->reader)
		return 0;
	rc = store_reader_open(&conf, &v->reader, d);
	if (rc == 0)
		atomic_store(&v->published, v->reader);
	return rc;
}

static void raise_committed(struct view *v, uint64_t id)
{
	uint64_t was = atomic_load(&v->committed);

	while (id > was && !atomic_compare_exchange_weak(&v->committed, &was, id)) {
	}
}

int view_snapshot(struct view *v, struct store_snapshot **out, struct diag *d)
{
	struct diag why = { .code = 0 };
	int rc;

	pthread_mutex_lock(&v->lock);
	rc = open_reader(v, &why);
	if (rc == 0)
		rc = store_reader_snapshot(v->reader, out, &why);
	if (rc == 0)
		why.code = 0;
	else
		why.code = rc;
	v->why = why;
	pthread_mutex_unlock(&v->lock);
	if (rc == 0)
		raise_committed(v, store_snapshot_committed(*out));
	else if (d)
		*d = why;
	return rc;
}

int view_wait(struct view *v, uint64_t committed, int timeout_ms)
{
	struct store_reader *reader = atomic_load(&v->published);

	return reader ? store_reader_wait(reader, committed, timeout_ms) : -EAGAIN;
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
