/*
 * A frame is taken apart by a machine of small steps. Each step needs some bytes in one piece (a
 * head, a tag, one entry, the options), takes them from the input and names the next step; when
 * they are not all there it keeps what there is and asks for more.
 *
 * (A connection whose first byte is a bracket speaks JSON and has a machine of its own.)
 *
 *	VALUE -> TAG -> BODY -+-> TIME -> RECORD ----------+-> OPTION -> EXTRA -> END
 *	                      +-> ENTRIES -----------------+
 *	                      +-> MAGIC -> PACKED -> SKIP -+
 *	                      |         +-> ZIPPED ------+ |
 *	                      +-> INVALID -----------------+
 *
 * A value that straddles reads is gathered in a buffer (gather.h); one that lies whole in the input,
 * which is the ordinary case, is used where it lies.
 */
#include "proto/wire/forward.h"

#include <errno.h>

#include "proto/base/check.h"
#include "proto/wire/forward_int.h"
#include "proto/wire/forward_time.h"

enum step {
	STEP_VALUE, /* the next value of the connection */
	STEP_TAG,
	STEP_BODY,    /* element 1, whose type is the mode */
	STEP_ENTRIES, /* Forward: `left` entries */
	STEP_MAGIC,   /* Packed: is the payload compressed? */
	STEP_PACKED,  /* Packed: entries in `left` bytes */
	STEP_ZIPPED,  /* Packed: compressed entries in `left` bytes */
	STEP_SKIP,    /* Packed: `left` bytes that nobody can read */
	STEP_TIME,    /* Message */
	STEP_RECORD,  /* Message */
	STEP_INVALID, /* element 1 of a type that no mode has */
	STEP_OPTION,
	STEP_EXTRA, /* elements behind the options */
	STEP_END,
	STEP_JSON, /* the connection speaks JSON: forward_json.c */
};

enum {
	/* A time is a number or a small ext. */
	TIME_BYTES = 32,
	/* Memory that a quiet connection may keep from one frame to the next. */
	CARRY_KEPT_BYTES = 64 << 10,
};

static_assert(LIMIT_OPTION_BYTES >= LIMIT_TAG_BYTES + 5, "the option buffer carries tags too");
static_assert(
	sizeof((struct forward *)0)->head >= (size_t)INFLATE_MAGIC_BYTES, "a magic fits the head");
static_assert((int)GATHER_MORE == (int)FORWARD_MORE, "what gather asks for, forward passes on");

/* ---- life ---- */

void forward_init(struct forward *f, struct inflate_pool *pool)
{
	memset(f, 0, sizeof *f);
	f->pool = pool;
	f->state = STEP_VALUE;
	buf_init(&f->converted, LIMIT_ENTRY_BYTES);
	buf_init(&f->carry, LIMIT_ENTRY_BYTES);
	buf_init(&f->option, LIMIT_OPTION_BYTES);
	buf_init(&f->group, LIMIT_GROUP_BYTES);
}

void forward_fini(struct forward *f)
{
	inflate_pool_give(f->pool, &f->inflate);
	buf_fini(&f->converted);
	buf_fini(&f->carry);
	buf_fini(&f->option);
	buf_fini(&f->group);
}

void forward_reset(struct forward *f)
{
	memset(f, 0, offsetof(struct forward, gather));
	inflate_pool_give(f->pool, &f->inflate);
	f->state = STEP_VALUE;
	gather_reset(&f->gather);
	buf_reset(&f->converted);
	buf_reset(&f->carry);
	buf_reset(&f->option);
	buf_reset(&f->group);
}

void forward_trim(struct forward *f)
{
	ASSERT(!forward_mid_frame(f));
	ASSERT(!f->inflate);
	buf_fini(&f->converted);
	buf_fini(&f->carry);
	buf_fini(&f->option);
	buf_fini(&f->group);
}

void forward_datagram(struct forward *f)
{
	forward_reset(f);
	f->datagram = true;
}

bool forward_mid_frame(const struct forward *f)
{
	if (f->state == STEP_JSON)
		return !forward_json_idle(&f->json);
	return f->state != STEP_VALUE || f->head_have > 0;
}

