#include "storage/scan_cube.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/redact.h"
#include "storage/scan_cube_group.h"
#include "storage/sidx_set.h"
#include "storage/snapshot_int.h"

enum { WORD_BITS = 64, NO_CUBE = 2 };

struct rest {
	int64_t from_ns;
	int64_t to_ns;
	uint64_t *segments;
	size_t segments_count;
};

struct scan_cube {
	struct store_snapshot *snap;
	struct scan_cube_ask ask;
	struct scan_cube_group group;
	size_t next;    /* segment */
	size_t words;   /* of a set of segments */
	uint64_t *sets; /* of all rests */
	struct rest
		rests[SCAN_CUBE_RESTS_MAX]; /* the first: segments as a whole, and the journal */
	size_t rests_count;
	size_t segments_counted;
};

void scan_cube_ask_init(struct scan_cube_ask *ask)
{
	*ask = (struct scan_cube_ask){
		.from_ns = INT64_MIN,
		.to_ns = INT64_MAX,
		.id_max = UINT64_MAX,
	};
}

/* ---- what is asked ---- */

/* Adds the dimensions that the tree tests; false: it tests something else. */
static bool tests_dims(const struct expr *x, unsigned *dims)
{
	int dim;

	if (x->kind == EXPR_TEST) {
		dim = scan_cube_dim(&x->field);
		if (dim >= 0)
			*dims |= 1u << dim;
		return dim >= 0;
	}
	for (uint32_t i = 0; i < x->args_count; i++) {
		if (!tests_dims(x->args[i], dims))
			return false;
	}
	return true;
}

/* The times of one range, as the key of expr_time_key says them. */
static int64_t time_of(uint64_t key)
{
	return (int64_t)(key ^ (UINT64_C(1) << 63));
}

static void narrow(struct scan_cube_ask *ask, const struct expr *time_test)
{
	int64_t lo = time_of(time_test->ranges[0].lo), hi = time_of(time_test->ranges[0].hi);

	ask->from_ns = lo > ask->from_ns ? lo : ask->from_ns;
	ask->to_ns = hi < ask->to_ns ? hi : ask->to_ns;
}

/*
 * What the condition tests beside the time, if cubes can tell; a range of time that must hold is one
 * of the ask's own from now on. False: they cannot.
 */
static bool take_where(struct scan_cube_ask *ask, unsigned *dims)
{
	const struct expr *x = ask->where;
	uint32_t i;

	if (!x)
		return true;
	if (scan_cube_group_is_time(x)) {
		narrow(ask, x);
		return true;
	}
	if (x->kind != EXPR_AND)
		return tests_dims(x, dims);
	for (i = 0; i < x->args_count; i++) {
		if (scan_cube_group_is_time(x->args[i]))
			narrow(ask, x->args[i]);
		else if (!tests_dims(x->args[i], dims))
			break;
	}
	return i == x->args_count;
}

static bool asks_nothing(const struct scan_cube_ask *ask)
{
	return ask->from_ns > ask->to_ns || ask->id_min > ask->id_max;
}

/* ---- life ---- */

int scan_cube_open(struct store_snapshot *snap, const struct scan_cube_ask *ask,
	struct scan_cube **out, struct diag *d)
{
	struct scan_cube_ask taken = *ask;
	struct scan_cube *c;
	unsigned dims = 0;

	ASSERT(ask->by >> SIDX_CUBE_DIMS == 0);
	ASSERT(ask->bucket_ns >= 0);
	if (!take_where(&taken, &dims))
		return SCAN_CUBE_NOT;
	c = calloc(1, sizeof *c);
	if (!c)
		return diag_set(d, -ENOMEM, "", -1, "counting by cubes");
	c->ask = taken;
	c->words = snapshot_segment_count(snap) / WORD_BITS + 1;
	c->sets = calloc(c->words * SCAN_CUBE_RESTS_MAX, sizeof *c->sets);
	if (!c->sets || scan_cube_group_init(&c->group, &c->ask, dims) < 0) {
		scan_cube_close(&c);
		return diag_set(d, -ENOMEM, "", -1, "counting by cubes");
	}
	c->snap = store_snapshot_ref(snap);
	c->rests[0] = (struct rest){ taken.from_ns, taken.to_ns, c->sets, 0 };
	c->rests_count = 1;
	*out = c;
	return 0;
}

