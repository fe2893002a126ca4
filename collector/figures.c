#include "collector/figures.h"

#include "collector/door_dgram.h"
#include "collector/door_forward.h"
#include "collector/door_http.h"
#include "collector/room.h"
#include "collector/seal.h"
#include "collector/syslog_doors.h"
#include "proto/base/check.h"
#include "proto/svc/metrics.h"

/* A row of metrics with one label stands together, in the order of the enum that counts. */
static void set_row(enum metrics_id first, const uint64_t *counts, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		metrics_set(first + i, (int64_t)counts[i]);
}

static_assert(
	METRICS_COLLECTOR_FRAMES_HTTP - METRICS_COLLECTOR_FRAMES_TCP == INTAKE_HTTP &&
		METRICS_COLLECTOR_EVENTS_HTTP - METRICS_COLLECTOR_EVENTS_TCP == INTAKE_HTTP &&
		METRICS_COLLECTOR_HEARTBEATS_UDP - METRICS_COLLECTOR_HEARTBEATS_TCP == INTAKE_UDP,
	"doors stand in one order");
static_assert(
	METRICS_COLLECTOR_DROPPED_BOMB - METRICS_COLLECTOR_DROPPED_LARGE == FORWARD_DROP_COUNT - 1,
	"every reason to drop an event has its row");
static_assert(
	METRICS_COLLECTOR_FAULT_MEMORY - METRICS_COLLECTOR_FAULT_TLS == FORWARD_FAULT_COUNT - 2,
	"every fault but `none` has its row");

static void refresh_intake(const struct intake *in)
{
	const struct intake_counts *n = &in->counts;

	set_row(METRICS_COLLECTOR_FRAMES_TCP, n->frames, INTAKE_DOOR_COUNT);
	set_row(METRICS_COLLECTOR_EVENTS_TCP, n->events, INTAKE_DOOR_COUNT);
	set_row(METRICS_COLLECTOR_HEARTBEATS_TCP, n->heartbeats, INTAKE_UDP + 1);
	set_row(METRICS_COLLECTOR_DROPPED_LARGE, n->dropped, FORWARD_DROP_COUNT);
	set_row(METRICS_COLLECTOR_DROPPED_LIMITS, n->rejected, INTAKE_REJECT_COUNT);
	set_row(METRICS_COLLECTOR_FAULT_TLS, n->faults + 1, FORWARD_FAULT_COUNT - 1);
	metrics_set(METRICS_COLLECTOR_SIGNALS, (int64_t)n->signals);
	metrics_set(METRICS_COLLECTOR_ODD_OPTIONS, (int64_t)n->odd_options);
	metrics_set(METRICS_COLLECTOR_PARTS_JOINED, (int64_t)n->parts_joined);
	metrics_set(METRICS_COLLECTOR_PARTS_ALONE, (int64_t)n->parts_alone);
	metrics_set(METRICS_COLLECTOR_GROUPS_LARGE, (int64_t)n->groups_large);
	metrics_set(METRICS_COLLECTOR_FRAMES_REFUSED, (int64_t)in->pool.refused);
	metrics_set(METRICS_COLLECTOR_FRAMES_SPILLED, (int64_t)in->pool.spilled);
	metrics_set(METRICS_COLLECTOR_STAGE_BYTES, (int64_t)in->pool.bytes);
	metrics_set(METRICS_COLLECTOR_SPILL_BYTES,
		(int64_t)atomic_load_explicit(&in->pool.spills.all_bytes, memory_order_relaxed));
}

static void refresh_normalise(const struct normalise *norm)
{
	struct normalise_counts n;

	normalise_counts(norm, &n);
	metrics_set(METRICS_COLLECTOR_KEYS_DROPPED, (int64_t)n.keys_dropped);
	metrics_set(METRICS_COLLECTOR_KEYS_REPEATED, (int64_t)n.keys_repeated);
	metrics_set(METRICS_COLLECTOR_FIELDS_CUT, (int64_t)n.fields_cut);
	metrics_set(METRICS_COLLECTOR_FIELDS_MOVED, (int64_t)n.fields_moved);
	metrics_set(METRICS_COLLECTOR_VALUES_DISPLACED, (int64_t)n.values_displaced);
	metrics_set(METRICS_COLLECTOR_TIME_ODD, (int64_t)n.time_odd);
	metrics_set(METRICS_COLLECTOR_TIME_ARRIVAL, (int64_t)n.time_arrival);
}

static void refresh_forward(const struct door_forward *f)
{
	struct door_forward_counts n;

	door_forward_counts(f, &n);
	metrics_set(METRICS_COLLECTOR_ACKS, (int64_t)n.acks);
	metrics_set(METRICS_COLLECTOR_BYTES_STREAM, (int64_t)n.bytes_in);
	metrics_set(METRICS_COLLECTOR_FRAMES_CUT, (int64_t)n.frames_cut);
	metrics_set(METRICS_COLLECTOR_TIMEOUT_FRAME, (int64_t)n.frames_slow);
	metrics_set(METRICS_COLLECTOR_TIMEOUT_IDLE, (int64_t)n.idle);
	metrics_set(METRICS_COLLECTOR_TIMEOUT_ACKS_UNREAD, (int64_t)n.deaf);
	metrics_set(METRICS_COLLECTOR_STALLS, (int64_t)n.stalls);
}

