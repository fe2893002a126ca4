/*
 * syslog_record - a parsed message as the record (a msgpack map) that collector/normalise takes:
 *
 *	event_type   the parameter event_type of any SD-ELEMENT; else the type configured; else by rule:
 *	             MSGID; AUTH for the facilities auth and authpriv; ERROR for severity error and worse;
 *	             LOG
 *	severity     as sent; service: APP-NAME or tag; host; description: the text
 *	entity_type, entity_id, user_id, ip_address    the first parameter of that name
 *	metadata     facility, procid, msgid, sequence, stamp, sd: {id: {name: value}}, parse_error
 *
 * A name that comes again in an element has an array of its values; an element whose id comes again is
 * one with the first; one without parameters is `true`. parse_error names the problems of
 * syslog_problem_name, with commas between.
 *
 * Where JSON is taken apart and the text is an object, alone or behind `@cee:`, its members are the
 * record's and the text is not kept beside them; of the above only what no member stands for is added,
 * each under its own name.
 *
 * Life:    init, make for each message, fini. What make returns dies with the next call.
 * Thread:  one at a time.
 * Memory:  one buffer, taken in init and touched as used, and one more where JSON is taken apart.
 * Errors:  init: -ENOMEM.
 */
#ifndef PROTO_SYSLOG_SYSLOG_RECORD_H
#define PROTO_SYSLOG_SYSLOG_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"
#include "proto/syslog/syslog.h"

struct syslog_record_conf {
	struct span event_type; /* absent: by rule; must live as long */
	bool json;
};

enum syslog_record_field {
	SYSLOG_RECORD_EVENT_TYPE,
	SYSLOG_RECORD_ENTITY_TYPE,
	SYSLOG_RECORD_ENTITY_ID,
	SYSLOG_RECORD_USER_ID,
	SYSLOG_RECORD_IP_ADDRESS,
	SYSLOG_RECORD_FIELD_COUNT,
};

struct syslog_record {
	struct syslog_record_conf conf;
	struct buf out;
	struct buf json;
	/* Of the message under way. */
	const struct syslog_sd_param
		*fields[SYSLOG_RECORD_FIELD_COUNT]; /* taken from the elements */
	uint16_t head[LIMIT_SYSLOG_ELEMENTS];       /* the first element of the same id */
	uint16_t names[LIMIT_SYSLOG_ELEMENTS];      /* of a head: names that its map will have */
	uint16_t first[LIMIT_SYSLOG_PARAMS];        /* the first param of the same id and name */
	uint16_t values[LIMIT_SYSLOG_PARAMS]; /* of a first: params of its name; 0: it is a field */
	uint16_t heads_count;
};

int syslog_record_init(struct syslog_record *r, const struct syslog_record_conf *conf);
void syslog_record_fini(struct syslog_record *r);

/*
 * m was parsed by s last, of at most LIMIT_SYSLOG_BYTES. True: its text was JSON and is taken apart.
 */
bool syslog_record_make(struct syslog_record *r, const struct syslog *s,
	const struct syslog_message *m, struct span *out);

#endif
