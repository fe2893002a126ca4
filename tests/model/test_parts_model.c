/*
 * Goal:   whatever is lost on the way - connections, the collector, what of the journal was not durable yet -
 *         and sent again, each text of a frame with an id is stored exactly once, whole or in parts; a frame
 *         without one stores nothing twice; and no ack leaves before its frame is durable.
 * Method: clients with random frames (events, messages in parts of both forms, interleaved, with gaps)
 *         and a collector of real parts, intake and stage over a journal that this file plays: batches
 *         that become durable one by one, of which a crash leaves a random number. The seed is printed when it
 *         fails; ASTRO_SEED repeats it, ASTRO_ROUNDS sets the number of worlds.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ackq.h"
#include "collector/parts.h"
#include "proto/base/check.h"
#include "proto/wire/json_in.h"
#include "storage/chunkset.h"
#include "storage/row.h"
#include "tests/support/event_gen.h"

enum {
	ROUNDS = 300,
	OPS = 400,
	CLIENTS = 2,
	FRAMES_MAX = 60,
	ENTRIES_MAX = 6,
	LARGE_ENTRIES = LIMIT_PARTIAL_PARTS + 50,
	TOKENS_MAX = 40000,
	MESSAGES_MAX = TOKENS_MAX,
	OPEN_MAX = 20, /* more than LIMIT_PARTIALS */
	CONNS_MAX = 64,
	ROWS_MAX = 60000,
	IDS_MAX = 60000,
	ROW_TOKENS_MAX = 40,
};

/* ---- what is sent ---- */

/* A text: an event's, or one part's. */
struct token {
	unsigned message; /* 0: an event */
	unsigned index;
	unsigned stored; /* durable */
};

struct message {
	unsigned parts; /* made so far */
	bool old, complete, gap;
};

struct entry {
	unsigned token;
	bool last; /* of its message */
};

struct frame {
	struct entry *entries;
	unsigned count;
	unsigned number;
	bool named;
	bool done; /* acknowledged, or sent without a chunk */
};

struct client {
	unsigned number;
	struct frame frames[FRAMES_MAX];
	unsigned count;
	unsigned next; /* to be sent */
	unsigned acked;
	struct conn *conn;
	unsigned open[OPEN_MAX]; /* messages under way */
	unsigned open_count;
	bool all_named;
};

/* ---- the collector ---- */

struct conn {
	bool used, orphan;
	struct client *client; /* NULL: it has given this connection up */
	struct partial *partial;
	struct stage stage;
	struct ackq acks;
	struct intake_origin origin;
	bool waits;
};

struct row {
	uint64_t batch;
	unsigned tokens[ROW_TOKENS_MAX];
	unsigned count;
	bool partial;
};

struct id {
	uint64_t batch;
	struct store_chunk chunk;
};

/* Played: batches are numbers. */
struct commit {
	uint64_t open, durable;
	struct chunkset known;
	struct row *rows;
	size_t rows_count, rows_durable;
	struct id *ids;
	size_t ids_count;
	bool room;
};

struct world {
	uint64_t seed;
	struct event_gen dice;
	struct commit commit;
	struct intake intake;
	struct stage flush_stage;
	struct conn conns[CONNS_MAX];
	struct client clients[CLIENTS];
	struct token *tokens;
	unsigned tokens_count;
	struct message *messages;
	unsigned messages_count;
	int64_t now_ms;
	unsigned crashes, repeats;
	struct buf record;
};

static struct world *w;

static unsigned below(unsigned n)
{
	return event_gen_below(&w->dice, n);
}

/* ---- the journal, played ---- */

bool commit_known(const struct commit *c, struct store_chunk chunk, uint64_t *out_seq)
{
	return chunkset_has(&c->known, chunk, out_seq);
}

