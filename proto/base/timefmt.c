#include "proto/base/timefmt.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"

enum {
	SECONDS_PER_DAY = 86400,
	DAYS_PER_ERA = 146097, /* 400 years */
	DAYS_TO_1970 = 719468, /* from 0000-03-01 */
};

/*
 * The year is taken to begin on the first of March: the day that leap years add is then its last,
 * and a day's number within the year follows from the month by one linear formula.
 */
int64_t timefmt_days(int64_t year, unsigned month, unsigned day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t in_era = y - era * 400;
	int64_t in_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * DAYS_PER_ERA + in_era * 365 + in_era / 4 - in_era / 100 + in_year -
	       DAYS_TO_1970;
}

void timefmt_date(int64_t days, int64_t *out_year, unsigned *out_month, unsigned *out_day)
{
	int64_t z = days + DAYS_TO_1970;
	int64_t era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
	int64_t doe = z - era * DAYS_PER_ERA;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / (DAYS_PER_ERA - 1)) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	unsigned month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);

	*out_year = yoe + era * 400 + (month <= 2);
	*out_month = month;
	*out_day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
}

static unsigned month_days(unsigned year, unsigned month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	ASSERT(month >= 1);
	ASSERT(month <= 12);
	return days[month - 1] + (month == 2 && leap);
}

/* ---- reading ---- */

/* The text as it is taken apart; a failure sticks in rc. */
struct scan {
	const uint8_t *p;
	const uint8_t *end;
	int rc;
};

static void fail(struct scan *s, int rc)
{
	if (s->rc == 0)
		s->rc = rc;
}

/* Exactly n digits. */
static unsigned digits(struct scan *s, unsigned n)
{
	unsigned v = 0;

	if (s->rc || (size_t)(s->end - s->p) < n) {
		fail(s, ERR_SYNTAX);
		return 0;
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned d = (unsigned)s->p[i] - '0';

		if (d > 9)
			fail(s, ERR_SYNTAX);
		v = v * 10 + d;
	}
	s->p += n;
	return v;
}

static bool take(struct scan *s, char c)
{
	if (s->rc || s->p == s->end || *s->p != (uint8_t)c)
		return false;
	s->p++;
	return true;
}

static void expect(struct scan *s, char c)
{
	if (!take(s, c))
		fail(s, ERR_SYNTAX);
}

struct civil {
	unsigned year, month, day, hour, minute, second;
	int32_t ns;
	int32_t zone_s; /* east of UTC */
};

static void read_date(struct scan *s, struct civil *c)
{
	c->year = digits(s, 4);
	expect(s, '-');
	c->month = digits(s, 2);
	expect(s, '-');
	c->day = digits(s, 2);
	if (s->rc == 0 && (c->month < 1 || c->month > 12))
		fail(s, ERR_RANGE);
	if (s->rc == 0 && (c->day < 1 || c->day > month_days(c->year, c->month)))
		fail(s, ERR_RANGE);
}

/* One to nine digits after the point. */
static void read_fraction(struct scan *s, struct civil *c, int64_t *unit_ns)
{
	int64_t unit = CLOCK_NS_PER_SEC;
	int64_t v = 0;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
		unit /= 10;
		if (unit == 0) {
			fail(s, ERR_SYNTAX);
			return;
		}
		v = v * 10 + (*s->p++ - '0');
	}
	if (unit == CLOCK_NS_PER_SEC)
		fail(s, ERR_SYNTAX);
	c->ns = (int32_t)(v * unit);
	*unit_ns = unit;
}

static void read_clock(struct scan *s, struct civil *c, int64_t *unit_ns)
{
	c->hour = digits(s, 2);
	expect(s, ':');
	c->minute = digits(s, 2);
	*unit_ns = 60 * CLOCK_NS_PER_SEC;
	if (take(s, ':')) {
		c->second = digits(s, 2);
		*unit_ns = CLOCK_NS_PER_SEC;
		if (take(s, '.') || take(s, ','))
			read_fraction(s, c, unit_ns);
	}
	if (s->rc == 0 && (c->hour > 23 || c->minute > 59 || c->second > 60))
		fail(s, ERR_RANGE);
}

/* True when the text names a zone. */
static bool read_zone(struct scan *s, struct civil *c)
{
	unsigned hour, minute;
	bool west;

	if (s->rc || s->p == s->end)
		return false;
	if (take(s, 'Z') || take(s, 'z'))
		return true;
	west = take(s, '-');
	if (!west)
		expect(s, '+');
	hour = digits(s, 2);
	take(s, ':');
	minute = digits(s, 2);
	if (s->rc == 0 && (hour > 23 || minute > 59))
		fail(s, ERR_RANGE);
	c->zone_s = (int32_t)(hour * 3600 + minute * 60);
	if (west)
		c->zone_s = -c->zone_s;
	return true;
}

