/*
 * What became of each action is noted in two bytes or a few more, for the answer is written when all is
 * durable: flags and status, then what of index, id and reason is not as before or not said by the flags.
 */
#include "collector/http_bulk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/arena.h"
#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/http/http_url.h"
#include "proto/wire/ecs.h"
#include "proto/wire/es_bulk.h"
#include "proto/wire/json_stream.h"

enum {
	PARAMS_BYTES = LIMIT_HTTP_LINE_BYTES,
	TEXT_BYTES = JSON_STREAM_TEXT_BYTES + 40,
};

/* Of a note. The verb is in the lowest two bits. */
enum {
	NOTE_VERB = 3,
	NOTE_INDEX = 1 << 2,  /* a new name follows, for this and all behind */
	NOTE_ID = 1 << 3,     /* follows */
	NOTE_STORED = 1 << 4, /* it has an event, the next one */
	NOTE_FAILED = 1 << 5, /* the kind and a reason follow */
};

/* Why an action failed: in which words Elasticsearch says so, and a reason; NULL: one of its own. */
enum failure { FAILED_NONE, FAILED_SYNTAX, FAILED_SHAPE, FAILED_LIMIT, FAILED_VERB, FAILED_NAME };

static const struct {
	const char *type;
	const char *reason;
} failures[] = {
	[FAILED_SYNTAX] = { "mapper_parsing_exception", NULL },
	[FAILED_SHAPE] = { "mapper_parsing_exception", "a document is an object" },
	[FAILED_LIMIT] = { "mapper_parsing_exception",
		"the document is beyond a limit of size or of fields" },
	[FAILED_VERB] = { "illegal_argument_exception",
		"events are not changed: only create and index are taken" },
	[FAILED_NAME] = { "illegal_argument_exception",
		"the name of the index or the id is too long" },
};

struct bulk {
	struct json_stream stream;
	struct ecs *ecs;
	struct buf record; /* as it becomes an event */
	struct buf names;  /* of the action that waits for its document: index, then id */
	struct buf last;   /* the index noted last */
	struct buf notes;
	struct arena texts;
	struct span path_index;       /* of the path; decoded */
	struct es_bulk_action action; /* spans into names */
	bool waits;                   /* for the document of the action */
	enum failure why;             /* of the action itself */
	uint32_t items;
	bool errors;
	unsigned members; /* of the answer */
	int64_t begun_ns;
};

/* ---------------------------------------------------------------- notes */

static void put_text(struct buf *b, struct span s)
{
	uint16_t n = (uint16_t)s.n;

	ASSERT(s.n <= UINT16_MAX);
	buf_put(b, &n, sizeof n);
	buf_put_span(b, s);
}

static struct span get_text(struct rcur *c)
{
	uint16_t n = 0;
	struct span s = rcur_bytes(c, sizeof n);

	if (s.p)
		memcpy(&n, s.p, sizeof n);
	return rcur_bytes(c, n);
}

/* reason: of a failure that has none by itself. */
static int note(
	struct http_intake_request *r, unsigned flags, enum failure failure, const char *reason)
{
	struct bulk *b = http_intake_state(r);
	bool same = span_eq(buf_span(&b->last), b->action.index);

	flags |= b->action.verb | (same ? 0u : NOTE_INDEX) | (b->action.id.p ? NOTE_ID : 0u);
	buf_put_u8(&b->notes, (uint8_t)(flags | (failure ? NOTE_FAILED : 0u)));
	if (!same) {
		put_text(&b->notes, b->action.index);
		buf_reset(&b->last);
		buf_put_span(&b->last, b->action.index);
	}
	if (b->action.id.p)
		put_text(&b->notes, b->action.id);
	if (failure)
		buf_put_u8(&b->notes, (uint8_t)failure);
	if (failure && !failures[failure].reason)
		put_text(&b->notes, span_str(reason));
	b->errors = b->errors || failure;
	if (b->notes.err == -ENOMEM || b->last.err)
		return http_intake_refuse(r, 503, "out of memory", NULL);
	if (b->notes.err || b->items++ == LIMIT_ES_ITEMS)
		return http_intake_refuse(r, 413, "more actions than one request may have",
			"send them in several requests");
	return 0;
}

/* ---------------------------------------------------------------- actions */

static struct http_intake_place place(const struct bulk *b)
{
	return (struct http_intake_place){ "line", b->stream.line };
}

static int fail(struct http_intake_request *r, enum failure failure, const char *reason)
{
	struct bulk *b = http_intake_state(r);
	const char *fixed = failures[failure].reason;

	http_intake_bad(r, place(b), fixed ? fixed : reason);
	return note(r, 0, failure, reason);
}

static int refuse_action(struct http_intake_request *r, const char *why)
{
	struct bulk *b = http_intake_state(r);
	char text[TEXT_BYTES];

	snprintf(text, sizeof text, "line %llu is no action: %s",
		(unsigned long long)b->stream.line, why);
	return http_intake_refuse(r, 400, text,
		"nothing was stored; {\"create\":{}} or {\"index\":{}} stands before each document");
}

