/*
 * Goal:   masks find what their definition says, and moves of values leave what a plain table of values
 *         would, whatever the texts and the order of the moves.
 * Method: random texts of the bytes that matter against searches of every stretch of them; random moves on
 *         events against moves in an array. Seeded; a failure prints the seed.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/rule/rule.h"
#include "proto/rule/rule_find.h"
#include "proto/wire/pack.h"
#include "proto/wire/walk.h"
#include "tests/support/event_gen.h"

enum { TEXT_BYTES_MAX = 60, TEXTS = 40000, RUNS = 3000 };

static struct event_gen dice;

static unsigned below(unsigned n)
{
	return event_gen_below(&dice, n);
}

static bool digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- card numbers ---- */

static bool luhn(const char *d, int n)
{
	int sum = 0;

	for (int i = n - 1, twice = 0; i >= 0; i--, twice = !twice) {
		int v = d[i] - '0';

		sum += twice ? v * 2 / 10 + v * 2 % 10 : v;
	}
	return sum % 10 == 0;
}

/* Of a number that begins with one of the digits that occur here. */
static bool of_network(const char *d, int n)
{
	int head = (d[0] - '0') * 1000 + (d[1] - '0') * 100 + (d[2] - '0') * 10 + d[3] - '0';

	if (d[0] == '4')
		return n == 13 || n == 16 || n == 18 || n == 19;
	return (head >= 2200 && head <= 2204 && n >= 16) ||
	       (head >= 2221 && head <= 2720 && n == 16);
}

/* The stretch is a number as it may be written. */
static bool is_card(struct span t, size_t from, size_t to)
{
	char d[TEXT_BYTES_MAX];
	int n = 0, groups = 0, group = 0, first = 0;

	for (size_t i = from; i <= to; i++) {
		if (i < to && digit(t.p[i])) {
			d[n++] = (char)t.p[i];
			group++;
			continue;
		}
		if (group == 0 || (i < to && t.p[i] != ' ' && t.p[i] != '-'))
			return false;
		if (++groups == 1)
			first = group;
		else if (first != 4 || group < 2 || group > 7)
			return false;
		group = 0;
	}
	if (n < 13 || n > 19 || !of_network(d, n) || !luhn(d, n))
		return false;
	if (from > 0 && (digit(t.p[from - 1]) || letter(t.p[from - 1])))
		return false;
	if (from > 1 && t.p[from - 1] == '.' && digit(t.p[from - 2]))
		return false;
	return to == t.n || (!digit(t.p[to]) && !letter(t.p[to]));
}

static bool naive_card(struct span t, size_t from, size_t *out_from, size_t *out_to)
{
	for (size_t i = from; i < t.n; i++) {
		for (size_t j = t.n; j > i; j--) {
			if (!is_card(t, i, j))
				continue;
			*out_from = i;
			*out_to = j;
			return true;
		}
	}
	return false;
}

/* Digits that Luhn likes more often than chance would, and what stands between. */
static size_t card_text(uint8_t *dst)
{
	static const char others[] = "  --.a,4444411110";
	size_t n = 0, want = below(TEXT_BYTES_MAX - 24);

	while (n < want) {
		if (below(6) == 0) {
			int grouped = (int)below(3);
			const char *number = below(2) ? "4111111111111111" : "4222222222222";

			for (size_t i = 0; number[i]; i++) {
				if (grouped && i > 0 && i % 4 == 0)
					dst[n++] = grouped == 1 ? ' ' : '-';
				dst[n++] = (uint8_t)number[i];
			}
		} else {
			dst[n++] = (uint8_t)others[below(sizeof others - 1)];
		}
	}
	return n;
}

/* ---- e-mail addresses ---- */

static bool name_char(uint8_t c)
{
	return letter(c) || digit(c) || (c && strchr("._%+-~", c));
}

static bool is_domain(const uint8_t *p, size_t n)
{
	size_t label = 0, labels = 0;

	for (size_t i = 0; i <= n; i++) {
		if (i < n && p[i] != '.') {
			if (!letter(p[i]) && !digit(p[i]) && p[i] != '-')
				return false;
			continue;
		}
		if (i == label || p[label] == '-')
			return false;
		labels++;
		if (i == n)
			return labels > 1 && i - label >= 2 && !digit(p[label]);
		label = i + 1;
	}
	return false;
}

