/*
 * bench_normalise - CPU time per event of the ingest path's middle: a PackedForward frame is taken
 * apart, its records become events and rows. Three shapes of records: audit events that use our
 * field names (about 380 bytes, as the fields of a busy service have them), flat records of
 * container logs with no name of ours but `log`, and events with nested metadata that repeats a key.
 *
 * Prints the best of ROUNDS passes over EVENTS events for each stage; a file of concatenated msgpack
 * maps as argument is measured instead.
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/normalise.h"
#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/wire/forward.h"
#include "proto/wire/forward_put.h"
#include "proto/wire/pack.h"
#include "storage/row.h"

enum {
	EVENTS = 20000,
	ROUNDS = 15,
	FRAME_MAX = 512 << 20,
};

static void put_pair(struct buf *b, const char *key, const char *value)
{
	pack_str(b, span_str(key));
	pack_str(b, span_str(value));
}

static void put_audit(struct buf *b, unsigned i)
{
	char id[32];

	snprintf(id, sizeof id, "ORD-%06u", i * 7919 % 200000);
	pack_map_head(b, 12);
	pack_str(b, SPAN_LIT("timestamp"));
	pack_uint(b, UINT64_C(1768176000000000000) + i * UINT64_C(1300417));
	put_pair(b, "event_type", "PAYMENT");
	put_pair(b, "severity", "info");
	put_pair(b, "entity_type", "order");
	put_pair(b, "entity_id", id);
	put_pair(b, "user_id", "u-10442");
	put_pair(b, "description", "payment of 129.90 EUR for the order was captured by the bank");
	put_pair(b, "ip_address", "203.0.113.77");
	put_pair(b, "user_agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/132.0");
	put_pair(b, "service", "payments-api");
	put_pair(b, "host", "pay-3");
	pack_str(b, SPAN_LIT("metadata"));
	pack_map_head(b, 4);
	pack_str(b, SPAN_LIT("amount"));
	pack_double(b, 129.9);
	put_pair(b, "currency", "EUR");
	pack_str(b, SPAN_LIT("attempt"));
	pack_uint(b, i % 5);
	pack_str(b, SPAN_LIT("card"));
	pack_map_head(b, 2);
	put_pair(b, "brand", "visa");
	put_pair(b, "last4", "4242");
}

static void put_container(struct buf *b, unsigned i)
{
	pack_map_head(b, 5);
	put_pair(b, "container_id",
		"8d3c1e1f6fb1c7d0a1b9d3b0a9ce13f0aa0cc7a54f1c49d57c2a35f0f2f3f1d1");
	put_pair(b, "container_name", "/shop-frontend-1");
	put_pair(b, "source", i % 2 ? "stdout" : "stderr");
	put_pair(b, "log", "GET /cart 200 13ms - \"Mozilla/5.0 (X11; Linux x86_64)\"");
	pack_str(b, SPAN_LIT("partial_message"));
	pack_bool(b, false);
}

static void put_repeating(struct buf *b, unsigned i)
{
	pack_map_head(b, 3);
	put_pair(b, "event_type", "UPDATE");
	put_pair(b, "description", "settings changed");
	pack_str(b, SPAN_LIT("metadata"));
	pack_map_head(b, 3);
	put_pair(b, "by", "admin");
	pack_str(b, SPAN_LIT("count"));
	pack_uint(b, i);
	put_pair(b, "by", "root");
}

/* One frame of `count` entries around records that put made. */
static void make_frame(struct buf *frame, void (*put)(struct buf *, unsigned), uint32_t count)
{
	struct forward_put_frame f = { .tag = SPAN_LIT("app.shop"), .chunk = SPAN_LIT("AAEC") };
	struct buf entries, record;

	buf_init(&entries, FRAME_MAX);
	buf_init(&record, LIMIT_EVENT_BYTES);
	for (uint32_t i = 0; i < count; i++) {
		buf_reset(&record);
		put(&record, i);
		forward_put_entry(
			&entries, (1768176000 + (int64_t)i) * CLOCK_NS_PER_SEC, buf_span(&record));
	}
	forward_put_packed(frame, &f, buf_span(&entries), count);
	ASSERT(frame->err == 0);
	buf_fini(&entries);
	buf_fini(&record);
}

