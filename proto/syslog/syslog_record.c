#include "proto/syslog/syslog_record.h"

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/wire/event.h"
#include "proto/wire/json_in.h"
#include "proto/wire/pack.h"
#include "proto/wire/walk.h"

enum {
	/* A message, its parts' heads and our names; JSON may become three times as long. */
	RECORD_BYTES_MAX = 4 * LIMIT_SYSLOG_BYTES,
};

/* What the record has beside the text; a bit each, to leave out what JSON stands for. */
enum part {
	PART_EVENT_TYPE,
	PART_SEVERITY,
	PART_SERVICE,
	PART_HOST,
	PART_FACILITY,
	PART_PROCID,
	PART_MSGID,
	PART_SEQUENCE,
	PART_STAMP,
	PART_SD,
	PART_PROBLEMS,
};

static const struct span field_names[SYSLOG_RECORD_FIELD_COUNT] = {
	[SYSLOG_RECORD_EVENT_TYPE] = { (const uint8_t *)"event_type", 10 },
	[SYSLOG_RECORD_ENTITY_TYPE] = { (const uint8_t *)"entity_type", 11 },
	[SYSLOG_RECORD_ENTITY_ID] = { (const uint8_t *)"entity_id", 9 },
	[SYSLOG_RECORD_USER_ID] = { (const uint8_t *)"user_id", 7 },
	[SYSLOG_RECORD_IP_ADDRESS] = { (const uint8_t *)"ip_address", 10 },
};

int syslog_record_init(struct syslog_record *r, const struct syslog_record_conf *conf)
{
	*r = (struct syslog_record){ .conf = *conf };
	buf_init(&r->out, RECORD_BYTES_MAX);
	buf_init(&r->json, RECORD_BYTES_MAX);
	return buf_reserve(&r->out, RECORD_BYTES_MAX);
}

void syslog_record_fini(struct syslog_record *r)
{
	buf_fini(&r->out);
	buf_fini(&r->json);
}

/* ---- writing: pack.h with one look at the room for each value ---- */

static inline void put_str(struct wcur *w, struct span s)
{
	if (w->err || (size_t)(w->end - w->p) < PACK_HEAD_BYTES_MAX + s.n) {
		w->err = ERR_LIMIT;
		return;
	}
	w->p += pack_at_str(w->p, (uint32_t)s.n);
	memcpy(w->p, s.p, s.n);
	w->p += s.n;
}

static inline void put_text(struct wcur *w, struct span name, struct span text)
{
	put_str(w, name);
	put_str(w, text);
}

static void put_head(struct wcur *w, unsigned (*pack)(uint8_t *, uint32_t), uint32_t n)
{
	uint8_t head[PACK_HEAD_BYTES_MAX];

	wcur_bytes(w, head, pack(head, n));
}

/* ---- structured data ---- */

/* SYSLOG_RECORD_FIELD_COUNT: the name is no field's. */
static unsigned find_field(struct span name)
{
	unsigned i = 0;

	while (i < SYSLOG_RECORD_FIELD_COUNT && !span_eq(name, field_names[i]))
		i++;
	return i;
}

/* The element, or one before it, that began the id of element e. */
static uint16_t find_head(const struct syslog_sd *sd, uint16_t e)
{
	uint16_t i = 0;

	while (i < e && !span_eq(sd->elements[i].id, sd->elements[e].id))
		i++;
	return i;
}

/* Param p of element e goes to an event's field, to a name that was there, or is the first of its name. */
static void place_param(struct syslog_record *r, const struct syslog_sd *sd, uint16_t e, uint16_t p)
{
	const struct syslog_sd_param *param = &sd->params[p];
	unsigned field = find_field(param->name);
	uint16_t head = r->head[e];

	r->first[p] = p;
	r->values[p] = 1;
	if (field < SYSLOG_RECORD_FIELD_COUNT && !r->fields[field]) {
		r->fields[field] = param;
		r->values[p] = 0;
		return;
	}
	for (uint16_t i = head; i <= e; i++) {
		const struct syslog_sd_element *earlier = &sd->elements[i];

		for (uint16_t q = earlier->first;
			r->head[i] == head && q < p && q < earlier->first + earlier->count; q++) {
			if (r->first[q] != q || r->values[q] == 0 ||
				!span_eq(sd->params[q].name, param->name))
				continue;
			r->first[p] = q;
			r->values[q]++;
			return;
		}
	}
	r->names[head]++;
}