static size_t sign(struct span t, size_t i)
{
	if (t.p[i] == '@')
		return 1;
	return i + 3 <= t.n && memcmp(t.p + i, "%40", 3) == 0 ? 3 : 0;
}

/* The domain ends where its labels do: no longer stretch is one, and no letter follows. */
static size_t longest_domain(struct span t, size_t at)
{
	for (size_t to = t.n; to > at; to--) {
		uint8_t next = to < t.n ? t.p[to] : 0;

		if (is_domain(t.p + at, to - at) && !letter(next) && !digit(next) && next != '-')
			return to;
	}
	return 0;
}

static bool naive_email(struct span t, size_t from, size_t *out_from, size_t *out_to)
{
	for (size_t at = from; at < t.n; at++) {
		size_t width = sign(t, at), start = at, end;

		if (!width)
			continue;
		while (start > from && name_char(t.p[start - 1]))
			start--;
		while (start < at && strchr(".%+-~", t.p[start]))
			start++;
		end = longest_domain(t, at + width);
		if (start < at && end) {
			*out_from = start;
			*out_to = end;
			return true;
		}
		from = at + width;
		at = from - 1;
	}
	return false;
}

static size_t email_text(uint8_t *dst)
{
	static const char *const pieces[] = { "a", "b7", "@", "%40", ".", "-", "co", "x.org", " ",
		"_", "+", "%", "4", "0", "@x.org", "," };
	size_t n = 0;

	while (n < TEXT_BYTES_MAX - 8 && below(16)) {
		const char *piece = pieces[below(ARRAY_COUNT(pieces))];

		memcpy(dst + n, piece, strlen(piece));
		n += strlen(piece);
	}
	return n;
}

typedef bool (*find_cb)(struct span text, size_t from, size_t *out_from, size_t *out_to);

static void compare(find_cb find, find_cb naive, size_t (*make)(uint8_t *))
{
	unsigned found = 0;

	for (unsigned i = 0; i < TEXTS; i++) {
		uint8_t bytes[TEXT_BYTES_MAX + 24];
		struct span text = span_of(bytes, make(bytes));
		size_t at = 0, a[2] = { 0, 0 }, b[2] = { 0, 0 };
		bool one, other;

		do {
			one = find(text, at, &a[0], &a[1]);
			other = naive(text, at, &b[0], &b[1]);
			if (one != other || (one && (a[0] != b[0] || a[1] != b[1])))
				fail_msg("text %u '%.*s' from %zu: %d %zu..%zu, naive %d %zu..%zu",
					i, (int)text.n, (const char *)text.p, at, one, a[0], a[1],
					other, b[0], b[1]);
			at = a[1];
			found += one;
		} while (one);
	}
	assert_true(found > TEXTS / 20);
}

static void cards_as_defined(void **state)
{
	(void)state;
	event_gen_init(&dice, 41);
	compare(rule_find_card, naive_card, card_text);
	event_gen_fini(&dice);
}

static void emails_as_defined(void **state)
{
	(void)state;
	event_gen_init(&dice, 42);
	compare(rule_find_email, naive_email, email_text);
	event_gen_fini(&dice);
}

/* ---- moves ---- */

/* Two fields and four keys, which hold texts of one letter. */
static const char *const places[] = { "user_id", "entity_id", "metadata.a", "metadata.b",
	"metadata.c", "metadata.d" };
enum { PLACES = ARRAY_COUNT(places), FIELDS = 2, LINES_MAX = 12 };

static struct span get(const struct event *ev, unsigned place)
{
	struct rcur c = rcur_of(ev->metadata.p, ev->metadata.n);
	struct walk_value map, key, value;

	if (place < FIELDS)
		return ev->text[place == 0 ? EVENT_TEXT_USER_ID : EVENT_TEXT_ENTITY_ID];
	if (!ev->metadata.p)
		return SPAN_NONE;
	assert_int_equal(walk_read(&c, &map), 0);
	for (uint32_t i = 0; i < map.count; i++) {
		assert_int_equal(walk_read(&c, &key), 0);
		assert_int_equal(walk_read(&c, &value), 0);
		if (key.data.p[0] == (uint8_t)places[place][strlen("metadata.")])
			return value.data;
	}
	assert_int_equal(rcur_left(&c), 0);
	return SPAN_NONE;
}

