/* verify_int - what the files of verify share: one run over one store. */
#ifndef STORAGE_VERIFY_INT_H
#define STORAGE_VERIFY_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "storage/ctl.h"
#include "storage/idset.h"
#include "storage/manifest.h"
#include "storage/verify.h"

struct verify {
	const struct verify_conf *conf;
	const struct vfs *vfs;
	int dir;
	uint8_t uuid[16];
	bool live;       /* a collector holds the store's lock */
	struct ctl *ctl; /* NULL: there is none, or it is damaged */
	struct manifest *manifest;
	struct manifest_segment *segs; /* live ones, as of when they were listed */
	size_t segs_count;
	uint64_t sealed_id;
	struct idset ids;
	bool ids_full;  /* more than memory is granted for: uniqueness is not checked any further */
	bool ids_quiet; /* rows that may have moved since they were counted are seen again */
	struct buf scratch;
	struct buf payload;
	uint64_t bytes_total;
	struct verify_report report;
};

/* One finding. code is negative; block -1 and column NULL where it is about neither. */
void verify_found(struct verify *v, enum verify_grade grade, int64_t block, const char *column,
	const struct diag *why);
void verify_say(struct verify *v, enum verify_grade grade, int code, const char *file, int64_t off,
	const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* ERR_CANCELED when a stop was asked for; tells the progress. */
int verify_step(struct verify *v, uint64_t bytes);

/* Notes an id. True: it was there before. A set that is full says so once. */
int verify_add_id(struct verify *v, uint64_t id, bool *out_twice);

/* Lists and checks the segments that were sealed or merged since. */
int verify_follow(struct verify *v, struct diag *d);
/* Adds what is live and not listed yet to segs; follows the sealed id. */
int verify_list_new(struct verify *v, struct diag *d);

/* Negative only for what ends the whole run: no memory, or a stop. */
int verify_manifest(struct verify *v, struct diag *d);
int verify_segment(struct verify *v, const struct manifest_segment *seg, struct diag *d);
int verify_journal(struct verify *v, struct diag *d);
void verify_chunks(struct verify *v);
/* Takes deleted ids out of the gaps; after all rows were seen. */
int verify_redact(struct verify *v, struct diag *d);

#endif
