/* astro_client_int - what the public functions share: an event's record, and what a client is. */
#ifndef PROTO_CLIENT_ASTRO_CLIENT_INT_H
#define PROTO_CLIENT_ASTRO_CLIENT_INT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/client.h"
#include "proto/client/client_dgram.h"
#include "proto/client/client_link.h"
#include "proto/client/client_queue.h"
#include "proto/client/client_to.h"

enum {
	/* Maps and lists within each other, the record among them. */
	ASTRO_CLIENT_DEPTH = 64,
};

struct astro_client_event {
	struct buf record;
	int error;
	int64_t time_ns; /* 0: when it is logged */
	unsigned depth;
	struct {
		size_t head_off;
		uint32_t count;
		bool is_list;
	} open[ASTRO_CLIENT_DEPTH];
};

struct astro_client {
	struct client_to to;
	struct astro_client_conf conf; /* its texts are our copies */
	unsigned forks;                /* of the process, when it was opened */
	int wake_fd;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t
		changed; /* for those who wait: something was settled, or a connection was made */
	/* Below it: */
	struct client_queue queue;
	struct astro_client_counts counts;
	unsigned waiters;
	bool sleeping; /* the thread waits for events */
	bool closing;
	int64_t close_ns;  /* until when it may wait for acks; -1: as long as it takes */
	uint64_t flush_to; /* frames before this one go without waiting to become full */
	int failure;       /* why it is not connected */

	/* The thread's alone. */
	struct client_link *link; /* or */
	struct client_dgram *dgram;
};

#endif