static void take_row(struct commit *c, const struct event *ev)
{
	struct span text = ev->text[EVENT_TEXT_DESCRIPTION];
	struct row *r = &c->rows[c->rows_count++];
	unsigned token = 0;

	assert_true(c->rows_count < ROWS_MAX);
	*r = (struct row){ .batch = c->open, .partial = ev->flags & EVENT_FLAG_PARTIAL };
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != ';') {
			token = token * 10 + (text.p[i] - '0');
			continue;
		}
		assert_true(r->count < ROW_TOKENS_MAX);
		assert_true(token < w->tokens_count);
		r->tokens[r->count++] = token;
		token = 0;
	}
}

uint64_t commit_put(
	struct commit *c, struct stage *st, const struct store_chunk *chunks, uint32_t chunks_count)
{
	struct rcur in = rcur_of(st->rows.p, st->rows.len);
	uint64_t number = c->open;
	struct event ev;

	assert_true(c->room);
	assert_null(st->spill);
	assert_true(chunks_count <= LIMIT_FRAME_CHUNKS);
	if (st->total == 0)
		return 0;
	for (uint32_t i = 0; i < st->rows_count; i++) {
		assert_int_equal(row_get(&in, &ev), 0);
		take_row(c, &ev);
	}
	for (uint32_t i = 0; i < chunks_count; i++) {
		assert_true(chunkset_add(&c->known, chunks[i], c->open));
		assert_true(c->ids_count < IDS_MAX);
		c->ids[c->ids_count++] = (struct id){ c->open, chunks[i] };
	}
	stage_drop(st);
	c->open += below(3) > 0;
	return number;
}

/* What stands in one row belongs together, and is all of it unless it says otherwise. */
static void check_row(const struct row *r)
{
	const struct token *first = &w->tokens[r->tokens[0]];
	const struct message *m = &w->messages[first->message];

	assert_true(r->count > 0);
	for (unsigned i = 1; i < r->count; i++) {
		const struct token *t = &w->tokens[r->tokens[i]];

		assert_int_equal(t->message, first->message);
		assert_int_equal(t->index, first->index + i);
	}
	assert_false(r->partial && r->count > 1);
	if (r->count > 1 && !m->old)
		assert_true(m->complete && !m->gap && r->count == m->parts);
}

static void make_durable(struct commit *c, uint64_t upto)
{
	c->durable = upto;
	while (c->rows_durable < c->rows_count && c->rows[c->rows_durable].batch <= upto) {
		const struct row *r = &c->rows[c->rows_durable++];

		check_row(r);
		for (unsigned i = 0; i < r->count; i++) {
			struct token *t = &w->tokens[r->tokens[i]];

			if (t->stored++ > 0)
				fail_msg("seed %lu: text %u is stored twice",
					(unsigned long)w->seed, r->tokens[i]);
		}
	}
}

static void crash_journal(struct commit *c)
{
	size_t kept = 0;

	c->rows_count = c->rows_durable;
	chunkset_fini(&c->known);
	chunkset_init(&c->known, 1 << 16, 1 << 12);
	while (kept < c->ids_count && c->ids[kept].batch <= c->durable)
		chunkset_add(&c->known, c->ids[kept++].chunk, 0);
	c->ids_count = kept;
	c->open = c->durable + 1;
	c->room = true;
}

/* ---- the door, played ---- */

static void release(void *arg, uint64_t ack, uint64_t seq)
{
	struct conn *k = arg;

	if (!k->orphan)
		ackq_release(&k->acks, ack, seq);
}

static struct parts parts_of(struct conn *k, struct stage *stage)
{
	return (struct parts){ &w->intake, &k->origin, k->partial, stage, release, k };
}

static void free_conn(struct conn *k)
{
	partial_free(&k->partial);
	stage_fini(&k->stage);
	ackq_fini(&k->acks);
	*k = (struct conn){ .used = false };
}

static void flush(struct conn *k, int64_t due_ms)
{
	struct parts s = parts_of(k, &w->flush_stage);
	bool held = partial_holds_any(k->partial);
	struct diag d;

	while (w->commit.room && parts_flush(&s, due_ms, &d) == 0)
		continue;
	if (held && !partial_holds_any(k->partial))
		k->waits |= below(20) == 0;
}

