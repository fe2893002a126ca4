/*
 * REDACTION FILE                                 DATA/redact/<number, 16 hex digits>.ids or .done
 *   off size
 *    0    8  magic        "ASTRORED"
 *    8    2  version      1                      10 2 compat       12 4 incompat
 *   16   16  uuid         of the store
 *   32    8  number       as in the name
 *   40    8  created      ns since 1970
 *   48    8  ids          how many
 *   56    8  first id     64 8 last id
 *   72    8  body bytes   runs of ids, behind the reason
 *   80    4  reason bytes
 *   84   20  reserved     zero
 *  104    8  body sum     XXH3-64 of reason and runs
 *  112    8  head sum     XXH3-64 of bytes 0..111
 *  120       reason, then the runs: varint ids skipped since the run before (at first: since 0),
 *            varint length of the run less 1
 * and all of that once more: a copy, should the first be damaged.
 * Valid:  both sums of one copy hold, and the runs add up to what the head says.
 * Crash:  made under tmp/, synced, renamed, the directory synced: whole or not there.
 */
#include "storage/redact.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/buf.h"
#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "storage/vfs_file.h"

#define MAGIC    "ASTRORED"
#define TMP_NAME "tmp/redact-new"

enum {
	VERSION = 1,
	HEAD_BYTES = 120,
	HEAD_SUM_OFF = 112,
	NAME_DIGITS = 16,
	NAME_BYTES = 64,
};

struct redact_set {
	_Atomic uint32_t refs;
	struct idset ids;
};

/* ---- names ---- */

static const char *path_of(const struct redact_info *info, char dst[NAME_BYTES])
{
	snprintf(dst, NAME_BYTES, REDACT_DIR "/%016" PRIx64 ".%s", info->number,
		info->done ? "done" : "ids");
	return dst;
}

/* The number in "<16 hex digits>.ids" or ".done"; 0: no such name. */
static uint64_t number_of(const char *name, bool *out_done)
{
	uint64_t number = 0;

	for (int i = 0; i < NAME_DIGITS; i++) {
		const char *digits = "0123456789abcdef", *at = strchr(digits, name[i]);

		if (name[i] == '\0' || !at)
			return 0;
		number = number << 4 | (uint64_t)(at - digits);
	}
	*out_done = strcmp(name + NAME_DIGITS, ".done") == 0;
	return *out_done || strcmp(name + NAME_DIGITS, ".ids") == 0 ? number : 0;
}

/* ---- bytes ---- */

static void put_varint(struct buf *b, uint64_t v)
{
	uint8_t bytes[10];
	struct wcur w = wcur_of(bytes, sizeof bytes);

	wcur_varint(&w, v);
	ASSERT(w.err == 0);
	buf_put(b, bytes, (size_t)(w.p - bytes));
}

static void put_runs(struct buf *b, const struct idset *ids, struct redact_info *info)
{
	uint64_t from = 0, first, last;

	while (idset_run(ids, from, UINT64_MAX, &first, &last)) {
		put_varint(b, first - from);
		put_varint(b, last - first);
		if (info->ids_count == 0)
			info->id_min = first;
		info->ids_count += last - first + 1;
		info->id_max = last;
		if (last == UINT64_MAX)
			break;
		from = last + 1;
	}
}

static void put_head(uint8_t head[HEAD_BYTES], const uint8_t *uuid, const struct redact_info *info,
	struct span body)
{
	struct wcur w = wcur_of(head, HEAD_BYTES);
	size_t reason = strlen(info->reason);

	ASSERT(body.n >= reason);
	memset(head, 0, HEAD_BYTES);
	wcur_bytes(&w, MAGIC, 8);
	wcur_le16(&w, VERSION);
	wcur_room(&w, 6);
	wcur_bytes(&w, uuid, 16);
	wcur_le64(&w, info->number);
	wcur_le64(&w, (uint64_t)info->created_ns);
	wcur_le64(&w, info->ids_count);
	wcur_le64(&w, info->id_min);
	wcur_le64(&w, info->id_max);
	wcur_le64(&w, body.n - reason);
	wcur_le32(&w, (uint32_t)reason);
	wcur_room(&w, 20);
	wcur_le64(&w, XXH3_64bits(body.p, body.n));
	wcur_le64(&w, XXH3_64bits(head, HEAD_SUM_OFF));
	ASSERT(w.err == 0);
	ASSERT(w.p == head + HEAD_BYTES);
}

