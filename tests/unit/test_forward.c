/*
 * Goal: frames of every mode, as real clients send them, give exactly their entries and options,
 *       wherever the reads cut them; bad input costs what it must and no more, and says why.
 * Method: what forward hands out is written down as text and compared. Each input is fed whole, in
 *       single bytes, and in two pieces split at every position; every piece lives in memory of its
 *       own that is gone when forward has taken it.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/wire/forward.h"
#include "proto/wire/forward_put.h"
#include "proto/wire/pack.h"
#include "tests/support/forward_say.h"

static struct inflate_pool pool;

/* ---- the protocol's vectors ---- */

static const struct {
	const char *hex;
	const char *want;
} vectors[] = {
	/* Python, nanoseconds */
	{ "93AA6170702E666F6C6C6F77 D7006B00897F0B1B228F 82A466726F6DA57573657241A16E01",
		"M 'app.follow'\n"
		"entry 1795197311186327695 82a466726f6da57573657241a16e01\n"
		"end 1\n" },
	/* Python, default */
	{ "93A3617070CE6B00897F81A16BA176",
		"M 'app'\nentry 1795197311000000000 81a16ba176\nend 1\n" },
	/* Go and Docker, int32 time, empty options */
	{ "94AA646F636B65722E616263D26553F10081A36C6F67A2686980",
		"M 'docker.abc'\nentry 1700000000000000000 81a36c6f67a26869\nend 1\n" },
	/* Go, below a second */
	{ "94AA646F636B65722E616263D7006553F100075BCD1581A36C6F67A2686980",
		"M 'docker.abc'\nentry 1700000000123456789 81a36c6f67a26869\nend 1\n" },
	/* Go with ack */
	{ "94AA646F636B65722E616263D26553F10081A36C6F67A2686981A56368756E6BB8"
	  "415046545A514141414142532F66774849594A6C54513D3D",
		"M 'docker.abc'\nentry 1700000000000000000 81a36c6f67a26869\n"
		"end 1 chunk 'APFTZQAAAABS/fwHIYJlTQ=='\n" },
	/* @fluent-org/logger with ack */
	{ "93A56170702E78C40C92CE6B008DE381A16DA2686982A473697A6501A56368756E6BB8"
	  "385742434B412F4558544D64555871527838466837513D3D",
		"P 'app.x'\nentry 1795198435000000000 81a16da26869\n"
		"end 1 chunk '8WBCKA/EXTMdUXqRx8Fh7Q==' size 1\n" },
	/* Node, float64 milliseconds */
	{ "93A56170702E78CB427A1FA183D8400082A16DA26869A16900",
		"M 'app.x'\nentry 1795197255044000000 82a16da26869a16900\nend 1\n" },
	/* Node PackedForward; its size counts bytes */
	{ "93A56170702E78C41E92CE6B00894882A16DA26869A1690092CE6B00894882A16DA26869A1690184"
	  "A56368756E6BB8414141414141414141414141414141414141414141413D3D"
	  "A473697A651EAA636F6D70726573736564A474657874"
	  "B26576656E74456E7472794461746153697A651E",
		"P 'app.x'\n"
		"entry 1795197256000000000 82a16da26869a16900\n"
		"entry 1795197256000000000 82a16da26869a16901\n"
		"end 2 chunk 'AAAAAAAAAAAAAAAAAAAAAA==' size 30\n" },
	/* Message */
	{ "93A56175646974D7006553F100075BCD1582AA6576656E745F74797065A441555448A16E01",
		"M 'audit'\nentry 1700000000123456789 82aa6576656e745f74797065a441555448a16e01\n"
		"end 1\n" },
	/* Forward with size and chunk */
	{ "93A561756469749292CE6553F10081A1610192CE6553F10181A1610282A473697A6502A56368756E6B"
	  "A441414543",
		"F 'audit'\n"
		"entry 1700000000000000000 81a16101\n"
		"entry 1700000001000000000 81a16102\n"
		"end 2 chunk 'AAEC' size 2\n" },
	/* PackedForward as str32, as fluentd has it; its chunk ends in a line feed */
	{ "93A56175646974DB0000001E92D7006553F1000000000581A1610192D7006553F1010000000081A16102"
	  "83A473697A6502AA636F6D70726573736564A474657874A56368756E6BB9"
	  "414141414141414141414141414141414141414144773D3D0A",
		"P 'audit'\n"
		"entry 1700000000000000005 81a16101\n"
		"entry 1700000001000000000 81a16102\n"
		"end 2 chunk 'AAAAAAAAAAAAAAAAAAAADw==\n' size 2\n" },
	/* Fluent Bit's entry, its metadata empty */
	{ "92A16191 9292D7006553F100000000008081A16101",
		"F 'a'\nentry 1700000000000000000 81a16101\nend 1\n" },
};

