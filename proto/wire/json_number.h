/*
 * json_number - numbers of JSON, text to value and value to text.
 *
 * Thread: any. Memory: a fixed stack frame, whatever the length of the text.
 * Errors: ERR_SYNTAX, ERR_TRUNCATED, ERR_RANGE.
 */
#ifndef PROTO_WIRE_JSON_NUMBER_H
#define PROTO_WIRE_JSON_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum {
	/* "-2.2250738585072014e-308" and ".0", the longest that put writes. */
	JSON_NUMBER_BYTES_MAX = 32,
};

enum json_number_kind {
	JSON_NUMBER_UINT,  /* 0 .. 2^64-1 */
	JSON_NUMBER_INT,   /* -2^63 .. -1 */
	JSON_NUMBER_FLOAT, /* all else: fractions, exponents, -0, larger integers */
};

struct json_number {
	enum json_number_kind kind;
	union {
		uint64_t u;
		int64_t i;
		double f;
	};
};

/*
 * The number that begins at *p (a digit or '-') and goes as far as it can; *p moves past it. On
 * failure *p is the byte that does not fit, and *out_expected what would: ERR_RANGE: larger than
 * any double.
 */
int json_number_get(
	const uint8_t **p, const uint8_t *end, struct json_number *out, const char **out_expected);

/* At most JSON_NUMBER_BYTES_MAX bytes, without a NUL; they return their number. */
size_t json_number_put_uint(char *dst, uint64_t v);
size_t json_number_put_int(char *dst, int64_t v);
/*
 * The fewest digits that read back as v, and always a point or an exponent; "null" for what JSON
 * cannot say (NaN, infinities).
 */
size_t json_number_put_float(char *dst, double v);
/* The same of the double that v / 10^scale is, |v| <= 2^53 and scale up to 9, as text of v. */
size_t json_number_put_decimal(char *dst, int64_t v, unsigned scale);

#endif
