#include "proto/svc/conf_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/base/check.h"
#include "proto/base/cidr.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/origin.h"
#include "proto/base/when.h"
#include "proto/svc/logger.h"

enum { SPACE_PERCENT_MAX = 90 };

/* Digits of the base, nothing before; *out_end is where they stop. */
static int digits(const char *text, int base, const char **out_end, int64_t *out)
{
	int64_t v = 0;
	const char *p = text;

	for (; *p >= '0' && *p < '0' + base; p++)
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, *p - '0', &v))
			return ERR_RANGE;
	if (p == text)
		return ERR_SYNTAX;
	*out_end = p;
	*out = v;
	return 0;
}

int conf_value_int(const char *text, int64_t *out)
{
	bool minus = *text == '-';
	const char *end;
	int64_t v;
	int rc = digits(text + minus, 10, &end, &v);

	if (rc < 0)
		return rc;
	if (*end)
		return ERR_SYNTAX;
	*out = minus ? -v : v;
	return 0;
}

int conf_value_bytes(const char *text, int64_t *out)
{
	static const char letters[] = "kMGT";
	const char *end, *letter;
	int64_t v;
	int rc = digits(text, 10, &end, &v);

	if (rc < 0)
		return rc;
	if (*end) {
		letter = strchr(letters, *end == 'K' ? 'k' : *end);
		if (!letter || !(end[1] == 0 || strcmp(end + 1, "iB") == 0))
			return ERR_SYNTAX;
		if (__builtin_mul_overflow(v, INT64_C(1) << 10 * (letter - letters + 1), &v))
			return ERR_RANGE;
	}
	*out = v;
	return 0;
}

static int parse_mode(const char *text, int64_t *out)
{
	const char *end;
	int rc = digits(text, 8, &end, out);

	return rc == 0 && *end ? ERR_SYNTAX : rc;
}

static int parse_bool(const char *text, int64_t *out)
{
	static const char *const words[2][4] = {
		{ "no", "off", "false", "0" },
		{ "yes", "on", "true", "1" },
	};

	for (int v = 0; v < 2; v++)
		for (size_t i = 0; i < ARRAY_COUNT(words[v]); i++)
			if (strcasecmp(text, words[v][i]) == 0) {
				*out = v;
				return 0;
			}
	return ERR_SYNTAX;
}

int conf_value_addr(const char *text, struct conf_addr *out)
{
	const char *colon = strrchr(text, ':');
	const char *host = text;
	const char *end;
	size_t n;
	int64_t port;

	if (!colon || colon == text)
		return ERR_SYNTAX;
	n = (size_t)(colon - text);
	if (text[0] == '[') {
		if (n < 3 || text[n - 1] != ']')
			return ERR_SYNTAX;
		host = text + 1;
		n -= 2;
	} else if (memchr(text, ':', n)) {
		return ERR_SYNTAX;
	}
	if (n >= CONF_ADDR_HOST_BYTES || strcspn(host, " \t/[]@") < n)
		return ERR_SYNTAX;
	if (digits(colon + 1, 10, &end, &port) < 0 || *end)
		return ERR_SYNTAX;
	if (port > UINT16_MAX)
		return ERR_RANGE;
	memcpy(out->host, host, n);
	out->host[n] = 0;
	out->port = (uint16_t)port;
	return 0;
}

/* Bytes, or a percentage, which comes out negative. */
static int parse_space(const char *text, int64_t *out)
{
	const char *end;
	int64_t v;
	int rc = digits(text, 10, &end, &v);

	if (rc < 0 || strcmp(end, "%") != 0)
		return conf_value_bytes(text, out);
	if (v > SPACE_PERCENT_MAX)
		return ERR_RANGE;
	*out = -v;
	return 0;
}

struct unit {
	const char *name;
	int64_t size;
};

