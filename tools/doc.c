#include "tools/doc.h"

static bool read_one(struct span value, struct walk_value *v)
{
	struct rcur c = rcur_of(value.p, value.n);

	return value.p && walk_read(&c, v) == 0;
}

struct doc_list doc_list(struct span array)
{
	struct doc_list l = { .c = rcur_of(array.p, array.n) };
	struct walk_value v;

	if (!array.p || walk_read(&l.c, &v) < 0)
		return l;
	if (v.type == WALK_ARRAY)
		l.left = v.count;
	else if (v.type == WALK_MAP && v.count <= UINT32_MAX / 2)
		l.left = v.count * 2;
	return l;
}

bool doc_next(struct doc_list *l, struct span *out)
{
	if (l->left == 0 || walk_take(&l->c, out) < 0) {
		l->left = 0;
		return false;
	}
	l->left--;
	return true;
}

uint32_t doc_count(struct span array)
{
	return doc_list(array).left;
}

struct span doc_member(struct span map, const char *name)
{
	struct doc_list l = { .left = 0 };
	struct walk_value v;
	struct span key, value;

	if (read_one(map, &v) && v.type == WALK_MAP)
		l = doc_list(map);
	while (doc_next(&l, &key) && doc_next(&l, &value)) {
		if (span_eq(doc_text(key), span_str(name)))
			return value;
	}
	return SPAN_NONE;
}

struct span doc_text(struct span value)
{
	struct walk_value v;

	return read_one(value, &v) && v.type == WALK_STR ? v.data : SPAN_NONE;
}

static bool digits(struct span text, uint64_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned digit = text.p[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(n, UINT64_C(10), &n) ||
			__builtin_add_overflow(n, (uint64_t)digit, &n))
			return false;
	}
	*out = n;
	return text.n > 0;
}

bool doc_uint(struct span value, uint64_t *out)
{
	struct walk_value v;

	if (!read_one(value, &v))
		return false;
	if (v.type == WALK_STR)
		return digits(v.data, out);
	if (v.type != WALK_UINT)
		return false;
	*out = v.u;
	return true;
}

bool doc_number(struct span value, double *out)
{
	struct walk_value v;

	if (!read_one(value, &v))
		return false;
	if (v.type == WALK_UINT)
		*out = (double)v.u;
	else if (v.type == WALK_INT)
		*out = (double)v.i;
	else if (v.type == WALK_FLOAT)
		*out = v.f;
	else
		return false;
	return true;
}

bool doc_true(struct span value)
{
	struct walk_value v;

	return read_one(value, &v) && v.type == WALK_BOOL && v.b;
}

bool doc_is_null(struct span value)
{
	struct walk_value v;

	return read_one(value, &v) && v.type == WALK_NIL;
}
