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
	/* What the msgpack walker follows: a record, and the arrays of the frame around it. */
	LIMIT_WALK_DEPTH = LIMIT_DEPTH + 4,
	/* Pairs in one map of a record, and in a JSON object. */
	LIMIT_MAP_PAIRS = 1024,
	/* Each text field but the description, which may fill the event. */
	LIMIT_FIELD_BYTES = 8192,
	/* Pairs of its metadata, from all places it has them: three of the largest maps, and the rest. */
	LIMIT_METADATA_PAIRS = 3 * LIMIT_MAP_PAIRS + 256,
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
	/* A compressed payload when decompressed; the entries beyond are dropped and counted. */
	LIMIT_PAYLOAD_BYTES = 256 << 20,
	/* Attributes of a Fluent Bit group; larger ones are not added to its entries. */
	LIMIT_GROUP_BYTES = 16 << 10,
	/* The client's answer to the greeting, and the time it has for it. */
	LIMIT_PING_BYTES = 4096,
	LIMIT_HANDSHAKE_MS = 10000,
	/* Users of a shared key, and the file of them. */
	LIMIT_USERS = 256,
	LIMIT_USERS_BYTES = 64 << 10,
	/*
	 * Messages in parts (Docker) that one connection may have open, the bytes of all, the parts of
	 * one, and how long it is waited for: shorter where an ack is. Then the parts are stored.
	 */
	LIMIT_PARTIALS = 16,
	LIMIT_PARTIAL_BYTES = 1 << 20,
	LIMIT_PARTIAL_PARTS = 1024,
	LIMIT_PARTIAL_MS = 5000,
	LIMIT_PARTIAL_ACK_MS = 100,
	/* Frames whose acks wait for such messages, each counted once for each message. */
	LIMIT_PARTIAL_FRAMES = 1024,
	/* Acks waiting for one connection before its socket is no longer read. */
	LIMIT_ACKS_PENDING = 1024,
};

/* ---- compressed bodies and payloads (proto/wire/inflate.h); beyond them the rest is not read ---- */
enum {
	/* Window of a zstd frame, in powers of two: what RFC 8878 wants every decoder to have. */
	LIMIT_INFLATE_WINDOW_LOG = 23,
	/* Bytes out of one byte in, beyond the first so many: a few equal lines shrink by more. */
	LIMIT_INFLATE_RATIO = 256,
	LIMIT_INFLATE_FREE_BYTES = 16 << 20,
	/* Decompressors kept for the next stream, and what each may hold: zstd's usual window fits. */
	LIMIT_INFLATE_SPARES = 2,
	LIMIT_INFLATE_SPARE_BYTES = 4 << 20,
	/* What is decompressed at once. */
	LIMIT_INFLATE_PIECE_BYTES = 64 << 10,
};

/* ---- journal ---- */
enum {
	/* A batch closes at this many bytes of rows; one event more may stand above it. */
	LIMIT_BATCH_BYTES = 256 << 10,
	/* Rows in one batch. */
	LIMIT_BATCH_ROWS = 65536,
	/* Chunk ids in one batch. */
	LIMIT_BATCH_CHUNKS = 4096,
	/* Of them, those that one frame brings: its own, and for messages in parts those of others. */
	LIMIT_FRAME_CHUNKS = LIMIT_PARTIAL_FRAMES + 1,
	/* Chunk ids remembered, newest kept (promise 2). */
	LIMIT_CHUNKS_REMEMBERED = 1 << 20,
	/* Chunk ids in one file of the chunk log (storage/chunk_log.h), and such files at a time. */
	LIMIT_CHUNK_FILE_IDS = 65280,
	LIMIT_CHUNK_FILES = 64,
	/* In a carry record, which versions before the chunk log wrote. */
	LIMIT_CARRY_CHUNKS = 65536,
	/* One journal file, preallocated. */
	LIMIT_JOURNAL_FILE_BYTES = 64 << 20,
	/* The least it may be configured to. */
	LIMIT_JOURNAL_FILE_BYTES_MIN = 2 << 20,
	/* Quarantine: with more files or bytes the oldest are removed. */
	LIMIT_BAD_FILES = 64,
	LIMIT_BAD_BYTES = 1 << 30,
	/* Journal files at once; a store with more unsealed takes no appends until some are sealed. */
	LIMIT_JOURNAL_FILES = 4096,
};

