/*
 * views - the saved views of the viewer: names for addresses of its pages, in one small file.
 *
 *	{"views":[
 *	{"name":"Failed payments","address":"/?q=event_type%3DPAYMENT","saved":"2026-11-30T16:20:00Z"}
 *	]}
 *
 * Names are text of at most LIMIT_VIEW_NAME_BYTES without control characters and without blanks around
 * it; each stands once, in the order of their bytes. An address is "/" and what stands behind it of an
 * address of this server, in ASCII as a browser writes it: nothing that leads to another server or runs.
 *
 * Life:    load, look or change, save, fini. What is put in must live until then.
 * Durable: after a save that returned 0. One that fails leaves the file as it was, or as it should be.
 * Thread:  one at a time; whoever changes holds the lock from load to save, which other processes heed, too.
 * Memory:  LIMIT_VIEWS_FILE_BYTES, and as much again while it loads or saves.
 * Errors:  ERR_CORRUPT: no such file of ours, which is not written over; ERR_LIMIT: it is too large; else
 *          those of vfs. The diag names the file.
 */
#ifndef QUERY_VIEWS_H
#define QUERY_VIEWS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/base/limits.h"
#include "proto/base/span.h"
#include "storage/vfs.h"

struct views_one {
	struct span name;
	struct span address;
	int64_t saved_ns;
};

struct views {
	struct buf text; /* what the loaded ones point into */
	struct views_one list[LIMIT_VIEWS];
	size_t count;
};

/* NULL: it may be one; else why not, static text. */
const char *views_name_fault(struct span name);
const char *views_address_fault(struct span address);

/* The file `name` in the directory dir; where there is none, there are no views. */
int views_load(const struct vfs *vfs, int dir, const char *name, struct views *out, struct diag *d);
/*
 * Waits until nobody else has the lock of the file of that name, NAME.lock beside it, which stays. Returns the
 * descriptor that holds it until it is closed.
 */
int views_lock(const struct vfs *vfs, int dir, const char *name, struct diag *d);
int views_save(
	const struct vfs *vfs, int dir, const char *name, const struct views *v, struct diag *d);
void views_fini(struct views *v);

enum {
	VIEWS_FULL = 1, /* LIMIT_VIEWS are there */
	VIEWS_NONE = 2, /* no view has that name */
};

/* In place of the one of that name, if there is one. 0 or VIEWS_FULL. */
int views_put(struct views *v, const struct views_one *one);
/* 0 or VIEWS_NONE. */
int views_remove(struct views *v, struct span name);

/* [{"name":...,"address":...,"saved":...},...] and one of them. A failure sticks in the buffer. */
void views_print(const struct views *v, struct buf *out);
void views_print_one(const struct views_one *one, struct buf *out);

#endif
