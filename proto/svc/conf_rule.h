/*
 * conf_rule - the sections [rule NAME] of the configuration: what is done to events before they are
 * stored, as the lines that say so, in the order of the file.
 *
 *	[rule privacy]
 *	match = service = shop
 *	mask = email, card, bearer
 *
 * Here the keys alone are known; proto/rule knows what their values mean and checks them.
 *
 * Life:    a zeroed struct is empty; put for each pair of the file; fini.
 * Thread:  reading is free for all while nobody puts.
 * Memory:  LIMIT_RULES rules at most, LIMIT_RULE_LINES lines each.
 * Errors:  ERR_SYNTAX, ERR_UNKNOWN, ERR_LIMIT, -ENOMEM with a diag that says what is allowed; its file
 *          is "".
 */
#ifndef PROTO_SVC_CONF_RULE_H
#define PROTO_SVC_CONF_RULE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/base/limits.h"

enum conf_rule_key {
	CONF_RULE_MATCH,
	CONF_RULE_DROP,
	CONF_RULE_SAMPLE,
	CONF_RULE_MAP,
	CONF_RULE_COPY,
	/* The fields of an event, texts first, in the order of enum event_text. */
	CONF_RULE_EVENT_TYPE,
	CONF_RULE_ENTITY_TYPE,
	CONF_RULE_ENTITY_ID,
	CONF_RULE_USER_ID,
	CONF_RULE_DESCRIPTION,
	CONF_RULE_IP_ADDRESS,
	CONF_RULE_USER_AGENT,
	CONF_RULE_SERVICE,
	CONF_RULE_HOST,
	CONF_RULE_SEVERITY,
	CONF_RULE_CLASS,
	CONF_RULE_MASK,
	CONF_RULE_MASK_PATTERN,
	CONF_RULE_MASK_IN,
	CONF_RULE_MASK_WITH,
	CONF_RULE_KEY_COUNT,
};

struct conf_rule_line {
	char *text; /* the value */
	enum conf_rule_key key;
	unsigned line; /* of the file */
};

struct conf_rule {
	char name[LIMIT_RULE_NAME_BYTES];
	struct conf_rule_line *lines;
	size_t lines_count; /* at least 1 */
};

struct conf_rules {
	struct conf_rule *list;
	size_t count;
	char *file; /* where they are from; NULL when there are none */
};

/* True for a section that begins with the word `rule`. */
bool conf_rule_is(const char *section);
const char *conf_rule_key_name(enum conf_rule_key key);

/* One pair of section `[rule NAME]`. */
int conf_rule_put(struct conf_rules *r, const char *file, const char *section, const char *key,
	const char *value, unsigned line, struct diag *d);
void conf_rule_fini(struct conf_rules *r);

/* The same lines, wherever they stand. */
bool conf_rule_equal(const struct conf_rules *a, const struct conf_rules *b);
/* As they would stand in a file. */
void conf_rule_print(const struct conf_rules *r, struct buf *out);

#endif
