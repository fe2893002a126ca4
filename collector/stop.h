/*
 * stop - the orderly end: accept no more; read what is on its way; make it durable; write the acks;
 * seal; close everything, so that the loop ends by itself.
 *
 * Thread: the loop's.
 */
#ifndef COLLECTOR_STOP_H
#define COLLECTOR_STOP_H

#include "collector/collector.h"

/* Begins it; the process ends with `status`, or 1 when something could not be made durable. */
void stop_begin(struct collector *c, int status);
/* The sealer has ended. */
void stop_sealed(struct collector *c, bool all);
/* After the loop has ended. */
void stop_free(struct stop **s);

#endif
