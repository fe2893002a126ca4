#include "proto/wire/forward_json.h"

#include <errno.h>

#include "proto/base/check.h"
#include "proto/wire/forward_int.h"
#include "proto/wire/forward_time.h"
#include "proto/wire/json_in.h"

/*
 *	FRAME -> TAG -> COMMA -> BODY -+-> ENTRY <-> ENTRY_END -+-> COMMA -> VALUE -> COMMA ... -> END
 *	                               +-> VALUE ---------------+
 */
enum at {
	AT_FRAME, /* the next frame's bracket */
	AT_TAG,
	AT_COMMA, /* behind an element of the frame: another one, or its end */
	AT_BODY,  /* element 1, whose type is the mode */
	AT_VALUE, /* an element from 1 on */
	AT_ENTRY,
	AT_ENTRY_END, /* behind an entry */
	AT_MESSAGE,   /* the frame's bracket was closed */
	AT_END,
};

static int give_up(struct forward *f, enum forward_fault why, int err)
{
	f->fault = why;
	return err;
}

static int bad_text(struct forward *f)
{
	return give_up(f, FORWARD_FAULT_JSON, ERR_SYNTAX);
}

static int go(struct forward *f, enum at next)
{
	f->json.at = next;
	return 0;
}

static bool is_space(uint8_t b)
{
	return b == ' ' || b == '\t' || b == '\n' || b == '\r';
}

bool forward_json_idle(const struct forward_json *j)
{
	return j->at == AT_FRAME;
}

/* ---- one value ---- */

/* Goes through text until the value ends; true if it does, *used bytes of the text belong to it. */
static bool scan(struct forward_json *j, struct span s, size_t *used)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		uint8_t b = s.p[i];

		if (j->in_text) {
			j->in_text = b != '"' || j->escaped;
			j->escaped = b == '\\' && !j->escaped;
			if (!j->in_text && j->depth == 0)
				break;
			continue;
		}
		if (b == '"') {
			j->in_text = true;
		} else if (b == '[' || b == '{') {
			j->depth++;
		} else if (b == ']' || b == '}') {
			if (j->depth <= 1) {
				*used = i + (j->depth ==
						    1); /* or it is the end of a number before it */
				return true;
			}
			j->depth--;
		} else if (j->depth == 0 && (b == ',' || is_space(b))) {
			*used = i;
			return true;
		}
	}
	*used = i < s.n ? i + 1 : i;
	return i < s.n;
}

static int keep(struct forward *f, struct span s, size_t max)
{
	struct forward_json *j = &f->json;

	if (j->over || s.n > max - f->carry.len) {
		j->over = true;
		buf_reset(&f->carry);
		return 0;
	}
	buf_put_span(&f->carry, s);
	return f->carry.err ? give_up(f, FORWARD_FAULT_MEMORY, f->carry.err) : 0;
}

/* The text of one value. 0, FORWARD_MORE, ERR_LIMIT (moved past), or the connection's end. */
static int take_text(struct forward *f, struct rcur *in, size_t max, struct span *out)
{
	struct forward_json *j = &f->json;
	struct span s;
	bool whole;
	size_t used;
	int rc;

	ASSERT(max <= f->carry.max);
	if (!j->midway) {
		j->in_text = j->escaped = j->over = false;
		j->depth = 0;
		buf_reset(&f->carry);
	}
	whole = scan(j, span_of(in->p, rcur_left(in)), &used);
	s = span_of(in->p, used);
	in->p += used;
	if (whole && !j->midway) {
		*out = s;
		if (s.n == 0)
			return bad_text(f);
		return s.n > max ? ERR_LIMIT : 0;
	}
	j->midway = !whole;
	rc = keep(f, s, max);
	if (rc < 0 || !whole)
		return rc < 0 ? rc : FORWARD_MORE;
	*out = buf_span(&f->carry);
	return j->over ? ERR_LIMIT : 0;
}

/* One value as msgpack. As take_text, and the errors of JSON: f->fault tells which end the connection. */
static int take_value(struct forward *f, struct rcur *in, size_t max, struct buf *to)
{
	struct span text;
	int rc = take_text(f, in, max, &text);

	if (rc != 0)
		return rc;
	buf_reset(to);
	rc = json_in_text(text, JSON_IN_REPAIR, to, NULL);
	return rc == -ENOMEM ? give_up(f, FORWARD_FAULT_MEMORY, rc) : rc;
}

static int drop(struct forward *f, int rc)
{
	enum forward_drop why = rc == ERR_LIMIT   ? FORWARD_DROP_LARGE
				: rc == ERR_DEPTH ? FORWARD_DROP_DEEP
						  : FORWARD_DROP_SYNTAX;

	if (f->fault != FORWARD_FAULT_NONE)
		return rc;
	f->frame.dropped[why]++;
	return 0;
}

/* ---- a frame ---- */

static int at_frame(struct forward *f, struct rcur *in)
{
	if (*in->p++ != '[')
		return bad_text(f);
	forward_int_begin(f);
	f->json.element = 0;
	return go(f, AT_TAG);
}

static int at_tag(struct forward *f, struct rcur *in)
{
	struct span s;
	int rc;

	if (!f->json.midway && *in->p != '"')
		return give_up(f, FORWARD_FAULT_TAG, ERR_TYPE);
	/* Each byte of it may be written as an escape. */
	rc = take_value(f, in, 6 * LIMIT_TAG_BYTES + 2, &f->option);
	if (rc == FORWARD_MORE)
		return rc;
	if (rc < 0)
		return f->fault ? rc : give_up(f, FORWARD_FAULT_TAG, rc);
	s = forward_int_text(buf_span(&f->option));
	if (s.n > LIMIT_TAG_BYTES)
		return give_up(f, FORWARD_FAULT_TAG, ERR_LIMIT);
	memcpy(f->tag, s.p, s.n);
	f->frame.tag = span_of(f->tag, s.n);
	return go(f, AT_COMMA);
}

