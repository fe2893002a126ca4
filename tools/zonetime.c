#include "tools/zonetime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"

int64_t zonetime_offset(int64_t ns, bool utc)
{
	time_t seconds = (time_t)(ns / CLOCK_NS_PER_SEC) - (ns % CLOCK_NS_PER_SEC < 0);
	struct tm tm;

	if (utc || !localtime_r(&seconds, &tm))
		return 0;
	return (int64_t)tm.tm_gmtoff * CLOCK_NS_PER_SEC;
}

/* With a T in the middle, and a Z in UTC alone. */
static size_t format(int64_t ns, bool utc, int digits, char *text)
{
	int64_t local = ns;
	size_t n;

	if (__builtin_add_overflow(ns, zonetime_offset(ns, utc), &local))
		local = ns;
	n = digits < 0 ? timefmt_put(text, local)
		       : timefmt_put_digits(text, local, (unsigned)digits);
	ASSERT(n > 11);
	return utc ? n : n - 1;
}

static void put_offset(int64_t ns, struct buf *out)
{
	int64_t minutes = zonetime_offset(ns, false) / (60 * CLOCK_NS_PER_SEC);
	int64_t size = minutes < 0 ? -minutes : minutes;

	buf_printf(out, "%c%02d:%02d", minutes < 0 ? '-' : '+', (int)(size / 60), (int)(size % 60));
}

void zonetime_put(int64_t ns, bool utc, int digits, struct buf *out)
{
	char text[TIMEFMT_BYTES_MAX];
	size_t n = format(ns, utc, digits, text);

	text[10] = ' ';
	buf_put(out, text, n);
}

void zonetime_put_zone(int64_t ns, bool utc, struct buf *out)
{
	if (utc)
		return;
	buf_put_u8(out, ' ');
	put_offset(ns, out);
}

void zonetime_put_iso(int64_t ns, bool utc, int digits, struct buf *out)
{
	char text[TIMEFMT_BYTES_MAX];
	size_t n = format(ns, utc, digits, text);

	buf_put(out, text, n);
	if (!utc)
		put_offset(ns, out);
}

/* libc takes a name that it does not know for UTC: whether there is such a file is for us to ask. */
int zonetime_set(const char *zone, struct diag *d)
{
	const char *dir = getenv("TZDIR");
	char path[512];
	bool is_rule = strpbrk(zone, "0123456789,<>") != NULL && !strchr(zone, '/');

	snprintf(path, sizeof path, "%s/%s", dir && *dir ? dir : "/usr/share/zoneinfo", zone);
	if (!*zone || strstr(zone, "..") || (!is_rule && access(path, R_OK) < 0))
		return diag_set(d, ERR_UNKNOWN, "", -1,
			"'%.64s' is no time zone that this system knows: write one as "
			"Europe/Berlin, UTC or CET-1CEST",
			zone);
	setenv("TZ", zone, 1);
	tzset();
	return 0;
}
