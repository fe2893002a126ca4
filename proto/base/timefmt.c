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
#define MINUTE_NS (60 * CLOCK_NS_PER_SEC)

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

/* A point and `count` digits of nine, the rest cut. */
static char *put_fraction(char *p, unsigned ns, unsigned count)
{
	unsigned high = ns / 100000, low = ns % 100000;

	*p++ = '.';
	put2(p, high / 100);
	put2(p + 2, high % 100);
	put2(p + 4, low / 1000);
	put2(p + 6, low / 10 % 100);
	p[8] = (char)('0' + low % 10);
	return p + count;
}

/* Without the zeros at its end, and without the point if nothing is left. */
static char *put_fraction_needed(char *p, unsigned ns)
{
	if (ns == 0)
		return p;
	p = put_fraction(p, ns, 9);
	while (p[-1] == '0')
		p--;
	return p;
}

/*
 * The date of day z, counted from 0000-03-01, for the years that nanoseconds reach: the same formulas
 * as in timefmt_date, with each division by a product (Neri and Schneider, "Euclidean affine functions
 * and their application to calendar algorithms", 2022).
 */
static char *put_date(char *p, uint32_t z)
{
	uint32_t n1 = 4 * z + 3, century = n1 / DAYS_PER_ERA, n2 = n1 % DAYS_PER_ERA | 3;
	uint64_t p2 = UINT64_C(2939745) * n2;
	uint32_t in_century = (uint32_t)(p2 >> 32), in_year = (uint32_t)p2 / 2939745 / 4;
	uint32_t n3 = 2141 * in_year + 197913, month = n3 >> 16, day = (n3 & 0xffff) / 2141 + 1;
	bool next_year = in_year >= 306;

	in_century += next_year;
	century += in_century == 100;
	p = put2(p, century);
	p = put2(p, in_century == 100 ? 0 : in_century);
	*p++ = '-';
	p = put2(p, next_year ? month - 12 : month);
	*p++ = '-';
	return put2(p, day);
}

/* Up to the second; *out_ns is what is left of it. */
static char *put_seconds(char *p, int64_t ns, unsigned *out_ns)
{
	const int64_t day_ns = SECONDS_PER_DAY * CLOCK_NS_PER_SEC;
	int64_t days = ns / day_ns, in_day = ns % day_ns;
	unsigned s;

	if (in_day < 0) {
		in_day += day_ns;
		days--;
	}
	s = (unsigned)((uint64_t)in_day / (uint64_t)CLOCK_NS_PER_SEC);
	*out_ns = (unsigned)((uint64_t)in_day - s * (uint64_t)CLOCK_NS_PER_SEC);
	p = put_date(p, (uint32_t)(days + DAYS_TO_1970));
	*p++ = 'T';
	p = put2(p, s / 3600);
	*p++ = ':';
	p = put2(p, s / 60 % 60);
	*p++ = ':';
	return put2(p, s % 60);
}

size_t timefmt_put(char *dst, int64_t ns)
{
	unsigned frac;
	char *p = put_seconds(dst, ns, &frac);

	p = put_fraction_needed(p, frac);
	*p++ = 'Z';
	ASSERT(p - dst <= TIMEFMT_BYTES_MAX);
	return (size_t)(p - dst);
}

/* The nanoseconds of the first instant of it may lie before the range; the minute does not. */
static void note_minute(struct timefmt_memo *memo, int64_t minute, int64_t ns)
{
	char text[TIMEFMT_BYTES_MAX];
	unsigned frac;

	put_seconds(text, ns, &frac);
	memcpy(memo->text, text, TIMEFMT_MINUTE_BYTES);
	memo->minute = minute;
}

size_t timefmt_put_memo(char *dst, int64_t ns, struct timefmt_memo *memo)
{
	int64_t minute = ns / MINUTE_NS, rest = ns % MINUTE_NS;
	unsigned second;
	char *p;

	if (rest < 0) {
		rest += MINUTE_NS;
		minute--;
	}
	if (minute != memo->minute || !memo->text[0])
		note_minute(memo, minute, ns);
	memcpy(dst, memo->text, TIMEFMT_MINUTE_BYTES);
	second = (unsigned)((uint64_t)rest / (uint64_t)CLOCK_NS_PER_SEC);
	p = put2(dst + TIMEFMT_MINUTE_BYTES, second);
	p = put_fraction_needed(
		p, (unsigned)((uint64_t)rest - second * (uint64_t)CLOCK_NS_PER_SEC));
	*p++ = 'Z';
	ASSERT(p - dst <= TIMEFMT_BYTES_MAX);
	return (size_t)(p - dst);
}

size_t timefmt_put_digits(char *dst, int64_t ns, unsigned count)
{
	unsigned frac;
	char *p = put_seconds(dst, ns, &frac);

	ASSERT(count <= 9);
	if (count)
		p = put_fraction(p, frac, count);
	*p++ = 'Z';
	return (size_t)(p - dst);
}
