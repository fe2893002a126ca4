#include "storage/manifest_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"

enum {
	COPIES = MANIFEST_STATE_COPIES,
	NAME_BYTES = MANIFEST_STATE_NAME_BYTES,
	FILE_BYTES_MAX = 256 << 20,
};

const char *manifest_state_name(uint64_t number, int copy, char dst[NAME_BYTES])
{
	snprintf(dst, NAME_BYTES, "manifest-%" PRIu64 "%s", number, copy ? ".b" : "");
	return dst;
}

uint64_t manifest_state_number(const char *name)
{
	static const char prefix[] = "manifest-";
	const char *p = name + sizeof prefix - 1;
	uint64_t n = 0;

	if (strncmp(name, prefix, sizeof prefix - 1) != 0 || *p < '1' || *p > '9')
		return 0;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (n > UINT64_MAX / 10 - 1)
			return 0;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	return *p == 0 || strcmp(p, ".b") == 0 ? n : 0;
}

void manifest_state_fini(struct manifest_state *st)
{
	free(st->segs);
	memset(st, 0, sizeof *st);
}

static int room(struct manifest_state *st, size_t more)
{
	size_t need = st->segs_count + more;
	struct manifest_segment *p;

	if (need <= st->segs_cap)
		return 0;
	need += need / 2 + 16;
	p = realloc(st->segs, need * sizeof *p);
	if (!p)
		return -ENOMEM;
	st->segs = p;
	st->segs_cap = need;
	return 0;
}

size_t manifest_state_find(const struct manifest_state *st, uint64_t no)
{
	size_t lo = 0, hi = st->segs_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (st->segs[mid].no < no)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < st->segs_count && st->segs[lo].no == no ? lo : SIZE_MAX;
}

static bool all_live(const struct manifest_state *st, const uint64_t *drops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (manifest_state_find(st, drops[i]) == SIZE_MAX)
			return false;
	}
	return true;
}

/* Marks with no rows, then closes the holes: the drops need no order. */
static void drop(struct manifest_state *st, const uint64_t *drops, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		st->segs[manifest_state_find(st, drops[i])].rows_count = 0;
	for (size_t i = 0; i < st->segs_count; i++) {
		if (st->segs[i].rows_count > 0)
			st->segs[kept++] = st->segs[i];
	}
	st->segs_count = kept;
}

static bool continues(const struct manifest_state *st, const struct manifest_rec *rec)
{
	if (rec->changes != st->changes + 1 || rec->prev_sum != st->sum)
		return false;
	if (rec->sealed_id < st->sealed_id || rec->next_no < st->next_no)
		return false;
	return rec->adds_count == 0 || rec->adds[0].no >= st->next_no;
}

int manifest_state_apply(struct manifest_state *st, const struct manifest_rec *rec)
{
	int rc;

	if (!rec->base && !continues(st, rec))
		return ERR_CORRUPT;
	if (rec->base && rec->drops_count > 0)
		return ERR_CORRUPT;
	if (!all_live(st, rec->drops, rec->drops_count))
		return ERR_CORRUPT;
	rc = room(st, rec->adds_count);
	if (rc < 0)
		return rc;
	if (rec->base)
		st->segs_count = 0;
	drop(st, rec->drops, rec->drops_count);
	for (size_t i = 0; i < rec->adds_count; i++)
		st->segs[st->segs_count++] = rec->adds[i];
	st->changes = rec->changes;
	st->sealed_id = rec->sealed_id;
	st->next_no = rec->next_no;
	return 0;
}

int manifest_state_copy(const struct manifest_state *from, size_t more, struct manifest_state *out)
{
	struct manifest_state st = *from;

	st.segs = NULL;
	st.segs_cap = 0;
	st.segs_count = 0;
	if (room(&st, from->segs_count + more) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < from->segs_count; i++)
		st.segs[st.segs_count++] = from->segs[i];
	*out = st;
	return 0;
}

/* ---- reading ---- */

/* The bytes of one copy from some offset on; empty when it is missing. */
struct copy {
	uint8_t *p;
	size_t n;
	bool missing;
	bool behind; /* it ends before the offset it was to be read from */
};

