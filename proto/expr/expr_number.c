#include "proto/expr/expr.h"

#include <math.h>

#include "proto/base/check.h"
#include "proto/wire/json_number.h"

static const double two63 = 9223372036854775808.0;

static int cmp_int(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int cmp_uint(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* What an integer leaves of a double is cut off first and compared afterwards: nothing is rounded. */
static int cmp_int_double(int64_t i, double f)
{
	double whole;
	int c;

	if (isnan(f))
		return 2;
	if (f >= two63)
		return -1;
	if (f < -two63)
		return 1;
	whole = trunc(f);
	c = cmp_int(i, (int64_t)whole);
	return c ? c : (f < whole) - (f > whole);
}

/* u is above INT64_MAX, where a double has no fraction. */
static int cmp_uint_double(uint64_t u, double f)
{
	if (isnan(f))
		return 2;
	if (f >= 2 * two63)
		return -1;
	if (f < two63)
		return 1;
	return cmp_uint(u, (uint64_t)f);
}

static int cmp_double(double a, double b)
{
	return isnan(a) || isnan(b) ? 2 : (a > b) - (a < b);
}

static int opposite(int c)
{
	return c == 2 ? 2 : -c;
}

int expr_number_cmp(struct expr_number a, struct expr_number b)
{
	if (a.kind == EXPR_NUMBER_NONE || b.kind == EXPR_NUMBER_NONE)
		return 2;
	if (a.kind == EXPR_NUMBER_DOUBLE)
		return b.kind == EXPR_NUMBER_DOUBLE ? cmp_double(a.f, b.f)
						    : opposite(expr_number_cmp(b, a));
	if (b.kind == EXPR_NUMBER_DOUBLE)
		return a.kind == EXPR_NUMBER_INT ? cmp_int_double(a.i, b.f)
						 : cmp_uint_double(a.u, b.f);
	if (a.kind != b.kind)
		return a.kind == EXPR_NUMBER_INT ? -1 : 1;
	return a.kind == EXPR_NUMBER_INT ? cmp_int(a.i, b.i) : cmp_uint(a.u, b.u);
}

struct expr_number expr_number_of(struct span text)
{
	const struct expr_number none = { .kind = EXPR_NUMBER_NONE };
	const uint8_t *p = text.p;
	struct json_number n;
	const char *expected;

	if (text.n == 0 || !(*p == '-' || (unsigned)(*p - '0') < 10) ||
		json_number_get(&p, span_end(text), &n, &expected) < 0 || p != span_end(text))
		return none;
	switch (n.kind) {
	case JSON_NUMBER_FLOAT:
		return (struct expr_number){ .kind = EXPR_NUMBER_DOUBLE, .f = n.f };
	case JSON_NUMBER_INT:
		return (struct expr_number){ .kind = EXPR_NUMBER_INT, .i = n.i };
	case JSON_NUMBER_UINT:
		break;
	}
	if (n.u <= INT64_MAX)
		return (struct expr_number){ .kind = EXPR_NUMBER_INT, .i = (int64_t)n.u };
	return (struct expr_number){ .kind = EXPR_NUMBER_UINT, .u = n.u };
}
