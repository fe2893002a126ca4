/*
 * Goal: a message of any form gives the fields that WIRE.md says.
 * Method: each row is a message and what comes of it in one line:
 *         form facility.severity time|host|app|procid|msgid|text, then what else there is. Messages
 *         arrive on 2024-03-01 00:00:10 UTC and their zone is +01:00 unless a test says otherwise.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/base/timefmt.h"
#include "proto/syslog/syslog.h"

struct row {
	const char *in;
	const char *want;
};

static int64_t instant(const char *text)
{
	struct timefmt t;

	assert_int_equal(timefmt_parse(span_str(text), &t), 0);
	return t.ns;
}

static void put_part(char *line, struct span s)
{
	sprintf(line + strlen(line), "|%.*s", s.p ? (int)s.n : 1, s.p ? (const char *)s.p : "-");
}

static void put_sd(char *line, const struct syslog_sd *sd)
{
	uint8_t plain[64];

	for (unsigned i = 0; i < sd->elements_count; i++) {
		const struct syslog_sd_element *e = &sd->elements[i];

		sprintf(line + strlen(line), " [%.*s", (int)e->id.n, (const char *)e->id.p);
		for (unsigned k = e->first; k < e->first + e->count; k++) {
			const struct syslog_sd_param *p = &sd->params[k];
			size_t n = syslog_sd_unescape(p->value, plain);

			assert_int_equal(p->escaped, n != p->value.n);
			sprintf(line + strlen(line), " %.*s=%.*s", (int)p->name.n,
				(const char *)p->name.p, (int)n, (const char *)plain);
		}
		strcat(line, "]");
	}
}

static const char *describe(const struct syslog *s, const struct syslog_message *m)
{
	static const char *const forms[] = { "text", "bsd", "ietf" };
	static char line[4096];
	char time[TIMEFMT_BYTES_MAX + 1] = "-";

	if (m->has_time)
		time[timefmt_put(time, m->time_ns)] = 0;
	sprintf(line, "%s %u.%u %s", forms[m->form], m->facility, m->severity, time);
	put_part(line, m->host);
	put_part(line, m->app);
	put_part(line, m->procid);
	put_part(line, m->msgid);
	put_part(line, m->text);
	if (m->sequence.p)
		sprintf(line + strlen(line), " #%.*s", (int)m->sequence.n,
			(const char *)m->sequence.p);
	if (m->stamp.p)
		sprintf(line + strlen(line), " @%.*s", (int)m->stamp.n, (const char *)m->stamp.p);
	put_sd(line, &s->sd);
	for (unsigned i = 0; i < SYSLOG_PROBLEM_COUNT; i++) {
		if (m->problems >> i & 1)
			sprintf(line + strlen(line), " !%s", syslog_problem_name(i));
	}
	return line;
}

static void check(const char *zone, struct syslog_source from, const struct row *rows, size_t n)
{
	struct syslog_zone z;
	struct syslog_message m;
	struct syslog s;

	assert_true(syslog_time_zone(span_str(zone), &z));
	syslog_init(&s, &z);
	for (size_t i = 0; i < n; i++) {
		/* A copy of the exact size shows the sanitizer any byte read beyond it. */
		size_t bytes = strlen(rows[i].in);
		uint8_t *copy = malloc(bytes + !bytes);

		memcpy(copy, rows[i].in, bytes);
		syslog_parse(&s, &from, span_of(copy, bytes), &m);
		assert_string_equal(describe(&s, &m), rows[i].want);
		free(copy);
	}
}

#define CHECK(rows) CHECK_FROM(rows, "+01:00", "2024-03-01T00:00:10Z", false)
#define CHECK_FROM(rows, zone, at, is_local)                                                   \
	check(zone, (struct syslog_source){ .received_ns = instant(at), .local = (is_local) }, \
		rows, sizeof(rows) / sizeof(rows)[0])

/* ---------------------------------------------------------------- RFC 5424 */

