/*
 * Goal: the greeting is what the protocol's vectors say, takes who knows the secrets and nobody else,
 *       and says why.
 */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/wire/handshake.h"
#include "tests/support/forward_say.h"

static const struct handshake_user users[] = {
	{ { (const uint8_t *)"bob", 3 }, { (const uint8_t *)"other", 5 } },
	{ { (const uint8_t *)"alice", 5 }, { (const uint8_t *)"pw", 2 } },
};

static const char ping_digest[] =
	"e9b0ac5eb7f9ca9605649d1f150d094b770277d1252a087f0b73db1f976cfc8c"
	"583cd9028ce29ae183f130e20aaf7661a6806afa658cb7c98e1b039335058fca";
static const char pong_digest[] =
	"aadb19beed728fec6a1e78d155ad4788871849ba62be2bb80844e3e06df79554"
	"20b18a7e061bdb5bd7bc9cf9461c602edd4a77a9e013d9afbefbfd3e140c1bd8";
static const char password_digest[] =
	"175443d1726b2836999b8b7b54c1fcf0a2ec1071f20fbec9f6e0a7594cf70f20"
	"8e7ed315db82d7e4f45981d04990e9b9b46ea8f69444a5cf5e25601d72aa83e5";

static struct handshake_keys keys_of(bool with_users)
{
	return (struct handshake_keys){ .key = SPAN_LIT("s3cret"),
		.host = SPAN_LIT("astro:24224"),
		.users = users,
		.users_count = with_users ? ARRAY_COUNT(users) : 0 };
}

/* As init, with the random bytes of the vectors. */
static void begin(struct handshake *h, const struct handshake_keys *keys)
{
	assert_int_equal(handshake_init(h, keys), 0);
	for (uint8_t i = 0; i < HANDSHAKE_RANDOM_BYTES; i++) {
		h->nonce[i] = i;
		h->auth[i] = (uint8_t)(0x10 + i);
	}
}

static void put_str(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	if (n < 32) {
		buf_put_u8(b, (uint8_t)(0xa0 + n));
	} else {
		buf_put_u8(b, 0xd9);
		buf_put_u8(b, (uint8_t)n);
	}
	buf_put_str(b, s);
}

static void put_ping(struct buf *b, const char *digest, const char *user, const char *password)
{
	buf_put_u8(b, 0x96);
	put_str(b, "PING");
	put_str(b, "client1");
	put_str(b, "00112233445566778899aabbccddeeff");
	put_str(b, digest);
	put_str(b, user);
	put_str(b, password);
}

/* Feeds it in two pieces, split at `first`; the outcome, and the PONG in out. */
static int run(struct handshake *h, const struct handshake_keys *keys, struct span ping,
	size_t first, uint8_t *out, size_t *out_n, size_t *out_left)
{
	struct rcur c = rcur_of(ping.p, first);
	int rc = handshake_next(h, keys, &c, out, out_n);

	if (rc == HANDSHAKE_MORE) {
		assert_int_equal(rcur_left(&c), 0);
		c = rcur_of(ping.p + first, ping.n - first);
		rc = handshake_next(h, keys, &c, out, out_n);
	}
	*out_left = rcur_left(&c);
	return rc;
}

static void helo_is_the_vector(void **state)
{
	struct handshake_keys keys = keys_of(false);
	uint8_t out[HANDSHAKE_OUT_BYTES];
	struct handshake h;
	struct buf want;
	size_t n;

	(void)state;
	buf_init(&want, 4096);
	forward_say_put_hex(&want,
		"92A448454C4F83A56E6F6E6365C410000102030405060708090A0B0C0D0E0FA461757468C400"
		"A96B656570616C697665C3");
	begin(&h, &keys);
	n = handshake_helo(&h, out);
	assert_int_equal(n, 49);
	assert_true(span_eq(span_of(out, n), buf_span(&want)));
	handshake_fini(&h);
	keys = keys_of(true);
	begin(&h, &keys);
	assert_int_equal(handshake_helo(&h, out), 49 + HANDSHAKE_RANDOM_BYTES);
	handshake_fini(&h);
	buf_fini(&want);
}

static void who_knows_the_key_is_taken(void **state)
{
	uint8_t out[HANDSHAKE_OUT_BYTES];
	struct handshake h;
	struct buf ping;
	size_t n, left;

	(void)state;
	buf_init(&ping, 4096);
	for (unsigned with_users = 0; with_users < 2; with_users++) {
		struct handshake_keys keys = keys_of(with_users);

		buf_reset(&ping);
		put_ping(&ping, ping_digest, with_users ? "alice" : "",
			with_users ? password_digest : "");
		if (!with_users)
			assert_int_equal(ping.len, 180);
		buf_put_str(&ping, "\x93"); /* a frame behind it stays where it is */
		for (size_t first = 1; first < ping.len; first++) {
			begin(&h, &keys);
			assert_int_equal(run(&h, &keys, buf_span(&ping), first, out, &n, &left),
				HANDSHAKE_ACCEPTED);
			assert_int_equal(n, 150);
			assert_memory_equal(out,
				"\x95\xa4PONG\xc3\xa0\xab"
				"astro:24224\xd9\x80",
				22);
			assert_memory_equal(out + 22, pong_digest, 128);
			assert_int_equal(left, first == ping.len - 1 ? 0 : 1);
			handshake_fini(&h);
		}
	}
	buf_fini(&ping);
}