static void vectors_of_real_clients(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
		forward_say_expect_hex(vectors[i].hex, vectors[i].want);
}

static void frames_and_heartbeats_back_to_back(void **state)
{
	(void)state;
	forward_say_expect_hex("C0 92A161C0 C0C0 94A1620581A1780180 92A16290",
		"heartbeat\n"
		"M 'a'\nend 0 shape 1\n"
		"heartbeat\nheartbeat\n"
		"M 'b'\nentry 5000000000 81a17801\nend 1\n"
		"F 'b'\nend 0\n");
}

/* ---- lenience ---- */

static void wide_heads_and_bin_tags_are_taken(void **state)
{
	(void)state;
	forward_say_expect_hex(
		"DD00000003 C40161 DC0001 DC0002 CF0000000000000005 DF00000001D9017801 80",
		"F 'a'\nentry 5000000000 df00000001d9017801\nend 1\n");
	forward_say_expect_hex("DC0004 DA000161 D30000000000000005 DE0001A17801 C0",
		"M 'a'\nentry 5000000000 de0001a17801\nend 1\n");
	forward_say_expect_hex(
		"92A0 C6000000069205 81A17801", "P ''\nentry 5000000000 81a17801\nend 1\n");
	/* Elements nobody asked for: of an entry, of a frame. */
	forward_say_expect_hex("94A161 91940581A178019101A5ffffffffff 81A56368756E6BA0 9192C0 07",
		"F 'a'\nentry 5000000000 81a17801\nend 1 chunk ''\n");
}

static void times_of_every_kind(void **state)
{
	(void)state;
	/* ext8 EventTime, nil, zero, float32, and times that cannot be used */
	forward_say_expect_hex("92A161 9E"
			       "92C708006553F1000000000181A17801"
			       "92C081A17802"
			       "920081A17803"
			       "92CA4EFFFFFF81A17804"
			       "92D7000000000000000000 81A17805"
			       "92D7006553F1003B9ACA0081A17806"
			       "92CB7FF800000000000081A17807"
			       "92CFFFFFFFFFFFFFFFFF81A17808"
			       "92A16181A17809"
			       "92CF0000018BCFE5687B81A1780A"
			       "92CF00060A24181E400181A1780B"
			       "92CF1797 9CFE362A000181A1780C"
			       "92D2FFFFFFFF81A1780D"
			       "92D6FF6553F10081A1780E",
		"F 'a'\n"
		"entry 1700000000000000001 81a17801\n"
		"entry now 81a17802\n"
		"entry now 81a17803\n"
		"entry 2147483520000000000 81a17804\n"
		"entry now 81a17805\n"
		"entry now 81a17806\n"
		"entry now 81a17807\n"
		"entry now 81a17808\n"
		"entry now 81a17809\n"
		"entry 1700000000123000000 81a1780a\n"
		"entry 1700000000000001000 81a1780b\n"
		"entry 1700000000000000001 81a1780c\n"
		"entry -1000000000 81a1780d\n"
		"entry 1700000000000000000 81a1780e\n"
		"end 14\n");
}

