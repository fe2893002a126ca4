/*
 * layout - where every byte of our files stands: magic numbers, offsets, sizes, with proofs that they
 * fit. The only file that knows offsets; FORMAT.md tells the same for people, and a test compares.
 *
 * All numbers are little-endian. No struct is written raw: the encoders fill a byte buffer through
 * proto/base/cursor.h, in the order given here. Every file begins with a header of
 *	magic 8, version 2, compat 2 (unknown bit set: read on), incompat 4 (unknown bit: refuse)
 * and closes its header with an XXH3-64 of the bytes before, so that age and kind of a file can be
 * told when all else in it is lost.
 */
#ifndef STORAGE_LAYOUT_H
#define STORAGE_LAYOUT_H

#include <assert.h>
#include <stdint.h>

/* ---- common head of every file ---- */
enum {
	LAYOUT_HEAD_MAGIC = 0,
	LAYOUT_HEAD_VERSION = 8,
	LAYOUT_HEAD_COMPAT = 10,
	LAYOUT_HEAD_INCOMPAT = 12,
	LAYOUT_MAGIC_BYTES = 8,
	LAYOUT_UUID_BYTES = 16,
	LAYOUT_PAGE_BYTES = 4096,
};

/*
 * FORMAT                                         DATA/format, 128 bytes, written once
 *   off size
 *    0   16  common head        magic "ASTROFMT"
 *   16   16  uuid               random; every other file of the store carries it
 *   32    2  node               upper 16 bits of every id
 *   34    6  reserved           zero
 *   40    8  created_ns         UTC
 *   48   72  reserved           zero
 *  120    8  sum                XXH3-64 of bytes 0..119, seed 0
 * Crash:  made as format.new, synced, renamed: it is there whole or not at all. The last step of
 *         making a store, so that a directory without it holds no events.
 */
#define LAYOUT_FORMAT_MAGIC "ASTROFMT"
enum {
	LAYOUT_FORMAT_VERSION = 1,
	LAYOUT_FORMAT_UUID = 16,
	LAYOUT_FORMAT_NODE = 32,
	LAYOUT_FORMAT_CREATED = 40,
	LAYOUT_FORMAT_SUM = 120,
	LAYOUT_FORMAT_BYTES = 128,
};
static_assert(LAYOUT_FORMAT_CREATED + 8 <= LAYOUT_FORMAT_SUM, "format: fields end before the sum");
static_assert(LAYOUT_FORMAT_SUM + 8 == LAYOUT_FORMAT_BYTES, "format: the sum is last");

/*
 * CTL                                            DATA/ctl, 4096 bytes, shared mapping
 *   off size
 *    0   16  common head        magic "ASTROCTL"
 *   16   16  uuid
 *   32    8  sum                XXH3-64 of bytes 0..31
 *   64    8  starts             two a start; odd: recovering                 line of the collector's start
 *   72    8  started_ns         wall time of the last
 *   80    8  pid                of that collector, for people
 *   88    8  ended              XXH3-64 of starts and of bytes 136..159: it ended there; else it did not
 *  128    8  turn               odd while the line is being changed     line of the journal thread
 *  136    8  file_seq           journal file
 *  144    8  off                end of the last committed record in it
 *  152    8  id                 last committed id
 *  160    8  sum                XXH3-64 of bytes 136..159
 *  192    8  turn                                                       line of the manifest's writer
 *  200    8  number             manifest-<number>
 *  208    8  bytes              of it that are durable
 *  216    8  changes            version
 *  224    8  sealed_id          of that version
 *  232    8  sum                XXH3-64 of bytes 200..231
 *  256    8  beat_ns            wall time                               line of the collector's loop
 *  320    4  word               adds one at every publish; futex        any publisher
 * Valid:  head and sum hold and the uuid is the store's; a line, when its turn is even and its sum holds.
 * Crash:  a turn left odd, or old values: both are true of an earlier moment; recovery sets them.
 */