static void test_ietf(void **state)
{
	static const struct row rows[] = {
		{ "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xEF\xBB\xBF'su "
		  "root' failed for lonvick on /dev/pts/8",
			"ietf 4.2 2003-10-11T22:14:15.003Z|mymachine.example.com|su|-|ID47|'su root' "
			"failed for lonvick on /dev/pts/8" },
		{ "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time",
			"ietf 20.5 2003-08-24T12:14:15.000003Z|192.0.2.1|myproc|8710|-|%% It's time" },
		{ "<13>1 2026-11-20T17:45:54.414135+00:00 vm root - - [timeQuality tzKnown=\"1\" "
		  "isSynced=\"0\"] hello world",
			"ietf 1.5 2026-11-20T17:45:54.414135Z|vm|root|-|-|hello world [timeQuality "
			"tzKnown=1 isSynced=0]" },
		{ "<0>1 - - - - - -", "ietf 0.0 -|-|-|-|-|" },
		{ "<191>999 - - - - - - ", "ietf 23.7 -|-|-|-|-|" },
		{ "<1>1 - - - - - -  indented", "ietf 0.1 -|-|-|-|-| indented" },
		{ "<1>1 - - - - - - x\ny", "ietf 0.1 -|-|-|-|-|x\ny" },
		{ "<1>1 - - - - - - ends\r\n", "ietf 0.1 -|-|-|-|-|ends" },
		/* Times beyond the RFC's form. */
		{ "<1>1 2024-02-29t23:59:60,123456789z h - - - - m",
			"ietf 0.1 2024-02-29T23:59:59.999999Z|h|-|-|-|m" },
		{ "<1>1 2024-02-29T12:00:00.123456789 h - - - - m",
			"ietf 0.1 2024-02-29T11:00:00.123456789Z|h|-|-|-|m" },
		{ "<1>1 2023-02-29T12:00:00Z h a p i - m",
			"ietf 0.1 -|h|a|p|i|m @2023-02-29T12:00:00Z !time" },
		{ "<1>1 2024-02-29T12:00:00.0000000001Z h a p i - m",
			"ietf 0.1 -|h|a|p|i|m @2024-02-29T12:00:00.0000000001Z !time" },
	};

	(void)state;
	CHECK(rows);
}

static void test_ietf_broken(void **state)
{
	static const struct row rows[] = {
		/* Too few words, too many spaces, control characters: the rest is text. */
		{ "<1>1 - host app", "text 0.1 -|-|-|-|-|1 - host app !header" },
		{ "<1>1 -   - - - -", "text 0.1 -|-|-|-|-|1 -   - - - - !header" },
		{ "<1>1 - ho\tst a p m - x", "text 0.1 -|-|-|-|-|1 - ho\tst a p m - x !header" },
		{ "<1>1", "text 0.1 -|-|-|-|-|1" },
		{ "<1>1 hello, this is no header at all", "text 0.1 -|-|-|-|-|1 hello, this is no "
							  "header at all" },
		{ "<1>01 - - - - - - x", "text 0.1 -|-|-|-|-|01 - - - - - - x" },
		{ "<1>1000 - - - - - - x", "text 0.1 -|-|-|-|-|1000 - - - - - - x" },
	};

	(void)state;
	CHECK(rows);
}