static void place_params(struct syslog_record *r, const struct syslog_sd *sd)
{
	r->heads_count = 0;
	memset(r->fields, 0, sizeof r->fields);
	for (uint16_t e = 0; e < sd->elements_count; e++) {
		const struct syslog_sd_element *element = &sd->elements[e];

		r->head[e] = find_head(sd, e);
		r->names[e] = 0;
		r->heads_count += r->head[e] == e;
		for (uint16_t p = element->first; p < element->first + element->count; p++)
			place_param(r, sd, e, p);
	}
}

static void put_value(struct wcur *w, const struct syslog_sd_param *p)
{
	struct span plain = p->value;
	uint8_t *room;

	if (!p->escaped) {
		put_str(w, p->value);
		return;
	}
	/* Without its escapes it is shorter, and so may its head be: written behind, then moved. */
	if (w->err || (size_t)(w->end - w->p) < 2 * PACK_HEAD_BYTES_MAX + p->value.n) {
		w->err = ERR_LIMIT;
		return;
	}
	room = w->p + PACK_HEAD_BYTES_MAX;
	plain = span_of(room, syslog_sd_unescape(p->value, room));
	w->p += pack_at_str(w->p, (uint32_t)plain.n);
	memmove(w->p, plain.p, plain.n);
	w->p += plain.n;
}

static void put_values(
	struct syslog_record *r, const struct syslog_sd *sd, uint16_t p, struct wcur *w)
{
	put_str(w, sd->params[p].name);
	if (r->values[p] == 1) {
		put_value(w, &sd->params[p]);
		return;
	}
	put_head(w, pack_at_array, r->values[p]);
	for (uint16_t q = p; q < sd->params_count; q++) {
		if (r->first[q] == p)
			put_value(w, &sd->params[q]);
	}
}

static void put_element(
	struct syslog_record *r, const struct syslog_sd *sd, uint16_t head, struct wcur *w)
{
	put_str(w, sd->elements[head].id);
	if (r->names[head] == 0) {
		wcur_u8(w, 0xc3 /* true */);
		return;
	}
	put_head(w, pack_at_map, r->names[head]);
	for (uint16_t e = head; e < sd->elements_count; e++) {
		const struct syslog_sd_element *element = &sd->elements[e];

		for (uint16_t p = element->first;
			r->head[e] == head && p < element->first + element->count; p++) {
			if (r->first[p] == p && r->values[p] > 0)
				put_values(r, sd, p, w);
		}
	}
}

static void put_sd(struct syslog_record *r, const struct syslog_sd *sd, struct wcur *w)
{
	put_str(w, SPAN_LIT("sd"));
	put_head(w, pack_at_map, r->heads_count);
	for (uint16_t e = 0; e < sd->elements_count; e++) {
		if (r->head[e] == e)
			put_element(r, sd, e, w);
	}
}

/* ---- parts ---- */

static struct span event_type(const struct syslog_record *r, const struct syslog_message *m)
{
	if (r->conf.event_type.p)
		return r->conf.event_type;
	if (m->msgid.p)
		return m->msgid;
	if (m->facility == SYSLOG_FACILITY_AUTH || m->facility == SYSLOG_FACILITY_AUTHPRIV)
		return SPAN_LIT("AUTH");
	return m->severity <= EVENT_SEVERITY_ERROR ? SPAN_LIT("ERROR") : SPAN_LIT("LOG");
}

