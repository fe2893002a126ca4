#include "proto/svc/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/svc/procstat.h"
#include "proto/svc/version.h"

struct metrics_cell metrics_cells[METRICS_ID_COUNT];

struct entry {
	unsigned group;
	enum metrics_kind kind;
	const char *name;
	const char *label; /* NULL: none */
	const char *help;
};

static const struct entry entries[METRICS_ID_COUNT] = {
#define METRIC(id, group, kind, name, label, help) { group, kind, name, label, help },
#include "proto/svc/metrics.def"
#undef METRIC
};

static void put_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Nanoseconds as seconds, exactly. */
static void put_seconds(struct buf *out, int64_t ns)
{
	uint64_t abs = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;

	buf_printf(out, "%s%" PRIu64 ".%09" PRIu64 "\n", ns < 0 ? "-" : "", abs / 1000000000,
		abs % 1000000000);
}

static void put_row(struct buf *out, const struct entry *e, int64_t v)
{
	if (e->label)
		buf_printf(out, "%s{%s} ", e->name, e->label);
	else
		buf_printf(out, "%s ", e->name);
	if (e->kind == METRICS_COUNTER_NS || e->kind == METRICS_GAUGE_NS)
		put_seconds(out, v);
	else
		buf_printf(out, "%" PRId64 "\n", v);
}

static const char *type_name(enum metrics_kind kind)
{
	return kind == METRICS_COUNTER || kind == METRICS_COUNTER_NS ? "counter" : "gauge";
}

static void print_process(struct buf *out)
{
	struct procstat p;

	procstat_read(&p);
	put_head(out, "process_cpu_seconds_total", "counter", "CPU time used, user and system.");
	buf_put_str(out, "process_cpu_seconds_total ");
	put_seconds(out, p.cpu_ns);
	put_head(out, "process_start_time_seconds", "gauge", "When the process started.");
	buf_put_str(out, "process_start_time_seconds ");
	put_seconds(out, p.start_ns);
	put_head(out, "process_resident_memory_bytes", "gauge", "Memory in use now.");
	buf_printf(out, "process_resident_memory_bytes %" PRIu64 "\n", p.resident_bytes);
	put_head(out, "process_resident_memory_max_bytes", "gauge", "The most memory ever in use.");
	buf_printf(out, "process_resident_memory_max_bytes %" PRIu64 "\n", p.resident_bytes_max);
	put_head(out, "process_open_fds", "gauge", "Open descriptors.");
	buf_printf(out, "process_open_fds %" PRIu64 "\n", p.fds);
	put_head(out, "process_max_fds", "gauge", "Descriptors that may be open.");
	buf_printf(out, "process_max_fds %" PRIu64 "\n", p.fds_max);
	put_head(out, "astro_build_info", "gauge", "The version; the value is always 1.");
	buf_printf(out, "astro_build_info{version=\"%s\"} 1\n", version_text);
}

void metrics_print(struct buf *out, unsigned groups)
{
	const char *name = "";

	for (int i = 0; i < METRICS_ID_COUNT; i++) {
		const struct entry *e = &entries[i];

		if (!(e->group & groups))
			continue;
		if (strcmp(name, e->name) != 0)
			put_head(out, e->name, type_name(e->kind), e->help);
		name = e->name;
		put_row(out, e, metrics_get(i));
	}
	if (groups & METRICS_GROUP_PROCESS)
		print_process(out);
}