static void test_sd(void **state)
{
	static const struct row rows[] = {
		{ "<1>1 - h a - - [e@32473 iut=\"3\" q=\"a\\\"b\\]\\\\\"][x] \xEF\xBB\xBFm",
			"ietf 0.1 -|h|a|-|-|m [e@32473 iut=3 q=a\"b]\\] [x]" },
		/* A backslash before anything else is one. */
		{ "<1>1 - - - - - [a b=\"\\n\\\"]", "ietf 0.1 -|-|-|-|-|[a b=\"\\n\\\"] !sd" },
		{ "<1>1 - - - - - [a b=\"\\n\"]", "ietf 0.1 -|-|-|-|-| [a b=\\n]" },
		{ "<1>1 - - - - - [a b=\"\"] m", "ietf 0.1 -|-|-|-|-|m [a b=]" },
		/* Not by the RFC, and in use. */
		{ "<1>1 - - - - - [a b=\"]\" c=\"x]y\"] m", "ietf 0.1 -|-|-|-|-|m [a b=] c=x]y]" },
		{ "<1>1 - - - - - [a b= \"1\" ] m", "ietf 0.1 -|-|-|-|-|m [a b=1]" },
		{ "<1>1 - - - - - [a b=\"1\"][a b=\"2\" b=\"3\"]",
			"ietf 0.1 -|-|-|-|-| [a b=1] [a b=2 b=3]" },
		/* Broken: all of it is text. */
		{ "<1>1 - - - - - [a b=\"1\"", "ietf 0.1 -|-|-|-|-|[a b=\"1\" !sd" },
		{ "<1>1 - - - - - [a b=1] m", "ietf 0.1 -|-|-|-|-|[a b=1] m !sd" },
		{ "<1>1 - - - - - [] m", "ietf 0.1 -|-|-|-|-|[] m !sd" },
		{ "<1>1 - - - - - [ a] m", "ietf 0.1 -|-|-|-|-|[ a] m !sd" },
		{ "<1>1 - - - - - [a]m", "ietf 0.1 -|-|-|-|-|[a]m !sd" },
		{ "<1>1 - - - - - text", "ietf 0.1 -|-|-|-|-|text !sd" },
		{ "<1>1 - - - - - -text", "ietf 0.1 -|-|-|-|-|-text !sd" },
	};

	(void)state;
	CHECK(rows);
}

static void test_sd_limits(void **state)
{
	char in[8192];
	struct syslog_message m;
	struct syslog_zone utc = { 0 };
	struct syslog_source from = { 0 };
	struct syslog s;

	(void)state;
	syslog_init(&s, &utc);
	for (int more = 0; more <= 1; more++) {
		strcpy(in, "<1>1 - - - - - [a");
		for (int i = 0; i < LIMIT_SYSLOG_PARAMS + more; i++)
			sprintf(in + strlen(in), " n%d=\"v\"", i);
		strcat(in, "] m");
		syslog_parse(&s, &from, span_str(in), &m);
		assert_int_equal(s.sd.params_count, more ? 0 : LIMIT_SYSLOG_PARAMS);
		assert_int_equal(m.problems, more ? 1 << SYSLOG_BAD_SD : 0);

		strcpy(in, "<1>1 - - - - - ");
		for (int i = 0; i < LIMIT_SYSLOG_ELEMENTS + more; i++)
			sprintf(in + strlen(in), "[e%d]", i);
		syslog_parse(&s, &from, span_str(in), &m);
		assert_int_equal(s.sd.elements_count, more ? 0 : LIMIT_SYSLOG_ELEMENTS);
		assert_int_equal(m.problems, more ? 1 << SYSLOG_BAD_SD : 0);
	}
}

/* ---------------------------------------------------------------- RFC 3164 */

static void test_pri(void **state)
{
	static const struct row rows[] = {
		{ "<191>x", "text 23.7 -|-|-|-|-|x" },
		{ "<0>x", "text 0.0 -|-|-|-|-|x" },
		{ "<192>x", "text 1.5 -|-|-|-|-|x !pri" },
		{ "<013>x", "text 1.5 -|-|-|-|-|x !pri" },
		{ "<999>x", "text 1.5 -|-|-|-|-|x !pri" },
		{ "<1000>x", "text 1.5 -|-|-|-|-|<1000>x !no_pri !no_header" },
		{ "<>x", "text 1.5 -|-|-|-|-|<>x !no_pri !no_header" },
		{ "<1x", "text 1.5 -|-|-|-|-|<1x !no_pri !no_header" },
		{ "<1", "text 1.5 -|-|-|-|-|<1 !no_pri !no_header" },
		{ "<", "text 1.5 -|-|-|-|-|< !no_pri !no_header" },
		{ "<13>", "text 1.5 -|-|-|-|-|" },
		{ "", "text 1.5 -|-|-|-|-| !no_pri !no_header" },
		{ "Use the BFG!", "text 1.5 -|-|-|-|-|Use the BFG! !no_pri !no_header" },
	};

	(void)state;
	CHECK(rows);
}