/* The spans of the action point into memory that the next value takes. */
static void keep_names(struct bulk *b)
{
	struct es_bulk_action *a = &b->action;
	struct span index = a->index.p ? a->index : b->path_index, id = a->id;

	/* Too long a name is cut, and its action fails. */
	if (index.n > LIMIT_ES_NAME_BYTES)
		index.n = LIMIT_ES_NAME_BYTES;
	if (id.n > LIMIT_ES_NAME_BYTES)
		id.n = LIMIT_ES_NAME_BYTES;
	buf_reset(&b->names);
	buf_put_span(&b->names, index);
	buf_put_span(&b->names, id);
	a->index = span_of(b->names.p, index.n);
	a->id = id.p ? span_of(b->names.p + index.n, id.n) : SPAN_NONE;
}

static int take_action(struct http_intake_request *r, struct span value)
{
	struct bulk *b = http_intake_state(r);
	int rc = es_bulk_action_read(value, &b->action);

	if (rc < 0 && rc != ERR_LIMIT)
		return refuse_action(r, "one of create and index, and an object");
	keep_names(b);
	if (b->names.err)
		return http_intake_refuse(r, 503, "out of memory", NULL);
	b->why = rc == ERR_LIMIT ? FAILED_NAME : FAILED_NONE;
	if (b->action.verb == ES_BULK_UPDATE || b->action.verb == ES_BULK_DELETE)
		b->why = FAILED_VERB;
	b->waits = es_bulk_has_document(b->action.verb);
	return b->waits ? 0 : fail(r, b->why, NULL);
}

static int store(struct http_intake_request *r)
{
	struct bulk *b = http_intake_state(r);
	struct normalise_input raw = { .record = buf_span(&b->record) };
	struct http_intake_result before = *http_intake_result(r);
	int rc = http_intake_event(r, &raw, place(b));

	if (rc < 0)
		return rc;
	if (http_intake_result(r)->rejected > before.rejected)
		return note(r, 0, FAILED_LIMIT, NULL);
	/* One that a rule dropped has been dealt with as well. */
	return note(r, http_intake_result(r)->stored > before.stored ? NOTE_STORED : 0, FAILED_NONE,
		NULL);
}

static int take_document(struct http_intake_request *r, struct span document)
{
	struct bulk *b = http_intake_state(r);
	struct ecs_more more = { .index = b->action.index.n ? b->action.index : SPAN_NONE,
		.id = b->action.id };
	int rc;

	b->waits = false;
	if (b->why)
		return fail(r, b->why, NULL);
	buf_reset(&b->record);
	rc = ecs_record(b->ecs, document, &more, &b->record);
	if (rc == -ENOMEM)
		return http_intake_refuse(r, 503, "out of memory", NULL);
	if (rc < 0)
		return fail(r, rc == ERR_TYPE ? FAILED_SHAPE : FAILED_LIMIT, NULL);
	return store(r);
}

static int take_bad(struct http_intake_request *r)
{
	struct bulk *b = http_intake_state(r);
	char text[JSON_STREAM_TEXT_BYTES];
	const char *why = json_stream_explain(&b->stream, text);

	if (!b->waits)
		return refuse_action(r, why);
	b->waits = false;
	return fail(r, FAILED_SYNTAX, why);
}

/* ---------------------------------------------------------------- the body */

static int finish(struct http_intake_request *r)
{
	struct bulk *b = http_intake_state(r);

	if (b->waits)
		return http_intake_refuse(r, 400, "the last action has no document",
			"nothing was stored; send the body to its end");
	if (b->items == 0)
		return http_intake_refuse(r, 400, "no action in the body", NULL);
	return 0;
}

static int take(struct http_intake_request *r, struct span bytes, bool last)
{
	struct bulk *b = http_intake_state(r);
	struct buf *scratch = http_intake_scratch(r);
	int rc = 0;

	json_stream_feed(&b->stream, bytes, last);
	while (rc == 0) {
		rc = json_stream_next(&b->stream, scratch);
		if (rc == JSON_STREAM_MORE)
			return last ? finish(r) : 0;
		if (rc == JSON_STREAM_BAD)
			rc = take_bad(r);
		else if (rc < 0)
			rc = http_intake_refuse(r, 503, err_text(rc), NULL);
		else if (b->waits)
			rc = take_document(r, buf_span(scratch));
		else
			rc = take_action(r, buf_span(scratch));
	}
	return rc;
}

/* ---------------------------------------------------------------- the head */

