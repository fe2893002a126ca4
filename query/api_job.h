/*
 * api_job - a request that a worker answers: what all routes that ask the store have in common.
 *
 *	api_job_new -> parameters -> api_job_start -> run in a worker -> answered, or kept by the kind
 *	                                                 ^                               |
 *	                                                 +------ api_job_submit <--------+
 *
 * To wake a worker and to be woken by it costs more than some rows of blocks that are open: with no
 * other job under way, a question for such is answered by the loop itself (run_warm), one in each turn.
 *
 * A kind of request is a struct that begins with a struct api_job, and a table of what it does. The
 * worker leaves a body, a problem or a code behind; a store that cannot be read is answered 503 with
 * its reason.
 *
 * A body that is worth it is packed by the worker, for a client that takes gzip.
 *
 * An answer that is streamed begins in keep or in called (api_job_stream), goes on from run to run, each on
 * the snapshot that the kind has put into `snap`, and ends with api_job_end, in keep or later.
 *
 * Life:    new to its one answer, which frees it: a problem, what run has left behind, or a stream's end.
 * Thread:  the loop's; run in a worker of pool, which alone touches the job then.
 * Memory:  the kind's struct, the body until it is sent.
 * Errors:  every one is an answer.
 */
#ifndef QUERY_API_JOB_H
#define QUERY_API_JOB_H

#include "query/engine.h"
#include "query/query.h"

struct api_job;

struct api_job_kind {
	size_t bytes;   /* of the struct that begins with the job; zeroed at first */
	bool storeless; /* it asks nothing of the store: run has no snapshot */
	/* Worker: asks the snapshot and fills body or problem. ERR_STALE: run again on a new one. */
	int (*run)(struct api_job *j, struct engine *engine, struct store_snapshot *snap);
	/*
	 * Loop: the same if it reads no file and is done in a moment, else anything but 0, and nothing
	 * is left behind; then a worker runs it. NULL: always a worker.
	 */
	int (*run_warm)(struct api_job *j, struct engine *engine, struct store_snapshot *snap);
	/* Loop: what run has called for (api_job_call), while it runs and the client is still there. */
	void (*called)(struct api_job *j);
	/* After run, if the client is still there. True: not answered now; the kind submits it again. */
	bool (*keep)(struct api_job *j);
	/* The client left while the kind kept the job: forget it; it is ended then. NULL: nothing to do. */
	void (*drop)(struct api_job *j);
	/* Frees what the kind's struct holds. NULL: nothing. */
	void (*fini)(struct api_job *j);
};

struct api_job {
	unsigned tag;
	const struct api_job_kind *kind;
	struct query *q;
	struct http_call *call;
	struct pool_job job;
	bool kept;
	bool gone;
	bool streaming;
	bool gzip;                   /* the client takes it */
	bool packed;                 /* so is the body */
	struct store_snapshot *snap; /* kept by the kind for its next runs; freed with the job */
	/* What the worker leaves behind. */
	int rc;
	struct diag why;
	struct buf body;
	struct http_call_problem problem; /* instead of the body, if it has a status */
	char problem_text[400];           /* for one of its texts that is not static */
};

/* NULL: out of memory, and so answered. */
void *api_job_new(struct query *q, struct http_call *call, const struct api_job_kind *kind);

/* Takes one parameter. Negative: refused, with *err filled. */
typedef int (*api_job_param_cb)(
	struct api_job *j, struct span name, struct span value, struct engine_err *err);
/* Each parameter of the query string. Negative: answered with 400, and the job is gone. */
int api_job_params(struct api_job *j, api_job_param_cb take);
/* The same answer for what else is wrong with the request. */
void api_job_refuse(struct api_job *j, const struct engine_err *err);

/* Once, after the parameters: runs it as soon as a thread is free; or answers 503. */
void api_job_start(struct api_job *j);
/* A kept job runs again. */
void api_job_submit(struct api_job *j);
/* In called, keep or later: the head of a streamed answer. on_drain is called with the job. */
void api_job_stream(struct api_job *j, const struct http_call_head *head, http_call_cb on_drain);
/* A kept job of a stream runs again: it has its place, however many wait. */
void api_job_again(struct api_job *j);
/* A kept job's stream ends, and the job. whole: as http_call_end. */
void api_job_end(struct api_job *j, bool whole);
/* Answers, and ends the job. */
void api_job_problem(struct api_job *j, const struct http_call_problem *p);
void api_job_busy(struct api_job *j, const char *error);

/* Fields of an answer that is packed, or would be for another client. */
#define API_JOB_PLAIN  "Vary: Accept-Encoding\r\n"
#define API_JOB_PACKED "Vary: Accept-Encoding\r\nContent-Encoding: gzip\r\n"

/* Worker, inside run: the loop is to come by soon; many calls may be answered once. Whether other jobs wait. */
bool api_job_call(struct api_job *j);
/* Worker: puts what a run cost into the metrics, and damage into the log. */
void api_job_count(const struct engine_result *r);
/* Worker: bytes of events in one result that leave room for the rest of the work. */
size_t api_job_events_bytes(const struct query *q);

/*
 * Many answers on their way to clients are held in place of blocks that are kept warm (block_pool.h). From
 * time to time.
 */
void api_job_make_room(struct query *q);

#endif
