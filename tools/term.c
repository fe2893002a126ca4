#include "tools/term.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "proto/base/utf8.h"
#include "proto/wire/event.h"

/* no-color.org: any value but an empty one. */
static bool wants_colour(const char *when, bool terminal)
{
	const char *no_color = getenv("NO_COLOR"), *name = getenv("TERM");

	if (strcmp(when, "auto") != 0)
		return strcmp(when, "always") == 0;
	return terminal && !(no_color && *no_color) && name && strcmp(name, "dumb") != 0;
}

/* The first of the three that is set decides, as in setlocale(3). */
static bool wants_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < 3; i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

static unsigned columns_of(int fd)
{
	const char *said = getenv("COLUMNS");
	unsigned long n = said ? strtoul(said, NULL, 10) : 0;
	struct winsize size;

	if (n == 0 && ioctl(fd, TIOCGWINSZ, &size) == 0)
		n = size.ws_col;
	if (n == 0)
		return TERM_COLUMNS_DEFAULT;
	return n < TERM_COLUMNS_MIN   ? TERM_COLUMNS_MIN
	       : n > TERM_COLUMNS_MAX ? TERM_COLUMNS_MAX
				      : (unsigned)n;
}

void term_ask(struct term *t, int fd, const char *colour)
{
	t->tty = isatty(fd) == 1;
	t->utf8 = wants_utf8();
	t->colour = wants_colour(colour, t->tty);
	t->columns = columns_of(fd);
}

/* Of a code point that is not ASCII. */
static unsigned wide(uint32_t cp)
{
	static bool ready;
	int n;

	if (!ready)
		setlocale(LC_CTYPE, "C.UTF-8");
	ready = true;
	n = wcwidth((wchar_t)cp);
	return n < 0 ? 1 : (unsigned)n;
}

static size_t measure(struct span text, unsigned columns_max, unsigned *out_columns)
{
	unsigned columns = 0;
	size_t i = 0;

	while (i < text.n) {
		uint32_t cp = text.p[i];
		unsigned width = 1;
		size_t n = 1;

		if (cp >= 0x80) {
			n = utf8_next(text.p + i, text.n - i, &cp);
			width = wide(cp);
		}
		if (width > columns_max - columns)
			break;
		columns += width;
		i += n;
	}
	*out_columns = columns;
	return i;
}

unsigned term_width(struct span text)
{
	unsigned columns;

	measure(text, UINT32_MAX, &columns);
	return columns;
}

size_t term_fit(struct span text, unsigned columns)
{
	unsigned used;

	return measure(text, columns, &used);
}

static void put_blanks(unsigned n, struct buf *out)
{
	for (; n; n--)
		buf_put_u8(out, ' ');
}

void term_put_cell(
	const struct term *t, struct span text, unsigned columns, bool right, struct buf *out)
{
	unsigned width;
	size_t n = measure(text, columns, &width);

	if (n < text.n && columns) {
		n = measure(text, columns - 1, &width);
		buf_put(out, text.p, n);
		buf_put_str(out, t->utf8 ? "\xe2\x80\xa6" : "~");
		put_blanks(columns - 1 - width, out);
		return;
	}
	if (right)
		put_blanks(columns - width, out);
	buf_put(out, text.p, n);
	if (!right)
		put_blanks(columns - width, out);
}

void term_put_style(const struct term *t, const char *style, struct buf *out)
{
	if (t->colour)
		buf_put_str(out, style);
}

const char *term_severity_style(unsigned severity)
{
	if (severity <= EVENT_SEVERITY_ERROR)
		return TERM_RED;
	if (severity == EVENT_SEVERITY_WARNING)
		return TERM_YELLOW;
	if (severity == EVENT_SEVERITY_NOTICE)
		return TERM_BOLD;
	return severity == EVENT_SEVERITY_DEBUG ? TERM_DIM : "";
}
