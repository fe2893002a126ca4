/*
 * Three places matter: `committed`, the last place that was published; `whole`, the end of the last
 * complete frame that was appended; and the writer's own position, which may be inside a frame. A
 * commit syncs everything and publishes up to `whole`. A restart goes back to `committed`.
 *
 * Journal files change in `rotate`: the old one is synced first, so that only the newest ever holds
 * anything that is not durable. The new one says which file it continues and where that one ends;
 * that alone voids what a failed or given-up append left behind.
 *
 * The spare is made by the sealer's thread and taken by the journal's: `lock` guards who has it, and is
 * never held over I/O. Its name is free again only after the taker has renamed it.
 */
#include "storage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/journal_dir.h"
#include "storage/journal_writer.h"
#include "storage/recover.h"

enum spare_state { SPARE_NONE, SPARE_READY, SPARE_BUSY };

struct store_writer {
	struct recover r;
	uint64_t file_bytes;
	int journal_dir;
	struct journal_writer *jw;
	struct journal_pos committed;
	struct journal_pos whole;
	bool in_frame;
	bool dead;
	uint64_t next_seq;
	_Atomic uint64_t files_count;
	_Atomic uint64_t committed_seq; /* for retire */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum spare_state spare;
	int spare_fd;
};

static const struct vfs *vfs_of(const struct store_writer *w)
{
	return w->r.vfs;
}

/* ---- the spare ---- */

