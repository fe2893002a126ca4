/* source_http - events from astroqueryd, by GET /api/logs (query/API.md). */
#ifndef TOOLS_SOURCE_HTTP_H
#define TOOLS_SOURCE_HTTP_H

#include "tools/source.h"

enum { SOURCE_HTTP_PORT = 9000 };

/* addr as http_client_open takes it; nothing is connected yet. */
int source_http_open(const char *addr, struct source **out, struct diag *d);

#endif
