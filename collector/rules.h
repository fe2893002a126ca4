/*
 * rules - the rules of the configuration in the collector: checked with it, applied at the start and on
 * SIGHUP, counted for /metrics.
 *
 * Thread: the loop's.
 */
#ifndef COLLECTOR_RULES_H
#define COLLECTOR_RULES_H

#include "collector/collector.h"
#include "proto/base/buf.h"

/*
 * Compiles the rules, and looks up the classes that they choose: those of the configuration, and if
 * `running` is not NULL, of that set too, for classes are read at the start only. 0, or negative with a
 * line in `problems` for each mistake.
 */
int rules_check(
	const struct conf *conf, const struct retain_class_set *running, struct buf *problems);
/* From the next event on the rules of the configuration, which were checked, are applied. */
void rules_apply(struct collector *c);

/* astro_collector_rule_*: a line for each rule. */
void rules_print(const struct collector *c, struct buf *out);

#endif