static void flush_all(int64_t due_ms)
{
	for (unsigned i = 0; i < CONNS_MAX; i++) {
		struct conn *k = &w->conns[i];

		if (k->used)
			flush(k, k->orphan ? INT64_MAX : due_ms);
		if (k->used && k->orphan && partial_open(k->partial) == 0)
			free_conn(k);
	}
}

static struct conn *open_conn(struct client *c)
{
	for (unsigned i = 0; i < CONNS_MAX; i++) {
		struct conn *k = &w->conns[i];

		if (k->used)
			continue;
		*k = (struct conn){ .used = true, .client = c };
		k->origin = (struct intake_origin){ .host = SPAN_LIT("h"), .joins = true };
		assert_int_equal(partial_new(&k->partial), 0);
		stage_init(&k->stage, &w->intake.pool);
		ackq_init(&k->acks);
		return k;
	}
	return NULL;
}

/* The collector sees its end. */
static void close_conn(struct conn *k)
{
	partial_abort(k->partial);
	k->orphan = true;
	k->client = NULL;
	flush(k, INT64_MAX);
	if (partial_open(k->partial) == 0)
		free_conn(k);
}

static bool store_earlier_copy(struct store_chunk id)
{
	bool found = false;

	for (unsigned i = 0; i < CONNS_MAX; i++) {
		struct conn *k = &w->conns[i];

		if (!k->used || !partial_give_up(k->partial, id))
			continue;
		flush(k, k->orphan ? INT64_MAX : w->now_ms);
		found |= partial_give_up(k->partial, id);
	}
	return !found;
}

static struct span tag_of(const struct client *c)
{
	return c->number ? SPAN_LIT("one") : SPAN_LIT("two");
}

static struct forward_entry entry_of(const struct client *c, const struct entry *e)
{
	const struct token *t = &w->tokens[e->token];
	const struct message *m = &w->messages[t->message];
	char json[256];

	if (t->message == 0)
		snprintf(json, sizeof json, "{\"log\":\"%u;\"}", e->token);
	else if (m->old)
		snprintf(json, sizeof json,
			"{\"container_id\":\"c%u\",\"source\":\"s%u\",\"log\":\"%u;\"%s}",
			c->number, t->message % 3, e->token,
			e->last ? "" : ",\"partial_message\":\"true\"");
	else
		snprintf(json, sizeof json,
			"{\"log\":\"%u;\",\"partial_message\":\"true\",\"partial_id\":\"m%u\","
			"\"partial_ordinal\":\"%u\",\"partial_last\":\"%s\"}",
			e->token, t->message, t->index + 1, e->last ? "true" : "false");
	buf_reset(&w->record);
	assert_int_equal(json_in_text(span_str(json), 0, &w->record, NULL), 0);
	return (struct forward_entry){
		.record = buf_span(&w->record), .time_ns = 1700000000, .has_time = true
	};
}

static void put_entry(struct conn *k, const struct forward *f, const struct forward_entry *e)
{
	struct parts s = parts_of(k, &k->stage);
	struct diag d;
	int rc;

	if (partial_ends(k->partial, f->frame.tag, e))
		return;
	rc = intake_entry(&w->intake, &k->origin, f, e, &k->stage, &d);
	assert_true(rc >= 0);
	if (rc != INTAKE_PART)
		return;
	rc = partial_put(k->partial, f->frame.tag, e, w->now_ms, !k->waits);
	assert_true(rc >= 0);
	if (rc != PARTIAL_HELD)
		assert_int_equal(parts_store(&s, f->frame.tag, e, &d), 0);
}

