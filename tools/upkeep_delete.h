/* upkeep_delete - `astrocompact delete --query ...` (storage/compact_redact.h). */
#ifndef TOOLS_UPKEEP_DELETE_H
#define TOOLS_UPKEEP_DELETE_H

#include "tools/upkeep.h"

/* The exit status. Without u->yes it only says what it would do, and that it wants to be told. */
int upkeep_delete(const struct upkeep *u);

#endif
