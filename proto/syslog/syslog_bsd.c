/*
 * What follows PRI, each part optional:
 *
 *	number: number:  *  stamp  :  host  :  tag[procid]:  text
 *
 * The numbers, the asterisk and the single colons are Cisco's. A word is taken for what it is only
 * where nothing else can be meant: a tag by its colon or its brackets, a host by its place between
 * stamp and tag, or after the stamp of a message from the network. All else is text, so that
 * `Use the BFG!` (RFC 3164 section 5.4) and a stack trace keep their first word.
 */
#include "proto/syslog/syslog_bsd.h"

#include <arpa/inet.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/wire/event.h"

enum { SEQUENCE_DIGITS_MAX = 10 };

struct scan {
	const uint8_t *p;
	const uint8_t *end;
};

struct tag {
	struct span app, procid, msgid;
	const uint8_t *text; /* what follows */
};

static size_t left(const struct scan *s)
{
	return (size_t)(s->end - s->p);
}

static bool is_digit(uint8_t b)
{
	return (unsigned)b - '0' <= 9;
}

static bool is_alnum(uint8_t b)
{
	return is_digit(b) || (unsigned)(b | 0x20) - 'a' <= 'z' - 'a';
}

static bool take(struct scan *s, char c)
{
	bool there = s->p < s->end && *s->p == (uint8_t)c;

	s->p += there;
	return there;
}

static bool take_spaces(struct scan *s)
{
	const uint8_t *from = s->p;

	while (s->p < s->end && *s->p == ' ')
		s->p++;
	return s->p > from;
}

static const uint8_t *word_end(const struct scan *s)
{
	const uint8_t *space = left(s) ? memchr(s->p, ' ', left(s)) : NULL;

	return space ? space : s->end;
}

/* ---- tag ---- */

/* Cisco's %FACILITY-SEVERITY-MNEMONIC names the message; its facility is the program. */
static void split_mnemonic(struct tag *t)
{
	struct span w = t->app;

	if (w.n < 2 || w.p[0] != '%')
		return;
	for (size_t i = 2; i + 3 < w.n; i++) {
		if (w.p[i] != '-' || w.p[i + 1] < '0' || w.p[i + 1] > '7' || w.p[i + 2] != '-')
			continue;
		t->app = span_of(w.p + 1, i - 1);
		t->msgid = span_of(w.p + 1, w.n - 1);
		return;
	}
}

/* "[123]", "[123]:" and a space or the end; s is at the bracket. */
static bool procid(struct scan s, struct tag *t)
{
	const uint8_t *from = s.p + 1, *p = from;

	while (p<s.end && * p> ' ' && *p != ']')
		p++;
	if (p == s.end || *p != ']' || p - from > LIMIT_SYSLOG_PROCID_BYTES)
		return false;
	t->procid = p > from ? span_of(from, (size_t)(p - from)) : SPAN_NONE;
	s.p = p + 1;
	take(&s, ':');
	if (left(&s) && *s.p != ' ')
		return false;
	take(&s, ' ');
	t->text = s.p;
	return true;
}

/* Names of programs have all sorts of characters, but not those that data is written with. */
static bool is_tag_byte(uint8_t b)
{
	static const bool no[256] = { ['"'] = true,
		['\''] = true,
		['{'] = true,
		['}'] = true,
		['<'] = true,
		['>'] = true,
		['='] = true,
		[','] = true,
		[';'] = true,
		['|'] = true,
		['\\'] = true,
		[0x7f] = true };

	return b > ' ' && !no[b];
}

