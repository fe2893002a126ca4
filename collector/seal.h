/*
 * seal - the sealer thread S: turns what is committed into segments when it is due (storage/sealer.h),
 * and once more, all of it, at the end; between that it merges small segments.
 *
 * Life:    open (the thread starts), finish (seal all that is left, then the thread ends), close.
 * Thread:  open, finish and close from the loop's; the counts from any.
 * Errors:  a seal that fails is logged once, and tried again with growing pauses until it works.
 */
#ifndef COLLECTOR_SEAL_H
#define COLLECTOR_SEAL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/base/diag.h"
#include "storage/store.h"

struct retain_class_set;
struct seal;

struct seal_conf {
	const struct store_conf *store;
	struct store_writer *writer;
	const struct retain_class_set *classes; /* outlives the thread; NULL: the default class */
	uv_loop_t *loop;
	/* On the loop, after finish: the thread has ended. all: nothing unsealed is left. */
	void (*finished)(void *arg, bool all);
	void *arg;
};

struct seal_counts {
	uint64_t seals;
	uint64_t rows;
	uint64_t segments;
	uint64_t raw_bytes;
	uint64_t file_bytes;
	uint64_t sealed_id;
	uint64_t failures;
	uint64_t merges;
	uint64_t merged_segments;
	uint64_t merge_failures;
	uint64_t lost_ids;
	uint64_t pending_rows;
	uint64_t pending_bytes;
	int64_t took_ns;
	int64_t merge_took_ns;
};

int seal_open(const struct seal_conf *conf, struct seal **out, struct diag *d);
/* Nothing is appended any more. all: seal what is left; else only end. */
void seal_finish(struct seal *s, bool all);
/* After `finished`; waits for the thread. The memory goes when the loop has run once more. */
void seal_close(struct seal **s);
void seal_counts(struct seal *s, struct seal_counts *out);
bool seal_failing(struct seal *s);

#endif
