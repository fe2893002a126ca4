/*
 * One segment with its sidecars: first that the file is the one the manifest lists, then every block
 * as any reader would decode it, with all that footer and manifest claim of it counted again, and last
 * the sidecars, which must say what one built anew would say.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/block.h"
#include "storage/publish.h"
#include "storage/seg_reader.h"
#include "storage/sidx_common.h"
#include "storage/verify_int.h"

struct segment_check {
	struct verify *v;
	const struct manifest_segment *seg;
	char path[MANIFEST_PATH_BYTES];
	struct seg_reader *reader;
	struct block *block;
	uint64_t id_last;    /* of the blocks so far */
	uint64_t *type_rows; /* counted, by place in the footer's list */
	uint32_t *type_slots;
	size_t type_mask;
	bool types_known;
	bool twice_told;
	bool damaged; /* some block could not be read: totals cannot be compared */
};

static void claim(struct segment_check *c, int64_t block, const char *column, const char *what)
{
	struct diag why;

	diag_set(&why, ERR_CORRUPT, c->path, -1, "%s", what);
	verify_found(c->v, VERIFY_DAMAGE, block, column, &why);
}

/* ---- the file ---- */

/* Retired or merged since the list was read: nothing to complain of. */
static bool is_still_live(struct segment_check *c)
{
	const struct manifest_segment *segs;
	size_t n;

	if (manifest_refresh(c->v->manifest, NULL) < 0)
		return true;
	segs = manifest_segments(c->v->manifest, &n);
	for (size_t i = 0; i < n; i++) {
		if (segs[i].no == c->seg->no)
			return true;
	}
	return false;
}

static void check_manifest_entry(struct segment_check *c)
{
	const struct seg_info *info = seg_reader_info(c->reader);
	const struct manifest_segment *s = c->seg;

	if (memcmp(info->store_uuid, c->v->uuid, sizeof info->store_uuid) != 0)
		claim(c, -1, NULL, "the segment belongs to another store");
	if (info->sum != s->file_sum || info->file_bytes != s->file_bytes)
		claim(c, -1, NULL, "another segment stands in the place of the listed one");
	if (info->rows_count != s->rows_count || info->blocks_count != s->blocks_count)
		claim(c, -1, NULL, "the manifest lists another number of rows or blocks");
	if (info->id_min != s->id_first || info->id_max != s->id_last)
		claim(c, -1, NULL, "the manifest lists other ids");
	if (info->time_min_ns != s->time_min_ns || info->time_max_ns != s->time_max_ns)
		claim(c, -1, NULL, "the manifest lists other times");
}

/* 1: it is open; 0: there is nothing to check, which has been said. */
static int open_segment(struct segment_check *c)
{
	struct vfs_stat st;
	struct diag why;
	int rc = c->v->vfs->stat(c->v->vfs->ctx, c->v->dir, c->path, &st);

	if (rc < 0 && !is_still_live(c))
		return 0;
	if (rc < 0) {
		verify_say(c->v, VERIFY_DAMAGE, rc, c->path, -1, "a listed segment is missing");
		return 0;
	}
	if (st.bytes != c->seg->file_bytes)
		verify_say(c->v, VERIFY_DAMAGE, ERR_CORRUPT, c->path, (int64_t)st.bytes,
			"the file has %" PRIu64 " bytes, the manifest says %" PRIu64, st.bytes,
			c->seg->file_bytes);
	rc = seg_reader_open(c->v->vfs, c->v->dir, c->path, &c->reader, &why);
	if (rc < 0) {
		if (is_still_live(c))
			verify_found(c->v, VERIFY_DAMAGE, -1, NULL, &why);
		return 0;
	}
	check_manifest_entry(c);
	return 1;
}

/* ---- what a block's zone map says ---- */

static int cut_cmp(struct span value, const uint8_t *bound, uint8_t bound_n)
{
	struct span cut = value;

	if (cut.n > SEG_LAYOUT_PREFIX_BYTES)
		cut.n = SEG_LAYOUT_PREFIX_BYTES;
	return span_cmp(cut, span_of(bound, bound_n));
}

