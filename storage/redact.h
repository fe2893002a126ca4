/*
 * redact - events that were deleted by order of a person: hidden from every reader from one moment
 * on, taken out of the segments by the next upkeep (compact_redact), their ids on record for good, so
 * that a gap in the ids is either told here or a loss.
 *
 * Each order is one immutable file in DATA/redact, named by its number: `.ids` while segments or
 * unsealed rows may hold its ids, `.done` afterwards (FORMAT.md: redact). The newest journal file may
 * go on to hold the bytes of sealed rows; no reader looks at them.
 *
 * Life:    write; readers load the set of all orders not done, refer to it, let it go.
 * Durable: when write returned 0 the order holds, whatever crashes. Readers that live look again
 *          when the manifest changes; whoever writes an order makes an (empty) change after it.
 * Thread:  a set never changes after load; its references are counted atomically. Writers hold
 *          compact.lock.
 * Memory:  a set at most LIMIT_REDACT_BYTES; a file is read as a whole.
 * Errors:  ERR_CORRUPT: both copies in a file are damaged. A reader must then refuse to answer:
 *          to go on would show what was deleted.
 */
#ifndef STORAGE_REDACT_H
#define STORAGE_REDACT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/base/limits.h"
#include "proto/base/span.h"
#include "storage/idset.h"
#include "storage/vfs.h"

#define REDACT_DIR "redact"

struct redact_info {
	uint64_t number; /* from 1, as in the name */
	int64_t created_ns;
	uint64_t ids_count;
	uint64_t id_min;
	uint64_t id_max;
	bool done;
	char reason[LIMIT_REDACT_REASON + 1]; /* the order in words, NUL-terminated */
};

/*
 * Makes the order to delete these ids (at least one) durable. A reason too long is cut. *out tells
 * the number it was given. ERR_LIMIT: too many orders, or more ids than fit into a set beside those
 * of the orders not done.
 */
int redact_write(const struct vfs *vfs, int dir, const uint8_t *uuid, const struct idset *ids,
	struct span reason, int64_t now_ns, struct redact_info *out, struct diag *d);
/* All its rows were sealed, and no segment has them any more. */
int redact_finish(const struct vfs *vfs, int dir, struct redact_info *info, struct diag *d);

/* Gets one order; ids live until it returns. Non-zero ends the walk and is passed up. */
typedef int (*redact_cb)(void *arg, const struct redact_info *info, const struct idset *ids);
/*
 * All orders of the store by rising number, the damaged ones excepted: those are told to damaged
 * (may be NULL: the walk ends with ERR_CORRUPT). uuid NULL: that of any store.
 */
int redact_each(const struct vfs *vfs, int dir, const uint8_t *uuid, redact_cb cb,
	void (*damaged)(void *arg, const struct diag *why), void *arg, struct diag *d);
/* One file's bytes: what redact_each does of each. name is for the diag. */
int redact_decode(struct span file, const uint8_t *uuid, const char *name, struct redact_info *out,
	struct idset *ids, struct diag *d);

/* One of the two equal halves of a file; no diag. */
int redact_decode_copy(
	struct span copy, const uint8_t *uuid, struct redact_info *out, struct idset *ids);

struct redact_set;

/* All orders not done. *out is NULL where there are none. */
int redact_set_load(const struct vfs *vfs, int dir, const uint8_t *uuid, struct redact_set **out,
	struct diag *d);
/* NULL is the empty set, for all of these. */
struct redact_set *redact_set_ref(struct redact_set *s);
void redact_set_unref(struct redact_set **s);
bool redact_set_has(const struct redact_set *s, uint64_t id);
/* Whether any id from..to is in the set. */
bool redact_set_any(const struct redact_set *s, uint64_t from, uint64_t to);

#endif