/* "tag:", "tag[procid]:", "tag[procid]", and a space or the end. */
static bool read_tag(struct scan s, struct tag *out)
{
	const uint8_t *from = s.p;
	struct tag t = { .procid = SPAN_NONE };
	bool found = false;

	/* @cee: is a mark. */
	if (left(&s) && *s.p == '@')
		return false;
	for (; s.p < s.end && is_tag_byte(*s.p) && s.p - from <= LIMIT_SYSLOG_TAG_BYTES; s.p++) {
		if (*s.p != '[' && *s.p != ':')
			continue;
		if (s.p == from)
			return false;
		t.app = span_of(from, (size_t)(s.p - from));
		found = *s.p == '[' ? procid(s, &t) : s.p + 1 == s.end || s.p[1] == ' ';
		if (found)
			break;
	}
	if (!found)
		return false;
	if (!t.text)
		t.text = s.p + 1 + (s.p + 1 < s.end);
	split_mnemonic(&t);
	*out = t;
	return true;
}

static void set_tag(struct syslog_message *m, const struct tag *t)
{
	m->app = t->app;
	m->procid = t->procid;
	m->msgid = t->msgid;
}

/* ---- host ---- */

static bool is_address(struct span w)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr a;

	if (w.n < 2 || w.n >= sizeof text || !memchr(w.p, ':', w.n))
		return false;
	memcpy(text, w.p, w.n);
	text[w.n] = 0;
	return inet_pton(AF_INET6, text, &a) == 1;
}

static bool is_host(struct span w)
{
	if (w.n == 0 || w.n > LIMIT_SYSLOG_HOST_BYTES)
		return false;
	for (size_t i = 0; i < w.n; i++) {
		if (!is_alnum(w.p[i]) && w.p[i] != '.' && w.p[i] != '_' && w.p[i] != '-')
			return is_address(w);
	}
	return is_alnum(w.p[0]) && is_alnum(w.p[w.n - 1]);
}

/* "[fe80::1]", "[10.0.0.1]": the address inside; any other word in brackets is none. */
static bool in_brackets(struct span w, struct span *out)
{
	struct span inner = span_of(w.p + 1, w.n - 2);
	size_t dots = 0;

	while (dots < inner.n && (is_digit(inner.p[dots]) || inner.p[dots] == '.'))
		dots++;
	*out = inner;
	return dots == inner.n || is_address(inner);
}

/* A host, without the brackets that some put around an address. */
static bool read_host(struct scan *s, struct span *out)
{
	const uint8_t *end = word_end(s);
	struct span w = span_of(s->p, (size_t)(end - s->p));

	if (w.n > 2 && w.p[0] == '[' && w.p[w.n - 1] == ']') {
		if (!in_brackets(w, &w))
			return false;
	} else if (!is_host(w)) {
		return false;
	}
	*out = w;
	s->p = end;
	return true;
}

/* ---- what stands before the stamp ---- */

/* "101: ", once or twice: the device's count of messages, and the one of its syslog. */
static bool read_sequence(struct scan *s, struct span *out)
{
	const uint8_t *p = s->p;

	while (p < s->end && is_digit(*p) && p - s->p < SEQUENCE_DIGITS_MAX)
		p++;
	if (p == s->p || s->end - p < 2 || p[0] != ':' || p[1] != ' ')
		return false;
	*out = span_of(s->p, (size_t)(p - s->p));
	s->p = p + 2;
	return true;
}

/* The stamp, moved past, with what Cisco puts before it: a clock's state, a colon. */
static bool read_stamp(struct syslog *s, const struct syslog_source *from, struct scan *in,
	struct syslog_stamp *out)
{
	struct scan t = *in;
	size_t n;

	if (!take(&t, '*') && !take(&t, '.'))
		take(&t, ':');
	take(&t, ' ');
	n = syslog_time_stamp(&s->zone, from->received_ns, span_of(t.p, left(&t)), out);
	if (n == 0)
		return false;
	in->p = t.p + n;
	return true;
}

/* Cisco's numbers, and the name of the device if it is told to send one, before a stamp or mnemonic. */
static bool read_cisco(struct syslog *s, const struct syslog_source *from, struct scan *in,
	struct syslog_stamp *stamp, struct syslog_message *m)
{
	struct scan t = *in, named;
	struct span sequence, host = SPAN_NONE;

