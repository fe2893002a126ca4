/*
 * A record is written as it is told, with the heads of maps and lists in a width that any count fits,
 * and filled in at their ends.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/client/astro_client_int.h"
#include "proto/wire/pack.h"

enum { LIST16 = 0xdc, MAP16 = 0xde, HEAD16_BYTES = 3, BIN32 = 0xc6 };

static void fail(struct astro_client_event *ev, int code)
{
	if (ev->error == 0)
		ev->error = code;
}

static void put_head(struct astro_client_event *ev, bool is_list)
{
	if (ev->depth == ASTRO_CLIENT_DEPTH) {
		fail(ev, -EINVAL);
		return;
	}
	ev->open[ev->depth].head_off = ev->record.len;
	ev->open[ev->depth].count = 0;
	ev->open[ev->depth].is_list = is_list;
	ev->depth++;
	buf_put_u8(&ev->record, is_list ? LIST16 : MAP16);
	buf_put(&ev->record, "\0", HEAD16_BYTES - 1);
}

/* Counts are written at once, so that the record is whole at any moment. */
static void count_one(struct astro_client_event *ev)
{
	unsigned at = ev->depth - 1;
	uint16_t be;

	if (ev->open[at].count == UINT16_MAX) {
		fail(ev, -EMSGSIZE);
		return;
	}
	be = htobe16((uint16_t)++ev->open[at].count);
	memcpy(ev->record.p + ev->open[at].head_off + 1, &be, sizeof be);
}

/* What stands before a value. False: it must not be written. */
static bool put_key(struct astro_client_event *ev, const char *key)
{
	if (ev->error == 0 && ev->record.err)
		ev->error = ev->record.err == -ENOMEM ? -ENOMEM : -EMSGSIZE;
	if (ev->error == 0 && ev->open[ev->depth - 1].is_list != (key == NULL))
		ev->error = -EINVAL;
	if (ev->error)
		return false;
	count_one(ev);
	if (key)
		pack_str(&ev->record, span_str(key));
	return true;
}

struct astro_client_event *astro_client_event_new(void)
{
	struct astro_client_event *ev = calloc(1, sizeof *ev);

	if (!ev)
		return NULL;
	buf_init(&ev->record, LIMIT_EVENT_BYTES);
	astro_client_event_reset(ev);
	if (ev->record.err)
		astro_client_event_free(&ev);
	return ev;
}

void astro_client_event_free(struct astro_client_event **ev)
{
	if (!*ev)
		return;
	buf_fini(&(*ev)->record);
	free(*ev);
	*ev = NULL;
}

void astro_client_event_reset(struct astro_client_event *ev)
{
	buf_reset(&ev->record);
	ev->error = 0;
	ev->time_ns = 0;
	ev->depth = 0;
	put_head(ev, false);
}

int astro_client_event_error(const struct astro_client_event *ev)
{
	if (ev->error)
		return ev->error;
	if (ev->record.err)
		return ev->record.err == -ENOMEM ? -ENOMEM : -EMSGSIZE;
	return ev->depth == 1 ? 0 : -EINVAL;
}

void astro_client_event_time(struct astro_client_event *ev, int64_t unix_ns)
{
	ev->time_ns = unix_ns;
}

void astro_client_event_str(struct astro_client_event *ev, const char *key, const char *value)
{
	if (value)
		astro_client_event_text(ev, key, value, strlen(value));
	else
		astro_client_event_nil(ev, key);
}

void astro_client_event_text(
	struct astro_client_event *ev, const char *key, const char *value, size_t bytes)
{
	if (bytes > LIMIT_EVENT_BYTES)
		fail(ev, -EMSGSIZE);
	if (put_key(ev, key))
		pack_str(&ev->record, span_of(value, bytes));
}

void astro_client_event_bytes(
	struct astro_client_event *ev, const char *key, const void *value, size_t bytes)
{
	if (bytes > LIMIT_EVENT_BYTES)
		fail(ev, -EMSGSIZE);
	if (!put_key(ev, key))
		return;
	pack_code(&ev->record, BIN32, bytes, 4);
	buf_put(&ev->record, value, bytes);
}

void astro_client_event_int(struct astro_client_event *ev, const char *key, int64_t value)
{
	if (put_key(ev, key))
		pack_int(&ev->record, value);
}

void astro_client_event_uint(struct astro_client_event *ev, const char *key, uint64_t value)
{
	if (put_key(ev, key))
		pack_uint(&ev->record, value);
}

void astro_client_event_float(struct astro_client_event *ev, const char *key, double value)
{
	if (put_key(ev, key))
		pack_double(&ev->record, value);
}

void astro_client_event_bool(struct astro_client_event *ev, const char *key, int value)
{
	if (put_key(ev, key))
		pack_bool(&ev->record, value != 0);
}

void astro_client_event_nil(struct astro_client_event *ev, const char *key)
{
	if (put_key(ev, key))
		pack_nil(&ev->record);
}

void astro_client_event_map(struct astro_client_event *ev, const char *key)
{
	if (put_key(ev, key))
		put_head(ev, false);
}

void astro_client_event_list(struct astro_client_event *ev, const char *key)
{
	if (put_key(ev, key))
		put_head(ev, true);
}

void astro_client_event_end(struct astro_client_event *ev)
{
	if (ev->depth > 1)
		ev->depth--;
	else
		fail(ev, -EINVAL);
}
