/*
 * settings - what the configuration means to the parts that are running: taken at start, and again
 * on SIGHUP for the keys that conf.def marks so.
 *
 * Thread: the loop's.
 */
#ifndef COLLECTOR_SETTINGS_H
#define COLLECTOR_SETTINGS_H

#include "collector/collector.h"

void settings_apply(struct collector *c);
/* SIGHUP: reads the configuration again; logs each key that changed, or why nothing did. */
void settings_reread(struct collector *c);

#endif
