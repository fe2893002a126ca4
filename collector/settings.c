#include "collector/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/svc/logger.h"

enum { PROBLEMS_BYTES = 64 << 10 };

static unsigned milliseconds(const struct conf *conf, enum conf_key key)
{
	int64_t ms = conf_num(conf, key) / CLOCK_NS_PER_MS;

	return ms > UINT32_MAX ? UINT32_MAX : (unsigned)ms;
}

void settings_apply(struct collector *c)
{
	const struct conf *conf = &c->conf;
	struct stage_pool *pool = &c->intake.pool;

	logger_set_level((enum logger_level)conf_num(conf, CONF_LOG_LEVEL));
	c->settings.frame_ms = milliseconds(conf, CONF_FORWARD_FRAME_TIMEOUT);
	c->settings.idle_ms = milliseconds(conf, CONF_COLLECTOR_IDLE_TIMEOUT);
	c->settings.stop_ms = milliseconds(conf, CONF_COLLECTOR_STOP_TIMEOUT);
	pool->bytes_max = (size_t)conf_num(conf, CONF_COLLECTOR_MEMORY_MAX);
	pool->spills.all_bytes_max = (uint64_t)conf_num(conf, CONF_COLLECTOR_HOLD_BYTES);
	listener_gate_limit(&c->gate, (unsigned)conf_num(conf, CONF_COLLECTOR_CONNECTIONS_MAX));
}

static void log_change(void *arg, enum conf_key key, bool applied)
{
	const struct conf_entry *e = conf_entry(key);
	struct collector *c = arg;
	char name[96];

	snprintf(name, sizeof name, "[%s] %s", e->section, e->name);
	if (applied)
		LOGGER(LOGGER_NOTICE, "config", "changed", LOGGER_STR("key", name),
			LOGGER_STR("value", conf_text(&c->conf, key)));
	else
		LOGGER(LOGGER_WARNING, "config", "changed, but takes effect with a restart only",
			LOGGER_STR("key", name));
}

static void log_problems(const struct buf *problems)
{
	const char *p = (const char *)problems->p, *end = p + problems->len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl ? (size_t)(nl - p) : (size_t)(end - p);

		LOGGER(LOGGER_ERROR, "config", "not reread", LOGGER_SPAN("problem", span_of(p, n)));
		p += n + 1;
	}
}

/* A manager that waits for the reload (Type=notify-reload) wants to know when it began. */
static void tell_reloading(void)
{
	char text[64];

	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
		clock_mono_ns() / CLOCK_NS_PER_US);
	daemon_notify(text);
}

void settings_reread(struct collector *c)
{
	struct buf problems;

	tell_reloading();
	buf_init(&problems, PROBLEMS_BYTES);
	if (conf_reload(&c->conf, log_change, c, &problems) == 0) {
		settings_apply(c);
		LOGGER(LOGGER_NOTICE, "config", "reread");
	} else {
		log_problems(&problems);
	}
	buf_fini(&problems);
	daemon_notify("READY=1");
}
