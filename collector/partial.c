#include "collector/partial_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/partial_record.h"
#include "proto/base/check.h"

/* ---- life ---- */

int partial_new(struct partial **out)
{
	struct partial *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++)
		buf_init(&p->messages[i].parts, LIMIT_PARTIAL_BYTES);
	buf_init(&p->joined, 2 * LIMIT_PARTIAL_BYTES);
	buf_init(&p->alone, LIMIT_PARTIAL_BYTES);
	parts_ledger_init(&p->ledger);
	*out = p;
	return 0;
}

void partial_free(struct partial **at)
{
	struct partial *p = *at;

	if (!p)
		return;
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++)
		buf_fini(&p->messages[i].parts);
	buf_fini(&p->joined);
	buf_fini(&p->alone);
	parts_ledger_fini(&p->ledger);
	free(p);
	*at = NULL;
}

static void forget(struct partial *p, struct partial_message *m)
{
	ASSERT(m->used);
	p->bytes -= m->parts.len;
	p->open--;
	p->open_old -= m->old;
	buf_fini(&m->parts);
	*m = (struct partial_message){ .used = false };
	buf_init(&m->parts, LIMIT_PARTIAL_BYTES);
}

static uint32_t bit_of(const struct partial *p, const struct partial_message *m)
{
	return UINT32_C(1) << (m - p->messages);
}

static bool is_storing(const struct partial *p, const struct partial_message *m)
{
	return p->storing & bit_of(p, m);
}

/* ---- parts in a buffer ---- */

static size_t part_bytes(struct span tag, const struct forward_entry *e)
{
	return sizeof(struct partial_part) + tag.n + e->record.n;
}

static int put_part(
	struct buf *to, const struct partial_part *head, struct span tag, struct span record)
{
	if (buf_reserve(to, sizeof *head + tag.n + record.n) < 0)
		return to->err;
	buf_put(to, head, sizeof *head);
	buf_put_span(to, tag);
	buf_put_span(to, record);
	return 0;
}

/* Those of frames that are complete. */
static struct rcur settled_parts(const struct partial_message *m)
{
	return rcur_of(m->parts.p, m->settled_bytes);
}

static int hand_parts(struct rcur c, const struct partial_out *out)
{
	struct forward_entry entry;
	struct partial_part part;
	struct span tag;
	int rc = 0;

	while (rc >= 0 && partial_next_part(&c, &part, &tag, &entry))
		rc = out->part(out->arg, tag, &entry);
	return rc < 0 ? rc : 0;
}

/* ---- keeping ---- */

static struct partial_message *find(struct partial *p, XXH128_hash_t name)
{
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		struct partial_message *m = &p->messages[i];

		if (m->used && !m->whole && XXH128_isEqual(m->name, name))
			return m;
	}
	return NULL;
}

/* A free place; when there is none the oldest message is given up, which frees one soon. */
static struct partial_message *place(struct partial *p)
{
	struct partial_message *oldest = NULL;

	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		struct partial_message *m = &p->messages[i];

		if (!m->used)
			return m;
		if (!m->whole && !m->lost && (!oldest || m->due_ms < oldest->due_ms))
			oldest = m;
	}
	if (oldest)
		oldest->lost = true;
	return NULL;
}

static struct partial_message *begin(
	struct partial *p, XXH128_hash_t name, bool old, int64_t now_ms)
{
	struct partial_message *m = place(p);

	if (!m)
		return NULL;
	m->used = true;
	m->old = old;
	m->name = name;
	m->due_ms = now_ms + LIMIT_PARTIAL_MS;
	p->open++;
	p->open_old += old;
	return m;
}

static int keep(struct partial *p, struct partial_message *m, const struct partial_part *head,
	struct span tag, const struct forward_entry *e)
{
	size_t n = part_bytes(tag, e);
	int rc;

	if (n > LIMIT_PARTIAL_BYTES - p->bytes || m->count == LIMIT_PARTIAL_PARTS) {
		m->lost = true;
		return 0;
	}
	rc = put_part(&m->parts, head, tag, e->record);
	if (rc < 0)
		return rc;
	p->bytes += n;
	m->count++;
	return PARTIAL_HELD;
}

/* A message of which nothing was kept is none. */
static int kept(struct partial *p, struct partial_message *m, int rc)
{
	if (m->count == 0)
		forget(p, m);
	return rc;
}

static struct partial_part part_head(
	XXH128_hash_t name, uint32_t number, struct span tag, const struct forward_entry *e)
{
	return (struct partial_part){ .name = name,
		.time_ns = e->time_ns,
		.tag_bytes = (uint32_t)tag.n,
		.record_bytes = (uint32_t)e->record.n,
		.number = number,
		.has_time = e->has_time };
}