/* A bound as one would write it: in the largest unit that leaves a whole number. */
static const char *bound(const struct conf_entry *e, int64_t v, char dst[32])
{
	static const struct unit bytes[] = { { "T", INT64_C(1) << 40 }, { "G", 1 << 30 },
		{ "M", 1 << 20 }, { "k", 1 << 10 }, { "", 1 } };
	static const struct unit times[] = { { "d", 86400 * CLOCK_NS_PER_SEC },
		{ "h", 3600 * CLOCK_NS_PER_SEC }, { "min", 60 * CLOCK_NS_PER_SEC },
		{ "s", CLOCK_NS_PER_SEC }, { "ms", CLOCK_NS_PER_MS }, { "us", CLOCK_NS_PER_US },
		{ "ns", 1 } };
	const struct unit *u = e->type == CONF_BYTES ? bytes : times;

	if ((e->type != CONF_BYTES && e->type != CONF_DURATION) || v == 0) {
		snprintf(dst, 32, e->type == CONF_MODE ? "%04" PRIo64 : "%" PRId64, v);
		return dst;
	}
	while (v % u->size)
		u++;
	snprintf(dst, 32, "%" PRId64 "%s", v / u->size, u->name);
	return dst;
}

static int bad(const struct conf_entry *e, const char *text, int rc, struct diag *d)
{
	static const char *const wanted[] = {
		[CONF_STRING] = "a text",
		[CONF_SECRET] = "a text",
		[CONF_PATH] = "a path",
		[CONF_BYTES] = "bytes, like 65536, 64k, 512M or 2G",
		[CONF_SPACE] = "bytes, like 512M or 2G, or up to 90% of the disk, like 5%",
		[CONF_DURATION] = "a time, like 90s, 15min, 12h or 7d",
		[CONF_INT] = "a whole number",
		[CONF_BOOL] = "yes or no",
		[CONF_MODE] = "an octal file mode, like 0660",
		[CONF_LEVEL] = "error, warning, notice, info or debug",
		[CONF_ADDR] = "HOST:PORT, like 127.0.0.1:9000 or [::1]:9000",
	};
	char range[96] = "", lo[32], hi[32];

	if (e->type == CONF_STRING || e->type == CONF_SECRET || e->type == CONF_PATH)
		snprintf(range, sizeof range, " of %" PRId64 " to %" PRId64 " bytes", e->min,
			e->max);
	else if (e->max > e->min && e->type != CONF_BOOL && e->type != CONF_SPACE &&
		 e->max < INT64_MAX)
		snprintf(range, sizeof range, ", from %s to %s", bound(e, e->min, lo),
			bound(e, e->max, hi));
	if (e->type == CONF_SECRET)
		return diag_set(
			d, rc, "", -1, "is not allowed: write %s%s", wanted[e->type], range);
	return diag_set(
		d, rc, "", -1, "'%.64s' is not allowed: write %s%s", text, wanted[e->type], range);
}

static int parse_text(const struct conf_entry *e, const char *text)
{
	size_t n = strlen(text);

	return n < (size_t)e->min || n > (size_t)e->max ? ERR_RANGE : 0;
}

static int parse_level(const char *text, int64_t *out)
{
	int level = logger_level_find(text);

	if (level < 0)
		return ERR_SYNTAX;
	*out = level;
	return 0;
}

static int parse_number(const struct conf_entry *e, const char *text, int64_t *out)
{
	switch (e->type) {
	case CONF_BYTES:
		return conf_value_bytes(text, out);
	case CONF_SPACE:
		return parse_space(text, out);
	case CONF_DURATION:
		return when_duration(span_str(text), out, NULL);
	case CONF_INT:
		return conf_value_int(text, out);
	case CONF_MODE:
		return parse_mode(text, out);
	case CONF_BOOL:
		return parse_bool(text, out);
	default:
		UNREACHABLE();
	}
}

int conf_value_parse(const struct conf_entry *e, const char *text, int64_t *out_num, struct diag *d)
{
	struct conf_addr addr;
	struct cidr_list nets;
	int64_t num = 0;
	int rc;

	switch (e->type) {
	case CONF_STRING:
	case CONF_SECRET:
	case CONF_PATH:
		rc = parse_text(e, text);
		break;
	case CONF_ADDR:
		rc = *text ? conf_value_addr(text, &addr) : 0;
		break;
	case CONF_LEVEL:
		rc = parse_level(text, &num);
		break;
	case CONF_NETS:
		*out_num = 0;
		return cidr_parse(text, &nets, d);
	case CONF_ORIGINS:
		*out_num = 0;
		return origin_check(text, d);
	default:
		rc = parse_number(e, text, &num);
		if (rc == 0 && (num < e->min || num > e->max))
			rc = ERR_RANGE;
	}
	if (rc < 0)
		return bad(e, text, rc, d);
	*out_num = num;
	return 0;
}