static void refresh_dgram(struct door_dgram *g)
{
	struct door_dgram_counts n;

	door_dgram_counts(g, &n);
	metrics_set(METRICS_COLLECTOR_BYTES_UDP, (int64_t)n.bytes);
	metrics_set(METRICS_COLLECTOR_DATAGRAMS, (int64_t)n.received);
	metrics_set(METRICS_COLLECTOR_DATAGRAMS_KERNEL, (int64_t)n.dropped_kernel);
	metrics_set(METRICS_COLLECTOR_DATAGRAMS_BAD, (int64_t)n.dropped_bad);
	metrics_set(METRICS_COLLECTOR_DATAGRAMS_FULL, (int64_t)n.dropped_full);
	metrics_set(METRICS_COLLECTOR_DATAGRAMS_DISK, (int64_t)n.dropped_disk);
	metrics_set(METRICS_COLLECTOR_DATAGRAM_ERRORS, (int64_t)n.errors);
	metrics_set(METRICS_COLLECTOR_UDP_BUFFER, n.buffer_bytes);
}

static void refresh_http(const struct door_http *h)
{
	struct door_http_counts n;

	door_http_counts(h, &n);
	metrics_set(METRICS_COLLECTOR_BYTES_HTTP, (int64_t)n.bytes_in);
	metrics_set(METRICS_COLLECTOR_HTTP_REQUESTS, (int64_t)n.intake.requests);
	metrics_set(METRICS_COLLECTOR_HTTP_REFUSED, (int64_t)n.intake.refused);
	metrics_set(METRICS_COLLECTOR_HTTP_FULL, (int64_t)n.intake.full);
	metrics_set(METRICS_COLLECTOR_HTTP_BROKEN, (int64_t)n.intake.broken);
	metrics_set(METRICS_COLLECTOR_HTTP_OPEN, (int64_t)n.intake.open);
	metrics_set(METRICS_COLLECTOR_HTTP_CONNECTIONS, (int64_t)n.conns_open);
	metrics_set(METRICS_COLLECTOR_HTTP_CONNECTIONS_REFUSED, (int64_t)n.conns_refused);
	metrics_set(METRICS_COLLECTOR_HTTP_MALFORMED, (int64_t)n.malformed);
	metrics_set(METRICS_COLLECTOR_HTTP_TOO_LARGE, (int64_t)n.too_large);
	metrics_set(METRICS_COLLECTOR_HTTP_TIMEOUTS, (int64_t)n.timeouts);
}

static void refresh_commit(struct collector *c)
{
	const struct commit *commit = c->intake.commit;

	metrics_set(METRICS_COLLECTOR_REPEATS, (int64_t)c->intake.counts.repeats);
	metrics_set(METRICS_STORE_BATCHES, (int64_t)commit_stats(commit)->batches);
	metrics_set(METRICS_STORE_COMMITS, (int64_t)commit_syncs(commit));
	metrics_set(METRICS_STORE_COMMIT_NS, (int64_t)commit_sync_ns(commit));
	metrics_set(METRICS_STORE_JOURNAL_FAILURES, (int64_t)commit_failures(commit));
	metrics_set(METRICS_STORE_JOURNAL_FAILING, commit_failing(commit));
	metrics_set(METRICS_STORE_COMMITTED, (int64_t)commit_last_id(commit));
}

static void refresh_seal(struct collector *c)
{
	const struct store_recovery *found = store_writer_recovery(c->writer);
	struct seal_counts n;

	seal_counts(c->seal, &n);
	metrics_set(METRICS_STORE_SEALED,
		(int64_t)(n.sealed_id > found->sealed ? n.sealed_id : found->sealed));
	metrics_set(METRICS_STORE_UNSEALED_ROWS, (int64_t)n.pending_rows);
	metrics_set(METRICS_STORE_UNSEALED_BYTES, (int64_t)n.pending_bytes);
	metrics_set(METRICS_STORE_SEALS, (int64_t)n.seals);
	metrics_set(METRICS_STORE_SEAL_ROWS, (int64_t)n.rows);
	metrics_set(METRICS_STORE_SEAL_RAW, (int64_t)n.raw_bytes);
	metrics_set(METRICS_STORE_SEAL_FILE, (int64_t)n.file_bytes);
	metrics_set(METRICS_STORE_SEGMENTS_MADE, (int64_t)n.segments);
	metrics_set(METRICS_STORE_SEAL_NS, n.took_ns);
	metrics_set(METRICS_STORE_SEAL_FAILURES, (int64_t)n.failures);
	metrics_set(METRICS_STORE_MERGES, (int64_t)n.merges);
	metrics_set(METRICS_STORE_MERGED_SEGMENTS, (int64_t)n.merged_segments);
	metrics_set(METRICS_STORE_MERGE_NS, n.merge_took_ns);
	metrics_set(METRICS_STORE_MERGE_FAILURES, (int64_t)n.merge_failures);
	metrics_set(METRICS_STORE_LOST, (int64_t)(found->lost_ids + n.lost_ids));
	metrics_set(METRICS_STORE_FDS_SAVED, (int64_t)vfs_reserve_used());
}

