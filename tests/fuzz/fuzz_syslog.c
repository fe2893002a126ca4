/*
 * Goal: no message makes the parser read or write where it must not, nothing of it is lost, and what
 *       is made of it is a record.
 * Method: the first byte chooses what the door knows. Fields must lie inside the message in their
 *         order, the text must be its end, and the record one msgpack map.
 */
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/syslog/syslog_record.h"
#include "proto/wire/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The field lies behind *at, which moves past it. */
static void check_field(struct span in, struct span field, const uint8_t **at)
{
	if (!field.p)
		return;
	ASSERT(field.p >= *at);
	ASSERT(span_end(field) <= span_end(in));
	*at = span_end(field);
}

static void check_message(struct span in, const struct syslog_message *m)
{
	const uint8_t *at = in.p, *end = span_end(in);

	ASSERT(m->facility < SYSLOG_FACILITY_COUNT);
	ASSERT(m->severity < 8);
	check_field(in, m->sequence, &at);
	check_field(in, m->stamp, &at);
	check_field(in, m->host, &at);
	if (m->form == SYSLOG_IETF)
		check_field(in, m->app, &at);
	check_field(in, m->procid, &at);
	if (m->form == SYSLOG_IETF)
		check_field(in, m->msgid, &at);
	check_field(in, m->text, &at);
	ASSERT(m->text.p);
	/* Behind the text there is nothing but line ends. */
	while (at < end) {
		ASSERT(*at == '\n' || *at == '\r' || *at == 0);
		at++;
	}
}

static void check_record(struct span record)
{
	struct rcur c = rcur_of(record.p, record.n);

	ASSERT(record.n > 0);
	ASSERT(walk_skip(&c) == 0);
	ASSERT(rcur_left(&c) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct syslog_record_conf conf = { .json = true };
	static struct syslog s;
	static struct syslog_record r;
	struct syslog_zone zone = { .offset_s = 3600 };
	struct syslog_source from = { .received_ns = INT64_C(1709251210) * CLOCK_NS_PER_SEC };
	struct syslog_message m;
	struct span record;

	if (n == 0 || n > LIMIT_SYSLOG_BYTES)
		return 0;
	from.local = data[0] & 1;
	from.cut = data[0] & 2;
	zone.local = data[0] & 4;
	syslog_init(&s, &zone);
	syslog_parse(&s, &from, span_of(data + 1, n - 1), &m);
	check_message(span_of(data + 1, n - 1), &m);
	if (!r.out.p)
		ASSERT(syslog_record_init(&r, &conf) == 0);
	syslog_record_make(&r, &s, &m, &record);
	check_record(record);
	return 0;
}
