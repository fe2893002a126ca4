#include "collector/syslog_doors.h"

#include <errno.h>
#include <stdlib.h>

#include "collector/door_syslog.h"
#include "collector/door_syslog_dgram.h"
#include "collector/syslog_intake.h"
#include "proto/svc/logger.h"
#include "proto/svc/metrics.h"

struct syslog_doors {
	struct syslog_intake intake;
	/* Their own, in the list of doors; NULL: not open. */
	struct door_syslog *tcp;
	struct door_syslog_dgram *udp, *local;
	const char *path;
};

static int open_udp(
	struct syslog_doors *s, struct collector *c, const struct addr *at, struct diag *d)
{
	unsigned buffer = (unsigned)conf_num(&c->conf, CONF_SYSLOG_UDP_BUFFER);
	struct addr same = *at;
	int rc;

	/* The port of TCP; where the kernel chose that, it may be taken. */
	addr_set_port(&same, addr_port(door_syslog_addr(s->tcp)));
	rc = door_syslog_dgram_open_udp(c, &s->intake, &same, buffer, &s->udp, d);
	if (rc != -EADDRINUSE || addr_port(at) != 0)
		return rc;
	return door_syslog_dgram_open_udp(c, &s->intake, at, buffer, &s->udp, d);
}

int syslog_doors_open(
	struct collector *c, const struct addr *at, struct syslog_doors **out, struct diag *d)
{
	struct syslog_doors *s = calloc(1, sizeof *s);
	const char *path = conf_text(&c->conf, CONF_SYSLOG_UNIX);
	int rc;

	if (!s)
		return diag_set(d, -ENOMEM, "", -1, "no memory for the doors of syslog");
	*out = s;
	rc = syslog_intake_open(&s->intake, &c->intake, &c->conf, d);
	if (rc == 0 && at)
		rc = door_syslog_open(c, &s->intake, at, &s->tcp, d);
	if (rc == 0 && at)
		rc = open_udp(s, c, at, d);
	if (rc == 0 && path[0]) {
		s->path = path;
		rc = door_syslog_dgram_open_unix(c, &s->intake, path,
			(unsigned)conf_num(&c->conf, CONF_SYSLOG_UNIX_MODE), &s->local, d);
	}
	return rc;
}

void syslog_doors_close(struct syslog_doors **at)
{
	struct syslog_doors *s = *at;

	if (!s)
		return;
	syslog_intake_close(&s->intake);
	free(s);
	*at = NULL;
}

const struct addr *syslog_doors_tcp(const struct syslog_doors *s)
{
	return s->tcp ? door_syslog_addr(s->tcp) : NULL;
}

const struct addr *syslog_doors_udp(const struct syslog_doors *s)
{
	return s->udp ? door_syslog_dgram_addr(s->udp) : NULL;
}

const char *syslog_doors_unix(const struct syslog_doors *s)
{
	return s->path;
}

/* ---------------------------------------------------------------- figures */

static_assert(METRICS_COLLECTOR_SYSLOG_PROBLEM_CUT - METRICS_COLLECTOR_SYSLOG_PROBLEM_NO_PRI ==
		      SYSLOG_PROBLEM_COUNT - 1,
	"every problem has its row, in their order");

static void set(enum metrics_id id, uint64_t v)
{
	metrics_set(id, (int64_t)v);
}

static void tcp_figures(const struct door_syslog *tcp)
{
	struct door_syslog_counts n;

	door_syslog_counts(tcp, &n);
	set(METRICS_COLLECTOR_SYSLOG_BYTES_TCP, n.bytes_in);
	set(METRICS_COLLECTOR_SYSLOG_CLOSED_BROKEN, n.broken);
	set(METRICS_COLLECTOR_SYSLOG_CLOSED_SLOW, n.slow);
	set(METRICS_COLLECTOR_SYSLOG_CLOSED_IDLE, n.idle);
	set(METRICS_COLLECTOR_SYSLOG_CLOSED_REFUSED, n.refused);
	set(METRICS_COLLECTOR_SYSLOG_STALLS, n.stalls);
}

static void udp_figures(struct door_syslog_dgram *udp)
{
	struct door_syslog_dgram_counts n;

	door_syslog_dgram_counts(udp, &n);
	set(METRICS_COLLECTOR_SYSLOG_BYTES_UDP, n.bytes);
	set(METRICS_COLLECTOR_SYSLOG_DATAGRAMS_UDP, n.received);
	set(METRICS_COLLECTOR_SYSLOG_UDP_KERNEL, n.dropped_kernel);
	set(METRICS_COLLECTOR_SYSLOG_UDP_FULL, n.dropped_full);
	set(METRICS_COLLECTOR_SYSLOG_UDP_DISK, n.dropped_disk);
	set(METRICS_COLLECTOR_SYSLOG_ERRORS_UDP, n.errors);
}

static void unix_figures(struct door_syslog_dgram *local)
{
	struct door_syslog_dgram_counts n;

	door_syslog_dgram_counts(local, &n);
	set(METRICS_COLLECTOR_SYSLOG_BYTES_UNIX, n.bytes);
	set(METRICS_COLLECTOR_SYSLOG_DATAGRAMS_UNIX, n.received);
	set(METRICS_COLLECTOR_SYSLOG_UNIX_FULL, n.dropped_full);
	set(METRICS_COLLECTOR_SYSLOG_ERRORS_UNIX, n.errors);
}

void syslog_doors_figures(const struct syslog_doors *s)
{
	for (unsigned i = 0; i < SYSLOG_PROBLEM_COUNT; i++)
		set(METRICS_COLLECTOR_SYSLOG_PROBLEM_NO_PRI + i, s->intake.counts.problems[i]);
	set(METRICS_COLLECTOR_SYSLOG_JSON, s->intake.counts.json);
	if (s->tcp)
		tcp_figures(s->tcp);
	if (s->udp)
		udp_figures(s->udp);
	if (s->local)
		unix_figures(s->local);
}
