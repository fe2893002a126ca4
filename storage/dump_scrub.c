#include <errno.h>

#include "proto/base/err.h"
#include "storage/dump_int.h"
#include "storage/scrub_state.h"

int dump_scrub(struct dump *m)
{
	struct scrub_state s;
	int64_t oldest = INT64_MAX;
	int rc = scrub_state_get(m->file.p, m->file.n, NULL, &s);

	if (rc == -ENOMEM)
		return rc;
	if (rc == 0) {
		dump_number(m, "segments", s.count);
		dump_number(m, "cut_short", s.cut_no);
		dump_number(m, "block", s.cut_block);
		for (size_t i = 0; i < s.count; i++)
			oldest =
				s.entries[i].checked_ns < oldest ? s.entries[i].checked_ns : oldest;
		if (s.count > 0)
			dump_time(m, "oldest", oldest);
	}
	scrub_state_fini(&s);
	return dump_emit(
		m, "state", 0, m->file.n, rc, "it does not hold: the next scrub begins anew");
}
