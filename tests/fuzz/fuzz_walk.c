/*
 * Goal: no bytes make the walker read outside them, and its two ways - whole, and in pieces - agree
 *       on validity and length; canon agrees too, and what it writes is canonical.
 */
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/wire/canon.h"
#include "proto/wire/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_pieces(struct span s, size_t piece, int whole, size_t length)
{
	struct walk w;
	size_t at = 0, used = 0;
	int rc = WALK_MORE;

	walk_init(&w, 1);
	while (rc == WALK_MORE && at < s.n) {
		size_t n = piece < s.n - at ? piece : s.n - at;

		rc = walk_feed(&w, s.p + at, n, &used);
		at += rc == 0 ? used : n;
	}
	if (whole == 0)
		ASSERT(rc == 0 && at == length);
	if (whole == ERR_TRUNCATED)
		ASSERT(rc == WALK_MORE);
	if (whole == ERR_SYNTAX)
		ASSERT(rc == ERR_SYNTAX);
	if (whole == ERR_DEPTH)
		ASSERT(rc != 0);
}

/* Reading value by value sees what skipping did. */
static void check_read(struct span s)
{
	struct rcur c = rcur_of(s.p, s.n);
	struct walk_value v;
	uint64_t missing = 1;

	while (missing > 0) {
		ASSERT(walk_read(&c, &v) == 0);
		missing--;
		if (v.type == WALK_ARRAY)
			missing += v.count;
		if (v.type == WALK_MAP)
			missing += 2 * (uint64_t)v.count;
	}
	ASSERT(rcur_left(&c) == 0);
}

static void check_canon(struct canon *k, struct span s)
{
	struct rcur c = rcur_of(s.p, s.n);
	uint8_t *out;
	struct wcur w;
	struct rcur again;
	int rc = canon_check(k, &c, 0);

	if (rc < 0)
		return;
	ASSERT(rcur_left(&c) == 0);
	/* Never longer than it came: heads shrink, keys lose bytes. */
	out = malloc(s.n);
	ASSERT(out);
	w = wcur_of(out, s.n);
	canon_write(k, s, &w);
	ASSERT(w.err == 0);
	again = rcur_of(out, (size_t)(w.p - out));
	ASSERT(canon_check(k, &again, 0) == 0);
	ASSERT(rcur_left(&again) == 0);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct canon *k;
	struct span s = span_of(data, n), whole = SPAN_NONE;
	struct rcur c = rcur_of(data, n);
	int rc = walk_take(&c, &whole);

	if (!k)
		ASSERT(canon_new(&k) == 0);
	for (size_t piece = 1; piece < 8; piece += 3)
		check_pieces(s, piece, rc, whole.n);
	check_pieces(s, n, rc, whole.n);
	if (rc == 0) {
		check_read(whole);
		check_canon(k, whole);
	} else {
		c = rcur_of(data, n);
		ASSERT(canon_check(k, &c, 0) < 0);
	}
	return 0;
}
