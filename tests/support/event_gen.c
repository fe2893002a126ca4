#include "tests/support/event_gen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/check.h"

enum { RING_BYTES = 4 << 20, TEXT_BYTES = 2048, WILD_BYTES = 70000 };

void event_gen_init(struct event_gen *g, uint64_t seed)
{
	*g = (struct event_gen){ .state = seed, .time_ns = INT64_C(1763640000000000000) };
	g->ring_bytes = RING_BYTES;
	g->ring = malloc(RING_BYTES);
	ASSERT(g->ring);
}

void event_gen_fini(struct event_gen *g)
{
	free(g->ring);
	*g = (struct event_gen){ 0 };
}

/* splitmix64 */
uint64_t event_gen_random(struct event_gen *g)
{
	uint64_t z = (g->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

unsigned event_gen_below(struct event_gen *g, unsigned n)
{
	return (unsigned)(event_gen_random(g) % n);
}

static char *room(struct event_gen *g, size_t n)
{
	char *p;

	ASSERT(n <= g->ring_bytes);
	if (n > g->ring_bytes - g->ring_at)
		g->ring_at = 0;
	p = g->ring + g->ring_at;
	g->ring_at += n;
	return p;
}

__attribute__((format(printf, 2, 3))) static struct span text(
	struct event_gen *g, const char *fmt, ...)
{
	char tmp[TEXT_BYTES], *p;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(tmp, sizeof tmp, fmt, ap);
	va_end(ap);
	ASSERT(n >= 0 && n < TEXT_BYTES);
	p = room(g, (size_t)n + 1);
	memcpy(p, tmp, (size_t)n);
	return span_of(p, (size_t)n);
}

static struct span noise(struct event_gen *g)
{
	unsigned shape = event_gen_below(g, 8);
	size_t n = shape == 0   ? 0
		   : shape == 1 ? event_gen_below(g, WILD_BYTES)
				: event_gen_below(g, 40);
	char *p = room(g, n + 1);

	if (shape == 2)
		return SPAN_NONE;
	for (size_t i = 0; i < n; i++)
		p[i] = shape == 3 ? 0 : (char)event_gen_random(g);
	return span_of(p, n);
}

static void make_wild(struct event_gen *g, struct event *ev)
{
	static const int64_t times[] = { INT64_MIN, INT64_MAX, 0, -1, 1 };

	ev->time_ns = times[event_gen_below(g, 5)];
	ev->received_ns = times[event_gen_below(g, 5)];
	ev->severity = (uint8_t)event_gen_below(g, EVENT_SEVERITY_COUNT);
	ev->flags = (uint8_t)event_gen_random(g);
	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		ev->text[i] = noise(g);
	ev->metadata = noise(g);
}

static struct span sometimes(struct event_gen *g, unsigned percent, struct span s)
{
	return event_gen_below(g, 100) < percent ? s : SPAN_NONE;
}

static void make_texts(struct event_gen *g, struct event *ev)
{
	static const char *const words[] = { "Payment", "order", "FAILED", "retry", "Zephyrine",
		"login", "of", "user" };
	unsigned type = event_gen_below(g, g->types ? g->types : 12);
	unsigned entity = event_gen_below(g, g->entities ? g->entities : 1000);
	struct span *t = ev->text;

	t[EVENT_TEXT_EVENT_TYPE] = sometimes(g, 98, text(g, "TYPE_%u", type));
	t[EVENT_TEXT_ENTITY_TYPE] = sometimes(g, 95, text(g, "kind%u", entity % 7));
	t[EVENT_TEXT_ENTITY_ID] = sometimes(g, 95, text(g, "ent-%06u", entity));
	t[EVENT_TEXT_USER_ID] = sometimes(g, 80, text(g, "user-%u", event_gen_below(g, 500)));
	t[EVENT_TEXT_DESCRIPTION] = sometimes(g, 99,
		text(g, "%s %s %s %08x", words[event_gen_below(g, 8)], words[event_gen_below(g, 8)],
			words[event_gen_below(g, 8)], (unsigned)event_gen_random(g)));
	t[EVENT_TEXT_IP_ADDRESS] = sometimes(
		g, 70, text(g, "10.0.%u.%u", event_gen_below(g, 256), event_gen_below(g, 256)));
	t[EVENT_TEXT_USER_AGENT] = sometimes(g, 50, text(g, event_gen_below(g, 3) ? "curl/7" : ""));
	t[EVENT_TEXT_SERVICE] = SPAN_LIT("checkout");
	t[EVENT_TEXT_HOST] = SPAN_NONE;
	ev->metadata = sometimes(g, 90,
		text(g, "\x81\xa1n\xce%c%c%c%c", 'a' + (int)type, 'a' + (int)event_gen_below(g, 26),
			'b', 'c'));
}

struct event event_gen_next(struct event_gen *g)
{
	struct event ev = { 0 };

	g->id += event_gen_below(g, 50) ? 1 : 1 + event_gen_below(g, 1000);
	g->time_ns += (int64_t)event_gen_below(g, 2000) * 1000000;
	ev.id = g->id;
	ev.time_ns = g->time_ns -
		     (event_gen_below(g, 50) ? 0 : (int64_t)event_gen_below(g, 100000) * 10000000);
	ev.received_ns = g->time_ns + (int64_t)event_gen_below(g, 5000000);
	ev.severity = (uint8_t)(event_gen_below(g, 10) ? EVENT_SEVERITY_INFO
						       : event_gen_below(g, EVENT_SEVERITY_COUNT));
	ev.flags = event_gen_below(g, 1000) ? 0 : EVENT_FLAG_CUT;
	make_texts(g, &ev);
	if (g->wild && event_gen_below(g, g->wild) == 0)
		make_wild(g, &ev);
	return ev;
}

bool event_gen_same(const struct event *a, const struct event *b)
{
	if (a->id != b->id || a->time_ns != b->time_ns || a->received_ns != b->received_ns ||
		a->severity != b->severity || a->flags != b->flags)
		return false;
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		if ((a->text[i].p == NULL) != (b->text[i].p == NULL) ||
			!span_eq(a->text[i], b->text[i]))
			return false;
	}
	return (a->metadata.p == NULL) == (b->metadata.p == NULL) &&
	       span_eq(a->metadata, b->metadata);
}

static size_t bytes_of(const struct event *ev)
{
	size_t n = ev->metadata.n + 1;

	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		n += ev->text[i].n + 1;
	return n;
}

static struct span move(struct span s, char **at)
{
	char *p = *at;

	if (!s.p)
		return s;
	if (s.n)
		memcpy(p, s.p, s.n);
	*at += s.n + 1;
	return span_of(p, s.n);
}

static void move_all(struct event *ev, char **at)
{
	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		ev->text[i] = move(ev->text[i], at);
	ev->metadata = move(ev->metadata, at);
}

struct event *event_gen_copy(const struct event *ev, size_t count)
{
	size_t bytes = 0;
	struct event *out;
	char *at;

	for (size_t i = 0; i < count; i++)
		bytes += bytes_of(&ev[i]);
	out = malloc(count * sizeof *out + bytes);
	ASSERT(out);
	at = (char *)(out + count);
	for (size_t i = 0; i < count; i++) {
		out[i] = ev[i];
		move_all(&out[i], &at);
	}
	return out;
}

struct event *event_gen_many(struct event_gen *g, size_t count)
{
	struct event_gen replay = *g;
	size_t bytes = 0;
	struct event *out;
	char *at;

	/* Twice the same events: once to measure, once to keep. */
	for (size_t i = 0; i < count; i++) {
		struct event ev = event_gen_next(&replay);

		bytes += bytes_of(&ev);
	}
	out = malloc(count * sizeof *out + bytes);
	ASSERT(out);
	at = (char *)(out + count);
	for (size_t i = 0; i < count; i++) {
		out[i] = event_gen_next(g);
		move_all(&out[i], &at);
	}
	return out;
}
