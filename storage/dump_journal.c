/*
 * A journal file in order of its bytes, by its own header alone: it need not stand in a store. Where no
 * record holds, the next one that does is searched for, so that all that can be read is seen.
 */
#include <errno.h>
#include <string.h>

#include <lz4.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/dump_int.h"
#include "storage/journal_record.h"
#include "storage/row.h"

struct journal_dump {
	struct dump *m;
	struct journal_head head;
	struct buf rows;
};

static uint64_t zeroes_from(const struct dump *m, uint64_t off)
{
	uint64_t end = m->file.n;

	while (end > off && m->file.p[end - 1] == 0)
		end--;
	return end;
}

static int emit_head(struct journal_dump *j)
{
	struct dump *m = j->m;
	int rc = journal_record_get_head(m->file.p, m->file.n, &j->head);
	uint64_t bytes = m->file.n < LAYOUT_JOURNAL_RECORDS ? m->file.n : LAYOUT_JOURNAL_RECORDS;

	if (rc < 0) {
		int emit = dump_emit(m, "header", 0, bytes, rc,
			"neither copy of the header holds: the records cannot be checked");

		return emit < 0 ? emit : 1;
	}
	dump_hex(m, "uuid", span_of(j->head.uuid, sizeof j->head.uuid));
	dump_number(m, "seq", j->head.seq);
	dump_number(m, "first_id", j->head.first_id);
	dump_number(m, "continues", j->head.prev_seq);
	dump_number(m, "at", j->head.prev_off);
	dump_number(m, "file_bytes", j->head.file_bytes);
	dump_time(m, "created", j->head.created_ns);
	return dump_emit(m, "header", 0, bytes, 0, NULL);
}

/* The record at exactly `off`, if its header holds and it fits the file. */
static bool record_at(const struct journal_dump *j, uint64_t off, struct journal_record *out)
{
	struct span head = dump_bytes(j->m, off, LAYOUT_RECORD_HEAD_BYTES);

	return head.p && journal_record_get(head.p, j->head.salt, off, out) == 0 &&
	       journal_record_end(out) <= j->m->file.n;
}

static struct span payload_of(const struct journal_dump *j, const struct journal_record *rec)
{
	return dump_bytes(
		j->m, rec->off + LAYOUT_RECORD_HEAD_BYTES, journal_record_payload_bytes(rec));
}

static bool payload_holds(const struct journal_dump *j, const struct journal_record *rec)
{
	struct span p = payload_of(j, rec);

	return p.p &&
	       journal_record_payload_sum(j->head.salt, rec->off, p.p, p.n) == rec->payload_sum;
}

/* A record whose payload holds too: what a search may rely on. */
static bool find_record(const struct journal_dump *j, uint64_t off, struct journal_record *out)
{
	off = journal_record_align(off, LAYOUT_RECORD_ALIGN);
	for (; off + LAYOUT_RECORD_HEAD_BYTES <= j->m->file.n; off += LAYOUT_RECORD_ALIGN) {
		if (record_at(j, off, out) && payload_holds(j, out))
			return true;
	}
	return false;
}

static int decode_rows(struct journal_dump *j, const struct journal_record *rec)
{
	struct span p = payload_of(j, rec);
	const uint8_t *src = p.p + (size_t)rec->chunks_count * LAYOUT_CHUNK_BYTES;
	int n;

	buf_reset(&j->rows);
	if (buf_reserve(&j->rows, rec->raw_bytes) < 0)
		return -ENOMEM;
	if (rec->codec == LAYOUT_RECORD_CODEC_RAW) {
		if (rec->stored_bytes != rec->raw_bytes)
			return ERR_CORRUPT;
		memcpy(j->rows.p, src, rec->raw_bytes);
	} else {
		n = LZ4_decompress_safe((const char *)src, (char *)j->rows.p,
			(int)rec->stored_bytes, (int)rec->raw_bytes);
		if (n < 0 || (uint32_t)n != rec->raw_bytes)
			return ERR_CORRUPT;
	}
	j->rows.len = rec->raw_bytes;
	return 0;
}

