/*
 * procstat - what the kernel says about this process: CPU time, memory, descriptors.
 *
 * Thread: any. Memory: the stack. Errors: none; a figure that cannot be read is 0.
 */
#ifndef PROTO_SVC_PROCSTAT_H
#define PROTO_SVC_PROCSTAT_H

#include <stdint.h>

struct procstat {
	int64_t cpu_ns;   /* user and system, all threads */
	int64_t start_ns; /* wall clock */
	uint64_t resident_bytes;
	uint64_t resident_bytes_max;
	uint64_t fds;
	uint64_t fds_max; /* the soft limit */
};

void procstat_read(struct procstat *out);

#endif