/* Into its message. PARTIAL_HELD; 0: none takes it; -ENOMEM. */
static int put_in_message(struct partial *p, const struct partial_record_marks *marks,
	const struct partial_part *head, struct span tag, const struct forward_entry *entry,
	int64_t now_ms)
{
	struct partial_message *m = find(p, head->name);
	bool old = !marks->id.p;
	int rc;

	if (!m && (old || marks->ordinal == 1))
		m = begin(p, head->name, old, now_ms);
	if (!m || m->lost)
		return 0;
	if (!old && marks->ordinal != m->count + 1) {
		m->lost = true;
		return 0;
	}
	m->put_ms = now_ms;
	rc = keep(p, m, head, tag, entry);
	m->whole = rc == PARTIAL_HELD && marks->last;
	return kept(p, m, rc);
}

static void give_up_named(struct partial *p, XXH128_hash_t name)
{
	struct partial_message *m = find(p, name);

	if (m)
		m->lost = true;
}

int partial_put(struct partial *p, struct span tag, const struct forward_entry *entry,
	int64_t now_ms, bool joins)
{
	struct partial_record_marks marks = partial_record_read(entry->record);
	size_t n = part_bytes(tag, entry);
	struct partial_part head;
	int rc = 0;

	/* Fluent Bit's additions and records without text are no Docker's. */
	if (!marks.log.p || entry->metadata.p || entry->group.p)
		return 0;
	p->large |= p->numbers == LIMIT_PARTIAL_PARTS || n > LIMIT_PARTIAL_BYTES - p->number_bytes;
	head = part_head(partial_record_name(tag, &marks), p->numbers, tag, entry);
	if (joins)
		rc = put_in_message(p, &marks, &head, tag, entry, now_ms);
	else
		give_up_named(p, head.name);
	if (rc == 0 && !p->large) {
		rc = put_part(&p->alone, &head, tag, entry->record);
		rc = rc < 0 ? rc : PARTIAL_HELD;
	}
	if (!p->large) {
		p->numbers++;
		p->number_bytes += n;
	}
	return rc;
}

bool partial_ends(struct partial *p, struct span tag, const struct forward_entry *entry)
{
	struct partial_record_marks marks;
	struct partial_message *m;
	struct partial_part head;

	if (p->open_old == 0)
		return false;
	marks = partial_record_read(entry->record);
	if (marks.part || !marks.log.p)
		return false;
	marks.id = SPAN_NONE;
	head = part_head(partial_record_name(tag, &marks), PARTIAL_NO_NUMBER, tag, entry);
	m = find(p, head.name);
	if (!m || m->lost || keep(p, m, &head, tag, entry) != PARTIAL_HELD)
		return false;
	m->whole = true;
	p->ended = true;
	return true;
}

bool partial_brought(const struct partial *p)
{
	return p->numbers > 0 || p->ended || p->large;
}

/* ---- the end of a frame ---- */

static int hand_whole(struct partial *p, struct partial_message *m, const struct partial_out *out)
{
	struct rcur c = rcur_of(m->parts.p, m->parts.len);
	struct forward_entry first, e;
	struct span tag, any;
	struct partial_part part;
	uint64_t text = 0;
	int rc;

	while (partial_next_part(&c, &part, &any, &e))
		text += partial_record_read(e.record).log.n;
	c = rcur_of(m->parts.p, m->parts.len);
	partial_next_part(&c, &part, &tag, &first);
	buf_reset(&p->joined);
	partial_record_join(&p->joined, first.record, (uint32_t)text);
	c = rcur_of(m->parts.p, m->parts.len);
	while (partial_next_part(&c, &part, &any, &e))
		buf_put_span(&p->joined, partial_record_read(e.record).log);
	first.record = buf_span(&p->joined);
	rc = p->joined.err ? p->joined.err : out->whole(out->arg, tag, &first);
	buf_fini(&p->joined);
	return rc;
}

static int settle_whole(struct partial *p, struct partial_message *m, const struct partial_out *out)
{
	int rc = hand_whole(p, m, out);

	if (rc == 0)
		p->storing |= bit_of(p, m);
	/* One that is no event when joined may be some in parts. */
	m->lost |= rc > 0;
	return rc < 0 ? rc : 0;
}

static void drop_new_parts(struct partial *p, struct partial_message *m)
{
	p->bytes -= m->parts.len - m->settled_bytes;
	m->parts.len = m->settled_bytes;
	m->count = m->settled_count;
	m->whole = false;
	if (m->count == 0)
		forget(p, m);
}

/* The frame leaves it open. False: it cannot. */
static bool stays_open(
	struct partial *p, struct partial_message *m, const struct parts_ledger_frame *own)
{
	struct rcur c = partial_new_parts(m);
	struct forward_entry any;
	struct partial_part first;
	struct span tag;

	if (m->lost || (own && own->named && p->large))
		return false;
	if (!own)
		return true;
	partial_next_part(&c, &first, &tag, &any);
	ASSERT(first.number != PARTIAL_NO_NUMBER);
	if (!parts_ledger_add(&p->ledger, own, first.number, (unsigned)(m - p->messages)))
		return false;
	if (!m->owed && m->put_ms + LIMIT_PARTIAL_ACK_MS < m->due_ms)
		m->due_ms = m->put_ms + LIMIT_PARTIAL_ACK_MS;
	m->owed = true;
	return true;
}

