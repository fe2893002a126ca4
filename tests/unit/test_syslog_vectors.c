/*
 * Goal: the public test vectors of other syslog readers give what WIRE.md says: the fields that they
 *       name, but where they differ from the RFC or from each other.
 * Method: each vector is parsed and compared. Where ours is another answer the vector stands in a table
 *         with it. Without the shared data there is nothing to compare; test_syslog has cases of our own.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/base/clock.h"
#include "proto/base/timefmt.h"
#include "proto/syslog/syslog.h"
#include "proto/syslog/syslog_frame.h"
#include "proto/wire/json_in.h"
#include "proto/wire/walk.h"

static struct syslog parser;
static const struct syslog_source source = { .received_ns =
						     INT64_C(1709251210) * CLOCK_NS_PER_SEC };

/* ---------------------------------------------------------------- vectors */

/* The value of a member, head included; absent if there is none. */
static struct span member(struct span map, const char *name)
{
	struct rcur c = rcur_of(map.p, map.n);
	struct walk_value v;
	struct span value;

	if (!map.p)
		return SPAN_NONE;
	assert_int_equal(walk_read(&c, &v), 0);
	assert_int_equal(v.type, WALK_MAP);
	for (uint32_t i = v.count; i > 0; i--) {
		assert_int_equal(walk_read(&c, &v), 0);
		assert_int_equal(walk_take(&c, &value), 0);
		if (span_eq(v.data, span_str(name)))
			return value;
	}
	return SPAN_NONE;
}

static struct walk_value value(struct span whole)
{
	struct rcur c = rcur_of(whole.p, whole.n);
	struct walk_value v;

	assert_int_equal(walk_read(&c, &v), 0);
	return v;
}

static struct span text(struct span map, const char *name)
{
	struct span whole = member(map, name);

	return whole.p ? value(whole).data : SPAN_NONE;
}

static bool flag(struct span map, const char *name)
{
	struct span whole = member(map, name);

	return whole.p && value(whole).type == WALK_BOOL && value(whole).b;
}

/* Runs check for each line of the file; the number of lines, 0 where it is not. */
static int each(const char *name, void (*check)(struct span vector, const char *id))
{
	const char *shared = getenv("ASTRO_SHARED"), *root = getenv("ASTRO_SOURCE");
	char path[4096], id[64], *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int count = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s%s/data/vectors/%s",
		shared ? shared
		: root ? root
		       : ".",
		shared ? "" : "/../shared", name);
	f = fopen(path, "rb");
	if (!f) {
		print_message("# skipped: %s is not here\n", path);
		return 0;
	}
	while ((n = getline(&line, &cap, f)) > 0) {
		struct buf mp;

		buf_init(&mp, 1 << 20);
		assert_int_equal(json_in_text(span_of(line, (size_t)n), 0, &mp, NULL), 0);
		snprintf(id, sizeof id, "%.*s", (int)text(buf_span(&mp), "id").n,
			(const char *)text(buf_span(&mp), "id").p);
		check(buf_span(&mp), id);
		buf_fini(&mp);
		count++;
	}
	free(line);
	fclose(f);
	return count;
}

static void assert_text(const char *id, const char *what, struct span got, struct span want)
{
	if (span_eq(got, want))
		return;
	fail_msg("%s: %s is '%.*s', not '%.*s'", id, what, (int)got.n, (const char *)got.p,
		(int)want.n, (const char *)want.p);
}

/* The text without a byte order mark, which is none of it (RFC 5424 section 6.4). */
static struct span without_mark(struct span s)
{
	if (s.n >= 3 && memcmp(s.p, "\xEF\xBB\xBF", 3) == 0)
		s = span_of(s.p + 3, s.n - 3);
	return s;
}

/* What the vector names of a message. */
static void assert_fields(const char *id, const struct syslog_message *m, struct span want)
{
	struct span stamp = text(want, "timestamp");

	assert_int_equal(m->facility * 8 + m->severity, value(member(want, "pri")).u);
	assert_text(id, "hostname", m->host, text(want, "hostname"));
	assert_text(id, "appname", m->app, text(want, "appname"));
	assert_text(id, "procid", m->procid, text(want, "procid"));
	assert_text(id, "msgid", m->msgid, text(want, "msgid"));
	assert_text(id, "message", m->text, without_mark(text(want, "message")));
	assert_int_equal(m->has_time, stamp.p != NULL);
	if (m->has_time) {
		struct syslog_stamp t;

		assert_int_equal(
			syslog_time_stamp(&parser.zone, source.received_ns, stamp, &t), stamp.n);
		assert_int_equal(m->time_ns, t.ns);
	}
}