static void test_bsd(void **state)
{
	static const struct row rows[] = {
		{ "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
			"bsd 4.2 2023-10-11T21:14:15Z|mymachine|su|-|-|'su root' failed for lonvick on "
			"/dev/pts/8" },
		{ "<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!",
			"bsd 1.5 2024-02-05T16:32:18Z|10.0.0.99|-|-|-|Use the BFG!" },
		{ "<13>Nov 20 17:45:54 vm app[32054]: hello world",
			"bsd 1.5 2023-11-20T16:45:54Z|vm|app|32054|-|hello world" },
		{ "<0>Oct 22 10:52:01 10.1.2.3 sched[0]: That's All Folks!",
			"bsd 0.0 2023-10-22T09:52:01Z|10.1.2.3|sched|0|-|That's All Folks!" },
		{ "<165>Oct 11 22:14:15 h evntslog[9] \xEF\xBB\xBF"
		  "An event#012line2",
			"bsd 20.5 2023-10-11T21:14:15Z|h|evntslog|9|-|An event#012line2" },
		{ "<167>Mar 27 19:06:53 h sshd(pam_unix)[12750]:  session",
			"bsd 20.7 2023-03-27T18:06:53Z|h|sshd(pam_unix)|12750|-| session" },
		{ "<30>Nov 20 17:45:55 h postfix/smtpd[1]:",
			"bsd 3.6 2023-11-20T16:45:55Z|h|postfix/"
			"smtpd|1|-|" },
		{ "<30>Nov 20 17:45:55 h cron[]: x", "bsd 3.6 2023-11-20T16:45:55Z|h|cron|-|-|x" },
		{ "<13>Nov 20 17:45:55 h std::sort: x",
			"bsd 1.5 2023-11-20T16:45:55Z|h|std::sort|-|-|"
			"x" },
		{ "<13>Nov 20 17:45:55 h http://a/b is down",
			"bsd 1.5 2023-11-20T16:45:55Z|h|-|-|-|http://a/b is down" },
		{ "<13>Nov 20 17:45:55 h [audit] user=x",
			"bsd 1.5 2023-11-20T16:45:55Z|h|-|-|-|[audit] user=x" },
		{ "<13>Nov 20 17:45:55 h a[1 2]: x",
			"bsd 1.5 2023-11-20T16:45:55Z|h|-|-|-|a[1 2]: x" },
		{ "<14>Aug 30 23:00:05 X4711", "bsd 1.6 2023-08-30T22:00:05Z|X4711|-|-|-|" },
		{ "<14>Aug 30 23:00:05 X4711 ", "bsd 1.6 2023-08-30T22:00:05Z|X4711|-|-|-|" },
		{ "<14>Aug 30 23:00:05", "bsd 1.6 2023-08-30T22:00:05Z|-|-|-|-|" },
		/* Hosts. */
		{ "<13>Nov 20 17:45:55 fe80::1 app: x",
			"bsd 1.5 2023-11-20T16:45:55Z|fe80::1|app|-|-|"
			"x" },
		{ "<13>Nov 20 17:45:55 [fe80::1] app: x",
			"bsd 1.5 2023-11-20T16:45:55Z|fe80::1|app|-|-|x" },
		{ "<13>Nov 20 17:45:55 a_b.c-d app: x",
			"bsd 1.5 2023-11-20T16:45:55Z|a_b.c-d|app|-|-|"
			"x" },
		{ "<13>Nov 20 17:45:55 -- MARK --",
			"bsd 1.5 2023-11-20T16:45:55Z|-|-|-|-|-- MARK --" },
		/* No host: a word with a colon is a tag. */
		{ "<35>Nov 20 17:45:55 app: hello",
			"bsd 4.3 2023-11-20T16:45:55Z|-|app|-|-|hello" },
		{ "<30>Nov 20 17:45:55 unit[1]: text",
			"bsd 3.6 2023-11-20T16:45:55Z|-|unit|1|-|text" },
		/* No stamp: a tag, if it is plain, else text. */
		{ "<13>app: hello", "bsd 1.5 -|-|app|-|-|hello" },
		{ "<13>app[7]: hello", "bsd 1.5 -|-|app|7|-|hello" },
		{ "<13>hello world", "text 1.5 -|-|-|-|-|hello world" },
		{ "<13> hello", "text 1.5 -|-|-|-|-| hello" },
		{ "<189>date=2024-01-15 time=10:15:30 devname=\"fw1\"",
			"text 23.5 -|-|-|-|-|date=2024-01-15 time=10:15:30 devname=\"fw1\"" },
		{ "<13>{\"a\": 1}", "text 1.5 -|-|-|-|-|{\"a\": 1}" },
		{ "<13>Nov 20 17:45:55 h app: @cee: {\"a\": 1}",
			"bsd 1.5 2023-11-20T16:45:55Z|h|app|-|-|@cee: {\"a\": 1}" },
	};

	(void)state;
	CHECK(rows);
}

