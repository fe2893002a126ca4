/*
 * bench_rule - CPU time per event of rules on events (proto/rule): none, one that never matches, each kind
 * of mask, regular expressions with and without a text that every match has, a sample, moves.
 *
 *	bench_rule [FILE]
 *
 * FILE holds concatenated msgpack maps (gen_events -f msgpack); without it, seeded events of tests/support
 * are used. Prints the best of ROUNDS passes, and how many events in a thousand were changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "proto/rule/rule.h"
#include "tests/support/event_file.h"

enum { ROUNDS = 7, LINES_MAX = 4 };

static const struct {
	const char *name;
	const char *lines[LINES_MAX][2];
} cases[] = {
	{ "no rules", { { NULL } } },
	{ "no match", { { "match", "service = nobody" }, { "host", "x" } } },
	{ "no match, metadata", { { "match", "metadata.nothing = 1" }, { "host", "x" } } },
	{ "mask email", { { "mask", "email" } } },
	{ "mask card", { { "mask", "card" } } },
	{ "mask bearer", { { "mask", "bearer" } } },
	{ "mask all three", { { "mask", "email, card, bearer" } } },
	{ "mask, every text", { { "mask", "email, card, bearer" },
				      { "mask_in", "entity_id, user_id, description, ip_address, "
						   "user_agent, service, host, metadata" } } },
	{ "pattern with a text", { { "mask_pattern", "password=\\K\\S+" } } },
	{ "pattern without one", { { "mask_pattern", "\\d{3}-\\d{2}-\\d{4}" } } },
	{ "pattern that masks", { { "mask_pattern", "\\d+" } } },
	{ "set three fields", { { "host", "x" }, { "severity", "info" }, { "event_type", "X" } } },
	{ "copy to metadata", { { "copy", "user_id -> metadata.uid" } } },
	{ "class", { { "class", "audit" } } },
	{ "sample 1/2", { { "sample", "1/2" } } },
};

static double cpu_ns(void)
{
	struct timespec t;

	ASSERT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void use(struct rule_run *run, size_t which)
{
	struct conf_rules conf = { 0 };
	struct rule_set *set;
	struct buf problems;
	struct diag d;

	buf_init(&problems, 4096);
	for (int l = 0; l < LINES_MAX && cases[which].lines[l][0]; l++)
		ASSERT(conf_rule_put(&conf, "bench", "rule r", cases[which].lines[l][0],
			       cases[which].lines[l][1], 1, &d) == 0);
	ASSERT(rule_set_new(&conf, 0, &set, &problems) == 0);
	ASSERT(rule_run_use(run, &set) == 0);
	conf_rule_fini(&conf);
	buf_fini(&problems);
}

static void measure(struct rule_run *run, size_t which, const struct event *events, size_t count)
{
	double best = 1e18;
	size_t changed = 0;

	use(run, which);
	for (int round = 0; round < ROUNDS; round++) {
		double t = cpu_ns();

		changed = 0;
		for (size_t i = 0; i < count; i++) {
			struct event ev = events[i];

			changed += rule_run_event(run, &ev) == RULE_DROP ||
				   memcmp(&ev, &events[i], sizeof ev) != 0;
		}
		t = (cpu_ns() - t) / (double)count;
		best = t < best ? t : best;
	}
	printf("%-22s %8.4f us an event, %5.1f in a thousand changed\n", cases[which].name,
		best / 1000, (double)changed * 1000 / (double)count);
}

int main(int argc, char **argv)
{
	struct rule_run *run;
	struct event *events;
	size_t count;

	events = event_file_load(argc > 1 ? argv[1] : NULL, &count);
	ASSERT(rule_run_new(&run) == 0);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		measure(run, i, events, count);
	rule_run_free(&run);
	return 0;
}
