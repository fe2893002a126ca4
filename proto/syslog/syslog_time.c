#include "proto/syslog/syslog_time.h"

#include <time.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/timefmt.h"

enum {
	DAY_S = 86400,
	HOUR_S = 3600,
	/* Years that a stamp may name: those of syslog's own time, and none beyond 64-bit nanoseconds. */
	YEAR_MIN = 1970,
	YEAR_MAX = 2199,
	/* The 29th of February comes again after at most eight years. */
	YEARS_BACK = 8,
	ZONE_WORD_BYTES = 8,
};

struct civil {
	unsigned year, month, day, hour, minute, second;
	int32_t ns;
	int32_t offset_s;
	bool has_year, has_zone;
};

struct scan {
	const uint8_t *p;
	const uint8_t *end;
};

/* ---- parts ---- */

static size_t left(const struct scan *s)
{
	return (size_t)(s->end - s->p);
}

static bool is_digit(uint8_t b)
{
	return (unsigned)b - '0' <= 9;
}

static bool at(const struct scan *s, size_t i, char c)
{
	return left(s) > i && s->p[i] == (uint8_t)c;
}

static bool take(struct scan *s, char c)
{
	bool there = at(s, 0, c);

	s->p += there;
	return there;
}

/* Exactly n digits, which are no more than max. */
static bool number(struct scan *s, unsigned n, unsigned max, unsigned *out)
{
	unsigned v = 0;

	if (left(s) < n)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (!is_digit(s->p[i]))
			return false;
		v = v * 10 + s->p[i] - '0';
	}
	if (v > max)
		return false;
	s->p += n;
	*out = v;
	return true;
}

static bool month(struct scan *s, unsigned *out)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	if (left(s) < 4 || s->p[3] != ' ')
		return false;
	for (unsigned i = 0; i < 12; i++) {
		const char *name = names + 3 * (size_t)i;

		if ((s->p[0] | 0x20) == name[0] && (s->p[1] | 0x20) == name[1] &&
			(s->p[2] | 0x20) == name[2]) {
			s->p += 4;
			*out = i + 1;
			return true;
		}
	}
	return false;
}

/* " 1", "1", "01", and the space behind it. */
static bool month_day(struct scan *s, unsigned *out)
{
	unsigned digits;

	take(s, ' ');
	digits = left(s) > 1 && is_digit(s->p[1]) ? 2 : 1;
	return number(s, digits, 31, out) && *out > 0 && take(s, ' ');
}

static bool year(struct scan *s, unsigned *out)
{
	struct scan before = *s;

	if (number(s, 4, YEAR_MAX, out) && *out >= YEAR_MIN)
		return true;
	*s = before;
	return false;
}

static bool fraction(struct scan *s, struct civil *c)
{
	int32_t unit = CLOCK_NS_PER_SEC / 10;

	if (!(at(s, 0, '.') || at(s, 0, ',')) || left(s) < 2 || !is_digit(s->p[1]))
		return true;
	s->p++;
	while (s->p < s->end && is_digit(*s->p)) {
		if (unit == 0)
			return false;
		c->ns += (*s->p++ - '0') * unit;
		unit /= 10;
	}
	return true;
}

/* hh:mm:ss[.f] */
static bool wall(struct scan *s, struct civil *c)
{
	if (!number(s, 2, 23, &c->hour) || !take(s, ':') || !number(s, 2, 59, &c->minute) ||
		!take(s, ':') || !number(s, 2, 60, &c->second) || !fraction(s, c))
		return false;
	if (c->second == 60) {
		c->second = 59;
		c->ns = CLOCK_NS_PER_SEC - 1000;
	}
	return true;
}

/* ---- zones ---- */

/* +hh:mm, -hhmm */
static bool offset(struct scan *s, int32_t *out)
{
	struct scan t = *s;
	bool west = at(&t, 0, '-');
	unsigned hours, minutes;

	if (!west && !at(&t, 0, '+'))
		return false;
	t.p++;
	if (!number(&t, 2, 23, &hours))
		return false;
	take(&t, ':');
	if (!number(&t, 2, 59, &minutes))
		return false;
	*out = (int32_t)(hours * HOUR_S + minutes * 60) * (west ? -1 : 1);
	*s = t;
	return true;
}

