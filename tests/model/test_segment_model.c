/*
 * Goal:   whatever the values of the columns and however they hang together, a segment gives back every
 *         row as it went in, written by the sealer or by astrocompact. What is sealed leaves the journal:
 *         a page that cannot be read back is lost for good.
 * Method: seeded segments of random shape: each column constant, of few words, of numbers, a function of
 *         another column, a copy, rarely anything; hundreds of small ones at both levels, read whole.
 *         ASTRO_SEED repeats one.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/block.h"
#include "storage/seg_writer.h"
#include "tests/support/event_gen.h"
#include "tests/support/seg_fixture.h"

enum { SEGMENTS = 250, ROWS_MAX = 2500, VALUE_BYTES = 96, LEVEL = 6 };

enum kind {
	ABSENT,
	CONSTANT,
	WORDS,
	CYCLE,
	IDS,
	NUMBERS,
	OF_TYPE,
	OF_USER,
	COPY,
	SENTENCE,
	ODD,
	KINDS
};

struct shape {
	enum kind kind;
	unsigned alphabet;
	unsigned sparse; /* one in so many is absent; 0: none */
};

struct world {
	struct seg_fixture fixture;
	struct event_gen dice;
	struct event *events;
	char (*values)[EVENT_TEXT_COUNT + 1][VALUE_BYTES];
	unsigned rows;
	struct shape shapes[EVENT_TEXT_COUNT];
};

static unsigned below(struct world *w, unsigned n)
{
	return event_gen_below(&w->dice, n);
}

static int number_of(const struct event *ev, enum event_text field)
{
	int sum = 0;

	for (size_t i = 0; i < ev->text[field].n; i++)
		sum = sum * 31 % 9973 + ev->text[field].p[i];
	return sum;
}

static int sentence(struct world *w, const struct event *ev, char *dst)
{
	struct span id = ev->text[EVENT_TEXT_ENTITY_ID], user = ev->text[EVENT_TEXT_USER_ID];
	static const char *const verbs[] = { "Updated", "Deleted", "Paid", "Sent" };
	int a = id.n < 24 ? (int)id.n : 0, b = user.n < 24 ? (int)user.n : 0;

	if (below(w, 3) == 0)
		return snprintf(dst, VALUE_BYTES, "%.*s saw page %u", b, (const char *)user.p,
			below(w, 40));
	return snprintf(dst, VALUE_BYTES, "%s %.*s for %.*s in %u.%02u ms", verbs[below(w, 4)], a,
		(const char *)id.p, b, (const char *)user.p, below(w, 2000), below(w, 100));
}

static int value(
	struct world *w, const struct event *ev, unsigned row, const struct shape *s, char *dst)
{
	switch (s->kind) {
	case CONSTANT:
		return snprintf(dst, VALUE_BYTES, "const-%u", s->alphabet);
	case WORDS:
		return snprintf(dst, VALUE_BYTES, "word%c%c",
			'a' + (char)below(w, s->alphabet % 26 + 1), 'a' + (char)(s->alphabet % 7));
	case CYCLE:
		return snprintf(dst, VALUE_BYTES, "user%u", row % (s->alphabet + 1));
	case IDS:
		return snprintf(
			dst, VALUE_BYTES, "ORD-%07u", below(w, s->alphabet * s->alphabet + 1));
	case NUMBERS:
		return snprintf(dst, VALUE_BYTES, "%u.%u.%u.%u", below(w, 256), below(w, 4),
			below(w, 256), row % 256);
	case OF_TYPE:
		return snprintf(dst, VALUE_BYTES, "t%d", number_of(ev, EVENT_TEXT_EVENT_TYPE) % 50);
	case OF_USER:
		return snprintf(dst, VALUE_BYTES, "10.%d.0.%u",
			number_of(ev, EVENT_TEXT_USER_ID) % 256, below(w, 3));
	case COPY:
		return snprintf(dst, VALUE_BYTES, "%.*s",
			(int)(ev->text[EVENT_TEXT_ENTITY_ID].n % VALUE_BYTES),
			(const char *)ev->text[EVENT_TEXT_ENTITY_ID].p);
	case SENTENCE:
		return sentence(w, ev, dst);
	case ODD:
		for (int i = 0; i < 12; i++)
			dst[i] = (char)event_gen_random(&w->dice);
		return (int)below(w, 13);
	case ABSENT:
	case KINDS:
		break;
	}
	return -1;
}

/* {"n": row % k, "who": user, "of": few words}; a pair more now and then. */
static void metadata(struct world *w, struct event *ev, unsigned row, char *dst)
{
	struct span user = ev->text[EVENT_TEXT_USER_ID];
	int a = user.n < 24 ? (int)user.n : 0, n;

	n = snprintf(dst, VALUE_BYTES, "%c\xa1n%c\xa3who%c%.*s\xa2of\xa2%c%c",
		0x83 + (row % 5 == 0), (char)(row % 100), (char)(0xa0 | a), a, (const char *)user.p,
		'a' + (char)below(w, 3), 'x');
	if (row % 5 == 0)
		n += snprintf(dst + n, VALUE_BYTES - (size_t)n,
			"\xa3geo\x81\xa2"
			"cc\xa2%s",
			row % 2 ? "DE" : "FR");
	ev->metadata = span_of(dst, (size_t)n);
}

