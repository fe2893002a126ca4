/*
 * A head is handled in three steps, each of which only sees what the one before let pass:
 *
 *   gate    byte by byte as they arrive: line ends, controls, folding, lengths. Finds the empty line.
 *   llhttp  the whole head at once, so that each of its spans is one piece of the caller's buffer.
 *   rules   on the fields: who is the host, how long is the body, does anything say so twice.
 *
 * The body's framing is llhttp's alone. It is stopped at the end of each message and started afresh
 * for the next, so that no state and no byte passes from one request to another.
 *
 * Why a gate before llhttp: the 8.1.0 of Debian 12 ends a field at a CR without LF (CVE-2023-30589).
 */
#include "proto/http/http_parse.h"

#include <assert.h>
#include <llhttp.h>
#include <string.h>
#include <strings.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

static_assert(sizeof(llhttp_t) <= sizeof(((struct http_parse *)0)->llhttp), "room for llhttp");

static llhttp_t *ll_of(struct http_parse *p)
{
	return (llhttp_t *)(void *)&p->llhttp;
}

static int refuse(struct http_parse *p, int status, const char *error, const char *hint)
{
	p->status = status;
	p->error = error;
	p->hint = hint;
	return status == 413 || status == 414 || status == 431 ? ERR_LIMIT : ERR_SYNTAX;
}

/* ---------------------------------------------------------------- gate */

enum { GATE_END = 1 };

/* One byte of the head after the byte `was` ('\n' before the first); end of line told apart. */
static const char *gate_byte(uint8_t was, uint8_t b, bool line_start)
{
	if (was == '\r' && b != '\n')
		return "a carriage return without a line feed";
	if (b == '\n' && was != '\r')
		return "a line feed without a carriage return";
	if (line_start && (b == ' ' || b == '\t'))
		return "a line that begins with a space";
	if ((b < ' ' && b != '\t' && b != '\r' && b != '\n') || b == 0x7f)
		return "a control character";
	return NULL;
}

/* Goes on where the last call stopped. GATE_END: the head's n bytes are *out_n. */
static int gate(struct http_parse *p, const uint8_t *at, size_t n, size_t *out_n)
{
	for (; p->seen < n; p->seen++) {
		uint8_t was = p->seen ? at[p->seen - 1] : 'x';
		const char *bad = gate_byte(was, at[p->seen], p->seen == 0 || was == '\n');

		if (bad)
			return refuse(p, 400, bad, "send CRLF at the end of each line, and text");
		if (p->seen >= p->limits.head_max)
			return refuse(p, 431, "the header fields are too long", "send fewer");
		if (p->line_end == 0 && p->seen >= p->limits.line_max)
			return refuse(p, 414, "the request line is too long",
				"ask with fewer or shorter parameters");
		if (at[p->seen] != '\n')
			continue;
		if (p->line_end == 0)
			p->line_end = p->seen - 1;
		else if (p->line_start + 1 == p->seen)
			return *out_n = ++p->seen, GATE_END;
		p->line_start = p->seen + 1;
	}
	return 0;
}

/* ---------------------------------------------------------------- llhttp's callbacks */

static int on_url(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parse *p = ll->data;

	if (p->in_body || p->req->target.p)
		return -1;
	p->req->target = span_of(at, n);
	return 0;
}

/* A field in the trailer of a chunked body ends here too: nobody needs one, and it could hide things. */
static int on_field(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parse *p = ll->data;
	struct http_parse_request *r = p->req;

	if (p->in_body)
		return refuse(p, 400, "a trailer after the body", "send fields in the head"), -1;
	if (r->fields_count == LIMIT_HTTP_FIELDS)
		return refuse(p, 431, "too many header fields", "send fewer"), -1;
	r->fields[r->fields_count++] = (struct http_parse_field){ span_of(at, n), SPAN_NONE };
	return 0;
}

