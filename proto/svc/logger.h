/*
 * logger - what a program tells its operator: one line per message on stderr.
 *
 *	2026-11-20T19:06:00.123Z warning forward: connection closed peer=10.0.0.7:4411 frames=12
 *	<4>forward: connection closed peer=10.0.0.7:4411 frames=12         (under journald)
 *
 * Values from outside are safe: what is not plain text is written as \n, \", \xNN or \uNNNN inside
 * quotes, so that no string can forge a line or a field, or move a terminal's cursor.
 *
 * A call site that speaks more than LOGGER_BURST times in LOGGER_WINDOW_S seconds is silenced for
 * the rest of them; its next line carries suppressed=N.
 *
 * Only programs log (collector, query, tools), and each failure once.
 *
 * Thread:  any; a line is one write(2). Memory: the stack, LOGGER_LINE_BYTES.
 * Errors:  none; what cannot be written at once is lost and counted, and the next line that can says
 *          "lost=N". A longer line is cut and ends in "...".
 */
#ifndef PROTO_SVC_LOGGER_H
#define PROTO_SVC_LOGGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/base/span.h"

/* Numbers are those of syslog and of enum event_severity. */
enum logger_level {
	LOGGER_ERROR = 3,
	LOGGER_WARNING = 4,
	LOGGER_NOTICE = 5,
	LOGGER_INFO = 6,
	LOGGER_DEBUG = 7,
};

enum {
	LOGGER_LINE_BYTES = 4096,
	LOGGER_VALUE_BYTES_MAX = 1024, /* of one value, before escaping */
	LOGGER_BURST = 20,
	LOGGER_WINDOW_S = 10,
};

enum logger_kind {
	LOGGER_KIND_NONE,
	LOGGER_KIND_STR,
	LOGGER_KIND_SPAN,
	LOGGER_KIND_INT,
	LOGGER_KIND_UINT,
	LOGGER_KIND_SECONDS,
	LOGGER_KIND_DIAG,
	LOGGER_KIND_ERR,
};

struct logger_field {
	const char *key;
	enum logger_kind kind;
	union {
		const char *str;
		struct span span;
		int64_t i;
		uint64_t u;
		const struct diag *diag;
	};
};

#define LOGGER_STR(k, v)  ((struct logger_field){ (k), LOGGER_KIND_STR, { .str = (v) } })
#define LOGGER_SPAN(k, v) ((struct logger_field){ (k), LOGGER_KIND_SPAN, { .span = (v) } })
#define LOGGER_INT(k, v)  ((struct logger_field){ (k), LOGGER_KIND_INT, { .i = (v) } })
#define LOGGER_UINT(k, v) ((struct logger_field){ (k), LOGGER_KIND_UINT, { .u = (v) } })
/* Nanoseconds, written as seconds: 0.125 */
#define LOGGER_NS(k, v) ((struct logger_field){ (k), LOGGER_KIND_SECONDS, { .i = (v) } })
/* error="FILE at byte OFF: TEXT: reason (CODE)" */
#define LOGGER_DIAG(d) ((struct logger_field){ "error", LOGGER_KIND_DIAG, { .diag = (d) } })
/* error="reason (CODE)" */
#define LOGGER_ERR(rc) ((struct logger_field){ "error", LOGGER_KIND_ERR, { .i = (rc) } })

/* State of one call site: see the burst above. */
struct logger_site {
	_Atomic int64_t window_start_ns;
	_Atomic uint32_t said;
	_Atomic uint32_t suppressed;
};

/*
 * LOGGER(LOGGER_WARNING, "forward", "connection closed", LOGGER_STR("peer", peer), ...);
 * The component is a word of ours, the message a literal without values in it.
 */
#define LOGGER(level, component, message, ...)                                         \
	do {                                                                           \
		static struct logger_site logger_site_;                                \
		const struct logger_field logger_fields_[] = {                         \
			{ NULL, LOGGER_KIND_NONE, { .i = 0 } }, ##__VA_ARGS__          \
		};                                                                     \
		if (logger_wants(level))                                               \
			logger_write(&logger_site_, (level), (component), (message),   \
				logger_fields_ + 1,                                    \
				sizeof logger_fields_ / sizeof logger_fields_[0] - 1); \
	} while (0)

/* Where to write (2 for stderr) and from which level on. Looks for journald (JOURNAL_STREAM). */
void logger_init(int fd, enum logger_level level);
void logger_set_level(enum logger_level level);
bool logger_wants(enum logger_level level);

/* "error" ... "debug"; -1 for another word. */
int logger_level_find(const char *word);
const char *logger_level_name(enum logger_level level);

/* site may be NULL: no rate limit. */
void logger_write(struct logger_site *site, enum logger_level level, const char *component,
	const char *message, const struct logger_field *fields, size_t fields_count);

/* The line that logger_write writes, without its '\n', into dst; returns its bytes, < cap. */
size_t logger_format(char *dst, size_t cap, enum logger_level level, const char *component,
	const char *message, const struct logger_field *fields, size_t fields_count);

#endif
