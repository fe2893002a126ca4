#include <inttypes.h>

#include "proto/base/err.h"
#include "storage/dump_int.h"
#include "storage/manifest_walk.h"

static int emit_add(struct dump *m, const struct manifest_segment *s, uint64_t off)
{
	char path[MANIFEST_PATH_BYTES];

	buf_printf(&m->text, " no=%" PRIu64 " %s", s->no, manifest_segment_path(s, path));
	dump_number(m, "rows", s->rows_count);
	dump_number(m, "blocks", s->blocks_count);
	dump_time(m, "from", s->time_min_ns);
	dump_time(m, "to", s->time_max_ns);
	dump_number(m, "bytes", s->file_bytes);
	buf_printf(&m->text, " sum=%016" PRIx64, s->file_sum);
	return dump_emit(m, "add", off, LAYOUT_CHANGE_ADD_BYTES, 0, NULL);
}

static int emit_record(void *arg, const struct manifest_rec *rec, uint64_t off)
{
	struct dump *m = arg;
	uint64_t at = off + LAYOUT_CHANGE_HEAD_BYTES;
	int rc;

	dump_number(m, "change", rec->changes);
	dump_number(m, "sealed", rec->sealed_id);
	dump_number(m, "adds", rec->adds_count);
	dump_number(m, "drops", rec->drops_count);
	rc = dump_emit(m, rec->base ? "base" : "change", off, rec->bytes, 0, NULL);
	for (size_t i = 0; i < rec->adds_count && rc == 0; i++, at += LAYOUT_CHANGE_ADD_BYTES)
		rc = emit_add(m, &rec->adds[i], at);
	for (size_t i = 0; i < rec->drops_count && rc == 0; i++, at += LAYOUT_CHANGE_DROP_BYTES) {
		dump_number(m, "no", rec->drops[i]);
		rc = dump_emit(m, "drop", at, LAYOUT_CHANGE_DROP_BYTES, 0, NULL);
	}
	return rc;
}

static int emit_head(struct dump *m)
{
	uint8_t uuid[LAYOUT_UUID_BYTES];
	uint64_t number;
	int rc = manifest_record_get_head(m->file.p, m->file.n, uuid, &number);

	if (rc == 0) {
		dump_hex(m, "uuid", span_of(uuid, sizeof uuid));
		dump_number(m, "number", number);
	}
	return dump_emit(m, "header", 0, LAYOUT_MANIFEST_HEAD_BYTES, rc,
		"the header's checksum does not hold: the records cannot be checked");
}

int dump_manifest(struct dump *m)
{
	struct manifest_walk_head head;
	struct diag why = { .off = -1 };
	uint64_t damaged = m->result->damaged;
	int rc = emit_head(m);

	if (rc < 0 || m->result->damaged > damaged)
		return rc;
	rc = manifest_walk(m->vfs, m->dir, m->name, &head, emit_record, m, &why);
	if (rc != ERR_CORRUPT && rc != ERR_TRUNCATED) {
		if (rc < 0 && m->d && why.code < 0)
			*m->d = why;
		return rc;
	}
	return dump_emit(m, "record", (uint64_t)why.off, m->file.n - (uint64_t)why.off, rc,
		"no record that holds from here on");
}
