/*
 * simfs_int - what the three files of simfs share: the disk (simfs_disk.c), the vfs operations on it
 * (simfs_calls.c), and its owner's side: life, failures and power (simfs.c). For no others.
 *
 * Model:   a node is a file or a directory, with what processes see and what is on the disk. Writes
 *          wait in the file's list, changes of names in one list of the whole disk, both in order.
 * Life:    nodes live as long as the disk; collect gives back the content of those out of reach.
 * Thread:  the operations call simfs_disk.c with the lock taken. simfs.c calls it without, so no
 *          operation may be under way then.
 * Memory:  out of it is the end of the test.
 */
#ifndef TESTS_SUPPORT_SIMFS_INT_H
#define TESTS_SUPPORT_SIMFS_INT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/vfs.h"
#include "tests/support/simfs.h"

enum { SIMFS_NAME_BYTES = 128, SIMFS_FDS = 256 };

/* One write that waits for a sync. */
struct simfs_write {
	struct simfs_write *next;
	uint64_t off;
	size_t n;
	uint8_t bytes[];
};

struct simfs_content {
	uint8_t *p;
	size_t n;
	size_t cap;
};

struct simfs_entry {
	char name[SIMFS_NAME_BYTES];
	struct simfs_node *node;
};

struct simfs_names {
	struct simfs_entry *e;
	size_t n;
};

struct simfs_node {
	struct simfs_node *all_next;
	bool is_dir;
	bool shared; /* mapped for writing */
	bool lost;   /* a sync failed: some of the content will never reach the disk */
	struct simfs_content data, disk;
	struct simfs_write *writes, **writes_end;
	struct simfs_names names, disk_names;
};

/* One change of names that waits: `node` leaves from/from_name (if any) and appears as to/to_name. */
struct simfs_change {
	struct simfs_change *next;
	struct simfs_node *from, *to, *node;
	char from_name[SIMFS_NAME_BYTES];
	char to_name[SIMFS_NAME_BYTES];
};

struct simfs_open_file {
	struct simfs_node *node;
	bool locked;
};

struct simfs {
	struct vfs vfs; /* simfs_calls with this as ctx */
	pthread_mutex_t lock;
	uint64_t random;
	struct simfs_node *all;
	struct simfs_node *root;
	struct simfs_change *changes, **changes_end;
	struct simfs_open_file fds[SIMFS_FDS];
	uint64_t ops;
	uint64_t fail_at;
	enum simfs_failure fail_kind;
	int fail_error;
	uint64_t then_nth;
	enum simfs_failure then_kind;
	int then_error;
	bool fired;
	bool crashed;
	uint64_t capacity;
};

/* The operations, for simfs_new to copy. */
extern const struct vfs simfs_calls;

/* Contents. New bytes are zero. */
void simfs_content_resize(struct simfs_content *c, size_t n);
/* Processes see it; the disk has it after apply, or never after drop. */
void simfs_put_write(struct simfs_node *f, const void *p, size_t n, uint64_t off);
void simfs_apply_writes(struct simfs_node *f);
void simfs_drop_writes(struct simfs_node *f);

/* Names. */
struct simfs_node *simfs_node_new(struct simfs *fs, bool is_dir);
struct simfs_entry *simfs_names_find(const struct simfs_names *l, const char *name);
void simfs_names_set(struct simfs_names *l, const char *name, struct simfs_node *node);
/* `from` NULL: a new name. `to` NULL: one less. */
void simfs_put_change(struct simfs *fs, struct simfs_node *from, const char *from_name,
	struct simfs_node *to, const char *to_name, struct simfs_node *node);
void simfs_sync_names(struct simfs *fs, const struct simfs_node *dir);
/* The directory of the path's last part, which goes to *out_name; NULL: no such directory. */
struct simfs_node *simfs_walk(
	struct simfs_node *at, const char *path, char out_name[SIMFS_NAME_BYTES]);
/* The node of an open descriptor, or the root for AT_FDCWD. */
struct simfs_node *simfs_dir_of(struct simfs *fs, int dir);
/* NULL: no such name. */
struct simfs_node *simfs_lookup(struct simfs *fs, int dir, const char *path);

/* Bytes of all files. */
uint64_t simfs_used(const struct simfs *fs);
/* Files that no name, descriptor or waiting change refers to give their room back. */
void simfs_collect(struct simfs *fs);

/* What was not synced is lost or kept, as the policy says, and processes see what is left. */
void simfs_disk_lose(struct simfs *fs, enum simfs_policy policy);
void simfs_disk_free(struct simfs *fs);

#endif