/* PARTS_HELD, 0, or negative: the frame is refused. */
static int end_frame(struct conn *k, const struct forward *f, uint64_t *seq)
{
	struct parts s = parts_of(k, &k->stage);
	struct store_chunk id;
	struct diag d;

	if (!partial_brought(k->partial))
		return intake_end(&w->intake, &k->origin, f, &k->stage, seq, &d);
	if (intake_frame_chunk(&k->origin, &f->frame, &id) && !store_earlier_copy(id))
		return -1;
	return parts_end(&s, f, k->acks.pushed, seq, &d);
}

/* ---- operations ---- */

static struct client *any_client(void)
{
	return &w->clients[below(CLIENTS)];
}

/* The client's connection is lost; it will send again what was not acknowledged. */
static void reconnect(struct client *c, bool seen)
{
	struct conn *old = c->conn;

	if (old && seen)
		close_conn(old);
	else if (old)
		old->client = NULL;
	c->conn = open_conn(c);
	c->next = c->acked;
}

static void skip_done(struct client *c)
{
	while (c->acked < c->count && c->frames[c->acked].done)
		c->acked++;
	while (c->next < c->count && c->frames[c->next].done)
		c->next++;
}

static void send_frame(struct client *c)
{
	struct forward *f = calloc(1, sizeof *f);
	struct conn *k = c->conn;
	struct frame *frame;
	unsigned tick_at, cut_at; /* entries, if there are so many */
	char chunk[32];
	uint64_t seq;
	int rc;

	skip_done(c);
	if (!w->commit.room || !k || c->next == c->count || ackq_full(&k->acks)) {
		free(f);
		return;
	}
	frame = &c->frames[c->next++];
	tick_at = below(10 * frame->count);
	cut_at = below(60 * frame->count);
	f->frame.tag = tag_of(c);
	for (unsigned i = 0; i < frame->count; i++) {
		struct forward_entry e = entry_of(c, &frame->entries[i]);

		put_entry(k, f, &e);
		if (i == tick_at)
			flush_all(w->now_ms += below(LIMIT_PARTIAL_ACK_MS));
		if (i == cut_at) {
			reconnect(c, true);
			free(f);
			return;
		}
	}
	snprintf(chunk, sizeof chunk, "%u.%u", c->number, frame->number);
	if (frame->named)
		f->frame.chunk = span_str(chunk);
	rc = end_frame(k, f, &seq);
	if (rc < 0)
		reconnect(c, true);
	else if (frame->named)
		ackq_push(&k->acks, rc == PARTS_HELD ? ACKQ_HELD : seq, f->frame.chunk);
	else
		frame->done = true;
	free(f);
}

static void take_ack(struct client *c, struct span chunk)
{
	char want[32];
	struct frame *f;

	skip_done(c);
	f = &c->frames[c->acked];
	assert_true(c->acked < c->next);
	snprintf(want, sizeof want, "%u.%u", c->number, f->number);
	assert_true(span_eq(chunk, span_str(want)));
	for (unsigned i = 0; i < f->count; i++) {
		if (w->tokens[f->entries[i].token].stored != 1)
			fail_msg("seed %lu: frame %s is acknowledged without text %u",
				(unsigned long)w->seed, want, f->entries[i].token);
	}
	f->done = true;
}

static void send_acks(void)
{
	struct span chunk;

	for (unsigned i = 0; i < CONNS_MAX; i++) {
		struct conn *k = &w->conns[i];

		while (k->used && !k->orphan && ackq_pop(&k->acks, w->commit.durable, &chunk)) {
			if (k->client)
				take_ack(k->client, chunk);
		}
	}
}

static void some_durable(void)
{
	struct commit *c = &w->commit;
	uint64_t left = ++c->open - c->durable;

	make_durable(c, c->durable + 1 + below((unsigned)left - 1));
	send_acks();
}

