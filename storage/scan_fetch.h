/*
 * scan_fetch - parts of events: of a scan's rows the columns that are wanted, and no others decoded.
 *
 * Thread, memory, errors: as scan_fetch_view (storage/scan.h).
 */
#ifndef STORAGE_SCAN_FETCH_H
#define STORAGE_SCAN_FETCH_H

#include "storage/scan.h"

/* Bits, or-ed. */
enum scan_fetch_column {
	SCAN_FETCH_ID = 1 << 0,
	SCAN_FETCH_TIME = 1 << 1,
	SCAN_FETCH_RECEIVED = 1 << 2,
	SCAN_FETCH_SEVERITY = 1 << 3,
	SCAN_FETCH_FLAGS = 1 << 4,
	SCAN_FETCH_TEXT = 1 << 5, /* << enum event_text */
	SCAN_FETCH_METADATA = SCAN_FETCH_TEXT << EVENT_TEXT_COUNT,
	SCAN_FETCH_ALL = (SCAN_FETCH_METADATA << 1) - 1,
	/* The metadata as JSON text (json_out_event_ready); where it cannot be read, null. */
	SCAN_FETCH_JSON = SCAN_FETCH_METADATA << 1,
};

/*
 * As scan_fetch_view; texts that are not wanted are absent, numbers are 0, or what they are. With an arena,
 * as scan_fetch. -ENOMEM also where the JSON text of so many rows is too long.
 */
int scan_fetch_some(const struct scan *s, size_t unit, const uint32_t *rows, size_t count,
	uint32_t wanted, struct scan_scratch *scratch, struct arena *arena, struct event *out,
	struct scan_stats *stats, struct diag *d);

#endif
