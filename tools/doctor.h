/*
 * doctor - what was found by checks: for each a level, what is so, and what to do where it is not well.
 *
 * Thread: one. Memory: the findings. Errors: stick in `text`.
 */
#ifndef TOOLS_DOCTOR_H
#define TOOLS_DOCTOR_H

#include <stdint.h>

#include "proto/base/buf.h"
#include "tools/show.h"
#include "tools/term.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL, DOCTOR_LEVELS };

struct doctor {
	struct buf rows; /* msgpack: of each finding an array of level, check, text, advice */
	uint32_t counts[DOCTOR_LEVELS];
};

void doctor_init(struct doctor *d);
void doctor_fini(struct doctor *d);

/* One finding. advice: what to do next, "" where all is well; a sentence without its full stop. */
void doctor_say(struct doctor *d, enum doctor_level level, const char *check, const char *advice,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* All findings and, for people, a summary. */
void doctor_put(
	const struct doctor *d, enum show_format format, const struct term *term, struct buf *out);
uint32_t doctor_count(const struct doctor *d);

/* "1.2 GB" into dst. Returns dst. */
const char *doctor_bytes(uint64_t n, char dst[32]);
/* "3 s", "5 min", "2 h", "4 days". */
const char *doctor_age(int64_t ns, char dst[32]);

#endif
