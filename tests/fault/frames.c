#include "tests/fault/frames.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"
#include "storage/chunkset.h"
#include "storage/row.h"
#include "storage/snapshot_int.h"
#include "tests/support/check_cmocka.h"

static uint64_t mix(uint64_t n)
{
	n = (n ^ (n >> 31)) * 0x9e3779b97f4a7c15;
	return n ^ (n >> 29);
}

unsigned frames_batches(uint64_t number)
{
	return number % 5 == 0 ? 3 : 1;
}

unsigned frames_rows(uint64_t number, unsigned batch)
{
	return 1 + (unsigned)(mix(number * 8 + batch) % 3);
}

static size_t pad_of(uint64_t number)
{
	return number % 4 == 1 ? 230000 : number % 4 == 2 ? 3000 : 10;
}

uint64_t frames_next_id(uint64_t number)
{
	uint64_t id = 1;

	for (uint64_t n = 1; n <= number; n++) {
		for (unsigned i = 0; i < frames_batches(n); i++)
			id += frames_rows(n, i);
	}
	return id;
}

uint64_t frames_ending(uint64_t id)
{
	uint64_t next = 1;

	for (uint64_t n = 1; next <= id; n++) {
		for (unsigned i = 0; i < frames_batches(n); i++)
			next += frames_rows(n, i);
		if (next == id + 1)
			return n;
	}
	return 0;
}

struct store_chunk frames_chunk(uint64_t number)
{
	return (struct store_chunk){ mix(number), mix(~number) };
}

static void event_of(uint64_t id, size_t pad, struct event *ev, char text[32])
{
	static uint8_t filler[LIMIT_EVENT_BYTES / 2];

	/* Incompressible, and the same each time. */
	if (filler[1] == 0) {
		for (size_t i = 0; i < sizeof filler; i++)
			filler[i] = (uint8_t)(mix(i) >> 11 | (i < 2));
	}
	snprintf(text, 32, "event %llu", (unsigned long long)id);
	*ev = (struct event){ .time_ns = (int64_t)mix(id) >> 8, .received_ns = (int64_t)id };
	ev->text[EVENT_TEXT_DESCRIPTION] = span_str(text);
	ev->text[EVENT_TEXT_USER_AGENT] = span_of(filler, pad);
}

static int append_batch(
	struct store_writer *w, uint64_t number, unsigned i, uint64_t id, struct diag *d)
{
	struct store_chunk chunk = frames_chunk(number);
	bool last = i + 1 == frames_batches(number);
	struct store_batch batch = {
		.rows_count = frames_rows(number, i),
		.time_min_ns = INT64_MIN,
		.time_max_ns = INT64_MAX,
		.chunks = &chunk,
		.chunks_count = last,
		.more = !last,
	};
	struct buf b;
	int rc;

	buf_init(&b, 4 << 20);
	for (uint32_t k = 0; k < batch.rows_count; k++) {
		struct event ev;
		char text[32];

		event_of(id + k, pad_of(number), &ev, text);
		assert_int_equal(row_put(&b, &ev), 0);
	}
	batch.rows = b.p;
	batch.rows_bytes = b.len;
	rc = store_writer_append(w, &batch, d);
	buf_fini(&b);
	return rc;
}

int frames_append(struct store_writer *w, uint64_t number, struct diag *d)
{
	uint64_t id = frames_next_id(number - 1);
	int rc = 0;

	for (unsigned i = 0; i < frames_batches(number) && rc == 0; i++) {
		assert_int_equal(store_writer_next(w), id);
		rc = append_batch(w, number, i, id, d);
		id += frames_rows(number, i);
	}
	return rc;
}

static void check_rows(struct span rows, uint64_t id, uint32_t count)
{
	struct rcur c = rcur_of(rows.p, rows.n);

	for (uint32_t k = 0; k < count; k++, id++) {
		struct event ev, want;
		char text[32];

		assert_int_equal(row_get(&c, &ev), 0);
		event_of(id, ev.text[EVENT_TEXT_USER_AGENT].n, &want, text);
		assert_int_equal(ev.time_ns, want.time_ns);
		assert_int_equal(ev.received_ns, want.received_ns);
		for (int f = 0; f < EVENT_TEXT_COUNT; f++)
			assert_true(span_eq(ev.text[f], want.text[f]));
	}
	assert_int_equal(rcur_left(&c), 0);
}

uint64_t frames_check_reader(const struct vfs *vfs)
{
	struct store_conf conf = frames_conf(vfs);
	struct store_reader *r = NULL;
	struct store_snapshot *s = NULL;
	struct buf scratch;
	uint64_t next, last;
	struct diag d = { 0 };
	char why[600] = "";
	int rc = store_reader_open(&conf, &r, &d);

	if (rc == 0)
		rc = store_reader_snapshot(r, &s, &d);
	if (rc < 0) {
		store_reader_close(&r);
		fail_msg("%s", diag_format(&d, why, sizeof why));
	}
	buf_init(&scratch, SNAPSHOT_BATCH_BYTES_MAX);
	next = snapshot_sealed(s) + 1;
	for (size_t i = 0; i < snapshot_batch_count(s); i++) {
		const struct snapshot_batch *b = snapshot_batch(s, i);
		struct span rows;

		assert_int_equal(b->id_min, next);
		assert_int_equal(snapshot_batch_rows(s, i, &scratch, &rows, NULL), 0);
		check_rows(rows, b->id_min, b->rows_count);
		next += b->rows_count;
	}
	last = store_snapshot_committed(s);
	assert_int_equal(next, last + 1);
	assert_int_equal(snapshot_damage(s)->lost_ids, 0);
	assert_true(last == 0 || frames_ending(last) > 0);
	buf_fini(&scratch);
	store_snapshot_free(&s);
	store_reader_close(&r);
	return last;
}

void frames_check_chunks(struct store_writer *w, uint64_t last)
{
	const struct chunkset *chunks = store_writer_chunks(w);

	assert_int_equal(chunkset_count(chunks), last);
	for (uint64_t n = 1; n <= last; n++)
		assert_true(chunkset_has(chunks, frames_chunk(n), NULL));
}

struct store_conf frames_conf(const struct vfs *vfs)
{
	return (struct store_conf){
		.vfs = vfs, .dir = SIMFS_DIR, .journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN
	};
}
