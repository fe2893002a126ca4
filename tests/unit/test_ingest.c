/*
 * Goal: the figures of the collector are read from its page, each into its door; a page that is not its own has
 * none; rates are of what was counted between two pages, and none where a counter began anew.
 * Method: pages as texts, and the real names as proto/svc/metrics.def has them.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/clock.h"
#include "query/ingest.h"

static const char page[] =
	"# HELP astro_collector_events_total Events handed to the journal.\n"
	"# TYPE astro_collector_events_total counter\n"
	"astro_collector_events_total{door=\"tcp\"} 1000\n"
	"astro_collector_events_total{door=\"udp\"} 20\n"
	"astro_collector_events_total{door=\"syslog_udp\"} 3\n"
	"astro_collector_events_total{door=\"http\"} 4\n"
	"astro_collector_turned_away_total{door=\"tcp\",reason=\"network\"} 5\n"
	"astro_collector_turned_away_total{door=\"tcp\",reason=\"connections\"} 6\n"
	"astro_collector_http_refused_total 7\n"
	"astro_collector_http_connections_refused_total 1\n"
	"astro_collector_datagrams_dropped_total{reason=\"kernel\"} 8\n"
	"astro_collector_datagrams_dropped_total{reason=\"bad\"} 9\n"
	"astro_collector_syslog_datagrams_dropped_total{door=\"udp\",reason=\"full\"} 10\n"
	"astro_collector_events_dropped_total{reason=\"large\"} 11\n"
	"astro_store_disk_limit_bytes{limit=\"soft\"} 4294967296\n"
	"astro_store_disk_limit_bytes{limit=\"hard\"} 0\n"
	"process_start_time_seconds 1.7e9\n";

static const struct ingest_door *door(const struct ingest_figures *f, const char *name)
{
	for (size_t i = 0; i < f->doors_count; i++) {
		if (strcmp(f->doors[i].name, name) == 0)
			return &f->doors[i];
	}
	fail_msg("no door %s", name);
	return NULL;
}

static void a_page(void **state)
{
	struct ingest_figures f;

	(void)state;
	ingest_read(span_str(page), &f);
	assert_true(f.at_ns > 0);
	assert_int_equal(f.doors_count, 4);
	assert_int_equal(f.events, 1027);
	assert_int_equal(f.dropped, 11);
	assert_int_equal(door(&f, "tcp")->events, 1000);
	assert_int_equal(door(&f, "tcp")->refused, 11);
	assert_int_equal(door(&f, "http")->refused, 8);
	assert_int_equal(door(&f, "udp")->lost, 17);
	assert_int_equal(door(&f, "syslog_udp")->lost, 10);
	assert_true(f.rate < 0);
	assert_int_equal(f.disk_soft, INT64_C(4294967296));
	assert_int_equal(f.disk_hard, 0);
}

static void other_pages(void **state)
{
	static const char *const pages[] = {
		"",
		"\n\n",
		"<html>",
		"astro_query_requests_total 1\n",
		" ",
		"{",
		"a{ 1",
		"astro_collector_events_total 5\n",
		"astro_collector_events_total{door=\"} 5\n",
		"astro_collector_events_total{door=\"a_name_that_is_too_long\"} 5\n",
		"astro_collector_events_total{door=\"\"} 5\n",
	};
	struct ingest_figures f;

	(void)state;
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
		ingest_read(span_str(pages[i]), &f);
		assert_true(f.at_ns == 0);
		assert_int_equal(f.doors_count, 0);
	}
	ingest_read(span_str("astro_collector_events_total{door=\"x\"} -5"), &f);
	assert_int_equal(door(&f, "x")->events, 0);
}

static void too_many_doors(void **state)
{
	static char text[LIMIT_FIGURES_DOORS * 100];
	struct ingest_figures f;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < LIMIT_FIGURES_DOORS + 5; i++)
		n += (size_t)snprintf(text + n, sizeof text - n,
			"astro_collector_events_total{door=\"d%d\"} 1\n", i);
	ingest_read(span_of(text, n), &f);
	assert_int_equal(f.doors_count, LIMIT_FIGURES_DOORS);
}

static void rates(void **state)
{
	struct ingest_figures before, now;

	(void)state;
	ingest_read(span_str(page), &before);
	ingest_read(span_str("astro_collector_events_total{door=\"tcp\"} 3000\n"
			     "astro_collector_events_total{door=\"udp\"} 10\n"),
		&now);
	ingest_rates(&now, &before, 2 * CLOCK_NS_PER_SEC);
	assert_true(door(&now, "tcp")->rate == 1000);
	assert_true(door(&now, "udp")->rate < 0);
	assert_true(now.rate == (3010 - 1027) / 2.0);
	/* Nothing is known of the time before, or none went by. */
	ingest_read(span_str(page), &now);
	ingest_rates(&now, &before, 0);
	assert_true(now.rate < 0);
	before.at_ns = 0;
	ingest_rates(&now, &before, CLOCK_NS_PER_SEC);
	assert_true(now.rate < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page),
		cmocka_unit_test(other_pages),
		cmocka_unit_test(too_many_doors),
		cmocka_unit_test(rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