	if (!read_sequence(&t, &sequence))
		return false;
	read_sequence(&t, &sequence);
	named = t;
	if (read_stamp(s, from, &t, stamp)) {
		m->has_time = true;
	} else if (t.p == t.end || *t.p != '%') {
		const uint8_t *end = word_end(&named);

		host = span_of(named.p, (size_t)(end - named.p));
		if (host.n < 2 || host.p[host.n - 1] != ':')
			return false;
		host.n--;
		t.p = end;
		if (!is_host(host) || !take(&t, ' ') || !read_stamp(s, from, &t, stamp))
			return false;
		m->has_time = true;
	}
	m->sequence = sequence;
	m->host = host;
	*in = t;
	return true;
}

/* ---- what stands behind it ---- */

/* "asa : %ASA-..." has a colon of its own between host and tag. */
static bool read_tag_after_host(struct scan s, struct tag *out)
{
	struct scan t = s;

	if (take_spaces(&t) && take(&t, ':') && take(&t, ' ') && read_tag(t, out))
		return true;
	return take_spaces(&s) && read_tag(s, out);
}

static struct span rest(const struct scan *s)
{
	return span_of(s->p, left(s));
}

/* in is behind the stamp, and behind the host if that is known. */
static void read_rest(struct scan in, bool bare_host, struct syslog_message *m)
{
	struct scan words;
	struct span host;
	struct tag tag;

	take(&in, ':');
	words = in;
	take_spaces(&words);
	take(&in, ' ');
	if (read_tag(words, &tag)) {
		set_tag(m, &tag);
		in.p = tag.text;
	} else if (!m->host.p && read_host(&words, &host)) {
		if (read_tag_after_host(words, &tag)) {
			m->host = host;
			set_tag(m, &tag);
			in.p = tag.text;
		} else if (bare_host) {
			m->host = host;
			in = words;
			take(&in, ' ');
		}
	}
	m->text = rest(&in);
}

/* Lines of programs begin with a time, too; then comes the level and not a host. */
static bool is_level(struct span word)
{
	return word.p && event_severity_find(word) >= 0;
}

/*
 * Without PRI a stamp alone makes no header. A month's name in front is what syslog writes to files;
 * behind a date in figures both host and tag are asked for, and whatever is no header stays whole.
 */
static void parse_bare(
	struct syslog_message *m, struct scan all, struct scan in, enum syslog_stamp_form form)
{
	struct syslog_message with = *m;

	if (form != SYSLOG_STAMP_SPACE) {
		read_rest(in, form == SYSLOG_STAMP_BSD, &with);
		if (form == SYSLOG_STAMP_BSD || (with.host.p && !is_level(with.host))) {
			with.form = SYSLOG_BSD;
			*m = with;
			return;
		}
	}
	m->problems |= 1u << SYSLOG_NO_HEADER;
	m->text = rest(&all);
}

void syslog_bsd_parse(struct syslog *s, const struct syslog_source *from, struct span in,
	struct syslog_message *m)
{
	struct scan all = { in.p, span_end(in) }, scan = all;
	struct syslog_stamp stamp = { .form = SYSLOG_STAMP_BSD };
	bool has_pri = !(m->problems & 1u << SYSLOG_NO_PRI);
	struct tag tag;

	ASSERT(m->form == SYSLOG_TEXT);
	if (has_pri && read_cisco(s, from, &scan, &stamp, m)) {
		m->form = SYSLOG_BSD;
		m->time_ns = stamp.ns;
		read_rest(scan, false, m);
	} else if (read_stamp(s, from, &scan, &stamp)) {
		m->has_time = true;
		m->time_ns = stamp.ns;
		if (!has_pri) {
			parse_bare(m, all, scan, stamp.form);
			return;
		}
		m->form = SYSLOG_BSD;
		read_rest(scan, !from->local, m);
	} else if (has_pri && read_tag(all, &tag)) {
		m->form = SYSLOG_BSD;
		set_tag(m, &tag);
		m->text = span_of(tag.text, (size_t)(all.end - tag.text));
	} else {
		if (!has_pri)
			m->problems |= 1u << SYSLOG_NO_HEADER;
		m->text = rest(&all);
	}
}