size_t forward_bytes(const struct forward *f)
{
	size_t n = f->converted.cap + f->carry.cap + f->option.cap + f->group.cap;

	return f->inflate ? n + inflate_bytes(f->inflate) : n;
}

static int give_up(struct forward *f, enum forward_fault why, int err)
{
	f->fault = why;
	return err;
}

static int drop(struct forward *f, enum forward_drop why)
{
	f->frame.dropped[why]++;
	return 0;
}

static int go(struct forward *f, enum step next)
{
	f->state = next;
	return 0;
}

/* ---- taking ---- */

static int take(struct forward *f, struct rcur *in, struct buf *carry, size_t max, struct span *out)
{
	return gather_value(&f->gather, in, rcur_left(in), carry, max, out);
}

/* What a failed take of a value that has to be understood means. */
static int take_failed(struct forward *f, int rc, enum forward_fault otherwise)
{
	if (rc == ERR_SYNTAX)
		return give_up(f, FORWARD_FAULT_SYNTAX, rc);
	if (rc == -ENOMEM)
		return give_up(f, FORWARD_FAULT_MEMORY, rc);
	return give_up(f, otherwise, rc);
}

/*
 * Gathers the head of an array, str or bin; *out_n is its length or count. 0, or FORWARD_MORE. Of
 * any other type the head is its first byte, and stays in f->head[0].
 */
static int take_head(struct forward *f, struct rcur *in, uint64_t *out_n)
{
	unsigned need;
	uint8_t first;

	if (f->head_have == 0)
		f->head[f->head_have++] = *in->p++;
	first = f->head[0];
	need = forward_int_head_bytes(first);
	while (f->head_have < need && rcur_left(in) > 0)
		f->head[f->head_have++] = *in->p++;
	if (f->head_have < need)
		return FORWARD_MORE;
	f->head_have = 0;
	*out_n = first & (first >= 0xa0 && first < 0xc0 ? 31 : 15);
	if (need > 1)
		*out_n = 0;
	for (unsigned i = 1; i < need; i++)
		*out_n = *out_n << 8 | f->head[i];
	return 0;
}

/* ---- the frame's head ---- */

void forward_int_begin(struct forward *f)
{
	memset(&f->frame, 0, sizeof f->frame);
	memset(&f->message, 0, sizeof f->message);
	buf_reset(&f->group);
}

static int step_value(struct forward *f, struct rcur *in)
{
	uint64_t n;
	int rc;

	if (f->head_have == 0) {
		forward_int_begin(f);
		if (*in->p == 0xc0 && !f->datagram) {
			in->p++;
			return FORWARD_HEARTBEAT;
		}
		if (!forward_int_is_array(*in->p)) {
			struct span seen = span_of(in->p, rcur_left(in));

			if (f->bytes == 0 && !f->datagram && *in->p == '[') {
				f->is_json = true;
				return go(f, STEP_JSON);
			}

			return give_up(f,
				f->bytes == 0 ? forward_int_diagnose(seen) : FORWARD_FAULT_FRAME,
				ERR_SYNTAX);
		}
	}
	rc = take_head(f, in, &n);
	if (rc != 0)
		return rc;
	if (n < 2)
		return give_up(f, FORWARD_FAULT_FRAME, ERR_SYNTAX);
	f->elements = (uint32_t)n;
	return go(f, STEP_TAG);
}

static int step_tag(struct forward *f, struct rcur *in)
{
	struct span s;
	int rc;

	if (!f->gather.midway && !forward_int_is_text(*in->p))
		return give_up(f, FORWARD_FAULT_TAG, ERR_TYPE);
	rc = take(f, in, &f->option, LIMIT_TAG_BYTES + 5, &s);
	if (rc == FORWARD_MORE)
		return f->gather.over ? give_up(f, FORWARD_FAULT_TAG, ERR_LIMIT) : rc;
	if (rc == 0)
		s = forward_int_text(s);
	if (rc < 0 || s.n > LIMIT_TAG_BYTES)
		return take_failed(f, rc < 0 ? rc : ERR_LIMIT, FORWARD_FAULT_TAG);
	memcpy(f->tag, s.p, s.n);
	f->frame.tag = span_of(f->tag, s.n);
	if (f->elements == 6 && span_eq(f->frame.tag, SPAN_LIT("PING")))
		return give_up(f, FORWARD_FAULT_HANDSHAKE, ERR_TYPE);
	f->elements--;
	return go(f, STEP_BODY);
}

