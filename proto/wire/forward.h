/*
 * forward - the Fluent Forward protocol of one connection: bytes in, frames and their entries out
 * (WIRE.md says what every byte means and why). Nothing is stored, sent or logged here.
 *
 * A frame's entries are handed out while its bytes arrive, whatever the frame's size; only one
 * entry has to lie in one piece, and it is copied only if it straddles two reads. Because a frame
 * may still turn out to be unacceptable (a connection lost half-way, an unknown compression), its
 * entries count only once FORWARD_END is reached: stage them, then commit or drop them as one.
 *
 * Life:    init, next... over each piece of input until FORWARD_MORE, fini. To press back, stop
 *          calling next: the cursor remembers where to go on, keep its bytes.
 * Thread:  one at a time.
 * Memory:  grows only for what straddles reads, up to FORWARD_BYTES_MAX, and while a compressed
 *          payload arrives by INFLATE_BYTES_MAX; forward_bytes tells.
 * Errors:  a negative return ends the connection: `fault` names the reason, the frame under way
 *          must be dropped, and only fini or reset may follow. One bad entry is no error: it is
 *          counted in the frame and skipped.
 */
#ifndef PROTO_WIRE_FORWARD_H
#define PROTO_WIRE_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/cursor.h"
#include "proto/base/limits.h"
#include "proto/wire/forward_json.h"
#include "proto/wire/gather.h"
#include "proto/wire/inflate_pool.h"
#include "proto/wire/walk.h"

/* What forward_next found. */
enum forward_kind {
	FORWARD_MORE = 1,  /* the input is used up, its memory is free again */
	FORWARD_BEGIN,     /* a frame starts: frame.tag, frame.mode */
	FORWARD_ENTRY,     /* *entry is filled; its spans die with the next call */
	FORWARD_END,       /* the frame is complete: all of `frame` */
	FORWARD_HEARTBEAT, /* a nil; or the datagram 00, which alone is answered, with one byte 00 */
};

enum forward_mode {
	FORWARD_MODE_MESSAGE,
	FORWARD_MODE_FORWARD,
	FORWARD_MODE_PACKED,
	FORWARD_MODE_INVALID, /* element 1 has a type that no mode has; nothing to store, still acked */
};

/*
 * Why an entry was skipped. Such an entry will never be right, so its frame is acked all the same.
 * X(name, label of the counter, text)
 */
#define FORWARD_DROP_TABLE(X)                                                            \
	X(FORWARD_DROP_LARGE, "large", "the entry is larger than LIMIT_ENTRY_BYTES")     \
	X(FORWARD_DROP_DEEP, "deep", "the entry is nested deeper than LIMIT_DEPTH")      \
	X(FORWARD_DROP_SHAPE, "shape", "the entry is not [time, record]")                \
	X(FORWARD_DROP_RECORD, "record", "the record is not a map")                      \
	X(FORWARD_DROP_NIL, "nil", "the record is nil")                                  \
	X(FORWARD_DROP_SYNTAX, "syntax",                                                 \
		"the entry, or the rest of the packed ones, is not well formed")         \
	X(FORWARD_DROP_TRUNCATED, "truncated", "the packed entries end inside an entry") \
	X(FORWARD_DROP_CORRUPT, "corrupt",                                               \
		"the rest of the compressed entries is damaged, cut or something else")  \
	X(FORWARD_DROP_WINDOW, "window",                                                 \
		"the compressed entries need a window above LIMIT_INFLATE_WINDOW_LOG")   \
	X(FORWARD_DROP_BOMB, "bomb",                                                     \
		"the compressed entries outgrow LIMIT_INFLATE_RATIO or LIMIT_PAYLOAD_BYTES")

enum forward_drop {
#define FORWARD_DROP_ENUM(name, label, text) name,
	FORWARD_DROP_TABLE(FORWARD_DROP_ENUM)
#undef FORWARD_DROP_ENUM
		FORWARD_DROP_COUNT,
};

/* Why a connection (or a datagram) is given up. X(name, label of the counter, text) */
#define FORWARD_FAULT_TABLE(X)                                                                   \
	X(FORWARD_FAULT_NONE, "none", "no fault")                                                \
	X(FORWARD_FAULT_TLS, "tls", "a TLS hello on a plain port: switch TLS off in the client") \
	X(FORWARD_FAULT_HTTP, "http", "an HTTP request on the Forward port")                     \
	X(FORWARD_FAULT_SYSLOG, "syslog", "a syslog message on the Forward port")                \
	X(FORWARD_FAULT_JSON, "json", "JSON that is no frame, or in a datagram")                 \
	X(FORWARD_FAULT_HANDSHAKE, "handshake",                                                  \
		"a handshake PING, but no shared key is configured here")                        \
	X(FORWARD_FAULT_PING, "ping",                                                            \
		"no PING of a handshake: does the client have a shared key?")                    \
	X(FORWARD_FAULT_KEY, "key", "the client has another shared key")                         \
	X(FORWARD_FAULT_USER, "user", "the client's user is unknown, or its password wrong")     \
	X(FORWARD_FAULT_FRAME, "frame", "not a frame: an array of a tag and at least one more")  \
	X(FORWARD_FAULT_SYNTAX, "syntax", "not msgpack: the byte c1")                            \
	X(FORWARD_FAULT_TAG, "tag", "the tag is not text, or longer than LIMIT_TAG_BYTES")       \
	X(FORWARD_FAULT_OPTION, "option",                                                        \
		"the options are larger than LIMIT_OPTION_BYTES, or too deep")                   \
	X(FORWARD_FAULT_CHUNK, "chunk", "the chunk id is longer than LIMIT_CHUNK_BYTES")         \
	X(FORWARD_FAULT_COMPRESSION, "compression",                                              \
		"the option `compressed` names no compression of the protocol")                  \
	X(FORWARD_FAULT_TRUNCATED, "truncated", "the datagram ends inside its frame")            \
	X(FORWARD_FAULT_TRAILING, "trailing", "bytes after the datagram's frame")                \
	X(FORWARD_FAULT_MEMORY, "memory", "out of memory")

