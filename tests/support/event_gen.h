/*
 * event_gen - seeded random events for tests: few-valued, recurring, unique, empty and absent
 * fields, odd times, gaps in the ids; and equality of events.
 *
 * Memory: an event's spans live in the generator until as many events more were made as fit into
 * its ring (at least EVENT_GEN_LIVE).
 */
#ifndef TESTS_SUPPORT_EVENT_GEN_H
#define TESTS_SUPPORT_EVENT_GEN_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/wire/event.h"

struct event_gen {
	uint64_t state; /* of the random numbers */
	uint64_t id;
	int64_t time_ns;
	unsigned entities; /* distinct entity ids; 0: 1000 */
	unsigned types;    /* distinct event types; 0: 12 */
	unsigned wild;     /* one event in so many is odd in every field; 0: none */
	char *ring;
	size_t ring_bytes;
	size_t ring_at;
};

void event_gen_init(struct event_gen *g, uint64_t seed);
void event_gen_fini(struct event_gen *g);
uint64_t event_gen_random(struct event_gen *g);
unsigned event_gen_below(struct event_gen *g, unsigned n);
/* The next event; its id is greater than the one before. */
struct event event_gen_next(struct event_gen *g);

bool event_gen_same(const struct event *a, const struct event *b);
/* Copies count events with their bytes; free() the result. */
struct event *event_gen_copy(const struct event *ev, size_t count);
/* count events of a generator as one array; free() the result. */
struct event *event_gen_many(struct event_gen *g, size_t count);

#endif