static int settle_message(struct partial *p, struct partial_message *m,
	const struct parts_ledger_frame *own, const struct partial_out *out)
{
	int rc = m->whole ? settle_whole(p, m, out) : 0;

	if (rc < 0 || is_storing(p, m) || m->count == m->settled_count || stays_open(p, m, own))
		return rc;
	m->lost = true;
	rc = hand_parts(partial_new_parts(m), out);
	if (rc == 0)
		drop_new_parts(p, m);
	return rc;
}

int partial_settle(
	struct partial *p, const struct parts_ledger_frame *own, const struct partial_out *out)
{
	int rc = 0;

	p->storing = 0;
	for (unsigned i = 0; rc == 0 && i < LIMIT_PARTIALS; i++) {
		if (p->messages[i].used)
			rc = settle_message(p, &p->messages[i], own, out);
	}
	return rc < 0 ? rc : hand_parts(rcur_of(p->alone.p, p->alone.len), out);
}

static void end_frame(struct partial *p)
{
	buf_fini(&p->alone);
	p->numbers = 0;
	p->number_bytes = 0;
	p->ended = false;
	p->large = false;
	p->storing = 0;
}

void partial_settled(struct partial *p, const struct parts_ledger_frame *own, uint64_t seq,
	parts_ledger_cb cb, void *arg)
{
	parts_ledger_settle(&p->ledger, p->storing, own, seq, cb, arg);
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		struct partial_message *m = &p->messages[i];

		if (!m->used)
			continue;
		m->settled_bytes = m->parts.len;
		m->settled_count = m->count;
		if (is_storing(p, m))
			forget(p, m);
	}
	end_frame(p);
}

void partial_abort(struct partial *p)
{
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		if (p->messages[i].used)
			drop_new_parts(p, &p->messages[i]);
	}
	parts_ledger_abort(&p->ledger);
	end_frame(p);
}

/* ---- giving up ---- */

static bool is_due(const struct partial_message *m, int64_t now_ms)
{
	return m->used && m->settled_count > 0 && (m->lost || now_ms >= m->due_ms);
}

int partial_flush(struct partial *p, int64_t now_ms, const struct partial_out *out)
{
	p->storing = 0;
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		struct partial_message *m = &p->messages[i];
		int rc;

		if (!is_due(m, now_ms))
			continue;
		rc = hand_parts(settled_parts(m), out);
		if (rc < 0)
			return rc;
		p->storing = bit_of(p, m);
		return PARTIAL_FLUSHED;
	}
	return 0;
}

/* What the frame under way has brought of the message stays, to be stored with the frame. */
static void forget_settled(struct partial *p, struct partial_message *m)
{
	if (m->count == m->settled_count) {
		forget(p, m);
		return;
	}
	memmove(m->parts.p, m->parts.p + m->settled_bytes, m->parts.len - m->settled_bytes);
	p->bytes -= m->settled_bytes;
	m->parts.len -= m->settled_bytes;
	m->count -= m->settled_count;
	m->settled_bytes = 0;
	m->settled_count = 0;
	m->whole = false;
	m->lost = true;
	m->owed = false;
}

void partial_flushed(struct partial *p, uint64_t seq, parts_ledger_cb cb, void *arg)
{
	ASSERT(p->storing != 0);
	parts_ledger_settle(&p->ledger, p->storing, NULL, seq, cb, arg);
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		if (is_storing(p, &p->messages[i]))
			forget_settled(p, &p->messages[i]);
	}
	p->storing = 0;
}

bool partial_give_up(struct partial *p, struct store_chunk id)
{
	uint32_t messages = parts_ledger_messages(&p->ledger, id);

	for (unsigned i = 0; i < LIMIT_PARTIALS; i++)
		p->messages[i].lost |= messages >> i & 1;
	return messages != 0;
}

/* ---- what is known ---- */

uint32_t partial_ids(
	const struct partial *p, const struct parts_ledger_frame *own, struct store_chunk *out)
{
	return parts_ledger_ids(&p->ledger, p->storing, own, out);
}

unsigned partial_open(const struct partial *p)
{
	return p->open;
}

bool partial_holds(const struct partial *p, uint64_t ack)
{
	return parts_ledger_waits(&p->ledger, ack);
}

bool partial_holds_any(const struct partial *p)
{
	return !parts_ledger_empty(&p->ledger);
}

bool partial_empty(const struct partial *p)
{
	return p->open == 0 && !partial_brought(p);
}

size_t partial_bytes(const struct partial *p)
{
	size_t n = sizeof *p + p->alone.cap + p->ledger.entries.cap;

	for (unsigned i = 0; i < LIMIT_PARTIALS; i++)
		n += p->messages[i].parts.cap;
	return n;
}
