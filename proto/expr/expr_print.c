#include "proto/expr/expr_parse.h"

#include <inttypes.h>

#include "proto/base/check.h"
#include "proto/base/timefmt.h"
#include "proto/base/utf8.h"
#include "proto/expr/expr_int.h"
#include "proto/expr/expr_parse_int.h"
#include "proto/expr/expr_quote_int.h"

/* ---------------------------------------------------------------- values and fields */

static bool is_plain(struct span text, bool (*takes)(uint8_t c))
{
	for (size_t i = 0; i < text.n; i++) {
		if (!takes(text.p[i]))
			return false;
	}
	return text.n > 0 && utf8_valid(text);
}

static void put_text(struct span text, struct buf *out)
{
	if (is_plain(text, expr_quote_is_word) && !expr_parse_is_keyword(text))
		buf_put_span(out, text);
	else
		expr_quote_put(text, false, out);
}

void expr_print_value(struct span value, struct buf *out)
{
	/* Bare it would be more than the text. */
	if (!expr_value_plain(expr_value_bare(value), EXPR_FIELD_META).quoted)
		expr_quote_put(value, false, out);
	else
		put_text(value, out);
}

/* `numbers`: bare numbers and words are not as quoted ones here. */
static void put_value(const struct expr_value *v, bool numbers, struct buf *out)
{
	if (v->quoted && numbers)
		expr_print_value(v->text, out);
	else
		put_text(v->text, out);
}

void expr_print_field(const struct expr_field *f, struct buf *out)
{
	if (f->kind != EXPR_FIELD_META) {
		buf_put_str(out, expr_field_name(f));
		return;
	}
	buf_put_str(out, "metadata");
	for (uint32_t i = 0; i < f->keys_count; i++) {
		buf_put_u8(out, '.');
		if (is_plain(f->keys[i], expr_quote_is_key))
			buf_put_span(out, f->keys[i]);
		else
			expr_quote_put(f->keys[i], false, out);
	}
}

/* ---------------------------------------------------------------- severities and ranges */

static void put_severity(uint8_t mask, struct buf *out)
{
	unsigned first = 0, last = EVENT_SEVERITY_COUNT - 1;
	const char *comma = "";

	if (mask == 0) {
		buf_put_str(out, "not ()");
		return;
	}
	first = (unsigned)__builtin_ctz(mask);
	last = 31 - (unsigned)__builtin_clz(mask);
	if (first == last) {
		buf_printf(out, "severity=%s", event_severity_name(first));
	} else if (first == 0 && mask == (1u << (last + 1)) - 1) {
		buf_printf(out, "severity>=%s", event_severity_name(last));
	} else if (last == EVENT_SEVERITY_COUNT - 1 && mask == (uint8_t)(255u << first)) {
		buf_printf(out, "severity<=%s", event_severity_name(first));
	} else {
		buf_put_str(out, "severity in (");
		for (unsigned i = first; i <= last; i++) {
			if (!(mask >> i & 1))
				continue;
			buf_printf(out, "%s%s", comma, event_severity_name(i));
			comma = ", ";
		}
		buf_put_u8(out, ')');
	}
}

static void put_key(const struct expr_field *f, uint64_t key, unsigned digits, struct buf *out)
{
	char text[TIMEFMT_BYTES_MAX];
	int64_t ns = expr_key_time(key);

	if (f->kind == EXPR_FIELD_ID)
		buf_printf(out, "%" PRIu64, key);
	else if (digits)
		buf_put(out, text, timefmt_put_digits(text, ns, digits));
	else
		buf_put(out, text, timefmt_put(text, ns));
}

/* One range; the end of times stands behind it, as a time in a text names more than an instant. */
static void put_range(const struct expr_field *f, const struct expr_range *r, struct buf *out)
{
	const char *name = expr_field_name(f);
	bool id = f->kind == EXPR_FIELD_ID;

	if (r->lo == r->hi) {
		buf_printf(out, "%s=", name);
		put_key(f, r->lo, 9, out);
		return;
	}
	if (r->lo > 0) {
		buf_printf(out, "%s>=", name);
		put_key(f, r->lo, 0, out);
	}
	if (r->hi == UINT64_MAX)
		return;
	buf_printf(out, "%s%s%s", r->lo > 0 ? " and " : "", name, id ? "<=" : "<");
	put_key(f, id ? r->hi : r->hi + 1, 0, out);
}

static bool are_single(const struct expr *x)
{
	for (uint32_t i = 0; i < x->ranges_count; i++) {
		if (x->ranges[i].lo != x->ranges[i].hi)
			return false;
	}
	return true;
}

static bool is_all(const struct expr_range *r)
{
	return r->lo == 0 && r->hi == UINT64_MAX;
}