static int read_copy(const struct manifest_files *f, const char *name, uint64_t from,
	struct copy *out, struct diag *d)
{
	const struct vfs *v = f->vfs;
	struct vfs_stat stat;
	ssize_t n;
	int fd = v->open(v->ctx, f->dir, name, O_RDONLY, 0);
	int rc;

	*out = (struct copy){ .missing = fd == -ENOENT };
	if (fd < 0)
		return fd == -ENOENT ? 0 : diag_set(d, fd, name, -1, "open the manifest");
	rc = v->fstat(v->ctx, fd, &stat);
	if (rc == 0 && stat.bytes > FILE_BYTES_MAX)
		rc = ERR_LIMIT;
	out->behind = rc == 0 && stat.bytes < from;
	if (rc < 0 || stat.bytes <= from)
		goto done;
	out->n = (size_t)(stat.bytes - from);
	out->p = malloc(out->n);
	n = out->p ? v->pread(v->ctx, fd, out->p, out->n, from) : -ENOMEM;
	if (n < 0) {
		rc = (int)n;
		free(out->p);
		*out = (struct copy){ 0 };
	} else {
		out->n = (size_t)n;
	}
done:
	v->close(v->ctx, fd);
	return rc < 0 ? diag_set(d, rc, name, (int64_t)from, "read the manifest") : 0;
}

/* The header of a copy read from 0: ERR_CORRUPT also where it is another store's or number's. */
static int check_head(const struct manifest_files *f, const struct copy *c, uint64_t number)
{
	uint8_t uuid[LAYOUT_UUID_BYTES];
	uint64_t is;
	int rc;

	if (c->n == 0)
		return ERR_CORRUPT;
	rc = manifest_record_get_head(c->p, c->n, uuid, &is);
	if (rc == ERR_TRUNCATED)
		rc = ERR_CORRUPT;
	if (rc < 0)
		return rc;
	return is == number && memcmp(uuid, f->uuid, sizeof uuid) == 0 ? 0 : ERR_CORRUPT;
}

/* True when a record that holds begins anywhere in the bytes: what stands before it was durable. */
static bool any_record(const struct copy *c, uint64_t number, uint64_t off, size_t from)
{
	for (size_t at = from; at + LAYOUT_CHANGE_HEAD_BYTES <= c->n; at += 8) {
		struct manifest_rec rec;

		if (manifest_record_get(c->p + at, c->n - at, number, off + at, &rec) == 0) {
			manifest_record_free(&rec);
			return true;
		}
	}
	return false;
}

static void note_damage(
	struct manifest_files *f, const struct manifest_state *st, int copy, const char *what)
{
	char name[NAME_BYTES];

	f->unsound = true;
	if (f->damage.code == 0)
		diag_set(&f->damage, ERR_CORRUPT, manifest_state_name(st->number, copy, name),
			(int64_t)st->bytes, "%s; the other copy stands in", what);
}

static int record_at(
	const struct copy *c, size_t at, const struct manifest_state *st, struct manifest_rec *rec)
{
	if (at >= c->n)
		return ERR_TRUNCATED;
	return manifest_record_get(c->p + at, c->n - at, st->number, st->bytes, rec);
}

/* The record that follows, from the first copy that has it. 1: taken, 0: none has it. */
static int pick(struct manifest_files *f, const struct manifest_state *st,
	const struct copy copies[COPIES], size_t at, struct manifest_rec *rec)
{
	const struct copy *b = &copies[1];
	int rc = record_at(&copies[0], at, st, rec);

	if (rc == 0) {
		if (b->n < at + rec->bytes)
			f->unsound = true;
		else if (memcmp(copies[0].p + at, b->p + at, rec->bytes) != 0)
			note_damage(f, st, 1, "a record is damaged");
		return 1;
	}
	if (rc != ERR_CORRUPT && rc != ERR_TRUNCATED)
		return rc;
	rc = record_at(b, at, st, rec);
	if (rc == 0) {
		note_damage(f, st, 0, "a record is damaged or missing");
		return 1;
	}
	return rc == ERR_CORRUPT || rc == ERR_TRUNCATED ? 0 : rc;
}