static void put_problems(struct wcur *w, unsigned problems)
{
	char text[64];
	struct wcur names = wcur_of(text, sizeof text);

	for (unsigned i = 0; i < SYSLOG_PROBLEM_COUNT; i++) {
		const char *name = syslog_problem_name((enum syslog_problem)i);

		if ((problems >> i & 1) == 0)
			continue;
		if ((char *)names.p > text)
			wcur_u8(&names, ',');
		wcur_bytes(&names, name, strlen(name));
	}
	ASSERT(names.err == 0);
	put_text(w, SPAN_LIT("parse_error"), span_of(text, (size_t)((char *)names.p - text)));
}

/* The parts that the message has. */
static unsigned parts_of(const struct syslog *s, const struct syslog_message *m)
{
	return 1u << PART_EVENT_TYPE | 1u << PART_SEVERITY | 1u << PART_FACILITY |
	       (unsigned)!!m->app.p << PART_SERVICE | (unsigned)!!m->host.p << PART_HOST |
	       (unsigned)!!m->procid.p << PART_PROCID | (unsigned)!!m->msgid.p << PART_MSGID |
	       (unsigned)!!m->sequence.p << PART_SEQUENCE | (unsigned)!!m->stamp.p << PART_STAMP |
	       (unsigned)(s->sd.elements_count > 0) << PART_SD |
	       (unsigned)(m->problems != 0) << PART_PROBLEMS;
}

static unsigned fields_count(const struct syslog_record *r)
{
	unsigned n = 0;

	for (unsigned i = SYSLOG_RECORD_EVENT_TYPE + 1; i < SYSLOG_RECORD_FIELD_COUNT; i++)
		n += r->fields[i] != NULL;
	return n;
}

/* Top-level fields. */
static void put_fields(
	struct syslog_record *r, const struct syslog_message *m, unsigned parts, struct wcur *w)
{
	const struct syslog_sd_param *type = r->fields[SYSLOG_RECORD_EVENT_TYPE];

	if (parts & 1u << PART_EVENT_TYPE) {
		put_str(w, SPAN_LIT("event_type"));
		if (type)
			put_value(w, type);
		else
			put_str(w, event_type(r, m));
	}
	if (parts & 1u << PART_SEVERITY) {
		put_str(w, SPAN_LIT("severity"));
		wcur_u8(w, m->severity);
	}
	if (parts & 1u << PART_SERVICE)
		put_text(w, SPAN_LIT("service"), m->app);
	if (parts & 1u << PART_HOST)
		put_text(w, SPAN_LIT("host"), m->host);
	for (unsigned i = SYSLOG_RECORD_EVENT_TYPE + 1; i < SYSLOG_RECORD_FIELD_COUNT; i++) {
		if (!r->fields[i])
			continue;
		put_str(w, field_names[i]);
		put_value(w, r->fields[i]);
	}
}

/* What goes to the metadata. */
static void put_details(struct syslog_record *r, const struct syslog *s,
	const struct syslog_message *m, unsigned parts, struct wcur *w)
{
	if (parts & 1u << PART_FACILITY)
		put_text(w, SPAN_LIT("facility"), span_str(syslog_facility_name(m->facility)));
	if (parts & 1u << PART_PROCID)
		put_text(w, SPAN_LIT("procid"), m->procid);
	if (parts & 1u << PART_MSGID)
		put_text(w, SPAN_LIT("msgid"), m->msgid);
	if (parts & 1u << PART_SEQUENCE)
		put_text(w, SPAN_LIT("sequence"), m->sequence);
	if (parts & 1u << PART_STAMP)
		put_text(w, SPAN_LIT("stamp"), m->stamp);
	if (parts & 1u << PART_SD)
		put_sd(r, &s->sd, w);
	if (parts & 1u << PART_PROBLEMS)
		put_problems(w, m->problems);
}

static unsigned details_count(unsigned parts)
{
	return (unsigned)__builtin_popcount(parts >> PART_FACILITY);
}

/* ---- JSON ---- */

static struct span skip_spaces(struct span s)
{
	while (s.n > 0 && *s.p == ' ') {
		s.p++;
		s.n--;
	}
	return s;
}

