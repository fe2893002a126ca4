/*
 * values_check - storage/scan_values.h beside whole events: what it says of some rows is what expr_cell_of
 * says of their events.
 */
#ifndef TESTS_SUPPORT_VALUES_CHECK_H
#define TESTS_SUPPORT_VALUES_CHECK_H

#include "proto/expr/expr.h"
#include "storage/scan.h"

struct values_check {
	const struct scan *scan;
	size_t unit;
	struct scan_scratch *scratch;
	const uint32_t *rows; /* rising */
	size_t count;
	const struct event *events; /* of these rows */
};

/* 0, what scan_values returned, or VALUES_CHECK_WRONG. */
enum { VALUES_CHECK_WRONG = 1 };
int values_check_field(const struct values_check *v, const struct expr_field *f, struct diag *d);

#endif
