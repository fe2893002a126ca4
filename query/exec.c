#include "query/exec.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"

/* What both threads share. */
struct shared {
	const struct plan *plan;
	const struct exec_conf *conf;
	size_t first;       /* units before it were skipped as part of the offset */
	uint64_t *known;    /* per unit of the first cluster counted for the offset: matches + 1 */
	size_t known_count; /* units [0, known_count) have an entry */
	atomic_size_t next;
	atomic_bool stop; /* no further unit is taken */
	atomic_bool late, canceled;
	_Atomic uint64_t horizon;
};

/* One thread's share of the work. */
struct worker {
	struct shared *shared;
	struct scan_scratch *scratch;
	struct heap heap;
	struct scan_stats stats;
	struct exec_damage damage;
	uint64_t total, visited, counted;
	int rc;
};

void exec_damage_add(struct exec_damage *to, const struct diag *d)
{
	if (to->count < ENGINE_DAMAGE_MAX)
		to->first[to->count] = *d;
	to->count++;
}

void exec_stats_add(struct scan_stats *to, const struct scan_stats *from)
{
	to->segments_total += from->segments_total;
	to->segments_opened += from->segments_opened;
	to->blocks_total += from->blocks_total;
	to->blocks_pruned += from->blocks_pruned;
	to->blocks_read += from->blocks_read;
	to->pages_read += from->pages_read;
	to->bytes_read += from->bytes_read;
	to->journal_rows += from->journal_rows;
	to->rows_matched += from->rows_matched;
	to->sidecars_bypassed += from->sidecars_bypassed;
	to->regex_given_up += from->regex_given_up;
	if (to->damaged_units == 0 && from->damaged_units)
		to->damage = from->damage;
	to->damaged_units += from->damaged_units;
}

/* ---------------------------------------------------------------- one unit */

/* 0 when the failure concerns this unit alone and was noted; else the query fails. */
static int note(struct worker *w, int rc, const struct diag *d)
{
	if (rc == -ENOMEM)
		return rc;
	if (w->stats.damaged_units++ == 0)
		w->stats.damage = *d;
	exec_damage_add(&w->damage, d);
	return 0;
}

static int count_unit(struct worker *w, const struct plan_unit *u, uint64_t *out)
{
	struct diag d = { .code = 0 };
	int rc;

	*out = u->rows_count;
	if (u->all)
		return 0;
	rc = scan_count(w->shared->plan->scan, u->unit, w->scratch, out, &w->stats, &d);
	if (rc == 0)
		return 0;
	*out = 0;
	return note(w, rc, &d);
}