static int begin(struct forward *f, enum forward_mode mode, enum step next)
{
	f->frame.mode = mode;
	f->state = next;
	return FORWARD_BEGIN;
}

static int step_body(struct forward *f, struct rcur *in)
{
	uint8_t first = f->head_have ? f->head[0] : *in->p;
	bool array = forward_int_is_array(first);
	int rc;

	if (!array && !forward_int_is_text(first))
		return forward_int_is_time(first) ? begin(f, FORWARD_MODE_MESSAGE, STEP_TIME)
						  : begin(f, FORWARD_MODE_INVALID, STEP_INVALID);
	rc = take_head(f, in, &f->left);
	if (rc != 0)
		return rc;
	f->elements--;
	return array ? begin(f, FORWARD_MODE_FORWARD, STEP_ENTRIES)
		     : begin(f, FORWARD_MODE_PACKED, STEP_MAGIC);
}

/* ---- entries ---- */

/* An entry that take refused, or could not end. 0, or the connection's end. */
static int entry_refused(struct forward *f, int rc)
{
	if (rc == ERR_LIMIT)
		return drop(f, FORWARD_DROP_LARGE);
	if (rc == ERR_DEPTH)
		return drop(f, FORWARD_DROP_DEEP);
	return take_failed(f, rc, FORWARD_FAULT_SYNTAX);
}

static int group_begin(struct forward *f, struct span attributes)
{
	buf_reset(&f->group);
	if (forward_int_empty_map(attributes))
		return 0;
	if (attributes.n > LIMIT_GROUP_BYTES) {
		f->frame.groups_large++;
		return 0;
	}
	buf_put_span(&f->group, attributes);
	return f->group.err ? give_up(f, FORWARD_FAULT_MEMORY, f->group.err) : 0;
}

int forward_int_whole(struct forward *f, struct span value, struct forward_entry *entry)
{
	int what = forward_int_entry(value, entry);

	switch (what) {
	case FORWARD_INT_ENTRY:
		entry->group = f->group.len ? buf_span(&f->group) : SPAN_NONE;
		f->frame.entries++;
		return FORWARD_ENTRY;
	case FORWARD_INT_GROUP_BEGIN:
		return group_begin(f, entry->record);
	case FORWARD_INT_GROUP_END:
		buf_reset(&f->group);
		return 0;
	default:
		ASSERT(what < FORWARD_DROP_COUNT);
		return drop(f, (enum forward_drop)what);
	}
}

static int step_entries(struct forward *f, struct rcur *in, struct forward_entry *entry)
{
	struct span value;
	int rc;

	if (f->left == 0)
		return go(f, STEP_OPTION);
	if (rcur_left(in) == 0)
		return FORWARD_MORE;
	rc = take(f, in, &f->carry, LIMIT_ENTRY_BYTES, &value);
	if (rc == FORWARD_MORE)
		return rc;
	f->left--;
	return rc < 0 ? entry_refused(f, rc) : forward_int_whole(f, value, entry);
}

static int begin_zipped(struct forward *f, enum inflate_kind kind)
{
	int rc = inflate_pool_take(f->pool, &f->inflate);

	if (rc == 0)
		rc = inflate_begin(f->inflate, kind, LIMIT_PAYLOAD_BYTES);
	if (rc < 0)
		return give_up(f, FORWARD_FAULT_MEMORY, rc);
	f->plain = rcur_of(NULL, 0);
	f->plain_more = false;
	f->plain_bad = false;
	return go(f, STEP_ZIPPED);
}