static int on_value(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parse *p = ll->data;
	struct http_parse_field *f;

	if (p->in_body || p->req->fields_count == 0)
		return -1;
	f = &p->req->fields[p->req->fields_count - 1];
	if (f->value.p)
		return -1;
	while (n && (at[n - 1] == ' ' || at[n - 1] == '\t'))
		n--;
	f->value = span_of(at, n);
	return 0;
}

static int on_headers(llhttp_t *ll)
{
	struct http_parse *p = ll->data;

	p->req->keep_alive = llhttp_should_keep_alive(ll);
	p->headers_done = true;
	return 0;
}

static int on_chunk(llhttp_t *ll)
{
	struct http_parse *p = ll->data;

	if (ll->content_length > p->limits.body_max - p->body_bytes)
		return refuse(p, 413, "the body is too large", "send it in parts"), -1;
	return 0;
}

static int on_body(llhttp_t *ll, const char *at, size_t n)
{
	struct http_parse *p = ll->data;

	ASSERT(p->body);
	if (n > p->limits.body_max - p->body_bytes)
		return refuse(p, 413, "the body is too large", "send it in parts"), -1;
	buf_put(p->body, at, n);
	p->body_bytes += n;
	return p->body->err ? -1 : 0;
}

static int on_complete(llhttp_t *ll)
{
	struct http_parse *p = ll->data;

	p->done = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_headers,
	.on_chunk_header = on_chunk,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

/* ---------------------------------------------------------------- rules */

static bool is_token(struct span s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.n; i++) {
		uint8_t b = s.p[i];
		bool alnum = (b >= '0' && b <= '9') || ((b | 32) >= 'a' && (b | 32) <= 'z');

		if (!alnum && !memchr(others, b, sizeof others - 1))
			return false;
	}
	return s.n > 0;
}

static bool same(struct span s, const char *word)
{
	return s.n == strlen(word) && strncasecmp((const char *)s.p, word, s.n) == 0;
}

static enum http_parse_method method_of(struct span word)
{
	static const enum http_parse_method known[] = { HTTP_PARSE_GET, HTTP_PARSE_HEAD,
		HTTP_PARSE_POST, HTTP_PARSE_PUT, HTTP_PARSE_DELETE, HTTP_PARSE_OPTIONS };

	for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
		if (span_eq(word, span_str(http_parse_method_name(known[i]))))
			return known[i];
	}
	return HTTP_PARSE_OTHER;
}

/* METHOD SP target SP HTTP/1.x, and nothing else. */
static int read_line(struct http_parse *p, struct span line)
{
	static const char *const hint = "send METHOD /path HTTP/1.1";
	const uint8_t *sp = memchr(line.p, ' ', line.n), *end = line.p + line.n;
	struct span version;

	if (!sp || !is_token(span_of(line.p, (size_t)(sp - line.p))))
		return refuse(p, 400, "no HTTP request", hint);
	p->req->method = method_of(span_of(line.p, (size_t)(sp - line.p)));
	p->req->target = span_of(sp + 1, (size_t)(end - sp - 1));
	sp = memchr(sp + 1, ' ', p->req->target.n);
	if (!sp)
		return refuse(p, 400, "no HTTP version", hint);
	p->req->target.n = (size_t)(sp - p->req->target.p);
	version = span_of(sp + 1, (size_t)(end - sp - 1));
	if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0)
		return refuse(p, 400, "no HTTP version", hint);
	if (memcmp(version.p + 5, "1.", 2) != 0 || (version.p[7] != '0' && version.p[7] != '1'))
		return refuse(p, 505, "not a version of HTTP that is spoken here", hint);
	p->req->minor = (uint8_t)(version.p[7] - '0');
	return 0;
}

