/*
 * bench_json - JSON to msgpack and back, and events to JSON and CSV, per core, on lines as an event log
 * has them.
 *
 *	bench_json [FILE]    one JSON object a line; without a file, lines of its own
 *
 * After them come lines of few kinds of bytes: log lines full of escapes, texts beyond ASCII, numbers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/timefmt.h"
#include "proto/wire/csv_out.h"
#include "proto/wire/json_in.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"

enum {
	LINES_OWN = 50000,
	ROUNDS = 5,
	/* Events are written part by part into the same memory, as an export does. */
	PART_BYTES = 256 << 10,
};

static void read_file(const char *path, struct buf *text)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f) {
		perror(path);
		exit(2);
	}
	do {
		if (buf_reserve(text, 1 << 20) < 0)
			break;
		n = fread(text->p + text->len, 1, 1 << 20, f);
		text->len += n;
	} while (n);
	fclose(f);
}

static void make_lines(struct buf *text)
{
	for (unsigned i = 0; i < LINES_OWN; i++)
		buf_printf(text,
			"{\"timestamp\":\"2026-01-12T%02u:%02u:%02u.%06uZ\",\"event_type\":\"UPDATE\","
			"\"severity\":\"info\",\"entity_type\":\"order\",\"entity_id\":\"ord-%07u\","
			"\"user_id\":\"usr-%05u\",\"description\":\"Order ord-%07u moved from packed "
			"to shipped by carrier %u\",\"ip_address\":\"203.0.113.%u\",\"user_agent\":"
			"\"Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0\","
			"\"service\":\"order-api\",\"host\":\"app-%u\",\"metadata\":{\"request_id\":"
			"\"%08x%08x\",\"duration_ms\":%u.%u,\"retries\":%u,\"ok\":true}}\n",
			i / 3600 % 24, i / 60 % 60, i % 60, i * 7919 % 1000000, i * 31 % 1000000,
			i * 17 % 50000, i * 31 % 1000000, i % 9, i % 254, i % 24, i * 2654435761u,
			i * 40503u, i % 900, i % 10, i % 4);
}

static void make_escapes(struct buf *text)
{
	for (unsigned i = 0; i < LINES_OWN; i++)
		buf_printf(text,
			"{\"log\":\"{\\\"level\\\":\\\"info\\\",\\\"msg\\\":\\\"GET "
			"\\/api\\/orders\\/%u took %u ms\\\"}\\n\",\"path\":\"C:\\\\logs\\\\app%u"
			"\",\"trace\":\"at main.c:%u\\n\\tat loop.c:%u\\n\\tat \\u003cinit\\u003e\"}\n",
			i, i % 900, i % 7, i % 1000, i % 77);
}

/* Cyrillic, CJK and Latin letters. */
static void make_beyond_ascii(struct buf *text)
{
	static const char word[] = "\320\227\320\260\320\272\320\260\320\267";
	static const char sent[] = "\346\263\250\346\226\207\343\201\214\347\231\272\351\200\201";

	for (unsigned i = 0; i < LINES_OWN; i++)
		buf_printf(text,
			"{\"message\":\"%s %u %s %s, %s %u \342\202\254\",\"user\":"
			"\"Zo\303\253 M\303\274ller\",\"note\":\"%s %u\"}\n",
			word, i, word, word, word, i % 500, sent, i);
}

static void make_numbers(struct buf *text)
{
	for (unsigned i = 0; i < LINES_OWN; i++)
		buf_printf(text,
			"{\"ts\":%u.%06u,\"n\":%u,\"load\":[%u.%02u,%u.%u,0.%u],\"x\":%.17g,\"y\":-%.17g,"
			"\"ns\":17682%014u,\"e\":%ue-%u}\n",
			1768210000u + i, i * 7919 % 1000000, i, i % 9, i % 100, i % 77, i % 10,
			i % 1000, i / 7.0, i * 1e-7 / 3, i, i % 1000, i % 9);
}

/* Of this thread alone: what else the machine does is not counted. */
static int64_t cpu_ns(void)
{
	struct timespec t;

	ASSERT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
	return t.tv_sec * CLOCK_NS_PER_SEC + t.tv_nsec;
}

/*
 * One pass; nanoseconds. With `ends`, msgpack of line i ends at ends[i]; without, it goes part by part
 * into the same memory, as at a door.
 */
static int64_t pass_in(struct span text, struct buf *mp, size_t *ends, size_t *out_lines)
{
	int64_t start = cpu_ns();
	size_t lines = 0;

	buf_reset(mp);
	for (size_t at = 0; at < text.n;) {
		const uint8_t *line = text.p + at, *eol = memchr(line, '\n', text.n - at);
		size_t n = eol ? (size_t)(eol - line) : text.n - at;
		struct json_in_error e;
		char why[128];

		if (json_in_text(span_of(line, n), 0, mp, &e) < 0) {
			fprintf(stderr, "line %zu: %s\n", lines + 1,
				json_in_explain(&e, why, sizeof why));
			exit(1);
		}
		if (ends)
			ends[lines] = mp->len;
		else if (mp->len >= PART_BYTES)
			buf_reset(mp);
		lines++;
		at += n + 1;
	}
	*out_lines = lines;
	return cpu_ns() - start;
}