static void put_ranges(const struct expr *x, struct buf *out)
{
	if (x->ranges_count == 0) {
		buf_put_str(out, "not ()");
	} else if (is_all(&x->ranges[0])) {
		buf_put_str(out, "()");
	} else if (x->ranges_count > 1 && are_single(x)) {
		buf_printf(out, "%s in (", expr_field_name(&x->field));
		for (uint32_t i = 0; i < x->ranges_count; i++) {
			buf_put_str(out, i ? ", " : "");
			put_key(&x->field, x->ranges[i].lo, 9, out);
		}
		buf_put_u8(out, ')');
	} else {
		for (uint32_t i = 0; i < x->ranges_count; i++) {
			buf_put_str(out, i ? " or " : "");
			put_range(&x->field, &x->ranges[i], out);
		}
	}
}

/* ---------------------------------------------------------------- tests */

static void put_in(const struct expr *x, struct buf *out)
{
	bool numbers = x->field.kind == EXPR_FIELD_META;

	expr_print_field(&x->field, out);
	if (x->values_count == 1) {
		buf_put_str(out, x->negate ? "!=" : "=");
		put_value(x->values, numbers, out);
		return;
	}
	buf_put_str(out, x->negate ? " not in (" : " in (");
	for (uint32_t i = 0; i < x->values_count; i++) {
		buf_put_str(out, i ? ", " : "");
		put_value(&x->values[i], numbers, out);
	}
	buf_put_u8(out, ')');
}

static void put_plain_test(const struct expr *x, struct buf *out)
{
	static const char *const orders[] = {
		[EXPR_LT] = "<", [EXPR_LE] = "<=", [EXPR_GT] = ">", [EXPR_GE] = ">="
	};

	if (x->negate && x->test != EXPR_TEST_REGEX)
		buf_put_str(out, "not ");
	expr_print_field(&x->field, out);
	switch (x->test) {
	case EXPR_TEST_EXISTS:
		buf_put_str(out, "=*");
		break;
	case EXPR_TEST_ORDER:
		buf_put_str(out, orders[x->order]);
		put_value(x->values, true, out);
		break;
	case EXPR_TEST_CONTAINS:
		buf_put_u8(out, ':');
		put_text(x->values->text, out);
		break;
	case EXPR_TEST_REGEX:
		buf_put_str(out, x->negate ? "!~" : "=~");
		expr_quote_put(x->values->text, true, out);
		break;
	case EXPR_TEST_IN:
	case EXPR_TEST_SEVERITY:
	case EXPR_TEST_RANGES:
		UNREACHABLE();
	}
}

/* Written as several tests. */
static bool is_compound(const struct expr *x)
{
	if (x->kind != EXPR_TEST)
		return x->kind == EXPR_AND || x->kind == EXPR_OR;
	if (x->test != EXPR_TEST_RANGES || x->ranges_count == 0 || is_all(&x->ranges[0]))
		return false;
	if (x->ranges_count > 1)
		return !are_single(x);
	return x->ranges[0].lo != x->ranges[0].hi && x->ranges[0].lo > 0 &&
	       x->ranges[0].hi < UINT64_MAX;
}

static void put(const struct expr *x, struct buf *out);

static void put_nested(const struct expr *x, struct buf *out)
{
	bool wrap = is_compound(x);

	buf_put_str(out, wrap ? "(" : "");
	put(x, out);
	buf_put_str(out, wrap ? ")" : "");
}

static void put_test(const struct expr *x, struct buf *out)
{
	if (x->test == EXPR_TEST_IN) {
		put_in(x, out);
	} else if (x->test != EXPR_TEST_SEVERITY && x->test != EXPR_TEST_RANGES) {
		put_plain_test(x, out);
	} else if (x->negate) {
		struct expr yes = *x;

		yes.negate = false;
		buf_put_str(out, "not ");
		put_nested(&yes, out);
	} else if (x->test == EXPR_TEST_SEVERITY) {
		put_severity(x->severity_mask, out);
	} else {
		put_ranges(x, out);
	}
}

static void put(const struct expr *x, struct buf *out)
{
	switch (x->kind) {
	case EXPR_TRUE:
		buf_put_str(out, "()");
		break;
	case EXPR_FALSE:
		buf_put_str(out, "not ()");
		break;
	case EXPR_NOT:
		buf_put_str(out, "not ");
		put_nested(x->args[0], out);
		break;
	case EXPR_TEST:
		put_test(x, out);
		break;
	case EXPR_AND:
	case EXPR_OR:
		for (uint32_t i = 0; i < x->args_count; i++) {
			if (i > 0)
				buf_put_str(out, x->kind == EXPR_AND ? " and " : " or ");
			put_nested(x->args[i], out);
		}
		break;
	}
}

void expr_print(const struct expr *x, struct buf *out)
{
	if (x->kind != EXPR_TRUE)
		put(x, out);
}
