/*
 * live_int - what the parts of live know of each other.
 *
 *	live            the loop's part: when a turn is due, who is where, who is told what
 *	live_question   what tails ask; equal ones are one
 *	live_turn       the worker's part: events to messages
 *	live_tail       one client: its queue, its frames, its end
 *
 * A turn belongs to the worker from its submission until it is done; the loop touches nothing of it then,
 * and frees no question, nor a tail that the turn names.
 */
#ifndef QUERY_LIVE_INT_H
#define QUERY_LIVE_INT_H

#include "proto/http/ws_frame.h"
#include "proto/wire/columns.h"
#include "query/live.h"

enum live_door { LIVE_SOCKET, LIVE_STREAM, LIVE_DOORS };

/* As it is sent, head of its frame and all; does not change. */
struct live_message {
	struct live_message *next; /* of the same turn, question and door */
	unsigned refs;
	unsigned queued; /* of these, queues of tails */
	uint64_t count;  /* events */
	uint64_t
		covered; /* every event up to this id is in it, or was before it, or is not meant */
	size_t n;
	uint8_t bytes[];
};

/* One after the other. */
struct live_list {
	struct live_message *first, *last;
};

struct live_question {
	struct live_question *prev, *next;
	struct buf key; /* equal for equal questions */
	struct engine_request req;
	struct columns fields; /* none: all */
	uint64_t after;        /* of the one request that it was made of */
	bool has_after;
	/* The loop's. */
	struct live_tail *tails;
	unsigned here[LIVE_DOORS]; /* those at the common position */
	uint64_t told;             /* up to here, as far as these are concerned */
	bool in_page;
	/* The worker's. */
	struct live_list made[LIVE_DOORS];
	unsigned doors; /* for which messages are wanted: bit 1 << door */
};

/* ---------------------------------------------------------------- questions */

/* NULL: out of memory. */
struct live_question *live_question_new(void);
void live_question_free(struct live_question **q);
/* One parameter by its API name. */
int live_question_param(
	struct live_question *q, struct span name, struct span value, struct engine_err *err);
/* After the last one; makes the key. */
int live_question_check(struct live_question *q, struct engine_err *err);

/* ---------------------------------------------------------------- turns */

enum live_turn_kind {
	LIVE_TURN_PAST, /* every entry has its place, and a page of what is behind it */
	LIVE_TURN_PAGE, /* the next page of events for all who are at the position */
};

/* A tail that is not with the others. */
struct live_entry {
	struct live_tail *tail;
	const struct live_question *question;
	enum live_door door;
	bool fresh; /* has no place yet: `at`, if has_at, is where it wants to be */
	bool has_at;
	uint64_t at;
	int64_t budget_ns; /* of one query */
	/* What the worker leaves behind. */
	bool done, stuck; /* it had its turn; without getting on */
	struct live_list made;
};

/* Where in `json` an event stands; n is 0: not yet. */
struct live_put {
	size_t at, n;
};

struct live_turn {
	struct pool_job job;
	struct view *view;
	enum live_turn_kind kind;
	/* Given. */
	struct live_entry entries[LIMIT_LIVE_TAILS];
	unsigned entries_count;
	struct live_question *questions[LIMIT_LIVE_TAILS];
	unsigned questions_count;
	uint64_t bound; /* the page does not cross this id */
	bool alone;     /* nobody is at the position: it may be anywhere */
	/* Given, and left behind. */
	uint64_t position;
	unsigned next;  /* questions before this one have their messages of the page */
	bool page_open; /* there are more questions */
	unsigned from;  /* the first question of this turn */
	/* Left behind. */
	int rc;
	struct diag why;
	uint64_t committed;
	uint64_t covered; /* by the page */
	bool page_lost;   /* it failed when some may have had their messages of it */
	int64_t run_ns;
	/* The worker's, between turns, too. */
	struct engine_request req; /* of every event */
	struct engine_result page;
	struct buf json; /* of events, as far as somebody wanted them */
	struct live_put *put;
	struct buf text; /* of the message under way */
	size_t bytes;    /* of the messages of this turn */
	struct expr_scratch *scratch;
};

int live_turn_init(struct live_turn *t, struct view *view);
void live_turn_fini(struct live_turn *t);
/* The worker's entry: pool_job.run. */
void live_turn_run(struct pool_job *job, struct engine *engine);

/* ---------------------------------------------------------------- messages */

