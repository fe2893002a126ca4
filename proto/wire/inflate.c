/*
 * Both libraries are driven in the same way: one step moves the two cursors as far as they go and says
 * whether a member has ended with it. What stands between members, and all limits, are seen to here.
 */
#include "proto/wire/inflate.h"

#include <limits.h>
#include <stdbool.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "proto/base/check.h"

enum {
	/* zlib's own 7 KiB and its window: it has no call that tells. */
	GZIP_BYTES = 40 << 10,
	WINDOW_BITS = 15,
	GZIP_BITS = WINDOW_BITS + 16,
};

/* What a step found; else it is an enum inflate_fault. */
enum {
	STEP_ON = -1,  /* inside a member */
	STEP_END = -2, /* a member has ended */
};

struct inflate {
	enum inflate_kind kind;
	enum inflate_fault fault;
	bool between; /* members: none is open */
	bool pending; /* the last piece of output was filled, so there may be more to come */
	bool gz_ready;
	uint8_t head_first; /* of the member: its first byte, and how many of its magic were seen */
	uint8_t head_have;
	uint64_t members;
	uint64_t in_bytes;
	uint64_t out_bytes;
	uint64_t bytes_max;
	z_stream gz;
	ZSTD_DCtx *zstd;
};

static const struct {
	int err;
	const char *label;
	const char *text;
} faults[] = {
#define INFLATE_FAULT_ROW(name, err, label, text) [name] = { err, label, text },
	INFLATE_FAULT_TABLE(INFLATE_FAULT_ROW)
#undef INFLATE_FAULT_ROW
};

static int give_up(struct inflate *z, enum inflate_fault why)
{
	ASSERT(why < INFLATE_FAULT_COUNT);
	z->fault = why;
	return faults[why].err;
}

/* ---- life ---- */

int inflate_new(struct inflate **out)
{
	struct inflate *z = calloc(1, sizeof *z);

	if (!z)
		return -ENOMEM;
	*out = z;
	return 0;
}

void inflate_free(struct inflate **at)
{
	struct inflate *z = *at;

	if (!z)
		return;
	if (z->gz_ready)
		inflateEnd(&z->gz);
	ZSTD_freeDCtx(z->zstd);
	free(z);
	*at = NULL;
}

static int begin_gz(struct inflate *z, int bits)
{
	int rc = z->gz_ready ? inflateReset2(&z->gz, bits) : inflateInit2(&z->gz, bits);

	if (rc != Z_OK)
		return give_up(z, INFLATE_FAULT_MEMORY);
	z->gz_ready = true;
	return 0;
}

static int begin_zstd(struct inflate *z)
{
	if (!z->zstd) {
		z->zstd = ZSTD_createDCtx();
		if (!z->zstd)
			return give_up(z, INFLATE_FAULT_MEMORY);
		ZSTD_DCtx_setParameter(z->zstd, ZSTD_d_windowLogMax, LIMIT_INFLATE_WINDOW_LOG);
	}
	ZSTD_DCtx_reset(z->zstd, ZSTD_reset_session_only);
	return 0;
}

int inflate_begin(struct inflate *z, enum inflate_kind kind, uint64_t bytes_max)
{
	ASSERT(kind != INFLATE_NONE);
	z->kind = kind;
	z->fault = INFLATE_FAULT_NONE;
	z->between = true;
	z->pending = false;
	z->members = 0;
	z->in_bytes = 0;
	z->out_bytes = 0;
	z->bytes_max = bytes_max;
	if (kind == INFLATE_ZSTD)
		return begin_zstd(z);
	return begin_gz(z, kind == INFLATE_GZIP ? GZIP_BITS : WINDOW_BITS);
}

/* ---- one step of each library ---- */

static uInt at_most_uint(size_t n)
{
	return n < UINT_MAX ? (uInt)n : UINT_MAX;
}

static int step_gz(struct inflate *z, struct rcur *in, struct wcur *out)
{
	uInt in_have = at_most_uint(rcur_left(in)),
	     out_have = at_most_uint((size_t)(out->end - out->p));
	int rc;

	z->gz.next_in = (z_const Bytef *)(uintptr_t)in->p;
	z->gz.avail_in = in_have;
	z->gz.next_out = out->p;
	z->gz.avail_out = out_have;
	rc = inflate(&z->gz, Z_NO_FLUSH);
	in->p += in_have - z->gz.avail_in;
	out->p += out_have - z->gz.avail_out;
	switch (rc) {
	case Z_OK:
	case Z_BUF_ERROR: /* nothing could be done without more of one or the other */
		return STEP_ON;
	case Z_STREAM_END:
		return STEP_END;
	case Z_MEM_ERROR:
		return INFLATE_FAULT_MEMORY;
	default:
		return INFLATE_FAULT_CORRUPT;
	}
}

static int step_zstd(struct inflate *z, struct rcur *in, struct wcur *out)
{
	ZSTD_inBuffer from = { in->p, rcur_left(in), 0 };
	ZSTD_outBuffer to = { out->p, (size_t)(out->end - out->p), 0 };
	size_t rc = ZSTD_decompressStream(z->zstd, &to, &from);

	in->p += from.pos;
	out->p += to.pos;
	if (!ZSTD_isError(rc))
		return rc == 0 ? STEP_END : STEP_ON;
	switch (ZSTD_getErrorCode(rc)) {
	case ZSTD_error_frameParameter_windowTooLarge:
		return INFLATE_FAULT_WINDOW;
	case ZSTD_error_memory_allocation:
		return INFLATE_FAULT_MEMORY;
	default:
		return INFLATE_FAULT_CORRUPT;
	}
}

