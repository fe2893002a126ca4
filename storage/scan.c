#include "storage/scan.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/scan_int.h"
#include "storage/scan_values.h"
#include "storage/snapshot_int.h"

static_assert((int)SNAPSHOT_RUN_ROWS <= (int)LIMIT_BLOCK_ROWS, "a batch fits into a scratch");
static_assert(sizeof(struct scan_scratch) + SCAN_VALUES_BYTES +
			      LIMIT_BLOCK_ROWS * sizeof(struct col_map_cell) + SCAN_VERDICT_BYTES +
			      SCAN_SPARE * LIMIT_BLOCK_ROWS +
			      LIMIT_EXPR_NODES * sizeof(struct scan_verdict) +
			      BLOCK_READER_BYTES_MAX + 2 * BLOCK_BYTES_MAX +
			      SNAPSHOT_BATCH_BYTES_MAX <
		      SCAN_SCRATCH_BYTES,
	"the promise of scan.h");

void scan_spec_init(struct scan_spec *spec)
{
	*spec = (struct scan_spec){
		.from_ns = INT64_MIN,
		.to_ns = INT64_MAX,
		.id_max = UINT64_MAX,
	};
}

struct scan_scratch *scan_scratch_new(void)
{
	struct scan_scratch *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	buf_init(&s->batch, SNAPSHOT_BATCH_BYTES_MAX);
	buf_init(&s->bytes, BLOCK_BYTES_MAX);
	for (int i = 0; i < SEG_COL_BYTES; i++)
		buf_init(&s->fetched[i], BLOCK_BYTES_MAX);
	buf_init(&s->json, BLOCK_BYTES_MAX);
	block_reader_work_init(&s->work);
	s->own = block_reader_new();
	s->expr = expr_scratch_new();
	if (!s->own || !s->expr)
		scan_scratch_free(&s);
	return s;
}

void scan_scratch_rest(struct scan_scratch *s)
{
	scan_column_leave(s);
	s->block = NULL;
}

void scan_scratch_trim(struct scan_scratch *s)
{
	scan_values_free(&s->values);
}

size_t scan_scratch_held(const struct scan_scratch *s)
{
	return s->pooled ? block_reader_held(s->pooled) : 0;
}

void scan_scratch_free(struct scan_scratch **sp)
{
	struct scan_scratch *s = *sp;

	if (!s)
		return;
	for (uint32_t i = 0; i < s->verdicts_count; i++)
		free(s->verdicts[i].wanted);
	free(s->verdicts);
	free(s->shared.wanted);
	for (int i = 0; i < SCAN_SPARE; i++)
		free(s->spare[i]);
	free(s->cells);
	scan_values_free(&s->values);
	scan_column_leave(s);
	block_reader_work_fini(&s->work);
	block_reader_free(&s->own);
	expr_scratch_free(&s->expr);
	buf_fini(&s->batch);
	buf_fini(&s->bytes);
	for (int i = 0; i < SEG_COL_BYTES; i++)
		buf_fini(&s->fetched[i]);
	buf_fini(&s->json);
	free(s);
	*sp = NULL;
}

/* 0 is no scan's number: that of a fresh scratch. */
static uint64_t next_serial(void)
{
	static _Atomic uint64_t last;

	return atomic_fetch_add(&last, 1) + 1;
}

static int new_scan(
	const struct scan_spec *spec, size_t segments, struct scan **out, struct diag *d)
{
	struct scan *s = calloc(1, sizeof *s);

	if (s)
		s->segments = calloc(segments + 1, sizeof *s->segments);
	if (!s || !s->segments || scan_plan_init(s, spec) < 0) {
		scan_close(&s);
		return diag_set(d, -ENOMEM, "", -1, "opening a scan");
	}
	s->serial = next_serial();
	*out = s;
	return 0;
}

static void note_damage(struct scan_stats *stats, const struct diag *d)
{
	if (stats->damaged_units++ == 0)
		stats->damage = *d;
}

static int get_segment(struct scan *s, size_t i, const struct seg_reader **out, struct diag *d)
{
	if (!s->spec.warm)
		return snapshot_segment_get(s->snap, i, out, d);
	*out = snapshot_segment_get_open(s->snap, i);
	return *out ? 0 : SCAN_COLD;
}

