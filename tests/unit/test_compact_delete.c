/*
 * Goal: `astrocompact delete` finds exactly the events that its query means, and refuses a query that
 * means all of them or none in particular.
 * Method: a store of known events on disk; the ids found against those expected.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/row.h"
#include "storage/store.h"
#include "tests/support/tmpdir.h"
#include "tools/compact_delete.h"

enum { EVENTS = 2500 };

/* Event i: user u<i % 7>, type A or B, "item <i>" as text; half of them sealed would change nothing. */
static void make_store(const char *dir)
{
	struct store_conf conf = { .dir = dir };
	struct store_batch batch = { 0 };
	struct store_writer *w = NULL;
	uint64_t committed = 0;
	struct buf rows;
	char user[16], text[32];

	buf_init(&rows, 1 << 20);
	for (unsigned i = 0; i < EVENTS; i++) {
		struct event ev = { .time_ns = 1000000 + i, .received_ns = 1, .severity = 6 };

		snprintf(user, sizeof user, "u%u", i % 7);
		snprintf(text, sizeof text, "item %u", i);
		ev.text[EVENT_TEXT_USER_ID] = span_str(user);
		ev.text[EVENT_TEXT_EVENT_TYPE] = span_str(i % 2 ? "A" : "B");
		ev.text[EVENT_TEXT_DESCRIPTION] = span_str(text);
		assert_int_equal(row_put(&rows, &ev), 0);
	}
	batch.rows = rows.p;
	batch.rows_bytes = rows.len;
	batch.rows_count = EVENTS;
	batch.time_min_ns = 1000000;
	batch.time_max_ns = 1000000 + EVENTS;
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_writer_append(w, &batch, NULL), 0);
	assert_int_equal(store_writer_commit(w, &committed, NULL), 0);
	store_writer_close(&w);
	buf_fini(&rows);
}

static int setup(void **state)
{
	if (tmpdir_setup(state) < 0)
		return -1;
	make_store(*state);
	return 0;
}

static int find(const char *dir, const char *query, struct idset *ids, struct diag *d)
{
	struct compact_delete_found found;

	idset_init(ids, 1 << 20);
	return compact_delete_find(dir, query, NULL, ids, &found, d);
}

static void assert_user_type(const char *dir, const char *query, unsigned user, bool only_a)
{
	struct idset ids;
	uint64_t want = 0;

	assert_int_equal(find(dir, query, &ids, NULL), 0);
	for (unsigned i = 0; i < EVENTS; i++) {
		bool mine = i % 7 == user && (!only_a || i % 2);

		assert_int_equal(idset_has(&ids, i + 1), mine);
		want += mine;
	}
	assert_int_equal(ids.count, want);
	idset_fini(&ids);
}

static void finds_what_is_meant(void **state)
{
	assert_user_type(*state, "user_id=u3", 3, false);
	assert_user_type(*state, "  user_id=u3   event_type=A ", 3, true);
	assert_user_type(*state, "user_id=\"u3\" and event_type=A", 3, true);
}

static void quotes_hold_spaces(void **state)
{
	struct idset ids;

	assert_int_equal(find(*state, "description=\"item 77\"", &ids, NULL), 0);
	assert_int_equal(ids.count, 1);
	assert_true(idset_has(&ids, 78));
	idset_fini(&ids);
	assert_int_equal(find(*state, "user_id=nobody", &ids, NULL), 0);
	assert_int_equal(ids.count, 0);
	idset_fini(&ids);
}

static void refuses_the_rest(void **state)
{
	static const char *const queries[] = { "", "   ", "anna", "user_id", "=x", "user_id=\"anna",
		"user_id=u1 order=asc", "limit=5", "userid=u1", "severity=loud", "after=1",
		"search=", "user_id=u1 search=\"\"" };

	for (size_t i = 0; i < ARRAY_COUNT(queries); i++) {
		struct diag d = { 0 };
		struct idset ids;

		assert_true(find(*state, queries[i], &ids, &d) < 0);
		assert_true(d.text[0] != '\0');
		assert_int_equal(ids.count, 0);
		idset_fini(&ids);
	}
}

static void a_stop_deletes_nothing(void **state)
{
	const volatile sig_atomic_t stop = 1;
	struct compact_delete_found found;
	struct idset ids;

	idset_init(&ids, 1 << 20);
	assert_int_equal(
		compact_delete_find(*state, "user_id=u1", &stop, &ids, &found, NULL), ERR_CANCELED);
	idset_fini(&ids);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds_what_is_meant),
		TEST(quotes_hold_spaces),
		TEST(refuses_the_rest),
		TEST(a_stop_deletes_nothing),
	};

	return cmocka_run_group_tests_name("compact_delete", tests, NULL, NULL);
}