/* Into r->json; false: the text is no object. */
static bool read_json(struct syslog_record *r, struct span text, struct span *out)
{
	text = skip_spaces(text);
	if (text.n > 5 && memcmp(text.p, "@cee:", 5) == 0)
		text = skip_spaces(span_of(text.p + 5, text.n - 5));
	if (text.n == 0 || *text.p != '{')
		return false;
	buf_reset(&r->json);
	if (json_in_text(text, JSON_IN_REPAIR, &r->json, NULL) < 0)
		return false;
	*out = buf_span(&r->json);
	return true;
}

/* The part that a member of that name stands for, or -1. */
static int stands_for(struct span name)
{
	static const struct {
		const char *name;
		enum part part;
	} members[] = { { "event_type", PART_EVENT_TYPE }, { "action", PART_EVENT_TYPE },
		{ "type", PART_EVENT_TYPE }, { "severity", PART_SEVERITY },
		{ "level", PART_SEVERITY }, { "service", PART_SERVICE }, { "host", PART_HOST },
		{ "facility", PART_FACILITY }, { "procid", PART_PROCID }, { "msgid", PART_MSGID },
		{ "sequence", PART_SEQUENCE }, { "stamp", PART_STAMP }, { "sd", PART_SD },
		{ "parse_error", PART_PROBLEMS } };

	for (size_t i = 0; i < ARRAY_COUNT(members); i++) {
		if (span_eq(name, span_str(members[i].name)))
			return (int)members[i].part;
	}
	return -1;
}

/* The members without the map's head in *members, and the parts that they stand for. */
static unsigned scan_members(struct span map, struct rcur *members, uint32_t *out_count)
{
	struct rcur c = rcur_of(map.p, map.n);
	struct walk_value v;
	unsigned parts = 0;
	int rc = walk_read(&c, &v);

	ASSERT(rc == 0 && v.type == WALK_MAP);
	*out_count = v.count;
	*members = c;
	for (uint32_t i = 0; rc == 0 && i < *out_count; i++) {
		int part;

		rc = walk_next(&c, &v);
		part = rc == 0 ? stands_for(v.data) : -1;
		if (part >= 0)
			parts |= 1u << part;
		if (rc == 0)
			rc = walk_skip(&c);
	}
	ASSERT(rc == 0);
	return parts;
}

/* False: with all it was sent with the object is too large for a record. */
static bool make_json(struct syslog_record *r, const struct syslog *s,
	const struct syslog_message *m, struct span map, struct wcur *w)
{
	struct rcur members;
	uint32_t count;
	unsigned parts = parts_of(s, m) & ~scan_members(map, &members, &count);

	count += (uint32_t)__builtin_popcount(parts) + fields_count(r);
	put_head(w, pack_at_map, count);
	put_fields(r, m, parts, w);
	put_details(r, s, m, parts, w);
	wcur_bytes(w, members.p, rcur_left(&members));
	return count <= LIMIT_MAP_PAIRS && w->err == 0;
}

static void make_text(struct syslog_record *r, const struct syslog *s,
	const struct syslog_message *m, struct wcur *w)
{
	unsigned parts = parts_of(s, m), details = details_count(parts);

	put_head(w, pack_at_map,
		(uint32_t)__builtin_popcount(parts) - details + fields_count(r) + 2);
	put_fields(r, m, parts, w);
	put_text(w, SPAN_LIT("description"), m->text);
	put_str(w, SPAN_LIT("metadata"));
	put_head(w, pack_at_map, details);
	put_details(r, s, m, parts, w);
}

bool syslog_record_make(struct syslog_record *r, const struct syslog *s,
	const struct syslog_message *m, struct span *out)
{
	struct wcur w = wcur_of(r->out.p, r->out.cap);
	struct span map;
	bool json;

	place_params(r, &s->sd);
	json = r->conf.json && read_json(r, m->text, &map) && make_json(r, s, m, map, &w);
	if (!json) {
		w = wcur_of(r->out.p, r->out.cap);
		make_text(r, s, m, &w);
	}
	/* A message is LIMIT_SYSLOG_BYTES at most, and each of its parts is written once or twice. */
	ASSERT(w.err == 0);
	*out = span_of(r->out.p, (size_t)(w.p - r->out.p));
	return json;
}
