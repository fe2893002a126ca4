/*
 * syslog - one syslog message taken apart: RFC 5424, RFC 3164 and what is really sent in its name.
 * proto/WIRE.md, "Syslog", tells what is taken for what; syslog_frame finds the messages of a stream,
 * syslog_record makes an event's record of one.
 *
 * Every text is a message: what has no header of a known form is kept as it is. Of a message every
 * byte is in a field, but for PRI, stamp, and the separators between fields. A header is taken off
 * only where it is certain that it is one.
 *
 * Life:    init, parse for each message; fields point into its text.
 * Thread:  one at a time for each parser.
 * Memory:  none; the parser holds the table of the structured data.
 * Errors:  none. `problems` tells what was not as it should be.
 */
#ifndef PROTO_SYSLOG_SYSLOG_H
#define PROTO_SYSLOG_SYSLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/span.h"
#include "proto/syslog/syslog_sd.h"
#include "proto/syslog/syslog_time.h"

enum {
	SYSLOG_FACILITY_USER = 1,
	SYSLOG_FACILITY_AUTH = 4,
	SYSLOG_FACILITY_AUTHPRIV = 10,
	SYSLOG_FACILITY_COUNT = 24,
};

enum syslog_form {
	SYSLOG_TEXT, /* no header that is known */
	SYSLOG_BSD,  /* RFC 3164 and its relatives */
	SYSLOG_IETF, /* RFC 5424 */
};

/* Bits of `problems`, and their order in syslog_problem_name. */
enum syslog_problem {
	SYSLOG_NO_PRI,     /* user.notice is assumed */
	SYSLOG_BAD_PRI,    /* ... too: above 191, leading zeroes */
	SYSLOG_BAD_HEADER, /* RFC 5424 by its version, and not readable further */
	SYSLOG_BAD_TIME,   /* ... its stamp is no time; it is in `stamp` */
	SYSLOG_BAD_SD,     /* ... its structured data is none; it is in the text */
	SYSLOG_NO_HEADER,  /* neither PRI nor a header: the whole is text */
	SYSLOG_CUT,        /* it was longer than LIMIT_SYSLOG_BYTES */
	SYSLOG_PROBLEM_COUNT,
};

struct syslog_message {
	uint8_t facility;
	uint8_t severity;
	uint8_t form;     /* enum syslog_form */
	uint8_t problems; /* 1 << enum syslog_problem */
	bool has_time;
	int64_t time_ns;
	struct span host, app, procid, msgid;
	struct span sequence; /* Cisco's number before the stamp */
	struct span stamp;    /* one that is no time */
	struct span text;     /* never absent */
};

/* What the door knows of a message. */
struct syslog_source {
	int64_t received_ns;
	bool local; /* from this machine's socket: a first word is no host unless a tag follows */
	bool cut;
};

struct syslog {
	struct syslog_zone zone;
	struct syslog_sd sd; /* of the message parsed last */
};

void syslog_init(struct syslog *s, const struct syslog_zone *zone);

void syslog_parse(struct syslog *s, const struct syslog_source *from, struct span in,
	struct syslog_message *out);

/* "kern" ... "local7"; "no_pri", "pri", "header" ... Static text. */
const char *syslog_facility_name(unsigned facility);
const char *syslog_problem_name(enum syslog_problem problem);

#endif
