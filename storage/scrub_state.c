#include "storage/scrub_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/buf.h"
#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/layout.h"
#include "storage/vfs_file.h"

enum {
	VERSION = 1,
	ENTRIES_MAX = LIMIT_SEGMENTS,
	FILE_BYTES_MAX = SCRUB_STATE_HEAD_BYTES + ENTRIES_MAX * SCRUB_STATE_ENTRY_BYTES,
	HEAD_SUM_OFF = 64,
};

#define MAGIC    "ASTROSCR"
#define NEW_NAME SCRUB_STATE_NAME ".new"

/* ---- bytes ---- */

static void put_entries(const struct scrub_state *s, struct buf *b)
{
	for (size_t i = 0; i < s->count; i++) {
		uint8_t bytes[SCRUB_STATE_ENTRY_BYTES];
		struct wcur w = wcur_of(bytes, sizeof bytes);

		ASSERT(i == 0 || s->entries[i - 1].no < s->entries[i].no);
		wcur_le64(&w, s->entries[i].no);
		wcur_le64(&w, (uint64_t)s->entries[i].checked_ns);
		ASSERT(w.err == 0);
		buf_put(b, bytes, sizeof bytes);
	}
}

static void put_head(const struct scrub_state *s, const uint8_t *uuid, uint64_t entries_sum,
	uint8_t dst[SCRUB_STATE_HEAD_BYTES])
{
	struct wcur w = wcur_of(dst, SCRUB_STATE_HEAD_BYTES);

	wcur_bytes(&w, MAGIC, LAYOUT_MAGIC_BYTES);
	wcur_le16(&w, VERSION);
	wcur_le16(&w, 0);
	wcur_le32(&w, 0);
	wcur_bytes(&w, uuid, LAYOUT_UUID_BYTES);
	wcur_le64(&w, s->cut_no);
	wcur_le64(&w, s->cut_block);
	wcur_le64(&w, s->count);
	wcur_le64(&w, entries_sum);
	wcur_le64(&w, XXH3_64bits(dst, HEAD_SUM_OFF));
	ASSERT(w.err == 0);
}

/* The whole file into an empty buffer; b->err tells. */
static void put(const struct scrub_state *s, const uint8_t *uuid, struct buf *b)
{
	uint8_t head[SCRUB_STATE_HEAD_BYTES] = { 0 };

	buf_put(b, head, sizeof head);
	put_entries(s, b);
	if (b->err)
		return;
	put_head(s, uuid, XXH3_64bits(b->p + sizeof head, b->len - sizeof head), head);
	memcpy(b->p, head, sizeof head);
}

static int get_entries(struct rcur *c, size_t count, struct scrub_state *out)
{
	struct scrub_state_entry *entries = calloc(count + 1, sizeof *entries);

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		entries[i].no = rcur_le64(c);
		entries[i].checked_ns = (int64_t)rcur_le64(c);
		if (c->err || (i > 0 && entries[i].no <= entries[i - 1].no)) {
			free(entries);
			return ERR_CORRUPT;
		}
	}
	out->entries = entries;
	out->count = count;
	return 0;
}

int scrub_state_get(const uint8_t *p, size_t n, const uint8_t *uuid, struct scrub_state *out)
{
	struct rcur c = rcur_of(p, n);
	struct span magic = rcur_bytes(&c, LAYOUT_MAGIC_BYTES), store;
	struct scrub_state s = { .count = 0 };
	uint64_t count, sum;
	uint16_t version;
	uint32_t incompat;
	int rc;

	*out = (struct scrub_state){ .count = 0 };
	if (c.err || !span_eq(magic, SPAN_LIT(MAGIC)))
		return ERR_CORRUPT;
	version = rcur_le16(&c);
	rcur_le16(&c);
	incompat = rcur_le32(&c);
	store = rcur_bytes(&c, LAYOUT_UUID_BYTES);
	s.cut_no = rcur_le64(&c);
	s.cut_block = rcur_le64(&c);
	count = rcur_le64(&c);
	sum = rcur_le64(&c);
	if (rcur_le64(&c) != XXH3_64bits(p, n < HEAD_SUM_OFF ? n : HEAD_SUM_OFF) || c.err)
		return ERR_CORRUPT;
	if (version > VERSION || incompat != 0)
		return ERR_TOO_NEW;
	if (uuid && !span_eq(store, span_of(uuid, LAYOUT_UUID_BYTES)))
		return ERR_CORRUPT;
	if (count > ENTRIES_MAX || rcur_left(&c) != count * SCRUB_STATE_ENTRY_BYTES)
		return ERR_CORRUPT;
	if (XXH3_64bits(p + SCRUB_STATE_HEAD_BYTES, rcur_left(&c)) != sum)
		return ERR_CORRUPT;
	rc = get_entries(&c, (size_t)count, &s);
	if (rc == 0)
		*out = s;
	return rc;
}

/* ---- the file ---- */

int scrub_state_load(
	const struct vfs *v, int dir, const uint8_t *uuid, struct scrub_state *out, struct diag *d)
{
	struct buf b;
	int rc;

	*out = (struct scrub_state){ .count = 0 };
	buf_init(&b, FILE_BYTES_MAX);
	rc = vfs_file_read(v, dir, SCRUB_STATE_NAME, &b);
	if (rc == 0)
		rc = scrub_state_get(b.p, b.len, uuid, out);
	buf_fini(&b);
	if (rc == -ENOENT)
		return rc;
	return rc < 0 ? diag_set(d, rc, SCRUB_STATE_NAME, -1, "read where the last scrub ended")
		      : 0;
}

int scrub_state_save(const struct vfs *v, int dir, const uint8_t *uuid, const struct scrub_state *s,
	struct diag *d)
{
	struct buf b;
	int rc;

	ASSERT(s->count <= ENTRIES_MAX);
	buf_init(&b, FILE_BYTES_MAX);
	put(s, uuid, &b);
	rc = b.err;
	if (rc == 0)
		rc = vfs_file_write(v, dir, NEW_NAME, buf_span(&b));
	if (rc == 0)
		rc = v->rename(v->ctx, dir, NEW_NAME, SCRUB_STATE_NAME);
	else
		v->unlink(v->ctx, dir, NEW_NAME);
	if (rc == 0)
		rc = v->fsync(v->ctx, dir);
	buf_fini(&b);
	return rc < 0 ? diag_set(d, rc, SCRUB_STATE_NAME, -1, "remember where the scrub ended") : 0;
}

void scrub_state_fini(struct scrub_state *s)
{
	free(s->entries);
	*s = (struct scrub_state){ .count = 0 };
}

int64_t scrub_state_checked(const struct scrub_state *s, uint64_t no)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->entries[mid].no < no)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->count && s->entries[low].no == no ? s->entries[low].checked_ns : 0;
}