/* ---------------------------------------------------------------- RFC 5424 */

/*
 * Refused by the strict reader, taken here: what senders get wrong, and what names its length's limit.
 */
static bool is_lenient(const char *id)
{
	static const char *const ids[] = {
		"rfc5424-028", "rfc5424-029", /* small letters in the stamp */
		"rfc5424-053", "rfc5424-054", "rfc5424-055", "rfc5424-056", "rfc5424-057",
		"rfc5424-058", "rfc5424-059",
		"rfc5424-060",                /* longer than 255, 48, 128, 32 bytes */
		"rfc5424-071", "rfc5424-072", /* ... in structured data */
		"rfc5424-099", "rfc5424-100", /* an SD-ID twice */
		"rfc5424-108", "rfc5424-109", "rfc5424-110", /* ] without its backslash */
		"rfc5424-116", /* \n: a backslash and n, as the RFC says */
	};

	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		if (strcmp(ids[i], id) == 0)
			return true;
	}
	return false;
}

static void assert_sd(const char *id, struct span want)
{
	for (unsigned i = 0; i < parser.sd.elements_count; i++) {
		const struct syslog_sd_element *e = &parser.sd.elements[i];
		char name[128];
		struct span params;

		snprintf(name, sizeof name, "%.*s", (int)e->id.n, (const char *)e->id.p);
		params = member(want, name);
		assert_non_null(params.p);
		assert_int_equal(value(params).count, e->count);
		for (unsigned k = e->first; k < e->first + e->count; k++) {
			const struct syslog_sd_param *p = &parser.sd.params[k];

			snprintf(
				name, sizeof name, "%.*s", (int)p->name.n, (const char *)p->name.p);
			assert_text(id, name, p->value, text(params, name));
		}
	}
	assert_int_equal(parser.sd.elements_count, want.p ? value(want).count : 0);
}

static void check_ietf(struct span vector, const char *id)
{
	struct span in = text(vector, "input"), want = member(vector, "expect");
	struct syslog_message m;

	syslog_parse(&parser, &source, in, &m);
	if (flag(vector, "valid")) {
		assert_int_equal(m.form, SYSLOG_IETF);
		assert_int_equal(m.problems, 0);
		assert_fields(id, &m, want);
		assert_sd(id, member(want, "structured_data"));
		return;
	}
	if (is_lenient(id)) {
		assert_int_equal(m.form, SYSLOG_IETF);
		assert_int_equal(m.problems, 0);
		return;
	}
	/* Broken: what could not be read is in the text, and it is said or the form is another. */
	if (m.form == SYSLOG_IETF && m.problems == 0)
		fail_msg("%s is taken for good", id);
	while (in.n > 0 && strchr("\n\r", in.p[in.n - 1]))
		in.n--;
	assert_ptr_equal(span_end(m.text), span_end(in));
}

static void test_ietf(void **state)
{
	int n = each("syslog-rfc5424.ndjson", check_ietf);

	(void)state;
	assert_true(n == 0 || n == 141);
}

/* ---------------------------------------------------------------- RFC 3164 */

static void check_bsd(struct span vector, const char *id)
{
	struct syslog_message m;

	syslog_parse(&parser, &source, text(vector, "input"), &m);
	assert_true(flag(vector, "valid"));
	assert_int_equal(m.problems, 0);
	assert_fields(id, &m, member(vector, "expect"));
}

static void test_bsd(void **state)
{
	int n = each("syslog-rfc3164.ndjson", check_bsd);

	(void)state;
	assert_true(n == 0 || n == 8);
}

/* ---------------------------------------------------------------- rsyslog */

/*
 * host|tag|text where ours differ: rsyslog takes any first word for a host or tag and cuts it off the
 * text; here a tag has its colon or brackets. Cisco's tag is facility and message. A year behind the
 * time is one. A `BOM` in letters is text to both.
 */
