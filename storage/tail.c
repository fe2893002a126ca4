#include "storage/tail.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "storage/block_pool.h"

enum {
	/* So many times what the cache may hold: that, and rows it has dropped and snapshots keep. */
	HELD_PART = 2,
};

/* An open journal file that batches point into; stays readable when it is retired. */
struct tail_file {
	_Atomic uint32_t refs;
	struct journal_reader *reader;
};

/* Decoded rows. The tail writes behind what any snapshot has seen; those only read. */
struct tail_rows {
	_Atomic uint32_t refs;
	uint32_t cap;
	_Atomic uint64_t *held; /* of the tail, which outlives them */
	uint8_t bytes[];
};

static _Atomic uint64_t decoded_count; /* of all tails */

static void file_unref(struct tail_file **fp)
{
	struct tail_file *f = *fp;

	*fp = NULL;
	if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	journal_reader_close(&f->reader);
	free(f);
}

static void rows_unref(struct tail_rows **rp)
{
	struct tail_rows *r = *rp;

	*rp = NULL;
	if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	atomic_fetch_sub(r->held, r->cap);
	block_pool_return(r->cap);
	free(r);
}

void tail_unref(struct snapshot_batch *b)
{
	file_unref(&b->file);
	rows_unref(&b->rows);
}

void tail_ref_files(const struct snapshot_batch *from, size_t count, struct snapshot_batch *dst)
{
	for (size_t i = 0; i < count; i++) {
		dst[i] = from[i];
		dst[i].rows = NULL;
		atomic_fetch_add(&dst[i].file->refs, 1);
	}
}

void tail_ref(const struct tail *t, struct snapshot_batch *dst)
{
	for (size_t i = t->begin; i < t->end; i++, dst++) {
		*dst = t->batches[i];
		atomic_fetch_add(&dst->file->refs, 1);
		if (dst->rows)
			atomic_fetch_add(&dst->rows->refs, 1);
	}
}

void tail_init(struct tail *t, const struct vfs *vfs, int dir, const uint8_t *uuid,
	uint64_t cache_bytes_max)
{
	memset(t, 0, sizeof *t);
	t->vfs = vfs;
	t->dir = dir;
	t->uuid = uuid;
	t->cache_bytes_max = cache_bytes_max;
	buf_init(&t->payload, JOURNAL_READER_PAYLOAD_BYTES);
}

/* ---- the cache ---- */

static void drop_rows(struct tail *t, struct snapshot_batch *b)
{
	if (!b->rows)
		return;
	t->cache_bytes -= b->rows->cap;
	rows_unref(&b->rows);
}

/*
 * Room for n bytes of rows, at the price of the oldest batches. NULL: not to be cached. What snapshots keep
 * of batches that were dropped is bounded, too: while it is much, new batches have no rows.
 */
static struct tail_rows *new_rows(struct tail *t, uint32_t n)
{
	struct tail_rows *r;

	if (n > t->cache_bytes_max)
		return NULL;
	while (t->cache_bytes + n > t->cache_bytes_max) {
		ASSERT(t->uncached < t->end);
		drop_rows(t, &t->batches[t->uncached++]);
	}
	if (atomic_load(&t->held_bytes) + n > HELD_PART * t->cache_bytes_max)
		return NULL;
	r = malloc(sizeof *r + n);
	if (!r)
		return NULL;
	atomic_init(&r->refs, 1);
	r->cap = n;
	r->held = &t->held_bytes;
	atomic_fetch_add(r->held, n);
	block_pool_lend(n);
	t->cache_bytes += n;
	return r;
}

/* ---- the list ---- */

static void drop_first(struct tail *t)
{
	struct snapshot_batch *b = &t->batches[t->begin++];

	drop_rows(t, b);
	file_unref(&b->file);
	if (t->uncached < t->begin)
		t->uncached = t->begin;
}

void tail_reset(struct tail *t)
{
	while (tail_count(t) > 0)
		drop_first(t);
	t->begin = t->end = t->uncached = 0;
	file_unref(&t->file);
	if (t->walking)
		journal_walk_fini(&t->walk);
	t->walking = false;
	memset(&t->damage, 0, sizeof t->damage);
	t->damage_id = 0;
}

void tail_fini(struct tail *t)
{
	tail_reset(t);
	free(t->batches);
	t->batches = NULL;
	buf_fini(&t->payload);
}

/* Room for one more batch. */
static int grow(struct tail *t)
{
	size_t n = tail_count(t);

	if (t->end < t->cap)
		return 0;
	if (t->begin > t->cap / 2) {
		memmove(t->batches, t->batches + t->begin, n * sizeof *t->batches);
		t->uncached -= t->begin;
		t->begin = 0;
		t->end = n;
	} else {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct snapshot_batch *more = realloc(t->batches, cap * sizeof *more);

		if (!more)
			return -ENOMEM;
		t->batches = more;
		t->cap = cap;
	}
	return 0;
}

