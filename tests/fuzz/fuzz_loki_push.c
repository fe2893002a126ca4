/*
 * Goal: no body of a Loki push, JSON or protobuf, makes the reader do more than refuse it, and every record
 *       it gives is one whole msgpack map.
 */
#include "proto/base/check.h"
#include "proto/wire/loki_push.h"
#include "proto/wire/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int check_entry(void *arg, const struct loki_push_entry *entry)
{
	struct rcur c = rcur_of(entry->record.p, entry->record.n);
	struct walk_value v;

	(void)arg;
	ASSERT(walk_read(&c, &v) == 0);
	ASSERT(v.type == WALK_MAP);
	c = rcur_of(entry->record.p, entry->record.n);
	ASSERT(walk_skip(&c) == 0);
	ASSERT(rcur_left(&c) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct loki_push p;
	struct json_in_error e;

	loki_push_init(&p, check_entry, NULL);
	(void)loki_push_protobuf(&p, span_of(data, n));
	(void)loki_push_json(&p, span_of(data, n), &e);
	loki_push_fini(&p);
	return 0;
}
