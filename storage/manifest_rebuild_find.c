/* Which segment files there are, and what the manifest would say of each. */
#include "storage/manifest_rebuild_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/timefmt.h"
#include "storage/seg_reader.h"

void manifest_rebuild_tell(struct rebuild *r, const char *path,
	enum manifest_rebuild_verdict verdict, const struct diag *why)
{
	r->report.left_out[verdict]++;
	if (r->conf->left_out)
		r->conf->left_out(r->conf->arg, path, verdict, why);
}

/* The parts of a name as manifest_segment_path makes it; false: it is none. */
static bool parse(const char *path, struct manifest_segment *s)
{
	char hour[4], again[MANIFEST_PATH_BYTES];
	unsigned gen, month, day;
	int64_t year;

	memset(s, 0, sizeof *s);
	if (sscanf(path,
		    "seg/%" SCNd64 "-%2u-%2u/%3[a-z0-9].%15[a-z0-9_-].%" SCNu64 "-%" SCNu64
		    ".%u.seg",
		    &year, &month, &day, hour, s->class_name, &s->id_first, &s->id_last,
		    &gen) != 8 ||
		gen > UINT16_MAX || month < 1 || month > 12 || day < 1 || day > 31)
		return false;
	s->day = (int32_t)timefmt_days(year, month, day);
	s->gen = (uint16_t)gen;
	s->hour = MANIFEST_HOUR_MIXED;
	if (strcmp(hour, "day") == 0)
		s->hour = MANIFEST_HOUR_DAY;
	else if (strcmp(hour, "mix") != 0)
		s->hour = (uint8_t)(strtoul(hour, NULL, 10) % MANIFEST_HOUR_DAY);
	return strcmp(manifest_segment_path(s, again), path) == 0;
}

static int add(struct rebuild *r, const struct manifest_segment *s)
{
	if (r->found_count == LIMIT_SEGMENTS)
		return ERR_LIMIT;
	if (r->found_count == r->found_cap) {
		size_t cap = r->found_cap ? 2 * r->found_cap : 64;
		struct found *more = realloc(r->found, cap * sizeof *more);

		if (!more)
			return -ENOMEM;
		r->found = more;
		r->found_cap = cap;
	}
	r->found[r->found_count++] = (struct found){ .seg = *s };
	return 0;
}

/* What the manifest would say of a segment, from its name and its own footer. */
static int look(struct rebuild *r, const char *path, struct manifest_segment *s, struct diag *why)
{
	struct seg_reader *reader = NULL;
	const struct seg_info *info;
	int rc = seg_reader_open(r->vfs, r->dir, path, &reader, why);

	if (rc < 0)
		return rc;
	info = seg_reader_info(reader);
	if (memcmp(info->store_uuid, r->format.uuid, sizeof info->store_uuid) != 0)
		rc = diag_set(why, ERR_CORRUPT, path, -1, "a segment of another store");
	else if (info->id_min != s->id_first || info->id_max != s->id_last)
		rc = diag_set(why, ERR_CORRUPT, path, -1, "a segment under another's name");
	s->rows_count = info->rows_count;
	s->time_min_ns = info->time_min_ns;
	s->time_max_ns = info->time_max_ns;
	s->file_bytes = info->file_bytes;
	s->file_sum = info->sum;
	s->blocks_count = info->blocks_count;
	seg_reader_close(&reader);
	return rc;
}

struct listing {
	struct rebuild *r;
	const char *dir;
};

static int see_file(void *arg, const char *name)
{
	struct listing *l = arg;
	char path[MANIFEST_PATH_BYTES];
	struct manifest_segment s;
	struct diag why = { 0 };
	int rc;

	if (snprintf(path, sizeof path, "%s/%s", l->dir, name) >= (int)sizeof path ||
		!parse(path, &s))
		return 0;
	rc = look(l->r, path, &s, &why);
	if (rc == 0)
		return add(l->r, &s);
	if (rc == ERR_TOO_NEW || rc == -ENOMEM || rc == -EIO)
		return rc;
	manifest_rebuild_tell(l->r, path, MANIFEST_REBUILD_UNREADABLE, &why);
	return 0;
}

static int see_day(void *arg, const char *name)
{
	struct rebuild *r = arg;
	char dir[MANIFEST_PATH_BYTES];
	struct listing day = { .r = r, .dir = dir };
	int rc;

	if (snprintf(dir, sizeof dir, "seg/%s", name) >= (int)sizeof dir)
		return 0;
	rc = r->vfs->list(r->vfs->ctx, r->dir, dir, see_file, &day);
	return rc == -ENOTDIR ? 0 : rc;
}

static int by_gen(const void *a, const void *b)
{
	const struct manifest_segment *x = &((const struct found *)a)->seg,
				      *y = &((const struct found *)b)->seg;

	if (x->gen != y->gen)
		return x->gen > y->gen ? -1 : 1;
	if (x->id_first != y->id_first)
		return x->id_first < y->id_first ? -1 : 1;
	return (x->id_last > y->id_last) - (x->id_last < y->id_last);
}

int manifest_rebuild_find(struct rebuild *r, struct diag *d)
{
	int rc = r->vfs->list(r->vfs->ctx, r->dir, "seg", see_day, r);

	if (rc < 0)
		return diag_set(d, rc, "seg", -1, "look at all segments");
	if (r->found_count > 0)
		qsort(r->found, r->found_count, sizeof *r->found, by_gen);
	return 0;
}
