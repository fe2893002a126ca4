#include "proto/base/cidr.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum {
	WORD_BYTES = 64,
	V4_BITS = 32,
	V4_PREFIX = 96, /* bits of ::ffff:0:0 before an IPv4 address */
	ALL_BITS = 128,
};

#define SEPARATORS " \t,"

void cidr_from_v4(const uint8_t v4[4], uint8_t dst[CIDR_ADDR_BYTES])
{
	memset(dst, 0, 10);
	dst[10] = dst[11] = 0xff;
	memcpy(dst + 12, v4, 4);
}

/* Whether the first `bits` bits of both are the same. */
static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	uint8_t mask = (uint8_t)(0xff << (8 - rest));

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) & mask) == 0;
}

/* All bits behind the prefix are zero. */
static bool is_network(const struct cidr *c)
{
	struct cidr base = { .bits = c->bits };

	for (unsigned i = 0; i < c->bits; i++)
		base.addr[i / 8] |= c->addr[i / 8] & (0x80 >> (i % 8));
	return memcmp(base.addr, c->addr, sizeof base.addr) == 0;
}

/* The number behind the slash, at most max. */
static int parse_bits(const char *text, unsigned max, unsigned *out)
{
	char *end;
	unsigned long v;

	if (text[0] < '0' || text[0] > '9')
		return ERR_SYNTAX;
	v = strtoul(text, &end, 10);
	if (*end)
		return ERR_SYNTAX;
	if (v > max)
		return ERR_RANGE;
	*out = (unsigned)v;
	return 0;
}

static int bad_word(const char *word, int rc, struct diag *d)
{
	return diag_set(d, rc, "", -1,
		"'%s' is no network: write an address, or one with the length of its prefix, like "
		"10.0.0.0/8, 192.0.2.7 or 2001:db8::/32",
		word);
}

/* The word without its slash is changed in place. */
static int parse_word(char *word, struct cidr *out, struct diag *d)
{
	char whole[WORD_BYTES];
	char *slash = strchr(word, '/');
	unsigned max = ALL_BITS, bits;
	uint8_t v4[4];
	int rc = 0;

	memcpy(whole, word, sizeof whole);
	if (slash)
		*slash = 0;
	if (inet_pton(AF_INET, word, v4) == 1) {
		cidr_from_v4(v4, out->addr);
		max = V4_BITS;
	} else if (inet_pton(AF_INET6, word, out->addr) != 1) {
		return bad_word(whole, ERR_SYNTAX, d);
	}
	bits = max;
	if (slash)
		rc = parse_bits(slash + 1, max, &bits);
	if (rc < 0)
		return bad_word(whole, rc, d);
	out->bits = (uint8_t)(max == V4_BITS ? V4_PREFIX + bits : bits);
	if (!is_network(out))
		return diag_set(d, ERR_RANGE, "", -1,
			"'%s' has bits behind its prefix: write the first address of the network, "
			"or the one address without a slash",
			whole);
	return 0;
}

int cidr_parse(const char *text, struct cidr_list *out, struct diag *d)
{
	struct cidr_list list = { .count = 0 };

	for (;;) {
		char word[WORD_BYTES] = "";
		size_t n;
		int rc;

		text += strspn(text, SEPARATORS);
		n = strcspn(text, SEPARATORS);
		if (n == 0)
			break;
		memcpy(word, text, n < WORD_BYTES ? n : WORD_BYTES - 1);
		text += n;
		if (n >= WORD_BYTES)
			return bad_word(word, ERR_SYNTAX, d);
		if (list.count == LIMIT_NETWORKS)
			return diag_set(d, ERR_LIMIT, "", -1,
				"there are more than %d networks: write larger ones",
				LIMIT_NETWORKS);
		rc = parse_word(word, &list.nets[list.count], d);
		if (rc < 0)
			return rc;
		list.count++;
	}
	*out = list;
	return 0;
}

bool cidr_has(const struct cidr_list *list, const uint8_t addr[CIDR_ADDR_BYTES])
{
	ASSERT(list->count <= LIMIT_NETWORKS);
	for (unsigned i = 0; i < list->count; i++) {
		if (same_prefix(list->nets[i].addr, addr, list->nets[i].bits))
			return true;
	}
	return false;
}