static void make_event(struct event *ev, struct buf *meta, char model[PLACES], char letters[PLACES])
{
	uint32_t pairs = 0;

	*ev = (struct event){ .severity = 6 };
	for (unsigned p = 0; p < PLACES; p++) {
		letters[p] = (char)('A' + below(26));
		model[p] = below(2) ? letters[p] : 0;
		pairs += p >= FIELDS && model[p];
	}
	for (unsigned p = 0; p < FIELDS; p++) {
		if (model[p])
			ev->text[p == 0 ? EVENT_TEXT_USER_ID : EVENT_TEXT_ENTITY_ID] =
				span_of(&letters[p], 1);
	}
	buf_reset(meta);
	pack_map_head(meta, pairs);
	for (unsigned p = FIELDS; p < PLACES; p++) {
		if (model[p]) {
			pack_str(meta, span_of(places[p] + strlen("metadata."), 1));
			pack_str(meta, span_of(&letters[p], 1));
		}
	}
	if (pairs)
		ev->metadata = buf_span(meta);
}

/* One rule of random moves, done to the model at once; false: it drops the event. */
static bool add_rule(struct conf_rules *conf, unsigned number, char model[PLACES])
{
	char section[32], text[64];
	unsigned asked = below(PLACES), lines = 1 + below(LINES_MAX - 1);
	char wanted = below(2) && model[asked] ? model[asked] : 'Z';
	bool holds = model[asked] == wanted, drops = below(12) == 0;
	struct diag d;

	snprintf(section, sizeof section, "rule r%u", number);
	snprintf(text, sizeof text, "%s = %c", places[asked], wanted);
	assert_int_equal(conf_rule_put(conf, "f", section, "match", text, 1, &d), 0);
	if (drops) {
		assert_int_equal(conf_rule_put(conf, "f", section, "drop", "yes", 1, &d), 0);
		return !holds;
	}
	for (unsigned i = 0; i < lines; i++) {
		unsigned from = below(PLACES), to = (from + 1 + below(PLACES - 1)) % PLACES;
		bool copies = below(2);

		snprintf(text, sizeof text, "%s -> %s", places[from], places[to]);
		assert_int_equal(
			conf_rule_put(conf, "f", section, copies ? "copy" : "map", text, 1, &d), 0);
		if (!holds || !model[from])
			continue;
		model[to] = model[from];
		if (!copies)
			model[from] = 0;
	}
	return true;
}

static void check_run(struct rule_run *run, unsigned number, struct buf *meta, struct buf *problems)
{
	struct conf_rules conf = { 0 };
	struct rule_set *set = NULL;
	char model[PLACES], letters[PLACES];
	struct event ev;
	bool stored = true;

	make_event(&ev, meta, model, letters);
	for (unsigned r = 0, n = 1 + below(4); r < n && stored; r++)
		stored = add_rule(&conf, r, model);
	assert_int_equal(rule_set_new(&conf, 0, &set, problems), 0);
	assert_int_equal(rule_run_use(run, &set), 0);
	assert_int_equal(rule_run_event(run, &ev), stored ? RULE_STORE : RULE_DROP);
	for (unsigned p = 0; p < PLACES && stored; p++) {
		struct span s = get(&ev, p);

		if (s.p ? s.n != 1 || (char)s.p[0] != model[p] : model[p] != 0)
			fail_msg("run %u: %s is '%.*s', wanted '%c'", number, places[p], (int)s.n,
				(const char *)s.p, model[p] ? model[p] : '-');
	}
	conf_rule_fini(&conf);
}

static void moves_as_in_a_table(void **state)
{
	struct buf meta, problems;
	struct rule_run *run;

	(void)state;
	event_gen_init(&dice, 43);
	buf_init(&meta, 4096);
	buf_init(&problems, 4096);
	assert_int_equal(rule_run_new(&run), 0);
	for (unsigned i = 0; i < RUNS; i++)
		check_run(run, i, &meta, &problems);
	rule_run_free(&run);
	buf_fini(&problems);
	buf_fini(&meta);
	event_gen_fini(&dice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cards_as_defined),
		cmocka_unit_test(emails_as_defined),
		cmocka_unit_test(moves_as_in_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
