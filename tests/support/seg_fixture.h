/*
 * seg_fixture - a temporary directory with segments and sidecars made of given events.
 *
 * Life: init makes the directory, fini removes it and its files.
 */
#ifndef TESTS_SUPPORT_SEG_FIXTURE_H
#define TESTS_SUPPORT_SEG_FIXTURE_H

#include <stddef.h>

#include "proto/wire/event.h"
#include "storage/seg_reader.h"

struct seg_fixture {
	char path[64];
	int dir;
};

void seg_fixture_init(struct seg_fixture *f);
void seg_fixture_fini(struct seg_fixture *f);

/* Writes NAME.seg and its sidecars; any failure ends the test. */
struct seg_info seg_fixture_write(
	struct seg_fixture *f, const char *name, const struct event *ev, size_t count);
struct seg_reader *seg_fixture_open(struct seg_fixture *f, const char *name);

/* A whole file; free() it. */
uint8_t *seg_fixture_load(struct seg_fixture *f, const char *name, size_t *out_bytes);
void seg_fixture_store(struct seg_fixture *f, const char *name, const void *p, size_t n);
void seg_fixture_remove(struct seg_fixture *f, const char *name);

#endif
