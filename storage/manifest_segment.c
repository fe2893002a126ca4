#include <inttypes.h>
#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/timefmt.h"
#include "storage/manifest.h"

const char *manifest_segment_dir(const struct manifest_segment *s, char dst[MANIFEST_PATH_BYTES])
{
	int64_t year;
	unsigned month, day;

	timefmt_date(s->day, &year, &month, &day);
	snprintf(dst, MANIFEST_PATH_BYTES, "seg/%04" PRId64 "-%02u-%02u", year, month, day);
	return dst;
}

const char *manifest_segment_path(const struct manifest_segment *s, char dst[MANIFEST_PATH_BYTES])
{
	char dir[MANIFEST_PATH_BYTES];
	char hour[4];
	int n;

	ASSERT(s->hour <= MANIFEST_HOUR_MIXED);
	if (s->hour == MANIFEST_HOUR_DAY)
		snprintf(hour, sizeof hour, "day");
	else if (s->hour == MANIFEST_HOUR_MIXED)
		snprintf(hour, sizeof hour, "mix");
	else
		snprintf(hour, sizeof hour, "%02u", s->hour % 24u);
	n = snprintf(dst, MANIFEST_PATH_BYTES, "%s/%s.%s.%" PRIu64 "-%" PRIu64 ".%u.seg",
		manifest_segment_dir(s, dir), hour, s->class_name, s->id_first, s->id_last,
		(unsigned)s->gen);
	ASSERT(n > 0);
	ASSERT(n < MANIFEST_PATH_BYTES);
	return dst;
}
