#include "query/agg_spare.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/block_pool.h"
#include "storage/footprint.h"

enum {
	CLASS_MIN = 14, /* smaller ones are not worth it */
	CLASS_MAX = 20,
	CLASSES = CLASS_MAX + 1,
};

static_assert(AGG_SPARE_ARRAY_MAX == 1 << CLASS_MAX, "the largest class");

/* At the beginning of an array that lies idle. */
struct idle {
	struct idle *next;
};

static struct {
	pthread_mutex_t lock;
	struct idle *idle[CLASSES];
	size_t bytes;
} spare = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Its bytes are two to the power of it; 0: none, it comes from the system as it is. */
static unsigned class_of(size_t bytes)
{
	unsigned class;

	if (bytes <= (size_t)1 << CLASS_MIN >> 1 || bytes > AGG_SPARE_ARRAY_MAX)
		return 0;
	class = 64u - (unsigned)__builtin_clzl(bytes - 1);
	return class > CLASS_MIN ? class : CLASS_MIN;
}

static void *take(unsigned class)
{
	struct idle *p;

	pthread_mutex_lock(&spare.lock);
	p = spare.idle[class];
	if (p) {
		spare.idle[class] = p->next;
		spare.bytes -= (size_t)1 << class;
	}
	pthread_mutex_unlock(&spare.lock);
	return p ? (void *)p : malloc((size_t)1 << class);
}

/* False: there is too much, or it may serve better elsewhere. */
static bool keep(struct idle *p, unsigned class)
{
	bool fits;

	pthread_mutex_lock(&spare.lock);
	fits = !footprint_is_tight() && spare.bytes + ((size_t)1 << class) <= AGG_SPARE_BYTES;
	if (fits) {
		p->next = spare.idle[class];
		spare.idle[class] = p;
		spare.bytes += (size_t)1 << class;
	}
	pthread_mutex_unlock(&spare.lock);
	return fits;
}

void *agg_spare_grow(void *p, size_t bytes, size_t wanted)
{
	unsigned has = p ? class_of(bytes) : 0, class = class_of(wanted);
	void *to;

	ASSERT(wanted >= bytes);
	if (p && has == class && class > 0)
		return p;
	block_pool_look();
	if (class == 0)
		return realloc(p, wanted);
	to = take(class);
	if (!to || !p)
		return to;
	memcpy(to, p, bytes);
	agg_spare_give(p, bytes);
	return to;
}

void agg_spare_give(void *p, size_t bytes)
{
	unsigned class = class_of(bytes);

	if (!p)
		return;
	if (class == 0 || !keep(p, class))
		free(p);
}

size_t agg_spare_held(void)
{
	size_t bytes;

	pthread_mutex_lock(&spare.lock);
	bytes = spare.bytes;
	pthread_mutex_unlock(&spare.lock);
	return bytes;
}
