/*
 * Goal:   a flood from one address or another cannot take what a quiet one needs: connections, memory,
 *         bytes a second; and nothing but its own counts against a peer.
 * Method: floods from many addresses beside one that is quiet; a clock that the test sets.
 */
#include "tests/support/check_cmocka.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "proto/base/limits.h"
#include "proto/net/peers.h"

enum { MANY = 1 << 20 };

static struct addr v4(uint32_t host)
{
	struct addr a = { .sa_bytes = sizeof(struct sockaddr_in) };
	struct sockaddr_in *in = (void *)&a.sa;

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(host);
	in->sin_port = htons((uint16_t)rand());
	return a;
}

static struct addr v6(const char *text)
{
	struct addr a = { .sa_bytes = sizeof(struct sockaddr_in6) };
	struct sockaddr_in6 *in = (void *)&a.sa;

	in->sin6_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &in->sin6_addr), 1);
	return a;
}

static int setup(void **state)
{
	static struct peers p;

	*state = &p;
	return peers_init(&p);
}

static int teardown(void **state)
{
	peers_fini(*state);
	return 0;
}

static void who_is_one_peer(void **state)
{
	struct peers *p = *state;
	struct addr a = v4(0x0a010203), b = v4(0x0a010204);
	struct addr mapped = v6("::ffff:10.1.2.3");
	struct addr six = v6("2001:db8:1:2::3"), same_net = v6("2001:db8:1:2:ffff::4");
	struct addr other_net = v6("2001:db8:1:3::3");
	struct addr local = { .sa = { .ss_family = AF_UNIX }, .sa_bytes = 2 };

	p->limits.conns_max = 1;
	assert_true(peers_enter(p, &a, MANY));
	assert_false(peers_enter(p, &a, MANY));
	assert_false(peers_enter(p, &mapped, MANY));
	assert_true(peers_enter(p, &b, MANY));
	assert_true(peers_enter(p, &six, MANY));
	assert_false(peers_enter(p, &same_net, MANY));
	assert_true(peers_enter(p, &other_net, MANY));
	/* A unix socket has no address, and no bound. */
	for (int i = 0; i < 10; i++)
		assert_true(peers_enter(p, &local, 0));
	peers_leave(p, &local);
	peers_leave(p, &mapped);
	assert_true(peers_enter(p, &a, MANY));
	/* The stricter of limit and `most`. */
	p->limits.conns_max = 0;
	assert_false(peers_enter(p, &a, 1));
	assert_true(peers_enter(p, &a, 2));
}

/* As a listener does: so many times what is free, whoever comes. */
static unsigned flood(struct peers *p, uint32_t from, unsigned peers, unsigned tries,
	unsigned *open, unsigned open_max)
{
	unsigned got = 0;

	for (unsigned i = 0; i < tries; i++) {
		for (unsigned k = 0; k < peers; k++) {
			struct addr a = v4(from + k);

			if (*open == open_max || !peers_enter(p, &a, peers_share(open_max - *open)))
				continue;
			++*open;
			got++;
		}
	}
	return got;
}

static void a_place_is_left(void **state)
{
	struct peers *p = *state;
	const unsigned open_max = 4096, most = open_max / (LIMIT_PEER_RATIO + 1) * LIMIT_PEER_RATIO;
	unsigned open = 0;

	assert_in_range(
		flood(p, 0x0a000001, 1, 10000, &open, open_max), most - LIMIT_PEER_RATIO, most);
	/* The quiet one comes after the flood, and a second flood does not find all the rest. */
	assert_int_equal(flood(p, 0x0b000001, 1, 10, &open, open_max), 10);
	assert_in_range(flood(p, 0x0c000001, 1, 10000, &open, open_max), 400, 460);
	assert_int_equal(flood(p, 0x0b000001, 1, 10, &open, open_max), 10);
	assert_in_range(flood(p, 0x0d000001, 20, 10000, &open, open_max), 1, 60);
	assert_in_range(open, open_max - 20, open_max - 1);
	assert_int_equal(flood(p, 0x0e000001, 1, 1, &open, open_max), 1);
}

static void memory(void **state)
{
	struct peers *p = *state;
	struct addr loud = v4(1), quiet = v4(2);

	p->limits.held_max = 1000;
	peers_hold(p, &loud, 0, 900);
	assert_true(peers_may_hold(p, &loud, 100, MANY));
	assert_false(peers_may_hold(p, &loud, 101, MANY));
	assert_false(peers_may_hold(p, &loud, 100, 999));
	assert_true(peers_may_hold(p, &quiet, 1000, MANY));
	peers_hold(p, &loud, 900, 100);
	assert_true(peers_may_hold(p, &loud, 900, MANY));
	peers_hold(p, &loud, 100, 0);
	p->limits.held_max = 0;
	assert_true(peers_may_hold(p, &loud, MANY, MANY));
}

static void streams_are_slowed(void **state)
{
	struct peers *p = *state;
	struct addr loud = v4(1), quiet = v4(2);
	const int64_t t = 123456789;

	assert_int_equal(peers_spend(p, &loud, SIZE_MAX / 2, t), 0);
	p->limits.rate_max = 1000;
	/* What the burst allows at once, then as the rate says. */
	assert_int_equal(peers_spend(p, &loud, LIMIT_PEER_BURST_MS, t), 0);
	assert_in_range(peers_spend(p, &loud, 500, t), 500, 501);
	assert_in_range(peers_spend(p, &loud, 100, t + 500), 100, 101);
	assert_int_equal(peers_spend(p, &quiet, LIMIT_PEER_BURST_MS, t), 0);
	/* What is not used is not saved up beyond the burst. */
	assert_int_equal(peers_spend(p, &loud, LIMIT_PEER_BURST_MS, t + 100000), 0);
	assert_true(peers_spend(p, &loud, 100, t + 100000) > 0);
}

static void datagrams_are_dropped(void **state)
{
	struct peers *p = *state;
	struct addr loud = v4(1), quiet = v4(2);
	unsigned passed = 0;

	p->limits.rate_max = 100000;
	/* Ten seconds, each millisecond ten datagrams of 100 bytes: ten times the rate. */
	for (int64_t ms = 0; ms < 10000; ms++) {
		for (int i = 0; i < 10; i++)
			passed += peers_pass(p, &loud, 100, 5000 + ms);
		if (ms % 100 == 0)
			assert_true(peers_pass(p, &quiet, 100, 5000 + ms));
	}
	/* Ten seconds and a burst of one, 1000 of them each. */
	assert_in_range(passed, 10990, 11010);
}

/*
 * Among many peers a quiet one is hardly ever in the cells of a flood: the seed is random, and one run in
 * twelve has one that is.
 */
static void strangers_do_not_count(void **state)
{
	struct peers *p = *state;
	unsigned refused = 0;

	p->limits.conns_max = 1;
	for (uint32_t i = 0; i < 50; i++) {
		struct addr a = v4(0x0a000000 + i);

		refused += !peers_enter(p, &a, MANY);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		struct addr a = v4(0x0b000000 + i);

		if (peers_enter(p, &a, MANY))
			peers_leave(p, &a);
		else
			refused++;
	}
	assert_in_range(refused, 0, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_is_one_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(a_place_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(memory, setup, teardown),
		cmocka_unit_test_setup_teardown(streams_are_slowed, setup, teardown),
		cmocka_unit_test_setup_teardown(datagrams_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(strangers_do_not_count, setup, teardown),
	};

	return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
