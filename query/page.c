#include "query/page.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/expr/expr_parse.h"

enum {
	CURSOR_VERSION = 2,
	CURSOR_TOTAL_KNOWN = 1 << 0,
	CURSOR_RAW_BYTES = 50,
	CURSOR_CHECKED_BYTES = 46,
	CURSOR_TEXT_BYTES = (CURSOR_RAW_BYTES * 8 + 5) / 6,
};

static_assert((int)CURSOR_TEXT_BYTES < (int)ENGINE_CURSOR_BYTES, "room for a cursor and its NUL");

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void page_key_place(
	enum engine_order order, struct page_key key, int64_t *out_time_ns, uint64_t *out_id)
{
	bool down = order == ENGINE_ORDER_DESC;

	ASSERT(order != ENGINE_ORDER_ARRIVAL);
	*out_time_ns = (int64_t)page_time((int64_t)(down ? ~key.a : key.a));
	*out_id = down ? ~key.b : key.b;
}

/* ---------------------------------------------------------------- sum of a query */

int page_query_sum(const struct engine_request *req, uint32_t *out)
{
	const int64_t numbers[] = { req->from_ns, req->to_ns, req->order };
	const uint64_t seed = XXH3_64bits(numbers, sizeof numbers);
	struct buf text;
	int rc;

	buf_init(&text, LIMIT_EXPR_BYTES);
	expr_print(req->where, &text);
	rc = text.err;
	if (rc == 0)
		*out = (uint32_t)XXH3_64bits_withSeed(
			text.len ? text.p : (const void *)"", text.len, seed);
	buf_fini(&text);
	return rc;
}

/* ---------------------------------------------------------------- text of a cursor */

static void put_text(const uint8_t raw[CURSOR_RAW_BYTES], char *dst)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < CURSOR_RAW_BYTES; i++) {
		bits = bits << 8 | raw[i];
		for (have += 8; have >= 6; have -= 6)
			*dst++ = digits[bits >> (have - 6) & 63];
	}
	if (have)
		*dst++ = digits[bits << (6 - have) & 63];
	*dst = 0;
}

/* False for another character, or bits set behind the last byte: one cursor has one text. */
static bool get_text(struct span text, uint8_t raw[CURSOR_RAW_BYTES])
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		const char *at = text.p[i] ? strchr(digits, text.p[i]) : NULL;

		if (!at)
			return false;
		bits = bits << 6 | (uint32_t)(at - digits);
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		ASSERT(n < CURSOR_RAW_BYTES);
		raw[n++] = (uint8_t)(bits >> have);
	}
	return n == CURSOR_RAW_BYTES && (bits & ((1u << have) - 1)) == 0;
}

static uint32_t check_of(const uint8_t *raw)
{
	return (uint32_t)XXH3_64bits(raw, CURSOR_CHECKED_BYTES);
}

void page_cursor_put(const struct engine_place *place, char dst[ENGINE_CURSOR_BYTES])
{
	uint8_t raw[CURSOR_RAW_BYTES];
	struct wcur c = wcur_of(raw, sizeof raw);

	wcur_u8(&c, CURSOR_VERSION);
	wcur_u8(&c, place->total_known ? CURSOR_TOTAL_KNOWN : 0);
	wcur_le64(&c, (uint64_t)place->time_ns);
	wcur_le64(&c, place->id);
	wcur_le64(&c, place->newest);
	wcur_le64(&c, place->total);
	wcur_le64(&c, (uint64_t)place->now_ns);
	wcur_le32(&c, place->query_sum);
	ASSERT(c.p - raw == CURSOR_CHECKED_BYTES);
	wcur_le32(&c, check_of(raw));
	ASSERT(c.err == 0);
	put_text(raw, dst);
}

int page_cursor_get(struct span text, struct engine_place *out)
{
	uint8_t raw[CURSOR_RAW_BYTES];
	struct engine_place place = { .set = true };
	struct rcur c = rcur_of(raw, sizeof raw);
	uint8_t version, flags;

	if (text.n != CURSOR_TEXT_BYTES || !get_text(text, raw))
		return ERR_SYNTAX;
	version = rcur_u8(&c);
	flags = rcur_u8(&c);
	place.time_ns = (int64_t)rcur_le64(&c);
	place.id = rcur_le64(&c);
	place.newest = rcur_le64(&c);
	place.total = rcur_le64(&c);
	place.now_ns = (int64_t)rcur_le64(&c);
	place.query_sum = rcur_le32(&c);
	if (version != CURSOR_VERSION || (flags & ~CURSOR_TOTAL_KNOWN) ||
		rcur_le32(&c) != check_of(raw))
		return ERR_SYNTAX;
	place.total_known = flags & CURSOR_TOTAL_KNOWN;
	*out = place;
	return 0;
}
