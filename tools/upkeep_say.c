#include "tools/upkeep_say.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"

enum { ERROR_BYTES = DIAG_FILE_BYTES + 2 * DIAG_TEXT_BYTES };

void upkeep_say_complain(const struct upkeep_say *s, const struct diag *d)
{
	char text[ERROR_BYTES];

	/* Files of the store are named from its directory on: say which. */
	if (d->file[0] && d->file[0] != '/')
		fprintf(stderr, "astrocompact: in %s:\n", s->data);
	fprintf(stderr, "astrocompact: %s\n", diag_format(d, text, sizeof text));
}

static const char *verb(const struct compact_note *note)
{
	static const char *const verbs[][2] = {
		[COMPACT_DROPPED] = { "dropped", "would drop" },
		[COMPACT_KEPT] = { "kept", "would keep" },
		[COMPACT_MERGED] = { "merged", "would merge" },
		[COMPACT_MADE] = { "made", "would make" },
		[COMPACT_SIDECAR] = { "rebuilt", "would rebuild" },
		[COMPACT_PURGED] = { "purged", "would purge" },
		[COMPACT_LEFTOVER] = { "removed", "would remove" },
		[COMPACT_FAILED] = { "left", "left" },
	};

	ASSERT((size_t)note->what < ARRAY_COUNT(verbs));
	return verbs[note->what][note->dry_run];
}

static struct upkeep_say_sum *sum_of(struct upkeep_say *s, const char *name)
{
	for (unsigned i = 0; i < s->sums_count; i++) {
		if (strcmp(s->sums[i].name, name) == 0)
			return &s->sums[i];
	}
	if (s->sums_count == ARRAY_COUNT(s->sums))
		return NULL;
	snprintf(s->sums[s->sums_count].name, LIMIT_CLASS_BYTES, "%s", name);
	return &s->sums[s->sums_count++];
}

static void add_up(struct upkeep_say *s, const struct compact_note *note)
{
	struct upkeep_say_sum *sum;

	if (note->what != COMPACT_KEPT && note->what != COMPACT_DROPPED)
		return;
	sum = sum_of(s, note->seg->class_name);
	if (sum && note->what == COMPACT_KEPT) {
		sum->kept_segments++;
		sum->kept_rows += note->seg->rows_count;
		sum->kept_bytes += note->bytes;
	} else if (sum) {
		sum->dropped_segments++;
		sum->dropped_rows += note->seg->rows_count;
		sum->dropped_bytes += note->bytes;
	}
}

void upkeep_say_note(void *arg, const struct compact_note *note)
{
	struct upkeep_say *s = arg;

	if (note->diag)
		upkeep_say_complain(s, note->diag);
	add_up(s, note);
	if (s->quiet)
		return;
	printf("%s %s", verb(note), note->path);
	if (note->seg && note->what != COMPACT_SIDECAR)
		printf(" (%" PRIu64 " events, %" PRIu64 " bytes)", note->seg->rows_count,
			note->bytes);
	printf(": %s\n", note->why);
}

void upkeep_say_classes(const struct upkeep_say *s)
{
	if (s->quiet || !s->dry_run)
		return;
	for (unsigned i = 0; i < s->sums_count; i++) {
		const struct upkeep_say_sum *sum = &s->sums[i];

		printf("class %s: would keep %" PRIu64 " segments (%" PRIu64 " events, %" PRIu64
		       " bytes), would drop %" PRIu64 " (%" PRIu64 " events, %" PRIu64 " bytes)\n",
			sum->name, sum->kept_segments, sum->kept_rows, sum->kept_bytes,
			sum->dropped_segments, sum->dropped_rows, sum->dropped_bytes);
	}
}

void upkeep_say_total(const struct upkeep_say *s, const struct compact_total *t)
{
	if (t->over_bytes > 0)
		fprintf(stderr,
			"astrocompact: %" PRIu64 " bytes more than allowed are left: what is on "
			"hold, and classes that are not configured, are never dropped\n",
			t->over_bytes);
	if (s->quiet)
		return;
	printf("%s%" PRIu64 " segments dropped (%" PRIu64 " events, %" PRIu64 " bytes), ",
		s->dry_run ? "dry run: " : "", t->dropped_segments, t->dropped_rows,
		t->dropped_bytes);
	printf("%" PRIu64 " merged into %" PRIu64 " (%" PRIu64 " to %" PRIu64 " bytes), ",
		t->merged_segments, t->made_segments, t->merged_bytes, t->made_bytes);
	if (t->purged_rows > 0)
		printf("%" PRIu64 " deleted events purged, ", t->purged_rows);
	printf("%" PRIu64 " sidecars rebuilt, %" PRIu64 " left as they are; ", t->sidecars,
		t->failures);
	printf("%" PRIu64 " segments of %" PRIu64 " bytes live%s\n", t->live_segments,
		t->live_bytes,
		t->out_of_time ? "; stopped early, the rest is for the next run" : "");
}
