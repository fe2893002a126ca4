/*
 * store - the public face of the event store: a data directory with one appending process, any
 * number of readers, and cron's maintenance beside them (DESIGN: flow, on disk).
 *
 * Durable: an event is on disk after the store_writer_commit that follows its append returned 0;
 *          only then do readers see it, and only then may it be acknowledged.
 * Readers: see a snapshot: exactly the events with id <= the committed id at its making, whatever
 *          is sealed, merged or retired meanwhile.
 * Errors:  negative codes of proto/base/err.h with a diag; no call logs.
 */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/wire/event.h"
#include "storage/vfs.h"

/* What a store is opened with. Zero means the default of limits.h. */
struct store_conf {
	const struct vfs *vfs; /* NULL: the real one */
	const char *dir;       /* DATA */
	uint16_t node;         /* upper 16 bits of every id */
	uint64_t journal_file_bytes;
	uint64_t seal_rows;        /* seal when so many rows are unsealed ... */
	uint64_t seal_bytes;       /* ... or so many raw bytes ... */
	int64_t seal_age_ns;       /* ... or the oldest unsealed row was committed so long ago */
	uint64_t tail_cache_bytes; /* reader: decoded unsealed rows kept in memory */
	/*
	 * Reader: goes on where orders to delete cannot be read, and sees the rows that they hide. For
	 * who keeps rows and shows none to anybody.
	 */
	bool past_redact;
};

/* ---------------------------------------------------------------- appending
 *
 * Thread:  all calls from one thread (the journal thread), but store_writer_prepare and
 *          store_writer_retire, which a second thread (the sealer) calls, and store_writer_beat,
 *          which any may.
 * Memory:  taken in open; append and commit allocate nothing.
 */
struct store_writer;

/* XXH3-128 of a client's chunk id together with its frame's tag, or of such an id (FORMAT.md 5.1). */
struct store_chunk {
	uint64_t lo;
	uint64_t hi;
};

/* Rows as row_put wrote them, one after another. The memory is free again after append returned. */
struct store_batch {
	const uint8_t *rows;
	size_t rows_bytes;   /* 1 .. LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES */
	uint32_t rows_count; /* 1 .. LIMIT_BATCH_ROWS */
	int64_t time_min_ns;
	int64_t time_max_ns;
	const struct store_chunk *chunks; /* what frames of this batch are recognised by */
	uint32_t chunks_count;            /* 0 .. LIMIT_BATCH_CHUNKS */
	bool more; /* the next batch belongs to the same frame: both are stored, or neither */
};

/*
 * Opens DATA for appending, made if it is not there; recovers after a crash (storage/recover.h).
 * ERR_LOCKED: another collector has it. ERR_TOO_NEW, ERR_NOT_A_STORE: left untouched.
 */
int store_writer_open(const struct store_conf *conf, struct store_writer **out, struct diag *d);
/* What was appended since the last commit is not safe: the next open may find it, in whole frames. */
void store_writer_close(struct store_writer **w);

/*
 * Adds one batch to the journal file, not yet durable, not yet visible. A journal file is changed
 * for the reserved spare when full; where none could be reserved: -ENOSPC (or ERR_LIMIT: there are
 * LIMIT_JOURNAL_FILES unsealed ones), and nothing was taken.
 * ERR_JOURNAL_DEAD: a write failed; see store_writer_restart.
 */
int store_writer_append(struct store_writer *w, const struct store_batch *b, struct diag *d);
/*
 * fdatasync, then publishes in ctl and wakes the readers. *out_committed is the last id now safe.
 * ERR_JOURNAL_DEAD: the file must not be trusted again; see store_writer_restart.
 */
int store_writer_commit(struct store_writer *w, uint64_t *out_committed, struct diag *d);
/*
 * After ERR_JOURNAL_DEAD, or to give up a half-appended frame: forgets everything since the last
 * commit (after a failure by opening another journal file). The caller appends it again. May fail
 * itself (-ENOSPC, -EIO) and may then be called again later.
 */
int store_writer_restart(struct store_writer *w, struct diag *d);

/*
 * Sealer thread: makes the spare journal file if there is none, so that append and restart only
 * rename one; 1: made, 0: was there. -ENOSPC: the disk is full now, while the open file still has
 * room: call again later. Without it append makes the spare itself, at the price of the wait.
 */
