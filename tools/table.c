#include "tools/table.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/printable.h"
#include "proto/base/utf8.h"

enum { GAP = 2 };

void table_init(struct table *t, const struct term *term)
{
	*t = (struct table){ .term = term };
	buf_init(&t->text, SIZE_MAX);
	buf_init(&t->ends, SIZE_MAX);
	buf_init(&t->tints, SIZE_MAX);
}

void table_fini(struct table *t)
{
	buf_fini(&t->text);
	buf_fini(&t->ends);
	buf_fini(&t->tints);
}

void table_column(struct table *t, const char *title, enum table_align align, bool rigid)
{
	struct table_column *c = &t->columns[t->columns_count];
	struct buf safe;

	ASSERT(t->columns_count < TABLE_COLUMNS_MAX);
	ASSERT(!t->headed);
	t->columns_count++;
	buf_init(&safe, 1 << 12);
	printable_put(span_str(title), PRINTABLE_LINE, &safe);
	snprintf(c->title, sizeof c->title, "%.*s",
		(int)utf8_cut(buf_span(&safe), sizeof c->title - 1),
		safe.p ? (const char *)safe.p : "");
	buf_fini(&safe);
	c->align = align;
	c->rigid = rigid;
}

void table_cell(struct table *t, struct span text, const char *style)
{
	printable_put(text, PRINTABLE_LINE, &t->text);
	buf_put(&t->ends, &t->text.len, sizeof t->text.len);
	buf_put(&t->tints, &style, sizeof style);
	t->cells_count++;
}

size_t table_rows(const struct table *t)
{
	return t->cells_count / t->columns_count;
}

static struct span cell(const struct table *t, size_t i)
{
	const size_t *ends = (const size_t *)(const void *)t->ends.p;
	size_t from = i ? ends[i - 1] : 0;

	ASSERT(from <= ends[i]);
	return span_of(t->text.p + from, ends[i] - from);
}

static const char *tint(const struct table *t, size_t i)
{
	return ((const char *const *)(const void *)t->tints.p)[i];
}

static unsigned line_width(const struct table *t)
{
	unsigned sum = 0;

	for (size_t i = 0; i < t->columns_count; i++)
		sum += t->columns[i].width + (i ? GAP : 0);
	return sum;
}

/* The widest column that may be cut, or NULL. */
static struct table_column *widest(struct table *t)
{
	struct table_column *best = NULL;

	for (size_t i = 0; i < t->columns_count; i++) {
		struct table_column *c = &t->columns[i];

		if (!c->rigid && c->width > TABLE_WIDTH_MIN && (!best || c->width > best->width))
			best = c;
	}
	return best;
}

static void fix_widths(struct table *t)
{
	unsigned line;

	for (size_t i = 0; i < t->columns_count; i++)
		t->columns[i].width = term_width(span_str(t->columns[i].title));
	for (size_t i = 0; i < t->cells_count; i++) {
		struct table_column *c = &t->columns[i % t->columns_count];
		unsigned width = term_width(cell(t, i));

		c->width = width > c->width ? width : c->width;
	}
	line = line_width(t);
	while (t->term->tty && line > t->term->columns) {
		struct table_column *c = widest(t);

		if (!c)
			break;
		c->width--;
		line--;
	}
}

/* The last column is not filled up; where nothing has to fit, no cell is cut. */
static void put_cell(
	struct table *t, size_t column, struct span text, const char *style, struct buf *out)
{
	const struct table_column *c = &t->columns[column];
	unsigned width = term_width(text), columns = c->width;
	bool last = column + 1 == t->columns_count;

	if (!t->term->tty && width > columns)
		columns = width;
	if (last && c->align == TABLE_LEFT && width < columns)
		columns = width;
	if (column)
		buf_put_str(out, "  ");
	if (style)
		term_put_style(t->term, style, out);
	term_put_cell(t->term, text, columns, c->align == TABLE_RIGHT, out);
	if (style)
		term_put_style(t->term, TERM_OFF, out);
	if (last)
		buf_put_u8(out, '\n');
}

void table_put(struct table *t, struct buf *out)
{
	size_t at;

	ASSERT(t->cells_count % t->columns_count == 0);
	if (!t->headed) {
		fix_widths(t);
		for (size_t i = 0; i < t->columns_count; i++)
			put_cell(t, i, span_str(t->columns[i].title), TERM_BOLD, out);
		t->headed = true;
	}
	for (at = 0; at < t->cells_count; at++)
		put_cell(t, at % t->columns_count, cell(t, at), tint(t, at), out);
	if (t->text.err)
		out->err = t->text.err;
	buf_reset(&t->text);
	buf_reset(&t->ends);
	buf_reset(&t->tints);
	t->cells_count = 0;
}
