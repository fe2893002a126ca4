/*
 * scan_ask - a question to a scan under way: conditions that must all hold, added one by one, and the spec
 * they make; and the same asked of one event, with nothing of storage in between.
 *
 * Life:    init, conditions, spec, ..., fini; the spec lives until then. Texts are copied.
 * Errors:  none: what cannot be made ends the test.
 */
#ifndef TESTS_SUPPORT_SCAN_ASK_H
#define TESTS_SUPPORT_SCAN_ASK_H

#include "proto/expr/expr.h"
#include "storage/scan.h"

struct scan_ask {
	struct scan_spec spec; /* bounds may be set freely */
	struct expr_builder builder;
	const struct expr *where; /* what was added so far */
	struct expr_scratch *scratch;
};

void scan_ask_init(struct scan_ask *a);
void scan_ask_fini(struct scan_ask *a);

void scan_ask_and(struct scan_ask *a, const struct expr *x);
void scan_ask_texts(
	struct scan_ask *a, enum event_text field, const struct span *values, uint32_t count);
void scan_ask_text(struct scan_ask *a, enum event_text field, struct span value);
/* In the description. */
void scan_ask_contains(struct scan_ask *a, struct span needle);
void scan_ask_severity(struct scan_ask *a, uint8_t mask);
void scan_ask_range(struct scan_ask *a, enum expr_field_kind field, uint64_t lo, uint64_t hi);

/* With the normal tree of what was added. */
const struct scan_spec *scan_ask_spec(struct scan_ask *a);
/* Of scan_ask_spec. */
bool scan_ask_matches(const struct scan_ask *a, const struct event *ev);

#endif
