#include <errno.h>

#include "tools/source_dir_int.h"

int source_dir_ask(
	struct source *base, const struct source_question *q, struct span *out, struct diag *d)
{
	(void)base;
	(void)q;
	(void)out;
	return diag_set(d, -ENOENT, "", -1, "not answered from a directory");
}
