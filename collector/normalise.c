/*
 * A record is read once. Its pairs with names we know go to slots, one per name; all others to a
 * list. Each field is then filled from the first of its names that holds something fit for it, and
 * what was not used joins the list. If the list is empty and the record's own metadata map is as it
 * should be, that map is the event's metadata where it lies; otherwise a new one is written.
 */
#include "collector/normalise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/metadata.h"
#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/timefmt.h"
#include "proto/base/utf8.h"
#include "proto/wire/forward_time.h"
#include "proto/wire/walk.h"

/* The names a record's keys may have, canonical ones and aliases: X(constant, name). */
#define KEY_TABLE(X)                      \
	X(KEY_EVENT_TYPE, "event_type")   \
	X(KEY_ACTION, "action")           \
	X(KEY_TYPE, "type")               \
	X(KEY_ENTITY_TYPE, "entity_type") \
	X(KEY_ENTITY_ID, "entity_id")     \
	X(KEY_USER_ID, "user_id")         \
	X(KEY_DESCRIPTION, "description") \
	X(KEY_MESSAGE, "message")         \
	X(KEY_MSG, "msg")                 \
	X(KEY_LOG, "log")                 \
	X(KEY_DETAILS, "details")         \
	X(KEY_IP_ADDRESS, "ip_address")   \
	X(KEY_USER_AGENT, "user_agent")   \
	X(KEY_SERVICE, "service")         \
	X(KEY_HOST, "host")               \
	X(KEY_SEVERITY, "severity")       \
	X(KEY_LEVEL, "level")             \
	X(KEY_TIMESTAMP, "timestamp")     \
	X(KEY_METADATA, "metadata")       \
	X(KEY_PARTIAL_MESSAGE, "partial_message")

enum key {
#define KEY_ENUM(constant, name) constant,
	KEY_TABLE(KEY_ENUM)
#undef KEY_ENUM
		KEY_COUNT,
};

static const struct span key_names[KEY_COUNT] = {
#define KEY_NAME(constant, name) [constant] = { (const uint8_t *)name, sizeof(name) - 1 },
	KEY_TABLE(KEY_NAME)
#undef KEY_NAME
};

/* Digits of a number that stands for a text. */
enum { NUMBER_BYTES = 32 };

static_assert((int)LIMIT_METADATA_PAIRS >= 3 * (int)LIMIT_MAP_PAIRS + (int)KEY_COUNT + 2,
	"a record, its metadata, its details and what Fluent Bit adds");
static_assert(KEY_COUNT <= 32, "a bit for each name");

#define TIME_ODD_BEFORE_NS (INT64_C(631152000) * CLOCK_NS_PER_SEC) /* 1990 */
#define TIME_ODD_AHEAD_NS  (INT64_C(366) * 86400 * CLOCK_NS_PER_SEC)

/* A name's bytes as two words, with zeroes behind it. */
struct name_words {
	uint64_t word[2];
};

enum { NAME_WORDS_BYTES = sizeof(struct name_words) };

/* The names as words, and which bits of them are the name's; filled once, by normalise_new. */
static struct name_words names[KEY_COUNT], masks[KEY_COUNT];

static void fill_names(void)
{
	for (int i = 0; i < KEY_COUNT; i++) {
		ASSERT(key_names[i].n <= NAME_WORDS_BYTES);
		memcpy(&names[i], key_names[i].p, key_names[i].n);
		memset(&masks[i], 0xff, key_names[i].n);
	}
}

/* One value under a name we know. */
struct slot {
	struct canon_pair pair;
	struct walk_value v;
};

struct normalise {
	struct metadata *metadata;
	struct normalise_counts counts;
	uint32_t have; /* bit per enum key: the slot is filled */
	uint32_t used; /* ... and its value has become part of the event */
	struct slot slots[KEY_COUNT];
	/* What stood after each name when it was met last; KEY_COUNT: at the beginning. */
	uint8_t after[KEY_COUNT + 1];
	char numbers[EVENT_TEXT_COUNT][NUMBER_BYTES];
};

