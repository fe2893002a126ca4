/*
 * cidr - networks as text ("10.0.0.0/8 2001:db8::/32 127.0.0.1"), and whether an address is in one.
 *
 * An address has 16 bytes: an IPv6 one, or an IPv4 one as ::ffff:a.b.c.d, which is also how it comes
 * over an IPv6 socket. So an IPv4 network has both, and an IPv6 network none of them unless it is written
 * that way.
 *
 * Thread:  any. Memory: the caller's. Names are not resolved.
 * Errors:  ERR_SYNTAX, ERR_RANGE, ERR_LIMIT; the diag names the word and says what to write.
 */
#ifndef PROTO_BASE_CIDR_H
#define PROTO_BASE_CIDR_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/base/limits.h"

enum { CIDR_ADDR_BYTES = 16 };

struct cidr {
	uint8_t addr[CIDR_ADDR_BYTES];
	uint8_t bits; /* of the 128 that count; the others are zero */
};

/* Zeroed memory is a list of no network. */
struct cidr_list {
	struct cidr nets[LIMIT_NETWORKS];
	unsigned count;
};

/* Networks and addresses, by spaces or commas. Bits behind the prefix must be zero: 10.0.0.1/8 is a slip. */
int cidr_parse(const char *text, struct cidr_list *out, struct diag *d);
/* 4 bytes as 16. */
void cidr_from_v4(const uint8_t v4[4], uint8_t dst[CIDR_ADDR_BYTES]);
bool cidr_has(const struct cidr_list *list, const uint8_t addr[CIDR_ADDR_BYTES]);

#endif
