#include "proto/wire/forward_time.h"

#include <math.h>

#include "proto/base/clock.h"

enum {
	EXT_EVENT_TIME = 0,
	EXT_TIMESTAMP = -1,
};

/* The leniency rule: what one unit of a number of this size is, in nanoseconds. */
static int64_t unit_of(double magnitude)
{
	if (magnitude >= 1e17)
		return 1;
	if (magnitude >= 1e14)
		return CLOCK_NS_PER_US;
	if (magnitude >= 1e11)
		return CLOCK_NS_PER_MS;
	return CLOCK_NS_PER_SEC;
}

static int from_uint(uint64_t v, int64_t *out_ns)
{
	int64_t ns;

	if (v == 0 || v > INT64_MAX)
		return ERR_RANGE;
	if (__builtin_mul_overflow((int64_t)v, unit_of((double)v), &ns))
		return ERR_RANGE;
	*out_ns = ns;
	return 0;
}

static int from_int(int64_t v, int64_t *out_ns)
{
	int64_t ns;

	if (__builtin_mul_overflow(v, CLOCK_NS_PER_SEC, &ns))
		return ERR_RANGE;
	*out_ns = ns;
	return 0;
}

static int from_float(double f, int64_t *out_ns)
{
	int64_t unit = unit_of(f);
	double whole, rest;
	int64_t ns, more;

	/* Zero, not a number, infinite. */
	if (!(fabs(f) >= 1.0) || !(fabs(f) < 1e19))
		return ERR_RANGE;
	rest = modf(f, &whole);
	if (!(fabs(whole) < 0x1p63) || __builtin_mul_overflow((int64_t)whole, unit, &ns))
		return ERR_RANGE;
	more = unit > CLOCK_NS_PER_US
		       ? llround(rest * (double)(unit / CLOCK_NS_PER_US)) * CLOCK_NS_PER_US
		       : 0;
	if (__builtin_add_overflow(ns, more, &ns))
		return ERR_RANGE;
	*out_ns = ns;
	return 0;
}

static int from_parts(int64_t sec, uint32_t nsec, int64_t *out_ns)
{
	int64_t ns;

	if (sec == 0 || nsec >= CLOCK_NS_PER_SEC)
		return ERR_RANGE;
	if (__builtin_mul_overflow(sec, CLOCK_NS_PER_SEC, &ns) ||
		__builtin_add_overflow(ns, (int64_t)nsec, &ns))
		return ERR_RANGE;
	*out_ns = ns;
	return 0;
}

static int from_event_time(struct span s, int64_t *out_ns)
{
	struct rcur c = rcur_of(s.p, s.n);
	uint32_t sec = rcur_be32(&c), nsec = rcur_be32(&c);

	if (c.err || rcur_left(&c) > 0)
		return ERR_TYPE;
	return from_parts(sec, nsec, out_ns);
}

static int from_timestamp(struct span s, int64_t *out_ns)
{
	struct rcur c = rcur_of(s.p, s.n);
	uint32_t nsec = 0;
	uint64_t both;

	switch (s.n) {
	case 4:
		return from_parts(rcur_be32(&c), 0, out_ns);
	case 8:
		both = rcur_be64(&c);
		return from_parts((int64_t)(both & 0x3ffffffff), (uint32_t)(both >> 34), out_ns);
	case 12:
		nsec = rcur_be32(&c);
		return from_parts((int64_t)rcur_be64(&c), nsec, out_ns);
	default:
		return ERR_TYPE;
	}
}

int forward_time(const struct walk_value *v, int64_t *out_ns)
{
	switch (v->type) {
	case WALK_UINT:
		return from_uint(v->u, out_ns);
	case WALK_INT:
		return from_int(v->i, out_ns);
	case WALK_FLOAT:
		return from_float(v->f, out_ns);
	case WALK_EXT:
		if (v->ext == EXT_EVENT_TIME)
			return from_event_time(v->data, out_ns);
		return v->ext == EXT_TIMESTAMP ? from_timestamp(v->data, out_ns) : ERR_TYPE;
	default:
		return ERR_TYPE;
	}
}
