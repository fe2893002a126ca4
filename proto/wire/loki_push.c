#include "proto/wire/loki_push.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/wire/pack.h"
#include "proto/wire/protobuf_int.h"
#include "proto/wire/walk.h"

/* At worst a byte of the body becomes three, as in json_in. */
enum { BUFFER_MAX = 3 * LIMIT_LOKI_BODY_BYTES + (64 << 10), NS_PER_S = 1000000000 };

void loki_push_init(struct loki_push *p, loki_push_cb cb, void *arg)
{
	p->cb = cb;
	p->arg = arg;
	p->pairs_count = 0;
	buf_init(&p->text, BUFFER_MAX);
	buf_init(&p->head, BUFFER_MAX);
	buf_init(&p->extra, BUFFER_MAX);
	buf_init(&p->line, BUFFER_MAX);
	buf_init(&p->record, BUFFER_MAX);
	buf_init(&p->document, BUFFER_MAX);
}

void loki_push_fini(struct loki_push *p)
{
	buf_fini(&p->text);
	buf_fini(&p->head);
	buf_fini(&p->extra);
	buf_fini(&p->line);
	buf_fini(&p->record);
	buf_fini(&p->document);
}

size_t loki_push_bytes(const struct loki_push *p)
{
	return p->text.cap + p->head.cap + p->extra.cap + p->line.cap + p->record.cap +
	       p->document.cap;
}

/* ---- labels ---- */

/* What a label may be called that is one of our fields; the name of the field itself comes first. */
static const char *const services[] = { "service", "service_name", "app", "application", "job",
	"container" };
static const char *const hosts[] = { "host", "hostname", "node_name", "instance" };
static const char *const levels[] = { "level", "severity", "detected_level", "log_level" };

static void put_pair(struct buf *b, struct span name, struct span value)
{
	pack_str(b, name);
	pack_str(b, value);
}

static const struct loki_push_pair *find(const struct loki_push *p, const char *name)
{
	for (uint32_t i = 0; i < p->pairs_count; i++) {
		if (span_eq(p->pairs[i].name, span_str(name)))
			return &p->pairs[i];
	}
	return NULL;
}

/* True: one of the names is there, and the field stands in the head, or will as that label. */
static bool derive(struct loki_push *p, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct loki_push_pair *pair = find(p, names[i]);

		if (!pair)
			continue;
		if (i > 0) {
			put_pair(&p->head, span_str(names[0]), pair->value);
			p->head_count++;
		}
		return true;
	}
	return false;
}

/* The pairs are those of the stream. */
static void begin_stream(struct loki_push *p)
{
	buf_reset(&p->head);
	p->head_count = 0;
	derive(p, services, ARRAY_COUNT(services));
	derive(p, hosts, ARRAY_COUNT(hosts));
	p->has_level = derive(p, levels, ARRAY_COUNT(levels));
	for (uint32_t i = 0; i < p->pairs_count; i++)
		put_pair(&p->head, p->pairs[i].name, p->pairs[i].value);
	p->head_count += p->pairs_count;
}

/* Instead of pairs: a whole value. */
static void put_labels_whole(struct loki_push *p, struct span value)
{
	pack_str(&p->head, SPAN_LIT("_labels"));
	buf_put_span(&p->head, value);
	p->head_count++;
}

static int begin_stream_text(struct loki_push *p, struct span labels)
{
	int rc = loki_push_labels(labels, &p->text, p->pairs, LIMIT_LOKI_LABELS, &p->pairs_count);

	if (rc < 0 && rc != ERR_SYNTAX && rc != ERR_LIMIT)
		return rc;
	if (rc < 0)
		p->pairs_count = 0;
	begin_stream(p);
	if (rc < 0) {
		put_pair(&p->head, SPAN_LIT("_labels"), labels);
		p->head_count++;
	}
	return p->head.err;
}

/* ---- entries ---- */

static void begin_entry(struct loki_push *p)
{
	buf_reset(&p->extra);
	p->extra_count = 0;
}