/* ---- the stream ---- */

/* The next byte of a member's head, or of a frame that zstd skips, is as it has to be. */
static bool head_fits(const struct inflate *z, unsigned i, uint8_t byte)
{
	static const uint8_t gzip[] = { 0x1f, 0x8b };
	static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd },
			     skipped[] = { 0x50, 0x2a, 0x4d, 0x18 };

	if (z->kind == INFLATE_GZIP)
		return byte == gzip[i];
	if (i == 0)
		return byte == zstd[0] || (byte & 0xf0) == skipped[0];
	return byte == (z->head_first == zstd[0] ? zstd[i] : skipped[i]);
}

/*
 * Looks at a member's first bytes before the library does: what they are not must be the same in
 * whatever pieces they come, and zstd's forms of the past are none.
 */
static int check_head(struct inflate *z, const struct rcur *in)
{
	unsigned need = z->kind == INFLATE_GZIP ? 2 : z->kind == INFLATE_ZSTD ? 4 : 0;
	size_t left = rcur_left(in);

	for (size_t i = 0; i < left && z->head_have < need; i++) {
		if (!head_fits(z, z->head_have, in->p[i]))
			return give_up(
				z, z->members > 0 ? INFLATE_FAULT_TRAILING : INFLATE_FAULT_CORRUPT);
		if (z->head_have++ == 0)
			z->head_first = in->p[i];
	}
	return 0;
}

static int begin_member(struct inflate *z)
{
	if (z->members > 0 && z->kind == INFLATE_ZLIB)
		return give_up(z, INFLATE_FAULT_TRAILING);
	if (z->members > 0 && z->kind == INFLATE_GZIP && inflateReset(&z->gz) != Z_OK)
		return give_up(z, INFLATE_FAULT_MEMORY);
	z->between = false;
	z->head_have = 0;
	return 0;
}

static int check_limits(struct inflate *z)
{
	uint64_t out = z->out_bytes;

	if (out > z->bytes_max)
		return give_up(z, INFLATE_FAULT_SIZE);
	if (out > LIMIT_INFLATE_FREE_BYTES &&
		(out - LIMIT_INFLATE_FREE_BYTES) / LIMIT_INFLATE_RATIO > z->in_bytes)
		return give_up(z, INFLATE_FAULT_RATIO);
	return 0;
}

static int step(struct inflate *z, struct rcur *in, struct wcur *out)
{
	const uint8_t *in_was = in->p, *out_was = out->p;
	int what, rc = z->between ? begin_member(z) : 0;

	if (rc == 0)
		rc = check_head(z, in);
	if (rc < 0)
		return rc;
	what = z->kind == INFLATE_ZSTD ? step_zstd(z, in, out) : step_gz(z, in, out);
	if (what >= 0)
		return give_up(z, (enum inflate_fault)what);
	z->in_bytes += (size_t)(in->p - in_was);
	z->out_bytes += (size_t)(out->p - out_was);
	if (what == STEP_END) {
		z->between = true;
		z->members++;
	} else if (in->p == in_was && out->p == out_was && rcur_left(in) > 0) {
		return give_up(z, INFLATE_FAULT_CORRUPT);
	}
	return check_limits(z);
}

int inflate_next(struct inflate *z, struct rcur *in, struct wcur *out)
{
	ASSERT(z->kind != INFLATE_NONE);
	ASSERT(z->fault == INFLATE_FAULT_NONE);
	ASSERT(out->p < out->end);
	while (rcur_left(in) > 0 || z->pending) {
		int rc = step(z, in, out);

		if (rc < 0)
			return rc;
		z->pending = out->p == out->end && !z->between;
		if (out->p == out->end)
			return INFLATE_FULL;
	}
	return INFLATE_MORE;
}

int inflate_end(struct inflate *z)
{
	ASSERT(z->fault == INFLATE_FAULT_NONE);
	return z->between && z->members > 0 ? 0 : give_up(z, INFLATE_FAULT_TRUNCATED);
}

/* ---- what is known of it ---- */

enum inflate_fault inflate_fault(const struct inflate *z)
{
	return z->fault;
}

uint64_t inflate_total(const struct inflate *z)
{
	return z->out_bytes;
}

size_t inflate_bytes(const struct inflate *z)
{
	return sizeof *z + (z->gz_ready ? GZIP_BYTES : 0) + ZSTD_sizeof_DCtx(z->zstd);
}

enum inflate_kind inflate_detect(struct span first)
{
	if (first.n >= 2 && memcmp(first.p, "\x1f\x8b", 2) == 0)
		return INFLATE_GZIP;
	if (first.n >= 4 && memcmp(first.p, "\x28\xb5\x2f\xfd", 4) == 0)
		return INFLATE_ZSTD;
	return INFLATE_NONE;
}

const char *inflate_fault_label(enum inflate_fault why)
{
	ASSERT(why < INFLATE_FAULT_COUNT);
	return faults[why].label;
}

const char *inflate_fault_text(enum inflate_fault why)
{
	ASSERT(why < INFLATE_FAULT_COUNT);
	return faults[why].text;
}
