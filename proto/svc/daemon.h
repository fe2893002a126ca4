/*
 * daemon - what every long-running program of ours does with its process: signals, readiness,
 * limits, and giving up rights.
 *
 * Order in main(): daemon_prepare before anything is opened; open everything; daemon_confine;
 * daemon_signals_open on the loop; daemon_notify("READY=1").
 *
 * Thread:  the main thread, before others start (signals: the loop's thread).
 * Memory:  none but the caller's structs.
 * Errors:  negative errno with a diag. Nothing here logs.
 */
#ifndef PROTO_SVC_DAEMON_H
#define PROTO_SVC_DAEMON_H

#include <stdint.h>

#include <uv.h>

#include "proto/base/diag.h"

/*
 * umask 0027, SIGPIPE and SIGXFSZ ignored, descriptors 0..2 open (on /dev/null if need be).
 * RLIMIT_NOFILE is raised to `files_want`, or as far as the hard limit lets it; what it is then
 * is *out_files.
 */
int daemon_prepare(uint64_t files_want, uint64_t *out_files, struct diag *d);

/*
 * No new privileges by exec, no core dump, no tracing by other processes of the user. A build with
 * a sanitizer stays dumpable (DAEMON_DUMPABLE is 1): its leak checker looks in from outside.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DAEMON_DUMPABLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define DAEMON_DUMPABLE 1
#endif
#endif
#ifndef DAEMON_DUMPABLE
#define DAEMON_DUMPABLE 0
#endif
int daemon_confine(struct diag *d);

enum daemon_event {
	DAEMON_STOP,     /* SIGTERM or SIGINT: drain and exit */
	DAEMON_STOP_NOW, /* the same again, 100 ms later or more: exit without draining */
	DAEMON_REREAD,   /* SIGHUP */
};

typedef void (*daemon_signal_cb)(void *arg, enum daemon_event event);

struct daemon_signals {
	uint32_t tag;
	unsigned stops_count;
	int64_t stopped_ns;     /* monotonic, of the last stop told */
	unsigned handles_count; /* opened, and not yet closed */
	daemon_signal_cb cb;
	void *arg;
	uv_signal_t handles[3];
};

/* cb is called in the loop's thread. The handles do not keep the loop alive. */
int daemon_signals_open(
	struct daemon_signals *s, uv_loop_t *loop, daemon_signal_cb cb, void *arg, struct diag *d);
/* The struct must live until the loop has run once more. Idempotent. */
void daemon_signals_close(struct daemon_signals *s);

/*
 * Tells the service manager ("READY=1", "RELOADING=1", "STOPPING=1", "STATUS=...", several lines at
 * once): a datagram to $NOTIFY_SOCKET, a path or an abstract name. 0 done, 1 (DAEMON_NO_MANAGER)
 * nobody asked for it.
 */
enum { DAEMON_NO_MANAGER = 1 };
int daemon_notify(const char *state);

/* The watchdog's interval in microseconds from $WATCHDOG_USEC if it is meant for us, else 0. */
uint64_t daemon_watchdog_us(void);

#endif