/* Hits in id order; newest first looks at the last ones first, of which most of the rest fail fast. */
static int push_hits(struct worker *w, size_t index, const struct scan_hit *hits, size_t n)
{
	const struct plan *p = w->shared->plan;

	for (size_t i = 0; i < n; i++) {
		const struct scan_hit *hit = &hits[p->order == ENGINE_ORDER_DESC ? n - 1 - i : i];
		struct heap_hit h = { page_key(p->order, hit->time_ns, hit->id), (uint32_t)index,
			hit->row };

		if (p->resumed && !page_key_less(p->place, h.key))
			continue;
		if (heap_wants(&w->heap, h.key) && heap_push(&w->heap, &h) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int search_unit(struct worker *w, size_t index)
{
	const struct plan *p = w->shared->plan;
	const struct plan_unit *u = &p->units[index];
	const struct scan_hit *hits;
	struct diag d = { .code = 0 };
	size_t n;
	int rc = scan_select(p->scan, u->unit, w->scratch, &hits, &n, &w->stats, &d);

	w->visited++;
	if (rc < 0)
		return note(w, rc, &d);
	w->total += n;
	return push_hits(w, index, hits, n);
}

/* True: a row of the unit can still be on the page. */
static bool may_show(const struct worker *w, size_t index)
{
	const struct plan *p = w->shared->plan;
	const struct plan_unit *u = &p->units[index];

	if (index < w->shared->first || heap_done(&w->heap, u->lo))
		return false;
	return !p->resumed || u->hi >= p->place.a;
}

static int do_unit(struct worker *w, size_t index)
{
	const struct shared *s = w->shared;
	uint64_t n;
	int rc;

	if (may_show(w, index))
		return search_unit(w, index);
	if (!s->plan->need_total)
		return 0;
	w->counted++;
	if (index < s->known_count && s->known[index]) {
		w->total += s->known[index] - 1;
		return 0;
	}
	rc = count_unit(w, &s->plan->units[index], &n);
	w->total += n;
	return rc;
}

/* ---------------------------------------------------------------- all units */

/* deadline_ns: INT64_MAX for none. */
static bool out_of_time(struct shared *s, int64_t deadline_ns)
{
	if (atomic_load_explicit(s->conf->cancel, memory_order_relaxed))
		atomic_store(&s->canceled, true);
	else if (deadline_ns == INT64_MAX || clock_mono_ns() < deadline_ns)
		return false;
	atomic_store(&s->late, true);
	return true;
}

/*
 * A walk must get on: the time is up only at a unit whose rows stand behind those of the first, so that
 * the cursor can move. Units that all begin at one key are gone through in overtime, which ends too.
 */
static int64_t deadline_at(const struct shared *s, size_t i)
{
	const struct plan_unit *units = s->plan->units;

	return units[i].lo > units[s->first].lo ? s->conf->deadline_ns : s->conf->overtime_ns;
}

static void lower_horizon(struct shared *s, uint64_t lo)
{
	uint64_t was = atomic_load(&s->horizon);

	while (lo < was && !atomic_compare_exchange_weak(&s->horizon, &was, lo)) {
	}
}

/* The next unit, or false. */
static bool take_unit(struct worker *w, size_t *out)
{
	struct shared *s = w->shared;
	size_t i;

	if (atomic_load(&s->stop))
		return false;
	i = atomic_fetch_add(&s->next, 1);
	if (i >= s->plan->units_count)
		return false;
	if (out_of_time(s, i < s->first ? s->conf->deadline_ns : deadline_at(s, i))) {
		lower_horizon(s, s->plan->units[i].lo);
		atomic_store(&s->stop, true);
		return false;
	}
	/* Units are in order: when this one is too late for the page, so are all that follow. */
	if (!s->plan->need_total && heap_done(&w->heap, s->plan->units[i].lo))
		return false;
	*out = i;
	return true;
}

static void work(void *arg)
{
	struct worker *w = arg;
	size_t i;

	while (w->rc == 0 && take_unit(w, &i))
		w->rc = do_unit(w, i);
	if (w->rc < 0)
		atomic_store(&w->shared->stop, true);
}

/* The first thread alone, until it has seen that this is a large query; false: until all was done. */
static bool work_alone(struct worker *w)
{
	int64_t until_ns = clock_mono_ns() + EXEC_ALONE_NS;
	size_t i, dear = 0;

	while (w->rc == 0 && (dear < EXEC_ALONE_UNITS || clock_mono_ns() < until_ns)) {
		uint64_t before = w->stats.blocks_read + w->stats.journal_rows;

		if (!take_unit(w, &i))
			return false;
		w->rc = do_unit(w, i);
		dear += w->stats.blocks_read + w->stats.journal_rows > before;
	}
	if (w->rc < 0)
		atomic_store(&w->shared->stop, true);
	return w->rc == 0;
}

/* Scans of this process. Where several run, all cores have work: only one that is alone gets a helper. */
static atomic_uint running;

static unsigned work_together(struct worker *w, unsigned threads)
{
	struct helper *helper = w[0].shared->conf->helper;
	size_t done;

	if (!work_alone(&w[0]))
		return 1;
	done = atomic_load(&w->shared->next);
	if (threads < 2 || atomic_load(&running) > 1 || atomic_load(&w->shared->stop) ||
		w->shared->plan->units_count < done + EXEC_ALONE_UNITS ||
		!helper_start(helper, work, &w[1])) {
		work(&w[0]);
		return 1;
	}
	work(&w[0]);
	helper_join(helper);
	return 2;
}

/* ---------------------------------------------------------------- offset */

/* Matches of the units [from, end), remembered in case the cluster is searched after all. */
static int count_cluster(struct worker *w, size_t from, size_t end, uint64_t *out)
{
	struct shared *s = w->shared;

	*out = 0;
	for (size_t i = from; i < end; i++) {
		uint64_t n;
		int rc;

		if (out_of_time(s, s->conf->deadline_ns))
			return 0;
		rc = count_unit(w, &s->plan->units[i], &n);
		if (rc < 0)
			return rc;
		s->known[i] = n + 1;
		*out += n;
	}
	s->known_count = end;
	return 0;
}

/* Moves s->first past the clusters that lie wholly within the offset, of which *out_left remains. */
static int skip_clusters(struct worker *w, uint64_t *out_left)
{
	struct shared *s = w->shared;
	const struct plan *p = s->plan;
	uint64_t left = s->conf->offset, n;

	*out_left = left;
	if (left == 0 || p->units_count == 0)
		return 0;
	s->known = calloc(p->units_count, sizeof s->known[0]);
	if (!s->known)
		return -ENOMEM;
	while (s->first < p->units_count && left > 0) {
		size_t end = plan_cluster(p, s->first);
		int rc = count_cluster(w, s->first, end, &n);

		if (rc < 0)
			return rc;
		if (atomic_load(&s->late) || n > left)
			break;
		left -= n;
		s->first = end;
	}
	*out_left = left;
	return 0;
}

/* ---------------------------------------------------------------- face */

static void damage_join(struct exec_damage *to, const struct exec_damage *from)
{
	for (size_t i = 0; i < from->count; i++)
		exec_damage_add(to, &from->first[i < ENGINE_DAMAGE_MAX ? i : 0]);
}

static int gather(struct worker *w, unsigned threads, struct exec_result *out)
{
	int rc = 0;

	for (unsigned t = 0; t < threads; t++) {
		exec_stats_add(&out->stats, &w[t].stats);
		out->total += w[t].total;
		out->visited += w[t].visited;
		out->counted += w[t].counted;
		damage_join(&out->damage, &w[t].damage);
		if (w[t].rc < 0)
			rc = w[t].rc;
		for (size_t i = 0; i < w[t].heap.count && rc == 0; i++)
			rc = heap_push(&out->heap, &w[t].heap.hits[i]);
	}
	heap_sort(&out->heap);
	return rc;
}

static int run(struct worker *w, struct exec_result *out)
{
	struct shared *s = w[0].shared;
	uint64_t left;
	size_t k;
	int rc = skip_clusters(&w[0], &left);

	if (rc < 0)
		return rc;
	if (s->first == s->plan->units_count)
		left = 0; /* the page is behind the last event, or there is none at all */
	if (left > LIMIT_QUERY_HITS_BYTES / sizeof(struct heap_hit) - s->conf->limit - 1)
		return ERR_BUDGET;
	k = s->conf->limit && s->first < s->plan->units_count ? (size_t)left + s->conf->limit + 1
							      : 0;
	out->skip = (size_t)left;
	heap_init(&w[0].heap, k);
	heap_init(&w[1].heap, k);
	heap_init(&out->heap, k);
	atomic_fetch_add(&running, 1);
	out->threads = work_together(w, s->conf->threads);
	atomic_fetch_sub(&running, 1);
	return gather(w, EXEC_THREADS_MAX, out);
}

int exec_run(const struct plan *p, const struct exec_conf *conf, struct exec_result *out)
{
	struct shared s = { .plan = p, .conf = conf };
	struct worker w[EXEC_THREADS_MAX] = { { .shared = &s, .scratch = conf->scratch[0] },
		{ .shared = &s, .scratch = conf->scratch[1] } };
	int rc;

	*out = (struct exec_result){ .threads = 1 };
	atomic_init(&s.horizon, UINT64_MAX);
	rc = run(w, out);
	out->canceled = atomic_load(&s.canceled);
	out->stopped = atomic_load(&s.late);
	out->horizon = atomic_load(&s.horizon);
	for (int t = 0; t < EXEC_THREADS_MAX; t++) {
		heap_fini(&w[t].heap);
		scan_scratch_rest(w[t].scratch);
	}
	free(s.known);
	if (rc < 0)
		exec_result_fini(out);
	return rc;
}

void exec_result_fini(struct exec_result *out)
{
	heap_fini(&out->heap);
}