/* A segment of the snapshot. One that cannot be read is noted, and the others answer. */
static int add_segment(struct scan *s, size_t i, struct scan_stats *stats, struct diag *d)
{
	const struct manifest_segment *m = snapshot_segment(s->snap, i);
	const struct seg_reader *r;
	struct diag own = { .code = 0 };
	int rc;

	stats->segments_total++;
	stats->blocks_total += m->blocks_count;
	if (!scan_plan_overlaps(s, m->time_min_ns, m->time_max_ns, m->id_first, m->id_last)) {
		stats->blocks_pruned += m->blocks_count;
		return 0;
	}
	rc = get_segment(s, i, &r, &own);
	if (rc == SCAN_COLD)
		return rc;
	if (rc == -ENOMEM || rc == ERR_STALE) {
		if (d)
			*d = own;
		return rc;
	}
	if (rc < 0) {
		note_damage(stats, &own);
		return 0;
	}
	stats->segments_opened++;
	return scan_plan_segment(s, r, i, stats, d);
}

static bool has_segment(const struct scan_part *part, size_t i)
{
	return !part || (part->segments[i / 64] >> i % 64 & 1);
}

int scan_open(struct store_snapshot *snap, const struct scan_spec *spec, struct scan **out,
	struct scan_stats *stats, struct diag *d)
{
	size_t segments = snapshot_segment_count(snap), batches = 0;
	struct scan *s = NULL;
	int rc = new_scan(spec, segments, &s, d);

	if (rc < 0)
		return rc;
	s->snap = store_snapshot_ref(snap);
	if (spec->warm && !scan_warm_tree(s))
		rc = SCAN_COLD;
	if (snapshot_damage(snap)->first.code != 0)
		note_damage(stats, &snapshot_damage(snap)->first);
	for (size_t i = 0; i < segments && rc == 0; i++)
		rc = has_segment(spec->part, i) ? add_segment(s, i, stats, d) : 0;
	if (!spec->part || spec->part->journal)
		batches = snapshot_batch_count(snap);
	for (size_t i = 0; i < batches && rc == 0; i++)
		rc = scan_plan_batch(s, i, d);
	if (rc == 0 && spec->warm && !scan_warm_pieces(s))
		rc = SCAN_COLD;
	if (rc != 0) {
		scan_close(&s);
		return rc;
	}
	*out = s;
	return 0;
}

int scan_open_readers(const struct seg_reader *const *readers, size_t count,
	const struct scan_spec *spec, struct scan **out, struct scan_stats *stats, struct diag *d)
{
	struct scan *s = NULL;
	int rc = new_scan(spec, count, &s, d);

	for (size_t i = 0; i < count && rc == 0; i++) {
		stats->segments_total++;
		stats->segments_opened++;
		stats->blocks_total += seg_reader_info(readers[i])->blocks_count;
		rc = scan_plan_segment(s, readers[i], i, stats, d);
	}
	if (rc < 0)
		scan_close(&s);
	else
		*out = s;
	return rc;
}

void scan_close(struct scan **sp)
{
	struct scan *s = *sp;

	if (!s)
		return;
	for (size_t i = 0; s->snap && i < s->segments_count; i++)
		snapshot_segment_put(s->snap, s->segments[i].snapshot_idx);
	if (s->snap)
		store_snapshot_free(&s->snap);
	for (size_t i = 0; i < s->segments_count; i++) {
		free(s->segments[i].may);
		free(s->segments[i].all);
	}
	expr_scratch_free(&s->expr);
	free(s->nodes);
	free(s->segments);
	free(s->pieces);
	free(s);
	*sp = NULL;
}

size_t scan_unit_count(const struct scan *s)
{
	return s->pieces_count;
}

const struct scan_unit *scan_unit(const struct scan *s, size_t unit)
{
	ASSERT(unit < s->pieces_count);
	return &s->pieces[unit].unit;
}

int scan_count(const struct scan *s, size_t unit, struct scan_scratch *scratch, uint64_t *out_count,
	struct scan_stats *stats, struct diag *d)
{
	struct scan_work w = scan_select_work(s, unit, scratch, stats, d);
	const struct scan_hit *hits;
	uint32_t matches;
	size_t n;
	int rc;

	if (w.piece->counted) {
		*out_count = w.piece->count;
		stats->rows_matched += w.piece->count;
		return 0;
	}
	if (w.reader) {
		rc = scan_select_block(&w, &matches);
		if (rc < 0)
			return rc;
		stats->rows_matched += matches;
		*out_count = matches;
		return 0;
	}
	rc = scan_select(s, unit, scratch, &hits, &n, stats, d);
	if (rc == 0)
		*out_count = n;
	return rc;
}