static void drop_sealed(struct tail *t, uint64_t sealed_id)
{
	struct snapshot_batch *b;
	uint32_t n;

	while (tail_count(t) > 0 && t->batches[t->begin].id_max <= sealed_id)
		drop_first(t);
	if (sealed_id >= t->damage_id)
		memset(&t->damage, 0, sizeof t->damage);
	if (tail_count(t) == 0)
		return;
	b = &t->batches[t->begin];
	if (b->id_min > sealed_id)
		return;
	n = (uint32_t)(sealed_id + 1 - b->id_min);
	ASSERT(n < b->rows_count);
	b->rows_bytes = (uint32_t)((uint64_t)b->rows_bytes * (b->rows_count - n) / b->rows_count);
	b->id_min += n;
	b->rows_count -= n;
	b->skip_rows += n;
}

/* ---- adding ---- */

static int open_file(struct tail *t, struct diag *d)
{
	struct tail_file *f;
	int rc;

	if (t->file && journal_reader_head(t->file->reader)->seq == t->walk.pos.seq)
		return 0;
	f = calloc(1, sizeof *f);
	if (!f)
		return diag_set(d, -ENOMEM, "journal", -1, "follow the journal");
	rc = journal_reader_open(t->vfs, t->dir, t->walk.pos.seq, t->uuid, &f->reader, d);
	if (rc < 0) {
		free(f);
		return rc == -ENOENT ? ERR_STALE : rc;
	}
	atomic_init(&f->refs, 1);
	file_unref(&t->file);
	t->file = f;
	t->closed = true;
	return 0;
}

static void note_gap(struct tail *t, const struct journal_gap *gap)
{
	t->damage.lost_ids += gap->count;
	if (t->damage.first.code == 0)
		t->damage.first = gap->why;
	if (gap->first_id + gap->count > t->damage_id)
		t->damage_id = gap->first_id + gap->count;
	t->closed = true;
}

/* The record joins the last batch where it fits. */
static struct snapshot_batch *joinable(struct tail *t, const struct journal_record *rec)
{
	struct snapshot_batch *b;

	if (t->closed || tail_count(t) == 0)
		return NULL;
	b = &t->batches[t->end - 1];
	if (b->id_max + 1 != rec->first_id || b->file != t->file)
		return NULL;
	if (b->all_bytes + rec->raw_bytes > SNAPSHOT_RUN_BYTES ||
		b->skip_rows + b->rows_count + rec->rows_count > SNAPSHOT_RUN_ROWS)
		return NULL;
	return !b->rows || b->all_bytes + rec->raw_bytes <= b->rows->cap ? b : NULL;
}

static int new_batch(struct tail *t, const struct journal_record *rec)
{
	uint32_t cap =
		rec->raw_bytes > SNAPSHOT_RUN_BYTES / 2 ? rec->raw_bytes : SNAPSHOT_RUN_BYTES;
	struct snapshot_batch b = {
		.id_min = rec->first_id,
		.id_max = rec->first_id - 1,
		.time_min_ns = rec->time_min_ns,
		.time_max_ns = rec->time_max_ns,
		.off = rec->off,
		.file = t->file,
	};

	if (grow(t) < 0)
		return -ENOMEM;
	b.rows = new_rows(t, cap);
	atomic_fetch_add(&t->file->refs, 1);
	t->batches[t->end++] = b;
	t->closed = false;
	return 0;
}

/* ERR_CORRUPT: the rows cannot be decoded; nothing was added. */
static int cache_record(
	struct tail *t, struct snapshot_batch *b, const struct journal_record *rec, struct diag *d)
{
	struct buf dst = {
		.p = b->rows->bytes, .len = b->all_bytes, .cap = b->rows->cap, .max = b->rows->cap
	};

	ASSERT(rec->raw_bytes <= b->rows->cap - b->all_bytes);
	return journal_reader_rows(t->file->reader, rec, &t->payload, &dst, d);
}

static void extend(struct snapshot_batch *b, const struct journal_record *rec)
{
	b->id_max += rec->rows_count;
	b->rows_count += rec->rows_count;
	b->rows_bytes += rec->raw_bytes;
	b->all_bytes += rec->raw_bytes;
	if (rec->time_min_ns < b->time_min_ns)
		b->time_min_ns = rec->time_min_ns;
	if (rec->time_max_ns > b->time_max_ns)
		b->time_max_ns = rec->time_max_ns;
}

/* Rows that do not decode are a gap: the walk has only looked at their header. */
static void lose(struct tail *t, const struct journal_record *rec, const struct diag *why)
{
	struct journal_gap gap = {
		.first_id = rec->first_id, .count = rec->rows_count, .why = *why
	};

	note_gap(t, &gap);
}

