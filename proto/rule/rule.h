/*
 * rule - the rules of the configuration (sections [rule NAME], astrolabe.conf(5)), compiled, and what
 * they do to an event before it is stored: drop or sample it, move and set fields, choose its retention
 * class, mask texts.
 *
 * Rules are applied in the order of the file, each to the event as those before it left it; inside a rule
 * its lines are, in their order, with masks last.
 *
 * Fail closed. Where a regular expression is given up, because it takes too many steps, the text that it
 * should mask is masked as a whole; and where it decides whether a rule applies, the rule's masks do, but
 * nothing else of it.
 *
 * Life:    a set once for each reading of the configuration; a run once for each thread: new, use,
 *          event..., use another set, free.
 * Thread:  a set changes in nothing but what its run counts: one thread.
 * Memory:  a set: what the lines take, bounded by LIMIT_RULES and the limits of expressions. A run that
 *          uses rules: 5 MiB of address space, of which events without changes touch nothing; event
 *          allocates nothing.
 * Errors:  new: each mistake is a line of `problems` that names file, line, rule and key.
 */
#ifndef PROTO_RULE_RULE_H
#define PROTO_RULE_RULE_H

#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/svc/conf_rule.h"
#include "proto/wire/event.h"

struct rule_set;

/* now_ns: what times as -1h in a match are taken from. On failure every mistake has been told. */
int rule_set_new(
	const struct conf_rules *conf, int64_t now_ns, struct rule_set **out, struct buf *problems);
void rule_set_free(struct rule_set **set);

/* What one rule did, rising; it goes on from set to set for rules of one name. */
struct rule_counts {
	uint64_t matched;  /* events it applied to */
	uint64_t dropped;  /* of them not stored: dropped, or sampled away */
	uint64_t masked;   /* texts in which something was masked */
	uint64_t given_up; /* texts on which a regular expression took too many steps */
	uint64_t unmapped; /* values that fit nowhere at the place they should go to */
};

struct rule_run;

int rule_run_new(struct rule_run **out);
void rule_run_free(struct rule_run **run);
/* Takes the set over and frees the one before. -ENOMEM: neither. */
int rule_run_use(struct rule_run *run, struct rule_set **set);

enum rule_outcome {
	RULE_STORE,
	RULE_DROP, /* it is not to be stored */
};

/*
 * The event may point to memory of the run afterwards, which dies with the next call, and of the set.
 * Bytes of the event are never more than LIMIT_EVENT_BYTES, nor more in a text than LIMIT_FIELD_BYTES,
 * where they were not before: what is masked then leaves nothing in its place, and the event is flagged
 * EVENT_FLAG_CUT.
 */
enum rule_outcome rule_run_event(struct rule_run *run, struct event *ev);

/* Rules in use; and of the n-th its name and what it did. Static until the next use. */
size_t rule_run_rules(const struct rule_run *run);
const char *rule_run_counts(const struct rule_run *run, size_t idx, struct rule_counts *out);

#endif
