#include "tests/support/forward_say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check_cmocka.h"

static struct inflate_pool pool;

/* ---- what forward says, as text ---- */

static void put_hex(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_printf(b, "%02x", s.p[i]);
}

static void put_entry(struct buf *b, const struct forward_entry *e)
{
	buf_put_str(b, "entry ");
	if (e->has_time)
		buf_printf(b, "%lld ", (long long)e->time_ns);
	else
		buf_put_str(b, "now ");
	put_hex(b, e->record);
	if (e->metadata.p) {
		buf_put_str(b, " meta ");
		put_hex(b, e->metadata);
	}
	if (e->group.p) {
		buf_put_str(b, " group ");
		put_hex(b, e->group);
	}
	buf_put_str(b, "\n");
}

static void put_end(struct buf *b, const struct forward_frame *f)
{
	buf_printf(b, "end %llu", (unsigned long long)f->entries);
	if (f->chunk.p) {
		buf_put_str(b, " chunk '");
		buf_put_span(b, f->chunk);
		buf_put_str(b, "'");
	}
	if (f->has_size)
		buf_printf(b, " size %llu", (unsigned long long)f->size_hint);
	if (f->signal)
		buf_printf(b, " signal %llu", (unsigned long long)f->signal);
	if (f->odd_option)
		buf_put_str(b, " odd");
	if (f->groups_large)
		buf_printf(b, " groups_large %llu", (unsigned long long)f->groups_large);
	for (int i = 0; i < FORWARD_DROP_COUNT; i++) {
		if (f->dropped[i])
			buf_printf(b, " %s %llu", forward_drop_label((enum forward_drop)i),
				(unsigned long long)f->dropped[i]);
	}
	buf_put_str(b, "\n");
}

static const char mode_letters[] = { 'M', 'F', 'P', 'I' };

void forward_say_kind(
	struct buf *b, const struct forward *f, int kind, const struct forward_entry *e)
{
	switch (kind) {
	case FORWARD_BEGIN:
		buf_printf(b, "%c '", mode_letters[f->frame.mode]);
		buf_put_span(b, f->frame.tag);
		buf_put_str(b, "'\n");
		break;
	case FORWARD_ENTRY:
		put_entry(b, e);
		break;
	case FORWARD_END:
		put_end(b, &f->frame);
		break;
	case FORWARD_HEARTBEAT:
		buf_put_str(b, "heartbeat\n");
		break;
	default:
		assert_true(kind < 0);
		buf_printf(b, "fault %s\n", forward_fault_label(f->fault));
		break;
	}
}

/* Feeds one piece out of memory that dies afterwards. False: the connection is over. */
static bool feed(struct forward *f, struct span s, struct buf *out)
{
	uint8_t *copy = malloc(s.n ? s.n : 1);
	struct rcur in = rcur_of(copy, s.n);
	struct forward_entry e;
	int kind;

	if (s.n)
		memcpy(copy, s.p, s.n);
	while ((kind = forward_next(f, &in, &e)) != FORWARD_MORE) {
		forward_say_kind(out, f, kind, &e);
		if (kind < 0)
			break;
	}
	if (kind > 0)
		assert_int_equal(rcur_left(&in), 0);
	free(copy);
	return kind > 0;
}

/* The whole input in pieces: the first `first` bytes, then pieces of `piece`. */
void forward_say_run(struct span s, size_t first, size_t piece, struct buf *out)
{
	struct forward f;
	size_t at = 0;

	buf_reset(out);
	forward_init(&f, &pool);
	while (at < s.n) {
		size_t n = at == 0 && first ? first : piece;

		n = n < s.n - at ? n : s.n - at;
		if (!feed(&f, span_of(s.p + at, n), out))
			break;
		at += n;
	}
	if (f.fault == FORWARD_FAULT_NONE && forward_mid_frame(&f))
		buf_put_str(out, "...\n");
	forward_fini(&f);
	buf_put_u8(out, 0);
	assert_int_equal(out->err, 0);
}

void forward_say_expect(struct span s, const char *want)
{
	struct buf out;

	buf_init(&out, 64 << 20);
	forward_say_run(s, 0, SIZE_MAX, &out);
	assert_string_equal((char *)out.p, want);
	forward_say_run(s, 0, 1, &out);
	assert_string_equal((char *)out.p, want);
	for (size_t first = 1; first < s.n; first++) {
		forward_say_run(s, first, SIZE_MAX, &out);
		assert_string_equal((char *)out.p, want);
	}
	buf_fini(&out);
}

void forward_say_put_hex(struct buf *b, const char *hex)
{
	for (; *hex; hex += 2) {
		char two[3] = { hex[0], hex[1], 0 };

		while (*hex == ' ')
			two[0] = *++hex, two[1] = hex[1];
		buf_put_u8(b, (uint8_t)strtoul(two, NULL, 16));
	}
}

void forward_say_expect_hex(const char *hex, const char *want)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	forward_say_put_hex(&b, hex);
	forward_say_expect(buf_span(&b), want);
	buf_fini(&b);
}