/* No entry begins with the first byte of gzip or zstd, so a look at it decides. */
static int step_magic(struct forward *f, struct rcur *in)
{
	enum inflate_kind kind;

	if (f->left == 0 && f->head_have == 0)
		return go(f, STEP_OPTION);
	if (f->head_have == 0 && rcur_left(in) > 0 && !forward_int_may_be_zipped(*in->p))
		return go(f, STEP_PACKED);
	while (f->left > 0 && f->head_have < INFLATE_MAGIC_BYTES) {
		if (rcur_left(in) == 0)
			return FORWARD_MORE;
		f->head[f->head_have++] = *in->p++;
		f->left--;
		kind = inflate_detect(span_of(f->head, f->head_have));
		if (kind != INFLATE_NONE)
			return begin_zipped(f, kind);
	}
	f->head_have = 0;
	drop(f, FORWARD_DROP_SYNTAX);
	return go(f, STEP_SKIP);
}

static int step_packed(struct forward *f, struct rcur *in, struct forward_entry *entry)
{
	const uint8_t *start = in->p;
	size_t avail = rcur_left(in);
	struct span value;
	int rc;

	if (f->left == 0)
		return go(f, STEP_OPTION);
	if (avail == 0)
		return FORWARD_MORE;
	if (avail > f->left)
		avail = (size_t)f->left;
	rc = gather_value(&f->gather, in, avail, &f->carry, LIMIT_ENTRY_BYTES, &value);
	f->left -= (size_t)(in->p - start);
	if (rc == FORWARD_MORE) {
		if (f->left > 0)
			return rc;
		gather_reset(&f->gather);
		return drop(f, FORWARD_DROP_TRUNCATED);
	}
	if (rc == ERR_SYNTAX) {
		drop(f, FORWARD_DROP_SYNTAX);
		return go(f, STEP_SKIP);
	}
	return rc < 0 ? entry_refused(f, rc) : forward_int_whole(f, value, entry);
}

/* The payload cannot be read on: what came of it stays, its rest is skipped. */
static int zipped_fault(struct forward *f)
{
	enum inflate_fault why = inflate_fault(f->inflate);

	inflate_pool_give(f->pool, &f->inflate);
	gather_reset(&f->gather);
	if (why == INFLATE_FAULT_MEMORY)
		return give_up(f, FORWARD_FAULT_MEMORY, -ENOMEM);
	drop(f, forward_int_inflate_drop(why));
	return go(f, STEP_SKIP);
}

static int zipped_end(struct forward *f)
{
	if (inflate_end(f->inflate) < 0)
		return zipped_fault(f);
	inflate_pool_give(f->pool, &f->inflate);
	if (f->gather.midway)
		drop(f, FORWARD_DROP_TRUNCATED);
	gather_reset(&f->gather);
	return go(f, STEP_OPTION);
}

/* The next piece of the payload, decompressed. */
static int unzip(struct forward *f, struct rcur *from)
{
	struct wcur to = wcur_of(f->pool->piece, LIMIT_INFLATE_PIECE_BYTES);
	int rc = inflate_next(f->inflate, from, &to);

	/* What came out before a fault is good. */
	f->plain_more = rc == INFLATE_FULL;
	f->plain_bad = rc < 0;
	f->plain = rcur_of(f->pool->piece, (size_t)(to.p - f->pool->piece));
	return 0;
}

static int more_plain(struct forward *f, struct rcur *in)
{
	size_t n = rcur_left(in);
	struct rcur from = rcur_of(f->head, f->head_have);
	int rc;

	f->head_have = 0;
	if (f->plain_bad)
		return zipped_fault(f);
	if (rcur_left(&from) > 0)
		return unzip(f, &from);
	if (f->left == 0 && !f->plain_more)
		return zipped_end(f);
	if (n == 0 && !f->plain_more)
		return FORWARD_MORE;
	from = rcur_of(in->p, n < f->left ? n : (size_t)f->left);
	rc = unzip(f, &from);
	f->left -= (size_t)(from.p - in->p);
	in->p = from.p;
	return rc;
}

static int step_zipped(struct forward *f, struct rcur *in, struct forward_entry *entry)
{
	struct span value;
	int rc;

	if (rcur_left(&f->plain) == 0)
		return more_plain(f, in);
	rc = gather_value(
		&f->gather, &f->plain, rcur_left(&f->plain), &f->carry, LIMIT_ENTRY_BYTES, &value);
	if (rc == GATHER_MORE)
		return 0;
	if (rc == ERR_SYNTAX) {
		inflate_pool_give(f->pool, &f->inflate);
		drop(f, FORWARD_DROP_SYNTAX);
		return go(f, STEP_SKIP);
	}
	return rc < 0 ? entry_refused(f, rc) : forward_int_whole(f, value, entry);
}