/* As long as each may be, and a byte longer: then it belongs to the text. */
static void test_bsd_limits(void **state)
{
	enum { HOST = LIMIT_SYSLOG_HOST_BYTES, TAG = LIMIT_SYSLOG_TAG_BYTES };
	enum { PROCID = LIMIT_SYSLOG_PROCID_BYTES };
	/* What is sent, and what is found of it. */
	const struct {
		int host, tag, procid, found_host, found_tag, found_procid;
	} rows[] = {
		{ HOST, TAG, PROCID, HOST, TAG, PROCID },
		{ HOST + 1, 3, 3, 0, 0, 0 },
		{ 3, TAG + 1, 3, 3, 0, 0 },
		/* The brackets are of the tag then. */
		{ 3, 3, PROCID + 1, 3, 3 + 1 + PROCID + 1 + 1, 0 },
	};
	struct syslog_message m;
	struct syslog_zone utc = { 0 };
	struct syslog_source from = { 0 };
	struct syslog s;
	char in[4096];

	(void)state;
	syslog_init(&s, &utc);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sprintf(in, "<13>Nov 20 17:45:55 h%0*d t%0*d[%0*d]: m", rows[i].host - 1, 0,
			rows[i].tag - 1, 0, rows[i].procid, 0);
		syslog_parse(&s, &from, span_str(in), &m);
		assert_int_equal(m.host.p ? m.host.n : 0, rows[i].found_host);
		assert_int_equal(m.app.p ? m.app.n : 0, rows[i].found_tag);
		assert_int_equal(m.procid.p ? m.procid.n : 0, rows[i].found_procid);
		/* Nothing is lost. */
		assert_true(m.text.n >= 1 && m.text.p[m.text.n - 1] == 'm');
		if (rows[i].found_tag == 0)
			assert_non_null(memchr(m.text.p, '[', m.text.n));
	}
}

static void test_no_pri(void **state)
{
	static const struct row rows[] = {
		{ "Feb 18 16:01:59 serverX -- MARK --",
			"bsd 1.5 2024-02-18T15:01:59Z|serverX|-|-|-|-- MARK -- !no_pri" },
		{ "Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; logname=",
			"bsd 1.5 2023-06-14T14:16:01Z|combo|sshd(pam_unix)|19939|-|authentication "
			"failure; logname= !no_pri" },
		{ "2021-05-04T09:43:01.123456+00:00 host sshd[12]: text",
			"bsd 1.5 2021-05-04T09:43:01.123456Z|host|sshd|12|-|text !no_pri" },
		{ "2021-05-04T09:43:01Z [AUTH] WARN: text",
			"text 1.5 2021-05-04T09:43:01Z|-|-|-|-|2021-05-04T09:43:01Z [AUTH] WARN: text "
			"!no_pri !no_header" },
		/* Lines of programs stay whole; their time is taken. */
		{ "2021-05-04T09:43:01Z INFO main: text",
			"text 1.5 2021-05-04T09:43:01Z|-|-|-|-|2021-05-04T09:43:01Z INFO main: text "
			"!no_pri !no_header" },
		{ "2021-05-04T09:43:01Z main: text",
			"text 1.5 2021-05-04T09:43:01Z|-|-|-|-|2021-05-04T09:43:01Z main: text !no_pri "
			"!no_header" },
		{ "2015-10-18 18:01:47,978 INFO [main] org.apache.X: Created",
			"text 1.5 2015-10-18T17:01:47.978Z|-|-|-|-|2015-10-18 18:01:47,978 INFO [main] "
			"org.apache.X: Created !no_pri !no_header" },
		{ "[Sun Dec 04 04:47:44 2005] [notice] ok",
			"text 1.5 -|-|-|-|-|[Sun Dec 04 04:47:44 2005] [notice] ok !no_pri !no_header" },
		{ "\tat java.lang.Thread.run(Thread.java:745)",
			"text 1.5 -|-|-|-|-|\tat java.lang.Thread.run(Thread.java:745) !no_pri "
			"!no_header" },
		{ "error: x", "text 1.5 -|-|-|-|-|error: x !no_pri !no_header" },
	};

	(void)state;
	CHECK(rows);
}

