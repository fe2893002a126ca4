/* Goal: whatever a value holds, its log line is one line of printable UTF-8 with the fields it was given. */
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/utf8.h"
#include "proto/svc/logger.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Quotes opened and closed, escapes skipped; nothing outside them but plain words. */
static void check_value(const char *s)
{
	bool quoted = *s == '"';

	if (!quoted) {
		ASSERT(!strpbrk(s, " =\"\\"));
		return;
	}
	for (s++; *s != '"'; s++) {
		ASSERT(*s);
		if (*s == '\\')
			s++;
	}
	ASSERT(s[1] == 0 || strcmp(s + 1, "...") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct logger_field f = LOGGER_SPAN("key", span_of(p, n));
	char line[8 * LOGGER_VALUE_BYTES_MAX];
	size_t len = logger_format(line, sizeof line, LOGGER_INFO, "part", "message", &f, 1);
	const char *value = strstr(line, "key=");

	ASSERT(strlen(line) == len);
	ASSERT(utf8_valid(span_of(line, len)));
	for (size_t i = 0; i < len; i++)
		ASSERT((uint8_t)line[i] >= ' ' && line[i] != 0x7F);
	ASSERT(value);
	check_value(value + 4);
	/* The same into a short line: cut, and never past its end. */
	len = logger_format(line, 100, LOGGER_INFO, "part", "message", &f, 1);
	ASSERT(len < 100);
	ASSERT(utf8_valid(span_of(line, len)));
	return 0;
}
