#include "collector/partial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "proto/base/buf.h"
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/wire/walk.h"

/* Before each part in the memory of its message: then its tag and its record. */
struct part {
	int64_t time_ns;
	uint32_t tag_bytes;
	uint32_t record_bytes;
	bool has_time;
};

/* One message. */
struct message {
	bool used;
	bool old; /* of the form without ids */
	bool whole;
	bool lost;   /* given up */
	bool owed;   /* an ack waits for it */
	bool handed; /* handed out, and forgotten when that is safe */
	XXH128_hash_t name;
	int64_t since_ms;
	struct buf parts;
	unsigned count;
	size_t settled_bytes; /* of frames that are complete */
	unsigned settled_count;
};

struct partial {
	struct message messages[LIMIT_PARTIALS];
	size_t bytes; /* of all parts */
	unsigned open;
	unsigned open_old;
	struct buf joined;
	struct message *flushing;
};

/* What a record says of itself as a part. */
struct marks {
	struct span id, container, source, log;
	uint64_t ordinal;
	bool part, last;
};

/* ---- life ---- */

int partial_new(struct partial **out)
{
	struct partial *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++)
		buf_init(&p->messages[i].parts, LIMIT_PARTIAL_BYTES);
	buf_init(&p->joined, 2 * LIMIT_PARTIAL_BYTES);
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
	free(p);
	*at = NULL;
}

static void forget(struct partial *p, struct message *m)
{
	ASSERT(m->used);
	p->bytes -= m->parts.len;
	p->open--;
	p->open_old -= m->old;
	buf_fini(&m->parts);
	*m = (struct message){ .used = false };
	buf_init(&m->parts, LIMIT_PARTIAL_BYTES);
}

/* ---- reading a record ---- */

static bool is_true(const struct walk_value *v)
{
	return walk_is_text(v) ? span_eq(v->data, SPAN_LIT("true")) : v->type == WALK_BOOL && v->b;
}

static uint64_t number(const struct walk_value *v)
{
	uint64_t n = 0;

	if (v->type == WALK_UINT)
		return v->u;
	if (!walk_is_text(v) || v->data.n > 9)
		return 0;
	for (size_t i = 0; i < v->data.n; i++) {
		if (v->data.p[i] < '0' || v->data.p[i] > '9')
			return 0;
		n = n * 10 + (v->data.p[i] - '0');
	}
	return n;
}

static void read_pair(struct span key, const struct walk_value *v, struct marks *m)
{
	static const char *const names[] = { "partial_id", "container_id", "source", "log" };
	struct span *const to[] = { &m->id, &m->container, &m->source, &m->log };

	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		if (walk_is_text(v) && span_eq(key, span_str(names[i])))
			*to[i] = v->data;
	}
	if (span_eq(key, SPAN_LIT("partial_ordinal")))
		m->ordinal = number(v);
	else if (span_eq(key, SPAN_LIT("partial_message")))
		m->part = is_true(v);
	else if (span_eq(key, SPAN_LIT("partial_last")))
		m->last = is_true(v);
}

/* One pair of a map: its key, *v its value's head, *whole both. False at the map's end. */
static bool next_pair(
	struct rcur *c, struct walk_value *key, struct walk_value *v, struct span *whole)
{
	const uint8_t *begin = c->p;
	struct rcur head;

	if (walk_read(c, key) < 0)
		return false;
	head = *c;
	if (walk_read(&head, v) < 0 || walk_skip(c) < 0)
		return false;
	*whole = span_of(begin, (size_t)(c->p - begin));
	return true;
}

static struct marks read_marks(struct span record)
{
	struct rcur c = rcur_of(record.p, record.n);
	struct marks m = { .ordinal = 0 };
	struct walk_value map, key, v;
	struct span whole;

	if (walk_read(&c, &map) < 0 || map.type != WALK_MAP)
		return m;
	for (uint32_t i = 0; i < map.count && next_pair(&c, &key, &v, &whole); i++) {
		if (walk_is_text(&key))
			read_pair(key.data, &v, &m);
	}
	return m;
}

static XXH128_hash_t add_name(XXH128_hash_t h, struct span s)
{
	return XXH3_128bits_withSeed(s.n ? (const void *)s.p : "", s.n, h.low64 ^ h.high64 ^ s.n);
}

static XXH128_hash_t name_of(struct span tag, const struct marks *m)
{
	XXH128_hash_t h = { 0 };

	h = add_name(h, tag);
	h = add_name(h, m->container);
	h = add_name(h, m->source);
	return add_name(h, m->id);
}

/* ---- keeping ---- */

static struct message *find(struct partial *p, XXH128_hash_t name)
{
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		struct message *m = &p->messages[i];