#define LAYOUT_CTL_MAGIC "ASTROCTL"
enum {
	LAYOUT_CTL_VERSION = 1,
	LAYOUT_CTL_UUID = 16,
	LAYOUT_CTL_SUM = 32,
	LAYOUT_CTL_STARTS = 64,
	LAYOUT_CTL_STARTED = 72,
	LAYOUT_CTL_PID = 80,
	LAYOUT_CTL_ENDED = 88,
	LAYOUT_CTL_COMMIT_TURN = 128,
	LAYOUT_CTL_COMMIT_SEQ = 136,
	LAYOUT_CTL_COMMIT_OFF = 144,
	LAYOUT_CTL_COMMIT_ID = 152,
	LAYOUT_CTL_COMMIT_SUM = 160,
	LAYOUT_CTL_MANIFEST_TURN = 192,
	LAYOUT_CTL_MANIFEST_NUMBER = 200,
	LAYOUT_CTL_MANIFEST_BYTES = 208,
	LAYOUT_CTL_MANIFEST_CHANGES = 216,
	LAYOUT_CTL_MANIFEST_SEALED = 224,
	LAYOUT_CTL_MANIFEST_SUM = 232,
	LAYOUT_CTL_BEAT = 256,
	LAYOUT_CTL_WORD = 320,
	LAYOUT_CTL_BYTES = LAYOUT_PAGE_BYTES,
};
static_assert(LAYOUT_CTL_COMMIT_TURN % 64 == 0, "ctl: a line of the journal thread's own");
static_assert(LAYOUT_CTL_MANIFEST_TURN % 64 == 0, "ctl: a line of the manifest writer's own");
static_assert(LAYOUT_CTL_BEAT % 64 == 0, "ctl: a line of the loop's own");
static_assert(LAYOUT_CTL_WORD % 64 == 0, "ctl: the futex word's own line");

/*
 * JOURNAL FILE                                   DATA/journal/<seq, 16 hex digits>.aj, preallocated
 *   off size
 *    0   16  common head        magic "ASTROJNL"
 *   16   16  uuid
 *   32    8  seq                number of the file, rising; also its name
 *   40    8  salt               random; seeds the sums of all records
 *   48    8  first_id           id that the first row of this file has
 *   56    8  prev_seq           the file that this one continues, 0: none
 *   64    8  prev_off           where that file's records end; what it holds behind is void
 *   72    8  prev_sum           head_sum of its last valid record, 0: none
 *   80    8  file_bytes         preallocated size
 *   88    8  created_ns
 *   96   24  reserved           zero
 *  120    8  sum                XXH3-64 of bytes 0..119, seed 0
 * 2048  128  the same again, should the first copy be damaged
 * 4096       records
 * Valid:  one copy holds, with the store's uuid and the number of the file's name.
 * Crash:  the file is filled, synced and only then gets its name. Behind the last record it is
 *         zeroes, or a torn tail that was never acknowledged and that recovery sets to zero.
 */
#define LAYOUT_JOURNAL_MAGIC "ASTROJNL"
enum {
	LAYOUT_JOURNAL_VERSION = 1,
	LAYOUT_JOURNAL_UUID = 16,
	LAYOUT_JOURNAL_SEQ = 32,
	LAYOUT_JOURNAL_SALT = 40,
	LAYOUT_JOURNAL_FIRST_ID = 48,
	LAYOUT_JOURNAL_PREV_SEQ = 56,
	LAYOUT_JOURNAL_PREV_OFF = 64,
	LAYOUT_JOURNAL_PREV_SUM = 72,
	LAYOUT_JOURNAL_FILE_BYTES = 80,
	LAYOUT_JOURNAL_CREATED = 88,
	LAYOUT_JOURNAL_SUM = 120,
	LAYOUT_JOURNAL_HEAD_BYTES = 128,
	LAYOUT_JOURNAL_COPY = 2048,
	LAYOUT_JOURNAL_RECORDS = LAYOUT_PAGE_BYTES,
};
static_assert(LAYOUT_JOURNAL_SUM + 8 == LAYOUT_JOURNAL_HEAD_BYTES, "journal: the sum is last");
static_assert(LAYOUT_JOURNAL_COPY + LAYOUT_JOURNAL_HEAD_BYTES <= LAYOUT_JOURNAL_RECORDS,
	"journal: both copies stand before the records");

