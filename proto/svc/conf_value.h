/*
 * conf_value - one configuration value: its text against its type and range.
 *
 * Thread: any. Memory: none. Errors: ERR_SYNTAX, not of the type; ERR_RANGE, outside the range.
 */
#ifndef PROTO_SVC_CONF_VALUE_H
#define PROTO_SVC_CONF_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"

enum conf_type {
	CONF_STRING,   /* min..max: bytes */
	CONF_SECRET,   /* min..max: bytes; never shown */
	CONF_PATH,     /* min..max: bytes; absolute or relative to where the program started */
	CONF_BYTES,    /* 4096, 64k, 512M, 2G (1024 each) -> bytes */
	CONF_SPACE,    /* bytes, or 5%: 0 to 90 percent -> bytes, or minus the percent */
	CONF_DURATION, /* 90s, 5min, 7d (base/when.h) -> nanoseconds */
	CONF_INT,      /* -> the number */
	CONF_BOOL,     /* yes no on off true false 1 0 -> 1 or 0 */
	CONF_MODE,     /* octal file mode -> the number */
	CONF_LEVEL,    /* error warning notice info debug -> enum logger_level */
	CONF_ADDR,     /* HOST:PORT, [v6]:PORT; empty: none; port 0: any free one */
	CONF_NETS,     /* networks and addresses (base/cidr.h); empty: none */
	CONF_ORIGINS,  /* web origins (base/origin.h); empty: none */
};

/* A row of conf.def. */
struct conf_entry {
	const char *section;
	const char *name;
	enum conf_type type;
	const char *standard; /* the default, as one would write it */
	int64_t min;
	int64_t max;
	bool reload; /* may be changed by SIGHUP */
	const char *text;
};
enum { CONF_ADDR_HOST_BYTES = 256 };

struct conf_addr {
	char host[CONF_ADDR_HOST_BYTES]; /* without brackets; "" when there is no address */
	uint16_t port;
};

/*
 * Checks the text against the entry; *out_num is 0 for texts and addresses. The diag says what is
 * allowed; its file is "", and it names no key.
 */
int conf_value_parse(
	const struct conf_entry *e, const char *text, int64_t *out_num, struct diag *d);

/* The parsers by themselves, for flags that are no configuration keys. No range but the type's. */
int conf_value_bytes(const char *text, int64_t *out);
int conf_value_int(const char *text, int64_t *out);
int conf_value_addr(const char *text, struct conf_addr *out);

#endif
