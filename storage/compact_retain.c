/* The sizes of segments, and of all else, as the disk counts them; then what retention chose is dropped. */
#include "storage/compact_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/publish.h"
#include "storage/recover.h"
#include "storage/seg_reader.h"
#include "storage/sidx_common.h"

enum {
	/* Segments dropped by one manifest change. */
	DROPS_MAX = 512,
};

static_assert((int)DROPS_MAX <= (int)LIMIT_CHANGE_SEGMENTS, "a change takes that many");

struct dir_size {
	const struct compact *c;
	const char *name;
	unsigned depth; /* directories below that are still looked into */
	uint64_t bytes;
};

static int add_size(void *arg, const char *name)
{
	struct dir_size *s = arg;
	const struct vfs *v = s->c->vfs;
	char path[DIAG_FILE_BYTES];
	struct vfs_stat st;
	int n = snprintf(path, sizeof path, "%s%s%s", s->name, *s->name ? "/" : "", name);

	if (n < 0 || (size_t)n >= sizeof path || v->stat(v->ctx, s->c->dir, path, &st) < 0)
		return 0; /* gone meanwhile, or none of ours */
	s->bytes += st.allocated_bytes;
	if (st.is_dir && s->depth > 0) {
		struct dir_size below = { .c = s->c, .name = path, .depth = s->depth - 1 };

		v->list(v->ctx, s->c->dir, path, add_size, &below);
		s->bytes += below.bytes;
	}
	return 0;
}

/* All that the directory takes on disk; files lie at most two directories deep. */
static int store_bytes(const struct compact *c, uint64_t *out, struct diag *d)
{
	struct dir_size s = { .c = c, .name = "", .depth = 2 };
	int rc = c->vfs->list(c->vfs->ctx, c->dir, ".", add_size, &s);

	if (rc < 0)
		return diag_set(d, rc, c->conf.dir, -1, "measure the store");
	*out = s.bytes;
	return 0;
}

static uint64_t segment_bytes(const struct compact *c, const struct manifest_segment *seg)
{
	char path[MANIFEST_PATH_BYTES];
	uint64_t bytes = 0;

	for (int kind = 0; kind <= SIDX_COUNT; kind++) {
		struct vfs_stat st;

		publish_path(seg, kind, path);
		if (c->vfs->stat(c->vfs->ctx, c->dir, path, &st) == 0)
			bytes += st.allocated_bytes;
	}
	return bytes;
}

/* When its newest event came, for a segment whose event times are out of all reason. */
static int64_t newest_arrival(struct compact *c, const struct manifest_segment *seg)
{
	char path[MANIFEST_PATH_BYTES];
	struct seg_reader *r = NULL;
	struct diag why = { 0 };
	int64_t ns = c->conf.now_ns;

	if (seg_reader_open(c->vfs, c->dir, manifest_segment_path(seg, path), &r, &why) < 0) {
		/* Its age cannot be told, and a damaged file is nothing to drop in silence. */
		compact_tell_failure(c, seg, &why);
		return ns;
	}
	ns = seg_reader_info(r)->received_max_ns;
	seg_reader_close(&r);
	return ns;
}

static void fill_items(struct compact *c, const struct retain_class_set *classes,
	const struct manifest_segment *segs, size_t n, struct retention_item *items)
{
	for (size_t i = 0; i < n; i++) {
		items[i] = (struct retention_item){
			.no = segs[i].no,
			.newest_ns = segs[i].time_max_ns,
			.bytes = segment_bytes(c, &segs[i]),
			.rule = retain_class_rule(classes, segs[i].class_name),
		};
		if (retention_time_odd(segs[i].time_max_ns, c->conf.now_ns))
			items[i].newest_ns = newest_arrival(c, &segs[i]);
	}
}

/* What bytes_max leaves for segments. */
static int share_of_segments(struct compact *c, const struct retention_item *items, size_t n,
	uint64_t bytes_max, uint64_t *out, struct diag *d)
{
	uint64_t all = 0, other, segments = 0;
	int rc = store_bytes(c, &all, d);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		segments += items[i].bytes;
	other = all > segments ? all - segments : 0;
	if (other >= bytes_max)
		return diag_set(d, ERR_RANGE, c->conf.dir, -1,
			"keep the store below %" PRIu64 " bytes: journal and other files alone "
			"take %" PRIu64 "; allow more",
			bytes_max, other);
	*out = bytes_max - other;
	return 0;
}