static void put_extra(struct loki_push *p, struct span name, struct span value)
{
	if (!p->has_level && span_eq(name, SPAN_LIT("detected_level"))) {
		put_pair(&p->extra, SPAN_LIT("level"), value);
		p->extra_count++;
	}
	put_pair(&p->extra, name, value);
	p->extra_count++;
}

/* The members of a line that is one JSON object, and their number. */
static bool read_line(struct loki_push *p, struct span line, struct span *out, uint32_t *out_count)
{
	struct walk_value v;
	struct rcur c;

	if (line.n < 2 || line.p[0] != '{')
		return false;
	buf_reset(&p->line);
	if (json_in_text(line, JSON_IN_REPAIR, &p->line, NULL) < 0)
		return false;
	c = rcur_of(p->line.p, p->line.len);
	if (walk_read(&c, &v) < 0 || v.type != WALK_MAP)
		return false;
	*out = span_of(c.p, rcur_left(&c));
	*out_count = v.count;
	return true;
}

static int end_entry(struct loki_push *p, struct span line, int64_t time_ns, bool has_time)
{
	struct loki_push_entry entry = { .time_ns = time_ns, .has_time = has_time };
	uint32_t count = p->head_count + p->extra_count, members = 0;
	struct span body = SPAN_NONE;
	bool json = read_line(p, line, &body, &members);

	json = json && count + members <= LIMIT_MAP_PAIRS;
	buf_reset(&p->record);
	pack_map_head(&p->record, count + (json ? members : 1));
	buf_put_span(&p->record, buf_span(&p->head));
	buf_put_span(&p->record, buf_span(&p->extra));
	if (json)
		buf_put_span(&p->record, body);
	else
		put_pair(&p->record, SPAN_LIT("description"), line);
	if (p->extra.err)
		return p->extra.err;
	if (p->record.err)
		return p->record.err;
	entry.record = buf_span(&p->record);
	return p->cb(p->arg, &entry);
}

/* ---- protobuf ---- */

static int read_timestamp(struct span message, int64_t *out_ns, bool *out_has)
{
	struct rcur c = rcur_of(message.p, message.n);
	struct protobuf_field f;
	int64_t seconds = 0, nanos = 0, ns;
	int rc;

	while ((rc = protobuf_next(&c, &f)) == PROTOBUF_FIELD) {
		if (protobuf_is(&f, 1, PROTOBUF_VARINT))
			seconds = (int64_t)f.value;
		else if (protobuf_is(&f, 2, PROTOBUF_VARINT))
			nanos = (int32_t)f.value;
	}
	*out_has = rc == 0 && !__builtin_mul_overflow(seconds, (int64_t)NS_PER_S, &ns) &&
		   !__builtin_add_overflow(ns, nanos, &ns);
	if (*out_has)
		*out_ns = ns;
	return rc;
}

static int read_label_pair(struct loki_push *p, struct span message)
{
	struct rcur c = rcur_of(message.p, message.n);
	struct span name = SPAN_LIT(""), value = SPAN_LIT("");
	struct protobuf_field f;
	int rc;

	while ((rc = protobuf_next(&c, &f)) == PROTOBUF_FIELD) {
		if (protobuf_is(&f, 1, PROTOBUF_BYTES))
			name = f.bytes;
		else if (protobuf_is(&f, 2, PROTOBUF_BYTES))
			value = f.bytes;
	}
	if (rc == 0)
		put_extra(p, name, value);
	return rc;
}

