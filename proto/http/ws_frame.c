#include "proto/http/ws_frame.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

enum {
	FIN = 0x80,
	RESERVED = 0x70,
	OP = 0x0f,
	CONTROL = 0x08,
	MASKED = 0x80,
	LENGTH = 0x7f,
	LENGTH_16 = 126,
	LENGTH_64 = 127,
	MASK_BYTES = 4,
	PIECE_BYTES = 4096, /* unmasked at once */
};

static int fail(struct ws_frame *f, enum ws_frame_code code, const char *reason)
{
	f->code = code;
	f->reason = reason;
	return code == WS_FRAME_TOO_LARGE || code == WS_FRAME_POLICY ? ERR_LIMIT : ERR_SYNTAX;
}

static int broken(struct ws_frame *f, const char *reason)
{
	return fail(f, WS_FRAME_PROTOCOL, reason);
}

static bool is_control(const struct ws_frame *f)
{
	return f->head[0] & CONTROL;
}

/* ---------------------------------------------------------------- head */

static int check_first(struct ws_frame *f)
{
	unsigned op = f->head[0] & OP;

	if (f->head[0] & RESERVED)
		return broken(f, "reserved bits are set");
	if ((op & ~(unsigned)CONTROL) > 2)
		return broken(f, "unknown opcode");
	if (op & CONTROL)
		return f->head[0] & FIN ? 0 : broken(f, "a control frame in parts");
	if (op == WS_FRAME_CONTINUE && !f->in_message)
		return broken(f, "nothing to continue");
	if (op != WS_FRAME_CONTINUE && f->in_message)
		return broken(f, "another message is not at its end");
	return 0;
}

static int check_second(struct ws_frame *f)
{
	if (!(f->head[1] & MASKED))
		return broken(f, "a frame without a mask");
	if (is_control(f) && (f->head[1] & LENGTH) > WS_FRAME_CONTROL_BYTES)
		return broken(f, "a control frame is too long");
	return 0;
}

/* Bytes of the head as far as it is known how many. */
static unsigned head_bytes(const struct ws_frame *f)
{
	unsigned length = f->head[1] & LENGTH;

	if (f->head_n < 2)
		return 2;
	return 2 + MASK_BYTES + (length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0);
}

static uint64_t read_length(const struct ws_frame *f, unsigned bytes)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < bytes; i++)
		n = n << 8 | f->head[2 + i];
	return n;
}

static int begin_message(struct ws_frame *f)
{
	unsigned op = f->head[0] & OP;

	if (op != WS_FRAME_CONTINUE) {
		f->in_message = true;
		f->text = op == WS_FRAME_TEXT;
		f->utf8 = (struct utf8_steps){ 0 };
		f->message_bytes = 0;
		f->fragments = 0;
	}
	if (f->left > LIMIT_WS_MESSAGE_BYTES - f->message_bytes)
		return fail(f, WS_FRAME_TOO_LARGE, "the message is too long");
	if (++f->fragments > LIMIT_WS_FRAGMENTS)
		return fail(f, WS_FRAME_POLICY, "the message has too many parts");
	return 0;
}

/* Before the mask has come. */
static int check_length(struct ws_frame *f)
{
	unsigned length = f->head[1] & LENGTH;

	f->left = length;
	if (length == LENGTH_16)
		f->left = read_length(f, 2);
	else if (length == LENGTH_64)
		f->left = read_length(f, 8);
	if ((length == LENGTH_16 && f->left < LENGTH_16) ||
		(length == LENGTH_64 && (f->left <= UINT16_MAX || f->left > INT64_MAX)))
		return broken(f, "a length in the wrong form");
	return is_control(f) ? 0 : begin_message(f);
}

/* One byte of the head. */
static int take_head(struct ws_frame *f, uint8_t byte)
{
	int rc = 0;

	ASSERT(f->head_n < sizeof f->head);
	f->head[f->head_n++] = byte;
	if (f->head_n == 1)
		rc = check_first(f);
	else if (f->head_n == 2)
		rc = check_second(f);
	if (rc == 0 && f->head_n >= 2 && f->head_n + MASK_BYTES == head_bytes(f))
		rc = check_length(f);
	if (rc == 0 && f->head_n >= 2 && f->head_n == head_bytes(f)) {
		f->in_payload = true;
		f->mask_at = 0;
		f->control_n = 0;
	}
	return rc;
}

