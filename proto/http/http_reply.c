#include "proto/http/http_reply.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/timefmt.h"
#include "proto/base/utf8.h"

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 101, "Switching Protocols" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 304, "Not Modified" },
	{ 400, "Bad Request" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 426, "Upgrade Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
};

const char *http_reply_reason(int status)
{
	for (size_t i = 0; i < ARRAY_COUNT(reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Unknown";
}

/* "Fri, 20 Nov 2026 19:06:00 GMT" (RFC 9110 section 5.6.7). */
static void put_date(struct buf *out, int64_t wall_ns)
{
	static const char days[] = "ThuFriSatSunMonTueWed";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t s = wall_ns / CLOCK_NS_PER_SEC, year;
	unsigned month, day, rest = (unsigned)(s % 86400);

	if (s < 0)
		return;
	timefmt_date(s / 86400, &year, &month, &day);
	ASSERT(month >= 1 && month <= 12);
	buf_printf(out, "Date: %.3s, %02u %.3s %lld %02u:%02u:%02u GMT\r\n",
		days + 3 * (s / 86400 % 7), day, months + 3 * (month - 1), (long long)year,
		rest / 3600, rest / 60 % 60, rest % 60);
}

void http_reply_head(struct buf *out, const struct http_call_head *head, enum http_reply_body body,
	uint64_t length, bool keep_alive, int64_t wall_ns)
{
	ASSERT(head->status >= 200 || body == HTTP_REPLY_UPGRADE);
	ASSERT(head->status < 600);
	buf_printf(out, "HTTP/1.1 %d %s\r\n", head->status, http_reply_reason(head->status));
	put_date(out, wall_ns);
	if (head->type)
		buf_printf(
			out, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n", head->type);
	if (body == HTTP_REPLY_CHUNKED)
		buf_put_str(out, "Transfer-Encoding: chunked\r\n");
	else if (body == HTTP_REPLY_LENGTH && head->status != 204 && head->status != 304)
		buf_printf(out, "Content-Length: %llu\r\n", (unsigned long long)length);
	if (body == HTTP_REPLY_UPGRADE)
		buf_put_str(out, "Connection: Upgrade\r\n");
	else
		buf_printf(out, "Cache-Control: %s\r\nConnection: %s\r\n",
			head->cache ? head->cache : "no-store",
			keep_alive ? "keep-alive" : "close");
	if (head->fields)
		buf_put_str(out, head->fields);
}

/* C0 controls, the quote and the backslash are escaped; what is no UTF-8 is replaced. */
static void put_json(struct buf *out, const char *text)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t n = strlen(text);

	buf_put_u8(out, '"');
	while (n > 0) {
		uint8_t bytes[UTF8_BYTES_MAX];
		uint32_t cp;
		size_t took = utf8_next(p, n, &cp);

		ASSERT(took > 0 && took <= n);
		if (cp < 0x20 || cp == 0x7f)
			buf_printf(out, "\\u%04x", (unsigned)cp);
		else if (cp == '"' || cp == '\\')
			buf_printf(out, "\\%c", (int)cp);
		else
			buf_put(out, bytes, utf8_put(bytes, cp));
		p += took;
		n -= took;
	}
	buf_put_u8(out, '"');
}

static void put_member(struct buf *out, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	buf_printf(out, ",\"%s\":", name);
	put_json(out, value);
}

void http_reply_problem(struct buf *out, const struct http_call_problem *problem)
{
	buf_put_str(out, "{\"status\":\"error\"");
	put_member(out, "error", problem->error);
	put_member(out, "field", problem->field);
	if (problem->position)
		buf_printf(out, ",\"position\":%u", problem->position);
	put_member(out, "hint", problem->hint);
	buf_put_str(out, "}\n");
}