/* ---- frames in flight ---- */
enum {
	/* Rows of one unfinished frame on disk (DATA/tmp); a larger frame is refused. */
	LIMIT_SPILL_BYTES = 1 << 30,
};

/* ---- syslog ---- */
enum {
	/* Text of one message; a longer one is cut and flagged. */
	LIMIT_SYSLOG_BYTES = 64 << 10,
	/* What a count of octets may say; one above it is taken for text. */
	LIMIT_SYSLOG_COUNT = 16 << 20,
	/* Structured data: elements, and parameters of all of them; with more it stays text. */
	LIMIT_SYSLOG_ELEMENTS = 64,
	LIMIT_SYSLOG_PARAMS = 128,
	/* Of a message of the old form; what is longer is part of its text. */
	LIMIT_SYSLOG_HOST_BYTES = 255,
	LIMIT_SYSLOG_TAG_BYTES = 256,
	LIMIT_SYSLOG_PROCID_BYTES = 128,
};

/* ---- manifest ---- */
enum {
	/* Live segments; sealing waits when there are so many: astrocompact merges them. */
	LIMIT_SEGMENTS = 65536,
	/* Segments added, and segments dropped, by one change. */
	LIMIT_CHANGE_SEGMENTS = 4096,
	/* A manifest file longer than this, and than twice its live part, is followed by a new one. */
	LIMIT_MANIFEST_BYTES = 1 << 20,
	/* Deletion orders of a store, done ones included; bytes and ids of one; memory of all not done. */
	LIMIT_REDACT_FILES = 65536,
	LIMIT_REDACT_FILE_BYTES = 256 << 20,
	LIMIT_REDACT_IDS = 1 << 30,
	LIMIT_REDACT_BYTES = 64 << 20,
	/* What an order says of its reason. */
	LIMIT_REDACT_REASON = 1000,
	/* Name of a retention class, with its NUL. */
	LIMIT_CLASS_BYTES = 16,
};

/* ---- retention classes ---- */
enum {
	/* Classes of the configuration, "default" among them; a further one is refused at the start. */
	LIMIT_CLASSES = 32,
	/* Lines `match` of one class. */
	LIMIT_CLASS_MATCHES = 16,
	/* Tests and values of all classes together, and parentheses and nots within each other. */
	LIMIT_CLASS_TESTS = 1024,
	LIMIT_CLASS_DEPTH = 32,
};

/* ---- rules of the configuration (proto/rule) ---- */
enum {
	/* Rules, and the lines of each; one more is refused when the configuration is read. */
	LIMIT_RULES = 64,
	LIMIT_RULE_LINES = 64,
	/* Name of a rule, with its NUL. */
	LIMIT_RULE_NAME_BYTES = 32,
	/* What is put in place of a masked text; and N of "sample 1/N". */
	LIMIT_RULE_WITH_BYTES = 64,
	LIMIT_RULE_SAMPLE = 1000000000,
	/* Parts of a path that a rule names: maps within maps end at LIMIT_DEPTH. */
	LIMIT_RULE_KEYS = LIMIT_DEPTH / 2,
	/* Regular expressions that one rule masks by. */
	LIMIT_RULE_PATTERNS = 8,
	/* Places of one text that are masked one by one; a text with more is masked as a whole. */
	LIMIT_RULE_PLACES = 4096,
	/* Events after which a regular expression that was given up has all its steps again. */
	LIMIT_RULE_REGEX_EVENTS = 4096,
};

/* ---- reading ---- */
enum {
	/* Segments that a reader keeps open although no query uses them. */
	LIMIT_SEGMENTS_OPEN = 256,
	/* Decoded unsealed rows that a reader keeps in memory; its snapshots may keep as much again. */
	LIMIT_TAIL_CACHE_BYTES = 6 << 20,
	/* Blocks that no query uses, kept open for the next one (storage/block_pool.h). */
	LIMIT_BLOCK_POOL_BYTES = 30 << 20,
	/* What was noted of blocks that were searched (storage/seg_letters.h). */
	LIMIT_LETTERS_BYTES = 4 << 20,
};

