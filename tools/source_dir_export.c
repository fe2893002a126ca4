#include <errno.h>

#include "tools/source_dir_int.h"

int source_dir_export(struct source *base, const struct source_question *q, source_put_cb put,
	void *arg, struct diag *d)
{
	(void)base;
	(void)q;
	(void)put;
	(void)arg;
	return diag_set(d, -ENOENT, "", -1, "not answered from a directory");
}