void scan_cube_close(struct scan_cube **at)
{
	struct scan_cube *c = *at;

	if (!c)
		return;
	if (c->snap)
		store_snapshot_free(&c->snap);
	scan_cube_group_fini(&c->group);
	free(c->sets);
	free(c);
	*at = NULL;
}

/* ---- what is left ---- */

static void leave_to(struct rest *r, size_t segment)
{
	r->segments[segment / WORD_BITS] |= UINT64_C(1) << segment % WORD_BITS;
	r->segments_count++;
}

static void leave_all(struct scan_cube *c, size_t segment)
{
	leave_to(&c->rests[0], segment);
}

/* An end of the time asked for that is less than a bucket: the same for all of one size. */
static void leave_end(struct scan_cube *c, size_t segment, int64_t from_ns, int64_t to_ns)
{
	size_t i = 1;

	ASSERT(from_ns <= to_ns);
	while (i < c->rests_count && (c->rests[i].from_ns != from_ns || c->rests[i].to_ns != to_ns))
		i++;
	if (i == c->rests_count) {
		ASSERT(i < SCAN_CUBE_RESTS_MAX);
		c->rests[i] = (struct rest){ from_ns, to_ns, c->sets + i * c->words, 0 };
		c->rests_count++;
	}
	leave_to(&c->rests[i], segment);
}

size_t scan_cube_rests(const struct scan_cube *c, struct scan_cube_rest *out)
{
	bool journal =
		snapshot_batch_count(c->snap) > 0 || snapshot_damage(c->snap)->first.code != 0;
	size_t n = 0;

	for (size_t i = 0; i < c->rests_count && !asks_nothing(&c->ask); i++) {
		const struct rest *r = &c->rests[i];

		if (r->segments_count > 0 || (i == 0 && journal))
			out[n++] = (struct scan_cube_rest){ r->from_ns, r->to_ns,
				{ r->segments, i == 0 && journal } };
	}
	return n;
}

size_t scan_cube_segments(const struct scan_cube *c)
{
	return c->segments_counted;
}

uint64_t scan_cube_rows(const struct scan_cube *c)
{
	return c->group.rows;
}

uint64_t scan_cube_given_up(const struct scan_cube *c)
{
	return c->group.scratch ? expr_scratch_given_up(c->group.scratch) : 0;
}

/* ---- one segment ---- */

/* The last moment of a bucket. */
static int64_t end_of(const struct sidx_cube_table *t, uint32_t i)
{
	int64_t end;

	/* The first of all buckets is told to begin at INT64_MIN: its end, too, is a multiple. */
	if (t->buckets[i] == INT64_MIN)
		return INT64_MIN / t->bucket_ns * t->bucket_ns - 1;
	return __builtin_add_overflow(t->buckets[i], t->bucket_ns - 1, &end) ? INT64_MAX : end;
}

/* Whether all rows of a bucket of the table fall into one bucket of the ask. */
static bool buckets_fit(
	const struct scan_cube *c, const struct sidx_cube_table *t, int64_t lo_ns, int64_t hi_ns)
{
	const struct scan_cube_ask *ask = &c->ask;

	if (ask->bucket_ns == 0)
		return true;
	if (ask->bucket_ns % t->bucket_ns == 0 && ask->bucket_from_ns % t->bucket_ns == 0)
		return true;
	return scan_cube_group_number(ask, lo_ns) == scan_cube_group_number(ask, hi_ns);
}

