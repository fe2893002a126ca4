/*
 * astrosend - sends events as Forward frames: one from flags, or files of them (astrosend.1). Also
 * the load generator.
 *
 * This file fills frames and says what became of them; send_source reads events, the library's
 * client_link and client_dgram carry frames, send_args knows what is wanted.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/client/client_dgram.h"
#include "proto/client/client_link.h"
#include "proto/svc/opt.h"
#include "proto/wire/forward_put.h"
#include "proto/wire/pack.h"
#include "tools/send_args.h"
#include "tools/send_source.h"

enum {
	EXIT_SENT = 0,
	EXIT_SKIPPED = 1,
	EXIT_UNREACHED = 3,
	EXIT_INPUT = 4,

	/* A frame ends at this many bytes of entries; one event more may stand above it. */
	FRAME_BYTES = 512 << 10,
	/* Array, tag, bin and option heads around the entries of a frame without a chunk. */
	FRAME_AROUND_BYTES = 24,
	/* Pauses of a paced run: shorter ones do not pay, longer ones make bursts. */
	PACE_PER_SECOND = 50,
	/* Datagrams have only the receiver's socket buffer to wait in. */
	PACE_DATAGRAMS_PER_SECOND = 1000,
	/* From this rate on datagrams go in trains unless told otherwise. */
	TRAIN_RATE = 100000,
	PROGRESS_NS = 200 * 1000 * 1000,
	TICK_MS = 200,
	/* Bad lines and lost connections told one by one; the others are only counted. */
	TOLD_MAX = 10,
};

/* A frame, and where its events came from. */
struct sent {
	struct client_frame frame; /* first, so that the link's frame is this one */
	struct send_pos first;
	struct send_pos last;
	struct sent *next; /* that is free */
};

