/*
 * bench_seal - what the sealer costs: CPU time and page faults per event to turn a journal into
 * segments with their sidecars, bytes per event in them, and the peak of the process's memory above
 * what it had before.
 *
 *	bench_seal [FILE [tidy]]
 *
 * FILE holds concatenated msgpack maps (gen_events -f msgpack); without it, seeded events of
 * tests/support are used. The journal is written by a child, so that the seal's memory is its own.
 * With tidy, small segments are merged afterwards as the collector does when it is idle.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "storage/row.h"
#include "storage/sealer.h"
#include "storage/store.h"
#include "tests/support/event_file.h"

enum { BATCH_BYTES = 65536 };

struct cost {
	double user_s, system_s;
	long faults;
};

static _Noreturn void die(const struct diag *d)
{
	char msg[DIAG_FILE_BYTES + DIAG_TEXT_BYTES];

	fprintf(stderr, "%s\n", diag_format(d, msg, sizeof msg));
	exit(1);
}

static struct cost cost_now(void)
{
	struct rusage u;

	ASSERT(getrusage(RUSAGE_SELF, &u) == 0);
	return (struct cost){
		.user_s = (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6,
		.system_s = (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6,
		.faults = u.ru_minflt,
	};
}

/* ---- the journal ---- */

static void append(struct store_writer *w, struct buf *rows, struct store_batch *batch)
{
	struct diag d;

	batch->rows = rows->p;
	batch->rows_bytes = rows->len;
	if (store_writer_append(w, batch, &d) < 0)
		die(&d);
	buf_reset(rows);
	*batch = (struct store_batch){ .time_min_ns = INT64_MAX, .time_max_ns = INT64_MIN };
}

static void write_journal(const struct store_conf *conf, const char *path)
{
	struct store_batch batch = { .time_min_ns = INT64_MAX, .time_max_ns = INT64_MIN };
	struct store_writer *w = NULL;
	uint64_t committed;
	struct event *ev;
	struct buf rows;
	struct diag d;
	size_t count;

	ev = event_file_load(path, &count);
	buf_init(&rows, (size_t)LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES);
	if (store_writer_open(conf, &w, &d) < 0)
		die(&d);
	for (size_t i = 0; i < count; i++) {
		ASSERT(row_put(&rows, &ev[i]) == 0);
		batch.rows_count++;
		if (ev[i].time_ns < batch.time_min_ns)
			batch.time_min_ns = ev[i].time_ns;
		if (ev[i].time_ns > batch.time_max_ns)
			batch.time_max_ns = ev[i].time_ns;
		if (rows.len >= BATCH_BYTES)
			append(w, &rows, &batch);
	}
	if (rows.len > 0)
		append(w, &rows, &batch);
	if (store_writer_commit(w, &committed, &d) < 0)
		die(&d);
	ASSERT(committed == count);
	store_writer_close(&w);
	buf_fini(&rows);
}

static void write_journal_apart(const struct store_conf *conf, const char *path)
{
	pid_t pid = fork();
	int status;

	ASSERT(pid >= 0);
	if (pid == 0) {
		write_journal(conf, path);
		_exit(0);
	}
	ASSERT(waitpid(pid, &status, 0) == pid);
	if (status != 0)
		exit(1);
}

/* ---- sealing it ---- */

static long peak_kib(void)
{
	struct rusage u;

	ASSERT(getrusage(RUSAGE_SELF, &u) == 0);
	return u.ru_maxrss;
}

static void print(const char *what, const struct cost *from, double events)
{
	struct cost now = cost_now();
	double user = now.user_s - from->user_s, kernel = now.system_s - from->system_s;

	printf("%s: %.3f us/event CPU (%.3f of it kernel), %.1f page faults of 1000 events\n", what,
		(user + kernel) * 1e6 / events, kernel * 1e6 / events,
		(double)(now.faults - from->faults) * 1e3 / events);
}

static void tidy(struct sealer *s, double events)
{
	struct cost start = cost_now();
	struct diag d;
	int rc;

	do
		rc = sealer_tidy(s, NULL, &d);
	while (rc > 0);
	if (rc < 0)
		die(&d);
	print("merges", &start, events);
}

static void seal(const struct store_conf *conf, bool tidy_too)
{
	struct sealer_conf sealing = { .store = conf };
	struct sealer *s = NULL;
	double events = 0, bytes = 0;
	long peak = peak_kib();
	unsigned segments = 0;
	struct sealer_report report;
	struct cost start;
	struct diag d;
	int rc;

	if (store_writer_open(conf, &sealing.writer, &d) < 0 || sealer_open(&sealing, &s, &d) < 0)
		die(&d);
	start = cost_now();
	for (;;) {
		memset(&report, 0, sizeof report);
		rc = sealer_step(s, true, &report, &d);
		if (rc != SEALER_DONE)
			break;
		events += (double)report.rows_count;
		bytes += (double)report.file_bytes;
		segments += report.segments_count;
	}
	if (rc < 0)
		die(&d);
	print("seal", &start, events);
	printf("%.0f events, %u segments, %.2f B/event without sidecars, peak %.1f MiB above %.1f\n",
		events, segments, bytes / events, (double)(peak_kib() - peak) / 1024,
		(double)peak / 1024);
	if (tidy_too)
		tidy(s, events);
	sealer_close(&s);
	store_writer_close(&sealing.writer);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/bench_seal.XXXXXX";
	struct store_conf conf = { .dir = dir };

	ASSERT(mkdtemp(dir));
	write_journal_apart(&conf, argc > 1 ? argv[1] : NULL);
	seal(&conf, argc > 2 && strcmp(argv[2], "tidy") == 0);
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