static void fluent_bit_metadata_and_groups(void **state)
{
	(void)state;
	forward_say_expect_hex("92A161 96"
			       "92 92D7006553F10000000000 81A16B01 81A17801"
			       "92 92D700FFFFFFFF00000000 80 81A16702"
			       "92 92D7006553F10000000000 80 81A17802"
			       "92 9105 81A17803"
			       "92 92D700FFFFFFFE00000000 80 80"
			       "92 90 81A17804",
		"F 'a'\n"
		"entry 1700000000000000000 81a17801 meta 81a16b01\n"
		"entry 1700000000000000000 81a17802 group 81a16702\n"
		"entry 5000000000 81a17803 group 81a16702\n"
		"entry now 81a17804\n"
		"end 4\n");
	/* A group ends with its frame. Plain -1 marks one only in Fluent Bit's form. */
	forward_say_expect_hex("92A1619192 92FF80 81A16702 92A161929292 FE80C092FF81A17801",
		"F 'a'\nend 0\nF 'a'\nentry -1000000000 81a17801\nend 1\n");
	/* Message mode carries it in the options. */
	forward_say_expect_hex("94A1610581A1780181A86D6574616461746181A16B01",
		"M 'a'\nentry 5000000000 81a17801 meta 81a16b01\nend 1\n");
}

static void odd_options_are_ignored_and_told(void **state)
{
	(void)state;
	forward_say_expect_hex(
		"94A1610581A1780105", "M 'a'\nentry 5000000000 81a17801\nend 1 odd\n");
	forward_say_expect_hex("94A1610581A1780183A56368756E6B05A473697A65A17805C3",
		"M 'a'\nentry 5000000000 81a17801\nend 1 odd\n");
	forward_say_expect_hex("94A1610581A1780182A56368756E6BC0A473697A65C0",
		"M 'a'\nentry 5000000000 81a17801\nend 1\n");
	forward_say_expect_hex("94A1610581A1780182A56368756E6BC40130AD666C75656E745F7369676E616C01",
		"M 'a'\nentry 5000000000 81a17801\nend 1 chunk '0' signal 1\n");
	/* Repeated: the last one. */
	forward_say_expect_hex(
		"93A1619082A56368756E6BA130A56368756E6BA131", "F 'a'\nend 0 chunk '1'\n");
}

/* ---- bad entries: dropped, counted, the frame goes on ---- */

static void bad_entries_do_not_stop_a_frame(void **state)
{
	(void)state;
	forward_say_expect_hex("93A161 98 9205C0 9105 05 A161 9205A161 92059105 8105C0 920581A17801"
			       "81A56368756E6BA130",
		"F 'a'\nentry 5000000000 81a17801\nend 1 chunk '0' shape 4 record 2 nil 1\n");
	forward_say_expect_hex("93A161 05 C0", "M 'a'\nend 0 nil 1\n");
	forward_say_expect_hex("93A161 05 A178", "M 'a'\nend 0 record 1\n");
	forward_say_expect_hex(
		"93A161 81A17801 81A56368756E6BA130", "I 'a'\nend 0 chunk '0' shape 1\n");
	forward_say_expect_hex("93A161 C3 81A56368756E6BA130", "I 'a'\nend 0 chunk '0' shape 1\n");
}

static void a_bad_payload_costs_its_rest(void **state)
{
	(void)state;
	/* c1 in the second entry; the third is lost, the options are not. */
	forward_say_expect_hex(
		"93A161 C415 920581A17801 9205C1 920581A17802 920581A17803 81A56368756E6BA130",
		"P 'a'\nentry 5000000000 81a17801\nend 1 chunk '0' syntax 1\n");
	forward_say_expect_hex("93A161 C408 920581A17801 9205 81A56368756E6BA130",
		"P 'a'\nentry 5000000000 81a17801\nend 1 chunk '0' truncated 1\n");
	forward_say_expect_hex(
		"93A161 A3616263 81A56368756E6BA130", "P 'a'\nend 0 chunk '0' shape 3\n");
	forward_say_expect_hex("93A161 C400 81A56368756E6BA130", "P 'a'\nend 0 chunk '0'\n");
	/* The first byte of gzip alone is no gzip. */
	forward_say_expect_hex(
		"93A161 C4031F0005 81A56368756E6BA130", "P 'a'\nend 0 chunk '0' syntax 1\n");
	forward_say_expect_hex(
		"93A161 C4011F 81A56368756E6BA130", "P 'a'\nend 0 chunk '0' syntax 1\n");
	forward_say_expect_hex(
		"93A161 C40428B52FFC 81A56368756E6BA130", "P 'a'\nend 0 chunk '0' syntax 1\n");
}