static void end_conns(void)
{
	for (unsigned i = 0; i < CONNS_MAX; i++) {
		if (w->conns[i].used)
			free_conn(&w->conns[i]);
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		w->clients[i].conn = NULL;
}

static void crash(void)
{
	uint64_t last = w->commit.durable + below(4);

	/* What was synced last nobody has heard of. */
	make_durable(&w->commit, last < w->commit.open ? last : w->commit.open - 1);
	end_conns();
	crash_journal(&w->commit);
	w->crashes++;
	for (unsigned i = 0; i < CLIENTS; i++)
		reconnect(&w->clients[i], true);
}

/* The collector learns at last that a client has given it up. */
static void close_old_conn(void)
{
	for (unsigned i = 0; i < CONNS_MAX; i++) {
		struct conn *k = &w->conns[i];

		if (k->used && !k->orphan && !k->client && below(2))
			close_conn(k);
	}
}

static void tick(void)
{
	w->now_ms += below(LIMIT_PARTIAL_ACK_MS);
	flush_all(w->now_ms);
	send_acks();
}

static void step(void)
{
	unsigned n = below(1000);

	if (n < 600)
		send_frame(any_client());
	else if (n < 800)
		some_durable();
	else if (n < 940)
		tick();
	else if (n < 955)
		reconnect(any_client(), true);
	else if (n < 965)
		reconnect(any_client(), false);
	else if (n < 975)
		close_old_conn();
	else if (n < 990)
		w->commit.room = !w->commit.room;
	else
		crash();
}

/* ---- frames ---- */

static unsigned new_token(unsigned message, unsigned index)
{
	w->tokens[w->tokens_count] = (struct token){ .message = message, .index = index };
	assert_true(w->tokens_count < TOKENS_MAX - 1);
	return w->tokens_count++;
}

/* Old messages have no names but their place: one after another. */
static bool is_free(const struct client *c, unsigned number)
{
	for (unsigned i = 0; i < c->open_count; i++) {
		if (w->messages[c->open[i]].old && c->open[i] % 3 == number % 3)
			return false;
	}
	return true;
}

static unsigned any_message(struct client *c)
{
	if (c->open_count > 0 && (c->open_count == OPEN_MAX || below(3)))
		return below(c->open_count);
	w->messages[w->messages_count] = (struct message){ .old = c->all_named && below(2) &&
								  is_free(c, w->messages_count) };
	assert_true(w->messages_count < MESSAGES_MAX - 1);
	c->open[c->open_count] = w->messages_count++;
	return c->open_count++;
}

static struct entry make_entry(struct client *c, bool part)
{
	struct message *m;
	unsigned at, number;
	bool last;

	if (!part)
		return (struct entry){ .token = new_token(0, 0) };
	at = any_message(c);
	number = c->open[at];
	m = &w->messages[number];
	if (!m->old && below(60) == 0) { /* one goes missing */
		m->parts++;
		m->gap = true;
	}
	last = (m->parts > 0 && below(3) == 0) || m->parts > ROW_TOKENS_MAX - 4;
	if (last)
		c->open[at] = c->open[--c->open_count];
	m->complete = last;
	return (struct entry){ .token = new_token(number, m->parts++), .last = last };
}

/* A part whose message began before anyone listened. */
static struct entry make_stray(void)
{
	unsigned number = w->messages_count++;

	assert_true(w->messages_count < MESSAGES_MAX);
	w->messages[number] = (struct message){ .parts = 2, .gap = true };
	return (struct entry){ .token = new_token(number, 1) };
}

static void make_frame(struct client *c, struct frame *f, unsigned number)
{
	bool large = below(400) == 0;
	unsigned parts_in_10 = below(11);

	f->number = number;
	f->named = c->all_named || below(3) > 0;
	f->count = large ? LARGE_ENTRIES : 1 + below(ENTRIES_MAX);
	f->entries = calloc(f->count, sizeof *f->entries);
	for (unsigned i = 0; i < f->count; i++)
		f->entries[i] =
			large && below(100) ? make_stray() : make_entry(c, below(10) < parts_in_10);
}

static void make_client(struct client *c, unsigned number)
{
	c->number = number;
	c->all_named = below(2);
	c->count = 10 + below(FRAMES_MAX - 10);
	for (unsigned i = 0; i < c->count; i++)
		make_frame(c, &c->frames[i], i);
}

/* ---- a world ---- */

static void finish(void)
{
	w->commit.room = true;
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *c = &w->clients[i];

		if (!c->conn)
			reconnect(c, true);
		for (unsigned n = 0; n < 10000; n++) {
			skip_done(c);
			if (c->acked == c->count)
				break;
			send_frame(c);
			if (c->next == c->count)
				tick();
			some_durable();
			if (!c->conn)
				reconnect(c, true);
		}
		assert_int_equal(c->acked, c->count);
	}
	flush_all(INT64_MAX);
	make_durable(&w->commit, w->commit.open);
}

