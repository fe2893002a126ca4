/*
 * Goal:   segments and sidecars of every version ever written stay readable.
 * Method: the files of tests/golden/segment-1 are never made again; FORMAT.md explains their bytes.
 */
#include "tests/support/check_cmocka.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "storage/sidx_set.h"
#include "tests/support/event_gen.h"

static int open_golden(const char *name)
{
	const char *source = getenv("ASTRO_SOURCE");
	char path[4096];

	snprintf(path, sizeof path, "%s/tests/golden/%s", source ? source : ".", name);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void expected(struct event ev[2])
{
	ev[0] = (struct event){ .id = 1,
		.time_ns = INT64_C(1763640000000000000),
		.received_ns = INT64_C(1763640000002000000),
		.severity = EVENT_SEVERITY_INFO };
	ev[0].text[EVENT_TEXT_EVENT_TYPE] = SPAN_LIT("AUTH");
	ev[0].text[EVENT_TEXT_USER_ID] = SPAN_LIT("u7");
	ev[0].text[EVENT_TEXT_DESCRIPTION] = SPAN_LIT("in");
	ev[0].text[EVENT_TEXT_SERVICE] = SPAN_LIT("web");
	ev[1] = ev[0];
	ev[1].id = 2;
	ev[1].time_ns += 1000000000;
	ev[1].received_ns += 1000000000;
	ev[1].severity = EVENT_SEVERITY_ERROR;
	ev[1].text[EVENT_TEXT_EVENT_TYPE] = SPAN_LIT("ERROR");
	ev[1].text[EVENT_TEXT_ENTITY_TYPE] = SPAN_LIT("order");
	ev[1].text[EVENT_TEXT_ENTITY_ID] = SPAN_LIT("o1");
	ev[1].text[EVENT_TEXT_USER_ID] = SPAN_NONE;
	ev[1].text[EVENT_TEXT_DESCRIPTION] = SPAN_LIT("");
	ev[1].metadata = SPAN_LIT("\x81\xa1n\x05");
}

static void version_1(void **state)
{
	int dir = open_golden("segment-1");
	struct block *b = block_new();
	struct seg_reader *r = NULL;
	const struct sidx_set *set;
	struct event want[2];
	struct diag d;

	(void)state;
	assert_true(dir >= 0);
	assert_non_null(b);
	assert_int_equal(seg_reader_open(vfs_real(), dir, "x.seg", &r, &d), 0);
	assert_int_equal(seg_reader_info(r)->segment_id, 77);
	assert_int_equal(seg_reader_rows(r, 0, b, &d), 0);
	assert_int_equal(b->rows_count, 2);
	expected(want);
	for (uint32_t i = 0; i < 2; i++) {
		struct event got;

		block_get(b, i, &got);
		assert_true(event_gen_same(&got, &want[i]));
	}
	set = sidx_set_get(r);
	assert_non_null(set->type);
	assert_int_equal(sidx_type_count(set->type), 2);
	/* An .ent of before is passed over, and made again by the next astrocompact. */
	assert_null(set->entity);
	seg_reader_close(&r);
	block_free(&b);
	close(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1),
	};

	return cmocka_run_group_tests_name("golden_segment", tests, NULL, NULL);
}