int store_writer_prepare(struct store_writer *w, struct diag *d);
/*
 * Sealer thread: gives the spare's bytes back to the file system, so that a full disk has room to
 * seal in (which frees journal files). 1: done, 0: there was none.
 */
int store_writer_yield(struct store_writer *w, struct diag *d);
/*
 * Sealer thread: removes the journal files whose events all have id <= sealed_id, after their chunk ids
 * have gone to the chunk log (storage/chunk_log.h).
 */
int store_writer_retire(struct store_writer *w, uint64_t sealed_id, struct diag *d);
/* Tells whoever looks at ctl that the process is not stuck; about once a second. */
void store_writer_beat(struct store_writer *w);

uint64_t store_writer_committed(const struct store_writer *w);
/* The id that the next appended row gets. */
uint64_t store_writer_next(const struct store_writer *w);

struct chunkset; /* storage/chunkset.h */

/*
 * The chunk ids that were remembered when the store was opened, the writer's until the caller moves
 * them out. What is appended later the caller adds himself.
 */
struct chunkset *store_writer_chunks(struct store_writer *w);

/* What recovery found, for the start-up log line. */
struct store_recovery {
	uint64_t committed;   /* last id */
	uint64_t sealed;      /* last id in segments */
	uint64_t torn_bytes;  /* cut at the journal's end: never acknowledged */
	uint64_t lost_ids;    /* in damaged records that valid ones follow: reported, quarantined */
	uint64_t lost_chunks; /* chunk ids that cannot be read, at most */
	uint64_t quarantined_files; /* moved to DATA/bad, or linked there */
	uint64_t bad_removed;       /* the oldest of DATA/bad, which would have grown too large */
	uint64_t missing_files;     /* segments listed that are not there, or of another size */
	uint64_t swept_files;       /* removed from DATA/tmp */
	bool created;
	struct diag damage; /* the first damage met; code 0: none */
};
const struct store_recovery *store_writer_recovery(const struct store_writer *w);

/* ---------------------------------------------------------------- reading */

struct store_reader;
struct store_snapshot;

/* Read-only; needs no collector alive. Thread: refresh and snapshot from one thread at a time. */
int store_reader_open(const struct store_conf *conf, struct store_reader **out, struct diag *d);
/* After all snapshots are freed. */
void store_reader_close(struct store_reader **r);
/* Whether they are. Thread: as refresh and snapshot; once true it stays so until the next snapshot. */
bool store_reader_unused(const struct store_reader *r);

/*
 * The newest consistent view. Cheap when nothing changed: two atomic loads. The snapshot may be
 * used by several threads at once and outlives later ones; its files stay readable meanwhile.
 */
int store_reader_snapshot(struct store_reader *r, struct store_snapshot **out, struct diag *d);
/* The last one again, if nothing has changed since; no file is read. 1: something has, or may have. */
int store_reader_same(struct store_reader *r, struct store_snapshot **out);
/* Drops one reference and clears the pointer; the last one frees. Any thread. */
void store_snapshot_free(struct store_snapshot **s);
struct store_snapshot *store_snapshot_ref(struct store_snapshot *s);
/*
 * The same snapshot for who keeps it long: decoded rows of the journal it does not keep in memory, they are
 * decoded again where they are asked for. -ENOMEM. Any thread.
 */
int store_snapshot_slim(const struct store_snapshot *s, struct store_snapshot **out);
uint64_t store_snapshot_committed(const struct store_snapshot *s);

/*
 * Waits until something beyond `committed` is committed: 1, or 0 after timeout_ms without. Any thread.
 * Falls back to polling the files where no collector publishes.
 */
int store_reader_wait(struct store_reader *r, uint64_t committed, int timeout_ms);

/* What it has cost so far that all readers of the process keep no more than limits.h says. Any thread. */
struct store_reader_costs {
	uint64_t segments_closed; /* unused, but to be opened anew if asked for again */
	uint64_t letters_unnoted; /* blocks to be searched again that need not be (seg_letters.h) */
	uint64_t rows_decoded;    /* unsealed ones, again */
};
void store_reader_costs(struct store_reader_costs *out);

#endif
