/*
 * source_dir - events straight from a data directory, whether a collector is running on it or not,
 * by the very engine of astroqueryd.
 */
#ifndef TOOLS_SOURCE_DIR_H
#define TOOLS_SOURCE_DIR_H

#include "tools/source.h"

int source_dir_open(const char *dir, struct source **out, struct diag *d);

#endif
