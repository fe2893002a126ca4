/* upkeep_rebuild - `astrocompact rebuild-manifest` (storage/manifest_rebuild.h). */
#ifndef TOOLS_UPKEEP_REBUILD_H
#define TOOLS_UPKEEP_REBUILD_H

#include "tools/upkeep.h"

/* The exit status. */
int upkeep_rebuild(const struct upkeep *u);

#endif