/* Words that mean one thing nearly everywhere. */
static bool known_zone(struct span word, int32_t *out)
{
	static const struct {
		char name[5];
		int8_t hours;
	} zones[] = { { "UTC", 0 }, { "GMT", 0 }, { "Z", 0 }, { "WET", 0 }, { "WEST", 1 },
		{ "CET", 1 }, { "CEST", 2 }, { "EET", 2 }, { "EEST", 3 }, { "MSK", 3 },
		{ "JST", 9 }, { "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 },
		{ "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 } };

	for (size_t i = 0; i < ARRAY_COUNT(zones); i++) {
		if (!span_eq(word, span_str(zones[i].name)))
			continue;
		*out = zones[i].hours * HOUR_S;
		return true;
	}
	return false;
}

/*
 * " UTC:", " CET ", " +02:00 " behind the time of day. A word that only a colon marks as a zone is
 * passed over: what it means is known to whoever configured the device and the zone here.
 */
static void zone_behind(struct scan *s, struct civil *c)
{
	struct scan t = *s;
	size_t n = 0;

	if (!take(&t, ' '))
		return;
	if (offset(&t, &c->offset_s)) {
		c->has_zone = true;
		*s = t;
		return;
	}
	while (n < left(&t) && n <= ZONE_WORD_BYTES && t.p[n] >= 'A' && t.p[n] <= 'Z')
		n++;
	if (n == 0 || n > ZONE_WORD_BYTES || !(n == left(&t) || t.p[n] == ' ' || t.p[n] == ':'))
		return;
	c->has_zone = known_zone(span_of(t.p, n), &c->offset_s);
	if (c->has_zone || at(&t, n, ':'))
		s->p = t.p + n;
}

bool syslog_time_zone(struct span text, struct syslog_zone *out)
{
	struct scan s = { text.p, span_end(text) };
	struct syslog_zone z = { .local = span_eq(text, SPAN_LIT("local")) };

	if (!z.local && !span_eq(text, SPAN_LIT("UTC")) &&
		(!offset(&s, &z.offset_s) || s.p != s.end))
		return false;
	*out = z;
	return true;
}

/* ---- the instant ---- */

static unsigned month_days(int64_t y, unsigned m)
{
	int64_t next = m == 12 ? timefmt_days(y + 1, 1, 1) : timefmt_days(y, m + 1, 1);

	return (unsigned)(next - timefmt_days(y, m, 1));
}

static int64_t day_seconds(const struct civil *c, int64_t y)
{
	return timefmt_days(y, c->month, c->day) * DAY_S + c->hour * HOUR_S + c->minute * 60 +
	       c->second;
}

static int32_t offset_at(int64_t utc_s)
{
	time_t t = (time_t)utc_s;
	struct tm tm;

	return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

/*
 * libc's offset for a time on the wall. In the hour that comes twice, when summer ends, it is the one
 * nearer to the arrival; in the hour that never was, the one of before.
 */
static int32_t ask_libc(int64_t wall_s, int64_t received_s)
{
	int32_t before = offset_at(wall_s - offset_at(wall_s) - DAY_S);
	int32_t after = offset_at(wall_s - offset_at(wall_s) + DAY_S);
	bool fits_before = offset_at(wall_s - before) == before;
	bool fits_after = offset_at(wall_s - after) == after;
	int64_t late_before = wall_s - before - received_s,
		late_after = wall_s - after - received_s;

	if (!fits_after || before == after)
		return before;
	if (!fits_before)
		return after;
	return (late_before < 0 ? -late_before : late_before) <=
			       (late_after < 0 ? -late_after : late_after)
		       ? before
		       : after;
}

static int32_t offset_of(struct syslog_zone *z, int64_t wall_s, int64_t received_s)
{
	/* Zones change at quarters of an hour; a stamp within the last one asked for costs nothing. */
	int64_t hour = wall_s / (HOUR_S / 4), near = received_s / (HOUR_S / 4);

	if (!z->local)
		return z->offset_s;
	if (!z->asked || z->hour != hour || z->near != near) {
		z->hour_offset_s = ask_libc(wall_s, received_s);
		z->hour = hour;
		z->near = near;
		z->asked = true;
	}
	return z->hour_offset_s;
}

/* False: there is no such day. */
static bool instant(struct syslog_zone *z, int64_t received_ns, const struct civil *c, int64_t *out)
{
	int64_t received_s = received_ns / CLOCK_NS_PER_SEC, y = c->year;
	unsigned years = 1, month_, day_;

	if (!c->has_year) {
		timefmt_date(received_s / DAY_S, &y, &month_, &day_);
		y++;
		years = YEARS_BACK + 1;
	}
	for (; years > 0; years--, y--) {
		int64_t wall_s, utc_s;

		/* The 30th of February is no day in any year. */
		if (c->day > 28 && c->day > month_days(y, c->month))
			continue;
		wall_s = day_seconds(c, y);
		/* Far from its arrival no zone matters. */
		if (!c->has_year && wall_s > received_s + 2 * DAY_S)
			continue;
		utc_s = wall_s - (c->has_zone ? c->offset_s : offset_of(z, wall_s, received_s));
		if (!c->has_year && utc_s > received_s + DAY_S)
			continue;
		*out = utc_s * CLOCK_NS_PER_SEC + c->ns;
		return true;
	}
	return false;
}

/* ---- stamps ---- */

/* A year behind the time of day. */
static void year_behind(struct scan *s, struct civil *c)
{
	struct scan t = *s;

	if (c->has_year || !take(&t, ' ') || !year(&t, &c->year))
		return;
	if (t.p < t.end && *t.p != ' ' && *t.p != ':')
		return;
	c->has_year = true;
	*s = t;
}

static bool bsd(struct scan *s, struct civil *c)
{
	if (!month(s, &c->month) || !month_day(s, &c->day))
		return false;
	if (!c->has_year && left(s) > 4 && s->p[4] == ' ' && year(s, &c->year)) {
		c->has_year = true;
		s->p++;
	}
	if (!wall(s, c))
		return false;
	year_behind(s, c);
	zone_behind(s, c);
	return true;
}

static bool iso(struct scan *s, struct civil *c, enum syslog_stamp_form *out_form)
{
	if (!take(s, '-') || !number(s, 2, 12, &c->month) || c->month == 0 || !take(s, '-') ||
		!number(s, 2, 31, &c->day) || c->day == 0)
		return false;
	if (take(s, 'T') || take(s, 't'))
		*out_form = SYSLOG_STAMP_ISO;
	else if (take(s, ' '))
		*out_form = SYSLOG_STAMP_SPACE;
	else
		return false;
	if (!wall(s, c))
		return false;
	c->has_zone = take(s, 'Z') || take(s, 'z') || offset(s, &c->offset_s);
	return true;
}

static bool begins_with_year(struct scan *s, struct civil *c, enum syslog_stamp_form *out_form)
{
	if (!year(s, &c->year))
		return false;
	c->has_year = true;
	if (!take(s, ' '))
		return iso(s, c, out_form);
	*out_form = SYSLOG_STAMP_BSD;
	return bsd(s, c);
}

size_t syslog_time_stamp(
	struct syslog_zone *zone, int64_t received_ns, struct span text, struct syslog_stamp *out)
{
	struct scan s = { text.p, span_end(text) };
	struct civil c = { 0 };
	struct syslog_stamp stamp = { .form = SYSLOG_STAMP_BSD };
	bool read;

	if (text.n == 0)
		return 0;
	read = is_digit(text.p[0]) ? begins_with_year(&s, &c, &stamp.form) : bsd(&s, &c);
	/* A stamp ends where a word does. */
	if (!read || (s.p < s.end && *s.p != ' ' && *s.p != ':'))
		return 0;
	if (!instant(zone, received_ns, &c, &stamp.ns))
		return 0;
	ASSERT(s.p > text.p);
	*out = stamp;
	return (size_t)(s.p - text.p);
}
