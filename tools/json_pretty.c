#include "tools/json_pretty.h"

enum { INDENT = 2 };

static void new_line(unsigned depth, struct buf *out)
{
	buf_put_u8(out, '\n');
	for (unsigned i = 0; i < depth * INDENT; i++)
		buf_put_u8(out, ' ');
}

/* Bytes of the string that begins at p, with its quotes. */
static size_t string_bytes(const uint8_t *p, size_t n)
{
	size_t i = 1;

	while (i < n && p[i] != '"')
		i += p[i] == '\\' ? 2 : 1;
	return i + 1 < n ? i + 1 : n;
}

void json_pretty_put(struct span json, struct buf *out)
{
	unsigned depth = 0;

	for (size_t i = 0; i < json.n; i++) {
		uint8_t c = json.p[i];
		bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';

		if (c == '"') {
			size_t n = string_bytes(json.p + i, json.n - i);

			buf_put(out, json.p + i, n);
			i += n - 1;
		} else if (opens && i + 1 < json.n &&
			   (json.p[i + 1] == '}' || json.p[i + 1] == ']')) {
			buf_put(out, json.p + i, 2);
			i++;
		} else if (opens || c == ',') {
			depth += opens;
			buf_put_u8(out, c);
			new_line(depth, out);
		} else if (closes) {
			depth -= depth > 0;
			new_line(depth, out);
			buf_put_u8(out, c);
		} else {
			buf_put_u8(out, c);
			if (c == ':')
				buf_put_u8(out, ' ');
		}
	}
}
