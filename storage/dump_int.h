/* dump_int - what the walks of the several kinds of files share. */
#ifndef STORAGE_DUMP_INT_H
#define STORAGE_DUMP_INT_H

#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"
#include "storage/dump.h"

struct dump {
	const struct vfs *vfs;
	int dir;
	const char *name;
	const struct dump_walker *walker;
	struct dump_result *result;
	struct span file; /* mapped */
	struct buf text;  /* fields of the next section: filled, then dump_emit */
	struct diag *d;
};

/* Tells one section with the fields gathered in text, and empties that. */
int dump_emit(
	struct dump *m, const char *name, uint64_t off, uint64_t bytes, int code, const char *why);
/* The same for a part of a segment. */
int dump_emit_block(struct dump *m, const char *name, uint64_t off, uint64_t bytes, int64_t block,
	const char *column, int code, const char *why);
int dump_emit_row(struct dump *m, const struct event *ev);

/* " key=value" */
void dump_number(struct dump *m, const char *key, uint64_t v);
void dump_time(struct dump *m, const char *key, int64_t ns);
void dump_hex(struct dump *m, const char *key, struct span s);
/* n bytes of the file from off; absent where it is shorter. */
struct span dump_bytes(const struct dump *m, uint64_t off, uint64_t n);

int dump_journal(struct dump *m);
int dump_manifest(struct dump *m);
int dump_segment(struct dump *m);
int dump_redact(struct dump *m);
int dump_scrub(struct dump *m);
int dump_chunks(struct dump *m);
int dump_sidecar(struct dump *m, enum dump_kind kind);

#endif