int normalise_new(struct normalise **out)
{
	struct normalise *n = calloc(1, sizeof *n);
	int rc;

	if (!n)
		return -ENOMEM;
	rc = metadata_new(&n->metadata);
	if (rc < 0) {
		free(n);
		return rc;
	}
	fill_names();
	*out = n;
	return 0;
}

void normalise_free(struct normalise **n)
{
	if (!*n)
		return;
	metadata_free(&(*n)->metadata);
	free(*n);
	*n = NULL;
}

void normalise_counts(const struct normalise *n, struct normalise_counts *out)
{
	struct metadata_counts m;

	metadata_counts(n->metadata, &m);
	*out = n->counts;
	out->keys_dropped += m.keys_dropped;
	out->keys_repeated += m.keys_repeated;
	out->values_displaced += m.values_displaced;
}

/* ---- reading the record ---- */

static int same_name(struct span s, enum key key)
{
	return memcmp(s.p, key_names[key].p, s.n) == 0 ? (int)key : -1;
}

/* The name's enum key, or -1. By length first: a record has few names, and most are ours. */
static int find_key(struct span s)
{
	switch (s.n) {
	case 3:
		return s.p[0] == 'm' ? same_name(s, KEY_MSG) : same_name(s, KEY_LOG);
	case 4:
		return s.p[0] == 'h' ? same_name(s, KEY_HOST) : same_name(s, KEY_TYPE);
	case 5:
		return same_name(s, KEY_LEVEL);
	case 6:
		return same_name(s, KEY_ACTION);
	case 7:
		switch (s.p[0]) {
		case 's':
			return same_name(s, KEY_SERVICE);
		case 'u':
			return same_name(s, KEY_USER_ID);
		case 'm':
			return same_name(s, KEY_MESSAGE);
		default:
			return same_name(s, KEY_DETAILS);
		}
	case 8:
		return s.p[0] == 's' ? same_name(s, KEY_SEVERITY) : same_name(s, KEY_METADATA);
	case 9:
		return s.p[0] == 't' ? same_name(s, KEY_TIMESTAMP) : same_name(s, KEY_ENTITY_ID);
	case 10:
		switch (s.p[0]) {
		case 'e':
			return same_name(s, KEY_EVENT_TYPE);
		case 'i':
			return same_name(s, KEY_IP_ADDRESS);
		default:
			return same_name(s, KEY_USER_AGENT);
		}
	case 11:
		return s.p[0] == 'e' ? same_name(s, KEY_ENTITY_TYPE)
				     : same_name(s, KEY_DESCRIPTION);
	case 15:
		return same_name(s, KEY_PARTIAL_MESSAGE);
	default:
		return -1;
	}
}

/*
 * Records of one sender name their fields in one order. So a key is first held against the one that
 * followed the last key before, whatever its length, in one comparison without a branch in it.
 */
static inline bool is_name(const uint8_t *p, size_t n, const uint8_t *end, unsigned key)
{
	struct name_words w;

	if (n != key_names[key].n || end - p < NAME_WORDS_BYTES)
		return false;
	memcpy(&w, p, sizeof w);
	return (((w.word[0] ^ names[key].word[0]) & masks[key].word[0]) |
		       ((w.word[1] ^ names[key].word[1]) & masks[key].word[1])) == 0;
}

static int read_other(struct normalise *n, struct rcur *c, struct span name)
{
	struct canon_pair pair = { .key = name };
	struct walk_value v;
	int rc = metadata_read_value(n->metadata, c, &v, &pair);

	if (rc == 0)
		metadata_add(n->metadata, &pair);
	return rc;
}

static int read_field(
	struct normalise *n, struct rcur *c, unsigned key, const uint8_t *p, size_t len)
{
	struct slot *slot = &n->slots[key];

	n->counts.keys_repeated += n->have >> key & 1;
	n->have |= 1u << key;
	slot->pair.key = span_of(p, len);
	return metadata_read_value(n->metadata, c, &slot->v, &slot->pair);
}