		if (m->used && !m->whole && XXH128_isEqual(m->name, name))
			return m;
	}
	return NULL;
}

/* A free place; when there is none the oldest message is given up, which frees one soon. */
static struct message *place(struct partial *p)
{
	struct message *oldest = NULL;

	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		struct message *m = &p->messages[i];

		if (!m->used)
			return m;
		if (!m->whole && !m->lost && (!oldest || m->since_ms < oldest->since_ms))
			oldest = m;
	}
	if (oldest)
		oldest->lost = true;
	return NULL;
}

static struct message *begin(struct partial *p, XXH128_hash_t name, bool old, int64_t now_ms)
{
	struct message *m = place(p);

	if (!m)
		return NULL;
	m->used = true;
	m->old = old;
	m->name = name;
	m->since_ms = now_ms;
	p->open++;
	p->open_old += old;
	return m;
}

static int keep(
	struct partial *p, struct message *m, struct span tag, const struct forward_entry *e)
{
	struct part part = { .time_ns = e->time_ns,
		.tag_bytes = (uint32_t)tag.n,
		.record_bytes = (uint32_t)e->record.n,
		.has_time = e->has_time };
	size_t n = sizeof part + tag.n + e->record.n;

	if (n > LIMIT_PARTIAL_BYTES - p->bytes || m->count == LIMIT_PARTIAL_PARTS) {
		m->lost = true;
		return 0;
	}
	if (buf_reserve(&m->parts, n) < 0)
		return m->parts.err;
	buf_put(&m->parts, &part, sizeof part);
	buf_put_span(&m->parts, tag);
	buf_put_span(&m->parts, e->record);
	p->bytes += n;
	m->count++;
	return PARTIAL_HELD;
}

/* A message of which nothing was kept is none. */
static int kept(struct partial *p, struct message *m, int rc)
{
	if (m->count == 0)
		forget(p, m);
	return rc;
}

int partial_put(
	struct partial *p, struct span tag, const struct forward_entry *entry, int64_t now_ms)
{
	struct marks marks = read_marks(entry->record);
	XXH128_hash_t name = name_of(tag, &marks);
	struct message *m = find(p, name);
	bool old = !marks.id.p;
	int rc;

	/* Fluent Bit's additions and records without text are no Docker's. */
	if (!marks.log.p || entry->metadata.p || entry->group.p)
		return 0;
	if (!m && (old || marks.ordinal == 1))
		m = begin(p, name, old, now_ms);
	if (!m || m->lost)
		return 0;
	if (!old && marks.ordinal != m->count + 1) {
		m->lost = true;
		return 0;
	}
	rc = keep(p, m, tag, entry);
	m->whole = rc == PARTIAL_HELD && marks.last;
	return kept(p, m, rc);
}

bool partial_ends(struct partial *p, struct span tag, const struct forward_entry *entry)
{
	struct marks marks;
	struct message *m;

	if (p->open_old == 0)
		return false;
	marks = read_marks(entry->record);
	if (marks.part || !marks.log.p)
		return false;
	marks.id = SPAN_NONE;
	m = find(p, name_of(tag, &marks));
	if (!m || m->lost || keep(p, m, tag, entry) != PARTIAL_HELD)
		return false;
	m->whole = true;
	return true;
}

/* ---- handing out ---- */

static bool next_part(struct rcur *c, struct span *tag, struct forward_entry *entry)
{
	struct part part;
	struct span head;

	if (rcur_left(c) == 0)
		return false;
	head = rcur_bytes(c, sizeof part);
	memcpy(&part, head.p, sizeof part);
	*tag = rcur_bytes(c, part.tag_bytes);
	*entry = (struct forward_entry){ .record = rcur_bytes(c, part.record_bytes),
		.time_ns = part.time_ns,
		.has_time = part.has_time };
	ASSERT(c->err == 0);
	return true;
}

static bool is_mark(struct span key)
{
	return span_eq(key, SPAN_LIT("log")) || span_eq(key, SPAN_LIT("partial_message")) ||
	       span_eq(key, SPAN_LIT("partial_id")) || span_eq(key, SPAN_LIT("partial_ordinal")) ||
	       span_eq(key, SPAN_LIT("partial_last"));
}

static void put_be32(struct buf *b, uint8_t first, uint32_t n)
{
	buf_put_u8(b, first);
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_put_u8(b, (uint8_t)(n >> shift));
}