static void check_frames(void)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		const struct client *c = &w->clients[i];

		for (unsigned n = 0; n < c->count; n++) {
			const struct frame *f = &c->frames[n];

			for (unsigned e = 0; f->named && e < f->count; e++) {
				if (w->tokens[f->entries[e].token].stored != 1)
					fail_msg("seed %lu: text %u of frame %u.%u is lost",
						(unsigned long)w->seed, f->entries[e].token, i, n);
			}
		}
	}
}

static void begin(uint64_t seed)
{
	w = calloc(1, sizeof *w);
	w->seed = seed;
	event_gen_init(&w->dice, seed);
	w->commit = (struct commit){ .open = 1, .room = true };
	w->commit.rows = calloc(ROWS_MAX, sizeof *w->commit.rows);
	w->commit.ids = calloc(IDS_MAX, sizeof *w->commit.ids);
	w->tokens = calloc(TOKENS_MAX, sizeof *w->tokens);
	w->messages = calloc(MESSAGES_MAX, sizeof *w->messages);
	w->messages_count = 1;
	chunkset_init(&w->commit.known, 1 << 16, 1 << 12);
	buf_init(&w->record, 1 << 16);
	w->intake.commit = &w->commit;
	assert_int_equal(normalise_new(&w->intake.normalise), 0);
	stage_pool_init(&w->intake.pool, -1, 64 << 20, 0);
	stage_init(&w->flush_stage, &w->intake.pool);
	for (unsigned i = 0; i < CLIENTS; i++) {
		make_client(&w->clients[i], i);
		reconnect(&w->clients[i], true);
	}
}

static void end(void)
{
	end_conns();
	for (unsigned i = 0; i < CLIENTS; i++) {
		for (unsigned n = 0; n < w->clients[i].count; n++)
			free(w->clients[i].frames[n].entries);
	}
	stage_fini(&w->flush_stage);
	stage_pool_fini(&w->intake.pool);
	assert_int_equal(w->intake.pool.bytes, 0);
	normalise_free(&w->intake.normalise);
	chunkset_fini(&w->commit.known);
	buf_fini(&w->record);
	event_gen_fini(&w->dice);
	free(w->commit.rows);
	free(w->commit.ids);
	free(w->tokens);
	free(w->messages);
	free(w);
}

static uint64_t env_number(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : otherwise;
}

static void each_text_once(void **state)
{
	uint64_t rounds = env_number("ASTRO_ROUNDS", ROUNDS);
	uint64_t seed = env_number("ASTRO_SEED", 0);
	uint64_t crashes = 0, repeats = 0, joined = 0, alone = 0;

	(void)state;
	for (uint64_t i = 0; i < rounds; i++) {
		begin(seed ? seed : i + 1);
		for (unsigned n = 0; n < OPS; n++)
			step();
		finish();
		check_frames();
		crashes += w->crashes;
		repeats += w->intake.counts.repeats;
		joined += w->intake.counts.parts_joined;
		alone += w->intake.counts.parts_alone;
		end();
	}
	print_message("# %lu crashes, %lu frames known, %lu messages joined, %lu parts alone\n",
		(unsigned long)crashes, (unsigned long)repeats, (unsigned long)joined,
		(unsigned long)alone);
	assert_true(crashes > 0 && repeats > 0 && joined > 0 && alone > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_text_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