/* origin-form, or absolute-form, of which the path is taken; "*" stays as it is. */
static int read_target(struct http_parse *p)
{
	struct http_parse_request *r = p->req;
	struct span path = r->target;
	const uint8_t *q;

	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] <= ' ' || path.p[i] > '~' || path.p[i] == '#')
			return refuse(p, 400,
				"the path has a character that must be percent-encoded",
				"encode spaces, '#' and everything that is not ASCII as %XX");
	}
	if (path.n > 7 && strncasecmp((const char *)path.p, "http://", 7) == 0) {
		const uint8_t *slash = memchr(path.p + 7, '/', path.n - 7);

		path = slash ? span_of(slash, (size_t)(path.p + path.n - slash)) : SPAN_LIT("/");
	}
	if (path.n == 0 || (path.p[0] != '/' && !span_eq(path, SPAN_LIT("*"))))
		return refuse(
			p, 400, "the path does not begin with '/'", "send GET /path HTTP/1.1");
	q = memchr(path.p, '?', path.n);
	r->path = q ? span_of(path.p, (size_t)(q - path.p)) : path;
	if (q)
		r->query = span_of(q + 1, (size_t)(path.p + path.n - q - 1));
	return 0;
}

static int read_length(struct http_parse *p, struct span value)
{
	uint64_t v = 0;

	if (p->req->has_length)
		return refuse(p, 400, "two Content-Length fields", "send one");
	if (value.n == 0 || value.n > 19)
		return refuse(p, 400, "Content-Length is no number", "send digits only");
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return refuse(p, 400, "Content-Length is no number", "send digits only");
		v = v * 10 + (value.p[i] - '0');
	}
	p->req->has_length = true;
	p->req->length = v;
	return 0;
}

static int read_field(struct http_parse *p, const struct http_parse_field *f)
{
	struct http_parse_request *r = p->req;

	if (!is_token(f->name))
		return refuse(p, 400, "a header field's name has an odd character",
			"a name is of letters, digits and '-'");
	if (same(f->name, "host")) {
		if (r->host.p)
			return refuse(p, 400, "two Host fields", "send one");
		r->host = f->value.p ? f->value : SPAN_LIT("");
	} else if (same(f->name, "content-length")) {
		return read_length(p, f->value);
	} else if (same(f->name, "transfer-encoding")) {
		if (r->chunked || !same(f->value, "chunked"))
			return refuse(p, 400, "a Transfer-Encoding other than chunked",
				"send Content-Length, or chunks");
		r->chunked = true;
	} else if (same(f->name, "expect")) {
		if (!same(f->value, "100-continue"))
			return refuse(p, 417, "an Expect that nobody here understands",
				"send 100-continue or none");
		r->expect_continue = r->minor > 0;
	}
	return 0;
}

static int read_fields(struct http_parse *p)
{
	struct http_parse_request *r = p->req;

	for (size_t i = 0; i < r->fields_count; i++) {
		int rc = read_field(p, &r->fields[i]);

		if (rc < 0)
			return rc;
	}
	if (r->chunked && (r->has_length || r->minor == 0))
		return refuse(p, 400, "two ways to tell the body's length",
			"send Content-Length or Transfer-Encoding, not both");
	if (r->minor > 0 && !r->host.p)
		return refuse(p, 400, "no Host field", "HTTP/1.1 needs one");
	if (r->length > p->limits.body_max || (r->chunked && p->limits.body_max == 0))
		return refuse(p, 413, "the body is too large",
			p->limits.body_max ? "send it in parts" : "send none");
	return 0;
}

/* ---------------------------------------------------------------- face */

void http_parse_init(struct http_parse *p, const struct http_parse_limits *limits)
{
	ASSERT(limits->line_max <= limits->head_max);
	*p = (struct http_parse){ .limits = *limits };
}

/* What llhttp thinks is checked against what was read here: two readers, one opinion. */
static int run_head(struct http_parse *p, const uint8_t *at, size_t n)
{
	llhttp_t *ll = ll_of(p);
	struct span target = p->req->target;
	llhttp_errno_t e;

	p->req->target = SPAN_NONE;
	llhttp_init(ll, HTTP_REQUEST, &settings);
	ll->data = p;
	e = llhttp_execute(ll, (const char *)at, n);
	if (p->status)
		return p->status == 431 ? ERR_LIMIT : ERR_SYNTAX;
	if ((e != HPE_OK && e != HPE_PAUSED && e != HPE_PAUSED_UPGRADE) || !p->headers_done)
		return refuse(p, 400, "no well-formed HTTP request",
			"send GET /path HTTP/1.1, then fields, then an empty line");
	if (!span_eq(target, p->req->target))
		return refuse(p, 400, "the request line is ambiguous", "send GET /path HTTP/1.1");
	return 0;
}

