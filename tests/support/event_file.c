#include "tests/support/event_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/normalise.h"
#include "proto/base/check.h"
#include "proto/wire/walk.h"
#include "tests/support/event_gen.h"

enum { EVENTS_MAX = 2000000, GENERATED = 200000, BATCH = 100 };

static struct event *generated(size_t *out_count)
{
	struct event_gen gen;

	event_gen_init(&gen, 1);
	*out_count = GENERATED;
	return event_gen_many(&gen, GENERATED);
}

static struct rcur map_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;

	ASSERT(fd >= 0);
	ASSERT(fstat(fd, &st) == 0);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT(map != MAP_FAILED);
	close(fd);
	return rcur_of(map, (size_t)st.st_size);
}

/* Events reach a collector in batches: all of one have the same time of arrival. */
static void receive(struct event *ev, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t last = (i / BATCH + 1) * BATCH - 1;

		ev[i].received_ns = ev[last < count ? last : count - 1].time_ns + 2100417;
	}
}

struct event *event_file_load(const char *path, size_t *out_count)
{
	struct event *all, ev;
	struct normalise *norm;
	struct rcur c;
	size_t n = 0;

	if (!path)
		return generated(out_count);
	all = malloc(EVENTS_MAX * sizeof *all);
	ASSERT(all);
	ASSERT(normalise_new(&norm) == 0);
	c = map_file(path);
	while (rcur_left(&c) > 0 && n < EVENTS_MAX) {
		struct normalise_input in = { .tag = SPAN_LIT("bench") };

		ASSERT(walk_take(&c, &in.record) == 0);
		ASSERT(normalise_event(norm, &in, &ev) == 0);
		ev.id = n + 1;
		/* Metadata is put together anew in the normaliser's memory. */
		all[n++] = *event_gen_copy(&ev, 1);
	}
	receive(all, n);
	normalise_free(&norm);
	*out_count = n;
	return all;
}
