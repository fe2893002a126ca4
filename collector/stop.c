#include "collector/stop.h"

#include <stdlib.h>
#include <unistd.h>

#include "collector/door.h"
#include "collector/room.h"
#include "collector/seal.h"
#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/svc/logger.h"

enum {
	STOP_TAG = 0x53544f50,
	STEP_MS = 10,
};

enum phase { READING, COMMITTING, ACKING, SEALING, CLOSED };

struct stop {
	unsigned tag;
	struct collector *c;
	uv_timer_t timer;
	enum phase phase;
	int64_t began_ns;
	int64_t phase_ns;
	uint64_t received; /* as of the last step */
};

static unsigned passed_ms(int64_t since_ns)
{
	return (unsigned)((clock_mono_ns() - since_ns) / CLOCK_NS_PER_MS);
}

static void enter(struct stop *s, enum phase phase)
{
	s->phase = phase;
	s->phase_ns = clock_mono_ns();
}

/* Senders without acks have written and gone: what the kernel holds of it is still taken. */
static void step_reading(struct stop *s)
{
	struct collector *c = s->c;
	uint64_t now = door_bytes_in_all(c->doors);

	if ((now != s->received || door_behind_any(c->doors)) &&
		passed_ms(s->phase_ns) < LIMIT_DRAIN_READ_MS && !c->broken) {
		s->received = now;
		return;
	}
	door_stop_reading_all(c->doors);
	commit_flush(c->intake.commit);
	enter(s, COMMITTING);
}

static void step_committing(struct stop *s)
{
	struct collector *c = s->c;

	if (!commit_idle(c->intake.commit)) {
		if (!c->broken && passed_ms(s->began_ns) < c->settings.stop_ms)
			return;
		LOGGER(LOGGER_ERROR, "stop",
			"some events could not be made durable; they were not acknowledged, and "
			"clients that wait for acks send them again");
		c->exit_status = 1;
		door_end_all(c->doors);
	}
	door_finish_all(c->doors);
	enter(s, ACKING);
}

static void step_acking(struct stop *s)
{
	struct collector *c = s->c;

	if (!door_empty_all(c->doors)) {
		if (passed_ms(s->phase_ns) > 2 * LIMIT_DRAIN_WRITE_MS)
			door_end_all(c->doors);
		return;
	}
	if (!commit_close(&c->intake.commit))
		c->exit_status = 1;
	seal_finish(c->seal, c->exit_status == 0);
	enter(s, SEALING);
}

/* Killed while it seals, the store is as before: the next start seals what is left. */
static void step_sealing(struct stop *s)
{
	if (passed_ms(s->began_ns) < s->c->settings.stop_ms ||
		passed_ms(s->phase_ns) < LIMIT_DRAIN_WRITE_MS)
		return;
	LOGGER(LOGGER_WARNING, "stop",
		"sealing takes longer than stop_timeout; the next start goes on with it");
	_exit(s->c->exit_status);
}

static void on_step(uv_timer_t *t)
{
	struct stop *s = t->data;

	CHECK_TAG(s, STOP_TAG);
	switch (s->phase) {
	case READING:
		step_reading(s);
		break;
	case COMMITTING:
		step_committing(s);
		break;
	case ACKING:
		step_acking(s);
		break;
	case SEALING:
		step_sealing(s);
		break;
	case CLOSED:
		break;
	}
}

void stop_begin(struct collector *c, int status)
{
	struct stop *s;

	if (status)
		c->exit_status = status;
	if (c->stop)
		return;
	daemon_notify("STOPPING=1");
	LOGGER(LOGGER_NOTICE, "stop", "stopping: no more connections, the rest is made durable");
	s = calloc(1, sizeof *s);
	if (!s)
		_exit(1); /* as a crash, which loses nothing that was acknowledged */
	s->tag = STOP_TAG;
	s->c = c;
	s->began_ns = clock_mono_ns();
	s->received = UINT64_MAX;
	c->stop = s;
	enter(s, READING);
	door_stop_accepting_all(c->doors);
	uv_timer_init(&c->loop, &s->timer);
	s->timer.data = s;
	uv_timer_start(&s->timer, on_step, STEP_MS, STEP_MS);
}

void stop_sealed(struct collector *c, bool all)
{
	struct stop *s = c->stop;

	CHECK_TAG(s, STOP_TAG);
	enter(s, CLOSED);
	LOGGER(LOGGER_NOTICE, "stop",
		all ? "everything is durable and sealed" : "everything acknowledged is durable",
		LOGGER_NS("seconds", clock_mono_ns() - s->began_ns));
	seal_close(&c->seal);
	room_close(&c->room);
	door_close_all(c->doors);
	daemon_signals_close(&c->signals);
	uv_close((uv_handle_t *)&c->tick, NULL);
	uv_close((uv_handle_t *)&s->timer, NULL);
}

void stop_free(struct stop **at)
{
	free(*at);
	*at = NULL;
}