static int step_skip(struct forward *f, struct rcur *in)
{
	size_t n = rcur_left(in);

	if (n > f->left)
		n = (size_t)f->left;
	in->p += n;
	f->left -= n;
	return f->left > 0 ? FORWARD_MORE : go(f, STEP_OPTION);
}

/* ---- one message ---- */

static int step_time(struct forward *f, struct rcur *in)
{
	struct walk_value v = { .type = WALK_NIL };
	struct span s;
	int rc = take(f, in, &f->option, TIME_BYTES, &s);

	if (rc == FORWARD_MORE)
		return rc;
	if (rc == ERR_SYNTAX || rc == -ENOMEM)
		return take_failed(f, rc, FORWARD_FAULT_SYNTAX);
	if (rc == 0) {
		struct rcur c = rcur_of(s.p, s.n);

		walk_read(&c, &v);
	}
	f->message.has_time = forward_time(&v, &f->message.time_ns) == 0;
	if (--f->elements > 0)
		return go(f, STEP_RECORD);
	drop(f, FORWARD_DROP_SHAPE);
	return go(f, STEP_END);
}

/* The options that follow may end in another read: is the record's memory then still ours? */
static int keep_record(struct forward *f, const struct rcur *in, struct span record)
{
	struct rcur rest = *in;

	f->message.record = record;
	if (record.p == f->carry.p || f->elements == 0 || walk_skip(&rest) == 0)
		return 0;
	buf_reset(&f->carry);
	buf_put_span(&f->carry, record);
	if (f->carry.err)
		return give_up(f, FORWARD_FAULT_MEMORY, f->carry.err);
	f->message.record = buf_span(&f->carry);
	return 0;
}

static int step_record(struct forward *f, struct rcur *in)
{
	struct span record;
	int rc = take(f, in, &f->carry, LIMIT_ENTRY_BYTES, &record);

	if (rc == FORWARD_MORE)
		return rc;
	f->elements--;
	f->state = STEP_OPTION;
	if (rc < 0)
		return entry_refused(f, rc);
	rc = forward_int_record(record);
	return rc == FORWARD_INT_ENTRY ? keep_record(f, in, record)
				       : drop(f, (enum forward_drop)rc);
}

static int step_invalid(struct forward *f, struct rcur *in)
{
	struct span ignored;
	int rc = take(f, in, &f->carry, 0, &ignored);

	if (rc == FORWARD_MORE)
		return rc;
	if (rc == ERR_SYNTAX)
		return take_failed(f, rc, FORWARD_FAULT_SYNTAX);
	f->elements--;
	drop(f, FORWARD_DROP_SHAPE);
	return go(f, STEP_OPTION);
}

/* ---- the frame's end ---- */

static int step_option(struct forward *f, struct rcur *in, struct forward_entry *entry)
{
	struct span s;
	int rc;

	if (f->elements > 0) {
		if (rcur_left(in) == 0)
			return FORWARD_MORE;
		rc = take(f, in, &f->option, LIMIT_OPTION_BYTES, &s);
		if (rc == FORWARD_MORE)
			return f->gather.over ? give_up(f, FORWARD_FAULT_OPTION, ERR_LIMIT) : rc;
		if (rc < 0)
			return take_failed(f, rc, FORWARD_FAULT_OPTION);
		f->elements--;
		rc = forward_int_options(f, s);
		if (rc < 0)
			return rc;
	}
	f->state = STEP_EXTRA;
	if (!f->message.record.p)
		return 0;
	*entry = f->message;
	f->frame.entries++;
	return FORWARD_ENTRY;
}

static int step_extra(struct forward *f, struct rcur *in)
{
	struct span ignored;
	int rc;

	if (f->elements == 0)
		return go(f, STEP_END);
	if (rcur_left(in) == 0)
		return FORWARD_MORE;
	rc = take(f, in, &f->carry, 0, &ignored);
	if (rc == FORWARD_MORE)
		return rc;
	if (rc == ERR_SYNTAX)
		return take_failed(f, rc, FORWARD_FAULT_SYNTAX);
	f->elements--;
	return 0;
}

