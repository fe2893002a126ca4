/*
 * retain_class - which retention class an event belongs to, and what becomes of each class.
 *
 * The classes are those of the configuration (proto/svc/conf_class.h) in its order. An event for which a
 * rule chose a class (EVENT_FLAG_CLASS) is of that one, if it is known; else the first whose match holds
 * takes the event, and what none takes is of class 0, "default". A class is decided when an event is
 * sealed, and stands in the name of its segment: other rules affect later events only.
 *
 * Grammar of a match, a part of that of queries:
 *
 *	or    = and { "or" and }
 *	and   = not { [ "and" ] not }
 *	not   = "not" not | "(" or ")" | test
 *	test  = field ( "=" | "!=" ) value | field [ "not" ] "in" "(" value { "," value } ")"
 *	      | "severity" ( "<" | "<=" | ">" | ">=" ) word
 *	field = one of the text fields of an event, or severity
 *	value = a word of letters, digits and any of _ - . : / @ * + % #, or "text" with \" and \\
 *
 * Values are compared to the byte. An absent field equals nothing: != holds for it. Of severities the
 * worse is the greater: severity >= error is error, critical, alert and emergency. and, or, not and in
 * are written in any case; as values they want quotes.
 *
 * Life:    new, of..., free. Thread: a set does not change: free for all.
 * Memory:  taken in new, bounded by LIMIT_CLASSES and LIMIT_CLASS_TESTS; of allocates nothing.
 * Errors:  ERR_SYNTAX, ERR_UNKNOWN, ERR_LIMIT, ERR_DEPTH, -ENOMEM; the diag's text names file, line,
 *          class, column and what is expected there.
 */
#ifndef STORAGE_RETAIN_CLASS_H
#define STORAGE_RETAIN_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/svc/conf_class.h"
#include "proto/wire/event.h"

#define RETAIN_CLASS_DEFAULT "default"

struct retain_class_set;

/*
 * keep_ns: [retention] keep, for classes that say nothing else. `conf` may be empty, and may go away
 * afterwards.
 */
int retain_class_new(const struct conf_classes *conf, int64_t keep_ns,
	struct retain_class_set **out, struct diag *d);
void retain_class_free(struct retain_class_set **set);

/* The class of an event, 0 .. retain_class_count() - 1. A NULL set has the default class alone. */
unsigned retain_class_of(const struct retain_class_set *set, const struct event *ev);
/* At least 1. */
unsigned retain_class_count(const struct retain_class_set *set);
/* A name that may stand in a file name: [a-z0-9_-]. Lives as long as the set. */
const char *retain_class_name(const struct retain_class_set *set, unsigned idx);

/* What the configuration says of a class. */
struct retain_class_rule {
	const char *name;
	int64_t keep_ns;       /* 0: for ever */
	uint64_t bytes_max;    /* 0: no bound */
	int64_t hold_until_ns; /* INT64_MIN: no hold, INT64_MAX: without end */
	int priority; /* the lowest is dropped first where the store as a whole is too large */
};

/* NULL: no class of that name is configured. For a NULL set, of the default class: keep all. */
const struct retain_class_rule *retain_class_rule(
	const struct retain_class_set *set, const char *name);

/* Nothing of such a class may be dropped or masked now. */
static inline bool retain_class_held(const struct retain_class_rule *rule, int64_t now_ns)
{
	return rule && rule->hold_until_ns > now_ns;
}

#endif