static void expect_refused(
	bool with_users, struct span ping, enum forward_fault why, const char *reason)
{
	struct handshake_keys keys = keys_of(with_users);
	uint8_t out[HANDSHAKE_OUT_BYTES];
	struct handshake h;
	struct buf want;
	size_t n, left;

	buf_init(&want, 4096);
	buf_put_str(&want, "\x95\xa4PONG\xc2");
	put_str(&want, reason);
	buf_put_str(&want, "\xa0\xa0");
	begin(&h, &keys);
	assert_int_equal(run(&h, &keys, ping, ping.n, out, &n, &left), HANDSHAKE_REFUSED);
	assert_int_equal(h.fault, why);
	assert_true(span_eq(span_of(out, n), buf_span(&want)));
	handshake_fini(&h);
	buf_fini(&want);
}

static void others_are_told_why_not(void **state)
{
	char wrong[sizeof ping_digest];
	struct buf b;

	(void)state;
	buf_init(&b, 16 << 10);
	memcpy(wrong, ping_digest, sizeof wrong);
	wrong[127] ^= 1;
	put_ping(&b, wrong, "", "");
	expect_refused(false, buf_span(&b), FORWARD_FAULT_KEY, "shared_key mismatch");
	buf_reset(&b);
	put_ping(&b, "", "", "");
	expect_refused(false, buf_span(&b), FORWARD_FAULT_KEY, "shared_key mismatch");
	for (unsigned i = 0; i < 4; i++) {
		static const char *const names[] = { "alice", "bob", "nobody", "" };

		buf_reset(&b);
		put_ping(&b, ping_digest, names[i], i == 0 ? wrong : password_digest);
		expect_refused(
			true, buf_span(&b), FORWARD_FAULT_USER, "username/password mismatch");
	}
	/* A frame of a client without a key; no PING; five elements; a salt that is a number. */
	expect_refused(
		false, SPAN_LIT("\x93\xa1t\x05\x80"), FORWARD_FAULT_PING, "invalid ping message");
	expect_refused(false, SPAN_LIT("\x96\xa4PONG\xa0\xa0\xa0\xa0\xa0"), FORWARD_FAULT_PING,
		"invalid ping message");
	expect_refused(false, SPAN_LIT("\x95\xa4PING\xa0\xa0\xa0\xa0"), FORWARD_FAULT_PING,
		"invalid ping message");
	expect_refused(false, SPAN_LIT("\x96\xa4PING\xa0\x05\xa0\xa0\xa0"), FORWARD_FAULT_PING,
		"invalid ping message");
	expect_refused(false, SPAN_LIT("\x92\xc1"), FORWARD_FAULT_PING, "invalid ping message");
	expect_refused(false, SPAN_LIT("\xc0"), FORWARD_FAULT_PING, "invalid ping message");
	expect_refused(
		false, SPAN_LIT("GET / HTTP/1.1"), FORWARD_FAULT_HTTP, "invalid ping message");
	expect_refused(false, SPAN_LIT("[\"a\",5,{}]"), FORWARD_FAULT_JSON, "invalid ping message");
	/* One that does not end. */
	buf_reset(&b);
	buf_put_str(&b, "\x96\xa4PING\xda\x7f\xff");
	for (unsigned i = 0; i < LIMIT_PING_BYTES; i++)
		buf_put_u8(&b, 'h');
	expect_refused(false, buf_span(&b), FORWARD_FAULT_PING, "invalid ping message");
	buf_fini(&b);
}

static void random_bytes_differ(void **state)
{
	struct handshake_keys keys = keys_of(true);
	struct handshake a, b;

	(void)state;
	assert_int_equal(handshake_init(&a, &keys), 0);
	assert_int_equal(handshake_init(&b, &keys), 0);
	assert_memory_not_equal(a.nonce, b.nonce, sizeof a.nonce);
	assert_memory_not_equal(a.auth, b.auth, sizeof a.auth);
	assert_memory_not_equal(a.auth, a.nonce, sizeof a.auth);
	handshake_fini(&a);
	handshake_fini(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(helo_is_the_vector),
		cmocka_unit_test(who_knows_the_key_is_taken),
		cmocka_unit_test(others_are_told_why_not),
		cmocka_unit_test(random_bytes_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
