/*
 * Numbers of texts as labels: the ranges of all forms side by side, then texts of no form, then the absent.
 */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_int.h"

#define LABELS_MAX UINT32_MAX

/* What the numbers of a form need. */
struct extent {
	uint32_t least, most;
	bool has; /* any */
};

/* Labels that texts of no form need, by their places. */
static uint32_t measure(const struct col_text_numbers *n, uint32_t count, struct extent *extents)
{
	uint32_t texts = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t number = n->numbers[i];
		struct extent *x;

		if (n->form_of[i] == COL_TEXT_FORM_ABSENT)
			continue;
		if (n->form_of[i] == COL_TEXT_FORM_NONE) {
			texts = number >= texts ? number + 1 : texts;
			continue;
		}
		x = &extents[n->form_of[i]];
		if (!x->has)
			*x = (struct extent){ number, number, true };
		x->least = number < x->least ? number : x->least;
		x->most = number > x->most ? number : x->most;
	}
	return texts;
}

/* One form's labels after another, from 0; false: they are too many. */
static bool lay_out(const struct col_text_numbers *n, const struct extent *extents,
	struct col_text_range *ranges, struct col_text_labels *out)
{
	uint32_t first = 0;

	out->ranges_count = 0;
	for (uint32_t f = 0; f < n->forms_count; f++) {
		const struct extent *x = &extents[f];

		if (!x->has)
			continue;
		if (x->most - x->least >= LABELS_MAX - first)
			return false;
		ranges[out->ranges_count++] = (struct col_text_range){ .form = n->forms[f],
			.least = x->least,
			.first = first,
			.end = first + (x->most - x->least) + 1 };
		first += x->most - x->least + 1;
	}
	out->texts_first = first;
	return true;
}

/* What is added to a number to get its label, modulo 2^32, by form. */
static void find_shifts(const struct extent *extents, const struct col_text_numbers *n,
	const struct col_text_labels *labels, uint32_t *shifts)
{
	const struct col_text_range *r = labels->ranges;

	for (uint32_t f = 0; f < n->forms_count; f++) {
		if (extents[f].has) {
			shifts[f] = r->first - r->least;
			r++;
		}
	}
	shifts[COL_TEXT_FORM_NONE] = labels->texts_first;
}

int col_text_label_texts(const struct col_text_numbers *n, uint32_t count, struct arena *mem,
	struct col_text_labels *out, uint32_t *label_of)
{
	struct extent extents[COL_TEXT_FORMS_MAX] = { { .has = false } };
	uint32_t shifts[COL_TEXT_FORM_ABSENT] = { 0 }, texts = measure(n, count, extents);
	struct col_text_range *ranges = arena_alloc(mem, (n->forms_count + 1) * sizeof *ranges);

	if (!ranges)
		return -ENOMEM;
	*out = (struct col_text_labels){ .ranges = ranges, .texts = n->texts };
	if (!lay_out(n, extents, ranges, out) || texts >= LABELS_MAX - out->texts_first)
		return COL_TEXT_LABELS_NOT;
	out->absent = out->texts_first + texts;
	find_shifts(extents, n, out, shifts);
	for (uint32_t i = 0; i < count; i++) {
		bool absent = n->form_of[i] == COL_TEXT_FORM_ABSENT;

		label_of[i] = absent ? out->absent : n->numbers[i] + shifts[n->form_of[i]];
	}
	return 0;
}

/* Those of no form, one after another; places that no text has stay empty. */
static struct span *keep_texts(const struct col_text_labels *l, struct arena *mem)
{
	uint32_t count = l->absent - l->texts_first;
	struct span *texts = arena_alloc(mem, (count + 1) * sizeof *texts);
	size_t bytes = 0;
	uint8_t *to;

	for (uint32_t i = 0; i < count; i++)
		bytes += l->texts[i].n;
	to = arena_alloc(mem, bytes + 1);
	if (!texts || !to)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		texts[i] = span_of(to, l->texts[i].n);
		if (l->texts[i].n > 0)
			memcpy(to, l->texts[i].p, l->texts[i].n);
		to += l->texts[i].n;
	}
	return texts;
}

struct col_text_labels *col_text_label_keep(const struct col_text_labels *l, struct arena *mem)
{
	struct col_text_labels *out = arena_dup(mem, l, sizeof *l);

	if (!out)
		return NULL;
	out->ranges = arena_dup(mem, l->ranges, l->ranges_count * sizeof *l->ranges);
	out->texts = keep_texts(l, mem);
	return out->ranges && out->texts ? out : NULL;
}