static int get_runs(struct span runs, const struct redact_info *info, struct idset *ids)
{
	struct rcur c = rcur_of(runs.p, runs.n);
	uint64_t from = 0, count = 0, last = 0;

	while (rcur_left(&c) > 0) {
		uint64_t skipped = rcur_varint(&c), more = rcur_varint(&c), first;
		int rc = 0;

		if (c.err || __builtin_add_overflow(from, skipped, &first) ||
			__builtin_add_overflow(first, more, &last))
			return ERR_CORRUPT;
		if (count == 0 && first != info->id_min)
			return ERR_CORRUPT;
		count += more + 1;
		/* Ids beyond the head's count would be added for nothing: a run may claim 2^64. */
		if (more >= info->ids_count || count > info->ids_count)
			return ERR_CORRUPT;
		for (uint64_t id = first; rc >= 0 && id - first <= more; id++)
			rc = ids ? idset_add(ids, id) : 0;
		if (rc < 0)
			return rc;
		if (last == UINT64_MAX)
			break;
		from = last + 1;
	}
	return c.err || count != info->ids_count || last != info->id_max ? ERR_CORRUPT : 0;
}

struct head {
	struct redact_info info;
	size_t reason_bytes;
	uint64_t runs_bytes;
	uint64_t body_sum;
};

/* Moves c behind the head. */
static int get_head(struct rcur *c, const uint8_t *uuid, struct head *out)
{
	const uint8_t *start = c->p;
	struct span magic = rcur_bytes(c, 8), store;
	uint16_t version = rcur_le16(c);
	uint32_t incompat;

	rcur_le16(c);
	incompat = rcur_le32(c);
	store = rcur_bytes(c, 16);
	out->info.number = rcur_le64(c);
	out->info.created_ns = (int64_t)rcur_le64(c);
	out->info.ids_count = rcur_le64(c);
	out->info.id_min = rcur_le64(c);
	out->info.id_max = rcur_le64(c);
	out->runs_bytes = rcur_le64(c);
	out->reason_bytes = rcur_le32(c);
	rcur_bytes(c, 20);
	out->body_sum = rcur_le64(c);
	if (rcur_le64(c) != XXH3_64bits(start, c->err ? 0 : HEAD_SUM_OFF) || c->err)
		return ERR_CORRUPT;
	if (memcmp(magic.p, MAGIC, 8) != 0 || (uuid && memcmp(store.p, uuid, 16) != 0))
		return ERR_CORRUPT;
	if (version > VERSION || incompat != 0)
		return ERR_TOO_NEW;
	if (out->reason_bytes > LIMIT_REDACT_REASON || out->info.ids_count == 0)
		return ERR_CORRUPT;
	return out->info.ids_count > LIMIT_REDACT_IDS ? ERR_LIMIT : 0;
}

int redact_decode_copy(
	struct span copy, const uint8_t *uuid, struct redact_info *out, struct idset *ids)
{
	struct rcur c = rcur_of(copy.p, copy.n);
	struct head h = { 0 };
	struct span body;
	int rc = get_head(&c, uuid, &h);

	if (rc < 0)
		return rc;
	body = rcur_bytes(&c, rcur_left(&c));
	if (body.n < h.reason_bytes || body.n - h.reason_bytes != h.runs_bytes ||
		XXH3_64bits(body.p, body.n) != h.body_sum)
		return ERR_CORRUPT;
	rc = get_runs(span_of(body.p + h.reason_bytes, body.n - h.reason_bytes), &h.info, ids);
	if (rc < 0)
		return rc;
	memcpy(h.info.reason, body.p, h.reason_bytes);
	h.info.reason[h.reason_bytes] = '\0';
	h.info.done = out->done;
	*out = h.info;
	return 0;
}

int redact_decode(struct span file, const uint8_t *uuid, const char *name, struct redact_info *out,
	struct idset *ids, struct diag *d)
{
	int rc = file.n % 2 == 0 ? redact_decode_copy(span_of(file.p, file.n / 2), uuid, out, ids)
				 : ERR_CORRUPT;

	if (rc == ERR_CORRUPT && file.n % 2 == 0)
		rc = redact_decode_copy(span_of(file.p + file.n / 2, file.n / 2), uuid, out, ids);
	return rc < 0 ? diag_set(d, rc, name, 0, "the record of deleted events") : 0;
}

/* ---- writing ---- */

struct search {
	uint64_t number;
	size_t count;
};

static int see_number(void *arg, const char *name)
{
	struct search *s = arg;
	bool done;
	uint64_t number = number_of(name, &done);

	s->number = number > s->number ? number : s->number;
	s->count += number > 0;
	return 0;
}

