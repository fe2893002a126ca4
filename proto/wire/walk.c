/*
 * The first byte of a msgpack value says everything about its size but what a length field adds.
 * `sizes` holds that for all 256 of them, so that the common values (small integers, short
 * strings, numbers of fixed width) cost one load and one compare; `tails` tells how the others go on.
 *
 * A skip keeps, for each open array or map, how many of its values are still missing. The resumable
 * walker keeps the same numbers between pieces. Beyond LIMIT_WALK_DEPTH it keeps one sum instead of a
 * level each, which is enough to find the end of the value and cannot be made to grow.
 */
#include "proto/wire/walk.h"

#include "proto/base/check.h"

enum { BYTE_NEVER = 0xc1 };

/* How a value goes on after its first byte. */
enum tail {
	TAIL_NONE, /* `sizes` is all of it */
	TAIL_BODY, /* a length, then that many bytes */
	TAIL_EXT,  /* a length, then a type byte and that many bytes */
	TAIL_ARRAY,
	TAIL_MAP,
	TAIL_NEVER,
};

/* clang-format off */
#define ROW4(v)	 v, v, v, v
#define ROW16(v) ROW4(v), ROW4(v), ROW4(v), ROW4(v)

/* Bytes of a value that needs no length field; of the others the head: first byte and length. */
static const uint8_t sizes[256] = {
	ROW16(1), ROW16(1), ROW16(1), ROW16(1), ROW16(1), ROW16(1), ROW16(1), ROW16(1), /* fixint */
	ROW16(1), ROW16(1),                                                   /* fixmap, fixarray */
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,                          /* fixstr */
	17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
	1, 1, 1, 1,         /* c0 nil, never, false, true */
	2, 3, 5,            /* c4 bin */
	2, 3, 5,            /* c7 ext */
	5, 9,               /* ca float */
	2, 3, 5, 9,         /* cc uint */
	2, 3, 5, 9,         /* d0 int */
	3, 4, 6, 10, 18,    /* d4 fixext */
	2, 3, 5,            /* d9 str */
	3, 5,               /* dc array */
	3, 5,               /* de map */
	ROW16(1), ROW16(1), /* e0 negative fixint */
};

static const uint8_t tails[256] = {
	[0x80] = ROW16(TAIL_MAP),
	[0x90] = ROW16(TAIL_ARRAY),
	[BYTE_NEVER] = TAIL_NEVER,
	[0xc4] = TAIL_BODY, TAIL_BODY, TAIL_BODY,
	[0xc7] = TAIL_EXT, TAIL_EXT, TAIL_EXT,
	[0xd9] = TAIL_BODY, TAIL_BODY, TAIL_BODY,
	[0xdc] = TAIL_ARRAY, TAIL_ARRAY, TAIL_MAP, TAIL_MAP,
};

#undef ROW16
#undef ROW4
/* clang-format on */