static bool zone_holds(const struct block *b, const struct seg_zone *zone, int field)
{
	const struct block_text *texts = &b->texts[field];
	bool met_min = false, met_max = false;
	uint32_t present = 0;

	for (uint32_t row = 0; row < b->rows_count; row++) {
		struct span value = block_text_at(texts, row);
		int lower, upper;

		if (!value.p)
			continue;
		present++;
		lower = cut_cmp(value, zone->min, zone->min_n);
		upper = cut_cmp(value, zone->max, zone->max_n);
		if (lower < 0 || upper > 0)
			return false;
		met_min |= lower == 0;
		met_max |= upper == 0;
	}
	return present == zone->present_count && (present == 0 || (met_min && met_max));
}

static void check_zones(struct segment_check *c, uint32_t block)
{
	const struct seg_block *said = seg_reader_block(c->reader, block);

	for (int field = 0; field < EVENT_TEXT_COUNT; field++) {
		if (!zone_holds(c->block, &said->text[field], field))
			claim(c, block, event_text_name((enum event_text)field),
				"the zone map does not hold for its rows");
	}
}

/* The bounds and counts of a block as its rows give them. */
static void measure_block(const struct block *b, struct seg_block *out)
{
	memset(out, 0, sizeof *out);
	out->rows_count = b->rows_count;
	for (uint32_t row = 0; row < b->rows_count; row++) {
		struct event ev;
		bool first = row == 0;

		block_get(b, row, &ev);
		if (first || ev.id < out->id_min)
			out->id_min = ev.id;
		if (first || ev.id > out->id_max)
			out->id_max = ev.id;
		if (first || ev.time_ns < out->time_min_ns)
			out->time_min_ns = ev.time_ns;
		if (first || ev.time_ns > out->time_max_ns)
			out->time_max_ns = ev.time_ns;
		if (first || ev.received_ns < out->received_min_ns)
			out->received_min_ns = ev.received_ns;
		if (first || ev.received_ns > out->received_max_ns)
			out->received_max_ns = ev.received_ns;
		out->severity_rows[ev.severity % EVENT_SEVERITY_COUNT]++;
	}
}

static void check_bounds(struct segment_check *c, uint32_t block)
{
	const struct seg_block *said = seg_reader_block(c->reader, block);
	struct seg_block is;

	measure_block(c->block, &is);
	if (is.rows_count != said->rows_count)
		claim(c, block, NULL, "the footer counts other rows");
	if (is.id_min != said->id_min || is.id_max != said->id_max)
		claim(c, block, "id", "the footer's bounds do not hold for its rows");
	if (is.time_min_ns != said->time_min_ns || is.time_max_ns != said->time_max_ns)
		claim(c, block, "timestamp", "the footer's bounds do not hold for its rows");
	if (is.received_min_ns != said->received_min_ns ||
		is.received_max_ns != said->received_max_ns)
		claim(c, block, "received", "the footer's bounds do not hold for its rows");
	if (memcmp(is.severity_rows, said->severity_rows, sizeof is.severity_rows) != 0)
		claim(c, block, "severity", "the footer counts other severities");
}

/* ---- rows ---- */

/* The slot of a type, or the free one where it belongs. Absent has a name of its own. */
static uint32_t *find_type(struct segment_check *c, struct span name)
{
	size_t i = XXH3_64bits_withSeed(name.p, name.n, name.p != NULL) & c->type_mask;

	for (; c->type_slots[i] > 0; i = (i + 1) & c->type_mask) {
		uint64_t rows;
		struct span has = seg_reader_type(c->reader, c->type_slots[i] - 1, &rows);

		if ((has.p == NULL) == (name.p == NULL) && span_eq(has, name))
			break;
	}
	return &c->type_slots[i];
}

