/*
 * Goal: what doctor says reads well, on a narrow terminal too, and a page of metrics is read for what it
 *       is.
 * Method: golden texts.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/clock.h"
#include "tools/doctor.h"
#include "tools/doctor_http.h"

static struct buf out;

static const char *said(enum show_format format, const struct term *term)
{
	struct doctor d;

	buf_reset(&out);
	doctor_init(&d);
	doctor_say(&d, DOCTOR_OK, "store", "", "can be %s", "read");
	doctor_say(&d, DOCTOR_FAIL, "disk", "make room there, or keep less of what is old",
		"full of \x1b[2J");
	doctor_put(&d, format, term, &out);
	assert_int_equal(d.counts[DOCTOR_OK], 1);
	assert_int_equal(d.counts[DOCTOR_WARN], 0);
	assert_int_equal(d.counts[DOCTOR_FAIL], 1);
	doctor_fini(&d);
	buf_put_u8(&out, 0);
	assert_int_equal(out.err, 0);
	return (const char *)out.p;
}

static void findings_have_advice(void **state)
{
	static const struct term plain = { .columns = 80 };
	static const struct term narrow = { .columns = 45, .tty = true };

	(void)state;
	assert_string_equal(said(SHOW_SHORT, &plain),
		"ok    store          can be read\n"
		"fail  disk           full of \\x1b[2J\n"
		"                     -> make room there, or keep less of what is old\n"
		"1 well, 0 to look at, 1 failed.\n");
	assert_string_equal(said(SHOW_SHORT, &narrow),
		"ok    store          can be read\n"
		"fail  disk           full of \\x1b[2J\n"
		"                     -> make room there, or\n"
		"                     keep less of what is old\n"
		"1 well, 0 to look at, 1 failed.\n");
	assert_string_equal(said(SHOW_LOGFMT, &plain),
		"level=ok check=store text=\"can be read\" advice=\"\"\n"
		"level=fail check=disk text=\"full of \\u001b[2J\" "
		"advice=\"make room there, or keep less of what is old\"\n");
}

static void metrics_are_summed_up(void **state)
{
	struct span page = SPAN_LIT("# HELP a_total A.\n# TYPE a_total counter\n"
				    "a_total{door=\"tcp\"} 5\na_total{door=\"udp\"} 2.5\n"
				    "a_totals 100\nb 7");
	double n;

	(void)state;
	assert_true(doctor_http_metric(page, "a_total", &n));
	assert_true(n == 7.5);
	assert_true(doctor_http_metric(page, "b", &n));
	assert_true(n == 7);
	assert_false(doctor_http_metric(page, "c", &n));
	assert_true(n == 0);
}

static void sizes_and_ages(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(doctor_bytes(999, text), "999 bytes");
	assert_string_equal(doctor_bytes(1500, text), "1.5 kB");
	assert_string_equal(doctor_bytes(UINT64_C(123456789012), text), "123 GB");
	assert_string_equal(doctor_age(5 * CLOCK_NS_PER_SEC, text), "5 s");
	assert_string_equal(doctor_age(600 * CLOCK_NS_PER_SEC, text), "10 min");
	assert_string_equal(doctor_age(3 * 86400 * CLOCK_NS_PER_SEC, text), "3 days");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(findings_have_advice),
		cmocka_unit_test(metrics_are_summed_up),
		cmocka_unit_test(sizes_and_ages),
	};
	int rc;

	buf_init(&out, 1 << 20);
	rc = cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
	buf_fini(&out);
	return rc;
}
