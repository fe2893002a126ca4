#include "proto/svc/version.h"

/* Passed by meson.build to this file alone, so that a new version compiles one file. */
const char version_text[] = ASTRO_VERSION;
