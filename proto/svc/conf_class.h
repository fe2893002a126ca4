/*
 * conf_class - the sections [class NAME] of the configuration: retention classes by rules, in the
 * order of the file.
 *
 *	[class audit]
 *	match = event_type in (AUTH, PAYMENT)
 *	match = service = billing and severity >= warning
 *	keep = 365d
 *	max_bytes = 20G
 *	hold = until 2027-12-31
 *	priority = 80
 *
 * Several lines `match` mean: any of them. What they say is checked by storage/retain_class.h, which
 * knows the fields of events. The section [class default] has no match: it gets what no other takes.
 *
 * Life:    a zeroed struct is empty; put for each pair of the file; fini.
 * Thread:  reading is free for all while nobody puts.
 * Memory:  LIMIT_CLASSES classes at most, LIMIT_CLASS_MATCHES texts each.
 * Errors:  ERR_SYNTAX, ERR_RANGE, ERR_UNKNOWN, ERR_LIMIT, -ENOMEM with a diag that says what is
 *          allowed; its file is "".
 */
#ifndef PROTO_SVC_CONF_CLASS_H
#define PROTO_SVC_CONF_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/base/limits.h"

enum {
	CONF_CLASS_PRIORITY = 50, /* unless given */
	CONF_CLASS_PRIORITY_MAX = 100,
};

struct conf_class_match {
	char *text;
	unsigned line; /* of the file */
};

struct conf_class {
	char name[LIMIT_CLASS_BYTES];
	struct conf_class_match matches[LIMIT_CLASS_MATCHES];
	size_t matches_count;
	int64_t keep_ns;       /* 0: for ever; -1: not given, [retention] keep counts */
	int64_t bytes_max;     /* 0: no bound */
	int64_t hold_until_ns; /* wall clock; INT64_MIN: no hold, INT64_MAX: without end */
	int priority;          /* 0..100; the lowest is dropped first where all is too much */
	unsigned set_on[5];    /* line that set each of the keys, 0: none; for conf_class_put */
};

struct conf_classes {
	struct conf_class *list;
	size_t count;
	char *file; /* where they are from; NULL when there are none */
};

/* True for a section that begins with the word `class`. */
bool conf_class_is(const char *section);

/* One pair of section `[class NAME]`. */
int conf_class_put(struct conf_classes *c, const char *file, const char *section, const char *key,
	const char *value, unsigned line, struct diag *d);
void conf_class_fini(struct conf_classes *c);

bool conf_class_equal(const struct conf_classes *a, const struct conf_classes *b);
/* As they would stand in a file. */
void conf_class_print(const struct conf_classes *c, struct buf *out);

/* NULL: there is no class of that name. */
const struct conf_class *conf_class_find(const struct conf_classes *c, const char *name);

#endif
