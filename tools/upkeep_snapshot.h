/* upkeep_snapshot - `astrocompact snapshot DIR` (storage/backup.h). */
#ifndef TOOLS_UPKEEP_SNAPSHOT_H
#define TOOLS_UPKEEP_SNAPSHOT_H

#include "tools/upkeep.h"

/* The exit status. */
int upkeep_snapshot(const struct upkeep *u, const char *to);

#endif
