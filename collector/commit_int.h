/*
 * commit_int - what commit.c (the loop's side) and commit_journal.c (the thread's side) share.
 *
 * A slot is written by the loop until its number is `closed`, then belongs to the thread until that
 * number is `durable`; the mutex and the release of `durable` order the two hand-overs.
 */
#ifndef COLLECTOR_COMMIT_INT_H
#define COLLECTOR_COMMIT_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "collector/commit.h"
#include "proto/base/limits.h"
#include "storage/chunkset.h"

/* A closed batch may exceed LIMIT_BATCH_BYTES by one staged frame. */
enum { COMMIT_SLOT_BYTES = LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES };

static_assert(LIMIT_BATCH_BYTES + (size_t)LIMIT_STAGE_BYTES <= COMMIT_SLOT_BYTES,
	"a staged frame fits a batch that is open");

struct commit_slot {
	uint64_t number;
	uint8_t *rows; /* COMMIT_SLOT_BYTES */
	size_t rows_bytes;
	uint32_t rows_count;
	int64_t time_min_ns;
	int64_t time_max_ns;
	struct store_chunk *chunks; /* LIMIT_BATCH_CHUNKS */
	uint32_t chunks_count;
	struct spill *spill; /* instead of rows: one frame on disk */
	uint64_t first_id;   /* of its rows, as the thread appended them last */
};

struct commit {
	unsigned tag;
	struct commit_conf conf;

	/* The loop's. */
	struct commit_slot slots[LIMIT_COMMIT_SLOTS];
	uint64_t open; /* number of the batch being filled; the last one before it is `closed` */
	struct chunkset known;
	struct commit_stats stats;
	struct commit_ticket *tickets, *tickets_last; /* waiting, in the order of their numbers */
	uint64_t put_number, put_offset;              /* of the last frame put */
	uv_check_t check;
	uv_async_t wake;
	unsigned handles_open;
	bool told_fatal;

	/* Both sides'. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t closed; /* under the lock */
	bool stop;       /* under the lock */
	_Atomic bool idle;
	_Atomic uint64_t durable;
	_Atomic bool failing;
	_Atomic bool fatal;
	_Atomic uint64_t syncs;
	_Atomic uint64_t sync_ns;
	_Atomic uint64_t failures;
	_Atomic uint64_t last_id;

	/* The thread's. */
	pthread_t thread;
	uint8_t *spill_rows; /* COMMIT_SLOT_BYTES, for reading back */
};

static inline struct commit_slot *commit_slot(struct commit *c, uint64_t number)
{
	return &c->slots[number % LIMIT_COMMIT_SLOTS];
}

/* The thread. */
void *commit_journal_run(void *arg);

#endif
