/* Goal: the small parts: spans compare as memcmp, codes have names, a diagnosis names its place, clocks obey. */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/diag.h"
#include "proto/base/err.h"
#include "proto/base/span.h"

static void spans(void **state)
{
	(void)state;
	assert_true(span_eq(SPAN_NONE, SPAN_LIT("")));
	assert_true(span_eq(span_str("ab"), SPAN_LIT("ab")));
	assert_false(span_eq(SPAN_LIT("ab"), SPAN_LIT("abc")));
	assert_int_equal(span_str(NULL).n, 0);
	assert_int_equal(span_cmp(SPAN_LIT("a"), SPAN_LIT("a")), 0);
	assert_true(span_cmp(SPAN_LIT("a"), SPAN_LIT("ab")) < 0);
	assert_true(span_cmp(SPAN_LIT("b"), SPAN_LIT("ab")) > 0);
	assert_true(span_cmp(SPAN_LIT("\xFF"), SPAN_LIT("a")) > 0);
	assert_true(span_cmp(SPAN_NONE, SPAN_LIT("a")) < 0);
	assert_int_equal(span_cmp(SPAN_NONE, SPAN_NONE), 0);
}

static void every_code_has_a_name_and_a_text(void **state)
{
	static const int codes[] = {
#define CODE(name, number, text) name,
		ERR_TABLE(CODE)
#undef CODE
	};

	(void)state;
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		assert_int_equal(strncmp(err_name(codes[i]), "ERR_", 4), 0);
		assert_string_not_equal(err_text(codes[i]), "unknown error");
		assert_true(codes[i] <= -5001);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(codes[i], codes[k]);
	}
	assert_string_equal(err_name(-ENOSPC), "ENOSPC");
	assert_string_equal(err_text(-ENOSPC), "No space left on device");
	assert_string_equal(err_name(0), "OK");
	assert_string_equal(err_name(1), "E?");
	assert_string_equal(err_name(-4999), "E?");
	assert_string_equal(err_name(-4000), "E?");
	assert_string_equal(err_text(-99999), "unknown error");
}

static void a_diagnosis_names_its_place(void **state)
{
	char out[1024], file[2 * DIAG_FILE_BYTES];
	struct diag d;

	(void)state;
	assert_int_equal(
		diag_set(&d, ERR_CORRUPT, "seg/1", 77, "page %d of %s", 3, "x"), ERR_CORRUPT);
	assert_string_equal(diag_format(&d, out, sizeof out),
		"seg/1 at byte 77: page 3 of x: the data is damaged: a checksum or a structure does "
		"not hold (ERR_CORRUPT)");
	diag_set(&d, -EIO, "seg/1", -1, "sync");
	assert_string_equal(
		diag_format(&d, out, sizeof out), "seg/1: sync: Input/output error (EIO)");
	diag_set(&d, -EIO, NULL, 5, "sync");
	assert_string_equal(diag_format(&d, out, sizeof out), "sync: Input/output error (EIO)");
	assert_int_equal(diag_set(NULL, -EIO, "f", 0, "silent"), -EIO);
	memset(file, 'f', sizeof file - 1);
	file[sizeof file - 1] = 0;
	diag_set(&d, -EIO, file, 0, "%s", file);
	assert_int_equal(strlen(d.file), DIAG_FILE_BYTES - 1);
	assert_int_equal(strlen(d.text), DIAG_TEXT_BYTES - 1);
	assert_int_equal(strlen(diag_format(&d, out, 10)), 9);
}

static void clocks(void **state)
{
	int64_t wall, mono;

	(void)state;
	clock_fake(5, 7);
	assert_int_equal(clock_wall_ns(), 5);
	assert_int_equal(clock_mono_ns(), 7);
	clock_real();
	wall = clock_wall_ns();
	mono = clock_mono_ns();
	assert_true(wall > INT64_C(1577836800) * CLOCK_NS_PER_SEC);
	assert_true(clock_mono_ns() >= mono);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans),
		cmocka_unit_test(every_code_has_a_name_and_a_text),
		cmocka_unit_test(a_diagnosis_names_its_place),
		cmocka_unit_test(clocks),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
