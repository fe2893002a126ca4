#include "proto/net/admit.h"

#include <netinet/in.h>
#include <string.h>

#include "proto/net/peers.h"

/* False for a peer that has no address. */
static bool bytes_of(const struct addr *a, uint8_t dst[CIDR_ADDR_BYTES])
{
	const struct sockaddr_in *in4 = (const void *)&a->sa;
	const struct sockaddr_in6 *in6 = (const void *)&a->sa;

	if (a->sa.ss_family == AF_INET)
		cidr_from_v4((const uint8_t *)&in4->sin_addr, dst);
	else if (a->sa.ss_family == AF_INET6)
		memcpy(dst, in6->sin6_addr.s6_addr, CIDR_ADDR_BYTES);
	else
		return false;
	return true;
}

bool admit_network(struct admit *a, const struct addr *peer)
{
	uint8_t bytes[CIDR_ADDR_BYTES];

	if (a->allow.count == 0 || !bytes_of(peer, bytes) || cidr_has(&a->allow, bytes))
		return true;
	a->refused[ADMIT_NETWORK]++;
	return false;
}

bool admit_dgram(struct admit *a, const struct addr *peer, size_t n, int64_t now_ms)
{
	if (!admit_network(a, peer))
		return false;
	if (!a->peers || peers_pass(a->peers, peer, n, now_ms))
		return true;
	a->refused[ADMIT_RATE]++;
	return false;
}
