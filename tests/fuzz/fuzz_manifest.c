/*
 * Goal: no manifest, however damaged, makes a reader read outside it or live with a state that cannot be.
 * Method: the input is cut in two, for the two copies, behind a right header. With an odd length the
 *       records' sums are put right first, or nothing would get past them.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/manifest.h"
#include "storage/manifest_record.h"
#include "storage/manifest_walk.h"
#include "tests/support/simfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { INPUT_MAX = 1 << 15, NUMBER = 3 };

static const uint8_t uuid[16] = "0123456789abcdef";
static uint8_t file[LAYOUT_MANIFEST_HEAD_BYTES + INPUT_MAX];

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof v);
}

/* From record to record by the lengths they claim, each chained to the one before. */
static void put_right(size_t n)
{
	size_t off = LAYOUT_MANIFEST_HEAD_BYTES;
	uint64_t sum = 0;

	while (off + LAYOUT_CHANGE_HEAD_BYTES <= n) {
		struct rcur c = rcur_of(file + off, LAYOUT_CHANGE_HEAD_BYTES);
		uint32_t magic = rcur_le32(&c), bytes = rcur_le32(&c);

		if (magic != LAYOUT_CHANGE_MAGIC || bytes < LAYOUT_CHANGE_HEAD_BYTES ||
			bytes > n - off)
			break;
		put64(file + off + LAYOUT_CHANGE_PAYLOAD_SUM - 8, sum);
		put64(file + off + LAYOUT_CHANGE_PAYLOAD_SUM,
			XXH3_64bits_withSeed(file + off + LAYOUT_CHANGE_HEAD_BYTES,
				bytes - LAYOUT_CHANGE_HEAD_BYTES, NUMBER + off));
		sum = XXH3_64bits_withSeed(file + off, LAYOUT_CHANGE_HEAD_SUM, NUMBER + off);
		put64(file + off + LAYOUT_CHANGE_HEAD_SUM, sum);
		off += bytes;
	}
}

static void write_file(
	const struct vfs *v, int dir, const char *name, const uint8_t *p, size_t n, bool right)
{
	int fd = v->open(v->ctx, dir, name, O_RDWR | O_CREAT, 0640);

	manifest_record_put_head(uuid, NUMBER, file);
	if (n > 0)
		memcpy(file + LAYOUT_MANIFEST_HEAD_BYTES, p, n);
	if (right)
		put_right(LAYOUT_MANIFEST_HEAD_BYTES + n);
	ASSERT(v->pwrite_all(v->ctx, fd, file, LAYOUT_MANIFEST_HEAD_BYTES + n, 0) == 0);
	v->close(v->ctx, fd);
}

static void check_state(const struct manifest *m)
{
	size_t count;
	const struct manifest_segment *segs = manifest_segments(m, &count);

	for (size_t i = 0; i < count; i++) {
		char path[MANIFEST_PATH_BYTES];

		ASSERT(i == 0 || segs[i].no > segs[i - 1].no);
		ASSERT(segs[i].id_first <= segs[i].id_last);
		ASSERT(segs[i].rows_count > 0);
		ASSERT(strchr(segs[i].class_name, '/') == NULL);
		manifest_segment_path(&segs[i], path);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct manifest_walk_head head;
	struct manifest *m = NULL;
	struct simfs *fs;
	const struct vfs *v;
	size_t first;
	int dir;

	if (n < 1 || n > INPUT_MAX)
		return 0;
	/* The first byte says where the second copy begins, in eighths. */
	first = (n - 1) * (1 + p[0] % 8) / 8;
	fs = simfs_new(1);
	v = simfs_vfs(fs);
	ASSERT(v->mkdir(v->ctx, AT_FDCWD, SIMFS_DIR, 0750) == 0);
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	write_file(v, dir, "manifest-3", p + 1, first, n % 2);
	write_file(v, dir, "manifest-3.b", p + 1 + first, n - 1 - first, n % 2);
	manifest_walk(v, dir, "manifest-3", &head, NULL, NULL, NULL);
	if (manifest_open(v, dir, uuid, NULL, &m, NULL) == 0) {
		check_state(m);
		manifest_refresh(m, NULL);
		check_state(m);
	}
	manifest_close(&m);
	v->close(v->ctx, dir);
	simfs_free(&fs);
	return 0;
}