static int write_file(const struct vfs *v, int dir, const struct buf *b, const char *path)
{
	int fd = v->open(v->ctx, dir, TMP_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0640);
	int rc = fd;

	if (fd < 0)
		return rc;
	rc = v->pwrite_all(v->ctx, fd, b->p, b->len, 0);
	if (rc == 0)
		rc = v->pwrite_all(v->ctx, fd, b->p, b->len, b->len);
	if (rc == 0)
		rc = v->fsync(v->ctx, fd);
	v->close(v->ctx, fd);
	return rc < 0 ? rc : v->rename(v->ctx, dir, TMP_NAME, path);
}

/* The folder is made by the first order. */
static int make_folder(const struct vfs *v, int dir)
{
	int rc = v->mkdir(v->ctx, dir, REDACT_DIR, 0750);

	return rc == -EEXIST ? 0 : rc;
}

static int add_ids(struct idset *s, const struct idset *ids)
{
	uint64_t from = 0, id;

	while (idset_next(ids, from, &id)) {
		int rc = idset_add(s, id);

		if (rc < 0)
			return rc;
		if (id == UINT64_MAX)
			break;
		from = id + 1;
	}
	return 0;
}

/* What readers could not load beside the orders there are would leave them without an answer. */
static int check_room(const struct vfs *vfs, int dir, const uint8_t *uuid, const struct idset *ids,
	size_t orders_count)
{
	struct redact_set *open = NULL;
	struct idset alone;
	int rc = orders_count < LIMIT_REDACT_FILES ? 0 : ERR_LIMIT;

	idset_init(&alone, LIMIT_REDACT_BYTES);
	if (rc == 0)
		rc = redact_set_load(vfs, dir, uuid, &open, NULL);
	if (rc == 0)
		rc = add_ids(open ? &open->ids : &alone, ids);
	redact_set_unref(&open);
	idset_fini(&alone);
	return rc;
}

int redact_write(const struct vfs *vfs, int dir, const uint8_t *uuid, const struct idset *ids,
	struct span reason, int64_t now_ns, struct redact_info *out, struct diag *d)
{
	size_t reason_bytes = reason.n < LIMIT_REDACT_REASON ? reason.n : LIMIT_REDACT_REASON;
	struct redact_info info = { .created_ns = now_ns };
	struct search last = { 0 };
	uint8_t head[HEAD_BYTES] = { 0 };
	char path[NAME_BYTES];
	struct buf b;
	int rc = make_folder(vfs, dir);

	ASSERT(ids->count > 0);
	if (reason_bytes)
		memcpy(info.reason, reason.p, reason_bytes);
	reason_bytes = strlen(info.reason);
	/* The file holds it twice. */
	buf_init(&b, LIMIT_REDACT_FILE_BYTES / 2);
	buf_put(&b, head, sizeof head);
	buf_put(&b, info.reason, reason_bytes);
	put_runs(&b, ids, &info);
	if (rc == 0)
		rc = info.ids_count > LIMIT_REDACT_IDS ? ERR_LIMIT : b.err;
	if (rc == 0)
		rc = vfs->list(vfs->ctx, dir, REDACT_DIR, see_number, &last);
	if (rc == 0)
		rc = check_room(vfs, dir, uuid, ids, last.count);
	if (rc == 0) {
		info.number = last.number + 1;
		put_head(head, uuid, &info, span_of(b.p + HEAD_BYTES, b.len - HEAD_BYTES));
		memcpy(b.p, head, sizeof head);
		rc = write_file(vfs, dir, &b, path_of(&info, path));
	}
	if (rc == 0)
		rc = vfs_file_sync_dir(vfs, dir, REDACT_DIR);
	if (rc == 0)
		rc = vfs_file_sync_dir(vfs, dir, ".");
	buf_fini(&b);
	if (rc < 0)
		return diag_set(d, rc, REDACT_DIR, -1, "write the record of deleted events");
	*out = info;
	return 0;
}

int redact_finish(const struct vfs *vfs, int dir, struct redact_info *info, struct diag *d)
{
	char from[NAME_BYTES], to[NAME_BYTES];
	struct redact_info done = *info;
	int rc;

	ASSERT(!info->done);
	done.done = true;
	rc = vfs->rename(vfs->ctx, dir, path_of(info, from), path_of(&done, to));
	if (rc == 0)
		rc = vfs_file_sync_dir(vfs, dir, REDACT_DIR);
	if (rc < 0)
		return diag_set(d, rc, from, -1, "mark a deletion as done");
	info->done = true;
	return 0;
}

/* ---- reading ---- */

struct name {
	uint64_t number;
	bool done;
};

struct names {
	struct name *list;
	size_t count;
	size_t cap;
};

