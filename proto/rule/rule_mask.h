/*
 * rule_mask - what must not be stored, taken out of a text and out of the texts of a msgpack value.
 *
 * Places to mask are looked for in the text as it came, by all kinds and patterns at once; those that
 * touch or overlap are one place. A text in which a pattern had to be given up, or that has more than
 * LIMIT_RULE_PLACES places, is masked as a whole: nothing is stored that was not looked at.
 *
 * Life:    init, kinds and patterns, text and value..., fini.
 * Thread:  nothing changes after the last pattern; a scratch for each thread.
 * Memory:  the compiled patterns; text and value: none, they write into the caller's buffer.
 * Errors:  init: -ENOMEM; pattern: those of expr_regex_new, and ERR_LIMIT beyond LIMIT_RULE_PATTERNS.
 */
#ifndef PROTO_RULE_RULE_MASK_H
#define PROTO_RULE_RULE_MASK_H

#include <stdbool.h>

#include "proto/base/cursor.h"
#include "proto/base/limits.h"
#include "proto/base/needle.h"
#include "proto/base/span.h"
#include "proto/expr/expr_regex.h"

enum rule_mask_kind {
	RULE_MASK_EMAIL = 1 << 0,
	RULE_MASK_CARD = 1 << 1,
	RULE_MASK_BEARER = 1 << 2,
};

struct rule_mask {
	unsigned kinds; /* enum rule_mask_kind, or-ed */
	struct expr_regex *patterns[LIMIT_RULE_PATTERNS];
	unsigned patterns_count;
	struct needle bearer;
};

int rule_mask_init(struct rule_mask *m);
void rule_mask_fini(struct rule_mask *m);
/* out_text (cap bytes) says what is wrong, as expr_regex_new does. */
int rule_mask_pattern(
	struct rule_mask *m, struct span pattern, size_t *out_at, char *out_text, size_t cap);

/* False: nothing is to be masked in these bytes, be they a text or msgpack with texts in it. */
bool rule_mask_may(const struct rule_mask *m, struct span bytes);

/* What was done; all texts together, rising. */
struct rule_mask_counts {
	uint64_t texts;    /* in which anything was masked */
	uint64_t given_up; /* of them, masked as a whole */
};

/*
 * Writes the text with `with` at each place that is masked. False: nothing is, and nothing was written.
 * w->err is ERR_LIMIT if it did not fit, which cannot be with an empty `with` and room for the text.
 */
bool rule_mask_text(const struct rule_mask *m, struct span text, struct span with, struct wcur *w,
	struct expr_scratch *s, struct rule_mask_counts *counts);

/*
 * The same for a msgpack value: of each str and bin in it but the keys of maps. What is no msgpack from
 * some place on is left as it is. Here PACK_HEAD_BYTES_MAX more have to be there.
 */
bool rule_mask_value(const struct rule_mask *m, struct span value, struct span with, struct wcur *w,
	struct expr_scratch *s, struct rule_mask_counts *counts);

#endif
