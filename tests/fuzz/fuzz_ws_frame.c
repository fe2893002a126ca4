/*
 * Goal: the frames of a client are read the same in one piece as in any other, stay inside their bytes, and
 * never pass their limits.
 * Method: the first byte chooses where the rest is cut; what was understood must not depend on it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/http/ws_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t sum;
	unsigned code;
};

static void add(struct seen *s, uint64_t v)
{
	s->sum = (s->sum ^ v) * UINT64_C(1099511628211);
}

static void note(struct seen *s, const struct ws_frame_seen *f)
{
	add(s, f->op);
	add(s, f->code);
	add(s, f->bytes);
	ASSERT(f->bytes <= LIMIT_WS_MESSAGE_BYTES);
	ASSERT(f->control.n <= WS_FRAME_CONTROL_BYTES);
	for (size_t i = 0; i < f->control.n; i++)
		add(s, f->control.p[i]);
}

static struct seen feed(const uint8_t *p, size_t n, size_t step)
{
	struct ws_frame f = { 0 };
	struct ws_frame_seen frame;
	struct seen s = { 0 };
	size_t at = 0, took;

	while (at < n) {
		size_t piece = n - at < step ? n - at : step;
		int rc = ws_frame_next(&f, p + at, piece, &took, &frame);

		at += took;
		ASSERT(took <= piece);
		if (rc == 0)
			note(&s, &frame);
		if (rc < 0)
			break;
		ASSERT(rc == 0 || took == piece);
	}
	s.code = f.code;
	add(&s, f.code ? 0 : f.left);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, split;

	if (size < 2)
		return 0;
	whole = feed(data + 1, size - 1, size);
	split = feed(data + 1, size - 1, 1 + data[0] % 16);
	ASSERT(whole.sum == split.sum);
	ASSERT(whole.code == split.code);
	return 0;
}
