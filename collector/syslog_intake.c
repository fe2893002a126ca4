#include "collector/syslog_intake.h"

#include <string.h>

#include "proto/base/err.h"

int syslog_intake_open(
	struct syslog_intake *s, struct intake *intake, const struct conf *conf, struct diag *d)
{
	const char *zone_text = conf_text(conf, CONF_SYSLOG_ZONE);
	const char *type = conf_text(conf, CONF_SYSLOG_EVENT_TYPE);
	const struct syslog_record_conf record = {
		.event_type = strcmp(type, "auto") == 0 ? SPAN_NONE : span_str(type),
		.json = conf_bool(conf, CONF_SYSLOG_JSON),
	};
	struct syslog_zone zone;
	int rc;

	if (!syslog_time_zone(span_str(zone_text), &zone))
		return diag_set(d, ERR_SYNTAX, "", -1,
			"zone of [syslog] is '%s', and must be local, UTC or like +02:00",
			zone_text);
	rc = syslog_record_init(&s->record, &record);
	if (rc < 0)
		return diag_set(d, rc, "", -1, "no memory for the records of syslog");
	syslog_init(&s->parser, &zone);
	s->intake = intake;
	return 0;
}

void syslog_intake_close(struct syslog_intake *s)
{
	syslog_record_fini(&s->record);
}

static void count_problems(struct syslog_intake *s, unsigned problems)
{
	for (; problems; problems &= problems - 1)
		s->counts.problems[__builtin_ctz(problems)]++;
}

int syslog_intake_put(struct syslog_intake *s, const struct intake_origin *from, struct span text,
	bool cut, struct stage *stage, struct diag *d)
{
	const struct syslog_source source = { .received_ns = from->received_ns,
		.local = from->door == INTAKE_SYSLOG_UNIX,
		.cut = cut };
	struct normalise_input raw = { 0 };
	struct syslog_message m;

	syslog_parse(&s->parser, &source, text, &m);
	s->counts.json += syslog_record_make(&s->record, &s->parser, &m, &raw.record);
	count_problems(s, m.problems);
	raw.has_time = m.has_time;
	raw.time_ns = m.time_ns;
	return intake_event(s->intake, from, &raw, stage, d);
}