static int64_t pass_out(struct span mp, const size_t *ends, size_t lines, struct buf *js)
{
	int64_t start = cpu_ns();
	size_t at = 0;

	buf_reset(js);
	for (size_t i = 0; i < lines; at = ends[i++]) {
		if (json_out_value(span_of(mp.p + at, ends[i] - at), js) < 0)
			exit(1);
		buf_put_u8(js, '\n');
	}
	return cpu_ns() - start;
}

/* The line as an event, as far as its fields are those of one. */
static struct event event_of(struct span msgpack)
{
	struct event ev = { .id = 123456789, .severity = EVENT_SEVERITY_INFO };
	struct rcur c = rcur_of(msgpack.p, msgpack.n);
	struct walk_value v, name;
	struct timefmt t;

	if (walk_read(&c, &v) < 0 || v.type != WALK_MAP)
		return ev;
	for (uint32_t i = v.count; i > 0; i--) {
		struct span whole;
		struct rcur at;
		int field;

		if (walk_read(&c, &name) < 0 || walk_take(&c, &whole) < 0)
			break;
		at = rcur_of(whole.p, whole.n);
		field = event_text_find(name.data);
		if (span_eq(name.data, SPAN_LIT("metadata")))
			ev.metadata = whole;
		else if (field >= 0 && walk_read(&at, &v) == 0 && v.type == WALK_STR)
			ev.text[field] = v.data;
		else if (span_eq(name.data, SPAN_LIT("timestamp")) && walk_read(&at, &v) == 0 &&
			 timefmt_parse(v.data, &t) == 0)
			ev.time_ns = ev.received_ns = t.ns;
	}
	return ev;
}

static void report(const char *what, int64_t best_ns, size_t bytes, size_t lines)
{
	printf("%-16s %7.0f MB/s of JSON  %6.0f ns/event\n", what,
		(double)bytes * 1e3 / (double)best_ns, (double)best_ns / (double)lines);
}

static void bench_in(const char *what, struct span text, struct buf *mp)
{
	int64_t best = INT64_MAX;
	size_t lines;

	for (int i = 0; i < ROUNDS; i++) {
		int64_t ns = pass_in(text, mp, NULL, &lines);

		best = ns < best ? ns : best;
	}
	report(what, best, text.n, lines);
}

static void bench_kind(const char *what, void (*make)(struct buf *text), struct buf *mp)
{
	struct buf text;

	buf_init(&text, (size_t)1 << 30);
	make(&text);
	bench_in(what, buf_span(&text), mp);
	buf_fini(&text);
}

static int put_json(const struct event *ev, struct buf *out)
{
	int rc = json_out_event(ev, out);

	buf_put_u8(out, '\n');
	return rc;
}

static int put_csv(const struct event *ev, struct buf *out)
{
	csv_out_event(ev, out);
	return out->err;
}

static void bench_events(const char *what, int (*put)(const struct event *ev, struct buf *out),
	const struct event *evs, size_t lines, struct buf *js)
{
	int64_t best = INT64_MAX;
	size_t bytes = 0;

	for (int round = 0; round < ROUNDS; round++) {
		int64_t start = cpu_ns(), ns;

		bytes = 0;
		buf_reset(js);
		for (size_t i = 0; i < lines; i++) {
			if (put(&evs[i], js) < 0)
				exit(1);
			if (js->len >= PART_BYTES) {
				bytes += js->len;
				buf_reset(js);
			}
		}
		ns = cpu_ns() - start;
		best = ns < best ? ns : best;
	}
	report(what, best, bytes + js->len, lines);
}

static void bench_out(struct span text, struct buf *mp, struct buf *js)
{
	int64_t best = INT64_MAX;
	size_t lines, *ends = calloc(text.n / 2 + 1, sizeof *ends);
	struct event *evs;

	ASSERT(ends);
	buf_reset(mp);
	pass_in(text, mp, ends, &lines);
	for (int i = 0; i < ROUNDS; i++) {
		int64_t ns = pass_out(buf_span(mp), ends, lines, js);

		best = ns < best ? ns : best;
	}
	report("msgpack to JSON", best, js->len, lines);
	evs = calloc(lines + 1, sizeof *evs);
	ASSERT(evs);
	for (size_t i = 0, at = 0; i < lines; at = ends[i++])
		evs[i] = event_of(span_of(mp->p + at, ends[i] - at));
	bench_events("event to JSON", put_json, evs, lines, js);
	bench_events("event to CSV", put_csv, evs, lines, js);
	free(evs);
	free(ends);
}

int main(int argc, char **argv)
{
	struct buf text, mp, js;

	buf_init(&text, (size_t)2 << 30);
	buf_init(&mp, (size_t)2 << 30);
	buf_init(&js, (size_t)2 << 30);
	if (argc > 1)
		read_file(argv[1], &text);
	else
		make_lines(&text);
	printf("%zu bytes of JSON, CPU time of the thread, best of %d\n", text.len, ROUNDS);
	bench_in("JSON to msgpack", buf_span(&text), &mp);
	bench_kind("  escapes", make_escapes, &mp);
	bench_kind("  beyond ASCII", make_beyond_ascii, &mp);
	bench_kind("  numbers", make_numbers, &mp);
	bench_out(buf_span(&text), &mp, &js);
	buf_fini(&text);
	buf_fini(&mp);
	buf_fini(&js);
	return 0;
}
