#include "proto/client/client_frame.h"

#include <endian.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/wire/pack.h"

/* Head of the payload: bin 32, whose length is known at the end. */
enum { BIN32 = 0xc6, BIN32_BYTES = 5 };

void client_frame_init(struct client_frame *f)
{
	*f = (struct client_frame){ .events = 0 };
	buf_init(&f->bytes, LIMIT_SENDER_FRAME_BYTES);
}

void client_frame_fini(struct client_frame *f)
{
	buf_fini(&f->bytes);
}

void client_frame_begin(struct client_frame *f, struct span tag)
{
	static const uint8_t head[BIN32_BYTES] = { BIN32 };

	buf_reset(&f->bytes);
	f->events = 0;
	f->written = 0;
	f->chunk[0] = 0;
	pack_array_head(&f->bytes, 3);
	pack_str(&f->bytes, tag);
	buf_put(&f->bytes, head, sizeof head);
	f->entries_off = f->bytes.len;
}

size_t client_frame_entries(const struct client_frame *f)
{
	return f->bytes.err ? 0 : f->bytes.len - f->entries_off;
}

void client_frame_seal(struct client_frame *f)
{
	uint32_t be;

	ASSERT(f->events > 0);
	if (f->bytes.err)
		return;
	be = htobe32((uint32_t)client_frame_entries(f));
	memcpy(f->bytes.p + f->entries_off - sizeof be, &be, sizeof be);
	pack_map_head(&f->bytes, f->chunk[0] ? 2 : 1);
	pack_str(&f->bytes, SPAN_LIT("size"));
	pack_uint(&f->bytes, f->events);
	if (f->chunk[0]) {
		pack_str(&f->bytes, SPAN_LIT("chunk"));
		pack_str(&f->bytes, span_str(f->chunk));
	}
}
