/*
 * pick - the fields of an event that are to be shown, and what stands at them.
 *
 * Life:    pick_read once; the picks live until pick_fini, values as long as their event.
 * Thread:  one reads, any ask.
 * Memory:  the names.
 * Errors:  ERR_UNKNOWN, ERR_LIMIT with a diag that says what to write.
 */
#ifndef TOOLS_PICK_H
#define TOOLS_PICK_H

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/expr/expr.h"

enum { PICK_MAX = 48 };

enum pick_kind {
	PICK_FIELD,
	PICK_METADATA, /* the whole map */
	PICK_FLAGS,
};

struct pick {
	char *name; /* as it was written */
	enum pick_kind kind;
	struct expr_field field;
};

struct picks {
	struct expr_builder names;
	struct pick list[PICK_MAX];
	size_t count;
};

enum pick_value_kind {
	PICK_VALUE_ABSENT,
	PICK_VALUE_TEXT,
	PICK_VALUE_TIME,
	PICK_VALUE_ID,
	PICK_VALUE_WORD, /* of ours: a severity */
	PICK_VALUE_DATA, /* one msgpack value that is no text */
	PICK_VALUE_FLAGS,
};

struct pick_value {
	enum pick_value_kind kind;
	struct span text; /* TEXT, WORD, DATA */
	union {
		int64_t ns;
		uint64_t id;
		unsigned flags;
	};
};

void pick_init(struct picks *p);
void pick_fini(struct picks *p);
/* "a,b,metadata.c": adds to what is there. */
int pick_read(struct picks *p, const char *text, struct diag *d);

/* What the event has there. */
struct pick_value pick_get(const struct pick *p, const struct event *ev);
/* As a JSON value; null for an absent one. */
void pick_put_json(const struct pick_value *v, struct buf *out);
/* As text without quotes, nothing for an absent one; times in UTC. */
void pick_put_text(const struct pick_value *v, struct buf *out);

#endif
