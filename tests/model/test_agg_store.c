/*
 * Goal:   an aggregation over a live store is that of a plain loop over its events, while they move from the
 *         journal to segments and some are deleted by order: cubes and scans count every event once.
 * Method: seeded appends, seals and deletions; after each a few random questions, against the model of
 *         store_kit. ASTRO_SEED repeats a run.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "query/agg.h"
#include "tests/support/agg_naive.h"
#include "tests/support/simfs.h"
#include "tests/support/store_kit.h"

enum { TURNS = 40, QUESTIONS = 12, TEXT_BYTES = 800 };

static char asked[TEXT_BYTES];
static uint64_t cube_rows;

static void param(struct agg_request *r, const char *name, const char *value)
{
	struct engine_err err;
	size_t n = strlen(asked);

	snprintf(asked + n, sizeof asked - n, " %s=%s", name, value);
	if (agg_param(r, span_str(name), span_str(value), &err) < 0)
		fail_msg("%s: %s (%s)", asked, err.error, err.hint);
}

static const char *const fields[] = { "event_type", "entity_type", "severity", "service", "user_id",
	"metadata.n", "entity_id" };

static void ask(struct event_gen *g, struct agg_request *r)
{
	static const char *const widths[] = { "1h", "15m", "6h", "1d", "1w", "7m" };
	static const char *const functions[] = { "count", "count(user_id)", "distinct(entity_id)",
		"sum(metadata.n)", "max(description)", "min(timestamp)", "p90(metadata.n)" };

	asked[0] = 0;
	agg_request_init(r);
	r->filter.threads = 1 + event_gen_below(g, 2);
	for (unsigned n = event_gen_below(g, 4); n > 0; n--)
		param(r, "by", fields[event_gen_below(g, event_gen_below(g, 3) ? 4 : 7)]);
	if (event_gen_below(g, 3) == 0)
		param(r, "bucket", widths[event_gen_below(g, 6)]);
	if (event_gen_below(g, 4) == 0)
		param(r, "agg", functions[event_gen_below(g, 7)]);
	if (event_gen_below(g, 3) == 0)
		param(r, "event_type", event_gen_below(g, 2) ? "TYPE_1" : "TYPE_7");
	if (event_gen_below(g, 6) == 0)
		param(r, "severity", "info");
	if (event_gen_below(g, 8) == 0)
		param(r, "user_id", "user-7");
	param(r, "limit", "100000");
}

static void ask_range(struct store_kit *k, struct agg_request *r)
{
	const struct event *a = k->events[event_gen_below(&k->gen, (unsigned)k->events_count)].ev;
	const struct event *b = k->events[event_gen_below(&k->gen, (unsigned)k->events_count)].ev;

	if (event_gen_below(&k->gen, 3) == 0)
		r->filter.from_ns = a->time_ns;
	if (event_gen_below(&k->gen, 3) == 0)
		r->filter.to_ns = b->time_ns;
	if (r->filter.from_ns > r->filter.to_ns)
		r->filter.to_ns = INT64_MAX;
}

static const char *answer(struct store_kit *k, struct store_snapshot *snap, struct engine *e)
{
	const struct event **list = calloc(k->committed_count + 1, sizeof list[0]);
	struct agg_request r;
	struct agg_result got;
	struct engine_err err;
	const char *wrong;
	size_t n = 0;

	assert_non_null(list);
	for (size_t i = 0; i < k->committed_count; i++) {
		if (!k->events[i].gone)
			list[n++] = k->events[i].ev;
	}
	ask(&k->gen, &r);
	ask_range(k, &r);
	assert_int_equal(agg_request_check(&r, &err), 0);
	assert_int_equal(agg_run(e, snap, &r, &got, &k->d), 0);
	wrong = agg_naive_check(list, n, &r.filter, &r.spec, &got);
	cube_rows += got.cube_rows;
	agg_result_fini(&got);
	agg_request_fini(&r);
	free(list);
	return wrong;
}

static void check(struct store_kit *k, struct engine *e)
{
	struct store_reader *reader;
	struct store_snapshot *snap;

	assert_int_equal(store_reader_open(&k->conf, &reader, &k->d), 0);
	assert_int_equal(store_reader_snapshot(reader, &snap, &k->d), 0);
	for (int i = 0; i < QUESTIONS; i++) {
		const char *wrong = answer(k, snap, e);

		if (wrong)
			fail_msg("%s: %s", asked, wrong);
	}
	store_snapshot_free(&snap);
	store_reader_close(&reader);
}

static void delete_some(struct store_kit *k)
{
	bool *which = calloc(k->events_count + 1, sizeof which[0]);

	assert_non_null(which);
	for (size_t i = 0; i < k->committed_count; i++)
		which[i] = !k->events[i].gone && event_gen_below(&k->gen, 400) == 0;
	assert_int_equal(store_kit_delete(k, which), 0);
	free(which);
}

static void a_live_store(void **state)
{
	const char *env = getenv("ASTRO_SEED");
	uint64_t seed = env ? strtoull(env, NULL, 10) : 20261130;
	struct simfs *fs = simfs_new(seed);
	struct store_conf conf = {
		.vfs = simfs_vfs(fs),
		.dir = SIMFS_DIR,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN,
		.seal_rows = 2000,
	};
	struct engine *e = engine_new();
	struct store_kit k;

	(void)state;
	print_message("# seed %llu\n", (unsigned long long)seed);
	store_kit_init(&k, &conf, seed);
	k.gen.wild = 300;
	clock_fake(k.now_ns, 1000);
	assert_int_equal(store_kit_open(&k), 0);
	for (int turn = 0; turn < TURNS; turn++) {
		for (unsigned n = 1 + event_gen_below(&k.gen, 4); n > 0; n--)
			assert_int_equal(
				store_kit_append(&k, 1 + event_gen_below(&k.gen, 150), 60), 0);
		assert_int_equal(store_kit_commit(&k), 0);
		if (event_gen_below(&k.gen, 3) == 0)
			assert_int_equal(store_kit_seal(&k), 0);
		if (event_gen_below(&k.gen, 8) == 0)
			delete_some(&k);
		if (event_gen_below(&k.gen, 8) == 0)
			assert_int_equal(store_kit_purge(&k), 0);
		check(&k, e);
	}
	assert_true(cube_rows > 0);
	store_kit_fini(&k);
	simfs_free(&fs);
	engine_free(&e);
	clock_real();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_live_store),
	};

	return cmocka_run_group_tests_name("agg_store", tests, NULL, NULL);
}