/* ---- segments ---- */
enum {
	LIMIT_BLOCK_ROWS = 65536,
	/* Texts and metadata after which a block takes no more rows. */
	LIMIT_BLOCK_BYTES = 16 << 20,
	/* Blocks of one segment; a reader refuses more before it allocates for them. */
	LIMIT_SEGMENT_BLOCKS = 4096,
	/* Dictionary of one column of a segment; a column that has more is written plain. */
	LIMIT_DICT_ENTRIES = 65535,
	LIMIT_DICT_BYTES = 1 << 20,
	/* Event types whose rows are counted in footer and sidecar; with more, neither counts. */
	LIMIT_SEGMENT_TYPES = 4096,
	/* Files that one seal may make; rows of rare hours share one (FORMAT.md). */
	LIMIT_SEAL_SEGMENTS = 64,
	/* Rows and raw bytes after which unsealed events are sealed. */
	LIMIT_SEAL_ROWS = 262144,
	LIMIT_SEAL_BYTES = 64 << 20,
};

/* ---- shaped texts (storage/col_text.h); what is beyond them is stored plain ---- */
enum {
	/* A longer text is not cut into tokens. */
	LIMIT_TEXT_SHAPED_BYTES = 2048,
	/* Tokens of one text, and the bytes of its pattern. */
	LIMIT_TEXT_TOKENS = 96,
	LIMIT_TEXT_PATTERN_BYTES = 512,
	/* Templates of one page, and the slots of all of them. */
	LIMIT_TEXT_TEMPLATES = 1024,
	LIMIT_TEXT_SLOTS = 16384,
	/* Texts of one form are told apart by their first word as long as it has so few values. */
	LIMIT_TEXT_FORKS = 16,
	/* What cutting one column may keep in memory. */
	LIMIT_TEXT_GATHER_BYTES = 24 << 20,
};

/* ---- sidecars ---- */
enum {
	/* Keys in blocks that are held while an index is made; beyond, the segment is read in passes. */
	LIMIT_SIDX_POSTINGS = 1 << 20,
	/* Passes; a segment that would need more gets an index that knows nothing. */
	LIMIT_SIDX_PASSES = 64,
	/* Counts by time and dimensions of one segment, the buckets of time, values of one dimension. */
	LIMIT_CUBE_CELLS = 1 << 18,
	LIMIT_CUBE_BUCKETS = 4096,
	LIMIT_CUBE_VALUES = 4096,
};

/* ---- metadata of a block; a map beyond any of these is stored as it is ---- */
enum {
	/* Key paths, and distinct lists of them in rows (key sets). */
	LIMIT_MAP_PATHS = 4096,
	LIMIT_MAP_SETS = 4096,
	/* Leaves of all key sets together, and of all rows. */
	LIMIT_MAP_MEMBERS = 1 << 17,
	LIMIT_MAP_LEAVES = 1 << 20,
	/* Maps inside maps that are taken apart; a deeper one is a value of its own. */
	LIMIT_MAP_NESTING = 8,
	/* Text of the keys of all paths, and of all key sets. */
	LIMIT_MAP_KEY_BYTES = 256 << 10,
	LIMIT_MAP_SET_BYTES = 4 << 20,
};