/* A leap second stands only where UTC has room for one: after 23:59:59 on a month's last day. */
static bool may_leap(int64_t utc_s)
{
	int64_t days = (utc_s >= 0 ? utc_s : utc_s - (SECONDS_PER_DAY - 1)) / SECONDS_PER_DAY;
	int64_t year;
	unsigned month, day;

	/* 23:59:60 counts as the first second of the following day. */
	timefmt_date(days, &year, &month, &day);
	return utc_s == days * SECONDS_PER_DAY && day == 1;
}

static int to_ns(const struct civil *c, int64_t *out_ns)
{
	int64_t s = timefmt_days(c->year, c->month, c->day) * SECONDS_PER_DAY +
		    (int64_t)c->hour * 3600 + (int64_t)c->minute * 60 + c->second - c->zone_s;
	int64_t ns = c->ns;

	if (c->second == 60 && !may_leap(s))
		return ERR_RANGE;
	/* Towards zero, so that the product of the earliest second does not overflow before its
	 * fraction is added. */
	if (s < 0 && ns > 0) {
		s += 1;
		ns -= CLOCK_NS_PER_SEC;
	}
	if (__builtin_mul_overflow(s, CLOCK_NS_PER_SEC, &s) || __builtin_add_overflow(s, ns, &s))
		return ERR_RANGE;
	*out_ns = s;
	return 0;
}

int timefmt_parse(struct span text, struct timefmt *out)
{
	struct scan s = { .p = text.p };
	struct civil c = { 0 };
	struct timefmt t = { .unit_ns = SECONDS_PER_DAY * CLOCK_NS_PER_SEC };
	int rc;

	if (text.n == 0)
		return ERR_SYNTAX;
	s.end = text.p + text.n;
	read_date(&s, &c);
	if (s.rc == 0 && s.p < s.end) {
		if (!take(&s, 'T') && !take(&s, 't'))
			expect(&s, ' ');
		read_clock(&s, &c, &t.unit_ns);
		t.zoned = read_zone(&s, &c);
	}
	if (s.rc == 0 && s.p < s.end)
		fail(&s, ERR_SYNTAX);
	if (s.rc)
		return s.rc;
	rc = to_ns(&c, &t.ns);
	if (rc == 0)
		*out = t;
	return rc;
}

/* ---- writing ---- */

static char *put2(char *p, unsigned v)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";

	ASSERT(v < 100);
	memcpy(p, pairs + (size_t)v * 2, 2);
	return p + 2;
}

static char *put_fraction(char *p, unsigned ns, unsigned count)
{
	static const unsigned pow10[] = { 1000000000, 100000000, 10000000, 1000000, 100000, 10000,
		1000, 100, 10, 1 };
	unsigned v = ns / pow10[count];

	*p = '.';
	for (unsigned i = count; i > 0; i--) {
		p[i] = (char)('0' + v % 10);
		v /= 10;
	}
	return p + 1 + count;
}

static unsigned digits_needed(unsigned ns)
{
	unsigned n = 9;

	if (ns == 0)
		return 0;
	while (ns % 1000 == 0) {
		ns /= 1000;
		n -= 3;
	}
	while (ns % 10 == 0) {
		ns /= 10;
		n--;
	}
	return n;
}

static size_t put(char *dst, int64_t ns, unsigned count, bool as_needed)
{
	int64_t s = ns / CLOCK_NS_PER_SEC;
	int64_t frac = ns % CLOCK_NS_PER_SEC;
	int64_t days, year;
	unsigned month, day, in_day;
	char *p = dst;

	if (frac < 0) {
		frac += CLOCK_NS_PER_SEC;
		s--;
	}
	days = (s >= 0 ? s : s - (SECONDS_PER_DAY - 1)) / SECONDS_PER_DAY;
	in_day = (unsigned)(s - days * SECONDS_PER_DAY);
	timefmt_date(days, &year, &month, &day);
	ASSERT(year >= 1677);
	ASSERT(year <= 2262);
	p = put2(p, (unsigned)year / 100);
	p = put2(p, (unsigned)year % 100);
	*p++ = '-';
	p = put2(p, month);
	*p++ = '-';
	p = put2(p, day);
	*p++ = 'T';
	p = put2(p, in_day / 3600);
	*p++ = ':';
	p = put2(p, in_day / 60 % 60);
	*p++ = ':';
	p = put2(p, in_day % 60);
	if (as_needed)
		count = digits_needed((unsigned)frac);
	if (count)
		p = put_fraction(p, (unsigned)frac, count);
	*p++ = 'Z';
	ASSERT(p - dst <= TIMEFMT_BYTES_MAX);
	return (size_t)(p - dst);
}

size_t timefmt_put(char *dst, int64_t ns)
{
	return put(dst, ns, 0, true);
}

size_t timefmt_put_digits(char *dst, int64_t ns, unsigned count)
{
	ASSERT(count <= 9);
	return put(dst, ns, count, false);
}
