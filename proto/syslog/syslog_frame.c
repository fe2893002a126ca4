#include "proto/syslog/syslog_frame.h"

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/base/utf8.h"

enum state {
	START,      /* between messages */
	COUNT,      /* inside the digits of a count, which are in part */
	COUNT_DONE, /* behind a count and its space, where only `<` makes it one */
	COUNTED,
	LINE,
};

enum {
	/* A byte more than is handed out tells where the last character ends. */
	PART_BYTES_MAX = LIMIT_SYSLOG_BYTES + 1,
	/* A larger part is given back behind its message. */
	PART_KEEP_BYTES = 4096,
};

void syslog_frame_init(struct syslog_frame *f)
{
	*f = (struct syslog_frame){ .state = START };
	buf_init(&f->part, PART_BYTES_MAX);
}

void syslog_frame_fini(struct syslog_frame *f)
{
	buf_fini(&f->part);
}

static void drop_part(struct syslog_frame *f)
{
	if (f->part.cap > PART_KEEP_BYTES)
		buf_fini(&f->part);
	buf_reset(&f->part);
	f->handed = false;
}

/* As many of the bytes as a message keeps; the rest is passed over. */
static void put_part(struct syslog_frame *f, struct span s)
{
	size_t room = PART_BYTES_MAX - f->part.len;

	buf_put(&f->part, s.p, s.n < room ? s.n : room);
}

static int hand_out(struct syslog_frame *f, struct span text, struct syslog_frame_message *out)
{
	ASSERT(text.n > 0);
	out->cut = text.n > LIMIT_SYSLOG_BYTES;
	out->counted = f->counted;
	out->text = span_of(text.p, utf8_cut(text, LIMIT_SYSLOG_BYTES));
	f->handed = true;
	f->state = START;
	return SYSLOG_FRAME_MESSAGE;
}

/* What stands between messages. */
static bool is_filler(uint8_t b, bool counted)
{
	return b == '\n' || b == '\r' || b == 0 || (b == ' ' && counted);
}

static void start(struct syslog_frame *f, struct rcur *in)
{
	while (in->p < in->end && is_filler(*in->p, f->counted))
		in->p++;
	if (in->p == in->end)
		return;
	f->count = 0;
	f->state = *in->p >= '1' && *in->p <= '9' ? COUNT : LINE;
}

/* The digits go to part: they may turn out to be text. */
static void read_count(struct syslog_frame *f, struct rcur *in)
{
	while (in->p < in->end && (unsigned)*in->p - '0' <= 9) {
		f->count = f->count * 10 + *in->p - '0';
		put_part(f, span_of(in->p, 1));
		in->p++;
		if (f->count > LIMIT_SYSLOG_COUNT) {
			f->state = LINE;
			return;
		}
	}
	if (in->p == in->end)
		return;
	if (*in->p != ' ') {
		f->state = LINE;
		return;
	}
	put_part(f, span_of(in->p++, 1));
	f->state = COUNT_DONE;
}

static void end_count(struct syslog_frame *f, const struct rcur *in)
{
	if (!f->counted && *in->p != '<') {
		f->state = LINE;
		return;
	}
	f->counted = true;
	f->state = COUNTED;
	buf_reset(&f->part);
}

static int read_counted(struct syslog_frame *f, struct rcur *in, struct syslog_frame_message *out)
{
	size_t there = (size_t)(in->end - in->p), n = there < f->count ? there : f->count;
	struct span s = span_of(in->p, n);

	in->p += n;
	f->count -= (uint32_t)n;
	if (f->count == 0 && f->part.len == 0)
		return hand_out(f, s, out);
	put_part(f, s);
	return f->count == 0 ? hand_out(f, buf_span(&f->part), out) : SYSLOG_FRAME_MORE;
}

static int read_line(struct syslog_frame *f, struct rcur *in, struct syslog_frame_message *out)
{
	struct span s = span_of(in->p, (size_t)(in->end - in->p));
	const uint8_t *end = memchr(s.p, '\n', s.n), *nul;

	if (end)
		s.n = (size_t)(end - s.p);
	nul = s.n ? memchr(s.p, 0, s.n) : NULL;
	if (nul)
		end = nul;
	if (!end) {
		put_part(f, s);
		in->p = in->end;
		return SYSLOG_FRAME_MORE;
	}
	s.n = (size_t)(end - s.p);
	in->p = end + 1;
	f->counted = false;
	if (f->part.len == 0)
		return hand_out(f, s, out);
	put_part(f, s);
	return hand_out(f, buf_span(&f->part), out);
}

int syslog_frame_next(struct syslog_frame *f, struct rcur *in, struct syslog_frame_message *out)
{
	int rc = SYSLOG_FRAME_MORE;

	if (f->handed)
		drop_part(f);
	while (in->p < in->end && rc == SYSLOG_FRAME_MORE) {
		switch ((enum state)f->state) {
		case START:
			start(f, in);
			break;
		case COUNT:
			read_count(f, in);
			break;
		case COUNT_DONE:
			end_count(f, in);
			break;
		case COUNTED:
			rc = read_counted(f, in, out);
			break;
		case LINE:
			rc = read_line(f, in, out);
			break;
		}
	}
	return f->part.err < 0 ? f->part.err : rc;
}

int syslog_frame_end(struct syslog_frame *f, struct syslog_frame_message *out)
{
	enum state state = f->state;

	if (f->handed)
		drop_part(f);
	f->state = START;
	if (state == COUNTED)
		return SYSLOG_FRAME_BROKEN;
	if (f->part.len == 0)
		return SYSLOG_FRAME_MORE;
	f->counted = false;
	return hand_out(f, buf_span(&f->part), out);
}