/* The first part's record without what was of the part alone, and the texts of all behind it. */
static void put_first(struct buf *to, struct span record)
{
	struct rcur c = rcur_of(record.p, record.n);
	struct walk_value map, key, v;
	struct span whole;
	uint32_t pairs = 1;

	walk_read(&c, &map);
	for (uint32_t i = 0; i < map.count && next_pair(&c, &key, &v, &whole); i++)
		pairs += !walk_is_text(&key) || !is_mark(key.data);
	put_be32(to, 0xdf, pairs);
	c = rcur_of(record.p, record.n);
	walk_read(&c, &map);
	for (uint32_t i = 0; i < map.count && next_pair(&c, &key, &v, &whole); i++) {
		if (!walk_is_text(&key) || !is_mark(key.data))
			buf_put_span(to, whole);
	}
}

static int hand_joined(struct partial *p, struct message *m, partial_cb cb, void *arg)
{
	struct rcur c = rcur_of(m->parts.p, m->parts.len);
	struct forward_entry first, e;
	struct span tag, any;
	uint64_t text = 0;
	int rc;

	while (next_part(&c, &any, &e))
		text += read_marks(e.record).log.n;
	c = rcur_of(m->parts.p, m->parts.len);
	next_part(&c, &tag, &first);
	buf_reset(&p->joined);
	put_first(&p->joined, first.record);
	buf_put_str(&p->joined, "\xa3log");
	put_be32(&p->joined, 0xdb, (uint32_t)text);
	c = rcur_of(m->parts.p, m->parts.len);
	while (next_part(&c, &any, &e))
		buf_put_span(&p->joined, read_marks(e.record).log);
	first.record = buf_span(&p->joined);
	rc = p->joined.err ? p->joined.err : cb(arg, tag, &first);
	buf_fini(&p->joined);
	return rc;
}

int partial_settle(struct partial *p, partial_cb cb, void *arg)
{
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		struct message *m = &p->messages[i];
		int rc;

		if (!m->used || !m->whole)
			continue;
		rc = hand_joined(p, m, cb, arg);
		if (rc < 0)
			return rc;
		/* One that is no event when joined may be some in parts. */
		m->whole = false;
		m->handed = rc == 0;
		m->lost = rc > 0;
	}
	return 0;
}

void partial_settled(struct partial *p)
{
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		struct message *m = &p->messages[i];

		if (!m->used)
			continue;
		m->settled_bytes = m->parts.len;
		m->settled_count = m->count;
		if (m->handed)
			forget(p, m);
	}
}

void partial_abort(struct partial *p)
{
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		struct message *m = &p->messages[i];

		if (!m->used)
			continue;
		p->bytes -= m->parts.len - m->settled_bytes;
		m->parts.len = m->settled_bytes;
		m->count = m->settled_count;
		m->whole = false;
		m->handed = false;
		if (m->count == 0)
			forget(p, m);
	}
}

bool partial_unfinished(const struct partial *p)
{
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		const struct message *m = &p->messages[i];

		if (m->used && !m->handed && m->count > m->settled_count)
			return true;
	}
	return false;
}

void partial_owe_ack(struct partial *p)
{
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++)
		p->messages[i].owed |= p->messages[i].used;
}

/* ---- giving up ---- */

static bool is_due(const struct message *m, int64_t now_ms)
{
	int64_t patience = m->owed ? LIMIT_PARTIAL_ACK_MS : LIMIT_PARTIAL_MS;

	return m->used && m->settled_count > 0 && (m->lost || now_ms - m->since_ms >= patience);
}

int partial_flush(struct partial *p, int64_t now_ms, partial_cb cb, void *arg)
{
	for (unsigned i = 0; i < LIMIT_PARTIALS; i++) {
		struct message *m = &p->messages[i];
		struct rcur c = rcur_of(m->parts.p, m->settled_bytes);
		struct forward_entry entry;
		struct span tag;

		if (!is_due(m, now_ms))
			continue;
		while (next_part(&c, &tag, &entry)) {
			int rc = cb(arg, tag, &entry);

			if (rc < 0)
				return rc;
		}
		p->flushing = m;
		return PARTIAL_FLUSHED;
	}
	return 0;
}

/* What the frame under way has brought of the message stays, to be stored as it is. */
void partial_flushed(struct partial *p)
{
	struct message *m = p->flushing;

	ASSERT(m);
	p->flushing = NULL;
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
}

/* ---- what is known ---- */

unsigned partial_open(const struct partial *p)
{
	return p->open;
}

unsigned partial_owed(const struct partial *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LIMIT_PARTIALS; i++)
		n += p->messages[i].used && p->messages[i].owed;
	return n;
}

size_t partial_bytes(const struct partial *p)
{
	size_t n = sizeof *p;

	for (unsigned i = 0; i < LIMIT_PARTIALS; i++)
		n += p->messages[i].parts.cap;
	return n;
}
