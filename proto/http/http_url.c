#include "proto/http/http_url.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

static int hex(uint8_t b)
{
	if (b >= '0' && b <= '9')
		return b - '0';
	b |= 32;
	return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

static bool plain(struct span in, bool plus)
{
	if (in.n == 0)
		return true;
	return !memchr(in.p, '%', in.n) && !(plus && memchr(in.p, '+', in.n));
}

/* One decoded byte from *at on, which is moved past it; -1: not well formed. */
static int decode_one(const uint8_t **at, const uint8_t *end, bool plus)
{
	const uint8_t *p = *at;
	int hi, lo;

	if (*p != '%') {
		*at = p + 1;
		return plus && *p == '+' ? ' ' : *p;
	}
	if (end - p < 3)
		return -1;
	hi = hex(p[1]);
	lo = hex(p[2]);
	if (hi < 0 || lo < 0 || hi + lo == 0)
		return -1;
	*at = p + 3;
	return hi << 4 | lo;
}

int http_url_decode(struct span in, bool plus, struct arena *a, struct span *out)
{
	const uint8_t *at = in.p, *end = span_end(in);
	uint8_t *to;
	size_t n = 0;

	if (plain(in, plus)) {
		*out = in.n ? in : SPAN_LIT("");
		return 0;
	}
	to = arena_alloc(a, in.n);
	if (!to)
		return -ENOMEM;
	while (at < end) {
		int b = decode_one(&at, end, plus);

		if (b < 0)
			return ERR_SYNTAX;
		ASSERT(n < in.n);
		to[n++] = (uint8_t)b;
	}
	*out = span_of(to, n);
	return 0;
}

/* Cuts *rest at the first `sep`, which belongs to neither part. */
static struct span cut(struct span *rest, uint8_t sep)
{
	const uint8_t *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
	struct span first = *rest;

	if (!at) {
		*rest = SPAN_NONE;
		return first;
	}
	first.n = (size_t)(at - first.p);
	*rest = span_of(at + 1, rest->n - first.n - 1);
	return first;
}

int http_url_param(
	struct span *rest, struct arena *a, struct span *out_name, struct span *out_value)
{
	struct span part = SPAN_NONE, name;
	int rc;

	while (rest->n && part.n == 0)
		part = cut(rest, '&');
	if (part.n == 0)
		return HTTP_URL_END;
	name = cut(&part, '=');
	rc = http_url_decode(name, true, a, out_name);
	if (rc < 0)
		return rc;
	return http_url_decode(part, true, a, out_value);
}

bool http_url_match(const char *pattern, struct span path, struct span *out_part)
{
	const char *open = strchr(pattern, '{'), *close = open ? strchr(open, '}') : NULL;
	size_t before, after;
	struct span part;

	if (!close)
		return false;
	before = (size_t)(open - pattern);
	after = strlen(close + 1);
	if (path.n <= before + after || memcmp(path.p, pattern, before) != 0 ||
		memcmp(path.p + path.n - after, close + 1, after) != 0)
		return false;
	part = span_of(path.p + before, path.n - before - after);
	if (memchr(part.p, '/', part.n))
		return false;
	*out_part = part;
	return true;
}
