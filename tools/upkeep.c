#include "tools/upkeep.h"

#include <errno.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"

int64_t upkeep_deadline(const struct upkeep *u)
{
	return u->budget_ns > 0 ? clock_mono_ns() + u->budget_ns : 0;
}

/* A directory for the owner; one that is there is taken as it is. */
static int make_for(const char *to, const struct stat *owner)
{
	if (mkdir(to, 0750) < 0)
		return errno == EEXIST ? 0 : -errno;
	return chown(to, owner->st_uid, owner->st_gid) < 0 ? -errno : 0;
}

static int become(const char *dir, const char *to, struct diag *d)
{
	struct stat st;
	int rc;

	if (geteuid() != 0 || stat(dir, &st) < 0 || st.st_uid == 0)
		return 0; /* a directory that is not there is complained of later */
	rc = to ? make_for(to, &st) : 0;
	if (rc < 0)
		return diag_set(d, rc, to, -1, "make a directory for the store's owner");
	if (setgroups(0, NULL) < 0 || setgid(st.st_gid) < 0 || setuid(st.st_uid) < 0)
		return diag_set(d, -errno, dir, -1, "take the rights of the store's owner");
	return 0;
}

int upkeep_become_owner(const struct upkeep *u, const char *to)
{
	struct diag d;
	int rc = become(conf_text(&u->conf, CONF_STORE_DATA), to, &d);

	if (rc < 0)
		upkeep_say_complain(&u->say, &d);
	return rc;
}

int upkeep_failed(const struct upkeep *u, int rc, const struct diag *d)
{
	upkeep_say_complain(&u->say, d);
	return rc == ERR_LOCKED ? UPKEEP_BUSY : UPKEEP_CANNOT;
}
