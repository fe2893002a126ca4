/*
 * ingest - what the collector says of itself, for /api/status: events by door, refusals, losses, rates.
 *
 * Every LIMIT_FIGURES_MS the collector is asked for its /metrics, whether anybody looks or not, so that the
 * first one who looks sees a rate. A collector that is away, not configured, or answers something else is
 * not guessed at: then there are no figures.
 *
 * Life:    open, now..., close.
 * Thread:  the loop's.
 * Memory:  the struct, and one answer of LIMIT_RELAY_ANSWER_BYTES at most.
 */
#ifndef QUERY_INGEST_H
#define QUERY_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/base/limits.h"
#include "proto/base/span.h"
#include "query/query.h"

struct ingest_door {
	char name[16];    /* "syslog_udp" */
	uint64_t events;  /* since the collector's start, as all that follows */
	uint64_t refused; /* connections, requests and datagrams */
	uint64_t lost;    /* datagrams that found no room */
	double rate;      /* events a second; negative: not known */
};

struct ingest_figures {
	int64_t at_ns; /* wall clock; 0: there are none */
	struct ingest_door doors[LIMIT_FIGURES_DOORS];
	size_t doors_count;
	uint64_t events;  /* of all doors */
	uint64_t dropped; /* that can never be stored; their senders were told that all is well */
	double rate;      /* of all; negative: not known */
	/* Room on the disk below which old events go, and nothing is taken; -1: not told. */
	int64_t disk_soft, disk_hard;
};

/* Reads a page in the format of Prometheus; at_ns stays 0 where it is not the collector's. */
void ingest_read(struct span page, struct ingest_figures *out);
/* Rates of `now` from what was counted `ns` before it. A counter that went back began anew: no rate. */
void ingest_rates(struct ingest_figures *now, const struct ingest_figures *before, int64_t ns);

int ingest_open(struct query *q, struct diag *d);
void ingest_close(struct query *q);
/* Lives until the loop's next turn. */
const struct ingest_figures *ingest_now(const struct query *q);

#endif
