#include "storage/journal_dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/journal_reader.h"

enum { SEQ_DIGITS = 16, SUFFIX_BYTES = 3 };

/* The number in "<16 hex digits>.aj"; false for any other name. */
static bool seq_of(const char *name, uint64_t *out)
{
	uint64_t seq = 0;

	if (strlen(name) != SEQ_DIGITS + SUFFIX_BYTES || strcmp(name + SEQ_DIGITS, ".aj") != 0)
		return false;
	for (int i = 0; i < SEQ_DIGITS; i++) {
		char c = name[i];

		if (c >= '0' && c <= '9')
			seq = seq << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			seq = seq << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = seq;
	return true;
}

struct listing {
	struct journal_dir *j;
	size_t cap;
};

static int add_name(void *arg, const char *name)
{
	struct listing *l = arg;
	struct journal_dir *j = l->j;
	uint64_t seq;

	if (!seq_of(name, &seq))
		return 0;
	if (j->files_count >= LIMIT_JOURNAL_FILES * 2)
		return ERR_LIMIT;
	if (j->files_count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct journal_dir_file *more = realloc(j->files, cap * sizeof *more);

		if (!more)
			return -ENOMEM;
		j->files = more;
		l->cap = cap;
	}
	j->files[j->files_count++] = (struct journal_dir_file){ .seq = seq, .end = UINT64_MAX };
	return 0;
}

static int by_seq(const void *a, const void *b)
{
	const struct journal_dir_file *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

static void note_first_copy(uint64_t seq, struct diag *bad)
{
	char name[JOURNAL_READER_NAME_BYTES];

	diag_set(bad, ERR_CORRUPT, journal_reader_name(seq, name), 0,
		"the header is damaged; its copy stands in");
}

/* Reads the headers; files that vanish meanwhile leave the list. */
static int read_heads(const struct vfs *vfs, int dir, const uint8_t *uuid, struct journal_dir *j,
	struct diag *bad, struct diag *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < j->files_count; i++) {
		struct journal_dir_file f = j->files[i];
		struct journal_reader *r = NULL;
		struct diag why;
		int rc = journal_reader_open(vfs, dir, f.seq, uuid, &r, &why);

		if (rc == -ENOENT)
			continue;
		if (rc == 0) {
			f.head = *journal_reader_head(r);
			if (journal_reader_head_damaged(r) && bad && bad->code == 0)
				note_first_copy(f.seq, bad);
		} else if (rc == ERR_CORRUPT || rc == ERR_TRUNCATED) {
			f.state = JOURNAL_DIR_BAD;
			if (bad && bad->code == 0)
				*bad = why;
		} else {
			if (d)
				*d = why;
			return rc;
		}
		journal_reader_close(&r);
		j->files[kept++] = f;
	}
	j->files_count = kept;
	return 0;
}

/* From the newest back: what a file continues ends there, and files in between are void. */
static void link_files(struct journal_dir *j)
{
	const struct journal_dir_file *next = NULL;

	for (size_t i = j->files_count; i-- > 0;) {
		struct journal_dir_file *f = &j->files[i];

		if (f->state == JOURNAL_DIR_BAD)
			continue;
		if (next && f->seq > next->head.prev_seq && next->head.prev_seq != 0) {
			f->state = JOURNAL_DIR_VOID;
			continue;
		}
		f->state = JOURNAL_DIR_LIVE;
		if (next && f->seq == next->head.prev_seq)
			f->end = next->head.prev_off;
		next = f;
	}
}

int journal_dir_load(const struct vfs *vfs, int dir, const uint8_t *uuid, struct journal_dir *out,
	struct diag *bad, struct diag *d)
{
	struct journal_dir j = { 0 };
	struct listing l = { .j = &j };
	int rc = vfs->list(vfs->ctx, dir, "journal", add_name, &l);

	if (rc == -ENOENT)
		rc = 0;
	if (rc < 0) {
		diag_set(d, rc, "journal", -1, "list the journal files");
		goto done;
	}
	if (j.files_count > 0) {
		qsort(j.files, j.files_count, sizeof *j.files, by_seq);
		j.seq_max = j.files[j.files_count - 1].seq;
	}
	rc = read_heads(vfs, dir, uuid, &j, bad, d);
	if (rc < 0)
		goto done;
	link_files(&j);
	*out = j;
	return 0;
done:
	journal_dir_free(&j);
	return rc;
}

void journal_dir_free(struct journal_dir *j)
{
	free(j->files);
	memset(j, 0, sizeof *j);
}

size_t journal_dir_next(const struct journal_dir *j, size_t i)
{
	/* SIZE_MAX + 1 is 0: the first. */
	for (i++; i < j->files_count; i++) {
		if (j->files[i].state == JOURNAL_DIR_LIVE)
			return i;
	}
	return SIZE_MAX;
}

size_t journal_dir_find(const struct journal_dir *j, uint64_t seq)
{
	size_t i = journal_dir_next(j, SIZE_MAX);

	while (i != SIZE_MAX && j->files[i].seq != seq)
		i = journal_dir_next(j, i);
	return i;
}

size_t journal_dir_of_id(const struct journal_dir *j, uint64_t id)
{
	size_t found = journal_dir_next(j, SIZE_MAX);

	for (size_t i = found; i != SIZE_MAX; i = journal_dir_next(j, i)) {
		if (j->files[i].head.first_id <= id)
			found = i;
	}
	return found;
}
