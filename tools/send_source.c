#include "tools/send_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/wire/forward_put.h"
#include "proto/wire/json_in.h"
#include "proto/wire/pack.h"
#include "proto/wire/walk.h"

enum { READ_BYTES = 1 << 20 };

struct send_source {
	struct send_source_conf conf;
	int next_file;
	int fd;
	bool eof;
	bool skipping; /* the rest of a line that is too long */
	bool live;     /* a read may wait */
	struct send_pos at;
	uint64_t bad;
	struct buf in; /* what was read and not used: from `start` */
	size_t start;
};

int send_source_open(const struct send_source_conf *conf, struct send_source **out)
{
	struct send_source *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->conf = *conf;
	s->fd = -1;
	buf_init(&s->in, SEND_SOURCE_LINE_BYTES + READ_BYTES);
	*out = s;
	return 0;
}

static void close_file(struct send_source *s)
{
	if (s->fd > STDIN_FILENO)
		close(s->fd);
	s->fd = -1;
}

void send_source_close(struct send_source **s)
{
	if (!*s)
		return;
	close_file(*s);
	buf_fini(&(*s)->in);
	free(*s);
	*s = NULL;
}

uint64_t send_source_bad(const struct send_source *s)
{
	return s->bad;
}

/* ---- files ---- */

/* 1: a file is open. 0: there are no more. */
static int open_next(struct send_source *s, struct diag *d)
{
	const char *name = "-";
	struct stat st;

	if (s->next_file > 0 && s->next_file >= s->conf.files_count)
		return 0;
	if (s->conf.files_count > 0)
		name = s->conf.files[s->next_file];
	s->next_file++;
	s->fd = strcmp(name, "-") == 0 ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0)
		return diag_set(d, -errno, name, -1, "cannot open");
	s->at = (struct send_pos){ .file = name };
	s->live = fstat(s->fd, &st) < 0 || !S_ISREG(st.st_mode);
	s->eof = false;
	s->skipping = false;
	s->start = 0;
	buf_reset(&s->in);
	return buf_reserve(&s->in, READ_BYTES) < 0 ? diag_set(d, s->in.err, name, -1, "cannot read")
						   : 1;
}

static struct span rest(const struct send_source *s)
{
	return span_of(s->in.p + s->start, s->in.len - s->start);
}

bool send_source_ready(const struct send_source *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	struct span r;

	if (s->fd < 0 || !s->live || s->eof)
		return true;
	r = rest(s);
	if (s->conf.kind != SEND_SOURCE_MSGPACK && r.n > 0 && memchr(r.p, '\n', r.n))
		return true;
	return poll(&p, 1, 0) != 0;
}

/* Reads more behind what is there. */
static int fill(struct send_source *s, struct diag *d)
{
	ssize_t n;

	if (s->start > 0) {
		memmove(s->in.p, s->in.p + s->start, s->in.len - s->start);
		s->in.len -= s->start;
		s->start = 0;
	}
	if (buf_reserve(&s->in, READ_BYTES) < 0)
		return diag_set(d, s->in.err, s->at.file, -1, "cannot read");
	do {
		n = read(s->fd, s->in.p + s->in.len, READ_BYTES);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return diag_set(d, -errno, s->at.file, -1, "cannot read");
	s->in.len += (size_t)n;
	s->eof = n == 0;
	return 0;
}

/* ---- one line, one map ---- */

static int bad(struct send_source *s, int code, const char *why, struct diag *d)
{
	s->bad++;
	if (s->conf.strict)
		return diag_set(
			d, code, s->at.file, -1, "%llu: %s", (unsigned long long)s->at.line, why);
	s->conf.bad(s->conf.arg, &s->at, why);
	return 0;
}

/* Lets go of the line that has no end yet; it is told as bad once. */
static int too_long(struct send_source *s, struct diag *d)
{
	bool told = s->skipping;

	s->skipping = true;
	s->start = s->in.len;
	if (told)
		return 0;
	s->at.line++;
	return bad(s, ERR_LIMIT, "longer than 4 MiB", d);
}

/* The next line without its end. 1, or 0: the file has ended. */
static int next_line(struct send_source *s, struct span *out, struct diag *d)
{
	size_t seen = 0;
	int rc = 0;

	while (rc >= 0) {
		struct span r = rest(s);
		const uint8_t *end = r.n > seen ? memchr(r.p + seen, '\n', r.n - seen) : NULL;

		if (end || (s->eof && r.n > 0)) {
			*out = span_of(r.p, end ? (size_t)(end - r.p) : r.n);
			s->start += out->n + (end != NULL);
			seen = 0;
			if (!s->skipping) {
				s->at.line++;
				return 1;
			}
			s->skipping = false;
			continue;
		}
		if (s->eof)
			return 0;
		rc = r.n >= SEND_SOURCE_LINE_BYTES ? too_long(s, d) : 0;
		seen = rest(s).n;
		if (rc == 0)
			rc = fill(s, d);
	}
	return rc;
}

static bool is_blank(struct span line)
{
	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
			return false;
	}
	return true;
}