static void test_local(void **state)
{
	static const struct row rows[] = {
		{ "<35>Nov 20 17:45:55 app: hello",
			"bsd 4.3 2023-11-20T16:45:55Z|-|app|-|-|hello" },
		{ "<35>Nov 20 17:45:55 vm app: hello",
			"bsd 4.3 2023-11-20T16:45:55Z|vm|app|-|-|hello" },
		{ "<35>Nov 20 17:45:55 hello world", "bsd 4.3 2023-11-20T16:45:55Z|-|-|-|-|hello "
						     "world" },
	};

	(void)state;
	CHECK_FROM(rows, "+01:00", "2024-03-01T00:00:10Z", true);
}

static void test_devices(void **state)
{
	static const struct row rows[] = {
		{ "<189>101: *Mar  1 18:46:11.233: %SYS-5-CONFIG_I: Configured from console",
			"bsd 23.5 2024-03-01T17:46:11.233Z|-|SYS|-|SYS-5-CONFIG_I|Configured from "
			"console #101" },
		{ "<189>101: 000077: .Feb  1 18:46:11: %LINK-3-UPDOWN: x",
			"bsd 23.5 2024-02-01T17:46:11Z|-|LINK|-|LINK-3-UPDOWN|x #000077" },
		{ "<189>101: rtr1: *Feb  1 18:46:11.233 CET: %SYS-5-CONFIG_I: x",
			"bsd 23.5 2024-02-01T17:46:11.233Z|rtr1|SYS|-|SYS-5-CONFIG_I|x #101" },
		{ "<189>101: %SEC_LOGIN-4-LOGIN_FAILED: x",
			"bsd 23.5 -|-|SEC_LOGIN|-|SEC_LOGIN-4-LOGIN_FAILED|x #101" },
		{ "<189>101: hello", "bsd 23.5 -|-|101|-|-|hello" },
		{ "<166>2018-06-27T12:17:46Z asa : %ASA-6-110002: Failed to locate",
			"bsd 20.6 2018-06-27T12:17:46Z|asa|ASA|-|ASA-6-110002|Failed to locate" },
		{ "<166>:Jan 15 10:15:30 UTC: %ASA-6-302013: Built outbound",
			"bsd 20.6 2024-01-15T10:15:30Z|-|ASA|-|ASA-6-302013|Built outbound" },
		{ "<167>Jan  6 16:57:54 172.20.245.8 %PIX-7-710005: UDP",
			"bsd 20.7 2024-01-06T15:57:54Z|172.20.245.8|PIX|-|PIX-7-710005|UDP" },
		{ "<166>2024-01-15T10:15:30.123Z esx1 Hostd: info hostd[1] x",
			"bsd 20.6 2024-01-15T10:15:30.123Z|esx1|Hostd|-|-|info hostd[1] x" },
		{ "<167> Jan  7 19:06:53 example tag: HP",
			"bsd 20.7 2024-01-07T18:06:53Z|example|tag|-|-|HP" },
		{ "<13>Nov 20 17:45:55 PC1 Microsoft-Windows-Security-Auditing[4]: a\tb\r\rc",
			"bsd 1.5 2023-11-20T16:45:55Z|PC1|Microsoft-Windows-Security-Auditing|4|-|a\tb\r\rc" },
	};

	(void)state;
	CHECK(rows);
}

