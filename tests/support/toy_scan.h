/*
 * toy_scan - storage/scan.h over a plain array of events, stupid on purpose: what the engine does with
 * units is tested without a store, with units cut as the test likes, damaged or slow ones among them.
 *
 * A test that links it must not link storage's own scan: the toy defines the same functions.
 */
#ifndef TESTS_SUPPORT_TOY_SCAN_H
#define TESTS_SUPPORT_TOY_SCAN_H

#include "storage/scan.h"

enum { TOY_UNITS_MAX = 512 };

/* Units are runs of events in id order: [cuts[i], cuts[i + 1]). */
struct store_snapshot {
	const struct event *events; /* ids ascending */
	size_t events_count;        /* those beyond it are not committed yet */
	size_t cuts[TOY_UNITS_MAX + 1];
	size_t units_count;
	bool cold;            /* no warm scan of it opens */
	int64_t damaged;      /* unit that cannot be read; -1: none */
	int64_t unit_cost_ns; /* the clock goes on by so much for each unit selected or counted */
	unsigned selects, counts; /* calls */
};

bool toy_scan_matches(const struct scan_spec *spec, const struct event *ev);

#endif
