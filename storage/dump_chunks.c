#include <string.h>

#include "proto/base/err.h"
#include "storage/chunk_file.h"
#include "storage/dump_int.h"

static const char *why_head(int rc)
{
	return rc == ERR_TOO_NEW
		       ? "a newer version wrote it"
		       : "the checksum or a field does not hold; the pages count all the same";
}

static int emit_page(struct dump *m, uint64_t number, uint64_t off)
{
	struct span page = dump_bytes(m, off, LAYOUT_CHUNKS_PAGE_BYTES);
	int count = page.p ? chunk_file_page(page.p, number, off) : ERR_TRUNCATED;

	if (count < 0)
		return dump_emit(m, "page", off,
			page.p ? LAYOUT_CHUNKS_PAGE_BYTES : m->file.n - off, count,
			"the checksum does not hold; its ids are not remembered");
	dump_number(m, "ids", (uint64_t)count);
	dump_hex(m, "first", dump_bytes(m, off, LAYOUT_CHUNK_BYTES));
	return dump_emit(m, "page", off, LAYOUT_CHUNKS_PAGE_BYTES, 0, NULL);
}

/* The number is part of each page's sum: where the header is lost, the name tells. */
int dump_chunks(struct dump *m)
{
	const char *slash = strrchr(m->name, '/');
	uint64_t number = chunk_file_number(slash ? slash + 1 : m->name);
	struct chunk_file_head h;
	int rc = chunk_file_get_head(m->file.p, m->file.n, &h);

	if (rc == 0) {
		number = h.number;
		dump_hex(m, "uuid", span_of(h.uuid, sizeof h.uuid));
		dump_number(m, "number", h.number);
		dump_number(m, "since", h.since);
		dump_number(m, "through", h.through_seq);
		dump_time(m, "created", h.created_ns);
		dump_number(m, "ids", h.ids_count);
	}
	rc = dump_emit(m, "header", 0, LAYOUT_CHUNKS_HEAD_BYTES, rc, why_head(rc));
	for (uint64_t off = LAYOUT_CHUNKS_PAGE_BYTES; off < m->file.n && rc == 0;
		off += LAYOUT_CHUNKS_PAGE_BYTES)
		rc = emit_page(m, number, off);
	return rc;
}
