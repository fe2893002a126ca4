/*
 * Goal: a stream gives the same messages however it is cut into reads, and never holds more than a
 *       message.
 * Method: it is read whole and in pieces whose length the first byte gives; both must hand out the
 *         same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/syslog/syslog_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void put(struct buf *out, const struct syslog_frame_message *m)
{
	ASSERT(m->text.n > 0);
	ASSERT(m->text.n <= LIMIT_SYSLOG_BYTES);
	buf_put_u8(out, (uint8_t)(m->cut << 1 | m->counted));
	buf_put(out, &m->text.n, sizeof m->text.n);
	buf_put_span(out, m->text);
}

static void read_all(const uint8_t *data, size_t n, size_t piece, struct buf *out)
{
	struct syslog_frame_message m;
	struct syslog_frame f;
	int rc;

	syslog_frame_init(&f);
	for (size_t at = 0; at < n; at += piece) {
		struct rcur in = rcur_of(data + at, n - at < piece ? n - at : piece);

		while ((rc = syslog_frame_next(&f, &in, &m)) == SYSLOG_FRAME_MESSAGE)
			put(out, &m);
		ASSERT(rc == SYSLOG_FRAME_MORE);
		ASSERT(rcur_left(&in) == 0);
		ASSERT(syslog_frame_bytes(&f) <= LIMIT_SYSLOG_BYTES + 1);
	}
	rc = syslog_frame_end(&f, &m);
	if (rc == SYSLOG_FRAME_MESSAGE)
		put(out, &m);
	buf_put_u8(out, (uint8_t)rc);
	syslog_frame_fini(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf whole, pieces;

	if (n < 2)
		return 0;
	buf_init(&whole, 64 << 20);
	buf_init(&pieces, 64 << 20);
	read_all(data + 1, n - 1, n - 1, &whole);
	read_all(data + 1, n - 1, 1 + data[0] % 64, &pieces);
	ASSERT(span_eq(buf_span(&whole), buf_span(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
