/*
 * Goal: no line of a bulk, taken as an action and as a document, makes its readers do more than refuse it;
 *       a record made of a document is one whole msgpack map, and no larger than the document allows.
 */
#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/wire/ecs.h"
#include "proto/wire/es_bulk.h"
#include "proto/wire/json_in.h"
#include "proto/wire/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { NAMES_BYTES = 256 };

static void check_document(struct ecs *ecs, struct span document, const struct ecs_more *more)
{
	struct buf record;
	struct walk_value v;
	struct rcur c;

	buf_init(&record, 64 << 20);
	if (ecs_record(ecs, document, more, &record) == 0) {
		c = rcur_of(record.p, record.len);
		ASSERT(walk_read(&c, &v) == 0);
		ASSERT(v.type == WALK_MAP);
		c = rcur_of(record.p, record.len);
		ASSERT(walk_skip(&c) == 0);
		ASSERT(rcur_left(&c) == 0);
		ASSERT(record.len <= document.n + more->index.n + more->id.n + NAMES_BYTES);
	}
	buf_fini(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct es_bulk_action action = { .index = SPAN_NONE };
	struct ecs_more more = { .index = SPAN_NONE };
	struct buf value;
	struct ecs *ecs;

	ASSERT(ecs_new(&ecs) == 0);
	buf_init(&value, 64 << 20);
	(void)es_bulk_members(span_of(data, n));
	/* Any msgpack is a document, too. */
	check_document(ecs, span_of(data, n), &more);
	if (json_in_text(span_of(data, n), JSON_IN_REPAIR, &value, NULL) == 0) {
		if (es_bulk_action_read(buf_span(&value), &action) == 0)
			more = (struct ecs_more){ .index = action.index, .id = action.id };
		check_document(ecs, buf_span(&value), &more);
	}
	buf_fini(&value);
	ecs_free(&ecs);
	return 0;
}
