#include "collector/retire.h"

#include "proto/base/clock.h"
#include "proto/svc/logger.h"
#include "storage/compact.h"

static void tell(void *arg, const struct compact_note *note)
{
	(void)arg;
	if (note->what == COMPACT_DROPPED)
		LOGGER(LOGGER_INFO, "room", "segment retired", LOGGER_STR("segment", note->path),
			LOGGER_UINT("bytes", note->bytes), LOGGER_STR("why", note->why));
	else if (note->what == COMPACT_FAILED)
		LOGGER(LOGGER_WARNING, "room", "segment cannot be judged, and stays",
			LOGGER_STR("segment", note->path), LOGGER_DIAG(note->diag));
}

int retire_pass(const struct retire *r, uint64_t need, struct room_watch_pass *out, struct diag *d)
{
	const struct compact_conf conf = {
		.dir = r->dir,
		.now_ns = clock_wall_ns(),
		.past_redact = true,
		.cb = tell,
	};
	const struct compact_rules rules = { .classes = r->classes, .need = need };
	struct compact *c = NULL;
	int rc = compact_open(&conf, &c, d);

	if (rc == 0)
		rc = compact_retain(c, &rules, d);
	if (rc == 0) {
		out->segments = compact_total(c)->dropped_segments;
		out->bytes = compact_total(c)->dropped_bytes;
	}
	compact_close(&c);
	return rc;
}
