/* upkeep_scrub - `astrocompact scrub` (storage/scrub.h). */
#ifndef TOOLS_UPKEEP_SCRUB_H
#define TOOLS_UPKEEP_SCRUB_H

#include "tools/upkeep.h"

/* The exit status. */
int upkeep_scrub(const struct upkeep *u);

#endif
