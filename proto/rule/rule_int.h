/*
 * rule_int - a compiled rule, as rule_set makes it and rule_run applies it.
 */
#ifndef PROTO_RULE_RULE_INT_H
#define PROTO_RULE_RULE_INT_H

#include <stdbool.h>

#include "proto/expr/expr.h"
#include "proto/rule/rule.h"
#include "proto/rule/rule_mask.h"

enum rule_action_kind {
	RULE_ACTION_DROP,
	RULE_ACTION_SAMPLE,
	RULE_ACTION_MAP,
	RULE_ACTION_COPY,
	RULE_ACTION_TEXT,
	RULE_ACTION_SEVERITY,
	RULE_ACTION_CLASS,
};

struct rule_action {
	enum rule_action_kind kind;
	struct expr_field from; /* MAP, COPY */
	struct expr_field to;   /* and TEXT */
	struct span text;       /* TEXT: absent, the field goes; CLASS */
	uint8_t severity;
	uint64_t below; /* SAMPLE: events whose hash is below are stored */
};

enum {
	/* Bits of mask_in above those of enum event_text. */
	RULE_MASK_IN_METADATA = 1 << EVENT_TEXT_COUNT,
	RULE_MASK_IN_STANDARD = 1 << EVENT_TEXT_DESCRIPTION | RULE_MASK_IN_METADATA,
};

struct rule {
	char name[LIMIT_RULE_NAME_BYTES];
	uint64_t seed; /* of the name: rules that sample choose apart from each other */
	struct expr_builder builder; /* of the expression, the paths and the texts */
	const struct expr *match;    /* NULL: every event */
	struct rule_action actions[LIMIT_RULE_LINES];
	unsigned actions_count;
	bool masks;
	struct rule_mask mask;
	unsigned mask_in; /* bits of fields */
	struct span mask_with;
	struct rule_counts counts;
};

struct rule_set {
	struct rule **list;
	size_t count;
};

#endif