struct run {
	struct send_args args;
	struct send_source *source; /* NULL: the one event of the flags */
	struct buf fields;          /* its record, or the fields of every line */
	uint32_t fields_count;
	bool one_done;
	bool input_ended;
	bool input_failed;
	struct diag input_error;
	struct sent *window;
	struct sent *spare;
	struct buf entries; /* of datagrams */
	char run_id[CLIENT_RUN_BYTES];
	uint64_t frames;
	uint64_t events;
	uint64_t events_acked;
	uint64_t too_large; /* events that no datagram holds */
	uint64_t lost;      /* connections */
	uint64_t told_bad;
	FILE *acked_log;
	bool progress;
	int64_t start_ns;
	int64_t progress_ns;
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

/* ---- what the user sees ---- */

static void wipe_progress(const struct run *r)
{
	if (r->progress)
		fputs("\r\033[K", stderr);
}

static void complain(const struct run *r, const struct diag *d)
{
	char text[DIAG_FILE_BYTES + 2 * DIAG_TEXT_BYTES];

	wipe_progress(r);
	fprintf(stderr, "astrosend: %s\n", diag_format(d, text, sizeof text));
}

static void show_progress(struct run *r)
{
	int64_t now = r->progress ? clock_mono_ns() : 0;
	double seconds;

	if (!r->progress || now - r->progress_ns < PROGRESS_NS)
		return;
	r->progress_ns = now;
	seconds = (double)(now - r->start_ns) / 1e9;
	fprintf(stderr, "\r\033[Kastrosend: %" PRIu64 " events, %" PRIu64 " acked, %.0f events/s",
		r->events, r->events_acked, (double)r->events / seconds);
	fflush(stderr);
}

static void on_bad(void *arg, const struct send_pos *at, const char *why)
{
	struct run *r = arg;

	if (r->told_bad++ >= TOLD_MAX)
		return;
	wipe_progress(r);
	fprintf(stderr, "astrosend: %s:%" PRIu64 ": %s: skipped\n", at->file, at->line, why);
	if (r->told_bad == TOLD_MAX)
		fprintf(stderr, "astrosend: further bad events are only counted\n");
}

static void on_acked(void *arg, struct client_frame *f)
{
	struct sent *s = (struct sent *)f;
	struct run *r = arg;

	s->next = r->spare;
	r->spare = s;
	r->events_acked += f->events;
	if (!r->acked_log)
		return;
	fprintf(r->acked_log, "%s\t%" PRIu32 "\t%s:%" PRIu64 "\t%s:%" PRIu64 "\n", f->chunk,
		f->events, s->first.file, s->first.line, s->last.file, s->last.line);
	fflush(r->acked_log);
}

static void on_lost(void *arg, const struct diag *why)
{
	struct run *r = arg;

	if (r->lost++ < TOLD_MAX)
		complain(r, why);
}

static void on_waiting(void *arg, int64_t seconds)
{
	const struct run *r = arg;

	wipe_progress(r);
	fprintf(stderr,
		"astrosend: %s: no ack for %" PRId64
		" s; a collector sends it when the events are on "
		"disk, and not while the disk is full (its log and /readyz tell); other servers may "
		"send none. Waiting up to %" PRId64 " s (--timeout)\n",
		r->args.to, seconds, r->args.timeout_s);
}

static uint64_t bad_events(const struct run *r)
{
	return (r->source ? send_source_bad(r->source) : 0) + r->too_large;
}

static void put_summary(const struct run *r, const char *rest)
{
	double seconds = (double)(clock_mono_ns() - r->start_ns) / 1e9;

	wipe_progress(r);
	if (r->args.quiet)
		return;
	printf("sent %" PRIu64 " events in %" PRIu64 " frames, %s, %" PRIu64
	       " bad and skipped, %.2f s, %.0f events/s\n",
		r->events, r->frames, rest, bad_events(r), seconds,
		seconds > 0 ? (double)r->events / seconds : 0);
}

/* ---- events and frames ---- */

/* Appends the next event. False: there are no more; what came before a failure is sent all the same. */
static bool next_event(struct run *r, int64_t now_ns, struct buf *entries, struct send_pos *at)
{
	int rc = 0;

	if (stopping || r->input_ended)
		return false;
	if (r->source) {
		rc = send_source_next(r->source, now_ns, entries, at, &r->input_error);
	} else if (!r->one_done) {
		r->one_done = true;
		*at = (struct send_pos){ "event", 1 };
		forward_put_entry(entries, now_ns, buf_span(&r->fields));
		rc = 1;
	}
	r->input_ended = rc <= 0;
	r->input_failed = rc < 0;
	return rc == 1;
}

/* Waits until as many events as were sent are due. */
static void pace(const struct run *r)
{
	int64_t due, left;

	if (r->args.rate == 0)
		return;
	due = r->start_ns + (int64_t)((double)r->events / (double)r->args.rate * 1e9);
	while ((left = due - clock_mono_ns()) > 0 && !stopping) {
		struct timespec t = { left / CLOCK_NS_PER_SEC, left % CLOCK_NS_PER_SEC };

		nanosleep(&t, NULL);
	}
}

/* Events that a frame may hold; fewer where they are paced. */
static uint32_t batch_of(const struct run *r)
{
	int64_t slice = r->args.rate / PACE_PER_SECOND;

	if (r->args.rate == 0 || slice >= r->args.batch)
		return (uint32_t)r->args.batch;
	return slice > 0 ? (uint32_t)slice : 1;
}

/* False: more input has yet to arrive, and what there is should not wait for it. */
static bool has_input(const struct run *r)
{
	return !r->source || send_source_ready(r->source);
}

static void fill_frame(struct run *r, struct sent *s)
{
	struct client_frame *f = &s->frame;
	int64_t now = clock_wall_ns();
	uint32_t max = batch_of(r);

	client_frame_begin(f, span_str(r->args.tag));
	while (f->events < max && client_frame_entries(f) < FRAME_BYTES &&
		next_event(r, now, &f->bytes, &s->last)) {
		if (f->events++ == 0)
			s->first = s->last;
		if (!has_input(r))
			break;
	}
	if (f->events == 0)
		return;
	r->frames++;
	r->events += f->events;
	snprintf(f->chunk, sizeof f->chunk, "%s-%08" PRIx64, r->run_id, r->frames);
	client_frame_seal(f);
}

/* ---- over TCP and unix sockets ---- */

static int turn(struct run *r, struct client_link *l, int wait_ms, struct diag *d)
{
	int rc = client_link_turn(l, wait_ms, d);

	show_progress(r);
	return rc;
}

/* Waits until every frame is acked. */
static int finish(struct run *r, struct client_link *l, struct diag *d)
{
	int rc = 0;

	while (client_link_is_busy(l) && rc == 0)
		rc = turn(r, l, TICK_MS, d);
	return rc;
}

static int send_frames(struct run *r, struct client_link *l, struct diag *d)
{
	int rc = 0;

	while (rc == 0) {
		struct sent *s = r->spare;

		if (!client_link_has_room(l)) {
			rc = turn(r, l, TICK_MS, d);
			continue;
		}
		fill_frame(r, s);
		if (s->frame.events == 0)
			return 0;
		if (s->frame.bytes.err)
			return diag_set(d, s->frame.bytes.err, "", -1, "cannot make a frame");
		r->spare = s->next;
		client_link_push(l, &s->frame);
		rc = turn(r, l, 0, d);
		if (rc == 0 && !has_input(r))
			rc = finish(r, l, d);
		if (rc == 0)
			pace(r);
	}
	return rc;
}

static int make_window(struct run *r)
{
	r->window = calloc((size_t)r->args.window, sizeof *r->window);
	for (int64_t i = 0; r->window && i < r->args.window; i++) {
		client_frame_init(&r->window[i].frame);
		r->window[i].next = r->spare;
		r->spare = &r->window[i];
	}
	return r->window ? 0 : -ENOMEM;
}

static void free_window(struct run *r)
{
	for (int64_t i = 0; r->window && i < r->args.window; i++)
		client_frame_fini(&r->window[i].frame);
	free(r->window);
}

static int open_link(struct run *r, struct client_link **out, struct diag *d)
{
	const struct client_link_conf conf = {
		.name = r->args.to,
		.host = r->args.where.door == CLIENT_TO_TCP ? r->args.where.host : NULL,
		.port = r->args.where.port,
		.hint = "is astrocollectd running there? --to names another place",
		.window = (unsigned)r->args.window,
		.patience_ns = r->args.timeout_s * CLOCK_NS_PER_SEC,
		.futile = true,
		.wake_fd = -1,
		.acked = on_acked,
		.lost = on_lost,
		.waiting = on_waiting,
		.arg = r,
	};
	int rc = make_window(r);

	if (rc == 0)
		rc = client_link_new(&conf, out);
	return rc < 0 ? diag_set(d, rc, "", -1, "cannot start") : client_link_connect(*out, d);
}

static int run_stream(struct run *r)
{
	struct client_link_counts counts;
	struct client_link *l = NULL;
	int status = EXIT_SENT, rc;
	char rest[160];
	struct diag d;

	rc = open_link(r, &l, &d);
	if (rc == 0)
		rc = send_frames(r, l, &d);
	if (rc == 0)
		rc = finish(r, l, &d);
	if (rc < 0) {
		complain(r, &d);
		status = EXIT_UNREACHED;
	}
	if (l) {
		client_link_counts(l, &counts);
		snprintf(rest, sizeof rest,
			"%" PRIu64 " acked, %" PRIu64 " frames resent, %" PRIu64 " connections",
			counts.events_acked, counts.frames_resent, counts.connections);
		if (counts.connections > 0)
			put_summary(r, rest);
	}
	client_link_free(&l);
	free_window(r);
	return status;
}

/* ---- over UDP ---- */

/* Datagrams of one burst of a paced run. */
static uint32_t burst_of(const struct run *r)
{
	int64_t n = r->args.rate / PACE_DATAGRAMS_PER_SECOND;

	return n > 0 ? (uint32_t)n : 1;
}

/* Events that a datagram may hold. */
static uint32_t datagram_events(const struct run *r)
{
	uint32_t burst = burst_of(r);

	return r->args.rate == 0 || burst >= r->args.batch ? (uint32_t)r->args.batch : burst;
}

static int put_datagram(
	struct run *r, struct client_dgram *g, struct span entries, uint32_t events, struct diag *d)
{
	struct forward_put_frame head = { .tag = span_str(r->args.tag) };