/* Places in the footer's list of types, by hash of the name; place + 1, 0 is free. */
static int index_types(struct segment_check *c, struct diag *d)
{
	size_t n = seg_reader_type_count(c->reader), size = 16;

	while (size < 2 * n)
		size *= 2;
	c->type_rows = calloc(n + 1, sizeof *c->type_rows);
	c->type_slots = calloc(size, sizeof *c->type_slots);
	if (!c->type_rows || !c->type_slots)
		return diag_set(d, -ENOMEM, c->path, -1, "verify a segment");
	c->type_mask = size - 1;
	for (size_t i = 0; i < n; i++) {
		uint64_t rows;

		*find_type(c, seg_reader_type(c->reader, i, &rows)) = (uint32_t)i + 1;
	}
	return 0;
}

static void count_types(struct segment_check *c)
{
	const struct block_text *types = &c->block->texts[EVENT_TEXT_EVENT_TYPE];

	for (uint32_t row = 0; row < c->block->rows_count && c->types_known; row++) {
		uint32_t at = *find_type(c, block_text_at(types, row));

		if (at > 0) {
			c->type_rows[at - 1]++;
			continue;
		}
		c->types_known = false;
		claim(c, -1, "event_type", "the footer does not list a type that rows have");
	}
}

static int check_ids(struct segment_check *c, uint32_t block, struct diag *d)
{
	for (uint32_t row = 0; row < c->block->rows_count; row++) {
		uint64_t id = (uint64_t)c->block->ints[SEG_COL_ID][row];
		bool twice;
		int rc;

		if (id <= c->id_last)
			claim(c, block, "id", "the ids do not rise");
		c->id_last = id;
		rc = verify_add_id(c->v, id, &twice);
		if (rc < 0)
			return diag_set(d, rc, c->path, -1, "remember the ids");
		if (twice && !c->twice_told) {
			struct diag why;

			diag_set(&why, ERR_CORRUPT, c->path, -1,
				"event %" PRIu64 " is in another segment too", id);
			verify_found(c->v, VERIFY_DAMAGE, block, "id", &why);
			c->twice_told = true;
		}
	}
	return 0;
}

/* Which pages of an unreadable block are to blame. */
static void blame_pages(struct segment_check *c, uint32_t block, const struct diag *rows_why)
{
	unsigned blamed = 0;

	c->damaged = true;
	for (int col = 0; col < SEG_COL_COUNT; col++) {
		struct diag why;

		if (seg_reader_check_page(c->reader, block, col, &why) == 0)
			continue;
		verify_found(c->v, VERIFY_DAMAGE, block, seg_reader_col_name(col), &why);
		blamed++;
	}
	if (blamed == 0)
		verify_found(c->v, VERIFY_DAMAGE, block, NULL, rows_why);
}

static int check_block(struct segment_check *c, uint32_t block, struct diag *d)
{
	struct diag why;
	int rc = seg_reader_rows(c->reader, block, c->block, &why);

	c->v->report.blocks++;
	c->v->report.pages += SEG_COL_COUNT;
	if (rc == -ENOMEM) {
		if (d)
			*d = why;
		return rc;
	}
	if (rc < 0) {
		blame_pages(c, block, &why);
		return 0;
	}
	check_bounds(c, block);
	check_zones(c, block);
	count_types(c);
	c->v->report.rows += c->block->rows_count;
	return check_ids(c, block, d);
}

static void check_types(struct segment_check *c)
{
	for (size_t i = 0; c->types_known && i < seg_reader_type_count(c->reader); i++) {
		uint64_t said;

		seg_reader_type(c->reader, i, &said);
		if (said != c->type_rows[i])
			claim(c, -1, "event_type", "the footer counts other rows of a type");
	}
}

/* A dictionary is part of every block: if it is damaged, say so once and leave the blocks alone. */
static bool dicts_hold(struct segment_check *c)
{
	bool hold = true;

	for (int col = 0; col < SEG_COL_COUNT; col++) {
		struct diag why;

		if (!seg_reader_dict_page(c->reader, col) ||
			seg_reader_check_dict(c->reader, col, &why) == 0)
			continue;
		verify_found(c->v, VERIFY_DAMAGE, -1, seg_reader_col_name(col), &why);
		hold = false;
	}
	return hold;
}

