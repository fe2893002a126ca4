/*
 * figures - carries the numbers that the parts of the collector keep for themselves over into the
 * metrics, when somebody asks: counting costs the hot path a plain addition.
 *
 * Thread: the loop's.
 */
#ifndef COLLECTOR_FIGURES_H
#define COLLECTOR_FIGURES_H

#include "collector/collector.h"

void figures_refresh(struct collector *c);

#endif
