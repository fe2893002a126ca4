#include "collector/http_head.h"

#include <string.h>
#include <strings.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/http/http_origin.h"

bool http_head_is(struct span text, const char *word)
{
	if (text.n != strlen(word))
		return false;
	return text.n == 0 || strncasecmp((const char *)text.p, word, text.n) == 0;
}

static struct span trimmed(struct span s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Up to the first `mark`. */
static struct span before(struct span s, char mark)
{
	const uint8_t *at = s.n ? memchr(s.p, mark, s.n) : NULL;

	if (at)
		s.n = (size_t)(at - s.p);
	return trimmed(s);
}

/* ---------------------------------------------------------------- what the body is */

static enum http_head_type type_of(struct span media)
{
	static const char *const lines[] = { "application/x-ndjson", "application/ndjson",
		"application/jsonl", "application/x-jsonl", "application/jsonlines",
		"application/x-jsonlines", "application/x-json-stream", "application/stream+json" };
	/* The second is what curl says of --data. */
	static const char *const any[] = { "text/plain", "application/x-www-form-urlencoded",
		"application/octet-stream" };

	for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
		if (http_head_is(media, lines[i]))
			return HTTP_HEAD_LINES;
	}
	for (size_t i = 0; i < ARRAY_COUNT(any); i++) {
		if (http_head_is(media, any[i]))
			return HTTP_HEAD_ANY;
	}
	if (http_head_is(media, "application/json") || http_head_is(media, "text/json"))
		return HTTP_HEAD_JSON;
	if (media.n > 5 && http_head_is(span_of(media.p + media.n - 5, 5), "+json"))
		return HTTP_HEAD_JSON;
	return media.n > 0 ? HTTP_HEAD_OTHER : HTTP_HEAD_ANY;
}

static int packing_of(struct span coding, enum inflate_kind *out)
{
	static const struct {
		const char *name;
		enum inflate_kind kind;
	} known[] = { { "", INFLATE_NONE }, { "identity", INFLATE_NONE }, { "gzip", INFLATE_GZIP },
		{ "x-gzip", INFLATE_GZIP }, { "deflate", INFLATE_ZLIB }, { "zstd", INFLATE_ZSTD } };

	for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
		if (http_head_is(coding, known[i].name)) {
			*out = known[i].kind;
			return 0;
		}
	}
	return ERR_TYPE;
}

/* The client behind a relay or a proxy, if that is an address and not a story. */
static struct span peer_of(struct span forwarded)
{
	struct span peer = before(forwarded, ',');

	if (peer.n == 0 || peer.n > 45)
		return SPAN_NONE;
	for (size_t i = 0; i < peer.n; i++) {
		if (!memchr("0123456789abcdefABCDEF.:", peer.p[i], 24))
			return SPAN_NONE;
	}
	return peer;
}

static int refuse(struct http_call_problem *p, int status, const char *error, const char *field,
	const char *hint)
{
	*p = (struct http_call_problem){
		.status = status, .error = error, .field = field, .hint = hint
	};
	return ERR_TYPE;
}

int http_head_read(const struct http_parse_request *req, struct http_head *out,
	struct http_call_problem *problem)
{
	struct http_head h = { .packing = INFLATE_NONE };

	if (!http_origin_ok(req, problem))
		return ERR_TYPE;
	h.media = before(http_parse_field(req, "Content-Type"), ';');
	h.type = type_of(h.media);
	if (packing_of(http_parse_field(req, "Content-Encoding"), &h.packing) < 0) {
		refuse(problem, 415, "a coding that is not taken", "Content-Encoding",
			"use gzip, deflate or zstd, or none");
		problem->fields = "Accept-Encoding: gzip, deflate, zstd\r\n";
		return ERR_TYPE;
	}
	h.key = http_parse_field(req, "Idempotency-Key");
	if (h.key.n > LIMIT_CHUNK_BYTES)
		return refuse(problem, 400, "the key is too long", "Idempotency-Key",
			"256 bytes at most; a UUID does");
	if (h.key.n == 0)
		h.key = SPAN_NONE;
	h.peer = peer_of(http_parse_field(req, "X-Forwarded-For"));
	*out = h;
	return 0;
}