static int check_blocks(struct segment_check *c, struct diag *d)
{
	const struct seg_info *info = seg_reader_info(c->reader);
	uint64_t done = 0;
	int rc = 0;

	for (uint32_t i = 0; i < info->blocks_count && rc == 0; i++) {
		uint64_t upto = info->file_bytes / info->blocks_count * (i + (uint64_t)1);

		rc = check_block(c, i, d);
		if (rc == 0 && verify_step(c->v, upto - done) < 0)
			rc = diag_set(d, ERR_CANCELED, c->path, -1, "verify");
		done = upto;
	}
	if (rc == 0 && !c->damaged)
		check_types(c);
	return rc;
}

/* ---- sidecars ---- */

/* The file against one built now: the builder gives the same bytes for the same segment. */
static int compare_sidecar(
	struct segment_check *c, enum sidx_kind kind, const char *path, struct diag *d)
{
	const struct vfs *v = c->v->vfs;
	struct sidx_file f;
	struct diag why;
	struct buf b;
	int rc;

	buf_init(&b, SIZE_MAX / 2);
	rc = sidx_common_build(kind, c->reader, &b, &why);
	if (rc == 0)
		rc = sidx_common_open(
			v, c->v->dir, path, kind, seg_reader_info(c->reader), &f, &why);
	if (rc == 0) {
		if (f.map_bytes != b.len || memcmp(f.map, b.p, b.len) != 0)
			verify_say(c->v, VERIFY_DAMAGE, ERR_CORRUPT, path, -1,
				"the sidecar says other things than its segment");
		sidx_common_close(&f);
	}
	buf_fini(&b);
	if (rc == -ENOMEM)
		return diag_set(d, rc, path, -1, "compare a sidecar");
	return 0;
}

static int check_sidecar(struct segment_check *c, enum sidx_kind kind, struct diag *d)
{
	const struct vfs *v = c->v->vfs;
	char path[MANIFEST_PATH_BYTES];
	struct diag why;
	int rc;

	publish_path(c->seg, (int)kind, path);
	rc = sidx_common_check(v, c->v->dir, path, kind, seg_reader_info(c->reader), &why);
	if (rc == -ENOENT && !is_still_live(c))
		return 0;
	/* A segment of a time before cubes has none until the next upkeep. */
	if (rc == -ENOENT && kind == SIDX_CUBE) {
		verify_say(c->v, VERIFY_NOTE, rc, path, -1,
			"the segment is not counted by time yet; the next upkeep makes this");
		return 0;
	}
	c->v->report.sidecars++;
	if (rc < 0) {
		/* Queries do without it and astrocompact makes it again, but it is not as it should be. */
		verify_found(c->v, VERIFY_DAMAGE, -1, NULL, &why);
		return 0;
	}
	return c->damaged ? 0 : compare_sidecar(c, kind, path, d);
}

/* ---- all ---- */

static int check(struct segment_check *c, struct diag *d)
{
	int rc = open_segment(c);

	if (rc <= 0)
		return rc;
	c->v->report.segments++;
	c->block = block_new();
	if (!c->block)
		return diag_set(d, -ENOMEM, c->path, -1, "verify a segment");
	rc = index_types(c, d);
	if (rc < 0)
		return rc;
	c->types_known = seg_reader_types_complete(c->reader);
	if (dicts_hold(c))
		rc = check_blocks(c, d);
	else
		c->damaged = true;
	for (int kind = 0; kind < SIDX_COUNT && rc >= 0; kind++)
		rc = check_sidecar(c, (enum sidx_kind)kind, d);
	return rc < 0 ? rc : 0;
}

int verify_segment(struct verify *v, const struct manifest_segment *seg, struct diag *d)
{
	struct segment_check c = { .v = v, .seg = seg };
	int rc;

	manifest_segment_path(seg, c.path);
	rc = check(&c, d);
	seg_reader_close(&c.reader);
	block_free(&c.block);
	free(c.type_rows);
	free(c.type_slots);
	return rc;
}
