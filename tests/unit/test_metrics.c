/*
 * Goal: what is counted can be read by Prometheus. Method: the rules of the text format 0.0.4 and of
 * promtool's linter, applied to the whole page of all groups.
 */
#include "tests/support/check_cmocka.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/svc/metrics.h"

static char *page(unsigned groups)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	metrics_print(&b, groups);
	buf_put_u8(&b, 0);
	assert_int_equal(b.err, 0);
	return (char *)b.p;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static bool is_name(const char *s)
{
	if (!isalpha((unsigned char)*s))
		return false;
	for (; *s; s++)
		if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && *s != '_')
			return false;
	return !strstr(s, "__");
}

/* key="value", key="value" without anything to escape. */
static bool is_labels(const char *s)
{
	while (*s) {
		size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz_");

		if (n == 0 || strncmp(s + n, "=\"", 2) != 0)
			return false;
		s += n + 2;
		n = strcspn(s, "\"\\\n");
		if (s[n] != '"')
			return false;
		s += n + 1;
		if (*s == ',')
			s++;
	}
	return true;
}

struct family {
	char name[128];
	char type[16];
};

static void check_head(char *help, char *type, struct family *f)
{
	char *text;

	assert_ptr_equal(strstr(help, "# HELP "), help);
	text = strchr(help + 7, ' ');
	assert_non_null(text);
	*text++ = 0;
	snprintf(f->name, sizeof f->name, "%s", help + 7);
	assert_true(strlen(text) > 5);
	assert_true(ends_with(text, "."));
	assert_int_equal(sscanf(type, "# TYPE %*s %15s", f->type), 1);
	assert_int_equal(strncmp(type + 7, f->name, strlen(f->name)), 0);
	assert_true(is_name(f->name));
	assert_int_equal(strcmp(f->type, "counter") == 0, ends_with(f->name, "_total"));
}

static void check_sample(char *line, const struct family *f)
{
	char *value = strrchr(line, ' ');
	char *labels = strchr(line, '{');
	char *end;

	assert_non_null(value);
	*value++ = 0;
	strtod(value, &end);
	assert_true(end > value);
	assert_int_equal(*end, 0);
	if (labels) {
		assert_true(ends_with(labels, "}"));
		labels[strlen(labels) - 1] = 0;
		*labels++ = 0;
		assert_true(is_labels(labels));
	}
	assert_string_equal(line, f->name);
}

static void the_page_is_what_prometheus_takes(void **state)
{
	char *text = page(~0u), *save = NULL;
	char seen[16384] = "\n";
	struct family f = { .name = "" };
	int families = 0;

	(void)state;
	assert_true(ends_with(text, "\n"));
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char key[160];

		if (*l != '#') {
			check_sample(l, &f);
			continue;
		}
		check_head(l, strtok_r(NULL, "\n", &save), &f);
		snprintf(key, sizeof key, "\n%s\n", f.name);
		if (strstr(seen, key))
			fail_msg("rows of %s do not stand together", f.name);
		strncat(seen, key + 1, sizeof seen - strlen(seen) - 1);
		families++;
	}
	assert_true(families > 5);
	free(text);
}

static void units_are_in_the_name(void **state)
{
	static const struct {
		enum metrics_kind kind;
		const char *name;
	} rows[] = {
#define METRIC(id, group, kind, name, label, help) { kind, name },
#include "proto/svc/metrics.def"
#undef METRIC
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bool seconds = ends_with(rows[i].name, "_seconds") ||
			       ends_with(rows[i].name, "_seconds_total");

		assert_int_equal(strncmp(rows[i].name, "astro_", 6), 0);
		assert_int_equal(seconds,
			rows[i].kind == METRICS_COUNTER_NS || rows[i].kind == METRICS_GAUGE_NS);
	}
}

static void counting(void **state)
{
	char *text;

	(void)state;
	metrics_inc(METRICS_LOG_LINES);
	metrics_add(METRICS_LOG_LINES, 41);
	metrics_set(METRICS_COLLECTOR_CONNECTIONS, 3);
	metrics_add(METRICS_COLLECTOR_CONNECTIONS, -1);
	assert_int_equal(metrics_get(METRICS_LOG_LINES), 42);
	text = page(METRICS_GROUP_PROCESS);
	assert_non_null(
		strstr(text, "# TYPE astro_log_lines_total counter\nastro_log_lines_total 42\n"));
	assert_non_null(strstr(text, "\nprocess_resident_memory_bytes "));
	assert_non_null(strstr(text, "\nastro_build_info{version=\""));
	assert_null(strstr(text, "astro_collector_connections"));
	free(text);
	text = page(METRICS_GROUP_COLLECTOR);
	assert_non_null(strstr(text, "# TYPE astro_collector_connections gauge\n"
				     "astro_collector_connections 2\n"));
	assert_null(strstr(text, "process_"));
	free(text);
}

static void the_process_is_seen(void **state)
{
	static const char *const names[] = { "process_cpu_seconds_total",
		"process_start_time_seconds", "process_resident_memory_bytes",
		"process_resident_memory_max_bytes", "process_open_fds", "process_max_fds" };
	char *text = page(METRICS_GROUP_PROCESS);

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char line[96];
		const char *at;

		snprintf(line, sizeof line, "\n%s ", names[i]);
		at = strstr(text, line);
		assert_non_null(at);
		assert_true(strtod(at + strlen(line), NULL) > 0);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_page_is_what_prometheus_takes),
		cmocka_unit_test(units_are_in_the_name),
		cmocka_unit_test(counting),
		cmocka_unit_test(the_process_is_seen),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
