#include "collector/settings.h"

#include "collector/room.h"
#include "collector/rules.h"
#include "proto/base/cidr.h"
#include "proto/base/clock.h"
#include "proto/svc/conf_use.h"
#include "proto/svc/logger.h"

static unsigned milliseconds(const struct conf *conf, enum conf_key key)
{
	int64_t ms = conf_num(conf, key) / CLOCK_NS_PER_MS;

	return ms > UINT32_MAX ? UINT32_MAX : (unsigned)ms;
}

static void apply_allow(struct collector *c, enum conf_key key, enum intake_door door)
{
	/* It was checked when it was read. */
	cidr_parse(conf_text(&c->conf, key), &c->admit[door].allow, NULL);
}

static void apply_admission(struct collector *c)
{
	const struct conf *conf = &c->conf;

	c->peers.limits = (struct peers_limits){
		.conns_max = (unsigned)conf_num(conf, CONF_COLLECTOR_PEER_CONNECTIONS_MAX),
		.held_max = (size_t)conf_num(conf, CONF_COLLECTOR_PEER_MEMORY_MAX),
		.rate_max = (uint64_t)conf_num(conf, CONF_COLLECTOR_PEER_RATE),
	};
	c->http_peers.limits = c->peers.limits;
	apply_allow(c, CONF_FORWARD_ALLOW, INTAKE_TCP);
	apply_allow(c, CONF_FORWARD_ALLOW, INTAKE_UDP);
	apply_allow(c, CONF_SYSLOG_ALLOW, INTAKE_SYSLOG_TCP);
	apply_allow(c, CONF_SYSLOG_ALLOW, INTAKE_SYSLOG_UDP);
	apply_allow(c, CONF_COLLECTOR_HTTP_ALLOW, INTAKE_HTTP);
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
	if (c->room)
		room_limits(c->room, conf_num(conf, CONF_STORE_DISK_SOFT),
			conf_num(conf, CONF_STORE_DISK_HARD));
	rules_apply(c);
	apply_admission(c);
	listener_gate_limit(&c->gate, (unsigned)conf_num(conf, CONF_COLLECTOR_CONNECTIONS_MAX));
}

static void apply(void *arg)
{
	settings_apply(arg);
}

void settings_reread(struct collector *c)
{
	conf_use_reread(&c->conf, apply, c);
}
