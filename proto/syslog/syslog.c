#include "proto/syslog/syslog.h"

#include "proto/base/check.h"
#include "proto/syslog/syslog_bsd.h"

enum {
	PRI_DEFAULT = SYSLOG_FACILITY_USER * 8 + 5, /* RFC 3164 section 4.3.3 */
	PRI_MAX = 191,
	VERSION_DIGITS_MAX = 3,
};

struct scan {
	const uint8_t *p;
	const uint8_t *end;
};

void syslog_init(struct syslog *s, const struct syslog_zone *zone)
{
	s->zone = *zone;
	s->sd.elements_count = s->sd.params_count = 0;
}

const char *syslog_facility_name(unsigned facility)
{
	static const char *const names[SYSLOG_FACILITY_COUNT] = { "kern", "user", "mail", "daemon",
		"auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
		"security", "console", "solaris-cron", "local0", "local1", "local2", "local3",
		"local4", "local5", "local6", "local7" };

	ASSERT(facility < SYSLOG_FACILITY_COUNT);
	return names[facility];
}

const char *syslog_problem_name(enum syslog_problem problem)
{
	static const char *const names[SYSLOG_PROBLEM_COUNT] = { "no_pri", "pri", "header", "time",
		"sd", "no_header", "cut" };

	ASSERT(problem < SYSLOG_PROBLEM_COUNT);
	return names[problem];
}

static void problem(struct syslog_message *m, enum syslog_problem which)
{
	m->problems |= 1u << which;
}

static bool is_digit(uint8_t b)
{
	return (unsigned)b - '0' <= 9;
}

/* <0> to <191>, without leading zeroes; what only looks like it is taken off as well. */
static void read_pri(struct scan *s, struct syslog_message *m)
{
	const uint8_t *p = s->p;
	unsigned v = 0, digits = 0;

	if (p < s->end && *p == '<') {
		for (p++; p < s->end && digits < 3 && is_digit(*p); digits++)
			v = v * 10 + *p++ - '0';
	}
	if (digits == 0 || p == s->end || *p != '>') {
		problem(m, SYSLOG_NO_PRI);
		v = PRI_DEFAULT;
	} else {
		if (v > PRI_MAX || (digits > 1 && s->p[1] == '0')) {
			problem(m, SYSLOG_BAD_PRI);
			v = PRI_DEFAULT;
		}
		s->p = p + 1;
	}
	m->facility = (uint8_t)(v / 8);
	m->severity = v % 8;
}

/* ---- RFC 5424 ---- */

/* VERSION SP: a digit from 1, up to two more, a space. */
static bool read_version(struct scan *s)
{
	const uint8_t *p = s->p;
	unsigned digits = 0;

	if (p == s->end || *p == '0')
		return false;
	while (p < s->end && digits < VERSION_DIGITS_MAX && is_digit(*p)) {
		p++;
		digits++;
	}
	if (digits == 0 || p == s->end || *p != ' ')
		return false;
	s->p = p + 1;
	return true;
}

/* A word of the header and the space behind it. */
static bool read_word(struct scan *s, struct span *out)
{
	const uint8_t *from = s->p;

	while (s->p<s->end && * s->p> ' ' && *s->p != 0x7f)
		s->p++;
	*out = span_of(from, (size_t)(s->p - from));
	if (out->n == 0 || s->p == s->end || *s->p != ' ')
		return false;
	s->p++;
	if (out->n == 1 && *from == '-')
		*out = SPAN_NONE;
	return true;
}

/* "2024-", the least that makes a word a stamp. */
static bool is_date(struct span w)
{
	return w.n > 4 && is_digit(w.p[0]) && is_digit(w.p[1]) && is_digit(w.p[2]) &&
	       is_digit(w.p[3]) && w.p[4] == '-';
}

static bool read_time(struct syslog *s, const struct syslog_source *from, struct scan *in,
	struct syslog_message *m)
{
	struct syslog_stamp stamp;
	struct span word;

	if (!read_word(in, &word))
		return false;
	if (!word.p)
		return true;
	if (!is_date(word))
		return false;
	if (syslog_time_stamp(&s->zone, from->received_ns, word, &stamp) == word.n) {
		m->has_time = true;
		m->time_ns = stamp.ns;
	} else {
		problem(m, SYSLOG_BAD_TIME);
		m->stamp = word;
	}
	return true;
}

/* Structured data, and the space between it and the text. What is none is text, all of it. */
static void read_sd(struct syslog *s, struct scan *in, struct syslog_message *m)
{
	const uint8_t *p = in->p;

	if (p < in->end && *p == '-')
		p++;
	else if (p < in->end && *p == '[')
		p += syslog_sd_read(span_of(p, (size_t)(in->end - p)), &s->sd);
	if (p > in->p && (p == in->end || *p == ' ')) {
		in->p = p + (p < in->end);
		return;
	}
	s->sd.elements_count = s->sd.params_count = 0;
	problem(m, SYSLOG_BAD_SD);
}

static bool parse_ietf(struct syslog *s, const struct syslog_source *from, struct scan in,
	struct syslog_message *out)
{
	struct syslog_message m = *out;

	if (!read_time(s, from, &in, &m) || !read_word(&in, &m.host) || !read_word(&in, &m.app) ||
		!read_word(&in, &m.procid) || !read_word(&in, &m.msgid))
		return false;
	read_sd(s, &in, &m);
	m.form = SYSLOG_IETF;
	m.text = span_of(in.p, (size_t)(in.end - in.p));
	*out = m;
	return true;
}

/* Whether it is more than chance that a digit and a space follow PRI. */
static bool is_ietf(const struct scan *in)
{
	size_t n = (size_t)(in->end - in->p);

	return is_date(span_of(in->p, n)) || (n > 1 && in->p[0] == '-' && in->p[1] == ' ');
}

/* ---- all forms ---- */

/* Line ends, and NULs that some devices end with. */
static struct span trim_end(struct span in)
{
	while (in.n > 0 &&
		(in.p[in.n - 1] == '\n' || in.p[in.n - 1] == '\r' || in.p[in.n - 1] == 0))
		in.n--;
	return in;
}

static void trim_mark(struct span *text)
{
	if (text->n < 3 || memcmp(text->p, "\xEF\xBB\xBF", 3) != 0)
		return;
	text->p += 3;
	text->n -= 3;
}

void syslog_parse(struct syslog *s, const struct syslog_source *from, struct span in,
	struct syslog_message *out)
{
	struct syslog_message m = { .form = SYSLOG_TEXT };
	struct scan scan, header;

	ASSERT(in.p);
	in = trim_end(in);
	scan = header = (struct scan){ in.p, span_end(in) };
	s->sd.elements_count = s->sd.params_count = 0;
	read_pri(&scan, &m);
	header = scan;
	if (from->cut)
		problem(&m, SYSLOG_CUT);
	if (m.problems & 1u << SYSLOG_NO_PRI || !read_version(&header) ||
		!parse_ietf(s, from, header, &m)) {
		if (header.p > scan.p && is_ietf(&header))
			problem(&m, SYSLOG_BAD_HEADER);
		syslog_bsd_parse(s, from, span_of(scan.p, (size_t)(scan.end - scan.p)), &m);
	}
	trim_mark(&m.text);
	*out = m;
}