/* ---- HTTP ---- */
enum {
	/* Connections of one server; one more is answered 503 and closed. */
	LIMIT_HTTP_CONNS = 256,
	/* Request line; a longer one is 414. */
	LIMIT_HTTP_LINE_BYTES = 16 << 10,
	/* Request line and fields together; more is 431. */
	LIMIT_HTTP_HEAD_BYTES = 24 << 10,
	/* Header fields of one request, and of its trailer; more is 431. */
	LIMIT_HTTP_FIELDS = 64,
	/* Chunked bodies: framing bytes beyond as many as the body's own. */
	LIMIT_HTTP_CHUNK_FRAMING_BYTES = 64 << 10,
	/* A body that is taken as it comes may take a second more for each so many bytes that came. */
	LIMIT_HTTP_BODY_RATE = 16 << 10,
	/* Bytes of an answer handed to the socket at once. */
	LIMIT_HTTP_WRITE_BYTES = 256 << 10,
	/* Streamed answers: bytes waiting for a slow reader. */
	LIMIT_HTTP_STREAM_BYTES = 1 << 20,
	/* From the first byte of a head to its last; then the same for the body. */
	LIMIT_HTTP_HEAD_MS = 10000,
	LIMIT_HTTP_BODY_MS = 30000,
	/* Between two requests. */
	LIMIT_HTTP_IDLE_MS = 75000,
	/* For taking an answer, and a millisecond more for each LIMIT_HTTP_WRITE_RATE bytes of it. */
	LIMIT_HTTP_WRITE_MS = 30000,
	LIMIT_HTTP_WRITE_RATE = 16,
	/* Where answers use up the memory, who has not taken his within this time loses it first. */
	LIMIT_HTTP_SHED_MS = 1000,
	/* A client that closed its sending side gets its answer within this time, or none. */
	LIMIT_HTTP_HALF_CLOSED_MS = 1000,
	/*
	 * Of a connection that a handler took over, and of a stream to a near client: bytes with the kernel
	 * that the peer has not taken.
	 */
	LIMIT_HTTP_SENT_BYTES = 256 << 10,
	/* Connections to another server that are kept for its next requests, and how long. */
	LIMIT_UPSTREAM_SPARES = 8,
	LIMIT_UPSTREAM_SPARE_MS = 30000,
};

/* ---- WebSocket; beyond them the connection is closed with the code named ---- */
enum {
	/* Message of a client, in one frame or many: 1009. */
	LIMIT_WS_MESSAGE_BYTES = 64 << 10,
	/* Frames of one message: 1008. */
	LIMIT_WS_FRAGMENTS = 64 << 10,
};

/* ---- events by HTTP ---- */
enum {
	/* Names of one list in the parameters of /insert/jsonline; with more it is 400. */
	LIMIT_JSONLINE_NAMES = 32,
	/* Connections; one more is answered 503 and closed. */
	LIMIT_POST_CONNS = 256,
	/* Body, and what becomes of it unpacked: 413. */
	LIMIT_POST_BYTES = 256 << 20,
	/* One JSON value of a body that comes in pieces; the line is bad, or 413. */
	LIMIT_JSON_STREAM_BYTES = 2 << 20,
	/* Bad lines that an answer tells of; the others are counted. And all of an answer. */
	LIMIT_POST_ERRORS = 20,
	LIMIT_POST_ANSWER_BYTES = 16 << 20,
	/* Where the journal is behind, a whole request waits so long: 503. */
	LIMIT_POST_ROOM_MS = 10000,
	/* And so long to become durable, then nobody knows: 503. */
	LIMIT_POST_ANSWER_MS = 60000,
	/* Relayed: body (413), all of them together (503), an answer (502). */
	LIMIT_RELAY_BODY_BYTES = 8 << 20,
	LIMIT_RELAY_HELD_BYTES = 16 << 20,
	LIMIT_RELAY_ANSWER_BYTES = 256 << 10,
	/* To connect to the collector (503), and to be answered (504). */
	LIMIT_RELAY_CONNECT_MS = 2000,
	LIMIT_RELAY_ANSWER_MS = LIMIT_POST_ROOM_MS + LIMIT_POST_ANSWER_MS + 5000,
};

/* ---- admission (proto/net/peers.h) ---- */
enum {
	/* Networks of one allow-list; one more is refused when the configuration is read. */
	LIMIT_NETWORKS = 64,
	/* A peer may have so many times what is still free of connections or memory. */
	LIMIT_PEER_RATIO = 7,
	/* What a peer may send at once, as time at its rate. */
	LIMIT_PEER_BURST_MS = 1000,
};

/* ---- what clients of other systems send ---- */
enum {
	/* Body of a Loki push, as sent and decoded; a larger one is 413. */
	LIMIT_LOKI_BODY_BYTES = 4 << 20,
	/* Labels of one stream that are told apart; of a stream with more they are one value. */
	LIMIT_LOKI_LABELS = 128,
	/* Actions of one Elasticsearch bulk; with more it is 413. */
	LIMIT_ES_ITEMS = 65536,
	/* What is remembered of them for the answer, beyond their number; with more it is 413. */
	LIMIT_ES_NOTES_BYTES = 1 << 20,
	/* A template, policy or pipeline, which is read and forgotten: 413. */
	LIMIT_ES_THING_BYTES = 16 << 20,
	/* Name of an index, and an id, as Elasticsearch has it; a longer one fails its action. */
	LIMIT_ES_NAME_BYTES = 512,
};