static int read_entry(struct loki_push *p, struct span message)
{
	struct rcur c = rcur_of(message.p, message.n);
	struct span line = SPAN_LIT("");
	struct protobuf_field f;
	int64_t time_ns = 0;
	bool has_time = false;
	int rc;

	begin_entry(p);
	while ((rc = protobuf_next(&c, &f)) == PROTOBUF_FIELD) {
		if (protobuf_is(&f, 1, PROTOBUF_BYTES))
			rc = read_timestamp(f.bytes, &time_ns, &has_time);
		else if (protobuf_is(&f, 2, PROTOBUF_BYTES))
			line = f.bytes;
		else if (protobuf_is(&f, 3, PROTOBUF_BYTES))
			rc = read_label_pair(p, f.bytes);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc : end_entry(p, line, time_ns, has_time);
}

/* The labels need not come before the entries. */
static int read_stream(struct loki_push *p, struct span message)
{
	struct rcur c = rcur_of(message.p, message.n);
	struct span labels = SPAN_LIT("{}");
	struct protobuf_field f;
	int rc;

	while ((rc = protobuf_next(&c, &f)) == PROTOBUF_FIELD) {
		if (protobuf_is(&f, 1, PROTOBUF_BYTES))
			labels = f.bytes;
	}
	if (rc == 0)
		rc = begin_stream_text(p, labels);
	c = rcur_of(message.p, message.n);
	while (rc == 0 && protobuf_next(&c, &f) == PROTOBUF_FIELD) {
		if (protobuf_is(&f, 2, PROTOBUF_BYTES))
			rc = read_entry(p, f.bytes);
	}
	return rc;
}

int loki_push_protobuf(struct loki_push *p, struct span body)
{
	struct rcur c = rcur_of(body.p, body.n);
	struct protobuf_field f;
	int rc;

	while ((rc = protobuf_next(&c, &f)) == PROTOBUF_FIELD) {
		rc = protobuf_is(&f, 1, PROTOBUF_BYTES) ? read_stream(p, f.bytes) : 0;
		if (rc < 0)
			return rc;
	}
	return rc;
}

/* ---- JSON ---- */

/* Nanoseconds as digits in a string, or as a number. */
static bool read_time(const struct walk_value *v, int64_t *out_ns)
{
	uint64_t ns = v->u;

	if (v->type == WALK_STR) {
		ns = 0;
		for (size_t i = 0; i < v->data.n; i++) {
			unsigned digit = v->data.p[i] - (unsigned)'0';

			if (digit > 9 || __builtin_mul_overflow(ns, UINT64_C(10), &ns) ||
				__builtin_add_overflow(ns, (uint64_t)digit, &ns))
				return false;
		}
		if (v->data.n == 0)
			return false;
	} else if (v->type != WALK_UINT) {
		return false;
	}
	*out_ns = (int64_t)ns;
	return ns <= INT64_MAX;
}

/* Values other than strings are kept as they are. */
static int read_metadata(struct loki_push *p, struct rcur *c, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct span value, name_whole;
		struct walk_value name, v;
		struct rcur in;
		int rc = walk_take(c, &name_whole);

		if (rc == 0)
			rc = walk_take(c, &value);
		if (rc < 0)
			return rc;
		in = rcur_of(name_whole.p, name_whole.n);
		walk_read(&in, &name);
		in = rcur_of(value.p, value.n);
		walk_read(&in, &v);
		if (v.type == WALK_STR) {
			put_extra(p, name.data, v.data);
			continue;
		}
		buf_put_span(&p->extra, name_whole);
		buf_put_span(&p->extra, value);
		p->extra_count++;
	}
	return 0;
}

/* [time, line] or [time, line, metadata]. */
static int read_value(struct loki_push *p, struct rcur *c)
{
	struct walk_value head, time, line, more;
	int64_t time_ns = 0;
	bool has_time;
	int rc = walk_read(c, &head);

	if (rc == 0 && (head.type != WALK_ARRAY || head.count < 2 || head.count > 3))
		return ERR_TYPE;
	if (rc == 0)
		rc = walk_read(c, &time);
	if (rc == 0)
		rc = walk_read(c, &line);
	if (rc < 0)
		return rc;
	if ((time.type != WALK_STR && time.type != WALK_UINT) || line.type != WALK_STR)
		return ERR_TYPE;
	begin_entry(p);
	if (head.count == 3) {
		rc = walk_read(c, &more);
		if (rc == 0 && more.type != WALK_MAP)
			return ERR_TYPE;
		if (rc == 0)
			rc = read_metadata(p, c, more.count);
		if (rc < 0)
			return rc;
	}
	has_time = read_time(&time, &time_ns);
	return end_entry(p, line.data, time_ns, has_time);
}

