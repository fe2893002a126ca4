/*
 * err - one number space for every failure: negative errno values as the kernel and libuv give
 * them (-1 .. -4095), and our own from -5001 down.
 *
 * A function returns 0 when done, a negative code when it failed, and a positive value only for an
 * outcome its comment names.
 */
#ifndef PROTO_BASE_ERR_H
#define PROTO_BASE_ERR_H

/* X(name, number, text): the text ends a sentence that began with what was attempted. */
#define ERR_TABLE(X)                                                                          \
	X(ERR_CORRUPT, -5001, "the data is damaged: a checksum or a structure does not hold") \
	X(ERR_TOO_NEW, -5002, "written by a newer version of Astrolabe than this one")        \
	X(ERR_LIMIT, -5003, "a limit was reached")                                            \
	X(ERR_TRUNCATED, -5004, "the data ends too early")                                    \
	X(ERR_SYNTAX, -5005, "the input is not well formed")                                  \
	X(ERR_TYPE, -5006, "a value has the wrong type")                                      \
	X(ERR_RANGE, -5007, "a value is out of range")                                        \
	X(ERR_UNKNOWN, -5008, "unknown name")                                                 \
	X(ERR_LOCKED, -5009, "another process holds the lock")                                \
	X(ERR_NOT_A_STORE, -5010, "not an Astrolabe data directory")                          \
	X(ERR_JOURNAL_DEAD, -5011, "the journal file failed and must not be used again")      \
	X(ERR_CANCELED, -5012, "canceled")                                                    \
	X(ERR_DEPTH, -5013, "nested too deeply")                                              \
	X(ERR_STALE, -5014, "belongs to another version of its file")                         \
	X(ERR_BUDGET, -5015, "the budget of time or memory is used up")

enum err {
#define ERR_ENUM(name, number, text) name = number,
	ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
};

/* "EIO", "ERR_CORRUPT"; "E?" for a code nobody knows. Static text. */
const char *err_name(int code);
/* One clause for people, without a full stop. Static text. */
const char *err_text(int code);

#endif