static void tell_verdict(struct compact *c, const struct retention_rules *rules,
	const struct manifest_segment *seg, const struct retention_item *item)
{
	enum compact_what what = retention_is_kept(item->verdict) ? COMPACT_KEPT : COMPACT_DROPPED;
	struct buf why;

	if (what == COMPACT_KEPT && !c->conf.explain)
		return;
	buf_init(&why, COMPACT_WHY_BYTES);
	retention_explain(rules, item, &why);
	buf_put_u8(&why, 0);
	compact_tell(c, what, seg, NULL, item->bytes,
		why.err ? "by the rules of retention" : (const char *)why.p);
	buf_fini(&why);
}

static int drop_segments(
	struct compact *c, const struct manifest_segment *drops, size_t n, struct diag *d)
{
	const struct publish_conf conf = {
		.vfs = c->vfs,
		.dir = c->dir,
		.uuid = c->uuid,
		.manifest = c->manifest,
		.prefix = RECOVER_TMP_COMPACT,
	};
	struct publish *p = NULL;
	int rc = publish_open(&conf, &p, d);

	if (rc == 0)
		rc = publish_commit(p, drops, n, 0, d);
	publish_close(&p);
	return rc;
}

/* A change of at most DROPS_MAX segments, told when it is done. */
struct drops {
	struct manifest_segment segs[DROPS_MAX];
	const struct retention_item *items[DROPS_MAX];
	size_t count;
};

static int flush_drops(
	struct compact *c, const struct retention_rules *rules, struct drops *drops, struct diag *d)
{
	int rc = 0;

	if (drops->count > 0 && !c->conf.dry_run)
		rc = drop_segments(c, drops->segs, drops->count, d);
	for (size_t i = 0; i < drops->count && rc == 0; i++) {
		/* What would be dropped is not there to be merged. */
		if (c->conf.dry_run)
			rc = compact_skip(c, drops->segs[i].no);
		c->total.dropped_segments++;
		c->total.dropped_rows += drops->segs[i].rows_count;
		c->total.dropped_bytes += drops->items[i]->bytes;
		tell_verdict(c, rules, &drops->segs[i], drops->items[i]);
	}
	drops->count = 0;
	return rc;
}

static int carry_out(struct compact *c, const struct retention_rules *rules,
	const struct manifest_segment *segs, const struct retention_item *items, size_t n,
	struct diag *d)
{
	struct drops *drops = calloc(1, sizeof *drops);
	int rc = 0;

	if (!drops)
		return diag_set(d, -ENOMEM, "", -1, "drop segments");
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (retention_is_kept(items[i].verdict)) {
			tell_verdict(c, rules, &segs[i], &items[i]);
			continue;
		}
		if (drops->count == 0 && compact_over(c))
			break;
		drops->segs[drops->count] = segs[i];
		drops->items[drops->count++] = &items[i];
		if (drops->count == DROPS_MAX)
			rc = flush_drops(c, rules, drops, d);
	}
	if (rc == 0)
		rc = flush_drops(c, rules, drops, d);
	free(drops);
	return rc;
}

/* Whether anything can come of it: else no segment need be looked at. */
static bool has_rules(const struct compact_rules *r)
{
	if (r->bytes_max > 0 || r->need > 0)
		return true;
	for (unsigned i = 0; i < retain_class_count(r->classes); i++) {
		const struct retain_class_rule *rule =
			retain_class_rule(r->classes, retain_class_name(r->classes, i));

		if (rule->keep_ns > 0 || rule->bytes_max > 0)
			return true;
	}
	return false;
}

static int choose(struct compact *c, const struct compact_rules *from,
	struct retention_rules *rules, struct retention_item *items, size_t n, struct diag *d)
{
	struct retention_total total;
	int rc = 0;

	if (from->bytes_max > 0)
		rc = share_of_segments(c, items, n, from->bytes_max, &rules->bytes_max, d);
	if (rc < 0)
		return rc;
	rc = retention_choose(rules, items, n, &total);
	if (rc < 0)
		return diag_set(d, rc, "", -1, "choose what to drop");
	c->total.over_bytes = total.over_bytes;
	return 0;
}

int compact_retain(struct compact *c, const struct compact_rules *from, struct diag *d)
{
	struct retention_rules rules = { .now_ns = c->conf.now_ns, .need = from->need };
	struct manifest_segment *segs = NULL;
	struct retention_item *items = NULL;
	size_t n = 0;
	int rc;

	if (!has_rules(from) && !c->conf.explain)
		return 0;
	rc = compact_live(c, &segs, &n, d);
	if (rc < 0)
		return rc;
	items = calloc(n + 1, sizeof *items);
	if (!items) {
		rc = diag_set(d, -ENOMEM, "", -1, "choose what to drop");
		goto done;
	}
	fill_items(c, from->classes, segs, n, items);
	rc = choose(c, from, &rules, items, n, d);
	if (rc == 0)
		rc = carry_out(c, &rules, segs, items, n, d);
done:
	free(items);
	free(segs);
	return rc;
}