/* ---- faults: the connection ends ---- */

static void first_bytes_of_other_protocols(void **state)
{
	static const struct {
		const char *bytes;
		const char *want;
	} others[] = {
		{ "\x16\x03\x01\x02", "fault tls\n" },
		{ "GET / HTTP/1.1\r\n", "fault http\n" },
		{ "POST /x", "fault http\n" },
		{ "PRI * HTTP/2.0", "fault http\n" },
		{ "<34>1 2026", "fault syslog\n" },
		{ "123 <34>1", "fault syslog\n" },
		{ "{\"a\":1}", "fault json\n" },
		{ "[\"a\"]", "fault frame\n" },
		{ "hello", "fault frame\n" },
		{ "12345", "fault frame\n" },
		{ "\xc1", "fault syntax\n" },
		{ "\x81\xa1x\x01", "fault frame\n" },
	};
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		forward_say_run(span_str(others[i].bytes), 0, SIZE_MAX, &out);
		assert_string_equal((char *)out.p, others[i].want);
	}
	buf_fini(&out);
}

static void faults_end_the_connection(void **state)
{
	(void)state;
	/* After a frame it is no other protocol any more. */
	forward_say_expect_hex("92A161904745", "F 'a'\nend 0\nfault frame\n");
	forward_say_expect_hex("91A161", "fault frame\n");
	forward_say_expect_hex("90", "fault frame\n");
	forward_say_expect_hex("9205C0", "fault tag\n");
	forward_say_expect_hex("9291C0", "fault tag\n");
	forward_say_expect_hex("92C1", "fault tag\n");
	forward_say_expect_hex("93A16191C1", "F 'a'\nfault syntax\n");
	forward_say_expect_hex("93A16105C1", "M 'a'\nfault syntax\n");
	forward_say_expect_hex("93A161059205C1", "M 'a'\nfault syntax\n");
	forward_say_expect_hex("93A16190C1", "F 'a'\nfault syntax\n");
	forward_say_expect_hex(
		"93A161C40081AA636F6D70726573736564A26C7A", "P 'a'\nfault compression\n");
	forward_say_expect_hex("96A450494E47A161A162A163A0A0", "fault handshake\n");
}

static void what_ends_early_is_no_frame(void **state)
{
	(void)state;
	forward_say_expect_hex("93A16191920581A178", "F 'a'\n...\n");
	forward_say_expect_hex("DD0000", "...\n");
	forward_say_expect_hex("93A161", "...\n");
	forward_say_expect_hex("93A161DBFFFFFFFF", "P 'a'\n...\n");
	forward_say_expect_hex(
		"93A161DDFFFFFFFF920581A17801", "F 'a'\nentry 5000000000 81a17801\n...\n");
}

/* ---- limits ---- */

static void put_frame_head(struct buf *b, size_t tag_bytes)
{
	buf_put_u8(b, 0x93);
	pack_str_head(b, (uint32_t)tag_bytes);
	for (size_t i = 0; i < tag_bytes; i++)
		buf_put_u8(b, 't');
}

