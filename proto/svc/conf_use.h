/*
 * conf_use - what every program does with its configuration: reads it at the start and says what is
 * wrong, prints it for --check-config, reads it again on SIGHUP and logs what changed.
 *
 * It speaks for the program that calls it, so it prints and logs, as main would.
 *
 * Thread: the main thread.
 * Memory: the problems of one reading, given back before the return.
 */
#ifndef PROTO_SVC_CONF_USE_H
#define PROTO_SVC_CONF_USE_H

#include <stdbool.h>

#include "proto/svc/conf.h"

/* After the flags. Each problem is a line on stderr that begins with `program`; false: there was one. */
bool conf_use_load(struct conf *conf, const char *file, const char *program);

/* The values and where they come from, then "configuration ok", on stdout. */
void conf_use_print(struct conf *conf);

/*
 * On SIGHUP: tells the service manager, reads again, calls apply(arg) for the new values, logs each
 * key that changed, or why nothing did.
 */
void conf_use_reread(struct conf *conf, void (*apply)(void *arg), void *arg);

#endif
