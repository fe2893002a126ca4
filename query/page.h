/*
 * page - the order of events as plain numbers, and cursors.
 *
 * An order is turned into keys of which the smaller stands first, whatever the order is: newest first
 * inverts the bits of both parts, arrival has the id alone. All that sorts, prunes and stops early then
 * compares two unsigned numbers.
 *
 * CURSOR                                         base64url without padding, of
 *   off size
 *    0   1   version      2
 *    1   1   flags        bit 0: total is known
 *    2   8   time_ns      of the last event given
 *   10   8   id           of that event
 *   18   8   newest       committed id of the snapshot on which the walk began
 *   26   8   total        counted then
 *   34   8   now_ns       when it began, for relative times in what is asked
 *   42   4   query_sum    of what was asked; see page_query_sum
 *   46   4   check        XXH3-64 of bytes 0..45, its low half
 * Valid:  the length, the version, no unknown flag, the check. It protects against a slip of the hand
 *         or a cursor of another kind, not against its owner, who can only mislead himself.
 *
 * Thread: none of its own. Memory: none.
 */
#ifndef QUERY_PAGE_H
#define QUERY_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "query/engine.h"

struct page_key {
	uint64_t a;
	uint64_t b;
};

static inline bool page_key_less(struct page_key x, struct page_key y)
{
	return x.a < y.a || (x.a == y.a && x.b < y.b);
}

/* Signed time as an unsigned number of the same order. */
static inline uint64_t page_time(int64_t time_ns)
{
	return (uint64_t)time_ns ^ (UINT64_C(1) << 63);
}

static inline struct page_key page_key(enum engine_order order, int64_t time_ns, uint64_t id)
{
	switch (order) {
	case ENGINE_ORDER_ASC:
		return (struct page_key){ page_time(time_ns), id };
	case ENGINE_ORDER_DESC:
		return (struct page_key){ ~page_time(time_ns), ~id };
	case ENGINE_ORDER_ARRIVAL:
		break;
	}
	return (struct page_key){ id, 0 };
}

/* Back again, for the time orders. */
void page_key_place(
	enum engine_order order, struct page_key key, int64_t *out_time_ns, uint64_t *out_id);

/*
 * Of `where` in its normal form, range and order: all that must be the same on every page of a walk,
 * however it is written. -ENOMEM, ERR_LIMIT.
 */
int page_query_sum(const struct engine_request *req, uint32_t *out);

void page_cursor_put(const struct engine_place *place, char dst[ENGINE_CURSOR_BYTES]);
/* ERR_SYNTAX: not a cursor that page_cursor_put wrote. */
int page_cursor_get(struct span text, struct engine_place *out);

#endif
