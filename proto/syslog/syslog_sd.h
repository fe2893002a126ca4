/*
 * syslog_sd - the structured data of one RFC 5424 message: `[id name="value" ...][id ...]`.
 *
 * Taken beyond the RFC, because senders do it: a `]` without its backslash inside quotes, a space
 * behind the `=`, names longer than 32 bytes, an id that comes again, any byte but controls in ids
 * and names.
 *
 * Life:    fields point into the text read, until the next read.
 * Thread:  none of its own.
 * Memory:  none; the table has room for LIMIT_SYSLOG_ELEMENTS and LIMIT_SYSLOG_PARAMS.
 */
#ifndef PROTO_SYSLOG_SYSLOG_SD_H
#define PROTO_SYSLOG_SYSLOG_SD_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "proto/base/span.h"

struct syslog_sd_param {
	struct span name;
	struct span value; /* between the quotes, escapes and all */
	bool escaped;      /* there are any: syslog_sd_unescape */
};

struct syslog_sd_element {
	struct span id;
	uint16_t first; /* its params stand together */
	uint16_t count;
};

struct syslog_sd {
	uint16_t elements_count;
	uint16_t params_count;
	struct syslog_sd_element elements[LIMIT_SYSLOG_ELEMENTS];
	struct syslog_sd_param params[LIMIT_SYSLOG_PARAMS];
};

/*
 * The elements that the text begins with, which is `[`. Returns their bytes; 0: they are no structured
 * data, or more than there is room for, and *out is empty.
 */
size_t syslog_sd_read(struct span text, struct syslog_sd *out);

/* Writes the value without its escapes, at most value.n bytes, and returns their number. */
size_t syslog_sd_unescape(struct span value, uint8_t *dst);

#endif