static void refresh_room(struct room *r)
{
	enum room_watch_state state = room_state(r);
	struct room_watch_figures n;

	room_figures(r, &n);
	metrics_set(METRICS_STORE_DISK_FREE, (int64_t)n.free_bytes);
	metrics_set(METRICS_STORE_DISK_SOFT, (int64_t)n.soft_bytes);
	metrics_set(METRICS_STORE_DISK_HARD, (int64_t)n.hard_bytes);
	metrics_set(METRICS_STORE_DISK_SHORT, state != ROOM_WATCH_AMPLE);
	metrics_set(METRICS_STORE_DISK_FULL, state == ROOM_WATCH_HARD);
	metrics_set(METRICS_STORE_DISK_SOFT_TIMES, (int64_t)n.soft_times);
	metrics_set(METRICS_STORE_DISK_HARD_TIMES, (int64_t)n.hard_times);
	metrics_set(METRICS_STORE_DISK_STUCK, n.stuck);
	metrics_set(METRICS_STORE_DISK_SEGMENTS, (int64_t)n.dropped_segments);
	metrics_set(METRICS_STORE_DISK_BYTES, (int64_t)n.dropped_bytes);
	metrics_set(METRICS_STORE_DISK_FAILURES, (int64_t)n.failures);
}

static void refresh_admit(const struct collector *c)
{
	static const struct {
		enum intake_door door;
		enum admit_reason reason;
		enum metrics_id id;
	} rows[] = {
		{ INTAKE_TCP, ADMIT_NETWORK, METRICS_COLLECTOR_ADMIT_TCP_NETWORK },
		{ INTAKE_TCP, ADMIT_CONNECTIONS, METRICS_COLLECTOR_ADMIT_TCP_CONNECTIONS },
		{ INTAKE_UDP, ADMIT_NETWORK, METRICS_COLLECTOR_ADMIT_UDP_NETWORK },
		{ INTAKE_UDP, ADMIT_RATE, METRICS_COLLECTOR_ADMIT_UDP_RATE },
		{ INTAKE_SYSLOG_TCP, ADMIT_NETWORK, METRICS_COLLECTOR_ADMIT_SYSLOG_TCP_NETWORK },
		{ INTAKE_SYSLOG_TCP, ADMIT_CONNECTIONS,
			METRICS_COLLECTOR_ADMIT_SYSLOG_TCP_CONNECTIONS },
		{ INTAKE_SYSLOG_UDP, ADMIT_NETWORK, METRICS_COLLECTOR_ADMIT_SYSLOG_UDP_NETWORK },
		{ INTAKE_SYSLOG_UDP, ADMIT_RATE, METRICS_COLLECTOR_ADMIT_SYSLOG_UDP_RATE },
		{ INTAKE_HTTP, ADMIT_NETWORK, METRICS_COLLECTOR_ADMIT_HTTP_NETWORK },
		{ INTAKE_HTTP, ADMIT_CONNECTIONS, METRICS_COLLECTOR_ADMIT_HTTP_CONNECTIONS },
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		metrics_set(rows[i].id, (int64_t)c->admit[rows[i].door].refused[rows[i].reason]);
	metrics_set(METRICS_COLLECTOR_SLOWED, (int64_t)(c->gate.slowed + c->http_gate.slowed));
}

void figures_refresh(struct collector *c)
{
	metrics_set(METRICS_COLLECTOR_CONNECTIONS, c->gate.open);
	metrics_set(METRICS_COLLECTOR_CONNECTIONS_MAX, c->gate.open_max);
	metrics_set(METRICS_COLLECTOR_ACCEPTED, (int64_t)c->gate.accepted);
	metrics_set(METRICS_COLLECTOR_REFUSED, (int64_t)c->gate.refused);
	metrics_set(METRICS_COLLECTOR_STARVED, (int64_t)c->gate.starved);
	refresh_admit(c);
	refresh_intake(&c->intake);
	refresh_normalise(c->intake.normalise);
	if (c->forward)
		refresh_forward(c->forward);
	if (c->dgram)
		refresh_dgram(c->dgram);
	if (c->syslog)
		syslog_doors_figures(c->syslog);
	if (c->http)
		refresh_http(c->http);
	if (c->intake.commit)
		refresh_commit(c);
	if (c->seal)
		refresh_seal(c);
	if (c->room)
		refresh_room(c->room);
}