enum forward_fault {
#define FORWARD_FAULT_ENUM(name, label, text) name,
	FORWARD_FAULT_TABLE(FORWARD_FAULT_ENUM)
#undef FORWARD_FAULT_ENUM
		FORWARD_FAULT_COUNT,
};

struct forward_entry {
	struct span record;   /* one complete msgpack map, head included */
	struct span metadata; /* Fluent Bit's metadata map of this entry, not empty; or absent */
	struct span group;    /* the attributes (a map) of the group it stands in; or absent */
	int64_t time_ns;      /* valid if has_time */
	bool has_time;        /* false: nil, zero, unusable: take the time of arrival */
};

/* The frame under way. The spans live until the next FORWARD_BEGIN. */
struct forward_frame {
	struct span tag;
	enum forward_mode mode;
	struct span chunk;  /* answer with it when the events are safe; absent: no ack is wanted */
	uint64_t entries;   /* handed out */
	uint64_t bytes;     /* of the frame on the wire, so far; blanks before JSON may count */
	uint64_t size_hint; /* what the client says, never trusted */
	bool has_size;
	bool odd_option; /* the options, or the value of one we know, had a wrong type: ignored */
	uint64_t signal; /* not 0: no logs. Ack, discard, count */
	uint64_t groups_large; /* groups whose attributes exceed LIMIT_GROUP_BYTES: not added */
	uint64_t dropped[FORWARD_DROP_COUNT];
};

struct forward {
	struct forward_frame frame; /* for the caller to read */
	enum forward_fault fault;   /* likewise, after a negative return */
	uint64_t bytes;             /* taken from the connection, in all */
	bool is_json;               /* so are its answers */

	/* The rest is forward.c's own. */
	int state;
	bool datagram;
	struct forward_json json;
	uint32_t elements; /* of the frame's array not yet begun */
	uint64_t left;     /* entries (Forward) or payload bytes (Packed) still to come */
	uint8_t head[5];   /* of an array, str or bin, or a payload's first bytes */
	uint8_t head_have;
	struct forward_entry message; /* Message mode: waits for the options that may follow it */
	struct rcur plain; /* decompressed, not yet taken; empty whenever the input is used up */
	bool plain_more;   /* the decompressor has more without further input */
	bool plain_bad;    /* ... has failed behind it */
	/* A reset clears all above. */
	struct gather gather;
	struct inflate_pool *pool;
	struct inflate *inflate; /* while a compressed payload arrives */
	struct buf converted;    /* an entry or record that came as JSON */
	struct buf carry;        /* an entry or record that straddles reads */
	struct buf option;       /* options that do */
	struct buf group;        /* attributes of the open group */
	uint8_t tag[LIMIT_TAG_BYTES];
	uint8_t chunk[LIMIT_CHUNK_BYTES];
};

enum { FORWARD_BYTES_MAX = 2 * LIMIT_ENTRY_BYTES + LIMIT_OPTION_BYTES + LIMIT_GROUP_BYTES };

/* The pool serves any number of parsers on this thread, and outlives them. */
void forward_init(struct forward *f, struct inflate_pool *pool);
void forward_fini(struct forward *f);
/* Between frames: gives memory back that only a large entry needed. */
void forward_trim(struct forward *f);
/* As new, memory kept: for the next connection, or the next datagram with forward_datagram. */
void forward_reset(struct forward *f);
/*
 * As new, for one datagram: it holds one whole frame (or the heartbeat) and nothing else, or
 * forward_next fails; go on until FORWARD_END or FORWARD_HEARTBEAT.
 */
void forward_datagram(struct forward *f);

/* The next thing in the input. An enum forward_kind, or negative with f->fault set. */
int forward_next(struct forward *f, struct rcur *in, struct forward_entry *entry);

/* True between FORWARD_BEGIN and FORWARD_END, and inside a frame's head: a close now loses it. */
bool forward_mid_frame(const struct forward *f);
/* Memory held now. */
size_t forward_bytes(const struct forward *f);

const char *forward_drop_label(enum forward_drop why);
const char *forward_drop_text(enum forward_drop why);
const char *forward_fault_label(enum forward_fault why);
const char *forward_fault_text(enum forward_fault why);

#endif
