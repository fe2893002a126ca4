/*
 * event - one structured event in memory: numbers by value, text as spans into one buffer that
 * somebody else owns.
 *
 * Life:    an event lives as long as the buffer its spans point into: a frame while it is walked,
 *          a batch until it is committed, an arena until it is reset.
 * Thread:  none of its own.
 * Memory:  none of its own.
 */
#ifndef PROTO_WIRE_EVENT_H
#define PROTO_WIRE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/span.h"

/* The top-level text fields, in the order in which they are written out. */
enum event_text {
	EVENT_TEXT_EVENT_TYPE,
	EVENT_TEXT_ENTITY_TYPE,
	EVENT_TEXT_ENTITY_ID,
	EVENT_TEXT_USER_ID,
	EVENT_TEXT_DESCRIPTION,
	EVENT_TEXT_IP_ADDRESS,
	EVENT_TEXT_USER_AGENT,
	EVENT_TEXT_SERVICE,
	EVENT_TEXT_HOST,
	EVENT_TEXT_COUNT,
};

/* RFC 5424 section 6.2.1: a smaller number is more severe. */
enum event_severity {
	EVENT_SEVERITY_EMERGENCY,
	EVENT_SEVERITY_ALERT,
	EVENT_SEVERITY_CRITICAL,
	EVENT_SEVERITY_ERROR,
	EVENT_SEVERITY_WARNING,
	EVENT_SEVERITY_NOTICE,
	EVENT_SEVERITY_INFO,
	EVENT_SEVERITY_DEBUG,
	EVENT_SEVERITY_COUNT,
};

enum event_flag {
	/* The sender's clock is out of all reason (before 1990, or a year ahead); its value is kept. */
	EVENT_FLAG_TIME_ODD = 1 << 0,
	/* The sender gave no usable time; the time of arrival stands in. */
	EVENT_FLAG_TIME_ARRIVAL = 1 << 1,
	/* A value was dropped or cut because a limit was reached. */
	EVENT_FLAG_CUT = 1 << 2,
	/* A rule chose the retention class: the value of EVENT_CLASS_KEY in the metadata names it. */
	EVENT_FLAG_CLASS = 1 << 3,
	/* A part of a message whose other parts did not come, or came too late, to be joined to it. */
	EVENT_FLAG_PARTIAL = 1 << 4,
};

/* Those that are shown to people. */
#define EVENT_FLAGS_SHOWN \
	(EVENT_FLAG_TIME_ODD | EVENT_FLAG_TIME_ARRIVAL | EVENT_FLAG_CUT | EVENT_FLAG_PARTIAL)
#define EVENT_CLASS_KEY "_class"

struct event {
	uint64_t id;                        /* 0 before commit */
	int64_t time_ns;                    /* when it happened, ns since 1970 UTC */
	int64_t received_ns;                /* when the collector took it */
	uint8_t severity;                   /* enum event_severity */
	uint8_t flags;                      /* enum event_flag, or-ed */
	struct span text[EVENT_TEXT_COUNT]; /* p == NULL: absent; n == 0 with p: empty */
	struct span metadata;               /* one msgpack map, or absent */
};

/* Bytes of all its texts and its metadata. */
size_t event_bytes(const struct event *ev);

/* "event_type", "entity_type" ...: the name in JSON, in queries, in the API. Static text. */
const char *event_text_name(enum event_text field);
/* The field of that exact name, or -1. Knows no aliases. */
int event_text_find(struct span name);

/* "emergency" ... "debug". Static text. */
const char *event_severity_name(enum event_severity severity);
/*
 * The severity a word or number means, or -1: the eight names, their usual short forms (emerg, panic,
 * crit, err, fatal, warn, trace, informational, information), "0".."7"; case does not matter.
 */
int event_severity_find(struct span word);
/* The default severity of an event type: etype.def, else info. */
enum event_severity event_severity_default(struct span event_type);

#endif