static int add_record(struct tail *t, const struct journal_record *rec, struct diag *d)
{
	struct snapshot_batch *b;
	struct diag why;
	int rc = open_file(t, d);

	if (rc < 0)
		return rc;
	b = joinable(t, rec);
	if (!b) {
		rc = new_batch(t, rec);
		if (rc < 0)
			return diag_set(d, rc, "journal", -1, "follow the journal");
		b = &t->batches[t->end - 1];
	}
	if (b->rows) {
		rc = cache_record(t, b, rec, &why);
	} else {
		struct buf none;

		/* Not kept, but looked at: a batch must be readable, or a gap now. */
		buf_init(&none, rec->raw_bytes);
		rc = journal_reader_rows(t->file->reader, rec, &t->payload, &none, &why);
		buf_fini(&none);
	}
	if (rc == 0) {
		extend(b, rec);
		return 0;
	}
	if (b->rows_count == 0) {
		/* Just made for this record. */
		drop_rows(t, b);
		file_unref(&b->file);
		t->end--;
		if (t->uncached > t->end)
			t->uncached = t->end;
	}
	if (rc != ERR_CORRUPT && rc != ERR_TRUNCATED) {
		if (d)
			*d = why;
		return rc;
	}
	lose(t, rec, &why);
	return 0;
}

static int restart(struct tail *t, uint64_t sealed_id, struct diag *d)
{
	int rc;

	tail_reset(t);
	rc = journal_walk_init(&t->walk, t->vfs, t->dir, t->uuid, sealed_id + 1, NULL, d);
	t->walking = rc == 0;
	t->closed = true;
	return rc;
}

int tail_advance(struct tail *t, uint64_t sealed_id, const struct ctl_commit *end, struct diag *d)
{
	struct journal_record rec;
	struct journal_gap gap;
	int rc = 0;

	/* Sealed beyond where we stand: the files may be gone already. */
	if (!t->walking || t->walk.pos.next_id <= sealed_id)
		rc = restart(t, sealed_id, d);
	if (rc < 0)
		return rc;
	t->walk.from_id = sealed_id + 1;
	while ((rc = journal_walk_next(&t->walk, end, &rec, &gap, d)) > 0) {
		if (rc == JOURNAL_WALK_GAP) {
			note_gap(t, &gap);
			continue;
		}
		if (rec.kind != LAYOUT_RECORD_KIND_ROWS ||
			journal_record_next_id(&rec) <= sealed_id + 1)
			continue;
		rc = add_record(t, &rec, d);
		if (rc < 0)
			break;
	}
	if (rc < 0)
		tail_reset(t);
	else
		drop_sealed(t, sealed_id);
	return rc;
}

int tail_find_end(const struct tail *t, uint64_t sealed_id, const struct ctl_commit *known,
	bool ended, struct ctl_commit *out, struct diag *d)
{
	struct journal_walk w;
	struct journal_record rec;
	struct journal_gap gap;
	struct journal_pos end;
	bool open = false;
	int rc = journal_walk_init(&w, t->vfs, t->dir, t->uuid, sealed_id + 1, NULL, d);

	if (rc < 0)
		return rc;
	w.check = true;
	w.known_id = known ? known->id : 0;
	w.void_seq = ended ? known->file_seq : 0;
	w.void_off = ended ? known->off : 0;
	end = w.pos;
	while ((rc = journal_walk_next(&w, NULL, &rec, &gap, d)) > 0) {
		/* As recovery does: a gap ends a frame, a carry record is no part of one. */
		if (rc == JOURNAL_WALK_GAP)
			open = false;
		else if (rec.kind == LAYOUT_RECORD_KIND_ROWS)
			open = rec.more;
		if (!open)
			end = w.pos;
	}
	journal_walk_fini(&w);
	if (rc == 0)
		*out = (struct ctl_commit){
			.file_seq = end.seq, .off = end.off, .id = end.next_id - 1
		};
	return rc;
}

/* ---- reading a batch ---- */

static int decode(const struct snapshot_batch *b, struct buf *scratch, struct diag *d)
{
	uint32_t want = b->skip_rows + b->rows_count;
	uint64_t off = b->off;
	struct buf payload;
	int rc = 0;

	buf_init(&payload, JOURNAL_READER_PAYLOAD_BYTES);
	for (uint32_t have = 0; have < want && rc >= 0;) {
		struct journal_record rec;

		rc = journal_reader_at(b->file->reader, off, &rec, d);
		if (rc == 0)
			rc = diag_set(d, ERR_CORRUPT, "journal", (int64_t)off,
				"a record that was there is damaged now");
		if (rc < 0)
			break;
		rc = journal_reader_rows(b->file->reader, &rec, &payload, scratch, d);
		have += rec.rows_count;
		off = journal_record_end(&rec);
	}
	buf_fini(&payload);
	return rc < 0 ? rc : 0;
}

int tail_batch_rows(
	const struct snapshot_batch *b, struct buf *scratch, struct span *out_rows, struct diag *d)
{
	struct rcur c;

	if (b->rows) {
		c = rcur_of(b->rows->bytes, b->all_bytes);
	} else {
		int rc;

		buf_reset(scratch);
		rc = decode(b, scratch, d);
		if (rc < 0)
			return rc;
		atomic_fetch_add(&decoded_count, b->rows_count);
		c = rcur_of(scratch->p, scratch->len);
	}
	/* journal_reader_rows has checked that the length words add up. */
	for (uint32_t i = 0; i < b->skip_rows; i++)
		rcur_bytes(&c, rcur_le32(&c));
	ASSERT(c.err == 0);
	*out_rows = span_of(c.p, rcur_left(&c));
	return 0;
}

uint64_t tail_decoded(void)
{
	return atomic_load(&decoded_count);
}