/* ---------------------------------------------------------------- stamps */

static void test_stamps(void **state)
{
	static const struct row rows[] = {
		{ "<1>Feb 1 02:03:04 h a: x", "bsd 0.1 2024-02-01T01:03:04Z|h|a|-|-|x" },
		{ "<1>fEB 01 02:03:04.5 h a: x", "bsd 0.1 2024-02-01T01:03:04.5Z|h|a|-|-|x" },
		{ "<1>Feb  1 02:03:04,000000001 h a: x",
			"bsd 0.1 2024-02-01T01:03:04.000000001Z|h|a|-|-|x" },
		{ "<1>Feb  1 2008 02:03:04: h a: x", "bsd 0.1 2008-02-01T01:03:04Z|h|a|-|-|x" },
		{ "<1>Feb  1 02:03:04 2009  h a: x", "bsd 0.1 2009-02-01T01:03:04Z|h|a|-|-|x" },
		{ "<1>2009 Feb  1 02:03:04 h a: x", "bsd 0.1 2009-02-01T01:03:04Z|h|a|-|-|x" },
		{ "<1>Feb  1 02:03:04 UTC h a: x", "bsd 0.1 2024-02-01T02:03:04Z|h|a|-|-|x" },
		{ "<1>Feb  1 02:03:04 +05:30 h a: x", "bsd 0.1 2024-01-31T20:33:04Z|h|a|-|-|x" },
		{ "<1>Feb  1 02:03:04 FOO: h a: x", "bsd 0.1 2024-02-01T01:03:04Z|h|a|-|-|x" },
		{ "<1>Feb  1 02:03:04 FOO a: x", "bsd 0.1 2024-02-01T01:03:04Z|FOO|a|-|-|x" },
		{ "<1>2024-02-01 02:03:04 h a: x", "bsd 0.1 2024-02-01T01:03:04Z|h|a|-|-|x" },
		{ "<1>2024-02-01T02:03:04-0130 h a: x", "bsd 0.1 2024-02-01T03:33:04Z|h|a|-|-|x" },
		{ "<1>Feb  1 23:59:60 h a: x", "bsd 0.1 2024-02-01T22:59:59.999999Z|h|a|-|-|x" },
		/* No stamps. */
		{ "<1>Feb 30 02:03:04 h a: x", "text 0.1 -|-|-|-|-|Feb 30 02:03:04 h a: x" },
		{ "<1>Feb  0 02:03:04 h a: x", "text 0.1 -|-|-|-|-|Feb  0 02:03:04 h a: x" },
		{ "<1>Feb 32 02:03:04 h a: x", "text 0.1 -|-|-|-|-|Feb 32 02:03:04 h a: x" },
		{ "<1>Feb  1 24:03:04 h a: x", "text 0.1 -|-|-|-|-|Feb  1 24:03:04 h a: x" },
		{ "<1>Feb  1 02:03:04x h a: x", "text 0.1 -|-|-|-|-|Feb  1 02:03:04x h a: x" },
		{ "<1>Fed  1 02:03:04 h a: x", "text 0.1 -|-|-|-|-|Fed  1 02:03:04 h a: x" },
		{ "<1>2024-13-01T02:03:04Z h a: x",
			"text 0.1 -|-|-|-|-|2024-13-01T02:03:04Z h a: x" },
		{ "<1>2300-01-01T02:03:04Z h a: x",
			"text 0.1 -|-|-|-|-|2300-01-01T02:03:04Z h a: x" },
	};

	(void)state;
	CHECK(rows);
}

