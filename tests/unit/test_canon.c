/*
 * Goal: what is clean passes as it is, what can be made clean is, what cannot is refused.
 * Method: values as hex, whole and rewritten; keys in numbers on both sides of every way to compare.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"
#include "proto/wire/canon.h"
#include "proto/wire/pack.h"

static struct canon *canon;

static int setup(void **state)
{
	(void)state;
	return canon_new(&canon);
}

static int teardown(void **state)
{
	(void)state;
	canon_free(&canon);
	canon_free(&canon);
	return 0;
}

static size_t from_hex(const char *hex, uint8_t *dst)
{
	size_t n = 0;

	for (; *hex; hex += 2) {
		char two[3] = { hex[0], hex[1], 0 };

		dst[n++] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

/* `want` NULL: clean. */
static void expect(const char *hex, const char *want)
{
	uint8_t in[256], out[256], wanted[256];
	size_t n = from_hex(hex, in);
	struct rcur c = rcur_of(in, n);
	struct wcur w = wcur_of(out, sizeof out);

	assert_int_equal(canon_check(canon, &c, 0), want ? CANON_REWRITE : 0);
	assert_int_equal(rcur_left(&c), 0);
	canon_write(canon, span_of(in, n), &w);
	assert_int_equal(w.err, 0);
	assert_int_equal(w.p - out, from_hex(want ? want : hex, wanted));
	assert_memory_equal(out, wanted, (size_t)(w.p - out));
}

static void clean_values(void **state)
{
	(void)state;
	expect("c0", NULL);
	expect("cd0005", NULL);
	expect("80", NULL);
	expect("81a16101", NULL);
	expect("93a16181a16190c40101", NULL);
	expect("82a16181a16101a16281a16102", NULL);
	expect("81a0c70005", NULL);
}

static void values_made_clean(void **state)
{
	(void)state;
	/* Repeated key, bin key, keys of other types, on several levels. */
	expect("82a16101a16102", "81a16102");
	expect("81c4016101", "81a16101");
	expect("82c4016101a16102", "81a16102");
	expect("830102c003a16104", "81a16104");
	expect("829101029281c0c0c004", "80");
	expect("9181a17882a16101a16102", "9181a17881a16102");
	expect("82a17882a16101a16102a17801", "81a17801");
	expect("8281010205a16107", "81a16107");
}

static void values_refused(void **state)
{
	static const struct {
		const char *hex;
		int want;
	} bad[] = {
		{ "", ERR_TRUNCATED },
		{ "81a161", ERR_TRUNCATED },
		{ "81", ERR_TRUNCATED },
		{ "91c1", ERR_SYNTAX },
		{ "81c101", ERR_SYNTAX },
		{ "de0401a16101", ERR_LIMIT },
		{ "dfffffffff", ERR_LIMIT },
		{ "ddffffffff01", ERR_TRUNCATED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		uint8_t in[64];
		struct rcur c = rcur_of(in, from_hex(bad[i].hex, in));

		assert_int_equal(canon_check(canon, &c, 0), bad[i].want);
		/* And nothing of it stays behind. */
		expect("81a16101", NULL);
	}
}

static void depth_counts_what_surrounds(void **state)
{
	uint8_t in[LIMIT_DEPTH + 2];

	(void)state;
	for (unsigned depth = 0; depth < 3; depth++) {
		for (unsigned over = 0; over < 2; over++) {
			unsigned n = LIMIT_DEPTH - depth + over;
			struct rcur c = rcur_of(in, n);

			memset(in, 0x91, n);
			in[n - 1] = 0x90;
			assert_int_equal(canon_check(canon, &c, depth), over ? ERR_DEPTH : 0);
		}
	}
	/* Containers in a key count too. */
	in[0] = 0x81;
	memset(in + 1, 0x91, LIMIT_DEPTH);
	in[LIMIT_DEPTH] = 0x90;
	in[LIMIT_DEPTH + 1] = 0x01;
	{
		struct rcur c = rcur_of(in, LIMIT_DEPTH + 2);

		assert_int_equal(canon_check(canon, &c, 0), ERR_DEPTH);
	}
}

/* n keys k0 ... of which number `twin` is called like number 0. */
static uint32_t losers_of(uint32_t n, uint32_t twin)
{
	static struct canon_pair pairs[CANON_UNIQUE_MAX];
	static char names[CANON_UNIQUE_MAX][12];
	uint32_t losers;

	for (uint32_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof names[i], "k%u", i == twin ? 0 : i);
		pairs[i] = (struct canon_pair){ .key = span_str(names[i]) };
	}
	losers = canon_unique(canon, pairs, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(pairs[i].winner, i == 0 && twin < n ? twin : i);
	return losers;
}

static void equal_keys_are_found_among_many(void **state)
{
	static const uint32_t counts[] = { 1, 2, 15, 16, 17, 33, 100, 1024, CANON_UNIQUE_MAX };

	(void)state;
	assert_int_equal(losers_of(0, 9), 0);
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		assert_int_equal(losers_of(counts[i], UINT32_MAX), 0);
		if (counts[i] > 1)
			assert_int_equal(losers_of(counts[i], counts[i] - 1), 1);
	}
}

static void large_maps(void **state)
{
	struct rcur c;
	struct wcur w;
	struct buf b;
	static uint8_t out[32768];

	(void)state;
	for (uint32_t repeat = 0; repeat < 2; repeat++) {
		buf_init(&b, 65536);
		pack_map_head(&b, LIMIT_MAP_PAIRS);
		for (uint32_t i = 0; i < LIMIT_MAP_PAIRS; i++) {
			char key[12];

			snprintf(key, sizeof key, "%u", i & ~repeat);
			pack_str(&b, span_str(key));
			pack_uint(&b, i);
		}
		c = rcur_of(b.p, b.len);
		w = wcur_of(out, sizeof out);
		assert_int_equal(canon_check(canon, &c, 0), repeat ? CANON_REWRITE : 0);
		canon_write(canon, buf_span(&b), &w);
		assert_int_equal(w.err, 0);
		assert_int_equal(out[1] << 8 | out[2], LIMIT_MAP_PAIRS >> repeat);
		buf_fini(&b);
	}
}

static void what_was_left_out_is_counted(void **state)
{
	uint64_t dropped = canon_keys_dropped(canon), repeated = canon_keys_repeated(canon);

	(void)state;
	expect("84010102029101c0a16104", "81a16104");
	expect("83a16101a16102a16103", "81a16103");
	assert_int_equal(canon_keys_dropped(canon) - dropped, 3);
	assert_int_equal(canon_keys_repeated(canon) - repeated, 2);
}

static void a_full_buffer_is_told(void **state)
{
	uint8_t out[3];
	struct wcur w = wcur_of(out, sizeof out);

	(void)state;
	canon_write(canon, SPAN_LIT("\x81\xa1x\x01"), &w);
	assert_int_equal(w.err, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_values),
		cmocka_unit_test(values_made_clean),
		cmocka_unit_test(values_refused),
		cmocka_unit_test(depth_counts_what_surrounds),
		cmocka_unit_test(equal_keys_are_found_among_many),
		cmocka_unit_test(large_maps),
		cmocka_unit_test(what_was_left_out_is_counted),
		cmocka_unit_test(a_full_buffer_is_told),
	};

	return cmocka_run_group_tests_name("canon", tests, setup, teardown);
}
