/*
 * The simulated disk: contents and names, which of them are durable, and what a power cut leaves.
 */
#include "tests/support/simfs_int.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"

enum { SECTOR = 512 };

/* ---- contents ---- */

void simfs_content_resize(struct simfs_content *c, size_t n)
{
	if (n > c->cap) {
		size_t cap = n > 2 * c->cap ? n : 2 * c->cap;
		uint8_t *p = calloc(1, cap);

		ASSERT(p);
		if (c->n)
			memcpy(p, c->p, c->n);
		free(c->p);
		c->p = p;
		c->cap = cap;
	} else if (n < c->n) {
		memset(c->p + n, 0, c->n - n);
	}
	c->n = n;
}

static void content_put(struct simfs_content *c, const void *p, size_t n, uint64_t off)
{
	if (off + n > c->n)
		simfs_content_resize(c, (size_t)off + n);
	memcpy(c->p + off, p, n);
}

void simfs_drop_writes(struct simfs_node *f)
{
	while (f->writes) {
		struct simfs_write *w = f->writes;

		f->writes = w->next;
		free(w);
	}
	f->writes_end = &f->writes;
}

void simfs_apply_writes(struct simfs_node *f)
{
	for (struct simfs_write *w = f->writes; w; w = w->next)
		content_put(&f->disk, w->bytes, w->n, w->off);
	if (f->disk.n != f->data.n)
		simfs_content_resize(&f->disk, f->data.n);
	if (f->shared && f->data.n)
		memcpy(f->disk.p, f->data.p, f->data.n);
	simfs_drop_writes(f);
}

void simfs_put_write(struct simfs_node *f, const void *p, size_t n, uint64_t off)
{
	struct simfs_write *w = malloc(sizeof *w + n);

	ASSERT(w);
	ASSERT(!f->shared || off + n <= f->data.cap);
	w->next = NULL;
	w->off = off;
	w->n = n;
	memcpy(w->bytes, p, n);
	*f->writes_end = w;
	f->writes_end = &w->next;
	content_put(&f->data, p, n, off);
}

/* ---- names ---- */

struct simfs_node *simfs_node_new(struct simfs *fs, bool is_dir)
{
	struct simfs_node *n = calloc(1, sizeof *n);

	ASSERT(n);
	n->is_dir = is_dir;
	n->writes_end = &n->writes;
	n->all_next = fs->all;
	fs->all = n;
	return n;
}

struct simfs_entry *simfs_names_find(const struct simfs_names *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->e[i].name, name) == 0)
			return &l->e[i];
	}
	return NULL;
}

void simfs_names_set(struct simfs_names *l, const char *name, struct simfs_node *node)
{
	struct simfs_entry *e = simfs_names_find(l, name);

	if (!e) {
		l->e = realloc(l->e, (l->n + 1) * sizeof *l->e);
		ASSERT(l->e);
		e = &l->e[l->n++];
		snprintf(e->name, sizeof e->name, "%s", name);
	}
	e->node = node;
}

static void names_unset(struct simfs_names *l, const char *name)
{
	struct simfs_entry *e = simfs_names_find(l, name);

	if (e)
		*e = l->e[--l->n];
}

static void change_disk(const struct simfs_change *c)
{
	if (c->from)
		names_unset(&c->from->disk_names, c->from_name);
	if (c->to)
		simfs_names_set(&c->to->disk_names, c->to_name, c->node);
}

void simfs_put_change(struct simfs *fs, struct simfs_node *from, const char *from_name,
	struct simfs_node *to, const char *to_name, struct simfs_node *node)
{
	struct simfs_change *c = calloc(1, sizeof *c);

	ASSERT(c);
	c->from = from;
	c->to = to;
	c->node = node;
	if (from) {
		snprintf(c->from_name, sizeof c->from_name, "%s", from_name);
		names_unset(&from->names, from_name);
	}
	if (to) {
		snprintf(c->to_name, sizeof c->to_name, "%s", to_name);
		simfs_names_set(&to->names, to_name, node);
	}
	*fs->changes_end = c;
	fs->changes_end = &c->next;
}

/* Takes c out of the list at *at. */
static void drop_change(struct simfs *fs, struct simfs_change **at)
{
	struct simfs_change *c = *at;

	*at = c->next;
	if (fs->changes_end == &c->next)
		fs->changes_end = at;
	free(c);
}

void simfs_sync_names(struct simfs *fs, const struct simfs_node *dir)
{
	for (struct simfs_change **at = &fs->changes; *at;) {
		if ((*at)->from != dir && (*at)->to != dir) {
			at = &(*at)->next;
			continue;
		}
		change_disk(*at);
		drop_change(fs, at);
	}
}

struct simfs_node *simfs_walk(
	struct simfs_node *at, const char *path, char out_name[SIMFS_NAME_BYTES])
{
	for (;;) {
		const char *slash = strchr(path, '/');
		size_t n = slash ? (size_t)(slash - path) : strlen(path);
		struct simfs_entry *e;

		ASSERT(n < SIMFS_NAME_BYTES);
		memcpy(out_name, path, n);
		out_name[n] = 0;
		if (!slash)
			return at;
		e = simfs_names_find(&at->names, out_name);
		if (!e || !e->node->is_dir)
			return NULL;
		at = e->node;
		path = slash + 1;
	}
}