/* The length or count in a complete head, whose size is sizes[head[0]]. */
static inline uint32_t head_length(const uint8_t *head)
{
	switch (sizes[*head]) {
	case 1:
		return *head & 15;
	case 2:
		return head[1];
	case 3:
		return (uint32_t)head[1] << 8 | head[2];
	default:
		return (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 |
		       head[4];
	}
}

/* Content bytes and contained values that a complete head announces. */
struct extent {
	uint64_t body;
	uint64_t values;
	bool container;
};

static inline struct extent head_extent(const uint8_t *head)
{
	uint64_t n = head_length(head);

	switch (tails[*head]) {
	case TAIL_BODY:
		return (struct extent){ .body = n };
	case TAIL_EXT:
		return (struct extent){ .body = n + 1 };
	case TAIL_ARRAY:
		return (struct extent){ .values = n, .container = true };
	default:
		return (struct extent){ .values = 2 * n, .container = true };
	}
}

int walk_skip(struct rcur *c)
{
	uint64_t open[LIMIT_WALK_DEPTH];
	uint64_t missing = 1; /* at this level */
	unsigned level = 0;
	const uint8_t *p = c->p, *end = c->end;

	if (c->err)
		return c->err;
	for (;;) {
		struct extent e;
		uint8_t size;

		if (p == end)
			return ERR_TRUNCATED;
		size = sizes[*p];
		if (size > end - p)
			return ERR_TRUNCATED;
		missing--;
		if (__builtin_expect(tails[*p] == TAIL_NONE, 1)) {
			p += size;
		} else if (*p == BYTE_NEVER) {
			return ERR_SYNTAX;
		} else {
			e = head_extent(p);
			p += size;
			if (e.body > (uint64_t)(end - p))
				return ERR_TRUNCATED;
			p += e.body;
			if (e.container) {
				if (level == LIMIT_WALK_DEPTH)
					return ERR_DEPTH;
				open[level++] = missing;
				missing = e.values;
			}
		}
		while (missing == 0) {
			if (level == 0) {
				c->p = p;
				return 0;
			}
			missing = open[--level];
		}
	}
}

int walk_take(struct rcur *c, struct span *out)
{
	const uint8_t *start = c->p;
	int rc = walk_skip(c);

	if (rc == 0)
		*out = span_of(start, (size_t)(c->p - start));
	return rc;
}

/* ---- typed values ---- */

static void set_int(struct walk_value *out, int64_t v)
{
	out->type = v < 0 ? WALK_INT : WALK_UINT;
	out->i = v;
}

static void read_float(struct rcur *c, struct walk_value *out, bool single)
{
	out->type = WALK_FLOAT;
	out->single = single;
	if (single) {
		uint32_t bits = rcur_be32(c);
		float f;

		memcpy(&f, &bits, sizeof f);
		out->f = (double)f;
	} else {
		uint64_t bits = rcur_be64(c);

		memcpy(&out->f, &bits, sizeof out->f);
	}
}

static uint32_t read_length(struct rcur *c, unsigned width_log2)
{
	switch (width_log2) {
	case 0:
		return rcur_u8(c);
	case 1:
		return rcur_be16(c);
	default:
		return rcur_be32(c);
	}
}

static void read_ext(struct rcur *c, struct walk_value *out, size_t n)
{
	out->type = WALK_EXT;
	out->ext = (int8_t)rcur_u8(c);
	out->data = rcur_bytes(c, n);
}

static void read_number(struct rcur *c, struct walk_value *out, uint8_t b)
{
	out->type = WALK_UINT;
	switch (b) {
	case 0xcc:
		out->u = rcur_u8(c);
		break;
	case 0xcd:
		out->u = rcur_be16(c);
		break;
	case 0xce:
		out->u = rcur_be32(c);
		break;
	case 0xcf:
		out->u = rcur_be64(c);
		break;
	case 0xd0:
		set_int(out, (int8_t)rcur_u8(c));
		break;
	case 0xd1:
		set_int(out, (int16_t)rcur_be16(c));
		break;
	case 0xd2:
		set_int(out, (int32_t)rcur_be32(c));
		break;
	default:
		set_int(out, (int64_t)rcur_be64(c));
		break;
	}
}

static void read_sized(struct rcur *c, struct walk_value *out, uint8_t b)
{
	if (b >= 0xd9 && b <= 0xdb) {
		out->type = WALK_STR;
		out->data = rcur_bytes(c, read_length(c, b - 0xd9u));
	} else if (b >= 0xc4 && b <= 0xc6) {
		out->type = WALK_BIN;
		out->data = rcur_bytes(c, read_length(c, b - 0xc4u));
	} else if (b >= 0xdc) {
		out->type = b < 0xde ? WALK_ARRAY : WALK_MAP;
		out->count = read_length(c, 1 + (b & 1u));
	} else if (b >= 0xd4) {
		read_ext(c, out, (size_t)1 << (b - 0xd4));
	} else if (b >= 0xc7 && b <= 0xc9) {
		uint32_t n = read_length(c, b - 0xc7u);

		read_ext(c, out, n);
	} else if (b == 0xca || b == 0xcb) {
		read_float(c, out, b == 0xca);
	} else {
		read_number(c, out, b);
	}
}

int walk_read(struct rcur *c, struct walk_value *out)
{
	uint8_t b = rcur_u8(c);

	*out = (struct walk_value){ .type = WALK_NIL };
	if (c->err)
		return c->err;
	if (b < 0x80) {
		out->type = WALK_UINT;
		out->u = b;
	} else if (b >= 0xe0) {
		set_int(out, (int8_t)b);
	} else if (b >= 0xa0 && b < 0xc0) {
		out->type = WALK_STR;
		out->data = rcur_bytes(c, b & 31);
	} else if (b < 0xa0) {
		out->type = b < 0x90 ? WALK_MAP : WALK_ARRAY;
		out->count = b & 15;
	} else if (b == 0xc2 || b == 0xc3) {
		out->type = WALK_BOOL;
		out->b = b == 0xc3;
	} else if (b == BYTE_NEVER) {
		c->err = ERR_SYNTAX;
	} else if (b != 0xc0) {
		read_sized(c, out, b);
	}
	if (c->err)
		*out = (struct walk_value){ .type = WALK_NIL };
	return c->err;
}

/* ---- a value in pieces ---- */

void walk_init(struct walk *w, uint32_t values)
{
	ASSERT(values > 0);
	w->open[0] = values;
	w->loose = 0;
	w->body = 0;
	w->head_have = 0;
	w->level = 0;
	w->deep = false;
	w->dead = false;
}

/* One value is complete, and with it perhaps those that hold it. True: all of them are. */
static bool value_done(struct walk *w)
{
	if (w->loose > 0 && --w->loose > 0)
		return false;
	while (--w->open[w->level] == 0) {
		if (w->level == 0)
			return true;
		w->level--;
	}
	return false;
}

/* An array or map of that many values begins. WALK_MORE: its values come next; 0: it is empty. */
static int container_begin(struct walk *w, uint64_t values)
{
	if (w->loose == 0 && w->level < LIMIT_WALK_DEPTH) {
		if (values == 0)
			return 0;
		w->open[++w->level] = values;
		return WALK_MORE;
	}
	w->deep = true;
	if (w->loose == 0)
		w->loose = 1;
	if (values == 0)
		return 0;
	/* Its values take its own place in the sum: it ends when the last of them does. */
	return __builtin_add_overflow(w->loose, values - 1, &w->loose) ? ERR_LIMIT : WALK_MORE;
}

/* Bytes that must be in one piece to understand a value: its head, not its content. */
static unsigned head_bytes(uint8_t first)
{
	return tails[first] == TAIL_NONE ? 1 : sizes[first];
}

/* Gathers a head from p; returns the bytes it took. w->head_have then tells whether it is whole. */
static size_t head_gather(struct walk *w, const uint8_t *p, size_t n)
{
	size_t used = 0;

	if (w->head_have == 0)
		w->head[w->head_have++] = p[used++];
	while (used < n && w->head_have < head_bytes(w->head[0]))
		w->head[w->head_have++] = p[used++];
	return used;
}

/*
 * The next value's head. 0: the value is complete but for w->body. WALK_MORE: more of the head, or
 * contained values, come next.
 */
static int head_next(struct walk *w, const uint8_t *p, size_t n, size_t *out_used)
{
	struct extent e;

	*out_used = head_gather(w, p, n);
	if (w->head[0] == BYTE_NEVER)
		return ERR_SYNTAX;
	if (w->head_have < head_bytes(w->head[0]))
		return WALK_MORE;
	w->head_have = 0;
	if (tails[w->head[0]] == TAIL_NONE) {
		w->body = sizes[w->head[0]] - 1u;
		return 0;
	}
	e = head_extent(w->head);
	w->body = e.body;
	return e.container ? container_begin(w, e.values) : 0;
}

int walk_feed(struct walk *w, const void *p, size_t n, size_t *out_used)
{
	const uint8_t *bytes = p;
	size_t at = 0;

	ASSERT(!w->dead);
	while (at < n) {
		size_t used = 0;
		int rc = 0;

		if (w->body == 0) {
			rc = head_next(w, bytes + at, n - at, &used);
			at += used;
			if (rc < 0) {
				w->dead = true;
				return rc;
			}
		}
		used = w->body < n - at ? (size_t)w->body : n - at;
		w->body -= used;
		at += used;
		if (rc == WALK_MORE || w->body > 0)
			continue;
		if (value_done(w)) {
			*out_used = at;
			return w->deep ? ERR_DEPTH : 0;
		}
	}
	return WALK_MORE;
}
