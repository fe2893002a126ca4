/*
 * limits - every compile-time limit of the product, in one place, with proofs between them.
 *
 * A limit that a peer or a file can reach says who pays when it is reached; the counter that tells
 * so is in proto/svc/metrics.def, and a test reaches it. Bytes unless the name says otherwise.
 */
#ifndef PROTO_BASE_LIMITS_H
#define PROTO_BASE_LIMITS_H

#include <assert.h>

/* ---- one event ---- */
enum {
	/* Encoded row of one event; a larger event is dropped and counted, its frame goes on. */
	LIMIT_EVENT_BYTES = 1 << 20,
	/* Nesting of arrays and maps in a record or in JSON. */
	LIMIT_DEPTH = 64,
	/* Pairs in one map of a record, and in a JSON object. */
	LIMIT_MAP_PAIRS = 1024,
	/* Each text field but the description, which may fill the event. */
	LIMIT_FIELD_BYTES = 8192,
};

/* ---- Forward frames ---- */
enum {
	/* Tag of a frame; a longer one ends the connection. */
	LIMIT_TAG_BYTES = 1024,
	/* Chunk id of a frame; the ack must fit the 512 bytes that Fluent Bit reads at once. */
	LIMIT_CHUNK_BYTES = 256,
	/* Option map of a frame. */
	LIMIT_OPTION_BYTES = 64 << 10,
	/* One UDP payload. */
	LIMIT_DATAGRAM_BYTES = 65507,
	/* One entry on the wire; a larger one is skipped unbuffered and counted, its frame goes on. */
	LIMIT_ENTRY_BYTES = LIMIT_EVENT_BYTES + (64 << 10),
	/* Attributes of a Fluent Bit group; larger ones are not added to its entries. */
	LIMIT_GROUP_BYTES = 16 << 10,
	/* Acks waiting for one connection before its socket is no longer read. */
	LIMIT_ACKS_PENDING = 1024,
};

/* ---- journal ---- */
enum {
	/* A batch closes at this many bytes of rows; one event more may stand above it. */
	LIMIT_BATCH_BYTES = 256 << 10,
	/* Rows in one batch. */
	LIMIT_BATCH_ROWS = 65536,
	/* Chunk ids in one batch. */
	LIMIT_BATCH_CHUNKS = 4096,
	/* Chunk ids remembered, newest kept (promise 2). */
	LIMIT_CHUNKS_REMEMBERED = 65536,
	/* One journal file, preallocated. */
	LIMIT_JOURNAL_FILE_BYTES = 64 << 20,
};

/* ---- segments ---- */
enum {
	LIMIT_BLOCK_ROWS = 16384,
	/* Files that one seal may make; rows of rare hours share one (FORMAT.md). */
	LIMIT_SEAL_SEGMENTS = 64,
	/* Rows and raw bytes after which unsealed events are sealed. */
	LIMIT_SEAL_ROWS = 262144,
	LIMIT_SEAL_BYTES = 64 << 20,
};

/* ---- descriptors ---- */
enum {
	/* Descriptors that only the store may use; doors stop accepting when only these are left. */
	LIMIT_FDS_RESERVED = 64,
};

static_assert(LIMIT_CHUNK_BYTES + 16 < 512, "an ack is one read of the most impatient client");
static_assert(LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES < LIMIT_JOURNAL_FILE_BYTES / 4,
	"a journal file holds several of the largest records");

#endif