static const char *own_answer(const char *id)
{
	static const struct {
		const char *id, *answer;
	} own[] = {
		{ "rsyslog-021", "||This is a message!" },
		{ "rsyslog-023", "172.20.245.8|PIX|UDP request discarded from SERVER1/2741 to "
				 "test_app:255.255.255.255/61601" },
		{ "rsyslog-027", "host||tag This msg contains 8-bit European chars: "
				 "\xC3\xA4\xC3\xB6\xC3\xBC" },
		{ "rsyslog-033", "10.321.1.123||05\",result_code=200,b" },
		{ "rsyslog-034", "serverX||-- MARK --" },
		{ "rsyslog-035", "serverX||-- MARK --" },
		{ "rsyslog-043", "netips-warden2-p||[audit] user=[*SMS] src=192.168.11.11 iface=5 "
				 "access=9 Update State Reset" },
		{ "rsyslog-044", "X4711||AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
		{ "rsyslog-047", "X4711||AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
		{ "rsyslog-079", "hostname||tag This is a message" },
		{ "rsyslog-080", "hostname|tag|This is a message" },
	};

	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
		if (strcmp(own[i].id, id) == 0)
			return own[i].answer;
	}
	return NULL;
}

/* The n-th part of a line with commas; the last has the rest. */
static struct span part(struct span line, unsigned n)
{
	const uint8_t *comma = NULL;

	for (unsigned i = 0; i <= n; i++) {
		if (comma)
			line = span_of(comma + 1, (size_t)(span_end(line) - comma - 1));
		comma = memchr(line.p, ',', line.n);
	}
	return comma && n < 7 ? span_of(line.p, (size_t)(comma - line.p)) : line;
}

static struct span trimmed(struct span s)
{
	return s.n > 0 && *s.p == ' ' ? span_of(s.p + 1, s.n - 1) : s;
}

static void check_rsyslog(struct span vector, const char *id)
{
	struct span line = text(vector, "expect_line");
	const char *own = own_answer(id);
	struct syslog_message m;
	char answer[512], stamp[32];
	time_t t;

	syslog_parse(&parser, &source, text(vector, "input"), &m);
	if (own) {
		snprintf(answer, sizeof answer, "%.*s|%.*s|%.*s", (int)m.host.n,
			(const char *)m.host.p, (int)m.app.n, (const char *)m.app.p, (int)m.text.n,
			(const char *)m.text.p);
		assert_string_equal(answer, own);
		return;
	}
	assert_text(id, "facility", span_str(syslog_facility_name(m.facility)), part(line, 1));
	assert_text(id, "host", m.host, part(line, 4));
	assert_text(id, "tag", m.app, part(line, 5));
	assert_text(id, "text", m.text, trimmed(part(line, 7)));
	t = (time_t)(m.time_ns / CLOCK_NS_PER_SEC);
	strftime(stamp, sizeof stamp, "%b %e %T", gmtime(&t));
	/* It prints the time in the zone of the sender, which nothing here keeps. */
	if (m.form == SYSLOG_BSD)
		assert_text(id, "stamp", span_str(stamp), part(line, 3));
}

static void test_rsyslog(void **state)
{
	int n = each("syslog-rsyslog.ndjson", check_rsyslog);

	(void)state;
	assert_true(n == 0 || n == 30);
}

/* ---------------------------------------------------------------- framing */

/*
 * What ours hands out of a stream against what the reader that goes on after errors does; an entry
 * without a message is one that it could make nothing of. A counted message whose stream breaks off is
 * dropped here, and the longest message is longer.
 */
static void check_frames(struct span vector, const char *id)
{
	struct span in = text(vector, "input"), list = member(vector, "best_effort"), entry, want;
	struct rcur c = rcur_of(in.p, in.n), entries = rcur_of(list.p, list.n);
	struct syslog_frame_message f;
	struct syslog_message m;
	struct syslog_frame frame;
	struct walk_value v;
	int rc = SYSLOG_FRAME_MESSAGE;

	if (strcmp(id, "octet-006") == 0 || strcmp(id, "octet-011") == 0)
		return;
	syslog_frame_init(&frame);
	assert_int_equal(walk_read(&entries, &v), 0);
	for (uint32_t i = v.count; i > 0 && rc == SYSLOG_FRAME_MESSAGE; i--) {
		assert_int_equal(walk_take(&entries, &entry), 0);
		want = member(entry, "message");
		rc = syslog_frame_next(&frame, &c, &f);
		if (rc == SYSLOG_FRAME_MORE)
			rc = syslog_frame_end(&frame, &f);
		if (!want.p)
			continue;
		assert_int_equal(rc, SYSLOG_FRAME_MESSAGE);
		syslog_parse(&parser, &source, f.text, &m);
		assert_int_equal(m.facility * 8 + m.severity, value(member(want, "pri")).u);
		if (flag(entry, "ok"))
			assert_fields(id, &m, want);
	}
	assert_true(syslog_frame_next(&frame, &c, &f) == SYSLOG_FRAME_MORE);
	syslog_frame_fini(&frame);
}

static void test_framing(void **state)
{
	int octet = each("syslog-framing-octet.ndjson", check_frames);
	int lf = each("syslog-framing-lf.ndjson", check_frames);

	(void)state;
	assert_true(octet == 0 || octet == 12);
	assert_true(lf == 0 || lf == 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ietf),
		cmocka_unit_test(test_bsd),
		cmocka_unit_test(test_rsyslog),
		cmocka_unit_test(test_framing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