static int emit_rows(struct journal_dump *j, const struct journal_record *rec)
{
	struct rcur c;
	int rc = decode_rows(j, rec);

	if (rc == -ENOMEM)
		return diag_set(j->m->d, rc, j->m->name, (int64_t)rec->off, "decode a record");
	c = rcur_of(j->rows.p, j->rows.len);
	for (uint32_t i = 0; i < rec->rows_count && rc == 0; i++) {
		struct event ev;

		rc = row_get(&c, &ev);
		if (rc < 0)
			break;
		ev.id = rec->first_id + i;
		rc = dump_emit_row(j->m, &ev);
		if (rc < 0)
			return rc;
	}
	if (rc == 0)
		return 0;
	return dump_emit(j->m, "rows", rec->off, journal_record_end(rec) - rec->off, ERR_CORRUPT,
		"the checksum holds, the rows do not");
}

static int emit_record(struct journal_dump *j, const struct journal_record *rec)
{
	struct dump *m = j->m;
	bool rows = rec->kind == LAYOUT_RECORD_KIND_ROWS, holds = payload_holds(j, rec);
	int rc;

	if (rows) {
		dump_number(m, "first_id", rec->first_id);
		dump_number(m, "rows", rec->rows_count);
		dump_time(m, "from", rec->time_min_ns);
		dump_time(m, "to", rec->time_max_ns);
		dump_number(m, "raw", rec->raw_bytes);
		dump_number(m, "stored", rec->stored_bytes);
		dump_number(m, "more", rec->more);
	}
	dump_number(m, "chunks", rec->chunks_count);
	dump_number(m, "synced", rec->synced_off);
	rc = dump_emit(m, rows ? "record" : "carry", rec->off, journal_record_end(rec) - rec->off,
		holds ? 0 : ERR_CORRUPT, "the checksum of its content does not hold");
	if (rc < 0 || !rows || !holds || !m->walker->row)
		return rc;
	return emit_rows(j, rec);
}

/* Nothing valid follows: reserved zeroes, or a torn tail before them. */
static int emit_rest(struct journal_dump *j, uint64_t off)
{
	struct dump *m = j->m;
	uint64_t used = zeroes_from(m, off);
	int rc = 0;

	if (used > off)
		rc = dump_emit(m, "rest", off, used - off, ERR_TRUNCATED,
			"bytes that are no record, and none after them: a torn tail, or damage");
	if (rc < 0 || used >= m->file.n)
		return rc;
	return dump_emit(m, "free", used, m->file.n - used, 0, NULL);
}

static int emit_records(struct journal_dump *j)
{
	uint64_t off = LAYOUT_JOURNAL_RECORDS;

	while (off < j->m->file.n) {
		uint64_t near = journal_record_align(off, LAYOUT_RECORD_ALIGN);
		uint64_t page = journal_record_align(off, LAYOUT_PAGE_BYTES);
		struct journal_record rec;
		int rc = 0;

		if (!record_at(j, near, &rec) && !record_at(j, page, &rec)) {
			if (!find_record(j, off, &rec))
				return emit_rest(j, off);
			rc = dump_emit(j->m, "gap", off, rec.off - off, ERR_CORRUPT,
				"no record that holds, but one behind it");
		}
		if (rc == 0)
			rc = emit_record(j, &rec);
		if (rc < 0)
			return rc;
		off = journal_record_end(&rec);
	}
	return 0;
}

int dump_journal(struct dump *m)
{
	struct journal_dump j = { .m = m };
	int rc;

	if (zeroes_from(m, 0) == 0)
		return dump_emit(m, "spare", 0, m->file.n, 0, NULL);
	buf_init(&j.rows, LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES);
	rc = emit_head(&j);
	if (rc == 0)
		rc = emit_records(&j);
	buf_fini(&j.rows);
	return rc < 0 ? rc : 0;
}
