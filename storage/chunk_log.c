#include "storage/chunk_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/chunk_file.h"
#include "storage/journal_walk.h"

/* ---- loading ---- */

static int by_number(const void *a, const void *b)
{
	const struct chunk_log_file *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* With more files than there should be, the newest are kept. */
static int see_name(void *arg, const char *name)
{
	struct chunk_log *log = arg;
	uint64_t number = chunk_file_number(name);
	struct chunk_log_file *oldest = log->files;

	if (number == 0)
		return 0;
	if (log->files_count < LIMIT_CHUNK_FILES) {
		log->files[log->files_count++].number = number;
		return 0;
	}
	for (size_t i = 1; i < log->files_count; i++) {
		if (log->files[i].number < oldest->number)
			oldest = &log->files[i];
	}
	if (number > oldest->number)
		oldest->number = number;
	return 0;
}

static void remove_file(const struct chunk_log *log, uint64_t number)
{
	char name[CHUNK_FILE_NAME_BYTES];

	/* What stays is found superfluous again at the next start. */
	log->vfs->unlink(log->vfs->ctx, log->dir, chunk_file_name(number, name));
}

/* Files of numbers from `since` on and before the last one are in that one. */
static void drop_superseded(struct chunk_log *log, uint64_t since)
{
	struct chunk_log_file last = log->files[log->files_count - 1];

	while (log->files_count > 1 && log->files[log->files_count - 2].number >= since) {
		remove_file(log, log->files[log->files_count - 2].number);
		log->files_count--;
	}
	log->files[log->files_count - 1] = last;
}

/* Those whose ids later ones leave no room for, and where each has few, those that are too many. */
static void drop_old(struct chunk_log *log)
{
	uint64_t total = 0;
	size_t first = log->files_count;

	while (first > 0 && total < LIMIT_CHUNKS_REMEMBERED &&
		log->files_count - first < LIMIT_CHUNK_FILES)
		total += log->files[--first].ids_count;
	for (size_t i = 0; i < first; i++)
		remove_file(log, log->files[i].number);
	memmove(log->files, log->files + first, (log->files_count - first) * sizeof *log->files);
	log->files_count -= first;
}

static void note_damage(struct chunk_log_found *f, const struct diag *why)
{
	if (f->damage.code == 0)
		f->damage = *why;
}

/* Headers of all; those that are in others leave the list. */
static int read_heads(struct chunk_log *log, struct chunk_log_found *found, struct diag *d)
{
	struct chunk_log all = *log;

	log->files_count = 0;
	for (size_t i = 0; i < all.files_count; i++) {
		struct chunk_log_file f = all.files[i];
		struct chunk_file_head h = { .since = f.number };
		struct diag why;
		int rc = chunk_file_read_head(log->vfs, log->dir, log->uuid, f.number, &h, &why);

		f.damaged = rc == ERR_CORRUPT || rc == ERR_TRUNCATED;
		if (f.damaged)
			note_damage(found, &why);
		else if (rc < 0) {
			if (d)
				*d = why;
			return rc;
		}
		/* Of a file whose header does not tell, as if it were full. */
		f.ids_count = f.damaged ? LIMIT_CHUNK_FILE_IDS : h.ids_count;
		log->files[log->files_count++] = f;
		if (h.through_seq > log->through_seq)
			log->through_seq = h.through_seq;
		drop_superseded(log, h.since);
		log->next = f.number + 1;
	}
	return 0;
}

static int read_ids(struct chunk_log *log, struct chunk_log_file *f,
	int (*cb)(void *arg, struct store_chunk c), void *arg, struct chunk_log_found *found,
	struct diag *d)
{
	char name[CHUNK_FILE_NAME_BYTES];
	uint64_t ids, lost;
	struct diag why = { 0 };
	int rc = chunk_file_read(log->vfs, log->dir, f->number, cb, arg, &ids, &lost, &why, d);

	if (rc < 0)
		return rc;
	if (lost == 0 && !f->damaged && ids < f->ids_count) {
		lost = f->ids_count - ids;
		diag_set(&why, ERR_TRUNCATED, chunk_file_name(f->number, name), -1,
			"read all chunk ids that the header tells of");
	}
	if (lost > 0)
		note_damage(found, &why);
	f->damaged |= lost > 0;
	f->ids_count = ids;
	found->lost += lost;
	return 0;
}

int chunk_log_load(struct chunk_log *log, const struct vfs *vfs, int dir, const uint8_t *uuid,
	int (*cb)(void *arg, struct store_chunk c), void *arg, struct chunk_log_found *out,
	struct diag *d)
{
	int rc;

	memset(log, 0, sizeof *log);
	memset(out, 0, sizeof *out);
	log->vfs = vfs;
	log->dir = dir;
	log->next = 1;
	memcpy(log->uuid, uuid, sizeof log->uuid);
	rc = vfs->list(vfs->ctx, dir, ".", see_name, log);
	if (rc < 0)
		return diag_set(d, rc, ".", -1, "list the files of chunk ids");
	if (log->files_count == 0)
		return 0;
	qsort(log->files, log->files_count, sizeof *log->files, by_number);
	/* Whoever named the newest may have died before this, and journal files go by its word. */
	rc = vfs->fsync(vfs->ctx, dir);
	if (rc < 0)
		return diag_set(d, rc, ".", -1, "sync the data directory");
	rc = read_heads(log, out, d);
	for (size_t i = 0; i < log->files_count && rc == 0; i++)
		rc = read_ids(log, &log->files[i], cb, arg, out, d);
	if (rc == 0)
		drop_old(log);
	return rc;
}

/* ---- from the journal ---- */

static int give_record(struct journal_walk *w, const struct journal_record *rec,
	int (*cb)(void *arg, struct store_chunk c), void *arg, struct diag *d)
{
	struct span ids;
	int rc;

	if (rec->chunks_count == 0)
		return 0;
	rc = journal_reader_chunks_fast(w->reader, rec, &ids, d);
	if (rc == ERR_CORRUPT || rc == ERR_TRUNCATED)
		return 0;
	for (uint32_t i = 0; i < rec->chunks_count && rc == 0; i++)
		rc = cb(arg, journal_reader_chunk(ids, i));
	return rc;
}

int chunk_log_journal(const struct chunk_log *log, uint64_t before_seq,
	int (*cb)(void *arg, struct store_chunk c), void *arg, struct diag *d)
{
	struct journal_walk w;
	struct journal_record rec;
	struct journal_gap gap;
	int rc = journal_walk_init(&w, log->vfs, log->dir, log->uuid, 0, NULL, d);

	if (rc < 0)
		return rc;
	while ((rc = journal_walk_next(&w, NULL, &rec, &gap, d)) > 0) {
		if (w.pos.seq >= before_seq)
			break;
		if (rc == JOURNAL_WALK_GAP || w.pos.seq <= log->through_seq)
			continue;
		rc = give_record(&w, &rec, cb, arg, d);
		if (rc < 0)
			break;
	}
	journal_walk_fini(&w);
	return rc < 0 ? rc : 0;
}

/* ---- taking over ---- */

struct taking {
	struct chunk_log *log;
	struct chunk_file_writer w; /* fd -1: no file is begun */
	uint64_t since;             /* of that file */
	struct diag *d;
};

static int finish_file(struct taking *t, uint64_t through_seq)
{
	struct chunk_log *log = t->log;
	struct chunk_file_head h = {
		.since = t->since, .through_seq = through_seq, .created_ns = clock_wall_ns()
	};
	int rc;

	memcpy(h.uuid, log->uuid, sizeof h.uuid);
	rc = chunk_file_commit(&t->w, &h, t->d);
	if (rc < 0)
		return rc;
	ASSERT(log->files_count <= LIMIT_CHUNK_FILES);
	log->files[log->files_count++] =
		(struct chunk_log_file){ .number = h.number, .ids_count = h.ids_count };
	log->next = h.number + 1;
	log->through_seq = through_seq;
	drop_superseded(log, h.since);
	drop_old(log);
	return 0;
}

static int copy_id(void *arg, struct store_chunk c)
{
	struct taking *t = arg;

	return chunk_file_put(&t->w, c, t->d);
}

/* The newest file, unless it is full, becomes the beginning of the new one. */
static int begin_file(struct taking *t)
{
	struct chunk_log *log = t->log;
	const struct chunk_log_file *last =
		log->files_count ? &log->files[log->files_count - 1] : NULL;
	uint64_t ids, lost;
	int rc = chunk_file_begin(&t->w, log->vfs, log->dir, log->next, t->d);

	t->since = log->next;
	if (rc < 0 || !last || last->ids_count >= LIMIT_CHUNK_FILE_IDS)
		return rc;
	t->since = last->number;
	return chunk_file_read(
		log->vfs, log->dir, last->number, copy_id, t, &ids, &lost, NULL, t->d);
}

static int take_id(void *arg, struct store_chunk c)
{
	struct taking *t = arg;
	int rc = 0;

	/* Of the journal file that is being read, ids are still to come. */
	if (t->w.fd >= 0 && t->w.ids_count == LIMIT_CHUNK_FILE_IDS)
		rc = finish_file(t, t->log->through_seq);
	if (rc == 0 && t->w.fd < 0)
		rc = begin_file(t);
	return rc < 0 ? rc : chunk_file_put(&t->w, c, t->d);
}

int chunk_log_take(struct chunk_log *log, uint64_t before_seq, struct diag *d)
{
	struct taking t = { .log = log, .w = { .fd = -1 }, .d = d };
	int rc;

	if (before_seq <= log->through_seq + 1)
		return 0;
	rc = chunk_log_journal(log, before_seq, take_id, &t, d);
	if (rc == 0 && t.w.fd >= 0)
		rc = finish_file(&t, before_seq - 1);
	chunk_file_abort(&t.w);
	return rc;
}