/* *last: the name before, KEY_COUNT at the beginning; becomes this one. */
static int read_record_pair(struct normalise *n, struct rcur *c, unsigned *last)
{
	unsigned guess = n->after[*last];
	const uint8_t *p = c->p;
	struct span name;
	int rc, key;

	if (p < c->end && *p == 0xa0 + key_names[guess].n &&
		is_name(p + 1, key_names[guess].n, c->end, guess)) {
		c->p = p + 1 + key_names[guess].n;
		*last = guess;
		return read_field(n, c, guess, p + 1, key_names[guess].n);
	}
	rc = metadata_read_key(n->metadata, c, &name);
	if (rc != 0)
		return rc;
	key = find_key(name);
	if (key < 0)
		return read_other(n, c, name);
	n->after[*last] = (uint8_t)key;
	*last = (unsigned)key;
	return read_field(n, c, (unsigned)key, name.p, name.n);
}

static int read_record(struct normalise *n, struct span record)
{
	struct rcur c = rcur_of(record.p, record.n);
	unsigned last = KEY_COUNT;
	uint32_t count;
	int rc = metadata_read_head(&c, &count);

	n->have = 0;
	n->used = 0;
	metadata_reset(n->metadata);
	for (uint32_t i = 0; rc >= 0 && i < count; i++)
		rc = read_record_pair(n, &c, &last);
	return rc < 0 ? rc : 0;
}

/* ---- text fields ---- */

static void put_uint(char *dst, uint64_t v, bool negative, struct span *out)
{
	char *end = dst + NUMBER_BYTES, *p = end;

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	if (negative)
		*--p = '-';
	*out = span_of(p, (size_t)(end - p));
}

/* The shortest decimal that reads back as the same double. */
static void put_float(char *dst, double f, struct span *out)
{
	int n = 0;

	for (int digits = 15; digits <= 17; digits++) {
		n = snprintf(dst, NUMBER_BYTES, "%.*g", digits, f);
		if (strtod(dst, NULL) == f)
			break;
	}
	ASSERT(n > 0);
	ASSERT(n < NUMBER_BYTES);
	*out = span_of(dst, (size_t)n);
}

/* Ids are text, and often sent as numbers. */
static bool number_text(
	struct normalise *n, enum event_text field, const struct walk_value *v, struct span *out)
{
	if (field != EVENT_TEXT_ENTITY_ID && field != EVENT_TEXT_USER_ID)
		return false;
	if (v->type == WALK_UINT)
		put_uint(n->numbers[field], v->u, false, out);
	else if (v->type == WALK_INT)
		put_uint(n->numbers[field], 0 - (uint64_t)v->i, true, out);
	else if (v->type == WALK_FLOAT)
		put_float(n->numbers[field], v->f, out);
	else
		return false;
	return true;
}

/* Cut to its limit, a text stays whole in the metadata: its slot is then not "used". */
static void set_text(
	struct normalise *n, struct event *ev, enum event_text field, enum key key, struct span s)
{
	if (s.n > LIMIT_FIELD_BYTES && field != EVENT_TEXT_DESCRIPTION) {
		ev->text[field] = span_of(s.p, utf8_cut(s, LIMIT_FIELD_BYTES));
		n->counts.fields_cut++;
		ev->flags |= EVENT_FLAG_CUT;
		return;
	}
	n->used |= 1u << key;
	ev->text[field] = s;
}

/* Fills a field from this name if it can. */
static bool try_text(struct normalise *n, struct event *ev, enum event_text field, enum key key)
{
	const struct walk_value *v = &n->slots[key].v;
	struct span s;

	if ((n->have >> key & 1) == 0)
		return false;
	if (walk_is_text(v)) {
		set_text(n, ev, field, key, v->data);
		return true;
	}
	if (!number_text(n, field, v, &s))
		return false;
	set_text(n, ev, field, key, s);
	return true;
}

