/*
 * event_file - events for benchmarks: from a file of concatenated msgpack maps (gen_events -f
 * msgpack), normalised as the collector does, or seeded ones of event_gen.
 *
 * Memory: all of them, until the process ends.
 */
#ifndef TESTS_SUPPORT_EVENT_FILE_H
#define TESTS_SUPPORT_EVENT_FILE_H

#include <stddef.h>

#include "proto/wire/event.h"

/* path NULL: 200 000 seeded events. Ids from 1. Any failure ends the process. */
struct event *event_file_load(const char *path, size_t *out_count);

#endif
