#include "proto/base/textset.h"

#include <errno.h>
#include <stdlib.h>

static int value_cmp(const void *pa, const void *pb)
{
	const struct span *a = pa, *b = pb;

	if (!a->p || !b->p)
		return (a->p != NULL) - (b->p != NULL);
	return span_cmp(*a, *b);
}

int textset_init(struct textset *s, const struct span *values, size_t count)
{
	*s = (struct textset){ 0 };
	if (count == 0)
		return 0;
	s->values = calloc(count, sizeof *s->values);
	if (!s->values)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		s->values[i] = values[i];
	s->count = count;
	qsort(s->values, count, sizeof *s->values, value_cmp);
	return 0;
}

void textset_fini(struct textset *s)
{
	free(s->values);
	*s = (struct textset){ 0 };
}

bool textset_has(const struct textset *s, struct span value)
{
	if (s->count == 1)
		return (s->values[0].p != NULL) == (value.p != NULL) &&
		       span_eq(s->values[0], value);
	return bsearch(&value, s->values, s->count, sizeof value, value_cmp) != NULL;
}
