#include "proto/svc/logger.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/printable.h"
#include "proto/base/timefmt.h"
#include "proto/base/utf8.h"
#include "proto/svc/metrics.h"

static const char *const level_names[] = {
	[LOGGER_ERROR] = "error",
	[LOGGER_WARNING] = "warning",
	[LOGGER_NOTICE] = "notice",
	[LOGGER_INFO] = "info",
	[LOGGER_DEBUG] = "debug",
};

/* Room at the end of a line for " lost=N". */
enum { LINE_TOLD_BYTES = 32 };

static int log_fd = STDERR_FILENO;
static bool log_socket;
static bool to_journald;
static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t lines_lost; /* under the lock: since the last line that was written */
static _Atomic int log_level = LOGGER_INFO;

/* systemd names the device and inode it gave us; a redirected stderr has others. */
static bool is_journald(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &dev, &ino) == 2 &&
	       fstat(fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void logger_init(int fd, enum logger_level level)
{
	struct stat st;

	lines_lost = 0;
	log_fd = fd;
	log_socket = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
	to_journald = is_journald(fd);
	logger_set_level(level);
}

void logger_set_level(enum logger_level level)
{
	ASSERT(level >= LOGGER_ERROR);
	ASSERT(level <= LOGGER_DEBUG);
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

bool logger_wants(enum logger_level level)
{
	return (int)level <= atomic_load_explicit(&log_level, memory_order_relaxed);
}

int logger_level_find(const char *word)
{
	for (int i = LOGGER_ERROR; i <= LOGGER_DEBUG; i++)
		if (strcmp(word, level_names[i]) == 0)
			return i;
	return -1;
}

const char *logger_level_name(enum logger_level level)
{
	ASSERT(level >= LOGGER_ERROR);
	ASSERT(level <= LOGGER_DEBUG);
	return level_names[level];
}

/* ---- the line ---- */

/* A line being written. Pieces are put whole or not at all; after the first that does not fit, none. */
struct line {
	char *p;
	size_t len;
	size_t cap; /* room for "..." and the NUL is kept beyond it */
	bool full;
};

static void put(struct line *l, const char *s, size_t n)
{
	if (l->full || n > l->cap - l->len) {
		l->full = true;
		return;
	}
	memcpy(l->p + l->len, s, n);
	l->len += n;
}

static void put_str(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

static void put_escaped(struct line *l, uint32_t cp)
{
	static const char names[] = "\n\r\t\"\\";
	char out[16];
	const char *known = cp && cp < 0x80 ? strchr(names, (int)cp) : NULL;

	if (known)
		snprintf(out, sizeof out, "\\%c", "nrt\"\\"[known - names]);
	else if (cp < 0x80)
		snprintf(out, sizeof out, "\\x%02x", (unsigned)cp);
	else
		snprintf(out, sizeof out, "\\u%04x", (unsigned)cp);
	put_str(l, out);
}

/* True when the value can stand without quotes. */
static bool is_bare(struct span v)
{
	if (v.n == 0)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= ' ' || v.p[i] >= 0x7F || v.p[i] == '"' || v.p[i] == '\\' ||
			v.p[i] == '=')
			return false;
	return true;
}

/* The text between quotes, each code point whole. */
static void put_quoted(struct line *l, struct span v)
{
	size_t good = 0;

	put(l, "\"", 1);
	for (size_t i = 0; i < v.n;) {
		uint32_t cp;
		size_t n = utf8_next(v.p + i, v.n - i, &cp);

		if (i >= good)
			good = i + utf8_valid_prefix(span_of(v.p + i, v.n - i));
		if (i == good) {
			char out[8];

			snprintf(out, sizeof out, "\\x%02x", v.p[i]);
			put_str(l, out);
			n = 1;
		} else if (printable_hidden(cp) || cp == '"' || cp == '\\') {
			put_escaped(l, cp);
		} else {
			put(l, (const char *)v.p + i, n);
		}
		i += n;
	}
	put(l, "\"", 1);
}

static void put_text(struct line *l, struct span v)
{
	bool cut = v.n > LOGGER_VALUE_BYTES_MAX;

	if (cut)
		v.n = utf8_cut(v, LOGGER_VALUE_BYTES_MAX);
	if (is_bare(v))
		put(l, (const char *)v.p, v.n);
	else
		put_quoted(l, v);
	if (cut)
		put_str(l, "...");
}

static void put_seconds(struct line *l, int64_t ns)
{
	char out[40];
	uint64_t abs = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	uint64_t us = abs / 1000;

	snprintf(out, sizeof out, "%s%" PRIu64 ".%06" PRIu64, ns < 0 ? "-" : "", us / 1000000,
		us % 1000000);
	put_str(l, out);
}

static void put_value(struct line *l, const struct logger_field *f)
{
	char out[DIAG_FILE_BYTES + DIAG_TEXT_BYTES + 160];

	switch (f->kind) {
	case LOGGER_KIND_NONE:
		break;
	case LOGGER_KIND_STR:
		put_text(l, span_str(f->str ? f->str : ""));
		break;
	case LOGGER_KIND_SPAN:
		put_text(l, f->span);
		break;
	case LOGGER_KIND_INT:
		snprintf(out, sizeof out, "%" PRId64, f->i);
		put_str(l, out);
		break;
	case LOGGER_KIND_UINT:
		snprintf(out, sizeof out, "%" PRIu64, f->u);
		put_str(l, out);
		break;
	case LOGGER_KIND_SECONDS:
		put_seconds(l, f->i);
		break;
	case LOGGER_KIND_DIAG:
		put_text(l, span_str(diag_format(f->diag, out, sizeof out)));
		break;
	case LOGGER_KIND_ERR:
		snprintf(out, sizeof out, "%s (%s)", err_text((int)f->i), err_name((int)f->i));
		put_text(l, span_str(out));
		break;
	}
}

static void put_head(struct line *l, enum logger_level level)
{
	char out[TIMEFMT_BYTES_MAX + 2];
	size_t n;

	if (to_journald) {
		n = (size_t)snprintf(out, sizeof out, "<%d>", (int)level);
	} else {
		n = timefmt_put_digits(out, clock_wall_ns(), 3);
		out[n++] = ' ';
	}
	put(l, out, n);
	if (!to_journald) {
		put_str(l, level_names[level]);
		put(l, " ", 1);
	}
}

static void put_field(struct line *l, const struct logger_field *f)
{
	put(l, " ", 1);
	put_str(l, f->key);
	put(l, "=", 1);
	put_value(l, f);
}

size_t logger_format(char *dst, size_t cap, enum logger_level level, const char *component,
	const char *message, const struct logger_field *fields, size_t fields_count)
{
	struct line l = { .p = dst, .cap = cap - sizeof "..." };

	ASSERT(cap >= 64);
	put_head(&l, level);
	put_str(&l, component);
	put(&l, ": ", 2);
	put_str(&l, message);
	for (size_t i = 0; i < fields_count; i++)
		put_field(&l, &fields[i]);
	if (l.full) {
		memcpy(l.p + l.len, "...", 3);
		l.len += 3;
	}
	l.p[l.len] = 0;
	return l.len;
}

/* ---- saying it ---- */

/*
 * False when the site has spoken enough in this window. Threads may race for a window's start:
 * then a few lines more or less are written, and none is counted twice.
 */
static bool may_speak(struct logger_site *site)
{
	int64_t now = clock_mono_ns();
	int64_t start = atomic_load_explicit(&site->window_start_ns, memory_order_relaxed);

	if (start == 0 || now - start >= LOGGER_WINDOW_S * CLOCK_NS_PER_SEC)
		if (atomic_compare_exchange_strong(&site->window_start_ns, &start, now))
			atomic_store(&site->said, 0);
	if (atomic_fetch_add(&site->said, 1) < LOGGER_BURST)
		return true;
	atomic_fetch_add(&site->suppressed, 1);
	metrics_inc(METRICS_LOG_SUPPRESSED);
	return false;
}

/* True when a line fits whole: a pipe or terminal that nobody reads must not stop the daemon. */
static bool writable(void)
{
	struct pollfd p = { .fd = log_fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

static bool write_whole(const char *p, size_t n)
{
	if (log_socket)
		return send(log_fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n;
	return writable() && write(log_fd, p, n) == (ssize_t)n;
}

/*
 * The lock is held over a write that does not wait: between the look and the write no other thread
 * takes the room. The line that comes through again tells how many did not.
 */
static void write_line(char *p, size_t n)
{
	char told[LINE_TOLD_BYTES];

	pthread_mutex_lock(&write_lock);
	if (lines_lost > 0) {
		int k = snprintf(told, sizeof told, " lost=%" PRIu64 "\n", lines_lost);

		memcpy(p + n - 1, told, (size_t)k);
		n += (size_t)k - 1;
	}
	if (write_whole(p, n)) {
		lines_lost = 0;
		metrics_inc(METRICS_LOG_LINES);
	} else {
		lines_lost++;
		metrics_inc(METRICS_LOG_LOST);
	}
	pthread_mutex_unlock(&write_lock);
}

void logger_write(struct logger_site *site, enum logger_level level, const char *component,
	const char *message, const struct logger_field *fields, size_t fields_count)
{
	char out[LOGGER_LINE_BYTES];
	uint32_t suppressed = 0;
	size_t n;

	if (site && !may_speak(site))
		return;
	if (site)
		suppressed = atomic_exchange(&site->suppressed, 0);
	n = logger_format(out, sizeof out - 32 - LINE_TOLD_BYTES, level, component, message, fields,
		fields_count);
	if (suppressed)
		n += (size_t)snprintf(out + n, sizeof out - LINE_TOLD_BYTES - n,
			" suppressed=%" PRIu32, suppressed);
	out[n++] = '\n';
	ASSERT(n <= sizeof out - LINE_TOLD_BYTES);
	write_line(out, n);
}
