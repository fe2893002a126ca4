#include "proto/http/http_accept.h"

#include <string.h>
#include <strings.h>

#include "proto/base/check.h"

enum { Q_ONE = 1000 };

static bool same(struct span s, const char *word)
{
	return s.n == strlen(word) && strncasecmp((const char *)s.p, word, s.n) == 0;
}

static struct span trim(struct span s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = span_of(s.p + 1, s.n - 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* What stands before the first `end` of *rest, which moves behind it. */
static struct span cut(struct span *rest, char end)
{
	const uint8_t *at = rest->n ? memchr(rest->p, end, rest->n) : NULL;
	struct span part = at ? span_of(rest->p, (size_t)(at - rest->p)) : *rest;

	*rest = at ? span_of(at + 1, rest->n - part.n - 1) : SPAN_NONE;
	return trim(part);
}

/* "0.5" in thousandths; -1: no such number. */
static int read_q(struct span s)
{
	int q, unit = Q_ONE / 10;

	if (s.n == 0 || s.n > 5 || (s.p[0] != '0' && s.p[0] != '1') || (s.n > 1 && s.p[1] != '.'))
		return -1;
	q = (s.p[0] - '0') * Q_ONE;
	for (size_t i = 2; i < s.n; i++, unit /= 10) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -1;
		q += (s.p[i] - '0') * unit;
	}
	return q <= Q_ONE ? q : -1;
}

/* "gzip;q=0.5": what is named, and how much it is liked. -1: not well formed. */
static int read_coding(struct span item, struct span *out_name)
{
	int q = Q_ONE;

	*out_name = cut(&item, ';');
	while (item.p && q >= 0) {
		struct span param = cut(&item, ';');

		if (param.n >= 2 && (param.p[0] == 'q' || param.p[0] == 'Q') && param.p[1] == '=')
			q = read_q(span_of(param.p + 2, param.n - 2));
	}
	return q;
}

struct liking {
	int gzip, identity, any; /* -1: not named */
};

static void read_list(struct span list, struct liking *l)
{
	while (list.p) {
		struct span name;
		int q = read_coding(cut(&list, ','), &name);

		if (same(name, "gzip") || same(name, "x-gzip"))
			l->gzip = q > l->gzip ? q : l->gzip;
		else if (same(name, "identity"))
			l->identity = q;
		else if (same(name, "*"))
			l->any = q;
	}
}

bool http_accept_gzip(const struct http_parse_request *req)
{
	struct liking l = { -1, -1, -1 };

	for (size_t i = 0; i < req->fields_count; i++) {
		if (same(req->fields[i].name, "accept-encoding"))
			read_list(req->fields[i].value, &l);
	}
	if (l.gzip < 0)
		l.gzip = l.any;
	return l.gzip > 0 && l.gzip >= l.identity;
}

static bool list_has(struct span list, struct span tag)
{
	while (list.p) {
		struct span item = cut(&list, ',');

		if (item.n > 2 && memcmp(item.p, "W/", 2) == 0)
			item = span_of(item.p + 2, item.n - 2);
		if (span_eq(item, tag) || span_eq(item, SPAN_LIT("*")))
			return true;
	}
	return false;
}

bool http_accept_has(const struct http_parse_request *req, struct span tag)
{
	for (size_t i = 0; i < req->fields_count; i++) {
		if (same(req->fields[i].name, "if-none-match") &&
			list_has(req->fields[i].value, tag))
			return true;
	}
	return false;
}
