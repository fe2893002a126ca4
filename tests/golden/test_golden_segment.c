/*
 * Goal:   segments and sidecars of every version ever written stay readable.
 * Method: the files of tests/golden/segment-N are never made again; FORMAT.md explains their bytes.
 *         What stands in them is written down here: for version 1 by hand, for version 2 as a rule for
 *         each field, chosen so that every encoding occurs. A segment of a version that was not
 *         released so far may be made anew: ASTRO_GOLDEN_MAKE=segment-N of a source tree.
 */
#include "tests/support/check_cmocka.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "storage/block.h"
#include "storage/seg_writer.h"
#include "storage/sidx_set.h"
#include "tests/support/event_gen.h"

enum { EVENTS_2 = 3000, FIELD_BYTES = 200, FIELDS = 8 };

static int open_golden(const char *name)
{
	const char *source = getenv("ASTRO_SOURCE");
	char path[4096];

	snprintf(path, sizeof path, "%s/tests/golden/%s", source ? source : ".", name);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* ---- version 1 ---- */

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
	assert_non_null(sidx_set_type(r));
	assert_int_equal(sidx_type_count(sidx_set_type(r)), 2);
	/* An .ent of before is passed over, and made again by the next astrocompact. */
	assert_null(sidx_set_entity(r));
	seg_reader_close(&r);
	block_free(&b);
	close(dir);
}

/* ---- version 2 ---- */

/* Memory of one event of the rule. */
struct ruled {
	struct event ev;
	char text[FIELDS][FIELD_BYTES];
	uint8_t map[FIELD_BYTES];
	size_t map_bytes;
};

/* Numbers without order that are the same everywhere. */
static uint64_t number(uint64_t i, unsigned what)
{
	uint64_t x = i * UINT64_C(0x9e3779b97f4a7c15) + what * UINT64_C(0xbf58476d1ce4e5b9);

	x ^= x >> 31;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 29;
}

static void put_text(struct ruled *r, enum event_text field, int at, int bytes)
{
	assert_in_range(bytes, 0, FIELD_BYTES - 1);
	r->ev.text[field] = span_of(r->text[at], (size_t)bytes);
}

static void pack_bytes(struct ruled *r, const void *p, size_t n)
{
	assert_true(n <= sizeof r->map - r->map_bytes);
	memcpy(r->map + r->map_bytes, p, n);
	r->map_bytes += n;
}

static void pack_head(struct ruled *r, unsigned head)
{
	uint8_t byte = (uint8_t)head;

	pack_bytes(r, &byte, 1);
}

static void pack_str(struct ruled *r, const char *s)
{
	size_t n = strlen(s);

	assert_true(n < 32);
	pack_head(r, 0xa0 | (unsigned)n);
	pack_bytes(r, s, n);
}

static void pack_be(struct ruled *r, unsigned head, uint64_t v, unsigned bytes)
{
	uint64_t be = htobe64(v);

	pack_head(r, head);
	pack_bytes(r, (const uint8_t *)&be + 8 - bytes, bytes);
}

static void pack_double(struct ruled *r, double f)
{
	uint64_t bits;

	memcpy(&bits, &f, sizeof bits);
	pack_be(r, 0xcb, bits, 8);
}

/* Integers, decimals, doubles, words, maps in maps, and what is none of these. */
static void fill_map(struct ruled *r, uint64_t i)
{
	unsigned kind = (unsigned)(number(i, 1) % 5);

	pack_head(r, 0x80 | (2 + kind));
	pack_str(r, "duration_ms");
	pack_be(r, 0xcd, 256 + number(i, 2) % 5000, 2);
	pack_str(r, "region");
	pack_str(r, number(i, 3) % 3 ? "eu-central-1" : "us-east-1");
	if (kind > 0) {
		pack_str(r, "total");
		pack_double(r, (double)(number(i, 4) % 100000) / 100);
	}
	if (kind > 1) {
		pack_str(r, "geo");
		pack_head(r, 0x82);
		pack_str(r, "city");
		pack_str(r, number(i, 5) % 2 ? "Berlin" : "Lyon");
		pack_str(r, "lat");
		pack_double(r, (double)number(i, 6) / 7e18);
	}
	if (kind > 2) {
		pack_str(r, "retry");
		pack_head(r, number(i, 7) % 3 == 0 ? 0xc0 : number(i, 7) % 3 == 1 ? 0xc2 : 0xc3);
	}
	if (kind > 3) {
		pack_str(r, "odd");
		pack_head(r, 0x92);
		pack_be(r, 0xca, 0x3fc00000, 4);
		pack_be(r, 0xd1, 7, 2);
	}
	if (i % 97 != 5)
		r->ev.metadata = span_of(r->map, r->map_bytes);
}

