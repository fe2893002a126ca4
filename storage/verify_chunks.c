/* Chunk files: header and pages hold. Damage costs no event; a frame sent again is stored again. */
#include <errno.h>

#include "proto/base/err.h"
#include "storage/chunk_file.h"
#include "storage/verify_int.h"

static int count_id(void *arg, struct store_chunk c)
{
	struct verify *v = arg;

	(void)c;
	v->report.chunk_ids++;
	return 0;
}

static int see_file(void *arg, const char *name)
{
	struct verify *v = arg;
	uint64_t number = chunk_file_number(name), ids = 0, lost = 0;
	struct chunk_file_head head;
	struct diag why = { 0 };
	int rc;

	if (number == 0)
		return 0;
	rc = chunk_file_read_head(v->vfs, v->dir, v->uuid, number, &head, &why);
	/* A newer one has taken it over since it was listed. */
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		verify_found(v, VERIFY_DAMAGE, -1, NULL, &why);
	why = (struct diag){ 0 };
	if (chunk_file_read(v->vfs, v->dir, number, count_id, v, &ids, &lost, &why, &why) < 0)
		return 0;
	if (lost > 0)
		verify_found(v, VERIFY_DAMAGE, -1, NULL, &why);
	else if (rc == 0 && ids != head.ids_count)
		verify_say(v, VERIFY_DAMAGE, ERR_TRUNCATED, name, -1,
			"the file has fewer chunk ids than its header tells");
	return 0;
}

void verify_chunks(struct verify *v)
{
	v->vfs->list(v->vfs->ctx, v->dir, ".", see_file, v);
}
