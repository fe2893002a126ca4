#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/wire/json_out.h"
#include "query/live_int.h"

enum {
	/* "id: 18446744073709551615\ndata: ", or the head of a frame. */
	HEAD_BYTES = 64,
};

void live_message_open(enum live_door door, size_t json_bytes, uint64_t covered, struct buf *out)
{
	uint8_t head[WS_FRAME_HEAD_BYTES];

	if (door == LIVE_SOCKET)
		buf_put(out, head, ws_frame_head(head, WS_FRAME_TEXT, json_bytes));
	else
		buf_printf(out, "id: %" PRIu64 "\ndata: ", covered);
}

struct span live_message_close(enum live_door door)
{
	return door == LIVE_SOCKET ? SPAN_LIT("") : SPAN_LIT("\n\n");
}

struct live_message *live_message_new(
	enum live_door door, struct span json, uint64_t count, uint64_t covered)
{
	struct span end = live_message_close(door);
	struct live_message *m;
	struct buf head;

	buf_init(&head, HEAD_BYTES);
	live_message_open(door, json.n, covered, &head);
	m = head.err ? NULL : malloc(sizeof *m + head.len + json.n + end.n);
	if (m) {
		*m = (struct live_message){ .refs = 1, .count = count, .covered = covered };
		memcpy(m->bytes, head.p, head.len);
		memcpy(m->bytes + head.len, json.p, json.n);
		memcpy(m->bytes + head.len + json.n, end.p, end.n);
		m->n = head.len + json.n + end.n;
	}
	buf_fini(&head);
	return m;
}

void live_message_unref(struct live_message **m)
{
	ASSERT((*m)->refs > 0);
	if (--(*m)->refs == 0)
		free(*m);
	*m = NULL;
}

void live_message_note(struct buf *out, uint64_t covered, uint64_t dropped)
{
	buf_put_str(out, "{\"type\":\"logs\",\"data\":[],\"count\":0,\"covered\":");
	json_out_id(covered, out);
	if (dropped)
		buf_printf(out, ",\"dropped\":%" PRIu64, dropped);
	buf_put_u8(out, '}');
}
