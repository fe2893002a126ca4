/* tmpdir - a directory of its own for each test, removed with all that is in it. For cmocka. */
#ifndef TESTS_SUPPORT_TMPDIR_H
#define TESTS_SUPPORT_TMPDIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline int tmpdir_remove_one(
	const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline int tmpdir_setup(void **state)
{
	const char *base = getenv("TMPDIR");
	char path[256];

	snprintf(path, sizeof path, "%s/astro-test-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(path))
		return -1;
	*state = strdup(path);
	return *state ? 0 : -1;
}

static inline int tmpdir_teardown(void **state)
{
	nftw(*state, tmpdir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return 0;
}

#endif
