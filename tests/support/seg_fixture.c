#include "tests/support/seg_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "storage/seg_writer.h"
#include "storage/sidx_set.h"

static void must(int rc, const struct diag *d)
{
	char msg[DIAG_FILE_BYTES + DIAG_TEXT_BYTES + 100];

	if (rc >= 0)
		return;
	fprintf(stderr, "%s\n", diag_format(d, msg, sizeof msg));
	abort();
}

void seg_fixture_init(struct seg_fixture *f)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(f->path, sizeof f->path, "%.40s/astro_seg.XXXXXX", tmp ? tmp : "/tmp");
	ASSERT(mkdtemp(f->path));
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT(f->dir >= 0);
}

void seg_fixture_fini(struct seg_fixture *f)
{
	DIR *d = fdopendir(f->dir);
	struct dirent *e;

	ASSERT(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
	rmdir(f->path);
}

static void write_sidecar(struct seg_fixture *f, const char *seg_name, enum sidx_kind kind,
	const struct seg_reader *r)
{
	char name[DIAG_FILE_BYTES];
	struct diag d;

	sidx_set_name(seg_name, kind, name);
	unlinkat(f->dir, name, 0);
	must(sidx_common_write(vfs_real(), f->dir, name, kind, r, &d), &d);
}

struct seg_info seg_fixture_write(
	struct seg_fixture *f, const char *name, const struct event *ev, size_t count)
{
	char seg_name[DIAG_FILE_BYTES];
	struct seg_writer_conf conf = { .vfs = vfs_real(),
		.dir = f->dir,
		.name = seg_name,
		.segment_id = 77,
		.created_ns = 1,
		.store_uuid = "0123456789abcde" };
	struct seg_writer *w = NULL;
	struct seg_reader *r;
	struct seg_info info;
	struct diag d;

	snprintf(seg_name, sizeof seg_name, "%s.seg", name);
	unlinkat(f->dir, seg_name, 0);
	must(seg_writer_open(&conf, &w, &d), &d);
	for (size_t i = 0; i < count; i++)
		must(seg_writer_append(w, &ev[i], &d), &d);
	must(seg_writer_finish(w, &info, &d), &d);
	seg_writer_close(&w);
	r = seg_fixture_open(f, name);
	for (int k = 0; k < SIDX_COUNT; k++)
		write_sidecar(f, seg_name, (enum sidx_kind)k, r);
	seg_reader_close(&r);
	return info;
}

struct seg_reader *seg_fixture_open(struct seg_fixture *f, const char *name)
{
	char seg_name[DIAG_FILE_BYTES];
	struct seg_reader *r = NULL;
	struct diag d;

	snprintf(seg_name, sizeof seg_name, "%s.seg", name);
	must(seg_reader_open(vfs_real(), f->dir, seg_name, &r, &d), &d);
	return r;
}

uint8_t *seg_fixture_load(struct seg_fixture *f, const char *name, size_t *out_bytes)
{
	int fd = openat(f->dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *p;

	ASSERT(fd >= 0);
	ASSERT(fstat(fd, &st) == 0);
	p = malloc((size_t)st.st_size + 1);
	ASSERT(p);
	ASSERT(pread(fd, p, (size_t)st.st_size, 0) == st.st_size);
	close(fd);
	*out_bytes = (size_t)st.st_size;
	return p;
}

/* A new file under the old name: a mapping of the old one stays as it was. */
void seg_fixture_store(struct seg_fixture *f, const char *name, const void *p, size_t n)
{
	int fd;

	unlinkat(f->dir, name, 0);
	fd = openat(f->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ASSERT(fd >= 0);
	ASSERT(write(fd, p, n) == (ssize_t)n);
	close(fd);
}

void seg_fixture_remove(struct seg_fixture *f, const char *name)
{
	unlinkat(f->dir, name, 0);
}