/*
 * JOURNAL RECORD                                 at a multiple of 8
 *   off size
 *    0    4  magic              "AJRE"
 *    4    1  kind               1 rows, 2 carry (first record of a file; see FORMAT.md)
 *    5    1  codec              0 as is, 1 LZ4 block
 *    6    1  flags              bit 0 more: the next record belongs to the same frame
 *    7    1  reserved           zero
 *    8    4  stored_bytes       of the rows as stored
 *   12    4  raw_bytes          of the rows decoded
 *   16    4  rows_count
 *   20    4  chunks_count
 *   24    8  first_id           of the rows; they count up from it
 *   32    8  time_min_ns        bounds of the rows' event times
 *   40    8  time_max_ns
 *   48    8  synced_off         everything before it in this file was durable when this was written
 *   56    8  prev_sum           head_sum of the record before, in this file or the previous one
 *   64    8  payload_sum        XXH3-64 of the payload, seed salt + offset of the record
 *   72    8  head_sum           XXH3-64 of bytes 0..71, seed salt + offset of the record
 *   80       payload: chunk ids of 16 bytes (low half first), then the rows (storage/row.h)
 * Next:   at the following multiple of 8, or of 4096: a commit closes its page, so that no byte that
 *         was acknowledged is ever in a page that is written again.
 * Valid:  head_sum and payload_sum hold, counts are within limits; in a row of records prev_sum and
 *         first_id continue the record before.
 * Group:  records with `more` and the first without it are one frame: all count, or none.
 * Why:    the seed makes a record valid at its own place in its own file only. synced_off tells a
 *         torn tail (no later record was written after it was durable) from damage (one was).
 */
enum {
	LAYOUT_RECORD_MAGIC = 0x45524a41, /* "AJRE" */
	LAYOUT_RECORD_KIND_ROWS = 1,
	LAYOUT_RECORD_KIND_CARRY = 2,
	LAYOUT_RECORD_CODEC_RAW = 0,
	LAYOUT_RECORD_CODEC_LZ4 = 1,
	LAYOUT_RECORD_FLAG_MORE = 1,
	LAYOUT_RECORD_PAYLOAD_SUM = 64,
	LAYOUT_RECORD_HEAD_SUM = 72,
	LAYOUT_RECORD_HEAD_BYTES = 80,
	LAYOUT_RECORD_ALIGN = 8,
	LAYOUT_CHUNK_BYTES = 16,
};
static_assert(LAYOUT_RECORD_HEAD_SUM + 8 == LAYOUT_RECORD_HEAD_BYTES, "record: the sum is last");
static_assert(LAYOUT_PAGE_BYTES % LAYOUT_RECORD_ALIGN == 0, "a page begins where a record may");

/*
 * MANIFEST FILE                                  DATA/manifest-<number, decimal>
 *   off size
 *    0   16  common head        magic "ASTROMAN"
 *   16   16  uuid
 *   32    8  number             also in its name
 *   40   16  reserved           zero
 *   56    8  sum                XXH3-64 of bytes 0..55, seed 0
 *   64       records; the first is a base
 *
 * MANIFEST RECORD
 *   off size
 *    0    4  magic              "AMRE"
 *    4    4  bytes              of the whole record
 *    8    1  kind               1 base (the whole state), 2 change
 *    9    7  reserved           zero
 *   16    8  changes            number of this change, counted from 1 over the store's life
 *   24    8  sealed_id          after it
 *   32    8  next_no            the first `no` not yet given to a segment
 *   40    4  adds_count
 *   44    4  drops_count
 *   48    8  prev_sum           head_sum of the record before; 0 in the first
 *   56    8  payload_sum        XXH3-64 of the payload, seed number + offset of the record
 *   64    8  head_sum           XXH3-64 of bytes 0..63, the same seed
 *   72       adds, then drops (the `no` of each, 8 bytes)
 *
 * MANIFEST ADD                                   112 bytes
 *    0    8  no
 *    8    8  id_first
 *   16    8  id_last
 *   24    8  rows_count
 *   32    8  time_min_ns
 *   40    8  time_max_ns
 *   48    8  file_bytes
 *   56    8  file_sum
 *   64    4  blocks_count
 *   68    4  day
 *   72    2  gen
 *   74    1  hour
 *   75    1  reserved           zero
 *   76   16  class_name         padded with zeroes
 *   92   20  reserved           zero
 * Crash:  the first record is written before the file gets its name. A torn record at the end was
 *         never published; such a file takes no more records, the next change begins a new file.
 */