struct simfs_node *simfs_dir_of(struct simfs *fs, int dir)
{
	if (dir == AT_FDCWD)
		return fs->root;
	ASSERT(dir >= 0);
	ASSERT(dir < SIMFS_FDS);
	ASSERT(fs->fds[dir].node);
	return fs->fds[dir].node;
}

struct simfs_node *simfs_lookup(struct simfs *fs, int dir, const char *path)
{
	char name[SIMFS_NAME_BYTES];
	struct simfs_node *d = simfs_walk(simfs_dir_of(fs, dir), path, name);
	struct simfs_entry *e;

	if (!d)
		return NULL;
	if (strcmp(name, ".") == 0)
		return d;
	e = simfs_names_find(&d->names, name);
	return e ? e->node : NULL;
}

/* ---- room ---- */

uint64_t simfs_used(const struct simfs *fs)
{
	uint64_t n = 0;

	for (const struct simfs_node *f = fs->all; f; f = f->all_next)
		n += f->data.n;
	return n;
}

void simfs_collect(struct simfs *fs)
{
	for (struct simfs_node *f = fs->all; f; f = f->all_next) {
		bool live = f->is_dir;

		for (int i = 0; i < SIMFS_FDS && !live; i++)
			live = fs->fds[i].node == f;
		for (const struct simfs_node *d = fs->all; d && !live; d = d->all_next) {
			for (size_t i = 0; i < d->names.n && !live; i++)
				live = d->names.e[i].node == f;
		}
		if (!live && f->data.n > 0) {
			simfs_drop_writes(f);
			simfs_content_resize(&f->data, 0);
		}
	}
}

/* ---- the power goes ---- */

static uint64_t roll(struct simfs *fs, uint64_t below)
{
	fs->random = fs->random * 6364136223846793005u + 1442695040888963407u;
	return (fs->random >> 33) % below;
}

static void keep_sectors(struct simfs *fs, struct simfs_content *disk, const struct simfs_write *w)
{
	for (size_t at = 0; at < w->n;) {
		size_t n = SECTOR - (size_t)((w->off + at) % SECTOR);

		if (n > w->n - at)
			n = w->n - at;
		if (roll(fs, 2))
			content_put(disk, w->bytes + at, n, w->off + at);
		at += n;
	}
}

static void lose_writes(struct simfs *fs, struct simfs_node *f, enum simfs_policy policy)
{
	bool stopped = false;

	if (!f->writes && !f->shared && !f->lost && f->data.n == f->disk.n)
		return;
	for (struct simfs_write *w = f->writes; w; w = w->next) {
		switch (policy) {
		case SIMFS_KEEP_PREFIX:
			stopped |= roll(fs, 3) == 0;
			break;
		case SIMFS_KEEP_SUBSET:
			stopped = roll(fs, 2);
			break;
		case SIMFS_KEEP_TORN:
			keep_sectors(fs, &f->disk, w);
			stopped = true;
			break;
		default:
			stopped = policy == SIMFS_KEEP_NONE;
			break;
		}
		if (!stopped)
			content_put(&f->disk, w->bytes, w->n, w->off);
	}
	for (size_t at = 0; f->shared && at + SECTOR <= f->disk.n; at += SECTOR) {
		if (policy == SIMFS_KEEP_ALL || (policy != SIMFS_KEEP_NONE && roll(fs, 2)))
			memcpy(f->disk.p + at, f->data.p + at, SECTOR);
	}
	simfs_drop_writes(f);
	simfs_content_resize(&f->data, f->disk.n);
	if (f->disk.n)
		memcpy(f->data.p, f->disk.p, f->disk.n);
	f->shared = false;
	f->lost = false;
}

/* A directory whose change is lost loses the later ones too. */
static void lose_changes(struct simfs *fs, enum simfs_policy policy)
{
	struct simfs_node *stopped[64];
	size_t n = 0;

	while (fs->changes) {
		struct simfs_change *c = fs->changes;
		bool lost =
			policy == SIMFS_KEEP_NONE || (policy != SIMFS_KEEP_ALL && roll(fs, 3) == 0);

		for (size_t i = 0; i < n; i++)
			lost |= stopped[i] == c->from || stopped[i] == c->to;
		if (lost && n + 2 <= ARRAY_COUNT(stopped)) {
			if (c->from)
				stopped[n++] = c->from;
			if (c->to)
				stopped[n++] = c->to;
		}
		if (!lost)
			change_disk(c);
		drop_change(fs, &fs->changes);
	}
}

void simfs_disk_lose(struct simfs *fs, enum simfs_policy policy)
{
	lose_changes(fs, policy);
	for (struct simfs_node *f = fs->all; f; f = f->all_next) {
		if (!f->is_dir) {
			lose_writes(fs, f, policy);
			continue;
		}
		free(f->names.e);
		f->names = (struct simfs_names){ 0 };
		for (size_t i = 0; i < f->disk_names.n; i++)
			simfs_names_set(
				&f->names, f->disk_names.e[i].name, f->disk_names.e[i].node);
	}
}

/* ---- the end ---- */

static void free_node(struct simfs_node *n)
{
	simfs_drop_writes(n);
	free(n->data.p);
	free(n->disk.p);
	free(n->names.e);
	free(n->disk_names.e);
	free(n);
}

void simfs_disk_free(struct simfs *fs)
{
	while (fs->changes)
		drop_change(fs, &fs->changes);
	while (fs->all) {
		struct simfs_node *n = fs->all;

		fs->all = n->all_next;
		free_node(n);
	}
}