static int at_comma(struct forward *f, struct rcur *in)
{
	uint8_t b = *in->p++;

	f->json.element++;
	if (b == ',')
		return go(f, f->json.element == 1 ? AT_BODY : AT_VALUE);
	if (b != ']')
		return bad_text(f);
	if (f->json.element == 1)
		return give_up(f, FORWARD_FAULT_FRAME, ERR_SYNTAX);
	return go(f, AT_MESSAGE);
}

static int at_body(struct forward *f, struct rcur *in)
{
	uint8_t b = *in->p;

	f->frame.mode = FORWARD_MODE_INVALID;
	if (b == '[') {
		f->frame.mode = FORWARD_MODE_FORWARD;
		in->p++;
	} else if (b == '-' || b == 'n' || (b >= '0' && b <= '9')) {
		f->frame.mode = FORWARD_MODE_MESSAGE;
	}
	f->json.first = true;
	f->json.at = b == '[' ? AT_ENTRY : AT_VALUE;
	return FORWARD_BEGIN;
}

static int at_entry(struct forward *f, struct rcur *in, struct forward_entry *entry)
{
	int rc;

	if (f->json.first && !f->json.midway && *in->p == ']') {
		in->p++;
		return go(f, AT_COMMA);
	}
	rc = take_value(f, in, LIMIT_ENTRY_BYTES, &f->converted);
	if (rc == FORWARD_MORE)
		return rc;
	f->json.first = false;
	f->json.at = AT_ENTRY_END;
	return rc < 0 ? drop(f, rc) : forward_int_whole(f, buf_span(&f->converted), entry);
}

static int at_entry_end(struct forward *f, struct rcur *in)
{
	uint8_t b = *in->p++;

	if (b != ',' && b != ']')
		return bad_text(f);
	return go(f, b == ',' ? AT_ENTRY : AT_COMMA);
}

/* ---- an element from 1 on ---- */

static int take_time(struct forward *f, struct rcur *in)
{
	struct walk_value v = { .type = WALK_NIL };
	struct rcur c;
	int rc = take_value(f, in, LIMIT_OPTION_BYTES, &f->option);

	if (rc == FORWARD_MORE || f->fault)
		return rc;
	c = rcur_of(f->option.p, rc < 0 ? 0 : f->option.len);
	if (rcur_left(&c) > 0)
		walk_read(&c, &v);
	f->message.has_time = forward_time(&v, &f->message.time_ns) == 0;
	return go(f, AT_COMMA);
}

static int take_record(struct forward *f, struct rcur *in)
{
	int rc = take_value(f, in, LIMIT_ENTRY_BYTES, &f->converted);

	if (rc == FORWARD_MORE)
		return rc;
	f->json.at = AT_COMMA;
	if (rc < 0)
		return drop(f, rc);
	rc = forward_int_record(buf_span(&f->converted));
	if (rc == FORWARD_INT_ENTRY)
		f->message.record = buf_span(&f->converted);
	else
		f->frame.dropped[rc]++;
	return 0;
}

static int take_options(struct forward *f, struct rcur *in)
{
	int rc = take_value(f, in, LIMIT_OPTION_BYTES, &f->option);

	if (rc == FORWARD_MORE || f->fault)
		return rc;
	if (rc < 0)
		return give_up(f, FORWARD_FAULT_OPTION, rc);
	rc = forward_int_options(f, buf_span(&f->option));
	return rc < 0 ? rc : go(f, AT_COMMA);
}

static int skip(struct forward *f, struct rcur *in)
{
	struct span ignored;
	int rc = take_text(f, in, 0, &ignored);

	return rc == FORWARD_MORE || f->fault ? rc : go(f, AT_COMMA);
}

static int at_value(struct forward *f, struct rcur *in)
{
	bool message = f->frame.mode == FORWARD_MODE_MESSAGE;
	uint32_t element = f->json.element;

	if (message && element == 1)
		return take_time(f, in);
	if (message && element == 2)
		return take_record(f, in);
	return element == (message ? 3 : 2) ? take_options(f, in) : skip(f, in);
}

static int at_message(struct forward *f, struct forward_entry *entry)
{
	f->json.at = AT_END;
	if (f->frame.mode == FORWARD_MODE_INVALID ||
		(f->frame.mode == FORWARD_MODE_MESSAGE && f->json.element < 3))
		f->frame.dropped[FORWARD_DROP_SHAPE]++;
	if (!f->message.record.p)
		return 0;
	*entry = f->message;
	f->frame.entries++;
	return FORWARD_ENTRY;
}

/* ---- the machine ---- */

int forward_json_step(struct forward *f, struct rcur *in, struct forward_entry *entry)
{
	struct forward_json *j = &f->json;

	if (j->at == AT_MESSAGE)
		return at_message(f, entry);
	if (j->at == AT_END) {
		j->at = AT_FRAME;
		return FORWARD_END;
	}
	while (!j->midway && rcur_left(in) > 0 && is_space(*in->p))
		in->p++;
	if (rcur_left(in) == 0)
		return FORWARD_MORE;
	switch ((enum at)j->at) {
	case AT_FRAME:
		return at_frame(f, in);
	case AT_TAG:
		return at_tag(f, in);
	case AT_COMMA:
		return at_comma(f, in);
	case AT_BODY:
		return at_body(f, in);
	case AT_VALUE:
		return at_value(f, in);
	case AT_ENTRY:
		return at_entry(f, in, entry);
	case AT_ENTRY_END:
		return at_entry_end(f, in);
	default:
		UNREACHABLE();
	}
}