static void test_year(void **state)
{
	static const struct row january[] = {
		{ "<1>Dec 31 23:59:59 h a: x", "bsd 0.1 2023-12-31T23:59:59Z|h|a|-|-|x" },
		{ "<1>Jan  1 00:00:05 h a: x", "bsd 0.1 2024-01-01T00:00:05Z|h|a|-|-|x" },
		/* A day ahead is a fast clock, more is last year. */
		{ "<1>Jan  2 00:00:09 h a: x", "bsd 0.1 2024-01-02T00:00:09Z|h|a|-|-|x" },
		{ "<1>Jan  2 00:00:11 h a: x", "bsd 0.1 2023-01-02T00:00:11Z|h|a|-|-|x" },
		{ "<1>Feb 29 12:00:00 h a: x", "bsd 0.1 2020-02-29T12:00:00Z|h|a|-|-|x" },
	};
	static const struct row december[] = {
		{ "<1>Jan  1 00:00:01 h a: x", "bsd 0.1 2024-01-01T00:00:01Z|h|a|-|-|x" },
		{ "<1>Dec 31 23:59:59 h a: x", "bsd 0.1 2023-12-31T23:59:59Z|h|a|-|-|x" },
	};

	(void)state;
	CHECK_FROM(january, "UTC", "2024-01-01T00:00:10Z", false);
	CHECK_FROM(december, "UTC", "2023-12-31T23:59:58Z", false);
}

/* Central European time: +01:00, in summer +02:00. */
static void test_local_zone(void **state)
{
	static const struct row winter[] = {
		{ "<1>Jan 15 12:00:00 h a: x", "bsd 0.1 2024-01-15T11:00:00Z|h|a|-|-|x" },
		{ "<1>Jul 15 12:00:00 h a: x", "bsd 0.1 2023-07-15T10:00:00Z|h|a|-|-|x" },
		{ "<1>Jan 15 12:20:00 h a: x", "bsd 0.1 2024-01-15T11:20:00Z|h|a|-|-|x" },
	};
	/* On 2024-10-27 at 03:00 the clock went back to 02:00. */
	static const struct row first[] = {
		{ "<1>Oct 27 02:30:00 h a: x", "bsd 0.1 2024-10-27T00:30:00Z|h|a|-|-|x" },
	};
	static const struct row second[] = {
		{ "<1>Oct 27 02:30:00 h a: x", "bsd 0.1 2024-10-27T01:30:00Z|h|a|-|-|x" },
		{ "<1>Oct 27 03:00:00 h a: x", "bsd 0.1 2024-10-27T02:00:00Z|h|a|-|-|x" },
	};
	/* On 2024-03-31 there was no 02:30. */
	static const struct row never[] = {
		{ "<1>Mar 31 02:30:00 h a: x", "bsd 0.1 2024-03-31T01:30:00Z|h|a|-|-|x" },
	};

	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	CHECK_FROM(winter, "local", "2024-01-20T00:00:00Z", false);
	CHECK_FROM(first, "local", "2024-10-27T00:30:01Z", false);
	CHECK_FROM(second, "local", "2024-10-27T01:30:01Z", false);
	CHECK_FROM(never, "local", "2024-04-01T00:00:00Z", false);
}

static void test_zone_text(void **state)
{
	struct syslog_zone z;

	(void)state;
	assert_true(syslog_time_zone(SPAN_LIT("-0330"), &z));
	assert_int_equal(z.offset_s, -12600);
	assert_true(syslog_time_zone(SPAN_LIT("UTC"), &z));
	assert_int_equal(z.offset_s, 0);
	assert_false(z.local);
	assert_false(syslog_time_zone(SPAN_LIT("CET"), &z));
	assert_false(syslog_time_zone(SPAN_LIT("+02:00 "), &z));
	assert_false(syslog_time_zone(SPAN_LIT("+2"), &z));
	assert_false(syslog_time_zone(SPAN_LIT(""), &z));
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(syslog_facility_name(0), "kern");
	assert_string_equal(syslog_facility_name(10), "authpriv");
	assert_string_equal(syslog_facility_name(23), "local7");
	assert_string_equal(syslog_problem_name(SYSLOG_CUT), "cut");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ietf),
		cmocka_unit_test(test_ietf_broken),
		cmocka_unit_test(test_sd),
		cmocka_unit_test(test_sd_limits),
		cmocka_unit_test(test_pri),
		cmocka_unit_test(test_bsd),
		cmocka_unit_test(test_bsd_limits),
		cmocka_unit_test(test_no_pri),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_stamps),
		cmocka_unit_test(test_year),
		cmocka_unit_test(test_local_zone),
		cmocka_unit_test(test_zone_text),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