/* Names of each field, the preferred one first; -1 ends them. */
static const int8_t field_keys[EVENT_TEXT_COUNT][6] = {
	[EVENT_TEXT_EVENT_TYPE] = { KEY_EVENT_TYPE, KEY_ACTION, KEY_TYPE, -1 },
	[EVENT_TEXT_ENTITY_TYPE] = { KEY_ENTITY_TYPE, -1 },
	[EVENT_TEXT_ENTITY_ID] = { KEY_ENTITY_ID, -1 },
	[EVENT_TEXT_USER_ID] = { KEY_USER_ID, -1 },
	[EVENT_TEXT_DESCRIPTION] = { KEY_DESCRIPTION, KEY_MESSAGE, KEY_MSG, KEY_LOG, KEY_DETAILS,
		-1 },
	[EVENT_TEXT_IP_ADDRESS] = { KEY_IP_ADDRESS, -1 },
	[EVENT_TEXT_USER_AGENT] = { KEY_USER_AGENT, -1 },
	[EVENT_TEXT_SERVICE] = { KEY_SERVICE, -1 },
	[EVENT_TEXT_HOST] = { KEY_HOST, -1 },
};

static struct span first_segment(struct span tag)
{
	const uint8_t *dot = tag.n ? memchr(tag.p, '.', tag.n) : NULL;

	if (dot)
		tag.n = (size_t)(dot - tag.p);
	return tag.n ? tag : SPAN_NONE;
}

static void fill_texts(struct normalise *n, const struct normalise_input *in, struct event *ev)
{
	for (unsigned field = 0; field < EVENT_TEXT_COUNT; field++) {
		const int8_t *key = field_keys[field];

		while (*key >= 0 && !try_text(n, ev, (enum event_text)field, (enum key) * key))
			key++;
	}
	if (!ev->text[EVENT_TEXT_SERVICE].p)
		ev->text[EVENT_TEXT_SERVICE] = first_segment(in->tag);
	if (!ev->text[EVENT_TEXT_HOST].p && in->peer.n)
		ev->text[EVENT_TEXT_HOST] = in->peer;
}

/* ---- severity and time ---- */

/* The words nearly every record has; event_severity_find knows the others. */
static int common_severity(struct span word)
{
	switch (word.n) {
	case 4:
		return memcmp(word.p, "info", 4) == 0 ? EVENT_SEVERITY_INFO : -1;
	case 5:
		return memcmp(word.p, "error", 5) == 0 ? EVENT_SEVERITY_ERROR : -1;
	case 7:
		return memcmp(word.p, "warning", 7) == 0 ? EVENT_SEVERITY_WARNING : -1;
	default:
		return -1;
	}
}

static int severity_of(const struct walk_value *v)
{
	int severity;

	if (v->type == WALK_UINT)
		return v->u < EVENT_SEVERITY_COUNT ? (int)v->u : -1;
	if (!walk_is_text(v))
		return -1;
	severity = common_severity(v->data);
	return severity >= 0 ? severity : event_severity_find(v->data);
}

static void fill_severity(struct normalise *n, struct event *ev)
{
	static const enum key keys[] = { KEY_SEVERITY, KEY_LEVEL };

	for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
		int severity;

		if ((n->have >> keys[i] & 1) == 0)
			continue;
		severity = severity_of(&n->slots[keys[i]].v);
		if (severity >= 0) {
			n->used |= 1u << keys[i];
			ev->severity = (uint8_t)severity;
			return;
		}
	}
	ev->severity = (uint8_t)event_severity_default(ev->text[EVENT_TEXT_EVENT_TYPE]);
}

static int time_of(const struct walk_value *v, int64_t *out_ns)
{
	struct timefmt t;
	int rc;

	if (!walk_is_text(v))
		return forward_time(v, out_ns);
	rc = timefmt_parse(v->data, &t);
	if (rc == 0)
		*out_ns = t.ns;
	return rc;
}

/* The record's own time, else the frame's, else that of arrival. */
static void fill_time(struct normalise *n, const struct normalise_input *in, struct event *ev)
{
	const struct walk_value *v = &n->slots[KEY_TIMESTAMP].v;
	bool has = n->have >> KEY_TIMESTAMP & 1;

	ev->received_ns = in->received_ns;
	if (has && time_of(v, &ev->time_ns) == 0) {
		n->used |= 1u << KEY_TIMESTAMP;
	} else if (in->has_time) {
		ev->time_ns = in->time_ns;
	} else {
		ev->time_ns = in->received_ns;
		ev->flags |= EVENT_FLAG_TIME_ARRIVAL;
		n->counts.time_arrival++;
	}
	if (ev->time_ns < TIME_ODD_BEFORE_NS || ev->time_ns - TIME_ODD_AHEAD_NS > in->received_ns) {
		ev->flags |= EVENT_FLAG_TIME_ODD;
		n->counts.time_odd++;
	}
}

