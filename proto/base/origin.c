#include "proto/base/origin.h"

#include <string.h>
#include <strings.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

#define SEPARATORS " \t,"

static bool is_letter(uint8_t b)
{
	return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z');
}

static bool is_of(uint8_t b, const char *others)
{
	return is_letter(b) || (b >= '0' && b <= '9') || (b && strchr(others, b));
}

/* The next word of *list, which moves behind it; empty: there is none. */
static struct span next_word(const char **list)
{
	struct span word;

	*list += strspn(*list, SEPARATORS);
	word = span_of(*list, strcspn(*list, SEPARATORS));
	*list += word.n;
	return word;
}

static bool is_origin(struct span word)
{
	size_t at = 0;

	while (at < word.n && is_of(word.p[at], "+-."))
		at++;
	if (at == 0 || !is_letter(word.p[0]))
		return false;
	if (word.n - at < 4 || memcmp(word.p + at, "://", 3) != 0)
		return false;
	for (at += 3; at < word.n; at++) {
		if (!is_of(word.p[at], ".-_:[]"))
			return false;
	}
	return true;
}

int origin_check(const char *list, struct diag *d)
{
	struct span word;

	while ((word = next_word(&list)).n > 0) {
		if (!is_origin(word))
			return diag_set(d, ERR_SYNTAX, "", -1,
				"'%.*s' is no origin: write it as the browser does, like "
				"https://console.example.org or http://localhost:3000, without a "
				"path",
				word.n < 64 ? (int)word.n : 64, (const char *)word.p);
	}
	return 0;
}

struct span origin_find(const char *list, struct span origin)
{
	struct span word;

	while (origin.n > 0 && (word = next_word(&list)).n > 0) {
		ASSERT(is_origin(word));
		if (word.n == origin.n &&
			strncasecmp((const char *)word.p, (const char *)origin.p, word.n) == 0)
			return word;
	}
	return SPAN_NONE;
}