#define LAYOUT_MANIFEST_MAGIC "ASTROMAN"
enum {
	LAYOUT_MANIFEST_VERSION = 1,
	LAYOUT_MANIFEST_UUID = 16,
	LAYOUT_MANIFEST_NUMBER = 32,
	LAYOUT_MANIFEST_SUM = 56,
	LAYOUT_MANIFEST_HEAD_BYTES = 64,
	LAYOUT_CHANGE_MAGIC = 0x45524d41, /* "AMRE" */
	LAYOUT_CHANGE_KIND_BASE = 1,
	LAYOUT_CHANGE_KIND_CHANGE = 2,
	LAYOUT_CHANGE_PAYLOAD_SUM = 56,
	LAYOUT_CHANGE_HEAD_SUM = 64,
	LAYOUT_CHANGE_HEAD_BYTES = 72,
	LAYOUT_CHANGE_ADD_BYTES = 112,
	LAYOUT_CHANGE_DROP_BYTES = 8,
	LAYOUT_CHANGE_CLASS_BYTES = 16,
};
static_assert(LAYOUT_MANIFEST_SUM + 8 == LAYOUT_MANIFEST_HEAD_BYTES, "manifest: the sum is last");
static_assert(LAYOUT_CHANGE_HEAD_SUM + 8 == LAYOUT_CHANGE_HEAD_BYTES, "change: the sum is last");

/*
 * CHUNK FILE                                     DATA/chunks-<number, decimal>
 *   off size
 *    0   16  common head        magic "ASTROCHK"
 *   16   16  uuid
 *   32    8  number             rising; also in its name
 *   40    8  since              the files of numbers since .. number - 1 have become this one
 *   48    8  through_seq        ids of journal files up to this one are in the log
 *   56    8  created_ns
 *   64    4  ids_count
 *   68   52  reserved           zero
 *  120    8  sum                XXH3-64 of bytes 0..119, seed 0
 * 4096       pages
 *
 * CHUNK PAGE
 *   off size
 *    0 4080  ids                16 bytes each, low half first, oldest first; what is not used is zero
 * 4080    4  ids_count          of this page, 1..255
 * 4084    4  reserved           zero
 * 4088    8  sum                XXH3-64 of bytes 0..4087, seed number + offset of the page
 * Crash:  made as tmp/chunks-new, synced, renamed: it is there whole or not at all. The journal files
 *         whose ids it took over go afterwards.
 * Why:    damage costs the ids of a page. The pages of a file whose header is damaged count all the same.
 */
#define LAYOUT_CHUNKS_MAGIC "ASTROCHK"
enum {
	LAYOUT_CHUNKS_VERSION = 1,
	LAYOUT_CHUNKS_UUID = 16,
	LAYOUT_CHUNKS_NUMBER = 32,
	LAYOUT_CHUNKS_SINCE = 40,
	LAYOUT_CHUNKS_THROUGH = 48,
	LAYOUT_CHUNKS_CREATED = 56,
	LAYOUT_CHUNKS_COUNT = 64,
	LAYOUT_CHUNKS_SUM = 120,
	LAYOUT_CHUNKS_HEAD_BYTES = 128,
	LAYOUT_CHUNKS_PAGE_COUNT = 4080,
	LAYOUT_CHUNKS_PAGE_SUM = 4088,
	LAYOUT_CHUNKS_PAGE_BYTES = LAYOUT_PAGE_BYTES,
};
static_assert(LAYOUT_CHUNKS_SUM + 8 == LAYOUT_CHUNKS_HEAD_BYTES, "chunk file: the sum is last");
static_assert(
	LAYOUT_CHUNKS_PAGE_SUM + 8 == LAYOUT_CHUNKS_PAGE_BYTES, "chunk page: the sum is last");
static_assert(LAYOUT_CHUNKS_PAGE_COUNT % LAYOUT_CHUNK_BYTES == 0, "chunk page: whole ids");

/* ---- segment and sidecars ---- */

#endif