static int step_end(struct forward *f)
{
	ASSERT(f->elements == 0);
	ASSERT(!f->gather.midway);
	f->state = STEP_VALUE;
	if (f->carry.cap > CARRY_KEPT_BYTES)
		buf_fini(&f->carry);
	return FORWARD_END;
}

/* ---- the machine ---- */

static int step(struct forward *f, struct rcur *in, struct forward_entry *entry)
{
	/* These look at what there is themselves: they may go on without a byte more. */
	switch ((enum step)f->state) {
	case STEP_ENTRIES:
		return step_entries(f, in, entry);
	case STEP_PACKED:
		return step_packed(f, in, entry);
	case STEP_ZIPPED:
		return step_zipped(f, in, entry);
	case STEP_MAGIC:
		return step_magic(f, in);
	case STEP_SKIP:
		return step_skip(f, in);
	case STEP_OPTION:
		return step_option(f, in, entry);
	case STEP_EXTRA:
		return step_extra(f, in);
	case STEP_END:
		return step_end(f);
	case STEP_JSON:
		return forward_json_step(f, in, entry);
	default:
		break;
	}
	if (rcur_left(in) == 0)
		return FORWARD_MORE;
	switch ((enum step)f->state) {
	case STEP_VALUE:
		return step_value(f, in);
	case STEP_TAG:
		return step_tag(f, in);
	case STEP_BODY:
		return step_body(f, in);
	case STEP_TIME:
		return step_time(f, in);
	case STEP_RECORD:
		return step_record(f, in);
	case STEP_INVALID:
		return step_invalid(f, in);
	default:
		UNREACHABLE();
	}
}

static int datagram_rules(struct forward *f, const struct rcur *in, int rc)
{
	if (rc == FORWARD_MORE)
		return give_up(f, FORWARD_FAULT_TRUNCATED, ERR_TRUNCATED);
	if (rc == FORWARD_END && rcur_left(in) > 0)
		return give_up(f, FORWARD_FAULT_TRAILING, ERR_SYNTAX);
	return rc;
}

int forward_next(struct forward *f, struct rcur *in, struct forward_entry *entry)
{
	const uint8_t *start = in->p;
	int rc;

	ASSERT(f->fault == FORWARD_FAULT_NONE);
	ASSERT(in->err == 0);
	if (f->datagram && f->bytes == 0 && rcur_left(in) == 1 && *in->p == 0) {
		in->p++;
		f->bytes++;
		return FORWARD_HEARTBEAT;
	}
	do {
		rc = step(f, in, entry);
	} while (rc == 0);
	f->bytes += (size_t)(in->p - start);
	f->frame.bytes += (size_t)(in->p - start);
	return f->datagram ? datagram_rules(f, in, rc) : rc;
}

/* ---- names ---- */

static const struct {
	const char *label;
	const char *text;
} drops[] = {
#define FORWARD_DROP_ROW(name, label, text) [name] = { label, text },
	FORWARD_DROP_TABLE(FORWARD_DROP_ROW)
#undef FORWARD_DROP_ROW
}, faults[] = {
#define FORWARD_FAULT_ROW(name, label, text) [name] = { label, text },
	FORWARD_FAULT_TABLE(FORWARD_FAULT_ROW)
#undef FORWARD_FAULT_ROW
};

const char *forward_drop_label(enum forward_drop why)
{
	ASSERT(why < FORWARD_DROP_COUNT);
	return drops[why].label;
}

const char *forward_drop_text(enum forward_drop why)
{
	ASSERT(why < FORWARD_DROP_COUNT);
	return drops[why].text;
}

const char *forward_fault_label(enum forward_fault why)
{
	ASSERT(why < FORWARD_FAULT_COUNT);
	return faults[why].label;
}

const char *forward_fault_text(enum forward_fault why)
{
	ASSERT(why < FORWARD_FAULT_COUNT);
	return faults[why].text;
}