/* What stands before /_bulk, unless that is what stands there for all. */
static int read_path(struct http_intake_request *r)
{
	struct bulk *b = http_intake_state(r);
	struct span path = http_intake_request(r)->path, index;
	const uint8_t *end = path.n ? memmem(path.p, path.n, "/_bulk", 6) : NULL, *from;

	if (!end || end == path.p)
		return 0;
	from = memrchr(path.p, '/', (size_t)(end - path.p));
	index = from ? span_of(from + 1, (size_t)(end - from - 1)) : SPAN_NONE;
	if (index.n == 0 || span_eq(index, SPAN_LIT("elasticsearch")))
		return 0;
	return http_url_decode(index, false, &b->texts, &b->path_index);
}

static int read_params(struct http_intake_request *r)
{
	struct bulk *b = http_intake_state(r);
	struct span rest = http_intake_request(r)->query, name, value;
	int rc;

	while ((rc = http_url_param(&rest, &b->texts, &name, &value)) == 0) {
		if (span_eq(name, SPAN_LIT("filter_path")))
			b->members = es_bulk_members(value);
	}
	return rc < 0 ? rc : 0;
}

static int begin(struct http_intake_request *r)
{
	struct bulk *b = http_intake_state(r);
	int rc;

	b->begun_ns = clock_mono_ns();
	b->members = ES_BULK_ALL;
	json_stream_init(&b->stream, JSON_STREAM_LINES);
	arena_init(&b->texts, PARAMS_BYTES);
	buf_init(&b->record, 2 * LIMIT_ENTRY_BYTES);
	buf_init(&b->names, 2 * LIMIT_ES_NAME_BYTES);
	buf_init(&b->last, LIMIT_ES_NAME_BYTES);
	buf_init(&b->notes, LIMIT_ES_NOTES_BYTES);
	if (ecs_new(&b->ecs) < 0)
		return http_intake_refuse(r, 503, "out of memory", NULL);
	rc = read_path(r);
	if (rc == 0)
		rc = read_params(r);
	if (rc < 0)
		return http_intake_refuse(
			r, 400, "path and parameters cannot be read", "encode them as %XX");
	return 0;
}

static size_t held(struct http_intake_request *r)
{
	struct bulk *b = http_intake_state(r);

	return json_stream_bytes(&b->stream) + b->record.cap + b->notes.cap;
}

static void fini(struct http_intake_request *r)
{
	struct bulk *b = http_intake_state(r);

	json_stream_fini(&b->stream);
	ecs_free(&b->ecs);
	buf_fini(&b->record);
	buf_fini(&b->names);
	buf_fini(&b->last);
	buf_fini(&b->notes);
	arena_fini(&b->texts);
}

/* ---------------------------------------------------------------- the answer */

/* *index: the name noted last; *next_id: of the next event. */
static void get_item(
	struct rcur *c, struct span *index, uint64_t *next_id, struct es_bulk_item *out)
{
	unsigned flags = rcur_u8(c);

	if (flags & NOTE_INDEX)
		*index = get_text(c);
	*out = (struct es_bulk_item){ .verb = (enum es_bulk_verb)(flags & NOTE_VERB),
		.status = flags & NOTE_FAILED ? 400 : 201,
		.index = *index };
	if (flags & NOTE_ID)
		out->id = get_text(c);
	if (flags & NOTE_FAILED) {
		unsigned failure = rcur_u8(c);

		ASSERT(failure < ARRAY_COUNT(failures));
		out->type = failures[failure].type;
		out->reason =
			failures[failure].reason ? span_str(failures[failure].reason) : get_text(c);
	}
	if (flags & NOTE_STORED && *next_id > 0)
		out->event_id = (*next_id)++;
	ASSERT(c->err == 0);
}

static void put_answer(struct bulk *b, uint64_t first_id, unsigned members, struct buf *body)
{
	struct rcur c = rcur_of(b->notes.p, b->notes.len);
	int64_t took_ms = (clock_mono_ns() - b->begun_ns) / CLOCK_NS_PER_MS;
	struct span index = SPAN_LIT("");
	struct es_bulk_item item;

	buf_reset(body);
	es_bulk_begin(body, members, took_ms, b->errors);
	while (rcur_left(&c) > 0) {
		get_item(&c, &index, &first_id, &item);
		es_bulk_item_put(body, members, &item);
	}
	es_bulk_end(body, members);
}

/* An answer that would be too long leaves out what is said of each event besides its status. */
static void answer(struct http_intake_request *r, const struct http_intake_result *result,
	struct http_call_head *head, struct buf *body)
{
	struct bulk *b = http_intake_state(r);

	head->status = 200;
	head->fields = HTTP_BULK_PRODUCT;
	put_answer(b, result->first_id, b->members, body);
	if (body->err)
		put_answer(b, result->first_id, b->members & ~(unsigned)ES_BULK_REST, body);
}

const struct http_intake_shape http_bulk_shape = { .name = "/_bulk",
	.state_bytes = sizeof(struct bulk),
	.begin = begin,
	.take = take,
	.held = held,
	.answer = answer,
	.fini = fini };
