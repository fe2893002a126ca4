/*
 * Goal: no journal file, however damaged, makes a walk read outside it, run for ever, or hand out rows
 *       that are not rows.
 * Method: the input is what stands behind the header of a file. With an odd length its records' sums are
 *       put right first, or nothing would get past them. Walked with a known end and without.
 */
#include <fcntl.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/journal_record.h"
#include "storage/journal_walk.h"
#include "tests/support/simfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { INPUT_MAX = 1 << 16, SALT = 77 };

static const uint8_t uuid[16] = "0123456789abcdef";
static uint8_t file[LAYOUT_JOURNAL_RECORDS + INPUT_MAX];

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof v);
}

/* Wherever the magic stands, the sums become right for what the header says. */
static void put_right(size_t n)
{
	for (size_t off = LAYOUT_JOURNAL_RECORDS; off + LAYOUT_RECORD_HEAD_BYTES <= n; off += 8) {
		struct rcur c = rcur_of(file + off, LAYOUT_RECORD_HEAD_BYTES);
		uint64_t bytes;
		struct journal_record r;

		if (rcur_le32(&c) != LAYOUT_RECORD_MAGIC)
			continue;
		rcur_le32(&c);
		bytes = rcur_le32(&c);
		rcur_le64(&c);
		bytes += (uint64_t)rcur_le32(&c) * LAYOUT_CHUNK_BYTES;
		if (bytes <= n - off - LAYOUT_RECORD_HEAD_BYTES)
			put64(file + off + LAYOUT_RECORD_PAYLOAD_SUM,
				journal_record_payload_sum(SALT, off,
					file + off + LAYOUT_RECORD_HEAD_BYTES, (size_t)bytes));
		/* The header's sum is of the same kind. */
		put64(file + off + LAYOUT_RECORD_HEAD_SUM,
			journal_record_payload_sum(SALT, off, file + off, LAYOUT_RECORD_HEAD_SUM));
		if (journal_record_get(file + off, SALT, off, &r) == 0)
			ASSERT(r.off == off);
	}
}

static int make_file(struct simfs *fs, size_t n)
{
	const struct vfs *v = simfs_vfs(fs);
	int dir, fd;

	ASSERT(v->mkdir(v->ctx, AT_FDCWD, SIMFS_DIR, 0750) == 0);
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	ASSERT(v->mkdir(v->ctx, dir, "journal", 0750) == 0);
	fd = v->open(v->ctx, dir, "journal/0000000000000001.aj", O_RDWR | O_CREAT, 0640);
	ASSERT(v->pwrite_all(v->ctx, fd, file, n, 0) == 0);
	v->close(v->ctx, fd);
	return dir;
}

static void walk(const struct vfs *v, int dir, size_t n, const struct ctl_commit *end)
{
	struct journal_walk w;
	struct journal_record rec;
	struct journal_gap gap;
	struct buf payload, rows;
	uint64_t off = 0;
	size_t steps = 0;
	int rc;

	ASSERT(journal_walk_init(&w, v, dir, uuid, 1, NULL, NULL) == 0);
	buf_init(&payload, JOURNAL_READER_PAYLOAD_BYTES);
	buf_init(&rows, 4 << 20);
	while ((rc = journal_walk_next(&w, end, &rec, &gap, NULL)) > 0) {
		/* It moves on with every step. */
		ASSERT(++steps <= n);
		ASSERT(w.pos.off >= off);
		off = w.pos.off;
		if (rc != JOURNAL_WALK_RECORD || rec.kind != LAYOUT_RECORD_KIND_ROWS)
			continue;
		buf_reset(&rows);
		if (journal_reader_rows(w.reader, &rec, &payload, &rows, NULL) == 0) {
			struct rcur c = rcur_of(rows.p, rows.len);

			for (uint32_t i = 0; i < rec.rows_count; i++)
				rcur_bytes(&c, rcur_le32(&c));
			ASSERT(c.err == 0);
			ASSERT(rcur_left(&c) == 0);
		}
	}
	ASSERT(rc == 0);
	buf_fini(&rows);
	buf_fini(&payload);
	journal_walk_fini(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct journal_head h = {
		.seq = 1, .salt = SALT, .first_id = 1, .file_bytes = sizeof file
	};
	struct ctl_commit end = { .file_seq = 1, .id = 40 };
	struct simfs *fs;
	int dir;

	if (n > INPUT_MAX)
		return 0;
	memcpy(h.uuid, uuid, sizeof uuid);
	memset(file, 0, LAYOUT_JOURNAL_RECORDS);
	journal_record_put_head(&h, file);
	journal_record_put_head(&h, file + LAYOUT_JOURNAL_COPY);
	if (n > 0)
		memcpy(file + LAYOUT_JOURNAL_RECORDS, p, n);
	if (n % 2)
		put_right(LAYOUT_JOURNAL_RECORDS + n);
	fs = simfs_new(1);
	dir = make_file(fs, LAYOUT_JOURNAL_RECORDS + n);
	end.off = LAYOUT_JOURNAL_RECORDS + n;
	walk(simfs_vfs(fs), dir, n + 8, NULL);
	walk(simfs_vfs(fs), dir, n + 8, &end);
	simfs_vfs(fs)->close(simfs_vfs(fs)->ctx, dir);
	simfs_free(&fs);
	return 0;
}
