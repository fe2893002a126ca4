#include "proto/base/diag.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

int diag_set(struct diag *d, int code, const char *file, int64_t off, const char *fmt, ...)
{
	va_list ap;

	ASSERT(code < 0);
	if (!d)
		return code;
	d->code = code;
	d->off = off;
	snprintf(d->file, sizeof d->file, "%s", file ? file : "");
	va_start(ap, fmt);
	vsnprintf(d->text, sizeof d->text, fmt, ap);
	va_end(ap);
	return code;
}

const char *diag_format(const struct diag *d, char *dst, unsigned cap)
{
	char place[DIAG_FILE_BYTES + 40] = "";

	ASSERT(cap > 0);
	if (d->file[0] && d->off >= 0)
		snprintf(place, sizeof place, "%s at byte %" PRId64 ": ", d->file, d->off);
	else if (d->file[0])
		snprintf(place, sizeof place, "%s: ", d->file);
	snprintf(dst, cap, "%s%s: %s (%s)", place, d->text, err_text(d->code), err_name(d->code));
	return dst;
}
