#include "proto/http/ws.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/base/check.h"
#include "proto/base/sha1.h"

enum {
	KEY_BYTES = 24, /* base64 of 16 */
	ACCEPT_BYTES = 28,
};

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char upgrade[] = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";

/* Is the word among those between the commas, in any case? */
static bool lists(struct span list, const char *word)
{
	size_t n = strlen(word), at = 0;

	while (at < list.n) {
		size_t begin = at, end;

		while (at < list.n && list.p[at] != ',')
			at++;
		for (end = at; begin < end && strchr(" \t", list.p[begin]); begin++) {
		}
		for (; end > begin && strchr(" \t", list.p[end - 1]); end--) {
		}
		if (end - begin == n && strncasecmp((const char *)list.p + begin, word, n) == 0)
			return true;
		at++;
	}
	return false;
}

/* Base64 of 16 bytes: 22 digits, of the last of which two bits count, and two signs. */
static bool is_key(struct span key)
{
	if (key.n != KEY_BYTES || memcmp(key.p + KEY_BYTES - 2, "==", 2) != 0)
		return false;
	for (size_t i = 0; i < KEY_BYTES - 2; i++) {
		if (!key.p[i] || !strchr(digits, key.p[i]))
			return false;
	}
	return true;
}

bool ws_wanted(const struct http_parse_request *req, struct http_call_problem *problem)
{
	*problem = (struct http_call_problem){ .status = 426,
		.error = "this path speaks WebSocket",
		.field = "Upgrade",
		.hint = "open it as ws://, or ask /api/logs/tail for server-sent events",
		.fields = upgrade };
	if (req->method != HTTP_PARSE_GET || req->minor == 0 ||
		!lists(http_parse_field(req, "Upgrade"), "websocket") ||
		!lists(http_parse_field(req, "Connection"), "upgrade"))
		return false;
	problem->field = "Sec-WebSocket-Version";
	problem->error = "another version of WebSocket than 13";
	problem->hint = "RFC 6455 is version 13";
	if (!span_eq(http_parse_field(req, "Sec-WebSocket-Version"), SPAN_LIT("13")))
		return false;
	problem->status = 400;
	problem->field = "Sec-WebSocket-Key";
	problem->error = "the key is not sixteen bytes in base64";
	problem->hint = NULL;
	problem->fields = NULL;
	return is_key(http_parse_field(req, "Sec-WebSocket-Key"));
}

static void put_base64(const uint8_t sum[SHA1_BYTES], char dst[ACCEPT_BYTES + 1])
{
	char *to = dst;

	for (int i = 0; i < SHA1_BYTES; i += 3) {
		bool last = i + 3 > SHA1_BYTES;
		uint32_t bits = (uint32_t)sum[i] << 16 | (uint32_t)sum[i + 1] << 8 |
				(last ? 0u : sum[i + 2]);

		*to++ = digits[bits >> 18];
		*to++ = digits[bits >> 12 & 63];
		*to++ = digits[bits >> 6 & 63];
		*to++ = last ? '=' : digits[bits & 63];
	}
	*to = 0;
}

void ws_fields(const struct http_parse_request *req, char dst[WS_FIELDS_BYTES])
{
	struct span key = http_parse_field(req, "Sec-WebSocket-Key");
	char text[KEY_BYTES + sizeof guid], accept[ACCEPT_BYTES + 1];
	uint8_t sum[SHA1_BYTES];
	int n;

	ASSERT(key.n == KEY_BYTES);
	memcpy(text, key.p, KEY_BYTES);
	memcpy(text + KEY_BYTES, guid, sizeof guid);
	sha1(span_of(text, KEY_BYTES + sizeof guid - 1), sum);
	put_base64(sum, accept);
	n = snprintf(
		dst, WS_FIELDS_BYTES, "Upgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n", accept);
	ASSERT(n > 0 && n < WS_FIELDS_BYTES);
}
