#include "proto/base/when.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"

#define DAY_NS (INT64_C(86400) * CLOCK_NS_PER_SEC)

enum {
	TEXT_BYTES_MAX = 128, /* nothing that is meant is longer */
	QUOTED_BYTES_MAX = 48,
};

/* ---- spans as words ---- */

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
	while (s.n && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

static struct span skip(struct span s, size_t n)
{
	ASSERT(n <= s.n);
	return span_of(s.p + n, s.n - n);
}

/* Takes `word` off the front, where a space or the end follows it. */
static bool take_word(struct span *s, const char *word)
{
	size_t n = strlen(word);

	if (s->n < n || memcmp(s->p, word, n) != 0 || (s->n > n && !is_space(s->p[n])))
		return false;
	*s = trim(skip(*s, n));
	return true;
}

/* Takes `word` off the end, where a space stands before it. */
static bool take_last(struct span *s, const char *word)
{
	size_t n = strlen(word);

	if (s->n <= n || memcmp(s->p + s->n - n, word, n) != 0 || !is_space(s->p[s->n - n - 1]))
		return false;
	*s = trim(span_of(s->p, s->n - n));
	return true;
}

/* ---- durations ---- */

static int64_t unit_ns(struct span word)
{
	static const struct {
		const char *words; /* each between spaces */
		int64_t ns;
	} units[] = {
		{ " s sec secs second seconds ", CLOCK_NS_PER_SEC },
		{ " m min mins minute minutes ", 60 * CLOCK_NS_PER_SEC },
		{ " h hr hrs hour hours ", 3600 * CLOCK_NS_PER_SEC },
		{ " d day days ", DAY_NS },
		{ " w week weeks ", 7 * DAY_NS },
		{ " M month months ", INT64_C(2629800) * CLOCK_NS_PER_SEC },
		{ " y year years ", INT64_C(31557600) * CLOCK_NS_PER_SEC },
		{ " ms msec ", CLOCK_NS_PER_MS },
		{ " us usec ", CLOCK_NS_PER_US },
		{ " ns nsec ", 1 },
	};
	char key[16];

	if (word.n == 0 || word.n + 3 > sizeof key)
		return 0;
	snprintf(key, sizeof key, " %.*s ", (int)word.n, (const char *)word.p);
	for (size_t i = 0; i < ARRAY_COUNT(units); i++)
		if (strstr(units[i].words, key))
			return units[i].ns;
	return 0;
}

/* A decimal number off the front: whole * 10^9 + billionths. */
static int take_number(struct span *s, __int128 *out_billionths)
{
	__int128 v = 0;
	int64_t place = CLOCK_NS_PER_SEC;
	size_t i = 0;

	while (i < s->n && is_digit(s->p[i])) {
		v = v * 10 + (s->p[i++] - '0');
		if (v > INT64_MAX)
			return ERR_RANGE;
	}
	if (i == 0)
		return ERR_SYNTAX;
	v *= CLOCK_NS_PER_SEC;
	if (i + 1 < s->n && s->p[i] == '.' && is_digit(s->p[i + 1])) {
		for (i++; i < s->n && is_digit(s->p[i]); i++) {
			place /= 10;
			v += (s->p[i] - '0') * place;
		}
	}
	*s = skip(*s, i);
	*out_billionths = v;
	return 0;
}

/* `1h 30min`: one or more numbers with units, added up. */
static int sum_units(struct span s, int64_t *out_ns)
{
	__int128 sum = 0;

	s = trim(s);
	if (s.n == 0)
		return ERR_SYNTAX;
	while (s.n) {
		__int128 billionths;
		int64_t unit;
		size_t n = 0;
		int rc = take_number(&s, &billionths);

		if (rc < 0)
			return rc;
		s = trim(s);
		while (n < s.n && !is_space(s.p[n]) && !is_digit(s.p[n]))
			n++;
		unit = unit_ns(span_of(s.p, n));
		if (unit == 0)
			return ERR_SYNTAX;
		if (billionths > (__int128)INT64_MAX * CLOCK_NS_PER_SEC / unit)
			return ERR_RANGE;
		sum += billionths * unit / CLOCK_NS_PER_SEC;
		if (sum > INT64_MAX)
			return ERR_RANGE;
		s = trim(skip(s, n));
	}
	*out_ns = (int64_t)sum;
	return 0;
}

static int quoted_length(struct span s)
{
	return (int)(s.n < QUOTED_BYTES_MAX ? s.n : QUOTED_BYTES_MAX);
}

int when_duration(struct span text, int64_t *out_ns, struct diag *d)
{
	int rc;

	if (span_eq(trim(text), SPAN_LIT("0"))) {
		*out_ns = 0;
		return 0;
	}
	rc = text.n > TEXT_BYTES_MAX ? ERR_SYNTAX : sum_units(text, out_ns);
	if (rc == 0)
		return 0;
	return diag_set(d, rc, "", -1,
		"cannot take '%.*s' as a duration: write a number and a unit, like 90s, 15min, "
		"1h 30min, 7d; units are ns us ms s min h d w month y",
		quoted_length(text), (const char *)text.p);
}

/* ---- places in the calendar ---- */

static int64_t floor_seconds(int64_t ns)
{
	return ns / CLOCK_NS_PER_SEC - (ns % CLOCK_NS_PER_SEC < 0);
}

/* The date at an instant in the zone, as days since 1970-01-01. */
static int64_t day_of(int64_t ns, enum when_zone zone)
{
	time_t s = (time_t)floor_seconds(ns);
	struct tm tm;

	if (zone == WHEN_UTC || !localtime_r(&s, &tm))
		return s / 86400 - (s % 86400 < 0);
	return timefmt_days(tm.tm_year + 1900, (unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday);
}

/* What a clock on the wall shows, taken as UTC, becomes the instant in the local zone. */
static int local_to_ns(int64_t wall_ns, int64_t *out_ns)
{
	int64_t wall_s = floor_seconds(wall_ns), s, year;
	int64_t days = wall_s / 86400 - (wall_s % 86400 < 0);
	int in_day = (int)(wall_s - days * 86400);
	unsigned month, day;
	struct tm tm = { .tm_isdst = -1 };

	timefmt_date(days, &year, &month, &day);
	tm.tm_year = (int)year - 1900;
	tm.tm_mon = (int)month - 1;
	tm.tm_mday = (int)day;
	tm.tm_hour = in_day / 3600;
	tm.tm_min = in_day / 60 % 60;
	tm.tm_sec = in_day % 60;
	s = mktime(&tm);
	if (__builtin_mul_overflow(s, CLOCK_NS_PER_SEC, &s) ||
		__builtin_add_overflow(s, wall_ns - wall_s * CLOCK_NS_PER_SEC, &s))
		return ERR_RANGE;
	*out_ns = s;
	return 0;
}

/* A date with or without a clock and a zone. */
static int calendar(struct span text, enum when_zone zone, struct when *out)
{
	char buf[TEXT_BYTES_MAX + 2];
	struct timefmt t;
	int64_t end;
	int rc;

	if (take_last(&text, "UTC")) {
		snprintf(buf, sizeof buf, "%.*sZ", (int)text.n, (const char *)text.p);
		text = span_str(buf);
	}
	rc = timefmt_parse(text, &t);
	if (rc < 0)
		return rc;
	*out = (struct when){ t.ns, t.unit_ns };
	if (t.zoned || zone == WHEN_UTC)
		return 0;
	rc = local_to_ns(t.ns, &out->ns);
	/* A day of the local zone may have 23 or 25 hours. */
	if (rc == 0 && t.unit_ns == DAY_NS && !__builtin_add_overflow(t.ns, DAY_NS, &end) &&
		local_to_ns(end, &end) == 0)
		out->unit_ns = end - out->ns;
	return rc;
}

/* A clock alone on the given day; one digit of the hour will do. */
static int clock_on(int64_t days, struct span clock, enum when_zone zone, struct when *out)
{
	char buf[TEXT_BYTES_MAX + 16];
	int64_t year;
	unsigned month, day;
	bool short_hour = clock.n >= 2 && clock.p[1] == ':';

	timefmt_date(days, &year, &month, &day);
	snprintf(buf, sizeof buf, "%04d-%02u-%02u%s%s%.*s", (int)year, month, day,
		clock.n ? " " : "", short_hour ? "0" : "", (int)clock.n, (const char *)clock.p);
	return calendar(span_str(buf), zone, out);
}

/* `yesterday`, or `yesterday 14:00`. */
static int day_word(int64_t days, struct span clock, enum when_zone zone, struct when *out)
{
	int rc = clock_on(days, clock, zone, out);

	if (rc == 0 && clock.n == 0)
		out->unit_ns = 1;
	return rc;
}

static int epoch(struct span text, struct when *out)
{
	__int128 v;
	bool minus = text.n && text.p[0] == '-';
	size_t places = 0;
	const uint8_t *point;
	int rc;

	if (minus)
		text = skip(text, 1);
	point = text.n ? memchr(text.p, '.', text.n) : NULL;
	if (point)
		places = (size_t)(text.p + text.n - point) - 1;
	rc = take_number(&text, &v);
	if (rc < 0)
		return rc;
	if (text.n || places > 9)
		return ERR_SYNTAX;
	if (minus)
		v = -v;
	if (v > INT64_MAX || v < INT64_MIN)
		return ERR_RANGE;
	out->ns = (int64_t)v;
	out->unit_ns = CLOCK_NS_PER_SEC;
	while (places--)
		out->unit_ns /= 10;
	return 0;
}

static int relative(struct span amount, int64_t now_ns, int sign, struct when *out)
{
	int64_t by;
	int rc = sum_units(amount, &by);

	if (rc < 0)
		return rc;
	if (__builtin_add_overflow(now_ns, sign * by, &out->ns))
		return ERR_RANGE;
	out->unit_ns = 1;
	return 0;
}

/* ---- the whole ---- */

static int parse(struct span s, enum when_zone zone, int64_t now_ns, struct when *out)
{
	int64_t today = day_of(now_ns, zone);

	if (span_eq(s, SPAN_LIT("now"))) {
		*out = (struct when){ now_ns, 1 };
		return 0;
	}
	if (take_word(&s, "today"))
		return day_word(today, s, zone, out);
	if (take_word(&s, "yesterday"))
		return day_word(today - 1, s, zone, out);
	if (take_word(&s, "tomorrow"))
		return day_word(today + 1, s, zone, out);
	if (s.p[0] == '@')
		return epoch(skip(s, 1), out);
	if (s.p[0] == '-' || s.p[0] == '+')
		return relative(skip(s, 1), now_ns, s.p[0] == '-' ? -1 : 1, out);
	if (take_last(&s, "ago"))
		return relative(s, now_ns, -1, out);
	if (take_last(&s, "left"))
		return relative(s, now_ns, 1, out);
	if (s.n >= 3 && (s.p[1] == ':' || s.p[2] == ':'))
		return clock_on(today, s, zone, out);
	return calendar(s, zone, out);
}

int when_parse(
	struct span text, enum when_zone zone, int64_t now_ns, struct when *out, struct diag *d)
{
	struct span s = trim(text);
	struct when w;
	int64_t ignored;
	int rc = ERR_SYNTAX;

	if (s.n > 0 && s.n <= TEXT_BYTES_MAX)
		rc = parse(s, zone, now_ns, &w);
	if (rc == 0) {
		*out = w;
		return 0;
	}
	if (rc == ERR_SYNTAX && s.n <= TEXT_BYTES_MAX && sum_units(s, &ignored) == 0)
		return diag_set(d, rc, "", -1,
			"'%.*s' is a duration, not a time: write -%.*s or '%.*s ago'", (int)s.n,
			(const char *)s.p, (int)s.n, (const char *)s.p, (int)s.n,
			(const char *)s.p);
	if (rc == ERR_RANGE)
		return diag_set(d, rc, "", -1, "there is no time '%.*s' between 1678 and 2261",
			quoted_length(s), (const char *)s.p);
	return diag_set(d, rc, "", -1,
		"cannot take '%.*s' as a time: write now, today, yesterday 14:00, 14:00, -1h, "
		"'2 days ago', 2026-11-20, '2026-11-20 14:00:05', 2026-11-20T14:00:05Z or @SECONDS",
		quoted_length(s), (const char *)s.p);
}
