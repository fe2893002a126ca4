/*
 * commit - whole frames in, durable events out: batches between the loop and the journal thread.
 *
 * The loop fills the open batch while the thread appends, compresses and syncs those closed before
 * (group commit). There is no timer: a batch closes when the thread is idle or when it holds
 * LIMIT_BATCH_BYTES. Every batch has a number, rising by one; a frame is safe when the number it was
 * given is durable.
 *
 * With a frame goes what a resend is recognised by: ids, in most cases the one of its chunk. They are
 * known from then on, whether the frame is durable or still on its way, with its number.
 *
 * When the journal fails nothing more becomes durable; the thread tries again and again, with growing
 * pauses, in a fresh journal file, and everything not yet durable is appended again. Meanwhile batches
 * fill up, commit_room becomes false, and the doors stop reading. Nothing is dropped.
 *
 * Life:    open (the thread starts), put and turn from the loop, flush, close (the thread ends).
 * Thread:  the loop's, but for what is said to be any.
 * Memory:  LIMIT_COMMIT_SLOTS batches and the remembered chunk ids, taken in open; put allocates
 *          nothing.
 */
#ifndef COLLECTOR_COMMIT_H
#define COLLECTOR_COMMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "collector/stage.h"
#include "proto/base/diag.h"
#include "storage/store.h"

struct commit;

/*
 * A frame whose ids somebody wants to know. A frame has consecutive ids; the first one is known when it
 * is durable and not before, for a journal that fails gives them anew.
 */
struct commit_ticket {
	uint64_t number;   /* of its batch */
	uint64_t offset;   /* of its first row in that batch */
	uint64_t first_id; /* 0 until `durable` is called for it */
	struct commit_ticket *prev, *next;
	bool waiting;
};

struct commit_conf {
	uv_loop_t *loop;
	struct store_writer *writer; /* the thread's alone from open to close */
	/* On the loop: commit_durable has grown, and with it the room. */
	void (*durable)(void *arg);
	/* On the loop: a frame's temporary file could not be read back; the process must end. */
	void (*fatal)(void *arg);
	void *arg;
};

struct commit_stats {
	uint64_t frames;  /* put, with rows */
	uint64_t rows;    /* of them */
	uint64_t batches; /* closed */
};

int commit_open(const struct commit_conf *conf, struct commit **out, struct diag *d);
/*
 * Stops the thread: at once if the journal fails, else after what was handed over. True when all
 * that was put is durable. The loop must run once more before it is closed.
 */
bool commit_close(struct commit **c);

/* Whether another frame may be put; looked at before each. */
bool commit_room(const struct commit *c);
/* Whether LIMIT_COMMIT_MARGIN batches more are free: for those who cannot stop in the middle. */
bool commit_room_ample(const struct commit *c);

/*
 * Whether an id is known; then the number to wait for is in *out_seq (0 when it is durable since the
 * start).
 */
bool commit_known(const struct commit *c, struct store_chunk chunk, uint64_t *out_seq);
/*
 * Takes a complete frame (stage_complete was called) and leaves the stage empty. Its ids, at most
 * LIMIT_FRAME_CHUNKS, become durable with it or not at all; one more often is one.
 * Returns the number to wait for; 0 when the frame has no rows: then its ids are not remembered.
 */
uint64_t commit_put(
	struct commit *c, struct stage *s, const struct store_chunk *chunks, uint32_t chunks_count);
/*
 * After a commit_put that returned a number: *t, which must stay where it is until it is durable or
 * dropped, learns the frame's first id before `durable` is called. Drop: also of one that is not waiting.
 */
void commit_watch(struct commit *c, struct commit_ticket *t);
void commit_drop(struct commit *c, struct commit_ticket *t);
/* The number of the last durable batch. */
uint64_t commit_durable(const struct commit *c);

/* Closes the open batch though the thread is busy. */
void commit_flush(struct commit *c);
/* True when everything put is durable. */
bool commit_idle(const struct commit *c);
/* True while the journal fails. Any thread. */
bool commit_failing(const struct commit *c);

const struct commit_stats *commit_stats(const struct commit *c);
/* The thread's totals. Any thread. */
uint64_t commit_syncs(const struct commit *c);
uint64_t commit_sync_ns(const struct commit *c);
uint64_t commit_failures(const struct commit *c);
/* The last event id that is durable. Any thread. */
uint64_t commit_last_id(const struct commit *c);

#endif