/* ---------------------------------------------------------------- payload */

static int take_control(struct ws_frame *f, const uint8_t *p, size_t n)
{
	ASSERT(n <= WS_FRAME_CONTROL_BYTES - f->control_n);
	memcpy(f->control + f->control_n, p, n);
	f->control_n += (unsigned)n;
	return 0;
}

static int take_message(struct ws_frame *f, const uint8_t *p, size_t n)
{
	f->message_bytes += n;
	ASSERT(f->message_bytes <= LIMIT_WS_MESSAGE_BYTES);
	if (f->text && !utf8_step(&f->utf8, p, n))
		return fail(f, WS_FRAME_BAD_TEXT, "text that is not UTF-8");
	return 0;
}

/* Of n bytes as many as are unmasked at once. */
static int take_payload(struct ws_frame *f, const uint8_t *p, size_t n, size_t *took)
{
	const uint8_t *mask = f->head + head_bytes(f) - MASK_BYTES;
	uint8_t piece[PIECE_BYTES];

	if (n > f->left)
		n = (size_t)f->left;
	if (n > sizeof piece)
		n = sizeof piece;
	for (size_t i = 0; i < n; i++)
		piece[i] = p[i] ^ mask[(f->mask_at + i) % MASK_BYTES];
	f->mask_at = (unsigned)((f->mask_at + n) % MASK_BYTES);
	f->left -= n;
	*took += n;
	return is_control(f) ? take_control(f, piece, n) : take_message(f, piece, n);
}

/* ---------------------------------------------------------------- what is whole */

/* Those of section 7.4 and of IANA's registry that stand in frames, and those free for use. */
static bool is_code(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

static int end_close(struct ws_frame *f, struct ws_frame_seen *out)
{
	out->code = WS_FRAME_NO_CODE;
	if (f->control_n == 0)
		return 0;
	if (f->control_n == 1)
		return broken(f, "half a close code");
	out->code = (unsigned)f->control[0] << 8 | f->control[1];
	if (!is_code(out->code))
		return broken(f, "a close code that nobody may send");
	if (!utf8_valid(span_of(f->control + 2, f->control_n - 2)))
		return fail(f, WS_FRAME_BAD_TEXT, "a reason that is not UTF-8");
	return 0;
}

/* WS_FRAME_MORE: a part of a message, and not the last. */
static int end_frame(struct ws_frame *f, struct ws_frame_seen *out)
{
	f->in_payload = false;
	f->head_n = 0;
	*out = (struct ws_frame_seen){ .op = (enum ws_frame_op)(f->head[0] & OP) };
	if (is_control(f)) {
		out->control = span_of(f->control, f->control_n);
		return out->op == WS_FRAME_CLOSE ? end_close(f, out) : 0;
	}
	if (!(f->head[0] & FIN))
		return WS_FRAME_MORE;
	if (f->text && f->utf8.follow)
		return fail(f, WS_FRAME_BAD_TEXT, "text that ends within a character");
	f->in_message = false;
	out->op = f->text ? WS_FRAME_TEXT : WS_FRAME_BINARY;
	out->bytes = f->message_bytes;
	return 0;
}

int ws_frame_next(
	struct ws_frame *f, const uint8_t *p, size_t n, size_t *out_took, struct ws_frame_seen *out)
{
	size_t at = 0;
	int rc = WS_FRAME_MORE;

	ASSERT(f->code == 0);
	while (rc == WS_FRAME_MORE && at < n) {
		if (!f->in_payload)
			rc = take_head(f, p[at++]);
		else
			rc = take_payload(f, p + at, n - at, &at);
		if (rc == 0)
			rc = f->in_payload && f->left == 0 ? end_frame(f, out) : WS_FRAME_MORE;
	}
	*out_took = at;
	return rc;
}

/* ---------------------------------------------------------------- what we send */

size_t ws_frame_head(uint8_t dst[WS_FRAME_HEAD_BYTES], enum ws_frame_op op, uint64_t n)
{
	unsigned bytes = n > UINT16_MAX ? 8 : n >= LENGTH_16 ? 2 : 0;

	dst[0] = (uint8_t)(FIN | op);
	dst[1] = bytes == 8 ? LENGTH_64 : bytes == 2 ? LENGTH_16 : (uint8_t)n;
	for (unsigned i = 0; i < bytes; i++)
		dst[2 + i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
	return 2 + bytes;
}