/* What stands at `from` in the buffer is the record: may it be an event? NULL, or why not. */
static const char *not_an_event(const struct buf *entries, size_t from)
{
	struct rcur c = rcur_of(entries->p + from, entries->len - from);
	struct walk_value v;

	walk_read(&c, &v);
	if (v.type != WALK_MAP)
		return "not an object";
	return entries->len - from > LIMIT_EVENT_BYTES ? "larger than 1 MiB" : NULL;
}

/* 1: the entry is appended. 0: the line was bad. */
static int put_json(struct send_source *s, int64_t time_ns, struct span line, struct buf *entries,
	struct diag *d)
{
	size_t was = entries->len, record;
	struct json_in_error e;
	const char *why;
	char text[160];
	int rc;

	forward_put_entry(entries, time_ns, SPAN_NONE);
	record = entries->len;
	rc = json_in_text(line, s->conf.strict ? 0 : JSON_IN_REPAIR, entries, &e);
	if (rc == -ENOMEM)
		return diag_set(d, rc, s->at.file, -1, "cannot go on");
	why = rc < 0 ? json_in_explain(&e, text, sizeof text) : not_an_event(entries, record);
	if (!why)
		return 1;
	entries->len = was;
	return bad(s, rc < 0 ? rc : ERR_TYPE, why, d);
}

static int put_line(struct send_source *s, int64_t time_ns, struct span line, struct buf *entries,
	struct diag *d)
{
	size_t was = entries->len;

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	forward_put_entry(entries, time_ns, SPAN_NONE);
	pack_map_head(entries, s->conf.fields_count + 1);
	buf_put_span(entries, s->conf.fields);
	pack_str(entries, SPAN_LIT("message"));
	pack_str(entries, line);
	if (entries->len - was <= LIMIT_EVENT_BYTES)
		return 1;
	entries->len = was;
	return bad(s, ERR_LIMIT, "larger than 1 MiB", d);
}

static int next_of_lines(
	struct send_source *s, int64_t time_ns, struct buf *entries, struct diag *d)
{
	struct span line;
	int rc;

	while ((rc = next_line(s, &line, d)) == 1) {
		if (is_blank(line))
			continue;
		rc = s->conf.kind == SEND_SOURCE_NDJSON ? put_json(s, time_ns, line, entries, d)
							: put_line(s, time_ns, line, entries, d);
		if (rc != 0)
			return rc;
	}
	return rc;
}

/* msgpack that is not understood has no next value: the rest of its file is given up. */
static int lost(struct send_source *s, int code, const char *why, struct diag *d)
{
	s->at.line++;
	s->eof = true;
	s->start = s->in.len;
	return bad(s, code, why, d);
}

/* One map. 1: the entry is appended. 0: it was bad. */
static int put_map(struct send_source *s, int64_t time_ns, struct span map, struct buf *entries,
	struct diag *d)
{
	size_t was = entries->len;
	const char *why;

	s->start += map.n;
	s->at.line++;
	forward_put_entry(entries, time_ns, map);
	why = entries->err ? NULL : not_an_event(entries, entries->len - map.n);
	if (!why)
		return 1;
	entries->len = was;
	return bad(s, ERR_TYPE, why, d);
}

static int next_of_msgpack(
	struct send_source *s, int64_t time_ns, struct buf *entries, struct diag *d)
{
	int rc = 0;

	while (rc == 0) {
		struct span r = rest(s), map = SPAN_NONE;
		struct rcur c = rcur_of(r.p, r.n);

		rc = walk_take(&c, &map);
		if (rc == 0)
			rc = put_map(s, time_ns, map, entries, d);
		else if (rc == ERR_TRUNCATED && !s->eof && r.n < SEND_SOURCE_LINE_BYTES)
			rc = fill(s, d);
		else if (r.n > 0)
			return lost(s, rc, "not msgpack; the rest of the file is skipped", d);
		else
			return 0;
	}
	return rc;
}

int send_source_next(struct send_source *s, int64_t time_ns, struct buf *entries,
	struct send_pos *out_at, struct diag *d)
{
	int rc;

	for (;;) {
		if (s->fd < 0) {
			rc = open_next(s, d);
			if (rc <= 0)
				return rc;
		}
		rc = s->conf.kind == SEND_SOURCE_MSGPACK ? next_of_msgpack(s, time_ns, entries, d)
							 : next_of_lines(s, time_ns, entries, d);
		if (rc < 0)
			return rc;
		if (rc == 1) {
			*out_at = s->at;
			return entries->err
				       ? diag_set(d, entries->err, s->at.file, -1, "cannot go on")
				       : 1;
		}
		close_file(s);
	}
}
