/*
 * Goal:   one damaged, cut, emptied, missing or exchanged file of a store, of whatever kind, is named by
 *         verify, for a page with its block and column; readers give only true events, and all those
 *         that do not stand in the damaged part.
 * Method: a small store on a simulated disk; a bit of each file flipped at many places, one at a time,
 *         and flipped back; the other injuries on a fresh store each.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/dump.h"
#include "storage/layout.h"
#include "tests/support/simfs.h"
#include "tests/support/store_kit.h"

enum { FILES_MAX = 200, PATH_BYTES = 160, FLIPS = 120, SECTIONS_MAX = 4096 };

struct files {
	char paths[FILES_MAX][PATH_BYTES];
	size_t count;
};

struct world {
	struct simfs *fs;
	const struct vfs *vfs;
	int dir;
	struct store_kit kit;
	struct files files;
	bool *seen;
};

/* ---- the store ---- */

struct listing {
	struct world *w;
	const char *dir;
};

static int add_file(void *arg, const char *name)
{
	struct listing *l = arg;
	struct world *w = l->w;
	char path[PATH_BYTES];
	struct vfs_stat st;

	snprintf(path, sizeof path, "%s%s%s", l->dir, *l->dir ? "/" : "", name);
	assert_int_equal(w->vfs->stat(w->vfs->ctx, w->dir, path, &st), 0);
	if (st.is_dir) {
		struct listing below = { w, path };

		return w->vfs->list(w->vfs->ctx, w->dir, path, add_file, &below);
	}
	assert_in_range(w->files.count, 0, FILES_MAX - 1);
	snprintf(w->files.paths[w->files.count++], PATH_BYTES, "%s", path);
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void make_store(struct world *w, unsigned sealed, unsigned unsealed, unsigned hours)
{
	struct store_conf conf = {
		.dir = SIMFS_DIR,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN,
	};
	struct listing top = { w, "" };

	memset(w, 0, sizeof *w);
	w->fs = simfs_new(5);
	conf.vfs = w->vfs = simfs_vfs(w->fs);
	store_kit_init(&w->kit, &conf, 5);
	w->kit.gen.wild = 0;
	assert_int_equal(store_kit_open(&w->kit), 0);
	while (w->kit.events_count < sealed)
		assert_int_equal(store_kit_append(&w->kit, 100, hours), 0);
	assert_int_equal(store_kit_commit(&w->kit), 0);
	assert_int_equal(store_kit_seal(&w->kit), 0);
	while (w->kit.events_count < sealed + unsealed) {
		assert_int_equal(store_kit_append(&w->kit, 20, hours), 0);
		assert_int_equal(store_kit_commit(&w->kit), 0);
	}
	store_kit_close(&w->kit);
	w->dir = w->vfs->open_dir(w->vfs->ctx, SIMFS_DIR);
	assert_int_equal(w->vfs->list(w->vfs->ctx, w->dir, ".", add_file, &top), 0);
	qsort(w->files.paths, w->files.count, PATH_BYTES, by_path);
	w->seen = calloc(w->kit.events_count, sizeof *w->seen);
}

static void end_store(struct world *w)
{
	free(w->seen);
	w->vfs->close(w->vfs->ctx, w->dir);
	store_kit_fini(&w->kit);
	assert_int_equal(simfs_fds(w->fs), 0);
	simfs_free(&w->fs);
}

static bool is(const char *path, const char *part)
{
	return strstr(path, part) != NULL;
}

static const char *file_of(const struct world *w, const char *part)
{
	for (size_t i = 0; i < w->files.count; i++) {
		if (is(w->files.paths[i], part))
			return w->files.paths[i];
	}
	fail_msg("no file with %s", part);
	return NULL;
}

/* ---- what verify says ---- */

struct verdict {
	const char *path;
	unsigned damages;
	unsigned named; /* of them, those with the path */
	int64_t block;  /* of the last of these */
	char column[32];
	char text[600];
};

static void on_finding(void *arg, const struct verify_finding *f)
{
	struct verdict *v = arg;

	/* A cube that is not there is worth a note, for older segments have none. */
	if (f->grade != VERIFY_DAMAGE && f->diag.code != -ENOENT)
		return;
	v->damages++;
	verify_format(f, v->text, sizeof v->text);
	if (strcmp(f->diag.file, v->path) != 0)
		return;
	v->named++;
	v->block = f->block;
	snprintf(v->column, sizeof v->column, "%s", f->column ? f->column : "");
}

static int verify(struct world *w, const char *path, struct verdict *v)
{
	const struct verify_conf conf = {
		.vfs = w->vfs,
		.dir = SIMFS_DIR,
		.found = on_finding,
		.arg = v,
	};
	struct verify_report report;

	*v = (struct verdict){ .path = path, .block = -1 };
	return verify_run(&conf, &report, &w->kit.d);
}

static void assert_named(struct world *w, const char *path, const char *how)
{
	struct verdict v;
	int rc = verify(w, path, &v);

	/* A store that says it is none, or newer, is refused as a whole: the diagnosis names the file. */
	if (rc < 0) {
		assert_string_equal(w->kit.d.file, path);
		return;
	}
	if (v.named == 0)
		print_error("%s %s: not named; %u findings, the last: %s\n", path, how, v.damages,
			v.text);
	assert_true(v.named > 0);
}

static size_t count_missing(struct world *w, const char *path, const char *how)
{
	size_t missing = 0;
	int rc = store_kit_see(&w->kit, w->seen);

	if (rc == STORE_KIT_WRONG)
		print_error("%s %s: %s\n", path, how, w->kit.wrong);
	assert_int_not_equal(rc, STORE_KIT_WRONG);
	if (rc < 0)
		return SIZE_MAX;
	for (size_t i = 0; i < w->kit.events_count; i++)
		missing += !w->seen[i];
	return missing;
}

/* ---- flipped bits ---- */

struct section {
	uint64_t off;
	uint64_t bytes;
	int64_t block;
	char name[16];
	char column[32];
};

struct sections {
	struct section list[SECTIONS_MAX];
	size_t count;
};

static int add_section(void *arg, const struct dump_section *s)
{
	struct sections *all = arg;
	struct section *to = &all->list[all->count];

	assert_int_equal(s->code, 0);
	/* A page in the footer has the footer's checksum. */
	if (all->count == SECTIONS_MAX || strstr(s->text, "inline=yes"))
		return 0;
	all->count++;
	*to = (struct section){ .off = s->off, .bytes = s->bytes, .block = s->block };
	snprintf(to->name, sizeof to->name, "%s", s->name);
	snprintf(to->column, sizeof to->column, "%s", s->column ? s->column : "");
	return 0;
}

/* The smallest section that has the byte. */
static const struct section *section_at(const struct sections *all, uint64_t off)
{
	const struct section *best = NULL;

	for (size_t i = 0; i < all->count; i++) {
		const struct section *s = &all->list[i];

		if (off >= s->off && off - s->off < s->bytes && (!best || s->bytes < best->bytes))
			best = s;
	}
	return best;
}

/* Bytes that no checksum is over: reserve, padding, and what changes all the time. */
static bool is_loose(const char *path, const struct section *s, uint64_t off)
{
	if (!s)
		return true;
	if (strcmp(path, "ctl") == 0)
		return strcmp(s->name, "start") == 0 || strcmp(s->name, "beat") == 0 ||
		       (s->off > 0 && off - s->off < 8);
	if (is(path, ".aj") && strcmp(s->name, "header") == 0)
		return off >= LAYOUT_JOURNAL_HEAD_BYTES &&
		       (off < LAYOUT_JOURNAL_COPY ||
			       off >= LAYOUT_JOURNAL_COPY + LAYOUT_JOURNAL_HEAD_BYTES);
	return strcmp(s->name, "free") == 0 || strcmp(s->name, "spare") == 0;
}

/* How many events may be out of reach then: those of a segment, of a few journal records, or none. */
static size_t loss_allowed(const struct world *w, const char *path)
{
	if (is(path, ".seg"))
		return w->kit.events_count;
	if (is(path, ".aj"))
		return 100;
	return strcmp(path, "format") == 0 ? SIZE_MAX : 0;
}

static void try_flip(
	struct world *w, const char *path, const struct sections *all, uint64_t off, uint8_t mask)
{
	const struct section *s = section_at(all, off);
	size_t missing;
	char how[64];

	snprintf(how, sizeof how, "flipped at %lu (%s)", (unsigned long)off, s ? s->name : "-");
	assert_int_equal(simfs_flip(w->fs, path, off, mask), 0);
	if (!is_loose(path, s, off))
		assert_named(w, path, how);
	if (s && strcmp(s->name, "page") == 0) {
		struct verdict v;

		assert_int_equal(verify(w, path, &v), 0);
		assert_int_equal(v.block, s->block);
		assert_string_equal(v.column, s->column);
	}
	missing = count_missing(w, path, how);
	if (missing > loss_allowed(w, path))
		print_error("%s %s: %zu events are missing\n", path, how, missing);
	assert_true(missing <= loss_allowed(w, path));
	assert_int_equal(simfs_flip(w->fs, path, off, mask), 0);
}

static void flip_file(struct world *w, const char *path)
{
	static struct sections all;
	const struct dump_walker walker = { .section = add_section, .arg = &all, .pages = true };
	uint64_t bytes = (uint64_t)simfs_bytes(w->fs, path);
	struct dump_result result;
	unsigned flips = bytes < FLIPS ? (unsigned)bytes : FLIPS;

	all.count = 0;
	if (dump_walk(w->vfs, w->dir, path, &walker, &result, &w->kit.d) < 0 || bytes == 0)
		return; /* a lock file */
	assert_int_equal(result.damaged, 0);
	/* Most of a journal is free: half of the flips go where records are. */
	for (unsigned i = 0; i < flips; i++) {
		uint64_t range = is(path, ".aj") && i % 2 ? 80000 : bytes;
		uint64_t off = bytes <= FLIPS ? i : event_gen_random(&w->kit.gen) % range;

		try_flip(w, path, &all, off, (uint8_t)(1u << (i % 8)));
	}
}

static void every_file_flipped(void **state)
{
	struct world w;

	(void)state;
	make_store(&w, 300, 60, 5);
	for (size_t i = 0; i < w.files.count; i++)
		flip_file(&w, w.files.paths[i]);
	assert_int_equal(count_missing(&w, "store", "flipped back"), 0);
	end_store(&w);
}

/* A segment of several blocks: the others stay readable. */
static void one_block_at_most(void **state)
{
	static struct sections all;
	const struct dump_walker walker = { .section = add_section, .arg = &all, .pages = true };
	struct dump_result result;
	const char *path;
	unsigned tried = 0;
	struct world w;

	(void)state;
	make_store(&w, 2 * LIMIT_BLOCK_ROWS + 500, 0, 1);
	path = file_of(&w, ".seg");
	all.count = 0;
	assert_int_equal(dump_walk(w.vfs, w.dir, path, &walker, &result, &w.kit.d), 0);
	for (size_t i = 0; i < all.count && tried < 12; i++) {
		const struct section *s = &all.list[i];
		struct verdict v;
		size_t missing;

		if (strcmp(s->name, "page") != 0 || s->bytes < 100)
			continue;
		tried++;
		assert_int_equal(simfs_flip(w.fs, path, s->off + s->bytes / 2, 4), 0);
		assert_int_equal(verify(&w, path, &v), 0);
		assert_int_equal(v.block, s->block);
		assert_string_equal(v.column, s->column);
		missing = count_missing(&w, path, s->column);
		assert_in_range(missing, 1, LIMIT_BLOCK_ROWS);
		assert_int_equal(simfs_flip(w.fs, path, s->off + s->bytes / 2, 4), 0);
	}
	assert_in_range(tried, 3, 12);
	end_store(&w);
}

/* ---- whole files ---- */

static void remove_file(struct world *w, const char *path)
{
	assert_int_equal(w->vfs->unlink(w->vfs->ctx, w->dir, path), 0);
}

static void empty_file(struct world *w, const char *path)
{
	assert_int_equal(simfs_truncate(w->fs, path, 0), 0);
}

static void halve_file(struct world *w, const char *path)
{
	assert_int_equal(simfs_truncate(w->fs, path, (uint64_t)simfs_bytes(w->fs, path) / 2), 0);
}

static void injure_each(void (*injure)(struct world *, const char *), const char *how)
{
	size_t count = 1;

	for (size_t i = 0; i < count; i++) {
		struct world w;
		const char *path;

		make_store(&w, 300, 60, 3);
		count = w.files.count;
		path = w.files.paths[i];
		if (simfs_bytes(w.fs, path) > 0 && !is(path, "spare")) {
			struct verdict v;
			int rc;

			injure(&w, path);
			rc = verify(&w, path, &v);
			if (rc == 0 && v.damages == 0)
				print_error("%s %s: verify sees nothing\n", path, how);
			assert_true(rc < 0 || v.damages > 0);
			/* The only journal file is named by its folder when it is not there. */
			if (rc == 0 && !is(path, ".aj"))
				assert_named(&w, path, how);
			count_missing(&w, path, how);
		}
		end_store(&w);
	}
}

static void every_file_missing(void **state)
{
	(void)state;
	injure_each(remove_file, "removed");
}

static void every_file_emptied(void **state)
{
	(void)state;
	injure_each(empty_file, "emptied");
}

/* Not the journal: its second half is reserve. */
static void halve_but_journal(struct world *w, const char *path)
{
	if (is(path, ".aj"))
		assert_int_equal(simfs_truncate(w->fs, path, 5000), 0);
	else
		halve_file(w, path);
}

static void every_file_cut(void **state)
{
	(void)state;
	injure_each(halve_but_journal, "cut");
}

static void exchanged_segments(void **state)
{
	struct world w;
	char a[PATH_BYTES], b[PATH_BYTES] = "";

	(void)state;
	make_store(&w, 300, 0, 24 * 3);
	snprintf(a, sizeof a, "%s", file_of(&w, ".seg"));
	for (size_t i = 0; i < w.files.count; i++) {
		if (is(w.files.paths[i], ".seg") && strcmp(w.files.paths[i], a) != 0)
			snprintf(b, sizeof b, "%s", w.files.paths[i]);
	}
	assert_int_equal(w.vfs->rename(w.vfs->ctx, w.dir, a, "tmp/x"), 0);
	assert_int_equal(w.vfs->rename(w.vfs->ctx, w.dir, b, a), 0);
	assert_int_equal(w.vfs->rename(w.vfs->ctx, w.dir, "tmp/x", b), 0);
	assert_named(&w, a, "exchanged");
	assert_named(&w, b, "exchanged");
	count_missing(&w, a, "exchanged");
	end_store(&w);
}

/* The same segment under a second name is listed by nobody and changes no answer. */
static void strangers_are_noted(void **state)
{
	struct world w;
	const char *path;
	struct verdict v;

	(void)state;
	make_store(&w, 300, 0, 1);
	path = file_of(&w, ".seg");
	assert_int_equal(w.vfs->link(w.vfs->ctx, w.dir, path, w.dir, "seg/stranger.seg"), 0);
	assert_int_equal(verify(&w, path, &v), 0);
	assert_int_equal(v.damages, 0);
	assert_int_equal(count_missing(&w, path, "linked twice"), 0);
	end_store(&w);
}

static void no_store_at_all(void **state)
{
	struct world w;
	struct verify_report report;
	struct verify_conf conf = { .dir = "nowhere" };

	(void)state;
	make_store(&w, 100, 0, 1);
	conf.vfs = w.vfs;
	assert_int_equal(verify_run(&conf, &report, &w.kit.d), -ENOENT);
	conf.dir = SIMFS_DIR "/seg";
	assert_int_equal(verify_run(&conf, &report, &w.kit.d), ERR_NOT_A_STORE);
	end_store(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_file_flipped),
		cmocka_unit_test(one_block_at_most),
		cmocka_unit_test(every_file_missing),
		cmocka_unit_test(every_file_emptied),
		cmocka_unit_test(every_file_cut),
		cmocka_unit_test(exchanged_segments),
		cmocka_unit_test(strangers_are_noted),
		cmocka_unit_test(no_store_at_all),
	};

	return cmocka_run_group_tests_name("store_corrupt", tests, NULL, NULL);
}
