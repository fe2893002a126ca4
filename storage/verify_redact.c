/* Deleted events: their ids are no gaps, and what an order says is gone must be. */
#include <inttypes.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/redact.h"
#include "storage/verify_int.h"

enum { STILL_THERE_TOLD = 8 };

struct redact_check {
	struct verify *v;
	unsigned told;
};

/* Before any order's ids are added: an id may be in several. */
static int check_gone(void *arg, const struct redact_info *info, const struct idset *ids)
{
	struct redact_check *c = arg;
	uint64_t from = 0, id;

	while (info->done && idset_next(ids, from, &id) && id <= c->v->report.id_last) {
		if (idset_has(&c->v->ids, id) && c->told++ < STILL_THERE_TOLD)
			verify_say(c->v, VERIFY_DAMAGE, ERR_CORRUPT, REDACT_DIR, -1,
				"event %" PRIu64 " is still here, though order %" PRIu64
				" to delete it was carried out",
				id, info->number);
		from = id + 1;
	}
	return 0;
}

static int add_ids(void *arg, const struct redact_info *info, const struct idset *ids)
{
	struct redact_check *c = arg;
	uint64_t from = 0, id;
	int rc = 0;

	(void)info;
	while (rc >= 0 && idset_next(ids, from, &id) && id <= c->v->report.id_last) {
		rc = idset_add(&c->v->ids, id);
		c->v->report.ids_deleted += rc == 0;
		from = id + 1;
	}
	/* As with the ids of rows: what does not fit into memory is not checked. */
	if (rc == ERR_LIMIT)
		c->v->ids_full = true;
	return rc < 0 && rc != ERR_LIMIT ? rc : 0;
}

static void see_damage(void *arg, const struct diag *why)
{
	struct redact_check *c = arg;

	verify_found(c->v, VERIFY_DAMAGE, -1, NULL, why);
}

/* Told by the first walk. */
static void ignore_damage(void *arg, const struct diag *why)
{
	(void)arg;
	(void)why;
}

int verify_redact(struct verify *v, struct diag *d)
{
	struct redact_check c = { .v = v };
	int rc;

	if (v->ids_full)
		return 0;
	rc = redact_each(v->vfs, v->dir, v->uuid, check_gone, see_damage, &c, d);
	if (rc == 0)
		rc = redact_each(v->vfs, v->dir, v->uuid, add_ids, ignore_damage, &c, d);
	return rc;
}
