/*
 * upkeep_say - what astrocompact prints: a line for each thing done, sums of each class, a summary,
 * and complaints.
 *
 * Life:    a zeroed struct with its first fields set is ready; note..., then classes and total once.
 * Thread:  one. Memory: the struct.
 */
#ifndef TOOLS_UPKEEP_SAY_H
#define TOOLS_UPKEEP_SAY_H

#include <stdbool.h>

#include "proto/base/diag.h"
#include "proto/base/limits.h"
#include "storage/compact.h"

struct upkeep_say_sum {
	char name[LIMIT_CLASS_BYTES];
	uint64_t kept_segments;
	uint64_t kept_rows;
	uint64_t kept_bytes;
	uint64_t dropped_segments;
	uint64_t dropped_rows;
	uint64_t dropped_bytes;
};

struct upkeep_say {
	const char *data; /* DATA, for complaints */
	bool quiet;       /* complaints alone */
	bool dry_run;

	/* Of what note has seen; classes beyond the last are not summed up. */
	struct upkeep_say_sum sums[2 * LIMIT_CLASSES];
	unsigned sums_count;
};

/* To stderr: "astrocompact: ..." */
void upkeep_say_complain(const struct upkeep_say *s, const struct diag *d);
/* A compact_cb whose arg is a struct upkeep_say. */
void upkeep_say_note(void *arg, const struct compact_note *note);
/* In a dry run, what each class would keep and lose. */
void upkeep_say_classes(const struct upkeep_say *s);
void upkeep_say_total(const struct upkeep_say *s, const struct compact_total *t);

#endif