/* Runs b in pieces of a size that straddles much, and compares the last line only. */
static void expect_last(struct buf *b, size_t piece, const char *want)
{
	struct buf out;
	size_t n;

	buf_init(&out, 64 << 20);
	forward_say_run(buf_span(b), 0, piece, &out);
	n = strlen(want);
	assert_true(out.len > n);
	assert_string_equal((char *)out.p + out.len - 1 - n, want);
	buf_fini(&out);
}

static void expect_at_pieces(struct buf *b, const char *want)
{
	expect_last(b, SIZE_MAX, want);
	expect_last(b, 65536, want);
	expect_last(b, 1000, want);
}

static void tag_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	put_frame_head(&b, LIMIT_TAG_BYTES);
	forward_say_put_hex(&b, "9080");
	expect_at_pieces(&b, "end 0\n");
	buf_reset(&b);
	put_frame_head(&b, LIMIT_TAG_BYTES + 1);
	forward_say_put_hex(&b, "9080");
	expect_at_pieces(&b, "fault tag\n");
	/* A claim is enough, its bytes need not come. */
	buf_reset(&b);
	forward_say_put_hex(&b, "93DBFFFFFFFF");
	for (int i = 0; i < LIMIT_TAG_BYTES + 1; i++)
		buf_put_u8(&b, 't');
	expect_at_pieces(&b, "fault tag\n");
	buf_fini(&b);
}

static void chunk_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	for (unsigned over = 0; over < 2; over++) {
		buf_reset(&b);
		forward_say_put_hex(&b, "93A1619081A56368756E6B");
		pack_str_head(&b, LIMIT_CHUNK_BYTES + over);
		for (unsigned i = 0; i < LIMIT_CHUNK_BYTES + over; i++)
			buf_put_u8(&b, 'c');
		expect_at_pieces(&b, over ? "fault chunk\n" : "c'\n");
	}
	buf_fini(&b);
}

static void option_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	for (unsigned over = 0; over < 2; over++) {
		buf_reset(&b);
		forward_say_put_hex(&b, "93A1619081A178DB");
		buf_put(&b,
			(uint8_t[]){ 0, 0, (LIMIT_OPTION_BYTES - 8 + over) >> 8,
				(uint8_t)(LIMIT_OPTION_BYTES - 8 + over) },
			4);
		for (unsigned i = 0; i < LIMIT_OPTION_BYTES - 8 + over; i++)
			buf_put_u8(&b, 'o');
		expect_at_pieces(&b, over ? "fault option\n" : "end 0\n");
	}
	buf_fini(&b);
}

/* [0, {"x": text of n bytes}], of wire + n bytes in all. */
enum { LARGE_HEAD_BYTES = 2 + 1 + 2 + 5 };

