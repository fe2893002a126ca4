/*
 * send_args - what the user wants of astrosend: flags, environment and words, checked.
 *
 * Thread: one, at start. Memory: texts point into argv and the environment.
 */
#ifndef TOOLS_SEND_ARGS_H
#define TOOLS_SEND_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/client/client_to.h"

struct send_args {
	const char *to; /* as given */
	struct client_to where;
	const char *tag;

	/* What is sent: one event, unless one of these is set. */
	bool ndjson;
	bool lines;
	bool msgpack;
	char **operands; /* files, or words of the one event */
	int operands_count;

	/* Fields. */
	const char *type;
	const char *severity;
	const char *entity;
	const char *user;
	const char *message;
	const char *service;
	const char *host_field;
	const char *ip;
	const char *user_agent;
	const char *time;

	/* How. */
	int64_t batch;
	int64_t window;
	int64_t rate; /* events a second; 0: as fast as it goes */
	int64_t timeout_s;
	int64_t datagram_bytes;
	int64_t train; /* datagrams that go as one; 0: by the rate */
	const char *run_id;
	const char *acked_log;
	bool strict;
	bool quiet;
};

/* For main(): -1 to go on, else the exit status. */
int send_args_read(struct send_args *a, int argc, char **argv);

/*
 * The pairs of a record that flags and words name, without the map's head; their number to
 * *out_count. A word is field=text, or field:=JSON.
 */
int send_args_fields(
	const struct send_args *a, struct buf *out, uint32_t *out_count, struct diag *d);

#endif
