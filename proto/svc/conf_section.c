#include "proto/svc/conf_section.h"

#include <ctype.h>
#include <string.h>

#include "proto/base/err.h"

bool conf_section_is(const char *section, const char *kind)
{
	size_t n = strlen(kind);

	return strncmp(section, kind, n) == 0 &&
	       (section[n] == 0 || isspace((unsigned char)section[n]));
}

int conf_section_name(const char *section, const char *kind, char *dst, size_t cap, struct diag *d)
{
	const char *name = section + strlen(kind);
	size_t n;

	while (isspace((unsigned char)*name))
		name++;
	n = strlen(name);
	if (n == 0 || n >= cap || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != n)
		return diag_set(d, ERR_SYNTAX, "", -1,
			"the name of a %s is 1 to %zu of the letters a-z, digits, _ and -", kind,
			cap - 1);
	memcpy(dst, name, n + 1);
	return 0;
}