/* ---- metadata ---- */

/*
 * The slots that no field took join the list, but for the maps that are metadata themselves. A nil
 * under a name we know says "absent", and nothing of it is kept.
 */
static void add_unused(struct normalise *n)
{
	uint32_t rest = n->have & ~n->used;

	while (rest) {
		unsigned key = (unsigned)__builtin_ctz(rest);
		const struct slot *slot = &n->slots[key];
		bool map = slot->v.type == WALK_MAP;

		rest &= rest - 1;
		if (slot->v.type == WALK_NIL ||
			(map && (key == KEY_METADATA || key == KEY_DETAILS)))
			continue;
		n->counts.fields_moved += !walk_is_text(&slot->v);
		metadata_add(n->metadata, &slot->pair);
	}
}

/* The slot of that name if it holds a map, else NULL. */
static const struct canon_pair *slot_map(const struct normalise *n, enum key key)
{
	const struct slot *slot = &n->slots[key];

	return (n->have >> key & 1) && slot->v.type == WALK_MAP ? &slot->pair : NULL;
}

static int merge(struct normalise *n, const struct normalise_input *in, struct event *ev)
{
	const struct canon_pair *details = slot_map(n, KEY_DETAILS);
	const struct canon_pair *own = slot_map(n, KEY_METADATA);
	bool lost = false;
	int rc = 0;

	if (in->metadata.p)
		rc = metadata_add_value(n->metadata, SPAN_LIT("_fluent_metadata"), in->metadata);
	if (rc == 0 && in->group.p)
		rc = metadata_add_value(n->metadata, SPAN_LIT("_fluent_group"), in->group);
	if (rc == 0 && details)
		rc = metadata_add_map(n->metadata, details->value, METADATA_DETAILS);
	if (rc == 0 && own)
		rc = metadata_add_map(n->metadata, own->value, METADATA_OWN);
	if (rc == 0)
		rc = metadata_write(n->metadata, &ev->metadata, &lost);
	if (lost)
		ev->flags |= EVENT_FLAG_CUT;
	return rc;
}

static int fill_metadata(struct normalise *n, const struct normalise_input *in, struct event *ev)
{
	const struct canon_pair *details = slot_map(n, KEY_DETAILS);
	const struct canon_pair *own = slot_map(n, KEY_METADATA);

	add_unused(n);
	if (!metadata_is_empty(n->metadata) || in->metadata.p || in->group.p || (own && details))
		return merge(n, in, ev);
	if (own || details)
		return metadata_whole(n->metadata, own ? own : details, &ev->metadata);
	return 0;
}

/* Docker says so as text, others might as a truth value. */
static bool is_part(const struct normalise *n)
{
	const struct walk_value *v = &n->slots[KEY_PARTIAL_MESSAGE].v;

	if (!(n->have >> KEY_PARTIAL_MESSAGE & 1))
		return false;
	return walk_is_text(v) ? span_eq(v->data, SPAN_LIT("true")) : v->type == WALK_BOOL && v->b;
}

int normalise_event(struct normalise *n, const struct normalise_input *in, struct event *out)
{
	struct event ev = { .severity = EVENT_SEVERITY_INFO };
	int rc = read_record(n, in->record);

	if (rc < 0)
		return rc;
	if (is_part(n)) {
		if (in->joins)
			return NORMALISE_PART;
		ev.flags |= EVENT_FLAG_PARTIAL;
	}
	fill_texts(n, in, &ev);
	fill_severity(n, &ev);
	fill_time(n, in, &ev);
	rc = fill_metadata(n, in, &ev);
	if (rc == 0)
		*out = ev;
	return rc;
}