static void choose_shapes(struct world *w)
{
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		w->shapes[i] = (struct shape){ .kind = (enum kind)below(w, KINDS),
			.alphabet = 1 + below(w, below(w, 2) ? 12 : 300),
			.sparse = below(w, 4) ? 0 : 1 + below(w, 9) };
		/* A column hangs on those before it alone. */
		if (w->shapes[i].kind == OF_TYPE && i == EVENT_TEXT_EVENT_TYPE)
			w->shapes[i].kind = WORDS;
		if ((w->shapes[i].kind == OF_USER || w->shapes[i].kind == SENTENCE) &&
			i <= EVENT_TEXT_USER_ID)
			w->shapes[i].kind = CYCLE;
		if (w->shapes[i].kind == COPY && i <= EVENT_TEXT_ENTITY_ID)
			w->shapes[i].kind = IDS;
	}
}

static void make_events(struct world *w)
{
	bool maps = below(w, 4) != 0;

	w->rows = 1 + below(w, below(w, 3) ? 300 : ROWS_MAX);
	choose_shapes(w);
	for (unsigned row = 0; row < w->rows; row++) {
		struct event *ev = &w->events[row];

		*ev = (struct event){ .id = row + 1,
			.time_ns = (int64_t)row * 1000003,
			.received_ns = 5,
			.severity = 6 };
		for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
			const struct shape *s = &w->shapes[i];
			char *dst = w->values[row][i];
			int n = s->sparse && below(w, s->sparse) == 0 ? -1
								      : value(w, ev, row, s, dst);

			ev->text[i] = n < 0 ? SPAN_NONE : span_of(dst, (size_t)n);
		}
		if (maps)
			metadata(w, ev, row, w->values[row][EVENT_TEXT_COUNT]);
	}
}

static void write_segment(struct world *w, int level)
{
	struct seg_writer_conf conf = { .vfs = vfs_real(),
		.dir = w->fixture.dir,
		.name = "m.seg",
		.segment_id = 1,
		.compress_level = level };
	struct seg_writer *writer = NULL;
	struct seg_info info;
	struct diag d;

	assert_int_equal(seg_writer_open(&conf, &writer, &d), 0);
	for (unsigned row = 0; row < w->rows; row++)
		assert_int_equal(seg_writer_append(writer, &w->events[row], &d), 0);
	assert_int_equal(seg_writer_finish(writer, &info, &d), 0);
	assert_int_equal(info.rows_count, w->rows);
	seg_writer_close(&writer);
}

static void read_segment(struct world *w, uint64_t seed, int level)
{
	struct seg_reader *r = seg_fixture_open(&w->fixture, "m");
	struct block *b = block_new();
	struct diag d = { 0 };
	struct event got;
	int rc = seg_reader_rows(r, 0, b, &d);

	if (rc < 0)
		print_error("ASTRO_SEED=%lu level %d: %s\n", (unsigned long)seed, level, d.text);
	assert_int_equal(rc, 0);
	for (unsigned row = 0; row < w->rows; row++) {
		block_get(b, row, &got);
		if (!event_gen_same(&got, &w->events[row]))
			print_error("ASTRO_SEED=%lu level %d: row %u differs\n",
				(unsigned long)seed, level, row);
		assert_true(event_gen_same(&got, &w->events[row]));
	}
	block_free(&b);
	seg_reader_close(&r);
}

static void one_segment(struct world *w, uint64_t seed)
{
	event_gen_init(&w->dice, seed);
	make_events(w);
	for (int level = 0; level <= LEVEL; level += LEVEL) {
		write_segment(w, level);
		read_segment(w, seed, level);
		seg_fixture_remove(&w->fixture, "m.seg");
	}
	event_gen_fini(&w->dice);
}

static void rows_come_back(void **state)
{
	const char *only = getenv("ASTRO_SEED");
	struct world w = { .rows = 0 };

	(void)state;
	seg_fixture_init(&w.fixture);
	w.events = calloc(ROWS_MAX, sizeof *w.events);
	w.values = calloc(ROWS_MAX, sizeof *w.values);
	if (only)
		one_segment(&w, strtoull(only, NULL, 10));
	for (uint64_t seed = 1; !only && seed <= SEGMENTS; seed++)
		one_segment(&w, seed);
	free(w.events);
	free(w.values);
	seg_fixture_fini(&w.fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_come_back),
	};

	return cmocka_run_group_tests_name("segment_model", tests, NULL, NULL);
}