/* A message of that JSON, as it is sent at that door, with one reference. NULL: out of memory. */
struct live_message *live_message_new(
	enum live_door door, struct span json, uint64_t count, uint64_t covered);
void live_message_unref(struct live_message **m);
/* The JSON of a message without events; dropped: 0 for none. */
void live_message_note(struct buf *out, uint64_t covered, uint64_t dropped);
/* Text in front of the JSON at that door, and behind it. */
void live_message_open(enum live_door door, size_t json_bytes, uint64_t covered, struct buf *out);
struct span live_message_close(enum live_door door);

/* ---------------------------------------------------------------- tails */

enum live_place {
	LIVE_FRESH,  /* not answered yet */
	LIVE_BEHIND, /* reads what is past */
	LIVE_AHEAD,  /* waits until the others are where it is */
	LIVE_HERE,   /* at the position, with the others */
};

struct live_tail {
	unsigned tag;
	struct live *live;
	struct live_tail *prev, *next;   /* of all */
	struct live_tail *qprev, *qnext; /* of its question */
	struct live_question *question;
	struct http_call *call; /* NULL: ended */
	enum live_door door;
	enum live_place place;
	uint64_t at; /* while it is not HERE */
	bool has_at;
	int64_t budget_ns; /* of its queries of the past */
	bool in_turn;      /* named by the turn under way: not to be freed */
	bool closing;      /* a close frame, or the end, is all that is still to be sent */
	/* What is to be sent: messages, and between them what is its own. */
	struct live_message *queue[LIMIT_LIVE_QUEUE]; /* a ring */
	unsigned first, count;
	size_t queue_bytes;
	size_t sent; /* of the first message */
	struct buf own;
	size_t own_sent;
	uint64_t dropped; /* since the last note */
	int64_t stuck_ms; /* since when the first message does not leave; 0: it does */
	/* WebSocket. */
	struct ws_frame frame;
	int64_t heard_ms; /* a byte came */
	int64_t told_ms;  /* something was sent */
	int64_t asked_ms; /* a sign of life was given */
	uint64_t told;    /* the client knows of this place */
};

/* Takes the question, unless an equal one is there. NULL: out of memory; the question is still the caller's. */
struct live_tail *live_tail_new(struct live *l, struct http_call *call, enum live_door door,
	struct live_question **question);
/* The answer begins, and says where the tail stands. It may end inside. */
void live_tail_open(struct live_tail *t);
/* Sends it, keeps it for later, or drops it; keep: there are few enough of them. */
void live_tail_push(struct live_tail *t, struct live_message *m, bool keep);
/* Its next page of the past may come. */
bool live_tail_is_idle(const struct live_tail *t);
/* From time to time: pings, and what is too old. It may end inside. */
void live_tail_look(struct live_tail *t, int64_t now_ms);
/* Says goodbye, then ends. Before it was answered, that is the answer. */
void live_tail_close(struct live_tail *t, enum ws_frame_code code, const char *reason);
void live_tail_refuse(struct live_tail *t, const char *error, const char *hint);
/* Ends the connection as it is. Frees the tail, unless a turn names it. */
void live_tail_end(struct live_tail *t, bool whole);
/* One that had ended while a turn named it. */
void live_tail_free(struct live_tail *t);

/* ---------------------------------------------------------------- the whole */

struct live {
	unsigned tag;
	struct query *q;
	struct pool *pool;
	struct waiter waiter;
	uv_timer_t due;   /* the next turn */
	uv_timer_t sweep; /* pings; runs while there are tails */
	int handles;
	struct live_tail *tails;
	struct live_question *questions;
	struct live_turn turn;
	bool busy;      /* the worker has the turn */
	bool past_last; /* the last turn was of the past */
	bool stopping;
	uint64_t position;
	unsigned here;         /* tails at it */
	int64_t page_ms;       /* no new page before; on uv_now's clock */
	int64_t not_before_ms; /* the same for any turn */
	int64_t short_ms;      /* since when the page under way waits for memory; 0: it does not */
	struct live_counts counts;
};

/* live_tail: it has room, has moved, or is gone: perhaps a turn is due. */
void live_schedule(struct live *l);
/* live_tail: finds an equal question, which then takes the given one's place, or keeps this one. */
struct live_question *live_share(struct live *l, struct live_question **question);
void live_forget(struct live *l, struct live_question *q);

#endif