/* ---- queries ---- */
enum {
	/* Events on one page. */
	LIMIT_QUERY_ROWS = 1000,
	/* Values of one filter. */
	LIMIT_QUERY_VALUES = 64,
	/* Bytes of all values of a query, decoded. */
	LIMIT_QUERY_VALUES_BYTES = 64 << 10,
	/* Events of one page in memory; a page of larger ones is cut short and says so. */
	LIMIT_QUERY_PAGE_BYTES = 8 << 20,
	/* The same page as JSON: at worst six times as long. */
	LIMIT_QUERY_ANSWER_BYTES = 64 << 20,
	/* Answers on their way to clients, all together; above it the slowest are cut, else 503. */
	LIMIT_QUERY_HELD_BYTES = 32 << 20,
	/* Row numbers held for sorting: what an offset may cost. */
	LIMIT_QUERY_HITS_BYTES = 16 << 20,
	/* A query ends with a partial answer after this. */
	LIMIT_QUERY_MS = 10000,
	/* Long polls: seconds one may ask for, and clients waiting at a time. */
	LIMIT_QUERY_WAIT_S = 60,
	LIMIT_QUERY_WAITERS = 128,
	/* Live tails; one more is answered 503. */
	LIMIT_LIVE_TAILS = 256,
	/* Between two looks for new events while they keep coming. */
	LIMIT_LIVE_TURN_MS = 50,
	/* Events of one message, and its bytes; one event more may stand above them. */
	LIMIT_LIVE_EVENTS = 1000,
	LIMIT_LIVE_MESSAGE_BYTES = 256 << 10,
	/* Events in memory at once: the largest fits; and what is made of them before it is sent. */
	LIMIT_LIVE_PAGE_BYTES = LIMIT_EVENT_BYTES + (128 << 10),
	LIMIT_LIVE_TURN_BYTES = 4 << 20,
	/* Messages waiting for one client, and their bytes: what is beyond is dropped and counted. */
	LIMIT_LIVE_QUEUE = 32,
	LIMIT_LIVE_QUEUE_BYTES = 512 << 10,
	/* Messages waiting for all of them; beyond, those that took nothing for longest are cut. */
	LIMIT_LIVE_HELD_BYTES = 12 << 20,
	/* Small frames (pongs, notes) waiting for one client; a ping beyond has no answer. */
	LIMIT_LIVE_OWN_BYTES = 4 << 10,
	/* What of the past may be searched before those that are in the present have their turn. */
	LIMIT_LIVE_PAST_MS = 30,
	/* A client that has said and was told nothing for so long is asked whether it is there. */
	LIMIT_LIVE_PING_MS = 20000,
	/* Queries waiting for a worker; one more is answered 503. */
	LIMIT_QUERY_QUEUE = 128,
	/* Exports under way; one more is answered 503. */
	LIMIT_QUERY_EXPORTS = 8,
	/* Columns that one may ask for, and the bytes of their names. */
	LIMIT_COLUMNS = 64,
	LIMIT_COLUMNS_BYTES = 32 << 10,
	/* Aggregations: fields to group by, functions, groups in one answer. */
	LIMIT_QUERY_BY = 3,
	LIMIT_QUERY_CALLS = 8,
	LIMIT_QUERY_GROUPS = 100000,
	/* Fields that are listed, and blocks and journal batches that are looked into for them. */
	LIMIT_QUERY_FIELDS = 4096,
	LIMIT_QUERY_FIELD_UNITS = 256,
	/* Groupings of the same events in one pass. */
	LIMIT_QUERY_GROUPINGS = 8,
	/* An answer's groups with their texts: no less than three quarters of LIMIT_QUERY_GROUP_BYTES. */
	LIMIT_QUERY_GROUPS_BYTES = 24 << 20,
	/*
	 * Groups in memory, with all that functions keep of them. With three quarters of it, further groups are
	 * not told apart; with all, the answer is partial.
	 */
	LIMIT_QUERY_GROUP_BYTES = 28 << 20,
	/* Private memory of astroqueryd, a mark: above it blocks are not kept warm (storage/footprint.h). */
	LIMIT_QUERY_OWN_BYTES = 54 << 20,
	/* Arrays of groups that lie idle until the next aggregation. */
	LIMIT_QUERY_SPARE_BYTES = 6 << 20,
	/* Different values of a group, and numbers for a quantile, kept one by one; then a sketch. */
	LIMIT_QUERY_DISTINCT_EXACT = 65536,
	LIMIT_QUERY_QUANTILE_EXACT = 65536,
};