enum { MANY_LABELS = 1 };

/* {"app":"api",...}; values other than strings are no labels, and are passed over. */
static int read_labels(struct loki_push *p, struct span whole)
{
	struct rcur c = rcur_of(whole.p, whole.n);
	struct walk_value v, name;
	int rc = walk_read(&c, &v);

	p->pairs_count = 0;
	if (rc == 0 && v.type != WALK_MAP)
		return ERR_TYPE;
	for (uint32_t i = v.count; rc == 0 && i > 0; i--) {
		struct span value;
		struct rcur at;

		rc = walk_read(&c, &name);
		if (rc == 0)
			rc = walk_take(&c, &value);
		if (rc < 0)
			break;
		at = rcur_of(value.p, value.n);
		walk_read(&at, &v);
		if (v.type != WALK_STR)
			continue;
		if (p->pairs_count == LIMIT_LOKI_LABELS) {
			p->pairs_count = 0;
			return MANY_LABELS;
		}
		p->pairs[p->pairs_count++] =
			(struct loki_push_pair){ .name = name.data, .value = v.data };
	}
	return rc;
}

static int read_values(struct loki_push *p, struct span whole)
{
	struct rcur c = rcur_of(whole.p, whole.n);
	struct walk_value v;
	int rc = walk_read(&c, &v);

	if (rc == 0 && v.type != WALK_ARRAY)
		return ERR_TYPE;
	for (uint32_t i = v.count; rc == 0 && i > 0; i--)
		rc = read_value(p, &c);
	return rc;
}

/* The whole value of each of two names of the map at c, moved past; absent where there is none. */
static int find_two(struct rcur *c, struct span first, struct span second, struct span out[2])
{
	struct walk_value v, name;
	int rc = walk_read(c, &v);

	out[0] = out[1] = SPAN_NONE;
	if (rc == 0 && v.type != WALK_MAP)
		return ERR_TYPE;
	for (uint32_t i = v.count; rc == 0 && i > 0; i--) {
		struct span value;

		rc = walk_read(c, &name);
		if (rc == 0)
			rc = walk_take(c, &value);
		if (rc < 0)
			break;
		if (span_eq(name.data, first))
			out[0] = value;
		else if (span_eq(name.data, second))
			out[1] = value;
	}
	return rc;
}

static int read_json_stream(struct loki_push *p, struct rcur *c)
{
	struct span parts[2];
	int rc = find_two(c, SPAN_LIT("stream"), SPAN_LIT("values"), parts);

	if (rc == 0 && (!parts[0].p || !parts[1].p))
		return ERR_TYPE;
	if (rc == 0)
		rc = read_labels(p, parts[0]);
	if (rc < 0)
		return rc;
	begin_stream(p);
	if (rc == MANY_LABELS)
		put_labels_whole(p, parts[0]);
	return p->head.err ? p->head.err : read_values(p, parts[1]);
}

int loki_push_json(struct loki_push *p, struct span body, struct json_in_error *e)
{
	struct span parts[2];
	struct walk_value v;
	struct rcur c;
	int rc;

	buf_reset(&p->document);
	rc = json_in_text(body, JSON_IN_REPAIR, &p->document, e);
	if (rc < 0)
		return rc;
	c = rcur_of(p->document.p, p->document.len);
	rc = find_two(&c, SPAN_LIT("streams"), SPAN_LIT(""), parts);
	if (rc == 0 && !parts[0].p)
		return ERR_TYPE;
	if (rc < 0)
		return rc;
	c = rcur_of(parts[0].p, parts[0].n);
	rc = walk_read(&c, &v);
	if (rc == 0 && v.type != WALK_ARRAY)
		return ERR_TYPE;
	for (uint32_t i = v.count; rc == 0 && i > 0; i--)
		rc = read_json_stream(p, &c);
	return rc;
}