static int see_name(void *arg, const char *name)
{
	struct names *n = arg;
	bool done = false;
	uint64_t number = number_of(name, &done);

	if (number == 0)
		return 0;
	if (n->count == LIMIT_REDACT_FILES)
		return ERR_LIMIT;
	if (n->count == n->cap) {
		size_t cap = n->cap ? n->cap * 2 : 16;
		struct name *grown = realloc(n->list, cap * sizeof *grown);

		if (!grown)
			return -ENOMEM;
		n->list = grown;
		n->cap = cap;
	}
	n->list[n->count++] = (struct name){ number, done };
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static int list_names(const struct vfs *v, int dir, struct names *out, struct diag *d)
{
	int rc = v->list(v->ctx, dir, REDACT_DIR, see_name, out);

	/* No order was ever given. */
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return diag_set(d, rc, REDACT_DIR, -1, "list the deletions");
	if (out->count)
		qsort(out->list, out->count, sizeof *out->list, by_number);
	return 0;
}

/* Its ids are added to `ids`, which may be NULL. -ENOENT: it has another name by now. */
static int read_order(const struct vfs *v, int dir, const uint8_t *uuid, struct redact_info *info,
	struct idset *ids, struct diag *d)
{
	struct redact_info named = *info;
	char path[NAME_BYTES];
	struct buf b;
	int rc;

	buf_init(&b, LIMIT_REDACT_FILE_BYTES);
	rc = vfs_file_read(v, dir, path_of(info, path), &b);
	if (rc < 0)
		diag_set(d, rc, path, -1, "read the record of deleted events");
	else
		rc = redact_decode(buf_span(&b), uuid, path, info, ids, d);
	buf_fini(&b);
	if (rc == 0 && info->number != named.number)
		rc = diag_set(d, ERR_CORRUPT, path, 32, "the name of another record");
	return rc;
}

/* Between the listing and the read an order may have been done: its name is another one then. */
static int read_named(const struct vfs *v, int dir, const uint8_t *uuid, const struct name *name,
	struct redact_info *info, struct idset *ids, struct diag *d)
{
	int rc;

	*info = (struct redact_info){ .number = name->number, .done = name->done };
	rc = read_order(v, dir, uuid, info, ids, d);

	if (rc == -ENOENT && !info->done) {
		info->done = true;
		rc = read_order(v, dir, uuid, info, ids, d);
	}
	return rc;
}

int redact_each(const struct vfs *vfs, int dir, const uint8_t *uuid, redact_cb cb,
	void (*damaged)(void *arg, const struct diag *why), void *arg, struct diag *d)
{
	struct names names = { 0 };
	int rc = list_names(vfs, dir, &names, d);

	for (size_t i = 0; i < names.count && rc == 0; i++) {
		struct redact_info info;
		struct diag why = { 0 };
		struct idset ids;

		idset_init(&ids, LIMIT_REDACT_BYTES);
		rc = read_named(vfs, dir, uuid, &names.list[i], &info, &ids, &why);
		if (rc == 0)
			rc = cb(arg, &info, &ids);
		else if (rc == ERR_CORRUPT && damaged)
			damaged(arg, &why), rc = 0;
		else if (d)
			*d = why;
		idset_fini(&ids);
	}
	free(names.list);
	return rc;
}

int redact_set_load(const struct vfs *vfs, int dir, const uint8_t *uuid, struct redact_set **out,
	struct diag *d)
{
	struct names names = { 0 };
	struct redact_set *s = NULL;
	int rc = list_names(vfs, dir, &names, d);

	for (size_t i = 0; i < names.count && rc == 0; i++) {
		struct redact_info info;

		if (names.list[i].done)
			continue;
		if (!s) {
			s = calloc(1, sizeof *s);
			if (!s) {
				rc = diag_set(d, -ENOMEM, REDACT_DIR, -1, "load the deletions");
				break;
			}
			atomic_init(&s->refs, 1);
			idset_init(&s->ids, LIMIT_REDACT_BYTES);
		}
		rc = read_named(vfs, dir, uuid, &names.list[i], &info, &s->ids, d);
	}
	free(names.list);
	if (rc < 0)
		redact_set_unref(&s);
	else
		*out = s;
	return rc;
}

struct redact_set *redact_set_ref(struct redact_set *s)
{
	if (s)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void redact_set_unref(struct redact_set **at)
{
	struct redact_set *s = *at;

	*at = NULL;
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	idset_fini(&s->ids);
	free(s);
}

bool redact_set_has(const struct redact_set *s, uint64_t id)
{
	return s && idset_has(&s->ids, id);
}

bool redact_set_any(const struct redact_set *s, uint64_t from, uint64_t to)
{
	uint64_t id;

	return s && idset_next(&s->ids, from, &id) && id <= to;
}