static void put_large(struct buf *b, uint32_t n)
{
	forward_say_put_hex(b, "920581A178DB");
	buf_put(b,
		(uint8_t[]){
			(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n },
		4);
	assert_int_equal(buf_reserve(b, n), 0);
	memset(b->p + b->len, 'x', n);
	b->len += n;
}

/* An entry too large, between two good ones, in each mode: skipped, counted, never kept. */
static void entry_limit(void **state)
{
	const uint32_t fits = LIMIT_ENTRY_BYTES - LARGE_HEAD_BYTES;
	struct buf b, payload;
	struct forward_put_frame f = { .tag = SPAN_LIT("a"), .chunk = SPAN_LIT("0") };

	(void)state;
	buf_init(&b, 16 << 20);
	buf_init(&payload, 8 << 20);
	for (uint32_t over = 0; over < 2; over++) {
		const char *want =
			over ? "end 2 chunk '0' size 3 large 1\n" : "end 3 chunk '0' size 3\n";

		buf_reset(&payload);
		forward_say_put_hex(&payload, "920581A17801");
		put_large(&payload, fits + over);
		forward_say_put_hex(&payload, "920581A17802");
		buf_reset(&b);
		forward_put_packed(&b, &f, buf_span(&payload), 3);
		expect_at_pieces(&b, want);
		buf_reset(&b);
		forward_put_forward(&b, &f, buf_span(&payload), 3);
		expect_at_pieces(&b, want);
	}
	buf_reset(&b);
	forward_say_put_hex(&b, "94A161");
	put_large(&payload, 2 * LIMIT_ENTRY_BYTES);
	buf_put(&b, payload.p + payload.len - 2 * LIMIT_ENTRY_BYTES - LARGE_HEAD_BYTES + 1,
		2 * LIMIT_ENTRY_BYTES + LARGE_HEAD_BYTES - 1);
	forward_say_put_hex(&b, "81A56368756E6BA130");
	expect_at_pieces(&b, "end 0 chunk '0' large 1\n");
	buf_fini(&payload);
	buf_fini(&b);
}

static void memory_stays_bounded(void **state)
{
	struct forward f;
	struct forward_entry e;
	uint8_t zeroes[4096] = { 0 };
	struct rcur c;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	/* One entry that claims a str of 4 GiB. */
	forward_say_put_hex(&b, "93A16191920581A178DBFFFFFFFF");
	forward_init(&f, &pool);
	c = rcur_of(b.p, b.len);
	assert_int_equal(forward_next(&f, &c, &e), FORWARD_BEGIN);
	assert_int_equal(forward_next(&f, &c, &e), FORWARD_MORE);
	for (int i = 0; i < 1024; i++) {
		c = rcur_of(zeroes, sizeof zeroes);
		assert_int_equal(forward_next(&f, &c, &e), FORWARD_MORE);
		assert_true(forward_bytes(&f) <= FORWARD_BYTES_MAX);
	}
	forward_fini(&f);
	buf_fini(&b);
}

static void depth_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	/* The entry array and the record are two levels of the walker's. */
	for (unsigned over = 0; over < 2; over++) {
		buf_reset(&b);
		forward_say_put_hex(&b, "93A16192920581A178");
		for (unsigned i = 0; i < LIMIT_WALK_DEPTH - 3 + over; i++)
			buf_put_u8(&b, 0x91);
		forward_say_put_hex(&b, "90 920581A17801 81A56368756E6BA130");
		expect_last(&b, SIZE_MAX, over ? "end 1 chunk '0' deep 1\n" : "end 2 chunk '0'\n");
		expect_last(&b, 1, over ? "end 1 chunk '0' deep 1\n" : "end 2 chunk '0'\n");
	}
	buf_fini(&b);
}

static void group_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	forward_say_put_hex(&b, "92A1619292 92D700FFFFFFFF0000000080 81A167C5");
	buf_put(&b, (uint8_t[]){ LIMIT_GROUP_BYTES >> 8, 0 }, 2);
	for (unsigned i = 0; i < LIMIT_GROUP_BYTES; i++)
		buf_put_u8(&b, 'g');
	forward_say_put_hex(&b, "92 9205 80 81A17801");
	expect_at_pieces(&b, "entry 5000000000 81a17801\nend 1 groups_large 1\n");
	buf_fini(&b);
}

/* ---- datagrams ---- */

static void expect_datagram(const char *hex, const char *want)
{
	struct buf b, out;
	struct forward f;
	struct forward_entry e;
	struct rcur c;
	int kind;

	buf_init(&b, 4096);
	buf_init(&out, 4096);
	assert_int_equal(buf_reserve(&b, 1), 0);
	forward_say_put_hex(&b, hex);
	forward_init(&f, &pool);
	/* Twice, for one struct serves all datagrams. */
	for (int i = 0; i < 2; i++) {
		buf_reset(&out);
		forward_datagram(&f);
		c = rcur_of(b.p, b.len);
		do {
			kind = forward_next(&f, &c, &e);
			forward_say_kind(&out, &f, kind, &e);
		} while (kind == FORWARD_BEGIN || kind == FORWARD_ENTRY);
		buf_put_u8(&out, 0);
		assert_string_equal((char *)out.p, want);
	}
	forward_fini(&f);
	buf_fini(&out);
	buf_fini(&b);
}