/* Its whole buckets within the time asked for; false: it cannot answer. */
static bool choose_buckets(
	const struct scan_cube *c, const struct seg_info *info, struct scan_cube_run *r)
{
	const struct sidx_cube_table *t = r->table;
	const struct scan_cube_ask *ask = &c->ask;
	int64_t hi_ns = info->time_max_ns < ask->to_ns ? info->time_max_ns : ask->to_ns;

	r->lo_ns = info->time_min_ns > ask->from_ns ? info->time_min_ns : ask->from_ns;
	if (((ask->by | c->group.where_dims) & ~t->dims) != 0 ||
		!buckets_fit(c, t, r->lo_ns, hi_ns))
		return false;
	r->first = 0;
	r->next = t->buckets_count;
	while (r->first < r->next && ask->from_ns > info->time_min_ns &&
		t->buckets[r->first] < ask->from_ns)
		r->first++;
	while (r->next > r->first && ask->to_ns < info->time_max_ns &&
		end_of(t, r->next - 1) > ask->to_ns)
		r->next--;
	return r->first < r->next;
}

static bool choose_table(const struct scan_cube *c, const struct seg_info *info,
	const struct sidx_cube *cube, struct scan_cube_run *r)
{
	r->cube = cube;
	for (size_t i = 0; i < sidx_cube_tables(cube); i++) {
		bool totals;

		r->table = sidx_cube_table(cube, i);
		if (!choose_buckets(c, info, r))
			continue;
		totals = c->ask.bucket_ns == 0 && r->first == 0 &&
			 r->next == r->table->buckets_count;
		if (totals || sidx_cube_counted(cube, i))
			return true;
	}
	return false;
}

static void leave_ends(struct scan_cube *c, size_t segment, const struct scan_cube_run *r)
{
	const struct sidx_cube_table *t = r->table;

	if (r->first > 0 && end_of(t, r->first - 1) >= c->ask.from_ns)
		leave_end(c, segment, c->ask.from_ns, end_of(t, r->first - 1));
	if (r->next < t->buckets_count && t->buckets[r->next] <= c->ask.to_ns)
		leave_end(c, segment, t->buckets[r->next], c->ask.to_ns);
}

static int count_segment(struct scan_cube *c, size_t segment, const struct seg_reader *reader,
	scan_cube_cb cb, void *arg)
{
	const struct sidx_cube *cube = sidx_set_cube(reader);
	struct scan_cube_run r;
	int rc;

	if (!cube || !choose_table(c, seg_reader_info(reader), cube, &r))
		return NO_CUBE;
	rc = scan_cube_group_run(&c->group, &r, cb, arg);
	if (rc != 0)
		return rc;
	leave_ends(c, segment, &r);
	c->segments_counted++;
	return 0;
}

static bool overlaps(const struct scan_cube_ask *ask, const struct manifest_segment *m)
{
	return !asks_nothing(ask) && m->time_max_ns >= ask->from_ns &&
	       m->time_min_ns <= ask->to_ns && m->id_last >= ask->id_min &&
	       m->id_first <= ask->id_max;
}

/* All its ids are asked for, and none is hidden. */
static bool is_whole(const struct scan_cube *c, const struct manifest_segment *m)
{
	return m->id_first >= c->ask.id_min && m->id_last <= c->ask.id_max &&
	       !redact_set_any(snapshot_redact(c->snap), m->id_first, m->id_last);
}

int scan_cube_next(struct scan_cube *c, scan_cube_cb cb, void *arg, struct diag *d)
{
	const struct manifest_segment *m;
	const struct seg_reader *reader;
	struct diag why = { 0 };
	size_t i = c->next;
	int rc;

	if (i == snapshot_segment_count(c->snap))
		return 0;
	c->next++;
	m = snapshot_segment(c->snap, i);
	if (!overlaps(&c->ask, m))
		return 1;
	rc = is_whole(c, m) ? snapshot_segment_get(c->snap, i, &reader, &why) : NO_CUBE;
	if (rc == -ENOMEM || rc == ERR_STALE) {
		if (d)
			*d = why;
		return rc;
	}
	if (rc == 0) {
		rc = count_segment(c, i, reader, cb, arg);
		snapshot_segment_put(c->snap, i);
	} else {
		rc = NO_CUBE;
	}
	if (rc == NO_CUBE)
		leave_all(c, i);
	return rc == 0 || rc == NO_CUBE ? 1 : rc;
}
