/*
 * simfs - a file system in memory behind the vfs table, with a disk that forgets: what was not synced
 * is lost, kept or torn when the power goes, and any operation can be made to fail.
 *
 * Model:   a file has the content that processes see and the content on the disk; writes wait in
 *          between until fdatasync or fsync. Names wait likewise until their directory is synced; a
 *          rename is one step. A sync that fails drops what waited, and the next one succeeds: as
 *          Linux does. A shared mapping reaches the disk sector by sector whenever it likes.
 * Life:    new, any number of failures, crashes and reboots, free.
 * Thread:  free for all; one mutex.
 */
#ifndef TESTS_SUPPORT_SIMFS_H
#define TESTS_SUPPORT_SIMFS_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/vfs.h"

struct simfs;

/* The path of the store for store_conf.dir; its parent is there. */
#define SIMFS_DIR "data"

enum simfs_failure {
	SIMFS_ERROR, /* nothing done */
	SIMFS_SHORT, /* a write stops half-way; others as SIMFS_ERROR */
	SIMFS_CRASH, /* the power goes: this and all later operations fail until reboot */
};

/* What becomes of writes and names that were never synced. */
enum simfs_policy {
	SIMFS_KEEP_NONE,
	SIMFS_KEEP_ALL,
	SIMFS_KEEP_PREFIX, /* of each file's and each directory's */
	SIMFS_KEEP_SUBSET, /* any of the writes */
	SIMFS_KEEP_TORN,   /* any sectors of 512 bytes of any of the writes */
	SIMFS_POLICIES,
	/* Only the process died: everything is as it was, and still waits for a sync. */
	SIMFS_KILLED = SIMFS_POLICIES,
};

struct simfs *simfs_new(uint64_t seed);
void simfs_free(struct simfs **fs);
const struct vfs *simfs_vfs(struct simfs *fs);

/* The nth operation from now (1: the next) fails with `error`. 0: none will. */
void simfs_fail(struct simfs *fs, uint64_t nth, enum simfs_failure kind, int error);
/* And after that has happened, the nth operation from there fails so too. */
void simfs_then(struct simfs *fs, uint64_t nth, enum simfs_failure kind, int error);
/* Whether the first failure has happened. */
bool simfs_fired(const struct simfs *fs);
/* Operations so far. */
uint64_t simfs_ops(const struct simfs *fs);
/* Bytes that files may have together; 0: no limit. */
void simfs_capacity(struct simfs *fs, uint64_t bytes);

/* The power goes now, unless it already has; every descriptor must be closed by then. */
void simfs_reboot(struct simfs *fs, enum simfs_policy policy);
unsigned simfs_fds(const struct simfs *fs);

/* Behind everybody's back, on content and disk alike. Paths from SIMFS_DIR on. -ENOENT. */
int64_t simfs_bytes(struct simfs *fs, const char *path);
int simfs_flip(struct simfs *fs, const char *path, uint64_t off, uint8_t mask);
int simfs_read(struct simfs *fs, const char *path, uint64_t off, void *p, size_t n);
int simfs_truncate(struct simfs *fs, const char *path, uint64_t bytes);

#endif
