/*
 * The low two bits of a tag say what follows:
 *	0  a literal; its length is above them, less one; from 60 on it stands in 1 to 4 bytes behind
 *	1  a copy of 4 to 11 bytes, from up to 2047 bytes before: 3 bits of the length, 3 and 8 of the offset
 *	2  a copy of 1 to 64 bytes, from up to 65535 bytes before
 *	3  the same with an offset of 32 bits
 * A copy may overlap what it makes: it then repeats it.
 */
#include "proto/wire/snappy.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"

/* The densest element is a copy of 64 bytes in 3. */
enum { RATIO_MAX = 22, LITERAL_LONG = 60 };

struct output {
	uint8_t *p;
	size_t at;
	size_t n;
};

static int read_bytes(struct rcur *c, size_t *out_n)
{
	uint64_t n = rcur_varint(c);

	if (c->err)
		return c->err;
	if (n > UINT32_MAX || n > (uint64_t)RATIO_MAX * rcur_left(c))
		return ERR_CORRUPT;
	*out_n = (size_t)n;
	return 0;
}

int snappy_bytes(struct span in, size_t *out_n)
{
	struct rcur c = rcur_of(in.p, in.n);

	return read_bytes(&c, out_n);
}

static int literal(struct rcur *c, unsigned tag, struct output *o)
{
	size_t n = tag >> 2;
	struct span text;

	if (n >= LITERAL_LONG) {
		unsigned bytes = (unsigned)n - LITERAL_LONG + 1;

		n = 0;
		for (unsigned i = 0; i < bytes; i++)
			n |= (size_t)rcur_u8(c) << (8 * i);
	}
	text = rcur_bytes(c, n + 1);
	if (c->err)
		return c->err;
	if (text.n > o->n - o->at)
		return ERR_CORRUPT;
	memcpy(o->p + o->at, text.p, text.n);
	o->at += text.n;
	return 0;
}

static int copy(struct output *o, size_t offset, size_t n)
{
	uint8_t *to = o->p + o->at;

	if (offset == 0 || offset > o->at || n > o->n - o->at)
		return ERR_CORRUPT;
	if (offset >= n) {
		memcpy(to, to - offset, n);
	} else {
		for (size_t i = 0; i < n; i++)
			to[i] = to[i - offset];
	}
	o->at += n;
	return 0;
}

static int element(struct rcur *c, struct output *o)
{
	unsigned tag = rcur_u8(c);
	size_t offset;

	switch (tag & 3) {
	case 0:
		return literal(c, tag, o);
	case 1:
		offset = (size_t)(tag >> 5) << 8 | rcur_u8(c);
		return c->err ? c->err : copy(o, offset, 4 + (tag >> 2 & 7));
	case 2:
		offset = rcur_le16(c);
		return c->err ? c->err : copy(o, offset, 1 + (tag >> 2));
	default:
		offset = rcur_le32(c);
		return c->err ? c->err : copy(o, offset, 1 + (tag >> 2));
	}
}

int snappy_decode(struct span in, uint8_t *dst, size_t n)
{
	struct rcur c = rcur_of(in.p, in.n);
	struct output o = { .p = dst, .n = n };
	size_t told;
	int rc = read_bytes(&c, &told);

	if (rc < 0)
		return rc;
	ASSERT(told == n);
	while (rcur_left(&c) > 0) {
		rc = element(&c, &o);
		if (rc < 0)
			return rc;
		ASSERT(o.at <= o.n);
	}
	return o.at == o.n ? 0 : ERR_TRUNCATED;
}