/* ---- saved views ---- */
enum {
	/* As many; the bytes of a name and of an address; the file, in which any byte may be an escape. */
	LIMIT_VIEWS = 256,
	LIMIT_VIEW_NAME_BYTES = 160,
	LIMIT_VIEW_ADDRESS_BYTES = 4096,
	LIMIT_VIEWS_FILE_BYTES = 4 << 20,
	/* The body that saves one. */
	LIMIT_VIEW_BODY_BYTES = 32 << 10,
	/* How often the collector is asked for its figures. */
	LIMIT_FIGURES_MS = 5000,
	LIMIT_FIGURES_DOORS = 16,
};

/* ---- expressions of queries (proto/expr); who asks beyond them is refused ---- */
enum {
	/* Text of one, and everything a tree is made of. */
	LIMIT_EXPR_TEXT_BYTES = 64 << 10,
	LIMIT_EXPR_BYTES = 4 << 20,
	/* Tests and what joins them; values; parentheses and nots within each other. */
	LIMIT_EXPR_NODES = 4096,
	LIMIT_EXPR_VALUES = 4096,
	LIMIT_EXPR_DEPTH = 64,
	/* Parts of a path into the metadata. */
	LIMIT_EXPR_KEYS = LIMIT_DEPTH,
	/* Regular expressions of a tree; text and compiled form of each. */
	LIMIT_EXPR_REGEXES = 16,
	LIMIT_EXPR_REGEX_BYTES = 4096,
	LIMIT_EXPR_REGEX_CODE_BYTES = 32 << 10,
	/* Steps on one text, at first and at last: every text given up halves them. */
	LIMIT_EXPR_REGEX_STEPS = 1000000,
	LIMIT_EXPR_REGEX_STEPS_MIN = 1000,
	/* What remembering ways not yet tried may take, compiled by JIT or not. */
	LIMIT_EXPR_REGEX_STACK_BYTES = 512 << 10,
	LIMIT_EXPR_REGEX_HEAP_KIB = 2048,
};

/* ---- descriptors ---- */
enum {
	/* Descriptors that only the store may use; doors stop accepting when only these are left. */
	LIMIT_FDS_RESERVED = 64,
	/* Of them, kept open on nothing, for the moment at which the kernel has no other (vfs.h). */
	LIMIT_VFS_RESERVE = 16,
};

/* ---- collector ---- */
enum {
	/* Rows of one unfinished frame in memory; more of them go to a file below DATA/tmp. */
	LIMIT_STAGE_BYTES = LIMIT_EVENT_BYTES,
	/* Emptied row buffers kept for the next frames. */
	LIMIT_STAGE_SPARES = 8,
	/* What a percentage of the disk in disk_soft and in disk_hard means at most, in MiB. */
	LIMIT_ROOM_SOFT_MIB = 4096,
	LIMIT_ROOM_HARD_MIB = 1024,
	/* Batches between the loop and the journal thread. */
	LIMIT_COMMIT_SLOTS = 16,
	/* Chunk ids of frames that are not yet durable. */
	LIMIT_CHUNKS_IN_FLIGHT = LIMIT_COMMIT_SLOTS * LIMIT_BATCH_CHUNKS,
	/* Of them, kept free for datagrams that are received already when reading has to stop. */
	LIMIT_COMMIT_MARGIN = 3,
	/* Longest pause between two tries of a journal that fails: so soon it goes on where it can. */
	LIMIT_COMMIT_RETRY_MS = 1000,
	/* A frame may take its time limit and a second more for each so many bytes that came. */
	LIMIT_FRAME_RATE = 16 << 10,
	/* A client that does not read its acks for so long is closed. */
	LIMIT_ACK_UNREAD_MS = 60000,
	/* A connection that is silent from its start for so long is worth a log line. */
	LIMIT_SILENT_MS = 60000,
	/* At the end: reading what is still on its way to us; writing the last acks. */
	LIMIT_DRAIN_READ_MS = 2000,
	LIMIT_DRAIN_WRITE_MS = 1000,
};

