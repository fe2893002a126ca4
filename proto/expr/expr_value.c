#include "proto/expr/expr_int.h"

#include <stdlib.h>

#include "proto/base/check.h"

struct expr_value expr_value_bare(struct span text)
{
	return (struct expr_value){ .text = text, .number = expr_number_of(text) };
}

struct expr_value expr_value_quoted(struct span text)
{
	return (struct expr_value){ .text = text, .quoted = true };
}

static bool is_word(struct span text)
{
	return span_eq(text, SPAN_LIT("true")) || span_eq(text, SPAN_LIT("false")) ||
	       span_eq(text, SPAN_LIT("null"));
}

struct expr_value expr_value_plain(struct expr_value v, enum expr_field_kind kind)
{
	bool differs = kind == EXPR_FIELD_META && !v.quoted &&
		       (v.number.kind != EXPR_NUMBER_NONE || is_word(v.text));

	return differs ? v : expr_value_quoted(v.text);
}

int expr_value_cmp(const struct expr_value *a, const struct expr_value *b)
{
	int c = span_cmp(a->text, b->text);

	return c ? c : (int)a->quoted - (int)b->quoted;
}

static int compare(const void *a, const void *b)
{
	return expr_value_cmp(a, b);
}

uint32_t expr_value_tidy(struct expr_value *values, uint32_t count)
{
	uint32_t n = 0;

	qsort(values, count, sizeof *values, compare);
	for (uint32_t i = 0; i < count; i++) {
		if (n == 0 || !span_eq(values[i].text, values[n - 1].text))
			values[n++] = values[i];
	}
	return n;
}

bool expr_value_set(
	struct expr_builder *b, struct expr *test, struct expr_value *values, uint32_t count)
{
	struct span *texts = expr_alloc(b, count, sizeof *texts);

	ASSERT(count > 0);
	if (!texts)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		texts[i] = values[i].text;
		ASSERT(i == 0 || span_cmp(texts[i - 1], texts[i]) < 0);
	}
	test->values = values;
	test->values_count = count;
	test->texts = (struct textset){ texts, count };
	return true;
}
