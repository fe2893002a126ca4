#include "proto/base/printable.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/utf8.h"

bool printable_hidden(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0xad || cp == 0x61c ||
	       cp == 0x200b || cp == 0x200e || cp == 0x200f || (cp >= 0x2028 && cp <= 0x202e) ||
	       (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff || (cp >= 0xe0000 && cp <= 0xe007f);
}

static void put_json(uint32_t cp, struct buf *out)
{
	if (cp >= 0x10000)
		buf_printf(out, "\\u%04x\\u%04x", 0xd7c0 + (cp >> 10), 0xdc00 + (cp & 0x3ff));
	else
		buf_printf(out, "\\u%04x", cp);
}

static void put_hidden(uint32_t cp, enum printable_style style, struct buf *out)
{
	if (style != PRINTABLE_LINE && (cp == '\n' || (cp == '\t' && style == PRINTABLE_TEXT)))
		buf_put_u8(out, (uint8_t)cp);
	else if (style == PRINTABLE_JSON)
		put_json(cp, out);
	else if (cp == '\n' || cp == '\t' || cp == '\r')
		buf_put_str(out, cp == '\n' ? "\\n" : cp == '\t' ? "\\t" : "\\r");
	else if (cp < 0x100)
		buf_printf(out, "\\x%02x", cp);
	else
		buf_printf(out, "\\u%04x", cp);
}

void printable_put(struct span s, enum printable_style style, struct buf *out)
{
	size_t i = 0, run = 0;

	while (i < s.n) {
		uint32_t cp = s.p[i];
		size_t n = 1;

		if (cp >= 0x80)
			n = utf8_next(s.p + i, s.n - i, &cp);
		if (!printable_hidden(cp) && cp != UTF8_REPLACEMENT) {
			i += n;
			continue;
		}
		buf_put(out, s.p + run, i - run);
		if (cp == UTF8_REPLACEMENT)
			buf_put_str(out, UTF8_REPLACEMENT_BYTES);
		else
			put_hidden(cp, style, out);
		i += n;
		run = i;
	}
	buf_put(out, s.n ? s.p + run : NULL, s.n - run);
}
