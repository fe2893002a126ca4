/*
 * The rate is kept as one time for each cell: when the peer will have paid for all it has sent, at
 * rate_max bytes a second. Lying in the past it counts as now; lying more than the burst ahead, the peer
 * has sent too much. No timer and no sweep: an idle cell is as good as a fresh one.
 */
#include "proto/net/peers.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"

struct peers_cell {
	size_t held;
	int64_t paid_us; /* on the caller's clock */
	unsigned conns;
};

enum { US_PER_S = 1000000, US_PER_MS = 1000 };

static_assert((PEERS_CELLS & (PEERS_CELLS - 1)) == 0, "cells: a power of two");

int peers_init(struct peers *p)
{
	*p = (struct peers){ .seed = (uintptr_t)p };
	for (int i = 0; i < PEERS_TABLES; i++) {
		p->cells[i] = calloc(PEERS_CELLS, sizeof *p->cells[i]);
		if (!p->cells[i]) {
			peers_fini(p);
			return -ENOMEM;
		}
	}
	if (getrandom(&p->seed, sizeof p->seed, GRND_NONBLOCK) < 0)
		p->seed ^= (uintptr_t)p->cells[0];
	return 0;
}

void peers_fini(struct peers *p)
{
	for (int i = 0; i < PEERS_TABLES; i++)
		free(p->cells[i]);
	memset(p, 0, sizeof *p);
}

/* ---- whose cells ---- */

/* The 64 bits that tell peers apart; false where there is none. */
static bool key_of(const struct addr *a, uint64_t *out)
{
	const struct sockaddr_in *in4 = (const void *)&a->sa;
	const struct sockaddr_in6 *in6 = (const void *)&a->sa;
	const uint8_t *v6 = in6->sin6_addr.s6_addr;
	uint32_t v4;

	if (a->sa.ss_family == AF_INET) {
		*out = in4->sin_addr.s_addr;
	} else if (a->sa.ss_family != AF_INET6) {
		return false;
	} else if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		memcpy(&v4, v6 + 12, sizeof v4);
		*out = v4;
	} else {
		memcpy(out, v6, sizeof *out);
	}
	return true;
}

struct cells {
	struct peers_cell *at[PEERS_TABLES];
};

static bool find(const struct peers *p, const struct addr *a, struct cells *out)
{
	uint64_t h;

	ASSERT(p->cells[0]);
	if (!key_of(a, &h))
		return false;
	for (int i = 0; i < PEERS_TABLES; i++) {
		h = (h ^ p->seed) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
		h *= UINT64_C(0xd6e8feb86659fd93);
		out->at[i] = &p->cells[i][(h >> 40) % PEERS_CELLS];
	}
	return true;
}

/* ---- connections ---- */

bool peers_enter(struct peers *p, const struct addr *a, unsigned most)
{
	struct cells c;
	bool full = true;

	if (!find(p, a, &c))
		return true;
	if (p->limits.conns_max > 0 && p->limits.conns_max < most)
		most = p->limits.conns_max;
	for (int i = 0; i < PEERS_TABLES; i++)
		full = full && c.at[i]->conns >= most;
	for (int i = 0; i < PEERS_TABLES && !full; i++)
		c.at[i]->conns++;
	return !full;
}

void peers_leave(struct peers *p, const struct addr *a)
{
	struct cells c;

	if (!find(p, a, &c))
		return;
	for (int i = 0; i < PEERS_TABLES; i++) {
		ASSERT(c.at[i]->conns > 0);
		c.at[i]->conns--;
	}
}

/* ---- memory ---- */

void peers_hold(struct peers *p, const struct addr *a, size_t was, size_t is)
{
	struct cells c;

	if (was == is || !find(p, a, &c))
		return;
	for (int i = 0; i < PEERS_TABLES; i++) {
		ASSERT(c.at[i]->held >= was);
		c.at[i]->held += is - was;
	}
}

bool peers_may_hold(const struct peers *p, const struct addr *a, size_t more, size_t most)
{
	struct cells c;
	bool may = !find(p, a, &c);

	if (p->limits.held_max > 0 && p->limits.held_max < most)
		most = p->limits.held_max;
	for (int i = 0; i < PEERS_TABLES && !may; i++)
		may = c.at[i]->held + more <= most;
	return may;
}

/* ---- rate ---- */

/* How far ahead of `now` the cell is paid for. */
static int64_t ahead_us(const struct peers_cell *cell, int64_t now_us)
{
	return cell->paid_us > now_us ? cell->paid_us - now_us : 0;
}

static void pay(struct cells *c, int64_t now_us, int64_t cost_us)
{
	for (int i = 0; i < PEERS_TABLES; i++)
		c->at[i]->paid_us = now_us + ahead_us(c->at[i], now_us) + cost_us;
}

/* Of the two cells the one with less: the other may have somebody else's, too. */
static int64_t least_ahead_us(const struct cells *c, int64_t now_us)
{
	int64_t least = ahead_us(c->at[0], now_us);

	for (int i = 1; i < PEERS_TABLES; i++) {
		int64_t us = ahead_us(c->at[i], now_us);

		least = us < least ? us : least;
	}
	return least;
}

static int64_t cost_us(const struct peers *p, size_t n)
{
	return (int64_t)((double)n * US_PER_S / (double)p->limits.rate_max);
}

unsigned peers_spend(struct peers *p, const struct addr *a, size_t n, int64_t now_ms)
{
	const int64_t burst_us = (int64_t)LIMIT_PEER_BURST_MS * US_PER_MS;
	struct cells c;
	int64_t over;

	if (p->limits.rate_max == 0 || !find(p, a, &c))
		return 0;
	pay(&c, now_ms * US_PER_MS, cost_us(p, n));
	over = least_ahead_us(&c, now_ms * US_PER_MS) - burst_us;
	return over > 0 ? (unsigned)(over / US_PER_MS + 1) : 0;
}

bool peers_pass(struct peers *p, const struct addr *a, size_t n, int64_t now_ms)
{
	const int64_t burst_us = (int64_t)LIMIT_PEER_BURST_MS * US_PER_MS;
	struct cells c;

	if (p->limits.rate_max == 0 || !find(p, a, &c))
		return true;
	if (least_ahead_us(&c, now_ms * US_PER_MS) >= burst_us)
		return false;
	pay(&c, now_ms * US_PER_MS, cost_us(p, n));
	return true;
}