/* Forms that recur with numbers, addresses and words that vary, values of other columns, and one of a kind. */
static int describe(char *dst, const struct ruled *r, uint64_t i)
{
	const char *entity = r->text[0], *user = r->text[1];
	unsigned long long a = number(i, 8), b = number(i, 9);

	switch (number(i, 10) % 8) {
	case 0:
		return snprintf(
			dst, FIELD_BYTES, "Updated %s by %s in %llu ms", entity, user, a % 900);
	case 1:
		return snprintf(dst, FIELD_BYTES, "login of c.rossi%llu@%s from 10.%llu.3.%llu",
			a % 90 + 10, b % 2 ? "mail.org" : "web.de", a % 256, b % 256);
	case 2:
		return snprintf(dst, FIELD_BYTES,
			"request %08llx-%04llx-4%03llx-8%03llx-%012llx done, %llu.%02llu EUR",
			a & 0xffffffff, b & 0xffff, a >> 52, b >> 52, a & 0xffffffffffff, b % 500,
			a % 100);
	case 3:
		return snprintf(dst, FIELD_BYTES, "cache %s for %s, key 0x%llx",
			b % 3 ? "hit" : "miss", entity, a % 65536);
	case 4:
		return snprintf(
			dst, FIELD_BYTES, "job %06llu of %llu finished", a % 1000000, b % 12);
	case 5:
		return snprintf(dst, FIELD_BYTES, "peer 2001:db8::%llx timed out", a % 65535 + 1);
	case 6:
		return snprintf(dst, FIELD_BYTES, "%llx%llx \xc3\xa9t\xc3\xa9 %llu", a, b, a % 7);
	default:
		return 0;
	}
}

static void fill_texts(struct ruled *r, uint64_t i)
{
	static const char *const types[] = { "UPDATE", "AUTH", "ERROR", "READ" };
	static const char *const services[] = { "order-api", "auth-gateway", "catalog" };
	unsigned long long a = number(i, 11), b = number(i, 12);

	r->ev.text[EVENT_TEXT_EVENT_TYPE] = span_str(types[a % 4]);
	r->ev.text[EVENT_TEXT_ENTITY_TYPE] = a % 9 ? SPAN_LIT("order") : SPAN_NONE;
	r->ev.text[EVENT_TEXT_SERVICE] = span_str(services[b % 3]);
	put_text(r, EVENT_TEXT_ENTITY_ID, 0,
		snprintf(r->text[0], FIELD_BYTES, "ord-%07llu", 1000000 + a % 4000));
	put_text(r, EVENT_TEXT_USER_ID, 1, snprintf(r->text[1], FIELD_BYTES, "usr-%06llu", b % 40));
	put_text(r, EVENT_TEXT_IP_ADDRESS, 2,
		snprintf(r->text[2], FIELD_BYTES, "192.168.%llu.%llu", b % 40, a % 3));
	put_text(r, EVENT_TEXT_HOST, 3, snprintf(r->text[3], FIELD_BYTES, "node-%llx.example", a));
	put_text(r, EVENT_TEXT_DESCRIPTION, 4, describe(r->text[4], r, i));
	r->ev.text[EVENT_TEXT_USER_AGENT] = i % 50 ? SPAN_LIT("curl/8.9.1") : SPAN_LIT("");
	if (i % 31 == 7)
		r->ev.text[EVENT_TEXT_DESCRIPTION] = SPAN_NONE;
	if (i % 41 == 3)
		r->ev.text[EVENT_TEXT_USER_ID] = SPAN_NONE;
}

