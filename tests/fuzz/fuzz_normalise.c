/*
 * Goal: whatever map arrives, the event made of it is sound: fields within their limits, metadata
 *       that is one canonical msgpack map, a row that reads back, JSON that can be written.
 */
#include <stdlib.h>

#include "collector/normalise.h"
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/wire/canon.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"
#include "storage/row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct normalise *norm;
static struct canon *canon;
static struct buf rows, json;

static void set_up(void)
{
	if (norm)
		return;
	ASSERT(normalise_new(&norm) == 0);
	ASSERT(canon_new(&canon) == 0);
	buf_init(&rows, 2 << 20);
	buf_init(&json, 64 << 20);
}

static void check_metadata(struct span metadata)
{
	struct walk_value v;
	struct rcur c;

	if (!metadata.p)
		return;
	c = rcur_of(metadata.p, metadata.n);
	ASSERT(walk_read(&c, &v) == 0);
	ASSERT(v.type == WALK_MAP);
	c = rcur_of(metadata.p, metadata.n);
	ASSERT(canon_check(canon, &c, 0) == 0);
	ASSERT(rcur_left(&c) == 0);
}

static void check_row(const struct event *ev)
{
	struct event got;
	struct rcur c;

	buf_reset(&rows);
	if (row_put(&rows, ev) < 0)
		return;
	c = rcur_of(rows.p, rows.len);
	ASSERT(row_get(&c, &got) == 0);
	ASSERT(got.time_ns == ev->time_ns);
	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		ASSERT(span_eq(got.text[i], ev->text[i]));
	ASSERT(span_eq(got.metadata, ev->metadata));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct normalise_input in = { .record = { data, n }, .tag = SPAN_LIT("a.b") };
	struct event ev;

	set_up();
	in.received_ns = INT64_C(1795197311000000000);
	/* The second half once more as what Fluent Bit adds. */
	if (n > 1 && (data[n / 2] & 0xf0) == 0x80)
		in.metadata = span_of(data + n / 2, n - n / 2);
	if (normalise_event(norm, &in, &ev) < 0)
		return 0;
	ASSERT(ev.severity < EVENT_SEVERITY_COUNT);
	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		ASSERT(i == EVENT_TEXT_DESCRIPTION || ev.text[i].n <= LIMIT_FIELD_BYTES);
	check_metadata(ev.metadata);
	check_row(&ev);
	buf_reset(&json);
	ASSERT(json_out_event(&ev, &json) == 0);
	return 0;
}