/* ---- sockets ---- */
enum {
	/* One read; all connections of a loop share the buffer. */
	LIMIT_READ_BYTES = 256 << 10,
	/* Full reads from one peer before the others have their turn. */
	LIMIT_READS_PER_TURN = 4,
	LIMIT_ACCEPTS_PER_TURN = 64,
	/* Pause of accepting when the kernel has no descriptor left. */
	LIMIT_ACCEPT_REST_MS = 200,
	/* Grain of all deadlines of connections. */
	LIMIT_SWEEP_MS = 250,
	/* A finished connection waits so long for the peer to end too. */
	LIMIT_LINGER_MS = 2000,
	/* A silent TCP peer is probed after this; a dead host is found out within twice that. */
	LIMIT_KEEPALIVE_S = 60,
	/* Datagrams of one receive, and receives before the other sockets have their turn. */
	LIMIT_DGRAM_BATCH = 64,
	LIMIT_DGRAM_TURNS = 8,
};

/* ---- clients ---- */
enum {
	/* Head of an answer, or one line of chunk framing; a longer one ends the request. */
	LIMIT_CLIENT_HEAD_BYTES = 64 << 10,
	/* Body of an answer: a page of events, each byte of it escaped. */
	LIMIT_CLIENT_BODY_BYTES = 128 << 20,
	/* To connect; and to wait for the next byte of an answer. */
	LIMIT_CLIENT_CONNECT_MS = 5000,
	LIMIT_CLIENT_ANSWER_MS = 60000,
	/* One request of a follower waits so long for events. */
	LIMIT_CLIENT_WAIT_S = 10,
	/* A follower's pause after a failure, doubled each time. */
	LIMIT_CLIENT_RETRY_MS_MIN = 250,
	LIMIT_CLIENT_RETRY_MS_MAX = 4000,
};

/* ---- programs that log by the library (proto/client.h) ---- */
enum {
	/* What its queue may be set to, and a batch; beyond them the client is not made. */
	LIMIT_SENDER_QUEUE_BYTES = 1 << 30,
	LIMIT_SENDER_BATCH_BYTES = 4 << 20,
	LIMIT_SENDER_BATCH_BYTES_MIN = 256,
	/* One frame: the largest batch fits, and the largest event where it is longer than a batch. */
	LIMIT_SENDER_FRAME_BYTES = 16 << 20,
	/* Between two tries to connect, at first and at last: every failure doubles it. */
	LIMIT_SENDER_RETRY_MS_MIN = 50,
	LIMIT_SENDER_RETRY_MS_MAX = 3000,
};

static_assert(LIMIT_CHUNK_BYTES + 16 < 512, "an ack is one read of the most impatient client");
static_assert(LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES < LIMIT_JOURNAL_FILE_BYTES / 4,
	"a journal file holds several of the largest records");
static_assert(LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES + 16 * LIMIT_BATCH_CHUNKS + 8192 <
		      LIMIT_JOURNAL_FILE_BYTES_MIN * 3 / 4,
	"the largest record fits the smallest journal file beside its carry record");
static_assert(LIMIT_FRAME_CHUNKS <= LIMIT_BATCH_CHUNKS, "a frame's ids fit the batch it is in");
static_assert(LIMIT_COMMIT_SLOTS * LIMIT_BATCH_CHUNKS <= LIMIT_CHUNKS_REMEMBERED,
	"a chunk id is not forgotten before it is durable");
static_assert(LIMIT_CHUNKS_REMEMBERED / LIMIT_CHUNK_FILE_IDS + 3 <= LIMIT_CHUNK_FILES,
	"as many files as remember all ids, one that is being filled, one that is too old");
static_assert(LIMIT_SENDER_BATCH_BYTES + LIMIT_EVENT_BYTES + LIMIT_TAG_BYTES + 4096 <=
		      LIMIT_SENDER_FRAME_BYTES,
	"no frame of the library is too long");
static_assert(LIMIT_VFS_RESERVE < LIMIT_FDS_RESERVED, "the store's own descriptors are the rest");

#endif