/*
 * Replays what stands in the copies, which begin at st->bytes, into st. ERR_CORRUPT: a record is lost
 * in both, for one that holds stands further on.
 */
static int replay(struct manifest_files *f, struct manifest_state *st,
	const struct copy copies[COPIES], struct diag *d)
{
	uint64_t start = st->bytes;
	char name[NAME_BYTES];
	struct manifest_rec rec;
	int rc;

	manifest_state_name(st->number, 0, name);
	while ((rc = pick(f, st, copies, (size_t)(st->bytes - start), &rec)) == 1) {
		if (st->bytes == LAYOUT_MANIFEST_HEAD_BYTES && !rec.base)
			rc = ERR_CORRUPT;
		else
			rc = manifest_state_apply(st, &rec);
		manifest_record_free(&rec);
		if (rc < 0)
			break;
		st->bytes += rec.bytes;
		st->sum = rec.head_sum;
	}
	if (rc < 0)
		return diag_set(d, rc, name, (int64_t)st->bytes, "read a record of the manifest");
	for (int i = 0; i < COPIES; i++) {
		size_t at = (size_t)(st->bytes - start);

		if (copies[i].n > at) {
			f->unsound = true;
			if (any_record(&copies[i], st->number, start, at))
				return diag_set(d, ERR_CORRUPT, name, (int64_t)st->bytes,
					"a record is lost in both copies of the manifest");
		}
	}
	return 0;
}

int manifest_state_load(
	struct manifest_files *f, uint64_t number, struct manifest_state *out, struct diag *d)
{
	struct manifest_state st = { .number = number, .bytes = LAYOUT_MANIFEST_HEAD_BYTES };
	struct copy copies[COPIES] = { { 0 } };
	struct copy bodies[COPIES] = { { 0 } };
	char name[NAME_BYTES];
	int rc = 0, heads = 0;

	f->unsound = false;
	/* The second copy first: an append that runs beside us writes the first one first. */
	for (int i = COPIES - 1; i >= 0; i--) {
		int head;

		rc = read_copy(f, manifest_state_name(number, i, name), 0, &copies[i], d);
		if (rc < 0)
			goto done;
		head = copies[i].missing ? -ENOENT : check_head(f, &copies[i], number);
		if (head == ERR_TOO_NEW) {
			rc = diag_set(d, head, name, LAYOUT_HEAD_VERSION, "open the manifest");
			goto done;
		}
		if (head < 0) {
			f->unsound = true;
			continue;
		}
		heads++;
		bodies[i].p = copies[i].p + LAYOUT_MANIFEST_HEAD_BYTES;
		bodies[i].n = copies[i].n - LAYOUT_MANIFEST_HEAD_BYTES;
	}
	manifest_state_name(number, 0, name);
	if (copies[0].missing && copies[1].missing)
		rc = diag_set(d, -ENOENT, name, -1, "open the manifest");
	else if (heads == 0)
		rc = diag_set(d, ERR_CORRUPT, name, 0, "read the header in either copy");
	else
		rc = replay(f, &st, bodies, d);
	if (rc == 0 && st.bytes == LAYOUT_MANIFEST_HEAD_BYTES)
		rc = diag_set(d, ERR_CORRUPT, name, (int64_t)st.bytes, "read the first record");
done:
	if (rc < 0)
		manifest_state_fini(&st);
	else
		*out = st;
	for (int i = 0; i < COPIES; i++)
		free(copies[i].p);
	return rc;
}

int manifest_state_follow(struct manifest_files *f, struct manifest_state *st, struct diag *d)
{
	struct copy copies[COPIES] = { { 0 } };
	char name[NAME_BYTES];
	int rc = 0;

	for (int i = COPIES - 1; i >= 0 && rc == 0; i--)
		rc = read_copy(
			f, manifest_state_name(st->number, i, name), st->bytes, &copies[i], d);
	if (rc == 0) {
		/* A copy that a crash left behind stays behind: an append would leave a hole in it. */
		f->unsound = copies[0].missing || copies[1].missing || copies[0].behind ||
			     copies[1].behind || f->damage.code != 0;
		rc = replay(f, st, copies, d);
	}
	for (int i = 0; i < COPIES; i++)
		free(copies[i].p);
	return rc;
}