static void begin(struct http_parse *p, struct http_parse_request *out)
{
	*out = (struct http_parse_request){ .keep_alive = false };
	p->req = out;
	p->in_body = p->done = p->headers_done = false;
	p->body_raw = p->body_bytes = 0;
	p->body = NULL;
}

int http_parse_head(struct http_parse *p, const uint8_t *at, size_t n,
	struct http_parse_request *out, size_t *out_bytes)
{
	size_t head = 0;
	int rc;

	*out_bytes = 0;
	if (p->seen == 0) {
		while (n - *out_bytes >= 2 && memcmp(at + *out_bytes, "\r\n", 2) == 0)
			*out_bytes += 2;
		if (*out_bytes || (n == 1 && at[0] == '\r'))
			return HTTP_PARSE_MORE;
	}
	rc = gate(p, at, n, &head);
	if (rc <= 0)
		return rc < 0 ? rc : HTTP_PARSE_MORE;
	begin(p, out);
	rc = read_line(p, span_of(at, p->line_end));
	if (rc == 0)
		rc = run_head(p, at, head);
	if (rc == 0)
		rc = read_target(p);
	if (rc == 0)
		rc = read_fields(p);
	p->seen = p->line_start = p->line_end = 0;
	*out_bytes = head;
	return rc;
}

static int body_failure(struct http_parse *p, const struct buf *body)
{
	if (body->err)
		return refuse(p, 413, "the body is too large", "send it in parts");
	if (p->status)
		return p->status == 413 ? ERR_LIMIT : ERR_SYNTAX;
	return refuse(p, 400, "the body's chunks are not well formed", NULL);
}

int http_parse_body(
	struct http_parse *p, const uint8_t *at, size_t n, struct buf *body, size_t *out_bytes)
{
	llhttp_t *ll = ll_of(p);
	llhttp_errno_t e;

	*out_bytes = 0;
	if (p->done)
		return 0;
	if (n == 0)
		return HTTP_PARSE_MORE;
	p->in_body = true;
	p->body = body;
	e = llhttp_execute(ll, (const char *)at, n);
	if (p->done && (e == HPE_PAUSED || e == HPE_PAUSED_UPGRADE)) {
		*out_bytes = (size_t)((const uint8_t *)llhttp_get_error_pos(ll) - at);
		ASSERT(*out_bytes <= n);
		return 0;
	}
	if (e != HPE_OK)
		return body_failure(p, body);
	*out_bytes = n;
	p->body_raw += n;
	if (p->body_raw > 2 * p->body_bytes + LIMIT_HTTP_CHUNK_FRAMING_BYTES)
		return refuse(p, 413, "the body's chunks are too small", "send larger ones");
	return HTTP_PARSE_MORE;
}

struct span http_parse_field(const struct http_parse_request *req, const char *name)
{
	for (size_t i = 0; i < req->fields_count; i++) {
		if (same(req->fields[i].name, name))
			return req->fields[i].value.p ? req->fields[i].value : SPAN_LIT("");
	}
	return SPAN_NONE;
}

const char *http_parse_method_name(enum http_parse_method method)
{
	switch (method) {
	case HTTP_PARSE_GET:
		return "GET";
	case HTTP_PARSE_HEAD:
		return "HEAD";
	case HTTP_PARSE_POST:
		return "POST";
	case HTTP_PARSE_PUT:
		return "PUT";
	case HTTP_PARSE_DELETE:
		return "DELETE";
	case HTTP_PARSE_OPTIONS:
		return "OPTIONS";
	case HTTP_PARSE_OTHER:
		break;
	}
	return "OTHER";
}