static void datagrams_hold_one_frame(void **state)
{
	(void)state;
	expect_datagram("00", "heartbeat\n");
	expect_datagram("0000", "fault frame\n");
	expect_datagram("C0", "fault frame\n");
	expect_datagram("", "fault truncated\n");
	expect_datagram("93A1610581A17801", "M 'a'\nentry 5000000000 81a17801\nend 1\n");
	expect_datagram("93A1610581A178", "M 'a'\nfault truncated\n");
	expect_datagram("93A1610581A17801C0", "M 'a'\nentry 5000000000 81a17801\nfault trailing\n");
	expect_datagram("92A161C406920581A17801", "P 'a'\nentry 5000000000 81a17801\nend 1\n");
	expect_datagram(
		"92A161C407920581A17801", "P 'a'\nentry 5000000000 81a17801\nfault truncated\n");
}

/* ---- writing ---- */

static void acks(void **state)
{
	uint8_t ack[FORWARD_PUT_ACK_BYTES], chunk[LIMIT_CHUNK_BYTES];
	size_t n = forward_put_ack(ack, SPAN_LIT("AAEC"));

	(void)state;
	assert_int_equal(n, 10);
	assert_memory_equal(ack,
		"\x81\xa3"
		"ack"
		"\xa4"
		"AAEC",
		10);
	assert_int_equal(forward_put_ack(ack, SPAN_LIT("")), 6);
	memset(chunk, 'c', sizeof chunk);
	assert_int_equal(forward_put_ack(ack, span_of(chunk, sizeof chunk)), FORWARD_PUT_ACK_BYTES);
}

static void written_frames_read_back(void **state)
{
	struct forward_put_frame f = { .tag = SPAN_LIT("a.b"), .chunk = SPAN_LIT("c\n") };
	struct buf b, entries;

	(void)state;
	buf_init(&b, 4096);
	buf_init(&entries, 4096);
	forward_put_entry(&entries, 1700000000000000001, SPAN_LIT("\x80"));
	forward_put_entry(&entries, -1, SPAN_LIT("\x81\xa1x\x01"));
	forward_put_message(&b, &f, 1700000000000000001, SPAN_LIT("\x80"));
	forward_put_forward(&b, &f, buf_span(&entries), 2);
	f.chunk = SPAN_NONE;
	forward_put_packed(&b, &f, buf_span(&entries), 2);
	forward_say_expect(buf_span(&b),
		"M 'a.b'\nentry 1700000000000000001 80\nend 1 chunk 'c\n' size 1\n"
		"F 'a.b'\nentry 1700000000000000001 80\nentry now 81a17801\n"
		"end 2 chunk 'c\n' size 2\n"
		"P 'a.b'\nentry 1700000000000000001 80\nentry now 81a17801\n"
		"end 2 size 2\n");
	buf_fini(&entries);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_real_clients),
		cmocka_unit_test(frames_and_heartbeats_back_to_back),
		cmocka_unit_test(wide_heads_and_bin_tags_are_taken),
		cmocka_unit_test(times_of_every_kind),
		cmocka_unit_test(fluent_bit_metadata_and_groups),
		cmocka_unit_test(odd_options_are_ignored_and_told),
		cmocka_unit_test(bad_entries_do_not_stop_a_frame),
		cmocka_unit_test(a_bad_payload_costs_its_rest),
		cmocka_unit_test(first_bytes_of_other_protocols),
		cmocka_unit_test(faults_end_the_connection),
		cmocka_unit_test(what_ends_early_is_no_frame),
		cmocka_unit_test(tag_limit),
		cmocka_unit_test(chunk_limit),
		cmocka_unit_test(option_limit),
		cmocka_unit_test(entry_limit),
		cmocka_unit_test(memory_stays_bounded),
		cmocka_unit_test(depth_limit),
		cmocka_unit_test(group_limit),
		cmocka_unit_test(datagrams_hold_one_frame),
		cmocka_unit_test(acks),
		cmocka_unit_test(written_frames_read_back),
	};

	return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