static void make_event(struct ruled *r, uint64_t i)
{
	*r = (struct ruled){ .map_bytes = 0 };
	r->ev.id = 100 + i * 2 + i / 1000;
	r->ev.time_ns =
		INT64_C(1763640000000000000) + (int64_t)(i * 2500000 + number(i, 13) % 2000000);
	r->ev.received_ns = INT64_C(1763640000100000000) + (int64_t)(i / 100 * 250000000);
	r->ev.severity = number(i, 14) % 20 ? EVENT_SEVERITY_INFO : EVENT_SEVERITY_ERROR;
	r->ev.flags = i % 500 == 9 ? EVENT_FLAG_CUT : 0;
	fill_texts(r, i);
	fill_map(r, i);
}

/* As the sealer writes it, and as astrocompact does. */
static const struct thoroughness {
	const char *stem;
	int level;
} version_2_files[] = { { "x", 0 }, { "y", 6 } };

static void make_sidecars(int dir, const char *segment, struct seg_reader *reader)
{
	struct diag d;

	for (int k = 0; k < SIDX_COUNT; k++) {
		char name[DIAG_FILE_BYTES];

		sidx_set_name(segment, (enum sidx_kind)k, name);
		unlinkat(dir, name, 0);
		assert_int_equal(
			sidx_common_write(vfs_real(), dir, name, (enum sidx_kind)k, reader, &d), 0);
	}
}

static void make_version_2(int dir, const char *name, int level)
{
	struct seg_writer_conf conf = { .vfs = vfs_real(),
		.dir = dir,
		.name = name,
		.segment_id = 78,
		.created_ns = 2,
		.compress_level = level,
		.store_uuid = "0123456789abcde" };
	struct seg_writer *w = NULL;
	struct seg_reader *reader;
	struct seg_info info;
	struct ruled r;
	struct diag d;

	unlinkat(dir, conf.name, 0);
	assert_int_equal(seg_writer_open(&conf, &w, &d), 0);
	for (uint64_t i = 0; i < EVENTS_2; i++) {
		make_event(&r, i);
		assert_int_equal(seg_writer_append(w, &r.ev, &d), 0);
	}
	assert_int_equal(seg_writer_finish(w, &info, &d), 0);
	seg_writer_close(&w);
	assert_int_equal(seg_reader_open(vfs_real(), dir, name, &reader, &d), 0);
	make_sidecars(dir, name, reader);
	seg_reader_close(&reader);
}

static void check_version_2(int dir, const char *name)
{
	struct block *b = block_new();
	struct seg_reader *r = NULL;
	static struct ruled want;
	struct diag d;

	assert_non_null(b);
	assert_int_equal(seg_reader_open(vfs_real(), dir, name, &r, &d), 0);
	assert_int_equal(seg_reader_info(r)->segment_id, 78);
	assert_int_equal(seg_reader_info(r)->blocks_count, 1);
	assert_int_equal(seg_reader_rows(r, 0, b, &d), 0);
	assert_int_equal(b->rows_count, EVENTS_2);
	for (uint32_t i = 0; i < EVENTS_2; i++) {
		struct event got;

		make_event(&want, i);
		block_get(b, i, &got);
		assert_true(event_gen_same(&got, &want.ev));
	}
	assert_non_null(sidx_set_type(r));
	assert_int_equal(sidx_type_count(sidx_set_type(r)), 4);
	assert_non_null(sidx_set_entity(r));
	seg_reader_close(&r);
	block_free(&b);
}

static void version_2(void **state)
{
	const char *make = getenv("ASTRO_GOLDEN_MAKE");
	int dir = open_golden("segment-2");

	(void)state;
	assert_true(dir >= 0);
	for (size_t i = 0; i < ARRAY_COUNT(version_2_files); i++) {
		char name[16];

		snprintf(name, sizeof name, "%s.seg", version_2_files[i].stem);
		if (make && strcmp(make, "segment-2") == 0)
			make_version_2(dir, name, version_2_files[i].level);
		check_version_2(dir, name);
	}
	close(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1),
		cmocka_unit_test(version_2),
	};

	return cmocka_run_group_tests_name("golden_segment", tests, NULL, NULL);
}
