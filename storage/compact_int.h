/* compact_int - what the files of compact share: one run over one store. */
#ifndef STORAGE_COMPACT_INT_H
#define STORAGE_COMPACT_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "storage/compact.h"
#include "storage/manifest.h"
#include "storage/store.h"

enum {
	COMPACT_WHY_BYTES = 256,
	/* Of what it writes: written once and read for long, worth more work than a seal's. */
	COMPACT_COMPRESS_LEVEL = 6,
	/*
	 * Half of what a block may have: a query then holds half as much of each, and finds rows in it in
	 * three quarters of the time, for 2.4 % more bytes.
	 */
	COMPACT_BLOCK_ROWS = LIMIT_BLOCK_ROWS / 2,
};

struct compact {
	struct compact_conf conf;
	const struct vfs *vfs;
	int dir;
	int lock_fd;
	uint8_t uuid[16];
	struct ctl *ctl; /* NULL in a dry run of a store without one */
	struct manifest *manifest;
	struct store_reader *reader;
	struct compact_total total;
	/* Segments that could not be read or merged; they are not tried again in this run. */
	uint64_t *skip;
	size_t skip_count;
};

/* True when the time is up or a stop was asked for; remembers that work was left. */
bool compact_over(struct compact *c);
/* Only the latter: for the inside of a step. */
bool compact_stopped(const struct compact *c);

void compact_tell(struct compact *c, enum compact_what what, const struct manifest_segment *seg,
	const char *path, uint64_t bytes, const char *why);
/* Counts the failure, too. */
void compact_tell_failure(
	struct compact *c, const struct manifest_segment *seg, const struct diag *why);

/* A copy of the live segments, freshly read; *out is NULL when there are none. Free it. */
int compact_live(
	struct compact *c, struct manifest_segment **out, size_t *out_count, struct diag *d);

int compact_skip(struct compact *c, uint64_t no);
bool compact_skipped(const struct compact *c, uint64_t no);

/*
 * Failures of the disk or of memory end a pass; damage to one segment, or its disappearance, do not.
 */
bool compact_fatal(int rc);

#endif