	if (events == 0)
		return 0;
	forward_put_packed(client_dgram_next(g), &head, entries, events);
	r->frames++;
	r->events += events;
	return client_dgram_push(g, d);
}

static void refuse_event(struct run *r, const struct send_pos *at)
{
	r->too_large++;
	on_bad(r, at, "larger than a datagram");
}

/*
 * Sends one datagram: events as long as they fit, at least one. The event that did not fit stays in
 * r->entries for the next.
 */
static int next_datagram(struct run *r, struct client_dgram *g, struct diag *d)
{
	size_t around = FRAME_AROUND_BYTES + strlen(r->args.tag), room, used = r->entries.len;
	uint32_t events = used > 0, max = datagram_events(r);
	int64_t now = clock_wall_ns();
	struct send_pos at;
	int rc;

	room = (size_t)r->args.datagram_bytes > around ? (size_t)r->args.datagram_bytes - around
						       : 0;
	while (events < max && used <= room && next_event(r, now, &r->entries, &at)) {
		if (r->entries.len - used + around > LIMIT_DATAGRAM_BYTES) {
			r->entries.len = used;
			refuse_event(r, &at);
			continue;
		}
		if (events > 0 && r->entries.len > room)
			break;
		events++;
		used = r->entries.len;
		if (!has_input(r))
			break;
	}
	rc = put_datagram(r, g, span_of(r->entries.p, used), events, d);
	memmove(r->entries.p, r->entries.p + used, r->entries.len - used);
	r->entries.len -= used;
	return rc;
}

static int send_datagrams(struct run *r, struct client_dgram *g, struct diag *d)
{
	uint64_t flushed = 0;
	int rc = 0;

	while (rc == 0 && ((!r->input_ended && !stopping) || r->entries.len > 0)) {
		rc = next_datagram(r, g, d);
		if (rc == 0 && (!has_input(r) ||
				       (r->args.rate > 0 && r->events - flushed >= burst_of(r)))) {
			rc = client_dgram_flush(g, d);
			flushed = r->events;
			pace(r);
		}
		show_progress(r);
	}
	return rc == 0 ? client_dgram_flush(g, d) : rc;
}

static unsigned train_of(const struct run *r)
{
	if (r->args.train > 0)
		return (unsigned)r->args.train;
	return r->args.rate == 0 || r->args.rate >= TRAIN_RATE ? CLIENT_DGRAM_TRAIN_MAX : 1;
}

static int run_datagrams(struct run *r)
{
	struct client_dgram *g = NULL;
	int status = EXIT_SENT;
	char rest[80];
	struct diag d;

	if (client_dgram_open(
		    r->args.to, r->args.where.host, r->args.where.port, train_of(r), &g, &d) < 0) {
		complain(r, &d);
		return EXIT_UNREACHED;
	}
	if (send_datagrams(r, g, &d) < 0) {
		complain(r, &d);
		status = EXIT_UNREACHED;
	}
	snprintf(
		rest, sizeof rest, "not acked (UDP), %" PRIu64 " refused", client_dgram_refused(g));
	put_summary(r, rest);
	if (client_dgram_refused(g) > 0 && status == EXIT_SENT) {
		fprintf(stderr, "astrosend: nobody listens on %s\n", r->args.to);
		status = EXIT_UNREACHED;
	}
	client_dgram_close(&g);
	return status;
}

/* ---- start ---- */

static int make_run_id(struct run *r)
{
	uint64_t id;

	if (r->args.run_id) {
		snprintf(r->run_id, sizeof r->run_id, "%s", r->args.run_id);
		return 0;
	}
	if (getrandom(&id, sizeof id, 0) != sizeof id)
		return -1;
	snprintf(r->run_id, sizeof r->run_id, "%016" PRIx64, id);
	return 0;
}

/* The record of the flags: a whole map, or the pairs that every line begins with. */
static int make_fields(struct run *r, struct diag *d)
{
	struct buf pairs;
	int rc;

	buf_init(&pairs, LIMIT_EVENT_BYTES);
	rc = send_args_fields(&r->args, &pairs, &r->fields_count, d);
	if (rc == 0 && !r->args.lines)
		pack_map_head(&r->fields, r->fields_count);
	if (rc == 0)
		buf_put_span(&r->fields, buf_span(&pairs));
	if (rc == 0 && r->fields.err)
		rc = diag_set(d, r->fields.err, "", -1, "the event is too large");
	buf_fini(&pairs);
	return rc;
}

static int open_source(struct run *r)
{
	const struct send_args *a = &r->args;
	const struct send_source_conf conf = {
		.kind = a->ndjson  ? SEND_SOURCE_NDJSON
			: a->lines ? SEND_SOURCE_LINES
				   : SEND_SOURCE_MSGPACK,
		.files = a->operands,
		.files_count = a->operands_count,
		.strict = a->strict,
		.fields = buf_span(&r->fields),
		.fields_count = r->fields_count,
		.bad = on_bad,
		.arg = r,
	};

	return a->ndjson || a->lines || a->msgpack ? send_source_open(&conf, &r->source) : 0;
}

/* -1 to go on, else the exit status. */
static int prepare(struct run *r)
{
	struct diag d;

	if (!r->args.ndjson && !r->args.msgpack && make_fields(r, &d) < 0) {
		fprintf(stderr, "astrosend: %s\n", d.text);
		return OPT_EXIT_USAGE;
	}
	if (r->args.acked_log) {
		r->acked_log = fopen(r->args.acked_log, "ae");
		if (!r->acked_log) {
			fprintf(stderr, "astrosend: %s: %s\n", r->args.acked_log, strerror(errno));
			return EXIT_INPUT;
		}
	}
	if (make_run_id(r) < 0 || open_source(r) < 0) {
		fprintf(stderr, "astrosend: cannot start: %s\n", strerror(errno));
		return EXIT_INPUT;
	}
	return -1;
}

/* The first signal ends the input, and what is on its way is waited for; the second one ends all. */
static void watch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	static struct run r;
	int status = send_args_read(&r.args, argc, argv);

	if (status >= 0)
		return status;
	buf_init(&r.fields, LIMIT_EVENT_BYTES);
	buf_init(&r.entries, FRAME_BYTES + 2 * SEND_SOURCE_LINE_BYTES);
	r.progress = !r.args.quiet && isatty(STDERR_FILENO);
	r.start_ns = clock_mono_ns();
	r.progress_ns = r.start_ns;
	watch_signals();
	status = prepare(&r);
	if (status < 0)
		status = r.args.where.door == CLIENT_TO_UDP ? run_datagrams(&r) : run_stream(&r);
	if (r.input_failed)
		complain(&r, &r.input_error);
	if (status == EXIT_SENT && r.input_failed)
		status = EXIT_INPUT;
	if (status == EXIT_SENT && bad_events(&r) > 0)
		status = EXIT_SKIPPED;
	send_source_close(&r.source);
	if (r.acked_log)
		fclose(r.acked_log);
	buf_fini(&r.fields);
	buf_fini(&r.entries);
	return status;
}