static uint32_t frame_of_file(struct buf *frame, const char *path)
{
	struct forward_put_frame f = { .tag = SPAN_LIT("app.shop"), .chunk = SPAN_LIT("AAEC") };
	struct buf entries, raw;
	struct rcur c;
	struct span record;
	uint32_t count = 0;
	size_t n;
	FILE *in = fopen(path, "rb");

	if (!in) {
		perror(path);
		exit(1);
	}
	buf_init(&raw, FRAME_MAX);
	buf_init(&entries, FRAME_MAX);
	while (buf_reserve(&raw, 1 << 20) == 0 && (n = fread(raw.p + raw.len, 1, 1 << 20, in)) > 0)
		raw.len += n;
	fclose(in);
	for (c = rcur_of(raw.p, raw.len); walk_take(&c, &record) == 0; count++)
		forward_put_entry(
			&entries, (1768176000 + (int64_t)count) * CLOCK_NS_PER_SEC, record);
	forward_put_packed(frame, &f, buf_span(&entries), count);
	buf_fini(&raw);
	buf_fini(&entries);
	return count;
}

enum stage {
	STAGE_FORWARD,
	STAGE_NORMALISE,
	STAGE_ROW,
	STAGE_COUNT,
};

static const char *const stage_names[] = { "forward", "+ normalise", "+ row" };

/* One pass over the frame up to that stage, in pieces of 64 KiB as a socket gives them. */
static uint64_t pass(struct normalise *n, struct span frame, enum stage stage, struct buf *rows)
{
	struct normalise_input in = { .tag = SPAN_LIT("app.shop"), .peer = SPAN_LIT("10.0.0.7") };
	struct forward_entry entry;
	struct forward f;
	uint64_t events = 0;

	in.received_ns = INT64_C(1768200000) * CLOCK_NS_PER_SEC;
	forward_init(&f, NULL);
	for (size_t at = 0; at < frame.n; at += 64 << 10) {
		size_t piece = frame.n - at < 64 << 10 ? frame.n - at : 64 << 10;
		struct rcur c = rcur_of(frame.p + at, piece);
		int kind;

		while ((kind = forward_next(&f, &c, &entry)) != FORWARD_MORE) {
			struct event ev;

			ASSERT(kind > 0);
			if (kind != FORWARD_ENTRY)
				continue;
			events++;
			in.record = entry.record;
			in.time_ns = entry.time_ns;
			in.has_time = entry.has_time;
			if (stage == STAGE_FORWARD)
				continue;
			ASSERT(normalise_event(n, &in, &ev) == 0);
			if (stage == STAGE_NORMALISE)
				continue;
			if (rows->len > 256 << 10)
				buf_reset(rows);
			ASSERT(row_put(rows, &ev) == 0);
		}
	}
	forward_fini(&f);
	return events;
}

static void measure(const char *what, struct normalise *n, struct span frame)
{
	struct buf rows;

	buf_init(&rows, 4 << 20);
	printf("%-12s", what);
	for (int stage = 0; stage < STAGE_COUNT; stage++) {
		double best = 1e9;
		uint64_t events = 0;

		for (int round = 0; round < ROUNDS; round++) {
			int64_t t = clock_mono_ns();

			events = pass(n, frame, (enum stage)stage, &rows);
			t = clock_mono_ns() - t;
			if ((double)t / (double)events < best)
				best = (double)t / (double)events;
		}
		if (stage == 0)
			printf(" %7llu events of %4llu bytes:", (unsigned long long)events,
				(unsigned long long)(frame.n / events));
		printf("  %s %.3f us", stage_names[stage], best / 1000);
	}
	printf("\n");
	buf_fini(&rows);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*put)(struct buf *, unsigned);
	} shapes[] = {
		{ "audit", put_audit },
		{ "container", put_container },
		{ "repeating", put_repeating },
	};
	struct normalise *n;
	struct buf frame;

	ASSERT(normalise_new(&n) == 0);
	buf_init(&frame, FRAME_MAX);
	for (size_t i = 0; argc < 2 && i < ARRAY_COUNT(shapes); i++) {
		buf_reset(&frame);
		make_frame(&frame, shapes[i].put, EVENTS);
		measure(shapes[i].name, n, buf_span(&frame));
	}
	for (int i = 1; i < argc; i++) {
		buf_reset(&frame);
		frame_of_file(&frame, argv[i]);
		measure(argv[i], n, buf_span(&frame));
	}
	buf_fini(&frame);
	normalise_free(&n);
	return 0;
}
