/*
 * collector - the one context of astrocollectd: what its parts share.
 *
 * Threads: L, the loop in main(): doors, frames, acks, HTTP. J, the journal thread inside commit.
 *          S, the sealer thread inside seal. They meet in commit, in seal and in the store alone.
 *          A fourth, inside room, watches the disk and retires events where it gets full.
 */
#ifndef COLLECTOR_COLLECTOR_H
#define COLLECTOR_COLLECTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "collector/commit.h"
#include "collector/door.h"
#include "collector/forward_keys.h"
#include "collector/intake.h"
#include "collector/retire.h"
#include "proto/net/admit.h"
#include "proto/net/listener.h"
#include "proto/net/peers.h"
#include "proto/svc/conf.h"
#include "proto/svc/daemon.h"
#include "storage/store.h"

struct door_forward;
struct door_dgram;
struct door_http;
struct room;
struct seal;
struct stop;
struct syslog_doors;

/* What SIGHUP may change and doors look at all the time; times in the loop's milliseconds. */
struct collector_settings {
	unsigned frame_ms;
	unsigned idle_ms;
	unsigned stop_ms;
};

struct collector {
	struct conf conf;
	struct collector_settings settings;
	struct forward_keys keys;
	char host[256]; /* this machine: the host of events that come by unix socket */

	int dir; /* DATA */
	struct store_writer *writer;
	uv_loop_t loop;
	struct listener_gate gate;      /* of the doors for events */
	struct listener_gate http_gate; /* its own, so that a flood of frames leaves HTTP open */
	struct peers peers;             /* those of gate, and the memory of all */
	struct peers http_peers;        /* those of http_gate */
	struct admit admit[INTAKE_DOOR_COUNT];
	struct intake intake;
	struct seal *seal;
	struct retain_class_set *classes;
	struct retire retire;
	struct room *room;
	bool full;          /* the disk: no door takes anything */
	struct door *doors; /* for events, in the order of their opening */
	struct door_forward *forward;
	struct door_dgram *dgram;
	struct syslog_doors *syslog;
	struct door_http *http;
	struct daemon_signals signals;
	uv_timer_t tick;
	struct stop *stop; /* set once the end has begun */
	bool broken;       /* commit cannot go on: the end must not wait for it */
	int exit_status;
};

#endif