static void set_spare(struct store_writer *w, enum spare_state state, int fd)
{
	pthread_mutex_lock(&w->lock);
	w->spare = state;
	w->spare_fd = fd;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* A file of zeroes under the spare's name. The caller has made it its own (SPARE_BUSY). */
static int make_spare(struct store_writer *w, struct diag *d)
{
	const struct vfs *v = vfs_of(w);
	int fd, rc;

	if (atomic_load(&w->files_count) >= LIMIT_JOURNAL_FILES)
		return diag_set(d, ERR_LIMIT, "journal", -1,
			"make another journal file: none of the present ones could be sealed");
	fd = v->open(v->ctx, w->r.dir, JOURNAL_DIR_SPARE, O_RDWR | O_CREAT | O_TRUNC, 0640);
	if (fd < 0)
		return diag_set(d, fd, JOURNAL_DIR_SPARE, -1, "make the next journal file");
	rc = v->allocate(v->ctx, fd, w->file_bytes);
	if (rc == 0)
		return fd;
	v->close(v->ctx, fd);
	v->unlink(v->ctx, w->r.dir, JOURNAL_DIR_SPARE);
	return diag_set(d, rc, JOURNAL_DIR_SPARE, -1, "reserve %" PRIu64 " bytes for the journal",
		w->file_bytes);
}

int store_writer_prepare(struct store_writer *w, struct diag *d)
{
	bool mine;
	int fd;

	pthread_mutex_lock(&w->lock);
	mine = w->spare == SPARE_NONE;
	if (mine)
		w->spare = SPARE_BUSY;
	pthread_mutex_unlock(&w->lock);
	if (!mine)
		return 0;
	fd = make_spare(w, d);
	set_spare(w, fd < 0 ? SPARE_NONE : SPARE_READY, fd);
	return fd < 0 ? fd : 1;
}

int store_writer_yield(struct store_writer *w, struct diag *d)
{
	const struct vfs *v = vfs_of(w);
	bool mine;
	int rc;

	pthread_mutex_lock(&w->lock);
	mine = w->spare == SPARE_READY;
	if (mine)
		w->spare = SPARE_BUSY;
	pthread_mutex_unlock(&w->lock);
	if (!mine)
		return 0;
	v->close(v->ctx, w->spare_fd);
	rc = v->unlink(v->ctx, w->r.dir, JOURNAL_DIR_SPARE);
	set_spare(w, SPARE_NONE, -1);
	return rc < 0 ? diag_set(d, rc, JOURNAL_DIR_SPARE, -1, "give the spare up") : 1;
}

/* The spare's descriptor, made now if need be; it stays SPARE_BUSY until it has another name. */
static int take_spare(struct store_writer *w, struct diag *d)
{
	int fd = -1;

	pthread_mutex_lock(&w->lock);
	while (w->spare == SPARE_BUSY)
		pthread_cond_wait(&w->changed, &w->lock);
	if (w->spare == SPARE_READY)
		fd = w->spare_fd;
	w->spare = SPARE_BUSY;
	pthread_mutex_unlock(&w->lock);
	if (fd >= 0)
		return fd;
	fd = make_spare(w, d);
	if (fd < 0)
		set_spare(w, SPARE_NONE, -1);
	return fd;
}

/* ---- files ---- */

static int name_file(struct store_writer *w, uint64_t seq, struct diag *d)
{
	const struct vfs *v = vfs_of(w);
	char name[JOURNAL_READER_NAME_BYTES];
	int rc;

	journal_reader_name(seq, name);
	rc = v->rename(v->ctx, w->r.dir, JOURNAL_DIR_SPARE, name);
	if (rc == 0) {
		atomic_fetch_add(&w->files_count, 1);
		rc = v->fsync(v->ctx, w->journal_dir);
	}
	return rc < 0 ? diag_set(d, rc, name, -1, "give the journal file its name") : 0;
}

/* Goes on in a new file behind `from`. -ENOSPC, ERR_LIMIT: nothing has changed. */
static int begin_file(struct store_writer *w, const struct journal_pos *from, struct diag *d)
{
	struct journal_head h = {
		.seq = w->next_seq,
		.first_id = from->next_id,
		.prev_seq = from->seq,
		.prev_off = from->off,
		.prev_sum = from->sum,
		.file_bytes = w->file_bytes,
		.created_ns = clock_wall_ns(),
	};
	int fd = take_spare(w, d);
	int rc;

	if (fd < 0)
		return fd;
	memcpy(h.uuid, w->r.format.uuid, sizeof h.uuid);
	if (getrandom(&h.salt, sizeof h.salt, 0) != (ssize_t)sizeof h.salt)
		h.salt = (uint64_t)clock_wall_ns() * 0x9e3779b97f4a7c15;
	w->dead = true;
	/* Its number is not used again, even if it comes to nothing. */
	w->next_seq++;
	rc = journal_writer_begin(w->jw, fd, &h, d);
	if (rc == 0)
		rc = name_file(w, h.seq, d);
	if (rc < 0)
		vfs_of(w)->unlink(vfs_of(w)->ctx, w->r.dir, JOURNAL_DIR_SPARE);
	set_spare(w, SPARE_NONE, -1);
	w->dead = rc < 0;
	return rc;
}

/* -ENOSPC and ERR_LIMIT leave the old file as it was, and in use. */
static int rotate(struct store_writer *w, struct diag *d)
{
	struct journal_pos from = *journal_writer_pos(w->jw);
	int rc = journal_writer_sync(w->jw, d);

	if (rc < 0)
		w->dead = true;
	else
		rc = begin_file(w, &from, d);
	if (rc == 0 && !w->in_frame)
		w->whole = *journal_writer_pos(w->jw);
	return rc;
}

/* ---- opening ---- */

static int start_journal(struct store_writer *w, struct diag *d)
{
	const struct vfs *v = vfs_of(w);
	char name[JOURNAL_READER_NAME_BYTES];
	int fd;

	w->journal_dir = v->open(v->ctx, w->r.dir, "journal", O_RDONLY | O_DIRECTORY, 0);
	if (w->journal_dir < 0)
		return diag_set(d, w->journal_dir, "journal", -1, "open the folder");
	if (w->r.begin)
		return begin_file(w, &w->r.end, d);
	journal_reader_name(w->r.end.seq, name);
	fd = v->open(v->ctx, w->r.dir, name, O_RDWR, 0);
	if (fd < 0)
		return diag_set(d, fd, name, -1, "open the journal file for writing");
	return journal_writer_resume(w->jw, fd, &w->r.head, &w->r.end, d);
}

static void publish(struct store_writer *w)
{
	struct ctl_commit c = {
		.file_seq = w->committed.seq,
		.off = w->committed.off,
		.id = w->committed.next_id - 1,
	};

	atomic_store(&w->committed_seq, c.file_seq);
	ctl_publish_commit(w->r.ctl, &c);
}

static int new_writer(const struct store_conf *conf, struct store_writer **out, struct diag *d)
{
	struct store_writer *w = calloc(1, sizeof *w);

	if (!w)
		return diag_set(d, -ENOMEM, conf->dir, -1, "open the store");
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	w->r.dir = w->r.lock_fd = -1;
	w->r.vfs = conf->vfs ? conf->vfs : vfs_real();
	w->journal_dir = -1;
	w->spare_fd = -1;
	w->file_bytes =
		conf->journal_file_bytes ? conf->journal_file_bytes : LIMIT_JOURNAL_FILE_BYTES;
	*out = w;
	return 0;
}

int store_writer_open(const struct store_conf *conf, struct store_writer **out, struct diag *d)
{
	struct store_writer *w = NULL;
	int rc = new_writer(conf, &w, d);

	if (rc < 0)
		return rc;
	if (w->file_bytes < LIMIT_JOURNAL_FILE_BYTES_MIN || w->file_bytes > INT32_MAX) {
		rc = diag_set(d, ERR_RANGE, conf->dir, -1,
			"use journal files of %" PRIu64 " bytes (at least %d)", w->file_bytes,
			LIMIT_JOURNAL_FILE_BYTES_MIN);
		goto done;
	}
	rc = recover_open(conf, &w->r, d);
	if (rc < 0)
		goto done;
	w->next_seq = w->r.seq_max + 1;
	atomic_store(&w->files_count, w->r.files_count);
	if (journal_writer_new(w->r.vfs, &w->jw) < 0)
		rc = diag_set(d, -ENOMEM, conf->dir, -1, "open the store");
	if (rc == 0)
		rc = start_journal(w, d);
	if (rc < 0)
		goto done;
	w->committed = w->whole = *journal_writer_pos(w->jw);
	publish(w);
	ctl_started(w->r.ctl, clock_wall_ns());
done:
	if (rc < 0)
		store_writer_close(&w);
	else
		*out = w;
	return rc;
}

/* Whether the journal ends where it is committed: nothing failed, nothing was left behind it. */
static bool ends_committed(const struct store_writer *w)
{
	const struct journal_pos *pos;

	if (!w->jw || w->dead || w->in_frame)
		return false;
	pos = journal_writer_pos(w->jw);
	return pos->seq == w->committed.seq && pos->off == w->committed.off;
}

void store_writer_close(struct store_writer **wp)
{
	struct store_writer *w = *wp;
	const struct vfs *v;

	if (!w)
		return;
	v = vfs_of(w);
	if (w->r.ctl && ctl_starts(w->r.ctl) % 2 == 0 && ends_committed(w))
		ctl_end(w->r.ctl);
	else if (w->r.ctl)
		ctl_sync(w->r.ctl);
	journal_writer_free(&w->jw);
	if (w->spare == SPARE_READY) {
		v->close(v->ctx, w->spare_fd);
		v->unlink(v->ctx, w->r.dir, JOURNAL_DIR_SPARE);
	}
	if (w->journal_dir >= 0)
		v->close(v->ctx, w->journal_dir);
	recover_close(&w->r);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
	*wp = NULL;
}

/* ---- appending ---- */

/* The cause becomes part of the text, for the code says only what to do. */
static int die(struct store_writer *w, int cause, struct diag *d)
{
	w->dead = true;
	if (d) {
		struct diag why = *d;

		diag_set(d, ERR_JOURNAL_DEAD, why.file, why.off, "%.200s: %s", why.text,
			err_text(cause));
	}
	return ERR_JOURNAL_DEAD;
}

int store_writer_append(struct store_writer *w, const struct store_batch *b, struct diag *d)
{
	uint64_t id_mask = (UINT64_C(1) << 48) - 1;
	int rc;

	if (w->dead)
		return diag_set(d, ERR_JOURNAL_DEAD, "journal", -1, "append after a failure");
	if ((store_writer_next(w) & id_mask) + b->rows_count > id_mask)
		return diag_set(d, ERR_LIMIT, "journal", -1, "give more ids than there are");
	rc = journal_writer_put(w->jw, b, d);
	if (rc == JOURNAL_WRITER_FULL) {
		rc = rotate(w, d);
		if (rc < 0)
			return w->dead ? die(w, rc, d) : rc;
		rc = journal_writer_put(w->jw, b, d);
		ASSERT(rc != JOURNAL_WRITER_FULL);
	}
	if (rc < 0)
		return die(w, rc, d);
	w->in_frame = b->more;
	if (!w->in_frame)
		w->whole = *journal_writer_pos(w->jw);
	return 0;
}

int store_writer_commit(struct store_writer *w, uint64_t *out_committed, struct diag *d)
{
	int rc;

	if (w->dead)
		return diag_set(d, ERR_JOURNAL_DEAD, "journal", -1, "commit after a failure");
	rc = journal_writer_sync(w->jw, d);
	if (rc < 0)
		return die(w, rc, d);
	ASSERT(w->whole.next_id >= w->committed.next_id);
	if (w->whole.next_id != w->committed.next_id) {
		w->committed = w->whole;
		publish(w);
	}
	*out_committed = store_writer_committed(w);
	return 0;
}

/* Files begun since the last commit: nothing in them counts, and their room may be needed. */
static void remove_later(struct store_writer *w)
{
	const struct vfs *v = vfs_of(w);

	for (uint64_t seq = w->next_seq - 1; seq > w->committed.seq; seq--) {
		char name[JOURNAL_READER_NAME_BYTES];

		if (v->unlink(v->ctx, w->r.dir, journal_reader_name(seq, name)) == 0)
			atomic_fetch_sub(&w->files_count, 1);
	}
}

int store_writer_restart(struct store_writer *w, struct diag *d)
{
	int rc;

	if (!w->dead && journal_writer_pos(w->jw)->seq == w->committed.seq) {
		rc = journal_writer_rewind(w->jw, &w->committed, d);
		w->dead = rc < 0;
	}
	if (w->dead || journal_writer_pos(w->jw)->seq != w->committed.seq) {
		w->dead = true;
		journal_writer_end(w->jw);
		remove_later(w);
		rc = begin_file(w, &w->committed, d);
		if (rc < 0)
			return rc;
	}
	w->in_frame = false;
	w->whole = *journal_writer_pos(w->jw);
	return 0;
}

/* ---- retiring ---- */

int store_writer_retire(struct store_writer *w, uint64_t sealed_id, struct diag *d)
{
	const struct vfs *v = vfs_of(w);
	uint64_t keep = atomic_load(&w->committed_seq);
	struct journal_dir files;
	uint64_t before = 0;
	int rc = journal_dir_load(v, w->r.dir, w->r.format.uuid, &files, NULL, d);

	if (rc < 0)
		return rc;
	/* Everything before the last file that begins at or before the first unsealed id. */
	for (size_t i = journal_dir_next(&files, SIZE_MAX); i != SIZE_MAX;
		i = journal_dir_next(&files, i)) {
		if (files.files[i].seq <= keep && files.files[i].head.first_id <= sealed_id + 1)
			before = files.files[i].seq;
	}
	if (files.files_count > 0 && files.files[0].seq < before)
		rc = chunk_log_take(&w->r.chunk_log, before, d);
	for (size_t i = 0; rc == 0 && i < files.files_count && files.files[i].seq < before; i++) {
		char name[JOURNAL_READER_NAME_BYTES];

		rc = v->unlink(v->ctx, w->r.dir, journal_reader_name(files.files[i].seq, name));
		if (rc < 0 && rc != -ENOENT) {
			diag_set(d, rc, name, -1, "remove a journal file that is sealed");
			break;
		}
		rc = 0;
		atomic_fetch_sub(&w->files_count, 1);
	}
	journal_dir_free(&files);
	return rc;
}

/* ---- asking ---- */

void store_writer_beat(struct store_writer *w)
{
	ctl_beat(w->r.ctl, clock_wall_ns());
}

uint64_t store_writer_committed(const struct store_writer *w)
{
	return w->committed.next_id - 1;
}

uint64_t store_writer_next(const struct store_writer *w)
{
	return journal_writer_pos(w->jw)->next_id;
}

struct chunkset *store_writer_chunks(struct store_writer *w)
{
	return &w->r.chunks;
}

const struct store_recovery *store_writer_recovery(const struct store_writer *w)
{
	return &w->r.report;
}
