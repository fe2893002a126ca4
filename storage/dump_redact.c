#include <inttypes.h>

#include "proto/base/err.h"
#include "storage/dump_int.h"
#include "storage/redact.h"

/* The reason is a person's text: what is no plain character of it is left to whoever prints the line. */
static int emit_copy(struct dump *m, uint64_t off, uint64_t bytes)
{
	struct redact_info info = { 0 };
	int rc = redact_decode_copy(dump_bytes(m, off, bytes), NULL, &info, NULL);

	if (rc == 0) {
		dump_number(m, "number", info.number);
		dump_time(m, "created", info.created_ns);
		dump_number(m, "ids", info.ids_count);
		dump_number(m, "first", info.id_min);
		dump_number(m, "last", info.id_max);
		buf_printf(&m->text, " reason=%s", info.reason);
	}
	return dump_emit(
		m, "copy", off, bytes, rc, "its sums do not hold; the other copy stands in");
}

int dump_redact(struct dump *m)
{
	uint64_t half = m->file.n / 2;
	int rc;

	if (m->file.n % 2 != 0)
		return dump_emit(m, "file", 0, m->file.n, ERR_TRUNCATED,
			"the length is odd: these are not two copies");
	rc = emit_copy(m, 0, half);
	return rc < 0 ? rc : emit_copy(m, half, half);
}
